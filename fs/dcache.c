/*
 * The name cache: dentries, each a name in a directory, found by a hash of {parent, name}.
 *
 * Two kinds of file system use it. Where s_cache is set (tmpfs, devfs) the cache is the directory:
 * every name that exists is here, pinned by a reference of its own, and a name that is not found
 * does not exist. Where it is not set (procfs) a dentry is made by each lookup, belongs to whoever
 * holds it, and is in no hash: what it shows may be gone by the next lookup.
 *
 * A dentry is   d_alloc() -> without an inode, private to a system call
 *            -> d_instantiate() -> a name that exists
 *            -> d_drop() -> unlinked, alive as long as somebody has it open
 *            -> last dput() -> freed, and with it a reference on its inode and on its parent.
 *
 * LOCKING
 *	dcache_lock  hash chains, parents, names, lists of children, and the tree of mounts
 *	             (mount.c), so a path can be walked upward under one lock. Process context; a
 *	             leaf but for memory that is freed. Names change only with the i_mutex of both
 *	             directories held as well, so a holder of a directory's i_mutex may walk its
 *	             children without dcache_lock.
 *	d_refs       only falls to zero under dcache_lock, so what the hash shows is alive.
 */

#include "fs/internal.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/vmalloc.h"

DEFINE_SPINLOCK(dcache_lock);

static struct kmem_cache *dentry_cache;
static struct list_head *buckets; /* [D] */
static u32 bucket_mask;           /* [I] */

static u32 hash_name(const struct dentry *parent, const char *name, size_t len)
{
	u32 h = (u32)((uintptr_t)parent >> 6) * 0x9e3779b1u;

	while (len--)
		h = (h ^ (u8)*name++) * 0x01000193u; /* FNV-1a */
	return h ^ h >> 15;
}

/* [D] */
static void hash_add(struct dentry *d)
{
	d->d_hashval = hash_name(d->d_parent, d->d_name, d->d_len);
	list_add(&d->d_hash, &buckets[d->d_hashval & bucket_mask]);
}

/* [D] Behind its siblings, under a number that none of them ever had. */
static void link_child(struct dentry *d)
{
	d->d_cookie = d->d_parent->d_next_cookie++;
	list_add_tail(&d->d_child, &d->d_parent->d_children);
	hash_add(d);
}

static struct dentry *dentry_new(struct super_block *sb, const char *name, size_t len)
{
	struct dentry *d = kmem_cache_alloc(dentry_cache, GFP_KERNEL | __GFP_ZERO);

	if (!d)
		return NULL;
	d->d_name = d->d_iname;
	if (len >= D_INLINE) {
		d->d_name = kmalloc(len + 1, GFP_KERNEL);
		if (!d->d_name) {
			kmem_cache_free(dentry_cache, d);
			return NULL;
		}
	}
	memcpy(d->d_name, name, len);
	d->d_name[len] = '\0';
	d->d_len = (u8)len;
	refcount_set(&d->refs, 1);
	d->d_sb = sb;
	d->d_parent = d;
	d->d_next_cookie = 2; /* 0 and 1 are "." and ".." */
	INIT_LIST_HEAD(&d->d_hash);
	INIT_LIST_HEAD(&d->d_child);
	INIT_LIST_HEAD(&d->d_children);
	return d;
}

struct dentry *d_alloc(struct dentry *parent, const char *name, size_t len)
{
	struct dentry *d = dentry_new(parent->d_sb, name, len);

	if (d)
		d->d_parent = dget(parent);
	return d;
}

struct dentry *d_make_root(struct inode *root)
{
	struct dentry *d = dentry_new(root->i_sb, "/", 1);

	if (d)
		d->d_inode = root;
	else
		iput(root);
	return d;
}

struct dentry *dget(struct dentry *d)
{
	refcount_inc(&d->refs);
	return d;
}

/* Drops a reference unless it is the last one. */
static bool dput_fast(struct dentry *d)
{
	int old = refcount_read(&d->refs);

	while (old > 1)
		if (__atomic_compare_exchange_n(&d->refs.v, &old, old - 1, true, __ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

void dput(struct dentry *d)
{
	while (d && !dput_fast(d)) {
		struct dentry *parent;

		spin_lock(&dcache_lock);
		if (!refcount_dec_and_test(&d->refs)) {
			spin_unlock(&dcache_lock);
			return;
		}
		list_del(&d->d_hash);
		list_del(&d->d_child);
		parent = d->d_parent == d ? NULL : d->d_parent;
		spin_unlock(&dcache_lock);
		if (d->d_inode)
			iput(d->d_inode);
		if (d->d_name != d->d_iname)
			kfree(d->d_name);
		kmem_cache_free(dentry_cache, d);
		d = parent; /* its reference is ours to drop now */
	}
}

/* With a reference, or NULL. Says nothing about names of file systems without s_cache. */
struct dentry *d_lookup(struct dentry *parent, const char *name, size_t len)
{
	u32 hash = hash_name(parent, name, len);
	struct dentry *d;

	spin_lock(&dcache_lock);
	list_for_each_entry(d, &buckets[hash & bucket_mask], d_hash) {
		if (d->d_hashval == hash && d->d_parent == parent && d->d_len == len &&
		    !memcmp(d->d_name, name, len)) {
			dget(d);
			spin_unlock(&dcache_lock);
			return d;
		}
	}
	spin_unlock(&dcache_lock);
	return NULL;
}

void d_instantiate(struct dentry *d, struct inode *inode)
{
	spin_lock(&dcache_lock);
	d->d_inode = inode;
	if (d->d_sb->s_cache) {
		dget(d); /* the directory's */
		link_child(d);
	}
	spin_unlock(&dcache_lock);
}

/* The name is gone. The directory's i_mutex held; the caller has a reference. */
void d_drop(struct dentry *d)
{
	spin_lock(&dcache_lock);
	list_del_init(&d->d_hash);
	list_del_init(&d->d_child);
	d->d_unlinked = true;
	spin_unlock(&dcache_lock);
	if (d->d_sb->s_cache)
		dput(d);
}

/* [D] */
static void unlink_both_lists(struct dentry *d)
{
	list_del_init(&d->d_hash);
	list_del_init(&d->d_child);
}

int d_move(struct dentry *d, struct dentry *target)
{
	struct dentry *old_parent = d->d_parent;
	char *old_name = d->d_name != d->d_iname ? d->d_name : NULL, *name = d->d_iname;

	if (target->d_len >= D_INLINE) {
		name = kmalloc(target->d_len + 1u, GFP_KERNEL);
		if (!name)
			return -ENOMEM;
	}
	if (target->d_inode)
		d_drop(target);
	dget(target->d_parent);
	spin_lock(&dcache_lock);
	unlink_both_lists(d);
	memcpy(name, target->d_name, target->d_len + 1u);
	d->d_name = name;
	d->d_len = target->d_len;
	d->d_parent = target->d_parent;
	link_child(d);
	spin_unlock(&dcache_lock);
	kfree(old_name);
	dput(old_parent);
	return 0;
}

void d_exchange(struct dentry *a, struct dentry *b)
{
	char iname[D_INLINE], *a_name, *b_name;

	spin_lock(&dcache_lock);
	unlink_both_lists(a);
	unlink_both_lists(b);
	a_name = a->d_name != a->d_iname ? a->d_name : NULL;
	b_name = b->d_name != b->d_iname ? b->d_name : NULL;
	memcpy(iname, a->d_iname, D_INLINE);
	memcpy(a->d_iname, b->d_iname, D_INLINE);
	memcpy(b->d_iname, iname, D_INLINE);
	a->d_name = b_name ? b_name : a->d_iname;
	b->d_name = a_name ? a_name : b->d_iname;
	{
		u8 len = a->d_len;
		struct dentry *parent = a->d_parent;

		/* Each parent keeps one child, so their counts stay as they are. */
		a->d_len = b->d_len;
		b->d_len = len;
		a->d_parent = b->d_parent;
		b->d_parent = parent;
	}
	link_child(a);
	link_child(b);
	spin_unlock(&dcache_lock);
}

bool d_is_ancestor(struct dentry *above, struct dentry *below)
{
	bool found = false;

	spin_lock(&dcache_lock);
	for (struct dentry *d = below;; d = d->d_parent) {
		found = d == above;
		if (found || d->d_parent == d)
			break;
	}
	spin_unlock(&dcache_lock);
	return found;
}

bool d_has_children(struct dentry *d)
{
	return !list_empty(&d->d_children);
}

/* Unmount: nobody uses the tree any more; drops the directories' own references, leaves first. */
void d_kill_tree(struct dentry *root)
{
	struct dentry *d = root, *parent;

	while (d != root || !list_empty(&root->d_children)) {
		if (!list_empty(&d->d_children)) {
			d = list_first_entry(&d->d_children, struct dentry, d_child);
			continue;
		}
		parent = d->d_parent;
		dget(d);
		d_drop(d);
		dput(d);
		d = parent;
	}
}

/*
 * Entry numbers only grow, and the list of children is in their order: a position names the first
 * child that was not returned yet whatever was unlinked meanwhile. Finding it again costs a walk
 * over those before.
 */
int dcache_iterate(struct file *file, struct dir_context *ctx)
{
	struct dentry *dir = file->f_dentry, *d;
	struct inode *inode = file->f_inode;

	if (ctx->pos == 0) {
		if (!dir_emit(ctx, ".", 1, inode->i_ino, DT_DIR))
			return 0;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		/* Of the file system; a mount's root shows itself. */
		if (!dir_emit(ctx, "..", 2, READ_ONCE(dir->d_parent)->d_inode->i_ino, DT_DIR))
			return 0;
		ctx->pos = 2;
	}
	list_for_each_entry(d, &dir->d_children, d_child) {
		if ((loff_t)d->d_cookie < ctx->pos)
			continue;
		ctx->pos = (loff_t)d->d_cookie;
		if (!dir_emit(ctx, d->d_name, d->d_len, d->d_inode->i_ino,
			      mode_to_dt(d->d_inode->i_mode)))
			return 0;
		ctx->pos++;
	}
	return 0;
}

/* ---- paths as text ---- */

/* Writes @len bytes in front of *at; false if there is no room. */
static bool prepend(char *buf, char **at, const char *text, size_t len)
{
	if ((size_t)(*at - buf) < len)
		return false;
	*at -= len;
	memcpy(*at, text, len);
	return true;
}

/*
 * The path of @p below @root. It is written from the end of the buffer, upward through the parents,
 * and then moved to the front. What lies outside of @root gets its way from the real root, for
 * getcwd(2) behind "(unreachable)".
 */
ssize_t path_text(const struct path *p, const struct path *root, char *buf, size_t size,
		  bool getcwd)
{
	struct dentry *d = p->dentry;
	struct mount *m = p->mnt;
	char *at = buf + size - 1;
	bool fits = true;
	size_t len;

	*at = '\0';
	spin_lock(&dcache_lock);
	if (d->d_unlinked)
		fits = prepend(buf, &at, " (deleted)", 10);
	while (fits && !(d == root->dentry && m == root->mnt)) {
		if (d == m->root || d->d_parent == d) {
			if (m->parent == m) {
				if (getcwd)
					fits = prepend(buf, &at, "(unreachable)", 13);
				break;
			}
			d = m->mountpoint;
			m = m->parent;
			continue;
		}
		fits = prepend(buf, &at, d->d_name, d->d_len) && prepend(buf, &at, "/", 1);
		d = d->d_parent;
	}
	spin_unlock(&dcache_lock);
	/* The root itself, with or without a remark behind it. */
	if (fits && (*at != '/' && *at != '('))
		fits = prepend(buf, &at, "/", 1);
	if (!fits)
		return -ENAMETOOLONG;
	len = (size_t)(buf + size - 1 - at);
	memmove(buf, at, len + 1);
	return (ssize_t)len;
}

ssize_t d_path(const struct path *p, char *buf, size_t size)
{
	struct path root;
	ssize_t n;

	fs_get_root(&root);
	n = path_text(p, &root, buf, size, false);
	path_put(&root);
	return n;
}

static int __init dcache_init(void)
{
	u32 n = 1024;

	dentry_cache = kmem_cache_create("dentry", sizeof(struct dentry), 0);
	while (n < total_pages / 32 && n < 65536)
		n *= 2;
	buckets = kvmalloc(n * sizeof(*buckets), GFP_KERNEL);
	if (!buckets)
		panic("no memory for the name cache");
	for (u32 i = 0; i < n; i++)
		INIT_LIST_HEAD(&buckets[i]);
	bucket_mask = n - 1;
	return 0;
}
core_initcall(dcache_init);
