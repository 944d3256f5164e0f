/* Where C begins: boot/ calls kernel_main() once, on the early page tables, interrupts off. */
#pragma once

#include "kernel/cpu/boot_info.h"

void kernel_main(struct boot_info *bi) __noreturn;
