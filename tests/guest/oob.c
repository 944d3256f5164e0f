/*
 * oob PORT: tells each peer, one after the other, what of its stream it is told: a line for each
 * SIGURG, each urgent byte and each piece of data. "oob PORT loud" says the lines with MSG_OOB, so that
 * the last byte of each is urgent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t sigurg;
static sigset_t urg;
static int flags;

static void count(int sig)
{
	(void)sig;
	sigurg++;
}

static void say(int fd, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	send(fd, line, strlen(line), flags | MSG_NOSIGNAL);
}

/* False at the end of the stream. */
static int data(int fd)
{
	char buf[128];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);
	int awaited;

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	buf[n] = '\0';
	awaited = recv(fd, &(char){0}, 1, MSG_OOB | MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
	say(fd, "data %s%s%s\n", buf, sockatmark(fd) == 1 ? " mark" : "",
	    awaited ? " awaited" : "");
	return 1;
}

static void serve(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLPRI, 0};
	sigset_t none;
	char c;

	sigemptyset(&none);
	fcntl(fd, F_SETOWN, getpid());
	say(fd, "hello\n");
	for (;;) {
		int n = ppoll(&p, 1, NULL, &none);

		/* A call that has events to tell leaves the signal alone. */
		sigurg += sigtimedwait(&urg, NULL, &(struct timespec){0, 0}) > 0;
		for (; sigurg; sigurg--)
			say(fd, "sigurg\n");
		/* What makes it readable may have brought the byte since. */
		if (n > 0 && recv(fd, &c, 1, MSG_OOB) == 1)
			say(fd, "urgent %c\n", c);
		if (n > 0 && (p.revents & POLLIN) && !data(fd))
			return;
		if (n > 0 && (p.revents & (POLLERR | POLLHUP)))
			return;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
	struct sigaction act = {.sa_handler = count};
	int l = socket(AF_INET, SOCK_STREAM, 0), fd, on = 1;

	flags = argc > 2 ? MSG_OOB : 0;
	sigemptyset(&urg);
	sigaddset(&urg, SIGURG);
	sigprocmask(SIG_BLOCK, &urg, NULL);
	sigaction(SIGURG, &act, NULL);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l, (struct sockaddr *)&a, sizeof(a)) || listen(l, 5))
		return 1;
	puts("oob listens");
	while ((fd = accept(l, NULL, NULL)) >= 0) {
		serve(fd);
		close(fd);
	}
	return 0;
}
