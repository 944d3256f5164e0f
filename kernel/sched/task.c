/*
 * Tasks: their making, their names, their end.
 *
 * A task is referred to by the scheduler while it can run (one reference, dropped by the switch
 * away from a dead task), by the pid table while it can be found (one reference, from
 * task_publish() to task_unpublish()), and by whoever looks it up (find_get_task()).
 *
 * Process ids count up to PID_MAX and start again. A number is used again only after four million
 * others, which is what keeps a stale pid from hitting a new process.
 *
 * LOCKING: tasklist_lock (interrupts off, any context) guards the pid table, the list of all tasks
 * and the family tree. Finding a task is O(1).
 */
#include "kernel/sched/task.h"

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/fpu.h"
#include "kernel/cpu/syscall.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"
#include "kernel/lib/sysctl.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/vmalloc.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/signal.h"
#include "kernel/time/ktime.h"

#define PID_HASH_BITS 12

/* What the boot CPU runs on until it has nothing to do; then it is that CPU's idle task. */
static struct task boot_task = {
	.state = TASK_RUNNING,
	.refs = REFCOUNT_INIT(1),
	.comm = "idle/0",
	.cpus_allowed = 1,
	.on_cpu = true,
};

DEFINE_PER_CPU(struct task *, current_task) = &boot_task;

DEFINE_SPINLOCK(tasklist_lock);
LIST_HEAD(all_tasks);
struct task *init_task;
struct task_ops *task_ops;

static struct list_head pid_hash[1 << PID_HASH_BITS];
static int pids_given; /* [T] */
SYSCTL_FIXED(pid_max, "sys/kernel/pid_max", PID_MAX);
static struct kmem_cache *task_cache;

void ret_from_fork(void);

static struct list_head *pid_bucket(pid_t pid)
{
	return &pid_hash[pid & ((1 << PID_HASH_BITS) - 1)];
}

void sched_init(void)
{
	for (int i = 0; i < 1 << PID_HASH_BITS; i++)
		INIT_LIST_HEAD(&pid_hash[i]);
	task_cache = kmem_cache_create("task", sizeof(struct task), 0);
	sched_init_cpu(&boot_task);
}

struct task *idle_task_alloc(int cpu)
{
	char name[TASK_COMM_LEN];
	struct task *t;

	snprintf(name, sizeof(name), "idle/%d", cpu);
	t = task_alloc(name, NULL, NULL);
	if (!t)
		return NULL;
	t->cpus_allowed = BIT(cpu);
	return t;
}

/* tasklist_lock held. */
static pid_t choose_pid(void)
{
	pid_t pid;

	do
		pid = ++pids_given & (PID_MAX - 1);
	while (!pid || find_task_locked(pid));
	return pid;
}

pid_t last_pid(void)
{
	return READ_ONCE(pids_given) & (PID_MAX - 1);
}

struct task *task_alloc(const char *comm, int (*fn)(void *), void *arg)
{
	struct task *t = kmem_cache_alloc(task_cache, GFP_KERNEL | __GFP_ZERO);
	struct switch_frame *frame;
	void *stack;

	if (!t)
		return NULL;
	stack = kstack_alloc();
	if (!stack) {
		kmem_cache_free(task_cache, t);
		return NULL;
	}
	t->kstack_top = (u64)stack + KSTACK_SIZE;
	frame = (struct switch_frame *)task_pt_regs(t) - 1;
	memset(frame, 0, sizeof(*frame));
	frame->rip = (u64)ret_from_fork;
	t->rsp = (u64)frame;

	t->state = TASK_NEW;
	t->cpu = smp_processor_id();
	t->cpus_allowed = ~0ull;
	t->kthread_fn = fn;
	t->kthread_arg = arg;
	t->start_time = ktime_get();
	refcount_set(&t->refs, 1);
	spin_lock_init(&t->pi_lock);
	INIT_LIST_HEAD(&t->run_link);
	INIT_LIST_HEAD(&t->pid_link);
	INIT_LIST_HEAD(&t->thread_link);
	INIT_LIST_HEAD(&t->all_link);
	INIT_LIST_HEAD(&t->pending);
	INIT_LIST_HEAD(&t->pi_states);
	INIT_LIST_HEAD(&t->ptrace.link);
	t->syscall_limit = NR_SYSCALLS;
	strscpy(t->comm, comm, sizeof(t->comm));
	return t;
}

int task_publish(struct task *t, pid_t pid)
{
	int err = 0;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	if (pid && find_task_locked(pid)) {
		err = -EEXIST;
		goto out;
	}
	t->pid = pid ? pid : choose_pid();
	if (!t->tgid)
		t->tgid = t->pid;
	task_get(t);
	list_add(&t->pid_link, pid_bucket(t->pid));
	list_add_tail(&t->all_link, &all_tasks);
out:
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return err;
}

void task_unpublish(struct task *t)
{
	list_del_init(&t->pid_link);
	list_del_init(&t->all_link);
	task_put(t);
}

void task_put(struct task *t)
{
	if (!refcount_dec_and_test(&t->refs))
		return;
	BUG_ON(t->on_cpu || !list_empty(&t->pid_link));
	if (t->fpu)
		fpu_free(t->fpu);
	task_free_signals(t);
	kstack_free((void *)(t->kstack_top - KSTACK_SIZE));
	kmem_cache_free(task_cache, t);
}

struct task *find_task_locked(pid_t pid)
{
	struct task *t;

	list_for_each_entry(t, pid_bucket(pid), pid_link)
		if (t->pid == pid)
			return t;
	return NULL;
}

struct task *find_get_task(pid_t pid)
{
	struct task *t;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	t = find_task_locked(pid);
	if (t)
		task_get(t);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return t;
}

bool task_asleep(struct task *t, struct asleep *a)
{
	const struct switch_frame *f;
	bool asleep;
	u64 flags;

	if (t == current) {
		a->depth = 0;
		a->regs = *task_pt_regs(t);
		return true;
	}
	/* Nobody wakes it while we look. */
	spin_lock_irqsave(&t->pi_lock, flags);
	/* The acquire pairs with the release by which the switch away from it ends. */
	asleep = (READ_ONCE(t->state) & (TASK_NORMAL | TASK_STOPPED)) &&
		 !smp_load_acquire(&t->on_cpu);
	if (asleep) {
		f = (const struct switch_frame *)t->rsp;
		a->ips[0] = f->rip;
		a->depth = 1 + stack_frames(f->rbp, a->ips + 1, (int)ARRAY_SIZE(a->ips) - 1);
		a->regs = t->signal ? *task_pt_regs(t) : (struct pt_regs){.orig_rax = ~0ul};
	}
	spin_unlock_irqrestore(&t->pi_lock, flags);
	return asleep;
}

struct task *kthread_run(int (*fn)(void *), void *arg, int cpu, const char *fmt, ...)
{
	char name[TASK_COMM_LEN];
	struct task *t;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	t = task_alloc(name, fn, arg);
	if (!t)
		return NULL;
	if (cpu >= 0) {
		t->cpus_allowed = BIT(cpu);
		t->cpu = cpu;
	}
	task_publish(t, 0);
	wake_up_new_task(t);
	return t;
}

/*
 * A new process has no function and goes straight to user mode. A kernel thread runs its function
 * and ends, unless the function has made it a process by giving it an address space.
 */
void kthread_return(void)
{
	struct task *t = current;

	if (!t->kthread_fn)
		return;
	t->kthread_fn(t->kthread_arg);
	if (!t->mm)
		do_exit(0);
}

void register_task_ops(struct task_ops *ops)
{
	ops->next = task_ops;
	task_ops = ops;
}
