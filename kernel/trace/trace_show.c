/*
 * What the tracepoints have recorded, as text in the form of Linux's tracefs and as JSON in Chrome's
 * trace event format, which chrome://tracing and ui.perfetto.dev draw.
 *
 * The rings are merged by time: each CPU's records are in order, so the next one is the oldest of
 * their first ones. A picture has a line for what each CPU does in interrupts, one for the task that
 * runs on it, and one for each task's system calls.
 *
 * LOCKING: trace_lock while the rings are read, so that they stay.
 */
#include "kernel/lib/seq.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/time/ktime.h"
#include "kernel/trace/internal.h"

enum track { TRACK_CPU, TRACK_TASK };
enum phase { PHASE_BEGIN, PHASE_END, PHASE_INSTANT };

struct event_info {
	const char *name, *text;
	u8 track, phase;
};

#define TRACE_INFO(name_, track_, phase_, text_) {#name_, text_, TRACK_##track_, PHASE_##phase_},
static const struct event_info infos[] = {TRACE_EVENTS(TRACE_INFO)};

/* Task ids whose name has been told, by their low bits. */
#define SEEN_PIDS 4096u

struct trace_iter {
	u64 next[MAX_CPUS];                  /* number of the first record not taken */
	struct trace_record first[MAX_CPUS]; /* a copy of it, if valid */
	bool valid[MAX_CPUS];
	u8 seen[SEEN_PIDS / 8];
};

/* Record @n of a ring into @r; false if it is not or no longer there. */
static bool trace_copy(const struct trace_ring *ring, u64 n, struct trace_record *r)
{
	const struct trace_record *from = &ring->records[(n - 1) % TRACE_RING];

	if (smp_load_acquire(&from->seq) != n)
		return false;
	*r = *from;
	smp_rmb(); /* pairs with the barrier in trace_write() */
	return READ_ONCE(from->seq) == n;
}

/* The first record of @cpu that can be had from it->next on. */
static void load_first(struct trace_iter *it, int cpu)
{
	const struct trace_ring *ring = per_cpu_ptr(trace_ring, cpu);
	u64 head = READ_ONCE(ring->head);

	it->valid[cpu] = false;
	if (!ring->records)
		return;
	if (head > TRACE_RING)
		it->next[cpu] = max(it->next[cpu], head - TRACE_RING + 1);
	for (; !it->valid[cpu] && it->next[cpu] <= head; it->next[cpu]++)
		it->valid[cpu] = trace_copy(ring, it->next[cpu], &it->first[cpu]);
}

static struct trace_iter *iter_start(void)
{
	struct trace_iter *it = kzalloc(sizeof(*it), GFP_KERNEL);

	if (!it)
		return NULL;
	mutex_lock(&trace_lock);
	for_each_cpu(cpu)
	{
		it->next[cpu] = 1;
		load_first(it, cpu);
	}
	return it;
}

/* The oldest record that has not been taken yet, into @r; false at the end. */
static bool iter_next(struct trace_iter *it, struct trace_record *r)
{
	int oldest = -1;

	for_each_cpu(cpu)
	{
		if (it->valid[cpu] && (oldest < 0 || it->first[cpu].time < it->first[oldest].time))
			oldest = cpu;
	}
	if (oldest < 0)
		return false;
	*r = it->first[oldest];
	load_first(it, oldest);
	return true;
}

static void iter_end(struct trace_iter *it)
{
	mutex_unlock(&trace_lock);
	kfree(it);
}

/* ---- text ---- */

/* The context, in the letters of Linux's tracers. */
static char context_letter(u32 count)
{
	bool hard = count & HARDIRQ_MASK, soft = count & SOFTIRQ_OFFSET;

	if (hard)
		return soft ? 'H' : 'h';
	return soft ? 's' : '.';
}

static void show_text_record(struct seq *s, const struct trace_record *r)
{
	const struct event_info *e = &infos[r->event];

	seq_printf(s, "%16s-%-7d [%03d] %c%c %6llu.%06llu: %s: ", r->comm, r->pid, r->cpu,
		   r->irqs_off ? 'd' : '.', context_letter(r->preempt_count),
		   r->time / NSEC_PER_SEC, r->time % NSEC_PER_SEC / NSEC_PER_USEC, e->name);
	seq_printf(s, e->text, r->a, r->b);
	seq_printf(s, "\n");
}

static void show_trace(struct seq *s)
{
	struct trace_iter *it = iter_start();
	struct trace_record r;

	if (!it) {
		s->err = -ENOMEM;
		return;
	}
	seq_printf(
		s,
		"# tracer: nop\n#\n# d: interrupts off; h, s: in a hard, soft interrupt (H: hard "
		"in soft)\n#\n");
	seq_printf(s, "#           TASK-PID     CPU#       TIMESTAMP  EVENT\n");
	while (iter_next(it, &r))
		show_text_record(s, &r);
	iter_end(it);
}
PROC_ENTRY_RW(trace, "trace/trace", show_trace, trace_clear);

/* ---- JSON ---- */

/* Perfetto groups lines ("threads") by "process": what the CPUs do, and the tasks. */
#define GROUP_CPUS   0
#define GROUP_TASKS  1
#define RUNNING(cpu) (100 + (cpu)) /* the line of the tasks that a CPU runs */

/* A name within quotes: whatever could end the string or is not text becomes '_'. */
static void show_name(struct seq *s, const char *name)
{
	for (; *name; name++)
		seq_printf(s, "%c", *name < ' ' || *name == '"' || *name == '\\' ? '_' : *name);
}

static void show_line_name(struct seq *s, int group, int line, const char *name)
{
	seq_printf(s,
		   "{\"ph\":\"M\",\"pid\":%d,\"tid\":%d,\"name\":\"thread_name\",\"args\":{"
		   "\"name\":\"",
		   group, line);
	show_name(s, name);
	seq_printf(s, "\"}},\n");
}

static void show_json_head(struct seq *s)
{
	char name[16];

	seq_printf(s, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
	for_each_cpu(cpu)
	{
		scnprintf(name, sizeof(name), "CPU %d", cpu);
		show_line_name(s, GROUP_CPUS, cpu, name);
		scnprintf(name, sizeof(name), "CPU %d runs", cpu);
		show_line_name(s, GROUP_CPUS, RUNNING(cpu), name);
	}
}

static void show_json_event(struct seq *s, const char *phase, const char *name, int group, int line,
			    u64 time)
{
	seq_printf(s, "{\"ph\":%s,\"pid\":%d,\"tid\":%d,\"ts\":%llu.%03llu,\"name\":\"", phase,
		   group, line, time / NSEC_PER_USEC, time % NSEC_PER_USEC);
	show_name(s, name);
	seq_printf(s, "\"");
}

/* The task's line gets its name when it is first met. */
static void show_task_once(struct seq *s, struct trace_iter *it, const struct trace_record *r)
{
	unsigned bit = (unsigned)r->pid % SEEN_PIDS;
	char name[TASK_COMM_LEN + 12];

	if (it->seen[bit / 8] & BIT(bit % 8))
		return;
	it->seen[bit / 8] |= BIT(bit % 8);
	scnprintf(name, sizeof(name), "%s %d", r->comm, r->pid);
	show_line_name(s, GROUP_TASKS, r->pid, name);
}

static void show_json_record(struct seq *s, struct trace_iter *it, const struct trace_record *r)
{
	/* An instant (i) is as wide as its line (s: thread). */
	static const char *const phases[] = {"\"B\"", "\"E\"", "\"i\",\"s\":\"t\""};
	const struct event_info *e = &infos[r->event];
	bool of_task = e->track == TRACK_TASK;

	if (of_task)
		show_task_once(s, it, r);
	show_json_event(s, phases[e->phase], e->name, of_task ? GROUP_TASKS : GROUP_CPUS,
			of_task ? r->pid : r->cpu, r->time);
	seq_printf(s, ",\"args\":{\"pid\":%d,\"text\":\"", r->pid);
	seq_printf(s, e->text, r->a, r->b);
	seq_printf(s, "\"}},\n");
	if (r->event != TRACE_sched_switch)
		return;
	show_json_event(s, "\"E\"", "", GROUP_CPUS, RUNNING(r->cpu), r->time);
	seq_printf(s, "},\n");
	show_json_event(s, "\"B\"", r->comm, GROUP_CPUS, RUNNING(r->cpu), r->time);
	seq_printf(s, "},\n");
}

static void show_json(struct seq *s)
{
	struct trace_iter *it = iter_start();
	struct trace_record r;

	if (!it) {
		s->err = -ENOMEM;
		return;
	}
	show_json_head(s);
	while (iter_next(it, &r))
		show_json_record(s, it, &r);
	iter_end(it);
	seq_printf(s,
		   "{\"ph\":\"M\",\"pid\":%d,\"name\":\"process_name\",\"args\":{\"name\":\"CPUs\"}"
		   "},\n"
		   "{\"ph\":\"M\",\"pid\":%d,\"name\":\"process_name\",\"args\":{\"name\":"
		   "\"tasks\"}}\n]}\n",
		   GROUP_CPUS, GROUP_TASKS);
}
PROC_ENTRY(trace_json, "trace/trace.json", show_json);
