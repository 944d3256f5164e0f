/* What all sockets over IP have in common: the family AF_INET. Locks as in net/sock.h. */
#pragma once

#include "net/sock.h"

struct inet_sock {
	struct sock sk;
	/* The two ends, as getsockname() and getpeername() show them; they outlive the connection. */
	u32 laddr, raddr; /* [a] network byte order; written under net_lock */
	u16 lport, rport; /* [a] host byte order; 0: not bound, not connected */
	u8 ttl, tos;      /* [a] */
	u8 pmtudisc;      /* [a] IP_PMTUDISC_*, IP_MTU_DISCOVER */
	u8 ipflags;       /* [a] INET_* below, changed under net_lock */
};

/* inet->ipflags: the options of SOL_IP that are on or off. */
#define INET_PKTINFO 0x01u
#define INET_RECVTTL 0x02u
#define INET_RECVTOS 0x04u
#define INET_RECVERR 0x08u
#define INET_NO_PORT \
	0x10u /* IP_BIND_ADDRESS_NO_PORT: bind(2) with port 0 leaves it to connect(2) */
#define INET_FREEBIND 0x20u /* IP_FREEBIND: bind(2) takes an address that this host does not have */
#define INET_HDRINCL  0x40u /* IP_HDRINCL: a raw socket's user writes the IP header, too */
#define INET_ORIGDST  0x80u /* IP_RECVORIGDSTADDR */
#define INET_CMSGS    (INET_PKTINFO | INET_RECVTTL | INET_RECVTOS | INET_ORIGDST)

static inline struct inet_sock *inet_sk(const struct sock *sk)
{
	return (struct inet_sock *)sk;
}

/* net_lock held. */
static inline void inet_set_local(struct inet_sock *inet, u32 addr, u16 port)
{
	WRITE_ONCE(inet->laddr, addr);
	WRITE_ONCE(inet->lport, port);
}
static inline void inet_set_peer(struct inet_sock *inet, u32 addr, u16 port)
{
	WRITE_ONCE(inet->raddr, addr);
	WRITE_ONCE(inet->rport, port);
}

struct sock *tcp_sock_create(void); /* ERR_PTR(-ENOMEM) */
struct sock *udp_sock_create(void);
struct sock *raw_sock_create(int protocol); /* also ERR_PTR(-EPROTONOSUPPORT, -EPERM) */
struct sock *ping_sock_create(void);        /* also ERR_PTR(-EACCES) */
/* Fills in what both have in common. */
void inet_init_sock(struct sock *sk, int type, int protocol);

/* Cuts out the address that bind(2) was given: 0, -EINVAL, -EAFNOSUPPORT. */
int inet_bind_address(const struct sockaddr *addr, int len, u32 *ip, u16 *port);
/* Is @ip an address of this host: 0 or -EADDRNOTAVAIL. net_lock held. */
int inet_check_local(u32 ip);
/* May @sk bind(2) to @ip and @port: 0, -EADDRNOTAVAIL, -EACCES. net_lock held. */
int inet_may_bind(const struct sock *sk, u32 ip, u16 port);
/* Cuts out a destination: 0, -EINVAL, -EAFNOSUPPORT. 0.0.0.0 becomes 127.0.0.1, as on Linux. */
int inet_dest_address(const struct sockaddr *addr, int len, u32 *ip, u16 *port);
int inet_getname(struct sock *sk, struct sockaddr_storage *addr, int peer);
void inet_fill_name(struct sockaddr_storage *addr, u32 ip, u16 port);

/* lwIP's err_t as a negative errno. */
int inet_errno(int err);

/* inet_opt.c: level SOL_IP. */
int inet_setsockopt(struct sock *sk, int level, int name, const void __user *val, int len);
int inet_getsockopt(struct sock *sk, int level, int name, void __user *val, int __user *len);
/* The value of such an option, an int or a single byte; no byte: 0. 0 or -EFAULT. */
int inet_get_value(int *v, const void __user *val, int len);
/* The opposite: a byte where there is no room for an int. 0, -EFAULT, -EINVAL. */
int inet_put_value(int v, void __user *val, int __user *len);

/* What the headers of a datagram said, for ancillary data. */
struct inet_pktinfo {
	u64 stamp; /* ns of CLOCK_REALTIME, or 0: nobody asked when it came */
	u32 daddr; /* network byte order */
	u32 laddr; /* the host's address that it came to */
	u8 ifindex, ttl, tos;
};
/* Gives recvmsg(2) the ancillary data that the socket's options ask for. */
void inet_put_cmsgs(struct sock *sk, struct msghdr *m, const struct inet_pktinfo *info);
/* What sendmsg(2) wants for one datagram; the caller has filled in the socket's own choices. */
struct inet_send {
	u32 saddr;  /* source address, 0 for any */
	u8 ifindex; /* interface, 0 for any */
	u8 ttl, tos;
};
/* 0, -EINVAL, -ENODEV, -EFAULT, -ENOBUFS. */
int inet_get_cmsgs(const struct msghdr *m, struct inet_send *send);

/* The error queue, ip(7) IP_RECVERR: what became of a datagram, with the part that came back. */
struct inet_err {
	struct list_head link;
	struct sock_extended_err ee;
	struct inet_pktinfo info; /* of the ICMP message */
	u32 offender;             /* who says so, network byte order */
	u32 daddr;                /* where the datagram was to go */
	u16 dport, len;           /* host byte order; bytes of data */
	u8 data[];
};
/* The errno of an ICMP message, positive, or 0 for one that is no error; @fatal: it will not pass. */
int inet_icmp_errno(u8 type, u8 code, bool *fatal);
/* recvmsg(MSG_ERRQUEUE) of one entry, which stays the caller's. Bytes or -EFAULT. */
ssize_t inet_recv_err(struct sock *sk, struct msghdr *m, const struct inet_err *e);

/* ---- /proc/net, inet_proc.c ---- */

/* One line of the table, copied out so that it can be printed without net_lock. */
struct inet_row {
	u32 laddr, raddr, tx, rx, retransmits;
	u16 lport, rport;
	u8 state;
	u32 uid;
	u64 ino;
};
/* Copies what slot @slot of a hash table holds, at most @max rows. net_lock held. */
typedef unsigned (*inet_collect_fn)(unsigned slot, struct inet_row *rows, unsigned max);
/* Is given one row after the other, in process context. */
typedef void (*inet_row_fn)(const struct inet_row *row, void *arg);
/* Gives each row of a table of @slots slots to @fn, holding net_lock for a few slots at a time. */
void inet_for_rows(unsigned slots, inet_collect_fn collect, inet_row_fn fn, void *arg);
/* The same for each TCP socket, connection and TIME_WAIT, for each UDP socket and ping socket that has a
 * port, and for each raw socket. */
void tcp_for_rows(inet_row_fn fn, void *arg);
void udp_for_rows(inet_row_fn fn, void *arg);
void raw_for_rows(inet_row_fn fn, void *arg);
void ping_for_rows(inet_row_fn fn, void *arg);
