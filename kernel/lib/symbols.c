/*
 * The table of symbols. The kernel is linked twice: boot/symbols.awk makes the table from the first
 * link's `nm`, sorted by address, and the second link puts it at the end of rodata, where it moves
 * no function. In the first link these symbols are missing, hence weak.
 */
#include "kernel/lib/symbols.h"

#include "kernel/lib/printk.h"
#include "kernel/lib/sections.h"

/* Offsets from _text, ascending, and beside each the offset of the name in symbol_names. */
struct symbol {
	u32 text, name;
};

extern const struct symbol symbol_table[] __attribute__((weak));
extern const char symbol_names[] __attribute__((weak));
extern const u32 symbol_count __attribute__((weak));

const char *symbol_lookup(u64 addr, u64 *offset)
{
	u32 low = 0, high, off;

	if (!is_kernel_text(addr) || !&symbol_count)
		return NULL;
	off = addr - (u64)_text;
	high = symbol_count; /* symbols before low begin at or below off, those from high on above */
	while (low < high) {
		u32 mid = low + (high - low) / 2;

		if (symbol_table[mid].text <= off)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return NULL;
	*offset = off - symbol_table[low - 1].text;
	return symbol_names + symbol_table[low - 1].name;
}

int symbol_format(char *buf, size_t size, u64 addr)
{
	u64 offset;
	const char *name = symbol_lookup(addr, &offset);

	if (!name)
		return snprintf(buf, size, "0x%lx", addr);
	return snprintf(buf, size, "%s+0x%lx", name, offset);
}
