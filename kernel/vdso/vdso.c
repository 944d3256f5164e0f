/*
 * The vDSO: a small shared object that the kernel maps into every process, with functions that a C
 * library calls instead of making a system call (vdso(7)). The auxiliary vector says where it is
 * (AT_SYSINFO_EHDR); to the process it is one more library.
 *
 *	[vvar]	struct vdso_data	read-only; the one page that all processes and the kernel share
 *	[vdso]	user.c			read and execute
 *
 * The pages are made once, at boot. Nobody can make the data page writable; the code is a private
 * mapping like that of any library, so a debugger's breakpoint gets a copy of the page.
 *
 * LOCKING: none. Pages and code never change after boot; of the data see data.h.
 */
#include "kernel/vdso/vdso.h"

#include "kernel/lib/init.h"
#include "kernel/lib/panic.h"
#include "kernel/lib/string.h"
#include "kernel/mm/mm.h"
#include "kernel/sched/task.h"
#include "kernel/time/ktime.h"

#define MAX_PAGES 4

extern const u8 vdso_image[], vdso_image_end[];

static struct page *pages[MAX_PAGES]; /* [I] the data page, then the code */
static u64 nr_pages;                  /* [I] */

static struct page *vdso_fault(struct vm_area *vma, u64 off)
{
	struct page *p;

	/* mremap(2) may have made the area longer. */
	if (off >> PAGE_SHIFT >= nr_pages)
		return ERR_PTR(-EFAULT);
	p = pages[off >> PAGE_SHIFT];
	get_page(p);
	return p;
}

static const char *vdso_name(struct vm_area *vma, char *buf, size_t size)
{
	return vma->offset ? "[vdso]" : "[vvar]";
}

static int vdso_may_protect(struct vm_area *vma, u32 flags)
{
	return !vma->offset && (flags & (VM_WRITE | VM_EXEC)) ? -EACCES : 0;
}

static const struct vm_ops vdso_ops = {
	.fault = vdso_fault,
	.name = vdso_name,
	.may_protect = vdso_may_protect,
};

long vdso_map(void)
{
	u64 len = nr_pages * PAGE_SIZE;
	long data = do_mmap(current->mm, 0, len, PROT_READ, MAP_PRIVATE, &vdso_ops, NULL, 0);

	if (data < 0)
		return data;
	return do_mmap(current->mm, (u64)data + PAGE_SIZE, len - PAGE_SIZE, PROT_READ | PROT_EXEC,
		       MAP_PRIVATE | MAP_FIXED, &vdso_ops, NULL, PAGE_SIZE);
}

static __init int vdso_init(void)
{
	u64 size = (u64)(vdso_image_end - vdso_image);

	nr_pages = 1 + (PAGE_ALIGN(size) >> PAGE_SHIFT);
	BUG_ON(nr_pages > MAX_PAGES);
	for (u64 i = 0; i < nr_pages; i++) {
		pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!pages[i])
			panic("no memory for the vDSO");
	}
	for (u64 off = 0; off < size; off += PAGE_SIZE)
		memcpy(page_address(pages[1 + (off >> PAGE_SHIFT)]), vdso_image + off,
		       min(size - off, PAGE_SIZE));
	ktime_publish(page_address(pages[0]));
	return 0;
}
core_initcall(vdso_init);
