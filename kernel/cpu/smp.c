/*
 * Starting the other CPUs.
 *
 * After a reset one CPU runs the firmware and comes to us; the others wait for a startup interrupt
 * (SIPI), which makes them begin in real mode at a page below 1 MiB. smp_init() puts the code of
 * boot/trampoline.asm there, which leads into long mode and to secondary_main(). From then on a CPU
 * does to itself what kernel_main() did to the first, and becomes idle.
 *
 *	boot CPU                                    new CPU
 *	task, stacks, per-CPU copy
 *	INIT to all, 10 ms
 *	SIPI (once more if it does not come)   ->   trampoline -> secondary_main()
 *	waits for secondary.online             <-   cpu_init() ... sched_init_cpu(), online
 *	nr_cpus++                                   cpu_idle()
 *
 * They are started one after the other, because there is one trampoline and one struct secondary.
 *
 * The kernel's page tables map nothing below 1 MiB at its own address, so for these few instructions
 * there are tables of our own: the kernel's upper half, and 2 MiB at address 0, not writable. They
 * and the trampoline lie in low memory, which the page allocator does not use; nobody loads those
 * tables again, and the kernel's own never had the mapping.
 *
 * Intel SDM volume 3, 8.4 ("Multiple-processor initialization"). A CPU's number is not its APIC id.
 */
#include "kernel/cpu/smp.h"

#include "kernel/cpu/acpi.h"
#include "kernel/cpu/apic.h"
#include "kernel/cpu/boot_info.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/desc.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/fpu.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/sched.h"
#include "kernel/time/ktime.h"

#define INIT_NS     (10 * NSEC_PER_MSEC) /* from INIT to SIPI */
#define SIPI_NS     (2 * NSEC_PER_MSEC)  /* then a second SIPI; the SDM asks for 200 us */
#define PATIENCE_NS NSEC_PER_SEC

/* boot/trampoline.asm; filled in on the copy. */
struct trampoline_args {
	u64 gs_base, rsp, entry;
	u32 cr3, far_offset;
	u16 far_selector, gdt_limit;
	u32 gdt_base;
};
extern const u8 trampoline_start[], trampoline_end[], trampoline_args[], trampoline_gdt[],
	trampoline_long_mode[];

/* Low memory: one page each. */
enum { LOW_CODE, LOW_PML4, LOW_PDPT, LOW_PD, NR_LOW_PAGES };
#define LOW_FIRST PAGE_SIZE /* page 0 belongs to the BIOS */
#define LOW_END   0x9f000ul /* a SIPI reaches no farther: the EBDA and video memory follow */

/* For the CPU that is being started. */
static struct {
	struct task *idle; /* [I] for the time of one start */
	u8 *ist_stacks;    /* [I] likewise */
	bool alive;        /* [a] it runs our code */
	bool online;       /* [a] it is ready */
} secondary;

/* Its stack is that of its idle task; %gs is its own; everything else is still the trampoline's. */
static void __noreturn secondary_main(void)
{
	smp_store_release(&secondary.alive, true);
	write_cr3(virt_to_phys(kernel_pgd));
	cpu_init();
	desc_init_cpu(secondary.ist_stacks);
	apic_init_cpu();
	fpu_init_cpu();
	sched_init_cpu(secondary.idle);
	/* The last touch of `secondary`: pairs with the acquire in start_cpu(). */
	smp_store_release(&secondary.online, true);
	local_irq_enable();
	cpu_idle();
}

/* ---- the trampoline ---- */

/* RAM, and not where UEFI's GRUB may have put the initramfs, which is unpacked later. */
static __init bool usable(const struct boot_info *bi, u64 start, u64 end)
{
	bool inside = false;

	if (bi->initrd < end && start < bi->initrd + bi->initrd_size)
		return false;
	for (int i = 0; i < bi->nr_mem; i++) {
		const struct mem_region *m = &bi->mem[i];

		if (m->type == MEM_RAM)
			inside |= m->base <= start && end <= m->base + m->size;
		else if (m->base < end && start < m->base + m->size)
			return false;
	}
	return inside;
}

/* Physical address of NR_LOW_PAGES free pages, or 0. */
static __init u64 find_low_pages(const struct boot_info *bi)
{
	u64 size = NR_LOW_PAGES * PAGE_SIZE;

	for (u64 pa = LOW_FIRST; pa + size <= LOW_END; pa += PAGE_SIZE)
		if (usable(bi, pa, pa + size))
			return pa;
	return 0;
}

/* The kernel's half as it is, and the first 2 MiB at address 0. */
static __init void make_tables(u64 low)
{
	u64 *pml4 = phys_to_virt(low + LOW_PML4 * PAGE_SIZE);
	u64 *pdpt = phys_to_virt(low + LOW_PDPT * PAGE_SIZE);
	u64 *pd = phys_to_virt(low + LOW_PD * PAGE_SIZE);

	memcpy(pml4, kernel_pgd, PAGE_SIZE);
	memset(pdpt, 0, PAGE_SIZE);
	memset(pd, 0, PAGE_SIZE);
	pml4[0] = virt_to_phys(pdpt) | PTE_P;
	pdpt[0] = virt_to_phys(pd) | PTE_P;
	pd[0] = PTE_P | PTE_PS;
}

/* Where a label of the trampoline is in its copy, as a linear address. */
static __init u32 in_copy(u64 low, const u8 *label)
{
	return (u32)(low + (u64)(label - trampoline_start));
}

static __init struct trampoline_args *make_trampoline(u64 low)
{
	struct trampoline_args *args = phys_to_virt(in_copy(low, trampoline_args));

	make_tables(low);
	memcpy(phys_to_virt(low), trampoline_start, (size_t)(trampoline_end - trampoline_start));
	args->cr3 = (u32)(low + LOW_PML4 * PAGE_SIZE);
	args->far_offset = in_copy(low, trampoline_long_mode);
	args->gdt_base = in_copy(low, trampoline_gdt);
	args->entry = (u64)secondary_main;
	return args;
}

/* ---- one CPU ---- */

static __init bool wait_for(const bool *flag, u64 ns)
{
	u64 end = ktime_get() + ns;

	/* Pairs with the releases in secondary_main(). */
	while (!smp_load_acquire(flag)) {
		if (ktime_get() > end)
			return false;
		cpu_relax();
	}
	return true;
}

static __init bool wake_cpu(u8 apic_id, u64 low)
{
	apic_send_startup(apic_id, low);
	if (!wait_for(&secondary.alive, SIPI_NS))
		apic_send_startup(apic_id, low);
	if (wait_for(&secondary.online, PATIENCE_NS))
		return true;
	/* Back to waiting for a SIPI, lest it wake up late with another's stack. */
	apic_send_init(apic_id);
	return false;
}

/* Starts the CPU with this APIC id as number @cpu. */
static __init bool start_cpu(int cpu, u8 apic_id, struct trampoline_args *args, u64 low)
{
	struct task *idle = idle_task_alloc(cpu);
	u8 *ist_stacks = kmalloc(NR_ISTS * IST_STACK_SIZE, GFP_KERNEL);

	if (!idle || !ist_stacks || !percpu_alloc_cpu(cpu)) {
		printk("smp: no memory for CPU %d\n", cpu);
		kfree(ist_stacks);
		if (idle)
			task_put(idle);
		return false;
	}
	secondary.idle = idle;
	secondary.ist_stacks = ist_stacks;
	secondary.alive = secondary.online = false;
	args->gs_base = percpu_offsets[cpu];
	args->rsp = (u64)task_pt_regs(idle);
	smp_mb(); /* all of this is in memory before the new CPU reads it */
	if (!wake_cpu(apic_id, low)) {
		/* What was prepared for it stays: it may have got half-way. */
		printk("smp: the CPU with APIC id %u does not start\n", apic_id);
		return false;
	}
	return true;
}

__init void smp_init(const struct boot_info *bi)
{
	u64 max = min(cmdline_get_u64("maxcpus", MAX_CPUS), (u64)MAX_CPUS);
	u8 boot_id = apic_id_of(0);
	struct trampoline_args *args;
	u64 low;

	if (acpi.nr_cpus < 2 || max < 2)
		return;
	low = find_low_pages(bi);
	if (!low) {
		printk("smp: no memory below 640 KiB to start other CPUs from\n");
		return;
	}
	args = make_trampoline(low);
	for (int i = 0; i < acpi.nr_cpus; i++)
		if (acpi.apic_ids[i] != boot_id)
			apic_send_init(acpi.apic_ids[i]);
	for (u64 end = ktime_get() + INIT_NS; ktime_get() < end;)
		cpu_relax();
	for (int i = 0; i < acpi.nr_cpus && (u64)nr_cpus < max; i++) {
		if (acpi.apic_ids[i] == boot_id)
			continue;
		/* From here on the others count it in. */
		if (start_cpu(nr_cpus, acpi.apic_ids[i], args, low))
			WRITE_ONCE(nr_cpus, nr_cpus + 1);
	}
	printk("smp: %d CPUs\n", nr_cpus);
}
