/*
 * Delivering signals: the last thing before user mode, and what happens there.
 *
 * exit_to_user_work() is where a task finds out what others want of it: a signal, the CPU, its own
 * mask or FPU registers back. signal.c has made a signal pending and set WORK_SIGPENDING; here
 * get_signal() takes it off the queue. A default action is carried out at once: the process ends
 * (do_group_exit()) or stops (join_group_stop()), and then this file is where it stands until somebody
 * continues it. A handler is prepared by setup_rt_frame() (sigframe.c).
 *
 * A system call that a signal broke off has left one of the ERESTART* numbers in rax. It becomes EINTR
 * when a handler runs that does not ask for SA_RESTART; else rip goes back over the syscall
 * instruction, and the program makes the call once more without knowing.
 *
 * LOCKING: as in signal.c. Everything concerns current, in process context; nothing is locked while
 * it sleeps, stops, or writes to the user's stack.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/fpu.h"
#include "kernel/cpu/syscall.h"
#include "kernel/exec/process.h"
#include "kernel/mm/uaccess.h"

/* ---- stopping and ending ---- */

/* current follows a stop. Handlers locked by the caller; unlocks them. */
static void join_group_stop(struct signal_struct *g, struct sighand *sh, u64 flags)
{
	struct task *t = current;
	int sig = follow_group_stop();

	unlock_sighand(sh, flags);
	if (sig)
		notify_parent_cldstop(g, CLD_STOPPED, sig);
	/* stop_pending once more: continued and stopped again before it ran. Or it is traced now. */
	__wait_event(&g->stop_wq,
		     !READ_ONCE(g->stop_signal) || READ_ONCE(t->stop_pending) ||
			     READ_ONCE(t->ptrace.trap),
		     TASK_STOPPED | TASK_WAKEKILL, 0, NO_DEADLINE, , );
}

/*
 * The default action of a stop signal. Those of the terminal have no effect on an orphaned process
 * group, and that question needs tasklist_lock, which comes before ours: a SIGCONT that slips into
 * the gap cancels the stop, and cont_seq tells.
 */
static void do_stop_signal(struct signal_struct *g, int sig, unsigned seq)
{
	struct sighand *sh;
	bool orphaned = false;
	u64 flags;

	if (sig != SIGSTOP) {
		spin_lock_irqsave(&tasklist_lock, flags);
		orphaned = pgrp_is_orphaned(g->pgrp, NULL);
		spin_unlock_irqrestore(&tasklist_lock, flags);
	}
	sh = lock_sighand(g, &flags);
	if (!orphaned && g->cont_seq == seq && !g->group_exit && !g->group_exec)
		start_group_stop(g, sig);
	unlock_sighand(sh, flags);
}

void do_group_exit(int code)
{
	struct signal_struct *g = current->signal;
	struct sighand *sh;
	u64 flags;

	sh = lock_sighand(g, &flags);
	if (g->group_exit) {
		code = g->group_exit_code;
	} else if (g->group_exec && g->group_exec != current) {
		code = 0; /* the process goes on, in the thread that calls execve */
	} else {
		g->group_exit = true;
		g->group_exit_code = code;
		zap_other_threads(g);
	}
	unlock_sighand(sh, flags);
	do_exit(code);
}

/* ---- delivery ---- */

/*
 * The next signal with a handler, into @ks; false when none is left. Default actions are carried
 * out on the way, so it may not return at all.
 */
static bool get_signal(struct ksignal *ks)
{
	struct task *t = current;
	struct signal_struct *g = t->signal;
	struct sigaction *act;
	struct sighand *sh;
	unsigned seq;
	u64 flags;

	for (;;) {
		sh = lock_sighand(g, &flags);
		if (g->notify_continued) {
			g->notify_continued = false;
			unlock_sighand(sh, flags);
			notify_parent_cldstop(g, CLD_CONTINUED, SIGCONT);
			continue;
		}
		if (g->group_exit || (g->group_exec && g->group_exec != t)) {
			unlock_sighand(sh, flags);
			do_group_exit(SIGKILL);
		}
		if (unlikely(t->ptrace.flags) && (t->stop_pending || t->ptrace.trap)) {
			unlock_sighand(sh, flags);
			ptrace_trap();
			continue;
		}
		if (t->stop_pending) {
			join_group_stop(g, sh, flags);
			continue;
		}
		seq = g->cont_seq;
		ks->sig = dequeue_signal(t->blocked, &ks->info);
		if (!ks->sig) {
			unlock_sighand(sh, flags);
			return false;
		}
		if (unlikely(t->ptrace.flags) && ks->sig != SIGKILL) {
			unlock_sighand(sh, flags);
			if (!ptrace_signal(ks))
				continue;
			sh = lock_sighand(g, &flags);
		}
		act = &sh->action[ks->sig - 1];
		ks->act = *act;
		if (act->sa_handler > SIG_IGN && (act->sa_flags & SA_RESETHAND))
			act->sa_handler = SIG_DFL;
		unlock_sighand(sh, flags);

		if (ks->act.sa_handler > SIG_IGN)
			return true;
		if (ks->act.sa_handler == SIG_IGN || (sigmask(ks->sig) & SIG_KERNEL_IGNORE))
			continue;
		if (is_init_process(g))
			continue; /* process 1 takes only what it has asked for */
		if (sigmask(ks->sig) & SIG_KERNEL_STOP)
			do_stop_signal(g, ks->sig, seq);
		else
			do_group_exit(ks->sig);
	}
}

/* Does the user's system call go on after a signal? @act NULL: no handler ran. */
static void restart_syscall(struct pt_regs *regs, const struct sigaction *act)
{
	if ((int)regs->orig_rax == -1)
		return; /* a trap or an interrupt */
	switch (-(s64)regs->rax) {
	case ERESTARTSYS:
		if (!act || (act->sa_flags & SA_RESTART))
			break;
		regs->rax = (u64)-EINTR;
		return;
	case ERESTARTNOHAND:
	case ERESTART_RESTARTBLOCK:
		if (!act)
			break;
		regs->rax = (u64)-EINTR;
		return;
	case ERESTARTNOINTR:
		break;
	default:
		return;
	}
	regs->rax =
		(s64)regs->rax == -ERESTART_RESTARTBLOCK ? __NR_restart_syscall : regs->orig_rax;
	regs->rip -= 2; /* the length of "syscall" */
}

static void handle_signal(struct ksignal *ks, struct pt_regs *regs)
{
	struct task *t = current;
	sigset_t oldset = t->work & WORK_RESTORE_SIGMASK ? t->saved_sigmask : t->blocked;
	sigset_t newset = t->blocked | ks->act.sa_mask;
	bool stepping = ptrace_unstep(regs);

	restart_syscall(regs, &ks->act);
	if (setup_rt_frame(ks, oldset, regs)) {
		force_sigsegv(ks->sig);
		return;
	}
	/* The frame holds the mask to go back to. */
	task_clear_work(t, WORK_RESTORE_SIGMASK);
	if (!(ks->act.sa_flags & SA_NODEFER))
		newset |= sigmask(ks->sig);
	set_blocked(newset);
	if (stepping)
		ptrace_step_done();
}

static void do_signal(struct pt_regs *regs)
{
	struct ksignal ks;

	if (get_signal(&ks)) {
		handle_signal(&ks, regs);
		return;
	}
	restart_syscall(regs, NULL);
	restore_saved_sigmask_unless(false);
}

/* Everything but the FPU: interrupts are on, and it may sleep. */
static void do_work(struct task *t, struct pt_regs *regs, u32 work)
{
	if (work & WORK_RESCHED)
		schedule();
	if (work & WORK_CHILD_SETTID) {
		task_clear_work(t, WORK_CHILD_SETTID);
		/* clone(2) has no way to report a bad address here. */
		(void)put_user(t->pid, (pid_t __user *)t->set_child_tid);
	}
	if (work & WORK_CPU_TIMERS)
		run_cpu_timers();
	/* Looks again, so that a mask is not restored before the signal that it let in is handled. */
	if (READ_ONCE(t->work) & WORK_SIGPENDING)
		do_signal(regs);
	else if (work & WORK_RESTORE_SIGMASK)
		restore_saved_sigmask_unless(false);
}

/*
 * Each reason may produce another one, so it looks again until none is left; with interrupts off
 * nothing new can come after the last look. The FPU is last, and alone: once its registers are loaded
 * they are live, and a signal that another CPU sends meanwhile waits for the next look.
 */
void exit_to_user_work(struct pt_regs *regs)
{
	struct task *t = current;
	u32 work;

	while ((work = READ_ONCE(t->work))) {
		if (work == WORK_FPU) {
			fpu_restore_for_user();
			continue;
		}
		local_irq_enable();
		do_work(t, regs, work);
		local_irq_disable();
	}
}
