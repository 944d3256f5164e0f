/*
 * Clocks of CPU time: whose they are, clock_getcpuclockid(3), sleeping on them. And adjtimex(2) as far as
 * anybody may call it.
 */
#include "tap.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>

#define MS 1000000ll

/* The kernel's encoding of a thread's or a process's clock, clock_getres(2). */
#define CLOCK_OF_PROCESS(pid) ((int)(~(unsigned)(pid) << 3 | 2))
#define CLOCK_OF_THREAD(tid)  (CLOCK_OF_PROCESS(tid) | 4)

static volatile bool stop;
static pid_t burner_tid;
static volatile uintptr_t bad = 8;

static int64_t now(clockid_t id)
{
	struct timespec ts;

	must(clock_gettime(id, &ts));
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* Returns as the system call does: -1 and errno. */
static long sleep_on(int id, int flags, int64_t ns, struct timespec *rest)
{
	struct timespec ts = {ns / 1000000000, ns % 1000000000};

	return syscall(SYS_clock_nanosleep, id, flags, &ts, rest);
}

static void *burn(void *arg)
{
	__atomic_store_n(&burner_tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	while (!stop)
		;
	return NULL;
}

static void on_alarm(int sig)
{
}

static void test_own(void)
{
	int self = CLOCK_OF_PROCESS(getpid()), thread;
	struct timespec rest = {7, 7};
	int64_t start;
	pthread_t t;

	must(pthread_create(&t, NULL, burn, NULL));
	while (!__atomic_load_n(&burner_tid, __ATOMIC_ACQUIRE))
		sched_yield();
	thread = CLOCK_OF_THREAD(burner_tid);

	start = now(CLOCK_PROCESS_CPUTIME_ID);
	ok(!sleep_on(CLOCK_PROCESS_CPUTIME_ID, 0, 20 * MS, &rest), "a sleep in CPU time");
	ok(now(CLOCK_PROCESS_CPUTIME_ID) >= start + 20 * MS, "is never early");
	ok(rest.tv_sec == 7 && rest.tv_nsec == 7, "and leaves the rest alone");
	start = now(self);
	ok(!sleep_on(self, TIMER_ABSTIME, start + 20 * MS, NULL) && now(self) >= start + 20 * MS,
	   "until a time of the process's clock");
	ok(!sleep_on(self, TIMER_ABSTIME, start, NULL), "that has come already");
	start = now(thread);
	ok(!sleep_on(thread, 0, 20 * MS, NULL) && now(thread) >= start + 20 * MS,
	   "on another thread's clock");

	stop = true;
	pthread_join(t, NULL);
	fails(sleep_on(thread, 0, MS, NULL), EINVAL);
	fails(sleep_on(CLOCK_OF_THREAD(getpid()), 0, MS, NULL), EINVAL);
	fails(sleep_on(CLOCK_OF_THREAD(0), 0, MS, NULL), EINVAL);
	fails(sleep_on(CLOCK_THREAD_CPUTIME_ID, 0, MS, NULL), EOPNOTSUPP);
	fails(sleep_on(self, 0, -1, NULL), EINVAL);
	fails(syscall(SYS_clock_nanosleep, self, 0, bad, NULL), EFAULT);
}

/* Nobody uses CPU time while all sleep, so only a signal ends the sleep. */
static void test_interrupted(void)
{
	struct itimerval soon = {.it_value.tv_usec = 30000};
	struct timespec rest = {0, 0};
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};

	must(sigaction(SIGALRM, &sa, NULL));
	must(setitimer(ITIMER_REAL, &soon, NULL));
	fails(sleep_on(CLOCK_PROCESS_CPUTIME_ID, 0, 3600000 * MS, &rest), EINTR);
	ok(rest.tv_sec >= 3598 && rest.tv_sec <= 3600, "and says what is left");
	must(setitimer(ITIMER_REAL, &soon, NULL));
	fails(sleep_on(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, 3600000 * MS, NULL), EINTR);
}

static void test_child(void)
{
	clockid_t clock;
	int64_t start;
	pid_t pid = must(fork());

	if (!pid)
		for (;;)
			;
	ok(!clock_getcpuclockid(pid, &clock) && clock == CLOCK_OF_PROCESS(pid),
	   "clock_getcpuclockid of a child");
	start = now(clock);
	ok(!sleep_on(clock, 0, 20 * MS, NULL) && now(clock) >= start + 20 * MS,
	   "a sleep on a child's clock");
	fails(clock_gettime(CLOCK_OF_THREAD(pid), &(struct timespec){0}), EINVAL);
	must(kill(pid, SIGKILL));
	must(waitpid(pid, NULL, 0));
	fails(sleep_on(clock, 0, MS, NULL), EINVAL);
	ok(clock_getcpuclockid(pid, &clock) != 0, "of one that has gone");
}

static void test_ids(void)
{
	struct timespec ts = {0, 0};
	int self = CLOCK_OF_PROCESS(getpid());

	ok(!clock_getres(self, &ts) && ts.tv_sec == 0 && ts.tv_nsec > 0, "it has a resolution");
	ok(!clock_getres((self & ~3) | 1, NULL) && !clock_getres(self & ~3, NULL),
	   "in all three times");
	fails(clock_getres(self | 3, NULL), EINVAL);
	ok(now(CLOCK_OF_PROCESS(0)) > 0 && now(CLOCK_OF_THREAD(0)) > 0, "0 is the caller");
	fails(syscall(SYS_clock_settime, self, &ts), EPERM);
	fails(syscall(SYS_clock_settime, CLOCK_PROCESS_CPUTIME_ID, &ts), EINVAL);
}

static void test_adjtimex(void)
{
	struct timex tx = {.modes = 0};
	int64_t wall;

	ok(syscall(SYS_adjtimex, &tx) >= 0, "adjtimex reads");
	wall = now(CLOCK_REALTIME) / 1000000000;
	ok(wall - tx.time.tv_sec >= 0 && wall - tx.time.tv_sec < 10, "the wall clock");
	ok(tx.tick >= 9000 && tx.tick <= 11000 && tx.precision > 0, "its tick");
	ok(tx.tolerance == 500 << 16, "and its tolerance");
	tx.modes = 0xa001; /* what is left of an adjtime(3) */
	ok(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &tx) >= 0, "clock_adjtime, too");
	tx.modes = 0x8000;
	fails(syscall(SYS_adjtimex, &tx), EINVAL);
	tx.modes = 0;
	fails(syscall(SYS_clock_adjtime, 77, &tx), EINVAL);
	fails(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &tx), EOPNOTSUPP);
	fails(syscall(SYS_clock_adjtime, CLOCK_REALTIME, bad), EFAULT);
	fails(syscall(SYS_adjtimex, bad), EFAULT);
}

int main(void)
{
	test_own();
	test_interrupted();
	test_child();
	test_ids();
	test_adjtimex();
	return tap_done();
}
