/*
 * The system calls that are about descriptors alone: close, dup, dup2, dup3, close_range, and the
 * close-on-exec flag for fcntl(2) and ioctl(2). The table they work on, and its lock, are explained
 * in fdtable.c.
 */

#include "fs/fdtable.h"
#include "kernel/cpu/syscall.h"

#define CLOSE_RANGE_UNSHARE (1u << 1)
#define CLOSE_RANGE_CLOEXEC (1u << 2)

SYSCALL_DEFINE1(close, unsigned, fd)
{
	return close_fd(fd);
}

SYSCALL_DEFINE1(dup, unsigned, oldfd)
{
	struct fd f = fdget_path(oldfd);
	int fd;

	if (!f.file)
		return -EBADF;
	fd = get_unused_fd(0);
	if (fd >= 0)
		fd_install((unsigned)fd, get_file(f.file));
	fdput(f);
	return fd;
}

static long do_dup3(unsigned oldfd, unsigned newfd, u32 flags)
{
	struct files *files = current->files;
	struct file *f, *old = NULL;
	long ret;

	if (newfd >= nofile_limit())
		return -EBADF;
	spin_lock(&files->lock);
	/* The arrays may move, and everything may change, while they grow: look after that. */
	ret = newfd < files->max ? 0 : files_expand(files, newfd);
	f = oldfd < files->max ? files->fd[oldfd] : NULL;
	if (!f)
		ret = -EBADF;
	if (ret)
		goto out;
	ret = -EBUSY;
	old = files->fd[newfd];
	if (!old && test_bit(files->open_bits, newfd))
		goto out;
	files->fd[newfd] = get_file(f);
	mark_used(files, newfd, flags & O_CLOEXEC);
	ret = newfd;
out:
	spin_unlock(&files->lock);
	if (ret >= 0 && old)
		close_one(files, old);
	return ret;
}

SYSCALL_DEFINE3(dup3, unsigned, oldfd, unsigned, newfd, int, flags)
{
	if (flags & ~O_CLOEXEC)
		return -EINVAL;
	if (oldfd == newfd)
		return -EINVAL;
	return do_dup3(oldfd, newfd, flags);
}

SYSCALL_DEFINE2(dup2, unsigned, oldfd, unsigned, newfd)
{
	if (oldfd == newfd) {
		struct fd f = fdget_path(oldfd);

		if (!f.file)
			return -EBADF;
		fdput(f);
		return newfd;
	}
	return do_dup3(oldfd, newfd, 0);
}

static void cloexec_numbers(struct files *files, unsigned first, unsigned last)
{
	spin_lock(&files->lock);
	for (unsigned fd = first; (fd = find_set(files->open_bits, files->max, fd)) < files->max;
	     fd++) {
		if (fd > last)
			break;
		set_bit(files->cloexec_bits, fd);
	}
	spin_unlock(&files->lock);
}

SYSCALL_DEFINE3(close_range, unsigned, first, unsigned, last, unsigned, flags)
{
	int err;

	if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
		return -EINVAL;
	if (first > last)
		return -EINVAL;
	if ((flags & CLOSE_RANGE_UNSHARE) && refcount_read(&current->files->refs) > 1) {
		/* What would be closed at once need not be copied, if nothing lies above it. */
		bool tail = !(flags & CLOSE_RANGE_CLOEXEC) && last >= NR_OPEN_MAX - 1;

		err = unshare_files(tail ? min(first, NR_OPEN_MAX) : NR_OPEN_MAX);
		if (err)
			return err;
	}
	if (flags & CLOSE_RANGE_CLOEXEC)
		cloexec_numbers(current->files, first, last);
	else
		close_numbers(current->files, first, last);
	return 0;
}

/* FD_CLOEXEC of an open descriptor. */
bool get_close_on_exec(unsigned fd)
{
	struct files *files = current->files;
	bool on;

	spin_lock(&files->lock);
	on = fd < files->max && test_bit(files->cloexec_bits, fd);
	spin_unlock(&files->lock);
	return on;
}

void set_close_on_exec(unsigned fd, bool on)
{
	struct files *files = current->files;

	spin_lock(&files->lock);
	if (fd < files->max && files->fd[fd]) {
		if (on)
			set_bit(files->cloexec_bits, fd);
		else
			clear_bit(files->cloexec_bits, fd);
	}
	spin_unlock(&files->lock);
}
