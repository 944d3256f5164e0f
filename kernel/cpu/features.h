/* What this CPU can do and how it is set up. */
#pragma once

#include "kernel/lib/types.h"

/* Set before mm_init(), the same on all CPUs. */
extern bool cpu_has_fsgsbase;
extern bool cpu_has_smap; /* stac and clac exist, and are needed */
extern bool cpu_has_smep;
extern bool cpu_has_xsave;
extern bool cpu_has_xsaveopt;

/* Each CPU, first thing: asks CPUID, sets CR0 and CR4. */
void cpu_init(void);
/* The brand string of CPUID leaves 0x80000002-4, or "x86-64". */
const char *cpu_model_name(void);
