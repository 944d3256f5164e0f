/* Rule 19: EPOLLEXCLUSIVE. */
#include "epoll.h"

#include <pthread.h>
#include <stdatomic.h>

#define EPOLLS 4

static void arguments(void)
{
	int ep = must(epoll_create1(0)), inner = must(epoll_create1(0)), p[2];

	must(pipe(p));
	fails(ep_add(ep, inner, EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
	fails(ep_add(ep, p[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT), EINVAL);
	fails(ep_add(ep, p[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLRDHUP), EINVAL);
	fails(ep_add(ep, p[0], EPOLLPRI | EPOLLEXCLUSIVE), EINVAL);
	fails(ep_add(ep, p[0], EPOLLRDNORM | EPOLLEXCLUSIVE), EINVAL);
	fails(ep_mod(ep, p[0], EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
	ok(ep_add(ep, p[0],
		  EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET |
			  EPOLLEXCLUSIVE) == 0,
	   "IN OUT ERR HUP WAKEUP ET are allowed with it");
	fails(ep_add(ep, p[0], EPOLLIN | EPOLLEXCLUSIVE), EEXIST);
	fails(ep_mod(ep, p[0], EPOLLIN), EINVAL);
	fails(ep_mod(ep, p[0], EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
	ok(ep_del(ep, p[0]) == 0, "DEL");
	ok(ep_add(ep, p[0], EPOLLIN) == 0, "and again without it");
	fails(ep_mod(ep, p[0], EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
	ok(ep_mod(ep, p[0], EPOLLIN | EPOLLET) == 0, "which MOD may change");
	close(p[0]);
	close(p[1]);
	close(inner);
	close(ep);
}

/* Nobody sleeps: every epoll knows of the event. */
static void delivery(void)
{
	int ep[EPOLLS], p[2], n = 0;

	must(pipe(p));
	for (int i = 0; i < EPOLLS; i++) {
		ep[i] = must(epoll_create1(0));
		must(ep_add(ep[i], p[0], EPOLLIN | EPOLLEXCLUSIVE));
		n += none(ep[i]);
	}
	ok(n == EPOLLS, "quiet");
	put(p[1]);
	for (int i = 0; i < EPOLLS; i++)
		ok(one(ep[i], EPOLLIN, (uint64_t)p[0]), "epoll %d has the event", i);
	must(close(p[1]));
	for (int i = 0; i < EPOLLS; i++)
		ok(one(ep[i], EPOLLIN | EPOLLHUP, (uint64_t)p[0]), "epoll %d has the hang-up", i);
	for (int i = 0; i < EPOLLS; i++)
		close(ep[i]);
	close(p[0]);
}

/* Every process waits on its own epoll, as the workers of a server do, and takes what it gets. */
static void worker(int rd, int report)
{
	int ep = must(epoll_create1(0));
	char c;

	must(ep_add(ep, rd, EPOLLIN | EPOLLEXCLUSIVE));
	for (;;) {
		struct epoll_event ev;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			_exit(1);
		if (read(rd, &c, 1) != 1)
			continue; /* another one was faster */
		put(report);
		if (c == 'q')
			_exit(0);
	}
}

static void none_is_lost(void)
{
	int p[2], report[2], status = 0;
	pid_t child[EPOLLS];

	must(pipe2(p, O_NONBLOCK));
	must(pipe(report));
	for (int i = 0; i < EPOLLS; i++) {
		child[i] = must(fork());
		if (!child[i])
			worker(p[0], report[1]);
	}
	for (int i = 0; i < 200; i++) {
		must(write(p[1], "x", 1));
		get(report[0]); /* somebody woke up and took it */
	}
	ok(true, "200 times at least one of %d wakes", EPOLLS);
	for (int i = 0; i < EPOLLS; i++)
		must(write(p[1], "q", 1));
	for (int i = 0; i < EPOLLS; i++)
		status |= reap(child[i]);
	ok(status == 0, "%d at once: everyone gets one", EPOLLS);
}

/* Threads that sleep in epoll_wait(), each on an epoll of its own. */
struct sleeper {
	pthread_t thread;
	int ep;
	atomic_int tid;
};

static atomic_int woken;

static void *sleep_on(void *arg)
{
	struct sleeper *s = arg;
	struct epoll_event ev;

	atomic_store(&s->tid, (int)syscall(SYS_gettid));
	if (epoll_wait(s->ep, &ev, 1, -1) == 1)
		atomic_fetch_add(&woken, 1);
	return NULL;
}

/* Waits until the thread sleeps; after its first call that can only be in epoll_wait(). */
static void until_asleep(struct sleeper *s)
{
	char path[64], text[256], *state;
	struct timespec ts = {0, 1000000};
	FILE *f;

	while (!atomic_load(&s->tid))
		nanosleep(&ts, NULL);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", atomic_load(&s->tid));
	for (;;) {
		f = fopen(path, "r");
		state = f && fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
		if (f)
			fclose(f);
		if (!state || !strncmp(state, ") S", 3))
			return;
		nanosleep(&ts, NULL);
	}
}

/* How many of them one write to @p wakes, when each watches it with these bits. */
static int wakes(int p[2], uint32_t events)
{
	struct sleeper s[EPOLLS];
	struct timespec quiet = {0, QUIET * 1000000};
	int n, end = must(eventfd(0, 0));

	atomic_store(&woken, 0);
	for (int i = 0; i < EPOLLS; i++) {
		s[i].ep = must(epoll_create1(0));
		atomic_store(&s[i].tid, 0);
		must(ep_add(s[i].ep, p[0], events));
		must(ep_add(s[i].ep, end, EPOLLIN));
		must(-pthread_create(&s[i].thread, NULL, sleep_on, &s[i]));
	}
	for (int i = 0; i < EPOLLS; i++)
		until_asleep(&s[i]);
	put(p[1]);
	while (!atomic_load(&woken))
		nanosleep(&quiet, NULL);
	nanosleep(&quiet, NULL);
	n = atomic_load(&woken);
	must(eventfd_write(end, 1));
	for (int i = 0; i < EPOLLS; i++) {
		pthread_join(s[i].thread, NULL);
		close(s[i].ep);
	}
	get(p[0]);
	close(end);
	return n;
}

static void how_many(void)
{
	int p[2];

	must(pipe(p));
	ok(wakes(p, EPOLLIN) == EPOLLS, "without it one write wakes all %d", EPOLLS);
	ok(wakes(p, EPOLLIN | EPOLLEXCLUSIVE) == 1, "with it, one");
	ok(wakes(p, EPOLLIN | EPOLLET | EPOLLEXCLUSIVE) == 1, "edge-triggered too");
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	arguments();
	delivery();
	none_is_lost();
	how_many();
	return tap_done();
}
