/*
 * group GROUP PORT: a member of a multicast group on the interface of the default route. It answers the
 * first datagram that comes for the group with what the datagram was, tells the group itself something, and
 * leaves. What it says of IP_MULTICAST_LOOP holds on Linux, too.
 */
#include "tests/abi/tap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

static struct sockaddr_in group;
static char text[1500];

static void tell(int fd, const char *what, int loop)
{
	must(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &loop, sizeof(loop)));
	must(sendto(fd, what, strlen(what), 0, (struct sockaddr *)&group, sizeof(group)));
}

static bool hears(int fd, const char *what)
{
	struct pollfd p = {fd, POLLIN, 0};
	ssize_t n = poll(&p, 1, 10000) == 1 ? read(fd, text, sizeof(text)) : -1;

	return n == (ssize_t)strlen(what) && !memcmp(text, what, strlen(what));
}

int main(int argc, char **argv)
{
	struct ip_mreqn r = {0};
	socklen_t len = sizeof(group);
	struct sockaddr_in from;
	ssize_t n;
	int fd;

	if (argc < 3)
		return 2;
	fd = must(socket(AF_INET, SOCK_DGRAM, 0));
	group.sin_family = AF_INET;
	group.sin_port = htons((uint16_t)atoi(argv[2]));
	must(bind(fd, (struct sockaddr *)&group, sizeof(group)));
	group.sin_addr.s_addr = r.imr_multiaddr.s_addr = inet_addr(argv[1]);
	ok(!setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, sizeof(r)), "join");
	n = recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&from, &len);
	ok(n > 0 && sendto(fd, text, (size_t)n, 0, (struct sockaddr *)&from, len) == n, "answer");
	tell(fd, "to all", 1);
	ok(hears(fd, "to all"), "a member hears itself");
	tell(fd, "to the others", 0);
	tell(fd, "to all again", 1);
	ok(hears(fd, "to all again"), "without IP_MULTICAST_LOOP it does not");
	ok(!setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &r, sizeof(r)), "leave");
	return tap_done();
}
