/*
 * The kernel's log. printk() formats a line, puts it into a ring of the last 64 KiB, from where
 * syslog(2) reads it (dmesg), and gives it to every console. Each line begins with the time since
 * boot in seconds.
 *
 * LOCKING: log_lock, interrupts off, guards the ring and keeps lines of several CPUs apart on the
 * consoles; nothing is taken under it but a console's own lock. printk() may be called with any
 * lock held and in any context, even where printk() itself was interrupted (NMI) or has faulted: a
 * CPU that holds the lock already, or cannot get it within a fraction of a second, does without it.
 * A mixed-up line is better than a silent machine.
 */
#include "kernel/lib/printk.h"

#include "kernel/cpu/percpu.h"
#include "kernel/cpu/syscall.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/spinlock.h"
#include "kernel/sched/task.h"
#include "kernel/time/ktime.h"

#define LOG_SIZE  65536u /* a power of two */
#define LINE_SIZE 512    /* longer messages are cut */

int console_lock_tries = 10000000;

static DEFINE_SPINLOCK(log_lock);
static int log_owner = -1; /* [log_lock] CPU that holds it */

static char ring[LOG_SIZE]; /* [log_lock] */
static u64 ring_end;        /* [log_lock] bytes ever written; the ring holds the last of them */
static u64 ring_clear;      /* [log_lock] where SYSLOG_ACTION_CLEAR was */
static bool at_line_start = true; /* [log_lock] */
static struct console *consoles;  /* [log_lock] */

/* Interrupts off. False: the caller goes ahead without the lock. */
static bool lock_log(void)
{
	if (READ_ONCE(log_owner) == smp_processor_id())
		return false;
	for (int i = 0; i < console_lock_tries; i++) {
		if (spin_trylock(&log_lock)) {
			WRITE_ONCE(log_owner, smp_processor_id());
			return true;
		}
		cpu_relax();
	}
	return false;
}

static void unlock_log(void)
{
	WRITE_ONCE(log_owner, -1);
	spin_unlock(&log_lock);
}

static void emit(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ring[(ring_end + i) % LOG_SIZE] = s[i];
	ring_end += n;
	for (struct console *c = consoles; c; c = c->next)
		c->write(s, n);
}

static void emit_lines(const char *s, size_t n)
{
	char stamp[32];
	u64 us = ktime_get() / NSEC_PER_USEC;
	int stamp_len =
		scnprintf(stamp, sizeof(stamp), "[%5lu.%06lu] ", us / 1000000, us % 1000000);

	while (n) {
		const char *nl = memchr(s, '\n', n);
		size_t part = nl ? (size_t)(nl - s) + 1 : n;

		if (at_line_start)
			emit(stamp, stamp_len);
		emit(s, part);
		at_line_start = nl;
		s += part;
		n -= part;
	}
}

void vprintk(const char *fmt, va_list ap)
{
	char line[LINE_SIZE];
	int len = vsnprintf(line, sizeof(line), fmt, ap);
	u64 flags;
	bool locked;

	if (len >= LINE_SIZE) {
		len = LINE_SIZE - 1;
		line[len - 1] = '\n';
	}
	local_irq_save(flags);
	locked = lock_log();
	emit_lines(line, len);
	if (locked)
		unlock_log();
	local_irq_restore(flags);
}

void printk(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintk(fmt, ap);
	va_end(ap);
}

void register_console(struct console *c)
{
	u64 flags;
	bool locked;

	local_irq_save(flags);
	locked = lock_log();
	c->next = consoles;
	consoles = c;
	if (locked)
		unlock_log();
	local_irq_restore(flags);
}

/* syslog(2) */
enum {
	SYSLOG_ACTION_CLOSE = 0,
	SYSLOG_ACTION_OPEN = 1,
	SYSLOG_ACTION_READ_ALL = 3,
	SYSLOG_ACTION_READ_CLEAR = 4,
	SYSLOG_ACTION_CLEAR = 5,
	SYSLOG_ACTION_CONSOLE_OFF = 6,
	SYSLOG_ACTION_CONSOLE_ON = 7,
	SYSLOG_ACTION_CONSOLE_LEVEL = 8,
	SYSLOG_ACTION_SIZE_UNREAD = 9,
	SYSLOG_ACTION_SIZE_BUFFER = 10
};

/* The last @len bytes since the log was cleared, whole lines; the number of bytes copied. */
static long read_log(char __user *ubuf, size_t len, bool clear)
{
	char *copy;
	u64 from, flags;
	size_t n = 0;

	len = min(len, (size_t)LOG_SIZE);
	copy = kmalloc(len, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	spin_lock_irqsave(&log_lock, flags);
	log_owner = smp_processor_id();
	from = ring_end - min(ring_end - ring_clear, (u64)len);
	if (from != ring_clear)
		while (from < ring_end && ring[from++ % LOG_SIZE] != '\n')
			;
	while (from < ring_end)
		copy[n++] = ring[from++ % LOG_SIZE];
	if (clear)
		ring_clear = ring_end;
	log_owner = -1;
	spin_unlock_irqrestore(&log_lock, flags);
	if (copy_to_user(ubuf, copy, n)) {
		kfree(copy);
		return -EFAULT;
	}
	kfree(copy);
	return n;
}

SYSCALL_DEFINE3(syslog, int, action, char __user *, buf, int, len)
{
	switch (action) {
	case SYSLOG_ACTION_READ_ALL:
	case SYSLOG_ACTION_READ_CLEAR:
		if (!buf || len < 0)
			return -EINVAL;
		if (!len)
			return 0;
		return read_log(buf, len, action == SYSLOG_ACTION_READ_CLEAR);
	case SYSLOG_ACTION_CLEAR:
		WRITE_ONCE(ring_clear, READ_ONCE(ring_end));
		return 0;
	case SYSLOG_ACTION_SIZE_UNREAD:
		return min(READ_ONCE(ring_end) - READ_ONCE(ring_clear), (u64)LOG_SIZE);
	case SYSLOG_ACTION_SIZE_BUFFER:
		return LOG_SIZE;
	case SYSLOG_ACTION_CLOSE:
	case SYSLOG_ACTION_OPEN:
	case SYSLOG_ACTION_CONSOLE_OFF:
	case SYSLOG_ACTION_CONSOLE_ON:
	case SYSLOG_ACTION_CONSOLE_LEVEL:
		return 0; /* every message goes to the console */
	}
	return -EINVAL;
}
