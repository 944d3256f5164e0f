/*
 * Wait queues. The declaration says what they are for; here is why no wake-up is lost.
 *
 *	sleeper                              waker
 *	1  put entry on the queue            A  make the condition true
 *	2  state = TASK_INTERRUPTIBLE        B  full barrier
 *	3  full barrier                      C  queue empty? else call the entries:
 *	4  condition true? then stay               state asleep? then make it runnable
 *	5  schedule()
 *
 * If 4 does not see A, then 3 comes before B, so C sees 1 and 2 and wakes the sleeper; if that
 * happens before 5, schedule() finds the state TASK_RUNNING and returns. __wake_up() takes
 * wq->lock, and so does step 1, which is as good as the two barriers; only a caller that skips
 * __wake_up() because waitqueue_active() said "nobody" needs a barrier of its own before that.
 *
 * Exclusive waiters stand at the tail, and a wake-up stops after nr_exclusive of them. A chosen one
 * is taken off the queue in the same step (autoremove_wake_function), so a second wake-up chooses
 * another. One that leaves for another reason (signal, deadline) first takes itself off and then
 * looks at its condition a last time: a wake-up that chose it before is seen by that look. And one
 * that is queued but finds its condition true by itself may be chosen before it has left, for
 * something else that it will not take (a second connection, say): it passes that wake-up on.
 *
 * tests/models/wait_event.pml has these steps for spin, with the races that come without each.
 *
 * LOCKING: wq->lock, with interrupts off, is held around the callbacks. Below it come ep->lock,
 * another wq's lock (ep->wq, ep->poll_wait), t->pi_lock and the run queue.
 */
#include "kernel/sched/wait.h"

#include "kernel/sched/completion.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/signal.h"

void add_wait_queue(struct wait_queue_head *wq, struct wait_queue_entry *e)
{
	u64 flags;

	e->flags &= ~WQ_FLAG_EXCLUSIVE;
	spin_lock_irqsave(&wq->lock, flags);
	list_add(&e->entry, &wq->head);
	spin_unlock_irqrestore(&wq->lock, flags);
}

void add_wait_queue_exclusive(struct wait_queue_head *wq, struct wait_queue_entry *e)
{
	u64 flags;

	e->flags |= WQ_FLAG_EXCLUSIVE;
	spin_lock_irqsave(&wq->lock, flags);
	list_add_tail(&e->entry, &wq->head);
	spin_unlock_irqrestore(&wq->lock, flags);
}

void remove_wait_queue(struct wait_queue_head *wq, struct wait_queue_entry *e)
{
	u64 flags;

	spin_lock_irqsave(&wq->lock, flags);
	list_del_init(&e->entry);
	spin_unlock_irqrestore(&wq->lock, flags);
}

void __wake_up_locked(struct wait_queue_head *wq, unsigned mode, int nr_exclusive, void *key)
{
	struct wait_queue_entry *e, *next;

	list_for_each_entry_safe(e, next, &wq->head, entry) {
		unsigned flags = e->flags; /* e may be gone after its function */
		int ret = e->func(e, mode, 0, key);

		if (ret < 0)
			break;
		if (ret && (flags & WQ_FLAG_EXCLUSIVE) && !--nr_exclusive)
			break;
	}
}

void __wake_up(struct wait_queue_head *wq, unsigned mode, int nr_exclusive, void *key)
{
	u64 flags;

	spin_lock_irqsave(&wq->lock, flags);
	__wake_up_locked(wq, mode, nr_exclusive, key);
	spin_unlock_irqrestore(&wq->lock, flags);
}

int default_wake_function(struct wait_queue_entry *e, unsigned mode, int flags, void *key)
{
	return try_to_wake_up(e->private, mode);
}

int autoremove_wake_function(struct wait_queue_entry *e, unsigned mode, int flags, void *key)
{
	int woken = default_wake_function(e, mode, flags, key);

	if (woken) {
		__list_unlink(&e->entry);
		e->entry.prev = &e->entry;
		/* Pairs with the acquire in finish_wait(): the last touch of the entry, which may
		 * be a stack frame that its owner leaves the moment it sees this. */
		smp_store_release(&e->entry.next, &e->entry);
	}
	return woken;
}

static bool signal_wakes(unsigned state)
{
	if (state & TASK_INTERRUPTIBLE)
		return signal_pending(current);
	return (state & TASK_WAKEKILL) && signal_pending(current) && fatal_signal_pending(current);
}

int prepare_to_wait(struct wait_queue_head *wq, struct wait_queue_entry *e, unsigned state)
{
	int ret = 0;
	u64 flags;

	spin_lock_irqsave(&wq->lock, flags);
	if (list_empty(&e->entry)) {
		if (e->flags & WQ_FLAG_EXCLUSIVE)
			list_add_tail(&e->entry, &wq->head);
		else
			list_add(&e->entry, &wq->head);
	}
	/* Its barrier comes after both: letting go of the lock is none, so an entry added later
	 * could still be in our store buffer when we test, and waitqueue_active() would miss it. */
	set_current_state(state);
	/* The same protocol with a signal as the condition: signal_wake_up() sets WORK_SIGPENDING
	 * before it looks at the state, so one of us sees the other. */
	if (unlikely(signal_wakes(state))) {
		list_del_init(&e->entry);
		ret = -ERESTARTSYS;
	}
	spin_unlock_irqrestore(&wq->lock, flags);
	return ret;
}

void finish_wait(struct wait_queue_head *wq, struct wait_queue_entry *e)
{
	u64 flags;

	WRITE_ONCE(current->state, TASK_RUNNING);
	/* Pairs with the release in autoremove_wake_function(): the waker is through with @e. */
	if (smp_load_acquire(&e->entry.next) == &e->entry && e->entry.prev == &e->entry)
		return;
	spin_lock_irqsave(&wq->lock, flags);
	list_del_init(&e->entry);
	spin_unlock_irqrestore(&wq->lock, flags);
}

void pass_on_wake_up(struct wait_queue_head *wq, struct wait_queue_entry *e)
{
	struct wait_queue_entry *i, *next;
	bool chosen;
	u64 flags;

	WRITE_ONCE(current->state, TASK_RUNNING);
	spin_lock_irqsave(&wq->lock, flags);
	chosen = list_empty(&e->entry);
	list_del_init(&e->entry);
	if (unlikely(chosen)) {
		/* The others have had it. */
		list_for_each_entry_safe(i, next, &wq->head, entry) {
			if ((i->flags & WQ_FLAG_EXCLUSIVE) && i->func(i, TASK_NORMAL, 0, NULL))
				break;
		}
	}
	spin_unlock_irqrestore(&wq->lock, flags);
}

void complete(struct completion *c)
{
	u64 flags;

	spin_lock_irqsave(&c->wq.lock, flags);
	c->done = true;
	__wake_up_locked(&c->wq, TASK_NORMAL, 0, NULL);
	spin_unlock_irqrestore(&c->wq.lock, flags);
}

/* Until the completer has let go of the lock, the completion must not disappear. */
static void completion_settle(struct completion *c)
{
	u64 flags;

	spin_lock_irqsave(&c->wq.lock, flags);
	spin_unlock_irqrestore(&c->wq.lock, flags);
}

void wait_for_completion(struct completion *c)
{
	wait_event(&c->wq, READ_ONCE(c->done));
	completion_settle(c);
}

long wait_for_completion_killable(struct completion *c)
{
	long ret = wait_event_killable(&c->wq, READ_ONCE(c->done));

	completion_settle(c);
	return ret;
}
