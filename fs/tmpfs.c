/*
 * tmpfs: files in memory. The root file system is one. Directories are the name cache itself
 * (s_cache, dcache.c); this file keeps what files hold.
 *
 * A file's pages hang in a radix tree of 64-way nodes, keyed by page number: height 0 is a single
 * page, height h reaches 64^h pages, and a missing page is a hole that reads as zeroes. So a small
 * file costs its one page, and any page of a file of a terabyte is at most five steps away.
 *
 * The tree is the page cache: there is nothing behind it. read() and write() copy between its pages
 * and the user; a mapping (tmpfs_fault) shows the very same pages, with a reference each, so mapped
 * and written bytes are one. Pages that truncation or a punched hole takes away are unmapped wherever
 * they are mapped (kernel/mm/rmap.c); whoever touches them beyond the end then gets a SIGBUS.
 *
 * Space: a file system may use half of memory, if it is not mounted with another size (tmpfs_super.c),
 * and none of the last 32nd; beyond that is ENOSPC.
 *
 * LOCKING
 *	i_mutex     size, data as read() and write() see it, positions. Held while user memory is
 *	            touched, so it comes before mm->lock; truncation unmaps under it.
 *	pages_lock  (mutex) the tree. It comes after mm->lock, because a page fault takes it; no
 *	            user memory is touched under it. The size shrinks under it before pages go, so a
 *	            fault never puts a page behind the end.
 */

#include "fs/tmpfs.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/signal.h"

#define FALLOC_FL_KEEP_SIZE  1
#define FALLOC_FL_PUNCH_HOLE 2

static struct kmem_cache *file_cache;
static const struct inode_operations dir_iops, file_iops, symlink_iops;
static const struct file_operations dir_fops, file_fops;

bool is_tmpfs_file(const struct file *f)
{
	return f->f_op == &file_fops;
}

static int tmpfs_truncate(struct inode *inode, loff_t len)
{
	struct tmpfs_file *tf = inode->i_private;
	u64 end = PAGE_ALIGN(len);
	bool shrinks = len < inode->i_size;

	if ((shrinks && (tf->seals & F_SEAL_SHRINK)) ||
	    (len > inode->i_size && (tf->seals & F_SEAL_GROW)))
		return -EPERM;
	mutex_lock(&tf->pages_lock);
	inode->i_size = len;
	if (shrinks) {
		free_pages_between(inode, end >> PAGE_SHIFT, ~0ull);
		/* What a later extension uncovers reads as zeroes. */
		zero_part(tf, (u64)len, end);
	}
	mutex_unlock(&tf->pages_lock);
	if (shrinks)
		mapping_unmap(&tf->mapping, end, ~0ull, true);
	return 0;
}

/* ---- reading and writing ---- */

static void touch_atime(const struct file *f, struct inode *i)
{
	if ((f->f_flags & O_NOATIME) || (READ_ONCE(f->f_mnt->flags) & (MS_NOATIME | MS_RDONLY)))
		return;
	/* As "relatime": once after each change is enough for everyone. */
	if (i->i_atime <= i->i_mtime || i->i_atime <= i->i_ctime)
		i->i_atime = ktime_get_real();
}

static ssize_t tmpfs_read(struct file *file, struct iov_iter *to, loff_t *ppos)
{
	struct inode *inode = file->f_inode;
	size_t done = 0;
	loff_t pos;

	mutex_lock(&inode->i_mutex);
	pos = *ppos;
	while (to->count && pos < inode->i_size) {
		size_t off = (u64)pos & ~PAGE_MASK;
		size_t n = min(PAGE_SIZE - off, (size_t)(inode->i_size - pos)), moved;
		struct page *p = get_page_at(inode, (u64)pos >> PAGE_SHIFT, false);

		n = min(n, to->count);
		moved = p ? copy_to_iter((char *)page_address(p) + off, n, to)
			  : iov_iter_zero(n, to);
		pos += (loff_t)moved;
		done += moved;
		if (moved < n)
			break;
		cond_resched();
	}
	touch_atime(file, inode);
	*ppos = pos;
	mutex_unlock(&inode->i_mutex);
	return done || !to->count || pos >= inode->i_size ? (ssize_t)done : -EFAULT;
}

/* How much may be written at @pos; 0 is only for nothing, -EFBIG. write(2), setrlimit(2) */
static ssize_t limit_write(loff_t pos, size_t n)
{
	u64 limit = current->signal ? READ_ONCE(current->signal->rlim[RLIMIT_FSIZE].rlim_cur)
				    : RLIM_INFINITY;

	if (n == 0)
		return 0;
	if ((u64)pos >= limit) {
		send_signal_task(current, SIGXFSZ, NULL);
		return -EFBIG;
	}
	n = min(n, (size_t)(limit - (u64)pos));
	if (pos == INT64_MAX)
		return -EFBIG;
	return (ssize_t)min(n, (size_t)(INT64_MAX - pos));
}

static ssize_t tmpfs_write(struct file *file, struct iov_iter *from, loff_t *ppos)
{
	struct inode *inode = file->f_inode;
	size_t done = 0;
	ssize_t left, err = 0;
	loff_t pos;

	mutex_lock(&inode->i_mutex);
	pos = (file->f_flags & O_APPEND) || from->append ? inode->i_size : *ppos;
	left = limit_write(pos, from->count);
	if (left < 0) {
		mutex_unlock(&inode->i_mutex);
		return left;
	}
	while (left > 0) {
		size_t off = (u64)pos & ~PAGE_MASK;
		size_t n = min(PAGE_SIZE - off, (size_t)left), moved;
		struct page *p;

		err = check_seals(inode, pos + (loff_t)n);
		if (err)
			break;
		p = get_page_at(inode, (u64)pos >> PAGE_SHIFT, true);
		if (!p) {
			err = -ENOSPC;
			break;
		}
		moved = copy_from_iter((char *)page_address(p) + off, n, from);
		pos += (loff_t)moved;
		done += moved;
		left -= (ssize_t)moved;
		if (pos > inode->i_size)
			inode->i_size = pos;
		if (moved < n) {
			err = -EFAULT;
			break;
		}
		cond_resched();
	}
	if (done) {
		if (!capable(CAP_FSETID)) /* what somebody else wrote is not run as the owner */
			inode->i_mode &= ~(inode->i_mode & 0010 ? S_ISUID | S_ISGID : S_ISUID);
		inode_touch(inode);
		*ppos = pos;
	}
	mutex_unlock(&inode->i_mutex);
	return done ? (ssize_t)done : err;
}

/* lseek(2) SEEK_DATA, SEEK_HOLE. Skips holes at once, and looks at each page of data. */
static loff_t seek_data_hole(struct file *file, loff_t off, bool data)
{
	struct inode *inode = file->f_inode;
	struct tmpfs_file *tf = inode->i_private;
	u64 index = (u64)off >> PAGE_SHIFT;

	if (off < 0 || off >= inode->i_size)
		return -ENXIO;
	mutex_lock(&tf->pages_lock);
	if (data) {
		index = next_page(tf, index);
	} else {
		while (find_page(tf, index)) {
			index++;
			cond_resched();
		}
	}
	mutex_unlock(&tf->pages_lock);
	if (index > (u64)inode->i_size >> PAGE_SHIFT) {
		if (data)
			return -ENXIO;
		off = inode->i_size;
	} else {
		off = max(off, min((loff_t)(index << PAGE_SHIFT), inode->i_size));
	}
	if (data && off == inode->i_size)
		return -ENXIO;
	file->f_pos = off;
	return off;
}

static loff_t tmpfs_llseek(struct file *file, loff_t off, int whence)
{
	struct inode *inode = file->f_inode;
	loff_t ret;

	mutex_lock(&inode->i_mutex);
	if (whence == SEEK_DATA || whence == SEEK_HOLE)
		ret = seek_data_hole(file, off, whence == SEEK_DATA);
	else
		ret = generic_file_llseek(file, off, whence, inode->i_size);
	mutex_unlock(&inode->i_mutex);
	return ret;
}

static int punch_hole(struct inode *inode, u64 off, u64 end)
{
	struct tmpfs_file *tf = inode->i_private;
	u64 first = PAGE_ALIGN(off), last = end & PAGE_MASK;

	mutex_lock(&tf->pages_lock);
	if (first > last) { /* inside one page */
		zero_part(tf, off, end);
	} else {
		zero_part(tf, off, first);
		zero_part(tf, last, end);
		if (first < last)
			free_pages_between(inode, first >> PAGE_SHIFT, (last >> PAGE_SHIFT) - 1);
	}
	mutex_unlock(&tf->pages_lock);
	if (first < last)
		mapping_unmap(&tf->mapping, first, last, false);
	return 0;
}

static int tmpfs_fallocate(struct file *file, int mode, loff_t off, loff_t len)
{
	struct inode *inode = file->f_inode;
	const struct tmpfs_sb *ts = inode->i_sb->s_private;
	const struct tmpfs_file *tf = inode->i_private;
	u64 end = (u64)off + (u64)len;
	int err = 0;

	if (mode && mode != FALLOC_FL_KEEP_SIZE &&
	    mode != (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if (!(mode & FALLOC_FL_PUNCH_HOLE) &&
	    (s64)((u64)len >> PAGE_SHIFT) > ts->max - atomic_read(&ts->used))
		return -ENOSPC; /* at once, rather than after taking all that is left */
	mutex_lock(&inode->i_mutex);
	/* Making room changes no byte: then only the seal on the size counts. */
	if (mode & FALLOC_FL_PUNCH_HOLE)
		err = check_seals(inode, 0);
	else if ((tf->seals & F_SEAL_GROW) && (loff_t)end > inode->i_size)
		err = -EPERM;
	if (err)
		goto out;
	if (mode & FALLOC_FL_PUNCH_HOLE) {
		err = punch_hole(inode, (u64)off, end);
	} else {
		for (u64 i = (u64)off >> PAGE_SHIFT; i <= (end - 1) >> PAGE_SHIFT && !err; i++) {
			if (!get_page_at(inode, i, true))
				err = -ENOSPC;
			else if (signal_pending(current))
				err = -EINTR;
			cond_resched();
		}
		if (!err && !(mode & FALLOC_FL_KEEP_SIZE) && (loff_t)end > inode->i_size)
			inode->i_size = (loff_t)end;
	}
	inode_touch(inode);
out:
	mutex_unlock(&inode->i_mutex);
	return err;
}

/* ---- mapping ---- */

/* mm->lock held. The object of the area is the open file. */
static struct page *tmpfs_fault(struct vm_area *vma, u64 off)
{
	struct inode *inode = ((struct file *)vma->object)->f_inode;
	struct tmpfs_file *tf = inode->i_private;
	struct page *p = ERR_PTR(-EFAULT);

	mutex_lock(&tf->pages_lock);
	if ((vma->flags & VM_SHARED) && (vma->flags & VM_WRITE) && (tf->seals & F_SEAL_WRITE)) {
		p = ERR_PTR(-EFAULT); /* mapped at the moment of the seal: memfd.c */
	} else if (off < PAGE_ALIGN(inode->i_size)) {
		p = make_page(inode, off >> PAGE_SHIFT);
		if (p)
			get_page(p);
		else
			p = ERR_PTR(-ENOMEM);
	}
	mutex_unlock(&tf->pages_lock);
	return p;
}

static bool tmpfs_present(struct vm_area *vma, u64 off)
{
	return get_page_at(((struct file *)vma->object)->f_inode, off >> PAGE_SHIFT, false);
}

static void file_vma_open(struct vm_area *vma)
{
	get_file(vma->object);
}

static void file_vma_close(struct vm_area *vma)
{
	fput(vma->object);
}

static const char *file_vma_name(struct vm_area *vma, char *buf, size_t size)
{
	struct file *f = vma->object;
	struct path p = {f->f_mnt, f->f_dentry};

	return d_path(&p, buf, size) < 0 ? "" : buf;
}

/* mprotect(2): what is shared may only be written through a file that was opened for it. */
static int file_vma_may_protect(struct vm_area *vma, u32 flags)
{
	struct file *f = vma->object;

	if (!(flags & VM_WRITE) || !(vma->flags & VM_SHARED))
		return 0;
	return !(f->f_mode & FMODE_WRITE) || is_sealed(f->f_inode) ? -EACCES : 0;
}

static struct address_space *file_vma_mapping(const struct vm_area *vma)
{
	struct file *f = vma->object;

	return &((struct tmpfs_file *)f->f_inode->i_private)->mapping;
}

static const struct vm_ops tmpfs_vm_ops = {
	.mapping = file_vma_mapping,
	.may_protect = file_vma_may_protect,
	.fault = tmpfs_fault,
	.present = tmpfs_present,
	.open = file_vma_open,
	.close = file_vma_close,
	.name = file_vma_name,
};

struct file *vma_tmpfs_file(const struct vm_area *vma)
{
	return vma->ops == &tmpfs_vm_ops ? vma->object : NULL;
}

static int tmpfs_mmap(struct file *file, u64 len, int prot, int flags, u64 offset,
		      const struct vm_ops **ops, void **object)
{
	if ((flags & MAP_TYPE) != MAP_PRIVATE && (prot & PROT_WRITE) && is_sealed(file->f_inode))
		return -EPERM;
	*ops = &tmpfs_vm_ops;
	*object = get_file(file);
	return 0;
}

/* ---- names ---- */

/* Counts one more, in any case. */
static bool charge_inode(struct super_block *sb)
{
	struct tmpfs_sb *ts = sb->s_private;

	return atomic_add_return(&ts->inodes, 1) <= ts->max_inodes;
}

static void uncharge_inode(struct super_block *sb)
{
	struct tmpfs_sb *ts = sb->s_private;

	atomic_dec(&ts->inodes);
}

struct inode *tmpfs_inode(struct super_block *sb, u32 mode)
{
	struct inode *i = charge_inode(sb) ? new_inode(sb, mode) : NULL;
	struct tmpfs_file *tf;

	if (!i) {
		uncharge_inode(sb);
		return NULL;
	}
	if (S_ISDIR(mode)) {
		i->i_op = &dir_iops;
		i->i_fop = &dir_fops;
	} else if (S_ISREG(mode)) {
		tf = kmem_cache_alloc(file_cache, GFP_KERNEL | __GFP_ZERO);
		if (!tf) {
			i->i_mode = 0; /* nothing for evict() to free */
			iput(i);
			return NULL;
		}
		mapping_init(&tf->mapping);
		mutex_init(&tf->pages_lock);
		tf->seals = F_SEAL_SEAL;
		i->i_private = tf;
		i->i_op = &file_iops;
		i->i_fop = &file_fops;
	} else if (S_ISLNK(mode)) {
		i->i_op = &symlink_iops;
	}
	return i;
}

void tmpfs_evict(struct inode *i)
{
	struct tmpfs_file *tf = i->i_private;

	uncharge_inode(i->i_sb);
	if (S_ISREG(i->i_mode)) {
		free_pages_between(i, 0, ~0ull);
		kmem_cache_free(file_cache, tf);
	} else if (S_ISLNK(i->i_mode)) {
		kfree(i->i_private);
	}
}

/* A directory with S_ISGID gives its group, and its S_ISGID to directories. NULL without memory. */
static struct inode *new_in(struct inode *dir, u32 mode)
{
	struct inode *i = tmpfs_inode(dir->i_sb, mode);

	if (i && (dir->i_mode & S_ISGID)) {
		i->i_gid = dir->i_gid;
		if (S_ISDIR(mode))
			i->i_mode |= S_ISGID;
		else if ((mode & 0010) && !in_group(i->i_gid) && !capable(CAP_FSETID))
			i->i_mode &= ~S_ISGID; /* a group that is not his is not lent out */
	}
	return i;
}

static int add_inode(struct inode *dir, struct dentry *d, u32 mode, u64 rdev, struct inode **out)
{
	struct inode *i = new_in(dir, mode);

	if (!i)
		return -ENOSPC;
	i->i_rdev = rdev;
	inode_touch(dir);
	if (out)
		*out = i;
	d_instantiate(d, i);
	return 0;
}

static int tmpfs_create(struct inode *dir, struct dentry *d, u32 mode)
{
	return add_inode(dir, d, S_IFREG | mode, 0, NULL);
}

static int tmpfs_mkdir(struct inode *dir, struct dentry *d, u32 mode)
{
	int err = add_inode(dir, d, S_IFDIR | mode, 0, NULL);

	if (!err)
		dir->i_nlink++;
	return err;
}

static int tmpfs_mknod(struct inode *dir, struct dentry *d, u32 mode, u64 rdev)
{
	return add_inode(dir, d, mode, rdev, NULL);
}

static int tmpfs_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	char *text = kstrdup(target, GFP_KERNEL);
	struct inode *i = text ? tmpfs_inode(dir->i_sb, S_IFLNK | 0777) : NULL;

	if (!i) {
		kfree(text);
		return -ENOSPC;
	}
	i->i_private = text;
	i->i_size = (loff_t)strlen(text);
	inode_touch(dir);
	d_instantiate(d, i);
	return 0;
}

static ssize_t tmpfs_readlink(struct inode *inode, char *buf, size_t size)
{
	size_t n = min((size_t)inode->i_size, size);

	memcpy(buf, inode->i_private, n);
	return (ssize_t)n;
}

static int tmpfs_link(struct inode *inode, struct inode *dir, struct dentry *d)
{
	inode->i_nlink++;
	inode->i_linkable = false;
	inode->i_ctime = ktime_get_real();
	inode_touch(dir);
	d_instantiate(d, iget(inode));
	return 0;
}

static int tmpfs_unlink(struct inode *dir, struct dentry *d)
{
	inode_touch(dir);
	d->d_inode->i_ctime = dir->i_ctime;
	d->d_inode->i_nlink--;
	return 0;
}

static int tmpfs_rmdir(struct inode *dir, struct dentry *d)
{
	if (d_has_children(d))
		return -ENOTEMPTY;
	inode_touch(dir);
	d->d_inode->i_nlink = 0;
	dir->i_nlink--;
	return 0;
}

static int tmpfs_exchange(struct inode *odir, struct dentry *od, struct inode *ndir,
			  struct dentry *nd)
{
	bool o = S_ISDIR(od->d_inode->i_mode), n = S_ISDIR(nd->d_inode->i_mode);

	d_exchange(od, nd);
	odir->i_nlink += (u32)n - (u32)o;
	ndir->i_nlink += (u32)o - (u32)n;
	inode_touch(odir);
	inode_touch(ndir);
	return 0;
}

static int tmpfs_rename(struct inode *odir, struct dentry *od, struct inode *ndir,
			struct dentry *nd, unsigned flags)
{
	bool isdir = S_ISDIR(od->d_inode->i_mode);
	struct inode *victim = nd->d_inode;
	int err;

	if (victim && flags) /* only an exchange comes here with a victim */
		return tmpfs_exchange(odir, od, ndir, nd);
	if (victim && isdir && d_has_children(nd))
		return -ENOTEMPTY;
	err = d_move(od, nd);
	if (err)
		return err;
	if (victim) {
		victim->i_nlink = isdir ? 0 : victim->i_nlink - 1;
		victim->i_ctime = ktime_get_real();
	}
	if (isdir) {
		odir->i_nlink--;
		if (!victim)
			ndir->i_nlink++;
	}
	inode_touch(odir);
	inode_touch(ndir);
	od->d_inode->i_ctime = ndir->i_ctime;
	return 0;
}

static void tmpfs_getattr(struct inode *inode, struct kstat *st)
{
	const struct tmpfs_file *tf = inode->i_private;

	st->blocks = S_ISREG(inode->i_mode) ? READ_ONCE(tf->nr_pages) * (PAGE_SIZE / 512) : 0;
}

static struct inode *tmpfs_tmpfile(struct inode *dir, u32 mode)
{
	return new_in(dir, S_IFREG | mode);
}

/* ---- the file system ---- */

static const struct inode_operations dir_iops = {
	.create = tmpfs_create,
	.mkdir = tmpfs_mkdir,
	.mknod = tmpfs_mknod,
	.symlink = tmpfs_symlink,
	.link = tmpfs_link,
	.unlink = tmpfs_unlink,
	.rmdir = tmpfs_rmdir,
	.rename = tmpfs_rename,
	.tmpfile = tmpfs_tmpfile,
};
static const struct inode_operations file_iops = {
	.truncate = tmpfs_truncate,
	.getattr = tmpfs_getattr,
};
static const struct inode_operations symlink_iops = {.readlink = tmpfs_readlink};

static const struct file_operations dir_fops = {
	.read = dir_read,
	.llseek = dir_llseek,
	.iterate = dcache_iterate,
};
static const struct file_operations file_fops = {
	.read = tmpfs_read,
	.write = tmpfs_write,
	.llseek = tmpfs_llseek,
	.mmap = tmpfs_mmap,
	.fallocate = tmpfs_fallocate,
};

struct file_system_type tmpfs_type = {
	.name = "tmpfs",
	.fill_super = tmpfs_fill_super,
	.kill_super = tmpfs_kill_super,
};

struct file_system_type ramfs_type = {
	.name = "ramfs",
	.fill_super = tmpfs_fill_super,
	.kill_super = tmpfs_kill_super,
};

static int __init tmpfs_init(void)
{
	file_cache = kmem_cache_create("tmpfs_file", sizeof(struct tmpfs_file), 0);
	return register_filesystem(&tmpfs_type) ?: register_filesystem(&ramfs_type);
}
core_initcall(tmpfs_init);
