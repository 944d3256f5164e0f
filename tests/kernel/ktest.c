/*
 * The runner of the in-kernel tests. ktest=all on the command line runs every KTEST, ktest=buddy
 * those whose names begin so; the results go to the console as KTAP, and the machine powers off.
 *
 * Each test runs on a kernel thread of its own, and must give back all it took: the runner counts
 * pages and slab objects around it. A test's first run may make what stays (a table of the kernel's
 * pages), so a difference counts only if a second run makes one too.
 */
#include "kernel/lib/ktest.h"

#include "kernel/cpu/power.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/mm/page.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/completion.h"
#include "kernel/sched/task.h"
#include "kernel/sched/wait.h"
#include "kernel/time/ktime.h"

extern const struct ktest __ktests_start[], __ktests_end[];

struct run {
	const struct ktest *test;
	struct completion done;
};

static bool failed; /* the test that runs has failed */

void ktest_fail(const char *file, int line, const char *what)
{
	failed = true;
	printk("# %s:%d: expected %s\n", file, line, what);
}

static int test_thread(void *arg)
{
	struct run *r = arg;

	r->test->run();
	complete(&r->done);
	return 0;
}

/* Runs the test once; false if there is no memory for its thread. */
static bool run_once(const struct ktest *t)
{
	struct run r = {.test = t};

	init_completion(&r.done);
	if (!kthread_run(test_thread, &r, -1, "ktest/%s", t->name))
		return false;
	wait_for_completion(&r.done);
	return true;
}

struct usage {
	u64 pages; /* not in use, or in slabs */
	size_t objects;
};

static void pause_ns(u64 ns)
{
	DECLARE_WAIT_QUEUE_HEAD(nobody_wakes_it);

	wait_event_interruptible_deadline(&nobody_wakes_it, false, ktime_get() + ns);
}

/* What is in use when nothing is kept in caches. */
static struct usage measure(void)
{
	u64 deadline = ktime_get() + NSEC_PER_SEC;
	struct usage now = {0, 0}, last;

	/* A thread that has ended is still being taken apart: until two looks agree. */
	do {
		last = now;
		pause_ns(NSEC_PER_MSEC);
		reclaim_caches();
		now = (struct usage){nr_pages_accounted(), slab_objects_inuse()};
	} while ((now.pages != last.pages || now.objects != last.objects) &&
		 ktime_get() < deadline);
	return now;
}

/* Runs the test and reports what it kept, if it keeps something each time. */
static void run_test(const struct ktest *t)
{
	for (int i = 0; i < 2 && !failed; i++) {
		struct usage before = measure(), after;

		if (!run_once(t)) {
			ktest_fail(__FILE__, __LINE__, "memory for a thread");
			return;
		}
		after = measure();
		if (after.pages >= before.pages && after.objects <= before.objects)
			return;
		if (i)
			printk("# %s keeps %ld pages, %ld objects\n", t->name,
			       (long)(before.pages - after.pages),
			       (long)(after.objects - before.objects));
	}
	failed = true;
}

static bool selected(const struct ktest *t, const char *what)
{
	return !strcmp(what, "all") || !strncmp(t->name, what, strlen(what));
}

void ktest_run_all(void)
{
	const struct ktest *t;
	unsigned nr = 0, count = 0, nr_failed = 0;
	char what[64];

	if (!cmdline_get("ktest", what, sizeof(what)))
		return;
	for (t = __ktests_start; t < __ktests_end; t++)
		count += selected(t, what);

	printk("KTAP version 1\n");
	printk("1..%u\n", count);
	for (t = __ktests_start; t < __ktests_end; t++) {
		if (!selected(t, what))
			continue;
		failed = false;
		run_test(t);
		printk("%sok %u %s\n", failed ? "not " : "", ++nr, t->name);
		nr_failed += failed;
	}
	printk("# %u passed, %u failed\n", count - nr_failed, nr_failed);
	machine_poweroff();
}
