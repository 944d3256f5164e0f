/*
 * UDP sockets over lwIP's raw API: ports, and what net/dgram.c leaves to the protocol.
 *
 * connect() makes lwIP deliver only the peer's datagrams.
 */

#include "kernel/trace/trace.h"
#include "net/dgram.h"
#include "net/lwip/hooks.h"
#include "net/net.h"

#define UDP_HEADER 8u

/* lwIP has a datagram for us and gives us @p. net_lock held, softirq context. */
static void udp_recv_cb(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *addr,
			u16_t port)
{
	trace(udp_input, pcb->local_port, p->tot_len);
	dgram_queue(arg, p, addr->addr, port);
}

static void udp_err_cb(void *arg, struct udp_pcb *pcb, const struct udp_icmp *icmp)
{
	dgram_icmp_error(arg, icmp);
}

static int udp_open(struct dgram_sock *dg)
{
	dg->pcb.udp = udp_new();
	if (!dg->pcb.udp)
		return -ENOBUFS;
	udp_recv(dg->pcb.udp, udp_recv_cb, dg);
	udp_err(dg->pcb.udp, udp_err_cb);
	return 0;
}

static void udp_sock_remove(struct dgram_sock *dg)
{
	udp_remove(dg->pcb.udp);
}

static int udp_sock_bind(struct dgram_sock *dg, const ip_addr_t *ip, u16 port)
{
	struct udp_pcb *pcb = dg->pcb.udp;
	int err = 0;

	if (dg->inet.lport)
		return -EINVAL;
	if (port || !(dg->inet.ipflags & INET_NO_PORT))
		err = inet_errno(udp_bind(pcb, ip, port));
	else
		pcb->local_ip = *ip;
	WRITE_ONCE(dg->inet.lport, pcb->local_port);
	return err;
}

/* lwIP may have had to choose a port. */
static int port_errno(struct dgram_sock *dg, err_t err)
{
	WRITE_ONCE(dg->inet.lport, dg->pcb.udp->local_port);
	return err == ERR_USE ? -EAGAIN : inet_errno(err);
}

static int udp_sock_connect(struct dgram_sock *dg, const ip_addr_t *dest, u16 port)
{
	return port_errno(dg, udp_connect(dg->pcb.udp, dest, port));
}

static void udp_sock_disconnect(struct dgram_sock *dg)
{
	udp_disconnect(dg->pcb.udp);
	if (!sock_flag(&dg->inet.sk, SOCK_BINDPORT))
		dg->pcb.udp->local_port = 0;
}

static int udp_output(struct dgram_sock *dg, struct pbuf *p, const ip_addr_t *dest, u16 port,
		      struct netif *netif, const ip_addr_t *src)
{
	return port_errno(dg, udp_sendto_if_src(dg->pcb.udp, p, dest, port, netif, src));
}

static const struct dgram_proto udp_proto = {
	.headers = IP_HEADER + UDP_HEADER,
	.ports = true,
	.open = udp_open,
	.remove = udp_sock_remove,
	.bind = udp_sock_bind,
	.connect = udp_sock_connect,
	.disconnect = udp_sock_disconnect,
	.output = udp_output,
};

struct sock *udp_sock_create(void)
{
	return dgram_sock_create(&udp_proto, SOCK_DGRAM, IPPROTO_UDP);
}

/* What lwIP asks at bind(2). */
bool net_udp_same_user(const void *a, const void *b)
{
	return ((const struct sock *)a)->uid == ((const struct sock *)b)->uid;
}

/* ---- /proc/net/udp ---- */

static unsigned udp_rows(unsigned slot, struct inet_row *rows, unsigned max)
{
	struct udp_pcb *pcb;
	struct sock *sk;
	unsigned n = 0;

	for (pcb = udp_hash[slot]; pcb && n < max; pcb = pcb->next) {
		/* DHCP's has no socket. */
		sk = pcb->recv == udp_recv_cb ? pcb->recv_arg : NULL;
		rows[n++] = (struct inet_row){
			.laddr = pcb->local_ip.addr,
			.raddr = pcb->remote_ip.addr,
			.lport = pcb->local_port,
			.rport = pcb->remote_port,
			.state = sk ? sk->state : TCP_CLOSE,
			.rx = sk ? dgram_sk(sk)->rx_truesize : 0,
			.uid = sk ? sk->uid : 0,
			.ino = sk ? sk->ino : 0,
		};
	}
	return n;
}

void udp_for_rows(inet_row_fn fn, void *arg)
{
	inet_for_rows(UDP_HASH_SIZE, udp_rows, fn, arg);
}
