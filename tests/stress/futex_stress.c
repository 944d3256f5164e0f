/*
 * futex_stress: a lock with priority inheritance has one owner, whatever happens to those who want it.
 *
 * Threads take a few locks and give them back: by FUTEX_LOCK_PI and by hand, one lock or two in any order
 * (a circle is refused), with and without a limit. They wait for conditions that are requeued to the
 * locks. Some end with a lock in their hands, and then a waiter inherits it or, if there is none, the next
 * who comes finds that the owner is gone. Whoever has a lock finds its counter at rest. Between the rounds
 * every lock is free.
 */
#define _GNU_SOURCE
#include "rounds.h"

#include <sched.h>
#include <sys/syscall.h>

#define STEPS           60
#define LOCKS           4
#define LOCK_PI         (6 | 128)
#define UNLOCK_PI       (7 | 128)
#define TRYLOCK_PI      (8 | 128)
#define WAIT_REQUEUE_PI (11 | 128)
#define CMP_REQUEUE_PI  (12 | 128)
#define WAITERS         0x80000000u
#define TID             0x3fffffffu

static struct lock {
	uint32_t word, cond;
	int users; /* of those who have it: 0 or 1 */
} locks[LOCKS];

static unsigned long ended, orphaned, circles;

static long futex(uint32_t *word, int op, uint32_t value, void *arg, uint32_t *to, uint32_t more)
{
	return syscall(SYS_futex, word, op, value, arg, to, more) ? -errno : 0;
}

static uint32_t me(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

static bool swap(uint32_t *word, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(word, &from, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

static struct timespec soon(struct rng *r, clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_nsec += below(r, 300000);
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_nsec -= 1000000000;
		ts.tv_sec++;
	}
	return ts;
}

static bool has_ended(uint32_t tid)
{
	return syscall(SYS_tgkill, getpid(), tid, 0) < 0 && errno == ESRCH;
}

static void enter(struct lock *l)
{
	uint32_t word = __atomic_load_n(&l->word, __ATOMIC_SEQ_CST);

	if ((word & TID) != me())
		fail("a lock that was given to %u has the word %x", me(), word);
	if (__atomic_fetch_add(&l->users, 1, __ATOMIC_SEQ_CST))
		fail("two have the same lock");
}

static void leave(struct lock *l)
{
	__atomic_fetch_sub(&l->users, 1, __ATOMIC_SEQ_CST);
	if (!swap(&l->word, me(), 0))
		check(!futex(&l->word, UNLOCK_PI, 0, NULL, NULL, 0));
}

/* 0, -ETIMEDOUT, -EDEADLK, -EAGAIN, -EINVAL. */
static long take(struct rng *r, struct lock *l)
{
	uint32_t seen = __atomic_load_n(&l->word, __ATOMIC_SEQ_CST);
	struct timespec limit = soon(r, CLOCK_REALTIME);
	long res = 0;

	if (!swap(&l->word, 0, me())) {
		unsigned how = below(r, 4);

		res = futex(&l->word, how == 0 ? TRYLOCK_PI : LOCK_PI, 0, how == 1 ? &limit : NULL,
			    NULL, 0);
		/*
		 * The owner has ended and nobody waited: the lock is set free by hand, if it is still as
		 * it was before. Who ends with a lock takes only one, so it has not come round again.
		 */
		if (res == -ESRCH) {
			if (has_ended(seen & TID) && swap(&l->word, seen | WAITERS, 0))
				__atomic_fetch_add(&orphaned, 1, __ATOMIC_SEQ_CST);
			return -EAGAIN;
		}
	}
	if (!res)
		enter(l);
	else
		/* EINVAL: Linux, while an heir is on its way. */
		check(res == -ETIMEDOUT || res == -EDEADLK || res == -EAGAIN || res == -EINVAL);
	return res;
}

static void *ends_with_it(void *arg)
{
	struct lock *l = arg;

	if (futex(&l->word, LOCK_PI, 0, NULL, NULL, 0))
		return NULL;
	enter(l);
	sched_yield();
	__atomic_fetch_add(&ended, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&l->users, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void one_lock(struct rng *r, struct lock *l)
{
	if (take(r, l))
		return;
	if (below(r, 3) == 0)
		futex(&l->cond, CMP_REQUEUE_PI, 1, (void *)(uintptr_t)below(r, 4), &l->word, 0);
	if (below(r, 2))
		sched_yield();
	leave(l);
}

static void two_locks(struct rng *r, struct lock *a, struct lock *b)
{
	long res;

	if (take(r, a))
		return;
	sched_yield();
	res = take(r, b);
	if (res == -EDEADLK)
		__atomic_fetch_add(&circles, 1, __ATOMIC_SEQ_CST);
	if (!res)
		leave(b);
	leave(a);
}

static void wait_for_condition(struct rng *r, struct lock *l)
{
	struct timespec limit = soon(r, CLOCK_MONOTONIC);
	long res = futex(&l->cond, WAIT_REQUEUE_PI, 0, &limit, &l->word, 0);

	check(!res || res == -ETIMEDOUT || res == -EAGAIN);
	if (res)
		return;
	enter(l);
	leave(l);
}

static void step(struct rng *r)
{
	struct lock *a = &locks[below(r, LOCKS)], *b = &locks[below(r, LOCKS)];
	pthread_t t;

	switch (below(r, 8)) {
	case 0:
		wait_for_condition(r, a);
		break;
	case 1:
	case 2:
		two_locks(r, a, b);
		break;
	case 3:
		check(!pthread_create(&t, NULL, ends_with_it, a));
		sched_yield();
		check(!pthread_join(t, NULL));
		break;
	default:
		one_lock(r, a);
	}
}

/* A lock is free, or its owner has ended. */
static void inspect(void)
{
	for (struct lock *l = locks; l < locks + LOCKS; l++) {
		check(!l->users);
		if (!l->word)
			continue;
		check(futex(&l->word, TRYLOCK_PI, 0, NULL, NULL, 0) == -ESRCH);
		l->word = 0;
	}
}

int main(int argc, char **argv)
{
	start(argc, argv, 8);
	run_rounds(&(struct rounds){STEPS, step, inspect});
	printf("# %lu ended with a lock, %lu were set free by hand, %lu circles\n", ended, orphaned,
	       circles);
	return 0;
}
