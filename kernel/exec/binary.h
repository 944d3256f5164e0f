/*
 * Program start. fs/exec.c opens the file and gives it here as a struct binary, so that the ELF
 * loader reads bytes and names areas without knowing what a file is.
 */
#pragma once

#include "kernel/exec/cred.h"
#include "kernel/mm/mm.h"

struct binary {
	/* Up to @len bytes at @off; fewer only at the end. -errno on failure. May sleep. */
	ssize_t (*read)(struct binary *b, void *buf, size_t len, u64 off);
	/* What a private mapping of the file stands on, as do_mmap() takes it. 0 or -errno. */
	int (*mmap)(struct binary *b, u64 len, int prot, u64 off, const struct vm_ops **ops,
		    void **object);
	/* Makes mm->exe the file, with a reference: it is not written to while the program runs,
	 * and /proc/PID/exe leads to it. */
	void (*hold)(struct binary *b, struct mm *mm);
	u32 set_uid, set_gid; /* whom S_ISUID and S_ISGID make of the caller, or KEEP_ID */
	const char *path;     /* as execve got it: AT_EXECFN */
	/* Scripts: the interpreter's words and the script's path, NULL-terminated, in place of the
	 * caller's argv[0]; else NULL. */
	const char *const *prepend;
	void *priv;
	/* PT_INTERP: opens another file, or ERR_PTR. */
	struct binary *(*open_interp)(struct binary *b, const char *path);
	void (*close)(struct binary *b);
};

/* layout.c, for the process that is getting a new program. */
void layout_choose(struct mm *mm); /* stack_top, mmap_base, exec_base */
u64 layout_heap(u64 end);          /* where the heap begins, with the program's end below */
u64 layout_stack_pointer(u64 sp);  /* a little lower, and a multiple of 16 */

/*
 * Turns the current kernel thread into a process without a program: process 1, before do_execve().
 * 0 or -ENOMEM.
 */
int become_process(void);

/*
 * Replaces the current program. @argv and @envp are user arrays (or kernel ones with
 * kernel_args, for the first process). On success the pt_regs on the stack start the new program
 * and the value is 0; before the point of no return it is -errno (-ENOEXEC, -E2BIG, -EFAULT,
 * -ENOMEM ...); after it the process is killed. Does not close @b.
 */
int do_execve(struct binary *b, const char __user *const __user *argv,
	      const char __user *const __user *envp, bool kernel_args);
