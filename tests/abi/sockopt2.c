/*
 * The options that servers and tools set: what each takes, shows and does. socket(7), ip(7), tcp(7),
 * udp(7), cmsg(3).
 */
#include "tap.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define ANY ((int)0x80000000)
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

/* linux/errqueue.h, which the C library does not have. */
struct ext_err {
	uint32_t err;
	uint8_t origin, type, code, pad;
	uint32_t info, data;
	struct sockaddr_in offender;
};

#define ADDR(a) ((struct sockaddr *)&(a)), sizeof(a)

static int get(int fd, int level, int name)
{
	int v = ANY;
	socklen_t len = sizeof(v);

	return getsockopt(fd, level, name, &v, &len) ? -errno : v;
}

/* 0 or -errno. */
static int set(int fd, int level, int name, int v)
{
	return setsockopt(fd, level, name, &v, sizeof(v)) ? -errno : 0;
}

static struct sockaddr_in addr(uint32_t ip, int port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(ip)};
}

static int port_of(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	must(getsockname(fd, (struct sockaddr *)&a, &len));
	return ntohs(a.sin_port);
}

static int sock(int type)
{
	return must(socket(AF_INET, type, 0));
}

static int bound(int type, uint32_t ip)
{
	struct sockaddr_in a = addr(ip, 0);
	int fd = sock(type);

	must(bind(fd, ADDR(a)));
	return fd;
}

static int dial(int fd, int port)
{
	struct sockaddr_in a = addr(INADDR_LOOPBACK, port);

	return connect(fd, ADDR(a));
}

static int events(int fd, int timeout)
{
	struct pollfd p = {fd, POLLIN | POLLOUT, 0};

	poll(&p, 1, timeout);
	return p.revents;
}

static bool readable(int fd, int timeout)
{
	struct pollfd p = {fd, POLLIN, 0};

	return poll(&p, 1, timeout) == 1;
}

/* ---- values ---- */

static void values(void)
{
	static const struct {
		int type, level, name;
		const char *text;
		int first; /* of a fresh socket */
		int in, out;
		int bad[2]; /* EINVAL; 0 for none */
	} t[] = {
#define TCP(name)   SOCK_STREAM, IPPROTO_TCP, name, #name
#define UDPIP(name) SOCK_DGRAM, IPPROTO_IP, name, #name
#define ALL(name)   SOCK_STREAM, SOL_SOCKET, name, #name
		{TCP(TCP_USER_TIMEOUT), 0, 500, 500, {-1}},
		{TCP(TCP_DEFER_ACCEPT), 0, 5, 7, {0}},
		{TCP(TCP_DEFER_ACCEPT), 0, 1, 1, {0}},
		{TCP(TCP_DEFER_ACCEPT), 0, -1, 0, {0}},
		{TCP(TCP_DEFER_ACCEPT), 0, 300, 367, {0}},
		{TCP(TCP_SYNCNT), 6, 3, 3, {-1, 128}},
		{TCP(TCP_MAXSEG), 536, 500, 500, {87, 32768}},
		{TCP(TCP_MAXSEG), 536, 0, 536, {0}},
		{TCP(TCP_FASTOPEN), 0, 5, 5, {-1}},
		{UDPIP(IP_PKTINFO), 0, 5, 1, {0}},
		{UDPIP(IP_RECVTTL), 0, 1, 1, {0}},
		{UDPIP(IP_RECVTOS), 0, 1, 1, {0}},
		{UDPIP(IP_RECVERR), 0, 1, 1, {0}},
		{UDPIP(IP_FREEBIND), 0, 1, 1, {0}},
		{UDPIP(IP_RECVORIGDSTADDR), 0, 1, 1, {0}},
		{UDPIP(IP_BIND_ADDRESS_NO_PORT), 0, 1, 1, {0}},
		{UDPIP(IP_MTU_DISCOVER), 1, 2, 2, {6, -1}},
		{ALL(SO_PRIORITY), 0, 6, 6, {0}},
		{ALL(SO_INCOMING_CPU), -1, 3, 3, {0}},
		{ALL(SO_TIMESTAMP), 0, 5, 1, {0}},
		{ALL(SO_TIMESTAMPNS), 0, 1, 1, {0}},
		{ALL(SO_BUSY_POLL), 0, 0, 0, {-1}},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		int fd = sock(t[i].type), byte = 0, level = t[i].level, name = t[i].name;
		socklen_t len = sizeof(byte);

		ok(get(fd, level, name) == t[i].first, "%s is %d at first", t[i].text, t[i].first);
		ok(set(fd, level, name, t[i].in) == 0 && get(fd, level, name) == t[i].out,
		   "%s: %d becomes %d", t[i].text, t[i].in, t[i].out);
		for (int k = 0; k < 2 && t[i].bad[k]; k++)
			ok(set(fd, level, name, t[i].bad[k]) == -EINVAL, "%s: not %d", t[i].text,
			   t[i].bad[k]);
		ok(get(fd, level, name) == t[i].out, "%s is still %d", t[i].text, t[i].out);
		ok(setsockopt(fd, level, name, NULL, sizeof(int)) == -1 && errno == EFAULT,
		   "%s from a bad address", t[i].text);
		ok(getsockopt(fd, level, name, NULL, &len) == -1 && errno == EFAULT,
		   "%s to a bad address", t[i].text);
		if (level != IPPROTO_IP)
			ok(setsockopt(fd, level, name, &byte, 2) == -1 && errno == EINVAL,
			   "%s too short", t[i].text);
		close(fd);
	}
}

static void more_values(void)
{
	int fd = sock(SOCK_STREAM), udp = sock(SOCK_DGRAM), v = -1;
	char name[16] = "";
	socklen_t len = 2;

	ok(set(fd, IPPROTO_TCP, TCP_SYNCNT, 0) == -EINVAL, "TCP_SYNCNT: not 0");
	ok(!getsockopt(fd, IPPROTO_IP, IP_TTL, &v, &len) && len == 1 && (v & 0xff) == 64,
	   "an option of IP as a byte where there is no room for an int");
	ok(!setsockopt(fd, IPPROTO_IP, IP_PKTINFO, NULL, 0), "of no length it is 0");
	must(set(udp, SOL_SOCKET, SO_TIMESTAMP, 1));
	must(set(udp, SOL_SOCKET, SO_TIMESTAMPNS, 1));
	ok(get(udp, SOL_SOCKET, SO_TIMESTAMP) == 0, "SO_TIMESTAMPNS instead of SO_TIMESTAMP");
	must(set(udp, SOL_SOCKET, SO_TIMESTAMP, 0));
	ok(get(udp, SOL_SOCKET, SO_TIMESTAMPNS) == 0, "either one off is both off");
	ok(get(udp, IPPROTO_TCP, TCP_SYNCNT) < 0, "UDP has no options of TCP");
	v = set(fd, SOL_SOCKET, SO_MARK, 7);
	ok(v == -EPERM || (v == 0 && get(fd, SOL_SOCKET, SO_MARK) == 7), "SO_MARK is root's");
	v = set(fd, SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20);
	ok(v == -EPERM || (v == 0 && get(fd, SOL_SOCKET, SO_RCVBUF) == 2 << 20),
	   "SO_RCVBUFFORCE goes beyond the limit");
	v = set(fd, SOL_SOCKET, SO_PRIORITY, 7);
	ok(v == -EPERM || (v == 0 && get(fd, SOL_SOCKET, SO_PRIORITY) == 7),
	   "SO_PRIORITY above 6 too");
	ok(!setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), "TCP_CONGESTION: reno");
	len = sizeof(name);
	ok(!getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len) && len == 16 &&
		   !strcmp(name, "reno"),
	   "is shown");
	fails(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "", 0), EINVAL);
	fails(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, NULL, 4), EFAULT);
	must(listen(fd, 1));
	ok(set(fd, IPPROTO_TCP, TCP_FASTOPEN, 2) == 0, "TCP_FASTOPEN of a listener");
	close(fd);
	close(udp);
}

static void device(void)
{
	int a = bound(SOCK_DGRAM, INADDR_LOOPBACK), b = sock(SOCK_DGRAM);
	char name[32];
	socklen_t len = sizeof(name);

	ok(!getsockopt(a, SOL_SOCKET, SO_BINDTODEVICE, name, &len) && len == 0, "no device");
	fails(setsockopt(a, SOL_SOCKET, SO_BINDTODEVICE, "nope", 5), ENODEV);
	fails(setsockopt(a, SOL_SOCKET, SO_BINDTODEVICE, NULL, 5), EFAULT);
	ok(!setsockopt(a, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2), "SO_BINDTODEVICE: lo");
	ok(!setsockopt(b, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), "with a NUL");
	len = sizeof(name);
	ok(!getsockopt(a, SOL_SOCKET, SO_BINDTODEVICE, name, &len) && len == 3 &&
		   !strcmp(name, "lo"),
	   "is shown");
	len = 3;
	fails(getsockopt(a, SOL_SOCKET, SO_BINDTODEVICE, name, &len), EINVAL);
	must(dial(b, port_of(a)));
	ok(send(b, "x", 1, 0) == 1 && recv(a, name, 1, 0) == 1, "through lo to lo");
	close(a);
	close(b);
}

/* bind() to an address whose port is chosen later, and to one that is not here. */
static void loose_binding(void)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
	int l = bound(SOCK_STREAM, INADDR_LOOPBACK);
	struct sockaddr_in a = addr(0x7f000005, 0), away = addr(0xc0000201, 0), b;
	socklen_t len = sizeof(b);

	must(listen(l, 4));
	for (int i = 0; i < 2; i++) {
		const char *what = i ? "UDP" : "TCP";
		int fd = sock(types[i]);

		must(set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
		ok(!bind(fd, ADDR(a)) && port_of(fd) == 0, "%s: bound, without a port", what);
		ok(!dial(fd, port_of(l)) && port_of(fd) > 1024, "%s: connect() takes one", what);
		must(getsockname(fd, (struct sockaddr *)&b, &len));
		ok(b.sin_addr.s_addr == htonl(0x7f000005), "%s: and keeps the address", what);
		close(fd);
		fd = sock(types[i]);
		fails(bind(fd, ADDR(away)), EADDRNOTAVAIL);
		must(set(fd, IPPROTO_IP, IP_FREEBIND, 1));
		ok(!bind(fd, ADDR(away)), "%s: IP_FREEBIND", what);
		close(fd);
	}
	int fd = sock(SOCK_STREAM);

	must(set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
	must(bind(fd, ADDR(a)));
	ok(!listen(fd, 1) && port_of(fd) > 1024, "listen() takes one too");
	must(getsockname(fd, (struct sockaddr *)&b, &len));
	ok(b.sin_addr.s_addr == htonl(0x7f000005), "at the address");
	close(fd);
	close(l);
}

/* ---- TCP ---- */

static int listener(int backlog)
{
	int fd = bound(SOCK_STREAM, INADDR_LOOPBACK);

	must(listen(fd, backlog));
	return fd;
}

static int connected(int l)
{
	int fd = sock(SOCK_STREAM);

	must(dial(fd, port_of(l)));
	return fd;
}

/* A connection that nobody answers: the accept queue of @l is full. */
static int unanswered(int l, int name, int v)
{
	int fd = sock(SOCK_STREAM | SOCK_NONBLOCK);

	must(set(fd, IPPROTO_TCP, name, v));
	if (dial(fd, port_of(l)) == 0 || errno != EINPROGRESS)
		printf("# connect() does not wait\n");
	return fd;
}

/* Everything that has to wait for a clock, at once. */
static void waiting(void)
{
	int full = listener(0), keep = connected(full), l = listener(4), shut = listener(4);
	int tries = unanswered(full, TCP_SYNCNT, 1);
	int patience = unanswered(full, TCP_USER_TIMEOUT, 500);
	int defer = listener(4), late, window = connected(shut),
	    reader = must(accept(shut, NULL, NULL));
	char buf[4096] = "";

	must(fcntl(window, F_SETFL, O_RDWR | O_NONBLOCK));
	while (write(window, buf, sizeof(buf)) > 0 || events(window, 100) & POLLOUT)
		;
	must(set(window, IPPROTO_TCP, TCP_USER_TIMEOUT, 300));

	must(set(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, 100));
	late = connected(l);
	ok(!readable(l, 50), "TCP_DEFER_ACCEPT: nobody to accept yet");
	must(write(late, "hello", 5));
	ok(readable(l, 10000), "with data there is");
	int s = must(accept(l, NULL, NULL));

	ok(recv(s, buf, sizeof(buf), 0) == 5, "which is there to read");
	must(set(defer, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1));
	int silent = connected(defer);

	ok(!readable(defer, 50), "one who says nothing");
	ok(readable(defer, 20000), "is let in after a while");
	ok(must(accept(defer, NULL, NULL)) >= 0, "accept()");

	ok((events(patience, 20000) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP) &&
		   get(patience, SOL_SOCKET, SO_ERROR) == ETIMEDOUT,
	   "TCP_USER_TIMEOUT ends a connect()");
	ok((events(tries, 20000) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP) &&
		   get(tries, SOL_SOCKET, SO_ERROR) == ETIMEDOUT,
	   "TCP_SYNCNT too");
	ok((events(window, 20000) & POLLERR) && get(window, SOL_SOCKET, SO_ERROR) == ETIMEDOUT,
	   "TCP_USER_TIMEOUT ends a connection whose peer takes nothing");
	fails(set(keep, IPPROTO_TCP, TCP_FASTOPEN, 1) ? -1 : 0, EINVAL);
	close(reader);
	close(silent);
	close(s);
}

static void segments(void)
{
	int l = listener(4), c = sock(SOCK_STREAM), s;

	must(set(c, IPPROTO_TCP, TCP_MAXSEG, 500));
	must(dial(c, port_of(l)));
	s = must(accept(l, NULL, NULL));
	ok(get(c, IPPROTO_TCP, TCP_MAXSEG) == 488, "TCP_MAXSEG less the time stamps");
	ok(get(s, IPPROTO_TCP, TCP_MAXSEG) == 488, "binds the peer");
	ok(get(l, IPPROTO_TCP, TCP_MAXSEG) == 536, "not its listener");
	close(c);
	close(s);
	close(l);
}

static struct tcp_info info(int fd)
{
	struct tcp_info i;
	socklen_t len = sizeof(i);

	memset(&i, 0, sizeof(i));
	must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &len));
	return i;
}

static void tcp_information(void)
{
	int l = listener(5), c = connected(l), s;
	struct tcp_info i;
	char buf[1000] = "";
	socklen_t len = 104;

	readable(l, 10000);
	i = info(l);
	ok(i.tcpi_state == TCP_LISTEN && i.tcpi_unacked == 1 && i.tcpi_sacked == 5,
	   "TCP_INFO of a listener: its queue and backlog");
	s = must(accept(l, NULL, NULL));
	must(write(c, buf, sizeof(buf)));
	ok(recv(s, buf, sizeof(buf), MSG_WAITALL) == sizeof(buf), "1,000 bytes");
	must(write(s, buf, 1));
	must(read(c, buf, 1));
	i = info(c);
	ok(i.tcpi_state == TCP_ESTABLISHED && i.tcpi_retransmits == 0, "established");
	ok(i.tcpi_options == (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE), "options");
	ok(i.tcpi_snd_cwnd > 0 && i.tcpi_snd_mss > 500 && i.tcpi_rto > 0 && i.tcpi_rcv_space > 0,
	   "window, segment, time-out");
	ok(i.tcpi_unacked == 0 && i.tcpi_notsent_bytes == 0, "nothing under way");
	ok(i.tcpi_bytes_received == 1 && i.tcpi_bytes_acked >= sizeof(buf), "bytes");
	ok(info(s).tcpi_bytes_received == sizeof(buf), "the same on the other side");
	ok(i.tcpi_pmtu >= 1500, "the path's MTU");
	ok(!getsockopt(c, IPPROTO_TCP, TCP_INFO, &i, &len) && len == 104, "the old length");
	fails(recv(c, buf, 1, MSG_ERRQUEUE), EAGAIN);
	close(s);
	readable(c, 10000);
	ok(info(c).tcpi_state == TCP_CLOSE_WAIT, "CLOSE_WAIT");
	close(c);
	close(l);
}

/* ---- UDP's ancillary data ---- */

static struct {
	struct sockaddr_in from;
	struct msghdr m;
	ssize_t n;
	char data[64];
	union {
		char buf[256];
		struct cmsghdr align;
	} c;
} got;

static void take(int fd, int flags, size_t room)
{
	struct iovec v = {got.data, sizeof(got.data)};

	got.m = (struct msghdr){
		.msg_name = &got.from,
		.msg_namelen = sizeof(got.from),
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = got.c.buf,
		.msg_controllen = room,
	};
	got.n = recvmsg(fd, &got.m, flags);
}

/* A piece of what was taken, of at least @len bytes, or NULL. */
static void *piece(int level, int type, size_t len)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(&got.m); c; c = CMSG_NXTHDR(&got.m, c))
		if (c->cmsg_level == level && c->cmsg_type == type && c->cmsg_len >= CMSG_LEN(len))
			return CMSG_DATA(c);
	return NULL;
}

/* A datagram with one piece of ancillary data. */
static ssize_t send_with(int fd, int port, int type, const void *data, size_t len)
{
	struct sockaddr_in to = addr(INADDR_LOOPBACK, port);
	union {
		char buf[64];
		struct cmsghdr align;
	} c = {.buf = ""};
	struct iovec v = {"x", 1};
	struct msghdr m = {
		.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = c.buf,
		.msg_controllen = CMSG_SPACE(len),
	};

	*CMSG_FIRSTHDR(&m) = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(len), .cmsg_level = IPPROTO_IP, .cmsg_type = type};
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), data, len);
	return sendmsg(fd, &m, 0);
}

static void stamps(void)
{
	int r = bound(SOCK_DGRAM, INADDR_LOOPBACK), s = sock(SOCK_DGRAM);
	struct timeval *tv;
	struct timespec *ts;
	time_t now = time(NULL);

	must(dial(s, port_of(r)));
	must(set(r, SOL_SOCKET, SO_TIMESTAMP, 1));
	must(send(s, "x", 1, 0));
	take(r, 0, sizeof(got.c.buf));
	tv = piece(SOL_SOCKET, SO_TIMESTAMP, sizeof(*tv));
	ok(got.n == 1 && tv && tv->tv_sec >= now && tv->tv_sec < now + 100, "SO_TIMESTAMP");
	must(set(r, SOL_SOCKET, SO_TIMESTAMPNS, 1));
	must(send(s, "x", 1, 0));
	take(r, 0, sizeof(got.c.buf));
	ts = piece(SOL_SOCKET, SO_TIMESTAMPNS, sizeof(*ts));
	ok(got.n == 1 && ts && ts->tv_sec >= now && ts->tv_nsec < 1000000000, "SO_TIMESTAMPNS");
	must(send(s, "x", 1, 0));
	take(r, 0, 0);
	ok(got.n == 1 && (got.m.msg_flags & MSG_CTRUNC), "no room: MSG_CTRUNC");
	close(r);
	close(s);
}

static void packet_info(void)
{
	int r = bound(SOCK_DGRAM, INADDR_ANY), s = sock(SOCK_DGRAM), port = port_of(r), v = 5;
	struct sockaddr_in second = addr(0x7f000002, port), *to;
	struct in_pktinfo *pi, from = {.ipi_spec_dst.s_addr = htonl(0x7f000003)};
	int *ttl;
	unsigned char *tos;

	must(set(r, IPPROTO_IP, IP_PKTINFO, 1));
	must(set(r, IPPROTO_IP, IP_RECVTTL, 1));
	must(set(r, IPPROTO_IP, IP_RECVTOS, 1));
	must(set(r, IPPROTO_IP, IP_RECVORIGDSTADDR, 1));
	must(set(s, IPPROTO_IP, IP_TOS, 0x10));
	must(sendto(s, "x", 1, 0, ADDR(second)));
	take(r, 0, sizeof(got.c.buf));
	pi = piece(IPPROTO_IP, IP_PKTINFO, sizeof(*pi));
	ok(pi && pi->ipi_addr.s_addr == htonl(0x7f000002) &&
		   pi->ipi_spec_dst.s_addr == htonl(0x7f000002),
	   "IP_PKTINFO: to which address");
	ok(pi && pi->ipi_ifindex == (int)if_nametoindex("lo"), "through which interface");
	ttl = piece(IPPROTO_IP, IP_TTL, sizeof(*ttl));
	ok(ttl && *ttl == 64, "IP_RECVTTL");
	tos = piece(IPPROTO_IP, IP_TOS, 1);
	ok(tos && *tos == 0x10, "IP_RECVTOS");
	to = piece(IPPROTO_IP, IP_ORIGDSTADDR, sizeof(*to));
	ok(to && !memcmp(to, &second, sizeof(second)), "IP_RECVORIGDSTADDR: address and port");

	ok(send_with(s, port, IP_PKTINFO, &from, sizeof(from)) == 1, "IP_PKTINFO of a sender");
	take(r, 0, sizeof(got.c.buf));
	ok(got.from.sin_addr.s_addr == htonl(0x7f000003), "is the source address");
	ok(send_with(s, port, IP_TTL, &v, sizeof(v)) == 1, "IP_TTL of one datagram");
	take(r, 0, sizeof(got.c.buf));
	ttl = piece(IPPROTO_IP, IP_TTL, sizeof(*ttl));
	ok(ttl && *ttl == 5, "is seen");
	must(dial(s, port));
	must(send(s, "x", 1, 0));
	take(r, 0, sizeof(got.c.buf));
	ttl = piece(IPPROTO_IP, IP_TTL, sizeof(*ttl));
	ok(ttl && *ttl == 64, "the next has the socket's own");

	v = 256;
	fails(send_with(s, port, IP_TTL, &v, sizeof(v)), EINVAL);
	v = 0;
	fails(send_with(s, port, IP_TTL, &v, sizeof(v)), EINVAL);
	fails(send_with(s, port, IP_PKTINFO, &from, 4), EINVAL);
	fails(send_with(s, port, 99, &v, sizeof(v)), EINVAL);
	from.ipi_ifindex = 0x10100;
	fails(send_with(s, port, IP_PKTINFO, &from, sizeof(from)), ENODEV);
	from.ipi_ifindex = (int)if_nametoindex("lo");
	ok(send_with(s, port, IP_PKTINFO, &from, sizeof(from)) == 1, "an interface");
	from.ipi_ifindex = 0;
	from.ipi_spec_dst.s_addr = htonl(0xc0000201);
	fails(send_with(s, port, IP_PKTINFO, &from, sizeof(from)), ENETUNREACH);
	close(r);
	close(s);
}

static void error_queue(bool connect_it)
{
	const char *how = connect_it ? "connected" : "unconnected";
	int dead = bound(SOCK_DGRAM, INADDR_LOOPBACK), port = port_of(dead), s = sock(SOCK_DGRAM);
	struct sockaddr_in to = addr(INADDR_LOOPBACK, port);
	struct ext_err *e;
	char c;

	close(dead);
	must(set(s, IPPROTO_IP, IP_RECVERR, 1));
	if (connect_it)
		must(dial(s, port));
	take(s, MSG_ERRQUEUE, sizeof(got.c.buf));
	ok(got.n == -1 && errno == EAGAIN, "%s: an empty error queue", how);
	must(sendto(s, "hello", 5, 0, ADDR(to)));
	for (int i = 0; i < 1000 && !(events(s, 0) & POLLERR); i++)
		poll(NULL, 0, 10);
	ok(events(s, 0) == (POLLOUT | POLLERR), "%s: ERR", how);
	fails(recv(s, &c, 1, MSG_DONTWAIT), ECONNREFUSED);
	ok(events(s, 0) == (POLLOUT | POLLERR), "%s: ERR while the queue holds it", how);
	take(s, MSG_ERRQUEUE, sizeof(got.c.buf));
	ok(got.n == 5 && !memcmp(got.data, "hello", 5), "%s: the datagram comes back", how);
	ok((got.m.msg_flags & MSG_ERRQUEUE) && got.from.sin_port == htons(port) &&
		   got.from.sin_addr.s_addr == htonl(INADDR_LOOPBACK),
	   "%s: with its destination", how);
	e = piece(IPPROTO_IP, IP_RECVERR, sizeof(*e));
	ok(e && e->err == ECONNREFUSED && e->origin == 2 && e->type == 3 && e->code == 3 &&
		   e->offender.sin_addr.s_addr == htonl(INADDR_LOOPBACK),
	   "%s: and what ICMP says", how);
	ok(events(s, 0) == POLLOUT, "%s: that was all", how);
	must(sendto(s, "again", 5, 0, ADDR(to)));
	for (int i = 0; i < 1000 && !(events(s, 0) & POLLERR); i++)
		poll(NULL, 0, 10);
	must(set(s, IPPROTO_IP, IP_RECVERR, 0));
	get(s, SOL_SOCKET, SO_ERROR);
	ok(events(s, 0) == POLLOUT, "%s: IP_RECVERR off empties it", how);
	close(s);
}

int main(void)
{
	values();
	more_values();
	device();
	loose_binding();
	segments();
	tcp_information();
	stamps();
	packet_info();
	error_queue(true);
	error_queue(false);
	waiting();
	return tap_done();
}
