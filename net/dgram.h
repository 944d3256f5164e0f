/*
 * Datagram sockets over lwIP's raw API: what UDP (udp.c), raw sockets (raw.c) and ping sockets
 * (ping.c) share: dgram.c (sending, receiving, addresses) and dgram_err.c (errors).
 */
#pragma once

#include "net/inet.h"

#include "lwip/icmp.h"
#include "lwip/raw.h"
#include "lwip/udp.h"

#define IP_HEADER   20u
#define ICMP_HEADER 8u

struct dgram_proto;

/* Locks as in net/sock.h. */
struct dgram_sock {
	struct inet_sock inet;
	const struct dgram_proto *proto; /* [I] */
	union {
		struct ip_pcb *ip; /* what lwIP's control blocks begin with */
		struct udp_pcb *udp;
		struct raw_pcb *raw;
	} pcb;                   /* [I] */
	struct list_head rx;     /* [q] struct dgram, oldest first */
	struct list_head errors; /* [q] struct inet_err, oldest first */
	u32 rx_truesize;         /* [q] memory that both pin */
	u32 bound_ip;            /* [N] bind(2)'s address, to which disconnecting goes back */
	struct list_head groups; /* [N] struct mc_member */
	u32 mc_addr;             /* [N] IP_MULTICAST_IF, network byte order, 0: none */
	u8 mc_index;             /* [N] its interface, 0: by the route */
	u8 mc_ttl;               /* [a] IP_MULTICAST_TTL */
	bool mc_loop;            /* [a] IP_MULTICAST_LOOP */
	bool mc_all;             /* [N] IP_MULTICAST_ALL */
	u32 icmp_filter;         /* [a] ICMP_FILTER: bit n drops ICMP messages of type n */
};

static inline struct dgram_sock *dgram_sk(const struct sock *sk)
{
	return (struct dgram_sock *)sk;
}

/* What a protocol does in its own way. All with net_lock held; 0 or -errno. */
struct dgram_proto {
	u16 headers; /* bytes that go in front of the user's, IP's included */
	bool ports;  /* are there UDP ports? */
	/* Makes dg->pcb and sets its callbacks: -ENOBUFS. */
	int (*open)(struct dgram_sock *dg);
	void (*remove)(struct dgram_sock *dg);
	/* Binds to an address of this host, and to @port if the protocol has such; inet.lport. */
	int (*bind)(struct dgram_sock *dg, const ip_addr_t *ip, u16 port);
	/* Fixes the peer, and a local port if there is none yet. */
	int (*connect)(struct dgram_sock *dg, const ip_addr_t *dest, u16 port);
	void (*disconnect)(struct dgram_sock *dg);
	/* Sends by @netif; @src is an address of this host. @p stays the caller's. */
	int (*output)(struct dgram_sock *dg, struct pbuf *p, const ip_addr_t *dest, u16 port,
		      struct netif *netif, const ip_addr_t *src);
};

/* A socket of @proto, or ERR_PTR(-ENOMEM, -ENOBUFS). */
struct sock *dgram_sock_create(const struct dgram_proto *proto, int type, int protocol);
/*
 * Queues a datagram, which becomes the socket's, or drops it: no room, no memory. The headers of the
 * packet that is coming in give the rest. @sport in host byte order. net_lock held.
 */
void dgram_queue(struct dgram_sock *dg, struct pbuf *p, u32 saddr, u16 sport);
/* What the headers of the packet that is coming in say. net_lock held. */
struct inet_pktinfo dgram_packet_info(const struct sock *sk);
/* Is there room for @truesize more bytes? Then they are counted. sk->lock held. */
bool dgram_charge(struct dgram_sock *dg, u32 truesize);

/* dgram_mcast.c: groups. */

void mc_init(struct dgram_sock *dg);
/* Leaves all groups. net_lock held. */
void mc_release(struct dgram_sock *dg);
bool is_mc_option(int level, int name);
int mc_setsockopt(struct dgram_sock *dg, int name, const void __user *val, int len);
int mc_getsockopt(struct dgram_sock *dg, int name, void __user *val, int __user *len);
/* Does the socket want what is coming in? net_lock held. */
bool mc_allows(const struct dgram_sock *dg);
/* The interface by which the socket sends to @dest if nothing else says so, or 0. net_lock held. */
u8 mc_interface(const struct dgram_sock *dg, const ip_addr_t *dest);

/* dgram_err.c */

/*
 * A datagram of ours was answered with ICMP. Without IP_RECVERR only a connected socket is told, and
 * only of errors that will not pass, udp(7). net_lock held.
 */
void dgram_icmp_error(struct dgram_sock *dg, const struct udp_icmp *icmp);
/* recvmsg(MSG_ERRQUEUE): bytes, -EAGAIN, -EFAULT. */
ssize_t dgram_recv_err(struct sock *sk, struct msghdr *m);
/* Empties the error queue. */
void dgram_purge_errors(struct sock *sk);

/* raw.c: level SOL_RAW of a raw socket. */
int raw_setsockopt(struct sock *sk, int name, const void __user *val, int len);
int raw_getsockopt(struct sock *sk, int name, void __user *val, int __user *len);

/* raw.c, for ping.c too: removes the control block; forgets the peer. */
void raw_sock_remove(struct dgram_sock *dg);
void raw_sock_disconnect(struct dgram_sock *dg);
/* Sends @p behind an IP header. 0 or -errno. */
int raw_send_packet(struct dgram_sock *dg, struct pbuf *p, const ip_addr_t *dest,
		    struct netif *netif, const ip_addr_t *src);
/* A packet that lwIP shows and keeps, from its byte @offset on, copied. Or NULL. */
struct pbuf *raw_copy(const struct pbuf *p, u16 offset);
