/*
 * The kernel address sanitizer, seen from the rooms whose memory it watches: what they tell it when
 * memory is given out and taken back. Without SAN=1 each of these is nothing. README.md has the
 * concept.
 */
#pragma once

#include "kernel/lib/types.h"

struct kmem_cache;
struct pt_regs;

/* Keeps the compiler's checks out of one function: for loops over whole pages. */
#ifdef SAN
#define __no_kasan __attribute__((no_sanitize_address))
#else
#define __no_kasan
#endif

#ifdef SAN

/* ---- boot (kernel/mm/init.c) ---- */

/* Puts the shadow that boot/entry.asm made, one page that reads as "all good", into a new PML4. */
void kasan_map_early(u64 *pgd);
/* Real shadow for [start, end) of the direct map or the image, from @alloc (pages, not cleared). */
void kasan_init_range(u64 start, u64 end, void *(*alloc)(u64 bytes));
/* From here on everything is checked. */
void kasan_init(void *(*alloc)(u64 bytes));

/* ---- accesses that the compiler does not see ---- */

/* @n bytes from @p must be good to read or to write. */
void kasan_check_read(const volatile void *p, size_t n);
void kasan_check_write(const volatile void *p, size_t n);

/* ---- pages ---- */

void kasan_free_pages(const void *va, unsigned order);
void kasan_alloc_pages(const void *va, unsigned order);

/* ---- slab ---- */

/* Bytes that a cache has to reserve for an object of @size bytes and its redzone. */
size_t kasan_slab_size(size_t size);
/* A new slab: nothing in it may be touched. */
void kasan_poison_slab(const void *va, size_t bytes);
/* @obj has left the cache @c for a caller. */
void kasan_slab_alloc(const struct kmem_cache *c, void *obj);
/* Only the first @size bytes were asked for. @obj may be NULL; returns it. */
void *kasan_kmalloc(void *obj, size_t size, size_t room);
/* What was asked for at kasan_kmalloc(), instead of the @room there would be. */
size_t kasan_ksize(const void *obj, size_t room);
/*
 * @obj comes back. True: it stays in quarantine, and slab_put() is called later; false: free it now.
 * Reports a second free. Any context.
 */
bool kasan_slab_free(struct kmem_cache *c, void *obj);
/* Empties the quarantine. Any context. */
void kasan_drain(void);

/* ---- virtually contiguous memory (vmalloc.c, kstack.c) ---- */

/* Makes shadow for [start, start + bytes), whole pages; 0 or -ENOMEM. Process context, or boot. */
int kasan_populate(u64 start, u64 bytes);
u64 kasan_shadow_pages(void); /* that it has taken; it keeps them */
/* The first @size bytes may be used, the rest of the last page not. */
void kasan_vmalloc(const void *p, size_t size);
void kasan_vfree(const void *p, size_t bytes);
/* A stack is clean when a task gets it, and only its first word is used while it lies in a list. */
void kasan_stack_alloc(const void *stack, size_t bytes);
void kasan_stack_free(const void *stack, size_t bytes);

/* ---- faults ---- */

/* Says in a line what an access to the shadow at @shadow, which does not exist, was about. */
void kasan_explain_fault(u64 shadow);
/* The same for a general protection fault. */
void kasan_explain_gp(const struct pt_regs *regs);

#else

static inline void kasan_map_early(u64 *pgd)
{
}
static inline void kasan_init_range(u64 start, u64 end, void *(*alloc)(u64))
{
}
static inline void kasan_init(void *(*alloc)(u64))
{
}
static inline void kasan_check_read(const volatile void *p, size_t n)
{
}
static inline void kasan_check_write(const volatile void *p, size_t n)
{
}
static inline void kasan_free_pages(const void *va, unsigned order)
{
}
static inline void kasan_alloc_pages(const void *va, unsigned order)
{
}
static inline size_t kasan_slab_size(size_t size)
{
	return size;
}
static inline void kasan_poison_slab(const void *va, size_t bytes)
{
}
static inline void kasan_slab_alloc(const struct kmem_cache *c, void *obj)
{
}
static inline void *kasan_kmalloc(void *obj, size_t size, size_t room)
{
	return obj;
}
static inline size_t kasan_ksize(const void *obj, size_t room)
{
	return room;
}
static inline bool kasan_slab_free(struct kmem_cache *c, void *obj)
{
	return false;
}
static inline void kasan_drain(void)
{
}
static inline int kasan_populate(u64 start, u64 bytes)
{
	return 0;
}
static inline u64 kasan_shadow_pages(void)
{
	return 0;
}
static inline void kasan_vmalloc(const void *p, size_t size)
{
}
static inline void kasan_vfree(const void *p, size_t bytes)
{
}
static inline void kasan_stack_alloc(const void *stack, size_t bytes)
{
}
static inline void kasan_stack_free(const void *stack, size_t bytes)
{
}
static inline void kasan_explain_fault(u64 shadow)
{
}
static inline void kasan_explain_gp(const struct pt_regs *regs)
{
}

#endif
