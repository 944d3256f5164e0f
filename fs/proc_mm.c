/*
 * What /proc/PID tells of a process's memory: its words (cmdline, environ, auxv) and its areas (maps, smaps,
 * smaps_rollup). Formats: proc(5). All but cmdline is for those only who may trace it.
 *
 * LOCKING: mm->lock while areas are walked.
 */

#include "fs/proc.h"
#include "kernel/lib/string.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/slab.h"

/* As get_accessible_mm(), for a file: NULL for a kernel thread, ERR_PTR(-EACCES). */
static struct mm *readable_mm(struct task *t)
{
	struct mm *mm = t->signal ? get_accessible_mm(t) : NULL;

	return IS_ERR(mm) ? ERR_PTR(-EACCES) : mm;
}

/* ---- words ---- */

enum words { ARGUMENTS, ENVIRONMENT, AUXV };

static int show_words(struct task *t, struct seq *s, enum words which)
{
	struct mm *mm = which == ARGUMENTS ? get_task_mm(t) : readable_mm(t);
	u64 range[3][2];
	char *buf;
	u64 from, to;

	if (!mm || IS_ERR(mm))
		return (int)PTR_ERR(mm); /* a kernel thread or a zombie: empty */
	buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
	memcpy(range,
	       (u64[3][2]){{mm->arg_start, mm->arg_end},
			   {mm->env_start, mm->env_end},
			   {mm->auxv_start, mm->auxv_end}},
	       sizeof(range));
	from = range[which][0];
	to = range[which][1];
	while (buf && from < to) {
		size_t n = mm_access(mm, from, buf, min(to - from, PAGE_SIZE), MM_FORCE);

		if (!n)
			break;
		seq_write(s, buf, n);
		from += n;
	}
	kfree(buf);
	mm_put(mm);
	return buf ? 0 : -ENOMEM;
}

int proc_show_cmdline(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	return show_words(t, s, ARGUMENTS);
}

int proc_show_environ(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	return show_words(t, s, ENVIRONMENT);
}

int proc_show_auxv(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	return show_words(t, s, AUXV);
}

/* ---- areas ---- */

static void show_area(struct seq *s, struct vm_area *v, char *buf)
{
	struct file *f = vma_tmpfs_file(v);
	u64 dev = f ? f->f_inode->i_sb->s_dev : 0;
	const char *name = v->flags & VM_HEAP ? "[heap]" : v->flags & VM_STACK ? "[stack]" : "";
	size_t start = s->len;

	if (v->ops && v->ops->name)
		name = v->ops->name(v, buf, PATH_MAX);
	seq_printf(s, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", v->start, v->end,
		   v->flags & VM_READ ? 'r' : '-', v->flags & VM_WRITE ? 'w' : '-',
		   v->flags & VM_EXEC ? 'x' : '-', v->flags & VM_SHARED ? 's' : 'p', v->offset,
		   (unsigned)(dev >> 8) & 0xfff, (unsigned)dev & 0xff, f ? f->f_inode->i_ino : 0ul);
	if (*name)
		seq_printf(s, "%*s%s", (int)max(0l, 73 - (long)(s->len - start)), "", name);
	seq_write(s, "\n", 1);
}

static void put_kb(struct seq *s, const char *name, u64 bytes)
{
	seq_printf(s, "%-16s%8lu kB\n", name, bytes / 1024);
}

static void put_usage(struct seq *s, const struct area_usage *u)
{
	put_kb(s, "Rss:", u->rss);
	put_kb(s, "Pss:", u->pss);
	put_kb(s, "Shared_Clean:", u->shared_clean);
	put_kb(s, "Shared_Dirty:", u->shared_dirty);
	put_kb(s, "Private_Clean:", u->private_clean);
	put_kb(s, "Private_Dirty:", u->private_dirty);
	put_kb(s, "Referenced:", u->referenced);
	put_kb(s, "Anonymous:", u->anonymous);
	put_kb(s, "Swap:", 0);
	put_kb(s, "SwapPss:", 0);
	put_kb(s, "Locked:", u->locked);
}

static bool may_get(struct vm_area *v, u32 flag)
{
	return !v->ops || !v->ops->may_protect || !v->ops->may_protect(v, flag);
}

static void put_vm_flags(struct seq *s, struct vm_area *v)
{
	static const struct {
		u32 flag;
		const char *word;
	} words[] = {
		{VM_READ, "rd"},       {VM_WRITE, "wr"},     {VM_EXEC, "ex"},
		{VM_SHARED, "sh"},     {VM_GROWSDOWN, "gd"}, {VM_LOCKED, "lo"},
		{VM_DONTCOPY, "dc"},   {VM_ACCOUNT, "ac"},   {VM_NORESERVE, "nr"},
		{VM_WIPEONFORK, "wf"},
	};

	seq_printf(s, "VmFlags: %s%s%s", may_get(v, VM_READ) ? "mr " : "",
		   may_get(v, VM_WRITE) ? "mw " : "", may_get(v, VM_EXEC) ? "me " : "");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (v->flags & words[i].flag)
			seq_printf(s, "%s ", words[i].word);
	seq_printf(s, "\n");
}

static void show_area_usage(struct seq *s, struct vm_area *v, char *buf)
{
	struct area_usage u = {0};

	show_area(s, v, buf);
	area_usage(v, &u);
	put_kb(s, "Size:", v->end - v->start);
	put_kb(s, "KernelPageSize:", PAGE_SIZE);
	put_kb(s, "MMUPageSize:", PAGE_SIZE);
	put_usage(s, &u);
	put_vm_flags(s, v);
}

/* @show for each area, with a buffer for a path. 0 or -ENOMEM. */
static int show_areas(struct task *t, struct seq *s,
		      void (*show)(struct seq *s, struct vm_area *v, char *buf))
{
	struct mm *mm = readable_mm(t);
	struct vm_area *v;
	char *buf;

	if (!mm || IS_ERR(mm))
		return (int)PTR_ERR(mm);
	buf = kmem_cache_alloc(names_cache, GFP_KERNEL);
	if (buf) {
		mutex_lock(&mm->lock);
		rb_for_each_entry(v, &mm->areas, node) {
			show(s, v, buf);
			cond_resched();
		}
		mutex_unlock(&mm->lock);
		putname(buf);
	}
	mm_put(mm);
	return buf ? 0 : -ENOMEM;
}

int proc_show_maps(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	return show_areas(t, s, show_area);
}

int proc_show_smaps(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	return show_areas(t, s, show_area_usage);
}

int proc_show_smaps_rollup(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	struct mm *mm = readable_mm(t);
	struct area_usage u = {0};
	u64 start = 0, end = 0;
	struct vm_area *v;

	if (!mm || IS_ERR(mm))
		return (int)PTR_ERR(mm);
	mutex_lock(&mm->lock);
	rb_for_each_entry(v, &mm->areas, node) {
		start = start ? start : v->start;
		end = v->end;
		area_usage(v, &u);
	}
	mutex_unlock(&mm->lock);
	mm_put(mm);
	seq_printf(s, "%08lx-%08lx ---p 00000000 00:00 0 %*s[rollup]\n", start, end, 24, "");
	put_usage(s, &u);
	return 0;
}
