/*
 * /proc/PID: what can be seen of a process from outside. The formats are those of proc(5), because
 * ps, top and lsof read them.
 *
 * An inode here does not hold its process; it remembers the number and the start time, and each
 * operation looks the process up again. When it has ended meanwhile the answer is ESRCH, and the
 * number may belong to another process by then without harm.
 *
 * LOCKING. Whoever looks must get everything from a process that may be ending on another CPU:
 *	tasklist_lock    signal, sighand and mm of a task that is in the table are there; a
 *	                 reference on mm is taken under it.
 *	task_files_lock  (fdtable.c) files and fs; see task_get_file(), task_get_path().
 * Texts are written after both have been let go, from copies.
 */

#include "fs/proc.h"
#include "kernel/exec/process.h"
#include "kernel/lib/string.h"
#include "kernel/lib/sysctl.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/oom.h"
#include "kernel/mm/slab.h"

static const struct pid_entry pid_entries[];
static const struct inode_operations pid_iops;

/* ---- finding the process ---- */

struct task *get_ref_task(const struct proc_ref *ref)
{
	struct task *t = find_get_task(ref->pid);

	if (t && t->start_time != ref->start_time) {
		task_put(t);
		t = NULL;
	}
	return t;
}

/* Keeps the @max smallest numbers, sorted. */
static size_t keep_smallest(pid_t *out, size_t n, size_t max, pid_t pid)
{
	size_t i;

	if (n == max && pid > out[n - 1])
		return n;
	if (n < max)
		n++;
	for (i = n - 1; i && out[i - 1] > pid; i--)
		out[i] = out[i - 1];
	out[i] = pid;
	return n;
}

size_t next_pids(pid_t from, struct task *of, pid_t *out, size_t max)
{
	struct task *t;
	size_t n = 0;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	list_for_each_entry(t, &all_tasks, all_link) {
		if (t->pid < from || (of ? t->tgid != of->tgid : t->pid != t->tgid))
			continue;
		n = keep_smallest(out, n, max, t->pid);
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return n;
}

/* ---- a picture of a task ---- */

struct picture {
	char comm[TASK_COMM_LEN];
	char state;
	pid_t ppid, pgrp, session, tracer;
	u32 uid[4], gid[4]; /* real, effective, saved, for files */
	u64 caps[4];        /* inheritable, permitted, effective, bounding */
	bool no_new_privs;
	int threads, exit_signal, exit_code, cpu, nice, policy, rt_priority;
	u64 tty_nr;
	pid_t tpgid;
	struct cputime used, children;
	u64 start, switches, cpus;
	sigset_t pending, shared, blocked, ignored, caught;
	u64 vsize, rss, rss_shared, data, locked, arg_start, arg_end, env_start, env_end, brk_start,
		stack;
};

static char state_letter(unsigned state)
{
	switch (state &
		(TASK_NORMAL | TASK_STOPPED | TASK_ZOMBIE | TASK_DEAD | TASK_NEW | TASK_TRACED)) {
	case TASK_RUNNING:
	case TASK_NEW:
		return 'R';
	case TASK_INTERRUPTIBLE:
		return 'S';
	case TASK_STOPPED:
		return 'T';
	case TASK_TRACED:
		return 't';
	case TASK_ZOMBIE:
		return 'Z';
	case TASK_DEAD:
		return 'X';
	default:
		return 'D';
	}
}

/* tasklist_lock held, @t is in the table. */
static void picture_process(struct picture *p, struct task *t, bool thread)
{
	struct signal_struct *g = t->signal;

	p->ppid = g->parent ? g->parent->pid : 0;
	p->pgrp = g->pgrp;
	p->session = g->session;
	p->tracer = t->ptrace.tracer ? t->ptrace.tracer->pid : 0;
	p->tty_nr = g->tty ? g->tty->rdev : 0;
	p->tpgid = g->tty ? g->tty->pgrp : -1;
	p->threads = g->nr_threads;
	memcpy(p->uid, (u32[]){g->uid, g->euid, g->suid, g->fsuid}, sizeof(p->uid));
	memcpy(p->gid, (u32[]){g->gid, g->egid, g->sgid, g->fsgid}, sizeof(p->gid));
	p->caps[0] = g->cap_inheritable;
	p->caps[1] = g->cap_permitted;
	p->caps[2] = g->cap_effective;
	p->caps[3] = g->cap_bset;
	p->no_new_privs = g->no_new_privs;
	p->children = g->children_time;
	if (!thread)
		p->used = process_cputime(g);
	get_signal_masks(t, &p->pending, &p->shared, &p->blocked, &p->ignored, &p->caught);
}

/* 0 or -ESRCH. @thread: of this thread alone. */
static int take_picture(struct picture *p, struct task *t, bool thread)
{
	struct mm *mm;
	u64 flags;
	int err = -ESRCH;

	memset(p, 0, sizeof(*p));
	p->tpgid = -1;
	spin_lock_irqsave(&tasklist_lock, flags);
	if (!list_empty(&t->pid_link)) {
		err = 0;
		memcpy(p->comm, t->comm, sizeof(p->comm));
		p->comm[TASK_COMM_LEN - 1] = '\0';
		p->state = state_letter(READ_ONCE(t->state));
		p->used = task_cputime(t);
		p->switches = t->nr_switches;
		p->start = t->start_time;
		p->cpus = t->cpus_allowed;
		p->cpu = t->cpu;
		p->nice = t->nice;
		p->policy = t->policy;
		p->rt_priority = t->rt_priority;
		p->exit_signal = t->exit_signal;
		p->exit_code = t->exit_code;
		p->threads = 1;
		if (t->signal)
			picture_process(p, t, thread);
		else if (p->state == 'D')
			p->state = 'I'; /* a kernel thread without work waits for nothing */
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	mm = err ? NULL : get_task_mm(t);
	if (mm) {
		p->vsize = READ_ONCE(mm->total_vm) * PAGE_SIZE;
		p->rss = READ_ONCE(mm->nr_pages);
		p->rss_shared = READ_ONCE(mm->nr_shared);
		p->data = READ_ONCE(mm->data_vm);
		p->locked = READ_ONCE(mm->locked_vm);
		p->arg_start = mm->arg_start;
		p->arg_end = mm->arg_end;
		p->env_start = mm->env_start;
		p->env_end = mm->env_end;
		p->brk_start = mm->brk_start;
		p->stack = mm->stack_top;
		mm_put(mm);
	}
	return err;
}

/* ---- texts ---- */

static int show_comm(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	seq_printf(s, "%.*s\n", TASK_COMM_LEN - 1, t->comm);
	return 0;
}

/* A thread may name the others of its process, pthread_setname_np(3); what is too long is cut. */
static int store_comm(struct task *t, const char *text)
{
	if (t->tgid != current->tgid)
		return -EINVAL;
	strscpy(t->comm, text, sizeof(t->comm));
	return 0;
}

static int show_limits(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	static const char *const names[RLIM_NLIMITS][2] = {
		{"cpu time", "seconds"},     {"file size", "bytes"},
		{"data size", "bytes"},      {"stack size", "bytes"},
		{"core file size", "bytes"}, {"resident set", "bytes"},
		{"processes", "processes"},  {"open files", "files"},
		{"locked memory", "bytes"},  {"address space", "bytes"},
		{"file locks", "locks"},     {"pending signals", "signals"},
		{"msgqueue size", "bytes"},  {"nice priority", ""},
		{"realtime priority", ""},   {"realtime timeout", "us"},
	};
	struct rlimit limits[RLIM_NLIMITS];
	char text[2][24];
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	if (list_empty(&t->pid_link) || !t->signal) {
		spin_unlock_irqrestore(&tasklist_lock, flags);
		return -ESRCH;
	}
	memcpy(limits, t->signal->rlim, sizeof(limits));
	spin_unlock_irqrestore(&tasklist_lock, flags);
	seq_printf(s, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		const u64 v[2] = {limits[i].rlim_cur, limits[i].rlim_max};

		for (int k = 0; k < 2; k++)
			scnprintf(text[k], sizeof(text[k]),
				  v[k] == RLIM_INFINITY ? "unlimited" : "%lu", v[k]);
		seq_printf(s, "Max %-21s %-20s %-20s %-10s\n", names[i][0], text[0], text[1],
			   names[i][1]);
	}
	return 0;
}

static void show_status_mm(struct seq *s, const struct picture *p)
{
	if (!p->vsize)
		return;
	seq_printf(s, "VmSize:\t%8lu kB\nVmLck:\t%8lu kB\nVmRSS:\t%8lu kB\n", p->vsize / 1024,
		   p->locked * (PAGE_SIZE / 1024), p->rss * (PAGE_SIZE / 1024));
	seq_printf(s, "RssAnon:\t%8lu kB\nRssFile:\t%8lu kB\nVmData:\t%8lu kB\n",
		   (p->rss - p->rss_shared) * (PAGE_SIZE / 1024),
		   p->rss_shared * (PAGE_SIZE / 1024), p->data * (PAGE_SIZE / 1024));
}

static void show_status_signals(struct seq *s, const struct picture *p)
{
	seq_printf(s, "SigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\n", p->pending, p->shared,
		   p->blocked);
	seq_printf(s, "SigIgn:\t%016lx\nSigCgt:\t%016lx\n", p->ignored, p->caught);
}

static void show_status_groups(struct seq *s, struct task *t)
{
	struct group_list *l = t->signal ? get_groups(t->signal) : NULL;

	seq_printf(s, "Groups:\t");
	for (unsigned i = 0; l && i < l->n; i++)
		seq_printf(s, "%u ", l->gid[i]);
	seq_printf(s, l ? "\n" : " \n");
	put_groups(l);
}

static void show_status_caps(struct seq *s, const struct picture *p)
{
	seq_printf(s, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\n", p->caps[0], p->caps[1],
		   p->caps[2]);
	seq_printf(s, "CapBnd:\t%016lx\nCapAmb:\t%016x\nNoNewPrivs:\t%d\n", p->caps[3], 0,
		   p->no_new_privs);
}

static int show_status(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	static const char *const words[][2] = {
		{"R", "running"}, {"S", "sleeping"}, {"D", "disk sleep"}, {"T", "stopped"},
		{"Z", "zombie"},  {"X", "dead"},     {"I", "idle"},       {"t", "tracing stop"},
	};
	const char *word = "";
	struct picture p;
	int err = take_picture(&p, t, false), mask = task_umask(t);

	if (err)
		return err;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i][0][0] == p.state)
			word = words[i][1];
	seq_printf(s, "Name:\t%s\n", p.comm);
	if (mask >= 0)
		seq_printf(s, "Umask:\t%04o\n", mask);
	seq_printf(s, "State:\t%c (%s)\n", p.state, word);
	seq_printf(s, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n", t->tgid, t->pid,
		   p.ppid, p.tracer);
	seq_printf(s, "Uid:\t%u\t%u\t%u\t%u\n", p.uid[0], p.uid[1], p.uid[2], p.uid[3]);
	seq_printf(s, "Gid:\t%u\t%u\t%u\t%u\n", p.gid[0], p.gid[1], p.gid[2], p.gid[3]);
	seq_printf(s, "FDSize:\t%u\n", task_fd_size(t));
	show_status_groups(s, t);
	show_status_mm(s, &p);
	seq_printf(s, "Threads:\t%d\n", p.threads);
	show_status_signals(s, &p);
	show_status_caps(s, &p);
	seq_printf(s, "Cpus_allowed:\t%lx\n", p.cpus & (BIT(nr_cpus) - 1));
	seq_printf(s, "voluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_switches:\t0\n",
		   p.switches);
	return 0;
}

static u64 ticks(u64 ns)
{
	return ns / (NSEC_PER_SEC / USER_HZ);
}

static int show_stat(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	struct picture p;
	int err = take_picture(&p, t, ref->fd);

	if (err)
		return err;
	seq_printf(s, "%d (%s) %c %d %d %d %d %d 0 0 0 0 0", t->pid, p.comm, p.state, p.ppid,
		   p.pgrp, p.session, (int)p.tty_nr, p.tpgid);
	seq_printf(s, " %lu %lu %lu %lu %d %d %d 0 %lu", ticks(p.used.user), ticks(p.used.system),
		   ticks(p.children.user), ticks(p.children.system), 20 + p.nice, p.nice, p.threads,
		   ticks(p.start));
	seq_printf(s, " %lu %lu %lu 0 0 %lu 0 0", p.vsize, p.rss, (u64)RLIM_INFINITY, p.stack);
	seq_printf(s, " %lu %lu %lu %lu 0 0 0", p.pending & 0x7fffffff, p.blocked & 0x7fffffff,
		   p.ignored & 0x7fffffff, p.caught & 0x7fffffff);
	seq_printf(s, " %d %d %d %d 0 0 0 0 0", p.exit_signal, p.cpu, p.rt_priority, p.policy);
	seq_printf(s, " %lu %lu %lu %lu %lu %d\n", p.brk_start, p.arg_start, p.arg_end, p.env_start,
		   p.env_end, p.exit_code);
	return 0;
}

static int show_statm(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	struct picture p;
	int err = take_picture(&p, t, false);

	if (!err)
		seq_printf(s, "%lu %lu %lu 0 0 %lu 0\n", p.vsize / PAGE_SIZE, p.rss, p.rss_shared,
			   p.data);
	return err;
}

static int show_oom_score(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	struct mm *mm = get_task_mm(t);

	seq_printf(s, "%ld\n", t->signal ? oom_score(t->signal, mm) : 0l);
	if (mm)
		mm_put(mm);
	return 0;
}

static int show_oom_score_adj(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	seq_printf(s, "%d\n", t->signal ? READ_ONCE(t->signal->oom_score_adj) : 0);
	return 0;
}

/* Anybody may offer a process of his for killing; only root may spare it more than root did. */
static int store_oom_score_adj(struct task *t, const char *text)
{
	struct signal_struct *g = t->signal;
	int v;

	if (!g || sysctl_store(text, &v, sizeof(v), 1, OOM_SCORE_ADJ_MIN, OOM_SCORE_ADJ_MAX))
		return -EINVAL;
	if (!capable(CAP_SYS_RESOURCE) && v < READ_ONCE(g->oom_score_adj_min))
		return -EACCES;
	if (capable(CAP_SYS_RESOURCE))
		WRITE_ONCE(g->oom_score_adj_min, v);
	WRITE_ONCE(g->oom_score_adj, v);
	return 0;
}

static int show_pid_mounts(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	show_mounts(s);
	return 0;
}

static int show_pid_mountinfo(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	show_mountinfo(s);
	return 0;
}

int pid_store(const struct proc_ref *ref, const char *text)
{
	struct task *t;
	int err;

	if (!ref->entry->store)
		return -EIO;
	t = get_ref_task(ref);
	if (!t)
		return -ESRCH;
	err = ref->entry->store(t, text);
	task_put(t);
	return err;
}

int pid_show(const struct proc_ref *ref, struct seq *s)
{
	struct task *t = get_ref_task(ref);
	int err;

	if (!t)
		return -ESRCH;
	err = ref->entry->show(t, ref, s);
	task_put(t);
	return err;
}

/* ---- folders ---- */

struct inode *task_inode(struct super_block *sb, struct task *t, u32 mode,
			 const struct pid_entry *e, unsigned fd)
{
	const struct proc_ref ref = {
		.entry = e, .pid = t->pid, .start_time = t->start_time, .fd = fd};
	struct inode *i = proc_inode(sb, mode, &ref);
	u64 flags;

	if (IS_ERR(i))
		return i;
	spin_lock_irqsave(&tasklist_lock, flags);
	/* Who acts as another belongs to root, but not for himself. */
	if (!list_empty(&t->pid_link) && t->signal &&
	    (t->signal->dumpable || mode == (S_IFDIR | 0555) || t->tgid == current->tgid)) {
		i->i_uid = t->signal->euid;
		i->i_gid = t->signal->egid;
	} else {
		i->i_uid = i->i_gid = 0;
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return i;
}

/* ref->fd of a thread's folder and of the files in it: 1 below task/, 0 for a process. */
static struct inode *dir_inode(struct super_block *sb, pid_t pid, struct task *of)
{
	struct task *t = find_get_task(pid);
	struct inode *i;

	if (!t)
		return ERR_PTR(-ENOENT);
	if (of && t->tgid != of->tgid) {
		task_put(t);
		return ERR_PTR(-ENOENT);
	}
	i = task_inode(sb, t, S_IFDIR | 0555, NULL, of != NULL);
	task_put(t);
	if (!IS_ERR(i)) {
		i->i_op = &pid_iops;
		i->i_fop = &proc_pid_fops;
	}
	return i;
}

struct inode *pid_dir_inode(struct super_block *sb, pid_t pid)
{
	return dir_inode(sb, pid, NULL);
}

static struct inode *entry_inode(struct super_block *sb, struct task *t, const struct pid_entry *e,
				 unsigned thread)
{
	struct inode *i = task_inode(sb, t, e->mode, e, thread);

	if (!IS_ERR(i)) {
		i->i_op = e->iop;
		i->i_fop = e->fop ? e->fop : &proc_text_fops;
	}
	return i;
}

static struct inode *pid_lookup(struct inode *dir, const char *name, size_t len)
{
	const struct proc_ref *ref = proc_ref(dir);
	struct task *t = get_ref_task(ref);
	struct inode *i = ERR_PTR(-ENOENT);
	const struct pid_entry *e;

	if (!t)
		return i;
	for (e = pid_entries; e->name; e++) {
		if (strlen(e->name) == len && !memcmp(e->name, name, len) &&
		    !(ref->fd && e->process_only)) {
			i = entry_inode(dir->i_sb, t, e, ref->fd);
			break;
		}
	}
	task_put(t);
	return i;
}

static int pid_iterate(struct file *file, struct dir_context *ctx)
{
	const struct proc_ref *ref = proc_ref(file->f_inode);
	struct task *t = get_ref_task(ref);
	loff_t pos = 2;

	if (!t)
		return -ENOENT;
	task_put(t);
	if (!proc_emit_dots(file, ctx))
		return 0;
	for (const struct pid_entry *e = pid_entries; e->name; e++, pos++) {
		if (pos < ctx->pos || (ref->fd && e->process_only))
			continue;
		if (!dir_emit(ctx, e->name, strlen(e->name), (u64)ref->pid << 16 | (u64)pos,
			      mode_to_dt(e->mode)))
			return 0;
		ctx->pos = pos + 1;
	}
	return 0;
}

static struct inode *task_lookup(struct inode *dir, const char *name, size_t len)
{
	struct task *t = get_ref_task(proc_ref(dir));
	long tid = proc_number(name, len);
	struct inode *i = ERR_PTR(-ENOENT);

	if (t && tid > 0)
		i = dir_inode(dir->i_sb, (pid_t)tid, t);
	if (t)
		task_put(t);
	return i;
}

static int task_iterate(struct file *file, struct dir_context *ctx)
{
	struct task *t = get_ref_task(proc_ref(file->f_inode));
	char name[12];
	pid_t tid;

	if (!t)
		return -ENOENT;
	while (proc_emit_dots(file, ctx) && next_pids((pid_t)(ctx->pos - 2), t, &tid, 1)) {
		int len = scnprintf(name, sizeof(name), "%d", tid);

		ctx->pos = tid + 2;
		if (!dir_emit(ctx, name, (size_t)len, (u64)tid + (1u << 31), DT_DIR))
			break;
		ctx->pos++;
	}
	task_put(t);
	return 0;
}

static const struct inode_operations pid_iops = {.lookup = pid_lookup};
static const struct inode_operations task_iops = {.lookup = task_lookup};
const struct file_operations proc_pid_fops = DIR_FOPS(pid_iterate);
static const struct file_operations task_fops = DIR_FOPS(task_iterate);

static const struct pid_entry pid_entries[] = {
	{"task", S_IFDIR | 0555, NULL, &task_iops, &task_fops, true, NULL},
	{"fd", S_IFDIR | 0500, NULL, &proc_fd_iops, &proc_fd_fops, false, NULL},
	{"fdinfo", S_IFDIR | 0555, proc_show_fdinfo, &proc_fd_iops, &proc_fd_fops, false, NULL},
	{"auxv", S_IFREG | 0400, proc_show_auxv, NULL, NULL, false, NULL},
	{"cmdline", S_IFREG | 0444, proc_show_cmdline, NULL, NULL, false, NULL},
	{"comm", S_IFREG | 0644, show_comm, NULL, NULL, false, store_comm},
	{"environ", S_IFREG | 0400, proc_show_environ, NULL, NULL, false, NULL},
	{"limits", S_IFREG | 0444, show_limits, NULL, NULL, false, NULL},
	{"maps", S_IFREG | 0444, proc_show_maps, NULL, NULL, false, NULL},
	{"mem", S_IFREG | 0600, NULL, NULL, &proc_mem_fops, false, NULL},
	{"mountinfo", S_IFREG | 0444, show_pid_mountinfo, NULL, &proc_mounts_fops, false, NULL},
	{"mounts", S_IFREG | 0444, show_pid_mounts, NULL, &proc_mounts_fops, false, NULL},
	{"oom_score", S_IFREG | 0444, show_oom_score, NULL, NULL, false, NULL},
	{"oom_score_adj", S_IFREG | 0644, show_oom_score_adj, NULL, NULL, false,
	 store_oom_score_adj},
	{"pagemap", S_IFREG | 0400, NULL, NULL, &proc_pagemap_fops, false, NULL},
	{"smaps", S_IFREG | 0444, proc_show_smaps, NULL, NULL, false, NULL},
	{"smaps_rollup", S_IFREG | 0444, proc_show_smaps_rollup, NULL, NULL, false, NULL},
	{"stack", S_IFREG | 0400, proc_show_stack, NULL, NULL, false, NULL},
	{"stat", S_IFREG | 0444, show_stat, NULL, NULL, false, NULL},
	{"statm", S_IFREG | 0444, show_statm, NULL, NULL, false, NULL},
	{"status", S_IFREG | 0444, show_status, NULL, NULL, false, NULL},
	{"syscall", S_IFREG | 0400, proc_show_syscall, NULL, NULL, false, NULL},
	{"wchan", S_IFREG | 0444, proc_show_wchan, NULL, NULL, false, NULL},
	{"cwd", S_IFLNK | 0777, NULL, &proc_place_iops, NULL, false, NULL},
	{"root", S_IFLNK | 0777, NULL, &proc_place_iops, NULL, false, NULL},
	{"exe", S_IFLNK | 0777, NULL, &proc_place_iops, NULL, false, NULL},
	{NULL, 0, NULL, NULL, NULL, false, NULL},
};
