/*
 * Multicast over the loopback interface: joining and leaving groups, and who hears what. ip(7).
 */
#include "tap.h"
#include "inet.h"

#include <fcntl.h>
#include <net/if.h>

#ifndef IP_MULTICAST_ALL
#define IP_MULTICAST_ALL 49
#endif

#define GROUP   "239.77.1.1"
#define OTHER   "239.77.1.2"
#define NOWHERE "203.0.113.9" /* TEST-NET-3, nobody's address */

static struct ip_mreqn request(const char *group, const char *address, int index)
{
	return (struct ip_mreqn){{inet_addr(group)}, {inet_addr(address)}, index};
}

static int membership(int fd, int option, const char *group, const char *address, int index)
{
	struct ip_mreqn r = request(group, address, index);

	return setsockopt(fd, IPPROTO_IP, option, &r, sizeof(r));
}

static int join(int fd, const char *group)
{
	return membership(fd, IP_ADD_MEMBERSHIP, group, "127.0.0.1", 0);
}

static int leave(int fd, const char *group)
{
	return membership(fd, IP_DROP_MEMBERSHIP, group, "127.0.0.1", 0);
}

/* A socket that shares @port with others; 0: any port. */
static int receiver(const char *address, int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1, fd = must(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));

	a.sin_addr.s_addr = inet_addr(address);
	must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	must(bind(fd, ADDR(a)));
	return fd;
}

static int sender(void)
{
	struct in_addr lo = {htonl(INADDR_LOOPBACK)};
	int fd = must(socket(AF_INET, SOCK_DGRAM, 0));

	must(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof(lo)));
	return fd;
}

static void say(int fd, const char *address, int port, char c)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	a.sin_addr.s_addr = inet_addr(address);
	if (sendto(fd, &c, 1, 0, ADDR(a)) != 1)
		printf("# sendto %s: %s\n", address, strerror(errno));
}

static bool hears(int fd, char c)
{
	struct pollfd p = {fd, POLLIN, 0};
	char got = 0;

	return poll(&p, 1, 5000) == 1 && read(fd, &got, 1) == 1 && got == c;
}

/* A datagram to the socket itself comes after all that was sent before: then there was nothing else. */
static bool silent(int fd)
{
	int s = sender();

	say(s, "127.0.0.1", port_of(fd), '.');
	close(s);
	return hears(fd, '.');
}

static void test_errors(void)
{
	int fd = receiver("0.0.0.0", 0), tcp = must(socket(AF_INET, SOCK_STREAM, 0));
	struct ip_mreqn r = request(GROUP, "127.0.0.1", 0);

	fails(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, 4), EINVAL);
	fails(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, NULL, sizeof(r)), EFAULT);
	fails(membership(fd, IP_ADD_MEMBERSHIP, "10.0.0.1", "127.0.0.1", 0), EINVAL);
	fails(membership(fd, IP_ADD_MEMBERSHIP, GROUP, NOWHERE, 0), ENODEV);
	fails(membership(fd, IP_ADD_MEMBERSHIP, GROUP, "127.0.0.1", 99), ENODEV);
	fails(leave(fd, GROUP), EADDRNOTAVAIL);
	ok(!setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, sizeof(struct ip_mreq)),
	   "a request without an index joins");
	fails(join(fd, GROUP), EADDRINUSE);
	ok(!join(fd, OTHER), "a second group");
	fails(membership(fd, IP_ADD_MEMBERSHIP, GROUP, "0.0.0.0", (int)if_nametoindex("lo")),
	      EADDRINUSE);
	ok(!leave(fd, GROUP), "leave");
	fails(leave(fd, GROUP), EADDRNOTAVAIL);
	ok(!membership(fd, IP_ADD_MEMBERSHIP, GROUP, "0.0.0.0", (int)if_nametoindex("lo")),
	   "join by index");
	ok(!join(fd, "224.0.0.1"), "all hosts, a group that everyone is in");
	ok(!leave(fd, "224.0.0.1"), "leave it");
	fails(join(tcp, GROUP), EPROTO);
	fails(leave(tcp, GROUP), EPROTO);
	close(tcp);
	close(fd);
}

static void test_interface(void)
{
	struct in_addr a = {htonl(INADDR_LOOPBACK)}, got = {1};
	struct ip_mreqn r = request("0.0.0.0", "0.0.0.0", (int)if_nametoindex("lo"));
	socklen_t len = sizeof(got);
	int fd = must(socket(AF_INET, SOCK_DGRAM, 0)), tcp = must(socket(AF_INET, SOCK_STREAM, 0));

	ok(!getsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &got, &len) && len == 4 && !got.s_addr,
	   "no interface for groups is chosen");
	ok(!setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &a, sizeof(a)) &&
		   !getsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &got, &len) &&
		   got.s_addr == a.s_addr,
	   "lo is, by its address");
	fails(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &a, 3), EINVAL);
	a.s_addr = inet_addr(NOWHERE);
	fails(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &a, sizeof(a)), EADDRNOTAVAIL);
	ok(!setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &r, sizeof(r)), "lo is, by its index");
	r.imr_ifindex = 99;
	fails(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &r, sizeof(r)), EADDRNOTAVAIL);
	a.s_addr = 0;
	ok(!setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &a, sizeof(a)), "none again");
	fails(setsockopt(tcp, IPPROTO_IP, IP_MULTICAST_IF, &a, sizeof(a)), EINVAL);
	close(tcp);
	close(fd);
}

static void test_delivery(void)
{
	int a = receiver("0.0.0.0", 0), port = port_of(a), b = receiver("0.0.0.0", port);
	int s = sender(), zero = 0, two = 2;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char c;

	must(join(a, GROUP));
	must(join(b, GROUP));
	say(s, GROUP, port, '1');
	ok(hears(a, '1') && hears(b, '1'), "both members hear it");
	must(leave(a, GROUP));
	say(s, GROUP, port, '2');
	ok(hears(a, '2') && hears(b, '2'),
	   "who has left does, too, as long as the host is a member");
	ok(!setsockopt(a, IPPROTO_IP, IP_MULTICAST_ALL, &zero, sizeof(zero)),
	   "IP_MULTICAST_ALL off");
	fails(setsockopt(a, IPPROTO_IP, IP_MULTICAST_ALL, &two, sizeof(two)), EINVAL);
	say(s, GROUP, port, '3');
	ok(hears(b, '3') && events(a, 0) == (POLLOUT | POLLWRNORM | POLLWRBAND),
	   "then it hears its own groups only");
	must(join(a, GROUP));
	say(s, GROUP, port, '4');
	ok(hears(a, '4') && recvfrom(b, &c, 1, 0, (struct sockaddr *)&from, &len) == 1 &&
		   c == '4' && from.sin_addr.s_addr == htonl(INADDR_LOOPBACK) &&
		   ntohs(from.sin_port) == port_of(s),
	   "the sender is the interface's address");
	close(a);
	say(s, GROUP, port, '5');
	ok(hears(b, '5'), "the other is still a member");
	must(leave(b, GROUP));
	say(s, GROUP, port, '6');
	ok(silent(b), "the last member has left");
	close(b);
	close(s);
}

static void test_bound_to_group(void)
{
	int d = receiver(GROUP, 0), port = port_of(d), any = receiver("0.0.0.0", port),
	    s = sender();

	must(join(d, GROUP));
	must(join(any, OTHER));
	say(s, OTHER, port, 'o');
	ok(hears(any, 'o'), "another group");
	say(s, "127.0.0.1", port, 'u');
	ok(hears(any, 'u'), "an address");
	say(s, GROUP, port, 'g');
	ok(hears(any, 'g') && hears(d, 'g'), "a socket bound to a group hears that alone");
	close(any);
	close(d);
	close(s);
}

static void test_pktinfo(void)
{
	int fd = receiver("0.0.0.0", 0), s = sender(), one = 1;
	char control[CMSG_SPACE(sizeof(struct in_pktinfo))], c;
	struct iovec v = {&c, 1};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct pollfd p = {fd, POLLIN, 0};
	struct in_pktinfo pi = {0};

	must(setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)));
	must(join(fd, GROUP));
	say(s, GROUP, port_of(fd), 'p');
	ok(poll(&p, 1, 5000) == 1 && recvmsg(fd, &m, 0) == 1 && CMSG_FIRSTHDR(&m), "IP_PKTINFO");
	memcpy(&pi, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(pi));
	ok(pi.ipi_addr.s_addr == inet_addr(GROUP) &&
		   pi.ipi_spec_dst.s_addr == htonl(INADDR_LOOPBACK) &&
		   pi.ipi_ifindex == (int)if_nametoindex("lo"),
	   "the group, and the address to answer with");
	close(fd);
	close(s);
}

int main(void)
{
	test_errors();
	test_interface();
	test_delivery();
	test_bound_to_group();
	test_pktinfo();
	return tap_done();
}
