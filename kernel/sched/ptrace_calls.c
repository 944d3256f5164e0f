/*
 * ptrace(2): the requests. Most ask for a tracee that stands; it is frozen while they work on it, so all
 * that it has is in memory and nobody else touches it.
 *
 * Any thread of the tracing process may ask, and it traces until the process ends; on Linux a tracer is one
 * thread.
 *
 * LOCKING: ptrace_mutex lets one request work at a time. User memory, the caller's and the tracee's, is
 * touched under it, never under a spinlock. For the rest see ptrace.c.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/syscall.h"
#include "kernel/exec/cred.h"
#include "kernel/exec/process.h"
#include "kernel/lib/iov.h"
#include "kernel/lib/string.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/mutex.h"

#define PTRACE_TRACEME          0
#define PTRACE_PEEKTEXT         1
#define PTRACE_PEEKDATA         2
#define PTRACE_PEEKUSER         3
#define PTRACE_POKETEXT         4
#define PTRACE_POKEDATA         5
#define PTRACE_POKEUSER         6
#define PTRACE_CONT             7
#define PTRACE_KILL             8
#define PTRACE_SINGLESTEP       9
#define PTRACE_GETREGS          12
#define PTRACE_SETREGS          13
#define PTRACE_GETFPREGS        14
#define PTRACE_SETFPREGS        15
#define PTRACE_ATTACH           16
#define PTRACE_DETACH           17
#define PTRACE_OLDSETOPTIONS    21
#define PTRACE_SYSCALL          24
#define PTRACE_ARCH_PRCTL       30
#define PTRACE_SETOPTIONS       0x4200
#define PTRACE_GETEVENTMSG      0x4201
#define PTRACE_GETSIGINFO       0x4202
#define PTRACE_SETSIGINFO       0x4203
#define PTRACE_GETREGSET        0x4204
#define PTRACE_SETREGSET        0x4205
#define PTRACE_SEIZE            0x4206
#define PTRACE_INTERRUPT        0x4207
#define PTRACE_LISTEN           0x4208
#define PTRACE_GETSIGMASK       0x420a
#define PTRACE_SETSIGMASK       0x420b
#define PTRACE_GET_SYSCALL_INFO 0x420e

static DEFINE_MUTEX(ptrace_mutex);

/* ---- attaching ---- */

/* The child asks to be traced by its parent, which must not get rights by that. */
static long traceme(void)
{
	struct signal_struct *me = current->signal, *parent;
	long err = -EPERM;
	struct sighand *sh;
	bool privileged;
	u64 flags, irq;

	spin_lock_irqsave(&tasklist_lock, irq);
	parent = me->parent;
	if (current->ptrace.tracer || !parent || !parent->nr_live)
		goto out;
	privileged = parent->cap_effective & BIT(CAP_SYS_PTRACE);
	if (!privileged && (me->cap_permitted & ~parent->cap_permitted))
		goto out;
	sh = lock_sighand(me, &flags);
	ptrace_link(current, parent, privileged ? PT_PRIVILEGED : 0);
	unlock_sighand(sh, flags);
	err = 0;
out:
	spin_unlock_irqrestore(&tasklist_lock, irq);
	return err;
}

/* @t has just been linked; tasklist_lock and its handlers held. */
static void stop_attached(struct sighand *sh, struct task *t, bool seize)
{
	struct signal_struct *g = t->signal;

	if (!seize)
		send_signal_locked(sh, g, t, SIGSTOP, NULL, false);
	if (g->stop_signal && !t->stop_pending) {
		/* It stands on stop_wq: now it shall stand for its tracer. */
		t->ptrace.trap = TRAP_STOP;
		task_set_work(t, WORK_SIGPENDING);
		__wake_up(&g->stop_wq, TASK_STOPPED, 0, NULL);
	}
}

static long attach(struct task *t, bool seize, u32 options)
{
	struct signal_struct *g = t->signal;
	long err = -EPERM;
	struct sighand *sh;
	u64 flags, irq;

	if (!g || g == current->signal)
		return -EPERM;
	if (capable(CAP_SYS_PTRACE))
		options |= PT_PRIVILEGED;
	spin_lock_irqsave(&tasklist_lock, irq);
	if (t->exiting || t->ptrace.tracer || !ptrace_may_access(g))
		goto out;
	sh = lock_sighand(g, &flags);
	ptrace_link(t, current->signal, options | (seize ? PT_SEIZED : 0));
	stop_attached(sh, t, seize);
	unlock_sighand(sh, flags);
	err = 0;
out:
	spin_unlock_irqrestore(&tasklist_lock, irq);
	return err;
}

static long detach(struct task *t, u64 sig)
{
	LIST_HEAD(dead);
	u64 flags;

	if (sig > NSIG)
		return -EIO;
	t->ptrace.signal = (int)sig;
	spin_lock_irqsave(&tasklist_lock, flags);
	ptrace_unlink(t);
	settle_tracee(t, current->signal, &dead);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	put_dead_tasks(&dead);
	return 0;
}

/* ---- holding it still ---- */

/* 0: @t is the caller's, and with @stand it stands and is frozen. -ESRCH. */
static long freeze(struct task *t, bool stand)
{
	struct sighand *sh;
	long err = -ESRCH;
	u64 flags, irq;

	spin_lock_irqsave(&tasklist_lock, irq);
	if (t->ptrace.tracer == current->signal) {
		sh = lock_sighand(t->signal, &flags);
		if (!stand)
			err = 0;
		else if (t->ptrace.stopped && !t->ptrace.listening && !fatal_signal_pending(t))
			err = 0;
		t->ptrace.frozen = stand && !err;
		unlock_sighand(sh, flags);
	}
	spin_unlock_irqrestore(&tasklist_lock, irq);
	return err;
}

static void unfreeze(struct task *t)
{
	struct sighand *sh;
	u64 flags;

	sh = lock_sighand(t->signal, &flags);
	t->ptrace.frozen = false;
	if (!t->ptrace.stopped || fatal_signal_pending(t))
		try_to_wake_up(t, TASK_TRACED);
	unlock_sighand(sh, flags);
}

/* ---- going on ---- */

static long resume(struct task *t, enum trace_mode mode, u64 sig)
{
	struct pt_regs *regs = task_pt_regs(t);
	struct sighand *sh;
	u64 flags;

	if (sig > NSIG)
		return -EIO;
	if (mode == TRACE_STEP && !(regs->eflags & X86_EFLAGS_TF)) {
		regs->eflags |= X86_EFLAGS_TF;
		t->ptrace.forced_step = true;
	}
	sh = lock_sighand(t->signal, &flags);
	t->ptrace.mode = mode;
	t->ptrace.signal = (int)sig;
	ptrace_go(t);
	unlock_sighand(sh, flags);
	return 0;
}

static long interrupt(struct task *t)
{
	struct sighand *sh;
	u64 flags;

	if (!(t->ptrace.flags & PT_SEIZED))
		return -EIO;
	sh = lock_sighand(t->signal, &flags);
	t->ptrace.trap |= TRAP_STOP;
	ptrace_wake_up(t);
	unlock_sighand(sh, flags);
	return 0;
}

static long listen(struct task *t)
{
	struct tracee *p = &t->ptrace;
	struct sighand *sh;
	u64 flags;

	if (!(p->flags & PT_SEIZED) || !p->info || p->info->si_code >> 8 != PTRACE_EVENT_STOP)
		return -EIO;
	sh = lock_sighand(t->signal, &flags);
	p->listening = true;
	if (p->trap & TRAP_NOTIFY)
		ptrace_go(t);
	unlock_sighand(sh, flags);
	return 0;
}

static long set_options(struct task *t, u64 options)
{
	struct sighand *sh;
	u64 flags, irq;

	if (options & ~(u64)PTRACE_O_MASK)
		return -EINVAL;
	spin_lock_irqsave(&tasklist_lock, irq);
	sh = lock_sighand(t->signal, &flags);
	t->ptrace.flags = (t->ptrace.flags & ~PTRACE_O_MASK) | (u32)options;
	unlock_sighand(sh, flags);
	spin_unlock_irqrestore(&tasklist_lock, irq);
	return 0;
}

/* ---- what it has ---- */

static long peek(struct task *t, u64 addr, u64 __user *to)
{
	u64 word;

	if (mm_access(t->mm, addr, &word, sizeof(word), MM_FORCE) != sizeof(word))
		return -EIO;
	return put_user(word, to);
}

static long poke(struct task *t, u64 addr, u64 word)
{
	size_t n = mm_access(t->mm, addr, &word, sizeof(word), MM_FORCE | MM_WRITE);

	return n == sizeof(word) ? 0 : -EIO;
}

static long peek_user(struct task *t, u64 offset, u64 __user *to)
{
	u64 word;
	int err = ptrace_peek_user(t, offset, &word);

	return err ? err : put_user(word, to);
}

static long siginfo(struct task *t, void __user *user, bool set)
{
	siginfo_t *info = t->ptrace.info;

	if (!info)
		return -EINVAL;
	if (set)
		return copy_from_user(info, user, sizeof(*info)) ? -EFAULT : 0;
	return copy_to_user(user, info, sizeof(*info)) ? -EFAULT : 0;
}

static long get_sigmask(struct task *t, size_t size, sigset_t __user *user)
{
	if (size != sizeof(sigset_t))
		return -EINVAL;
	return put_user(t->work & WORK_RESTORE_SIGMASK ? t->saved_sigmask : t->blocked, user);
}

static long set_sigmask(struct task *t, size_t size, const sigset_t __user *user)
{
	struct sighand *sh;
	sigset_t mask;
	u64 flags;

	if (size != sizeof(sigset_t))
		return -EINVAL;
	if (get_user(mask, user))
		return -EFAULT;
	sh = lock_sighand(t->signal, &flags);
	task_clear_work(t, WORK_RESTORE_SIGMASK);
	t->blocked = mask & ~SIG_UNBLOCKABLE;
	unlock_sighand(sh, flags);
	return 0;
}

/* ---- a call in words: PTRACE_GET_SYSCALL_INFO ---- */

#define AUDIT_ARCH_X86_64         0xc000003e
#define PTRACE_SYSCALL_INFO_NONE  0
#define PTRACE_SYSCALL_INFO_ENTRY 1
#define PTRACE_SYSCALL_INFO_EXIT  2

struct syscall_info {
	u8 op, pad[3];
	u32 arch;
	u64 rip, rsp;
	union {
		struct {
			u64 nr, args[6];
		} entry;
		struct {
			s64 value;
			u8 is_error;
		} exit;
	};
};

/* What is told of the stop that @t is in; how many bytes of it. */
static size_t fill_syscall_info(struct task *t, struct syscall_info *i)
{
	const struct pt_regs *r = task_pt_regs(t);
	const siginfo_t *info = t->ptrace.info;

	*i = (struct syscall_info){.arch = AUDIT_ARCH_X86_64, .rip = r->rip, .rsp = r->rsp};
	if (!info || info->si_code != (SIGTRAP | 0x80))
		return offsetof(struct syscall_info, entry);
	if (t->ptrace.message == PTRACE_EVENTMSG_SYSCALL_ENTRY) {
		i->op = PTRACE_SYSCALL_INFO_ENTRY;
		i->entry.nr = r->orig_rax;
		memcpy(i->entry.args, (u64[]){r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9},
		       sizeof(i->entry.args));
		return sizeof(*i);
	}
	i->op = PTRACE_SYSCALL_INFO_EXIT;
	i->exit.value = (s64)r->rax;
	i->exit.is_error = IS_ERR((void *)r->rax);
	return offsetof(struct syscall_info, exit.is_error) + 1;
}

static long get_syscall_info(struct task *t, size_t size, void __user *user)
{
	struct syscall_info i;
	size_t n = fill_syscall_info(t, &i);

	return copy_to_user(user, &i, min(n, size)) ? -EFAULT : (long)n;
}

/* ---- the system call ---- */

static long regset(struct task *t, u64 type, struct iovec __user *user, bool set)
{
	struct iovec v;
	long err;

	if (copy_from_user(&v, user, sizeof(v)))
		return -EFAULT;
	err = ptrace_regset(t, type, &v, set);
	return err ? err : put_user(v.iov_len, &user->iov_len);
}

static long whole_regset(struct task *t, u64 type, void __user *user, bool set)
{
	struct iovec v = {user, ~0ul & ~7ul};

	return ptrace_regset(t, type, &v, set);
}

static long do_request(struct task *t, long request, u64 addr, u64 data)
{
	void __user *user = (void __user *)data;

	switch (request) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
		return peek(t, addr, user);
	case PTRACE_POKETEXT:
	case PTRACE_POKEDATA:
		return poke(t, addr, data);
	case PTRACE_PEEKUSER:
		return peek_user(t, addr, user);
	case PTRACE_POKEUSER:
		return ptrace_poke_user(t, addr, data);
	case PTRACE_CONT:
		return resume(t, TRACE_RUN, data);
	case PTRACE_SYSCALL:
		return resume(t, TRACE_SYSCALL, data);
	case PTRACE_SINGLESTEP:
		return resume(t, TRACE_STEP, data);
	case PTRACE_KILL:
		send_signal_group(t->signal, SIGKILL, NULL);
		return 0;
	case PTRACE_DETACH:
		return detach(t, data);
	case PTRACE_INTERRUPT:
		return interrupt(t);
	case PTRACE_LISTEN:
		return listen(t);
	case PTRACE_OLDSETOPTIONS:
	case PTRACE_SETOPTIONS:
		return set_options(t, data);
	case PTRACE_GETEVENTMSG:
		return put_user(t->ptrace.message, (u64 __user *)user);
	case PTRACE_GETSIGINFO:
		return siginfo(t, user, false);
	case PTRACE_SETSIGINFO:
		return siginfo(t, user, true);
	case PTRACE_GETSIGMASK:
		return get_sigmask(t, addr, user);
	case PTRACE_SETSIGMASK:
		return set_sigmask(t, addr, user);
	case PTRACE_GETREGS:
		return whole_regset(t, NT_PRSTATUS, user, false);
	case PTRACE_SETREGS:
		return whole_regset(t, NT_PRSTATUS, user, true);
	case PTRACE_GETFPREGS:
		return whole_regset(t, NT_PRFPREG, user, false);
	case PTRACE_SETFPREGS:
		return whole_regset(t, NT_PRFPREG, user, true);
	case PTRACE_GETREGSET:
		return regset(t, addr, user, false);
	case PTRACE_SETREGSET:
		return regset(t, addr, user, true);
	case PTRACE_ARCH_PRCTL:
		ptrace_wait_off_cpu(t);
		return task_arch_prctl(t, (int)data, addr);
	case PTRACE_GET_SYSCALL_INFO:
		return get_syscall_info(t, addr, user);
	default:
		return -EIO;
	}
}

static long trace(struct task *t, long request, u64 addr, u64 data)
{
	bool stand = request != PTRACE_KILL && request != PTRACE_INTERRUPT;
	long ret;

	if (request == PTRACE_ATTACH)
		return attach(t, false, 0);
	if (request == PTRACE_SEIZE)
		return addr || (data & ~(u64)PTRACE_O_MASK) ? -EIO : attach(t, true, (u32)data);
	ret = freeze(t, stand);
	if (ret)
		return ret;
	ret = do_request(t, request, addr, data);
	if (stand)
		unfreeze(t);
	return ret;
}

SYSCALL_DEFINE4(ptrace, long, request, pid_t, pid, u64, addr, u64, data)
{
	struct task *t;
	long ret;

	if (request == PTRACE_TRACEME)
		return traceme();
	t = find_get_task(pid);
	if (!t)
		return -ESRCH;
	mutex_lock(&ptrace_mutex);
	ret = trace(t, request, addr, data);
	mutex_unlock(&ptrace_mutex);
	task_put(t);
	return ret;
}
