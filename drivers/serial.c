/*
 * The serial port, an NS16550A (National Semiconductor's data sheet names the registers). Output
 * is polled: bytes go into the transmitter's 16-byte FIFO whenever it has run empty, so the line
 * status register, which is as dear to read as every device register, is asked once for 16 bytes.
 * Input comes by interrupt.
 *
 * LOCKING: serial_lock, interrupts off, keeps the output of two writers apart. It is a leaf. A
 * writer that does not get it in a long time writes all the same, because a panic may have
 * interrupted the holder.
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
#define FCR (COM1 + 2) /* FIFO control (write) */
#define LCR (COM1 + 3) /* line control */
#define MCR (COM1 + 4) /* modem control */
#define LSR (COM1 + 5) /* line status */

#define IER_RDA      0x01 /* received data available */
#define FCR_ENABLE   0x07 /* on, both FIFOs cleared */
#define FCR_TRIGGER8 0x80 /* interrupt at 8 bytes, or 4 character times after the last */
#define LCR_8N1      0x03
#define LCR_DLAB     0x80
#define MCR_ON       0x0b /* DTR, RTS, and OUT2, which connects the interrupt on a PC */
#define LSR_DR       0x01
#define LSR_THRE     0x20

#define FIFO_SIZE  16
#define THRE_TRIES 1000000 /* a port that is not there never gets empty */

static DEFINE_SPINLOCK(serial_lock);
static void (*receiver)(const u8 *s, size_t n); /* [a] */

static void wait_for_fifo(void)
{
	for (int i = 0; i < THRE_TRIES && !(inb(LSR) & LSR_THRE); i++)
		cpu_relax();
}

static bool lock_port(void)
{
	for (int i = 0; i < console_lock_tries; i++) {
		if (spin_trylock(&serial_lock))
			return true;
		cpu_relax();
	}
	return false;
}

/* @crlf: send \n as \r\n. */
static void send(const char *s, size_t n, bool crlf)
{
	int room = 0;
	u64 flags;
	bool locked;

	local_irq_save(flags);
	locked = lock_port();
	for (size_t i = 0; i < n; i++) {
		if (room < 2) {
			wait_for_fifo();
			room = FIFO_SIZE;
		}
		if (crlf && s[i] == '\n') {
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

void serial_write(const char *s, size_t n)
{
	send(s, n, false);
}

static void console_write(const char *s, size_t n)
{
	send(s, n, true);
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

void serial_set_receiver(void (*receive)(const u8 *s, size_t n))
{
	/* What it needs is set up. Pairs with the acquire in serial_interrupt(). */
	smp_store_release(&receiver, receive);
}

static bool serial_interrupt(int irq, void *dev)
{
	/* Pairs with the release in serial_set_receiver(). */
	void (*receive)(const u8 *s, size_t n) = smp_load_acquire(&receiver);
	u8 buf[4 * FIFO_SIZE];
	size_t n = 0;

	while (n < sizeof(buf) && (inb(LSR) & LSR_DR))
		buf[n++] = inb(RBR);
	if (n && receive)
		receive(buf, n);
	return n;
}

static int serial_init(void)
{
	bool level, active_low;
	u32 gsi = acpi_isa_to_gsi(COM1_IRQ, &level, &active_low);
	int err = request_irq(gsi, level, active_low, serial_interrupt, "ttyS0", NULL);

	if (err)
		return err;
	outb(IER, IER_RDA);
	return 0;
}
device_initcall(serial_init);
