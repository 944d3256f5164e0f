/*
 * Top halves: from the interrupt vector to the driver's handler.
 *
 *	entry code -> do_irq(vector) -> irq_enter()
 *	                             -> the handlers of the vector
 *	                             -> apic_eoi()
 *	                             -> irq_exit() -> do_softirq()
 *
 * A line of the I/O APIC (a "global system interrupt", gsi) gets a vector of its own at its first
 * request_irq(). PCI devices may share a line, so a line has a chain of handlers, and each is asked
 * whether the interrupt was its own.
 *
 * LOCKING: lines are added at boot, in process context, and never taken away. A handler is linked
 * in with one pointer store before its line is unmasked, so do_irq() walks the chain without a lock.
 */
#include "kernel/irq/irq.h"

#include "kernel/abi/errno.h"
#include "kernel/cpu/apic.h"
#include "kernel/cpu/smp.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/seq.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/spinlock.h"
#include "kernel/sched/task.h"
#include "kernel/time/timer.h"
#include "kernel/trace/trace.h"

#define NR_LINES (VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST + 1)

struct irq_action {
	irq_handler_t handler;
	void *dev;
	const char *name;
	struct irq_action *next;
};

struct irq_line {
	u32 gsi;
	struct irq_action *actions;
};

static struct irq_line lines[NR_LINES];
static int nr_lines;

static DEFINE_PER_CPU(u32, line_counts[NR_LINES]);
static DEFINE_PER_CPU(u64, timer_count);
static DEFINE_PER_CPU(u64, resched_count);
static DEFINE_PER_CPU(u64, spurious_count);

static struct irq_line *line_of(u32 gsi)
{
	for (int i = 0; i < nr_lines; i++)
		if (lines[i].gsi == gsi)
			return &lines[i];
	if (nr_lines == NR_LINES)
		return NULL;
	lines[nr_lines].gsi = gsi;
	return &lines[nr_lines++];
}

int request_irq(u32 gsi, bool level, bool active_low, irq_handler_t handler, const char *name,
		void *dev)
{
	struct irq_action *a = kzalloc(sizeof(*a), GFP_KERNEL);
	struct irq_line *line;
	u8 vector;

	if (!a)
		return -ENOMEM;
	line = line_of(gsi);
	if (!line) {
		kfree(a);
		return -ENOSPC;
	}
	*a = (struct irq_action){handler, dev, name, line->actions};
	/* Pairs with the plain load in handle_line(): the chain is whole before it is reachable. */
	smp_store_release(&line->actions, a);
	vector = VECTOR_DEVICE_FIRST + (line - lines);
	ioapic_route(gsi, vector, 0, level, active_low);
	return 0;
}

void irq_enter(void)
{
	this_cpu_add(preempt_count, HARDIRQ_OFFSET);
}

void irq_exit(void)
{
	this_cpu_add(preempt_count, -HARDIRQ_OFFSET);
	if (this_cpu_read(softirq_pending))
		do_softirq();
}

static void handle_line(int index)
{
	bool handled = false;

	trace(irq_handler_entry, lines[index].gsi, 0);
	(*this_cpu_ptr(line_counts))[index]++;
	for (struct irq_action *a = lines[index].actions; a; a = a->next)
		handled |= a->handler(lines[index].gsi, a->dev);
	if (!handled)
		this_cpu_inc(spurious_count);
	trace(irq_handler_exit, lines[index].gsi, handled);
}

void do_irq(struct pt_regs *regs, u8 vector)
{
	irq_enter();
	switch (vector) {
	case VECTOR_TIMER:
		this_cpu_inc(timer_count);
		timer_interrupt(user_mode(regs));
		break;
	case VECTOR_RESCHEDULE:
		/* If the sender has set need_resched, the way back to user mode acts on it. */
		this_cpu_inc(resched_count);
		sched_ipi();
		break;
	case VECTOR_CALL:
		smp_call_interrupt();
		break;
	case VECTOR_LOG:
		log_interrupt();
		break;
	case VECTOR_STOP:
		smp_stop_here(regs);
	case VECTOR_SPURIOUS:
		/* Not in service, so it must not be acknowledged: SDM volume 3, 11.9. */
		this_cpu_inc(spurious_count);
		irq_exit();
		return;
	default:
		if (vector - VECTOR_DEVICE_FIRST < nr_lines)
			handle_line(vector - VECTOR_DEVICE_FIRST);
		else
			this_cpu_inc(spurious_count);
	}
	apic_eoi();
	irq_exit();
}

u64 irq_total(void)
{
	u64 sum = 0;

	for_each_cpu(cpu)
	{
		sum += per_cpu(timer_count, cpu) + per_cpu(resched_count, cpu) +
		       smp_call_count(cpu);
		for (int i = 0; i < nr_lines; i++)
			sum += (*per_cpu_ptr(line_counts, cpu))[i];
	}
	return sum;
}

/* @count is an expression in cpu. */
#define SHOW_COUNTS(s, label, count, text) \
	do { \
		seq_printf(s, "%3s:", label); \
		for_each_cpu(cpu) \
		{ \
			seq_printf(s, " %10lu", (u64)(count)); \
		} \
		seq_printf(s, "   %s\n", text); \
	} while (0)

static void interrupts_show(struct seq *s)
{
	seq_printf(s, "%4s", "");
	for_each_cpu(cpu)
	{
		seq_printf(s, " %7s%-3d", "CPU", cpu);
	}
	seq_printf(s, "\n");
	for (int i = 0; i < nr_lines; i++) {
		seq_printf(s, "%3u:", lines[i].gsi);
		for_each_cpu(cpu)
		{
			seq_printf(s, " %10u", (*per_cpu_ptr(line_counts, cpu))[i]);
		}
		seq_printf(s, "   IO-APIC  ");
		for (struct irq_action *a = lines[i].actions; a; a = a->next)
			seq_printf(s, "%s%s", a->name, a->next ? ", " : "\n");
	}
	SHOW_COUNTS(s, "LOC", per_cpu(timer_count, cpu), "Local timer interrupts");
	SHOW_COUNTS(s, "RES", per_cpu(resched_count, cpu), "Rescheduling interrupts");
	SHOW_COUNTS(s, "CAL", smp_call_count(cpu), "Function call interrupts");
	SHOW_COUNTS(s, "TLB", tlb_shootdown_count(cpu), "TLB shootdowns");
	SHOW_COUNTS(s, "SPU", per_cpu(spurious_count, cpu), "Spurious interrupts");
}
PROC_ENTRY(interrupts, "interrupts", interrupts_show);
