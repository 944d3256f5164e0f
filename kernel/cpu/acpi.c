/*
 * Reading ACPI's tables. The RSDP points at a root table (XSDT with 64-bit entries, or the older
 * RSDT with 32-bit ones), that one at the others, each with a header that holds its name, length
 * and a checksum. Of them Pollux reads
 *
 *	APIC (MADT)  local APICs, I/O APICs, and the ISA interrupts that are wired unusually
 *	FACP (FADT)  ports of power management, the reset register, and where the DSDT is
 *	DSDT         only \_S5, the values to write for "off". It is byte code (AML), of which
 *	             this one line is found by its pattern: Name (_S5, Package {a, b, ...})
 *
 * Tables lie in memory that is not RAM to the kernel, so each is mapped like a device. Called once,
 * at boot; `acpi` does not change afterwards.
 */
#include "kernel/cpu/acpi.h"

#include "kernel/cpu/apic.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/mm/vmalloc.h"

#define LAPIC_DEFAULT  0xfee00000ull
#define IOAPIC_DEFAULT 0xfec00000ull

struct rsdp {
	char signature[8];
	u8 checksum;
	char oem_id[6];
	u8 revision;
	u32 rsdt;
	u32 length; /* from here on: revision 2 */
	u64 xsdt;
	u8 extended_checksum, reserved[3];
} __packed;

struct acpi_header {
	char signature[4];
	u32 length;
	u8 revision, checksum;
	char oem_id[6], oem_table_id[8];
	u32 oem_revision, creator_id, creator_revision;
} __packed;

struct madt {
	struct acpi_header header;
	u32 lapic_addr, flags;
	u8 entries[];
} __packed;

enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_ISA_OVERRIDE = 2, MADT_LAPIC_ADDR = 5 };
#define MADT_LAPIC_ENABLED 0x1

struct madt_entry {
	u8 type, length;
	union {
		struct {
			u8 acpi_id, apic_id;
			u32 flags;
		} __packed lapic;
		struct {
			u8 id, reserved;
			u32 addr, gsi_base;
		} __packed ioapic;
		struct {
			u8 bus, source;
			u32 gsi;
			u16 flags; /* bits 0-1 polarity, 2-3 trigger: 1 as the bus, 3 low / level */
		} __packed isa;
		struct {
			u16 reserved;
			u64 addr;
		} __packed lapic_addr;
	};
} __packed;

struct fadt {
	struct acpi_header header;
	u32 firmware_ctrl, dsdt;
	u8 reserved, profile;
	u16 sci_int;
	u32 smi_cmd;
	u8 acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
	u32 pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt;
	u8 unused[40];
	u32 flags; /* offset 112 */
	u8 reset_space, reset_width, reset_offset, reset_access;
	u64 reset_addr;
	u8 reset_value;
	u16 arm_boot_arch;
	u8 minor;
	u64 x_firmware_ctrl, x_dsdt;
} __packed;
_Static_assert(offsetof(struct fadt, flags) == 112, "FADT");
_Static_assert(offsetof(struct fadt, x_dsdt) == 140, "FADT");
#define FADT_RESET_REG_SUP BIT(10)
#define ACPI_SPACE_IO      1

struct acpi_info acpi = {.lapic_addr = LAPIC_DEFAULT};

static __init bool checksum_ok(const void *p, size_t n)
{
	const u8 *b = p;
	u8 sum = 0;

	while (n--)
		sum += *b++;
	return sum == 0;
}

/* The table at @pa, whole, or NULL if it is damaged. */
static __init const struct acpi_header *map_table(u64 pa)
{
	const struct acpi_header *h = (const void *)ioremap(pa, sizeof(*h));
	u32 length = h->length;

	if (length < sizeof(*h) || length > 0x1000000)
		return NULL;
	h = (const void *)ioremap(pa, length);
	if (!checksum_ok(h, length)) {
		printk("acpi: table %.4s at %lx has a wrong checksum\n", h->signature, pa);
		return NULL;
	}
	return h;
}

static __init void read_isa_override(const struct madt_entry *e)
{
	if (e->isa.source >= NR_ISA_IRQS)
		return;
	acpi.isa[e->isa.source] = (struct acpi_isa_override){
		.gsi = e->isa.gsi,
		.active_low = (e->isa.flags & 0x3) == 0x3,
		.level = (e->isa.flags >> 2 & 0x3) == 0x3,
	};
}

static __init void read_madt(const struct madt *m)
{
	acpi.lapic_addr = m->lapic_addr;
	for (u32 off = sizeof(*m); off + 2 <= m->header.length;) {
		const struct madt_entry *e = (const void *)((const u8 *)m + off);

		if (e->length < 2)
			return;
		switch (e->type) {
		case MADT_LAPIC:
			if ((e->lapic.flags & MADT_LAPIC_ENABLED) && acpi.nr_cpus < MAX_CPUS)
				acpi.apic_ids[acpi.nr_cpus++] = e->lapic.apic_id;
			break;
		case MADT_IOAPIC:
			if (acpi.nr_ioapics < MAX_IOAPICS)
				acpi.ioapics[acpi.nr_ioapics++] =
					(struct acpi_ioapic){e->ioapic.addr, e->ioapic.gsi_base};
			break;
		case MADT_ISA_OVERRIDE:
			read_isa_override(e);
			break;
		case MADT_LAPIC_ADDR:
			acpi.lapic_addr = e->lapic_addr.addr;
			break;
		}
		off += e->length;
	}
}

/* An AML integer of one byte: the constants 0 and 1 have opcodes of their own, others a prefix. */
static __init const u8 *aml_byte(const u8 *p, u8 *value)
{
	enum { AML_ZERO = 0x00, AML_ONE = 0x01, AML_BYTE_PREFIX = 0x0a };

	switch (*p) {
	case AML_ZERO:
	case AML_ONE:
		*value = *p;
		return p + 1;
	case AML_BYTE_PREFIX:
		*value = p[1];
		return p + 2;
	}
	return NULL;
}

/* ACPI specification, 7.4.2 (\_Sx) and 20.2.5.4 (packages). */
static __init void read_s5(const struct acpi_header *dsdt)
{
	enum { AML_PACKAGE = 0x12, S5_LONGEST = 12 };
	const u8 *p = (const u8 *)(dsdt + 1);
	const u8 *end = (const u8 *)dsdt + dsdt->length - S5_LONGEST;

	for (; p < end; p++) {
		const u8 *q = p + 4;

		if (memcmp(p, "_S5_", 4) || *q++ != AML_PACKAGE)
			continue;
		q += 1 + (*q >> 6); /* its length: the top bits say how many bytes follow */
		q++;                /* number of elements */
		q = aml_byte(q, &acpi.s5_a);
		if (q && aml_byte(q, &acpi.s5_b))
			acpi.has_s5 = true;
		return;
	}
}

static __init void read_fadt(const struct fadt *f)
{
	const struct acpi_header *dsdt;
	u64 addr = f->dsdt;

	acpi.pm1a_cnt = f->pm1a_cnt;
	acpi.pm1b_cnt = f->pm1b_cnt;
	acpi.smi_cmd = f->smi_cmd;
	acpi.acpi_enable = f->acpi_enable;
	if (f->header.length >= offsetof(struct fadt, arm_boot_arch) &&
	    (f->flags & FADT_RESET_REG_SUP) && f->reset_space == ACPI_SPACE_IO) {
		acpi.reset_port = f->reset_addr;
		acpi.reset_value = f->reset_value;
	}
	if (!addr && f->header.length >= sizeof(*f))
		addr = f->x_dsdt;
	dsdt = addr ? map_table(addr) : NULL;
	if (dsdt)
		read_s5(dsdt);
}

static __init void read_table(u64 pa)
{
	const struct acpi_header *h = map_table(pa);

	if (!h)
		return;
	if (!memcmp(h->signature, "APIC", 4))
		read_madt((const void *)h);
	else if (!memcmp(h->signature, "FACP", 4))
		read_fadt((const void *)h);
}

static __init void read_root(const struct rsdp *r)
{
	bool extended = r->revision >= 2 && r->xsdt;
	size_t width = extended ? 8 : 4;
	const struct acpi_header *root = map_table(extended ? r->xsdt : r->rsdt);
	const u8 *entries;

	if (!root)
		return;
	entries = (const u8 *)(root + 1);
	for (size_t i = 0; i < (root->length - sizeof(*root)) / width; i++) {
		u64 pa = 0;

		memcpy(&pa, entries + i * width, width);
		read_table(pa);
	}
}

__init void acpi_init(u64 rsdp)
{
	for (int i = 0; i < NR_ISA_IRQS; i++)
		acpi.isa[i].gsi = i;
	if (rsdp)
		read_root((const void *)ioremap(rsdp, sizeof(struct rsdp)));
	else
		printk("acpi: no root pointer found\n");
	if (!acpi.nr_ioapics)
		acpi.ioapics[acpi.nr_ioapics++] = (struct acpi_ioapic){IOAPIC_DEFAULT, 0};
}

u32 acpi_isa_to_gsi(u8 isa, bool *level, bool *active_low)
{
	const struct acpi_isa_override *o = &acpi.isa[isa % NR_ISA_IRQS];

	*level = o->level;
	*active_low = o->active_low;
	return o->gsi;
}
