/*
 * The boot in one screen. kernel_main() runs on the boot stack with interrupts off and brings up,
 * in order of need, what every other room stands on; its context ends as the idle task.
 * kernel_init(), the first task, then starts the other CPUs, calls each room's own start
 * (kernel/lib/init.h) and, at the last level, process 1.
 */
#include "kernel/main.h"

#include "kernel/cpu/acpi.h"
#include "kernel/cpu/apic.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/desc.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/fpu.h"
#include "kernel/cpu/smp.h"
#include "kernel/cpu/syscall.h"
#include "kernel/debug/leak.h"
#include "kernel/lib/init.h"
#include "kernel/lib/ktest.h"
#include "kernel/lib/printk.h"
#include "kernel/mm/page.h"
#include "kernel/sched/task.h"
#include "kernel/time/ktime.h"

static u8 boot_ist_stacks[NR_ISTS * IST_STACK_SIZE] __aligned(16);

static int kernel_init(void *bi)
{
	smp_init(bi);
	do_initcalls(1, 4);
	ktest_run_all();
	printk("Pollux is up: %lu MiB of memory, %d CPU%s, %lu ms since the machine was started\n",
	       total_pages >> (20 - PAGE_SHIFT), nr_cpus, nr_cpus > 1 ? "s" : "",
	       rdtsc() / tsc_khz);
	leakcheck_record();
	do_initcalls(5, 5);
	return 0;
}

void kernel_main(struct boot_info *bi)
{
	percpu_init();
	cmdline_init(bi);
	do_initcalls(0, 0);
	cpu_init();
	idt_init();
	desc_init_cpu(boot_ist_stacks);
	printk("Pollux on %s: %s\n", cpu_model_name(), cmdline());

	mm_init(bi);
	acpi_init(bi->rsdp);
	apic_init();
	apic_init_cpu();
	time_init();
	apic_timer_calibrate();
	fpu_init_cpu();
	syscall_init();
	sched_init();

	local_irq_enable();
	if (!kthread_run(kernel_init, bi, -1, "kernel_init"))
		panic("no memory for the first task");
	cpu_idle();
}
