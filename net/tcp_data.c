/*
 * TCP sockets: bytes in and out.
 *
 * Receiving. lwIP hands over pbufs in stream order (tcp_recv_cb); they are chained on the socket's
 * receive queue under sk->lock. A reader holds lock_sock(), which makes it the only one to take
 * from the queue, looks at rx_bytes without a lock and copies that many bytes straight from the
 * pbufs to user memory: the softirq only appends behind them. Then it unlinks what it has eaten
 * under sk->lock. net_lock is not needed but for the window: what has been read is credited to the
 * peer in large pieces, or with the next data that is sent anyway.
 *
 * Sending. User data is copied once, without a lock, into fresh pbufs with room for the headers;
 * then net_lock is taken, each pbuf becomes a segment (tcp_write_pbuf, a patch of ours), and one
 * tcp_output() sends what the windows allow. A small write that must wait (Nagle, closed window) is
 * appended to the last segment instead.
 *
 * Costs of a small echo: recv is two atomic instructions for lock_sock(), one pair for sk->lock,
 * one copy, one pbuf_free(); send is one pbuf_alloc(), one copy, one hold of net_lock.
 *
 * LOCKING: net/sock.c.
 */

#include "kernel/lib/string.h"
#include "kernel/sched/signal.h"
#include "net/tcp.h"

/* ---- the receive queue ---- */

/* What a received frame pins: its buffer is 2 KiB however short the segment. */
#define FRAME_TRUESIZE 2048u
#define SMALL_SEGMENT  (FRAME_TRUESIZE / 2)
/* Where the data of many small segments is put together; a whole page with its headers. */
#define COLLAPSE_SIZE 3968u

static u32 pbuf_truesize(const struct pbuf *p)
{
	return (p->flags & PBUF_FLAG_IS_CUSTOM ? FRAME_TRUESIZE : p->len) + sizeof(*p);
}

/* Appends a chain. sk->lock held. */
static void rx_append(struct tcp_sock *tp, struct pbuf *p)
{
	if (tp->rx_tail)
		tp->rx_tail->next = p;
	else
		tp->rx_head = p;
	for (;; p = p->next) {
		tp->rx_truesize += pbuf_truesize(p);
		if (!p->next)
			break;
	}
	tp->rx_tail = p;
	tp->rx_tailroom = 0;
}

/* Makes the tail one that @len bytes fit behind. false without memory. sk->lock held. */
static bool rx_make_room(struct tcp_sock *tp, u16 len)
{
	struct pbuf *tail;

	if (tp->rx_tailroom >= len)
		return true;
	tail = pbuf_alloc(PBUF_RAW, COLLAPSE_SIZE, PBUF_RAM);
	if (!tail)
		return false;
	tail->len = 0;
	rx_append(tp, tail);
	tp->rx_tailroom = COLLAPSE_SIZE;
	return true;
}

/*
 * A peer that sends byte by byte to a slow reader could pin 2 KiB for each byte of its window. From
 * twice the receive buffer on, small segments are copied together. sk->lock held.
 */
static bool rx_collapse(struct tcp_sock *tp, const struct pbuf *p)
{
	u32 limit = 2 * max((u32)READ_ONCE(tp->inet.sk.rcvbuf), (u32)TCP_WND);
	struct pbuf *tail;

	if (tp->rx_truesize <= limit || p->next || p->len >= SMALL_SEGMENT ||
	    !rx_make_room(tp, p->len))
		return false;
	tail = tp->rx_tail;
	memcpy((u8 *)tail->payload + tail->len, p->payload, p->len);
	/* A reader may be in this pbuf; it goes no further than the rx_bytes that it saw. */
	WRITE_ONCE(tail->len, (u16)(tail->len + p->len));
	tp->rx_tailroom -= p->len;
	tp->rx_truesize += p->len;
	return true;
}

bool tcp_rx_queue(struct tcp_sock *tp, struct pbuf *p)
{
	spinlock_t *lock = &tp->inet.sk.lock;
	bool copied, urgent = false;
	u32 len = p->tot_len;

	spin_lock_bh(lock);
	if (unlikely(tp->urg))
		urgent = tcp_urg_arrives(tp, p);
	copied = rx_collapse(tp, p);
	if (!copied)
		rx_append(tp, p);
	/* After the pbufs are linked; pairs with the load in tcp_recvmsg(). */
	smp_store_release(&tp->rx_bytes, tp->rx_bytes + len);
	spin_unlock_bh(lock);
	if (copied)
		pbuf_free(p);
	return urgent;
}

/* Unlinks the first @n bytes and returns the pbufs that are done with. lock_sock() held. */
static struct pbuf *rx_unlink(struct tcp_sock *tp, size_t n)
{
	struct pbuf *done = NULL, **end = &done, *p;
	size_t left = n, k;

	spin_lock_bh(&tp->inet.sk.lock);
	while (left) {
		p = tp->rx_head;
		k = p->len - tp->rx_off;
		if (left < k) {
			tp->rx_off += left;
			break;
		}
		left -= k;
		tp->rx_off = 0;
		tp->rx_head = p->next;
		if (!p->next) {
			tp->rx_tail = NULL;
			tp->rx_tailroom = 0;
		}
		tp->rx_truesize -= pbuf_truesize(p);
		p->next = NULL;
		*end = p;
		end = &p->next;
	}
	WRITE_ONCE(tp->rx_bytes, tp->rx_bytes - (u32)n);
	if (unlikely(tp->urg))
		tcp_urg_passed(tp, (u32)n);
	spin_unlock_bh(&tp->inet.sk.lock);
	return done;
}

/* The queue's links are not lwIP's chains: each pbuf is freed alone. */
static void free_list(struct pbuf *p)
{
	struct pbuf *next;

	for (; p; p = next) {
		next = p->next;
		p->next = NULL;
		pbuf_free(p);
	}
}

void tcp_rx_purge(struct tcp_sock *tp)
{
	free_list(rx_unlink(tp, tp->rx_bytes));
}

void tcp_give_credit(struct tcp_sock *tp)
{
	int credit = atomic_read(&tp->rx_credit) - (int)tp->rx_hold;
	struct tcp_pcb *pcb = tp->pcb;
	bool starved = pcb->rcv_ann_wnd < pcb->mss;
	int n;

	if (credit <= 0)
		return;
	atomic_sub(&tp->rx_credit, credit);
	for (; credit > 0; credit -= n) {
		n = min(credit, 0xffff);
		tcp_recved(pcb, (u16)n);
	}
	/* lwIP waits for four segments' worth before it says so; a stopped peer would wait for
	 * its own probe. */
	if (starved && pcb->rcv_ann_wnd >= pcb->mss) {
		tcp_ack_now(pcb);
		tcp_output(pcb);
	}
}

/* Is so much read that the peer should know? A quarter of the smallest window, or of SO_RCVBUF. */
static bool credit_is_due(const struct tcp_sock *tp, int credit)
{
	int step = min(READ_ONCE(tp->inet.sk.rcvbuf) / 8, 0xffff / 4);

	return credit - (int)READ_ONCE(tp->rx_hold) >= step;
}

/* ---- receiving ---- */

/* Copies @n bytes that are there, from @skip on. Returns fewer at a bad address. lock_sock held. */
static size_t rx_copy(struct tcp_sock *tp, struct iov_iter *to, size_t skip, size_t n)
{
	const struct pbuf *p = tp->rx_head;
	size_t off = tp->rx_off + skip, done = 0, k, got;

	for (; off >= READ_ONCE(p->len); p = p->next)
		off -= p->len;
	for (;;) {
		k = min(n - done, READ_ONCE(p->len) - off);
		got = copy_to_iter((const u8 *)p->payload + off, k, to);
		done += got;
		if (got < k || done == n)
			return done;
		off = 0;
		p = p->next;
	}
}

void tcp_rx_eat(struct tcp_sock *tp, size_t n)
{
	free_list(rx_unlink(tp, n));
	if (credit_is_due(tp, atomic_add_return(&tp->rx_credit, (int)n))) {
		lock_net();
		if (tp->pcb)
			tcp_give_credit(tp);
		unlock_net();
	}
}

/* Takes, or peeks at, @n bytes. Their number, or -EFAULT if not one could be stored. */
static ssize_t rx_take(struct tcp_sock *tp, struct msghdr *m, size_t skip, size_t n)
{
	/* tcp(7): MSG_TRUNC throws the bytes away. */
	if (!(m->flags & MSG_TRUNC)) {
		n = rx_copy(tp, m->iter, skip, n);
		if (!n)
			return -EFAULT;
	}
	if (!(m->flags & MSG_PEEK))
		tcp_rx_eat(tp, n);
	return (ssize_t)n;
}

/* Nothing will come behind what is queued now. */
static bool rx_over(const struct sock *sk)
{
	return READ_ONCE(sk->sk_err) || (READ_ONCE(sk->shutdown) & RCV_SHUTDOWN) ||
	       sock_flag(sk, SOCK_DONE) || READ_ONCE(sk->state) == TCP_CLOSE;
}

/* What a reader gets who finds the queue empty for good. */
static int rx_verdict(struct sock *sk)
{
	int err;

	if (sock_flag(sk, SOCK_DONE))
		return 0;
	err = sock_error(sk);
	if (err)
		return err;
	if (READ_ONCE(sk->shutdown) & RCV_SHUTDOWN)
		return 0;
	return READ_ONCE(sk->state) == TCP_CLOSE ? -ENOTCONN : -EAGAIN;
}

/* Sleeps until there are more than @seen bytes, or there will be none. lock_sock held, but not
 * while sleeping. */
static long rx_wait(struct sock *sk, size_t seen, u64 deadline)
{
	long err;

	if (!deadline)
		return -EAGAIN;
	release_sock(sk);
	err = wait_event_interruptible_deadline(
		&sk->wq, READ_ONCE(tcp_sk(sk)->rx_bytes) > seen || rx_over(sk), deadline);
	lock_sock(sk);
	return err ? sock_wait_error(err, deadline) : 0;
}

/* A signal has come to a reader that would have gone on. */
static ssize_t rx_broken_off(u64 deadline)
{
	return deadline ? sock_wait_error(-ERESTARTSYS, deadline) : -EAGAIN;
}

static ssize_t recv_locked(struct sock *sk, struct msghdr *m, size_t len, size_t target)
{
	u64 deadline = sock_deadline(READ_ONCE(sk->rcvtimeo), m->flags & MSG_DONTWAIT);
	struct tcp_sock *tp = tcp_sk(sk);
	size_t copied = 0, from, end;
	ssize_t n;
	bool over;

	for (;;) {
		/* In this order: the end is announced behind the last byte. */
		over = rx_over(sk);
		from = m->flags & MSG_PEEK ? copied : 0;
		end = smp_load_acquire(&tp->rx_bytes);
		if (unlikely(READ_ONCE(tp->urg)) &&
		    tcp_urg_stops(tp, m->flags, copied, &from, &end))
			return copied ? (ssize_t)copied : rx_broken_off(deadline);
		if (end > from) {
			n = min(end - from, len - copied);
			if (n)
				n = rx_take(tp, m, from, (size_t)n);
			if (n < 0)
				return copied ? (ssize_t)copied : n;
			copied += (size_t)n;
			if (copied >= target || copied == len)
				return (ssize_t)copied;
			continue;
		}
		if (over)
			return copied ? (ssize_t)copied : rx_verdict(sk);
		n = rx_wait(sk, from, deadline);
		if (n)
			return copied ? (ssize_t)copied : n;
	}
}

ssize_t tcp_recvmsg(struct sock *sk, struct msghdr *m)
{
	size_t len = m->iter->count, target;
	ssize_t ret;

	if (READ_ONCE(sk->state) == TCP_LISTEN)
		return -ENOTCONN;
	if (m->flags & MSG_ERRQUEUE) /* TCP's is always empty */
		return -EAGAIN;
	target = m->flags & MSG_WAITALL ? len : min(len, (size_t)READ_ONCE(sk->rcvlowat));
	lock_sock(sk);
	if (m->flags & MSG_OOB)
		ret = tcp_recv_urg(sk, m);
	else
		ret = recv_locked(sk, m, len, max(target, (size_t)1));
	release_sock(sk);
	return ret;
}

/* ---- sending ---- */

#define SEND_BATCH 32 /* segments queued in one hold of net_lock */

/* Copies at most @n bytes from the user into pbufs of one segment each, chained by ->next. */
static struct pbuf *tx_copy(struct tcp_sock *tp, struct iov_iter *from, size_t n, int *err)
{
	struct pbuf *list = NULL, **end = &list, *p;
	size_t mss = READ_ONCE(tp->mss), k, got;

	for (int i = 0; n && i < SEND_BATCH; i++, n -= k) {
		k = min(n, mss);
		p = pbuf_alloc(PBUF_TRANSPORT, (u16)k, PBUF_RAM);
		if (!p) {
			*err = -ENOBUFS;
			break;
		}
		got = copy_from_iter(p->payload, k, from);
		if (!got) {
			pbuf_free(p);
			*err = -EFAULT;
			break;
		}
		*end = p;
		end = &p->next;
		if (got < k) {
			p->len = p->tot_len = (u16)got;
			*err = -EFAULT;
			break;
		}
	}
	return list;
}

/* Hands one pbuf to lwIP; on success it is gone. net_lock held. */
static err_t tx_write(struct tcp_pcb *pcb, struct pbuf *p, u8_t flags)
{
	err_t err;

	/*
	 * Something is waiting already: fill its last segment rather than make a small one. lwIP
	 * wants no segment above half of the largest window; with a tiny one ours may be.
	 */
	if (pcb->unsent && p->len < pcb->mss / 2 && pcb->snd_wnd_max / 2 >= pcb->mss) {
		err = tcp_write(pcb, p->payload, p->len, flags | TCP_WRITE_FLAG_COPY);
		if (err == ERR_OK)
			pbuf_free(p);
		return err;
	}
	return tcp_write_pbuf(pcb, p, flags);
}

/* With @more to come, a segment that is not full waits. net_lock held. */
static void tx_push(struct tcp_sock *tp, bool more)
{
	struct tcp_seg *seg = tp->pcb->unsent;

	if (more && (!seg || (!seg->next && seg->len < tp->mss)))
		return;
	tcp_output(tp->pcb);
}

/*
 * Queues and sends pbufs from *@list as far as there is room, and moves *@list on. Returns the
 * bytes queued, or -ENOBUFS when lwIP has no memory, and nothing queued whose acknowledgement would
 * tell when to try again.
 */
static ssize_t tx_queue(struct tcp_sock *tp, struct pbuf **list, const struct msghdr *m, bool more)
{
	struct sock *sk = &tp->inet.sk;
	struct tcp_pcb *pcb;
	struct pbuf *p, *next;
	ssize_t queued = 0;
	u16 len;

	lock_net();
	pcb = tp->pcb;
	if (!pcb || (pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT))
		goto out;
	while ((p = *list)) {
		next = p->next;
		len = p->len;
		if (len > tcp_wspace(sk))
			break;
		p->next = NULL;
		if (tx_write(pcb, p, next || more ? TCP_WRITE_FLAG_MORE : 0) != ERR_OK) {
			p->next = next;
			if (pcb->unacked || pcb->unsent)
				sock_set(sk, SOCK_QFULL);
			else if (!queued)
				queued = -ENOBUFS;
			break;
		}
		*list = next;
		queued += len;
		tcp_sync_send(tp, pcb);
	}
	/* The last byte is urgent: of the message, or of what can be sent of it now. */
	if (unlikely(m->flags & MSG_OOB) && queued > 0 &&
	    (!m->iter->count || *list || !tcp_wspace(sk))) {
		tcp_urg_mark(pcb);
		more = false;
	}
	/* What has been read since goes with the data. */
	tcp_give_credit(tp);
	tx_push(tp, more);
out:
	unlock_net();
	return queued;
}

/* Sends as much of @n bytes as fits: the bytes taken from the iterator, or -errno. */
static ssize_t tx_some(struct tcp_sock *tp, struct msghdr *m, size_t n, bool more)
{
	int err = 0;
	struct pbuf *list = tx_copy(tp, m->iter, n, &err), *p;
	ssize_t queued;

	if (!list)
		return err;
	queued = tx_queue(tp, &list, m, more);
	/* Another writer was faster: what did not fit goes back. */
	for (p = list; p; p = p->next)
		iov_iter_revert(m->iter, p->len);
	free_list(list);
	return queued;
}

/* Waits for the end of a handshake. 0, or why nothing can be sent. */
static int tx_wait_connected(struct sock *sk, u64 deadline)
{
	u8 state;
	long err;

	for (;;) {
		state = READ_ONCE(sk->state);
		if (state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT)
			return 0;
		err = sock_error(sk);
		if (err)
			return (int)err;
		if (state != TCP_SYN_SENT)
			return -EPIPE;
		if (!deadline)
			return -EAGAIN;
		err = wait_event_interruptible_deadline(
			&sk->wq, READ_ONCE(sk->sk_err) || READ_ONCE(sk->state) != TCP_SYN_SENT,
			deadline);
		if (err)
			return (int)sock_wait_error(err, deadline);
	}
}

/* SOCK_NOSPACE first, then the test: tcp_sent_cb() does it the other way round. */
static int tx_wait_space(struct sock *sk, u64 deadline)
{
	long err;

	sock_set(sk, SOCK_NOSPACE);
	if (!deadline)
		return tcp_is_writeable(sk) ? 0 : -EAGAIN;
	err = wait_event_interruptible_deadline(
		&sk->wq, tcp_is_writeable(sk) || tcp_send_closed(sk), deadline);
	return err ? (int)sock_wait_error(err, deadline) : 0;
}

/* The errno of a send that moved nothing; a broken pipe raises SIGPIPE as send(2) says. */
static int tx_error(struct sock *sk, int err, unsigned flags)
{
	int pending;

	if (err != -EPIPE)
		return err;
	pending = sock_error(sk);
	if (pending && pending != -EPIPE)
		return pending;
	return sock_epipe(flags);
}

ssize_t tcp_sendmsg(struct sock *sk, struct msghdr *m)
{
	struct tcp_sock *tp = tcp_sk(sk);
	u64 deadline = sock_deadline(READ_ONCE(sk->sndtimeo), m->flags & MSG_DONTWAIT);
	bool more = (m->flags & MSG_MORE) || sock_flag(sk, SOCK_CORK);
	ssize_t copied = 0, n;
	u32 room;
	int err = tx_wait_connected(sk, deadline);

	while (!err) {
		if (tcp_send_closed(sk)) {
			err = -EPIPE;
			break;
		}
		if (!m->iter->count)
			return copied;
		room = tcp_wspace(sk);
		n = room ? tx_some(tp, m, min((size_t)room, m->iter->count), more) : 0;
		if (n < 0)
			err = (int)n;
		else if (n)
			copied += n;
		else
			err = tx_wait_space(sk, deadline);
	}
	return copied ? copied : tx_error(sk, err, m->flags);
}
