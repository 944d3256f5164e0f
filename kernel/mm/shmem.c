/*
 * Shared anonymous memory: what MAP_SHARED | MAP_ANONYMOUS maps. Parent and child of a fork see the
 * same pages, so the pages belong to an object beside the page tables, found by offset. A segment of
 * System V shared memory (sysv_shm.c) has such an object, too.
 *
 * The object is a list of pages in two levels, made as they are touched, so that a large reservation
 * costs a pointer for each 2 MiB.
 *
 * LOCKING
 *	obj->lock	the page lists. Taken under mm->lock, of any of the address spaces.
 */
#include "kernel/abi/errno.h"
#include "kernel/mm/internal.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/vmalloc.h"

#define CHUNK 512 /* pages of one list: the list fills a page itself */

struct shared_anon {
	refcount_t refs; /* areas, or the segment */
	bool promised;   /* [I] counted in VM_STAT_COMMITTED */
	struct mutex lock;
	u64 nr_pages;          /* [I] */
	u64 nr_present;        /* [lock] those that were touched */
	struct page ***chunks; /* [lock] NULL where nothing was touched */
};

static u64 nr_chunks(const struct shared_anon *obj)
{
	return DIV_ROUND_UP(obj->nr_pages, CHUNK);
}

struct shared_anon *shared_anon_create(u64 bytes, u32 flags)
{
	struct shared_anon *obj;
	u64 size;

	if (!(flags & VM_NORESERVE) && vm_enough_memory(bytes >> PAGE_SHIFT))
		return ERR_PTR(-ENOMEM);
	obj = kzalloc(sizeof(*obj), GFP_KERNEL);
	if (!obj)
		return ERR_PTR(-ENOMEM);
	refcount_set(&obj->refs, 1);
	mutex_init(&obj->lock);
	obj->nr_pages = bytes >> PAGE_SHIFT;
	size = nr_chunks(obj) * sizeof(obj->chunks[0]);
	obj->chunks = kvmalloc(size, GFP_KERNEL | __GFP_ZERO);
	if (!obj->chunks) {
		kfree(obj);
		return ERR_PTR(-ENOMEM);
	}
	obj->promised = !(flags & VM_NORESERVE);
	if (obj->promised)
		vm_stat_add(VM_STAT_COMMITTED, (s64)obj->nr_pages);
	return obj;
}

static void free_chunk(struct page **chunk)
{
	for (unsigned i = 0; i < CHUNK; i++) {
		if (!chunk[i])
			continue;
		vm_stat_add(VM_STAT_SHMEM, -1);
		put_page(chunk[i]);
	}
	free_page(chunk);
}

void shared_anon_put(struct shared_anon *obj)
{
	if (!refcount_dec_and_test(&obj->refs))
		return;
	if (obj->promised)
		vm_stat_add(VM_STAT_COMMITTED, -(s64)obj->nr_pages);
	for (u64 i = 0; i < nr_chunks(obj); i++)
		if (obj->chunks[i])
			free_chunk(obj->chunks[i]);
	kvfree(obj->chunks);
	kfree(obj);
}

u64 shared_anon_present(const struct shared_anon *obj)
{
	return READ_ONCE(obj->nr_present);
}

/* The place of page @index, NULL without memory. obj->lock held. */
static struct page **slot_of(struct shared_anon *obj, u64 index)
{
	struct page ***chunk = &obj->chunks[index / CHUNK];

	if (!*chunk)
		*chunk = get_free_page(GFP_KERNEL | __GFP_ZERO);
	return *chunk ? *chunk + index % CHUNK : NULL;
}

struct page *shared_anon_page(struct shared_anon *obj, u64 off)
{
	struct page **slot, *p = ERR_PTR(-ENOMEM);

	/* mremap(2) may have made the area longer than what it maps. */
	if (off >> PAGE_SHIFT >= obj->nr_pages)
		return ERR_PTR(-EFAULT);
	mutex_lock(&obj->lock);
	slot = slot_of(obj, off >> PAGE_SHIFT);
	if (slot && !*slot) {
		*slot = alloc_page(GFP_USER | __GFP_ZERO);
		if (*slot) {
			obj->nr_present++;
			vm_stat_add(VM_STAT_SHMEM, 1);
		}
	}
	if (slot && *slot) {
		p = *slot;
		get_page(p);
	}
	mutex_unlock(&obj->lock);
	return p;
}

bool shared_anon_has(struct shared_anon *obj, u64 off)
{
	u64 index = off >> PAGE_SHIFT;
	bool present;

	mutex_lock(&obj->lock);
	present = index < obj->nr_pages && obj->chunks[index / CHUNK] &&
		  obj->chunks[index / CHUNK][index % CHUNK];
	mutex_unlock(&obj->lock);
	return present;
}

/* ---- areas ---- */

static void anon_open(struct vm_area *vma)
{
	struct shared_anon *obj = vma->object;

	refcount_inc(&obj->refs);
}

static void anon_close(struct vm_area *vma)
{
	shared_anon_put(vma->object);
}

static struct page *anon_fault(struct vm_area *vma, u64 off)
{
	return shared_anon_page(vma->object, off);
}

static bool anon_present(struct vm_area *vma, u64 off)
{
	return shared_anon_has(vma->object, off);
}

static const char *anon_name(struct vm_area *vma, char *buf, size_t size)
{
	return "/dev/zero (deleted)";
}

const struct vm_ops shared_anon_ops = {
	.fault = anon_fault,
	.present = anon_present,
	.open = anon_open,
	.close = anon_close,
	.name = anon_name,
};
