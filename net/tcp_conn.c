/*
 * TCP sockets: how a connection comes about. bind() and listen() claim an address; connect() sends a
 * SYN and waits for what becomes of it; accept() takes connections off the listener's queue.
 *
 *	SYN arrives     lwIP makes a pcb in SYN_RCVD that counts against the backlog; a full backlog
 *	                drops the SYN, and the peer repeats it
 *	ACK arrives     tcp_accept_cb(): the child socket is made and queued, the listener readable
 *	accept(2)       the child leaves the queue, its place in the backlog is free again
 *
 * sk->ss_state remembers connect()'s progress between calls of a non-blocking socket: the first
 * returns EINPROGRESS, further ones EALREADY, the one after the end its result.
 *
 * LOCKING: net/sock.c. The accept queue belongs to net_lock; sleepers wait on the listener's wq.
 */

#include "kernel/abi/fcntl.h"
#include "net/tcp.h"

/* ---- bind ---- */

/* net_lock held; tp->pcb is there. @port 0: any free one. */
static int tcp_bind_locked(struct tcp_sock *tp, u32 ip, u16 port)
{
	struct tcp_pcb *pcb = tp->pcb;
	ip_addr_t addr = {ip};
	err_t err;

	err = tcp_bind(pcb, &addr, port);
	if (err == ERR_BUF) /* no port is left */
		return -EADDRINUSE;
	if (err != ERR_OK)
		return inet_errno(err);
	inet_set_local(&tp->inet, ip, pcb->local_port);
	return 0;
}

/* Only the address; connect() or listen() will choose a port. net_lock held; tp->pcb is there. */
static void tcp_bind_address(struct tcp_sock *tp, u32 ip)
{
	tp->pcb->local_ip.addr = ip;
	WRITE_ONCE(tp->inet.laddr, ip);
}

/* Makes sure that there is a pcb, bound as the socket was before if it has lost its first one. */
static int tcp_need_pcb(struct tcp_sock *tp)
{
	struct tcp_pcb *pcb;
	int err = 0;

	if (tp->pcb)
		return 0;
	pcb = tcp_new();
	if (!pcb)
		return -ENOBUFS;
	tcp_attach(tp, pcb);
	if (tp->inet.lport)
		err = tcp_bind_locked(tp, tp->inet.laddr, tp->inet.lport);
	else
		tcp_bind_address(tp, tp->inet.laddr);
	if (err)
		tcp_drop_pcb(tp, false);
	return err;
}

int tcp_sock_bind(struct sock *sk, const struct sockaddr *addr, int len)
{
	struct tcp_sock *tp = tcp_sk(sk);
	u32 ip;
	u16 port;
	int err = inet_bind_address(addr, len, &ip, &port);

	if (err)
		return err;
	lock_net();
	err = inet_may_bind(sk, ip, port);
	if (err)
		goto out;
	err = -EINVAL;
	if (sk->state != TCP_CLOSE || tp->inet.lport)
		goto out;
	err = tcp_need_pcb(tp);
	if (!err && !port && (tp->inet.ipflags & INET_NO_PORT))
		tcp_bind_address(tp, ip);
	else if (!err)
		err = tcp_bind_locked(tp, ip, port);
	if (!err)
		sock_set(sk, (ip ? SOCK_BINDADDR : 0) | (port ? SOCK_BINDPORT : 0));
out:
	unlock_net();
	return err;
}

/* ---- listen and accept ---- */

static void tcp_inherit(struct tcp_sock *child, const struct tcp_sock *parent)
{
	struct sock *c = &child->inet.sk;
	const struct sock *p = &parent->inet.sk;

	c->flags = READ_ONCE(p->flags) & SOCK_INHERITED;
	c->lingertime = p->lingertime;
	c->rcvbuf = p->rcvbuf;
	c->sndbuf = p->sndbuf;
	c->rcvlowat = p->rcvlowat;
	c->rcvtimeo = p->rcvtimeo;
	c->sndtimeo = p->sndtimeo;
	c->uid = p->uid;
	c->mark = p->mark;
	c->priority = p->priority;
	c->busy_poll = p->busy_poll;
	c->bound_dev = p->bound_dev;
	c->ss_state = SS_CONNECTED;
	child->inet.ttl = parent->inet.ttl;
	child->inet.tos = parent->inet.tos;
	child->inet.pmtudisc = parent->inet.pmtudisc;
	child->inet.ipflags = parent->inet.ipflags;
	child->keepidle = parent->keepidle;
	child->keepintvl = parent->keepintvl;
	child->keepcnt = parent->keepcnt;
	child->syn_retries = parent->syn_retries;
	child->user_mss = parent->user_mss;
	child->user_timeout = parent->user_timeout;
}

/* A handshake is complete. Any error but ERR_ABRT makes lwIP reset the connection. */
static err_t tcp_accept_cb(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct sock *lsk = arg, *sk;
	struct tcp_sock *ltp = tcp_sk(lsk), *tp;

	if (err != ERR_OK || !pcb)
		return ERR_VAL;
	sk = tcp_sock_alloc(GFP_ATOMIC);
	if (!sk)
		return ERR_MEM;
	tp = tcp_sk(sk);
	tcp_inherit(tp, ltp);
	tcp_attach(tp, pcb);
	tcp_established(sk, pcb);
	tcp_urg_accepted(tp);
	/*
	 * The place in the backlog stays taken until accept(), whatever becomes of the connection,
	 * so the queue cannot grow beyond it. lwIP has just given back the one of the handshake.
	 */
	((struct tcp_pcb_listen *)ltp->pcb)->accepts_pending++;
	ltp->ack_backlog++;
	list_add_tail(&tp->accept_link, &ltp->accept_link);
	lsk->sk_data_ready(lsk);
	return ERR_OK;
}

static int tcp_start_listen(struct tcp_sock *tp)
{
	struct sock *sk = &tp->inet.sk;
	struct tcp_pcb *lpcb;
	err_t err = ERR_OK;
	int ret = tcp_need_pcb(tp);

	if (!ret && !tp->inet.lport)
		ret = tcp_bind_locked(tp, tp->inet.laddr, 0);
	if (ret)
		return ret;
	/* Frees the pcb and returns a smaller one. */
	lpcb = tcp_listen_with_backlog_and_err(tp->pcb, 1, &err);
	if (!lpcb)
		return inet_errno(err);
	tp->pcb = lpcb;
	tcp_arg(lpcb, tp);
	tcp_accept(lpcb, tcp_accept_cb);
	WRITE_ONCE(sk->state, TCP_LISTEN);
	return 0;
}

int tcp_sock_listen(struct sock *sk, int backlog)
{
	struct tcp_sock *tp = tcp_sk(sk);
	int err = -EINVAL;

	lock_net();
	if (sk->ss_state != SS_UNCONNECTED || (sk->state != TCP_CLOSE && sk->state != TCP_LISTEN))
		goto out;
	err = sk->state == TCP_LISTEN ? 0 : tcp_start_listen(tp);
	if (err)
		goto out;
	tp->max_ack_backlog = (u32)backlog;
	/* Linux lets one more in than it was told. */
	tcp_backlog_set(tp->pcb, backlog + 1);
out:
	unlock_net();
	return err;
}

static struct sock *tcp_pop_child(struct tcp_sock *tp)
{
	struct tcp_sock *child = NULL;

	lock_net();
	if (!list_empty(&tp->accept_link) && tp->inet.sk.state == TCP_LISTEN) {
		child = list_first_entry(&tp->accept_link, struct tcp_sock, accept_link);
		list_del_init(&child->accept_link);
		tp->ack_backlog--;
		((struct tcp_pcb_listen *)tp->pcb)->accepts_pending--;
	}
	unlock_net();
	return (struct sock *)child;
}

/* A connection that was reset while it waited is handed out all the same: its error is to be read. */
struct sock *tcp_sock_accept(struct sock *sk, unsigned fflags)
{
	struct tcp_sock *tp = tcp_sk(sk);
	u64 deadline = sock_deadline(READ_ONCE(sk->rcvtimeo), fflags & O_NONBLOCK);
	struct sock *child;
	long err;

	for (;;) {
		if (READ_ONCE(sk->state) != TCP_LISTEN)
			return ERR_PTR(-EINVAL);
		child = tcp_pop_child(tp);
		if (child)
			return child;
		if (!deadline)
			return ERR_PTR(-EAGAIN);
		err = wait_event_interruptible_exclusive_deadline(
			&sk->wq,
			!list_empty(&tp->accept_link) || READ_ONCE(sk->state) != TCP_LISTEN,
			deadline);
		if (err)
			return ERR_PTR(sock_wait_error(err, deadline));
	}
}

/* ---- connect ---- */

/* Sends the SYN. net_lock held. */
static int tcp_start_connect(struct sock *sk, const struct sockaddr *addr, int len)
{
	struct tcp_sock *tp = tcp_sk(sk);
	ip_addr_t dest;
	u16 port;
	err_t err;
	int ret = inet_dest_address(addr, len, &dest.addr, &port);

	if (ret)
		return ret;
	if (ip4_addr_ismulticast(&dest) || dest.addr == INADDR_BROADCAST)
		return -ENETUNREACH;
	ret = tcp_need_pcb(tp);
	if (ret)
		return ret;
	err = tcp_connect(tp->pcb, &dest, port, tcp_connected_cb);
	if (err != ERR_OK) {
		/* The pcb may have taken a port without being listed under it: begin anew. */
		tcp_drop_pcb(tp, false);
		/* No port is left, or this pair of addresses is taken. */
		return err == ERR_BUF || err == ERR_USE ? -EADDRNOTAVAIL : inet_errno(err);
	}
	tp->stalled = 0;
	inet_set_local(&tp->inet, tp->pcb->local_ip.addr, tp->pcb->local_port);
	inet_set_peer(&tp->inet, dest.addr, port);
	WRITE_ONCE(sk->state, TCP_SYN_SENT);
	return 0;
}

/* connect() to AF_UNSPEC dissolves the association, connect(2). */
static int tcp_unconnect(struct sock *sk)
{
	LIST_HEAD(children);

	lock_sock(sk);
	lock_net();
	tcp_disconnect(sk, &children);
	unlock_net();
	tcp_rx_purge(tcp_sk(sk));
	release_sock(sk);
	tcp_kill_children(&children);
	return 0;
}

/* -EINPROGRESS when the handshake is under way now, other errors, or 0: wait no more. */
static int tcp_connect_begin(struct sock *sk, const struct sockaddr *addr, int len)
{
	int err;

	switch (sk->ss_state) {
	case SS_CONNECTED:
		return -EISCONN;
	case SS_CONNECTING: /* the second call learns what became of the first */
		return sk->state == TCP_SYN_SENT ? -EALREADY : 0;
	case SS_UNCONNECTED:
		if (sk->state != TCP_CLOSE)
			return -EISCONN;
		err = tcp_start_connect(sk, addr, len);
		if (err)
			return err;
		sk->ss_state = SS_CONNECTING;
		return -EINPROGRESS;
	default:
		return -EINVAL;
	}
}

static int tcp_connect_end(struct sock *sk)
{
	LIST_HEAD(children); /* stays empty */
	int err = 0;

	lock_net();
	if (sk->state == TCP_CLOSE) {
		err = sock_error(sk);
		if (!err)
			err = -ECONNABORTED;
		tcp_disconnect(sk, &children);
	} else {
		sk->ss_state = SS_CONNECTED;
	}
	unlock_net();
	return err;
}

int tcp_sock_connect(struct sock *sk, const struct sockaddr *addr, int len, unsigned fflags)
{
	u64 deadline;
	long ret;
	int err;

	if (len < (int)sizeof(addr->sa_family))
		return -EINVAL;
	if (addr->sa_family == AF_UNSPEC)
		return tcp_unconnect(sk);
	lock_net();
	err = tcp_connect_begin(sk, addr, len);
	unlock_net();
	if (!err)
		return tcp_connect_end(sk);
	if (err != -EINPROGRESS && err != -EALREADY)
		return err;
	deadline = sock_deadline(READ_ONCE(sk->sndtimeo), fflags & O_NONBLOCK);
	if (!deadline)
		return err;
	ret = wait_event_interruptible_deadline(&sk->wq, READ_ONCE(sk->state) != TCP_SYN_SENT,
						deadline);
	if (ret == -ETIME)
		return err;
	if (ret)
		return (int)sock_wait_error(ret, deadline);
	return tcp_connect_end(sk);
}
