/* What the scheduler's own files share, and its figures for /proc. */
#pragma once

#include "kernel/cpu/ptrace.h"
#include "kernel/sched/task.h"
#include "kernel/time/timer.h"

/* A sleeper's alarm clock, on its stack. */
struct sleep_timer {
	struct timer timer;
	struct task *task;
};

/* The top of the stack of a task that does not run: what switch.asm has pushed, and its way on. */
struct switch_frame {
	u64 r15, r14, r13, r12, rbx, rbp;
	u64 rip;
};

/* A task that sleeps: where in the kernel, innermost first, and with what it came there. */
struct asleep {
	int depth;
	u64 ips[16];
	struct pt_regs regs; /* all zero for a kernel thread */
};
/* False: it runs, or wants to, or is at its end. The caller itself: no depth. Any context. */
bool task_asleep(struct task *t, struct asleep *a);

/*
 * The store and the barrier of the sleeper's half of the protocol in core.c: what it reads after
 * this is not older than the moment at which wakers see the state.
 */
#define set_current_state(s) \
	do { \
		WRITE_ONCE(current->state, (s)); \
		smp_mb(); \
	} while (0)

/* A task for another CPU to be idle in: it has a stack, but no id, and is in no list. NULL without
 * memory. */
struct task *idle_task_alloc(int cpu);
/* Makes @idle the calling CPU's idle task, and current. */
void sched_init_cpu(struct task *idle);
/* First thing on a new task's stack. */
void schedule_tail(struct task *prev);
/* The rest of a kernel thread's life after schedule_tail(); returns only to go to user mode. */
void kthread_return(void);

bool cpu_is_idle(int cpu);
/* What @cpu has spent in tasks and, in *idle, without one; ns. */
struct cputime sched_cputime(int cpu, u64 *idle);
u64 sched_nr_switches(int cpu);
int sched_nr_waiting(int cpu); /* tasks that want @cpu and are not on it */
int sched_nr_running(void);

/* ---- policy.c ---- */
u64 sched_turn(const struct task *t);    /* how long it may run in an epoch, ns. Any context */
void sched_fork(struct task *t);         /* a new task has what current has */
bool may_schedule(const struct task *t); /* may the caller say how @t is scheduled? */

/* ---- load.c ---- */
/* A CPU that is not idle looks at the clock. Hard interrupt. */
void load_tick(u64 now);
/* Over 1, 5 and 15 minutes, with @bits (11 to 40) of fraction. Any context. */
void load_averages(u64 avg[3], unsigned bits);
