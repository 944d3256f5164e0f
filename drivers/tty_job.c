/*
 * Job control, credentials(7), termios(3): a session may have one controlling terminal, and the
 * terminal has one process group in the foreground, which gets the keyboard's signals. A process of
 * another group that reads, or changes the terminal, is stopped by SIGTTIN or SIGTTOU until the
 * shell brings its group to the foreground.
 *
 * A session gets its terminal when its leader, who has none, opens one that is nobody's (unless with
 * O_NOCTTY), or asks for it with TIOCSCTTY. It loses it when the leader ends or gives it up, or when the
 * terminal is hung up, which vhangup(2) does.
 *
 * LOCKING: tasklist_lock guards struct ctty and every signal_struct's tty. Such a pointer holds no
 * reference; a terminal that goes away takes them all back first, under that lock, and after its files
 * have died, so nobody can attach it again. tty->lock is never taken together with it.
 */
#include "drivers/tty.h"

#include "fs/vfs.h"
#include "kernel/cpu/syscall.h"
#include "kernel/exec/cred.h"
#include "kernel/exec/process.h"
#include "kernel/lib/init.h"
#include "kernel/mm/uaccess.h"

static bool is_session_leader(const struct signal_struct *g)
{
	return g->session == g->pid;
}

static struct tty *ctty_to_tty(struct ctty *ctty)
{
	return ctty ? container_of(ctty, struct tty, ctty) : NULL;
}

/* ---- getting a terminal and losing it ---- */

/* Makes @tty the controlling terminal of current's session. tasklist_lock held. */
static void attach_locked(struct tty *tty)
{
	tty->ctty.session = current->signal->session;
	WRITE_ONCE(tty->ctty.pgrp, current->signal->pgrp);
	current->signal->tty = &tty->ctty;
	current->signal->tty_old_pgrp = 0;
}

void tty_detach_locked(struct tty *tty)
{
	struct task *t;

	list_for_each_entry(t, &all_tasks, all_link)
		if (t->signal && t->signal->tty == &tty->ctty)
			t->signal->tty = NULL;
	tty->ctty.session = 0;
	WRITE_ONCE(tty->ctty.pgrp, 0);
}

void tty_attach_at_open(struct tty_file *tf)
{
	struct tty *tty = tf->tty;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	if (is_session_leader(current->signal) && !current->signal->tty && !tty->ctty.session &&
	    !tty_file_hung(tf))
		attach_locked(tty);
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

static long set_controlling(struct tty *tty, const struct file *file, u64 steal, bool master)
{
	struct signal_struct *g = current->signal;
	long r = -EPERM;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	if (is_session_leader(g) && tty->ctty.session == g->session) {
		r = 0;
		goto out;
	}
	if (!is_session_leader(g) || g->tty)
		goto out;
	if (tty->ctty.session && (steal != 1 || !capable(CAP_SYS_ADMIN)))
		goto out;
	if (!(file->f_mode & FMODE_READ) && !capable(CAP_SYS_ADMIN))
		goto out;
	if (!master && tty_file_hung(file->private_data)) {
		r = -EIO;
		goto out;
	}
	tty_detach_locked(tty);
	attach_locked(tty);
	r = 0;
out:
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return r;
}

/* TIOCNOTTY. A session leader gives it up for all; the job in the foreground is told. */
static long give_up(struct tty *tty)
{
	struct signal_struct *g = current->signal;
	pid_t pgrp = 0;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	if (g->tty != &tty->ctty) {
		spin_unlock_irqrestore(&tasklist_lock, flags);
		return -ENOTTY;
	}
	if (is_session_leader(g)) {
		pgrp = tty->ctty.pgrp;
		tty_detach_locked(tty);
	}
	g->tty = NULL;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	if (pgrp > 0) {
		send_signal_pgrp(pgrp, SIGHUP, NULL);
		send_signal_pgrp(pgrp, SIGCONT, NULL);
	}
	return 0;
}

/* ---- who is in the foreground ---- */

/* Is @sig blocked or ignored by current? */
static bool is_ignored(int sig)
{
	struct sighand *sh;
	bool ignored;
	u64 flags;

	sh = lock_sighand(current->signal, &flags);
	ignored = (current->blocked & sigmask(sig)) || sh->action[sig - 1].sa_handler == SIG_IGN;
	unlock_sighand(sh, flags);
	return ignored;
}

long tty_check_foreground(struct tty *tty, int sig)
{
	struct signal_struct *g = current->signal;
	pid_t front = READ_ONCE(tty->ctty.pgrp), pgrp;
	bool orphaned;
	u64 flags;

	if (READ_ONCE(g->tty) != &tty->ctty || front == READ_ONCE(g->pgrp) || !front)
		return 0;
	if (is_ignored(sig))
		return sig == SIGTTIN ? -EIO : 0;
	spin_lock_irqsave(&tasklist_lock, flags);
	pgrp = g->pgrp;
	orphaned = pgrp_is_orphaned(pgrp, NULL);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	if (orphaned)
		return -EIO;
	send_signal_pgrp(pgrp, sig, NULL);
	return -ERESTARTSYS;
}

/* The session that group @pgrp belongs to, 0 if there is no such group. tasklist_lock held. */
static pid_t session_of(pid_t pgrp)
{
	struct task *t;

	list_for_each_entry(t, &all_tasks, all_link)
		if (t->signal && t->signal->pgrp == pgrp)
			return t->signal->session;
	return 0;
}

static long set_foreground(struct tty *tty, const int __user *p)
{
	struct signal_struct *g = current->signal;
	long r = tty_check_foreground(tty, SIGTTOU);
	pid_t pgrp, session;
	u64 flags;

	if (r)
		return r == -EIO ? -ENOTTY : r;
	if (get_user(pgrp, p))
		return -EFAULT;
	if (pgrp < 0)
		return -EINVAL;
	spin_lock_irqsave(&tasklist_lock, flags);
	session = session_of(pgrp);
	if (g->tty != &tty->ctty || tty->ctty.session != g->session)
		r = -ENOTTY;
	else if (!session)
		r = -ESRCH;
	else if (session != g->session)
		r = -EPERM;
	else
		WRITE_ONCE(tty->ctty.pgrp, pgrp);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return r;
}

long tty_ioctl_job(struct tty *tty, struct file *file, unsigned cmd, u64 arg, bool master)
{
	bool ours = master || READ_ONCE(current->signal->tty) == &tty->ctty;
	int __user *p = (int __user *)arg;
	pid_t session;

	switch (cmd) {
	case TIOCSCTTY:
		return set_controlling(tty, file, arg, master);
	case TIOCNOTTY:
		return give_up(tty);
	case TIOCSPGRP:
		return set_foreground(tty, p);
	case TIOCGPGRP:
		return ours ? put_user(READ_ONCE(tty->ctty.pgrp), p) : -ENOTTY;
	case TIOCGSID:
		session = READ_ONCE(tty->ctty.session);
		return ours && session ? put_user(session, p) : -ENOTTY;
	default:
		return -ENOTTY;
	}
}

/* ---- current's terminal ---- */

/* A reference to it, or NULL. */
static struct tty *get_current_tty(void)
{
	struct tty *tty;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	tty = ctty_to_tty(current->signal->tty);
	if (tty)
		tty_get(tty);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return tty;
}

/* For a login: whoever was there before reads the end, so that nobody reads along. */
SYSCALL_DEFINE0(vhangup)
{
	struct tty *tty;

	if (!capable(CAP_SYS_TTY_CONFIG))
		return -EPERM;
	tty = get_current_tty();
	if (tty) {
		tty_hangup(tty, false, false);
		tty_put(tty);
	}
	return 0;
}

static int current_tty_open(struct inode *inode, struct file *file)
{
	struct tty *tty = get_current_tty();

	return tty ? tty_open_file(tty, file, false) : -ENXIO;
}

static const struct file_operations current_tty_fops = {.open = current_tty_open};

/* ---- the end of a session leader ---- */

static int tty_task_fork(struct task *child, u64 clone_flags)
{
	return 0; /* the terminal is the process's, and fork copies that */
}

static void tty_task_exec(struct task *t)
{
}

/*
 * A line to the outside is cut when its session ends; a pty has somebody at its other end who decides
 * that. A leader whose terminal was cut before it ended still owes the job that was in the foreground
 * the news.
 */
static void leader_exits(struct signal_struct *g)
{
	struct tty *tty;
	pid_t pgrp;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	tty = ctty_to_tty(g->tty);
	if (tty)
		tty_get(tty);
	pgrp = tty ? tty->ctty.pgrp : g->tty_old_pgrp;
	g->tty_old_pgrp = 0;
	if (tty && tty->ops->free)
		tty_detach_locked(tty);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	if (tty && !tty->ops->free) {
		tty_hangup(tty, true, false);
	} else if (pgrp > 0) {
		send_signal_pgrp(pgrp, SIGHUP, NULL);
		if (!tty)
			send_signal_pgrp(pgrp, SIGCONT, NULL);
	}
	if (tty)
		tty_put(tty);
}

static void tty_task_exit(struct task *t)
{
	struct signal_struct *g = t->signal;

	if (g && is_session_leader(g) && !READ_ONCE(g->nr_live))
		leader_exits(g);
}

static struct task_ops tty_task_ops = {
	.fork = tty_task_fork,
	.exec = tty_task_exec,
	.exit = tty_task_exit,
};

static int tty_job_init(void)
{
	register_task_ops(&tty_task_ops);
	return devfs_register("tty", 0666, MKDEV(5, 0), &current_tty_fops, NULL);
}
device_initcall(tty_job_init);
