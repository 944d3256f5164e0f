/*
 * Clocks from the time-stamp counter.
 *
 * The TSC counts at a constant rate, is the same on all CPUs of the machines Pollux runs on, and
 * is read in one instruction. At boot its rate is measured once against the PIT (Intel 8254,
 * 1,193,182 Hz, the one clock whose rate is known by definition). After that
 *
 *	ns since boot = (tsc - tsc at boot) * mult / 2^32
 *
 * is CLOCK_MONOTONIC, and CLOCK_REALTIME is that plus an offset. Timers know only the first: who waits
 * for a time of day converts it, and again whenever the offset changes (struct clock_watch).
 *
 * LOCKING: watch_lock, a mutex, is held while the offset changes and the watches are told, so that a
 * watch that was added before sees every change. It is the outermost: the functions take locks.
 */
#include "kernel/time/ktime.h"

#include "kernel/cpu/cpu.h"
#include "kernel/lib/printk.h"
#include "kernel/sched/mutex.h"
#include "kernel/vdso/data.h"

#define PIT_HZ            1193182ull
#define PIT_CH2           0x42
#define PIT_CMD           0x43
#define PIT_GATE          0x61           /* bit 0: gate of channel 2, bit 1: speaker */
#define PIT_OUT           0x20           /* of the same port: channel 2 has reached zero */
#define CALIBRATION_TICKS (PIT_HZ / 100) /* 10 ms */

u64 tsc_khz;

static u64 tsc_base;
static u64 tsc_mult; /* ns per TSC tick, times 2^32 */
static DEFINE_MUTEX(watch_lock);
static LIST_HEAD(watches); /* [watch_lock] */

static u64 real_offset; /* [a] CLOCK_REALTIME minus CLOCK_MONOTONIC, ns */

static struct vdso_data *published; /* the same for user mode; NULL before ktime_publish() */

static u16 pit_read(void)
{
	u8 lo;

	outb(PIT_CMD, 0x80); /* latch channel 2 */
	lo = inb(PIT_CH2);
	return lo | inb(PIT_CH2) << 8;
}

/*
 * A PIT reading and the TSC at the same moment. Port I/O may be interrupted by the host for long,
 * so of several readings the one that took the least time counts.
 */
static u16 pit_sample(u64 *tsc)
{
	u64 best = ~0ull;
	u16 count = 0;

	for (int i = 0; i < 8; i++) {
		u64 before = rdtsc();
		u16 c = pit_read();
		u64 after = rdtsc();

		if (after - before < best) {
			best = after - before;
			*tsc = before + best / 2;
			count = c;
		}
	}
	return count;
}

void time_init(void)
{
	u64 t0 = 0, t1 = 0;
	u16 c0, c1;

	outb(PIT_GATE, (inb(PIT_GATE) & ~2) | 1);
	/* The count is 16 bits wide, 55 ms. If the host takes the CPU away for longer, it begins again
	 * and cannot be believed: nor may we. */
	do {
		outb(PIT_CMD, 0xb0); /* channel 2, low then high byte, mode 0: count down once */
		outb(PIT_CH2, 0xff);
		outb(PIT_CH2, 0xff);
		c0 = pit_sample(&t0);
		do
			c1 = pit_read();
		while ((u16)(c0 - c1) < CALIBRATION_TICKS);
		c1 = pit_sample(&t1);
	} while (inb(PIT_GATE) & PIT_OUT);

	tsc_khz = (t1 - t0) * PIT_HZ / (u16)(c0 - c1) / 1000;
	if (!tsc_khz)
		panic("the time-stamp counter stands still");
	tsc_mult = (1000000ull << 32) / tsc_khz;
	tsc_base = t0;
}

u64 ktime_get(void)
{
	return (unsigned __int128)(rdtsc() - tsc_base) * tsc_mult >> 32;
}

u64 ktime_get_real(void)
{
	return ktime_get() + READ_ONCE(real_offset);
}

u64 ktime_from_real(u64 real)
{
	u64 offset = READ_ONCE(real_offset);

	return real > offset ? real - offset : 0;
}

void ktime_set_real(u64 ns)
{
	struct clock_watch *w;
	u64 offset;

	mutex_lock(&watch_lock);
	offset = ns - ktime_get();
	WRITE_ONCE(real_offset, offset);
	if (published)
		WRITE_ONCE(published->real_offset, offset);
	list_for_each_entry(w, &watches, link)
		w->clock_was_set(w);
	mutex_unlock(&watch_lock);
}

void ktime_publish(struct vdso_data *page)
{
	*page = (struct vdso_data){tsc_base, tsc_mult, real_offset};
	published = page;
}

void clock_watch_add(struct clock_watch *w)
{
	mutex_lock(&watch_lock);
	list_add_tail(&w->link, &watches);
	mutex_unlock(&watch_lock);
}

void clock_watch_remove(struct clock_watch *w)
{
	mutex_lock(&watch_lock);
	list_del(&w->link);
	mutex_unlock(&watch_lock);
}
