/* What the files of fs/ share among themselves and nobody else uses. */
#pragma once

#include "fs/vfs.h"
#include "kernel/exec/cred.h"
#include "kernel/mm/page.h"
#include "kernel/sched/task.h"

/* ---- file.c ---- */
extern struct kmem_cache *names_cache; /* buffers of PATH_MAX bytes */
extern s64 file_max;                   /* /proc/sys/fs/file-max */
/* One reference, f_mode from the access mode in @flags; ERR_PTR(-ENFILE/-ENOMEM). */
struct file *alloc_empty_file(u32 flags);
/* For a file whose open() failed: gives it back without release(). */
void free_unopened_file(struct file *f);

/* ---- fasync.c ---- */
/* Switches the signals of O_ASYNC on, as descriptor @fd, or off. 0 or -ENOMEM. */
int set_async(struct file *f, int fd, bool on);
long fcntl_async(struct file *f, unsigned cmd, u64 arg); /* F_SETOWN and its kin */
long ioctl_owner(struct file *f, bool set, int __user *arg);
void fasync_release(struct file *f); /* nobody refers to @f any more; f_fasync is not NULL */

/* ---- fdtable.c ---- */
bool get_close_on_exec(unsigned fd);
void set_close_on_exec(unsigned fd, bool on);
/* The file at the first number >= *fd that another task's table has in use, with a reference;
 * *fd becomes that number. NULL: no more (or the task is gone). */
struct file *task_next_file(struct task *t, unsigned *fd, bool *cloexec);
struct file *task_get_file(struct task *t, unsigned fd, bool *cloexec);
unsigned task_fd_size(struct task *t);
/* Root or working directory of another task, referenced; false if it is gone. */
bool task_get_path(struct task *t, bool root, struct path *out);
int task_umask(struct task *t); /* -ESRCH */
/* Where root or working directory of @t is exactly @from, it becomes @to. */
void task_move_root(struct task *t, const struct path *from, const struct path *to);

/* ---- dcache.c ---- */
extern spinlock_t dcache_lock;
struct dentry *d_alloc(struct dentry *parent, const char *name, size_t len);
struct dentry *d_lookup(struct dentry *parent, const char *name, size_t len);
void d_drop(struct dentry *d);
/* d takes the place and the name of @target, which is dropped if it existed. 0 or -ENOMEM. */
int d_move(struct dentry *d, struct dentry *target);
void d_exchange(struct dentry *a, struct dentry *b);
bool d_is_ancestor(struct dentry *above, struct dentry *below); /* or the same */
bool d_has_children(struct dentry *d);
void d_kill_tree(struct dentry *root);
/* iterate() of every file system whose names are all in the name cache. */
int dcache_iterate(struct file *file, struct dir_context *ctx);
ssize_t path_text(const struct path *p, const struct path *root, char *buf, size_t size,
		  bool getcwd);

/* ---- inode.c ---- */
void fill_kstat(struct inode *inode, struct kstat *st);
bool inode_owner_or_root(const struct inode *inode);
unsigned mode_to_dt(u32 mode);
loff_t generic_file_llseek(struct file *file, loff_t off, int whence, loff_t end);
ssize_t dir_read(struct file *file, struct iov_iter *to, loff_t *pos); /* -EISDIR */
loff_t dir_llseek(struct file *file, loff_t off, int whence);

/* ---- pwd.c ---- */
extern struct fs_struct init_fs; /* root and working directory of the kernel itself */
void fs_get_root(struct path *root);
void fs_get_pwd(struct path *pwd);
u32 current_umask(void);

/* ---- mount.c ---- */
struct mount *lookup_mnt(const struct path *at); /* with a reference, or NULL */
/*
 * A file is open for writing there, until mnt_end_write(); -EROFS. mnt_set_flags(): -EBUSY if the
 * mount would become read-only, and there is one.
 */
int mnt_start_write(struct mount *m);
void mnt_end_write(struct mount *m);
int mnt_set_flags(struct mount *m, u32 flags);
void mntget(struct mount *m);
void mntput(struct mount *m);
void mount_rootfs(void);
struct file_system_type *find_type(const char *name);
struct mount *new_mount(struct file_system_type *type, const char *source, const char *options,
			u32 flags);
/* Another mount of the same tree, or of a part of it; ERR_PTR(-ENOMEM). */
struct mount *clone_mount(const struct path *of);
/*
 * Hangs a new mount at @at; takes over both, also when it fails: -ENOTDIR, -ENOENT, -ENOMEM. @below: with
 * copies of all that is mounted below it, of which @m is a copy; NULL: with nothing.
 */
int mount_attach(struct mount *m, const struct path *at, const struct path *below);
/* Hangs it elsewhere; takes over @to. -EINVAL, -ENOTDIR, -ELOOP, -ENOENT. */
int mount_move(struct mount *m, const struct path *to);
/* pivot_root(2): the mount @new takes the place of that of @root, which moves to @old. -EBUSY, -EINVAL,
 * -ENOENT. */
int mount_pivot(const struct path *new, const struct path *old, const struct path *root);
/* [D] Is @p at @root or below it? */
bool path_is_below(const struct path *p, const struct path *root);
/* Takes a mount out of the tree, of which the caller has a reference: -EBUSY if others have, too.
 * @lazy: all the same, and all that is mounted on it; it lives on for those who use it. */
int mount_detach(struct mount *m, bool lazy);
struct file_system_type;
extern struct file_system_type *file_systems; /* [mount_mutex] to change */
/* @show is called for each mount that is in the tree; it holds no lock. */
void for_each_mount(void (*show)(struct mount *m, void *arg), void *arg);
/* The tree or a mount's flags have changed: tells those who wait on mounts_wait. Process context. */
void mounts_changed(void);
unsigned mount_changes(void); /* how often that was so far */
extern struct wait_queue_head mounts_wait;

/* ---- namei.c ---- */
#define LOOKUP_DIRECTORY 0x2u
#define LOOKUP_EMPTY     0x4u /* an empty name is @dfd itself */
/* openat2(2)'s limits on a walk: RESOLVE_* << 8. */
#define LOOKUP_NO_XDEV       0x100u
#define LOOKUP_NO_MAGICLINKS 0x200u
#define LOOKUP_NO_SYMLINKS   0x400u
#define LOOKUP_BENEATH       0x800u  /* -EXDEV where the walk would leave @dfd */
#define LOOKUP_IN_ROOT       0x1000u /* @dfd is the root of the walk */
#define LOOKUP_SCOPED        (LOOKUP_BENEATH | LOOKUP_IN_ROOT)
#define MAXSYMLINKS          40

enum last_type { LAST_NORM, LAST_DOT, LAST_DOTDOT, LAST_ROOT };

/* A path walk. After path_parentat() the last component has been read but not looked up. */
struct nameidata {
	struct path path; /* where the walk is, referenced */
	struct path root;
	unsigned flags;
	const char *cursor; /* what is left of the text being walked */
	char *buf;          /* that text, if it is a link's target; NULL for the caller's name */
	int depth, links;
	const char *last;
	size_t last_len;
	enum last_type last_type;
	bool trailing; /* slashes behind the last component */
	bool want_file;
	struct file *file; /* a magic link led to a file that has no place in the tree */
	struct {
		const char *rest;
		char *buf;
	} stack[MAXSYMLINKS]; /* texts to go on with after this one, none of them empty */
};

char *getname(const char __user *name, bool empty_ok); /* ERR_PTR; free with putname() */
void putname(char *name);
int path_start(struct nameidata *nd, int dfd, const char *name, unsigned flags);
/* Walks to the last component; the same again after walk_last() returned 1. */
int walk_parents(struct nameidata *nd);
/* Steps into the last component: 0, 1 if it was a link that is to be followed, -errno. */
int walk_last(struct nameidata *nd);
void path_end(struct nameidata *nd);
int path_parentat(struct nameidata *nd, int dfd, const char *name);
int path_lookupat(int dfd, const char *name, unsigned flags, struct path *out, struct file **file);
/* @p goes on at the root of what is mounted there, and of what is mounted on that. */
void cross_mounts(struct path *p);
int user_path_at(int dfd, const char __user *name, unsigned flags, struct path *out);
/* A dentry of directory @dir (i_mutex held), without an inode if there is none; ERR_PTR. */
struct dentry *lookup_one(struct dentry *dir, const char *name, size_t len);
int may_create(struct dentry *dir, struct dentry *d);

/* Subclasses for mutex_lock_nested() of i_mutex. */
enum { I_PARENT, I_PARENT2, I_CHILD };
static inline void lock_dir(struct dentry *dir)
{
	mutex_lock(&dir->d_inode->i_mutex);
}
static inline void unlock_dir(struct dentry *dir)
{
	mutex_unlock(&dir->d_inode->i_mutex);
}
/* May the name @d be taken out of @dir (locked)? @isdir: the caller wants a directory. */
int may_delete(struct dentry *dir, struct dentry *d, bool isdir);

/* ---- namespace.c: names made and unmade, parents not locked by the caller ---- */
int do_mkdirat(int dfd, const char *name, u32 mode);
int do_mknodat(int dfd, const char *name, u32 mode, u64 rdev);
int do_symlinkat(const char *target, int dfd, const char *name);
int do_linkat(int odfd, const char *oname, int ndfd, const char *nname, unsigned lookup_flags);
int do_unlinkat(int dfd, const char *name);
int do_rmdirat(int dfd, const char *name);

/* ---- open.c, readwrite.c, attr.c ---- */
/* Opens what is at @at, permission checked; ERR_PTR(-ELOOP) for a symbolic link. */
struct file *open_place(const struct path *at, u32 flags);
/* A file on @inode, which has no name and is taken over; its dentry is said to be in @dir. ERR_PTR. */
struct file *open_nameless(const struct path *dir, const char *name, struct inode *inode,
			   u32 flags);
/* A regular file is open for writing, or not any more (FMODE_WRITER). -ETXTBSY, -EROFS. */
int start_writing(struct file *f);
void end_writing(struct file *f);
int do_truncate(struct inode *inode, loff_t len);
ssize_t vfs_read_iter(struct file *f, struct iov_iter *it, loff_t *pos);
ssize_t vfs_write_iter(struct file *f, struct iov_iter *it, loff_t *pos);
int do_chmod(struct inode *inode, u32 mode);

/* ---- tmpfs.c, memfd.c, devfs.c, procfs.c ---- */
long seal_fcntl(struct file *f, unsigned cmd, u64 arg); /* F_ADD_SEALS, F_GET_SEALS */
int tmpfs_fill_super(struct super_block *sb, const char *options);
void tmpfs_kill_super(struct super_block *sb);
struct vm_area;
struct file *vma_tmpfs_file(const struct vm_area *vma); /* the file it maps, or NULL */
extern const struct file_operations chrdev_fops, noopen_fops, kmsg_fops;
void devfs_init(void);
void devpts_init(void);
void procfs_init(void);
