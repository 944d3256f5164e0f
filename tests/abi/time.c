/*
 * Clocks and sleeps: clock_gettime(2), nanosleep(2), clock_nanosleep(2) and their relatives. Nothing
 * printed depends on how fast the machine is; sleeps are checked for being long enough only.
 */
#include "tap.h"

#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

static volatile uintptr_t bad = 8;

static int64_t now(clockid_t id)
{
	struct timespec ts = {0, 0};

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* The system call itself: the C library may answer from the vDSO, where a bad pointer is fatal. */
static long sys_clock_gettime(int id, void *ts)
{
	return syscall(SYS_clock_gettime, id, ts);
}

static void test_clocks(void)
{
	static const struct {
		int id;
		const char *name;
	} clocks[] = {
		{CLOCK_REALTIME, "CLOCK_REALTIME"},
		{CLOCK_MONOTONIC, "CLOCK_MONOTONIC"},
		{CLOCK_PROCESS_CPUTIME_ID, "CLOCK_PROCESS_CPUTIME_ID"},
		{CLOCK_THREAD_CPUTIME_ID, "CLOCK_THREAD_CPUTIME_ID"},
		{CLOCK_MONOTONIC_RAW, "CLOCK_MONOTONIC_RAW"},
		{CLOCK_REALTIME_COARSE, "CLOCK_REALTIME_COARSE"},
		{CLOCK_MONOTONIC_COARSE, "CLOCK_MONOTONIC_COARSE"},
		{CLOCK_BOOTTIME, "CLOCK_BOOTTIME"},
	};
	struct timespec ts;
	struct timeval tv;

	for (size_t i = 0; i < sizeof(clocks) / sizeof(*clocks); i++) {
		bool good = true;
		int64_t last = 0;

		for (int n = 0; n < 100; n++) {
			int64_t t;

			good = good && sys_clock_gettime(clocks[i].id, &ts) == 0 &&
			       ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000;
			t = ts.tv_sec * 1000000000ll + ts.tv_nsec;
			good = good && t >= last;
			last = t;
		}
		ok(good, "%s never goes back", clocks[i].name);
		ok(clock_getres(clocks[i].id, &ts) == 0 && ts.tv_sec == 0 && ts.tv_nsec > 0,
		   "%s has a resolution", clocks[i].name);
	}
	fails(sys_clock_gettime(77, &ts), EINVAL);
	fails(sys_clock_gettime(CLOCK_MONOTONIC, (void *)bad), EFAULT);
	fails(syscall(SYS_clock_getres, 77, &ts), EINVAL);
	fails(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &ts), EINVAL);
	ts = (struct timespec){INT64_MAX / 1000000000, 0};
	fails(syscall(SYS_clock_settime, CLOCK_REALTIME, &ts), EINVAL);
	ts.tv_sec = INT64_MAX / 1000000000 - 20ll * 365 * 86400;
	fails(syscall(SYS_clock_settime, CLOCK_REALTIME, &ts), EINVAL);
	fails(syscall(SYS_gettimeofday, bad, NULL), EFAULT);
	ok(gettimeofday(&tv, NULL) == 0 && tv.tv_usec >= 0 && tv.tv_usec < 1000000, "gettimeofday");
	int64_t diff = now(CLOCK_REALTIME) / 1000000000 - tv.tv_sec;
	ok(diff >= 0 && diff < 10, "and CLOCK_REALTIME agree");
	time_t t = 0;
	ok(syscall(SYS_time, &t) == t && t >= tv.tv_sec - 1, "time");
	fails(syscall(SYS_time, bad), EFAULT);
	ok(now(CLOCK_REALTIME) > 1600000000ll * 1000000000, "the wall clock is set");
}

static void test_cpu_time(void)
{
	int64_t start = now(CLOCK_THREAD_CPUTIME_ID), slept;
	struct tms tms;

	while (now(CLOCK_THREAD_CPUTIME_ID) - start < 5000000)
		;
	ok(true, "CPU time goes by while the CPU is used");
	ok(now(CLOCK_PROCESS_CPUTIME_ID) >= 5000000, "the process's, too");
	start = now(CLOCK_THREAD_CPUTIME_ID);
	usleep(50000);
	slept = now(CLOCK_THREAD_CPUTIME_ID) - start;
	ok(slept < 50000000, "and not while it sleeps");
	ok(times(&tms) != -1 && tms.tms_cutime == 0, "times");
}

static void test_sleep(void)
{
	struct timespec ts = {0, 30000000}, rem = {7, 7};
	int64_t start = now(CLOCK_MONOTONIC);

	ok(nanosleep(&ts, &rem) == 0 && now(CLOCK_MONOTONIC) - start >= 30000000,
	   "nanosleep is never early");
	ok(rem.tv_sec == 7 && rem.tv_nsec == 7, "and leaves the rest alone");
	ts = (struct timespec){0, 0};
	ok(nanosleep(&ts, NULL) == 0, "no time at all");
	ts = (struct timespec){0, 1000000000};
	fails(nanosleep(&ts, NULL), EINVAL);
	ts = (struct timespec){-1, 0};
	fails(nanosleep(&ts, NULL), EINVAL);
	fails(syscall(SYS_nanosleep, bad, NULL), EFAULT);

	start = now(CLOCK_MONOTONIC);
	ts = (struct timespec){(start + 30000000) / 1000000000, (start + 30000000) % 1000000000};
	ok(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == 0 &&
		   now(CLOCK_MONOTONIC) >= start + 30000000,
	   "clock_nanosleep until a time");
	ok(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == 0, "a time that is over");
	start = now(CLOCK_REALTIME);
	ts = (struct timespec){(start + 30000000) / 1000000000, (start + 30000000) % 1000000000};
	ok(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL) == 0 &&
		   now(CLOCK_REALTIME) >= start + 30000000,
	   "on the wall clock");
	fails(syscall(SYS_clock_nanosleep, 77, 0, &ts, NULL), EINVAL);
	fails(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL), EOPNOTSUPP);
	fails(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &(struct timespec){0, -1}, NULL),
	      EINVAL);
}

int main(void)
{
	test_clocks();
	test_cpu_time();
	test_sleep();
	return tap_done();
}
