/*
 * Numbers below /proc/sys: from a variable to text and back. The files are procfs's, the bounds
 * those of whoever owns the variable (sysctl.h).
 */
#include "kernel/lib/sysctl.h"

#include "kernel/abi/errno.h"
#include "kernel/lib/string.h"

#define MAX_VALUES 8
#define MAX_DIGITS 24

static s64 load(const void *values, size_t size, size_t i)
{
	return size == sizeof(int) ? READ_ONCE(((const int *)values)[i])
				   : READ_ONCE(((const s64 *)values)[i]);
}

static void store(void *values, size_t size, size_t i, s64 v)
{
	if (size == sizeof(int))
		WRITE_ONCE(((int *)values)[i], (int)v);
	else
		WRITE_ONCE(((s64 *)values)[i], v);
}

void sysctl_show(struct seq *s, const void *values, size_t size, size_t count)
{
	for (size_t i = 0; i < count; i++)
		seq_printf(s, "%s%ld", i ? "\t" : "", (long)load(values, size, i));
	seq_write(s, "\n", 1);
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next number of *@text, which moves behind it: 0 or -EINVAL. */
static int parse_number(const char **text, s64 *out)
{
	char digits[MAX_DIGITS];
	const char *at = *text;
	bool minus = *at == '-';
	unsigned long v;
	size_t n = 0;

	for (at += minus; *at && !is_space(*at) && n < sizeof(digits); at++)
		digits[n++] = *at;
	if (n == sizeof(digits))
		return -EINVAL;
	digits[n] = '\0';
	if (digits[0] == '+' || kstrtoul(digits, 0, &v) || v > INT64_MAX)
		return -EINVAL;
	*out = minus ? -(s64)v : (s64)v;
	*text = at;
	return 0;
}

int sysctl_store(const char *text, void *values, size_t size, size_t count, s64 min, s64 max)
{
	s64 v[MAX_VALUES];
	size_t n = 0;

	for (;;) {
		while (is_space(*text))
			text++;
		if (!*text || n == count || n == MAX_VALUES)
			break;
		if (parse_number(&text, &v[n]) || v[n] < min || v[n] > max)
			return -EINVAL;
		n++;
	}
	if (!n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		store(values, size, i, v[i]);
	return 0;
}
