/*
 * Who a process is: ids, users, limits. credentials(7), getrlimit(2).
 *
 * A process has a real, an effective and a saved user id, and the same for its group. Root (effective
 * id 0) may become anyone; others may only exchange their three ids. Supplementary groups and
 * capabilities do not exist here: root is all-powerful, and a group list is always empty.
 *
 * LOCKING: tasklist_lock guards all ids and limits of a process. Its own threads read their ids
 * without it: an aligned word, changed by themselves.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/process.h"
#include "kernel/lib/sysctl.h"
#include "kernel/mm/uaccess.h"

#define USER_SLOTS  64
#define NR_OPEN     (1ull << 20) /* largest RLIMIT_NOFILE */
#define NGROUPS_MAX 65536

static struct user_count user_counts[USER_SLOTS];

struct user_count *user_count(u32 uid)
{
	return &user_counts[uid % USER_SLOTS];
}

/* ---- reading ---- */

SYSCALL_DEFINE0(getpid)
{
	return current->tgid;
}

SYSCALL_DEFINE0(gettid)
{
	return current->pid;
}

SYSCALL_DEFINE0(getppid)
{
	struct signal_struct *parent;
	pid_t pid;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	parent = current->signal->parent;
	pid = parent ? parent->pid : 0;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return pid;
}

SYSCALL_DEFINE0(getuid)
{
	return current->signal->uid;
}

SYSCALL_DEFINE0(geteuid)
{
	return current->signal->euid;
}

SYSCALL_DEFINE0(getgid)
{
	return current->signal->gid;
}

SYSCALL_DEFINE0(getegid)
{
	return current->signal->egid;
}

static int put_ids(u32 r, u32 e, u32 s, u32 __user *ur, u32 __user *ue, u32 __user *us)
{
	return put_user(r, ur) || put_user(e, ue) || put_user(s, us) ? -EFAULT : 0;
}

SYSCALL_DEFINE3(getresuid, u32 __user *, ur, u32 __user *, ue, u32 __user *, us)
{
	struct signal_struct *g = current->signal;

	return put_ids(g->uid, g->euid, g->suid, ur, ue, us);
}

SYSCALL_DEFINE3(getresgid, u32 __user *, ur, u32 __user *, ue, u32 __user *, us)
{
	struct signal_struct *g = current->signal;

	return put_ids(g->gid, g->egid, g->sgid, ur, ue, us);
}

/* ---- changing ---- */

#define KEEP (~0u) /* "leave this one as it is" */

/* The processes of a user are counted by the real id. tasklist_lock held. */
static void set_real_uid(struct signal_struct *g, u32 uid)
{
	atomic_sub(&user_count(g->uid)->processes, g->nr_threads);
	atomic_add(&user_count(uid)->processes, g->nr_threads);
	g->uid = uid;
}

static bool is_one_of(u32 id, u32 a, u32 b, u32 c)
{
	return id == KEEP || id == a || id == b || id == c;
}

static long set_uids(u32 r, u32 e, u32 s)
{
	struct signal_struct *g = current->signal;
	long err = 0;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	if (g->euid &&
	    !(is_one_of(r, g->uid, g->euid, g->suid) && is_one_of(e, g->uid, g->euid, g->suid) &&
	      is_one_of(s, g->uid, g->euid, g->suid))) {
		err = -EPERM;
	} else {
		if (r != KEEP)
			set_real_uid(g, r);
		if (e != KEEP)
			g->euid = e;
		if (s != KEEP)
			g->suid = s;
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return err;
}

static long set_gids(u32 r, u32 e, u32 s)
{
	struct signal_struct *g = current->signal;
	long err = 0;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	if (g->euid &&
	    !(is_one_of(r, g->gid, g->egid, g->sgid) && is_one_of(e, g->gid, g->egid, g->sgid) &&
	      is_one_of(s, g->gid, g->egid, g->sgid))) {
		err = -EPERM;
	} else {
		g->gid = r != KEEP ? r : g->gid;
		g->egid = e != KEEP ? e : g->egid;
		g->sgid = s != KEEP ? s : g->sgid;
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return err;
}

SYSCALL_DEFINE3(setresuid, u32, r, u32, e, u32, s)
{
	return set_uids(r, e, s);
}

SYSCALL_DEFINE3(setresgid, u32, r, u32, e, u32, s)
{
	return set_gids(r, e, s);
}

SYSCALL_DEFINE1(setuid, u32, uid)
{
	if (uid == KEEP)
		return -EINVAL;
	if (!current->signal->euid)
		return set_uids(uid, uid, uid);
	return uid == current->signal->euid && uid != current->signal->uid &&
			       uid != current->signal->suid
		       ? -EPERM
		       : set_uids(KEEP, uid, KEEP);
}

SYSCALL_DEFINE1(setgid, u32, gid)
{
	if (gid == KEEP)
		return -EINVAL;
	return current->signal->euid ? set_gids(KEEP, gid, KEEP) : set_gids(gid, gid, gid);
}

/* The saved id follows the effective one if either id is set to something new: setreuid(2). */
SYSCALL_DEFINE2(setreuid, u32, r, u32, e)
{
	struct signal_struct *g = current->signal;
	u32 new_e = e != KEEP ? e : g->euid;
	bool follow = r != KEEP || (e != KEEP && e != g->uid);

	return set_uids(r, e, follow ? new_e : KEEP);
}

SYSCALL_DEFINE2(setregid, u32, r, u32, e)
{
	struct signal_struct *g = current->signal;
	u32 new_e = e != KEEP ? e : g->egid;
	bool follow = r != KEEP || (e != KEEP && e != g->gid);

	return set_gids(r, e, follow ? new_e : KEEP);
}

SYSCALL_DEFINE2(getgroups, int, size, u32 __user *, list)
{
	return size < 0 ? -EINVAL : 0;
}

/* Accepted so that a daemon can drop groups, which it does not have. */
SYSCALL_DEFINE2(setgroups, int, size, const u32 __user *, list)
{
	if (current->signal->euid)
		return -EPERM;
	return (unsigned)size > NGROUPS_MAX ? -EINVAL : 0;
}
SYSCTL_FIXED(ngroups_max, "sys/kernel/ngroups_max", NGROUPS_MAX);

/* ---- limits ---- */

static int check_rlimit(const struct signal_struct *g, unsigned what, const struct rlimit *new)
{
	if (new->rlim_cur > new->rlim_max)
		return -EINVAL;
	if (what == RLIMIT_NOFILE && new->rlim_max > NR_OPEN)
		return -EPERM;
	if (new->rlim_max > g->rlim[what].rlim_max && current->signal->euid)
		return -EPERM;
	return 0;
}

static bool may_limit(const struct signal_struct *g)
{
	const struct signal_struct *me = current->signal;

	return me == g || !me->euid ||
	       (me->uid == g->uid && me->uid == g->euid && me->uid == g->suid);
}

static void set_rlimit(struct signal_struct *g, unsigned what, const struct rlimit *new)
{
	struct sighand *sh;
	u64 flags;

	g->rlim[what] = *new;
	if (what != RLIMIT_CPU)
		return;
	sh = lock_sighand(g, &flags);
	WRITE_ONCE(g->cpu_timers, true); /* the next tick looks at it */
	unlock_sighand(sh, flags);
}

static int do_prlimit(pid_t pid, unsigned what, const struct rlimit *new, struct rlimit *old)
{
	struct signal_struct *g = current->signal;
	struct task *t;
	int err = 0;
	u64 flags;

	if (what >= RLIM_NLIMITS)
		return -EINVAL;
	spin_lock_irqsave(&tasklist_lock, flags);
	if (pid) {
		t = find_task_locked(pid);
		g = t ? t->signal : NULL;
	}
	if (!g) {
		err = -ESRCH;
	} else if (!may_limit(g)) {
		err = -EPERM;
	} else {
		*old = g->rlim[what];
		if (new)
			err = check_rlimit(g, what, new);
		if (new && !err)
			set_rlimit(g, what, new);
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return err;
}

SYSCALL_DEFINE4(prlimit64, pid_t, pid, unsigned, what, const struct rlimit __user *, unew,
		struct rlimit __user *, uold)
{
	struct rlimit new, old;
	int err;

	if (unew && copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	err = do_prlimit(pid, what, unew ? &new : NULL, &old);
	if (err)
		return err;
	return uold && copy_to_user(uold, &old, sizeof(old)) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(getrlimit, unsigned, what, struct rlimit __user *, uold)
{
	struct rlimit old;
	int err = do_prlimit(0, what, NULL, &old);

	if (err)
		return err;
	return copy_to_user(uold, &old, sizeof(old)) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(setrlimit, unsigned, what, const struct rlimit __user *, unew)
{
	struct rlimit new, old;

	if (copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	return do_prlimit(0, what, &new, &old);
}
