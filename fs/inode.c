/*
 * Inodes: what a name stands for. An inode lives while a dentry or another holder has a reference;
 * the file system's evict() then frees what hangs on it. i_nlink counts names, not references: a
 * file without a name lives on for those who have it open.
 *
 * LOCKING
 *	i_mutex   of a directory: its names. Of a file: data, size, and the position of open files.
 *	          Process context; user memory is touched under it, so mm->lock comes after it and a
 *	          page fault must not take it. Parent before child; two directories in the order
 *	          that namespace.c describes.
 *	Mode, owner and times change under i_mutex and are read without it.
 */

#include "fs/internal.h"
#include "fs/lock.h"
#include "fs/notify.h"
#include "fs/pipe.h"
#include "kernel/lib/init.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/signal.h"

static struct kmem_cache *inode_cache;

static const struct file_operations *special_fops(u32 mode)
{
	switch (mode & S_IFMT) {
	case S_IFCHR:
		return &chrdev_fops;
	case S_IFIFO:
		return &fifo_fops;
	default:
		return &noopen_fops;
	}
}

struct inode *new_inode(struct super_block *sb, u32 mode)
{
	struct inode *i = kmem_cache_alloc(inode_cache, GFP_KERNEL | __GFP_ZERO);

	if (!i)
		return NULL;
	refcount_set(&i->refs, 1);
	i->i_mode = mode;
	i->i_ino = (u64)atomic_add_return(&sb->s_next_ino, 1);
	i->i_nlink = S_ISDIR(mode) ? 2 : 1;
	i->i_uid = current_fsuid();
	i->i_gid = current_fsgid();
	i->i_atime = i->i_mtime = i->i_ctime = ktime_get_real();
	i->i_sb = sb;
	i->i_fop = special_fops(mode);
	mutex_init(&i->i_mutex);
	return i;
}

struct inode *iget(struct inode *i)
{
	refcount_inc(&i->refs);
	return i;
}

void iput(struct inode *i)
{
	if (!refcount_dec_and_test(&i->refs))
		return;
	if (unlikely(READ_ONCE(i->i_watches)))
		notify_gone(i, i->i_nlink ? IN_UNMOUNT : IN_DELETE_SELF);
	if (i->i_sb->s_op->evict)
		i->i_sb->s_op->evict(i);
	if (i->i_locks)
		locks_free(i);
	kmem_cache_free(inode_cache, i);
}

/* One more on the side of @step, unless the other side is there. */
static int share_access(struct inode *i, int step)
{
	int old = READ_ONCE(i->i_writecount);

	do {
		if (old * step < 0)
			return -ETXTBSY;
	} while (!__atomic_compare_exchange_n(&i->i_writecount, &old, old + step, false,
					      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return 0;
}

int get_write_access(struct inode *i)
{
	return share_access(i, 1);
}

int deny_write_access(struct inode *i)
{
	return share_access(i, -1);
}

void inode_touch(struct inode *i)
{
	i->i_mtime = i->i_ctime = ktime_get_real();
}

/* ---- permission ---- */

/* Who may all may still execute only what somebody may. */
static bool may_override(const struct inode *inode, int mask)
{
	u32 mode = inode->i_mode;

	if (capable(CAP_DAC_OVERRIDE))
		return !(mask & MAY_EXEC) || S_ISDIR(mode) || (mode & 0111);
	if (S_ISDIR(mode) ? mask & MAY_WRITE : mask & (MAY_WRITE | MAY_EXEC))
		return false;
	return capable(CAP_DAC_READ_SEARCH);
}

int inode_permission(const struct inode *inode, int mask)
{
	u32 mode = inode->i_mode;

	if (current_fsuid() == inode->i_uid)
		mode >>= 6;
	else if ((mode >> 3 ^ mode) & mask && in_group(inode->i_gid))
		mode >>= 3;
	return !(mask & ~mode & 7) || may_override(inode, mask) ? 0 : -EACCES;
}

bool inode_owner_or_root(const struct inode *inode)
{
	return current_fsuid() == inode->i_uid || capable(CAP_FOWNER);
}

/* ---- attributes ---- */

unsigned mode_to_dt(u32 mode)
{
	return (mode & S_IFMT) >> 12; /* DT_* are the type bits themselves */
}

void fill_kstat(struct inode *i, struct kstat *st)
{
	*st = (struct kstat){
		.dev = i->i_sb->s_dev,
		.ino = i->i_ino,
		.rdev = i->i_rdev,
		.size = (u64)i->i_size,
		.blksize = PAGE_SIZE,
		.atime = i->i_atime,
		.mtime = i->i_mtime,
		.ctime = i->i_ctime,
		.mode = i->i_mode,
		.nlink = i->i_nlink,
		.uid = i->i_uid,
		.gid = i->i_gid,
	};
	if (i->i_op && i->i_op->getattr)
		i->i_op->getattr(i, st);
}

int vfs_getattr(struct file *f, struct kstat *st)
{
	fill_kstat(f->f_inode, st);
	if (f->f_op->getattr)
		return f->f_op->getattr(f, st);
	if (!f->f_dentry) { /* it shares the inode, but is no directory */
		st->mode = 0600;
		st->nlink = 1;
	}
	return 0;
}

/* ---- for all directories, and for what cannot be opened ---- */

ssize_t dir_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	return -EISDIR;
}

loff_t dir_llseek(struct file *file, loff_t off, int whence)
{
	struct inode *i = file->f_inode;
	loff_t ret;

	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	mutex_lock(&i->i_mutex);
	ret = generic_file_llseek(file, off, whence, 0);
	mutex_unlock(&i->i_mutex);
	return ret;
}

static int noopen(struct inode *inode, struct file *file)
{
	return -ENXIO;
}
const struct file_operations noopen_fops = {.open = noopen};

static int __init inode_init(void)
{
	inode_cache = kmem_cache_create("inode_cache", sizeof(struct inode), 0);
	return 0;
}
core_initcall(inode_init);
