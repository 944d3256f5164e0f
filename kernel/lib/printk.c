/*
 * The kernel's log. printk() formats a line, puts it into a ring of the last 64 KiB and gives it to every
 * console. Each line begins with the time since boot in seconds; in the ring its priority is in front
 * of that. Lines are numbered, so a reader (struct log_cursor) knows which it has missed when the ring
 * has overtaken it. syslog.c and fs/kmsg.c read it for user space (dmesg).
 *
 * LOCKING: log_lock, interrupts off, guards the ring and keeps lines of several CPUs apart on the
 * consoles; nothing is taken under it but a console's own lock. printk() may be called with any
 * lock held and in any context, even where printk() itself was interrupted (NMI) or has faulted: a
 * CPU that holds the lock already, or cannot get it within a fraction of a second, does without it.
 * A mixed-up line is better than a silent machine.
 */
#include "kernel/lib/printk.h"

#include "kernel/cpu/apic.h"
#include "kernel/cpu/percpu.h"
#include "kernel/lib/string.h"
#include "kernel/sched/wait.h"
#include "kernel/time/ktime.h"

#define LINE_SIZE 512 /* longer messages are cut */

int console_lock_tries = 10000000;

DECLARE_WAIT_QUEUE_HEAD(log_wait);
static DEFINE_SPINLOCK(log_lock);
static int log_owner = -1; /* [log_lock] CPU that holds it */

static char ring[LOG_SIZE]; /* [log_lock] */
static u64 ring_end;        /* [log_lock] bytes ever written; the ring holds the last of them */
static struct log_cursor oldest;  /* [log_lock] the line after the last whose end was overwritten */
static struct log_cursor newest;  /* [log_lock] the line that is being written */
static struct log_cursor cleared; /* [log_lock] newest, when SYSLOG_ACTION_CLEAR was */
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

static void ring_put(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *at = &ring[ring_end++ % LOG_SIZE];

		if (*at == '\n')
			oldest = (struct log_cursor){ring_end - LOG_SIZE, oldest.seq + 1};
		*at = s[i];
		if (*at == '\n')
			newest = (struct log_cursor){ring_end, newest.seq + 1};
	}
}

static void emit(const char *s, size_t n)
{
	ring_put(s, n);
	for (struct console *c = consoles; c; c = c->next)
		c->write(s, n);
}

static void emit_lines(unsigned prio, const char *s, size_t n)
{
	char stamp[32], prefix[8];
	u64 us = ktime_get() / NSEC_PER_USEC;
	int stamp_len =
		scnprintf(stamp, sizeof(stamp), "[%5lu.%06lu] ", us / 1000000, us % 1000000);

	int prefix_len = scnprintf(prefix, sizeof(prefix), "<%u>", prio);

	while (n) {
		const char *nl = memchr(s, '\n', n);
		size_t part = nl ? (size_t)(nl - s) + 1 : n;

		if (at_line_start) {
			ring_put(prefix, (size_t)prefix_len);
			emit(stamp, (size_t)stamp_len);
		}
		emit(s, part);
		at_line_start = nl;
		s += part;
		n -= part;
	}
}

void log_write(unsigned prio, const char *text, size_t len)
{
	u64 flags;
	bool locked;

	local_irq_save(flags);
	locked = lock_log();
	emit_lines(prio, text, len);
	if (locked)
		unlock_log();
	/* Pairs with the barrier of who waits: he sees the line, or is seen in the queue. A wake-up
	 * takes locks that the caller may hold, so it is left to an interrupt. */
	smp_mb();
	if (waitqueue_active(&log_wait))
		apic_interrupt_self(VECTOR_LOG);
	local_irq_restore(flags);
}

void log_interrupt(void)
{
	wake_up_poll_all(&log_wait, EPOLLIN | EPOLLRDNORM);
}

void vprintk(const char *fmt, va_list ap)
{
	char line[LINE_SIZE];
	int len = vsnprintf(line, sizeof(line), fmt, ap);

	if (len >= LINE_SIZE) {
		len = LINE_SIZE - 1;
		line[len - 1] = '\n';
	}
	log_write(LOG_PRIO_KERNEL, line, (size_t)len);
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

/* ---- reading ---- */

/* What a reader needs is done under the lock, interrupts off; nobody prints meanwhile. */
static void hold_log(u64 *flags)
{
	spin_lock_irqsave(&log_lock, *flags);
	log_owner = smp_processor_id();
}

static void release_log(u64 flags)
{
	log_owner = -1;
	spin_unlock_irqrestore(&log_lock, flags);
}

/* [log_lock] The oldest line of which nothing is lost. */
static struct log_cursor first_whole(void)
{
	struct log_cursor c = oldest;

	if (ring_end - c.pos <= LOG_SIZE)
		return c;
	c.pos = ring_end - LOG_SIZE;
	while (ring[c.pos++ % LOG_SIZE] != '\n')
		;
	c.seq++;
	return c;
}

struct log_cursor log_seek(enum log_place place)
{
	struct log_cursor c;
	u64 flags;

	hold_log(&flags);
	c = place == LOG_OLDEST ? first_whole() : place == LOG_CLEARED ? cleared : newest;
	release_log(flags);
	return c;
}

ssize_t log_line(struct log_cursor *c, char *buf, size_t size)
{
	size_t n = 0;
	u64 flags;
	char ch;

	hold_log(&flags);
	if (ring_end - c->pos > LOG_SIZE) {
		*c = first_whole();
		release_log(flags);
		return -EPIPE;
	}
	if (c->seq < newest.seq) {
		do {
			ch = ring[c->pos++ % LOG_SIZE];
			if (n < size)
				buf[n++] = ch;
		} while (ch != '\n');
		c->seq++;
	}
	release_log(flags);
	return (ssize_t)n;
}

bool log_has_line(const struct log_cursor *c)
{
	return c->seq < READ_ONCE(newest.seq);
}

size_t log_since_clear(char *buf, size_t size)
{
	struct log_cursor from;
	u64 flags, at;
	size_t n = 0;

	hold_log(&flags);
	from = first_whole();
	if (from.seq < cleared.seq)
		from = cleared;
	at = ring_end - min(ring_end - from.pos, (u64)size);
	if (at != from.pos)
		while (at < ring_end && ring[at++ % LOG_SIZE] != '\n')
			;
	while (at < ring_end)
		buf[n++] = ring[at++ % LOG_SIZE];
	release_log(flags);
	return n;
}

void log_clear(void)
{
	u64 flags;

	hold_log(&flags);
	cleared = newest;
	release_log(flags);
}
