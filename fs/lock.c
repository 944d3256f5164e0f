/*
 * File locks. They are advisory: they hold up nobody but those who ask for one.
 *
 *	            belongs to          covers    gone when
 *	POSIX       the process         a range   it closes any descriptor of the file, or exits
 *	OFD         the open file       a range   the last descriptor of that open file is closed
 *	flock(2)    the open file       all       the same
 *
 * The first two are of one world and stand in each other's way; flock is a world of its own. So an
 * inode has two lists. What a lock belongs to is an address: the descriptor table stands for the
 * process (a fork has another, threads have the same one), the struct file for the open file.
 *
 * An owner's locks on a file are disjoint, and neighbours of one type are one lock: taking a
 * range cuts, splits or swallows what the owner had there (set_range).
 *
 *	read  0 ........ 9        write 3..5      gives     read 0..2, write 3..5, read 6..9
 *
 * Who has to wait notes which lock is in his way. Whatever changes or removes that lock wakes
 * him, and he looks again from the start. For POSIX locks the notes are also the graph in which
 * a circle is looked for before anybody sleeps (EDEADLK).
 *
 * LOCKING
 *	locks_mutex [L]  all lists, all waiters. Held for a walk of one inode's locks; wake-ups are
 *	                 made under it. Innermost of the mutexes: fput() takes it wherever it runs.
 *	inode->i_locks   set once, under [L]; read without it to see that there is nothing to do.
 */

#include "fs/lock.h"
#include "fs/internal.h"
#include "kernel/cpu/syscall.h"
#include "kernel/lib/init.h"
#include "kernel/lib/seq.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/wait.h"

#define LOCK_SH 1
#define LOCK_EX 2
#define LOCK_NB 4
#define LOCK_UN 8

#define MAX_CIRCLE 10 /* longer circles of waiters are not found */

/* inode->i_locks */
struct inode_locks {
	struct list_head ranges, flocks; /* [L] struct file_lock */
	struct list_head all;            /* [L] locked_inodes */
	const struct inode *inode;       /* [I] */
};

struct lock_waiter {
	struct list_head link;           /* [L] */
	const void *owner;               /* [I] */
	const struct file_lock *blocker; /* [L] NULL: look again */
	bool check;                      /* [I] part of the graph */
	struct wait_queue_head wq;
};

static DEFINE_MUTEX(locks_mutex);
static LIST_HEAD(waiters);       /* [L] */
static LIST_HEAD(locked_inodes); /* [L] whoever had a lock once */
static struct kmem_cache *lock_cache;

/* ---- lists of locks; [L] held ---- */

/* Those who waited for @l look again. */
static void wake_blocked(const struct file_lock *l)
{
	struct lock_waiter *w;

	list_for_each_entry(w, &waiters, link) {
		if (w->blocker != l)
			continue;
		WRITE_ONCE(w->blocker, NULL);
		wake_up(&w->wq);
	}
}

static void remove_lock(struct file_lock *l)
{
	wake_blocked(l);
	list_del(&l->link);
	kmem_cache_free(lock_cache, l);
}

static struct file_lock *find_conflict(struct list_head *list, const struct file_lock *want)
{
	struct file_lock *l;

	if (want->type == F_UNLCK)
		return NULL;
	list_for_each_entry(l, list, link)
		if (l->owner != want->owner && l->start <= want->end && l->end >= want->start &&
		    (l->type == F_WRLCK || want->type == F_WRLCK))
			return l;
	return NULL;
}

/* Takes @want's range out of @l, which overlaps it. Uses up *spare if that leaves two pieces. */
static void cut(struct file_lock *l, const struct file_lock *want, struct file_lock **spare)
{
	struct file_lock *tail;

	if (l->start >= want->start && l->end <= want->end) {
		remove_lock(l);
		return;
	}
	wake_blocked(l);
	if (l->start < want->start && l->end > want->end) {
		tail = *spare;
		*spare = NULL;
		*tail = *l;
		tail->start = want->end + 1;
		list_add(&tail->link, &l->link);
	}
	if (l->start < want->start)
		l->end = want->start - 1;
	else
		l->start = want->end + 1;
}

/* Makes the owner's locks what they are to be, nobody else's being in the way. */
static void set_range(struct list_head *list, const struct file_lock *want,
		      struct file_lock *spare[2])
{
	loff_t start = want->start, end = want->end;
	struct file_lock *l, *next;

	list_for_each_entry_safe(l, next, list, link) {
		if (l->owner != want->owner)
			continue;
		if (l->type != want->type) {
			if (l->start <= want->end && l->end >= want->start)
				cut(l, want, &spare[1]);
		} else if (l->start - 1 <= want->end && l->end >= want->start - 1) {
			start = min(start, l->start);
			end = max(end, l->end);
			remove_lock(l);
		}
	}
	if (want->type == F_UNLCK)
		return;
	l = spare[0];
	spare[0] = NULL;
	*l = *want;
	l->start = start;
	l->end = end;
	list_add_tail(&l->link, list);
}

/* ---- waiting; [L] held ---- */

/* Would it wait for somebody who waits, perhaps over others, for it? */
static bool is_circle(const struct lock_waiter *me)
{
	const void *owner = me->blocker->owner;
	struct lock_waiter *w;

	for (int hops = 0; hops < MAX_CIRCLE; hops++) {
		const void *next = NULL;

		if (owner == me->owner)
			return true;
		list_for_each_entry(w, &waiters, link)
			if (w->check && w->owner == owner && w->blocker)
				next = w->blocker->owner;
		if (!next)
			return false;
		owner = next;
	}
	return false;
}

/* Drops [L] and takes it again. 0: look again, -EDEADLK, -ERESTARTSYS. */
static long wait_for(const struct file_lock *blocker, const void *owner, bool check)
{
	struct lock_waiter w = {.owner = owner, .blocker = blocker, .check = check};
	long err;

	if (check && is_circle(&w))
		return -EDEADLK;
	init_waitqueue_head(&w.wq);
	list_add_tail(&w.link, &waiters);
	mutex_unlock(&locks_mutex);
	err = wait_event_interruptible(&w.wq, !READ_ONCE(w.blocker));
	mutex_lock(&locks_mutex); /* also: nobody is still about to wake w.wq */
	list_del(&w.link);
	return err;
}

/* ---- taking and giving back ---- */

/* The lists of an inode, made for the first lock; NULL without memory. */
static struct inode_locks *get_locks(struct inode *inode)
{
	struct inode_locks *il = READ_ONCE(inode->i_locks), *new;

	if (il)
		return il;
	new = kmalloc(sizeof(*new), GFP_KERNEL);
	if (!new)
		return NULL;
	INIT_LIST_HEAD(&new->ranges);
	INIT_LIST_HEAD(&new->flocks);
	mutex_lock(&locks_mutex);
	il = inode->i_locks;
	if (!il) {
		il = inode->i_locks = new;
		il->inode = inode;
		list_add_tail(&il->all, &locked_inodes);
	}
	mutex_unlock(&locks_mutex);
	if (il != new)
		kfree(new);
	return il;
}

void locks_free(struct inode *inode)
{
	mutex_lock(&locks_mutex);
	list_del(&inode->i_locks->all);
	mutex_unlock(&locks_mutex);
	kfree(inode->i_locks);
}

static long do_lock(struct list_head *list, const struct file_lock *want, enum lock_wait how)
{
	bool all = want->start == 0 && want->end == LOCK_END;
	struct file_lock *spare[2] = {NULL, NULL}, *blocker;
	long err = -ENOLCK;

	/* Giving back everything needs nothing, so it cannot fail. */
	if (want->type != F_UNLCK || !all) {
		spare[0] = kmem_cache_alloc(lock_cache, GFP_KERNEL);
		spare[1] = kmem_cache_alloc(lock_cache, GFP_KERNEL);
		if (!spare[0] || !spare[1])
			goto out;
	}
	mutex_lock(&locks_mutex);
	do {
		err = 0;
		blocker = find_conflict(list, want);
		if (blocker)
			err = how == LOCK_TRY_ONLY
				      ? -EAGAIN
				      : wait_for(blocker, want->owner, how == LOCK_WAIT_CHECK);
	} while (blocker && !err);
	if (!err)
		set_range(list, want, spare);
	mutex_unlock(&locks_mutex);
out:
	for (int i = 0; i < 2; i++)
		if (spare[i])
			kmem_cache_free(lock_cache, spare[i]);
	return err;
}

long lock_range(struct inode *inode, const struct file_lock *want, enum lock_wait how)
{
	struct inode_locks *il = get_locks(inode);

	return il ? do_lock(&il->ranges, want, how) : -ENOLCK;
}

bool lock_conflict(struct inode *inode, const struct file_lock *want, struct file_lock *found)
{
	const struct file_lock *l = NULL;

	mutex_lock(&locks_mutex);
	if (inode->i_locks)
		l = find_conflict(&inode->i_locks->ranges, want);
	if (l)
		*found = *l;
	mutex_unlock(&locks_mutex);
	return l != NULL;
}

unsigned lock_count(struct inode *inode, const void *owner)
{
	const struct file_lock *l;
	unsigned n = 0;

	mutex_lock(&locks_mutex);
	if (inode->i_locks)
		list_for_each_entry(l, &inode->i_locks->ranges, link)
			n += l->owner == owner;
	mutex_unlock(&locks_mutex);
	return n;
}

static void release_from(struct list_head *list, const void *owner)
{
	struct file_lock *l, *next;

	list_for_each_entry_safe(l, next, list, link)
		if (l->owner == owner)
			remove_lock(l);
}

void locks_release(struct inode *inode, const void *owner)
{
	mutex_lock(&locks_mutex);
	release_from(&inode->i_locks->ranges, owner);
	release_from(&inode->i_locks->flocks, owner);
	mutex_unlock(&locks_mutex);
}

/* ---- flock(2) ---- */

/* A change of type gives the lock back first, and may lose it: flock(2) promises no more. */
static long do_flock(struct file *f, int type, enum lock_wait how)
{
	struct inode_locks *il = get_locks(f->f_inode);
	struct file_lock want = {.owner = f, .end = LOCK_END, .pid = current->tgid};
	struct file_lock *l;
	bool has = false;

	if (!il)
		return -ENOLCK;
	mutex_lock(&locks_mutex);
	list_for_each_entry(l, &il->flocks, link)
		has |= l->owner == f && l->type == type;
	if (!has)
		release_from(&il->flocks, f);
	mutex_unlock(&locks_mutex);
	want.type = type;
	return has || type == F_UNLCK ? 0 : do_lock(&il->flocks, &want, how);
}

SYSCALL_DEFINE2(flock, unsigned, fd, unsigned, cmd)
{
	struct fd f;
	int type;
	long err = -EBADF;

	switch (cmd & ~(unsigned)LOCK_NB) {
	case LOCK_SH:
		type = F_RDLCK;
		break;
	case LOCK_EX:
		type = F_WRLCK;
		break;
	case LOCK_UN:
		type = F_UNLCK;
		break;
	default:
		return -EINVAL;
	}
	f = fdget(fd);
	if (!f.file)
		return -EBADF;
	if (type == F_UNLCK || (f.file->f_mode & (FMODE_READ | FMODE_WRITE)))
		err = f.file->f_dentry
			      ? do_flock(f.file, type, cmd & LOCK_NB ? LOCK_TRY_ONLY : LOCK_WAIT)
			      : -EINVAL;
	fdput(f);
	return err;
}

/* ---- fcntl(2) ---- */

/* The range of a struct flock, which counts from where l_whence says, and backwards if l_len < 0. */
static int get_range(struct file *f, const struct flock *fl, struct file_lock *want)
{
	loff_t start = 0;

	if (fl->l_whence == SEEK_CUR)
		start = READ_ONCE(f->f_pos);
	else if (fl->l_whence == SEEK_END)
		start = READ_ONCE(f->f_inode->i_size);
	else if (fl->l_whence != SEEK_SET)
		return -EINVAL;
	if (__builtin_add_overflow(start, fl->l_start, &start))
		return -EOVERFLOW;
	if (start < 0)
		return -EINVAL;
	want->start = start;
	want->end = LOCK_END;
	if (fl->l_len > 0 && __builtin_add_overflow(start, fl->l_len - 1, &want->end))
		return -EOVERFLOW;
	if (fl->l_len < 0) {
		want->end = start - 1;
		want->start = start + fl->l_len;
		if (want->start < 0)
			return -EINVAL;
	}
	return 0;
}

static long get_lock(struct file *f, const struct file_lock *want, struct flock __user *ulock,
		     struct flock *fl)
{
	struct file_lock found;

	if (want->type == F_UNLCK)
		return -EINVAL;
	if (!lock_conflict(f->f_inode, want, &found)) {
		fl->l_type = F_UNLCK;
	} else {
		fl->l_type = (s16)found.type;
		fl->l_whence = SEEK_SET;
		fl->l_start = found.start;
		fl->l_len = found.end == LOCK_END ? 0 : found.end - found.start + 1;
		fl->l_pid = found.pid;
	}
	return copy_to_user(ulock, fl, sizeof(*fl)) ? -EFAULT : 0;
}

static long set_lock(unsigned fd, struct file *f, const struct file_lock *want, bool wait)
{
	const struct files *files = current->files;
	bool posix = want->owner == files;
	struct file *now;
	long err;

	if ((want->type == F_RDLCK && !(f->f_mode & FMODE_READ)) ||
	    (want->type == F_WRLCK && !(f->f_mode & FMODE_WRITE)))
		return -EBADF;
	err = lock_range(f->f_inode, want,
			 !wait   ? LOCK_TRY_ONLY
			 : posix ? LOCK_WAIT_CHECK
				 : LOCK_WAIT);
	if (err || !posix || want->type == F_UNLCK)
		return err;
	/* Another thread may have closed the descriptor meanwhile, before there was a lock that the
	 * close could release: then it would stay for ever. */
	now = fget(fd);
	if (now != f) {
		locks_release(f->f_inode, files);
		err = -EBADF;
	}
	if (now)
		fput(now);
	return err;
}

long fcntl_lock(unsigned fd, struct file *f, unsigned cmd, struct flock __user *ulock)
{
	bool ofd = cmd >= F_OFD_GETLK;
	struct file_lock want = {.owner = ofd ? (void *)f : (void *)current->files,
				 .pid = ofd ? -1 : current->tgid};
	struct flock fl;
	int err;

	if (copy_from_user(&fl, ulock, sizeof(fl)))
		return -EFAULT;
	if (!f->f_dentry || (ofd && fl.l_pid))
		return -EINVAL;
	if (fl.l_type != F_RDLCK && fl.l_type != F_WRLCK && fl.l_type != F_UNLCK)
		return -EINVAL;
	want.type = fl.l_type;
	err = get_range(f, &fl, &want);
	if (err)
		return err;
	if (cmd == F_GETLK || cmd == F_OFD_GETLK)
		return get_lock(f, &want, ulock, &fl);
	return set_lock(fd, f, &want, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
}

/* ---- /proc/locks: proc(5) ---- */

/* [L] */
static void show_list(struct seq *s, const struct inode *inode, const struct list_head *list,
		      const char *kind, int *n)
{
	u64 dev = inode->i_sb->s_dev;
	struct file_lock *l;

	list_for_each_entry(l, list, link) {
		seq_printf(s, "%d: %s ADVISORY  %s %d %02x:%02x:%lu %ld ", ++*n,
			   l->pid < 0 ? "OFDLCK" : kind, l->type == F_WRLCK ? "WRITE" : "READ",
			   l->pid, (unsigned)(dev >> 8) & 0xfff, (unsigned)dev & 0xff, inode->i_ino,
			   l->start);
		if (l->end == LOCK_END)
			seq_printf(s, "EOF\n");
		else
			seq_printf(s, "%ld\n", l->end);
	}
}

static void show_locks(struct seq *s)
{
	struct inode_locks *il;
	int n = 0;

	mutex_lock(&locks_mutex);
	list_for_each_entry(il, &locked_inodes, all) {
		show_list(s, il->inode, &il->ranges, "POSIX ", &n);
		show_list(s, il->inode, &il->flocks, "FLOCK ", &n);
	}
	mutex_unlock(&locks_mutex);
}
PROC_ENTRY(locks, "locks", show_locks);

static int __init lock_init(void)
{
	lock_cache = kmem_cache_create("file_lock", sizeof(struct file_lock), 0);
	return 0;
}
core_initcall(lock_init);
