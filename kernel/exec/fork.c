/*
 * Making tasks: fork(2), vfork(2), clone(2), clone3(2).
 *
 * All four are one operation with different answers to the question what the child shares with its
 * parent and what it gets a copy of: the address space (CLONE_VM), the descriptor table (FILES),
 * working directory (FS), the signal handlers (SIGHAND), and last the process itself (THREAD). A
 * thread shares all of them; the child of fork(2) none, and its memory is copied only when one of the
 * two writes to it.
 *
 * copy_process() builds the child out of sight, piece by piece, and undoes what it has built when a
 * piece fails. Only then is the child put into the lists, where it can be found and signalled, and
 * last made runnable. Its first instruction is the return from the same system call, with 0 in rax.
 *
 * Cost: with CLONE_VM about 3,000 instructions; else what mm_dup() takes for the page tables, which
 * is most of a fork.
 *
 * LOCKING: the child enters the family under tasklist_lock and, if it is a thread, under its
 * process's sighand->lock as well. A signal that is pending at that moment makes fork return
 * -ERESTARTNOINTR, and the parent forks again after having taken it: so a signal to a process group
 * meets either the parent before the fork or both after it, and ^C cannot miss a child.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/fpu.h"
#include "kernel/cpu/segments.h"
#include "kernel/cpu/syscall.h"
#include "kernel/exec/binary.h"
#include "kernel/exec/cred.h"
#include "kernel/exec/process.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/lib/sysctl.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/completion.h"
#include "kernel/sched/sched.h"

/* What one call asks for, whichever of the four it was. */
struct clone_params {
	u64 flags;
	u64 stack; /* the child's rsp, 0: the parent's */
	u64 tls;
	pid_t __user *parent_tid, *child_tid;
	int __user *pidfd;
	int exit_signal;
	pid_t set_tid; /* the child's id, 0: any */
	int event;     /* PTRACE_EVENT_* that the caller's tracer waits for, or 0 */
};

const struct pidfd_ops *pidfd_ops;

static struct kmem_cache *signal_cache, *sighand_cache;
static atomic_t nr_threads = ATOMIC_INIT(0); /* of all processes */
static int max_threads; /* at first so that stacks take an eighth of the memory */
SYSCTL(max_threads, "sys/kernel/threads-max", max_threads, 20, 1 << 20);

/* ---- the process's common part ---- */

struct sighand *sighand_alloc(struct sighand *from)
{
	struct sighand *sh = kmem_cache_alloc(sighand_cache, GFP_KERNEL);
	u64 flags;

	if (!sh)
		return NULL;
	refcount_set(&sh->refs, 1);
	sh->replaced = NULL;
	spin_lock_init(&sh->lock);
	init_waitqueue_head(&sh->signalfd_wq);
	if (!from) {
		memset(sh->action, 0, sizeof(sh->action));
		return sh;
	}
	spin_lock_irqsave(&from->lock, flags);
	memcpy(sh->action, from->action, sizeof(sh->action));
	spin_unlock_irqrestore(&from->lock, flags);
	return sh;
}

void sighand_put(struct sighand *sh)
{
	while (sh && refcount_dec_and_test(&sh->refs)) {
		struct sighand *replaced = sh->replaced;

		kmem_cache_free(sighand_cache, sh);
		sh = replaced;
	}
}

struct signal_struct *signal_alloc(void)
{
	struct signal_struct *g = kmem_cache_alloc(signal_cache, GFP_KERNEL | __GFP_ZERO);

	if (!g)
		return NULL;
	refcount_set(&g->refs, 1);
	INIT_LIST_HEAD(&g->threads);
	INIT_LIST_HEAD(&g->children);
	INIT_LIST_HEAD(&g->sibling);
	INIT_LIST_HEAD(&g->tracees);
	INIT_LIST_HEAD(&g->pending);
	INIT_LIST_HEAD(&g->pgrp_link);
	INIT_LIST_HEAD(&g->posix_timers);
	init_waitqueue_head(&g->wait_chldexit);
	init_waitqueue_head(&g->pidfd_wq);
	init_waitqueue_head(&g->stop_wq);
	init_waitqueue_head(&g->cpu_wq);
	timer_setup(&g->real_timer, real_timer_expired);
	g->cap_permitted = g->cap_effective = g->cap_bset = CAP_ALL;
	g->dumpable = true;
	for (int i = 0; i < RLIM_NLIMITS; i++)
		g->rlim[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	g->rlim[RLIMIT_STACK].rlim_cur = 8ul << 20;
	g->rlim[RLIMIT_CORE].rlim_cur = 0;
	g->rlim[RLIMIT_NOFILE] = (struct rlimit){1024, 1ul << 20};
	g->rlim[RLIMIT_NPROC] = (struct rlimit){(u64)max_threads / 2, (u64)max_threads / 2};
	g->rlim[RLIMIT_MEMLOCK] = (struct rlimit){8ul << 20, 8ul << 20};
	g->rlim[RLIMIT_SIGPENDING] = g->rlim[RLIMIT_NPROC];
	g->rlim[RLIMIT_NICE] = g->rlim[RLIMIT_RTPRIO] = (struct rlimit){0, 0};
	return g;
}

void signal_put(struct signal_struct *g)
{
	if (!refcount_dec_and_test(&g->refs))
		return;
	flush_sigqueue(&g->pending, &g->pending_mask);
	sighand_put(g->sighand);
	put_groups(g->groups);
	kmem_cache_free(signal_cache, g);
}

void task_free_signals(struct task *t)
{
	if (!t->signal)
		return;
	flush_sigqueue(&t->pending, &t->pending_mask);
	signal_put(t->signal);
}

void signal_attach_leader(struct signal_struct *g, struct task *t, struct sighand *sh)
{
	g->pid = t->pid;
	g->leader = t;
	g->nr_threads = g->nr_live = 1;
	g->sighand = t->sighand = sh;
	t->signal = g;
	list_add_tail(&t->thread_link, &g->threads);
	atomic_inc(&nr_threads);
	atomic_inc(&user_count(g->uid)->processes);
}

int become_process(void)
{
	struct signal_struct *g = signal_alloc();
	u64 flags;

	if (!g)
		return -ENOMEM;
	g->sighand = sighand_alloc(NULL);
	if (!g->sighand) {
		signal_put(g);
		return -ENOMEM;
	}
	spin_lock_irqsave(&tasklist_lock, flags);
	current->exit_signal = SIGCHLD;
	signal_attach_leader(g, current, g->sighand);
	pgrp_attach(g, 0); /* of no session, until it calls setsid() */
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return 0;
}

/* What a child process has from its parent; its threads, family and group come later. */
static struct signal_struct *signal_copy(struct signal_struct *old)
{
	struct signal_struct *g = signal_alloc();

	if (!g)
		return NULL;
	memcpy(g->rlim, old->rlim, sizeof(g->rlim));
	g->cpu_timers = g->rlim[RLIMIT_CPU].rlim_cur != RLIM_INFINITY;
	g->personality = old->personality;
	g->oom_score_adj = old->oom_score_adj;
	g->oom_score_adj_min = old->oom_score_adj_min;
	cred_copy(g, old);
	return g;
}

/* ---- pieces of a child ---- */

static int copy_mm(struct task *t, u64 flags)
{
	if (flags & CLONE_VM) {
		mm_get(current->mm);
		t->mm = current->mm;
		return 0;
	}
	t->mm = mm_dup(current->mm);
	return t->mm ? 0 : -ENOMEM;
}

static int copy_fpu(struct task *t)
{
	t->fpu = fpu_alloc();
	if (!t->fpu)
		return -ENOMEM;
	fpu_sync_current();
	memcpy(t->fpu, current->fpu, fpu_area_size);
	task_set_work(t, WORK_FPU);
	return 0;
}

/* Files and directories; their owners are in fs/. */
static int copy_task_ops(struct task *t, u64 flags)
{
	struct task_ops *ops, *done;
	int err;

	t->files = current->files;
	t->fs = current->fs;
	for (ops = task_ops; ops; ops = ops->next) {
		err = ops->fork(t, flags);
		if (err)
			goto undo;
	}
	return 0;
undo:
	for (done = task_ops; done != ops; done = done->next)
		done->exit(t);
	return err;
}

static void exit_task_ops(struct task *t)
{
	for (struct task_ops *ops = task_ops; ops; ops = ops->next)
		ops->exit(t);
}

/* A thread joins its parent's process, which it refers to from here on; a child gets its own. */
static int copy_signal(struct task *t, u64 flags)
{
	struct signal_struct *me = current->signal, *g;

	if (flags & CLONE_THREAD) {
		refcount_inc(&me->refs);
		t->signal = me;
		return 0;
	}
	g = signal_copy(me);
	if (!g)
		return -ENOMEM;
	t->signal = g;
	if (flags & CLONE_SIGHAND) {
		refcount_inc(&me->sighand->refs);
		g->sighand = me->sighand;
		return 0;
	}
	g->sighand = sighand_alloc(me->sighand);
	if (!g->sighand) {
		t->signal = NULL;
		signal_put(g);
		return -ENOMEM;
	}
	if (flags & CLONE_CLEAR_SIGHAND)
		flush_signal_handlers(t);
	return 0;
}

static void copy_registers(struct task *t, const struct clone_params *p)
{
	struct pt_regs *regs = task_pt_regs(t);

	*regs = *task_pt_regs(current);
	regs->rax = 0;
	if (p->stack)
		regs->rsp = p->stack;
	if (current->ptrace.forced_step)
		regs->eflags &= ~X86_EFLAGS_TF;
	segments_sync_current();
	t->selectors = current->selectors;
	t->fs_base = current->fs_base;
	t->gs_base = current->gs_base;
	if (p->flags & CLONE_SETTLS) {
		t->selectors.fs = 0;
		t->fs_base = p->tls;
	}
}

static void copy_small_things(struct task *t, const struct clone_params *p)
{
	t->cpus_allowed = current->cpus_allowed;
	sched_fork(t);
	t->blocked = current->blocked;
	t->sas_flags = SS_DISABLE;
	if (!(p->flags & CLONE_VM) || (p->flags & CLONE_VFORK)) {
		t->sas_sp = current->sas_sp;
		t->sas_size = current->sas_size;
		t->sas_flags = current->sas_flags;
	}
	if (p->flags & CLONE_CHILD_CLEARTID)
		t->clear_child_tid = (u64)p->child_tid;
	if (p->flags & CLONE_CHILD_SETTID) {
		t->set_child_tid = (u64)p->child_tid;
		task_set_work(t, WORK_CHILD_SETTID); /* in the child's memory, so by the child */
	}
	if (p->flags & CLONE_THREAD) {
		t->tgid = current->tgid;
		t->exit_signal = -1;
	} else {
		t->exit_signal = p->flags & CLONE_PARENT ? current->signal->leader->exit_signal
							 : p->exit_signal;
	}
}

/* ---- joining the family ---- */

static int under_limits(void)
{
	struct signal_struct *me = current->signal;

	if (atomic_read(&nr_threads) >= READ_ONCE(max_threads))
		return -EAGAIN;
	if (!capable(CAP_SYS_RESOURCE) &&
	    (u64)atomic_read(&user_count(me->uid)->processes) >= me->rlim[RLIMIT_NPROC].rlim_cur)
		return -EAGAIN;
	return 0;
}

/* tasklist_lock and the handlers of @me held. */
static void join_thread(struct signal_struct *me, struct task *t)
{
	t->sighand = me->sighand;
	list_add_tail(&t->thread_link, &me->threads);
	me->nr_threads++;
	me->nr_live++;
	atomic_inc(&nr_threads);
	atomic_inc(&user_count(me->uid)->processes);
}

static void join_family(struct signal_struct *me, struct task *t, u64 flags)
{
	struct signal_struct *g = t->signal;

	g->parent = flags & CLONE_PARENT ? me->parent : me;
	g->session = me->session;
	g->tty = me->tty;
	signal_attach_leader(g, t, g->sighand);
	list_add_tail(&g->sibling, &g->parent->children);
	pgrp_attach(g, me->pgrp);
}

static int link_child(struct task *t, u64 clone_flags, bool traced)
{
	struct signal_struct *me = current->signal;
	struct sighand *sh;
	u64 flags, sflags;
	int err = 0;

	spin_lock_irqsave(&tasklist_lock, flags);
	sh = lock_sighand(me, &sflags);
	recalc_sigpending();
	if (signal_pending(current))
		err = -ERESTARTNOINTR;
	else if (clone_flags & CLONE_THREAD)
		join_thread(me, t);
	unlock_sighand(sh, sflags);
	if (!err && !(clone_flags & CLONE_THREAD))
		join_family(me, t, clone_flags);
	if (!err)
		ptrace_link_child(t, traced);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return err;
}

/* ---- the whole ---- */

static void unpublish(struct task *t)
{
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	task_unpublish(t);
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

static struct task *copy_process(const struct clone_params *p)
{
	struct task *t;
	int err = under_limits();

	if (err)
		return ERR_PTR(err);
	t = task_alloc(current->comm, NULL, NULL);
	if (!t)
		return ERR_PTR(-ENOMEM);
	copy_small_things(t, p);
	copy_registers(t, p);
	err = copy_fpu(t);
	if (err)
		goto free;
	err = copy_signal(t, p->flags);
	if (err)
		goto free;
	err = copy_task_ops(t, p->flags);
	if (err)
		goto free;
	err = copy_mm(t, p->flags);
	if (err)
		goto free_files;
	/* Before it joins the family: a sweep over all tasks finds the parent before, or both after. */
	err = task_publish(t, p->set_tid);
	if (err)
		goto free_mm;
	err = link_child(t, p->flags, p->event || (p->flags & CLONE_PTRACE));
	if (!err)
		return t;

	unpublish(t);
free_mm:
	mm_put(t->mm);
	t->mm = NULL;
free_files:
	exit_task_ops(t);
free:
	/* The last reference: frees stack, FPU area and the signal parts. */
	task_put(t);
	return ERR_PTR(err);
}

static int check_flags(const struct clone_params *p)
{
	u64 f = p->flags;

	if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && !(f & CLONE_VM))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && (f & CLONE_CLEAR_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_PARENT) && !current->signal->parent)
		return -EINVAL; /* the child of init's parent would be nobody's */
	if ((f & CLONE_PIDFD) && ((f & (CLONE_THREAD | CLONE_DETACHED)) ||
				  ((f & CLONE_PARENT_SETTID) && p->pidfd == p->parent_tid)))
		return -EINVAL;
	if ((f & CLONE_SETTLS) && p->tls >= USER_TOP)
		return -EPERM;
	if ((f & CLONE_INTO_CGROUP) || ((f & CLONE_THREAD) && (f & CLONE_NEWPID)) ||
	    ((f & CLONE_FS) && (f & CLONE_NEWNS)))
		return -EINVAL;
	return no_namespaces(f);
}

/*
 * The child refers to a completion on its parent's stack. A parent that is killed meanwhile takes
 * that reference back before it leaves.
 */
static void wait_for_vfork(struct task *child, struct completion *done)
{
	u64 flags;

	if (!wait_for_completion_killable(done))
		return;
	spin_lock_irqsave(&tasklist_lock, flags);
	child->vfork_done = NULL;
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

void complete_vfork(struct task *t)
{
	struct completion *done;
	u64 flags;

	if (!READ_ONCE(t->vfork_done))
		return;
	spin_lock_irqsave(&tasklist_lock, flags);
	done = t->vfork_done;
	t->vfork_done = NULL;
	if (done)
		complete(done);
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

/* CLONE_PIDFD: the number is told before there is a child, so that a bad address can be refused. */
static struct task *copy_process_pidfd(const struct clone_params *p)
{
	struct file *file;
	struct task *t = ERR_PTR(-EFAULT);
	int fd = pidfd_ops->prepare(&file);

	if (fd < 0)
		return ERR_PTR(fd);
	if (!put_user(fd, p->pidfd))
		t = copy_process(p);
	pidfd_ops->finish(fd, file, IS_ERR(t) ? NULL : t->signal);
	return t;
}

static long do_clone(struct clone_params *p)
{
	struct completion vfork_done;
	struct task *t;
	pid_t pid;
	int err = check_flags(p);

	if (err)
		return err;
	p->event = ptrace_clone_event(p->flags, p->exit_signal);
	t = p->flags & CLONE_PIDFD ? copy_process_pidfd(p) : copy_process(p);
	if (IS_ERR(t))
		return PTR_ERR(t);
	pid = t->pid;
	if (p->flags & CLONE_PARENT_SETTID)
		(void)put_user(pid, p->parent_tid); /* a bad address is not reported: clone(2) */
	if (!(p->flags & CLONE_VFORK)) {
		wake_up_new_task(t);
		ptrace_event(p->event, (u64)pid);
		return pid;
	}
	init_completion(&vfork_done);
	t->vfork_done = &vfork_done;
	task_get(t);
	wake_up_new_task(t);
	ptrace_event(p->event, (u64)pid);
	wait_for_vfork(t, &vfork_done);
	task_put(t);
	ptrace_event(PTRACE_EVENT_VFORK_DONE, (u64)pid);
	return pid;
}

SYSCALL_DEFINE0(fork)
{
	return do_clone(&(struct clone_params){.exit_signal = SIGCHLD});
}

SYSCALL_DEFINE0(vfork)
{
	return do_clone(
		&(struct clone_params){.flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD});
}

SYSCALL_DEFINE5(clone, u64, flags, u64, stack, pid_t __user *, parent_tid, pid_t __user *,
		child_tid, u64, tls)
{
	struct clone_params p = {
		.flags = (flags & 0xffffffffull) & ~CSIGNAL,
		.stack = stack,
		.tls = tls,
		.parent_tid = parent_tid,
		.child_tid = child_tid,
		.pidfd = parent_tid,
		.exit_signal = flags & CSIGNAL,
	};

	if (p.exit_signal > NSIG)
		p.exit_signal = 0;
	return do_clone(&p);
}

/* struct clone_args of clone3(2). */
struct clone_args {
	u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	u64 set_tid, set_tid_size, cgroup;
};
#define CLONE_ARGS_SIZE_VER0 64
#define MAX_PID_NS_LEVEL     32

/* The array of wanted ids, one for each pid namespace, of which there is one. */
static int get_set_tid(const struct clone_args *a, pid_t *tid)
{
	*tid = 0;
	if (!a->set_tid != !a->set_tid_size || a->set_tid_size > MAX_PID_NS_LEVEL)
		return -EINVAL;
	if (!a->set_tid)
		return 0;
	if (a->set_tid_size != 1)
		return -EINVAL;
	if (get_user(*tid, (pid_t __user *)a->set_tid))
		return -EFAULT;
	if (*tid < 1 || *tid >= PID_MAX)
		return -EINVAL;
	return capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

SYSCALL_DEFINE2(clone3, const void __user *, uargs, size_t, size)
{
	struct clone_params p;
	struct clone_args a;
	pid_t tid;
	int err;

	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	err = copy_struct_from_user(&a, sizeof(a), uargs, size);
	if (err)
		return err;
	if ((a.flags & (CSIGNAL | CLONE_DETACHED)) || a.flags >> 34 || a.exit_signal > NSIG)
		return -EINVAL;
	if ((a.flags & (CLONE_THREAD | CLONE_PARENT)) && a.exit_signal)
		return -EINVAL;
	if (!a.stack != !a.stack_size || a.stack >= USER_TOP || a.stack_size > USER_TOP - a.stack)
		return -EINVAL;
	err = get_set_tid(&a, &tid);
	if (err)
		return err;
	p = (struct clone_params){
		.set_tid = tid,
		.flags = a.flags,
		.stack = a.stack + a.stack_size,
		.tls = a.tls,
		.parent_tid = (pid_t __user *)a.parent_tid,
		.child_tid = (pid_t __user *)a.child_tid,
		.pidfd = (int __user *)a.pidfd,
		.exit_signal = (int)a.exit_signal,
	};
	return do_clone(&p);
}

void forget_thread(struct signal_struct *g)
{
	atomic_dec(&nr_threads);
	atomic_dec(&user_count(g->uid)->processes);
}

int count_threads(void)
{
	return atomic_read(&nr_threads);
}

static __init int fork_init(void)
{
	signal_cache = kmem_cache_create("signal_struct", sizeof(struct signal_struct), 0);
	sighand_cache = kmem_cache_create("sighand", sizeof(struct sighand), 0);
	max_threads = (int)clamp(total_pages * PAGE_SIZE / (8 * KSTACK_SIZE), 64ul, 1ul << 20);
	return 0;
}
core_initcall(fork_init);
