/*
 * The local APIC (one a CPU: timer, inter-processor interrupts, end of interrupt) and the I/O APIC
 * (routes device interrupts to local APICs). Intel SDM volume 3, chapter 11 ("APIC"), and the
 * 82093AA data sheet. All addresses come from ACPI's MADT.
 */
#pragma once

#include "kernel/lib/types.h"

/* Vectors. Exceptions are 0-31; devices get 0x30-0xef from request_irq(). */
#define VECTOR_DEVICE_FIRST 0x30
#define VECTOR_DEVICE_LAST  0xef
#define VECTOR_TIMER        0xf0
#define VECTOR_RESCHEDULE   0xf1
#define VECTOR_CALL         0xf2
#define VECTOR_STOP         0xf3
#define VECTOR_LOG          0xf4
#define VECTOR_SPURIOUS     0xff

void apic_init(void);     /* boot CPU, once; masks the legacy PICs */
void apic_init_cpu(void); /* each CPU */
/* Boot CPU, once, after time_init(): measures the timer's rate, the same on all CPUs. 2 ms. */
void apic_timer_calibrate(void);
void apic_eoi(void);
/* Arms this CPU's one-shot timer to fire in @ns nanoseconds; 0 disarms. Interrupts off. */
void apic_timer_arm(u64 ns);
void apic_send_ipi(int cpu, u8 vector);
/* Interrupts this CPU as soon as it lets itself be. Any context, between the two halves of another's, too. */
void apic_interrupt_self(u8 vector);
void apic_send_nmi(int cpu);
u8 apic_id_of(int cpu);
/* For a CPU that is not up yet: reset it; start it in real mode at physical page @page. */
void apic_send_init(u8 apic_id);
void apic_send_startup(u8 apic_id, u64 page);

/* Routes global interrupt @gsi to @vector on @cpu, and unmasks or masks it. */
void ioapic_route(u32 gsi, u8 vector, int cpu, bool level, bool active_low);
void ioapic_mask(u32 gsi, bool mask);
/* ISA interrupt number to gsi with MADT's overrides applied. */
u32 acpi_isa_to_gsi(u8 isa, bool *level, bool *active_low);
