/*
 * From a path to a place: the walk. It goes from directory to directory, one component at a time,
 * and each step may lead through three doors: a mount on the directory (go on at the root of what
 * is mounted), ".." at the root of a mount (go on at its mount point), and a symbolic link (go on
 * with the link's text).
 *
 * A link in the middle of a path pushes what is left of the text on nd->stack and goes on with its
 * own; the depth is bounded by the 40 links a walk may follow, path_resolution(7). Only texts with
 * something left are pushed, so "the stack is empty and nothing is left" means the last component.
 *
 * The walk stops before the last component (walk_parents), because its meaning depends on the call:
 * walk_last() steps into it, link(2), mkdir(2), rename(2) and O_CREAT want the name itself.
 *
 * LOCKING
 *	None is held between steps; nd->path is referenced. A step in a cached file system takes
 *	dcache_lock for one hash lookup; elsewhere the directory's i_mutex over its lookup(). A
 *	concurrent rename may move directories under the walk, as on every Unix: each step was true
 *	when it was taken. ".." never leads out of nd->root.
 */

#include "fs/internal.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"

/* ---- names from user space ---- */

char *getname(const char __user *name, bool empty_ok)
{
	char *buf = kmem_cache_alloc(names_cache, GFP_KERNEL);
	ssize_t n;

	if (!buf)
		return ERR_PTR(-ENOMEM);
	n = strncpy_from_user(buf, name, PATH_MAX);
	if (n == PATH_MAX)
		n = -ENAMETOOLONG;
	else if (n == 0 && !empty_ok)
		n = -ENOENT;
	if (n < 0) {
		putname(buf);
		return ERR_PTR(n);
	}
	return buf;
}

void putname(char *name)
{
	kmem_cache_free(names_cache, name);
}

/* ---- one step ---- */

void cross_mounts(struct path *p)
{
	while (READ_ONCE(p->dentry->d_mounted)) {
		struct mount *m = lookup_mnt(p);

		if (!m)
			break;
		path_put(p);
		p->mnt = m;
		p->dentry = dget(m->root);
	}
}

static bool is_root(const struct nameidata *nd, const struct path *p)
{
	return p->mnt == nd->root.mnt && p->dentry == nd->root.dentry;
}

/* 0, or for a walk with bounds -EXDEV at them, -EAGAIN if a rename took the walk outside. */
static int follow_dotdot(struct nameidata *nd)
{
	struct path up = nd->path;
	int err = 0;

	if ((nd->flags & LOOKUP_BENEATH) && is_root(nd, &up))
		return -EXDEV;
	spin_lock(&dcache_lock);
	while (up.dentry == up.mnt->root && up.mnt->parent != up.mnt && !is_root(nd, &up)) {
		up.dentry = up.mnt->mountpoint;
		up.mnt = up.mnt->parent;
	}
	if (!is_root(nd, &up) && up.dentry != up.mnt->root)
		up.dentry = up.dentry->d_parent;
	if ((nd->flags & LOOKUP_SCOPED) && !path_is_below(&up, &nd->root))
		err = -EAGAIN;
	else
		path_get(&up);
	spin_unlock(&dcache_lock);
	if (err)
		return err;
	path_put(&nd->path);
	nd->path = up;
	cross_mounts(&nd->path);
	return 0;
}

struct dentry *lookup_one(struct dentry *dir, const char *name, size_t len)
{
	struct inode *inode = NULL;
	struct dentry *d;

	if (dir->d_sb->s_cache) {
		d = d_lookup(dir, name, len);
		if (d)
			return d;
	} else {
		inode = dir->d_inode->i_op->lookup(dir->d_inode, name, len);
		if (IS_ERR(inode)) {
			if (PTR_ERR(inode) != -ENOENT)
				return ERR_PTR(PTR_ERR(inode));
			inode = NULL;
		}
	}
	d = d_alloc(dir, name, len);
	if (!d) {
		if (inode)
			iput(inode);
		return ERR_PTR(-ENOMEM);
	}
	if (inode)
		d_instantiate(d, inode);
	return d;
}

/* A name that exists, or ERR_PTR. Does not lock where the name cache knows all. */
static struct dentry *lookup_existing(struct dentry *dir, const char *name, size_t len)
{
	struct dentry *d;

	if (dir->d_sb->s_cache) {
		d = d_lookup(dir, name, len);
		return d ? d : ERR_PTR(-ENOENT);
	}
	mutex_lock(&dir->d_inode->i_mutex);
	d = lookup_one(dir, name, len);
	mutex_unlock(&dir->d_inode->i_mutex);
	if (!IS_ERR(d) && !d->d_inode) {
		dput(d);
		return ERR_PTR(-ENOENT);
	}
	return d;
}

/* A link to an open file. 0 with nd->path (or nd->file) there, or -errno. */
static int follow_magic(struct nameidata *nd, struct inode *link, bool last)
{
	struct path to = {NULL, NULL};
	struct file *file = NULL;
	int err;

	if (nd->flags & LOOKUP_NO_MAGICLINKS)
		return -ELOOP;
	if (nd->flags & LOOKUP_SCOPED)
		return -EXDEV;
	err = link->i_op->follow_magic(link, &to, &file);
	if (err)
		return err;
	if (!file) {
		path_put(&nd->path);
		nd->path = to;
		return 0;
	}
	if (last && nd->want_file) {
		nd->file = file;
		return 0;
	}
	fput(file);
	return last ? -ENXIO : -ENOTDIR;
}

/* Makes the target of @link the text to walk. 0 or -errno. */
static int follow_text(struct nameidata *nd, struct inode *link)
{
	char *buf = kmem_cache_alloc(names_cache, GFP_KERNEL);
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	n = link->i_op->readlink(link, buf, PATH_MAX - 1);
	if (n == 0)
		n = -ENOENT;
	else if (n > 0 && *buf == '/' && (nd->flags & LOOKUP_BENEATH))
		n = -EXDEV;
	if (n < 0) {
		putname(buf);
		return (int)n;
	}
	buf[n] = '\0';
	if (*nd->cursor) {
		nd->stack[nd->depth].rest = nd->cursor;
		nd->stack[nd->depth++].buf = nd->buf;
	} else if (nd->buf) {
		putname(nd->buf);
	}
	nd->buf = buf;
	nd->cursor = buf;
	if (*buf == '/') {
		path_get(&nd->root);
		path_put(&nd->path);
		nd->path = nd->root;
	}
	return 0;
}

/* Steps into a component: 0 (nd->path is there), 1 (nd->cursor is a link's text), -errno. */
static int walk_one(struct nameidata *nd, const char *name, size_t len, enum last_type type,
		    bool last)
{
	struct path next;
	struct inode *inode;
	int err = 0;

	if (type == LAST_DOT || type == LAST_ROOT)
		return 0;
	if (type == LAST_DOTDOT)
		return follow_dotdot(nd);
	next.dentry = lookup_existing(nd->path.dentry, name, len);
	if (IS_ERR(next.dentry))
		return (int)PTR_ERR(next.dentry);
	inode = next.dentry->d_inode;
	if (S_ISLNK(inode->i_mode) && (!last || (nd->flags & LOOKUP_FOLLOW))) {
		if (++nd->links > MAXSYMLINKS || (nd->flags & LOOKUP_NO_SYMLINKS))
			err = -ELOOP;
		else if (inode->i_op->follow_magic)
			err = follow_magic(nd, inode, last);
		else
			err = follow_text(nd, inode) ?: 1;
		dput(next.dentry);
		return err;
	}
	dput(nd->path.dentry);
	nd->path.dentry = next.dentry; /* on the same mount, so far */
	cross_mounts(&nd->path);
	return 0;
}

static int step(struct nameidata *nd, const char *name, size_t len, enum last_type type, bool last)
{
	int mount = nd->path.mnt->id, err = walk_one(nd, name, len, type, last);

	if (unlikely(nd->flags & LOOKUP_NO_XDEV) && err >= 0 && nd->path.mnt->id != mount)
		return -EXDEV;
	return err;
}

/* ---- the walk ---- */

static enum last_type component_type(const char *name, size_t len)
{
	if (name[0] != '.' || len > 2)
		return LAST_NORM;
	if (len == 1)
		return LAST_DOT;
	return name[1] == '.' ? LAST_DOTDOT : LAST_NORM;
}

/* May the walk look for a name here? */
static int check_dir(const struct path *p)
{
	if (!S_ISDIR(p->dentry->d_inode->i_mode))
		return -ENOTDIR;
	return inode_permission(p->dentry->d_inode, MAY_EXEC);
}

int walk_parents(struct nameidata *nd)
{
	for (;;) {
		const char *name = nd->cursor, *end;
		enum last_type type;
		size_t len;
		int err;

		while (*name == '/')
			name++;
		if (!*name && nd->depth) {
			putname(nd->buf);
			nd->cursor = nd->stack[--nd->depth].rest;
			nd->buf = nd->stack[nd->depth].buf;
			continue;
		}
		nd->cursor = name;
		if (!*name) { /* nothing but slashes: the root */
			nd->last_type = LAST_ROOT;
			nd->last = name;
			nd->last_len = 0;
			nd->trailing = false;
			return 0;
		}
		err = check_dir(&nd->path);
		if (err)
			return err;
		for (end = name; *end && *end != '/'; end++)
			;
		len = (size_t)(end - name);
		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		type = component_type(name, len);
		for (nd->cursor = end; *nd->cursor == '/'; nd->cursor++)
			;
		if (!*nd->cursor && !nd->depth) {
			nd->last = name;
			nd->last_len = len;
			nd->last_type = type;
			nd->trailing = *end == '/';
			return 0;
		}
		err = step(nd, name, len, type, false);
		if (err < 0)
			return err;
	}
}

int walk_last(struct nameidata *nd)
{
	/* "link/" means the directory it leads to. */
	if (nd->trailing)
		nd->flags |= LOOKUP_FOLLOW | LOOKUP_DIRECTORY;
	return step(nd, nd->last, nd->last_len, nd->last_type, true);
}

static int start_at(struct nameidata *nd, int dfd, const char *name, unsigned flags)
{
	struct fd f;

	nd->flags = flags;
	nd->cursor = name;
	nd->buf = NULL;
	nd->depth = nd->links = 0;
	nd->want_file = false;
	nd->file = NULL;
	fs_get_root(&nd->root);
	if (*name == '/' && !(flags & LOOKUP_SCOPED)) {
		nd->path = nd->root;
		path_get(&nd->path);
		return 0;
	}
	if (dfd == AT_FDCWD) {
		fs_get_pwd(&nd->path);
		return 0;
	}
	f = fdget_path((unsigned)dfd);
	if (f.file && f.file->f_dentry && (S_ISDIR(f.file->f_inode->i_mode) || !*name)) {
		nd->path = (struct path){f.file->f_mnt, f.file->f_dentry};
		path_get(&nd->path);
		fdput(f);
		return 0;
	}
	path_put(&nd->root);
	fdput(f);
	return f.file ? -ENOTDIR : -EBADF;
}

int path_start(struct nameidata *nd, int dfd, const char *name, unsigned flags)
{
	int err;

	if ((flags & LOOKUP_BENEATH) && *name == '/')
		return -EXDEV;
	err = start_at(nd, dfd, name, flags);
	if (!err && (flags & LOOKUP_SCOPED)) {
		path_put(&nd->root);
		nd->root = nd->path;
		path_get(&nd->root);
	}
	return err;
}

void path_end(struct nameidata *nd)
{
	if (nd->buf)
		putname(nd->buf);
	while (nd->depth) {
		char *buf = nd->stack[--nd->depth].buf;

		if (buf)
			putname(buf);
	}
	path_put(&nd->path);
	path_put(&nd->root);
}

int path_parentat(struct nameidata *nd, int dfd, const char *name)
{
	int err = path_start(nd, dfd, name, 0);

	if (err)
		return err;
	err = walk_parents(nd);
	if (err)
		path_end(nd);
	return err;
}

int path_lookupat(int dfd, const char *name, unsigned flags, struct path *out, struct file **file)
{
	struct nameidata nd;
	int err = path_start(&nd, dfd, name, flags);

	if (err)
		return err;
	nd.want_file = file != NULL;
	do {
		err = walk_parents(&nd);
		if (!err)
			err = walk_last(&nd);
	} while (err > 0);
	if (!err && (nd.flags & LOOKUP_DIRECTORY) &&
	    (nd.file || !S_ISDIR(nd.path.dentry->d_inode->i_mode)))
		err = -ENOTDIR;
	if (file)
		*file = err ? NULL : nd.file;
	if (err && nd.file)
		fput(nd.file);
	if (!err && !nd.file) {
		*out = nd.path;
		path_get(out);
	}
	path_end(&nd);
	return err;
}

int user_path_at(int dfd, const char __user *uname, unsigned flags, struct path *out)
{
	char *name = getname(uname, flags & LOOKUP_EMPTY);
	int err;

	if (IS_ERR(name))
		return (int)PTR_ERR(name);
	err = path_lookupat(dfd, name, flags, out, NULL);
	putname(name);
	return err;
}

int kern_path(const char *name, unsigned flags, struct path *out)
{
	return path_lookupat(AT_FDCWD, name, flags, out, NULL);
}

/* May a name be made in @dir (i_mutex held)? */
int may_create(struct dentry *dir, struct dentry *d)
{
	if (d->d_inode)
		return -EEXIST;
	if (!dir->d_inode->i_nlink)
		return -ENOENT; /* removed while we came here */
	return inode_permission(dir->d_inode, MAY_WRITE | MAY_EXEC);
}
