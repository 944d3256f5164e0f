/*
 * /dev/pts: a name for each pseudo-terminal that exists, pts(4). The nodes come and go with the pairs of
 * drivers/pty.c; this file only keeps their names. Like devfs it is a tmpfs that the kernel fills, and
 * every mount of it shows the same.
 *
 * A node belongs to who made the pair and to the group tty (5), mode 0620: so grantpt(3) has nothing
 * left to do.
 *
 * LOCKING: the directory's i_mutex. Two pairs never have the same number, the driver sees to that.
 */

#include "fs/internal.h"
#include "kernel/lib/string.h"

#define DEVPTS_SUPER_MAGIC 0x1cd1u
#define TTY_GID            5
#define NODE_MODE          0620

static struct mount *pts_mnt;

/* The name in the directory, which is locked then; ERR_PTR, and it is not. */
static struct dentry *lock_name(unsigned index)
{
	struct dentry *dir = pts_mnt->root, *d;
	char name[16];

	snprintf(name, sizeof(name), "%u", index);
	mutex_lock(&dir->d_inode->i_mutex);
	d = lookup_one(dir, name, strlen(name));
	if (IS_ERR(d))
		mutex_unlock(&dir->d_inode->i_mutex);
	return d;
}

static void unlock_name(struct dentry *d)
{
	mutex_unlock(&pts_mnt->root->d_inode->i_mutex);
	dput(d);
}

int devpts_create(unsigned index, u64 rdev)
{
	struct inode *dir = pts_mnt->root->d_inode;
	struct dentry *d = lock_name(index);
	int err = -EEXIST;

	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	if (!d->d_inode)
		err = dir->i_op->mknod(dir, d, S_IFCHR | NODE_MODE, rdev);
	if (!err)
		d->d_inode->i_gid = TTY_GID;
	unlock_name(d);
	return err;
}

void devpts_remove(unsigned index)
{
	struct inode *dir = pts_mnt->root->d_inode;
	struct dentry *d = lock_name(index);

	if (IS_ERR(d))
		return;
	if (d->d_inode) {
		dir->i_op->unlink(dir, d);
		d_drop(d);
	}
	unlock_name(d);
}

static int devpts_fill_super(struct super_block *sb, const char *options)
{
	int err = tmpfs_fill_super(sb, options);

	if (!err)
		sb->s_magic = DEVPTS_SUPER_MAGIC;
	return err;
}

static struct file_system_type devpts_type = {
	.name = "devpts",
	.fill_super = devpts_fill_super,
	.kill_super = tmpfs_kill_super,
	.single = true,
};

void devpts_init(void)
{
	int err = register_filesystem(&devpts_type);

	pts_mnt = err ? ERR_PTR(err) : kern_mount(&devpts_type);
	if (IS_ERR(pts_mnt))
		panic("cannot make devpts: %ld", PTR_ERR(pts_mnt));
}
