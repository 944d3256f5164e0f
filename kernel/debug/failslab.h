/*
 * Fault injection: allocations that fail though there is memory. Checked build only; see failslab.c.
 */
#pragma once

#include "kernel/lib/types.h"

#ifdef SAN
/* Is this allocation to fail? Any context. */
bool failslab(void);
#else
static inline bool failslab(void)
{
	return false;
}
#endif
