/*
 * Process groups and sessions: setpgid(2), setsid(2), credentials(7).
 *
 * A session is what one login is; a process group is one job of it, the processes of a pipeline. The
 * terminal sends ^C and ^Z to a whole group, and kill(2) does with a negative pid. The members of
 * a group are in one chain of a hash table by the group's id, so reaching them costs nothing for the
 * processes outside.
 *
 * A group is orphaned when none of its members has a parent outside the group but in the same
 * session: then nobody would ever continue it, so the terminal's stop signals do not stop it, and if
 * it is stopped already it gets SIGHUP and SIGCONT (POSIX, exit()).
 *
 * LOCKING: everything here is guarded by tasklist_lock.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/process.h"
#include "kernel/lib/init.h"

#define PGRP_HASH_BITS 8

static struct list_head pgrp_hash[1 << PGRP_HASH_BITS];

static struct list_head *pgrp_bucket(pid_t pgrp)
{
	return &pgrp_hash[pgrp & ((1 << PGRP_HASH_BITS) - 1)];
}

#define for_each_member(g, id) \
	list_for_each_entry(g, pgrp_bucket(id), pgrp_link) \
		if ((g)->pgrp == (id))

void pgrp_attach(struct signal_struct *g, pid_t pgrp)
{
	g->pgrp = pgrp;
	list_add(&g->pgrp_link, pgrp_bucket(pgrp));
}

void pgrp_detach(struct signal_struct *g)
{
	list_del_init(&g->pgrp_link);
}

bool pgrp_is_orphaned(pid_t pgrp, const struct signal_struct *ignored)
{
	struct signal_struct *g;

	for_each_member(g, pgrp)
	{
		struct signal_struct *parent = g->parent;

		if (g == ignored || !g->nr_threads || !parent || parent->pid == 1)
			continue;
		if (parent->pgrp != pgrp && parent->session == g->session)
			return false;
	}
	return true;
}

static bool has_stopped_member(pid_t pgrp)
{
	struct signal_struct *g;

	for_each_member(g, pgrp)
	{
		if (READ_ONCE(g->stop_signal))
			return true;
	}
	return false;
}

static int signal_members(pid_t pgrp, int sig, const siginfo_t *info)
{
	struct signal_struct *g;
	int n = 0;

	for_each_member(g, pgrp)
	{
		n++;
		if (sig)
			send_signal_group(g, sig, info);
	}
	return n;
}

void pgrp_kill_orphaned(struct signal_struct *g, struct signal_struct *parent, bool ending)
{
	if (!parent || parent->pgrp == g->pgrp || parent->session != g->session)
		return; /* it was not the link that kept the group from being orphaned */
	if (!has_stopped_member(g->pgrp) || !pgrp_is_orphaned(g->pgrp, ending ? g : NULL))
		return;
	signal_members(g->pgrp, SIGHUP, NULL);
	signal_members(g->pgrp, SIGCONT, NULL);
}

int send_signal_pgrp(pid_t pgrp, int sig, const siginfo_t *info)
{
	u64 flags;
	int n;

	spin_lock_irqsave(&tasklist_lock, flags);
	n = signal_members(pgrp, sig, info);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return n;
}

bool pgrp_exists(pid_t pgrp)
{
	struct signal_struct *g;

	for_each_member(g, pgrp)
	{
		return true;
	}
	return false;
}

void for_each_in_pgrp(pid_t pgrp, void (*fn)(struct signal_struct *g, void *arg), void *arg)
{
	struct signal_struct *g;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	for_each_member(g, pgrp)
	{
		fn(g, arg);
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

int kill_pgrp(pid_t pgrp, int sig, const siginfo_t *info)
{
	struct signal_struct *g;
	int ret = -ESRCH, err;
	bool sent = false;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	for_each_member(g, pgrp)
	{
		err = check_kill_permission(g, sig);
		if (!err && sig)
			err = send_signal_group(g, sig, info);
		sent |= !err;
		ret = err;
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return sent ? 0 : ret;
}

/* ---- system calls ---- */

struct signal_struct *find_process(pid_t pid)
{
	struct task *t;

	if (!pid)
		return current->signal;
	t = find_task_locked(pid);
	return t ? t->signal : NULL;
}

/* Is there a group @pgrp in session @session? */
static bool pgrp_in_session(pid_t pgrp, pid_t session)
{
	struct signal_struct *g;

	for_each_member(g, pgrp)
	{
		if (g->session == session)
			return true;
	}
	return false;
}

static int may_set_pgid(struct signal_struct *g, pid_t pid, pid_t pgid)
{
	struct signal_struct *me = current->signal;

	if (!g || g->pid != pid || (g != me && g->parent != me))
		return -ESRCH;
	if (g != me && g->session != me->session)
		return -EPERM;
	if (g != me && g->did_exec)
		return -EACCES;
	if (g->session == g->pid)
		return -EPERM; /* a session leader leads its group for good */
	if (pgid != pid && !pgrp_in_session(pgid, me->session))
		return -EPERM;
	return 0;
}

SYSCALL_DEFINE2(setpgid, pid_t, pid, pid_t, pgid)
{
	struct signal_struct *g;
	u64 flags;
	int err;

	if (!pid)
		pid = current->tgid;
	if (!pgid)
		pgid = pid;
	if (pgid < 0)
		return -EINVAL;
	spin_lock_irqsave(&tasklist_lock, flags);
	g = find_process(pid);
	err = may_set_pgid(g, pid, pgid);
	if (!err && g->pgrp != pgid) {
		pgrp_detach(g);
		pgrp_attach(g, pgid);
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return err;
}

/* Reads one of a process's two ids. */
static long get_id(pid_t pid, bool session)
{
	struct signal_struct *g;
	long ret = -ESRCH;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	g = find_process(pid);
	if (g)
		ret = session ? g->session : g->pgrp;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return ret;
}

SYSCALL_DEFINE1(getpgid, pid_t, pid)
{
	return get_id(pid, false);
}

SYSCALL_DEFINE0(getpgrp)
{
	return current->signal->pgrp;
}

SYSCALL_DEFINE1(getsid, pid_t, pid)
{
	return get_id(pid, true);
}

SYSCALL_DEFINE0(setsid)
{
	struct signal_struct *me = current->signal;
	long ret = me->pid;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	if (pgrp_exists(me->pid)) { /* the caller leads it, or a member has outlived its leader */
		ret = -EPERM;
	} else {
		pgrp_detach(me);
		pgrp_attach(me, me->pid);
		me->session = me->pid;
		me->tty = NULL;
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return ret;
}

static __init int pgrp_init(void)
{
	for (int i = 0; i < 1 << PGRP_HASH_BITS; i++)
		INIT_LIST_HEAD(&pgrp_hash[i]);
	return 0;
}
core_initcall(pgrp_init);
