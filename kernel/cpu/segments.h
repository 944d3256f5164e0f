/* What user programs have in the segment registers: kernel/cpu/segments.c. */
#pragma once

#include "kernel/lib/types.h"

struct task;

/* Brings current->fs_base and gs_base up to date, e.g. before somebody else looks at them. */
void segments_sync_current(void);
/* Loads current->fs_base and gs_base, which have been changed, into the CPU. Process context. */
void segments_reload_current(void);
/* Context switch, interrupts off. */
void segments_switch(struct task *prev, struct task *next);
