/* What /proc/net and /proc/sys/net say of sockets and of what they do. proc(5), tcp(7), ip(7). */
#include "tap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define ADDR(a) ((struct sockaddr *)&(a)), sizeof(a)

/*
 * A number of a file of pairs of lines, "Udp: InDatagrams NoPorts" above "Udp: 5 2"; with @name in the
 * same line as its value ("UDP: inuse 3") too. -1 if it is not there.
 */
static long number(const char *path, const char *group, const char *name)
{
	char head[2048], line[2048];
	char *h, *v, *hs, *vs;
	FILE *f = fopen(path, "r");
	long found = -1;

	if (!f)
		return -1;
	while (found < 0 && fgets(head, sizeof(head), f)) {
		if (strncmp(head, group, strlen(group)))
			continue;
		h = strstr(head, name);
		if (h && strstr(path, "sockstat"))
			found = atol(h + strlen(name));
		else if (h && fgets(line, sizeof(line), f)) {
			h = strtok_r(head, " \n", &hs);
			v = strtok_r(line, " \n", &vs);
			while (h && v && strcmp(h, name)) {
				h = strtok_r(NULL, " \n", &hs);
				v = strtok_r(NULL, " \n", &vs);
			}
			found = h && v ? atol(v) : -1;
		}
	}
	fclose(f);
	return found;
}

static long snmp(const char *group, const char *name)
{
	return number("/proc/net/snmp", group, name);
}

static long sysctl(const char *name)
{
	char path[100], text[50] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return atol(text);
}

static struct sockaddr_in name_of(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	must(getsockname(fd, (struct sockaddr *)&a, &len));
	return a;
}

static int bound(int type)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = must(socket(AF_INET, type, 0));

	must(bind(fd, ADDR(a)));
	return fd;
}

/* Does a table list the socket, in this state, with its owner and inode? */
static bool listed(const char *path, int fd, unsigned state)
{
	unsigned addr, port, st, uid, want = ntohs(name_of(fd).sin_port);
	unsigned long ino;
	char line[512];
	struct stat s;
	bool found = false;
	FILE *f = fopen(path, "r");

	must(fstat(fd, &s));
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " %*u: %x:%x %*x:%*x %x %*x:%*x %*x:%*x %*x %u %*u %lu", &addr,
			   &port, &st, &uid, &ino) == 5 &&
		    port == want && ino == s.st_ino)
			found = addr == htonl(INADDR_LOOPBACK) && st == state && uid == getuid();
	if (f)
		fclose(f);
	return found;
}

static void udp(void)
{
	int r = bound(SOCK_DGRAM), s = must(socket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr_in a = name_of(r);
	long out = snmp("Udp:", "OutDatagrams"), in = snmp("Udp:", "InDatagrams");
	long none = snmp("Udp:", "NoPorts"), unreach = snmp("Icmp:", "InDestUnreachs");
	char b[8];

	ok(out >= 0 && in >= 0 && none >= 0 && unreach >= 0, "/proc/net/snmp counts for UDP");
	ok(listed("/proc/net/udp", r, 7), "/proc/net/udp lists it");
	ok(number("/proc/net/sockstat", "UDP:", "inuse") >= 1, "sockstat too");
	for (int i = 0; i < 10; i++) {
		must(sendto(s, "x", 1, 0, ADDR(a)));
		must(recv(r, b, sizeof(b), 0));
	}
	ok(snmp("Udp:", "OutDatagrams") >= out + 10, "10 datagrams out");
	ok(snmp("Udp:", "InDatagrams") >= in + 10, "10 datagrams in");
	close(r);
	must(sendto(s, "x", 1, 0, ADDR(a)));
	for (int i = 0; i < 1000 && snmp("Icmp:", "InDestUnreachs") == unreach; i++)
		usleep(10000);
	ok(snmp("Udp:", "NoPorts") > none, "one to nobody");
	ok(snmp("Icmp:", "InDestUnreachs") > unreach, "and ICMP said so");
	close(s);
}

static void tcp(void)
{
	int l = bound(SOCK_STREAM), c = must(socket(AF_INET, SOCK_STREAM, 0)), s;
	struct sockaddr_in a = name_of(l);
	long active = snmp("Tcp:", "ActiveOpens"), passive = snmp("Tcp:", "PassiveOpens");
	long in = snmp("Tcp:", "InSegs"), out = snmp("Tcp:", "OutSegs");
	long ip = snmp("Ip:", "InReceives");

	ok(active >= 0 && passive >= 0 && in >= 0 && out >= 0 && ip >= 0 &&
		   snmp("Tcp:", "RetransSegs") >= 0,
	   "and for TCP and IP");
	must(listen(l, 1));
	ok(listed("/proc/net/tcp", l, 10), "/proc/net/tcp lists a listener");
	must(connect(c, ADDR(a)));
	s = must(accept(l, NULL, NULL));
	ok(listed("/proc/net/tcp", c, 1) && listed("/proc/net/tcp", s, 1), "and both ends");
	must(write(c, "x", 1));
	ok(snmp("Tcp:", "ActiveOpens") > active && snmp("Tcp:", "PassiveOpens") > passive,
	   "one connection more");
	ok(snmp("Tcp:", "CurrEstab") >= 2, "both ends are established");
	ok(number("/proc/net/sockstat", "TCP:", "inuse") >= 2, "sockstat knows them");
	ok(number("/proc/net/sockstat", "sockets:", "used") >= 3, "and all three sockets");
	ok(snmp("Tcp:", "InSegs") >= in + 4 && snmp("Tcp:", "OutSegs") >= out + 4,
	   "four segments at least");
	ok(snmp("Ip:", "InReceives") >= ip + 4, "each in a packet");
	close(c);
	close(s);
	close(l);
}

static void settings(void)
{
	int fd = bound(SOCK_STREAM), v = 0, port = ntohs(name_of(fd).sin_port), low, high;
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
	socklen_t len = sizeof(v);

	ok(f && fscanf(f, "%d %d", &low, &high) == 2 && low <= port && port <= high,
	   "ip_local_port_range: from there comes a port");
	must(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &v, &len));
	ok(sysctl("ipv4/tcp_keepalive_time") == v, "tcp_keepalive_time");
	must(getsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &v, &len));
	ok(sysctl("ipv4/tcp_keepalive_intvl") == v, "tcp_keepalive_intvl");
	must(getsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &v, &len));
	ok(sysctl("ipv4/tcp_keepalive_probes") == v, "tcp_keepalive_probes");
	must(getsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &v, &len));
	ok(sysctl("ipv4/tcp_syn_retries") == v, "tcp_syn_retries");
	must(getsockopt(fd, IPPROTO_IP, IP_TTL, &v, &len));
	ok(sysctl("ipv4/ip_default_ttl") == v, "ip_default_ttl");
	v = 1 << 30;
	must(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, sizeof(v)));
	must(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, &len));
	ok(sysctl("core/rmem_max") * 2 == v, "rmem_max, doubled, is what SO_RCVBUF reaches");
	v = 1 << 30;
	must(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &v, sizeof(v)));
	must(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &v, &len));
	ok(sysctl("core/wmem_max") * 2 == v, "wmem_max likewise");
	fclose(f);
	close(fd);
}

int main(void)
{
	udp();
	tcp();
	settings();
	return tap_done();
}
