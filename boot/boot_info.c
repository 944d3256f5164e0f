/*
 * The boot loader's word. GRUB leaves a list of tags (Multiboot2 specification 3.6, "Boot
 * information format"), qemu -kernel an hvm_start_info ("x86/HVM direct boot ABI"). boot_main() is
 * called by boot/entry.asm on the early page tables, with interrupts off, and copies what the
 * kernel wants to know into one struct boot_info; the loader's memory may then be used for other
 * things, but for the initramfs.
 */
#include "kernel/cpu/boot_info.h"
#include "kernel/lib/string.h"
#include "kernel/main.h"
#include "kernel/mm/page.h"

/* As boot/entry.asm passes it. */
enum boot_front { FRONT_MULTIBOOT2 = 0, FRONT_PVH = 1 };

void boot_main(enum boot_front front, u64 data);

/* ---- Multiboot2 ---- */

enum {
	MB2_TAG_END = 0,
	MB2_TAG_CMDLINE = 1,
	MB2_TAG_MODULE = 3,
	MB2_TAG_MMAP = 6,
	MB2_TAG_ACPI_OLD = 14,
	MB2_TAG_ACPI_NEW = 15
};

struct mb2_tag {
	u32 type, size; /* size without the padding to eight bytes */
};

struct mb2_tag_string {
	struct mb2_tag tag;
	char string[];
};

struct mb2_tag_module {
	struct mb2_tag tag;
	u32 mod_start, mod_end;
	char string[];
};

struct mb2_mmap_entry {
	u64 base, len;
	u32 type, zero;
};

struct mb2_tag_mmap {
	struct mb2_tag tag;
	u32 entry_size, entry_version;
	u8 entries[];
};

struct mb2_tag_acpi {
	struct mb2_tag tag;
	u8 rsdp[];
};

/* ---- PVH ---- */

#define HVM_START_MAGIC 0x336ec578

struct hvm_start_info {
	u32 magic, version, flags, nr_modules;
	u64 modlist_paddr, cmdline_paddr, rsdp_paddr;
	u64 memmap_paddr; /* from version 1 on */
	u32 memmap_entries, reserved;
};

struct hvm_modlist_entry {
	u64 paddr, size, cmdline_paddr, reserved;
};

struct hvm_memmap_entry {
	u64 addr, size;
	u32 type, reserved;
};

#define RSDP_V1_SIZE 20
#define RSDP_V2_SIZE 36

static struct boot_info boot_info;
/* GRUB passes a copy of the RSDP in memory that is free afterwards. */
static u8 rsdp_copy[RSDP_V2_SIZE] __aligned(16);

/* Both fronts number the kinds of memory as ACPI does (ACPI specification, table 15.4). */
static __init void add_region(u64 base, u64 size, u32 type)
{
	if (boot_info.nr_mem == MAX_MEM_REGIONS || !size)
		return;
	if (type < MEM_RAM || type > MEM_BAD)
		type = MEM_RESERVED;
	boot_info.mem[boot_info.nr_mem++] = (struct mem_region){base, size, type};
}

static __init void read_mmap(const struct mb2_tag_mmap *m)
{
	u32 off = sizeof(*m);

	for (; off + sizeof(struct mb2_mmap_entry) <= m->tag.size; off += m->entry_size) {
		const struct mb2_mmap_entry *e = (const void *)((const u8 *)m + off);

		add_region(e->base, e->len, e->type);
	}
}

static __init void read_rsdp(const struct mb2_tag_acpi *t)
{
	memcpy(rsdp_copy, t->rsdp, min((size_t)(t->tag.size - sizeof(*t)), sizeof(rsdp_copy)));
	boot_info.rsdp = virt_to_phys(rsdp_copy);
}

static __init void read_multiboot2(u64 data)
{
	const u32 *info = phys_to_virt(data);
	u64 end = data + info[0]; /* total size; the tags begin behind a reserved word */

	for (u64 at = data + 8; at < end;) {
		const struct mb2_tag *t = phys_to_virt(at);

		switch (t->type) {
		case MB2_TAG_END:
			return;
		case MB2_TAG_CMDLINE:
			strscpy(boot_info.cmdline, ((const struct mb2_tag_string *)t)->string,
				sizeof(boot_info.cmdline));
			break;
		case MB2_TAG_MODULE: {
			const struct mb2_tag_module *m = (const void *)t;

			boot_info.initrd = m->mod_start;
			boot_info.initrd_size = m->mod_end - m->mod_start;
			break;
		}
		case MB2_TAG_MMAP:
			read_mmap((const void *)t);
			break;
		case MB2_TAG_ACPI_OLD: /* comes before the new one, if both do */
		case MB2_TAG_ACPI_NEW:
			read_rsdp((const void *)t);
			break;
		}
		at += ALIGN_UP(t->size, 8);
	}
}

static __init void read_pvh(u64 data)
{
	const struct hvm_start_info *si = phys_to_virt(data);

	if (si->magic != HVM_START_MAGIC)
		return;
	boot_info.rsdp = si->rsdp_paddr;
	if (si->cmdline_paddr)
		strscpy(boot_info.cmdline, phys_to_virt(si->cmdline_paddr),
			sizeof(boot_info.cmdline));
	if (si->nr_modules) {
		const struct hvm_modlist_entry *m = phys_to_virt(si->modlist_paddr);

		boot_info.initrd = m->paddr;
		boot_info.initrd_size = m->size;
	}
	if (si->version >= 1) {
		const struct hvm_memmap_entry *e = phys_to_virt(si->memmap_paddr);

		for (u32 i = 0; i < si->memmap_entries; i++)
			add_region(e[i].addr, e[i].size, e[i].type);
	}
}

static __init u64 scan_for_rsdp(u64 from, u64 to)
{
	for (u64 pa = from; pa < to; pa += 16) {
		const u8 *p = phys_to_virt(pa);
		u8 sum = 0;

		if (memcmp(p, "RSD PTR ", 8))
			continue;
		for (int i = 0; i < RSDP_V1_SIZE; i++)
			sum += p[i];
		if (!sum)
			return pa;
	}
	return 0;
}

/* ACPI specification, 5.2.5.1: the first KiB of the EBDA, then the BIOS's read-only area. */
static __init u64 find_rsdp(void)
{
	u64 ebda = (u64) * (const u16 *)phys_to_virt(0x40e) << 4;
	u64 rsdp = 0;

	if (ebda >= 0x80000 && ebda < 0xa0000)
		rsdp = scan_for_rsdp(ebda, ebda + 1024);
	return rsdp ? rsdp : scan_for_rsdp(0xe0000, 0x100000);
}

void boot_main(enum boot_front front, u64 data)
{
	if (front == FRONT_MULTIBOOT2)
		read_multiboot2(data);
	else
		read_pvh(data);
	if (!boot_info.rsdp)
		boot_info.rsdp = find_rsdp();
	kernel_main(&boot_info);
}
