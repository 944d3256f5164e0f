/*
 * TCP sockets over lwIP's raw API: what tcp.c (life and end), tcp_conn.c (bind, listen, accept,
 * connect), tcp_data.c (bytes) and tcp_opt.c (options, ioctl, /proc) share. The head of tcp.c tells
 * the story.
 */
#pragma once

#include "net/inet.h"
#include "net/net.h"

#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"

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
	u64 bytes_received; /* [N] in order, for TCP_INFO */
	u64 bytes_acked;    /* [N] */

	struct list_head
		accept_link; /* [N] of a listener: its queue; of a child: its place there */
	u32 ack_backlog;     /* [N] children in the queue */
	u32 max_ack_backlog; /* [N] listen(2)'s backlog */
};

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
/* Takes over @p, the next bytes of the stream. net_lock held. */
void tcp_rx_queue(struct tcp_sock *tp, struct pbuf *p);
/* Drops what is unread. lock_sock() held, or nobody else knows the socket. */
void tcp_rx_purge(struct tcp_sock *tp);
/* Tells the peer of the room that reading has made. net_lock held, tp->pcb not NULL. */
void tcp_give_credit(struct tcp_sock *tp);

/* tcp_opt.c */
int tcp_setsockopt(struct sock *sk, int level, int name, const void __user *val, int len);
int tcp_getsockopt(struct sock *sk, int level, int name, void __user *val, int __user *len);
long tcp_ioctl(struct sock *sk, unsigned cmd, u64 arg);
/* proto_ops.apply: brings the socket's options to the pcb, if there is one. */
void tcp_apply(struct sock *sk);
void tcp_apply_locked(struct tcp_sock *tp); /* net_lock held, tp->pcb not NULL */
/* lwIP's state in the numbers of struct tcp_info. */
u8 tcp_state_number(enum tcp_state s);
