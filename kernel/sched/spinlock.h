/*
 * Spinlocks: ticket locks, so CPUs get in in the order in which they came. Holding one disables
 * sleeping (preempt_count), and the variant says who else must be kept out on this CPU:
 *
 *	spin_lock            taken in process context only
 *	spin_lock_bh         also taken in softirqs: disables them while held
 *	spin_lock_irq(save)  also taken in hard interrupts: disables those while held
 *
 * Whoever takes a lock in a context that can interrupt another holder on the same CPU without the
 * matching variant there has written a deadlock.
 */
#pragma once

#include "kernel/cpu/cpu.h"
#include "kernel/irq/preempt.h"
#include "kernel/irq/softirq.h"

typedef struct spinlock {
	union {
		u32 val; /* next << 16 | owner */
		struct {
			u16 owner; /* ticket being served */
			u16 next; /* ticket for the next to come */
		};
	};
} spinlock_t;

#define SPINLOCK_INIT \
	{ \
		.val = 0 \
	}
#define DEFINE_SPINLOCK(name) spinlock_t name = SPINLOCK_INIT

/* A macro so that each place of initialisation can stand for a class of locks. */
#define spin_lock_init(l) ((l)->val = 0)

static inline bool spin_is_locked(const spinlock_t *l)
{
	u32 v = READ_ONCE(l->val);

	return (u16)v != (u16)(v >> 16);
}

static inline void __spin_acquire(spinlock_t *l)
{
	u32 v = __atomic_fetch_add(&l->val, 1u << 16, __ATOMIC_ACQUIRE);

	while (unlikely((u16)v != (u16)(v >> 16))) {
		cpu_relax();
		v = (v & 0xffff0000u) | smp_load_acquire(&l->owner);
	}
}

static inline void __spin_release(spinlock_t *l)
{
	/* Only the holder writes owner. */
	smp_store_release(&l->owner, (u16)(l->owner + 1));
}

static inline void spin_lock(spinlock_t *l)
{
	preempt_disable();
	__spin_acquire(l);
}

static inline void spin_unlock(spinlock_t *l)
{
	__spin_release(l);
	preempt_enable();
}

static inline bool spin_trylock(spinlock_t *l)
{
	u32 v = READ_ONCE(l->val);

	preempt_disable();
	if ((u16)v == (u16)(v >> 16) &&
	    __atomic_compare_exchange_n(&l->val, &v, v + (1u << 16), false, __ATOMIC_ACQUIRE,
					__ATOMIC_RELAXED))
		return true;
	preempt_enable();
	return false;
}

static inline void spin_lock_bh(spinlock_t *l)
{
	local_bh_disable();
	__spin_acquire(l);
}

static inline void spin_unlock_bh(spinlock_t *l)
{
	__spin_release(l);
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
