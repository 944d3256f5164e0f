/*
 * signalfd(2): signals taken by read() instead of by handlers. The file has only a set of signals;
 * which of them are pending is a matter of who asks. A task that reads or polls it sees its own and
 * those of its process, so a descriptor that a child has inherited tells the child of the child's
 * signals.
 *
 * Waiting follows from that. A reader sleeps on the queue of its own handler table, which the sending
 * of any signal to its process wakes. A poll shows the file's own queue, since an epoll may hold it
 * for longer than the process lives, and hangs an entry (struct signal_watch) on the handler table of
 * whoever polls, which passes wake-ups on:
 *
 *	send_signal_*()  ->  sighand->signalfd_wq  ->  signal_watch  ->  signalfd.wq  ->  epoll, poll
 *
 * A watch refers to its table, so that it can always be taken off; one whose process is gone is taken
 * off when the next is put up, or with the file.
 *
 * LOCKING: lock (process context) guards the list of watches. Signals are looked at and taken under
 * sighand->lock. signalfd_wq and wq are taken in this order, inside sighand->lock.
 */
#include "fs/file.h"
#include "fs/vfs.h"
#include "kernel/cpu/syscall.h"
#include "kernel/exec/process.h"
#include "kernel/lib/printk.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"

#define SFD_CLOEXEC  O_CLOEXEC
#define SFD_NONBLOCK O_NONBLOCK

struct signalfd {
	sigset_t mask;             /* [a] what it is about */
	struct wait_queue_head wq; /* pollers */
	spinlock_t lock;
	struct list_head watches; /* [lock] */
};

struct signal_watch {
	struct list_head link; /* [signalfd.lock] */
	struct wait_queue_entry wait;
	struct sighand *sighand; /* [I] where it hangs; a reference */
	struct signalfd *owner;  /* [I] */
};

/* What read() gives, signalfd(2). */
struct signalfd_siginfo {
	u32 ssi_signo;
	s32 ssi_errno, ssi_code;
	u32 ssi_pid, ssi_uid;
	s32 ssi_fd;
	u32 ssi_tid, ssi_band, ssi_overrun, ssi_trapno;
	s32 ssi_status, ssi_int;
	u64 ssi_ptr, ssi_utime, ssi_stime, ssi_addr;
	u8 pad[48];
};
_Static_assert(sizeof(struct signalfd_siginfo) == 128, "signalfd_siginfo is ABI");

/* ---- watching ---- */

/* Any context, with the sender's locks. */
static int pass_on(struct wait_queue_entry *wait, unsigned mode, int flags, void *key)
{
	struct signal_watch *w = container_of(wait, struct signal_watch, wait);

	__wake_up(&w->owner->wq, TASK_NORMAL, 0, key);
	return 0;
}

static void free_watches(struct list_head *dead)
{
	struct signal_watch *w, *n;

	list_for_each_entry_safe(w, n, dead, link) {
		remove_wait_queue(&w->sighand->signalfd_wq, &w->wait);
		sighand_put(w->sighand);
		kfree(w);
	}
}

static bool is_watching(struct signalfd *s, const struct sighand *sh)
{
	struct signal_watch *w;
	bool found = false;

	spin_lock(&s->lock);
	list_for_each_entry(w, &s->watches, link) {
		found = w->sighand == sh;
		if (found)
			break;
	}
	spin_unlock(&s->lock);
	return found;
}

/* Makes the signals of the caller's process wake s->wq. 0 or -ENOMEM. */
static int watch_signals(struct signalfd *s)
{
	struct sighand *sh = current->signal->sighand;
	struct signal_watch *w, *old, *n;
	LIST_HEAD(dead);

	if (is_watching(s, sh))
		return 0;
	w = kmalloc(sizeof(*w), GFP_KERNEL);
	if (!w)
		return -ENOMEM;
	init_waitqueue_func_entry(&w->wait, pass_on);
	refcount_inc(&sh->refs);
	w->sighand = sh;
	w->owner = s;
	add_wait_queue(&sh->signalfd_wq, &w->wait);
	spin_lock(&s->lock);
	list_for_each_entry_safe(old, n, &s->watches, link)
		if (refcount_read(&old->sighand->refs) == 1) /* only ours is left */
			list_move(&old->link, &dead);
	list_add(&w->link, &s->watches);
	spin_unlock(&s->lock);
	free_watches(&dead);
	return 0;
}

static __poll_t signalfd_poll(struct file *file, struct poll_table *pt)
{
	struct signalfd *s = file->private_data;
	struct task *t = current;
	struct sighand *sh;
	sigset_t pending;
	u64 flags;

	if (pt && pt->qproc && watch_signals(s))
		return EPOLLERR;
	poll_wait(file, &s->wq, pt);
	sh = lock_sighand(t->signal, &flags);
	pending = t->pending_mask | t->signal->pending_mask;
	unlock_sighand(sh, flags);
	return pending & READ_ONCE(s->mask) ? EPOLLIN : 0;
}

/* ---- reading ---- */

static bool take_signal(const struct signalfd *s, siginfo_t *info)
{
	struct sighand *sh;
	u64 flags;
	int sig;

	sh = lock_sighand(current->signal, &flags);
	sig = dequeue_signal(~READ_ONCE(s->mask), info);
	unlock_sighand(sh, flags);
	return sig;
}

enum info_kind { INFO_KILL, INFO_VALUE, INFO_TIMER, INFO_CHILD, INFO_FAULT, INFO_POLL };

/* Which fields a siginfo has, sigaction(2). */
static enum info_kind info_kind(const siginfo_t *i)
{
	if (i->si_code == SI_TIMER)
		return INFO_TIMER;
	if (i->si_code == SI_SIGIO)
		return INFO_POLL;
	if (i->si_code < 0)
		return INFO_VALUE;
	if (i->si_code == SI_USER || i->si_code >= SI_KERNEL)
		return INFO_KILL;
	switch (i->si_signo) {
	case SIGILL:
	case SIGFPE:
	case SIGSEGV:
	case SIGBUS:
	case SIGTRAP:
		return INFO_FAULT;
	case SIGCHLD:
		return INFO_CHILD;
	default:
		return i->si_code <= NSIGPOLL ? INFO_POLL : INFO_KILL;
	}
}

static struct signalfd_siginfo convert(const siginfo_t *i)
{
	struct signalfd_siginfo o = {
		.ssi_signo = (u32)i->si_signo, .ssi_errno = i->si_errno, .ssi_code = i->si_code};

	switch (info_kind(i)) {
	case INFO_VALUE:
		o.ssi_ptr = i->si_value;
		o.ssi_int = (s32)i->si_value;
		o.ssi_pid = (u32)i->si_pid;
		o.ssi_uid = i->si_uid;
		break;
	case INFO_KILL:
		o.ssi_pid = (u32)i->si_pid;
		o.ssi_uid = i->si_uid;
		break;
	case INFO_TIMER:
		o.ssi_tid = (u32)i->si_tid;
		o.ssi_overrun = (u32)i->si_overrun;
		o.ssi_ptr = i->si_timer_value;
		o.ssi_int = (s32)i->si_timer_value;
		break;
	case INFO_CHILD:
		o.ssi_pid = (u32)i->si_pid;
		o.ssi_uid = i->si_uid;
		o.ssi_status = i->si_status;
		o.ssi_utime = (u64)i->si_utime;
		o.ssi_stime = (u64)i->si_stime;
		break;
	case INFO_FAULT:
		o.ssi_addr = i->si_addr;
		break;
	case INFO_POLL:
		o.ssi_band = (u32)i->si_band;
		o.ssi_fd = i->si_fd;
		break;
	}
	return o;
}

/* As many signals as there are and fit; waits for the first only. */
static ssize_t signalfd_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct signalfd *s = file->private_data;
	struct signalfd_siginfo out;
	siginfo_t info;
	ssize_t done = 0;

	if (to->count < sizeof(out))
		return -EINVAL;
	while (to->count >= sizeof(out)) {
		if (!take_signal(s, &info)) {
			if (done)
				break;
			if (file->f_flags & O_NONBLOCK)
				return -EAGAIN;
			if (wait_event_interruptible(&current->signal->sighand->signalfd_wq,
						     take_signal(s, &info)))
				return -ERESTARTSYS;
		}
		out = convert(&info);
		if (copy_to_iter(&out, sizeof(out), to) != sizeof(out))
			return done ? done : -EFAULT;
		done += (ssize_t)sizeof(out);
	}
	return done;
}

static void signalfd_release(struct file *file)
{
	struct signalfd *s = file->private_data;

	free_watches(&s->watches);
	kfree(s);
}

static int signalfd_show_name(struct file *file, char *buf, size_t size)
{
	return scnprintf(buf, size, "anon_inode:[signalfd]");
}

static void signalfd_show_fdinfo(struct seq *s, struct file *file)
{
	seq_printf(s, "sigmask:\t%016lx\n",
		   READ_ONCE(((struct signalfd *)file->private_data)->mask));
}

static const struct file_operations signalfd_fops = {
	.read = signalfd_read,
	.poll = signalfd_poll,
	.llseek = noop_llseek,
	.release = signalfd_release,
	.show_name = signalfd_show_name,
	.show_fdinfo = signalfd_show_fdinfo,
};

/* ---- system calls ---- */

static long new_signalfd(sigset_t mask, int flags)
{
	struct signalfd *s = kmalloc(sizeof(*s), GFP_KERNEL);
	struct file *file;

	if (!s)
		return -ENOMEM;
	s->mask = mask;
	init_waitqueue_head(&s->wq);
	spin_lock_init(&s->lock);
	INIT_LIST_HEAD(&s->watches);
	file = anon_file(&signalfd_fops, s, O_RDWR | (flags & SFD_NONBLOCK));
	if (IS_ERR(file))
		kfree(s);
	return fd_install_new(file, flags & SFD_CLOEXEC);
}

/* Another set for a signalfd that there is. */
static long change_signalfd(int fd, sigset_t mask)
{
	struct fd f = fdget((unsigned)fd);
	struct signalfd *s;

	if (!f.file)
		return -EBADF;
	if (f.file->f_op != &signalfd_fops) {
		fdput(f);
		return -EINVAL;
	}
	s = f.file->private_data;
	WRITE_ONCE(s->mask, mask);
	/* Readers and pollers look again. */
	wake_up_all(&current->signal->sighand->signalfd_wq);
	wake_up_all(&s->wq);
	fdput(f);
	return fd;
}

static long do_signalfd(int fd, const sigset_t __user *umask, size_t size, int flags)
{
	sigset_t mask;

	if (size != sizeof(mask))
		return -EINVAL;
	if (copy_from_user(&mask, umask, sizeof(mask)))
		return -EFAULT;
	if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK))
		return -EINVAL;
	mask &= ~SIG_UNBLOCKABLE;
	return fd == -1 ? new_signalfd(mask, flags) : change_signalfd(fd, mask);
}

SYSCALL_DEFINE4(signalfd4, int, fd, const sigset_t __user *, umask, size_t, size, int, flags)
{
	return do_signalfd(fd, umask, size, flags);
}

SYSCALL_DEFINE3(signalfd, int, fd, const sigset_t __user *, umask, size_t, size)
{
	return do_signalfd(fd, umask, size, 0);
}
