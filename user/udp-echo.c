/*
 * udp-echo: each datagram goes back to where it came from. There are no connections, so one socket
 * serves all clients, and there is nothing to keep of them.
 *
 *	udp-echo [-m MODE] [PORT]
 *	-m blocking  sleeps in recvfrom() (the default)
 *	-m epoll     waits in epoll_wait(), as a server with other things to do would
 *
 * A datagram that comes while the queue is full is dropped, and so is an answer that cannot be sent at
 * once: that is UDP's promise, and all of it.
 */
#include "echo.h"

#include <sys/epoll.h>

static const char *const modes[] = {"blocking", "epoll", NULL};

/* One datagram there and back; -1: none is waiting. */
static int echo_datagram(int fd, int flags)
{
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	ssize_t n = recvfrom(fd, buffer, sizeof(buffer), flags, (struct sockaddr *)&from, &size);

	if (n >= 0)
		sendto(fd, buffer, (size_t)n, MSG_DONTWAIT, (struct sockaddr *)&from, size);
	return n < 0 && errno == EAGAIN ? -1 : 0;
}

int main(int argc, char **argv)
{
	bool use_epoll = echo_options(argc, argv, 7, modes);
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt_port)};
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	int ep, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("bind");
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll");
	say_ready();
	for (;;) {
		if (!use_epoll) {
			echo_datagram(fd, 0);
			continue;
		}
		if (epoll_wait(ep, &ev, 1, -1) == 1)
			while (echo_datagram(fd, MSG_DONTWAIT) == 0)
				;
	}
}
