/*
 * The heart of the address sanitizer: shadow memory and the checks against it.
 *
 * Eight bytes of kernel memory, a granule, have one byte of shadow that says which of them may be
 * touched (enum shadow_code). The compiler puts a check in front of each load and store of the
 * kernel's C code: the byte at (address >> 3) + SHADOW_OFFSET must be 0, or larger than the last
 * byte's place in the granule. A check that fails calls one of the __asan_report functions below;
 * rare sizes are checked by __asan_loadN and __asan_storeN as a whole. Names and arguments of all
 * these functions are the compiler's ABI.
 *
 * Redzones around local variables are written by the compiler itself, in the prologue of their
 * function; those around globals are announced by constructors, which kasan_init() runs.
 *
 * What must not be checked, because it works on memory that nobody may touch, is compiled without
 * the checks: this room, the slab allocator, memcpy() and its kind, which check their arguments once
 * instead of each word (SAN_EXEMPT in boot/build.mk).
 *
 * LOCKING: none. A byte of shadow is written by whoever owns the memory that it stands for.
 */
#include "kernel/debug/kasan_internal.h"

/* Called by the compiler only, so no header declares them. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define MAX_GLOBAL_TABLES 512 /* one a file */

bool kasan_ready;

typedef u64 __attribute__((may_alias)) word;

void kasan_poison(u64 start, u64 bytes, u8 code)
{
	u8 *s = shadow_of(start), *end = shadow_of(start + bytes);
	u64 w = code * 0x0101010101010101ul;

	while (s < end && (u64)s % 8)
		*s++ = code;
	for (; s + 8 <= end; s += 8)
		*(volatile word *)s = w;
	while (s < end)
		*s++ = code;
}

void kasan_unpoison(u64 start, u64 bytes)
{
	kasan_poison(start, bytes & ~(GRANULE - 1), 0);
	if (bytes % GRANULE)
		*shadow_of(start + bytes) = bytes % GRANULE;
}

/* ---- checks ---- */

static __always_inline bool granule_good(u64 last)
{
	s8 s = (s8)*shadow_of(last);

	return likely(!s) || (s8)(last % GRANULE) < s;
}

/* Every granule but the last is to be good as a whole. */
static bool range_good(u64 addr, size_t n)
{
	u64 last = addr + n - 1;
	const u8 *s = shadow_of(addr), *end = shadow_of(last);

	while (s < end && (u64)s % 8)
		if (*s++)
			return false;
	for (; s + 8 <= end; s += 8)
		if (*(const word *)s)
			return false;
	while (s < end)
		if (*s++)
			return false;
	return granule_good(last);
}

static __always_inline void check(u64 addr, size_t n, bool write, u64 ip)
{
	if (unlikely(!kasan_ready || !n))
		return;
	if (likely(addr >= KERNEL_HALF && addr + n > addr && range_good(addr, n)))
		return;
	kasan_report(addr, n, write, ip);
}

#define CALLER ((u64)__builtin_return_address(0) - 1)

void kasan_check_read(const volatile void *p, size_t n)
{
	check((u64)p, n, false, CALLER);
}

void kasan_check_write(const volatile void *p, size_t n)
{
	check((u64)p, n, true, CALLER);
}

/* ---- what the compiler calls ---- */

void __asan_loadN_noabort(u64 addr, size_t n)
{
	check(addr, n, false, CALLER);
}

void __asan_storeN_noabort(u64 addr, size_t n)
{
	check(addr, n, true, CALLER);
}

#define ENTRY_POINTS(n) \
	void __asan_load##n##_noabort(u64 addr) \
	{ \
		check(addr, n, false, CALLER); \
	} \
	void __asan_store##n##_noabort(u64 addr) \
	{ \
		check(addr, n, true, CALLER); \
	} \
	void __asan_report_load##n##_noabort(u64 addr) \
	{ \
		kasan_report(addr, n, false, CALLER); \
	} \
	void __asan_report_store##n##_noabort(u64 addr) \
	{ \
		kasan_report(addr, n, true, CALLER); \
	}
ENTRY_POINTS(1)
ENTRY_POINTS(2)
ENTRY_POINTS(4)
ENTRY_POINTS(8)
ENTRY_POINTS(16)

void __asan_report_load_n_noabort(u64 addr, size_t n)
{
	kasan_report(addr, n, false, CALLER);
}

void __asan_report_store_n_noabort(u64 addr, size_t n)
{
	kasan_report(addr, n, true, CALLER);
}

/* Before a call that does not return. Stacks are cleaned when they get a new task instead. */
void __asan_handle_no_return(void)
{
}

void __asan_poison_stack_memory(u64 addr, size_t n)
{
	kasan_poison(addr, ALIGN_UP(n, GRANULE), SHADOW_STACK_SCOPE);
}

void __asan_unpoison_stack_memory(u64 addr, size_t n)
{
	kasan_unpoison(addr, n);
}

/* ---- globals ---- */

static struct {
	const struct asan_global *globals;
	size_t n;
} tables[MAX_GLOBAL_TABLES];
static unsigned nr_tables;

void __asan_register_globals(const struct asan_global *globals, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct asan_global *g = &globals[i];
		u64 end = ALIGN_UP(g->size, GRANULE);

		kasan_unpoison(g->start, g->size);
		kasan_poison(g->start + end, g->size_with_redzone - end, SHADOW_GLOBAL);
	}
	if (nr_tables < MAX_GLOBAL_TABLES) {
		tables[nr_tables].globals = globals;
		tables[nr_tables++].n = n;
	}
}

void __asan_unregister_globals(const struct asan_global *globals, size_t n)
{
}

const struct asan_global *kasan_find_global(u64 addr)
{
	for (unsigned t = 0; t < nr_tables; t++)
		for (size_t i = 0; i < tables[t].n; i++) {
			const struct asan_global *g = &tables[t].globals[i];

			if (addr >= g->start && addr < g->start + g->size_with_redzone)
				return g;
		}
	return NULL;
}

/* ---- pages and stacks ---- */

void kasan_free_pages(const void *va, unsigned order)
{
	kasan_poison((u64)va, PAGE_SIZE << order, SHADOW_PAGE_FREE);
}

void kasan_alloc_pages(const void *va, unsigned order)
{
	kasan_poison((u64)va, PAGE_SIZE << order, 0);
}

void kasan_vmalloc(const void *p, size_t size)
{
	u64 used = ALIGN_UP(size, GRANULE);

	kasan_unpoison((u64)p, size);
	kasan_poison((u64)p + used, PAGE_ALIGN(size) - used, SHADOW_VMALLOC);
}

void kasan_vfree(const void *p, size_t bytes)
{
	kasan_poison((u64)p, bytes, SHADOW_VMALLOC);
}

void kasan_stack_alloc(const void *stack, size_t bytes)
{
	kasan_poison((u64)stack, bytes, 0);
}

void kasan_stack_free(const void *stack, size_t bytes)
{
	kasan_poison((u64)stack + GRANULE, bytes - GRANULE, SHADOW_STACK_FREE);
	kasan_unpoison((u64)stack, GRANULE);
}
