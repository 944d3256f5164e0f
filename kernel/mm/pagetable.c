/*
 * Walking and changing page tables; the layout is in pagetable.h.
 *
 * User tables are walked by area, never whole, and tables without entries do not exist, so the cost
 * of fork and exit follows the pages that are there. Tables that were freed are all zero, so each
 * CPU keeps a few of them to hand out again without clearing them (struct table_cache).
 *
 * Pages that leave a table are collected in a struct gather and freed only after the TLBs have
 * forgotten them: another thread of the process may be using them through its CPU's TLB until then.
 */
#include "kernel/abi/errno.h"
#include "kernel/cpu/cpu.h"
#include "kernel/mm/pagetable.h"

#define TABLES_KEPT 32
#define PGDS_KEPT   8

/* Clean tables for reuse: this CPU only, with interrupts off. */
struct table_cache {
	u32 nr_tables, nr_pgds;
	u64 *tables[TABLES_KEPT]; /* all zero */
	u64 *pgds[PGDS_KEPT];     /* lower half zero, upper half the kernel's */
};

static DEFINE_PER_CPU(struct table_cache, table_cache);

u64 *kernel_pgd;

/* ---- tables ---- */

/* Takes the last of @count tables in @kept, or NULL. */
static u64 *kept_pop(u32 *count, u64 **kept)
{
	u64 flags, *t;

	local_irq_save(flags);
	t = *count ? kept[--*count] : NULL;
	local_irq_restore(flags);
	return t;
}

/* Keeps @t if there is room for it; else frees it. */
static void kept_push(u32 *count, u64 **kept, u32 max, u64 *t)
{
	u64 flags;

	local_irq_save(flags);
	if (*count < max)
		kept[(*count)++] = t;
	else
		free_page(t);
	local_irq_restore(flags);
}

static u64 *table_alloc(void)
{
	struct table_cache *c = this_cpu_ptr(table_cache);
	u64 *t = kept_pop(&c->nr_tables, c->tables);

	if (!t)
		t = get_free_page(GFP_KERNEL | __GFP_ZERO);
	if (t)
		vm_stat_add(VM_STAT_TABLES, 1);
	return t;
}

/* @t is all zero. */
static void table_free(u64 *t)
{
	struct table_cache *c = this_cpu_ptr(table_cache);

	vm_stat_add(VM_STAT_TABLES, -1);
	kept_push(&c->nr_tables, c->tables, TABLES_KEPT, t);
}

u64 *pgd_alloc(void)
{
	struct table_cache *c = this_cpu_ptr(table_cache);
	u64 *pgd = kept_pop(&c->nr_pgds, c->pgds);

	if (pgd) {
		vm_stat_add(VM_STAT_TABLES, 1);
		return pgd;
	}
	pgd = table_alloc();
	if (!pgd)
		return NULL;
	for (unsigned i = PT_ENTRIES / 2; i < PT_ENTRIES; i++)
		pgd[i] = kernel_pgd[i];
	return pgd;
}

void pgd_free(u64 *pgd)
{
	struct table_cache *c = this_cpu_ptr(table_cache);

	BUG_ON(virt_to_page(pgd)->inuse);
	vm_stat_add(VM_STAT_TABLES, -1);
	kept_push(&c->nr_pgds, c->pgds, PGDS_KEPT, pgd);
}

void table_cache_drain(void)
{
	struct table_cache *c = this_cpu_ptr(table_cache);
	u64 *t;

	while ((t = kept_pop(&c->nr_tables, c->tables)))
		free_page(t);
	while ((t = kept_pop(&c->nr_pgds, c->pgds)))
		free_page(t);
}

/* ---- kernel half ---- */

/* The table below @entry, made if there is none. Lock-free: the first to link one in wins. */
static u64 *kernel_table(u64 *entry)
{
	u64 *t;

	if (READ_ONCE(*entry) & PTE_P)
		return pte_table(*entry);
	t = get_free_page(GFP_KERNEL | __GFP_ZERO);
	if (!t)
		return NULL;
	if (cmpxchg(entry, 0, virt_to_phys(t) | PTE_P | PTE_W))
		free_page(t);
	return pte_table(READ_ONCE(*entry));
}

int kmap_page_once(u64 va, u64 pa, u64 prot)
{
	u64 *t = kernel_pgd;

	for (int level = 3; level > 0; level--) {
		t = kernel_table(&t[pt_index(va, level)]);
		if (!t)
			return -ENOMEM;
	}
	t += pt_index(va, 0);
	return cmpxchg(t, 0, pa | prot) ? -EEXIST : 0;
}

int kmap_page(u64 va, u64 pa, u64 prot)
{
	int r = kmap_page_once(va, pa, prot);

	BUG_ON(r == -EEXIST);
	return r;
}

/* The entry for @va at the lowest level there is. */
static u64 *kernel_walk(u64 va, int *level)
{
	u64 *t = kernel_pgd;

	for (*level = 3;; (*level)--) {
		u64 *e = &t[pt_index(va, *level)];

		if (*level == 0 || !(*e & PTE_P) || (*e & PTE_PS))
			return e;
		t = pte_table(*e);
	}
}

u64 kunmap_page(u64 va)
{
	int level;
	u64 *e = kernel_walk(va, &level);

	return level == 0 ? xchg(e, 0) : 0;
}

u64 kernel_pte(u64 va, int *level)
{
	return *kernel_walk(va, level);
}

/* ---- user half: finding entries ---- */

u64 *pte_find(const u64 *pgd, u64 addr, u64 *next)
{
	const u64 *t = pgd;
	int level;

	for (level = 3; level > 0; level--) {
		u64 e = t[pt_index(addr, level)];

		if (!e)
			break;
		t = pte_table(e);
	}
	*next = (addr | (pt_span(level ? level : 1) - 1)) + 1;
	return level ? NULL : (u64 *)t + pt_index(addr, 0);
}

u64 *pte_make(u64 *pgd, u64 addr)
{
	u64 *t = pgd;

	for (int level = 3; level > 0; level--) {
		u64 *e = &t[pt_index(addr, level)];

		if (!*e) {
			u64 *sub = table_alloc();

			if (!sub)
				return NULL;
			pte_store(e, virt_to_phys(sub) | PTE_TABLE);
		}
		t = pte_table(*e);
	}
	return t + pt_index(addr, 0);
}

u64 pte_prot(const struct vm_area *vma, bool write)
{
	u64 prot = vma->flags & VM_ACCESS_FLAGS ? PTE_P | PTE_U | PTE_A : PTE_PROTNONE | PTE_U;

	if (!(vma->flags & VM_EXEC))
		prot |= PTE_NX;
	if (write)
		prot |= PTE_D | (vma->flags & VM_WRITE ? PTE_W : 0);
	return prot;
}

/* ---- removing ---- */

#define GATHER_MAX   60
#define GATHER_TABLE 1ul /* in the pointer: it is a table, not a user page */

struct gather {
	struct mm *mm;
	u64 start, end; /* what the TLBs must forget */
	bool keep_anon; /* only pages of objects go */
	unsigned n;
	u64 pages[GATHER_MAX]; /* struct page *, or table | GATHER_TABLE */
};

static void gather_flush(struct gather *g)
{
	if (g->start < g->end && refcount_read(&g->mm->users))
		tlb_flush_range(g->mm, g->start, g->end);
	for (unsigned i = 0; i < g->n; i++) {
		if (g->pages[i] & GATHER_TABLE)
			table_free((u64 *)(g->pages[i] & ~GATHER_TABLE));
		else
			put_page((struct page *)g->pages[i]);
	}
	g->n = 0;
	g->start = ~0ul;
	g->end = 0;
}

static void gather_range(struct gather *g, u64 start, u64 end)
{
	g->start = min(g->start, start);
	g->end = max(g->end, end);
}

static void gather_add(struct gather *g, u64 what)
{
	g->pages[g->n++] = what;
	if (g->n == GATHER_MAX)
		gather_flush(g);
}

static void zap_entry(struct gather *g, u64 *pte, u64 addr)
{
	struct page *p = pte_page(*pte);

	if (g->keep_anon && (p->flags & PG_ANON))
		return;
	xchg(pte, 0);
	virt_to_page(pte)->inuse--;
	gather_range(g, addr, addr + PAGE_SIZE);
	if (p->flags & PG_RESERVED)
		return;
	g->mm->nr_pages--;
	g->mm->nr_shared -= !(p->flags & PG_ANON);
	gather_add(g, (u64)p);
}

/* Removes [addr, end) from table @t and everything below it. */
static void zap_table(struct gather *g, u64 *t, int level, u64 addr, u64 end)
{
	struct page *tp = virt_to_page(t);
	u64 span = pt_span(level), next;

	for (; addr < end && tp->inuse; addr = next) {
		u64 *e = &t[pt_index(addr, level)], *sub;

		next = min((addr | (span - 1)) + 1, end);
		if (!*e)
			continue;
		if (level == 0) {
			zap_entry(g, e, addr);
			continue;
		}
		sub = pte_table(*e);
		zap_table(g, sub, level - 1, addr, next);
		cond_resched();
		if (virt_to_page(sub)->inuse)
			continue;
		/* The CPU may have the path to the table in a cache of its own: flush it too. */
		gather_range(g, addr & PAGE_MASK, (addr & PAGE_MASK) + PAGE_SIZE);
		*e = 0;
		tp->inuse--;
		gather_add(g, (u64)sub | GATHER_TABLE);
	}
}

void zap_range(struct mm *mm, u64 start, u64 end)
{
	struct gather g = {.mm = mm, .start = ~0ul};

	zap_table(&g, mm->pgd, 3, start, end);
	gather_flush(&g);
}

void zap_shared_pages(struct mm *mm, u64 start, u64 end)
{
	struct gather g = {.mm = mm, .start = ~0ul, .keep_anon = true};

	zap_table(&g, mm->pgd, 3, start, end);
	gather_flush(&g);
}

/* ---- changing rights ---- */

/* What an entry becomes under the rights of @vma. It never gains PTE_W: the next write faults, and
 * the fault handler decides whether the page must be copied. */
static u64 reprotect(u64 e, const struct vm_area *vma)
{
	bool write = (e & PTE_W) && (vma->flags & VM_WRITE);

	return (e & (PTE_ADDR | PTE_D)) | pte_prot(vma, write);
}

void protect_range(struct mm *mm, struct vm_area *vma, u64 start, u64 end)
{
	u64 lo = ~0ul, hi = 0, next;

	for (u64 a = start; a < end; a = next) {
		u64 *pte = pte_find(mm->pgd, a, &next);

		next = min(next, end);
		for (; pte && a < next; a += PAGE_SIZE, pte++) {
			u64 e = *pte;

			if (!e)
				continue;
			/* The CPU sets D while we look: take the entry away first. */
			if (e & PTE_W)
				e = xchg(pte, 0);
			WRITE_ONCE(*pte, reprotect(e, vma));
			lo = min(lo, a);
			hi = a + PAGE_SIZE;
		}
	}
	if (lo < hi)
		tlb_flush_range(mm, lo, hi);
}

/* ---- copying, moving ---- */

/* The entries [addr, end), all in one table, that begin at *spte. Those of the zero page are left
 * out, they are found again by faulting: a large table that is read and hardly ever written would
 * cost each child page tables of its own. */
static int copy_entries(struct mm *dst, u64 *spte, u64 addr, u64 end, bool cow)
{
	u32 left = virt_to_page(spte)->inuse;
	u64 *dpte = NULL, nr_pages = 0, nr_shared = 0;
	struct page *dtable = NULL;

	for (; addr < end && left; addr += PAGE_SIZE, spte++, dpte += dpte ? 1 : 0) {
		u64 e = *spte;
		struct page *p;

		if (!e)
			continue;
		left--;
		p = pte_page(e);
		if (p->flags & PG_RESERVED)
			continue;
		if (!dpte) {
			dpte = pte_make(dst->pgd, addr);
			if (!dpte)
				return -ENOMEM;
			dtable = virt_to_page(dpte);
		}
		if (cow && (e & PTE_W)) {
			e &= ~PTE_W;
			WRITE_ONCE(*spte, e);
		}
		get_page(p);
		nr_pages++;
		nr_shared += !(p->flags & PG_ANON);
		*dpte = e;
		dtable->inuse++;
	}
	dst->nr_pages += nr_pages;
	dst->nr_shared += nr_shared;
	return 0;
}

int copy_range(struct mm *dst, struct mm *src, const struct vm_area *vma)
{
	bool cow = !(vma->flags & VM_SHARED);
	u64 next;
	int r;

	for (u64 a = vma->start; a < vma->end; a = next) {
		u64 *spte = pte_find(src->pgd, a, &next);

		next = min(next, vma->end);
		if (!spte)
			continue;
		r = copy_entries(dst, spte, a, next, cow);
		if (r)
			return r;
	}
	return 0;
}

/* Makes every table that the moved entries will need, so that the move itself cannot fail. */
static int make_tables(struct mm *mm, u64 from, u64 to, u64 len)
{
	u64 next;

	for (u64 a = from; a < from + len; a = next) {
		u64 *pte = pte_find(mm->pgd, a, &next);

		next = min(next, from + len);
		for (; pte && a < next; a += PAGE_SIZE, pte++)
			if (*pte && !pte_make(mm->pgd, to + (a - from)))
				return -ENOMEM;
	}
	return 0;
}

int move_range(struct mm *mm, u64 from, u64 to, u64 len)
{
	u64 next, hole;
	int r = make_tables(mm, from, to, len);

	for (u64 a = from; !r && a < from + len; a = next) {
		u64 *pte = pte_find(mm->pgd, a, &next);

		next = min(next, from + len);
		for (; pte && a < next; a += PAGE_SIZE, pte++) {
			u64 e = *pte ? xchg(pte, 0) : 0;

			if (!e)
				continue;
			virt_to_page(pte)->inuse--;
			pte_store(pte_find(mm->pgd, to + (a - from), &hole), e);
		}
	}
	tlb_flush_range(mm, from, from + len);
	/* Empty tables: those that the move left behind, or made in vain. */
	zap_range(mm, from, from + len);
	if (r)
		zap_range(mm, to, to + len);
	return r;
}
