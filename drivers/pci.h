/* PCI: what is plugged in, and the words to talk to it. See drivers/pci.c. */
#pragma once

#include "kernel/irq/irq.h"
#include "kernel/lib/types.h"

#define PCI_VENDOR_ID            0x00
#define PCI_DEVICE_ID            0x02
#define PCI_COMMAND              0x04
#define PCI_COMMAND_IO           0x1
#define PCI_COMMAND_MEMORY       0x2
#define PCI_COMMAND_MASTER       0x4
#define PCI_COMMAND_INTX_DISABLE 0x400
#define PCI_CLASS_REVISION       0x08
#define PCI_HEADER_TYPE          0x0e
#define PCI_HEADER_TYPE_BRIDGE   0x01
#define PCI_HEADER_TYPE_MULTI    0x80
#define PCI_BASE_ADDRESS_0       0x10
#define PCI_SECONDARY_BUS        0x19
#define PCI_INTERRUPT_LINE       0x3c
#define PCI_NUM_BARS             6

struct pci_dev {
	u8 bus, dev, fn;
	u8 irq_line; /* the PC's interrupt number, 0xff if firmware gave it none */
	u16 vendor, device;
	u32 class; /* class << 16 | subclass << 8 | interface */
};

struct pci_id {
	u16 vendor, device;
};

/*
 * A driver is started once for each device that is in its table. Process context, at the level of
 * device_initcall().
 */
struct pci_driver {
	const char *name;
	const struct pci_id *ids; /* ends with vendor 0 */
	/* 0 or -errno, which is printed. @d stays valid. */
	int (*probe)(struct pci_dev *d);
};

void pci_register_driver(const struct pci_driver *drv);

/* Configuration space; @reg is aligned to the size of the access. Any context. */
u32 pci_read32(const struct pci_dev *d, u8 reg);
u16 pci_read16(const struct pci_dev *d, u8 reg);
u8 pci_read8(const struct pci_dev *d, u8 reg);
void pci_write32(const struct pci_dev *d, u8 reg, u32 v);
void pci_write16(const struct pci_dev *d, u8 reg, u16 v);

/* Turns on memory decoding and bus mastering (DMA). */
void pci_enable(struct pci_dev *d);
/* Maps memory BAR number @bar uncached, or returns NULL if it is none. */
volatile void *pci_map_bar(struct pci_dev *d, int bar, size_t *size);
/* request_irq() for the device's INTx line. 0, -ENODEV without a line, errors of request_irq(). */
int pci_request_irq(struct pci_dev *d, irq_handler_t handler, const char *name, void *arg);
