/*
 * TCP sockets: options, ioctl and /proc/net/tcp.
 *
 * An option lives in the socket, where it can be set before there is a pcb and be inherited by
 * accepted connections; tcp_apply() carries all of them to the pcb.
 *
 * LOCKING: net/sock.c. The table of /proc/net/tcp is copied out a few slots at a time
 * (inet_for_rows()), so that net_lock is never held for long.
 */

#include "kernel/lib/string.h"
#include "kernel/lib/sysctl.h"
#include "kernel/mm/uaccess.h"
#include "net/tcp.h"

#define CONGESTION_NAME "reno" /* RFC 5681, which lwIP implements */
#define CONGESTION_MAX  16
#define LEAST_USER_MSS  88 /* what TCP_MAXSEG takes, bytes */
#define MOST_USER_MSS   32767
#define DEFAULT_MSS     536 /* RFC 9293 3.7.1 */
#define FIRST_RTO       1   /* seconds */
#define LAST_RTO        120

/* [a] What a socket has whose own option is 0; the first three in seconds and tries. */
static int keepalive_time = TCP_KEEPIDLE_DEFAULT / 1000;
static int keepalive_intvl = TCP_KEEPINTVL_DEFAULT / 1000;
static int keepalive_probes = TCP_KEEPCNT_DEFAULT;
static int syn_retries = TCP_SYNMAXRTX;
static const int no_limit;
SYSCTL(keepalive_time, "sys/net/ipv4/tcp_keepalive_time", keepalive_time, 1, 32767);
SYSCTL(keepalive_intvl, "sys/net/ipv4/tcp_keepalive_intvl", keepalive_intvl, 1, 32767);
SYSCTL(keepalive_probes, "sys/net/ipv4/tcp_keepalive_probes", keepalive_probes, 1, 127);
SYSCTL(syn_retries, "sys/net/ipv4/tcp_syn_retries", syn_retries, 1, 127);
SYSCTL_FIXED(fin_timeout, "sys/net/ipv4/tcp_fin_timeout", TCP_FIN_WAIT_TIMEOUT / 1000);
SYSCTL_FIXED(retries2, "sys/net/ipv4/tcp_retries2", TCP_MAXRTX);
SYSCTL_FIXED(syncookies, "sys/net/ipv4/tcp_syncookies", 0);
SYSCTL_FIXED(fastopen, "sys/net/ipv4/tcp_fastopen", 0);
SYSCTL_FIXED(timestamps, "sys/net/ipv4/tcp_timestamps", LWIP_TCP_TIMESTAMPS);
SYSCTL_FIXED(window_scaling, "sys/net/ipv4/tcp_window_scaling", LWIP_WND_SCALE);

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

/* The most that the peer may send beyond what has been read: half of SO_RCVBUF is for bookkeeping. */
static u32 window_of(const struct sock *sk)
{
	if (!sock_flag(sk, SOCK_RCVBUF_LOCK))
		return TCP_WND;
	/* lwIP announces more window only in steps of a segment. */
	return clamp((u32)READ_ONCE(sk->rcvbuf) / 2, 4u * TCP_MSS, (u32)TCP_WND);
}

void tcp_apply_locked(struct tcp_sock *tp)
{
	struct sock *sk = &tp->inet.sk;
	struct tcp_pcb *pcb = tp->pcb;

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
	pcb->netif_idx = READ_ONCE(sk->bound_dev);
	if (pcb->state == LISTEN)
		return;
	/* A corked connection sends no small segment, whatever TCP_NODELAY says. */
	if (sock_flag(sk, SOCK_NODELAY) && !sock_flag(sk, SOCK_CORK))
		tcp_nagle_disable(pcb);
	else
		tcp_nagle_enable(pcb);
	pcb->keep_idle = (tp->keepidle ?: (u32)READ_ONCE(keepalive_time)) * 1000u;
	pcb->keep_intvl = (tp->keepintvl ?: (u32)READ_ONCE(keepalive_intvl)) * 1000u;
	pcb->keep_cnt = tp->keepcnt ?: (u32)READ_ONCE(keepalive_probes);
	tcp_timing_changed(pcb);
	/* The window shrinks to SO_RCVBUF by credit that is not given back: never by taking back
	 * what was promised, RFC 9293 3.8.6. */
	WRITE_ONCE(tp->rx_hold, TCP_WND_MAX(pcb) - min(window_of(sk), (u32)TCP_WND_MAX(pcb)));
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

/* Options that are a number of the socket; where it is 0, *@unset counts. */
static const struct tcp_number {
	int name;
	u16 at; /* where in struct tcp_sock, and its size */
	u16 size;
	int least, most;
	const int *unset;
} tcp_numbers[] = {
#define NUMBER(field) offsetof(struct tcp_sock, field), sizeof(((struct tcp_sock *)0)->field)
	{TCP_KEEPIDLE, NUMBER(keepidle), 1, 32767, &keepalive_time},
	{TCP_KEEPINTVL, NUMBER(keepintvl), 1, 32767, &keepalive_intvl},
	{TCP_KEEPCNT, NUMBER(keepcnt), 1, 127, &keepalive_probes},
	{TCP_SYNCNT, NUMBER(syn_retries), 1, 127, &syn_retries},
	{TCP_USER_TIMEOUT, NUMBER(user_timeout), 0, INT32_MAX, &no_limit},
	{TCP_FASTOPEN, NUMBER(fastopen), 0, INT32_MAX, &no_limit},
#undef NUMBER
};

static const struct tcp_number *find_number(int name)
{
	for (size_t i = 0; i < ARRAY_SIZE(tcp_numbers); i++)
		if (tcp_numbers[i].name == name)
			return &tcp_numbers[i];
	return NULL;
}

static int set_number(struct tcp_sock *tp, const struct tcp_number *n, int v)
{
	void *to = (u8 *)tp + n->at;

	if (v < n->least || v > n->most)
		return -EINVAL;
	if (n->size == 1)
		WRITE_ONCE(*(u8 *)to, (u8)v);
	else if (n->size == 2)
		WRITE_ONCE(*(u16 *)to, (u16)v);
	else
		WRITE_ONCE(*(u32 *)to, (u32)v);
	tcp_apply(&tp->inet.sk);
	return 0;
}

static int get_number(const struct tcp_sock *tp, const struct tcp_number *n)
{
	const void *from = (const u8 *)tp + n->at;
	u32 v;

	if (n->size == 1)
		v = READ_ONCE(*(const u8 *)from);
	else if (n->size == 2)
		v = READ_ONCE(*(const u16 *)from);
	else
		v = READ_ONCE(*(const u32 *)from);
	return (int)(v ?: (u32)READ_ONCE(*n->unset));
}

static int set_maxseg(struct tcp_sock *tp, int v)
{
	if (v && (v < LEAST_USER_MSS || v > MOST_USER_MSS))
		return -EINVAL;
	WRITE_ONCE(tp->user_mss, (u16)v);
	return 0;
}

static int get_maxseg(const struct tcp_sock *tp)
{
	u8 state = READ_ONCE(tp->inet.sk.state);

	if (tp->user_mss && (state == TCP_CLOSE || state == TCP_LISTEN))
		return tp->user_mss;
	return READ_ONCE(tp->mss) ?: DEFAULT_MSS;
}

/* Accepted on what may listen, without effect: no data is taken from a SYN. */
static int set_fastopen(struct tcp_sock *tp, int v)
{
	u8 state = READ_ONCE(tp->inet.sk.state);

	if (state != TCP_CLOSE && state != TCP_LISTEN)
		return -EINVAL;
	return set_number(tp, find_number(TCP_FASTOPEN), min(v, SOMAXCONN));
}

/*
 * TCP_DEFER_ACCEPT is given in seconds and kept in SYN-ACKs, which are sent 0, 1, 3, 7, ... seconds
 * after the SYN: as many as it takes to wait so long.
 */
static u8 defer_tries(int seconds)
{
	int rto = FIRST_RTO, end = FIRST_RTO;
	u8 tries = 1;

	if (seconds <= 0)
		return 0;
	for (; seconds > end && tries < 255; tries++) {
		rto = min(rto * 2, LAST_RTO);
		end += rto;
	}
	return tries;
}

static int defer_seconds(u8 tries)
{
	int rto = FIRST_RTO, end = 0;

	for (; tries; tries--) {
		end += rto;
		rto = min(rto * 2, LAST_RTO);
	}
	return end;
}

/* ---- what lwIP asks, net/lwip/hooks.h ---- */

/* The peer has acknowledged nothing, or kept its window shut, for longer than TCP_USER_TIMEOUT. */
bool net_tcp_gives_up(struct tcp_pcb *pcb)
{
	struct tcp_sock *tp = pcb->state == SYN_RCVD ? NULL : pcb->callback_arg;
	u32 limit = tp ? DIV_ROUND_UP(READ_ONCE(tp->user_timeout), TCP_SLOW_INTERVAL) : 0;

	if (!limit)
		return false;
	if (pcb->keep_cnt_sent && tcp_ticks - pcb->tmr >= limit)
		return true;
	if (!pcb->nrtx && !pcb->persist_backoff) {
		tp->stalled = 0;
		return false;
	}
	if (!tp->stalled)
		tp->stalled = tcp_ticks ?: 1;
	return tcp_ticks - tp->stalled >= limit;
}

u8 net_tcp_syn_retries(const struct tcp_pcb *pcb)
{
	const struct tcp_sock *tp = pcb->callback_arg;

	return (u8)((tp ? tp->syn_retries : 0) ?: READ_ONCE(syn_retries));
}

u16 net_tcp_mss(const struct tcp_pcb *pcb)
{
	/* During a handshake that came in, this is the listener. */
	const struct tcp_sock *tp = pcb->callback_arg;

	return tp && tp->user_mss ? min(tp->user_mss, (u16)TCP_MSS) : TCP_MSS;
}

u32 net_tcp_first_window(const struct tcp_pcb *pcb)
{
	const struct tcp_sock *tp = pcb->callback_arg;

	return tp ? window_of(&tp->inet.sk) : TCP_WND;
}

bool net_tcp_defers(const struct tcp_pcb *pcb)
{
	const struct tcp_pcb_listen *l = pcb->listener;
	const struct tcp_sock *tp = l && l->state == LISTEN ? l->callback_arg : NULL;

	return tp && pcb->nrtx < READ_ONCE(tp->defer_accept);
}

/* ---- getsockopt and setsockopt ---- */

int tcp_setsockopt(struct sock *sk, int level, int name, const void __user *val, int len)
{
	const struct tcp_number *number = find_number(name);
	struct tcp_sock *tp = tcp_sk(sk);
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
		tcp_push_now(tp, false);
		return 0;
	case TCP_CORK:
		sock_assign(sk, SOCK_CORK, v);
		tcp_push_now(tp, false);
		return 0;
	case TCP_QUICKACK:
		if (v)
			tcp_push_now(tp, true);
		return 0;
	case TCP_MAXSEG:
		return set_maxseg(tp, v);
	case TCP_FASTOPEN:
		return set_fastopen(tp, v);
	case TCP_DEFER_ACCEPT:
		WRITE_ONCE(tp->defer_accept, defer_tries(v));
		return 0;
	default:
		return number ? set_number(tp, number, v) : -ENOPROTOOPT;
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

static u32 count_bytes(const struct tcp_seg *seg)
{
	u32 n = 0;

	for (; seg; seg = seg->next)
		n += seg->len;
	return n;
}

/* Times are as coarse as lwIP's clock, TCP_SLOW_INTERVAL. net_lock held. */
static void fill_pcb_info(const struct tcp_pcb *pcb, struct tcp_info *info)
{
	const struct netif *netif = ip_route(&pcb->local_ip, &pcb->remote_ip);
	u16 mss = max(pcb->mss, (u16_t)1);

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
	info->tcpi_last_data_recv = info->tcpi_last_ack_recv =
		(tcp_ticks - pcb->tmr) * TCP_SLOW_INTERVAL;
	info->tcpi_pmtu = netif ? netif->mtu : 0;
	info->tcpi_rcv_ssthresh = info->tcpi_rcv_space = pcb->rcv_ann_wnd;
	/* sa is eight times the smoothed round trip, sv four times its variation. */
	info->tcpi_rtt = (u32)(pcb->sa >> 3) * TCP_SLOW_INTERVAL * 1000;
	info->tcpi_rttvar = (u32)(pcb->sv >> 2) * TCP_SLOW_INTERVAL * 1000;
	info->tcpi_snd_ssthresh = pcb->ssthresh / mss;
	info->tcpi_snd_cwnd = pcb->cwnd / mss;
	info->tcpi_snd_wnd = pcb->snd_wnd;
	info->tcpi_notsent_bytes = count_bytes(pcb->unsent);
}

static void fill_info(struct tcp_sock *tp, struct tcp_info *info)
{
	memset(info, 0, sizeof(*info));
	lock_net();
	info->tcpi_state = tp->inet.sk.state;
	info->tcpi_bytes_acked = tp->bytes_acked;
	info->tcpi_bytes_received = tp->bytes_received;
	if (info->tcpi_state == TCP_LISTEN) {
		/* Linux shows the accept queue and its limit here. */
		info->tcpi_unacked = tp->ack_backlog;
		info->tcpi_sacked = tp->max_ack_backlog;
	} else if (tp->pcb) {
		fill_pcb_info(tp->pcb, info);
	}
	unlock_net();
}

static int tcp_get_int(struct sock *sk, int name)
{
	const struct tcp_number *number = find_number(name);
	struct tcp_sock *tp = tcp_sk(sk);

	switch (name) {
	case TCP_NODELAY:
		return sock_flag(sk, SOCK_NODELAY);
	case TCP_CORK:
		return sock_flag(sk, SOCK_CORK);
	case TCP_MAXSEG:
		return get_maxseg(tp);
	case TCP_QUICKACK:
		return 1;
	case TCP_DEFER_ACCEPT:
		return defer_seconds(READ_ONCE(tp->defer_accept));
	default:
		return number ? get_number(tp, number) : -ENOPROTOOPT;
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
		v = (int)(READ_ONCE(tp->urg) ? tcp_urg_inq(tp) : READ_ONCE(tp->rx_bytes));
		break;
	case SIOCOUTQ:
		v = (int)READ_ONCE(tp->wmem);
		break;
	case SIOCATMARK:
		return put_user((int)tcp_urg_at_mark(tp), (int __user *)arg);
	default:
		return -ENOTTY;
	}
	if (READ_ONCE(sk->state) == TCP_LISTEN)
		return -EINVAL;
	return put_user(v, (int __user *)arg);
}

/* ---- /proc/net/tcp ---- */

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
			.uid = tp ? tp->inet.sk.uid : 0,
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
			.uid = tp ? tp->inet.sk.uid : 0,
			.ino = tp ? tp->inet.sk.ino : 0,
		};
	}
	return n;
}

void tcp_for_rows(inet_row_fn fn, void *arg)
{
	inet_for_rows(tcp_listen_slots(), listen_rows, fn, arg);
	inet_for_rows(tcp_table_slots(), connection_rows, fn, arg);
}
