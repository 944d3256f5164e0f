/*
 * Messages of UNIX sockets: memory, data, what comes with it, and who pays.
 *
 * A message is paid for by its sender: its memory counts against the sender's SO_SNDBUF until the
 * receiver has read it, wherever it is until then. So a sender that nobody listens to is stopped by
 * its own limit, and the end of each message is what may make it writable again.
 *
 * Costs: a message of up to 8 KiB is one kmalloc(); its bytes are copied twice, in and out.
 *
 * LOCKING: net/unix.c. A message that is not queued belongs to the task that has it.
 */

#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/signal.h"
#include "net/unix.h"

#define UNIX_CHUNK 8192 /* the largest block that a slab gives */

/* Of a user that has no number here, credentials(7). */
#define OVERFLOW_ID 65534u

/* ---- memory ---- */

static void chunks_free(struct unix_chunk *c)
{
	struct unix_chunk *next;

	for (; c; c = next) {
		next = c->next;
		kfree(c);
	}
}

/* Chunks for @len bytes, behind @m's first one. */
static bool add_chunks(struct unix_msg *m, size_t len)
{
	struct unix_chunk **end = &m->first.next, *c;
	size_t n;

	for (; len; len -= n) {
		n = min(len, UNIX_CHUNK - sizeof(*c));
		c = kmalloc(sizeof(*c) + n, GFP_KERNEL);
		if (!c)
			return false;
		c->next = NULL;
		c->size = (u32)n;
		m->truesize += ksize(c);
		*end = c;
		end = &c->next;
	}
	return true;
}

/* 0 when @u may send, without a limit on how much more. */
static long wait_for_wmem(struct unix_sock *u, u64 deadline)
{
	struct sock *sk = &u->sk;
	long err;

	for (;;) {
		err = sock_error(sk);
		if (err)
			return err;
		if (READ_ONCE(sk->shutdown) & SEND_SHUTDOWN)
			return -EPIPE;
		if (atomic_read(&u->wmem) < READ_ONCE(sk->sndbuf))
			return 0;
		if (!deadline)
			return -EAGAIN;
		err = wait_event_interruptible_deadline(
			&sk->wq,
			atomic_read(&u->wmem) < READ_ONCE(sk->sndbuf) || READ_ONCE(sk->sk_err) ||
				(READ_ONCE(sk->shutdown) & SEND_SHUTDOWN),
			deadline);
		if (err)
			return sock_wait_error(err, deadline);
	}
}

struct unix_msg *unix_msg_alloc(struct unix_sock *u, size_t len, u64 deadline)
{
	size_t n = min(len, UNIX_CHUNK - sizeof(struct unix_msg));
	long err = wait_for_wmem(u, deadline);
	struct unix_msg *m;

	if (err)
		return ERR_PTR(err);
	m = kmalloc(sizeof(*m) + n, GFP_KERNEL);
	if (!m)
		return ERR_PTR(-ENOBUFS);
	*m = (struct unix_msg){
		.len = (u32)len,
		.truesize = (u32)ksize(m),
		.first.size = (u32)n,
	};
	if (!add_chunks(m, len - n)) {
		chunks_free(m->first.next);
		kfree(m);
		return ERR_PTR(-ENOBUFS);
	}
	m->from = unix_get(u);
	atomic_add(&u->wmem, (int)m->truesize);
	return m;
}

void unix_msg_free(struct unix_msg *m)
{
	struct unix_sock *from;
	struct scm_fp *fp;

	if (!m)
		return;
	from = m->from;
	fp = m->fp ? unix_take_files(m) : NULL;
	/* A full barrier: pairs with those of prepare_to_wait() and poll_wait(). */
	(void)atomic_sub_return(&from->wmem, (int)m->truesize);
	if (unix_writable(from) && waitqueue_active(&from->sk.wq))
		wake_up_poll(&from->sk.wq, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	unix_put(from);
	chunks_free(m->first.next);
	kfree(m);
	if (fp)
		scm_drop(fp);
}

/* ---- data ---- */

int unix_msg_fill(struct unix_msg *m, struct iov_iter *from)
{
	for (struct unix_chunk *c = &m->first; c; c = c->next)
		if (copy_from_iter(c->data, c->size, from) < c->size)
			return -EFAULT;
	return 0;
}

size_t unix_msg_copy(const struct unix_msg *m, size_t off, size_t n, struct iov_iter *to)
{
	const struct unix_chunk *c = &m->first;
	size_t done = 0, k, got;

	for (; off > c->size; c = c->next)
		off -= c->size;
	for (; done < n; c = c->next, off = 0) {
		k = min(n - done, c->size - off);
		got = copy_to_iter(c->data + off, k, to);
		done += got;
		if (got < k)
			break;
	}
	return done;
}

/* ---- queues ---- */

void unix_queue(struct unix_sock *to, struct unix_msg *m)
{
	list_add_tail(&m->link, &to->rx);
	WRITE_ONCE(to->rx_count, to->rx_count + 1);
	WRITE_ONCE(to->rx_bytes, to->rx_bytes + m->len);
}

void unix_dequeue(struct unix_sock *to, struct unix_msg *m)
{
	list_del(&m->link);
	WRITE_ONCE(to->rx_count, to->rx_count - 1);
	WRITE_ONCE(to->rx_bytes, to->rx_bytes - unix_msg_left(m));
}

/* ---- what comes with the data ---- */

int unix_msg_attach(struct unix_msg *m, struct scm_cookie *scm)
{
	int err = 0;

	m->has_cred = scm->has_cred;
	m->cred = scm->has_cred ? scm->cred : (struct ucred){0, OVERFLOW_ID, OVERFLOW_ID};
	if (scm->fp)
		err = unix_inflight(scm->fp);
	if (err)
		return err;
	m->fp = scm->fp;
	scm->fp = NULL;
	return 0;
}

void unix_msg_add_cred(struct unix_msg *m, const struct unix_sock *from, const struct unix_sock *to)
{
	struct signal_struct *g = current->signal;

	if (m->has_cred ||
	    !(sock_flag(&from->sk, SOCK_PASSCRED) || sock_flag(&to->sk, SOCK_PASSCRED)))
		return;
	m->has_cred = true;
	m->cred = (struct ucred){g->pid, g->uid, g->gid};
}

int unix_msg_detach(struct unix_msg *m, struct scm_cookie *scm, bool peek)
{
	scm->cred = m->cred;
	if (!m->fp)
		return 0;
	if (!peek) {
		scm->fp = unix_take_files(m);
		return 0;
	}
	scm->fp = unix_copy_files(m);
	return scm->fp ? 0 : -ENOMEM;
}

void unix_msg_name(const struct unix_msg *m, struct msghdr *h)
{
	const struct unix_addr *a = READ_ONCE(m->from->addr);

	h->namelen = 0;
	if (!a)
		return;
	memcpy(h->name, &a->name, (size_t)a->len);
	h->namelen = a->len;
}
