/* Initcalls and the command line; see init.h. Both are read after boot without a lock. */
#include "kernel/lib/init.h"

#include "kernel/cpu/boot_info.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/mm/page.h"

extern const initcall_t __initcall0_start[], __initcall1_start[], __initcall2_start[],
	__initcall3_start[], __initcall4_start[], __initcall5_start[], __initcall_end[];

/* Level n is levels[n] up to levels[n + 1]. */
static const initcall_t *const levels[LAST_INITCALL_LEVEL + 2] = {
	__initcall0_start, __initcall1_start, __initcall2_start, __initcall3_start,
	__initcall4_start, __initcall5_start, __initcall_end,
};

static char command_line[sizeof(((struct boot_info *)0)->cmdline)];

const void *initramfs_start;
size_t initramfs_size;

void do_initcalls(int first, int last)
{
	for (const initcall_t *c = levels[first]; c < levels[last + 1]; c++) {
		int err = (*c)();

		if (err)
			printk("%pS: error %d\n", (void *)*c, err);
	}
}

void cmdline_init(const struct boot_info *bi)
{
	strscpy(command_line, bi->cmdline, sizeof(command_line));
	initramfs_start = bi->initrd_size ? phys_to_virt(bi->initrd) : NULL;
	initramfs_size = bi->initrd_size;
}

const char *cmdline(void)
{
	return command_line;
}

/* The end of the word at @p: a space that is not between quotes, or the end of the line. */
static const char *word_end(const char *p)
{
	bool quoted = false;

	for (; *p && (quoted || *p != ' '); p++)
		if (*p == '"')
			quoted = !quoted;
	return p;
}

/* Copies [from, to) without quotes. */
static void copy_value(char *buf, size_t size, const char *from, const char *to)
{
	size_t n = 0;

	for (; from < to && n + 1 < size; from++)
		if (*from != '"')
			buf[n++] = *from;
	if (size)
		buf[n] = '\0';
}

bool cmdline_get(const char *key, char *buf, size_t size)
{
	size_t len = strlen(key);

	for (const char *p = command_line; *p;) {
		const char *end = word_end(p);

		if (!strncmp(p, key, len) && p + len <= end) {
			if (p + len == end) {
				copy_value(buf, size, end, end);
				return true;
			}
			if (p[len] == '=') {
				copy_value(buf, size, p + len + 1, end);
				return true;
			}
		}
		p = *end ? end + 1 : end;
	}
	return false;
}

u64 cmdline_get_u64(const char *key, u64 otherwise)
{
	char text[32];
	unsigned long v;

	if (!cmdline_get(key, text, sizeof(text)) || kstrtoul(text, 0, &v))
		return otherwise;
	return v;
}
