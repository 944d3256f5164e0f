/*
 * The lock checker's memory: classes of locks, how each was used, and which was taken under which.
 *
 * The orders are a directed graph over the classes, kept as two bit matrices, after[a] and before[b].
 * An edge a -> b says: b was taken with a held. It is learnt once, with the backtrace of that first
 * time, and each new one is judged:
 *
 *	- is there a road from b back to a? Then two CPUs can wait for each other;
 *	- is a, or a class before it, taken in interrupts, and b, or a class after it, with interrupts on?
 *	  Then a CPU that holds the latter can be interrupted by one that waits for the former, while
 *	  another CPU holds the former and waits for the latter.
 *
 * A new way of using a class is judged by the second rule too. Known edges and uses cost a look at a
 * bit; the searches run only for new ones, of which there are some hundreds in all.
 *
 * LOCKING: graph_lock, which is no spinlock_t, or it would have to be checked itself. Interrupts off.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/debug/lockdep_internal.h"
#include "kernel/lib/atomic.h"
#include "kernel/lib/panic.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/seq.h"
#include "kernel/lib/string.h"

#define MAX_CLASSES 512
#define MAX_EDGES   4096
#define WORDS       (MAX_CLASSES / 64)
#define NR_FRAMES   12

struct trace {
	u64 frames[NR_FRAMES]; /* 0 after the last */
};

struct lock_class {
	const char *name;
	u16 base;                       /* the class of the same name with subclass 0 */
	u16 subclasses[MAX_SUBCLASSES]; /* of a base: the others; 0: none yet */
	u8 subclass;
	bool nests;
	unsigned usage;
	struct trace used[NR_USAGES]; /* the first time of each */
};

struct edge {
	u16 from, to;
	struct trace trace;
};

static struct lock_class classes[MAX_CLASSES]; /* 0 is none */
static u16 nr_classes = 1;
static struct edge edges[MAX_EDGES];
static unsigned nr_edges;
static u64 after[MAX_CLASSES][WORDS], before[MAX_CLASSES][WORDS];
static u32 graph_lock;

/* The search's own, under graph_lock. */
static u16 queue[MAX_CLASSES], came_from[MAX_CLASSES];

static const char *const usage_names[NR_USAGES] = {
	"taken in a hard interrupt",
	"taken with interrupts on",
	"taken in a softirq",
	"taken with softirqs on",
};

static void lock_graph(void)
{
	while (xchg(&graph_lock, 1))
		cpu_relax();
}

static void unlock_graph(void)
{
	/* Pairs with the xchg() in lock_graph(). */
	smp_store_release(&graph_lock, 0);
}

/* ---- classes ---- */

u16 class_base(u16 class)
{
	return classes[class].base;
}

bool class_nests(u16 class)
{
	return classes[class].nests;
}

const char *class_name(u16 class)
{
	return classes[class].name;
}

int class_subclass(u16 class)
{
	return classes[class].subclass;
}

/* graph_lock held. */
static u16 new_class(const char *name, int subclass, bool nests, u16 base)
{
	u16 n = nr_classes;

	if (n == MAX_CLASSES)
		lockdep_report("more than %d classes of locks", MAX_CLASSES - 1);
	classes[n] = (struct lock_class){
		.name = name, .base = base ? base : n, .subclass = subclass, .nests = nests};
	/* Whole before lockdep_show() finds it, which looks without the lock. */
	smp_store_release(&nr_classes, n + 1);
	return n;
}

/* Equal places in different files of one header have different addresses. graph_lock held. */
static u16 find_class(const char *name)
{
	for (u16 i = 1; i < nr_classes; i++)
		if (!classes[i].subclass &&
		    (classes[i].name == name || !strcmp(classes[i].name, name)))
			return i;
	return 0;
}

static u16 base_class(struct lock_map *m)
{
	u16 class = READ_ONCE(m->class);

	if (likely(class))
		return class;
	lock_graph();
	class = find_class(m->name);
	if (!class)
		class = new_class(m->name, 0, m->nests, 0);
	unlock_graph();
	WRITE_ONCE(m->class, class);
	return class;
}

u16 class_of(struct lock_map *m, int subclass)
{
	u16 base = base_class(m), *slot;

	if (!subclass)
		return base;
	if (subclass >= MAX_SUBCLASSES)
		lockdep_report("%s has no subclass %d", m->name, subclass);
	slot = &classes[base].subclasses[subclass];
	if (likely(READ_ONCE(*slot)))
		return *slot;
	lock_graph();
	if (!*slot)
		*slot = new_class(m->name, subclass, m->nests, base);
	unlock_graph();
	return *slot;
}

/* ---- roads ---- */

static bool test(const u64 *row, u16 bit)
{
	return READ_ONCE(row[bit / 64]) & BIT(bit % 64);
}

static void set(u64 *row, u16 bit)
{
	WRITE_ONCE(row[bit / 64], row[bit / 64] | BIT(bit % 64));
}

/*
 * The class that is nearest to @start, itself included, along the edges in @rows and is @goal or, with
 * @goal 0, has one of the @usage bits; 0 if there is none. came_from[] then leads back. graph_lock held.
 */
static u16 search(const u64 (*rows)[WORDS], u16 start, u16 goal, unsigned usage)
{
	u64 seen[WORDS] = {0};
	unsigned head = 0, tail = 0;

	queue[tail++] = start;
	came_from[start] = 0;
	set(seen, start);
	while (head < tail) {
		u16 c = queue[head++];

		if (goal ? c == goal : (classes[c].usage & usage))
			return c;
		for (unsigned w = 0; w < WORDS; w++) {
			u64 fresh = rows[c][w] & ~seen[w];

			seen[w] |= fresh;
			for (; fresh; fresh &= fresh - 1) {
				u16 next = w * 64 + __builtin_ctzl(fresh);

				came_from[next] = c;
				queue[tail++] = next;
			}
		}
	}
	return 0;
}

/* ---- reports ---- */

static void show_trace(const struct trace *t)
{
	for (int i = 0; i < NR_FRAMES && t->frames[i]; i++)
		printk("    %pS\n", (void *)t->frames[i]);
}

static void show_edge(u16 from, u16 to)
{
	for (unsigned i = 0; i < nr_edges; i++) {
		if (edges[i].from != from || edges[i].to != to)
			continue;
		printk("  %s/%d was held when %s/%d was first taken:\n", classes[from].name,
		       classes[from].subclass, classes[to].name, classes[to].subclass);
		show_trace(&edges[i].trace);
	}
}

/* From the end of the last search back to its start; the edges lead along it or, @up, against it. */
static void show_road(u16 end, bool up)
{
	for (u16 c = end; came_from[c]; c = came_from[c]) {
		if (up)
			show_edge(c, came_from[c]);
		else
			show_edge(came_from[c], c);
	}
}

static void report_circle(u16 from, u16 to)
{
	lockdep_off();
	printk("lockdep: now %s/%d is held and %s/%d taken. The other way round before:\n",
	       classes[from].name, classes[from].subclass, classes[to].name, classes[to].subclass);
	show_road(from, false);
	lockdep_report("circular order of locks: %s and %s", classes[from].name, classes[to].name);
}

/*
 * Rule two, over a road that goes through @from -> @to, or through one class. @pair is the first bit
 * of a pair: USED_IN_HARDIRQ or USED_IN_SOFTIRQ.
 */
static void check_contexts(u16 from, u16 to, unsigned pair)
{
	u16 safe = search(before, from, 0, pair), unsafe;
	int nr = __builtin_ctz(pair);

	if (!safe)
		return;
	unsafe = search(after, to, 0, pair << 1);
	if (!unsafe)
		return;
	lockdep_off();
	printk("lockdep: %s/%d is %s:\n", classes[safe].name, classes[safe].subclass,
	       usage_names[nr]);
	show_trace(&classes[safe].used[nr]);
	printk("and %s/%d is %s:\n", classes[unsafe].name, classes[unsafe].subclass,
	       usage_names[nr + 1]);
	show_trace(&classes[unsafe].used[nr + 1]);
	if (safe == unsafe)
		lockdep_report("%s is %s, and %s", classes[safe].name, usage_names[nr],
			       usage_names[nr + 1]);
	show_road(unsafe, false);
	if (from != to)
		show_edge(from, to);
	search(before, from, 0, pair);
	show_road(safe, true);
	lockdep_report("%s, %s, is held when %s is taken, which is elsewhere %s",
		       classes[safe].name, usage_names[nr], classes[unsafe].name,
		       usage_names[nr + 1]);
}

/* ---- what the checker learns ---- */

void class_before(u16 from, u16 to)
{
	struct edge *e;

	if (likely(test(after[from], to)))
		return;
	lock_graph();
	if (test(after[from], to)) {
		unlock_graph();
		return;
	}
	if (from == to)
		lockdep_report("two locks of one class, %s, held at once", classes[from].name);
	if (search(after, to, from, 0))
		report_circle(from, to);
	if (nr_edges == MAX_EDGES)
		lockdep_report("more than %d orders of locks", MAX_EDGES);
	e = &edges[nr_edges++];
	e->from = from;
	e->to = to;
	stack_frames((u64)__builtin_frame_address(0), e->trace.frames, NR_FRAMES);
	set(after[from], to);
	set(before[to], from);
	check_contexts(from, to, USED_IN_HARDIRQ);
	check_contexts(from, to, USED_IN_SOFTIRQ);
	unlock_graph();
}

void class_used(u16 class, unsigned usage)
{
	struct lock_class *c = &classes[class];
	unsigned fresh = usage & ~READ_ONCE(c->usage);

	if (likely(!fresh))
		return;
	lock_graph();
	for (unsigned nr = 0; nr < NR_USAGES; nr++) {
		if (!(fresh & ~c->usage & 1u << nr))
			continue;
		stack_frames((u64)__builtin_frame_address(0), c->used[nr].frames, NR_FRAMES);
		WRITE_ONCE(c->usage, c->usage | 1u << nr);
		check_contexts(class, class, nr < 2 ? USED_IN_HARDIRQ : USED_IN_SOFTIRQ);
	}
	unlock_graph();
}

/* ---- /proc/lockdep ---- */

static void lockdep_show(struct seq *s)
{
	/* Pairs with the release in new_class(). */
	u16 n = smp_load_acquire(&nr_classes);

	seq_printf(s, "# classes %u of %d, orders %u of %d\n", n - 1, MAX_CLASSES - 1,
		   READ_ONCE(nr_edges), MAX_EDGES);
	for (u16 i = 1; i < n; i++) {
		const struct lock_class *c = &classes[i];

		seq_printf(s, "%3u %c%c%c%c %s/%d:", i, c->usage & USED_IN_HARDIRQ ? 'H' : '.',
			   c->usage & HARDIRQS_ON ? 'h' : '.',
			   c->usage & USED_IN_SOFTIRQ ? 'S' : '.',
			   c->usage & SOFTIRQS_ON ? 's' : '.', c->name, c->subclass);
		for (u16 to = 1; to < n; to++)
			if (test(after[i], to))
				seq_printf(s, " %u", to);
		seq_printf(s, "\n");
	}
}
PROC_ENTRY(lockdep, "lockdep", lockdep_show);
