/*
 * Datagram sockets over lwIP's raw API: a queue of datagrams. UDP, raw and ping sockets differ in their
 * headers only, and in how lwIP is asked: struct dgram_proto (net/dgram.h).
 *
 * A protocol's receive callback (softirq, net_lock) gives each datagram with its source to
 * dgram_queue(), which puts it on the socket's queue, or drops it when the memory that the queue
 * pins exceeds SO_RCVBUF. recvmsg() takes one datagram off the queue under sk->lock, without
 * net_lock, and copies it with no lock held. sendmsg() copies the user's bytes into one pbuf and
 * sends it at once; nothing is queued on the way out, so the socket is always writable.
 *
 * connect() fixes the peer; an ICMP "port unreachable" then comes back as ECONNREFUSED
 * (dgram_err.c).
 *
 * LOCKING: net/sock.c. A datagram is reached by one task only once it is off the queue; MSG_PEEK
 * takes a reference to its pbufs, whose contents never change.
 */

#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/uaccess.h"
#include "net/dgram.h"
#include "net/net.h"

#define FRAME_TRUESIZE 2048u /* what a received frame pins */
#define IP_MAX_PACKET  65535u

struct dgram {
	struct list_head link;
	struct pbuf *p;
	u32 saddr; /* network byte order */
	u32 truesize;
	u16 sport; /* host byte order */
	struct inet_pktinfo info;
};

static struct kmem_cache *sock_cache, *dgram_cache; /* [I] */

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

struct inet_pktinfo dgram_packet_info(const struct sock *sk)
{
	const struct netif *netif = ip_current_input_netif();
	const ip4_addr_t *dest = ip4_current_dest_addr();
	bool many = ip4_addr_isbroadcast(dest, netif) || ip4_addr_ismulticast(dest);

	return (struct inet_pktinfo){
		.stamp = unlikely(sock_flag(sk, SOCK_RCVTSTAMP)) ? ktime_get_real() : 0,
		.daddr = dest->addr,
		/* What went to many is answered with the interface's address. */
		.laddr = many ? netif_ip4_addr(netif)->addr : dest->addr,
		.ifindex = netif_get_index(netif),
		.ttl = IPH_TTL(ip4_current_header()),
		.tos = IPH_TOS(ip4_current_header()),
	};
}

bool dgram_charge(struct dgram_sock *dg, u32 truesize)
{
	if (dg->rx_truesize + truesize > (u32)READ_ONCE(dg->inet.sk.rcvbuf))
		return false;
	dg->rx_truesize += truesize;
	return true;
}

void dgram_queue(struct dgram_sock *dg, struct pbuf *p, u32 saddr, u16 sport)
{
	struct dgram *d = mc_allows(dg) ? kmem_cache_alloc(dgram_cache, GFP_ATOMIC) : NULL;
	struct sock *sk = &dg->inet.sk;
	bool queued;

	if (!d) {
		pbuf_free(p);
		return;
	}
	*d = (struct dgram){
		.p = p,
		.saddr = saddr,
		.sport = sport,
		.truesize = chain_truesize(p),
		.info = dgram_packet_info(sk),
	};
	WRITE_ONCE(sk->incoming_cpu, (s16)smp_processor_id());
	spin_lock_bh(&sk->lock);
	queued = dgram_charge(dg, d->truesize);
	if (queued)
		list_add_tail(&d->link, &dg->rx);
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
static bool dgram_take(struct dgram_sock *dg, struct dgram *out, bool peek)
{
	struct dgram *d;

	spin_lock_bh(&dg->inet.sk.lock);
	d = list_first_entry_or_null(&dg->rx, struct dgram, link);
	if (d) {
		*out = *d;
		if (peek) {
			pbuf_ref(d->p);
		} else {
			list_del(&d->link);
			dg->rx_truesize -= d->truesize;
		}
	}
	spin_unlock_bh(&dg->inet.sk.lock);
	if (d && !peek)
		kmem_cache_free(dgram_cache, d);
	return d;
}

/* Waits for a datagram. Without one d->p stays NULL, and the value is -errno or 0 (shut down). */
static int dgram_wait(struct sock *sk, struct dgram *d, unsigned flags)
{
	u64 deadline = sock_deadline(READ_ONCE(sk->rcvtimeo), flags & MSG_DONTWAIT);
	struct dgram_sock *dg = dgram_sk(sk);
	int err;

	for (;;) {
		err = sock_error(sk);
		if (err)
			return err;
		if (dgram_take(dg, d, flags & MSG_PEEK))
			return 0;
		if (!deadline)
			return -EAGAIN;
		if (READ_ONCE(sk->shutdown) & RCV_SHUTDOWN)
			return 0;
		err = (int)wait_event_interruptible_exclusive_deadline(
			&sk->wq,
			!list_empty(&dg->rx) || READ_ONCE(sk->sk_err) ||
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

static ssize_t dgram_recvmsg(struct sock *sk, struct msghdr *m)
{
	size_t len = m->iter->count, total;
	struct dgram d = {.p = NULL};
	ssize_t ret;

	if (m->flags & MSG_ERRQUEUE)
		return dgram_recv_err(sk, m);
	ret = dgram_wait(sk, &d, m->flags);
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
static int dgram_check_route(struct dgram_sock *dg, const ip_addr_t *dest, u8 ifindex,
			     struct netif **netif)
{
	*netif = ifindex ? netif_get_by_index(ifindex) : ip_route(&dg->pcb.ip->local_ip, dest);
	if (!*netif)
		return ifindex ? -ENODEV : -ENETUNREACH;
	if (ip_addr_isbroadcast(dest, *netif) && !sock_flag(&dg->inet.sk, SOCK_BROADCAST))
		return -EACCES;
	return 0;
}

/* Bytes that go in front of the user's. */
static unsigned headers(const struct dgram_sock *dg)
{
	return READ_ONCE(dg->inet.ipflags) & INET_HDRINCL ? 0 : dg->proto->headers;
}

/* IP_MTU_DISCOVER: is this a datagram that must not be cut, and is too long for the interface? */
static bool dgram_too_long(const struct dgram_sock *dg, const struct pbuf *p,
			   const struct netif *netif)
{
	u8 mode = READ_ONCE(dg->inet.pmtudisc);

	return mode >= IP_PMTUDISC_DO && mode < IP_PMTUDISC_OMIT &&
	       p->tot_len + headers(dg) > netif->mtu;
}

/* Destination of a message: its own, or that of connect(). */
static int dgram_dest(struct sock *sk, const struct msghdr *m, ip_addr_t *dest, u16 *port)
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
	if (!in->sin_port && dgram_sk(sk)->proto->ports)
		return -EINVAL;
	dest->addr = in->sin_addr ? in->sin_addr : lwip_htonl(INADDR_LOOPBACK);
	*port = lwip_ntohs(in->sin_port);
	return 0;
}

/* The source address of a socket that sends by @netif. net_lock held. */
static ip_addr_t source(const struct dgram_sock *dg, const struct netif *netif)
{
	ip_addr_t local = dg->pcb.ip->local_ip;

	/* lwIP counts 0.0.0.0 among the broadcasts. */
	if (ip_addr_ismulticast(&local) || ip_addr_isbroadcast(&local, netif))
		return *netif_ip4_addr(netif);
	return local;
}

static int dgram_transmit(struct dgram_sock *dg, struct pbuf *p, const ip_addr_t *dest, u16 port,
			  const struct inet_send *how)
{
	struct ip_pcb *pcb = dg->pcb.ip;
	ip_addr_t src = {how->saddr};
	struct netif *netif;
	int err;

	lock_net();
	err = dgram_check_route(dg, dest, how->ifindex ?: mc_interface(dg, dest), &netif);
	if (!err && how->saddr && inet_check_local(how->saddr))
		err = -ENETUNREACH;
	if (!err && dgram_too_long(dg, p, netif))
		err = -EMSGSIZE;
	if (!err) {
		if (!src.addr)
			src = source(dg, netif);
		pcb->ttl = how->ttl;
		pcb->tos = how->tos;
		err = dg->proto->output(dg, p, dest, port, netif, &src);
		pcb->ttl = dg->inet.ttl;
		pcb->tos = dg->inet.tos;
	}
	unlock_net();
	return err;
}

static ssize_t dgram_sendmsg(struct sock *sk, struct msghdr *m)
{
	struct inet_send how = {
		.ifindex = READ_ONCE(sk->bound_dev),
		.ttl = READ_ONCE(inet_sk(sk)->ttl),
		.tos = READ_ONCE(inet_sk(sk)->tos),
	};
	struct dgram_sock *dg = dgram_sk(sk);
	size_t len = m->iter->count;
	struct pbuf *p;
	ip_addr_t dest;
	u16 port;
	int err;

	if (len > 0xffff)
		return -EMSGSIZE;
	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	err = dgram_dest(sk, m, &dest, &port);
	if (err)
		return err;
	if (ip_addr_ismulticast(&dest))
		how.ttl = READ_ONCE(dg->mc_ttl);
	err = inet_get_cmsgs(m, &how);
	if (err)
		return err;
	if (len > IP_MAX_PACKET - headers(dg))
		return -EMSGSIZE;
	err = sock_error(sk);
	if (err)
		return err;
	if (READ_ONCE(sk->shutdown) & SEND_SHUTDOWN)
		return -EPIPE;
	p = pbuf_alloc(PBUF_TRANSPORT, (u16)len, PBUF_RAM);
	if (!p)
		return -ENOBUFS;
	if (ip_addr_ismulticast(&dest) && READ_ONCE(dg->mc_loop))
		p->flags |= PBUF_FLAG_MCASTLOOP;
	if (copy_from_iter(p->payload, len, m->iter) < len)
		err = -EFAULT;
	else
		err = dgram_transmit(dg, p, &dest, port, &how);
	pbuf_free(p);
	return err ? err : (ssize_t)len;
}

/* ---- bind, connect, shutdown ---- */

static int dgram_bind(struct sock *sk, const struct sockaddr *addr, int len)
{
	struct dgram_sock *dg = dgram_sk(sk);
	ip_addr_t ip;
	u16 port;
	int err = inet_bind_address(addr, len, &ip.addr, &port);

	if (err)
		return err;
	lock_net();
	err = inet_may_bind(sk, ip.addr, dg->proto->ports ? port : 0);
	if (!err)
		err = dg->proto->bind(dg, &ip, port);
	if (!err) {
		dg->bound_ip = ip.addr;
		WRITE_ONCE(dg->inet.laddr, ip.addr);
		if (port)
			sock_set(sk, SOCK_BINDPORT);
	}
	unlock_net();
	return err;
}

/* Back to where bind() left it; a port that nobody asked for is given back. net_lock held. */
static void dgram_unconnect(struct dgram_sock *dg)
{
	struct sock *sk = &dg->inet.sk;

	dg->proto->disconnect(dg);
	dg->pcb.ip->local_ip.addr = dg->bound_ip;
	dg->pcb.ip->netif_idx = NETIF_NO_INDEX;
	WRITE_ONCE(sk->bound_dev, 0);
	WRITE_ONCE(dg->inet.laddr, dg->bound_ip);
	if (!sock_flag(sk, SOCK_BINDPORT))
		WRITE_ONCE(dg->inet.lport, 0);
	inet_set_peer(&dg->inet, 0, 0);
	WRITE_ONCE(sk->state, TCP_CLOSE);
}

/* net_lock held. */
static int dgram_connect_locked(struct dgram_sock *dg, const ip_addr_t *dest, u16 port)
{
	struct ip_pcb *pcb = dg->pcb.ip;
	struct netif *netif;
	int err;

	/* Routed as if new: the address that an earlier connect() chose may not fit. */
	pcb->local_ip.addr = dg->bound_ip;
	err = dgram_check_route(dg, dest, dg->inet.sk.bound_dev ?: mc_interface(dg, dest), &netif);
	if (!err)
		err = dg->proto->connect(dg, dest, port);
	if (err)
		return err;
	if (!dg->bound_ip)
		pcb->local_ip.addr = netif_ip4_addr(netif)->addr;
	WRITE_ONCE(dg->inet.laddr, pcb->local_ip.addr);
	inet_set_peer(&dg->inet, dest->addr, port);
	WRITE_ONCE(dg->inet.sk.state, TCP_ESTABLISHED);
	return 0;
}

static int dgram_connect(struct sock *sk, const struct sockaddr *addr, int len, unsigned fflags)
{
	struct dgram_sock *dg = dgram_sk(sk);
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
		dgram_unconnect(dg);
	else
		err = dgram_connect_locked(dg, &dest, port);
	unlock_net();
	return err;
}

static int dgram_shutdown(struct sock *sk, int how)
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

static __poll_t dgram_poll(struct sock *sk)
{
	__poll_t mask = sock_poll_ends(sk) | EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;

	if (!list_empty(&dgram_sk(sk)->errors))
		mask |= EPOLLERR;
	if (!list_empty(&dgram_sk(sk)->rx))
		mask |= EPOLLIN | EPOLLRDNORM;
	return mask;
}

/* FIONREAD: the size of the first datagram, udp(7). */
static long dgram_ioctl(struct sock *sk, unsigned cmd, u64 arg)
{
	struct dgram_sock *dg = dgram_sk(sk);
	int v = 0;

	switch (cmd) {
	case FIONREAD:
		spin_lock_bh(&sk->lock);
		if (!list_empty(&dg->rx))
			v = list_first_entry(&dg->rx, struct dgram, link)->p->tot_len;
		spin_unlock_bh(&sk->lock);
		break;
	case SIOCOUTQ:
		break;
	default:
		return -ENOTTY;
	}
	return put_user(v, (int __user *)arg);
}

/* Gives lwIP what the user has chosen. net_lock held. */
static void dgram_apply_locked(struct dgram_sock *dg)
{
	struct sock *sk = &dg->inet.sk;
	struct ip_pcb *pcb = dg->pcb.ip;

	ip_reset_option(pcb, SOF_REUSEADDR | SOF_REUSEPORT | SOF_BROADCAST);
	if (sock_flag(sk, SOCK_REUSEPORT))
		ip_set_option(pcb, SOF_REUSEPORT);
	if (sock_flag(sk, SOCK_REUSEADDR))
		ip_set_option(pcb, SOF_REUSEADDR);
	if (sock_flag(sk, SOCK_BROADCAST))
		ip_set_option(pcb, SOF_BROADCAST);
	pcb->ttl = dg->inet.ttl;
	pcb->tos = dg->inet.tos;
	pcb->netif_idx = READ_ONCE(sk->bound_dev);
}

static void dgram_apply(struct sock *sk)
{
	lock_net();
	dgram_apply_locked(dgram_sk(sk));
	unlock_net();
	if (!(READ_ONCE(inet_sk(sk)->ipflags) & INET_RECVERR) && !list_empty(&dgram_sk(sk)->errors))
		dgram_purge_errors(sk);
}

/* ---- options, ip(7) ---- */

static int dgram_setsockopt(struct sock *sk, int level, int name, const void __user *val, int len)
{
	struct dgram_sock *dg = dgram_sk(sk);

	if (level == SOL_RAW && sk->type == SOCK_RAW)
		return raw_setsockopt(sk, name, val, len);
	if (is_mc_option(level, name))
		return mc_setsockopt(dg, name, val, len);
	return inet_setsockopt(sk, level, name, val, len);
}

static int dgram_getsockopt(struct sock *sk, int level, int name, void __user *val, int __user *len)
{
	struct dgram_sock *dg = dgram_sk(sk);

	if (level == SOL_RAW && sk->type == SOCK_RAW)
		return raw_getsockopt(sk, name, val, len);
	if (is_mc_option(level, name))
		return mc_getsockopt(dg, name, val, len);
	return inet_getsockopt(sk, level, name, val, len);
}

/* ---- life ---- */

static void dgram_release(struct sock *sk)
{
	struct dgram_sock *dg = dgram_sk(sk);
	struct dgram *d, *next;

	lock_net();
	mc_release(dg);
	dg->proto->remove(dg);
	unlock_net();
	list_for_each_entry_safe(d, next, &dg->rx, link)
		dgram_free(d);
	dgram_purge_errors(sk);
	kmem_cache_free(sock_cache, sk);
}

static const struct proto_ops dgram_ops = {
	.bind = dgram_bind,
	.connect = dgram_connect,
	.shutdown = dgram_shutdown,
	.sendmsg = dgram_sendmsg,
	.recvmsg = dgram_recvmsg,
	.getname = inet_getname,
	.setsockopt = dgram_setsockopt,
	.getsockopt = dgram_getsockopt,
	.apply = dgram_apply,
	.poll = dgram_poll,
	.ioctl = dgram_ioctl,
	.release = dgram_release,
};

struct sock *dgram_sock_create(const struct dgram_proto *proto, int type, int protocol)
{
	struct sock *sk = sk_alloc(sock_cache, &dgram_ops, GFP_KERNEL);
	struct dgram_sock *dg = dgram_sk(sk);
	int err;

	if (!sk)
		return ERR_PTR(-ENOMEM);
	inet_init_sock(sk, type, protocol);
	dg->proto = proto;
	mc_init(dg);
	INIT_LIST_HEAD(&dg->rx);
	INIT_LIST_HEAD(&dg->errors);
	lock_net();
	err = proto->open(dg);
	if (!err)
		dgram_apply_locked(dg);
	unlock_net();
	if (!err)
		return sk;
	kmem_cache_free(sock_cache, sk);
	return ERR_PTR(err);
}

static int __init dgram_init(void)
{
	sock_cache = kmem_cache_create("dgram_sock", sizeof(struct dgram_sock), 0);
	dgram_cache = kmem_cache_create("dgram", sizeof(struct dgram), 0);
	return 0;
}
core_initcall(dgram_init);
