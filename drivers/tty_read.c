/*
 * Reading from a terminal, termios(3) "Canonical and noncanonical mode".
 *
 * Canonical: a read takes at most one line. Raw: VMIN and VTIME give four cases, with time measured
 * in tenths of a second.
 *
 *	VMIN  VTIME
 *	 0     0	what is there, perhaps nothing
 *	 n     0	waits for n bytes
 *	 0     t	waits for the first byte, no longer than t
 *	 n     t	waits for n bytes; from the first one on, the time between two is at most t
 *
 * LOCKING
 *	read_mutex	a line goes to one reader. Nobody waits for input while holding it.
 *	tty->lock	the ring, for as long as it takes to copy a chunk out of it to the stack.
 */
#include "drivers/tty.h"
#include "kernel/time/ktime.h"

#define MASK         (TTY_BUF_SIZE - 1)
#define FEW_LEFT     128         /* bytes that are left to read when the device may go on */
#define MODE_CHANGED (-ERESTART) /* ICANON was switched while we waited */

bool tty_readable(struct tty *tty)
{
	const struct termios2 *t = &tty->termios;
	u32 n = READ_ONCE(tty->ready) - READ_ONCE(tty->tail), min = 1;

	/* With a timer a single byte may be the end of what is to come. */
	if (!tty_lflag(tty, ICANON) && !READ_ONCE(t->c_cc[VTIME]) && READ_ONCE(t->c_cc[VMIN]))
		min = READ_ONCE(t->c_cc[VMIN]);
	return n >= min;
}

unsigned tty_input_count(struct tty *tty)
{
	unsigned n = 0;
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	for (u32 i = tty->tail; i != tty->ready; i++)
		n += !tty_get_mark(tty->eof_mark, i) || !tty_lflag(tty, ICANON);
	spin_unlock_irqrestore(&tty->lock, flags);
	return n;
}

static bool has_input(struct tty *tty)
{
	return READ_ONCE(tty->ready) != READ_ONCE(tty->tail);
}

/* A reader has taken something, so the device may have more. */
static void input_taken(struct tty *tty)
{
	if (tty->ops->unthrottle && READ_ONCE(tty->ready) - READ_ONCE(tty->tail) <= FEW_LEFT)
		tty->ops->unthrottle(tty);
}

/* ---- canonical ---- */

/*
 * Takes at most @max bytes of one line. *ended: the line's end was among them. A ^D right behind
 * the last byte that fits is taken too, or the next read(2) would see an end of file.
 */
static size_t take_line(struct tty *tty, u8 *to, size_t max, bool *ended)
{
	u32 tail;
	size_t n = 0;
	u64 flags;

	*ended = false;
	spin_lock_irqsave(&tty->lock, flags);
	for (tail = tty->tail; tail != tty->ready && !*ended; tail++) {
		if (tty_get_mark(tty->eof_mark, tail)) {
			*ended = true;
			continue;
		}
		if (n == max)
			break;
		to[n++] = tty->buf[tail & MASK];
		*ended = tty_get_mark(tty->line_end, tail);
	}
	WRITE_ONCE(tty->tail, tail);
	tty_pace(tty);
	spin_unlock_irqrestore(&tty->lock, flags);
	return n;
}

/* Copies one line, or as much of it as fits; -EAGAIN if another reader has taken it. */
static ssize_t copy_line(struct tty *tty, struct iov_iter *to)
{
	u8 chunk[256];
	size_t done = 0, n;
	bool ended = false;
	ssize_t r = -EAGAIN;

	mutex_lock(&tty->read_mutex);
	while (!ended && has_input(tty)) {
		n = take_line(tty, chunk, min(sizeof(chunk), to->count), &ended);
		if (copy_to_iter(chunk, n, to) != n) {
			r = -EFAULT;
			break;
		}
		done += n;
		r = (ssize_t)done;
		if (!to->count)
			break;
	}
	mutex_unlock(&tty->read_mutex);
	input_taken(tty);
	return r;
}

static ssize_t read_canonical(struct tty_file *tf, struct iov_iter *to, bool nonblock)
{
	struct tty *tty = tf->tty;
	ssize_t r;

	for (;;) {
		if (tty_file_hung(tf))
			return 0;
		if (has_input(tty)) {
			r = copy_line(tty, to);
			if (r != -EAGAIN)
				return r;
		}
		if (nonblock)
			return -EAGAIN;
		r = wait_event_interruptible(&tty->read_wait, has_input(tty) || tty_file_hung(tf) ||
								      !tty_lflag(tty, ICANON));
		if (r)
			return r;
		if (!tty_lflag(tty, ICANON))
			return MODE_CHANGED;
	}
}

/* ---- raw ---- */

static size_t take_raw(struct tty *tty, u8 *to, size_t max)
{
	u32 tail;
	size_t n = 0;
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	for (tail = tty->tail; n < max && tail != tty->ready; tail++)
		to[n++] = tty->buf[tail & MASK];
	WRITE_ONCE(tty->tail, tail);
	tty_pace(tty);
	spin_unlock_irqrestore(&tty->lock, flags);
	return n;
}

/* When a raw read that has @got bytes stops waiting; 0: it does not wait at all. */
static u64 raw_deadline(const struct tty *tty, size_t got)
{
	u64 time = READ_ONCE(tty->termios.c_cc[VTIME]) * (NSEC_PER_SEC / 10);

	if (READ_ONCE(tty->termios.c_cc[VMIN]) && (!time || !got))
		return NO_DEADLINE;
	return time ? deadline_after(time) : 0;
}

/* Copies what is there; *got grows. 0 or -EFAULT. */
static int copy_raw(struct tty *tty, struct iov_iter *to, size_t *got)
{
	u8 chunk[256];
	size_t n;

	while (to->count && has_input(tty)) {
		n = take_raw(tty, chunk, min(sizeof(chunk), to->count));
		if (copy_to_iter(chunk, n, to) != n)
			return -EFAULT;
		*got += n;
	}
	input_taken(tty);
	return 0;
}

static ssize_t read_raw(struct tty_file *tf, struct iov_iter *to, bool nonblock)
{
	struct tty *tty = tf->tty;
	u64 deadline = raw_deadline(tty, 0);
	size_t got = 0, before;
	ssize_t r = 0;

	while (!r && !tty_file_hung(tf)) {
		before = got;
		r = copy_raw(tty, to, &got);
		if (r || !to->count || (got && got >= READ_ONCE(tty->termios.c_cc[VMIN])))
			break;
		if (got > before) /* the clock starts again with each byte, not with each wake-up */
			deadline = raw_deadline(tty, got);
		if (!deadline)
			break;
		if (nonblock) {
			r = -EAGAIN;
			break;
		}
		r = wait_event_interruptible_deadline(
			&tty->read_wait,
			has_input(tty) || tty_file_hung(tf) || tty_lflag(tty, ICANON), deadline);
		if (!r && tty_lflag(tty, ICANON))
			r = MODE_CHANGED;
	}
	if (r == -ETIME)
		r = 0;
	return got ? (ssize_t)got : r;
}

ssize_t tty_ldisc_read(struct tty_file *tf, struct iov_iter *to, bool nonblock)
{
	ssize_t r;

	do {
		r = tty_lflag(tf->tty, ICANON) ? read_canonical(tf, to, nonblock)
					       : read_raw(tf, to, nonblock);
	} while (r == MODE_CHANGED);
	return r;
}
