/*
 * Signals: sending, masks, queues. How one is delivered is in deliver.c.
 *
 * A signal goes through three states.
 *
 *	generated	send_signal_*() puts it into a pending set: the thread's own (tgkill, faults) or
 *			the process's (kill, terminal). What nobody would see (ignored and not blocked)
 *			is dropped here.
 *	pending		A thread that does not block it is chosen and gets WORK_SIGPENDING. That bit makes
 *			interruptible sleeps return -ERESTARTSYS and sends the thread, on its way back to
 *			user mode, through exit_to_user_work().
 *	delivered	get_signal() (deliver.c) takes it off the queue and either carries out the
 *			default action or hands it to setup_rt_frame(), which makes user mode continue
 *			in the handler.
 *
 * The first 31 signals are flags: a second one before delivery is lost. The real-time ones are
 * queued with their values, at most RLIMIT_SIGPENDING a user.
 *
 * A signal that will end the process is not left to be found: complete_signal() marks the whole
 * group at once (group_exit) and gives every thread a pending SIGKILL, which ends killable sleeps
 * too. No core file is ever written, so WCOREDUMP() is never true.
 *
 * Job control. A stop signal sets stop_signal and gives every thread stop_pending; each thread parks
 * on stop_wq in get_signal() (or, if it is traced, for its tracer), the last one tells the parent.
 * SIGCONT undoes it at the moment it is sent, before anybody handles it.
 *
 * LOCKING: sighand->lock (interrupts off, any context) guards the actions, the pending sets of the
 * process and of its threads, the blocked masks, and the group_* and stop fields. It is found
 * through signal->sighand and lock_sighand(), because execve may replace the table. The order is
 *
 *	tasklist_lock -> child's sighand->lock, or parent's (never two) -> wait queue -> pi_lock -> rq->lock
 *
 * tasklist_lock keeps the family in place while a parent is told. One sighand->lock is never taken
 * inside another. Nobody sleeps or touches user memory under either.
 *
 * WORK_SIGPENDING is set by anyone who holds the lock and cleared only by the task itself, in
 * recalc_sigpending(), also with it: so a set bit is never lost.
 */
#include "kernel/sched/signal.h"

#include "kernel/exec/process.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"

/* Faults of the instruction stream itself: delivered before all others. */
#define SIG_SYNCHRONOUS \
	(sigmask(SIGSEGV) | sigmask(SIGBUS) | sigmask(SIGILL) | sigmask(SIGTRAP) | \
	 sigmask(SIGFPE) | sigmask(SIGSYS))

/* What is known about a pending signal besides its number. */
struct sigqueue {
	struct list_head list;
	struct user_count *user;   /* who it counts against */
	struct posix_timer *timer; /* [I] whose own it is, or NULL */
	siginfo_t info;
};

static struct kmem_cache *sigqueue_cache;

struct sighand *lock_sighand(struct signal_struct *g, u64 *flags)
{
	for (;;) {
		struct sighand *sh = READ_ONCE(g->sighand);

		spin_lock_irqsave(&sh->lock, *flags);
		if (likely(sh == g->sighand))
			return sh;
		spin_unlock_irqrestore(&sh->lock, *flags);
	}
}

bool fatal_signal_pending(struct task *t)
{
	return signal_pending(t) && (READ_ONCE(t->pending_mask) & sigmask(SIGKILL));
}

void recalc_sigpending(void)
{
	struct task *t = current;

	if (((t->pending_mask | t->signal->pending_mask) & ~t->blocked) || t->stop_pending ||
	    t->ptrace.trap || t->signal->group_exit)
		task_set_work(t, WORK_SIGPENDING);
	else
		task_clear_work(t, WORK_SIGPENDING);
}

/* ---- sending ---- */

void signal_wake_up(struct task *t, bool fatal)
{
	task_set_work(t, WORK_SIGPENDING);
	if (!try_to_wake_up(t, TASK_INTERRUPTIBLE | (fatal ? TASK_WAKEKILL | TASK_TRACED : 0)))
		kick_task(t);
}

static struct sigqueue *sigqueue_alloc(struct signal_struct *g, int sig, const siginfo_t *info)
{
	struct user_count *user = user_count(g->uid);
	/* Only what a program queues by itself is limited. */
	bool limited = sig >= SIGRTMIN || (info && info->si_code < 0);
	struct sigqueue *q;

	if (limited && (u64)atomic_read(&user->signals) >= g->rlim[RLIMIT_SIGPENDING].rlim_cur)
		return NULL;
	q = kmem_cache_alloc(sigqueue_cache, GFP_ATOMIC);
	if (!q)
		return NULL;
	INIT_LIST_HEAD(&q->list);
	q->user = user;
	q->timer = NULL;
	atomic_inc(&user->signals);
	return q;
}

void sigqueue_free(struct sigqueue *q)
{
	atomic_dec(&q->user->signals);
	kmem_cache_free(sigqueue_cache, q);
}

struct sigqueue *sigqueue_alloc_timer(struct signal_struct *g, struct posix_timer *timer)
{
	struct sigqueue *q = sigqueue_alloc(g, SIGRTMIN, NULL);

	if (q)
		q->timer = timer;
	return q;
}

bool sigqueue_pending(const struct sigqueue *q)
{
	return !list_empty(&q->list);
}

/* @q has been in a queue; @info: where its news went, NULL for nowhere. */
static void sigqueue_done(struct sigqueue *q, siginfo_t *info)
{
	list_del_init(&q->list);
	if (q->timer)
		posix_timer_taken(q->timer, info);
	else
		sigqueue_free(q);
}

static void remove_from(struct list_head *pending, sigset_t *mask, sigset_t set)
{
	struct sigqueue *q, *n;

	if (!(*mask & set))
		return;
	*mask &= ~set;
	list_for_each_entry_safe(q, n, pending, list) {
		if (sigmask(q->info.si_signo) & set)
			sigqueue_done(q, NULL);
	}
}

void flush_sigqueue(struct list_head *pending, sigset_t *mask)
{
	remove_from(pending, mask, ~0ull);
}

void drop_signals(struct signal_struct *g, sigset_t set)
{
	struct task *t;

	remove_from(&g->pending, &g->pending_mask, set);
	list_for_each_entry(t, &g->threads, thread_link)
		remove_from(&t->pending, &t->pending_mask, set);
}

/* SIGCONT at the moment it is sent. Handlers locked. */
static void resume_group(struct signal_struct *g)
{
	struct task *t;

	g->cont_seq++;
	if (g->stop_signal && !g->nr_stopping) {
		g->continued = true;
		g->notify_continued = true;
	}
	g->stop_signal = 0;
	g->nr_stopping = 0;
	list_for_each_entry(t, &g->threads, thread_link) {
		t->stop_pending = false;
		if (t->ptrace.flags & PT_SEIZED)
			ptrace_trap_notify(t);
	}
	__wake_up(&g->stop_wq, TASK_STOPPED, 0, NULL);
}

static bool sig_ignored(struct sighand *sh, struct signal_struct *g, struct task *t, int sig)
{
	u64 handler = sh->action[sig - 1].sa_handler;

	/* Blocked, it may find a handler by the time it is unblocked. */
	if ((t->blocked | t->real_blocked) & sigmask(sig))
		return false;
	if (t->ptrace.flags && sig != SIGKILL)
		return false; /* a tracer sees it all the same */
	if (handler == SIG_IGN)
		return true;
	return handler == SIG_DFL && ((sigmask(sig) & SIG_KERNEL_IGNORE) || is_init_process(g));
}

/* Would @t take the signal soon? */
static bool wants_signal(struct task *t, int sig)
{
	if ((t->blocked & sigmask(sig)) || t->exiting)
		return false;
	if (sig == SIGKILL)
		return true;
	if (READ_ONCE(t->state) & (TASK_STOPPED | TASK_TRACED))
		return false;
	return t == current || READ_ONCE(t->on_cpu) || !signal_pending(t);
}

/* Gives every thread but @except a SIGKILL. Handlers locked. */
static void kill_threads(struct signal_struct *g, struct task *except)
{
	struct task *t;

	g->stop_signal = 0;
	g->nr_stopping = 0;
	list_for_each_entry(t, &g->threads, thread_link) {
		t->stop_pending = false;
		if (t == except || t->exiting)
			continue;
		t->pending_mask |= sigmask(SIGKILL);
		signal_wake_up(t, true);
	}
}

void zap_other_threads(struct signal_struct *g)
{
	kill_threads(g, current);
}

/* Chooses who handles a signal that has become pending. Handlers locked. */
static void complete_signal(struct sighand *sh, struct signal_struct *g, struct task *t, int sig,
			    bool force)
{
	struct task *target = NULL, *i;
	bool fatal;

	if (t) {
		target = wants_signal(t, sig) ? t : NULL;
	} else if (wants_signal(g->leader, sig)) {
		target = g->leader;
	} else {
		/* The leader may be dead and another thread the only one, so nr_threads tells nothing. */
		list_for_each_entry(i, &g->threads, thread_link) {
			if (wants_signal(i, sig)) {
				target = i;
				break;
			}
		}
	}
	if (!target)
		return; /* it stays pending; set_blocked() or get_signal() will find it */

	fatal = sh->action[sig - 1].sa_handler == SIG_DFL &&
		!(sigmask(sig) & (SIG_KERNEL_IGNORE | SIG_KERNEL_STOP)) &&
		!(target->real_blocked & sigmask(sig)) && (force || !is_init_process(g)) &&
		(sig == SIGKILL || !target->ptrace.flags);
	if (fatal && !g->group_exit) {
		g->group_exit = true;
		g->group_exit_code = sig;
		kill_threads(g, NULL);
		return;
	}
	signal_wake_up(target, sig == SIGKILL);
}

static bool takes_signals(const struct signal_struct *g, const struct task *t)
{
	return g->nr_threads && !g->group_exit && !(t && t->exiting);
}

/* What a signal does by being sent, whether or not anybody takes it. False: it is ignored. */
static bool prepare_signal(struct sighand *sh, struct signal_struct *g, struct task *t, int sig,
			   bool force)
{
	if (sigmask(sig) & SIG_KERNEL_STOP) {
		drop_signals(g, sigmask(SIGCONT));
	} else if (sig == SIGCONT) {
		drop_signals(g, SIG_KERNEL_STOP);
		resume_group(g);
	}
	return force || !sig_ignored(sh, g, t ? t : g->leader, sig);
}

/* Announces a signal that is in @mask from now on. */
static void signal_is_pending(struct sighand *sh, struct signal_struct *g, struct task *t, int sig,
			      bool force)
{
	*(t ? &t->pending_mask : &g->pending_mask) |= sigmask(sig);
	if (waitqueue_active(&sh->signalfd_wq))
		wake_up_all(&sh->signalfd_wq);
	complete_signal(sh, g, t, sig, force);
}

int send_signal_locked(struct sighand *sh, struct signal_struct *g, struct task *t, int sig,
		       const siginfo_t *info, bool force)
{
	struct list_head *pending = t ? &t->pending : &g->pending;
	sigset_t *mask = t ? &t->pending_mask : &g->pending_mask;
	struct sigqueue *q;

	/* The dead and the dying take no signals, and say nothing about it. */
	if (!takes_signals(g, t) || !prepare_signal(sh, g, t, sig, force))
		return 0;
	if (sig < SIGRTMIN && (*mask & sigmask(sig)))
		return 0;

	if (sig != SIGKILL) {
		q = sigqueue_alloc(g, sig, info);
		if (q) {
			if (info)
				q->info = *info;
			else
				q->info = (siginfo_t){.si_code = SI_KERNEL};
			q->info.si_signo = sig;
			list_add_tail(&q->list, pending);
		} else if (sig >= SIGRTMIN && info && info->si_code != SI_USER) {
			return -EAGAIN;
		}
		/* Without memory an ordinary signal still comes, only without its details. */
	}
	signal_is_pending(sh, g, t, sig, force);
	return 0;
}

bool sigqueue_send(struct sigqueue *q, struct sighand *sh, struct signal_struct *g, struct task *t,
		   const siginfo_t *info)
{
	if (!takes_signals(g, t))
		return true;
	if (!prepare_signal(sh, g, t, info->si_signo, false))
		return false;
	q->info = *info;
	list_add_tail(&q->list, t ? &t->pending : &g->pending);
	signal_is_pending(sh, g, t, info->si_signo, false);
	return true;
}

void sigqueue_cancel(struct sigqueue *q, struct signal_struct *g, struct task *t)
{
	struct list_head *pending = t ? &t->pending : &g->pending;
	struct sigqueue *i;

	if (list_empty(&q->list))
		return;
	list_del_init(&q->list);
	list_for_each_entry(i, pending, list)
		if (i->info.si_signo == q->info.si_signo)
			return;
	/* The last of its number. An ordinary signal without a queue entry, which there may have been
	 * for want of memory, goes with it. */
	*(t ? &t->pending_mask : &g->pending_mask) &= ~sigmask(q->info.si_signo);
}

int send_signal_group(struct signal_struct *g, int sig, const siginfo_t *info)
{
	struct sighand *sh;
	u64 flags;
	int ret;

	sh = lock_sighand(g, &flags);
	ret = send_signal_locked(sh, g, NULL, sig, info, false);
	unlock_sighand(sh, flags);
	return ret;
}

int send_signal_task(struct task *t, int sig, const siginfo_t *info)
{
	struct sighand *sh;
	u64 flags;
	int ret;

	if (!t->signal)
		return 0; /* kernel threads take no signals */
	sh = lock_sighand(t->signal, &flags);
	ret = send_signal_locked(sh, t->signal, t, sig, info, false);
	unlock_sighand(sh, flags);
	return ret;
}

void force_signal(int sig, const siginfo_t *info)
{
	struct task *t = current;
	struct sigaction *act;
	struct sighand *sh;
	u64 flags;

	sh = lock_sighand(t->signal, &flags);
	act = &sh->action[sig - 1];
	if (act->sa_handler == SIG_IGN || (t->blocked & sigmask(sig))) {
		act->sa_handler = SIG_DFL;
		t->blocked &= ~sigmask(sig);
	}
	send_signal_locked(sh, t->signal, t, sig, info, true);
	recalc_sigpending();
	unlock_sighand(sh, flags);
}

void force_signal_fault(int sig, int code, u64 addr)
{
	siginfo_t info = {.si_code = code};

	info.si_addr = addr;
	force_signal(sig, &info);
}

void force_sigsegv(int sig)
{
	struct sighand *sh;
	u64 flags;

	if (sig == SIGSEGV) {
		sh = lock_sighand(current->signal, &flags);
		sh->action[SIGSEGV - 1].sa_handler = SIG_DFL;
		unlock_sighand(sh, flags);
	}
	force_signal(SIGSEGV, NULL);
}

/* ---- masks ---- */

/*
 * @t will not take the signals in @which of its process for now: wakes others that do. Handlers
 * locked.
 */
static void retarget_pending(struct signal_struct *g, struct task *t, sigset_t which)
{
	struct task *i;

	which &= g->pending_mask;
	list_for_each_entry(i, &g->threads, thread_link) {
		if (!which)
			return;
		if (i == t || i->exiting || !(which & ~i->blocked))
			continue;
		which &= i->blocked;
		if (!signal_pending(i))
			signal_wake_up(i, false);
	}
}

void set_blocked(sigset_t mask)
{
	struct task *t = current;
	struct sighand *sh;
	u64 flags;

	mask &= ~SIG_UNBLOCKABLE;
	if (mask == t->blocked)
		return;
	sh = lock_sighand(t->signal, &flags);
	if (signal_pending(t) && t->signal->nr_threads > 1)
		retarget_pending(t->signal, t, mask & ~t->blocked);
	t->blocked = mask;
	recalc_sigpending();
	unlock_sighand(sh, flags);
}

int set_user_sigmask(const sigset_t __user *umask, size_t size)
{
	sigset_t mask;

	if (!umask)
		return 0;
	if (size != sizeof(mask))
		return -EINVAL;
	if (get_user(mask, umask))
		return -EFAULT;
	current->saved_sigmask = current->blocked;
	task_set_work(current, WORK_RESTORE_SIGMASK);
	set_blocked(mask);
	return 0;
}

void restore_saved_sigmask_unless(bool interrupted)
{
	if (interrupted || !(current->work & WORK_RESTORE_SIGMASK))
		return;
	task_clear_work(current, WORK_RESTORE_SIGMASK);
	set_blocked(current->saved_sigmask);
}

void flush_signal_handlers(struct task *t)
{
	struct sighand *sh;
	u64 flags;

	sh = lock_sighand(t->signal, &flags);
	for (int i = 0; i < NSIG; i++) {
		struct sigaction *a = &sh->action[i];

		if (a->sa_handler != SIG_IGN)
			a->sa_handler = SIG_DFL;
		a->sa_flags = 0;
		a->sa_restorer = 0;
		a->sa_mask = 0;
	}
	unlock_sighand(sh, flags);
}

/* ---- taking ---- */

/* Takes @sig out of one pending set. */
static void collect(struct list_head *pending, sigset_t *mask, int sig, siginfo_t *info)
{
	struct sigqueue *q, *first = NULL;

	list_for_each_entry(q, pending, list) {
		if (q->info.si_signo != sig)
			continue;
		if (first)
			goto more; /* a second one is queued: the flag stays */
		first = q;
	}
	*mask &= ~sigmask(sig);
more:
	if (!first) {
		*info = (siginfo_t){.si_signo = sig, .si_code = SI_USER};
		return;
	}
	*info = first->info;
	sigqueue_done(first, info);
}

static int next_signal(sigset_t set)
{
	if (set & SIG_SYNCHRONOUS)
		set &= SIG_SYNCHRONOUS;
	return set ? __builtin_ctzll(set) + 1 : 0;
}

int dequeue_signal(sigset_t blocked, siginfo_t *info)
{
	struct task *t = current;
	struct signal_struct *g = t->signal;
	int sig = next_signal(t->pending_mask & ~blocked);

	if (sig) {
		collect(&t->pending, &t->pending_mask, sig, info);
	} else {
		sig = next_signal(g->pending_mask & ~blocked);
		if (sig)
			collect(&g->pending, &g->pending_mask, sig, info);
		if (sig == SIGALRM)
			rearm_real_timer(g);
	}
	recalc_sigpending();
	return sig;
}

/* ---- stopping and ending ---- */

void notify_cldstop(struct signal_struct *to, struct task *t, int why, int status)
{
	siginfo_t info = {.si_signo = SIGCHLD, .si_code = why};
	struct sighand *sh;
	struct sigaction *act;
	u64 flags;

	info.si_pid = t->pid;
	info.si_uid = t->signal->uid;
	info.si_status = status;
	sh = lock_sighand(to, &flags);
	act = &sh->action[SIGCHLD - 1];
	if (act->sa_handler != SIG_IGN && !(act->sa_flags & SA_NOCLDSTOP))
		send_signal_locked(sh, to, NULL, SIGCHLD, &info, false);
	unlock_sighand(sh, flags);
	wake_up_all(&to->wait_chldexit);
}

void notify_parent_cldstop(struct signal_struct *g, int why, int status)
{
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	if (g->parent)
		notify_cldstop(g->parent, g->leader, why, status);
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

void start_group_stop(struct signal_struct *g, int sig)
{
	struct task *t;

	g->stop_signal = sig;
	g->stop_reported = false;
	g->continued = false;
	g->nr_stopping = 0;
	list_for_each_entry(t, &g->threads, thread_link) {
		if (t->exiting)
			continue;
		t->stop_pending = true;
		g->nr_stopping++;
		if (t->ptrace.flags & PT_SEIZED)
			ptrace_trap_notify(t);
		else if (t != current)
			signal_wake_up(t, false);
	}
}

int follow_group_stop(void)
{
	struct signal_struct *g = current->signal;

	if (!current->stop_pending)
		return 0;
	current->stop_pending = false;
	return --g->nr_stopping == 0 ? g->stop_signal : 0;
}

bool exit_signals(void)
{
	struct task *t = current;
	struct signal_struct *g = t->signal;
	struct sighand *sh;
	int stopped;
	bool last;
	u64 flags;

	sh = lock_sighand(g, &flags);
	t->exiting = true;
	last = --g->nr_live == 0;
	if (last)
		g->real_interval = 0; /* the alarm clock does not start again */
	stopped = follow_group_stop();
	if (g->nr_threads > 1)
		retarget_pending(g, t, ~t->blocked);
	unlock_sighand(sh, flags);
	if (stopped)
		notify_parent_cldstop(g, CLD_STOPPED, stopped);
	return last;
}

static __init int signal_init(void)
{
	sigqueue_cache = kmem_cache_create("sigqueue", sizeof(struct sigqueue), 0);
	return 0;
}
core_initcall(signal_init);
