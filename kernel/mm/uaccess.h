/*
 * User memory. Only these functions follow a __user pointer: they check that it lies below
 * USER_TOP, open the SMAP gate (stac) for the move itself, and survive a fault through the table
 * of __ex_table entries. Process context, no spinlock held: a fault may sleep. (With a spinlock
 * held, or interrupts off, a page that is not there counts as a bad address.)
 */
#pragma once

#include "kernel/abi/errno.h"
#include "kernel/mm/page.h"

static inline bool access_ok(const void __user *p, size_t n)
{
	return n <= USER_TOP && (u64)p <= USER_TOP - n;
}

/* The number of bytes that could NOT be copied: 0 is success. */
size_t copy_from_user(void *dst, const void __user *src, size_t n) __must_check;
size_t copy_to_user(void __user *dst, const void *src, size_t n) __must_check;
size_t clear_user(void __user *dst, size_t n) __must_check;
/*
 * A structure of the caller's time, @size bytes of it: behind the @known ones a longer one must have
 * zeroes, a shorter one is filled up with them. 0, -EFAULT, -E2BIG.
 */
int copy_struct_from_user(void *dst, size_t known, const void __user *src, size_t size);
/* Length of the string without its NUL; -EFAULT; size if there was no NUL in the first @size. */
ssize_t strncpy_from_user(char *dst, const char __user *src, size_t size);

/*
 * The SMAP gate. As compiled, each of these is a three-byte no-op; uaccess_init() puts the
 * instruction there if the CPU has it.
 */
static __always_inline void stac(void)
{
	__asm__ volatile("771:\t.byte 0x0f, 0x1f, 0x00\n"
			 "\t.pushsection stac_sites, \"a\"\n\t.quad 771b\n\t.popsection" ::
				 : "memory");
}

static __always_inline void clac(void)
{
	__asm__ volatile("772:\t.byte 0x0f, 0x1f, 0x00\n"
			 "\t.pushsection clac_sites, \"a\"\n\t.quad 772b\n\t.popsection" ::
				 : "memory");
}

/* One move that may fault; %0 becomes -EFAULT then. */
#define __UACCESS_ASM(insn) \
	"1:\t" insn "\n2:\n" \
	"\t.pushsection .fixup, \"ax\"\n3:\tmovl $-14, %0\n\tjmp 2b\n\t.popsection\n" \
	"\t.pushsection __ex_table, \"a\"\n\t.quad 1b, 3b\n\t.popsection"

static __always_inline int __get_user(void *dst, const void __user *src, size_t size)
{
	u64 v = 0;
	int r = 0;

	if (size != 1 && size != 2 && size != 4 && size != 8)
		return copy_from_user(dst, src, size) ? -EFAULT : 0;
	if (unlikely(!access_ok(src, size)))
		return -EFAULT;
	stac();
	if (size == 1)
		__asm__ volatile(__UACCESS_ASM("movzbl %2, %k1")
				 : "+r"(r), "+r"(v)
				 : "m"(*(const u8 *)src));
	else if (size == 2)
		__asm__ volatile(__UACCESS_ASM("movzwl %2, %k1")
				 : "+r"(r), "+r"(v)
				 : "m"(*(const u16 *)src));
	else if (size == 4)
		__asm__ volatile(__UACCESS_ASM("movl %2, %k1")
				 : "+r"(r), "+r"(v)
				 : "m"(*(const u32 *)src));
	else
		__asm__ volatile(__UACCESS_ASM("movq %2, %1")
				 : "+r"(r), "+r"(v)
				 : "m"(*(const u64 *)src));
	clac();
	if (size == 1)
		*(u8 *)dst = (u8)v;
	else if (size == 2)
		*(u16 *)dst = (u16)v;
	else if (size == 4)
		*(u32 *)dst = (u32)v;
	else
		*(u64 *)dst = v;
	return r;
}

static __always_inline int __put_user(const void *src, void __user *dst, size_t size)
{
	int r = 0;

	if (size != 1 && size != 2 && size != 4 && size != 8)
		return copy_to_user(dst, src, size) ? -EFAULT : 0;
	if (unlikely(!access_ok(dst, size)))
		return -EFAULT;
	stac();
	if (size == 1)
		__asm__ volatile(__UACCESS_ASM("movb %b1, %2")
				 : "+r"(r)
				 : "q"(*(const u8 *)src), "m"(*(u8 *)dst)
				 : "memory");
	else if (size == 2)
		__asm__ volatile(__UACCESS_ASM("movw %w1, %2")
				 : "+r"(r)
				 : "r"(*(const u16 *)src), "m"(*(u16 *)dst)
				 : "memory");
	else if (size == 4)
		__asm__ volatile(__UACCESS_ASM("movl %k1, %2")
				 : "+r"(r)
				 : "r"(*(const u32 *)src), "m"(*(u32 *)dst)
				 : "memory");
	else
		__asm__ volatile(__UACCESS_ASM("movq %1, %2")
				 : "+r"(r)
				 : "r"(*(const u64 *)src), "m"(*(u64 *)dst)
				 : "memory");
	clac();
	return r;
}

/* One value, best of 1, 2, 4 or 8 bytes: 0 or -EFAULT. About 15 instructions, no call. */
#define get_user(x, ptr) \
	({ \
		u64 _raw[DIV_ROUND_UP(sizeof(*(ptr)), 8)]; \
		int _r = __get_user(_raw, (ptr), sizeof(*(ptr))); \
		if (!_r) \
			(x) = *(typeof(*(ptr)) *)_raw; \
		_r; \
	})
#define put_user(x, ptr) \
	({ \
		typeof(*(ptr)) _v = (x); \
		__put_user(&_v, (ptr), sizeof(_v)); \
	})

/* Atomic compare-and-exchange on a user word, for futexes: 0 (*old is what was there) or -EFAULT. */
int cmpxchg_user(u32 __user *p, u32 *old, u32 new);

/* Boot, while code may still be written: puts stac and clac in place, sorts the exception table. */
void uaccess_init(void);
