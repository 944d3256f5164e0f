/*
 * The family AF_INET: which socket(2) arguments mean which protocol, the checks of addresses that
 * all share. Options and ancillary data: inet_opt.c.
 *
 * LOCKING: addresses of interfaces belong to net_lock. The rest is arguments and copies.
 */

#include "kernel/exec/cred.h"
#include "kernel/lib/init.h"
#include "net/inet.h"
#include "net/net.h"

#include "lwip/err.h"
#include "lwip/ip_addr.h"
#include "lwip/netif.h"

#define FIRST_FREE_PORT 1024 /* below, only root may bind: ip(7) */

/* ---- creation ---- */

static struct sock *inet_create(int type, int protocol)
{
	if (protocol < 0 || protocol >= IPPROTO_MAX)
		return ERR_PTR(-EINVAL);
	switch (type) {
	case SOCK_STREAM:
		if (protocol != IPPROTO_IP && protocol != IPPROTO_TCP)
			return ERR_PTR(-EPROTONOSUPPORT);
		return tcp_sock_create();
	case SOCK_DGRAM:
		if (protocol == IPPROTO_ICMP)
			return ping_sock_create();
		if (protocol != IPPROTO_IP && protocol != IPPROTO_UDP)
			return ERR_PTR(-EPROTONOSUPPORT);
		return udp_sock_create();
	case SOCK_RAW:
		return raw_sock_create(protocol);
	default:
		return ERR_PTR(-ESOCKTNOSUPPORT);
	}
}

static const struct net_proto_family inet_family = {AF_INET, inet_create};

static int __init inet_init(void)
{
	sock_register(&inet_family);
	return 0;
}
core_initcall(inet_init);

void inet_init_sock(struct sock *sk, int type, int protocol)
{
	sk->family = AF_INET;
	sk->type = (u8)type;
	sk->protocol = (u8)protocol;
	inet_sk(sk)->ttl = IP_DEFAULT_TTL;
	inet_sk(sk)->pmtudisc = IP_PMTUDISC_WANT;
}

int inet_errno(int err)
{
	static const u8 table[] = {
		[-ERR_MEM] = ENOBUFS,         [-ERR_BUF] = ENOBUFS,      [-ERR_TIMEOUT] = ETIMEDOUT,
		[-ERR_RTE] = ENETUNREACH,     [-ERR_VAL] = EINVAL,       [-ERR_WOULDBLOCK] = EAGAIN,
		[-ERR_USE] = EADDRINUSE,      [-ERR_ALREADY] = EALREADY, [-ERR_ISCONN] = EISCONN,
		[-ERR_CONN] = ENOTCONN,       [-ERR_IF] = ENETDOWN,      [-ERR_ABRT] = ECONNABORTED,
		[-ERR_INPROGRESS] = EALREADY, [-ERR_RST] = ECONNRESET,   [-ERR_CLSD] = ENOTCONN,
		[-ERR_ARG] = EINVAL,
	};

	return -err >= (int)ARRAY_SIZE(table) ? -EIO : -table[-err];
}

/* ---- addresses ---- */

int inet_bind_address(const struct sockaddr *addr, int len, u32 *ip, u16 *port)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)addr;

	if (len < (int)sizeof(*in))
		return -EINVAL;
	/* AF_UNSPEC with no address was accepted once and still is, bind(2) of Linux. */
	if (in->sin_family != AF_INET && !(in->sin_family == AF_UNSPEC && !in->sin_addr))
		return -EAFNOSUPPORT;
	*ip = in->sin_addr;
	*port = lwip_ntohs(in->sin_port);
	return 0;
}

int inet_check_local(u32 ip)
{
	struct netif *netif;
	ip4_addr_t a = {ip};

	/* All of 127.0.0.0/8 is this host. */
	if (ip == INADDR_ANY || ip4_addr_isloopback(&a) || ip4_addr_ismulticast(&a))
		return 0;
	NETIF_FOREACH(netif)
	if (netif_ip4_addr(netif)->addr == ip || ip4_addr_isbroadcast(&a, netif))
		return 0;
	return -EADDRNOTAVAIL;
}

int inet_may_bind(const struct sock *sk, u32 ip, u16 port)
{
	int err = inet_sk(sk)->ipflags & INET_FREEBIND ? 0 : inet_check_local(ip);

	if (!err && port && port < FIRST_FREE_PORT && !capable(CAP_NET_BIND_SERVICE))
		err = -EACCES;
	return err;
}

int inet_dest_address(const struct sockaddr *addr, int len, u32 *ip, u16 *port)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)addr;

	if (len < (int)sizeof(*in))
		return -EINVAL;
	if (in->sin_family != AF_INET)
		return -EAFNOSUPPORT;
	*ip = in->sin_addr ? in->sin_addr : lwip_htonl(INADDR_LOOPBACK);
	*port = lwip_ntohs(in->sin_port);
	return 0;
}

void inet_fill_name(struct sockaddr_storage *addr, u32 ip, u16 port)
{
	*(struct sockaddr_in *)addr = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = lwip_htons(port),
		.sin_addr = ip,
	};
}

int inet_getname(struct sock *sk, struct sockaddr_storage *addr, int peer)
{
	struct inet_sock *inet = inet_sk(sk);
	u8 state = READ_ONCE(sk->state);

	if (!peer) {
		inet_fill_name(addr, READ_ONCE(inet->laddr), READ_ONCE(inet->lport));
		return sizeof(struct sockaddr_in);
	}
	if (!READ_ONCE(inet->rport) || (peer == 1 && (state == TCP_CLOSE || state == TCP_SYN_SENT)))
		return -ENOTCONN;
	inet_fill_name(addr, READ_ONCE(inet->raddr), READ_ONCE(inet->rport));
	return sizeof(struct sockaddr_in);
}
