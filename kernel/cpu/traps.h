/* Traps: what the entry code calls, and what a report about one needs. */
#pragma once

#include "kernel/cpu/ptrace.h"

/* Vectors of the Intel SDM, volume 3, table 6-1. */
enum trap {
	TRAP_DE = 0,
	TRAP_DB = 1,
	TRAP_NMI = 2,
	TRAP_BP = 3,
	TRAP_OF = 4,
	TRAP_BR = 5,
	TRAP_UD = 6,
	TRAP_NM = 7,
	TRAP_DF = 8,
	TRAP_TS = 10,
	TRAP_NP = 11,
	TRAP_SS = 12,
	TRAP_GP = 13,
	TRAP_PF = 14,
	TRAP_MF = 16,
	TRAP_AC = 17,
	TRAP_MC = 18,
	TRAP_XM = 19,
	TRAP_VE = 20,
	TRAP_CP = 21,
	NR_TRAPS = 32
};

/* Entry code only, interrupts off. */
void do_trap(struct pt_regs *regs, u32 vector, u64 error);
/* Entry code only, on an IST stack, interrupts off. */
void do_paranoid_trap(struct pt_regs *regs, u32 vector, u64 error);
