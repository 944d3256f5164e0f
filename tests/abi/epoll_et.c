/* Rules 13, 14: edge-triggered means once for each wake-up of the source. */
#include "epoll.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static void edges(int ep, int rd, int wr, const char *what)
{
	must(ep_add(ep, rd, EPOLLIN | EPOLLET));
	ok(none(ep), "%s: nothing yet", what);
	put(wr);
	ok(one(ep, EPOLLIN, (uint64_t)rd), "%s: a byte is an event", what);
	ok(none(ep), "%s: reported once", what);
	put(wr);
	ok(one(ep, EPOLLIN, (uint64_t)rd), "%s: a second byte, the first unread: a new event",
	   what);
	ok(none(ep), "%s: once", what);
	get(rd);
	ok(none(ep), "%s: data left over is not an event", what);
	must(ep_mod(ep, rd, EPOLLIN | EPOLLET));
	ok(one(ep, EPOLLIN, (uint64_t)rd), "%s: MOD looks again", what);
	get(rd);
	put(wr);
	get(rd);
	ok(none(ep), "%s: an edge whose data was read before the wait", what);
	put(wr);
	put(wr);
	ok(one(ep, EPOLLIN, (uint64_t)rd), "%s: two wake-ups before a wait are one event", what);
	ok(none(ep), "%s: not two", what);
	must(ep_del(ep, rd));
	must(ep_add(ep, rd, EPOLLIN | EPOLLET));
	ok(one(ep, EPOLLIN, (uint64_t)rd), "%s: ADD of a readable file is an event", what);
	get(rd);
	get(rd);
	must(ep_del(ep, rd));
}

/* Loopback delivers when it does: wait for each event instead of looking at once. */
static void tcp(int ep)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int l = must(socket(AF_INET, SOCK_STREAM, 0)), c, s;

	must(bind(l, (void *)&a, sizeof(a)));
	must(listen(l, 8));
	must(getsockname(l, (void *)&a, &len));
	must(ep_add(ep, l, EPOLLIN | EPOLLET));
	c = must(socket(AF_INET, SOCK_STREAM, 0));
	must(connect(c, (void *)&a, sizeof(a)));
	ok(one(ep, EPOLLIN, (uint64_t)l), "tcp: a connection is an event of the listener");
	ok(silence(ep), "tcp: once");
	s = must(accept(l, NULL, NULL));
	must(ep_del(ep, l));
	must(ep_add(ep, s, EPOLLIN | EPOLLET));
	ok(silence(ep), "tcp: nothing sent yet");
	put(c);
	ok(one(ep, EPOLLIN, (uint64_t)s), "tcp: a byte");
	ok(silence(ep), "tcp: reported once");
	put(c);
	ok(one(ep, EPOLLIN, (uint64_t)s), "tcp: a second byte is a new event");
	must(ep_mod(ep, s, EPOLLIN | EPOLLET));
	ok(one(ep, EPOLLIN, (uint64_t)s), "tcp: MOD looks again");
	must(shutdown(c, SHUT_WR));
	ok(one(ep, EPOLLIN, (uint64_t)s), "tcp: the end is an event");
	close(s);
	close(c);
	close(l);
}

static void event_counter(int ep)
{
	int e = must(eventfd(0, EFD_NONBLOCK));
	eventfd_t v;

	must(ep_add(ep, e, EPOLLIN | EPOLLET));
	ok(none(ep), "eventfd: 0");
	must(eventfd_write(e, 1));
	ok(one(ep, EPOLLIN, (uint64_t)e) && none(ep), "eventfd: 1, once");
	must(eventfd_write(e, 1));
	ok(one(ep, EPOLLIN, (uint64_t)e) && none(ep), "eventfd: 2, a new event");
	must(eventfd_read(e, &v));
	ok(v == 2 && none(ep), "eventfd: read, nothing");
	must(ep_mod(ep, e, EPOLLOUT | EPOLLET));
	ok(one(ep, EPOLLOUT, (uint64_t)e) && none(ep), "eventfd: writable, once");
	must(eventfd_write(e, 1));
	ok(none(ep), "eventfd: a write is no event for a writer");
	must(eventfd_read(e, &v));
	ok(one(ep, EPOLLOUT, (uint64_t)e), "eventfd: a read is");
	close(e);
}

static void hangup(int ep)
{
	int p[2];

	must(pipe(p));
	must(ep_add(ep, p[0], EPOLLIN | EPOLLET));
	must(close(p[1]));
	ok(one(ep, EPOLLHUP, (uint64_t)p[0]), "pipe: hang-up is an event");
	ok(none(ep), "pipe: once");
	close(p[0]);

	must(pipe(p));
	must(ep_add(ep, p[1], EPOLLET));
	ok(none(ep), "pipe: the writer asks for nothing");
	must(close(p[0]));
	ok(one(ep, EPOLLERR, (uint64_t)p[1]) && none(ep), "pipe: and gets ERR, once");
	close(p[1]);
}

/* OUT comes back when a full pipe gets room, not at each read. */
static void room(int ep)
{
	static char page[4096];
	int p[2];

	must(pipe2(p, O_NONBLOCK));
	must(ep_add(ep, p[1], EPOLLOUT | EPOLLET));
	ok(one(ep, EPOLLOUT, (uint64_t)p[1]) && none(ep), "pipe: writable, once");
	put(p[1]);
	get(p[0]);
	ok(none(ep), "pipe: a read that did not make room is no event");
	while (write(p[1], page, sizeof(page)) > 0)
		;
	ok(none(ep), "pipe: full");
	must(read(p[0], page, sizeof(page)));
	ok(one(ep, EPOLLOUT, (uint64_t)p[1]), "pipe: room");
	must(read(p[0], page, sizeof(page)));
	ok(none(ep), "pipe: more room is no event");
	while (write(p[1], page, sizeof(page)) > 0)
		;
	must(ep_del(ep, p[1]));
	must(ep_add(ep, p[0], EPOLLIN | EPOLLET));
	ok(one(ep, EPOLLIN, (uint64_t)p[0]) && none(ep), "pipe: full, and reported once");
	fails(write(p[1], page, 1), EAGAIN);
	ok(one(ep, EPOLLIN, (uint64_t)p[0]), "pipe: a write that finds no room is an event too");
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	int ep = must(epoll_create1(0)), p[2];

	must(pipe(p));
	edges(ep, p[0], p[1], "pipe");
	event_counter(ep);
	tcp(ep);
	hangup(ep);
	room(ep);
	return tap_done();
}
