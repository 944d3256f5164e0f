/* What the two halves of the lock checker share: lockdep.c follows locks, lock_graph.c knows classes. */
#pragma once

#include "kernel/debug/lockdep.h"

/* How a class has been used; both bits of a pair are the error. */
#define USED_IN_HARDIRQ 0x1
#define HARDIRQS_ON     0x2 /* taken while a hard interrupt could come */
#define USED_IN_SOFTIRQ 0x4
#define SOFTIRQS_ON     0x8
#define NR_USAGES       4

#define MAX_SUBCLASSES 8

/* The class of @m's locks, found or made. Interrupts off. */
u16 class_of(struct lock_map *m, int subclass);
/* The same without the subclass. */
u16 class_base(u16 class);
bool class_nests(u16 class);
const char *class_name(u16 class);
int class_subclass(u16 class);
/* Notes that @to was taken with @from held, and panics if that closes a circle. Interrupts off. */
void class_before(u16 from, u16 to);
/* Notes a use (USED_* and *_ON bits), and panics if an interrupt could deadlock. Interrupts off. */
void class_used(u16 class, unsigned usage);

/* Says what is wrong, in the words of printf, and stops the machine. */
void lockdep_report(const char *fmt, ...) __printf(1, 2) __noreturn;
