/*
 * Ping sockets, icmp(7): ICMP echo without privileges, for the groups in ping_group_range. The user
 * writes and reads ICMP messages without an IP header; the identifier is the socket's and stands where
 * UDP has its port: bind() asks for one, else the first message or connect() takes one that is free.
 *
 *	out	echo requests only; identifier and checksum are filled in
 *	in	echo replies with the socket's identifier, and (dgram_err.c) ICMP errors that quote one
 *		of its requests
 *
 * Their control blocks are lwIP's raw pcbs, in whose list an identifier is looked for.
 *
 * LOCKING: as net/dgram.c. Identifiers belong to net_lock.
 */

#include "kernel/exec/cred.h"
#include "kernel/lib/string.h"
#include "kernel/lib/sysctl.h"
#include "net/dgram.h"
#include "net/net.h"

#include "lwip/inet_chksum.h"

/* [a] The first and the last group that may ping; at first nobody may, as on Linux. */
static int group_range[2] = {1, 0};
SYSCTL_ARRAY(ping_group_range, "sys/net/ipv4/ping_group_range", group_range, 0, INT32_MAX);

static u8_t ping_recv_cb(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *addr);

/* The ping socket of a control block, or NULL: it is another's. */
static struct dgram_sock *ping_of(const struct raw_pcb *pcb)
{
	return pcb->recv == ping_recv_cb ? pcb->recv_arg : NULL;
}

/* Is @dg the socket that hears of a message of @type with its identifier at @offset? Of those that
 * share one and @local, the newest is. */
static bool is_for(const struct dgram_sock *dg, const struct pbuf *p, u16 offset, u8 type,
		   u32 local)
{
	const struct dgram_sock *first;
	struct icmp_echo_hdr h;
	u32 ip;

	if (pbuf_copy_partial(p, &h, sizeof(h), offset) < sizeof(h) || h.type != type || !h.id ||
	    lwip_ntohs(h.id) != dg->inet.lport)
		return false;
	for (struct raw_pcb *pcb = raw_pcbs; pcb; pcb = pcb->next) {
		first = ping_of(pcb);
		ip = pcb->local_ip.addr;
		if (first && first->inet.lport == dg->inet.lport && (!ip || ip == local))
			return first == dg;
	}
	return false;
}

/* lwIP shows us an ICMP message, which stays its own. net_lock held, softirq context. */
static u8_t ping_recv_cb(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *addr)
{
	u16 offset = IPH_HL_BYTES((const struct ip_hdr *)p->payload);
	struct pbuf *copy;

	if (!is_for(arg, p, offset, ICMP_ER, ip4_current_dest_addr()->addr))
		return 0;
	copy = raw_copy(p, offset);
	if (copy && inet_chksum(copy->payload, copy->len) == 0)
		dgram_queue(arg, copy, addr->addr, 0);
	else if (copy)
		pbuf_free(copy);
	return 0;
}

static void ping_err_cb(void *arg, struct raw_pcb *pcb, const struct udp_icmp *icmp)
{
	if (is_for(arg, icmp->p, icmp->data, ICMP_ECHO, ip4_current_dest_addr()->addr))
		dgram_icmp_error(arg, icmp);
}

/* ---- identifiers ---- */

/* Has another socket @id? With @share only one counts that does not share it: SO_REUSEADDR is on at
 * first. */
static bool taken(const struct dgram_sock *dg, u16 id, bool share)
{
	const struct dgram_sock *other;

	share = share && sock_flag(&dg->inet.sk, SOCK_REUSEADDR);
	for (struct raw_pcb *pcb = raw_pcbs; pcb; pcb = pcb->next) {
		other = ping_of(pcb);
		if (other && other != dg && other->inet.lport == id &&
		    !(share && sock_flag(&other->inet.sk, SOCK_REUSEADDR)))
			return true;
	}
	return false;
}

/* Takes @id, or with 0 some id that nobody has. 0 or -EADDRINUSE. */
static int take_id(struct dgram_sock *dg, u16 id)
{
	static u16 rover; /* [N] */

	for (unsigned tries = 0; !id && tries < 0x10000; tries++)
		if (++rover && !taken(dg, rover, false))
			id = rover;
	if (!id || taken(dg, id, true))
		return -EADDRINUSE;
	WRITE_ONCE(dg->inet.lport, id);
	return 0;
}

static int need_id(struct dgram_sock *dg)
{
	return dg->inet.lport || !take_id(dg, 0) ? 0 : -EAGAIN;
}

/* ---- what net/dgram.c asks ---- */

static int ping_open(struct dgram_sock *dg)
{
	dg->pcb.raw = raw_new(IPPROTO_ICMP);
	if (!dg->pcb.raw)
		return -ENOBUFS;
	raw_recv(dg->pcb.raw, ping_recv_cb, dg);
	raw_err(dg->pcb.raw, ping_err_cb);
	sock_set(&dg->inet.sk, SOCK_REUSEADDR);
	return 0;
}

static int ping_bind(struct dgram_sock *dg, const ip_addr_t *ip, u16 id)
{
	int err = dg->inet.lport ? -EINVAL : take_id(dg, id);

	return err ? err : inet_errno(raw_bind(dg->pcb.raw, ip));
}

/* Replies of others are heard all the same, as on Linux. */
static int ping_connect(struct dgram_sock *dg, const ip_addr_t *dest, u16 port)
{
	return need_id(dg);
}

static int ping_output(struct dgram_sock *dg, struct pbuf *p, const ip_addr_t *dest, u16 port,
		       struct netif *netif, const ip_addr_t *src)
{
	struct icmp_echo_hdr *h = p->payload;
	int err;

	if (p->len < sizeof(*h) || h->type != ICMP_ECHO || h->code)
		return -EINVAL;
	err = need_id(dg);
	if (err)
		return err;
	h->id = lwip_htons(dg->inet.lport);
	h->chksum = 0;
	h->chksum = inet_chksum(h, p->len);
	return raw_send_packet(dg, p, dest, netif, src);
}

static const struct dgram_proto ping_proto = {
	.headers = IP_HEADER,
	.open = ping_open,
	.remove = raw_sock_remove,
	.bind = ping_bind,
	.connect = ping_connect,
	.disconnect = raw_sock_disconnect,
	.output = ping_output,
};

static bool may_ping(u32 gid)
{
	return gid >= (u32)READ_ONCE(group_range[0]) && gid <= (u32)READ_ONCE(group_range[1]);
}

/* Is the caller in one of the groups? Root is asked, too. */
static bool caller_may_ping(void)
{
	struct group_list *l;
	bool yes = may_ping(current->signal->egid);

	l = yes ? NULL : get_groups(current->signal);
	for (unsigned i = 0; l && i < l->n && !yes; i++)
		yes = may_ping(l->gid[i]);
	if (l)
		put_groups(l);
	return yes;
}

struct sock *ping_sock_create(void)
{
	if (!caller_may_ping())
		return ERR_PTR(-EACCES);
	return dgram_sock_create(&ping_proto, SOCK_DGRAM, IPPROTO_ICMP);
}

/* ---- /proc/net/raw, /proc/net/icmp ---- */

#define RAW_SLOTS 256u /* as if there were a hash table */

static unsigned collect(unsigned slot, bool ping, struct inet_row *rows, unsigned max)
{
	const struct dgram_sock *dg;
	unsigned n = 0;

	for (struct raw_pcb *pcb = raw_pcbs; pcb && n < max; pcb = pcb->next) {
		dg = pcb->recv_arg;
		if (!ping_of(pcb) == ping || !dg->inet.lport || dg->inet.lport % RAW_SLOTS != slot)
			continue;
		rows[n++] = (struct inet_row){
			.laddr = pcb->local_ip.addr,
			.raddr = dg->inet.raddr,
			.lport = dg->inet.lport,
			.rport = ping ? dg->inet.rport : 0,
			.state = dg->inet.sk.state,
			.rx = dg->rx_truesize,
			.uid = dg->inet.sk.uid,
			.ino = dg->inet.sk.ino,
		};
	}
	return n;
}

static unsigned raw_rows(unsigned slot, struct inet_row *rows, unsigned max)
{
	return collect(slot, false, rows, max);
}

static unsigned ping_rows(unsigned slot, struct inet_row *rows, unsigned max)
{
	return collect(slot, true, rows, max);
}

void raw_for_rows(inet_row_fn fn, void *arg)
{
	inet_for_rows(RAW_SLOTS, raw_rows, fn, arg);
}

void ping_for_rows(inet_row_fn fn, void *arg)
{
	inet_for_rows(RAW_SLOTS, ping_rows, fn, arg);
}
