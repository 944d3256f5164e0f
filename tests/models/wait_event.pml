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
 * Proved: every run ends with the sleeper having taken all units (a lost wake-up is a state
 * without a way on, which spin reports as an invalid end state).
 *
 * Mutations, each of which must be found:
 *	-DNO_SLEEPER_BARRIER   set_current_state() without its smp_mb()
 *	-DNO_WAKER_BARRIER     waitqueue_active() asked without a barrier before it
 *	-DTEST_FIRST           the condition is tested before the state is set, not after
 *	-DNO_ON_RQ_CHECK       schedule() does not look whether it was woken on the way
 */
#define WAKERS 2

#define RUNNING 0
#define ASLEEP  1

byte units;            /* the condition, in memory: units that may be taken */
byte waker_buf[WAKERS]; /* a unit that its waker has stored but that is not in memory yet */

byte state = RUNNING;  /* task->state, in memory */
bool state_buffered;   /* the sleeper's store of ASLEEP is not in memory yet */
bool queued;           /* the entry is on the wait queue */
bool on_rq = true;     /* on the run queue */
bool wq_lock;
byte taken;

#define LOCK(l)   atomic { !l -> l = true }
#define UNLOCK(l) l = false

/* A processor's buffer drains by itself sooner or later, and a barrier waits for it. */
active proctype sleeper_store_buffer()
{
	do
	:: atomic { state_buffered -> state = ASLEEP; state_buffered = false }
	:: taken == WAKERS -> break
	od
}

proctype waker_store_buffer(byte me)
{
	atomic { waker_buf[me] == 1 -> units++; waker_buf[me] = 0 }
}

/* try_to_wake_up(), under pi_lock and the run-queue lock. */
inline wake_task()
{
	atomic {
		if
		:: state == ASLEEP -> state = RUNNING; on_rq = true
		:: else
		fi
	}
}

proctype waker(byte me)
{
	run waker_store_buffer(me);
	waker_buf[me] = 1;
#ifndef NO_WAKER_BARRIER
	waker_buf[me] == 0;
#endif
	if
	:: queued ->	/* waitqueue_active() */
		LOCK(wq_lock);
		if
		:: queued -> wake_task()
		:: else
		fi;
		UNLOCK(wq_lock)
	:: !queued
	fi
}

active proctype sleeper()
{
	bool seen;

	do
	:: taken == WAKERS -> break
	:: else ->
		do
		:: true ->
#ifdef TEST_FIRST
			seen = (units > 0);
#endif
			LOCK(wq_lock);
			queued = true;
			state_buffered = true;
#ifndef NO_SLEEPER_BARRIER
			!state_buffered;
#endif
			UNLOCK(wq_lock);
#ifndef TEST_FIRST
			seen = (units > 0);
#endif
			if
			:: seen -> break
			:: else
			fi;
			/* schedule(): leave the run queue if the state still says so. Taking the
			 * run-queue lock is a barrier. */
			!state_buffered;
			atomic {
				if
#ifndef NO_ON_RQ_CHECK
				:: state == RUNNING
				:: state == ASLEEP -> on_rq = false
#else
				:: true -> on_rq = false
#endif
				fi
			};
			on_rq	/* runs again */
		od;
		/* finish_wait() */
		!state_buffered;
		state = RUNNING;
		LOCK(wq_lock);
		queued = false;
		UNLOCK(wq_lock);
		atomic {
			if
			:: units > 0 -> units--; taken++
			:: else
			fi
		}
	od
}

init {
	byte i;

	atomic {
		for (i : 0 .. WAKERS - 1) {
			run waker(i)
		}
	}
}
