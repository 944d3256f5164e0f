/* Socket pairs, and what poll() says of a socket, for the tests of UNIX sockets. */
#pragma once

#include <poll.h>
#include <sys/socket.h>

static int a, b; /* the ends of the pair */

static inline void pair(int type)
{
	int sv[2];

	must(socketpair(AF_UNIX, type, 0, sv));
	a = sv[0];
	b = sv[1];
}

static inline void close_pair(void)
{
	close(a);
	close(b);
}

/* In words; good until the next but one. */
static inline const char *bits(int fd)
{
	static char text[2][64];
	static int turn;
	char *s = text[turn++ & 1];
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0};

	must(poll(&p, 1, 0));
	snprintf(s, 64, "%s%s%s%s%s%s", p.revents & POLLIN ? "IN " : "",
		 p.revents & POLLOUT ? "OUT " : "", p.revents & POLLRDHUP ? "RDHUP " : "",
		 p.revents & POLLHUP ? "HUP " : "", p.revents & POLLERR ? "ERR " : "",
		 p.revents & POLLPRI ? "PRI " : "");
	return s;
}
