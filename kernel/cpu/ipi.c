/*
 * What CPUs say to each other, by inter-processor interrupts:
 *
 *	VECTOR_RESCHEDULE  look at your run queue (kernel/sched/core.c)
 *	VECTOR_CALL        look at your queue of calls (here)
 *	VECTOR_STOP        stop for good (here)
 *	VECTOR_LOG         to itself: wake who waits for the log (kernel/lib/printk.c)
 *
 * Calls. Each CPU has a queue, a list without a lock: whoever wants something of it pushes a struct
 * call by compare-and-exchange, and its owner takes the whole list by one exchange. Only a push onto an
 * empty list sends the interrupt; later ones ride along. A call that is waited for lies on its
 * caller's stack, one that is not in a slot that the caller's CPU has for each other.
 *
 *	push (full barrier)                     interrupt
 *	list was empty: send the interrupt      take the list (full barrier), in order of arrival
 *	...                                     fn(arg)
 *	wait until !pending             <-      pending = false
 *
 * So what the caller wrote before is seen by fn, and what fn wrote is seen after the wait.
 *
 * Shoot-down of TLB entries is such a call: see kernel/mm/tlb.c for who is told, and when.
 *
 * LOCKING: none. Rules against deadlock are in smp.h; with them, whoever waits here still
 * answers the calls of others.
 */
#include "kernel/cpu/apic.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/power.h"
#include "kernel/cpu/ptrace.h"
#include "kernel/cpu/smp.h"
#include "kernel/irq/preempt.h"
#include "kernel/lib/atomic.h"
#include "kernel/lib/init.h"
#include "kernel/lib/panic.h"
#include "kernel/lib/printk.h"
#include "kernel/mm/pagetable.h"
#include "kernel/sched/task.h"
#include "kernel/time/ktime.h"

/* ---- calls ---- */

struct call {
	void (*fn)(void *arg); /* [I] while pending */
	void *arg;             /* [I] while pending */
	struct call *next;     /* [a] older one in the queue */
	bool pending;          /* [a] pushed, and fn has not returned */
};

static DEFINE_PER_CPU(struct call *, call_queue);        /* [a] newest first */
static DEFINE_PER_CPU(struct call, unawaited[MAX_CPUS]); /* by target; of this CPU as the caller */
static DEFINE_PER_CPU(u64, call_count);

/* Interrupts off, or another push of this CPU could rely on the interrupt that is not yet sent. */
static void push_call(int cpu, struct call *c)
{
	struct call **queue = per_cpu_ptr(call_queue, cpu);
	struct call *newest = READ_ONCE(*queue), *seen;

	for (;;) {
		c->next = newest;
		seen = cmpxchg(queue, newest, c);
		if (seen == newest)
			break;
		newest = seen;
	}
	if (!newest)
		apic_send_ipi(cpu, VECTOR_CALL);
}

void smp_call_interrupt(void)
{
	struct call *c = xchg(this_cpu_ptr(call_queue), NULL), *oldest = NULL, *next;

	this_cpu_inc(call_count);
	for (; c; c = next) {
		next = c->next;
		c->next = oldest;
		oldest = c;
	}
	for (c = oldest; c; c = next) {
		next = c->next;
		c->fn(c->arg);
		/* Pairs with the acquires below. From here on the caller may use @c anew. */
		smp_store_release(&c->pending, false);
	}
}

static void wait_for_call(struct call *c)
{
	/* Pairs with the release in smp_call_interrupt(): what fn wrote is seen from here on. */
	while (smp_load_acquire(&c->pending))
		cpu_relax();
}

/* A call whose caller does not wait: as soon as the one before it to the same CPU is done. */
static void call_unawaited(int cpu, void (*fn)(void *arg), void *arg)
{
	struct call *c = &(*this_cpu_ptr(unawaited))[cpu];
	u64 flags;

	for (;;) {
		wait_for_call(c);
		/* A softirq may have come in between and taken the slot. */
		local_irq_save(flags);
		if (!smp_load_acquire(&c->pending))
			break;
		local_irq_restore(flags);
	}
	c->fn = fn;
	c->arg = arg;
	c->pending = true;
	push_call(cpu, c);
	local_irq_restore(flags);
}

static void call_and_wait(u64 mask, void (*fn)(void *arg), void *arg)
{
	struct call calls[MAX_CPUS];
	u64 flags;

	for (u64 m = mask; m; m &= m - 1) {
		int cpu = __builtin_ctzl(m);

		calls[cpu] = (struct call){.fn = fn, .arg = arg, .pending = true};
		local_irq_save(flags);
		push_call(cpu, &calls[cpu]);
		local_irq_restore(flags);
	}
	for (u64 m = mask; m; m &= m - 1)
		wait_for_call(&calls[__builtin_ctzl(m)]);
}

void smp_call_function_many(u64 mask, void (*fn)(void *arg), void *arg, bool wait)
{
	mask &= online_cpus() & ~BIT(smp_processor_id());
	if (!mask)
		return;
	if (irqs_disabled() || in_hardirq())
		panic("smp_call_function_many(): with interrupts off nobody may get an answer");
	if (wait) {
		call_and_wait(mask, fn, arg);
		return;
	}
	for (; mask; mask &= mask - 1)
		call_unawaited(__builtin_ctzl(mask), fn, arg);
}

static void call_here(void (*fn)(void *arg), void *arg)
{
	u64 flags;

	local_irq_save(flags);
	fn(arg);
	local_irq_restore(flags);
}

void smp_call_function_single(int cpu, void (*fn)(void *arg), void *arg, bool wait)
{
	if (cpu == smp_processor_id())
		call_here(fn, arg);
	else
		smp_call_function_many(BIT(cpu), fn, arg, wait);
}

void on_each_cpu(void (*fn)(void *arg), void *arg)
{
	call_here(fn, arg);
	smp_call_function_many(~0ul, fn, arg, true);
}

u64 smp_call_count(int cpu)
{
	return READ_ONCE(per_cpu(call_count, cpu));
}

/* ---- TLB shoot-down ---- */

struct flush {
	struct mm *mm;
	u64 start, end;
};

static DEFINE_PER_CPU(u64, shootdown_count);

static void flush_here(void *arg)
{
	const struct flush *f = arg;

	this_cpu_inc(shootdown_count);
	tlb_flush_here(f->mm, f->start, f->end);
}

static void flush_others(u64 cpumask, struct mm *mm, u64 start, u64 end)
{
	struct flush f = {mm, start, end};

	smp_call_function_many(cpumask, flush_here, &f, true);
}

u64 tlb_shootdown_count(int cpu)
{
	return READ_ONCE(per_cpu(shootdown_count, cpu));
}

static __init int shootdown_init(void)
{
	tlb_remote_flush = flush_others;
	return 0;
}
early_initcall(shootdown_init);

/* ---- stopping ---- */

#define STOP_NS (100 * NSEC_PER_MSEC) /* with interrupts on, it answers sooner */
#define NMI_NS  NSEC_PER_SEC

static bool stopping;                 /* [a] */
static DEFINE_PER_CPU(bool, stopped); /* [a] its regs are valid */
static DEFINE_PER_CPU(const struct pt_regs *, stopped_regs);

bool smp_stopping(void)
{
	return READ_ONCE(stopping);
}

void smp_stop_here(const struct pt_regs *regs)
{
	this_cpu_write(stopped_regs, regs);
	/* Pairs with the acquire in has_stopped(). */
	smp_store_release(this_cpu_ptr(stopped), true);
	machine_halt();
}

/* With true, stopped_regs of @cpu is valid: pairs with the release in smp_stop_here(). */
static bool has_stopped(int cpu)
{
	return smp_load_acquire(per_cpu_ptr(stopped, cpu));
}

static bool all_stopped(void)
{
	for_each_cpu(cpu)
	{
		if (cpu != smp_processor_id() && !has_stopped(cpu))
			return false;
	}
	return true;
}

static void tell_running(void (*send)(int cpu), u64 patience)
{
	u64 end = ktime_get() + patience;

	for_each_cpu(cpu)
	{
		if (cpu != smp_processor_id() && !has_stopped(cpu))
			send(cpu);
	}
	while (!all_stopped() && ktime_get() < end)
		cpu_relax();
}

static void send_stop(int cpu)
{
	apic_send_ipi(cpu, VECTOR_STOP);
}

void smp_stop_others(void)
{
	if (nr_cpus == 1)
		return;
	WRITE_ONCE(stopping, true);
	tell_running(send_stop, STOP_NS);
	tell_running(apic_send_nmi, NMI_NS);
}

void smp_show_others(void)
{
	for_each_cpu(cpu)
	{
		const struct task *t = per_cpu(current_task, cpu);
		const struct pt_regs *regs;

		if (cpu == smp_processor_id())
			continue;
		if (!has_stopped(cpu)) {
			printk("CPU %d does not answer\n", cpu);
			continue;
		}
		regs = per_cpu(stopped_regs, cpu);
		printk("CPU %d was in task %d (%.*s)%s\n", cpu, t->pid, TASK_COMM_LEN, t->comm,
		       user_mode(regs) ? ", user mode" : "");
		if (!user_mode(regs))
			dump_frames(regs->rip, regs->rbp);
	}
}
