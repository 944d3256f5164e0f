/*
 * The first serial port (COM1), an NS16550A: the kernel's console, usable from the first instructions
 * on, before memory and interrupts, and the bytes of a terminal (tty_serial.c).
 */
#pragma once

#include "kernel/lib/types.h"

/* Who uses the port as a terminal. All are called in hard interrupt context, with no lock held. */
struct serial_user {
	void (*received)(const u8 *s, size_t n);
	void (*got_break)(void);
	void (*sent)(void); /* half of the buffer is free again, or all is sent */
};
void serial_set_user(const struct serial_user *user);

/* Queues bytes to be sent as they are; how many fitted. Never waits. Any context. */
size_t serial_write(const u8 *s, size_t n);
size_t serial_room(void);
size_t serial_pending(void);
void serial_flush(void);
/* Holds what is queued back, and lets it go. The kernel's own messages pass. */
void serial_stop(bool stop);
