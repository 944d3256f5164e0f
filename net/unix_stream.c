/*
 * UNIX sockets: the bytes of a stream. Each write(2) becomes messages of up to 32 KiB on the peer's
 * queue; a read(2) takes from as many of them as it has room for, but never across a change of the
 * sender's credentials, and never past a message that brought files: so the files arrive with their
 * bytes, unix(7).
 *
 * LOCKING: net/unix.c. A reader holds lock_sock(): messages leave the queue, and are consumed, only
 * under it, so the message that it reads stays. Writers only append.
 */

#include "kernel/sched/signal.h"
#include "net/unix.h"

#define STREAM_MSG_MAX 32768u

/* ---- sending ---- */

/* One message of @size bytes. 0, or -errno: -EPIPE if the peer reads no more. */
static int send_piece(struct unix_sock *u, struct unix_sock *peer, struct unix_msg *msg)
{
	int err = 0;

	unix_msg_add_cred(msg, u, peer);
	spin_lock(&peer->lock);
	if (peer->dead || (peer->sk.shutdown & RCV_SHUTDOWN))
		err = -EPIPE;
	else
		unix_queue(peer, msg);
	spin_unlock(&peer->lock);
	if (!err)
		peer->sk.sk_data_ready(&peer->sk);
	return err;
}

static ssize_t send_all(struct unix_sock *u, struct unix_sock *peer, struct msghdr *m,
			struct scm_cookie *scm)
{
	u64 deadline = sock_deadline(READ_ONCE(u->sk.sndtimeo), m->flags & MSG_DONTWAIT);
	/* Two messages fit into the buffer, so that reader and writer can work at the same time. */
	u32 most = min((u32)READ_ONCE(u->sk.sndbuf) / 2 - 64, STREAM_MSG_MAX);
	struct unix_msg *msg;
	ssize_t sent = 0;
	size_t n;
	int err;

	while (m->iter->count) {
		n = min((size_t)most, m->iter->count);
		msg = unix_msg_alloc(u, n, deadline);
		if (IS_ERR(msg))
			return sent ? sent : PTR_ERR(msg);
		/* Files go with the first bytes. */
		err = unix_msg_attach(msg, scm);
		if (!err)
			err = unix_msg_fill(msg, m->iter);
		if (err) {
			unix_msg_free(msg);
			return sent ? sent : err;
		}
		if (send_piece(u, peer, msg)) {
			unix_msg_free(msg);
			return sent ? sent : sock_epipe(m->flags);
		}
		sent += (ssize_t)n;
	}
	return sent;
}

ssize_t unix_stream_sendmsg(struct sock *sk, struct msghdr *m)
{
	struct unix_sock *u = unix_sk(sk), *peer;
	struct scm_cookie scm;
	ssize_t ret;

	ret = scm_send(sk, m, &scm);
	if (ret)
		return ret;
	peer = READ_ONCE(u->peer);
	if (m->flags & MSG_OOB)
		ret = -EOPNOTSUPP;
	else if (m->namelen)
		ret = READ_ONCE(sk->state) == TCP_ESTABLISHED ? -EISCONN : -EOPNOTSUPP;
	else if (!peer)
		ret = -ENOTCONN;
	else if (READ_ONCE(sk->shutdown) & SEND_SHUTDOWN)
		ret = sock_epipe(m->flags);
	else
		ret = send_all(u, peer, m, &scm);
	scm_destroy(&scm);
	return ret;
}

/* ---- receiving ---- */

struct stream_reader {
	struct unix_sock *u;
	struct msghdr *m;
	struct scm_cookie scm;
	size_t want, copied;
	size_t offset;           /* MSG_PEEK: where in the queue to begin, SO_PEEK_OFF */
	size_t skip;             /* the same in the message that next_message() found */
	struct unix_msg *peeked; /* MSG_PEEK: the message behind which to go on */
	u64 deadline;
	bool has_cred; /* scm.cred is that of all bytes so far */
};

/* The next message to read from, or NULL. */
static struct unix_msg *next_message(struct stream_reader *r)
{
	struct unix_msg *msg = NULL;
	struct list_head *pos;

	r->skip = r->peeked ? 0 : r->offset;
	spin_lock(&r->u->lock);
	pos = r->peeked ? r->peeked->link.next : r->u->rx.next;
	for (; pos != &r->u->rx; pos = pos->next) {
		msg = list_entry(pos, struct unix_msg, link);
		if (r->skip < unix_msg_left(msg))
			break;
		r->skip -= unix_msg_left(msg);
		msg = NULL;
	}
	spin_unlock(&r->u->lock);
	return msg;
}

/* Why there is nothing to read: 0 look again, 1 the end, or -errno. */
static long nothing_there(struct stream_reader *r)
{
	struct unix_sock *u = r->u;
	long ret = -EAGAIN;

	/* Under the lock bytes, an error and the end are seen in the order in which they came. */
	spin_lock(&u->lock);
	if (u->rx_bytes > r->offset)
		ret = 0;
	else if (u->sk.sk_err)
		ret = sock_error(&u->sk);
	else if (u->sk.shutdown & RCV_SHUTDOWN)
		ret = 1;
	spin_unlock(&u->lock);
	return ret;
}

/* Sleeps until there may be more. The same values. */
static long wait_for_bytes(struct stream_reader *r)
{
	struct unix_sock *u = r->u;
	struct sock *sk = &u->sk;
	long ret = nothing_there(r);

	if (ret != -EAGAIN || !r->deadline)
		return ret;
	release_sock(sk);
	ret = wait_event_interruptible_deadline(&sk->wq,
						READ_ONCE(u->rx_bytes) > r->offset ||
							READ_ONCE(sk->sk_err) ||
							(READ_ONCE(sk->shutdown) & RCV_SHUTDOWN),
						r->deadline);
	lock_sock(sk);
	return ret ? sock_wait_error(ret, r->deadline) : 0;
}

static bool same_writer(const struct stream_reader *r, const struct unix_msg *msg)
{
	return r->scm.cred.pid == msg->cred.pid && r->scm.cred.uid == msg->cred.uid &&
	       r->scm.cred.gid == msg->cred.gid;
}

/* @n bytes of the first message have been read: true if more may follow in the same call. */
static bool consume(struct stream_reader *r, struct unix_msg *msg, u32 n)
{
	struct unix_sock *u = r->u;
	bool had_files = msg->fp, done;

	if (had_files)
		unix_msg_detach(msg, &r->scm, false);
	spin_lock(&u->lock);
	done = unix_msg_left(msg) == n;
	if (done)
		unix_dequeue(u, msg);
	else
		WRITE_ONCE(u->rx_bytes, u->rx_bytes - n);
	msg->consumed += n;
	spin_unlock(&u->lock);
	if (u->peek_off >= 0)
		WRITE_ONCE(u->peek_off, max(u->peek_off - (int)n, 0));
	if (done)
		unix_msg_free(msg);
	return done && !had_files;
}

/* The same for MSG_PEEK; or -ENOMEM. */
static int peek(struct stream_reader *r, struct unix_msg *msg, u32 n)
{
	if (r->u->peek_off >= 0)
		WRITE_ONCE(r->u->peek_off, r->u->peek_off + (int)n);
	r->peeked = msg;
	return msg->fp ? unix_msg_detach(msg, &r->scm, true) : 1;
}

/* Moves bytes of @msg. 1 if more may follow, 0 if not, or -errno. */
static int read_piece(struct stream_reader *r, struct unix_msg *msg)
{
	u32 n = (u32)min((size_t)unix_msg_left(msg) - r->skip, r->want - r->copied);

	if (r->has_cred && !same_writer(r, msg))
		return 0;
	if (!r->has_cred && sock_flag(&r->u->sk, SOCK_PASSCRED)) {
		r->scm.cred = msg->cred;
		r->has_cred = true;
	}
	if (r->m->name)
		unix_msg_name(msg, r->m);
	n = (u32)unix_msg_copy(msg, msg->consumed + r->skip, n, r->m->iter);
	if (!n && r->want)
		return -EFAULT;
	r->copied += n;
	if (r->m->flags & MSG_PEEK)
		return peek(r, msg, n);
	return consume(r, msg, n);
}

/* lock_sock() held. 0 or -errno; what has been copied counts more. */
static long read_locked(struct stream_reader *r, size_t target)
{
	struct unix_msg *msg;
	long ret;

	for (;;) {
		msg = next_message(r);
		if (msg) {
			ret = read_piece(r, msg);
			if (ret <= 0 || r->copied == r->want)
				return ret < 0 ? ret : 0;
			continue;
		}
		/* A peek that has seen something does not wait for more. */
		if (r->copied >= target || r->peeked)
			return 0;
		ret = wait_for_bytes(r);
		if (ret)
			return ret < 0 ? ret : 0;
	}
}

ssize_t unix_stream_recvmsg(struct sock *sk, struct msghdr *m)
{
	struct stream_reader r = {.u = unix_sk(sk), .m = m, .want = m->iter->count};
	size_t target;
	long err;

	if (READ_ONCE(sk->state) != TCP_ESTABLISHED)
		return -EINVAL;
	if (m->flags & MSG_OOB) /* there is no urgent data here */
		return -EINVAL;
	r.deadline = sock_deadline(READ_ONCE(sk->rcvtimeo), m->flags & MSG_DONTWAIT);
	target = m->flags & MSG_WAITALL ? r.want : min(r.want, (size_t)READ_ONCE(sk->rcvlowat));
	lock_sock(sk);
	if ((m->flags & MSG_PEEK) && r.u->peek_off > 0)
		r.offset = (size_t)r.u->peek_off;
	err = read_locked(&r, max(target, (size_t)1));
	release_sock(sk);
	scm_recv(sk, m, &r.scm);
	return r.copied ? (ssize_t)r.copied : err;
}
