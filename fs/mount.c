/*
 * Mounts: where the tree of one file system is joined to another's. A struct mount shows a super
 * block at a directory; that directory's dentry is marked d_mounted, and a walk that steps on it
 * goes on at the mount's root (lookup_mnt()), and back from there by "..".
 *
 * Internal mounts (kern_mount(): pipes, sockets, eventpolls) hang nowhere. They are their own
 * parent and are never taken away, so the files on them hold no reference.
 *
 * LOCKING
 *	mount_mutex   one mount(2) or umount(2) at a time; super blocks are made under it. Before
 *	              i_mutex.
 *	dcache_lock   the links between mounts and dentries (dcache.c).
 *	fs->lock      a task's root and working directory; a few instructions, outside of
 *	              nothing but reference counts.
 */

#include "fs/internal.h"
#include "kernel/cpu/syscall.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"

#define MS_REMOUNT 32u
#define MS_BIND    4096u
#define MS_MOVE    8192u

#define MNT_FORCE       1
#define MNT_DETACH      2
#define MNT_EXPIRE      4
#define UMOUNT_NOFOLLOW 8

static DEFINE_MUTEX(mount_mutex);
static LIST_HEAD(mounts); /* [D] in the tree, in the order of mounting */
static atomic_t next_id = ATOMIC_INIT(0), next_dev = ATOMIC_INIT(0);
struct file_system_type *file_systems;

struct fs_struct init_fs = {.refs = REFCOUNT_INIT(1), .lock = SPINLOCK_INIT(init_fs.lock)};

int register_filesystem(struct file_system_type *type)
{
	struct file_system_type **p;
	int err = 0;

	mutex_lock(&mount_mutex);
	for (p = &file_systems; *p; p = &(*p)->next)
		if (!strcmp((*p)->name, type->name))
			err = -EBUSY;
	if (!err) {
		type->next = NULL;
		smp_store_release(p, type); /* /proc/filesystems walks the list without the lock */
	}
	mutex_unlock(&mount_mutex);
	return err;
}

/* ---- super blocks ---- */

/* One reference; mount_mutex held. */
static struct super_block *get_super(struct file_system_type *type, const char *options)
{
	struct super_block *sb = type->single ? type->single_sb : NULL;
	int err;

	if (sb) {
		refcount_inc(&sb->refs);
		return sb;
	}
	sb = kzalloc(sizeof(*sb), GFP_KERNEL);
	if (!sb)
		return ERR_PTR(-ENOMEM);
	refcount_set(&sb->refs, 1);
	sb->s_type = type;
	sb->s_dev = MKDEV(0, atomic_inc_return(&next_dev));
	err = type->fill_super(sb, options);
	if (err) {
		kfree(sb);
		return ERR_PTR(err);
	}
	if (type->single) {
		refcount_inc(&sb->refs); /* for good */
		type->single_sb = sb;
	}
	return sb;
}

static void put_super(struct super_block *sb)
{
	if (!refcount_dec_and_test(&sb->refs))
		return;
	if (sb->s_cache)
		d_kill_tree(sb->s_root);
	dput(sb->s_root);
	if (sb->s_type->kill_super)
		sb->s_type->kill_super(sb);
	kfree(sb);
}

/* ---- mounts ---- */

void mntget(struct mount *m)
{
	refcount_inc(&m->refs);
}

void mntput(struct mount *m)
{
	if (!refcount_dec_and_test(&m->refs))
		return;
	put_super(m->sb);
	kfree(m);
}

void path_get(const struct path *p)
{
	mntget(p->mnt);
	dget(p->dentry);
}

void path_put(const struct path *p)
{
	dput(p->dentry);
	mntput(p->mnt);
}

/* Takes over the reference on @sb, also when it fails. */
static struct mount *alloc_mount(struct super_block *sb)
{
	struct mount *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (!m) {
		put_super(sb);
		return ERR_PTR(-ENOMEM);
	}
	refcount_set(&m->refs, 1);
	m->id = atomic_inc_return(&next_id);
	m->sb = sb;
	m->root = sb->s_root;
	m->parent = m;
	INIT_LIST_HEAD(&m->link);
	return m;
}

static struct mount *new_mount(struct file_system_type *type, const char *options)
{
	struct super_block *sb;
	struct mount *m;

	mutex_lock(&mount_mutex);
	sb = get_super(type, options);
	m = IS_ERR(sb) ? (void *)sb : alloc_mount(sb);
	mutex_unlock(&mount_mutex);
	return m;
}

struct mount *kern_mount(struct file_system_type *type)
{
	return new_mount(type, "");
}

struct mount *lookup_mnt(const struct path *at)
{
	struct mount *m;

	spin_lock(&dcache_lock);
	list_for_each_entry(m, &mounts, link) {
		if (m->mountpoint == at->dentry && m->parent == at->mnt) {
			mntget(m);
			spin_unlock(&dcache_lock);
			return m;
		}
	}
	spin_unlock(&dcache_lock);
	return NULL;
}

/* Hangs @m at @at, whose references it takes over; mount_mutex held. 0, -ENOENT (gone). */
static int attach(struct mount *m, const struct path *at)
{
	int err = 0;

	spin_lock(&dcache_lock);
	if (at->dentry->d_unlinked) {
		err = -ENOENT;
	} else {
		m->parent = at->mnt;
		m->mountpoint = at->dentry;
		at->dentry->d_mounted = true;
		list_add_tail(&m->link, &mounts);
	}
	spin_unlock(&dcache_lock);
	return err;
}

static struct file_system_type *find_type(const char *name)
{
	struct file_system_type *t;

	/* Pairs with the release in register_filesystem(). */
	for (t = smp_load_acquire(&file_systems); t; t = smp_load_acquire(&t->next))
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

int do_mount(const char *type_name, const char *path, const char *options)
{
	struct file_system_type *type = find_type(type_name);
	struct mount *m;
	struct path at;
	int err;

	if (!type)
		return -ENODEV;
	err = kern_path(path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &at);
	if (err)
		return err;
	m = new_mount(type, options);
	if (IS_ERR(m)) {
		path_put(&at);
		return (int)PTR_ERR(m);
	}
	mutex_lock(&mount_mutex);
	err = attach(m, &at);
	mutex_unlock(&mount_mutex);
	if (err) {
		mntput(m);
		path_put(&at);
	}
	return err;
}

/* Takes a mount that nobody else uses out of the tree. The caller has a reference. */
static int detach(struct mount *m)
{
	struct mount *other;
	struct path at = {NULL, NULL};
	int err = 0;

	mutex_lock(&mount_mutex);
	spin_lock(&dcache_lock);
	/* One reference of the tree's and one of the caller's. */
	if (m->parent == m || refcount_read(&m->refs) > 2)
		err = -EBUSY; /* the root of all, or used */
	list_for_each_entry(other, &mounts, link)
		if (other->parent == m && other != m)
			err = -EBUSY;
	if (!err) {
		at = (struct path){m->parent, m->mountpoint};
		list_del_init(&m->link);
		at.dentry->d_mounted = false;
		/* The same directory may be a mount point under another mount of its tree. */
		list_for_each_entry(other, &mounts, link)
			if (other->mountpoint == at.dentry)
				at.dentry->d_mounted = true;
		m->parent = m;
		m->mountpoint = NULL;
	}
	spin_unlock(&dcache_lock);
	mutex_unlock(&mount_mutex);
	if (!err) {
		mntput(m); /* the tree's */
		path_put(&at);
	}
	return err;
}

void mount_rootfs(void)
{
	struct file_system_type *type = find_type("tmpfs");
	struct mount *m = type ? new_mount(type, "") : ERR_PTR(-ENODEV);

	if (IS_ERR(m))
		panic("cannot mount the root file system: %ld", PTR_ERR(m));
	m->root->d_inode->i_mode = S_IFDIR | 0755;
	spin_lock(&dcache_lock);
	list_add(&m->link, &mounts);
	spin_unlock(&dcache_lock);
	init_fs.root = init_fs.pwd = (struct path){m, m->root};
	path_get(&init_fs.root);
	path_get(&init_fs.pwd);
}

void for_each_mount(void (*show)(struct mount *m, void *arg), void *arg)
{
	struct mount *m, *prev = NULL;

	spin_lock(&dcache_lock);
	m = list_first_entry(&mounts, struct mount, link);
	while (&m->link != &mounts) {
		mntget(m);
		spin_unlock(&dcache_lock);
		if (prev)
			mntput(prev);
		show(m, arg);
		spin_lock(&dcache_lock);
		prev = m;
		if (list_empty(&m->link))
			break; /* unmounted meanwhile: the list ends here for this reader */
		m = list_next_entry(m, link);
	}
	spin_unlock(&dcache_lock);
	if (prev)
		mntput(prev);
}

/* ---- a task's root and working directory ---- */

static struct fs_struct *current_fs(void)
{
	return current->fs ? current->fs : &init_fs;
}

void fs_get_root(struct path *root)
{
	struct fs_struct *fs = current_fs();

	spin_lock(&fs->lock);
	*root = fs->root;
	path_get(root);
	spin_unlock(&fs->lock);
}

void fs_get_pwd(struct path *pwd)
{
	struct fs_struct *fs = current_fs();

	spin_lock(&fs->lock);
	*pwd = fs->pwd;
	path_get(pwd);
	spin_unlock(&fs->lock);
}

u32 current_umask(void)
{
	return READ_ONCE(current_fs()->umask);
}

/* Takes over the references of @to. */
static void fs_set(struct path *which, struct path to)
{
	struct fs_struct *fs = current->fs;
	struct path old;

	spin_lock(&fs->lock);
	old = *which;
	*which = to;
	spin_unlock(&fs->lock);
	path_put(&old);
}

SYSCALL_DEFINE1(umask, u32, mask)
{
	struct fs_struct *fs = current->fs;
	u32 old;

	spin_lock(&fs->lock);
	old = fs->umask;
	fs->umask = mask & 0777;
	spin_unlock(&fs->lock);
	return old;
}

SYSCALL_DEFINE1(chdir, const char __user *, name)
{
	struct path p;
	int err = user_path_at(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (err)
		return err;
	err = inode_permission(p.dentry->d_inode, MAY_EXEC);
	if (err)
		path_put(&p);
	else
		fs_set(&current->fs->pwd, p);
	return err;
}

SYSCALL_DEFINE1(fchdir, unsigned, fd)
{
	struct fd f = fdget_path(fd);
	struct path p;
	int err = 0;

	if (!f.file)
		return -EBADF;
	if (!f.file->f_dentry || !S_ISDIR(f.file->f_inode->i_mode))
		err = -ENOTDIR;
	else
		err = inode_permission(f.file->f_inode, MAY_EXEC);
	if (!err) {
		p = (struct path){f.file->f_mnt, f.file->f_dentry};
		path_get(&p);
		fs_set(&current->fs->pwd, p);
	}
	fdput(f);
	return err;
}

SYSCALL_DEFINE1(chroot, const char __user *, name)
{
	struct path p;
	int err = user_path_at(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (err)
		return err;
	err = inode_permission(p.dentry->d_inode, MAY_EXEC);
	if (!err && current_fsuid() != 0)
		err = -EPERM;
	if (err)
		path_put(&p);
	else
		fs_set(&current->fs->root, p);
	return err;
}

SYSCALL_DEFINE2(getcwd, char __user *, buf, size_t, size)
{
	struct path root, pwd;
	char *text = kmem_cache_alloc(names_cache, GFP_KERNEL);
	ssize_t n;

	if (!text)
		return -ENOMEM;
	fs_get_root(&root);
	fs_get_pwd(&pwd);
	n = READ_ONCE(pwd.dentry->d_unlinked) ? -ENOENT
					      : path_text(&pwd, &root, text, PATH_MAX, true);
	path_put(&pwd);
	path_put(&root);
	if (n >= 0 && (size_t)n + 1 > size)
		n = -ERANGE;
	else if (n >= 0 && copy_to_user(buf, text, (size_t)n + 1))
		n = -EFAULT;
	kmem_cache_free(names_cache, text);
	return n < 0 ? n : n + 1;
}

/* ---- mount(2), umount2(2) ---- */

/* A short string of the user's, or "" for NULL. */
static int copy_word(char *dst, const char __user *src, size_t size)
{
	ssize_t n = 0;

	if (src)
		n = strncpy_from_user(dst, src, size);
	if (n < 0)
		return (int)n;
	if ((size_t)n >= size)
		return -EINVAL;
	dst[n] = '\0';
	return 0;
}

SYSCALL_DEFINE5(mount, const char __user *, source, const char __user *, target,
		const char __user *, type, u64, flags, const char __user *, data)
{
	char type_name[32], options[128], *path;
	int err;

	err = copy_word(type_name, type, sizeof(type_name));
	if (!err)
		err = copy_word(options, data, sizeof(options));
	if (err)
		return err;
	path = getname(target, false);
	if (IS_ERR(path))
		return PTR_ERR(path);
	if (current_fsuid() != 0)
		err = -EPERM;
	else if (flags & (MS_REMOUNT | MS_BIND | MS_MOVE))
		err = -EINVAL;
	else
		err = do_mount(type_name, path, options);
	putname(path);
	return err;
}

static int umount_path(struct path *p)
{
	struct mount *m = p->mnt;
	int err = p->dentry == m->root ? 0 : -EINVAL;

	mntget(m);
	path_put(p);
	if (!err)
		err = detach(m);
	mntput(m);
	return err;
}

int do_umount(const char *name)
{
	struct path p;
	int err = kern_path(name, LOOKUP_FOLLOW, &p);

	return err ? err : umount_path(&p);
}

SYSCALL_DEFINE2(umount2, const char __user *, name, int, flags)
{
	struct path p;
	int err;

	if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	err = user_path_at(AT_FDCWD, name, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	if (current_fsuid() != 0) {
		path_put(&p);
		return -EPERM;
	}
	return umount_path(&p);
}

/* ---- the tree a newly started machine has ---- */

static void __init boot_dir(const char *name, u32 mode)
{
	int err = do_mkdirat(AT_FDCWD, name, mode);

	if (err)
		panic("mkdir %s: %d", name, err);
}

/* One call, because its steps need one another. */
static int __init vfs_init(void)
{
	devfs_init();
	devpts_init();
	procfs_init();
	mount_rootfs();
	boot_dir("/dev", 0755);
	boot_dir("/proc", 0555);
	boot_dir("/tmp", 01777);
	if (do_mount("devtmpfs", "/dev", "") || do_mount("proc", "/proc", ""))
		panic("cannot mount /dev and /proc");
	boot_dir("/dev/pts", 0755);
	if (do_mount("devpts", "/dev/pts", ""))
		panic("cannot mount /dev/pts");
	init_fs.umask = 022; /* for the first process, umask(2) */
	return 0;
}
fs_initcall(vfs_init);
