/* UDP sockets over lwIP's raw API: what udp.c (datagrams) and udp_err.c (errors) share. */
#pragma once

#include "net/inet.h"

#include "lwip/icmp.h"
#include "lwip/udp.h"

/* Locks as in net/sock.h. */
struct udp_sock {
	struct inet_sock inet;
	struct udp_pcb *pcb;     /* [I] */
	struct list_head rx;     /* [q] struct dgram, oldest first */
	struct list_head errors; /* [q] struct inet_err, oldest first */
	u32 rx_truesize;         /* [q] memory that both pin */
	u32 bound_ip;            /* [N] bind(2)'s address, to which disconnecting goes back */
};

static inline struct udp_sock *udp_sk(const struct sock *sk)
{
	return (struct udp_sock *)sk;
}

/* udp.c */

/* What the headers of the packet that is coming in say. net_lock held. */
struct inet_pktinfo udp_packet_info(const struct sock *sk);
/* Is there room for @truesize more bytes? Then they are counted. sk->lock held. */
bool udp_charge(struct udp_sock *up, u32 truesize);
/* udp_err.c */

/*
 * lwIP's callback: a datagram of ours was answered with ICMP. Without IP_RECVERR only a connected
 * socket is told, and only of errors that will not pass, udp(7). net_lock held.
 */
void udp_err_cb(void *arg, struct udp_pcb *pcb, const struct udp_icmp *icmp);
/* recvmsg(MSG_ERRQUEUE): bytes, -EAGAIN, -EFAULT. */
ssize_t udp_recv_err(struct sock *sk, struct msghdr *m);
/* Empties the error queue. */
void udp_purge_errors(struct sock *sk);
