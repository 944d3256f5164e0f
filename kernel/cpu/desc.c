/*
 * GDT, TSS and IDT.
 *
 * In 64-bit mode segments do nothing but hold a privilege level, so the GDT is the same five
 * descriptors on every CPU, and three that differ: the TSS, which tells the CPU where kernel stacks
 * are, the LDT of the process that runs (kernel/cpu/ldt.c), and one whose limit is the CPU's number,
 * for user mode to ask (LSL). The order of the user's descriptors is what SYSRET computes from
 * MSR_STAR.
 *
 * User mode may go to 32-bit code by a far jump, but the way into the kernel is that of 64-bit programs:
 * from there SYSCALL gives ENOSYS, and SYSENTER and int 0x80 are general protection faults.
 *
 * A trap from user mode starts on TSS.rsp0, the current task's kernel stack. A trap in kernel mode
 * goes on using the stack it finds, except for three that cannot trust it: NMI, double fault and
 * machine check have stacks of their own (IST). Their top words hold the CPU's gs base for
 * paranoid_common in entry.asm.
 *
 * Every gate is an interrupt gate: handlers start with interrupts off.
 */
#include "kernel/cpu/desc.h"

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/ptrace.h"
#include "kernel/lib/init.h"

/* Descriptor bits of the SDM's figures 3-8 and 7-4, as far as 64-bit mode reads them. */
#define SEG_KERNEL_CODE 0x00af9b000000ffffull /* L, P, DPL 0, execute and read, accessed */
#define SEG_KERNEL_DATA 0x00cf93000000ffffull
#define SEG_USER_CODE   0x00affb000000ffffull /* DPL 3 */
#define SEG_USER_CODE32 0x00cffb000000ffffull /* D instead of L */
#define SEG_USER_DATA   0x00cff3000000ffffull
#define SEG_TSS_PRESENT 0x0000890000000000ull /* available 64-bit TSS */
#define SEG_LDT_PRESENT 0x0000820000000000ull
#define SEG_USER_LIMIT  0x0040f10000000000ull /* DPL 3, read-only data; the limit, in bytes, is 0 */

#define GATE_INTERRUPT 0x8e
#define GATE_DPL3      0x60
#define STUB_SIZE      16

struct gate {
	u16 offset_low, selector;
	u8 ist, type;
	u16 offset_mid;
	u32 offset_high, reserved;
} __packed;

struct table_pointer {
	u16 limit;
	u64 base;
} __packed;

struct system_segment {
	u64 low, high;
};

struct gdt {
	u64 null, unused8, kernel_cs, kernel_ds, user_cs32, user_ds, user_cs, unused38;
	struct system_segment tss, ldt;
	u64 unused60[3]; /* Linux has the segments of 32-bit threads there */
	u64 cpu_number;
};

extern const u8 trap_stubs[256][STUB_SIZE];
void syscall_entry(void);
void syscall_entry32(void);

static struct gate idt[256] __aligned(4096);

static DEFINE_PER_CPU(struct gdt, cpu_gdt);
DEFINE_PER_CPU(struct tss, cpu_tss);
DEFINE_PER_CPU(u64, cpu_kernel_stack);
DEFINE_PER_CPU(u32, cpu_syscall_limit);
DEFINE_PER_CPU(u64, cpu_user_rsp); /* syscall_entry's, for two instructions */

/* User programs may raise these themselves: int3 and into. */
static bool user_may_raise(int vector)
{
	return vector == 3 || vector == 4;
}

static enum ist ist_of(int vector)
{
	switch (vector) {
	case 2:
		return IST_NMI;
	case 8:
		return IST_DOUBLE_FAULT;
	case 18:
		return IST_MACHINE_CHECK;
	}
	return IST_NONE;
}

__init void idt_init(void)
{
	for (int v = 0; v < 256; v++) {
		u64 stub = (u64)trap_stubs[v];

		idt[v] = (struct gate){
			.offset_low = (u16)stub,
			.selector = GDT_KERNEL_CS,
			.ist = ist_of(v),
			.type = GATE_INTERRUPT | (user_may_raise(v) ? GATE_DPL3 : 0),
			.offset_mid = (u16)(stub >> 16),
			.offset_high = (u32)(stub >> 32),
		};
	}
}

static void load_gdt(struct gdt *gdt)
{
	struct table_pointer p = {sizeof(*gdt) - 1, (u64)gdt};

	__asm__ volatile("lgdt %0\n\t"
			 "pushq %1\n\t" /* a far return is the way to load cs */
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\n\t"
			 "movl %2, %%ss\n\t"
			 "movl %3, %%ds\n\t"
			 "movl %3, %%es\n\t"
			 "movl %3, %%fs\n\t"
			 : /* gs stays: loading it would clear its base */
			 : "m"(p), "i"(GDT_KERNEL_CS), "r"(GDT_KERNEL_DS), "r"(0)
			 : "rax", "memory");
}

/* A segment of up to 64 KiB that the CPU alone uses. */
static struct system_segment system_segment(u64 type, const void *at, u64 size)
{
	u64 base = (u64)at;

	return (struct system_segment){
		.low = type | (size - 1) | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56,
		.high = base >> 32,
	};
}

static void load_tss(struct gdt *gdt, u8 *ist_stacks)
{
	struct tss *tss = this_cpu_ptr(cpu_tss);

	for (int i = 1; i <= NR_ISTS; i++) {
		u64 *top = (u64 *)(ist_stacks + i * IST_STACK_SIZE) - 2;

		*top = this_cpu_read(percpu_offset);
		tss->ist[i - 1] = (u64)top;
	}
	tss->iomap_base = sizeof(*tss); /* beyond the limit: no port is allowed to user mode */
	gdt->tss = system_segment(SEG_TSS_PRESENT, tss, sizeof(*tss));
	__asm__ volatile("ltr %w0" ::"r"(GDT_TSS));
}

void desc_load_ldt(const u64 *entries, u64 count)
{
	if (count)
		this_cpu_ptr(cpu_gdt)->ldt = system_segment(SEG_LDT_PRESENT, entries, count * 8);
	__asm__ volatile("lldt %w0" ::"r"(count ? GDT_LDT : 0) : "memory");
}

void desc_init_cpu(u8 *ist_stacks)
{
	struct gdt *gdt = this_cpu_ptr(cpu_gdt);
	struct table_pointer idtr = {sizeof(idt) - 1, (u64)idt};

	*gdt = (struct gdt){
		.kernel_cs = SEG_KERNEL_CODE,
		.kernel_ds = SEG_KERNEL_DATA,
		.user_cs32 = SEG_USER_CODE32,
		.user_ds = SEG_USER_DATA,
		.user_cs = SEG_USER_CODE,
		.cpu_number = SEG_USER_LIMIT | (u64)smp_processor_id(),
	};
	load_gdt(gdt);
	load_tss(gdt, ist_stacks);
	desc_load_ldt(NULL, 0); /* a reset leaves one of 64 KiB at address 0 */
	__asm__ volatile("lidt %0" ::"m"(idtr));

	/* SYSCALL loads cs from bits 32-47; SYSRET computes ss and cs from bits 48-63, + 8 and + 16. */
	wrmsr(MSR_STAR, (u64)((GDT_USER_DS - 8) | 3) << 48 | (u64)GDT_KERNEL_CS << 32);
	wrmsr(MSR_LSTAR, (u64)syscall_entry);
	wrmsr(MSR_CSTAR, (u64)syscall_entry32);
	wrmsr(MSR_SYSENTER_CS, 0);
	wrmsr(MSR_SYSCALL_MASK,
	      X86_EFLAGS_IF | X86_EFLAGS_DF | X86_EFLAGS_TF | X86_EFLAGS_NT | X86_EFLAGS_AC);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
}
