/*
 * Where the parts of a new program lie (address space layout randomization). From the top:
 *
 *	USER_TOP
 *	  up to 16 GiB at random
 *	stack_top		the stack, growing down
 *	  room for RLIMIT_STACK, up to 1 TiB at random
 *	mmap_base		mappings, downwards; the dynamic loader and libraries among them
 *	  ...
 *	end of the program	the heap begins up to 32 MiB above it
 *	exec_base		a position-independent program, up to 1 TiB at random
 *	0x400000		a program that was linked to an address lies there
 *
 * An attacker who knows one of them does not know the others. /proc/sys/kernel/randomize_va_space is
 * 2 for all of this, 1 for all but the heap, 0 for none (also "norandmaps" on the kernel's command
 * line), and personality(2) with ADDR_NO_RANDOMIZE turns it off for a process and its children, so
 * that a debugger finds everything in the same place again.
 *
 * No locks: everything here belongs to the process that calls execve(2).
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/binary.h"
#include "kernel/lib/init.h"
#include "kernel/lib/random.h"
#include "kernel/lib/sysctl.h"
#include "kernel/sched/signal.h"

#define PIE_BASE       0x555555554000ul /* two thirds of user memory */
#define STACK_RND_BITS 22               /* pages */
#define MMAP_RND_BITS  28               /* pages */
#define HEAP_RND       (32ul << 20)
#define MIN_STACK_GAP  (128ul << 20)
#define MAX_STACK_GAP  (USER_TOP / 6 * 5)
#define STACK_GUARD    (256 * PAGE_SIZE)

#define ADDR_NO_RANDOMIZE 0x0040000
#define QUERY_PERSONALITY 0xffffffffu

static int randomize_va_space = 2; /* [a] */
SYSCTL(randomize_va_space, "sys/kernel/randomize_va_space", randomize_va_space, 0, 2);

static bool may_randomize(void)
{
	return READ_ONCE(randomize_va_space) && !(current->signal->personality & ADDR_NO_RANDOMIZE);
}

static u64 random_pages(unsigned bits)
{
	return (get_random_u64() & (BIT(bits) - 1)) << PAGE_SHIFT;
}

void layout_choose(struct mm *mm)
{
	bool random = may_randomize();
	u64 gap = clamp(rlimit(RLIMIT_STACK), MIN_STACK_GAP, MAX_STACK_GAP) + STACK_GUARD;

	mm->stack_top = USER_TOP - (random ? random_pages(STACK_RND_BITS) : 0);
	mm->mmap_base = USER_TOP - PAGE_ALIGN(gap);
	mm->exec_base = PIE_BASE;
	if (random) {
		mm->mmap_base -= BIT(STACK_RND_BITS + PAGE_SHIFT); /* the stack may begin so low */
		mm->mmap_base -= min(random_pages(MMAP_RND_BITS), mm->mmap_base / 2);
		mm->exec_base += random_pages(MMAP_RND_BITS);
	}
}

u64 layout_heap(u64 end)
{
	if (!may_randomize() || READ_ONCE(randomize_va_space) < 2)
		return end;
	return PAGE_ALIGN(end + get_random_u64() % HEAP_RND);
}

u64 layout_stack_pointer(u64 sp)
{
	return (may_randomize() ? sp - get_random_u64() % (2 * PAGE_SIZE) : sp) & ~15ul;
}

/* Of the flags only ADDR_NO_RANDOMIZE means something here; all are kept for who asks. */
SYSCALL_DEFINE1(personality, unsigned, persona)
{
	unsigned old = current->signal->personality;

	if (persona != QUERY_PERSONALITY)
		current->signal->personality = persona;
	return old;
}

static int __init layout_init(void)
{
	char value[2];

	if (cmdline_get("norandmaps", value, sizeof(value)))
		randomize_va_space = 0;
	return 0;
}
core_initcall(layout_init);
