/*
 * PCI. Firmware has already numbered the buses and given each device its addresses; this file finds
 * the devices and hands them to their drivers.
 *
 * Registers and bits are those of the PCI Local Bus Specification 3.0: chapter 6 (configuration
 * space, base address registers), 3.2.2.3.2 (configuration mechanism #1: the address goes to port
 * CONFIG_ADDRESS, then the data is at CONFIG_DATA). Bridges are followed by their secondary bus
 * number.
 *
 * Interrupts: a device pulls one of four lines, which the chip set routes to an input of the
 * interrupt controller. Which one is written in ACPI's _PRT method, whose language we do not speak.
 * On the machine this kernel is for (QEMU's "pc", the PIIX3) the route is the one that firmware has
 * programmed for the old interrupt controllers, and INTERRUPT_LINE tells it: number N is I/O APIC
 * input N, level-triggered, with the polarity of the MADT's override, if there is one for N, else
 * active low as PCI's lines are. On a chip set that routes PCI to inputs above 15 (q35) this is
 * wrong, and a driver will wait for its interrupt in vain.
 *
 * LOCKING: config_lock makes the pair of port accesses one; any context. The table of devices is
 * made at boot and does not change.
 */
#include "drivers/pci.h"

#include "kernel/abi/errno.h"
#include "kernel/cpu/apic.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/mm/vmalloc.h"
#include "kernel/sched/spinlock.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  0x80000000u

#define BAR_IO       0x1u
#define BAR_TYPE_64  0x4u
#define BAR_MEM_MASK (~0xfull)

#define MAX_PCI_DEVS  64
#define MAX_PCI_DEPTH 8 /* bridges behind bridges */
#define NO_VENDOR     0xffff

static DEFINE_SPINLOCK(config_lock);
static struct pci_dev devs[MAX_PCI_DEVS]; /* [I] */
static int nr_devs;

static u32 config_address(const struct pci_dev *d, u8 reg)
{
	return CONFIG_ENABLE | (u32)d->bus << 16 | (u32)d->dev << 11 | (u32)d->fn << 8 |
	       (reg & ~3u);
}

u32 pci_read32(const struct pci_dev *d, u8 reg)
{
	u64 flags;
	u32 v;

	spin_lock_irqsave(&config_lock, flags);
	outl(CONFIG_ADDRESS, config_address(d, reg));
	v = inl(CONFIG_DATA);
	spin_unlock_irqrestore(&config_lock, flags);
	return v;
}

u16 pci_read16(const struct pci_dev *d, u8 reg)
{
	return (u16)(pci_read32(d, reg) >> (reg & 2) * 8);
}

u8 pci_read8(const struct pci_dev *d, u8 reg)
{
	return (u8)(pci_read32(d, reg) >> (reg & 3) * 8);
}

void pci_write32(const struct pci_dev *d, u8 reg, u32 v)
{
	u64 flags;

	spin_lock_irqsave(&config_lock, flags);
	outl(CONFIG_ADDRESS, config_address(d, reg));
	outl(CONFIG_DATA, v);
	spin_unlock_irqrestore(&config_lock, flags);
}

void pci_write16(const struct pci_dev *d, u8 reg, u16 v)
{
	u64 flags;

	spin_lock_irqsave(&config_lock, flags);
	outl(CONFIG_ADDRESS, config_address(d, reg));
	outw(CONFIG_DATA + (reg & 2), v);
	spin_unlock_irqrestore(&config_lock, flags);
}

static void __init scan_bus(u8 bus, int depth);

/* Reads one function into the table; true if there is one. */
static bool __init scan_function(struct pci_dev at, int depth)
{
	at.vendor = pci_read16(&at, PCI_VENDOR_ID);
	if (at.vendor == NO_VENDOR)
		return false;
	at.device = pci_read16(&at, PCI_DEVICE_ID);
	at.class = pci_read32(&at, PCI_CLASS_REVISION) >> 8;
	at.irq_line = pci_read8(&at, PCI_INTERRUPT_LINE);
	if (nr_devs == MAX_PCI_DEVS) {
		printk("pci: more than %d devices\n", MAX_PCI_DEVS);
		return true;
	}
	devs[nr_devs++] = at;
	if ((pci_read8(&at, PCI_HEADER_TYPE) & ~PCI_HEADER_TYPE_MULTI) == PCI_HEADER_TYPE_BRIDGE &&
	    depth < MAX_PCI_DEPTH)
		scan_bus(pci_read8(&at, PCI_SECONDARY_BUS), depth + 1);
	return true;
}

static void __init scan_bus(u8 bus, int depth)
{
	struct pci_dev at = {.bus = bus};

	for (at.dev = 0; at.dev < 32; at.dev++) {
		at.fn = 0;
		if (!scan_function(at, depth))
			continue;
		if (!(pci_read8(&at, PCI_HEADER_TYPE) & PCI_HEADER_TYPE_MULTI))
			continue;
		for (at.fn = 1; at.fn < 8; at.fn++)
			scan_function(at, depth);
	}
}

static int __init pci_init(void)
{
	scan_bus(0, 0);
	printk("pci: %d devices\n", nr_devs);
	return 0;
}
core_initcall(pci_init);

static bool matches(const struct pci_driver *drv, const struct pci_dev *d)
{
	for (int i = 0; drv->ids[i].vendor; i++)
		if (drv->ids[i].vendor == d->vendor && drv->ids[i].device == d->device)
			return true;
	return false;
}

void pci_register_driver(const struct pci_driver *drv)
{
	int err;

	for (int i = 0; i < nr_devs; i++) {
		if (!matches(drv, &devs[i]))
			continue;
		err = drv->probe(&devs[i]);
		if (err)
			printk("%s: %02x:%02x.%d: error %d\n", drv->name, devs[i].bus, devs[i].dev,
			       devs[i].fn, err);
	}
}

void pci_enable(struct pci_dev *d)
{
	u16 cmd = pci_read16(d, PCI_COMMAND);

	cmd |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	cmd &= ~PCI_COMMAND_INTX_DISABLE;
	pci_write16(d, PCI_COMMAND, cmd);
}

/* The size is what the address bits that cannot be written say, 6.2.5.1; not decoding meanwhile. */
static u64 bar_size(struct pci_dev *d, u8 reg, u32 low)
{
	u16 cmd = pci_read16(d, PCI_COMMAND);
	u64 mask;

	pci_write16(d, PCI_COMMAND, cmd & ~(PCI_COMMAND_MEMORY | PCI_COMMAND_IO));
	pci_write32(d, reg, ~0u);
	mask = pci_read32(d, reg) | 0xffffffff00000000ull;
	pci_write32(d, reg, low);
	pci_write16(d, PCI_COMMAND, cmd);
	return -(mask & BAR_MEM_MASK);
}

volatile void *pci_map_bar(struct pci_dev *d, int bar, size_t *size)
{
	u8 reg = (u8)(PCI_BASE_ADDRESS_0 + 4 * bar);
	u32 low = pci_read32(d, reg);
	u64 addr = low & BAR_MEM_MASK;

	if (!low || (low & BAR_IO) || bar >= PCI_NUM_BARS)
		return NULL;
	if (low & BAR_TYPE_64)
		addr |= (u64)pci_read32(d, (u8)(reg + 4)) << 32;
	*size = bar_size(d, reg, low);
	return ioremap(addr, *size);
}

int pci_request_irq(struct pci_dev *d, irq_handler_t handler, const char *name, void *arg)
{
	bool level = false, active_low = false;
	u32 gsi;

	if (!d->irq_line || d->irq_line > 15)
		return -ENODEV;
	gsi = acpi_isa_to_gsi(d->irq_line, &level, &active_low);
	if (!level) /* no override: what the PCI specification says of its lines, 2.2.6 */
		active_low = true;
	return request_irq(gsi, true, active_low, handler, name, arg);
}
