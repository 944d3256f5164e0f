/*
 * Signals: signal(7) and the pages it names. Handlers, masks, siginfo, restart or EINTR, the
 * alternate stack, real-time queues, and that a handler leaves no trace in the registers.
 */
#include "tap.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

static volatile sig_atomic_t count, last_signal, last_code, last_value, depth, max_depth;
static volatile pid_t last_pid;
static volatile uintptr_t bad = 8;

static void reset(void)
{
	count = last_signal = last_code = last_value = depth = max_depth = 0;
	last_pid = 0;
}

static void handler(int sig)
{
	count++;
	last_signal = sig;
}

static void info_handler(int sig, siginfo_t *info, void *uc)
{
	count++;
	last_signal = sig;
	last_code = info->si_code;
	last_pid = info->si_pid;
	last_value = info->si_value.sival_int;
}

static void install(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = {.sa_handler = fn, .sa_flags = flags};

	must(sigaction(sig, &sa, NULL));
}

static void install_info(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = {.sa_sigaction = fn, .sa_flags = flags | SA_SIGINFO};

	must(sigaction(sig, &sa, NULL));
}

static void block(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	must(sigprocmask(how, &set, NULL));
}

static bool is_pending(int sig)
{
	sigset_t set;

	must(sigpending(&set));
	return sigismember(&set, sig);
}

static bool is_blocked(int sig)
{
	sigset_t set;

	must(sigprocmask(SIG_BLOCK, NULL, &set));
	return sigismember(&set, sig);
}

/* ---- arguments ---- */

static void test_errors(void)
{
	struct sigaction sa = {.sa_handler = handler};
	unsigned long mask = 0;

	fails(sigaction(SIGKILL, &sa, NULL), EINVAL);
	fails(sigaction(SIGSTOP, &sa, NULL), EINVAL);
	fails(syscall(SYS_rt_sigaction, 0, NULL, NULL, 8), EINVAL);
	fails(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8), EINVAL);
	fails(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 16), EINVAL);
	fails(syscall(SYS_rt_sigaction, SIGUSR1, bad, NULL, 8), EFAULT);
	fails(syscall(SYS_rt_sigaction, SIGUSR1, NULL, bad, 8), EFAULT);
	ok(syscall(SYS_rt_sigaction, SIGKILL, NULL, NULL, 8) == 0, "reading SIGKILL's action");
	fails(syscall(SYS_rt_sigprocmask, 99, &mask, NULL, 8), EINVAL);
	ok(syscall(SYS_rt_sigprocmask, 99, NULL, &mask, 8) == 0,
	   "how is not looked at without a set");
	fails(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, 4), EINVAL);
	fails(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, NULL, 8), EFAULT);
	fails(syscall(SYS_rt_sigpending, bad, 8), EFAULT);
	fails(syscall(SYS_rt_sigpending, &mask, 9), EINVAL);
	fails(syscall(SYS_rt_sigsuspend, &mask, 4), EINVAL);
	fails(syscall(SYS_rt_sigsuspend, bad, 8), EFAULT);
	fails(kill(getpid(), 65), EINVAL);
	fails(kill(getpid(), -1), EINVAL);
	fails(kill(0x3fffff, 0), ESRCH);
	fails(syscall(SYS_tgkill, getpid(), 0, SIGUSR1), EINVAL);
	fails(syscall(SYS_tgkill, 1, syscall(SYS_gettid), 0), ESRCH);
	fails(syscall(SYS_tkill, -1, 0), EINVAL);
	fails(syscall(SYS_tkill, 0x3fffff, 0), ESRCH);
}

/* ---- handlers and masks ---- */

static void nested(int sig)
{
	depth++;
	if (depth > max_depth)
		max_depth = depth;
	if (count++ < 3)
		raise(SIGUSR1);
	depth--;
}

static void check_mask(int sig)
{
	count++;
	last_value = is_blocked(SIGUSR1) | is_blocked(SIGUSR2) << 1 | is_blocked(SIGTERM) << 2;
}

static void test_handlers(void)
{
	struct sigaction sa = {.sa_handler = check_mask}, old;

	reset();
	install(SIGUSR1, handler, 0);
	ok(raise(SIGUSR1) == 0 && count == 1 && last_signal == SIGUSR1, "a handler runs");
	ok(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == handler, "and stays");
	install(SIGUSR1, handler, SA_RESETHAND);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &old);
	ok(count == 2 && old.sa_handler == SIG_DFL, "SA_RESETHAND");

	sigemptyset(&sa.sa_mask);
	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	ok(last_value == 3, "the signal and sa_mask are blocked in the handler");
	ok(!is_blocked(SIGUSR1) && !is_blocked(SIGUSR2), "and not after it");
	sa.sa_flags = SA_NODEFER;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	ok(last_value == 2, "SA_NODEFER leaves the signal itself open");

	reset();
	install(SIGUSR1, nested, SA_NODEFER);
	raise(SIGUSR1);
	ok(count == 4 && max_depth == 4, "SA_NODEFER: four deep");
	reset();
	install(SIGUSR1, nested, 0);
	raise(SIGUSR1);
	ok(count == 4 && max_depth == 1, "without it: one after the other");

	reset();
	install(SIGUSR1, handler, 0);
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	raise(SIGUSR1);
	ok(count == 0 && is_pending(SIGUSR1), "blocked: pending");
	block(SIG_UNBLOCK, SIGUSR1);
	ok(count == 1 && !is_pending(SIGUSR1), "unblocked: delivered once");

	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	ok(!is_pending(SIGUSR1), "ignoring drops what is pending");
	block(SIG_UNBLOCK, SIGUSR1);
	ok(count == 1, "for good");
	block(SIG_BLOCK, SIGCHLD);
	raise(SIGCHLD);
	ok(is_pending(SIGCHLD), "a blocked signal is kept though its default is to be ignored");
	block(SIG_UNBLOCK, SIGCHLD);
	block(SIG_BLOCK, SIGKILL);
	ok(!is_blocked(SIGKILL), "SIGKILL cannot be blocked");
}

static void test_siginfo(void)
{
	union sigval v = {.sival_int = 1234};

	reset();
	install_info(SIGUSR1, info_handler, 0);
	kill(getpid(), SIGUSR1);
	ok(last_code == SI_USER && last_pid == getpid(), "kill: SI_USER and the sender");
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
	ok(last_code == SI_TKILL && last_pid == getpid(), "tgkill: SI_TKILL");
	sigqueue(getpid(), SIGUSR1, v);
	ok(last_code == SI_QUEUE && last_value == 1234, "sigqueue: SI_QUEUE and the value");
	signal(SIGUSR1, SIG_DFL);
}

static int order[8], nr_order;

static void note_order(int sig, siginfo_t *info, void *uc)
{
	if (nr_order < 8)
		order[nr_order++] = sig * 100 + info->si_value.sival_int;
}

static void test_realtime(void)
{
	int rt = SIGRTMIN, rt2 = SIGRTMIN + 1;
	sigset_t set;

	install_info(rt, note_order, 0);
	install_info(rt2, note_order, 0);
	sigemptyset(&set);
	sigaddset(&set, rt);
	sigaddset(&set, rt2);
	/* Blocked in each other's handler, or the second would interrupt the first. */
	for (int sig = rt; sig <= rt2; sig++) {
		struct sigaction sa = {.sa_sigaction = note_order, .sa_flags = SA_SIGINFO};

		sa.sa_mask = set;
		sigaction(sig, &sa, NULL);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigqueue(getpid(), rt2, (union sigval){.sival_int = 1});
	for (int i = 1; i <= 3; i++)
		sigqueue(getpid(), rt, (union sigval){.sival_int = i});
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	ok(nr_order == 4, "real-time signals are queued, each counts");
	ok(order[0] == rt * 100 + 1 && order[1] == rt * 100 + 2 && order[2] == rt * 100 + 3,
	   "in the order in which they were sent");
	ok(order[3] == rt2 * 100 + 1, "the lower number first");
	signal(rt, SIG_DFL);
	signal(rt2, SIG_DFL);
}

/* ---- interrupted system calls ---- */

static pid_t poke_later(int sig, unsigned ms)
{
	pid_t parent = getpid(), pid = must(fork());

	if (!pid) {
		usleep(ms * 1000);
		kill(parent, sig);
		_exit(0);
	}
	return pid;
}

/* Blocks in read() until a byte comes; a child sends the signal and, later, the byte. */
static ssize_t read_with_signal(int flags)
{
	int p[2];
	char c = 0;
	ssize_t n;
	pid_t parent = getpid(), pid;

	install(SIGUSR1, handler, flags);
	must(pipe(p));
	pid = must(fork());
	if (!pid) {
		usleep(30000);
		kill(parent, SIGUSR1);
		usleep(30000);
		_exit(write(p[1], "x", 1) != 1);
	}
	errno = 0;
	n = read(p[0], &c, 1);
	if (n < 0)
		n = -errno;
	waitpid(pid, NULL, 0);
	close(p[0]);
	close(p[1]);
	return n;
}

static void test_restart(void)
{
	struct timespec ts = {5, 0}, rem = {0, 0};
	struct pollfd pfd = {.fd = -1};
	int p[2];
	sigset_t none;
	pid_t pid;

	reset();
	ok(read_with_signal(0) == -EINTR && count == 1, "read: EINTR without SA_RESTART");
	ok(read_with_signal(SA_RESTART) == 1 && count == 2, "read: restarted with SA_RESTART");
	signal(SIGUSR1, SIG_IGN);

	install(SIGUSR1, handler, SA_RESTART);
	pid = poke_later(SIGUSR1, 30);
	errno = 0;
	ok(nanosleep(&ts, &rem) == -1 && errno == EINTR, "nanosleep: EINTR even with SA_RESTART");
	ok(rem.tv_sec == 4 && rem.tv_nsec > 0, "and the time that was left");
	waitpid(pid, NULL, 0);

	pid = poke_later(SIGUSR1, 30);
	errno = 0;
	ok(poll(&pfd, 1, 5000) == -1 && errno == EINTR, "poll: EINTR even with SA_RESTART");
	waitpid(pid, NULL, 0);

	pid = poke_later(SIGUSR1, 30);
	errno = 0;
	ok(pause() == -1 && errno == EINTR, "pause: EINTR");
	waitpid(pid, NULL, 0);

	/* Stopped and continued: no handler, so the sleep goes on to its end. */
	pid = must(fork());
	if (!pid) {
		struct timespec a, b;

		ts = (struct timespec){0, 150000000};
		clock_gettime(CLOCK_MONOTONIC, &a);
		if (nanosleep(&ts, NULL))
			_exit(1);
		clock_gettime(CLOCK_MONOTONIC, &b);
		_exit((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec < 150000000);
	}
	usleep(30000);
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	kill(pid, SIGCONT);
	int status;
	ok(waitpid(pid, &status, 0) == pid && status == 0,
	   "nanosleep over a stop sleeps to its first deadline");

	/* ppoll opens the mask for the time of the sleep only. */
	reset();
	must(pipe(p));
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	sigemptyset(&none);
	pfd = (struct pollfd){.fd = p[0], .events = POLLIN};
	errno = 0;
	ok(ppoll(&pfd, 1, NULL, &none) == -1 && errno == EINTR && count == 1,
	   "ppoll: a signal that was pending ends it");
	ok(is_blocked(SIGUSR1), "and the mask is back");
	must(write(p[1], "x", 1));
	ok(ppoll(&pfd, 1, NULL, &none) == 1 && is_blocked(SIGUSR1), "ppoll: nothing pending");
	block(SIG_UNBLOCK, SIGUSR1);
	close(p[0]);
	close(p[1]);
}

/* ---- waiting for signals ---- */

static void test_waiting(void)
{
	struct timespec none = {0, 0}, little = {0, 20000000};
	siginfo_t info;
	sigset_t set, empty;
	pid_t pid;
	int sig = 0;

	reset();
	install(SIGUSR1, handler, 0);
	block(SIG_BLOCK, SIGUSR1);
	sigemptyset(&empty);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pid = poke_later(SIGUSR1, 20);
	errno = 0;
	ok(sigsuspend(&empty) == -1 && errno == EINTR && count == 1,
	   "sigsuspend: the handler runs");
	ok(is_blocked(SIGUSR1), "and the mask is back");
	waitpid(pid, NULL, 0);

	fails(sigtimedwait(&set, &info, &none), EAGAIN);
	fails(sigtimedwait(&set, &info, &little), EAGAIN);
	raise(SIGUSR1);
	ok(sigwaitinfo(&set, &info) == SIGUSR1 && info.si_signo == SIGUSR1 && count == 1,
	   "sigwaitinfo takes a pending signal without its handler");
	pid = poke_later(SIGUSR1, 20);
	ok(sigwait(&set, &sig) == 0 && sig == SIGUSR1 && count == 1, "sigwait sleeps for it");
	waitpid(pid, NULL, 0);

	signal(SIGUSR1, SIG_DFL);
	pid = poke_later(SIGUSR1, 20);
	ok(sigwaitinfo(&set, &info) == SIGUSR1 && info.si_pid == pid && info.si_code == SI_USER,
	   "a deadly one, too, when it is waited for");
	waitpid(pid, NULL, 0);
	install(SIGUSR2, handler, 0);
	pid = poke_later(SIGUSR2, 20);
	fails(syscall(SYS_rt_sigtimedwait, &set, &info, NULL, 8), EINTR);
	waitpid(pid, NULL, 0);
	block(SIG_UNBLOCK, SIGUSR1);
	fails(syscall(SYS_rt_sigtimedwait, &set, NULL, &(struct timespec){-1, 0}, 8), EINVAL);
	fails(syscall(SYS_rt_sigtimedwait, &set, NULL, &none, 4), EINVAL);
}

/* ---- faults ---- */

static sigjmp_buf env;
static volatile uintptr_t fault_addr;

static void on_fault(int sig, siginfo_t *info, void *uc)
{
	last_signal = sig;
	last_code = info->si_code;
	fault_addr = (uintptr_t)info->si_addr;
	siglongjmp(env, 1);
}

static void test_faults(void)
{
	volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int status, zero = 0;
	pid_t pid;

	reset();
	install_info(SIGSEGV, on_fault, 0);
	install_info(SIGFPE, on_fault, 0);
	install_info(SIGILL, on_fault, 0);
	install_info(SIGTRAP, on_fault, 0);
	if (!sigsetjmp(env, 1))
		*(volatile int *)bad = 1;
	ok(last_signal == SIGSEGV && last_code == SEGV_MAPERR && fault_addr == 8,
	   "SIGSEGV: SEGV_MAPERR and the address");
	if (!sigsetjmp(env, 1))
		p[5] = 1;
	ok(last_signal == SIGSEGV && last_code == SEGV_ACCERR && fault_addr == (uintptr_t)p + 5,
	   "SIGSEGV: SEGV_ACCERR");
	if (!sigsetjmp(env, 1))
		__asm__ volatile("xor %%edx, %%edx; div %0" ::"r"(zero) : "eax", "edx", "cc");
	ok(last_signal == SIGFPE && last_code == FPE_INTDIV, "SIGFPE: FPE_INTDIV");
	if (!sigsetjmp(env, 1))
		__asm__ volatile("ud2");
	ok(last_signal == SIGILL, "SIGILL");
	if (!sigsetjmp(env, 1))
		__asm__ volatile("int3");
	ok(last_signal == SIGTRAP, "SIGTRAP");
	if (!sigsetjmp(env, 1))
		__asm__ volatile("mov $0xffff888000000000, %%rax; mov (%%rax), %%al" ::: "rax");
	ok(last_signal == SIGSEGV, "kernel memory: SIGSEGV");

	pid = must(fork());
	if (!pid) {
		block(SIG_BLOCK, SIGSEGV);
		*(volatile int *)bad = 1;
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV,
	   "a blocked SIGSEGV kills all the same");
	pid = must(fork());
	if (!pid) {
		signal(SIGSEGV, SIG_IGN);
		*(volatile int *)bad = 1;
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "an ignored one, too");
	signal(SIGSEGV, SIG_DFL);
	signal(SIGFPE, SIG_DFL);
	signal(SIGILL, SIG_DFL);
	signal(SIGTRAP, SIG_DFL);
	munmap((void *)p, 4096);
}

/* ---- the alternate stack ---- */

static char alt_stack[65536];
static volatile bool on_alt;
static stack_t alt_in_handler;

static bool in_alt(const void *p)
{
	return (const char *)p >= alt_stack && (const char *)p < alt_stack + sizeof(alt_stack);
}

static void alt_handler(int sig)
{
	char here;

	on_alt = in_alt(&here);
	sigaltstack(NULL, &alt_in_handler);
	errno = 0;
	last_value = sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL) == -1 ? errno : 0;
	count++;
}

/* Stack overflow: only a handler on another stack can run. */
static int overflow(int n)
{
	volatile char frame[4096];

	frame[0] = (char)n;
	return bad ? overflow(n + 1) + frame[0] : 0;
}

static void exit_5(int sig)
{
	_exit(in_alt(&sig) ? 5 : 6);
}

static void test_altstack(void)
{
	stack_t st = {.ss_sp = alt_stack, .ss_size = sizeof(alt_stack)}, old;
	int status;
	pid_t pid;

	reset();
	must(sigaltstack(NULL, &old));
	ok(old.ss_flags == SS_DISABLE, "no alternate stack at the start");
	fails(sigaltstack(&(stack_t){.ss_sp = alt_stack, .ss_size = 1024}, NULL), ENOMEM);
	fails(sigaltstack(&(stack_t){.ss_sp = alt_stack, .ss_size = 65536, .ss_flags = 77}, NULL),
	      EINVAL);
	fails(syscall(SYS_sigaltstack, bad, NULL), EFAULT);
	must(sigaltstack(&st, NULL));
	install(SIGUSR1, alt_handler, 0);
	raise(SIGUSR1);
	ok(!on_alt, "without SA_ONSTACK on the ordinary stack");
	must(sigaltstack(&st, NULL));
	install(SIGUSR1, alt_handler, SA_ONSTACK);
	raise(SIGUSR1);
	ok(on_alt && alt_in_handler.ss_flags == SS_ONSTACK, "with it on the other");
	ok(last_value == EPERM, "which cannot be changed meanwhile");
	must(sigaltstack(NULL, &old));
	ok(old.ss_flags == 0 && old.ss_sp == alt_stack, "and is free again afterwards");

	pid = must(fork());
	if (!pid) {
		install(SIGSEGV, exit_5, SA_ONSTACK);
		_exit(overflow(0));
	}
	waitpid(pid, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 5, "a stack overflow is handled there");
	pid = must(fork());
	if (!pid) {
		install(SIGSEGV, exit_5, 0);
		_exit(overflow(0));
	}
	waitpid(pid, &status, 0);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "and kills without it");
	must(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL));
}

/* ---- what a handler must not change, and what it may ---- */

static void spoil_registers(int sig)
{
	count++;
	__asm__ volatile(
		"pxor %%xmm0, %%xmm0; pxor %%xmm7, %%xmm7; pxor %%xmm15, %%xmm15;"
		"fninit; fldz; xor %%r8, %%r8; xor %%r9, %%r9; xor %%rcx, %%rcx; std; cld" ::
			: "xmm0", "xmm7", "xmm15", "r8", "r9", "rcx", "cc", "memory");
}

static void test_registers(void)
{
	uint64_t in[6] = {0x1111, 0x2222, 0x3333, 0x4444, 0x5555, 0x6666}, out[6] = {0};
	uint64_t red_in = 0xfeedfacecafebeef, red_out = 0;
	double pi = 0;
	long ret, pid = getpid(), nr = SYS_kill, sig = SIGUSR1;

	reset();
	install(SIGUSR1, spoil_registers, 0);
	/* kill() of oneself: the handler runs before the system call returns. */
	__asm__ volatile(
		"fldpi\n\t"
		"movq (%[in]), %%xmm0; movq 8(%[in]), %%xmm7; movq 16(%[in]), %%xmm15\n\t"
		"mov 24(%[in]), %%r8; mov 32(%[in]), %%r9; mov 40(%[in]), %%r10\n\t"
		"mov %[red], -64(%%rsp)\n\t"
		"syscall\n\t"
		"mov -64(%%rsp), %[redout]\n\t"
		"movq %%xmm0, (%[out]); movq %%xmm7, 8(%[out]); movq %%xmm15, 16(%[out])\n\t"
		"mov %%r8, 24(%[out]); mov %%r9, 32(%[out]); mov %%r10, 40(%[out])\n\t"
		"fstpl %[pi]\n\t"
		: "=a"(ret), [redout] "=&r"(red_out), [pi] "=m"(pi)
		: "0"(nr), "D"(pid), "S"(sig), [in] "r"(in), [out] "r"(out), [red] "r"(red_in)
		: "rcx", "r11", "r8", "r9", "r10", "xmm0", "xmm7", "xmm15", "st", "memory");
	ok(ret == 0 && count == 1, "the handler ran inside kill()");
	ok(!memcmp(in, out, sizeof(in)), "general and vector registers are as before");
	ok(red_out == red_in, "the red zone, too");
	ok(pi > 3.14159265 && pi < 3.14159266, "and the x87 stack");
}

static void change_context(int sig, siginfo_t *info, void *ucp)
{
	ucontext_t *uc = ucp;

	uc->uc_mcontext.gregs[REG_RBX] = 0x7777;
	uc->uc_mcontext.gregs[REG_RIP] += 2; /* over ud2 */
	sigaddset(&uc->uc_sigmask, SIGUSR2);
	count++;
}

static void check_context(int sig, siginfo_t *info, void *ucp)
{
	ucontext_t *uc = ucp;
	struct _libc_fpstate *fp = (void *)uc->uc_mcontext.fpregs;
	uint32_t magic;

	memcpy(&magic, (char *)fp + 464, 4);
	last_value = ((uintptr_t)__builtin_frame_address(0) & 15) == 0;
	last_code = uc->uc_flags & 1 ? magic == 0x46505853 : magic == 0;
	last_signal = (uc->uc_mcontext.gregs[REG_CSGSFS] & 3) == 3;
	count++;
}

static void test_context(void)
{
	uint64_t rbx;

	reset();
	install_info(SIGILL, change_context, 0);
	__asm__ volatile("mov $1, %%rbx; ud2; mov %%rbx, %0" : "=r"(rbx)::"rbx", "memory");
	ok(count == 1 && rbx == 0x7777, "a handler moves the program on and sets a register");
	ok(is_blocked(SIGUSR2), "and changes the mask that comes back");
	block(SIG_UNBLOCK, SIGUSR2);
	install_info(SIGUSR1, check_context, 0);
	raise(SIGUSR1);
	ok(last_value, "the handler's stack is aligned");
	ok(last_code, "the vector state carries its magic word");
	ok(last_signal, "the code segment is the user's");
}

/* A frame that was tampered with must not harm the kernel: the program dies of SIGSEGV. */
static void forge(int sig, siginfo_t *info, void *ucp)
{
	ucontext_t *uc = ucp;

	switch (last_value) {
	case 0:
		uc->uc_mcontext.gregs[REG_RIP] = (long)0xffffffff80100000ul;
		break;
	case 1:
		uc->uc_mcontext.gregs[REG_RIP] = (long)0x8000000000000000ul;
		break;
	case 2:
		uc->uc_mcontext.fpregs = (void *)bad;
		break;
	case 3:
		__asm__ volatile("mov $8, %%rsp; mov $15, %%eax; syscall" ::: "memory");
		break;
	}
}

static void test_forged_frames(void)
{
	static const char *const what[] = {"a kernel rip", "a rip that is no address",
					   "a bad fpstate pointer", "no frame at all"};
	int status;

	for (int i = 0; i < 4; i++) {
		pid_t pid = must(fork());

		if (!pid) {
			last_value = i;
			install_info(SIGUSR1, forge, 0);
			raise(SIGUSR1);
			_exit(0);
		}
		waitpid(pid, &status, 0);
		ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "sigreturn with %s: SIGSEGV",
		   what[i]);
	}
}

/* ---- default actions, SIGPIPE, timers ---- */

static int status_of(int sig)
{
	int status;
	pid_t pid = must(fork());

	if (!pid) {
		raise(sig);
		_exit(77);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void test_defaults(void)
{
	static const int deadly[] = {SIGHUP,  SIGINT,  SIGUSR2, SIGPIPE,  SIGALRM,
				     SIGTERM, SIGPOLL, SIGPROF, SIGVTALRM};
	static const int ignored[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH};
	bool all = true;
	int p[2], status;
	pid_t pid;

	signal(SIGUSR2, SIG_DFL);
	for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++)
		all = all && WTERMSIG(status_of(deadly[i])) == deadly[i];
	ok(all, "signals that end a process");
	all = true;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		all = all && status_of(ignored[i]) == 77 << 8;
	ok(all, "signals that do nothing");
	ok(WTERMSIG(status_of(SIGABRT)) == SIGABRT, "SIGABRT");
	ok(WTERMSIG(status_of(SIGRTMIN + 3)) == SIGRTMIN + 3, "a real-time signal ends, too");

	must(pipe(p));
	close(p[0]);
	pid = must(fork());
	if (!pid)
		_exit((int)write(p[1], "x", 1));
	waitpid(pid, &status, 0);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE, "writing to nobody: SIGPIPE");
	signal(SIGPIPE, SIG_IGN);
	fails(write(p[1], "x", 1), EPIPE);
	signal(SIGPIPE, SIG_DFL);
	close(p[1]);
}

static void test_timers(void)
{
	struct itimerval it = {{0, 5000}, {0, 5000}}, old;

	reset();
	install_info(SIGALRM, info_handler, 0);
	ok(setitimer(ITIMER_REAL, &it, NULL) == 0, "setitimer");
	for (int i = 0; i < 1000 && count < 5; i++)
		usleep(2000);
	ok(count >= 5 && last_code == SI_KERNEL, "it goes on and on");
	it = (struct itimerval){0};
	ok(setitimer(ITIMER_REAL, &it, &old) == 0 && old.it_interval.tv_usec == 5000,
	   "setitimer returns the old one");
	ok(getitimer(ITIMER_REAL, &old) == 0 && old.it_value.tv_sec == 0 &&
		   old.it_value.tv_usec == 0,
	   "disarmed");
	ok(alarm(100) == 0 && alarm(0) == 100 && alarm(0) == 0, "alarm returns what was left");
	it.it_value.tv_usec = 1000000;
	fails(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
	fails(setitimer(77, &(struct itimerval){0}, NULL), EINVAL);
	reset();
	it = (struct itimerval){{0, 0}, {0, 20000}};
	setitimer(ITIMER_REAL, &it, NULL);
	errno = 0;
	ok(pause() == -1 && errno == EINTR && count == 1, "one shot ends a pause");
	signal(SIGALRM, SIG_DFL);
}

int main(void)
{
	test_errors();
	test_handlers();
	test_siginfo();
	test_realtime();
	test_restart();
	test_waiting();
	test_faults();
	test_altstack();
	test_registers();
	test_context();
	test_forged_frames();
	test_defaults();
	test_timers();
	return tap_done();
}
