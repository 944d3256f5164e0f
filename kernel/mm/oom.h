/* Running out of memory: who is killed, and who asks for it. kernel/mm/oom.c tells the rest. */
#pragma once

#include "kernel/mm/mm.h"

#define OOM_SCORE_ADJ_MIN (-1000) /* never */
#define OOM_SCORE_ADJ_MAX 1000

/* mm->oom */
#define OOM_VICTIM 1 /* its processes are killed, its private memory is taken */
#define OOM_GONE   2

/*
 * A page was not to be had. Makes room: true if it is worth trying again, false if current has been
 * killed. Process context, may sleep; no mm->lock held.
 */
bool out_of_memory(void);
/* The last user of a victim's address space has left it. */
void oom_victim_gone(struct mm *mm);
/* 0 to 2000/3 and beyond, as /proc/PID/oom_score shows it; @mm may be NULL. */
long oom_score(const struct signal_struct *g, const struct mm *mm);
