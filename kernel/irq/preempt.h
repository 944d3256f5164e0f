/*
 * Which context am I in? One per-CPU word answers: it counts, in three fields, how many reasons
 * there are not to sleep.
 *
 *	bits 0-7    spinlocks held and preempt_disable()
 *	bits 8-15   bottom halves: 1 while one is served, +2 for each local_bh_disable()
 *	bits 16-19  hard interrupts being served
 *
 * Sleeping is allowed only when the whole word is 0; schedule() panics otherwise.
 */
#pragma once

#include "kernel/cpu/percpu.h"

DECLARE_PER_CPU(u32, preempt_count);
DECLARE_PER_CPU(bool,
		need_resched); /* set with the CPU's run-queue lock held or by the CPU itself */

#define PREEMPT_OFFSET         0x00001u
#define SOFTIRQ_OFFSET         0x00100u
#define SOFTIRQ_DISABLE_OFFSET 0x00200u
#define HARDIRQ_OFFSET         0x10000u
#define PREEMPT_MASK           0x000ffu
#define SOFTIRQ_MASK           0x0ff00u
#define HARDIRQ_MASK           0xf0000u

#define in_hardirq() (this_cpu_read(preempt_count) & HARDIRQ_MASK)
/* True only while a softirq handler runs, not merely while bottom halves are disabled. */
#define in_softirq() (this_cpu_read(preempt_count) & SOFTIRQ_OFFSET)
#define in_task()    (!in_hardirq() && !in_softirq())
#define in_atomic()  (this_cpu_read(preempt_count) != 0)

static inline void preempt_disable(void)
{
	this_cpu_add(preempt_count, PREEMPT_OFFSET);
	barrier();
}

static inline void preempt_enable(void)
{
	barrier();
	this_cpu_add(preempt_count, -PREEMPT_OFFSET);
}
