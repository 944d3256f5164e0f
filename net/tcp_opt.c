/*
 * TCP sockets: options, ioctl and /proc/net/tcp.
 *
 * An option lives in the socket, where it can be set before there is a pcb and be inherited by
 * accepted connections; tcp_apply() carries all of them to the pcb.
 *
 * LOCKING: net/sock.c. The table of /proc/net/tcp is copied out a few slots at a time
 * (inet_show_table()), so that net_lock is never held for long.
 */

#include "kernel/lib/seq.h"
#include "kernel/lib/string.h"
#include "kernel/mm/uaccess.h"
#include "net/tcp.h"

#define CONGESTION_NAME "reno" /* RFC 5681, which lwIP implements */
#define CONGESTION_MAX  16

u8 tcp_state_number(enum tcp_state s)
{
	static const u8 table[] = {
		[CLOSED] = TCP_CLOSE,
		[LISTEN] = TCP_LISTEN,
		[SYN_SENT] = TCP_SYN_SENT,
		[SYN_RCVD] = TCP_SYN_RECV,
		[ESTABLISHED] = TCP_ESTABLISHED,
		[FIN_WAIT_1] = TCP_FIN_WAIT1,
		[FIN_WAIT_2] = TCP_FIN_WAIT2,
		[CLOSE_WAIT] = TCP_CLOSE_WAIT,
		[CLOSING] = TCP_CLOSING,
		[LAST_ACK] = TCP_LAST_ACK,
		[TIME_WAIT] = TCP_TIME_WAIT,
	};

	return table[s];
}

/* ---- options ---- */

void tcp_apply_locked(struct tcp_sock *tp)
{
	struct sock *sk = &tp->inet.sk;
	struct tcp_pcb *pcb = tp->pcb;
	/* lwIP announces more window only in steps of a segment. */
	u32 want = max((u32)READ_ONCE(sk->rcvbuf) / 2, 4u * TCP_MSS);

	/* The part that a listening pcb has too. */
	ip_reset_option(pcb, SOF_REUSEADDR | SOF_KEEPALIVE);
	/* Who shares the port shares it with old connections too. */
	if (sock_flag(sk, SOCK_REUSEADDR | SOCK_REUSEPORT))
		ip_set_option(pcb, SOF_REUSEADDR);
	/* A port is shared by those who said so before bind(). */
	if (!pcb->local_port)
		ip_reset_option(pcb, SOF_REUSEPORT);
	if (!pcb->local_port && sock_flag(sk, SOCK_REUSEPORT))
		ip_set_option(pcb, SOF_REUSEPORT);
	if (sock_flag(sk, SOCK_KEEPOPEN))
		ip_set_option(pcb, SOF_KEEPALIVE);
	pcb->ttl = tp->inet.ttl;
	pcb->tos = tp->inet.tos;
	if (pcb->state == LISTEN)
		return;
	/* A corked connection sends no small segment, whatever TCP_NODELAY says. */
	if (sock_flag(sk, SOCK_NODELAY) && !sock_flag(sk, SOCK_CORK))
		tcp_nagle_disable(pcb);
	else
		tcp_nagle_enable(pcb);
	pcb->keep_idle = tp->keepidle ? tp->keepidle * 1000u : TCP_KEEPIDLE_DEFAULT;
	pcb->keep_intvl = tp->keepintvl ? tp->keepintvl * 1000u : TCP_KEEPINTVL_DEFAULT;
	pcb->keep_cnt = tp->keepcnt ? tp->keepcnt : TCP_KEEPCNT_DEFAULT;
	tcp_timing_changed(pcb);
	/* The window shrinks to SO_RCVBUF by credit that is not given back: never by taking back
	 * what was promised, RFC 9293 3.8.6. */
	if (!sock_flag(sk, SOCK_RCVBUF_LOCK) || want >= TCP_WND_MAX(pcb))
		WRITE_ONCE(tp->rx_hold, 0);
	else
		WRITE_ONCE(tp->rx_hold, TCP_WND_MAX(pcb) - want);
}

void tcp_apply(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);

	lock_net();
	if (tp->pcb)
		tcp_apply_locked(tp);
	unlock_net();
}

/* Uncorking, TCP_NODELAY and TCP_QUICKACK send what has been waiting. */
static void tcp_push_now(struct tcp_sock *tp, bool ack)
{
	lock_net();
	if (tp->pcb && tp->pcb->state != LISTEN && tp->pcb->state != CLOSED) {
		tcp_apply_locked(tp);
		if (ack && (tp->pcb->flags & TF_ACK_DELAY)) {
			tcp_clear_flags(tp->pcb, TF_ACK_DELAY);
			tcp_ack_now(tp->pcb);
		}
		tcp_output(tp->pcb);
	}
	unlock_net();
}

static int set_congestion(const void __user *val, int len)
{
	char name[CONGESTION_MAX];
	ssize_t n;

	if (len < 1)
		return -EINVAL;
	memset(name, 0, sizeof(name));
	n = min(len, CONGESTION_MAX - 1);
	if (copy_from_user(name, val, (size_t)n))
		return -EFAULT;
	return strcmp(name, CONGESTION_NAME) ? -ENOENT : 0;
}

/* Seconds or a count in 1..@most. */
static int check_range(int v, int most)
{
	return v < 1 || v > most ? -EINVAL : 0;
}

static int set_keepalive(struct sock *sk, int name, int v)
{
	struct tcp_sock *tp = tcp_sk(sk);
	int err = check_range(v, name == TCP_KEEPCNT ? 127 : 32767);

	if (err)
		return err;
	if (name == TCP_KEEPIDLE)
		WRITE_ONCE(tp->keepidle, (u16)v);
	else if (name == TCP_KEEPINTVL)
		WRITE_ONCE(tp->keepintvl, (u16)v);
	else
		WRITE_ONCE(tp->keepcnt, (u8)v);
	tcp_apply(sk);
	return 0;
}

int tcp_setsockopt(struct sock *sk, int level, int name, const void __user *val, int len)
{
	int v, err;

	if (level != SOL_TCP)
		return inet_setsockopt(sk, level, name, val, len);
	if (name == TCP_CONGESTION)
		return set_congestion(val, len);
	err = sockopt_get_int(&v, val, len);
	if (err)
		return err;
	switch (name) {
	case TCP_NODELAY:
		sock_assign(sk, SOCK_NODELAY, v);
		tcp_push_now(tcp_sk(sk), false);
		return 0;
	case TCP_CORK:
		sock_assign(sk, SOCK_CORK, v);
		tcp_push_now(tcp_sk(sk), false);
		return 0;
	case TCP_QUICKACK:
		if (v)
			tcp_push_now(tcp_sk(sk), true);
		return 0;
	case TCP_KEEPIDLE:
	case TCP_KEEPINTVL:
	case TCP_KEEPCNT:
		return set_keepalive(sk, name, v);
	default:
		return -ENOPROTOOPT;
	}
}

/* Counts the segments of a queue, up to what the column holds. */
static u32 count_segs(const struct tcp_seg *seg)
{
	u32 n = 0;

	for (; seg; seg = seg->next)
		n++;
	return n;
}

static void fill_info(struct tcp_sock *tp, struct tcp_info *info)
{
	struct tcp_pcb *pcb;

	memset(info, 0, sizeof(*info));
	lock_net();
	pcb = tp->pcb;
	info->tcpi_state = tp->inet.sk.state;
	if (info->tcpi_state == TCP_LISTEN) {
		/* Linux shows the accept queue and its limit here. */
		info->tcpi_unacked = tp->ack_backlog;
		info->tcpi_sacked = tp->max_ack_backlog;
	} else if (pcb) {
		info->tcpi_retransmits = pcb->nrtx;
		info->tcpi_probes = pcb->persist_probe;
		info->tcpi_backoff = pcb->persist_backoff;
		if (pcb->flags & TF_TIMESTAMP)
			info->tcpi_options |= TCPI_OPT_TIMESTAMPS;
		if (pcb->flags & TF_SACK)
			info->tcpi_options |= TCPI_OPT_SACK;
		if (pcb->flags & TF_WND_SCALE)
			info->tcpi_options |= TCPI_OPT_WSCALE;
		info->tcpi_wscale = (u8)((pcb->snd_scale & 0xf) | pcb->rcv_scale << 4);
		info->tcpi_rto = (u32)pcb->rto * TCP_SLOW_INTERVAL * 1000;
		info->tcpi_snd_mss = info->tcpi_advmss = info->tcpi_rcv_mss = pcb->mss;
		info->tcpi_unacked = count_segs(pcb->unacked);
		info->tcpi_rcv_ssthresh = info->tcpi_rcv_space = pcb->rcv_ann_wnd;
		/* sa is eight times the smoothed round trip, sv four times its variation. */
		info->tcpi_rtt = (u32)(pcb->sa >> 3) * TCP_SLOW_INTERVAL * 1000;
		info->tcpi_rttvar = (u32)(pcb->sv >> 2) * TCP_SLOW_INTERVAL * 1000;
		info->tcpi_snd_ssthresh = pcb->ssthresh / max(pcb->mss, (u16_t)1);
		info->tcpi_snd_cwnd = pcb->cwnd / max(pcb->mss, (u16_t)1);
	}
	unlock_net();
}

static int tcp_get_int(struct sock *sk, int name)
{
	struct tcp_sock *tp = tcp_sk(sk);

	switch (name) {
	case TCP_NODELAY:
		return sock_flag(sk, SOCK_NODELAY);
	case TCP_CORK:
		return sock_flag(sk, SOCK_CORK);
	case TCP_MAXSEG:
		return READ_ONCE(tp->mss);
	case TCP_QUICKACK:
		return 1;
	case TCP_KEEPIDLE:
		return tp->keepidle ? tp->keepidle : (int)(TCP_KEEPIDLE_DEFAULT / 1000);
	case TCP_KEEPINTVL:
		return tp->keepintvl ? tp->keepintvl : (int)(TCP_KEEPINTVL_DEFAULT / 1000);
	case TCP_KEEPCNT:
		return tp->keepcnt ? tp->keepcnt : (int)TCP_KEEPCNT_DEFAULT;
	default:
		return -ENOPROTOOPT;
	}
}

int tcp_getsockopt(struct sock *sk, int level, int name, void __user *val, int __user *len)
{
	static const char congestion[CONGESTION_MAX] = CONGESTION_NAME;
	struct tcp_info info;
	int v;

	if (level != SOL_TCP)
		return inet_getsockopt(sk, level, name, val, len);
	if (name == TCP_INFO) {
		fill_info(tcp_sk(sk), &info);
		return sockopt_put(&info, sizeof(info), val, len);
	}
	if (name == TCP_CONGESTION)
		return sockopt_put(congestion, sizeof(congestion), val, len);
	v = tcp_get_int(sk, name);
	return v < 0 ? v : sockopt_put(&v, sizeof(v), val, len);
}

/* ---- ioctl, tcp(7) ---- */

long tcp_ioctl(struct sock *sk, unsigned cmd, u64 arg)
{
	struct tcp_sock *tp = tcp_sk(sk);
	int v;

	switch (cmd) {
	case FIONREAD:
		v = (int)READ_ONCE(tp->rx_bytes);
		break;
	case SIOCOUTQ:
		v = (int)READ_ONCE(tp->wmem);
		break;
	default:
		return inet_ioctl(cmd, (void __user *)arg);
	}
	if (READ_ONCE(sk->state) == TCP_LISTEN)
		return -EINVAL;
	return put_user(v, (int __user *)arg);
}

/* ---- /proc/net/tcp ---- */

#define ROWS       32 /* copied in one hold of net_lock */
#define ROOM       16 /* left for the next slot; a longer chain is cut short */
#define SLOTS_STEP 256

static unsigned listen_rows(unsigned slot, struct inet_row *rows, unsigned max)
{
	struct tcp_pcb_listen *l;
	struct tcp_sock *tp;
	unsigned n = 0;

	for (l = tcp_listen_slot(slot); l && n < max; l = l->next) {
		tp = l->callback_arg;
		rows[n++] = (struct inet_row){
			.laddr = l->local_ip.addr,
			.lport = l->local_port,
			.state = TCP_LISTEN,
			.rx = tp ? tp->ack_backlog : 0,
			.ino = tp ? tp->inet.sk.ino : 0,
		};
	}
	return n;
}

static unsigned connection_rows(unsigned slot, struct inet_row *rows, unsigned max)
{
	struct tcp_pcb *pcb;
	struct tcp_sock *tp;
	unsigned n = 0;

	for (pcb = tcp_table_slot(slot); pcb && n < max; pcb = pcb->next) {
		/* During the handshake the argument is still the listener's. */
		tp = pcb->state == SYN_RCVD ? NULL : pcb->callback_arg;
		rows[n++] = (struct inet_row){
			.laddr = pcb->local_ip.addr,
			.raddr = pcb->remote_ip.addr,
			.lport = pcb->local_port,
			.rport = pcb->remote_port,
			.state = tcp_state_number(pcb->state),
			.tx = TCP_SND_BUF - min((u32)pcb->snd_buf, (u32)TCP_SND_BUF),
			.rx = tp ? tp->rx_bytes : 0,
			.retransmits = pcb->nrtx,
			.ino = tp ? tp->inet.sk.ino : 0,
		};
	}
	return n;
}

static void tcp_show(struct seq *s)
{
	unsigned nr;

	inet_show_head(s, false);
	nr = inet_show_table(s, 0, tcp_listen_slots(), listen_rows, false);
	inet_show_table(s, nr, tcp_table_slots(), connection_rows, false);
}

PROC_ENTRY(net_tcp, "net/tcp", tcp_show);
