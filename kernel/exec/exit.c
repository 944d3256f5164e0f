/*
 * The end of a task: exit(2), exit_group(2), deadly signals.
 *
 * States of a process on its way out:
 *
 *	running		some thread calls do_group_exit(): the others get a SIGKILL and follow
 *	ending		each thread, in do_exit(), gives up what it holds: memory, files, FPU state. Any of
 *			this may sleep
 *	zombie		the last thread is through exit_notify(). Nothing is left but the leader's struct
 *			task with the wait status, and the parent knows
 *	reaped		the parent has called wait4(2), or has said that it does not care (SIGCHLD ignored,
 *			SA_NOCLDWAIT): release_task() takes the leader out of the tables
 *	free		the last reference is dropped
 *
 * A thread that is not the leader is never a zombie, unless it is traced: it releases itself. A leader
 * that ends before its threads waits for them as a zombie that nobody is told of yet.
 *
 * The children of a dead process become init's, or a subreaper's. Process 1 must not end: that is a panic.
 *
 * LOCKING: exit_notify() does everything that others can see under tasklist_lock, so wait4() finds
 * either a living child or a complete zombie. A zombie may still be on its CPU when it is reaped; the
 * scheduler's reference keeps its stack until it has left.
 */
#include "kernel/cpu/fpu.h"
#include "kernel/cpu/syscall.h"
#include "kernel/debug/lockdep.h"
#include "kernel/exec/process.h"
#include "kernel/mm/mm.h"

void cputime_add(struct cputime *to, struct cputime c)
{
	to->user += c.user;
	to->system += c.system;
}

struct cputime process_cputime(struct signal_struct *g)
{
	struct cputime sum = g->dead_time;
	struct task *t;

	list_for_each_entry(t, &g->threads, thread_link)
		cputime_add(&sum, task_cputime(t));
	return sum;
}

int exit_status(const struct task *t)
{
	return t->signal->group_exit ? t->signal->group_exit_code : t->exit_code;
}

void release_task(struct task *t)
{
	struct signal_struct *g = t->signal;
	struct sighand *sh;
	u64 flags;

	if (t->ptrace.tracer)
		ptrace_unlink(t);
	sh = lock_sighand(g, &flags);
	cputime_add(&g->dead_time, task_cputime(t));
	list_del_init(&t->thread_link);
	if (g->leader == t)
		g->leader = NULL;
	unlock_sighand(sh, flags);
	if (!g->leader) {
		pgrp_detach(g);
		list_del_init(&g->sibling);
		g->parent = NULL;
	}
	task_unpublish(t);
}

/* A parent that does not want to know, or to wait. Its handlers are locked. */
static bool ignores_children(struct sighand *sh)
{
	const struct sigaction *act = &sh->action[SIGCHLD - 1];

	return act->sa_handler == SIG_IGN || (act->sa_flags & SA_NOCLDWAIT);
}

/*
 * Tells @parent, which may be a tracer, of the end of @t by signal @sig. True if it does not want to
 * wait for it. tasklist_lock held.
 */
static bool notify_end(struct task *t, struct signal_struct *parent, int sig)
{
	struct signal_struct *g = t->signal;
	int status = exit_status(t);
	siginfo_t info = {.si_code = status & 0x7f ? CLD_KILLED : CLD_EXITED};
	bool autoreap = false;
	struct cputime used;
	struct sighand *sh;
	u64 flags;

	info.si_pid = t->pid;
	info.si_uid = g->uid;
	info.si_status = status & 0x7f ? status & 0x7f : status >> 8 & 0xff;
	used = process_cputime(g);
	info.si_utime = (s64)(used.user / (NSEC_PER_SEC / USER_HZ));
	info.si_stime = (s64)(used.system / (NSEC_PER_SEC / USER_HZ));
	sh = lock_sighand(parent, &flags);
	if (sig == SIGCHLD) {
		autoreap = ignores_children(sh);
		if (sh->action[SIGCHLD - 1].sa_handler == SIG_IGN)
			sig = 0;
	}
	if (sig > 0)
		send_signal_locked(sh, parent, NULL, sig, &info, false);
	unlock_sighand(sh, flags);
	wake_up_all(&parent->wait_chldexit);
	return autoreap;
}

/* A process has ended: the same for its tracer, which always waits, or else its parent. */
static bool notify_parent(struct signal_struct *g)
{
	struct signal_struct *tracer = g->leader->ptrace.tracer;
	int sig = g->leader->exit_signal;

	if (!tracer)
		return notify_end(g->leader, g->parent, sig);
	notify_end(g->leader, tracer, tracer == g->parent ? sig : SIGCHLD);
	return false;
}

void release_later(struct task *t, struct list_head *dead)
{
	task_get(t);
	release_task(t);
	list_add(&t->thread_link, dead);
}

/* Who adopts the children of @g: the nearest ancestor that has offered to, prctl(2), else init. */
static struct signal_struct *find_reaper(struct signal_struct *g)
{
	struct signal_struct *a;

	for (a = g->parent; a; a = a->parent)
		if (a->child_subreaper && a->nr_threads)
			return a;
	return init_task->signal;
}

/* tasklist_lock held. */
static void forget_children(struct signal_struct *g, struct list_head *dead)
{
	struct signal_struct *c, *n, *reaper = find_reaper(g);

	list_for_each_entry_safe(c, n, &g->children, sibling) {
		c->parent = reaper;
		c->leader->exit_signal = SIGCHLD;
		list_move_tail(&c->sibling, &reaper->children);
		if (c->pdeath_signal)
			send_signal_group(c, c->pdeath_signal, NULL);
		pgrp_kill_orphaned(c, g, false);
		if (!c->nr_threads && notify_parent(c))
			release_later(c->leader, dead);
	}
}

/* The process has no threads any more. tasklist_lock held. */
static void process_ended(struct signal_struct *g, struct list_head *dead)
{
	forget_children(g, dead);
	pgrp_kill_orphaned(g, g->parent, true);
	wake_up_poll_all(&g->pidfd_wq, EPOLLIN | EPOLLRDNORM);
	if (notify_parent(g))
		release_later(g->leader, dead);
}

/* Nobody waits for this thread, but for the process if it was the last. tasklist_lock held. */
static void thread_ended(struct task *t, struct list_head *dead)
{
	struct signal_struct *g = t->signal;
	struct sighand *sh;
	u64 flags;
	bool last;

	sh = lock_sighand(g, &flags);
	last = --g->nr_threads == 0;
	unlock_sighand(sh, flags);
	forget_thread(g);
	if (t != g->leader)
		release_later(t, dead);
	if (last)
		process_ended(g, dead);
	else if (g->group_exec)
		wake_up_all(&g->wait_chldexit);
}

void settle_tracee(struct task *t, struct signal_struct *tracer, struct list_head *dead)
{
	struct signal_struct *g = t->signal;
	struct sighand *sh;
	bool reap;
	u64 flags;

	if (t->ptrace.zombie) {
		t->ptrace.zombie = false;
		thread_ended(t, dead);
		return;
	}
	if (t != g->leader || g->nr_threads)
		return;
	if (tracer != g->parent) {
		reap = notify_parent(g);
	} else { /* it knows, but had to wait */
		sh = lock_sighand(tracer, &flags);
		reap = ignores_children(sh);
		unlock_sighand(sh, flags);
	}
	if (reap)
		release_later(t, dead);
}

void put_dead_tasks(struct list_head *dead)
{
	struct task *t, *n;

	list_for_each_entry_safe(t, n, dead, thread_link) {
		list_del_init(&t->thread_link);
		task_put(t);
	}
}

/* Makes the end of current known. */
static void exit_notify(int code)
{
	struct task *t = current;
	LIST_HEAD(dead);
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	t->exit_code = code;
	if (!t->signal->nr_live)
		ptrace_forget_tracees(t->signal, &dead); /* nobody is left to trace another one */
	if (t->ptrace.tracer && t != t->signal->leader) {
		t->ptrace.zombie = true;
		notify_end(t, t->ptrace.tracer, SIGCHLD);
	} else {
		thread_ended(t, &dead);
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	put_dead_tasks(&dead); /* current may be among them: the scheduler still has a reference */
}

/*
 * Leaves the address space. It stays loaded, as that of a kernel thread would, until the CPU has
 * something else to load; finish_switch() drops the reference taken here.
 */
static void exit_mm(struct task *t)
{
	struct mm *mm = t->mm;
	u64 flags;

	if (!mm)
		return;
	mm_grab(mm);
	/* Those who look at it from outside take their reference under the lock. */
	spin_lock_irqsave(&tasklist_lock, flags);
	t->mm = NULL;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	complete_vfork(t);
	mm_put(mm);
}

static void exit_fpu(struct task *t)
{
	struct fpu *f = t->fpu;

	t->fpu = NULL; /* first: a switch away would save into it */
	fpu_free(f);
}

void exit_resources(struct task *t)
{
	futex_exit();
	exit_mm(t);
	for (struct task_ops *ops = task_ops; ops; ops = ops->next)
		ops->exit(t);
	exit_fpu(t);
}

/*
 * A state that no wake-up ends. pi_lock: a late waker that has found an older state in which it may
 * wake must be through before, or it would write TASK_RUNNING over this one.
 */
static void __noreturn leave_cpu(struct task *t)
{
	spin_lock_irq(&t->pi_lock);
	t->state = t->signal ? TASK_ZOMBIE : TASK_DEAD;
	spin_unlock_irq(&t->pi_lock);
	schedule();
	panic("a dead task was scheduled");
}

static void unpublish_kthread(struct task *t)
{
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	task_unpublish(t);
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

void do_exit(int code)
{
	struct task *t = current;
	struct signal_struct *g = t->signal;

	if (in_atomic())
		panic("do_exit() with preempt_count %x", this_cpu_read(preempt_count));
	lockdep_check_none("the end of a task");
	if (!g) {
		unpublish_kthread(t);
		leave_cpu(t);
	}
	ptrace_exit(code);
	if (exit_signals()) {
		if (init_task && g == init_task->signal)
			panic("process 1 (%s) has ended with wait status %#x", t->comm,
			      g->group_exit ? g->group_exit_code : code);
		timer_cancel_sync(&g->real_timer);
		posix_timers_exit(g);
	}
	exit_resources(t);
	exit_notify(code);
	leave_cpu(t);
}

SYSCALL_DEFINE1(exit, int, code)
{
	do_exit((code & 0xff) << 8);
}

SYSCALL_DEFINE1(exit_group, int, code)
{
	do_group_exit((code & 0xff) << 8);
}
