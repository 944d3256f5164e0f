/*
 * The lock checker's hooks. spinlock.h and mutex.c call them at each step of a lock's life; without
 * SAN they are nothing, and so is struct lock_map. See lockdep.c.
 */
#pragma once

#include "kernel/lib/types.h"

/* What lock_acquire() is told of the kind of lock. */
#define LOCK_TRY    0x1 /* the caller does not wait: no order follows from it */
#define LOCK_SLEEPS 0x2 /* a mutex: belongs to a task, not to a CPU */

#define __LOCK_TEXT(x) #x
#define __LOCK_LINE(x) __LOCK_TEXT(x)
/* A text that names this place; locks that are initialised at one place are a class. */
#define LOCK_PLACE(what) what " (" __FILE__ ":" __LOCK_LINE(__LINE__) ")"

#ifdef SAN

#define CHECKED_BUILD 1

struct lock_map {
	const char *name; /* [I] LOCK_PLACE(): equal text, same class */
	u16 class;        /* [a] index of the class, 0 before the first use */
	bool nests;       /* [I] see lockdep_set_nests() */
};

#define LOCK_MAP_INIT(what) \
	{ \
		.name = LOCK_PLACE(what) \
	}
#define lock_map_init(m, what) (*(m) = (struct lock_map)LOCK_MAP_INIT(what))

struct held_lock {
	struct lock_map *map;
	u64 ip; /* where it was taken */
	u16 class;
	u8 context;   /* 0 process, 1 softirq, 2 hard interrupt */
	bool waiting; /* for it; not yet held */
};

#define MAX_HELD_MUTEXES 12
/* The mutexes of a task, in the order in which it took them. */
struct task_locks {
	int depth;                               /* [c] */
	struct held_lock held[MAX_HELD_MUTEXES]; /* [c] */
	/* For watch.c, which alone uses them: */
	u64 seen_switches; /* task->nr_switches at the first look since it last ran */
	u64 seen_at;       /* when that was, ns */
};

/*
 * Before, when, and at the end of holding a lock. @subclass tells locks of one class apart that are
 * held together in a known order, 0 to 7. Any context.
 */
void lock_acquire(struct lock_map *m, int subclass, unsigned how);
void lock_acquire_at(struct lock_map *m, int subclass, unsigned how, u64 ip);
void lock_acquired(struct lock_map *m);
void lock_release(struct lock_map *m);
/* Interrupts, or bottom halves, are about to be enabled, whatever is held. */
void lockdep_irqs_on(void);
void lockdep_bh_on(void);

/*
 * Locks of @l's class may be held within each other, and their users see to it that there is no
 * circle. Right after its initialisation.
 */
#define lockdep_set_nests(l) ((l)->map.nests = true)

/* Panics if the calling task, or its CPU, holds anything. @when completes "lock held at ...". */
void lockdep_check_none(const char *when);
/* The locks that CPU @cpu and the task that runs there hold or wait for. Reads without locks. */
void show_held_locks(int cpu);
/* No more checks: the machine is about to stop. */
void lockdep_off(void);

#else

#define CHECKED_BUILD 0

struct lock_map {
};
#define LOCK_MAP_INIT(what) \
	{ \
	}
#define lock_map_init(m, what) ((void)0)
struct task_locks {
};

static inline void lock_acquire(struct lock_map *m, int subclass, unsigned how)
{
}
static inline void lock_acquire_at(struct lock_map *m, int subclass, unsigned how, u64 ip)
{
}
static inline void lock_acquired(struct lock_map *m)
{
}
static inline void lock_release(struct lock_map *m)
{
}
static inline void lockdep_irqs_on(void)
{
}
static inline void lockdep_bh_on(void)
{
}
#define lockdep_set_nests(l)   ((void)0)
static inline void lockdep_check_none(const char *when)
{
}
static inline void show_held_locks(int cpu)
{
}
static inline void lockdep_off(void)
{
}

#endif
