/*
 * Capabilities: root's power in forty-one pieces. capabilities(7).
 *
 *	permitted	what the process may take up at any time
 *	effective	what it has taken up; capable() asks this set
 *	inheritable	what it leaves to a program that it executes as root, apart from the next
 *	bounding	the limit of what an execve(2) gives
 *
 * A process has them because it is root, that is, has a user id of 0: execve(2) gives them to root,
 * and who stops being root loses them. PR_SET_KEEPCAPS lets them stay permitted, so a daemon can
 * become somebody else and keep, with capset(2), the one piece it needs.
 *
 * Files have no capabilities of their own here, so nobody but root ever gets any; and there are no
 * ambient ones, which would let somebody else pass them on.
 *
 * LOCKING: tasklist_lock. A process's own threads read a set without it, as one word.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/cred.h"
#include "kernel/exec/process.h"
#include "kernel/mm/uaccess.h"

/* What matters for files goes with the id by which they are touched. */
#define CAP_FS_SET \
	(BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) | \
	 BIT(CAP_FSETID) | BIT(CAP_LINUX_IMMUTABLE) | BIT(CAP_MKNOD) | BIT(CAP_MAC_OVERRIDE))

/* ---- with the user ids ---- */

void caps_follow_uids(struct signal_struct *g, u32 uid, u32 euid, u32 suid)
{
	bool was_root = !uid || !euid || !suid, is_root = !g->uid || !g->euid || !g->suid;

	if (was_root && !is_root && !g->keep_caps)
		g->cap_permitted = g->cap_effective = 0;
	if (!euid && g->euid)
		g->cap_effective = 0;
	if (euid && !g->euid)
		g->cap_effective = g->cap_permitted;
}

void caps_follow_fsuid(struct signal_struct *g, u32 fsuid)
{
	if (!fsuid && g->fsuid)
		g->cap_effective &= ~CAP_FS_SET;
	if (fsuid && !g->fsuid)
		g->cap_effective |= g->cap_permitted & CAP_FS_SET;
}

void caps_exec(struct signal_struct *g)
{
	u64 had = g->cap_permitted, root = g->cap_inheritable | g->cap_bset;

	g->cap_permitted = !g->uid || !g->euid ? root : 0;
	if (g->no_new_privs)
		g->cap_permitted &= had;
	g->cap_effective = g->euid ? 0 : g->cap_permitted;
	g->keep_caps = false;
}

/* ---- capget(2), capset(2) ---- */

struct cap_header {
	u32 version;
	pid_t pid;
};

struct cap_data {
	u32 effective, permitted, inheritable;
};

#define CAP_VERSION_1 0x19980330u /* 32 capabilities */
#define CAP_VERSION_2 0x20071026u /* 64, in two struct cap_data */
#define CAP_VERSION_3 0x20080522u /* the same */

/* How many struct cap_data the caller has; 0: an unknown version, and he is told the newest. -EFAULT. */
static int read_header(struct cap_header *h, struct cap_header __user *uh)
{
	if (copy_from_user(h, uh, sizeof(*h)))
		return -EFAULT;
	if (h->version == CAP_VERSION_1)
		return 1;
	if (h->version == CAP_VERSION_2 || h->version == CAP_VERSION_3)
		return 2;
	return put_user(CAP_VERSION_3, &uh->version) ? -EFAULT : 0;
}

/* 0 or -ESRCH. */
static int read_caps(pid_t pid, u64 *effective, u64 *permitted, u64 *inheritable)
{
	struct signal_struct *g;
	struct task *t;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	t = pid ? find_task_locked(pid) : current;
	g = t ? t->signal : NULL;
	*effective = g ? g->cap_effective : CAP_ALL;
	*permitted = g ? g->cap_permitted : CAP_ALL;
	*inheritable = g ? g->cap_inheritable : 0;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return t ? 0 : -ESRCH;
}

SYSCALL_DEFINE2(capget, struct cap_header __user *, uh, struct cap_data __user *, ud)
{
	struct cap_data d[2];
	struct cap_header h;
	int n = read_header(&h, uh), err;
	u64 e, p, i;

	if (n <= 0)
		return n < 0 ? n : ud ? -EINVAL : 0;
	if (h.pid < 0)
		return -EINVAL;
	err = read_caps(h.pid, &e, &p, &i);
	if (err || !ud)
		return err;
	d[0] = (struct cap_data){(u32)e, (u32)p, (u32)i};
	d[1] = (struct cap_data){(u32)(e >> 32), (u32)(p >> 32), (u32)(i >> 32)};
	return copy_to_user(ud, d, (size_t)n * sizeof(*d)) ? -EFAULT : 0;
}

/* Nobody gets what he may not have; tasklist_lock held. */
static int check_capset(const struct signal_struct *g, u64 e, u64 p, u64 i)
{
	if (!capable(CAP_SETPCAP) && (i & ~(g->cap_inheritable | g->cap_permitted)))
		return -EPERM;
	if (i & ~(g->cap_inheritable | g->cap_bset))
		return -EPERM;
	return (p & ~g->cap_permitted) || (e & ~p) ? -EPERM : 0;
}

SYSCALL_DEFINE2(capset, struct cap_header __user *, uh, const struct cap_data __user *, ud)
{
	struct signal_struct *g = current->signal;
	struct cap_data d[2] = {{0, 0, 0}, {0, 0, 0}};
	struct cap_header h;
	int n = read_header(&h, uh), err;
	u64 e, p, i, flags;

	if (n <= 0)
		return n < 0 ? n : -EINVAL;
	if (h.pid && h.pid != current->pid)
		return -EPERM;
	if (copy_from_user(d, ud, (size_t)n * sizeof(*d)))
		return -EFAULT;
	e = (d[0].effective | (u64)d[1].effective << 32) & CAP_ALL;
	p = (d[0].permitted | (u64)d[1].permitted << 32) & CAP_ALL;
	i = (d[0].inheritable | (u64)d[1].inheritable << 32) & CAP_ALL;
	spin_lock_irqsave(&tasklist_lock, flags);
	err = check_capset(g, e, p, i);
	if (!err) {
		g->cap_effective = e;
		g->cap_permitted = p;
		g->cap_inheritable = i;
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return err;
}
