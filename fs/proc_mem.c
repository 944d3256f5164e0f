/*
 * Another process's memory as files, for debuggers:
 *
 *	/proc/PID/mem		its bytes; a position is an address. What can be read and written is what
 *				ptrace(2) can
 *	/proc/PID/pagemap	a word of 64 bits for each page: is it there, whose is it (Linux's
 *				Documentation/admin-guide/mm/pagemap.rst)
 *
 * Who may open them is said by ptrace(2). An open one belongs to the process, whatever program it runs
 * by now, and each operation asks once more who may.
 */
#include "fs/proc.h"
#include "kernel/mm/mm.h"
#include "kernel/sched/signal.h"

/* The process's memory; NULL: it has none any more; ERR_PTR(-EACCES). */
static struct mm *mem_of(const struct file *f)
{
	struct task *t = get_ref_task(proc_ref(f->f_inode));
	struct mm *mm;

	if (!t)
		return NULL;
	mm = get_accessible_mm(t);
	task_put(t);
	return IS_ERR(mm) ? ERR_PTR(-EACCES) : mm;
}

static int mem_open(struct inode *inode, struct file *f)
{
	struct mm *mm = mem_of(f);

	if (IS_ERR(mm))
		return (int)PTR_ERR(mm);
	if (mm)
		mm_put(mm);
	return 0;
}

static ssize_t mem_rw(struct file *f, struct iov_iter *it, loff_t *pos, int how)
{
	struct mm *mm = mem_of(f);
	size_t count = it->count;
	ssize_t n;

	if (!mm || IS_ERR(mm))
		return PTR_ERR(mm);
	n = count ? mm_access_iter(mm, (u64)*pos, count, it, how | MM_FORCE) : 0;
	mm_put(mm);
	if (n > 0)
		*pos += n;
	return n || !count ? n : -EIO;
}

static ssize_t mem_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	return mem_rw(f, to, pos, 0);
}

static ssize_t mem_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
	return mem_rw(f, from, pos, MM_WRITE);
}

static loff_t mem_llseek(struct file *f, loff_t off, int whence)
{
	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	return generic_file_llseek(f, off, whence, 0);
}

const struct file_operations proc_mem_fops = {
	.read = mem_read, .write = mem_write, .llseek = mem_llseek, .open = mem_open};

/* ---- pagemap ---- */

static ssize_t pagemap_copy(struct mm *mm, struct iov_iter *to, u64 page)
{
	bool show_pfn = capable(CAP_SYS_ADMIN);
	u64 chunk[64];
	size_t done = 0;

	while (to->count && page < USER_TOP >> PAGE_SHIFT && !fatal_signal_pending(current)) {
		size_t n = min(to->count / sizeof(u64), ARRAY_SIZE(chunk));

		n = min(n, (USER_TOP >> PAGE_SHIFT) - page);
		mm_pagemap(mm, page << PAGE_SHIFT, chunk, n, show_pfn);
		if (copy_to_iter(chunk, n * sizeof(u64), to) != n * sizeof(u64))
			return -EFAULT;
		page += n;
		done += n * sizeof(u64);
		cond_resched();
	}
	return (ssize_t)done;
}

static ssize_t pagemap_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
	struct mm *mm = mem_of(f);
	ssize_t n = -EINVAL;

	if (!mm || IS_ERR(mm))
		return PTR_ERR(mm);
	if (*pos % (loff_t)sizeof(u64) == 0 && to->count % sizeof(u64) == 0)
		n = pagemap_copy(mm, to, (u64)*pos / sizeof(u64));
	mm_put(mm);
	if (n > 0)
		*pos += n;
	return n;
}

const struct file_operations proc_pagemap_fops = {
	.read = pagemap_read, .llseek = mem_llseek, .open = mem_open};
