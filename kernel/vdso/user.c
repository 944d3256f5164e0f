/*
 * The vDSO's code: system calls that need no kernel. It is compiled as a shared object of its own, is
 * mapped into every process (vdso.c), and runs in user mode.
 *
 * A clock is a TSC reading and the three numbers of the shared data page, so that clock_gettime()
 * costs some 40 instructions and no change of privilege. The kernel's own ktime_get() reckons with the
 * same numbers in the same way, so both give the same time. Clocks that are more than that (CPU time)
 * and unknown ones go to the kernel.
 *
 * Monotonic over CPUs: their TSCs agree, and the fence keeps the reading from being made before what
 * the program did before, such as seeing another CPU's reading in memory (Intel SDM volume 2, RDTSC).
 *
 * Names and version are Linux's (vdso(7)). A bad pointer is a SIGSEGV here and not EFAULT, as on
 * Linux.
 */
#include "kernel/abi/unistd.h"
#include "kernel/vdso/data.h"

#define EXPORT __attribute__((visibility("default")))

#define CLOCK_REALTIME         0
#define CLOCK_MONOTONIC        1
#define CLOCK_MONOTONIC_RAW    4
#define CLOCK_REALTIME_COARSE  5
#define CLOCK_MONOTONIC_COARSE 6
#define CLOCK_BOOTTIME         7
#define CLOCK_TAI              11

#define CPU_NUMBER_SEG 0x7b /* GDT_CPU_NUMBER of kernel/cpu/ptrace.h */

struct timespec {
	s64 tv_sec, tv_nsec;
};
struct timeval {
	s64 tv_sec, tv_usec;
};
struct timezone {
	int tz_minuteswest, tz_dsttime;
};

/* The page before this image; vdso.lds knows where. */
extern const struct vdso_data vdso_data __attribute__((visibility("hidden")));

int __vdso_clock_gettime(int id, struct timespec *ts);
int __vdso_clock_getres(int id, struct timespec *ts);
int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz);
s64 __vdso_time(s64 *t);
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

static long syscall2(long nr, long a, void *b)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return ret;
}

static u64 monotonic(void)
{
	u32 lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return (unsigned __int128)(((u64)hi << 32 | lo) - vdso_data.tsc_base) *
		       vdso_data.tsc_mult >>
	       32;
}

static u64 realtime(void)
{
	return monotonic() + *(const volatile u64 *)&vdso_data.real_offset;
}

/* False for a clock that only the kernel knows. */
static bool read_clock(int id, u64 *ns)
{
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		*ns = realtime();
		return true;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		*ns = monotonic();
		return true;
	default:
		return false;
	}
}

EXPORT int __vdso_clock_gettime(int id, struct timespec *ts)
{
	u64 ns;

	if (!read_clock(id, &ns))
		return (int)syscall2(__NR_clock_gettime, id, ts);
	ts->tv_sec = (s64)(ns / NSEC_PER_SEC);
	ts->tv_nsec = (s64)(ns % NSEC_PER_SEC);
	return 0;
}

EXPORT int __vdso_clock_getres(int id, struct timespec *ts)
{
	u64 ns;

	if (!read_clock(id, &ns))
		return (int)syscall2(__NR_clock_getres, id, ts);
	if (ts)
		*ts = (struct timespec){0, 1};
	return 0;
}

EXPORT int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz)
{
	u64 us = realtime() / NSEC_PER_USEC;

	if (tv)
		*tv = (struct timeval){(s64)(us / 1000000), (s64)(us % 1000000)};
	if (tz)
		*tz = (struct timezone){0, 0};
	return 0;
}

EXPORT s64 __vdso_time(s64 *t)
{
	s64 now = (s64)(realtime() / NSEC_PER_SEC);

	if (t)
		*t = now;
	return now;
}

/* Each CPU has its number in its GDT, as the limit of a segment, which anybody may ask for. */
EXPORT long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
	unsigned number;

	__asm__ volatile("lsl %1, %0" : "=r"(number) : "r"(CPU_NUMBER_SEG));
	if (cpu)
		*cpu = number;
	if (node)
		*node = 0;
	(void)unused;
	return 0;
}

#define ALIAS(name) EXPORT __attribute__((weak, alias("__vdso_" #name))) typeof(__vdso_##name) name
ALIAS(clock_gettime);
ALIAS(clock_getres);
ALIAS(gettimeofday);
ALIAS(time);
ALIAS(getcpu);
