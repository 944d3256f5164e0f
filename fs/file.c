/*
 * Open files: the system-wide table of the three. A struct file is one open(), pipe(), socket() or
 * epoll_create(): a position, flags, and the operations that make it what it is. Descriptors
 * (fdtable.c), mappings and system calls in progress hold references.
 *
 *	alloc_empty_file() -> open() of its kind -> fd_install() -> ... get_file(), fput() ...
 *	-> last fput(): out of every epoll, release(), its place in the tree, the memory
 *
 * Most files of a busy server have no place in the tree: alloc_file_pseudo() gives them the root
 * inode of their internal mount, which lives as long as the kernel, so opening and closing a socket
 * touches no counter that another CPU may be changing but nr_files.
 *
 * LOCKING
 *	f_lock    f_flags when they change, f_ep, f_fasync. Process context, innermost but for
 *	          ep->lock; held for a few instructions.
 *	nr_files  atomic and exact: it counts the objects in the cache.
 *	fput() calls release() in the caller's context, so it is process context without a spinlock.
 */

#include "fs/eventpoll.h"
#include "fs/internal.h"
#include "fs/lock.h"
#include "fs/notify.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/lib/sysctl.h"
#include "kernel/mm/slab.h"

static struct kmem_cache *file_cache;
struct kmem_cache *names_cache;
atomic64_t nr_files;
s64 file_max;

struct file *alloc_empty_file(u32 flags)
{
	struct file *f;

	/* User 0 may exceed the limit, so that somebody can still put things right. */
	if (atomic_add_return(&nr_files, 1) > READ_ONCE(file_max) && !capable(CAP_SYS_ADMIN)) {
		atomic_dec(&nr_files);
		return ERR_PTR(-ENFILE);
	}
	f = kmem_cache_alloc(file_cache, GFP_KERNEL | __GFP_ZERO);
	if (!f) {
		atomic_dec(&nr_files);
		return ERR_PTR(-ENOMEM);
	}
	refcount_set(&f->refs, 1);
	f->f_flags = flags;
	f->f_mode = (flags + 1) & O_ACCMODE; /* 0, 1, 2 to READ, WRITE, both; 3 is neither */
	spin_lock_init(&f->f_lock);
	return f;
}

struct file *alloc_file_pseudo(struct mount *mnt, const struct file_operations *fop, void *priv,
			       u32 flags)
{
	struct file *f = alloc_empty_file(flags & (O_ACCMODE | O_NONBLOCK | O_DIRECT));

	if (IS_ERR(f))
		return f;
	f->f_op = fop;
	f->private_data = priv;
	f->f_mnt = mnt;
	f->f_inode = mnt->root->d_inode;
	f->f_mode |= FMODE_STREAM; /* with noop_llseek() too: a position there is not */
	return f;
}

static void file_free(struct file *f)
{
	/* A dentry holds the inode. Pseudo files have neither and own no reference at all. */
	if (f->f_dentry) {
		dput(f->f_dentry);
		mntput(f->f_mnt);
	}
	kmem_cache_free(file_cache, f);
	atomic_dec(&nr_files);
}

void free_unopened_file(struct file *f)
{
	file_free(f);
}

int start_writing(struct file *f)
{
	int err = mnt_start_write(f->f_mnt);

	if (err)
		return err;
	err = get_write_access(f->f_inode);
	if (err)
		mnt_end_write(f->f_mnt);
	else
		f->f_mode |= FMODE_WRITER;
	return err;
}

void end_writing(struct file *f)
{
	put_write_access(f->f_inode);
	mnt_end_write(f->f_mnt);
	f->f_mode &= ~FMODE_WRITER;
}

void fput(struct file *f)
{
	if (!refcount_dec_and_test(&f->refs))
		return;
	notify_file(f, f->f_mode & FMODE_WRITE ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
	eventpoll_release(f);
	locks_fput(f);
	if (f->f_fasync)
		fasync_release(f);
	if (f->f_op->release)
		f->f_op->release(f);
	if (f->f_mode & FMODE_WRITER)
		end_writing(f);
	file_free(f);
}

__poll_t vfs_poll(struct file *file, struct poll_table *pt)
{
	return file->f_op->poll ? file->f_op->poll(file, pt) : DEFAULT_POLLMASK;
}

bool file_can_poll(const struct file *file)
{
	return file->f_op->poll != NULL;
}

static int __init file_init(void)
{
	file_cache = kmem_cache_create("filp", sizeof(struct file), 0);
	names_cache = kmem_cache_create("names_cache", PATH_MAX, 0);
	/* A tenth of memory, at a KiB a file with what belongs to it. */
	file_max = max((s64)(total_pages * (PAGE_SIZE / 1024) / 10), (s64)8192);
	return 0;
}
core_initcall(file_init);

SYSCTL(file_max, "sys/fs/file-max", file_max, 0, INT64_MAX);

static void show_file_nr(struct seq *s)
{
	seq_printf(s, "%ld\t0\t%ld\n", (long)atomic_read(&nr_files), (long)READ_ONCE(file_max));
}
PROC_ENTRY(file_nr, "sys/fs/file-nr", show_file_nr);

SYSCTL_FIXED(nr_open, "sys/fs/nr_open", NR_OPEN_MAX);
