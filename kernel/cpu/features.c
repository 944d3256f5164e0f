/*
 * The control registers: which protections are on. Intel SDM volume 3, 2.5 ("Control registers").
 *
 *	CR0.WP       the kernel too respects read-only pages
 *	CR4.SMEP     the kernel does not execute user pages
 *	CR4.SMAP     nor touch them, but between stac and clac (kernel/mm/uaccess.h)
 *	CR4.UMIP     user mode cannot ask where the descriptor tables are
 *	CR4.FSGSBASE user mode may set its fs and gs base by itself (kernel/cpu/segments.c)
 */
#include "kernel/cpu/features.h"

#include "kernel/cpu/cpu.h"
#include "kernel/lib/string.h"

#define CPUID_1_ECX_XSAVE     BIT(26)
#define CPUID_7_EBX_FSGSBASE  BIT(0)
#define CPUID_7_EBX_SMEP      BIT(7)
#define CPUID_7_EBX_SMAP      BIT(20)
#define CPUID_7_ECX_UMIP      BIT(2)
#define CPUID_D1_EAX_XSAVEOPT BIT(0)

bool cpu_has_fsgsbase, cpu_has_smap, cpu_has_smep, cpu_has_xsave, cpu_has_xsaveopt;

void cpu_init(void)
{
	u32 max[4], r1[4], r7[4] = {0}, rd[4] = {0};
	u64 cr4 = read_cr4() | CR4_PGE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	cpuid(0, 0, max);
	cpuid(1, 0, r1);
	if (max[0] >= 7)
		cpuid(7, 0, r7);
	if (max[0] >= 0xd)
		cpuid(0xd, 1, rd);
	cpu_has_fsgsbase = r7[1] & CPUID_7_EBX_FSGSBASE;
	cpu_has_smep = r7[1] & CPUID_7_EBX_SMEP;
	cpu_has_smap = r7[1] & CPUID_7_EBX_SMAP;
	cpu_has_xsave = (r1[2] & CPUID_1_ECX_XSAVE) && max[0] >= 0xd;
	cpu_has_xsaveopt = cpu_has_xsave && (rd[0] & CPUID_D1_EAX_XSAVEOPT);

	if (cpu_has_fsgsbase)
		cr4 |= CR4_FSGSBASE;
	if (cpu_has_smep)
		cr4 |= CR4_SMEP;
	if (cpu_has_smap)
		cr4 |= CR4_SMAP;
	if (r7[2] & CPUID_7_ECX_UMIP)
		cr4 |= CR4_UMIP;
	if (cpu_has_xsave)
		cr4 |= CR4_OSXSAVE;
	write_cr4(cr4);
	write_cr0((read_cr0() | CR0_MP | CR0_NE | CR0_WP | CR0_AM) & ~(CR0_EM | CR0_TS));
}

const char *cpu_model_name(void)
{
	static char name[49];
	u32 r[4];

	cpuid(0x80000000, 0, r);
	if (r[0] < 0x80000004)
		return "x86-64";
	for (u32 i = 0; i < 3; i++) {
		cpuid(0x80000002 + i, 0, r);
		memcpy(name + 16 * i, r, 16);
	}
	return name;
}
