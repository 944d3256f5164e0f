/*
 * What an address space may take: the limits of setrlimit(2), and overcommit.
 *
 * Every mapped page is counted, touched or not, by what it is: all of them (RLIMIT_AS), private
 * writable ones but for stacks (RLIMIT_DATA), locked ones (RLIMIT_MEMLOCK). Whoever makes, grows,
 * changes or removes an area calls vm_account(), and asks first.
 *
 * A page of VM_ACCOUNT memory is also a promise of memory: private and writable, or shared and
 * anonymous. /proc/sys/vm/overcommit_memory says how many promises there may be:
 *
 *	0	any number, but a single one for more than all memory can only be a mistake
 *	1	any number
 *	2	together no more than overcommit_ratio percent of memory
 *
 * There is no swap, and every page is in memory until it is given back: mlock(2) has only to count.
 *
 * LOCKING: the numbers of an address space change under its mm->lock; the sum of promises is kept
 * per CPU (VM_STAT_COMMITTED) and may run behind for a moment.
 */
#include "kernel/abi/errno.h"
#include "kernel/exec/cred.h"
#include "kernel/lib/sysctl.h"
#include "kernel/mm/internal.h"
#include "kernel/sched/signal.h"

#define OVERCOMMIT_GUESS  0
#define OVERCOMMIT_ALWAYS 1
#define OVERCOMMIT_NEVER  2

static int overcommit_memory;     /* [a] */
static int overcommit_ratio = 50; /* [a] percent */
SYSCTL(overcommit_memory, "sys/vm/overcommit_memory", overcommit_memory, 0, 2);
SYSCTL(overcommit_ratio, "sys/vm/overcommit_ratio", overcommit_ratio, 0, 100);

static u64 limit_pages(int which)
{
	return rlimit(which) >> PAGE_SHIFT;
}

static bool may_exceed_memlock(void)
{
	return capable(CAP_IPC_LOCK);
}

static bool is_data(u32 flags)
{
	return (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) == VM_WRITE;
}

void vm_account(struct mm *mm, u32 flags, s64 pages)
{
	mm->total_vm += (u64)pages;
	if (is_data(flags))
		mm->data_vm += (u64)pages;
	if (flags & VM_LOCKED)
		mm->locked_vm += (u64)pages;
	if (flags & VM_ACCOUNT)
		vm_stat_add(VM_STAT_COMMITTED, pages);
}

int vm_may_be_data(struct mm *mm, u32 flags, u64 pages)
{
	return is_data(flags) && mm->data_vm + pages > limit_pages(RLIMIT_DATA) ? -ENOMEM : 0;
}

int vm_may_expand(struct mm *mm, u32 flags, u64 pages)
{
	if (mm->total_vm + pages > limit_pages(RLIMIT_AS))
		return -ENOMEM;
	return vm_may_be_data(mm, flags, pages);
}

int vm_may_lock(struct mm *mm, u64 pages)
{
	return may_exceed_memlock() || mm->locked_vm + pages <= limit_pages(RLIMIT_MEMLOCK)
		       ? 0
		       : -ENOMEM;
}

int vm_may_lock_any(void)
{
	return may_exceed_memlock() || rlimit(RLIMIT_MEMLOCK) ? 0 : -EPERM;
}

u64 vm_commit_limit(void)
{
	return total_pages * (u64)READ_ONCE(overcommit_ratio) / 100;
}

int vm_enough_memory(u64 pages)
{
	switch (READ_ONCE(overcommit_memory)) {
	case OVERCOMMIT_GUESS:
		return pages > total_pages ? -ENOMEM : 0;
	case OVERCOMMIT_ALWAYS:
		return 0;
	default:
		return vm_stat_read(VM_STAT_COMMITTED) + pages > vm_commit_limit() ? -ENOMEM : 0;
	}
}

int vm_promise(u32 *flags, u64 pages)
{
	if ((*flags & (VM_WRITE | VM_SHARED | VM_ACCOUNT)) != VM_WRITE)
		return 0;
	if ((*flags & VM_NORESERVE) && READ_ONCE(overcommit_memory) != OVERCOMMIT_NEVER)
		return 0;
	if (vm_enough_memory(pages))
		return -ENOMEM;
	*flags |= VM_ACCOUNT;
	return 0;
}
