/*
 * Spinlocks: a word that is exchanged for 1, so a free lock costs one atomic instruction and its
 * release a plain store. Whoever tries at the right moment gets it: there is no queue, on purpose. In
 * an order of arrival the next in line may be a virtual CPU that the host is not running, and all
 * others wait for it: with four of them on two busy processors, ticket locks made the test
 * wait_no_token_is_lost take 20 s to 60 s instead of 0.02 s. Linux leaves its queue, too, when it
 * runs on a hypervisor.
 *
 * Holding a lock disables sleeping (preempt_count), and the variant says who else must be kept out
 * on this CPU:
 *
 *	spin_lock            taken in process context only
 *	spin_lock_bh         also taken in softirqs: disables them while held
 *	spin_lock_irq(save)  also taken in hard interrupts: disables those while held
 *
 * Whoever takes a lock in a context that can interrupt another holder on the same CPU without the
 * matching variant there has written a deadlock. The checked build finds it: it follows each lock
 * through the hooks of kernel/debug/lockdep.h, which are nothing in the plain one.
 */
#pragma once

#include "kernel/cpu/cpu.h"
#include "kernel/debug/lockdep.h"
#include "kernel/irq/preempt.h"
#include "kernel/irq/softirq.h"

typedef struct spinlock {
	u32 val;             /* 1 while held */
	struct lock_map map; /* empty in the plain build */
} spinlock_t;

/* Macros, because each place of initialisation stands for a class of locks. */
#define SPINLOCK_INIT(name) \
	{ \
		.val = 0, .map = LOCK_MAP_INIT(#name) \
	}
#define DEFINE_SPINLOCK(name) spinlock_t name = SPINLOCK_INIT(name)

#define spin_lock_init(l) \
	do { \
		(l)->val = 0; \
		lock_map_init(&(l)->map, #l); \
	} while (0)

static inline bool spin_is_locked(const spinlock_t *l)
{
	return READ_ONCE(l->val);
}

static __always_inline void __spin_acquire(spinlock_t *l, int subclass)
{
	lock_acquire(&l->map, subclass, 0);
	/* Reading leaves the cache line where it is; only a lock that looks free is tried again. */
	while (unlikely(__atomic_exchange_n(&l->val, 1, __ATOMIC_ACQUIRE)))
		while (READ_ONCE(l->val))
			cpu_relax();
	lock_acquired(&l->map);
}

static inline void __spin_release(spinlock_t *l)
{
	lock_release(&l->map);
	smp_store_release(&l->val, 0);
}

static inline void spin_lock(spinlock_t *l)
{
	preempt_disable();
	__spin_acquire(l, 0);
}

/* The same for a lock of the same kind as one already held; @subclass is the depth, 1 to 7. */
static inline void spin_lock_nested(spinlock_t *l, int subclass)
{
	preempt_disable();
	__spin_acquire(l, subclass);
}

static inline void spin_unlock(spinlock_t *l)
{
	__spin_release(l);
	preempt_enable();
}

static inline bool spin_trylock(spinlock_t *l)
{
	preempt_disable();
	if (!READ_ONCE(l->val) && !__atomic_exchange_n(&l->val, 1, __ATOMIC_ACQUIRE)) {
		lock_acquire(&l->map, 0, LOCK_TRY);
		return true;
	}
	preempt_enable();
	return false;
}

static inline void spin_lock_bh(spinlock_t *l)
{
	local_bh_disable();
	__spin_acquire(l, 0);
}

static inline void spin_unlock_bh(spinlock_t *l)
{
	__spin_release(l);
	lockdep_bh_on();
	local_bh_enable();
}

static inline void spin_lock_irq(spinlock_t *l)
{
	local_irq_disable();
	spin_lock(l);
}

static inline void spin_unlock_irq(spinlock_t *l)
{
	spin_unlock(l);
	lockdep_irqs_on();
	local_irq_enable();
}

#define spin_lock_irqsave(l, flags) \
	do { \
		local_irq_save(flags); \
		spin_lock(l); \
	} while (0)

static inline void spin_unlock_irqrestore(spinlock_t *l, u64 flags)
{
	spin_unlock(l);
	local_irq_restore(flags);
}
