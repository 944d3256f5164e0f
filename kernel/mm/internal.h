/* What the files of kernel/mm/ offer to each other only. */
#pragma once

#include "kernel/mm/mm.h"
#include "kernel/mm/page.h"

/* buddy.c */
extern u64 reserve_pages; /* the last free pages, for GFP_ATOMIC only */
void buddy_init(void);
void buddy_add_range(u64 pfn, u64 end); /* frames pfn to end - 1 become free memory */

/* slab.c, kmalloc.c */
void slab_init(void);
void kmalloc_init(void);
/* Empties this CPU's magazines and gives empty slabs back. Any context. */
void slab_reclaim(void);
/* Name of the @n-th cache, and how many of its objects are in use; false past the last. */
bool slab_inuse_of(unsigned n, const char **name, size_t *inuse);
size_t kmem_cache_size(const struct kmem_cache *c);        /* bytes from one object to the next */
size_t kmem_cache_object_size(const struct kmem_cache *c); /* bytes as asked for */
/* For the address sanitizer: kmem_cache_free() without it; how many objects it keeps back. */
void slab_put(struct kmem_cache *c, void *obj);
void kmem_cache_quarantine(struct kmem_cache *c, long change);
/* The place of a slab that @addr lies in: an object and what is behind it. False if in no slab. */
struct slab_place {
	struct kmem_cache *cache;
	const char *name;
	void *obj;
};
bool slab_find(const void *addr, struct slab_place *place);

/* kstack.c */
void kstack_reclaim(void); /* frees the stacks that nobody uses. Process context */

/* vmalloc.c */
void vmalloc_init(void);

/* vma.c: areas. mm->lock held for all of them. */
void vma_init(void);
/* A fresh area in no tree, or NULL. */
struct vm_area *vma_alloc(struct mm *mm, u64 start, u64 end, u32 flags);
void vma_discard(struct vm_area *vma); /* frees one that was never linked */
/* Puts @vma into the tree. @from: the area that its page table entries come from, or NULL. */
void vma_link(struct mm *mm, struct vm_area *vma, struct vm_area *from);
/* Takes @vma out of the tree, drops its object and frees it. Its pages are gone already. */
void vma_remove(struct mm *mm, struct vm_area *vma);
/* Makes @addr a border between two areas if it lies inside @vma, which stays the lower one; 0,
 * -ENOMEM. */
int vma_split(struct mm *mm, struct vm_area *vma, u64 addr);
/* Joins @vma with its neighbours where they agree in everything; the area that remains. */
struct vm_area *vma_merge(struct mm *mm, struct vm_area *vma);
struct vm_area *vma_next(const struct vm_area *vma);
struct vm_area *vma_prev(const struct vm_area *vma);
/* The lowest address that nothing else may use above what lies below @vma: a stack keeps a gap. */
u64 vma_floor(const struct vm_area *vma);
/* The highest hole of @len bytes in [lo, hi), or -ENOMEM. O(number of areas). */
long vma_find_hole(struct mm *mm, u64 len, u64 lo, u64 hi);
/* The same below mm->mmap_base, where it usually is O(log n). */
long vma_find_place(struct mm *mm, u64 len);
#define STACK_GUARD_GAP (256 * PAGE_SIZE)
#define MAX_MAP_COUNT   65530 /* areas of one address space, /proc/sys/vm/max_map_count of Linux */
#define VM_ACCESS_FLAGS (VM_READ | VM_WRITE | VM_EXEC)

/* rmap.c. mm->lock held. */
/* @vma is linked; its entries, if any, are those of @from. */
void mapping_add(struct vm_area *vma, struct vm_area *from);
/* @vma goes; its entries, if any, now belong to @into. */
void mapping_remove(struct vm_area *vma, struct vm_area *into);

/* limits.c. mm->lock held. */
/* @pages of memory with these VM_* flags come (or go, if negative). */
void vm_account(struct mm *mm, u32 flags, s64 pages);
/* May that many come? 0, or -ENOMEM: RLIMIT_AS, RLIMIT_DATA. */
int vm_may_expand(struct mm *mm, u32 flags, u64 pages);
/* May that many that are mapped already become what @flags say? RLIMIT_DATA. */
int vm_may_be_data(struct mm *mm, u32 flags, u64 pages);
/* May so many more be locked (RLIMIT_MEMLOCK)? 0, -ENOMEM. Any at all? 0, -EPERM. */
int vm_may_lock(struct mm *mm, u64 pages);
int vm_may_lock_any(void);
/* May so many pages be promised? 0, -ENOMEM. */
int vm_enough_memory(u64 pages);
/* The same for a new area or one that gets new rights: sets VM_ACCOUNT if they are. */
int vm_promise(u32 *flags, u64 pages);
u64 vm_commit_limit(void); /* pages */

/* mmap.c. mm->lock held. */
int munmap_locked(struct mm *mm, u64 start, u64 end);
/* Changes the flags of all areas in [start, end), cutting them at the ends; -ENOMEM at a hole. */
int change_range(struct mm *mm, u64 start, u64 end, u32 clear, u32 set);
enum populate {
	POPULATE_AREA /* a write where that makes a private page */,
	POPULATE_READ,
	POPULATE_WRITE
};
/*
 * Faults the pages in as if they were touched, until it cannot. Takes mm->lock. 0, -ENOMEM: a hole,
 * -EINVAL: no right to, -EFAULT: beyond the object's end, -EINTR: current has been killed.
 */
int populate_range(struct mm *mm, u64 start, u64 end, enum populate how);

/* fault.c: handle_mm_fault() with mm->lock held. */
int fault_locked(struct mm *mm, u64 addr, bool write, bool exec, int *code);

/* shmem.c: the object behind MAP_SHARED | MAP_ANONYMOUS, and its operations. */
struct shared_anon;
extern const struct vm_ops shared_anon_ops;
/* For an area with these flags. One reference; ERR_PTR(-ENOMEM). */
struct shared_anon *shared_anon_create(u64 bytes, u32 flags);
void shared_anon_put(struct shared_anon *obj);
/* The page at byte @off, made if there is none, with a reference; ERR_PTR(-ENOMEM, -EFAULT). */
struct page *shared_anon_page(struct shared_anon *obj, u64 off);
bool shared_anon_has(struct shared_anon *obj, u64 off); /* is there one? */
u64 shared_anon_present(const struct shared_anon *obj); /* how many there are */

/* pagetable.c */
void table_cache_drain(void); /* frees the clean tables kept for reuse on this CPU */
