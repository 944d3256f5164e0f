/*
 * Wait queues: the meeting place of those who wait and the event. An entry is a function, not a
 * task: a task that blocks in read() hangs default_wake_function() there, poll() hangs pollwake(),
 * an eventpoll hangs ep_poll_callback(), and wake_up() simply calls each. That is why one event
 * reaches all three kinds of waiter the same way.
 *
 * Callbacks run in the waker's context, under wq->lock with interrupts off: they never sleep.
 *
 * A task sleeps only through wait_event() and its variants; they register, set the state, test the
 * condition and only then call schedule(), so a wake-up between test and sleep is never lost. See
 * kernel/sched/wait.c for the proof.
 */
#pragma once

#include "kernel/abi/errno.h"
#include "kernel/abi/poll.h"
#include "kernel/lib/list.h"
#include "kernel/sched/spinlock.h"
#include "kernel/sched/task.h"

struct wait_queue_entry;

/*
 * @mode: task states to wake; @flags: WF_*; @key: event bits (EPOLLIN ...) as a pointer, NULL for
 * "anything". Returns >0 if it woke someone (counts against exclusive wakes), 0 if not, <0 to stop
 * the walk.
 */
typedef int (*wait_queue_func_t)(struct wait_queue_entry *e, unsigned mode, int flags, void *key);

#define WQ_FLAG_EXCLUSIVE 0x01 /* a wake-up that finds nr_exclusive such entries stops there */

struct wait_queue_head {
	spinlock_t lock;       /* taken with interrupts off, in any context */
	struct list_head head; /* [lock] entries; exclusive ones at the tail */
};

struct wait_queue_entry {
	unsigned flags;
	void *private; /* the task, for default_wake_function() */
	wait_queue_func_t func;
	struct list_head entry; /* [wq->lock] */
};

#define WAIT_QUEUE_HEAD_INIT(n) \
	{ \
		.lock = SPINLOCK_INIT((n).lock), .head = LIST_HEAD_INIT((n).head) \
	}
#define DECLARE_WAIT_QUEUE_HEAD(n) struct wait_queue_head n = WAIT_QUEUE_HEAD_INIT(n)

#define init_waitqueue_head(wq) \
	do { \
		spin_lock_init(&(wq)->lock); \
		INIT_LIST_HEAD(&(wq)->head); \
	} while (0)

static inline void init_waitqueue_func_entry(struct wait_queue_entry *e, wait_queue_func_t func)
{
	e->flags = 0;
	e->private = NULL;
	e->func = func;
	INIT_LIST_HEAD(&e->entry);
}

void add_wait_queue(struct wait_queue_head *wq, struct wait_queue_entry *e);
/* At the tail and marked exclusive. */
void add_wait_queue_exclusive(struct wait_queue_head *wq, struct wait_queue_entry *e);
/* After it returns the callback does not run any more. Harmless if @e is not queued. */
void remove_wait_queue(struct wait_queue_head *wq, struct wait_queue_entry *e);

/*
 * Without a lock: is anybody there? The caller must have made its condition visible before with a
 * full barrier (it pairs with the one in prepare_to_wait()), or hold a lock that waiters take.
 */
static inline bool waitqueue_active(const struct wait_queue_head *wq)
{
	return !list_empty(&wq->head);
}

/* Calls the entries' functions. @nr_exclusive: how many exclusive ones to wake, 0 for all. */
void __wake_up(struct wait_queue_head *wq, unsigned mode, int nr_exclusive, void *key);
/* The same with wq->lock held by the caller (interrupts off). */
void __wake_up_locked(struct wait_queue_head *wq, unsigned mode, int nr_exclusive, void *key);

#define wake_up(wq)               __wake_up(wq, TASK_NORMAL, 1, NULL)
#define wake_up_all(wq)           __wake_up(wq, TASK_NORMAL, 0, NULL)
#define wake_up_interruptible(wq) __wake_up(wq, TASK_INTERRUPTIBLE, 1, NULL)
/* @events is what has become true: EPOLLIN | EPOLLRDNORM, ... */
#define wake_up_poll(wq, events) \
	__wake_up(wq, TASK_NORMAL, 1, (void *)(uintptr_t)(__poll_t)(events))
#define wake_up_poll_all(wq, events) \
	__wake_up(wq, TASK_NORMAL, 0, (void *)(uintptr_t)(__poll_t)(events))
#define key_to_poll(key) ((__poll_t)(uintptr_t)(key))
/* A key of its own, beside those of poll(2): urgent data is on its way, though not here yet. For
 * signal-driven I/O. */
#define WAKE_URGENT ((__poll_t)0x08000000u)

/* Wakes the task in e->private. */
int default_wake_function(struct wait_queue_entry *e, unsigned mode, int flags, void *key);
/* The same, and takes the entry off the queue if it woke the task. */
int autoremove_wake_function(struct wait_queue_entry *e, unsigned mode, int flags, void *key);

/* The two halves of wait_event(); nobody else calls them. */
int prepare_to_wait(struct wait_queue_head *wq, struct wait_queue_entry *e, unsigned state);
void finish_wait(struct wait_queue_head *wq, struct wait_queue_entry *e);
/* The exclusive waiter @e, queued, has found its condition true by itself: leaves the queue, and if
 * a wake-up has chosen it all the same, the next exclusive waiter gets that. */
void pass_on_wake_up(struct wait_queue_head *wq, struct wait_queue_entry *e);

/* For the hung-task report of the checked build; nothing in the plain one. */
#define set_waiting_for(what) \
	do { \
		if (CHECKED_BUILD) \
			current->waiting_for = (what); \
	} while (0)

/*
 * Sleeps until @cond is true. @deadline is absolute, in ktime_get() nanoseconds. Value: 0 when the
 * condition is true, -ERESTARTSYS when @state allows signals and one is pending, -ETIME when the
 * deadline has passed and the condition is still false. @before and @after run around schedule(),
 * for a lock that the caller holds (spin_unlock / spin_lock). Process context.
 */
#define __wait_event(wq, cond, state_, wflags, deadline, before, after) \
	({ \
		set_waiting_for(LOCK_PLACE(#cond)); \
		struct wait_queue_entry _e = { \
			.flags = (wflags), .private = current, .func = autoremove_wake_function}; \
		long _ret = 0; \
		INIT_LIST_HEAD(&_e.entry); \
		for (;;) { \
			int _intr = prepare_to_wait((wq), &_e, (state_)); \
			if (cond) { \
				if (((wflags)&WQ_FLAG_EXCLUSIVE) && !_intr) \
					pass_on_wake_up((wq), &_e); \
				break; \
			} \
			if (_intr) { \
				_ret = _intr; \
				break; \
			} \
			before; \
			bool _late = schedule_deadline(deadline); \
			after; \
			if (_late) { \
				/* Leave first: a wake-up from here on chooses another. */ \
				finish_wait((wq), &_e); \
				if (!(cond)) \
					_ret = -ETIME; \
				break; \
			} \
		} \
		finish_wait((wq), &_e); \
		set_waiting_for(NULL); \
		_ret; \
	})

#define wait_event(wq, cond) \
	({ \
		if (!(cond)) \
			__wait_event(wq, cond, TASK_UNINTERRUPTIBLE, 0, NO_DEADLINE, , ); \
	})
#define wait_event_interruptible(wq, cond) wait_event_interruptible_deadline(wq, cond, NO_DEADLINE)
#define wait_event_interruptible_deadline(wq, cond, deadline) \
	({ \
		long __r = 0; \
		if (!(cond)) \
			__r = __wait_event(wq, cond, TASK_INTERRUPTIBLE, 0, deadline, , ); \
		__r; \
	})
/* One waiter a wake-up; a waiter that gives up after it was chosen passes the wake-up on. */
#define wait_event_interruptible_exclusive_deadline(wq, cond, deadline) \
	({ \
		long __r = 0; \
		if (!(cond)) \
			__r = __wait_event(wq, cond, TASK_INTERRUPTIBLE, WQ_FLAG_EXCLUSIVE, \
					   deadline, , ); \
		__r; \
	})
#define wait_event_killable(wq, cond) \
	({ \
		long __r = 0; \
		if (!(cond)) \
			__r = __wait_event(wq, cond, TASK_KILLABLE, 0, NO_DEADLINE, , ); \
		__r; \
	})
