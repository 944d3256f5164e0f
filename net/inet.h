/* What TCP and UDP sockets have in common: the family AF_INET. Locks as in net/sock.h. */
#pragma once

#include "net/sock.h"

struct inet_sock {
	struct sock sk;
	/* The two ends, as getsockname() and getpeername() show them; they outlive the connection. */
	u32 laddr, raddr; /* [a] network byte order; written under net_lock */
	u16 lport, rport; /* [a] host byte order; 0: not bound, not connected */
	u8 ttl, tos;      /* [a] */
};

static inline struct inet_sock *inet_sk(const struct sock *sk)
{
	return (struct inet_sock *)sk;
}

struct sock *tcp_sock_create(void); /* ERR_PTR(-ENOMEM) */
struct sock *udp_sock_create(void);
/* Fills in what both have in common. */
void inet_init_sock(struct sock *sk, int type, int protocol);

/*
 * The checks that bind(2) makes first: 0 and the address and port, -EINVAL, -EAFNOSUPPORT, -EACCES.
 * net_lock not held.
 */
int inet_bind_address(const struct sockaddr *addr, int len, u32 *ip, u16 *port);
/* Is @ip an address that bind(2) may take: 0 or -EADDRNOTAVAIL. net_lock held. */
int inet_check_local(u32 ip);
/* Cuts out a destination: 0, -EINVAL, -EAFNOSUPPORT. 0.0.0.0 becomes 127.0.0.1, as on Linux. */
int inet_dest_address(const struct sockaddr *addr, int len, u32 *ip, u16 *port);
int inet_getname(struct sock *sk, struct sockaddr_storage *addr, int peer);
void inet_fill_name(struct sockaddr_storage *addr, u32 ip, u16 port);

/* lwIP's err_t as a negative errno. */
int inet_errno(int err);

int inet_setsockopt(struct sock *sk, int level, int name, const void __user *val, int len);
int inet_getsockopt(struct sock *sk, int level, int name, void __user *val, int __user *len);
/* SIOCGIF*; -ENOTTY for others. */
long inet_ioctl(unsigned cmd, void __user *arg);

/* ---- /proc/net/tcp, /proc/net/udp ---- */

struct seq;

/* One line of the table, copied out so that it can be printed without net_lock. */
struct inet_row {
	u32 laddr, raddr, tx, rx, retransmits;
	u16 lport, rport;
	u8 state;
	u64 ino;
};
/* Copies what slot @slot of a hash table holds, at most @max rows. net_lock held. */
typedef unsigned (*inet_collect_fn)(unsigned slot, struct inet_row *rows, unsigned max);
/* @dgram: the columns of net/udp, which has some more. */
void inet_show_head(struct seq *s, bool dgram);
/* Prints a table, numbering from @nr, holding net_lock for a few slots at a time; the next number. */
unsigned inet_show_table(struct seq *s, unsigned nr, unsigned slots, inet_collect_fn collect,
			 bool dgram);
