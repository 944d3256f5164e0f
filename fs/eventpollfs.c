/*
 * eventpollfs: the file system that epolls are files of, their system calls, the limit on what a
 * user may watch, and what /proc shows. How an epoll works is in eventpoll.c.
 *
 * An epoll is an open file with no name. So it is shared by fork and dup, closed by close, limited
 * by RLIMIT_NOFILE, watched by another epoll, and passed to other processes like any file.
 *
 * LOCKING: ep_users_lock guards the list of accounts (spin, process context, innermost). An account
 * lives while its user has an epoll.
 */
#include "fs/eventpoll_internal.h"
#include "fs/vfs.h"
#include "kernel/cpu/syscall.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/lib/sysctl.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/signal.h"
#include "kernel/time/ktime.h"

#define EP_MAX_EVENTS       (INT32_MAX / (int)sizeof(struct epoll_event))
#define ANON_INODE_FS_MAGIC 0x09041934 /* statfs(2) */

struct kmem_cache *epi_cache, *pwq_cache;
static struct mount *eventpoll_mnt;

/* What a user's epolls have in common: the limit on items. */
struct ep_user {
	struct list_head link; /* [ep_users_lock] ep_users */
	u32 uid;               /* immutable */
	int epolls;            /* [ep_users_lock] how many there are */
	atomic64_t watches;    /* items in them */
};

static DEFINE_SPINLOCK(ep_users_lock);
static LIST_HEAD(ep_users);
static s64 max_user_watches; /* items a user; changed through /proc/sys */

/* ---- accounts ---- */

/* The account of the current user, with one epoll more; NULL without memory. */
static struct ep_user *ep_user_get(void)
{
	u32 uid = current->signal ? current->signal->uid : 0;
	struct ep_user *user, *new = kzalloc(sizeof(*new), GFP_KERNEL);

	if (!new)
		return NULL;
	new->uid = uid;
	spin_lock(&ep_users_lock);
	list_for_each_entry(user, &ep_users, link)
		if (user->uid == uid)
			goto found;
	user = new;
	new = NULL;
	list_add(&user->link, &ep_users);
found:
	user->epolls++;
	spin_unlock(&ep_users_lock);
	kfree(new);
	return user;
}

bool ep_charge(struct eventpoll *ep)
{
	long now = atomic_add_return(&ep->user->watches, 1);

	if (now <= READ_ONCE(max_user_watches))
		return true;
	ep_uncharge(ep);
	return false;
}

void ep_uncharge(struct eventpoll *ep)
{
	atomic_dec(&ep->user->watches);
}

/* ---- life ---- */

void ep_put(struct eventpoll *ep)
{
	struct ep_user *user = ep->user;

	if (!refcount_dec_and_test(&ep->refs))
		return;
	kfree(ep);
	spin_lock(&ep_users_lock);
	if (--user->epolls)
		user = NULL;
	else
		list_del(&user->link);
	spin_unlock(&ep_users_lock);
	kfree(user);
}

static struct eventpoll *ep_alloc(void)
{
	struct eventpoll *ep = kzalloc(sizeof(*ep), GFP_KERNEL);

	if (!ep)
		return NULL;
	ep->user = ep_user_get();
	if (!ep->user) {
		kfree(ep);
		return NULL;
	}
	mutex_init(&ep->mtx);
	spin_lock_init(&ep->lock);
	refcount_set(&ep->refs, 1);
	ep->rbr = RB_ROOT;
	INIT_LIST_HEAD(&ep->rdllist);
	ep->ovflist = EP_UNACTIVE_PTR;
	init_waitqueue_head(&ep->wq);
	init_waitqueue_head(&ep->poll_wait);
	/* An outer epoll is told from an inner one's wake-up; ep_loop_check() keeps circles away. */
	lockdep_set_nests(&ep->poll_wait.lock);
	return ep;
}

struct file *eventpoll_file(u32 flags)
{
	struct eventpoll *ep = ep_alloc();
	struct file *file;

	if (!ep)
		return ERR_PTR(-ENOMEM);
	file = alloc_file_pseudo(eventpoll_mnt, &eventpoll_fops, ep, O_RDWR | flags);
	if (IS_ERR(file))
		ep_put(ep);
	else
		ep->file = file;
	return file;
}

/* ---- system calls ---- */

SYSCALL_DEFINE1(epoll_create1, int, flags)
{
	if (flags & ~EPOLL_CLOEXEC)
		return -EINVAL;
	return fd_install_new(eventpoll_file(0), (u32)flags);
}

SYSCALL_DEFINE1(epoll_create, int, size)
{
	return size <= 0 ? -EINVAL : fd_install_new(eventpoll_file(0), 0);
}

SYSCALL_DEFINE4(epoll_ctl, int, epfd, int, op, int, fd, struct epoll_event __user *, uevent)
{
	struct epoll_event event = {0};
	struct fd ef, tf;
	int err = -EBADF;

	if (op != EPOLL_CTL_DEL &&
	    (get_user(event.events, &uevent->events) || get_user(event.data, &uevent->data)))
		return -EFAULT;
	ef = fdget(epfd);
	if (!ef.file)
		return -EBADF;
	tf = fdget(fd);
	if (tf.file) {
		err = do_epoll_ctl(ef.file, op, tf.file, fd, &event);
		fdput(tf);
	}
	fdput(ef);
	return err;
}

static long do_epoll_wait(int epfd, struct epoll_event __user *events, int maxevents, u64 timeout)
{
	struct fd f = fdget(epfd);
	long res = -EINVAL;

	if (!f.file)
		return -EBADF;
	if (maxevents <= 0 || maxevents > EP_MAX_EVENTS)
		goto out;
	res = -EFAULT;
	if (!access_ok(events, (size_t)maxevents * sizeof(*events)))
		goto out;
	res = -EINVAL;
	if (!is_file_epoll(f.file))
		goto out;
	res = ep_poll(f.file->private_data, events, maxevents, timeout);
out:
	fdput(f);
	return res;
}

/* With @umask in place from before the first look until after the last. */
static noinline long ep_wait_masked(int epfd, struct epoll_event __user *events, int maxevents,
				    u64 timeout, const sigset_t __user *umask, size_t sigsetsize)
{
	long res = set_user_sigmask(umask, sigsetsize);

	if (res)
		return res;
	res = do_epoll_wait(epfd, events, maxevents, timeout);
	restore_saved_sigmask_unless(res == -EINTR);
	return res;
}

static inline u64 ep_ms_to_ns(int ms)
{
	return ms < 0 ? NO_DEADLINE : (u64)ms * NSEC_PER_MSEC;
}

SYSCALL_DEFINE4(epoll_wait, int, epfd, struct epoll_event __user *, events, int, maxevents, int,
		timeout)
{
	return do_epoll_wait(epfd, events, maxevents, ep_ms_to_ns(timeout));
}

SYSCALL_DEFINE6(epoll_pwait, int, epfd, struct epoll_event __user *, events, int, maxevents, int,
		timeout, const sigset_t __user *, umask, size_t, sigsetsize)
{
	u64 ns = ep_ms_to_ns(timeout);

	if (unlikely(umask))
		return ep_wait_masked(epfd, events, maxevents, ns, umask, sigsetsize);
	return do_epoll_wait(epfd, events, maxevents, ns);
}

SYSCALL_DEFINE6(epoll_pwait2, int, epfd, struct epoll_event __user *, events, int, maxevents,
		const struct timespec __user *, utimeout, const sigset_t __user *, umask, size_t,
		sigsetsize)
{
	u64 timeout = NO_DEADLINE;
	struct timespec ts;

	if (utimeout) {
		if (copy_from_user(&ts, utimeout, sizeof(ts)))
			return -EFAULT;
		if (!timespec_valid(&ts))
			return -EINVAL;
		timeout = timespec_to_ns(&ts);
	}
	if (umask)
		return ep_wait_masked(epfd, events, maxevents, timeout, umask, sigsetsize);
	return do_epoll_wait(epfd, events, maxevents, timeout);
}

/* ---- what /proc shows, and the file system ---- */

static int ep_show_name(struct file *file, char *buf, size_t size)
{
	return scnprintf(buf, size, "anon_inode:[eventpoll]");
}

static void ep_show_fdinfo(struct seq *s, struct file *file)
{
	struct eventpoll *ep = file->private_data;
	struct epitem *epi;

	mutex_lock(&ep->mtx);
	rb_for_each_entry(epi, &ep->rbr, rbn) {
		struct file *f = epi->ffd.file;
		struct kstat st;

		vfs_getattr(f, &st);
		seq_printf(s, "tfd: %8d events: %8x data: %16llx  pos:%lli ino:%lx sdev:%x\n",
			   epi->ffd.fd, epi->event.events, (unsigned long long)epi->event.data,
			   f->f_mode & FMODE_STREAM ? 0ll : (long long)f->f_pos, (long)st.ino,
			   (unsigned)st.dev);
		if (s->err)
			break;
		cond_resched();
	}
	mutex_unlock(&ep->mtx);
}

const struct file *eventpoll_target(struct file *epfile, int fd, unsigned skip)
{
	const struct file *target = ERR_PTR(-ENOENT);
	struct eventpoll *ep = epfile->private_data;
	struct epitem *epi;

	if (!is_file_epoll(epfile))
		return ERR_PTR(-EINVAL);
	mutex_lock(&ep->mtx);
	rb_for_each_entry(epi, &ep->rbr, rbn) {
		if (epi->ffd.fd == fd && !skip--) {
			target = epi->ffd.file;
			break;
		}
	}
	mutex_unlock(&ep->mtx);
	return target;
}

const struct file_operations eventpoll_fops = {
	.poll = ep_eventpoll_poll,
	.llseek = noop_llseek,
	.release = ep_eventpoll_release,
	.show_name = ep_show_name,
	.show_fdinfo = ep_show_fdinfo,
};

SYSCTL(max_user_watches, "sys/fs/epoll/max_user_watches", max_user_watches, 0, INT64_MAX);

static const struct super_operations
	eventpollfs_ops; /* nothing to do: it has one inode, for ever */

static int eventpollfs_fill_super(struct super_block *sb, const char *options)
{
	struct inode *inode = new_inode(sb, 0600);

	if (!inode)
		return -ENOMEM;
	sb->s_op = &eventpollfs_ops;
	sb->s_magic = ANON_INODE_FS_MAGIC;
	sb->s_root = d_make_root(inode);
	return sb->s_root ? 0 : -ENOMEM;
}

static struct file_system_type eventpoll_fs_type = {
	.name = "eventpollfs",
	.fill_super = eventpollfs_fill_super,
};

static int __init eventpoll_init(void)
{
	int err = register_filesystem(&eventpoll_fs_type);

	if (err)
		return err;
	eventpoll_mnt = kern_mount(&eventpoll_fs_type);
	if (IS_ERR(eventpoll_mnt))
		return (int)PTR_ERR(eventpoll_mnt);
	epi_cache = kmem_cache_create("eventpoll_epi", sizeof(struct epitem), 0);
	pwq_cache = kmem_cache_create("eventpoll_pwq", sizeof(struct eppoll_entry), 0);
	/* A user's items may take 4% of memory. */
	max_user_watches = total_pages / 25 * PAGE_SIZE / EP_ITEM_COST;
	return 0;
}
fs_initcall(eventpoll_init);
