/*
 * /proc/PID/mem: another process's memory as a file, for debuggers; a position is an address. Who may
 * open it is said by ptrace(2); what can be read and written is what ptrace can.
 *
 * An open one belongs to the process, whatever program it runs by now, and each operation asks once
 * more who may.
 */
#include "fs/proc.h"
#include "kernel/mm/mm.h"

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
