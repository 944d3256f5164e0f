/* Clocks. All kernel times are u64 nanoseconds. */
#pragma once

#include "kernel/lib/list.h"
#include "kernel/lib/types.h"

/* Calibrates the TSC; takes 10 ms. The wall clock starts at 1970 until drivers/rtc.c sets it. */
void time_init(void);

/* CLOCK_MONOTONIC: nanoseconds since boot, never goes back. Any context, about ten instructions. */
u64 ktime_get(void);
/* CLOCK_REALTIME: nanoseconds since 1970. */
u64 ktime_get_real(void);
/* The ktime_get() at which CLOCK_REALTIME is @real, as the clock is set now; 0 if that was long ago. */
u64 ktime_from_real(u64 real);
/* Sets CLOCK_REALTIME to @ns since 1970 and tells those who watch. Process context. */
void ktime_set_real(u64 ns);

/* Who waits for a CLOCK_REALTIME time must look again when the clock is set. */
struct clock_watch {
	struct list_head link; /* [watch_lock] */
	void (*clock_was_set)(
		struct clock_watch *); /* process context, watch_lock held; must not sleep */
};
/* Process context. After clock_watch_remove() has returned, the function does not run any more. */
void clock_watch_add(struct clock_watch *w);
void clock_watch_remove(struct clock_watch *w);

struct vdso_data;
/* From now on user mode finds in @page what it takes to read the clocks itself (kernel/vdso/). Boot. */
void ktime_publish(struct vdso_data *page);

extern u64 tsc_khz;

struct timespec {
	s64 tv_sec, tv_nsec;
};
struct timeval {
	s64 tv_sec, tv_usec;
};

#define USER_HZ 100 /* clock ticks of times(2) and /proc, sysconf(_SC_CLK_TCK) */

static inline bool timespec_valid(const struct timespec *t)
{
	return t->tv_sec >= 0 && (u64)t->tv_nsec < NSEC_PER_SEC;
}

#define KTIME_MAX (~0ull >> 1) /* ns, 292 years: the sum of two times does not wrap */

/* Saturates at KTIME_MAX. */
static inline u64 timespec_to_ns(const struct timespec *t)
{
	if ((u64)t->tv_sec >= KTIME_MAX / NSEC_PER_SEC)
		return KTIME_MAX;
	return (u64)t->tv_sec * NSEC_PER_SEC + (u64)t->tv_nsec;
}

static inline struct timespec ns_to_timespec(u64 ns)
{
	return (struct timespec){(s64)(ns / NSEC_PER_SEC), (s64)(ns % NSEC_PER_SEC)};
}

static inline struct timeval ns_to_timeval(u64 ns)
{
	return (struct timeval){(s64)(ns / NSEC_PER_SEC), (s64)(ns % NSEC_PER_SEC / NSEC_PER_USEC)};
}

/* ktime_get() + @rel_ns without wrapping past NO_DEADLINE. */
static inline u64 deadline_after(u64 rel_ns)
{
	u64 now = ktime_get();

	return now + rel_ns < now || now + rel_ns == ~0ull ? ~0ull - 1 : now + rel_ns;
}
