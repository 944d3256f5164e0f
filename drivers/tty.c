/*
 * Terminals as files: open, read, write, poll, ioctl_tty(2), and job control.
 *
 *	/dev/ttyS0, /dev/console  the serial port
 *	/dev/tty                  the controlling terminal of whoever opens it
 *
 * Job control (credentials(7), termios(3)): a session may have one controlling terminal, and the
 * terminal has one process group in the foreground, which gets the keyboard's signals. A process of
 * another group that reads, or changes the terminal, is stopped by SIGTTIN or SIGTTOU until the
 * shell brings its group to the foreground.
 *
 * LOCKING
 *	tasklist_lock	tty->session, tty->pgrp and every signal_struct's tty. tty->lock is never
 *			taken together with it.
 *	write_mutex	held over one write(2) as far as it goes without waiting.
 *	The rest is tty_ldisc.c's.
 */
#include "drivers/tty.h"

#include "drivers/serial.h"
#include "fs/vfs.h"
#include "kernel/exec/process.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/uaccess.h"

#define TCGETS     0x5401
#define TCSETS     0x5402
#define TCSETSW    0x5403
#define TCSETSF    0x5404
#define TCSBRK     0x5409
#define TCXONC     0x540a
#define TCFLSH     0x540b
#define TIOCEXCL   0x540c
#define TIOCNXCL   0x540d
#define TIOCSCTTY  0x540e
#define TIOCGPGRP  0x540f
#define TIOCSPGRP  0x5410
#define TIOCOUTQ   0x5411
#define TIOCGWINSZ 0x5413
#define TIOCSWINSZ 0x5414
#define FIONREAD   0x541b
#define TIOCNOTTY  0x5422
#define TIOCSETD   0x5423
#define TIOCGETD   0x5424
#define TCSBRKP    0x5425
#define TIOCGSID   0x5429

/* As Linux starts a serial line. */
static const struct termios initial_termios = {
	.c_iflag = ICRNL | IXON,
	.c_oflag = OPOST | ONLCR,
	.c_cflag = B115200 | CS8 | CREAD | HUPCL | CLOCAL,
	.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
	.c_cc = {[VINTR] = 3,
		 [VQUIT] = 28,
		 [VERASE] = 127,
		 [VKILL] = 21,
		 [VEOF] = 4,
		 [VMIN] = 1,
		 [VSTART] = 17,
		 [VSTOP] = 19,
		 [VSUSP] = 26,
		 [VREPRINT] = 18,
		 [13] = 15,
		 [VWERASE] = 23,
		 [VLNEXT] = 22},
};

void tty_setup(struct tty *tty, const struct tty_driver *driver, void *data)
{
	tty->driver = driver;
	tty->driver_data = data;
	tty->termios = initial_termios;
	spin_lock_init(&tty->lock);
	init_waitqueue_head(&tty->read_wait);
	init_waitqueue_head(&tty->write_wait);
	mutex_init(&tty->read_mutex);
	mutex_init(&tty->write_mutex);
}

/* ---- sessions ---- */

static bool is_session_leader(const struct task *t)
{
	return t->signal->session == t->tgid;
}

/* Makes @tty the controlling terminal of current's session. tasklist_lock held. */
static void attach_locked(struct tty *tty)
{
	tty->session = current->signal->session;
	WRITE_ONCE(tty->pgrp, current->signal->pgrp);
	current->signal->tty = tty;
}

/* Takes the terminal from every process of its session. tasklist_lock held. */
static void detach_locked(struct tty *tty)
{
	struct task *t;

	list_for_each_entry(t, &all_tasks, all_link)
		if (t->signal && t->signal->tty == tty)
			t->signal->tty = NULL;
	tty->session = 0;
	WRITE_ONCE(tty->pgrp, 0);
}

/* A session leader gives its terminal up: the job in the foreground is told. */
static void disassociate(struct tty *tty)
{
	pid_t pgrp;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	pgrp = tty->pgrp;
	detach_locked(tty);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	if (pgrp > 0) {
		send_signal_pgrp(pgrp, SIGHUP, NULL);
		send_signal_pgrp(pgrp, SIGCONT, NULL);
	}
}

/* open(2) of a terminal by a session leader that has none. */
static void attach_at_open(struct tty *tty)
{
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	if (is_session_leader(current) && !current->signal->tty && !tty->session)
		attach_locked(tty);
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

static long set_controlling(struct tty *tty, u64 steal)
{
	struct signal_struct *g = current->signal;
	long r = 0;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	if (is_session_leader(current) && g->tty == tty)
		goto out;
	r = -EPERM;
	if (!is_session_leader(current) || g->tty)
		goto out;
	if (tty->session) {
		if (steal != 1 || g->euid)
			goto out;
		detach_locked(tty);
	}
	attach_locked(tty);
	r = 0;
out:
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return r;
}

static long give_up(struct tty *tty)
{
	u64 flags;

	if (current->signal->tty != tty)
		return -ENOTTY;
	if (is_session_leader(current)) {
		disassociate(tty);
		return 0;
	}
	spin_lock_irqsave(&tasklist_lock, flags);
	current->signal->tty = NULL;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return 0;
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

static long set_foreground(struct tty *tty, pid_t pgrp)
{
	pid_t session;
	long r = 0;
	u64 flags;

	if (pgrp < 0)
		return -EINVAL;
	spin_lock_irqsave(&tasklist_lock, flags);
	session = session_of(pgrp);
	if (current->signal->tty != tty || tty->session != current->signal->session)
		r = -ENOTTY;
	else if (!session)
		r = -ESRCH;
	else if (session != tty->session)
		r = -EPERM;
	else
		WRITE_ONCE(tty->pgrp, pgrp);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return r;
}

/*
 * May current's group use the terminal in a way that @sig guards? 0, or -EIO, or -ERESTARTSYS after
 * its group was sent the signal.
 */
static long check_foreground(struct tty *tty, int sig)
{
	struct signal_struct *g = current->signal;
	bool ignored, orphaned;
	pid_t pgrp;
	u64 flags;

	if (READ_ONCE(g->tty) != tty || READ_ONCE(tty->pgrp) == g->pgrp || !tty->pgrp)
		return 0;
	spin_lock_irqsave(&current->sighand->lock, flags);
	ignored = (current->blocked & sigmask(sig)) ||
		  current->sighand->action[sig - 1].sa_handler == SIG_IGN;
	spin_unlock_irqrestore(&current->sighand->lock, flags);
	if (ignored)
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

/* ---- file operations ---- */

static int tty_open(struct inode *inode, struct file *file)
{
	file->f_mode |= FMODE_STREAM;
	/* /dev/console is never made the controlling terminal by merely opening it. */
	if (!(file->f_flags & O_NOCTTY) && inode->i_rdev != MKDEV(5, 1))
		attach_at_open(file->private_data);
	return 0;
}

static int current_tty_open(struct inode *inode, struct file *file)
{
	file->f_mode |= FMODE_STREAM;
	file->private_data = READ_ONCE(current->signal->tty);
	return file->private_data ? 0 : -ENXIO;
}

static ssize_t tty_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct tty *tty = file->private_data;
	long r = check_foreground(tty, SIGTTIN);

	if (r)
		return r;
	if (!to->count)
		return 0;
	return tty_ldisc_read(tty, to, file->f_flags & O_NONBLOCK);
}

static bool can_write(struct tty *tty)
{
	return !READ_ONCE(tty->stopped) && tty->driver->room(tty) >= 8;
}

/* Writes until everything is out or the terminal takes no more. */
static ssize_t write_some(struct tty *tty, struct iov_iter *from)
{
	size_t done = 0;
	u8 chunk[64];

	while (from->count && can_write(tty)) {
		size_t n = copy_from_iter(chunk, min(sizeof(chunk), from->count), from), out;

		if (!n)
			return done ? (ssize_t)done : -EFAULT;
		out = tty_output(tty, chunk, n);
		iov_iter_revert(from, n - out);
		done += out;
		cond_resched();
	}
	return (ssize_t)done;
}

static ssize_t tty_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	struct tty *tty = file->private_data;
	size_t done = 0;
	ssize_t r = 0;

	if (tty->termios.c_lflag & TOSTOP)
		r = check_foreground(tty, SIGTTOU);
	while (from->count && !r) {
		mutex_lock(&tty->write_mutex);
		r = write_some(tty, from);
		mutex_unlock(&tty->write_mutex);
		if (r < 0)
			break;
		done += (size_t)r;
		r = 0;
		if (from->count && (file->f_flags & O_NONBLOCK))
			r = -EAGAIN;
		else if (from->count)
			r = wait_event_interruptible(&tty->write_wait, can_write(tty));
	}
	return done ? (ssize_t)done : r;
}

static __poll_t tty_poll(struct file *file, struct poll_table *pt)
{
	struct tty *tty = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &tty->read_wait, pt);
	poll_wait(file, &tty->write_wait, pt);
	if (tty_readable(tty))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (can_write(tty))
		mask |= EPOLLOUT | EPOLLWRNORM;
	return mask;
}

/* ---- ioctl ---- */

static long set_termios(struct tty *tty, const void __user *arg, bool flush)
{
	struct termios t;
	long r = check_foreground(tty, SIGTTOU);

	if (r)
		return r;
	if (copy_from_user(&t, arg, sizeof(t)))
		return -EFAULT;
	/* Output is never behind, so TCSETSW has nothing to wait for. */
	tty_set_termios(tty, &t, flush);
	return 0;
}

static long get_termios(struct tty *tty, void __user *arg)
{
	struct termios t;
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	t = tty->termios;
	spin_unlock_irqrestore(&tty->lock, flags);
	return copy_to_user(arg, &t, sizeof(t)) ? -EFAULT : 0;
}

static long get_winsize(struct tty *tty, void __user *arg)
{
	struct winsize w;
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	w = tty->winsize;
	spin_unlock_irqrestore(&tty->lock, flags);
	return copy_to_user(arg, &w, sizeof(w)) ? -EFAULT : 0;
}

static long set_winsize(struct tty *tty, const void __user *arg)
{
	struct winsize w;
	bool changed;
	pid_t pgrp;
	u64 flags;

	if (copy_from_user(&w, arg, sizeof(w)))
		return -EFAULT;
	spin_lock_irqsave(&tty->lock, flags);
	changed = memcmp(&w, &tty->winsize, sizeof(w));
	tty->winsize = w;
	spin_unlock_irqrestore(&tty->lock, flags);
	pgrp = READ_ONCE(tty->pgrp);
	if (changed && pgrp > 0)
		send_signal_pgrp(pgrp, SIGWINCH, NULL);
	return 0;
}

/* TCFLSH: 0 input, 1 output, 2 both. Output is never behind. */
static long flush(struct tty *tty, u64 queue)
{
	long r = check_foreground(tty, SIGTTOU);

	if (r)
		return r;
	if (queue > 2)
		return -EINVAL;
	if (queue != 1)
		tty_flush_input(tty);
	return 0;
}

/* TCXONC: 0 and 1 stop and start output; 2 and 3 would send ^S and ^Q to the other side. */
static long flow(struct tty *tty, u64 action)
{
	long r = check_foreground(tty, SIGTTOU);
	u8 c;

	if (r)
		return r;
	if (action <= 1) {
		tty_set_stopped(tty, action == 0);
		return 0;
	}
	if (action > 3)
		return -EINVAL;
	c = tty->termios.c_cc[action == 2 ? VSTOP : VSTART];
	if (c)
		tty_output(tty, &c, 1);
	return 0;
}

static long ioctl_job(struct tty *tty, unsigned cmd, u64 arg)
{
	int __user *p = (int __user *)arg;
	bool ours = READ_ONCE(current->signal->tty) == tty;
	int v;
	long r;

	switch (cmd) {
	case TIOCSCTTY:
		return set_controlling(tty, arg);
	case TIOCNOTTY:
		return give_up(tty);
	case TIOCGPGRP:
		return ours ? put_user(READ_ONCE(tty->pgrp), p) : -ENOTTY;
	case TIOCGSID:
		return ours ? put_user(READ_ONCE(tty->session), p) : -ENOTTY;
	default: /* TIOCSPGRP */
		r = check_foreground(tty, SIGTTOU);
		if (r)
			return r;
		if (!ours)
			return -ENOTTY;
		if (get_user(v, p))
			return -EFAULT;
		return set_foreground(tty, v);
	}
}

static long tty_ioctl(struct file *file, unsigned cmd, u64 arg)
{
	struct tty *tty = file->private_data;
	void __user *p = (void __user *)arg;
	int v;

	switch (cmd) {
	case TCGETS:
		return get_termios(tty, p);
	case TCSETS:
	case TCSETSW:
		return set_termios(tty, p, false);
	case TCSETSF:
		return set_termios(tty, p, true);
	case TIOCGWINSZ:
		return get_winsize(tty, p);
	case TIOCSWINSZ:
		return set_winsize(tty, p);
	case FIONREAD:
		return put_user((int)tty_input_count(tty), (int __user *)p);
	case TIOCOUTQ:
		return put_user(0, (int __user *)p);
	case TCFLSH:
		return flush(tty, arg);
	case TCXONC:
		return flow(tty, arg);
	case TCSBRK:
	case TCSBRKP:
		return check_foreground(tty, SIGTTOU);
	case TIOCEXCL:
	case TIOCNXCL:
		return 0;
	case TIOCGETD:
		return put_user(0, (int __user *)p);
	case TIOCSETD:
		if (get_user(v, (int __user *)p))
			return -EFAULT;
		return v ? -EINVAL : 0;
	case TIOCSCTTY:
	case TIOCNOTTY:
	case TIOCGPGRP:
	case TIOCSPGRP:
	case TIOCGSID:
		return ioctl_job(tty, cmd, arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations tty_fops = {
	.open = tty_open,
	.read = tty_read,
	.write = tty_write,
	.poll = tty_poll,
	.ioctl = tty_ioctl,
};

static const struct file_operations current_tty_fops = {
	.open = current_tty_open,
	.read = tty_read,
	.write = tty_write,
	.poll = tty_poll,
	.ioctl = tty_ioctl,
};

/* ---- the end of a session ---- */

static int tty_task_fork(struct task *child, u64 clone_flags)
{
	return 0; /* the terminal is the process's, and fork copies that */
}

static void tty_task_exec(struct task *t)
{
}

static void tty_task_exit(struct task *t)
{
	struct tty *tty = t->signal ? READ_ONCE(t->signal->tty) : NULL;

	if (tty && t->signal->leader == t && is_session_leader(t))
		disassociate(tty);
}

static struct task_ops tty_task_ops = {
	.fork = tty_task_fork,
	.exec = tty_task_exec,
	.exit = tty_task_exit,
};

/* ---- the serial terminal ---- */

static struct tty serial_tty;

static size_t serial_tty_write(struct tty *tty, const u8 *s, size_t n)
{
	serial_write((const char *)s, n);
	return n;
}

/* It waits for the transmitter itself. */
static size_t serial_tty_room(struct tty *tty)
{
	return 4096;
}

static const struct tty_driver serial_driver = {
	.write = serial_tty_write,
	.room = serial_tty_room,
};

static void serial_received(const u8 *s, size_t n)
{
	tty_receive(&serial_tty, s, n);
}

static int tty_init(void)
{
	int err;

	tty_setup(&serial_tty, &serial_driver, NULL);
	register_task_ops(&tty_task_ops);
	err = devfs_register("ttyS0", 0660, MKDEV(4, 64), &tty_fops, &serial_tty);
	if (!err)
		err = devfs_register("console", 0600, MKDEV(5, 1), &tty_fops, &serial_tty);
	if (!err)
		err = devfs_register("tty", 0666, MKDEV(5, 0), &current_tty_fops, NULL);
	if (!err)
		serial_set_receiver(serial_received);
	return err;
}
device_initcall(tty_init);
