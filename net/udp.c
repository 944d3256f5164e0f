/*
 * UDP sockets over lwIP's raw API: a queue of datagrams.
 *
 * udp_recv_cb() (softirq, net_lock) puts each datagram with its source on the socket's queue, or
 * drops it when the memory that the queue pins exceeds SO_RCVBUF. recvmsg() takes one datagram off
 * the queue under sk->lock, without net_lock, and copies it with no lock held. sendmsg() copies the
 * user's bytes into one pbuf and sends it at once; nothing is queued on the way out, so a UDP
 * socket is always writable.
 *
 * connect() fixes the peer: lwIP then delivers only its datagrams, and an ICMP "port unreachable"
 * comes back as ECONNREFUSED (udp_err.c).
 *
 * LOCKING: net/sock.c. A datagram is reached by one task only once it is off the queue; MSG_PEEK
 * takes a reference to its pbufs, whose contents never change.
 */

#include "kernel/abi/fcntl.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/uaccess.h"
#include "kernel/trace/trace.h"
#include "net/lwip/hooks.h"
#include "net/net.h"
#include "net/udp.h"

#define UDP_MAX_PAYLOAD 65507u /* 65535 less the headers of IP and UDP */
#define UDP_IP_HEADERS  28u
#define FRAME_TRUESIZE  2048u /* what a received frame pins */

struct dgram {
	struct list_head link;
	struct pbuf *p;
	u32 saddr; /* network byte order */
	u32 truesize;
	u16 sport; /* host byte order */
	struct inet_pktinfo info;
};

static struct kmem_cache *udp_cache, *dgram_cache; /* [I] */
static const struct proto_ops udp_ops;

/* ---- receiving ---- */

static u32 chain_truesize(const struct pbuf *p)
{
	u32 sum = sizeof(struct dgram);

	for (; p; p = p->next)
		sum += (p->flags & PBUF_FLAG_IS_CUSTOM ? FRAME_TRUESIZE : p->len) + sizeof(*p);
	return sum;
}

static void dgram_free(struct dgram *d)
{
	pbuf_free(d->p);
	kmem_cache_free(dgram_cache, d);
}

struct inet_pktinfo udp_packet_info(const struct sock *sk)
{
	const struct netif *netif = ip_current_input_netif();
	u32 daddr = ip4_current_dest_addr()->addr;

	return (struct inet_pktinfo){
		.stamp = unlikely(sock_flag(sk, SOCK_RCVTSTAMP)) ? ktime_get_real() : 0,
		.daddr = daddr,
		/* A broadcast is answered with the interface's address. */
		.laddr = ip4_addr_isbroadcast(ip4_current_dest_addr(), netif)
				 ? netif_ip4_addr(netif)->addr
				 : daddr,
		.ifindex = netif_get_index(netif),
		.ttl = IPH_TTL(ip4_current_header()),
		.tos = IPH_TOS(ip4_current_header()),
	};
}

bool udp_charge(struct udp_sock *up, u32 truesize)
{
	if (up->rx_truesize + truesize > (u32)READ_ONCE(up->inet.sk.rcvbuf))
		return false;
	up->rx_truesize += truesize;
	return true;
}

/* lwIP has a datagram for us and gives us @p. net_lock held, softirq context. */
static void udp_recv_cb(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *addr,
			u16_t port)
{
	struct sock *sk = arg;
	struct udp_sock *up = udp_sk(sk);
	struct dgram *d = kmem_cache_alloc(dgram_cache, GFP_ATOMIC);
	bool queued;

	trace(udp_input, up->pcb->local_port, p->tot_len);
	if (!d) {
		pbuf_free(p);
		return;
	}
	*d = (struct dgram){
		.p = p,
		.saddr = addr->addr,
		.sport = port,
		.truesize = chain_truesize(p),
		.info = udp_packet_info(sk),
	};
	WRITE_ONCE(sk->incoming_cpu, (s16)smp_processor_id());
	spin_lock_bh(&sk->lock);
	queued = udp_charge(up, d->truesize);
	if (queued)
		list_add_tail(&d->link, &up->rx);
	spin_unlock_bh(&sk->lock);
	if (queued)
		sk->sk_data_ready(sk);
	else
		dgram_free(d);
}

/*
 * Takes the first datagram, or a copy of its description with a reference to its data if @peek.
 * false if there is none.
 */
static bool udp_take(struct udp_sock *up, struct dgram *out, bool peek)
{
	struct dgram *d;

	spin_lock_bh(&up->inet.sk.lock);
	d = list_first_entry_or_null(&up->rx, struct dgram, link);
	if (d) {
		*out = *d;
		if (peek) {
			pbuf_ref(d->p);
		} else {
			list_del(&d->link);
			up->rx_truesize -= d->truesize;
		}
	}
	spin_unlock_bh(&up->inet.sk.lock);
	if (d && !peek)
		kmem_cache_free(dgram_cache, d);
	return d;
}

/* Waits for a datagram. Without one d->p stays NULL, and the value is -errno or 0 (shut down). */
static int udp_wait(struct sock *sk, struct dgram *d, unsigned flags)
{
	u64 deadline = sock_deadline(READ_ONCE(sk->rcvtimeo), flags & MSG_DONTWAIT);
	struct udp_sock *up = udp_sk(sk);
	int err;

	for (;;) {
		err = sock_error(sk);
		if (err)
			return err;
		if (udp_take(up, d, flags & MSG_PEEK))
			return 0;
		if (!deadline)
			return -EAGAIN;
		if (READ_ONCE(sk->shutdown) & RCV_SHUTDOWN)
			return 0;
		err = (int)wait_event_interruptible_exclusive_deadline(
			&sk->wq,
			!list_empty(&up->rx) || READ_ONCE(sk->sk_err) ||
				(READ_ONCE(sk->shutdown) & RCV_SHUTDOWN),
			deadline);
		if (err)
			return (int)sock_wait_error(err, deadline);
	}
}

/* Copies the first @n bytes of a chain to the user. */
static int copy_chain(const struct pbuf *p, size_t n, struct iov_iter *to)
{
	size_t k;

	for (; n; n -= k, p = p->next) {
		k = min(n, (size_t)p->len);
		if (copy_to_iter(p->payload, k, to) < k)
			return -EFAULT;
	}
	return 0;
}

static ssize_t udp_recvmsg(struct sock *sk, struct msghdr *m)
{
	size_t len = m->iter->count, total;
	struct dgram d = {.p = NULL};
	ssize_t ret;

	if (m->flags & MSG_ERRQUEUE)
		return udp_recv_err(sk, m);
	ret = udp_wait(sk, &d, m->flags);
	if (!d.p)
		return ret;
	total = d.p->tot_len;
	ret = copy_chain(d.p, min(len, total), m->iter);
	pbuf_free(d.p);
	if (ret)
		return ret;
	if (total > len)
		m->out_flags |= MSG_TRUNC;
	if (m->name) {
		inet_fill_name(m->name, d.saddr, d.sport);
		m->namelen = sizeof(struct sockaddr_in);
	}
	inet_put_cmsgs(sk, m, &d.info);
	return (ssize_t)(m->flags & MSG_TRUNC ? total : min(len, total));
}

/* ---- sending ---- */

/*
 * May a datagram go there, and through which interface: 0, -ENODEV, -ENETUNREACH, -EACCES (broadcast
 * without SO_BROADCAST). @ifindex is the only one allowed, or 0. net_lock held.
 */
static int udp_check_route(struct udp_sock *up, const ip_addr_t *dest, u8 ifindex,
			   struct netif **netif)
{
	*netif = ifindex ? netif_get_by_index(ifindex) : ip_route(&up->pcb->local_ip, dest);
	if (!*netif)
		return ifindex ? -ENODEV : -ENETUNREACH;
	if (ip_addr_isbroadcast(dest, *netif) && !sock_flag(&up->inet.sk, SOCK_BROADCAST))
		return -EACCES;
	return 0;
}

/* IP_MTU_DISCOVER: is this a datagram that must not be cut, and is too long for the interface? */
static bool udp_too_long(const struct udp_sock *up, const struct pbuf *p, const struct netif *netif)
{
	u8 mode = READ_ONCE(up->inet.pmtudisc);

	return mode >= IP_PMTUDISC_DO && mode < IP_PMTUDISC_OMIT &&
	       p->tot_len + UDP_IP_HEADERS > netif->mtu;
}

/* Destination of a message: its own, or that of connect(). */
static int udp_dest(struct sock *sk, const struct msghdr *m, ip_addr_t *dest, u16 *port)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)m->name;

	if (!in) {
		if (READ_ONCE(sk->state) != TCP_ESTABLISHED)
			return -EDESTADDRREQ;
		dest->addr = READ_ONCE(inet_sk(sk)->raddr);
		*port = READ_ONCE(inet_sk(sk)->rport);
		return 0;
	}
	if (m->namelen < (int)sizeof(*in))
		return -EINVAL;
	if (in->sin_family != AF_INET && in->sin_family != AF_UNSPEC)
		return -EAFNOSUPPORT;
	if (!in->sin_port)
		return -EINVAL;
	dest->addr = in->sin_addr ? in->sin_addr : lwip_htonl(INADDR_LOOPBACK);
	*port = lwip_ntohs(in->sin_port);
	return 0;
}

/* Sends with the addresses, TTL and TOS of @how. net_lock held. */
static err_t udp_output(struct udp_sock *up, struct pbuf *p, const ip_addr_t *dest, u16 port,
			struct netif *netif, const struct inet_send *how)
{
	struct udp_pcb *pcb = up->pcb;
	ip_addr_t src = {how->saddr};
	err_t err;

	pcb->ttl = how->ttl;
	pcb->tos = how->tos;
	err = src.addr ? udp_sendto_if_src(pcb, p, dest, port, netif, &src)
		       : udp_sendto_if(pcb, p, dest, port, netif);
	pcb->ttl = up->inet.ttl;
	pcb->tos = up->inet.tos;
	return err;
}

static int udp_transmit(struct udp_sock *up, struct pbuf *p, const ip_addr_t *dest, u16 port,
			const struct inet_send *how)
{
	struct netif *netif;
	int err;

	lock_net();
	err = udp_check_route(up, dest, how->ifindex, &netif);
	if (!err && how->saddr && inet_check_local(how->saddr))
		err = -ENETUNREACH;
	if (!err && udp_too_long(up, p, netif))
		err = -EMSGSIZE;
	if (!err) {
		err_t e = udp_output(up, p, dest, port, netif, how);

		/* A port was needed and none is free. */
		err = e == ERR_USE ? -EAGAIN : inet_errno(e);
		WRITE_ONCE(up->inet.lport, up->pcb->local_port);
	}
	unlock_net();
	return err;
}

static ssize_t udp_sendmsg(struct sock *sk, struct msghdr *m)
{
	struct inet_send how = {
		.ifindex = READ_ONCE(sk->bound_dev),
		.ttl = READ_ONCE(inet_sk(sk)->ttl),
		.tos = READ_ONCE(inet_sk(sk)->tos),
	};
	size_t len = m->iter->count;
	struct pbuf *p;
	ip_addr_t dest;
	u16 port;
	int err;

	if (len > 0xffff)
		return -EMSGSIZE;
	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	err = udp_dest(sk, m, &dest, &port);
	if (err)
		return err;
	err = inet_get_cmsgs(m, &how);
	if (err)
		return err;
	if (len > UDP_MAX_PAYLOAD)
		return -EMSGSIZE;
	err = sock_error(sk);
	if (err)
		return err;
	if (READ_ONCE(sk->shutdown) & SEND_SHUTDOWN)
		return -EPIPE;
	p = pbuf_alloc(PBUF_TRANSPORT, (u16)len, PBUF_RAM);
	if (!p)
		return -ENOBUFS;
	if (copy_from_iter(p->payload, len, m->iter) < len)
		err = -EFAULT;
	else
		err = udp_transmit(udp_sk(sk), p, &dest, port, &how);
	pbuf_free(p);
	return err ? err : (ssize_t)len;
}

/* ---- bind, connect, shutdown ---- */

static int udp_sock_bind(struct sock *sk, const struct sockaddr *addr, int len)
{
	struct udp_sock *up = udp_sk(sk);
	ip_addr_t ip;
	u16 port;
	int err = inet_bind_address(addr, len, &ip.addr, &port);

	if (err)
		return err;
	lock_net();
	err = inet_may_bind(sk, ip.addr);
	if (err)
		goto out;
	err = -EINVAL;
	if (up->inet.lport)
		goto out;
	err = 0;
	if (port || !(up->inet.ipflags & INET_NO_PORT))
		err = inet_errno(udp_bind(up->pcb, &ip, port));
	else
		up->pcb->local_ip = ip;
	if (err)
		goto out;
	up->bound_ip = ip.addr;
	WRITE_ONCE(up->inet.laddr, ip.addr);
	WRITE_ONCE(up->inet.lport, up->pcb->local_port);
	if (port)
		sock_set(sk, SOCK_BINDPORT);
out:
	unlock_net();
	return err;
}

/* Back to where bind() left it; a port that nobody asked for is given back. net_lock held. */
static void udp_unconnect(struct udp_sock *up)
{
	udp_disconnect(up->pcb);
	up->pcb->local_ip.addr = up->bound_ip;
	if (!sock_flag(&up->inet.sk, SOCK_BINDPORT))
		up->pcb->local_port = 0;
	WRITE_ONCE(up->inet.laddr, up->bound_ip);
	WRITE_ONCE(up->inet.lport, up->pcb->local_port);
	WRITE_ONCE(up->inet.raddr, 0);
	WRITE_ONCE(up->inet.rport, 0);
	WRITE_ONCE(up->inet.sk.state, TCP_CLOSE);
}

/* net_lock held. */
static int udp_connect_locked(struct udp_sock *up, const ip_addr_t *dest, u16 port)
{
	struct netif *netif;
	err_t e;
	int err;

	/* Routed as if new: the address that an earlier connect() chose may not fit. */
	up->pcb->local_ip.addr = up->bound_ip;
	err = udp_check_route(up, dest, up->inet.sk.bound_dev, &netif);
	if (err)
		return err;
	e = udp_connect(up->pcb, dest, port);
	if (e != ERR_OK)
		return e == ERR_USE ? -EAGAIN : inet_errno(e);
	if (!up->bound_ip)
		up->pcb->local_ip.addr = netif_ip4_addr(netif)->addr;
	WRITE_ONCE(up->inet.laddr, up->pcb->local_ip.addr);
	WRITE_ONCE(up->inet.lport, up->pcb->local_port);
	WRITE_ONCE(up->inet.raddr, dest->addr);
	WRITE_ONCE(up->inet.rport, port);
	WRITE_ONCE(up->inet.sk.state, TCP_ESTABLISHED);
	return 0;
}

static int udp_sock_connect(struct sock *sk, const struct sockaddr *addr, int len, unsigned fflags)
{
	struct udp_sock *up = udp_sk(sk);
	ip_addr_t dest;
	u16 port;
	int err = 0;

	if (len < (int)sizeof(addr->sa_family))
		return -EINVAL;
	if (addr->sa_family != AF_UNSPEC) {
		err = inet_dest_address(addr, len, &dest.addr, &port);
		if (err)
			return err;
	}
	lock_net();
	if (addr->sa_family == AF_UNSPEC)
		udp_unconnect(up);
	else
		err = udp_connect_locked(up, &dest, port);
	unlock_net();
	return err;
}

static int udp_sock_shutdown(struct sock *sk, int how)
{
	int err;

	lock_net();
	err = sk->state == TCP_ESTABLISHED ? 0 : -ENOTCONN;
	/* The bits are set all the same: a task in recv() is to wake up. */
	WRITE_ONCE(sk->shutdown, sk->shutdown | (u8)(how + 1));
	sk->sk_state_change(sk);
	unlock_net();
	return err;
}

/* ---- the rest ---- */

static __poll_t udp_sock_poll(struct sock *sk)
{
	u8 shutdown = READ_ONCE(sk->shutdown);
	__poll_t mask = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;

	if (READ_ONCE(sk->sk_err) || !list_empty(&udp_sk(sk)->errors))
		mask |= EPOLLERR;
	if (shutdown & RCV_SHUTDOWN)
		mask |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
	if (shutdown == SHUTDOWN_MASK)
		mask |= EPOLLHUP;
	if (!list_empty(&udp_sk(sk)->rx))
		mask |= EPOLLIN | EPOLLRDNORM;
	return mask;
}

/* FIONREAD: the size of the first datagram, udp(7). */
static long udp_sock_ioctl(struct sock *sk, unsigned cmd, u64 arg)
{
	struct udp_sock *up = udp_sk(sk);
	int v = 0;

	switch (cmd) {
	case FIONREAD:
		spin_lock_bh(&sk->lock);
		if (!list_empty(&up->rx))
			v = list_first_entry(&up->rx, struct dgram, link)->p->tot_len;
		spin_unlock_bh(&sk->lock);
		break;
	case SIOCOUTQ:
		break;
	default:
		return inet_ioctl(cmd, (void __user *)arg);
	}
	return put_user(v, (int __user *)arg);
}

static void udp_apply_locked(struct udp_sock *up)
{
	struct sock *sk = &up->inet.sk;
	struct udp_pcb *pcb = up->pcb;

	ip_reset_option(pcb, SOF_REUSEADDR | SOF_REUSEPORT | SOF_BROADCAST);
	if (sock_flag(sk, SOCK_REUSEPORT))
		ip_set_option(pcb, SOF_REUSEPORT);
	if (sock_flag(sk, SOCK_REUSEADDR))
		ip_set_option(pcb, SOF_REUSEADDR);
	if (sock_flag(sk, SOCK_BROADCAST))
		ip_set_option(pcb, SOF_BROADCAST);
	pcb->ttl = up->inet.ttl;
	pcb->tos = up->inet.tos;
	pcb->netif_idx = READ_ONCE(sk->bound_dev);
}

static void udp_apply(struct sock *sk)
{
	lock_net();
	udp_apply_locked(udp_sk(sk));
	unlock_net();
	if (!(READ_ONCE(inet_sk(sk)->ipflags) & INET_RECVERR) && !list_empty(&udp_sk(sk)->errors))
		udp_purge_errors(sk);
}

static void udp_sock_release(struct sock *sk)
{
	struct udp_sock *up = udp_sk(sk);
	struct dgram *d, *next;

	lock_net();
	udp_remove(up->pcb);
	unlock_net();
	list_for_each_entry_safe(d, next, &up->rx, link)
		dgram_free(d);
	udp_purge_errors(sk);
	kmem_cache_free(udp_cache, sk);
}

struct sock *udp_sock_create(void)
{
	struct sock *sk = sk_alloc(udp_cache, &udp_ops, GFP_KERNEL);
	struct udp_sock *up = udp_sk(sk);

	if (!sk)
		return ERR_PTR(-ENOMEM);
	inet_init_sock(sk, SOCK_DGRAM, IPPROTO_UDP);
	INIT_LIST_HEAD(&up->rx);
	INIT_LIST_HEAD(&up->errors);
	lock_net();
	up->pcb = udp_new();
	if (up->pcb) {
		udp_recv(up->pcb, udp_recv_cb, up);
		udp_err(up->pcb, udp_err_cb);
		udp_apply_locked(up);
	}
	unlock_net();
	if (!up->pcb) {
		kmem_cache_free(udp_cache, sk);
		return ERR_PTR(-ENOBUFS);
	}
	return sk;
}

static const struct proto_ops udp_ops = {
	.bind = udp_sock_bind,
	.connect = udp_sock_connect,
	.shutdown = udp_sock_shutdown,
	.sendmsg = udp_sendmsg,
	.recvmsg = udp_recvmsg,
	.getname = inet_getname,
	.setsockopt = inet_setsockopt,
	.getsockopt = inet_getsockopt,
	.apply = udp_apply,
	.poll = udp_sock_poll,
	.ioctl = udp_sock_ioctl,
	.release = udp_sock_release,
};

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
			.rx = sk ? udp_sk(sk)->rx_truesize : 0,
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

static int __init udp_sock_init(void)
{
	udp_cache = kmem_cache_create("UDP", sizeof(struct udp_sock), 0);
	dgram_cache = kmem_cache_create("udp_dgram", sizeof(struct dgram), 0);
	return 0;
}
core_initcall(udp_sock_init);
