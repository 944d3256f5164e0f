/*
 * stat(2) in all its forms, statfs(2), and getdents(2): what files say about themselves. All stat
 * calls fill a struct kstat, from the inode or, for files without a name, from the file itself, and
 * then turn it into the caller's structure.
 */

#include "fs/internal.h"
#include "fs/notify.h"
#include "kernel/cpu/syscall.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"

/* ---- stat ---- */

/* Rounded down before 1970, too, so that the rest counts forward. */
static s64 seconds(s64 ns)
{
	return ns / (s64)NSEC_PER_SEC - (ns % (s64)NSEC_PER_SEC < 0);
}

static s64 rest(s64 ns)
{
	return ns - seconds(ns) * (s64)NSEC_PER_SEC;
}

static int put_stat(struct stat __user *to, const struct kstat *k)
{
	struct stat st = {
		.st_dev = k->dev,
		.st_ino = k->ino,
		.st_nlink = k->nlink,
		.st_mode = k->mode,
		.st_uid = k->uid,
		.st_gid = k->gid,
		.st_rdev = k->rdev,
		.st_size = (s64)k->size,
		.st_blksize = (s64)k->blksize,
		.st_blocks = (s64)k->blocks,
		.st_atime = seconds(k->atime),
		.st_atime_nsec = rest(k->atime),
		.st_mtime = seconds(k->mtime),
		.st_mtime_nsec = rest(k->mtime),
		.st_ctime = seconds(k->ctime),
		.st_ctime_nsec = rest(k->ctime),
	};

	return copy_to_user(to, &st, sizeof(st)) ? -EFAULT : 0;
}

static int kstat_fd(unsigned fd, struct kstat *st)
{
	struct fd f = fdget_path(fd);
	int err;

	if (!f.file)
		return -EBADF;
	err = vfs_getattr(f.file, st);
	fdput(f);
	return err;
}

/* By name; a name that leads to an open file without a place gives that file's attributes. */
static int kstat_name(int dfd, const char *name, unsigned lookup, struct kstat *st)
{
	struct file *file;
	struct path p;
	int err = path_lookupat(dfd, name, lookup, &p, &file);

	if (err)
		return err;
	if (file) {
		err = vfs_getattr(file, st);
		fput(file);
	} else {
		fill_kstat(p.dentry->d_inode, st);
		path_put(&p);
	}
	return err;
}

static int kstat_at(int dfd, const char __user *uname, int flags, struct kstat *st)
{
	unsigned lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	char *name = getname(uname, flags & AT_EMPTY_PATH);
	int err;

	if (IS_ERR(name))
		return (int)PTR_ERR(name);
	if (!*name && dfd != AT_FDCWD)
		err = kstat_fd((unsigned)dfd, st);
	else
		err = kstat_name(dfd, name, lookup, st);
	putname(name);
	return err;
}

static long stat_at(int dfd, const char __user *name, struct stat __user *to, int flags)
{
	struct kstat st;
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT))
		return -EINVAL;
	err = kstat_at(dfd, name, flags, &st);
	return err ? err : put_stat(to, &st);
}

SYSCALL_DEFINE2(stat, const char __user *, name, struct stat __user *, to)
{
	return stat_at(AT_FDCWD, name, to, 0);
}

SYSCALL_DEFINE2(lstat, const char __user *, name, struct stat __user *, to)
{
	return stat_at(AT_FDCWD, name, to, AT_SYMLINK_NOFOLLOW);
}

SYSCALL_DEFINE4(newfstatat, int, dfd, const char __user *, name, struct stat __user *, to, int,
		flags)
{
	return stat_at(dfd, name, to, flags);
}

SYSCALL_DEFINE2(fstat, unsigned, fd, struct stat __user *, to)
{
	struct kstat st;
	int err = kstat_fd(fd, &st);

	return err ? err : put_stat(to, &st);
}

/* ---- statx(2) ---- */

#define STATX_BASIC_STATS  0x7ffu
#define STATX_RESERVED     0x80000000u
#define AT_STATX_SYNC_TYPE 0x6000

struct statx_timestamp {
	s64 tv_sec;
	u32 tv_nsec;
	s32 __reserved;
};

struct statx {
	u32 stx_mask, stx_blksize;
	u64 stx_attributes;
	u32 stx_nlink, stx_uid, stx_gid;
	u16 stx_mode, __spare0;
	u64 stx_ino, stx_size, stx_blocks, stx_attributes_mask;
	struct statx_timestamp stx_atime, stx_btime, stx_ctime, stx_mtime;
	u32 stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;
	u64 stx_mnt_id;
	u32 stx_dio_mem_align, stx_dio_offset_align;
	u64 __spare3[12];
};

static u32 dev_major(u64 dev)
{
	return (u32)(dev >> 8) & 0xfff;
}

static u32 dev_minor(u64 dev)
{
	return ((u32)dev & 0xff) | ((u32)(dev >> 12) & 0xfff00);
}

static struct statx_timestamp timestamp(s64 ns)
{
	return (struct statx_timestamp){seconds(ns), (u32)rest(ns), 0};
}

SYSCALL_DEFINE5(statx, int, dfd, const char __user *, name, int, flags, unsigned, mask,
		struct statx __user *, to)
{
	struct kstat k;
	struct statx st;
	int err;

	if (mask & STATX_RESERVED)
		return -EINVAL;
	if ((flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	err = kstat_at(dfd, name, flags, &k);
	if (err)
		return err;
	st = (struct statx){
		.stx_mask = STATX_BASIC_STATS,
		.stx_blksize = (u32)k.blksize,
		.stx_nlink = k.nlink,
		.stx_uid = k.uid,
		.stx_gid = k.gid,
		.stx_mode = (u16)k.mode,
		.stx_ino = k.ino,
		.stx_size = k.size,
		.stx_blocks = k.blocks,
		.stx_atime = timestamp(k.atime),
		.stx_ctime = timestamp(k.ctime),
		.stx_mtime = timestamp(k.mtime),
		.stx_rdev_major = dev_major(k.rdev),
		.stx_rdev_minor = dev_minor(k.rdev),
		.stx_dev_major = dev_major(k.dev),
		.stx_dev_minor = dev_minor(k.dev),
	};
	return copy_to_user(to, &st, sizeof(st)) ? -EFAULT : 0;
}

/* ---- statfs(2) ---- */

struct statfs {
	s64 f_type, f_bsize, f_blocks, f_bfree, f_bavail, f_files, f_ffree;
	s32 f_fsid[2];
	s64 f_namelen, f_frsize, f_flags, f_spare[4];
};

/* f_flags: those of the mount, which have the same bits as in mount(2). */
#define ST_VALID    0x20
#define ST_RELATIME 0x1000

static int put_statfs(struct statfs __user *to, const struct mount *m)
{
	struct super_block *sb = m->sb;
	u32 flags = READ_ONCE(m->flags);
	struct fs_space space = {0, 0, 0, 0};
	struct statfs st = {.f_type = sb->s_magic,
			    .f_bsize = PAGE_SIZE,
			    .f_frsize = PAGE_SIZE,
			    .f_namelen = NAME_MAX,
			    .f_flags = ST_VALID | flags | (flags & MS_NOATIME ? 0 : ST_RELATIME)};

	if (sb->s_op->statfs)
		sb->s_op->statfs(sb, &space);
	st.f_blocks = (s64)space.blocks;
	st.f_bfree = st.f_bavail = (s64)space.bfree;
	st.f_files = (s64)space.files;
	st.f_ffree = (s64)space.ffree;
	st.f_fsid[0] = (s32)sb->s_dev;
	return copy_to_user(to, &st, sizeof(st)) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(statfs, const char __user *, name, struct statfs __user *, to)
{
	struct path p;
	int err = user_path_at(AT_FDCWD, name, LOOKUP_FOLLOW, &p);

	if (err)
		return err;
	err = put_statfs(to, p.mnt);
	path_put(&p);
	return err;
}

SYSCALL_DEFINE2(fstatfs, unsigned, fd, struct statfs __user *, to)
{
	struct fd f = fdget_path(fd);
	int err;

	if (!f.file)
		return -EBADF;
	err = put_statfs(to, f.file->f_mnt);
	fdput(f);
	return err;
}

/* ---- getdents(2) ---- */

struct dirent64 {
	u64 d_ino;
	s64 d_off; /* where the next entry is */
	u16 d_reclen;
	u8 d_type;
	char d_name[];
};

struct dirent_old {
	u64 d_ino;
	u64 d_off;
	u16 d_reclen;
	char d_name[]; /* and the type in the record's last byte */
};

struct getdents {
	struct dir_context ctx;
	char __user *buf;
	size_t room;
	char __user *prev; /* the last record: its d_off is not known before the next one */
	bool old;
	int err;
};

static bool add_dirent(struct dir_context *ctx, const char *name, size_t len, u64 ino,
		       unsigned type)
{
	struct getdents *g = container_of(ctx, struct getdents, ctx);
	size_t head =
		g->old ? offsetof(struct dirent_old, d_name) : offsetof(struct dirent64, d_name);
	size_t size = ALIGN_UP(head + len + (g->old ? 2 : 1), sizeof(u64));
	union {
		struct dirent64 d;
		struct dirent_old o;
		char bytes[ALIGN_UP(sizeof(struct dirent64) + NAME_MAX + 2, 8)];
	} r;

	if (size > g->room) {
		g->err = -EINVAL; /* counts only if it is the first */
		return false;
	}
	memset(&r, 0, size);
	r.d.d_ino = ino;
	r.d.d_reclen = (u16)size;
	if (g->old)
		r.bytes[size - 1] = (char)type;
	else
		r.d.d_type = (u8)type;
	memcpy(r.bytes + head, name, len);
	if (copy_to_user(g->buf, &r, size) ||
	    (g->prev && put_user((u64)ctx->pos, (u64 __user *)(g->prev + 8)))) {
		g->err = -EFAULT;
		return false;
	}
	g->prev = g->buf;
	g->buf += size;
	g->room -= size;
	return true;
}

static long read_dir(struct file *f, struct getdents *g, size_t count)
{
	int err;

	if (!f->f_op->iterate)
		return -ENOTDIR;
	mutex_lock(&f->f_inode->i_mutex);
	g->ctx.pos = f->f_pos;
	err = f->f_inode->i_nlink ? f->f_op->iterate(f, &g->ctx) : -ENOENT;
	f->f_pos = g->ctx.pos;
	mutex_unlock(&f->f_inode->i_mutex);
	notify_file(f, IN_ACCESS);
	if (!g->prev)
		return err ? err : g->err;
	if (put_user((u64)g->ctx.pos, (u64 __user *)(g->prev + 8)))
		return -EFAULT;
	return (long)(count - g->room);
}

static long do_getdents(unsigned fd, void __user *buf, unsigned count, bool old)
{
	struct getdents g = {.ctx.actor = add_dirent, .buf = buf, .room = count, .old = old};
	struct fd f = fdget(fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = read_dir(f.file, &g, count);
	fdput(f);
	return ret;
}

SYSCALL_DEFINE3(getdents64, unsigned, fd, void __user *, buf, unsigned, count)
{
	return do_getdents(fd, buf, count, false);
}

SYSCALL_DEFINE3(getdents, unsigned, fd, void __user *, buf, unsigned, count)
{
	return do_getdents(fd, buf, count, true);
}
