/*
 * The last words: what broke, in which context, the registers, the call chain with names, and where
 * the other CPUs were, which are stopped before the first word. Then the machine stops, or does what
 * panic= on the command line says (halt, poweroff, reboot).
 *
 * Nothing here may fault, or the reason would be lost under a second report. Backtraces follow the
 * chain of frame pointers (the kernel is compiled with them), each of which is looked up in the
 * page table before it is read, so that a broken chain just ends.
 */
#include "kernel/lib/panic.h"

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/power.h"
#include "kernel/cpu/smp.h"
#include "kernel/debug/lockdep.h"
#include "kernel/irq/preempt.h"
#include "kernel/lib/atomic.h"
#include "kernel/lib/init.h"
#include "kernel/lib/sections.h"
#include "kernel/lib/string.h"
#include "kernel/mm/page.h"
#include "kernel/sched/task.h"

#define MAX_FRAMES 32

#define PTE_PRESENT BIT(0)
#define PTE_HUGE    BIT(7)
#define PTE_ADDR    0x000ffffffffff000ul

struct frame {
	const struct frame *next;
	u64 ret;
};

static int panic_cpu = -1; /* [a] the one that reports */

/* Walks the page table: is this word of kernel memory there? */
static bool readable(const void *p, size_t n)
{
	u64 va = (u64)p;
	u64 entry = read_cr3();

	if (va % 8 || va < PAGE_OFFSET || va + n < va ||
	    (va & PAGE_MASK) != ((va + n - 1) & PAGE_MASK))
		return false;
	for (int shift = 39; shift >= PAGE_SHIFT; shift -= 9) {
		const u64 *table = phys_to_virt(entry & PTE_ADDR);

		entry = table[va >> shift & 511];
		if (!(entry & PTE_PRESENT))
			return false;
		if (shift < 39 && (entry & PTE_HUGE))
			return true;
	}
	return true;
}

int stack_frames(u64 rbp, u64 *ips, int max)
{
	const struct frame *f = (const void *)rbp;
	int n = 0;

	while (n < max && readable(f, sizeof(*f)) && is_kernel_text(f->ret)) {
		/* The call, not the line after it: a call that never returns may end its function. */
		ips[n++] = f->ret - 1;
		if (f->next <= f) /* stacks grow down, so callers are above */
			break;
		f = f->next;
	}
	return n;
}

void dump_frames(u64 rip, u64 rbp)
{
	u64 ips[MAX_FRAMES];
	int n = stack_frames(rbp, ips, MAX_FRAMES);

	printk("Call trace:\n");
	if (rip)
		printk("  %pS\n", (void *)rip);
	for (int i = 0; i < n; i++)
		printk("  %pS\n", (void *)ips[i]);
}

void dump_stack(void)
{
	dump_frames(0, (u64)__builtin_frame_address(0));
}

void show_regs(const struct pt_regs *r)
{
	printk("rip %016lx %pS\n", r->rip, (void *)r->rip);
	printk("rsp %016lx  rbp %016lx  eflags %08lx  cs %04lx  ss %04lx\n", r->rsp, r->rbp,
	       r->eflags, r->cs, r->ss);
	printk("rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
	printk("rsi %016lx  rdi %016lx  r8  %016lx  r9  %016lx\n", r->rsi, r->rdi, r->r8, r->r9);
	printk("r10 %016lx  r11 %016lx  r12 %016lx  r13 %016lx\n", r->r10, r->r11, r->r12, r->r13);
	printk("r14 %016lx  r15 %016lx  cr2 %016lx  cr3 %016lx\n", r->r14, r->r15, read_cr2(),
	       read_cr3());
}

static const char *context_name(void)
{
	if (in_hardirq())
		return "hard interrupt";
	if (in_softirq())
		return "soft interrupt";
	return "process";
}

static void show_where(void)
{
	const struct task *t = current;

	printk("CPU %d, %s context, preempt_count %x, task %d (%.*s)\n", smp_processor_id(),
	       context_name(), this_cpu_read(preempt_count), t->pid, TASK_COMM_LEN, t->comm);
	show_held_locks(smp_processor_id());
}

/*
 * Only one CPU speaks, and only once: a panic inside a panic stops at once. A CPU that panics second
 * waits here for the NMI of the first.
 */
static void begin_panic(void)
{
	local_irq_disable();
	if (cmpxchg(&panic_cpu, -1, smp_processor_id()) != -1)
		machine_halt();
	lockdep_off();
	smp_stop_others();
	/* Whoever was stopped in the middle of printing will not unlock. */
	console_lock_tries = 1000;
}

static void __noreturn end_panic(void)
{
	char what[16] = "halt";

	smp_show_others();
	for_each_cpu(cpu)
	{
		if (cpu != smp_processor_id())
			show_held_locks(cpu);
	}
	cmdline_get("panic", what, sizeof(what));
	printk("---[ end of panic: %s ]---\n", what);
	if (!strcmp(what, "poweroff"))
		machine_poweroff();
	if (!strcmp(what, "reboot"))
		machine_restart();
	machine_halt();
}

void panic(const char *fmt, ...)
{
	va_list ap;

	begin_panic();
	printk("Kernel panic: ");
	va_start(ap, fmt);
	vprintk(fmt, ap);
	va_end(ap);
	printk("\n");
	show_where();
	dump_frames(0, (u64)__builtin_frame_address(0));
	end_panic();
}

void panic_regs(const struct pt_regs *regs, const char *fmt, ...)
{
	va_list ap;

	begin_panic();
	printk("Kernel panic: ");
	va_start(ap, fmt);
	vprintk(fmt, ap);
	va_end(ap);
	printk("\n");
	show_where();
	show_regs(regs);
	dump_frames(regs->rip, regs->rbp);
	end_panic();
}

void warn_at(const char *file, int line, const char *what)
{
	printk("WARNING: %s:%d: %s\n", file, line, what);
	show_where();
	dump_frames(0, (u64)__builtin_frame_address(0));
}
