/*
 * Memory: the buddy allocator and the slab until they have nothing left, guard pages, the rights of
 * kernel mappings, user copies that fault.
 */
#include "kernel/abi/errno.h"
#include "kernel/lib/ktest.h"
#include "kernel/lib/string.h"
#include "kernel/mm/pagetable.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/mm/vmalloc.h"
#include "kernel/sched/task.h"

/* ---- buddy ---- */

KTEST(buddy_orders)
{
	struct page *p[MAX_ORDER + 1];
	u64 before;

	reclaim_caches();
	before = nr_free_pages();
	for (unsigned o = 0; o <= MAX_ORDER; o++) {
		p[o] = alloc_pages(o, GFP_KERNEL);
		EXPECT(p[o]);
		EXPECT(page_to_pfn(p[o]) % (1ul << o) == 0);
		EXPECT(refcount_read(&p[o]->refs) == 1);
	}
	EXPECT(nr_free_pages() == before - (2ul << MAX_ORDER) + 1);
	for (unsigned o = 0; o <= MAX_ORDER; o++)
		free_pages(p[o], o);
	EXPECT(nr_free_pages() == before);
	EXPECT(!alloc_pages(MAX_ORDER + 1, GFP_KERNEL));
}

/* Takes every page there is, then gives all back: the blocks must join to what they were. */
KTEST(buddy_exhaustion)
{
	struct list_head taken;
	struct page *p, *next;
	u64 before, n = 0, blocks[2] = {0, 0};
	bool distinct = true;

	INIT_LIST_HEAD(&taken);
	reclaim_caches();
	before = nr_free_pages();
	for (int round = 0; round < 2; round++) {
		LIST_HEAD(large);

		while ((p = alloc_pages(MAX_ORDER, GFP_KERNEL))) {
			list_add(&p->lru, &large);
			blocks[round]++;
		}
		list_for_each_entry_safe(p, next, &large, lru)
			free_pages(p, MAX_ORDER);
		if (round)
			break;
		while ((p = alloc_page(GFP_KERNEL))) {
			list_add(&p->lru, &taken);
			n++;
		}
		/* The reserve is for those who cannot wait. */
		p = alloc_page(GFP_ATOMIC);
		if (p) {
			list_add(&p->lru, &taken);
			n++;
		}
		distinct = nr_free_pages() + n == before && nr_free_pages() > 0 && p;
		list_for_each_entry_safe(p, next, &taken, lru)
			free_pages(p, 0);
		reclaim_caches();
	}
	EXPECT(distinct);
	EXPECT(n > before / 2);
	EXPECT(nr_free_pages() == before);
	EXPECT(blocks[0] == blocks[1]);
}

KTEST(buddy_random)
{
	static struct {
		struct page *p;
		unsigned order;
	} held[64];
	u64 seed = 3, before;

	reclaim_caches();
	before = nr_free_pages();
	for (int i = 0; i < 20000; i++) {
		unsigned k = ktest_rand(&seed) % 64;
		u64 *first;

		if (held[k].p) {
			/* Nobody else has written to our block. */
			first = page_address(held[k].p);
			EXPECT(*first == k);
			free_pages(held[k].p, held[k].order);
			held[k].p = NULL;
			continue;
		}
		held[k].order = ktest_rand(&seed) % 6;
		held[k].p = alloc_pages(held[k].order, GFP_KERNEL);
		EXPECT(held[k].p);
		first = page_address(held[k].p);
		*first = k;
	}
	for (int k = 0; k < 64; k++) {
		if (held[k].p)
			free_pages(held[k].p, held[k].order);
		held[k].p = NULL;
	}
	reclaim_caches();
	EXPECT(nr_free_pages() == before);
}

/* ---- slab ---- */

KTEST(slab_counts)
{
	struct kmem_cache *c = kmem_cache_create("ktest", 100, 0);
	static void *obj[500];

	EXPECT(kmem_cache_inuse(c) == 0);
	for (int i = 0; i < 500; i++) {
		obj[i] = kmem_cache_alloc(c, GFP_KERNEL);
		EXPECT(obj[i] && (u64)obj[i] % 8 == 0);
		memset(obj[i], i, 100);
		EXPECT(kmem_cache_inuse(c) == (size_t)i + 1);
	}
	for (int i = 0; i < 500; i++)
		for (int b = 0; b < 100; b++)
			EXPECT(((u8 *)obj[i])[b] == (u8)i);
	for (int i = 0; i < 500; i++)
		kmem_cache_free(c, obj[i]);
	EXPECT(kmem_cache_inuse(c) == 0);
	kmem_cache_destroy(c);
}

/* A list of objects as long as memory allows; allocation must fail, not hang or panic. */
KTEST(slab_exhaustion)
{
	struct kmem_cache *c = kmem_cache_create("ktest", 4000, 0);
	void **head = NULL, **o;
	u64 n = 0;

	while ((o = kmem_cache_alloc(c, GFP_KERNEL))) {
		*o = head;
		head = o;
		n++;
	}
	EXPECT(n > 100 && kmem_cache_inuse(c) == n);
	while (head) {
		o = head;
		head = *o;
		kmem_cache_free(c, o);
	}
	EXPECT(kmem_cache_inuse(c) == 0);
	kmem_cache_destroy(c);
}

KTEST(slab_kmalloc_sizes)
{
	for (size_t size = 1; size <= 3 << 20; size += size / 7 + 1) {
		u8 *p = kzalloc(size, GFP_KERNEL);

		EXPECT(p && ksize(p) >= size);
		EXPECT(!p[0] && !p[size / 2] && !p[size - 1]);
		memset(p, 0xa5, size);
		kfree(p);
	}
	EXPECT(!kmalloc(8ul << 20, GFP_KERNEL));
	EXPECT(!kcalloc(1ul << 40, 1ul << 40, GFP_KERNEL));
	kfree(NULL);
}

KTEST(slab_krealloc)
{
	char *p = kstrdup("pollux", GFP_KERNEL), *q;

	EXPECT(p && !strcmp(p, "pollux"));
	q = krealloc(p, 5000, GFP_KERNEL);
	EXPECT(q && !strcmp(q, "pollux"));
	kfree(q);
}

/* ---- vmalloc ---- */

/* In a kernel thread without an address space user copies fail at once, as do bad kernel addresses
 * never: so guard pages are looked up in the page tables instead of touched. */
static bool mapped(const void *p)
{
	int level;

	return kernel_pte((u64)p, &level) & PTE_P;
}

KTEST(vmalloc_guard)
{
	u8 *a = vmalloc(3 * PAGE_SIZE - 5), *b = vmalloc(PAGE_SIZE);

	EXPECT(a && b);
	memset(a, 1, 3 * PAGE_SIZE - 5);
	memset(b, 2, PAGE_SIZE);
	EXPECT(a[0] == 1 && a[3 * PAGE_SIZE - 6] == 1 && b[0] == 2);
	EXPECT(mapped(a) && mapped(a + 2 * PAGE_SIZE) && !mapped(a + 3 * PAGE_SIZE));
	EXPECT(mapped(b) && !mapped(b + PAGE_SIZE));
	vfree(a);
	EXPECT(!mapped(a));
	vfree(b);
	EXPECT(!vmalloc(0) && !vmalloc(~0ul));
}

KTEST(vmalloc_kstack)
{
	u8 *s = kstack_alloc();

	EXPECT(s);
	memset(s, 3, KSTACK_SIZE);
	EXPECT(!mapped(s - 1) && !mapped(s + KSTACK_SIZE));
	EXPECT(kstack_guard_hit((u64)s - 8) && !kstack_guard_hit((u64)s));
	kstack_free(s);
	EXPECT(kstack_alloc() == s); /* from the cache */
	kstack_free(s);
}

/* ---- rights of kernel mappings ---- */

extern char _text[], _etext[], _rodata[], _erodata[], _end[];

/* No present entry of @t (which covers addresses from @va on) is writable and executable. */
static bool table_is_wx_free(const u64 *t, int level, u64 va)
{
	for (unsigned i = 0; i < PT_ENTRIES; i++) {
		u64 e = t[i], at = va + i * pt_span(level);

		if (!(e & PTE_P))
			continue;
		if (level && !(e & PTE_PS) && (e & PTE_NX) && !(e & PTE_U))
			continue; /* no code and no user memory in all that is below */
		if (level && !(e & PTE_PS)) {
			if (!table_is_wx_free(pte_table(e), level - 1, at))
				return false;
			continue;
		}
		if ((e & PTE_W) && !(e & PTE_NX))
			return false;
		if (!(e & PTE_NX) && (at < (u64)_text || at >= PAGE_ALIGN(_etext)))
			return false;
		if (e & PTE_U)
			return false;
	}
	return true;
}

KTEST(mm_kernel_wx)
{
	for (unsigned i = 0; i < PT_ENTRIES / 2; i++)
		EXPECT(!kernel_pgd[i]);
	for (unsigned i = PT_ENTRIES / 2; i < PT_ENTRIES; i++)
		if (kernel_pgd[i] && !(kernel_pgd[i] & PTE_NX))
			EXPECT(table_is_wx_free(pte_table(kernel_pgd[i]), 2,
						0xffff000000000000ul | i * pt_span(3)));
}

KTEST(mm_kernel_image)
{
	int level;

	for (char *p = _text; p < _end; p += PAGE_SIZE) {
		u64 e = kernel_pte((u64)p, &level),
		    alias = kernel_pte((u64)phys_to_virt(virt_to_phys(p)), &level);
		bool fixed = p < _etext || (p >= _rodata && p < _erodata);

		EXPECT((e & PTE_P) && (alias & PTE_P));
		EXPECT(!(e & PTE_W) == fixed && !(alias & PTE_W) == fixed);
		EXPECT(alias & PTE_NX);
	}
}

/* ---- user copies ---- */

#define AT 0x10000000ul

/* Runs @body with an address space of four pages at AT, the third unmapped. */
static bool with_mm(bool (*body)(u8 *base))
{
	struct mm *mm = mm_alloc();
	bool good = false;

	if (!mm)
		return false;
	if (do_mmap(mm, AT, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, NULL, 0) == (long)AT &&
	    !do_munmap(mm, AT + 2 * PAGE_SIZE, PAGE_SIZE)) {
		local_irq_disable();
		current->mm = mm;
		mm_activate(current->active_mm, mm);
		local_irq_enable();
		good = body((u8 *)AT);
		local_irq_disable();
		mm_activate(mm, current->active_mm);
		current->mm = NULL;
		local_irq_enable();
	}
	mm_put(mm);
	return good;
}

static bool copies_body(u8 *base)
{
	u8 *buf = kmalloc(3 * PAGE_SIZE, GFP_KERNEL);
	u8 *hole = base + 2 * PAGE_SIZE;
	bool good = buf;

	if (!buf)
		return false;
	for (u64 i = 0; i < 3 * PAGE_SIZE; i++)
		buf[i] = (u8)(i * 7);
	good &= copy_to_user(base + 1, buf, 5000) == 0;
	memset(buf, 0, 5000);
	good &= copy_from_user(buf, base + 1, 5000) == 0;
	for (u64 i = 0; i < 5000; i++)
		good &= buf[i] == (u8)(i * 7);

	/* Into the hole: the exact rest, whatever the alignment. */
	for (u64 n = 0; n < 200; n++) {
		good &= copy_to_user(hole - n, buf, 300) == 300 - n;
		good &= copy_from_user(buf, hole - n, 300) == 300 - n;
		good &= clear_user(hole - n, 300) == 300 - n;
	}
	good &= copy_to_user((void *)(USER_TOP - 4), buf, 8) == 8;
	good &= copy_from_user(buf, (void *)PAGE_OFFSET, 8) == 8;
	good &= copy_from_user(buf, (void *)-8ul, 16) == 16;
	kfree(buf);
	return good;
}

KTEST(mm_user_copies)
{
	EXPECT(with_mm(copies_body));
}

static bool words_body(u8 *base)
{
	u64 v = 0;
	u32 *word = (u32 *)base, old = 5, w = 0;
	u8 *hole = base + 2 * PAGE_SIZE, b = 0;
	char text[16];
	bool good = true;

	good &= !put_user(0x1122334455667788ul, (u64 *)base) && !get_user(v, (u64 *)base) &&
		v == 0x1122334455667788ul;
	good &= !get_user(b, base + 7) && b == 0x11;
	good &= get_user(v, (u64 *)(hole - 4)) == -EFAULT;
	good &= put_user(v, (u64 *)(hole - 4)) == -EFAULT;
	good &= get_user(v, (u64 *)(USER_TOP - 4)) == -EFAULT;

	good &= !put_user(5u, word) && !cmpxchg_user(word, &old, 6) && old == 5;
	good &= !cmpxchg_user(word, &old, 7) && old == 6 && !get_user(w, word) && w == 6;
	good &= cmpxchg_user((u32 *)hole, &old, 7) == -EFAULT;

	good &= !copy_to_user(base, "hello", 6);
	good &= strncpy_from_user(text, (char *)base, sizeof(text)) == 5 && !strcmp(text, "hello");
	good &= strncpy_from_user(text, (char *)base, 3) == 3;
	good &= !copy_to_user(hole - 3, "abc", 3);
	good &= strncpy_from_user(text, (char *)hole - 3, sizeof(text)) == -EFAULT;
	good &= strncpy_from_user(text, (char *)USER_TOP, sizeof(text)) == -EFAULT;
	return good;
}

KTEST(mm_user_words)
{
	EXPECT(with_mm(words_body));
}

static bool atomic_body(u8 *base)
{
	u8 v = 0;
	bool good;

	/* Not there yet, and nobody may sleep to fetch it. */
	preempt_disable();
	good = copy_from_user(&v, base, 1) == 1;
	preempt_enable();
	good &= copy_from_user(&v, base, 1) == 0;
	preempt_disable();
	good &= copy_from_user(&v, base, 1) == 0;
	preempt_enable();
	return good;
}

KTEST(mm_user_copy_atomic)
{
	EXPECT(with_mm(atomic_body));
}

/* ---- address spaces ---- */

/* A promise of shared memory costs nothing, however large; what is touched, what it takes to find it. */
KTEST(mm_shared_reservation)
{
	struct mm *mm = mm_alloc();
	u64 before, size = 1ul << 40;
	int code;

	EXPECT(mm);
	before = nr_free_pages();
	EXPECT(do_mmap(mm, AT, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, NULL, NULL,
		       0) == (long)AT);
	EXPECT(before - nr_free_pages() < 8);
	EXPECT(!handle_mm_fault(mm, AT + size / 2, true, false, &code));
	EXPECT(!handle_mm_fault(mm, AT + size - 1, true, false, &code));
	EXPECT(!handle_mm_fault(mm, AT, true, false, &code));
	EXPECT(mm->nr_pages == 3);
	EXPECT(before - nr_free_pages() < 32);
	mm_put(mm);
}

/* A copy-on-write copy has its own data; all pages and tables come back. */
KTEST(mm_dup_cow)
{
	struct mm *a = mm_alloc(), *b;
	char text[8];
	int code;
	u64 *pte, next, pa;

	EXPECT(a);
	EXPECT(do_mmap(a, AT, 64 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, NULL, 0) == (long)AT);
	EXPECT(!handle_mm_fault(a, AT + 5, true, false, &code));
	pte = pte_find(a->pgd, AT, &next);
	EXPECT(pte && (*pte & PTE_W));
	pa = *pte & PTE_ADDR;
	memcpy(phys_to_virt(pa), "parent", 7);

	b = mm_dup(a);
	EXPECT(b && b->nr_pages == 1 && b->total_vm == 64);
	EXPECT(!(*pte & PTE_W));
	EXPECT(refcount_read(&phys_to_page(pa)->refs) == 2);
	EXPECT(mm_access(b, AT, text, 7, 0) == 7 && !strcmp(text, "parent"));

	/* The child writes: a page of its own. The parent then has its page alone. */
	EXPECT(!handle_mm_fault(b, AT, true, false, &code));
	EXPECT((*pte_find(b->pgd, AT, &next) & PTE_ADDR) != pa);
	EXPECT(!handle_mm_fault(a, AT, true, false, &code));
	EXPECT((*pte & PTE_ADDR) == pa && (*pte & PTE_W));

	EXPECT(handle_mm_fault(a, AT - 1, false, false, &code) == -EFAULT && code == 1);
	EXPECT(handle_mm_fault(a, AT, false, true, &code) == -EFAULT && code == 2);
	EXPECT(do_munmap(a, AT, 64 * PAGE_SIZE) == 0 && a->nr_pages == 0 && a->total_vm == 0);
	EXPECT(!virt_to_page(a->pgd)->inuse);
	mm_put(b);
	mm_put(a);
}

/* Memory that was only read is no page of the child's, and costs it no page table. */
KTEST(mm_dup_leaves_zeroes)
{
	struct mm *a = mm_alloc(), *b;
	u64 next, far = AT + 1024 * PAGE_SIZE;
	char text[2] = "x";
	int code;

	EXPECT(a);
	EXPECT(do_mmap(a, AT, 2048 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, NULL, 0) == (long)AT);
	EXPECT(!handle_mm_fault(a, AT, false, false, &code));
	EXPECT(!handle_mm_fault(a, AT + PAGE_SIZE, true, false, &code));
	EXPECT(!handle_mm_fault(a, far, false, false, &code));

	b = mm_dup(a);
	EXPECT(b && b->nr_pages == 1);
	EXPECT(!*pte_find(b->pgd, AT, &next) && *pte_find(b->pgd, AT + PAGE_SIZE, &next));
	EXPECT(*pte_find(a->pgd, far, &next) && !pte_find(b->pgd, far, &next));
	EXPECT(mm_access(b, far, text, 1, 0) == 1 && !text[0]);
	mm_put(b);
	mm_put(a);
}

/* ---- the reverse map ---- */

static struct address_space test_mapping;
static struct page *test_pages[4];

static struct page *test_fault(struct vm_area *vma, u64 off)
{
	get_page(test_pages[off >> PAGE_SHIFT]);
	return test_pages[off >> PAGE_SHIFT];
}

static struct address_space *test_mapping_of(const struct vm_area *vma)
{
	return &test_mapping;
}

static const struct vm_ops test_object = {.fault = test_fault, .mapping = test_mapping_of};

#define TEST_AT 0x100000ul

static bool touch_page(struct mm *mm, int i, bool write)
{
	int code;

	return handle_mm_fault(mm, TEST_AT + (u64)i * PAGE_SIZE, write, false, &code) == 0;
}

static bool is_mapped(struct mm *mm, int i)
{
	u64 next, *pte = pte_find(mm->pgd, TEST_AT + (u64)i * PAGE_SIZE, &next);

	return pte && *pte;
}

/* An address space with the object at TEST_AT, all four pages touched, page 1 written to. */
static struct mm *make_mapped(int flags)
{
	struct mm *mm = mm_alloc();
	bool good = mm && do_mmap(mm, TEST_AT, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE,
				  flags | MAP_FIXED, &test_object, &test_mapping, 0) > 0;

	for (int i = 0; good && i < 4; i++)
		good = touch_page(mm, i, i == 1);
	if (mm && !good)
		mm_put(mm);
	return good ? mm : NULL;
}

static bool pages_are_free(void)
{
	bool good = true;

	for (int i = 0; i < 4; i++) {
		good &= refcount_read(&test_pages[i]->refs) == 1;
		put_page(test_pages[i]);
	}
	return good && list_empty(&test_mapping.areas);
}

KTEST(rmap_unmaps_everywhere)
{
	struct mm *shared, *private, *child;

	mapping_init(&test_mapping);
	for (int i = 0; i < 4; i++)
		test_pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
	shared = make_mapped(MAP_SHARED);
	private = make_mapped(MAP_PRIVATE);
	EXPECT(shared && private);
	child = mm_dup(private);
	EXPECT(child && is_mapped(child, 1) && is_mapped(child, 2));
	/* Two areas instead of one, and a part in another place. */
	EXPECT(do_munmap(private, TEST_AT, PAGE_SIZE) == 0);

	/* A hole in pages 1 and 2: a private copy is its owner's. */
	mapping_unmap(&test_mapping, PAGE_SIZE, 3 * PAGE_SIZE, false);
	EXPECT(is_mapped(shared, 0) && !is_mapped(shared, 1) && !is_mapped(shared, 2));
	EXPECT(is_mapped(private, 1) && !is_mapped(private, 2) && is_mapped(private, 3));
	EXPECT(is_mapped(child, 1) && !is_mapped(child, 2) && is_mapped(child, 3));
	/* Truncation to one page: everything goes. */
	mapping_unmap(&test_mapping, PAGE_SIZE, ~0ull, true);
	EXPECT(is_mapped(shared, 0) && !is_mapped(shared, 3));
	EXPECT(!is_mapped(private, 1) && !is_mapped(private, 3));
	EXPECT(is_mapped(child, 0) && !is_mapped(child, 1) && !is_mapped(child, 3));
	EXPECT(refcount_read(&test_pages[0]->refs) == 3 &&
	       refcount_read(&test_pages[3]->refs) == 1);

	mm_put(shared);
	mm_put(private);
	mm_put(child);
	EXPECT(pages_are_free());
}

/* Another task maps, splits, joins, forks and unmaps while pages are taken away again and again. */
static bool churn_stop, churn_done;

static int churn(void *arg)
{
	while (!READ_ONCE(churn_stop)) {
		struct mm *mm = make_mapped(MAP_SHARED), *child = mm ? mm_dup(mm) : NULL;

		if (mm) {
			mutex_lock(&mm->lock);
			change_range(mm, TEST_AT + PAGE_SIZE, TEST_AT + 2 * PAGE_SIZE, VM_WRITE, 0);
			change_range(mm, TEST_AT, TEST_AT + 4 * PAGE_SIZE, 0, VM_WRITE);
			mutex_unlock(&mm->lock);
			mm_put(mm);
		}
		if (child)
			mm_put(child);
		cond_resched();
	}
	WRITE_ONCE(churn_done, true);
	return 0;
}

KTEST(rmap_against_churn)
{
	mapping_init(&test_mapping);
	for (int i = 0; i < 4; i++)
		test_pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
	churn_stop = churn_done = false;
	EXPECT(kthread_run(churn, NULL, -1, "churn"));
	for (int i = 0; i < 300; i++) {
		mapping_unmap(&test_mapping, 0, ~0ull, true);
		cond_resched();
	}
	WRITE_ONCE(churn_stop, true);
	while (!READ_ONCE(churn_done))
		cond_resched();
	EXPECT(pages_are_free());
}
