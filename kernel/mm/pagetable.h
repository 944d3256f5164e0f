/*
 * Page tables of x86-64: four levels of 512 entries (Intel SDM volume 3, 4.5 "4-level paging").
 *
 *	level 3  PML4   512 GiB an entry	level 1  PD  2 MiB an entry (or a 2 MiB page)
 *	level 2  PDPT   1 GiB an entry		level 0  PT  one page an entry
 *
 * The lower half of a PML4 is a process's, the upper half is the kernel's and the same in all of
 * them: its entries are made at boot and never change, so no address space has to be told about new
 * kernel mappings.
 *
 * page->inuse of a user table counts its entries that are not zero (a PML4: of its lower half), so a
 * table is freed with its last entry, and is all zero then.
 *
 * Locks: user tables change under mm->lock. Kernel tables need none: whoever owns a range of kernel
 * addresses changes its entries, and new tables are linked in by compare-and-exchange.
 */
#pragma once

#include "kernel/mm/internal.h"

#define PTE_P   BIT(0) /* present */
#define PTE_W   BIT(1) /* writable */
#define PTE_U   BIT(2) /* user mode may use it */
#define PTE_PWT BIT(3) /* with PTE_PCD: uncached */
#define PTE_PCD BIT(4)
#define PTE_A   BIT(5) /* set by the CPU: was used */
#define PTE_D   BIT(6) /* set by the CPU: was written */
#define PTE_PS  BIT(7) /* levels 1 and 2: a large page */
#define PTE_G   BIT(8) /* stays in the TLB over a change of CR3 */
/* Ours: a page is there, but PROT_NONE: PTE_P is clear. */
#define PTE_PROTNONE BIT(9)
#define PTE_NX       BIT(63) /* no instruction fetch */
#define PTE_ADDR     0x000ffffffffff000ul

#define PTE_TABLE     (PTE_P | PTE_W | PTE_U) /* upper levels permit, the last one decides */
#define PTE_KERNEL_RW (PTE_P | PTE_W | PTE_A | PTE_D | PTE_G | PTE_NX)
#define PTE_KERNEL_RO (PTE_P | PTE_A | PTE_G | PTE_NX)
#define PTE_KERNEL_RX (PTE_P | PTE_A | PTE_G)
#define PTE_DEVICE    (PTE_KERNEL_RW | PTE_PCD | PTE_PWT)

#define PT_ENTRIES 512

extern u64 *kernel_pgd; /* the PML4 with nothing in the lower half */

static inline unsigned pt_index(u64 va, int level)
{
	return (va >> (PAGE_SHIFT + 9 * level)) & (PT_ENTRIES - 1);
}

/* Bytes that an entry of @level stands for. */
static inline u64 pt_span(int level)
{
	return PAGE_SIZE << (9 * level);
}

/* The table or page that an entry points to, by its direct-map address. */
static inline u64 *pte_table(u64 e)
{
	return phys_to_virt(e & PTE_ADDR);
}

static inline struct page *pte_page(u64 e)
{
	return phys_to_page(e & PTE_ADDR);
}

/* A page stands behind the entry, accessible or not. */
static inline bool pte_has_page(u64 e)
{
	return e & (PTE_P | PTE_PROTNONE);
}

/* ---- kernel half ---- */

/* Maps one page; 0, -ENOMEM. The caller owns the address. */
int kmap_page(u64 va, u64 pa, u64 prot);
/* The same for an address that several may map at a time: -EEXIST for all but the first. */
int kmap_page_once(u64 va, u64 pa, u64 prot);
/* Clears the entry of one page and returns what it was. No TLB flush. */
u64 kunmap_page(u64 va);
/* The entry that maps kernel address @va (of any level), or 0. */
u64 kernel_pte(u64 va, int *level);

/* ---- user half; mm->lock held ---- */

/* An empty PML4, or NULL. */
u64 *pgd_alloc(void);
void pgd_free(u64 *pgd);
/*
 * The entry for @addr, or NULL if a table is missing. *next becomes the first address that the
 * answer says nothing about: the end of the table, or of the hole.
 */
u64 *pte_find(const u64 *pgd, u64 addr, u64 *next);
/* The same, making tables as needed; NULL without memory. */
u64 *pte_make(u64 *pgd, u64 addr);
/* Stores an entry and keeps the table's count. @e is not zero. */
static inline void pte_store(u64 *pte, u64 e)
{
	if (!*pte)
		virt_to_page(pte)->inuse++;
	WRITE_ONCE(*pte, e);
}

/* Access bits of an entry for an area: writable only if @write. */
u64 pte_prot(const struct vm_area *vma, bool write);

/* Unmaps [start, end): frees pages and tables, flushes the TLBs. With no users left it does not
 * flush: tlb_flush_mm() came before, and made every CPU leave the address space. */
void zap_range(struct mm *mm, u64 start, u64 end);
/* The same, but private copies stay. */
void zap_shared_pages(struct mm *mm, u64 start, u64 end);
/* Brings entries in line with vma->flags after mprotect(2), and flushes. */
void protect_range(struct mm *mm, struct vm_area *vma, u64 start, u64 end);
/* For fork: @src's pages of the area, shared; private ones become read-only on both sides. The
 * caller flushes @src's TLB. 0 or -ENOMEM. */
int copy_range(struct mm *dst, struct mm *src, const struct vm_area *vma);
/* For mremap(2): moves the pages at @from to @to. 0, or -ENOMEM with nothing lost. */
int move_range(struct mm *mm, u64 from, u64 to, u64 len);

/* ---- tlb.c ---- */

/* After entries of [start, end) were removed or restricted. */
void tlb_flush_range(struct mm *mm, u64 start, u64 end);
/* Everything. When @mm has no users any more, every CPU that has it loaded leaves it for good. */
void tlb_flush_mm(struct mm *mm);
/* This CPU only: an entry has gained rights. Others fault once more and find it. */
static inline void tlb_flush_local_page(u64 addr)
{
	invlpg(addr & PAGE_MASK);
}
void tlb_flush_kernel(u64 start, u64 end);

/*
 * Reaches the other CPUs in @cpumask: they call tlb_flush_here() with the same arguments, and the
 * function returns when they have. NULL while there is one CPU. @mm NULL means kernel addresses.
 */
extern void (*tlb_remote_flush)(u64 cpumask, struct mm *mm, u64 start, u64 end);
void tlb_flush_here(struct mm *mm, u64 start, u64 end);
