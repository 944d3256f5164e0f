/*
 * Interval timers and CPU time: setitimer(2), getitimer(2), alarm(2), getrusage(2), times(2),
 * clock_getcpuclockid(3). Times are compared with what must hold on any machine: a timer is never
 * early, a process that computes uses user time, one that copies uses system time.
 */
#include "tap.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <time.h>

#define MS 1000000ll

static volatile sig_atomic_t count[65], last_code;

static void handler(int sig, siginfo_t *info, void *uc)
{
	count[sig]++;
	last_code = info->si_code;
}

static void install(int sig)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	count[sig] = 0;
	must(sigaction(sig, &sa, NULL));
}

static int64_t ns(const struct timespec *ts)
{
	return ts->tv_sec * 1000000000ll + ts->tv_nsec;
}

static int64_t now(clockid_t id)
{
	struct timespec ts;

	must(clock_gettime(id, &ts));
	return ns(&ts);
}

static int64_t us(const struct timeval *tv)
{
	return tv->tv_sec * 1000000ll + tv->tv_usec;
}

static struct itimerval itimer(long value_us, long interval_us)
{
	return (struct itimerval){.it_value = {value_us / 1000000, value_us % 1000000},
				  .it_interval = {interval_us / 1000000, interval_us % 1000000}};
}

/* Computes until @sig has come @n times; false if that takes ten seconds of CPU time. */
static bool spin_until(int sig, int n)
{
	int64_t start = now(CLOCK_PROCESS_CPUTIME_ID);

	while (count[sig] < n) {
		for (volatile int i = 0; i < 100000; i++)
			;
		if (now(CLOCK_PROCESS_CPUTIME_ID) - start > 10000 * MS)
			return false;
	}
	return true;
}

static void test_errors(void)
{
	struct itimerval it = itimer(0, 0);
	volatile uintptr_t bad = 8;

	fails(setitimer(3, &it, NULL), EINVAL);
	fails(setitimer(-1, &it, NULL), EINVAL);
	fails(getitimer(3, &it), EINVAL);
	fails(syscall(SYS_getitimer, ITIMER_REAL, bad), EFAULT);
	fails(syscall(SYS_setitimer, ITIMER_REAL, bad, NULL), EFAULT);
	it.it_value.tv_usec = 1000000;
	fails(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
	it = itimer(0, 0);
	it.it_interval.tv_usec = -1;
	fails(setitimer(ITIMER_PROF, &it, NULL), EINVAL);
	it = itimer(0, 0);
	it.it_value.tv_sec = -1;
	fails(setitimer(ITIMER_VIRTUAL, &it, NULL), EINVAL);
}

static void test_real(void)
{
	struct itimerval it = itimer(20000, 0), old;
	int64_t start = now(CLOCK_MONOTONIC);
	sigset_t none;

	install(SIGALRM);
	sigemptyset(&none);
	must(setitimer(ITIMER_REAL, &it, NULL));
	sigsuspend(&none);
	ok(count[SIGALRM] == 1 && now(CLOCK_MONOTONIC) - start >= 20 * MS,
	   "ITIMER_REAL is not early");
	ok(last_code == SI_KERNEL, "its signal comes from the kernel");
	ok(getitimer(ITIMER_REAL, &old) == 0 && !us(&old.it_value) && !us(&old.it_interval),
	   "once is once");

	it = itimer(5000, 5000);
	start = now(CLOCK_MONOTONIC);
	must(setitimer(ITIMER_REAL, &it, NULL));
	while (count[SIGALRM] < 5)
		sigsuspend(&none);
	ok(now(CLOCK_MONOTONIC) - start >= 20 * MS, "an interval goes on");
	ok(getitimer(ITIMER_REAL, &old) == 0 && us(&old.it_interval) == 5000, "and is remembered");

	it = itimer(1000000000, 0);
	must(setitimer(ITIMER_REAL, &it, &old));
	ok(us(&old.it_interval) == 5000, "setitimer returns the old one");
	it.it_interval = (struct timeval){INT64_MAX / 1000000000 - 1, 20};
	must(setitimer(ITIMER_REAL, &it, NULL));
	ok(!getitimer(ITIMER_REAL, &old) &&
		   !memcmp(&old.it_interval, &it.it_interval, sizeof(it.it_interval)),
	   "an interval of 292 years");
	it = itimer(1000000000, 0);
	must(setitimer(ITIMER_REAL, &it, NULL));
	int seconds = alarm(5);
	ok(seconds >= 990 && seconds <= 1000, "alarm tells what was left of it");
	ok(alarm(0) == 5, "and of an alarm");
	ok(alarm(0) == 0, "0: none");

	must(setitimer(ITIMER_REAL, &it, NULL));
	if (!fork()) {
		must(getitimer(ITIMER_REAL, &old));
		_exit(us(&old.it_value) != 0);
	}
	int status;
	must(wait(&status));
	ok(status == 0, "a child does not inherit it");
	alarm(0);
}

static void test_virtual(void)
{
	struct itimerval it = itimer(50000, 0), old;
	struct rusage a, b;

	install(SIGVTALRM);
	must(getrusage(RUSAGE_SELF, &a));
	must(setitimer(ITIMER_VIRTUAL, &it, NULL));
	must(getitimer(ITIMER_VIRTUAL, &old));
	ok(us(&old.it_value) > 0 && us(&old.it_value) <= 100000, "ITIMER_VIRTUAL counts down");
	usleep(100000);
	ok(count[SIGVTALRM] == 0, "but not while the process sleeps");
	ok(spin_until(SIGVTALRM, 1), "it expires while the process computes");
	must(getrusage(RUSAGE_SELF, &b));
	/* Linux counts it by the tick, so on a busy machine it may be several of them early. */
	ok(us(&b.ru_utime) - us(&a.ru_utime) >= 10000, "not before the time was used");
	must(getitimer(ITIMER_VIRTUAL, &old));
	ok(us(&old.it_value) == 0, "and is over");
}

static void test_prof(void)
{
	struct itimerval it = itimer(20000, 20000), old;
	int64_t start = now(CLOCK_PROCESS_CPUTIME_ID);

	install(SIGPROF);
	must(setitimer(ITIMER_PROF, &it, NULL));
	ok(spin_until(SIGPROF, 3), "ITIMER_PROF goes on and on");
	ok(now(CLOCK_PROCESS_CPUTIME_ID) - start >= 12 * MS, "in CPU time");
	it = itimer(0, 0);
	must(setitimer(ITIMER_PROF, &it, &old));
	ok(us(&old.it_interval) == 20000, "until it is stopped");
}

/* ---- CPU time ---- */

/*
 * Until 120 ms are used, and half of that as user or as system time. Which of the two it is, Linux and
 * Pollux find out by samples: if the machine stands still between two of them, all that time counts
 * as one kind. So there may be much of the wrong kind, but the right one must come.
 */
static struct rusage use_cpu(bool in_kernel)
{
	static char buf[1 << 16];
	struct rusage a, b;
	int fd = must(open("/dev/zero", O_RDONLY));
	int64_t start, used;

	must(getrusage(RUSAGE_SELF, &a));
	start = now(CLOCK_PROCESS_CPUTIME_ID);
	do {
		if (in_kernel) {
			for (int i = 0; i < 20; i++)
				must(read(fd, buf, sizeof(buf)));
		} else {
			for (volatile int i = 0; i < 200000; i++)
				;
		}
		must(getrusage(RUSAGE_SELF, &b));
		timersub(&b.ru_utime, &a.ru_utime, &b.ru_utime);
		timersub(&b.ru_stime, &a.ru_stime, &b.ru_stime);
		used = now(CLOCK_PROCESS_CPUTIME_ID) - start;
	} while (used < 120 * MS ||
		 (us(in_kernel ? &b.ru_stime : &b.ru_utime) < 60000 && used < 5000 * MS));
	close(fd);
	return b;
}

static void test_usage(void)
{
	struct rusage used = use_cpu(false), self, thread;
	struct tms before, after;
	int status;

	ok(us(&used.ru_utime) >= 60000, "computing uses user time");
	used = use_cpu(true);
	ok(us(&used.ru_stime) >= 60000, "reading from a device uses system time");
	ok(us(&used.ru_utime) + us(&used.ru_stime) > 110000, "the two are all of it");

	must(getrusage(RUSAGE_THREAD, &thread));
	must(getrusage(RUSAGE_SELF, &self));
	ok(us(&self.ru_utime) + us(&self.ru_stime) >= us(&thread.ru_utime) + us(&thread.ru_stime),
	   "a thread has not used more than its process");
	fails(getrusage(2, &self), EINVAL);
	fails(syscall(SYS_getrusage, RUSAGE_SELF, 8), EFAULT);

	must(times(&before));
	if (!fork()) {
		use_cpu(false);
		_exit(0);
	}
	must(wait4(-1, &status, 0, &used));
	ok(us(&used.ru_utime) + us(&used.ru_stime) > 110000, "wait4 tells what a child has used");
	must(times(&after));
	ok(after.tms_cutime + after.tms_cstime - before.tms_cutime - before.tms_cstime >= 10,
	   "and so does times");
	must(getrusage(RUSAGE_CHILDREN, &self));
	ok(us(&self.ru_utime) >= us(&used.ru_utime), "and RUSAGE_CHILDREN");
}

static void *other_thread(void *clock)
{
	pthread_barrier_wait(clock);
	pthread_barrier_wait(clock);
	return NULL;
}

static void test_clocks(void)
{
	pthread_barrier_t barrier;
	struct timespec ts;
	pthread_t thread;
	clockid_t id;
	int64_t mine;
	pid_t child;

	ok(clock_getcpuclockid(0, &id) == 0 && now(id) > 0, "a clock of the process");
	ok(clock_getcpuclockid(getpid(), &id) == 0 && now(id) > 0, "by its number");
	ok(pthread_getcpuclockid(pthread_self(), &id) == 0 && now(id) > 0, "of the thread");

	pthread_barrier_init(&barrier, NULL, 2);
	must(pthread_create(&thread, NULL, other_thread, &barrier) ? -1 : 0);
	pthread_barrier_wait(&barrier);
	mine = now(CLOCK_THREAD_CPUTIME_ID);
	ok(pthread_getcpuclockid(thread, &id) == 0 && now(id) < mine, "of another thread");
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);

	child = must(fork());
	if (!child) {
		pause();
		_exit(0);
	}
	ok(clock_getcpuclockid(child, &id) == 0 && now(id) >= 0, "of another process");
	ok(syscall(SYS_clock_getres, id, &ts) == 0, "which has a resolution");
	kill(child, SIGKILL);
	must(waitpid(child, NULL, 0));
	fails(syscall(SYS_clock_gettime, id, &ts), EINVAL);
	fails(syscall(SYS_clock_gettime, -16 | 6, &ts), EINVAL); /* a thread of process 1 */
}

static void test_limit(void)
{
	struct rlimit soft = {1, RLIM_INFINITY}, hard = {1, 1};
	int status;
	pid_t pid;

	if (!fork()) {
		must(setrlimit(RLIMIT_CPU, &hard));
		spin_until(SIGXCPU, 1);
		_exit(2);
	}
	pid = must(fork());
	if (!pid) {
		install(SIGXCPU);
		must(setrlimit(RLIMIT_CPU, &soft));
		_exit(spin_until(SIGXCPU, 1) ? 3 : 4);
	}
	must(waitpid(pid, &status, 0));
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 3, "RLIMIT_CPU: SIGXCPU at the soft limit");
	must(wait(&status));
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "SIGKILL at the hard one");
}

int main(void)
{
	test_errors();
	test_real();
	test_virtual();
	test_prof();
	test_usage();
	test_clocks();
	test_limit();
	return tap_done();
}
