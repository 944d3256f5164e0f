/*
 * TCP sockets: urgent data, tcp(7). A sender may point at one byte of its stream; the receiver is told
 * at once (SIGURG), gets that byte out of turn (EPOLLPRI, recv with MSG_OOB), and reading stops in
 * front of the place where it was: at the mark (SIOCATMARK). The byte is the one before that which the
 * header's pointer names, as Linux and everybody else has it.
 *
 * lwIP does not know of it. The pointer passes by in two hooks of net/lwip/hooks.h, and the rest is
 * the socket's.
 *
 * Receiving. tp->urg says what is known of the mark, as in Linux:
 *
 *	0                     there is none, or reading has passed it
 *	TCP_URG_NOTYET        announced: SIGURG was sent, the byte is still on its way
 *	TCP_URG_VALID | byte  here: EPOLLPRI
 *	TCP_URG_READ          recv(MSG_OOB) has taken it
 *
 * and urg_ahead where it is: that many bytes of the receive queue, or of what will come, are before
 * it. So nothing here knows sequence numbers but the moment of the announcement. The byte stays in
 * the queue; a reader at the mark leaves it out, unless SO_OOBINLINE is set. A later announcement
 * moves the mark. What was urgent before is then an ordinary byte, but not if reading had come to
 * the mark already: such bytes are first in the queue, urg_skip of them, and the next reader drops
 * them.
 *
 * Sending. The pointer is put into the headers of the segments that wait to be sent, where it stays
 * through retransmissions and close(); it counts from the segment's own number, so it stays true
 * when lwIP adds to a segment or cuts it. What else is sent meanwhile, an ACK or the probe of a closed
 * window, repeats the pointer of the first segment in the queue. There is no state.
 *
 * A connection without urgent data pays for a test here and there, and nothing in memory.
 *
 * LOCKING: tp->urg and the two numbers beside it belong to sk->lock; urg is read without it to see
 * that it is 0, and by poll(). urg_skip shrinks only under lock_sock(). The hooks run under net_lock.
 */

#include "kernel/sched/signal.h"
#include "net/lwip/hooks.h"
#include "net/tcp.h"

/* Is the first byte that a reader would get the urgent one? sk->lock held. */
static bool at_mark(const struct tcp_sock *tp)
{
	return tp->urg && tp->urg_ahead == tp->urg_skip;
}

/* How many bytes at the head of the queue are not for readers. sk->lock held, tp->urg not 0. */
static u32 hidden(const struct tcp_sock *tp)
{
	bool hole = at_mark(tp) && tp->rx_bytes > tp->urg_skip &&
		    !sock_flag(&tp->inet.sk, SOCK_URGINLINE);

	return tp->urg_skip + hole;
}

/* ---- what comes in; net_lock held ---- */

/* [N] The segment with which a handshake ends comes by before there is a socket for it. */
static const struct tcp_hdr *first_hdr;
static u32 first_len;

/* The mark is @ahead bytes behind what has been received. True if that is news. */
static bool move_mark(struct tcp_sock *tp, u32 ahead)
{
	bool news;

	spin_lock_bh(&tp->inet.sk.lock);
	ahead += tp->rx_bytes;
	news = !tp->urg || ahead > tp->urg_ahead;
	if (news) {
		tp->urg_skip = tp->urg ? hidden(tp) : 0;
		tp->urg_ahead = ahead;
		WRITE_ONCE(tp->urg, TCP_URG_NOTYET);
	}
	spin_unlock_bh(&tp->inet.sk.lock);
	return news;
}

/*
 * A header with the URG bit and @len bytes behind it. The pointer is a stranger's: it counts if the
 * segment is one that lwIP may take bytes of, and if it points to what has not been received.
 */
static void check_urg(struct tcp_sock *tp, const struct tcp_hdr *hdr, u32 len)
{
	const struct tcp_pcb *pcb = tp->pcb;
	u32 ptr = lwip_ntohs(hdr->urgp);
	s32 ahead;

	if ((TCPH_FLAGS(hdr) & (TCP_URG | TCP_ACK | TCP_SYN | TCP_RST)) != (TCP_URG | TCP_ACK))
		return;
	if (TCP_SEQ_LT(hdr->seqno + len, pcb->rcv_nxt) ||
	    TCP_SEQ_GT(hdr->seqno, pcb->rcv_nxt + pcb->rcv_wnd))
		return;
	if (ptr)
		ptr--;
	ahead = (s32)(hdr->seqno + ptr - pcb->rcv_nxt);
	/* Behind a FIN nothing can come. */
	if (ahead < 0 || sock_flag(&tp->inet.sk, SOCK_DONE))
		return;
	if (move_mark(tp, (u32)ahead))
		sk_send_sigurg(&tp->inet.sk);
}

void net_tcp_urgent(struct tcp_pcb *pcb, const struct tcp_hdr *hdr, u32 len)
{
	if (pcb->state == SYN_RCVD) {
		first_hdr = hdr;
		first_len = len;
	} else if (pcb->state >= ESTABLISHED && pcb->callback_arg) {
		check_urg(pcb->callback_arg, hdr, len);
	}
}

void tcp_urg_accepted(struct tcp_sock *tp)
{
	check_urg(tp, first_hdr, first_len);
}

bool tcp_urg_arrives(struct tcp_sock *tp, const struct pbuf *p)
{
	u32 at = tp->urg_ahead - tp->rx_bytes;

	if (tp->urg != TCP_URG_NOTYET || at >= p->tot_len)
		return false;
	WRITE_ONCE(tp->urg, (u16)(TCP_URG_VALID | pbuf_get_at(p, (u16)at)));
	return true;
}

/* ---- reading ---- */

void tcp_urg_passed(struct tcp_sock *tp, u32 n)
{
	if (n > tp->urg_ahead) {
		WRITE_ONCE(tp->urg, 0);
		return;
	}
	tp->urg_ahead -= n;
	tp->urg_skip -= min(tp->urg_skip, n);
}

void tcp_urg_forget(struct tcp_sock *tp)
{
	spin_lock_bh(&tp->inet.sk.lock);
	WRITE_ONCE(tp->urg, 0);
	spin_unlock_bh(&tp->inet.sk.lock);
}

bool tcp_urg_stops(struct tcp_sock *tp, unsigned flags, size_t copied, size_t *from, size_t *end)
{
	bool peek = flags & MSG_PEEK, mark, stop;
	u32 skip;

	spin_lock_bh(&tp->inet.sk.lock);
	mark = at_mark(tp);
	skip = tp->urg ? hidden(tp) : 0;
	if (!copied) /* a handler of SIGURG goes first */
		stop = mark && signal_pending(current);
	else
		stop = peek ? tp->urg && skip + copied == tp->urg_ahead : mark;
	*end = tp->urg && !mark ? min(tp->rx_bytes, tp->urg_ahead) : tp->rx_bytes;
	spin_unlock_bh(&tp->inet.sk.lock);
	*from = peek ? skip + copied : 0;
	if (!stop && !peek && skip) {
		tcp_rx_eat(tp, skip);
		*end -= skip;
	}
	return stop;
}

u32 tcp_urg_readable(struct tcp_sock *tp)
{
	u32 n;

	spin_lock_bh(&tp->inet.sk.lock);
	n = tp->rx_bytes - (tp->urg ? hidden(tp) : 0);
	spin_unlock_bh(&tp->inet.sk.lock);
	return n;
}

u32 tcp_urg_inq(struct tcp_sock *tp)
{
	u32 n;

	spin_lock_bh(&tp->inet.sk.lock);
	n = tp->rx_bytes;
	if (tp->urg && tp->urg_ahead < n && !sock_flag(&tp->inet.sk, SOCK_URGINLINE))
		n = tp->urg_ahead;
	if (tp->urg)
		n -= tp->urg_skip;
	spin_unlock_bh(&tp->inet.sk.lock);
	return n;
}

bool tcp_urg_at_mark(struct tcp_sock *tp)
{
	bool ret;

	spin_lock_bh(&tp->inet.sk.lock);
	ret = at_mark(tp);
	spin_unlock_bh(&tp->inet.sk.lock);
	return ret;
}

/* What recv(MSG_OOB) finds: the word of the mark, or -errno. */
static int take_urg(struct sock *sk, bool peek)
{
	struct tcp_sock *tp = tcp_sk(sk);
	int urg;

	spin_lock_bh(&sk->lock);
	urg = tp->urg;
	if (!urg || urg == TCP_URG_READ || sock_flag(sk, SOCK_URGINLINE))
		urg = -EINVAL;
	else if (READ_ONCE(sk->state) == TCP_CLOSE && !sock_flag(sk, SOCK_DONE))
		urg = -ENOTCONN;
	else if ((urg & TCP_URG_VALID) && !peek)
		WRITE_ONCE(tp->urg, TCP_URG_READ);
	spin_unlock_bh(&sk->lock);
	return urg;
}

ssize_t tcp_recv_urg(struct sock *sk, struct msghdr *m)
{
	struct tcp_sock *tp = tcp_sk(sk);
	int urg = take_urg(sk, m->flags & MSG_PEEK);
	u8 c = (u8)urg;

	if (urg < 0)
		return urg;
	/* Who reads nothing else must not run out of window. */
	if (READ_ONCE(tp->urg_skip))
		tcp_rx_eat(tp, tp->urg_skip);
	if (!(urg & TCP_URG_VALID))
		return READ_ONCE(sk->state) == TCP_CLOSE || (READ_ONCE(sk->shutdown) & RCV_SHUTDOWN)
			       ? 0
			       : -EAGAIN;
	m->out_flags |= MSG_OOB;
	if (!m->iter->count) {
		m->out_flags |= MSG_TRUNC;
		return 0;
	}
	if (!(m->flags & MSG_TRUNC) && !copy_to_iter(&c, 1, m->iter))
		return -EFAULT;
	return 1;
}

/* ---- sending; net_lock held ---- */

/*
 * Segments that are further away than a pointer can reach say nothing: the peer will hear of it from
 * those behind.
 */
void tcp_urg_mark(struct tcp_pcb *pcb)
{
	struct tcp_seg *seg;
	u32 ptr;

	for (seg = pcb->unsent; seg; seg = seg->next) {
		ptr = pcb->snd_lbb - lwip_ntohl(seg->tcphdr->seqno);
		if (ptr > 0xffff)
			continue;
		TCPH_SET_FLAG(seg->tcphdr, TCP_URG);
		seg->tcphdr->urgp = lwip_htons((u16)ptr);
	}
	tcp_urg_push(pcb);
}

void tcp_urg_push(struct tcp_pcb *pcb)
{
	/* For one tcp_output(), Nagle does not count. */
	tcp_set_flags(pcb, TF_NAGLEMEMERR);
}

void net_tcp_announce(const struct tcp_pcb *pcb, struct tcp_hdr *hdr)
{
	const struct tcp_hdr *urgent = pcb->unsent->tcphdr;
	u32 ptr = lwip_ntohl(urgent->seqno) + lwip_ntohs(urgent->urgp) - lwip_ntohl(hdr->seqno);

	if (!ptr || ptr > 0xffff)
		return;
	TCPH_SET_FLAG(hdr, TCP_URG);
	hdr->urgp = lwip_htons((u16)ptr);
}
