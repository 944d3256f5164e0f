/*
 * TCP sockets over lwIP's raw API: what tcp.c (life and end), tcp_conn.c (bind, listen, accept,
 * connect), tcp_data.c (bytes), tcp_urg.c (urgent data) and tcp_opt.c (options, ioctl, /proc) share.
 * The head of tcp.c tells the story.
 */
#pragma once

#include "net/inet.h"
#include "net/net.h"

#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"

#include "net/lwip/hooks.h"
#include "net/lwip/tcp_table.h"

/* Locks as in net/sock.h. */
struct tcp_sock {
	struct inet_sock inet;
	struct tcp_pcb *pcb; /* [N] lwIP's side; a struct tcp_pcb_listen in state LISTEN; or NULL */

	/* The receive queue: pbufs chained by ->next in stream order. */
	struct pbuf *rx_head; /* [q] */
	struct pbuf *rx_tail; /* [q] */
	u32 rx_bytes;         /* [q] bytes unread; read without a lock */
	u32 rx_truesize;      /* [q] memory that the queue pins */
	u16 rx_off;           /* [o] bytes of rx_head that have been read */
	u16 rx_tailroom;      /* [q] free bytes behind rx_tail's data, for collapsing */
	atomic_t rx_credit; /* [a] bytes read that the peer has not been told of; taken under [N] */
	u32 rx_hold;        /* [N] credit that is never given back: TCP_WND less SO_RCVBUF */

	u32 wmem;                /* [a] bytes in lwIP's send queue; written under [N] */
	u16 mss;                 /* [a] bytes of data a segment; written under [N] */
	u16 keepidle, keepintvl; /* [a] seconds */
	u8 keepcnt;              /* [a] */
	u8 syn_retries;          /* [a] TCP_SYNCNT, or 0 */
	u8 defer_accept;    /* [a] TCP_DEFER_ACCEPT: SYN-ACKs sent before data is not waited for */
	u16 user_mss;       /* [a] TCP_MAXSEG, or 0 */
	u32 user_timeout;   /* [a] TCP_USER_TIMEOUT, in ms, or 0 */
	u32 stalled;        /* [N] the tick since which the peer takes nothing, or 0 */
	u16 fastopen;       /* [a] TCP_FASTOPEN: kept, no effect */
	u16 urg;            /* [q] TCP_URG_*; read without a lock */
	u64 bytes_received; /* [N] in order, for TCP_INFO */
	u64 bytes_acked;    /* [N] */

	struct list_head
		accept_link; /* [N] of a listener: its queue; of a child: its place there */
	union {
		struct {                     /* of a listener */
			u32 ack_backlog;     /* [N] children in the queue */
			u32 max_ack_backlog; /* [N] listen(2)'s backlog */
		};
		struct {               /* while urg is not 0 */
			u32 urg_ahead; /* [q] bytes before the urgent one: queued, or to come */
			u32 urg_skip;  /* [q] the first of them that no reader is to see */
		};
	};
};

/* tp->urg; the head of tcp_urg.c explains. */
#define TCP_URG_VALID  0x100u
#define TCP_URG_NOTYET 0x200u
#define TCP_URG_READ   0x400u

static inline struct tcp_sock *tcp_sk(const struct sock *sk)
{
	return (struct tcp_sock *)sk;
}

/* The most that may be in the send queue. */
static inline u32 tcp_sndbuf_limit(const struct sock *sk)
{
	/* SO_SNDBUF was doubled for bookkeeping that is not counted here. */
	if (sock_flag(sk, SOCK_SNDBUF_LOCK))
		return min((u32)READ_ONCE(sk->sndbuf) / 2, (u32)TCP_SND_BUF);
	return TCP_SND_BUF;
}

/* Bytes that may be queued now. */
static inline u32 tcp_wspace(const struct sock *sk)
{
	u32 limit = tcp_sndbuf_limit(sk), used = READ_ONCE(tcp_sk(sk)->wmem);

	return used >= limit || sock_flag(sk, SOCK_QFULL) ? 0 : limit - used;
}

/* Is a useful part free, at least a third of the buffer? This is what EPOLLOUT means. */
static inline bool tcp_is_writeable(const struct sock *sk)
{
	return tcp_wspace(sk) > READ_ONCE(tcp_sk(sk)->wmem) / 2;
}

/* The connection can carry no more of our data. */
static inline bool tcp_send_closed(const struct sock *sk)
{
	return READ_ONCE(sk->sk_err) || (READ_ONCE(sk->shutdown) & SEND_SHUTDOWN);
}

/* tcp.c */
struct sock *tcp_sock_alloc(gfp_t gfp); /* without a pcb; NULL without memory */
/* Makes lwIP's pcb and our socket know each other. net_lock held. */
void tcp_attach(struct tcp_sock *tp, struct tcp_pcb *pcb);
/* The opposite: no callback comes any more. net_lock held. */
void tcp_detach(struct tcp_sock *tp);
/* The handshake is complete: what was unknown until now. net_lock held. */
void tcp_established(struct sock *sk, struct tcp_pcb *pcb);
err_t tcp_connected_cb(void *arg, struct tcp_pcb *pcb, err_t err);
/* The state of @pcb becomes that of @sk; true if that is a change. net_lock held. */
bool tcp_sync_state(struct sock *sk, const struct tcp_pcb *pcb);
/* Brings wmem and mss up to date. net_lock held. */
void tcp_sync_send(struct tcp_sock *tp, const struct tcp_pcb *pcb);
/* Takes the pcb away at once, if there is one. @reset: with a RST if there is a peer. net_lock held. */
void tcp_drop_pcb(struct tcp_sock *tp, bool reset);
/*
 * Back to an unconnected socket, bound only as far as bind() asked for it. Children of a listener
 * are moved to @children. net_lock held.
 */
void tcp_disconnect(struct sock *sk, struct list_head *children);
/* Resets and frees connections that nobody will accept any more. net_lock not held. */
void tcp_kill_children(struct list_head *children);

/* tcp_conn.c: proto_ops */
int tcp_sock_bind(struct sock *sk, const struct sockaddr *addr, int len);
int tcp_sock_listen(struct sock *sk, int backlog);
struct sock *tcp_sock_accept(struct sock *sk, unsigned fflags);
int tcp_sock_connect(struct sock *sk, const struct sockaddr *addr, int len, unsigned fflags);

/* tcp_data.c */
ssize_t tcp_sendmsg(struct sock *sk, struct msghdr *m);
ssize_t tcp_recvmsg(struct sock *sk, struct msghdr *m);
/* Takes over @p, the next bytes of the stream; true if an urgent one is among them. net_lock held. */
bool tcp_rx_queue(struct tcp_sock *tp, struct pbuf *p);
/* Takes @n bytes off the queue and gives the peer credit for them. lock_sock() held. */
void tcp_rx_eat(struct tcp_sock *tp, size_t n);
/* Drops what is unread. lock_sock() held, or nobody else knows the socket. */
void tcp_rx_purge(struct tcp_sock *tp);
/* Tells the peer of the room that reading has made. net_lock held, tp->pcb not NULL. */
void tcp_give_credit(struct tcp_sock *tp);

/* tcp_urg.c */
/* @p is about to be queued: does it bring the byte that was announced? sk->lock held. */
bool tcp_urg_arrives(struct tcp_sock *tp, const struct pbuf *p);
/* @n bytes have left the queue. sk->lock held, tp->urg not 0. */
void tcp_urg_passed(struct tcp_sock *tp, u32 n);
/* There is no mark any more. */
void tcp_urg_forget(struct tcp_sock *tp);
/* The segment that is being looked at has made @tp a connection. net_lock held. */
void tcp_urg_accepted(struct tcp_sock *tp);
/*
 * A reader has @copied bytes: from where in the queue to where it may go on. True: it has to stop
 * here, at the mark. lock_sock() held.
 */
bool tcp_urg_stops(struct tcp_sock *tp, unsigned flags, size_t copied, size_t *from, size_t *end);
/* What poll(), FIONREAD and SIOCATMARK tell while tp->urg is not 0. */
u32 tcp_urg_readable(struct tcp_sock *tp);
u32 tcp_urg_inq(struct tcp_sock *tp);
bool tcp_urg_at_mark(struct tcp_sock *tp);
/* recv(2) with MSG_OOB; lock_sock() held. */
ssize_t tcp_recv_urg(struct sock *sk, struct msghdr *m);
/* The last byte that was queued is urgent. net_lock held. */
void tcp_urg_mark(struct tcp_pcb *pcb);
/* What waits to be sent is urgent: the next tcp_output() sends all that the windows allow. */
void tcp_urg_push(struct tcp_pcb *pcb);
static inline bool tcp_urg_unsent(const struct tcp_pcb *pcb)
{
	return pcb->unsent && unlikely(NET_TCP_FLAG(pcb->unsent->tcphdr, TCP_URG));
}

/* tcp_opt.c */
int tcp_setsockopt(struct sock *sk, int level, int name, const void __user *val, int len);
int tcp_getsockopt(struct sock *sk, int level, int name, void __user *val, int __user *len);
long tcp_ioctl(struct sock *sk, unsigned cmd, u64 arg);
/* proto_ops.apply: brings the socket's options to the pcb, if there is one. */
void tcp_apply(struct sock *sk);
void tcp_apply_locked(struct tcp_sock *tp); /* net_lock held, tp->pcb not NULL */
/* lwIP's state in the numbers of struct tcp_info. */
u8 tcp_state_number(enum tcp_state s);
