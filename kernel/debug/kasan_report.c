/*
 * What the address sanitizer says before it stops the machine: the kind of the error, address and
 * size of the access, the call chain, what the address belongs to (an object of a slab cache with
 * those who allocated and freed it, a global by its name, a kernel stack, vmalloc memory, pages) and
 * the shadow around it.
 *
 * The code that prints is checked too; what it does wrong is ignored, for there is one report only.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/ptrace.h"
#include "kernel/debug/kasan_internal.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/sections.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/vmalloc.h"
#include "kernel/sched/task.h"

#define ROW_BYTES 16 /* of shadow, in a line */
#define ROWS      2  /* before and after the one with the error */

static int reporting; /* [a] */

/* ---- the kind ---- */

static const char *kind_of_code(u8 code)
{
	switch (code) {
	case SHADOW_STACK_LEFT:
	case SHADOW_STACK_MID:
	case SHADOW_STACK_RIGHT:
		return "stack-out-of-bounds";
	case SHADOW_STACK_SCOPE:
		return "stack-use-after-scope";
	case SHADOW_STACK_FREE:
		return "use-after-free of a kernel stack";
	case SHADOW_VMALLOC:
		return "vmalloc-out-of-bounds";
	case SHADOW_GLOBAL:
		return "global-out-of-bounds";
	case SHADOW_SLAB_FREE:
		return "slab-use-after-free";
	case SHADOW_REDZONE:
		return "slab-out-of-bounds";
	case SHADOW_PAGE_REDZONE:
		return "page-out-of-bounds";
	case SHADOW_PAGE_FREE:
		return "page-use-after-free";
	}
	return "unknown-crash";
}

static bool has_shadow(u64 addr)
{
	int level;

	return addr >= KERNEL_HALF && kernel_pte((u64)shadow_of(addr), &level);
}

/* The first byte of the access that must not be touched. */
static u64 first_bad(u64 addr, size_t size)
{
	for (u64 a = addr; a < addr + size; a++) {
		u8 s = *shadow_of(a);

		if (s && (s >= 0x80 || a % GRANULE >= s))
			return a;
	}
	return addr;
}

/* Why @bad must not be touched: if a part of its granule may be, the next one tells. */
static u8 code_at(u64 bad)
{
	const u8 *s = shadow_of(bad);

	return *s < GRANULE ? s[1] : *s;
}

static const char *kind_of(u64 addr, u64 bad)
{
	if (addr < PAGE_SIZE)
		return "null-pointer access";
	if (addr < USER_TOP)
		return "user-memory access";
	if (!has_shadow(addr))
		return "wild-memory access";
	return kind_of_code(code_at(bad));
}

/* ---- what is there ---- */

static void show_track(const char *what, const struct track *t)
{
	printk("%s by task %d:\n", what, t->pid);
	for (unsigned i = 0; i < TRACK_FRAMES && t->pc[i]; i++)
		printk("  %pS\n", _text + t->pc[i]);
}

/* Where @addr lies, seen from [start, start + size). */
static void show_distance(u64 addr, u64 start, u64 size)
{
	if (addr < start)
		printk("The address is %lu bytes before its start\n", start - addr);
	else if (addr >= start + size)
		printk("The address is %lu bytes behind its end\n", addr - (start + size));
	else
		printk("The address is %lu bytes inside\n", addr - start);
}

static void show_object(u64 addr, const struct slab_place *place)
{
	const struct object_meta *m = kasan_meta(place->cache, place->obj);
	u8 first = *shadow_of((u64)place->obj);

	if (first == SHADOW_REDZONE) {
		printk("Object %p of cache %s, never allocated\n", place->obj, place->name);
		return;
	}
	printk("Object %p of cache %s, %lu bytes, %s\n", place->obj, place->name, m->size,
	       first == SHADOW_SLAB_FREE ? "free" : "allocated");
	show_distance(addr, (u64)place->obj, m->size);
	show_track("Allocated", &m->alloc);
	if (m->free.pid >= 0)
		show_track("Freed", &m->free);
}

static void show_page(u64 addr)
{
	const struct page *p = virt_to_page((void *)addr);

	printk("Page %lx, flags %x, order %u, %d references\n", page_to_pfn(p), p->flags, p->order,
	       refcount_read(&p->refs));
}

/*
 * The frame of a function with local arrays begins with a magic number and a text from the compiler:
 * "n", then for each variable "offset size length-of-name name:line".
 */
#define FRAME_MAGIC 0x41b58ab3ul
#define FRAME_MAX   4096

static void show_stack_frame(u64 addr)
{
	u64 a = addr & ~(GRANULE - 1);
	u64 lowest = a - FRAME_MAX;

	while (a > lowest && has_shadow(a) && *shadow_of(a) != SHADOW_STACK_LEFT)
		a -= GRANULE;
	while (a > lowest && has_shadow(a) && *shadow_of(a - GRANULE) == SHADOW_STACK_LEFT)
		a -= GRANULE;
	if (a > lowest && *(const u64 *)a == FRAME_MAGIC)
		printk("Frame of %pS, the address is %lu bytes into it; its variables: %s\n",
		       ((void *const *)a)[2], addr - a, ((const char *const *)a)[1]);
}

static bool is_stack_code(u8 code)
{
	return (code >= SHADOW_STACK_LEFT && code <= SHADOW_STACK_RIGHT) ||
	       code == SHADOW_STACK_SCOPE;
}

static void show_place(u64 addr)
{
	const struct asan_global *g = kasan_find_global(addr);
	struct slab_place place;

	if (is_stack_code(code_at(addr))) {
		show_stack_frame(addr);
	} else if (g) {
		printk("Variable '%s' of %s, %lu bytes at %lx\n", g->name, g->file, g->size,
		       g->start);
		show_distance(addr, g->start, g->size);
	} else if (addr >= PAGE_OFFSET && addr - PAGE_OFFSET < max_pfn << PAGE_SHIFT) {
		if (slab_find((void *)addr, &place))
			show_object(addr, &place);
		else
			show_page(addr);
	} else if (addr >= VMALLOC_START && addr < VMALLOC_END) {
		printk("The address is one of vmalloc's or a kernel stack's\n");
	}
}

static void show_row(u64 row, u64 bad)
{
	char line[ROW_BYTES * 4 + 4];
	int n = 0;

	for (u64 a = row; a < row + ROW_BYTES * GRANULE; a += GRANULE) {
		bool here = a == (bad & ~(GRANULE - 1));

		n += scnprintf(line + n, sizeof(line) - n, here ? "[%02x]" : " %02x ",
			       *shadow_of(a));
	}
	printk("%c %016lx:%s\n", bad >= row && bad < row + ROW_BYTES * GRANULE ? '>' : ' ', row,
	       line);
}

static void show_shadow(u64 bad)
{
	u64 span = ROW_BYTES * GRANULE, row = (bad & ~(span - 1)) - ROWS * span;

	printk("Shadow, a byte for eight (00: good; 01-07: so many of them; from f1 on: none):\n");
	for (unsigned i = 0; i < 2 * ROWS + 1; i++, row += span)
		if (has_shadow(row))
			show_row(row, bad);
}

/* ---- reports ---- */

static bool begin(void)
{
	if (!kasan_ready || cmpxchg(&reporting, 0, 1))
		return false;
	local_irq_disable();
	printk("==================================================================\n");
	return true;
}

void kasan_report(u64 addr, size_t size, bool write, u64 ip)
{
	const char *kind;
	bool real;
	u64 bad;

	/* First: before kasan_init() there are no tables to look into, and nothing found is true. */
	if (!begin())
		return;
	real = has_shadow(addr);
	bad = real ? first_bad(addr, size) : addr;
	kind = kind_of(addr, bad);
	printk("BUG: KASAN: %s in %pS\n", kind, (void *)ip);
	printk("%s of %lu bytes at %016lx by task %d (%.*s) on CPU %d\n", write ? "Write" : "Read",
	       size, addr, current->pid, TASK_COMM_LEN, current->comm, smp_processor_id());
	dump_frames(0, (u64)__builtin_frame_address(0));
	if (real) {
		show_place(bad);
		show_shadow(bad);
	}
	panic("KASAN: %s in %pS", kind, (void *)ip);
}

void kasan_report_free(const void *p, u64 ip)
{
	struct slab_place place;
	bool found = slab_find(p, &place) && place.obj == p;
	const char *kind =
		found && *shadow_of((u64)p) == SHADOW_SLAB_FREE ? "double-free" : "invalid-free";

	if (!begin())
		return;
	printk("BUG: KASAN: %s in %pS\n", kind, (void *)ip);
	printk("Free of %p by task %d (%.*s) on CPU %d\n", p, current->pid, TASK_COMM_LEN,
	       current->comm, smp_processor_id());
	dump_frames(0, (u64)__builtin_frame_address(0));
	show_place((u64)p);
	show_shadow((u64)p);
	panic("KASAN: %s in %pS", kind, (void *)ip);
}

/* The shadow of user memory would lie at addresses that are none: such a check is a #GP. */
void kasan_explain_gp(const struct pt_regs *regs)
{
	const u64 *r = (const u64 *)regs;

	for (unsigned i = 0; r + i <= &regs->rdi; i++) {
		if (r[i] != SHADOW_OFFSET)
			continue;
		printk("BUG: KASAN: null-pointer or user-memory access: the fault is in the check "
		       "of an access\n");
		return;
	}
}

void kasan_explain_fault(u64 shadow)
{
	if (shadow < SHADOW_START || shadow >= SHADOW_END)
		return;
	printk("BUG: KASAN: wild-memory access: the fault is in the check of an access to %lx\n",
	       shadow_to_addr(shadow));
}
