/*
 * Tasks. A task is a thread of execution: a kernel stack, registers, a state. The threads of one
 * process share a struct signal_struct (their thread group), and usually the address space, the
 * descriptor table and the signal handlers, each of which is a counted object of its own, as
 * clone(2) asks for.
 *
 * Locks, by letter:
 *	[s] the run-queue lock of t->cpu	[T] tasklist_lock	[a] atomic
 *	[c] the task itself only		[I] immutable after creation
 *	[h] t->sighand->lock
 *
 * Life: task_alloc() -> task_publish() -> wake_up_new_task() -> ... -> do_exit() -> zombie, reaped
 * by its parent's wait4() or by itself -> last task_put() frees it. The kernel stack goes back to
 * its cache when the task has left the CPU for the last time.
 */
#pragma once

#include "kernel/abi/signal.h"
#include "kernel/cpu/ptrace.h"
#include "kernel/irq/preempt.h"
#include "kernel/lib/atomic.h"
#include "kernel/lib/list.h"
#include "kernel/sched/ptrace.h"
#include "kernel/sched/spinlock.h"

struct mm;
struct files;
struct fs_struct;
struct sighand;
struct signal_struct;
struct pi_state;
struct fpu;

#define TASK_RUNNING         0x00 /* on a run queue or on a CPU */
#define TASK_INTERRUPTIBLE   0x01
#define TASK_UNINTERRUPTIBLE 0x02
#define TASK_WAKEKILL        0x04 /* a fatal signal wakes it all the same */
#define TASK_STOPPED         0x08 /* job control; SIGCONT or SIGKILL wakes it */
#define TASK_ZOMBIE          0x10
#define TASK_DEAD            0x20
#define TASK_NEW             0x40
#define TASK_TRACED          0x80 /* stopped for its tracer, which wakes it, or SIGKILL */
#define TASK_KILLABLE        (TASK_UNINTERRUPTIBLE | TASK_WAKEKILL)
#define TASK_NORMAL          (TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE)

/* task->work: reasons to leave the fast way back to user mode. */
#define WORK_RESCHED         0x1
#define WORK_SIGPENDING      0x2 /* a signal may be deliverable; recomputed under sighand->lock */
#define WORK_RESTORE_SIGMASK 0x4 /* saved_sigmask is to be put back after delivery */
#define WORK_FPU             0x8 /* the FPU registers are not this task's: restore before user mode */
#define WORK_CHILD_SETTID    0x10 /* a new child is to write its id to set_child_tid first */
#define WORK_CPU_TIMERS      0x20 /* a timer that counts CPU time may have expired */

/* The checked build's stack frames are larger. boot/entry.asm has the same numbers. */
#ifdef SAN
#define KSTACK_SIZE 32768
#else
#define KSTACK_SIZE 16384
#endif
#define TASK_COMM_LEN 16

struct task {
	/* Offsets of the first three are known to the assembly (kernel/cpu/asm_offsets.inc). */
	u64 rsp;        /* [c] stack pointer while not running */
	u64 kstack_top; /* [I] one past the kernel stack */
	u32 work;       /* [a] WORK_* */

	unsigned state; /* [s] TASK_*; the task itself may set it on the way to sleep */
	int cpu;        /* [s, pi_lock] run queue it is on or was last on */
	bool on_rq;     /* [s] queued or running */
	bool on_cpu;    /* [s] its stack is in use; cleared last by the switch away from it */
	bool is_idle;   /* [I] */
	struct list_head run_link; /* [s] */
	u64 slice_left;            /* [s] ns of its turn that remain */
	u64 epoch;                 /* [s] rq->epoch that slice_left belongs to */
	u64 sum_runtime;           /* [s] ns on a CPU */
	u64 sum_system;            /* [s] of these, in kernel mode */
	bool in_system;            /* [s] what the last sample found, sched_tick() */
	u64 nr_switches;           /* [s] */
	u64 cpus_allowed;          /* [pi_lock] bit a CPU */
	s8 nice;                   /* [a] -20 to 19 */
	u8 policy, rt_priority;    /* [a] SCHED_*, sched(7); 1 to 99 with FIFO and RR, else 0 */
	bool reset_on_fork;        /* [a] SCHED_RESET_ON_FORK */
	u16 ioprio;                /* [a] ioprio_set(2) */
	spinlock_t pi_lock;        /* held by whoever wakes or moves it */

	u32 syscall_limit; /* [h] numbers below it take the fast way: NR_SYSCALLS, or 0 when traced */
	struct selectors {
		u16 ds, es, fs, gs;
	} selectors;          /* [c] user's, while it does not run */
	u64 fs_base, gs_base; /* [c] the same */
	u64 trap_nr, trap_error,
		trap_addr; /* [c] the last trap that became a signal: vector ... cr2 */
	struct fpu *fpu;   /* [c] NULL for kernel threads */
	struct mm *mm;     /* [c, T to change] NULL for kernel threads */
	struct mm *
		active_mm; /* [c] the address space loaded while it runs (borrowed if mm is NULL) */

	struct files *files;          /* [c] owned by fs/ */
	struct fs_struct *fs;         /* [c] owned by fs/ */
	struct sighand *sighand;      /* [T] handlers */
	struct signal_struct *signal; /* [I] the thread group; NULL for kernel threads */

	refcount_t refs;
	pid_t pid;                    /* [I] thread id, gettid(2) */
	pid_t tgid;                   /* [I] process id, getpid(2) */
	struct list_head pid_link;    /* [T] hash chain of pids */
	struct list_head thread_link; /* [T] signal->threads */
	struct list_head all_link;    /* [T] all tasks, in order of creation */
	char comm[TASK_COMM_LEN];     /* name; written by itself */

	sigset_t blocked;         /* [h] written by itself */
	sigset_t saved_sigmask;   /* [c] */
	sigset_t real_blocked;    /* [h] blocked but for the time of a sigtimedwait(2), else 0 */
	sigset_t pending_mask;    /* [h] signals in pending */
	struct list_head pending; /* [h] struct sigqueue for this thread alone */
	u64 sas_sp, sas_size;     /* [c] alternate stack */
	int sas_flags;
	bool real_ids;     /* [c] access(2): rights are asked by the real ids */
	bool exiting;      /* [h] takes no more signals */
	bool stop_pending; /* [h] a job-control stop that it has not followed yet */

	int exit_code;                  /* [T] wait4(2) status */
	int exit_signal;                /* [I] what the parent gets, usually SIGCHLD */
	u64 set_child_tid;              /* [c] user address, for WORK_CHILD_SETTID */
	u64 clear_child_tid;            /* [c] user address, set_tid_address(2) */
	u64 robust_list;                /* [c] user address */
	struct list_head pi_states;     /* [T] locks with waiters that it owns, futex_pi.c */
	struct pi_state *pi_blocked_on; /* [T] the one it waits for itself */
	bool pi_gone;                   /* [T] gets no more of them */
	struct completion *vfork_done;  /* [c] told at exec or exit */
	u64 start_time;                 /* [I] ktime_get() */

	u64 restart_deadline; /* [c] for restart_syscall(2) */
	long (*restart_fn)(struct task *t);
	u64 restart_args[4];

	struct tracee ptrace;

	struct list_head *scm_work; /* [c] files of messages that it is closing, net/unix_gc.c */

	int (*kthread_fn)(void *arg); /* [I] kernel threads */
	void *kthread_arg;
	const char *waiting_for; /* [c] what a blocked task waits for, for the hung-task report */
	struct task_locks locks; /* [c] empty in the plain build */
};

DECLARE_PER_CPU(struct task *, current_task);
#define current (this_cpu_read(current_task))

static inline struct pt_regs *task_pt_regs(struct task *t)
{
	return (struct pt_regs *)t->kstack_top - 1;
}

static inline bool signal_pending(struct task *t)
{
	return READ_ONCE(t->work) & WORK_SIGPENDING;
}

static inline void task_set_work(struct task *t, u32 bits)
{
	__atomic_fetch_or(&t->work, bits, __ATOMIC_SEQ_CST);
}

static inline void task_clear_work(struct task *t, u32 bits)
{
	__atomic_fetch_and(&t->work, ~bits, __ATOMIC_SEQ_CST);
}

/* ---- kernel/sched/core.c: running and sleeping ---- */

void sched_init(void); /* boot CPU, once, after the slab */

/*
 * Gives the CPU to another task. If the state is not TASK_RUNNING the task leaves the run queue
 * and stays away until somebody wakes it. Process context, no spinlock held, interrupts on.
 */
void schedule(void);
#define NO_DEADLINE (~0ull)
/* The same, and wakes at @deadline (absolute ns); true if the deadline has passed. */
bool schedule_deadline(u64 deadline);
/* A point in a long loop where others may run. Process context. */
void cond_resched(void);
/* Lets others of the same standing run: sched_yield(2). */
void yield_cpu(void);

/*
 * Makes @t runnable if its state is in @states. Returns true if it did. Any context. Everything
 * the waker wrote before is visible to the woken task.
 */
bool try_to_wake_up(struct task *t, unsigned states);
static inline bool wake_up_process(struct task *t)
{
	return try_to_wake_up(t, TASK_NORMAL);
}
void wake_up_new_task(struct task *t);
/*
 * Restricts @t to the CPUs in @mask, of which at least one is up. When it returns @t runs on one of
 * them, if it runs; a signal to the caller ends the wait for that. Process context.
 */
void set_cpus_allowed(struct task *t, u64 mask);
/* Makes a task that runs in user mode on some CPU notice its work flags soon. Any context. */
void kick_task(struct task *t);
/* Time on a CPU in ns, the current turn included. */
struct cputime {
	u64 user, system;
};
static inline u64 cputime_sum(struct cputime c)
{
	return c.user + c.system;
}
/* What @t has used. Any context. */
struct cputime task_cputime(struct task *t);

/* The timer says that the running task's turn is over. Hard interrupt. */
void sched_slice_over(void);
/*
 * A sample: the timer has interrupted user mode (@user) or the kernel. False: this CPU is idle and
 * needs no more samples. Hard interrupt.
 */
bool sched_tick(bool user);

/* Another CPU has queued a task here. Hard interrupt. */
void sched_ipi(void);

/* The idle loop of the calling CPU; never returns. */
void cpu_idle(void) __noreturn;

/* ---- kernel/sched/task.c: creation and names ---- */

extern spinlock_t tasklist_lock;   /* irqsave; guards pids, threads, children, parents */
extern struct list_head all_tasks; /* [T] by all_link */
extern struct task *init_task;     /* process 1, once it exists */

#define PID_MAX (1 << 22) /* one more than the highest */

/*
 * A task with a stack, in state TASK_NEW, in no list, one reference. It starts in @fn (kernel thread)
 * or, with @fn NULL, by returning to user mode with task_pt_regs(t). NULL without memory.
 */
struct task *task_alloc(const char *comm, int (*fn)(void *), void *arg);
/*
 * Makes it findable, by a number of its own: @pid (0 < pid < PID_MAX), or with 0 the next one that is
 * free. A task whose tgid is not set yet leads its process. 0 or -EEXIST.
 */
int task_publish(struct task *t, pid_t pid);
/* The opposite; the pid may be used again. tasklist_lock held. */
void task_unpublish(struct task *t);
static inline void task_get(struct task *t)
{
	refcount_inc(&t->refs);
}
void task_put(struct task *t);
/* Thread by id, with a reference, or NULL. */
struct task *find_get_task(pid_t pid);
pid_t last_pid(void); /* the id given last */
/* Thread by id; tasklist_lock held. */
struct task *find_task_locked(pid_t pid);

/* Starts a kernel thread; @cpu -1 for any. NULL without memory. It ends by returning. */
struct task *kthread_run(int (*fn)(void *), void *arg, int cpu, const char *fmt, ...)
	__printf(4, 5);

/* The current task's last words: frees all it holds and leaves the CPU for good. */
void do_exit(int code) __noreturn; /* kernel/exec/exit.c */

/*
 * fs/ keeps its own things in a task and is told when tasks come and go.
 * fork: child->files and child->fs are still the parent's pointers without a reference;
 * 0 or -errno (then nothing is held). exec: after the point of no return. exit: drop everything.
 */
struct task_ops {
	int (*fork)(struct task *child, u64 clone_flags);
	void (*exec)(struct task *t);
	void (*exit)(struct task *t);
	struct task_ops *next;
};
void register_task_ops(struct task_ops *ops);
extern struct task_ops *task_ops;
