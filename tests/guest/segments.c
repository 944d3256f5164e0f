/*
 * segments [SEED [COUNT]]: whatever a program can do with selectors, descriptor tables and the frames that
 * it returns through, at random: 20 faults or ticks of a clock, each of which goes on to the next try. COUNT
 * children do so. How they end does not matter; the kernel must survive it, and the registers that a
 * child spoils must not be its parent's.
 *
 * Before that, the ways into the kernel that a 64-bit system does not have: they lead nowhere.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define FAULTS 20
#define NOBODY 65534

static uint64_t state;

static uint64_t noise(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint64_t one_of(const uint64_t *from, size_t n)
{
	return from[noise() % n];
}
#define ONE_OF(list) one_of(list, sizeof(list) / sizeof((list)[0]))

/* Code that other segments may run into, at an address of 32 bits; mostly it traps. */
static uint8_t *code;
static uint8_t *stack; /* the same for data */

static uint16_t selector(void)
{
	static const uint64_t known[] = {0,    3,    0x10, 0x13, 0x18, 0x1b, 0x20,   0x23,  0x2b,
					 0x33, 0x38, 0x40, 0x43, 0x50, 0x53, 0x7b,   0x83,  0x2a,
					 0x30, 7,    15,   23,   0x3f, 0xff, 0xffff, 0xfff8};

	switch (noise() % 4) {
	case 0:
		return noise();
	case 1:
		return (noise() % 16) << 3 | 7; /* of the LDT */
	default:
		return ONE_OF(known);
	}
}

static uint64_t address(void)
{
	const uint64_t known[] = {0,
				  (uint64_t)code,
				  (uint64_t)stack + 4096,
				  0x7ffffffff000,
				  0x800000000000,
				  0xffff888000000000,
				  0xffffff0000000000,
				  0xffffffff80100000,
				  0x8000000000000000,
				  0xfffffffffffffff8,
				  0xdeadbeef};

	switch (noise() % 4) {
	case 0:
		return noise() >> noise() % 64;
	case 1:
		return (uint64_t)code + noise() % 4096;
	default:
		return ONE_OF(known);
	}
}

/* ---- the ways ---- */

struct user_desc {
	uint32_t entry_number, base, limit, flags;
};

static void make_entry(void)
{
	const uint64_t bases[] = {0, (uint64_t)code, (uint64_t)stack, 0xffffffff, noise()};
	const uint64_t limits[] = {0, 0xfff, 0xffff, 0xfffff, noise()};
	struct user_desc d = {.entry_number = noise() % 20 ? noise() % 16 : noise() % 8193,
			      .base = ONE_OF(bases),
			      .limit = ONE_OF(limits),
			      .flags = noise()};

	syscall(SYS_modify_ldt, noise() % 4 ? 0x11 : 1, &d, sizeof(d));
}

static void read_table(void)
{
	syscall(SYS_modify_ldt, noise() % 3, address(), noise() % 70000);
}

/* An instruction each, with the fault that it may bring. */
static void load_ds(void)
{
	__asm__ volatile("mov %0, %%ds" ::"r"((uint32_t)selector()));
}

static void load_es(void)
{
	__asm__ volatile("mov %0, %%es" ::"r"((uint32_t)selector()));
}

static void load_gs(void)
{
	__asm__ volatile("mov %0, %%gs" ::"r"((uint32_t)selector()));
}

static void load_ss(void)
{
	__asm__ volatile("mov %0, %%ss" ::"r"((uint32_t)selector()));
}

/* The C library's thread pointer goes with it: no C until the base is back. */
static void load_fs(void)
{
	uint64_t base;

	__asm__("mov %%fs:0, %0" : "=r"(base));
	__asm__ volatile("mov %k0, %%fs\n\t"
			 "mov %1, %%rsi\n\t"
			 "mov $0x1002, %%edi\n\t"
			 "syscall" ::"r"((uint64_t)selector()),
			 "r"(base), "a"(SYS_arch_prctl)
			 : "rcx", "r11", "rsi", "rdi", "memory");
}

static void far_jump(void)
{
	struct {
		uint32_t offset;
		uint16_t selector;
	} __attribute__((packed)) to = {(uint32_t)address(), selector()};

	__asm__ volatile("mov %1, %%esp; ljmp *(%0)" ::"r"(&to), "r"((uint32_t)address())
			 : "memory");
}

static void far_return(void)
{
	__asm__ volatile("push %0; push %1; lretq" ::"r"((uint64_t)selector()), "r"(address())
			 : "memory");
}

static void interrupt_return(void)
{
	__asm__ volatile(
		"push %0; push %1; push %2; push %3; push %4; iretq" ::"r"((uint64_t)selector()),
		"r"(address()), "r"(noise()), "r"((uint64_t)selector()), "r"(address())
		: "memory");
}

static void spoil(int sig, siginfo_t *info, void *ucp)
{
	ucontext_t *uc = ucp;
	uint16_t *selectors = (uint16_t *)&uc->uc_mcontext.gregs[REG_CSGSFS];

	(void)sig;
	(void)info;
	selectors[0] = selector();
	if (noise() % 2)
		selectors[3] = selector();
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)address();
	uc->uc_mcontext.gregs[REG_RSP] = (greg_t)address();
	uc->uc_mcontext.gregs[REG_EFL] = (greg_t)noise();
	uc->uc_flags = noise();
}

static void forged_frame(void)
{
	struct sigaction sa = {.sa_sigaction = spoil, .sa_flags = SA_SIGINFO};

	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
}

static void (*const ways[])(void) = {
	make_entry,       make_entry,   make_entry,   make_entry,   read_table, load_ds,
	load_es,          load_fs,      load_gs,      load_ss,      far_jump,   far_return,
	interrupt_return, forged_frame, forged_frame, forged_frame,
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

/* ---- children ---- */

/* Mostly one thing, with others strewn in, for 16, 32 and 64 bits alike. */
static void write_code(void)
{
	/* int3, ud2, syscall, sysenter, int 0x80, hlt, iret, lret, pop ss (or nothing), a loop for ever,
	 * pop fs, mov ds, mov ss, a far call */
	static const uint8_t insns[][2] = {{0xcc, 0x90}, {0x0f, 0x0b}, {0x0f, 0x05}, {0x0f, 0x34},
					   {0xcd, 0x80}, {0xf4, 0x90}, {0xcf, 0x90}, {0xcb, 0x90},
					   {0x17, 0x90}, {0xeb, 0xfe}, {0x0f, 0xa1}, {0x8e, 0xd8},
					   {0x8e, 0xd0}, {0xff, 0x18}};

	memset(code, noise() % 2 ? 0xcc : 0x90, 4096);
	for (int i = 0; i < 200; i++)
		memcpy(code + noise() % 4094, insns[noise() % (sizeof(insns) / 2)], 2);
}

static volatile int faults;

/* A fault is but one way more: until there have been enough. */
static void go_on(int sig)
{
	(void)sig;
	if (++faults == FAULTS)
		_exit(0);
	for (;;)
		ways[noise() % WAYS]();
}

/* Changes the table all the while, on another CPU if there is one. */
static void *meddle(void *unused)
{
	(void)unused;
	for (;;) {
		struct user_desc d = {
			.entry_number = rand() % 16, .limit = 0xfffff, .flags = rand()};

		syscall(SYS_modify_ldt, 0x11, &d, sizeof(d));
	}
	return NULL;
}

static void child(uint64_t seed)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS, SIGALRM};
	struct sigaction sa = {.sa_handler = go_on, .sa_flags = SA_ONSTACK | SA_NODEFER};
	struct itimerval often = {{0, 700}, {0, 700}};
	static char alt[262144];
	struct rlimit second = {1, 2}, few = {50, 50};
	pthread_t t;

	state = seed * 0x9e3779b97f4a7c15 + 1;
	setpgid(0, 0);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	setrlimit(RLIMIT_CPU, &second);
	setrlimit(RLIMIT_NPROC, &few);
	if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0) /* for calls made by chance */
		_exit(1);
	sigaltstack(&(stack_t){.ss_sp = alt, .ss_size = sizeof(alt)}, NULL);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &sa, NULL);
	write_code();
	if (seed % 4 == 0)
		pthread_create(&t, NULL, meddle, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (;;)
		ways[noise() % WAYS]();
}

/* ---- doors that are not there ---- */

__asm__(".data\n"
	"far32:		.long code32; .word 0x23\n"
	".balign 8\n"
	"saved_rsp:	.quad 0\n"
	".text\n"
	"getpid32:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rsp, saved_rsp\n"
	"	ljmp *far32\n"
	".code32\n"
	"code32:\n"
	"	mov $39, %eax\n"
	"	syscall\n"
	"	ljmp $0x33, $code64\n"
	".code64\n"
	"code64:\n"
	"	mov saved_rsp, %rsp\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");
int getpid32(void);

static void by_syscall32(void)
{
	if (getpid32() == -ENOSYS)
		raise(SIGSEGV); /* as the others */
}

static void by_int80(void)
{
	__asm__ volatile("int $0x80" ::"a"(20) : "memory");
}

static void by_sysenter(void)
{
	__asm__ volatile("sysenter" ::"a"(20) : "memory");
}

/* Some processors do not even know the instruction. */
static int is_closed(void (*door)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		door();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGILL);
}

/* ---- all of it ---- */

static int spoilt(void)
{
	uint32_t ds, es, fs, gs, ss, cs;

	__asm__ volatile(
		"mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3; mov %%ss, %4; mov %%cs, %5"
		: "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs), "=r"(ss), "=r"(cs));
	return ds || es || fs || gs || ss != 0x2b || cs != 0x33;
}

/* Until it ends, or stops, or sleeps with its signals blocked, and whatever it has begotten. */
static void await_child(pid_t pid)
{
	struct timespec limit = {1, 0}, none = {0, 0};
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	sigtimedwait(&chld, NULL, &limit);
	kill(pid, SIGKILL);
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (sigtimedwait(&chld, NULL, &none) > 0)
		;
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	uint64_t count = argc > 2 ? strtoul(argv[2], NULL, 0) : 200;

	if (!is_closed(by_syscall32) || !is_closed(by_int80) || !is_closed(by_sysenter)) {
		puts("a way into the kernel that should not be there");
		return 1;
	}
	code = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (code == MAP_FAILED)
		return 1;
	stack = code + 4096;
	for (uint64_t seed = first; seed < first + count; seed++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (!pid)
			child(seed);
		await_child(pid);
		if (spoilt()) {
			printf("the child of seed %lu has spoilt our segments\n", seed);
			return 1;
		}
	}
	return 0;
}
