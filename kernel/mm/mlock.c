/*
 * mlock(2) and its family. Nothing is ever swapped out here, so to lock memory is to touch every page
 * of it, now and when an area is made later, and to be counted against RLIMIT_MEMLOCK. What is locked
 * may not be given away by mistake: MADV_DONTNEED and MS_INVALIDATE refuse it.
 *
 * Locks are by page and do not nest; a child of fork(2) has none, and execve(2) drops them. LOCKING:
 * mm->lock for VM_LOCKED and the counts; pages are touched after it has been let go.
 */
#include "kernel/abi/errno.h"
#include "kernel/cpu/syscall.h"
#include "kernel/mm/internal.h"
#include "kernel/sched/task.h"

#define MLOCK_ONFAULT 1
#define MCL_CURRENT   1
#define MCL_FUTURE    2
#define MCL_ONFAULT   4

/* Pages of [start, end) that are locked already. mm->lock held. */
static u64 pages_locked(struct mm *mm, u64 start, u64 end)
{
	struct vm_area *vma = find_vma_above(mm, start);
	u64 n = 0;

	for (; vma && vma->start < end; vma = vma_next(vma))
		if (vma->flags & VM_LOCKED)
			n += (min(vma->end, end) - max(vma->start, start)) >> PAGE_SHIFT;
	return n;
}

/* The pages of an address and a length, as mlock(2) rounds them; false if they wrap around. */
static bool whole_pages(u64 *start, u64 len, u64 *end)
{
	*end = *start + PAGE_ALIGN(len + (*start & ~PAGE_MASK));
	*start &= PAGE_MASK;
	return *end >= *start;
}

static long lock_range(u64 start, u64 len, bool on_fault)
{
	struct mm *mm = current->mm;
	u64 end;
	int r = vm_may_lock_any();

	if (r)
		return r;
	if (!whole_pages(&start, len, &end))
		return -EINVAL;
	mutex_lock(&mm->lock);
	r = vm_may_lock(mm, (end - start) >> PAGE_SHIFT);
	if (r)
		r = vm_may_lock(mm, ((end - start) >> PAGE_SHIFT) - pages_locked(mm, start, end));
	if (!r)
		r = change_range(mm, start, end, 0, VM_LOCKED);
	mutex_unlock(&mm->lock);
	if (r || on_fault)
		return r;
	return populate_range(mm, start, end, POPULATE_AREA) ? -ENOMEM : 0;
}

SYSCALL_DEFINE2(mlock, u64, start, u64, len)
{
	return lock_range(start, len, false);
}

SYSCALL_DEFINE3(mlock2, u64, start, u64, len, int, flags)
{
	if (flags & ~MLOCK_ONFAULT)
		return -EINVAL;
	return lock_range(start, len, flags);
}

SYSCALL_DEFINE2(munlock, u64, start, u64, len)
{
	struct mm *mm = current->mm;
	u64 end;
	int r;

	if (!whole_pages(&start, len, &end))
		return -EINVAL;
	mutex_lock(&mm->lock);
	r = change_range(mm, start, end, VM_LOCKED, 0);
	mutex_unlock(&mm->lock);
	return r;
}

/* All areas there are. mm->lock held. */
static void set_all(struct mm *mm, bool locked)
{
	struct vm_area *vma = find_vma_above(mm, 0);

	for (; vma; vma = vma_next(vma)) {
		u64 pages = (vma->end - vma->start) >> PAGE_SHIFT;

		vm_account(mm, vma->flags, -(s64)pages);
		vma->flags = (vma->flags & ~VM_LOCKED) | (locked ? VM_LOCKED : 0);
		vm_account(mm, vma->flags, (s64)pages);
	}
}

/* An area after the other: what cannot be touched (PROT_NONE) is left out. */
static void populate_all(struct mm *mm)
{
	struct vm_area *vma;
	u64 start = 0, end;

	for (;;) {
		mutex_lock(&mm->lock);
		vma = find_vma_above(mm, start);
		start = vma ? max(vma->start, start) : 0;
		end = vma ? vma->end : 0;
		mutex_unlock(&mm->lock);
		if (!vma || populate_range(mm, start, end, POPULATE_AREA) == -EINTR)
			return;
		start = end;
	}
}

SYSCALL_DEFINE1(mlockall, int, flags)
{
	struct mm *mm = current->mm;
	int r;

	if (!flags || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
		return -EINVAL;
	r = vm_may_lock_any();
	if (r)
		return r;
	mutex_lock(&mm->lock);
	if ((flags & MCL_CURRENT) && vm_may_lock(mm, mm->total_vm - mm->locked_vm)) {
		mutex_unlock(&mm->lock);
		return -ENOMEM;
	}
	mm->def_flags = flags & MCL_FUTURE ? VM_LOCKED : 0;
	if (flags & MCL_CURRENT)
		set_all(mm, true);
	mutex_unlock(&mm->lock);
	if ((flags & MCL_CURRENT) && !(flags & MCL_ONFAULT))
		populate_all(mm);
	return 0;
}

SYSCALL_DEFINE0(munlockall)
{
	struct mm *mm = current->mm;

	mutex_lock(&mm->lock);
	mm->def_flags = 0;
	set_all(mm, false);
	mutex_unlock(&mm->lock);
	return 0;
}
