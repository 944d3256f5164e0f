/*
 * What fork, exec, exit, wait, process groups and the signal code ask of each other; nobody outside
 * kernel/exec/ and kernel/sched/ needs it.
 */
#pragma once

#include "kernel/exec/cred.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/task.h"
#include "kernel/time/ktime.h"

/* Flags of clone(2). */
#define CSIGNAL              0x000000ffull
#define CLONE_VM             0x00000100ull
#define CLONE_FS             0x00000200ull
#define CLONE_FILES          0x00000400ull
#define CLONE_SIGHAND        0x00000800ull
#define CLONE_PIDFD          0x00001000ull
#define CLONE_PTRACE         0x00002000ull
#define CLONE_VFORK          0x00004000ull
#define CLONE_PARENT         0x00008000ull
#define CLONE_THREAD         0x00010000ull
#define CLONE_NEWNS          0x00020000ull
#define CLONE_SYSVSEM        0x00040000ull
#define CLONE_SETTLS         0x00080000ull
#define CLONE_PARENT_SETTID  0x00100000ull
#define CLONE_CHILD_CLEARTID 0x00200000ull
#define CLONE_DETACHED       0x00400000ull
#define CLONE_UNTRACED       0x00800000ull
#define CLONE_CHILD_SETTID   0x01000000ull
#define CLONE_NEWCGROUP      0x02000000ull
#define CLONE_NEWUTS         0x04000000ull
#define CLONE_NEWIPC         0x08000000ull
#define CLONE_NEWUSER        0x10000000ull
#define CLONE_NEWPID         0x20000000ull
#define CLONE_NEWNET         0x40000000ull
#define CLONE_IO             0x80000000ull
#define CLONE_CLEAR_SIGHAND  0x100000000ull
#define CLONE_INTO_CGROUP    0x200000000ull

/* Without one of these a child shares its parent's. */
#define CLONE_NAMESPACES \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET)

/*
 * There are no name spaces: 0 if @flags ask for none, or -EINVAL, as from a Linux that was built
 * without. Whether the caller might have one comes first: -EPERM.
 */
static inline int no_namespaces(u64 flags)
{
	if (flags & CLONE_NEWUSER)
		return -EINVAL;
	if (!(flags & CLONE_NAMESPACES))
		return 0;
	return capable(CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
}

struct posix_timer;

/* ---- users (sys.c) ---- */

/*
 * What one user has, against RLIMIT_NPROC, RLIMIT_SIGPENDING and RLIMIT_NOFILE, and inotify's
 * limits. There is a fixed number of these and a user's id chooses one, so two users may share a
 * limit; nothing is ever allocated for it.
 */
struct user_count {
	atomic_t processes;  /* live threads */
	atomic_t signals;    /* struct sigqueue */
	atomic_t inotifies;  /* inotify files */
	atomic_t watches;    /* inotify watches */
	atomic_t pipe_pages; /* what pipes may hold */
	atomic_t inflight;   /* files in messages that nobody has received yet */
};
struct user_count *user_count(u32 uid);

/* ---- a process's common part (fork.c) ---- */

/* A new process without a parent, threads or terminal; NULL without memory. */
struct signal_struct *signal_alloc(void);
/* A handler table, a copy of @from, or with NULL all default. */
struct sighand *sighand_alloc(struct sighand *from);
void sighand_put(struct sighand *sh);
/* Makes @t the only thread of @g. tasklist_lock held, or nobody can see either of them. */
void signal_attach_leader(struct signal_struct *g, struct task *t, struct sighand *sh);

/* A thread has left the family: the opposite of its counting at fork. tasklist_lock held. */
void forget_thread(struct signal_struct *g);
int count_threads(void);

/* ---- process descriptors: files, so fs/pidfd.c's ---- */

struct file;
struct pidfd_ops {
	/* A reserved descriptor and a file for a process that is not there yet: its number, -errno. */
	int (*prepare)(struct file **file);
	/* It is there; or NULL: nothing has come of it. */
	void (*finish)(int fd, struct file *file, struct signal_struct *g);
	/* Whom @fd means, with a reference, and O_NONBLOCK; NULL: no such descriptor. */
	struct signal_struct *(*get)(unsigned fd, bool *nonblock);
	/* The same; an open /proc/PID will do, too. ERR_PTR: -EBADF, -ESRCH (the folder's has ended). */
	struct signal_struct *(*get_target)(unsigned fd);
};
extern const struct pidfd_ops *pidfd_ops; /* [I] set at start-up */

/* ---- process groups and sessions (pgrp.c); tasklist_lock held ---- */

void pgrp_attach(struct signal_struct *g, pid_t pgrp);
void pgrp_detach(struct signal_struct *g);
/* No member has a parent in another group of the session: nobody could continue it. */
bool pgrp_is_orphaned(pid_t pgrp, const struct signal_struct *ignored);
/* @g ends, or loses its parent: a stopped group that this orphans gets SIGHUP and SIGCONT. */
void pgrp_kill_orphaned(struct signal_struct *g, struct signal_struct *parent, bool ending);

/* The process that thread @pid belongs to, 0 for the caller's; NULL. tasklist_lock held. */
struct signal_struct *find_process(pid_t pid);
/* Is there such a group? tasklist_lock held. */
bool pgrp_exists(pid_t pgrp);
/* Calls @fn for each process of a group. Takes tasklist_lock; any context. */
void for_each_in_pgrp(pid_t pgrp, void (*fn)(struct signal_struct *g, void *arg), void *arg);
/* kill(2) on a group, with permission checked: 0, -ESRCH, -EPERM. Takes tasklist_lock. */
int kill_pgrp(pid_t pgrp, int sig, const siginfo_t *info);

/* ---- signals (signal.c, deliver.c, sigcalls.c) ---- */

#define SIG_KERNEL_STOP (sigmask(SIGSTOP) | sigmask(SIGTSTP) | sigmask(SIGTTIN) | sigmask(SIGTTOU))
/* Those whose default is to do nothing. */
#define SIG_KERNEL_IGNORE \
	(sigmask(SIGCONT) | sigmask(SIGCHLD) | sigmask(SIGWINCH) | sigmask(SIGURG))
#define SIG_UNBLOCKABLE (sigmask(SIGKILL) | sigmask(SIGSTOP))

/* Process 1: no signal ends or stops it that it has not asked for. */
static inline bool is_init_process(const struct signal_struct *g)
{
	return unlikely(init_task && g == init_task->signal);
}

/* A signal that was taken off the queue, to be handled. */
struct ksignal {
	int sig;
	struct sigaction act;
	siginfo_t info;
};

/*
 * The common way in. @t NULL: for any thread of @g. @force: cannot be ignored, not even by
 * process 1. @sh is locked.
 */
int send_signal_locked(struct sighand *sh, struct signal_struct *g, struct task *t, int sig,
		       const siginfo_t *info, bool force);
/* The lowest deliverable signal not in @blocked, taken off current's queues; 0. Handlers locked. */
int dequeue_signal(sigset_t blocked, siginfo_t *info);
/*
 * A queue entry that belongs to a timer, made when the timer is, so that its expiry cannot fail;
 * NULL: RLIMIT_SIGPENDING or no memory. It is freed with no handlers locked and not queued.
 */
struct sigqueue *sigqueue_alloc_timer(struct signal_struct *g, struct posix_timer *timer);
void sigqueue_free(struct sigqueue *q);
/* Queues it as the signal @info. False: ignored. Handlers locked. */
bool sigqueue_send(struct sigqueue *q, struct sighand *sh, struct signal_struct *g, struct task *t,
		   const siginfo_t *info);
/* Is it pending? And: not any more. Handlers locked. */
bool sigqueue_pending(const struct sigqueue *q);
void sigqueue_cancel(struct sigqueue *q, struct signal_struct *g, struct task *t);
/* Sets or clears current's WORK_SIGPENDING. Handlers locked. */
void recalc_sigpending(void);
/* The action for @sig has become "ignore": forgets it everywhere. Handlers locked. */
void drop_signals(struct signal_struct *g, sigset_t set);
/* All threads are to stop for @sig; each follows in get_signal(). Handlers locked. */
void start_group_stop(struct signal_struct *g, int sig);
/* Ends all threads but current. Handlers locked. */
void zap_other_threads(struct signal_struct *g);
/* current begins to end: others get its share of the process's signals. True if it is the last. */
bool exit_signals(void);
/* Ends the whole process with a wait status. */
void do_group_exit(int code) __noreturn;
/* A signal that the current task cannot escape. */
void force_signal(int sig, const siginfo_t *info);
/* Delivery or return of a signal frame went wrong: SIGSEGV, at once deadly if it is one already. */
void force_sigsegv(int sig);
/* Makes @t look at its signals: out of its sleep, or out of user mode. Handlers locked. */
void signal_wake_up(struct task *t, bool fatal);
/* current takes its part in a stop, if there is one: 0, or its signal if it is the last. Handlers
 * locked. */
int follow_group_stop(void);
/* Tells @to, parent or tracer, of a stop or a continuation (CLD_*) of @t. tasklist_lock or a reference
 * to @to is held. */
void notify_cldstop(struct signal_struct *to, struct task *t, int why, int status);
/* Tells the parent of @g. */
void notify_parent_cldstop(struct signal_struct *g, int why, int status);
/* May current send @sig to @g? 0, -EINVAL: no such signal, -EPERM. tasklist_lock held. */
int check_kill_permission(struct signal_struct *g, int sig);
/* The pending and the blocked signals of process @g, for /proc. */
void get_signal_masks(struct task *t, sigset_t *pending, sigset_t *shared, sigset_t *blocked,
		      sigset_t *ignored, sigset_t *caught);

/* ---- timers of a process (kernel/time/itimer.c, posix_timer.c, cpu_timer.c) ---- */

/* Function of signal_struct.real_timer: SIGALRM. */
void real_timer_expired(struct timer *timer);
/*
 * A periodic alarm goes on when its signal has been taken, not before, so a short period cannot
 * occupy a CPU. Handlers locked.
 */
void rearm_real_timer(struct signal_struct *g);
/* The signal of @t has been taken, and tells how late in info->si_overrun; or with @info NULL was
 * dropped. An interval timer goes on. Handlers locked. */
void posix_timer_taken(struct posix_timer *t, siginfo_t *info);
/* Deletes all POSIX timers: the process ends or becomes another program. Process context. */
void posix_timers_exit(struct signal_struct *g);
/* Those that count the CPU time of @g. True if one is still armed. Handlers locked. */
bool check_posix_cpu_timers(struct signal_struct *g);
bool check_cpu_itimers(struct signal_struct *g, struct cputime used);
/* WORK_CPU_TIMERS: on the way to user mode. */
void run_cpu_timers(void);

/* ---- the user's side (sigframe.c) ---- */

/* Builds the frame and points @regs at the handler; @oldset is what sigreturn will restore. */
int setup_rt_frame(struct ksignal *ks, sigset_t oldset, struct pt_regs *regs);
/* Largest size of a frame: AT_MINSIGSTKSZ. */
u64 sigframe_max_size(void);

/* ---- a thread's bases (sys.c) ---- */

/* arch_prctl(2) for @t, whose bases are in memory. */
long task_arch_prctl(struct task *t, int op, u64 addr);

/* ---- futexes (futex.c) ---- */

/* current leaves its address space: robust list, clear_child_tid. */
void futex_exit(void);

/* ---- the end (exit.c) ---- */

/* Wakes a parent that waits in vfork(2). */
void complete_vfork(struct task *t);
/*
 * Takes a dead thread out of all tables; of a leader, the whole process. tasklist_lock held. The
 * caller has a reference, and lets go of it only after unlocking: it may be the last.
 */
void release_task(struct task *t);
/* @t, which is current, gives up its memory, its files and its FPU state. */
void exit_resources(struct task *t);
/* Reaps a child of the calling process, if one has ended: its pid, 0: none has, -ECHILD. */
long reap_child(void);
/* The same, and adds it with a reference to @dead; put_dead_tasks() drops those after unlocking. */
void release_later(struct task *t, struct list_head *dead);
void put_dead_tasks(struct list_head *dead);
/*
 * @t, just unlinked from @tracer, goes on without: if it is a zombie, its parent is told, or it is
 * released. tasklist_lock held.
 */
void settle_tracee(struct task *t, struct signal_struct *tracer, struct list_head *dead);
/* The wait status of a task that has ended. tasklist_lock held. */
int exit_status(const struct task *t);

/* CPU time of all threads, dead ones included. tasklist_lock or the handlers locked. */
struct cputime process_cputime(struct signal_struct *g);
void cputime_add(struct cputime *to, struct cputime c);

struct rusage {
	struct timeval ru_utime, ru_stime;
	s64 ru_maxrss, ru_ixrss, ru_idrss, ru_isrss, ru_minflt, ru_majflt, ru_nswap;
	s64 ru_inblock, ru_oublock, ru_msgsnd, ru_msgrcv, ru_nsignals, ru_nvcsw, ru_nivcsw;
};

static inline void rusage_set_times(struct rusage *ru, struct cputime c)
{
	ru->ru_utime = ns_to_timeval(c.user);
	ru->ru_stime = ns_to_timeval(c.system);
}
