/*
 * Names, inodes and mounts. A path is walked from dentry to dentry; a dentry names an inode; a
 * mount covers a dentry with the root of a file system. fs/namei.c has the walk, fs/inode.c the
 * objects and their life, fs/mount.c the mounts.
 */
#pragma once

#include "fs/file.h"
#include "kernel/abi/stat.h"
#include "kernel/lib/rbtree.h"
#include "kernel/sched/mutex.h"
#include "kernel/time/ktime.h"

struct super_block;
struct mount;
struct inode_locks;
struct watch;

/* A place in the tree. */
struct path {
	struct mount *mnt;
	struct dentry *dentry;
};

struct inode_operations {
	/* Finds @name (not NUL-terminated) in directory @dir: an inode with a reference,
	 * ERR_PTR(-ENOENT), other errors. dir->i_mutex held. */
	struct inode *(*lookup)(struct inode *dir, const char *name, size_t len);
	int (*create)(struct inode *dir, struct dentry *d, u32 mode);
	int (*mkdir)(struct inode *dir, struct dentry *d, u32 mode);
	int (*mknod)(struct inode *dir, struct dentry *d, u32 mode, u64 rdev);
	int (*symlink)(struct inode *dir, struct dentry *d, const char *target);
	int (*link)(struct inode *inode, struct inode *dir, struct dentry *d);
	/* O_TMPFILE: a regular file without a name; NULL without memory. */
	struct inode *(*tmpfile)(struct inode *dir, u32 mode);
	int (*unlink)(struct inode *dir, struct dentry *d);
	int (*rmdir)(struct inode *dir, struct dentry *d);
	/* Moves the dentries itself (d_move, d_exchange); both directories' i_mutex held. */
	int (*rename)(struct inode *odir, struct dentry *od, struct inode *ndir, struct dentry *nd,
		      unsigned flags);
	/* The target of a symbolic link into buf; its length or -errno. */
	ssize_t (*readlink)(struct inode *inode, char *buf, size_t size);
	/* A link that leads straight to an open file (/proc/PID/fd/N): 0 with *to referenced, or
	 * with *file referenced where that file has no place in the tree, or -errno. NULL for
	 * ordinary links. */
	int (*follow_magic)(struct inode *inode, struct path *to, struct file **file);
	/* i_mutex held, @len >= 0. Sets i_size. */
	int (*truncate)(struct inode *inode, loff_t len);
	/* The attributes, where they are not those of the struct inode. No lock held. */
	void (*getattr)(struct inode *inode, struct kstat *st);
};

struct inode {
	refcount_t refs;
	u32 i_mode;                          /* [I] type; [i] permissions */
	u64 i_ino;                           /* [I] */
	u32 i_nlink;                         /* [i] */
	bool i_linkable;                     /* [i] O_TMPFILE: may get its first name yet */
	u8 i_write_hint;                     /* [a] F_SET_RW_HINT */
	u32 i_uid, i_gid;                    /* [i] */
	loff_t i_size;                       /* [i] */
	u64 i_rdev;                          /* [I] for device nodes */
	s64 i_atime, i_mtime, i_ctime;       /* [i] CLOCK_REALTIME ns; before 1970 negative */
	struct super_block *i_sb;            /* [I] */
	const struct inode_operations *i_op; /* [I] */
	const struct file_operations *i_fop; /* [I] */
	struct mutex i_mutex;                /* contents of a directory, size and data of a file */
	struct watch *i_watches;             /* fs/inotify.c; NULL if nobody watches */
	struct inode_locks *i_locks;         /* fs/lock.c; NULL until the first lock */
	void *i_private;                     /* file system's own: pages, pipe, device */
	int i_writecount; /* [a] files open for writing; below 0: programs that run from it */
};

/*
 * A name in a directory. Only names that exist are in the name cache and on their parent's list; a
 * dentry without an inode belongs to the system call that is about to create it.
 *
 * Lock [D]: dcache_lock, a spinlock (fs/dcache.c). A dentry holds a reference on its parent.
 */
#define D_INLINE 32 /* names up to 31 bytes lie in the dentry itself */

struct dentry {
	refcount_t refs;          /* [a]; the step from 1 to 0 is made under [D] */
	u32 d_hashval;            /* [D] of parent and name */
	struct inode *d_inode;    /* [I] once set. NULL: a name that does not exist (yet) */
	struct dentry *d_parent;  /* [D] itself for a root */
	struct super_block *d_sb; /* [I] */
	struct list_head d_hash;  /* [D] name cache */
	struct list_head d_child,
		d_children; /* [D], changed with the directory's i_mutex held too */
	u64 d_cookie;       /* [D] place among the siblings, for getdents64(2): only grows */
	u64 d_next_cookie;  /* [D] what the next child gets */
	char *d_name;       /* [D] NUL-terminated: d_iname, or kmalloc'ed */
	u8 d_len;           /* [D] */
	bool d_mounted;     /* [D] something is mounted here: look the mount up */
	bool d_unlinked;    /* [D] */
	char d_iname[D_INLINE];
};

/* Of a file system, in pages and inodes; all 0: it has no limits. */
struct fs_space {
	u64 blocks, bfree, files, ffree;
};

struct super_operations {
	void (*evict)(struct inode *inode); /* last reference gone: free what i_private holds */
	void (*statfs)(struct super_block *sb, struct fs_space *to);
	void (*show_options)(struct super_block *sb,
			     struct seq *s); /* each with a comma before it */
};

struct super_block {
	refcount_t refs; /* one a mount */
	const struct file_system_type *s_type;
	const struct super_operations *s_op;
	struct dentry *s_root;
	u64 s_dev;    /* st_dev */
	u32 s_magic;  /* statfs(2) f_type */
	bool s_cache; /* every name is in the name cache, and nowhere else (tmpfs) */
	atomic64_t s_next_ino;
	void *s_private;
};

struct file_system_type {
	const char *name;
	/* Sets s_op, s_magic and s_root. 0 or -errno. */
	int (*fill_super)(struct super_block *sb, const char *options);
	/* Frees s_private; the tree is gone already. NULL: nothing to do. */
	void (*kill_super)(struct super_block *sb);
	bool single;                   /* every mount shows the same super block */
	struct super_block *single_sb; /* [mount_mutex] */
	struct file_system_type *next;
};

struct mount {
	refcount_t refs;           /* 1 while attached, and one a struct path */
	int id;                    /* [I] fdinfo's mnt_id */
	struct super_block *sb;    /* [I] */
	struct dentry *root;       /* [I] with a reference */
	struct mount *parent;      /* [D] itself for the root and for internal mounts */
	struct dentry *mountpoint; /* [D] with a reference, and one on parent */
	struct list_head link;     /* [D] all attached mounts */
	u32 flags;                 /* MS_*, mount(2); one word, written as a whole */
	atomic_t writers;          /* files open for writing; see mnt_start_write() */
	struct mount *copy;        /* [mount_mutex] for copying a tree of mounts */
	char source[32];           /* [I] what mount(2) was given as device, cut */
};

#define MS_RDONLY  0x1u
#define MS_NOSUID  0x2u
#define MS_NODEV   0x4u
#define MS_NOEXEC  0x8u
#define MS_NOATIME 0x400u
#define MNT_FLAGS  (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME)

/* May something there be changed? 0 or -EROFS. */
static inline int mnt_want_write(const struct mount *m)
{
	return READ_ONCE(m->flags) & MS_RDONLY ? -EROFS : 0;
}

/* -EBUSY if there is one of this name. Any time from core_initcall on. */
int register_filesystem(struct file_system_type *type);
/* Mounts inside the kernel, in no directory; ERR_PTR. From fs_initcall on. */
struct mount *kern_mount(struct file_system_type *type);
/* mount -t TYPE SOURCE PATH, by the kernel at boot or by mount(2); @flags: MNT_FLAGS. */
int do_mount(const char *type, const char *source, const char *path, const char *options,
	     u32 flags);
/* The opposite: -EINVAL if nothing is mounted at @path, -EBUSY if somebody uses it. */
int do_umount(const char *path);

/*
 * One reference, i_nlink 1 (2 for a directory), owned by the caller's user, times now; device
 * nodes, FIFOs and sockets have their operations. NULL without memory.
 */
struct inode *new_inode(struct super_block *sb, u32 mode);
struct inode *iget(struct inode *i); /* one more reference */
void iput(struct inode *i);
/*
 * A program's file is not written to while it runs: open(2). Writers count up, programs down, and
 * whoever comes to a file of the other kind gets -ETXTBSY.
 */
int get_write_access(struct inode *i);
int deny_write_access(struct inode *i);
static inline void put_write_access(struct inode *i)
{
	__atomic_fetch_sub(&i->i_writecount, 1, __ATOMIC_RELEASE);
}
static inline void allow_write_access(struct inode *i)
{
	__atomic_fetch_add(&i->i_writecount, 1, __ATOMIC_RELEASE);
}
/* Sets the time of modification (and of change) to now. i_mutex held. */
void inode_touch(struct inode *i);
/* The root dentry of a new super block over @root (reference taken over); NULL without memory. */
struct dentry *d_make_root(struct inode *root);
/* The name exists from now on: takes over the reference. The directory's i_mutex held. */
void d_instantiate(struct dentry *d, struct inode *inode);
struct dentry *dget(struct dentry *d);
void dput(struct dentry *d); /* process context; NULL is allowed */

void path_get(const struct path *p);
void path_put(const struct path *p);

#define MAY_EXEC  1
#define MAY_WRITE 2
#define MAY_READ  4
/* May the current task? 0 or -EACCES. */
int inode_permission(const struct inode *inode, int mask);

/* The working directory, root and umask of a task; shared by CLONE_FS. */
struct fs_struct {
	refcount_t refs;
	spinlock_t lock;
	struct path root, pwd; /* [lock] */
	u32 umask;             /* [lock] */
};

/* getdents64(2): iterate() calls dir_emit() for the entries from @pos on and advances it. */
struct dir_context {
	loff_t pos;
	bool (*actor)(struct dir_context *ctx, const char *name, size_t len, u64 ino,
		      unsigned type);
};
/* False: no room; leave ctx->pos at this entry and return. */
static inline bool dir_emit(struct dir_context *ctx, const char *name, size_t len, u64 ino,
			    unsigned type)
{
	return ctx->actor(ctx, name, len, ino, type);
}

/* The names of sockets: makes a node (less the umask) and gives its place, with a reference; -EEXIST
 * and what else mknod(2) says. And what a name leads to. */
int kern_mknod(const char *name, u32 mode, struct path *made);
#define LOOKUP_FOLLOW 0x1u /* a symbolic link at the end too */
int kern_path(const char *name, unsigned flags, struct path *out);

/* Kernel-side opening, for execve and the initramfs. ERR_PTR on failure. */
struct file *filp_open(const char *path, u32 flags, u32 mode);
ssize_t kernel_read(struct file *f, void *buf, size_t n, loff_t pos);
ssize_t kernel_write(struct file *f, const void *buf, size_t n, loff_t pos);
/* The absolute path of a place into buf (PATH_MAX), " (deleted)" behind a name that is gone; its
 * length, or -ENAMETOOLONG. */
ssize_t d_path(const struct path *p, char *buf, size_t size);
/* Attributes of an open file, pseudo files too. 0 or -errno. */
int vfs_getattr(struct file *f, struct kstat *st);

#define PATH_MAX 4096
#define NAME_MAX 255

/*
 * Character devices: a node /dev/NAME with the given operations. @name may hold a folder
 * ("pts/0"); private is put into file->private_data at open.
 */
int devfs_register(const char *name, u32 mode, u64 rdev, const struct file_operations *fop,
		   void *priv);
/* All nodes of a major number, without a name in /dev; open() looks at inode->i_rdev. */
int devfs_register_major(const char *name, unsigned major, const struct file_operations *fop);
/* The nodes of /dev/pts: NUMBER for device @rdev, owned by the caller, and its end. Process context. */
int devpts_create(unsigned index, u64 rdev);
void devpts_remove(unsigned index);
#define MKDEV(major, minor) \
	((((u64)(major)&0xfff) << 8) | ((minor)&0xff) | (((u64)(minor)&0xfff00) << 12))
#define MAJOR(rdev) ((unsigned)((rdev) >> 8 & 0xfff))
#define MINOR(rdev) ((unsigned)(((rdev)&0xff) | ((rdev) >> 12 & 0xfff00)))
