/*
 * A text that grows: what the show functions of /proc write into. The buffer doubles as needed, so
 * a text of n bytes costs O(n) to write. When memory runs out the text is cut, err is set, and the
 * reader gets -ENOMEM instead of half a file.
 */

#include "kernel/lib/seq.h"
#include "kernel/abi/errno.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/mm/vmalloc.h"

#define SEQ_FIRST 1024u

/* Room for @n more bytes and a NUL. */
static bool seq_reserve(struct seq *s, size_t n)
{
	size_t size = s->size ? s->size : SEQ_FIRST;
	char *buf;

	if (s->err)
		return false;
	if (s->buf && s->size - s->len > n)
		return true;
	while (size - s->len <= n)
		size *= 2;
	buf = kvmalloc(size, GFP_KERNEL);
	if (!buf) {
		s->err = -ENOMEM;
		return false;
	}
	if (s->len)
		memcpy(buf, s->buf, s->len);
	kvfree(s->buf);
	s->buf = buf;
	s->size = size;
	return true;
}

void seq_printf(struct seq *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!seq_reserve(s, 127))
		return;
	va_start(ap, fmt);
	n = vsnprintf(s->buf + s->len, s->size - s->len, fmt, ap);
	va_end(ap);
	if ((size_t)n >= s->size - s->len) { /* did not fit: now the length is known */
		if (!seq_reserve(s, (size_t)n))
			return;
		va_start(ap, fmt);
		vsnprintf(s->buf + s->len, s->size - s->len, fmt, ap);
		va_end(ap);
	}
	s->len += (size_t)n;
}

void seq_write(struct seq *s, const void *data, size_t n)
{
	if (!seq_reserve(s, n))
		return;
	memcpy(s->buf + s->len, data, n);
	s->len += n;
}

void seq_free(struct seq *s)
{
	kvfree(s->buf);
	*s = (struct seq){0};
}
