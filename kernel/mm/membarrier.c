/*
 * membarrier(2): a memory barrier on every CPU that runs a thread of the caller (or of anybody), so
 * that the common side of a protocol between threads needs none. The interrupt that reaches a CPU is
 * the barrier: it serializes, and a CPU that is not reached has passed through the scheduler, whose
 * lock is one.
 *
 * One interrupt to every CPU serves all commands; there are few CPUs here. No locks: the registration
 * is a flag that is only ever set.
 */
#include "kernel/abi/errno.h"
#include "kernel/cpu/smp.h"
#include "kernel/cpu/syscall.h"
#include "kernel/mm/mm.h"
#include "kernel/sched/task.h"

enum {
	CMD_QUERY = 0,
	CMD_GLOBAL = 1,
	CMD_GLOBAL_EXPEDITED = 2,
	CMD_REGISTER_GLOBAL_EXPEDITED = 4,
	CMD_PRIVATE_EXPEDITED = 8,
	CMD_REGISTER_PRIVATE_EXPEDITED = 16,
	CMD_ALL = 31
};

static void barrier_here(void *unused)
{
	smp_mb(); /* pairs with the compiler barrier of the threads that this CPU runs */
}

SYSCALL_DEFINE3(membarrier, int, cmd, unsigned, flags, int, cpu)
{
	struct mm *mm = current->mm;

	if (flags)
		return -EINVAL;
	switch (cmd) {
	case CMD_QUERY:
		return CMD_ALL;
	case CMD_REGISTER_PRIVATE_EXPEDITED:
		WRITE_ONCE(mm->membarrier, true);
		return 0;
	case CMD_REGISTER_GLOBAL_EXPEDITED:
		return 0;
	case CMD_PRIVATE_EXPEDITED:
		if (!READ_ONCE(mm->membarrier))
			return -EPERM;
		__attribute__((fallthrough));
	case CMD_GLOBAL:
	case CMD_GLOBAL_EXPEDITED:
		on_each_cpu(barrier_here, NULL);
		return 0;
	default:
		return -EINVAL;
	}
}
