/*
 * printf for the kernel. The whole of it turns one conversion after the other into bytes of a
 * struct out, which counts everything and stores what fits, so that vsnprintf() can say how long
 * the text would have been.
 *
 * No allocation, no locks, no floating point: it may be called in any context, from panic() too.
 */
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/lib/symbols.h"

struct out {
	char *buf;
	size_t size; /* of buf, with room for the NUL */
	size_t len;  /* bytes produced, stored or not */
};

enum flag {
	F_LEFT = 1,   /* '-' */
	F_PLUS = 2,   /* '+' */
	F_SPACE = 4,  /* ' ' */
	F_ALT = 8,    /* '#' */
	F_ZERO = 16,  /* '0' */
	F_UPPER = 32, /* %X */
	F_SIGNED = 64 /* %d, %i */
};

/* One conversion. */
struct spec {
	int flags;
	int width;
	int prec; /* -1: none given */
	int base;
};

static void emit(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void emit_repeat(struct out *o, char c, int n)
{
	for (; n > 0; n--)
		emit(o, c);
}

static void emit_bytes(struct out *o, const char *s, size_t n)
{
	size_t room = o->len + 1 < o->size ? o->size - 1 - o->len : 0;

	memcpy(o->buf + o->len, s, min(n, room));
	o->len += n;
}

/* Text of @n bytes in its field. */
static void emit_field(struct out *o, const struct spec *sp, const char *s, size_t n)
{
	int pad = sp->width > (int)n ? sp->width - (int)n : 0;

	if (!(sp->flags & F_LEFT))
		emit_repeat(o, ' ', pad);
	emit_bytes(o, s, n);
	if (sp->flags & F_LEFT)
		emit_repeat(o, ' ', pad);
}

static void emit_string(struct out *o, const struct spec *sp, const char *s)
{
	if (!s)
		s = "(null)";
	emit_field(o, sp, s, sp->prec < 0 ? strlen(s) : strnlen(s, (size_t)sp->prec));
}

/* Digits of @v, last one first; how many. At most 64, with base 2. */
static int digits_of(char *rev, u64 v, int base, bool upper)
{
	const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	int n = 0;

	/* Division by a constant is a multiplication. */
	if (base == 10)
		for (; v; v /= 10)
			rev[n++] = (char)('0' + v % 10);
	else if (base == 16)
		for (; v; v >>= 4)
			rev[n++] = set[v & 15];
	else
		for (; v; v >>= 3)
			rev[n++] = set[v & 7];
	return n;
}

/* The sign, or the mark of the base, that goes before the zeroes. */
static const char *number_prefix(const struct spec *sp, bool negative, u64 v)
{
	if (negative)
		return "-";
	if (sp->flags & F_SIGNED)
		return sp->flags & F_PLUS ? "+" : sp->flags & F_SPACE ? " " : "";
	if ((sp->flags & F_ALT) && sp->base == 16 && v)
		return sp->flags & F_UPPER ? "0X" : "0x";
	return "";
}

static void emit_number(struct out *o, const struct spec *sp, u64 v)
{
	bool negative = (sp->flags & F_SIGNED) && (s64)v < 0;
	const char *prefix;
	char rev[24];
	int n, zeroes, pad;

	if (negative)
		v = 0 - v;
	prefix = number_prefix(sp, negative, v);
	n = digits_of(rev, v, sp->base, sp->flags & F_UPPER);

	zeroes = (sp->prec < 0 ? 1 : sp->prec) - n;
	if (sp->base == 8 && (sp->flags & F_ALT) && zeroes < 1)
		zeroes = 1;
	zeroes = max(zeroes, 0);
	pad = sp->width - n - zeroes - (int)strlen(prefix);
	if ((sp->flags & F_ZERO) && !(sp->flags & F_LEFT) && sp->prec < 0 && pad > 0) {
		zeroes += pad;
		pad = 0;
	}

	if (!(sp->flags & F_LEFT))
		emit_repeat(o, ' ', pad);
	emit_bytes(o, prefix, strlen(prefix));
	emit_repeat(o, '0', zeroes);
	while (n)
		emit(o, rev[--n]);
	if (sp->flags & F_LEFT)
		emit_repeat(o, ' ', pad);
}

/* %p and the kernel's own kinds of pointer. Returns how many letters after the p belong to it. */
static int emit_pointer(struct out *o, struct spec *sp, const char *kind, const void *p)
{
	const u8 *b = p;
	char text[128];
	int n;

	if (kind[0] == 'S') {
		n = symbol_format(text, sizeof(text), (u64)p);
		emit_field(o, sp, text, (size_t)clamp(n, 0, (int)sizeof(text) - 1));
		return 1;
	}
	if (kind[0] == 'I' && kind[1] == '4') {
		n = scnprintf(text, sizeof(text), "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
		emit_field(o, sp, text, (size_t)n);
		return 2;
	}
	if (kind[0] == 'M') {
		n = scnprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2],
			      b[3], b[4], b[5]);
		emit_field(o, sp, text, (size_t)n);
		return 1;
	}
	n = scnprintf(text, sizeof(text), "0x%lx", (unsigned long)p);
	emit_field(o, sp, text, (size_t)n);
	return 0;
}

static const char *parse_flags(const char *f, struct spec *sp)
{
	static const char chars[] = "-+ #0";

	for (; *f; f++) {
		const char *at = strchr(chars, *f);

		if (!at)
			break;
		sp->flags |= 1 << (at - chars);
	}
	return f;
}

static const char *parse_number(const char *f, int *out)
{
	int v = 0;

	for (; *f >= '0' && *f <= '9'; f++)
		v = v < 100000 ? v * 10 + (*f - '0') : v;
	*out = v;
	return f;
}

enum length { L_CHAR, L_SHORT, L_INT, L_LONG };

/* hh h l ll z t j */
static const char *parse_length(const char *f, enum length *len)
{
	*len = L_INT;
	if (*f == 'h') {
		*len = f[1] == 'h' ? L_CHAR : L_SHORT;
		return f + (f[1] == 'h' ? 2 : 1);
	}
	if (*f == 'l' || *f == 'z' || *f == 't' || *f == 'j') {
		*len = L_LONG;
		return f + (f[0] == 'l' && f[1] == 'l' ? 2 : 1);
	}
	return f;
}

/* Cuts the argument to the length that was named, with or without its sign. */
static u64 narrow(u64 v, enum length len, bool is_signed)
{
	switch (len) {
	case L_CHAR:
		return is_signed ? (u64)(s8)v : (u8)v;
	case L_SHORT:
		return is_signed ? (u64)(s16)v : (u16)v;
	case L_INT:
		return is_signed ? (u64)(s32)v : (u32)v;
	default:
		return v;
	}
}

static void set_base(struct spec *sp, char conv)
{
	sp->base = conv == 'o' ? 8 : (conv | 0x20) == 'x' ? 16 : 10;
	if (conv == 'X')
		sp->flags |= F_UPPER;
	if (conv == 'd' || conv == 'i')
		sp->flags |= F_SIGNED;
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out o = {buf, size, 0};
	va_list ap;

	va_copy(ap, args);
	while (*fmt) {
		struct spec sp = {.prec = -1};
		enum length len;
		char c;
		u64 v;

		if (*fmt != '%') {
			emit(&o, *fmt++);
			continue;
		}
		fmt = parse_flags(fmt + 1, &sp);
		if (*fmt == '*') {
			sp.width = va_arg(ap, int);
			if (sp.width < 0) {
				sp.flags |= F_LEFT;
				sp.width = -sp.width;
			}
			fmt++;
		} else {
			fmt = parse_number(fmt, &sp.width);
		}
		if (*fmt == '.' && fmt[1] == '*') {
			sp.prec = va_arg(ap, int);
			fmt += 2;
		} else if (*fmt == '.') {
			fmt = parse_number(fmt + 1, &sp.prec);
		}
		fmt = parse_length(fmt, &len);

		c = *fmt;
		if (!c)
			break;
		fmt++;
		switch (c) {
		case 'd':
		case 'i':
		case 'u':
		case 'x':
		case 'X':
		case 'o':
			set_base(&sp, c);
			v = len == L_LONG ? va_arg(ap, u64) : va_arg(ap, u32);
			emit_number(&o, &sp, narrow(v, len, sp.flags & F_SIGNED));
			break;
		case 'c':
			c = (char)va_arg(ap, int);
			emit_field(&o, &sp, &c, 1);
			break;
		case 's':
			emit_string(&o, &sp, va_arg(ap, const char *));
			break;
		case 'p':
			fmt += emit_pointer(&o, &sp, fmt, va_arg(ap, const void *));
			break;
		case '%':
			emit(&o, '%');
			break;
		default: /* unknown: as it stands, so that the mistake shows */
			emit(&o, '%');
			emit(&o, c);
		}
	}
	va_end(ap);
	if (size)
		buf[min(o.len, size - 1)] = 0;
	return (int)o.len;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	if (!size)
		return 0;
	return n < (int)size ? n : (int)size - 1;
}
