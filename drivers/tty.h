/*
 * Terminals. A struct tty is a line discipline (editing, echo, signals from the keyboard) between
 * files that user programs read and write and a device that moves bytes: the serial port
 * (tty_serial.c), or the program that holds the other end of a pty pair (pty.c). What the device can do
 * is its struct tty_operations.
 *
 *	tty.c         the terminal as a file: open, read, write, poll, hang-up
 *	tty_job.c     sessions and job control
 *	tty_ioctl.c   ioctl(2)
 *	tty_ldisc.c   input: from the device's bytes to lines
 *	tty_read.c    read(2) of those lines, or of bytes
 *	tty_output.c  output and echo, and their flow control
 */
#pragma once

#include "fs/file.h"
#include "kernel/abi/termios.h"
#include "kernel/sched/mutex.h"
#include "kernel/sched/signal.h"

struct tty;

/* The device. Each is called with tty->lock held unless it says otherwise; those marked ? may be NULL. */
struct tty_operations {
	/* Takes bytes to send; how many. */
	size_t (*write)(struct tty *tty, const u8 *s, size_t n);
	/* How many bytes write() would take now. Also without the lock. */
	size_t (*room)(struct tty *tty);
	/* ? How many it has taken and not sent. Also without the lock. */
	size_t (*pending)(struct tty *tty);
	/* ? Forgets those. */
	void (*flush)(struct tty *tty);
	/* ? ^S and ^Q: stops sending what it has taken, and goes on. */
	void (*flow)(struct tty *tty, bool stop);
	/* ? Something has happened that packet mode tells of: TIOCPKT_*. */
	void (*notify)(struct tty *tty, u8 what);
	/* ? The device holds input back when tty_receive() takes no more: here it may go on. No lock. */
	void (*unthrottle)(struct tty *tty);
	/* ? The last file was closed. No lock, process context. */
	void (*last_close)(struct tty *tty);
	/* ? The last reference is gone; NULL for a terminal that always exists. No lock. */
	void (*free)(struct tty *tty);
	struct termios2 termios; /* as it is at first, and after a hang-up */
};

#define TTY_BUF_SIZE  8192u /* a power of two */
#define TTY_LINE_MAX  4096u /* bytes of a line, with its end; termios(3) */
#define TTY_ECHO_SIZE 512u

/*
 * Locks: [l] tty->lock  [T] tasklist_lock  [I] immutable  [a] atomic  [lr] written with [l], read
 * without it. Those of struct ctty are [T].
 *
 * The input ring: bytes from tail to ready may be read; from ready to head lies the line that is
 * still being edited (canonical mode only). The indices run freely and are cut to the size on use.
 */
struct tty {
	struct ctty ctty;                 /* device number, foreground group, session */
	const struct tty_operations *ops; /* [I] */
	refcount_t refs;                  /* files, and the device itself */
	spinlock_t lock;                  /* irqsave: input comes in hard interrupt */

	int nr_open;      /* [l] open files */
	unsigned hangups; /* [lr] a file that was opened before the last one is dead */
	bool was_opened;  /* [lr] */
	bool locked;      /* [l] cannot be opened: TIOCSPTLCK, or there is no other end any more */
	bool exclusive;   /* [lr] TIOCEXCL */

	struct termios2 termios; /* [lr] */
	struct termios kept;     /* [l] ones where termios stays as it is: TIOCSLCKTRMIOS */
	struct winsize winsize;  /* [l] */

	bool stopped;           /* [lr] output waits: ^S or tcflow(3) */
	bool stopped_by_tcflow; /* [l] ^Q is not enough */
	bool literal;           /* [l] ^V: the next byte is taken as it is */
	bool paused;            /* [l] IXOFF: we have asked the other side to stop */
	unsigned column;        /* [l] where the cursor is */
	unsigned line_column;   /* [l] where it was when the edited line began */
	u8 echo[TTY_ECHO_SIZE]; /* [l] echo that the device has not taken yet */
	unsigned nr_echo;       /* [lr] */

	u8 buf[TTY_BUF_SIZE];            /* [l] */
	u64 line_end[TTY_BUF_SIZE / 64]; /* [l] a bit a byte: a line ends with it */
	u64 eof_mark[TTY_BUF_SIZE / 64]; /* [l] the same, and it is no byte but a ^D */
	u32 head;                        /* [l] */
	u32 ready, tail;                 /* [lr] */

	struct wait_queue_head read_wait, write_wait;
	struct mutex read_mutex; /* a line goes to one reader */
	struct task *writer; /* [a] the bytes of its write(2) stay together; waits on write_wait */
};

/* One open file: file->private_data. */
struct tty_file {
	struct tty *tty;  /* [I] with a reference */
	unsigned hangups; /* [I] tty->hangups at open */
	bool console;     /* [I] /dev/console: survives hang-ups */
};

static inline bool tty_lflag(const struct tty *tty, u32 flag)
{
	return READ_ONCE(tty->termios.c_lflag) & flag;
}

static inline bool tty_iflag(const struct tty *tty, u32 flag)
{
	return READ_ONCE(tty->termios.c_iflag) & flag;
}

/* As Linux starts a terminal. */
#define TTY_TERMIOS(cflag, speed) \
	{ \
		.c_iflag = ICRNL | IXON, .c_oflag = OPOST | ONLCR, .c_cflag = (cflag), \
		.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN, \
		.c_cc = {[VINTR] = 3,  [VQUIT] = 28,    [VERASE] = 127,  [VKILL] = 21, \
			 [VEOF] = 4,   [VMIN] = 1,      [VSTART] = 17,   [VSTOP] = 19, \
			 [VSUSP] = 26, [VREPRINT] = 18, [VDISCARD] = 15, [VWERASE] = 23, \
			 [VLNEXT] = 22}, \
		.c_ispeed = (speed), .c_ospeed = (speed), \
	}

/* ---- tty.c ---- */

/* One reference, the caller's. */
void tty_setup(struct tty *tty, const struct tty_operations *ops, u64 rdev);
static inline struct tty *tty_get(struct tty *tty)
{
	refcount_inc(&tty->refs);
	return tty;
}
void tty_put(struct tty *tty);

/*
 * Makes @file, which is being opened, one of @tty, whose reference it takes over, even if it fails:
 * -EIO (locked), -EBUSY (TIOCEXCL), -ENOMEM. @may_control: a session leader without a terminal gets it.
 */
int tty_open_file(struct tty *tty, struct file *file, bool may_control);
/* The operations of a terminal's files, but for open. */
extern const struct file_operations tty_fops;

static inline bool tty_file_hung(const struct tty_file *tf)
{
	return READ_ONCE(tf->tty->hangups) != tf->hangups && !tf->console;
}

/*
 * The line is cut: open files see their end, the session loses its terminal. @leader_exits: the
 * session's leader is ending, else it gets SIGHUP and SIGCONT. @for_good: it cannot be opened any
 * more. Process context.
 */
void tty_hangup(struct tty *tty, bool leader_exits, bool for_good);

/* ---- tty_job.c ---- */

/* open(2) of a terminal by a session leader that has none. */
void tty_attach_at_open(struct tty_file *tf);
/* Takes the terminal from every process of its session. tasklist_lock held. */
void tty_detach_locked(struct tty *tty);
/*
 * May current's group use the terminal in a way that @sig guards? 0, or -EIO, or -ERESTARTSYS after
 * its group was sent the signal.
 */
long tty_check_foreground(struct tty *tty, int sig);
/* TIOCSCTTY, TIOCNOTTY, TIOCGPGRP, TIOCSPGRP, TIOCGSID; else -ENOTTY. @master: asked at the other end
 * of a pty, so @file is not one of @tty. */
long tty_ioctl_job(struct tty *tty, struct file *file, unsigned cmd, u64 arg, bool master);

/* ---- tty_ioctl.c ---- */

/* Of a terminal's file. */
long tty_ioctl(struct file *file, unsigned cmd, u64 arg);
/* Those that either end of a pty may ask: termios, window size, job control; else -ENOTTY. */
long tty_ioctl_common(struct tty *tty, struct file *file, unsigned cmd, u64 arg, bool master);

/* ---- tty_ldisc.c ---- */

/*
 * Bytes from the device; how many were taken. Any context. A device that has unthrottle() keeps the
 * rest, for others what does not fit is lost.
 */
size_t tty_receive(struct tty *tty, const u8 *s, size_t n);
/* How many bytes it would take, at least; for a device with unthrottle(). */
size_t tty_receive_room(struct tty *tty);
/* A break condition on the line. Any context. */
void tty_receive_break(struct tty *tty);
void tty_flush_input(struct tty *tty);
/* Forgets all input. tty->lock held. */
void tty_discard_input(struct tty *tty);
/* Input has come or was taken: IXOFF asks the other side to stop, or to go on. tty->lock held. */
void tty_pace(struct tty *tty);
/* @flush: input that was not read is thrown away. */
void tty_set_termios(struct tty *tty, struct termios2 t, bool flush);

/* ---- tty_read.c ---- */

/* read(2) without the questions of job control: bytes, 0 at ^D, -EAGAIN, -ERESTARTSYS, -EFAULT. */
ssize_t tty_ldisc_read(struct tty_file *tf, struct iov_iter *to, bool nonblock);
/* Is there something that read(2) would return at once? */
bool tty_readable(struct tty *tty);
/* Bytes that FIONREAD reports. */
unsigned tty_input_count(struct tty *tty);

/* A bit a byte of the ring: line_end, eof_mark. tty->lock held. */
static inline bool tty_get_mark(const u64 *map, u32 i)
{
	return map[i % TTY_BUF_SIZE / 64] & BIT(i % 64);
}

static inline void tty_set_mark(u64 *map, u32 i, bool on)
{
	if (on)
		map[i % TTY_BUF_SIZE / 64] |= BIT(i % 64);
	else
		map[i % TTY_BUF_SIZE / 64] &= ~BIT(i % 64);
}

/* ---- tty_output.c ---- */

/* Sends program output through the output flags; how many of the bytes were dealt with. Any context. */
size_t tty_output(struct tty *tty, const u8 *s, size_t n);
/* Forgets what was written and not sent. tty->lock held. */
void tty_discard_output(struct tty *tty);
/* Would tty_output() take a byte? */
bool tty_can_output(struct tty *tty);
/* Queues one byte of echo through the output flags; tty_echo_flush() sends it. tty->lock held. */
void tty_echo_char(struct tty *tty, u8 c);
void tty_echo_flush(struct tty *tty);
/* Stops or starts output. @tcflow: asked by tcflow(3). tty->lock held; true: wake the writers. */
bool tty_set_flow(struct tty *tty, bool stop, bool tcflow);
/* The device has room again, or has sent all. Any context, no lock. */
void tty_wakeup(struct tty *tty);
/* Bytes written and not sent. */
size_t tty_output_pending(struct tty *tty);
