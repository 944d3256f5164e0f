/*
 * Kernel stacks. Each lies in a slot of its own, twice its size: the lower half of a slot is never
 * mapped, so a stack that overflows hits the guard instead of its neighbour, and the double-fault
 * handler can tell from the address alone.
 *
 *	slot	unused -> in use -> cached -> in use -> ... -> unused
 *
 * A stack that is freed stays mapped and goes on a list, most recently used first, so a fork after
 * an exit takes one without touching a page table or a TLB. Beyond a limit stacks are unmapped when
 * they are freed.
 *
 * LOCKING
 *	stack_lock	the bitmap of slots and the list of free stacks. Any context (irqsave).
 */
#include "kernel/debug/kasan.h"
#include "kernel/lib/printk.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/vmalloc.h"
#include "kernel/sched/spinlock.h"
#include "kernel/sched/task.h"

#define STACKS_START (VMALLOC_START + (256ul << 30))
#define SLOT_SIZE    (2ul * KSTACK_SIZE)
#define NR_SLOTS     65536ul
#define STACKS_KEPT  64 /* free ones */

/* What lies at the lowest address of a free stack. */
struct free_stack {
	struct free_stack *next;
};

static DEFINE_SPINLOCK(stack_lock);
static u64 slots_used[NR_SLOTS / 64];  /* [stack_lock] a bit a slot: mapped */
static u64 slot_hint;                  /* [stack_lock] words below it are full */
static struct free_stack *free_stacks; /* [stack_lock] */
static unsigned nr_free;               /* [stack_lock] */

static u64 slot_stack(u64 slot)
{
	return STACKS_START + slot * SLOT_SIZE + KSTACK_SIZE;
}

/* A slot that is not mapped, or NR_SLOTS. */
static u64 slot_get(void)
{
	u64 slot = NR_SLOTS, flags;

	spin_lock_irqsave(&stack_lock, flags);
	for (u64 w = slot_hint; w < ARRAY_SIZE(slots_used); w++) {
		if (slots_used[w] == ~0ul)
			continue;
		slot = w * 64 + (u64)__builtin_ctzl(~slots_used[w]);
		slots_used[w] |= BIT(slot % 64);
		slot_hint = w;
		break;
	}
	spin_unlock_irqrestore(&stack_lock, flags);
	return slot;
}

static void slot_put(u64 slot)
{
	u64 flags;

	spin_lock_irqsave(&stack_lock, flags);
	slots_used[slot / 64] &= ~BIT(slot % 64);
	slot_hint = min(slot_hint, slot / 64);
	spin_unlock_irqrestore(&stack_lock, flags);
}

/* Frees the first @bytes of the stack and its slot. */
static void stack_unmap(u64 stack, u64 bytes)
{
	struct page *pages[KSTACK_SIZE / PAGE_SIZE];
	unsigned n = 0;

	for (u64 a = stack; a < stack + bytes; a += PAGE_SIZE)
		pages[n++] = pte_page(kunmap_page(a));
	tlb_flush_kernel(stack, stack + bytes);
	vm_stat_add(VM_STAT_KSTACK, -(s64)n);
	while (n)
		free_pages(pages[--n], 0);
	slot_put((stack - STACKS_START) / SLOT_SIZE);
}

static void *stack_map(void)
{
	u64 slot = slot_get(), stack;

	if (slot == NR_SLOTS)
		return NULL;
	stack = slot_stack(slot);
	if (kasan_populate(stack, KSTACK_SIZE)) {
		slot_put(slot);
		return NULL;
	}
	for (u64 done = 0; done < KSTACK_SIZE; done += PAGE_SIZE) {
		struct page *p = alloc_page(GFP_KERNEL);

		if (p && !kmap_page(stack + done, page_to_phys(p), PTE_KERNEL_RW)) {
			vm_stat_add(VM_STAT_KSTACK, 1);
			continue;
		}
		if (p)
			free_pages(p, 0);
		stack_unmap(stack, done);
		return NULL;
	}
	return (void *)stack;
}

/* A stack from the list, or NULL. */
static void *stack_pop(void)
{
	struct free_stack *s;
	u64 flags;

	spin_lock_irqsave(&stack_lock, flags);
	s = free_stacks;
	if (s) {
		free_stacks = s->next;
		nr_free--;
	}
	spin_unlock_irqrestore(&stack_lock, flags);
	return s;
}

void *kstack_alloc(void)
{
	void *s = stack_pop();

	if (!s)
		s = stack_map();
	if (s)
		kasan_stack_alloc(s, KSTACK_SIZE);
	return s;
}

void kstack_free(void *stack)
{
	struct free_stack *s = stack;
	u64 flags;

	if (!stack)
		return;
	/* The flush of other CPUs' TLBs needs interrupts on. */
	if (READ_ONCE(nr_free) >= STACKS_KEPT && !in_atomic() && !irqs_disabled()) {
		stack_unmap((u64)stack, KSTACK_SIZE);
		return;
	}
	kasan_stack_free(stack, KSTACK_SIZE);
	spin_lock_irqsave(&stack_lock, flags);
	s->next = free_stacks;
	free_stacks = s;
	nr_free++;
	spin_unlock_irqrestore(&stack_lock, flags);
}

void kstack_reclaim(void)
{
	void *s;

	while ((s = stack_pop()))
		stack_unmap((u64)s, KSTACK_SIZE);
}

bool kstack_guard_hit(u64 addr)
{
	return addr >= STACKS_START && addr < STACKS_START + NR_SLOTS * SLOT_SIZE &&
	       (addr - STACKS_START) % SLOT_SIZE < KSTACK_SIZE;
}
