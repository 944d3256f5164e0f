/*
 * The FPU and vector registers of user programs.
 *
 * The kernel is compiled not to touch them, so system calls and interrupts leave them alone, and
 * they need attention only when the CPU changes from one program to another:
 *
 *	switch away from a program   save them, if they are its own
 *	switch to a program          if nobody used this CPU's registers since, nothing;
 *	                             else set WORK_FPU
 *	return to user mode          WORK_FPU: load them
 *
 * So kernel threads and programs that only pass through the kernel cost nothing. Whose values a
 * CPU's registers hold is said twice, on both sides: fpu_owner of the CPU names an area, and the
 * area names the CPU it was last loaded on. Only if both agree are they its own.
 *
 * States of the current task: WORK_FPU clear: the registers are current, the area is old.
 * WORK_FPU set: the area is current, the registers are somebody else's.
 *
 * LOCKING: everything concerns the current task and this CPU; fpu_switch_*() and
 * fpu_restore_for_user() run with interrupts off, the others in process context, which is never
 * preempted in the kernel.
 *
 * Formats: Intel SDM volume 1, 10.5 (FXSAVE) and 13.4 (XSAVE; standard format, as user space sees
 * it in signal frames).
 */
#include "kernel/cpu/fpu.h"

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/percpu.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/task.h"

#define XFEATURE_X87     0x01ull
#define XFEATURE_SSE     0x02ull
#define XFEATURE_X87_SSE (XFEATURE_X87 | XFEATURE_SSE)
#define XFEATURE_AVX     0x04ull
#define XFEATURE_AVX512  0xe0ull /* three parts: all or none */

#define XSAVE_HEADER_END   576
#define FCW_INITIAL        0x37f
#define MXCSR_INITIAL      0x1f80
#define MXCSR_MASK_DEFAULT 0xffbf /* where the CPU reports 0 */

/* What both formats begin with, as far as it is needed here, and the header behind it. */
struct xsave_area {
	u16 fcw, fsw, ftw, fop;
	u64 rip, rdp;
	u32 mxcsr, mxcsr_mask;
	u8 st[128], xmm[256], reserved2[96];
	u64 xstate_bv, xcomp_bv, reserved[6];
};
_Static_assert(sizeof(struct xsave_area) == XSAVE_HEADER_END, "XSAVE layout");

u32 fpu_area_size = FXSAVE_SIZE;
u64 fpu_features;

static u32 mxcsr_mask;
static struct kmem_cache *fpu_cache;
static DEFINE_PER_CPU(struct fpu *, fpu_owner); /* whose values the registers hold */

/* The CPU on which the area was last loaded, behind the area; -1: the registers are stale. */
static int *last_cpu(struct fpu *f)
{
	return (int *)(f->area + fpu_area_size);
}

static void save(struct fpu *f)
{
	u32 lo = (u32)fpu_features, hi = fpu_features >> 32;

	if (cpu_has_xsaveopt)
		__asm__ volatile("xsaveopt64 (%0)" ::"r"(f), "a"(lo), "d"(hi) : "memory");
	else if (cpu_has_xsave)
		__asm__ volatile("xsave64 (%0)" ::"r"(f), "a"(lo), "d"(hi) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" ::"r"(f) : "memory");
}

static void restore(struct fpu *f)
{
	u32 lo = (u32)fpu_features, hi = fpu_features >> 32;

	if (cpu_has_xsave)
		__asm__ volatile("xrstor64 (%0)" ::"r"(f), "a"(lo), "d"(hi) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" ::"r"(f) : "memory");
}

void fpu_init_cpu(void)
{
	static struct xsave_area probe __aligned(64);
	u32 r[4];

	if (cpu_has_xsave) {
		u64 have;

		cpuid(0xd, 0, r);
		have = (u64)r[3] << 32 | r[0];
		fpu_features = have & (XFEATURE_X87_SSE | XFEATURE_AVX);
		if ((have & XFEATURE_AVX512) == XFEATURE_AVX512)
			fpu_features |= XFEATURE_AVX512;
		__asm__ volatile("xsetbv" ::"c"(0), "a"((u32)fpu_features),
				 "d"((u32)(fpu_features >> 32)));
		cpuid(0xd, 0, r);
		fpu_area_size = r[1]; /* for the features now enabled */
	}
	__asm__ volatile("fninit; fxsave64 %0" : "=m"(probe));
	mxcsr_mask = probe.mxcsr_mask ? probe.mxcsr_mask : MXCSR_MASK_DEFAULT;
	if (!fpu_cache)
		fpu_cache = kmem_cache_create("fpu", fpu_area_size + sizeof(int), 64);
}

struct fpu *fpu_alloc(void)
{
	struct fpu *f = kmem_cache_alloc(fpu_cache, GFP_KERNEL | __GFP_ZERO);
	struct xsave_area *x = (void *)f;

	if (!f)
		return NULL;
	x->fcw = FCW_INITIAL;
	x->mxcsr = MXCSR_INITIAL;
	*last_cpu(f) = -1;
	return f;
}

void fpu_free(struct fpu *f)
{
	if (f)
		kmem_cache_free(fpu_cache, f);
}

static bool registers_are_of(const struct task *t)
{
	return !(READ_ONCE(t->work) & WORK_FPU);
}

void fpu_sync_current(void)
{
	if (current->fpu && registers_are_of(current))
		save(current->fpu);
}

/* The area may come from user memory: what XRSTOR would fault on is taken out. */
static void sanitise(struct fpu *f)
{
	struct xsave_area *x = (void *)f;

	x->mxcsr &= mxcsr_mask;
	if (!cpu_has_xsave)
		return;
	x->xstate_bv &= fpu_features;
	x->xcomp_bv = 0;
	memset(x->reserved, 0, sizeof(x->reserved));
}

void fpu_reload_current(void)
{
	if (!current->fpu)
		return;
	sanitise(current->fpu);
	*last_cpu(current->fpu) = -1;
	task_set_work(current, WORK_FPU);
}

/*
 * Parts in their initial state are not written, and xstate_bv says so. The value of the state is the
 * same before and after.
 */
void fpu_fill_in_legacy(struct fpu *f)
{
	struct xsave_area *x = (void *)f;

	if (!cpu_has_xsave)
		return;
	if (!(x->xstate_bv & XFEATURE_X87)) {
		x->fcw = FCW_INITIAL;
		x->fsw = x->ftw = x->fop = 0;
		x->rip = x->rdp = 0;
		memset(x->st, 0, sizeof(x->st));
	}
	if (!(x->xstate_bv & XFEATURE_SSE))
		memset(x->xmm, 0, sizeof(x->xmm));
	x->xstate_bv |= XFEATURE_X87 | XFEATURE_SSE;
}

void fpu_switch_out(struct task *prev)
{
	if (prev->fpu && registers_are_of(prev))
		save(prev->fpu);
}

void fpu_switch_in(struct task *next)
{
	struct fpu *f = next->fpu;

	if (!f)
		return;
	if (this_cpu_read(fpu_owner) == f && *last_cpu(f) == smp_processor_id())
		task_clear_work(next, WORK_FPU);
	else
		task_set_work(next, WORK_FPU);
}

void fpu_restore_for_user(void)
{
	struct fpu *f = current->fpu;

	if (f) {
		restore(f);
		this_cpu_write(fpu_owner, f);
		*last_cpu(f) = smp_processor_id();
	}
	task_clear_work(current, WORK_FPU);
}
