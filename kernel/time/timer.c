/*
 * Timers without a tick.
 *
 * Each CPU has a base: a red-black tree of its armed timers by expiry. The local APIC's one-shot
 * timer is armed for the earliest of them, or for the end of the running task's time slice when
 * other tasks wait (the scheduler tells through timer_set_slice()). A busy CPU is interrupted every
 * TICK_NS besides, to sample what it does (sched_tick()). With nothing to do and nothing to wait for it
 * is not armed at all and the CPU sleeps in hlt until a device speaks.
 *
 * When it fires, timer_interrupt() only raises TIMER_SOFTIRQ; run_timers() then calls the
 * functions of all that have expired. A timer never fires before its time: the hardware may be
 * early by its resolution, then it is armed again.
 *
 * Disarming does not touch the hardware: the interrupt comes, finds nothing, and arms for the
 * next. A register access costs more than the rare empty interrupt.
 *
 * LOCKING: base->lock guards the tree and the fields of its timers; interrupts off. It is a leaf:
 * functions run without it.
 */
#include "kernel/time/timer.h"

#include "kernel/cpu/apic.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/sched/spinlock.h"
#include "kernel/sched/task.h"
#include "kernel/time/ktime.h"

#define NEVER       (~0ull)
#define TIMER_BATCH 64
#define TICK_NS     (10 * NSEC_PER_MSEC)

struct timer_base {
	spinlock_t lock;
	struct rb_root timers; /* [lock] by expires, equal ones in order of arming */
	struct rb_node *first; /* [lock] leftmost, NULL if empty */
	struct timer *running; /* [lock] its function is being called */
	u64 hw_expires;        /* [interrupts off] what the APIC is armed for, or NEVER */
	u64 slice_end;         /* [interrupts off] end of the running task's turn, or NEVER */
	u64 tick;              /* [interrupts off] the next sample, or NEVER */
};

static DEFINE_PER_CPU(struct timer_base, timer_base) = {.lock = SPINLOCK_INIT(timer_base.lock),
							.hw_expires = NEVER,
							.slice_end = NEVER,
							.tick = NEVER};

static u64 first_expiry(struct timer_base *b)
{
	return b->first ? rb_entry(b->first, struct timer, node)->expires : NEVER;
}

/* Arms this CPU's APIC for @when unless it fires sooner anyway. Interrupts off. */
static void program_hw(struct timer_base *b, u64 when)
{
	u64 now;

	if (when >= b->hw_expires)
		return;
	b->hw_expires = when;
	now = ktime_get();
	apic_timer_arm(when > now ? when - now : 1);
}

void timer_setup(struct timer *t, void (*func)(struct timer *t))
{
	RB_CLEAR_NODE(&t->node);
	t->func = func;
	t->expires = 0;
	t->cpu = smp_processor_id();
}

bool timer_pending(const struct timer *t)
{
	return !RB_EMPTY_NODE(&t->node);
}

static void enqueue(struct timer_base *b, struct timer *t)
{
	struct rb_node **link = &b->timers.node, *parent = NULL;
	bool leftmost = true;

	while (*link) {
		parent = *link;
		if (t->expires < rb_entry(parent, struct timer, node)->expires) {
			link = &parent->left;
		} else {
			link = &parent->right;
			leftmost = false;
		}
	}
	rb_insert(&t->node, parent, link, &b->timers);
	if (leftmost)
		b->first = &t->node;
}

static void dequeue(struct timer_base *b, struct timer *t)
{
	if (b->first == &t->node)
		b->first = rb_next(&t->node);
	rb_erase(&t->node, &b->timers);
	RB_CLEAR_NODE(&t->node);
}

/* Locks the base that @t belongs to; it may move to another until the lock is held. */
static struct timer_base *lock_base(struct timer *t, u64 *flags)
{
	for (;;) {
		int cpu = READ_ONCE(t->cpu);
		struct timer_base *b = per_cpu_ptr(timer_base, cpu);

		spin_lock_irqsave(&b->lock, *flags);
		if (t->cpu == cpu)
			return b;
		spin_unlock_irqrestore(&b->lock, *flags);
	}
}

/*
 * A timer moves to the CPU that arms it, except while its function runs elsewhere: then it stays,
 * so that timer_cancel_sync() needs to look at one base only.
 */
void timer_arm(struct timer *t, u64 expires)
{
	struct timer_base *b, *mine;
	u64 flags;

	b = lock_base(t, &flags);
	if (timer_pending(t))
		dequeue(b, t);
	mine = this_cpu_ptr(timer_base);
	if (b != mine && b->running != t) {
		t->cpu = smp_processor_id();
		spin_unlock(&b->lock);
		spin_lock(&mine->lock);
		b = mine;
	}
	t->expires = expires;
	enqueue(b, t);
	if (b == mine)
		program_hw(b, first_expiry(b));
	else if (b->first == &t->node)
		apic_send_ipi(t->cpu, VECTOR_TIMER); /* it arms its own APIC */
	spin_unlock_irqrestore(&b->lock, flags);
}

bool timer_cancel(struct timer *t)
{
	struct timer_base *b;
	bool was;
	u64 flags;

	b = lock_base(t, &flags);
	was = timer_pending(t);
	if (was)
		dequeue(b, t);
	spin_unlock_irqrestore(&b->lock, flags);
	return was;
}

bool timer_cancel_sync(struct timer *t)
{
	bool was = false;

	for (;;) {
		u64 flags;
		struct timer_base *b = lock_base(t, &flags);
		bool running = b->running == t;

		if (timer_pending(t)) {
			dequeue(b, t);
			was = true;
		}
		spin_unlock_irqrestore(&b->lock, flags);
		if (!running)
			return was;
		/* It runs in a softirq on another CPU and does not sleep. */
		cpu_relax();
	}
}

/*
 * TIMER_SOFTIRQ. O(log n) for each timer that has expired. After TIMER_BATCH of them it raises itself
 * again, so that the softirq budget counts and timers that arm themselves cannot hold the CPU.
 */
static void run_timers(void)
{
	struct timer_base *b = this_cpu_ptr(timer_base);
	int budget = TIMER_BATCH;

	spin_lock_irq(&b->lock);
	while (b->first && first_expiry(b) <= ktime_get()) {
		if (!budget--) {
			raise_softirq(TIMER_SOFTIRQ);
			break;
		}
		struct timer *t = rb_entry(b->first, struct timer, node);

		dequeue(b, t);
		b->running = t;
		spin_unlock_irq(&b->lock);
		t->func(t); /* may free t */
		spin_lock_irq(&b->lock);
		b->running = NULL;
	}
	/* After a full batch the first may lie in the past: the interrupt then comes at once, and
	 * raises a softirq that is raised already. */
	program_hw(b, first_expiry(b));
	spin_unlock_irq(&b->lock);
}

void timer_interrupt(bool user)
{
	struct timer_base *b = this_cpu_ptr(timer_base);
	u64 now = ktime_get(), first;

	b->hw_expires = NEVER;
	if (b->slice_end <= now) {
		b->slice_end = NEVER;
		sched_slice_over();
	}
	if (b->tick <= now)
		b->tick = sched_tick(user) ? now + TICK_NS : NEVER;
	spin_lock(&b->lock);
	first = first_expiry(b);
	if (first <= now) {
		raise_softirq(TIMER_SOFTIRQ); /* which arms for the one after */
		first = NEVER;
	}
	program_hw(b, min(first, min(b->slice_end, b->tick)));
	spin_unlock(&b->lock);
}

void timer_set_slice(u64 end)
{
	struct timer_base *b = this_cpu_ptr(timer_base);

	b->slice_end = end;
	program_hw(b, end);
}

void timer_limit_slice(u64 end)
{
	timer_set_slice(min(end, this_cpu_ptr(timer_base)->slice_end));
}

void timer_start_tick(u64 now)
{
	struct timer_base *b = this_cpu_ptr(timer_base);

	if (b->tick != NEVER)
		return;
	b->tick = now + TICK_NS;
	program_hw(b, b->tick);
}

static __init int timer_softirq_init(void)
{
	open_softirq(TIMER_SOFTIRQ, run_timers);
	return 0;
}
core_initcall(timer_softirq_init);
