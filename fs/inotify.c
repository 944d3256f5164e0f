/*
 * inotify(7): a file that tells what happens to other files. A watch joins an inode to an inotify
 * file; the file system calls report through the hooks of notify.h, and what a watch asked for
 * becomes an event on its file's queue.
 *
 *	inode                    watch                     inotify file
 *	i_watches ──▶ next ──▶ ┐ wd, mask  ◀── watches ──  struct inotify
 *	                       └▶ ...                      events: [ ][ ][ ] ──▶ read()
 *
 * A file is watched in two ways: by itself, or by its directory, which gets the name as well. Most
 * events go to both. The end of an inode (iput: the last name and the last open file are gone, or
 * it is unmounted) ends its watches, and so a watch needs no reference to its inode.
 *
 * An event that equals the newest one in the queue is dropped: a program that writes byte by byte
 * is one IN_MODIFY. A queue that is full gets one IN_Q_OVERFLOW, for which there is always memory.
 *
 * LOCKING
 *	notify_mutex [N]  all watches and queues. Taken under i_mutex and wherever fput() and iput()
 *	                  run; memory is allocated, but user memory never touched under it.
 *	nr_watches        changes under [N]; the hooks read it without. Who has just been given a
 *	                  watch sees all that happens after that.
 */

#include "fs/notify.h"
#include "fs/internal.h"
#include "kernel/cpu/syscall.h"
#include "kernel/exec/process.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/lib/sysctl.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/wait.h"

#define FIONREAD 0x541bu
#define IN_FLAGS \
	(IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR | \
	 IN_ONESHOT)
#define IN_KEPT (IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT) /* what a watch remembers */

struct event {
	struct list_head link;   /* [N] */
	struct inotify_event ev; /* [I] */
};

struct inotify {
	struct wait_queue_head wq;
	struct list_head events;  /* [N] struct event, oldest first */
	int nr_events;            /* [N] */
	struct list_head watches; /* [N] newest first */
	int last_wd;              /* [N] numbers are not used again */
	struct user_count *user;  /* [I] */
	struct event overflow;    /* [N] in the queue, or not linked */
};

struct watch {
	struct list_head link; /* [N] inotify->watches */
	struct watch *next;    /* [N] of the same inode */
	struct inode *inode;   /* [I] */
	struct inotify *in;    /* [I] */
	int wd;                /* [I] */
	u32 mask;              /* [N] */
};

int nr_watches; /* [N] to change */
static DEFINE_MUTEX(notify_mutex);
static struct kmem_cache *watch_cache;
static u32 last_cookie; /* [N] */
static int max_instances = 128, max_watches = 65536, max_events = 16384;
static const struct file_operations inotify_fops;

SYSCTL(inotify_instances, "sys/fs/inotify/max_user_instances", max_instances, 0, INT32_MAX);
SYSCTL(inotify_watches, "sys/fs/inotify/max_user_watches", max_watches, 0, INT32_MAX);
SYSCTL(inotify_events, "sys/fs/inotify/max_queued_events", max_events, 0, INT32_MAX);

/* ---- the queue; [N] held ---- */

static void add_event(struct inotify *in, struct event *e)
{
	list_add_tail(&e->link, &in->events);
	in->nr_events++;
	wake_up(&in->wq);
}

static bool same_event(const struct event *a, const struct inotify_event *b, const char *name,
		       size_t len)
{
	return a->ev.wd == b->wd && a->ev.mask == b->mask && a->ev.len == b->len &&
	       !(b->mask & IN_IGNORED) &&
	       (!len || (!memcmp(a->ev.name, name, len) && !a->ev.name[len]));
}

/* @name NULL and @len 0: none. */
static void queue_event(struct inotify *in, int wd, u32 mask, u32 cookie, const char *name,
			size_t len)
{
	const struct inotify_event head = {
		.wd = wd,
		.mask = mask,
		.cookie = cookie,
		.len = len ? (u32)ALIGN_UP(len + 1, sizeof(head)) : 0,
	};
	struct event *e = NULL;

	if (in->nr_events < READ_ONCE(max_events)) {
		if (in->nr_events &&
		    same_event(list_last_entry(&in->events, struct event, link), &head, name, len))
			return;
		e = kzalloc(sizeof(*e) + head.len, GFP_KERNEL);
	}
	if (e) {
		e->ev = head;
		memcpy(e->ev.name, name, len);
		add_event(in, e);
	} else if (list_empty(&in->overflow.link)) {
		add_event(in, &in->overflow);
	}
}

static void unlink_event(struct inotify *in, struct event *e)
{
	list_del_init(&e->link);
	in->nr_events--;
}

static void free_event(struct inotify *in, struct event *e)
{
	if (e != &in->overflow)
		kfree(e);
}

/* ---- watches; [N] held ---- */

static void remove_watch(struct watch *w)
{
	struct watch **p = &w->inode->i_watches;

	while (*p != w)
		p = &(*p)->next;
	/* The last touch of the inode: an iput() that finds no watch frees it at once. */
	WRITE_ONCE(*p, w->next);
	list_del(&w->link);
	queue_event(w->in, w->wd, IN_IGNORED, 0, NULL, 0);
	atomic_dec(&w->in->user->watches);
	WRITE_ONCE(nr_watches, nr_watches - 1);
	kmem_cache_free(watch_cache, w);
}

static void tell(struct inode *inode, u32 mask, u32 cookie, const char *name, size_t len,
		 bool unlinked)
{
	struct watch *w, *next;

	/* Programs that are older than this bit do not expect it here. */
	if (mask & (IN_DELETE_SELF | IN_MOVE_SELF))
		mask &= ~IN_ISDIR;
	for (w = inode->i_watches; w; w = next) {
		next = w->next;
		if (!(w->mask & mask) || (unlinked && (w->mask & IN_EXCL_UNLINK)))
			continue;
		queue_event(w->in, w->wd, mask, cookie, name, len);
		if (w->mask & IN_ONESHOT)
			remove_watch(w);
	}
}

/* ---- the hooks ---- */

static u32 kind(const struct inode *inode)
{
	return S_ISDIR(inode->i_mode) ? IN_ISDIR : 0;
}

void __notify_inode(struct inode *inode, u32 mask)
{
	if (!READ_ONCE(inode->i_watches))
		return;
	mutex_lock(&notify_mutex);
	tell(inode, mask | kind(inode), 0, NULL, 0, false);
	mutex_unlock(&notify_mutex);
}

void __notify_name(struct inode *dir, u32 mask, u32 cookie, const char *name, size_t len)
{
	if (!READ_ONCE(dir->i_watches))
		return;
	mutex_lock(&notify_mutex);
	tell(dir, mask, cookie, name, len, false);
	mutex_unlock(&notify_mutex);
}

void __notify_dentry(struct dentry *d, u32 mask)
{
	struct dentry *parent = NULL;
	char name[NAME_MAX + 1];
	size_t len = 0;
	bool unlinked;

	mask |= kind(d->d_inode);
	spin_lock(&dcache_lock);
	unlinked = d->d_unlinked;
	if (d->d_parent != d && READ_ONCE(d->d_parent->d_inode->i_watches)) {
		parent = dget(d->d_parent);
		len = d->d_len;
		memcpy(name, d->d_name, len + 1);
	}
	spin_unlock(&dcache_lock);
	if (!parent && !READ_ONCE(d->d_inode->i_watches))
		return;
	mutex_lock(&notify_mutex);
	if (parent)
		tell(parent->d_inode, mask, 0, name, len, unlinked);
	tell(d->d_inode, mask, 0, NULL, 0, false);
	mutex_unlock(&notify_mutex);
	dput(parent);
}

void __notify_rename(struct inode *odir, const char *oname, size_t olen, struct inode *ndir,
		     const char *nname, size_t nlen, struct inode *moved, struct inode *replaced)
{
	u32 isdir = kind(moved);

	mutex_lock(&notify_mutex);
	last_cookie++;
	tell(odir, IN_MOVED_FROM | isdir, last_cookie, oname, olen, false);
	tell(ndir, IN_MOVED_TO | isdir, last_cookie, nname, nlen, false);
	if (replaced)
		tell(replaced, IN_ATTRIB | kind(replaced), 0, NULL, 0, false);
	tell(moved, IN_MOVE_SELF, 0, NULL, 0, false);
	mutex_unlock(&notify_mutex);
}

void notify_gone(struct inode *inode, u32 mask)
{
	mutex_lock(&notify_mutex);
	tell(inode, mask, 0, NULL, 0, false);
	while (inode->i_watches)
		remove_watch(inode->i_watches);
	mutex_unlock(&notify_mutex);
}

/* ---- the file ---- */

/* The oldest event, if it fits into @room bytes: else ERR_PTR(-EINVAL). NULL: there is none. */
static struct event *take_event(struct inotify *in, size_t room)
{
	struct event *e;

	mutex_lock(&notify_mutex);
	e = list_first_entry_or_null(&in->events, struct event, link);
	if (e && sizeof(e->ev) + e->ev.len > room)
		e = ERR_PTR(-EINVAL);
	else if (e)
		unlink_event(in, e);
	mutex_unlock(&notify_mutex);
	return e;
}

static ssize_t inotify_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct inotify *in = file->private_data;
	ssize_t done = 0;

	for (;;) {
		struct event *e = take_event(in, to->count);
		size_t size, copied;

		if (IS_ERR(e))
			return done ? done : PTR_ERR(e);
		if (!e && (done || (file->f_flags & O_NONBLOCK)))
			return done ? done : -EAGAIN;
		if (!e) {
			if (wait_event_interruptible(&in->wq, !list_empty(&in->events)))
				return -ERESTARTSYS;
			continue;
		}
		size = sizeof(e->ev) + e->ev.len;
		copied = copy_to_iter(&e->ev, size, to);
		free_event(in, e);
		if (copied < size)
			return -EFAULT;
		done += (ssize_t)size;
	}
}

static __poll_t inotify_poll(struct file *file, struct poll_table *pt)
{
	struct inotify *in = file->private_data;

	poll_wait(file, &in->wq, pt);
	return list_empty(&in->events) ? 0 : EPOLLIN | EPOLLRDNORM;
}

static long inotify_ioctl(struct file *file, unsigned cmd, u64 arg)
{
	struct inotify *in = file->private_data;
	const struct event *e;
	int bytes = 0;

	if (cmd != FIONREAD)
		return -ENOTTY;
	mutex_lock(&notify_mutex);
	list_for_each_entry(e, &in->events, link)
		bytes += (int)(sizeof(e->ev) + e->ev.len);
	mutex_unlock(&notify_mutex);
	return put_user(bytes, (int __user *)arg);
}

static void inotify_release(struct file *file)
{
	struct inotify *in = file->private_data;

	mutex_lock(&notify_mutex);
	while (!list_empty(&in->watches))
		remove_watch(list_first_entry(&in->watches, struct watch, link));
	while (!list_empty(&in->events)) {
		struct event *e = list_first_entry(&in->events, struct event, link);

		unlink_event(in, e);
		free_event(in, e);
	}
	mutex_unlock(&notify_mutex);
	atomic_dec(&in->user->inotifies);
	kfree(in);
}

static int inotify_show_name(struct file *file, char *buf, size_t size)
{
	return scnprintf(buf, size, "anon_inode:inotify");
}

static void inotify_show_fdinfo(struct seq *s, struct file *file)
{
	struct inotify *in = file->private_data;
	const struct watch *w;

	mutex_lock(&notify_mutex);
	list_for_each_entry(w, &in->watches, link)
		seq_printf(s, "inotify wd:%x ino:%lx sdev:%lx mask:%x ignored_mask:0\n", w->wd,
			   w->inode->i_ino, w->inode->i_sb->s_dev, w->mask);
	mutex_unlock(&notify_mutex);
}

static const struct file_operations inotify_fops = {
	.read = inotify_read,
	.poll = inotify_poll,
	.llseek = noop_llseek,
	.async = EPOLLIN,
	.ioctl = inotify_ioctl,
	.release = inotify_release,
	.show_name = inotify_show_name,
	.show_fdinfo = inotify_show_fdinfo,
};

/* ---- system calls ---- */

static struct inotify *inotify_alloc(void)
{
	struct inotify *in = kzalloc(sizeof(*in), GFP_KERNEL);

	if (!in)
		return NULL;
	init_waitqueue_head(&in->wq);
	INIT_LIST_HEAD(&in->events);
	INIT_LIST_HEAD(&in->watches);
	INIT_LIST_HEAD(&in->overflow.link);
	in->overflow.ev = (struct inotify_event){.wd = -1, .mask = IN_Q_OVERFLOW};
	in->user = user_count(current->signal->euid);
	return in;
}

static long do_inotify_init(int flags)
{
	struct inotify *in;
	struct file *file;

	if (flags & ~(IN_CLOEXEC | IN_NONBLOCK))
		return -EINVAL;
	in = inotify_alloc();
	if (!in)
		return -ENOMEM;
	if (atomic_inc_return(&in->user->inotifies) > READ_ONCE(max_instances))
		file = ERR_PTR(-EMFILE);
	else
		file = anon_file(&inotify_fops, in, O_RDONLY | (flags & IN_NONBLOCK));
	if (IS_ERR(file)) {
		atomic_dec(&in->user->inotifies);
		kfree(in);
	}
	return fd_install_new(file, flags & IN_CLOEXEC ? O_CLOEXEC : 0);
}

SYSCALL_DEFINE1(inotify_init1, int, flags)
{
	return do_inotify_init(flags);
}

SYSCALL_DEFINE0(inotify_init)
{
	return do_inotify_init(0);
}

/* [N] held. */
static long new_watch(struct inotify *in, struct inode *inode, u32 mask)
{
	struct watch *w = kmem_cache_alloc(watch_cache, GFP_KERNEL);

	if (!w)
		return -ENOMEM;
	if (in->last_wd == INT32_MAX ||
	    atomic_inc_return(&in->user->watches) > READ_ONCE(max_watches)) {
		if (in->last_wd != INT32_MAX)
			atomic_dec(&in->user->watches);
		kmem_cache_free(watch_cache, w);
		return -ENOSPC;
	}
	*w = (struct watch){.inode = inode, .in = in, .wd = ++in->last_wd, .mask = mask};
	w->next = inode->i_watches;
	list_add(&w->link, &in->watches);
	WRITE_ONCE(inode->i_watches, w);
	WRITE_ONCE(nr_watches, nr_watches + 1);
	return w->wd;
}

/* The number of @in's watch on @inode, made or changed. */
static long set_watch(struct inotify *in, struct inode *inode, u32 flags)
{
	u32 mask = (flags & IN_KEPT) | IN_UNMOUNT;
	struct watch *w;
	long ret;

	mutex_lock(&notify_mutex);
	for (w = inode->i_watches; w && w->in != in; w = w->next)
		;
	if (!w) {
		ret = new_watch(in, inode, mask);
	} else if (flags & IN_MASK_CREATE) {
		ret = -EEXIST;
	} else {
		w->mask = flags & IN_MASK_ADD ? w->mask | mask : mask;
		ret = w->wd;
	}
	mutex_unlock(&notify_mutex);
	return ret;
}

static long watch_path(struct inotify *in, const char __user *name, u32 flags)
{
	unsigned lookup = (flags & IN_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW) |
			  (flags & IN_ONLYDIR ? LOOKUP_DIRECTORY : 0);
	struct inode *inode;
	struct path p;
	long ret = user_path_at(AT_FDCWD, name, lookup, &p);

	if (ret)
		return ret;
	inode = p.dentry->d_inode;
	ret = inode_permission(inode, MAY_READ);
	/* Elsewhere inodes come and go with each look at them, and nothing would be reported. */
	if (!ret && !inode->i_sb->s_cache)
		ret = -EOPNOTSUPP;
	if (!ret)
		ret = set_watch(in, inode, flags);
	path_put(&p);
	return ret;
}

SYSCALL_DEFINE3(inotify_add_watch, unsigned, fd, const char __user *, name, u32, mask)
{
	struct fd f;
	long ret = -EINVAL;

	if (!(mask & (IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_FLAGS)))
		return -EINVAL;
	f = fdget(fd);
	if (!f.file)
		return -EBADF;
	if (f.file->f_op == &inotify_fops && !((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE)))
		ret = watch_path(f.file->private_data, name, mask);
	fdput(f);
	return ret;
}

static long forget_watch(struct inotify *in, int wd)
{
	struct watch *w;
	long ret = -EINVAL;

	mutex_lock(&notify_mutex);
	list_for_each_entry(w, &in->watches, link) {
		if (w->wd != wd)
			continue;
		remove_watch(w);
		ret = 0;
		break;
	}
	mutex_unlock(&notify_mutex);
	return ret;
}

SYSCALL_DEFINE2(inotify_rm_watch, unsigned, fd, int, wd)
{
	struct fd f = fdget(fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = f.file->f_op == &inotify_fops ? forget_watch(f.file->private_data, wd) : -EINVAL;
	fdput(f);
	return ret;
}

static int __init inotify_init(void)
{
	watch_cache = kmem_cache_create("inotify_watch", sizeof(struct watch), 0);
	return 0;
}
core_initcall(inotify_init);
