/*
 * What a program can ask of IP: the options of level SOL_IP, ancillary data of datagrams, and the
 * error queue. ip(7).
 *
 * An option is one line of a table: a bit of inet->ipflags, or a byte with its bounds. Ancillary data
 * goes both ways: recvmsg(2) is told what a datagram's headers said, sendmsg(2) chooses the source
 * address, the TTL and the TOS of one datagram.
 *
 * LOCKING: bytes and words that are read without a lock; whoever keeps a queue of struct inet_err
 * locks it.
 */

#include "kernel/lib/string.h"
#include "kernel/mm/uaccess.h"
#include "net/inet.h"
#include "net/net.h"
#include "net/scm.h"

#define DEFAULT_TTL 64

/* ---- options ---- */

static const struct {
	int name;
	u8 bit;
} ip_flags[] = {
	{IP_HDRINCL, INET_HDRINCL},   {IP_PKTINFO, INET_PKTINFO},
	{IP_RECVTTL, INET_RECVTTL},   {IP_RECVTOS, INET_RECVTOS},
	{IP_RECVERR, INET_RECVERR},   {IP_BIND_ADDRESS_NO_PORT, INET_NO_PORT},
	{IP_FREEBIND, INET_FREEBIND}, {IP_RECVORIGDSTADDR, INET_ORIGDST},
};

static u8 ip_flag(const struct sock *sk, int name)
{
	if (name == IP_HDRINCL && sk->type != SOCK_RAW)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(ip_flags); i++)
		if (ip_flags[i].name == name)
			return ip_flags[i].bit;
	return 0;
}

static bool ip_option_known(const struct sock *sk, int name)
{
	return ip_flag(sk, name) || name == IP_TTL || name == IP_TOS || name == IP_MTU_DISCOVER;
}

static int set_ip_option(struct sock *sk, int name, int v, int len)
{
	struct inet_sock *inet = inet_sk(sk);
	u8 flag = ip_flag(sk, name);

	if (flag) {
		lock_net();
		WRITE_ONCE(inet->ipflags, (u8)((inet->ipflags & ~flag) | (v ? flag : 0)));
		unlock_net();
		return 0;
	}
	switch (name) {
	case IP_TTL:
		if (v == -1)
			v = DEFAULT_TTL;
		if (len < 1 || v < 1 || v > 255)
			return -EINVAL;
		WRITE_ONCE(inet->ttl, (u8)v);
		return 0;
	case IP_TOS:
		WRITE_ONCE(inet->tos, (u8)v);
		return 0;
	default: /* IP_MTU_DISCOVER */
		if (v < 0 || v > IP_PMTUDISC_OMIT)
			return -EINVAL;
		WRITE_ONCE(inet->pmtudisc, (u8)v);
		return 0;
	}
}

int inet_get_value(int *v, const void __user *val, int len)
{
	u8 byte = 0;

	if (len >= (int)sizeof(*v))
		return copy_from_user(v, val, sizeof(*v)) ? -EFAULT : 0;
	if (len >= 1 && copy_from_user(&byte, val, 1))
		return -EFAULT;
	*v = byte;
	return 0;
}

int inet_put_value(int v, void __user *val, int __user *ulen)
{
	u8 byte = (u8)v;
	int len;

	if (get_user(len, ulen))
		return -EFAULT;
	if (len <= 0 || len >= (int)sizeof(v))
		return sockopt_put(&v, sizeof(v), val, ulen);
	return sockopt_put(&byte, 1, val, ulen);
}

/* What is not known here: groups are for datagrams. */
static int unknown_option(int name)
{
	switch (name) {
	case IP_ADD_MEMBERSHIP:
	case IP_DROP_MEMBERSHIP:
		return -EPROTO;
	case IP_MULTICAST_IF:
	case IP_MULTICAST_TTL:
		return -EINVAL;
	default:
		return -ENOPROTOOPT;
	}
}

int inet_setsockopt(struct sock *sk, int level, int name, const void __user *val, int len)
{
	int v, err;

	if (level != SOL_IP)
		return -ENOPROTOOPT;
	if (!ip_option_known(sk, name))
		return unknown_option(name);
	err = inet_get_value(&v, val, len);
	if (!err)
		err = set_ip_option(sk, name, v, len);
	if (!err)
		sk->ops->apply(sk);
	return err;
}

int inet_getsockopt(struct sock *sk, int level, int name, void __user *val, int __user *len)
{
	const struct inet_sock *inet = inet_sk(sk);
	int v;

	if (level != SOL_IP)
		return -ENOPROTOOPT;
	if (ip_flag(sk, name))
		v = !!(READ_ONCE(inet->ipflags) & ip_flag(sk, name));
	else if (name == IP_TTL)
		v = READ_ONCE(inet->ttl);
	else if (name == IP_TOS)
		v = READ_ONCE(inet->tos);
	else if (name == IP_MTU_DISCOVER)
		v = READ_ONCE(inet->pmtudisc);
	else
		return -ENOPROTOOPT;
	return inet_put_value(v, val, len);
}

/* ---- ancillary data ---- */

static void put_timestamp(struct sock *sk, struct msghdr *m, u64 stamp)
{
	struct timespec ts;
	struct timeval tv;

	/* The option was set after the datagram came. */
	if (!stamp)
		stamp = ktime_get_real();
	ts = ns_to_timespec(stamp);
	tv = (struct timeval){ts.tv_sec, ts.tv_nsec / (long)NSEC_PER_USEC};
	if (sock_flag(sk, SOCK_RCVTSTAMPNS))
		put_cmsg(m, SOL_SOCKET, SCM_TIMESTAMPNS, &ts, sizeof(ts));
	else
		put_cmsg(m, SOL_SOCKET, SCM_TIMESTAMP, &tv, sizeof(tv));
}

/* The port is the socket's own: a datagram to another one would not be here. */
static void put_origdst(struct sock *sk, struct msghdr *m, u32 daddr)
{
	struct sockaddr_storage addr;

	inet_fill_name(&addr, daddr, READ_ONCE(inet_sk(sk)->lport));
	put_cmsg(m, SOL_IP, IP_ORIGDSTADDR, &addr, sizeof(struct sockaddr_in));
}

void inet_put_cmsgs(struct sock *sk, struct msghdr *m, const struct inet_pktinfo *info)
{
	u8 flags = READ_ONCE(inet_sk(sk)->ipflags);
	struct in_pktinfo pi = {info->ifindex, info->laddr, info->daddr};
	int ttl = info->ttl;

	if (sock_flag(sk, SOCK_RCVTSTAMP))
		put_timestamp(sk, m, info->stamp);
	if (!(flags & INET_CMSGS))
		return;
	if (flags & INET_PKTINFO)
		put_cmsg(m, SOL_IP, IP_PKTINFO, &pi, sizeof(pi));
	if (flags & INET_RECVTTL)
		put_cmsg(m, SOL_IP, IP_TTL, &ttl, sizeof(ttl));
	if (flags & INET_RECVTOS)
		put_cmsg(m, SOL_IP, IP_TOS, &info->tos, 1);
	if (flags & INET_ORIGDST)
		put_origdst(sk, m, info->daddr);
}

static int take_pktinfo(const struct cmsghdr *c, struct inet_send *send)
{
	struct in_pktinfo pi;

	if (c->cmsg_len != CMSG_LEN(sizeof(pi)))
		return -EINVAL;
	memcpy(&pi, c + 1, sizeof(pi));
	if (pi.ipi_ifindex < 0 || pi.ipi_ifindex > 0xff)
		return -ENODEV;
	if (pi.ipi_ifindex)
		send->ifindex = (u8)pi.ipi_ifindex;
	if (pi.ipi_spec_dst)
		send->saddr = pi.ipi_spec_dst;
	return 0;
}

static int take_byte(const struct cmsghdr *c, u8 *to, int least)
{
	int v;

	if (c->cmsg_len == CMSG_LEN(1))
		v = *(const u8 *)(c + 1);
	else if (c->cmsg_len == CMSG_LEN(sizeof(v)))
		memcpy(&v, c + 1, sizeof(v));
	else
		return -EINVAL;
	if (v < least || v > 255)
		return -EINVAL;
	*to = (u8)v;
	return 0;
}

static int parse_cmsgs(u8 *buf, size_t len, struct inet_send *send)
{
	struct cmsghdr *c = NULL;
	int err = 0;

	while (!err && (c = next_cmsg(buf, len, c))) {
		if (IS_ERR(c))
			return -EINVAL;
		if (c->cmsg_level != SOL_IP)
			continue;
		if (c->cmsg_type == IP_PKTINFO)
			err = take_pktinfo(c, send);
		else if (c->cmsg_type == IP_TTL)
			err = take_byte(c, &send->ttl, 1);
		else if (c->cmsg_type == IP_TOS)
			err = take_byte(c, &send->tos, 0);
		else
			err = -EINVAL;
	}
	return err;
}

int inet_get_cmsgs(const struct msghdr *m, struct inet_send *send)
{
	u8 *buf;
	int err;

	if (likely(!m->controllen))
		return 0;
	buf = copy_control(m);
	if (IS_ERR(buf))
		return (int)PTR_ERR(buf);
	err = parse_cmsgs(buf, m->controllen, send);
	kfree(buf);
	return err;
}

/* ---- the error queue ---- */

#define ICMP_DEST_UNREACH  3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12

/* RFC 1122 3.2.2.1 says which codes of "destination unreachable" are final. */
int inet_icmp_errno(u8 type, u8 code, bool *fatal)
{
	static const struct {
		u8 err;
		bool fatal;
	} unreach[] = {
		{ENETUNREACH, false},  {EHOSTUNREACH, false}, {ENOPROTOOPT, true},
		{ECONNREFUSED, true},  {EMSGSIZE, false},     {EOPNOTSUPP, false},
		{ENETUNREACH, true},   {EHOSTDOWN, true},     {ENONET, true},
		{ENETUNREACH, true},   {EHOSTUNREACH, true},  {ENETUNREACH, false},
		{EHOSTUNREACH, false}, {EHOSTUNREACH, true},  {EHOSTUNREACH, true},
		{EHOSTUNREACH, true},
	};

	*fatal = type == ICMP_PARAMETERPROB;
	switch (type) {
	case ICMP_DEST_UNREACH:
		if (code >= ARRAY_SIZE(unreach))
			return 0;
		*fatal = unreach[code].fatal;
		return unreach[code].err;
	case ICMP_TIME_EXCEEDED:
		return EHOSTUNREACH;
	case ICMP_PARAMETERPROB:
		return EPROTO;
	default:
		return 0;
	}
}

ssize_t inet_recv_err(struct sock *sk, struct msghdr *m, const struct inet_err *e)
{
	size_t n = min(m->iter->count, (size_t)e->len);
	struct {
		struct sock_extended_err ee;
		struct sockaddr_in offender;
	} out = {.ee = e->ee, .offender = {.sin_family = AF_INET, .sin_addr = e->offender}};

	if (copy_to_iter(e->data, n, m->iter) < n)
		return -EFAULT;
	m->out_flags |= MSG_ERRQUEUE | (n < e->len ? MSG_TRUNC : 0);
	if (m->name) {
		inet_fill_name(m->name, e->daddr, e->dport);
		m->namelen = sizeof(struct sockaddr_in);
	}
	inet_put_cmsgs(sk, m, &e->info);
	put_cmsg(m, SOL_IP, IP_RECVERR, &out, sizeof(out));
	return (ssize_t)n;
}
