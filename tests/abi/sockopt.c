/* Options of sockets: getsockopt(2), setsockopt(2), socket(7), ip(7), tcp(7). */
#include "tap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#define ANY ((int)0x80000000)

static int get(int fd, int level, int name)
{
	int v = ANY;
	socklen_t len = sizeof(v);

	return getsockopt(fd, level, name, &v, &len) ? -errno : v;
}

static int set(int fd, int level, int name, int v)
{
	return setsockopt(fd, level, name, &v, sizeof(v));
}

static void flags(int fd)
{
	static const struct {
		int level, name;
		const char *text;
	} f[] = {
		{SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR"},
		{SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE"},
		{SOL_SOCKET, SO_BROADCAST, "SO_BROADCAST"},
		{SOL_SOCKET, SO_OOBINLINE, "SO_OOBINLINE"},
		{IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY"},
		{IPPROTO_TCP, TCP_CORK, "TCP_CORK"},
	};

	for (size_t i = 0; i < sizeof(f) / sizeof(*f); i++) {
		ok(get(fd, f[i].level, f[i].name) == 0, "%s is off", f[i].text);
		ok(!set(fd, f[i].level, f[i].name, 1) && get(fd, f[i].level, f[i].name) == 1,
		   "%s on", f[i].text);
		ok(!set(fd, f[i].level, f[i].name, 0) && get(fd, f[i].level, f[i].name) == 0,
		   "%s off again", f[i].text);
	}
}

static void read_only(int fd)
{
	ok(get(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM, "SO_TYPE");
	ok(get(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET, "SO_DOMAIN");
	ok(get(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP, "SO_PROTOCOL");
	ok(get(fd, SOL_SOCKET, SO_ERROR) == 0, "SO_ERROR");
	ok(get(fd, SOL_SOCKET, SO_ACCEPTCONN) == 0, "SO_ACCEPTCONN");
	ok(get(fd, SOL_SOCKET, SO_SNDLOWAT) == 1, "SO_SNDLOWAT");
	fails(set(fd, SOL_SOCKET, SO_TYPE, 1), ENOPROTOOPT);
	fails(set(fd, SOL_SOCKET, SO_ERROR, 1), ENOPROTOOPT);
	fails(set(fd, SOL_SOCKET, SO_ACCEPTCONN, 1), ENOPROTOOPT);
	fails(set(fd, SOL_SOCKET, SO_SNDLOWAT, 1), ENOPROTOOPT);
	must(listen(fd, 1));
	ok(get(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1, "SO_ACCEPTCONN of a listener");
}

static void buffers(int fd)
{
	ok(!set(fd, SOL_SOCKET, SO_RCVBUF, 20000) && get(fd, SOL_SOCKET, SO_RCVBUF) == 40000,
	   "SO_RCVBUF is doubled");
	ok(!set(fd, SOL_SOCKET, SO_SNDBUF, 20000) && get(fd, SOL_SOCKET, SO_SNDBUF) == 40000,
	   "SO_SNDBUF is doubled");
	ok(!set(fd, SOL_SOCKET, SO_RCVBUF, 1) && get(fd, SOL_SOCKET, SO_RCVBUF) == 2304,
	   "SO_RCVBUF has a least size");
	ok(!set(fd, SOL_SOCKET, SO_SNDBUF, 1) && get(fd, SOL_SOCKET, SO_SNDBUF) == 4608,
	   "SO_SNDBUF too");
	ok(!set(fd, SOL_SOCKET, SO_RCVLOWAT, 100) && get(fd, SOL_SOCKET, SO_RCVLOWAT) == 100,
	   "SO_RCVLOWAT");
	ok(!set(fd, SOL_SOCKET, SO_RCVLOWAT, 0) && get(fd, SOL_SOCKET, SO_RCVLOWAT) == 1,
	   "SO_RCVLOWAT of 0 is 1");
}

static void times(int fd, int name, const char *text)
{
	struct timeval tv = {1, 500000}, back = {9, 9};
	socklen_t len = sizeof(back);

	ok(!getsockopt(fd, SOL_SOCKET, name, &back, &len) && !back.tv_sec && !back.tv_usec,
	   "%s is none", text);
	ok(!setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv)) &&
		   !getsockopt(fd, SOL_SOCKET, name, &back, &len) && len == sizeof(back) &&
		   back.tv_sec == 1 && back.tv_usec == 500000,
	   "%s of 1.5 s", text);
	tv.tv_usec = 1000000;
	fails(setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv)), EDOM);
	fails(setsockopt(fd, SOL_SOCKET, name, &tv, 8), EINVAL);
	tv.tv_sec = tv.tv_usec = 0;
	ok(!setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv)), "%s none again", text);
}

static void lingering(int fd)
{
	struct linger l = {1, 7}, back = {5, 5};
	socklen_t len = sizeof(back);

	ok(!getsockopt(fd, SOL_SOCKET, SO_LINGER, &back, &len) && !back.l_onoff,
	   "SO_LINGER is off");
	ok(!setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) &&
		   !getsockopt(fd, SOL_SOCKET, SO_LINGER, &back, &len) && back.l_onoff == 1 &&
		   back.l_linger == 7,
	   "SO_LINGER of 7 s");
	fails(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, 4), EINVAL);
	l.l_onoff = 0;
	must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
}

static void tcp_level(int fd)
{
	char name[16] = "";
	struct tcp_info info;
	socklen_t len = sizeof(name);

	ok(get(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 7200, "TCP_KEEPIDLE is two hours");
	ok(get(fd, IPPROTO_TCP, TCP_KEEPINTVL) == 75, "TCP_KEEPINTVL");
	ok(get(fd, IPPROTO_TCP, TCP_KEEPCNT) == 9, "TCP_KEEPCNT");
	ok(!set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 5) && get(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 5,
	   "TCP_KEEPIDLE of 5 s");
	ok(!set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 6) && get(fd, IPPROTO_TCP, TCP_KEEPINTVL) == 6,
	   "TCP_KEEPINTVL of 6 s");
	ok(!set(fd, IPPROTO_TCP, TCP_KEEPCNT, 7) && get(fd, IPPROTO_TCP, TCP_KEEPCNT) == 7,
	   "TCP_KEEPCNT of 7");
	fails(set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 0), EINVAL);
	fails(set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 32768), EINVAL);
	fails(set(fd, IPPROTO_TCP, TCP_KEEPINTVL, -1), EINVAL);
	fails(set(fd, IPPROTO_TCP, TCP_KEEPCNT, 128), EINVAL);
	ok(!getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len) && name[0], "TCP_CONGESTION");
	ok(!setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), "reno is known");
	fails(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nonsense", 8), ENOENT);
	len = sizeof(info);
	ok(!getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) && info.tcpi_state == TCP_CLOSE,
	   "TCP_INFO: closed");
	len = 1;
	ok(!getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) && len == 1, "TCP_INFO cut short");
	fails(set(fd, IPPROTO_TCP, 9999, 1), ENOPROTOOPT);
	ok(get(fd, IPPROTO_TCP, 9999) == -ENOPROTOOPT, "an unknown option of TCP");
}

static void ip_level(int fd)
{
	unsigned char byte = 9;

	ok(get(fd, IPPROTO_IP, IP_TTL) == 64, "IP_TTL");
	ok(!set(fd, IPPROTO_IP, IP_TTL, 33) && get(fd, IPPROTO_IP, IP_TTL) == 33, "IP_TTL of 33");
	ok(!setsockopt(fd, IPPROTO_IP, IP_TTL, &byte, 1) && get(fd, IPPROTO_IP, IP_TTL) == 9,
	   "IP_TTL as one byte");
	ok(!set(fd, IPPROTO_IP, IP_TTL, -1) && get(fd, IPPROTO_IP, IP_TTL) == 64, "IP_TTL of -1");
	fails(set(fd, IPPROTO_IP, IP_TTL, 256), EINVAL);
	fails(set(fd, IPPROTO_IP, IP_TTL, 0), EINVAL);
	ok(get(fd, IPPROTO_IP, IP_TOS) == 0, "IP_TOS");
	ok(!set(fd, IPPROTO_IP, IP_TOS, 0x10) && get(fd, IPPROTO_IP, IP_TOS) == 0x10,
	   "IP_TOS of low delay");
}

static void arguments(int fd)
{
	int v = 1, p[2];
	socklen_t len;
	char c = 7;

	must(pipe(p));
	fails(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, 1), EINVAL);
	fails(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, (socklen_t)-1), EINVAL);
	fails(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, NULL, sizeof(v)), EFAULT);
	fails(setsockopt(fd, SOL_SOCKET, 9999, &v, sizeof(v)), ENOPROTOOPT);
	fails(setsockopt(fd, 9999, 1, &v, sizeof(v)), ENOPROTOOPT);
	fails(setsockopt(p[0], SOL_SOCKET, SO_REUSEADDR, &v, sizeof(v)), ENOTSOCK);
	fails(setsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &v, sizeof(v)), EBADF);
	ok(get(fd, SOL_SOCKET, 9999) == -ENOPROTOOPT, "an unknown option");
	fails(getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, NULL), EFAULT);
	len = sizeof(v);
	fails(getsockopt(fd, SOL_SOCKET, SO_TYPE, NULL, &len), EFAULT);
	len = (socklen_t)-1;
	fails(getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &len), EINVAL);
	len = 1;
	ok(!getsockopt(fd, SOL_SOCKET, SO_TYPE, &c, &len) && len == 1 && c == SOCK_STREAM,
	   "an int cut to a byte");
	len = 100;
	ok(!getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &len) && len == sizeof(v),
	   "more room than needed");
}

int main(void)
{
	int fd = must(socket(AF_INET, SOCK_STREAM, 0)), udp = must(socket(AF_INET, SOCK_DGRAM, 0));

	flags(fd);
	tcp_level(fd);
	ip_level(fd);
	buffers(fd);
	times(fd, SO_RCVTIMEO, "SO_RCVTIMEO");
	times(fd, SO_SNDTIMEO, "SO_SNDTIMEO");
	lingering(fd);
	arguments(fd);
	read_only(fd);
	ok(get(udp, SOL_SOCKET, SO_TYPE) == SOCK_DGRAM, "SO_TYPE of UDP");
	ok(get(udp, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_UDP, "SO_PROTOCOL of UDP");
	ok(get(udp, IPPROTO_TCP, TCP_NODELAY) == -EOPNOTSUPP ||
		   get(udp, IPPROTO_TCP, TCP_NODELAY) == -ENOPROTOOPT,
	   "no options of TCP");
	ok(!set(udp, SOL_SOCKET, SO_BROADCAST, 1) && get(udp, SOL_SOCKET, SO_BROADCAST) == 1,
	   "SO_BROADCAST of UDP");
	return tap_done();
}
