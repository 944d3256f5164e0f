/*
 * echo-poll: at each wait the kernel is given an array, an entry a descriptor, and fills in what has
 * happened to each.
 *
 * There is no limit on descriptors as select() has it, and what is wanted and what has happened are kept
 * apart, so the array need not be made anew. But it is copied in and its answers out at each call, every
 * file in it is asked and listened to for the time of the sleep, and the program looks through all of it
 * for those that are ready: the cost of a wait grows with what is watched. An epoll keeps the array in
 * the kernel and returns only the ready ones.
 */
#include "echo.h"

#include <poll.h>

static const char *const modes[] = {"poll", NULL};
static struct pollfd *fds;
static int count;

static void watch(struct pollfd *p, enum want want)
{
	if (want != WANT_CLOSE) {
		p->events = want == WANT_WRITE ? POLLOUT : POLLIN;
		return;
	}
	drop(p->fd);
	*p = fds[--count]; /* the last one fills the gap */
}

static void accept_all(int listener)
{
	int fd;

	while ((fd = accept_next(listener)) >= 0)
		fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

int main(int argc, char **argv)
{
	int listener;

	echo_options(argc, argv, 11, modes);
	listener = listen_here(SOCK_NONBLOCK, 0);
	fds = calloc((size_t)max_fds, sizeof(*fds));
	if (!fds)
		die("calloc");
	fds[count++] = (struct pollfd){.fd = listener, .events = POLLIN};
	say_ready();
	for (;;) {
		if (poll(fds, (nfds_t)count, -1) < 0) {
			if (errno == EINTR)
				continue;
			die("poll");
		}
		/* Backwards: a gap is filled by an entry that has been looked at. */
		for (int i = count - 1; i > 0; i--) {
			if (fds[i].revents)
				watch(&fds[i], echo_some(fds[i].fd, false));
		}
		if (fds[0].revents)
			accept_all(listener);
	}
}
