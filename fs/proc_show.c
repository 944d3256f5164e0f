/*
 * The general files of /proc that no other room has: time, version, load, and the switches
 * below /proc/sys/kernel. Formats: proc(5).
 */

#include "fs/proc.h"
#include "kernel/cpu/percpu.h"
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

static unsigned count_tasks(pid_t *last)
{
	struct task *t;
	unsigned n = 0;
	u64 flags;

	*last = 0;
	spin_lock_irqsave(&tasklist_lock, flags);
	list_for_each_entry(t, &all_tasks, all_link) {
		n++;
		*last = t->pid;
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return n;
}

static void show_stat(struct seq *s)
{
	u64 idle, all_idle = 0, switches = 0;
	struct cputime busy, all_busy = {0};
	char name[8];
	pid_t last;

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
	count_tasks(&last);
	seq_printf(s, "ctxt %lu\nbtime %lu\nprocesses %d\nprocs_running %d\nprocs_blocked 0\n",
		   switches, (u64)((ktime_get_real() - ktime_get()) / NSEC_PER_SEC), last,
		   sched_nr_running());
}
PROC_ENTRY(stat, "stat", show_stat);

/*
 * Load averages decay every five seconds towards the number of runnable tasks. An idle machine has
 * no tick that could count them, so the steps since the last look are made up for when somebody
 * looks, with today's number. Fixed point, 11 bits; the factors are e^(-5/60), e^(-5/300), e^(-5/900).
 */
static DEFINE_MUTEX(load_lock);
static u64 load_avg[3], load_time; /* [load_lock] */

static void update_load(void)
{
	static const u64 decay[3] = {1884, 2014, 2037};
	u64 steps = (ktime_get() - load_time) / (5 * NSEC_PER_SEC);
	u64 active = (u64)max(sched_nr_running() - 1, 0) << 11; /* the reader does not count */

	load_time += steps * 5 * NSEC_PER_SEC;
	for (u64 n = min(steps, 1000ul); n; n--)
		for (int i = 0; i < 3; i++)
			load_avg[i] = (load_avg[i] * decay[i] + active * (2048 - decay[i])) >> 11;
}

static void show_loadavg(struct seq *s)
{
	pid_t last;
	unsigned n = count_tasks(&last);

	mutex_lock(&load_lock);
	update_load();
	for (int i = 0; i < 3; i++)
		seq_printf(s, "%lu.%02lu ", load_avg[i] >> 11, (load_avg[i] & 2047) * 100 >> 11);
	mutex_unlock(&load_lock);
	seq_printf(s, "%d/%u %d\n", sched_nr_running(), n, last);
}
PROC_ENTRY(loadavg, "loadavg", show_loadavg);

/* ---- what this is ---- */

#define RELEASE "6.1.0-pollux" /* the Linux whose interface this is: C libraries look at it */

static void show_version(struct seq *s)
{
	seq_printf(s, "Linux version " RELEASE " (Pollux, " __VERSION__ ")\n");
}
PROC_ENTRY(version, "version", show_version);

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

/* ---- sys/kernel, sys/vm ---- */

static void show_ostype(struct seq *s)
{
	seq_printf(s, "Linux\n");
}
PROC_ENTRY(ostype, "sys/kernel/ostype", show_ostype);

static void show_osrelease(struct seq *s)
{
	seq_printf(s, RELEASE "\n");
}
PROC_ENTRY(osrelease, "sys/kernel/osrelease", show_osrelease);

static void show_pid_max(struct seq *s)
{
	seq_printf(s, "%d\n", 1 << 22); /* kernel/sched/task.c counts that far */
}
PROC_ENTRY(pid_max, "sys/kernel/pid_max", show_pid_max);
