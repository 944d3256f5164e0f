/*
 * Several CPUs: how they are started (smp.c) and how one makes another do something (ipi.c).
 *
 * CPUs are numbered 0 to nr_cpus - 1 in the order in which they came up; the boot CPU is 0.
 */
#pragma once

#include "kernel/cpu/percpu.h"

struct boot_info;
struct pt_regs;

/*
 * Starts the CPUs that ACPI has named, up to MAX_CPUS or maxcpus= of the command line. Those that
 * do not answer are left out, with a line in the log. Once, process context, before anybody asks
 * for_each_cpu() for a list to keep.
 */
void smp_init(const struct boot_info *bi);

/* The CPUs that are up, a bit each. */
static inline u64 online_cpus(void)
{
	return nr_cpus == 64 ? ~0ul : BIT(nr_cpus) - 1;
}

/*
 * Calls on other CPUs. @fn runs there in hard-interrupt context, so it does not sleep and takes
 * only locks that are always taken with interrupts off. With @wait the call returns when all have
 * returned from @fn; without it, @arg must stay valid for as long as it takes.
 *
 * Two CPUs that wait for each other with interrupts off never get an answer, nor does one that
 * holds a lock for which the other spins with interrupts off. Hence, for the caller: process or
 * softirq context, interrupts on, and no lock held that anybody takes with interrupts off. The
 * first two are checked.
 */
void smp_call_function_single(int cpu, void (*fn)(void *arg), void *arg, bool wait);
/* On each CPU of @mask that is up, but for the caller's own. */
void smp_call_function_many(u64 mask, void (*fn)(void *arg), void *arg, bool wait);
/* On all, here too, always with interrupts off; returns when all are through. */
void on_each_cpu(void (*fn)(void *arg), void *arg);

/* VECTOR_CALL: runs what the others have asked for. Hard interrupt. */
void smp_call_interrupt(void);
u64 smp_call_count(int cpu);      /* how often that was */
u64 tlb_shootdown_count(int cpu); /* how often @cpu has flushed because another told it to */

/*
 * For a panic. Stops all other CPUs for good, by VECTOR_STOP, and by NMI those that have interrupts
 * off. Interrupts off; returns within about a second.
 */
void smp_stop_others(void);
/* Has smp_stop_others() been called? Then an NMI means: stop. */
bool smp_stopping(void);
/* What a CPU does that was told to; @regs is where it was. */
void smp_stop_here(const struct pt_regs *regs) __noreturn;
/* Says where the others were when they stopped. */
void smp_show_others(void);
