/*
 * The first serial port (COM1), an NS16550A. serial_write() also is the kernel's console, usable
 * from the first instructions on, before memory and interrupts.
 */
#pragma once

#include "kernel/lib/types.h"

/* Sends the bytes as they are. Any context. Busy-waits when the transmitter is full. */
void serial_write(const char *s, size_t n);
/* Who gets the bytes that arrive: called in hard interrupt context, interrupts off. */
void serial_set_receiver(void (*receive)(const u8 *s, size_t n));
