/*
 * The arithmetic of FUTEX_WAKE_OP, futex(2): one call changes a word and says how its old value
 * compares with a constant. Operation, comparison and their two arguments are packed into 32 bits:
 *
 *	31      28 27      24 23            12 11             0
 *	operation  comparison  its argument     its argument
 */
#include "kernel/mm/uaccess.h"
#include "kernel/sched/futex.h"

#define OP_SET       0
#define OP_ADD       1
#define OP_OR        2
#define OP_ANDN      3
#define OP_XOR       4
#define OP_ARG_SHIFT 8 /* the argument is the number of a bit */
#define CMP_EQ       0
#define CMP_NE       1
#define CMP_LT       2
#define CMP_LE       3
#define CMP_GT       4
#define CMP_GE       5

/* The upper 12 of the 24 low bits are the operation's argument, the lower 12 the comparison's. */
static s32 sign_extend12(u32 v)
{
	return (s32)(v << 20) >> 20;
}

/* 0 or -ENOSYS. */
static int apply_op(u32 encoded, u32 old, u32 *new)
{
	u32 arg = (u32)sign_extend12(encoded >> 12);

	if (encoded >> 28 & OP_ARG_SHIFT)
		arg = 1u << (arg & 31);
	switch (encoded >> 28 & 7) {
	case OP_SET:
		*new = arg;
		return 0;
	case OP_ADD:
		*new = old + arg;
		return 0;
	case OP_OR:
		*new = old | arg;
		return 0;
	case OP_ANDN:
		*new = old & ~arg;
		return 0;
	case OP_XOR:
		*new = old ^ arg;
		return 0;
	default:
		return -ENOSYS;
	}
}

/* 1, 0 or -ENOSYS. */
static int compare_old(u32 encoded, u32 value)
{
	s32 arg = sign_extend12(encoded), old = (s32)value;

	switch (encoded >> 24 & 15) {
	case CMP_EQ:
		return old == arg;
	case CMP_NE:
		return old != arg;
	case CMP_LT:
		return old < arg;
	case CMP_LE:
		return old <= arg;
	case CMP_GT:
		return old > arg;
	case CMP_GE:
		return old >= arg;
	default:
		return -ENOSYS;
	}
}

int futex_user_op(u32 __user *uaddr, u32 encoded)
{
	u32 value, old, new;
	int err;

	if (get_user(value, uaddr))
		return -EFAULT;
	for (;;) {
		err = apply_op(encoded, value, &new);
		if (err)
			return err;
		old = value;
		if (cmpxchg_user(uaddr, &old, new))
			return -EFAULT;
		if (old == value)
			return compare_old(encoded, old);
		value = old;
	}
}
