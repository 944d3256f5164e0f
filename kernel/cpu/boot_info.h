/*
 * What the boot loader told us, in one form whichever way the machine was started (multiboot2 from
 * GRUB, PVH from qemu -kernel). Made by boot/ before kernel_main(); addresses are physical.
 */
#pragma once

#include "kernel/lib/types.h"

enum mem_type {
	MEM_RAM = 1,
	MEM_RESERVED = 2,
	MEM_ACPI = 3, /* ACPI tables; RAM once they have been read */
	MEM_NVS = 4,
	MEM_BAD = 5
};

struct mem_region {
	u64 base, size; /* bytes, as reported: unsorted, may overlap */
	enum mem_type type;
};

#define MAX_MEM_REGIONS 128

struct boot_info {
	struct mem_region mem[MAX_MEM_REGIONS];
	int nr_mem;
	u64 initrd, initrd_size;
	u64 rsdp; /* physical address of ACPI's root pointer (or of the loader's copy), 0 if unknown */
	char cmdline[1024];
};
