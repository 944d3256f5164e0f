/*
 * Top halves. do_irq() is where every device interrupt arrives; it runs the handlers of its vector
 * with interrupts off, and irq_exit() then runs the softirqs that they raised.
 */
#pragma once

#include "kernel/cpu/ptrace.h"
#include "kernel/irq/softirq.h"

/*
 * Runs with interrupts off on whatever task was interrupted. Returns true if its device had
 * raised the interrupt: on a shared line every handler is asked.
 */
typedef bool (*irq_handler_t)(int irq, void *dev);

/*
 * Installs @handler for global interrupt @gsi (I/O APIC input) and unmasks it. @name is shown in
 * /proc/interrupts and must outlive it. Process context. 0, -ENOMEM, -ENOSPC (no vector left).
 */
int request_irq(u32 gsi, bool level, bool active_low, irq_handler_t handler, const char *name,
		void *dev);

/* Entry code calls this for vectors 0x30-0xff, interrupts off, registers on the stack. */
void do_irq(struct pt_regs *regs, u8 vector);

u64 irq_total(void); /* interrupts so far, on all CPUs */

void irq_enter(void);
void irq_exit(void);
