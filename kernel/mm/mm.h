/*
 * Address spaces. A struct mm is a page table and a red-black tree of areas (struct vm_area); a
 * page table entry is only ever filled from an area, by the page-fault handler.
 *
 * Locks: mm->lock (a mutex) guards the tree and all areas, and is held over a page fault; page
 * table entries of user space change under it too. It is never taken with a spinlock held, so user
 * memory cannot be touched under one.
 */
#pragma once

#include "kernel/lib/rbtree.h"
#include "kernel/mm/page.h"
#include "kernel/sched/mutex.h"

#define PROT_NONE  0
#define PROT_READ  1
#define PROT_WRITE 2
#define PROT_EXEC  4

#define MAP_SHARED          0x01
#define MAP_PRIVATE         0x02
#define MAP_SHARED_VALIDATE 0x03
#define MAP_TYPE            0x0f
#define MAP_FIXED           0x10
#define MAP_ANONYMOUS       0x20
#define MAP_32BIT           0x40
#define MAP_GROWSDOWN       0x0100
#define MAP_LOCKED          0x2000
#define MAP_NORESERVE       0x4000
#define MAP_POPULATE        0x8000
#define MAP_STACK           0x20000
#define MAP_HUGETLB         0x40000
#define MAP_FIXED_NOREPLACE 0x100000

#define VM_READ       0x1u
#define VM_WRITE      0x2u
#define VM_EXEC       0x4u
#define VM_SHARED     0x8u
#define VM_GROWSDOWN  0x10u
#define VM_STACK      0x20u
#define VM_HEAP       0x40u
#define VM_DONTCOPY   0x80u  /* madvise(MADV_DONTFORK): not in a child */
#define VM_WIPEONFORK 0x100u /* madvise(MADV_WIPEONFORK): empty in a child */
#define VM_LOCKED     0x200u /* mlock(2); not in a child */
#define VM_NORESERVE  0x400u /* MAP_NORESERVE */
#define VM_ACCOUNT    0x800u /* a promise of memory, counted in VM_STAT_COMMITTED */

struct vm_area;
struct signal_struct;

/* Which areas show an object: kernel/mm/rmap.c. */
struct address_space {
	spinlock_t lock;
	struct list_head areas; /* [lock] by share_link */
	u32 walk;               /* [lock] counts the walks */
};

/*
 * What stands behind an area that is not anonymous. fs/ implements this for files, so mm/ never
 * names a file.
 */
struct vm_ops {
	/*
	 * The page for byte offset @off of the object, with a reference for the caller, or
	 * ERR_PTR(-ENOMEM), ERR_PTR(-EFAULT) (beyond the end: SIGBUS). mm->lock held; may sleep,
	 * but takes no lock under which anybody touches user memory.
	 */
	struct page *(*fault)(struct vm_area *vma, u64 off);
	/* Would fault() find a page for @off? mincore(2). mm->lock held. */
	bool (*present)(struct vm_area *vma, u64 off);
	void (*open)(struct vm_area *vma);  /* another area refers to vma->object now */
	void (*close)(struct vm_area *vma); /* one less */
	const char *(*name)(struct vm_area *vma, char *buf, size_t size); /* for /proc/PID/maps */
	/* May the area get these rights (VM_READ ...)? 0 or -EACCES. NULL: yes. mm->lock held. */
	int (*may_protect)(struct vm_area *vma, u32 flags);
	/* The object's reverse map, for those that take pages away again. NULL: they never do. */
	struct address_space *(*mapping)(const struct vm_area *vma);
};

struct vm_area {
	u64 start, end;           /* [mm->lock] page-aligned, end exclusive */
	u32 flags;                /* [mm->lock] VM_* */
	struct mm *mm;            /* [I] */
	struct rb_node node;      /* [mm->lock] mm->areas, by start */
	const struct vm_ops *ops; /* [I] NULL: anonymous memory */
	void *object;             /* [I] ops' own: a file */
	u64 offset;               /* [mm->lock] of start in the object, bytes */

	struct address_space *mapping; /* [I] once linked; NULL without a reverse map */
	struct list_head share_link;   /* [mapping->lock] */
	u32 seen;                      /* [mapping->lock] the last walk that came by */
};

struct mm {
	refcount_t users; /* tasks that run in it; the last one unmaps everything */
	refcount_t refs;  /* the struct and its page table: users (1 together) and lazy CPUs */
	u64 *pgd;         /* [I] direct-map address of the PML4 */
	struct mutex lock;
	struct rb_root areas; /* [lock] */
	struct vm_area *last; /* [lock] the area found last */
	unsigned map_count;   /* [lock] areas */
	u64 hole_hint;      /* [lock] no hole larger than hole_max lies between it and mmap_base */
	u64 hole_max;       /* [lock] bytes */
	u64 brk_start, brk; /* [lock] */
	u64 mmap_base;      /* [I] areas are placed below it, downwards */
	u64 stack_top;      /* [I] */
	u64 exec_base;      /* [I] a position-independent program goes there */
	u64 arg_start, arg_end, env_start, env_end; /* [lock] for /proc/PID/cmdline */
	u64 auxv_start, auxv_end;                   /* [lock] for /proc/PID/auxv */
	u64 nr_pages;                               /* [lock] resident pages */
	u64 nr_shared;                    /* [lock] those of them that belong to an object */
	u64 total_vm, data_vm, locked_vm; /* [lock] mapped pages: limits.c */
	u32 def_flags;                    /* [lock] of new areas: mlockall(2) */
	bool membarrier;                  /* [a] registered for membarrier(2) */
	u64 cpumask;                      /* [a] CPUs that have it loaded */
	struct ldt *ldt;                  /* [lock; CPUs: cpu/ldt.c] its segments; mostly NULL */
	void *exe;                        /* [I] the program's file, fs/'s own, or NULL */
	int oom;                          /* [a] OOM_*: killed for its memory */
};

/* fs/ sets these: another address space refers to mm->exe; one less. */
extern void (*mm_exe_get)(void *exe), (*mm_exe_put)(void *exe);

struct mm *mm_alloc(void);         /* empty, one user; NULL without memory */
struct mm *mm_dup(struct mm *old); /* copy-on-write copy for fork(2); NULL without memory */
static inline void mm_get(struct mm *mm)
{
	refcount_inc(&mm->users);
}
void mm_put(struct mm *mm); /* process context */
static inline void mm_grab(struct mm *mm)
{
	refcount_inc(&mm->refs);
}
void mm_drop(struct mm *mm);
/* The address space in CR3, NULL for the kernel's own. Its CPU only. */
DECLARE_PER_CPU(struct mm *, loaded_mm);
/* Loads @mm's page table on this CPU; NULL loads the kernel's own. Interrupts off. */
void mm_activate(struct mm *prev, struct mm *next);

/*
 * Maps @len bytes. @addr is a wish, or an order with MAP_FIXED; ops NULL for anonymous memory,
 * else @object is taken over with one reference (ops->close drops it, also when this fails).
 * The address or -errno. Takes mm->lock.
 */
long do_mmap(struct mm *mm, u64 addr, u64 len, int prot, int flags, const struct vm_ops *ops,
	     void *object, u64 offset);
long do_munmap(struct mm *mm, u64 addr, u64 len);
/*
 * fs/ sets this: finds what descriptor @fd maps and checks its rights against @prot and @flags.
 * 0 with *ops and *object (a reference), or -errno.
 */
extern int (*mmap_file_hook)(int fd, u64 len, int prot, int flags, u64 off,
			     const struct vm_ops **ops, void **object);
/* The area that contains @addr or NULL. mm->lock held. */
struct vm_area *find_vma(struct mm *mm, u64 addr);
/* The first area that ends above @addr or NULL. mm->lock held. O(log n). */
struct vm_area *find_vma_above(struct mm *mm, u64 addr);

/*
 * Fixes a page fault of user memory: @write, @exec say what was tried. 0, or -EFAULT (SIGSEGV,
 * *code says SEGV_MAPERR or SEGV_ACCERR), -EIO (SIGBUS), -ENOMEM. Takes mm->lock; process context.
 */
int handle_mm_fault(struct mm *mm, u64 addr, bool write, bool exec, int *code);
/* The trap's entry: user or kernel mode, fault table, signals, panic. (kernel/mm/fault.c) */
void do_page_fault(struct pt_regs *regs, u64 error_code, u64 addr);

void mapping_init(struct address_space *m);
/*
 * Unmaps bytes [start, end), whole pages, of an object wherever it is mapped; with @copies also the
 * private copies that processes made of them. The object no longer gives the pages to faults, and
 * only one caller at a time works on it. Process context; takes each mm->lock in turn.
 */
void mapping_unmap(struct address_space *m, u64 start, u64 end, bool copies);

/*
 * Copies from or to another process's memory; bytes copied, stops where there is none or no right to
 * it. MM_FORCE: ptrace(2) reads what is mapped, and writes a private page (a breakpoint in a
 * program's text), whatever the area's rights. Process context; takes mm->lock.
 */
#define MM_WRITE 0x1
#define MM_FORCE 0x2
size_t mm_access(struct mm *mm, u64 addr, void *buf, size_t len, int how);
struct iov_iter;
/* The same, of @len bytes at most, with the user memory of @it; -ENOMEM. */
ssize_t mm_access_iter(struct mm *mm, u64 addr, size_t len, struct iov_iter *it, int how);
struct task;
/* The address space of @t with one more user, or NULL. Takes tasklist_lock. */
struct mm *get_task_mm(struct task *t);
/* The same if the caller may trace @t, else ERR_PTR(-EPERM). */
struct mm *get_accessible_mm(struct task *t);

/* ---- smaps.c ---- */

/* Of areas: what is in memory, bytes. A page that several show counts in pss for its part. */
struct area_usage {
	u64 rss, pss, shared_clean, shared_dirty, private_clean, private_dirty;
	u64 referenced, anonymous, locked;
};
/* Adds those of @v. mm->lock held. */
void area_usage(const struct vm_area *v, struct area_usage *u);
/* A word of /proc/PID/pagemap for each of the @n pages from @addr on. Takes mm->lock. */
void mm_pagemap(struct mm *mm, u64 addr, u64 *out, size_t n, bool show_pfn);
