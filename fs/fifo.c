/*
 * FIFOs: pipes with a name, fifo(7). The inode stands for a pipe that exists while somebody has it
 * open. Who opens one side waits for the other; reading with O_NONBLOCK does not, and writing with it
 * fails. What has been opened is a pipe like any other (fs/pipe.c).
 *
 * LOCKING: fifo_lock guards which pipe an inode has, and the number of its files; innermost. The
 * pipe's mutex guards the number of readers and writers; it is not held while open() waits.
 */
#include "fs/internal.h"
#include "fs/pipe.h"

/* The pipe of a FIFO, made at its first open, with one open file more; ERR_PTR. */
static struct pipe *fifo_get(struct inode *inode)
{
	struct pipe *new = pipe_alloc(), *p;

	if (IS_ERR(new))
		return new;
	new->fifo = inode;
	spin_lock(&fifo_lock);
	if (!inode->i_private) {
		inode->i_private = new;
		new = NULL;
	}
	p = inode->i_private;
	p->files++;
	spin_unlock(&fifo_lock);
	if (new)
		pipe_free(new);
	return p;
}

/* Sleeps until the other side has been opened: *counter moves. mutex held, dropped meanwhile. */
static long fifo_wait_for_partner(struct pipe *p, unsigned *counter)
{
	unsigned before = *counter;
	long ret;

	mutex_unlock(&p->mutex);
	ret = wait_event_interruptible(&p->rd_wait, READ_ONCE(*counter) != before);
	mutex_lock(&p->mutex);
	return ret;
}

/* A partner that comes and goes at once is a partner: that is what the counters are for. */
static long fifo_connect(struct pipe *p, struct file *file)
{
	bool nonblock = file->f_flags & O_NONBLOCK;
	u32 mode = file->f_mode & (FMODE_READ | FMODE_WRITE);

	if (mode == FMODE_WRITE && nonblock && !p->readers)
		return -ENXIO;
	pipe_open_sides(p, mode);
	if (mode == FMODE_READ && !p->writers) {
		if (!nonblock)
			return fifo_wait_for_partner(p, &p->w_counter);
		file->f_pos = p->w_counter; /* a stream has no position: see pipe_poll() */
	}
	if (mode == FMODE_WRITE && !p->readers)
		return fifo_wait_for_partner(p, &p->r_counter);
	return 0;
}

int fifo_open(struct inode *inode, struct file *file)
{
	struct pipe *p;
	long err;

	if (!(file->f_mode & (FMODE_READ | FMODE_WRITE)))
		return -EINVAL;
	p = fifo_get(inode);
	if (IS_ERR(p))
		return (int)PTR_ERR(p);
	file->private_data = p;
	file->f_mode |= FMODE_STREAM;
	mutex_lock(&p->mutex);
	err = fifo_connect(p, file);
	mutex_unlock(&p->mutex);
	if (!err)
		return 0;
	if (err != -ENXIO) /* it had been counted */
		pipe_close_sides(p, file->f_mode);
	pipe_put(p);
	return (int)err;
}
