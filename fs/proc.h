/* What procfs.c and proc_pid.c share. */
#pragma once

#include "fs/internal.h"

struct proc_ref;
struct proc_node; /* an entry or folder from the PROC_ENTRY table */

/* A file or folder of each process. */
struct pid_entry {
	const char *name;
	u32 mode;
	int (*show)(struct task *t, const struct proc_ref *ref, struct seq *s); /* text files */
	const struct inode_operations *iop;                                     /* the others */
	const struct file_operations *fop;
	bool process_only;                              /* not in task/TID */
	int (*store)(struct task *t, const char *text); /* what was written, or NULL */
};

/* What an inode of procfs stands for: i_private, a copy each. */
struct proc_ref {
	const struct proc_node *node;
	const struct pid_entry *entry;
	pid_t pid;      /* 0: no process */
	u64 start_time; /* of that process: tells a number that is in use again */
	unsigned fd;    /* fd/N and fdinfo/N */
};

/* ERR_PTR(-ENOMEM). The operations are to be set by the caller. */
struct inode *proc_inode(struct super_block *sb, u32 mode, const struct proc_ref *ref);
static inline const struct proc_ref *proc_ref(const struct inode *i)
{
	return i->i_private;
}
/* A decimal number without sign or leading zeroes, as a name; -1 if it is none. */
long proc_number(const char *name, size_t len);
extern const struct file_operations proc_text_fops;   /* the text that pid_show() gives */
extern const struct file_operations proc_mounts_fops; /* the same, and changes can be waited for */
loff_t proc_dir_llseek(struct file *file, loff_t off, int whence);
/* "." and ".." at positions 0 and 1; false: no room. */
bool proc_emit_dots(struct file *file, struct dir_context *ctx);

#define DIR_FOPS(fn) \
	{ \
		.read = dir_read, .llseek = proc_dir_llseek, .iterate = (fn) \
	}

/* ---- proc_pid.c ---- */
/* The process behind @ref with a reference, or NULL when it has ended. */
struct task *get_ref_task(const struct proc_ref *ref);
/* An inode of @t's folder, or of one below, owned by its user; ERR_PTR. */
struct inode *task_inode(struct super_block *sb, struct task *t, u32 mode,
			 const struct pid_entry *e, unsigned fd);
/* An open /proc/PID; or task/TID, and then proc_ref()->fd is not 0. */
extern const struct file_operations proc_pid_fops;
struct inode *pid_dir_inode(struct super_block *sb, pid_t pid); /* ERR_PTR(-ENOENT) */
int pid_show(const struct proc_ref *ref, struct seq *s);        /* -ESRCH */
int pid_store(const struct proc_ref *ref, const char *text);    /* -EIO: cannot be written */
/* The lowest ids of processes from @from on, in order; how many. @of: threads of that process. */
size_t next_pids(pid_t from, struct task *of, pid_t *out, size_t max);
/* ---- proc_fd.c ---- */
extern const struct inode_operations proc_place_iops, proc_fd_iops;
extern const struct file_operations proc_fd_fops;
int proc_show_fdinfo(struct task *t, const struct proc_ref *ref, struct seq *s);

/* ---- proc_mem.c ---- */
extern const struct file_operations proc_mem_fops, proc_pagemap_fops;

/* ---- proc_mm.c ---- */
int proc_show_cmdline(struct task *t, const struct proc_ref *ref, struct seq *s);
int proc_show_environ(struct task *t, const struct proc_ref *ref, struct seq *s);
int proc_show_auxv(struct task *t, const struct proc_ref *ref, struct seq *s);
int proc_show_maps(struct task *t, const struct proc_ref *ref, struct seq *s);
int proc_show_smaps(struct task *t, const struct proc_ref *ref, struct seq *s);
int proc_show_smaps_rollup(struct task *t, const struct proc_ref *ref, struct seq *s);

/* ---- proc_wait.c ---- */
int proc_show_wchan(struct task *t, const struct proc_ref *ref, struct seq *s);
int proc_show_stack(struct task *t, const struct proc_ref *ref, struct seq *s);
int proc_show_syscall(struct task *t, const struct proc_ref *ref, struct seq *s);

/* ---- mountcalls.c ---- */
void show_mounts(struct seq *s);
void show_mountinfo(struct seq *s);
