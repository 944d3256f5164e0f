/*
 * Tracing, from the side of the traced: how a thread stops for its tracer, and who is tied to whom.
 * ptrace(2) is the manual; ptrace_calls.c is the tracer's side.
 *
 * A tracer is a process, a tracee one thread of another. Tracing changes what happens at few places, all
 * of them on slow ways: when a signal is about to be delivered, before and after a system call (a
 * traced thread does not get the fast way, task->syscall_limit), at fork, exec and exit, and where job
 * control stops a process. At each the tracee may stop:
 *
 *	running		stopped false
 *	stopped		In ptrace_stop(). Everything that is its own is in memory: pt_regs, FPU area, bases,
 *			signals. `status` says why, in the form of wait4(2); the tracer has got a SIGCHLD, and
 *			its wait4() takes the status. Then it looks and changes, and last lets it go on,
 *			with a signal or without
 *	listening	stopped still, but SIGCONT makes it stop anew with another status
 *	frozen		a ptrace(2) is at work, so that not even SIGKILL makes the tracee go on under it
 *
 * What is asked from outside (PTRACE_INTERRUPT, SIGCONT to one that was seized) sets a bit in `trap`, and
 * get_signal() follows it like a signal. In a process that job control stops, traced threads stop for
 * their tracer instead of on stop_wq; they count as stopped all the same.
 *
 * An ended thread that is traced is a zombie until its tracer has waited for it, leader or not; a leader
 * that is not the tracer's own child is given on to its parent then.
 *
 * LOCKING: tasklist_lock for the ties (tracer, link); the tracee's handlers for all that makes it stop
 * and go. `flags` changes under both. The tracee sleeps until may_go(), which it asks once more under the
 * lock: so it stands from the moment it is frozen to the moment it is not.
 */
#include "kernel/sched/ptrace.h"

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/fpu.h"
#include "kernel/cpu/segments.h"
#include "kernel/cpu/syscall.h"
#include "kernel/exec/process.h"

/* ---- stopping ---- */

static bool may_go(struct task *t)
{
	return !READ_ONCE(t->ptrace.frozen) &&
	       (!READ_ONCE(t->ptrace.stopped) || fatal_signal_pending(t));
}

static struct signal_struct *get_tracer(void)
{
	struct signal_struct *tracer;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	tracer = current->ptrace.tracer;
	if (tracer)
		refcount_inc(&tracer->refs);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return tracer;
}

/*
 * Tells the parent that this was the last stop that a group stop waited for, and the tracer of each. That
 * comes last and without a lock, for it is awake at once, on another CPU.
 */
static void report_stop(int why, int status, int group_stop)
{
	struct signal_struct *g = current->signal, *tracer = get_tracer();

	if (group_stop && tracer != g->parent)
		notify_parent_cldstop(g, CLD_STOPPED, group_stop);
	if (tracer) {
		notify_cldstop(tracer, current, why, status & 0x7f);
		signal_put(tracer);
	}
}

/*
 * current stops, for what @status says; CLD_STOPPED: it follows job control. The signal that the tracer
 * lets it go on with, or 0; -1: it has not stopped, because nobody traces it or it has been killed.
 */
static int ptrace_stop(int status, int why, siginfo_t *info)
{
	struct task *t = current;
	struct tracee *p = &t->ptrace;
	DECLARE_WAIT_QUEUE_HEAD(nobody); /* whoever lets it go on wakes the task itself */
	struct sighand *sh;
	int sig, group_stop = 0;
	u64 flags;

	ptrace_unstep(task_pt_regs(t));
	segments_sync_current();
	fpu_sync_current();
	fpu_reload_current(); /* from here on the area counts, not the registers */
	sh = lock_sighand(t->signal, &flags);
	if (!p->flags || fatal_signal_pending(t)) {
		unlock_sighand(sh, flags);
		return -1;
	}
	p->stopped = true;
	p->status = status;
	p->signal = 0;
	p->info = info;
	p->trap &= why == CLD_STOPPED ? 0 : ~TRAP_STOP;
	if (why == CLD_STOPPED)
		group_stop = follow_group_stop();
	unlock_sighand(sh, flags);
	report_stop(why, status, group_stop);

	for (;;) {
		__wait_event(&nobody, may_go(t), TASK_TRACED, 0, NO_DEADLINE, , );
		sh = lock_sighand(t->signal, &flags);
		if (may_go(t))
			break;
		unlock_sighand(sh, flags);
	}
	sig = p->signal;
	p->stopped = p->listening = false;
	p->status = 0;
	p->info = NULL;
	recalc_sigpending(); /* the mask may be another */
	unlock_sighand(sh, flags);
	fpu_reload_current(); /* the tracer's changes are checked */
	return sig;
}

static siginfo_t info_of_stop(int sig, int status)
{
	siginfo_t info = {.si_signo = sig, .si_code = status};

	info.si_pid = current->pid;
	info.si_uid = current->signal->uid;
	return info;
}

static int ptrace_notify(int status, u64 message)
{
	siginfo_t info = info_of_stop(SIGTRAP, status);

	current->ptrace.message = message;
	return ptrace_stop(status, CLD_TRAPPED, &info);
}

/* Signal @ks comes from the tracer, in place of another. */
static void replace_signal(struct ksignal *ks, int sig)
{
	struct signal_struct *tracer;

	ks->sig = sig;
	if (sig == ks->info.si_signo)
		return;
	ks->info = (siginfo_t){.si_signo = sig, .si_code = SI_USER};
	tracer = get_tracer();
	if (tracer) {
		ks->info.si_pid = tracer->pid;
		ks->info.si_uid = tracer->uid;
		signal_put(tracer);
	}
}

bool ptrace_signal(struct ksignal *ks)
{
	struct task *t = current;
	struct sighand *sh;
	u64 flags;
	int sig = ptrace_stop(ks->sig, CLD_TRAPPED, &ks->info);
	bool blocked;

	if (sig < 0)
		return true;
	if (!sig)
		return false;
	replace_signal(ks, sig);
	sh = lock_sighand(t->signal, &flags);
	blocked = t->blocked & sigmask(sig);
	if (blocked)
		send_signal_locked(sh, t->signal, t, sig, &ks->info, false);
	unlock_sighand(sh, flags);
	return !blocked;
}

void ptrace_trap(void)
{
	struct task *t = current;
	siginfo_t info;
	struct sighand *sh;
	bool seized;
	u64 flags;
	int sig;

	sh = lock_sighand(t->signal, &flags);
	sig = t->signal->stop_signal;
	seized = t->ptrace.flags & PT_SEIZED;
	if (!sig && !seized) {
		t->ptrace.trap = 0; /* attached while stopped, and continued since */
		recalc_sigpending();
	}
	unlock_sighand(sh, flags);
	if (seized) {
		sig = sig ? sig : SIGTRAP;
		info = info_of_stop(sig, PTRACE_EVENT_STOP << 8 | sig);
		ptrace_stop(info.si_code, CLD_STOPPED, &info);
	} else if (sig) {
		ptrace_stop(sig, CLD_STOPPED, NULL);
	}
}

/* ---- events ---- */

void ptrace_event(int event, u64 message)
{
	if (event && (current->ptrace.flags & BIT(event)))
		ptrace_notify(event << 8 | SIGTRAP, message);
}

void ptrace_exec(pid_t old_pid)
{
	u32 flags = READ_ONCE(current->ptrace.flags);
	siginfo_t info = info_of_stop(SIGTRAP, SI_USER);

	if (flags & BIT(PTRACE_EVENT_EXEC))
		ptrace_event(PTRACE_EVENT_EXEC, (u64)old_pid);
	else if (flags && !(flags & PT_SEIZED))
		send_signal_task(current, SIGTRAP, &info);
}

void ptrace_exit(int code)
{
	struct sighand *sh;
	u64 flags;

	if (!(current->ptrace.flags & BIT(PTRACE_EVENT_EXIT)))
		return;
	/* A SIGKILL that has brought it here has done its work; it does not keep it from stopping. */
	sh = lock_sighand(current->signal, &flags);
	current->pending_mask &= ~sigmask(SIGKILL);
	unlock_sighand(sh, flags);
	ptrace_event(PTRACE_EVENT_EXIT, (u64)code);
}

int ptrace_clone_event(u64 clone_flags, int exit_signal)
{
	int event = PTRACE_EVENT_FORK;

	if (clone_flags & CLONE_VFORK)
		event = PTRACE_EVENT_VFORK;
	else if (exit_signal != SIGCHLD)
		event = PTRACE_EVENT_CLONE;
	return !(clone_flags & CLONE_UNTRACED) && (current->ptrace.flags & BIT(event)) ? event : 0;
}

/* ---- system calls and single steps ---- */

/* A stop before or after a system call. What it goes on with is sent, not delivered in place. */
static void syscall_stop(u64 message)
{
	bool good = current->ptrace.flags & PTRACE_O_TRACESYSGOOD;
	int sig = ptrace_notify(SIGTRAP | (good ? 0x80 : 0), message);

	if (sig > 0)
		send_signal_task(current, sig, NULL);
}

bool ptrace_syscall_entry(struct pt_regs *regs)
{
	if (READ_ONCE(current->ptrace.mode) != TRACE_SYSCALL)
		return true;
	syscall_stop(PTRACE_EVENTMSG_SYSCALL_ENTRY);
	return !fatal_signal_pending(current);
}

void ptrace_syscall_exit(struct pt_regs *regs)
{
	enum trace_mode mode = READ_ONCE(current->ptrace.mode);

	if (mode == TRACE_SYSCALL)
		syscall_stop(PTRACE_EVENTMSG_SYSCALL_EXIT);
	else if (mode == TRACE_STEP) /* the CPU would trap one instruction later */
		force_signal_fault(SIGTRAP, TRAP_BRKPT, regs->rip);
}

bool ptrace_unstep(struct pt_regs *regs)
{
	struct tracee *p = &current->ptrace;

	if (p->forced_step)
		regs->eflags &= ~X86_EFLAGS_TF;
	p->forced_step = false;
	return p->mode == TRACE_STEP;
}

void ptrace_step_done(void)
{
	ptrace_notify(SIGTRAP, 0);
}

/* ---- ties ---- */

void ptrace_link(struct task *t, struct signal_struct *tracer, u32 flags)
{
	t->ptrace.flags = flags | PT_TRACED;
	t->ptrace.tracer = tracer;
	list_add_tail(&t->ptrace.link, &tracer->tracees);
	t->syscall_limit = 0;
}

void ptrace_link_child(struct task *t, bool follow)
{
	struct tracee *me = &current->ptrace;
	struct sighand *sh;
	u64 flags;

	if (!follow || !me->tracer)
		return;
	sh = lock_sighand(t->signal, &flags);
	ptrace_link(t, me->tracer, me->flags);
	if (me->flags & PT_SEIZED)
		t->ptrace.trap = TRAP_STOP;
	else
		t->pending_mask |= sigmask(SIGSTOP);
	task_set_work(t, WORK_SIGPENDING);
	unlock_sighand(sh, flags);
}

void ptrace_unlink(struct task *t)
{
	struct signal_struct *g = t->signal;
	struct tracee *p = &t->ptrace;
	struct sighand *sh;
	u64 flags;

	sh = lock_sighand(g, &flags);
	list_del_init(&p->link);
	p->tracer = NULL;
	p->flags = p->trap = 0;
	p->mode = TRACE_RUN;
	t->syscall_limit = NR_SYSCALLS;
	if (g->stop_signal && !t->stop_pending && !t->exiting) {
		/* Its process is stopped, so it stays where it is, only on stop_wq. */
		t->stop_pending = true;
		g->nr_stopping++;
		signal_wake_up(t, false);
	}
	ptrace_go(t);
	unlock_sighand(sh, flags);
}

void ptrace_forget_tracees(struct signal_struct *g, struct list_head *dead)
{
	struct task *t, *n;

	list_for_each_entry_safe(t, n, &g->tracees, ptrace.link) {
		if (t->ptrace.flags & PTRACE_O_EXITKILL)
			send_signal_group(t->signal, SIGKILL, NULL);
		ptrace_unlink(t);
		settle_tracee(t, g, dead);
	}
}

/* ---- going on ---- */

void ptrace_go(struct task *t)
{
	t->ptrace.stopped = false;
	try_to_wake_up(t, TASK_TRACED);
}

void ptrace_trap_notify(struct task *t)
{
	t->ptrace.trap |= TRAP_NOTIFY;
	ptrace_wake_up(t);
}

void ptrace_wake_up(struct task *t)
{
	if (t->ptrace.listening)
		ptrace_go(t);
	else
		signal_wake_up(t, false);
}
