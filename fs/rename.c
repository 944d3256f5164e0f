/*
 * rename(2): a name moves, to another name or another directory, over what has that name or in
 * exchange with it, and nobody ever sees neither or both.
 *
 * LOCKING
 *	Within one directory its i_mutex, like any other change of names. Between two: rename_mutex,
 *	then both directories, the one that lies above the other first; then the inode that is
 *	replaced. rename_mutex makes "lies above" stay true, and since only its holder locks two
 *	directories that are not parent and child, the order among unrelated ones does not matter.
 */

#include "fs/internal.h"
#include "fs/notify.h"
#include "kernel/cpu/syscall.h"

#define RENAME_NOREPLACE 1u
#define RENAME_EXCHANGE  2u

static DEFINE_MUTEX(rename_mutex);

/* Locks both directories; returns whether rename_mutex was needed. */
static bool lock_rename(struct dentry *a, struct dentry *b)
{
	if (a == b) {
		lock_dir(a);
		return false;
	}
	mutex_lock(&rename_mutex);
	if (d_is_ancestor(b, a)) {
		struct dentry *tmp = a;

		a = b;
		b = tmp;
	}
	mutex_lock_nested(&a->d_inode->i_mutex, I_PARENT);
	mutex_lock_nested(&b->d_inode->i_mutex, I_PARENT2);
	return true;
}

static void unlock_rename(struct dentry *a, struct dentry *b, bool two)
{
	unlock_dir(a);
	if (two) {
		unlock_dir(b);
		mutex_unlock(&rename_mutex);
	}
}

/* For those who watch; the names have changed places already. */
static void notify_rename(const struct nameidata *from, const struct nameidata *to,
			  struct inode *moved, struct inode *victim, unsigned flags)
{
	struct inode *odir = from->path.dentry->d_inode, *ndir = to->path.dentry->d_inode;
	bool exchange = flags & RENAME_EXCHANGE;

	if (likely(!READ_ONCE(nr_watches)))
		return;
	__notify_rename(odir, from->last, from->last_len, ndir, to->last, to->last_len, moved,
			exchange ? NULL : victim);
	if (exchange)
		__notify_rename(ndir, to->last, to->last_len, odir, from->last, from->last_len,
				victim, NULL);
}

/* Both directories locked, od exists, neither is above the other. */
static int rename_locked(const struct nameidata *from, struct dentry *od,
			 const struct nameidata *to, struct dentry *nd, unsigned flags)
{
	struct dentry *odir = from->path.dentry, *ndir = to->path.dentry;
	struct inode *old = od->d_inode, *victim = nd->d_inode;
	bool isdir = S_ISDIR(old->i_mode);
	int err;

	if (old == victim)
		return 0; /* two names of one file: rename(2) does nothing */
	err = may_delete(odir, od, isdir);
	if (err)
		return err;
	if (!victim)
		err = may_create(ndir, nd);
	else if (flags & RENAME_EXCHANGE)
		err = may_delete(ndir, nd, S_ISDIR(victim->i_mode));
	else
		err = may_delete(ndir, nd, isdir);
	if (err)
		return err;
	if (!odir->d_inode->i_op->rename)
		return -EPERM;
	if (victim)
		mutex_lock_nested(&victim->i_mutex, I_CHILD);
	err = odir->d_inode->i_op->rename(odir->d_inode, od, ndir->d_inode, nd, flags);
	if (victim)
		mutex_unlock(&victim->i_mutex);
	if (!err)
		notify_rename(from, to, old, victim, flags);
	return err;
}

/* @from and @to have been walked to their parents. */
static int rename_between(struct nameidata *from, struct nameidata *to, unsigned flags)
{
	struct dentry *odir = from->path.dentry, *ndir = to->path.dentry, *od, *nd;
	bool two = lock_rename(odir, ndir);
	int err;

	od = lookup_one(odir, from->last, from->last_len);
	nd = IS_ERR(od) ? od : lookup_one(ndir, to->last, to->last_len);
	if (IS_ERR(nd)) {
		err = (int)PTR_ERR(nd);
		goto out;
	}
	err = -ENOENT;
	if (!od->d_inode)
		goto out;
	err = -EEXIST;
	if ((flags & RENAME_NOREPLACE) && nd->d_inode)
		goto out;
	err = -ENOENT;
	if ((flags & RENAME_EXCHANGE) && !nd->d_inode)
		goto out;
	err = -ENOTDIR;
	if ((flags & RENAME_EXCHANGE) && to->trailing && !S_ISDIR(nd->d_inode->i_mode))
		goto out;
	if (!S_ISDIR(od->d_inode->i_mode) &&
	    (from->trailing || (to->trailing && !(flags & RENAME_EXCHANGE))))
		goto out;
	err = -EINVAL; /* a directory into itself */
	if (d_is_ancestor(od, ndir))
		goto out;
	err = flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	if (nd->d_inode && d_is_ancestor(nd, odir))
		goto out;
	err = rename_locked(from, od, to, nd, flags);
out:
	unlock_rename(odir, ndir, two);
	if (!IS_ERR(od))
		dput(od);
	if (!IS_ERR(nd))
		dput(nd);
	return err;
}

static int do_renameat(int odfd, const char *oname, int ndfd, const char *nname, unsigned flags)
{
	struct nameidata from, to;
	int err = path_parentat(&from, odfd, oname);

	if (err)
		return err;
	err = path_parentat(&to, ndfd, nname);
	if (err)
		goto out_from;
	if (from.path.mnt != to.path.mnt)
		err = -EXDEV;
	else if (from.last_type != LAST_NORM)
		err = -EBUSY;
	else if (to.last_type != LAST_NORM)
		err = flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	else
		err = mnt_want_write(from.path.mnt) ?: rename_between(&from, &to, flags);
	path_end(&to);
out_from:
	path_end(&from);
	return err;
}

static long user_rename(int odfd, const char __user *uold, int ndfd, const char __user *unew,
			unsigned flags)
{
	char *from = getname(uold, false), *to;
	long ret;

	if (IS_ERR(from))
		return PTR_ERR(from);
	to = getname(unew, false);
	ret = IS_ERR(to) ? PTR_ERR(to) : do_renameat(odfd, from, ndfd, to, flags);
	if (!IS_ERR(to))
		putname(to);
	putname(from);
	return ret;
}

SYSCALL_DEFINE2(rename, const char __user *, from, const char __user *, to)
{
	return user_rename(AT_FDCWD, from, AT_FDCWD, to, 0);
}

SYSCALL_DEFINE4(renameat, int, odfd, const char __user *, from, int, ndfd, const char __user *, to)
{
	return user_rename(odfd, from, ndfd, to, 0);
}

SYSCALL_DEFINE5(renameat2, int, odfd, const char __user *, from, int, ndfd, const char __user *, to,
		unsigned, flags)
{
	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	if ((flags & RENAME_NOREPLACE) && (flags & RENAME_EXCHANGE))
		return -EINVAL;
	return user_rename(odfd, from, ndfd, to, flags);
}
