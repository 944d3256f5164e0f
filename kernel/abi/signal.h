/* Signals of Linux x86-64: signal(7), sigaction(2), sigaltstack(2). */
#pragma once

#include "kernel/lib/types.h"

#define SIGHUP    1
#define SIGINT    2
#define SIGQUIT   3
#define SIGILL    4
#define SIGTRAP   5
#define SIGABRT   6
#define SIGBUS    7
#define SIGFPE    8
#define SIGKILL   9
#define SIGUSR1   10
#define SIGSEGV   11
#define SIGUSR2   12
#define SIGPIPE   13
#define SIGALRM   14
#define SIGTERM   15
#define SIGSTKFLT 16
#define SIGCHLD   17
#define SIGCONT   18
#define SIGSTOP   19
#define SIGTSTP   20
#define SIGTTIN   21
#define SIGTTOU   22
#define SIGURG    23
#define SIGXCPU   24
#define SIGXFSZ   25
#define SIGVTALRM 26
#define SIGPROF   27
#define SIGWINCH  28
#define SIGIO     29
#define SIGPWR    30
#define SIGSYS    31
#define SIGRTMIN  32
#define NSIG      64 /* signals are 1 to 64; signal n is bit n - 1 of a set */

typedef u64 sigset_t;
#define sigmask(sig) (1ull << ((sig) - 1))

#define SIG_DFL ((u64)0)
#define SIG_IGN ((u64)1)

#define SA_NOCLDSTOP 0x00000001ul
#define SA_NOCLDWAIT 0x00000002ul
#define SA_SIGINFO   0x00000004ul
#define SA_RESTORER  0x04000000ul
#define SA_ONSTACK   0x08000000ul
#define SA_RESTART   0x10000000ul
#define SA_NODEFER   0x40000000ul
#define SA_RESETHAND 0x80000000ul

#define SIG_BLOCK   0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2

/* The kernel's sigaction: order and sizes as rt_sigaction(2) passes them. */
struct sigaction {
	u64 sa_handler;
	u64 sa_flags;
	u64 sa_restorer;
	sigset_t sa_mask;
};

/* si_code */
#define SI_USER    0
#define SI_KERNEL  0x80
#define SI_QUEUE   -1
#define SI_TIMER   -2
#define SI_SIGIO   -5
#define SI_TKILL   -6
#define SEGV_MAPERR 1
#define SEGV_ACCERR 2
#define BUS_ADRALN  1
#define BUS_ADRERR  2
#define FPE_INTDIV  1
#define FPE_FLTDIV  3
#define FPE_FLTOVF  4
#define FPE_FLTUND  5
#define FPE_FLTRES  6
#define FPE_FLTINV  7
#define ILL_ILLOPN  2
#define TRAP_BRKPT  1
#define TRAP_TRACE  2
#define CLD_EXITED  1
#define CLD_KILLED  2
#define CLD_DUMPED  3
#define CLD_TRAPPED 4
#define CLD_STOPPED 5
#define CLD_CONTINUED 6
#define POLL_IN     1
#define POLL_OUT    2
#define POLL_MSG    3
#define POLL_ERR    4
#define POLL_PRI    5
#define POLL_HUP    6
#define NSIGPOLL    6

/* 128 bytes, as sigaction(2) describes it. */
typedef struct siginfo {
	int si_signo, si_errno, si_code, __pad0;
	union {
		struct {
			int si_pid;
			u32 si_uid;
			union {
				u64 si_value; /* sigqueue */
				int si_status; /* SIGCHLD */
			};
			s64 si_utime, si_stime;
		};
		struct {
			int si_tid, si_overrun;
			u64 si_timer_value;
		};
		u64 si_addr; /* faults */
		struct {
			s64 si_band;
			int si_fd;
		};
		u8 __pad[112];
	};
} siginfo_t;

typedef struct {
	u64 ss_sp;
	int ss_flags;
	u64 ss_size;
} stack_t;
#define SS_ONSTACK 1
#define SS_DISABLE 2
#define MINSIGSTKSZ 2048
