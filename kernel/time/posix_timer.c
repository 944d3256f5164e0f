/*
 * POSIX timers, timer_create(2): a process has any number of them, each with a clock, a first expiry,
 * an interval, and a way to tell. They do not survive execve, and a child has none.
 *
 *	disarmed	timer_settime() with a time arms it
 *	armed		on a clock of time: a timer of the kernel. On one of CPU time: the tick looks
 *			(cpu_timer.c). With SIGEV_NONE: nothing; whoever asks computes it
 *	pending		expired, and its signal is in a queue. The entry belongs to the timer, so there is
 *			never more than one. An interval timer stands still meanwhile
 *	taken		the signal is delivered (posix_timer_taken()). An interval timer goes on from here, in
 *			step with its first expiry; what it has missed is its overrun count
 *
 * That the next expiry waits for the last signal is what keeps an interval of 1 ns from occupying a
 * CPU. If the signal is ignored nobody will take it: the timer then goes on by itself, but not more
 * often than every millisecond.
 *
 * A relative time on CLOCK_REALTIME counts on CLOCK_MONOTONIC, since setting the clock does not change
 * how long a second is; an absolute one moves when the clock is set (struct clock_watch).
 *
 * LOCKING: everything of a process's timers is under its sighand->lock, as are their signals. A timer
 * is freed by whoever took it off the list, after its function can run no more. Finding one is O(the
 * timers of the process).
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/process.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/time/clock.h"

#define SIGEV_SIGNAL    0
#define SIGEV_NONE      1
#define SIGEV_THREAD    2 /* the C library's thread does not concern the kernel: as SIGEV_SIGNAL */
#define SIGEV_THREAD_ID 4

#define IGNORED_PACE NSEC_PER_MSEC

struct posix_timer {
	struct list_head link;         /* [h] process->posix_timers */
	struct signal_struct *process; /* [I] whose it is; the process deletes it before it ends */
	struct task *thread;           /* [I] SIGEV_THREAD_ID: who gets the signal; a reference */
	int id;                        /* [I] */
	int notify, sig;               /* [I] */
	u64 value;                     /* [I] union sigval */
	enum clock_kind kind;          /* [I] */
	struct cpu_clock cpu;          /* [I] if it counts CPU time; its task has a reference */
	struct clock_watch watch;      /* CLOCK_REAL */

	bool armed;   /* [h] will expire, or its signal is pending and it has an interval */
	bool wall;    /* [h] expires is a time of CLOCK_REALTIME */
	u64 expires;  /* [h] in its clock's ns: the next expiry, or the last one while pending */
	u64 interval; /* [h] ns, 0: once */
	u64 overrun;  /* [h] expiries missed since the one that is pending */
	int overrun_last; /* [h] what timer_getoverrun(2) says */
	struct timer timer;
	struct sigqueue *q; /* [I]; [h] its place in a queue */
};

struct sigevent {
	u64 sigev_value;
	int sigev_signo, sigev_notify, sigev_tid;
	int pad[11];
};
_Static_assert(sizeof(struct sigevent) == 64, "sigevent is ABI");

/* ---- arming and expiring; handlers locked ---- */

static u64 timer_now(const struct posix_timer *t)
{
	if (t->kind == CLOCK_CPU)
		return cpu_clock_read_locked(&t->cpu);
	return t->wall ? ktime_get_real() : ktime_get();
}

/* Sets in motion whatever will notice that t->expires has come. */
static void start(struct posix_timer *t)
{
	t->armed = true;
	if (t->notify == SIGEV_NONE)
		return;
	if (t->kind == CLOCK_CPU)
		WRITE_ONCE(t->process->cpu_timers, true);
	else
		timer_arm(&t->timer, t->wall ? ktime_from_real(t->expires) : t->expires);
}

static void stop(struct posix_timer *t)
{
	t->armed = false;
	if (t->kind != CLOCK_CPU)
		timer_cancel(&t->timer);
}

static void expire(struct posix_timer *t)
{
	siginfo_t info = {.si_signo = t->sig, .si_code = SI_TIMER};

	info.si_tid = t->id;
	info.si_timer_value = t->value;
	t->overrun = 0;
	t->armed = t->interval;
	if (sigqueue_pending(t->q)) {
		t->overrun++; /* of an earlier setting, not taken yet */
		return;
	}
	if (sigqueue_send(t->q, t->process->sighand, t->process, t->thread, &info) || !t->interval)
		return;
	forward_past(&t->expires, t->interval, timer_now(t) + IGNORED_PACE);
	start(t);
}

void posix_timer_taken(struct posix_timer *t, siginfo_t *info)
{
	if (t->armed && t->interval && !timer_pending(&t->timer)) {
		u64 steps = forward_past(&t->expires, t->interval, timer_now(t));

		t->overrun += steps ? steps - 1 : 0;
		start(t);
	}
	t->overrun_last = (int)min(t->overrun, (u64)INT32_MAX);
	t->overrun = 0;
	if (info)
		info->si_overrun = t->overrun_last;
}

/* Softirq. */
static void timer_fired(struct timer *timer)
{
	struct posix_timer *t = container_of(timer, struct posix_timer, timer);
	struct sighand *sh;
	u64 flags;

	sh = lock_sighand(t->process, &flags);
	/* It may have been set again or stopped while this waited for the lock. */
	if (t->armed && !timer_pending(timer) && timer_now(t) >= t->expires)
		expire(t);
	unlock_sighand(sh, flags);
}

bool check_posix_cpu_timers(struct signal_struct *g)
{
	struct posix_timer *t;
	bool armed = false;

	list_for_each_entry(t, &g->posix_timers, link) {
		if (t->kind != CLOCK_CPU || !t->armed || t->notify == SIGEV_NONE)
			continue;
		if (!sigqueue_pending(t->q) && timer_now(t) >= t->expires)
			expire(t);
		armed |= t->armed;
	}
	return armed;
}

/* Process context. */
static void clock_was_set(struct clock_watch *w)
{
	struct posix_timer *t = container_of(w, struct posix_timer, watch);
	struct sighand *sh;
	u64 flags;

	sh = lock_sighand(t->process, &flags);
	if (t->armed && t->wall && !sigqueue_pending(t->q))
		start(t);
	unlock_sighand(sh, flags);
}

/* ---- making and unmaking ---- */

/* Its function and its watch are not running, or will find it disarmed. No lock held. */
static void free_timer(struct posix_timer *t)
{
	if (t->kind == CLOCK_REAL)
		clock_watch_remove(&t->watch);
	timer_cancel_sync(&t->timer);
	sigqueue_free(t->q);
	if (t->thread)
		task_put(t->thread);
	cpu_clock_put(&t->cpu);
	kfree(t);
}

/* Out of everybody's sight. Handlers locked; the caller frees it. */
static void unlink_timer(struct posix_timer *t)
{
	stop(t);
	t->interval = 0;
	sigqueue_cancel(t->q, t->process, t->thread);
	list_del_init(&t->link);
}

void posix_timers_exit(struct signal_struct *g)
{
	struct posix_timer *t;
	struct sighand *sh;
	u64 flags;

	for (;;) {
		sh = lock_sighand(g, &flags);
		t = list_first_entry_or_null(&g->posix_timers, struct posix_timer, link);
		if (t)
			unlink_timer(t);
		unlock_sighand(sh, flags);
		if (!t)
			return;
		free_timer(t);
	}
}

/* Whom SIGEV_THREAD_ID names: a thread of the caller's process, with a reference. */
static struct task *get_own_thread(pid_t tid)
{
	struct task *t = tid > 0 ? find_get_task(tid) : NULL;

	if (t && t->signal != current->signal) {
		task_put(t);
		return NULL;
	}
	return t;
}

static int set_notify(struct posix_timer *t, const struct sigevent *ev)
{
	t->notify = ev->sigev_notify;
	t->sig = ev->sigev_signo;
	t->value = ev->sigev_value;
	switch (ev->sigev_notify) {
	case SIGEV_NONE:
		t->sig = 0;
		return 0;
	case SIGEV_THREAD_ID:
		t->thread = get_own_thread(ev->sigev_tid);
		if (!t->thread)
			return -EINVAL;
		break;
	case SIGEV_SIGNAL:
	case SIGEV_THREAD:
		break;
	default:
		return -EINVAL;
	}
	return t->sig >= 1 && t->sig <= NSIG ? 0 : -EINVAL;
}

static int set_clock(struct posix_timer *t, int clock)
{
	bool can_wait;

	t->kind = clock_kind(clock, &can_wait);
	if (t->kind == CLOCK_NONE)
		return -EINVAL;
	if (t->kind != CLOCK_CPU)
		return can_wait ? 0 : -EOPNOTSUPP;
	if (cpu_clock_get(clock, false, &t->cpu))
		return -EINVAL;
	/* Only the process's own ticks are looked at. */
	return t->cpu.task->signal == current->signal ? 0 : -EINVAL;
}

static int next_timer_id(struct signal_struct *g)
{
	struct sighand *sh;
	u64 flags;
	int id;

	sh = lock_sighand(g, &flags);
	id = g->next_timer_id++ & INT32_MAX;
	unlock_sighand(sh, flags);
	return id;
}

static void publish_timer(struct posix_timer *t)
{
	struct sighand *sh;
	u64 flags;

	if (t->kind == CLOCK_REAL)
		clock_watch_add(&t->watch);
	sh = lock_sighand(t->process, &flags);
	list_add_tail(&t->link, &t->process->posix_timers);
	unlock_sighand(sh, flags);
}

SYSCALL_DEFINE3(timer_create, int, clock, const struct sigevent __user *, uev, int __user *, uid)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
	struct posix_timer *t = kzalloc(sizeof(*t), GFP_KERNEL);
	int err = -EAGAIN;

	if (!t)
		return err;
	timer_setup(&t->timer, timer_fired);
	INIT_LIST_HEAD(&t->link);
	t->watch.clock_was_set = clock_was_set;
	t->process = current->signal;
	err = set_clock(t, clock);
	if (err)
		goto fail;
	t->id = next_timer_id(t->process);
	ev.sigev_value = (u64)t->id;
	err = -EFAULT;
	if (uev && copy_from_user(&ev, uev, sizeof(ev)))
		goto fail;
	err = set_notify(t, &ev);
	if (err)
		goto fail;
	err = -EAGAIN;
	t->q = sigqueue_alloc_timer(t->process, t);
	if (!t->q)
		goto fail;
	err = -EFAULT;
	if (put_user(t->id, uid))
		goto fail_queue;
	publish_timer(t);
	return 0;
fail_queue:
	sigqueue_free(t->q);
fail:
	if (t->thread)
		task_put(t->thread);
	cpu_clock_put(&t->cpu);
	kfree(t);
	return err;
}

/* ---- using ---- */

/* The caller's timer @id with the handlers locked; NULL, and nothing locked. */
static struct posix_timer *lock_timer(int id, struct sighand **sh, u64 *flags)
{
	struct signal_struct *g = current->signal;
	struct posix_timer *t;

	*sh = lock_sighand(g, flags);
	list_for_each_entry(t, &g->posix_timers, link)
		if (t->id == id)
			return t;
	unlock_sighand(*sh, *flags);
	return NULL;
}

/* What is left until the next expiry. An interval timer that stands still is read as if it ran. */
static struct itimerspec read_timer(struct posix_timer *t)
{
	struct itimerspec it = {.it_interval = ns_to_timespec(t->interval)};
	u64 now;

	if (!t->armed)
		return it;
	now = timer_now(t);
	if (t->interval && (t->notify == SIGEV_NONE || sigqueue_pending(t->q)))
		t->overrun += forward_past(&t->expires, t->interval, now);
	if (t->expires > now)
		it.it_value = ns_to_timespec(t->expires - now);
	else if (t->notify != SIGEV_NONE)
		it.it_value.tv_nsec = 1; /* armed is never read as 0 */
	return it;
}

static void set_timer(struct posix_timer *t, int flags, const struct itimerspec *new)
{
	u64 value = timespec_to_ns(&new->it_value);

	stop(t);
	t->overrun = 0;
	t->overrun_last = 0;
	t->interval = value ? timespec_to_ns(&new->it_interval) : 0;
	if (!value)
		return;
	t->wall = t->kind == CLOCK_REAL && (flags & TIMER_ABSTIME);
	t->expires = flags & TIMER_ABSTIME ? value : timer_now(t) + value;
	start(t);
}

SYSCALL_DEFINE4(timer_settime, int, id, int, flags, const struct itimerspec __user *, unew,
		struct itimerspec __user *, uold)
{
	struct itimerspec new, old;
	struct posix_timer *t;
	struct sighand *sh;
	u64 irq;

	if (!unew)
		return -EINVAL;
	if (copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	if (!itimerspec_valid(&new))
		return -EINVAL;
	t = lock_timer(id, &sh, &irq);
	if (!t)
		return -EINVAL;
	old = read_timer(t);
	set_timer(t, flags, &new);
	unlock_sighand(sh, irq);
	return uold && copy_to_user(uold, &old, sizeof(old)) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(timer_gettime, int, id, struct itimerspec __user *, uold)
{
	struct itimerspec old;
	struct sighand *sh;
	u64 irq;
	struct posix_timer *t = lock_timer(id, &sh, &irq);

	if (!t)
		return -EINVAL;
	old = read_timer(t);
	unlock_sighand(sh, irq);
	return copy_to_user(uold, &old, sizeof(old)) ? -EFAULT : 0;
}

SYSCALL_DEFINE1(timer_getoverrun, int, id)
{
	struct sighand *sh;
	u64 irq;
	struct posix_timer *t = lock_timer(id, &sh, &irq);
	int overrun;

	if (!t)
		return -EINVAL;
	overrun = t->overrun_last;
	unlock_sighand(sh, irq);
	return overrun;
}

SYSCALL_DEFINE1(timer_delete, int, id)
{
	struct sighand *sh;
	u64 irq;
	struct posix_timer *t = lock_timer(id, &sh, &irq);

	if (!t)
		return -EINVAL;
	unlink_timer(t);
	recalc_sigpending();
	unlock_sighand(sh, irq);
	free_timer(t);
	return 0;
}
