/*
 * Route sockets and the questions about interfaces that C libraries ask. netlink(7), rtnetlink(7),
 * getifaddrs(3), if_nameindex(3), netdevice(7). What is said of lo must hold everywhere; of other
 * interfaces, that the ways to ask agree. Nothing is changed: all requests are of the kind "get".
 */
#include "rtnl.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define ADDR(a) ((struct sockaddr *)&(a)), sizeof(a)

static struct sockaddr_nl name_of(int fd)
{
	struct sockaddr_nl a;
	socklen_t len = sizeof(a);

	must(getsockname(fd, (struct sockaddr *)&a, &len));
	return a;
}

static void ask(int fd, const struct request *r)
{
	must(send(fd, r, r->h.nlmsg_len, 0));
}

/* The error of the one message that is an answer, or 1 if it is something else. */
static int answer(int fd)
{
	static uint8_t buf[16384] __attribute__((aligned(8)));
	struct nlmsghdr *h = (struct nlmsghdr *)buf;

	if (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) <
	    (ssize_t)(NL_HEADER + sizeof(struct nlmsgerr)))
		return 1;
	return h->nlmsg_type == NLMSG_ERROR ? ((struct nlmsgerr *)NL_BODY(h))->error : 1;
}

typedef bool (*look_fn)(const struct nlmsghdr *h);

/* Reads a dump to its end: how many messages of @type it has for which @look is true; -1: wrong. */
static int count(int fd, int type, look_fn look)
{
	static uint8_t buf[32768] __attribute__((aligned(8)));
	uint32_t port = name_of(fd).nl_pid;
	int found = 0;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		struct nlmsghdr *h;

		for (ssize_t at = 0; at < n; at += (ssize_t)NL_ALIGN(h->nlmsg_len)) {
			h = (struct nlmsghdr *)(buf + at);
			if (h->nlmsg_seq != SEQ || h->nlmsg_pid != port ||
			    !(h->nlmsg_flags & NLM_F_MULTI) || h->nlmsg_len < NL_HEADER)
				return -1;
			if (h->nlmsg_type == NLMSG_DONE)
				return found;
			if (h->nlmsg_type != type)
				return -1;
			found += look(h);
		}
	}
	return -1;
}

static bool is_lo(const struct nlmsghdr *h)
{
	const struct ifinfomsg *m = NL_BODY(h);
	const char *name = find(h, sizeof(*m), IFLA_IFNAME);
	const uint32_t *mtu = find(h, sizeof(*m), IFLA_MTU);
	const uint8_t *mac = find(h, sizeof(*m), IFLA_ADDRESS);
	const void *stats = find(h, sizeof(*m), IFLA_STATS64);

	return name && !strcmp(name, "lo") && m->ifi_index == 1 && m->ifi_type == 772 &&
	       (m->ifi_flags & (IFF_UP | IFF_RUNNING | IFF_LOOPBACK)) ==
		       (IFF_UP | IFF_RUNNING | IFF_LOOPBACK) &&
	       mtu && *mtu == 65536 && mac && !memcmp(mac, "\0\0\0\0\0\0", 6) && stats;
}

static bool has_names(const struct nlmsghdr *h)
{
	const struct ifinfomsg *m = NL_BODY(h);
	const char *name = find(h, sizeof(*m), IFLA_IFNAME);
	char text[IF_NAMESIZE];

	return name && if_nametoindex(name) == (unsigned)m->ifi_index &&
	       if_indextoname((unsigned)m->ifi_index, text) && !strcmp(text, name);
}

static bool any(const struct nlmsghdr *h)
{
	return true;
}

static bool is_localhost(const struct nlmsghdr *h)
{
	const struct ifaddrmsg *m = NL_BODY(h);
	const uint32_t *local = find(h, sizeof(*m), IFA_LOCAL);
	const char *label = find(h, sizeof(*m), IFA_LABEL);

	return m->ifa_family == AF_INET && m->ifa_prefixlen == 8 && m->ifa_index == 1 &&
	       m->ifa_scope == RT_SCOPE_HOST && local && *local == htonl(INADDR_LOOPBACK) &&
	       label && !strcmp(label, "lo");
}

static bool is_inet(const struct nlmsghdr *h)
{
	return *(const uint8_t *)NL_BODY(h) == AF_INET;
}

static void names(void)
{
	int fd = route_socket(), other = route_socket(), v = -1;
	struct sockaddr_nl a = {.nl_family = AF_NETLINK};
	socklen_t len = sizeof(v);
	uint8_t c;

	fails(socket(AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE), ESOCKTNOSUPPORT);
	fails(socket(AF_NETLINK, SOCK_RAW, 99), EPROTONOSUPPORT);
	ok(!getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &v, &len) && v == AF_NETLINK, "SO_DOMAIN");
	ok(name_of(fd).nl_family == AF_NETLINK && !name_of(fd).nl_pid, "no port yet");
	fails(bind(fd, (struct sockaddr *)&a, 8), EINVAL);
	ok(!bind(fd, ADDR(a)) && name_of(fd).nl_pid == (uint32_t)getpid(), "bind(): the pid");
	fails(bind(fd, ADDR(a)), EINVAL);
	a.nl_pid = name_of(fd).nl_pid;
	ok(!bind(fd, ADDR(a)), "bind() to the same again");
	fails(bind(other, ADDR(a)), EADDRINUSE);
	a.nl_pid = 0;
	a.nl_groups = 1;
	ok(!bind(other, ADDR(a)) && name_of(other).nl_pid != name_of(fd).nl_pid &&
		   name_of(other).nl_pid && name_of(other).nl_groups == 1,
	   "another one, and a group");
	v = RTNLGRP_IPV4_IFADDR;
	ok(!setsockopt(other, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &v, sizeof(v)) &&
		   name_of(other).nl_groups == 0x11,
	   "NETLINK_ADD_MEMBERSHIP");
	ok(!setsockopt(other, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &v, sizeof(v)) &&
		   name_of(other).nl_groups == 1,
	   "NETLINK_DROP_MEMBERSHIP");
	v = 0;
	fails(setsockopt(other, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &v, sizeof(v)), EINVAL);
	v = 1;
	fails(setsockopt(other, SOL_NETLINK, 99, &v, sizeof(v)), ENOPROTOOPT);
	ok(!setsockopt(other, SOL_NETLINK, NETLINK_CAP_ACK, &v, sizeof(v)) &&
		   !getsockopt(other, SOL_NETLINK, NETLINK_CAP_ACK, &v, &len) && v == 1,
	   "NETLINK_CAP_ACK");
	fails(listen(fd, 1), EOPNOTSUPP);
	fails(accept(fd, NULL, NULL), EOPNOTSUPP);
	fails(shutdown(fd, SHUT_RD), EOPNOTSUPP);
	fails(recv(fd, &c, 1, MSG_DONTWAIT), EAGAIN);
	fails(recv(fd, &c, 1, MSG_OOB | MSG_DONTWAIT), EOPNOTSUPP);
	a.nl_groups = 0;
	ok(!connect(fd, ADDR(a)), "connect() to the kernel");
	a.nl_family = AF_INET;
	fails(connect(fd, ADDR(a)), EINVAL);
	close(other);
	close(fd);
}

static void links(void)
{
	int fd = route_socket(), ep = must(epoll_create1(0)), all;
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	struct request r = request(RTM_GETLINK, NLM_F_DUMP, 1, AF_UNSPEC);
	struct if_nameindex *list, *i;
	struct sockaddr_nl from;
	socklen_t len = sizeof(from);
	char buf[16];

	must(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	ok(epoll_wait(ep, &e, 1, 0) == 0, "nothing to read");
	ask(fd, &r);
	ok(epoll_wait(ep, &e, 1, 5000) == 1 && e.events == EPOLLIN, "an answer");
	ok(recvfrom(fd, buf, sizeof(buf), MSG_PEEK | MSG_TRUNC, (struct sockaddr *)&from, &len) >
			   (ssize_t)sizeof(buf) &&
		   len == sizeof(from) && from.nl_family == AF_NETLINK && !from.nl_pid &&
		   !from.nl_groups,
	   "MSG_PEEK | MSG_TRUNC, from the kernel");
	ok(count(fd, RTM_NEWLINK, is_lo) == 1, "lo, as it must be");
	ask(fd, &r);
	all = count(fd, RTM_NEWLINK, any);
	ask(fd, &r);
	ok(all >= 1 && count(fd, RTM_NEWLINK, has_names) == all, "each has a name and a number");
	list = if_nameindex();
	for (i = list; i && i->if_index; i++)
		all--;
	if_freenameindex(list);
	ok(all == 0, "if_nameindex() has them all");

	r = request(RTM_GETLINK, 0, sizeof(struct ifinfomsg), AF_UNSPEC);
	((struct ifinfomsg *)r.body)->ifi_index = 1;
	ask(fd, &r);
	ok(answer(fd) == 1, "one by its number");
	((struct ifinfomsg *)r.body)->ifi_index = 987654;
	ask(fd, &r);
	ok(answer(fd) == -ENODEV, "ENODEV");
	((struct ifinfomsg *)r.body)->ifi_index = 0;
	ask(fd, &r);
	ok(answer(fd) == -EINVAL, "neither number nor name: EINVAL");
	attr(&r, IFLA_IFNAME, "lo", 3);
	ask(fd, &r);
	ok(answer(fd) == 1, "one by its name");
	r.h.nlmsg_flags |= NLM_F_ACK;
	ask(fd, &r);
	ok(answer(fd) == 1 && answer(fd) == 0, "and an acknowledgement");
	close(ep);
	close(fd);
}

static void addresses(void)
{
	int fd = route_socket(), all, lo = 0;
	struct request r = request(RTM_GETADDR, NLM_F_DUMP, 1, AF_INET);
	struct ifaddrs *list = NULL, *i;

	ask(fd, &r);
	ok(count(fd, RTM_NEWADDR, is_localhost) == 1, "127.0.0.1/8");
	ask(fd, &r);
	all = count(fd, RTM_NEWADDR, is_inet);
	must(getifaddrs(&list));
	for (i = list; i; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
			continue;
		all--;
		lo += !strcmp(i->ifa_name, "lo") &&
		      ((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr ==
			      htonl(INADDR_LOOPBACK) &&
		      ((struct sockaddr_in *)i->ifa_netmask)->sin_addr.s_addr == htonl(0xff000000);
	}
	freeifaddrs(list);
	ok(all == 0 && lo == 1, "getifaddrs() has them all");
	r = request(RTM_GETROUTE, NLM_F_DUMP, sizeof(struct rtmsg), AF_INET);
	ask(fd, &r);
	ok(count(fd, RTM_NEWROUTE, is_inet) >= 0, "routes");
	r = request(RTM_GETNEIGH, NLM_F_DUMP, sizeof(struct ndmsg), AF_INET);
	ask(fd, &r);
	ok(count(fd, RTM_NEWNEIGH, is_inet) >= 0, "neighbours");
	close(fd);
}

static void one_route(void)
{
	static uint8_t buf[8192] __attribute__((aligned(8)));
	int fd = route_socket();
	struct request r = request(RTM_GETROUTE, 0, sizeof(struct rtmsg), AF_INET);
	const struct nlmsghdr *h = (struct nlmsghdr *)buf;
	const struct rtmsg *m = NL_BODY(h);
	uint32_t to = htonl(INADDR_LOOPBACK);
	const uint32_t *dst, *src, *oif;

	((struct rtmsg *)r.body)->rtm_dst_len = 32;
	attr(&r, RTA_DST, &to, sizeof(to));
	ask(fd, &r);
	must(recv(fd, buf, sizeof(buf), 0));
	dst = find(h, sizeof(*m), RTA_DST);
	src = find(h, sizeof(*m), RTA_PREFSRC);
	oif = find(h, sizeof(*m), RTA_OIF);
	ok(h->nlmsg_type == RTM_NEWROUTE && m->rtm_type == RTN_LOCAL && m->rtm_dst_len == 32 &&
		   dst && *dst == to && src && *src == to && oif && *oif == 1 &&
		   !find(h, sizeof(*m), RTA_GATEWAY),
	   "the way to 127.0.0.1 is lo");
	close(fd);
}

static void errors(void)
{
	static uint8_t big[8192] __attribute__((aligned(8)));
	struct sockaddr_nl a = {.nl_family = AF_INET};
	int fd = route_socket();
	struct request r = request(200, 0, 4, AF_UNSPEC);
	struct nlmsghdr *h = (struct nlmsghdr *)big;

	fails(send(fd, &r, 0, 0), ENODATA);
	fails(send(fd, &r, 16, MSG_OOB), EOPNOTSUPP);
	fails(send(fd, (void *)1, 16, 0), EFAULT);
	fails(sendto(fd, &r, 16, 0, ADDR(a)), EINVAL);
	fails(sendto(fd, &r, 16, 0, (struct sockaddr *)&a, 4), EINVAL);
	ask(fd, &r);
	ok(answer(fd) == -EOPNOTSUPP, "an unknown type");
	r.h.nlmsg_flags |= NLM_F_DUMP;
	ask(fd, &r);
	ok(answer(fd) == -EOPNOTSUPP, "and a dump of it");
	r = request(RTM_GETADDR, 0, sizeof(struct ifaddrmsg), AF_INET);
	ask(fd, &r);
	ok(answer(fd) == -EOPNOTSUPP, "a single address");
	r = request(RTM_GETLINK, 0, 4, AF_UNSPEC);
	ask(fd, &r);
	ok(answer(fd) == -EINVAL, "a body that is too short");
	r = request(RTM_GETLINK, 0, 0, AF_UNSPEC);
	ask(fd, &r);
	ok(answer(fd) == 1, "no body, no answer");
	r = request(RTM_GETLINK, NLM_F_ACK, 0, AF_UNSPEC);
	ask(fd, &r);
	ok(answer(fd) == 0, "but an acknowledgement");
	r = request(NLMSG_NOOP, NLM_F_ACK, 0, AF_UNSPEC);
	ask(fd, &r);
	ok(answer(fd) == 0, "NLMSG_NOOP");
	r = request(RTM_GETLINK, NLM_F_ACK, 0, AF_UNSPEC);
	r.h.nlmsg_flags = NLM_F_ACK;
	ask(fd, &r);
	ok(answer(fd) == 0, "what is no request is acknowledged too");

	/* A request that says it is longer than it is, or shorter than its header. */
	r = request(200, 0, 4, AF_UNSPEC);
	r.h.nlmsg_len = 100;
	must(send(fd, &r, 20, 0));
	ok(answer(fd) == 1, "a length beyond the end");
	r.h.nlmsg_len = 15;
	must(send(fd, &r, 20, 0));
	ok(answer(fd) == 1, "a length within the header");
	must(send(fd, &r, 7, 0));
	ok(answer(fd) == 1, "not even a header");

	/* Two at once, and the second unaligned in length. */
	r = request(200, 0, 5, AF_UNSPEC);
	memcpy(big, &r, 24);
	memcpy(big + 24, &r, 24);
	must(send(fd, big, 45, 0));
	ok(answer(fd) == -EOPNOTSUPP && answer(fd) == -EOPNOTSUPP && answer(fd) == 1,
	   "two requests, two answers");

	/* The whole request comes back with an error. */
	memset(big, 0, sizeof(big));
	*h = request(200, 0, 0, AF_UNSPEC).h;
	h->nlmsg_len = 8000;
	must(send(fd, big, 8000, 0));
	ok(recv(fd, big, sizeof(big), MSG_DONTWAIT) == 8020, "8000 bytes are quoted");
	close(fd);
}

/* What is not read is bounded, and the reader is told. */
static void flood(void)
{
	int fd = route_socket(), size = 4096, got = 0, err = -1;
	struct request r = request(200, 0, 200, AF_UNSPEC);
	struct pollfd p = {fd, POLLIN, 0};
	socklen_t len = sizeof(err);
	uint8_t buf[1000];

	must(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	for (int i = 0; i < 300; i++)
		if (send(fd, &r, r.h.nlmsg_len, 0) < 0)
			break;
	ok(poll(&p, 1, 0) == 1 && p.revents == (POLLIN | POLLERR), "POLLERR");
	ok(!getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) && err == ENOBUFS, "ENOBUFS");
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		got++;
	ok(got > 0 && got < 100, "most answers are lost");
	ask(fd, &r);
	ok(answer(fd) == -EOPNOTSUPP, "and it goes on");
	close(fd);
}

/* Requests of the kind "get" with bodies that make no sense. */
static void nonsense(void)
{
	int fd = route_socket();
	uint64_t seed = 7;
	struct request r;
	uint8_t buf[64];

	for (int i = 0; i < 3000; i++) {
		r = request(0, 0, 0, 0);
		for (size_t k = 0; k < sizeof(r.body); k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			/* Small numbers are likelier to be a length or a type. */
			r.body[k] = (uint8_t)(seed >> 33) >> (seed >> 60 & 7);
		}
		r.h.nlmsg_type = (uint16_t)(RTM_GETLINK + (r.body[0] & 3) * 4);
		r.h.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (r.body[1] & 1 ? NLM_F_DUMP : 0) |
					     (r.body[1] & 2 ? NLM_F_ACK : 0));
		r.h.nlmsg_len = NL_HEADER + r.body[2] % 230u;
		if (r.body[3] % 4)
			memset(r.body, 0, 8);
		send(fd, &r, r.h.nlmsg_len + (r.body[4] & 3u), 0);
		while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
			;
	}
	r = request(RTM_GETLINK, NLM_F_DUMP, 1, AF_UNSPEC);
	ask(fd, &r);
	ok(count(fd, RTM_NEWLINK, is_lo) == 1, "after nonsense, lo is still there");
	close(fd);
}

/* netdevice(7), by way of any socket. */
static void questions(void)
{
	int unix_fd = must(socket(AF_UNIX, SOCK_DGRAM, 0)), nl = route_socket();
	int udp = must(socket(AF_INET, SOCK_DGRAM, 0));
	struct ifreq r = {.ifr_ifindex = 1};
	struct ifconf c = {.ifc_len = 0};

	ok(!ioctl(unix_fd, SIOCGIFNAME, &r) && !strcmp(r.ifr_name, "lo"), "SIOCGIFNAME");
	ok(r.ifr_ifindex == 1, "the index is still there");
	ok(!ioctl(nl, SIOCGIFINDEX, &r) && r.ifr_ifindex == 1, "SIOCGIFINDEX");
	r.ifr_ifindex = 987654;
	fails(ioctl(udp, SIOCGIFNAME, &r), ENODEV);
	strcpy(r.ifr_name, "nosuch");
	fails(ioctl(udp, SIOCGIFFLAGS, &r), ENODEV);
	fails(ioctl(udp, SIOCGIFFLAGS, 1), EFAULT);
	strcpy(r.ifr_name, "lo");
	ok(!ioctl(udp, SIOCGIFADDR, &r) &&
		   ((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK),
	   "SIOCGIFADDR");
	ok(!ioctl(udp, SIOCGIFFLAGS, &r) && (r.ifr_flags & IFF_LOOPBACK), "SIOCGIFFLAGS");
	ok(!ioctl(udp, SIOCGIFMTU, &r) && r.ifr_mtu == 65536, "SIOCGIFMTU");
	ok(!ioctl(udp, SIOCGIFCONF, &c) && c.ifc_len >= (int)sizeof(r) &&
		   c.ifc_len % (int)sizeof(r) == 0,
	   "SIOCGIFCONF: how many bytes");
	c.ifc_len = sizeof(r) + 3;
	c.ifc_req = &r;
	ok(!ioctl(udp, SIOCGIFCONF, &c) && c.ifc_len == sizeof(r), "and as many as fit");
	close(udp);
	close(nl);
	close(unix_fd);
}

int main(void)
{
	names();
	links();
	addresses();
	one_route();
	errors();
	flood();
	nonsense();
	questions();
	return tap_done();
}
