/*
 * UNIX sockets: connections of streams and seqpackets. connect(2) does all the work: it makes the
 * socket of the other side too, joins the two, and puts it into the listener's queue. The connection
 * is complete then: data can be written before accept(2) has seen it.
 *
 *	client                    listener
 *	unix_stream_connect()
 *	  child = unix_alloc()
 *	  client <-> child        accept: child, child, ...
 *	  child ----------------> sk_data_ready()
 *	                          unix_accept()   takes the first, wakes who waits for a place
 *
 * A full backlog makes a blocking connect() wait for accept(2), on the listener's peer_wait.
 *
 * LOCKING: net/unix.c. Joining holds the locks of listener and client.
 */

#include "kernel/abi/fcntl.h"
#include "kernel/sched/signal.h"
#include "net/unix.h"

int unix_listen(struct sock *sk, int backlog)
{
	struct unix_sock *u = unix_sk(sk);
	bool more;

	if (unix_is_dgram(u))
		return -EOPNOTSUPP;
	if (!READ_ONCE(u->addr))
		return -EINVAL;
	spin_lock(&u->lock);
	if (sk->state != TCP_CLOSE && sk->state != TCP_LISTEN) {
		spin_unlock(&u->lock);
		return -EINVAL;
	}
	more = (unsigned)backlog > u->backlog;
	WRITE_ONCE(u->backlog, (unsigned)backlog);
	WRITE_ONCE(sk->state, TCP_LISTEN);
	u->peercred = unix_current_cred();
	spin_unlock(&u->lock);
	if (more)
		wake_up_all(&u->peer_wait);
	return 0;
}

/* ---- connect ---- */

/* Joins @u, @child and the queue of @l. Both locks are held. */
static void join(struct unix_sock *u, struct unix_sock *child, struct unix_sock *l)
{
	child->addr = l->addr;
	refcount_inc(&l->addr->refs);
	child->peer = unix_get(u);
	child->peercred = unix_current_cred();
	child->sk.state = TCP_ESTABLISHED;
	child->sk.ss_state = SS_CONNECTED;
	u->peercred = l->peercred;
	u->sk.ss_state = SS_CONNECTED;
	WRITE_ONCE(u->sk.state, TCP_ESTABLISHED);
	/* The child is complete before a writer without a lock finds it. */
	smp_store_release(&u->peer, unix_get(child));
	list_add_tail(&child->accept, &l->accept);
	WRITE_ONCE(l->rx_count, l->rx_count + 1);
}

/* 1: @l has died, look the name up again. 0: connected. -EAGAIN: the backlog is full. -errno */
static int try_join(struct unix_sock *u, struct unix_sock *child, struct unix_sock *l)
{
	int err;

	unix_double_lock(u, l);
	if (l->dead)
		err = 1;
	else if (l->sk.state != TCP_LISTEN || (l->sk.shutdown & RCV_SHUTDOWN))
		err = -ECONNREFUSED;
	else if (unix_rx_full(l))
		err = -EAGAIN;
	else if (u->sk.state != TCP_CLOSE)
		err = u->sk.state == TCP_ESTABLISHED ? -EISCONN : -EINVAL;
	else
		err = 0;
	if (!err)
		join(u, child, l);
	unix_double_unlock(u, l);
	if (!err)
		l->sk.sk_data_ready(&l->sk);
	return err;
}

static int wait_for_place(struct unix_sock *l, u64 deadline)
{
	long err;

	if (!deadline)
		return -EAGAIN;
	err = wait_event_interruptible_exclusive_deadline(
		&l->peer_wait,
		!unix_rx_full(l) || READ_ONCE(l->dead) || READ_ONCE(l->sk.shutdown) & RCV_SHUTDOWN,
		deadline);
	return err ? (int)sock_wait_error(err, deadline) : 0;
}

static int connect_child(struct unix_sock *u, struct unix_sock *child, const struct sockaddr *addr,
			 int len, u64 deadline)
{
	struct unix_sock *l;
	int err;

	do {
		l = unix_find(addr, len, u->sk.type);
		if (IS_ERR(l))
			return (int)PTR_ERR(l);
		err = try_join(u, child, l);
		if (err == -EAGAIN)
			err = wait_for_place(l, deadline) ?: 1;
		unix_put(l);
	} while (err > 0);
	return err;
}

int unix_stream_connect(struct sock *sk, const struct sockaddr *addr, int len, unsigned fflags)
{
	u64 deadline = sock_deadline(READ_ONCE(sk->sndtimeo), fflags & O_NONBLOCK);
	struct unix_sock *u = unix_sk(sk), *child;
	int err;

	if (len < (int)sizeof(addr->sa_family) || addr->sa_family != AF_UNIX)
		return -EINVAL;
	if (sock_flag(sk, SOCK_PASSCRED)) {
		err = unix_autobind(u);
		if (err)
			return err;
	}
	child = unix_alloc(sk->type);
	if (!child)
		return -ENOMEM;
	err = connect_child(u, child, addr, len, deadline);
	if (err)
		unix_release_sock(child, false);
	return err;
}

/* ---- accept ---- */

static struct unix_sock *pop_child(struct unix_sock *l)
{
	struct unix_sock *child;

	spin_lock(&l->lock);
	child = list_first_entry_or_null(&l->accept, struct unix_sock, accept);
	if (child) {
		list_del_init(&child->accept);
		WRITE_ONCE(l->rx_count, l->rx_count - 1);
	}
	spin_unlock(&l->lock);
	return child;
}

struct sock *unix_accept(struct sock *sk, unsigned fflags)
{
	u64 deadline = sock_deadline(READ_ONCE(sk->rcvtimeo), fflags & O_NONBLOCK);
	struct unix_sock *l = unix_sk(sk), *child;
	long err;

	if (unix_is_dgram(l))
		return ERR_PTR(-EOPNOTSUPP);
	if (READ_ONCE(sk->state) != TCP_LISTEN)
		return ERR_PTR(-EINVAL);
	for (;;) {
		child = pop_child(l);
		if (child)
			break;
		if (!deadline)
			return ERR_PTR(-EAGAIN);
		if (READ_ONCE(sk->shutdown) & RCV_SHUTDOWN)
			return ERR_PTR(-EINVAL);
		err = wait_event_interruptible_exclusive_deadline(
			&sk->wq,
			!list_empty(&l->accept) || (READ_ONCE(sk->shutdown) & RCV_SHUTDOWN),
			deadline);
		if (err)
			return ERR_PTR(sock_wait_error(err, deadline));
	}
	wake_up(&l->peer_wait);
	sock_assign(&child->sk, SOCK_PASSCRED, sock_flag(sk, SOCK_PASSCRED));
	return &child->sk;
}
