/*
 * Slab caches, after Bonwick ("The Slab Allocator", 1994; "Magazines and Vmem", 2001).
 *
 * A cache serves objects of one size. It gets blocks of pages (slabs) from the buddy allocator,
 * cuts each into objects and strings the free ones on page->freelist, through their first word.
 * Every page of a slab has PG_SLAB and points to its cache, so kfree() finds it from the address;
 * the slab's head page is found by rounding the address down, since blocks are aligned to their size.
 *
 *	slab	empty -> partial -> full -> partial -> empty -> back to the buddy allocator
 *		(a cache keeps one empty slab, so that a lone object does not cost a slab each time)
 *
 * In front of the slabs each CPU has a magazine, a stack of free objects. Allocation pops from it
 * and freeing pushes onto it: no lock, no slab touched, and the object most recently used comes
 * first, while it is still in the CPU's data cache. Only an empty or a full magazine goes to the
 * slabs, and then moves half a magazine at once.
 *
 * Costs: kmem_cache_alloc and kmem_cache_free about 15 instructions each.
 *
 * LOCKING
 *	magazine	its own CPU only, interrupts off (interrupts allocate too). Others read the
 *			count for statistics.
 *	c->lock		slabs of the cache, their freelists and counts. Any context (irqsave);
 *			buddy_lock is taken under it.
 *	caches_lock	the list of caches; irqsave, because slab_reclaim() comes by interrupt
 *			from another CPU. c->lock is taken under it.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/debug/failslab.h"
#include "kernel/debug/kasan.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/seq.h"
#include "kernel/lib/string.h"
#include "kernel/mm/internal.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/spinlock.h"

#define MAX_SLAB_ORDER 3
#define MAGAZINE_ROOM  30 /* a struct magazine is 256 bytes */

struct magazine {
	u32 count; /* objects in it */
	u32 size;  /* how many it may hold */
	void *obj[MAGAZINE_ROOM];
};

struct kmem_cache {
	struct magazine *mag[MAX_CPUS]; /* [c] never NULL: no_magazine where there is none */
	const char *name;               /* [I] */
	u32 size;                       /* [I] bytes from one object to the next */
	u32 object_size;                /* [I] as asked for */
	u32 order;                      /* [I] pages of a slab: 2^order */
	u32 per_slab;                   /* [I] objects */
	u32 mag_size;                   /* [I] 0: no magazines */
	spinlock_t lock;
	struct list_head partial; /* [lock] slabs with objects of both kinds, by page->lru */
	struct list_head empty;   /* [lock] slabs with none handed out */
	u32 nr_empty;             /* [lock] */
	u64 nr_slabs;             /* [lock] */
	u64 nr_out;               /* [lock] objects not in slabs: in use, or in magazines */
	u64 nr_quarantined;       /* [a] freed, but kept back by the address sanitizer */
	struct list_head link;    /* [caches_lock] */
};

/* Both empty and full, so that the fast paths need no test for its absence. Never written. */
static struct magazine no_magazine;

static struct kmem_cache cache_cache, magazine_cache;
static LIST_HEAD(caches);
static DEFINE_SPINLOCK(caches_lock);

static struct page *slab_of(const struct kmem_cache *c, const void *obj)
{
	return virt_to_page((void *)((u64)obj & ~((PAGE_SIZE << c->order) - 1)));
}

/* ---- slabs ---- */

/* Makes a slab; false without memory. */
static bool grow(struct kmem_cache *c, gfp_t gfp)
{
	struct page *s = alloc_pages(c->order, gfp & ~__GFP_ZERO);
	void *next = NULL;
	u64 flags;

	if (!s)
		return false;
	for (u64 i = 0; i < 1ul << c->order; i++) {
		s[i].flags = PG_SLAB;
		s[i].slab = c;
	}
	/* From the last to the first, so that they are handed out in order of address. */
	for (u32 i = c->per_slab; i-- > 0;) {
		void **obj = page_address(s) + (u64)i * c->size;

		*obj = next;
		next = obj;
	}
	s->freelist = next;
	s->inuse = 0;
	kasan_poison_slab(page_address(s), PAGE_SIZE << c->order);
	vm_stat_add(VM_STAT_SLAB, 1l << c->order);

	spin_lock_irqsave(&c->lock, flags);
	list_add(&s->lru, &c->empty);
	c->nr_empty++;
	c->nr_slabs++;
	spin_unlock_irqrestore(&c->lock, flags);
	return true;
}

/* Gives empty slabs back until @keep are left. c->lock held. */
static void shrink_locked(struct kmem_cache *c, u32 keep)
{
	while (c->nr_empty > keep) {
		struct page *s = list_first_entry(&c->empty, struct page, lru);

		list_del(&s->lru);
		c->nr_empty--;
		c->nr_slabs--;
		for (u64 i = 0; i < 1ul << c->order; i++) {
			s[i].flags = 0;
			s[i].slab = NULL;
		}
		vm_stat_add(VM_STAT_SLAB, -(1l << c->order));
		free_pages(s, c->order);
	}
}

/* An object out of the slabs, or NULL if all are full. c->lock held. */
static void *take_object(struct kmem_cache *c)
{
	struct page *s;
	void *obj;

	if (!list_empty(&c->partial)) {
		s = list_first_entry(&c->partial, struct page, lru);
	} else if (c->nr_empty) {
		s = list_first_entry(&c->empty, struct page, lru);
		c->nr_empty--;
		list_move(&s->lru, &c->partial);
	} else {
		return NULL;
	}
	obj = s->freelist;
	s->freelist = *(void **)obj;
	if (++s->inuse == c->per_slab)
		list_del_init(&s->lru);
	c->nr_out++;
	return obj;
}

/* c->lock held. */
static void put_object(struct kmem_cache *c, void *obj)
{
	struct page *s = slab_of(c, obj);

	if (unlikely(!(s->flags & PG_SLAB) || s->slab != c || !s->inuse))
		panic("%s: %p is no object of this cache, or was freed twice", c->name, obj);
	*(void **)obj = s->freelist;
	s->freelist = obj;
	c->nr_out--;
	if (s->inuse-- == c->per_slab)
		list_add(&s->lru, &c->partial);
	if (!s->inuse) {
		list_move(&s->lru, &c->empty);
		c->nr_empty++;
		shrink_locked(c, 1);
	}
}

/* ---- magazines ---- */

/* This CPU's magazine, made if there is none yet. Interrupts off. */
static struct magazine *my_magazine(struct kmem_cache *c)
{
	struct magazine **slot = &c->mag[smp_processor_id()], *m;

	if (*slot != &no_magazine || !c->mag_size)
		return *slot;
	m = kmem_cache_alloc(&magazine_cache, GFP_ATOMIC);
	if (m) {
		m->count = 0;
		m->size = c->mag_size;
		*slot = m;
	}
	return *slot;
}

/* Puts the @n oldest objects back into the slabs. Interrupts off, c->lock held. */
static void flush_magazine(struct kmem_cache *c, struct magazine *m, u32 n)
{
	if (!n)
		return;
	for (u32 i = 0; i < n; i++)
		put_object(c, m->obj[i]);
	m->count -= n;
	memmove(m->obj, m->obj + n, m->count * sizeof(m->obj[0]));
}

/* The magazine is empty: takes one object for the caller and half a magazine for those to come. */
static noinline void *alloc_slow(struct kmem_cache *c, gfp_t gfp)
{
	do {
		struct magazine *m;
		void *obj;
		u64 flags;

		local_irq_save(flags);
		m = my_magazine(c);
		spin_lock(&c->lock);
		obj = take_object(c);
		while (obj && m->count < m->size / 2) {
			void *more = take_object(c);

			if (!more)
				break;
			m->obj[m->count++] = more;
		}
		spin_unlock(&c->lock);
		local_irq_restore(flags);
		if (obj)
			return obj;
	} while (grow(c, gfp));
	return NULL;
}

void *kmem_cache_alloc(struct kmem_cache *c, gfp_t gfp)
{
	struct magazine *m;
	void *obj;
	u64 flags;

	if (unlikely(failslab()))
		return NULL;
	local_irq_save(flags);
	m = c->mag[smp_processor_id()];
	if (likely(m->count)) {
		obj = m->obj[--m->count];
		local_irq_restore(flags);
	} else {
		local_irq_restore(flags);
		obj = alloc_slow(c, gfp);
	}
	if (likely(obj))
		kasan_slab_alloc(c, obj);
	if ((gfp & __GFP_ZERO) && obj)
		memset(obj, 0, c->object_size);
	return obj;
}

/* The magazine is full (or missing): half of it goes back to the slabs. */
static noinline void free_slow(struct kmem_cache *c, void *obj)
{
	struct magazine *m;
	u64 flags;

	local_irq_save(flags);
	m = my_magazine(c);
	spin_lock(&c->lock);
	if (m->count == m->size)
		flush_magazine(c, m, (m->size + 1) / 2);
	if (m->count < m->size)
		m->obj[m->count++] = obj;
	else
		put_object(c, obj);
	spin_unlock(&c->lock);
	local_irq_restore(flags);
}

void slab_put(struct kmem_cache *c, void *obj)
{
	struct magazine *m;
	u64 flags;

	local_irq_save(flags);
	m = c->mag[smp_processor_id()];
	if (likely(m->count < m->size)) {
		m->obj[m->count++] = obj;
		local_irq_restore(flags);
		return;
	}
	local_irq_restore(flags);
	free_slow(c, obj);
}

void kmem_cache_free(struct kmem_cache *c, void *obj)
{
	if (!kasan_slab_free(c, obj))
		slab_put(c, obj);
}

/* Empties the magazine of this CPU and frees empty slabs. */
static void cache_reclaim(struct kmem_cache *c)
{
	struct magazine *m;
	u64 flags;

	local_irq_save(flags);
	m = c->mag[smp_processor_id()];
	spin_lock(&c->lock);
	flush_magazine(c, m, m->count);
	shrink_locked(c, 0);
	spin_unlock(&c->lock);
	local_irq_restore(flags);
}

void slab_reclaim(void)
{
	struct kmem_cache *c;
	u64 flags;

	spin_lock_irqsave(&caches_lock, flags);
	list_for_each_entry(c, &caches, link)
		cache_reclaim(c);
	spin_unlock_irqrestore(&caches_lock, flags);
}

/* ---- caches ---- */

/* The smallest slab that wastes at most an eighth and holds four objects, or the largest there is. */
static void choose_order(struct kmem_cache *c)
{
	for (c->order = 0; c->order < MAX_SLAB_ORDER; c->order++) {
		u64 bytes = PAGE_SIZE << c->order;

		if (bytes / c->size >= 4 && bytes % c->size <= bytes / 8)
			break;
	}
	c->per_slab = (u32)((PAGE_SIZE << c->order) / c->size);
}

static void cache_setup(struct kmem_cache *c, const char *name, size_t size, size_t align,
			bool magazines)
{
	u64 flags;

	if (!align)
		align = size >= 64 && size % 64 == 0 ? 64 : 8;
	c->name = name;
	c->object_size = (u32)size;
	c->size = (u32)ALIGN_UP(max(kasan_slab_size(size), sizeof(void *)), align);
	choose_order(c);
	if (!c->per_slab)
		panic("%s: objects of %zu bytes are too large for a slab", name, size);
	if (magazines)
		c->mag_size = c->size <= 256 ? MAGAZINE_ROOM : c->size <= 1024 ? 14 : 6;
	for (int i = 0; i < MAX_CPUS; i++)
		c->mag[i] = &no_magazine;
	spin_lock_init(&c->lock);
	INIT_LIST_HEAD(&c->partial);
	INIT_LIST_HEAD(&c->empty);

	spin_lock_irqsave(&caches_lock, flags);
	list_add_tail(&c->link, &caches);
	spin_unlock_irqrestore(&caches_lock, flags);
}

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align)
{
	struct kmem_cache *c = kmem_cache_alloc(&cache_cache, GFP_KERNEL | __GFP_ZERO);

	if (!c)
		panic("%s: no memory for a slab cache", name);
	cache_setup(c, name, size, align, true);
	return c;
}

void kmem_cache_destroy(struct kmem_cache *c)
{
	u64 flags;

	spin_lock_irqsave(&caches_lock, flags);
	list_del(&c->link);
	spin_unlock_irqrestore(&caches_lock, flags);

	kasan_drain();
	/* Nobody uses the cache any more, so other CPUs' magazines hold still. */
	for_each_cpu(cpu)
	{
		struct magazine *m = c->mag[cpu];

		spin_lock_irqsave(&c->lock, flags);
		flush_magazine(c, m, m->count);
		spin_unlock_irqrestore(&c->lock, flags);
		if (m != &no_magazine)
			kmem_cache_free(&magazine_cache, m);
	}
	if (c->nr_out)
		panic("kmem_cache_destroy: %s still has %lu objects in use", c->name, c->nr_out);
	spin_lock_irqsave(&c->lock, flags);
	shrink_locked(c, 0);
	spin_unlock_irqrestore(&c->lock, flags);
	kmem_cache_free(&cache_cache, c);
}

size_t kmem_cache_inuse(const struct kmem_cache *c)
{
	u64 n = READ_ONCE(c->nr_out), cached = READ_ONCE(c->nr_quarantined);

	for_each_cpu(cpu) cached += READ_ONCE(READ_ONCE(c->mag[cpu])->count);
	/* Another CPU may move objects while we add up. */
	return n > cached ? n - cached : 0;
}

size_t kmem_cache_size(const struct kmem_cache *c)
{
	return c->size;
}

size_t kmem_cache_object_size(const struct kmem_cache *c)
{
	return c->object_size;
}

void kmem_cache_quarantine(struct kmem_cache *c, long n)
{
	__atomic_fetch_add(&c->nr_quarantined, (u64)n, __ATOMIC_RELAXED);
}

bool slab_find(const void *addr, struct slab_place *place)
{
	const struct page *p;
	struct kmem_cache *c;
	u64 start;

	if ((u64)addr < PAGE_OFFSET || (u64)addr - PAGE_OFFSET >= max_pfn << PAGE_SHIFT)
		return false;
	p = virt_to_page(addr);
	c = p->slab;
	if (!(p->flags & PG_SLAB) || !c)
		return false;
	start = (u64)addr & ~((PAGE_SIZE << c->order) - 1);
	place->cache = c;
	place->name = c->name;
	place->obj = (void *)(start + ((u64)addr - start) / c->size * c->size);
	return true;
}

bool slab_inuse_of(unsigned n, const char **name, size_t *inuse)
{
	struct kmem_cache *c;
	bool found = false;
	u64 flags;

	spin_lock_irqsave(&caches_lock, flags);
	list_for_each_entry(c, &caches, link) {
		if (n--)
			continue;
		*name = c->name;
		*inuse = kmem_cache_inuse(c);
		found = true;
		break;
	}
	spin_unlock_irqrestore(&caches_lock, flags);
	return found;
}

size_t slab_objects_inuse(void)
{
	struct kmem_cache *c;
	size_t n = 0;
	u64 flags;

	spin_lock_irqsave(&caches_lock, flags);
	list_for_each_entry(c, &caches, link)
		if (c != &magazine_cache) /* they come by themselves and stay */
			n += kmem_cache_inuse(c);
	spin_unlock_irqrestore(&caches_lock, flags);
	return n;
}

void slab_init(void)
{
	cache_setup(&cache_cache, "kmem_cache", sizeof(struct kmem_cache), 64, false);
	cache_setup(&magazine_cache, "kmem_magazine", sizeof(struct magazine), 64, false);
}

/* ---- /proc/slabinfo ---- */

/* What a line needs, copied under the lock: writing the line may allocate. */
struct slab_line {
	const char *name;
	u64 inuse, objects, slabs, active;
	u32 size, per_slab, pages, mag_size;
};

/* Fills in the line of the @n-th cache; false past the last. */
static bool read_line(unsigned n, struct slab_line *l)
{
	struct kmem_cache *c;
	bool found = false;
	u64 flags;

	spin_lock_irqsave(&caches_lock, flags);
	list_for_each_entry(c, &caches, link) {
		if (n--)
			continue;
		*l = (struct slab_line){
			.name = c->name,
			.inuse = kmem_cache_inuse(c),
			.slabs = READ_ONCE(c->nr_slabs),
			.size = c->size,
			.per_slab = c->per_slab,
			.pages = 1u << c->order,
			.mag_size = c->mag_size,
		};
		l->objects = l->slabs * c->per_slab;
		l->active = l->slabs - min((u64)READ_ONCE(c->nr_empty), l->slabs);
		found = true;
		break;
	}
	spin_unlock_irqrestore(&caches_lock, flags);
	return found;
}

static void slabinfo_show(struct seq *s)
{
	struct slab_line l;

	seq_printf(s, "slabinfo - version: 2.1\n"
		      "# name            <active_objs> <num_objs> <objsize> <objperslab> "
		      "<pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata "
		      "<active_slabs> <num_slabs> <sharedavail>\n");
	for (unsigned i = 0; read_line(i, &l); i++)
		seq_printf(s,
			   "%-17s %6lu %6lu %6u %4u %4u : tunables %4u %4u %4u : slabdata %6lu "
			   "%6lu %6u\n",
			   l.name, l.inuse, l.objects, l.size, l.per_slab, l.pages, l.mag_size,
			   l.mag_size / 2, 0, l.active, l.slabs, 0);
}
PROC_ENTRY(slabinfo, "slabinfo", slabinfo_show);
