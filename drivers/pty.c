/*
 * Pseudo-terminals, pty(7): a terminal whose device is a program. Opening /dev/ptmx makes a pair: the
 * file is the master, and /dev/pts/N, which appears with it, is the slave, a struct tty like any
 * other. A terminal emulator, sshd or script(1) holds the master, a shell runs on the slave.
 *
 *	master write(2) -> tty_receive() -> the slave's line discipline -> slave read(2)
 *	                        \-> echo \
 *	slave write(2) -> tty_output() -> ring -> master read(2)
 *
 * Nothing is lost between the two: a master that writes more than the slave's ring takes waits for
 * readers there, a slave that writes more than the master's ring takes waits for the master.
 *
 *	made		/dev/ptmx was opened; the slave is locked until unlockpt(3), TIOCSPTLCK
 *	open		somebody holds the slave
 *	slave closed	the master reads what is left, then -EIO, and polls EPOLLHUP; the slave may be
 *			opened again
 *	hung up		the master was closed: /dev/pts/N is gone, the slave's files are dead, its session
 *			has lost its terminal
 *	free		the last file of the slave was closed; the number may be used again
 *
 * LOCKING
 *	pty_mutex	the table of numbers and the nodes of /dev/pts. Process context, outermost.
 *	slave.lock	all of a pair: one lock, because echo goes straight from one direction into the other.
 *			Waiters of the master are woken under it.
 */
#include "drivers/tty.h"

#include "fs/vfs.h"
#include "kernel/exec/process.h"
#include "kernel/lib/init.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"

#define PTY_MAX      1024
#define PTY_RING     4096u /* a power of two */
#define PTS_MAJOR    136
#define PTMX_DEVICE  MKDEV(5, 2)
#define MASTER_READS (EPOLLIN | EPOLLRDNORM)

/* Locks: [l] slave.lock  [lr] written with it, read without  [P] pty_mutex  [I] immutable */
struct pty {
	struct tty slave;
	unsigned index;    /* [I] N of /dev/pts/N */
	u8 ring[PTY_RING]; /* [l] from the slave to the master */
	u32 head, tail;    /* [lr] run freely */
	bool packet;       /* [lr] TIOCPKT */
	u8 status;         /* [lr] TIOCPKT_* that the master has not been told */
	struct wait_queue_head read_wait, write_wait; /* the master's */
};

static DEFINE_MUTEX(pty_mutex);
static struct pty *ptys[PTY_MAX]; /* [P] until the last reference to the slave is gone */

static struct pty *pty_of(struct tty *slave)
{
	return container_of(slave, struct pty, slave);
}

/* ---- the slave's device ---- */

static size_t pty_room(struct tty *slave)
{
	struct pty *pty = pty_of(slave);

	return PTY_RING - (READ_ONCE(pty->head) - READ_ONCE(pty->tail));
}

static size_t pty_write(struct tty *slave, const u8 *s, size_t n)
{
	struct pty *pty = pty_of(slave);

	n = min(n, pty_room(slave));
	for (size_t i = 0; i < n; i++)
		pty->ring[(pty->head + i) % PTY_RING] = s[i];
	WRITE_ONCE(pty->head, pty->head + (u32)n);
	if (n)
		wake_up_poll(&pty->read_wait, MASTER_READS);
	return n;
}

/* Of two opposites the later one counts. */
static void pty_notify(struct tty *slave, u8 what)
{
	static const u8 opposites[][2] = {{TIOCPKT_STOP, TIOCPKT_START},
					  {TIOCPKT_NOSTOP, TIOCPKT_DOSTOP}};
	struct pty *pty = pty_of(slave);
	u8 status = pty->status;

	if (!pty->packet)
		return;
	for (int i = 0; i < 2; i++) {
		if (what == opposites[i][0])
			status &= (u8)~opposites[i][1];
		if (what == opposites[i][1])
			status &= (u8)~opposites[i][0];
	}
	WRITE_ONCE(pty->status, status | what);
	wake_up_poll(&pty->read_wait, EPOLLPRI | MASTER_READS);
}

static void pty_unthrottle(struct tty *slave)
{
	wake_up_poll_all(&pty_of(slave)->write_wait, EPOLLOUT | EPOLLWRNORM);
}

static void pty_slave_closed(struct tty *slave)
{
	wake_up_poll_all(&pty_of(slave)->read_wait, EPOLLHUP | MASTER_READS);
}

static void pty_free(struct tty *slave)
{
	struct pty *pty = pty_of(slave);

	mutex_lock(&pty_mutex);
	ptys[pty->index] = NULL;
	mutex_unlock(&pty_mutex);
	kfree(pty);
}

static const struct tty_operations pty_operations = {
	.write = pty_write,
	.room = pty_room,
	.notify = pty_notify,
	.unthrottle = pty_unthrottle,
	.last_close = pty_slave_closed,
	.free = pty_free,
	.termios = TTY_TERMIOS(B38400 | CS8 | CREAD, 38400),
};

static int pts_open(struct inode *inode, struct file *file)
{
	u64 index = MINOR(inode->i_rdev);
	struct tty *slave = NULL;

	mutex_lock(&pty_mutex);
	if (index < PTY_MAX && ptys[index] && refcount_inc_not_zero(&ptys[index]->slave.refs))
		slave = &ptys[index]->slave;
	mutex_unlock(&pty_mutex);
	return slave ? tty_open_file(slave, file, true) : -EIO;
}

static const struct file_operations pts_fops = {.open = pts_open};

/* ---- the master ---- */

/* Has the slave been opened, and closed again by everybody? */
static bool slave_closed(const struct pty *pty)
{
	return READ_ONCE(pty->slave.was_opened) && !READ_ONCE(pty->slave.nr_open);
}

static bool has_status(const struct pty *pty)
{
	return READ_ONCE(pty->packet) && READ_ONCE(pty->status);
}

static bool master_readable(const struct pty *pty)
{
	return READ_ONCE(pty->head) != READ_ONCE(pty->tail) || has_status(pty);
}

/* Takes bytes of the ring; in packet mode @to begins with the status byte, and may consist of it. */
static size_t take(struct pty *pty, u8 *to, size_t max, bool first)
{
	size_t n = 0;
	u32 tail;
	u64 flags;

	spin_lock_irqsave(&pty->slave.lock, flags);
	tail = pty->tail;
	if (first && pty->packet && (pty->status || tail != pty->head)) {
		to[n++] = pty->status;
		if (pty->status)
			max = n;
		WRITE_ONCE(pty->status, 0);
	}
	while (n < max && tail != pty->head)
		to[n++] = pty->ring[tail++ % PTY_RING];
	WRITE_ONCE(pty->tail, tail);
	spin_unlock_irqrestore(&pty->slave.lock, flags);
	return n;
}

/* What is there; 0 for nothing. */
static ssize_t master_take(struct pty *pty, struct iov_iter *to)
{
	size_t done = 0, n;
	u8 chunk[256];

	do {
		n = take(pty, chunk, min(sizeof(chunk), to->count), !done);
		if (copy_to_iter(chunk, n, to) != n)
			return done ? (ssize_t)done : -EFAULT;
		done += n;
	} while (n == sizeof(chunk) && to->count);
	if (done && pty_room(&pty->slave) >= PTY_RING / 2)
		tty_wakeup(&pty->slave);
	return (ssize_t)done;
}

static ssize_t master_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct pty *pty = file->private_data;
	bool closed;
	ssize_t r;

	if (!to->count)
		return 0;
	for (;;) {
		closed = slave_closed(pty);
		smp_rmb(); /* what was written before the close is seen: pairs with the slave's lock */
		r = master_take(pty, to);
		if (r)
			return r;
		if (closed)
			return -EIO;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		r = wait_event_interruptible(&pty->read_wait,
					     master_readable(pty) || slave_closed(pty));
		if (r)
			return r;
	}
}

static ssize_t master_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	struct pty *pty = file->private_data;
	struct tty *slave = &pty->slave;
	size_t done = 0, n, taken;
	ssize_t r = 0;
	u8 chunk[256];

	while (from->count && !r) {
		n = copy_from_iter(chunk, min(sizeof(chunk), from->count), from);
		if (!n) {
			r = -EFAULT;
			break;
		}
		taken = tty_receive(slave, chunk, n);
		iov_iter_revert(from, n - taken);
		done += taken;
		cond_resched();
		if (taken == n)
			continue;
		if (file->f_flags & O_NONBLOCK)
			r = -EAGAIN;
		else
			r = wait_event_interruptible(&pty->write_wait, tty_receive_room(slave));
	}
	return done ? (ssize_t)done : r;
}

static __poll_t master_poll(struct file *file, struct poll_table *pt)
{
	struct pty *pty = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &pty->read_wait, pt);
	poll_wait(file, &pty->write_wait, pt);
	if (slave_closed(pty))
		mask |= EPOLLHUP;
	if (master_readable(pty))
		mask |= MASTER_READS;
	if (has_status(pty))
		mask |= EPOLLPRI;
	if (tty_receive_room(&pty->slave))
		mask |= EPOLLOUT | EPOLLWRNORM;
	return mask;
}

/* ---- the master's ioctls ---- */

/* A bool of the pair, from the user's int. */
static long set_flag(struct pty *pty, bool *flag, const int __user *p)
{
	u64 flags;
	int v;

	if (get_user(v, p))
		return -EFAULT;
	spin_lock_irqsave(&pty->slave.lock, flags);
	if (flag == &pty->packet && v && !pty->packet)
		WRITE_ONCE(pty->status, 0);
	WRITE_ONCE(*flag, v != 0);
	spin_unlock_irqrestore(&pty->slave.lock, flags);
	return 0;
}

/* TIOCGPTPEER: the slave of just this master, by a name that nobody else had a hand in. */
static long open_peer(struct pty *pty, u32 flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/pts/%u", pty->index);
	return fd_install_new(filp_open(path, flags & (O_ACCMODE | O_NOCTTY | O_NONBLOCK), 0),
			      flags & O_CLOEXEC);
}

static long signal_foreground(struct pty *pty, u64 sig)
{
	pid_t pgrp = READ_ONCE(pty->slave.ctty.pgrp);

	if (sig < 1 || sig > NSIG)
		return -EINVAL;
	if (pgrp > 0)
		send_signal_pgrp(pgrp, (int)sig, NULL);
	return 0;
}

static long master_flush(struct pty *pty, u64 queue)
{
	u64 flags;

	if (queue > TCIOFLUSH)
		return -EINVAL;
	if (queue != TCOFLUSH) {
		spin_lock_irqsave(&pty->slave.lock, flags);
		WRITE_ONCE(pty->tail, pty->head);
		spin_unlock_irqrestore(&pty->slave.lock, flags);
		tty_wakeup(&pty->slave);
	}
	return 0; /* what the master wrote is with the slave already */
}

static long master_ioctl(struct file *file, unsigned cmd, u64 arg)
{
	struct pty *pty = file->private_data;
	int __user *p = (int __user *)arg;

	switch (cmd) {
	case TIOCGPTN:
		return put_user((int)pty->index, p);
	case TIOCSPTLCK:
		return set_flag(pty, &pty->slave.locked, p);
	case TIOCGPTLCK:
		return put_user((int)pty->slave.locked, p);
	case TIOCPKT:
		return set_flag(pty, &pty->packet, p);
	case TIOCGPKT:
		return put_user((int)pty->packet, p);
	case TIOCGPTPEER:
		return open_peer(pty, (u32)arg);
	case TIOCSIG:
		return signal_foreground(pty, arg);
	case TIOCINQ:
		return put_user((int)(PTY_RING - pty_room(&pty->slave)), p);
	case TIOCOUTQ:
		return put_user(0, p);
	case TCFLSH:
		return master_flush(pty, arg);
	case TCSBRK:
		return 0;
	default:
		return tty_ioctl_common(&pty->slave, file, cmd, arg, true);
	}
}

/* ---- a pair comes and goes ---- */

static void master_release(struct file *file)
{
	struct pty *pty = file->private_data;

	mutex_lock(&pty_mutex);
	devpts_remove(pty->index);
	mutex_unlock(&pty_mutex);
	tty_hangup(&pty->slave, false, true);
	tty_put(&pty->slave);
}

static const struct file_operations master_fops = {
	.read = master_read,
	.write = master_write,
	.poll = master_poll,
	.ioctl = master_ioctl,
	.release = master_release,
};

/* Gives it a number and a node. pty_mutex held. */
static int publish(struct pty *pty)
{
	int err;

	while (pty->index < PTY_MAX && ptys[pty->index])
		pty->index++;
	if (pty->index == PTY_MAX)
		return -ENOSPC;
	pty->slave.ctty.rdev = MKDEV(PTS_MAJOR, pty->index);
	err = devpts_create(pty->index, pty->slave.ctty.rdev);
	if (!err)
		ptys[pty->index] = pty;
	return err;
}

static int ptmx_open(struct inode *inode, struct file *file)
{
	struct pty *pty = kzalloc(sizeof(*pty), GFP_KERNEL);
	int err;

	if (!pty)
		return -ENOMEM;
	tty_setup(&pty->slave, &pty_operations, 0);
	pty->slave.locked = true;
	init_waitqueue_head(&pty->read_wait);
	init_waitqueue_head(&pty->write_wait);
	mutex_lock(&pty_mutex);
	err = publish(pty);
	mutex_unlock(&pty_mutex);
	if (err) {
		kfree(pty);
		return err;
	}
	file->f_op = &master_fops;
	file->f_mode |= FMODE_STREAM;
	file->private_data = pty;
	return 0;
}

static const struct file_operations ptmx_fops = {.open = ptmx_open};

static int pty_init(void)
{
	int err = devfs_register_major("pts", PTS_MAJOR, &pts_fops);

	return err ? err : devfs_register("ptmx", 0666, PTMX_DEVICE, &ptmx_fops, NULL);
}
device_initcall(pty_init);
