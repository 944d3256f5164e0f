/* The run queue: what kernel/sched/core.c and balance.c have in common, and nobody else's business. */
#pragma once

#include "kernel/sched/task.h"

/* One a CPU. The lists and the epoch are explained in core.c. */
struct rq {
	spinlock_t lock;
	struct task *curr;         /* [lock] running */
	struct task *idle;         /* [I] what runs when nothing else can */
	struct list_head *active;  /* [lock] task->run_link; curr is in neither list */
	struct list_head *expired; /* [lock] */
	struct list_head lists[2];
	u64 epoch;       /* [lock] starts at 1: 0 is "never had a turn here" */
	int nr_queued;   /* [lock] in both lists */
	unsigned turns;  /* [own CPU, interrupts off] that have ended here with others waiting */
	u64 since;       /* [lock] when curr's time was last accounted, ns */
	u64 nr_switches; /* [lock] */
	u64 idle_ns;     /* [lock] */
	struct cputime busy; /* [lock] */
};

DECLARE_PER_CPU(struct rq, runqueue);

/* ---- core.c ---- */

/* Makes @cpu pass through schedule() soon. rq->lock held. */
void resched_curr(struct rq *rq, int cpu);
/* Takes a task that does not run off the queue. rq->lock held. */
void dequeue_task(struct rq *rq, struct task *t);
/* Queues a task that is on no run queue, and no CPU still uses its stack. pi_lock held. */
void queue_on(struct task *t, int cpu);

/* ---- balance.c ---- */

/* Tasks that want @cpu, without a lock. */
static inline int cpu_load(int cpu)
{
	struct rq *rq = per_cpu_ptr(runqueue, cpu);

	return READ_ONCE(rq->nr_queued) + (READ_ONCE(rq->curr) != rq->idle);
}

/* Where @t had best be queued. pi_lock held. O(CPUs). */
int select_cpu(const struct task *t);

static inline void activate_task(struct task *t)
{
	queue_on(t, nr_cpus == 1 ? 0 : select_cpu(t));
}

/* This CPU has nothing to do: fetches a task from where the most wait. Interrupts off. O(CPUs). */
void pull_task(void);
/* A turn has ended here: gives a waiting task to a CPU that has fewer. Interrupts off. O(CPUs). */
void push_task(void);
