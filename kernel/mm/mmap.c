/*
 * mmap, munmap, mprotect and brk: making, cutting and changing areas. No page is touched here but
 * to take it away; what an area promises is made good by fault.c.
 *
 * Places: areas that may lie anywhere go top-down from mm->mmap_base, the heap grows up from
 * mm->brk_start, the stack down from mm->stack_top. Below an area that grows downwards a gap of
 * 1 MiB stays free.
 *
 * The order in which arguments are checked is Linux's, because programs see it in errno.
 */
#include "kernel/abi/errno.h"
#include "kernel/cpu/syscall.h"
#include "kernel/mm/oom.h"
#include "kernel/mm/pagetable.h"
#include "kernel/sched/signal.h"

#define PROT_SEM       0x8
#define PROT_GROWSDOWN 0x01000000
#define PROT_GROWSUP   0x02000000

int (*mmap_file_hook)(int fd, u64 len, int prot, int flags, u64 off, const struct vm_ops **ops,
		      void **object);

/* ---- munmap ---- */

/* Makes @addr a border, whatever lies there. */
static int split_at(struct mm *mm, u64 addr)
{
	struct vm_area *vma = find_vma(mm, addr);

	return vma ? vma_split(mm, vma, addr) : 0;
}

int munmap_locked(struct mm *mm, u64 start, u64 end)
{
	struct vm_area *vma = find_vma_above(mm, start), *next;

	if (!vma || vma->start >= end || start >= end)
		return 0;
	if (split_at(mm, start) || split_at(mm, end))
		return -ENOMEM;
	zap_range(mm, start, end);
	for (vma = find_vma_above(mm, start); vma && vma->start < end; vma = next) {
		next = vma_next(vma);
		vma_remove(mm, vma);
		cond_resched();
	}
	return 0;
}

long do_munmap(struct mm *mm, u64 addr, u64 len)
{
	int r;

	if ((addr & ~PAGE_MASK) || addr > USER_TOP || len > USER_TOP - addr)
		return -EINVAL;
	len = PAGE_ALIGN(len);
	if (!len)
		return -EINVAL;
	mutex_lock(&mm->lock);
	r = munmap_locked(mm, addr, addr + len);
	mutex_unlock(&mm->lock);
	return r;
}

SYSCALL_DEFINE2(munmap, u64, addr, u64, len)
{
	return do_munmap(current->mm, addr, len);
}

/* ---- mmap ---- */

static bool range_is_free(struct mm *mm, u64 addr, u64 len)
{
	struct vm_area *vma = find_vma_above(mm, addr);

	return !vma || addr + len <= vma->start;
}

static long choose_address(struct mm *mm, u64 addr, u64 len, int flags)
{
	struct vm_area *vma;
	long at;

	if (len > USER_TOP)
		return -ENOMEM;
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (addr > USER_TOP - len)
			return -ENOMEM;
		if (addr & ~PAGE_MASK)
			return -EINVAL;
		if (addr < MMAP_MIN_ADDR)
			return -EPERM;
		if ((flags & MAP_FIXED_NOREPLACE) && !range_is_free(mm, addr, len))
			return -EEXIST;
		return (long)addr;
	}
	addr = PAGE_ALIGN(addr);
	if (addr && addr < MMAP_MIN_ADDR)
		addr = MMAP_MIN_ADDR;
	if (addr && addr <= USER_TOP - len) {
		vma = find_vma_above(mm, addr);
		if (!vma || addr + len <= vma_floor(vma))
			return (long)addr;
	}
	if (flags & MAP_32BIT)
		return vma_find_hole(mm, len, 0x40000000, 0x80000000);
	at = vma_find_place(mm, len);
	if (at < 0)
		at = vma_find_hole(mm, len, mm->mmap_base, USER_TOP);
	return at;
}

static long area_flags(int prot, int flags, bool object)
{
	u32 vm = 0;

	switch (flags & MAP_TYPE) {
	case MAP_SHARED_VALIDATE:
		if (!object)
			return -EINVAL;
		if (flags & ~(MAP_TYPE | MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_32BIT |
			      MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE |
			      MAP_STACK | 0x11800 /* DENYWRITE, EXECUTABLE, NONBLOCK */))
			return -EOPNOTSUPP;
		vm |= VM_SHARED;
		break;
	case MAP_SHARED:
		if (!object && (flags & MAP_GROWSDOWN))
			return -EINVAL;
		vm |= VM_SHARED;
		break;
	case MAP_PRIVATE:
		break;
	default:
		return -EINVAL;
	}
	if (prot & PROT_READ)
		vm |= VM_READ;
	if (prot & PROT_WRITE)
		vm |= VM_WRITE;
	if (prot & PROT_EXEC)
		vm |= VM_EXEC;
	if (flags & MAP_GROWSDOWN)
		vm |= VM_GROWSDOWN;
	if (flags & MAP_LOCKED)
		vm |= VM_LOCKED;
	if (flags & MAP_NORESERVE)
		vm |= VM_NORESERVE;
	return vm;
}

/* Pages of [start, end) that are mapped already and that MAP_FIXED would replace. */
static u64 pages_mapped(struct mm *mm, u64 start, u64 end)
{
	struct vm_area *vma = find_vma_above(mm, start);
	u64 n = 0;

	for (; vma && vma->start < end; vma = vma_next(vma))
		n += (min(vma->end, end) - max(vma->start, start)) >> PAGE_SHIFT;
	return n;
}

/* Makes room for @len bytes (whole pages) at @addr, and settles what is promised; 0 or -errno. */
static int prepare_range(struct mm *mm, u64 addr, u64 len, u32 *vm)
{
	u64 pages = len >> PAGE_SHIFT;
	int r;

	if (vm_may_expand(mm, *vm, pages) &&
	    vm_may_expand(mm, *vm, pages - pages_mapped(mm, addr, addr + len)))
		return -ENOMEM;
	r = munmap_locked(mm, addr, addr + len);
	return r ? r : vm_promise(vm, pages);
}

static long mmap_locked(struct mm *mm, u64 addr, u64 len, int prot, int flags,
			const struct vm_ops *ops, void *object, u64 offset)
{
	struct vm_area *vma;
	long at, r;
	u32 vm;

	if (mm->map_count >= MAX_MAP_COUNT)
		return -ENOMEM;
	at = choose_address(mm, addr, len, flags);
	if (at < 0)
		return at;
	if ((flags & MAP_LOCKED) && vm_may_lock_any())
		return -EPERM;
	r = area_flags(prot, flags, ops != NULL);
	if (r < 0)
		return r;
	vm = (u32)r | mm->def_flags;
	if ((vm & VM_LOCKED) && vm_may_lock(mm, len >> PAGE_SHIFT))
		return -EAGAIN;
	r = prepare_range(mm, (u64)at, len, &vm);
	if (r)
		return r;
	vma = vma_alloc(mm, (u64)at, (u64)at + len, vm);
	if (!vma)
		return -ENOMEM;
	if (!ops && (vm & VM_SHARED)) {
		object = shared_anon_create(len, vm);
		if (IS_ERR(object)) {
			vma_discard(vma);
			return -ENOMEM;
		}
		ops = &shared_anon_ops;
		offset = 0;
	}
	vma->ops = ops;
	vma->object = object;
	vma->offset = ops ? offset : 0;
	vma_link(mm, vma, NULL);
	vma_merge(mm, vma);
	return at;
}

static int populate_page(struct mm *mm, u64 addr, enum populate how)
{
	struct vm_area *vma;
	bool write;
	int r, code;

	mutex_lock(&mm->lock);
	vma = find_vma(mm, addr);
	if (!vma) {
		mutex_unlock(&mm->lock);
		return -ENOMEM;
	}
	write = how == POPULATE_WRITE ||
		(how == POPULATE_AREA && (vma->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE);
	r = fault_locked(mm, addr, write, false, &code);
	mutex_unlock(&mm->lock);
	switch (r) {
	case -ENOMEM:
		return out_of_memory() ? -EAGAIN : -EINTR;
	case -EIO:
		return -EFAULT;
	case -EFAULT:
		return -EINVAL;
	}
	return r;
}

int populate_range(struct mm *mm, u64 start, u64 end, enum populate how)
{
	while (start < end) {
		int r = populate_page(mm, start, how);

		if (fatal_signal_pending(current))
			return -EINTR;
		if (!r)
			start += PAGE_SIZE;
		else if (r != -EAGAIN)
			return r;
		cond_resched();
	}
	return 0;
}

long do_mmap(struct mm *mm, u64 addr, u64 len, int prot, int flags, const struct vm_ops *ops,
	     void *object, u64 offset)
{
	u64 pages = PAGE_ALIGN(len);
	long r;

	if (!len) {
		r = -EINVAL;
	} else if (!pages) {
		r = -ENOMEM;
	} else if (offset + pages < offset) {
		r = -EOVERFLOW;
	} else {
		mutex_lock(&mm->lock);
		r = mmap_locked(mm, addr, pages, prot, flags, ops, object, offset);
		mutex_unlock(&mm->lock);
	}
	if (r < 0 && ops && ops->close)
		ops->close(&(struct vm_area){.mm = mm, .ops = ops, .object = object});
	if (r >= 0 && ((flags & (MAP_POPULATE | MAP_LOCKED)) || (mm->def_flags & VM_LOCKED)))
		populate_range(mm, (u64)r, (u64)r + pages, POPULATE_AREA);
	return r;
}

SYSCALL_DEFINE6(mmap, u64, addr, u64, len, int, prot, int, flags, int, fd, u64, off)
{
	const struct vm_ops *ops = NULL;
	void *object = NULL;
	int r;

	if (off & ~PAGE_MASK)
		return -EINVAL;
	if (flags & MAP_ANONYMOUS) {
		if (flags & MAP_HUGETLB)
			return -EINVAL;
	} else {
		r = mmap_file_hook ? mmap_file_hook(fd, len, prot, flags, off, &ops, &object)
				   : -ENODEV;
		if (r)
			return r;
	}
	return do_mmap(current->mm, addr, len, prot, flags, ops, object, off);
}

/* ---- changing flags of a range: mprotect, madvise ---- */

static int change_area(struct mm *mm, struct vm_area *vma, u32 clear, u32 set)
{
	u32 flags = (vma->flags & ~clear) | set;
	u64 pages = (vma->end - vma->start) >> PAGE_SHIFT;
	int r;

	if (flags == vma->flags)
		return 0;
	if ((clear & VM_ACCESS_FLAGS) && vma->ops && vma->ops->may_protect) {
		r = vma->ops->may_protect(vma, flags);
		if (r)
			return r;
	}
	if ((flags & ~vma->flags & VM_WRITE) &&
	    (vm_may_be_data(mm, flags, pages) || vm_promise(&flags, pages)))
		return -ENOMEM;
	vm_account(mm, vma->flags, -(s64)pages);
	vm_account(mm, flags, (s64)pages);
	vma->flags = flags;
	if (clear & VM_ACCESS_FLAGS)
		protect_range(mm, vma, vma->start, vma->end);
	return 0;
}

int change_range(struct mm *mm, u64 start, u64 end, u32 clear, u32 set)
{
	struct vm_area *vma;
	int r;

	while (start < end) {
		vma = find_vma(mm, start);
		if (!vma)
			return -ENOMEM;
		if (vma_split(mm, vma, start))
			return -ENOMEM;
		vma = find_vma(mm, start);
		if (vma_split(mm, vma, end))
			return -ENOMEM;
		start = vma->end;
		r = change_area(mm, vma, clear, set);
		if (r)
			return r;
		vma_merge(mm, vma);
		cond_resched();
	}
	return 0;
}

SYSCALL_DEFINE3(mprotect, u64, start, u64, len, u64, prot)
{
	struct mm *mm = current->mm;
	u64 grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP), end;
	struct vm_area *vma;
	int r = -EINVAL;

	prot &= ~grows;
	if (grows == (PROT_GROWSDOWN | PROT_GROWSUP) || (start & ~PAGE_MASK))
		return -EINVAL;
	if (!len)
		return 0;
	len = PAGE_ALIGN(len);
	end = start + len;
	if (end <= start)
		return -ENOMEM;
	if (prot & ~(u64)(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM))
		return -EINVAL;

	mutex_lock(&mm->lock);
	if (grows == PROT_GROWSDOWN) {
		vma = find_vma_above(mm, start);
		if (!vma || vma->start >= end || !(vma->flags & VM_GROWSDOWN))
			goto out;
		start = vma->start;
	} else if (grows) {
		goto out; /* nothing grows upwards here */
	}
	/* VM_READ, VM_WRITE and VM_EXEC have the values of PROT_*. */
	r = change_range(mm, start, end, VM_ACCESS_FLAGS, (u32)prot & VM_ACCESS_FLAGS);
out:
	mutex_unlock(&mm->lock);
	return r;
}

/* ---- brk ---- */

/* Extends the heap from @old to @new, both page-aligned. */
static int grow_heap(struct mm *mm, u64 old, u64 new)
{
	struct vm_area *next = find_vma_above(mm, old), *vma;
	u64 pages = (new - old) >> PAGE_SHIFT;
	u32 flags = VM_READ | VM_WRITE | VM_HEAP | mm->def_flags;

	if (next && new + PAGE_SIZE > vma_floor(next))
		return -ENOMEM;
	if (vm_may_expand(mm, flags, pages) || vm_promise(&flags, pages) ||
	    ((flags & VM_LOCKED) && vm_may_lock(mm, pages)))
		return -ENOMEM;
	vma = vma_alloc(mm, old, new, flags);
	if (!vma)
		return -ENOMEM;
	vma_link(mm, vma, NULL);
	vma_merge(mm, vma);
	return 0;
}

static int set_brk(struct mm *mm, u64 addr)
{
	u64 old = PAGE_ALIGN(mm->brk), new = PAGE_ALIGN(addr);
	int r = 0;

	if (addr < mm->brk_start || addr > USER_TOP - PAGE_SIZE)
		return -ENOMEM;
	if (addr - mm->brk_start > rlimit(RLIMIT_DATA))
		return -ENOMEM;
	if (new > old)
		r = grow_heap(mm, old, new);
	else if (new < old)
		r = munmap_locked(mm, new, old);
	if (!r)
		mm->brk = addr;
	return r;
}

/* Returns the break, moved or not. */
SYSCALL_DEFINE1(brk, u64, addr)
{
	struct mm *mm = current->mm;
	u64 old, brk;
	bool locked;

	mutex_lock(&mm->lock);
	old = mm->brk;
	set_brk(mm, addr);
	brk = mm->brk;
	locked = mm->def_flags & VM_LOCKED;
	mutex_unlock(&mm->lock);
	if (locked && brk > old)
		populate_range(mm, old & PAGE_MASK, brk, POPULATE_AREA);
	return (long)brk;
}
