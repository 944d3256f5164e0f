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
 * A byte goes through these questions, and the first that knows it keeps it: taken as it is after ^V;
 * flow control (^S, ^Q); signals (^C, ^\, ^Z); carriage return and newline made one of the other;
 * editing; else it is text.
 *
 * LOCKING
 *	tty->lock	the ring, the edited line, the cursor, the flags. Taken with interrupts off:
 *			tty_receive() runs in hard interrupt. The driver's own lock is taken under it,
 *			for echo and output.
 *	Signals are sent and readers woken after it is released.
 */
#include "drivers/tty.h"
#include "kernel/lib/string.h"

#define MASK (TTY_BUF_SIZE - 1)

/* What one call of tty_receive() has to do once the lock is free. */
struct input {
	struct tty *tty;
	u64 signals; /* sigmask() of those to send */
	bool wake_readers, wake_writers, made_room;
};

/* Is @c the special character? 0 switches one off. */
static bool is_cc(const struct tty *tty, int which, u8 c)
{
	return c && c == tty->termios.c_cc[which];
}

static bool is_control(u8 c)
{
	return c < ' ' || c == 0x7f;
}

/* Is it a byte of a UTF-8 character other than the first? */
static bool is_continuation(const struct tty *tty, u8 c)
{
	return tty_iflag(tty, IUTF8) && (c & 0xc0) == 0x80;
}

/* ---- echo; tty->lock held ---- */

/* Would echo as two, ^X? */
static bool is_ctl(const struct tty *tty, u8 c)
{
	return is_control(c) && c != '\t' && tty_lflag(tty, ECHOCTL);
}

static void echo(struct tty *tty, u8 c)
{
	if (!tty_lflag(tty, ECHO))
		return;
	if (is_ctl(tty, c)) {
		tty_echo_char(tty, '^');
		c ^= 0x40;
	}
	tty_echo_char(tty, c);
}

/* ---- editing; tty->lock held ---- */

/* The column after @c, if the cursor is in @col. */
static unsigned column_after(const struct tty *tty, unsigned col, u8 c)
{
	if (c == '\t')
		return (col | 7) + 1;
	if (is_ctl(tty, c))
		return col + 2;
	if (is_control(c) || is_continuation(tty, c))
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

/* The first byte of the last character of the edited line, *at its place; false if it has none. */
static bool last_char(const struct tty *tty, u32 *at, u8 *c)
{
	u32 i = tty->head;

	do {
		if (i == tty->ready)
			return false; /* an empty line, or only the tail of a character */
		*c = tty->buf[--i & MASK];
	} while (is_continuation(tty, *c));
	*at = i;
	return true;
}

/* Takes the last character of the edited line away, on the screen too. */
static void erase_one(struct tty *tty)
{
	unsigned before = end_column(tty), after;
	u32 at;
	u8 c;

	if (!last_char(tty, &at, &c))
		return;
	tty->head = at;
	if (!tty_lflag(tty, ECHO))
		return;
	for (after = end_column(tty); before > after; before--) {
		tty_echo_char(tty, '\b');
		if (c != '\t') {
			tty_echo_char(tty, ' ');
			tty_echo_char(tty, '\b');
		}
	}
}

static void erase_char(struct tty *tty)
{
	u32 at;
	u8 c;

	if (tty_lflag(tty, ECHOE) || !tty_lflag(tty, ECHO)) {
		erase_one(tty);
	} else if (last_char(tty, &at, &c)) {
		tty->head = at;
		echo(tty, tty->termios.c_cc[VERASE]);
	}
}

/* Letters and digits, of Latin-1 too. */
static bool is_word_char(u8 c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}

/* ^W: what is no part of a word, then the word. */
static void erase_word(struct tty *tty)
{
	bool in_word = false;
	u32 at;
	u8 c;

	while (last_char(tty, &at, &c)) {
		if (is_word_char(c))
			in_word = true;
		else if (in_word)
			break;
		erase_one(tty);
	}
}

static void erase_line(struct tty *tty)
{
	const u32 all = ECHOK | ECHOKE | ECHOE;

	if (tty_lflag(tty, ECHO) && (tty->termios.c_lflag & all) == all) {
		while (tty->head != tty->ready) {
			u32 before = tty->head;

			erase_one(tty);
			if (tty->head == before)
				break;
		}
		return;
	}
	if (tty->head == tty->ready)
		return;
	tty->head = tty->ready;
	echo(tty, tty->termios.c_cc[VKILL]);
	if (tty_lflag(tty, ECHOK) && tty_lflag(tty, ECHO))
		tty_echo_char(tty, '\n');
}

static void reprint_line(struct tty *tty)
{
	echo(tty, tty->termios.c_cc[VREPRINT]);
	tty_echo_char(tty, '\n');
	tty->line_column = tty->column;
	for (u32 i = tty->ready; i != tty->head; i++)
		echo(tty, tty->buf[i & MASK]);
}

/* ---- the ring; tty->lock held ---- */

static void store(struct tty *tty, u8 c, bool ends_line, bool is_eof)
{
	tty->buf[tty->head & MASK] = c;
	tty_set_mark(tty->line_end, tty->head, ends_line);
	tty_set_mark(tty->eof_mark, tty->head, is_eof);
	tty->head++;
}

static void end_line(struct input *in, u8 c, bool is_eof)
{
	struct tty *tty = in->tty;

	/* has_room() keeps one place free for this; a second end finds the ring full. */
	if (tty->head - tty->tail >= TTY_BUF_SIZE)
		return;
	store(tty, c, true, is_eof);
	WRITE_ONCE(tty->ready, tty->head);
	in->wake_readers = true;
}

/* Is there room for one more, and in canonical mode for the end of the line behind it? */
static bool has_room(struct tty *tty)
{
	bool line_full = tty_lflag(tty, ICANON) && tty->head - tty->ready >= TTY_LINE_MAX - 1;

	if (!line_full && tty->head - tty->tail < TTY_BUF_SIZE - 1)
		return true;
	if (tty_iflag(tty, IMAXBEL))
		tty_echo_char(tty, '\a');
	return false;
}

/* Text goes to the edited line; in raw mode it may be read at once. */
static void put_input(struct input *in, u8 c)
{
	store(in->tty, c, false, false);
	if (!tty_lflag(in->tty, ICANON)) {
		WRITE_ONCE(in->tty->ready, in->tty->head);
		in->wake_readers = true;
	}
}

/* @is_return: the newline was a carriage return, and is echoed as a line's end in raw mode, too. */
static void input_text(struct input *in, u8 c, bool is_return)
{
	struct tty *tty = in->tty;

	if (!has_room(tty))
		return;
	if (tty->head == tty->ready)
		tty->line_column = tty->column;
	if (is_return && tty_lflag(tty, ECHO))
		tty_echo_char(tty, c);
	else
		echo(tty, c);
	put_input(in, c);
}

/* Early enough for what is still on its way, and a device that can wait by itself does not need it. */
void tty_pace(struct tty *tty)
{
	u32 used = tty->head - tty->tail, limit = TTY_BUF_SIZE / 4 * (tty->paused ? 1 : 3);
	bool stop = used > limit;
	u8 c;

	if (stop == tty->paused || tty->ops->unthrottle || (stop && !tty_iflag(tty, IXOFF)))
		return;
	c = tty->termios.c_cc[stop ? VSTOP : VSTART];
	if (tty->ops->write(tty, &c, 1))
		tty->paused = stop;
}

void tty_discard_input(struct tty *tty)
{
	WRITE_ONCE(tty->ready, tty->head);
	WRITE_ONCE(tty->tail, tty->head);
	tty->literal = false;
	tty_pace(tty);
	if (tty->ops->notify)
		tty->ops->notify(tty, TIOCPKT_FLUSHREAD);
}

/* ---- one byte after the other; tty->lock held ---- */

/* The characters that edit a line; true if @c was one. */
static bool input_edit(struct input *in, u8 c)
{
	struct tty *tty = in->tty;
	bool extended = tty_lflag(tty, IEXTEN);

	if (is_cc(tty, VERASE, c)) {
		erase_char(tty);
	} else if (is_cc(tty, VKILL, c)) {
		erase_line(tty);
	} else if (extended && is_cc(tty, VWERASE, c)) {
		erase_word(tty);
	} else if (extended && is_cc(tty, VLNEXT, c)) {
		tty->literal = true;
		if (tty_lflag(tty, ECHO) && tty_lflag(tty, ECHOCTL)) {
			tty_echo_char(tty, '^');
			tty_echo_char(tty, '\b');
		}
	} else if (extended && is_cc(tty, VREPRINT, c) && tty_lflag(tty, ECHO)) {
		reprint_line(tty);
	} else if (c == '\n') {
		if (tty_lflag(tty, ECHO) || tty_lflag(tty, ECHONL))
			tty_echo_char(tty, c);
		end_line(in, c, false);
	} else if (is_cc(tty, VEOF, c)) {
		end_line(in, 0, true);
	} else if (is_cc(tty, VEOL, c) || (extended && is_cc(tty, VEOL2, c))) {
		echo(tty, c);
		end_line(in, c, false);
	} else {
		return false;
	}
	return true;
}

/* A signal from the keyboard throws away what is on its way in both directions. */
static void raise(struct input *in, int sig)
{
	struct tty *tty = in->tty;

	if (!tty_lflag(tty, NOFLSH)) {
		tty_discard_input(tty);
		in->made_room = true;
		tty_discard_output(tty);
		in->wake_writers = true;
	}
	in->signals |= sigmask(sig);
}

/* ^C, ^\ and ^Z; true if @c was one. */
static bool input_signal(struct input *in, u8 c)
{
	struct tty *tty = in->tty;

	if (is_cc(tty, VINTR, c))
		raise(in, SIGINT);
	else if (is_cc(tty, VQUIT, c))
		raise(in, SIGQUIT);
	else if (is_cc(tty, VSUSP, c))
		raise(in, SIGTSTP);
	else
		return false;
	if (tty_iflag(tty, IXON))
		in->wake_writers |= tty_set_flow(tty, false, false);
	echo(tty, c);
	return true;
}

/* ^S and ^Q; true if @c was one. */
static bool input_flow(struct input *in, u8 c)
{
	struct tty *tty = in->tty;

	if (is_cc(tty, VSTART, c))
		in->wake_writers |= tty_set_flow(tty, false, false);
	else if (is_cc(tty, VSTOP, c))
		tty_set_flow(tty, true, false);
	else
		return false;
	return true;
}

static void input_char(struct input *in, u8 c)
{
	struct tty *tty = in->tty;
	bool is_return = false;

	if (tty_iflag(tty, ISTRIP))
		c &= 0x7f;
	if (tty->literal) {
		tty->literal = false;
		input_text(in, c, false);
		return;
	}
	if (tty_iflag(tty, IXON) && input_flow(in, c))
		return;
	if (tty_lflag(tty, ISIG) && input_signal(in, c))
		return;
	if (tty_iflag(tty, IXON) && tty_iflag(tty, IXANY))
		in->wake_writers |= tty_set_flow(tty, false, false);
	if (c == '\r') {
		if (tty_iflag(tty, IGNCR))
			return;
		is_return = tty_iflag(tty, ICRNL);
		if (is_return)
			c = '\n';
	} else if (c == '\n' && tty_iflag(tty, INLCR)) {
		c = '\r';
	}
	if (!tty_lflag(tty, ICANON) || !input_edit(in, c))
		input_text(in, c, is_return);
}

/* ---- from the device ---- */

/*
 * What a device that can wait may send now. An edited line that fills the ring is no reason to
 * wait: nobody can read before its end has come, so what is too much of it is lost.
 */
static size_t room_left(const struct tty *tty)
{
	size_t used = tty->head - READ_ONCE(tty->tail);

	if (tty_lflag(tty, ICANON) && READ_ONCE(tty->ready) == READ_ONCE(tty->tail))
		return TTY_BUF_SIZE;
	return used < TTY_BUF_SIZE - 1 ? TTY_BUF_SIZE - 1 - used : 0;
}

size_t tty_receive_room(struct tty *tty)
{
	size_t room;
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	room = room_left(tty);
	spin_unlock_irqrestore(&tty->lock, flags);
	return room;
}

/* tty->lock is free again: tells everybody. */
static void input_done(struct input *in)
{
	struct tty *tty = in->tty;
	pid_t pgrp = READ_ONCE(tty->ctty.pgrp);

	for (int sig = 1; in->signals && pgrp > 0 && sig < SIGRTMIN; sig++)
		if (in->signals & sigmask(sig))
			send_signal_pgrp(pgrp, sig, NULL);
	if (in->wake_readers)
		wake_up_poll(&tty->read_wait, EPOLLIN | EPOLLRDNORM);
	if (in->wake_writers)
		wake_up_poll_all(&tty->write_wait, EPOLLOUT | EPOLLWRNORM);
	if (in->made_room && tty->ops->unthrottle)
		tty->ops->unthrottle(tty);
}

size_t tty_receive(struct tty *tty, const u8 *s, size_t n)
{
	struct input in = {.tty = tty};
	size_t done;
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	for (done = 0; done < n; done++) {
		if (tty->ops->unthrottle && !room_left(tty))
			break;
		input_char(&in, s[done]);
	}
	tty_pace(tty);
	tty_echo_flush(tty);
	spin_unlock_irqrestore(&tty->lock, flags);
	input_done(&in);
	return done;
}

void tty_receive_break(struct tty *tty)
{
	struct input in = {.tty = tty};
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	if (tty_iflag(tty, IGNBRK)) {
		/* nothing */
	} else if (tty_iflag(tty, BRKINT)) {
		raise(&in, SIGINT);
	} else if (has_room(tty)) {
		put_input(&in, 0);
	}
	spin_unlock_irqrestore(&tty->lock, flags);
	input_done(&in);
}

/* ---- control ---- */

void tty_flush_input(struct tty *tty)
{
	struct input in = {.tty = tty, .made_room = true};
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	tty_discard_input(tty);
	spin_unlock_irqrestore(&tty->lock, flags);
	input_done(&in);
}

/* Whoever is at the other end of a pty may want to do ^S and ^Q itself. */
static bool flow_by_keys(const struct termios2 *t)
{
	return (t->c_iflag & IXON) && t->c_cc[VSTOP] == 19 && t->c_cc[VSTART] == 17;
}

static void keep(u32 *flags, u32 old, u32 kept)
{
	*flags = (*flags & ~kept) | (old & kept);
}

/* What TIOCSLCKTRMIOS has named stays in @t as it is now. tty->lock held. */
static void keep_termios(const struct tty *tty, struct termios2 *t)
{
	const struct termios2 *old = &tty->termios;
	const struct termios *kept = &tty->kept;

	keep(&t->c_iflag, old->c_iflag, kept->c_iflag);
	keep(&t->c_oflag, old->c_oflag, kept->c_oflag);
	keep(&t->c_cflag, old->c_cflag, kept->c_cflag);
	keep(&t->c_lflag, old->c_lflag, kept->c_lflag);
	if (kept->c_line)
		t->c_line = old->c_line;
	for (int i = 0; i < NCCS; i++)
		if (kept->c_cc[i])
			t->c_cc[i] = old->c_cc[i];
}

void tty_set_termios(struct tty *tty, struct termios2 t, bool flush)
{
	struct input in = {
		.tty = tty, .wake_readers = true, .wake_writers = true, .made_room = true};
	bool canonical, keys;
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	keep_termios(tty, &t);
	canonical = tty_lflag(tty, ICANON);
	keys = flow_by_keys(&tty->termios);
	if (flush)
		tty_discard_input(tty);
	if ((tty->termios.c_iflag & IXON) && !(t.c_iflag & IXON))
		tty_set_flow(tty, false, false);
	tty->termios = t;
	/* What was typed so far may be read, as a line without an end or as bytes. */
	if (canonical != tty_lflag(tty, ICANON)) {
		tty->literal = false;
		memset(tty->line_end, 0, sizeof(tty->line_end));
		memset(tty->eof_mark, 0, sizeof(tty->eof_mark));
		if (tty->head != tty->tail)
			tty_set_mark(tty->line_end, tty->head - 1, true);
		WRITE_ONCE(tty->ready, tty->head);
	}
	if (tty->ops->notify && keys != flow_by_keys(&t))
		tty->ops->notify(tty, keys ? TIOCPKT_NOSTOP : TIOCPKT_DOSTOP);
	spin_unlock_irqrestore(&tty->lock, flags);
	input_done(&in);
}
