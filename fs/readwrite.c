/*
 * read(2), write(2) and their relatives: from a descriptor and a user buffer to the file's read()
 * or write() operation with an iov_iter on the stack.
 *
 * What every call checks, in Linux's order: the descriptor (EBADF), the mode it was opened with
 * (EBADF), that the file can do it at all (EINVAL), the buffer (EFAULT), the position (EINVAL), and
 * then the count is cut to MAX_RW_COUNT. The rest is the file's own business.
 *
 * Position: read() hands the file &f_pos itself, and a file that has a position moves it under its
 * inode's i_mutex; so two readers of one open file never get the same bytes. Streams (FMODE_STREAM:
 * pipes, sockets) ignore it. pread() hands over a copy.
 *
 * Cost: sys_read is about 40 instructions around the file's own.
 */

#include "fs/internal.h"
#include "fs/notify.h"
#include "kernel/cpu/syscall.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/signal.h"

#define RWF_HIPRI  0x01
#define RWF_DSYNC  0x02
#define RWF_SYNC   0x04
#define RWF_NOWAIT 0x08
#define RWF_APPEND 0x10
/* Nothing here is delayed, so the SYNC flags are kept by doing nothing. */
#define RWF_SUPPORTED (RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND)

/* ---- one buffer ---- */

static ssize_t read_user(struct file *f, void __user *buf, size_t count, loff_t *pos)
{
	struct iov_iter it;
	ssize_t ret;

	if (unlikely(!(f->f_mode & FMODE_READ)))
		return -EBADF;
	if (unlikely(!f->f_op->read))
		return -EINVAL;
	if (unlikely(!access_ok(buf, count)))
		return -EFAULT;
	if (unlikely(count > MAX_RW_COUNT))
		count = MAX_RW_COUNT;
	iov_iter_user(&it, buf, count);
	ret = f->f_op->read(f, &it, pos);
	if (ret > 0)
		notify_file(f, IN_ACCESS);
	return ret;
}

static ssize_t write_user(struct file *f, const void __user *buf, size_t count, loff_t *pos)
{
	struct iov_iter it;
	ssize_t ret;

	if (unlikely(!(f->f_mode & FMODE_WRITE)))
		return -EBADF;
	if (unlikely(!f->f_op->write))
		return -EINVAL;
	if (unlikely(!access_ok(buf, count)))
		return -EFAULT;
	if (unlikely(count > MAX_RW_COUNT))
		count = MAX_RW_COUNT;
	iov_iter_user(&it, (void __user *)buf, count);
	ret = f->f_op->write(f, &it, pos);
	if (ret > 0)
		notify_file(f, IN_MODIFY);
	return ret;
}

SYSCALL_DEFINE3(read, unsigned, fd, void __user *, buf, size_t, count)
{
	struct fd f = fdget(fd);
	ssize_t ret;

	if (unlikely(!f.file))
		return -EBADF;
	ret = read_user(f.file, buf, count, &f.file->f_pos);
	fdput(f);
	return ret;
}

SYSCALL_DEFINE3(write, unsigned, fd, const void __user *, buf, size_t, count)
{
	struct fd f = fdget(fd);
	ssize_t ret;

	if (unlikely(!f.file))
		return -EBADF;
	ret = write_user(f.file, buf, count, &f.file->f_pos);
	fdput(f);
	return ret;
}

SYSCALL_DEFINE4(pread64, unsigned, fd, void __user *, buf, size_t, count, loff_t, pos)
{
	struct fd f;
	ssize_t ret;

	if (pos < 0)
		return -EINVAL;
	f = fdget(fd);
	if (!f.file)
		return -EBADF;
	ret = f.file->f_mode & FMODE_STREAM ? -ESPIPE : read_user(f.file, buf, count, &pos);
	fdput(f);
	return ret;
}

SYSCALL_DEFINE4(pwrite64, unsigned, fd, const void __user *, buf, size_t, count, loff_t, pos)
{
	struct fd f;
	ssize_t ret;

	if (pos < 0)
		return -EINVAL;
	f = fdget(fd);
	if (!f.file)
		return -EBADF;
	ret = f.file->f_mode & FMODE_STREAM ? -ESPIPE : write_user(f.file, buf, count, &pos);
	fdput(f);
	return ret;
}

/* ---- several buffers ---- */

ssize_t vfs_read_iter(struct file *f, struct iov_iter *it, loff_t *pos)
{
	ssize_t ret;

	if (!(f->f_mode & FMODE_READ))
		return -EBADF;
	ret = f->f_op->read ? f->f_op->read(f, it, pos) : -EINVAL;
	if (ret > 0)
		notify_file(f, IN_ACCESS);
	return ret;
}

ssize_t vfs_write_iter(struct file *f, struct iov_iter *it, loff_t *pos)
{
	ssize_t ret;

	if (!(f->f_mode & FMODE_WRITE))
		return -EBADF;
	ret = f->f_op->write ? f->f_op->write(f, it, pos) : -EINVAL;
	if (ret > 0)
		notify_file(f, IN_MODIFY);
	return ret;
}

/* @pos NULL: the file's own position. @flags: RWF_*. */
static ssize_t rw_vector(unsigned fd, const struct iovec __user *vec, size_t n, loff_t *pos,
			 int flags, bool write)
{
	struct iovec fast[UIO_FASTIOV], *to_free;
	struct fd f = fdget(fd);
	struct iov_iter it;
	ssize_t ret;

	if (!f.file)
		return -EBADF;
	ret = -ESPIPE;
	if (pos && (f.file->f_mode & FMODE_STREAM))
		goto out;
	ret = -EBADF;
	if (!(f.file->f_mode & (write ? FMODE_WRITE : FMODE_READ)))
		goto out;
	ret = -EINVAL;
	if (!(write ? f.file->f_op->write : f.file->f_op->read))
		goto out;
	ret = iov_iter_import(&it, vec, n, fast, &to_free);
	if (ret < 0)
		goto out;
	it.append = flags & RWF_APPEND;
	if (flags & ~RWF_SUPPORTED)
		ret = -EOPNOTSUPP;
	if (!pos)
		pos = &f.file->f_pos;
	if (it.count && !ret)
		ret = write ? vfs_write_iter(f.file, &it, pos) : vfs_read_iter(f.file, &it, pos);
	kfree(to_free);
out:
	fdput(f);
	return ret;
}

SYSCALL_DEFINE3(readv, unsigned, fd, const struct iovec __user *, vec, size_t, n)
{
	return rw_vector(fd, vec, n, NULL, 0, false);
}

SYSCALL_DEFINE3(writev, unsigned, fd, const struct iovec __user *, vec, size_t, n)
{
	return rw_vector(fd, vec, n, NULL, 0, true);
}

/* The position comes in two halves for machines of 32 bits; here the low one is all of it. */
SYSCALL_DEFINE4(preadv, unsigned, fd, const struct iovec __user *, vec, size_t, n, loff_t, pos)
{
	return pos < 0 ? -EINVAL : rw_vector(fd, vec, n, &pos, 0, false);
}

SYSCALL_DEFINE4(pwritev, unsigned, fd, const struct iovec __user *, vec, size_t, n, loff_t, pos)
{
	return pos < 0 ? -EINVAL : rw_vector(fd, vec, n, &pos, 0, true);
}

static ssize_t rw_vector2(unsigned fd, const struct iovec __user *vec, size_t n, loff_t pos,
			  int flags, bool write)
{
	if (pos == -1)
		return rw_vector(fd, vec, n, NULL, flags, write);
	return pos < 0 ? -EINVAL : rw_vector(fd, vec, n, &pos, flags, write);
}

SYSCALL_DEFINE6(preadv2, unsigned, fd, const struct iovec __user *, vec, size_t, n, loff_t, pos,
		u64, pos_high, int, flags)
{
	return rw_vector2(fd, vec, n, pos, flags, false);
}

SYSCALL_DEFINE6(pwritev2, unsigned, fd, const struct iovec __user *, vec, size_t, n, loff_t, pos,
		u64, pos_high, int, flags)
{
	return rw_vector2(fd, vec, n, pos, flags, true);
}

/* ---- by the kernel itself ---- */

ssize_t kernel_read(struct file *f, void *buf, size_t n, loff_t pos)
{
	struct iov_iter it;

	iov_iter_kernel(&it, buf, min(n, (size_t)MAX_RW_COUNT));
	return vfs_read_iter(f, &it, &pos);
}

ssize_t kernel_write(struct file *f, const void *buf, size_t n, loff_t pos)
{
	struct iov_iter it;

	iov_iter_kernel(&it, (void *)buf, min(n, (size_t)MAX_RW_COUNT));
	return vfs_write_iter(f, &it, &pos);
}

/* ---- position ---- */

SYSCALL_DEFINE3(lseek, unsigned, fd, loff_t, off, unsigned, whence)
{
	struct fd f = fdget(fd);
	loff_t ret;

	if (!f.file)
		return -EBADF;
	if (whence > SEEK_HOLE)
		ret = -EINVAL;
	else if (!f.file->f_op->llseek)
		ret = -ESPIPE;
	else
		ret = f.file->f_op->llseek(f.file, off, (int)whence);
	fdput(f);
	return ret;
}

loff_t noop_llseek(struct file *file, loff_t off, int whence)
{
	return 0;
}

/*
 * For files whose length is @end. The caller holds i_mutex if the file's read and write move f_pos
 * under it.
 */
loff_t generic_file_llseek(struct file *file, loff_t off, int whence, loff_t end)
{
	loff_t base = 0;

	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = file->f_pos;
		break;
	case SEEK_END:
		base = end;
		break;
	case SEEK_DATA:
		if (off < 0 || off >= end)
			return -ENXIO;
		break;
	case SEEK_HOLE:
		if (off < 0 || off >= end)
			return -ENXIO;
		off = end;
		break;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, off, &off))
		return -EOVERFLOW;
	if (off < 0)
		return -EINVAL;
	file->f_pos = off;
	return off;
}

/* ---- to the disk: there is none, so everything is where it belongs already ---- */

static long check_fd(unsigned fd)
{
	struct fd f = fdget(fd);
	long ret = 0;

	if (!f.file)
		return -EBADF;
	if (!f.file->f_dentry || S_ISFIFO(f.file->f_inode->i_mode))
		ret = -EINVAL; /* fsync(2): a file that does not support it */
	fdput(f);
	return ret;
}

SYSCALL_DEFINE1(fsync, unsigned, fd)
{
	return check_fd(fd);
}

SYSCALL_DEFINE1(fdatasync, unsigned, fd)
{
	return check_fd(fd);
}

SYSCALL_DEFINE0(sync)
{
	return 0;
}

SYSCALL_DEFINE1(syncfs, unsigned, fd)
{
	struct fd f = fdget(fd);

	if (!f.file)
		return -EBADF;
	fdput(f);
	return 0;
}

/* ---- advice about a disk: checked, and then there is nothing to do ---- */

#define POSIX_FADV_NOREUSE 5

SYSCALL_DEFINE4(fadvise64, unsigned, fd, loff_t, off, loff_t, len, int, advice)
{
	struct fd f = fdget(fd);
	long ret = 0;

	if (!f.file)
		return -EBADF;
	if (S_ISFIFO(f.file->f_inode->i_mode))
		ret = -ESPIPE;
	else if (len < 0 || advice < 0 || advice > POSIX_FADV_NOREUSE)
		ret = -EINVAL;
	fdput(f);
	return ret;
}

SYSCALL_DEFINE3(readahead, unsigned, fd, loff_t, off, size_t, count)
{
	struct fd f = fdget(fd);
	long ret = 0;

	if (!f.file)
		return -EBADF;
	if (!(f.file->f_mode & FMODE_READ))
		ret = -EBADF;
	else if (!f.file->f_dentry || !S_ISREG(f.file->f_inode->i_mode))
		ret = -EINVAL;
	fdput(f);
	return ret;
}

#define SYNC_FILE_RANGE_ALL 7u

SYSCALL_DEFINE4(sync_file_range, unsigned, fd, loff_t, off, loff_t, len, unsigned, flags)
{
	struct fd f = fdget(fd);
	loff_t end;
	u32 type;
	long ret = 0;

	if (!f.file)
		return -EBADF;
	type = f.file->f_inode->i_mode & S_IFMT;
	if ((flags & ~SYNC_FILE_RANGE_ALL) || off < 0 || __builtin_add_overflow(off, len, &end) ||
	    end < off)
		ret = -EINVAL;
	else if (!f.file->f_dentry || (type != S_IFREG && type != S_IFDIR && type != S_IFBLK))
		ret = -ESPIPE;
	fdput(f);
	return ret;
}
