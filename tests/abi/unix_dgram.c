/* UNIX datagrams and seqpackets: whole messages, whom they reach, and who waits. unix(7). */
#include "tap.h"
#include "unix.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#define OFFSET offsetof(struct sockaddr_un, sun_path)

static struct sockaddr_un un;
static socklen_t un_len;

static void name(const char *text)
{
	memset(&un, 0, sizeof(un));
	un.sun_family = AF_UNIX;
	snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "tap-%s-%d", text, getpid());
	un_len = OFFSET + 1 + strlen(un.sun_path + 1);
}

static int bound(int type, const char *text)
{
	int fd = must(socket(AF_UNIX, type, 0));

	name(text);
	must(bind(fd, (void *)&un, un_len));
	return fd;
}

static void messages(int type, const char *what)
{
	struct iovec iov;
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	char buf[16];
	int n;

	pair(type);
	ok(write(a, "hello", 5) == 5 && write(a, "hi", 2) == 2, "%s: two messages", what);
	ok(!ioctl(b, FIONREAD, &n) && n == (type == SOCK_DGRAM ? 5 : 7), "%s: FIONREAD", what);
	ok(recv(b, buf, 16, MSG_PEEK) == 5, "%s: peek at one", what);
	ok(recv(b, buf, 2, MSG_PEEK | MSG_TRUNC) == 5, "%s: MSG_TRUNC tells the length", what);
	iov = (struct iovec){buf, 3};
	ok(recvmsg(b, &m, 0) == 3 && m.msg_flags == MSG_TRUNC, "%s: cut short", what);
	ok(read(b, buf, 16) == 2, "%s: the rest of it is lost", what);
	fails(recv(b, buf, 16, MSG_DONTWAIT), EAGAIN);
	ok(write(a, "", 0) == 0 && !strcmp(bits(b), "IN OUT "), "%s: an empty message: %s", what,
	   bits(b));
	ok(recv(b, buf, 16, 0) == 0, "%s: is received", what);
	ok(send(a, "x", 1, MSG_EOR) == 1, "%s: MSG_EOR", what);
	iov = (struct iovec){buf, 3};
	ok(recvmsg(b, &m, 0) == 1 && m.msg_flags == 0, "%s: is not passed on", what);
	fails(send(a, "x", 1, MSG_OOB), EOPNOTSUPP);
	fails(recv(a, buf, 1, MSG_OOB), EOPNOTSUPP);
	fails(send(a, (void *)8, 5, 0), EFAULT);
	close_pair();
}

static void sizes(void)
{
	static char big[300000], back[300000];
	int small = 10000;

	pair(SOCK_DGRAM);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 13 + i / 4099);
	must(setsockopt(a, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)));
	fails(send(a, big, 20000, 0), EMSGSIZE);
	ok(send(a, big, 19000, 0) == 19000 && read(b, back, 300000) == 19000 &&
		   !memcmp(big, back, 19000),
	   "up to twice SO_SNDBUF, less what is kept back");
	fails(send(b, big, 300000, 0), EMSGSIZE);
	ok(send(b, big, 150000, 0) == 150000 && read(a, back, 300000) == 150000 &&
		   !memcmp(big, back, 150000),
	   "150,000 bytes at once");
	close_pair();
}

static void addresses(void)
{
	int s = bound(SOCK_DGRAM, "server"), c, d = must(socket(AF_UNIX, SOCK_DGRAM, 0));
	struct sockaddr_un server = un, from;
	socklen_t slen = un_len, flen;
	char buf[8];

	c = bound(SOCK_DGRAM, "client");
	ok(sendto(c, "1", 1, 0, (void *)&server, slen) == 1, "sendto a name");
	flen = sizeof(from);
	ok(recvfrom(s, buf, 8, 0, (void *)&from, &flen) == 1 && flen == un_len &&
		   !memcmp(&from, &un, flen),
	   "recvfrom tells who");
	ok(sendto(s, "22", 2, 0, (void *)&from, flen) == 2 && read(c, buf, 8) == 2, "and back");
	must(sendto(d, "x", 1, 0, (void *)&server, slen));
	flen = sizeof(from);
	ok(recvfrom(s, buf, 8, 0, (void *)&from, &flen) == 1 && flen == 0, "nobody has no name");
	fails(send(d, "x", 1, 0), ENOTCONN);
	ok(!connect(d, (void *)&server, slen), "connect");
	ok(send(d, "x", 1, 0) == 1 && read(s, buf, 8) == 1, "then send");
	ok(sendto(d, "y", 1, 0, (void *)&un, un_len) == 1 && read(c, buf, 8) == 1,
	   "to another all the same");
	must(connect(s, (void *)&un, un_len));
	fails(sendto(d, "y", 1, 0, (void *)&server, slen), EPERM);
	fails(connect(d, (void *)&server, slen), EPERM);
	ok(sendto(c, "y", 1, 0, (void *)&server, slen) == 1, "only its peer may send to it");
	ok(!connect(s, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)),
	   "AF_UNSPEC disconnects");
	fails(recv(s, buf, 8, MSG_DONTWAIT), EAGAIN);
	fails(getpeername(s, (void *)&from, &flen), ENOTCONN);
	close(s);
	fails(send(d, "x", 1, 0), ECONNREFUSED);
	fails(send(d, "x", 1, 0), ENOTCONN);
	fails(sendto(c, "y", 1, 0, (void *)&server, slen), ECONNREFUSED);
	fails(sendto(c, "y", 1, 0, (void *)&server, 1), EINVAL);
	s = must(socket(AF_UNIX, SOCK_STREAM, 0));
	must(bind(s, (void *)&server, slen));
	fails(sendto(c, "y", 1, 0, (void *)&server, slen), ECONNREFUSED);
	close(s);
	close(c);
	close(d);
}

static void ends(void)
{
	char buf[4];

	pair(SOCK_DGRAM);
	close(b);
	ok(!strcmp(bits(a), "OUT "), "a datagram pair's peer is closed: %s", bits(a));
	fails(send(a, "x", 1, 0), ECONNREFUSED);
	close(a);
	pair(SOCK_DGRAM);
	must(write(a, "x", 1));
	must(shutdown(b, SHUT_RD));
	fails(send(a, "x", 1, MSG_NOSIGNAL), EPIPE);
	ok(!strcmp(bits(b), "IN OUT RDHUP "), "SHUT_RD of datagrams: %s", bits(b));
	ok(read(b, buf, 4) == 1 && read(b, buf, 4) == 0, "what was there, then the end");
	fails(recv(b, buf, 4, MSG_DONTWAIT), EAGAIN);
	must(shutdown(b, SHUT_WR));
	ok(!strcmp(bits(b), "IN OUT RDHUP HUP "), "both: %s", bits(b));
	fails(send(b, "x", 1, MSG_NOSIGNAL), EPIPE);
	close_pair();

	pair(SOCK_SEQPACKET);
	must(write(b, "bye", 3));
	close(b);
	ok(!strcmp(bits(a), "IN OUT RDHUP HUP "), "a seqpacket's peer is closed: %s", bits(a));
	ok(read(a, buf, 3) == 3 && read(a, buf, 3) == 0, "its message, then the end");
	ok(recv(a, buf, 3, MSG_DONTWAIT) == 0, "without waiting too");
	fails(send(a, "x", 1, MSG_NOSIGNAL), EPIPE);
	close(a);
	pair(SOCK_SEQPACKET);
	must(write(a, "lost", 4));
	close(b);
	ok(!strcmp(bits(a), "IN OUT RDHUP HUP ERR "), "with unread messages: %s", bits(a));
	fails(read(a, buf, 3), ECONNRESET);
	ok(read(a, buf, 3) == 0, "then the end");
	close(a);
}

/* How many small messages go in before EAGAIN, at most @most. */
static int fill(int fd, int most)
{
	int n = 0;

	while (n < most && send(fd, "x", 1, MSG_DONTWAIT) == 1)
		n++;
	return n;
}

static void flow(void)
{
	int s = bound(SOCK_DGRAM, "flow"), c = must(socket(AF_UNIX, SOCK_DGRAM, 0)), n, ep;
	struct epoll_event ev = {.events = EPOLLOUT | EPOLLET};
	char buf[4];
	pid_t pid;

	must(connect(c, (void *)&un, un_len));
	n = fill(c, 100000);
	ok(n > 5 && n < 100000 && errno == EAGAIN, "a receiver's queue has a limit");
	ok(!strcmp(bits(c), ""), "the sender is not writable: %s", bits(c));
	fails(sendto(must(socket(AF_UNIX, SOCK_DGRAM, 0)), "x", 1, MSG_DONTWAIT, (void *)&un,
		     un_len),
	      EAGAIN);
	ep = must(epoll_create1(0));
	must(epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev));
	ok(epoll_wait(ep, &ev, 1, 0) == 0, "nor to an epoll");
	must(read(s, buf, 4));
	ok(epoll_wait(ep, &ev, 1, 1000) == 1 && ev.events == EPOLLOUT, "a read makes it writable");
	ok(epoll_wait(ep, &ev, 1, 0) == 0, "once");
	ok(fill(c, 100000) == 1, "one fits in");
	must(read(s, buf, 4));
	ok(epoll_wait(ep, &ev, 1, 1000) == 1, "and again");
	close(ep);
	fill(c, 100000);
	pid = must(fork());
	if (!pid)
		_exit(send(c, "block", 5, 0) == 5 ? 0 : 1);
	struct timespec pause = {0, 20000000};
	nanosleep(&pause, NULL);
	while (n-- > 0)
		must(read(s, buf, 4));
	int status;
	ok(waitpid(pid, &status, 0) == pid && !status, "a blocked sender goes on");
	fill(c, 100000);
	pid = must(fork());
	if (!pid) {
		close(s);
		_exit(send(c, "block", 5, 0) == -1 && errno == ECONNREFUSED ? 0 : 1);
	}
	nanosleep(&pause, NULL);
	close(s);
	ok(waitpid(pid, &status, 0) == pid && !status, "or learns that the receiver is gone");
	ok(!strcmp(bits(c), "OUT "), "nothing to wait for: %s", bits(c));
	close(c);
}

static void listening(void)
{
	int l = bound(SOCK_SEQPACKET, "seq"), c = must(socket(AF_UNIX, SOCK_SEQPACKET, 0)), fd;
	char buf[8];

	fails(send(c, "x", 1, 0), ENOTCONN);
	must(listen(l, 1));
	must(connect(c, (void *)&un, un_len));
	must(send(c, "one", 3, 0));
	must(send(c, "two", 3, 0));
	fd = must(accept(l, NULL, NULL));
	ok(read(fd, buf, 8) == 3 && !memcmp(buf, "one", 3), "a message of a seqpacket connection");
	ok(read(fd, buf, 8) == 3 && !memcmp(buf, "two", 3), "the next");
	ok(sendto(fd, "y", 1, 0, (void *)&un, un_len) == 1 && read(c, buf, 8) == 1,
	   "an address is ignored");
	close(fd);
	close(c);
	close(l);
}

static void many(void)
{
	struct iovec iov[4];
	struct mmsghdr mm[4];
	char buf[4][4];
	struct timespec none = {0, 0};

	memset(mm, 0, sizeof(mm));
	for (int i = 0; i < 4; i++) {
		memset(buf[i], 'a' + i, 4);
		iov[i] = (struct iovec){buf[i], (size_t)i + 1};
		mm[i].msg_hdr.msg_iov = &iov[i];
		mm[i].msg_hdr.msg_iovlen = 1;
	}
	pair(SOCK_DGRAM);
	ok(sendmmsg(a, mm, 4, 0) == 4 && mm[3].msg_len == 4, "sendmmsg");
	for (int i = 0; i < 4; i++)
		iov[i].iov_len = 4;
	ok(recvmmsg(b, mm, 4, MSG_WAITFORONE, NULL) == 4 && mm[0].msg_len == 1 &&
		   mm[2].msg_len == 3 && buf[2][0] == 'c',
	   "recvmmsg");
	fails(recvmmsg(b, mm, 4, MSG_DONTWAIT, &none), EAGAIN);
	close_pair();
}

static void peek_offset(void)
{
	char buf[16];
	int off, types[] = {SOCK_STREAM, SOCK_DGRAM};
	socklen_t len = sizeof(off);

	for (int i = 0; i < 2; i++) {
		pair(types[i]);
		ok(!getsockopt(b, SOL_SOCKET, SO_PEEK_OFF, &off, &len) && off == -1,
		   "SO_PEEK_OFF is off");
		must(write(a, "abcdef", 6));
		must(write(a, "ghi", 3));
		off = 0;
		must(setsockopt(b, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)));
		ok(recv(b, buf, 2, MSG_PEEK) == 2 && buf[0] == 'a', "the first two");
		ok(recv(b, buf, 2, MSG_PEEK) == 2 && buf[0] == 'c', "the next two");
		ok(recv(b, buf, 2, MSG_PEEK) == 2 && buf[0] == 'e', "two more");
		ok(recv(b, buf, 8, MSG_PEEK) == 3 && buf[0] == 'g', "the next message");
		fails(recv(b, buf, 8, MSG_PEEK | MSG_DONTWAIT), EAGAIN);
		must(read(b, buf, 6));
		must(getsockopt(b, SOL_SOCKET, SO_PEEK_OFF, &off, &len));
		ok(off == 3, "reading takes the offset back");
		close_pair();
	}
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	messages(SOCK_DGRAM, "dgram");
	messages(SOCK_SEQPACKET, "seqpacket");
	sizes();
	addresses();
	ends();
	flow();
	listening();
	many();
	peek_offset();
	return tap_done();
}
