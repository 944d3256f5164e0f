/* What every other room stands on: memory moves, strings, printf, lists. */
#include "kernel/abi/errno.h"
#include "kernel/lib/ktest.h"
#include "kernel/lib/list.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/lib/sysctl.h"

/* ---- moves against the obvious loop ---- */

#define ROOM 256

static void fill(u8 *p, u64 *seed)
{
	for (int i = 0; i < ROOM; i++)
		p[i] = (u8)ktest_rand(seed);
}

static bool same(const u8 *a, const u8 *b)
{
	for (int i = 0; i < ROOM; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* What memmove must do, byte by byte in the safe direction. */
static void slow_move(u8 *d, const u8 *s, size_t n)
{
	volatile u8 *to = d;

	if (d < s)
		for (size_t i = 0; i < n; i++)
			to[i] = s[i];
	else
		while (n--)
			to[n] = s[n];
}

KTEST(lib_memmove)
{
	static u8 a[ROOM], b[ROOM];
	u64 seed = 1;

	for (int i = 0; i < 20000; i++) {
		size_t n = ktest_rand(&seed) % 100, from = ktest_rand(&seed) % 150,
		       to = ktest_rand(&seed) % 150;

		if (i % 64 == 0) {
			fill(a, &seed);
			slow_move(b, a, ROOM);
		}
		memmove(a + to, a + from, n);
		slow_move(b + to, b + from, n);
		EXPECT(same(a, b));
	}
}

KTEST(lib_memcpy_memset)
{
	static u8 a[ROOM], b[ROOM], src[ROOM];
	u64 seed = 2;

	fill(src, &seed);
	for (size_t n = 0; n <= 160; n++) {
		for (size_t at = 0; at < 9; at++) {
			memcpy(a + at, src + 3, n);
			slow_move(b + at, src + 3, n);
			EXPECT(same(a, b));
			memset(a + 80 + at, (int)n, n);
			for (size_t i = 0; i < n; i++)
				((volatile u8 *)b)[80 + at + i] = (u8)n;
			EXPECT(same(a, b));
		}
	}
}

KTEST(lib_memcmp)
{
	u8 a[40], b[40];

	memset(a, 7, sizeof(a));
	memset(b, 7, sizeof(b));
	EXPECT(memcmp(a, b, sizeof(a)) == 0);
	for (int i = 0; i < 40; i++) {
		b[i] = 200;
		EXPECT(memcmp(a, b, (size_t)i) == 0);
		EXPECT(memcmp(a, b, sizeof(a)) < 0);
		EXPECT(memcmp(b, a, sizeof(a)) > 0);
		b[i] = 7;
	}
	EXPECT(memchr("abcabc", 'c', 2) == NULL);
}

KTEST(lib_string)
{
	const char *path = "/a/b/c";
	char buf[8];
	unsigned long v;

	EXPECT(strlen("") == 0 && strlen("abc") == 3 && strnlen("abc", 2) == 2);
	EXPECT(strcmp("abc", "abd") < 0 && strcmp("ab", "a") > 0 && !strcmp("x", "x"));
	EXPECT(!strncmp("abcd", "abxx", 2) && strncmp("abcd", "abxx", 3) < 0);
	EXPECT(strchr(path, 'b') == path + 3 && strrchr(path, '/') == path + 4);
	EXPECT(strchr(path, 0) == path + 6 && !strchr(path, 'z'));
	EXPECT(strstr(path, "b/c") == path + 3 && !strstr(path, "c/"));
	EXPECT(strscpy(buf, "1234567", 8) == 7 && !strcmp(buf, "1234567"));
	EXPECT(strscpy(buf, "12345678", 8) == -E2BIG && !strcmp(buf, "1234567"));
	EXPECT(kstrtoul("0x10", 0, &v) == 0 && v == 16);
	EXPECT(kstrtoul("010", 0, &v) == 0 && v == 8);
	EXPECT(kstrtoul("18446744073709551615\n", 10, &v) == 0 && v == ~0ul);
	EXPECT(kstrtoul("18446744073709551616", 10, &v) == -ERANGE);
	EXPECT(kstrtoul("", 0, &v) == -EINVAL && kstrtoul("1x", 0, &v) == -EINVAL);
}

/* ---- numbers below /proc/sys ---- */

KTEST(sysctl)
{
	int v[3] = {7, 4, -1};
	s64 wide = 0;
	struct seq s = {0};
	bool same;

	EXPECT(!sysctl_store("12", v, sizeof(int), 3, -5, 100) && v[0] == 12 && v[1] == 4);
	EXPECT(!sysctl_store(" 0x10\t010  -5 ", v, sizeof(int), 3, -5, 100));
	EXPECT(v[0] == 16 && v[1] == 8 && v[2] == -5);
	EXPECT(sysctl_store("1 101", v, sizeof(int), 3, -5, 100) == -EINVAL && v[0] == 16);
	EXPECT(sysctl_store("1 -6", v, sizeof(int), 3, -5, 100) == -EINVAL && v[0] == 16);
	EXPECT(sysctl_store("", v, sizeof(int), 3, -5, 100) == -EINVAL);
	EXPECT(sysctl_store("1x", v, sizeof(int), 3, -5, 100) == -EINVAL);
	EXPECT(sysctl_store("9223372036854775808", &wide, 8, 1, 0, INT64_MAX) == -EINVAL);
	EXPECT(!sysctl_store("9223372036854775807", &wide, 8, 1, 0, INT64_MAX));
	EXPECT(wide == INT64_MAX);
	sysctl_show(&s, v, sizeof(int), 3);
	same = s.len == 8 && !memcmp(s.buf, "16\t8\t-5\n", 8);
	seq_free(&s);
	EXPECT(same);
}

/* ---- printf ---- */

static char text[96];

static bool prints(const char *want, const char *fmt, ...) __printf(2, 3);
static bool prints(const char *want, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return n == (int)strlen(want) && !strcmp(text, want);
}

KTEST(lib_printf)
{
	static const u8 ip[] = {10, 0, 2, 15}, mac[] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

	EXPECT(prints("-42 42 2a 2A 52", "%d %u %x %X %o", -42, 42, 42, 42, 42));
	EXPECT(prints("   42|42   |00042|+42", "%5d|%-5d|%05d|%+d", 42, 42, 42, 42));
	EXPECT(prints("-9223372036854775808", "%ld", (long)(1ul << 63)));
	EXPECT(prints("-56 255", "%hhd %hhu", 200, 255));
	EXPECT(prints("0x2a 0", "%#x %#x", 42, 0));
	EXPECT(prints("00042|   042", "%.5d|%6.3d", 42, 42));
	EXPECT(prints("abc|  abc|abc  |ab", "%s|%5s|%-5s|%.2s", "abc", "abc", "abc", "abc"));
	EXPECT(prints("x|    x|100%", "%c|%*c|%d%%", 'x', 5, 'x', 100));
	EXPECT(prints("10.0.2.15 52:54:00:12:34:56", "%pI4 %pM", ip, mac));
	EXPECT(prints("0xff", "%p", (void *)255));
	/* Too long: as much as fits, and the length it would have had. */
	EXPECT(snprintf(text, 4, "%s", "abcdef") == 6 && !strcmp(text, "abc"));
	EXPECT(scnprintf(text, 4, "%s", "abcdef") == 3);
	EXPECT(snprintf(NULL, 0, "%d", 12345) == 5);
}

/* ---- lists ---- */

struct node {
	int v;
	struct list_head link;
};

/* The values in order, as digits of a decimal number. */
static int digits(struct list_head *h)
{
	struct node *n;
	int v = 0;

	list_for_each_entry(n, h, link)
		v = v * 10 + n->v;
	return v;
}

KTEST(lib_list)
{
	struct node n[6], *pos, *next;
	LIST_HEAD(a);
	LIST_HEAD(b);

	for (int i = 0; i < 6; i++)
		n[i].v = i + 1;
	EXPECT(list_empty(&a) && !list_first_entry_or_null(&a, struct node, link));
	list_add_tail(&n[0].link, &a);
	list_add_tail(&n[1].link, &a);
	list_add(&n[2].link, &a);
	EXPECT(digits(&a) == 312);
	list_move_tail(&n[2].link, &a);
	EXPECT(digits(&a) == 123 && list_last_entry(&a, struct node, link) == &n[2]);
	list_del_init(&n[1].link);
	EXPECT(digits(&a) == 13 && list_empty(&n[1].link));

	list_add_tail(&n[3].link, &b);
	list_add_tail(&n[4].link, &b);
	list_splice_tail_init(&b, &a);
	EXPECT(digits(&a) == 1345 && list_empty(&b));
	list_add(&n[5].link, &b);
	list_splice_init(&b, &a);
	EXPECT(digits(&a) == 61345 && list_empty(&b));
	list_splice_init(&b, &a);
	EXPECT(digits(&a) == 61345);

	list_for_each_entry_safe(pos, next, &a, link)
		if (pos->v % 2)
			list_del(&pos->link);
	EXPECT(digits(&a) == 64);
}
