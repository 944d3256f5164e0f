/* What the files of the address sanitizer share: the shadow, its codes, and what lies behind objects. */
#pragma once

#include "kernel/debug/kasan.h"
#include "kernel/mm/page.h"

#define SHADOW_SHIFT  3 /* a byte of shadow stands for a granule of eight */
#define GRANULE       8ul
#define SHADOW_OFFSET 0xdffffc0000000000ul /* boot/build.mk tells the compiler the same */
#define KERNEL_HALF   0xffff800000000000ul /* below: user addresses and none at all */
#define SHADOW_START  0xffffec0000000000ul /* the shadow of KERNEL_HALF */
#define SHADOW_END    0xfffffc0000000000ul

/*
 * A byte of shadow: 0, all eight bytes are good; 1 to 7, so many of the first are; from 0x80 on, none
 * is, and why. Those from 0xf1 to 0xf3 and 0xf8 are the compiler's own.
 */
enum shadow_code {
	SHADOW_STACK_LEFT = 0xf1,
	SHADOW_STACK_MID = 0xf2,
	SHADOW_STACK_RIGHT = 0xf3,
	SHADOW_STACK_FREE = 0xf5,  /* a kernel stack that no task has */
	SHADOW_VMALLOC = 0xf6,     /* behind a vmalloc area, or in one that was freed */
	SHADOW_STACK_SCOPE = 0xf8, /* a local variable whose block was left */
	SHADOW_GLOBAL = 0xf9,
	SHADOW_SLAB_FREE = 0xfb,
	SHADOW_REDZONE = 0xfc,      /* between the objects of a slab */
	SHADOW_PAGE_REDZONE = 0xfe, /* behind a kmalloc() of whole pages */
	SHADOW_PAGE_FREE = 0xff,
};

static inline u8 *shadow_of(u64 addr)
{
	return (u8 *)((addr >> SHADOW_SHIFT) + SHADOW_OFFSET);
}

static inline u64 shadow_to_addr(u64 shadow)
{
	return (shadow - SHADOW_OFFSET) << SHADOW_SHIFT;
}

extern bool kasan_ready; /* the shadow tells the truth */

/* Whole granules from @start on get @code. */
void kasan_poison(u64 start, u64 bytes, u8 code);
/* Exactly @bytes from @start on are good: the last granule perhaps in part. */
void kasan_unpoison(u64 start, u64 bytes);

/* What the compiler tells of each global variable; its ABI (GCC's asan.c, "asan_global"). */
struct asan_global {
	u64 start, size, size_with_redzone;
	const char *name, *file;
	u64 has_dynamic_init;
	void *location;
	u64 odr_indicator;
};
const struct asan_global *kasan_find_global(u64 addr);

/* ---- kasan_slab.c ---- */

#define TRACK_FRAMES 8

/* Who it was: return addresses as distances from _text, so that they fit a word. */
struct track {
	int pid;              /* -1: nobody yet */
	u32 pc[TRACK_FRAMES]; /* 0 ends it early */
};

/* The redzone behind every object of a slab holds this. */
struct object_meta {
	struct track alloc, free;
	u64 size;   /* bytes asked for */
	void *next; /* in quarantine: the next younger object */
};

struct object_meta *kasan_meta(const struct kmem_cache *c, const void *obj);

/* Reports and stops. @ip is the code to blame. Returns only before kasan_init() and while reporting. */
void kasan_report(u64 addr, size_t size, bool write, u64 ip);
void kasan_report_free(const void *p, u64 ip); /* a second free, or one of no object */
