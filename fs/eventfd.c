/*
 * eventfd(2): a file that is a counter of 64 bits. write() adds to it, read() takes all of it (or
 * one, with EFD_SEMAPHORE) and waits while it is 0. The cheapest way to say "something happened" to
 * somebody who waits in epoll.
 *
 * The counter may be 0 to ULLONG_MAX - 1; a write that would go beyond waits for a read. ULLONG_MAX
 * itself stands for an overflow, which only code inside a kernel can cause; poll() then says ERR.
 *
 * LOCKING: the counter changes under wqh.lock, and wake-ups go out with it held, so a change and its
 * announcement are one step. poll() and sleepers read it without.
 */
#include "fs/file.h"
#include "fs/vfs.h"
#include "kernel/cpu/syscall.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/wait.h"

#define EFD_SEMAPHORE 1
#define EFD_CLOEXEC   O_CLOEXEC
#define EFD_NONBLOCK  O_NONBLOCK

struct eventfd {
	struct wait_queue_head wqh; /* those who wait for a count, or for room */
	u64 count;                  /* [wqh.lock] to change */
	bool semaphore;             /* [I] */
	int id;                     /* [I] for fdinfo */
};

static atomic_t eventfd_ids;

static inline void eventfd_wake(struct eventfd *e, __poll_t events)
{
	__wake_up_locked(&e->wqh, TASK_NORMAL, 1, (void *)(uintptr_t)events);
}

/* Takes a value out of the counter: false if there is none. */
static bool eventfd_take(struct eventfd *e, u64 *value)
{
	bool taken = false;

	spin_lock_irq(&e->wqh.lock);
	if (e->count) {
		*value = e->semaphore ? 1 : e->count;
		WRITE_ONCE(e->count, e->count - *value);
		eventfd_wake(e, EPOLLOUT);
		taken = true;
	}
	spin_unlock_irq(&e->wqh.lock);
	return taken;
}

static inline bool eventfd_has_room(const struct eventfd *e, u64 value)
{
	return UINT64_MAX - READ_ONCE(e->count) > value;
}

static bool eventfd_add(struct eventfd *e, u64 value)
{
	bool added = false;

	spin_lock_irq(&e->wqh.lock);
	if (eventfd_has_room(e, value)) {
		WRITE_ONCE(e->count, e->count + value);
		eventfd_wake(e, EPOLLIN);
		added = true;
	}
	spin_unlock_irq(&e->wqh.lock);
	return added;
}

static ssize_t eventfd_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct eventfd *e = file->private_data;
	u64 value;

	if (to->count < sizeof(value))
		return -EINVAL;
	while (!eventfd_take(e, &value)) {
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(&e->wqh, READ_ONCE(e->count)))
			return -ERESTARTSYS;
	}
	return copy_to_iter(&value, sizeof(value), to) == sizeof(value) ? (ssize_t)sizeof(value)
									: -EFAULT;
}

static ssize_t eventfd_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	struct eventfd *e = file->private_data;
	u64 value;

	if (from->count < sizeof(value))
		return -EINVAL;
	if (copy_from_iter(&value, sizeof(value), from) != sizeof(value))
		return -EFAULT;
	if (value == UINT64_MAX)
		return -EINVAL;
	while (!eventfd_add(e, value)) {
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(&e->wqh, eventfd_has_room(e, value)))
			return -ERESTARTSYS;
	}
	return sizeof(value);
}

static __poll_t eventfd_poll(struct file *file, struct poll_table *pt)
{
	struct eventfd *e = file->private_data;
	__poll_t events = 0;
	u64 count;

	poll_wait(file, &e->wqh, pt);
	count = READ_ONCE(e->count);
	if (count)
		events |= EPOLLIN;
	if (count == UINT64_MAX)
		events |= EPOLLERR;
	if (count < UINT64_MAX - 1)
		events |= EPOLLOUT;
	return events;
}

static void eventfd_release(struct file *file)
{
	kfree(file->private_data);
}

static int eventfd_show_name(struct file *file, char *buf, size_t size)
{
	return scnprintf(buf, size, "anon_inode:[eventfd]");
}

static void eventfd_show_fdinfo(struct seq *s, struct file *file)
{
	const struct eventfd *e = file->private_data;

	seq_printf(s, "eventfd-count: %16llx\neventfd-id: %d\neventfd-semaphore: %d\n",
		   (unsigned long long)READ_ONCE(e->count), e->id, e->semaphore);
}

static const struct file_operations eventfd_fops = {
	.read = eventfd_read,
	.write = eventfd_write,
	.poll = eventfd_poll,
	.llseek = noop_llseek,
	.release = eventfd_release,
	.show_name = eventfd_show_name,
	.show_fdinfo = eventfd_show_fdinfo,
};

static long do_eventfd(unsigned count, int flags)
{
	struct eventfd *e;
	struct file *file;

	if (flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
		return -EINVAL;
	e = kmalloc(sizeof(*e), GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	init_waitqueue_head(&e->wqh);
	e->count = count;
	e->semaphore = flags & EFD_SEMAPHORE;
	e->id = atomic_add_return(&eventfd_ids, 1) - 1;
	file = anon_file(&eventfd_fops, e, O_RDWR | (flags & EFD_NONBLOCK));
	if (IS_ERR(file))
		kfree(e);
	return fd_install_new(file, flags & EFD_CLOEXEC);
}

SYSCALL_DEFINE2(eventfd2, unsigned, count, int, flags)
{
	return do_eventfd(count, flags);
}

SYSCALL_DEFINE1(eventfd, unsigned, count)
{
	return do_eventfd(count, 0);
}
