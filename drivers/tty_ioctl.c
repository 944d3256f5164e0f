/*
 * ioctl_tty(2): what can be asked of a terminal and set. tcgetattr(3) and its family are thin covers
 * over these.
 *
 * Three generations of struct termios exist. Inside there is only the youngest, termios2, which has
 * speeds as numbers; the others are parts of it.
 *
 * LOCKING: tty->lock for the terminal's state; user memory is copied before and after.
 */
#include "drivers/tty.h"

#include "kernel/exec/cred.h"
#include "kernel/lib/string.h"
#include "kernel/mm/uaccess.h"

/* ---- termios ---- */

/* Bits a second of the B* numbers: those below 16, then those with bit 12, from B57600 on. */
static u32 speed_of(u32 cflag)
{
	static const u32 speeds[] = {
		0,       50,      75,      110,     134,     150,     200,     300,
		600,     1200,    1800,    2400,    4800,    9600,    19200,   38400,
		57600,   115200,  230400,  460800,  500000,  576000,  921600,  1000000,
		1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000,
	};
	u32 i = cflag & CBAUD & ~BOTHER;

	return speeds[cflag & BOTHER ? i + 15 : i];
}

static void read_termios(struct tty *tty, struct termios2 *t)
{
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	*t = tty->termios;
	spin_unlock_irqrestore(&tty->lock, flags);
}

static long get_termios(struct tty *tty, unsigned cmd, void __user *arg)
{
	struct termios2 t;
	struct termio old;

	read_termios(tty, &t);
	if (cmd != TCGETA)
		return copy_to_user(arg, &t, cmd == TCGETS ? sizeof(struct termios) : sizeof(t))
			       ? -EFAULT
			       : 0;
	memset(&old, 0, sizeof(old));
	old.c_iflag = (u16)t.c_iflag;
	old.c_oflag = (u16)t.c_oflag;
	old.c_cflag = (u16)t.c_cflag;
	old.c_lflag = (u16)t.c_lflag;
	old.c_line = t.c_line;
	memcpy(old.c_cc, t.c_cc, NCC);
	return copy_to_user(arg, &old, sizeof(old)) ? -EFAULT : 0;
}

/* The old form has 16 bits of each; the others stay. */
static int merge_termio(struct termios2 *t, const void __user *arg)
{
	struct termio old;

	if (copy_from_user(&old, arg, sizeof(old)))
		return -EFAULT;
	t->c_iflag = (t->c_iflag & ~0xffffu) | old.c_iflag;
	t->c_oflag = (t->c_oflag & ~0xffffu) | old.c_oflag;
	t->c_cflag = (t->c_cflag & ~0xffffu) | old.c_cflag;
	t->c_lflag = (t->c_lflag & ~0xffffu) | old.c_lflag;
	t->c_line = old.c_line;
	memcpy(t->c_cc, old.c_cc, NCC);
	return 0;
}

/* tcdrain(3) */
static long drain(struct tty *tty)
{
	unsigned hangups = READ_ONCE(tty->hangups);

	return wait_event_interruptible(
		&tty->write_wait, !tty_output_pending(tty) || READ_ONCE(tty->hangups) != hangups);
}

/* @first: the command of this form that acts at once; the next waits for the output, the one after that
 * throws input away, too. */
static long set_termios(struct tty *tty, unsigned cmd, unsigned first, const void __user *arg)
{
	struct termios2 t;
	long r = tty_check_foreground(tty, SIGTTOU);

	if (r)
		return r;
	read_termios(tty, &t);
	if (first == TCSETA)
		r = merge_termio(&t, arg);
	else if (copy_from_user(&t, arg, first == TCSETS ? sizeof(struct termios) : sizeof(t)))
		r = -EFAULT;
	if (!r && cmd != first)
		r = drain(tty);
	if (r)
		return r;
	if (first != TCSETS2 || (t.c_cflag & CBAUD) != BOTHER)
		t.c_ispeed = t.c_ospeed = speed_of(t.c_cflag);
	/* Neither a pty nor our setting of the serial port has other characters. */
	t.c_cflag = (t.c_cflag & ~(CSIZE | PARENB)) | CS8 | CREAD;
	tty_set_termios(tty, t, cmd == first + 2);
	return 0;
}

static long get_kept(struct tty *tty, void __user *arg)
{
	struct termios kept;
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	kept = tty->kept;
	spin_unlock_irqrestore(&tty->lock, flags);
	return copy_to_user(arg, &kept, sizeof(kept)) ? -EFAULT : 0;
}

static long set_kept(struct tty *tty, const void __user *arg)
{
	struct termios kept;
	u64 flags;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(&kept, arg, sizeof(kept)))
		return -EFAULT;
	spin_lock_irqsave(&tty->lock, flags);
	tty->kept = kept;
	spin_unlock_irqrestore(&tty->lock, flags);
	return 0;
}

/* ---- window size ---- */

static long get_winsize(struct tty *tty, void __user *arg)
{
	struct winsize w;
	u64 flags;

	spin_lock_irqsave(&tty->lock, flags);
	w = tty->winsize;
	spin_unlock_irqrestore(&tty->lock, flags);
	return copy_to_user(arg, &w, sizeof(w)) ? -EFAULT : 0;
}

static long set_winsize(struct tty *tty, const void __user *arg)
{
	struct winsize w;
	bool changed;
	pid_t pgrp;
	u64 flags;

	if (copy_from_user(&w, arg, sizeof(w)))
		return -EFAULT;
	spin_lock_irqsave(&tty->lock, flags);
	changed = memcmp(&w, &tty->winsize, sizeof(w));
	tty->winsize = w;
	spin_unlock_irqrestore(&tty->lock, flags);
	pgrp = READ_ONCE(tty->ctty.pgrp);
	if (changed && pgrp > 0)
		send_signal_pgrp(pgrp, SIGWINCH, NULL);
	return 0;
}

long tty_ioctl_common(struct tty *tty, struct file *file, unsigned cmd, u64 arg, bool master)
{
	void __user *p = (void __user *)arg;

	switch (cmd) {
	case TCGETS:
	case TCGETS2:
	case TCGETA:
		return get_termios(tty, cmd, p);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set_termios(tty, cmd, TCSETS, p);
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		return set_termios(tty, cmd, TCSETS2, p);
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
		return set_termios(tty, cmd, TCSETA, p);
	case TIOCGLCKTRMIOS:
		return get_kept(tty, p);
	case TIOCSLCKTRMIOS:
		return set_kept(tty, p);
	case TIOCGWINSZ:
		return get_winsize(tty, p);
	case TIOCSWINSZ:
		return set_winsize(tty, p);
	default:
		return tty_ioctl_job(tty, file, cmd, arg, master);
	}
}

/* ---- queues and flow ---- */

static long flush(struct tty *tty, u64 queue)
{
	long r = tty_check_foreground(tty, SIGTTOU);
	u64 flags;

	if (r)
		return r;
	if (queue > TCIOFLUSH)
		return -EINVAL;
	if (queue != TCOFLUSH)
		tty_flush_input(tty);
	if (queue != TCIFLUSH) {
		spin_lock_irqsave(&tty->lock, flags);
		tty_discard_output(tty);
		spin_unlock_irqrestore(&tty->lock, flags);
		tty_wakeup(tty);
	}
	return 0;
}

/* tcflow(3): stops and starts our output, or asks the other side to do so with theirs. */
static long flow(struct tty *tty, u64 action)
{
	long r = tty_check_foreground(tty, SIGTTOU);
	bool wake = false;
	u64 flags;
	u8 c;

	if (r)
		return r;
	if (action > TCION)
		return -EINVAL;
	spin_lock_irqsave(&tty->lock, flags);
	if (action == TCOOFF || action == TCOON) {
		wake = tty_set_flow(tty, action == TCOOFF, true);
	} else {
		c = tty->termios.c_cc[action == TCIOFF ? VSTOP : VSTART];
		if (c)
			tty->ops->write(tty, &c, 1);
	}
	spin_unlock_irqrestore(&tty->lock, flags);
	if (wake)
		tty_wakeup(tty);
	return 0;
}

/* TCSBRK(0) and TCSBRKP would send a break, which the other side has no use for. */
static long send_break(struct tty *tty)
{
	long r = tty_check_foreground(tty, SIGTTOU);

	return r ? r : drain(tty);
}

/* TIOCSTI: as if it had been typed. */
static long fake_input(struct tty *tty, const u8 __user *p)
{
	u8 c;

	if (current->signal->tty != &tty->ctty && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (get_user(c, p))
		return -EFAULT;
	tty_receive(tty, &c, 1);
	return 0;
}

static long set_discipline(const int __user *p)
{
	int v;

	if (get_user(v, p))
		return -EFAULT;
	return v ? -EINVAL : 0;
}

long tty_ioctl(struct file *file, unsigned cmd, u64 arg)
{
	struct tty_file *tf = file->private_data;
	struct tty *tty = tf->tty;
	int __user *p = (int __user *)arg;

	if (tty_file_hung(tf))
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	switch (cmd) {
	case TIOCINQ:
		return put_user((int)tty_input_count(tty), p);
	case TIOCOUTQ:
		return put_user((int)tty_output_pending(tty), p);
	case TCFLSH:
		return flush(tty, arg);
	case TCXONC:
		return flow(tty, arg);
	case TCSBRK:
	case TCSBRKP:
		return send_break(tty);
	case TIOCSTI:
		return fake_input(tty, (const u8 __user *)arg);
	case TIOCEXCL:
	case TIOCNXCL:
		WRITE_ONCE(tty->exclusive, cmd == TIOCEXCL);
		return 0;
	case TIOCGEXCL:
		return put_user((int)READ_ONCE(tty->exclusive), p);
	case TIOCGDEV:
		return put_user((int)tty->ctty.rdev, p);
	case TIOCGETD:
		return put_user(0, p);
	case TIOCSETD:
		return set_discipline(p);
	default:
		return tty_ioctl_common(tty, file, cmd, arg, false);
	}
}
