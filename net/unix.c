/*
 * UNIX sockets, unix(7): the family whose both ends are on this machine. This file has a socket's
 * life, poll, shutdown and options; names are in unix_name.c, connections in unix_conn.c, data in
 * unix_stream.c and unix_dgram.c, messages in unix_msg.c, files in flight in unix_gc.c.
 *
 * There is no protocol. A sender makes a message of what the user gives, and puts it on the queue
 * of the receiving socket itself; the receiver takes it from there:
 *
 *	write(a) -> unix_msg_alloc()  memory, charged to a
 *	            copy in           no lock
 *	            unix_queue()      b's lock, a few instructions
 *	            sk_data_ready(b)  wakes readers, poll() and epoll
 *	read(b)  -> first of b->rx    b's lock
 *	            copy out          lock_sock(b), so that readers take turns
 *	            unix_dequeue()    b's lock
 *	            unix_msg_free()   a may write more: wakes it with EPOLLOUT
 *
 *	type        connect()s to        bytes or messages  told of the other's end
 *	STREAM      a listener           bytes              yes
 *	SEQPACKET   a listener           messages           yes
 *	DGRAM       whoever has a name   messages           no
 *
 * A socket lives longer than its file: a peer, and each message it has sent, hold a reference. When
 * the file is closed the socket is "dead": it has no name and no queue, and only waits to be freed.
 *
 * LOCKING
 *	u->lock        State, peer and queue of one socket. Held for a few instructions, in process
 *	               context; nothing here happens in interrupts. Two of them: the lower address
 *	               first (unix_double_lock()), or a listener before the children in its queue.
 *	lock_sock      One reader, or one bind(2), at a time. Held while copying to user memory.
 *	               It comes before u->lock.
 *	name buckets   Chains of the name table; innermost.
 *	unix_gc_lock   Files in flight; before u->lock. Only messages with files need it.
 *	peer_wait      a wait queue whose entries wake sk->wq of those who wait to send: peer_wait ->
 *	               sk->wq -> epoll's locks. Wake-ups happen without u->lock.
 * Moving data takes the receiver's u->lock and no other, so pairs do not disturb each other.
 *
 * A stream's or seqpacket's peer never changes once it is set, and is a reference until the socket's
 * own end: its data path reads it without a lock.
 */

#include "net/unix.h"
#include "kernel/lib/init.h"
#include "kernel/lib/sysctl.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/signal.h"
#include "net/socket.h"

/* How many datagrams may wait in a new socket's queue. */
static s64 max_dgram_qlen = 10; /* [a] */
SYSCTL(max_dgram_qlen, "sys/net/unix/max_dgram_qlen", max_dgram_qlen, 0, INT32_MAX);

static struct kmem_cache *unix_cache; /* [I] */
static const struct proto_ops unix_ops;

/* ---- life ---- */

/* The peer's queue has room: so do we. Under the peer's peer_wait. */
static int peer_wake_relay(struct wait_queue_entry *e, unsigned mode, int flags, void *key)
{
	struct unix_sock *u = container_of(e, struct unix_sock, peer_wake);

	list_del_init(&e->entry);
	wake_up_poll(&u->sk.wq, key_to_poll(key));
	return 0;
}

struct unix_sock *unix_alloc(int type)
{
	struct sock *sk = sk_alloc(unix_cache, &unix_ops, GFP_KERNEL);
	struct unix_sock *u = unix_sk(sk);

	if (!sk)
		return NULL;
	sk->family = AF_UNIX;
	sk->type = (u8)type;
	refcount_set(&u->refs, 1);
	spin_lock_init(&u->lock);
	INIT_LIST_HEAD(&u->rx);
	INIT_LIST_HEAD(&u->accept);
	INIT_LIST_HEAD(&u->gc_link);
	init_waitqueue_head(&u->peer_wait);
	init_waitqueue_func_entry(&u->peer_wake, peer_wake_relay);
	u->backlog = (unsigned)READ_ONCE(max_dgram_qlen);
	u->peek_off = -1;
	u->peercred = (struct ucred){0, ~0u, ~0u};
	unix_table_add(u);
	return u;
}

static struct sock *unix_create(int type, int protocol)
{
	struct unix_sock *u;

	if (protocol && protocol != AF_UNIX)
		return ERR_PTR(-EPROTONOSUPPORT);
	if (type == SOCK_RAW) /* BSD's word for datagrams here */
		type = SOCK_DGRAM;
	if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
		return ERR_PTR(-ESOCKTNOSUPPORT);
	u = unix_alloc(type);
	return u ? &u->sk : ERR_PTR(-ENOMEM);
}

void unix_put(struct unix_sock *u)
{
	if (!refcount_dec_and_test(&u->refs))
		return;
	if (u->addr)
		unix_addr_put(u->addr);
	kmem_cache_free(unix_cache, u);
}

void unix_double_lock(struct unix_sock *a, struct unix_sock *b)
{
	spin_lock(a < b ? &a->lock : &b->lock);
	if (a != b)
		spin_lock_nested(a < b ? &b->lock : &a->lock, 1);
}

void unix_double_unlock(struct unix_sock *a, struct unix_sock *b)
{
	spin_unlock(&a->lock);
	if (a != b)
		spin_unlock(&b->lock);
}

/* A connection's other side has gone: no more can be sent, and what it had not read is lost. */
static void tell_peer(struct unix_sock *peer, bool lost)
{
	spin_lock(&peer->lock);
	WRITE_ONCE(peer->sk.shutdown, SHUTDOWN_MASK);
	if (lost)
		WRITE_ONCE(peer->sk.sk_err, ECONNRESET);
	spin_unlock(&peer->lock);
	peer->sk.sk_state_change(&peer->sk);
}

static void kill_children(struct list_head *children)
{
	struct unix_sock *child, *next;

	list_for_each_entry_safe(child, next, children, accept) {
		INIT_LIST_HEAD(&child->accept);
		unix_release_sock(child, true);
		cond_resched();
	}
}

static void purge(struct list_head *messages)
{
	struct unix_msg *m, *next;

	list_for_each_entry_safe(m, next, messages, link) {
		unix_msg_free(m);
		cond_resched();
	}
}

void unix_take_queue(struct unix_sock *u, struct list_head *messages)
{
	list_splice_tail_init(&u->rx, messages);
	WRITE_ONCE(u->rx_count, 0);
	WRITE_ONCE(u->rx_bytes, 0);
}

void unix_release_sock(struct unix_sock *u, bool embryo)
{
	LIST_HEAD(messages);
	LIST_HEAD(children);
	struct unix_sock *peer;
	bool lost;

	unix_table_del(u);
	spin_lock(&u->lock);
	u->dead = true;
	WRITE_ONCE(u->sk.shutdown, SHUTDOWN_MASK);
	WRITE_ONCE(u->sk.state, TCP_CLOSE);
	lost = embryo || !list_empty(&u->rx);
	unix_take_queue(u, &messages);
	list_splice_tail_init(&u->accept, &children);
	peer = u->peer;
	WRITE_ONCE(u->peer, NULL);
	spin_unlock(&u->lock);
	wake_up_poll_all(&u->peer_wait, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	if (peer) {
		remove_wait_queue(&peer->peer_wait, &u->peer_wake);
		if (!unix_is_dgram(u))
			tell_peer(peer, lost);
		unix_put(peer);
	}
	kill_children(&children);
	purge(&messages);
	if (u->path.dentry)
		path_put(&u->path);
	unix_put(u);
	/* With work in progress, that is done behind it. */
	if (READ_ONCE(unix_tot_inflight) && !current->scm_work)
		unix_gc(NULL);
}

static void unix_release(struct sock *sk)
{
	unix_release_sock(unix_sk(sk), false);
}

struct ucred unix_current_cred(void)
{
	const struct signal_struct *g = current->signal;

	return g ? (struct ucred){g->pid, g->euid, g->egid} : (struct ucred){0, 0, 0};
}

/* Both are new: nobody else knows them. */
static int unix_socketpair(struct sock *a, struct sock *b)
{
	struct unix_sock *ua = unix_sk(a), *ub = unix_sk(b);

	ua->peer = unix_get(ub);
	ub->peer = unix_get(ua);
	ua->peercred = ub->peercred = unix_current_cred();
	a->state = b->state = TCP_ESTABLISHED;
	a->ss_state = b->ss_state = SS_CONNECTED;
	return 0;
}

/* The peer with a reference, or NULL. */
struct unix_sock *unix_peer_get(struct unix_sock *u)
{
	struct unix_sock *peer;

	spin_lock(&u->lock);
	peer = u->peer;
	if (peer)
		unix_get(peer);
	spin_unlock(&u->lock);
	return peer;
}

/* Unlike TCP's this works on any socket, and does nothing to one that is not connected. */
static int unix_shutdown(struct sock *sk, int how)
{
	struct unix_sock *u = unix_sk(sk), *peer;
	u8 bits = (u8)(how + 1), mirror;

	spin_lock(&u->lock);
	WRITE_ONCE(sk->shutdown, sk->shutdown | bits);
	spin_unlock(&u->lock);
	sk->sk_state_change(sk);
	if (unix_is_dgram(u))
		return 0;
	peer = READ_ONCE(u->peer);
	if (!peer)
		return 0;
	/* What we do not read they cannot write. */
	mirror = (u8)((bits & RCV_SHUTDOWN ? SEND_SHUTDOWN : 0) |
		      (bits & SEND_SHUTDOWN ? RCV_SHUTDOWN : 0));
	spin_lock(&peer->lock);
	WRITE_ONCE(peer->sk.shutdown, peer->sk.shutdown | mirror);
	spin_unlock(&peer->lock);
	peer->sk.sk_state_change(&peer->sk);
	return 0;
}

/* ---- poll ---- */

/* Has a datagram socket to wait for its peer's queue? Then its room will wake us. */
static bool wait_for_peer_room(struct unix_sock *u)
{
	struct unix_sock *peer;
	bool full = false;

	spin_lock(&u->lock);
	peer = u->peer;
	if (peer && READ_ONCE(peer->peer) != u && unix_rx_full(peer))
		full = unix_peer_wake_me(u, peer);
	spin_unlock(&u->lock);
	return full;
}

/* O(1). The bits are those of Linux: a stream that was never connected is writable and hung up. */
static __poll_t unix_poll(struct sock *sk)
{
	struct unix_sock *u = unix_sk(sk);
	u8 state = READ_ONCE(sk->state);
	__poll_t mask = sock_poll_ends(sk);

	if (!list_empty(&u->rx) || (state == TCP_LISTEN && !list_empty(&u->accept)))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (!unix_is_dgram(u) && state == TCP_CLOSE)
		mask |= EPOLLHUP;
	if (unix_writable(u) && !(unix_is_dgram(u) && wait_for_peer_room(u)))
		mask |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
	return mask;
}

/* ---- options, ioctl ---- */

static int unix_setsockopt(struct sock *sk, int level, int name, const void __user *val, int len)
{
	struct unix_sock *u = unix_sk(sk);
	int v, err;

	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (name != SO_PEEK_OFF)
		return -ENOPROTOOPT;
	err = sockopt_get_int(&v, val, len);
	if (err)
		return err;
	lock_sock(sk);
	u->peek_off = v;
	release_sock(sk);
	return 0;
}

static int unix_getsockopt(struct sock *sk, int level, int name, void __user *val, int __user *len)
{
	struct unix_sock *u = unix_sk(sk);
	struct ucred cred;
	int v;

	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	switch (name) {
	case SO_PEERCRED:
		spin_lock(&u->lock);
		cred = u->peercred;
		spin_unlock(&u->lock);
		return sockopt_put(&cred, sizeof(cred), val, len);
	case SO_PEEK_OFF:
		v = READ_ONCE(u->peek_off);
		return sockopt_put(&v, sizeof(v), val, len);
	default:
		return -ENOPROTOOPT;
	}
}

/* SIOCINQ: all bytes that a stream could read, or the first datagram. */
static int bytes_to_read(struct unix_sock *u)
{
	int n = 0;

	if (!unix_is_dgram(u))
		return (int)READ_ONCE(u->rx_bytes);
	spin_lock(&u->lock);
	if (!list_empty(&u->rx))
		n = (int)list_first_entry(&u->rx, struct unix_msg, link)->len;
	spin_unlock(&u->lock);
	return n;
}

static long unix_ioctl(struct sock *sk, unsigned cmd, u64 arg)
{
	struct unix_sock *u = unix_sk(sk);

	switch (cmd) {
	case SIOCOUTQ:
		return put_user(atomic_read(&u->wmem), (int __user *)arg);
	case FIONREAD:
		if (READ_ONCE(sk->state) == TCP_LISTEN)
			return -EINVAL;
		return put_user(bytes_to_read(u), (int __user *)arg);
	default:
		return -ENOTTY;
	}
}

/* ---- the family ---- */

static ssize_t unix_sendmsg(struct sock *sk, struct msghdr *m)
{
	return sk->type == SOCK_STREAM ? unix_stream_sendmsg(sk, m) : unix_dgram_sendmsg(sk, m);
}

static ssize_t unix_recvmsg(struct sock *sk, struct msghdr *m)
{
	return sk->type == SOCK_STREAM ? unix_stream_recvmsg(sk, m) : unix_dgram_recvmsg(sk, m);
}

static int unix_connect(struct sock *sk, const struct sockaddr *addr, int len, unsigned fflags)
{
	return sk->type == SOCK_DGRAM ? unix_dgram_connect(sk, addr, len)
				      : unix_stream_connect(sk, addr, len, fflags);
}

static const struct proto_ops unix_ops = {
	.bind = unix_bind,
	.connect = unix_connect,
	.listen = unix_listen,
	.accept = unix_accept,
	.shutdown = unix_shutdown,
	.socketpair = unix_socketpair,
	.sendmsg = unix_sendmsg,
	.recvmsg = unix_recvmsg,
	.getname = unix_getname,
	.setsockopt = unix_setsockopt,
	.getsockopt = unix_getsockopt,
	.poll = unix_poll,
	.ioctl = unix_ioctl,
	.flush = unix_flush,
	.release = unix_release,
};

static const struct net_proto_family unix_family = {AF_UNIX, unix_create};

static int __init unix_init(void)
{
	unix_cache = kmem_cache_create("UNIX", sizeof(struct unix_sock), 0);
	sock_register(&unix_family);
	return 0;
}
core_initcall(unix_init);
