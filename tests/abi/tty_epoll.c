/*
 * Terminals under epoll: in canonical mode the slave is readable when a line is, and Ctrl-D ends one;
 * in raw mode when VMIN bytes are; the master whenever there is output or echo. Level and edge.
 */
#include "tap.h"

#include <sys/epoll.h>

#include "pty.h"

static struct pty p;
static int ep;

static void watch(int fd, unsigned events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};

	if (epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev))
		must(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
}

static bool event(unsigned events)
{
	struct epoll_event ev;

	return epoll_wait(ep, &ev, 1, PATIENCE) == 1 && ev.events == events;
}

static bool none(void)
{
	struct epoll_event ev;

	return epoll_wait(ep, &ev, 1, 0) == 0;
}

static void canonical(void)
{
	char c[16];

	watch(p.s, EPOLLIN);
	ok(none(), "nothing is typed");
	put(p.m, "half");
	sees(p.m, "half");
	ok(none(), "half a line is no event");
	put(p.m, " line\n");
	ok(event(EPOLLIN), "a line is");
	ok(event(EPOLLIN), "for as long as it is not read");
	ok(read(p.s, c, 4) == 4 && event(EPOLLIN), "nor read to its end");
	ok(reads(p.s, " line\n") && none(), "and no longer");
	put(p.m, "a\nb\nc\n");
	ok(event(EPOLLIN) && reads(p.s, "a\n") && event(EPOLLIN) && reads(p.s, "b\n") &&
		   event(EPOLLIN) && reads(p.s, "c\n") && none(),
	   "three lines at once are an event each");
	put(p.m, "text\x04");
	ok(event(EPOLLIN) && reads(p.s, "text") && none(), "Ctrl-D after text");
	put(p.m, "\x04");
	ok(event(EPOLLIN) && read(p.s, c, sizeof(c)) == 0 && none(), "Ctrl-D alone: the end");
	put(p.m, "new\n");
	ok(event(EPOLLIN) && reads(p.s, "new\n") && none(), "and it goes on");
	put(p.m, "gone\n");
	ok(event(EPOLLIN) && !tcflush(p.s, TCIFLUSH) && none(), "tcflush takes an event away");
}

static void edge(void)
{
	char c[16];

	watch(p.s, EPOLLIN | EPOLLET);
	ok(none(), "edge: nothing is typed");
	put(p.m, "one\n");
	ok(event(EPOLLIN) && none(), "a line is one event");
	put(p.m, "two\n");
	ok(event(EPOLLIN) && none(), "a second line behind it is another");
	ok(reads(p.s, "one\n") && none(), "reading one is none");
	watch(p.s, EPOLLIN | EPOLLET);
	ok(event(EPOLLIN) && none(), "EPOLL_CTL_MOD asks again");
	ok(reads(p.s, "two\n"), "the second line");
	put(p.m, "\x04");
	ok(event(EPOLLIN) && read(p.s, c, sizeof(c)) == 0, "Ctrl-D is one");
}

static void raw(void)
{
	int n = 0;

	watch(p.s, EPOLLIN);
	set(p.s, (struct change){.loff = ICANON, .vmin = 3});
	put(p.m, "ab");
	while (n < 2 && !ioctl(p.s, FIONREAD, &n))
		usleep(1000);
	ok(none(), "raw: two of three bytes are no event");
	put(p.m, "c");
	ok(event(EPOLLIN) && reads(p.s, "abc") && none(), "three are");
	put(p.m, "half");
	ok(event(EPOLLIN), "text");
	ok(reads(p.s, "half"), "is read");
	set(p.s, (struct change){.lon = ICANON});
	put(p.m, "wait");
	while (n < 4 && !ioctl(p.m, FIONREAD, &n))
		usleep(1000);
	ok(none(), "canonical again: half a line is no event");
	set(p.s, (struct change){.loff = ICANON});
	ok(event(EPOLLIN) && reads(p.s, "wait"), "but in raw mode it is");
	set(p.s, (struct change){.lon = ICANON});
	must(epoll_ctl(ep, EPOLL_CTL_DEL, p.s, NULL));
}

static void master(void)
{
	tcflush(p.m, TCIFLUSH);
	while (!silent(p.m)) {
		char c[256];

		must(read(p.m, c, sizeof(c)));
	}
	watch(p.m, EPOLLIN);
	ok(none(), "master: no output");
	put(p.s, "out\n");
	ok(event(EPOLLIN) && reads(p.m, "out\r\n") && none(), "output is an event");
	put(p.m, "x");
	ok(event(EPOLLIN) && reads(p.m, "x") && none(), "echo is, too");
	watch(p.m, EPOLLIN | EPOLLET);
	put(p.s, "a");
	ok(event(EPOLLIN) && none(), "edge: output is an event");
	put(p.s, "b");
	ok(event(EPOLLIN) && none(), "more of it, unread, is another");
	ok(sees(p.m, "ab"), "all of it is there");
	must(epoll_ctl(ep, EPOLL_CTL_DEL, p.m, NULL));
}

/* EPOLLOUT goes when the other end takes no more, and comes back, as an edge, when it has read. */
static void room(int from, int to, const char *what)
{
	static char block[512];
	int quiet = 0;

	fcntl(from, F_SETFL, O_RDWR | O_NONBLOCK);
	fcntl(to, F_SETFL, O_RDWR | O_NONBLOCK);
	watch(from, EPOLLOUT);
	ok(event(EPOLLOUT), "%s: there is room", what);
	memset(block, 'x', sizeof(block));
	while (quiet < 3) { /* Linux may still be moving what it has taken */
		if (write(from, block, sizeof(block)) > 0) {
			quiet = 0;
		} else {
			usleep(20000);
			quiet++;
		}
	}
	ok(none(), "%s: when it is full there is none", what);
	watch(from, EPOLLOUT | EPOLLET);
	ok(none(), "%s: nor an edge", what);
	while (ready(to, POLLIN) && read(to, block, sizeof(block)) > 0 && none())
		;
	watch(from, EPOLLOUT | EPOLLET);
	ok(event(EPOLLOUT), "%s: there is room again", what);
	must(epoll_ctl(ep, EPOLL_CTL_DEL, from, NULL));
}

int main(void)
{
	p = pty_open();
	ep = must(epoll_create1(0));
	canonical();
	edge();
	raw();
	master();
	set(p.s, (struct change){.loff = ICANON | ECHO, .ooff = OPOST});
	room(p.s, p.m, "slave to master");
	room(p.m, p.s, "master to slave");
	pty_close(p);
	return tap_done();
}
