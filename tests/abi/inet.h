/* Addresses of the loopback interface, and what poll() says of a socket, for the tests of TCP and UDP. */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#define ADDR(a) ((struct sockaddr *)&(a)), sizeof(a)

/* What poll() says within @timeout ms about everything. */
static inline int events(int fd, int timeout)
{
	const short all =
		POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM | POLLWRBAND;
	struct pollfd p = {fd, all, 0};

	poll(&p, 1, timeout);
	return p.revents;
}

/* Is the answer @want, now or soon? */
static inline bool becomes(int fd, int want)
{
	int got = 0;

	for (int i = 0; i < 1000; i++) {
		got = events(fd, 0);
		if (got == want)
			return true;
		poll(NULL, 0, 10);
	}
	printf("# poll says %#x, not %#x\n", got, want);
	return false;
}

static inline struct sockaddr_in local(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static inline int port_of(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	must(getsockname(fd, (struct sockaddr *)&a, &len));
	return ntohs(a.sin_port);
}
