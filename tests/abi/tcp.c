/*
 * TCP sockets over the loopback interface: connections, bytes, ends, errors, and what poll() says
 * at each stage. tcp(7), socket(7), ip(7), epoll-semantics rule 24.
 */
#include "tap.h"
#include "inet.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

#ifndef SIOCOUTQ
#define SIOCOUTQ 0x5411
#endif

#define IN_  (POLLIN | POLLRDNORM)
#define OUT_ (POLLOUT | POLLWRNORM)

static volatile int signals;

static void count_signal(int sig)
{
	signals++;
}

static void handle(int sig, int flags)
{
	struct sigaction sa = {.sa_handler = count_signal, .sa_flags = flags};

	must(sigaction(sig, &sa, NULL));
}

static void ms(int n)
{
	poll(NULL, 0, n);
}

static int tcp(int flags)
{
	return must(socket(AF_INET, SOCK_STREAM | flags, 0));
}

static int listener(int backlog, int *port)
{
	struct sockaddr_in a = local(0);
	int fd = tcp(0);

	must(bind(fd, ADDR(a)));
	must(listen(fd, backlog));
	*port = port_of(fd);
	return fd;
}

static int dial(int port)
{
	struct sockaddr_in a = local(port);
	int fd = tcp(0);

	must(connect(fd, ADDR(a)));
	return fd;
}

/* A connection: p[0] has connected, p[1] was accepted. */
static void pair(int p[2])
{
	int port, l = listener(4, &port);

	p[0] = dial(port);
	p[1] = must(accept(l, NULL, NULL));
	close(l);
}

static void close_pair(int p[2])
{
	close(p[0]);
	close(p[1]);
}

static int sockerr(int fd)
{
	int err = -1;
	socklen_t len = sizeof(err);

	must(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len));
	return err;
}

static void nonblock(int fd)
{
	must(fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK));
}

static void linger(int fd, int on, int seconds)
{
	struct linger l = {on, seconds};

	must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
}

static void reset(int fd)
{
	linger(fd, 1, 0);
	close(fd);
}

static bool says(int fd, const char *text)
{
	char buf[64];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	return n == (ssize_t)strlen(text) && !memcmp(buf, text, (size_t)n);
}

/* ---- */

static void creation(void)
{
	int sv[2], p[2];

	fails(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
	fails(socket(AF_INET, SOCK_SEQPACKET, 0), ESOCKTNOSUPPORT);
	fails(socket(AF_INET, SOCK_STREAM, -1), EINVAL);
	fails(socket(AF_INET, SOCK_STREAM, 1000), EINVAL);
	fails(socket(AF_INET, 15, 0), EINVAL);
	fails(socket(AF_INET, SOCK_STREAM | 0x100, 0), EINVAL);
	fails(socket(77, SOCK_STREAM, 0), EAFNOSUPPORT);
	fails(socket(-1, SOCK_STREAM, 0), EAFNOSUPPORT);
	fails(socketpair(AF_INET, SOCK_STREAM, 0, sv), EOPNOTSUPP);
	fails(socketpair(AF_INET, SOCK_STREAM, 0, NULL), EFAULT);

	int fd = tcp(SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct stat st;

	ok(fcntl(fd, F_GETFD) == FD_CLOEXEC, "SOCK_CLOEXEC");
	ok(fcntl(fd, F_GETFL) == (O_RDWR | O_NONBLOCK), "SOCK_NONBLOCK");
	ok(!fstat(fd, &st) && S_ISSOCK(st.st_mode), "it is a socket");
	fails(lseek(fd, 0, SEEK_CUR), ESPIPE);
	close(fd);
	must(pipe(p));
	fails(listen(p[0], 1), ENOTSOCK);
	fails(listen(999, 1), EBADF);
	fails(send(p[1], "x", 1, 0), ENOTSOCK);
	close_pair(p);
}

static void unconnected(void)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	char c;
	int fd = tcp(0);

	ok(events(fd, 0) == (OUT_ | POLLHUP), "a fresh socket: OUT HUP");
	fails(recv(fd, &c, 1, 0), ENOTCONN);
	fails(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	fails(getpeername(fd, (struct sockaddr *)&a, &len), ENOTCONN);
	fails(shutdown(fd, SHUT_RD), ENOTCONN);
	fails(shutdown(fd, 3), EINVAL);
	fails(accept(fd, NULL, NULL), EINVAL);
	fails(accept4(fd, NULL, NULL, 1), EINVAL);
	ok(!getsockname(fd, (struct sockaddr *)&a, &len) && len == sizeof(a) &&
		   a.sin_family == AF_INET && !a.sin_port && !a.sin_addr.s_addr,
	   "its name is 0.0.0.0:0");
	ok(read(fd, &c, 0) == 0, "read() of nothing");
	close(fd);
}

static void binding(void)
{
	struct sockaddr_in a = local(0), b;
	int fd = tcp(0), other, one = 1;

	fails(bind(fd, (struct sockaddr *)&a, 4), EINVAL);
	fails(bind(fd, NULL, sizeof(a)), EFAULT);
	fails(bind(fd, (struct sockaddr *)&a, 1000), EINVAL);
	fails(bind(fd, (struct sockaddr *)&a, -1), EINVAL);
	b = a;
	b.sin_family = AF_UNIX;
	fails(bind(fd, ADDR(b)), EAFNOSUPPORT);
	b = a;
	b.sin_addr.s_addr = htonl(0xc0000201);
	fails(bind(fd, ADDR(b)), EADDRNOTAVAIL);
	ok(!bind(fd, ADDR(a)) && port_of(fd) > 1024, "port 0 is some port");
	fails(bind(fd, ADDR(a)), EINVAL);

	other = tcp(0);
	b = local(port_of(fd));
	fails(bind(other, ADDR(b)), EADDRINUSE);
	b.sin_addr.s_addr = INADDR_ANY;
	fails(bind(other, ADDR(b)), EADDRINUSE);
	must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	must(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	close(fd);

	/* Connections of a server that is gone do not keep its successor from the port. */
	int port, l = tcp(0), c, s;

	must(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	must(bind(l, ADDR(a)));
	must(listen(l, 1));
	port = port_of(l);
	c = dial(port);
	s = must(accept(l, NULL, NULL));
	b = local(port);
	fails(bind(other, ADDR(b)), EADDRINUSE);
	close(l);
	ok(!bind(other, ADDR(b)), "SO_REUSEADDR: bound beside a connection");
	ok(!listen(other, 1), "and listening");
	close(s);
	close(c);
	close(other);
}

static void connecting(void)
{
	struct sockaddr_in a, b;
	socklen_t len = sizeof(a);
	int port, l = listener(4, &port), c = dial(port), s;

	s = accept(l, (struct sockaddr *)&a, &len);
	ok(s >= 0 && len == sizeof(a), "accept() gives the peer's address");
	ok(ntohs(a.sin_port) == port_of(c), "which is the client's port");
	ok(port_of(s) == port, "the accepted socket has the listener's port");
	len = sizeof(b);
	ok(!getpeername(c, (struct sockaddr *)&b, &len) && ntohs(b.sin_port) == port,
	   "the client's peer is the listener's port");
	len = 2;
	b.sin_port = 0;
	ok(!getpeername(c, (struct sockaddr *)&b, &len) && len == sizeof(b) && !b.sin_port,
	   "an address is cut to the room there is");
	len = -1;
	fails(getpeername(c, (struct sockaddr *)&b, &len), EINVAL);
	fails(getpeername(c, (struct sockaddr *)&b, NULL), EFAULT);
	ok(becomes(c, OUT_) && becomes(s, OUT_), "both are writable only");
	ok(write(c, "ping", 4) == 4 && says(s, "ping"), "there");
	ok(write(s, "pong", 4) == 4 && says(c, "pong"), "and back");
	a = local(port);
	fails(connect(c, ADDR(a)), EISCONN);
	fails(listen(c, 1), EINVAL);
	fails(connect(l, ADDR(a)), EISCONN);
	fails(connect(c, (struct sockaddr *)&a, 1), EINVAL);
	fails(recv(l, &b, 1, 0), ENOTCONN);
	fails(send(l, &b, 1, MSG_NOSIGNAL), EPIPE);
	close(s);
	close(c);

	c = tcp(0);
	fails(connect(c, (struct sockaddr *)&a, 8), EINVAL);
	a.sin_family = AF_UNIX;
	fails(connect(c, ADDR(a)), EAFNOSUPPORT);
	a = local(port);
	a.sin_addr.s_addr = htonl(0xe0000001);
	fails(connect(c, ADDR(a)), ENETUNREACH);
	fails(connect(c, NULL, sizeof(a)), EFAULT);
	a = local(port);
	a.sin_addr.s_addr = INADDR_ANY;
	ok(!connect(c, ADDR(a)), "0.0.0.0 is this host");
	close(c);
	close(l);
}

static void refused(void)
{
	struct sockaddr_in a;
	int port, l = listener(4, &port), c = tcp(0);
	char b;

	close(l);
	a = local(port);
	fails(connect(c, ADDR(a)), ECONNREFUSED);
	ok(events(c, 0) == (OUT_ | POLLHUP), "as fresh after connect() has reported it");
	fails(connect(c, ADDR(a)), ECONNREFUSED);
	close(c);

	c = tcp(SOCK_NONBLOCK);
	fails(connect(c, ADDR(a)), EINPROGRESS);
	ok(becomes(c, IN_ | OUT_ | POLLERR | POLLHUP | POLLRDHUP), "refused: IN OUT ERR HUP RDHUP");
	ok(sockerr(c) == ECONNREFUSED && sockerr(c) == 0, "SO_ERROR says it once");
	ok(events(c, 0) == (IN_ | OUT_ | POLLHUP | POLLRDHUP), "then without ERR");
	ok(recv(c, &b, 1, 0) == 0, "read() is at the end");
	fails(send(c, "x", 1, MSG_NOSIGNAL), EPIPE);
	fails(connect(c, ADDR(a)), ECONNABORTED);
	fails(connect(c, ADDR(a)), EINPROGRESS);
	becomes(c, IN_ | OUT_ | POLLERR | POLLHUP | POLLRDHUP);
	fails(recv(c, &b, 1, 0), ECONNREFUSED);
	fails(connect(c, ADDR(a)), ECONNABORTED);
	l = listener(4, &port);
	a = local(port);
	fails(connect(c, ADDR(a)), EINPROGRESS);
	ok(becomes(c, OUT_), "a socket that was refused connects elsewhere");
	ok(!connect(c, ADDR(a)), "the next connect() says so");
	fails(connect(c, ADDR(a)), EISCONN);
	ok(sockerr(c) == 0, "without an error");
	close(c);
	close(l);
}

static void unspec(void)
{
	struct sockaddr_in a = {.sin_family = AF_UNSPEC};
	int p[2], port, l;

	pair(p);
	ok(!connect(p[0], ADDR(a)), "connect() to AF_UNSPEC dissolves");
	fails(getpeername(p[0], (struct sockaddr *)&a, &(socklen_t){sizeof(a)}), ENOTCONN);
	ok(becomes(p[1], IN_ | OUT_ | POLLERR | POLLHUP | POLLRDHUP), "the peer is reset");
	sockerr(p[0]);
	l = listener(1, &port);
	a = local(port);
	ok(!connect(p[0], ADDR(a)), "and the socket is free for another");
	close(l);
	close_pair(p);
}

static void accepting(void)
{
	int port, l = listener(8, &port), c, s, one = 1, on = 0;
	struct sockaddr_in a;
	socklen_t len = sizeof(on);
	char b[8];

	nonblock(l);
	fails(accept(l, NULL, NULL), EAGAIN);
	ok(events(l, 0) == 0, "a listener with nobody there");
	must(setsockopt(l, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
	c = dial(port);
	ok(becomes(l, IN_), "a listener with somebody there: IN");
	ok(write(c, "early", 5) == 5, "data before accept()");
	s = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	ok(s >= 0 && fcntl(s, F_GETFD) == FD_CLOEXEC, "accept4(SOCK_CLOEXEC)");
	ok(fcntl(s, F_GETFL) == O_RDWR, "O_NONBLOCK is not inherited");
	ok(!getsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, &len) && on, "TCP_NODELAY is");
	ok(says(s, "early"), "is kept");
	ok(events(l, 0) == 0, "and the queue is empty");
	close(c);
	close(s);

	c = dial(port);
	ok(becomes(l, IN_), "one more");
	s = accept4(l, NULL, NULL, SOCK_NONBLOCK);
	ok(fcntl(s, F_GETFL) == (O_RDWR | O_NONBLOCK), "accept4(SOCK_NONBLOCK)");
	fails(read(s, b, 1), EAGAIN);
	close(c);
	close(s);

	c = dial(port);
	must(write(c, "lost", 4));
	becomes(l, IN_);
	reset(c);
	ok(becomes(l, IN_), "a connection that was reset waits all the same");
	s = accept(l, NULL, NULL);
	ok(s >= 0, "and is accepted");
	ok(events(l, 0) == 0, "so that nobody waits for ever");
	ok(becomes(s, IN_ | OUT_ | POLLERR | POLLHUP | POLLRDHUP), "its state is known");
	len = sizeof(a);
	fails(getpeername(s, (struct sockaddr *)&a, &len), ENOTCONN);
	ok(recv(s, b, sizeof(b), 0) == 4, "its data is there");
	fails(recv(s, b, sizeof(b), 0), ECONNRESET);
	ok(recv(s, b, sizeof(b), 0) == 0, "then it is at the end");
	close(s);

	c = dial(port);
	becomes(l, IN_);
	fails(accept(l, (struct sockaddr *)1, &len), EFAULT);
	ok(becomes(c, IN_ | OUT_ | POLLRDHUP) || true, "the connection is gone");
	close(c);

	c = dial(port);
	must(shutdown(l, SHUT_RD));
	ok(becomes(c, IN_ | OUT_ | POLLERR | POLLHUP | POLLRDHUP), "shutdown resets who waits");
	fails(accept(l, NULL, NULL), EINVAL);
	close(c);
	ok(!listen(l, 1), "a listener that was shut down listens again");
	c = dial(port_of(l));
	close(l);
	ok(becomes(c, IN_ | OUT_ | POLLERR | POLLHUP | POLLRDHUP), "so does close()");
	close(c);
}

static void backlog(void)
{
	int port, l = listener(1, &port), c[3], connected = 0;
	struct sockaddr_in a = local(port);

	for (int i = 0; i < 3; i++) {
		c[i] = tcp(SOCK_NONBLOCK);
		fails(connect(c[i], ADDR(a)), EINPROGRESS);
		ms(50);
	}
	for (int i = 0; i < 3; i++)
		connected += events(c[i], 0) == OUT_;
	ok(connected == 2, "a backlog of 1 lets 2 in");
	ok(events(c[2], 0) == 0, "connecting: nothing");
	fails(connect(c[2], ADDR(a)), EALREADY);
	close(must(accept(l, NULL, NULL)));
	close(must(accept(l, NULL, NULL)));
	ok(events(c[2], 10000) == OUT_, "who was left out gets in when there is room");
	close(must(accept(l, NULL, NULL)));
	for (int i = 0; i < 3; i++)
		close(c[i]);
	close(l);
}

static void reading(void)
{
	char b[16] = "";
	int p[2], n;

	pair(p);
	fails(recv(p[1], b, 1, MSG_DONTWAIT), EAGAIN);
	must(write(p[0], "abcdef", 6));
	becomes(p[1], IN_ | OUT_);
	ok(!ioctl(p[1], FIONREAD, &n) && n == 6, "FIONREAD");
	ok(recv(p[1], b, 3, MSG_PEEK) == 3 && !memcmp(b, "abc", 3), "MSG_PEEK");
	ok(recv(p[1], b, 16, MSG_PEEK) == 6 && !memcmp(b, "abcdef", 6), "MSG_PEEK again");
	ok(recv(p[1], b, 2, 0) == 2 && !memcmp(b, "ab", 2), "a part");
	ok(recv(p[1], NULL, 1, MSG_TRUNC) == 1, "MSG_TRUNC throws a byte away");
	fails(recv(p[1], NULL, 1, 0), EFAULT);
	fails(recv(p[1], b, 1, MSG_OOB), EINVAL);
	ok(recv(p[1], b, 16, 0) == 3 && !memcmp(b, "def", 3), "the rest");
	ok(!ioctl(p[1], FIONREAD, &n) && n == 0, "FIONREAD of nothing");

	if (!must(fork())) {
		write(p[0], "12", 2);
		ms(50);
		write(p[0], "34", 2);
		ms(50);
		write(p[0], "56", 2);
		_exit(0);
	}
	ok(recv(p[1], b, 6, MSG_WAITALL) == 6 && !memcmp(b, "123456", 6), "MSG_WAITALL");
	wait(NULL);
	must(write(p[0], "xy", 2));
	must(shutdown(p[0], SHUT_WR));
	ok(recv(p[1], b, 6, MSG_WAITALL) == 2, "MSG_WAITALL stops at the end");
	close_pair(p);

	pair(p);
	struct timeval tv = {0, 50000};

	must(setsockopt(p[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	fails(recv(p[1], b, 1, 0), EAGAIN);
	must(write(p[0], "zz", 2));
	ok(recv(p[1], b, 4, MSG_WAITALL) == 2, "SO_RCVTIMEO ends MSG_WAITALL");
	n = 4;
	must(setsockopt(p[1], SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n)));
	must(write(p[0], "123", 3));
	ms(50);
	ok(events(p[1], 0) == OUT_, "three bytes are not SO_RCVLOWAT");
	must(write(p[0], "4", 1));
	ok(becomes(p[1], IN_ | OUT_), "four are");
	close_pair(p);
}

static void vectors(void)
{
	char a[4] = "", b[4] = "";
	struct iovec out[2] = {{"one", 3}, {"two", 3}}, in[2] = {{a, 2}, {b, 4}};
	struct msghdr m = {.msg_iov = in, .msg_iovlen = 2};
	struct mmsghdr mm[2];
	int p[2];

	pair(p);
	ok(writev(p[0], out, 2) == 6, "writev");
	ok(recvmsg(p[1], &m, MSG_WAITALL) == 6 && !memcmp(a, "on", 2) && !memcmp(b, "etwo", 4),
	   "recvmsg");
	ok(m.msg_flags == 0 && m.msg_controllen == 0, "without flags");
	m.msg_iov = out;
	ok(sendmsg(p[0], &m, 0) == 6, "sendmsg");
	ok(readv(p[1], in, 2) == 6, "readv");
	m.msg_iovlen = 1025;
	fails(sendmsg(p[0], &m, 0), EMSGSIZE);
	fails(syscall(SYS_sendmsg, p[0], NULL, 0), EFAULT);
	fails(syscall(SYS_recvmsg, p[0], NULL, 0), EFAULT);
	memset(mm, 0, sizeof(mm));
	mm[0].msg_hdr = (struct msghdr){.msg_iov = &out[0], .msg_iovlen = 1};
	mm[1].msg_hdr = (struct msghdr){.msg_iov = &out[1], .msg_iovlen = 1};
	ok(sendmmsg(p[0], mm, 2, 0) == 2 && mm[0].msg_len == 3 && mm[1].msg_len == 3, "sendmmsg");
	in[0].iov_len = 3;
	in[1].iov_len = 3;
	mm[0].msg_hdr.msg_iov = &in[0];
	mm[1].msg_hdr.msg_iov = &in[1];
	becomes(p[1], IN_ | OUT_);
	ok(recvmmsg(p[1], mm, 2, 0, NULL) == 2 && !memcmp(a, "one", 3) && !memcmp(b, "two", 3),
	   "recvmmsg");
	fails(recvmmsg(p[1], mm, 2, MSG_DONTWAIT, NULL), EAGAIN);
	close_pair(p);
}

static void half_close(void)
{
	char b;
	int p[2], n;

	pair(p);
	must(write(p[0], "last", 4));
	ok(!shutdown(p[0], SHUT_WR), "shutdown(WR)");
	ok(becomes(p[1], IN_ | OUT_ | POLLRDHUP), "the peer: IN OUT RDHUP");
	ok(events(p[0], 0) == OUT_, "this side: no HUP yet");
	fails(send(p[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	ok(says(p[1], "last"), "data first");
	ok(read(p[1], &b, 1) == 0 && read(p[1], &b, 1) == 0, "then the end, again and again");
	ok(write(p[1], "reply", 5) == 5 && says(p[0], "reply"), "the other way is open");
	ok(!shutdown(p[1], SHUT_WR), "shut down too");
	ok(becomes(p[0], IN_ | OUT_ | POLLHUP | POLLRDHUP), "now HUP");
	ok(becomes(p[1], IN_ | OUT_ | POLLHUP | POLLRDHUP), "on both sides");
	ok(read(p[0], &b, 1) == 0, "the end");
	fails(shutdown(p[0], SHUT_WR), ENOTCONN);
	close_pair(p);

	pair(p);
	ok(!shutdown(p[0], SHUT_RD), "shutdown(RD)");
	ok(events(p[0], 0) == (IN_ | OUT_ | POLLRDHUP), "IN OUT RDHUP");
	ok(read(p[0], &b, 1) == 0, "read() = 0");
	must(write(p[1], "late", 4));
	for (n = 0; n < 4; ms(10))
		must(ioctl(p[0], FIONREAD, &n));
	ok(says(p[0], "late"), "late data is read all the same");
	ok(write(p[0], "x", 1) == 1 && says(p[1], "x"), "and writing works");
	ok(!shutdown(p[0], SHUT_RDWR), "shutdown(RDWR)");
	ok(events(p[0], 0) == (IN_ | OUT_ | POLLHUP | POLLRDHUP), "HUP at once");
	close_pair(p);

	pair(p);
	signals = 0;
	handle(SIGPIPE, 0);
	must(shutdown(p[0], SHUT_WR));
	fails(write(p[0], "x", 1), EPIPE);
	ok(signals == 1, "SIGPIPE");
	fails(send(p[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	ok(signals == 1, "MSG_NOSIGNAL");
	close_pair(p);
}

static void resets(void)
{
	char b[8];
	int p[2];

	pair(p);
	reset(p[0]);
	ok(becomes(p[1], IN_ | OUT_ | POLLERR | POLLHUP | POLLRDHUP), "RST: IN OUT ERR HUP RDHUP");
	fails(read(p[1], b, 1), ECONNRESET);
	ok(read(p[1], b, 1) == 0, "then the end");
	ok(events(p[1], 0) == (IN_ | OUT_ | POLLHUP | POLLRDHUP), "and no ERR");
	signals = 0;
	fails(write(p[1], "x", 1), EPIPE);
	ok(signals == 1, "SIGPIPE");
	close(p[1]);

	pair(p);
	must(write(p[1], "unread", 6));
	becomes(p[0], IN_ | OUT_);
	close(p[0]);
	ok(becomes(p[1], IN_ | OUT_ | POLLERR | POLLHUP | POLLRDHUP),
	   "close() with unread data resets");
	ok(sockerr(p[1]) == ECONNRESET, "ECONNRESET");
	close(p[1]);

	pair(p);
	close(p[0]);
	ok(becomes(p[1], IN_ | OUT_ | POLLRDHUP), "close() sends FIN");
	ok(write(p[1], "x", 1) == 1, "a write to nobody succeeds");
	ok(becomes(p[1], IN_ | OUT_ | POLLERR | POLLHUP | POLLRDHUP), "and is answered by RST");
	ok(read(p[1], b, 1) == 0, "after FIN read() = 0 goes before the error");
	fails(send(p[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	close(p[1]);

	pair(p);
	linger(p[0], 1, 5);
	must(write(p[0], "bye", 3));
	ok(!close(p[0]) && says(p[1], "bye"), "SO_LINGER delivers");
	ok(read(p[1], b, 1) == 0, "and closes");
	close(p[1]);

	pair(p);
	int d = dup(p[0]);

	close(p[0]);
	ok(events(p[1], 50) == OUT_, "a dup keeps the connection");
	close(d);
	ok(becomes(p[1], IN_ | OUT_ | POLLRDHUP), "until it is closed");
	close(p[1]);
}

static void filling(void)
{
	static char buf[65536];
	int p[2], n, again = 0;
	long sent = 0, got = 0;
	ssize_t r;

	pair(p);
	nonblock(p[0]);
	nonblock(p[1]);
	for (int i = 0; i < 100000; i++) {
		r = write(p[0], buf, sizeof(buf));
		if (r < 0) {
			again = errno == EAGAIN;
			/* What is on its way may still make room. */
			ms(20);
			r = write(p[0], buf, sizeof(buf));
			if (r < 0)
				break;
		}
		sent += r;
	}
	ok(again && sent > 65536, "a peer that does not read fills the buffers");
	ok(events(p[0], 0) == 0, "not writable");
	ok(!ioctl(p[0], SIOCOUTQ, &n) && n > 0, "SIOCOUTQ");
	fails(send(p[0], "x", 1, 0), EAGAIN);
	for (;;) {
		r = read(p[1], buf, sizeof(buf));
		if (r > 0)
			got += r;
		else if (got == sent || !(events(p[1], 20000) & POLLIN))
			break;
	}
	ok(got == sent, "every byte arrives");
	ok(becomes(p[0], OUT_), "writable again");
	close_pair(p);
}

/* A pattern that shows a byte that is lost, doubled or moved. */
static unsigned char pattern(long i)
{
	return (unsigned char)((unsigned long)i * 2654435761u >> 13);
}

static void streaming(void)
{
	static unsigned char buf[100000];
	const long total = 4 << 20;
	long done = 0;
	bool good = true;
	ssize_t n = 0;
	int p[2];

	pair(p);
	if (!must(fork())) {
		close(p[1]);
		for (long i = 0; i < total; i += n) {
			size_t len = 1 + (size_t)(i * 7919 % (long)sizeof(buf));

			if ((long)len > total - i)
				len = (size_t)(total - i);
			for (size_t k = 0; k < len; k++)
				buf[k] = pattern(i + (long)k);
			n = write(p[0], buf, len);
			if (n <= 0)
				_exit(1);
		}
		_exit(0);
	}
	close(p[0]);
	while ((n = read(p[1], buf, 1 + (size_t)(done * 104729 % (long)sizeof(buf)))) > 0)
		for (ssize_t k = 0; k < n; k++)
			good &= buf[k] == pattern(done++);
	ok(n == 0 && done == total, "4 MiB arrive in pieces of all sizes");
	ok(good, "in order");
	wait(NULL);
	close(p[1]);
}

static void small_writes(void)
{
	char b[3000];
	long got = 0;
	int p[2];
	ssize_t n;

	pair(p);
	for (int i = 0; i < 1500; i++)
		must(write(p[0], "a", 1));
	for (int i = 0; i < 1500; i++)
		must(send(p[0], "b", 1, i < 1499 ? MSG_MORE : 0));
	while (got < 3000 && (n = read(p[1], b + got, sizeof(b) - (size_t)got)) > 0)
		got += n;
	bool good = got == 3000;

	for (int i = 0; i < got; i++)
		good &= b[i] == (i < 1500 ? 'a' : 'b');
	ok(good, "3,000 writes of a byte");
	close_pair(p);
}

/* Without Nagle every write is a segment, and nobody reads. */
static void tiny_segments(void)
{
	static char b[60000];
	int p[2], one = 1;
	long sent = 0, got = 0;
	ssize_t n;
	bool good;

	pair(p);
	nonblock(p[0]);
	must(setsockopt(p[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
	while (sent < (long)sizeof(b) && write(p[0], &(char){(char)(sent % 251)}, 1) == 1)
		sent++;
	must(shutdown(p[0], SHUT_WR));
	while ((n = read(p[1], b + got, sizeof(b) - (size_t)got)) > 0)
		got += n;
	good = got == sent && sent > 100;
	for (long i = 0; i < got; i++)
		good &= b[i] == (char)(i % 251);
	ok(good, "what was written byte by byte arrives");
	close_pair(p);
}

/* Reads to the end; each piece must be without a gap. Exit status: 0, or 1 for a gap. */
static void read_pieces(int fd, int count)
{
	static unsigned char b[5000];
	long got = 0;
	ssize_t n;

	while ((n = read(fd, b, sizeof(b))) > 0) {
		for (ssize_t i = 1; i < n; i++)
			if (b[i] != (b[i - 1] + 1) % 251)
				_exit(1);
		got += n;
	}
	must(write(count, &got, sizeof(got)));
	_exit(0);
}

static void two_readers(void)
{
	static unsigned char b[7777];
	const long total = 2 << 20;
	long sum = 0, got, len;
	int p[2], counts[2], status, bad = 0;

	pair(p);
	must(pipe(counts));
	for (int i = 0; i < 2; i++) {
		if (!must(fork())) {
			close(p[0]);
			read_pieces(p[1], counts[1]);
		}
	}
	for (long i = 0; i < total; i += len) {
		len = total - i < (long)sizeof(b) ? total - i : (long)sizeof(b);
		for (long k = 0; k < len; k++)
			b[k] = (unsigned char)((i + k) % 251);
		must(write(p[0], b, (size_t)len));
	}
	must(shutdown(p[0], SHUT_WR));
	for (int i = 0; i < 2; i++) {
		must(wait(&status));
		bad += status != 0;
	}
	ok(!bad, "two readers of one stream: no piece has a gap");
	for (int i = 0; i < 2 && !bad; i++) {
		must(read(counts[0], &got, sizeof(got)));
		sum += got;
	}
	ok(sum == total, "and together they have it all");
	close_pair(counts);
	close_pair(p);
}

/* Sends this process a signal in a while. */
static pid_t signal_later(void)
{
	pid_t pid = must(fork());

	if (!pid) {
		ms(100);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	return pid;
}

static void interrupted(void)
{
	struct timeval tv = {5, 0};
	int p[2], port, l = listener(1, &port);
	pid_t pid;
	char b;

	pair(p);
	handle(SIGUSR1, 0);
	signals = 0;
	signal_later();
	fails(read(p[0], &b, 1), EINTR);
	wait(NULL);
	signal_later();
	fails(accept(l, NULL, NULL), EINTR);
	wait(NULL);
	ok(signals == 2, "two signals");

	handle(SIGUSR1, SA_RESTART);
	pid = must(fork());
	if (!pid) {
		ms(100);
		kill(getppid(), SIGUSR1);
		ms(100);
		write(p[1], "!", 1);
		_exit(0);
	}
	ok(read(p[0], &b, 1) == 1 && b == '!', "SA_RESTART goes on reading");
	ok(signals == 3, "after the signal");
	wait(NULL);
	must(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	signal_later();
	fails(read(p[0], &b, 1), EINTR);
	wait(NULL);
	close_pair(p);
	close(l);
}

int main(void)
{
	creation();
	unconnected();
	binding();
	connecting();
	refused();
	unspec();
	accepting();
	backlog();
	reading();
	vectors();
	half_close();
	resets();
	filling();
	streaming();
	small_writes();
	tiny_segments();
	two_readers();
	interrupted();
	return tap_done();
}
