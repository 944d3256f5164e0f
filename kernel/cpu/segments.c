/*
 * The segment registers of user programs, as far as 64-bit mode has any: the bases of fs and gs.
 *
 * A program's fs base is its thread pointer; its gs base is free for it to use. It sets them by
 * arch_prctl(2) or, where the CPU has FSGSBASE (CR4, AT_HWCAP2), by instructions that the kernel does
 * not see. So while a program runs its bases are what the CPU holds, and task->fs_base and gs_base are old;
 * they are read when it leaves the CPU, and loaded when another one comes.
 *
 * The user's gs base is then any value, even one that looks like the kernel's. Nothing here decides by
 * it: the way into the kernel goes by cs, or by a word on a stack of its own (entry.asm). In the kernel
 * it waits in MSR_KERNEL_GS_BASE, which is slow to reach; two swapgs around RDGSBASE are not. An NMI in
 * between does not mind.
 *
 * LOCKING: interrupts off, current and this CPU only.
 */
#include "kernel/cpu/segments.h"

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/features.h"
#include "kernel/sched/task.h"

static u64 read_fs_base(void)
{
	u64 v;

	if (!cpu_has_fsgsbase)
		return rdmsr(MSR_FS_BASE);
	__asm__ volatile("rdfsbase %0" : "=r"(v));
	return v;
}

static u64 read_gs_base(void)
{
	u64 v;

	if (!cpu_has_fsgsbase)
		return rdmsr(MSR_KERNEL_GS_BASE);
	__asm__ volatile("swapgs; rdgsbase %0; swapgs" : "=r"(v)::"memory");
	return v;
}

static void write_fs_base(u64 v)
{
	if (cpu_has_fsgsbase)
		__asm__ volatile("wrfsbase %0" ::"r"(v));
	else
		wrmsr(MSR_FS_BASE, v);
}

static void write_gs_base(u64 v)
{
	if (cpu_has_fsgsbase)
		__asm__ volatile("swapgs; wrgsbase %0; swapgs" ::"r"(v) : "memory");
	else
		wrmsr(MSR_KERNEL_GS_BASE, v);
}

static void save(struct task *t)
{
	t->fs_base = read_fs_base();
	t->gs_base = read_gs_base();
}

static void load(const struct task *t)
{
	write_fs_base(t->fs_base);
	write_gs_base(t->gs_base);
}

void segments_sync_current(void)
{
	u64 flags;

	local_irq_save(flags);
	save(current);
	local_irq_restore(flags);
}

void segments_reload_current(void)
{
	u64 flags;

	local_irq_save(flags);
	load(current);
	local_irq_restore(flags);
}

void segments_switch(struct task *prev, struct task *next)
{
	if (prev->mm)
		save(prev);
	if (!next->mm)
		return;
	if (!prev->mm) {
		load(next);
		return;
	}
	if (next->fs_base != prev->fs_base)
		write_fs_base(next->fs_base);
	if (next->gs_base != prev->gs_base)
		write_gs_base(next->gs_base);
}
