/*
 * A thread that has just been switched to is hit by signals on its way to user mode. Its handler's
 * stack is not in memory then, and the kernel must be able to fetch it at any moment of that way.
 */
#include "tap.h"

#include "signals.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define SIGNALS 20000
#define STACK   65536

static pid_t target;
static unsigned seen;
static bool over;

static void on_signal(int sig)
{
	(void)sig;
	__atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
}

static void stay_on_cpu_0(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	must(sched_setaffinity(0, sizeof(one), &one));
}

/* So that the other is switched to each time. */
static void *take_turns(void *arg)
{
	stay_on_cpu_0();
	while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST))
		sched_yield();
	return arg;
}

static void *send_signals(void *arg)
{
	for (unsigned i = 0; i < SIGNALS; i++) {
		must(syscall(SYS_tgkill, getpid(), target, SIGUSR1));
		while (__atomic_load_n(&seen, __ATOMIC_SEQ_CST) == i)
			sched_yield();
		/* Not always at the same moment. */
		for (volatile unsigned n = i * 7919 % 4096; n; n--)
			;
	}
	__atomic_store_n(&over, true, __ATOMIC_SEQ_CST);
	return arg;
}

int main(void)
{
	stack_t ss = {.ss_size = STACK};
	pthread_t threads[2];

	ss.ss_sp = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(ss.ss_sp == MAP_FAILED ? -1 : 0);
	must(sigaltstack(&ss, NULL));
	install(SIGUSR1, on_signal, SA_ONSTACK);
	target = (pid_t)syscall(SYS_gettid);
	must(pthread_create(&threads[0], NULL, send_signals, NULL) ? -1 : 0);
	must(pthread_create(&threads[1], NULL, take_turns, NULL) ? -1 : 0);
	stay_on_cpu_0();
	while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST)) {
		must(madvise(ss.ss_sp, STACK, MADV_DONTNEED));
		sched_yield();
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	ok(seen == SIGNALS, "each of %d signals has run its handler", SIGNALS);
	return tap_done();
}
