/*
 * Which CPU a task runs on. It stays where it is until there is a reason to move it:
 *
 *	woken      to an idle CPU: its last one, the waker's, any; with none idle, its last one
 *	new        likewise, and with none idle to the one with the fewest tasks
 *	pulled     by a CPU that has nothing left to do, from the one with the most
 *	pushed     by a CPU at the end of a turn, to one that has at least two fewer; now and then
 *	           also to one that has one fewer, so that of three hogs on two CPUs it is not
 *	           always the same that has one to itself (is_rotation)
 *	forbidden  by sched_setaffinity(2): off its queue at once, or off its CPU the next time it
 *	           passes schedule()
 *
 * No CPU needs a tick for that: one with a single task has none, and is offered work by those who
 * have too much; one with several has its turns end.
 *
 * LOCKING: as in core.c. A task that moves is held by its pi_lock from the moment it leaves one queue
 * until it is on the other, so no two run queues are ever locked together. The loads that decide
 * are read without a lock: a decision may be out of date, never wrong.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/sched/rq.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/wait.h"
#include "kernel/time/ktime.h"

#define DETACH_TRIES     32
#define FORBIDDEN_NAP_NS (50 * NSEC_PER_USEC) /* until the next look whether a task has moved */

bool cpu_is_idle(int cpu)
{
	return !cpu_load(cpu);
}

/*
 * The one with the fewest tasks of the CPUs in @mask, of which one at least is up. Among equals the
 * next after this one, so that it is not always the same.
 */
static int least_loaded(u64 mask)
{
	int cpu = smp_processor_id(), best = -1, fewest = 0;

	for (int i = 0; i < nr_cpus; i++) {
		int load;

		cpu = cpu + 1 < nr_cpus ? cpu + 1 : 0;
		load = cpu_load(cpu);
		if ((mask & BIT(cpu)) && (best < 0 || load < fewest)) {
			best = cpu;
			fewest = load;
		}
	}
	return best;
}

int select_cpu(const struct task *t)
{
	int here = smp_processor_id(), other;
	bool may_stay = t->cpus_allowed & BIT(t->cpu);

	if (may_stay && cpu_is_idle(t->cpu))
		return t->cpu;
	if ((t->cpus_allowed & BIT(here)) && cpu_is_idle(here))
		return here;
	other = least_loaded(t->cpus_allowed);
	if (may_stay && t->state != TASK_NEW && !cpu_is_idle(other))
		return t->cpu;
	return other;
}

/*
 * Takes a task that may run on one of the CPUs in @mask off the queue, one whose turn is far away;
 * NULL if there is none among the last few. Its pi_lock is then held. rq->lock held.
 */
static struct task *detach_task(struct rq *rq, u64 mask)
{
	struct list_head *lists[] = {rq->expired, rq->active};
	int tries = DETACH_TRIES;
	struct task *t;

	for (int i = 0; i < 2; i++) {
		for (struct list_head *l = lists[i]->prev; l != lists[i]; l = l->prev) {
			t = list_entry(l, struct task, run_link);
			if (!tries--)
				return NULL;
			/* Against the order of locks, so no more than a try. */
			if (!spin_trylock(&t->pi_lock))
				continue;
			if (t->cpus_allowed & mask) {
				dequeue_task(rq, t);
				return t;
			}
			spin_unlock(&t->pi_lock);
		}
	}
	return NULL;
}

void pull_task(void)
{
	int here = smp_processor_id(), busiest = -1, most = 1;
	struct task *t;
	struct rq *rq;

	for_each_cpu(cpu)
	{
		int load = cpu_load(cpu);

		if (load > most && cpu != here) {
			busiest = cpu;
			most = load;
		}
	}
	if (busiest < 0)
		return;
	rq = per_cpu_ptr(runqueue, busiest);
	spin_lock(&rq->lock);
	t = detach_task(rq, BIT(here));
	spin_unlock(&rq->lock);
	if (!t)
		return;
	queue_on(t, here);
	spin_unlock(&t->pi_lock);
}

/*
 * Every 15 or 16 turns, alternately: two tasks that take turns wait at odd and at even ones, and each
 * shall be the one that has to go.
 */
static bool is_rotation(struct rq *rq)
{
	unsigned turn = ++rq->turns % 31;

	return turn == 0 || turn == 15;
}

void push_task(void)
{
	struct rq *rq = this_cpu_ptr(runqueue);
	int mine = cpu_load(smp_processor_id()), fewer = is_rotation(rq) ? 1 : 2;
	struct task *t;
	u64 mask = 0;

	for_each_cpu(cpu)
	{
		if (cpu_load(cpu) + fewer <= mine)
			mask |= BIT(cpu);
	}
	if (!mask)
		return;
	spin_lock(&rq->lock);
	t = detach_task(rq, mask);
	spin_unlock(&rq->lock);
	if (!t)
		return;
	queue_on(t, least_loaded(t->cpus_allowed & mask));
	spin_unlock(&t->pi_lock);
}

/* May not stay where it is: moved if it waits, told to move if it runs. pi_lock held. */
static void evict_task(struct task *t)
{
	struct rq *rq = per_cpu_ptr(runqueue, t->cpu);
	bool waiting = false;

	spin_lock(&rq->lock);
	if (rq->curr == t) {
		resched_curr(rq, t->cpu);
	} else if (t->on_rq) {
		waiting = true;
		dequeue_task(rq, t);
	}
	spin_unlock(&rq->lock);
	if (waiting)
		activate_task(t);
}

static bool runs_where_forbidden(struct task *t)
{
	return READ_ONCE(t->on_cpu) && !(READ_ONCE(t->cpus_allowed) & BIT(READ_ONCE(t->cpu)));
}

void set_cpus_allowed(struct task *t, u64 mask)
{
	DECLARE_WAIT_QUEUE_HEAD(nobody);
	u64 flags;

	spin_lock_irqsave(&t->pi_lock, flags);
	t->cpus_allowed = mask;
	if (!(mask & BIT(t->cpu)))
		evict_task(t);
	spin_unlock_irqrestore(&t->pi_lock, flags);
	cond_resched(); /* current moves now */
	while (runs_where_forbidden(t) && !signal_pending(current))
		wait_event_interruptible_deadline(&nobody, false, ktime_get() + FORBIDDEN_NAP_NS);
}
