/*
 * Defining system calls. A room that offers one writes
 *
 *	SYSCALL_DEFINE3(read, int, fd, void __user *, buf, size_t, count)
 *	{
 *		...
 *	}
 *
 * and the entry finds it: each definition leaves {number, function, name} in section .syscalls, and
 * syscall_init() builds the table from it. The body gets its arguments converted to their types
 * (the upper half of an int argument is cut off, as the ABI wants) and returns a value or a
 * negative errno. It runs in process context with interrupts on, holding no lock.
 *
 * Names come from kernel/abi/unistd.h. A number without a definition returns -ENOSYS.
 */
#pragma once

#include "kernel/lib/types.h"
#include "kernel/abi/errno.h"
#include "kernel/abi/unistd.h"
#include "kernel/cpu/ptrace.h"

/* One more than the highest number that there may be. */
#define NR_SYSCALLS 512

typedef long (*syscall_fn)(u64, u64, u64, u64, u64, u64);

struct syscall_entry {
	u64 nr;
	syscall_fn fn;
	const char *name;
};

#define __SC_ENTRY(name) \
	static const struct syscall_entry __sc_entry_##name \
		__attribute__((used, section(".syscalls"), aligned(8))) = {__NR_##name, \
									   __sc_##name, #name};

/* What the table calls turns six registers into the arguments, @args; the rest declares those. */
#define __SYSCALL_DEFINE(name, args, ...) \
	static inline long __do_##name(__VA_ARGS__); \
	static long __sc_##name(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) \
	{ \
		return __do_##name args; \
	} \
	__SC_ENTRY(name) \
	static inline long __do_##name(__VA_ARGS__)

#define SYSCALL_DEFINE0(name)                 __SYSCALL_DEFINE(name, (), void)
#define SYSCALL_DEFINE1(name, t1, a1)         __SYSCALL_DEFINE(name, ((t1)a), t1 a1)
#define SYSCALL_DEFINE2(name, t1, a1, t2, a2) __SYSCALL_DEFINE(name, ((t1)a, (t2)b), t1 a1, t2 a2)
#define SYSCALL_DEFINE3(name, t1, a1, t2, a2, t3, a3) \
	__SYSCALL_DEFINE(name, ((t1)a, (t2)b, (t3)c), t1 a1, t2 a2, t3 a3)
#define SYSCALL_DEFINE4(name, t1, a1, t2, a2, t3, a3, t4, a4) \
	__SYSCALL_DEFINE(name, ((t1)a, (t2)b, (t3)c, (t4)d), t1 a1, t2 a2, t3 a3, t4 a4)
#define SYSCALL_DEFINE5(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
	__SYSCALL_DEFINE(name, ((t1)a, (t2)b, (t3)c, (t4)d, (t5)e), t1 a1, t2 a2, t3 a3, t4 a4, \
			 t5 a5)
#define SYSCALL_DEFINE6(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6) \
	__SYSCALL_DEFINE(name, ((t1)a, (t2)b, (t3)c, (t4)d, (t5)e, (t6)f), t1 a1, t2 a2, t3 a3, \
			 t4 a4, t5 a5, t6 a6)

/* Builds the table. Boot, once. */
void syscall_init(void);
/* Entry code only, for calls that need their whole frame; puts the value into regs->rax. */
void do_syscall(struct pt_regs *regs);

/*
 * The last thing before user mode, with interrupts off: reschedules and delivers signals until
 * nothing is left to do. Called by the system-call, trap and interrupt exits when
 * current->work is not zero. (kernel/sched/deliver.c)
 */
void exit_to_user_work(struct pt_regs *regs);
