/*
 * Who a process is: ids, users, groups, limits. credentials(7), getrlimit(2).
 *
 * A process has a real, an effective and a saved user id, one by which it touches files, and the same
 * of its group; and any number of supplementary groups. Who has CAP_SETUID (caps.c) may become
 * anyone, others may only exchange their ids. An executable with S_ISUID or S_ISGID lends the id of
 * its owner to who runs it.
 *
 * All threads of a process are the same user: C libraries take pains that they are, for Linux would
 * let them differ.
 *
 * LOCKING: tasklist_lock guards all ids and limits of a process. Its own threads read their ids
 * without it: an aligned word, changed by themselves.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/cred.h"
#include "kernel/exec/process.h"
#include "kernel/lib/sysctl.h"
#include "kernel/mm/slab.h"
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

static int put_user_ids(u32 r, u32 e, u32 s, u32 __user *ur, u32 __user *ue, u32 __user *us)
{
	return put_user(r, ur) || put_user(e, ue) || put_user(s, us) ? -EFAULT : 0;
}

SYSCALL_DEFINE3(getresuid, u32 __user *, ur, u32 __user *, ue, u32 __user *, us)
{
	struct signal_struct *g = current->signal;

	return put_user_ids(g->uid, g->euid, g->suid, ur, ue, us);
}

SYSCALL_DEFINE3(getresgid, u32 __user *, ur, u32 __user *, ue, u32 __user *, us)
{
	struct signal_struct *g = current->signal;

	return put_user_ids(g->gid, g->egid, g->sgid, ur, ue, us);
}

bool ptrace_may_access(const struct signal_struct *g)
{
	const struct signal_struct *me = current->signal;

	if (me == g || capable(CAP_SYS_PTRACE))
		return true;
	return READ_ONCE(g->dumpable) && me->uid == g->uid && me->uid == g->euid &&
	       me->uid == g->suid && me->gid == g->gid && me->gid == g->egid &&
	       me->gid == g->sgid && !(g->cap_permitted & ~me->cap_permitted);
}

bool ptrace_may_access_task(struct task *t)
{
	bool may;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	may = t->signal ? ptrace_may_access(t->signal) : capable(CAP_SYS_PTRACE);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return may;
}

/* ---- changing ---- */

/* The four user ids, or the four group ids. */
struct ids {
	u32 real, eff, saved, fs;
};

static struct ids get_ids(const struct signal_struct *g, bool group)
{
	return group ? (struct ids){g->gid, g->egid, g->sgid, g->fsgid}
		     : (struct ids){g->uid, g->euid, g->suid, g->fsuid};
}

/* The processes of a user are counted by the real id. tasklist_lock held. */
static void set_real_uid(struct signal_struct *g, u32 uid)
{
	atomic_sub(&user_count(g->uid)->processes, g->nr_threads);
	atomic_add(&user_count(uid)->processes, g->nr_threads);
	g->uid = uid;
}

/*
 * tasklist_lock held. Who acts as somebody else may know what that one must not see, prctl(2),
 * PR_SET_DUMPABLE, and does not get signals that it ordered as another.
 */
static void put_ids(struct signal_struct *g, bool group, struct ids new)
{
	struct ids old = get_ids(g, group);

	if (new.eff != old.eff || new.fs != old.fs) {
		g->dumpable = false;
		g->pdeath_signal = 0;
	}
	if (group) {
		g->gid = new.real;
		g->egid = new.eff;
		g->sgid = new.saved;
		g->fsgid = new.fs;
		return;
	}
	set_real_uid(g, new.real);
	g->euid = new.eff;
	g->suid = new.saved;
	g->fsuid = new.fs;
}

static bool may_become(const struct ids *i, u32 id)
{
	return id == KEEP_ID || id == i->real || id == i->eff || id == i->saved;
}

/* Anybody may exchange the three. The file system's id always follows the effective one. */
static long set_ids(bool group, u32 real, u32 eff, u32 saved)
{
	struct signal_struct *g = current->signal;
	struct ids i, old;
	long err = 0;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	i = old = get_ids(g, group);
	if (!capable(group ? CAP_SETGID : CAP_SETUID) &&
	    !(may_become(&i, real) && may_become(&i, eff) && may_become(&i, saved))) {
		err = -EPERM;
	} else {
		i.real = real != KEEP_ID ? real : i.real;
		i.eff = i.fs = eff != KEEP_ID ? eff : i.eff;
		i.saved = saved != KEEP_ID ? saved : i.saved;
		put_ids(g, group, i);
		if (!group)
			caps_follow_uids(g, old.real, old.eff, old.saved);
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return err;
}

SYSCALL_DEFINE3(setresuid, u32, r, u32, e, u32, s)
{
	return set_ids(false, r, e, s);
}

SYSCALL_DEFINE3(setresgid, u32, r, u32, e, u32, s)
{
	return set_ids(true, r, e, s);
}

/* setuid(2), setgid(2): who may become anyone does so for good, others act as one of their two. */
static long set_id(bool group, u32 id)
{
	struct ids i = get_ids(current->signal, group);

	if (id == KEEP_ID)
		return -EINVAL;
	if (capable(group ? CAP_SETGID : CAP_SETUID))
		return set_ids(group, id, id, id);
	return id == i.real || id == i.saved ? set_ids(group, KEEP_ID, id, KEEP_ID) : -EPERM;
}

SYSCALL_DEFINE1(setuid, u32, uid)
{
	return set_id(false, uid);
}

SYSCALL_DEFINE1(setgid, u32, gid)
{
	return set_id(true, gid);
}

/*
 * setreuid(2), setregid(2): the real id does not become the saved one, and that follows the effective
 * one if either is set to something new.
 */
static long set_reid(bool group, u32 r, u32 e)
{
	struct ids i = get_ids(current->signal, group);
	bool follow = r != KEEP_ID || (e != KEEP_ID && e != i.real);

	if (r != KEEP_ID && r != i.real && r != i.eff && !capable(group ? CAP_SETGID : CAP_SETUID))
		return -EPERM;
	return set_ids(group, r, e, !follow ? KEEP_ID : e != KEEP_ID ? e : i.eff);
}

SYSCALL_DEFINE2(setreuid, u32, r, u32, e)
{
	return set_reid(false, r, e);
}

SYSCALL_DEFINE2(setregid, u32, r, u32, e)
{
	return set_reid(true, r, e);
}

/* setfsuid(2), setfsgid(2): by which ids files are touched. The old one, whether it worked or not. */
static u32 set_fsid(bool group, u32 id)
{
	struct signal_struct *g = current->signal;
	struct ids i;
	u32 old;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	i = get_ids(g, group);
	old = i.fs;
	if (id != KEEP_ID &&
	    (may_become(&i, id) || id == i.fs || capable(group ? CAP_SETGID : CAP_SETUID))) {
		i.fs = id;
		put_ids(g, group, i);
		if (!group)
			caps_follow_fsuid(g, old);
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return old;
}

SYSCALL_DEFINE1(setfsuid, u32, uid)
{
	return set_fsid(false, uid);
}

SYSCALL_DEFINE1(setfsgid, u32, gid)
{
	return set_fsid(true, gid);
}

/* ---- birth, a new program ---- */

void cred_copy(struct signal_struct *to, struct signal_struct *from)
{
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags); /* another thread may be changing them */
	to->uid = from->uid;
	to->euid = from->euid;
	to->suid = from->suid;
	to->fsuid = from->fsuid;
	to->gid = from->gid;
	to->egid = from->egid;
	to->sgid = from->sgid;
	to->fsgid = from->fsgid;
	to->groups = from->groups;
	if (to->groups)
		refcount_inc(&to->groups->refs);
	to->cap_permitted = from->cap_permitted;
	to->cap_effective = from->cap_effective;
	to->cap_inheritable = from->cap_inheritable;
	to->cap_bset = from->cap_bset;
	to->keep_caps = from->keep_caps;
	to->no_new_privs = from->no_new_privs;
	to->dumpable = from->dumpable;
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

bool cred_exec(u32 set_uid, u32 set_gid)
{
	struct signal_struct *g = current->signal;
	bool secure;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	if (set_uid != KEEP_ID && !g->no_new_privs)
		g->euid = set_uid;
	if (set_gid != KEEP_ID && !g->no_new_privs)
		g->egid = set_gid;
	g->suid = g->fsuid = g->euid;
	g->sgid = g->fsgid = g->egid;
	secure = g->euid != g->uid || g->egid != g->gid;
	caps_exec(g);
	g->dumpable = !secure;
	if (secure)
		g->pdeath_signal = 0;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return secure;
}

/* ---- supplementary groups ---- */

struct group_list *get_groups(struct signal_struct *g)
{
	struct group_list *l;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	l = g->groups;
	if (l)
		refcount_inc(&l->refs);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return l;
}

void put_groups(struct group_list *l)
{
	if (l && refcount_dec_and_test(&l->refs))
		kfree(l);
}

static bool group_list_has(const struct group_list *l, u32 gid)
{
	unsigned lo = 0, hi = l->n;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (l->gid[mid] == gid)
			return true;
		if (l->gid[mid] < gid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

bool in_group(u32 gid)
{
	struct signal_struct *g = current->signal;
	bool found;
	u64 flags;

	if (gid == current_fsgid())
		return true;
	if (!g || !READ_ONCE(g->groups))
		return false;
	spin_lock_irqsave(&tasklist_lock, flags); /* or another thread replaces them */
	found = g->groups && group_list_has(g->groups, gid);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return found;
}

/* Heap sort: @root of the heap of @n sinks to its place. */
static void sift_down(u32 *a, unsigned root, unsigned n)
{
	for (;;) {
		unsigned child = 2 * root + 1;
		u32 v = a[root];

		if (child + 1 < n && a[child + 1] > a[child])
			child++;
		if (child >= n || a[child] <= v)
			return;
		a[root] = a[child];
		a[child] = v;
		root = child;
	}
}

static void sort_groups(struct group_list *l)
{
	for (unsigned i = l->n / 2; i-- > 0;)
		sift_down(l->gid, i, l->n);
	for (unsigned i = l->n; i-- > 1;) {
		u32 largest = l->gid[0];

		l->gid[0] = l->gid[i];
		l->gid[i] = largest;
		sift_down(l->gid, 0, i);
	}
}

SYSCALL_DEFINE2(getgroups, int, size, u32 __user *, list)
{
	struct group_list *l = get_groups(current->signal);
	int n = l ? (int)l->n : 0, err = 0;

	if (size < 0 || (size && size < n))
		err = -EINVAL;
	else if (size && n && copy_to_user(list, l->gid, (size_t)n * sizeof(u32)))
		err = -EFAULT;
	put_groups(l);
	return err ? err : n;
}

/* NULL for none; ERR_PTR. */
static struct group_list *groups_from_user(unsigned n, const u32 __user *list)
{
	struct group_list *l;

	if (!n)
		return NULL;
	l = kmalloc(sizeof(*l) + n * sizeof(u32), GFP_KERNEL);
	if (!l)
		return ERR_PTR(-ENOMEM);
	refcount_set(&l->refs, 1);
	l->n = n;
	if (copy_from_user(l->gid, list, n * sizeof(u32))) {
		kfree(l);
		return ERR_PTR(-EFAULT);
	}
	for (unsigned i = 0; i < n; i++) {
		if (l->gid[i] == KEEP_ID) {
			kfree(l);
			return ERR_PTR(-EINVAL);
		}
	}
	sort_groups(l);
	return l;
}

SYSCALL_DEFINE2(setgroups, int, size, const u32 __user *, list)
{
	struct signal_struct *g = current->signal;
	struct group_list *new, *old;
	u64 flags;

	if (!capable(CAP_SETGID))
		return -EPERM;
	if ((unsigned)size > NGROUPS_MAX)
		return -EINVAL;
	new = groups_from_user((unsigned)size, list);
	if (IS_ERR(new))
		return PTR_ERR(new);
	spin_lock_irqsave(&tasklist_lock, flags);
	old = g->groups;
	g->groups = new;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	put_groups(old);
	return 0;
}
SYSCTL_FIXED(ngroups_max, "sys/kernel/ngroups_max", NGROUPS_MAX);

/* ---- limits ---- */

static int check_rlimit(const struct signal_struct *g, unsigned what, const struct rlimit *new)
{
	if (new->rlim_cur > new->rlim_max)
		return -EINVAL;
	if (what == RLIMIT_NOFILE && new->rlim_max > NR_OPEN)
		return -EPERM;
	if (new->rlim_max > g->rlim[what].rlim_max && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	return 0;
}

static bool may_limit(const struct signal_struct *g)
{
	const struct signal_struct *me = current->signal;

	return me == g || capable(CAP_SYS_RESOURCE) ||
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
	struct signal_struct *g;
	int err = 0;
	u64 flags;

	if (what >= RLIM_NLIMITS)
		return -EINVAL;
	spin_lock_irqsave(&tasklist_lock, flags);
	g = find_process(pid);
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
