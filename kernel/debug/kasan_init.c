/*
 * The shadow's place in the page tables. The upper half of the address space, 128 TiB, has 16 TiB of
 * shadow, PML4 entries 472 to 503; nearly all of that stands for nothing.
 *
 *	boot/entry.asm     all of it is one page, mapped again and again by three shared tables. The
 *	                   code that runs has checks and writes stack redzones already, into that page
 *	                   too, so what they find is ignored (kasan_ready is false)
 *	kasan_map_early()  the final PML4 takes the same tables over
 *	kasan_init_range() memory and the image get pages of shadow of their own; a shared table is
 *	                   copied when an entry of it is to differ
 *	kasan_init()       the shared page is cleared and becomes read-only: "all good". That is what
 *	                   device memory and the firmware's regions keep
 *	kasan_populate()   vmalloc's addresses and kernel stacks: no shadow at first, then a page for
 *	                   each 32 KiB when they are used. It stays for the next user
 */
#include "kernel/abi/errno.h"
#include "kernel/cpu/cpu.h"
#include "kernel/debug/kasan_internal.h"
#include "kernel/lib/sections.h"
#include "kernel/lib/string.h"
#include "kernel/mm/pagetable.h"

#define VMALLOC_SPAN (512ul << 30) /* what vmalloc.c and kstack.c use: an entry of the PML4 */

/* boot/entry.asm: a table for each level, and the page that the lowest points to. */
extern u64 kasan_shared_pdpt[], kasan_shared_pd[], kasan_shared_pt[], kasan_shared_page[];

extern void (*const __ctors_start[])(void), (*const __ctors_end[])(void);

static bool points_to(u64 entry, const void *shared)
{
	return (entry & PTE_ADDR) == virt_to_phys(shared);
}

void kasan_map_early(u64 *pgd)
{
	for (unsigned i = pt_index(SHADOW_START, 3); i <= pt_index(SHADOW_END - 1, 3); i++)
		pgd[i] = virt_to_phys(kasan_shared_pdpt) | PTE_P | PTE_W | PTE_NX;
}

/* The table below @entry, a copy of our own of @shared. */
static u64 *own_table(u64 *entry, const u64 *shared, void *(*alloc)(u64))
{
	u64 *t;

	if (!points_to(*entry, shared))
		return pte_table(*entry);
	t = alloc(PAGE_SIZE);
	memcpy(t, shared, PAGE_SIZE);
	*entry = virt_to_phys(t) | PTE_P | PTE_W | (*entry & PTE_NX);
	return t;
}

static void own_page(u64 va, void *(*alloc)(u64))
{
	u64 *t = own_table(&kernel_pgd[pt_index(va, 3)], kasan_shared_pdpt, alloc);
	u64 *entry;
	void *page;

	t = own_table(&t[pt_index(va, 2)], kasan_shared_pd, alloc);
	t = own_table(&t[pt_index(va, 1)], kasan_shared_pt, alloc);
	entry = &t[pt_index(va, 0)];
	if (!points_to(*entry, kasan_shared_page))
		return;
	page = alloc(PAGE_SIZE);
	memset(page, 0, PAGE_SIZE);
	*entry = virt_to_phys(page) | PTE_KERNEL_RW;
	invlpg(va);
}

void kasan_init_range(u64 start, u64 end, void *(*alloc)(u64))
{
	u64 last = (u64)shadow_of(end - 1);

	for (u64 va = (u64)shadow_of(start) & PAGE_MASK; va <= last; va += PAGE_SIZE)
		own_page(va, alloc);
}

/* Nothing is there until kasan_populate() puts it there. */
static void clear_vmalloc(void *(*alloc)(u64))
{
	u64 start = (u64)shadow_of(VMALLOC_START);
	u64 end = (u64)shadow_of(VMALLOC_START + VMALLOC_SPAN);
	u64 *t = own_table(&kernel_pgd[pt_index(start, 3)], kasan_shared_pdpt, alloc);

	for (u64 va = start; va < end; va += pt_span(2))
		t[pt_index(va, 2)] = 0;
}

void kasan_init(void *(*alloc)(u64))
{
	kasan_init_range((u64)_kernel_start, (u64)_end, alloc);
	clear_vmalloc(alloc);
	memset(kasan_shared_page, 0, PAGE_SIZE);
	for (unsigned i = 0; i < PT_ENTRIES; i++)
		kasan_shared_pt[i] = virt_to_phys(kasan_shared_page) | PTE_P | PTE_A | PTE_NX;
	write_cr3(read_cr3());
	for (void (*const *f)(void) = __ctors_start; f < __ctors_end; f++)
		(*f)();
	kasan_ready = true;
}

static atomic64_t shadow_pages; /* of kasan_populate() */

u64 kasan_shadow_pages(void)
{
	return (u64)atomic_read(&shadow_pages);
}

int kasan_populate(u64 start, u64 bytes)
{
	u64 last = (u64)shadow_of(start + bytes - 1);
	int level, r;

	for (u64 va = (u64)shadow_of(start) & PAGE_MASK; va <= last; va += PAGE_SIZE) {
		struct page *p;

		if (kernel_pte(va, &level))
			continue;
		p = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!p)
			return -ENOMEM;
		r = kmap_page_once(va, page_to_phys(p), PTE_KERNEL_RW);
		if (!r) {
			atomic_inc(&shadow_pages);
			continue;
		}
		free_pages(p, 0);
		/* Another CPU, for a neighbour in the same 32 KiB, may have been first. */
		if (r != -EEXIST)
			return r;
	}
	return 0;
}
