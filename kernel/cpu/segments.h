/* What user programs have in the segment registers: kernel/cpu/segments.c. */
#pragma once

#include "kernel/lib/types.h"

struct task;

/* Brings current's selectors, fs_base and gs_base up to date, e.g. before somebody else looks at them. */
void segments_sync_current(void);
/* Loads current's selectors, fs_base and gs_base, which have been changed. Process context. */
void segments_reload_current(void);
/* Context switch, interrupts off. The LDT is that of @next. */
void segments_switch(struct task *prev, struct task *next);
/* This CPU's LDT has changed: loads what came from it once more. Interrupts off. */
void segments_refresh(void);
