/*
 * Translation look-aside buffers. A CPU remembers translations, so an entry that was removed or
 * lost a right must be forgotten on every CPU that may have it before the page behind it is used
 * for something else.
 *
 * mm->cpumask says which CPUs have an address space loaded. A CPU sets its bit before it loads CR3
 * and clears it after it has loaded another, so a flush that finds the bit clear may leave the CPU
 * out. A kernel thread, an idle task among them, runs on whatever was loaded before it (it only uses
 * the kernel half), and the CPU stays in the mask: lazy TLB. If the program comes back nothing has to
 * be loaded. If it runs elsewhere meanwhile and flushes, the CPU leaves the address space at the
 * first such interrupt, so that there is no second.
 *
 * Kernel entries are global (PTE_G): a change of address space leaves them in the TLB.
 *
 * An address space is flushed page by page (INVLPG) up to a limit, beyond that by reloading CR3
 * (Intel SDM volume 3, 4.10.4).
 */
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/ldt.h"
#include "kernel/mm/pagetable.h"
#include "kernel/sched/task.h"

#define FLUSH_PAGES_MAX 32 /* INVLPG up to here */
#define CR4_PGE         BIT(7)

DEFINE_PER_CPU(struct mm *, loaded_mm);

void (*tlb_remote_flush)(u64 cpumask, struct mm *mm, u64 start, u64 end);

static u64 my_bit(void)
{
	return BIT(smp_processor_id());
}

/* Global entries too: only a change of CR4.PGE takes all of them. */
static void flush_all_here(void)
{
	u64 cr4 = read_cr4();

	if (cr4 & CR4_PGE) {
		write_cr4(cr4 & ~CR4_PGE);
		write_cr4(cr4);
	} else {
		write_cr3(read_cr3());
	}
}

/*
 * A CPU that is told to flush an address space that it only borrows leaves it, and gives back the
 * borrower's reference; whoever flushes has one of its own.
 */
static void leave_here(struct mm *mm)
{
	u64 flags;

	local_irq_save(flags);
	if (this_cpu_read(loaded_mm) == mm) {
		mm_activate(mm, NULL);
		current->active_mm = NULL;
		mm_drop(mm);
	}
	local_irq_restore(flags);
}

void tlb_flush_here(struct mm *mm, u64 start, u64 end)
{
	if (mm && this_cpu_read(loaded_mm) != mm)
		return;
	if (mm && current->mm != mm)
		leave_here(mm);
	else if (end - start <= FLUSH_PAGES_MAX * PAGE_SIZE)
		for (u64 a = start; a < end; a += PAGE_SIZE)
			invlpg(a);
	else if (mm)
		write_cr3(read_cr3());
	else
		flush_all_here();
}

void tlb_flush_range(struct mm *mm, u64 start, u64 end)
{
	u64 others;

	/*
	 * The entries were changed before; the mask is read after. Pairs with mm_activate(), which
	 * sets the bit before it can load an entry.
	 */
	smp_mb();
	tlb_flush_here(mm, start, end);
	others = READ_ONCE(mm->cpumask) & ~my_bit();
	if (others && tlb_remote_flush)
		tlb_remote_flush(others, mm, start, end);
}

void tlb_flush_mm(struct mm *mm)
{
	tlb_flush_range(mm, 0, USER_TOP);
}

void tlb_flush_kernel(u64 start, u64 end)
{
	u64 others = (nr_cpus >= 64 ? ~0ul : BIT(nr_cpus) - 1) & ~my_bit();

	tlb_flush_here(NULL, start, end);
	if (others && tlb_remote_flush)
		tlb_remote_flush(others, NULL, start, end);
}

void mm_activate(struct mm *prev, struct mm *next)
{
	u64 bit = my_bit();

	if (next)
		__atomic_fetch_or(&next->cpumask, bit, __ATOMIC_SEQ_CST);
	if (this_cpu_read(loaded_mm) != next) {
		this_cpu_write(loaded_mm, next);
		write_cr3(virt_to_phys(next ? next->pgd : kernel_pgd));
		ldt_load(next ? READ_ONCE(next->ldt) : NULL);
	}
	if (prev && prev != next)
		__atomic_fetch_and(&prev->cpumask, ~bit, __ATOMIC_SEQ_CST);
}
