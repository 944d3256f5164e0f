/*
 * Datagram sockets: what comes back instead of an answer. An ICMP message quotes the datagram that it
 * is about, so lwIP finds the socket that sent it (patches 0021 and 0023), and dgram_icmp_error()
 * hears of it.
 *
 *	connected, or IP_RECVERR    sk->sk_err, which the next call reports, and EPOLLERR
 *	IP_RECVERR                  also an entry on the error queue, which recvmsg(MSG_ERRQUEUE)
 *	                            reads; EPOLLERR stays until it is empty
 *
 * LOCKING: the error queue, like the receive queue, belongs to sk->lock.
 */

#include "net/dgram.h"
#include "net/net.h"

static u32 err_truesize(const struct inet_err *e)
{
	return (u32)sizeof(*e) + e->len;
}

/* Keeps an ICMP message for recvmsg(MSG_ERRQUEUE), if there is room. net_lock held. */
static void queue_err(struct dgram_sock *dg, const struct udp_icmp *icmp, int err)
{
	u16 len = (u16)(icmp->p->tot_len - icmp->data);
	struct inet_err *e = kmalloc(sizeof(*e) + len, GFP_ATOMIC);
	bool queued;

	if (!e)
		return;
	*e = (struct inet_err){
		.ee = {.ee_errno = (u32)err,
		       .ee_origin = SO_EE_ORIGIN_ICMP,
		       .ee_type = icmp->type,
		       .ee_code = icmp->code,
		       .ee_info = icmp->info},
		.info = dgram_packet_info(&dg->inet.sk),
		.offender = ip4_current_src_addr()->addr,
		.daddr = icmp->remote_ip.addr,
		.dport = icmp->remote_port,
		.len = len,
	};
	pbuf_copy_partial(icmp->p, e->data, len, icmp->data);
	spin_lock_bh(&dg->inet.sk.lock);
	queued = dgram_charge(dg, err_truesize(e));
	if (queued)
		list_add_tail(&e->link, &dg->errors);
	spin_unlock_bh(&dg->inet.sk.lock);
	if (!queued)
		kfree(e);
}

void dgram_icmp_error(struct dgram_sock *dg, const struct udp_icmp *icmp)
{
	struct sock *sk = &dg->inet.sk;
	bool fatal;
	int err = inet_icmp_errno(icmp->type, icmp->code, &fatal);

	if (!err)
		return;
	if (dg->inet.ipflags & INET_RECVERR)
		queue_err(dg, icmp, err);
	else if (sk->state != TCP_ESTABLISHED || !fatal)
		return;
	WRITE_ONCE(sk->sk_err, err);
	sk->sk_error_report(sk);
}

/* Takes the oldest error; the pending one of the socket becomes that of the next. Or NULL. */
static struct inet_err *take_err(struct sock *sk)
{
	struct dgram_sock *dg = dgram_sk(sk);
	struct inet_err *e, *next;

	spin_lock_bh(&sk->lock);
	e = list_first_entry_or_null(&dg->errors, struct inet_err, link);
	if (e) {
		list_del(&e->link);
		dg->rx_truesize -= err_truesize(e);
		next = list_first_entry_or_null(&dg->errors, struct inet_err, link);
		WRITE_ONCE(sk->sk_err, next ? (int)next->ee.ee_errno : 0);
	}
	spin_unlock_bh(&sk->lock);
	return e;
}

ssize_t dgram_recv_err(struct sock *sk, struct msghdr *m)
{
	struct inet_err *e = take_err(sk);
	ssize_t ret;

	if (!e)
		return -EAGAIN;
	ret = inet_recv_err(sk, m, e);
	kfree(e);
	return ret;
}

void dgram_purge_errors(struct sock *sk)
{
	struct inet_err *e;

	while ((e = take_err(sk)))
		kfree(e);
}
