/* Per-CPU copies of section .percpu; see percpu.h for how they are reached. */
#include "kernel/cpu/percpu.h"

#include "kernel/lib/sections.h"
#include "kernel/lib/string.h"
#include "kernel/mm/page.h"

DEFINE_PER_CPU(u64, percpu_offset);
DEFINE_PER_CPU(int, cpu_number);

u64 percpu_offsets[MAX_CPUS]; /* the boot CPU's is 0 */
int nr_cpus = 1;

static size_t percpu_size(void)
{
	return __percpu_end - __percpu_start;
}

void percpu_init(void)
{
	memcpy(__percpu_template, __percpu_start, percpu_size());
}

u64 percpu_alloc_cpu(int cpu)
{
	unsigned order = 0;
	struct page *p;
	char *copy;

	while ((PAGE_SIZE << order) < percpu_size())
		order++;
	p = alloc_pages(order, GFP_KERNEL);
	if (!p)
		return 0;
	copy = page_address(p);
	memcpy(copy, __percpu_template, percpu_size());
	percpu_offsets[cpu] = copy - __percpu_start;
	per_cpu(percpu_offset, cpu) = percpu_offsets[cpu];
	per_cpu(cpu_number, cpu) = cpu;
	return percpu_offsets[cpu];
}
