/*
 * /dev/kmsg: the kernel's log, a line a read, and one's own words in it. A line reads
 *
 *	PRIORITY,NUMBER,MICROSECONDS,-;text		Linux's Documentation/ABI/testing/dev-kmsg
 *
 * Each open file has its own place in the log, at first the oldest line. When the log has overtaken it a
 * read says EPIPE, once, and goes on with the oldest there is. What is written becomes a line of its
 * own, with the priority that it may begin with ("<12>"), and of user space (facility 1) if it would be the
 * kernel's.
 *
 * LOCKING: kmsg.lock guards an open file's place; user memory is touched under it.
 */

#include "fs/internal.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"

#define WRITE_MAX     992 /* bytes of one message, as on Linux */
#define PRIO_DEFAULT  4   /* LOG_WARNING */
#define FACILITY_USER 8

struct kmsg {
	struct mutex lock;
	struct log_cursor at; /* [lock] */
	char line[LOG_LINE_MAX];
	char text[4 * LOG_LINE_MAX +
		  64]; /* [lock] the line as it is read: a byte may become \\xNN */
};

static int kmsg_open(struct inode *inode, struct file *f)
{
	struct kmsg *k = kzalloc(sizeof(*k), GFP_KERNEL);

	if (!k)
		return -ENOMEM;
	mutex_init(&k->lock);
	k->at = log_seek(LOG_OLDEST);
	f->private_data = k;
	return 0;
}

static void kmsg_release(struct file *f)
{
	kfree(f->private_data);
}

static u64 take_number(const char **p)
{
	u64 n = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++)
		n = n * 10 + (u64)(**p - '0');
	return n;
}

/* "<6>[    1.234567] text" of @len bytes, with a newline, as the file has it; its length. */
static size_t format_line(struct kmsg *k, u64 seq, size_t len)
{
	const char *p = k->line + 1, *end = k->line + len - 1;
	u64 prio = take_number(&p), seconds, us;
	size_t n;

	p = strchr(p, '[') + 1;
	while (*p == ' ')
		p++;
	seconds = take_number(&p);
	p++;
	us = take_number(&p);
	p += 2;
	n = (size_t)scnprintf(k->text, sizeof(k->text), "%lu,%lu,%lu,-;", prio, seq,
			      seconds * 1000000 + us);
	for (; p < end; p++)
		n += (size_t)scnprintf(k->text + n, sizeof(k->text) - n,
				       *p < ' ' || *p > '~' || *p == '\\' ? "\\x%02x" : "%c",
				       (u8)*p);
	k->text[n++] = '\n';
	return n;
}

/* The next line into @to: its length, 0: none yet. */
static ssize_t read_line(struct kmsg *k, struct iov_iter *to)
{
	struct log_cursor before;
	ssize_t n;

	mutex_lock(&k->lock);
	before = k->at;
	n = log_line(&k->at, k->line, sizeof(k->line));
	if (n > 0) {
		n = (ssize_t)format_line(k, before.seq, (size_t)n);
		if ((size_t)n > to->count)
			n = -EINVAL;
		else if (copy_to_iter(k->text, (size_t)n, to) != (size_t)n)
			n = -EFAULT;
		if (n < 0)
			k->at = before;
	}
	mutex_unlock(&k->lock);
	return n;
}

static ssize_t kmsg_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	struct kmsg *k = f->private_data;
	ssize_t n;
	long err;

	while (!(n = read_line(k, to))) {
		if (f->f_flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(&log_wait, log_has_line(&k->at));
		if (err)
			return err;
	}
	return n;
}

static ssize_t kmsg_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
	u64 prio = PRIO_DEFAULT;
	size_t len = from->count;
	const char *p, *text;
	char *buf;

	if (len > WRITE_MAX)
		return -EINVAL;
	buf = kmalloc(len + 2, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	if (copy_from_iter(buf, len, from) != len) {
		kfree(buf);
		return -EFAULT;
	}
	buf[len] = '\0';
	text = p = buf;
	if (*p == '<' && p[1] >= '0' && p[1] <= '9') {
		p++;
		prio = take_number(&p);
		text = *p == '>' ? p + 1 : buf;
		prio = text == buf ? PRIO_DEFAULT : prio & 0x3ff;
	}
	if (prio < FACILITY_USER)
		prio |= FACILITY_USER;
	if (!len || buf[len - 1] != '\n')
		memcpy(buf + len, "\n", 2);
	log_write((unsigned)prio, text, strlen(text));
	kfree(buf);
	return (ssize_t)len;
}

static __poll_t kmsg_poll(struct file *f, struct poll_table *pt)
{
	struct kmsg *k = f->private_data;
	__poll_t events = 0;

	poll_wait(f, &log_wait, pt);
	mutex_lock(&k->lock);
	if (log_has_line(&k->at))
		events = EPOLLIN | EPOLLRDNORM;
	if (k->at.seq < log_seek(LOG_OLDEST).seq)
		events |= EPOLLERR | EPOLLPRI;
	mutex_unlock(&k->lock);
	return events;
}

static loff_t kmsg_llseek(struct file *f, loff_t off, int whence)
{
	struct kmsg *k = f->private_data;
	enum log_place place;

	if (off)
		return -ESPIPE;
	switch (whence) {
	case SEEK_SET:
		place = LOG_OLDEST;
		break;
	case SEEK_DATA: /* after the last "dmesg -c" */
		place = LOG_CLEARED;
		break;
	case SEEK_END:
		place = LOG_END;
		break;
	default:
		return -EINVAL;
	}
	mutex_lock(&k->lock);
	k->at = log_seek(place);
	mutex_unlock(&k->lock);
	return 0;
}

const struct file_operations kmsg_fops = {
	.read = kmsg_read,
	.write = kmsg_write,
	.poll = kmsg_poll,
	.llseek = kmsg_llseek,
	.open = kmsg_open,
	.release = kmsg_release,
};
