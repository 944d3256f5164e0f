/*
 * The serial port, an NS16550A (National Semiconductor's data sheet names the registers), with two
 * users that could not be less alike.
 *
 * The terminal queues its output in a ring and goes on: the transmitter's 16-byte FIFO is filled
 * whenever it has run empty, at first by whoever writes, then by interrupt. So a slow line costs nobody
 * any time. The line status register, as dear to read as every device register, is asked once for 16
 * bytes.
 *
 * The kernel's console (printk) does not trust anything to happen later, for it may be about to
 * panic: it waits for the transmitter itself, with interrupts off, and first for what is queued, so
 * that lines stay in order.
 *
 * LOCKING: serial_lock, interrupts off, guards the ring and the transmitter. It is a leaf, taken under
 * tty->lock. The console writes without it if it cannot get it in a long time, because a panic may have
 * interrupted the holder. The user is called without it.
 */
#include "drivers/serial.h"

#include "kernel/cpu/apic.h"
#include "kernel/cpu/cpu.h"
#include "kernel/irq/irq.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/sched/spinlock.h"

#define COM1     0x3f8
#define COM1_IRQ 4

#define RBR (COM1 + 0) /* receiver buffer (read) */
#define THR (COM1 + 0) /* transmitter holding (write) */
#define DLL (COM1 + 0) /* divisor, with LCR_DLAB */
#define DLM (COM1 + 1)
#define IER (COM1 + 1) /* interrupt enable */
#define IIR (COM1 + 2) /* interrupt identification (read) */
#define FCR (COM1 + 2) /* FIFO control (write) */
#define LCR (COM1 + 3) /* line control */
#define MCR (COM1 + 4) /* modem control */
#define LSR (COM1 + 5) /* line status */

#define IER_RDA      0x01 /* received data available */
#define IER_THRE     0x02 /* transmitter holding register empty */
#define IER_LINE     0x04 /* receiver line status: a break */
#define IIR_NONE     0x01 /* no interrupt is pending */
#define FCR_ENABLE   0x07 /* on, both FIFOs cleared */
#define FCR_TRIGGER8 0x80 /* interrupt at 8 bytes, or 4 character times after the last */
#define LCR_8N1      0x03
#define LCR_DLAB     0x80
#define MCR_ON       0x0b /* DTR, RTS, and OUT2, which connects the interrupt on a PC */
#define LSR_DR       0x01
#define LSR_BI       0x10 /* the byte is a break condition */
#define LSR_THRE     0x20

#define FIFO_SIZE  16
#define THRE_TRIES 1000000 /* a port that is not there never gets empty */
#define ROUNDS     8       /* of one interrupt, before others get their turn */
#define RING_SIZE  4096u   /* a power of two */

static DEFINE_SPINLOCK(serial_lock);
static u8 ring[RING_SIZE];             /* [serial_lock] from tail to head: to be sent */
static u32 head, tail;                 /* [serial_lock] run freely; read without it, too */
static bool stopped;                   /* [serial_lock] */
static bool wanted;                    /* [serial_lock] the user waits to hear that all is sent */
static u8 ier;                         /* [serial_lock] as the register has it */
static const struct serial_user *user; /* [a] */

/* ---- transmitter; serial_lock held ---- */

static void wait_for_fifo(void)
{
	for (int i = 0; i < THRE_TRIES && !(inb(LSR) & LSR_THRE); i++)
		cpu_relax();
}

/* Up to a FIFO full of the ring. The FIFO is empty. */
static void fill_fifo(void)
{
	int n = 0;

	for (; n < FIFO_SIZE && tail != head; n++) {
		outb(THR, ring[tail % RING_SIZE]);
		WRITE_ONCE(tail, tail + 1);
	}
}

/* The transmitter's interrupt is for as long as the user wants to hear of it and there is a way on. */
static void set_interrupts(void)
{
	u8 want = IER_RDA | IER_LINE;

	if (wanted && (!stopped || tail == head))
		want |= IER_THRE;
	if (ier && ier != want) {
		ier = want;
		outb(IER, ier);
	}
}

/* Sends what the transmitter takes at once. */
static void transmit(void)
{
	while (!stopped && tail != head && (inb(LSR) & LSR_THRE))
		fill_fifo();
}

size_t serial_room(void)
{
	return RING_SIZE - (READ_ONCE(head) - READ_ONCE(tail));
}

size_t serial_pending(void)
{
	return READ_ONCE(head) - READ_ONCE(tail);
}

size_t serial_write(const u8 *s, size_t n)
{
	u64 flags;

	spin_lock_irqsave(&serial_lock, flags);
	n = min(n, serial_room());
	for (size_t i = 0; i < n; i++)
		ring[(head + i) % RING_SIZE] = s[i];
	WRITE_ONCE(head, head + (u32)n);
	transmit();
	wanted |= tail != head;
	set_interrupts();
	spin_unlock_irqrestore(&serial_lock, flags);
	return n;
}

void serial_flush(void)
{
	u64 flags;

	spin_lock_irqsave(&serial_lock, flags);
	WRITE_ONCE(tail, head);
	set_interrupts();
	spin_unlock_irqrestore(&serial_lock, flags);
}

void serial_stop(bool stop)
{
	u64 flags;

	spin_lock_irqsave(&serial_lock, flags);
	stopped = stop;
	transmit();
	set_interrupts();
	spin_unlock_irqrestore(&serial_lock, flags);
}

/* ---- the kernel's console ---- */

static bool lock_port(void)
{
	for (int i = 0; i < console_lock_tries; i++) {
		if (spin_trylock(&serial_lock))
			return true;
		cpu_relax();
	}
	return false;
}

static void console_write(const char *s, size_t n)
{
	int room = 0;
	bool locked;
	u64 flags;

	local_irq_save(flags);
	locked = lock_port();
	while (!stopped && tail != head) {
		wait_for_fifo();
		fill_fifo();
	}
	for (size_t i = 0; i < n; i++) {
		if (room < 2) {
			wait_for_fifo();
			room = FIFO_SIZE;
		}
		if (s[i] == '\n') {
			outb(THR, '\r');
			room--;
		}
		outb(THR, s[i]);
		room--;
	}
	if (locked)
		spin_unlock(&serial_lock);
	local_irq_restore(flags);
}

static struct console serial_console = {.name = "ttyS0", .write = console_write};

static int serial_early_init(void)
{
	outb(IER, 0);
	outb(LCR, LCR_DLAB);
	outb(DLL, 1); /* 115200 baud */
	outb(DLM, 0);
	outb(LCR, LCR_8N1);
	outb(FCR, FCR_ENABLE | FCR_TRIGGER8);
	outb(MCR, MCR_ON);
	register_console(&serial_console);
	return 0;
}
early_initcall(serial_early_init);

/* ---- interrupts ---- */

void serial_set_user(const struct serial_user *u)
{
	/* What it needs is set up. Pairs with the acquire in serial_interrupt(). */
	smp_store_release(&user, u);
}

static void receive(const struct serial_user *u)
{
	u8 buf[2 * FIFO_SIZE], status;
	size_t n = 0;

	while (n < sizeof(buf) && ((status = inb(LSR)) & LSR_DR)) {
		u8 c = inb(RBR);

		if (!(status & LSR_BI)) {
			buf[n++] = c;
			continue;
		}
		if (u && n)
			u->received(buf, n);
		if (u)
			u->got_break();
		n = 0;
	}
	if (u && n)
		u->received(buf, n);
}

/* The transmitter goes on. True: the user may have more. */
static bool send_more(void)
{
	size_t before, now;
	bool tell;
	u64 flags;

	spin_lock_irqsave(&serial_lock, flags);
	before = serial_pending();
	transmit();
	now = serial_pending();
	tell = wanted && (!now || (before > RING_SIZE / 2 && now <= RING_SIZE / 2));
	if (!now)
		wanted = false;
	set_interrupts();
	spin_unlock_irqrestore(&serial_lock, flags);
	return tell;
}

/* The I/O APIC sees edges, so the line must have been low once before we leave: nothing is pending
 * any more, or the enable register is turned off and on. */
static void ask_again(void)
{
	u64 flags;

	spin_lock_irqsave(&serial_lock, flags);
	outb(IER, 0);
	outb(IER, ier);
	spin_unlock_irqrestore(&serial_lock, flags);
}

static bool serial_interrupt(int irq, void *dev)
{
	/* Pairs with the release in serial_set_user(). */
	const struct serial_user *u = smp_load_acquire(&user);
	int round = 0;

	while (!(inb(IIR) & IIR_NONE)) {
		receive(u);
		if (send_more() && u)
			u->sent();
		if (++round == ROUNDS) {
			ask_again();
			break;
		}
	}
	return round;
}

static int serial_init(void)
{
	bool level, active_low;
	u32 gsi = acpi_isa_to_gsi(COM1_IRQ, &level, &active_low);
	int err = request_irq(gsi, level, active_low, serial_interrupt, "ttyS0", NULL);
	u64 flags;

	if (err)
		return err;
	spin_lock_irqsave(&serial_lock, flags);
	ier = IER_RDA | IER_LINE;
	outb(IER, ier);
	spin_unlock_irqrestore(&serial_lock, flags);
	return 0;
}
device_initcall(serial_init);
