/*
 * timerfd(2): a file that is a timer. read() gives the number of expiries since the last read and
 * waits while there is none.
 *
 *	disarmed	timerfd_settime() with a time arms it
 *	armed		a timer of the kernel will fire
 *	expired		ticks is not 0, and those who wait are woken. Of an interval only the first expiry
 *			is: it stands still until somebody reads or asks, who then counts the others and
 *			sets it going again, in step. So nobody who does not look costs anything
 *
 * Time on CLOCK_REALTIME is as for POSIX timers (kernel/time/posix_timer.c): a relative one is not
 * moved by setting the clock, an absolute one is. With TFD_TIMER_CANCEL_ON_SET it rather wakes its
 * readers, and the next read says ECANCELED.
 *
 * LOCKING: wqh.lock guards every field and is held around wake-ups, in any context: so an expiry and
 * its announcement are one step. The file's own timer and clock watch end before it is freed.
 */
#include "fs/file.h"
#include "fs/vfs.h"
#include "kernel/cpu/syscall.h"
#include "kernel/exec/cred.h"
#include "kernel/lib/printk.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/wait.h"
#include "kernel/time/clock.h"
#include "kernel/time/timer.h"

#define TFD_TIMER_ABSTIME       0x1
#define TFD_TIMER_CANCEL_ON_SET 0x2
#define TFD_CLOEXEC             O_CLOEXEC
#define TFD_NONBLOCK            O_NONBLOCK

struct timerfd {
	struct wait_queue_head wqh;
	struct timer timer;
	struct clock_watch watch; /* if real */
	int clock;                /* [I] its id */
	bool real;                /* [I] it can be set */

	bool armed;        /* a timer will fire, or has and has an interval */
	bool standing;     /* expired, and its interval waits for somebody to look */
	bool wall;         /* expires is a time of CLOCK_REALTIME */
	bool cancelled;    /* the clock was set under TFD_TIMER_CANCEL_ON_SET */
	int settime_flags; /* of the last timerfd_settime(2) */
	u64 expires;       /* ns of its clock */
	u64 interval;      /* ns, 0: once */
	u64 ticks;         /* expiries not read yet */
};

static const struct file_operations timerfd_fops;

/* ---- wqh.lock held ---- */

static u64 timerfd_now(const struct timerfd *t)
{
	return t->wall ? ktime_get_real() : ktime_get();
}

static void start(struct timerfd *t)
{
	t->armed = true;
	t->standing = false;
	timer_arm(&t->timer, t->wall ? ktime_from_real(t->expires) : t->expires);
}

static void add_tick(struct timerfd *t)
{
	WRITE_ONCE(t->ticks, t->ticks + 1);
	__wake_up_locked(&t->wqh, TASK_NORMAL, 1, (void *)(uintptr_t)EPOLLIN);
}

/* Somebody looks: an interval that stands still goes on, with what it has missed counted. */
static void catch_up(struct timerfd *t)
{
	u64 steps;

	if (!t->standing)
		return;
	steps = forward_past(&t->expires, t->interval, timerfd_now(t));
	WRITE_ONCE(t->ticks, t->ticks + (steps ? steps - 1 : 0));
	start(t);
}

static struct itimerspec remaining(const struct timerfd *t)
{
	struct itimerspec it = {.it_interval = ns_to_timespec(t->interval)};
	u64 now = timerfd_now(t);

	if (t->armed && t->expires > now)
		it.it_value = ns_to_timespec(t->expires - now);
	return it;
}

/* ---- what happens to it ---- */

/* Softirq. */
static void timerfd_fired(struct timer *timer)
{
	struct timerfd *t = container_of(timer, struct timerfd, timer);
	u64 flags;

	spin_lock_irqsave(&t->wqh.lock, flags);
	/* It may have been set again while this waited for the lock. */
	if (t->armed && !timer_pending(timer) && timerfd_now(t) >= t->expires) {
		t->armed = t->standing = t->interval;
		add_tick(t);
	}
	spin_unlock_irqrestore(&t->wqh.lock, flags);
}

static void timerfd_clock_was_set(struct clock_watch *w)
{
	struct timerfd *t = container_of(w, struct timerfd, watch);

	spin_lock_irq(&t->wqh.lock);
	if (t->armed && t->wall && !t->standing)
		start(t);
	if (t->wall && (t->settime_flags & TFD_TIMER_CANCEL_ON_SET)) {
		t->cancelled = true;
		add_tick(t);
	}
	spin_unlock_irq(&t->wqh.lock);
}

/* Takes the number of expiries; 0: none, -ECANCELED: the clock was set. */
static s64 timerfd_take(struct timerfd *t)
{
	s64 ticks;

	spin_lock_irq(&t->wqh.lock);
	catch_up(t);
	ticks = t->cancelled ? -ECANCELED : (s64)t->ticks;
	t->cancelled = false;
	WRITE_ONCE(t->ticks, 0);
	spin_unlock_irq(&t->wqh.lock);
	return ticks;
}

static ssize_t timerfd_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct timerfd *t = file->private_data;
	s64 ticks;

	if (to->count < sizeof(ticks))
		return -EINVAL;
	while (!(ticks = timerfd_take(t))) {
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(&t->wqh, READ_ONCE(t->ticks)))
			return -ERESTARTSYS;
	}
	if (ticks < 0)
		return ticks;
	return copy_to_iter(&ticks, sizeof(ticks), to) == sizeof(ticks) ? (ssize_t)sizeof(ticks)
									: -EFAULT;
}

static __poll_t timerfd_poll(struct file *file, struct poll_table *pt)
{
	struct timerfd *t = file->private_data;

	poll_wait(file, &t->wqh, pt);
	return READ_ONCE(t->ticks) ? EPOLLIN : 0;
}

static void timerfd_release(struct file *file)
{
	struct timerfd *t = file->private_data;

	if (t->real)
		clock_watch_remove(&t->watch);
	timer_cancel_sync(&t->timer);
	kfree(t);
}

static int timerfd_show_name(struct file *file, char *buf, size_t size)
{
	return scnprintf(buf, size, "anon_inode:[timerfd]");
}

static void timerfd_show_fdinfo(struct seq *s, struct file *file)
{
	struct timerfd *t = file->private_data;
	struct itimerspec it;
	u64 ticks;
	int flags;

	spin_lock_irq(&t->wqh.lock);
	it = remaining(t);
	ticks = t->ticks;
	flags = t->settime_flags;
	spin_unlock_irq(&t->wqh.lock);
	seq_printf(s, "clockid: %d\nticks: %lu\nsettime flags: 0%o\n", t->clock, ticks, flags);
	seq_printf(s, "it_value: (%ld, %ld)\nit_interval: (%ld, %ld)\n", it.it_value.tv_sec,
		   it.it_value.tv_nsec, it.it_interval.tv_sec, it.it_interval.tv_nsec);
}

static const struct file_operations timerfd_fops = {
	.read = timerfd_read,
	.poll = timerfd_poll,
	.llseek = noop_llseek,
	.release = timerfd_release,
	.show_name = timerfd_show_name,
	.show_fdinfo = timerfd_show_fdinfo,
};

/* ---- system calls ---- */

static int check_timerfd_clock(int clock)
{
	switch (clock) {
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		/* Who may wake a sleeping machine; this one does not sleep. */
		return capable(CAP_WAKE_ALARM) ? 0 : -EPERM;
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		return 0;
	default:
		return -EINVAL;
	}
}

SYSCALL_DEFINE2(timerfd_create, int, clock, int, flags)
{
	struct timerfd *t;
	struct file *file;
	int err = check_timerfd_clock(clock);

	if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	if (err)
		return err;
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	init_waitqueue_head(&t->wqh);
	timer_setup(&t->timer, timerfd_fired);
	t->watch.clock_was_set = timerfd_clock_was_set;
	t->clock = clock;
	t->real = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM;
	file = anon_file(&timerfd_fops, t, O_RDWR | (flags & TFD_NONBLOCK));
	if (IS_ERR(file))
		kfree(t);
	else if (t->real)
		clock_watch_add(&t->watch);
	return fd_install_new(file, flags & TFD_CLOEXEC);
}

/* *t, with the file to be put, or -EBADF, -EINVAL. */
static int get_timerfd(int fd, struct fd *f, struct timerfd **t)
{
	*f = fdget((unsigned)fd);
	if (!f->file)
		return -EBADF;
	if (f->file->f_op != &timerfd_fops) {
		fdput(*f);
		return -EINVAL;
	}
	*t = f->file->private_data;
	return 0;
}

static struct itimerspec exchange(struct timerfd *t, int flags, const struct itimerspec *new)
{
	u64 value = timespec_to_ns(&new->it_value);
	struct itimerspec old;

	spin_lock_irq(&t->wqh.lock);
	catch_up(t);
	old = remaining(t);
	timer_cancel(&t->timer);
	t->armed = t->standing = t->cancelled = false;
	WRITE_ONCE(t->ticks, 0);
	t->settime_flags = flags;
	t->interval = timespec_to_ns(&new->it_interval);
	t->wall = t->real && (flags & TFD_TIMER_ABSTIME);
	if (value) {
		t->expires = flags & TFD_TIMER_ABSTIME ? value : deadline_after(value);
		start(t);
	}
	spin_unlock_irq(&t->wqh.lock);
	return old;
}

SYSCALL_DEFINE4(timerfd_settime, int, fd, int, flags, const struct itimerspec __user *, unew,
		struct itimerspec __user *, uold)
{
	struct itimerspec new, old;
	struct timerfd *t;
	struct fd f;
	int err;

	if (copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	if ((flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) || !itimerspec_valid(&new))
		return -EINVAL;
	err = get_timerfd(fd, &f, &t);
	if (err)
		return err;
	old = exchange(t, flags, &new);
	fdput(f);
	return uold && copy_to_user(uold, &old, sizeof(old)) ? -EFAULT : 0;
}

SYSCALL_DEFINE2(timerfd_gettime, int, fd, struct itimerspec __user *, uold)
{
	struct itimerspec old;
	struct timerfd *t;
	struct fd f;
	int err = get_timerfd(fd, &f, &t);

	if (err)
		return err;
	spin_lock_irq(&t->wqh.lock);
	catch_up(t);
	old = remaining(t);
	spin_unlock_irq(&t->wqh.lock);
	fdput(f);
	return copy_to_user(uold, &old, sizeof(old)) ? -EFAULT : 0;
}
