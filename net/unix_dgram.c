/*
 * UNIX sockets: messages, for datagram and seqpacket sockets. A message is sent whole and received
 * whole (or cut short with MSG_TRUNC); nothing is lost and nothing overtakes.
 *
 * Two limits hold a sender back: what its own messages may pin (SO_SNDBUF), and how many messages
 * wait at the receiver, so that one sender cannot keep the others out. Who finds the receiver's
 * queue full waits on its peer_wait, and so does poll(): for a connected datagram socket EPOLLOUT
 * means room there too. unix_peer_wake_me() hangs an entry there that passes the wake-up on to
 * the sender's own wait queue. Two datagram sockets that are connected to each other have only the
 * first limit, as on Linux.
 *
 * LOCKING: net/unix.c. connect(2) of a datagram socket changes its peer under the locks of both;
 * its data path takes a reference to the peer.
 */

#include "kernel/sched/signal.h"
#include "net/unix.h"

#define DGRAM_OVERHEAD 32 /* the part of SO_SNDBUF that no message can use */

/* ---- waiting for the receiver ---- */

bool unix_peer_wake_me(struct unix_sock *u, struct unix_sock *peer)
{
	/* Once it is there, it leaves by itself when it has told us, or when the peer changes. */
	if (list_empty(&u->peer_wake.entry))
		add_wait_queue(&peer->peer_wait, &u->peer_wake);
	/* First on the queue, then the look. Pairs with the barrier in took_message(). */
	smp_mb();
	return unix_rx_full(peer) && !READ_ONCE(peer->dead);
}

/* A message has left the queue. */
static void took_message(struct unix_sock *u)
{
	smp_mb();
	if (waitqueue_active(&u->peer_wait))
		wake_up_poll(&u->peer_wait, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
}

static int wait_for_room(struct unix_sock *to, u64 deadline)
{
	long err = wait_event_interruptible_exclusive_deadline(
		&to->peer_wait,
		!unix_rx_full(to) || READ_ONCE(to->dead) ||
			(READ_ONCE(to->sk.shutdown) & RCV_SHUTDOWN),
		deadline);

	return err ? (int)sock_wait_error(err, deadline) : 0;
}

/* ---- connect ---- */

/* May @u send to @to? Only if @to is connected to nobody else. */
static bool may_send(const struct unix_sock *u, const struct unix_sock *to)
{
	const struct unix_sock *its = READ_ONCE(to->peer);

	return !its || its == u;
}

/*
 * @u has left @old for another peer: what came from @old is lost, and if the two were connected to
 * each other, the other one hears of it.
 */
static void disconnected(struct unix_sock *u, struct unix_sock *old)
{
	LIST_HEAD(lost);
	struct unix_msg *m, *next;

	spin_lock(&u->lock);
	unix_take_queue(u, &lost);
	spin_unlock(&u->lock);
	if (list_empty(&lost))
		return;
	list_for_each_entry_safe(m, next, &lost, link)
		unix_msg_free(m);
	wake_up_poll_all(&u->peer_wait, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	if (!READ_ONCE(old->dead) && READ_ONCE(old->peer) == u) {
		WRITE_ONCE(old->sk.sk_err, ECONNRESET);
		old->sk.sk_error_report(&old->sk);
	}
}

/* Makes @to (a reference, taken over; or NULL) the peer of @u, whose lock is held, and returns the
 * old one for drop_peer(). */
static struct unix_sock *swap_peer(struct unix_sock *u, struct unix_sock *to)
{
	struct unix_sock *old = u->peer;

	if (old)
		remove_wait_queue(&old->peer_wait, &u->peer_wake);
	WRITE_ONCE(u->peer, to);
	WRITE_ONCE(u->sk.state, to ? TCP_ESTABLISHED : TCP_CLOSE);
	u->sk.ss_state = to ? SS_CONNECTED : SS_UNCONNECTED;
	return old;
}

/* No lock held but lock_sock(). */
static void drop_peer(struct unix_sock *u, struct unix_sock *old, const struct unix_sock *now)
{
	if (!old)
		return;
	/* It may have waited for the old one's room. */
	wake_up_poll(&u->sk.wq, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	if (old != now)
		disconnected(u, old);
	unix_put(old);
}

/* 1: it has died. 0, or -EPERM. lock_sock(u) held. */
static int connect_to(struct unix_sock *u, struct unix_sock *to)
{
	struct unix_sock *old = NULL;
	int err = 0;

	unix_double_lock(u, to);
	if (to->dead)
		err = 1;
	else if (!may_send(u, to))
		err = -EPERM;
	else
		old = swap_peer(u, unix_get(to));
	unix_double_unlock(u, to);
	drop_peer(u, old, to);
	return err;
}

static int connect_locked(struct unix_sock *u, const struct sockaddr *addr, int len)
{
	struct unix_sock *to, *old;
	int err;

	if (addr->sa_family == AF_UNSPEC) {
		spin_lock(&u->lock);
		old = swap_peer(u, NULL);
		spin_unlock(&u->lock);
		drop_peer(u, old, NULL);
		return 0;
	}
	do {
		to = unix_find(addr, len, u->sk.type);
		if (IS_ERR(to))
			return (int)PTR_ERR(to);
		err = connect_to(u, to);
		unix_put(to);
	} while (err > 0);
	return err;
}

int unix_dgram_connect(struct sock *sk, const struct sockaddr *addr, int len)
{
	struct unix_sock *u = unix_sk(sk);
	int err = 0;

	if (len < (int)sizeof(addr->sa_family))
		return -EINVAL;
	if (addr->sa_family != AF_UNSPEC && sock_flag(sk, SOCK_PASSCRED))
		err = unix_autobind(u);
	if (err)
		return err;
	/* The queue may be thrown away, and only its reader may do that. */
	lock_sock(sk);
	err = connect_locked(u, addr, len);
	release_sock(sk);
	return err;
}

/* ---- sending ---- */

/* The destination has died. The errno for a message to it, or 0: look its name up again. */
static int peer_is_dead(struct unix_sock *u, struct unix_sock *to)
{
	struct unix_sock *old = NULL;

	if (!unix_is_dgram(u))
		return -EPIPE;
	lock_sock(&u->sk);
	spin_lock(&u->lock);
	if (u->peer == to)
		old = swap_peer(u, NULL);
	spin_unlock(&u->lock);
	drop_peer(u, old, NULL);
	release_sock(&u->sk);
	return old ? -ECONNREFUSED : 0;
}

/* 1: queued. 0: the queue is full. -ENODEV: @to has died. Other errors. */
static int try_queue(struct unix_sock *u, struct unix_sock *to, struct unix_msg *msg)
{
	int ret = 1;

	spin_lock(&to->lock);
	if (unix_is_dgram(u) && !may_send(u, to))
		ret = -EPERM;
	else if (to->dead)
		ret = -ENODEV;
	else if (to->sk.shutdown & RCV_SHUTDOWN)
		ret = -EPIPE;
	else if (to != u && to->peer != u && unix_rx_full(to))
		ret = 0;
	else
		unix_queue(to, msg);
	spin_unlock(&to->lock);
	if (ret > 0)
		to->sk.sk_data_ready(&to->sk);
	return ret;
}

/* The queue was full: 0 to try again, or -errno. */
static int queue_was_full(struct unix_sock *u, struct unix_sock *to, u64 deadline)
{
	bool full = true;

	if (deadline)
		return wait_for_room(to, deadline);
	/* Our EPOLLOUT is to come when there is room. */
	spin_lock(&u->lock);
	if (u->peer == to)
		full = unix_peer_wake_me(u, to);
	spin_unlock(&u->lock);
	return full ? -EAGAIN : 0;
}

/*
 * Sends @msg to @to, a reference that is given back; if NULL, or dead before the message was queued,
 * to whom @m names. 0: the message is the receiver's.
 */
static int deliver(struct unix_sock *u, struct unix_sock *to, const struct msghdr *m,
		   struct unix_msg *msg, u64 deadline)
{
	int err;

	for (;;) {
		if (!to) {
			if (!m->namelen)
				return -ECONNRESET;
			to = unix_find((struct sockaddr *)m->name, m->namelen, u->sk.type);
			if (IS_ERR(to))
				return (int)PTR_ERR(to);
		}
		unix_msg_add_cred(msg, u, to);
		err = try_queue(u, to, msg);
		if (!err) {
			err = queue_was_full(u, to, deadline);
			if (!err)
				continue;
		} else if (err == -ENODEV) {
			err = peer_is_dead(u, to);
			if (!err) {
				unix_put(to);
				to = NULL;
				continue;
			}
		}
		unix_put(to);
		return min(err, 0);
	}
}

static ssize_t send_message(struct unix_sock *u, struct unix_sock *to, struct msghdr *m,
			    struct scm_cookie *scm)
{
	u64 deadline = sock_deadline(READ_ONCE(u->sk.sndtimeo), m->flags & MSG_DONTWAIT);
	size_t len = m->iter->count;
	struct unix_msg *msg;
	int err;

	err = -EMSGSIZE;
	if (len > (size_t)(READ_ONCE(u->sk.sndbuf) - DGRAM_OVERHEAD))
		goto put;
	msg = unix_msg_alloc(u, len, deadline);
	err = (int)PTR_ERR(msg);
	if (IS_ERR(msg))
		goto put;
	err = unix_msg_attach(msg, scm);
	if (!err)
		err = unix_msg_fill(msg, m->iter);
	if (err)
		goto free;
	err = deliver(u, to, m, msg, deadline);
	if (!err)
		return (ssize_t)len;
	to = NULL;
free:
	unix_msg_free(msg);
put:
	if (to)
		unix_put(to);
	return err;
}

/* Whom a message without an address goes to. 0 with a reference, or -errno. */
static int default_peer(struct unix_sock *u, struct unix_sock **to)
{
	*to = unix_peer_get(u);
	return *to ? 0 : -ENOTCONN;
}

ssize_t unix_dgram_sendmsg(struct sock *sk, struct msghdr *m)
{
	struct unix_sock *u = unix_sk(sk), *to = NULL;
	struct scm_cookie scm;
	ssize_t ret;

	if (!unix_is_dgram(u)) {
		ret = sock_error(sk);
		if (ret)
			return ret;
		if (READ_ONCE(sk->state) != TCP_ESTABLISHED)
			return -ENOTCONN;
		m->namelen = 0; /* ignored */
	}
	ret = scm_send(sk, m, &scm);
	if (ret)
		return ret;
	if (m->flags & MSG_OOB)
		ret = -EOPNOTSUPP;
	else if (!m->namelen)
		ret = default_peer(u, &to);
	else
		ret = unix_check_name((struct sockaddr *)m->name, m->namelen);
	if (!ret && sock_flag(sk, SOCK_PASSCRED))
		ret = unix_autobind(u);
	if (!ret)
		ret = send_message(u, to, m, &scm);
	else if (to)
		unix_put(to);
	scm_destroy(&scm);
	return ret;
}

/* ---- receiving ---- */

/* The first message that SO_PEEK_OFF has not passed; *@skip becomes the offset in it. u->lock. */
static struct unix_msg *first_message(struct unix_sock *u, size_t *skip)
{
	struct unix_msg *m;

	list_for_each_entry(m, &u->rx, link) {
		if (*skip < m->len || !*skip)
			return m;
		*skip -= m->len;
	}
	return NULL;
}

/* Takes the next message off the queue, or with MSG_PEEK leaves it there. lock_sock() held.
 * ERR_PTR. */
static struct unix_msg *take_message(struct unix_sock *u, unsigned flags, size_t *skip)
{
	struct unix_msg *m;
	int err = sock_error(&u->sk);

	if (err)
		return ERR_PTR(err);
	*skip = (flags & MSG_PEEK) && u->peek_off > 0 ? (size_t)u->peek_off : 0;
	spin_lock(&u->lock);
	m = first_message(u, skip);
	if (m && !(flags & MSG_PEEK))
		unix_dequeue(u, m);
	spin_unlock(&u->lock);
	return m ? m : ERR_PTR(-EAGAIN);
}

/* 0: look again. 1: the end. Or -errno. */
static int wait_for_message(struct unix_sock *u, u64 deadline)
{
	struct sock *sk = &u->sk;
	long err;

	if (!deadline)
		return !unix_is_dgram(u) && (READ_ONCE(sk->shutdown) & RCV_SHUTDOWN) ? 1 : -EAGAIN;
	if (READ_ONCE(sk->shutdown) & RCV_SHUTDOWN)
		return !list_empty(&u->rx) ? 0 : 1;
	err = wait_event_interruptible_exclusive_deadline(
		&sk->wq,
		!list_empty(&u->rx) || READ_ONCE(sk->sk_err) ||
			(READ_ONCE(sk->shutdown) & RCV_SHUTDOWN),
		deadline);
	return err ? (int)sock_wait_error(err, deadline) : 0;
}

/* With lock_sock() held on success; NULL: the end. */
static struct unix_msg *next_message(struct unix_sock *u, unsigned flags, size_t *skip)
{
	u64 deadline = sock_deadline(READ_ONCE(u->sk.rcvtimeo), flags & MSG_DONTWAIT);
	struct unix_msg *m;
	int ret;

	for (;;) {
		lock_sock(&u->sk);
		m = take_message(u, flags, skip);
		if (!IS_ERR(m))
			return m;
		release_sock(&u->sk);
		if (PTR_ERR(m) != -EAGAIN)
			return m;
		ret = wait_for_message(u, deadline);
		if (ret)
			return ret > 0 ? NULL : ERR_PTR(ret);
	}
}

/* Hands @msg to the user: its length or -errno. */
static ssize_t give_message(struct unix_sock *u, struct msghdr *m, struct unix_msg *msg,
			    size_t skip, struct scm_cookie *scm)
{
	size_t left = msg->len - skip, n = min(left, m->iter->count);
	int err;

	if (m->name)
		unix_msg_name(msg, m);
	if (n < left)
		m->out_flags |= MSG_TRUNC;
	if (unix_msg_copy(msg, skip, n, m->iter) < n)
		return -EFAULT;
	err = unix_msg_detach(msg, scm, m->flags & MSG_PEEK);
	if (err)
		return err;
	if (u->peek_off >= 0)
		WRITE_ONCE(u->peek_off, m->flags & MSG_PEEK ? u->peek_off + (int)n
							    : max(u->peek_off - (int)msg->len, 0));
	return (ssize_t)(m->flags & MSG_TRUNC ? left : n);
}

ssize_t unix_dgram_recvmsg(struct sock *sk, struct msghdr *m)
{
	struct scm_cookie scm = {.fp = NULL};
	struct unix_sock *u = unix_sk(sk);
	struct unix_msg *msg;
	size_t skip = 0;
	ssize_t ret;

	if (!unix_is_dgram(u) && READ_ONCE(sk->state) != TCP_ESTABLISHED)
		return -ENOTCONN;
	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	msg = next_message(u, m->flags, &skip);
	if (!msg || IS_ERR(msg))
		return PTR_ERR(msg);
	ret = give_message(u, m, msg, skip, &scm);
	release_sock(sk);
	took_message(u);
	if (!(m->flags & MSG_PEEK))
		unix_msg_free(msg);
	if (ret < 0)
		scm_destroy(&scm);
	else
		scm_recv(sk, m, &scm);
	return ret;
}
