/* Clock ids of clock_gettime(2), and what the files of this folder ask of each other about them. */
#pragma once

#include "kernel/abi/errno.h"
#include "kernel/sched/signal.h"
#include "kernel/time/ktime.h"

#define CLOCK_REALTIME           0
#define CLOCK_MONOTONIC          1
#define CLOCK_PROCESS_CPUTIME_ID 2
#define CLOCK_THREAD_CPUTIME_ID  3
#define CLOCK_MONOTONIC_RAW      4
#define CLOCK_REALTIME_COARSE    5
#define CLOCK_MONOTONIC_COARSE   6
#define CLOCK_BOOTTIME           7
#define CLOCK_REALTIME_ALARM     8
#define CLOCK_BOOTTIME_ALARM     9
#define CLOCK_TAI                11

#define TIMER_ABSTIME 1

struct itimerspec {
	struct timespec it_interval, it_value;
};

static inline bool itimerspec_valid(const struct itimerspec *it)
{
	return timespec_valid(&it->it_interval) && timespec_valid(&it->it_value);
}

/* What a clock does, from its id. */
enum clock_kind {
	CLOCK_NONE, /* there is no such clock */
	CLOCK_REAL, /* counts from 1970 and can be set */
	CLOCK_MONO, /* counts from boot */
	CLOCK_CPU,  /* counts CPU time, struct cpu_clock */
};

/* @can_wait: whether there are timers and sleeps on it. */
enum clock_kind clock_kind(int id, bool *can_wait);

/*
 * A clock of CPU time: of a process or a thread, all of it or what was spent in user mode. The two
 * fixed ids mean the caller's; negative ones name a process or thread, clock_getcpuclockid(3).
 */
struct cpu_clock {
	struct task *task; /* with a reference */
	bool process, user;
};

/* Resolves @id. @only_read: of a process one may name any thread. 0, or -EINVAL for nobody. */
int cpu_clock_get(int id, bool only_read, struct cpu_clock *c);
void cpu_clock_put(struct cpu_clock *c);
/* ns. The handlers of the task's process locked. */
u64 cpu_clock_read_locked(const struct cpu_clock *c);
u64 cpu_clock_read(const struct cpu_clock *c);
/*
 * clock_nanosleep(2) on clock @id: for @ns of its time, or until it shows @ns. -EINVAL for nobody's
 * clock and for the caller's own thread's, -EOPNOTSUPP for that by its fixed id.
 */
long cpu_clock_sleep(int id, bool absolute, u64 ns, struct timespec __user *urem);

/* @expires, in steps of @interval, beyond @now; how many steps that were. */
static inline u64 forward_past(u64 *expires, u64 interval, u64 now)
{
	u64 steps;

	if (*expires > now)
		return 0;
	steps = (now - *expires) / interval + 1;
	*expires += steps * interval;
	return steps;
}
