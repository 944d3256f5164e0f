/*
 * Physical pages. Every page frame of RAM has a struct page in one array, mem_map; blocks of
 * 2^order pages are handed out by the buddy allocator (kernel/mm/buddy.c). All of RAM is mapped at
 * PAGE_OFFSET, so a frame and its kernel address convert by an addition.
 */
#pragma once

#include "kernel/cpu/percpu.h"
#include "kernel/lib/atomic.h"
#include "kernel/lib/list.h"

#define PAGE_SHIFT    12
#define PAGE_SIZE     4096ul
#define PAGE_MASK     (~(PAGE_SIZE - 1))
#define PAGE_ALIGN(x) ALIGN_UP((u64)(x), PAGE_SIZE)
#define MAX_ORDER     10 /* largest block: 2^10 pages, 4 MiB */

/* The kernel's address map, the numbers of Linux's Documentation/x86/x86_64/mm.rst. */
#define PAGE_OFFSET   0xffff888000000000ul /* all of RAM */
#define VMALLOC_START 0xffffc90000000000ul /* kernel stacks, large buffers, device registers */
#define VMALLOC_END   0xffffe90000000000ul
#define KERNEL_BASE   0xffffffff80000000ul /* the kernel image: physical address + KERNEL_BASE */
#define USER_TOP      0x00007ffffffff000ul /* one past the last user address */
#define MMAP_MIN_ADDR 0x10000ul

typedef unsigned gfp_t;
#define GFP_ATOMIC 0x0u /* any context; may use the reserve */
#define GFP_KERNEL 0x1u /* process context; may sleep, may reclaim; leaves the reserve alone */
#define __GFP_ZERO 0x2u
#define GFP_USER   GFP_KERNEL

struct kmem_cache;

struct page {
	u32 flags;       /* PG_* */
	u32 order;       /* free or allocated block: its order, in the first page */
	refcount_t refs; /* user pages: mappings and other holders; 1 for kernel blocks */
	u32 inuse;       /* slab: objects handed out; page table: entries that are not zero */
	union {
		struct list_head lru; /* free lists, slab lists */
		struct {              /* page cache (tmpfs, files) */
			void *mapping;
			u64 index; /* in pages */
		};
	};
	struct kmem_cache *slab; /* slab pages: their cache */
	void *freelist;          /* slab: first free object */
};

#define PG_FREE     0x01 /* first page of a block on a free list */
#define PG_RESERVED 0x02 /* never given out and not counted: firmware, kernel image, zero page */
#define PG_SLAB     0x04
#define PG_LARGE    0x08 /* a kmalloc() of whole pages */
#define PG_PCP      0x10 /* free, in a CPU's own cache of pages */
#define PG_ANON     0x20 /* private memory of processes, counted in VM_STAT_ANON */

extern struct page *mem_map;
extern u64 max_pfn;     /* one past the last frame in mem_map */
extern u64 total_pages; /* given to the buddy allocator at boot */

static inline u64 page_to_pfn(const struct page *p)
{
	return (u64)(p - mem_map);
}
static inline struct page *pfn_to_page(u64 pfn)
{
	return mem_map + pfn;
}
static inline u64 page_to_phys(const struct page *p)
{
	return page_to_pfn(p) << PAGE_SHIFT;
}
static inline struct page *phys_to_page(u64 pa)
{
	return mem_map + (pa >> PAGE_SHIFT);
}
static inline void *phys_to_virt(u64 pa)
{
	return (void *)(pa + PAGE_OFFSET);
}
static inline void *page_address(const struct page *p)
{
	return phys_to_virt(page_to_phys(p));
}
/* For direct-map and kernel-image addresses, not for vmalloc memory. */
static inline u64 virt_to_phys(const volatile void *va)
{
	u64 a = (u64)va;

	return a >= KERNEL_BASE ? a - KERNEL_BASE : a - PAGE_OFFSET;
}
static inline struct page *virt_to_page(const void *va)
{
	return phys_to_page(virt_to_phys(va));
}

/* 2^order pages, physically contiguous, or NULL. refs is 1. O(MAX_ORDER). */
struct page *alloc_pages(unsigned order, gfp_t gfp);
void free_pages(struct page *p, unsigned order);
static inline struct page *alloc_page(gfp_t gfp)
{
	return alloc_pages(0, gfp);
}
/* One page by its direct-map address, or NULL. */
void *get_free_page(gfp_t gfp);
void free_page(void *va);
static inline void get_page(struct page *p)
{
	refcount_inc(&p->refs);
}
/* Drops a reference; the last one frees the page. */
void put_page(struct page *p);

u64 nr_free_pages(void);
/*
 * Pages that are free, or part of what is counted otherwise or stays for good: slabs (objects are
 * counted), the sanitizer's shadow. Whoever looks for leaks compares this.
 */
u64 nr_pages_accounted(void);
/*
 * Gives back what the caches in front of the allocator hold (pages, slab magazines, empty slabs,
 * page tables, kernel stacks), on all CPUs where the context allows, and says how many pages became
 * free. Process context.
 */
u64 reclaim_caches(void);

/* One page at a page-aligned kernel address. About 560 and 1100 instructions. */
void clear_page(void *va);
void copy_page(void *dst, const void *src);

/* Where pages are, for /proc/meminfo. */
enum vm_stat {
	VM_STAT_ANON,  /* private memory of processes */
	VM_STAT_SHMEM, /* shared anonymous memory and tmpfs files */
	VM_STAT_SLAB,
	VM_STAT_TABLES, /* page tables of processes */
	VM_STAT_KSTACK,
	VM_STAT_VMALLOC,
	VM_STAT_COMMITTED, /* promised to processes: limits.c */
	NR_VM_STATS
};
DECLARE_PER_CPU(s64, vm_stats[NR_VM_STATS]);
#define vm_stat_add(item, n) this_cpu_add(vm_stats[item], (n))
u64 vm_stat_read(enum vm_stat item); /* pages, the sum over all CPUs */

/* Hands the pages of the initramfs to the allocator. After unpacking, once. */
void initramfs_free(void);

struct boot_info;
void mm_init(const struct boot_info *bi); /* direct map, mem_map, buddy, slab, final page tables */
