/*
 * The ELF loader: checks a program's headers and maps its segments.
 *
 * A segment is a range of the file at an address, with rights; memory beyond the file's part reads as
 * zero (.bss). Nothing is copied here. The file's part becomes a private mapping, so the pages of a
 * program are those of the page cache, shared by all who run it, and a page is copied when its process
 * writes to it. The part without a file is anonymous memory:
 *
 *	p_vaddr            p_vaddr+p_filesz          p_vaddr+p_memsz
 *	|<--- pages of the file --->|<- zeroed ->|<-- anonymous -->|
 *	                            page boundary
 *
 * The rest of the last page of the file's part is cleared here, which is the one write.
 *
 * The file is hostile until proven otherwise: every sum is checked for overflow, segments must ascend
 * and lie in user memory, and all that happens before the old program is given up. Everything runs in
 * process context; locks are those of reading files and of mm.
 */
#include "kernel/exec/elf.h"

#include "kernel/abi/errno.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"

#define ET_EXEC      2
#define ET_DYN       3
#define EM_X86_64    62
#define PT_LOAD      1
#define PT_INTERP    3
#define PT_GNU_STACK 0x6474e551
#define PF_X         1
#define PF_W         2
#define PF_R         4

#define MAX_PHDRS  (65536 / sizeof(struct elf64_phdr))
#define MAX_INTERP 4096

static int read_exactly(struct binary *b, void *buf, size_t len, u64 off)
{
	ssize_t n = b->read(b, buf, len, off);

	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EIO;
}

/* ---- checking ---- */

/* Class, byte order and version say nothing that the machine does not: Linux ignores them, too. */
static bool header_is_sound(const struct elf64_hdr *h)
{
	static const u8 magic[] = {0x7f, 'E', 'L', 'F'};

	return !memcmp(h->e_ident, magic, sizeof(magic)) &&
	       (h->e_type == ET_EXEC || h->e_type == ET_DYN) && h->e_machine == EM_X86_64 &&
	       h->e_phentsize == sizeof(struct elf64_phdr) && h->e_phnum >= 1 &&
	       h->e_phnum <= MAX_PHDRS && h->e_entry < USER_TOP;
}

/* @end: where the segment before ends. */
static bool segment_is_sound(const struct elf64_phdr *p, u64 end)
{
	u64 sum;

	if (p->p_filesz > p->p_memsz || p->p_vaddr < end)
		return false;
	if (__builtin_add_overflow(p->p_vaddr, p->p_memsz, &sum) || sum > USER_TOP - PAGE_SIZE)
		return false;
	if (__builtin_add_overflow(p->p_offset, p->p_filesz, &sum) || sum >> 62)
		return false;
	/* Both ends of the mapping are whole pages, so file and memory must be in step. */
	return !((p->p_vaddr ^ p->p_offset) & ~PAGE_MASK);
}

static int check_segments(struct elf_file *f)
{
	bool any = false;
	u64 end = 0;

	f->align = PAGE_SIZE;
	for (int i = 0; i < f->eh.e_phnum; i++) {
		const struct elf64_phdr *p = &f->ph[i];

		if (p->p_type == PT_GNU_STACK)
			f->exec_stack = p->p_flags & PF_X;
		if (p->p_type != PT_LOAD || !p->p_memsz)
			continue;
		if (!segment_is_sound(p, end))
			return -ENOEXEC;
		if (!any)
			f->min = p->p_vaddr & PAGE_MASK;
		any = true;
		end = p->p_vaddr + p->p_memsz;
		/* Powers of two only; others mean nothing. */
		if (p->p_align > f->align && !(p->p_align & (p->p_align - 1)) &&
		    p->p_align <= (1ul << 30))
			f->align = p->p_align;
	}
	f->max = PAGE_ALIGN(end);
	if (!any || (f->eh.e_type == ET_EXEC && f->min < MMAP_MIN_ADDR))
		return -ENOEXEC;
	return 0;
}

static int read_interp(struct elf_file *f)
{
	for (int i = 0; i < f->eh.e_phnum; i++) {
		const struct elf64_phdr *p = &f->ph[i];
		int err;

		if (p->p_type != PT_INTERP)
			continue;
		if (p->p_filesz < 2 || p->p_filesz > MAX_INTERP)
			return -ENOEXEC;
		f->interp = kmalloc(p->p_filesz, GFP_KERNEL);
		if (!f->interp)
			return -ENOMEM;
		err = read_exactly(f->b, f->interp, p->p_filesz, p->p_offset);
		if (err)
			return err;
		return f->interp[p->p_filesz - 1] ? -ENOEXEC : 0;
	}
	return 0;
}

int elf_read(struct binary *b, struct elf_file *f)
{
	size_t size;
	int err;

	*f = (struct elf_file){.b = b};
	err = read_exactly(b, &f->eh, sizeof(f->eh), 0);
	if (err)
		return err;
	if (!header_is_sound(&f->eh) || !b->mmap)
		return -ENOEXEC;
	size = f->eh.e_phnum * sizeof(struct elf64_phdr);
	f->ph = kmalloc(size, GFP_KERNEL);
	if (!f->ph)
		return -ENOMEM;
	err = read_exactly(b, f->ph, size, f->eh.e_phoff);
	if (err == -EIO)
		err = -ENOEXEC;
	if (!err)
		err = check_segments(f);
	return err ? err : read_interp(f);
}

void elf_free(struct elf_file *f)
{
	kfree(f->ph);
	kfree(f->interp);
	f->ph = NULL;
	f->interp = NULL;
}

/* ---- mapping ---- */

static int segment_prot(const struct elf64_phdr *p)
{
	return (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) |
	       (p->p_flags & PF_X ? PROT_EXEC : 0);
}

static int map_file_part(struct binary *b, const struct elf64_phdr *p, u64 start, u64 end)
{
	const struct vm_ops *ops;
	u64 len = PAGE_ALIGN(end) - (start & PAGE_MASK), off = p->p_offset & PAGE_MASK;
	void *object;
	long at;
	int err = b->mmap(b, len, segment_prot(p), off, &ops, &object);

	if (err)
		return err;
	at = do_mmap(current->mm, start & PAGE_MASK, len, segment_prot(p), MAP_PRIVATE | MAP_FIXED,
		     ops, object, off);
	return at < 0 ? (int)at : 0;
}

static int map_segment(struct binary *b, const struct elf64_phdr *p, u64 bias)
{
	u64 start = p->p_vaddr + bias, file_end = start + p->p_filesz, end = start + p->p_memsz;
	u64 bss = p->p_filesz ? PAGE_ALIGN(file_end) : start & PAGE_MASK;
	long at;
	int err;

	if (p->p_filesz) {
		err = map_file_part(b, p, start, file_end);
		if (err)
			return err;
	}
	/* To the end of the page: dynamic loaders allocate from what lies behind their .bss. */
	if (p->p_filesz && end > file_end && (p->p_flags & PF_W) &&
	    clear_user((void __user *)file_end, bss - file_end))
		return -EFAULT;
	if (PAGE_ALIGN(end) <= bss)
		return 0;
	at = do_mmap(current->mm, bss, PAGE_ALIGN(end) - bss, segment_prot(p),
		     MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, NULL, NULL, 0);
	return at < 0 ? (int)at : 0;
}

/* Where a position-independent file goes: all of its span must be free there. */
static int choose_bias(const struct elf_file *f, u64 base, u64 *bias)
{
	u64 span = f->max - f->min;
	long at;

	*bias = 0;
	if (f->eh.e_type == ET_EXEC)
		return 0;
	if (!base) {
		/* Reserves the place; the segments are mapped over it. */
		at = do_mmap(current->mm, 0, span + f->align - PAGE_SIZE, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, NULL, NULL, 0);
		if (at < 0)
			return (int)at;
		base = (u64)at;
	}
	base = ALIGN_UP(base, f->align);
	if (span > USER_TOP - base)
		return -ENOMEM;
	*bias = base - f->min;
	return 0;
}

/* The program headers are usually in the first segment: the program finds itself through them. */
static u64 find_phdr(const struct elf_file *f, u64 bias)
{
	for (int i = 0; i < f->eh.e_phnum; i++) {
		const struct elf64_phdr *p = &f->ph[i];

		if (p->p_type == PT_LOAD && p->p_offset <= f->eh.e_phoff &&
		    f->eh.e_phoff - p->p_offset < p->p_filesz)
			return f->eh.e_phoff - p->p_offset + p->p_vaddr + bias;
	}
	return 0;
}

int elf_map(const struct elf_file *f, u64 base, struct elf_image *img)
{
	int err = choose_bias(f, base, &img->bias);

	if (err)
		return err;
	for (int i = 0; i < f->eh.e_phnum; i++) {
		const struct elf64_phdr *p = &f->ph[i];

		if (p->p_type != PT_LOAD || !p->p_memsz)
			continue;
		err = map_segment(f->b, p, img->bias);
		if (err)
			return err;
	}
	img->entry = f->eh.e_entry + img->bias;
	img->phdr = find_phdr(f, img->bias);
	img->end = f->max + img->bias;
	return 0;
}
