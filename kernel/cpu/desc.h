/*
 * Descriptor tables: what the CPU asks when it changes its privilege. Intel SDM volume 3, chapters
 * 3 (segments), 6 (IDT) and 7.7 (the TSS in 64-bit mode).
 */
#pragma once

#include "kernel/cpu/percpu.h"

/* Numbers of the stacks that the CPU switches to by itself for these vectors (TSS.ist1-3). */
enum ist { IST_NONE, IST_NMI, IST_DOUBLE_FAULT, IST_MACHINE_CHECK, NR_ISTS = IST_MACHINE_CHECK };

struct tss {
	u32 reserved0;
	u64 rsp0, rsp1, rsp2; /* rsp0: stack for a trap from user mode */
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3;
	u16 iomap_base;
} __packed;

DECLARE_PER_CPU(struct tss, cpu_tss);
DECLARE_PER_CPU(u64, cpu_kernel_stack);  /* the stack that syscall_entry loads */
DECLARE_PER_CPU(u32, cpu_syscall_limit); /* the running task's */

/* Boot CPU, once: fills the IDT, which all CPUs share. */
void idt_init(void);
/* Each CPU: GDT, TSS, IDT, SYSCALL. @ist_stacks: NR_ISTS * IST_STACK_SIZE bytes. */
void desc_init_cpu(u8 *ist_stacks);
#define IST_STACK_SIZE 8192

/* Makes @entries this CPU's LDT; none with @count 0. Interrupts off. */
void desc_load_ldt(const u64 *entries, u64 count);

/* Where this CPU's next entry from user mode puts its pt_regs: below @top. Interrupts off. */
static inline void set_kernel_stack(u64 top)
{
	this_cpu_write(cpu_kernel_stack, top);
	this_cpu_ptr(cpu_tss)->rsp0 = top;
}
