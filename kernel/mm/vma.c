/*
 * Areas (struct vm_area) and the tree of them. Areas of one address space never overlap; neighbours
 * that agree in everything are one area, so the tree stays small. mm->lock is held for everything
 * here.
 *
 * An area that refers to an object owns one reference to it: ops->open() takes one when an area is
 * split, ops->close() drops it.
 */
#include "kernel/abi/errno.h"
#include "kernel/lib/printk.h"
#include "kernel/mm/internal.h"
#include "kernel/mm/slab.h"

static struct kmem_cache *vma_cache;

void vma_init(void)
{
	vma_cache = kmem_cache_create("vm_area_struct", sizeof(struct vm_area), 0);
}

struct vm_area *vma_alloc(struct mm *mm, u64 start, u64 end, u32 flags)
{
	struct vm_area *vma;

	if (mm->map_count >= MAX_MAP_COUNT)
		return NULL;
	vma = kmem_cache_alloc(vma_cache, GFP_KERNEL);
	if (vma)
		*vma = (struct vm_area){.start = start, .end = end, .flags = flags, .mm = mm};
	return vma;
}

void vma_discard(struct vm_area *vma)
{
	kmem_cache_free(vma_cache, vma);
}

static void tree_insert(struct mm *mm, struct vm_area *vma)
{
	struct rb_node **link = &mm->areas.node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = vma->start < rb_entry(parent, struct vm_area, node)->start ? &parent->left
										  : &parent->right;
	}
	rb_insert(&vma->node, parent, link, &mm->areas);
	mm->map_count++;
}

/* @into: the neighbour that takes over its range, or NULL. */
static void tree_erase(struct mm *mm, struct vm_area *vma, struct vm_area *into)
{
	mapping_remove(vma, into);
	rb_erase(&vma->node, &mm->areas);
	mm->map_count--;
	if (mm->last == vma)
		mm->last = NULL;
	if (vma->ops && vma->ops->close)
		vma->ops->close(vma);
	kmem_cache_free(vma_cache, vma);
}

void vma_link(struct mm *mm, struct vm_area *vma, struct vm_area *from)
{
	tree_insert(mm, vma);
	mapping_add(vma, from);
	vm_account(mm, vma->flags, (s64)((vma->end - vma->start) >> PAGE_SHIFT));
}

void vma_remove(struct mm *mm, struct vm_area *vma)
{
	struct vm_area *above = vma_next(vma);

	/* The hole that this makes, or makes larger, must lie below the hint. */
	mm->hole_hint = max(mm->hole_hint, above ? above->start : USER_TOP);
	vm_account(mm, vma->flags, -(s64)((vma->end - vma->start) >> PAGE_SHIFT));
	tree_erase(mm, vma, NULL);
}

struct vm_area *vma_next(const struct vm_area *vma)
{
	return rb_entry_safe(rb_next(&vma->node), struct vm_area, node);
}

struct vm_area *vma_prev(const struct vm_area *vma)
{
	return rb_entry_safe(rb_prev(&vma->node), struct vm_area, node);
}

struct vm_area *find_vma_above(struct mm *mm, u64 addr)
{
	struct rb_node *n = mm->areas.node;
	struct vm_area *best = mm->last;

	if (best && best->start <= addr && addr < best->end)
		return best;
	for (best = NULL; n;) {
		struct vm_area *vma = rb_entry(n, struct vm_area, node);

		if (vma->end <= addr) {
			n = n->right;
			continue;
		}
		best = vma;
		if (vma->start <= addr)
			break;
		n = n->left;
	}
	if (best)
		mm->last = best;
	return best;
}

struct vm_area *find_vma(struct mm *mm, u64 addr)
{
	struct vm_area *vma = find_vma_above(mm, addr);

	return vma && vma->start <= addr ? vma : NULL;
}

int vma_split(struct mm *mm, struct vm_area *vma, u64 addr)
{
	struct vm_area *upper;

	if (addr <= vma->start || addr >= vma->end)
		return 0;
	upper = vma_alloc(mm, addr, vma->end, vma->flags);
	if (!upper)
		return -ENOMEM;
	upper->ops = vma->ops;
	upper->object = vma->object;
	upper->offset = vma->offset + (addr - vma->start);
	if (upper->ops && upper->ops->open)
		upper->ops->open(upper);
	vma->end = addr;
	tree_insert(mm, upper);
	mapping_add(upper, vma);
	return 0;
}

static bool may_join(const struct vm_area *a, const struct vm_area *b)
{
	return a->end == b->start && a->flags == b->flags && !(a->flags & VM_GROWSDOWN) &&
	       a->ops == b->ops && a->object == b->object &&
	       (!a->ops || a->offset + (a->end - a->start) == b->offset);
}

struct vm_area *vma_merge(struct mm *mm, struct vm_area *vma)
{
	struct vm_area *next = vma_next(vma), *prev = vma_prev(vma);

	if (next && may_join(vma, next)) {
		vma->end = next->end;
		tree_erase(mm, next, vma);
	}
	if (prev && may_join(prev, vma)) {
		prev->end = vma->end;
		tree_erase(mm, vma, prev);
		vma = prev;
	}
	return vma;
}

u64 vma_floor(const struct vm_area *vma)
{
	if (!(vma->flags & VM_GROWSDOWN))
		return vma->start;
	return vma->start > STACK_GUARD_GAP ? vma->start - STACK_GUARD_GAP : 0;
}

/* Sets *largest, if not less already, to the size of the largest hole that was too small. */
static long find_hole(struct mm *mm, u64 len, u64 lo, u64 hi, u64 *largest)
{
	struct vm_area *above = find_vma_above(mm, hi), *below;
	u64 top = hi;

	below = above ? vma_prev(above) : rb_entry_safe(rb_last(&mm->areas), struct vm_area, node);
	if (above)
		top = min(top, vma_floor(above));
	for (;;) {
		u64 bottom = below ? max(below->end, lo) : lo;
		u64 hole = top > bottom ? top - bottom : 0;

		if (hole >= len)
			return (long)(top - len);
		*largest = max(*largest, hole);
		if (!below || below->end <= lo)
			return -ENOMEM;
		top = min(top, vma_floor(below));
		below = vma_prev(below);
	}
}

long vma_find_hole(struct mm *mm, u64 len, u64 lo, u64 hi)
{
	u64 largest = 0;

	return find_hole(mm, len, lo, hi, &largest);
}

/*
 * Begins where the last search ended, unless a hole that it passed over may be large enough: a
 * program that maps many areas of a size finds each place at once.
 */
long vma_find_place(struct mm *mm, u64 len)
{
	u64 from = min(mm->hole_hint, mm->mmap_base);
	long at;

	if (len <= mm->hole_max) {
		from = mm->mmap_base;
		mm->hole_max = 0;
	}
	at = find_hole(mm, len, MMAP_MIN_ADDR, from, &mm->hole_max);
	if (at < 0 && from != mm->mmap_base) {
		/* A place that was found and then not used lies above the hint. */
		mm->hole_max = 0;
		at = find_hole(mm, len, MMAP_MIN_ADDR, mm->mmap_base, &mm->hole_max);
	}
	if (at >= 0)
		mm->hole_hint = (u64)at;
	return at;
}
