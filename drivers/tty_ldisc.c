/*
 * The line discipline: what happens to bytes between the device and the program, after termios(3).
 *
 *	device -> tty_receive() -> input ring -> read(2)
 *	              \-> echo \
 *	program  write(2) -> tty_output() -> device
 *
 * In canonical mode a line can be edited until it ends; only then it may be read, and one read(2)
 * returns at most one line. ^D ends a line without being part of it, so on an empty line read(2)
 * returns 0. In raw mode every byte may be read at once, and VMIN and VTIME say how many to wait for
 * and how long.
 *
 * LOCKING
 *	tty->lock	the ring, the edited line, the cursor, the flags. Taken with interrupts off:
 *			tty_receive() runs in hard interrupt. The driver's own lock is taken under it,
 *			for echo and output.
 *	Signals are sent and readers woken after it is released.
 */
#include "drivers/tty.h"

#include "kernel/lib/string.h"
#include "kernel/sched/signal.h"
#include "kernel/time/ktime.h"

#define MASK (TTY_BUF_SIZE - 1)

/* What one call of tty_receive() has to do once the lock is free. */
struct input {
	struct tty *tty;
	u64 signals; /* sigmask() of those to send */
	bool wake_readers, wake_writers;
	unsigned nr_echo;
	u8 echo[128];
};

/* ---- flags ---- */

static bool lflag(const struct tty *tty, u32 flag)
{
	return READ_ONCE(tty->termios.c_lflag) & flag;
}

static bool iflag(const struct tty *tty, u32 flag)
{
	return tty->termios.c_iflag & flag;
}

/* Is @c the special character? 0 switches one off. */
static bool is_cc(const struct tty *tty, int which, u8 c)
{
	return c && c == tty->termios.c_cc[which];
}

static void set_bit(u64 *map, u32 i, bool on)
{
	i &= MASK;
	if (on)
		map[i / 64] |= BIT(i % 64);
	else
		map[i / 64] &= ~BIT(i % 64);
}

static bool get_bit(const u64 *map, u32 i)
{
	i &= MASK;
	return map[i / 64] & BIT(i % 64);
}

/* ---- output ---- */

/* Translates one byte into @out (room for 8); how many came of it. tty->lock held. */
static unsigned translate(struct tty *tty, u8 c, u8 *out)
{
	u32 o = tty->termios.c_oflag;
	unsigned n = 0;

	if (!(o & OPOST)) {
		out[0] = c;
		return 1;
	}
	switch (c) {
	case '\n':
		if (o & ONLCR)
			out[n++] = '\r';
		if (o & (ONLCR | ONLRET))
			tty->column = 0;
		break;
	case '\r':
		if ((o & ONOCR) && !tty->column)
			return 0;
		if (o & OCRNL)
			c = '\n';
		else
			tty->column = 0;
		break;
	case '\t':
		n = 8 - tty->column % 8;
		tty->column += n;
		if ((o & XTABS) == XTABS) {
			memset(out, ' ', n);
			return n;
		}
		n = 0;
		break;
	case '\b':
		if (tty->column)
			tty->column--;
		break;
	default:
		/* The bytes of one UTF-8 character share a column. */
		if (c >= ' ' && c != 0x7f && !(iflag(tty, IUTF8) && (c & 0xc0) == 0x80))
			tty->column++;
	}
	out[n++] = c;
	return n;
}

size_t tty_output(struct tty *tty, const u8 *s, size_t n)
{
	u8 out[64 * 8];
	size_t len = 0, done;
	u64 flags;

	/* 64 bytes at a time: interrupts are off meanwhile. */
	spin_lock_irqsave(&tty->lock, flags);
	n = tty->stopped ? 0 : min(min(n, 64ul), tty->driver->room(tty) / 8);
	for (done = 0; done < n; done++)
		len += translate(tty, s[done], out + len);
	tty->driver->write(tty, out, len);
	spin_unlock_irqrestore(&tty->lock, flags);
	return n;
}

/* ---- echo; tty->lock held ---- */

static void echo_flush(struct input *in)
{
	if (in->nr_echo)
		in->tty->driver->write(in->tty, in->echo, in->nr_echo);
	in->nr_echo = 0;
}

static void echo_raw(struct input *in, u8 c)
{
	if (in->nr_echo + 8 > sizeof(in->echo))
		echo_flush(in);
	in->nr_echo += translate(in->tty, c, in->echo + in->nr_echo);
}

/* Would echo as two, ^X? */
static bool is_ctl(const struct tty *tty, u8 c)
{
	return (c < ' ' || c == 0x7f) && c != '\t' && c != '\n' && lflag(tty, ECHOCTL);
}

static void echo(struct input *in, u8 c)
{
	if (!lflag(in->tty, ECHO) &&
	    !(c == '\n' && lflag(in->tty, ECHONL) && lflag(in->tty, ICANON)))
		return;
	if (is_ctl(in->tty, c)) {
		echo_raw(in, '^');
		c ^= 0x40;
	}
	echo_raw(in, c);
}

/* ---- editing; tty->lock held ---- */

/* The column after @c, if the cursor is in @col. */
static unsigned column_after(const struct tty *tty, unsigned col, u8 c)
{
	if (c == '\t')
		return (col | 7) + 1;
	if (is_ctl(tty, c))
		return col + 2;
	if (c < ' ' || c == 0x7f || (iflag(tty, IUTF8) && (c & 0xc0) == 0x80))
		return col;
	return col + 1;
}

/* Where the edited line ends on the screen. */
static unsigned end_column(const struct tty *tty)
{
	unsigned col = tty->line_column;

	for (u32 i = tty->ready; i != tty->head; i++)
		col = column_after(tty, col, tty->buf[i & MASK]);
	return col;
}

/* Takes the last character of the edited line away, on the screen too. */
static void erase_one(struct input *in)
{
	struct tty *tty = in->tty;
	unsigned before = end_column(tty), after;
	u8 c;

	do {
		c = tty->buf[--tty->head & MASK];
	} while (iflag(tty, IUTF8) && (c & 0xc0) == 0x80 && tty->head != tty->ready);
	if (!lflag(tty, ECHO))
		return;
	if (!lflag(tty, ECHOE)) {
		echo(in, tty->termios.c_cc[VERASE]);
		return;
	}
	for (after = end_column(tty); before > after; before--) {
		echo_raw(in, '\b');
		if (c != '\t') {
			echo_raw(in, ' ');
			echo_raw(in, '\b');
		}
	}
}

static bool is_word_char(u8 c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || c >= 0x80;
}

static u8 last_char(const struct tty *tty)
{
	return tty->buf[(tty->head - 1) & MASK];
}

/* ^W: what is no part of a word, then the word. */
static void erase_word(struct input *in)
{
	struct tty *tty = in->tty;

	while (tty->head != tty->ready && !is_word_char(last_char(tty)))
		erase_one(in);
	while (tty->head != tty->ready && is_word_char(last_char(tty)))
		erase_one(in);
}

static void erase_line(struct input *in)
{
	struct tty *tty = in->tty;

	if (lflag(tty, ECHOKE) && lflag(tty, ECHOE)) {
		while (tty->head != tty->ready)
			erase_one(in);
		return;
	}
	tty->head = tty->ready;
	echo(in, tty->termios.c_cc[VKILL]);
	if (lflag(tty, ECHOK) && lflag(tty, ECHO))
		echo_raw(in, '\n');
}

static void reprint_line(struct input *in)
{
	struct tty *tty = in->tty;

	echo(in, tty->termios.c_cc[VREPRINT]);
	echo_raw(in, '\n');
	tty->line_column = 0;
	for (u32 i = tty->ready; i != tty->head; i++)
		echo(in, tty->buf[i & MASK]);
}

/* ---- input; tty->lock held ---- */

static void store(struct tty *tty, u8 c, bool ends_line, bool is_eof)
{
	tty->buf[tty->head & MASK] = c;
	set_bit(tty->line_end, tty->head, ends_line);
	set_bit(tty->eof_mark, tty->head, is_eof);
	tty->head++;
}

static void end_line(struct input *in, u8 c, bool is_eof)
{
	struct tty *tty = in->tty;

	/* has_room() keeps one place free for this; a second end finds the ring full. */
	if (tty->head - tty->tail >= TTY_BUF_SIZE)
		return;
	store(tty, c, true, is_eof);
	tty->ready = tty->head;
	in->wake_readers = true;
}

/* Is there room for @c, and in canonical mode for the end of the line behind it? */
static bool has_room(struct input *in)
{
	struct tty *tty = in->tty;

	if (tty->head - tty->tail < TTY_BUF_SIZE - 1)
		return true;
	if (iflag(tty, IMAXBEL))
		echo_raw(in, '\a');
	return false;
}

static void input_plain(struct input *in, u8 c)
{
	struct tty *tty = in->tty;

	if (!has_room(in))
		return;
	if (tty->head == tty->ready)
		tty->line_column = tty->column;
	echo(in, c);
	store(tty, c, false, false);
	if (!lflag(tty, ICANON)) {
		tty->ready = tty->head;
		in->wake_readers = true;
	}
}

/* The characters that edit a line; true if @c was one. */
static bool input_edit(struct input *in, u8 c)
{
	struct tty *tty = in->tty;
	bool extended = lflag(tty, IEXTEN), any = tty->head != tty->ready;

	if (is_cc(tty, VERASE, c)) {
		if (any)
			erase_one(in);
	} else if (is_cc(tty, VKILL, c)) {
		if (any)
			erase_line(in);
	} else if (extended && is_cc(tty, VWERASE, c)) {
		erase_word(in);
	} else if (extended && is_cc(tty, VREPRINT, c) && lflag(tty, ECHO)) {
		reprint_line(in);
	} else if (c == '\n') {
		echo(in, c);
		end_line(in, c, false);
	} else if (is_cc(tty, VEOF, c)) {
		end_line(in, c, true);
	} else if (is_cc(tty, VEOL, c) || (extended && is_cc(tty, VEOL2, c))) {
		echo(in, c);
		end_line(in, c, false);
	} else {
		return false;
	}
	return true;
}

static void discard_input(struct tty *tty)
{
	tty->tail = tty->ready = tty->head;
}

/* ^C, ^\ and ^Z; true if @c was one. */
static bool input_signal(struct input *in, u8 c)
{
	struct tty *tty = in->tty;
	int sig;

	if (is_cc(tty, VINTR, c))
		sig = SIGINT;
	else if (is_cc(tty, VQUIT, c))
		sig = SIGQUIT;
	else if (is_cc(tty, VSUSP, c))
		sig = SIGTSTP;
	else
		return false;
	if (!lflag(tty, NOFLSH))
		discard_input(tty);
	tty->stopped = false;
	in->wake_writers = true;
	echo(in, c);
	in->signals |= sigmask(sig);
	return true;
}

/* ^S and ^Q; true if @c was one. */
static bool input_flow(struct input *in, u8 c)
{
	struct tty *tty = in->tty;

	if (is_cc(tty, VSTOP, c) && !(is_cc(tty, VSTART, c) && tty->stopped)) {
		tty->stopped = true;
		return true;
	}
	if (!is_cc(tty, VSTART, c)) {
		if (tty->stopped && iflag(tty, IXANY)) {
			tty->stopped = false;
			in->wake_writers = true;
		}
		return false;
	}
	tty->stopped = false;
	in->wake_writers = true;
	return true;
}

static void input_char(struct input *in, u8 c)
{
	struct tty *tty = in->tty;

	if (iflag(tty, ISTRIP))
		c &= 0x7f;
	if (tty->literal) {
		tty->literal = false;
		input_plain(in, c);
		return;
	}
	if (iflag(tty, IXON) && input_flow(in, c))
		return;
	if (lflag(tty, ISIG) && input_signal(in, c))
		return;
	if (c == '\r') {
		if (iflag(tty, IGNCR))
			return;
		if (iflag(tty, ICRNL))
			c = '\n';
	} else if (c == '\n' && iflag(tty, INLCR)) {
		c = '\r';
	}
	if (lflag(tty, ICANON)) {
		if (lflag(tty, IEXTEN) && is_cc(tty, VLNEXT, c)) {
			tty->literal = true;
			if (lflag(tty, ECHO) && lflag(tty, ECHOCTL)) {
				echo_raw(in, '^');
				echo_raw(in, '\b');
			}
			return;
		}
		if (input_edit(in, c))
			return;
	}
	input_plain(in, c);
}

void tty_receive(struct tty *tty, const u8 *s, size_t n)
{
	struct input in;
	u64 flags;
	pid_t pgrp;

	in.tty = tty;
	in.signals = 0;
	in.wake_readers = in.wake_writers = false;
	in.nr_echo = 0;
	spin_lock_irqsave(&tty->lock, flags);
	for (size_t i = 0; i < n; i++)
		input_char(&in, s[i]);
	echo_flush(&in);
	spin_unlock_irqrestore(&tty->lock, flags);

	pgrp = READ_ONCE(tty->pgrp);
	for (int sig = 1; in.signals && pgrp > 0 && sig < SIGRTMIN; sig++)
		if (in.signals & sigmask(sig))
			send_signal_pgrp(pgrp, sig, NULL);
	if (in.wake_readers)
		wake_up_poll(&tty->read_wait, EPOLLIN | EPOLLRDNORM);
	if (in.wake_writers)
		wake_up_poll_all(&tty->write_wait, EPOLLOUT | EPOLLWRNORM);
}

/* ---- reading ---- */

bool tty_readable(struct tty *tty)
{
	const struct termios *t = &tty->termios;
	u32 n = READ_ONCE(tty->ready) - READ_ONCE(tty->tail), min = 1;

	/* With a timer a single byte may be the end of what is to come. */
	if (!lflag(tty, ICANON) && !t->c_cc[VTIME] && t->c_cc[VMIN])
		min = t->c_cc[VMIN];
	return n >= min;
}

unsigned tty_input_count(struct tty *tty)
{
	unsigned n = 0;
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	for (u32 i = tty->tail; i != tty->ready; i++)
		n += !get_bit(tty->eof_mark, i) || !lflag(tty, ICANON);
	spin_unlock_irqrestore(&tty->lock, flags);
	return n;
}

/*
 * Takes at most @max bytes of one line. *ended: the line's end was among them. A ^D right behind
 * the last byte that fits is taken too, or the next read(2) would see an end of file.
 */
static size_t take_line(struct tty *tty, u8 *to, size_t max, bool *ended)
{
	size_t n = 0;
	u64 flags;

	*ended = false;
	spin_lock_irqsave(&tty->lock, flags);
	while (tty->tail != tty->ready) {
		if (get_bit(tty->eof_mark, tty->tail)) {
			tty->tail++;
			*ended = true;
			break;
		}
		if (n == max)
			break;
		to[n++] = tty->buf[tty->tail & MASK];
		if (get_bit(tty->line_end, tty->tail++)) {
			*ended = true;
			break;
		}
	}
	spin_unlock_irqrestore(&tty->lock, flags);
	return n;
}

static size_t take_raw(struct tty *tty, u8 *to, size_t max)
{
	size_t n = 0;
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	while (n < max && tty->tail != tty->ready)
		to[n++] = tty->buf[tty->tail++ & MASK];
	spin_unlock_irqrestore(&tty->lock, flags);
	return n;
}

static bool has_input(struct tty *tty)
{
	return READ_ONCE(tty->ready) != READ_ONCE(tty->tail);
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
	return r;
}

#define MODE_CHANGED (-ERESTART) /* ICANON was switched while we waited */

static ssize_t read_canonical(struct tty *tty, struct iov_iter *to, bool nonblock)
{
	ssize_t r;

	for (;;) {
		if (has_input(tty)) {
			r = copy_line(tty, to);
			if (r != -EAGAIN)
				return r;
		}
		if (nonblock)
			return -EAGAIN;
		r = wait_event_interruptible(&tty->read_wait,
					     has_input(tty) || !lflag(tty, ICANON));
		if (r)
			return r;
		if (!lflag(tty, ICANON))
			return MODE_CHANGED;
	}
}

/* When a raw read that has @got bytes stops waiting; 0: it does not wait at all. */
static u64 raw_deadline(const struct tty *tty, size_t got, u64 start)
{
	u64 time = READ_ONCE(tty->termios.c_cc[VTIME]) * (NSEC_PER_SEC / 10);

	if (tty->termios.c_cc[VMIN])
		return time && got ? deadline_after(time) : NO_DEADLINE;
	return time ? start + time : 0;
}

static ssize_t read_raw(struct tty *tty, struct iov_iter *to, bool nonblock)
{
	u64 start = ktime_get(), deadline;
	size_t got = 0, n;
	u8 chunk[256];
	ssize_t r;

	while (to->count) {
		n = take_raw(tty, chunk, min(sizeof(chunk), to->count));
		if (copy_to_iter(chunk, n, to) != n)
			return got ? (ssize_t)got : -EFAULT;
		got += n;
		if (n)
			continue;
		if (got && got >= READ_ONCE(tty->termios.c_cc[VMIN]))
			break;
		deadline = raw_deadline(tty, got, start);
		if (!deadline)
			break;
		if (nonblock)
			return got ? (ssize_t)got : -EAGAIN;
		r = wait_event_interruptible_deadline(
			&tty->read_wait, has_input(tty) || lflag(tty, ICANON), deadline);
		if (r == -ETIME)
			break;
		if (r)
			return got ? (ssize_t)got : r;
		if (lflag(tty, ICANON))
			return got ? (ssize_t)got : MODE_CHANGED;
	}
	return (ssize_t)got;
}

ssize_t tty_ldisc_read(struct tty *tty, struct iov_iter *to, bool nonblock)
{
	ssize_t r;

	do {
		r = lflag(tty, ICANON) ? read_canonical(tty, to, nonblock)
				       : read_raw(tty, to, nonblock);
	} while (r == MODE_CHANGED);
	return r;
}

/* ---- control ---- */

void tty_flush_input(struct tty *tty)
{
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	discard_input(tty);
	spin_unlock_irqrestore(&tty->lock, flags);
}

void tty_set_termios(struct tty *tty, const struct termios *t, bool flush)
{
	u64 flags;
	bool was;

	spin_lock_irqsave(&tty->lock, flags);
	was = lflag(tty, ICANON);
	tty->termios = *t;
	if (flush)
		discard_input(tty);
	/* What was typed so far may be read, as a line without an end or as bytes. */
	if (was != lflag(tty, ICANON) && tty->head != tty->tail) {
		tty->ready = tty->head;
		set_bit(tty->line_end, tty->head - 1, true);
	}
	if (!iflag(tty, IXON))
		tty->stopped = false;
	tty->literal = false;
	spin_unlock_irqrestore(&tty->lock, flags);
	wake_up_poll_all(&tty->read_wait, EPOLLIN | EPOLLRDNORM);
	wake_up_poll_all(&tty->write_wait, EPOLLOUT | EPOLLWRNORM);
}

void tty_set_stopped(struct tty *tty, bool stopped)
{
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	tty->stopped = stopped;
	spin_unlock_irqrestore(&tty->lock, flags);
	if (!stopped)
		wake_up_poll_all(&tty->write_wait, EPOLLOUT | EPOLLWRNORM);
}
