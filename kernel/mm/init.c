/*
 * Memory at boot, in this order:
 *
 *	1. The memory map as the firmware tells it, unsorted and overlapping, becomes a short list
 *	   of ranges of free memory: what anybody calls reserved is, and so are the first MiB, the
 *	   kernel's image, the initramfs and boot_info.
 *	2. Page tables for good, from the ends of those ranges: the direct map and the image, each
 *	   part with the rights it needs and no more (W^X). The early tables go.
 *	3. mem_map, one struct page a frame, and the rest to the buddy allocator.
 *	4. Slab, kmalloc, vmalloc.
 *
 * The direct map covers RAM and ACPI's memory, in pages of 1 GiB and 2 MiB where the range allows;
 * around the image in 4 KiB pages, because the image's code and constants must not be writable
 * through their second address either.
 */
#include "kernel/cpu/boot_info.h"
#include "kernel/cpu/cpu.h"
#include "kernel/debug/kasan.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/uaccess.h"

#define LOW_MEMORY 0x100000ul  /* below it the firmware's things lie scattered */
#define EARLY_TOP  (1ul << 30) /* reachable through the early tables for sure */
#define SIZE_2M    (1ul << 21)
#define SIZE_1G    (1ul << 30)
#define MAX_RANGES (2 * MAX_MEM_REGIONS)

#define CR0_WP            BIT(16)
#define CR4_PGE           BIT(7)
#define EFER_NXE          BIT(11)
#define CPUID_EXT_PDPE1GB BIT(26) /* leaf 0x80000001, edx */

/* The image's parts, from the linker script. */
extern char _text[], _etext[], _rodata[], _erodata[], _end[];

struct range {
	u64 start, end; /* physical, page-aligned */
};

static struct range ranges[MAX_RANGES] __initdata; /* free memory, sorted, disjoint */
static int nr_ranges __initdata;
static u64 early_top __initdata = EARLY_TOP;

static struct range initramfs; /* pages reserved for it; empty once they were given back */

/* ---- 1. the memory map ---- */

static __init void add_range(u64 start, u64 end)
{
	if (start >= end)
		return;
	if (nr_ranges == MAX_RANGES)
		return; /* less memory, but no harm */
	ranges[nr_ranges++] = (struct range){start, end};
}

static __init void remove_range(u64 start, u64 end)
{
	for (int i = 0, n = nr_ranges; i < n; i++) {
		struct range *r = &ranges[i];

		if (end <= r->start || r->end <= start)
			continue;
		if (end < r->end)
			add_range(end, r->end);
		r->end = max(start, r->start); /* may leave an empty one */
	}
}

static __init void sort_ranges(void)
{
	int n = 0;

	for (int i = 0; i < nr_ranges; i++)
		if (ranges[i].start < ranges[i].end)
			ranges[n++] = ranges[i];
	nr_ranges = n;
	for (int i = 1; i < n; i++) {
		struct range r = ranges[i];
		int j = i;

		for (; j > 0 && ranges[j - 1].start > r.start; j--)
			ranges[j] = ranges[j - 1];
		ranges[j] = r;
	}
}

static __init u64 image_end(void)
{
	return PAGE_ALIGN(virt_to_phys(_end));
}

static __init void read_memory_map(const struct boot_info *bi)
{
	for (int i = 0; i < bi->nr_mem; i++) {
		const struct mem_region *m = &bi->mem[i];
		u64 start = PAGE_ALIGN(m->base), end = (m->base + m->size) & PAGE_MASK;

		if (m->type != MEM_RAM || m->base + m->size < m->base || start >= end)
			continue;
		remove_range(start, end); /* what another region said already */
		add_range(start, end);
	}
	for (int i = 0; i < bi->nr_mem; i++) {
		const struct mem_region *m = &bi->mem[i];

		if (m->type != MEM_RAM)
			remove_range(m->base & PAGE_MASK, PAGE_ALIGN(m->base + m->size));
	}
	remove_range(0, LOW_MEMORY);
	remove_range(virt_to_phys(_text) & PAGE_MASK, image_end());
	remove_range(virt_to_phys(bi) & PAGE_MASK, PAGE_ALIGN(virt_to_phys(bi) + sizeof(*bi)));
	if (bi->initrd_size) {
		initramfs.start = bi->initrd & PAGE_MASK;
		initramfs.end = PAGE_ALIGN(bi->initrd + bi->initrd_size);
		remove_range(initramfs.start, initramfs.end);
	}
	sort_ranges();
	for (int i = 0; i < nr_ranges; i++)
		max_pfn = max(max_pfn, ranges[i].end >> PAGE_SHIFT);
	/* The initramfs may have been loaded at the very top. */
	max_pfn = max(max_pfn, max(initramfs.end, image_end()) >> PAGE_SHIFT);
}

/*
 * Memory for good, before there is an allocator: page-aligned, from the upper end of the highest
 * range that has @size bytes below early_top. Not cleared.
 */
static __init void *early_alloc(u64 size)
{
	size = PAGE_ALIGN(size);
	for (int i = nr_ranges - 1; i >= 0; i--) {
		struct range *r = &ranges[i];
		u64 top = min(r->end, early_top);

		if (top < r->start || top - r->start < size)
			continue;
		if (top < r->end) {
			/* Its end is out of reach: cut it in two. */
			if (nr_ranges == MAX_RANGES)
				continue;
			ranges[nr_ranges++] = (struct range){top, r->end};
		}
		r->end = top - size;
		return phys_to_virt(r->end);
	}
	panic("mm_init: no %lu bytes of memory", size);
}

/* ---- 2. page tables ---- */

static __init u64 *early_table(void)
{
	u64 *t = early_alloc(PAGE_SIZE);

	memset(t, 0, PAGE_SIZE);
	return t;
}

/* Maps [pa, pa + span of level) by one entry of that level. */
static __init void map_entry(u64 va, u64 pa, int level, u64 prot)
{
	u64 *t = kernel_pgd;

	for (int l = 3; l > level; l--) {
		u64 *e = &t[pt_index(va, l)];

		if (!*e)
			*e = virt_to_phys(early_table()) | PTE_P | PTE_W;
		t = pte_table(*e);
	}
	t[pt_index(va, level)] = pa | prot | (level ? PTE_PS : 0);
}

/* The rights of a page of the image. */
static __init u64 image_prot(u64 pa)
{
	u64 va = pa + KERNEL_BASE;

	if (va >= (u64)_text && va < PAGE_ALIGN(_etext))
		return PTE_KERNEL_RX;
	if (va >= (u64)_rodata && va < PAGE_ALIGN(_erodata))
		return PTE_KERNEL_RO;
	return PTE_KERNEL_RW;
}

static __init void map_image(void)
{
	for (u64 pa = virt_to_phys(_text) & PAGE_MASK; pa < image_end(); pa += PAGE_SIZE)
		map_entry(pa + KERNEL_BASE, pa, 0, image_prot(pa));
}

static __init bool have_1g_pages(void)
{
	u32 r[4];

	cpuid(0x80000001, 0, r);
	return r[3] & CPUID_EXT_PDPE1GB;
}

static __init bool touches_image(u64 pa, u64 size)
{
	return pa < image_end() && virt_to_phys(_text) < pa + size;
}

/* Already mapped, by a region that shares a large page with this one. */
static __init bool direct_mapped(u64 pa)
{
	int level;

	return kernel_pte((u64)phys_to_virt(pa), &level) & PTE_P;
}

static __init void map_direct(u64 start, u64 end, bool huge)
{
	u64 pa = start & ~(SIZE_2M - 1), step;

	for (; pa < end; pa += step) {
		u64 va = (u64)phys_to_virt(pa);

		step = SIZE_2M;
		if (direct_mapped(pa))
			continue;
		if (huge && !(pa % SIZE_1G) && end - pa >= SIZE_1G && !touches_image(pa, SIZE_1G)) {
			step = SIZE_1G;
			map_entry(va, pa, 2, PTE_KERNEL_RW);
		} else if (!touches_image(pa, SIZE_2M)) {
			map_entry(va, pa, 1, PTE_KERNEL_RW);
		} else {
			/* The alias of code is neither writable nor executable. */
			for (u64 a = pa; a < pa + SIZE_2M; a += PAGE_SIZE)
				map_entry((u64)phys_to_virt(a), a, 0,
					  (touches_image(a, 1) ? image_prot(a) : PTE_KERNEL_RW) |
						  PTE_NX);
		}
	}
}

static __init void map_memory(const struct boot_info *bi)
{
	bool huge = have_1g_pages();

	kernel_pgd = early_table();
	map_image();
	map_direct(0, LOW_MEMORY, false);
	for (int i = 0; i < bi->nr_mem; i++) {
		const struct mem_region *m = &bi->mem[i];

		if (m->type == MEM_RAM || m->type == MEM_ACPI || m->type == MEM_NVS)
			map_direct(m->base, m->base + m->size, huge);
	}
	/* One entry for all of vmalloc's addresses and the stacks: see pagetable.h. */
	kernel_pgd[pt_index(VMALLOC_START, 3)] = virt_to_phys(early_table()) | PTE_P | PTE_W;
	kasan_map_early(kernel_pgd);

	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	write_cr0(read_cr0() | CR0_WP);
	write_cr3(virt_to_phys(kernel_pgd));
	write_cr4(read_cr4() | CR4_PGE);
	early_top = ~0ul;
}

/* Shadow for all of RAM, once every part of it can be reached. */
static __init void map_shadow(const struct boot_info *bi)
{
	for (int i = 0; i < bi->nr_mem; i++) {
		const struct mem_region *m = &bi->mem[i];

		if (m->type == MEM_RAM && m->size)
			kasan_init_range((u64)phys_to_virt(m->base),
					 (u64)phys_to_virt(m->base + m->size), early_alloc);
	}
	kasan_init(early_alloc);
}

/* ---- 3. pages ---- */

static __init void make_mem_map(void)
{
	mem_map = early_alloc(max_pfn * sizeof(struct page));
	memset(mem_map, 0, max_pfn * sizeof(struct page));
	for (u64 i = 0; i < max_pfn; i++)
		mem_map[i].flags = PG_RESERVED;
	buddy_init();
	for (int i = 0; i < nr_ranges; i++)
		buddy_add_range(ranges[i].start >> PAGE_SHIFT, ranges[i].end >> PAGE_SHIFT);
}

void initramfs_free(void)
{
	u64 start = max(initramfs.start, PAGE_ALIGN(virt_to_phys(_end)));

	if (start < initramfs.end)
		buddy_add_range(start >> PAGE_SHIFT, initramfs.end >> PAGE_SHIFT);
	initramfs.start = initramfs.end = 0;
}

__init void mm_init(const struct boot_info *bi)
{
	uaccess_init(); /* changes code, so before code becomes read-only */
	read_memory_map(bi);
	map_memory(bi);
	map_shadow(bi);
	make_mem_map();
	slab_init();
	kmalloc_init();
	vmalloc_init();
	printk("memory: %lu MiB free of %lu MiB, %lu KiB for the map of pages\n",
	       nr_free_pages() >> 8, max_pfn >> 8, max_pfn * sizeof(struct page) >> 10);
}
