/*
 * epoll_wait() against ep_poll_callback(), fs/eventpoll.c: one source, one item for it, WAITERS
 * tasks that wait, a writer that makes TOKENS tokens. Every token is one write to the source and
 * one wake-up of its wait queue. With -DNESTED the tasks wait on an outer epoll that watches the
 * inner one; the inner item's callback then reaches the outer one.
 *
 * The steps are those of the code:
 *	callback  under ep->lock: to rdllist, or to ovflist while a scan goes on; wake one waiter
 *	scan      under ep->mtx: rdllist moves to a private list, each item is polled once, reported,
 *	          and put back if level-triggered; then what came meanwhile (ovflist) joins rdllist
 *	wait      under ep->lock: nothing ready? then onto ep->wq, and sleep
 *
 * Proved, for level- and (-DET) edge-triggered items: when nothing can move any more, every token
 * has been taken. With -DMOD another task turns the item on only while the writer is at work
 * (epoll_ctl MOD), with -DDEL it removes the item, and no event is reported after that. With -DBATCH
 * one write makes all tokens and each task takes one and leaves: the level must reach every task.
 *
 * Mutations, each of which must be found:
 *	-DNO_OVFLIST     a callback during a scan is dropped
 *	-DNO_REPOLL      MOD does not poll the source again
 *	-DNO_MOD_BARRIER MOD polls before its new mask is visible to the callback
 *	-DNO_MOD_WAKE    MOD finds the source ready but wakes nobody
 *	-DNO_MTX_DEL     DEL does not take ep->mtx
 *	-DTEST_UNLOCKED  the waiter looks at rdllist before it takes ep->lock, and not again
 *	-DNO_CHAIN       (with -DBATCH) a scan that leaves something on rdllist does not wake the next waiter
 */
#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef TOKENS
#define TOKENS 3
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
bool removed;		/* DEL has returned */
bool item_live = true;	/* the item hangs on the source's wait queue */

#ifdef MOD
bool mask = false;	/* the item's events, as the callback sees them */
#else
bool mask = true;
#endif
bool mask_buffered;	/* MOD's store, not yet in memory */

bool lock[NEP], mtx[NEP], wq_lock;
bool in_rdl[NEP], in_ovf[NEP], scanning[NEP];
bool on_wq[WAITERS];	/* on the wait queue of the epoll that the tasks wait on */
bool asleep[WAITERS];

#define ACQUIRE(l) atomic { !l -> l = true }
#define RELEASE(l) l = false

/* __wake_up() with one exclusive waiter; it takes the waiter off the queue. ep->lock held. */
inline wake_one()
{
	atomic {
		w = 0;
		do
		:: w == WAITERS -> break
		:: w < WAITERS && on_wq[w] -> on_wq[w] = false; asleep[w] = false; break
		:: w < WAITERS && !on_wq[w] -> w++
		od;
		w = 0
	}
}

/* ep_poll_callback() of the item in epoll e, up to the wake-up. */
inline make_ready(e)
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

/* ep->wq, or ep->poll_wait and with it the outer item's callback. Inner ep->lock held. */
inline wake_watchers()
{
#ifdef NESTED
	ACQUIRE(lock[1]);
	make_ready(1);
	wake_one();
	RELEASE(lock[1])
#else
	wake_one()
#endif
}

inline callback()
{
	ACQUIRE(wq_lock);
	if
	:: item_live && mask ->
		ACQUIRE(lock[0]);
		make_ready(0);
		wake_watchers();
		RELEASE(lock[0])
	:: else
	fi;
	RELEASE(wq_lock)
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
	start_scan(0);
	inner = false;
	if
	:: tx[0] && data > 0 && mask -> inner = true; in_rdl[0] = true
	:: else
	fi;
	tx[0] = false;
	done_scan(0)
}

/* ep_send_events() on the inner (or only) epoll: got = an event for the item was reported. */
inline send_events()
{
	start_scan(0);
	got = false;
	if
	:: tx[0] && data > 0 && mask ->
		got = true;
		assert(!removed);
#ifndef ET
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
	got = false;
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

/* What a program does with the event: level-triggered reads one token, edge-triggered all. */
inline consume()
{
	atomic {
		if
#ifdef ET
		:: data > 0 -> taken = taken + data; data = 0
#else
		:: data > 0 -> data--; taken++
#endif
		:: else
		fi
	}
}

proctype waiter(byte me)
{
	bool got, inner, avail;
	bool tx[NEP];
	byte w;

	do
	:: true ->
		avail = in_rdl[OUTER] || scanning[OUTER];
		if
		:: avail ->
#ifdef NESTED
			send_outer();
			if
			:: got -> send_events()
			:: else
			fi;
#else
			send_events();
#endif
			if
			:: got ->
				consume();
#ifdef BATCH
				break
#endif
			:: else
			fi
		:: else
		fi;
		if
		:: !got ->
#ifdef TEST_UNLOCKED
			avail = in_rdl[OUTER] || scanning[OUTER];
#endif
			ACQUIRE(lock[OUTER]);
#ifndef TEST_UNLOCKED
			avail = in_rdl[OUTER] || scanning[OUTER];
#endif
			if
			:: !avail -> asleep[me] = true; on_wq[me] = true
			:: else
			fi;
			RELEASE(lock[OUTER]);
end_sleep:		!asleep[me]
		:: else
		fi;
		got = false
	od
}

proctype writer()
{
	byte i, w;

#ifdef BATCH
	data = TOKENS;
	callback()
#else
	for (i : 1 .. TOKENS) {
		data++;
		callback()
	}
#endif
}

#ifdef MOD
proctype mask_store_buffer()
{
	atomic { mask_buffered -> mask = true; mask_buffered = false }
}

/* ep_modify(): the mask, a full barrier, then a poll of the source. */
proctype modifier()
{
	byte w;
	bool ready;

	ACQUIRE(mtx[0]);
	mask_buffered = true;
	run mask_store_buffer();
#ifndef NO_MOD_BARRIER
	!mask_buffered;
#endif
	ready = (data > 0);
#ifndef NO_REPOLL
	if
	:: ready ->
		ACQUIRE(lock[0]);
		in_rdl[0] = true;
#ifndef NO_MOD_WAKE
		wake_watchers();
#endif
		RELEASE(lock[0])
	:: else
	fi;
#endif
	RELEASE(mtx[0])
}
#endif

#ifdef DEL
/* ep_remove(): off the source's wait queue, then off the lists. */
proctype remover()
{
#ifndef NO_MTX_DEL
	ACQUIRE(mtx[0]);
#endif
	ACQUIRE(wq_lock);
	item_live = false;
	RELEASE(wq_lock);
	ACQUIRE(lock[0]);
	in_rdl[0] = false;
	in_ovf[0] = false;
	RELEASE(lock[0]);
	removed = true;
#ifndef NO_MTX_DEL
	RELEASE(mtx[0])
#endif
}
#endif

/* When nobody can move: nothing may have been lost. */
active proctype monitor()
{
	timeout ->
#ifndef DEL
	assert(taken == TOKENS)
#else
	assert(removed)
#endif
}

init {
	byte i;

	atomic {
		for (i : 0 .. WAITERS - 1) {
			run waiter(i)
		}
		run writer();
#ifdef MOD
		run modifier();
#endif
#ifdef DEL
		run remover();
#endif
	}
}
