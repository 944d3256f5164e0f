/*
 * Names made and unmade: mkdir, mknod, symlink, link, unlink, rmdir, readlink. Each walks to
 * the parent directory, locks it, looks the last component up, checks what Linux checks in that
 * order, and asks the file system; the name cache follows.
 *
 * LOCKING
 *	The directory's i_mutex, then the i_mutex of the inode that gains or loses a name. For two
 *	directories see rename.c.
 */

#include "fs/internal.h"
#include "fs/notify.h"
#include "kernel/cpu/syscall.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"

/* ---- making ---- */

/*
 * Walks to the last component of @name, which is to be made: a dentry without an inode, its directory
 * (nd->path) locked; ERR_PTR. @dir: slashes behind the name are allowed. end_create() follows.
 */
static struct dentry *start_create(struct nameidata *nd, int dfd, const char *name, bool dir)
{
	struct dentry *parent, *d;
	int err = path_parentat(nd, dfd, name);

	if (err)
		return ERR_PTR(err);
	err = -EEXIST;
	if (nd->last_type != LAST_NORM)
		goto end;
	parent = nd->path.dentry;
	lock_dir(parent);
	d = lookup_one(parent, nd->last, nd->last_len);
	if (IS_ERR(d)) {
		err = (int)PTR_ERR(d);
		goto unlock;
	}
	if (!d->d_inode && nd->trailing && !dir)
		err = -ENOENT;
	else if (!d->d_inode)
		err = mnt_want_write(nd->path.mnt) ?: may_create(parent, d);
	if (!err)
		return d;
	dput(d);
unlock:
	unlock_dir(parent);
end:
	path_end(nd);
	return ERR_PTR(err);
}

static void end_create(struct nameidata *nd, struct dentry *d)
{
	if (d->d_inode)
		notify_name(nd->path.dentry->d_inode, d, IN_CREATE);
	dput(d);
	unlock_dir(nd->path.dentry);
	path_end(nd);
}

int do_mkdirat(int dfd, const char *name, u32 mode)
{
	struct nameidata nd;
	struct dentry *d = start_create(&nd, dfd, name, true);
	struct inode *dir;
	int err = -EPERM;

	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	dir = nd.path.dentry->d_inode;
	if (dir->i_op->mkdir)
		err = dir->i_op->mkdir(dir, d, (mode & (0777 | S_ISVTX)) & ~current_umask());
	end_create(&nd, d);
	return err;
}

/* @made, if not NULL, becomes the place of the new node. */
static int make_node(int dfd, const char *name, u32 mode, u64 rdev, struct path *made)
{
	struct nameidata nd;
	struct dentry *d = start_create(&nd, dfd, name, false);
	struct inode *dir;
	int err = -EPERM;

	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	dir = nd.path.dentry->d_inode;
	mode &= ~current_umask();
	if ((S_ISCHR(mode) || (mode & S_IFMT) == S_IFBLK) && !capable(CAP_MKNOD))
		err = -EPERM;
	else if (S_ISREG(mode) && dir->i_op->create)
		err = dir->i_op->create(dir, d, mode);
	else if (!S_ISREG(mode) && dir->i_op->mknod)
		err = dir->i_op->mknod(dir, d, mode, rdev);
	if (!err && made) {
		*made = (struct path){nd.path.mnt, d};
		path_get(made);
	}
	end_create(&nd, d);
	return err;
}

int do_mknodat(int dfd, const char *name, u32 mode, u64 rdev)
{
	return make_node(dfd, name, mode, rdev, NULL);
}

int kern_mknod(const char *name, u32 mode, struct path *made)
{
	return make_node(AT_FDCWD, name, mode, 0, made);
}

int do_symlinkat(const char *target, int dfd, const char *name)
{
	struct nameidata nd;
	struct dentry *d = start_create(&nd, dfd, name, false);
	struct inode *dir;
	int err;

	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	dir = nd.path.dentry->d_inode;
	err = dir->i_op->symlink ? dir->i_op->symlink(dir, d, target) : -EPERM;
	end_create(&nd, d);
	return err;
}

/* The directory is locked. */
static int link_inode(struct inode *inode, struct inode *dir, struct dentry *d)
{
	int err;

	if (S_ISDIR(inode->i_mode))
		return -EPERM;
	if (!dir->i_op->link)
		return -EPERM;
	mutex_lock_nested(&inode->i_mutex, I_CHILD);
	err = inode->i_nlink || inode->i_linkable ? dir->i_op->link(inode, dir, d) : -ENOENT;
	mutex_unlock(&inode->i_mutex);
	if (!err)
		notify_inode(inode, IN_ATTRIB);
	return err;
}

int do_linkat(int odfd, const char *oname, int ndfd, const char *nname, unsigned lookup_flags)
{
	struct nameidata nd;
	struct path old;
	struct dentry *d;
	int err = path_lookupat(odfd, oname, lookup_flags, &old, NULL);

	if (err)
		return err;
	d = start_create(&nd, ndfd, nname, false);
	if (IS_ERR(d)) {
		err = (int)PTR_ERR(d);
	} else {
		err = -EXDEV;
		if (old.mnt == nd.path.mnt)
			err = link_inode(old.dentry->d_inode, nd.path.dentry->d_inode, d);
		end_create(&nd, d);
	}
	path_put(&old);
	return err;
}

/* ---- unmaking ---- */

int may_delete(struct dentry *dir, struct dentry *d, bool isdir)
{
	const struct inode *i = d->d_inode, *parent = dir->d_inode;
	int err;

	if (!i)
		return -ENOENT;
	err = inode_permission(parent, MAY_WRITE | MAY_EXEC);
	if (err)
		return err;
	if ((parent->i_mode & S_ISVTX) && !inode_owner_or_root(i) && !inode_owner_or_root(parent))
		return -EPERM;
	if (isdir && !S_ISDIR(i->i_mode))
		return -ENOTDIR;
	if (!isdir && S_ISDIR(i->i_mode))
		return -EISDIR;
	return READ_ONCE(d->d_mounted) ? -EBUSY : 0;
}

/* The events of a name that is gone, in Linux's order: the file's own end comes first. */
static void notify_removed(struct inode *dir, struct dentry *d, bool isdir)
{
	struct inode *i = d->d_inode;

	if (likely(!READ_ONCE(nr_watches)))
		return;
	if (!isdir)
		notify_inode(i, IN_ATTRIB);
	/* Nobody has it open: the caller's dput() will be its end. */
	if (!i->i_nlink && refcount_read(&d->refs) == 1 && refcount_read(&i->refs) == 1)
		notify_gone(i, IN_DELETE_SELF);
	notify_name(dir, d, IN_DELETE);
}

/* @dir is locked. */
static int remove_name(struct dentry *dir, struct dentry *d, bool isdir)
{
	struct inode *parent = dir->d_inode, *i = d->d_inode;
	int (*op)(struct inode *, struct dentry *) = NULL;
	int err = may_delete(dir, d, isdir);

	if (err)
		return err;
	if (parent->i_op)
		op = isdir ? parent->i_op->rmdir : parent->i_op->unlink;
	if (!op)
		return -EPERM;
	mutex_lock_nested(&i->i_mutex, I_CHILD);
	err = op(parent, d);
	if (!err)
		d_drop(d);
	mutex_unlock(&i->i_mutex);
	if (!err)
		notify_removed(parent, d, isdir);
	return err;
}

int do_unlinkat(int dfd, const char *name)
{
	struct nameidata nd;
	struct dentry *d;
	int err = path_parentat(&nd, dfd, name);

	if (err)
		return err;
	err = nd.last_type != LAST_NORM ? -EISDIR : mnt_want_write(nd.path.mnt);
	if (err)
		goto out;
	lock_dir(nd.path.dentry);
	d = lookup_one(nd.path.dentry, nd.last, nd.last_len);
	if (IS_ERR(d)) {
		err = (int)PTR_ERR(d);
	} else {
		if (nd.trailing)
			err = !d->d_inode                   ? -ENOENT
			      : S_ISDIR(d->d_inode->i_mode) ? -EISDIR
							    : -ENOTDIR;
		else
			err = remove_name(nd.path.dentry, d, false);
	}
	unlock_dir(nd.path.dentry);
	if (!IS_ERR(d))
		dput(d); /* may free a large file: not under the lock */
out:
	path_end(&nd);
	return err;
}

int do_rmdirat(int dfd, const char *name)
{
	struct nameidata nd;
	struct dentry *d;
	int err = path_parentat(&nd, dfd, name);

	if (err)
		return err;
	err = nd.last_type == LAST_DOT      ? -EINVAL
	      : nd.last_type == LAST_DOTDOT ? -ENOTEMPTY
	      : nd.last_type == LAST_ROOT   ? -EBUSY
					    : mnt_want_write(nd.path.mnt);
	if (err)
		goto out;
	lock_dir(nd.path.dentry);
	d = lookup_one(nd.path.dentry, nd.last, nd.last_len);
	err = IS_ERR(d) ? (int)PTR_ERR(d) : remove_name(nd.path.dentry, d, true);
	unlock_dir(nd.path.dentry);
	if (!IS_ERR(d))
		dput(d);
out:
	path_end(&nd);
	return err;
}

/* ---- system calls ---- */

static long user_mkdirat(int dfd, const char __user *uname, u32 mode)
{
	char *name = getname(uname, false);
	int err;

	if (IS_ERR(name))
		return PTR_ERR(name);
	err = do_mkdirat(dfd, name, mode);
	putname(name);
	return err;
}

SYSCALL_DEFINE2(mkdir, const char __user *, name, u32, mode)
{
	return user_mkdirat(AT_FDCWD, name, mode);
}

SYSCALL_DEFINE3(mkdirat, int, dfd, const char __user *, name, u32, mode)
{
	return user_mkdirat(dfd, name, mode);
}

static long user_mknodat(int dfd, const char __user *uname, u32 mode, u32 rdev)
{
	char *name;
	int err;

	switch (mode & S_IFMT) {
	case 0:
		mode |= S_IFREG;
		break;
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	name = getname(uname, false);
	if (IS_ERR(name))
		return PTR_ERR(name);
	err = do_mknodat(dfd, name, mode & (S_IFMT | 07777), rdev);
	putname(name);
	return err;
}

SYSCALL_DEFINE3(mknod, const char __user *, name, u32, mode, u32, rdev)
{
	return user_mknodat(AT_FDCWD, name, mode, rdev);
}

SYSCALL_DEFINE4(mknodat, int, dfd, const char __user *, name, u32, mode, u32, rdev)
{
	return user_mknodat(dfd, name, mode, rdev);
}

/* Fetches two names and calls @fn with them. */
static long with_names(const char __user *a, const char __user *b, unsigned flags,
		       long (*fn)(char *, char *, const int *), const int *args)
{
	char *from = getname(a, flags & LOOKUP_EMPTY), *to;
	long ret;

	if (IS_ERR(from))
		return PTR_ERR(from);
	to = getname(b, false);
	ret = IS_ERR(to) ? PTR_ERR(to) : fn(from, to, args);
	if (!IS_ERR(to))
		putname(to);
	putname(from);
	return ret;
}

static long symlink_names(char *target, char *name, const int *args)
{
	return do_symlinkat(target, args[0], name);
}

SYSCALL_DEFINE2(symlink, const char __user *, target, const char __user *, name)
{
	return with_names(target, name, 0, symlink_names, (int[]){AT_FDCWD});
}

SYSCALL_DEFINE3(symlinkat, const char __user *, target, int, dfd, const char __user *, name)
{
	return with_names(target, name, 0, symlink_names, (int[]){dfd});
}

static long link_names(char *from, char *to, const int *args)
{
	return do_linkat(args[0], from, args[1], to, (unsigned)args[2]);
}

SYSCALL_DEFINE2(link, const char __user *, from, const char __user *, to)
{
	return with_names(from, to, 0, link_names, (int[]){AT_FDCWD, AT_FDCWD, 0});
}

SYSCALL_DEFINE5(linkat, int, odfd, const char __user *, from, int, ndfd, const char __user *, to,
		int, flags)
{
	unsigned lookup = 0;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (flags & AT_SYMLINK_FOLLOW)
		lookup |= LOOKUP_FOLLOW;
	if (flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	return with_names(from, to, lookup, link_names, (int[]){odfd, ndfd, (int)lookup});
}

static long user_unlinkat(int dfd, const char __user *uname, bool dir)
{
	char *name = getname(uname, false);
	int err;

	if (IS_ERR(name))
		return PTR_ERR(name);
	err = dir ? do_rmdirat(dfd, name) : do_unlinkat(dfd, name);
	putname(name);
	return err;
}

SYSCALL_DEFINE1(unlink, const char __user *, name)
{
	return user_unlinkat(AT_FDCWD, name, false);
}

SYSCALL_DEFINE1(rmdir, const char __user *, name)
{
	return user_unlinkat(AT_FDCWD, name, true);
}

SYSCALL_DEFINE3(unlinkat, int, dfd, const char __user *, name, int, flags)
{
	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	return user_unlinkat(dfd, name, flags & AT_REMOVEDIR);
}

static ssize_t read_link(const struct path *p, char __user *buf, int size)
{
	const struct inode *i = p->dentry->d_inode;
	char *text;
	ssize_t n;

	if (!S_ISLNK(i->i_mode))
		return -EINVAL;
	text = kmem_cache_alloc(names_cache, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	n = i->i_op->readlink(p->dentry->d_inode, text, PATH_MAX);
	if (n > size)
		n = size;
	if (n > 0 && copy_to_user(buf, text, (size_t)n))
		n = -EFAULT;
	putname(text);
	return n;
}

static long user_readlinkat(int dfd, const char __user *uname, char __user *buf, int size)
{
	struct path p;
	long ret;
	char *name;

	if (size <= 0)
		return -EINVAL;
	name = getname(uname, true);
	if (IS_ERR(name))
		return PTR_ERR(name);
	ret = path_lookupat(dfd, name, 0, &p, NULL);
	if (!ret) {
		ret = read_link(&p, buf, size);
		/* An empty name stands for a descriptor of a link, and for nothing else. */
		if (ret == -EINVAL && !*name)
			ret = -ENOENT;
		path_put(&p);
	}
	putname(name);
	return ret;
}

SYSCALL_DEFINE3(readlink, const char __user *, name, char __user *, buf, int, size)
{
	return user_readlinkat(AT_FDCWD, name, buf, size);
}

SYSCALL_DEFINE4(readlinkat, int, dfd, const char __user *, name, char __user *, buf, int, size)
{
	return user_readlinkat(dfd, name, buf, size);
}
