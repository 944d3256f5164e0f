/*
 * The table of system calls. Each SYSCALL_DEFINEn leaves an entry in section .syscalls;
 * syscall_init() sorts them into two tables by number:
 *
 *	syscall_table[]  what the entry code calls, arguments in registers: the function itself, or
 *	                 syscall_whole_frame, which comes to do_syscall()
 *	functions[]      the functions, for do_syscall()
 *
 * The long way through do_syscall() is for the calls that rewrite their frame (the fast way back
 * would not load it), for numbers that nobody has defined, for a task that is traced (its syscall_limit
 * is 0) and, with strace=1 on the command line or in the checked build, for all. So the common way pays
 * for none of this.
 */
#include "kernel/cpu/syscall.h"

#include "kernel/debug/lockdep.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/sched/task.h"

extern const struct syscall_entry __syscalls_start[], __syscalls_end[];

void syscall_whole_frame(void);
extern void *syscall_table[NR_SYSCALLS];
void *syscall_table[NR_SYSCALLS];

static const struct syscall_entry *functions[NR_SYSCALLS];
static u64 missing_named[NR_SYSCALLS / 64]; /* [a] a bit a number that was complained about */
static bool strace;

static bool rewrites_frame(u64 nr)
{
	return nr == __NR_execve || nr == __NR_execveat || nr == __NR_rt_sigreturn;
}

__init void syscall_init(void)
{
	strace = cmdline_get_u64("strace", 0);
	for (int nr = 0; nr < NR_SYSCALLS; nr++)
		syscall_table[nr] = syscall_whole_frame;
	for (const struct syscall_entry *e = __syscalls_start; e < __syscalls_end; e++) {
		if (e->nr >= NR_SYSCALLS || functions[e->nr])
			panic("system call %s has number %lu, which is taken", e->name, e->nr);
		functions[e->nr] = e;
		if (!strace && !CHECKED_BUILD && !rewrites_frame(e->nr))
			syscall_table[e->nr] = e->fn;
	}
}

/* Says so once a number, with the program's name, and every time with strace=1. */
static long missing_syscall(u32 nr)
{
	if (nr < NR_SYSCALLS) {
		u64 bit = BIT(nr % 64);

		if (__atomic_fetch_or(&missing_named[nr / 64], bit, __ATOMIC_RELAXED) & bit &&
		    !strace)
			return -ENOSYS;
	} else if (!strace) {
		return -ENOSYS;
	}
	printk("%s[%d]: system call %u is not implemented\n", current->comm, current->pid, nr);
	return -ENOSYS;
}

static long traced_call(const struct syscall_entry *e, const struct pt_regs *r)
{
	long ret;

	printk("%s[%d]: %s(%lx, %lx, %lx, %lx, %lx, %lx)\n", current->comm, current->pid, e->name,
	       r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9);
	ret = e->fn(r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9);
	printk("%s[%d]: %s = %ld\n", current->comm, current->pid, e->name, ret);
	return ret;
}

static long make_call(const struct pt_regs *r)
{
	u32 nr = r->orig_rax; /* the upper half does not count */
	const struct syscall_entry *e = nr < NR_SYSCALLS ? functions[nr] : NULL;

	if (!e)
		return missing_syscall(nr);
	if (strace)
		return traced_call(e, r);
	return e->fn(r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9);
}

void do_syscall(struct pt_regs *regs)
{
	bool wanted = true;

	if (unlikely(current->ptrace.flags)) {
		regs->rax = (u64)-ENOSYS;
		/* The tracer may have put another number there, or -1: then the value is its, too. */
		wanted = ptrace_syscall_entry(regs) && (u32)regs->orig_rax != ~0u;
	}
	if (wanted)
		regs->rax = (u64)make_call(regs);
	if (unlikely(current->ptrace.flags))
		ptrace_syscall_exit(regs);
	lockdep_check_none("return to user mode");
}
