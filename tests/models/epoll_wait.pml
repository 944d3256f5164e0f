/*
 * epoll_wait() against ep_poll_callback(), fs/eventpoll.c: one source, one item for it, two tasks
 * that wait, a writer that makes TOKENS tokens. Every token is one write to the source and one
 * wake-up of its wait queue.
 *
 * The steps are those of the code:
 *	callback  under ep->lock: to rdllist, or to ovflist while a scan goes on; wake one waiter;
 *	          then, without ep->lock, tell those who watch the epoll
 *	scan      under ep->mtx: rdllist moves to a private list, each item is polled once, reported,
 *	          and put back if level-triggered; then what came meanwhile (ovflist) joins rdllist,
 *	          and if that is not empty the next waiter is woken
 *	wait      onto ep->wq; nothing ready, says ep->lock? then sleep
 *
 * Proved, for level- and (-DET) edge-triggered items: when nothing can move any more, every token
 * has been taken. Each of these adds something:
 *	-DNESTED   the tasks wait on an outer epoll that watches the inner one
 *	-DBATCH    one write makes all tokens, each task takes one and leaves: the level reaches all
 *	-DLATE     the first task has a deadline, which may pass at any time
 *	-DKILL     the first task is killed while it sleeps
 *	-DMOD      the item is deaf until another task turns it on while the writer is at work
 *	-DONESHOT  whoever gets the event owns the item until it re-arms it: one at a time
 *	-DADD      the item is added while the writer is at work; stores may be kept back, as on x86
 *	-DDEL      the item is removed: no event is reported after that, no callback uses a freed item
 *	-DQUIET    nobody reads; a task that asks without waiting must not be told "nothing"
 *
 * Mutations, each of which must be found:
 *	-DNO_OVFLIST         a callback during a scan is dropped
 *	-DTEST_FIRST         the waiter looks for items before it queues on ep->wq, and not again
 *	-DNO_CHAIN           (BATCH) a scan that leaves something does not wake the next waiter
 *	-DNO_LAST_LOOK       (LATE) a waiter whose time is over returns without looking again
 *	-DNO_DYING_WAKE      (KILL) a killed waiter does not wake another
 *	-DNO_OUTER_WAKE      (NESTED) the callback does not tell those who watch the epoll
 *	-DNO_REPOLL          (MOD) does not poll the source again
 *	-DNO_MOD_LOCK        (MOD) the new mask is stored without ep->lock
 *	-DNO_MOD_WAKE        (MOD) finds the source ready but wakes nobody
 *	-DNO_DISARM          (ONESHOT) the mask stays as it is
 *	-DLOOK_FIRST         (ADD) polls the source before it listens
 *	-DNO_LISTEN_BARRIER  (ADD) no barrier in poll_wait()
 *	-DNO_SOURCE_BARRIER  (ADD) the source asks waitqueue_active() without a barrier before it
 *	-DNO_MTX_DEL         (DEL) without ep->mtx
 *	-DNO_WQ_LOCK_DEL     (DEL) leaves the source's wait queue without its lock
 *	-DTEST_UNLOCKED      (QUIET) looks at rdllist and then at ovflist, without ep->lock
 */
#define WAITERS 2
#ifndef TOKENS
#define TOKENS 2
#endif

#ifdef NESTED
#define NEP   2		/* 0 the inner, 1 the outer */
#define OUTER 1
#else
#define NEP   1
#define OUTER 0
#endif

byte data;		/* tokens in the source */
byte taken;
bool data_buffered;	/* with -DADD: the writer's store of a token, not yet in memory */
bool removed;		/* DEL has returned */
bool freed;		/* the item's memory */
bool owned;		/* with -DONESHOT */

#ifdef ADD
bool item_live = false;	/* the item hangs on the source's wait queue */
#else
bool item_live = true;
#endif
#ifdef MOD
bool mask = false;	/* the item's events, as the callback sees them */
#else
bool mask = true;
#endif
/* Stores of the task in epoll_ctl() that are not yet in memory, in order. */
bool mask_buffered, listen_buffered, unlock_buffered;

bool lock[NEP], mtx[NEP], source_lock;
bool in_rdl[NEP], in_ovf[NEP], scanning[NEP];
bool on_wq[WAITERS];	/* on the wait queue of the epoll that the tasks wait on */
bool asleep[WAITERS];	/* task->state */

#define ACQUIRE(l) atomic { !l -> l = true }
#define RELEASE(l) l = false
#define EITHER_LIST(e) (in_rdl[e] || scanning[e])

/* __wake_up() of one exclusive waiter, under the queue's lock; it leaves the queue. */
inline wake_one()
{
	atomic {
		if
		:: on_wq[0] && asleep[0] -> on_wq[0] = false; asleep[0] = false
		:: on_wq[1] && asleep[1] -> on_wq[1] = false; asleep[1] = false
		:: !(on_wq[0] && asleep[0]) && !(on_wq[1] && asleep[1])
		fi
	}
}

/* ep_add_ready(), ep->lock held. */
inline add_ready(e)
{
	if
	:: scanning[e] ->
#ifndef NO_OVFLIST
		in_ovf[e] = true
#else
		skip
#endif
	:: else -> in_rdl[e] = true
	fi
}

/* The callback of the outer epoll's item: inner ep->poll_wait's lock held, inner ep->lock not. */
inline tell_watchers()
{
#if defined(NESTED) && !defined(NO_OUTER_WAKE)
	ACQUIRE(lock[1]);
	add_ready(1);
	wake_one();
	RELEASE(lock[1])
#else
	skip
#endif
}

/* Onto the list and wake: the common part of ep_poll_callback() and ep_item_is_ready(). */
inline ready_and_wake(wake)
{
	add_ready(0);
#ifndef NESTED
	if
	:: wake -> wake_one()
	:: else
	fi;
#endif
}

/* The source's wake-up, with ep_poll_callback() in it. */
inline callback()
{
	if
	:: item_live ->	/* waitqueue_active() */
		ACQUIRE(source_lock);
		if
		:: item_live ->
			ACQUIRE(lock[0]);
			assert(!freed);
			if
			:: mask -> ready_and_wake(true); RELEASE(lock[0]); tell_watchers()
			:: else -> RELEASE(lock[0])
			fi
		:: else
		fi;
		RELEASE(source_lock)
	:: else
	fi
}

/* ep_events_available(): avail. */
inline events_available(e)
{
#ifdef TEST_UNLOCKED
	avail = in_rdl[e];
	if
	:: !avail -> avail = scanning[e]
	:: else
	fi
#else
	avail = in_rdl[e];
	if
	:: !avail -> ACQUIRE(lock[e]); avail = EITHER_LIST(e); RELEASE(lock[e])
	:: else
	fi
#endif
}

inline start_scan(e)
{
	ACQUIRE(mtx[e]);
	ACQUIRE(lock[e]);
	tx[e] = in_rdl[e];
	in_rdl[e] = false;
	scanning[e] = true;
	RELEASE(lock[e])
}

inline done_scan(e)
{
	ACQUIRE(lock[e]);
	if
	:: in_ovf[e] -> in_rdl[e] = true; in_ovf[e] = false
	:: else
	fi;
	scanning[e] = false;
	if
	:: in_rdl[e] && e == OUTER ->
#ifndef NO_CHAIN
		wake_one()
#else
		skip
#endif
	:: else
	fi;
	RELEASE(lock[e]);
	RELEASE(mtx[e])
}

/* The inner epoll's poll operation: is anything on its list really ready? What is stays there. */
inline poll_inner()
{
	inner = false;
	events_available(0);
	if
	:: avail ->
		start_scan(0);
		if
		:: tx[0] && data > 0 && mask -> inner = true; in_rdl[0] = true
		:: else
		fi;
		tx[0] = false;
		done_scan(0)
	:: else
	fi
}

/* ep_send_events() on the inner (or only) epoll: got = an event for the item was reported. */
inline send_events()
{
	start_scan(0);
	if
	:: tx[0] && data > 0 && mask ->
		got = true;
		assert(!removed);
#ifdef ONESHOT
#ifndef NO_DISARM
		ACQUIRE(lock[0]);	/* ep_disarm() */
		mask = false;
		RELEASE(lock[0]);
#endif
#elif !defined(ET)
		in_rdl[0] = true
#endif
	:: else
	fi;
	tx[0] = false;
	done_scan(0)
}

/* The outer epoll's: its item is the inner epoll. */
inline send_outer()
{
	start_scan(1);
	if
	:: tx[1] ->
		poll_inner();
		if
		:: inner -> got = true; in_rdl[1] = true	/* level-triggered */
		:: else
		fi
	:: else
	fi;
	tx[1] = false;
	done_scan(1)
}

/* ep_modify() and ep_item_is_ready(), by a task without stores that could be kept back. */
inline rearm()
{
	ACQUIRE(mtx[0]);
	ACQUIRE(lock[0]);
	mask = true;
	RELEASE(lock[0]);
	if
	:: data > 0 -> ACQUIRE(lock[0]); ready_and_wake(true); RELEASE(lock[0])
	:: else
	fi;
	RELEASE(mtx[0])
}

/* What a program does with the event: level-triggered reads one token, edge-triggered all. */
inline consume()
{
#ifdef ONESHOT
	assert(!owned);
	owned = true;
#endif
	atomic {
		if
#if defined(ET) || defined(ONESHOT)
		:: data > 0 -> taken = taken + data; data = 0
#else
		:: data > 0 -> data--; taken++
#endif
		:: else
		fi
	}
#ifdef ONESHOT
	owned = false;
	rearm()
#endif
}

/* One look without a wait: epoll_wait() with timeout 0, on what the tasks wait on. */
inline look()
{
	got = false;
	events_available(OUTER);
	if
	:: avail ->
#ifdef NESTED
		send_outer();
		if
		:: got ->
			got = false;
			events_available(0);
			if
			:: avail -> send_events()
			:: else
			fi
		:: else
		fi
#else
		send_events()
#endif
	:: else
	fi
}

proctype waiter(byte me)
{
	bool got, inner, avail, late;
	bool tx[NEP];

	do
	:: true ->
		look();
		if
		:: got ->
#ifdef QUIET
			break
#else
			consume();
#ifdef BATCH
			break
#endif
#endif
		:: !got && late -> break
		:: !got && !late ->
			/* wait_event_interruptible_exclusive_deadline(): queue, then look. */
#ifdef TEST_FIRST
			events_available(OUTER);
			atomic { on_wq[me] = true; asleep[me] = true };
#else
			atomic { on_wq[me] = true; asleep[me] = true };
			events_available(OUTER);
#endif
			if
			:: avail ->	/* pass_on_wake_up() */
				atomic {
					asleep[me] = false;
					if
					:: on_wq[me] -> on_wq[me] = false
					:: else -> wake_one()
					fi
				}
			:: else ->
end_sleep:			if
				:: !asleep[me]
#if defined(LATE) || defined(KILL)
				:: me == 0 -> asleep[me] = false; late = true
#endif
				fi;
				on_wq[me] = false;	/* finish_wait() */
#ifdef KILL
				if
				:: late ->
#ifndef NO_DYING_WAKE
					wake_one();
#endif
					break
				:: else
				fi;
#endif
#ifdef NO_LAST_LOOK
				if
				:: late -> break
				:: else
				fi;
#endif
			fi
		fi
	od
}

proctype writer()
{
	byte i;

#ifdef BATCH
	data = TOKENS;
	callback()
#else
	for (i : 1 .. TOKENS) {
#ifdef ADD
		data_buffered = true;
#ifndef NO_SOURCE_BARRIER
		!data_buffered;
#endif
		callback();
		!data_buffered
#else
		data++;
		callback()
#endif
	}
#endif
}

#ifdef ADD
proctype writer_store_buffer()
{
end:	do
	:: atomic { data_buffered -> data++; data_buffered = false }
	od
}
#endif

#if defined(MOD) || defined(ADD)
/* The processor of the task in epoll_ctl(). */
proctype ctl_store_buffer()
{
end:	do
	:: atomic { mask_buffered -> mask = true; mask_buffered = false }
	:: atomic { listen_buffered -> item_live = true; listen_buffered = false }
	:: atomic {
		unlock_buffered && !mask_buffered && !listen_buffered ->
#ifdef MOD
		lock[0] = false;
#else
		source_lock = false;
#endif
		unlock_buffered = false
	   }
	od
}
#endif

#ifdef MOD
/* ep_modify(): the mask, under ep->lock, then a poll of the source. */
proctype modifier()
{
	bool ready;

	ACQUIRE(mtx[0]);
#ifndef NO_MOD_LOCK
	ACQUIRE(lock[0]);
	mask_buffered = true;
	unlock_buffered = true;
#else
	mask_buffered = true;
#endif
	ready = (data > 0);
#ifndef NO_REPOLL
	if
	:: ready ->
		ACQUIRE(lock[0]);
#ifndef NO_MOD_WAKE
		ready_and_wake(true);
		RELEASE(lock[0]);
		tell_watchers()
#else
		ready_and_wake(false);
		RELEASE(lock[0])
#endif
	:: else
	fi;
#endif
	RELEASE(mtx[0])
}
#endif

#ifdef ADD
/* ep_insert(): listen, barrier, look. */
proctype adder()
{
	bool ready;

	ACQUIRE(mtx[0]);
#ifdef LOOK_FIRST
	ready = (data > 0);
#endif
	ACQUIRE(source_lock);
	listen_buffered = true;
	unlock_buffered = true;
#ifndef NO_LISTEN_BARRIER
	!listen_buffered && !unlock_buffered;
#endif
#ifndef LOOK_FIRST
	ready = (data > 0);
#endif
	if
	:: ready ->
		ACQUIRE(lock[0]);
		ready_and_wake(true);
		RELEASE(lock[0]);
		tell_watchers()
	:: else
	fi;
	RELEASE(mtx[0])
}
#endif

#ifdef DEL
/* ep_remove(): off the source's wait queue, then off the list, then free. */
proctype remover()
{
#ifndef NO_MTX_DEL
	ACQUIRE(mtx[0]);
#endif
#ifndef NO_WQ_LOCK_DEL
	ACQUIRE(source_lock);
	item_live = false;
	RELEASE(source_lock);
#else
	item_live = false;
#endif
	ACQUIRE(lock[0]);
	in_rdl[0] = false;
	RELEASE(lock[0]);
	freed = true;
	removed = true;
#ifndef NO_MTX_DEL
	RELEASE(mtx[0])
#endif
}
#endif

#ifdef QUIET
/* The item is ready, level-triggered, and nobody reads: each answer must be an event. */
proctype asker()
{
	bool got, inner, avail;
	bool tx[NEP];

	look();
	assert(got)
}
#endif

/* When nobody can move: nothing may have been lost. */
active proctype monitor()
{
	timeout ->
#ifdef DEL
	assert(removed)
#elif !defined(QUIET)
	assert(taken == TOKENS)
#endif
}

init {
	atomic {
#ifdef QUIET
		data = 1;
		in_rdl[0] = true;
		in_rdl[OUTER] = true;
		run asker();
		run asker();
#else
		run waiter(0);
		run waiter(1);
		run writer();
#endif
#if defined(MOD) || defined(ADD)
		run ctl_store_buffer();
#endif
#ifdef MOD
		run modifier();
#endif
#ifdef ADD
		run writer_store_buffer();
		run adder();
#endif
#ifdef DEL
		run remover();
#endif
	}
}
