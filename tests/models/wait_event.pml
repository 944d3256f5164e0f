/*
 * wait_event() against wake_up(), kernel/sched/wait.c and core.c, on a machine with store buffers.
 *
 *	sleeper: prepare_to_wait; test; schedule       (in a loop, as __wait_event() does)
 *	waker:   condition = true; wake_up             (WAKERS of them, each makes one unit)
 *
 * x86 may keep a store back while later loads go ahead. So a store here first goes to the
 * processor's buffer and reaches memory in a step of its own, at any later time, or at a barrier.
 * Only the two stores that the protocol is about are treated so: the sleeper's state and the
 * waker's condition; everything under a lock is seen in order.
 *
 * The sleeper takes a unit each time round. With -DEXCLUSIVE there are two, a wake-up chooses one of
 * them and takes it off the queue; the first leaves for good after one unit, or when its deadline
 * has passed, which may be at any time. Store buffers are left out then, to keep it quick.
 *
 * Proved: when nobody can move any more no unit is left (else a wake-up was lost), a task is never
 * put on a run queue while a CPU still uses its stack, and nobody touches a wait-queue entry after
 * its owner has left the stack frame that it lies in.
 *
 * Mutations, each of which must be found:
 *	-DNO_SLEEPER_BARRIER   set_current_state() without its smp_mb()
 *	-DQUEUE_LATE           the entry joins the queue after that smp_mb()
 *	-DNO_WAKER_BARRIER     waitqueue_active() asked without a barrier before it
 *	-DTEST_FIRST           the condition is tested before the state is set, not after
 *	-DNO_STATE_CHECK       schedule() does not look whether it was woken on the way
 *	-DNO_RQ_RECHECK        try_to_wake_up() believes on_rq without the run queue's lock
 *	-DNO_ON_CPU_WAIT       try_to_wake_up() does not wait until the task's registers are saved
 *	-DNO_LOCKED_LEAVE      finish_wait() leaves whether or not the entry is off the queue
 *	-DNO_LAST_LOOK         (EXCLUSIVE) a late waiter does not look at its condition again
 *	-DNO_PASS_ON           (EXCLUSIVE) a waiter that found its condition true by itself keeps
 *	                       the wake-up that chose it meanwhile
 */
#define WAKERS 2
#ifdef EXCLUSIVE
#define SLEEPERS 2
#else
#define SLEEPERS 1
#endif

#define RUNNING 0
#define ASLEEP  1

byte units;            /* the condition, in memory: units that may be taken */
bool waker_buf[WAKERS]; /* a unit that its waker has stored but that is not in memory yet */

bit state[SLEEPERS];             /* task->state, in memory */
bool state_buffered[SLEEPERS];   /* the store of ASLEEP is not in memory yet */
bool queued[SLEEPERS];           /* the entry is on the wait queue */
bool queue_buffered[SLEEPERS];   /* with -DQUEUE_LATE: that, with the wq_lock let go, likewise */
bool frame[SLEEPERS];            /* the entry exists */
bool on_rq[SLEEPERS] = true;     /* on the run queue */
bool on_cpu[SLEEPERS] = true;    /* a CPU uses its stack */
bool wq_lock, pi_lock[SLEEPERS], rq_lock[SLEEPERS];

#define LOCK(l)   atomic { !l -> l = true }
#define UNLOCK(l) l = false

/* A processor's buffer drains by itself sooner or later, and a barrier waits for it. */
proctype sleeper_store_buffer(byte s)
{
end:	do
	:: atomic { state_buffered[s] -> state[s] = ASLEEP; state_buffered[s] = false }
	:: atomic { queue_buffered[s] -> queued[s] = true; queue_buffered[s] = false; wq_lock = false }
	od
}

proctype waker_store_buffer(byte me)
{
	atomic { waker_buf[me] -> units++; waker_buf[me] = false }
}

/* try_to_wake_up(): woken. */
inline wake_task(s)
{
	LOCK(pi_lock[s]);
	woken = false;
	if
	:: state[s] == ASLEEP ->
		woken = true;
		still = on_rq[s];
#ifdef NO_RQ_RECHECK
		if
		:: still -> state[s] = RUNNING
		:: else
		fi;
#else
		if
		:: still ->
			LOCK(rq_lock[s]);
			still = on_rq[s];
			if
			:: still -> state[s] = RUNNING
			:: else
			fi;
			UNLOCK(rq_lock[s])
		:: else
		fi;
#endif
		if
		:: !still ->
#ifndef NO_ON_CPU_WAIT
			!on_cpu[s];
#endif
			assert(!on_cpu[s]);	/* another CPU may take it from here on */
			state[s] = RUNNING;
			on_rq[s] = true
		:: else
		fi
	:: else
	fi;
	UNLOCK(pi_lock[s])
}

/* autoremove_wake_function() */
inline call_entry(s)
{
	wake_task(s);
	if
	:: woken -> assert(frame[s]); queued[s] = false
	:: else
	fi
}

/* __wake_up_locked(), one exclusive waiter; which of them is first in the queue does not matter. */
inline wake_up_locked()
{
	woken = false;
#ifdef EXCLUSIVE
	if
	:: w = 0
	:: w = 1
	fi;
	if
	:: queued[w] -> call_entry(w)
	:: else
	fi;
	w = 1 - w;
	if
	:: !woken && queued[w] -> call_entry(w)
	:: else
	fi;
#else
	if
	:: queued[0] -> call_entry(0)
	:: else
	fi;
#endif
	w = 0
}

proctype waker(byte me)
{
	byte w;
	bool woken, still;

#ifdef EXCLUSIVE
	units++;
#else
	run waker_store_buffer(me);
	waker_buf[me] = true;
#ifndef NO_WAKER_BARRIER
	!waker_buf[me];
#endif
#endif
	if
	:: queued[0] || queued[SLEEPERS - 1] ->	/* waitqueue_active() */
		LOCK(wq_lock);
		wake_up_locked();
		UNLOCK(wq_lock)
	:: else
	fi
}

/* schedule(): leaves the run queue if the state still says so. Its lock is a barrier. */
inline schedule()
{
	!state_buffered[me] && !queue_buffered[me];
	LOCK(rq_lock[me]);
	if
#ifndef NO_STATE_CHECK
	:: state[me] == RUNNING -> UNLOCK(rq_lock[me])
	:: state[me] == ASLEEP ->
#else
	:: true ->
#endif
		on_rq[me] = false;
		on_cpu[me] = false;	/* finish_switch(), on the next task's stack */
		UNLOCK(rq_lock[me]);
end_asleep:	if
		:: on_rq[me]
#ifdef EXCLUSIVE
		:: me == 0 && !on_rq[me] ->	/* the timer wakes it */
			late = true;
			wake_task(me);
			on_rq[me]
#endif
		fi;
		on_cpu[me] = true
	fi
}

inline finish_wait()
{
	!state_buffered[me] && !queue_buffered[me];
	state[me] = RUNNING;
#ifndef NO_LOCKED_LEAVE
	if
	:: queued[me] -> LOCK(wq_lock); queued[me] = false; UNLOCK(wq_lock)
	:: else
	fi;
#else
	queued[me] = false;
#endif
}

proctype sleeper(byte me)
{
	bool seen, late, woken, still;
	byte w;

#ifndef EXCLUSIVE
	run sleeper_store_buffer(me);
#endif
	do
	:: true ->
		frame[me] = true;
		do
		:: true ->
#ifdef TEST_FIRST
			seen = (units > 0);
#endif
			/* prepare_to_wait() */
#ifdef EXCLUSIVE
			atomic { !wq_lock -> queued[me] = true; state[me] = ASLEEP };
#else
			LOCK(wq_lock);
#ifndef QUEUE_LATE
			queued[me] = true;
#endif
			state_buffered[me] = true;
#ifndef NO_SLEEPER_BARRIER
			!state_buffered[me];
#endif
#ifdef QUEUE_LATE
			queue_buffered[me] = true;
#else
			UNLOCK(wq_lock);
#endif
#endif
#ifndef TEST_FIRST
			seen = (units > 0);
#endif
			if
			:: seen ->
#if defined(EXCLUSIVE) && !defined(NO_PASS_ON)
				/* pass_on_wake_up() */
				!state_buffered[me];
				state[me] = RUNNING;
				LOCK(wq_lock);
				if
				:: queued[me] -> queued[me] = false
				:: else -> wake_up_locked()
				fi;
				UNLOCK(wq_lock);
#endif
				break
			:: else
			fi;
			schedule();
			if
			:: late -> break
			:: else
			fi
		od;
		finish_wait();
		frame[me] = false;
#ifndef NO_LAST_LOOK
		seen = (units > 0);
#endif
		if
		:: late && !seen -> break
		:: else
		fi;
		late = false;
		atomic {
			if
			:: units > 0 ->
				units--;
#ifdef EXCLUSIVE
				if
				:: me == 0 -> break
				:: else
				fi
#endif
			:: else
			fi
		}
	od
}

/* When nobody can move: nothing may have been lost. */
active proctype monitor()
{
	timeout -> assert(units == 0)
}

init {
	byte i;

	atomic {
		for (i : 0 .. SLEEPERS - 1) {
			run sleeper(i)
		}
		for (i : 0 .. WAKERS - 1) {
			run waker(i)
		}
	}
}
