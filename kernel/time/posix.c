/*
 * The clocks and sleeps that user space sees: clock_gettime(2), nanosleep(2) and their kin.
 *
 * All of the kernel counts one time, ktime_get(), nanoseconds since boot. CLOCK_REALTIME is that plus
 * an offset; MONOTONIC, BOOTTIME, RAW and the COARSE ones are that itself, because the machine does
 * not suspend and reading the TSC is cheaper than keeping a coarse copy. Clocks of CPU time are
 * cpu_timer.c's.
 *
 * A sleep is a wait on a queue that nobody wakes. When a signal ends it, the time that is left is
 * written back, and if no handler runs restart_syscall(2) goes on sleeping until the first deadline.
 * A sleep until a CLOCK_REALTIME time watches that clock, and looks again when it is set.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/cred.h"
#include "kernel/exec/process.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/wait.h"
#include "kernel/time/clock.h"

struct timezone {
	int tz_minuteswest, tz_dsttime;
};

struct tms {
	s64 tms_utime, tms_stime, tms_cutime, tms_cstime;
};

enum clock_kind clock_kind(int id, bool *can_wait)
{
	*can_wait = id == CLOCK_REALTIME || id == CLOCK_MONOTONIC || id == CLOCK_BOOTTIME ||
		    id == CLOCK_TAI;
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI:
		return CLOCK_REAL;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		return CLOCK_MONO;
	case CLOCK_PROCESS_CPUTIME_ID:
	case CLOCK_THREAD_CPUTIME_ID:
		return CLOCK_CPU;
	default:
		return id < 0 ? CLOCK_CPU : CLOCK_NONE;
	}
}

/* 0, or -EINVAL for a clock that there is not. @only_read: as in cpu_clock_get(). */
static int read_clock(int id, bool only_read, u64 *ns)
{
	struct cpu_clock c;
	bool can_wait;

	switch (clock_kind(id, &can_wait)) {
	case CLOCK_REAL:
		*ns = ktime_get_real();
		return 0;
	case CLOCK_MONO:
		*ns = ktime_get();
		return 0;
	case CLOCK_CPU:
		if (cpu_clock_get(id, only_read, &c))
			return -EINVAL;
		*ns = cpu_clock_read(&c);
		cpu_clock_put(&c);
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
	int err = read_clock(id, true, &ns);

	return err ? err : put_timespec(uts, ns);
}

SYSCALL_DEFINE2(clock_getres, int, id, struct timespec __user *, uts)
{
	u64 ns;
	int err = read_clock(id, false, &ns);

	if (err || !uts)
		return err;
	return put_timespec(uts, 1);
}

#define SET_MAX (KTIME_MAX / NSEC_PER_SEC - 30ull * 365 * 86400) /* s: it may run on for 30 years */

static int set_real_clock(const struct timespec *ts)
{
	if (!timespec_valid(ts) || (u64)ts->tv_sec >= SET_MAX)
		return -EINVAL;
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	ktime_set_real(timespec_to_ns(ts));
	return 0;
}

SYSCALL_DEFINE2(clock_settime, int, id, const struct timespec __user *, uts)
{
	struct timespec ts;
	u64 ns;

	if (id != CLOCK_REALTIME && id >= 0)
		return -EINVAL;
	if (copy_from_user(&ts, uts, sizeof(ts)))
		return -EFAULT;
	if (id < 0)
		return read_clock(id, false, &ns) ?: -EPERM; /* nobody sets these */
	return set_real_clock(&ts);
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
	if (utv && (u64)tv.tv_usec >= 1000000)
		return -EINVAL;
	/* There is one time zone here, UTC: user space knows the others. */
	if (!utv)
		return capable(CAP_SYS_TIME) ? 0 : -EPERM;
	return set_real_clock(&(struct timespec){tv.tv_sec, tv.tv_usec * 1000});
}

SYSCALL_DEFINE1(time, s64 __user *, ut)
{
	s64 now = (s64)(ktime_get_real() / NSEC_PER_SEC);

	return ut && put_user(now, ut) ? -EFAULT : now;
}

static s64 ns_to_ticks(u64 ns)
{
	return (s64)(ns / (NSEC_PER_SEC / USER_HZ));
}

SYSCALL_DEFINE1(times, struct tms __user *, utms)
{
	struct cputime used, children;
	struct tms tms;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	used = process_cputime(current->signal);
	children = current->signal->children_time;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	tms = (struct tms){ns_to_ticks(used.user), ns_to_ticks(used.system),
			   ns_to_ticks(children.user), ns_to_ticks(children.system)};

	if (utms && copy_to_user(utms, &tms, sizeof(tms)))
		return -EFAULT;
	return ns_to_ticks(ktime_get());
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

/* A sleep until a time of CLOCK_REALTIME. */
struct real_sleep {
	struct clock_watch watch;
	struct wait_queue_head wq;
	bool set; /* [a] the clock has been set since the deadline was computed */
};

static void end_real_sleep(struct clock_watch *w)
{
	struct real_sleep *s = container_of(w, struct real_sleep, watch);

	WRITE_ONCE(s->set, true);
	wake_up_all(&s->wq);
}

static long sleep_until_real(u64 real)
{
	struct real_sleep s = {.watch.clock_was_set = end_real_sleep};
	long ret;

	init_waitqueue_head(&s.wq);
	clock_watch_add(&s.watch);
	do {
		WRITE_ONCE(s.set, false);
		smp_mb(); /* before the offset is read: a change after that is seen */
		ret = wait_event_interruptible_deadline(&s.wq, READ_ONCE(s.set),
							ktime_from_real(real));
	} while (!ret);
	clock_watch_remove(&s.watch);
	return ret == -ETIME ? 0 : -ERESTARTNOHAND;
}

/* An absolute time needs no rest written back, and is simply slept for again. */
static long sleep_until_absolute(enum clock_kind kind, u64 ns)
{
	long ret;

	if (kind == CLOCK_REAL)
		return sleep_until_real(ns);
	ret = sleep_until(min(ns, NO_DEADLINE - 1), NULL);
	return ret == -ERESTART_RESTARTBLOCK ? -ERESTARTNOHAND : ret;
}

SYSCALL_DEFINE4(clock_nanosleep, int, id, int, flags, const struct timespec __user *, uts,
		struct timespec __user *, urem)
{
	struct timespec ts;
	bool can_wait;
	enum clock_kind kind = clock_kind(id, &can_wait);

	if (kind == CLOCK_NONE)
		return -EINVAL;
	if (!can_wait && kind != CLOCK_CPU)
		return -EOPNOTSUPP;
	if (copy_from_user(&ts, uts, sizeof(ts)))
		return -EFAULT;
	if (!timespec_valid(&ts))
		return -EINVAL;
	if (kind == CLOCK_CPU)
		return cpu_clock_sleep(id, flags & TIMER_ABSTIME, timespec_to_ns(&ts), urem);
	if (flags & TIMER_ABSTIME)
		return sleep_until_absolute(kind, timespec_to_ns(&ts));
	return sleep_until(deadline_after(timespec_to_ns(&ts)), urem);
}
