/*
 * echo.h: what the echo servers have in common, so that each of them shows how it waits and nothing
 * else: options, the listening socket, and moving bytes on a socket that never blocks.
 *
 *	echo-NAME [-m MODE] [-n COUNT] [-b BACKLOG] [PORT]
 *
 * An idle connection costs a server nothing but its descriptor: there is no object behind it, and
 * all share one buffer. Bytes that a peer does not take are kept in a piece of memory of just their
 * size; while it exists the connection is not read, so a slow reader holds at most one buffer.
 *
 *	for each descriptor that can be read or written:
 *		switch (echo_some(fd, ...)) {
 *		case WANT_READ:  wait until it can be read
 *		case WANT_WRITE: wait until it can be written, and do not read it meanwhile
 *		case WANT_TURN:  it had more than its share: come back after the others
 *		case WANT_CLOSE: the end, or an error: drop(fd)
 *		}
 */
#pragma once

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_A_TURN 8 /* how much of one connection before the others get their turn */

enum want { WANT_READ, WANT_WRITE, WANT_TURN, WANT_CLOSE };

/* What the peer of a connection has not taken yet. */
struct rest {
	size_t at, len; /* bytes: sent, in all */
	char data[];
};

static __thread char buffer[64 * 1024];
static struct rest **rests; /* by descriptor; NULL where nothing is left, nearly always */
static int max_fds;         /* descriptors are below */
static int spare = -1;      /* a descriptor to give up when there is no other */

/* Options. A program's modes are words, the first one is the default. */
static const char *mode_name;
static int opt_count = 4, opt_backlog = 4096, opt_port;

__attribute__((noreturn)) static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

/* ---- options and limits ---- */

/* Which of @modes, a list ended by NULL; -1: none of them. */
static inline int find_mode(const char *const modes[], const char *name)
{
	for (int i = 0; modes[i]; i++)
		if (!strcmp(modes[i], name))
			return i;
	return -1;
}

__attribute__((noreturn)) static inline void usage(const char *const modes[])
{
	fprintf(stderr, "usage: %s [-m MODE] [-n COUNT] [-b BACKLOG] [PORT]\nmodes:",
		program_invocation_short_name);
	for (int i = 0; modes[i]; i++)
		fprintf(stderr, " %s", modes[i]);
	fprintf(stderr, "\n");
	exit(2);
}

/* As many descriptors as we may have, and a slot in rests[] for each. */
static inline void raise_limits(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		die("getrlimit");
	rl.rlim_cur = rl.rlim_max < 1u << 20 ? rl.rlim_max : 1u << 20;
	setrlimit(RLIMIT_NOFILE, &rl);
	max_fds = (int)rl.rlim_cur;
	rests = calloc(rl.rlim_cur, sizeof(*rests)); /* untouched pages cost nothing */
	if (!rests)
		die("calloc");
	spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Reads the options; the number of the mode. */
static inline int echo_options(int argc, char **argv, int port, const char *const modes[])
{
	int opt, mode = 0;

	while ((opt = getopt(argc, argv, "m:n:b:")) != -1) {
		if (opt == 'm' && find_mode(modes, optarg) >= 0)
			mode = find_mode(modes, optarg);
		else if (opt == 'n' && atoi(optarg) > 0)
			opt_count = atoi(optarg);
		else if (opt == 'b')
			opt_backlog = atoi(optarg);
		else
			usage(modes);
	}
	mode_name = modes[mode];
	opt_port = optind < argc ? atoi(argv[optind]) : port;
	raise_limits();
	return mode;
}

/* ---- connections come and go ---- */

/* A listening socket on opt_port. @flags: SOCK_NONBLOCK or 0. @option: SO_REUSEPORT or 0. */
static inline int listen_here(int flags, int option)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt_port)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (option && setsockopt(fd, SOL_SOCKET, option, &one, sizeof(one)) < 0)
		die("setsockopt");
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("bind");
	if (listen(fd, opt_backlog) < 0)
		die("listen");
	return fd;
}

/* One line that says that clients may come. */
static inline void say_ready(void)
{
	printf("%s: port %d, %s\n", program_invocation_short_name, opt_port, mode_name);
	fflush(stdout);
}

/*
 * The next connection that waits, non-blocking; -1: there is none left. Out of descriptors, the
 * spare one is used to take a connection and close it: the client learns at once that it is not
 * served, and the listener does not stay ready for ever.
 */
static inline int accept_next(int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			return fd;
		if ((errno == EMFILE || errno == ENFILE) && spare >= 0) {
			close(spare);
			fd = accept(listener, NULL, NULL);
			if (fd >= 0)
				close(fd);
			spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
			if (fd < 0)
				return -1;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return -1; /* EAGAIN: all taken */
		}
	}
}

/* close() also removes the descriptor from an epoll. */
static inline void drop(int fd)
{
	free(rests[fd]);
	rests[fd] = NULL;
	close(fd);
}

/* ---- bytes ---- */

/* Sends @len bytes of the buffer; what does not fit is kept. -1 when the connection is gone. */
static inline int echo_send(int fd, size_t len)
{
	ssize_t n = send(fd, buffer, len, MSG_NOSIGNAL);
	struct rest *r;

	if (n == (ssize_t)len)
		return 0;
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -1;
		n = 0;
	}
	len -= (size_t)n;
	r = malloc(sizeof(*r) + len);
	if (!r)
		return -1;
	r->at = 0;
	r->len = len;
	memcpy(r->data, buffer + n, len);
	rests[fd] = r;
	return 0;
}

/* Sends what was kept; WANT_READ when all is gone. */
static inline enum want echo_rest(int fd)
{
	struct rest *r = rests[fd];

	while (r->at < r->len) {
		ssize_t n = send(fd, r->data + r->at, r->len - r->at, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? WANT_WRITE : WANT_CLOSE;
		r->at += (size_t)n;
	}
	free(r);
	rests[fd] = NULL;
	return WANT_READ;
}

/*
 * Reads and sends as much as goes at once. A read that fills only a part of the buffer has emptied
 * the socket, which saves the read() that would say EAGAIN; but who is told of changes only, and of
 * the stream's end now, must go on until read() itself says 0: @until_end. (Urgent data, at which a
 * read stops short too, needs the same. These servers do not expect any.)
 */
static inline enum want echo_some(int fd, bool until_end)
{
	if (rests[fd]) {
		enum want w = echo_rest(fd);

		if (w != WANT_READ)
			return w;
		until_end = true; /* what came meanwhile was not looked at */
	}
	for (int turn = 0; turn < READS_A_TURN; turn++) {
		ssize_t n = read(fd, buffer, sizeof(buffer));

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return WANT_READ;
		if (n <= 0 || echo_send(fd, (size_t)n) < 0)
			return WANT_CLOSE; /* what was sent is still delivered, then the FIN */
		if (rests[fd])
			return WANT_WRITE;
		if (n < (ssize_t)sizeof(buffer) && !until_end)
			return WANT_READ;
	}
	return WANT_TURN;
}
