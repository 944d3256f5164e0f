/*
 * A mistake of each kind that the lock checker, the watchmen and the leak check know
 * (tests/qemu/test_checkers.py expects their reports). provoke=NAME makes one at the end of the boot;
 * writing NAME to /proc/sys/kernel/provoke makes it in a system call of the writer.
 */
#include "kernel/debug/provoke.h"
#include "kernel/irq/irq.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/seq.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/mutex.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/wait.h"
#include "kernel/time/ktime.h"
#include "kernel/time/timer.h"

static DEFINE_SPINLOCK(lock_a);
static DEFINE_SPINLOCK(lock_b);
static DEFINE_SPINLOCK(lock_c);
static DEFINE_MUTEX(mutex_a);
static DEFINE_MUTEX(mutex_b);

static void nap(u64 ns)
{
	DECLARE_WAIT_QUEUE_HEAD(nobody);

	__wait_event(&nobody, false, TASK_UNINTERRUPTIBLE, 0, ktime_get() + ns, , );
}

/* ---- order ---- */

static void take_both(spinlock_t *first, spinlock_t *second)
{
	spin_lock(first);
	spin_lock(second);
	spin_unlock(second);
	spin_unlock(first);
}

PROVOKE(lock_cycle)
{
	take_both(&lock_a, &lock_b);
	take_both(&lock_b, &lock_c);
	take_both(&lock_c, &lock_a);
}

PROVOKE(mutex_cycle)
{
	mutex_lock(&mutex_a);
	mutex_lock(&mutex_b);
	mutex_unlock(&mutex_b);
	mutex_unlock(&mutex_a);
	mutex_lock(&mutex_b);
	mutex_lock(&mutex_a);
}

PROVOKE(lock_twice)
{
	spin_lock(&lock_a);
	spin_lock(&lock_a);
}

PROVOKE(lock_of_same_class)
{
	spinlock_t locks[2];

	for (int i = 0; i < 2; i++)
		spin_lock_init(&locks[i]);
	take_both(&locks[0], &locks[1]);
}

/* ---- contexts ---- */

static void in_interrupt(void)
{
	local_irq_disable();
	irq_enter();
	spin_lock(&lock_a);
	spin_unlock(&lock_a);
	irq_exit();
	local_irq_enable();
}

static void in_softirq_take_a(struct timer *t)
{
	spin_lock(&lock_a);
	spin_unlock(&lock_a);
}

PROVOKE(lock_irq_unsafe)
{
	in_interrupt();
	spin_lock(&lock_a);
	spin_unlock(&lock_a);
}

PROVOKE(lock_softirq_unsafe)
{
	static struct timer timer;

	spin_lock(&lock_a);
	spin_unlock(&lock_a);
	timer_setup(&timer, in_softirq_take_a);
	timer_arm(&timer, ktime_get());
	nap(NSEC_PER_SEC);
}

/* b is taken with interrupts on, and under a, which interrupts take. */
PROVOKE(lock_irq_unsafe_below)
{
	in_interrupt();
	spin_lock(&lock_b);
	spin_unlock(&lock_b);
	local_irq_disable();
	take_both(&lock_a, &lock_b);
	local_irq_enable();
}

PROVOKE(lock_uninitialised)
{
	static spinlock_t never;

	spin_lock(&never);
}

/* ---- letting go ---- */

PROVOKE(lock_double_unlock)
{
	spin_lock(&lock_a);
	spin_unlock(&lock_a);
	spin_unlock(&lock_a);
}

PROVOKE(lock_in_sleep)
{
	spin_lock(&lock_a);
	nap(NSEC_PER_MSEC);
}

PROVOKE(mutex_with_interrupts_off)
{
	local_irq_disable();
	mutex_lock(&mutex_a);
}

PROVOKE(lock_held_at_return)
{
	mutex_lock(&mutex_a);
}

static int end_with_mutex(void *unused)
{
	mutex_lock(&mutex_a);
	return 0;
}

PROVOKE(lock_held_at_exit)
{
	kthread_run(end_with_mutex, NULL, -1, "forgetful");
	nap(NSEC_PER_SEC);
}

static void softirq_that_keeps(struct timer *t)
{
	spin_lock(&lock_a);
}

PROVOKE(lock_held_by_softirq)
{
	static struct timer timer;

	timer_setup(&timer, softirq_that_keeps);
	timer_arm(&timer, ktime_get());
	nap(NSEC_PER_SEC);
}

/* ---- not getting on ---- */

PROVOKE(hung_task)
{
	nap(10 * NSEC_PER_SEC);
}

static int just_end(void *unused)
{
	return 0;
}

PROVOKE(soft_lockup)
{
	u64 end = ktime_get() + 8 * NSEC_PER_SEC;

	/* Somebody who wants this CPU. */
	kthread_run(just_end, NULL, smp_processor_id(), "patient");
	while (ktime_get() < end)
		cpu_relax();
}

PROVOKE(leaked_object)
{
	void *volatile lost = kmalloc(40, GFP_KERNEL);

	lost = NULL;
	(void)lost;
}

/* ---- on demand ---- */

extern const struct provoke __provokes_start[], __provokes_end[];

static int provoke_now(const char *text, size_t len)
{
	for (const struct provoke *p = __provokes_start; p < __provokes_end; p++) {
		if (strlen(p->name) != len || strncmp(p->name, text, len))
			continue;
		printk("provoke: %s\n", p->name);
		p->fn();
		return 0;
	}
	return -EINVAL;
}

static void provoke_show(struct seq *s)
{
	for (const struct provoke *p = __provokes_start; p < __provokes_end; p++)
		seq_printf(s, "%s\n", p->name);
}
PROC_ENTRY_RW(provoke, "sys/kernel/provoke", provoke_show, provoke_now);
