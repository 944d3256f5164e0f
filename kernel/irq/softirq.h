/*
 * Bottom halves. A top half does the least it can and raises a softirq; the softirq runs on the
 * same CPU, with interrupts on, on the way out of the interrupt, or at local_bh_enable(), or in
 * ksoftirqd/N when there is too much of it. See kernel/irq/softirq.c for the whole story.
 */
#pragma once

#include "kernel/cpu/cpu.h"
#include "kernel/irq/preempt.h"

enum { TIMER_SOFTIRQ, NET_TX_SOFTIRQ, NET_RX_SOFTIRQ, NR_SOFTIRQS };

DECLARE_PER_CPU(u32, softirq_pending); /* a bit a softirq */

/* Names the function of a softirq. Boot only. It runs with interrupts on and must not sleep. */
void open_softirq(int nr, void (*action)(void));
/* Marks @nr pending on this CPU. Any context. */
void raise_softirq(int nr);
/* Runs what is pending unless this CPU is already in an interrupt or a bottom half. */
void do_softirq(void);

/* How many rounds ksoftirqd/@cpu has run so far. */
u64 ksoftirqd_rounds(int cpu);

static inline void local_bh_disable(void)
{
	this_cpu_add(preempt_count, SOFTIRQ_DISABLE_OFFSET);
	barrier();
}

/* Runs softirqs that were raised meanwhile, when this was the outermost level. */
static inline void local_bh_enable(void)
{
	barrier();
	this_cpu_add(preempt_count, -SOFTIRQ_DISABLE_OFFSET);
	if (unlikely(this_cpu_read(softirq_pending)) && !in_hardirq() &&
	    !(this_cpu_read(preempt_count) & SOFTIRQ_MASK))
		do_softirq();
}
