/*
 * Shared anonymous memory: what MAP_SHARED | MAP_ANONYMOUS maps. Parent and child of a fork see the
 * same pages, so the pages belong to an object beside the page tables, found by offset. A segment of
 * System V shared memory (sysv_shm.c) has such an object, too.
 *
 * The object is a tree of chunks, a page each of pointers to pages next to one another, made as they are
 * touched. So a reservation costs nothing, however large, and a page is found in O(log chunks).
 *
 * LOCKING
 *	obj->lock	the page lists. Taken under mm->lock, of any of the address spaces.
 */
#include "kernel/abi/errno.h"
#include "kernel/lib/rbtree.h"
#include "kernel/mm/internal.h"
#include "kernel/mm/slab.h"

struct chunk {
	struct rb_node node;
	u64 number; /* of its first page, by CHUNK */
	struct page *pages[];
};

#define CHUNK ((PAGE_SIZE - sizeof(struct chunk)) / sizeof(struct page *)) /* it fills a page */

struct shared_anon {
	refcount_t refs; /* areas, or the segment */
	bool promised;   /* [I] counted in VM_STAT_COMMITTED */
	struct mutex lock;
	u64 nr_pages;          /* [I] */
	u64 nr_present;        /* [lock] those that were touched */
	struct rb_root chunks; /* [lock] by number */
};

struct shared_anon *shared_anon_create(u64 bytes, u32 flags)
{
	struct shared_anon *obj;

	if (!(flags & VM_NORESERVE) && vm_enough_memory(bytes >> PAGE_SHIFT))
		return ERR_PTR(-ENOMEM);
	obj = kzalloc(sizeof(*obj), GFP_KERNEL);
	if (!obj)
		return ERR_PTR(-ENOMEM);
	refcount_set(&obj->refs, 1);
	mutex_init(&obj->lock);
	obj->nr_pages = bytes >> PAGE_SHIFT;
	obj->chunks = RB_ROOT;
	obj->promised = !(flags & VM_NORESERVE);
	if (obj->promised)
		vm_stat_add(VM_STAT_COMMITTED, (s64)obj->nr_pages);
	return obj;
}

static void free_chunk(struct chunk *c)
{
	for (unsigned i = 0; i < CHUNK; i++) {
		if (!c->pages[i])
			continue;
		vm_stat_add(VM_STAT_SHMEM, -1);
		put_page(c->pages[i]);
	}
	free_page(c);
}

void shared_anon_put(struct shared_anon *obj)
{
	struct chunk *c;

	if (!refcount_dec_and_test(&obj->refs))
		return;
	if (obj->promised)
		vm_stat_add(VM_STAT_COMMITTED, -(s64)obj->nr_pages);
	while ((c = rb_entry_safe(rb_first(&obj->chunks), struct chunk, node))) {
		rb_erase(&c->node, &obj->chunks);
		free_chunk(c);
	}
	kfree(obj);
}

u64 shared_anon_present(const struct shared_anon *obj)
{
	return READ_ONCE(obj->nr_present);
}

/*
 * The place of page @index. Where nothing is yet: made if @make is set, else NULL; also NULL without
 * memory. obj->lock held.
 */
static struct page **slot_of(struct shared_anon *obj, u64 index, bool make)
{
	struct rb_node **link = &obj->chunks.node, *parent = NULL;
	u64 number = index / CHUNK;
	struct chunk *c;

	while (*link) {
		parent = *link;
		c = rb_entry(parent, struct chunk, node);
		if (number == c->number)
			return &c->pages[index % CHUNK];
		link = number < c->number ? &parent->left : &parent->right;
	}
	c = make ? get_free_page(GFP_KERNEL | __GFP_ZERO) : NULL;
	if (!c)
		return NULL;
	c->number = number;
	rb_insert(&c->node, parent, link, &obj->chunks);
	return &c->pages[index % CHUNK];
}

struct page *shared_anon_page(struct shared_anon *obj, u64 off)
{
	struct page **slot, *p = ERR_PTR(-ENOMEM);

	/* mremap(2) may have made the area longer than what it maps. */
	if (off >> PAGE_SHIFT >= obj->nr_pages)
		return ERR_PTR(-EFAULT);
	mutex_lock(&obj->lock);
	slot = slot_of(obj, off >> PAGE_SHIFT, true);
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
	struct page **slot;
	bool present;

	mutex_lock(&obj->lock);
	slot = slot_of(obj, off >> PAGE_SHIFT, false);
	present = slot && *slot;
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
