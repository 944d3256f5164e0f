/*
 * Terminals as files: open, read, write, poll, close, and hang-up.
 *
 *	/dev/ttyS0, /dev/console  the serial port (tty_serial.c)
 *	/dev/pts/N                the slave's end of a pty pair (pty.c)
 *	/dev/tty                  the controlling terminal of whoever opens it (tty_job.c)
 *
 * All of them come to tty_open_file(). A write(2) is one piece: while it waits for the device, others
 * wait for it, so lines of two programs do not mix.
 *
 * Hang-up is the end of a line: the other end of a pty was closed, or a session ended on the serial
 * port. Files that were opened before are dead from then on: they read as at their end, and everything
 * else is EIO. tty->hangups counts, and each file knows the count at its birth.
 *
 * LOCKING
 *	tty->lock	see tty_ldisc.c; also the number of open files.
 *	tty->writer	whose write(2) it is; those who want it wait on write_wait.
 *	tasklist_lock	sessions, see tty_job.c. Never taken together with tty->lock.
 */
#include "drivers/tty.h"

#include "kernel/exec/cred.h"
#include "kernel/exec/process.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"

#define EVERYTHING (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | EPOLLWRNORM)

void tty_setup(struct tty *tty, const struct tty_operations *ops, u64 rdev)
{
	tty->ctty.rdev = rdev;
	tty->ops = ops;
	tty->termios = ops->termios;
	refcount_set(&tty->refs, 1);
	spin_lock_init(&tty->lock);
	init_waitqueue_head(&tty->read_wait);
	init_waitqueue_head(&tty->write_wait);
	mutex_init(&tty->read_mutex);
}

void tty_put(struct tty *tty)
{
	if (refcount_dec_and_test(&tty->refs))
		tty->ops->free(tty);
}

/* ---- open and close ---- */

static int count_open(struct tty *tty, struct tty_file *tf)
{
	int err = 0;
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	if (tty->locked) {
		err = -EIO;
	} else if (tty->exclusive && tty->nr_open && !capable(CAP_SYS_ADMIN)) {
		err = -EBUSY;
	} else {
		tty->nr_open++;
		WRITE_ONCE(tty->was_opened, true);
		tf->hangups = tty->hangups;
	}
	spin_unlock_irqrestore(&tty->lock, flags);
	return err;
}

int tty_open_file(struct tty *tty, struct file *file, bool may_control)
{
	struct tty_file *tf = kzalloc(sizeof(*tf), GFP_KERNEL);
	int err = tf ? 0 : -ENOMEM;

	if (!err) {
		tf->tty = tty;
		err = count_open(tty, tf);
	}
	if (err) {
		kfree(tf);
		tty_put(tty);
		return err;
	}
	file->f_mode |= FMODE_STREAM;
	file->f_op = &tty_fops;
	file->private_data = tf;
	if (may_control && !(file->f_flags & O_NOCTTY) && (file->f_mode & FMODE_READ))
		tty_attach_at_open(tf);
	return 0;
}

static void tty_release(struct file *file)
{
	struct tty_file *tf = file->private_data;
	struct tty *tty = tf->tty;
	bool last;
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	last = --tty->nr_open == 0;
	if (last)
		WRITE_ONCE(tty->exclusive, false);
	spin_unlock_irqrestore(&tty->lock, flags);
	if (last && tty->ops->last_close)
		tty->ops->last_close(tty);
	kfree(tf);
	tty_put(tty);
}

/* ---- read and write ---- */

static ssize_t tty_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct tty_file *tf = file->private_data;
	long r;

	if (tty_file_hung(tf))
		return 0;
	r = tty_check_foreground(tf->tty, SIGTTIN);
	if (r || !to->count)
		return r;
	return tty_ldisc_read(tf, to, file->f_flags & O_NONBLOCK);
}

/* From here to end_write() nobody else writes: 0, -EAGAIN, -ERESTARTSYS. */
static int begin_write(struct tty *tty, bool nonblock)
{
	if (nonblock)
		return cmpxchg(&tty->writer, NULL, current) ? -EAGAIN : 0;
	return (int)wait_event_interruptible(&tty->write_wait,
					     !cmpxchg(&tty->writer, NULL, current));
}

static void end_write(struct tty *tty)
{
	/* What we did is done. Pairs with the cmpxchg() of the next one in begin_write(). */
	smp_store_release(&tty->writer, NULL);
	wake_up_poll_all(&tty->write_wait, EPOLLOUT | EPOLLWRNORM);
}

/* Writes until everything is out or the terminal takes no more. */
static ssize_t write_some(struct tty *tty, struct iov_iter *from)
{
	size_t done = 0, n, out;
	u8 chunk[64];

	while (from->count && tty_can_output(tty)) {
		n = copy_from_iter(chunk, min(sizeof(chunk), from->count), from);
		if (!n)
			return done ? (ssize_t)done : -EFAULT;
		out = tty_output(tty, chunk, n);
		iov_iter_revert(from, n - out);
		done += out;
		cond_resched();
	}
	return (ssize_t)done;
}

static ssize_t write_all(struct tty_file *tf, struct iov_iter *from, bool nonblock)
{
	struct tty *tty = tf->tty;
	size_t done = 0;
	ssize_t r = 0;

	while (from->count && !r) {
		if (tty_file_hung(tf)) {
			r = -EIO;
			break;
		}
		r = write_some(tty, from);
		if (r < 0)
			break;
		done += (size_t)r;
		r = 0;
		if (from->count && nonblock)
			r = -EAGAIN;
		else if (from->count)
			r = wait_event_interruptible(&tty->write_wait,
						     tty_can_output(tty) || tty_file_hung(tf));
	}
	return done ? (ssize_t)done : r;
}

static ssize_t tty_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	bool nonblock = file->f_flags & O_NONBLOCK;
	struct tty_file *tf = file->private_data;
	struct tty *tty = tf->tty;
	ssize_t r = 0;

	if (tty_file_hung(tf))
		return -EIO;
	if (tty_lflag(tty, TOSTOP))
		r = tty_check_foreground(tty, SIGTTOU);
	if (!r)
		r = begin_write(tty, nonblock);
	if (r)
		return r;
	r = write_all(tf, from, nonblock);
	end_write(tty);
	return r;
}

static __poll_t tty_poll(struct file *file, struct poll_table *pt)
{
	struct tty_file *tf = file->private_data;
	struct tty *tty = tf->tty;
	__poll_t mask = 0;

	poll_wait(file, &tty->read_wait, pt);
	poll_wait(file, &tty->write_wait, pt);
	if (tty_file_hung(tf))
		return EVERYTHING;
	if (tty_readable(tty))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (tty_can_output(tty) && !READ_ONCE(tty->writer))
		mask |= EPOLLOUT | EPOLLWRNORM;
	return mask;
}

const struct file_operations tty_fops = {
	.read = tty_read,
	.write = tty_write,
	.poll = tty_poll,
	.async = EPOLLIN | EPOLLHUP,
	.ioctl = tty_ioctl,
	.release = tty_release,
};

/* ---- hang-up ---- */

/*
 * Takes the terminal from its session: the leader is told, unless it is the one who ends, and then the
 * job in the foreground is. It remembers that job, for a leader that ends of its SIGHUP passes the news on.
 */
static void end_session(struct tty *tty, bool leader_exits)
{
	struct task *t;
	pid_t pgrp;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	pgrp = tty->ctty.pgrp;
	t = tty->ctty.session ? find_task_locked(tty->ctty.session) : NULL;
	if (t && t->signal && t->signal->tty == &tty->ctty && !leader_exits) {
		t->signal->tty_old_pgrp = pgrp;
		send_signal_group(t->signal, SIGHUP, NULL);
		send_signal_group(t->signal, SIGCONT, NULL);
	}
	tty_detach_locked(tty);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	if (leader_exits && pgrp > 0)
		send_signal_pgrp(pgrp, SIGHUP, NULL);
}

/* First the files die, then the session is told: nobody can take the terminal in between for good. */
void tty_hangup(struct tty *tty, bool leader_exits, bool for_good)
{
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	WRITE_ONCE(tty->hangups, tty->hangups + 1);
	tty->locked |= for_good;
	WRITE_ONCE(tty->exclusive, false);
	tty->termios = tty->ops->termios;
	tty_set_flow(tty, false, tty->stopped_by_tcflow);
	tty_discard_input(tty);
	spin_unlock_irqrestore(&tty->lock, flags);
	end_session(tty, leader_exits);
	wake_up_poll_all(&tty->read_wait, EVERYTHING);
	wake_up_poll_all(&tty->write_wait, EVERYTHING);
}
