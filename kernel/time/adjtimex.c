/*
 * adjtimex(2) and clock_adjtime(2): how good the wall clock is, for programs that keep it right.
 *
 * The clock can be stepped (ADJ_SETOFFSET), and keeps what such a program says of its quality: errors,
 * status, unit. It always runs at the rate that was measured at boot: the vDSO reads it without a
 * lock, and a rate that changes would need one. So a wish for another frequency or tick, and for
 * phase shifts little by little (ADJ_OFFSET, adjtime(3)), is EINVAL, and a program steps the clock
 * instead. The present value may be set.
 *
 * LOCKING: state_mutex guards the quality; the clock itself has its own lock (ktime.c), taken inside.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/cred.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/mutex.h"
#include "kernel/time/clock.h"

#define ADJ_OFFSET    0x0001u
#define ADJ_FREQUENCY 0x0002u
#define ADJ_MAXERROR  0x0004u
#define ADJ_ESTERROR  0x0008u
#define ADJ_STATUS    0x0010u
#define ADJ_TIMECONST 0x0020u
#define ADJ_TAI       0x0080u
#define ADJ_SETOFFSET 0x0100u
#define ADJ_MICRO     0x1000u
#define ADJ_NANO      0x2000u
#define ADJ_TICK      0x4000u
#define ADJ_ADJTIME   0x8000u /* adjtime(3): with ADJ_OFFSET, and with ADJ_NANO only to read */

#define STA_UNSYNC 0x0040
#define STA_NANO   0x2000
#define TIME_OK    0
#define TIME_ERROR 5 /* not synchronised */

#define TIME_CONSTANT 2
#define TICK_USEC     10000         /* 1 / USER_HZ */
#define TOLERANCE     (500ll << 16) /* of a quartz, 500 ppm */
#define MAX_ERROR     16000000      /* us: nobody knows */

struct timex {
	u32 modes, pad;
	s64 offset, freq, maxerror, esterror;
	int status, pad2;
	s64 constant, precision, tolerance;
	struct timeval time;
	s64 tick;
	s64 ppsfreq, jitter;
	int shift, pad3;
	s64 stabil, jitcnt, calcnt, errcnt, stbcnt;
	int tai, pad4[11];
};
_Static_assert(sizeof(struct timex) == 208, "timex is ABI");

static DEFINE_MUTEX(state_mutex);
static s64 maxerror = MAX_ERROR, esterror = MAX_ERROR; /* [state_mutex] us */
static int status = STA_UNSYNC;                        /* [state_mutex] STA_UNSYNC, STA_NANO */

/* By how much ADJ_SETOFFSET moves the clock, ns; false if it cannot be meant. */
static bool step_of(const struct timex *tx, s64 *ns)
{
	s64 unit = tx->modes & ADJ_NANO ? 1 : NSEC_PER_USEC;

	if ((u64)tx->time.tv_usec >= NSEC_PER_SEC / (u64)unit ||
	    tx->time.tv_sec != (int)tx->time.tv_sec)
		return false;
	*ns = tx->time.tv_sec * (s64)NSEC_PER_SEC + tx->time.tv_usec * unit;
	return true;
}

/* Another rate, or another value that is fixed here? */
static bool asks_for_more(const struct timex *tx)
{
	return ((tx->modes & ADJ_OFFSET) && tx->offset) ||
	       ((tx->modes & ADJ_FREQUENCY) && tx->freq) ||
	       ((tx->modes & ADJ_TICK) && tx->tick != TICK_USEC) ||
	       ((tx->modes & ADJ_TIMECONST) && tx->constant != TIME_CONSTANT) ||
	       ((tx->modes & ADJ_TAI) && tx->constant);
}

/* May the caller, and can it be done? 0, -EPERM, -EINVAL. */
static int check_modes(const struct timex *tx, s64 *step)
{
	bool read_only = (tx->modes & ADJ_ADJTIME) ? tx->modes & ADJ_NANO : !tx->modes;

	if ((tx->modes & ADJ_ADJTIME) && !(tx->modes & ADJ_OFFSET))
		return -EINVAL;
	if ((!read_only || (tx->modes & ADJ_SETOFFSET)) && !capable(CAP_SYS_TIME))
		return -EPERM;
	if ((tx->modes & ADJ_SETOFFSET) && !step_of(tx, step))
		return -EINVAL;
	if (read_only)
		return 0;
	return asks_for_more(tx) ? -EINVAL : 0;
}

/* state_mutex held. */
static void set_quality(const struct timex *tx)
{
	if (tx->modes & ADJ_STATUS)
		status = (status & STA_NANO) | (tx->status & STA_UNSYNC);
	if (tx->modes & ADJ_NANO)
		status |= STA_NANO;
	if (tx->modes & ADJ_MICRO)
		status &= ~STA_NANO;
	if (tx->modes & ADJ_MAXERROR)
		maxerror = tx->maxerror;
	if (tx->modes & ADJ_ESTERROR)
		esterror = tx->esterror;
}

/* TIME_OK or TIME_ERROR, or -errno. */
static int adjust(struct timex *tx)
{
	s64 step = 0;
	int err = check_modes(tx, &step);
	u64 now;

	if (err)
		return err;
	if (tx->modes & ADJ_SETOFFSET) {
		now = ktime_get_real() + (u64)step;
		if (now > KTIME_MAX)
			return -EINVAL; /* before 1970, or after what a clock can show */
		ktime_set_real(now);
	}
	mutex_lock(&state_mutex);
	if (!(tx->modes & ADJ_ADJTIME))
		set_quality(tx);
	*tx = (struct timex){
		.modes = tx->modes,
		.maxerror = maxerror,
		.esterror = esterror,
		.status = status,
		.constant = TIME_CONSTANT,
		.precision = 1,
		.tolerance = TOLERANCE,
		.tick = TICK_USEC,
	};
	mutex_unlock(&state_mutex);
	now = ktime_get_real();
	tx->time = ns_to_timeval(now);
	if (tx->status & STA_NANO)
		tx->time.tv_usec = (s64)(now % NSEC_PER_SEC);
	return tx->status & STA_UNSYNC ? TIME_ERROR : TIME_OK;
}

SYSCALL_DEFINE1(adjtimex, struct timex __user *, utx)
{
	struct timex tx;
	int ret;

	if (copy_from_user(&tx, utx, sizeof(tx)))
		return -EFAULT;
	ret = adjust(&tx);
	return copy_to_user(utx, &tx, sizeof(tx)) ? -EFAULT : ret;
}

SYSCALL_DEFINE2(clock_adjtime, int, id, struct timex __user *, utx)
{
	struct timex tx;
	bool can_wait;
	int ret;

	if (copy_from_user(&tx, utx, sizeof(tx)))
		return -EFAULT;
	if (id != CLOCK_REALTIME)
		return clock_kind(id, &can_wait) == CLOCK_NONE ? -EINVAL : -EOPNOTSUPP;
	ret = adjust(&tx);
	return ret >= 0 && copy_to_user(utx, &tx, sizeof(tx)) ? -EFAULT : ret;
}
