/*
 * The smaller calls on address ranges: mremap, madvise, mincore and msync. There is no swap and files
 * live in memory, so most advice has nothing to do, and nothing is ever written back; the arguments
 * are checked as on Linux all the same.
 */
#include "kernel/abi/errno.h"
#include "kernel/cpu/syscall.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/task.h"

#define MREMAP_MAYMOVE   1
#define MREMAP_FIXED     2
#define MREMAP_DONTUNMAP 4

/* ---- mremap ---- */

struct remap {
	u64 addr, old_len, new_addr, new_len; /* whole pages */
	int flags;
};

/* May [addr, addr + old_len), inside @vma, become new_len long, or be there once more? */
static int may_resize(struct mm *mm, const struct vm_area *vma, const struct remap *r)
{
	u64 more = r->new_len;

	if (r->old_len && !(r->flags & MREMAP_DONTUNMAP))
		more = r->new_len > r->old_len ? r->new_len - r->old_len : 0;
	more >>= PAGE_SHIFT;
	if ((vma->flags & VM_LOCKED) && vm_may_lock(mm, more))
		return -EAGAIN;
	if (vm_may_expand(mm, vma->flags, more))
		return -ENOMEM;
	return (vma->flags & VM_ACCOUNT) ? vm_enough_memory(more) : 0;
}

/* Moves [addr, addr + old_len), inside @vma, to new_addr, where nothing lies. */
static long move_area(struct mm *mm, struct vm_area *vma, const struct remap *r)
{
	struct vm_area *to;

	to = vma_alloc(mm, r->new_addr, r->new_addr + r->new_len, vma->flags);
	if (!to)
		return -ENOMEM;
	if (move_range(mm, r->addr, r->new_addr, min(r->old_len, r->new_len))) {
		vma_discard(to);
		return -ENOMEM;
	}
	to->ops = vma->ops;
	to->object = vma->object;
	to->offset = vma->ops ? vma->offset + (r->addr - vma->start) : 0;
	if (to->ops && to->ops->open)
		to->ops->open(to);
	vma_link(mm, to, vma);
	vma_merge(mm, to);
	/* Out of areas for the split: the old range stays as an empty one. */
	if (!(r->flags & MREMAP_DONTUNMAP))
		munmap_locked(mm, r->addr, r->addr + r->old_len);
	return (long)r->new_addr;
}

static bool can_grow_in_place(const struct vm_area *vma, const struct remap *r)
{
	struct vm_area *next = vma_next(vma);
	u64 end = r->addr + r->new_len;

	return r->addr + r->old_len == vma->end && end > vma->end && end <= USER_TOP &&
	       (!next || end <= vma_floor(next));
}

static long remap_fixed(struct mm *mm, struct remap *r)
{
	struct vm_area *vma;
	int err;

	if ((r->new_addr & ~PAGE_MASK) || r->new_len > USER_TOP ||
	    r->new_addr > USER_TOP - r->new_len)
		return -EINVAL;
	if (r->addr + r->old_len > r->new_addr && r->new_addr + r->new_len > r->addr)
		return -EINVAL;
	if (r->new_addr < MMAP_MIN_ADDR)
		return -EPERM;
	err = munmap_locked(mm, r->new_addr, r->new_addr + r->new_len);
	if (err)
		return err;
	if (r->new_len < r->old_len) {
		err = munmap_locked(mm, r->addr + r->new_len, r->addr + r->old_len);
		if (err)
			return err;
		r->old_len = r->new_len;
	}
	vma = find_vma(mm, r->addr);
	if (!vma || r->old_len > vma->end - r->addr)
		return -EFAULT;
	err = may_resize(mm, vma, r);
	return err ? err : move_area(mm, vma, r);
}

static long remap_locked(struct mm *mm, struct remap *r)
{
	struct vm_area *vma = find_vma(mm, r->addr);
	long at, err;

	if (!vma)
		return -EFAULT;
	/* Length 0 is for a second view of shared memory. */
	if (!r->old_len && !(vma->flags & VM_SHARED))
		return -EINVAL;
	if (r->flags & MREMAP_FIXED)
		return remap_fixed(mm, r);
	if (r->old_len >= r->new_len && r->old_len && !(r->flags & MREMAP_DONTUNMAP)) {
		at = munmap_locked(mm, r->addr + r->new_len, r->addr + r->old_len);
		return at ? at : (long)r->addr;
	}
	if (r->old_len > vma->end - r->addr)
		return -EFAULT;
	err = may_resize(mm, vma, r);
	if (err)
		return err;
	if (!(r->flags & MREMAP_DONTUNMAP) && can_grow_in_place(vma, r)) {
		vm_account(mm, vma->flags, (s64)((r->new_len - r->old_len) >> PAGE_SHIFT));
		vma->end = r->addr + r->new_len;
		vma_merge(mm, vma);
		return (long)r->addr;
	}
	if (!(r->flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	at = vma_find_place(mm, r->new_len);
	if (at < 0)
		return at;
	r->new_addr = (u64)at;
	return move_area(mm, vma, r);
}

SYSCALL_DEFINE5(mremap, u64, addr, u64, old_len, u64, new_len, u64, flags, u64, new_addr)
{
	struct remap r = {addr, PAGE_ALIGN(old_len), new_addr, PAGE_ALIGN(new_len), (int)flags};
	struct mm *mm = current->mm;
	bool locked;
	long ret;

	if ((flags & ~(u64)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) ||
	    ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE)) ||
	    ((flags & MREMAP_DONTUNMAP) && r.old_len != r.new_len))
		return -EINVAL;
	if ((addr & ~PAGE_MASK) || !r.new_len || r.old_len > USER_TOP ||
	    addr > USER_TOP - r.old_len)
		return -EINVAL;
	mutex_lock(&mm->lock);
	ret = remap_locked(mm, &r);
	locked = ret >= 0 && (find_vma(mm, (u64)ret)->flags & VM_LOCKED);
	mutex_unlock(&mm->lock);
	if (locked && r.new_len > r.old_len)
		populate_range(mm, (u64)ret + r.old_len, (u64)ret + r.new_len, POPULATE_AREA);
	return ret;
}

/* ---- madvise ---- */

enum {
	MADV_NORMAL = 0,
	MADV_RANDOM = 1,
	MADV_SEQUENTIAL = 2,
	MADV_WILLNEED = 3,
	MADV_DONTNEED = 4,
	MADV_FREE = 8,
	MADV_DONTFORK = 10,
	MADV_DOFORK = 11,
	MADV_MERGEABLE = 12,
	MADV_UNMERGEABLE = 13,
	MADV_HUGEPAGE = 14,
	MADV_NOHUGEPAGE = 15,
	MADV_DONTDUMP = 16,
	MADV_DODUMP = 17,
	MADV_WIPEONFORK = 18,
	MADV_KEEPONFORK = 19,
	MADV_COLD = 20,
	MADV_PAGEOUT = 21,
	MADV_POPULATE_READ = 22,
	MADV_POPULATE_WRITE = 23,
	MADV_DONTNEED_LOCKED = 24
};

static bool madvise_known(int advice)
{
	return (advice >= MADV_NORMAL && advice <= MADV_DONTNEED) || advice == MADV_FREE ||
	       (advice >= MADV_DONTFORK && advice <= MADV_DONTNEED_LOCKED);
}

/* One area, or the part of it in [start, end). */
static int madvise_area(struct mm *mm, struct vm_area *vma, u64 start, u64 end, int advice)
{
	bool private_anon = !vma->ops && !(vma->flags & VM_SHARED);

	switch (advice) {
	case MADV_FREE: /* may be freed at any time from now on: now */
		if (!private_anon || (vma->flags & VM_LOCKED))
			return -EINVAL;
		zap_range(mm, start, end);
		return 0;
	case MADV_DONTNEED:
		if (vma->flags & VM_LOCKED)
			return -EINVAL;
		__attribute__((fallthrough));
	case MADV_DONTNEED_LOCKED:
		zap_range(mm, start, end);
		return 0;
	case MADV_COLD:
	case MADV_PAGEOUT:
		return vma->flags & VM_LOCKED ? -EINVAL : 0;
	case MADV_DONTFORK:
		return change_range(mm, start, end, 0, VM_DONTCOPY);
	case MADV_DOFORK:
		return change_range(mm, start, end, VM_DONTCOPY, 0);
	case MADV_WIPEONFORK:
		return private_anon ? change_range(mm, start, end, 0, VM_WIPEONFORK) : -EINVAL;
	case MADV_KEEPONFORK:
		return change_range(mm, start, end, VM_WIPEONFORK, 0);
	default:
		return 0;
	}
}

SYSCALL_DEFINE3(madvise, u64, start, u64, len, int, advice)
{
	struct mm *mm = current->mm;
	u64 end, stop, pages = PAGE_ALIGN(len);
	int r = 0, hole = 0;

	if (!madvise_known(advice) || (start & ~PAGE_MASK) || (len && !pages))
		return -EINVAL;
	end = start + pages;
	if (end < start)
		return -EINVAL;

	if (advice == MADV_POPULATE_READ)
		return populate_range(mm, start, end, POPULATE_READ);
	if (advice == MADV_POPULATE_WRITE)
		return populate_range(mm, start, end, POPULATE_WRITE);
	mutex_lock(&mm->lock);
	for (; start < end && !r; start = stop) {
		struct vm_area *vma = find_vma_above(mm, start);

		/* A hole is an error, but the rest is done before it is reported. */
		if (!vma || vma->start > start)
			hole = -ENOMEM;
		if (!vma || vma->start >= end)
			break;
		start = max(start, vma->start);
		stop = min(end, vma->end);
		r = madvise_area(mm, vma, start, stop, advice);
		cond_resched();
	}
	mutex_unlock(&mm->lock);
	return r ? r : hole;
}

/* ---- mincore, msync ---- */

/* In memory: mapped, or in the object's cache, from where a fault would take it. */
static bool is_resident(struct vm_area *vma, u64 addr)
{
	u64 next, *pte = pte_find(vma->mm->pgd, addr, &next);

	if (pte && pte_has_page(*pte))
		return true;
	return vma->ops && vma->ops->present &&
	       vma->ops->present(vma, vma->offset + (addr - vma->start));
}

/* A bit for each page from @addr on that has memory; the number of pages looked at, -ENOMEM. */
static long residency(struct mm *mm, u64 addr, u64 end, u8 *vec, size_t max)
{
	size_t n = 0;

	mutex_lock(&mm->lock);
	for (; n < max && addr < end; n++, addr += PAGE_SIZE) {
		struct vm_area *vma = find_vma(mm, addr);

		if (!vma) {
			mutex_unlock(&mm->lock);
			return -ENOMEM;
		}
		vec[n] = is_resident(vma, addr);
	}
	mutex_unlock(&mm->lock);
	return (long)n;
}

SYSCALL_DEFINE3(mincore, u64, start, u64, len, u8 __user *, uvec)
{
	u64 end = start + PAGE_ALIGN(len);
	u8 vec[256];

	if (start & ~PAGE_MASK)
		return -EINVAL;
	if (!access_ok((void __user *)start, len))
		return -ENOMEM;
	if (!access_ok(uvec, (end - start) >> PAGE_SHIFT))
		return -EFAULT;
	while (start < end) {
		long n = residency(current->mm, start, end, vec, sizeof(vec));

		if (n < 0)
			return n;
		if (copy_to_user(uvec, vec, (size_t)n))
			return -EFAULT;
		uvec += n;
		start += (u64)n * PAGE_SIZE;
		cond_resched();
	}
	return 0;
}

#define MS_ASYNC      1
#define MS_INVALIDATE 2
#define MS_SYNC       4

SYSCALL_DEFINE3(msync, u64, start, u64, len, int, flags)
{
	struct mm *mm = current->mm;
	u64 end = start + PAGE_ALIGN(len);
	int r = 0;

	if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || (start & ~PAGE_MASK) ||
	    ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	if (end < start)
		return -ENOMEM;
	mutex_lock(&mm->lock);
	while (start < end) {
		struct vm_area *vma = find_vma_above(mm, start);

		/* A hole is an error, but what lies behind it is looked at as well. */
		if (!vma || vma->start > start)
			r = -ENOMEM;
		if (!vma)
			break;
		if (vma->start < end && (flags & MS_INVALIDATE) && (vma->flags & VM_LOCKED)) {
			r = -EBUSY;
			break;
		}
		start = vma->end;
		cond_resched();
	}
	mutex_unlock(&mm->lock);
	return r;
}
