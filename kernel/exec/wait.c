/*
 * Waiting for children: wait4(2), waitid(2).
 *
 * A parent sleeps on its own wait_chldexit, which a child's end, stop and continuation wake. The
 * condition it sleeps for is scan_children(), which looks at the children under tasklist_lock and at
 * once takes what it finds: if two threads wait, each zombie is seen by one of them. Because
 * wait_event() tests after it has registered, a child that ends in between is not missed.
 *
 * Only the caller's children are looked at, and the threads that it traces, never all tasks; a wait for
 * one pid finds it by the hash table, one for a pidfd by the descriptor. A child that is traced by
 * another belongs to that one until it lets go; one that the caller traces itself counts as traced only.
 *
 * LOCKING: tasklist_lock for children and zombies; inside it the child's sighand->lock for its stop
 * state. Results are copied to the user after both are dropped.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/process.h"
#include "kernel/mm/uaccess.h"

#define WNOHANG     0x00000001
#define WUNTRACED   0x00000002
#define WSTOPPED    WUNTRACED
#define WEXITED     0x00000004
#define WCONTINUED  0x00000008
#define WNOWAIT     0x01000000
#define __WNOTHREAD 0x20000000
#define __WALL      0x40000000
#define __WCLONE    0x80000000u

#define P_ALL   0
#define P_PID   1
#define P_PGID  2
#define P_PIDFD 3

struct wait_op {
	int type; /* P_* */
	pid_t id;
	struct signal_struct *child; /* P_PIDFD: with a reference */
	bool nonblock;               /* P_PIDFD: its descriptor does not wait */
	u32 options;

	/* Found: */
	long ret;   /* the child's pid, 0: there are children but none is ready, -ECHILD */
	int status; /* as wait4() reports it */
	int code;   /* CLD_* */
	u32 uid;
	struct cputime used;   /* with its own children's */
	struct list_head dead; /* reaped; the references are ours */
};

static void found(struct wait_op *w, struct task *t, int code, int status)
{
	struct signal_struct *g = t->signal;

	w->ret = t->pid;
	w->uid = g->uid;
	w->code = code;
	w->status = status;
	w->used = process_cputime(g);
	cputime_add(&w->used, g->children_time);
}

/* @t, a child or traced by the caller, is a zombie. */
static bool wait_zombie(struct wait_op *w, struct task *t)
{
	struct signal_struct *me = current->signal, *g = t->signal;
	int status = exit_status(t);

	if (!(w->options & WEXITED))
		return false;
	found(w, t, status & 0x7f ? CLD_KILLED : CLD_EXITED, status);
	if (w->options & WNOWAIT)
		return true;
	if (t == g->leader && g->parent == me) {
		cputime_add(&me->children_time, w->used);
		release_later(t, &w->dead);
	} else {
		ptrace_unlink(t);
		settle_tracee(t, me, &w->dead);
	}
	return true;
}

/* @options: which of WSTOPPED and WCONTINUED. */
static bool wait_stopped(struct wait_op *w, struct signal_struct *g, u32 options)
{
	struct sighand *sh;
	bool ready = false;
	u64 flags;

	if (!(options & (WSTOPPED | WCONTINUED)))
		return false;
	sh = lock_sighand(g, &flags);
	if ((options & WSTOPPED) && g->stop_signal && !g->nr_stopping && !g->stop_reported) {
		found(w, g->leader, CLD_STOPPED, g->stop_signal << 8 | 0x7f);
		g->stop_reported = !(w->options & WNOWAIT);
		ready = true;
	} else if ((options & WCONTINUED) && g->continued) {
		found(w, g->leader, CLD_CONTINUED, 0xffff);
		g->continued = w->options & WNOWAIT;
		ready = true;
	}
	unlock_sighand(sh, flags);
	return ready;
}

static bool eligible(const struct wait_op *w, const struct signal_struct *g)
{
	bool is_clone = g->leader->exit_signal != SIGCHLD;

	if (w->type == P_PGID && g->pgrp != w->id)
		return false;
	return (w->options & __WALL) || is_clone == !!(w->options & __WCLONE);
}

/* A thread that stands for its tracer, which has not been told. */
static bool wait_traced_stop(struct wait_op *w, struct task *t)
{
	struct tracee *p = &t->ptrace;
	struct sighand *sh;
	bool ready;
	u64 flags;

	sh = lock_sighand(t->signal, &flags);
	ready = p->stopped && !p->listening && p->status;
	if (ready) {
		found(w, t, CLD_TRAPPED, p->status << 8 | 0x7f);
		if (!(w->options & WNOWAIT))
			p->status = 0;
	}
	unlock_sighand(sh, flags);
	return ready;
}

/* True if @g answers the question; notes that there is a child to wait for. */
static bool consider(struct wait_op *w, struct signal_struct *g)
{
	const struct signal_struct *tracer = g->leader->ptrace.tracer;

	if (tracer == current->signal || !eligible(w, g))
		return false; /* or consider_tracee() does it */
	w->ret = 0;
	return (!tracer && !g->nr_threads && wait_zombie(w, g->leader)) ||
	       wait_stopped(w, g, w->options);
}

/* The same for a thread that the caller traces. */
static bool consider_tracee(struct wait_op *w, struct task *t)
{
	struct signal_struct *g = t->signal;
	bool leader = t == g->leader;

	if (w->type == P_PGID && g->pgrp != w->id)
		return false;
	w->ret = 0;
	if (leader ? !g->nr_threads : t->ptrace.zombie)
		return wait_zombie(w, t);
	return wait_traced_stop(w, t) || (leader && g->parent == current->signal &&
					  wait_stopped(w, g, w->options & WCONTINUED));
}

/* True if the process or thread @t answers the question. */
static bool consider_task(struct wait_op *w, struct task *t)
{
	struct signal_struct *me = current->signal, *g = t->signal;

	if (t->ptrace.tracer == me)
		return consider_tracee(w, t);
	return g && g->parent == me && g->leader == t && consider(w, g);
}

static void consider_all(struct wait_op *w, struct signal_struct *me)
{
	struct signal_struct *g;
	struct task *t;

	list_for_each_entry(g, &me->children, sibling)
		if (consider(w, g))
			return;
	list_for_each_entry(t, &me->tracees, ptrace.link)
		if (consider_tracee(w, t))
			return;
}

/* True when the wait is over. */
static bool scan_children(struct wait_op *w)
{
	struct task *t = NULL;
	u64 flags;

	w->ret = -ECHILD;
	spin_lock_irqsave(&tasklist_lock, flags);
	if (w->type == P_PID)
		t = find_task_locked(w->id);
	else if (w->type == P_PIDFD)
		t = w->child->leader;
	else
		consider_all(w, current->signal);
	if (t)
		consider_task(w, t);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return w->ret || (w->options & WNOHANG);
}

/* The child's pid, 0 with WNOHANG, -ECHILD, -ERESTARTSYS. */
static long do_wait(struct wait_op *w)
{
	long err;

	INIT_LIST_HEAD(&w->dead);
	err = wait_event_interruptible(&current->signal->wait_chldexit, scan_children(w));
	put_dead_tasks(&w->dead);
	return err ? err : w->ret;
}

long reap_child(void)
{
	struct wait_op w = {.type = P_ALL, .options = WEXITED | WNOHANG | __WALL};

	return do_wait(&w);
}

static int put_rusage(struct rusage __user *uru, const struct wait_op *w)
{
	struct rusage ru = {0};

	if (!uru)
		return 0;
	rusage_set_times(&ru, w->used);
	return copy_to_user(uru, &ru, sizeof(ru)) ? -EFAULT : 0;
}

SYSCALL_DEFINE4(wait4, pid_t, pid, int __user *, ustatus, int, options, struct rusage __user *, uru)
{
	struct wait_op w = {.options = (u32)options | WEXITED};
	long ret;

	if ((u32)options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (pid == (pid_t)0x80000000)
		return -ESRCH;
	if (pid == -1) {
		w.type = P_ALL;
	} else if (pid > 0) {
		w.type = P_PID;
		w.id = pid;
	} else {
		w.type = P_PGID;
		w.id = pid ? -pid : current->signal->pgrp;
	}
	ret = do_wait(&w);
	if (ret <= 0)
		return ret;
	if (put_rusage(uru, &w) || (ustatus && put_user(w.status, ustatus)))
		return -EFAULT;
	return ret;
}

static int waitid_target(struct wait_op *w, int which, pid_t id)
{
	w->type = which;
	w->id = id;
	switch (which) {
	case P_ALL:
		return 0;
	case P_PID:
		return id > 0 ? 0 : -EINVAL;
	case P_PGID:
		if (!id)
			w->id = current->signal->pgrp;
		return id >= 0 ? 0 : -EINVAL;
	case P_PIDFD:
		if (id < 0)
			return -EINVAL;
		w->child = pidfd_ops->get((unsigned)id, &w->nonblock);
		return w->child ? 0 : -EBADF;
	default:
		return -EINVAL;
	}
}

/* The first fields of siginfo_t, which are all that waitid() promises to write. */
static int put_wait_info(siginfo_t __user *uinfo, const struct wait_op *w)
{
	siginfo_t info = {0};

	if (!uinfo)
		return 0;
	if (w->ret) {
		info.si_signo = SIGCHLD;
		info.si_code = w->code;
		info.si_pid = (int)w->ret;
		info.si_uid = w->uid;
		if (w->code == CLD_EXITED || w->code == CLD_STOPPED || w->code == CLD_TRAPPED)
			info.si_status = w->status >> 8; /* with the event of a trap */
		else
			info.si_status = w->code == CLD_CONTINUED ? SIGCONT : w->status & 0x7f;
	}
	return copy_to_user(uinfo, &info, offsetof(siginfo_t, si_status) + sizeof(int)) ? -EFAULT
											: 0;
}

SYSCALL_DEFINE5(waitid, int, which, pid_t, id, siginfo_t __user *, uinfo, int, options,
		struct rusage __user *, uru)
{
	struct wait_op w = {.options = (u32)options};
	long ret;

	if ((u32)options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD |
			     __WCLONE | __WALL))
		return -EINVAL;
	if (!(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	ret = waitid_target(&w, which, id);
	if (ret)
		return ret;
	if (w.nonblock)
		w.options |= WNOHANG;
	ret = do_wait(&w);
	if (w.child)
		signal_put(w.child);
	if (!ret && w.nonblock && !(options & WNOHANG))
		return -EAGAIN;
	if (ret < 0)
		return ret;
	if ((ret && put_rusage(uru, &w)) || put_wait_info(uinfo, &w))
		return -EFAULT;
	return 0;
}
