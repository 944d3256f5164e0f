/* The vDSO: code and data of the kernel's that every process has mapped. */
#pragma once

#include "kernel/lib/types.h"

/*
 * Maps data page and code into current's address space: the address of its ELF header
 * (AT_SYSINFO_EHDR) or -errno. Takes mm->lock.
 */
long vdso_map(void);
