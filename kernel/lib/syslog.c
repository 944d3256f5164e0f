/*
 * syslog(2): the kernel's log for dmesg(1) and klogd(8). Each line begins with its priority in angle
 * brackets. /dev/kmsg (fs/kmsg.c) is the other way to it.
 *
 * LOCKING: read_mutex guards the place up to which SYSLOG_ACTION_READ has read, of which there is one.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/cred.h"
#include "kernel/lib/printk.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/mutex.h"
#include "kernel/sched/wait.h"

enum {
	SYSLOG_ACTION_CLOSE = 0,
	SYSLOG_ACTION_OPEN = 1,
	SYSLOG_ACTION_READ = 2,
	SYSLOG_ACTION_READ_ALL = 3,
	SYSLOG_ACTION_READ_CLEAR = 4,
	SYSLOG_ACTION_CLEAR = 5,
	SYSLOG_ACTION_CONSOLE_OFF = 6,
	SYSLOG_ACTION_CONSOLE_ON = 7,
	SYSLOG_ACTION_CONSOLE_LEVEL = 8,
	SYSLOG_ACTION_SIZE_UNREAD = 9,
	SYSLOG_ACTION_SIZE_BUFFER = 10
};

static DEFINE_MUTEX(read_mutex);
static struct log_cursor read_at; /* [read_mutex] */

/* The last @len bytes since the log was cleared, whole lines; the number of bytes copied. */
static long read_all(char __user *ubuf, size_t len)
{
	char *copy;
	long n;

	len = min(len, (size_t)LOG_SIZE);
	copy = kmalloc(len, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	n = (long)log_since_clear(copy, len);
	if (copy_to_user(ubuf, copy, (size_t)n))
		n = -EFAULT;
	kfree(copy);
	return n;
}

/* As many lines as fit of those that nobody has read so; waits for the first one. */
static long read_next(char __user *ubuf, size_t len)
{
	char line[LOG_LINE_MAX];
	struct log_cursor before;
	size_t done = 0;
	ssize_t n;
	long err;

	for (;;) {
		mutex_lock(&read_mutex);
		do {
			before = read_at;
			n = log_line(&read_at, line, sizeof(line));
			if (n <= 0)
				continue;
			if (done && (size_t)n > len - done) {
				read_at = before; /* no room: next time */
				break;
			}
			n = (ssize_t)min((size_t)n, len);
			if (copy_to_user(ubuf + done, line, (size_t)n)) {
				read_at = before;
				n = -EFAULT;
				break;
			}
			done += (size_t)n;
		} while (n);
		mutex_unlock(&read_mutex);
		if (done || n)
			return done ? (long)done : n;
		err = wait_event_interruptible(&log_wait, log_has_line(&read_at));
		if (err)
			return err;
	}
}

static long size_unread(void)
{
	struct log_cursor end = log_seek(LOG_END), first = log_seek(LOG_OLDEST);
	u64 from;

	mutex_lock(&read_mutex);
	from = max(read_at.pos, first.pos);
	mutex_unlock(&read_mutex);
	return (long)(end.pos - min(from, end.pos));
}

/* Anybody may look at all of it; the rest is for who manages the log. */
static bool allowed(int action)
{
	return action == SYSLOG_ACTION_READ_ALL || action == SYSLOG_ACTION_SIZE_BUFFER ||
	       capable(CAP_SYSLOG) || capable(CAP_SYS_ADMIN);
}

SYSCALL_DEFINE3(syslog, int, action, char __user *, buf, int, len)
{
	long n;

	if (!allowed(action))
		return -EPERM;
	switch (action) {
	case SYSLOG_ACTION_READ:
	case SYSLOG_ACTION_READ_ALL:
	case SYSLOG_ACTION_READ_CLEAR:
		if (!buf || len < 0)
			return -EINVAL;
		if (!len)
			return 0;
		if (action == SYSLOG_ACTION_READ)
			return read_next(buf, (size_t)len);
		n = read_all(buf, (size_t)len);
		if (n >= 0 && action == SYSLOG_ACTION_READ_CLEAR)
			log_clear();
		return n;
	case SYSLOG_ACTION_CLEAR:
		log_clear();
		return 0;
	case SYSLOG_ACTION_SIZE_UNREAD:
		return size_unread();
	case SYSLOG_ACTION_SIZE_BUFFER:
		return LOG_SIZE;
	case SYSLOG_ACTION_CONSOLE_LEVEL:
		return len < 1 || len > 8 ? -EINVAL : 0;
	case SYSLOG_ACTION_CLOSE:
	case SYSLOG_ACTION_OPEN:
	case SYSLOG_ACTION_CONSOLE_OFF:
	case SYSLOG_ACTION_CONSOLE_ON:
		return 0; /* every message goes to the console */
	}
	return -EINVAL;
}
