/*
 * Rules 12, 20, 24, 25: TCP and UDP sockets under an edge-triggered epoll, state by state. What is
 * reported at each change is compared as a whole: bits, data, and silence afterwards. (What poll()
 * says in each state is in tcp.c and udp.c.)
 */
#include "epoll.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define WATCH (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET)
#define END   (EPOLLIN | EPOLLRDHUP)

static int ep;

/*
 * Segments may come one by one or together, so may events: all of them until these bits were there
 * and then nothing for a while. No other bit may be among them.
 */
static bool comes(uint32_t want)
{
	struct epoll_event ev;
	uint32_t all = 0;

	while ((all & want) != want) {
		if (epoll_wait(ep, &ev, 1, SOON) != 1)
			break;
		all |= ev.events;
	}
	while (epoll_wait(ep, &ev, 1, QUIET) == 1)
		all |= ev.events;
	if (all != want)
		printf("# %x, not %x\n", all, want);
	return all == want;
}

/* What holds now, asked anew. */
static bool holds(int fd, uint32_t want)
{
	struct epoll_event ev = {0};

	must(ep_mod(ep, fd, WATCH));
	epoll_wait(ep, &ev, 1, 0);
	if (ev.events != want)
		printf("# %x, not %x\n", ev.events, want);
	return ev.events == want;
}

static int tcp(void)
{
	return must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
}

static int listener(struct sockaddr_in *a, int backlog)
{
	socklen_t len = sizeof(*a);
	int l = tcp();

	*a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	must(bind(l, (void *)a, sizeof(*a)));
	must(listen(l, backlog));
	must(getsockname(l, (void *)a, &len));
	return l;
}

static int dial(const struct sockaddr_in *a)
{
	int c = must(socket(AF_INET, SOCK_STREAM, 0));

	must(connect(c, (const void *)a, sizeof(*a)));
	return c;
}

static int take(int l)
{
	struct pollfd p = {l, POLLIN, 0};

	must(poll(&p, 1, SOON));
	return must(accept4(l, NULL, NULL, SOCK_NONBLOCK));
}

static void pair(int p[2])
{
	struct sockaddr_in a;
	int l = listener(&a, 1);

	p[0] = dial(&a);
	p[1] = take(l);
	close(l);
}

static void reset(int fd)
{
	struct linger l = {1, 0};

	must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	close(fd);
}

static void listening(void)
{
	struct sockaddr_in a;
	int l = listener(&a, 5), c[3], s;

	must(ep_add(ep, l, WATCH));
	ok(silence(ep), "listener: nobody");
	c[0] = dial(&a);
	ok(comes(EPOLLIN), "listener: somebody");
	c[1] = dial(&a);
	ok(comes(EPOLLIN), "listener: another one is another event");
	close(take(l));
	ok(silence(ep) && holds(l, EPOLLIN), "listener: accepting one is no event, one is left");
	close(take(l));
	ok(holds(l, 0), "listener: none is left");
	c[2] = dial(&a);
	ok(comes(EPOLLIN), "listener: a connection that is reset before accept()");
	reset(c[2]);
	ok(silence(ep) && holds(l, EPOLLIN), "listener: is still there to be accepted");
	s = take(l);
	ok(holds(l, 0), "listener: and then it is quiet");
	must(ep_mod(ep, l, 0)); /* a mask without events */
	must(ep_add(ep, s, WATCH));
	ok(comes(END | EPOLLOUT | EPOLLERR | EPOLLHUP), "accepted: the reset is known");
	close(s);
	must(ep_mod(ep, l, WATCH));
	must(shutdown(l, SHUT_RD));
	ok(comes(EPOLLOUT | EPOLLHUP), "listener: shut down: as fresh");
	close(l);
	close(c[0]);
	close(c[1]);
}

static void connecting(void)
{
	struct sockaddr_in a;
	int l = listener(&a, 0), c = tcp(), d, s;

	must(ep_add(ep, c, WATCH));
	ok(comes(EPOLLOUT | EPOLLHUP), "fresh: OUT and HUP");
	ok(holds(c, EPOLLOUT | EPOLLHUP), "fresh: as often as one asks");
	d = dial(&a); /* the backlog is full now */
	fails(connect(c, (void *)&a, sizeof(a)), EINPROGRESS);
	ok(silence(ep) && holds(c, 0), "connecting: nothing");
	close(take(l));
	ok(comes(EPOLLOUT), "connected: OUT");
	s = take(l);
	close(d);
	close(s);
	ok(comes(END | EPOLLOUT), "the peer closes: IN and RDHUP");
	close(c);
	close(l); /* now nobody listens there */
	c = tcp();
	must(ep_add(ep, c, WATCH));
	ok(comes(EPOLLOUT | EPOLLHUP), "fresh again");
	fails(connect(c, (void *)&a, sizeof(a)), EINPROGRESS);
	ok(comes(END | EPOLLOUT | EPOLLERR | EPOLLHUP), "refused: all of it");
	must(getsockopt(c, SOL_SOCKET, SO_ERROR, &s, &(socklen_t){sizeof(s)}));
	ok(s == ECONNREFUSED && silence(ep), "SO_ERROR says why, and that is no event");
	ok(holds(c, END | EPOLLOUT | EPOLLHUP), "then without ERR");
	close(c);
}

static void closing(void)
{
	char b[16];
	int p[2];

	pair(p);
	must(ep_add(ep, p[1], WATCH));
	ok(comes(EPOLLOUT), "connected: OUT");
	must(write(p[0], "ab", 2));
	ok(comes(EPOLLIN | EPOLLOUT), "data: IN");
	must(shutdown(p[0], SHUT_WR));
	ok(comes(END | EPOLLOUT), "its end: RDHUP");
	ok(read(p[1], b, 16) == 2 && silence(ep), "the data is read: no event");
	ok(holds(p[1], END | EPOLLOUT) && read(p[1], b, 16) == 0, "the end stays readable");
	ok(holds(p[1], END | EPOLLOUT), "for ever");
	must(shutdown(p[1], SHUT_WR));
	ok(comes(END | EPOLLOUT | EPOLLHUP), "both sides shut: HUP");
	close(p[0]);
	close(p[1]);

	pair(p);
	must(ep_add(ep, p[1], WATCH));
	comes(EPOLLOUT);
	must(shutdown(p[1], SHUT_WR));
	ok(comes(EPOLLOUT), "own shutdown(WR) is an event, without HUP");
	must(write(p[0], "late", 4));
	ok(comes(EPOLLIN | EPOLLOUT), "data comes the other way");
	must(shutdown(p[0], SHUT_WR));
	ok(comes(END | EPOLLOUT | EPOLLHUP), "and its end is HUP");
	ok(read(p[1], b, 16) == 4 && read(p[1], b, 16) == 0, "the data first");
	close(p[0]);
	close(p[1]);

	pair(p);
	must(ep_add(ep, p[1], WATCH));
	comes(EPOLLOUT);
	must(shutdown(p[1], SHUT_RD));
	ok(comes(END | EPOLLOUT), "own shutdown(RD): IN and RDHUP");
	close(p[0]);
	close(p[1]);
}

static void resetting(void)
{
	int p[2];

	pair(p);
	must(ep_add(ep, p[1], WATCH));
	comes(EPOLLOUT);
	reset(p[0]);
	ok(comes(END | EPOLLOUT | EPOLLERR | EPOLLHUP), "reset: all of it");
	close(p[1]);

	pair(p);
	must(ep_add(ep, p[1], EPOLLET));
	ok(silence(ep), "an empty mask");
	reset(p[0]);
	ok(comes(EPOLLERR | EPOLLHUP), "gets ERR and HUP");
	close(p[1]);

	pair(p);
	must(ep_add(ep, p[1], EPOLLOUT | EPOLLONESHOT));
	ok(comes(EPOLLOUT), "one-shot");
	reset(p[0]);
	ok(silence(ep), "is deaf to a reset");
	must(ep_mod(ep, p[1], EPOLLOUT | EPOLLONESHOT));
	ok(comes(EPOLLOUT | EPOLLERR | EPOLLHUP), "until MOD");
	close(p[1]);
}

static void filling(void)
{
	static char block[65536];
	int p[2], n, again = 0;
	ssize_t got;

	pair(p);
	must(ep_add(ep, p[1], EPOLLOUT | EPOLLET));
	ok(comes(EPOLLOUT), "writable");
	/* Until nothing moves any more: the peer's window is closed and the buffer is full. */
	while (again < 3) {
		if (write(p[1], block, sizeof(block)) < 0) {
			again++;
			nanosleep(&(struct timespec){0, 20000000}, NULL);
		} else {
			again = 0;
		}
	}
	while (!none(ep))
		;
	ok(silence(ep), "full: no event");
	must(ep_mod(ep, p[1], EPOLLOUT | EPOLLET));
	ok(none(ep), "full: not writable");
	must(read(p[0], block, 1));
	ok(silence(ep), "a byte that is read makes no useful room");
	do {
		got = recv(p[0], block, sizeof(block), MSG_DONTWAIT);
		if (got < 0)
			nanosleep(&(struct timespec){0, 1000000}, NULL);
		must(ioctl(p[1], TIOCOUTQ, &n));
	} while (got > 0 || n > 0);
	ok(comes(EPOLLOUT), "all is read: writable");
	close(p[0]);
	close(p[1]);
}

static void datagrams(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int dead = must(socket(AF_INET, SOCK_DGRAM, 0)), u = must(socket(AF_INET, SOCK_DGRAM, 0));
	int e;

	must(bind(dead, (void *)&a, sizeof(a)));
	must(getsockname(dead, (void *)&a, &len));
	must(connect(u, (void *)&a, sizeof(a)));
	must(ep_add(ep, u, WATCH));
	ok(comes(EPOLLOUT), "UDP: writable");
	close(dead);
	must(send(u, "x", 1, 0));
	ok(comes(EPOLLOUT | EPOLLERR), "UDP: nobody there: ERR");
	must(getsockopt(u, SOL_SOCKET, SO_ERROR, &e, &len));
	ok(e == ECONNREFUSED && holds(u, EPOLLOUT), "UDP: told once");
	must(shutdown(u, SHUT_RD));
	ok(comes(END | EPOLLOUT), "UDP: shutdown(RD)");
	must(shutdown(u, SHUT_WR));
	ok(comes(END | EPOLLOUT | EPOLLHUP), "UDP: both: HUP");
	close(u);
}

int main(void)
{
	ep = must(epoll_create1(0));
	listening();
	connecting();
	closing();
	resetting();
	filling();
	datagrams();
	return tap_done();
}
