/*
 * Raw and ping sockets over the loopback interface. raw(7), icmp(7). It needs root and a network of
 * its own, for it changes ping_group_range: the harness runs it in the guest, and on the host in a
 * network namespace where that may be had; both print the same.
 */
#include "tests/abi/tap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define ADDR(a)     ((struct sockaddr *)&(a)), sizeof(a)
#define SOL_RAW     255
#define ICMP_FILTER 1
#define RANGE       "/proc/sys/net/ipv4/ping_group_range"

/* linux/errqueue.h, which musl does not have. */
struct sock_extended_err {
	uint32_t ee_errno;
	uint8_t ee_origin, ee_type, ee_code, ee_pad;
	uint32_t ee_info, ee_data;
};
#define SO_EE_ORIGIN_ICMP 2

static struct sockaddr_in host(const char *text)
{
	struct sockaddr_in a = {.sin_family = AF_INET};

	a.sin_addr.s_addr = inet_addr(text);
	return a;
}

static int raw(int protocol)
{
	return must(socket(AF_INET, SOCK_RAW, protocol));
}

static int ping_socket(void)
{
	return must(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
}

static struct sockaddr_in name_of(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	must(getsockname(fd, (struct sockaddr *)&a, &len));
	return a;
}

static uint16_t checksum(const void *data, size_t n)
{
	const uint8_t *b = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* An echo request with @n bytes of data behind its header; its length. */
static size_t echo(uint8_t *buf, int id, int seq, size_t n)
{
	struct icmphdr h = {.type = ICMP_ECHO};

	h.un.echo.id = htons((uint16_t)id);
	h.un.echo.sequence = htons((uint16_t)seq);
	memcpy(buf, &h, sizeof(h));
	memset(buf + sizeof(h), 'p', n);
	h.checksum = checksum(buf, sizeof(h) + n);
	memcpy(buf, &h, sizeof(h));
	return sizeof(h) + n;
}

static void send_echo(int fd, int id, int seq, size_t n)
{
	static uint8_t buf[65536];
	struct sockaddr_in a = host("127.0.0.1");
	size_t len = echo(buf, id, seq, n);

	must(sendto(fd, buf, len, 0, ADDR(a)));
}

/* Waits a while for a message: its length, or -1. */
static ssize_t get(int fd, void *buf, size_t size, int ms)
{
	struct pollfd p = {fd, POLLIN, 0};

	return poll(&p, 1, ms) == 1 ? recv(fd, buf, size, MSG_DONTWAIT) : -1;
}

/* A packet with its IP header, as a raw socket gets it. */
struct packet {
	struct iphdr ip;
	union {
		struct icmphdr icmp;
		struct udphdr udp;
		uint8_t data[2000];
	};
};

static bool is_echo(const struct packet *p, int type, int id, int seq)
{
	return p->icmp.type == type && p->icmp.un.echo.id == htons((uint16_t)id) &&
	       p->icmp.un.echo.sequence == htons((uint16_t)seq);
}

static void creation(void)
{
	int fd = raw(IPPROTO_ICMP), v;
	socklen_t len = sizeof(v);
	struct sockaddr_in a;

	must(seteuid(1));
	fails(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), EPERM);
	must(seteuid(0));
	fails(socket(AF_INET, SOCK_RAW, 0), EPROTONOSUPPORT);
	fails(socket(AF_INET, SOCK_RAW, 300), EINVAL);
	ok(!getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &len) && v == SOCK_RAW, "SO_TYPE");
	ok(!getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &v, &len) && v == IPPROTO_ICMP, "SO_PROTOCOL");
	a = name_of(fd);
	ok(!a.sin_addr.s_addr && ntohs(a.sin_port) == IPPROTO_ICMP, "the protocol for a port");
	fails(send(fd, "x", 1, 0), EDESTADDRREQ);
	fails(recv(fd, &v, 1, MSG_DONTWAIT), EAGAIN);
	fails(listen(fd, 1), EOPNOTSUPP);
	a = host("127.0.0.1");
	fails(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, 8), EINVAL);
	fails(sendto(fd, "x", 1, MSG_OOB, ADDR(a)), EOPNOTSUPP);
	a.sin_family = AF_UNIX;
	fails(sendto(fd, "x", 1, 0, ADDR(a)), EAFNOSUPPORT);
	close(fd);
}

static void echoes(void)
{
	int fd = raw(IPPROTO_ICMP), ep = must(epoll_create1(0)), n = -1;
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct packet p;

	must(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	ok(epoll_wait(ep, &e, 1, 0) == 0, "nothing yet");
	send_echo(fd, 7, 1, 56);
	ok(epoll_wait(ep, &e, 1, 5000) == 1 && e.events == EPOLLIN, "epoll");
	ok(!ioctl(fd, FIONREAD, &n) && n == 84, "FIONREAD");
	ok(recv(fd, &p, 4, MSG_PEEK | MSG_TRUNC) == 84, "MSG_PEEK | MSG_TRUNC");
	ok(recvfrom(fd, &p, sizeof(p), 0, (struct sockaddr *)&from, &len) == 84 &&
		   is_echo(&p, ICMP_ECHO, 7, 1) && from.sin_addr.s_addr == p.ip.saddr &&
		   !from.sin_port,
	   "our own request");
	ok(p.ip.version == 4 && p.ip.ihl == 5 && ntohs(p.ip.tot_len) == 84 && p.ip.ttl == 64 &&
		   p.ip.protocol == IPPROTO_ICMP && p.ip.saddr == p.ip.daddr &&
		   !checksum(&p.ip, sizeof(p.ip)),
	   "its IP header");
	ok(get(fd, &p, sizeof(p), 5000) == 84 && is_echo(&p, ICMP_ECHOREPLY, 7, 1), "the reply");
	ok(!checksum(&p.ip, sizeof(p.ip)) && !checksum(&p.icmp, 64), "its checksums");
	fails(recv(fd, &p, sizeof(p), MSG_DONTWAIT), EAGAIN);
	close(ep);
	close(fd);
}

static void options(void)
{
	int fd = raw(IPPROTO_ICMP), other = raw(IPPROTO_UDP), one = 1, ttl = 9, tos = 0x10;
	uint32_t filter = 1u << ICMP_ECHO, got = 0;
	socklen_t len = sizeof(got);
	uint8_t control[100];
	struct packet p;
	struct iovec v = {&p, sizeof(p)};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	struct cmsghdr *c;

	ok(!setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)) &&
		   !setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)) &&
		   !setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &one, sizeof(one)),
	   "IP_TTL, IP_TOS, IP_RECVTTL");
	send_echo(fd, 8, 1, 0);
	m.msg_control = control;
	m.msg_controllen = sizeof(control);
	ok(get(fd, NULL, 0, 5000) == 0, "the request");
	send_echo(fd, 8, 2, 0);
	while (recvmsg(fd, &m, 0) > 0 && !is_echo(&p, ICMP_ECHO, 8, 2)) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
	}
	c = CMSG_FIRSTHDR(&m);
	ok(p.ip.ttl == 9 && p.ip.tos == 0x10, "they are in the header");
	ok(c && c->cmsg_type == IP_TTL && *(int *)CMSG_DATA(c) == 9, "and beside the message");
	must((int)get(fd, &p, sizeof(p), 5000));

	ok(!setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter)), "ICMP_FILTER");
	ok(!getsockopt(fd, SOL_RAW, ICMP_FILTER, &got, &len) && len == 4 && got == filter,
	   "is set");
	send_echo(fd, 8, 3, 0);
	ok(get(fd, &p, sizeof(p), 5000) == 28 && is_echo(&p, ICMP_ECHOREPLY, 8, 3),
	   "only the reply comes");
	ok(!getsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, &len) && ttl == 1,
	   "IP_MULTICAST_TTL is 1");
	ttl = 7;
	ok(!setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)) &&
		   !getsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &got, &len) && got == 7,
	   "and can be set");
	ttl = 256;
	fails(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)), EINVAL);
	fails(setsockopt(fd, SOL_RAW, 2, &filter, sizeof(filter)), ENOPROTOOPT);
	fails(setsockopt(other, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter)), EOPNOTSUPP);
	fails(getsockopt(other, SOL_RAW, ICMP_FILTER, &filter, &len), EOPNOTSUPP);
	fails(setsockopt(fd, SOL_RAW, ICMP_FILTER, (void *)1, 4), EFAULT);
	close(other);
	close(fd);
}

static void own_header(void)
{
	int in = raw(IPPROTO_ICMP), out = raw(IPPROTO_RAW), v = 0;
	struct sockaddr_in a = host("127.0.0.1");
	struct packet q = {.ip = {.version = 4, .ihl = 5, .ttl = 33, .protocol = IPPROTO_ICMP}}, p;
	socklen_t len = sizeof(v);
	size_t n = sizeof(q.ip) + echo(q.data, 9, 1, 10);

	ok(!getsockopt(out, IPPROTO_IP, IP_HDRINCL, &v, &len) && v == 1, "IPPROTO_RAW: IP_HDRINCL");
	ok(!getsockopt(in, IPPROTO_IP, IP_HDRINCL, &v, &len) && v == 0, "others without");
	q.ip.daddr = a.sin_addr.s_addr;
	ok(sendto(out, &q, n, 0, ADDR(a)) == (ssize_t)n, "a packet with a header of ours");
	ok(get(in, &p, sizeof(p), 5000) == (ssize_t)n && is_echo(&p, ICMP_ECHO, 9, 1), "it comes");
	ok(p.ip.ttl == 33 && p.ip.saddr == a.sin_addr.s_addr && ntohs(p.ip.tot_len) == n &&
		   p.ip.id && !checksum(&p.ip, sizeof(p.ip)),
	   "completed");
	ok(get(in, &p, sizeof(p), 5000) == (ssize_t)n && is_echo(&p, ICMP_ECHOREPLY, 9, 1),
	   "and is answered");
	fails(sendto(out, &q, 19, 0, ADDR(a)), EINVAL);
	q.ip.ihl = 15;
	fails(sendto(out, &q, n, 0, ADDR(a)), EINVAL);
	fails(setsockopt(socket(AF_INET, SOCK_DGRAM, 0), IPPROTO_IP, IP_HDRINCL, &v, len),
	      ENOPROTOOPT);
	close(in);
	close(out);
}

static void sizes(void)
{
	static uint8_t buf[65536];
	int fd = raw(253), size = 8192, got = 0;
	struct sockaddr_in a = host("127.0.0.1");

	ok(sendto(fd, buf, 3, 0, ADDR(a)) == 3 && get(fd, buf, sizeof(buf), 5000) == 23,
	   "a protocol of our own");
	ok(sendto(fd, buf, 65515, 0, ADDR(a)) == 65515 && get(fd, buf, sizeof(buf), 5000) == 65535,
	   "65515 bytes are the most");
	fails(sendto(fd, buf, 65516, 0, ADDR(a)), EMSGSIZE);
	fails(sendto(fd, buf, 65536, 0, ADDR(a)), EMSGSIZE);
	must(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	for (int i = 0; i < 200; i++)
		must(sendto(fd, buf, 1000, 0, ADDR(a)));
	while (get(fd, buf, sizeof(buf), 50) > 0)
		got++;
	ok(got > 0 && got < 100, "most of 200 are lost at a small SO_RCVBUF");
	must(sendto(fd, buf, 5, 0, ADDR(a)));
	do
		got = (int)get(fd, buf, sizeof(buf), 5000);
	while (got == 1020); /* late ones */
	ok(got == 25, "and it goes on");
	close(fd);
}

static void addresses(void)
{
	int fd = raw(253), peer = raw(253);
	struct sockaddr_in two = host("127.0.0.2"), three = host("127.0.0.3"), a;
	struct sockaddr_in none = {.sin_family = AF_UNSPEC};
	socklen_t len = sizeof(a);
	struct packet p;

	ok(!bind(fd, ADDR(two)) && !bind(peer, ADDR(three)), "two addresses");
	a = name_of(fd);
	ok(a.sin_addr.s_addr == two.sin_addr.s_addr && ntohs(a.sin_port) == 253, "getsockname()");
	a = host("192.0.2.77");
	fails(bind(fd, ADDR(a)), EADDRNOTAVAIL);
	fails(bind(fd, (struct sockaddr *)&two, 8), EINVAL);
	ok(sendto(fd, "hi", 2, 0, ADDR(three)) == 2 && get(peer, &p, sizeof(p), 5000) == 22 &&
		   p.ip.saddr == two.sin_addr.s_addr,
	   "from one to the other");
	ok(get(fd, &p, sizeof(p), 0) == -1, "and not to the one");
	ok(!connect(fd, ADDR(three)) && send(fd, "ho", 2, 0) == 2 &&
		   get(peer, &p, sizeof(p), 5000) == 22,
	   "connect(), send()");
	fails(getpeername(fd, (struct sockaddr *)&a, &len), ENOTCONN);
	a = host("127.0.0.1");
	close(peer);
	peer = raw(253);
	ok(sendto(peer, "no", 2, 0, ADDR(two)) == 2 && get(fd, &p, sizeof(p), 50) == -1,
	   "a stranger is not heard");
	ok(!connect(fd, ADDR(none)) && sendto(peer, "no", 2, 0, ADDR(two)) == 2,
	   "no peer any more");
	fails(send(fd, "x", 1, 0), EDESTADDRREQ);
	ok(!shutdown(peer, SHUT_RD) || errno == ENOTCONN, "shutdown()");
	close(peer);
	close(fd);
}

/* What traceroute does: UDP to a port where nobody is, and ICMP says so. */
static void complaints(void)
{
	int icmp = raw(IPPROTO_ICMP), u = raw(IPPROTO_UDP), one = 1, err = 0;
	struct udphdr h = {.uh_sport = htons(40000), .uh_dport = htons(9), .uh_ulen = htons(8)};
	struct sockaddr_in a = host("127.0.0.1");
	uint8_t control[200];
	struct packet p;
	struct iovec v = {&p, sizeof(p)};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct sock_extended_err *ee;
	struct cmsghdr *c;
	socklen_t len = sizeof(err);

	must(setsockopt(u, IPPROTO_IP, IP_RECVERR, &one, sizeof(one)));
	must(sendto(u, &h, sizeof(h), 0, ADDR(a)));
	ok(get(icmp, &p, sizeof(p), 5000) == 56 && p.icmp.type == ICMP_DEST_UNREACH &&
		   p.icmp.code == ICMP_PORT_UNREACH && !memcmp(p.data + 28, &h, sizeof(h)),
	   "ICMP quotes the datagram");
	ok(recvmsg(u, &m, MSG_ERRQUEUE) == 8 && !memcmp(&p, &h, sizeof(h)), "MSG_ERRQUEUE");
	c = CMSG_FIRSTHDR(&m);
	ee = c ? (struct sock_extended_err *)CMSG_DATA(c) : NULL;
	ok(ee && ee->ee_errno == ECONNREFUSED && ee->ee_origin == SO_EE_ORIGIN_ICMP &&
		   ee->ee_type == ICMP_DEST_UNREACH && ee->ee_code == ICMP_PORT_UNREACH,
	   "and says why");
	ok(!getsockopt(u, SOL_SOCKET, SO_ERROR, &err, &len) && !err, "that was the only one");
	close(u);
	close(icmp);
}

static bool write_range(const char *text)
{
	int fd = must(open(RANGE, O_WRONLY));
	bool done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return done;
}

static bool listed(const char *path, int port)
{
	char line[300];
	unsigned addr, p;
	bool found = false;
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		found |= sscanf(line, " %*u: %x:%x", &addr, &p) == 2 && p == (unsigned)port;
	if (f)
		fclose(f);
	return found;
}

static void pings(void)
{
	struct sockaddr_in a = host("127.0.0.1"), b;
	int fd, other, zero = 0, v = 0;
	socklen_t len = sizeof(v);
	uint8_t buf[2000];
	size_t n;

	ok(write_range("1 0"), "ping_group_range: nobody");
	fails(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), EACCES);
	ok(write_range("0 100"), "group 0 too");
	fd = ping_socket();
	other = ping_socket();
	ok(name_of(fd).sin_port == 0, "no identifier yet");
	ok(!getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, &len) && v == 1, "SO_REUSEADDR is on");
	b = a;
	b.sin_port = htons(4242);
	ok(!bind(fd, ADDR(b)) && ntohs(name_of(fd).sin_port) == 4242, "bind() to one");
	fails(bind(fd, ADDR(b)), EINVAL);
	must(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &zero, sizeof(zero)));
	fails(bind(other, ADDR(b)), EADDRINUSE);
	ok(listed("/proc/net/icmp", 4242), "/proc/net/icmp");

	n = echo(buf, 1, 5, 20);
	fails(send(fd, buf, n, 0), EDESTADDRREQ);
	ok(sendto(fd, buf, n, 0, ADDR(a)) == (ssize_t)n, "a request");
	memset(buf, 0, sizeof(buf));
	ok(get(fd, buf, sizeof(buf), 5000) == (ssize_t)n && buf[0] == ICMP_ECHOREPLY &&
		   ntohs(((struct icmphdr *)buf)->un.echo.id) == 4242 && !checksum(buf, n),
	   "a reply with our identifier and no IP header");
	fails(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	fails(sendto(fd, buf, 7, 0, ADDR(a)), EINVAL);
	fails(sendto(fd, buf, n, 0, ADDR(a)), EINVAL);
	ok(!connect(other, ADDR(a)) && name_of(other).sin_port, "connect() finds an identifier");
	n = echo(buf, 1, 6, 0);
	ok(send(other, buf, n, 0) == 8 && get(other, buf, sizeof(buf), 5000) == 8,
	   "connected, and a reply");
	ok(get(fd, buf, sizeof(buf), 50) == -1, "which the other does not see");
	close(other);
	other = raw(IPPROTO_ICMP);
	ok(listed("/proc/net/raw", IPPROTO_ICMP), "/proc/net/raw");
	send_echo(other, 4242, 7, 0);
	ok(get(fd, buf, sizeof(buf), 5000) == 8, "whoever asked with it");
	close(other);
	close(fd);
}

/* Messages that make no sense, with checksums that do; @n of them. */
static void nonsense(int n)
{
	static const uint8_t types[] = {0, 3, 4, 5, 8, 11, 12, 13, 17, 40};
	int out = raw(IPPROTO_ICMP), in = raw(IPPROTO_ICMP), u = raw(IPPROTO_UDP), one = 1;
	struct sockaddr_in a = host("127.0.0.1");
	uint64_t seed = 1;
	uint8_t m[96], buf[200];
	struct icmphdr h;
	struct iphdr ip;
	int fd = ping_socket();
	ssize_t got;

	must(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof(one)));
	must(setsockopt(in, IPPROTO_IP, IP_RECVERR, &one, sizeof(one)));
	must(setsockopt(u, IPPROTO_IP, IP_RECVERR, &one, sizeof(one)));
	must(connect(fd, ADDR(a)));
	for (int i = 0; i < n; i++) {
		for (size_t k = 0; k < sizeof(m); k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			m[k] = (uint8_t)(seed >> 33);
		}
		size_t len = 2 + m[95] % 80u;

		memset(&h, 0, sizeof(h));
		h.type = types[m[94] % sizeof(types)];
		h.code = m[93] % 20;
		h.un.echo.id = name_of(fd).sin_port;
		memcpy(m, &h, sizeof(h));
		/* Quotes a packet of ours, more or less. */
		memcpy(&ip, m + 8, sizeof(ip));
		ip.version = 4;
		ip.ihl = m[92] % 3 ? 5 : m[91] & 15;
		ip.protocol = m[90] % 2 ? IPPROTO_ICMP : m[89] % 2 ? IPPROTO_UDP : m[88];
		ip.frag_off = 0;
		ip.saddr = ip.daddr = a.sin_addr.s_addr;
		memcpy(m + 8, &ip, sizeof(ip));
		if (m[87] % 2) {
			h.type = ICMP_ECHO;
			memcpy(m + 28, &h, sizeof(h));
		}
		if (m[86] % 8) {
			((struct icmphdr *)m)->checksum = 0;
			((struct icmphdr *)m)->checksum = checksum(m, len);
		}
		must(sendto(out, m, len, 0, ADDR(a)));
		while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT | (i & 1 ? MSG_ERRQUEUE : 0)) >= 0)
			;
	}
	ok(true, "nonsense is sent");
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_ERRQUEUE) >= 0)
		;
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0 || errno != EAGAIN)
		;
	must(send(fd, buf, echo(buf, 1, 77, 32), 0));
	do
		got = get(fd, buf, sizeof(buf), 5000);
	while (got >= 0 && (got != 40 || buf[7] != 77));
	ok(got == 40 && buf[0] == ICMP_ECHOREPLY, "and a ping is answered");
	close(u);
	close(in);
	close(out);
	close(fd);
}

int main(void)
{
	creation();
	echoes();
	options();
	own_header();
	sizes();
	addresses();
	complaints();
	pings();
	nonsense(2000);
	return tap_done();
}
