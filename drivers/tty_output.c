/*
 * What goes out to a terminal: output of programs, and echo. Both pass the output flags of termios(3),
 * which turn "\n" into "\r\n" and keep track of the cursor's column, so that tabs can be written as
 * spaces and erased again.
 *
 *	write(2) -> tty_output() \
 *	                          translate() -> device
 *	typed byte -> tty_echo_char() -> tty->echo /
 *
 * Echo is made where nobody can wait, in the interrupt that brought the byte. So it has a small
 * buffer of its own for the time that output is stopped (^S) or the device is busy. It goes before
 * any output that comes later; what does not fit is not echoed.
 *
 * LOCKING: tty->lock guards the cursor, the echo and the flow; the device's own lock comes below it.
 */
#include "drivers/tty.h"
#include "kernel/lib/string.h"

#define MOST_OF_ONE 8u /* bytes that one may become: a tab as spaces */

/* Translates one byte into @out; how many came of it. */
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
		if (!(o & OCRNL) || (o & ONLRET))
			tty->column = 0;
		break;
	case '\t':
		n = MOST_OF_ONE - tty->column % MOST_OF_ONE;
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
		if (c >= ' ' && c != 0x7f && !(tty_iflag(tty, IUTF8) && (c & 0xc0) == 0x80))
			tty->column++;
	}
	out[n++] = c;
	return n;
}

void tty_echo_flush(struct tty *tty)
{
	size_t n;

	if (!tty->nr_echo || tty->stopped)
		return;
	n = tty->ops->write(tty, tty->echo, tty->nr_echo);
	WRITE_ONCE(tty->nr_echo, tty->nr_echo - n);
	memmove(tty->echo, tty->echo + n, tty->nr_echo);
}

void tty_echo_char(struct tty *tty, u8 c)
{
	if (tty->nr_echo + MOST_OF_ONE > TTY_ECHO_SIZE)
		tty_echo_flush(tty);
	if (tty->nr_echo + MOST_OF_ONE <= TTY_ECHO_SIZE)
		WRITE_ONCE(tty->nr_echo,
			   tty->nr_echo + translate(tty, c, tty->echo + tty->nr_echo));
}

/*
 * Asked without the lock, by writers that sleep until it is so. Echo alone is no reason to say no: what
 * is being typed at this moment leaves with tty_receive(), which wakes nobody. Only want of room is,
 * for the device tells when it has room again.
 */
bool tty_can_output(struct tty *tty)
{
	return !READ_ONCE(tty->stopped) &&
	       tty->ops->room(tty) >= READ_ONCE(tty->nr_echo) + MOST_OF_ONE;
}

size_t tty_output(struct tty *tty, const u8 *s, size_t n)
{
	u8 out[64 * MOST_OF_ONE];
	size_t len = 0, done = 0, room;
	u64 flags;

	/* 64 bytes at a time: interrupts are off meanwhile. */
	spin_lock_irqsave(&tty->lock, flags);
	tty_echo_flush(tty);
	if (!tty->stopped && !tty->nr_echo) {
		room = min(tty->ops->room(tty), sizeof(out));
		while (done < n && len + MOST_OF_ONE <= room)
			len += translate(tty, s[done++], out + len);
		tty->ops->write(tty, out, len);
	}
	spin_unlock_irqrestore(&tty->lock, flags);
	return done;
}

void tty_discard_output(struct tty *tty)
{
	WRITE_ONCE(tty->nr_echo, 0);
	if (tty->ops->flush)
		tty->ops->flush(tty);
	if (tty->ops->notify)
		tty->ops->notify(tty, TIOCPKT_FLUSHWRITE);
}

bool tty_set_flow(struct tty *tty, bool stop, bool tcflow)
{
	if (tcflow) {
		if (tty->stopped_by_tcflow == stop)
			return false;
		tty->stopped_by_tcflow = stop;
	} else if (tty->stopped_by_tcflow) {
		return false;
	}
	if (tty->stopped == stop)
		return false;
	WRITE_ONCE(tty->stopped, stop);
	if (tty->ops->flow)
		tty->ops->flow(tty, stop);
	if (tty->ops->notify)
		tty->ops->notify(tty, stop ? TIOCPKT_STOP : TIOCPKT_START);
	if (!stop)
		tty_echo_flush(tty);
	return !stop;
}

void tty_wakeup(struct tty *tty)
{
	u64 flags;

	if (READ_ONCE(tty->nr_echo)) {
		spin_lock_irqsave(&tty->lock, flags);
		tty_echo_flush(tty);
		spin_unlock_irqrestore(&tty->lock, flags);
	}
	wake_up_poll_all(&tty->write_wait, EPOLLOUT | EPOLLWRNORM);
}

size_t tty_output_pending(struct tty *tty)
{
	return READ_ONCE(tty->nr_echo) + (tty->ops->pending ? tty->ops->pending(tty) : 0);
}
