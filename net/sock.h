/*
 * struct sock: the protocol's side of a socket, and the common part of every family's own object
 * (struct tcp_sock, struct dgram_sock). What differs between families is behind struct proto_ops;
 * socket.c (system calls) and sockfs.c (files) know nothing else.
 *
 * A socket announces what happens to it through four functions, which run in any context:
 *
 *	sk_data_ready    data, a connection to accept, or the end of the stream has arrived
 *	sk_write_space   room to send has become free
 *	sk_state_change  connected, or closed by the peer
 *	sk_error_report  sk_err was set
 *
 * They are sock_def_readable() and friends, and wake sk->wq with the poll bits that became true.
 * Everybody waits there: blocked readers and writers, poll(), epoll.
 *
 * Locks, by letter:
 *	[I] immutable after creation     [a] atomic, or a single word that is read without a lock
 *	[N] net_lock (for the families that lwIP implements; others may use a lock of their own)
 *	[q] sk->lock                     [o] lock_sock()
 */
#pragma once

#include "kernel/abi/socket.h"
#include "kernel/lib/atomic.h"
#include "kernel/lib/iov.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/wait.h"
#include "kernel/time/ktime.h"

struct file;
struct poll_table;
struct proto_ops;

struct sock {
	struct wait_queue_head wq;
	const struct proto_ops *ops;              /* [I] */
	void (*sk_data_ready)(struct sock *sk);   /* [I] */
	void (*sk_write_space)(struct sock *sk);  /* [I] */
	void (*sk_state_change)(struct sock *sk); /* [I] */
	void (*sk_error_report)(struct sock *sk); /* [I] */
	spinlock_t lock; /* the receive queue; taken with spin_lock_bh, innermost but for wq */
	u32 owner;       /* [a] lock_sock()'s word */
	int sk_err;      /* [a] a positive errno that is to be reported once */
	u32 flags;       /* [a] SOCK_* below, changed by sock_set() and sock_clear() */
	u8 state; /* [a] TCP_ESTABLISHED ... as struct tcp_info numbers them; written under [N] */
	u8 ss_state;    /* [N] SS_* */
	u8 shutdown;    /* [a] RCV_SHUTDOWN | SEND_SHUTDOWN; written under [N] */
	u8 type;        /* [I] SOCK_STREAM ... */
	u8 family;      /* [I] AF_* */
	u8 protocol;    /* [I] IPPROTO_* */
	u16 lingertime; /* [a] seconds, with SOCK_LINGER */
	int rcvbuf;     /* [a] bytes, as getsockopt() shows it: twice what the user asked for */
	int sndbuf;     /* [a] the same */
	int rcvlowat;   /* [a] bytes that make it readable */
	u32 uid;        /* [I] who made it */
	u32 mark, priority, busy_poll; /* [a] SO_MARK, SO_PRIORITY, SO_BUSY_POLL: kept, no effect */
	s16 incoming_cpu; /* [a] SO_INCOMING_CPU: who brought the last data; -1 for none yet */
	u8 bound_dev;     /* [a] SO_BINDTODEVICE: index of the only interface to use, or 0 */
	u64 rcvtimeo;     /* [a] ns, NO_DEADLINE for none */
	u64 sndtimeo;     /* [a] the same */
	u64 ino;          /* [I] inode number; 0 while nobody has accepted it */
};

/* sk->flags */
#define SOCK_NOSPACE     0x0001u /* somebody found no room to send and wants sk_write_space() */
#define SOCK_DONE        0x0002u /* the peer's FIN is behind the last byte of the queue */
#define SOCK_LINGER      0x0004u /* SO_LINGER */
#define SOCK_REUSEADDR   0x0008u /* SO_REUSEADDR */
#define SOCK_KEEPOPEN    0x0010u /* SO_KEEPALIVE */
#define SOCK_BROADCAST   0x0020u /* SO_BROADCAST */
#define SOCK_URGINLINE   0x0040u /* SO_OOBINLINE */
#define SOCK_RCVBUF_LOCK 0x0080u /* SO_RCVBUF was set by the user */
#define SOCK_SNDBUF_LOCK 0x0100u /* SO_SNDBUF was set by the user */
#define SOCK_BINDADDR    0x0200u /* bind() gave an address */
#define SOCK_BINDPORT    0x0400u /* bind() gave a port, or listen() chose one */
#define SOCK_NODELAY     0x0800u /* TCP_NODELAY */
#define SOCK_CORK        0x1000u /* TCP_CORK */
#define SOCK_PASSCRED    0x4000u /* SO_PASSCRED */
#define SOCK_REUSEPORT   0x8000u /* SO_REUSEPORT */
#define SOCK_QFULL       0x2000u /* lwIP's queue of segments is full, though bytes are free */
#define SOCK_RCVTSTAMP   0x10000u /* SO_TIMESTAMP or SO_TIMESTAMPNS: datagrams come with their time */
#define SOCK_RCVTSTAMPNS 0x20000u /* SO_TIMESTAMPNS: in ns */
/* What an accepted socket takes over from its listener. */
#define SOCK_INHERITED \
	(SOCK_LINGER | SOCK_REUSEADDR | SOCK_REUSEPORT | SOCK_KEEPOPEN | SOCK_BROADCAST | \
	 SOCK_URGINLINE | SOCK_RCVBUF_LOCK | SOCK_SNDBUF_LOCK | SOCK_NODELAY)

#define RCV_SHUTDOWN  1u
#define SEND_SHUTDOWN 2u
#define SHUTDOWN_MASK 3u

/* sk->ss_state: where connect(2) stands. */
enum { SS_UNCONNECTED, SS_CONNECTING, SS_CONNECTED, SS_DISCONNECTING };

/* A message on its way through a sendmsg or recvmsg operation. */
struct msghdr {
	struct iov_iter *iter; /* the data; sendmsg consumes what it took */
	struct sockaddr_storage
		*name;         /* in: destination or NULL; out: room for the source or NULL */
	int namelen;           /* in: bytes of name; out: bytes filled */
	unsigned flags;        /* in: MSG_*; O_NONBLOCK has become MSG_DONTWAIT */
	unsigned out_flags;    /* out: MSG_TRUNC, MSG_CTRUNC */
	void __user *control;  /* ancillary data, or room for it */
	size_t controllen;     /* in: bytes of control */
	size_t out_controllen; /* out: bytes filled */
};

/*
 * What a family implements. All run in process context with no lock held and may sleep, and return
 * 0 (or a count) or -errno; fflags are the file's O_* (O_NONBLOCK matters). NULL: -EOPNOTSUPP.
 * Addresses are kernel copies of @len bytes, unchecked.
 */
struct proto_ops {
	int (*bind)(struct sock *sk, const struct sockaddr *addr, int len);
	int (*connect)(struct sock *sk, const struct sockaddr *addr, int len, unsigned fflags);
	int (*listen)(struct sock *sk, int backlog);
	struct sock *(*accept)(struct sock *sk, unsigned fflags); /* the new socket or ERR_PTR */
	int (*shutdown)(struct sock *sk, int how);                /* how: SHUT_* */
	int (*socketpair)(struct sock *a, struct sock *b);
	ssize_t (*sendmsg)(struct sock *sk, struct msghdr *m);
	ssize_t (*recvmsg)(struct sock *sk, struct msghdr *m);
	/* Fills @addr, returns its length. @peer 1: the other end, if connected; 2: in any case. */
	int (*getname)(struct sock *sk, struct sockaddr_storage *addr, int peer);
	/* Levels other than SOL_SOCKET, and what SOL_SOCKET leaves to the family. */
	int (*setsockopt)(struct sock *sk, int level, int name, const void __user *val, int len);
	int (*getsockopt)(struct sock *sk, int level, int name, void __user *val, int __user *len);
	/* A SOL_SOCKET flag has changed: tell the protocol. May be NULL. */
	void (*apply)(struct sock *sk);
	/* Takes no lock around which wake-ups happen; poll_wait() has been called. */
	__poll_t (*poll)(struct sock *sk);
	/* -ENOTTY: not of this family. May be NULL. */
	long (*ioctl)(struct sock *sk, unsigned cmd, u64 arg);
	/* A descriptor of its file is being closed, maybe not the last reference. May be NULL. */
	void (*flush)(struct sock *sk, struct file *file);
	void (*release)(struct sock *sk); /* the file is gone; frees @sk in the end */
};

/* A family: socket(2) calls create() with a type and protocol that are in range. */
struct net_proto_family {
	int family;
	/* A new socket or ERR_PTR(-ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -ENOMEM ...). */
	struct sock *(*create)(int type, int protocol);
};
/* Boot only. @f stays. */
void sock_register(const struct net_proto_family *f);
const struct net_proto_family *sock_family(int family); /* NULL: not known */

/* The first three of each protocol: memory of @cache, cleared, with the common part set up. NULL. */
struct sock *sk_alloc(struct kmem_cache *cache, const struct proto_ops *ops, gfp_t gfp);
/* The two ways of data between user memory and a socket. Process context, may sleep. */
ssize_t sock_recvmsg(struct sock *sk, struct msghdr *m);
ssize_t sock_sendmsg(struct sock *sk, struct msghdr *m);

/* What send(2) of a stream returns that cannot carry more: -EPIPE, and SIGPIPE unless MSG_NOSIGNAL. */
int sock_epipe(unsigned flags);

/* An inode number for sk->ino. */
u64 sock_new_ino(void);
/* How many sockets have a file, about. */
u64 sock_count(void);
void sock_count_release(void); /* one fewer */

void sock_def_readable(struct sock *sk);
void sock_def_write_space(struct sock *sk);
void sock_def_wakeup(struct sock *sk);
void sock_def_error_report(struct sock *sk);
/* Urgent data is announced: SIGURG for the owner. */
void sk_send_sigurg(struct sock *sk);

static inline void sock_set(struct sock *sk, u32 bits)
{
	__atomic_fetch_or(&sk->flags, bits, __ATOMIC_SEQ_CST);
}
static inline void sock_clear(struct sock *sk, u32 bits)
{
	__atomic_fetch_and(&sk->flags, ~bits, __ATOMIC_SEQ_CST);
}
static inline void sock_assign(struct sock *sk, u32 bits, bool on)
{
	if (on)
		sock_set(sk, bits);
	else
		sock_clear(sk, bits);
}
static inline bool sock_flag(const struct sock *sk, u32 bits)
{
	return READ_ONCE(sk->flags) & bits;
}

/* Takes the pending error: 0 or -errno. */
static inline int sock_error(struct sock *sk)
{
	if (likely(!READ_ONCE(sk->sk_err)))
		return 0;
	return -xchg(&sk->sk_err, 0);
}

/* What poll() says of a pending error and of shutdown(2). */
static inline __poll_t sock_poll_ends(const struct sock *sk)
{
	u8 shutdown = READ_ONCE(sk->shutdown);
	__poll_t mask = READ_ONCE(sk->sk_err) ? EPOLLERR : 0;

	if (shutdown == SHUTDOWN_MASK)
		mask |= EPOLLHUP;
	if (shutdown & RCV_SHUTDOWN)
		mask |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
	return mask;
}

/*
 * A sleeping lock of one word: it makes a reader of a byte stream the only one, so that two
 * read()s cannot interleave. It is held while data is copied to user space, never while waiting
 * for data. One atomic instruction each way when nobody else is there.
 */
void __lock_sock(struct sock *sk);
void __release_sock(struct sock *sk);
static inline void lock_sock(struct sock *sk)
{
	if (unlikely(cmpxchg(&sk->owner, 0u, 1u) != 0))
		__lock_sock(sk);
}
static inline void release_sock(struct sock *sk)
{
	if (unlikely(xchg(&sk->owner, 0u) != 1))
		__release_sock(sk);
}

/* When a call that starts now gives up waiting: 0 for at once. */
static inline u64 sock_deadline(u64 timeo, bool nonblock)
{
	if (nonblock)
		return 0;
	return timeo == NO_DEADLINE ? NO_DEADLINE : deadline_after(timeo);
}
/* The errno of a broken-off wait. signal(7): with a timeout a call is not restarted. */
static inline long sock_wait_error(long err, u64 deadline)
{
	if (err == -ETIME)
		return -EAGAIN;
	return deadline == NO_DEADLINE ? err : -EINTR;
}

/* SOL_SOCKET for every family; they hand what they do not know to the family. */
int sock_setsockopt(struct sock *sk, int level, int name, const void __user *val, int len);
int sock_getsockopt(struct sock *sk, int level, int name, void __user *val, int __user *len);
/* An int option's value: 0, -EINVAL (too short), -EFAULT. */
int sockopt_get_int(int *v, const void __user *val, int len);
/* net/devinet.c: the index of the interface @name, 0 for none; and its name. */
u8 dev_index(const char *name);
void dev_name(u8 index, char name[IFNAMSIZ]);
/* SIOCGIF*, which C libraries ask of any socket; -ENOTTY for others. */
long dev_ioctl(unsigned cmd, void __user *arg);
/* Copies out @size bytes, or fewer if the user has less room, and the length. 0, -EFAULT, -EINVAL */
int sockopt_put(const void *v, int size, void __user *val, int __user *len);
