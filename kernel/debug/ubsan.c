/*
 * The undefined-behaviour sanitizer: the compiler checks shifts, signed arithmetic, indices, values
 * of bool and enum, and calls one of the functions below, with a description of the place and the
 * operands, where C leaves undefined what happens. Their names and the layouts of the descriptions
 * are the compiler's ABI (GCC's ubsan.c, libsanitizer/ubsan/ubsan_handlers.h).
 *
 * A report is a line, the call chain, and a panic; ubsan=report on the command line goes on after
 * the first two, once a place. Which checks are on, and which are not and why: boot/build.mk.
 *
 * LOCKING: none. The compiler's description of a place holds its line number, which is cleared when
 * it was reported; two CPUs may report the same place at once.
 */
#include "kernel/lib/atomic.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"

/* Called by the compiler only, so no header declares them. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

struct location {
	const char *file;
	u32 line, column;
};

struct type {
	u16 kind; /* TYPE_*; other values for what has no number */
	u16 info; /* integers: bit 0 signed, from bit 1 on log2 of the bits */
	char name[];
};
#define TYPE_INTEGER 0

/* What each family of checks tells. Integers come in a word; wider ones by address. */
struct overflow_data {
	struct location where;
	const struct type *type;
};
struct shift_data {
	struct location where;
	const struct type *left, *right;
};
struct bounds_data {
	struct location where;
	const struct type *array, *index;
};
struct mismatch_data {
	struct location where;
	const struct type *type;
	u8 log_alignment, access;
};
struct value_data {
	struct location where;
	const struct type *type;
};
struct place_data {
	struct location where;
};

static atomic_t reports = ATOMIC_INIT(0);

/* "value of type" into @buf. */
static const char *show(char *buf, size_t size, const struct type *t, u64 v)
{
	unsigned bits = 1u << (t->info >> 1);

	if (t->kind != TYPE_INTEGER || bits > 64)
		snprintf(buf, size, "%s", t->name);
	else if (t->info & 1)
		snprintf(buf, size, "%ld (%s)", (s64)(v << (64 - bits)) >> (64 - bits), t->name);
	else
		snprintf(buf, size, "%lu (%s)", bits == 64 ? v : v & ((1ul << bits) - 1), t->name);
	return buf;
}

/* True once a place. */
static bool first_time(struct location *where)
{
	return xchg(&where->line, 0) != 0;
}

static __printf(2, 3) void report(struct location *where, const char *fmt, ...)
{
	struct location l = *where;
	char what[192], mode[16] = "";
	va_list ap;

	if (!first_time(where))
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	atomic_inc(&reports);
	printk("==================================================================\n");
	printk("BUG: UBSAN: %s at %s:%u:%u\n", what, l.file, l.line, l.column);
	dump_stack();
	cmdline_get("ubsan", mode, sizeof(mode));
	if (strcmp(mode, "report"))
		panic("UBSAN: %s at %s:%u", what, l.file, l.line);
}

#define OVERFLOW(handler, what) \
	void __ubsan_handle_##handler(struct overflow_data *d, u64 a, u64 b) \
	{ \
		char x[64], y[64]; \
\
		report(&d->where, "signed integer overflow: %s " what " %s", \
		       show(x, sizeof(x), d->type, a), show(y, sizeof(y), d->type, b)); \
	}
OVERFLOW(add_overflow, "+")
OVERFLOW(sub_overflow, "-")
OVERFLOW(mul_overflow, "*")

void __ubsan_handle_negate_overflow(struct overflow_data *d, u64 a)
{
	char x[64];

	report(&d->where, "signed integer overflow: -(%s)", show(x, sizeof(x), d->type, a));
}

void __ubsan_handle_divrem_overflow(struct overflow_data *d, u64 a, u64 b)
{
	char x[64], y[64];

	report(&d->where, "division of %s by %s", show(x, sizeof(x), d->type, a),
	       show(y, sizeof(y), d->type, b));
}

void __ubsan_handle_shift_out_of_bounds(struct shift_data *d, u64 a, u64 b)
{
	char x[64], y[64];

	report(&d->where, "shift-out-of-bounds: %s by %s", show(x, sizeof(x), d->left, a),
	       show(y, sizeof(y), d->right, b));
}

void __ubsan_handle_out_of_bounds(struct bounds_data *d, u64 index)
{
	char x[64];

	report(&d->where, "array-index-out-of-bounds: %s in %s",
	       show(x, sizeof(x), d->index, index), d->array->name);
}

void __ubsan_handle_type_mismatch_v1(struct mismatch_data *d, u64 ptr)
{
	static const char *const accesses[] = {"load of", "store to", "reference to", "member of",
					       "member call of"};
	const char *access = d->access < ARRAY_SIZE(accesses) ? accesses[d->access] : "use of";
	u64 align = 1ul << d->log_alignment;

	if (!ptr)
		report(&d->where, "null pointer: %s %s", access, d->type->name);
	else if (ptr & (align - 1))
		report(&d->where, "misaligned: %s %s at %lx", access, d->type->name, ptr);
	else
		report(&d->where, "object-size: %s %s at %lx, which has no room for it", access,
		       d->type->name, ptr);
}

void __ubsan_handle_load_invalid_value(struct value_data *d, u64 v)
{
	report(&d->where, "invalid value %lu of %s", v & 0xff, d->type->name);
}

void __ubsan_handle_vla_bound_not_positive(struct value_data *d, u64 v)
{
	char x[64];

	report(&d->where, "array of length %s", show(x, sizeof(x), d->type, v));
}

void __ubsan_handle_builtin_unreachable(struct place_data *d)
{
	report(&d->where, "unreachable code reached");
}

void __ubsan_handle_missing_return(struct place_data *d)
{
	report(&d->where, "end of a function without its value");
}

/* ---- the count, for ubsan=report ---- */

static int ubsan_init(void)
{
	if (atomic_read(&reports))
		printk("ubsan: %d reports while booting\n", atomic_read(&reports));
	return 0;
}
late_initcall(ubsan_init);
