/*
 * Load averages, /proc/loadavg: how many tasks ran or wanted to, over the last 1, 5 and 15 minutes.
 *
 * Every five seconds the number of runnable tasks is taken and each average moves a little towards
 * it: avg = avg * e + n * (1 - e) with e = exp(-5 s / 60, 300, 900 s), in fixed point.
 *
 * There is no clock for it. A busy CPU has a tick (core.c), and the first of a new period takes the
 * sample; a period that passed without any tick found all CPUs idle, and counts as none runnable
 * whenever somebody looks next. So an idle machine stays asleep, and the figures are right all the same.
 *
 * LOCKING: load_lock guards the averages; any context, interrupts off, a leaf.
 */
#include "kernel/exec/process.h"
#include "kernel/lib/seq.h"
#include "kernel/sched/sched.h"
#include "kernel/time/ktime.h"

#define PERIOD     (5 * NSEC_PER_SEC)
#define FIXED_BITS 11
#define FIXED_ONE  (1u << FIXED_BITS)

static DEFINE_SPINLOCK(load_lock);
static u64 averages[3];         /* [load_lock] */
static u64 period_end = PERIOD; /* [load_lock], a glance without */

/* load_lock held. */
static void add_sample(u64 runnable)
{
	static const u64 decay[3] = {1884, 2014, 2037};

	for (int i = 0; i < 3; i++)
		averages[i] = (averages[i] * decay[i] +
			       (runnable << FIXED_BITS) * (FIXED_ONE - decay[i])) >>
			      FIXED_BITS;
}

/* Periods that ended and were not noticed were idle. load_lock held. */
static void catch_up(u64 now)
{
	const u64 forgotten = 2000; /* so many periods, and 15 minutes' average is zero */

	if (now > period_end + forgotten * PERIOD)
		period_end = now - forgotten * PERIOD;
	for (; period_end + PERIOD <= now; period_end += PERIOD)
		add_sample(0);
}

void load_tick(u64 now)
{
	u64 flags;

	if (now < READ_ONCE(period_end))
		return;
	spin_lock_irqsave(&load_lock, flags);
	if (now >= period_end) {
		catch_up(now);
		add_sample((u64)sched_nr_running());
		WRITE_ONCE(period_end, period_end + PERIOD);
	}
	spin_unlock_irqrestore(&load_lock, flags);
}

void load_averages(u64 avg[3], unsigned bits)
{
	u64 flags;

	spin_lock_irqsave(&load_lock, flags);
	catch_up(ktime_get());
	for (int i = 0; i < 3; i++)
		avg[i] = averages[i] << bits >> FIXED_BITS;
	spin_unlock_irqrestore(&load_lock, flags);
}

static void loadavg_show(struct seq *s)
{
	u64 avg[3];

	load_averages(avg, 16);
	for (int i = 0; i < 3; i++)
		seq_printf(s, "%lu.%02lu ", avg[i] >> 16, (avg[i] & 0xffff) * 100 >> 16);
	seq_printf(s, "%d/%d %d\n", sched_nr_running(), count_threads(), last_pid());
}
PROC_ENTRY(loadavg, "loadavg", loadavg_show);
