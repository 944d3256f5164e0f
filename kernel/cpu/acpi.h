/*
 * ACPI's static tables, read once at boot: where the interrupt controllers and CPUs are (MADT), how
 * to switch the machine off and restart it (FADT, \_S5). ACPI specification 6.4, chapter 5.
 */
#pragma once

#include "kernel/cpu/percpu.h"

#define MAX_IOAPICS 8
#define NR_ISA_IRQS 16

struct acpi_ioapic {
	u64 addr;
	u32 gsi_base;
};

struct acpi_isa_override {
	u32 gsi;
	bool level, active_low;
};

struct acpi_info {
	u64 lapic_addr;
	int nr_cpus; /* that may be started; [0] need not be the boot CPU */
	u8 apic_ids[MAX_CPUS];
	int nr_ioapics;
	struct acpi_ioapic ioapics[MAX_IOAPICS];
	struct acpi_isa_override
		isa[NR_ISA_IRQS]; /* identity, edge, active high if not overridden */

	/* Power. A port of 0 means that there is none. */
	u16 pm1a_cnt, pm1b_cnt;
	u16 smi_cmd;
	u8 acpi_enable;
	bool has_s5;
	u8 s5_a, s5_b; /* SLP_TYP for pm1a_cnt and pm1b_cnt */
	u16 reset_port;
	u8 reset_value;
};

extern struct acpi_info acpi;

/* @rsdp: physical, 0 if unknown (then defaults of a PC are used). Boot, after mm_init(). */
void acpi_init(u64 rsdp);
