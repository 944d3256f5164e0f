/*
 * Raw sockets, raw(7): packets of one IP protocol. Only CAP_NET_RAW may make one.
 *
 *	in	a copy of each packet of the protocol for this host, with its IP header; whoever else
 *		wants it (ICMP, TCP, another raw socket) has it too
 *	out	the kernel writes the IP header, or with IP_HDRINCL the user does (IPPROTO_RAW means
 *		that from the start) and the kernel fills in the length, the checksum, and the source
 *		and the identification where they are 0
 *
 * A socket of IPPROTO_ICMP chooses by ICMP_FILTER which types of messages it does not want. bind() and
 * connect() narrow down the packets that come in by address. The place of the port in addresses
 * holds the protocol.
 *
 * LOCKING: as net/dgram.c.
 */

#include "kernel/exec/cred.h"
#include "kernel/lib/string.h"
#include "kernel/mm/uaccess.h"
#include "net/dgram.h"
#include "net/net.h"

#include "lwip/inet_chksum.h"
#include "lwip/stats.h"

/* ---- receiving ---- */

struct pbuf *raw_copy(const struct pbuf *p, u16 offset)
{
	struct pbuf *q = pbuf_alloc(PBUF_RAW, (u16)(p->tot_len - offset), PBUF_RAM);

	if (q)
		pbuf_copy_partial(p, q->payload, q->tot_len, offset);
	return q;
}

/* Does ICMP_FILTER keep this packet out? One without a whole ICMP header is kept out, too. */
static bool filtered(const struct dgram_sock *dg, const struct pbuf *p)
{
	u16 offset = IPH_HL_BYTES((const struct ip_hdr *)p->payload);
	u8 type;

	if (dg->inet.sk.protocol != IPPROTO_ICMP)
		return false;
	if (p->tot_len < offset + ICMP_HEADER)
		return true;
	type = pbuf_get_at(p, offset);
	return type < 32 && (READ_ONCE(dg->icmp_filter) & (1u << type));
}

/* lwIP shows us a packet, which stays its own. net_lock held, softirq context. */
static u8_t raw_recv_cb(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *addr)
{
	struct pbuf *copy = filtered(arg, p) ? NULL : raw_copy(p, 0);

	if (copy)
		dgram_queue(arg, copy, addr->addr, 0);
	return 0;
}

/* Who wrote the quoted IP header wants to see it. */
static void raw_err_cb(void *arg, struct raw_pcb *pcb, const struct udp_icmp *icmp)
{
	struct dgram_sock *dg = arg;
	struct udp_icmp whole = *icmp;

	if (dg->inet.ipflags & INET_HDRINCL)
		whole.data = ICMP_HEADER;
	dgram_icmp_error(dg, &whole);
}

/* ---- sending ---- */

/* Completes the IP header that the user wrote. */
static int complete_header(struct pbuf *p, const ip_addr_t *src)
{
	static u16 next_id; /* [net_lock] */
	struct ip_hdr *h = p->payload;
	u16 len;

	if (p->len < IP_HEADER)
		return -EINVAL;
	len = IPH_HL_BYTES(h);
	if (len > p->len)
		return -EINVAL;
	/* Too short to be one: sent as it is, as Linux does. */
	if (len < IP_HEADER)
		return 0;
	if (!h->src.addr)
		memcpy(&h->src, src, sizeof(h->src));
	if (!IPH_ID(h))
		IPH_ID_SET(h, lwip_htons(++next_id));
	IPH_LEN_SET(h, lwip_htons(p->tot_len));
	IPH_CHKSUM_SET(h, 0);
	IPH_CHKSUM_SET(h, inet_chksum(h, len));
	return 0;
}

int raw_send_packet(struct dgram_sock *dg, struct pbuf *p, const ip_addr_t *dest,
		    struct netif *netif, const ip_addr_t *src)
{
	if (dg->inet.sk.protocol == IPPROTO_ICMP && p->len) {
		MIB2_STATS_INC(mib2.icmpoutmsgs);
		if (*(const u8 *)p->payload == ICMP_ECHO)
			MIB2_STATS_INC(mib2.icmpoutechos);
	}
	return inet_errno(raw_sendto_if_src(dg->pcb.raw, p, dest, netif, src));
}

static int raw_output(struct dgram_sock *dg, struct pbuf *p, const ip_addr_t *dest, u16 port,
		      struct netif *netif, const ip_addr_t *src)
{
	int err;

	if (!(dg->inet.ipflags & INET_HDRINCL))
		return raw_send_packet(dg, p, dest, netif, src);
	if (p->tot_len > netif->mtu)
		return -EMSGSIZE;
	err = complete_header(p, src);
	if (err)
		return err;
	/* Not through lwIP, which would send it to the address in the header. */
	MIB2_STATS_INC(mib2.ipoutrequests);
	return inet_errno(netif->output(netif, p, dest));
}

/* ---- what net/dgram.c asks ---- */

static int raw_open(struct dgram_sock *dg)
{
	struct sock *sk = &dg->inet.sk;

	dg->pcb.raw = raw_new(sk->protocol);
	if (!dg->pcb.raw)
		return -ENOBUFS;
	raw_recv(dg->pcb.raw, raw_recv_cb, dg);
	raw_err(dg->pcb.raw, raw_err_cb);
	dg->inet.lport = sk->protocol;
	sock_set(sk, SOCK_BINDPORT | SOCK_REUSEADDR);
	if (sk->protocol == IPPROTO_RAW)
		dg->inet.ipflags = INET_HDRINCL;
	return 0;
}

void raw_sock_remove(struct dgram_sock *dg)
{
	raw_remove(dg->pcb.raw);
}

static int raw_sock_bind(struct dgram_sock *dg, const ip_addr_t *ip, u16 port)
{
	if (dg->inet.sk.state != TCP_CLOSE)
		return -EINVAL;
	return inet_errno(raw_bind(dg->pcb.raw, ip));
}

static int raw_sock_connect(struct dgram_sock *dg, const ip_addr_t *dest, u16 port)
{
	return inet_errno(raw_connect(dg->pcb.raw, dest));
}

void raw_sock_disconnect(struct dgram_sock *dg)
{
	raw_disconnect(dg->pcb.raw);
}

static const struct dgram_proto raw_proto = {
	.headers = IP_HEADER,
	.open = raw_open,
	.remove = raw_sock_remove,
	.bind = raw_sock_bind,
	.connect = raw_sock_connect,
	.disconnect = raw_sock_disconnect,
	.output = raw_output,
};

struct sock *raw_sock_create(int protocol)
{
	/* lwIP knows only protocols that the field of the IP header can hold. */
	if (protocol == IPPROTO_IP || protocol > IPPROTO_RAW)
		return ERR_PTR(-EPROTONOSUPPORT);
	if (!capable(CAP_NET_RAW))
		return ERR_PTR(-EPERM);
	return dgram_sock_create(&raw_proto, SOCK_RAW, protocol);
}

/* ---- options ---- */

static int check_option(const struct sock *sk, int name)
{
	if (name != ICMP_FILTER)
		return -ENOPROTOOPT;
	return sk->protocol == IPPROTO_ICMP ? 0 : -EOPNOTSUPP;
}

/* Fewer bytes than four change the first ones. */
int raw_setsockopt(struct sock *sk, int name, const void __user *val, int len)
{
	u32 filter = READ_ONCE(dgram_sk(sk)->icmp_filter);
	int err = check_option(sk, name);

	if (err)
		return err;
	if (copy_from_user(&filter, val, min((size_t)len, sizeof(filter))))
		return -EFAULT;
	WRITE_ONCE(dgram_sk(sk)->icmp_filter, filter);
	return 0;
}

int raw_getsockopt(struct sock *sk, int name, void __user *val, int __user *len)
{
	u32 filter = READ_ONCE(dgram_sk(sk)->icmp_filter);
	int err = check_option(sk, name);

	return err ? err : sockopt_put(&filter, sizeof(filter), val, len);
}
