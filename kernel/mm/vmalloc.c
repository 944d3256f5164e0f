/*
 * Kernel memory that is contiguous only virtually: vmalloc() for buffers too large for the buddy
 * allocator, ioremap() for device registers.
 *
 * Addresses come from [VMALLOC_START, + 256 GiB): areas are kept in a red-black tree by address, and
 * a new one goes into the first hole that fits, with one unmapped page behind it, so that running
 * off the end of a buffer faults. The upper 256 GiB of the same PML4 entry belong to kernel stacks
 * (kstack.c); that entry is made at boot, so every address space sees new mappings at once.
 *
 * LOCKING
 *	area_lock	the tree of areas; process context. No other lock is taken under it. The
 *			entries of an area belong to whoever holds the area.
 */
#include "kernel/abi/errno.h"
#include "kernel/debug/kasan.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/vmalloc.h"
#include "kernel/sched/spinlock.h"

#define AREAS_END (VMALLOC_START + (256ul << 30))

struct vmap_area {
	struct rb_node node; /* [area_lock] */
	u64 start, size;     /* [I] bytes, without the guard page */
};

static DEFINE_SPINLOCK(area_lock);
static struct rb_root areas; /* [area_lock] */
static struct kmem_cache *area_cache;

void vmalloc_init(void)
{
	area_cache = kmem_cache_create("vmap_area", sizeof(struct vmap_area), 0);
}

/* ---- addresses ---- */

static void area_link(struct vmap_area *a)
{
	struct rb_node **link = &areas.node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = a->start < rb_entry(parent, struct vmap_area, node)->start ? &parent->left
										  : &parent->right;
	}
	rb_insert(&a->node, parent, link, &areas);
}

/* Takes an area of @size bytes out of the address range, or NULL. O(number of areas). */
static struct vmap_area *area_get(u64 size)
{
	struct vmap_area *a = kmem_cache_alloc(area_cache, GFP_KERNEL), *p;
	u64 at = VMALLOC_START;

	if (!a)
		return NULL;
	spin_lock(&area_lock);
	rb_for_each_entry(p, &areas, node) {
		if (at + size + PAGE_SIZE <= p->start)
			break;
		at = p->start + p->size + PAGE_SIZE;
	}
	if (at + size + PAGE_SIZE > AREAS_END) {
		spin_unlock(&area_lock);
		kmem_cache_free(area_cache, a);
		return NULL;
	}
	a->start = at;
	a->size = size;
	area_link(a);
	spin_unlock(&area_lock);
	return a;
}

static void area_put(struct vmap_area *a)
{
	spin_lock(&area_lock);
	rb_erase(&a->node, &areas);
	spin_unlock(&area_lock);
	kmem_cache_free(area_cache, a);
}

static struct vmap_area *area_find(u64 start)
{
	struct vmap_area *a = NULL;
	struct rb_node *n;

	spin_lock(&area_lock);
	for (n = areas.node; n; n = start < a->start ? n->left : n->right) {
		a = rb_entry(n, struct vmap_area, node);
		if (a->start == start)
			break;
	}
	spin_unlock(&area_lock);
	return n ? a : NULL;
}

/* ---- memory ---- */

/* Unmaps the first @size bytes of an area and frees their pages. */
static void unmap_pages(u64 start, u64 size)
{
	struct list_head pages;
	struct page *p, *next;

	/* Nobody may reach a page when it is given away: flush first, free then. */
	INIT_LIST_HEAD(&pages);
	for (u64 a = start; a < start + size; a += PAGE_SIZE)
		list_add(&pte_page(kunmap_page(a))->lru, &pages);
	tlb_flush_kernel(start, start + size);
	list_for_each_entry_safe(p, next, &pages, lru)
		free_pages(p, 0);
	vm_stat_add(VM_STAT_VMALLOC, -(s64)(size >> PAGE_SHIFT));
}

static bool map_pages(u64 start, u64 size)
{
	for (u64 done = 0; done < size; done += PAGE_SIZE) {
		struct page *p = alloc_page(GFP_KERNEL);

		if (p && !kmap_page(start + done, page_to_phys(p), PTE_KERNEL_RW)) {
			vm_stat_add(VM_STAT_VMALLOC, 1);
			continue;
		}
		if (p)
			free_pages(p, 0);
		unmap_pages(start, done);
		return false;
	}
	return true;
}

void *vmalloc(size_t size)
{
	u64 bytes = PAGE_ALIGN(size);
	struct vmap_area *a;

	if (!size || size > total_pages << PAGE_SHIFT)
		return NULL;
	a = area_get(bytes);
	if (!a)
		return NULL;
	if (kasan_populate(a->start, bytes) || !map_pages(a->start, bytes)) {
		area_put(a);
		return NULL;
	}
	kasan_vmalloc((void *)a->start, size);
	return (void *)a->start;
}

void vfree(const void *p)
{
	struct vmap_area *a;

	if (!p)
		return;
	a = area_find((u64)p);
	if (!a)
		panic("vfree: %p was not allocated by vmalloc, or was freed before", p);
	unmap_pages(a->start, a->size);
	kasan_vfree(p, a->size);
	area_put(a);
}

static bool is_vmalloc(const void *p)
{
	return (u64)p >= VMALLOC_START && (u64)p < VMALLOC_END;
}

void *kvmalloc(size_t size, gfp_t gfp)
{
	void *p = NULL;

	if (size <= 4 * PAGE_SIZE || !(gfp & GFP_KERNEL))
		p = kmalloc(size, gfp);
	if (p || !(gfp & GFP_KERNEL))
		return p;
	p = vmalloc(size);
	if (p && (gfp & __GFP_ZERO))
		memset(p, 0, size);
	return p;
}

void kvfree(const void *p)
{
	if (is_vmalloc(p))
		vfree(p);
	else
		kfree(p);
}

/* ---- device registers ---- */

volatile void *ioremap(u64 phys, size_t size)
{
	u64 off = phys & ~PAGE_MASK, bytes = PAGE_ALIGN(off + size);
	struct vmap_area *a = area_get(bytes);

	if (!a || kasan_populate(a->start, bytes))
		panic("ioremap: no room for %zu bytes at %lx", size, phys);
	for (u64 done = 0; done < bytes; done += PAGE_SIZE)
		if (kmap_page(a->start + done, (phys & PAGE_MASK) + done, PTE_DEVICE))
			panic("ioremap: no memory for page tables");
	kasan_vmalloc((void *)a->start, bytes);
	return (volatile void *)(a->start + off);
}
