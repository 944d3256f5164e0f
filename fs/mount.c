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
 */

#include "fs/internal.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"

static DEFINE_MUTEX(mount_mutex);
static LIST_HEAD(mounts); /* [D] in the tree, in the order of mounting */
static atomic_t next_id = ATOMIC_INIT(0), next_dev = ATOMIC_INIT(0), changes = ATOMIC_INIT(0);
DECLARE_WAIT_QUEUE_HEAD(mounts_wait);
struct file_system_type *file_systems;

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
	dput(m->root);
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

/* Takes over the reference on @sb, also when it fails. @root: what it shows. */
static struct mount *alloc_mount(struct super_block *sb, struct dentry *root, const char *source,
				 u32 flags)
{
	struct mount *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (!m) {
		put_super(sb);
		return ERR_PTR(-ENOMEM);
	}
	refcount_set(&m->refs, 1);
	m->id = atomic_inc_return(&next_id);
	m->sb = sb;
	m->root = dget(root);
	m->parent = m;
	m->flags = flags;
	strscpy(m->source, source, sizeof(m->source));
	INIT_LIST_HEAD(&m->link);
	return m;
}

struct mount *new_mount(struct file_system_type *type, const char *source, const char *options,
			u32 flags)
{
	struct super_block *sb;
	struct mount *m;

	mutex_lock(&mount_mutex);
	sb = get_super(type, options);
	m = IS_ERR(sb) ? (void *)sb : alloc_mount(sb, sb->s_root, source, flags);
	mutex_unlock(&mount_mutex);
	return m;
}

struct mount *clone_mount(const struct path *of)
{
	refcount_inc(&of->mnt->sb->refs); /* of->mnt has one, so it is alive */
	return alloc_mount(of->mnt->sb, of->dentry, of->mnt->source, of->mnt->flags);
}

struct mount *kern_mount(struct file_system_type *type)
{
	return new_mount(type, type->name, "", 0);
}

int mnt_start_write(struct mount *m)
{
	atomic_inc(&m->writers);
	smp_mb(); /* counted, then asked; mnt_set_flags() says so, then looks at the count */
	if (!(READ_ONCE(m->flags) & MS_RDONLY))
		return 0;
	mnt_end_write(m);
	return -EROFS;
}

void mnt_end_write(struct mount *m)
{
	atomic_dec(&m->writers);
}

int mnt_set_flags(struct mount *m, u32 flags)
{
	int err = 0;
	u32 old;

	mutex_lock(&mount_mutex);
	old = m->flags;
	WRITE_ONCE(m->flags, flags);
	smp_mb(); /* pairs with the one in mnt_start_write() */
	if ((flags & ~old & MS_RDONLY) && atomic_read(&m->writers)) {
		WRITE_ONCE(m->flags, old);
		err = -EBUSY;
	}
	mutex_unlock(&mount_mutex);
	if (!err)
		mounts_changed();
	return err;
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

void mounts_changed(void)
{
	atomic_inc(&changes);
	wake_up_all(&mounts_wait);
}

unsigned mount_changes(void)
{
	return (unsigned)atomic_read(&changes);
}

/* [D] Hangs @m at @at, whose references it takes over. */
static void hook(struct mount *m, const struct path *at)
{
	m->parent = at->mnt;
	m->mountpoint = at->dentry;
	at->dentry->d_mounted = true;
	list_add_tail(&m->link, &mounts);
}

/* [D] The opposite: @at gets the references. */
static void unhook(struct mount *m, struct path *at)
{
	const struct mount *other;

	*at = (struct path){m->parent, m->mountpoint};
	list_del_init(&m->link);
	at->dentry->d_mounted = false;
	/* The same directory may be a mount point under another mount of its tree. */
	list_for_each_entry(other, &mounts, link)
		if (other->mountpoint == at->dentry)
			at->dentry->d_mounted = true;
	m->parent = m;
	m->mountpoint = NULL;
}

/* [D] A mount on @m, or NULL. */
static struct mount *child_of(const struct mount *m)
{
	struct mount *other;

	list_for_each_entry(other, &mounts, link)
		if (other->parent == m && other != m)
			return other;
	return NULL;
}

static bool same_kind(const struct mount *m, const struct path *at)
{
	return S_ISDIR(m->root->d_inode->i_mode) == S_ISDIR(at->dentry->d_inode->i_mode);
}

bool path_is_below(const struct path *p, const struct path *root)
{
	struct path up = *p;

	while (up.mnt != root->mnt || up.dentry != root->dentry) {
		if (up.dentry != up.mnt->root)
			up.dentry = up.dentry->d_parent;
		else if (up.mnt->parent != up.mnt)
			up = (struct path){up.mnt->parent, up.mnt->mountpoint};
		else
			return false;
	}
	return true;
}

/* Copies all mounts below @of, each with a link to and from its copy. mount_mutex held. 0 or -ENOMEM. */
static int copy_below(const struct path *of, struct list_head *copies)
{
	struct mount *m, *c;
	bool below;

	list_for_each_entry(m, &mounts, link) {
		spin_lock(&dcache_lock);
		below = m->parent != m &&
			path_is_below(&(struct path){m->parent, m->mountpoint}, of);
		spin_unlock(&dcache_lock);
		if (!below)
			continue;
		c = clone_mount(&(struct path){m, m->root});
		if (IS_ERR(c))
			return (int)PTR_ERR(c);
		m->copy = c;
		c->copy = m;
		list_add_tail(&c->link, copies);
	}
	return 0;
}

/* [D] Each copy is hung on the copy of what its original hangs on. */
static void hook_copies(struct list_head *copies)
{
	struct mount *c, *next;

	list_for_each_entry_safe(c, next, copies, link) {
		struct path at = {c->copy->parent->copy, c->copy->mountpoint};

		list_del(&c->link);
		path_get(&at);
		hook(c, &at);
	}
}

int mount_attach(struct mount *m, const struct path *at, const struct path *below)
{
	struct mount *c, *next;
	LIST_HEAD(copies);
	int err = -ENOTDIR;

	if (same_kind(m, at)) {
		mutex_lock(&mount_mutex);
		err = below ? copy_below(below, &copies) : 0;
		spin_lock(&dcache_lock);
		if (!err && at->dentry->d_unlinked)
			err = -ENOENT;
		if (!err) {
			if (below)
				below->mnt->copy = m;
			hook_copies(&copies);
			hook(m, at);
		}
		spin_unlock(&dcache_lock);
		mutex_unlock(&mount_mutex);
	}
	if (err) {
		list_for_each_entry_safe(c, next, &copies, link)
			mntput(c);
		mntput(m);
		path_put(at);
		return err;
	}
	mounts_changed();
	return 0;
}

int mount_move(struct mount *m, const struct path *to)
{
	const struct mount *up;
	struct path from = *to;
	int err = -EINVAL;

	if (!same_kind(m, to)) {
		path_put(to);
		return -ENOTDIR;
	}
	mutex_lock(&mount_mutex);
	spin_lock(&dcache_lock);
	if (m->parent == m)
		goto out; /* the root of all, or unmounted meanwhile */
	err = -ELOOP;
	for (up = to->mnt; up != m && up->parent != up; up = up->parent)
		;
	if (up == m)
		goto out; /* into itself */
	err = to->dentry->d_unlinked ? -ENOENT : 0;
	if (err)
		goto out;
	unhook(m, &from);
	hook(m, to);
out:
	spin_unlock(&dcache_lock);
	mutex_unlock(&mount_mutex);
	path_put(&from); /* the old place; the new one if nothing came of it */
	if (!err)
		mounts_changed();
	return err;
}

int mount_pivot(const struct path *new, const struct path *old, const struct path *root)
{
	struct path from, place;
	int err = 0;

	mutex_lock(&mount_mutex);
	spin_lock(&dcache_lock);
	if (new->dentry->d_unlinked || old->dentry->d_unlinked)
		err = -ENOENT;
	else if (new->mnt == root->mnt || old->mnt == root->mnt)
		err = -EBUSY;
	else if (root->dentry != root->mnt->root || root->mnt->parent == root->mnt ||
		 new->dentry != new->mnt->root || new->mnt->parent == new->mnt ||
		 !path_is_below(old, new) || !path_is_below(new, root))
		err = -EINVAL;
	if (!err) {
		unhook(new->mnt, &from);
		unhook(root->mnt, &place);
		path_get(old);
		hook(root->mnt, old);
		hook(new->mnt, &place);
	}
	spin_unlock(&dcache_lock);
	mutex_unlock(&mount_mutex);
	if (err)
		return err;
	path_put(&from);
	mounts_changed();
	return 0;
}

int mount_detach(struct mount *m, bool lazy)
{
	struct mount *leaf, *child;
	struct path at;
	int err = 0;

	do {
		mutex_lock(&mount_mutex);
		spin_lock(&dcache_lock);
		leaf = m;
		while ((child = child_of(leaf)) && lazy)
			leaf = child;
		/* One reference of the tree's and one of the caller's. */
		if (m->parent == m || (!lazy && (child || refcount_read(&m->refs) > 2)))
			err = -EBUSY; /* the root of all, or used */
		else
			unhook(leaf, &at);
		spin_unlock(&dcache_lock);
		mutex_unlock(&mount_mutex);
		if (err)
			return err;
		mounts_changed();
		path_put(&at);
		if (leaf != m)
			mntput(leaf); /* the tree's */
	} while (leaf != m);
	mntput(m);
	return 0;
}

struct file_system_type *find_type(const char *name)
{
	struct file_system_type *t;

	/* Pairs with the release in register_filesystem(). */
	for (t = smp_load_acquire(&file_systems); t; t = smp_load_acquire(&t->next))
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

void mount_rootfs(void)
{
	struct file_system_type *type = find_type("tmpfs");
	struct mount *m = type ? new_mount(type, "tmpfs", "", 0) : ERR_PTR(-ENODEV);

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
	if (do_mount("devtmpfs", "devtmpfs", "/dev", "", 0) ||
	    do_mount("proc", "proc", "/proc", "", 0))
		panic("cannot mount /dev and /proc");
	boot_dir("/dev/pts", 0755);
	if (do_mount("devpts", "devpts", "/dev/pts", "", 0))
		panic("cannot mount /dev/pts");
	init_fs.umask = 022; /* for the first process, umask(2) */
	return 0;
}
fs_initcall(vfs_init);
