/*
 * What of an area is in memory, for /proc/PID/smaps and pagemap: a walk over its page-table entries.
 *
 * A page counts in how many page tables it is by its references: a private page has no others, an
 * object's page one more, the object's own. Somebody who is copying the page just now holds one, too, so
 * a figure may be off for a moment.
 *
 * Cost: a step for each page that is there and for each table that is not.
 */
#include "kernel/mm/pagetable.h"
#include "kernel/sched/task.h"

static void count_page(struct area_usage *u, u64 e)
{
	const struct page *p = pte_page(e);
	u64 anon = p->flags & PG_ANON, users = (u64)refcount_read(&p->refs) - !anon;
	bool dirty = e & PTE_D;

	if (p->flags & PG_RESERVED)
		return; /* the zero page */
	u->rss += PAGE_SIZE;
	u->pss += PAGE_SIZE / max(users, 1ul);
	if (users > 1)
		*(dirty ? &u->shared_dirty : &u->shared_clean) += PAGE_SIZE;
	else
		*(dirty ? &u->private_dirty : &u->private_clean) += PAGE_SIZE;
	if (e & PTE_A)
		u->referenced += PAGE_SIZE;
	if (anon)
		u->anonymous += PAGE_SIZE;
}

void area_usage(const struct vm_area *v, struct area_usage *u)
{
	u64 addr = v->start, next, pss = u->pss;

	while (addr < v->end) {
		const u64 *pte = pte_find(v->mm->pgd, addr, &next);

		next = min(next, v->end);
		for (; pte && addr < next; addr += PAGE_SIZE, pte++)
			if (pte_has_page(*pte))
				count_page(u, *pte);
		addr = next;
		cond_resched();
	}
	if (v->flags & VM_LOCKED)
		u->locked += u->pss - pss;
}

#define PM_PFN       (BIT(55) - 1)
#define PM_EXCLUSIVE BIT(56)
#define PM_FILE      BIT(61) /* or shared anonymous memory */
#define PM_PRESENT   BIT(63)

void mm_pagemap(struct mm *mm, u64 addr, u64 *out, size_t n, bool show_pfn)
{
	u64 next;

	mutex_lock(&mm->lock);
	for (; n; n--, addr += PAGE_SIZE, out++) {
		const u64 *pte = pte_find(mm->pgd, addr, &next);
		const struct page *p;

		*out = 0;
		if (!pte || !pte_has_page(*pte))
			continue;
		p = pte_page(*pte);
		*out = PM_PRESENT | (show_pfn ? page_to_pfn(p) & PM_PFN : 0);
		if (!(p->flags & (PG_ANON | PG_RESERVED)))
			*out |= PM_FILE;
		else if ((p->flags & PG_ANON) && refcount_read(&p->refs) == 1)
			*out |= PM_EXCLUSIVE;
	}
	mutex_unlock(&mm->lock);
}
