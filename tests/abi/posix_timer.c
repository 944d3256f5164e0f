/*
 * POSIX timers: timer_create(2), timer_settime(2), timer_getoverrun(2), timer_delete(2), by the raw
 * system calls, since the C library has timers of its own making for SIGEV_THREAD.
 */
#include "tap.h"

#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define MS 1000000ll

static volatile sig_atomic_t count;
static siginfo_t last;

static void handler(int sig, siginfo_t *info, void *uc)
{
	count++;
	last = *info;
}

static void install(int sig)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	count = 0;
	must(sigaction(sig, &sa, NULL));
}

struct kernel_sigevent {
	uint64_t value;
	int signo, notify, tid, pad[11];
};

static int create(clockid_t clock, int notify, int sig, uint64_t value, pid_t tid)
{
	struct kernel_sigevent ev = {.value = value, .signo = sig, .notify = notify, .tid = tid};
	int id = -1;

	return syscall(SYS_timer_create, clock, &ev, &id) ? -1 : id;
}

static struct itimerspec spec(int64_t value, int64_t interval)
{
	return (struct itimerspec){.it_value = {value / 1000000000, value % 1000000000},
				   .it_interval = {interval / 1000000000, interval % 1000000000}};
}

static int settime(int id, int flags, int64_t value, int64_t interval)
{
	struct itimerspec it = spec(value, interval);

	return syscall(SYS_timer_settime, id, flags, &it, NULL);
}

static int64_t ns(struct timespec ts)
{
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static struct itimerspec gettime(int id)
{
	struct itimerspec it;

	must(syscall(SYS_timer_gettime, id, &it));
	return it;
}

static int64_t now(clockid_t id)
{
	struct timespec ts;

	must(clock_gettime(id, &ts));
	return ns(ts);
}

static void remove_timer(int id)
{
	must(syscall(SYS_timer_delete, id));
}

static void block(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	must(sigprocmask(how, &set, NULL));
}

static void sleep_ms(int ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * MS};

	while (nanosleep(&ts, &ts))
		;
}

static void wait_for_count(int n)
{
	sigset_t none;

	sigemptyset(&none);
	while (count < n)
		sigsuspend(&none);
}

static void test_errors(void)
{
	struct kernel_sigevent ev = {.signo = SIGALRM, .notify = SIGEV_SIGNAL};
	volatile uintptr_t bad = 8;
	struct itimerspec it;
	int id;

	fails(create(77, SIGEV_SIGNAL, SIGALRM, 0, 0), EINVAL);
	fails(create(CLOCK_MONOTONIC_RAW, SIGEV_SIGNAL, SIGALRM, 0, 0), EOPNOTSUPP);
	fails(create(CLOCK_REALTIME_COARSE, SIGEV_SIGNAL, SIGALRM, 0, 0), EOPNOTSUPP);
	fails(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 0, 0, 0), EINVAL);
	fails(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 65, 0, 0), EINVAL);
	fails(create(CLOCK_MONOTONIC, 3, SIGALRM, 0, 0), EINVAL);
	fails(create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGALRM, 0, 1), EINVAL);
	fails(create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGALRM, 0, -1), EINVAL);
	fails(syscall(SYS_timer_create, CLOCK_MONOTONIC, bad, &id), EFAULT);
	fails(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, bad), EFAULT);

	id = must(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGALRM, 0, 0));
	fails(syscall(SYS_timer_settime, id, 0, NULL, NULL), EINVAL);
	fails(syscall(SYS_timer_settime, id, 0, bad, NULL), EFAULT);
	fails(settime(id, 0, 0, -1), EINVAL);
	it = spec(0, 0);
	it.it_value.tv_nsec = 1000000000;
	fails(syscall(SYS_timer_settime, id, 0, &it, NULL), EINVAL);
	fails(syscall(SYS_timer_gettime, id, bad), EFAULT);
	remove_timer(id);
	fails(syscall(SYS_timer_delete, id), EINVAL);
	fails(syscall(SYS_timer_gettime, id, &it), EINVAL);
	fails(syscall(SYS_timer_getoverrun, id), EINVAL);
	fails(settime(id, 0, MS, 0), EINVAL);
}

static void test_once(clockid_t clock, const char *name)
{
	int id = must(create(clock, SIGEV_SIGNAL, SIGRTMIN + 1, 0x123456789abcull, 0));
	int64_t start = now(CLOCK_MONOTONIC);

	install(SIGRTMIN + 1);
	ok(ns(gettime(id).it_value) == 0, "%s: not armed", name);
	must(settime(id, 0, 20 * MS, 0));
	wait_for_count(1);
	ok(now(CLOCK_MONOTONIC) - start >= 20 * MS, "%s: not early", name);
	ok(last.si_code == SI_TIMER && last.si_signo == SIGRTMIN + 1 && last.si_timerid == id &&
		   last.si_overrun == 0 && (uint64_t)last.si_value.sival_ptr == 0x123456789abcull,
	   "%s: siginfo", name);
	ok(ns(gettime(id).it_value) == 0, "%s: over", name);
	must(settime(id, TIMER_ABSTIME, now(clock) + 20 * MS, 0));
	wait_for_count(2);
	ok(now(CLOCK_MONOTONIC) - start >= 40 * MS, "%s: until a time", name);
	must(settime(id, TIMER_ABSTIME, 1, 0));
	wait_for_count(3);
	ok(true, "%s: a time that is over", name);
	must(settime(id, 0, 50 * MS, 0));
	must(settime(id, 0, 0, 0));
	sleep_ms(60);
	ok(count == 3, "%s: stopped", name);
	remove_timer(id);
}

static void test_interval(void)
{
	int id = must(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 1, 1, 0));
	int64_t start = now(CLOCK_MONOTONIC);
	struct itimerspec it, old;

	install(SIGRTMIN + 1);
	must(settime(id, 0, 3 * MS, 5 * MS));
	wait_for_count(4);
	ok(now(CLOCK_MONOTONIC) - start >= 18 * MS, "an interval timer goes on");
	it = gettime(id);
	ok(ns(it.it_interval) == 5 * MS && ns(it.it_value) > 0 && ns(it.it_value) <= 5 * MS,
	   "timer_gettime tells its interval and what is left");
	it = spec(1000000 * MS, 0);
	must(syscall(SYS_timer_settime, id, 0, &it, &old));
	ok(ns(old.it_interval) == 5 * MS, "timer_settime returns what was");
	it = gettime(id);
	ok(ns(it.it_interval) == 0 && ns(it.it_value) > 900000 * MS, "a new time replaces the old");
	remove_timer(id);
}

static void test_overrun(void)
{
	int id = must(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 1, 1, 0));
	struct itimerspec it;
	sigset_t set;

	block(SIG_BLOCK, SIGRTMIN + 1);
	must(settime(id, 0, MS, MS));
	sleep_ms(40);
	it = gettime(id);
	ok(ns(it.it_value) > 0 && ns(it.it_value) <= MS, "it seems to run while its signal waits");
	ok(syscall(SYS_timer_getoverrun, id) == 0, "nothing is overrun before that is taken");
	/* Not by a handler: the next signal may be there before the first one has been looked at. */
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	ok(sigtimedwait(&set, &last, &(struct timespec){10, 0}) == SIGRTMIN + 1 &&
		   last.si_overrun >= 30,
	   "the first signal knows how many expiries were missed");
	remove_timer(id);
	block(SIG_UNBLOCK, SIGRTMIN + 1);

	id = must(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 2, 1, 0));
	block(SIG_BLOCK, SIGRTMIN + 2);
	must(settime(id, 0, 1, 1));
	sleep_ms(20);
	ok(true, "a nanosecond's interval does not hold the CPU");
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 2);
	ok(sigtimedwait(&set, &last, &(struct timespec){10, 0}) == SIGRTMIN + 2 &&
		   last.si_overrun > 1000000,
	   "and overruns in great numbers");
	ok(syscall(SYS_timer_getoverrun, id) == last.si_overrun, "timer_getoverrun says the same");
	remove_timer(id);
}

static void test_none(void)
{
	int id = must(create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0));
	struct itimerspec it;

	must(settime(id, 0, 20 * MS, 0));
	it = gettime(id);
	ok(ns(it.it_value) > 0 && ns(it.it_value) <= 20 * MS, "SIGEV_NONE counts down");
	sleep_ms(25);
	ok(ns(gettime(id).it_value) == 0, "to 0");
	must(settime(id, 0, 5 * MS, 10 * MS));
	sleep_ms(30);
	it = gettime(id);
	ok(ns(it.it_value) > 0 && ns(it.it_value) <= 10 * MS, "and with an interval again");
	remove_timer(id);
}

static void test_ignored(void)
{
	int id;

	signal(SIGRTMIN + 1, SIG_IGN);
	id = must(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 1, 1, 0));
	must(settime(id, 0, MS, MS));
	sleep_ms(10);
	install(SIGRTMIN + 1);
	wait_for_count(1);
	ok(true, "a timer whose signal was ignored goes on when it is not any more");
	remove_timer(id);
}

static void test_thread_id(void)
{
	int id = must(create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGRTMIN + 1, 5, getpid()));

	install(SIGRTMIN + 1);
	must(settime(id, 0, MS, 0));
	wait_for_count(1);
	ok(last.si_value.sival_int == 5, "SIGEV_THREAD_ID");
	remove_timer(id);
}

static void test_default(void)
{
	int id;

	install(SIGALRM);
	must(syscall(SYS_timer_create, CLOCK_REALTIME, NULL, &id));
	must(settime(id, 0, MS, 0));
	wait_for_count(1);
	ok(last.si_value.sival_int == id && last.si_code == SI_TIMER,
	   "without a sigevent: SIGALRM with the timer's number");
	remove_timer(id);
}

static void test_cpu(clockid_t clock, const char *name)
{
	int id = must(create(clock, SIGEV_SIGNAL, SIGRTMIN + 1, 1, 0));
	int64_t start = now(clock);

	install(SIGRTMIN + 1);
	must(settime(id, 0, 30 * MS, 0));
	sleep_ms(50);
	ok(count == 0, "%s: stands still in a sleep", name);
	while (!count && now(clock) - start < 5000 * MS)
		;
	ok(count == 1 && now(clock) - start >= 30 * MS, "%s: expires in CPU time", name);
	must(settime(id, 0, 10 * MS, 10 * MS));
	start = now(clock);
	while (count < 4 && now(clock) - start < 5000 * MS)
		;
	ok(count == 4 && now(clock) - start >= 30 * MS, "%s: with an interval", name);
	must(settime(id, TIMER_ABSTIME, now(clock) + 20 * MS, 0));
	while (count < 5 && now(clock) - start < 5000 * MS)
		;
	ok(count == 5, "%s: until a time", name);
	remove_timer(id);
}

static void test_inheritance(void)
{
	int id = must(create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0)), status;
	struct itimerspec it;

	if (!fork())
		_exit(syscall(SYS_timer_gettime, id, &it) == -1 && errno == EINVAL ? 0 : 1);
	must(wait(&status));
	ok(status == 0, "a child has no timers");
	if (!fork()) {
		char text[16];

		snprintf(text, sizeof(text), "%d", id);
		id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGKILL, 0, 0);
		must(settime(id, 0, 300 * MS, 0));
		execl("/proc/self/exe", "posix_timer", "after-exec", NULL);
		_exit(1);
	}
	must(wait(&status));
	ok(status == 0, "a new program has none");
	remove_timer(id);
}

/* Expiries, settings and deletions from three threads at once. */
static volatile bool stop;

static int racer(void *arg)
{
	int id = *(int *)arg;

	while (!stop) {
		settime(id, 0, 1000, 10000);
		sched_yield();
	}
	return 0;
}

static void test_race(void)
{
	static char stack[2][16384];
	int id[2], got = 0;
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	must(sigprocmask(SIG_BLOCK, &set, NULL));
	for (int i = 0; i < 2; i++) {
		id[i] = must(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 1, i, 0));
		must(clone(racer, stack[i] + sizeof(stack[i]),
			   CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_FILES | CLONE_FS,
			   &id[i]));
	}
	for (int64_t end = now(CLOCK_MONOTONIC) + 300 * MS; now(CLOCK_MONOTONIC) < end;)
		got += sigtimedwait(&set, &info, &(struct timespec){0, 50 * MS}) > 0;
	ok(got > 0, "timers that are set again and again still expire");
	remove_timer(id[0]);
	stop = true;
	sleep_ms(20);
	remove_timer(id[1]);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		sleep_ms(400);
		return 0;
	}
	test_errors();
	test_once(CLOCK_MONOTONIC, "monotonic");
	test_once(CLOCK_REALTIME, "realtime");
	test_once(CLOCK_BOOTTIME, "boottime");
	test_interval();
	test_overrun();
	test_none();
	test_ignored();
	test_thread_id();
	test_default();
	test_cpu(CLOCK_PROCESS_CPUTIME_ID, "process");
	test_cpu(CLOCK_THREAD_CPUTIME_ID, "thread");
	test_inheritance();
	test_race();
	return tap_done();
}
