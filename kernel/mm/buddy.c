/*
 * The page allocator: a binary buddy system (Knuth, The Art of Computer Programming, 2.5).
 *
 * A block is 2^order pages whose first frame number is a multiple of 2^order. Its buddy is the
 * block that differs in that one bit of the number. Allocation takes the smallest free block that
 * is large enough and halves it until it fits, putting the other halves on the free lists; freeing
 * looks whether the buddy is free too and joins the two, as often as that works.
 *
 *	alloc_pages()     PG_FREE block -> refs 1, flags 0
 *	free_pages()      refs 1        -> PG_FREE block, refs 0
 *	put_page()        the last reference of a shared page frees it
 *
 * In front of the lists every CPU has a small stack of single pages (struct pcp), so the common
 * case, one page, takes no lock and about 25 instructions. Pages there are marked PG_PCP and count
 * as free.
 *
 * The last pages are a reserve that only GFP_ATOMIC gets: an interrupt cannot wait or reclaim, so
 * somebody else must have left it something. GFP_KERNEL, before it fails, takes back what the
 * caches above this allocator hold (reclaim_caches).
 *
 * LOCKING
 *	buddy_lock	free lists, buddy_free; the flags, order and lru of free blocks. Any context
 *			(irqsave), innermost but for nothing: no other lock is taken under it.
 *	pcp		of its own CPU only, with interrupts off. Others only read the count.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/smp.h"
#include "kernel/debug/failslab.h"
#include "kernel/debug/kasan.h"
#include "kernel/lib/printk.h"
#include "kernel/mm/internal.h"
#include "kernel/sched/spinlock.h"

#define PCP_SIZE  32
#define PCP_BATCH 16 /* moved between a CPU's cache and the free lists at a time */

struct pcp {
	u32 count;
	struct page *pages[PCP_SIZE];
};

struct page *mem_map;
u64 max_pfn, total_pages;
u64 reserve_pages;

DEFINE_PER_CPU(s64, vm_stats[NR_VM_STATS]);

static DEFINE_PER_CPU(struct pcp, page_cache);
static DEFINE_SPINLOCK(buddy_lock);
static struct list_head free_lists[MAX_ORDER + 1]; /* [buddy_lock] */
static u64 buddy_free;                             /* [buddy_lock] pages on the lists */

u64 vm_stat_read(enum vm_stat item)
{
	s64 sum = 0;

	for_each_cpu(cpu) sum += READ_ONCE(per_cpu(vm_stats, cpu)[item]);
	return sum > 0 ? (u64)sum : 0;
}

/* ---- the free lists; buddy_lock held ---- */

static void list_block(struct page *p, unsigned order)
{
	p->flags = PG_FREE;
	p->order = order;
	list_add(&p->lru, &free_lists[order]);
	buddy_free += 1ul << order;
}

static void unlist_block(struct page *p)
{
	list_del(&p->lru);
	p->flags = 0;
	buddy_free -= 1ul << p->order;
}

static struct page *take_block(unsigned order)
{
	unsigned o = order;
	struct page *p;

	while (list_empty(&free_lists[o]))
		if (++o > MAX_ORDER)
			return NULL;
	p = list_first_entry(&free_lists[o], struct page, lru);
	unlist_block(p);
	while (o > order) {
		o--;
		list_block(p + (1ul << o), o);
	}
	p->order = order;
	return p;
}

static void give_block(struct page *p, unsigned order)
{
	u64 pfn = page_to_pfn(p);

	while (order < MAX_ORDER) {
		u64 buddy = pfn ^ (1ul << order);

		if (buddy >= max_pfn)
			break;
		p = pfn_to_page(buddy);
		if (!(p->flags & PG_FREE) || p->order != order)
			break;
		unlist_block(p);
		pfn &= ~(1ul << order);
		order++;
	}
	list_block(pfn_to_page(pfn), order);
}

static bool may_take(unsigned order, gfp_t gfp)
{
	return !(gfp & GFP_KERNEL) || buddy_free >= reserve_pages + (1ul << order);
}

/* ---- single pages through the CPU's own cache; interrupts off ---- */

static void pcp_refill(struct pcp *c, gfp_t gfp)
{
	spin_lock(&buddy_lock);
	while (c->count < PCP_BATCH && may_take(0, gfp)) {
		struct page *p = take_block(0);

		if (!p)
			break;
		p->flags = PG_PCP;
		c->pages[c->count++] = p;
	}
	spin_unlock(&buddy_lock);
}

static void pcp_drain(struct pcp *c, u32 keep)
{
	spin_lock(&buddy_lock);
	while (c->count > keep) {
		struct page *p = c->pages[--c->count];

		p->flags = 0;
		give_block(p, 0);
	}
	spin_unlock(&buddy_lock);
}

static struct page *alloc_one(gfp_t gfp)
{
	struct pcp *c;
	struct page *p = NULL;
	u64 flags;

	local_irq_save(flags);
	c = this_cpu_ptr(page_cache);
	if (unlikely(!c->count))
		pcp_refill(c, gfp);
	if (likely(c->count))
		p = c->pages[--c->count];
	local_irq_restore(flags);
	return p;
}

static void free_one(struct page *p)
{
	struct pcp *c;
	u64 flags;

	local_irq_save(flags);
	c = this_cpu_ptr(page_cache);
	if (unlikely(c->count == PCP_SIZE))
		pcp_drain(c, PCP_SIZE - PCP_BATCH);
	p->flags = PG_PCP;
	c->pages[c->count++] = p;
	local_irq_restore(flags);
}

/* ---- the interface ---- */

static struct page *alloc_block(unsigned order, gfp_t gfp)
{
	struct page *p = NULL;
	u64 flags;

	if (order == 0)
		return alloc_one(gfp);
	spin_lock_irqsave(&buddy_lock, flags);
	if (may_take(order, gfp))
		p = take_block(order);
	spin_unlock_irqrestore(&buddy_lock, flags);
	return p;
}

struct page *alloc_pages(unsigned order, gfp_t gfp)
{
	struct page *p;

	if (order > MAX_ORDER || unlikely(failslab()))
		return NULL;
	p = alloc_block(order, gfp);
	if (unlikely(!p) && (gfp & GFP_KERNEL) && reclaim_caches())
		p = alloc_block(order, gfp);
	if (unlikely(!p))
		return NULL;
	p->flags = 0;
	p->order = order;
	p->inuse = 0;
	refcount_set(&p->refs, 1);
	kasan_alloc_pages(page_address(p), order);
	if (gfp & __GFP_ZERO)
		for (u64 i = 0; i < 1ul << order; i++)
			clear_page(page_address(p + i));
	return p;
}

static void free_block(struct page *p, unsigned order)
{
	u64 flags;

	kasan_free_pages(page_address(p), order);
	if (order == 0) {
		free_one(p);
		return;
	}
	spin_lock_irqsave(&buddy_lock, flags);
	give_block(p, order);
	spin_unlock_irqrestore(&buddy_lock, flags);
}

static void bad_free(struct page *p, const char *what)
{
	panic("page %lx (flags %x, order %u, %d references): %s", page_to_pfn(p), p->flags,
	      p->order, refcount_read(&p->refs), what);
}

void free_pages(struct page *p, unsigned order)
{
	/* The head of a free block says so; any other free page has no reference left. */
	if (unlikely(p->flags & (PG_FREE | PG_PCP)))
		bad_free(p, "freed twice");
	if (unlikely(p->flags & (PG_RESERVED | PG_SLAB)))
		bad_free(p, "free of a page that was never given out as one");
	if (unlikely(refcount_read(&p->refs) != 1 || p->order != order))
		bad_free(p, "free with other holders, twice, or of another size");
	refcount_set(&p->refs, 0);
	free_block(p, order);
}

void put_page(struct page *p)
{
	if (refcount_dec_and_test(&p->refs)) {
		if (unlikely(p->flags & (PG_FREE | PG_PCP | PG_RESERVED | PG_SLAB)))
			bad_free(p, "last reference of a page that is not a user page");
		if (p->flags & PG_ANON)
			vm_stat_add(VM_STAT_ANON, -1);
		free_block(p, p->order);
	}
}

void *get_free_page(gfp_t gfp)
{
	struct page *p = alloc_pages(0, gfp);

	return p ? page_address(p) : NULL;
}

void free_page(void *va)
{
	if (va)
		free_pages(virt_to_page(va), 0);
}

u64 nr_free_pages(void)
{
	u64 n = READ_ONCE(buddy_free);

	for_each_cpu(cpu) n += READ_ONCE(per_cpu(page_cache, cpu).count);
	return n;
}

/* What one CPU keeps for itself. Its CPU; any context, interrupts off or on. */
static void drain_this_cpu(void *unused)
{
	u64 flags;

	slab_reclaim();
	table_cache_drain();
	/* A block of many pages may have its last page in here. */
	local_irq_save(flags);
	pcp_drain(this_cpu_ptr(page_cache), 0);
	local_irq_restore(flags);
}

u64 reclaim_caches(void)
{
	u64 before = nr_free_pages(), after;

	kasan_drain();
	/* Other CPUs answer by interrupt, and one that has interrupts off must not wait for them. */
	if (in_atomic() || irqs_disabled()) {
		drain_this_cpu(NULL);
	} else {
		kstack_reclaim();
		on_each_cpu(drain_this_cpu, NULL);
	}
	after = nr_free_pages();
	return after > before ? after - before : 0;
}

/* ---- boot ---- */

void buddy_init(void)
{
	for (unsigned o = 0; o <= MAX_ORDER; o++)
		INIT_LIST_HEAD(&free_lists[o]);
}

void buddy_add_range(u64 pfn, u64 end)
{
	u64 flags;

	for (u64 i = pfn; i < end; i++) {
		pfn_to_page(i)->flags = 0;
		kasan_free_pages(page_address(pfn_to_page(i)), 0);
	}
	total_pages += end - pfn;
	spin_lock_irqsave(&buddy_lock, flags);
	while (pfn < end) {
		unsigned order = pfn ? min(__builtin_ctzl(pfn), MAX_ORDER) : MAX_ORDER;

		while (pfn + (1ul << order) > end)
			order--;
		give_block(pfn_to_page(pfn), order);
		pfn += 1ul << order;
	}
	spin_unlock_irqrestore(&buddy_lock, flags);
	/* One page in 128, between 512 KiB and 8 MiB: about what a burst of packets takes. */
	reserve_pages = clamp(total_pages / 128, 128ul, 2048ul);
}

typedef u64 __attribute__((may_alias)) word;

__no_kasan void clear_page(void *va)
{
	word *w = va;

	kasan_check_write(va, PAGE_SIZE);
	for (word *end = w + 512; w < end; w += 16) {
		w[0] = w[1] = w[2] = w[3] = 0;
		w[4] = w[5] = w[6] = w[7] = 0;
		w[8] = w[9] = w[10] = w[11] = 0;
		w[12] = w[13] = w[14] = w[15] = 0;
	}
}

__no_kasan void copy_page(void *dst, const void *src)
{
	const word *s = src;
	word *d = dst;

	kasan_check_read(src, PAGE_SIZE);
	kasan_check_write(dst, PAGE_SIZE);
	for (const word *end = s + 512; s < end; s += 8, d += 8) {
		u64 a = s[0], b = s[1], c = s[2], e = s[3];

		d[0] = a, d[1] = b, d[2] = c, d[3] = e;
		a = s[4], b = s[5], c = s[6], e = s[7];
		d[4] = a, d[5] = b, d[6] = c, d[7] = e;
	}
}
