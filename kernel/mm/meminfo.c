/* /proc/meminfo and /proc/vmstat, in the form that free(1), top(1) and vmstat(8) read: proc(5). */
#include "kernel/debug/kasan.h"
#include "kernel/lib/seq.h"
#include "kernel/mm/internal.h"

u64 nr_pages_accounted(void)
{
	return nr_free_pages() + (u64)vm_stat_read(VM_STAT_SLAB) + kasan_shadow_pages();
}

struct line {
	const char *name;
	u64 pages;
};

static void meminfo_show(struct seq *s)
{
	u64 free = nr_free_pages(), shmem = vm_stat_read(VM_STAT_SHMEM);
	const struct line lines[] = {
		{"MemTotal:", total_pages},
		{"MemFree:", free},
		{"MemAvailable:", free > reserve_pages ? free - reserve_pages : 0},
		{"Buffers:", 0},
		{"Cached:", shmem},
		{"SwapCached:", 0},
		{"SwapTotal:", 0},
		{"SwapFree:", 0},
		{"Dirty:", 0},
		{"Writeback:", 0},
		{"AnonPages:", vm_stat_read(VM_STAT_ANON)},
		{"Shmem:", shmem},
		{"Slab:", vm_stat_read(VM_STAT_SLAB)},
		{"SReclaimable:", 0},
		{"SUnreclaim:", vm_stat_read(VM_STAT_SLAB)},
		{"KernelStack:", vm_stat_read(VM_STAT_KSTACK)},
		{"PageTables:", vm_stat_read(VM_STAT_TABLES)},
		{"CommitLimit:", vm_commit_limit()},
		{"Committed_AS:", vm_stat_read(VM_STAT_COMMITTED)},
		{"VmallocTotal:", (VMALLOC_END - VMALLOC_START) >> PAGE_SHIFT},
		{"VmallocUsed:", vm_stat_read(VM_STAT_VMALLOC)},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
		seq_printf(s, "%-16s%8lu kB\n", lines[i].name, lines[i].pages << (PAGE_SHIFT - 10));
}
PROC_ENTRY(meminfo, "meminfo", meminfo_show);

static void vmstat_show(struct seq *s)
{
	static const struct {
		const char *name;
		enum vm_stat item;
	} lines[] = {
		{"nr_anon_pages", VM_STAT_ANON},         {"nr_shmem", VM_STAT_SHMEM},
		{"nr_slab_unreclaimable", VM_STAT_SLAB}, {"nr_page_table_pages", VM_STAT_TABLES},
		{"nr_kernel_stack", VM_STAT_KSTACK},
	};

	seq_printf(s, "nr_free_pages %lu\n", nr_free_pages());
	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
		seq_printf(s, "%s %lu\n", lines[i].name, vm_stat_read(lines[i].item));
}
PROC_ENTRY(vmstat, "vmstat", vmstat_show);
