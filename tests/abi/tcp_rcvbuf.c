/*
 * SO_RCVBUF that is set before connect() or listen() bounds, from the first byte on, what the other
 * side may send to a program that does not read, tcp(7).
 */
#include "tap.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define ENOUGH (4 << 20)

/* Far more than the buffers asked for, far less than a window that nobody has asked for. Linux lets
 * a sender with a tiny buffer have one packet of loopback too many. */
#define FEW (128 << 10)

static char block[1 << 16];

static void set_size(int fd, int name, int size)
{
	must(setsockopt(fd, SOL_SOCKET, name, &size, sizeof(size)));
}

/* A connection over loopback: fd[0] has connected, fd[1] was accepted. A size of 0: as it comes. */
static void connection(int fd[2], int listen_size, bool after_listen, int connect_size)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int l = must(socket(AF_INET, SOCK_STREAM, 0));

	fd[0] = must(socket(AF_INET, SOCK_STREAM, 0));
	must(bind(l, (struct sockaddr *)&a, sizeof(a)));
	if (listen_size && !after_listen)
		set_size(l, SO_RCVBUF, listen_size);
	must(listen(l, 1));
	if (listen_size && after_listen)
		set_size(l, SO_RCVBUF, listen_size);
	if (connect_size)
		set_size(fd[0], SO_RCVBUF, connect_size);
	must(getsockname(l, (struct sockaddr *)&a, &len));
	must(connect(fd[0], (struct sockaddr *)&a, len));
	fd[1] = must(accept(l, NULL, NULL));
	close(l);
}

/* Sends until no more is taken for a while; how much that was. */
static int fill(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int total = 0;
	ssize_t n;

	set_size(fd, SO_SNDBUF, 4096);
	while (total < ENOUGH && poll(&p, 1, 200) == 1) {
		n = send(fd, block, sizeof(block), MSG_DONTWAIT);
		if (n < 0)
			break;
		total += (int)n;
	}
	return total;
}

static int drain(int fd, int total)
{
	int got = 0;
	ssize_t n;

	while (got < total && (n = read(fd, block, sizeof(block))) > 0)
		got += (int)n;
	return got;
}

/* Who reads gets everything, a window at a time. */
static bool flows(int from, int to)
{
	pid_t pid = fork();
	int status, sent = 0, got;
	ssize_t n;

	if (!pid) {
		while (sent < ENOUGH / 4 && (n = write(from, block, sizeof(block))) > 0)
			sent += (int)n;
		_exit(sent != ENOUGH / 4);
	}
	got = drain(to, ENOUGH / 4);
	must(waitpid(pid, &status, 0));
	return got == ENOUGH / 4 && !status;
}

static void bounded(int from, int to, const char *what)
{
	int sent = fill(from);

	ok(sent > 0 && sent < FEW, "%s: a reader that sleeps is sent little", what);
	ok(drain(to, sent) == sent, "%s: and finds it there", what);
	ok(flows(from, to), "%s: the rest flows when it is read", what);
	set_size(to, SO_RCVBUF, 100000);
	ok(flows(from, to), "%s: with a wider buffer, too", what);
}

int main(void)
{
	int fd[2];

	connection(fd, 4096, false, 0);
	bounded(fd[0], fd[1], "set before listen()");
	close(fd[0]);
	close(fd[1]);
	connection(fd, 4096, true, 0);
	bounded(fd[0], fd[1], "set on a listener");
	close(fd[0]);
	close(fd[1]);
	connection(fd, 0, false, 4096);
	bounded(fd[1], fd[0], "set before connect()");
	ok(flows(fd[0], fd[1]), "the other way is not concerned");
	close(fd[0]);
	close(fd[1]);
	return tap_done();
}
