/*
 * The watchmen: tasks and CPUs that do not get on.
 *
 *	hung task	a process that has slept uninterruptibly for hung_task= seconds (120; 0: never
 *			mind). A kernel thread looks all ten seconds; a task that has not been switched
 *			since the last look has not run
 *	soft lockup	a CPU on which another task waits its turn and nothing was switched for
 *			soft_lockup= seconds (20). A timer of each CPU looks at all CPUs, so one that
 *			still takes interrupts finds itself, and one that does not is found by others
 *
 * Both are reported, with what the task waits for, which wait_event() writes down in this build, and
 * the backtraces of all CPUs, which they print when an NMI comes. The machine goes on.
 *
 * The same on demand, as on Linux, by writing a letter to /proc/sysrq-trigger: t all tasks, w those
 * that are blocked, l all CPUs, c a crash.
 *
 * LOCKING: tasklist_lock while tasks are walked. A task that runs meanwhile makes its own backtrace
 * stale, not harmful: each frame is looked up before it is read.
 */
#include "kernel/cpu/apic.h"
#include "kernel/cpu/smp.h"
#include "kernel/debug/lockdep.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/seq.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/wait.h"
#include "kernel/time/ktime.h"

#define LOOK_NS        (10 * NSEC_PER_SEC)
#define LOCKUP_LOOK_NS (2 * NSEC_PER_SEC)

static u64 hung_ns, lockup_ns; /* [I] 0: do not look */

/* ---- what they print ---- */

static void show_task(struct task *t)
{
	const struct switch_frame *s = (const void *)t->rsp;

	printk("task %d (%.*s), state %x, CPU %d%s%s\n", t->pid, TASK_COMM_LEN, t->comm, t->state,
	       t->cpu, t->waiting_for ? ", waits for " : "", t->waiting_for ? t->waiting_for : "");
	for (int i = 0; i < t->locks.depth; i++)
		printk("  %s %s\n", t->locks.held[i].waiting ? "waits for" : "holds",
		       t->locks.held[i].map->name);
	if (!t->on_cpu)
		dump_frames(s->rip, s->rbp);
}

/* All whose state has one of the bits, or all. */
static void show_tasks(unsigned states)
{
	struct task *t;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	list_for_each_entry(t, &all_tasks, all_link)
		if (!states || (READ_ONCE(t->state) & states))
			show_task(t);
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

/* Each CPU answers for itself (do_paranoid_trap()), in its own time. */
static void show_cpus(void)
{
	for_each_cpu(cpu)
	{
		if (cpu == smp_processor_id()) {
			printk("CPU %d, task %d (%.*s)\n", cpu, current->pid, TASK_COMM_LEN,
			       current->comm);
			show_held_locks(cpu);
			dump_stack();
		} else {
			apic_send_nmi(cpu);
		}
	}
}

/* ---- hung tasks ---- */

/* Kernel threads sleep so when they have nothing to do; a killable sleep is nobody's prison. */
static bool is_stuck(const struct task *t)
{
	unsigned state = READ_ONCE(t->state);

	return t->signal && (state & TASK_UNINTERRUPTIBLE) && !(state & TASK_WAKEKILL);
}

/* True once for each sleep that is too long. */
static bool is_hung(struct task *t, u64 now)
{
	u64 switches = READ_ONCE(t->nr_switches);

	if (!is_stuck(t) || t->locks.seen_switches != switches) {
		t->locks.seen_switches = switches;
		t->locks.seen_at = now;
		return false;
	}
	if (!t->locks.seen_at || now - t->locks.seen_at < hung_ns)
		return false;
	t->locks.seen_at = 0; /* reported */
	return true;
}

static void look_at_tasks(void)
{
	u64 flags, now = ktime_get();
	bool any = false;
	struct task *t;

	spin_lock_irqsave(&tasklist_lock, flags);
	list_for_each_entry(t, &all_tasks, all_link) {
		if (!is_hung(t, now))
			continue;
		printk("BUG: hung task: %d (%.*s) has been blocked for more than %lu s\n", t->pid,
		       TASK_COMM_LEN, t->comm, (u64)(hung_ns / NSEC_PER_SEC));
		show_task(t);
		any = true;
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	if (any)
		show_cpus();
}

static int watch_tasks(void *unused)
{
	DECLARE_WAIT_QUEUE_HEAD(nobody);

	for (;;) {
		__wait_event(&nobody, false, TASK_UNINTERRUPTIBLE, 0,
			     ktime_get() + min(hung_ns, LOOK_NS), , );
		look_at_tasks();
	}
	return 0;
}

/* ---- soft lockups ---- */

struct view {
	u64 switches; /* of the watched CPU, at the last change */
	u64 at;       /* the last look */
	u64 stuck_ns; /* for so long it has been seen so, with a task waiting */
	bool reported;
};

static struct view views[MAX_CPUS]; /* [lockup_lock] */
static DEFINE_SPINLOCK(lockup_lock);
static DEFINE_PER_CPU(struct timer, lockup_timer);

/*
 * Between two looks there are LOCKUP_LOOK_NS at the most. If it is more, all CPUs stood still: the host
 * had stopped the machine. That is nobody's fault here.
 */
static bool is_locked_up(int cpu, u64 now)
{
	struct view *v = &views[cpu];
	u64 switches = sched_nr_switches(cpu), since = min(now - v->at, LOCKUP_LOOK_NS);

	v->at = now;
	if (v->switches != switches || !sched_nr_waiting(cpu)) {
		v->switches = switches;
		v->stuck_ns = 0;
		v->reported = false;
		return false;
	}
	v->stuck_ns += since;
	if (v->reported || v->stuck_ns < lockup_ns)
		return false;
	v->reported = true;
	return true;
}

static void look_at_cpus(struct timer *t)
{
	u64 now, stuck = 0;

	spin_lock(&lockup_lock);
	now = ktime_get();
	for_each_cpu(cpu)
	{
		if (is_locked_up(cpu, now))
			stuck |= BIT(cpu);
	}
	spin_unlock(&lockup_lock);
	for (u64 m = stuck; m; m &= m - 1)
		printk("BUG: soft lockup: CPU %d has switched to no other task for %lu s\n",
		       __builtin_ctzl(m), (u64)(lockup_ns / NSEC_PER_SEC));
	if (stuck)
		show_cpus();
	timer_arm(t, now + LOCKUP_LOOK_NS);
}

static void start_watch(void *unused)
{
	struct timer *t = this_cpu_ptr(lockup_timer);

	timer_setup(t, look_at_cpus);
	timer_arm(t, ktime_get() + LOCKUP_LOOK_NS);
}

static int watch_init(void)
{
	hung_ns = cmdline_get_u64("hung_task", 120) * NSEC_PER_SEC;
	lockup_ns = cmdline_get_u64("soft_lockup", 20) * NSEC_PER_SEC;
	if (lockup_ns)
		on_each_cpu(start_watch, NULL);
	if (hung_ns && !kthread_run(watch_tasks, NULL, -1, "khungtaskd"))
		return -ENOMEM;
	return 0;
}
core_initcall(watch_init);

/* ---- /proc/sysrq-trigger ---- */

static int sysrq(const char *text, size_t len)
{
	switch (len ? text[0] : 0) {
	case 't':
		show_tasks(0);
		return 0;
	case 'w':
		show_tasks(TASK_UNINTERRUPTIBLE);
		return 0;
	case 'l':
		show_cpus();
		return 0;
	case 'c':
		panic("sysrq: a crash was asked for");
	}
	return -EINVAL;
}

static void sysrq_show(struct seq *s)
{
	seq_printf(s, "t tasks, w blocked tasks, l CPUs, c crash\n");
}
PROC_ENTRY_RW(sysrq, "sysrq-trigger", sysrq_show, sysrq);
