/*
 * ptrace(2), one tracee: it asks to be traced, stops for signals, system calls and single steps, and its
 * memory and registers are read and changed meanwhile.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#include "tap.h"

#define SYSGOOD_STOP (SIGTRAP | 0x80)

static volatile long word = 0x1122334455667788;
static const volatile long constant[2] = {7, 7}; /* in memory that nobody may write */
static pid_t child;

/* The next stop: its signal with the event; -1: it has ended. */
static int next_stop(void)
{
	int status;

	must(waitpid(child, &status, __WALL));
	return WIFSTOPPED(status) ? status >> 8 : -1;
}

static int go(int request, int sig)
{
	must(ptrace(request, child, 0, sig));
	return next_stop();
}

static struct user_regs_struct regs(void)
{
	struct user_regs_struct r;

	must(ptrace(PTRACE_GETREGS, child, 0, &r));
	return r;
}

/* Starts a traced child, which stands before @fn. */
static void start(void (*fn)(void))
{
	child = must(fork());
	if (!child) {
		must(ptrace(PTRACE_TRACEME, 0, 0, 0));
		kill(getpid(), SIGSTOP);
		fn();
		_exit(0);
	}
	if (next_stop() != SIGSTOP)
		abort();
}

/* How it ends. */
static int ending(void)
{
	int status;

	must(waitpid(child, &status, __WALL));
	return status;
}

static void finish(const char *what)
{
	ptrace(PTRACE_CONT, child, 0, 0);
	ok(ending() == 0, "%s", what);
}

/* ---- errors ---- */

static void nothing(void)
{
}

static void test_errors(void)
{
	siginfo_t info;
	char path[64], text[2048] = "";
	int fd;

	start(nothing);
	fails(ptrace(PTRACE_ATTACH, child, 0, 0), EPERM);
	fails(ptrace(PTRACE_ATTACH, getpid(), 0, 0), EPERM);
	fails(ptrace(PTRACE_CONT, getpid(), 0, 0), ESRCH);
	fails(ptrace(PTRACE_CONT, child, 0, 65), EIO);
	fails(ptrace(PTRACE_SETOPTIONS, child, 0, 1 << 30), EINVAL);
	fails(ptrace(PTRACE_PEEKDATA, child, 8, 0), EIO);
	fails(ptrace(PTRACE_POKEDATA, child, 8, 0), EIO);
	fails(ptrace(PTRACE_PEEKUSER, child, 7, 0), EIO);
	fails(ptrace(PTRACE_PEEKUSER, child, 1024, 0), EIO);
	fails(ptrace(PTRACE_GETSIGMASK, child, 4, &info), EINVAL);
	fails(ptrace(PTRACE_INTERRUPT, child, 0, 0), EIO);
	fails(ptrace(PTRACE_LISTEN, child, 0, 0), EIO);
	fails(ptrace(12345, child, 0, 0), EIO);
	ok(!ptrace(PTRACE_GETSIGINFO, child, 0, &info) && info.si_signo == SIGSTOP &&
		   info.si_code == SI_USER && info.si_pid == child,
	   "which signal it is");
	snprintf(path, sizeof(path), "/proc/%d/status", child);
	fd = must(open(path, O_RDONLY));
	must(read(fd, text, sizeof(text) - 1));
	close(fd);
	snprintf(path, sizeof(path), "TracerPid:\t%d\n", getpid());
	ok(strstr(text, path) && strstr(text, "State:\tt (tracing stop)\n"), "/proc tells");
	finish("it ends");
	fails(ptrace(PTRACE_CONT, child, 0, 0), ESRCH);
}

/* ---- signals ---- */

static volatile int handled;

static void count(int sig, siginfo_t *info, void *ctx)
{
	handled += info->si_code == SI_USER ? 10 : 1;
}

static void raise_some(void)
{
	struct sigaction act = {.sa_sigaction = count, .sa_flags = SA_SIGINFO};

	sigaction(SIGUSR2, &act, NULL);
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	raise(SIGUSR2);
	raise(SIGTERM);
	raise(SIGTERM);
	if (handled != 11)
		_exit(1);
}

static void test_signals(void)
{
	unsigned long mask = 0;
	siginfo_t info;

	start(raise_some);
	ok(go(PTRACE_CONT, 0) == SIGUSR1, "a signal stops it, an ignored one too");
	ok(go(PTRACE_CONT, SIGUSR1) == SIGUSR2, "the next");
	must(ptrace(PTRACE_GETSIGINFO, child, 0, &info));
	ok(info.si_code == SI_TKILL && info.si_pid == child, "who has sent it");
	ok(go(PTRACE_CONT, SIGUSR2) == SIGTERM, "handled; a third");
	ok(go(PTRACE_CONT, 0) == SIGTERM, "taken away; a fourth");
	ok(!ptrace(PTRACE_GETSIGMASK, child, 8, &mask) && !(mask & 1 << (SIGUSR2 - 1)), "its mask");
	ptrace(PTRACE_CONT, child, 0, SIGUSR2); /* in its place */
	ok(ending() == 0, "replaced, and handled as the tracer's");

	start(nothing);
	must(kill(child, SIGKILL));
	ok(ending() == SIGKILL, "SIGKILL ends it where it stands");
	start(nothing);
	must(ptrace(PTRACE_CONT, child, 0, SIGTERM));
	ok(ending() == SIGTERM, "a signal given on takes its effect");
}

/* ---- memory and registers ---- */

static void handle_one(void)
{
	struct sigaction act = {.sa_sigaction = count, .sa_flags = SA_SIGINFO};

	sigaction(SIGUSR2, &act, NULL);
	kill(getpid(), SIGUSR2);
}

static void test_selector(void)
{
	start(handle_one);
	go(PTRACE_CONT, 0);
	ok(!ptrace(PTRACE_POKEUSER, child, offsetof(struct user, regs.ss), 7),
	   "a stack segment that is not");
	ok(go(PTRACE_CONT, SIGUSR2) == SIGSEGV && (regs().ss == 7 || regs().ss == 0x2b),
	   "a handler does not need it, what it returns to does");
	must(ptrace(PTRACE_CONT, child, 0, SIGSEGV));
	ok(WTERMSIG(ending()) == SIGSEGV, "it ends so");
}

static void use_memory(void)
{
	unsigned long x;

	if (word != 42 || constant[1] != 8)
		_exit(1);
	__asm__ volatile("mov $5, %%r12\n\tint3\n\tmov %%r12, %0" : "=r"(x)::"r12");
	if (x != 6)
		_exit(2);
}

static void test_memory(void)
{
	struct user_regs_struct r, again;
	struct user_fpregs_struct fp;
	unsigned char big[8192];
	struct iovec v = {&again, sizeof(again)};
	siginfo_t info;

	start(use_memory);
	errno = 0;
	ok(ptrace(PTRACE_PEEKDATA, child, &word, 0) == 0x1122334455667788 && !errno,
	   "a word of it");
	must(ptrace(PTRACE_POKEDATA, child, &word, 42));
	ok(!ptrace(PTRACE_POKETEXT, child, &constant[1], 8), "written where it may not write");
	ok(word == 0x1122334455667788 && constant[1] == 7, "the tracer's own are as they were");
	ok(go(PTRACE_CONT, 0) == SIGTRAP, "int3 stops it");
	must(ptrace(PTRACE_GETSIGINFO, child, 0, &info));
	ok(info.si_code == 0x80, "from the kernel");
	r = regs();
	errno = 0;
	ok(r.r12 == 5 && (r.cs & 3) == 3 && r.eflags & 0x200, "registers");
	ok(ptrace(PTRACE_PEEKUSER, child, offsetof(struct user, regs.rip), 0) == (long)r.rip &&
		   (ptrace(PTRACE_PEEKTEXT, child, r.rip - 1, 0) & 0xff) == 0xcc,
	   "rip is behind the instruction");
	ok(!ptrace(PTRACE_GETREGSET, child, NT_PRSTATUS, &v) && v.iov_len == sizeof(r) &&
		   !memcmp(&r, &again, sizeof(r)),
	   "the same as a set");
	v = (struct iovec){&again, 16};
	ok(!ptrace(PTRACE_GETREGSET, child, NT_PRSTATUS, &v) && v.iov_len == 16, "two of them");
	v.iov_len = 7;
	fails(ptrace(PTRACE_GETREGSET, child, NT_PRSTATUS, &v), EINVAL);
	fails(ptrace(PTRACE_GETREGSET, child, 99, &v), EINVAL);
	fails(ptrace(PTRACE_POKEUSER, child, offsetof(struct user, regs.fs_base), 1ul << 63), EIO);
	fails(ptrace(PTRACE_POKEUSER, child, offsetof(struct user, regs.cs), 0), EIO);
	ok(!ptrace(PTRACE_POKEUSER, child, offsetof(struct user, regs.eflags), 0x3202) &&
		   (regs().eflags & ~0xffful) == 0,
	   "flags that are not its own stay");
	must(ptrace(PTRACE_GETFPREGS, child, 0, &fp));
	ok(fp.cwd == 0x37f && fp.mxcsr == 0x1f80, "the floating-point state");
	v = (struct iovec){big, sizeof(big)};
	ok(ptrace(PTRACE_GETREGSET, child, NT_X86_XSTATE, &v) || v.iov_len >= 576, "and the whole");
	r.r12 = 6;
	must(ptrace(PTRACE_SETREGS, child, 0, &r));
	finish("it goes on with what it was given");
}

static void check_xmm(void)
{
	unsigned long x = 1;

	__asm__ volatile("movq %0, %%xmm5\n\tint3\n\tmovq %%xmm5, %0" : "+r"(x)::"xmm5");
	_exit(x != 99);
}

static void test_vector(void)
{
	struct user_fpregs_struct fp;

	start(check_xmm);
	go(PTRACE_CONT, 0);
	must(ptrace(PTRACE_GETFPREGS, child, 0, &fp));
	ok(fp.xmm_space[5 * 4] == 1, "a vector register");
	fp.xmm_space[5 * 4] = 99;
	fp.mxcsr = 0xffffffff; /* more than there is */
	if (ptrace(PTRACE_SETFPREGS, child, 0, &fp)) {
		fp.mxcsr = 0x1f80;
		must(ptrace(PTRACE_SETFPREGS, child, 0, &fp));
	}
	finish("changed");
}

/* ---- system calls ---- */

static void make_calls(void)
{
	if (syscall(SYS_getppid, 1, 2, 3) != 77)
		_exit(1);
	errno = 0;
	if (syscall(SYS_getuid) != -1 || errno != ENOSYS)
		_exit(2);
	if (syscall(SYS_close, 9999) != getppid())
		_exit(3);
}

static void test_syscalls(void)
{
	struct __ptrace_syscall_info info;
	struct user_regs_struct r;
	unsigned long message;

	start(make_calls);
	must(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD));
	ok(go(PTRACE_SYSCALL, 0) == SYSGOOD_STOP, "before a call");
	r = regs();
	ok(r.orig_rax == SYS_getppid && r.rax == (unsigned long)-ENOSYS && r.rdi == 1 && r.rdx == 3,
	   "number, arguments, no value yet");
	must(ptrace(PTRACE_GETEVENTMSG, child, 0, &message));
	ok(message == 1, "the message: entry");
	ok(ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info) == 80 && info.op == 1 &&
		   info.entry.nr == SYS_getppid && info.entry.args[1] == 2,
	   "the same in words");
	ok(go(PTRACE_SYSCALL, 0) == SYSGOOD_STOP, "behind it");
	r = regs();
	ok(ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info) == 33 && info.op == 2 &&
		   info.exit.rval == getpid() && !info.exit.is_error &&
		   r.rax == (unsigned long)getpid(),
	   "its value");
	r.rax = 77;
	must(ptrace(PTRACE_SETREGS, child, 0, &r));
	go(PTRACE_SYSCALL, 0);
	must(ptrace(PTRACE_POKEUSER, child, offsetof(struct user, regs.orig_rax), -1));
	go(PTRACE_SYSCALL, 0);
	ok(regs().rax == (unsigned long)-ENOSYS, "number -1: no call is made");
	go(PTRACE_SYSCALL, 0);
	must(ptrace(PTRACE_POKEUSER, child, offsetof(struct user, regs.orig_rax), SYS_getppid));
	go(PTRACE_SYSCALL, 0);
	ok(regs().rax == (unsigned long)getpid(), "another number: another call");
	finish("it has seen what the tracer wanted");
}

/* A call that a signal breaks off, with and without a handler. */
static void sleep_twice(void)
{
	struct timespec ts = {0, 300000000};
	struct sigaction act = {.sa_sigaction = count, .sa_flags = SA_SIGINFO};

	sigaction(SIGUSR2, &act, NULL);
	while (nanosleep(&ts, &ts))
		handled++;
	if (handled != 2) /* the signal, and EINTR */
		_exit(1);
}

static void test_restart(void)
{
	start(sleep_twice);
	must(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD));
	do
		go(PTRACE_SYSCALL, 0);
	while (regs().orig_rax != SYS_nanosleep && regs().orig_rax != SYS_clock_nanosleep);
	must(ptrace(PTRACE_SYSCALL, child, 0, 0));
	usleep(50000);
	syscall(SYS_tgkill, child, child, SIGUSR1);
	ok(next_stop() == SYSGOOD_STOP && regs().rax == (unsigned long)-516,
	   "broken off, to be restarted");
	ok(go(PTRACE_SYSCALL, 0) == SIGUSR1, "by this");
	ok(go(PTRACE_SYSCALL, 0) == SYSGOOD_STOP && regs().orig_rax == SYS_restart_syscall,
	   "taken away: it goes on");
	must(ptrace(PTRACE_SYSCALL, child, 0, 0));
	usleep(50000);
	syscall(SYS_tgkill, child, child, SIGUSR2);
	ok(next_stop() == SYSGOOD_STOP && go(PTRACE_SYSCALL, 0) == SIGUSR2, "once more");
	must(ptrace(PTRACE_CONT, child, 0, SIGUSR2));
	ok(ending() == 0, "with a handler it is over");
}

/* ---- single steps ---- */

static volatile unsigned long flags_in_handler;

static void keep_flags(int sig)
{
	__asm__ volatile("pushf\n\tpop %0" : "=r"(flags_in_handler));
}

static void step_here(void)
{
	unsigned long n = 0;

	signal(SIGUSR1, keep_flags);
	__asm__ volatile("int3\n\tinc %0\n\tinc %0\n\tinc %0\n\tmov $39, %%eax\n\tsyscall\n\tinc %0"
			 : "+r"(n)
			 :
			 : "rax", "rcx", "r11", "memory");
	if (n != 4)
		_exit(1);
	raise(SIGUSR1);
	__asm__ volatile("nop");
}

static void test_steps(void)
{
	struct user_regs_struct r;
	unsigned long rip;
	siginfo_t info;
	int n;

	start(step_here);
	go(PTRACE_CONT, 0);
	rip = regs().rip;
	ok(go(PTRACE_SINGLESTEP, 0) == SIGTRAP && regs().rip == rip + 3, "one instruction");
	must(ptrace(PTRACE_GETSIGINFO, child, 0, &info));
	ok(info.si_code == TRAP_TRACE && (unsigned long)info.si_addr == rip + 3, "a trace trap");
	ok(!(regs().eflags & 0x100), "the trap flag is not the program's");
	go(PTRACE_SINGLESTEP, 0);
	go(PTRACE_SINGLESTEP, 0);
	go(PTRACE_SINGLESTEP, 0);
	rip = regs().rip;
	ok(go(PTRACE_SINGLESTEP, 0) == SIGTRAP && regs().rip == rip + 2 &&
		   regs().rax == (unsigned long)child,
	   "a system call is one");
	ok(go(PTRACE_CONT, 0) == SIGUSR1, "on to a signal");
	ok(go(PTRACE_SINGLESTEP, SIGUSR1) == SIGTRAP && regs().rip == (unsigned long)keep_flags,
	   "a step into its handler");
	for (n = 0;
	     n < 1000 && (r = regs()).orig_rax != SYS_rt_sigreturn && r.rax != SYS_rt_sigreturn;
	     n++)
		go(PTRACE_SINGLESTEP, 0);
	ok(n < 1000, "to its end");
	while (regs().rax == SYS_rt_sigreturn)
		go(PTRACE_SINGLESTEP, 0);
	ok(!(regs().eflags & 0x100), "and back");
	finish("no trap is left behind");
}

int main(void)
{
	test_errors();
	test_signals();
	test_memory();
	test_selector();
	test_vector();
	test_syscalls();
	test_restart();
	test_steps();
	return tap_done();
}
