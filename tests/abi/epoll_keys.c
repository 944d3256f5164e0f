/* Rules 7, 8, 9: an entry is known by open file and number, and lives as long as the open file. */
#include "epoll.h"

/* d is a dup of r: the same open file under two numbers. */
static void two_numbers(void)
{
	struct epoll_event ev[4];
	int ep = must(epoll_create1(0)), p[2], d, n;

	must(pipe(p));
	d = must(dup(p[0]));
	ok(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1) == 0, "ADD by the first number");
	ok(ctl(ep, EPOLL_CTL_ADD, d, EPOLLIN, 2) == 0, "ADD by the second: another entry");
	fails(ctl(ep, EPOLL_CTL_ADD, d, EPOLLIN, 3), EEXIST);
	put(p[1]);
	n = epoll_wait(ep, ev, 4, SOON);
	ok(n == 2 && ev[0].data.u64 + ev[1].data.u64 == 3, "one write, two events");

	must(close(p[0]));
	n = epoll_wait(ep, ev, 4, 0);
	ok(n == 2 && ev[0].data.u64 + ev[1].data.u64 == 3, "closing one number removes nothing");
	fails(ep_del(ep, p[0]), EBADF);
	fails(ep_mod(ep, p[0], EPOLLIN), EBADF);
	ok(ep_del(ep, d) == 0, "DEL by the number that is left");
	ok(one(ep, EPOLLIN, 1), "the entry of the closed number lives on, with its data");
	must(close(d));
	ok(none(ep), "the last close of the open file removes it");
	must(close(p[1]));
	must(close(ep));
}

/* The number goes to another file while the old entry lives. */
static void number_reused(void)
{
	int ep = must(epoll_create1(0)), p[2], q[2], d;

	must(pipe(p));
	must(pipe(q));
	d = must(dup(p[0]));
	must(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	must(dup2(q[0], p[0]));
	fails(ep_mod(ep, p[0], EPOLLIN), ENOENT);
	fails(ep_del(ep, p[0]), ENOENT);
	ok(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 2) == 0, "the number with another file is free");
	put(p[1]);
	ok(one(ep, EPOLLIN, 1), "the old file still reports the old data");
	get(d);
	put(q[1]);
	ok(one(ep, EPOLLIN, 2), "the new one its own");
	get(q[0]);
	must(dup2(d, p[0]));
	ok(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN, 3) == 0, "the old file back at its number: found");
	put(p[1]);
	ok(one(ep, EPOLLIN, 3), "with the data of MOD");
	get(d);
	ok(ep_del(ep, p[0]) == 0, "and removed");
	put(p[1]);
	ok(none(ep), "no entry of it is left");
	put(q[1]);
	ok(one(ep, EPOLLIN, 2), "the other file is watched though its number is gone");
	must(close(q[0]));
	ok(none(ep), "until its last number goes");
	for (int i = 0; i < 2; i++)
		close(p[i]);
	close(q[1]);
	close(d);
	close(ep);
}

static void close_removes(void)
{
	int a = must(epoll_create1(0)), b = must(epoll_create1(0)), p[2];

	must(pipe(p));
	put(p[1]);
	must(ep_add(a, p[0], EPOLLIN));
	must(ep_add(b, p[0], EPOLLIN | EPOLLET));
	ok(one(a, EPOLLIN, (uint64_t)p[0]), "two epolls watch one file: the first");
	must(close(p[0]));
	ok(none(a) && none(b), "close removes it from both, what was ready too");
	must(close(p[1]));
	must(pipe(p));
	ok(ep_add(a, p[0], EPOLLIN) == 0, "the same number, a new file: ADD");
	must(close(a));
	put(p[1]);
	ok(none(b), "closing an epoll leaves the others alone");
	close(p[0]);
	close(p[1]);
	close(b);
}

static void modify(void)
{
	int ep = must(epoll_create1(0)), p[2];

	must(pipe(p));
	must(ctl(ep, EPOLL_CTL_ADD, p[1], 0, 1));
	ok(none(ep), "an empty mask reports nothing");
	must(ctl(ep, EPOLL_CTL_MOD, p[1], EPOLLOUT, 2));
	ok(one(ep, EPOLLOUT, 2), "MOD looks at the file at once");
	must(ctl(ep, EPOLL_CTL_MOD, p[1], EPOLLOUT | EPOLLET, 3));
	ok(one(ep, EPOLLOUT, 3), "MOD to edge-triggered reports once");
	ok(none(ep), "and not again");
	must(ctl(ep, EPOLL_CTL_MOD, p[1], EPOLLOUT | EPOLLET, 4));
	ok(one(ep, EPOLLOUT, 4), "MOD re-arms edge-triggered");
	must(ctl(ep, EPOLL_CTL_MOD, p[1], EPOLLOUT | EPOLLONESHOT, 5));
	ok(one(ep, EPOLLOUT, 5) && none(ep), "MOD to one-shot reports once");
	must(ctl(ep, EPOLL_CTL_MOD, p[1], EPOLLOUT | EPOLLONESHOT, 6));
	ok(one(ep, EPOLLOUT, 6) && none(ep), "MOD re-arms one-shot");
	must(ctl(ep, EPOLL_CTL_MOD, p[1], EPOLLOUT, 7));
	ok(one(ep, EPOLLOUT, 7) && one(ep, EPOLLOUT, 7), "MOD to level-triggered");
	must(ctl(ep, EPOLL_CTL_MOD, p[1], EPOLLIN, 8));
	ok(none(ep), "MOD to a mask that is not true takes a ready item back");
	must(close(p[0]));
	ok(one(ep, EPOLLERR, 8), "EPOLLERR comes unasked");
	must(ctl(ep, EPOLL_CTL_MOD, p[1], 0, 9));
	ok(one(ep, EPOLLERR, 9), "with an empty mask too");
}

int main(void)
{
	two_numbers();
	number_reused();
	close_removes();
	modify();
	return tap_done();
}
