/*
 * /proc/cpuinfo, as Linux words it: what CPUID says, a block of lines for each CPU (proc(5)).
 *
 * All CPUs are taken to be alike, so whichever CPU runs the reader is asked. `flags` names what
 * programs may use: what CPUID has and the kernel has not left switched off (features.c, fpu.c).
 *
 * Leaves and bits: Intel SDM volume 2, CPUID; AMD's APM volume 3, appendix E for 0x80000001 and
 * 0x80000008. The names are Linux's.
 */
#include "kernel/cpu/apic.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/fpu.h"
#include "kernel/cpu/percpu.h"
#include "kernel/lib/seq.h"
#include "kernel/lib/string.h"
#include "kernel/time/ktime.h"

enum { EAX, EBX, ECX, EDX };

/* Names of the bits of one register of one leaf; NULL: no flag, or one that is switched off. */
struct flag_word {
	u32 leaf, sub;
	int reg;
	const char *name[32];
};

/* clang-format off */
static const struct flag_word words[] = {
	{1, 0, EDX, {
		"fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce",
		"cx8", "apic", NULL, "sep", "mtrr", "pge", "mca", "cmov",
		"pat", "pse36", "pn", "clflush", NULL, "dts", "acpi", "mmx",
		"fxsr", "sse", "sse2", "ss", "ht", "tm", "ia64", "pbe"}},
	{0x80000001, 0, EDX, {
		[11] = "syscall", [19] = "mp", [20] = "nx", [22] = "mmxext", [25] = "fxsr_opt",
		[26] = "pdpe1gb", [27] = "rdtscp", [29] = "lm", [30] = "3dnowext", [31] = "3dnow"}},
	{1, 0, ECX, {
		"pni", "pclmulqdq", "dtes64", "monitor", "ds_cpl", "vmx", "smx", "est",
		"tm2", "ssse3", "cid", "sdbg", "fma", "cx16", "xtpr", "pdcm",
		NULL, "pcid", "dca", "sse4_1", "sse4_2", "x2apic", "movbe", "popcnt",
		"tsc_deadline_timer", "aes", "xsave", NULL, "avx", "f16c", "rdrand", "hypervisor"}},
	{0x80000001, 0, ECX, {
		"lahf_lm", "cmp_legacy", "svm", "extapic", "cr8_legacy", "abm", "sse4a", "misalignsse",
		"3dnowprefetch", "osvw", "ibs", "xop", "skinit", "wdt", NULL, "lwp",
		"fma4", "tce", [21] = "tbm", [22] = "topoext"}},
	{7, 0, EBX, {
		"fsgsbase", "tsc_adjust", NULL, "bmi1", "hle", "avx2", NULL, "smep",
		"bmi2", "erms", "invpcid", "rtm", NULL, NULL, NULL, NULL,
		"avx512f", "avx512dq", "rdseed", "adx", "smap", "avx512ifma", NULL, "clflushopt",
		"clwb", NULL, "avx512pf", "avx512er", "avx512cd", "sha_ni", "avx512bw", "avx512vl"}},
	{7, 0, ECX, { /* bits 3 and 4, protection keys, are off */
		[1] = "avx512vbmi", [2] = "umip", [6] = "avx512_vbmi2", [8] = "gfni", [9] = "vaes",
		[10] = "vpclmulqdq", [11] = "avx512_vnni", [12] = "avx512_bitalg",
		[14] = "avx512_vpopcntdq", [16] = "la57", [22] = "rdpid"}},
	{0xd, 1, EAX, {"xsaveopt", "xsavec", "xgetbv1"}},
};
/* clang-format on */

#define XFEATURE_AVX    0x04ull
#define XFEATURE_AVX512 0xe0ull

static u32 cpuid_reg(u32 leaf, u32 sub, int reg)
{
	u32 r[4];

	cpuid(leaf & 0x80000000, 0, r);
	if (r[EAX] < leaf)
		return 0;
	cpuid(leaf, sub, r);
	return r[reg];
}

/* A vector extension is of no use without its registers being saved. */
static bool usable(const char *name)
{
	if (!strncmp(name, "avx512", 6))
		return fpu_features & XFEATURE_AVX512;
	if (!strncmp(name, "avx", 3) || !strcmp(name, "fma") || !strcmp(name, "f16c"))
		return fpu_features & XFEATURE_AVX;
	return true;
}

static void show_flags(struct seq *s)
{
	seq_printf(s, "flags\t\t:");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const struct flag_word *w = &words[i];
		u32 have = cpuid_reg(w->leaf, w->sub, w->reg);

		for (int bit = 0; bit < 32; bit++)
			if ((have >> bit & 1) && w->name[bit] && usable(w->name[bit]))
				seq_printf(s, " %s", w->name[bit]);
	}
	seq_printf(s, "\n");
}

/* Family and model have a second part for large numbers: CPUID leaf 1, "version information". */
static void show_version(struct seq *s)
{
	u32 v = cpuid_reg(1, 0, EAX);
	u32 family = v >> 8 & 0xf, model = v >> 4 & 0xf;

	if (family >= 6)
		model |= (v >> 16 & 0xf) << 4;
	if (family == 0xf)
		family += v >> 20 & 0xff;
	seq_printf(s, "cpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\nstepping\t: %u\n", family,
		   model, cpu_model_name(), v & 0xf);
}

static void show_vendor(struct seq *s)
{
	u32 r[4];
	char name[13];

	cpuid(0, 0, r);
	memcpy(name, &r[EBX], 4);
	memcpy(name + 4, &r[EDX], 4);
	memcpy(name + 8, &r[ECX], 4);
	name[12] = '\0';
	seq_printf(s, "vendor_id\t: %s\n", name);
}

static void show_cpu(struct seq *s, int cpu)
{
	u32 sizes = cpuid_reg(0x80000008, 0, EAX);
	u32 line = (cpuid_reg(1, 0, EBX) >> 8 & 0xff) * 8; /* CLFLUSH line, in units of 8 bytes */

	seq_printf(s, "processor\t: %d\n", cpu);
	show_vendor(s);
	show_version(s);
	seq_printf(s, "cpu MHz\t\t: %lu.%03lu\n", tsc_khz / 1000, tsc_khz % 1000);
	seq_printf(s, "physical id\t: 0\nsiblings\t: %d\ncore id\t\t: %d\ncpu cores\t: %d\n",
		   nr_cpus, cpu, nr_cpus);
	seq_printf(s, "apicid\t\t: %u\ninitial apicid\t: %u\n", apic_id_of(cpu), apic_id_of(cpu));
	seq_printf(s, "fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\n",
		   cpuid_reg(0, 0, EAX));
	show_flags(s);
	/* Linux's measure of a delay loop, which with a TSC is two turns a tick. */
	seq_printf(s, "bogomips\t: %lu.%02lu\n", tsc_khz / 500, tsc_khz / 5 % 100);
	seq_printf(s, "clflush size\t: %u\ncache_alignment\t: %u\n", line, line);
	seq_printf(s, "address sizes\t: %u bits physical, %u bits virtual\n", sizes & 0xff,
		   sizes >> 8 & 0xff);
	seq_printf(s, "power management:\n\n");
}

static void cpuinfo_show(struct seq *s)
{
	for_each_cpu(cpu) show_cpu(s, cpu);
}
PROC_ENTRY(cpuinfo, "cpuinfo", cpuinfo_show);
