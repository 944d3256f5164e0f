/*
 * membarrier(2): the commands that need no privilege, and that the barrier is one: two threads that
 * each announce themselves and look for the other never both see nobody, though one of them has no
 * barrier of its own.
 */
#include "tap.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

#define QUERY            0
#define PRIVATE          8
#define REGISTER_PRIVATE 16
#define ROUNDS           300

static volatile int fast_here, slow_here, fast_saw, slow_saw, fast_round, slow_round;

static long membarrier(int cmd, unsigned flags)
{
	return syscall(SYS_membarrier, cmd, flags, 0);
}

/* The common side: only the compiler is kept from reordering. */
static void *fast_side(void *arg)
{
	(void)arg;
	for (int i = 1; i <= ROUNDS; i++) {
		while (slow_round < i)
			sched_yield();
		fast_here = i;
		asm volatile("" ::: "memory");
		fast_saw = slow_here == i;
		asm volatile("" ::: "memory");
		fast_round = i;
	}
	return NULL;
}

int main(void)
{
	pthread_t thread;
	int neither = 0;

	ok(membarrier(QUERY, 0) > 0 && (membarrier(QUERY, 0) & PRIVATE),
	   "the query names the private one");
	fails(membarrier(PRIVATE, 0), EPERM);
	ok(membarrier(REGISTER_PRIVATE, 0) == 0 && membarrier(PRIVATE, 0) == 0,
	   "once registered it works");
	fails(membarrier(PRIVATE, 4), EINVAL);
	fails(membarrier(1 << 20, 0), EINVAL);

	if (pthread_create(&thread, NULL, fast_side, NULL))
		return 99;
	for (int i = 1; i <= ROUNDS; i++) {
		slow_round = i;
		slow_here = i;
		membarrier(PRIVATE, 0);
		slow_saw = fast_here == i;
		while (fast_round < i)
			sched_yield();
		neither += !slow_saw && !fast_saw;
	}
	pthread_join(thread, NULL);
	ok(neither == 0, "one of the two always sees the other");
	return tap_done();
}
