/*
 * A pty pair for the terminal's tests. Linux moves bytes from one end to the other in a worker, so what
 * one end has written is not there yet when write() returns: every look at the other end waits for
 * as many bytes as it expects, and only then says what they were.
 */
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#define PATIENCE 10000 /* ms; longer than anything takes */

struct pty {
	int m, s; /* master, slave */
};

static inline struct pty pty_open(void)
{
	struct pty p;

	p.m = must(posix_openpt(O_RDWR | O_NOCTTY));
	must(grantpt(p.m));
	must(unlockpt(p.m));
	p.s = must(open(ptsname(p.m), O_RDWR | O_NOCTTY));
	return p;
}

static inline void pty_close(struct pty p)
{
	close(p.s);
	close(p.m);
}

/* A signal that the keyboard raises may come while its echo is awaited. */
static inline bool ready(int fd, short events)
{
	struct pollfd pfd = {.fd = fd, .events = events};
	int n;

	while ((n = poll(&pfd, 1, PATIENCE)) < 0 && errno == EINTR)
		;
	return n == 1 && (pfd.revents & events);
}

static inline bool put(int fd, const char *text)
{
	return write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* Reads until as many bytes have come as @want has; are they the same? */
static inline bool sees(int fd, const char *want)
{
	char got[8192];
	size_t n = 0, len = strlen(want);

	while (n < len && ready(fd, POLLIN)) {
		ssize_t r = read(fd, got + n, len - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		n += (size_t)r;
	}
	if (n == len && !memcmp(got, want, len))
		return true;
	printf("# saw \"");
	for (size_t i = 0; i < n; i++)
		printf(got[i] >= ' ' && got[i] < 127 ? "%c" : "\\x%02x", (unsigned char)got[i]);
	printf("\"\n");
	return false;
}

/* One read() that is to return exactly this. */
static inline bool reads(int fd, const char *want)
{
	char got[8192];
	ssize_t r = ready(fd, POLLIN) ? read(fd, got, sizeof(got)) : -1;

	if (r == (ssize_t)strlen(want) && !memcmp(got, want, (size_t)r))
		return true;
	printf("# read %zd:", r);
	for (ssize_t i = 0; i < r; i++)
		printf(" %02x", (unsigned char)got[i]);
	printf("\n");
	return false;
}

/* Nothing is there now. */
static inline bool silent(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, 0) == 0;
}

/* Changes flags of the terminal: set(fd, &(struct change){.loff = ECHO}). */
struct change {
	tcflag_t ion, ioff, oon, ooff, lon, loff;
	int vmin, vtime; /* 0 leaves VMIN 1 and VTIME 0 */
};

static inline void set(int fd, struct change c)
{
	struct termios t;

	must(tcgetattr(fd, &t));
	t.c_iflag = (t.c_iflag | c.ion) & ~c.ioff;
	t.c_oflag = (t.c_oflag | c.oon) & ~c.ooff;
	t.c_lflag = (t.c_lflag | c.lon) & ~c.loff;
	t.c_cc[VMIN] = c.vmin ? c.vmin : 1;
	t.c_cc[VTIME] = c.vtime;
	must(tcsetattr(fd, TCSANOW, &t));
}
