/* Rules 12, 13, 15: level-triggered. */
#include "epoll.h"

static void level(void)
{
	int ep = must(epoll_create1(0)), p[2];

	must(pipe(p));
	must(ep_add(ep, p[0], EPOLLIN));
	ok(none(ep), "an empty pipe reports nothing");
	put(p[1]);
	for (int i = 0; i < 3; i++)
		ok(one(ep, EPOLLIN, (uint64_t)p[0]), "reported at every wait (%d)", i + 1);
	put(p[1]);
	get(p[0]);
	ok(one(ep, EPOLLIN, (uint64_t)p[0]), "as long as something is left");
	get(p[0]);
	ok(none(ep), "and no longer");
	put(p[1]);
	get(p[0]);
	ok(none(ep), "what has come and gone between two waits is not reported");
	put(p[1]);
	must(ep_del(ep, p[0]));
	ok(none(ep), "DEL takes a ready item away");
	ok(ep_add(ep, p[0], EPOLLIN) == 0 && one(ep, EPOLLIN, (uint64_t)p[0]),
	   "ADD of a ready file reports it");
	close(p[0]);
	close(p[1]);
	close(ep);
}

static void merged(void)
{
	struct epoll_event ev[4];
	int ep = must(epoll_create1(0)), e = must(eventfd(0, EFD_NONBLOCK)), p[2];

	must(ep_add(ep, e, EPOLLIN | EPOLLOUT));
	ok(one(ep, EPOLLOUT, (uint64_t)e), "an eventfd of 0 is writable");
	must(eventfd_write(e, 1));
	ok(epoll_wait(ep, ev, 4, SOON) == 1 && ev[0].events == (EPOLLIN | EPOLLOUT),
	   "both at once: one event with both bits");
	must(ep_del(ep, e));

	must(pipe(p));
	must(ep_add(ep, p[0], EPOLLIN));
	put(p[1]);
	must(close(p[1]));
	ok(one(ep, EPOLLIN | EPOLLHUP, (uint64_t)p[0]),
	   "the last writer gone, data left: IN and HUP");
	get(p[0]);
	ok(one(ep, EPOLLHUP, (uint64_t)p[0]), "data read: HUP alone");
	ok(one(ep, EPOLLHUP, (uint64_t)p[0]), "for ever");
	must(ep_mod(ep, p[0], 0));
	ok(one(ep, EPOLLHUP, (uint64_t)p[0]), "asked for or not");
	close(p[0]);
	ok(none(ep), "until it is closed");
	close(e);
	close(ep);
}

/* OUT: a page must be free. */
static void full_pipe(void)
{
	static char page[4096];
	int ep = must(epoll_create1(0)), p[2];

	must(pipe2(p, O_NONBLOCK));
	must(ep_add(ep, p[1], EPOLLOUT));
	ok(one(ep, EPOLLOUT, (uint64_t)p[1]), "an empty pipe is writable");
	while (write(p[1], page, sizeof(page)) > 0)
		;
	ok(errno == EAGAIN && none(ep), "a full one is not");
	must(read(p[0], page, 100));
	ok(none(ep), "a hundred bytes less do not free a page");
	must(read(p[0], page, sizeof(page) - 100));
	ok(one(ep, EPOLLOUT, (uint64_t)p[1]), "a whole page does");
	close(p[0]);
	ok(one(ep, EPOLLOUT | EPOLLERR, (uint64_t)p[1]), "without a reader: ERR");
	close(p[1]);
	close(ep);
}

int main(void)
{
	level();
	merged();
	full_pipe();
	return tap_done();
}
