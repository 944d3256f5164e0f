/* Kernel memory that is contiguous only virtually, with an unmapped guard page behind each area. */
#pragma once

#include "kernel/mm/page.h"

/* Read-write, not executable, not zeroed. NULL without memory. Process context. */
void *vmalloc(size_t size);
void vfree(const void *p); /* NULL is allowed. Process context */
/* kmalloc for what fits a few pages, vmalloc beyond. kvfree takes either. */
void *kvmalloc(size_t size, gfp_t gfp);
void kvfree(const void *p);

/* Maps device registers uncached. Never fails at boot (panics). */
volatile void *ioremap(u64 phys, size_t size);

/* A kernel stack of KSTACK_SIZE with a guard page below; its lowest address. Cached when freed. */
void *kstack_alloc(void);
void kstack_free(void *stack);
/* True if @addr lies in a guard page of a kernel stack (for the double-fault report). */
bool kstack_guard_hit(u64 addr);
