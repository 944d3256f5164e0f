/*
 * The serial port as a terminal: /dev/ttyS0, and /dev/console, which is the same but nobody's controlling
 * terminal by being opened and not dead after a hang-up: init keeps it open for good.
 *
 * The first session leader of the machine asks for it with TIOCSCTTY or opens /dev/ttyS0. When it ends
 * the line is hung up, so the next one finds a fresh terminal.
 */
#include "drivers/serial.h"
#include "drivers/tty.h"
#include "fs/vfs.h"
#include "kernel/exec/process.h"
#include "kernel/lib/init.h"
#include "kernel/lib/seq.h"

static struct tty serial_tty;

static size_t write_bytes(struct tty *tty, const u8 *s, size_t n)
{
	return serial_write(s, n);
}

static size_t room(struct tty *tty)
{
	return serial_room();
}

static size_t pending(struct tty *tty)
{
	return serial_pending();
}

static void flush(struct tty *tty)
{
	serial_flush();
}

static void flow(struct tty *tty, bool stop)
{
	serial_stop(stop);
}

/* A terminal that nobody has open is nobody's terminal. */
static void last_close(struct tty *tty)
{
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	tty_detach_locked(tty);
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

static const struct tty_operations serial_operations = {
	.write = write_bytes,
	.room = room,
	.pending = pending,
	.flush = flush,
	.flow = flow,
	.last_close = last_close,
	.termios = TTY_TERMIOS(B115200 | CS8 | CREAD | HUPCL | CLOCAL, 115200),
};

static void received(const u8 *s, size_t n)
{
	tty_receive(&serial_tty, s, n);
}

static void got_break(void)
{
	tty_receive_break(&serial_tty);
}

static void sent(void)
{
	tty_wakeup(&serial_tty);
}

static const struct serial_user user = {.received = received, .got_break = got_break, .sent = sent};

static int serial_open(struct inode *inode, struct file *file)
{
	return tty_open_file(tty_get(&serial_tty), file, true);
}

static int console_open(struct inode *inode, struct file *file)
{
	int err = tty_open_file(tty_get(&serial_tty), file, false);

	if (!err)
		((struct tty_file *)file->private_data)->console = true;
	return err;
}

static const struct file_operations serial_fops = {.open = serial_open};
static const struct file_operations console_fops = {.open = console_open};

static int tty_serial_init(void)
{
	int err;

	tty_setup(&serial_tty, &serial_operations, MKDEV(4, 64));
	err = devfs_register("ttyS0", 0660, MKDEV(4, 64), &serial_fops, NULL);
	if (!err)
		err = devfs_register("console", 0600, MKDEV(5, 1), &console_fops, NULL);
	if (!err)
		serial_set_user(&user);
	return err;
}
device_initcall(tty_serial_init);

/* proc(5): written to; enabled, the one that /dev/console is, for printk(), in any context. */
static void show_consoles(struct seq *s)
{
	seq_printf(s, "ttyS0                -W- (EC p a)    4:64\n");
}
PROC_ENTRY(consoles, "consoles", show_consoles);
