/*
 * Timers: call a function at a time. Each CPU keeps its timers in a red-black tree by expiry and
 * arms its local APIC for the first one only, so an idle machine has no tick. Functions run in
 * TIMER_SOFTIRQ on the CPU that armed the timer. Arming and cancelling are O(log n).
 */
#pragma once

#include "kernel/lib/rbtree.h"
#include "kernel/lib/types.h"

struct timer {
	struct rb_node node;           /* [base lock] */
	u64 expires;                   /* [base lock] ktime_get() nanoseconds */
	void (*func)(struct timer *t); /* softirq context; may arm @t again or free it */
	int cpu;                       /* [base lock] where it is armed */
};

void timer_setup(struct timer *t, void (*func)(struct timer *t));
/*
 * Arms @t for @expires (absolute), moving it if it was armed. Any context. Two CPUs must not arm
 * one timer at the same time (its owner's lock sees to that); its own function may, any time.
 */
void timer_arm(struct timer *t, u64 expires);
/* Disarms; true if it was armed. Its function may still be running on another CPU. */
bool timer_cancel(struct timer *t);
/* Disarms and waits until the function has returned. Process context, no lock the function takes. */
bool timer_cancel_sync(struct timer *t);
bool timer_pending(const struct timer *t);

/* ---- between the timers, the interrupt and the scheduler ---- */

/* The local APIC's timer has fired, in user mode or not. Hard interrupt. */
void timer_interrupt(bool user);
/* The running task's turn ends at @end (absolute ns; ~0 for never). Interrupts off. */
void timer_set_slice(u64 end);
/* It ends at @end, or earlier if that has been said before. Interrupts off. */
void timer_limit_slice(u64 end);
/* This CPU has a task to run: sched_tick() from now on until it says "idle". Interrupts off. */
void timer_start_tick(u64 now);
