/*
 * Tracing: one process sees and steers the threads of another, ptrace(2). kernel/sched/ptrace.c says how
 * a traced thread stops, ptrace_calls.c has the system call, ptrace_regs.c the registers.
 */
#pragma once

#include "kernel/abi/signal.h"
#include "kernel/lib/list.h"
#include "kernel/lib/types.h"

struct task;
struct signal_struct;
struct pt_regs;

#define PTRACE_EVENT_FORK       1
#define PTRACE_EVENT_VFORK      2
#define PTRACE_EVENT_CLONE      3
#define PTRACE_EVENT_EXEC       4
#define PTRACE_EVENT_VFORK_DONE 5
#define PTRACE_EVENT_EXIT       6
#define PTRACE_EVENT_STOP       128

/* PTRACE_GETEVENTMSG in a system-call stop. */
#define PTRACE_EVENTMSG_SYSCALL_ENTRY 1
#define PTRACE_EVENTMSG_SYSCALL_EXIT  2

/* Options; an event is reported if BIT(event) is set. */
#define PTRACE_O_TRACESYSGOOD 0x00000001u
#define PTRACE_O_EXITKILL     0x00100000u
#define PTRACE_O_MASK         0x003000ffu
#define PT_TRACED             BIT(30) /* always, for one that is traced */
#define PT_SEIZED             BIT(31) /* by PTRACE_SEIZE: stops of job control can be told apart */
#define PT_PRIVILEGED         BIT(29) /* its tracer may trace whatever it becomes, execve(2) */

/* tracee.trap: a stop that is due on the way to user mode. */
#define TRAP_STOP   0x1u /* any stop will do: PTRACE_INTERRUPT, a new child, attached while stopped */
#define TRAP_NOTIFY 0x2u /* one that tells of job control: SIGCONT, or a stop signal */

enum trace_mode { TRACE_RUN, TRACE_SYSCALL, TRACE_STEP };

/* The traced side of a task. */
struct tracee {
	u32 flags;                    /* [Th] PT_* and options; 0: nobody traces it */
	struct signal_struct *tracer; /* [T] NULL: nobody */
	struct list_head link;        /* [T] tracer->tracees */
	bool zombie; /* [T] a thread, not a leader, that waits for the tracer's wait */

	u32 trap;             /* [h] TRAP_* */
	bool stopped;         /* [h] it stands in ptrace_stop() */
	bool frozen;          /* [h] a ptrace(2) looks at it: nothing makes it go on */
	bool listening;       /* [h] PTRACE_LISTEN: stopped for everybody but job control */
	bool forced_step;     /* [c] EFLAGS.TF is the tracer's, not the program's */
	enum trace_mode mode; /* [h] how it goes on */
	int status;      /* [h] what wait4(2) has not reported yet, without its low byte, or 0 */
	int signal;      /* [h] what it goes on with */
	siginfo_t *info; /* [h] of the stop; NULL for one of job control */
	u64 message;     /* [c] PTRACE_GETEVENTMSG */
};

/* ---- stops; current, process context, no lock held ---- */

/* Reports @event (0: none) with @message, if the tracer has asked for it. */
void ptrace_event(int event, u64 message);
/* The EXEC event, or the SIGTRAP that it was once. @old_pid: of the thread that called execve. */
void ptrace_exec(pid_t old_pid);
/* The EXIT event. */
void ptrace_exit(int code);
/* Which event a clone(2) is; 0: none that the tracer wants. */
int ptrace_clone_event(u64 clone_flags, int exit_signal);
/* Before a system call. False: it is not to be made. */
bool ptrace_syscall_entry(struct pt_regs *regs);
void ptrace_syscall_exit(struct pt_regs *regs);

struct ksignal;
/* A signal is about to be delivered. False: the tracer does not want it to. */
bool ptrace_signal(struct ksignal *ks);
/* A stop of job control, or one that was asked for. */
void ptrace_trap(void);
/* A handler's frame is about to be built: takes the tracer's EFLAGS.TF away. True: it was set. */
bool ptrace_unstep(struct pt_regs *regs);
/* The handler's first instruction, while stepping. */
void ptrace_step_done(void);

/* ---- ties; tasklist_lock held ---- */

/* @tracer traces @t from now on. Handlers locked, too. */
void ptrace_link(struct task *t, struct signal_struct *tracer, u32 flags);
/* A new child or thread of current, in the lists: its tracer's, too, if @follow. */
void ptrace_link_child(struct task *t, bool follow);
/* @t is not traced any more; it goes on if it stands. */
void ptrace_unlink(struct task *t);
/* The process @g ends: lets go of all it traces. The dead go to @dead (release_task()). */
void ptrace_forget_tracees(struct signal_struct *g, struct list_head *dead);

/* ---- for the signal code; handlers locked ---- */

/* Job control has changed for @t, which was seized. */
void ptrace_trap_notify(struct task *t);
/* Makes @t, for which there is a new trap, follow it. */
void ptrace_wake_up(struct task *t);
/* Lets @t go on, if it stands. */
void ptrace_go(struct task *t);

/* ---- its registers; it is frozen (ptrace_regs.c) ---- */

struct iovec;
/*
 * The switch away from a task saves its bases and selectors once more: who changes them waits for that,
 * a few instructions.
 */
void ptrace_wait_off_cpu(struct task *t);
#define NT_PRSTATUS   1
#define NT_PRFPREG    2
#define NT_X86_XSTATE 0x202
/* A word of struct user. 0, -EIO. */
int ptrace_peek_user(struct task *t, u64 offset, u64 *value);
int ptrace_poke_user(struct task *t, u64 offset, u64 value);
/* Regset @type from or to the caller's memory at @v, whose length becomes what has been copied. 0, -EINVAL,
 * -EFAULT, -EIO. */
int ptrace_regset(struct task *t, u64 type, struct iovec *v, bool set);
