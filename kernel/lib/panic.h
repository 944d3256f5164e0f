/* Stopping with a report. panic() itself is in printk.h. */
#pragma once

#include "kernel/cpu/ptrace.h"
#include "kernel/lib/printk.h"

/* panic() about a trap: with its registers, and the backtrace from there. */
void panic_regs(const struct pt_regs *regs, const char *fmt, ...) __printf(2, 3) __noreturn;
void show_regs(const struct pt_regs *regs);
