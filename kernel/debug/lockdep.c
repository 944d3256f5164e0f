/*
 * The lock checker. Deadlocks are rare and depend on timing; the mistakes that make them possible are
 * not and do not. So this looks for the mistakes, each time a lock is taken, and one run through each
 * path is enough to find what would hang once in a million.
 *
 *	order		B taken with A held, somewhere, and A with B held, somewhere else; over any
 *			number of classes in between (lock_graph.c)
 *	contexts	a lock that interrupts take, taken elsewhere with interrupts on: the interrupt
 *			would spin for ever on the CPU that holds it. The same for softirqs. And a lock
 *			that is taken under it, taken elsewhere with interrupts on (lock_graph.c)
 *			And a mutex taken with interrupts off, whether it has to wait or not
 *	recursion	a lock taken by the one who holds it
 *	release		of a lock that is not held, or by another, or in another context
 *	forgotten	held at the return to user mode or at the end of a task. At schedule() and at the
 *			end of a softirq or interrupt, preempt_count tells, in every build
 *
 * Locks come in classes: all that are initialised at one place in the source are alike. So the order
 * between two sockets' locks is learnt from any two sockets.
 *
 * A spinlock belongs to its CPU: each CPU has a stack of those it holds. That holds even for the
 * run-queue lock, which one task takes and the next lets go. A mutex belongs to its task.
 *
 * LOCKING: the stacks are touched by their owner only, with interrupts off. An NMI that finds its CPU
 * in here (inside) is not followed. The classes have a lock of their own.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/debug/lockdep_internal.h"
#include "kernel/irq/preempt.h"
#include "kernel/lib/printk.h"
#include "kernel/sched/task.h"

#define MAX_HELD_SPINS 32

struct cpu_locks {
	bool inside;
	int depth;
	struct held_lock held[MAX_HELD_SPINS];
};

static DEFINE_PER_CPU(struct cpu_locks, spins);
static bool off; /* [a] */

enum { CONTEXT_TASK, CONTEXT_SOFTIRQ, CONTEXT_HARDIRQ };
static const char *const context_names[] = {"process", "softirq", "hard interrupt"};

static int context_here(void)
{
	if (in_hardirq())
		return CONTEXT_HARDIRQ;
	return in_softirq() ? CONTEXT_SOFTIRQ : CONTEXT_TASK;
}

/* Into the checker with interrupts off; false: not this time. */
static bool enter(u64 *flags)
{
	struct cpu_locks *c;

	if (unlikely(READ_ONCE(off)))
		return false;
	local_irq_save(*flags);
	c = this_cpu_ptr(spins);
	if (unlikely(c->inside)) {
		local_irq_restore(*flags);
		return false;
	}
	c->inside = true;
	return true;
}

static void leave(u64 flags)
{
	this_cpu_ptr(spins)->inside = false;
	local_irq_restore(flags);
}

static bool bottom_halves_on(void)
{
	return !(this_cpu_read(preempt_count) & (SOFTIRQ_MASK | HARDIRQ_MASK));
}

/* ---- taking ---- */

/* What this way of taking it says of the class. */
static unsigned usage_now(unsigned how, int context, bool irqs_on)
{
	unsigned usage = 0;

	if (!(how & LOCK_TRY) && context == CONTEXT_HARDIRQ)
		usage |= USED_IN_HARDIRQ;
	if (!(how & LOCK_TRY) && context == CONTEXT_SOFTIRQ)
		usage |= USED_IN_SOFTIRQ;
	if (irqs_on || (how & LOCK_SLEEPS))
		usage |= HARDIRQS_ON;
	if ((irqs_on && bottom_halves_on()) || (how & LOCK_SLEEPS))
		usage |= SOFTIRQS_ON;
	return usage;
}

/* How many locks of @class's family are held in this context. */
static int held_of_class(const struct cpu_locks *c, u16 class, int context)
{
	int n = 0;

	for (int i = 0; i < c->depth; i++)
		n += c->held[i].context == context && class_base(c->held[i].class) == class;
	return n;
}

static void check_recursion(const struct held_lock *held, int depth, const struct lock_map *m)
{
	for (int i = 0; i < depth; i++)
		if (held[i].map == m && !held[i].waiting)
			lockdep_report("%s taken again by its holder", m->name);
}

static void check_order(const struct held_lock *held, int depth, u16 class, int context)
{
	for (int i = 0; i < depth; i++)
		if (held[i].context == context && !held[i].waiting)
			class_before(held[i].class, class);
}

/*
 * Locks of an interrupted context are no reason for an order: the interrupt did not choose to take
 * its lock under them. That it can come there at all is what class_used() judges.
 */
static void check_taken(const struct cpu_locks *c, struct lock_map *m, u16 class, int context)
{
	const struct task_locks *mine = &current->locks;

	check_recursion(c->held, c->depth, m);
	check_order(c->held, c->depth, class, context);
	if (context != CONTEXT_TASK)
		return;
	check_recursion(mine->held, mine->depth, m);
	check_order(mine->held, mine->depth, class, context);
}

static struct held_lock *push(struct held_lock *held, int *depth, int room)
{
	if (*depth == room)
		lockdep_report("more than %d locks held at once", room);
	return &held[(*depth)++];
}

void lock_acquire_at(struct lock_map *m, int subclass, unsigned how, u64 ip)
{
	struct cpu_locks *c;
	struct held_lock *h;
	int context;
	u16 class;
	u64 flags;

	if (!enter(&flags))
		return;
	c = this_cpu_ptr(spins);
	context = context_here();
	if (!m->name)
		lockdep_report("a lock was never initialised");
	if (how == LOCK_SLEEPS && !(flags & X86_EFLAGS_IF))
		lockdep_report("%s taken with interrupts off", m->name);
	class = class_of(m, subclass);
	if (class_nests(class))
		class = class_of(m, min(held_of_class(c, class, context), MAX_SUBCLASSES - 1));
	if (!(how & LOCK_TRY))
		check_taken(c, m, class, context);
	class_used(class, usage_now(how, context, flags & X86_EFLAGS_IF));
	if (how & LOCK_SLEEPS)
		h = push(current->locks.held, &current->locks.depth, MAX_HELD_MUTEXES);
	else
		h = push(c->held, &c->depth, MAX_HELD_SPINS);
	*h = (struct held_lock){m, ip, class, context, !(how & LOCK_TRY)};
	leave(flags);
}

void lock_acquire(struct lock_map *m, int subclass, unsigned how)
{
	lock_acquire_at(m, subclass, how, (u64)__builtin_return_address(0));
}

/* ---- letting go ---- */

static struct held_lock *find(struct held_lock *held, int depth, const struct lock_map *m)
{
	while (depth--)
		if (held[depth].map == m)
			return &held[depth];
	return NULL;
}

void lock_acquired(struct lock_map *m)
{
	struct cpu_locks *c;
	struct held_lock *h;
	u64 flags;

	if (!enter(&flags))
		return;
	c = this_cpu_ptr(spins);
	h = find(c->held, c->depth, m);
	if (!h)
		h = find(current->locks.held, current->locks.depth, m);
	if (h)
		h->waiting = false;
	leave(flags);
}

static bool remove_from(struct held_lock *held, int *depth, const struct lock_map *m, int context)
{
	struct held_lock *h = find(held, *depth, m);

	if (!h)
		return false;
	if (h->context != context)
		lockdep_report("%s released in %s context, taken in %s context", m->name,
			       context_names[context], context_names[h->context]);
	for ((*depth)--; h < held + *depth; h++)
		h[0] = h[1];
	return true;
}

void lock_release(struct lock_map *m)
{
	struct cpu_locks *c;
	struct task_locks *mine;
	int context;
	u64 flags;

	if (!enter(&flags))
		return;
	c = this_cpu_ptr(spins);
	mine = &current->locks;
	context = context_here();
	if (!remove_from(c->held, &c->depth, m, context) &&
	    !(context == CONTEXT_TASK && remove_from(mine->held, &mine->depth, m, context)))
		lockdep_report("%s released by one who does not hold it", m->name);
	leave(flags);
}

/* ---- other moments ---- */

static void all_held_used(unsigned usage)
{
	struct cpu_locks *c;
	int context;
	u64 flags;

	if (!enter(&flags))
		return;
	c = this_cpu_ptr(spins);
	context = context_here();
	for (int i = 0; i < c->depth; i++)
		if (c->held[i].context == context)
			class_used(c->held[i].class, usage);
	leave(flags);
}

void lockdep_irqs_on(void)
{
	if (!in_hardirq() && this_cpu_ptr(spins)->depth)
		all_held_used(HARDIRQS_ON | (bottom_halves_on() ? SOFTIRQS_ON : 0));
}

void lockdep_bh_on(void)
{
	u32 count = this_cpu_read(preempt_count) & (SOFTIRQ_MASK | HARDIRQ_MASK);

	if (count == SOFTIRQ_DISABLE_OFFSET && !irqs_disabled() && this_cpu_ptr(spins)->depth)
		all_held_used(SOFTIRQS_ON);
}

void lockdep_check_none(const char *when)
{
	u64 flags;

	if (!enter(&flags))
		return;
	if (this_cpu_ptr(spins)->depth || current->locks.depth)
		lockdep_report("lock held at %s", when);
	if (in_atomic())
		lockdep_report("preempt_count %x at %s", this_cpu_read(preempt_count), when);
	leave(flags);
}

void lockdep_off(void)
{
	WRITE_ONCE(off, true);
}

/* ---- for the last words ---- */

static void show_held(const struct held_lock *held, int depth)
{
	for (int i = 0; i < depth; i++)
		printk("  %s %s/%d (%s context) at %pS\n", held[i].waiting ? "waits for" : "holds",
		       class_name(held[i].class), class_subclass(held[i].class),
		       context_names[held[i].context], (void *)held[i].ip);
}

void show_held_locks(int cpu)
{
	const struct cpu_locks *c = per_cpu_ptr(spins, cpu);
	const struct task_locks *mine = &per_cpu(current_task, cpu)->locks;

	if (!c->depth && !mine->depth)
		return;
	printk("Locks of CPU %d:\n", cpu);
	show_held(mine->held, min(mine->depth, MAX_HELD_MUTEXES));
	show_held(c->held, min(c->depth, MAX_HELD_SPINS));
}

void lockdep_report(const char *fmt, ...)
{
	char text[160];
	va_list ap;

	lockdep_off();
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	panic("lockdep: %s", text);
}
