/*
 * The local descriptor table: segments that a process makes for itself, by modify_ldt(2). Old programs
 * of 16 and 32 bits want them, and emulators that run such programs. Intel SDM volume 3, 3.4 and 3.5.
 *
 * The table belongs to the address space: threads share it, fork copies it, execve drops it. It never
 * changes once it is there; modify_ldt(2) makes another one, tells every CPU that has the address space
 * loaded, and frees the old one when all have changed over. Most processes have none, and a switch
 * between two of them costs a comparison.
 *
 * Whatever the user asks for, an entry becomes a code or data segment of privilege 3 and not of 64 bits,
 * so there is nothing in the table that leads into the kernel. What he can do with it is make the
 * return to user mode fail, which entry.asm expects.
 *
 * 16-BIT STACKS. IRET to 32- or 16-bit code with a 16-bit stack segment loads only the lower half of
 * esp. Bits 16 to 31 stay those of the kernel's stack pointer: the program would lose its own and
 * learn the kernel's. So such a return is made from a stack whose address has the user's bits there.
 * Since they can be anything, one page is mapped at every page of a whole window, and each CPU has
 * a small piece of it, at
 *
 *	ESPFIX_WINDOW | the user's rsp & 0xffff0000 | cpu * ESPFIX_SIZE
 *
 * The four tables below are the window: each entry of each points to the same next one. Only the LDT
 * holds 16-bit segments, so ret_to_user looks at a single bit of ss to know.
 *
 * LOCKING
 *	mm->lock	mm->ldt. CPUs read it without the lock, see ldt_reload().
 */
#include "kernel/cpu/ldt.h"

#include "kernel/abi/errno.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/desc.h"
#include "kernel/cpu/segments.h"
#include "kernel/cpu/smp.h"
#include "kernel/cpu/syscall.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/uaccess.h"
#include "kernel/mm/vmalloc.h"
#include "kernel/sched/task.h"

#define LDT_ENTRIES 8192
#define LDT_SIZE    (LDT_ENTRIES * sizeof(u64))

struct ldt {
	u64 count; /* [I] */
	u64 entries[];
};

/* struct user_desc of <asm/ldt.h> */
struct user_desc {
	u32 entry_number, base, limit, flags;
};
#define DESC_32BIT          BIT(0)
#define DESC_CONTENTS(f)    ((f) >> 1 & 3) /* data, data that grows downwards, code, conforming code */
#define DESC_CONFORMING     3
#define DESC_READ_EXEC_ONLY BIT(3)
#define DESC_LIMIT_IN_PAGES BIT(4)
#define DESC_NOT_PRESENT    BIT(5)
#define DESC_USEABLE        BIT(6)
#define DESC_FLAGS          0xffu

/* The descriptor, SDM figure 3-8. Its limit and base lie in pieces. */
#define SEG_ACCESSED BIT(40)
#define SEG_WRITABLE BIT(41) /* of code: readable */
#define SEG_CONTENTS 42
#define SEG_CODE     BIT(44) /* or data; not a gate */
#define SEG_DPL3     (3ul << 45)
#define SEG_PRESENT  BIT(47)
#define SEG_AVL      BIT(52)
#define SEG_D        BIT(54)
#define SEG_G        BIT(55)

static DEFINE_PER_CPU(const struct ldt *, loaded_ldt);

/* ---- the table of an address space ---- */

void ldt_load(const struct ldt *ldt)
{
	if (likely(this_cpu_read(loaded_ldt) == ldt))
		return;
	this_cpu_write(loaded_ldt, ldt);
	desc_load_ldt(ldt ? ldt->entries : NULL, ldt ? ldt->count : 0);
}

/* A copy of @from, which may be NULL, with room for @count entries at least. NULL without memory. */
static struct ldt *ldt_copy(const struct ldt *from, u64 count)
{
	u64 had = from ? from->count : 0;
	struct ldt *ldt;

	count = max(count, had);
	ldt = kvmalloc(sizeof(*ldt) + count * sizeof(u64), GFP_KERNEL);
	if (!ldt)
		return NULL;
	ldt->count = count;
	if (from)
		memcpy(ldt->entries, from->entries, had * sizeof(u64));
	memset(ldt->entries + had, 0, (count - had) * sizeof(u64));
	return ldt;
}

int ldt_dup(struct mm *mm, const struct mm *old)
{
	if (likely(!old->ldt))
		return 0;
	mm->ldt = ldt_copy(old->ldt, 0);
	return mm->ldt ? 0 : -ENOMEM;
}

void ldt_free(struct ldt *ldt)
{
	kvfree(ldt);
}

/*
 * On a CPU that may have @arg loaded: changes over to its table. ds and es are loaded afresh, as they
 * may have come from the old one; so are cs and ss, on the way back to user mode.
 */
static void ldt_reload(void *arg)
{
	struct mm *mm = arg;

	if (this_cpu_read(loaded_mm) != mm)
		return;
	ldt_load(READ_ONCE(mm->ldt));
	segments_refresh();
}

/* mm->lock held. */
static void ldt_replace(struct mm *mm, struct ldt *ldt)
{
	struct ldt *old = mm->ldt;

	WRITE_ONCE(mm->ldt, ldt);
	/* Pairs with mm_activate(): a CPU is in the mask before it looks which table to load. */
	smp_mb();
	smp_call_function_many(READ_ONCE(mm->cpumask), ldt_reload, mm, true);
	smp_call_function_single(smp_processor_id(), ldt_reload, mm, true);
	ldt_free(old);
}

/* ---- modify_ldt(2) ---- */

static u64 descriptor(const struct user_desc *d)
{
	u64 e = SEG_ACCESSED | SEG_CODE | SEG_DPL3 | (u64)DESC_CONTENTS(d->flags) << SEG_CONTENTS;

	e |= (d->limit & 0xffff) | (d->limit & 0xf0000ul) << 32;
	e |= (d->base & 0xfffffful) << 16 | (d->base & 0xff000000ul) << 32;
	e |= d->flags & DESC_READ_EXEC_ONLY ? 0 : SEG_WRITABLE;
	e |= d->flags & DESC_NOT_PRESENT ? 0 : SEG_PRESENT;
	e |= d->flags & DESC_USEABLE ? SEG_AVL : 0;
	e |= d->flags & DESC_32BIT ? SEG_D : 0;
	e |= d->flags & DESC_LIMIT_IN_PAGES ? SEG_G : 0;
	return e;
}

/* Is it the way to say "no entry"? */
static bool is_empty(const struct user_desc *d, bool old_way)
{
	return !d->base && !d->limit &&
	       (old_way || (d->flags & DESC_FLAGS) == (DESC_READ_EXEC_ONLY | DESC_NOT_PRESENT));
}

static long write_ldt(const void __user *from, u64 bytes, bool old_way)
{
	struct mm *mm = current->mm;
	struct user_desc d;
	struct ldt *ldt;

	if (bytes != sizeof(d))
		return -EINVAL;
	if (copy_from_user(&d, from, sizeof(d)))
		return -EFAULT;
	if (d.entry_number >= LDT_ENTRIES)
		return -EINVAL;
	if (DESC_CONTENTS(d.flags) == DESC_CONFORMING && (old_way || !(d.flags & DESC_NOT_PRESENT)))
		return -EINVAL;
	if (old_way)
		d.flags &= ~DESC_USEABLE;
	mutex_lock(&mm->lock);
	ldt = ldt_copy(mm->ldt, d.entry_number + 1);
	if (ldt) {
		ldt->entries[d.entry_number] = is_empty(&d, old_way) ? 0 : descriptor(&d);
		ldt_replace(mm, ldt);
	}
	mutex_unlock(&mm->lock);
	return ldt ? 0 : -ENOMEM;
}

/* The table as it is, and zeroes behind it. */
static long read_ldt(void __user *to, u64 bytes)
{
	struct mm *mm = current->mm;
	struct ldt *ldt = NULL;
	long r = 0;
	u64 have;

	mutex_lock(&mm->lock);
	if (mm->ldt) {
		ldt = ldt_copy(mm->ldt, 0); /* user memory is not touched under the lock */
		r = ldt ? 0 : -ENOMEM;
	}
	mutex_unlock(&mm->lock);
	if (!ldt)
		return r;
	bytes = min(bytes, LDT_SIZE);
	have = min(bytes, ldt->count * sizeof(u64));
	r = copy_to_user(to, ldt->entries, have) || clear_user(to + have, bytes - have)
		    ? -EFAULT
		    : (long)bytes;
	ldt_free(ldt);
	return r;
}

/* What a process starts with: nothing, of a size that is ABI. */
static long read_default_ldt(void __user *to, u64 bytes)
{
	bytes = min(bytes, 128ul);
	return clear_user(to, bytes) ? -EFAULT : (long)bytes;
}

SYSCALL_DEFINE3(modify_ldt, int, func, void __user *, ptr, u64, bytes)
{
	long r = -ENOSYS;

	switch (func) {
	case 0:
		r = read_ldt(ptr, bytes);
		break;
	case 1:
		r = write_ldt(ptr, bytes, true);
		break;
	case 2:
		r = read_default_ldt(ptr, bytes);
		break;
	case 0x11:
		r = write_ldt(ptr, bytes, false);
		break;
	}
	return (u32)r; /* an int: to a program of 64 bits an error is a large number */
}

/* ---- 16-bit stacks ---- */

#define ESPFIX_WINDOW 0xffffff0000000000ul
/* A trap of IRET there pushes 176 bytes below the frame: trap_common in entry.asm. */
#define ESPFIX_SIZE 256
_Static_assert(MAX_CPUS *ESPFIX_SIZE <= PAGE_SIZE, "one page for all");

static u64 espfix_tables[4][PT_ENTRIES] __aligned(4096); /* the last one is the page itself */

DEFINE_PER_CPU(u64, espfix_frame); /* where a frame for IRET goes, without the user's bits */

static __init int espfix_init(void)
{
	u64 prot = PTE_P | PTE_W;

	kernel_pgd[pt_index(ESPFIX_WINDOW, 3)] = virt_to_phys(espfix_tables[0]) | prot;
	for (int level = 0; level < 3; level++) {
		if (level == 2)
			prot = PTE_KERNEL_RW;
		for (int i = 0; i < PT_ENTRIES; i++)
			espfix_tables[level][i] = virt_to_phys(espfix_tables[level + 1]) | prot;
	}
	/* The CPU aligns its stack pointer to 16 bytes before it pushes. */
	for_each_cpu(cpu) per_cpu(espfix_frame, cpu) = ESPFIX_WINDOW + (cpu + 1) * ESPFIX_SIZE - 48;
	return 0;
}
core_initcall(espfix_init);
