/*
 * The address sanitizer and the slab caches.
 *
 * Behind every object lies a redzone, which nobody may touch and which holds a struct object_meta:
 * who allocated the object and who freed it.
 *
 *	in the slab, never used	   SHADOW_REDZONE
 *	allocated		   good, as many bytes as were asked for
 *	freed, in quarantine	   SHADOW_SLAB_FREE: every touch is a use after free
 *	in the slab again	   the same, until it is allocated anew
 *
 * The quarantine is a queue of freed objects. It keeps them from being handed out again at once,
 * because then a stale pointer would find a good object and nobody would notice. It is bounded in
 * bytes; the oldest leave it first, and all of them when memory is short.
 *
 * LOCKING
 *	quarantine_lock	the queue and its counts. Any context (irqsave). Objects are given back to
 *			their caches under it, so c->lock and buddy_lock are taken inside.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/debug/kasan_internal.h"
#include "kernel/lib/sections.h"
#include "kernel/mm/internal.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/spinlock.h"
#include "kernel/sched/task.h"

#define QUARANTINE_MAX   (4ul << 20) /* bytes */
#define QUARANTINE_SHARE 64          /* and no more than this part of memory */

static DEFINE_SPINLOCK(quarantine_lock);
static void *oldest, *youngest; /* [quarantine_lock] linked by object_meta->next */
static u64 quarantine_bytes;    /* [quarantine_lock] */

/* ---- who did it ---- */

struct frame {
	const struct frame *next;
	u64 ret;
};

/* The callers of @f's function. Frame pointers rise within a stack; anything else ends the chain. */
static void track_set(struct track *t, const struct frame *f)
{
	unsigned n = 0;

	t->pid = current->pid;
	while (n < TRACK_FRAMES && is_kernel_text(f->ret)) {
		t->pc[n++] = (u32)(f->ret - 1 - (u64)_text);
		if (f->next <= f || (u64)f->next - (u64)f > PAGE_SIZE)
			break;
		f = f->next;
	}
	if (n < TRACK_FRAMES)
		t->pc[n] = 0;
}

/* ---- objects ---- */

size_t kasan_slab_size(size_t size)
{
	return ALIGN_UP(size, GRANULE) + sizeof(struct object_meta);
}

struct object_meta *kasan_meta(const struct kmem_cache *c, const void *obj)
{
	return (void *)((u64)obj + ALIGN_UP(kmem_cache_object_size(c), GRANULE));
}

void kasan_poison_slab(const void *va, size_t bytes)
{
	kasan_poison((u64)va, bytes, SHADOW_REDZONE);
}

void kasan_slab_alloc(const struct kmem_cache *c, void *obj)
{
	struct object_meta *m = kasan_meta(c, obj);

	m->size = kmem_cache_object_size(c);
	m->free.pid = -1;
	track_set(&m->alloc, __builtin_frame_address(0));
	kasan_unpoison((u64)obj, m->size);
}

void *kasan_kmalloc(void *obj, size_t size, size_t room)
{
	struct page *p;
	u64 used;

	if (!obj)
		return NULL;
	size = max(size, 1ul); /* so that its first byte of shadow tells that it is in use */
	used = ALIGN_UP(size, GRANULE);
	p = virt_to_page(obj);
	if (p->flags & PG_SLAB)
		kasan_meta(p->slab, obj)->size = size;
	kasan_unpoison((u64)obj, size);
	kasan_poison((u64)obj + used, room - used,
		     p->flags & PG_SLAB ? SHADOW_REDZONE : SHADOW_PAGE_REDZONE);
	return obj;
}

size_t kasan_ksize(const void *obj, size_t room)
{
	struct page *p = virt_to_page(obj);

	return p->flags & PG_SLAB ? kasan_meta(p->slab, obj)->size : room;
}

/* ---- quarantine ---- */

static u64 quarantine_limit(void)
{
	return min(QUARANTINE_MAX, total_pages * PAGE_SIZE / QUARANTINE_SHARE);
}

/* Lets the oldest go until @max bytes are left. */
static void shrink_locked(u64 max)
{
	while (oldest && quarantine_bytes > max) {
		void *obj = oldest;
		struct kmem_cache *c = virt_to_page(obj)->slab;

		oldest = kasan_meta(c, obj)->next;
		quarantine_bytes -= kmem_cache_size(c);
		kmem_cache_quarantine(c, -1);
		slab_put(c, obj);
	}
}

/* An object of @c that is in use begins at @obj. */
static bool is_live_object(const struct kmem_cache *c, const void *obj)
{
	struct slab_place place;

	return (u64)obj >= PAGE_OFFSET && slab_find(obj, &place) && place.cache == c &&
	       place.obj == obj && *shadow_of((u64)obj) < GRANULE;
}

bool kasan_slab_free(struct kmem_cache *c, void *obj)
{
	struct object_meta *m;
	u64 flags;

	if (!is_live_object(c, obj)) {
		kasan_report_free(obj, (u64)__builtin_return_address(0) - 1);
		return true;
	}
	m = kasan_meta(c, obj);
	track_set(&m->free, __builtin_frame_address(0));
	kasan_poison((u64)obj, ALIGN_UP(kmem_cache_object_size(c), GRANULE), SHADOW_SLAB_FREE);
	m->next = NULL;

	spin_lock_irqsave(&quarantine_lock, flags);
	if (oldest)
		kasan_meta(virt_to_page(youngest)->slab, youngest)->next = obj;
	else
		oldest = obj;
	youngest = obj;
	quarantine_bytes += kmem_cache_size(c);
	kmem_cache_quarantine(c, 1);
	shrink_locked(quarantine_limit());
	spin_unlock_irqrestore(&quarantine_lock, flags);
	return true;
}

void kasan_drain(void)
{
	u64 flags;

	spin_lock_irqsave(&quarantine_lock, flags);
	shrink_locked(0);
	spin_unlock_irqrestore(&quarantine_lock, flags);
}
