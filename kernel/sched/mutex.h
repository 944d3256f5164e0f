/*
 * Sleeping locks, for process context: the holder may sleep, allocate memory and touch user memory.
 * Waiters queue in the order of arrival. The free path is one atomic instruction each way.
 */
#pragma once

#include "kernel/sched/wait.h"

struct mutex {
	struct task *owner;        /* [a] NULL when free */
	struct task *heir;         /* [a] a waiter that the owner is to hand it to, or NULL */
	struct wait_queue_head wq; /* those who wait */
	struct lock_map map;       /* empty in the plain build */
};

#define MUTEX_INIT(m) \
	{ \
		.owner = NULL, .heir = NULL, .wq = WAIT_QUEUE_HEAD_INIT((m).wq), \
		.map = LOCK_MAP_INIT(#m) \
	}
#define DEFINE_MUTEX(m) struct mutex m = MUTEX_INIT(m)

#define mutex_init(m) \
	do { \
		(m)->owner = (m)->heir = NULL; \
		init_waitqueue_head(&(m)->wq); \
		lock_map_init(&(m)->map, #m); \
	} while (0)

void mutex_lock(struct mutex *m);
/* The same for a lock of the same kind as one already held; @subclass is the depth, 1 and up. */
void mutex_lock_nested(struct mutex *m, int subclass);
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);

static inline bool mutex_is_locked(const struct mutex *m)
{
	return READ_ONCE(m->owner) != NULL;
}
