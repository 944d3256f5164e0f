/*
 * open(2) and its relatives: from a path and flags to a struct file. The walk (namei.c) stops at
 * the last component, because O_CREAT may have to make it; then the permissions of what is there are
 * checked, the file's own open() runs, and O_TRUNC cuts it.
 *
 *	do_open -> open_at -> walk -> (open_create) -> open_inode -> may_open, open() of its kind
 *
 * LOCKING: the directory's i_mutex over "look up, else create", so two O_CREAT|O_EXCL cannot both
 * win; nothing else is held while a file is opened, since a FIFO's open() sleeps for its other end.
 */

#include "fs/internal.h"
#include "fs/notify.h"
#include "kernel/cpu/syscall.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/signal.h"

#define O_TMPFILE_BIT 020000000u
#define O_VALID \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | \
	 O_ASYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | \
	 O_PATH | O_TMPFILE)
#define O_PATH_FLAGS (O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)

static const struct file_operations path_fops; /* O_PATH: none at all */

/* ---- what is there is opened ---- */

static int access_wanted(u32 flags)
{
	static const u8 masks[] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE};

	return masks[flags & O_ACCMODE] | (flags & O_TRUNC ? MAY_WRITE : 0);
}

static int may_open(const struct path *at, u32 flags)
{
	const struct inode *inode = at->dentry->d_inode;
	int mask = access_wanted(flags), err;
	u32 type = inode->i_mode & S_IFMT;

	switch (type) {
	case S_IFLNK:
		return -ELOOP;
	case S_IFDIR:
		if (mask & MAY_WRITE)
			return -EISDIR;
		break;
	case S_IFCHR:
	case S_IFBLK:
		if (READ_ONCE(at->mnt->flags) & MS_NODEV)
			return -EACCES;
	}
	if ((flags & O_NOATIME) && !inode_owner_or_root(inode))
		return -EPERM;
	err = inode_permission(inode, mask);
	if (!err && (mask & MAY_WRITE) && type == S_IFREG)
		err = mnt_want_write(at->mnt);
	return err;
}

/* A file on @at, which keeps its own references. ERR_PTR. */
static struct file *open_inode(const struct path *at, u32 flags)
{
	struct inode *inode = at->dentry->d_inode;
	struct file *f = alloc_empty_file(flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC));
	int err = 0;

	if (IS_ERR(f))
		return f;
	path_get(at);
	f->f_mnt = at->mnt;
	f->f_dentry = at->dentry;
	f->f_inode = inode;
	if (flags & O_PATH) {
		f->f_op = &path_fops;
		f->f_mode = FMODE_PATH | FMODE_STREAM;
		return f;
	}
	f->f_op = inode->i_fop;
	if ((f->f_mode & FMODE_WRITE) && S_ISREG(inode->i_mode)) {
		err = start_writing(f);
	}
	if (!err && f->f_op->open)
		err = f->f_op->open(inode, f); /* may put operations of its own in place */
	f->f_flags &= ~O_NOCTTY;               /* only a terminal's open() cares */
	if (err) {
		if (f->f_mode & FMODE_WRITER)
			end_writing(f);
		free_unopened_file(f);
		return ERR_PTR(err);
	}
	if (!f->f_op->llseek)
		f->f_mode |= FMODE_STREAM;
	return f; /* O_DIRECT is kept and means nothing: there is no cache to go around */
}

int do_truncate(struct inode *inode, loff_t len)
{
	int err;

	mutex_lock(&inode->i_mutex);
	err = inode->i_op->truncate(inode, len);
	inode_touch(inode);
	mutex_unlock(&inode->i_mutex);
	return err;
}

/* By name, or by a file that need not be open for writing. */
static int truncate_unless_run(struct inode *inode, loff_t len)
{
	int err = get_write_access(inode);

	if (err)
		return err;
	err = do_truncate(inode, len);
	put_write_access(inode);
	return err;
}

/* The walk has arrived. @created: just now, by this call, so nothing is left to check. */
static struct file *open_path(const struct path *at, u32 flags, bool created)
{
	struct inode *inode = at->dentry->d_inode;
	struct file *f;
	int err = 0;

	if (!created && !(flags & O_PATH)) {
		if ((flags & O_CREAT) && S_ISDIR(inode->i_mode))
			return ERR_PTR(-EISDIR);
		if ((flags & O_DIRECTORY) && !S_ISDIR(inode->i_mode))
			return ERR_PTR(-ENOTDIR);
		err = may_open(at, flags);
	}
	if (err)
		return ERR_PTR(err);
	f = open_inode(at, flags);
	if (IS_ERR(f))
		return f;
	notify_file(f, IN_OPEN);
	if (created || !(flags & O_TRUNC) || !S_ISREG(inode->i_mode) || !inode->i_op ||
	    !inode->i_op->truncate)
		return f;
	err = truncate_unless_run(inode, 0);
	if (err) {
		fput(f);
		return ERR_PTR(err);
	}
	notify_file(f, IN_MODIFY);
	return f;
}

struct file *open_place(const struct path *at, u32 flags)
{
	return open_path(at, flags, false);
}

/* /proc/self/fd/N of a file without a place in the tree, which is taken over. */
static struct file *reopen(struct file *file, u32 flags)
{
	struct file *f = ERR_PTR(-ENXIO);

	if (flags & O_DIRECTORY)
		f = ERR_PTR(-ENOTDIR);
	else if (file->f_op->reopen && !(flags & O_PATH))
		f = file->f_op->reopen(file, flags);
	fput(file);
	return f;
}

/* ---- O_CREAT ---- */

/*
 * The last component of nd, made if it is not there. A file, ERR_PTR, or NULL: there is something
 * (*exists), go on with walk_last().
 */
static struct file *open_create(struct nameidata *nd, u32 flags, u32 mode)
{
	struct dentry *parent = nd->path.dentry, *d;
	struct inode *dir = parent->d_inode;
	struct path at;
	struct file *f;
	int err;

	if (nd->trailing)
		return ERR_PTR(-EISDIR);
	mutex_lock(&dir->i_mutex);
	d = lookup_one(parent, nd->last, nd->last_len);
	if (IS_ERR(d)) {
		mutex_unlock(&dir->i_mutex);
		return ERR_PTR(PTR_ERR(d));
	}
	if (d->d_inode) {
		err = flags & O_EXCL ? -EEXIST : 0;
	} else {
		err = mnt_want_write(nd->path.mnt) ?: may_create(parent, d);
		if (!err)
			err = dir->i_op->create ? dir->i_op->create(dir, d, mode & ~current_umask())
						: -EACCES;
		if (!err) {
			notify_name(dir, d, IN_CREATE);
			err = 1;
		}
	}
	mutex_unlock(&dir->i_mutex);
	at = (struct path){nd->path.mnt, d};
	f = err < 0 ? ERR_PTR(err) : err ? open_path(&at, flags, true) : NULL;
	dput(d);
	return f;
}

/* ---- without a name ---- */

struct file *open_nameless(const struct path *dir, const char *name, struct inode *inode, u32 flags)
{
	struct dentry *d = d_alloc(dir->dentry, name, strlen(name));
	struct file *f;

	if (!d) {
		iput(inode);
		return ERR_PTR(-ENOMEM);
	}
	inode->i_nlink = 0;
	d->d_inode = inode;
	d->d_unlinked = true;
	f = open_inode(&(struct path){dir->mnt, d}, flags);
	dput(d);
	return f;
}

/* O_TMPFILE, in the directory that the walk has found. */
static struct file *open_tmpfile(const struct path *dir, u32 flags, u32 mode)
{
	struct inode *parent = dir->dentry->d_inode, *inode;
	char name[24];
	int err = inode_permission(parent, MAY_WRITE | MAY_EXEC) ?: mnt_want_write(dir->mnt);
	struct file *f;

	if (!err && (!parent->i_op || !parent->i_op->tmpfile))
		err = -EOPNOTSUPP;
	if (err)
		return ERR_PTR(err);
	inode = parent->i_op->tmpfile(parent, mode & ~current_umask());
	if (!inode)
		return ERR_PTR(-ENOSPC);
	inode->i_linkable = !(flags & O_EXCL);
	snprintf(name, sizeof(name), "#%lu", inode->i_ino);
	f = open_nameless(dir, name, inode, flags);
	if (!IS_ERR(f))
		notify_file(f, IN_OPEN);
	return f;
}

/* ---- the whole ---- */

static struct file *open_walk(struct nameidata *nd, u32 flags, u32 mode)
{
	struct file *f;
	int err;

	do {
		err = walk_parents(nd);
		if (err)
			return ERR_PTR(err);
		if ((flags & O_CREAT) && nd->last_type == LAST_NORM) {
			err = S_ISDIR(nd->path.dentry->d_inode->i_mode) ? 0 : -ENOTDIR;
			f = err ? ERR_PTR(err) : open_create(nd, flags, mode);
			if (f)
				return f;
		} else if ((flags & O_CREAT) && (flags & O_EXCL)) {
			return ERR_PTR(-EEXIST);
		}
		err = walk_last(nd);
	} while (err > 0);
	if (err)
		return ERR_PTR(err);
	if (nd->file)
		return reopen(nd->file, flags);
	if ((nd->flags & LOOKUP_DIRECTORY) && !S_ISDIR(nd->path.dentry->d_inode->i_mode))
		return ERR_PTR(-ENOTDIR);
	if (flags & O_TMPFILE_BIT)
		return open_tmpfile(&nd->path, flags, mode);
	return open_path(&nd->path, flags, false);
}

/* @lookup: limits of openat2(2), LOOKUP_NO_XDEV ... */
static struct file *open_at(int dfd, const char *name, u32 flags, u32 mode, unsigned lookup)
{
	struct nameidata nd;
	struct file *f;
	int err;

	if (!(flags & O_NOFOLLOW))
		lookup |= LOOKUP_FOLLOW;
	if (flags & O_DIRECTORY)
		lookup |= LOOKUP_DIRECTORY;
	/* O_EXCL is about the name itself, whatever it leads to. */
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		lookup &= ~LOOKUP_FOLLOW;
	err = path_start(&nd, dfd, name, lookup);
	if (err)
		return ERR_PTR(err);
	nd.want_file = true;
	f = open_walk(&nd, flags, mode);
	path_end(&nd);
	return f;
}

struct file *filp_open(const char *path, u32 flags, u32 mode)
{
	return open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode & 07777, 0);
}

/* Brings what the user passed into one of the forms that make sense, as Linux does. */
static int check_flags(u32 *flags, u32 *mode)
{
	*flags &= O_VALID;
	if (!(*flags & (O_CREAT | O_TMPFILE_BIT)))
		*mode = 0;
	*mode &= 07777;
	if (*flags & O_TMPFILE_BIT) {
		if ((*flags & (O_TMPFILE | O_CREAT)) != O_TMPFILE || !(*flags & O_ACCMODE))
			return -EINVAL;
	}
	if (*flags & O_PATH)
		*flags &= O_PATH_FLAGS;
	if ((*flags & O_CREAT) && (*flags & O_DIRECTORY))
		return -EINVAL;
	if (!(*flags & O_PATH))
		*flags |= O_LARGEFILE;
	return 0;
}

static long do_open(int dfd, const char __user *uname, u32 flags, u32 mode, unsigned lookup)
{
	int err = check_flags(&flags, &mode);
	char *name;
	long fd;

	if (err)
		return err;
	name = getname(uname, false);
	if (IS_ERR(name))
		return PTR_ERR(name);
	fd = get_unused_fd(flags);
	if (fd >= 0) {
		struct file *f = open_at(dfd, name, flags, mode, lookup);

		if (IS_ERR(f)) {
			put_unused_fd((unsigned)fd);
			fd = PTR_ERR(f);
		} else {
			fd_install((unsigned)fd, f);
		}
	}
	putname(name);
	return fd;
}

SYSCALL_DEFINE3(open, const char __user *, name, u32, flags, u32, mode)
{
	return do_open(AT_FDCWD, name, flags, mode, 0);
}

SYSCALL_DEFINE4(openat, int, dfd, const char __user *, name, u32, flags, u32, mode)
{
	return do_open(dfd, name, flags, mode, 0);
}

SYSCALL_DEFINE2(creat, const char __user *, name, u32, mode)
{
	return do_open(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode, 0);
}

/* openat2(2): what open(2) forgives is an error, and the walk has limits. */
struct open_how {
	u64 flags, mode, resolve;
};

#define RESOLVE_CACHED 0x20u /* all names are in memory, so it asks for nothing */
#define RESOLVE_VALID  0x3fu

static int check_how(const struct open_how *how)
{
	bool creates = how->flags & (O_CREAT | O_TMPFILE_BIT);

	if ((how->flags & ~(u64)O_VALID) || (how->resolve & ~(u64)RESOLVE_VALID))
		return -EINVAL;
	if (creates ? how->mode & ~07777ull : how->mode)
		return -EINVAL;
	if ((how->flags & O_PATH) && (how->flags & ~(u64)O_PATH_FLAGS))
		return -EINVAL;
	if ((how->resolve << 8 & LOOKUP_SCOPED) == LOOKUP_SCOPED)
		return -EINVAL;
	if ((how->resolve & RESOLVE_CACHED) && (creates || (how->flags & O_TRUNC)))
		return -EAGAIN;
	return 0;
}

SYSCALL_DEFINE4(openat2, int, dfd, const char __user *, name, const char __user *, uhow, size_t,
		size)
{
	struct open_how how;
	int err =
		size < sizeof(how) ? -EINVAL : copy_struct_from_user(&how, sizeof(how), uhow, size);

	if (!err)
		err = check_how(&how);
	return err ? err
		   : do_open(dfd, name, (u32)how.flags, (u32)how.mode,
			     (unsigned)(how.resolve & ~RESOLVE_CACHED) << 8);
}

/* ---- length ---- */

/* The limit of setrlimit(2) on what a file may grow to. */
static int check_size_limit(const struct inode *inode, loff_t len)
{
	if (len <= inode->i_size || !current->signal ||
	    (u64)len <= READ_ONCE(current->signal->rlim[RLIMIT_FSIZE].rlim_cur))
		return 0;
	send_signal_task(current, SIGXFSZ, NULL);
	return -EFBIG;
}

SYSCALL_DEFINE2(truncate, const char __user *, name, loff_t, len)
{
	struct inode *inode;
	struct path p;
	int err;

	if (len < 0)
		return -EINVAL;
	err = user_path_at(AT_FDCWD, name, LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	inode = p.dentry->d_inode;
	if (S_ISDIR(inode->i_mode))
		err = -EISDIR;
	else if (!S_ISREG(inode->i_mode))
		err = -EINVAL;
	if (!err)
		err = mnt_want_write(p.mnt) ?: inode_permission(inode, MAY_WRITE);
	if (!err && (!inode->i_op || !inode->i_op->truncate))
		err = -EINVAL;
	if (!err)
		err = check_size_limit(inode, len);
	if (!err)
		err = truncate_unless_run(inode, len);
	if (!err)
		notify_dentry(p.dentry, IN_MODIFY);
	path_put(&p);
	return err;
}

SYSCALL_DEFINE2(ftruncate, unsigned, fd, loff_t, len)
{
	struct inode *inode;
	struct fd f;
	int err = -EINVAL;

	if (len < 0)
		return -EINVAL;
	f = fdget(fd);
	if (!f.file)
		return -EBADF;
	inode = f.file->f_inode;
	if (f.file->f_dentry && S_ISREG(inode->i_mode) && (f.file->f_mode & FMODE_WRITE) &&
	    inode->i_op && inode->i_op->truncate) {
		err = check_size_limit(inode, len);
		if (!err)
			err = do_truncate(inode, len);
		if (!err)
			notify_file(f.file, IN_MODIFY);
	}
	fdput(f);
	return err;
}

static int check_fallocate(const struct file *f, loff_t off, loff_t len)
{
	loff_t end;

	if (off < 0 || len <= 0)
		return -EINVAL;
	if (!(f->f_mode & FMODE_WRITE))
		return -EBADF;
	if (!f->f_dentry || S_ISFIFO(f->f_inode->i_mode))
		return -ESPIPE;
	if (S_ISDIR(f->f_inode->i_mode))
		return -EISDIR;
	if (!S_ISREG(f->f_inode->i_mode))
		return -ENODEV;
	if (__builtin_add_overflow(off, len, &end))
		return -EFBIG;
	return f->f_op->fallocate ? check_size_limit(f->f_inode, end) : -EOPNOTSUPP;
}

SYSCALL_DEFINE4(fallocate, unsigned, fd, int, mode, loff_t, off, loff_t, len)
{
	struct fd f = fdget(fd);
	int err;

	if (!f.file)
		return -EBADF;
	err = check_fallocate(f.file, off, len);
	if (!err)
		err = f.file->f_op->fallocate(f.file, mode, off, len);
	if (!err)
		notify_file(f.file, IN_MODIFY);
	fdput(f);
	return err;
}
