/* SO_REUSEPORT: several sockets at one address share what comes in. socket(7). */
#include "tap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define CLIENTS 64

static struct sockaddr_in in;

static int sock(int type, int reuse)
{
	int fd = must(socket(AF_INET, type | SOCK_NONBLOCK, 0)), on = 1;

	if (reuse)
		must(setsockopt(fd, SOL_SOCKET, reuse, &on, sizeof(on)));
	return fd;
}

static int do_bind(int fd)
{
	return bind(fd, (void *)&in, sizeof(in));
}

/* Binds to a free port and remembers it. */
static int first(int type)
{
	int fd = sock(type, SO_REUSEPORT);
	socklen_t len = sizeof(in);

	in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	must(do_bind(fd));
	must(getsockname(fd, (void *)&in, &len));
	return fd;
}

static int ready(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};

	return poll(&p, 1, 20);
}

static int take(int l)
{
	int n = 0, fd;

	while (ready(l) == 1) {
		fd = accept(l, NULL, NULL);
		if (fd < 0)
			break;
		close(fd);
		n++;
	}
	return n;
}

static void connect_all(void)
{
	for (int i = 0; i < CLIENTS; i++) {
		int c = must(socket(AF_INET, SOCK_STREAM, 0));

		must(connect(c, (void *)&in, sizeof(in)));
		close(c);
	}
}

static void tcp(void)
{
	int l1 = first(SOCK_STREAM), l2 = sock(SOCK_STREAM, SO_REUSEPORT), n1, n2;
	int v = 0;
	socklen_t len = sizeof(v);

	ok(!getsockopt(l1, SOL_SOCKET, SO_REUSEPORT, &v, &len) && v == 1, "SO_REUSEPORT is set");
	ok(!do_bind(l2), "two bind to one port");
	fails(do_bind(sock(SOCK_STREAM, 0)), EADDRINUSE);
	ok(!listen(l1, CLIENTS) && !listen(l2, CLIENTS), "and listen");
	fails(do_bind(sock(SOCK_STREAM, 0)), EADDRINUSE);
	fails(do_bind(sock(SOCK_STREAM, SO_REUSEADDR)), EADDRINUSE);
	connect_all();
	n1 = take(l1);
	n2 = take(l2);
	ok(n1 + n2 == CLIENTS, "each connection comes to one of them");
	ok(n1 > 0 && n2 > 0, "and both get some");
	close(l2);
	connect_all();
	ok(take(l1) == CLIENTS, "when one is closed the other gets all");
	l2 = sock(SOCK_STREAM, SO_REUSEPORT);
	ok(!do_bind(l2), "a new one joins beside old connections");
	close(l1);
	close(l2);
}

static void udp(void)
{
	int s1 = first(SOCK_DGRAM), s2 = sock(SOCK_DGRAM, SO_REUSEPORT), n1 = 0, n2 = 0, c;
	bool split = false;
	char buf[4];

	ok(!do_bind(s2), "UDP: two bind to one port");
	fails(do_bind(sock(SOCK_DGRAM, 0)), EADDRINUSE);
	fails(do_bind(sock(SOCK_DGRAM, SO_REUSEADDR)), EADDRINUSE);
	for (int i = 0; i < CLIENTS; i++) {
		int k1, k2;

		c = sock(SOCK_DGRAM, 0);
		for (int k = 0; k < 2; k++)
			must(sendto(c, "x", 1, 0, (void *)&in, sizeof(in)));
		for (k1 = 0; recv(s1, buf, 4, 0) == 1;)
			k1++;
		for (k2 = 0; recv(s2, buf, 4, 0) == 1;)
			k2++;
		if (k1 && k2)
			split = true;
		n1 += k1;
		n2 += k2;
		close(c);
	}
	ok(n1 + n2 == 2 * CLIENTS, "UDP: each datagram comes to one of them");
	ok(n1 > 0 && n2 > 0, "UDP: and both get some");
	ok(!split, "UDP: those of one sender come to the same");
	close(s1);
	close(s2);
}

/* Another user's bind() to the address of @fd: its errno. Who is not root cannot try. */
static int stranger(int type)
{
	int status;
	pid_t pid = must(fork());

	if (!pid) {
		if (geteuid() || setuid(12345))
			_exit(EADDRINUSE);
		_exit(do_bind(sock(type, SO_REUSEPORT)) ? errno : 0);
	}
	must(waitpid(pid, &status, 0));
	return WEXITSTATUS(status);
}

static void users(void)
{
	int l = first(SOCK_STREAM), s;

	must(listen(l, 1));
	ok(stranger(SOCK_STREAM) == EADDRINUSE, "another user does not get in");
	s = first(SOCK_DGRAM);
	ok(stranger(SOCK_DGRAM) == EADDRINUSE, "UDP: another user does not get in");
	close(l);
	close(s);
}

int main(void)
{
	tcp();
	udp();
	users();
	return tap_done();
}
