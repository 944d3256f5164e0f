/*
 * signal_stress: no queued signal is lost, and a handler leaves no trace in what it interrupts.
 *
 * Actors are processes, each with two threads. They send each other real-time signals with a
 * number, which are queued: every one that was accepted is delivered, once, and those of one sender
 * to one receiver in order. Ordinary signals fall in between; they may merge, but what was sent last
 * arrives. Meanwhile the threads compute with integers, floating point and vectors, read from a pipe
 * with SA_RESTART (it never fails), and are hit by an interval timer on an alternate stack.
 */
#define _GNU_SOURCE
#include "stress.h"

#include <sys/time.h>

#define MOST_ACTORS 8
#define BURST       20
#define QUEUED      (SIGRTMIN + 1)

static struct shared {
	pid_t pids[MOST_ACTORS];
	unsigned long sent[MOST_ACTORS][MOST_ACTORS]; /* from, to */
	unsigned long handled[MOST_ACTORS][MOST_ACTORS];
	unsigned long plain_sent[MOST_ACTORS], plain_seen[MOST_ACTORS];
	unsigned ready, finished;
} * sh;

static unsigned me;
static int pipe_fds[2];
static pthread_mutex_t sending = PTHREAD_MUTEX_INITIALIZER;
static bool stop;
static __thread char stack[32768];

static void on_queued(int sig, siginfo_t *info, void *uc)
{
	unsigned from = (unsigned)info->si_value.sival_int >> 24;
	unsigned number = (unsigned)info->si_value.sival_int & 0xffffff;
	unsigned long want;

	(void)sig;
	(void)uc;
	if (info->si_code != SI_QUEUE || from >= MOST_ACTORS || info->si_pid != sh->pids[from])
		fail("a signal from nobody: code %d, pid %d, from %u", info->si_code, info->si_pid,
		     from);
	/* Taken by one thread at a time (the other has it blocked), so in order. */
	want = sh->handled[from][me]++;
	if (number != (want & 0xffffff))
		fail("signal %u from %u came as number %lu", number, from, want);
	moved();
}

static void on_plain(int sig)
{
	(void)sig;
	__atomic_add_fetch(&sh->plain_seen[me], 1, __ATOMIC_SEQ_CST);
}

static void on_timer(int sig)
{
	volatile double x = 1.5;
	char here;

	(void)sig;
	if (&here < stack || &here >= stack + sizeof(stack))
		fail("the handler does not run on its stack");
	for (int i = 0; i < 20; i++)
		x = x * 1.0001 + (double)i; /* uses the registers that the program is using */
}

static void send_burst(struct rng *r, unsigned actors)
{
	unsigned to = below(r, actors);

	pthread_mutex_lock(&sending);
	for (unsigned n = 1 + below(r, BURST); n; n--) {
		unsigned long number = sh->sent[me][to];
		union sigval v = {.sival_int = (int)(me << 24 | (number & 0xffffff))};

		if (below(r, 4) == 0) {
			check(!kill(sh->pids[to], SIGUSR2));
			__atomic_add_fetch(&sh->plain_sent[to], 1, __ATOMIC_SEQ_CST);
		}
		if (sigqueue(sh->pids[to], QUEUED, v) < 0) {
			check(errno == EAGAIN); /* so many are pending */
			break;
		}
		sh->sent[me][to]++;
	}
	pthread_mutex_unlock(&sending);
}

struct sums {
	uint64_t integer[8];
	double real[4];
};

__attribute__((noinline)) static struct sums add_up(uint64_t seed, unsigned n)
{
	struct sums s;

	for (int k = 0; k < 8; k++)
		s.integer[k] = seed + (uint64_t)k;
	for (int k = 0; k < 4; k++)
		s.real[k] = 1.0 + k;
	for (unsigned i = 0; i < n; i++) {
		for (int k = 0; k < 8; k++)
			s.integer[k] = s.integer[k] * 6364136223846793005ull + i;
		for (int k = 0; k < 4; k++)
			s.real[k] = s.real[k] * 1.000001 + 1e-9 * (double)i;
	}
	return s;
}

/* Sums that a trampled register would change. */
static void compute(struct rng *r)
{
	unsigned n = 2000 + below(r, 2000);
	uint64_t seed = rnd(r);
	struct sums first = add_up(seed, n), second = add_up(seed, n);

	if (memcmp(&first, &second, sizeof(first)))
		fail("a sum came out differently the second time");
}

static void *second_thread(void *arg)
{
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct rng r = rng_for(100 + me);
	sigset_t set;
	char byte;

	(void)arg;
	check(!sigaltstack(&ss, NULL));
	sigfillset(&set);
	sigdelset(&set, QUEUED);
	check(!pthread_sigmask(SIG_UNBLOCK, &set, NULL)); /* the queued ones stay blocked */
	while (read(pipe_fds[0], &byte, 1) == 1)
		compute(&r);
	if (!stop)
		fail("read: errno %d, %s", errno, strerror(errno));
	return NULL;
}

static void handle(int sig, void *handler, int flags)
{
	struct sigaction sa = {.sa_sigaction = (void (*)(int, siginfo_t *, void *))handler,
			       .sa_flags = flags};

	check(!sigaction(sig, &sa, NULL));
}

static bool all_handled(unsigned actors)
{
	for (unsigned i = 0; i < actors; i++) {
		if (__atomic_load_n(&sh->handled[i][me], __ATOMIC_SEQ_CST) !=
		    __atomic_load_n(&sh->sent[i][me], __ATOMIC_SEQ_CST))
			return false;
	}
	return true;
}

static void everyone(unsigned *counter, unsigned actors)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(counter, __ATOMIC_SEQ_CST) < actors)
		nap(500);
}

static void actor(unsigned actors)
{
	struct itimerval timer = {{0, 3000}, {0, 3000}}, off = {{0, 0}, {0, 0}};
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct rng r = rng_for(me);
	unsigned long rounds = 0, before;
	pthread_t second;
	sigset_t all;

	sh->pids[me] = getpid();
	check(!pipe(pipe_fds) && !sigaltstack(&ss, NULL));
	handle(QUEUED, (void *)on_queued, SA_SIGINFO | SA_RESTART);
	handle(SIGUSR2, (void *)on_plain, SA_RESTART);
	handle(SIGALRM, (void *)on_timer, SA_RESTART | SA_ONSTACK);
	sigfillset(&all);
	check(!pthread_sigmask(SIG_BLOCK, &all, NULL)); /* until each has its stack */
	check(!pthread_create(&second, NULL, second_thread, NULL));
	check(!pthread_sigmask(SIG_UNBLOCK, &all, NULL));
	everyone(&sh->ready, actors);
	check(!setitimer(ITIMER_REAL, &timer, NULL));
	for (; go_on(rounds); rounds++) {
		send_burst(&r, actors);
		check(write(pipe_fds[1], "x", 1) == 1);
		compute(&r);
	}
	everyone(&sh->finished, actors);
	while (!all_handled(actors))
		nap(500);
	/* One that is sent when none is pending is seen. */
	nap(1000);
	before = __atomic_load_n(&sh->plain_seen[me], __ATOMIC_SEQ_CST);
	check(!kill(getpid(), SIGUSR2));
	while (__atomic_load_n(&sh->plain_seen[me], __ATOMIC_SEQ_CST) == before)
		nap(500);
	check(!setitimer(ITIMER_REAL, &off, NULL));
	stop = true;
	check(!close(pipe_fds[1]) && !pthread_join(second, NULL));
	_exit(0);
}

static void show(void)
{
	for (unsigned i = 0; i < options.actors; i++) {
		for (unsigned k = 0; k < options.actors; k++)
			fprintf(stderr, "from %u to %u: sent %lu, handled %lu\n", i, k,
				sh->sent[i][k], sh->handled[i][k]);
	}
}

int main(int argc, char **argv)
{
	unsigned long total = 0;
	pid_t pids[MOST_ACTORS];
	int status;

	start(argc, argv, 3);
	check(options.actors <= MOST_ACTORS);
	sh = shared_memory(sizeof(*sh));
	say_state = show;
	for (unsigned i = 0; i < options.actors; i++) {
		pids[i] = fork();
		check(pids[i] >= 0);
		if (!pids[i]) {
			me = i;
			actor(options.actors);
		}
	}
	for (unsigned i = 0; i < options.actors; i++) {
		check(waitpid(pids[i], &status, 0) == pids[i]);
		if (status)
			fail("actor %u ended with status %x", i, status);
	}
	for (unsigned i = 0; i < options.actors; i++) {
		for (unsigned k = 0; k < options.actors; k++)
			total += sh->sent[i][k];
	}
	printf("%s: ok, %lu signals\n", options.name, total);
	return 0;
}
