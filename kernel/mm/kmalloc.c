/*
 * kmalloc: memory of any size, from a row of slab caches 16, 24, 32, 48, 64 ... 8192 (each power of
 * two and the size half-way to the next), so at most a third is lost to rounding. Larger requests
 * get whole blocks of pages, marked PG_LARGE.
 */
#include "kernel/debug/kasan.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/mm/internal.h"
#include "kernel/mm/slab.h"

#define NR_KMALLOC_CACHES 19
#define KMALLOC_MAX_CACHE 8192ul

static struct kmem_cache *kmalloc_caches[NR_KMALLOC_CACHES];
static const char *const names[NR_KMALLOC_CACHES] = {
	"kmalloc-16",   "kmalloc-24",   "kmalloc-32",   "kmalloc-48",   "kmalloc-64",
	"kmalloc-96",   "kmalloc-128",  "kmalloc-192",  "kmalloc-256",  "kmalloc-384",
	"kmalloc-512",  "kmalloc-768",  "kmalloc-1024", "kmalloc-1536", "kmalloc-2048",
	"kmalloc-3072", "kmalloc-4096", "kmalloc-6144", "kmalloc-8192",
};

/* Even indices are powers of two from 16 on, odd ones lie half-way to the next. */
static unsigned kmalloc_index(size_t size)
{
	unsigned n;

	if (size <= 16)
		return 0;
	n = 63 - (unsigned)__builtin_clzl(size - 1); /* 2^n < size <= 2^(n+1) */
	return 2 * (n - 4) + (size <= 3ul << (n - 1) ? 1 : 2);
}

static size_t kmalloc_bytes(unsigned index)
{
	return (index & 1 ? 24ul : 16ul) << (index / 2);
}

void kmalloc_init(void)
{
	for (unsigned i = 0; i < NR_KMALLOC_CACHES; i++)
		kmalloc_caches[i] = kmem_cache_create(names[i], kmalloc_bytes(i), 0);
}

static void *kmalloc_large(size_t size, gfp_t gfp)
{
	unsigned order = 0;
	struct page *p;

	while (order <= MAX_ORDER && PAGE_SIZE << order < size)
		order++;
	p = alloc_pages(order, gfp);
	if (!p)
		return NULL;
	p->flags = PG_LARGE;
	return kasan_kmalloc(page_address(p), size, PAGE_SIZE << order);
}

void *kmalloc(size_t size, gfp_t gfp)
{
	unsigned index;

	if (unlikely(size > KMALLOC_MAX_CACHE))
		return kmalloc_large(size, gfp);
	index = kmalloc_index(size);
	return kasan_kmalloc(kmem_cache_alloc(kmalloc_caches[index], gfp), size,
			     kmalloc_bytes(index));
}

void kfree(const void *p)
{
	struct page *pg;

	if (!p)
		return;
	pg = virt_to_page(p);
	if (likely(pg->flags & PG_SLAB)) {
		kmem_cache_free(pg->slab, (void *)p);
		return;
	}
	if (unlikely(!(pg->flags & PG_LARGE) || (u64)p & ~PAGE_MASK))
		panic("kfree: %p was not allocated by kmalloc, or was freed before", p);
	pg->flags = 0;
	free_pages(pg, pg->order);
}

size_t ksize(const void *p)
{
	const struct page *pg = virt_to_page(p);
	size_t room =
		pg->flags & PG_SLAB ? kmem_cache_object_size(pg->slab) : PAGE_SIZE << pg->order;

	return kasan_ksize(p, room);
}

void *krealloc(void *p, size_t size, gfp_t gfp)
{
	size_t old = p ? ksize(p) : 0;
	void *q;

	if (size <= old && size)
		return p;
	if (!size) {
		kfree(p);
		return NULL;
	}
	q = kmalloc(size, gfp);
	if (q && p) {
		memcpy(q, p, old);
		kfree(p);
	}
	return q;
}

char *kstrdup(const char *s, gfp_t gfp)
{
	size_t n = strlen(s) + 1;
	char *p = kmalloc(n, gfp);

	return p ? memcpy(p, s, n) : NULL;
}
