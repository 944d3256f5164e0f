/*
 * fcntl(2) and ioctl(2), and the hook through which mmap(2) finds the file behind a mapping.
 *
 * Descriptor flags (FD_CLOEXEC) belong to the descriptor table, status flags (O_NONBLOCK ...) to
 * the open file, so that dup'ed descriptors share them. A status flag changes under f_lock and is
 * read without it: an operation in progress sees the old or the new value.
 */

#include "fs/internal.h"
#include "fs/lock.h"
#include "fs/pipe.h"
#include "kernel/cpu/syscall.h"
#include "kernel/lib/init.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/signal.h"

#define FIONREAD 0x541bu
#define FIONBIO  0x5421u
#define FIONCLEX 0x5450u
#define FIOCLEX  0x5451u
#define FIOASYNC 0x5452u
/* Of sockets only. */
#define FIOSETOWN 0x8901u
#define SIOCSPGRP 0x8902u
#define FIOGETOWN 0x8903u
#define SIOCGPGRP 0x8904u
#define FIGETBSZ  0x2u

#define SETFL_MASK (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

static void change_flags(struct file *f, u32 clear, u32 set)
{
	spin_lock(&f->f_lock);
	WRITE_ONCE(f->f_flags, (f->f_flags & ~clear) | set);
	spin_unlock(&f->f_lock);
}

/* ---- fcntl ---- */

static long set_flags(unsigned fd, struct file *f, u32 flags)
{
	u32 mask = SETFL_MASK | (f->f_op->async ? O_ASYNC : 0);
	int err = 0;

	if ((flags & O_NOATIME) && !(f->f_flags & O_NOATIME) && f->f_dentry &&
	    !inode_owner_or_root(f->f_inode))
		return -EPERM;
	if ((flags ^ f->f_flags) & mask & O_ASYNC)
		err = set_async(f, (int)fd, flags & O_ASYNC);
	if (err < 0)
		return err;
	change_flags(f, mask, flags & mask);
	return 0;
}

static long dup_from(struct file *f, u64 from, u32 flags)
{
	int fd;

	if (from >= min(current->signal->rlim[RLIMIT_NOFILE].rlim_cur, (u64)NR_OPEN_MAX))
		return -EINVAL;
	fd = get_unused_fd_from((unsigned)from, flags);
	if (fd >= 0)
		fd_install((unsigned)fd, get_file(f));
	return fd;
}

/* How long what is written will live: noted, and nothing here asks for it. */
static long write_hint(struct file *f, bool set, u64 __user *arg)
{
	struct inode *i = f->f_inode;
	u64 hint;

	if (!set)
		return put_user((u64)READ_ONCE(i->i_write_hint), arg) ? -EFAULT : 0;
	if (!inode_owner_or_root(i))
		return -EPERM;
	if (get_user(hint, arg))
		return -EFAULT;
	if (hint > RWH_WRITE_LIFE_EXTREME)
		return -EINVAL;
	WRITE_ONCE(i->i_write_hint, (u8)hint);
	return 0;
}

static long do_fcntl(unsigned fd, struct file *f, unsigned cmd, u64 arg)
{
	switch (cmd) {
	case F_DUPFD:
		return dup_from(f, (u32)arg, 0);
	case F_DUPFD_CLOEXEC:
		return dup_from(f, (u32)arg, O_CLOEXEC);
	case F_GETFD:
		return get_close_on_exec(fd) ? FD_CLOEXEC : 0;
	case F_SETFD:
		set_close_on_exec(fd, arg & FD_CLOEXEC);
		return 0;
	case F_GETFL:
		return f->f_flags | (f->f_mode & FMODE_PATH ? O_PATH : 0);
	}
	if (f->f_mode & FMODE_PATH)
		return -EBADF;
	switch (cmd) {
	case F_SETFL:
		return set_flags(fd, f, (u32)arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return fcntl_lock(fd, f, cmd, (struct flock __user *)arg);
	case F_ADD_SEALS:
	case F_GET_SEALS:
		return seal_fcntl(f, cmd, arg);
	case F_SETOWN:
	case F_GETOWN:
	case F_SETOWN_EX:
	case F_GETOWN_EX:
	case F_SETSIG:
	case F_GETSIG:
		return fcntl_async(f, cmd, arg);
	case F_GET_RW_HINT:
	case F_SET_RW_HINT:
		return write_hint(f, cmd == F_SET_RW_HINT, (u64 __user *)arg);
	case F_GETLEASE:
		return F_UNLCK; /* nobody can have one */
	case F_SETPIPE_SZ:
	case F_GETPIPE_SZ:
		return pipe_fcntl(f, (int)cmd, arg);
	default:
		return -EINVAL;
	}
}

SYSCALL_DEFINE3(fcntl, unsigned, fd, unsigned, cmd, u64, arg)
{
	struct fd f = fdget_path(fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = do_fcntl(fd, f.file, cmd, arg);
	fdput(f);
	return ret;
}

/* ---- ioctl ---- */

static long ioctl_nonblock(struct file *f, const int __user *arg)
{
	int on;

	if (get_user(on, arg))
		return -EFAULT;
	change_flags(f, O_NONBLOCK, on ? O_NONBLOCK : 0);
	return 0;
}

static long ioctl_async(unsigned fd, struct file *f, const int __user *arg)
{
	int on, err;

	if (get_user(on, arg))
		return -EFAULT;
	if (!on == !(f->f_flags & O_ASYNC))
		return 0;
	if (!f->f_op->async)
		return -ENOTTY;
	err = set_async(f, (int)fd, on);
	if (err < 0)
		return err;
	change_flags(f, O_ASYNC, on ? O_ASYNC : 0);
	return 0;
}

static long do_ioctl(unsigned fd, struct file *f, unsigned cmd, u64 arg)
{
	bool regular = f->f_dentry && S_ISREG(f->f_inode->i_mode);

	switch (cmd) {
	case FIOCLEX:
		set_close_on_exec(fd, true);
		return 0;
	case FIONCLEX:
		set_close_on_exec(fd, false);
		return 0;
	case FIONBIO:
		return ioctl_nonblock(f, (const int __user *)arg);
	case FIOASYNC:
		return ioctl_async(fd, f, (const int __user *)arg);
	case FIONREAD:
		if (regular)
			return put_user((int)(f->f_inode->i_size - f->f_pos), (int __user *)arg);
		break;
	case FIOSETOWN:
	case SIOCSPGRP:
	case FIOGETOWN:
	case SIOCGPGRP:
		if (S_ISSOCK(f->f_inode->i_mode))
			return ioctl_owner(f, cmd == FIOSETOWN || cmd == SIOCSPGRP,
					   (int __user *)arg);
		break;
	case FIGETBSZ:
		if (f->f_dentry)
			return put_user((int)PAGE_SIZE, (int __user *)arg);
		break;
	}
	return f->f_op->ioctl ? f->f_op->ioctl(f, cmd, arg) : -ENOTTY;
}

SYSCALL_DEFINE3(ioctl, unsigned, fd, unsigned, cmd, u64, arg)
{
	struct fd f = fdget(fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = do_ioctl(fd, f.file, cmd, arg);
	fdput(f);
	return ret;
}

/* ---- mmap ---- */

static int check_mmap(const struct file *f, int prot, int flags)
{
	if (!(f->f_mode & FMODE_READ))
		return -EACCES;
	if ((flags & MAP_TYPE) != MAP_PRIVATE && (prot & PROT_WRITE) && !(f->f_mode & FMODE_WRITE))
		return -EACCES;
	if ((prot & PROT_EXEC) && (READ_ONCE(f->f_mnt->flags) & MS_NOEXEC))
		return -EPERM;
	return f->f_op->mmap ? 0 : -ENODEV;
}

static int mmap_file(int fd, u64 len, int prot, int flags, u64 off, const struct vm_ops **ops,
		     void **object)
{
	struct fd f = fdget((unsigned)fd);
	int err;

	if (!f.file)
		return -EBADF;
	err = check_mmap(f.file, prot, flags);
	if (!err)
		err = f.file->f_op->mmap(f.file, len, prot, flags, off, ops, object);
	fdput(f);
	return err;
}

static int __init fcntl_init(void)
{
	mmap_file_hook = mmap_file;
	return 0;
}
core_initcall(fcntl_init);
