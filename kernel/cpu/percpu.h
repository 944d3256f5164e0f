/*
 * Per-CPU variables. Each CPU has its own copy of section .percpu, and the gs base of a CPU in
 * kernel mode holds the distance from the section as linked to that CPU's copy. So %gs:variable is
 * "mine", in one instruction. The boot CPU's copy is the section itself (distance 0), which makes
 * per-CPU variables usable from the first instruction on.
 *
 * The kernel is never preempted in kernel mode (kernel/sched/README.md), so process context may
 * use a pointer from this_cpu_ptr() until it sleeps. An interrupt may come in between: variables
 * that interrupts change too are used with interrupts off or in one instruction (this_cpu_add).
 */
#pragma once

#include "kernel/lib/types.h"

#ifndef MAX_CPUS
#define MAX_CPUS 16
#endif

#define DEFINE_PER_CPU(type, name)  __attribute__((section(".percpu"))) typeof(type) name
#define DECLARE_PER_CPU(type, name) extern typeof(type) name

#define __this_cpu(var) (*(typeof(var) __seg_gs *)(uintptr_t) & (var))

#define this_cpu_read(var)     (__this_cpu(var))
#define this_cpu_write(var, v) ((void)(__this_cpu(var) = (v)))
/* One instruction, so an interrupt on this CPU cannot come between the load and the store. */
#define this_cpu_add(var, n) \
	do { \
		switch (sizeof(var)) { \
		case 4: \
			__asm__ volatile("addl %1, %%gs:%0" : "+m"(var) : "ri"((u32)(n)) : "cc"); \
			break; \
		default: \
			__asm__ volatile("addq %1, %%gs:%0" : "+m"(var) : "re"((s64)(n)) : "cc"); \
		} \
	} while (0)
#define this_cpu_inc(var) this_cpu_add(var, 1)

DECLARE_PER_CPU(u64, percpu_offset); /* the distance itself */
DECLARE_PER_CPU(int, cpu_number);

#define this_cpu_ptr(var)     ((typeof(var) *)((uintptr_t) & (var) + this_cpu_read(percpu_offset)))
#define per_cpu_ptr(var, cpu) ((typeof(var) *)((uintptr_t) & (var) + percpu_offsets[cpu]))
#define per_cpu(var, cpu)     (*per_cpu_ptr(var, cpu))

extern u64 percpu_offsets[MAX_CPUS];
extern int nr_cpus; /* CPUs that are up, numbered 0 to nr_cpus - 1 */

/* Boot CPU, before anything else: keeps the section as it was linked, for the others. */
void percpu_init(void);
/* The copy for CPU @cpu, as it was linked; its distance, or 0 without memory. Process context. */
u64 percpu_alloc_cpu(int cpu);

static inline int smp_processor_id(void)
{
	return this_cpu_read(cpu_number);
}

#define for_each_cpu(cpu) for (int cpu = 0; cpu < nr_cpus; cpu++)
