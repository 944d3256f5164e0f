/*
 * Route sockets, what cannot be tried on the host: "rtnl watch N" tells what becomes of cables and
 * addresses until N changes have come; "rtnl noise" sends requests of all kinds that make no sense,
 * those that would change something too, and fills its queue from several threads.
 */
#include "tests/abi/rtnl.h"

#include <arpa/inet.h>
#include <pthread.h>

static int watch(int changes)
{
	static uint32_t buf[4096];
	struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_groups = 0x11}, from;
	const struct nlmsghdr *h = (const struct nlmsghdr *)buf;
	const struct ifinfomsg *m = NL_BODY(h);
	int fd = route_socket();
	socklen_t len;

	must(bind(fd, (struct sockaddr *)&a, sizeof(a)));
	printf("watching\n");
	fflush(stdout);
	for (; changes; changes--) {
		len = sizeof(from);
		must(recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len));
		if (h->nlmsg_pid)
			return 1;
		if (h->nlmsg_type == RTM_NEWLINK && from.nl_groups == 1)
			printf("%s is %s\n", (const char *)find(h, sizeof(*m), IFLA_IFNAME),
			       m->ifi_flags & IFF_RUNNING ? "up" : "down");
		else if (h->nlmsg_type == RTM_NEWADDR && from.nl_groups == 0x10)
			printf("%s has %s\n",
			       (const char *)find(h, sizeof(struct ifaddrmsg), IFA_LABEL),
			       inet_ntoa(*(const struct in_addr *)find(h, sizeof(struct ifaddrmsg),
								       IFA_LOCAL)));
		else
			return 1;
		fflush(stdout);
	}
	return 0;
}

static void *shout(void *arg)
{
	uint64_t seed = (uintptr_t)arg;
	int fd = route_socket();
	struct request r[8];
	uint8_t *b = (uint8_t *)r, c[2000];
	size_t at;

	for (int i = 0; i < 1000; i++) {
		for (size_t k = 0; k < sizeof(r); k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			b[k] = (uint8_t)(seed >> 33) >> (seed >> 60 & 7);
		}
		/* Headers that are nearly right, one behind the other. */
		for (at = 0; at + 300 < sizeof(r);) {
			struct nlmsghdr *h = (struct nlmsghdr *)(b + at);

			h->nlmsg_len = NL_HEADER + h->nlmsg_len % 60;
			h->nlmsg_type %= 140;
			h->nlmsg_flags |= NLM_F_REQUEST;
			at += NL_ALIGN(h->nlmsg_len) + (b[at + 20] == 1);
		}
		send(fd, r, at, MSG_DONTWAIT);
		while (i % 16 == 0 &&
		       (recv(fd, c, sizeof(c), MSG_DONTWAIT) >= 0 || errno == ENOBUFS))
			;
	}
	close(fd);
	return NULL;
}

static int noise(void)
{
	pthread_t t[4];

	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, shout, (void *)(i + 1));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "watch"))
		return watch(atoi(argv[2]));
	return noise();
}
