/*
 * Several CPUs: calls by interrupt, wake-ups, TLB shoot-down, affinity and balance, timers. With one
 * CPU each test has little to do and passes.
 *
 * Tests that make all CPUs busy use kernel threads that call cond_resched(), as programs would be
 * preempted.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/smp.h"
#include "kernel/lib/atomic.h"
#include "kernel/lib/ktest.h"
#include "kernel/lib/string.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/completion.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task.h"
#include "kernel/time/ktime.h"
#include "kernel/time/timer.h"

#define PATIENCE (20 * NSEC_PER_SEC) /* longer than anything here takes */

static void nap(u64 ns)
{
	DECLARE_WAIT_QUEUE_HEAD(nobody);

	wait_event_interruptible_deadline(&nobody, false, ktime_get() + ns);
}

/* Another CPU than this one, or this one if there is no other. */
static int other_cpu(void)
{
	return (smp_processor_id() + 1) % nr_cpus;
}

/* ---- calls ---- */

struct calls {
	atomic_t count[MAX_CPUS];
	atomic_t wrong; /* made on another CPU, or not in a hard interrupt or with interrupts on */
	int caller;
};

static void count_call(void *arg)
{
	struct calls *c = arg;
	int here = smp_processor_id();

	atomic_inc(&c->count[here]);
	if (!irqs_disabled() || (here != c->caller && !in_hardirq()))
		atomic_inc(&c->wrong);
}

KTEST(smp_calls_reach_their_cpus)
{
	static struct calls c;

	memset(&c, 0, sizeof(c));
	c.caller = smp_processor_id();
	for (int i = 0; i < 200; i++) {
		for_each_cpu(cpu)
		{
			smp_call_function_single(cpu, count_call, &c, true);
			EXPECT(atomic_read(&c.count[cpu]) == 2 * i + 1);
		}
		on_each_cpu(count_call, &c);
		for_each_cpu(cpu)
		{
			EXPECT(atomic_read(&c.count[cpu]) == 2 * i + 2);
		}
	}
	/* The caller's own CPU and those that are not there are left out. */
	smp_call_function_many(~0ul << nr_cpus | BIT(c.caller), count_call, &c, true);
	EXPECT(atomic_read(&c.count[c.caller]) == 400);
	EXPECT(atomic_read(&c.wrong) == 0);
}

/* One slot for each pair of CPUs: the next call waits until the one before is through. */
KTEST(smp_calls_without_waiting)
{
	static struct calls c;
	u64 give_up = ktime_get() + PATIENCE;

	memset(&c, 0, sizeof(c));
	c.caller = smp_processor_id();
	for (int i = 0; i < 500; i++)
		smp_call_function_many(~0ul, count_call, &c, false);
	for_each_cpu(cpu)
	{
		int due = cpu == c.caller ? 0 : 500;

		while (atomic_read(&c.count[cpu]) < due && ktime_get() < give_up)
			cpu_relax();
		EXPECT(atomic_read(&c.count[cpu]) == due);
	}
	EXPECT(atomic_read(&c.wrong) == 0);
}

/* Everybody calls everybody and waits: whoever waits must answer. */
struct crowd {
	atomic_t running, answered;
	struct completion done;
};

static void answer(void *arg)
{
	struct crowd *c = arg;

	atomic_inc(&c->answered);
}

static int call_all(void *arg)
{
	struct crowd *c = arg;

	for (int i = 0; i < 300; i++)
		on_each_cpu(answer, c);
	if (atomic_dec_and_test(&c->running))
		complete(&c->done);
	return 0;
}

KTEST(smp_calls_cross)
{
	static struct crowd c;

	atomic_set(&c.answered, 0);
	atomic_set(&c.running, nr_cpus);
	init_completion(&c.done);
	for_each_cpu(cpu)
	{
		EXPECT(kthread_run(call_all, &c, cpu, "caller/%d", cpu));
	}
	wait_for_completion(&c.done);
	EXPECT(atomic_read(&c.answered) == 300 * nr_cpus * nr_cpus);
}

/* ---- wake-ups ---- */

/* A baton goes round over all CPUs, each of which is idle when it comes. */
struct ring {
	struct wait_queue_head wq[MAX_CPUS];
	int turn; /* laps times CPUs, plus CPU */
	atomic_t running, strays;
	struct completion done;
};

#define LAPS 200

static int pass_on(void *arg)
{
	struct ring *r = arg;
	int me = smp_processor_id();

	for (int lap = 0; lap < LAPS; lap++) {
		wait_event(&r->wq[me], READ_ONCE(r->turn) == lap * nr_cpus + me);
		if (smp_processor_id() != me)
			atomic_inc(&r->strays);
		WRITE_ONCE(r->turn, r->turn + 1);
		wake_up(&r->wq[(me + 1) % nr_cpus]);
	}
	if (atomic_dec_and_test(&r->running))
		complete(&r->done);
	return 0;
}

KTEST(smp_wake_ups_go_round)
{
	static struct ring r;

	r.turn = 0;
	atomic_set(&r.running, nr_cpus);
	atomic_set(&r.strays, 0);
	init_completion(&r.done);
	for_each_cpu(cpu)
	{
		init_waitqueue_head(&r.wq[cpu]);
	}
	for_each_cpu(cpu)
	{
		EXPECT(kthread_run(pass_on, &r, cpu, "ring/%d", cpu));
	}
	wait_for_completion(&r.done);
	EXPECT(r.turn == LAPS * nr_cpus);
	EXPECT(atomic_read(&r.strays) == 0);
}

/* ---- TLB ---- */

#define MAGIC 0x706f6c6c7578ul

/* Two pages; the other CPU reads through an address that is moved from the first to the second. */
struct remap {
	volatile u64 *va;
	u64 seen;
};

static void read_word(void *arg)
{
	struct remap *r = arg;

	r->seen = *r->va;
}

KTEST(smp_kernel_shootdown)
{
	u64 va = VMALLOC_END - 16 * PAGE_SIZE; /* behind the last kernel stack */
	struct remap r = {.va = (volatile u64 *)va};
	struct page *p[2];

	for (int i = 0; i < 2; i++) {
		p[i] = alloc_page(GFP_KERNEL);
		EXPECT(p[i]);
		*(u64 *)page_address(p[i]) = MAGIC + i;
	}
	for (int i = 0; i < 50; i++) {
		EXPECT(!kmap_page(va, page_to_phys(p[i % 2]), PTE_KERNEL_RW));
		for_each_cpu(cpu)
		{
			smp_call_function_single(cpu, read_word, &r, true);
			EXPECT(r.seen == MAGIC + i % 2);
		}
		kunmap_page(va);
		tlb_flush_kernel(va, va + PAGE_SIZE);
	}
	free_pages(p[0], 0);
	free_pages(p[1], 0);
}

/*
 * An address space that two CPUs have loaded. One flushes, and the other must be told; the borrower
 * leaves it at the first flush and is not told again.
 */
struct lazy {
	struct mm *mm;
	struct wait_queue_head wq;
	int step; /* 1: borrowed, 2: to end */
	struct completion done;
};

static int borrow_mm(void *arg)
{
	struct lazy *l = arg;

	/* As the switch from one of its tasks would have left it. */
	local_irq_disable();
	mm_activate(current->active_mm, l->mm);
	if (current->active_mm)
		mm_drop(current->active_mm);
	current->active_mm = l->mm;
	mm_grab(l->mm);
	local_irq_enable();
	WRITE_ONCE(l->step, 1);
	wake_up(&l->wq);
	wait_event(&l->wq, READ_ONCE(l->step) == 2);
	complete(&l->done);
	return 0;
}

KTEST(smp_lazy_tlb)
{
	int there = other_cpu();
	struct lazy l = {.mm = mm_alloc()};

	if (nr_cpus == 1) {
		mm_put(l.mm);
		return;
	}
	EXPECT(l.mm);
	init_waitqueue_head(&l.wq);
	init_completion(&l.done);
	EXPECT(kthread_run(borrow_mm, &l, there, "borrow"));
	wait_event(&l.wq, READ_ONCE(l.step) == 1);
	EXPECT(READ_ONCE(l.mm->cpumask) == BIT(there));
	tlb_flush_range(l.mm, PAGE_SIZE, 2 * PAGE_SIZE);
	EXPECT(READ_ONCE(l.mm->cpumask) == 0);
	WRITE_ONCE(l.step, 2);
	wake_up(&l.wq);
	wait_for_completion(&l.done);
	mm_put(l.mm);
}

/* ---- memory ---- */

/*
 * Each CPU takes and gives back objects and pages out of its own caches, and some of what one took
 * another gives back. Each is marked by who has it: were it handed out twice, the mark would be wrong.
 */
#define HANDS       24
#define HAND_ROUNDS 300

struct mark {
	u64 owner, check;
};

struct handout {
	struct kmem_cache *cache;
	struct mark *passed[MAX_CPUS]; /* [a] from one CPU to the next, or NULL */
	atomic_t running, wrong;
	struct completion done;
};

static void mark_as(struct mark *m, u64 owner)
{
	m->owner = owner;
	m->check = ~owner;
}

static void unmark(struct handout *h, struct mark *m, u64 owner)
{
	if (m->owner != owner || m->check != ~owner)
		atomic_inc(&h->wrong);
	mark_as(m, 0);
}

static void hand_round(struct handout *h, u64 me)
{
	struct mark *object[HANDS] = {NULL}, *old;
	struct page *page[HANDS] = {NULL};
	int here = smp_processor_id();

	for (int i = 0; i < HANDS; i++) {
		object[i] = kmem_cache_alloc(h->cache, GFP_KERNEL);
		page[i] = alloc_page(GFP_KERNEL);
		if (!object[i] || !page[i]) {
			atomic_inc(&h->wrong);
			continue;
		}
		mark_as(object[i], me);
		mark_as(page_address(page[i]), me);
	}
	cond_resched();
	for (int i = 0; i < HANDS; i++) {
		if (page[i]) {
			unmark(h, page_address(page[i]), me);
			free_pages(page[i], 0);
		}
		if (!object[i])
			continue;
		unmark(h, object[i], me);
		old = xchg(&h->passed[(here + i) % nr_cpus], object[i]);
		if (old)
			kmem_cache_free(h->cache, old);
	}
}

static int hand_out(void *arg)
{
	struct handout *h = arg;

	for (u64 i = 0; i < HAND_ROUNDS; i++)
		hand_round(h, (u64)smp_processor_id() << 32 | (i + 1));
	if (atomic_dec_and_test(&h->running))
		complete(&h->done);
	return 0;
}

KTEST(smp_caches_hand_out_once)
{
	static struct handout h;

	h = (struct handout){.running = ATOMIC_INIT(nr_cpus)};
	h.cache = kmem_cache_create("handed", sizeof(struct mark), 0);
	init_completion(&h.done);
	for_each_cpu(cpu)
	{
		EXPECT(kthread_run(hand_out, &h, cpu, "hand/%d", cpu));
	}
	wait_for_completion(&h.done);
	EXPECT(atomic_read(&h.wrong) == 0);
	for_each_cpu(cpu)
	{
		if (h.passed[cpu])
			kmem_cache_free(h.cache, h.passed[cpu]);
	}
	kmem_cache_destroy(h.cache); /* panics if an object is missing */
}

/* ---- affinity and balance ---- */

struct hogs {
	bool stop;
	atomic_t running, strays;
	u64 ran_on[4 * MAX_CPUS]; /* of hog i: CPUs it has been seen on lately */
	struct completion done;
};

struct hog {
	struct hogs *all;
	int nr;
	int pinned; /* CPU, or -1 */
};

static struct hogs hogs;
static struct hog hog[4 * MAX_CPUS];

static int run_hog(void *arg)
{
	struct hog *h = arg;

	while (!READ_ONCE(hogs.stop)) {
		WRITE_ONCE(hogs.ran_on[h->nr], BIT(smp_processor_id()));
		if (h->pinned >= 0 && h->pinned != smp_processor_id())
			atomic_inc(&hogs.strays);
		cond_resched();
		cpu_relax();
	}
	if (atomic_dec_and_test(&hogs.running))
		complete(&hogs.done);
	return 0;
}

/* Starts @n of them; @pin: one on each CPU in turn, else all begin here. The tasks are in @t. */
static bool start_hogs(int n, bool pin, struct task **t)
{
	hogs.stop = false;
	atomic_set(&hogs.running, n);
	atomic_set(&hogs.strays, 0);
	memset(hogs.ran_on, 0, sizeof(hogs.ran_on));
	init_completion(&hogs.done);
	for (int i = 0; i < n; i++) {
		hog[i] = (struct hog){&hogs, i, pin ? i % nr_cpus : -1};
		t[i] = kthread_run(run_hog, &hog[i], hog[i].pinned, "hog/%d", i);
		if (!t[i])
			return false;
	}
	return true;
}

static void stop_hogs(void)
{
	WRITE_ONCE(hogs.stop, true);
	wait_for_completion(&hogs.done);
}

KTEST(smp_pinned_tasks_stay)
{
	struct task *t[2 * MAX_CPUS];

	EXPECT(start_hogs(2 * nr_cpus, true, t));
	nap(100 * NSEC_PER_MSEC);
	stop_hogs();
	EXPECT(atomic_read(&hogs.strays) == 0);
}

/* Has each CPU one of the @n hogs that run? */
static bool spread_out(int n)
{
	u64 used = 0;

	for (int i = 0; i < n; i++)
		used |= READ_ONCE(hogs.ran_on[i]);
	return used == online_cpus();
}

KTEST(smp_hogs_spread_out)
{
	u64 give_up = ktime_get() + PATIENCE;
	struct task *t[MAX_CPUS];

	/* As many as CPUs, though this test is there too, but asleep. */
	EXPECT(start_hogs(nr_cpus, false, t));
	while (!spread_out(nr_cpus) && ktime_get() < give_up)
		nap(5 * NSEC_PER_MSEC);
	EXPECT(spread_out(nr_cpus));
	stop_hogs();
}

/* All of them crowd on CPU 0 and are then allowed everywhere: those who push or pull spread them. */
KTEST(smp_crowd_disperses)
{
	u64 give_up = ktime_get() + PATIENCE;
	struct task *t[2 * MAX_CPUS];

	EXPECT(start_hogs(2 * nr_cpus, false, t));
	for (int i = 0; i < 2 * nr_cpus; i++)
		set_cpus_allowed(t[i], BIT(0));
	for (int i = 0; i < 2 * nr_cpus; i++) {
		WRITE_ONCE(hogs.ran_on[i], 0);
	}
	nap(50 * NSEC_PER_MSEC);
	for (int i = 0; i < 2 * nr_cpus; i++)
		EXPECT(!(READ_ONCE(hogs.ran_on[i]) & ~BIT(0)));
	for (int i = 0; i < 2 * nr_cpus; i++)
		set_cpus_allowed(t[i], ~0ul);
	while (!spread_out(2 * nr_cpus) && ktime_get() < give_up)
		nap(5 * NSEC_PER_MSEC);
	EXPECT(spread_out(2 * nr_cpus));
	stop_hogs();
}

/* One more hog than CPUs: those who share one CPU are not always the same, so all move in the end. */
KTEST(smp_odd_hog_rotates)
{
	u64 give_up = ktime_get() + PATIENCE, been[MAX_CPUS + 1] = {0};
	struct task *t[MAX_CPUS + 1];
	int stayed = nr_cpus + 1;

	EXPECT(start_hogs(nr_cpus + 1, false, t));
	while (nr_cpus > 1 && stayed && ktime_get() < give_up) {
		nap(5 * NSEC_PER_MSEC);
		stayed = 0;
		for (int i = 0; i <= nr_cpus; i++) {
			been[i] |= READ_ONCE(hogs.ran_on[i]);
			stayed += !(been[i] & (been[i] - 1));
		}
	}
	stop_hogs();
	EXPECT(nr_cpus == 1 || !stayed);
}

/* A task goes where it is allowed at once, whether it runs, waits or moves itself. */
KTEST(smp_affinity_moves)
{
	u64 mine = current->cpus_allowed;
	struct task *t[2 * MAX_CPUS];

	EXPECT(start_hogs(2 * nr_cpus, false, t));
	for (int i = 0; i < 100; i++) {
		int cpu = i % nr_cpus;

		set_cpus_allowed(current, BIT(cpu));
		EXPECT(smp_processor_id() == cpu);
		set_cpus_allowed(t[i % (2 * nr_cpus)], BIT((i * 7 + 3) % nr_cpus));
	}
	set_cpus_allowed(current, mine);
	stop_hogs();
}

/* ---- timers ---- */

struct tick {
	struct timer timer;
	int left, cpu;
	u64 due;
	atomic_t *running, *early, *strays;
	struct completion *done;
};

static void ticked(struct timer *t)
{
	struct tick *k = container_of(t, struct tick, timer);

	if (ktime_get() < k->due)
		atomic_inc(k->early);
	if (smp_processor_id() != k->cpu)
		atomic_inc(k->strays);
	if (--k->left) {
		k->due = ktime_get() + 200 * NSEC_PER_USEC;
		timer_arm(t, k->due);
	} else if (atomic_dec_and_test(k->running)) {
		complete(k->done);
	}
}

static void start_tick(void *arg)
{
	struct tick *k = (struct tick *)arg + smp_processor_id();

	timer_setup(&k->timer, ticked);
	k->due = ktime_get() + NSEC_PER_MSEC;
	timer_arm(&k->timer, k->due);
}

/* Each CPU has its own clock and softirqs: one armed from an interrupt on each, again and again. */
KTEST(smp_timers_on_all_cpus)
{
	static struct tick k[MAX_CPUS];
	atomic_t running = ATOMIC_INIT(nr_cpus), early = ATOMIC_INIT(0), strays = ATOMIC_INIT(0);
	struct completion done;

	init_completion(&done);
	for_each_cpu(cpu)
	{
		k[cpu] = (struct tick){.left = 50,
				       .cpu = cpu,
				       .running = &running,
				       .early = &early,
				       .strays = &strays,
				       .done = &done};
	}
	on_each_cpu(start_tick, k);
	wait_for_completion(&done);
	for_each_cpu(cpu)
	{
		timer_cancel_sync(&k[cpu].timer);
	}
	EXPECT(atomic_read(&early) == 0 && atomic_read(&strays) == 0);
}

/* A timer that others cancel and arm anew: it fires once for each time it was left alone. */
struct contested {
	struct timer timer;
	spinlock_t lock; /* two CPUs must not arm at the same time */
	atomic_t fired, armed, cancelled, running;
	struct completion done;
};

static void count_fired(struct timer *t)
{
	atomic_inc(&container_of(t, struct contested, timer)->fired);
}

static int contest_timer(void *arg)
{
	struct contested *c = arg;

	for (int i = 0; i < 500; i++) {
		spin_lock(&c->lock);
		if (timer_cancel(&c->timer))
			atomic_inc(&c->cancelled);
		timer_arm(&c->timer, ktime_get() + (u64)(i % 5) * 20 * NSEC_PER_USEC);
		atomic_inc(&c->armed);
		spin_unlock(&c->lock);
		if (i % 16 == 0)
			nap(50 * NSEC_PER_USEC);
	}
	if (atomic_dec_and_test(&c->running))
		complete(&c->done);
	return 0;
}

KTEST(smp_timer_moves)
{
	static struct contested c;

	timer_setup(&c.timer, count_fired);
	spin_lock_init(&c.lock);
	atomic_set(&c.fired, 0);
	atomic_set(&c.armed, 0);
	atomic_set(&c.cancelled, 0);
	atomic_set(&c.running, nr_cpus);
	init_completion(&c.done);
	for_each_cpu(cpu)
	{
		EXPECT(kthread_run(contest_timer, &c, cpu, "contest/%d", cpu));
	}
	wait_for_completion(&c.done);
	if (timer_cancel_sync(&c.timer))
		atomic_inc(&c.cancelled);
	EXPECT(atomic_read(&c.fired) + atomic_read(&c.cancelled) == atomic_read(&c.armed));
}

/* ---- time ---- */

struct clock_check {
	u64 last; /* the latest time that any CPU has seen */
	spinlock_t lock;
	atomic_t backwards;
};

static void look_at_clock(void *arg)
{
	struct clock_check *c = arg;

	for (int i = 0; i < 200; i++) {
		u64 now;

		spin_lock(&c->lock);
		now = ktime_get();
		if (now < c->last)
			atomic_inc(&c->backwards);
		c->last = now;
		spin_unlock(&c->lock);
	}
}

/* CLOCK_MONOTONIC does not go back, not even from one CPU to another. */
KTEST(smp_one_clock)
{
	struct clock_check c = {.last = 0};

	spin_lock_init(&c.lock);
	for (int i = 0; i < 20; i++)
		on_each_cpu(look_at_clock, &c);
	EXPECT(atomic_read(&c.backwards) == 0);
}
