/*
 * echo-epoll: one process, one thread, as many connections as there are descriptors.
 *
 *	echo-epoll [-l | -e] [-b BACKLOG] [PORT]
 *	-e  edge-triggered (the default): epoll reports a change once
 *	-l  level-triggered: epoll reports for as long as there is something to do
 *
 * An idle connection costs this program nothing but its descriptor: the event carries the number,
 * and there is no object behind it. Bytes that the peer does not take are kept in a buffer of just
 * their size; while it exists the connection is watched for EPOLLOUT and not read, so one slow
 * reader holds at most one buffer. Reading and writing never block, so nobody waits for anybody.
 *
 * Edge-triggered means that what is not done now is not told again. Two rules follow:
 *  - read until the socket is empty. A read that fills only a part of the buffer has emptied it,
 *    which saves the read() that would say EAGAIN. The end of the stream adds no bytes, so when
 *    EPOLLRDHUP is set only a read() of 0 is enough.
 *  - who stops early must ask again. EPOLL_CTL_MOD looks at the file anew and puts it at the end
 *    of the ready list, so a connection that is never empty waits its turn like the others.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_A_TURN 8 /* how much of one connection before the others get their turn */

/* What the peer of a connection has not taken yet. */
struct rest {
	size_t at, len; /* bytes: sent, in all */
	char data[];
};

static char buffer[64 * 1024];
static struct rest **rests; /* by descriptor; NULL where nothing is left, nearly always */
static unsigned mode = EPOLLET;
static int ep, listener, spare; /* spare: a descriptor to give up when there is no other */

static void die(const char *what)
{
	fprintf(stderr, "echo-epoll: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(int op, int fd, unsigned events)
{
	struct epoll_event ev = {.events = events | mode, .data.fd = fd};

	if (epoll_ctl(ep, op, fd, &ev) < 0)
		die("epoll_ctl");
}

/* close() also removes the descriptor from the epoll. */
static void drop(int fd)
{
	free(rests[fd]);
	rests[fd] = NULL;
	close(fd);
}

/* Sends @len bytes; what does not fit is kept. 0, or -1 when the connection is gone. */
static int echo(int fd, const char *data, size_t len)
{
	ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
	struct rest *r;

	if (n == (ssize_t)len)
		return 0;
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -1;
		n = 0;
	}
	r = malloc(sizeof(*r) + len - n);
	if (!r)
		return -1;
	r->at = 0;
	r->len = len - n;
	memcpy(r->data, data + n, r->len);
	rests[fd] = r;
	watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
	return 0;
}

/* Sends what was kept. 1 when all is gone, 0 when some is left, -1 when the connection is gone. */
static int flush(int fd)
{
	struct rest *r = rests[fd];

	while (r->at < r->len) {
		ssize_t n = send(fd, r->data + r->at, r->len - r->at, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		r->at += n;
	}
	free(r);
	rests[fd] = NULL;
	return 1;
}

static void serve(int fd, unsigned events)
{
	if (rests[fd]) {
		int done = flush(fd);

		if (done < 0)
			drop(fd);
		else if (done > 0)
			watch(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLRDHUP);
		return; /* the MOD has asked again: if there is something to read, it is an event */
	}
	for (int turn = 0; turn < READS_A_TURN; turn++) {
		ssize_t n = read(fd, buffer, sizeof(buffer));

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || echo(fd, buffer, n) < 0) {
			drop(fd); /* what was sent is still delivered, then the FIN */
			return;
		}
		if (rests[fd])
			return;
		if (n < (ssize_t)sizeof(buffer) && !(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
			return;
	}
	watch(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLRDHUP);
}

/*
 * Takes all connections that wait. Out of descriptors, the spare one is used to take a connection
 * and close it: the client learns at once that it is not served, and the queue does not stay full.
 */
static void accept_all(void)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			watch(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP);
		} else if ((errno == EMFILE || errno == ENFILE) && spare >= 0) {
			close(spare);
			fd = accept(listener, NULL, NULL);
			if (fd >= 0)
				close(fd);
			spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
			if (fd < 0)
				return;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return; /* EAGAIN: all taken */
		}
	}
}

static void listen_on(int port, int backlog)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener < 0)
		die("socket");
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("bind");
	if (listen(listener, backlog) < 0)
		die("listen");
}

/* As many descriptors as we may have, and a slot in rests[] for each. */
static void raise_limits(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		die("getrlimit");
	rl.rlim_cur = rl.rlim_max < 1u << 20 ? rl.rlim_max : 1u << 20;
	setrlimit(RLIMIT_NOFILE, &rl);
	rests = calloc(rl.rlim_cur, sizeof(*rests)); /* untouched pages cost nothing */
	if (!rests)
		die("calloc");
}

int main(int argc, char **argv)
{
	static struct epoll_event events[256];
	int opt, port, backlog = 4096;

	while ((opt = getopt(argc, argv, "leb:")) != -1) {
		if (opt == 'l' || opt == 'e') {
			mode = opt == 'e' ? EPOLLET : 0;
		} else if (opt == 'b') {
			backlog = atoi(optarg);
		} else {
			fprintf(stderr, "usage: echo-epoll [-l | -e] [-b BACKLOG] [PORT]\n");
			return 2;
		}
	}
	port = optind < argc ? atoi(argv[optind]) : 7;

	raise_limits();
	spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0)
		die("epoll_create1");
	listen_on(port, backlog);
	watch(EPOLL_CTL_ADD, listener, EPOLLIN);
	printf("echo-epoll: port %d, %s-triggered\n", port, mode ? "edge" : "level");
	fflush(stdout);

	for (;;) {
		int n = epoll_wait(ep, events, 256, -1);

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				accept_all();
			else
				serve(events[i].data.fd, events[i].events);
		}
	}
}
