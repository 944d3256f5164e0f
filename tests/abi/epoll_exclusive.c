/* Rule 19: EPOLLEXCLUSIVE. */
#include "epoll.h"

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

int main(void)
{
	arguments();
	delivery();
	none_is_lost();
	return tap_done();
}
