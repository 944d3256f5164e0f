/*
 * Ancillary data of messages, cmsg(3), and what UNIX sockets send that way: credentials and open
 * files. net/scm.c; files on their way are net/unix_gc.c's.
 */
#pragma once

#include "fs/file.h"
#include "kernel/abi/socket.h"

struct msghdr;
struct sock;

/* Open files in a message, a reference each. */
struct scm_fp {
	struct list_head link; /* of a task's work, once nobody will receive them */
	u32 uid;               /* who pays for them while they are in flight */
	unsigned count;
	struct file *files[];
};

/* Ancillary data in the kernel's form: what sendmsg(2) was given, or recvmsg(2) will give. */
struct scm_cookie {
	struct scm_fp *fp; /* owned, or NULL */
	struct ucred cred;
	bool has_cred;
};

/*
 * Brings in the ancillary data of a sendmsg(2). Ends with scm_destroy(). 0, -EINVAL, -EBADF (a
 * descriptor), -EPERM, -ESRCH (credentials that are not the caller's), -ENOBUFS (too much of it).
 */
int scm_send(struct sock *sk, const struct msghdr *m, struct scm_cookie *scm);
/* Gives the user what there is room for: credentials if the socket wants them, and files. */
void scm_recv(struct sock *sk, struct msghdr *m, struct scm_cookie *scm);
void scm_destroy(struct scm_cookie *scm);
/*
 * The ancillary data that sendmsg(2) was given, m->controllen bytes of it, in kernel memory for
 * kfree(). ERR_PTR: -ENOBUFS (too much of it, or no memory), -EFAULT.
 */
u8 *copy_control(const struct msghdr *m);
/* The next piece of @buf behind @c (NULL: the first), or NULL. ERR_PTR(-EINVAL): it is malformed. */
struct cmsghdr *next_cmsg(u8 *buf, size_t len, struct cmsghdr *c);
/* Appends one piece for recvmsg(2), cut short and with MSG_CTRUNC when the user has no room. */
void put_cmsg(struct msghdr *m, int level, int type, const void *data, size_t len);

/* unix_gc.c: closes files that came out of a message. Process context, no lock held. */
void scm_drop(struct scm_fp *fp);
