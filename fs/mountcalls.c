/*
 * mount(2), umount2(2), pivot_root(2). The first does many things, told apart by its flags, in this order:
 *
 *	MS_REMOUNT            other flags for what is mounted there
 *	MS_BIND               a tree, or a file, that is seen at one place is seen at another too; with
 *	                      MS_REC all that is mounted in it, too
 *	MS_SHARED ... SLAVE   would tie mounts of several name spaces together; there is one, so all
 *	                      are private and a wish for that is granted
 *	MS_MOVE               a mount goes to another place with all that is mounted on it
 *	none of these         a file system is mounted
 *
 * A mount's flags are its own: a tree may be read-only at one place and writable at another.
 * MS_RDONLY is asked for by everything that changes what lies there (EROFS), NODEV and NOEXEC when a
 * file is opened, executed, mapped. NOSUID when it is executed.
 */

#include "fs/proc.h"
#include "kernel/cpu/syscall.h"
#include "kernel/lib/seq.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"

#define MS_REMOUNT     0x20u
#define MS_BIND        0x1000u
#define MS_MOVE        0x2000u
#define MS_REC         0x4000u
#define MS_PROPAGATION 0x160000u /* UNBINDABLE, PRIVATE, SLAVE */
#define MS_SHARED      0x100000u
#define MS_MGC_VAL     0xc0ed0000u
#define MS_MGC_MSK     0xffff0000u

#define MNT_FORCE       1
#define MNT_DETACH      2
#define UMOUNT_NOFOLLOW 8

/* Where to mount, or what to unmount: on top of all that is mounted there, also where a walk does not
 * step on it: "." . */
static int top_path(const char *path, unsigned lookup, struct path *p)
{
	int err = kern_path(path, lookup, p);

	if (!err)
		cross_mounts(p);
	return err;
}

int do_mount(const char *type_name, const char *source, const char *path, const char *options,
	     u32 flags)
{
	struct file_system_type *type = find_type(type_name);
	struct mount *m;
	struct path at;
	int err;

	if (!type)
		return -ENODEV;
	err = top_path(path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &at);
	if (err)
		return err;
	m = new_mount(type, source, options, flags);
	if (IS_ERR(m)) {
		path_put(&at);
		return (int)PTR_ERR(m);
	}
	return mount_attach(m, &at, NULL);
}

/* The mount whose root @path names. 0 or -EINVAL, -errno of the walk; *p is referenced. */
static int find_mount(const char *path, unsigned lookup, struct path *p)
{
	int err = top_path(path, lookup, p);

	if (!err && p->dentry != p->mnt->root) {
		path_put(p);
		err = -EINVAL;
	}
	return err;
}

static int do_remount(const char *path, u32 flags)
{
	struct path p;
	int err = find_mount(path, LOOKUP_FOLLOW, &p);

	if (err)
		return err;
	err = mnt_set_flags(p.mnt, flags);
	path_put(&p);
	return err;
}

static int do_bind(const char *source, const char *path, bool whole_tree)
{
	struct path from, at;
	struct mount *m;
	int err = kern_path(source, LOOKUP_FOLLOW, &from);

	if (err)
		return err;
	err = top_path(path, LOOKUP_FOLLOW, &at);
	if (err)
		goto out;
	m = clone_mount(&from);
	if (IS_ERR(m)) {
		err = (int)PTR_ERR(m);
		path_put(&at);
	} else {
		err = mount_attach(m, &at, whole_tree ? &from : NULL);
	}
out:
	path_put(&from);
	return err;
}

static int do_move(const char *source, const char *path)
{
	struct path from, to;
	int err = find_mount(source, LOOKUP_FOLLOW, &from);

	if (err)
		return err;
	err = top_path(path, LOOKUP_FOLLOW, &to);
	if (!err)
		err = mount_move(from.mnt, &to);
	path_put(&from);
	return err;
}

/* ---- system calls ---- */

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

static int mount_by_flags(const char *type, const char *source, const char *path,
			  const char *options, u32 flags)
{
	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~MS_MGC_MSK;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (flags & MS_REMOUNT)
		return do_remount(path, flags & MNT_FLAGS);
	if (flags & MS_BIND)
		return do_bind(source, path, flags & MS_REC);
	if (flags & (MS_PROPAGATION | MS_SHARED))
		return flags & MS_SHARED ? -EINVAL : 0;
	if (flags & MS_MOVE)
		return do_move(source, path);
	return do_mount(type, *source ? source : type, path, options, flags & MNT_FLAGS);
}

SYSCALL_DEFINE5(mount, const char __user *, usource, const char __user *, utarget,
		const char __user *, utype, u64, flags, const char __user *, udata)
{
	char type[32], options[128], *source, *target;
	int err;

	err = copy_word(type, utype, sizeof(type));
	if (!err)
		err = copy_word(options, udata, sizeof(options));
	if (err)
		return err;
	source = usource ? getname(usource, true) : kmem_cache_alloc(names_cache, GFP_KERNEL);
	if (IS_ERR(source) || !source)
		return source ? PTR_ERR(source) : -ENOMEM;
	if (!usource)
		*source = '\0';
	target = getname(utarget, false);
	err = IS_ERR(target) ? (int)PTR_ERR(target)
			     : mount_by_flags(type, source, target, options, (u32)flags);
	if (!IS_ERR(target))
		putname(target);
	putname(source);
	return err;
}

/* Takes over the references of @p. */
static int umount_path(struct path *p, bool lazy)
{
	struct mount *m = p->mnt;
	int err;

	mntget(m);
	path_put(p);
	err = mount_detach(m, lazy);
	mntput(m);
	return err;
}

int do_umount(const char *name)
{
	struct path p;
	int err = find_mount(name, LOOKUP_FOLLOW, &p);

	return err ? err : umount_path(&p, false);
}

SYSCALL_DEFINE2(umount2, const char __user *, uname, int, flags)
{
	struct path p;
	char *name;
	int err;

	if (flags & ~(MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW))
		return -EINVAL;
	name = getname(uname, false);
	if (IS_ERR(name))
		return PTR_ERR(name);
	err = find_mount(name, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &p);
	putname(name);
	if (err)
		return err;
	if (!capable(CAP_SYS_ADMIN)) {
		path_put(&p);
		return -EPERM;
	}
	return umount_path(&p, flags & MNT_DETACH);
}

/* Whose root or working directory was the old root gets the new one. */
static void move_roots(const struct path *from, const struct path *to)
{
	pid_t pids[64], next = 1;
	size_t n;

	task_move_root(current, from, to);
	do {
		n = next_pids(next, NULL, pids, ARRAY_SIZE(pids));
		for (size_t i = 0; i < n; i++) {
			struct task *t = find_get_task(pids[i]);

			next = pids[i] + 1;
			if (!t)
				continue;
			task_move_root(t, from, to);
			task_put(t);
		}
	} while (n == ARRAY_SIZE(pids));
}

SYSCALL_DEFINE2(pivot_root, const char __user *, unew, const char __user *, uold)
{
	struct path new, old, root;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = user_path_at(AT_FDCWD, unew, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &new);
	if (err)
		return err;
	err = user_path_at(AT_FDCWD, uold, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &old);
	if (!err) {
		fs_get_root(&root);
		err = mount_pivot(&new, &old, &root);
		if (!err)
			move_roots(&root, &new);
		path_put(&root);
		path_put(&old);
	}
	path_put(&new);
	return err;
}

/* ---- /proc/mounts, /proc/self/mountinfo ---- */

static void put_escaped(struct seq *s, const char *text)
{
	for (; *text; text++) {
		if (strchr(" \t\n\\", *text))
			seq_printf(s, "\\%03o", *text);
		else
			seq_write(s, text, 1);
	}
}

static void put_flags(struct seq *s, u32 flags)
{
	seq_printf(s, "%s%s%s%s%s", flags & MS_RDONLY ? "ro" : "rw",
		   flags & MS_NOSUID ? ",nosuid" : "", flags & MS_NODEV ? ",nodev" : "",
		   flags & MS_NOEXEC ? ",noexec" : "",
		   flags & MS_NOATIME ? ",noatime" : ",relatime");
}

/* The text of a path into the line: where the mount is seen, or what of its file system it shows. */
static void put_path(struct seq *s, const struct path *p, const struct path *root)
{
	char *buf = kmem_cache_alloc(names_cache, GFP_KERNEL);

	if (!buf) {
		s->err = -ENOMEM;
		return;
	}
	if (path_text(p, root, buf, PATH_MAX, false) > 0)
		put_escaped(s, buf);
	putname(buf);
}

static void put_mountpoint(struct seq *s, struct mount *m)
{
	struct path root;

	fs_get_root(&root);
	put_path(s, &(struct path){m, m->root}, &root);
	path_put(&root);
}

static void show_mount(struct mount *m, void *arg)
{
	struct seq *s = arg;

	put_escaped(s, m->source);
	seq_printf(s, " ");
	put_mountpoint(s, m);
	seq_printf(s, " %s ", m->sb->s_type->name);
	put_flags(s, READ_ONCE(m->flags));
	if (m->sb->s_op->show_options)
		m->sb->s_op->show_options(m->sb, s);
	seq_printf(s, " 0 0\n");
}

void show_mounts(struct seq *s)
{
	for_each_mount(show_mount, s);
}

/* proc(5): id, parent, device, what it shows, where, flags - type, source, flags of all of it. */
static void show_info(struct mount *m, void *arg)
{
	struct mount whole = {.root = m->sb->s_root, .parent = &whole};
	const struct path nowhere = {NULL, NULL};
	struct seq *s = arg;

	seq_printf(s, "%d %d %lu:%lu ", m->id, READ_ONCE(m->parent)->id, m->sb->s_dev >> 8 & 0xfff,
		   (m->sb->s_dev & 0xff) | (m->sb->s_dev >> 12 & 0xfff00));
	put_path(s, &(struct path){&whole, m->root}, &nowhere);
	seq_printf(s, " ");
	put_mountpoint(s, m);
	seq_printf(s, " ");
	put_flags(s, READ_ONCE(m->flags));
	seq_printf(s, " - %s ", m->sb->s_type->name);
	put_escaped(s, m->source);
	seq_printf(s, " rw");
	if (m->sb->s_op->show_options)
		m->sb->s_op->show_options(m->sb, s);
	seq_printf(s, "\n");
}

void show_mountinfo(struct seq *s)
{
	for_each_mount(show_info, s);
}
