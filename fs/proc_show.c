/*
 * The general files of /proc that no other room has: time, and those that are empty here but that
 * programs expect. Formats: proc(5).
 */

#include "fs/proc.h"
#include "kernel/cpu/percpu.h"
#include "kernel/irq/irq.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/sched.h"
#include "kernel/time/ktime.h"

/* ---- time ---- */

static u64 idle_ns(void)
{
	u64 sum = 0, idle;

	for_each_cpu(cpu)
	{
		sched_cputime(cpu, &idle);
		sum += idle;
	}
	return sum;
}

static void show_uptime(struct seq *s)
{
	u64 up = ktime_get() / 10000000, idle = idle_ns() / 10000000;

	seq_printf(s, "%lu.%02lu %lu.%02lu\n", up / 100, up % 100, idle / 100, idle % 100);
}
PROC_ENTRY(uptime, "uptime", show_uptime);

static u64 ticks(u64 ns)
{
	return ns / (NSEC_PER_SEC / USER_HZ);
}

static void show_cpu_line(struct seq *s, const char *name, struct cputime busy, u64 idle)
{
	seq_printf(s, "%s %lu 0 %lu %lu 0 0 0 0 0 0\n", name, ticks(busy.user), ticks(busy.system),
		   ticks(idle));
}

static void show_stat(struct seq *s)
{
	u64 idle, all_idle = 0, switches = 0;
	struct cputime busy, all_busy = {0};
	char name[8];

	for_each_cpu(cpu)
	{
		busy = sched_cputime(cpu, &idle);
		all_busy.user += busy.user;
		all_busy.system += busy.system;
		all_idle += idle;
	}
	show_cpu_line(s, "cpu ", all_busy, all_idle);
	for_each_cpu(cpu)
	{
		busy = sched_cputime(cpu, &idle);
		scnprintf(name, sizeof(name), "cpu%d", cpu);
		show_cpu_line(s, name, busy, idle);
		switches += sched_nr_switches(cpu);
	}
	seq_printf(
		s,
		"intr %lu\nctxt %lu\nbtime %lu\nprocesses %d\nprocs_running %d\nprocs_blocked 0\n",
		irq_total(), switches, (u64)((ktime_get_real() - ktime_get()) / NSEC_PER_SEC),
		last_pid(), sched_nr_running());
}
PROC_ENTRY(stat, "stat", show_stat);

/* ---- what this is ---- */

static void show_cmdline(struct seq *s)
{
	seq_printf(s, "%s\n", cmdline());
}
PROC_ENTRY(cmdline, "cmdline", show_cmdline);

static void show_filesystems(struct seq *s)
{
	/* Pairs with the release in register_filesystem(). */
	for (struct file_system_type *t = smp_load_acquire(&file_systems); t;
	     t = smp_load_acquire(&t->next))
		seq_printf(s, "nodev\t%s\n", t->name);
}
PROC_ENTRY(filesystems, "filesystems", show_filesystems);

/* Every message goes to the console: its level, the default's, the least, the default of boot. */
static void show_printk(struct seq *s)
{
	seq_printf(s, "7\t4\t1\t7\n");
}
PROC_ENTRY(printk, "sys/kernel/printk", show_printk);

/* ---- what there is none of: block devices, swap, modules ---- */

static void show_nothing(struct seq *s)
{
}
PROC_ENTRY(diskstats, "diskstats", show_nothing);
PROC_ENTRY(misc, "misc", show_nothing);
PROC_ENTRY(modules, "modules", show_nothing);

static void show_partitions(struct seq *s)
{
	seq_printf(s, "major minor  #blocks  name\n\n");
}
PROC_ENTRY(partitions, "partitions", show_partitions);

static void show_swaps(struct seq *s)
{
	seq_printf(s, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
}
PROC_ENTRY(swaps, "swaps", show_swaps);
