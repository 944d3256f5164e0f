/*
 * Bottom halves.
 *
 * An interrupt handler runs with interrupts off, so whatever it does delays every other device.
 * It therefore only notes what is to be done (raise_softirq() sets a bit in this CPU's
 * softirq_pending) and leaves. The work itself, the softirq, runs on the same CPU soon after, with
 * interrupts on:
 *
 *	- on the way out of the interrupt, irq_exit() -> do_softirq(), on the stack of whatever task
 *	  was interrupted; this is the usual road and costs no context switch;
 *	- at local_bh_enable(), if it was raised while bottom halves were disabled;
 *	- in ksoftirqd/N, an ordinary kernel thread, when there is more than do_softirq() may do in
 *	  one go: more than SOFTIRQ_RESTARTS rounds or SOFTIRQ_NS nanoseconds.
 *
 * The last rule is what keeps a flood of packets from starving the programs they are for. While
 * ksoftirqd has work the interrupt's exit leaves softirqs to it, and it gets its turn on the run
 * queue like everybody else.
 *
 * Softirqs of one CPU never nest and never run at the same time as a section between
 * local_bh_disable() and local_bh_enable() on that CPU. The same softirq may run on another CPU at
 * the same moment, so data that CPUs share needs a lock all the same.
 *
 * LOCKING: softirq_pending is changed by its own CPU only, in single instructions or with
 * interrupts off. There is no lock.
 */
#include "kernel/irq/softirq.h"

#include "kernel/irq/irq.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/seq.h"
#include "kernel/sched/wait.h"
#include "kernel/time/ktime.h"
#include "kernel/trace/trace.h"

#define SOFTIRQ_RESTARTS 10
#define SOFTIRQ_NS       (2 * NSEC_PER_MSEC)

DEFINE_PER_CPU(u32, preempt_count);
DEFINE_PER_CPU(bool, need_resched);
DEFINE_PER_CPU(u32, softirq_pending);

static DEFINE_PER_CPU(u64, softirq_counts[NR_SOFTIRQS]);
static DEFINE_PER_CPU(struct task *, ksoftirqd);
static DEFINE_PER_CPU(struct wait_queue_head, ksoftirqd_wq);
static DEFINE_PER_CPU(bool, ksoftirqd_busy); /* ksoftirqd was told to run and has not finished */
static DEFINE_PER_CPU(u64, ksoftirqd_runs);

static void (*softirq_action[NR_SOFTIRQS])(void);
static const char *const softirq_names[NR_SOFTIRQS] = {"TIMER", "NET_TX", "NET_RX"};

void open_softirq(int nr, void (*action)(void))
{
	softirq_action[nr] = action;
}

static void wake_ksoftirqd(void)
{
	if (!this_cpu_read(ksoftirqd))
		return; /* early boot: the bits wait for the next interrupt */
	this_cpu_write(ksoftirqd_busy, true);
	wake_up(this_cpu_ptr(ksoftirqd_wq));
}

void raise_softirq(int nr)
{
	u64 flags;

	trace(softirq_raise, nr, 0);
	local_irq_save(flags);
	this_cpu_write(softirq_pending, this_cpu_read(softirq_pending) | 1u << nr);
	/*
	 * In an interrupt, in a softirq, or with bottom halves disabled, somebody looks at the bits
	 * on the way out. In plain process context nobody would.
	 */
	if (!(this_cpu_read(preempt_count) & (HARDIRQ_MASK | SOFTIRQ_MASK)))
		wake_ksoftirqd();
	local_irq_restore(flags);
}

/* One round over everything that is pending. Interrupts off at entry and at return. */
static void run_pending(void)
{
	u32 pending = this_cpu_read(softirq_pending);
	u32 count = this_cpu_read(preempt_count);

	this_cpu_write(softirq_pending, 0);
	local_irq_enable();
	while (pending) {
		int nr = __builtin_ctz(pending);

		pending &= pending - 1;
		(*this_cpu_ptr(softirq_counts))[nr]++;
		trace(softirq_entry, nr, 0);
		softirq_action[nr]();
		trace(softirq_exit, nr, 0);
		if (unlikely(this_cpu_read(preempt_count) != count))
			panic("softirq %s returned with a lock held", softirq_names[nr]);
	}
	local_irq_disable();
}

/* Rounds until nothing is left or the budget is used up; true if something is left. */
static bool run_softirqs(int rounds, u64 ns)
{
	u64 start = 0;

	this_cpu_add(preempt_count, SOFTIRQ_OFFSET);
	for (;;) {
		run_pending();
		if (likely(!this_cpu_read(softirq_pending)))
			break;
		if (!start)
			start = ktime_get();
		if (--rounds <= 0 || ktime_get() - start > ns)
			break;
	}
	this_cpu_add(preempt_count, -SOFTIRQ_OFFSET);
	return this_cpu_read(softirq_pending);
}

void do_softirq(void)
{
	u64 flags;

	if (this_cpu_read(preempt_count) & (HARDIRQ_MASK | SOFTIRQ_MASK))
		return;
	local_irq_save(flags);
	if (this_cpu_read(softirq_pending) && !this_cpu_read(ksoftirqd_busy) &&
	    run_softirqs(SOFTIRQ_RESTARTS, SOFTIRQ_NS))
		wake_ksoftirqd();
	local_irq_restore(flags);
}

/*
 * ksoftirqd/N does one round at a time and lets others run in between. It says "not busy" only
 * with interrupts off and nothing pending, so no raised bit falls between it and do_softirq().
 */
static int ksoftirqd_main(void *unused)
{
	struct wait_queue_head *wq = this_cpu_ptr(ksoftirqd_wq);

	for (;;) {
		wait_event(wq, this_cpu_read(ksoftirqd_busy));
		local_irq_disable();
		while (this_cpu_read(softirq_pending)) {
			this_cpu_inc(ksoftirqd_runs);
			run_softirqs(1, 0);
			local_irq_enable();
			cond_resched();
			local_irq_disable();
		}
		this_cpu_write(ksoftirqd_busy, false);
		local_irq_enable();
	}
	return 0;
}

u64 ksoftirqd_rounds(int cpu)
{
	return READ_ONCE(per_cpu(ksoftirqd_runs, cpu));
}

static __init int ksoftirqd_init(void)
{
	for_each_cpu(cpu)
	{
		init_waitqueue_head(per_cpu_ptr(ksoftirqd_wq, cpu));
		per_cpu(ksoftirqd, cpu) =
			kthread_run(ksoftirqd_main, NULL, cpu, "ksoftirqd/%d", cpu);
		if (!per_cpu(ksoftirqd, cpu))
			return -ENOMEM;
	}
	return 0;
}
core_initcall(ksoftirqd_init);

static void softirqs_show(struct seq *s)
{
	seq_printf(s, "%12s", "");
	for_each_cpu(cpu)
	{
		seq_printf(s, "CPU%-8d", cpu);
	}
	for (int nr = 0; nr < NR_SOFTIRQS; nr++) {
		seq_printf(s, "\n%12s:", softirq_names[nr]);
		for_each_cpu(cpu)
		{
			seq_printf(s, " %10lu", (*per_cpu_ptr(softirq_counts, cpu))[nr]);
		}
	}
	seq_printf(s, "\n");
}
PROC_ENTRY(softirqs, "softirqs", softirqs_show);
