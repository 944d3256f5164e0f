/*
 * Page faults: where a page table entry is filled. An area is only a promise; the first touch of
 * each page ends up here and makes it good.
 *
 *	entry		access		what happens
 *	none		read		anonymous: the shared zero page, read-only
 *					object: its page, read-only in a private area
 *	none		write		anonymous: a fresh page of zeroes
 *					object: its page if shared, a copy of it if private
 *	read-only	write		copy on write; the copy is saved where nobody else holds the page
 *
 * Kernel code may fault on user memory only at the instructions listed in __ex_table (the user
 * copies of uaccess.asm): if the fault cannot be repaired, execution goes on at the fix-up address
 * given there. Any other fault in kernel mode is a bug and panics.
 *
 * Costs: about 250 instructions beside the clearing or copying of the page.
 */
#include "kernel/abi/errno.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/traps.h"
#include "kernel/debug/kasan.h"
#include "kernel/irq/preempt.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/mm/extable.h"
#include "kernel/mm/oom.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/vmalloc.h"
#include "kernel/sched/signal.h"

/* The error code (Intel SDM volume 3, 4.7). */
#define PF_PRESENT BIT(0) /* a right was missing, not the page */
#define PF_WRITE   BIT(1)
#define PF_USER    BIT(2)
#define PF_RSVD    BIT(3)
#define PF_INSTR   BIT(4)

/* The page of zeroes that every anonymous page is before it is written. Not counted. */
static u8 zero_page[PAGE_SIZE] __aligned(4096);

/* ---- single entries; mm->lock held ---- */

static struct page *alloc_anon(gfp_t zero)
{
	struct page *p = alloc_page(GFP_USER | zero);

	if (p) {
		p->flags = PG_ANON;
		vm_stat_add(VM_STAT_ANON, 1);
	}
	return p;
}

static void install(struct vm_area *vma, u64 *pte, struct page *p, bool write)
{
	vma->mm->nr_pages++;
	vma->mm->nr_shared += !(p->flags & PG_ANON);
	pte_store(pte, page_to_phys(p) | pte_prot(vma, write));
}

static int fill_anon(struct vm_area *vma, u64 *pte, bool write)
{
	struct page *p;

	if (!write) {
		pte_store(pte, virt_to_phys(zero_page) | pte_prot(vma, false));
		return 0;
	}
	p = alloc_anon(__GFP_ZERO);
	if (!p)
		return -ENOMEM;
	install(vma, pte, p, true);
	return 0;
}

static int fill_object(struct vm_area *vma, u64 *pte, u64 addr, bool write)
{
	struct page *p = vma->ops->fault(vma, vma->offset + (addr - vma->start)), *copy;

	if (IS_ERR(p))
		return PTR_ERR(p) == -ENOMEM ? -ENOMEM : -EIO;
	if (!write || (vma->flags & VM_SHARED)) {
		install(vma, pte, p, (vma->flags & VM_SHARED) && (vma->flags & VM_WRITE));
		return 0;
	}
	copy = alloc_anon(0);
	if (copy) {
		copy_page(page_address(copy), page_address(p));
		install(vma, pte, copy, true);
	}
	put_page(p);
	return copy ? 0 : -ENOMEM;
}

/*
 * A write to a page that is mapped read-only. In an area that is not writable either, where only
 * mm_access() writes, it stays read-only.
 */
static int make_writable(struct vm_area *vma, u64 *pte, u64 addr)
{
	struct page *old = pte_page(*pte), *copy;
	bool zero = old->flags & PG_RESERVED;

	/* Nobody else holds it: nobody can, without going through this entry. */
	if ((vma->flags & VM_SHARED) || (!zero && refcount_read(&old->refs) == 1)) {
		WRITE_ONCE(*pte, *pte | pte_prot(vma, true));
		tlb_flush_local_page(addr);
		return 0;
	}
	copy = alloc_anon(zero ? __GFP_ZERO : 0);
	if (!copy)
		return -ENOMEM;
	if (!zero)
		copy_page(page_address(copy), page_address(old));
	WRITE_ONCE(*pte, page_to_phys(copy) | pte_prot(vma, true));
	tlb_flush_range(vma->mm, addr, addr + PAGE_SIZE);
	if (zero) {
		vma->mm->nr_pages++;
	} else {
		vma->mm->nr_shared -= !(old->flags & PG_ANON);
		put_page(old);
	}
	return 0;
}

/* ---- areas; mm->lock held ---- */

/* A fault just below a stack makes it longer, up to RLIMIT_STACK and not into what lies below. */
static int grow_stack(struct mm *mm, struct vm_area *vma, u64 addr)
{
	struct vm_area *below = vma_prev(vma);
	u64 pages = (vma->start - addr) >> PAGE_SHIFT;

	if (addr < MMAP_MIN_ADDR || vma->end - addr > rlimit(RLIMIT_STACK))
		return -EFAULT;
	if (below && (below->flags & VM_ACCESS_FLAGS) && !(below->flags & VM_GROWSDOWN) &&
	    addr < below->end + STACK_GUARD_GAP)
		return -EFAULT;
	if (below && addr < below->end)
		return -EFAULT;
	if (vm_may_expand(mm, vma->flags, pages) ||
	    ((vma->flags & VM_LOCKED) && vm_may_lock(mm, pages)) ||
	    ((vma->flags & VM_ACCOUNT) && vm_enough_memory(pages)))
		return -EFAULT;
	vm_account(mm, vma->flags, (s64)pages);
	vma->start = addr; /* the order in the tree stays the same */
	return 0;
}

static bool access_allowed(const struct vm_area *vma, bool write, bool exec)
{
	if (write)
		return vma->flags & VM_WRITE;
	if (exec)
		return vma->flags & VM_EXEC;
	return vma->flags & VM_ACCESS_FLAGS;
}

/* Makes the entry of a page what an access asks for, which is allowed. */
static int fill_page(struct vm_area *vma, u64 addr, bool write)
{
	u64 *pte;

	if (unlikely(vma->mm->oom) && !(vma->flags & VM_SHARED))
		return -EFAULT; /* what was here may have been taken */
	pte = pte_make(vma->mm->pgd, addr);
	if (!pte)
		return -ENOMEM;
	if (!*pte)
		return vma->ops ? fill_object(vma, pte, addr, write) : fill_anon(vma, pte, write);
	if (write && !(*pte & PTE_W))
		return make_writable(vma, pte, addr);
	/* Another thread was first, or this CPU's TLB was behind. */
	tlb_flush_local_page(addr);
	return 0;
}

int fault_locked(struct mm *mm, u64 addr, bool write, bool exec, int *code)
{
	struct vm_area *vma = find_vma_above(mm, addr);

	addr &= PAGE_MASK;
	*code = SEGV_MAPERR;
	if (!vma)
		return -EFAULT;
	if (addr < vma->start) {
		if (!(vma->flags & VM_GROWSDOWN) || grow_stack(mm, vma, addr))
			return -EFAULT;
	}
	if (!access_allowed(vma, write, exec)) {
		*code = SEGV_ACCERR;
		return -EFAULT;
	}
	return fill_page(vma, addr, write);
}

int handle_mm_fault(struct mm *mm, u64 addr, bool write, bool exec, int *code)
{
	int r;

	mutex_lock(&mm->lock);
	r = fault_locked(mm, addr, write, exec, code);
	mutex_unlock(&mm->lock);
	return r;
}

/* ---- the trap ---- */

static void user_fault(u64 error_code, u64 addr)
{
	int code = SEGV_MAPERR, r = -EFAULT;

	/* SMAP: the CPU's own access for an instruction, which QEMU 7.2 makes of far returns. */
	if (unlikely(cpu_has_smap && (error_code & (PF_PRESENT | PF_USER)) == PF_PRESENT))
		code = SEGV_ACCERR;
	else if (addr < USER_TOP)
		r = handle_mm_fault(current->mm, addr, error_code & PF_WRITE, error_code & PF_INSTR,
				    &code);
	if (likely(!r))
		return;
	if (r == -ENOMEM) {
		out_of_memory(); /* the instruction is tried again, or current dies */
		return;
	}
	current->trap_nr = TRAP_PF;
	/* Whether there is something at a kernel address is not for user mode to know. */
	current->trap_error = addr < USER_TOP ? error_code : error_code | PF_PRESENT;
	current->trap_addr = addr;
	if (r == -EIO)
		force_signal_fault(SIGBUS, BUS_ADRERR, addr);
	else
		force_signal_fault(SIGSEGV, code, addr);
}

static void bad_kernel_fault(const struct pt_regs *regs, u64 error_code, u64 addr)
{
	const char *what = error_code & PF_WRITE   ? "write to"
			   : error_code & PF_INSTR ? "jump to"
						   : "read of";
	const char *whose = addr < USER_TOP          ? "user"
			    : kstack_guard_hit(addr) ? "kernel stack guard"
						     : "kernel";

	kasan_explain_fault(addr);
	panic("page fault: %s %s address %lx at %pS (error code %lx)", what, whose, addr,
	      (void *)regs->rip, error_code);
}

static void kernel_fault(struct pt_regs *regs, u64 error_code, u64 addr)
{
	int code, r;

	if (addr >= USER_TOP || (error_code & (PF_INSTR | PF_RSVD)) || !has_fixup(regs->rip))
		bad_kernel_fault(regs, error_code, addr);
	/* Where sleeping is not allowed the copy fails at once. */
	if (in_atomic() || !(regs->eflags & X86_EFLAGS_IF) || !current->mm) {
		fixup_exception(regs);
		return;
	}
	local_irq_enable();
	r = handle_mm_fault(current->mm, addr, error_code & PF_WRITE, false, &code);
	if (r == -ENOMEM && out_of_memory())
		r = 0; /* the instruction is tried again */
	if (r)
		fixup_exception(regs);
}

void do_page_fault(struct pt_regs *regs, u64 error_code, u64 addr)
{
	if (likely(user_mode(regs))) {
		local_irq_enable();
		user_fault(error_code, addr);
	} else {
		kernel_fault(regs, error_code, addr);
	}
}

/* ---- other processes' memory ---- */

/* May it be done from outside? MM_FORCE: what ptrace(2) may, but not change what others see, too. */
static bool remote_allowed(const struct vm_area *vma, int how)
{
	if (how & MM_WRITE)
		return (vma->flags & VM_WRITE) || ((how & MM_FORCE) && !(vma->flags & VM_SHARED));
	return (vma->flags & VM_READ) || (how & MM_FORCE);
}

/* The page at @addr; to be written, a copy of the process's own. NULL: there is none. mm->lock held. */
static void *remote_page(struct mm *mm, u64 addr, int how)
{
	struct vm_area *vma = find_vma(mm, addr);
	u64 *pte, next;

	if (!vma || !remote_allowed(vma, how) || fill_page(vma, addr & PAGE_MASK, how & MM_WRITE))
		return NULL;
	pte = pte_find(mm->pgd, addr, &next);
	return page_address(pte_page(*pte));
}

size_t mm_access(struct mm *mm, u64 addr, void *buf, size_t len, int how)
{
	size_t done = 0;

	while (done < len && addr + done < USER_TOP) {
		u64 a = addr + done, off = a & ~PAGE_MASK;
		size_t n = min(PAGE_SIZE - off, len - done);
		char *page;

		mutex_lock(&mm->lock);
		page = remote_page(mm, a, how);
		if (page && (how & MM_WRITE))
			memcpy(page + off, (char *)buf + done, n);
		else if (page)
			memcpy((char *)buf + done, page + off, n);
		mutex_unlock(&mm->lock);
		if (!page)
			break;
		done += n;
	}
	return done;
}
