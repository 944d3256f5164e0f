/*
 * The exception table: instructions that may fault in kernel mode, and where to go on if they do.
 * Assembly adds an entry with two quadwords in section __ex_table: the address of the instruction
 * and that of its fix-up.
 */
#pragma once

#include "kernel/cpu/ptrace.h"

bool has_fixup(u64 rip);
/* If the instruction at regs->rip has a fix-up, makes regs go on there and returns true. */
bool fixup_exception(struct pt_regs *regs);
