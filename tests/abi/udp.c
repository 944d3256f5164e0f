/*
 * UDP sockets over the loopback interface: datagrams, peers, errors that come back, poll(). udp(7),
 * epoll-semantics rule 25.
 */
#include "tap.h"
#include "inet.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>

#define IN_  (POLLIN | POLLRDNORM)
#define OUT_ (POLLOUT | POLLWRNORM | POLLWRBAND)
#define ALL  (IN_ | OUT_ | POLLRDHUP | POLLPRI)

static int udp(int flags)
{
	return must(socket(AF_INET, SOCK_DGRAM | flags, 0));
}

static int bound(void)
{
	struct sockaddr_in a = local(0);
	int fd = udp(0);

	must(bind(fd, ADDR(a)));
	return fd;
}

/* A socket that sends to @port. */
static int dial(int port)
{
	struct sockaddr_in a = local(port);
	int fd = udp(0);

	must(connect(fd, ADDR(a)));
	return fd;
}

static int sockerr(int fd)
{
	int err = -1;
	socklen_t len = sizeof(err);

	must(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len));
	return err;
}

/* A port of this host on which nobody is. */
static int dead_port(void)
{
	int fd = bound(), port = port_of(fd);

	close(fd);
	return port;
}

static void creation(void)
{
	fails(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP), EPROTONOSUPPORT);
	int fd = udp(0);
	char c;

	ok(events(fd, 0) == OUT_, "a fresh socket is writable");
	fails(listen(fd, 1), EOPNOTSUPP);
	fails(accept(fd, NULL, NULL), EOPNOTSUPP);
	fails(send(fd, "x", 1, 0), EDESTADDRREQ);
	fails(recv(fd, &c, 1, MSG_DONTWAIT), EAGAIN);
	fails(shutdown(fd, SHUT_RDWR), ENOTCONN);
	close(fd);
}

static void addresses(void)
{
	struct sockaddr_in a = local(0), b;
	socklen_t len = sizeof(b);
	int fd = udp(0), other = udp(0), one = 1;

	ok(!bind(fd, ADDR(a)) && port_of(fd) > 1024, "bind to some port");
	fails(bind(fd, ADDR(a)), EINVAL);
	b = local(port_of(fd));
	fails(bind(other, ADDR(b)), EADDRINUSE);
	must(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	fails(bind(other, ADDR(b)), EADDRINUSE);
	must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	ok(!bind(other, ADDR(b)), "SO_REUSEADDR on both lets both bind");
	close(other);

	other = udp(0);
	fails(getpeername(other, (struct sockaddr *)&b, &len), ENOTCONN);
	ok(port_of(other) == 0, "no port yet");
	a = local(port_of(fd));
	ok(sendto(other, "x", 1, 0, ADDR(a)) == 1 && port_of(other) > 1024, "sending takes a port");
	fails(sendto(other, "x", 1, 0, (struct sockaddr *)&a, 8), EINVAL);
	fails(sendto(other, "x", 1, 0, NULL, sizeof(a)), EDESTADDRREQ);
	fails(sendto(other, "x", 1, 0, (struct sockaddr *)1, sizeof(a)), EFAULT);
	fails(sendto(other, "x", 1, 0, (struct sockaddr *)&a, 1000), EINVAL);
	fails(sendto(other, (void *)1, 1, 0, ADDR(a)), EFAULT);
	fails(sendto(other, "x", 1, MSG_OOB, ADDR(a)), EOPNOTSUPP);
	a.sin_family = AF_UNIX;
	fails(sendto(other, "x", 1, 0, ADDR(a)), EAFNOSUPPORT);
	a = local(0);
	fails(sendto(other, "x", 1, 0, ADDR(a)), EINVAL);
	close(other);
	close(fd);
}

static void messages(void)
{
	char b[16] = "";
	int r = bound(), s = dial(port_of(r)), n = -1;
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	struct iovec v[2] = {{b, 2}, {b + 8, 2}};
	struct msghdr m = {.msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = v, .msg_iovlen = 2};

	ok(send(s, "first", 5, 0) == 5 && send(s, "2nd", 3, 0) == 3 && send(s, "", 0, 0) == 0,
	   "three datagrams, one empty");
	ok(becomes(r, IN_ | OUT_), "readable");
	ok(!ioctl(r, FIONREAD, &n) && n == 5, "FIONREAD: the first one");
	ok(recv(r, b, sizeof(b), MSG_PEEK) == 5 && !memcmp(b, "first", 5), "MSG_PEEK");
	ok(recvfrom(r, b, sizeof(b), 0, (struct sockaddr *)&a, &len) == 5 && len == sizeof(a) &&
		   ntohs(a.sin_port) == port_of(s) && a.sin_addr.s_addr == htonl(INADDR_LOOPBACK),
	   "recvfrom() tells from whom");
	ok(recv(r, b, 2, MSG_TRUNC) == 3, "MSG_TRUNC tells the full length");
	ok(events(r, 0) == (IN_ | OUT_), "one is left");
	ok(recv(r, b, sizeof(b), MSG_DONTWAIT) == 0, "the empty one");
	ok(events(r, 0) == OUT_, "that was all");
	fails(recv(r, b, sizeof(b), MSG_DONTWAIT), EAGAIN);

	must(send(s, "abcdef", 6, 0));
	becomes(r, IN_ | OUT_);
	ok(recvmsg(r, &m, 0) == 4 && !memcmp(b, "ab", 2) && !memcmp(b + 8, "cd", 2),
	   "recvmsg() into pieces");
	ok((m.msg_flags & MSG_TRUNC) && m.msg_namelen == sizeof(a), "msg_flags says MSG_TRUNC");
	must(send(s, "abcdef", 6, 0));
	becomes(r, IN_ | OUT_);
	ok(read(r, b, 3) == 3, "a short read()");
	fails(recv(r, b, 3, MSG_DONTWAIT), EAGAIN);
	must(send(s, "z", 1, 0));
	becomes(r, IN_ | OUT_);
	fails(recv(r, NULL, 1, 0), EFAULT);

	struct timeval tv = {0, 30000};

	must(setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	if (recv(r, b, 1, 0) >= 0)
		recv(r, b, 1, 0);
	fails(recv(r, b, 1, 0), EAGAIN);
	close(r);
	close(s);
}

static void sizes(void)
{
	static char out[65536], in[65536];
	int r = bound(), s = dial(port_of(r));
	static const int size[] = {1, 1471, 1472, 1473, 4000, 9000, 32768, 65507};

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 31 + i / 251);
	for (size_t i = 0; i < sizeof(size) / sizeof(*size); i++) {
		memset(in, 0, sizeof(in));
		ok(send(s, out, (size_t)size[i], 0) == size[i] &&
			   recv(r, in, sizeof(in), 0) == size[i] &&
			   !memcmp(in, out, (size_t)size[i]),
		   "%d bytes", size[i]);
	}
	fails(send(s, out, 65508, 0), EMSGSIZE);
	fails(send(s, out, 65536, 0), EMSGSIZE);
	close(r);
	close(s);
}

static void peers(void)
{
	char b[16];
	int r = bound(), s = dial(port_of(r)), stranger = bound();
	struct sockaddr_in a = local(port_of(s)), none = {.sin_family = AF_UNSPEC}, p;
	socklen_t len = sizeof(p);

	ok(!getpeername(s, (struct sockaddr *)&p, &len) && ntohs(p.sin_port) == port_of(r),
	   "the peer");
	len = sizeof(p);
	ok(!getsockname(s, (struct sockaddr *)&p, &len) &&
		   p.sin_addr.s_addr == htonl(INADDR_LOOPBACK),
	   "connect() chooses the address too");
	ok(sendto(stranger, "no", 2, 0, ADDR(a)) == 2, "a stranger sends");
	ok(sendto(r, "yes", 3, 0, ADDR(a)) == 3, "the peer sends");
	ok(becomes(s, IN_ | OUT_) && recv(s, b, sizeof(b), 0) == 3, "only the peer is heard");
	fails(recv(s, b, sizeof(b), MSG_DONTWAIT), EAGAIN);
	sockerr(stranger);
	a = local(port_of(stranger));
	ok(sendto(s, "elsewhere", 9, 0, ADDR(a)) == 9 && recv(stranger, b, sizeof(b), 0) == 9,
	   "sendto() past the peer");
	ok(!connect(s, ADDR(a)), "another peer");
	ok(send(s, "hi", 2, 0) == 2 && recv(stranger, b, sizeof(b), 0) == 2, "gets it");
	ok(!connect(s, ADDR(none)), "no peer any more");
	fails(send(s, "x", 1, 0), EDESTADDRREQ);
	fails(getpeername(s, (struct sockaddr *)&p, &len), ENOTCONN);
	fails(connect(s, (struct sockaddr *)&a, 1), EINVAL);
	fails(connect(s, (struct sockaddr *)&a, 8), EINVAL);
	close(r);
	close(s);
	close(stranger);
}

static void unreachable(void)
{
	char b;
	int s = dial(dead_port());

	ok(send(s, "x", 1, 0) == 1, "to a port where nobody is");
	ok(becomes(s, OUT_ | POLLERR), "ERR");
	ok(sockerr(s) == ECONNREFUSED && sockerr(s) == 0, "SO_ERROR says it once");
	ok(events(s, 0) == OUT_, "and it is over");
	must(send(s, "x", 1, 0));
	becomes(s, OUT_ | POLLERR);
	fails(recv(s, &b, 1, 0), ECONNREFUSED);
	fails(recv(s, &b, 1, MSG_DONTWAIT), EAGAIN);
	must(send(s, "x", 1, 0));
	becomes(s, OUT_ | POLLERR);
	fails(send(s, "x", 1, 0), ECONNREFUSED);
	ok(send(s, "x", 1, 0) == 1, "the next is sent");
	close(s);

	struct sockaddr_in a = local(dead_port());

	s = udp(0);
	ok(sendto(s, "x", 1, 0, ADDR(a)) == 1, "without connect()");
	ok(events(s, 50) == OUT_ && sockerr(s) == 0, "nobody is told");
	close(s);
}

static void shutting(void)
{
	char b;
	int r = bound(), s = dial(port_of(r));

	ok(!shutdown(s, SHUT_WR), "shutdown(WR)");
	fails(send(s, "x", 1, 0), EPIPE);
	ok(!shutdown(s, SHUT_RD), "shutdown(RD)");
	ok(recv(s, &b, 1, 0) == 0, "recv() = 0");
	fails(recv(s, &b, 1, MSG_DONTWAIT), EAGAIN);
	ok(events(s, 0) == (IN_ | OUT_ | POLLHUP | POLLRDHUP), "IN OUT HUP RDHUP");
	close(s);
	close(r);
}

static void flood(void)
{
	static char buf[1000];
	int r = bound(), s = dial(port_of(r)), size = 8192, sent = 0, got = 0;

	must(setsockopt(r, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	for (int i = 0; i < 200; i++)
		sent += send(s, buf, sizeof(buf), 0) == sizeof(buf);
	ok(sent == 200, "200 datagrams of 1,000 bytes are sent");
	while (recv(r, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		got++;
	ok(got > 0 && got < 100, "most are lost at a small SO_RCVBUF");
	ok(send(s, buf, 10, 0) == 10 && recv(r, buf, sizeof(buf), 0) == 10, "and it goes on");
	close(r);
	close(s);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	creation();
	addresses();
	messages();
	sizes();
	peers();
	unreachable();
	shutting();
	flood();
	return tap_done();
}
