/*
 * Tests of what makes things happen later: softirqs and their hand-over to ksoftirqd, timers,
 * sleeping with a deadline, the fairness of the run queue, mutexes under contention.
 */
#include "kernel/irq/softirq.h"
#include "kernel/lib/ktest.h"
#include "kernel/sched/completion.h"
#include "kernel/sched/mutex.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task.h"
#include "kernel/time/ktime.h"
#include "kernel/time/timer.h"

struct order_timer {
	struct timer t;
	int *next;
	int position;
	struct completion *done;
};

static void note_order(struct timer *t)
{
	struct order_timer *o = container_of(t, struct order_timer, t);

	o->position = (*o->next)++;
	if (o->done)
		complete(o->done);
}

KTEST(timers_fire_in_order_and_never_early)
{
	static const u64 delay_us[] = {3000, 1000, 2000, 1000, 5000};
	static const int expected[] = {3, 0, 2, 1, 4};
	struct order_timer o[ARRAY_SIZE(delay_us)];
	struct completion done;
	int next = 0;
	u64 start = ktime_get();

	init_completion(&done);
	for (size_t i = 0; i < ARRAY_SIZE(o); i++) {
		timer_setup(&o[i].t, note_order);
		o[i].next = &next;
		o[i].position = -1;
		o[i].done = delay_us[i] == 5000 ? &done : NULL;
	}
	/* None fires before all are armed, however long the host lets us wait in between. */
	local_bh_disable();
	for (size_t i = 0; i < ARRAY_SIZE(o); i++)
		timer_arm(&o[i].t, start + delay_us[i] * NSEC_PER_USEC);
	local_bh_enable();
	wait_for_completion(&done);
	for (size_t i = 0; i < ARRAY_SIZE(o); i++)
		timer_cancel_sync(&o[i].t);
	EXPECT(ktime_get() - start >= 5 * NSEC_PER_MSEC);
	for (size_t i = 0; i < ARRAY_SIZE(o); i++)
		EXPECT(o[i].position == expected[i]);
}

KTEST(timer_cancel_and_rearm)
{
	struct order_timer o = {.position = -1};
	int next = 7;
	struct completion done;

	init_completion(&done);
	timer_setup(&o.t, note_order);
	o.next = &next;
	EXPECT(!timer_pending(&o.t));
	EXPECT(!timer_cancel(&o.t));
	timer_arm(&o.t, ktime_get() + NSEC_PER_SEC * 3600);
	EXPECT(timer_pending(&o.t));
	EXPECT(timer_cancel_sync(&o.t));
	EXPECT(o.position == -1);
	o.done = &done;
	timer_arm(&o.t, ktime_get() + NSEC_PER_SEC * 3600);
	timer_arm(&o.t, ktime_get());
	wait_for_completion(&done);
	timer_cancel_sync(&o.t);
	EXPECT(o.position == 7);
}

struct flood {
	struct timer t;
	int left;
	int cpu;
	int in_softirq; /* on this CPU */
	struct completion done;
};

static void flood_again(struct timer *t)
{
	struct flood *f = container_of(t, struct flood, t);

	f->in_softirq += in_softirq() && !in_hardirq() && smp_processor_id() == f->cpu;
	if (--f->left)
		timer_arm(t, 0); /* in the past: due at once */
	else
		complete(&f->done);
}

/* A softirq that always finds more to do must end up in this CPU's ksoftirqd: tasks get their turn. */
static bool flood_moves(int cpu)
{
	struct flood f = {.left = 10000, .cpu = cpu};
	u64 before = ksoftirqd_rounds(cpu);

	init_completion(&f.done);
	timer_setup(&f.t, flood_again);
	timer_arm(&f.t, 0);
	wait_for_completion(&f.done);
	timer_cancel_sync(&f.t);
	return f.in_softirq == 10000 && ksoftirqd_rounds(cpu) > before;
}

KTEST(softirq_flood_moves_to_ksoftirqd)
{
	u64 mine = current->cpus_allowed;

	for_each_cpu(cpu)
	{
		set_cpus_allowed(current, BIT(cpu));
		EXPECT(flood_moves(cpu));
	}
	set_cpus_allowed(current, mine);
}

KTEST(context_predicates)
{
	EXPECT(in_task() && !in_softirq() && !in_hardirq() && !in_atomic());
	local_bh_disable();
	EXPECT(in_task() && !in_softirq() && in_atomic());
	local_bh_enable();
	preempt_disable();
	EXPECT(in_atomic() && in_task());
	preempt_enable();
	EXPECT(!in_atomic());
}

KTEST(wait_event_deadline)
{
	DECLARE_WAIT_QUEUE_HEAD(wq);
	u64 start = ktime_get(), deadline = start + 2 * NSEC_PER_MSEC;
	bool never = false;

	EXPECT(wait_event_interruptible_deadline(&wq, READ_ONCE(never), deadline) == -ETIME);
	EXPECT(ktime_get() >= deadline);
	EXPECT(!waitqueue_active(&wq));
	EXPECT(wait_event_interruptible_deadline(&wq, true, start) == 0);
}

#define CONTENDERS 8
#define ROUNDS     2000

struct contest {
	struct mutex lock;
	long value;
	atomic_t running;
	struct completion done;
};

static int contend(void *arg)
{
	struct contest *c = arg;

	for (int i = 0; i < ROUNDS; i++) {
		long v;

		mutex_lock(&c->lock);
		v = READ_ONCE(c->value);
		if (i % 16 == 0)
			yield_cpu(); /* let the others run into the lock */
		WRITE_ONCE(c->value, v + 1);
		mutex_unlock(&c->lock);
	}
	if (atomic_dec_and_test(&c->running))
		complete(&c->done);
	return 0;
}

KTEST(mutex_excludes)
{
	static struct contest c;

	mutex_init(&c.lock);
	c.value = 0;
	atomic_set(&c.running, CONTENDERS);
	init_completion(&c.done);
	for (int i = 0; i < CONTENDERS; i++)
		EXPECT(kthread_run(contend, &c, -1, "contend/%d", i));
	wait_for_completion(&c.done);
	EXPECT(c.value == (long)CONTENDERS * ROUNDS);
	EXPECT(!mutex_is_locked(&c.lock));
}

/* Takes the lock again and again; others get it only if they are let. */
static int hog(void *arg)
{
	struct contest *c = arg;

	for (int i = 0; i < 100000 && atomic_read(&c->running) == 2; i++) {
		mutex_lock(&c->lock);
		WRITE_ONCE(c->value, c->value + 1);
		yield_cpu();
		mutex_unlock(&c->lock);
	}
	complete(&c->done);
	return 0;
}

static int modest(void *arg)
{
	struct contest *c = arg;

	for (int i = 0; i < 10; i++) {
		yield_cpu();
		mutex_lock(&c->lock);
		mutex_unlock(&c->lock);
	}
	atomic_dec(&c->running);
	return 0;
}

/* On one CPU, so that they take turns and nothing depends on speed. */
KTEST(mutex_starves_nobody)
{
	static struct contest c;

	mutex_init(&c.lock);
	c.value = 0;
	atomic_set(&c.running, 2);
	init_completion(&c.done);
	EXPECT(kthread_run(hog, &c, 0, "hog"));
	EXPECT(kthread_run(modest, &c, 0, "modest"));
	wait_for_completion(&c.done);
	EXPECT(c.value < 1000);
	EXPECT(!mutex_is_locked(&c.lock) && !c.lock.heir);
}

struct relay {
	struct wait_queue_head wq;
	int turn;
	atomic_t running;
	struct completion done;
};

static int run_relay(void *arg)
{
	struct relay *r = arg;
	int me = atomic_inc_return(&r->running) - 1;

	for (int i = 0; i < 1000; i++) {
		wait_event(&r->wq, READ_ONCE(r->turn) == me);
		WRITE_ONCE(r->turn, 1 - me);
		wake_up_all(&r->wq);
	}
	if (me)
		complete(&r->done);
	return 0;
}

/* Two tasks pass a baton a thousand times: one lost wake-up would hang the test. */
KTEST(wake_ups_are_not_lost)
{
	static struct relay r;

	init_waitqueue_head(&r.wq);
	init_completion(&r.done);
	r.turn = 0;
	atomic_set(&r.running, 0);
	EXPECT(kthread_run(run_relay, &r, -1, "relay/0"));
	EXPECT(kthread_run(run_relay, &r, -1, "relay/1"));
	wait_for_completion(&r.done);
	EXPECT(r.turn == 0);
}

struct nap {
	struct completion go, over;
};

static int nap_until_told(void *arg)
{
	struct nap *n = arg;

	wait_for_completion(&n->go);
	complete(&n->over);
	return 0;
}

static void work_until(u64 time, bool or_interrupted)
{
	while (ktime_get() < time && !(or_interrupted && this_cpu_read(need_resched)))
		cpu_relax();
}

struct wake_seen {
	bool at_once; /* the waker was to be interrupted the moment it had woken the other */
	u64 woken; /* when that was known, and when it was interrupted: ns after it began to work */
	u64 interrupted;
};

/* Both have a whole turn, of which the waker uses a little. */
static bool wake_while_working(struct wake_seen *seen)
{
	struct nap n;
	u64 start;

	init_completion(&n.go);
	init_completion(&n.over);
	if (!kthread_run(nap_until_told, &n, smp_processor_id(), "nap"))
		return false;
	yield_cpu();
	yield_cpu();
	start = ktime_get();
	work_until(start + 100 * NSEC_PER_USEC, false);
	complete(&n.go);
	seen->at_once = this_cpu_read(need_resched);
	seen->woken = ktime_get() - start;
	work_until(start + NSEC_PER_SEC, true);
	seen->interrupted = ktime_get() - start;
	wait_for_completion(&n.over);
	return true;
}

/* That the other has a little more left of its turn is no reason to interrupt the waker at once, but soon. */
KTEST(waker_is_not_interrupted_at_once)
{
	u64 mine = current->cpus_allowed;
	struct wake_seen seen;
	int tries = 0;

	set_cpus_allowed(current, BIT(0));
	do /* again if the host has stopped the machine meanwhile */
		EXPECT(wake_while_working(&seen));
	while (seen.woken > 500 * NSEC_PER_USEC && ++tries < 100);
	set_cpus_allowed(current, mine);
	EXPECT(tries < 100);
	EXPECT(!seen.at_once);
	EXPECT(seen.interrupted < NSEC_PER_SEC);
}

/* The test itself runs, and so is one that the samples find; minutes nobody looked at were idle. */
KTEST(load_average)
{
	const u64 minute = 60 * NSEC_PER_SEC;
	u64 now = ktime_get(), avg[3];

	for (int i = 1; i <= 12; i++)
		load_tick(now + (u64)i * minute / 12);
	load_averages(avg, 11);
	EXPECT(avg[0] >= 2048 * 60 / 100 && avg[0] > avg[1] && avg[1] > avg[2] && avg[2] > 0);
	load_tick(now + 30 * minute);
	load_averages(avg, 11);
	EXPECT(avg[0] < 2048 / 2 && avg[2] < 2048 / 2);
}
