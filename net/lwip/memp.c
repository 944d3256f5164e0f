/*
 * lwIP's memory. lwIP asks for objects of known types (a "memp" type a struct) and for blocks of any
 * size; here each type is a slab cache and a block is kmalloc's. There are no fixed pools, so there
 * is no number of connections that fits only after recompiling. This replaces lwIP's core/memp.c
 * and core/mem.c.
 *
 * All of it may be called in softirqs, hence GFP_ATOMIC. Freeing is safe without net_lock.
 */
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/vmalloc.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/igmp.h"
#include "lwip/ip4_frag.h"
#include "lwip/mem.h"
#include "lwip/memp.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/raw.h"
#include "lwip/udp.h"

#include "net/lwip/hooks.h"

/* lwip/priv/memp_std.h lists the types; it is included once for each table that they make. */
static const struct {
	const char *name;
	size_t size;
} types[] = {
#define LWIP_MEMPOOL(name, num, size, desc) {desc, size},
#include "lwip/priv/memp_std.h"
};

static struct kmem_cache *caches[MEMP_MAX];

void memp_init(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
		caches[i] = kmem_cache_create(types[i].name, types[i].size, 0);
}

void *memp_malloc(memp_t type)
{
	return kmem_cache_alloc(caches[type], GFP_ATOMIC);
}

void memp_free(memp_t type, void *mem)
{
	if (mem)
		kmem_cache_free(caches[type], mem);
}

void mem_init(void)
{
}

void *mem_malloc(mem_size_t size)
{
	return kmalloc(size, GFP_ATOMIC);
}

void *mem_calloc(mem_size_t count, mem_size_t size)
{
	return kcalloc(count, size, GFP_ATOMIC);
}

void mem_free(void *mem)
{
	kfree(mem);
}

/* A slab object cannot shrink; what is cut off comes back with the rest. */
void *mem_trim(void *mem, mem_size_t size)
{
	return mem;
}

void *net_hash_table(size_t slot_size, unsigned pages_per_slot, unsigned min_slots,
		     unsigned max_slots, unsigned *slots)
{
	unsigned n = min_slots;
	void *table;

	while (n < max_slots && (u64)n * 2 * pages_per_slot <= total_pages)
		n *= 2;
	for (;; n /= 2) {
		table = kvmalloc(n * slot_size, GFP_KERNEL);
		if (table || n == 1)
			break;
	}
	if (!table)
		panic("net_hash_table: no memory");
	memset(table, 0, n * slot_size);
	*slots = n;
	return table;
}
