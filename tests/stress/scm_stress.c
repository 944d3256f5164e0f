/*
 * scm_stress: open files that travel over UNIX sockets while others close everything.
 *
 * Threads share a set of socket pairs. Each at random sends one end of a pair (or an eventfd that
 * holds a token) over another pair, receives or peeks at what has come, closes what it got, and
 * replaces a pair as a whole, whose queues may hold anything by then: other pairs, and through them
 * itself. So cycles come about and are cut off at any moment. What must hold: a descriptor that is
 * received is what was sent (a socket of ours or an eventfd with its token), and no other error
 * occurs than those of a full or closed socket. That nothing stays is for the leak check to say.
 */
#define _GNU_SOURCE
#include "rounds.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define PAIRS 6
#define OPS   200
#define TOKEN 0x5cull

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int ends[PAIRS][2];

static int open_pair(struct rng *r, int sv[2])
{
	return socketpair(AF_UNIX, below(r, 2) ? SOCK_STREAM : SOCK_DGRAM, 0, sv);
}

/* A descriptor of our own for one end of some pair, which may be replaced meanwhile. */
static int borrow(struct rng *r)
{
	int fd;

	pthread_mutex_lock(&lock);
	fd = dup(ends[below(r, PAIRS)][below(r, 2)]);
	pthread_mutex_unlock(&lock);
	check(fd >= 0);
	return fd;
}

static void replace(struct rng *r)
{
	int new[2], old[2], i = (int)below(r, PAIRS);

	check(!open_pair(r, new));
	pthread_mutex_lock(&lock);
	memcpy(old, ends[i], sizeof(old));
	memcpy(ends[i], new, sizeof(new));
	pthread_mutex_unlock(&lock);
	close(old[0]);
	close(old[1]);
}

union control {
	char buf[CMSG_SPACE(2 * sizeof(int))];
	struct cmsghdr align;
};

static void send_one(struct rng *r)
{
	int over = borrow(r), what = below(r, 3) ? borrow(r) : eventfd(TOKEN, EFD_NONBLOCK);
	struct iovec iov = {"x", 1};
	union control c;
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = c.buf,
			   .msg_controllen = CMSG_SPACE(sizeof(int))};

	check(what >= 0);
	c.align = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
				   .cmsg_level = SOL_SOCKET,
				   .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&c.align), &what, sizeof(what));
	/* A datagram end whose peer died says ECONNREFUSED once, and then, being without peer, ENOTCONN. */
	if (sendmsg(over, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		check(errno == EAGAIN || errno == EPIPE || errno == ECONNREFUSED ||
		      errno == ECONNRESET || errno == ENOTCONN);
	close(what);
	close(over);
}

static void examine(int fd)
{
	struct stat st;
	uint64_t v = TOKEN;

	check(!fstat(fd, &st));
	if (!S_ISSOCK(st.st_mode) && read(fd, &v, sizeof(v)) < 0)
		check(errno == EAGAIN); /* somebody peeked and has taken it */
	check(v == TOKEN);
	close(fd);
}

static void receive_one(struct rng *r)
{
	int from = borrow(r), fds[2], n;
	char byte;
	struct iovec iov = {&byte, 1};
	union control c;
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = below(r, 8) ? c.buf : NULL,
			   .msg_controllen = sizeof(c)};
	struct cmsghdr *h;

	if (!m.msg_control)
		m.msg_controllen = 0;
	if (recvmsg(from, &m, MSG_DONTWAIT | (below(r, 4) ? 0 : MSG_PEEK)) < 0) {
		check(errno == EAGAIN || errno == ECONNRESET);
		close(from);
		return;
	}
	h = CMSG_FIRSTHDR(&m);
	if (h) {
		n = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		check(n == 1);
		memcpy(fds, CMSG_DATA(h), sizeof(int));
		examine(fds[0]);
	}
	close(from);
}

static void step(struct rng *r)
{
	unsigned what = below(r, 8);

	if (what == 0)
		replace(r);
	else if (what < 4)
		receive_one(r);
	else
		send_one(r);
}

static struct rng between_rounds;

/* All queues are cut off at once. */
static void cut_off(void)
{
	for (int i = 0; i < 8 * PAIRS; i++)
		replace(&between_rounds);
}

int main(int argc, char **argv)
{
	start(argc, argv, 4);
	between_rounds = rng_for(MAX_ACTORS);
	for (int i = 0; i < PAIRS; i++)
		check(!open_pair(&between_rounds, ends[i]));
	run_rounds(&(struct rounds){OPS, step, cut_off});
	return 0;
}
