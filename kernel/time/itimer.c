/*
 * The three interval timers of a process, setitimer(2) and alarm(2): ITIMER_REAL counts time,
 * ITIMER_VIRTUAL what the process spends in user mode, ITIMER_PROF all CPU time it uses. They survive
 * execve, and a child has none.
 *
 * ITIMER_REAL is a timer of the kernel. The other two are compared with the CPU time used at each
 * tick (cpu_timer.c).
 *
 * LOCKING: all fields under sighand->lock. The function of the real timer takes it, in a softirq.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/process.h"
#include "kernel/mm/uaccess.h"

#define ITIMER_REAL    0
#define ITIMER_VIRTUAL 1
#define ITIMER_PROF    2

#define ONE_TICK (NSEC_PER_SEC / USER_HZ)

struct itimerval {
	struct timeval it_interval, it_value;
};

/* The same in ns; value 0: not armed. */
struct itimer {
	u64 value, interval;
};

static bool timeval_valid(const struct timeval *tv)
{
	return tv->tv_sec >= 0 && (u64)tv->tv_usec < 1000000;
}

static u64 timeval_to_ns(const struct timeval *tv)
{
	struct timespec ts = {tv->tv_sec, tv->tv_usec * 1000};

	return timespec_to_ns(&ts);
}

/* ---- ITIMER_REAL ---- */

/* Softirq. The process cannot go away: do_exit() waits for this function (timer_cancel_sync). */
void real_timer_expired(struct timer *timer)
{
	struct signal_struct *g = container_of(timer, struct signal_struct, real_timer);

	send_signal_group(g, SIGALRM, NULL);
}

/* The next expiry is in step with the first one, and not in the past. */
void rearm_real_timer(struct signal_struct *g)
{
	u64 now = ktime_get(), next = g->real_timer.expires;

	if (!g->real_interval || timer_pending(&g->real_timer))
		return;
	if (now >= next)
		next += ((now - next) / g->real_interval + 1) * g->real_interval;
	timer_arm(&g->real_timer, next);
}

static struct itimer get_real(struct signal_struct *g)
{
	struct itimer it = {.interval = g->real_interval};
	u64 now = ktime_get();

	if (timer_pending(&g->real_timer)) /* what is armed is never reported as 0 */
		it.value =
			g->real_timer.expires > now ? g->real_timer.expires - now : NSEC_PER_USEC;
	return it;
}

static void set_real(struct signal_struct *g, const struct itimer *new)
{
	g->real_interval = new->value ? new->interval : 0;
	if (new->value)
		timer_arm(&g->real_timer, deadline_after(new->value));
	else
		timer_cancel(&g->real_timer);
}

/* ---- the two that count CPU time ---- */

static u64 cpu_time_of(struct cputime used, int which)
{
	return which == ITIMER_VIRTUAL ? used.user : cputime_sum(used);
}

static struct itimer get_cpu(struct signal_struct *g, int which)
{
	struct cpu_itimer *t = &g->cpu_itimers[which - ITIMER_VIRTUAL];
	struct itimer it = {.interval = t->interval};
	u64 now = cpu_time_of(process_cputime(g), which);

	if (t->expires)
		it.value = t->expires > now ? t->expires - now : ONE_TICK;
	return it;
}

static void set_cpu(struct signal_struct *g, int which, const struct itimer *new)
{
	struct cpu_itimer *t = &g->cpu_itimers[which - ITIMER_VIRTUAL];

	t->interval = new->interval;
	t->expires = new->value ? cpu_time_of(process_cputime(g), which) + new->value : 0;
	if (t->expires)
		WRITE_ONCE(g->cpu_timers, true);
}

static bool check_one(struct signal_struct *g, int which, int sig, struct cputime used)
{
	struct cpu_itimer *t = &g->cpu_itimers[which - ITIMER_VIRTUAL];
	u64 now = cpu_time_of(used, which);

	if (!t->expires)
		return false;
	if (now < t->expires)
		return true;
	t->expires = t->interval ? t->expires + t->interval : 0;
	send_signal_locked(g->sighand, g, NULL, sig, NULL, false);
	return t->expires;
}

bool check_cpu_itimers(struct signal_struct *g, struct cputime used)
{
	bool armed = check_one(g, ITIMER_VIRTUAL, SIGVTALRM, used);

	return check_one(g, ITIMER_PROF, SIGPROF, used) || armed;
}

/* ---- system calls ---- */

/* Sets one of the caller's timers unless @new is NULL; what it was before. */
static struct itimer exchange(int which, const struct itimer *new)
{
	struct signal_struct *g = current->signal;
	struct itimer old;
	struct sighand *sh;
	u64 flags;

	sh = lock_sighand(g, &flags);
	if (which == ITIMER_REAL) {
		old = get_real(g);
		if (new)
			set_real(g, new);
	} else {
		old = get_cpu(g, which);
		if (new)
			set_cpu(g, which, new);
	}
	unlock_sighand(sh, flags);
	return old;
}

static int put_itimer(struct itimerval __user *uold, struct itimer old)
{
	struct itimerval it = {ns_to_timeval(old.interval), ns_to_timeval(old.value)};

	return copy_to_user(uold, &it, sizeof(it)) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(getitimer, int, which, struct itimerval __user *, uold)
{
	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	return put_itimer(uold, exchange(which, NULL));
}

SYSCALL_DEFINE3(setitimer, int, which, const struct itimerval __user *, unew,
		struct itimerval __user *, uold)
{
	struct itimerval it = {0};
	struct itimer new, old;

	if (unew && copy_from_user(&it, unew, sizeof(it)))
		return -EFAULT;
	if (which < ITIMER_REAL || which > ITIMER_PROF || !timeval_valid(&it.it_value) ||
	    !timeval_valid(&it.it_interval))
		return -EINVAL;
	new = (struct itimer){timeval_to_ns(&it.it_value), timeval_to_ns(&it.it_interval)};
	old = exchange(which, &new);
	return uold ? put_itimer(uold, old) : 0;
}

SYSCALL_DEFINE1(alarm, unsigned, seconds)
{
	struct itimer new = {.value = seconds * NSEC_PER_SEC};
	u64 left = exchange(ITIMER_REAL, &new).value;

	/* Rounded to the nearest second, but what is armed is never reported as 0. */
	return left ? (long)max((left + NSEC_PER_SEC / 2) / NSEC_PER_SEC, 1ull) : 0;
}
