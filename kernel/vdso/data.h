/* The page that kernel and vDSO share: written by ktime.c, read by user.c in user mode. */
#pragma once

#include "kernel/lib/types.h"

/*
 * What turns a TSC reading into a time (kernel/time/ktime.c). Only real_offset ever changes after
 * boot, and it is one aligned word: a reader gets the old or the new one, never half of each, so there
 * is nothing for a sequence counter to protect.
 */
struct vdso_data {
	u64 tsc_base;    /* [I] TSC at CLOCK_MONOTONIC 0 */
	u64 tsc_mult;    /* [I] ns per tick, times 2^32 */
	u64 real_offset; /* [a] CLOCK_REALTIME minus CLOCK_MONOTONIC, ns */
};
