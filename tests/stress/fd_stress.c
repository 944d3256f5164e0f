/*
 * fd_stress: a descriptor table that several threads use at once.
 *
 * Threads share the numbers BASE to BASE + SLOTS and open, dup2, close, read, write, poll and fork
 * there at random, without asking each other. So a number may be gone or another file at any
 * moment, and a call may fail with EBADF, but nothing else may happen: every read gives bytes that
 * were written, every number holds one of our files, and a file lives while a number or a call
 * in progress holds it. Numbers that a thread got for itself, outside that range, are its own and
 * must stay what they are. At the end the table holds what it held at the start.
 */
#define _GNU_SOURCE
#include "rounds.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#define BASE  100
#define SLOTS 24
#define OPS   300
#define BYTE  0x5a

static void allow_ebadf(long ret)
{
	if (ret < 0 && errno != EBADF && errno != EAGAIN)
		fail("errno %d, %s", errno, strerror(errno));
}

static int open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	check(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* A file of our own, under a number of our own. */
static int own_file(struct rng *r, ino_t *ino)
{
	struct stat st;
	int p[2], fd;

	if (below(r, 2)) {
		fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		check(fd >= 0);
	} else {
		check(!pipe2(p, O_NONBLOCK));
		fd = p[below(r, 2)];
		check(!close(p[0] + p[1] - fd));
	}
	check(!fstat(fd, &st));
	*ino = st.st_ino;
	return fd;
}

static void put_in_slot(struct rng *r, int slot)
{
	struct stat st;
	ino_t ino;
	int fd = own_file(r, &ino);

	sched_yield();
	check(!fstat(fd, &st) && st.st_ino == ino);
	check(dup2(fd, slot) == slot && !close(fd));
}

/* Both ends of a pipe at once, so that some reads find what was written. */
static void pipe_in_slots(int a, int b)
{
	int p[2];

	check(!pipe2(p, O_NONBLOCK));
	check(dup2(p[0], a) == a && dup2(p[1], b) == b && !close(p[0]) && !close(p[1]));
}

static void read_slot(int slot)
{
	unsigned char bytes[64];
	ssize_t n = read(slot, bytes, sizeof(bytes));

	allow_ebadf(n);
	if (n == 8) /* an eventfd's count, or eight of ours */
		return;
	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] != BYTE)
			fail("read(%d) gave a byte that nobody wrote: %x", slot, bytes[i]);
	}
}

static void write_slot(int slot)
{
	static const unsigned char bytes[7] = {BYTE, BYTE, BYTE, BYTE, BYTE, BYTE, BYTE};
	ssize_t n = write(slot, bytes, sizeof(bytes));

	/* EINVAL: seven bytes are too few for an eventfd. EPIPE: the reader is gone. */
	if (n < 0 && (errno == EINVAL || errno == EPIPE))
		return;
	allow_ebadf(n);
}

static void poll_slots(struct rng *r)
{
	struct pollfd p[6];

	for (int i = 0; i < 6; i++)
		p[i] = (struct pollfd){BASE + (int)below(r, SLOTS), POLLIN | POLLOUT, 0};
	check(poll(p, 6, (int)below(r, 3)) >= 0);
}

/* The child has a table of its own: what it closes, the parent keeps. */
static void fork_table(struct rng *r)
{
	struct stat st;
	ino_t ino;
	int fd = own_file(r, &ino), status;
	pid_t pid = fork();

	check(pid >= 0);
	if (!pid) {
		for (int i = 0; i < SLOTS; i++)
			close(BASE + i);
		_exit(fstat(fd, &st) || st.st_ino != ino || close(fd) || close(fd) == 0);
	}
	check(waitpid(pid, &status, 0) == pid);
	if (status)
		fail("the child's table was wrong: status %x", status);
	check(!fstat(fd, &st) && st.st_ino == ino && !close(fd));
}

static void step(struct rng *r)
{
	int slot = BASE + (int)below(r, SLOTS), other = BASE + (int)below(r, SLOTS);
	unsigned what = below(r, 100);

	if (what < 15)
		put_in_slot(r, slot);
	else if (what < 30)
		pipe_in_slots(slot, other);
	else if (what < 40)
		allow_ebadf(dup2(slot, other));
	else if (what < 55)
		allow_ebadf(close(slot));
	else if (what < 70)
		read_slot(slot);
	else if (what < 85)
		write_slot(slot);
	else if (what < 92)
		poll_slots(r);
	else if (what < 99)
		allow_ebadf(fcntl(slot, F_SETFD, below(r, 2)));
	else
		fork_table(r);
}

static int before; /* open descriptors */

/* What is left when all slots are closed would be lost. */
static void inspect(void)
{
	int after;

	for (int i = 0; i < SLOTS; i++)
		close(BASE + i);
	after = open_descriptors();
	if (after != before)
		fail("%d descriptors before, %d after", before, after);
}

int main(int argc, char **argv)
{
	start(argc, argv, 4);
	signal(SIGPIPE, SIG_IGN);
	before = open_descriptors();
	run_rounds(&(struct rounds){OPS, step, inspect});
	return 0;
}
