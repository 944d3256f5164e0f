/*
 * The segment registers of user programs: the bases of fs and gs, which is all that 64-bit mode leaves
 * of them, and the selectors of ds, es, fs and gs, for programs that make segments (ldt.c).
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
 * Selectors are null in most programs, and then cost a look at each switch. The kernel leaves
 * the user's in place: it needs none. To load one sets the base, so the base comes after.
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

/*
 * Loads a selector. The tables may have changed since the program had it, and one that they do not
 * have faults: it is as good as none.
 */
#define LOAD_SELECTOR(reg, selector) \
	do { \
		u32 _s = (selector); \
		__asm__ volatile("jmp 1f\n" \
				 "0:	xorl %0, %0\n" \
				 "1:	movl %0, %%" #reg "\n" \
				 ".pushsection __ex_table, \"a\"\n" \
				 ".quad 1b, 0b\n" \
				 ".popsection" \
				 : "+r"(_s)::"cc", "memory"); \
	} while (0)

#define READ_SELECTOR(reg) \
	({ \
		u32 _s; \
		__asm__ volatile("movl %%" #reg ", %0" : "=r"(_s)); \
		(u16) _s; \
	})

static bool any_selector(const struct selectors *s)
{
	return s->ds | s->es | s->fs | s->gs;
}

static struct selectors read_selectors(void)
{
	return (struct selectors){READ_SELECTOR(ds), READ_SELECTOR(es), READ_SELECTOR(fs),
				  READ_SELECTOR(gs)};
}

/* Gs is the kernel's own until the base is back: no access to per-CPU data in between. */
static void load_selectors(const struct selectors *s)
{
	u64 base = rdmsr(MSR_GS_BASE);

	LOAD_SELECTOR(gs, s->gs);
	wrmsr(MSR_GS_BASE, base);
	LOAD_SELECTOR(fs, s->fs);
	LOAD_SELECTOR(ds, s->ds);
	LOAD_SELECTOR(es, s->es);
}

static void save(struct task *t)
{
	t->selectors = read_selectors();
	t->fs_base = read_fs_base();
	t->gs_base = read_gs_base();
}

static void load(const struct task *t)
{
	struct selectors now = read_selectors();

	if (unlikely(any_selector(&now) || any_selector(&t->selectors)))
		load_selectors(&t->selectors);
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
	/* On AMD's processors SYSRET sets ss, but not what an interrupt has left hidden behind it. */
	if (unlikely(READ_SELECTOR(ss) != GDT_KERNEL_DS))
		LOAD_SELECTOR(ss, GDT_KERNEL_DS);
	/* After a kernel thread the registers are those of whoever was before it. */
	if (!prev->mm || unlikely(any_selector(&prev->selectors)) ||
	    unlikely(any_selector(&next->selectors))) {
		load(next);
		return;
	}
	if (next->fs_base != prev->fs_base)
		write_fs_base(next->fs_base);
	if (next->gs_base != prev->gs_base)
		write_gs_base(next->gs_base);
}

void segments_refresh(void)
{
	u16 ds = READ_SELECTOR(ds), es = READ_SELECTOR(es);

	if (ds & SELECTOR_LDT)
		LOAD_SELECTOR(ds, ds);
	if (es & SELECTOR_LDT)
		LOAD_SELECTOR(es, es);
}
