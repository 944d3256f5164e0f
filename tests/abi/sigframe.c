/*
 * Signal frames: faults with true siginfo, the alternate stack, that a handler leaves no trace in the
 * registers, what it may change through its ucontext, and what becomes of a forged one.
 */
#include "tap.h"
#include "signals.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

static volatile sig_atomic_t count, last_signal, last_code, last_value;
static volatile uintptr_t bad = 8;

static void reset(void)
{
	count = last_signal = last_code = last_value = 0;
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

int main(void)
{
	test_faults();
	test_altstack();
	test_registers();
	test_context();
	test_forged_frames();
	return tap_done();
}
