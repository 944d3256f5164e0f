/*
 * Terminals. A struct tty is a line discipline (tty_ldisc.c: editing, echo, signals from the
 * keyboard) between files that user programs read and write (tty.c) and a driver that moves bytes:
 * the serial port now, the other side of a pty pair in the same way.
 */
#pragma once

#include "fs/file.h"
#include "kernel/sched/mutex.h"
#include "kernel/sched/wait.h"

/* ---- termios(3), as TCGETS passes it ---- */

#define NCCS 19
struct termios {
	u32 c_iflag, c_oflag, c_cflag, c_lflag;
	u8 c_line;
	u8 c_cc[NCCS];
};

struct winsize {
	u16 ws_row, ws_col, ws_xpixel, ws_ypixel;
};

#define VINTR    0
#define VQUIT    1
#define VERASE   2
#define VKILL    3
#define VEOF     4
#define VTIME    5
#define VMIN     6
#define VSTART   8
#define VSTOP    9
#define VSUSP    10
#define VEOL     11
#define VREPRINT 12
#define VWERASE  14
#define VLNEXT   15
#define VEOL2    16

/* c_iflag */
#define ISTRIP  0000040
#define INLCR   0000100
#define IGNCR   0000200
#define ICRNL   0000400
#define IXON    0002000
#define IXANY   0004000
#define IMAXBEL 0020000
#define IUTF8   0040000
/* c_oflag */
#define OPOST  0000001
#define ONLCR  0000004
#define OCRNL  0000010
#define ONOCR  0000020
#define ONLRET 0000040
#define XTABS  0014000
/* c_cflag */
#define B115200 0010002
#define CS8     0000060
#define CREAD   0000200
#define HUPCL   0002000
#define CLOCAL  0004000
/* c_lflag */
#define ISIG    0000001
#define ICANON  0000002
#define ECHO    0000010
#define ECHOE   0000020
#define ECHOK   0000040
#define ECHONL  0000100
#define NOFLSH  0000200
#define TOSTOP  0000400
#define ECHOCTL 0001000
#define ECHOKE  0004000
#define IEXTEN  0100000

/* ---- the terminal ---- */

struct tty;

struct tty_driver {
	/* Sends bytes; how many were taken. Any context, tty->lock held. */
	size_t (*write)(struct tty *tty, const u8 *s, size_t n);
	/* How many bytes write() would take now. Any context. */
	size_t (*room)(struct tty *tty);
};

#define TTY_BUF_SIZE 4096u /* a power of two */

/*
 * Locks: [l] tty->lock  [T] tasklist_lock  [I] immutable  [a] read without a lock, written with [l]
 *
 * The input ring: bytes from tail to ready may be read; from ready to head lies the line that is
 * still being edited (canonical mode only). The indices run freely and are cut to the size on use.
 */
struct tty {
	const struct tty_driver *driver; /* [I] */
	void *driver_data;               /* [I] */
	spinlock_t lock;                 /* irqsave: input comes in hard interrupt */

	struct termios termios; /* [a] */
	struct winsize winsize; /* [l] */
	bool stopped;           /* [a] ^S: output waits */
	bool literal;           /* [l] ^V: the next byte is taken as it is */
	unsigned column;        /* [l] where the cursor is */
	unsigned line_column;   /* [l] where it was when the edited line began */

	u8 buf[TTY_BUF_SIZE];            /* [l] */
	u64 line_end[TTY_BUF_SIZE / 64]; /* [l] a bit a byte: a line ends with it */
	u64 eof_mark[TTY_BUF_SIZE / 64]; /* [l] the same, and it is no byte but a ^D */
	u32 head, ready, tail;           /* [l] */

	struct wait_queue_head read_wait, write_wait;
	struct mutex read_mutex;  /* a line goes to one reader */
	struct mutex write_mutex; /* bytes of one write(2) stay together */

	pid_t pgrp;    /* [T] the group in the foreground, 0 if none; interrupts just read it */
	pid_t session; /* [T] whose controlling terminal it is, 0 if nobody's */
};

void tty_setup(struct tty *tty, const struct tty_driver *driver, void *data);

/* ---- tty_ldisc.c ---- */

/* Bytes from the device. Any context. */
void tty_receive(struct tty *tty, const u8 *s, size_t n);
/* Sends program output through the output flags; how many of the bytes were dealt with. */
size_t tty_output(struct tty *tty, const u8 *s, size_t n);
/* read(2) without the questions of job control: bytes, 0 at ^D, -EAGAIN, -ERESTARTSYS, -EFAULT. */
ssize_t tty_ldisc_read(struct tty *tty, struct iov_iter *to, bool nonblock);
/* Is there something that read(2) would return at once? */
bool tty_readable(struct tty *tty);
/* Bytes that FIONREAD reports. */
unsigned tty_input_count(struct tty *tty);
void tty_flush_input(struct tty *tty);
void tty_set_termios(struct tty *tty, const struct termios *t, bool flush);
void tty_set_stopped(struct tty *tty, bool stopped);
