/*
 * UNIX sockets: what unix.c (life, poll, options), unix_name.c (names), unix_conn.c (connections),
 * unix_stream.c and unix_dgram.c (data), unix_gc.c (files in flight) and scm.c (ancillary data)
 * share. The head of unix.c tells the story.
 */
#pragma once

#include "fs/vfs.h"
#include "net/scm.h"
#include "net/sock.h"

/* A name. Immutable; a listener shares it with the sockets that it accepts. */
struct unix_addr {
	refcount_t refs;
	int len; /* bytes of name, as getsockname(2) tells */
	struct sockaddr_un name;
	char nul; /* ends a sun_path that uses all of its bytes; counted in len then */
};

/*
 * Locks, by letter:
 *	[u] u->lock          [a] atomic, or a word that is read without a lock and written under [u]
 *	[o] lock_sock()      [B] the name table's bucket      [G] unix_gc_lock
 *	[I] immutable after creation
 */
struct unix_sock {
	struct sock sk;
	refcount_t refs; /* the file, a peer, each message it has sent */
	spinlock_t lock; /* process context */
	bool dead;       /* [a] its file is closed */

	/* Of a stream or seqpacket: set once, when it is connected. Of a datagram socket: connect(2)
	 * changes it. A reference. */
	struct unix_sock *peer; /* [a] */
	struct list_head rx;    /* [u] struct unix_msg, oldest first; only [o] takes off */
	unsigned rx_count;      /* [a] messages in rx, or of a listener: connections */
	size_t rx_bytes;        /* [a] bytes unread */
	unsigned backlog; /* [a] of a listener, or of datagrams: rx_count may exceed it by 1 */
	atomic_t wmem;    /* bytes of memory that its messages pin, wherever they are */
	int peek_off;     /* [a] SO_PEEK_OFF, -1: off; changed under [o] */
	struct list_head accept; /* [u] of a listener: its queue; of a child: its place there */
	/* Senders that found the queue full, and connect(2)s that found the backlog full. */
	struct wait_queue_head peer_wait;
	struct wait_queue_entry
		peer_wake;     /* [u] on the peer's peer_wait: its room is our EPOLLOUT */
	struct ucred peercred; /* [u] SO_PEERCRED */

	struct unix_addr *addr;     /* [a] set once, under lock_sock() */
	struct path path;           /* [o] the node of a name in the file system */
	struct list_head name_link; /* [B] */
	bool named;                 /* [B] addr is its own: an accepted socket has its listener's */
	unsigned bucket;            /* [o] which */

	struct file *file;        /* [G] its file, while inflight is not 0 */
	unsigned inflight;        /* [G] references that messages hold on its file */
	unsigned gc_refs;         /* [G] of these, not yet explained by candidates' queues */
	u8 gc_state;              /* [G] */
	struct list_head gc_link; /* [G] all that are in flight */
};

static inline struct unix_sock *unix_sk(const struct sock *sk)
{
	return (struct unix_sock *)sk;
}

static inline bool unix_is_dgram(const struct unix_sock *u)
{
	return u->sk.type == SOCK_DGRAM;
}

/* One more may be queued for each that is announced: listen(2) with 0 takes one connection. */
static inline bool unix_rx_full(const struct unix_sock *u)
{
	return READ_ONCE(u->rx_count) > READ_ONCE(u->backlog);
}

/* ---- unix.c ---- */

void unix_put(struct unix_sock *u);
static inline struct unix_sock *unix_get(struct unix_sock *u)
{
	refcount_inc(&u->refs);
	return u;
}
/* A socket without a file, one reference, known to nobody; NULL. */
struct unix_sock *unix_alloc(int type);
/* The opposite, of a socket that has no file any more or never had one. @embryo: nobody has
 * accepted it. */
void unix_release_sock(struct unix_sock *u, bool embryo);
/* Takes the locks of both, which may be the same, in the order of their addresses. */
void unix_double_lock(struct unix_sock *a, struct unix_sock *b);
void unix_double_unlock(struct unix_sock *a, struct unix_sock *b);
/* Whom SO_PEERCRED will name: the caller. */
struct ucred unix_current_cred(void);
/* Moves what is queued to @messages. u->lock held. */
void unix_take_queue(struct unix_sock *u, struct list_head *messages);

/* The peer with a reference, or NULL. */
struct unix_sock *unix_peer_get(struct unix_sock *u);

/* ---- unix_name.c: names ---- */

/* A socket without a name is in the table too, for /proc/net/unix. */
void unix_table_add(struct unix_sock *u);
void unix_table_del(struct unix_sock *u);
void unix_addr_put(struct unix_addr *a);
int unix_bind(struct sock *sk, const struct sockaddr *addr, int len);
/* Gives @u an abstract name, if it has none. 0, -ENOMEM, -ENOSPC. */
int unix_autobind(struct unix_sock *u);
/*
 * The socket of that name, with a reference: ERR_PTR(-ECONNREFUSED) if nobody has it or a file does,
 * -EPROTOTYPE if it is of another type, -EACCES, -EINVAL for what is no name, and what a path gives.
 */
struct unix_sock *unix_find(const struct sockaddr *addr, int len, int type);
/* 0, or -EINVAL for what is no address of this family. */
int unix_check_name(const struct sockaddr *addr, int len);
int unix_getname(struct sock *sk, struct sockaddr_storage *addr, int peer);

/* ---- unix_msg.c: messages ---- */

/* A piece of a message's data. */
struct unix_chunk {
	struct unix_chunk *next;
	u32 size; /* bytes of data */
	u8 data[];
};

/*
 * A message in a receive queue: a datagram, or bytes that one write(2) has given. Small ones are one
 * block of memory; nothing is ever larger than UNIX_CHUNK, so that long ones find memory too.
 */
struct unix_msg {
	struct list_head link;  /* [u] of the receiver */
	struct unix_sock *from; /* a reference; its wmem pays */
	u32 len, consumed;      /* bytes; [o] how many have been read */
	u32 truesize;           /* memory */
	bool has_cred;
	struct ucred cred;
	struct scm_fp *fp; /* files in flight, [G] once it is queued; or NULL */
	struct unix_chunk first;
};

static inline u32 unix_msg_left(const struct unix_msg *m)
{
	return m->len - m->consumed;
}

/*
 * Room for @len bytes, charged to @u; waits until @deadline for what it may pin. ERR_PTR: -EAGAIN,
 * -EPIPE after shutdown(2), a pending error, -ENOBUFS, a signal's.
 */
struct unix_msg *unix_msg_alloc(struct unix_sock *u, size_t len, u64 deadline);
/* Not under a lock: files in it are closed, and the sender's writers woken. NULL is allowed. */
void unix_msg_free(struct unix_msg *m);
/* 0 or -EFAULT. */
int unix_msg_fill(struct unix_msg *m, struct iov_iter *from);
/* Copies bytes @off to @off + @n out; how many before a bad address. */
size_t unix_msg_copy(const struct unix_msg *m, size_t off, size_t n, struct iov_iter *to);
/* Appends @m to @to's queue. to->lock held. */
void unix_queue(struct unix_sock *to, struct unix_msg *m);
/* The opposite. to->lock and lock_sock() held. */
void unix_dequeue(struct unix_sock *to, struct unix_msg *m);
/* Could another message be sent without waiting, and be a useful one? This is what EPOLLOUT means. */
static inline bool unix_writable(const struct unix_sock *u)
{
	return READ_ONCE(u->sk.state) != TCP_LISTEN &&
	       (u64)atomic_read(&u->wmem) * 4 <= (u64)READ_ONCE(u->sk.sndbuf);
}
/* What @m carries besides data, from @scm; files are in flight then. 0 or -ETOOMANYREFS. */
int unix_msg_attach(struct unix_msg *m, struct scm_cookie *scm);
/* If one of the two wants credentials (SO_PASSCRED) and none were sent, those of the sender. */
void unix_msg_add_cred(struct unix_msg *m, const struct unix_sock *from,
		       const struct unix_sock *to);
/* The opposite of attach, for the receiver; with @peek the files are copied. 0 or -ENOMEM. */
int unix_msg_detach(struct unix_msg *m, struct scm_cookie *scm, bool peek);
/* The sender's name for recvmsg(2). */
void unix_msg_name(const struct unix_msg *m, struct msghdr *h);

/* ---- unix_gc.c: files in flight ---- */

/* The files of @fp are in flight from now on: 0, or -ETOOMANYREFS. */
int unix_inflight(struct scm_fp *fp);
/* Takes the files out of a message: they are not in flight any more. */
struct scm_fp *unix_take_files(struct unix_msg *m);
/* More references to them, for MSG_PEEK; NULL without memory. */
struct scm_fp *unix_copy_files(struct unix_msg *m);
/*
 * Finds sockets that only messages refer to which nobody can receive, and drops their messages'
 * files. @closing: a file that the caller is about to give back a reference of, or NULL.
 */
void unix_gc(struct file *closing);
/* proto_ops.flush. */
void unix_flush(struct sock *sk, struct file *file);
/* Number of sockets in flight; [a]. */
extern unsigned unix_tot_inflight;

/* ---- connections and data ---- */

int unix_listen(struct sock *sk, int backlog);
struct sock *unix_accept(struct sock *sk, unsigned fflags);
int unix_stream_connect(struct sock *sk, const struct sockaddr *addr, int len, unsigned fflags);
ssize_t unix_stream_sendmsg(struct sock *sk, struct msghdr *m);
ssize_t unix_stream_recvmsg(struct sock *sk, struct msghdr *m);

int unix_dgram_connect(struct sock *sk, const struct sockaddr *addr, int len);
/* Datagrams and seqpackets. */
ssize_t unix_dgram_sendmsg(struct sock *sk, struct msghdr *m);
ssize_t unix_dgram_recvmsg(struct sock *sk, struct msghdr *m);
/* If @peer's queue is full still, @u's sk->wq will be woken when it is not. u->lock held. */
bool unix_peer_wake_me(struct unix_sock *u, struct unix_sock *peer);
