/*
 * TCP sockets: the life of a connection, from socket() to the last segment. How it comes about is in
 * tcp_conn.c, its bytes in tcp_data.c, urgent ones in tcp_urg.c, its options in tcp_opt.c.
 *
 * lwIP does TCP; its control block (struct tcp_pcb) and our struct tcp_sock point at each other
 * while both live, and they die in either order:
 *
 *	close()                      tcp_detach() clears pcb->callback_arg; lwIP finishes the
 *	                             connection (FIN, TIME_WAIT) alone and frees the pcb
 *	RST, timeouts                lwIP frees the pcb and calls tcp_err_cb(), which clears tp->pcb;
 *	                             the socket stays, with an error and what is unread
 *	TIME_WAIT                    is lwIP's own affair: on entry we detach
 *
 * A pcb is made when the socket is first bound, connected or made to listen. lwIP tells us what
 * happens through five callbacks, all under net_lock, most in NET_RX_SOFTIRQ. They put data where
 * system calls find it, and wake; they never sleep and send nothing:
 *
 *	tcp_accept_cb     a handshake is complete: makes the child socket at once, queues it on the
 *	                  listener (so data that comes before accept() is kept), sk_data_ready
 *	tcp_connected_cb  our own connect is through: sk_state_change
 *	tcp_recv_cb       data: onto the receive queue, sk_data_ready; or FIN: sk_state_change
 *	tcp_sent_cb       the peer has acknowledged data: sk_write_space
 *	tcp_err_cb        the connection is dead: sk_state_change, sk_error_report
 *
 * sk->state, sk->shutdown, sk->sk_err, rx_bytes and wmem are single words that the callbacks write
 * and everybody may read: tcp_sock_poll() answers from them without a lock.
 *
 * LOCKING: see net/sock.c. Everything that asks lwIP for something runs under net_lock. The wait
 * queue's lock nests inside it: each wake-up here goes net_lock -> sk->wq -> epoll's locks.
 */

#include "kernel/lib/init.h"
#include "kernel/sched/signal.h"
#include "net/tcp.h"

#define TCP_DEFAULT_RCVBUF 131072 /* tcp_rmem of Linux */
#define TCP_DEFAULT_SNDBUF 16384  /* tcp_wmem; an open connection has more */
#define TCP_LEAST_MSS      64     /* smaller segments are not made, however small the window */

static struct kmem_cache *tcp_cache; /* [I] */
static const struct proto_ops tcp_ops;

struct sock *tcp_sock_alloc(gfp_t gfp)
{
	struct sock *sk = sk_alloc(tcp_cache, &tcp_ops, gfp);

	if (!sk)
		return NULL;
	inet_init_sock(sk, SOCK_STREAM, IPPROTO_TCP);
	INIT_LIST_HEAD(&tcp_sk(sk)->accept_link);
	return sk;
}

struct sock *tcp_sock_create(void)
{
	struct sock *sk = tcp_sock_alloc(GFP_KERNEL);

	if (!sk)
		return ERR_PTR(-ENOMEM);
	sk->rcvbuf = TCP_DEFAULT_RCVBUF;
	sk->sndbuf = TCP_DEFAULT_SNDBUF;
	return sk;
}

/* ---- state ---- */

bool tcp_sync_state(struct sock *sk, const struct tcp_pcb *pcb)
{
	u8 state = tcp_state_number(pcb->state);

	if (state == sk->state)
		return false;
	WRITE_ONCE(sk->state, state);
	return true;
}

void tcp_sync_send(struct tcp_sock *tp, const struct tcp_pcb *pcb)
{
	/* A segment is at most half of the largest window that the peer has shown. */
	u32 most = max((u32)pcb->snd_wnd_max / 2, (u32)TCP_LEAST_MSS);

	WRITE_ONCE(tp->wmem, TCP_SND_BUF - min((u32)pcb->snd_buf, (u32)TCP_SND_BUF));
	WRITE_ONCE(tp->mss, (u16)min(most, (u32)tcp_mss(pcb)));
}

void tcp_established(struct sock *sk, struct tcp_pcb *pcb)
{
	struct inet_sock *inet = inet_sk(sk);

	inet_set_local(inet, pcb->local_ip.addr, pcb->local_port);
	inet_set_peer(inet, pcb->remote_ip.addr, pcb->remote_port);
	tcp_sync_send(tcp_sk(sk), pcb);
	if (!sock_flag(sk, SOCK_SNDBUF_LOCK))
		WRITE_ONCE(sk->sndbuf, TCP_SND_BUF);
	/* Of lwIP's window, what SO_RCVBUF has kept from the peer so far counts as read. */
	atomic_set(&tcp_sk(sk)->rx_credit, (int)(TCP_WND_MAX(pcb) - pcb->rcv_wnd));
	WRITE_ONCE(sk->state, TCP_ESTABLISHED);
}

static void tcp_done(struct sock *sk, int err)
{
	/* Readers look at the state first, then at the error: in the opposite order. */
	if (err)
		WRITE_ONCE(sk->sk_err, err);
	smp_wmb();
	WRITE_ONCE(tcp_sk(sk)->wmem, 0);
	WRITE_ONCE(sk->shutdown, SHUTDOWN_MASK);
	WRITE_ONCE(sk->state, TCP_CLOSE);
	sk->sk_state_change(sk);
	if (err)
		sk->sk_error_report(sk);
}

void tcp_detach(struct tcp_sock *tp)
{
	struct tcp_pcb *pcb = tp->pcb;

	tp->pcb = NULL;
	tcp_arg(pcb, NULL);
	if (pcb->state == LISTEN)
		return;
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_err(pcb, NULL);
}

/* lwIP's tcp_close() answers data that is not accounted for with RST. Here it is the caller who
 * knows about unread data, and rcv_wnd may be short only for the sake of SO_RCVBUF. */
static void tcp_close_pcb(struct tcp_pcb *pcb)
{
	if (pcb->state != LISTEN) {
		pcb->rcv_wnd = TCP_WND_MAX(pcb);
		/* FIN_WAIT_2 has a limit from now on. */
		tcp_timing_changed(pcb);
	}
	tcp_close(pcb);
}

void tcp_drop_pcb(struct tcp_sock *tp, bool reset)
{
	struct tcp_pcb *pcb = tp->pcb;

	if (!pcb)
		return;
	tcp_detach(tp);
	if (reset && pcb->state >= SYN_RCVD)
		tcp_abort(pcb);
	else
		tcp_close_pcb(pcb);
}

/*
 * lwIP has moved the pcb to TIME_WAIT, where no callback tells of its end. As on Linux the socket
 * is closed from then on, though its unread data stays.
 */
static bool tcp_left_for_time_wait(struct sock *sk, struct tcp_pcb *pcb)
{
	if (pcb->state != TIME_WAIT)
		return false;
	tcp_detach(tcp_sk(sk));
	tcp_done(sk, 0);
	return true;
}

/* ---- callbacks: net_lock held, mostly softirq context ---- */

err_t tcp_connected_cb(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct sock *sk = arg;

	tcp_established(sk, pcb);
	tcp_apply_locked(tcp_sk(sk)); /* the window is scaled now */
	sk->sk_state_change(sk);
	return ERR_OK;
}

static void tcp_fin(struct sock *sk, struct tcp_pcb *pcb)
{
	/* A full barrier: who sees SOCK_DONE sees every byte before the FIN in rx_bytes. */
	sock_set(sk, SOCK_DONE);
	WRITE_ONCE(sk->shutdown, sk->shutdown | RCV_SHUTDOWN);
	if (tcp_left_for_time_wait(sk, pcb))
		return;
	tcp_sync_state(sk, pcb);
	sk->sk_state_change(sk);
}

static err_t tcp_recv_cb(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct sock *sk = arg;
	struct tcp_sock *tp = tcp_sk(sk);
	bool urgent;

	if (!p) {
		tcp_fin(sk, pcb);
		return ERR_OK;
	}
	/* Nobody will ever read this: RFC 1122 4.2.2.13 asks for a reset. */
	if (sk->shutdown == SHUTDOWN_MASK) {
		pbuf_free(p);
		tcp_detach(tp);
		tcp_abort(pcb);
		tcp_done(sk, ECONNRESET);
		return ERR_ABRT;
	}
	WRITE_ONCE(sk->incoming_cpu, (s16)smp_processor_id());
	tp->bytes_received += p->tot_len;
	urgent = tcp_rx_queue(tp, p);
	if (tp->rx_bytes >= (u32)READ_ONCE(sk->rcvlowat) || urgent)
		sk->sk_data_ready(sk);
	return ERR_OK;
}

static err_t tcp_sent_cb(void *arg, struct tcp_pcb *pcb, u16_t len)
{
	struct sock *sk = arg;

	tcp_sk(sk)->bytes_acked += len;
	tcp_sync_send(tcp_sk(sk), pcb);
	if (sock_flag(sk, SOCK_QFULL) && pcb->snd_queuelen <= TCP_SND_QUEUELEN / 3 * 2)
		sock_clear(sk, SOCK_QFULL);
	if (tcp_urg_unsent(pcb))
		tcp_urg_push(pcb);
	if (pcb->state == TIME_WAIT) {
		/* Both sides closed at once. Otherwise this segment also has the FIN, which
		 * tcp_recv_cb() is told of next. */
		if (sock_flag(sk, SOCK_DONE))
			tcp_left_for_time_wait(sk, pcb);
		return ERR_OK;
	}
	/* Our FIN has arrived: a lingering close() waits for this. */
	if (tcp_sync_state(sk, pcb))
		sk->sk_state_change(sk);
	/*
	 * Orders wmem before SOCK_NOSPACE; pairs with sock_set() in tcp_sendmsg() and
	 * tcp_sock_poll(), which set the flag and then look at wmem again.
	 */
	smp_mb();
	if (sock_flag(sk, SOCK_NOSPACE) && tcp_is_writeable(sk))
		sk->sk_write_space(sk);
	return ERR_OK;
}

/* The pcb is freed by lwIP, before or after this call. */
static void tcp_err_cb(void *arg, err_t err)
{
	struct sock *sk = arg;

	tcp_sk(sk)->pcb = NULL;
	switch (err) {
	case ERR_CLSD: /* both sides had shut down, and all is acknowledged */
		tcp_done(sk, 0);
		break;
	case ERR_TIMEOUT: /* tries, probes or patience ran out */
		tcp_done(sk, ETIMEDOUT);
		break;
	case ERR_RTE: /* ICMP, during the handshake */
		tcp_done(sk, EHOSTUNREACH);
		break;
	case ERR_RST:
		if (sk->state == TCP_SYN_SENT)
			tcp_done(sk, ECONNREFUSED);
		else
			tcp_done(sk, sk->state == TCP_CLOSE_WAIT ? EPIPE : ECONNRESET);
		break;
	default: /* our own doing: the interface has lost its address, memory is short */
		tcp_done(sk, ECONNABORTED);
	}
}

void tcp_attach(struct tcp_sock *tp, struct tcp_pcb *pcb)
{
	tp->pcb = pcb;
	tcp_arg(pcb, tp);
	tcp_recv(pcb, tcp_recv_cb);
	tcp_sent(pcb, tcp_sent_cb);
	tcp_err(pcb, tcp_err_cb);
	tcp_apply_locked(tp);
}

/* ---- the end of a connection ---- */

static void tcp_free_sock(struct sock *sk)
{
	tcp_rx_purge(tcp_sk(sk));
	kmem_cache_free(tcp_cache, sk);
}

/* One hold of net_lock each: there may be thousands. */
void tcp_kill_children(struct list_head *children)
{
	struct tcp_sock *child, *next;

	list_for_each_entry_safe(child, next, children, accept_link) {
		lock_net();
		tcp_drop_pcb(child, true);
		unlock_net();
		tcp_free_sock(&child->inet.sk);
		cond_resched();
	}
}

void tcp_disconnect(struct sock *sk, struct list_head *children)
{
	struct tcp_sock *tp = tcp_sk(sk);
	u8 old = sk->state;

	list_splice_tail_init(&tp->accept_link, children);
	tcp_drop_pcb(tp, true);
	tcp_urg_forget(tp);
	tp->ack_backlog = 0;
	if (old != TCP_CLOSE && old != TCP_LISTEN)
		WRITE_ONCE(sk->sk_err, ECONNRESET);
	inet_set_peer(&tp->inet, 0, 0);
	if (!sock_flag(sk, SOCK_BINDADDR))
		WRITE_ONCE(tp->inet.laddr, 0);
	if (!sock_flag(sk, SOCK_BINDPORT))
		WRITE_ONCE(tp->inet.lport, 0);
	sock_clear(sk, SOCK_DONE | SOCK_QFULL);
	WRITE_ONCE(tp->wmem, 0);
	WRITE_ONCE(tp->mss, 0);
	tp->bytes_acked = tp->bytes_received = 0;
	tp->stalled = 0;
	atomic_set(&tp->rx_credit, 0);
	WRITE_ONCE(sk->shutdown, 0);
	WRITE_ONCE(sk->state, TCP_CLOSE);
	sk->ss_state = SS_UNCONNECTED;
	if (sk->sk_err)
		sk->sk_error_report(sk);
}

/* Sends a FIN behind what is queued, if there is a connection that has sent none. net_lock held. */
static void tcp_send_end(struct tcp_sock *tp)
{
	struct tcp_pcb *pcb = tp->pcb;

	if (!pcb || (pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT))
		return;
	tcp_shutdown(pcb, 0, 1);
	tcp_sync_state(&tp->inet.sk, pcb);
}

static int tcp_sock_shutdown(struct sock *sk, int how)
{
	struct tcp_sock *tp = tcp_sk(sk);
	u8 bits = (u8)(how + 1); /* RCV_SHUTDOWN, SEND_SHUTDOWN or both */
	LIST_HEAD(children);
	int err = 0;

	lock_net();
	if (sk->ss_state == SS_CONNECTING)
		sk->ss_state = sk->state == TCP_SYN_SENT || sk->state == TCP_CLOSE
				       ? SS_DISCONNECTING
				       : SS_CONNECTED;
	if (sk->state == TCP_SYN_SENT || (sk->state == TCP_LISTEN && (bits & RCV_SHUTDOWN))) {
		tcp_disconnect(sk, &children);
	} else if (sk->state != TCP_LISTEN) {
		if (sk->state == TCP_CLOSE)
			err = -ENOTCONN;
		WRITE_ONCE(sk->shutdown, sk->shutdown | bits);
		if (bits & SEND_SHUTDOWN)
			tcp_send_end(tp);
	}
	sk->sk_state_change(sk);
	unlock_net();
	tcp_kill_children(&children);
	return err;
}

static bool tcp_closing(const struct sock *sk)
{
	u8 s = READ_ONCE(sk->state);

	return s == TCP_FIN_WAIT1 || s == TCP_CLOSING || s == TCP_LAST_ACK;
}

/* SO_LINGER: sends FIN and waits until the peer has acknowledged it and all before. */
static void tcp_linger(struct sock *sk)
{
	u64 deadline;

	lock_net();
	tcp_send_end(tcp_sk(sk));
	unlock_net();
	deadline = deadline_after(sk->lingertime * NSEC_PER_SEC);
	(void)wait_event_interruptible_deadline(&sk->wq, !tcp_closing(sk), deadline);
}

static bool tcp_has_unread(const struct tcp_sock *tp)
{
	return tp->rx_bytes > (READ_ONCE(tp->urg) ? tp->urg_skip : 0);
}

/*
 * The file is closed. Unread data means that the peer has been talking to nobody: RST, RFC 2525
 * 2.17. So does SO_LINGER with a time of 0.
 */
static void tcp_sock_release(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);
	bool linger = sock_flag(sk, SOCK_LINGER), reset;
	LIST_HEAD(children);

	reset = tcp_has_unread(tp) || (linger && !sk->lingertime);
	/* A process on its way out does not wait. */
	if (linger && !reset && current->signal && !READ_ONCE(current->signal->group_exit))
		tcp_linger(sk);
	lock_net();
	list_splice_tail_init(&tp->accept_link, &children);
	tcp_drop_pcb(tp, reset || tcp_has_unread(tp));
	unlock_net();
	tcp_kill_children(&children);
	tcp_free_sock(sk);
}

/* ---- poll ---- */

/* O(1), and lock-free but for urgent data. The bits are those of Linux's tcp_poll(); epoll-semantics
 * rule 24. */
static __poll_t tcp_sock_poll(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);
	u8 state = READ_ONCE(sk->state), shutdown = READ_ONCE(sk->shutdown);
	u16 urg = READ_ONCE(tp->urg);
	__poll_t mask = 0;

	if (state == TCP_LISTEN)
		return list_empty(&tp->accept_link) ? 0 : EPOLLIN | EPOLLRDNORM;
	if (shutdown == SHUTDOWN_MASK || state == TCP_CLOSE)
		mask |= EPOLLHUP;
	if (shutdown & RCV_SHUTDOWN)
		mask |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
	if (state != TCP_SYN_SENT) {
		u32 avail = unlikely(urg) ? tcp_urg_readable(tp) : READ_ONCE(tp->rx_bytes);

		if (avail >= (u32)READ_ONCE(sk->rcvlowat))
			mask |= EPOLLIN | EPOLLRDNORM;
		if (urg & TCP_URG_VALID)
			mask |= EPOLLPRI;
		/* Flag first, then look again: see tcp_sent_cb(). */
		if (!(shutdown & SEND_SHUTDOWN) && !tcp_is_writeable(sk))
			sock_set(sk, SOCK_NOSPACE);
		if ((shutdown & SEND_SHUTDOWN) || tcp_is_writeable(sk))
			mask |= EPOLLOUT | EPOLLWRNORM;
	}
	/* Pairs with the smp_wmb() in tcp_done(). */
	smp_rmb();
	if (READ_ONCE(sk->sk_err))
		mask |= EPOLLERR;
	return mask;
}

static const struct proto_ops tcp_ops = {
	.bind = tcp_sock_bind,
	.connect = tcp_sock_connect,
	.listen = tcp_sock_listen,
	.accept = tcp_sock_accept,
	.shutdown = tcp_sock_shutdown,
	.sendmsg = tcp_sendmsg,
	.recvmsg = tcp_recvmsg,
	.getname = inet_getname,
	.setsockopt = tcp_setsockopt,
	.getsockopt = tcp_getsockopt,
	.apply = tcp_apply,
	.poll = tcp_sock_poll,
	.ioctl = tcp_ioctl,
	.release = tcp_sock_release,
};

static int __init tcp_sock_init(void)
{
	tcp_cache = kmem_cache_create("TCP", sizeof(struct tcp_sock), 0);
	return 0;
}
core_initcall(tcp_sock_init);
