/*
 * The clocks and sleeps that user space sees: clock_gettime(2), nanosleep(2) and their kin.
 *
 * All of the kernel counts one time, ktime_get(), nanoseconds since boot. CLOCK_REALTIME is that plus
 * an offset; MONOTONIC, BOOTTIME, RAW and the COARSE ones are that itself, because the machine does
 * not suspend and reading the TSC is cheaper than keeping a coarse copy. The two CPU-time clocks come
 * from the scheduler's accounting, which does not tell user from kernel mode: all of it is reported
 * as user time.
 *
 * A sleep is a wait on a queue that nobody wakes. When a signal ends it, the time that is left is
 * written back, and if no handler runs restart_syscall(2) goes on sleeping until the first deadline.
 * A sleep until a CLOCK_REALTIME time is converted when it begins; setting the clock meanwhile does
 * not change it.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/process.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/wait.h"
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
#define USER_HZ       100 /* clock ticks of times(2) */

struct timezone {
	int tz_minuteswest, tz_dsttime;
};

struct tms {
	s64 tms_utime, tms_stime, tms_cutime, tms_cstime;
};

static u64 my_process_runtime(u64 *children)
{
	struct signal_struct *g = current->signal;
	u64 flags, ns;

	spin_lock_irqsave(&tasklist_lock, flags);
	ns = process_runtime(g);
	if (children)
		*children = g->cutime;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return ns;
}

/* 0, or -EINVAL for a clock that there is not. */
static int read_clock(int id, u64 *ns)
{
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI:
		*ns = ktime_get_real();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*ns = ktime_get();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		*ns = my_process_runtime(NULL);
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		*ns = task_runtime(current);
		return 0;
	default:
		return -EINVAL;
	}
}

static int put_timespec(struct timespec __user *uts, u64 ns)
{
	struct timespec ts = ns_to_timespec(ns);

	return copy_to_user(uts, &ts, sizeof(ts)) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(clock_gettime, int, id, struct timespec __user *, uts)
{
	u64 ns;
	int err = read_clock(id, &ns);

	return err ? err : put_timespec(uts, ns);
}

SYSCALL_DEFINE2(clock_getres, int, id, struct timespec __user *, uts)
{
	u64 ns;
	int err = read_clock(id, &ns);

	if (err || !uts)
		return err;
	return put_timespec(uts, 1);
}

SYSCALL_DEFINE2(clock_settime, int, id, const struct timespec __user *, uts)
{
	struct timespec ts;

	if (id != CLOCK_REALTIME)
		return -EINVAL;
	if (copy_from_user(&ts, uts, sizeof(ts)))
		return -EFAULT;
	if (current->signal->euid)
		return -EPERM;
	if (!timespec_valid(&ts))
		return -EINVAL;
	ktime_set_real(timespec_to_ns(&ts));
	return 0;
}

SYSCALL_DEFINE2(gettimeofday, struct timeval __user *, utv, struct timezone __user *, utz)
{
	u64 ns = ktime_get_real();
	struct timeval tv = {(s64)(ns / NSEC_PER_SEC), (s64)(ns % NSEC_PER_SEC / NSEC_PER_USEC)};
	struct timezone tz = {0};

	if (utv && copy_to_user(utv, &tv, sizeof(tv)))
		return -EFAULT;
	return utz && copy_to_user(utz, &tz, sizeof(tz)) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(settimeofday, const struct timeval __user *, utv, const struct timezone __user *,
		utz)
{
	struct timeval tv;
	struct timezone tz;

	if (utv && copy_from_user(&tv, utv, sizeof(tv)))
		return -EFAULT;
	if (utz && copy_from_user(&tz, utz, sizeof(tz)))
		return -EFAULT;
	if (utv && (tv.tv_sec < 0 || (u64)tv.tv_usec >= 1000000))
		return -EINVAL;
	if (current->signal->euid)
		return -EPERM;
	/* There is one time zone here, UTC: user space knows the others. */
	if (utv)
		ktime_set_real(timespec_to_ns(&(struct timespec){tv.tv_sec, tv.tv_usec * 1000}));
	return 0;
}

SYSCALL_DEFINE1(time, s64 __user *, ut)
{
	s64 now = (s64)(ktime_get_real() / NSEC_PER_SEC);

	return ut && put_user(now, ut) ? -EFAULT : now;
}

SYSCALL_DEFINE1(times, struct tms __user *, utms)
{
	u64 children, ns = my_process_runtime(&children);
	struct tms tms = {.tms_utime = (s64)(ns / (NSEC_PER_SEC / USER_HZ)),
			  .tms_cutime = (s64)(children / (NSEC_PER_SEC / USER_HZ))};

	if (utms && copy_to_user(utms, &tms, sizeof(tms)))
		return -EFAULT;
	return (long)(ktime_get() / (NSEC_PER_SEC / USER_HZ));
}

/* ---- sleeping ---- */

static long restart_nanosleep(struct task *t);

/* Sleeps until @deadline. @urem: where the rest goes, NULL for nobody. */
static long sleep_until(u64 deadline, struct timespec __user *urem)
{
	struct task *t = current;
	DECLARE_WAIT_QUEUE_HEAD(nobody);
	u64 now;

	if (wait_event_interruptible_deadline(&nobody, false, deadline) == -ETIME)
		return 0;
	now = ktime_get();
	if (now >= deadline)
		return 0;
	if (urem && put_timespec(urem, deadline - now))
		return -EFAULT;
	t->restart_fn = restart_nanosleep;
	t->restart_deadline = deadline;
	t->restart_args[0] = (u64)urem;
	return -ERESTART_RESTARTBLOCK;
}

static long restart_nanosleep(struct task *t)
{
	return sleep_until(t->restart_deadline, (struct timespec __user *)t->restart_args[0]);
}

SYSCALL_DEFINE2(nanosleep, const struct timespec __user *, uts, struct timespec __user *, urem)
{
	struct timespec ts;

	if (copy_from_user(&ts, uts, sizeof(ts)))
		return -EFAULT;
	if (!timespec_valid(&ts))
		return -EINVAL;
	return sleep_until(deadline_after(timespec_to_ns(&ts)), urem);
}

static int check_sleep_clock(int id)
{
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
		return 0;
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_PROCESS_CPUTIME_ID:
	case CLOCK_THREAD_CPUTIME_ID:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		return -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}

SYSCALL_DEFINE4(clock_nanosleep, int, id, int, flags, const struct timespec __user *, uts,
		struct timespec __user *, urem)
{
	struct timespec ts;
	u64 ns, now = 0;
	long ret = check_sleep_clock(id);

	if (ret)
		return ret;
	if (copy_from_user(&ts, uts, sizeof(ts)))
		return -EFAULT;
	if (!timespec_valid(&ts))
		return -EINVAL;
	ns = timespec_to_ns(&ts);
	if (!(flags & TIMER_ABSTIME))
		return sleep_until(deadline_after(ns), urem);
	read_clock(id, &now);
	if (ns <= now)
		return 0;
	/* An absolute time needs no rest written back, and is simply slept for again. */
	ret = sleep_until(deadline_after(ns - now), NULL);
	return ret == -ERESTART_RESTARTBLOCK ? -ERESTARTNOHAND : ret;
}
