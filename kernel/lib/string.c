/*
 * Memory and strings.
 *
 * The copies move eight bytes at a time through general registers: the kernel leaves the vector
 * registers to user programs, and a rep-prefixed move costs one instruction a byte under an
 * emulator. Odd ends are done with moves that overlap: eleven bytes are the first eight and the
 * last eight. x86 allows every such move at any address.
 *
 * Costs: memcpy and memset of n bytes take about n/4 and n/8 instructions, plus ten.
 */
#include "kernel/abi/errno.h"
#include "kernel/debug/kasan.h"
#include "kernel/lib/string.h"

/* The compiler knows these loops as memcpy and memset, and would call the function from itself. */
#ifndef __clang__
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

typedef u64 __attribute__((may_alias, aligned(1))) word64;
typedef u32 __attribute__((may_alias, aligned(1))) word32;
typedef u16 __attribute__((may_alias, aligned(1))) word16;

#define W64(p, i) (((word64 *)(p))[i])
#define R64(p, i) (((const word64 *)(p))[i])

/* Up to 32 bytes; all loads come before the first store, so the two may overlap. */
static __always_inline void move_small(u8 *d, const u8 *s, size_t n)
{
	if (n >= 16) {
		u64 a = R64(s, 0), b = R64(s, 1);
		u64 y = R64(s + n - 16, 0), z = R64(s + n - 16, 1);

		W64(d, 0) = a;
		W64(d, 1) = b;
		W64(d + n - 16, 0) = y;
		W64(d + n - 16, 1) = z;
	} else if (n >= 8) {
		u64 a = R64(s, 0), z = R64(s + n - 8, 0);

		W64(d, 0) = a;
		W64(d + n - 8, 0) = z;
	} else if (n >= 4) {
		u32 a = *(const word32 *)s, z = *(const word32 *)(s + n - 4);

		*(word32 *)d = a;
		*(word32 *)(d + n - 4) = z;
	} else if (n) {
		u8 a = s[0], m = s[n / 2], z = s[n - 1];

		d[0] = a;
		d[n / 2] = m;
		d[n - 1] = z;
	}
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	u8 *d = dst;
	const u8 *s = src;

	kasan_check_read(src, n);
	kasan_check_write(dst, n);
	if (n > 32) {
		do {
			u64 w0 = R64(s, 0), w1 = R64(s, 1), w2 = R64(s, 2), w3 = R64(s, 3);

			W64(d, 0) = w0;
			W64(d, 1) = w1;
			W64(d, 2) = w2;
			W64(d, 3) = w3;
			d += 32;
			s += 32;
			n -= 32;
		} while (n > 32);
	}
	move_small(d, s, n);
	return dst;
}

/* n > 32, dst above src: from the end down. The first 32 bytes are read before they are hit. */
static void move_backward(u8 *d, const u8 *s, size_t n)
{
	u64 h0 = R64(s, 0), h1 = R64(s, 1), h2 = R64(s, 2), h3 = R64(s, 3);
	u8 *first = d;

	for (d += n, s += n; n > 32; n -= 32) {
		d -= 32;
		s -= 32;
		u64 w0 = R64(s, 0), w1 = R64(s, 1), w2 = R64(s, 2), w3 = R64(s, 3);

		W64(d, 0) = w0;
		W64(d, 1) = w1;
		W64(d, 2) = w2;
		W64(d, 3) = w3;
	}
	W64(first, 0) = h0;
	W64(first, 1) = h1;
	W64(first, 2) = h2;
	W64(first, 3) = h3;
}

/* n > 32, dst below src. The last 32 bytes are read before they are hit. */
static void move_forward(u8 *d, const u8 *s, size_t n)
{
	const u8 *end = s + n - 32;
	u64 t0 = R64(end, 0), t1 = R64(end, 1), t2 = R64(end, 2), t3 = R64(end, 3);
	u8 *last = d + n - 32;

	for (; n > 32; n -= 32) {
		u64 w0 = R64(s, 0), w1 = R64(s, 1), w2 = R64(s, 2), w3 = R64(s, 3);

		W64(d, 0) = w0;
		W64(d, 1) = w1;
		W64(d, 2) = w2;
		W64(d, 3) = w3;
		d += 32;
		s += 32;
	}
	W64(last, 0) = t0;
	W64(last, 1) = t1;
	W64(last, 2) = t2;
	W64(last, 3) = t3;
}

void *memmove(void *dst, const void *src, size_t n)
{
	kasan_check_read(src, n);
	kasan_check_write(dst, n);
	if (n <= 32)
		move_small(dst, src, n);
	else if ((uintptr_t)dst - (uintptr_t)src >= n)
		move_forward(dst, src, n); /* below src, or clear of it */
	else
		move_backward(dst, src, n);
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	u64 w = (u8)c * 0x0101010101010101ul;
	u8 *d = dst;

	kasan_check_write(dst, n);
	for (; n >= 64; n -= 64, d += 64) {
		W64(d, 0) = w;
		W64(d, 1) = w;
		W64(d, 2) = w;
		W64(d, 3) = w;
		W64(d, 4) = w;
		W64(d, 5) = w;
		W64(d, 6) = w;
		W64(d, 7) = w;
	}
	for (; n >= 8; n -= 8, d += 8)
		W64(d, 0) = w;
	if (n >= 4) {
		*(word32 *)d = (u32)w;
		*(word32 *)(d + n - 4) = (u32)w;
	} else if (n) {
		d[0] = (u8)w;
		d[n / 2] = (u8)w;
		d[n - 1] = (u8)w;
	}
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *p = a, *q = b;

	kasan_check_read(a, n);
	kasan_check_read(b, n);
	for (; n >= 8; n -= 8, p += 8, q += 8) {
		u64 x = R64(p, 0), y = R64(q, 0);

		if (x == y)
			continue;
		/* The first byte in memory is the lowest: swapped, it weighs the most. */
		return __builtin_bswap64(x) < __builtin_bswap64(y) ? -1 : 1;
	}
	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	const u8 *p = s;

	for (; n; n--, p++)
		if (*p == (u8)c)
			return (void *)p;
	return NULL;
}

size_t strlen(const char *s)
{
	const char *p = s;

	while (*p)
		p++;
	kasan_check_read(s, (size_t)(p - s) + 1);
	return (size_t)(p - s);
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	kasan_check_read(s, n < max ? n + 1 : n);
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++) {
		if (*a != *b)
			return (u8)*a - (u8)*b;
		if (!*a)
			break;
	}
	return 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)s;
		if (!*s)
			return NULL;
	}
}

char *strrchr(const char *s, int c)
{
	const char *found = NULL;

	for (;; s++) {
		if (*s == (char)c)
			found = s;
		if (!*s)
			return (char *)found;
	}
}

char *strstr(const char *s, const char *needle)
{
	size_t n = strlen(needle);

	if (!n)
		return (char *)s;
	for (; (s = strchr(s, needle[0])); s++)
		if (!strncmp(s, needle, n))
			return (char *)s;
	return NULL;
}

ssize_t strscpy(char *dst, const char *src, size_t size)
{
	size_t n;

	if (!size)
		return -E2BIG;
	n = strnlen(src, size);
	if (n < size) {
		memcpy(dst, src, n + 1);
		return (ssize_t)n;
	}
	memcpy(dst, src, size - 1);
	dst[size - 1] = 0;
	return -E2BIG;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* Skips "0x" or "0" where the base allows it; the base that then holds. */
static int parse_prefix(const char **s, int base)
{
	const char *p = *s;

	if ((base == 0 || base == 16) && p[0] == '0' && (p[1] | 0x20) == 'x' &&
	    digit_value(p[2]) < 16) {
		*s = p + 2;
		return 16;
	}
	if (base)
		return base;
	return p[0] == '0' ? 8 : 10;
}

/* One newline at the end is forgiven: the text may come from a write to /proc. */
int kstrtoul(const char *s, int base, unsigned long *out)
{
	unsigned long v = 0;

	if (*s == '+')
		s++;
	base = parse_prefix(&s, base);
	if (digit_value(*s) >= base)
		return -EINVAL;
	for (; digit_value(*s) < base; s++)
		if (__builtin_mul_overflow(v, (unsigned long)base, &v) ||
		    __builtin_add_overflow(v, (unsigned long)digit_value(*s), &v))
			return -ERANGE;
	if (*s == '\n')
		s++;
	if (*s)
		return -EINVAL;
	*out = v;
	return 0;
}
