/* The end of the machine's run. Any context; none of them returns. */
#pragma once

#include "kernel/lib/types.h"

void machine_poweroff(void) __noreturn;
void machine_restart(void) __noreturn;
/* Interrupts off and hlt, on this CPU. */
void machine_halt(void) __noreturn;
