/*
 * Mutexes on top of wait queues. owner is the whole state: taking a free mutex is one
 * compare-and-exchange, releasing one that nobody waits for is one exchange.
 *
 * Waiters are exclusive, so a release wakes the one that has waited longest. It does not hand the
 * lock over: a task that happens to run may take it first, and the woken one queues again. That
 * saves a context switch for each contended release. But a task that takes the lock again as soon as it
 * has let go of it would never leave it to the others, so a waiter that was woken in vain a few times
 * enters itself as the heir, and the next release makes it the owner.
 */
#include "kernel/sched/mutex.h"

#include "kernel/irq/preempt.h"
#include "kernel/lib/atomic.h"
#include "kernel/lib/printk.h"
#include "kernel/sched/sched.h"

#define PATIENCE 4 /* looks at the lock that a waiter takes before it becomes the heir */

static inline bool take(struct mutex *m)
{
	return cmpxchg(&m->owner, NULL, current) == NULL;
}

bool mutex_trylock(struct mutex *m)
{
	if (!take(m))
		return false;
	lock_acquire(&m->map, 0, LOCK_TRY | LOCK_SLEEPS);
	return true;
}

/* Has the last owner made current the next one? */
static bool inherited(struct mutex *m, int looks)
{
	/* Pairs with the release in hand_over(). */
	if (smp_load_acquire(&m->owner) == current)
		return true;
	if (looks >= PATIENCE)
		cmpxchg(&m->heir, NULL, current);
	return false;
}

/* Out of line, so that the free path needs neither a stack frame nor saved registers. */
static noinline void mutex_lock_slow(struct mutex *m)
{
	int looks = 0;

	if (m->owner == current)
		panic("mutex_lock(): already held by this task");
	__wait_event(&m->wq, take(m) || inherited(m, ++looks), TASK_UNINTERRUPTIBLE,
		     WQ_FLAG_EXCLUSIVE, NO_DEADLINE, , );
	if (READ_ONCE(m->heir) == current) /* and yet it has taken it */
		WRITE_ONCE(m->heir, NULL);
}

static __always_inline void lock_as(struct mutex *m, int subclass)
{
	if (unlikely(in_atomic()))
		panic("mutex_lock() with preempt_count %x", this_cpu_read(preempt_count));
	lock_acquire_at(&m->map, subclass, LOCK_SLEEPS, (u64)__builtin_return_address(0));
	if (unlikely(!take(m)))
		mutex_lock_slow(m);
	lock_acquired(&m->map);
}

void mutex_lock(struct mutex *m)
{
	lock_as(m, 0);
}

void mutex_lock_nested(struct mutex *m, int subclass)
{
	lock_as(m, subclass);
}

/* From the release on, @m may be gone, and @heir too. */
static noinline void hand_over(struct mutex *m, struct task *heir)
{
	if (m->owner != current)
		panic("mutex_unlock(): not held by this task");
	task_get(heir);
	WRITE_ONCE(m->heir, NULL);
	/* Pairs with the acquire in inherited(). */
	smp_store_release(&m->owner, heir);
	wake_up_process(heir);
	task_put(heir);
}

void mutex_unlock(struct mutex *m)
{
	/* The exchange is a full barrier: it pairs with the one between a waiter's place in the queue
	 * and its try (wait.c), so either we see the waiter or it sees the free lock. */
	struct task *owner, *heir = READ_ONCE(m->heir);

	lock_release(&m->map);
	if (unlikely(heir)) {
		hand_over(m, heir);
		return;
	}
	owner = xchg(&m->owner, NULL);
	if (unlikely(owner != current))
		panic("mutex_unlock(): not held by this task");
	if (unlikely(waitqueue_active(&m->wq)))
		wake_up(&m->wq);
}
