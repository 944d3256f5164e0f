/*
 * The leak check. With leakcheck=1 on the command line, process 1's reboot(RB_POWER_OFF) first takes
 * user space apart: every other process is killed and buried, process 1 gives up its memory and its
 * files, and what subsystems keep for a while is drained. Then the kernel should hold what it held
 * before process 1 was made. Each slab cache that holds more is named:
 *
 *	leak: cache kmalloc-64: 2 objects
 *
 * and so are pages, beyond those that the kernel's own page tables and CPUs keep for good. The last
 * line says that the check has been made. Files that programs have left in tmpfs are no leak to a
 * user, but they are here: whoever makes them removes them.
 *
 * LOCKING: runs once, in process 1, when nothing else of user space does.
 */
#include "kernel/debug/leak.h"

#include "kernel/exec/process.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/mm/internal.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/wait.h"
#include "kernel/time/ktime.h"

#define MAX_CACHES  96
#define MAX_DRAINS  8
#define PATIENCE    (15 * NSEC_PER_SEC)
#define PAGES_SLACK 64 /* page tables of kernel memory stay */

struct state {
	u64 pages; /* accounted for: free, or in slabs */
	unsigned count;
	const char *name[MAX_CACHES];
	size_t inuse[MAX_CACHES];
};

static struct state at_boot, now;
static bool enabled;
static void (*drains[MAX_DRAINS])(void);

void leakcheck_on_drain(void (*fn)(void))
{
	for (int i = 0; i < MAX_DRAINS; i++) {
		if (drains[i])
			continue;
		drains[i] = fn;
		return;
	}
	panic("more than %d drains", MAX_DRAINS);
}

static void nap(u64 ns)
{
	DECLARE_WAIT_QUEUE_HEAD(nobody);

	__wait_event(&nobody, false, TASK_UNINTERRUPTIBLE, 0, ktime_get() + ns, , );
}

static void measure(struct state *s)
{
	reclaim_caches();
	s->pages = nr_pages_accounted();
	for (s->count = 0; s->count < MAX_CACHES; s->count++)
		if (!slab_inuse_of(s->count, &s->name[s->count], &s->inuse[s->count]))
			break;
}

static size_t inuse_at_boot(const char *name)
{
	for (unsigned i = 0; i < at_boot.count; i++)
		if (!strcmp(at_boot.name[i], name))
			return at_boot.inuse[i];
	return 0;
}

/*
 * What process 1 still is: its struct task is the boot's, the other two came with it. Its address
 * space may still be borrowed by idle CPUs (lazy TLB).
 */
static size_t allowed(const char *name)
{
	if (!strcmp(name, "signal_struct") || !strcmp(name, "sighand"))
		return 1;
	if (!strcmp(name, "mm_struct"))
		return nr_cpus;
	/* Magazines come by themselves and stay. */
	return strcmp(name, "kmem_magazine") ? 0 : ~0ul >> 1;
}

static size_t grown(unsigned i)
{
	size_t fine = inuse_at_boot(now.name[i]) + allowed(now.name[i]);

	return now.inuse[i] > fine ? now.inuse[i] - fine : 0;
}

static long pages_gone(void)
{
	long gone = (long)(at_boot.pages - now.pages) - PAGES_SLACK * nr_cpus;

	return gone > 0 ? gone : 0;
}

/* Is everything back? What ends by itself, in a timer or a thread, gets some time. */
static bool all_back(void)
{
	measure(&now);
	for (unsigned i = 0; i < now.count; i++)
		if (grown(i))
			return false;
	return !pages_gone();
}

/* ---- the end of user space ---- */

/* SIGKILL to every process but the caller's; how many there are. */
static unsigned kill_others(void)
{
	struct signal_struct *me = current->signal;
	unsigned n = 0;
	struct task *t;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	list_for_each_entry(t, &all_tasks, all_link) {
		if (!t->signal || t->signal == me || t->signal->leader != t)
			continue;
		n++;
		send_signal_group(t->signal, SIGKILL, NULL);
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return n;
}

/* False if there are some that do not die. */
static bool bury_others(void)
{
	u64 deadline = ktime_get() + PATIENCE;

	while (kill_others()) {
		while (reap_child() > 0)
			;
		if (ktime_get() > deadline)
			return false;
		nap(NSEC_PER_MSEC);
	}
	return true;
}

static void give_up_own(void)
{
	struct signal_struct *g = current->signal;

	exit_resources(current);
	flush_sigqueue(&current->pending, &current->pending_mask);
	flush_sigqueue(&g->pending, &g->pending_mask);
}

/* ---- from outside ---- */

void leakcheck_record(void)
{
	enabled = cmdline_get_u64("leakcheck", 0);
	if (enabled)
		measure(&at_boot);
}

void leakcheck_poweroff(void)
{
	u64 deadline;
	unsigned n = 0;

	if (!enabled || !init_task || current != init_task)
		return;
	enabled = false;
	if (!bury_others()) {
		printk("leak: there are processes that do not die\n");
		return;
	}
	give_up_own();
	for (int i = 0; i < MAX_DRAINS && drains[i]; i++)
		drains[i]();
	deadline = ktime_get() + PATIENCE;
	while (!all_back() && ktime_get() < deadline)
		nap(20 * NSEC_PER_MSEC);
	for (unsigned i = 0; i < now.count; i++) {
		if (!grown(i))
			continue;
		n++;
		printk("leak: cache %s: %zu objects\n", now.name[i], grown(i));
	}
	if (pages_gone())
		printk("leak: %ld pages\n", pages_gone());
	printk("leakcheck: %u caches compared, %u have grown, %ld pages fewer than at boot\n",
	       now.count, n, (long)(at_boot.pages - now.pages));
}
