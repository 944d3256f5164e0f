/*
 * The system calls of sockets. Each finds the socket behind a descriptor, brings addresses and
 * buffers across the user boundary, and calls the family's operation (struct proto_ops, net/sock.h);
 * what a TCP connection is, is not known here.
 *
 *	user memory -> struct msghdr {iov_iter, address, flags} -> ops->sendmsg()
 *	ops->recvmsg() -> struct msghdr -> user memory
 *
 * LOCKING: none of its own. fdget() keeps the file, and with it the socket, for the time of a call.
 */

#include "kernel/cpu/syscall.h"
#include "kernel/lib/string.h"
#include "kernel/lib/sysctl.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/signal.h"
#include "net/socket.h"

/* The upper limit of listen(2)'s backlog; lwIP counts what is pending in 16 bits. */
static int somaxconn = SOMAXCONN; /* [a] */
SYSCTL(somaxconn, "sys/net/core/somaxconn", somaxconn, 0, 0xfffe);

struct sockfd {
	struct fd f;
	struct sock *sk;
};

/* 0, -EBADF, -ENOTSOCK. On success the caller ends with fdput(s->f). */
static int sockfd_get(int fd, struct sockfd *s)
{
	s->f = fdget((unsigned)fd);
	if (!s->f.file)
		return -EBADF;
	s->sk = sock_from_file(s->f.file);
	if (s->sk)
		return 0;
	fdput(s->f);
	return -ENOTSOCK;
}

/* ---- addresses ---- */

static int addr_from_user(struct sockaddr_storage *ka, const void __user *ua, int len)
{
	if (len < 0 || len > (int)sizeof(*ka))
		return -EINVAL;
	if (len && copy_from_user(ka, ua, (size_t)len))
		return -EFAULT;
	return 0;
}

/* Cuts the address to what the user has room for, and stores its full length. */
static int addr_to_user(const struct sockaddr_storage *ka, int klen, void __user *ua,
			int __user *ulen)
{
	int len;

	if (get_user(len, ulen))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	len = min(len, klen);
	if (len && copy_to_user(ua, ka, (size_t)len))
		return -EFAULT;
	return put_user(klen, ulen);
}

/* ---- creation ---- */

static struct sock *sock_create(int family, int type, int protocol)
{
	const struct net_proto_family *f;
	struct sock *sk;

	if (family < 0 || family >= AF_MAX)
		return ERR_PTR(-EAFNOSUPPORT);
	if (type < 0 || type >= SOCK_TYPES)
		return ERR_PTR(-EINVAL);
	f = sock_family(family);
	if (!f)
		return ERR_PTR(-EAFNOSUPPORT);
	sk = f->create(type, protocol);
	if (!IS_ERR(sk))
		sk->uid = current->signal->euid;
	return sk;
}

static struct file *sock_create_file(int family, int type, int protocol, u32 flags)
{
	struct sock *sk = sock_create(family, type, protocol);
	struct file *file;

	if (IS_ERR(sk))
		return ERR_PTR(PTR_ERR(sk));
	file = sock_alloc_file(sk, flags & O_NONBLOCK);
	if (IS_ERR(file))
		sk->ops->release(sk);
	return file;
}

SYSCALL_DEFINE3(socket, int, family, int, type, int, protocol)
{
	u32 flags = (u32)type & ~SOCK_TYPE_MASK;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	return fd_install_new(sock_create_file(family, type & SOCK_TYPE_MASK, protocol, flags),
			      flags & O_CLOEXEC);
}

static long make_pair(int family, int type, int protocol, u32 flags, struct file *files[2])
{
	struct sock *a;
	long err;

	files[0] = sock_create_file(family, type, protocol, flags);
	if (IS_ERR(files[0]))
		return PTR_ERR(files[0]);
	files[1] = sock_create_file(family, type, protocol, flags);
	if (IS_ERR(files[1])) {
		err = PTR_ERR(files[1]);
		goto put_first;
	}
	a = sock_from_file(files[0]);
	err = a->ops->socketpair ? a->ops->socketpair(a, sock_from_file(files[1])) : -EOPNOTSUPP;
	if (!err)
		return 0;
	fput(files[1]);
put_first:
	fput(files[0]);
	return err;
}

SYSCALL_DEFINE4(socketpair, int, family, int, type, int, protocol, int __user *, usv)
{
	u32 flags = (u32)type & ~SOCK_TYPE_MASK;
	struct file *files[2];
	int fds[2];
	long err;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	fds[0] = get_unused_fd(flags & O_CLOEXEC);
	if (fds[0] < 0)
		return fds[0];
	fds[1] = get_unused_fd(flags & O_CLOEXEC);
	err = fds[1];
	if (err < 0)
		goto put_first;
	err = copy_to_user(usv, fds, sizeof(fds)) ? -EFAULT : 0;
	if (!err)
		err = make_pair(family, type & SOCK_TYPE_MASK, protocol, flags, files);
	if (err)
		goto put_both;
	fd_install((unsigned)fds[0], files[0]);
	fd_install((unsigned)fds[1], files[1]);
	return 0;
put_both:
	put_unused_fd((unsigned)fds[1]);
put_first:
	put_unused_fd((unsigned)fds[0]);
	return err;
}

/* ---- addresses and connections ---- */

SYSCALL_DEFINE3(bind, int, fd, const void __user *, uaddr, int, len)
{
	struct sockaddr_storage addr;
	struct sockfd s;
	int err = sockfd_get(fd, &s);

	if (err)
		return err;
	err = addr_from_user(&addr, uaddr, len);
	if (!err)
		err = s.sk->ops->bind ? s.sk->ops->bind(s.sk, (struct sockaddr *)&addr, len)
				      : -EOPNOTSUPP;
	fdput(s.f);
	return err;
}

SYSCALL_DEFINE3(connect, int, fd, const void __user *, uaddr, int, len)
{
	struct sockaddr_storage addr;
	struct sockfd s;
	int err = sockfd_get(fd, &s);

	if (err)
		return err;
	err = addr_from_user(&addr, uaddr, len);
	if (!err)
		err = s.sk->ops->connect(s.sk, (struct sockaddr *)&addr, len, s.f.file->f_flags);
	fdput(s.f);
	return err;
}

SYSCALL_DEFINE2(listen, int, fd, int, backlog)
{
	struct sockfd s;
	int err = sockfd_get(fd, &s);

	if (err)
		return err;
	/* A negative one is a very large one. */
	backlog = (int)min((unsigned)backlog, (unsigned)READ_ONCE(somaxconn));
	err = s.sk->ops->listen ? s.sk->ops->listen(s.sk, backlog) : -EOPNOTSUPP;
	fdput(s.f);
	return err;
}

/* The descriptor and the file come first, so that running out of them loses no connection. */
static long do_accept(int fd, void __user *uaddr, int __user *ulen, u32 flags)
{
	struct sockaddr_storage addr;
	struct sockfd s;
	struct file *file;
	struct sock *child;
	int newfd, len;
	long err;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	err = sockfd_get(fd, &s);
	if (err)
		return err;
	newfd = get_unused_fd(flags & O_CLOEXEC);
	err = newfd;
	if (newfd < 0)
		goto out;
	file = sock_alloc_file(NULL, flags & O_NONBLOCK);
	err = PTR_ERR(file);
	if (IS_ERR(file))
		goto put_fd;
	child = s.sk->ops->accept ? s.sk->ops->accept(s.sk, s.f.file->f_flags)
				  : ERR_PTR(-EOPNOTSUPP);
	err = PTR_ERR(child);
	if (IS_ERR(child))
		goto put_file;
	sock_attach(file, child);
	if (uaddr) {
		len = child->ops->getname(child, &addr, 2);
		err = len < 0 ? -ECONNABORTED : addr_to_user(&addr, len, uaddr, ulen);
		if (err)
			goto put_file;
	}
	fd_install((unsigned)newfd, file);
	fdput(s.f);
	return newfd;
put_file:
	fput(file);
put_fd:
	put_unused_fd((unsigned)newfd);
out:
	fdput(s.f);
	return err;
}

SYSCALL_DEFINE4(accept4, int, fd, void __user *, uaddr, int __user *, ulen, int, flags)
{
	return do_accept(fd, uaddr, ulen, (u32)flags);
}

SYSCALL_DEFINE3(accept, int, fd, void __user *, uaddr, int __user *, ulen)
{
	return do_accept(fd, uaddr, ulen, 0);
}

SYSCALL_DEFINE2(shutdown, int, fd, int, how)
{
	struct sockfd s;
	int err = sockfd_get(fd, &s);

	if (err)
		return err;
	if (how < SHUT_RD || how > SHUT_RDWR)
		err = -EINVAL;
	else
		err = s.sk->ops->shutdown ? s.sk->ops->shutdown(s.sk, how) : -EOPNOTSUPP;
	fdput(s.f);
	return err;
}

static long do_getname(int fd, void __user *uaddr, int __user *ulen, int peer)
{
	struct sockaddr_storage addr;
	struct sockfd s;
	int err = sockfd_get(fd, &s);

	if (err)
		return err;
	err = s.sk->ops->getname(s.sk, &addr, peer);
	if (err >= 0)
		err = addr_to_user(&addr, err, uaddr, ulen);
	fdput(s.f);
	return err;
}

SYSCALL_DEFINE3(getsockname, int, fd, void __user *, uaddr, int __user *, ulen)
{
	return do_getname(fd, uaddr, ulen, 0);
}

SYSCALL_DEFINE3(getpeername, int, fd, void __user *, uaddr, int __user *, ulen)
{
	return do_getname(fd, uaddr, ulen, 1);
}

SYSCALL_DEFINE5(setsockopt, int, fd, int, level, int, name, const void __user *, val, int, len)
{
	struct sockfd s;
	int err;

	if (len < 0)
		return -EINVAL;
	err = sockfd_get(fd, &s);
	if (err)
		return err;
	err = sock_setsockopt(s.sk, level, name, val, len);
	fdput(s.f);
	return err;
}

SYSCALL_DEFINE5(getsockopt, int, fd, int, level, int, name, void __user *, val, int __user *, len)
{
	struct sockfd s;
	int err = sockfd_get(fd, &s);

	if (err)
		return err;
	err = sock_getsockopt(s.sk, level, name, val, len);
	fdput(s.f);
	return err;
}

/* ---- data ---- */

SYSCALL_DEFINE6(sendto, int, fd, void __user *, buf, size_t, len, unsigned, flags,
		const void __user *, uaddr, int, addrlen)
{
	struct sockaddr_storage addr;
	struct msghdr m = {0};
	struct iov_iter it;
	struct sockfd s;
	ssize_t ret;

	len = min(len, (size_t)MAX_RW_COUNT);
	if (!access_ok(buf, len))
		return -EFAULT;
	ret = sockfd_get(fd, &s);
	if (ret)
		return ret;
	iov_iter_user(&it, buf, len);
	m.iter = &it;
	if (uaddr) {
		ret = addr_from_user(&addr, uaddr, addrlen);
		if (ret)
			goto out;
		m.name = &addr;
		m.namelen = addrlen;
	}
	m.flags = sock_msg_flags(s.f.file, flags);
	ret = sock_sendmsg(s.sk, &m);
out:
	fdput(s.f);
	return ret;
}

SYSCALL_DEFINE6(recvfrom, int, fd, void __user *, buf, size_t, len, unsigned, flags, void __user *,
		uaddr, int __user *, addrlen)
{
	struct sockaddr_storage addr;
	struct msghdr m = {0};
	struct iov_iter it;
	struct sockfd s;
	ssize_t ret;
	int err;

	len = min(len, (size_t)MAX_RW_COUNT);
	if (!access_ok(buf, len))
		return -EFAULT;
	ret = sockfd_get(fd, &s);
	if (ret)
		return ret;
	iov_iter_user(&it, buf, len);
	m.iter = &it;
	m.name = uaddr ? &addr : NULL;
	m.flags = sock_msg_flags(s.f.file, flags);
	ret = sock_recvmsg(s.sk, &m);
	fdput(s.f);
	if (ret >= 0 && uaddr) {
		err = addr_to_user(&addr, m.namelen, uaddr, addrlen);
		if (err)
			return err;
	}
	return ret;
}

/* A user's struct msghdr, brought in. */
struct msg_in {
	struct user_msghdr u;
	struct msghdr m;
	struct iov_iter it;
	struct sockaddr_storage addr;
	struct iovec fast[UIO_FASTIOV];
	struct iovec *to_free;
};

/* 0 or -errno; after 0 the caller ends with kfree(in->to_free). The name is not read yet. */
static int msg_import(struct msg_in *in, const struct user_msghdr __user *umsg)
{
	in->to_free = NULL;
	if (copy_from_user(&in->u, umsg, sizeof(in->u)))
		return -EFAULT;
	if (!in->u.msg_name)
		in->u.msg_namelen = 0;
	if (in->u.msg_namelen < 0)
		return -EINVAL;
	in->u.msg_namelen = min(in->u.msg_namelen, (int)sizeof(in->addr));
	if (in->u.msg_iovlen > UIO_MAXIOV)
		return -EMSGSIZE;
	in->m = (struct msghdr){
		.iter = &in->it,
		.control = in->u.msg_control,
		.controllen = in->u.msg_control ? in->u.msg_controllen : 0,
	};
	return iov_iter_import(&in->it, in->u.msg_iov, in->u.msg_iovlen, in->fast, &in->to_free);
}

static ssize_t do_sendmsg(struct sockfd *s, const struct user_msghdr __user *umsg, unsigned flags)
{
	struct msg_in in;
	ssize_t ret = msg_import(&in, umsg);

	if (ret)
		return ret;
	if (in.u.msg_namelen) {
		ret = addr_from_user(&in.addr, in.u.msg_name, in.u.msg_namelen);
		if (ret)
			goto out;
		in.m.name = &in.addr;
		in.m.namelen = in.u.msg_namelen;
	}
	in.m.flags = sock_msg_flags(s->f.file, flags);
	ret = sock_sendmsg(s->sk, &in.m);
out:
	kfree(in.to_free);
	return ret;
}

static ssize_t do_recvmsg(struct sockfd *s, struct user_msghdr __user *umsg, unsigned flags)
{
	struct msg_in in;
	ssize_t ret = msg_import(&in, umsg);
	int err = 0;

	if (ret)
		return ret;
	in.m.name = in.u.msg_name ? &in.addr : NULL;
	in.m.flags = sock_msg_flags(s->f.file, flags);
	ret = sock_recvmsg(s->sk, &in.m);
	kfree(in.to_free);
	if (ret < 0)
		return ret;
	if (in.u.msg_name)
		err = addr_to_user(&in.addr, in.m.namelen, in.u.msg_name, &umsg->msg_namelen);
	if (!err)
		err = put_user(in.m.out_flags | (flags & MSG_CMSG_CLOEXEC), &umsg->msg_flags);
	if (!err)
		err = put_user((u64)in.m.out_controllen, &umsg->msg_controllen);
	return err ? err : ret;
}

SYSCALL_DEFINE3(sendmsg, int, fd, const struct user_msghdr __user *, umsg, unsigned, flags)
{
	struct sockfd s;
	ssize_t ret = sockfd_get(fd, &s);

	if (ret)
		return ret;
	ret = do_sendmsg(&s, umsg, flags);
	fdput(s.f);
	return ret;
}

SYSCALL_DEFINE3(recvmsg, int, fd, struct user_msghdr __user *, umsg, unsigned, flags)
{
	struct sockfd s;
	ssize_t ret = sockfd_get(fd, &s);

	if (ret)
		return ret;
	ret = do_recvmsg(&s, umsg, flags);
	fdput(s.f);
	return ret;
}

SYSCALL_DEFINE4(sendmmsg, int, fd, struct mmsghdr __user *, mm, unsigned, vlen, unsigned, flags)
{
	struct sockfd s;
	unsigned done = 0;
	ssize_t ret = sockfd_get(fd, &s);

	if (ret)
		return ret;
	vlen = min(vlen, (unsigned)UIO_MAXIOV);
	for (; done < vlen; done++) {
		ret = do_sendmsg(&s, &mm[done].msg_hdr, flags);
		if (ret >= 0)
			ret = put_user((u32)ret, &mm[done].msg_len);
		if (ret < 0)
			break;
		cond_resched();
	}
	fdput(s.f);
	/* An error after the first message is seen by the next call. */
	return done ? (long)done : ret;
}

/*
 * Fills at most @vlen messages. The deadline is looked at after each message only, as recvmmsg(2)
 * confesses under BUGS.
 */
static long do_recvmmsg(struct sockfd *s, struct mmsghdr __user *mm, unsigned vlen, unsigned flags,
			u64 deadline)
{
	unsigned done = 0;
	ssize_t ret = sock_error(s->sk);

	if (ret)
		return ret;
	for (; done < vlen; cond_resched()) {
		ret = do_recvmsg(s, &mm[done].msg_hdr, flags & ~MSG_WAITFORONE);
		if (ret >= 0)
			ret = put_user((u32)ret, &mm[done].msg_len);
		if (ret < 0)
			break;
		done++;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (deadline != NO_DEADLINE && ktime_get() >= deadline)
			break;
	}
	if (!done)
		return ret;
	/* The messages count; the error is kept for the next call. */
	if (ret < 0 && ret != -EAGAIN)
		WRITE_ONCE(s->sk->sk_err, (int)-ret);
	return done;
}

SYSCALL_DEFINE5(recvmmsg, int, fd, struct mmsghdr __user *, mm, unsigned, vlen, unsigned, flags,
		struct timespec __user *, utimeout)
{
	u64 deadline = NO_DEADLINE, now;
	struct timespec ts;
	struct sockfd s;
	long ret;

	if (utimeout) {
		if (copy_from_user(&ts, utimeout, sizeof(ts)))
			return -EFAULT;
		if (!timespec_valid(&ts))
			return -EINVAL;
		deadline = deadline_after(timespec_to_ns(&ts));
	}
	ret = sockfd_get(fd, &s);
	if (ret)
		return ret;
	ret = do_recvmmsg(&s, mm, min(vlen, (unsigned)UIO_MAXIOV), flags, deadline);
	fdput(s.f);
	if (utimeout && ret > 0) {
		now = ktime_get();
		ts = ns_to_timespec(deadline > now ? deadline - now : 0);
		if (copy_to_user(utimeout, &ts, sizeof(ts)))
			return -EFAULT;
	}
	return ret;
}
