/*
 * execve(2): a process gets a new program.
 *
 * The work falls into two halves. Before the point of no return everything that may fail is tried
 * out of sight: the file's headers, a copy of argv and envp (they live in the memory that is about
 * to go), an empty address space, a fresh FPU area, the end of all other threads. Then the old
 * program is given up; after that there is nobody left to report an error to, and a failure ends the
 * process with SIGSEGV.
 *
 * What the new program finds on its stack (System V ABI for x86-64, 3.4.1), from the top:
 *
 *	0			8 bytes
 *	path of the program	AT_EXECFN
 *	strings of envp, of argv
 *	"x86_64", 16 random bytes	AT_PLATFORM, AT_RANDOM
 *	auxiliary vector, envp[], argv[], argc	rsp, a multiple of 16
 *
 * Kept over an exec: ids, unless the file lends its owner's (cred_exec()), pending signals, blocked
 * mask, ignored signals, timers, limits, directory,
 * descriptors that are not close-on-exec. Lost: memory, threads, handlers, alternate stack.
 *
 * LOCKING: process context. tasklist_lock for what others see of the process (name, leader);
 * group_exec under sighand->lock stops other threads from starting an exec, too.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/features.h"
#include "kernel/cpu/fpu.h"
#include "kernel/cpu/segments.h"
#include "kernel/exec/cred.h"
#include "kernel/exec/elf.h"
#include "kernel/exec/process.h"
#include "kernel/lib/random.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/mm/vmalloc.h"
#include "kernel/vdso/vdso.h"

#define AT_NULL         0
#define AT_PHDR         3
#define AT_PHENT        4
#define AT_PHNUM        5
#define AT_PAGESZ       6
#define AT_BASE         7
#define AT_FLAGS        8
#define AT_ENTRY        9
#define AT_UID          11
#define AT_EUID         12
#define AT_GID          13
#define AT_EGID         14
#define AT_PLATFORM     15
#define AT_HWCAP        16
#define AT_CLKTCK       17
#define AT_SECURE       23
#define AT_RANDOM       25
#define AT_HWCAP2       26
#define HWCAP2_FSGSBASE 2
#define AT_EXECFN       31
#define AT_SYSINFO_EHDR 33
#define AT_MINSIGSTKSZ  51
#define NR_AUX          21

#define MAX_STRING    (32 * PAGE_SIZE) /* one argument */
#define MIN_ARGS      (32 * PAGE_SIZE) /* what always fits */
#define MAX_ARGS      (6ul << 20)
#define STACK_RESERVE (34 * PAGE_SIZE) /* mapped below what is on the stack at the start */

/* argv, envp and the path: the strings one after the other. */
struct arg_block {
	char *buf;                 /* kvmalloc'ed */
	size_t size;               /* allocated */
	size_t len;                /* used */
	size_t limit;              /* of strings and pointers together */
	size_t argv_len, envp_len; /* bytes of strings */
	int argc, envc;
	bool kernel; /* the arrays are the kernel's own */
};

/* All that is prepared before the point of no return. */
struct exec {
	struct binary *b;
	struct binary *interp_b; /* the dynamic loader, or NULL */
	struct elf_file elf, interp;
	struct arg_block args;
	struct mm *mm;
	struct fpu *fpu;
	struct sighand *sighand; /* to replace a shared one, or NULL */
	bool secure;             /* the program has rights that its caller did not have */
	long vdso;               /* address of its ELF header, once it is mapped */
};

/* ---- arguments ---- */

static size_t args_limit(void)
{
	u64 stack = current->signal->rlim[RLIMIT_STACK].rlim_cur / 4;

	return clamp(stack, MIN_ARGS, MAX_ARGS);
}

/* Makes room for @n more bytes. */
static int args_reserve(struct arg_block *a, size_t n)
{
	size_t pointers = (size_t)(a->argc + a->envc + 1) * sizeof(u64), size;
	char *buf;

	if (a->len + n + pointers > a->limit)
		return -E2BIG;
	if (a->len + n <= a->size)
		return 0;
	size = max(a->len + n, a->size ? a->size * 2 : PAGE_SIZE);
	buf = kvmalloc(size, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	memcpy(buf, a->buf, a->len);
	kvfree(a->buf);
	a->buf = buf;
	a->size = size;
	return 0;
}

static int args_add(struct arg_block *a, const char *s)
{
	size_t n = strlen(s) + 1;
	int err = args_reserve(a, n);

	if (err)
		return err;
	memcpy(a->buf + a->len, s, n);
	a->len += n;
	return 0;
}

/* Appends a user's string. It may change while it is copied: the NUL that counts is in the copy. */
static int args_add_user(struct arg_block *a, const char __user *s)
{
	size_t start = a->len;
	ssize_t n;
	int err;

	for (;;) {
		size_t room;

		err = args_reserve(a, 1);
		if (err)
			return err;
		room = a->size - a->len;
		n = strncpy_from_user(a->buf + a->len, s + (a->len - start), room);
		if (n < 0)
			return (int)n;
		a->len += (size_t)n;
		if (a->len - start >= MAX_STRING)
			return -E2BIG;
		if ((size_t)n < room)
			break;
	}
	a->len++; /* the NUL */
	/* The buffer may be larger than the limit. */
	return args_reserve(a, 0);
}

/*
 * One of the two arrays, without its first @skip elements. @count is counted up with each string.
 */
static int args_add_array(struct arg_block *a, const char __user *const __user *array, size_t skip,
			  int *count)
{
	const char *s;
	int err;

	for (size_t i = 0; array; i++) {
		if (a->kernel)
			s = array[i];
		else if (get_user(s, &array[i]))
			return -EFAULT;
		if (!s)
			break;
		if (i < skip)
			continue;
		err = a->kernel ? args_add(a, s) : args_add_user(a, s);
		if (err)
			return err;
		(*count)++;
		cond_resched();
	}
	return 0;
}

static int collect_argv(struct arg_block *a, const struct binary *b,
			const char __user *const __user *argv)
{
	int err;

	for (const char *const *w = b->prepend; w && *w; w++) {
		err = args_add(a, *w);
		if (err)
			return err;
		a->argc++;
	}
	err = args_add_array(a, argv, b->prepend ? 1 : 0, &a->argc);
	if (!err && !a->argc) {
		err = args_add(a, ""); /* programs rely on argv[0] */
		a->argc = 1;
	}
	return err;
}

static int collect_args(struct arg_block *a, const struct binary *b,
			const char __user *const __user *argv,
			const char __user *const __user *envp)
{
	int err = collect_argv(a, b, argv);

	if (err)
		return err;
	a->argv_len = a->len;
	err = args_add_array(a, envp, 0, &a->envc);
	if (err)
		return err;
	a->envp_len = a->len - a->argv_len;
	return args_add(a, b->path);
}

/* ---- the other threads ---- */

/*
 * current becomes the leader of its process, and takes over the process's id. The old leader is a
 * zombie by now that nobody was told of.
 */
static void take_over_leadership(struct signal_struct *g)
{
	struct task *t = current, *leader;
	struct sighand *sh;
	u64 flags, sflags;

	spin_lock_irqsave(&tasklist_lock, flags);
	leader = g->leader;
	task_get(leader);
	/* Behind the leader in its hash chain, so that the id is never without a task. */
	list_del_init(&t->pid_link);
	list_add(&t->pid_link, &leader->pid_link);
	t->pid = leader->pid;
	t->exit_signal = leader->exit_signal;
	t->start_time = leader->start_time;
	sh = lock_sighand(g, &sflags);
	g->leader = t;
	unlock_sighand(sh, sflags);
	release_task(leader);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	task_put(leader);
}

/* Ends all other threads; 0, or -EAGAIN when the process is ending anyway. */
static int kill_other_threads(void)
{
	struct signal_struct *g = current->signal;
	struct sighand *sh;
	u64 flags;
	long err;

	if (READ_ONCE(g->nr_threads) == 1 && g->leader == current)
		return 0;
	sh = lock_sighand(g, &flags);
	if (g->group_exit || g->group_exec) {
		unlock_sighand(sh, flags);
		return -EAGAIN;
	}
	g->group_exec = current;
	zap_other_threads(g);
	unlock_sighand(sh, flags);

	err = wait_event_killable(&g->wait_chldexit, READ_ONCE(g->nr_threads) == 1);
	if (!err && g->leader != current)
		take_over_leadership(g);

	sh = lock_sighand(g, &flags);
	g->group_exec = NULL;
	unlock_sighand(sh, flags);
	return err ? -EAGAIN : 0;
}

/* ---- the old program goes ---- */

/* Handlers shared with another process (CLONE_SIGHAND without CLONE_THREAD) stay with that one. */
static void unshare_sighand(struct exec *x)
{
	struct signal_struct *g = current->signal;
	struct sighand *old;
	u64 flags, sflags;

	if (!x->sighand)
		return;
	spin_lock_irqsave(&tasklist_lock, flags);
	old = lock_sighand(g, &sflags);
	x->sighand->replaced = old; /* keeps our reference to it */
	g->sighand = current->sighand = x->sighand;
	unlock_sighand(old, sflags);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	x->sighand = NULL;
}

static void replace_mm(struct exec *x)
{
	struct task *t = current;
	struct mm *old = t->mm, *active;

	spin_lock_irq(&tasklist_lock);
	active = t->active_mm; /* what is borrowed may go by interrupt */
	t->mm = t->active_mm = x->mm;
	mm_activate(active, x->mm);
	spin_unlock_irq(&tasklist_lock);
	x->mm = NULL;
	complete_vfork(t);
	if (old)
		mm_put(old);
	else if (active)
		mm_drop(active); /* a kernel thread had borrowed it */
}

static void reset_fpu(struct exec *x)
{
	struct task *t = current;

	if (t->fpu) {
		memcpy(t->fpu, x->fpu, fpu_area_size);
	} else {
		t->fpu = x->fpu;
		x->fpu = NULL;
	}
	fpu_reload_current();
}

static void set_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	char name[TASK_COMM_LEN] = {0};

	strscpy(name, slash ? slash + 1 : path, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	memcpy(current->comm, name, sizeof(name));
}

/* Swaps the process's public face. */
static void publish_program(struct exec *x)
{
	struct signal_struct *g = current->signal;
	u64 flags;

	set_name(x->b->path);
	spin_lock_irqsave(&tasklist_lock, flags);
	g->did_exec = true;
	current->exit_signal = SIGCHLD;
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

/* The point of no return. */
static void begin_new_program(struct exec *x)
{
	struct task *t = current;
	/* A tracer without rights does not get those of the file. */
	bool traced = t->ptrace.flags && !(t->ptrace.flags & PT_PRIVILEGED);

	futex_exit();
	t->pi_gone = false; /* it goes on */
	replace_mm(x);
	unshare_sighand(x);
	flush_signal_handlers(t);
	posix_timers_exit(t->signal);
	t->sas_sp = t->sas_size = 0;
	t->sas_flags = SS_DISABLE;
	t->restart_fn = NULL;
	reset_fpu(x);
	t->selectors = (struct selectors){0};
	t->fs_base = t->gs_base = 0;
	segments_reload_current();
	publish_program(x);
	x->secure = traced ? cred_exec(KEEP_ID, KEEP_ID) : cred_exec(x->b->set_uid, x->b->set_gid);
	for (struct task_ops *ops = task_ops; ops; ops = ops->next)
		ops->exec(t);
}

/* ---- the new one comes ---- */

static int map_stack(struct exec *x)
{
	u64 used = x->args.len + (size_t)(x->args.argc + x->args.envc) * sizeof(u64);
	u64 size = PAGE_ALIGN(used) + STACK_RESERVE;
	int prot = PROT_READ | PROT_WRITE | (x->elf.exec_stack ? PROT_EXEC : 0);
	struct mm *mm = current->mm;
	struct vm_area *vma;
	long at;

	layout_choose(mm);
	at = do_mmap(mm, mm->stack_top - size, size, prot,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, NULL, NULL, 0);
	if (at < 0)
		return (int)at;
	mutex_lock(&mm->lock);
	vma = find_vma(mm, mm->stack_top - 1);
	vma->flags |= VM_STACK;
	mutex_unlock(&mm->lock);
	return 0;
}

/* Everything is mapped: the program, its loader, the vDSO, the place of the heap. */
static int map_program(struct exec *x, struct elf_image *prog, struct elf_image *interp)
{
	struct mm *mm = current->mm;
	int err = map_stack(x);

	if (!err)
		err = elf_map(&x->elf, mm->exec_base, prog);
	if (!err && x->interp_b)
		err = elf_map(&x->interp, 0, interp);
	if (err)
		return err;
	x->vdso = vdso_map();
	if (x->vdso < 0)
		return (int)x->vdso;
	mutex_lock(&mm->lock);
	mm->brk_start = mm->brk = layout_heap(prog->end);
	mutex_unlock(&mm->lock);
	return 0;
}

/* What CPUID says of the processor. */
static u32 hwcap(void)
{
	u32 r[4];

	cpuid(1, 0, r);
	return r[3];
}

static void put_auxv(u64 *p, const struct exec *x, const struct elf_image *prog,
		     const struct elf_image *interp, u64 execfn, u64 random, u64 platform)
{
	const struct signal_struct *g = current->signal;
	const u64 auxv[NR_AUX][2] = {
		{AT_SYSINFO_EHDR, (u64)x->vdso},
		{AT_HWCAP, hwcap()},
		{AT_HWCAP2, cpu_has_fsgsbase ? HWCAP2_FSGSBASE : 0},
		{AT_PAGESZ, PAGE_SIZE},
		{AT_CLKTCK, USER_HZ},
		{AT_PHDR, prog->phdr},
		{AT_PHENT, sizeof(struct elf64_phdr)},
		{AT_PHNUM, x->elf.eh.e_phnum},
		{AT_BASE, x->interp_b ? interp->bias : 0},
		{AT_FLAGS, 0},
		{AT_ENTRY, prog->entry},
		{AT_UID, g->uid},
		{AT_EUID, g->euid},
		{AT_GID, g->gid},
		{AT_EGID, g->egid},
		{AT_SECURE, x->secure}, /* the C library trusts the environment less */
		{AT_RANDOM, random},
		{AT_EXECFN, execfn},
		{AT_PLATFORM, platform},
		{AT_MINSIGSTKSZ, sigframe_max_size()},
		{AT_NULL, 0},
	};

	memcpy(p, auxv, sizeof(auxv));
}

/* Pointers to @n strings that lie one after the other, and a NULL; *at is the first one's address. */
static u64 *put_pointers(u64 *p, int n, const char **s, u64 *at)
{
	while (n--) {
		size_t len = strlen(*s) + 1;

		*p++ = *at;
		*s += len;
		*at += len;
	}
	*p++ = 0;
	return p;
}

/* Fills the stack; *sp is where it begins. */
static int fill_stack(struct exec *x, const struct elf_image *prog, const struct elf_image *interp,
		      u64 *sp)
{
	static const char platform[] = "x86_64";
	const struct arg_block *a = &x->args;
	struct mm *mm = current->mm;
	u64 strings = mm->stack_top - sizeof(u64) - a->len, at = strings;
	u64 platform_at = strings - sizeof(platform), random_at = (platform_at - 16) & ~15ul;
	size_t words = 1 + (size_t)a->argc + 1 + (size_t)a->envc + 1 + 2 * NR_AUX;
	u64 *vec = kvmalloc(words * sizeof(u64), GFP_KERNEL), *p = vec;
	const char *s = a->buf;
	u8 random[16];
	int err = 0;

	if (!vec)
		return -ENOMEM;
	get_random_bytes(random, sizeof(random));
	*p++ = (u64)a->argc;
	p = put_pointers(p, a->argc, &s, &at);
	p = put_pointers(p, a->envc, &s, &at);
	put_auxv(p, x, prog, interp, at, random_at, platform_at);
	*sp = layout_stack_pointer(random_at - words * sizeof(u64));
	if (copy_to_user((void __user *)strings, a->buf, a->len) ||
	    copy_to_user((void __user *)platform_at, platform, sizeof(platform)) ||
	    copy_to_user((void __user *)random_at, random, sizeof(random)) ||
	    copy_to_user((void __user *)*sp, vec, words * sizeof(u64)))
		err = -EFAULT;
	kvfree(vec);

	mutex_lock(&mm->lock);
	mm->arg_start = strings;
	mm->arg_end = mm->env_start = strings + a->argv_len;
	mm->env_end = mm->env_start + a->envp_len;
	mm->auxv_end = *sp + words * sizeof(u64);
	mm->auxv_start = mm->auxv_end - 2 * NR_AUX * sizeof(u64);
	mutex_unlock(&mm->lock);
	return err;
}

static void start_program(u64 entry, u64 sp)
{
	struct pt_regs *regs = task_pt_regs(current);

	*regs = (struct pt_regs){.orig_rax = regs->orig_rax}; /* a tracer asks which call it was */
	regs->rip = entry;
	regs->rsp = sp;
	regs->cs = GDT_USER_CS;
	regs->ss = GDT_USER_DS;
	regs->eflags = X86_EFLAGS_IF | 2;
}

static int load_program(struct exec *x)
{
	struct elf_image prog, interp = {0};
	u64 sp;
	int err = map_program(x, &prog, &interp);

	if (!err)
		err = fill_stack(x, &prog, &interp, &sp);
	if (err)
		return err;
	start_program(x->interp_b ? interp.entry : prog.entry, sp);
	return 0;
}

/* ---- the whole ---- */

static int open_interp(struct exec *x)
{
	int err;

	if (!x->elf.interp)
		return 0;
	if (!x->b->open_interp)
		return -ENOEXEC;
	x->interp_b = x->b->open_interp(x->b, x->elf.interp);
	if (IS_ERR(x->interp_b)) {
		err = (int)PTR_ERR(x->interp_b);
		x->interp_b = NULL;
		return err;
	}
	err = elf_read(x->interp_b, &x->interp);
	return err == -ENOEXEC ? -ELIBBAD : err;
}

static int prepare(struct exec *x, const char __user *const __user *argv,
		   const char __user *const __user *envp)
{
	int err = elf_read(x->b, &x->elf);

	if (err == -EIO && !x->elf.ph)
		err = -ENOEXEC; /* too short to be anything */
	if (!err)
		err = open_interp(x);
	if (!err)
		err = collect_args(&x->args, x->b, argv, envp);
	if (err)
		return err;
	x->mm = mm_alloc();
	x->fpu = fpu_alloc();
	if (!x->mm || !x->fpu)
		return -ENOMEM;
	x->b->hold(x->b, x->mm);
	if (refcount_read(&current->signal->sighand->refs) == 1)
		return 0;
	x->sighand = sighand_alloc(current->signal->sighand);
	return x->sighand ? 0 : -ENOMEM;
}

static void clean_up(struct exec *x)
{
	elf_free(&x->elf);
	elf_free(&x->interp);
	if (x->interp_b)
		x->interp_b->close(x->interp_b);
	kvfree(x->args.buf);
	if (x->mm)
		mm_put(x->mm);
	fpu_free(x->fpu);
	sighand_put(x->sighand);
}

int do_execve(struct binary *b, const char __user *const __user *argv,
	      const char __user *const __user *envp, bool kernel_args)
{
	struct exec x = {.b = b, .args = {.limit = args_limit(), .kernel = kernel_args}};
	int err = prepare(&x, argv, envp);
	pid_t old_pid = current->pid;

	if (!err)
		err = kill_other_threads();
	if (!err) {
		begin_new_program(&x);
		err = load_program(&x);
		if (err)
			force_sigsegv(SIGSEGV);
	}
	clean_up(&x);
	if (!err)
		ptrace_exec(old_pid);
	return err;
}
