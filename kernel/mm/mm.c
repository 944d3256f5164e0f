/*
 * The life of an address space.
 *
 *	mm_alloc()/mm_dup()   users 1, refs 1
 *	mm_get()/mm_put()     a task runs in it; the last one out unmaps everything
 *	mm_grab()/mm_drop()   a CPU still has its page table loaded though its task is gone (lazy TLB);
 *	                      the last one frees the table and the struct
 *
 * LOCKING
 *	mm->lock	areas, user page tables, the numbers. A mutex: faults read files. Held by the
 *			page-fault handler, so never while user memory is touched. fork takes the
 *			parent's, then the child's. Under it: whatever vm_ops->fault needs, none of
 *			which may be held around a user copy.
 */
#include "kernel/cpu/ldt.h"
#include "kernel/lib/printk.h"
#include "kernel/mm/oom.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/task.h"
#include "kernel/lib/init.h"

static struct kmem_cache *mm_cache;
void (*mm_exe_get)(void *exe), (*mm_exe_put)(void *exe);

static int mm_cache_init(void)
{
	mm_cache = kmem_cache_create("mm_struct", sizeof(struct mm), 0);
	vma_init();
	return 0;
}
core_initcall(mm_cache_init);

struct mm *mm_alloc(void)
{
	struct mm *mm = kmem_cache_alloc(mm_cache, GFP_KERNEL | __GFP_ZERO);

	if (!mm)
		return NULL;
	mm->pgd = pgd_alloc();
	if (!mm->pgd) {
		kmem_cache_free(mm_cache, mm);
		return NULL;
	}
	refcount_set(&mm->users, 1);
	refcount_set(&mm->refs, 1);
	mutex_init(&mm->lock);
	mm->mmap_base = mm->stack_top = mm->hole_hint = USER_TOP;
	return mm;
}

/* One area of the parent into the child; both locks held. */
static int dup_area(struct mm *mm, struct mm *old, struct vm_area *from)
{
	struct vm_area *vma;

	if (from->flags & VM_DONTCOPY)
		return 0;
	if ((from->flags & VM_ACCOUNT) && vm_enough_memory((from->end - from->start) >> PAGE_SHIFT))
		return -ENOMEM;
	vma = vma_alloc(mm, from->start, from->end, from->flags & ~VM_LOCKED);
	if (!vma)
		return -ENOMEM;
	vma->ops = from->ops;
	vma->object = from->object;
	vma->offset = from->offset;
	if (vma->ops && vma->ops->open)
		vma->ops->open(vma);
	vma_link(mm, vma, from);
	if (from->flags & VM_WIPEONFORK)
		return 0;
	/* Pages of a shared object are found again by faulting. */
	if ((from->flags & VM_SHARED) && from->ops)
		return 0;
	return copy_range(mm, old, from);
}

struct mm *mm_dup(struct mm *old)
{
	struct mm *mm = mm_alloc();
	struct vm_area *vma;
	int r;

	if (!mm)
		return NULL;
	mutex_lock(&old->lock);
	mutex_lock_nested(&mm->lock, 1);
	if (old->exe) {
		mm->exe = old->exe;
		mm_exe_get(mm->exe);
	}
	mm->brk_start = old->brk_start;
	mm->brk = old->brk;
	mm->mmap_base = old->mmap_base;
	mm->stack_top = old->stack_top;
	mm->exec_base = old->exec_base;
	mm->membarrier = old->membarrier;
	mm->arg_start = old->arg_start;
	mm->arg_end = old->arg_end;
	mm->env_start = old->env_start;
	mm->env_end = old->env_end;
	mm->auxv_start = old->auxv_start;
	mm->auxv_end = old->auxv_end;
	r = ldt_dup(mm, old);
	rb_for_each_entry(vma, &old->areas, node) {
		if (r)
			break;
		r = dup_area(mm, old, vma);
		cond_resched();
	}
	/* The parent's writable entries have become read-only. */
	tlb_flush_mm(old);
	mutex_unlock(&mm->lock);
	mutex_unlock(&old->lock);
	if (r) {
		mm_put(mm);
		return NULL;
	}
	return mm;
}

void mm_put(struct mm *mm)
{
	struct rb_node *n;

	if (!refcount_dec_and_test(&mm->users))
		return;
	/* From here on no CPU has it loaded, and zapping needs no flush. */
	tlb_flush_mm(mm);
	mutex_lock(&mm->lock);
	while ((n = rb_first(&mm->areas))) {
		struct vm_area *vma = rb_entry(n, struct vm_area, node);

		zap_range(mm, vma->start, vma->end);
		vma_remove(mm, vma);
		cond_resched();
	}
	mutex_unlock(&mm->lock);
	ldt_free(mm->ldt);
	if (mm->exe)
		mm_exe_put(mm->exe);
	if (unlikely(mm->oom))
		oom_victim_gone(mm);
	mm_drop(mm);
}

void mm_drop(struct mm *mm)
{
	if (!refcount_dec_and_test(&mm->refs))
		return;
	BUG_ON(mm->cpumask);
	pgd_free(mm->pgd);
	kmem_cache_free(mm_cache, mm);
}

struct mm *get_task_mm(struct task *t)
{
	struct mm *mm;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	mm = list_empty(&t->pid_link) ? NULL : READ_ONCE(t->mm);
	if (mm && !refcount_inc_not_zero(&mm->users))
		mm = NULL;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return mm;
}
