/*
 * Tracepoints: writing records, and switching them on and off. What the files say is in trace_show.c.
 *
 * Each CPU has a ring of records and writes only there, with interrupts off, so writers never meet.
 * A reader on another CPU may come to a record that is just being replaced. It finds out by the
 * record's number: 0 while it is written, the new number afterwards, so a copy is good if the number
 * before and after is the expected one.
 *
 *	writer                          reader
 *	seq = 0                         seq == n?
 *	wmb                             rmb (acquire)
 *	the fields                      copy
 *	seq = n (release)               rmb, seq == n still?
 *
 * The files, named as in Linux's tracefs, are in /proc/trace; /sys/kernel/tracing leads there.
 *
 *	tracing_on        0 or 1
 *	available_events  their names
 *	set_event         those that are recorded; any names, or "all"
 *	trace             the records of all CPUs by time, as text; writing to it throws them away,
 *	                  and while tracing is off gives the rings' memory back
 *	trace.json        the same for chrome://tracing and Perfetto
 *
 * LOCKING: trace_lock, a mutex, for switching, clearing and reading; nothing is taken below it but
 * memory. The mask is changed under it and read without it. Rings are freed when the mask is 0 and
 * every other CPU has answered a call since: it is out of trace_write() then and sees the mask.
 */
#include "kernel/abi/errno.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/smp.h"
#include "kernel/lib/seq.h"
#include "kernel/lib/string.h"
#include "kernel/mm/vmalloc.h"
#include "kernel/time/ktime.h"
#include "kernel/trace/internal.h"

#define ALL_EVENTS ((u32)(BIT(NR_TRACE_EVENTS) - 1))

u32 trace_mask;
static u32 selected = ALL_EVENTS; /* [trace_lock] the mask while tracing is on */
static bool on;                   /* [trace_lock] then there are rings */

DEFINE_MUTEX(trace_lock);
DEFINE_PER_CPU(struct trace_ring, trace_ring);

void trace_write(enum trace_event event, unsigned long a, unsigned long b)
{
	struct trace_ring *ring;
	struct trace_record *r;
	u64 flags;

	local_irq_save(flags);
	ring = this_cpu_ptr(trace_ring);
	r = &ring->records[ring->head++ % TRACE_RING];
	WRITE_ONCE(r->seq, 0);
	smp_wmb(); /* pairs with the second look at seq in trace_copy() */
	r->time = ktime_get();
	r->a = a;
	r->b = b;
	r->preempt_count = this_cpu_read(preempt_count);
	r->event = (u8)event;
	r->cpu = (u8)smp_processor_id();
	r->irqs_off = !(flags & X86_EFLAGS_IF);
	r->pid = current->pid;
	memcpy(r->comm, current->comm, sizeof(r->comm));
	/* The record is whole: pairs with the first look at seq in trace_copy(). */
	smp_store_release(&r->seq, ring->head);
	local_irq_restore(flags);
}

/* ---- switching ---- */

static void do_nothing(void *unused)
{
}

static void free_rings(void)
{
	for_each_cpu(cpu)
	{
		struct trace_ring *ring = per_cpu_ptr(trace_ring, cpu);

		kvfree(ring->records);
		ring->records = NULL;
		ring->head = 0;
	}
}

static int alloc_rings(void)
{
	for_each_cpu(cpu)
	{
		struct trace_ring *ring = per_cpu_ptr(trace_ring, cpu);
		size_t size = TRACE_RING * sizeof(struct trace_record);

		if (ring->records)
			continue;
		ring->records = kvmalloc(size, GFP_KERNEL);
		if (!ring->records) {
			free_rings();
			return -ENOMEM;
		}
		memset(ring->records, 0, size);
	}
	return 0;
}

/* When it returns with @now false, no CPU writes any more. trace_lock held. */
static void set_mask(bool now)
{
	WRITE_ONCE(trace_mask, now ? selected : 0);
	on_each_cpu(do_nothing, NULL);
}

static int store_on(const char *text, size_t len)
{
	unsigned long value;
	int err = kstrtoul(text, 0, &value);

	if (err)
		return err;
	mutex_lock(&trace_lock);
	if (value)
		err = alloc_rings();
	if (!err) {
		on = value;
		set_mask(on);
	}
	mutex_unlock(&trace_lock);
	return err;
}

static void show_on(struct seq *s)
{
	seq_printf(s, "%d\n", READ_ONCE(on));
}
PROC_ENTRY_RW(tracing_on, "trace/tracing_on", show_on, store_on);

/* ---- which events ---- */

#define TRACE_NAME(name, track, phase, text) #name,
static const char *const names[] = {TRACE_EVENTS(TRACE_NAME)};

static void show_names(struct seq *s, u32 mask)
{
	for (int i = 0; i < NR_TRACE_EVENTS; i++)
		if (mask & BIT(i))
			seq_printf(s, "%s\n", names[i]);
}

static void show_available(struct seq *s)
{
	show_names(s, ALL_EVENTS);
}
PROC_ENTRY(available_events, "trace/available_events", show_available);

static void show_selected(struct seq *s)
{
	show_names(s, READ_ONCE(selected));
}

/* The bit of an event, all for "all"; 0 if there is none of that name. */
static u32 event_bit(const char *name, size_t len)
{
	if (len == 3 && !strncmp(name, "all", 3))
		return ALL_EVENTS;
	for (int i = 0; i < NR_TRACE_EVENTS; i++)
		if (strlen(names[i]) == len && !strncmp(names[i], name, len))
			return (u32)BIT(i);
	return 0;
}

static int store_selected(const char *text, size_t len)
{
	u32 mask = 0;

	while (*text) {
		size_t n = 0;
		u32 bit;

		while (text[n] && text[n] != ' ' && text[n] != '\n')
			n++;
		bit = event_bit(text, n);
		if (n && !bit)
			return -EINVAL;
		mask |= bit;
		text += n + !!text[n];
	}
	mutex_lock(&trace_lock);
	selected = mask;
	set_mask(on);
	mutex_unlock(&trace_lock);
	return 0;
}
PROC_ENTRY_RW(set_event, "trace/set_event", show_selected, store_selected);

/* ---- clearing ---- */

int trace_clear(const char *text, size_t len)
{
	int err = 0;

	mutex_lock(&trace_lock);
	set_mask(false);
	free_rings();
	if (on)
		err = alloc_rings();
	on &= !err;
	set_mask(on);
	mutex_unlock(&trace_lock);
	return err;
}
