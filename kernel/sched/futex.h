/* What futex.c, futex_op.c and robust.c ask of each other. See futex.c. */
#pragma once

#include "kernel/lib/types.h"

#define FUTEX_MATCH_ANY 0xffffffffu /* bitset of those who do not care */

/*
 * Wakes at most @nr of those who wait for @uaddr and for a bit of @bitset: how many, -EINVAL, -EFAULT.
 * Process context.
 */
int futex_wake(u32 __user *uaddr, bool private, int nr, u32 bitset);

#define FUTEX_WAITERS    0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID_MASK   0x3fffffffu

/*
 * current ends, or gets a new program: whatever locks it has go to those who wait for them (futex_pi.c).
 * Its robust list has been seen to. Process context.
 */
void futex_pi_exit(void);

/*
 * Does to the word what @encoded says, atomically: 1 or 0, as its old value compares; -EFAULT, -ENOSYS.
 * With a spinlock held, -EFAULT may only mean that the page is not there now.
 */
int futex_user_op(u32 __user *uaddr, u32 encoded);
