/* Names of the kernel's functions, for backtraces. Any context. */
#pragma once

#include "kernel/lib/types.h"

/* The function that holds @addr, and how far into it @addr is; NULL outside the kernel's text. */
const char *symbol_lookup(u64 addr, u64 *offset);
/* "name+0x1f", or the bare address in hexadecimal; the value is snprintf's. */
int symbol_format(char *buf, size_t size, u64 addr);
