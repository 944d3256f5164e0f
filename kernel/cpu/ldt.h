/* Local descriptor tables, modify_ldt(2): kernel/cpu/ldt.c. */
#pragma once

#include "kernel/lib/types.h"

struct ldt;
struct mm;

/* Makes @ldt (NULL: none) this CPU's, if it is not already. Interrupts off. */
void ldt_load(const struct ldt *ldt);
/* Gives @mm, which is new, a copy of @old's table. 0 or -ENOMEM. old->lock held. */
int ldt_dup(struct mm *mm, const struct mm *old);
/* NULL is allowed. No CPU has it loaded. Process context. */
void ldt_free(struct ldt *ldt);
