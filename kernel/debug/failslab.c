/*
 * Fault injection. A kernel that is out of memory must say so and go on, but no test fills memory at
 * each of the hundreds of places that allocate. So here allocations fail at random, at a rate that
 * one chooses:
 *
 *	failslab=SEED,INTERVAL[,SKIP]             on the command line
 *	echo SEED INTERVAL SKIP >/proc/sys/kernel/failslab     at any time; 0 stops it
 *
 * One of INTERVAL allocations fails, after the first SKIP. The same seed gives the same pattern, which
 * repeats a run as far as the order of allocations does: exactly with one CPU and one process.
 *
 * Only system calls and faults of processes other than 1 are hit: what the boot, kernel threads and
 * interrupts need has a fate of its own. Slab objects, kmalloc(), pages and vmalloc() all count, each
 * where it comes into the allocator, so that the kernel's own use of pages for slabs counts too.
 *
 * LOCKING: none. The fields of the pattern are written before interval, which turns it on.
 */
#include "kernel/debug/failslab.h"

#include "kernel/abi/errno.h"
#include "kernel/irq/preempt.h"
#include "kernel/lib/atomic.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/seq.h"
#include "kernel/lib/string.h"
#include "kernel/sched/task.h"

static u64 seed;
static u64 interval; /* [a] 0: off */
static u64 skip;
static u64 calls;    /* [a] allocations that were asked about, since it was set */
static u64 failures; /* [a] */

/* A well-mixed number of @n and the seed (the finaliser of SplitMix64). */
static u64 noise(u64 n)
{
	u64 x = seed + n * 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

bool failslab(void)
{
	/* Pairs with the release in set_pattern(). */
	u64 every = smp_load_acquire(&interval), n;

	if (likely(!every) || !in_task() || !current->mm || current->tgid == 1)
		return false;
	n = __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
	if (n < skip || noise(n) % every)
		return false;
	__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
	return true;
}

/* Reads up to three numbers, with anything between them. */
static int set_pattern(const char *text, size_t len)
{
	u64 v[3] = {0};
	int n = 0;
	bool in_number = false;

	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9') {
			n += in_number;
			in_number = false;
			continue;
		}
		if (n == 3)
			return -EINVAL;
		in_number = true;
		v[n] = v[n] * 10 + (u64)(text[i] - '0');
	}
	WRITE_ONCE(interval, 0);
	seed = v[0];
	skip = v[2];
	calls = failures = 0;
	/* The pattern first. Pairs with the acquire in failslab(). */
	smp_store_release(&interval, v[1]);
	return 0;
}

static void failslab_show(struct seq *s)
{
	seq_printf(s, "seed %lu interval %lu skip %lu calls %lu failures %lu\n", seed,
		   READ_ONCE(interval), skip, READ_ONCE(calls), READ_ONCE(failures));
}
PROC_ENTRY_RW(failslab, "sys/kernel/failslab", failslab_show, set_pattern);

static int failslab_init(void)
{
	char text[64];

	if (cmdline_get("failslab", text, sizeof(text)) && set_pattern(text, strlen(text)))
		printk("failslab: not SEED,INTERVAL,SKIP: %s\n", text);
	return 0;
}
late_initcall(failslab_init);
