/*
 * The C half of user access: checks, the exception table, and the SMAP gate. The moves themselves
 * are in uaccess.asm.
 */
#include "kernel/mm/uaccess.h"

#include "kernel/cpu/features.h"
#include "kernel/debug/kasan.h"
#include "kernel/lib/string.h"
#include "kernel/mm/extable.h"

/* uaccess.asm. Addresses are checked by then; each opens and closes the gate. */
size_t copy_user_asm(void *dst, const void *src, size_t n);
size_t clear_user_asm(void *dst, size_t n);
ssize_t strncpy_user_asm(char *dst, const char *src, size_t n);
int cmpxchg_user_asm(u32 *p, u32 *old, u32 new);

size_t copy_from_user(void *dst, const void __user *src, size_t n)
{
	kasan_check_write(dst, n);
	return likely(access_ok(src, n)) ? copy_user_asm(dst, src, n) : n;
}

size_t copy_to_user(void __user *dst, const void *src, size_t n)
{
	kasan_check_read(src, n);
	return likely(access_ok(dst, n)) ? copy_user_asm(dst, src, n) : n;
}

size_t clear_user(void __user *dst, size_t n)
{
	return likely(access_ok(dst, n)) ? clear_user_asm(dst, n) : n;
}

int copy_struct_from_user(void *dst, size_t known, const void __user *src, size_t size)
{
	char c;

	if (size > PAGE_SIZE)
		return -E2BIG;
	for (size_t i = known; i < size; i++) {
		if (get_user(c, (const char __user *)src + i))
			return -EFAULT;
		if (c)
			return -E2BIG;
	}
	memset(dst, 0, known);
	return copy_from_user(dst, src, min(size, known)) ? -EFAULT : 0;
}

ssize_t strncpy_from_user(char *dst, const char __user *src, size_t size)
{
	size_t max;
	ssize_t n;

	if ((u64)src >= USER_TOP)
		return -EFAULT;
	max = min(size, USER_TOP - (u64)src);
	kasan_check_write(dst, max);
	n = strncpy_user_asm(dst, src, max);
	/* A string that runs into the end of user memory has no end. */
	return n == (ssize_t)max && max < size ? -EFAULT : n;
}

int cmpxchg_user(u32 __user *p, u32 *old, u32 new)
{
	if (!access_ok(p, sizeof(*p)))
		return -EFAULT;
	return cmpxchg_user_asm(p, old, new);
}

/* ---- the exception table ---- */

struct ex_entry {
	u64 insn, fixup;
};

extern struct ex_entry __ex_table_start[], __ex_table_end[];

/* Almost sorted as linked. */
static __init void sort_table(void)
{
	for (struct ex_entry *e = __ex_table_start; e < __ex_table_end; e++) {
		struct ex_entry key = *e, *at = e;

		for (; at > __ex_table_start && at[-1].insn > key.insn; at--)
			*at = at[-1];
		if (at != e)
			*at = key;
	}
}

static const struct ex_entry *find_entry(u64 rip)
{
	const struct ex_entry *lo = __ex_table_start, *hi = __ex_table_end;

	while (lo < hi) {
		const struct ex_entry *mid = lo + (hi - lo) / 2;

		if (mid->insn == rip)
			return mid;
		if (mid->insn < rip)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

bool has_fixup(u64 rip)
{
	return find_entry(rip) != NULL;
}

bool fixup_exception(struct pt_regs *regs)
{
	const struct ex_entry *e = find_entry(regs->rip);

	if (!e)
		return false;
	regs->rip = e->fixup;
	return true;
}

/* ---- the gate ---- */

/* The linker makes these for a section whose name is a C identifier. */
extern u8 *__start_stac_sites[], *__stop_stac_sites[];
extern u8 *__start_clac_sites[], *__stop_clac_sites[];

__init void uaccess_init(void)
{
	sort_table();
	if (!cpu_has_smap)
		return;
	/* 0f 01 cb is stac, 0f 01 ca is clac (Intel SDM volume 2). */
	for (u8 **s = __start_stac_sites; s < __stop_stac_sites; s++)
		memcpy(*s, "\x0f\x01\xcb", 3);
	for (u8 **s = __start_clac_sites; s < __stop_clac_sites; s++)
		memcpy(*s, "\x0f\x01\xca", 3);
}
