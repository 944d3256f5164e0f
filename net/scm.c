/*
 * Ancillary data, cmsg(3): pieces {length, level, type, data} beside the bytes of a message.
 *
 *	sendmsg(2) -> scm_send()   the user's pieces become a struct scm_cookie
 *	recvmsg(2) -> scm_recv()   a cookie becomes pieces in the user's buffer, and descriptors
 *	           -> put_cmsg()   one piece; other families have some of their own
 *
 * SCM_CREDENTIALS: who sent it. A process may name itself only, root anyone.
 * SCM_RIGHTS: open files. The sender's descriptors become references to the open files here, in the
 * sender's context; the receiver gets new descriptors for them. Positions and flags are shared, as
 * with dup(2). What an epoll watches under the old number stays watched.
 *
 * LOCKING: none. A cookie belongs to the task that has it.
 */

#include "kernel/exec/cred.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/signal.h"
#include "net/scm.h"
#include "net/sock.h"

#define CONTROL_MAX 20480u /* bytes of ancillary data in one call */

/* ---- sending ---- */

struct cmsghdr *next_cmsg(u8 *buf, size_t len, struct cmsghdr *c)
{
	size_t off = c ? (size_t)((u8 *)c - buf) + CMSG_ALIGN(c->cmsg_len) : 0;

	if (off + sizeof(*c) > len)
		return NULL;
	c = (struct cmsghdr *)(buf + off);
	if (c->cmsg_len < sizeof(*c) || c->cmsg_len > len - off)
		return ERR_PTR(-EINVAL);
	return c;
}

static int check_cred(const struct ucred *c)
{
	const struct signal_struct *g = current->signal;
	struct task *t;

	if (c->pid != g->pid && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (c->uid != g->uid && c->uid != g->euid && c->uid != g->suid && !capable(CAP_SETUID))
		return -EPERM;
	if (c->gid != g->gid && c->gid != g->egid && c->gid != g->sgid && !capable(CAP_SETGID))
		return -EPERM;
	t = find_get_task(c->pid);
	if (!t)
		return -ESRCH;
	task_put(t);
	return 0;
}

static int take_cred(const struct cmsghdr *c, struct scm_cookie *scm)
{
	struct ucred cred;
	int err;

	if (c->cmsg_len != CMSG_LEN(sizeof(cred)))
		return -EINVAL;
	memcpy(&cred, c + 1, sizeof(cred));
	err = check_cred(&cred);
	if (err)
		return err;
	scm->cred = cred;
	scm->has_cred = true;
	return 0;
}

/* References to the files behind @n descriptors, added to @fp, which has room. 0 or -EBADF. */
static int take_files(struct scm_fp *fp, const int *fds, unsigned n)
{
	struct fd f;

	for (unsigned i = 0; i < n; i++) {
		f = fdget_path((unsigned)fds[i]);
		if (!f.file)
			return -EBADF;
		fp->files[fp->count++] = get_file(f.file);
		fdput(f);
	}
	return 0;
}

static unsigned cmsg_fds(const struct cmsghdr *c)
{
	return (unsigned)((c->cmsg_len - sizeof(*c)) / sizeof(int));
}

/* How many descriptors there are in all, or -EINVAL: malformed, too many, unknown. */
static int check_control(u8 *buf, size_t len, bool rights)
{
	struct cmsghdr *c = NULL;
	size_t n = 0;

	while ((c = next_cmsg(buf, len, c))) {
		if (IS_ERR(c))
			return -EINVAL;
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type == SCM_CREDENTIALS)
			continue;
		if (c->cmsg_type != SCM_RIGHTS || !rights)
			return -EINVAL;
		n += cmsg_fds(c);
		if (n > SCM_MAX_FD)
			return -EINVAL;
	}
	return (int)n;
}

static int parse_control(u8 *buf, size_t len, bool rights, struct scm_cookie *scm)
{
	int n = check_control(buf, len, rights), err = 0;
	struct cmsghdr *c = NULL;

	if (n < 0)
		return n;
	if (n) {
		scm->fp = kzalloc(sizeof(*scm->fp) + (size_t)n * sizeof(struct file *), GFP_KERNEL);
		if (!scm->fp)
			return -ENOMEM;
		scm->fp->uid = current->signal->uid;
	}
	while (!err && (c = next_cmsg(buf, len, c))) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS)
			err = take_cred(c, scm);
		else if (scm->fp)
			err = take_files(scm->fp, (const int *)(c + 1), cmsg_fds(c));
	}
	return err;
}

u8 *copy_control(const struct msghdr *m)
{
	u8 *buf = m->controllen <= CONTROL_MAX ? kmalloc(m->controllen, GFP_KERNEL) : NULL;

	if (!buf)
		return ERR_PTR(-ENOBUFS);
	if (copy_from_user(buf, m->control, m->controllen)) {
		kfree(buf);
		return ERR_PTR(-EFAULT);
	}
	return buf;
}

int scm_send(struct sock *sk, const struct msghdr *m, struct scm_cookie *scm)
{
	u8 *buf;
	int err;

	*scm = (struct scm_cookie){.fp = NULL};
	if (likely(!m->controllen))
		return 0;
	buf = copy_control(m);
	if (IS_ERR(buf))
		return (int)PTR_ERR(buf);
	err = parse_control(buf, m->controllen, sk->family == AF_UNIX, scm);
	kfree(buf);
	if (err)
		scm_destroy(scm);
	return err;
}

void scm_destroy(struct scm_cookie *scm)
{
	if (scm->fp)
		scm_drop(scm->fp);
	scm->fp = NULL;
}

/* ---- receiving ---- */

/* The user's buffer has been filled up to the end of a piece of @len bytes of data. */
static void control_advance(struct msghdr *m, size_t len)
{
	size_t n = min(CMSG_SPACE(len), m->controllen);

	m->control = (u8 __user *)m->control + n;
	m->controllen -= n;
	m->out_controllen += n;
}

void put_cmsg(struct msghdr *m, int level, int type, const void *data, size_t len)
{
	struct cmsghdr h = {.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};

	if (m->controllen < sizeof(h)) {
		m->out_flags |= MSG_CTRUNC;
		return;
	}
	if (m->controllen < h.cmsg_len) {
		m->out_flags |= MSG_CTRUNC;
		h.cmsg_len = m->controllen;
	}
	if (copy_to_user(m->control, &h, sizeof(h)) ||
	    copy_to_user((u8 __user *)m->control + sizeof(h), data, h.cmsg_len - sizeof(h)))
		return;
	control_advance(m, len);
}

/* A new descriptor for @file, its number stored at @to. 0 or -errno. */
static int give_file(struct file *file, int __user *to, u32 flags)
{
	int fd = get_unused_fd(flags);

	if (fd < 0)
		return fd;
	if (put_user(fd, to)) {
		put_unused_fd((unsigned)fd);
		return -EFAULT;
	}
	fd_install((unsigned)fd, get_file(file));
	return 0;
}

static void give_files(struct msghdr *m, const struct scm_fp *fp)
{
	struct cmsghdr h = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	int __user *to = (int __user *)((u8 __user *)m->control + sizeof(h));
	u32 flags = m->flags & MSG_CMSG_CLOEXEC ? O_CLOEXEC : 0;
	size_t room = m->controllen > sizeof(h) ? (m->controllen - sizeof(h)) / sizeof(int) : 0;
	unsigned n = 0;

	while (n < fp->count && n < room && !give_file(fp->files[n], to + n, flags))
		n++;
	if (n < fp->count)
		m->out_flags |= MSG_CTRUNC;
	if (!n)
		return;
	h.cmsg_len = CMSG_LEN(n * sizeof(int));
	if (!copy_to_user(m->control, &h, sizeof(h)))
		control_advance(m, n * sizeof(int));
}

void scm_recv(struct sock *sk, struct msghdr *m, struct scm_cookie *scm)
{
	bool pass = sock_flag(sk, SOCK_PASSCRED);

	if (!m->control) {
		if (pass || scm->fp)
			m->out_flags |= MSG_CTRUNC;
	} else {
		if (pass)
			put_cmsg(m, SOL_SOCKET, SCM_CREDENTIALS, &scm->cred, sizeof(scm->cred));
		if (scm->fp)
			give_files(m, scm->fp);
	}
	scm_destroy(scm);
}
