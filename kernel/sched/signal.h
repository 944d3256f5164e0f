/*
 * Signals. A signal is made pending on a thread or on a whole group, and delivered on the way back
 * to user mode (exit_to_user_work). Between the two stands only WORK_SIGPENDING, which makes every
 * interruptible sleep return. kernel/sched/signal.c tells the rest.
 */
#pragma once

#include "kernel/abi/signal.h"
#include "kernel/sched/task.h"
#include "kernel/sched/wait.h"
#include "kernel/time/timer.h"

/*
 * Handlers: shared by CLONE_SIGHAND. A table that execve(2) has replaced lives on until its
 * replacement is freed, so whoever has just read the pointer may still take the lock and look
 * again (lock_sighand()).
 */
struct sighand {
	refcount_t refs;
	struct sighand *replaced; /* [I] the table that this one replaced, with a reference */
	spinlock_t lock;          /* irqsave; guards actions and every pending set of its tasks */
	struct sigaction action[NSIG];      /* [lock] */
	struct wait_queue_head signalfd_wq; /* those who watch for pending signals */
};

/* What of a terminal the kernel itself knows: drivers/tty.h has the rest around it. */
struct ctty {
	u64 rdev;      /* [I] device number, as stat(2) has it */
	pid_t pgrp;    /* [T] the group in the foreground, 0 if none; interrupts just read it */
	pid_t session; /* [T] whose controlling terminal it is, 0 if nobody's */
};

struct rlimit {
	u64 rlim_cur, rlim_max;
};
#define RLIM_NLIMITS      16
#define RLIMIT_CPU        0
#define RLIMIT_FSIZE      1
#define RLIMIT_DATA       2
#define RLIMIT_STACK      3
#define RLIMIT_CORE       4
#define RLIMIT_RSS        5
#define RLIMIT_NPROC      6
#define RLIMIT_NOFILE     7
#define RLIMIT_MEMLOCK    8
#define RLIMIT_AS         9
#define RLIMIT_SIGPENDING 11
#define RLIMIT_NICE       13
#define RLIMIT_RTPRIO     14
#define RLIM_INFINITY     (~0ull)

/* An interval timer that counts CPU time; ns. */
struct cpu_itimer {
	u64 expires, interval; /* expires 0: not armed */
};

/*
 * A process: what its threads have in common. Fields with [Th] change under both locks, so either
 * is enough to read them.
 */
struct signal_struct {
	refcount_t refs;          /* one a thread, plus those who look */
	pid_t pid;                /* [I] the process id */
	struct sighand *sighand;  /* [Th] that of all its threads */
	struct task *leader;      /* [Th] the first thread; NULL once the process is reaped */
	struct list_head threads; /* [Th] task->thread_link */
	int nr_threads;           /* [Th] threads that have not ended; 0: dead or a zombie */
	int nr_live;              /* [h] threads that have not begun to end */

	struct signal_struct *parent;         /* [T] */
	struct list_head children;            /* [T] by sibling */
	struct list_head sibling;             /* [T] */
	struct list_head tracees;             /* [T] tasks that it traces, by ptrace.link */
	struct wait_queue_head wait_chldexit; /* those in wait4() */
	struct wait_queue_head pidfd_wq;      /* woken when the process has ended */

	bool group_exit;         /* [h] all threads are on their way out */
	int group_exit_code;     /* [h] */
	struct task *group_exec; /* [h] thread that waits in execve for the others to go */
	int stop_signal;         /* [h] stopped by this signal, 0 if running */
	int nr_stopping;         /* [h] threads that have not followed the stop yet */
	bool stop_reported;      /* [h] WUNTRACED has told of this stop */
	bool continued;          /* [h] SIGCONT ended a stop and WCONTINUED has not told yet */
	bool notify_continued;   /* [h] the next thread to run tells the parent */
	unsigned cont_seq;       /* [h] counts SIGCONTs */
	struct wait_queue_head stop_wq; /* stopped threads */

	sigset_t pending_mask;    /* [h] */
	struct list_head pending; /* [h] struct sigqueue for any thread */

	pid_t pgrp, session;                  /* [T] */
	struct list_head pgrp_link;           /* [T] hash chain of process groups */
	int pdeath_signal;                    /* [T] sent to it when its parent ends, prctl(2) */
	unsigned personality;                 /* [c] personality(2) */
	bool did_exec;                        /* [T] too late for setpgid(2) by the parent */
	struct ctty *tty;                     /* [T] controlling terminal, or NULL */
	pid_t tty_old_pgrp;                   /* [T] its foreground group when it was hung up */
	u32 uid, gid, euid, egid, suid, sgid; /* [T] */
	u32 fsuid, fsgid;                     /* [T] by which it touches files: setfsuid(2) */
	struct group_list *groups;            /* [T] supplementary groups; NULL: none */
	u64 cap_permitted, cap_effective, cap_inheritable, cap_bset; /* [T] kernel/exec/caps.c */
	bool keep_caps, no_new_privs, dumpable, child_subreaper;     /* [c] prctl(2) */
	struct rlimit rlim[RLIM_NLIMITS];                            /* [T] */
	struct cputime dead_time;     /* [Th] of threads that have been released */
	struct cputime children_time; /* [T] of children that have been waited for, and theirs */

	struct timer real_timer;          /* ITIMER_REAL; [h] */
	u64 real_interval;                /* [h] ns */
	struct cpu_itimer cpu_itimers[2]; /* [h] ITIMER_VIRTUAL and ITIMER_PROF */
	struct list_head posix_timers;    /* [h] kernel/time/posix_timer.c's */
	int next_timer_id;                /* [h] */
	bool cpu_timers; /* [h] something here counts CPU time: check it at each tick */
	struct wait_queue_head cpu_wq;        /* who sleeps on a clock of its CPU time */
	int oom_score_adj, oom_score_adj_min; /* [a] kernel/mm/oom.c; the lowest that root set */
};

/* The current process's soft limit; kernel threads have none. */
static inline u64 rlimit(int which)
{
	return current->signal ? READ_ONCE(current->signal->rlim[which].rlim_cur) : RLIM_INFINITY;
}

/*
 * Locks the handlers and the pending sets of a process, interrupts off; the caller holds a
 * reference to it. The table cannot change while it is locked.
 */
struct sighand *lock_sighand(struct signal_struct *g, u64 *flags);
static inline void unlock_sighand(struct sighand *sh, u64 flags)
{
	spin_unlock_irqrestore(&sh->lock, flags);
}

/* Drops what a task holds of the above; task_put() calls it for the last reference. */
void task_free_signals(struct task *t);
/* Drops a reference to a process. Any context. */
void signal_put(struct signal_struct *g);

/*
 * Makes a signal pending. @info NULL: SI_KERNEL. Any context. 0, or -EAGAIN when a real-time
 * signal cannot be queued. The caller has checked permission.
 */
int send_signal_task(struct task *t, int sig, const siginfo_t *info);
int send_signal_group(struct signal_struct *g, int sig, const siginfo_t *info);
/* To every process of a process group; how many were reached. Any context. */
int send_signal_pgrp(pid_t pgrp, int sig, const siginfo_t *info);
/* A fault of the current task: cannot be blocked or ignored. Process context, from a trap. */
void force_signal_fault(int sig, int code, u64 addr);

bool fatal_signal_pending(struct task *t);
/* Sets current's mask (SIGKILL and SIGSTOP are taken out) and recomputes WORK_SIGPENDING. */
void set_blocked(sigset_t mask);
/*
 * For ppoll, pselect, epoll_pwait, sigsuspend: puts @mask in place until the system call is over,
 * handlers included, then the old one comes back by itself. Called before the sleep.
 * restore_saved_sigmask_unless(interrupted) is called at the end of the system call.
 */
int set_user_sigmask(const sigset_t __user *umask,
		     size_t size); /* NULL: nothing; 0, -EFAULT, -EINVAL */
void restore_saved_sigmask_unless(bool interrupted);

/* Program start-up: handlers that are not ignored fall back to default. */
void flush_signal_handlers(struct task *t);
/* Frees what is pending. */
void flush_sigqueue(struct list_head *pending, sigset_t *mask);
