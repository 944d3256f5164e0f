/*
 * AF_NETLINK sockets: programs ask the kernel by messages, and hear from it. netlink(7). There is
 * one protocol, NETLINK_ROUTE (rtnetlink.c), and nobody to talk to but the kernel.
 *
 *	sendmsg()	a buffer of requests, {header, body, attributes}. Each is answered at once, in
 *			the sender's context: its answers, and an NLMSG_ERROR message if it failed or
 *			wants to be acknowledged, are in the queue when sendmsg() returns
 *	groups		who joined one (bind(2), NETLINK_ADD_MEMBERSHIP) hears of changes
 *	recvmsg()	one datagram of the queue, with one or several messages
 *
 * The memory that the queue pins is limited by SO_RCVBUF: as on Linux a datagram is taken while no
 * more than that is in use. One that finds it full is lost, the reader is told ENOBUFS, and
 * until it has emptied the queue all that follow are lost, too.
 *
 * A port is the socket's name: the process's number if that is free, else a large one.
 *
 * LOCKING
 *
 * nl_lock    [L] the list of all sockets, ports and groups. Taken with bottom halves off, under net_lock
 *            by announcements from softirqs.
 * sk->lock   [q] a socket's queue. Alone, or under nl_lock.
 * lock_sock  a reader, while it copies; only its holder takes datagrams off the queue.
 *
 * Order: net_lock -> nl_lock -> sk->lock, and nl_lock -> sk->wq.
 */

#include "kernel/exec/cred.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/uaccess.h"
#include "kernel/mm/vmalloc.h"
#include "kernel/sched/signal.h"
#include "net/netlink.h"
#include "net/scm.h"

#define OVERHEAD   32   /* the part of SO_SNDBUF that no message can use */
#define FIRST_PORT 4097 /* below 0: ports that are no process's */

struct nl_sock {
	struct sock sk;
	struct list_head link; /* [L] */
	struct list_head rx;   /* [q] struct nl_skb, oldest first */
	u32 rx_truesize;       /* [q] memory that they pin */
	bool congested;        /* [q] a datagram was lost, and the queue has not been empty since */
	u32 options;           /* [a] bit NETLINK_*; written under [L] */
	u32 portid;            /* [a] 0: not bound; written under [L] */
	u64 groups;            /* [L] bit n: group n + 1 */
};

static struct kmem_cache *nl_cache; /* [I] */
static DEFINE_SPINLOCK(nl_lock);
static LIST_HEAD(nl_socks); /* [L] */

static struct nl_sock *nl_sk(struct sock *sk)
{
	return (struct nl_sock *)sk;
}

static bool option(struct nl_sock *nl, int name)
{
	return READ_ONCE(nl->options) & BIT(name);
}

/* ---- the queue ---- */

static struct nl_skb *nl_skb_alloc(u32 size, gfp_t gfp)
{
	struct nl_skb *skb = gfp == GFP_ATOMIC ? kmalloc(sizeof(*skb) + size, gfp)
					       : kvmalloc(sizeof(*skb) + size, gfp);

	if (skb) {
		skb->len = 0;
		skb->size = size;
		skb->group = 0;
	}
	return skb;
}

static u32 truesize(const struct nl_skb *skb)
{
	return (u32)sizeof(*skb) + skb->size;
}

/* Queues @skb, which may be NULL for one that found no memory, or loses it. */
static void nl_queue(struct sock *sk, struct nl_skb *skb)
{
	struct nl_sock *nl = nl_sk(sk);
	bool queued, tell;

	spin_lock_bh(&sk->lock);
	queued = skb && !nl->congested && nl->rx_truesize <= (u32)READ_ONCE(sk->rcvbuf);
	tell = !queued && !nl->congested && !option(nl, NETLINK_NO_ENOBUFS);
	if (queued) {
		list_add_tail(&skb->link, &nl->rx);
		nl->rx_truesize += truesize(skb);
	}
	if (tell && !list_empty(&nl->rx))
		nl->congested = true;
	spin_unlock_bh(&sk->lock);
	if (queued)
		sk->sk_data_ready(sk);
	else
		kvfree(skb);
	if (tell) {
		WRITE_ONCE(sk->sk_err, ENOBUFS);
		sk->sk_error_report(sk);
	}
}

/* lock_sock() held. */
static void nl_dequeue(struct nl_sock *nl, struct nl_skb *skb)
{
	spin_lock_bh(&nl->sk.lock);
	list_del(&skb->link);
	nl->rx_truesize -= truesize(skb);
	if (list_empty(&nl->rx))
		nl->congested = false;
	spin_unlock_bh(&nl->sk.lock);
	kvfree(skb);
}

/* ---- writing messages ---- */

void nl_reply(struct nl_writer *w, struct sock *sk, const struct nlmsghdr *request, bool multi)
{
	*w = (struct nl_writer){
		.sk = sk,
		.portid = READ_ONCE(nl_sk(sk)->portid),
		.seq = request->nlmsg_seq,
		.flags = multi ? NLM_F_MULTI : 0,
		.room = multi ? NL_GOODSIZE : NL_MAX_MESSAGE,
	};
}

void nl_announce(struct nl_writer *w)
{
	*w = (struct nl_writer){.room = NL_MAX_MESSAGE};
}

static void flush(struct nl_writer *w)
{
	if (w->skb)
		nl_queue(w->sk, w->skb);
	w->skb = NULL;
}

void *nl_begin(struct nl_writer *w, u16 type, size_t size)
{
	struct nl_skb *skb = w->skb;

	w->msg = NULL;
	if (skb && skb->size - skb->len < min(w->room, NL_MAX_MESSAGE)) {
		flush(w);
		skb = NULL;
	}
	if (!skb) {
		skb = nl_skb_alloc(w->room, w->sk ? GFP_KERNEL : GFP_ATOMIC);
		if (!skb) {
			if (w->sk)
				nl_queue(w->sk, NULL);
			return NULL;
		}
		w->skb = skb;
	}
	w->msg = (struct nlmsghdr *)(skb->data + skb->len / sizeof(u32));
	*w->msg = (struct nlmsghdr){
		.nlmsg_len = (u32)(NLMSG_HDRLEN + size),
		.nlmsg_type = type,
		.nlmsg_flags = w->flags,
		.nlmsg_seq = w->seq,
		.nlmsg_pid = w->portid,
	};
	skb->len += NLMSG_ALIGN((u32)(NLMSG_HDRLEN + size));
	memset(w->msg + 1, 0, NLMSG_ALIGN(size));
	return w->msg + 1;
}

void nl_put(struct nl_writer *w, u16 type, const void *data, size_t len)
{
	struct nlattr *a;

	if (!w->msg)
		return;
	if (w->skb->size - w->skb->len < NLA_HDRLEN + NLMSG_ALIGN(len))
		panic("nl_put: a message of more than %u bytes", NL_MAX_MESSAGE);
	a = (struct nlattr *)(w->skb->data + w->skb->len / sizeof(u32));
	*a = (struct nlattr){.nla_len = (u16)(NLA_HDRLEN + len), .nla_type = type};
	memset(a + 1, 0, NLMSG_ALIGN(len));
	memcpy(a + 1, data, len);
	w->skb->len += NLA_HDRLEN + NLMSG_ALIGN((u32)len);
	w->msg->nlmsg_len = (u32)((u8 *)(a + 1) + NLMSG_ALIGN(len) - (u8 *)w->msg);
}

void nl_done(struct nl_writer *w)
{
	if (w->flags & NLM_F_MULTI)
		nl_begin(w, NLMSG_DONE, sizeof(int));
	flush(w);
}

/* ---- requests ---- */

const void *nl_attr(const struct nlmsghdr *request, size_t head, u16 type, size_t *len)
{
	size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(head), end = request->nlmsg_len;
	const struct nlattr *a;

	while (at + NLA_HDRLEN <= end) {
		a = (const struct nlattr *)((const u8 *)request + at);
		if (a->nla_len < NLA_HDRLEN || a->nla_len > end - at)
			return NULL;
		if ((a->nla_type & NLA_TYPE_MASK) == type) {
			if (a->nla_len - NLA_HDRLEN < *len)
				return NULL;
			*len = a->nla_len - NLA_HDRLEN;
			return a + 1;
		}
		at += NLMSG_ALIGN((size_t)a->nla_len);
	}
	return NULL;
}

/* NLMSG_ERROR with the request; with @err 0, an acknowledgement, only its header. */
static void acknowledge(struct sock *sk, const struct nlmsghdr *request, int err)
{
	bool capped = !err || option(nl_sk(sk), NETLINK_CAP_ACK);
	u32 quoted = capped ? NLMSG_HDRLEN : request->nlmsg_len;
	struct nl_writer w;
	struct nlmsgerr *e;

	nl_reply(&w, sk, request, false);
	w.flags = capped ? NLM_F_CAPPED : 0;
	w.room = NLMSG_ALIGN((u32)(NLMSG_HDRLEN + sizeof(e->error) + quoted));
	e = nl_begin(&w, NLMSG_ERROR, sizeof(e->error) + quoted);
	if (!e)
		return;
	e->error = err;
	memcpy(&e->msg, request, quoted);
	nl_done(&w);
}

/* Answers each request of a buffer; what is behind a length that cannot be is not looked at. */
static void answer_all(struct sock *sk, const u8 *buf, size_t len)
{
	const struct nlmsghdr *request;
	int err;

	for (; len >= NLMSG_HDRLEN; cond_resched()) {
		request = (const struct nlmsghdr *)buf;
		if (request->nlmsg_len < NLMSG_HDRLEN || request->nlmsg_len > len)
			return;
		err = 0;
		if ((request->nlmsg_flags & NLM_F_REQUEST) && request->nlmsg_type >= NLMSG_MIN_TYPE)
			err = rtnetlink_rcv(sk, request);
		if (err < 0 || (!err && (request->nlmsg_flags & NLM_F_ACK)))
			acknowledge(sk, request, err);
		buf += NLMSG_ALIGN(request->nlmsg_len);
		len -= min(len, (size_t)NLMSG_ALIGN(request->nlmsg_len));
	}
}

/* ---- ports and groups ---- */

/* [L] */
static bool port_taken(u32 portid)
{
	struct nl_sock *nl;

	list_for_each_entry(nl, &nl_socks, link)
		if (nl->portid == portid)
			return true;
	return false;
}

/* [L] */
static u32 free_port(void)
{
	static u32 last = -(u32)FIRST_PORT;
	u32 port = (u32)current->signal->pid;

	while (port_taken(port)) {
		port = last--;
		if (last >> 31 == 0)
			last = -(u32)FIRST_PORT;
	}
	return port;
}

/* Gives the socket @portid, or with 0 a free one, if it has none: 0, -EADDRINUSE, -EINVAL. */
static int take_port(struct nl_sock *nl, u32 portid)
{
	int err = 0;

	spin_lock_bh(&nl_lock);
	if (nl->portid)
		err = portid && portid != nl->portid ? -EINVAL : 0;
	else if (portid && port_taken(portid))
		err = -EADDRINUSE;
	else
		WRITE_ONCE(nl->portid, portid ? portid : free_port());
	spin_unlock_bh(&nl_lock);
	return err;
}

/* The address that bind(2), connect(2) and sendmsg(2) are given. */
static int check_name(const void *addr, int len, const struct sockaddr_nl **name)
{
	*name = addr;
	return len < (int)sizeof(**name) || (*name)->nl_family != AF_NETLINK ? -EINVAL : 0;
}

static int netlink_bind(struct sock *sk, const struct sockaddr *addr, int len)
{
	struct nl_sock *nl = nl_sk(sk);
	const struct sockaddr_nl *name;
	int err = check_name(addr, len, &name);

	if (!err && READ_ONCE(nl->portid) && nl->portid != name->nl_pid)
		err = -EINVAL;
	if (!err)
		err = take_port(nl, name->nl_pid);
	if (err)
		return err;
	spin_lock_bh(&nl_lock);
	nl->groups = (nl->groups & ~0xffffffffull) | name->nl_groups;
	spin_unlock_bh(&nl_lock);
	return 0;
}

/* Only to the kernel, which everybody is connected to anyhow. */
static int check_peer(const void *addr, int len)
{
	const struct sockaddr_nl *name;
	int err = check_name(addr, len, &name);

	if (err || (!name->nl_pid && !name->nl_groups))
		return err;
	return capable(CAP_NET_ADMIN) ? -ECONNREFUSED : -EPERM;
}

static int netlink_connect(struct sock *sk, const struct sockaddr *addr, int len, unsigned fflags)
{
	int err;

	if (len < (int)sizeof(addr->sa_family))
		return -EINVAL;
	if (addr->sa_family == AF_UNSPEC)
		return 0;
	err = check_peer(addr, len);
	return err ? err : take_port(nl_sk(sk), 0);
}

static int netlink_getname(struct sock *sk, struct sockaddr_storage *addr, int peer)
{
	struct nl_sock *nl = nl_sk(sk);
	struct sockaddr_nl *name = (struct sockaddr_nl *)addr;

	*name = (struct sockaddr_nl){.nl_family = AF_NETLINK};
	if (!peer) {
		spin_lock_bh(&nl_lock);
		name->nl_pid = nl->portid;
		name->nl_groups = (u32)nl->groups;
		spin_unlock_bh(&nl_lock);
	}
	return sizeof(*name);
}

static bool joined(const struct nl_sock *nl, u32 group)
{
	return nl->groups & BIT(group - 1);
}

bool netlink_has_listeners(u32 group)
{
	struct nl_sock *nl;
	bool found = false;

	spin_lock_bh(&nl_lock);
	list_for_each_entry(nl, &nl_socks, link)
		found |= joined(nl, group);
	spin_unlock_bh(&nl_lock);
	return found;
}

void netlink_broadcast(struct nl_writer *w, u32 group)
{
	struct nl_skb *copy;
	struct nl_sock *nl;

	if (!w->skb)
		return;
	spin_lock_bh(&nl_lock);
	list_for_each_entry(nl, &nl_socks, link) {
		if (!joined(nl, group))
			continue;
		copy = nl_skb_alloc(w->skb->len, GFP_ATOMIC);
		if (copy) {
			copy->len = w->skb->len;
			copy->group = group;
			memcpy(copy->data, w->skb->data, copy->len);
		}
		nl_queue(&nl->sk, copy);
	}
	spin_unlock_bh(&nl_lock);
	kvfree(w->skb);
	w->skb = NULL;
}

/* ---- data ---- */

static ssize_t netlink_sendmsg(struct sock *sk, struct msghdr *m)
{
	size_t len = m->iter->count;
	struct scm_cookie scm;
	u8 *buf;
	int err;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (!len)
		return -ENODATA;
	err = scm_send(sk, m, &scm);
	if (err)
		return err;
	scm_destroy(&scm);
	err = m->name ? check_peer(m->name, m->namelen) : 0;
	if (!err)
		err = take_port(nl_sk(sk), 0);
	if (err)
		return err;
	if (len > (size_t)READ_ONCE(sk->sndbuf) - OVERHEAD)
		return -EMSGSIZE;
	buf = kvmalloc(len, GFP_KERNEL);
	if (!buf)
		return -ENOBUFS;
	if (copy_from_iter(buf, len, m->iter) < len)
		err = -EFAULT;
	else
		answer_all(sk, buf, len);
	kvfree(buf);
	return err ? err : (ssize_t)len;
}

/* What a datagram says to recvmsg(2). lock_sock() held, so that it stays. */
static ssize_t give(struct nl_sock *nl, const struct nl_skb *skb, struct msghdr *m)
{
	size_t n = min((size_t)skb->len, m->iter->count);
	struct scm_cookie scm = {.fp = NULL}; /* credentials: the kernel's, all 0 */
	struct nl_pktinfo info = {skb->group};

	if (copy_to_iter(skb->data, n, m->iter) < n)
		return -EFAULT;
	if (n < skb->len)
		m->out_flags |= MSG_TRUNC;
	if (m->name) {
		*(struct sockaddr_nl *)m->name = (struct sockaddr_nl){
			.nl_family = AF_NETLINK,
			.nl_groups = skb->group ? 1u << (skb->group - 1) : 0,
		};
		m->namelen = sizeof(struct sockaddr_nl);
	}
	if (option(nl, NETLINK_PKTINFO))
		put_cmsg(m, SOL_NETLINK, NETLINK_PKTINFO, &info, sizeof(info));
	scm_recv(&nl->sk, m, &scm);
	return (ssize_t)(m->flags & MSG_TRUNC ? skb->len : n);
}

static ssize_t netlink_recvmsg(struct sock *sk, struct msghdr *m)
{
	u64 deadline = sock_deadline(READ_ONCE(sk->rcvtimeo), m->flags & MSG_DONTWAIT);
	struct nl_sock *nl = nl_sk(sk);
	struct nl_skb *skb;
	ssize_t ret;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	for (;;) {
		ret = sock_error(sk);
		if (ret)
			return ret;
		lock_sock(sk);
		skb = list_first_entry_or_null(&nl->rx, struct nl_skb, link);
		if (skb) {
			ret = give(nl, skb, m);
			if (!(m->flags & MSG_PEEK))
				nl_dequeue(nl, skb);
		}
		release_sock(sk);
		if (skb)
			return ret;
		if (!deadline)
			return -EAGAIN;
		ret = wait_event_interruptible_exclusive_deadline(
			&sk->wq, !list_empty(&nl->rx) || READ_ONCE(sk->sk_err), deadline);
		if (ret)
			return sock_wait_error(ret, deadline);
	}
}

static __poll_t netlink_poll(struct sock *sk)
{
	__poll_t mask = sock_poll_ends(sk) | EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;

	if (!list_empty(&nl_sk(sk)->rx))
		mask |= EPOLLIN | EPOLLRDNORM;
	return mask;
}

/* ---- options ---- */

/* Options that are on or off. CAP_ACK, NO_ENOBUFS and PKTINFO have an effect. */
#define FLAG_OPTIONS \
	(BIT(NETLINK_PKTINFO) | BIT(NETLINK_BROADCAST_ERROR) | BIT(NETLINK_NO_ENOBUFS) | \
	 BIT(NETLINK_CAP_ACK) | BIT(NETLINK_EXT_ACK))

static bool is_flag(int name)
{
	return name > 0 && name < 32 && (FLAG_OPTIONS & BIT(name));
}

static int set_membership(struct nl_sock *nl, int group, bool join)
{
	if (group < 1 || group > RTNLGRP_MAX)
		return -EINVAL;
	spin_lock_bh(&nl_lock);
	nl->groups = join ? nl->groups | BIT(group - 1) : nl->groups & ~BIT(group - 1);
	spin_unlock_bh(&nl_lock);
	return 0;
}

static int netlink_setsockopt(struct sock *sk, int level, int name, const void __user *val, int len)
{
	struct nl_sock *nl = nl_sk(sk);
	int v, err;

	if (level != SOL_NETLINK)
		return -ENOPROTOOPT;
	err = sockopt_get_int(&v, val, len);
	if (err)
		return err;
	if (name == NETLINK_ADD_MEMBERSHIP || name == NETLINK_DROP_MEMBERSHIP)
		return set_membership(nl, v, name == NETLINK_ADD_MEMBERSHIP);
	if (!is_flag(name))
		return -ENOPROTOOPT;
	spin_lock_bh(&nl_lock);
	WRITE_ONCE(nl->options, (u32)(v ? nl->options | BIT(name) : nl->options & ~BIT(name)));
	spin_unlock_bh(&nl_lock);
	return 0;
}

static int netlink_getsockopt(struct sock *sk, int level, int name, void __user *val,
			      int __user *ulen)
{
	struct nl_sock *nl = nl_sk(sk);
	int v, len;

	if (level != SOL_NETLINK || !is_flag(name))
		return -ENOPROTOOPT;
	if (get_user(len, ulen))
		return -EFAULT;
	if (len < (int)sizeof(v))
		return -EINVAL;
	v = option(nl, name);
	return sockopt_put(&v, sizeof(v), val, ulen);
}

/* ---- the family ---- */

static void netlink_release(struct sock *sk)
{
	struct nl_sock *nl = nl_sk(sk);
	struct nl_skb *skb, *next;

	spin_lock_bh(&nl_lock);
	list_del(&nl->link);
	spin_unlock_bh(&nl_lock);
	list_for_each_entry_safe(skb, next, &nl->rx, link)
		kvfree(skb);
	kmem_cache_free(nl_cache, sk);
}

static const struct proto_ops netlink_ops = {
	.bind = netlink_bind,
	.connect = netlink_connect,
	.sendmsg = netlink_sendmsg,
	.recvmsg = netlink_recvmsg,
	.getname = netlink_getname,
	.setsockopt = netlink_setsockopt,
	.getsockopt = netlink_getsockopt,
	.poll = netlink_poll,
	.release = netlink_release,
};

static struct sock *netlink_create(int type, int protocol)
{
	struct sock *sk;

	if (type != SOCK_RAW && type != SOCK_DGRAM)
		return ERR_PTR(-ESOCKTNOSUPPORT);
	if (protocol != NETLINK_ROUTE)
		return ERR_PTR(-EPROTONOSUPPORT);
	sk = sk_alloc(nl_cache, &netlink_ops, GFP_KERNEL);
	if (!sk)
		return ERR_PTR(-ENOMEM);
	sk->family = AF_NETLINK;
	sk->type = (u8)type;
	INIT_LIST_HEAD(&nl_sk(sk)->rx);
	spin_lock_bh(&nl_lock);
	list_add(&nl_sk(sk)->link, &nl_socks);
	spin_unlock_bh(&nl_lock);
	return sk;
}

static const struct net_proto_family netlink_family = {AF_NETLINK, netlink_create};

static int __init netlink_init(void)
{
	nl_cache = kmem_cache_create("netlink_sock", sizeof(struct nl_sock), 0);
	sock_register(&netlink_family);
	return 0;
}
core_initcall(netlink_init);
