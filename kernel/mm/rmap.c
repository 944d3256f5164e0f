/*
 * The reverse map: from an object, a file's pages, to the areas that show them. The page tables
 * answer which page an address shows; here is the opposite question, which a file asks when it takes
 * pages away (truncation, punched holes): who still has them mapped?
 *
 * Every object that may ask owns a struct address_space, a list of its areas in all address spaces.
 * An area joins and leaves with its place in the tree (vma.c).
 *
 * Entries change under mm->lock, which is a mutex and the outer lock, so a walk cannot hold the list
 * while it works on an area. It takes the areas one at a time and remembers in each which walk it
 * has seen. The list keeps those that the current walk has not seen in front:
 *
 *	not yet seen ... | seen, or newer than the walk ...
 *
 * so the front tells whether anything is left. An area that is made out of another one (fork, split,
 * mremap) may have got stale entries from it: it is exactly as seen as that one and stands beside it.
 * A fresh area has no entries and counts as seen.
 *
 * Costs: two spinlocked list operations in the life of an area, 40 bytes an area. A walk is linear in
 * the areas of the object, whatever else their address spaces hold.
 *
 * LOCKING
 *	m->lock		(spinlock, process context) the list, vma->seen, m->walk. Taken under
 *			mm->lock; nothing is taken inside.
 *	The caller of mapping_unmap() keeps a second walk of the same object out, and has made sure
 *	that a fault from now on does not find the pages: a fault holds mm->lock from its look at the
 *	object until the entry is filled, so the walk, which takes each mm->lock after that, finds
 *	every older one.
 */
#include "kernel/mm/pagetable.h"

void mapping_init(struct address_space *m)
{
	spin_lock_init(&m->lock);
	INIT_LIST_HEAD(&m->areas);
	m->walk = 0;
}

static struct address_space *mapping_of(const struct vm_area *vma)
{
	return vma->ops && vma->ops->mapping ? vma->ops->mapping(vma) : NULL;
}

void mapping_add(struct vm_area *vma, struct vm_area *from)
{
	struct address_space *m = mapping_of(vma);

	vma->mapping = m;
	if (!m)
		return;
	spin_lock(&m->lock);
	if (from) {
		vma->seen = from->seen;
		list_add(&vma->share_link, &from->share_link);
	} else {
		vma->seen = m->walk;
		list_add_tail(&vma->share_link, &m->areas);
	}
	spin_unlock(&m->lock);
}

void mapping_remove(struct vm_area *vma, struct vm_area *into)
{
	struct address_space *m = vma->mapping;

	if (!m)
		return;
	spin_lock(&m->lock);
	list_del(&vma->share_link);
	if (into && vma->seen != m->walk) {
		into->seen = vma->seen;
		list_move(&into->share_link, &m->areas);
	}
	spin_unlock(&m->lock);
}

/* The first area that the walk has not seen, or NULL. m->lock held. */
static struct vm_area *next_unseen(struct address_space *m)
{
	struct vm_area *vma = list_first_entry_or_null(&m->areas, struct vm_area, share_link);

	return vma && vma->seen != m->walk ? vma : NULL;
}

/* The address space of that area with a reference, or NULL. */
static struct mm *next_mm(struct address_space *m)
{
	struct vm_area *vma;
	struct mm *mm = NULL;

	spin_lock(&m->lock);
	vma = next_unseen(m);
	if (vma) {
		mm = vma->mm;
		mm_grab(mm); /* its areas leave the list before it goes */
	}
	spin_unlock(&m->lock);
	return mm;
}

/* Takes the front area if it still belongs to @mm, whose lock is held: so it stays what it is. */
static struct vm_area *take_area(struct address_space *m, struct mm *mm)
{
	struct vm_area *vma;

	spin_lock(&m->lock);
	vma = next_unseen(m);
	if (vma && vma->mm != mm)
		vma = NULL;
	if (vma) {
		vma->seen = m->walk;
		list_move_tail(&vma->share_link, &m->areas);
	}
	spin_unlock(&m->lock);
	return vma;
}

/* Removes what @vma shows of bytes [start, end) of the object. */
static void unmap_part(struct vm_area *vma, u64 start, u64 end, bool copies)
{
	u64 lo = max(start, vma->offset);
	u64 hi = min(end, vma->offset + (vma->end - vma->start));

	if (lo >= hi)
		return;
	lo = vma->start + (lo - vma->offset);
	hi = vma->start + (hi - vma->offset);
	if (copies)
		zap_range(vma->mm, lo, hi);
	else
		zap_shared_pages(vma->mm, lo, hi);
}

void mapping_unmap(struct address_space *m, u64 start, u64 end, bool copies)
{
	struct vm_area *vma;
	struct mm *mm;

	spin_lock(&m->lock);
	m->walk++;
	spin_unlock(&m->lock);
	while ((mm = next_mm(m))) {
		mutex_lock(&mm->lock);
		while ((vma = take_area(m, mm)))
			unmap_part(vma, start, end, copies);
		mutex_unlock(&mm->lock);
		mm_drop(mm);
		cond_resched();
	}
}
