/*
 * What a trap, an interrupt or a system call leaves on the kernel stack: the user's (or the
 * interrupted kernel's) registers. The order is that of struct user_regs_struct, which user space
 * sees in core files and ptrace(2), so that it can be copied as it is.
 *
 * Entry from user space always builds it at the very top of the task's kernel stack, whole, so
 * task_pt_regs(t) finds it whenever t is inside the kernel.
 */
#pragma once

#include "kernel/lib/types.h"

struct pt_regs {
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	u64 orig_rax;                 /* system-call number; -1 for traps and interrupts */
	u64 rip, cs, eflags, rsp, ss; /* pushed by the CPU */
};

/*
 * Selectors have the values that they have in Linux, for programs know them. The order of 32-bit code,
 * data and code is asked for by sysret.
 */
#define SELECTOR_LDT  4 /* the bit that asks the LDT */
#define GDT_KERNEL_CS 0x10
#define GDT_KERNEL_DS 0x18
#define GDT_USER_CS32 0x23 /* 0x20 | 3 */
#define GDT_USER_DS   0x2b /* 0x28 | 3 */
#define GDT_USER_CS   0x33 /* 0x30 | 3 */
#define GDT_TSS       0x40
#define GDT_LDT       0x50
/* A segment that is never used: its limit is the CPU's number (kernel/vdso/user.c). */
#define GDT_CPU_NUMBER 0x7b /* 0x78 | 3 */

static inline bool user_mode(const struct pt_regs *r)
{
	return r->cs & 3;
}
