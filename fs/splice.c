/*
 * From one file to another within the kernel: sendfile, copy_file_range, splice, tee, vmsplice. What
 * they save is the way through the user's memory, twice. Pages are not shared between files here, so
 * the bytes themselves are copied.
 *
 *	sendfile         file   -> anything      through a buffer
 *	copy_file_range  file   -> file          the same
 *	splice           pipe   -> anything      written straight from the pipe's pages
 *	                 anything -> pipe        read straight into pages that become the pipe's
 *	                 pipe   -> pipe          tee: without taking them from the first
 *	vmsplice         memory <-> pipe
 *
 * No byte is taken from where it was before it has arrived: a pipe's bytes are used up after they
 * were written, a file's position moves by what the other end took.
 *
 * LOCKING: splice holds the pipe's mutex while it writes to, or reads from, the other file, as Linux
 * does: it may sleep there, and who uses the pipe waits. So pipe->mutex comes before i_mutex and
 * net_lock. Of two pipes the one at the lower address is locked first.
 */

#include "fs/internal.h"
#include "fs/pipe.h"
#include "kernel/cpu/syscall.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/signal.h"

#define COPY_CHUNK 65536ul

#define SPLICE_F_MOVE     1u
#define SPLICE_F_NONBLOCK 2u
#define SPLICE_F_MORE     4u
#define SPLICE_F_GIFT     8u
#define SPLICE_F_ALL      (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

/* ---- file to file: sendfile(2), copy_file_range(2) ---- */

/* Writes all of @buf unless the file takes less; bytes written or -errno. */
static ssize_t write_kernel_buffer(struct file *out, void *buf, size_t n, loff_t *pos)
{
	size_t done = 0;

	while (done < n) {
		struct iov_iter it;
		ssize_t r;

		iov_iter_kernel(&it, (char *)buf + done, n - done);
		r = vfs_write_iter(out, &it, pos);
		if (r <= 0)
			return done ? (ssize_t)done : r;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

/* Through a buffer of the kernel's: no file here shares its pages with another. */
static ssize_t copy_file(struct file *in, loff_t *in_pos, struct file *out, loff_t *out_pos,
			 size_t count)
{
	size_t size = min(count, COPY_CHUNK), done = 0;
	void *buf = kmalloc(max(size, 1ul), GFP_KERNEL);
	ssize_t r = 0;

	if (!buf)
		return -ENOMEM;
	while (done < count) {
		size_t n = min(count - done, size);

		r = kernel_read(in, buf, n, *in_pos);
		if (r <= 0)
			break;
		n = (size_t)r;
		r = write_kernel_buffer(out, buf, n, out_pos);
		if (r <= 0)
			break;
		*in_pos += r;
		done += (size_t)r;
		if ((size_t)r < n)
			break;
		r = signal_pending(current) ? -EINTR : 0;
		if (r)
			break;
		cond_resched();
	}
	kfree(buf);
	return done ? (ssize_t)done : r;
}

static ssize_t do_sendfile(unsigned out_fd, unsigned in_fd, loff_t *pos, size_t count)
{
	struct fd in = fdget(in_fd), out = {NULL, false};
	ssize_t ret = -EBADF;

	if (!in.file || !(in.file->f_mode & FMODE_READ))
		goto out;
	ret = -ESPIPE;
	if (pos && (in.file->f_mode & FMODE_STREAM))
		goto out;
	ret = -EINVAL;
	if (pos && *pos < 0)
		goto out;
	out = fdget(out_fd);
	ret = -EBADF;
	if (!out.file || !(out.file->f_mode & FMODE_WRITE))
		goto out;
	ret = -EINVAL;
	if ((in.file->f_mode & FMODE_STREAM) || S_ISDIR(in.file->f_inode->i_mode) ||
	    !in.file->f_op->read || !out.file->f_op->write || (out.file->f_flags & O_APPEND))
		goto out;
	ret = copy_file(in.file, pos ? pos : &in.file->f_pos, out.file, &out.file->f_pos,
			min(count, (size_t)MAX_RW_COUNT));
out:
	fdput(in);
	fdput(out);
	return ret;
}

SYSCALL_DEFINE4(sendfile, unsigned, out_fd, unsigned, in_fd, loff_t __user *, offset, size_t, count)
{
	loff_t pos;
	ssize_t ret;

	if (!offset)
		return do_sendfile(out_fd, in_fd, NULL, count);
	if (copy_from_user(&pos, offset, sizeof(pos)))
		return -EFAULT;
	ret = do_sendfile(out_fd, in_fd, &pos, count);
	if (put_user(pos, offset))
		return -EFAULT;
	return ret;
}

/* Where a file that is no directory starts and how far it goes. */
static int check_ranges(const struct file *in, loff_t in_pos, const struct file *out,
			loff_t out_pos, size_t *count)
{
	loff_t in_end, out_end, size = READ_ONCE(in->f_inode->i_size);

	if (S_ISDIR(in->f_inode->i_mode) || S_ISDIR(out->f_inode->i_mode))
		return -EISDIR;
	if (!in->f_dentry || !out->f_dentry || !S_ISREG(in->f_inode->i_mode) ||
	    !S_ISREG(out->f_inode->i_mode))
		return -EINVAL;
	if (!(in->f_mode & FMODE_READ) || !(out->f_mode & FMODE_WRITE) || (out->f_flags & O_APPEND))
		return -EBADF;
	if (in_pos < 0 || out_pos < 0)
		return -EINVAL;
	if (*count > INT64_MAX || __builtin_add_overflow(in_pos, (loff_t)*count, &in_end) ||
	    __builtin_add_overflow(out_pos, (loff_t)*count, &out_end))
		return -EOVERFLOW;
	*count = in_pos >= size ? 0 : min(*count, (size_t)(size - in_pos));
	if (in->f_inode == out->f_inode && in_pos < out_pos + (loff_t)*count &&
	    out_pos < in_pos + (loff_t)*count)
		return -EINVAL; /* it would read what it has written */
	return 0;
}

static ssize_t do_copy_range(struct file *in, loff_t *in_pos, struct file *out, loff_t *out_pos,
			     size_t count, unsigned flags)
{
	int err = flags ? -EINVAL : check_ranges(in, *in_pos, out, *out_pos, &count);

	if (err || !count)
		return err;
	return copy_file(in, in_pos, out, out_pos, min(count, (size_t)MAX_RW_COUNT));
}

/* An optional position of the user's. 0 or -EFAULT. */
static int get_pos(loff_t *pos, const loff_t __user *upos)
{
	return upos && copy_from_user(pos, upos, sizeof(*pos)) ? -EFAULT : 0;
}

static int put_pos(loff_t pos, loff_t __user *upos)
{
	return upos && put_user(pos, upos) ? -EFAULT : 0;
}

SYSCALL_DEFINE6(copy_file_range, unsigned, in_fd, loff_t __user *, in_upos, unsigned, out_fd,
		loff_t __user *, out_upos, size_t, count, unsigned, flags)
{
	struct fd in = fdget(in_fd), out = fdget(out_fd);
	loff_t in_pos = 0, out_pos = 0;
	ssize_t ret = -EBADF;

	if (!in.file || !out.file)
		goto out;
	ret = -EFAULT;
	if (get_pos(&in_pos, in_upos) || get_pos(&out_pos, out_upos))
		goto out;
	ret = do_copy_range(in.file, in_upos ? &in_pos : &in.file->f_pos, out.file,
			    out_upos ? &out_pos : &out.file->f_pos, count, flags);
	if (ret > 0 && (put_pos(in_pos, in_upos) || put_pos(out_pos, out_upos)))
		ret = -EFAULT;
out:
	fdput(in);
	fdput(out);
	return ret;
}

/* ---- one pipe ---- */

/*
 * Locks the pipe when there is something to take: 1, or 0 at its end, -EAGAIN, -ERESTARTSYS. The
 * mutex is held if the value is 1.
 */
static long lock_readable(struct pipe *p, bool nonblock)
{
	for (;;) {
		bool end;

		mutex_lock(&p->mutex);
		if (!pipe_empty(p))
			return 1;
		end = !p->writers;
		mutex_unlock(&p->mutex);
		if (end)
			return 0;
		if (nonblock)
			return -EAGAIN;
		if (wait_event_interruptible(&p->rd_wait, pipe_readable(p)))
			return -ERESTARTSYS;
	}
}

/* The same when there is room for something: 1, -EPIPE (and SIGPIPE), -EAGAIN, -ERESTARTSYS. */
static long lock_writable(struct pipe *p, bool nonblock)
{
	for (;;) {
		bool end;

		mutex_lock(&p->mutex);
		end = !p->readers;
		if (!end && !pipe_full(p))
			return 1;
		mutex_unlock(&p->mutex);
		if (end) {
			send_signal_task(current, SIGPIPE, NULL);
			return -EPIPE;
		}
		if (nonblock)
			return -EAGAIN;
		if (wait_event_interruptible(&p->wr_wait, pipe_writable(p)))
			return -ERESTARTSYS;
	}
}

static ssize_t splice_from_pipe(struct pipe *p, struct file *out, loff_t *pos, size_t count,
				bool nonblock)
{
	size_t done = 0;
	ssize_t r = lock_readable(p, nonblock);

	if (r <= 0)
		return r;
	while (done < count && !pipe_empty(p)) {
		struct pipe_buffer *buf = pipe_buf(p, p->tail);
		size_t n = min((size_t)buf->len, count - done);
		struct iov_iter it;

		iov_iter_kernel(&it, buf->page + buf->offset, n);
		r = vfs_write_iter(out, &it, pos);
		if (r <= 0)
			break;
		pipe_consume(p, (size_t)r);
		done += (size_t)r;
		if ((size_t)r < n)
			break;
	}
	mutex_unlock(&p->mutex);
	if (done)
		pipe_wake(&p->wr_wait, PIPE_OUT);
	return done ? (ssize_t)done : r;
}

/* A stream gives one piece a call: it is not known whether asking it again would sleep. */
static ssize_t splice_to_pipe(struct file *in, loff_t *pos, struct pipe *p, size_t count,
			      bool nonblock)
{
	size_t done = 0;
	ssize_t r = lock_writable(p, nonblock);

	if (r < 0)
		return r;
	while (done < count && !pipe_full(p)) {
		size_t n = min(PAGE_SIZE, count - done);
		char *page = pipe_spare_page(p);
		struct iov_iter it;

		r = -ENOMEM;
		if (!page)
			break;
		iov_iter_kernel(&it, page, n);
		r = vfs_read_iter(in, &it, pos);
		if (r <= 0)
			break;
		pipe_push_spare(p, (size_t)r, false);
		done += (size_t)r;
		if ((size_t)r < n || (in->f_mode & FMODE_STREAM))
			break;
	}
	mutex_unlock(&p->mutex);
	if (done)
		pipe_wake(&p->rd_wait, PIPE_IN);
	return done ? (ssize_t)done : r;
}

/* ---- two pipes ---- */

static void lock_both(struct pipe *a, struct pipe *b)
{
	mutex_lock(&min(a, b)->mutex);
	mutex_lock_nested(&max(a, b)->mutex, 1);
}

static void unlock_both(struct pipe *a, struct pipe *b)
{
	mutex_unlock(&a->mutex);
	mutex_unlock(&b->mutex);
}

/* Both locked. @keep: they stay in @in as well. */
static ssize_t move_buffers(struct pipe *in, struct pipe *out, size_t count, bool keep)
{
	size_t done = 0;

	for (unsigned i = in->tail; i != in->head && done < count && !pipe_full(out); i++) {
		struct pipe_buffer *buf = pipe_buf(in, i);
		size_t n = min((size_t)buf->len, count - done);
		struct iov_iter it;
		ssize_t r;

		iov_iter_kernel(&it, buf->page + buf->offset, n);
		r = pipe_add_buffer(out, &it, buf->packet);
		if (r < 0)
			return done ? (ssize_t)done : r;
		if (!keep)
			pipe_consume(in, n);
		done += n;
	}
	return (ssize_t)done;
}

static ssize_t pipe_to_pipe(struct pipe *in, struct pipe *out, size_t count, bool nonblock,
			    bool keep)
{
	ssize_t r;

	/* First one, then the other, and when neither has to be waited for any more, both. */
	do {
		r = lock_readable(in, nonblock);
		if (r <= 0)
			return r;
		mutex_unlock(&in->mutex);
		r = lock_writable(out, nonblock);
		if (r < 0)
			return r;
		mutex_unlock(&out->mutex);
		lock_both(in, out);
		r = move_buffers(in, out, count, keep);
		unlock_both(in, out);
	} while (!r);
	if (r > 0) {
		pipe_wake(&out->rd_wait, PIPE_IN);
		if (!keep)
			pipe_wake(&in->wr_wait, PIPE_OUT);
	}
	return r;
}

/* ---- splice(2), tee(2), vmsplice(2) ---- */

static ssize_t do_splice(struct file *in, loff_t *in_pos, struct file *out, loff_t *out_pos,
			 size_t count, bool nonblock)
{
	struct pipe *from = file_pipe(in), *to = file_pipe(out);

	if (!(in->f_mode & FMODE_READ) || !(out->f_mode & FMODE_WRITE))
		return -EBADF;
	count = min(count, (size_t)MAX_RW_COUNT);
	if (from)
		nonblock |= in->f_flags & O_NONBLOCK;
	if (to)
		nonblock |= out->f_flags & O_NONBLOCK;
	if (from && to)
		return from == to ? -EINVAL : pipe_to_pipe(from, to, count, nonblock, false);
	if (from) {
		if ((out_pos && ((out->f_mode & FMODE_STREAM) || *out_pos < 0)) ||
		    (out->f_flags & O_APPEND))
			return -EINVAL;
		return splice_from_pipe(from, out, out_pos ? out_pos : &out->f_pos, count,
					nonblock);
	}
	if (!to || S_ISDIR(in->f_inode->i_mode) ||
	    (in_pos && ((in->f_mode & FMODE_STREAM) || *in_pos < 0)))
		return -EINVAL;
	return splice_to_pipe(in, in_pos ? in_pos : &in->f_pos, to, count, nonblock);
}

SYSCALL_DEFINE6(splice, unsigned, in_fd, loff_t __user *, in_upos, unsigned, out_fd,
		loff_t __user *, out_upos, size_t, count, unsigned, flags)
{
	struct fd in, out;
	loff_t in_pos = 0, out_pos = 0;
	ssize_t ret = -EBADF;

	if (!count)
		return 0;
	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	in = fdget(in_fd);
	out = fdget(out_fd);
	if (!in.file || !out.file)
		goto out;
	ret = -ESPIPE;
	if ((in_upos && file_pipe(in.file)) || (out_upos && file_pipe(out.file)))
		goto out;
	ret = -EFAULT;
	if (get_pos(&in_pos, in_upos) || get_pos(&out_pos, out_upos))
		goto out;
	ret = do_splice(in.file, in_upos ? &in_pos : NULL, out.file, out_upos ? &out_pos : NULL,
			count, flags & SPLICE_F_NONBLOCK);
	if (ret >= 0 && (put_pos(in_pos, in_upos) || put_pos(out_pos, out_upos)))
		ret = -EFAULT;
out:
	fdput(in);
	fdput(out);
	return ret;
}

static ssize_t do_tee(struct file *in, struct file *out, size_t count, bool nonblock)
{
	struct pipe *from = file_pipe(in), *to = file_pipe(out);

	if (!(in->f_mode & FMODE_READ) || !(out->f_mode & FMODE_WRITE))
		return -EBADF;
	if (!from || !to || from == to)
		return -EINVAL;
	nonblock |= (in->f_flags | out->f_flags) & O_NONBLOCK;
	return pipe_to_pipe(from, to, min(count, (size_t)MAX_RW_COUNT), nonblock, true);
}

SYSCALL_DEFINE4(tee, unsigned, in_fd, unsigned, out_fd, size_t, count, unsigned, flags)
{
	struct fd in, out;
	ssize_t ret = -EBADF;

	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	if (!count)
		return 0;
	in = fdget(in_fd);
	out = fdget(out_fd);
	if (in.file && out.file)
		ret = do_tee(in.file, out.file, count, flags & SPLICE_F_NONBLOCK);
	fdput(in);
	fdput(out);
	return ret;
}

/* Memory to a pipe that was opened to write, or the other way. The file's O_NONBLOCK says nothing here,
 * on Linux either. */
static ssize_t splice_memory(struct file *f, struct iov_iter *it, bool nonblock)
{
	struct pipe *p = file_pipe(f);
	ssize_t done = 0, r;
	bool write = f->f_mode & FMODE_WRITE;

	if (!p)
		return -EBADF;
	r = write ? lock_writable(p, nonblock) : lock_readable(p, nonblock);
	if (r <= 0)
		return r;
	if (write) {
		while (it->count && !pipe_full(p) && r > 0) {
			r = pipe_add_buffer(p, it, false);
			done += max(r, (ssize_t)0);
		}
	} else {
		done = r = pipe_take(p, it);
	}
	mutex_unlock(&p->mutex);
	if (done > 0)
		pipe_wake(write ? &p->rd_wait : &p->wr_wait, write ? PIPE_IN : PIPE_OUT);
	return done ? done : r;
}

SYSCALL_DEFINE4(vmsplice, unsigned, fd, const struct iovec __user *, vec, size_t, n, unsigned,
		flags)
{
	struct iovec fast[UIO_FASTIOV], *to_free;
	struct iov_iter it;
	struct fd f;
	ssize_t ret = -EBADF;

	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	f = fdget(fd);
	if (!f.file || !(f.file->f_mode & (FMODE_READ | FMODE_WRITE)))
		goto out;
	ret = iov_iter_import(&it, vec, n, fast, &to_free);
	if (ret < 0)
		goto out;
	ret = it.count ? splice_memory(f.file, &it, flags & SPLICE_F_NONBLOCK) : 0;
	kfree(to_free);
out:
	fdput(f);
	return ret;
}
