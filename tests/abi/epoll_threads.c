/* Rules 10, 18: several threads in one epoll at the same time. */
#include "epoll.h"

#include <pthread.h>
#include <stdatomic.h>

#define WAITERS 4

static int ep, pipe_fd[2];
static atomic_int delivered, started;
static pthread_barrier_t barrier;

static void start(pthread_t *t, int n, void *(*fn)(void *))
{
	atomic_store(&delivered, 0);
	atomic_store(&started, 0);
	for (int i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, fn, (void *)(long)i)) {
			printf("Bail out! pthread_create\n");
			exit(99);
		}
}

static void join(pthread_t *t, int n)
{
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

static void fresh(void)
{
	ep = must(epoll_create1(0));
	must(pipe(pipe_fd));
}

static void done(void)
{
	close(ep);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* Waits for one event, for ever. */
static void *wait_one(void *arg)
{
	struct epoll_event ev;

	atomic_fetch_add(&started, 1);
	if (epoll_wait(ep, &ev, 1, -1) == 1)
		atomic_fetch_add(&delivered, 1);
	return NULL;
}

/* Counts events until the one with END comes, which is level-triggered: for all. */
#define END 12345

static void *count_events(void *arg)
{
	struct epoll_event ev;

	atomic_fetch_add(&started, 1);
	while (epoll_wait(ep, &ev, 1, -1) == 1 && ev.data.u64 != END)
		atomic_fetch_add(&delivered, 1);
	return NULL;
}

static void all_started(int n)
{
	while (atomic_load(&started) < n)
		sched_yield();
}

/* Gives what must not come the time to come, then ends the count: the number of events. */
static int counted(pthread_t *t, int n)
{
	struct timespec quiet = {0, QUIET * 1000000};
	int end[2];

	nanosleep(&quiet, NULL);
	must(pipe(end));
	put(end[1]);
	must(ctl(ep, EPOLL_CTL_ADD, end[0], EPOLLIN, END));
	join(t, n);
	close(end[0]);
	close(end[1]);
	return delivered;
}

static void wait_delivered(int n)
{
	while (atomic_load(&delivered) < n)
		sched_yield();
}

static void change_during_wait(void)
{
	pthread_t t;

	fresh();
	put(pipe_fd[1]);
	start(&t, 1, wait_one);
	all_started(1);
	must(ep_add(ep, pipe_fd[0], EPOLLIN));
	join(&t, 1);
	ok(delivered == 1, "ADD of a ready file wakes a waiting thread");

	must(ep_mod(ep, pipe_fd[0], 0));
	start(&t, 1, wait_one);
	all_started(1);
	must(ep_mod(ep, pipe_fd[0], EPOLLIN));
	join(&t, 1);
	ok(delivered == 1, "MOD does too");

	get(pipe_fd[0]);
	start(&t, 1, count_events);
	all_started(1);
	must(ep_del(ep, pipe_fd[0]));
	put(pipe_fd[1]);
	ok(counted(&t, 1) == 0, "after DEL nothing comes");

	get(pipe_fd[0]);
	must(ep_add(ep, pipe_fd[0], EPOLLIN));
	start(&t, 1, count_events);
	all_started(1);
	must(close(pipe_fd[0]));
	ok(counted(&t, 1) == 0, "closing a watched file during a wait is silent");
	done();
}

/* A wait holds the open file, not the number. */
static void closed_during_wait(void)
{
	struct epoll_event ev;
	pthread_t t;
	int old;

	fresh();
	old = ep;
	must(ep_add(ep, pipe_fd[0], EPOLLIN));
	start(&t, 1, wait_one);
	all_started(1);
	nanosleep(&(struct timespec){0, QUIET * 1000000}, NULL);
	must(close(old));
	fails(epoll_wait(old, &ev, 1, 0), EBADF);
	put(pipe_fd[1]);
	join(&t, 1);
	ok(delivered == 1, "an epoll closed during a wait: the wait goes on to its event");
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

static void edge_wakes_one(void)
{
	pthread_t t[WAITERS];

	fresh();
	must(ep_add(ep, pipe_fd[0], EPOLLIN | EPOLLET));
	start(t, WAITERS, count_events);
	all_started(WAITERS);
	for (int i = 1; i <= 3; i++) {
		put(pipe_fd[1]);
		wait_delivered(i);
	}
	ok(counted(t, WAITERS) == 3, "edge-triggered: each of 3 edges goes to one of %d waiters",
	   WAITERS);
	done();
}

static void level_wakes_all_in_turn(void)
{
	pthread_t t[WAITERS];

	fresh();
	must(ep_add(ep, pipe_fd[0], EPOLLIN));
	start(t, WAITERS, wait_one);
	all_started(WAITERS);
	put(pipe_fd[1]);
	join(t, WAITERS);
	ok(delivered == WAITERS, "level-triggered: nobody reads, so one after the other gets it");
	done();
}

/* As many edges as waiters: each must end somebody's wait. */
static void no_edge_is_lost(void)
{
	pthread_t t[WAITERS];
	int p[WAITERS][2];

	for (int round = 0; round < 50; round++) {
		ep = must(epoll_create1(0));
		for (int i = 0; i < WAITERS; i++) {
			must(pipe(p[i]));
			must(ep_add(ep, p[i][0], EPOLLIN | EPOLLET));
		}
		start(t, WAITERS, wait_one);
		if (round & 1)
			all_started(WAITERS);
		for (int i = 0; i < WAITERS; i++)
			put(p[i][1]);
		join(t, WAITERS);
		for (int i = 0; i < WAITERS; i++) {
			close(p[i][0]);
			close(p[i][1]);
		}
		close(ep);
		if (delivered != WAITERS)
			break;
	}
	ok(delivered == WAITERS, "50 times: %d edges end %d waits", WAITERS, WAITERS);
}

/*
 * A pool of threads on one epoll with EPOLLONESHOT, as servers do it: a thread that got a source has
 * it alone until it re-arms it. Every byte must be read once.
 */
#define SOURCES 8
#define BYTES   2000

static int source[SOURCES][2];
static atomic_int busy[SOURCES], clashes, bytes;

static void *pool_thread(void *arg)
{
	struct epoll_event ev;

	while (epoll_wait(ep, &ev, 1, -1) == 1) {
		int i = ev.data.u64;
		char buf[16];
		ssize_t n;

		if (i == SOURCES)
			break; /* the end, level-triggered: for all */
		if (atomic_fetch_add(&busy[i], 1))
			atomic_fetch_add(&clashes, 1);
		n = read(source[i][0], buf, sizeof(buf));
		if (n > 0)
			atomic_fetch_add(&bytes, (int)n);
		atomic_fetch_sub(&busy[i], 1);
		must(ctl(ep, EPOLL_CTL_MOD, source[i][0], EPOLLIN | EPOLLONESHOT, i));
	}
	return NULL;
}

static void pool(void)
{
	pthread_t t[WAITERS];
	unsigned seed = 12345;

	fresh();
	for (int i = 0; i < SOURCES; i++) {
		must(pipe2(source[i], O_NONBLOCK));
		must(ctl(ep, EPOLL_CTL_ADD, source[i][0], EPOLLIN | EPOLLONESHOT, i));
	}
	start(t, WAITERS, pool_thread);
	for (int i = 0; i < BYTES; i++) {
		seed = seed * 1103515245u + 12345u;
		put(source[seed >> 16 & (SOURCES - 1)][1]);
	}
	while (atomic_load(&bytes) < BYTES)
		sched_yield();
	must(ctl(ep, EPOLL_CTL_ADD, pipe_fd[0], EPOLLIN, SOURCES));
	put(pipe_fd[1]);
	join(t, WAITERS);
	ok(bytes == BYTES, "one-shot pool: %d bytes written, all read", BYTES);
	ok(clashes == 0, "one-shot pool: no source was in two hands");
	done();
}

/* Threads that change the epoll against each other and a waiter. */
static void *changer(void *arg)
{
	int p[2], failed = 0;

	must(pipe(p));
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 500; i++) {
		failed |= ep_add(ep, p[0], EPOLLIN | EPOLLET);
		put(p[1]);
		failed |= ep_mod(ep, p[0], EPOLLIN);
		failed |= ep_del(ep, p[0]);
		get(p[0]);
	}
	if (failed)
		atomic_fetch_add(&delivered, 1);
	close(p[0]);
	close(p[1]);
	return NULL;
}

static void *drainer(void *arg)
{
	struct epoll_event ev[4];
	int n, stop = 0;

	while (!stop) {
		n = epoll_wait(ep, ev, 4, -1);
		for (int i = 0; i < n; i++)
			stop |= ev[i].data.u64 == (uint64_t)pipe_fd[0];
	}
	return NULL;
}

static void changes_race(void)
{
	pthread_t t[WAITERS], d;

	fresh();
	must(ep_add(ep, pipe_fd[0], EPOLLIN));
	pthread_barrier_init(&barrier, NULL, WAITERS);
	start(&d, 1, drainer);
	start(t, WAITERS, changer);
	join(t, WAITERS);
	put(pipe_fd[1]);
	join(&d, 1);
	ok(delivered == 0, "ADD, MOD, DEL by %d threads during a wait", WAITERS);
	ok(one(ep, EPOLLIN, (uint64_t)pipe_fd[0]), "leave the other entry alone");
	done();
}

int main(void)
{
	change_during_wait();
	closed_during_wait();
	edge_wakes_one();
	level_wakes_all_in_turn();
	no_edge_is_lost();
	pool();
	changes_race();
	return tap_done();
}
