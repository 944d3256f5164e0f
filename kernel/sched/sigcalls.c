/*
 * The system calls of signals: actions, masks, sending, waiting. What happens to a
 * signal between is in signal.c. The rules are those of signal(7) and of each call's own page.
 *
 * Waiting for a signal is a sleep on a wait queue that nobody wakes: WORK_SIGPENDING ends it.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/cred.h"
#include "kernel/exec/process.h"
#include "kernel/mm/uaccess.h"
#include "kernel/time/ktime.h"

#define KNOWN_SA_FLAGS \
	(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_RESTORER | SA_ONSTACK | SA_RESTART | \
	 SA_NODEFER | SA_RESETHAND)

static bool valid_signal(int sig)
{
	return sig >= 1 && sig <= NSIG;
}

/* Sleeps until a signal is pending (0) or @deadline has passed (-ETIME). */
static long sleep_for_signal(u64 deadline)
{
	DECLARE_WAIT_QUEUE_HEAD(nobody);

	return wait_event_interruptible_deadline(&nobody, false, deadline) == -ETIME ? -ETIME : 0;
}

/* ---- actions and masks ---- */

SYSCALL_DEFINE4(rt_sigaction, int, sig, const struct sigaction __user *, uact,
		struct sigaction __user *, uold, size_t, size)
{
	struct signal_struct *g = current->signal;
	struct sigaction new, old;
	struct sighand *sh;
	u64 flags;

	if (size != sizeof(sigset_t))
		return -EINVAL;
	if (uact && copy_from_user(&new, uact, sizeof(new)))
		return -EFAULT;
	if (!valid_signal(sig) || (uact && (sigmask(sig) & SIG_UNBLOCKABLE)))
		return -EINVAL;

	sh = lock_sighand(g, &flags);
	old = sh->action[sig - 1];
	if (uact) {
		new.sa_flags &= KNOWN_SA_FLAGS;
		new.sa_mask &= ~SIG_UNBLOCKABLE;
		sh->action[sig - 1] = new;
		if (new.sa_handler == SIG_IGN ||
		    (new.sa_handler == SIG_DFL && (sigmask(sig) & SIG_KERNEL_IGNORE)))
			drop_signals(g, sigmask(sig));
	}
	unlock_sighand(sh, flags);
	return uold && copy_to_user(uold, &old, sizeof(old)) ? -EFAULT : 0;
}

SYSCALL_DEFINE4(rt_sigprocmask, int, how, const sigset_t __user *, uset, sigset_t __user *, uold,
		size_t, size)
{
	sigset_t old = current->blocked, set;

	if (size != sizeof(sigset_t))
		return -EINVAL;
	if (uset) {
		if (get_user(set, uset))
			return -EFAULT;
		switch (how) {
		case SIG_BLOCK:
			set |= old;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		set_blocked(set);
	}
	return uold ? put_user(old, uold) : 0;
}

SYSCALL_DEFINE2(rt_sigpending, sigset_t __user *, uset, size_t, size)
{
	struct task *t = current;
	sigset_t pending;
	struct sighand *sh;
	u64 flags;

	if (size > sizeof(sigset_t))
		return -EINVAL;
	sh = lock_sighand(t->signal, &flags);
	pending = (t->pending_mask | t->signal->pending_mask) & t->blocked;
	unlock_sighand(sh, flags);
	return copy_to_user(uset, &pending, size) ? -EFAULT : 0;
}

void get_signal_masks(struct task *t, sigset_t *pending, sigset_t *shared, sigset_t *blocked,
		      sigset_t *ignored, sigset_t *caught)
{
	struct sighand *sh;
	u64 flags;

	*pending = *shared = *blocked = *ignored = *caught = 0;
	if (!t->signal)
		return;
	sh = lock_sighand(t->signal, &flags);
	*pending = t->pending_mask;
	*shared = t->signal->pending_mask;
	*blocked = t->blocked;
	for (int sig = 1; sig <= NSIG; sig++) {
		if (sh->action[sig - 1].sa_handler == SIG_IGN)
			*ignored |= sigmask(sig);
		else if (sh->action[sig - 1].sa_handler != SIG_DFL)
			*caught |= sigmask(sig);
	}
	unlock_sighand(sh, flags);
}

/* ---- waiting ---- */

SYSCALL_DEFINE0(pause)
{
	sleep_for_signal(NO_DEADLINE);
	return -ERESTARTNOHAND;
}

SYSCALL_DEFINE2(rt_sigsuspend, const sigset_t __user *, uset, size_t, size)
{
	int err;

	if (size != sizeof(sigset_t))
		return -EINVAL;
	if (!uset)
		return -EFAULT;
	err = set_user_sigmask(uset, size);
	if (err)
		return err;
	sleep_for_signal(NO_DEADLINE);
	return -ERESTARTNOHAND;
}

/*
 * Takes a signal of @set off the queue without a handler. While it sleeps those signals count as
 * unblocked, so that senders wake it, and as blocked (real_blocked), so that none is dropped as
 * ignored or kills.
 */
static int wait_for_signal(sigset_t set, siginfo_t *info, u64 deadline, bool sleep)
{
	struct task *t = current;
	struct signal_struct *g = t->signal;
	struct sighand *sh;
	long late = 0;
	u64 flags;
	int sig;

	sh = lock_sighand(g, &flags);
	sig = dequeue_signal(~set, info);
	if (!sig && sleep) {
		t->real_blocked = t->blocked;
		t->blocked &= ~set;
		recalc_sigpending();
		unlock_sighand(sh, flags);

		late = sleep_for_signal(deadline);

		sh = lock_sighand(g, &flags);
		t->blocked = t->real_blocked;
		t->real_blocked = 0;
		sig = dequeue_signal(~set, info);
	}
	unlock_sighand(sh, flags);
	if (sig)
		return sig;
	return late || !sleep ? -EAGAIN : -EINTR;
}

SYSCALL_DEFINE4(rt_sigtimedwait, const sigset_t __user *, uset, siginfo_t __user *, uinfo,
		const struct timespec __user *, uts, size_t, size)
{
	u64 deadline = NO_DEADLINE;
	struct timespec ts = {1, 0};
	siginfo_t info;
	sigset_t set;
	int sig;

	if (size != sizeof(sigset_t))
		return -EINVAL;
	if (get_user(set, uset))
		return -EFAULT;
	if (uts) {
		if (copy_from_user(&ts, uts, sizeof(ts)))
			return -EFAULT;
		if (!timespec_valid(&ts))
			return -EINVAL;
		deadline = deadline_after(timespec_to_ns(&ts));
	}
	sig = wait_for_signal(set & ~SIG_UNBLOCKABLE, &info, deadline, ts.tv_sec || ts.tv_nsec);
	if (sig > 0 && uinfo && copy_to_user(uinfo, &info, sizeof(info)))
		return -EFAULT;
	return sig;
}

/* ---- sending ---- */

/* As in kill(2): root, the same user, or SIGCONT within the session. */
int check_kill_permission(struct signal_struct *g, int sig)
{
	struct signal_struct *me = current->signal;

	if (sig && !valid_signal(sig))
		return -EINVAL;
	if (me == g || capable(CAP_KILL) || me->euid == g->suid || me->euid == g->uid ||
	    me->uid == g->suid || me->uid == g->uid)
		return 0;
	if (sig == SIGCONT && me->session == g->session)
		return 0;
	return -EPERM;
}

static siginfo_t info_from_me(int sig, int code)
{
	siginfo_t info = {.si_signo = sig, .si_code = code};

	info.si_pid = current->tgid;
	info.si_uid = current->signal->uid;
	return info;
}

/* To one process, chosen by the id of any of its threads. */
static int kill_process(pid_t pid, int sig, const siginfo_t *info)
{
	struct task *t;
	int ret = -ESRCH;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	t = find_task_locked(pid);
	if (t && !t->signal) {
		ret = 0; /* a kernel thread: nothing happens */
	} else if (t) {
		ret = check_kill_permission(t->signal, sig);
		if (!ret && sig)
			ret = send_signal_group(t->signal, sig, info);
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return ret;
}

/* To every process but init and the caller's own. */
static int kill_everyone(int sig, const siginfo_t *info)
{
	int reached = 0, allowed = 0, err = 0;
	struct task *t;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	list_for_each_entry(t, &all_tasks, all_link) {
		struct signal_struct *g = t->signal;

		if (!g || g->leader != t || t->pid <= 1 || g == current->signal)
			continue;
		reached++;
		err = check_kill_permission(g, sig);
		if (err)
			continue;
		allowed++;
		if (sig)
			send_signal_group(g, sig, info);
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	if (!reached)
		return -ESRCH;
	return allowed ? 0 : err;
}

SYSCALL_DEFINE2(kill, pid_t, pid, int, sig)
{
	siginfo_t info = info_from_me(sig, SI_USER);

	if (pid > 0)
		return kill_process(pid, sig, &info);
	if (pid == -1)
		return kill_everyone(sig, &info);
	if (pid == (pid_t)0x80000000)
		return -ESRCH;
	return kill_pgrp(pid ? -pid : current->signal->pgrp, sig, &info);
}

/* To thread @tid, which must belong to process @tgid unless that is 0. */
static int kill_thread(pid_t tgid, pid_t tid, int sig, const siginfo_t *info)
{
	struct task *t;
	int ret = -ESRCH;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	t = find_task_locked(tid);
	if (t && (!tgid || t->tgid == tgid)) {
		ret = t->signal ? check_kill_permission(t->signal, sig) : 0;
		if (!ret && sig)
			ret = send_signal_task(t, sig, info);
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return ret;
}

SYSCALL_DEFINE2(tkill, pid_t, tid, int, sig)
{
	siginfo_t info = info_from_me(sig, SI_TKILL);

	if (tid <= 0)
		return -EINVAL;
	return kill_thread(0, tid, sig, &info);
}

SYSCALL_DEFINE3(tgkill, pid_t, tgid, pid_t, tid, int, sig)
{
	siginfo_t info = info_from_me(sig, SI_TKILL);

	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	return kill_thread(tgid, tid, sig, &info);
}

/* Nobody may pretend that the kernel, or kill(2), has sent a signal to another process. */
static int get_user_siginfo(siginfo_t *info, const siginfo_t __user *uinfo, int sig, bool to_self)
{
	if (copy_from_user(info, uinfo, sizeof(*info)))
		return -EFAULT;
	if ((info->si_code >= 0 || info->si_code == SI_TKILL) && !to_self)
		return -EPERM;
	info->si_signo = sig;
	return 0;
}

SYSCALL_DEFINE3(rt_sigqueueinfo, pid_t, pid, int, sig, const siginfo_t __user *, uinfo)
{
	siginfo_t info;
	int err = get_user_siginfo(&info, uinfo, sig, pid == current->pid);

	return err ? err : kill_process(pid, sig, &info);
}

SYSCALL_DEFINE4(rt_tgsigqueueinfo, pid_t, tgid, pid_t, tid, int, sig, const siginfo_t __user *,
		uinfo)
{
	siginfo_t info;
	int err;

	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	err = get_user_siginfo(&info, uinfo, sig, tid == current->pid);
	return err ? err : kill_thread(tgid, tid, sig, &info);
}

/* What the caller sends with pidfd_send_signal(2), if it does not leave that to the kernel. */
static int get_pidfd_siginfo(siginfo_t *info, const siginfo_t __user *uinfo, int sig,
			     const struct signal_struct *to)
{
	if (!uinfo) {
		*info = info_from_me(sig, SI_USER);
		return 0;
	}
	if (copy_from_user(info, uinfo, sizeof(*info)))
		return -EFAULT;
	if (info->si_signo != sig)
		return -EINVAL;
	if ((info->si_code >= 0 || info->si_code == SI_TKILL) && to != current->signal)
		return -EPERM;
	return 0;
}

SYSCALL_DEFINE4(pidfd_send_signal, int, pidfd, int, sig, const siginfo_t __user *, uinfo, unsigned,
		flags)
{
	struct signal_struct *g;
	siginfo_t info;
	int ret;
	u64 irq;

	if (flags)
		return -EINVAL;
	g = pidfd_ops->get_target((unsigned)pidfd);
	if (IS_ERR(g))
		return (int)PTR_ERR(g);
	ret = get_pidfd_siginfo(&info, uinfo, sig, g);
	if (!ret) {
		spin_lock_irqsave(&tasklist_lock, irq);
		ret = g->leader ? check_kill_permission(g, sig) : -ESRCH;
		if (!ret && sig)
			ret = send_signal_group(g, sig, &info);
		spin_unlock_irqrestore(&tasklist_lock, irq);
	}
	signal_put(g);
	return ret;
}

/* ---- system calls that sleep with a deadline and were broken off by a signal ---- */

SYSCALL_DEFINE0(restart_syscall)
{
	struct task *t = current;
	long (*fn)(struct task *) = t->restart_fn;

	t->restart_fn = NULL; /* nothing to restart unless it asks again */
	return fn ? fn(t) : -EINTR;
}
