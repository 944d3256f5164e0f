/*
 * Slab caches: memory for many objects of one size, after Bonwick. Alloc and free are O(1).
 * Statistics of each cache are in /proc/slabinfo.
 */
#pragma once

#include "kernel/lib/list.h"
#include "kernel/mm/page.h"

struct kmem_cache;

/*
 * @align 0: 8 bytes, or the cache line for objects of 64 bytes and more whose size is a multiple
 * of it. Boot or process context; panics without memory, so the result is never NULL.
 */
struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align);
/* The cache must be empty. */
void kmem_cache_destroy(struct kmem_cache *c);

/* NULL without memory. GFP_ATOMIC: any context. Contents are undefined without __GFP_ZERO. */
void *kmem_cache_alloc(struct kmem_cache *c, gfp_t gfp) __attribute__((malloc));
void kmem_cache_free(struct kmem_cache *c, void *obj);
size_t kmem_cache_inuse(const struct kmem_cache *c); /* objects handed out */

/* General sizes: power-of-two and three-quarter caches up to 8 KiB, then whole pages up to 4 MiB. */
void *kmalloc(size_t size, gfp_t gfp) __attribute__((malloc));
static inline void *kzalloc(size_t size, gfp_t gfp)
{
	return kmalloc(size, gfp | __GFP_ZERO);
}
/* Overflow-checked array. */
static inline void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : kzalloc(bytes, gfp);
}
void *krealloc(void *p, size_t size, gfp_t gfp);
void kfree(const void *p);   /* NULL is allowed. Any context */
size_t ksize(const void *p); /* bytes usable in a kmalloc block */
char *kstrdup(const char *s, gfp_t gfp);

/* Sum of objects in use over all caches, for leak checks. */
size_t slab_objects_inuse(void);
