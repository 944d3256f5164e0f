/*
 * The common part of all sockets: memory, the standard notifications, lock_sock(), and the options
 * of level SOL_SOCKET.
 *
 * LOCKING
 *
 * net_lock   lwIP and all it owns; every change of a socket's state. Softirqs (received segments,
 *            timers) and system calls take it; nobody sleeps or touches user memory under it.
 * sk->lock   the receive queue of one socket (and the accept queue of a listener). Taken under
 *            net_lock by the softirq that queues, and alone by the reader that takes: that is how
 *            read() gets on without net_lock.
 * lock_sock  one reader at a time of a byte stream; held while copying to user memory.
 * sk->wq     taken last, by wake-ups, which happen under net_lock but never under sk->lock.
 *
 * Order: lock_sock -> net_lock -> sk->lock, and net_lock -> sk->wq -> (epoll's locks).
 *
 * A socket belongs to its file. It goes away in release(), when no system call holds the file and
 * no epoll or poll entry hangs on sk->wq; the protocol's control block loses its pointer to the
 * socket under net_lock before that. So no reference count is needed.
 */

#include "kernel/exec/cred.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/lib/sysctl.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/signal.h"
#include "kernel/trace/trace.h"
#include "net/sock.h"

/* The least that the kernel can work with, in bytes. */
#define SK_MIN_SNDBUF 4608
#define SK_MIN_RCVBUF 2304

/* [a] What SO_RCVBUF and SO_SNDBUF may ask for, and what sockets begin with. */
static int rmem_max = 212992, wmem_max = 212992, rmem_default = 212992, wmem_default = 212992;
SYSCTL(rmem_max, "sys/net/core/rmem_max", rmem_max, SK_MIN_RCVBUF, INT32_MAX / 2);
SYSCTL(wmem_max, "sys/net/core/wmem_max", wmem_max, SK_MIN_SNDBUF, INT32_MAX / 2);
SYSCTL(rmem_default, "sys/net/core/rmem_default", rmem_default, SK_MIN_RCVBUF, INT32_MAX / 2);
SYSCTL(wmem_default, "sys/net/core/wmem_default", wmem_default, SK_MIN_SNDBUF, INT32_MAX / 2);

static const struct net_proto_family *families[AF_MAX]; /* [I] after boot */
static atomic64_t next_ino = ATOMIC_INIT(1);
static atomic64_t released; /* sockets that had a number and are gone */

void sock_register(const struct net_proto_family *f)
{
	families[f->family] = f;
}

const struct net_proto_family *sock_family(int family)
{
	return families[family];
}

u64 sock_new_ino(void)
{
	return (u64)atomic_inc_return(&next_ino);
}

u64 sock_count(void)
{
	return (u64)(atomic_read(&next_ino) - 1 - atomic_read(&released));
}

void sock_count_release(void)
{
	atomic_inc(&released);
}

struct sock *sk_alloc(struct kmem_cache *cache, const struct proto_ops *ops, gfp_t gfp)
{
	struct sock *sk = kmem_cache_alloc(cache, gfp | __GFP_ZERO);

	if (!sk)
		return NULL;
	init_waitqueue_head(&sk->wq);
	spin_lock_init(&sk->lock);
	sk->ops = ops;
	sk->sk_data_ready = sock_def_readable;
	sk->sk_write_space = sock_def_write_space;
	sk->sk_state_change = sock_def_wakeup;
	sk->sk_error_report = sock_def_error_report;
	sk->state = TCP_CLOSE;
	sk->ss_state = SS_UNCONNECTED;
	sk->rcvlowat = 1;
	sk->rcvbuf = READ_ONCE(rmem_default);
	sk->sndbuf = READ_ONCE(wmem_default);
	sk->incoming_cpu = -1;
	sk->rcvtimeo = NO_DEADLINE;
	sk->sndtimeo = NO_DEADLINE;
	return sk;
}

/* ---- notifications ---- */

void sock_def_readable(struct sock *sk)
{
	trace(sock_def_readable, sk->ino, 0);
	wake_up_poll(&sk->wq, EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND);
}

/* The caller has found SOCK_NOSPACE set and a useful part of the buffer free. */
void sock_def_write_space(struct sock *sk)
{
	trace(sock_def_write_space, sk->ino, 0);
	sock_clear(sk, SOCK_NOSPACE);
	wake_up_poll(&sk->wq, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
}

void sock_def_wakeup(struct sock *sk)
{
	wake_up_all(&sk->wq);
}

void sock_def_error_report(struct sock *sk)
{
	wake_up_poll(&sk->wq, EPOLLERR);
}

void sk_send_sigurg(struct sock *sk)
{
	wake_up_poll(&sk->wq, WAKE_URGENT);
}

/* ---- data ---- */

ssize_t sock_recvmsg(struct sock *sk, struct msghdr *m)
{
	ssize_t ret;

	trace(sock_recvmsg, sk->ino, 0);
	ret = sk->ops->recvmsg(sk, m);
	trace(sock_recvmsg_exit, ret, 0);
	return ret;
}

ssize_t sock_sendmsg(struct sock *sk, struct msghdr *m)
{
	ssize_t ret;

	trace(sock_sendmsg, sk->ino, 0);
	ret = sk->ops->sendmsg(sk, m);
	trace(sock_sendmsg_exit, ret, 0);
	return ret;
}

int sock_epipe(unsigned flags)
{
	if (!(flags & MSG_NOSIGNAL))
		send_signal_task(current, SIGPIPE, NULL);
	return -EPIPE;
}

/* ---- lock_sock ---- */

/*
 * sk->owner is 0 (free), 1 (held) or 2 (held, and somebody may wait). Waiters of all sockets share
 * a few queues, which keeps a socket small; a wake-up that was meant for a neighbour is harmless.
 */
#define NR_OWNER_QUEUES 16
static struct wait_queue_head owner_queues[NR_OWNER_QUEUES];

static struct wait_queue_head *owner_queue(const struct sock *sk)
{
	return &owner_queues[((uintptr_t)sk >> 7) % NR_OWNER_QUEUES];
}

void __lock_sock(struct sock *sk)
{
	wait_event(owner_queue(sk), xchg(&sk->owner, 2u) == 0);
}

/* release_sock() has already stored 0. */
void __release_sock(struct sock *sk)
{
	wake_up_all(owner_queue(sk));
}

static int __init sock_init(void)
{
	for (int i = 0; i < NR_OWNER_QUEUES; i++)
		init_waitqueue_head(&owner_queues[i]);
	return 0;
}
core_initcall(sock_init);

/* ---- options ---- */

int sockopt_get_int(int *v, const void __user *val, int len)
{
	if (len < (int)sizeof(int))
		return -EINVAL;
	return copy_from_user(v, val, sizeof(int)) ? -EFAULT : 0;
}

int sockopt_put(const void *v, int size, void __user *val, int __user *ulen)
{
	int len;

	if (get_user(len, ulen))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	len = min(len, size);
	if (copy_to_user(val, v, (size_t)len) || put_user(len, ulen))
		return -EFAULT;
	return 0;
}

/* A struct timeval as SO_RCVTIMEO and SO_SNDTIMEO take it: {0, 0} is "no limit", socket(7). */
static int set_timeout(u64 *timeo, const void __user *val, int len)
{
	struct timeval tv;
	u64 ns;

	if (len < (int)sizeof(tv))
		return -EINVAL;
	if (copy_from_user(&tv, val, sizeof(tv)))
		return -EFAULT;
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	if (tv.tv_sec < 0)
		ns = 0;
	else if ((tv.tv_sec == 0 && tv.tv_usec == 0) || tv.tv_sec >= (s64)(BIT(62) / NSEC_PER_SEC))
		ns = NO_DEADLINE;
	else
		ns = (u64)tv.tv_sec * NSEC_PER_SEC + (u64)tv.tv_usec * NSEC_PER_USEC;
	WRITE_ONCE(*timeo, ns);
	return 0;
}

static int set_linger(struct sock *sk, const void __user *val, int len)
{
	struct linger l;

	if (len < (int)sizeof(l))
		return -EINVAL;
	if (copy_from_user(&l, val, sizeof(l)))
		return -EFAULT;
	if (l.l_onoff)
		WRITE_ONCE(sk->lingertime, (u16)min((u32)l.l_linger, 0xffffu));
	sock_assign(sk, SOCK_LINGER, l.l_onoff);
	return 0;
}

static int set_flag(struct sock *sk, u32 bit, int on)
{
	sock_assign(sk, bit, on);
	if (sk->ops->apply)
		sk->ops->apply(sk);
	return 0;
}

/* SO_RCVBUF, SO_SNDBUF: the value is doubled to leave room for bookkeeping, socket(7). */
static int set_buffer(struct sock *sk, bool receive, int v, int most)
{
	int size = (int)min((u32)v, (u32)most) * 2;

	if (receive) {
		WRITE_ONCE(sk->rcvbuf, max(size, SK_MIN_RCVBUF));
		return set_flag(sk, SOCK_RCVBUF_LOCK, 1);
	}
	WRITE_ONCE(sk->sndbuf, max(size, SK_MIN_SNDBUF));
	sock_set(sk, SOCK_SNDBUF_LOCK);
	/* More room may be what somebody waits for. */
	if (sock_flag(sk, SOCK_NOSPACE))
		sk->sk_write_space(sk);
	return 0;
}

/* Options that are one bit of sk->flags. */
static const struct {
	int name;
	u32 bit;
} flag_options[] = {
	{SO_REUSEADDR, SOCK_REUSEADDR}, {SO_REUSEPORT, SOCK_REUSEPORT},
	{SO_KEEPALIVE, SOCK_KEEPOPEN},  {SO_BROADCAST, SOCK_BROADCAST},
	{SO_OOBINLINE, SOCK_URGINLINE}, {SO_PASSCRED, SOCK_PASSCRED},
};

static u32 flag_option(int name)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_options); i++)
		if (flag_options[i].name == name)
			return flag_options[i].bit;
	return 0;
}

/* SO_TIMESTAMP and SO_TIMESTAMPNS: the later one decides the form. */
static int set_timestamps(struct sock *sk, int on, bool ns)
{
	sock_assign(sk, SOCK_RCVTSTAMP, on);
	sock_assign(sk, SOCK_RCVTSTAMPNS, on && ns);
	return 0;
}

/* A hint, or a label for what others do with packets. */
static int set_hint(u32 *hint, int v, bool allowed)
{
	if (!allowed)
		return -EPERM;
	WRITE_ONCE(*hint, (u32)v);
	return 0;
}

static bool may_label(void)
{
	return capable(CAP_NET_RAW) || capable(CAP_NET_ADMIN);
}

static int set_int_option(struct sock *sk, int name, int v)
{
	u32 flag = flag_option(name);

	if (flag)
		return set_flag(sk, flag, v);
	switch (name) {
	case SO_TIMESTAMP:
	case SO_TIMESTAMPNS:
		return set_timestamps(sk, v, name == SO_TIMESTAMPNS);
	case SO_MARK:
		return set_hint(&sk->mark, v, may_label());
	case SO_PRIORITY:
		return set_hint(&sk->priority, v, (v >= 0 && v <= 6) || may_label());
	case SO_BUSY_POLL:
		if (v < 0)
			return -EINVAL;
		return set_hint(&sk->busy_poll, v,
				(u32)v <= READ_ONCE(sk->busy_poll) || capable(CAP_NET_ADMIN));
	case SO_INCOMING_CPU:
		WRITE_ONCE(sk->incoming_cpu, (s16)v);
		return 0;
	case SO_SNDBUF:
		return set_buffer(sk, false, v, READ_ONCE(wmem_max));
	case SO_RCVBUF:
		return set_buffer(sk, true, v, READ_ONCE(rmem_max));
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
		if (!capable(CAP_NET_ADMIN))
			return -EPERM;
		return set_buffer(sk, name == SO_RCVBUFFORCE, v, INT32_MAX / 2);
	case SO_RCVLOWAT:
		/* More than half of the buffer might never be there at once. */
		v = v < 0 ? sk->rcvbuf / 2 : min(v ? v : 1, sk->rcvbuf / 2);
		WRITE_ONCE(sk->rcvlowat, v);
		sk->sk_data_ready(sk);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

/* Bound to a device already, only CAP_NET_RAW may choose another. */
static int set_device(struct sock *sk, const void __user *val, int len)
{
	char name[IFNAMSIZ] = "";
	u8 index = 0;

	if (copy_from_user(name, val, (size_t)min(len, IFNAMSIZ - 1)))
		return -EFAULT;
	if (name[0]) {
		index = dev_index(name);
		if (!index)
			return -ENODEV;
	}
	if (READ_ONCE(sk->bound_dev) && !capable(CAP_NET_RAW))
		return -EPERM;
	WRITE_ONCE(sk->bound_dev, index);
	if (sk->ops->apply)
		sk->ops->apply(sk);
	return 0;
}

int sock_setsockopt(struct sock *sk, int level, int name, const void __user *val, int len)
{
	int v, err;

	if (level != SOL_SOCKET)
		return sk->ops->setsockopt(sk, level, name, val, len);
	if (name == SO_BINDTODEVICE)
		return set_device(sk, val, len);
	err = sockopt_get_int(&v, val, len);
	if (err)
		return err;
	switch (name) {
	case SO_LINGER:
		return set_linger(sk, val, len);
	case SO_RCVTIMEO:
		return set_timeout(&sk->rcvtimeo, val, len);
	case SO_SNDTIMEO:
		return set_timeout(&sk->sndtimeo, val, len);
	}
	err = set_int_option(sk, name, v);
	return err == -ENOPROTOOPT ? sk->ops->setsockopt(sk, level, name, val, len) : err;
}

/* The name with its NUL, or nothing. */
static int get_device(struct sock *sk, void __user *val, int __user *ulen, int len)
{
	u8 index = READ_ONCE(sk->bound_dev);
	char name[IFNAMSIZ];

	if (!index)
		return put_user(0, ulen);
	if (len < IFNAMSIZ)
		return -EINVAL;
	dev_name(index, name);
	return sockopt_put(name, (int)strlen(name) + 1, val, ulen);
}

static struct timeval timeout_value(u64 ns)
{
	if (ns == NO_DEADLINE)
		ns = 0;
	return (struct timeval){(s64)(ns / NSEC_PER_SEC), (s64)(ns % NSEC_PER_SEC / NSEC_PER_USEC)};
}

/* The value of an int option: 0 or -ENOPROTOOPT. */
static int get_int_option(struct sock *sk, int name, int *v)
{
	u32 flag = flag_option(name);

	if (flag) {
		*v = sock_flag(sk, flag);
		return 0;
	}
	switch (name) {
	case SO_TIMESTAMP:
		*v = sock_flag(sk, SOCK_RCVTSTAMP) && !sock_flag(sk, SOCK_RCVTSTAMPNS);
		return 0;
	case SO_TIMESTAMPNS:
		*v = sock_flag(sk, SOCK_RCVTSTAMPNS);
		return 0;
	case SO_MARK:
		*v = (int)READ_ONCE(sk->mark);
		return 0;
	case SO_PRIORITY:
		*v = (int)READ_ONCE(sk->priority);
		return 0;
	case SO_BUSY_POLL:
		*v = (int)READ_ONCE(sk->busy_poll);
		return 0;
	case SO_INCOMING_CPU:
		*v = READ_ONCE(sk->incoming_cpu);
		return 0;
	case SO_TYPE:
		*v = sk->type;
		return 0;
	case SO_DOMAIN:
		*v = sk->family;
		return 0;
	case SO_PROTOCOL:
		*v = sk->protocol;
		return 0;
	case SO_ERROR:
		*v = -sock_error(sk);
		return 0;
	case SO_ACCEPTCONN:
		*v = READ_ONCE(sk->state) == TCP_LISTEN;
		return 0;
	case SO_SNDBUF:
		*v = READ_ONCE(sk->sndbuf);
		return 0;
	case SO_RCVBUF:
		*v = READ_ONCE(sk->rcvbuf);
		return 0;
	case SO_RCVLOWAT:
		*v = READ_ONCE(sk->rcvlowat);
		return 0;
	case SO_SNDLOWAT:
		*v = 1;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

int sock_getsockopt(struct sock *sk, int level, int name, void __user *val, int __user *ulen)
{
	struct timeval tv;
	struct linger l;
	int len, v;

	if (level != SOL_SOCKET)
		return sk->ops->getsockopt(sk, level, name, val, ulen);
	/* Before anything is taken that a fault would lose. */
	if (get_user(len, ulen))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	switch (name) {
	case SO_LINGER:
		l.l_onoff = sock_flag(sk, SOCK_LINGER);
		l.l_linger = READ_ONCE(sk->lingertime);
		return sockopt_put(&l, sizeof(l), val, ulen);
	case SO_RCVTIMEO:
		tv = timeout_value(READ_ONCE(sk->rcvtimeo));
		return sockopt_put(&tv, sizeof(tv), val, ulen);
	case SO_SNDTIMEO:
		tv = timeout_value(READ_ONCE(sk->sndtimeo));
		return sockopt_put(&tv, sizeof(tv), val, ulen);
	}
	if (name == SO_BINDTODEVICE)
		return get_device(sk, val, ulen, len);
	if (get_int_option(sk, name, &v))
		return sk->ops->getsockopt(sk, level, name, val, ulen);
	return sockopt_put(&v, sizeof(v), val, ulen);
}
