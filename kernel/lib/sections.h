/* The parts of the kernel image, as boot/kernel.ld lays them out. Page-aligned but for the ends. */
#pragma once

#include "kernel/lib/types.h"

extern char _kernel_start[], _end[]; /* everything */
extern char _text[], _etext[];       /* read, execute */
extern char _rodata[], _erodata[];   /* read */
extern char _data[], _edata[];       /* read, write; up to _end with .bss */
extern char _bss[];
extern char __percpu_start[], __percpu_end[];
extern char __percpu_template[];            /* as long as the section */
extern char boot_stack[], boot_stack_top[]; /* of the boot context, the boot CPU's idle task */

static inline bool is_kernel_text(u64 addr)
{
	return addr >= (u64)_text && addr < (u64)_etext;
}
