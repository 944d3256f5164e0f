/*
 * The scheduler: who runs next, how tasks fall asleep, how they are woken.
 *
 * Every CPU has a run queue with two lists, active and expired. A task in active still has part of
 * its turn (slice_left); when the turn is used up the task goes to the tail of expired. When active
 * is empty the two change places and a new epoch begins, in which everyone has a whole turn again.
 * So in each epoch every runnable task gets its turn, whose length its nice value sets (policy.c):
 * that is round robin, and nobody starves.
 *
 * Sleeping does not refill a turn. A task that sleeps most of the time keeps what it has not used,
 * and when it is woken it goes before a task that has less left: an echo server that wants 1 % of
 * the CPU interrupts a program that wants all of it, and cannot do so for longer than its own turn.
 * Only its waker, when that is the running task, may go on for WAKER_NS first: as a rule it has more to
 * do that belongs together, a second message, an unlock, its own sleep.
 *
 * The kernel itself is not preempted: a task in kernel mode runs until it sleeps, calls
 * cond_resched(), or returns to user mode. WORK_RESCHED makes that return go through schedule().
 * Everything here is O(1) in the number of tasks, O(CPUs) when a CPU is chosen.
 *
 * SLEEPING AND WAKING. A sleeper writes its state, then looks at its condition, then calls
 * schedule(). A waker makes the condition true, then looks at the state. Both have a full barrier
 * in between (prepare_to_wait() and try_to_wake_up()), so at least one of them sees the other: the
 * sleeper stays awake, or the waker wakes it.
 *
 * A task may be woken while it is still on its way out of another CPU (on_cpu): its registers are
 * not yet saved, so the waker waits those few instructions before it queues the task elsewhere.
 *
 * An idle CPU is in hlt until somebody sets its need_resched and sends VECTOR_RESCHEDULE. Both are
 * done by resched_curr(), and need_resched is cleared only by schedule(); both under rq->lock, so
 * there is no moment at which a task is queued and nobody will look. Which CPU a task runs on is
 * balance.c's subject.
 *
 * CPU TIME is measured exactly, at each switch; its division into user and kernel mode is sampled, so
 * that the way into the kernel and out of it costs nothing. While a CPU is busy the timer looks every
 * TICK_NS which of the two it has interrupted (sched_tick()), and until the next look all that the
 * task uses is booked there. An idle CPU is not looked at.
 *
 * LOCKING: t->pi_lock serialises those who wake a task or move it; while it is held t->cpu stays as
 * it is. rq->lock guards the run queue and on_rq, run_link and turn of its tasks, and a state that
 * leaves TASK_RUNNING takes effect under it. Order: pi_lock, then rq->lock, one at a time; both with
 * interrupts off; nothing is taken inside rq->lock (detach_task() only tries for a pi_lock).
 */
#include "kernel/abi/errno.h"
#include "kernel/cpu/apic.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/desc.h"
#include "kernel/cpu/fpu.h"
#include "kernel/cpu/segments.h"
#include "kernel/lib/printk.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/vmalloc.h"
#include "kernel/sched/rq.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/task.h"
#include "kernel/time/ktime.h"
#include "kernel/time/timer.h"
#include "kernel/trace/trace.h"

#define WAKER_NS (1 * NSEC_PER_MSEC) /* what a waker may use before the woken one goes first */

DEFINE_PER_CPU(struct rq, runqueue);

struct task *__switch_to(struct task *prev, struct task *next);

void resched_curr(struct rq *rq, int cpu)
{
	if (per_cpu(need_resched, cpu))
		return;
	per_cpu(need_resched, cpu) = true;
	task_set_work(rq->curr, WORK_RESCHED);
	if (cpu != smp_processor_id())
		apic_send_ipi(cpu, VECTOR_RESCHEDULE);
}

/* Charges the running task for the time since the last call. rq->lock held. */
static void update_curr(struct rq *rq, u64 now)
{
	struct task *t = rq->curr;
	u64 ran = now - rq->since;

	if (unlikely((s64)ran < 0))
		return; /* another CPU was here with a later time */
	rq->since = now;
	if (t == rq->idle) {
		rq->idle_ns += ran;
		return;
	}
	t->sum_runtime += ran;
	if (t->in_system) {
		t->sum_system += ran;
		rq->busy.system += ran;
	} else {
		rq->busy.user += ran;
	}
	t->slice_left -= min(ran, t->slice_left);
}

/* A new epoch, or another CPU: a whole turn. rq->lock held. */
static void refill(struct rq *rq, struct task *t)
{
	if (t->epoch == rq->epoch)
		return;
	t->epoch = rq->epoch;
	t->slice_left = sched_turn(t);
}

/* Queues a woken task: before those that have less of their turn left. rq->lock held. */
static void enqueue_task(struct rq *rq, struct task *t)
{
	struct task *first = list_first_entry_or_null(rq->active, struct task, run_link);

	refill(rq, t);
	if (!t->slice_left)
		list_add_tail(&t->run_link, rq->expired);
	else if (first && t->slice_left > first->slice_left)
		list_add(&t->run_link, rq->active);
	else
		list_add_tail(&t->run_link, rq->active);
	t->on_rq = true;
	rq->nr_queued++;
}

void dequeue_task(struct rq *rq, struct task *t)
{
	list_del_init(&t->run_link);
	t->on_rq = false;
	rq->nr_queued--;
}

/* rq->lock held; @t has just been queued on it. Should it go before the running one? */
static void check_preempt(struct rq *rq, struct task *t, int cpu)
{
	bool by_curr = cpu == smp_processor_id() && in_task();
	u64 now, left;

	if (rq->curr == rq->idle) {
		resched_curr(rq, cpu);
		return;
	}
	now = ktime_get();
	update_curr(rq, now);
	left = rq->curr->slice_left;
	if (t->slice_left > left && by_curr && t->slice_left - left < WAKER_NS)
		timer_limit_slice(now + min(left, WAKER_NS));
	else if (t->slice_left > left)
		resched_curr(rq, cpu);
	else if (cpu == smp_processor_id())
		timer_limit_slice(now + left);
	else if (rq->nr_queued == 1)
		apic_send_ipi(cpu, VECTOR_RESCHEDULE); /* sched_ipi() limits the turn */
}

/* The next to run; it leaves the lists. rq->lock held. */
static struct task *pick_next(struct rq *rq)
{
	struct task *t;

	if (!rq->nr_queued)
		return rq->idle;
	if (list_empty(rq->active)) {
		struct list_head *l = rq->active;

		rq->active = rq->expired;
		rq->expired = l;
		rq->epoch++;
	}
	t = list_first_entry(rq->active, struct task, run_link);
	list_del_init(&t->run_link);
	rq->nr_queued--;
	refill(rq, t);
	return t;
}

/* Loads what belongs to a task besides its stack. Interrupts off. */
static void switch_context(struct task *prev, struct task *next)
{
	fpu_switch_out(prev);
	if (!next->mm) {
		/* Kernel threads run in whatever address space is loaded; they only use the
		 * kernel's half. */
		next->active_mm = prev->active_mm;
		if (next->active_mm)
			mm_grab(next->active_mm);
	} else {
		next->active_mm = next->mm;
		/* Not prev->active_mm: a CPU may have left what it borrowed (kernel/mm/tlb.c). */
		if (next->mm != this_cpu_read(loaded_mm))
			mm_activate(prev->active_mm, next->mm);
	}
	segments_switch(prev, next);
	if (next->mm)
		fpu_switch_in(next);
	set_kernel_stack(next->kstack_top);
	this_cpu_write(cpu_syscall_limit, next->syscall_limit);
	this_cpu_write(current_task, next);
}

/* Finds a CPU for a task that may not stay here. It is on no run queue, and nobody can wake it. */
static noinline void move_away(struct task *t)
{
	spin_lock_irq(&t->pi_lock);
	activate_task(t);
	spin_unlock_irq(&t->pi_lock);
}

/*
 * The second half of a switch, on the new task's stack: lets go of the old one. Releases the
 * run-queue lock that schedule() took, on whichever stack that was.
 */
static void finish_switch(struct task *prev)
{
	struct rq *rq = this_cpu_ptr(runqueue);
	struct mm *borrowed = NULL;
	unsigned state = prev->state;
	bool on_rq = prev->on_rq;

	if (!prev->mm && prev->active_mm) {
		borrowed = prev->active_mm;
		prev->active_mm = NULL;
	}
	/* Pairs with the acquire in try_to_wake_up(): from here on the task may run elsewhere. */
	smp_store_release(&prev->on_cpu, false);
	spin_unlock_irq(&rq->lock);
	if (borrowed)
		mm_drop(borrowed);
	if (unlikely(state & (TASK_ZOMBIE | TASK_DEAD)))
		task_put(prev);
	else if (unlikely(state == TASK_RUNNING && !on_rq))
		move_away(prev);
}

void schedule_tail(struct task *prev)
{
	finish_switch(prev);
}

void schedule(void)
{
	struct rq *rq;
	struct task *prev = current, *next;
	u64 now;

	if (unlikely(in_atomic()))
		panic("schedule() with preempt_count %x", this_cpu_read(preempt_count));
	if (unlikely(irqs_disabled()))
		panic("schedule() with interrupts off");

	local_irq_disable();
	rq = this_cpu_ptr(runqueue);
	spin_lock(&rq->lock);
	now = ktime_get();
	update_curr(rq, now);
	this_cpu_write(need_resched, false);
	task_clear_work(prev, WORK_RESCHED);

	if (prev != rq->idle) {
		if (prev->state != TASK_RUNNING) {
			prev->on_rq = false;
		} else if (unlikely(!(prev->cpus_allowed & BIT(smp_processor_id())))) {
			prev->on_rq = false; /* finish_switch() finds it another CPU */
		} else {
			/* With part of its turn left it comes next among equals; else it waits for
			 * the next epoch, where refill() gives it a new one. */
			rq->nr_queued++;
			if (prev->slice_left)
				list_add_tail(&prev->run_link, rq->active);
			else
				list_add_tail(&prev->run_link, rq->expired);
		}
	}
	next = pick_next(rq);
	timer_set_slice(rq->nr_queued ? now + next->slice_left : NO_DEADLINE);
	if (next != rq->idle)
		timer_start_tick(now);
	if (next == prev) {
		spin_unlock_irq(&rq->lock);
		return;
	}
	rq->curr = next;
	rq->nr_switches++;
	prev->nr_switches++;
	next->on_cpu = true;
	switch_context(prev, next);
	trace(sched_switch, prev->pid, prev->state); /* told by the next one */
	finish_switch(__switch_to(prev, next));
}

static void deadline_passed(struct timer *t)
{
	wake_up_process(container_of(t, struct sleep_timer, timer)->task);
}

bool schedule_deadline(u64 deadline)
{
	struct sleep_timer st;

	if (deadline == NO_DEADLINE) {
		schedule();
		return false;
	}
	if (ktime_get() >= deadline) {
		set_current_state(TASK_RUNNING);
		return true;
	}
	st.task = current;
	timer_setup(&st.timer, deadline_passed);
	timer_arm(&st.timer, deadline);
	schedule();
	timer_cancel_sync(&st.timer);
	return ktime_get() >= deadline;
}

void cond_resched(void)
{
	if (unlikely(this_cpu_read(need_resched)) && !in_atomic())
		schedule();
}

void yield_cpu(void)
{
	struct rq *rq;

	local_irq_disable();
	rq = this_cpu_ptr(runqueue);
	spin_lock(&rq->lock);
	current->slice_left = 0; /* to the tail of expired: everyone else goes first */
	spin_unlock_irq(&rq->lock);
	schedule();
}

/* ---- waking ---- */

void queue_on(struct task *t, int cpu)
{
	struct rq *rq = per_cpu_ptr(runqueue, cpu);

	spin_lock(&rq->lock);
	if (t->cpu != cpu) {
		t->cpu = cpu;
		t->epoch = 0;
	}
	trace(sched_wakeup, t->pid, cpu);
	t->state = TASK_RUNNING;
	enqueue_task(rq, t);
	check_preempt(rq, t, cpu);
	spin_unlock(&rq->lock);
}

/*
 * About 60 instructions for a task asleep on this CPU. The barrier comes from the atomic in
 * spin_lock; it pairs with set_current_state() in prepare_to_wait().
 */
bool try_to_wake_up(struct task *t, unsigned states)
{
	bool woken = false;
	u64 flags;

	spin_lock_irqsave(&t->pi_lock, flags);
	if (!(READ_ONCE(t->state) & states))
		goto out;
	woken = true;
	if (READ_ONCE(t->on_rq)) {
		/* It has set its state but not left yet: it only has to stay. While pi_lock is held
		 * nobody else can queue it, so its run queue does not change. */
		struct rq *rq = per_cpu_ptr(runqueue, t->cpu);
		bool still;

		spin_lock(&rq->lock);
		still = t->on_rq;
		if (still)
			t->state = TASK_RUNNING;
		spin_unlock(&rq->lock);
		/* It may have gone without falling asleep, on its way to another CPU. */
		if (still || !(READ_ONCE(t->state) & states))
			goto out;
	}
	/* Pairs with the release in finish_switch(): its registers are in memory. */
	while (smp_load_acquire(&t->on_cpu))
		cpu_relax();
	activate_task(t);
out:
	spin_unlock_irqrestore(&t->pi_lock, flags);
	return woken;
}

void wake_up_new_task(struct task *t)
{
	u64 flags;

	spin_lock_irqsave(&t->pi_lock, flags);
	activate_task(t);
	spin_unlock_irqrestore(&t->pi_lock, flags);
}

void kick_task(struct task *t)
{
	u64 flags;
	struct rq *rq;

	spin_lock_irqsave(&t->pi_lock, flags);
	rq = per_cpu_ptr(runqueue, t->cpu);
	spin_lock(&rq->lock);
	if (rq->curr == t && t->cpu != smp_processor_id())
		apic_send_ipi(t->cpu, VECTOR_RESCHEDULE);
	spin_unlock(&rq->lock);
	spin_unlock_irqrestore(&t->pi_lock, flags);
}

void sched_slice_over(void)
{
	struct rq *rq = this_cpu_ptr(runqueue);

	spin_lock(&rq->lock);
	if (rq->curr != rq->idle && rq->nr_queued)
		resched_curr(rq, smp_processor_id());
	spin_unlock(&rq->lock);
	if (nr_cpus > 1)
		push_task();
}

bool sched_tick(bool user)
{
	struct rq *rq = this_cpu_ptr(runqueue);
	struct task *t = rq->curr;
	u64 now = ktime_get();

	if (t == rq->idle)
		return false;
	load_tick(now);
	spin_lock(&rq->lock);
	update_curr(rq, now);
	t->in_system = !user;
	spin_unlock(&rq->lock);
	if (t->signal && READ_ONCE(t->signal->cpu_timers))
		task_set_work(t, WORK_CPU_TIMERS);
	return true;
}

void sched_ipi(void)
{
	struct rq *rq = this_cpu_ptr(runqueue);
	u64 now;

	spin_lock(&rq->lock);
	now = ktime_get();
	update_curr(rq, now);
	if (rq->curr != rq->idle && rq->nr_queued && !this_cpu_read(need_resched))
		timer_set_slice(now + rq->curr->slice_left);
	spin_unlock(&rq->lock);
}

void cpu_idle(void)
{
	for (;;) {
		local_irq_disable();
		if (nr_cpus > 1 && !this_cpu_read(need_resched))
			pull_task();
		/* With interrupts off, whoever queues a task here sets need_resched before this test,
		 * or its interrupt ends the hlt. */
		if (this_cpu_read(need_resched)) {
			local_irq_enable();
			schedule();
		} else {
			sti_hlt();
		}
	}
}

void sched_init_cpu(struct task *idle)
{
	struct rq *rq = this_cpu_ptr(runqueue);

	spin_lock_init(&rq->lock);
	INIT_LIST_HEAD(&rq->lists[0]);
	INIT_LIST_HEAD(&rq->lists[1]);
	rq->active = &rq->lists[0];
	rq->expired = &rq->lists[1];
	rq->epoch = 1;
	rq->since = ktime_get();
	rq->curr = rq->idle = idle;
	idle->is_idle = true;
	idle->state = TASK_RUNNING;
	idle->on_cpu = idle->on_rq = true;
	idle->cpu = smp_processor_id();
	this_cpu_write(current_task, idle);
}

struct cputime task_cputime(struct task *t)
{
	u64 now = ktime_get(), flags, sum, system, ran;
	struct rq *rq;

	spin_lock_irqsave(&t->pi_lock, flags); /* keeps it on its run queue */
	rq = per_cpu_ptr(runqueue, t->cpu);
	spin_lock(&rq->lock);
	sum = t->sum_runtime;
	system = t->sum_system;
	if (rq->curr == t && now > rq->since) {
		ran = now - rq->since;
		sum += ran;
		system += t->in_system ? ran : 0;
	}
	spin_unlock(&rq->lock);
	spin_unlock_irqrestore(&t->pi_lock, flags);
	return (struct cputime){sum - system, system};
}

struct cputime sched_cputime(int cpu, u64 *idle)
{
	struct rq *rq = per_cpu_ptr(runqueue, cpu);
	struct cputime busy;
	u64 flags;

	spin_lock_irqsave(&rq->lock, flags);
	update_curr(rq, ktime_get());
	busy = rq->busy;
	*idle = rq->idle_ns;
	spin_unlock_irqrestore(&rq->lock, flags);
	return busy;
}

u64 sched_nr_switches(int cpu)
{
	return READ_ONCE(per_cpu(runqueue, cpu).nr_switches);
}

int sched_nr_waiting(int cpu)
{
	return READ_ONCE(per_cpu(runqueue, cpu).nr_queued);
}

int sched_nr_running(void)
{
	int n = 0;

	for_each_cpu(cpu) n += cpu_load(cpu);
	return n;
}
