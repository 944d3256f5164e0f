/*
 * Interrupt controllers.
 *
 * The local APIC of each CPU is a page of registers at the same address on all of them: it holds
 * the timer, sends interrupts to other CPUs and is told when an interrupt has been dealt with. The
 * I/O APIC turns a wire (global system interrupt, gsi) into a vector on a CPU, as its redirection
 * table says. Intel SDM volume 3, chapter 11, and the 82093AA data sheet, section 3.
 *
 * Cost: each access to a register is dear, above all under emulation. An interrupt costs one (the
 * end of interrupt), arming the timer costs one.
 *
 * LOCKING: an I/O APIC's registers are reached through an index and a window, so ioapic_lock
 * (interrupts off) covers each pair of accesses. A local APIC is used by its own CPU only, with
 * interrupts off where two accesses belong together (send_icr).
 */
#include "kernel/cpu/apic.h"

#include "kernel/cpu/acpi.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/percpu.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/mm/vmalloc.h"
#include "kernel/sched/spinlock.h"
#include "kernel/time/ktime.h"

/* Local APIC registers (SDM table 11-1). */
#define LAPIC_ID            0x020
#define LAPIC_TPR           0x080
#define LAPIC_EOI           0x0b0
#define LAPIC_SVR           0x0f0
#define LAPIC_ICR_LOW       0x300
#define LAPIC_ICR_HIGH      0x310
#define LAPIC_LVT_TIMER     0x320
#define LAPIC_LVT_LINT0     0x350
#define LAPIC_LVT_LINT1     0x360
#define LAPIC_LVT_ERROR     0x370
#define LAPIC_INITIAL_COUNT 0x380
#define LAPIC_CURRENT_COUNT 0x390
#define LAPIC_DIVIDE        0x3e0

#define SVR_ENABLE       BIT(8)
#define LVT_MASKED       BIT(16)
#define LVT_NMI          (4u << 8)
#define ICR_NMI          (4u << 8) /* delivery modes; 0 is the vector as it is */
#define ICR_INIT         (5u << 8)
#define ICR_STARTUP      (6u << 8)
#define ICR_PENDING      BIT(12)
#define ICR_ASSERT       BIT(14)
#define ICR_SELF         BIT(18) /* destination shorthand: needs no ICR_HIGH */
#define DIVIDE_BY_16     0x3
#define APIC_BASE_ENABLE BIT(11)

/* I/O APIC registers. */
#define IOAPIC_INDEX     0x00
#define IOAPIC_WINDOW    0x10
#define IOAPIC_VERSION   0x01 /* bits 16-23: number of the last entry */
#define IOAPIC_REDIR(n)  (0x10 + 2 * (n))
#define REDIR_ACTIVE_LOW BIT(13)
#define REDIR_LEVEL      BIT(15)
#define REDIR_MASKED     BIT(16)

/* The 8259A pair, which is told to be quiet. */
#define PIC1_CMD  0x20
#define PIC1_DATA 0x21
#define PIC2_CMD  0xa0
#define PIC2_DATA 0xa1

struct ioapic {
	volatile u8 *regs; /* [I] */
	u32 gsi_base, nr;  /* [I] */
};

static volatile u8 *lapic;                 /* [I] */
static struct ioapic ioapics[MAX_IOAPICS]; /* [I] */
static int nr_ioapics;                     /* [I] */
static DEFINE_SPINLOCK(ioapic_lock);
static DEFINE_PER_CPU(u8, apic_id);

static u64 timer_mult;   /* [I] timer counts per ns, times 2^32 */
static u64 timer_max_ns; /* [I] */

static u32 lapic_read(u32 reg)
{
	return readl(lapic + reg);
}

static void lapic_write(u32 reg, u32 v)
{
	writel(v, lapic + reg);
}

static u32 ioapic_read(const struct ioapic *io, u8 reg)
{
	writel(reg, io->regs + IOAPIC_INDEX);
	return readl(io->regs + IOAPIC_WINDOW);
}

static void ioapic_write(const struct ioapic *io, u8 reg, u32 v)
{
	writel(reg, io->regs + IOAPIC_INDEX);
	writel(v, io->regs + IOAPIC_WINDOW);
}

/*
 * The PICs come up with vectors among the exceptions, and even when masked can raise a spurious
 * interrupt: move them to 0x20-0x2f, which do_trap() ignores, and mask all lines (8259A data sheet,
 * initialization command words 1 to 4).
 */
static __init void disable_pics(void)
{
	outb(PIC1_CMD, 0x11);
	outb(PIC2_CMD, 0x11);
	outb(PIC1_DATA, 0x20);
	outb(PIC2_DATA, 0x28);
	outb(PIC1_DATA, 0x04);
	outb(PIC2_DATA, 0x02);
	outb(PIC1_DATA, 0x01);
	outb(PIC2_DATA, 0x01);
	outb(PIC1_DATA, 0xff);
	outb(PIC2_DATA, 0xff);
}

static __init void ioapic_init(struct ioapic *io, const struct acpi_ioapic *a)
{
	io->regs = ioremap(a->addr, 0x20);
	io->gsi_base = a->gsi_base;
	io->nr = (ioapic_read(io, IOAPIC_VERSION) >> 16 & 0xff) + 1;
	for (u32 i = 0; i < io->nr; i++)
		ioapic_write(io, IOAPIC_REDIR(i), REDIR_MASKED);
}

__init void apic_init(void)
{
	disable_pics();
	lapic = ioremap(acpi.lapic_addr, PAGE_SIZE);
	for (; nr_ioapics < acpi.nr_ioapics; nr_ioapics++)
		ioapic_init(&ioapics[nr_ioapics], &acpi.ioapics[nr_ioapics]);
}

void apic_init_cpu(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE);
	lapic_write(LAPIC_TPR, 0);
	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED);
	lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
	lapic_write(LAPIC_LVT_LINT1, LVT_NMI);
	lapic_write(LAPIC_LVT_ERROR, LVT_MASKED);
	lapic_write(LAPIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
	lapic_write(LAPIC_DIVIDE, DIVIDE_BY_16);
	lapic_write(LAPIC_INITIAL_COUNT, 0);
	lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER); /* one-shot */
	this_cpu_write(apic_id, lapic_read(LAPIC_ID) >> 24);
}

/*
 * The timer's count and the time, at the same moment: of some readings the one that took least,
 * because the host may take the CPU away in the middle of one.
 */
static __init u32 timer_sample(u64 *when)
{
	u64 best = ~0ull;
	u32 count = 0;

	for (int i = 0; i < 8; i++) {
		u64 before = ktime_get();
		u32 c = lapic_read(LAPIC_CURRENT_COUNT);
		u64 took = ktime_get() - before;

		if (took < best) {
			best = took;
			*when = before + took / 2;
			count = c;
		}
	}
	return count;
}

__init void apic_timer_calibrate(void)
{
	u64 t0 = 0, t1 = 0;
	u32 c0, c1;

	lapic_write(LAPIC_LVT_TIMER, LVT_MASKED);
	lapic_write(LAPIC_INITIAL_COUNT, ~0u);
	c0 = timer_sample(&t0);
	while (ktime_get() - t0 < 2 * NSEC_PER_MSEC)
		cpu_relax();
	c1 = timer_sample(&t1);
	lapic_write(LAPIC_INITIAL_COUNT, 0);
	lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER);
	timer_mult = ((u64)(c0 - c1) << 32) / (t1 - t0);
	if (!timer_mult)
		panic("the local APIC's timer stands still");
	timer_max_ns = ~0ull / timer_mult;
}

void apic_timer_arm(u64 ns)
{
	u64 count = 0;

	if (ns) {
		/* Rounded up, so that it is not early; a far time comes in several turns. */
		count = (min(ns, timer_max_ns - 1) * timer_mult >> 32) + 1;
		count = min(count, (u64)~0u);
	}
	lapic_write(LAPIC_INITIAL_COUNT, count);
}

void apic_eoi(void)
{
	lapic_write(LAPIC_EOI, 0);
}

static void send_icr(u8 dest, u32 low)
{
	u64 flags;

	local_irq_save(flags);
	while (lapic_read(LAPIC_ICR_LOW) & ICR_PENDING)
		cpu_relax();
	lapic_write(LAPIC_ICR_HIGH, (u32)dest << 24);
	lapic_write(LAPIC_ICR_LOW, ICR_ASSERT | low);
	local_irq_restore(flags);
}

void apic_send_ipi(int cpu, u8 vector)
{
	send_icr(per_cpu(apic_id, cpu), vector);
}

void apic_interrupt_self(u8 vector)
{
	lapic_write(LAPIC_ICR_LOW, ICR_SELF | ICR_ASSERT | vector);
}

void apic_send_nmi(int cpu)
{
	send_icr(per_cpu(apic_id, cpu), ICR_NMI);
}

u8 apic_id_of(int cpu)
{
	return per_cpu(apic_id, cpu);
}

__init void apic_send_init(u8 apic_id)
{
	send_icr(apic_id, ICR_INIT);
}

__init void apic_send_startup(u8 apic_id, u64 page)
{
	send_icr(apic_id, ICR_STARTUP | (u32)(page >> PAGE_SHIFT));
}

static struct ioapic *ioapic_of(u32 gsi)
{
	for (int i = 0; i < nr_ioapics; i++)
		if (gsi - ioapics[i].gsi_base < ioapics[i].nr)
			return &ioapics[i];
	return NULL;
}

void ioapic_route(u32 gsi, u8 vector, int cpu, bool level, bool active_low)
{
	struct ioapic *io = ioapic_of(gsi);
	u32 low = vector;
	u64 flags;

	if (!io) {
		printk("ioapic: nobody has interrupt %u\n", gsi);
		return;
	}
	if (level)
		low |= REDIR_LEVEL;
	if (active_low)
		low |= REDIR_ACTIVE_LOW;
	spin_lock_irqsave(&ioapic_lock, flags);
	/* Masked while the two halves do not belong together. */
	ioapic_write(io, IOAPIC_REDIR(gsi - io->gsi_base), REDIR_MASKED);
	ioapic_write(io, IOAPIC_REDIR(gsi - io->gsi_base) + 1, (u32)per_cpu(apic_id, cpu) << 24);
	ioapic_write(io, IOAPIC_REDIR(gsi - io->gsi_base), low);
	spin_unlock_irqrestore(&ioapic_lock, flags);
}

void ioapic_mask(u32 gsi, bool mask)
{
	struct ioapic *io = ioapic_of(gsi);
	u64 flags;
	u32 low;

	if (!io)
		return;
	spin_lock_irqsave(&ioapic_lock, flags);
	low = ioapic_read(io, IOAPIC_REDIR(gsi - io->gsi_base)) & ~REDIR_MASKED;
	ioapic_write(io, IOAPIC_REDIR(gsi - io->gsi_base), mask ? low | REDIR_MASKED : low);
	spin_unlock_irqrestore(&ioapic_lock, flags);
}
