/*
 * tracee: what a debugger may give a program it may give it at random, and the kernel lives: registers,
 * vector state, signals, memory, from good addresses and from the kernel's.
 */
#include <elf.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t state = 1;
static unsigned char junk[8192];

static uint64_t rnd(void)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return state >> 20 ^ state << 40;
}

/* Numbers that have been trouble elsewhere. */
static uint64_t odd_number(void)
{
	static const uint64_t odd[] = {0,
				       1,
				       3,
				       7,
				       0x23,
				       0x2b,
				       0x33,
				       0x10,
				       0x40,
				       0x53,
				       8,
				       0x202,
				       0x3fffff,
				       1ul << 47,
				       0x7fffffffffff,
				       0x800000000000,
				       0xffff800000000000,
				       0xffffffff80000000,
				       ~0ull,
				       1ull << 63};

	return rnd() % 3 ? odd[rnd() % (sizeof(odd) / sizeof(odd[0]))] : rnd();
}

static void child(void)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	kill(getpid(), SIGSTOP);
	for (int i = 0; i < 20; i++)
		syscall(SYS_getppid);
	_exit(0);
}

static void change(pid_t pid)
{
	struct user_regs_struct r;
	uint64_t *words = (uint64_t *)&r;
	struct iovec v = {junk, sizeof(junk)};

	switch (rnd() % 6) {
	case 0:
		ptrace(PTRACE_GETREGS, pid, 0, &r);
		words[rnd() % (sizeof(r) / 8)] = odd_number();
		ptrace(PTRACE_SETREGS, pid, 0, &r);
		break;
	case 1:
		ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &v);
		for (int i = 0; i < 8; i++)
			junk[rnd() % (rnd() % 2 ? 1024 : sizeof(junk))] = (unsigned char)rnd();
		ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &v);
		break;
	case 2:
		syscall(SYS_ptrace, PTRACE_POKEUSER, pid, rnd() % 120 * 8, odd_number());
		break;
	case 3:
		syscall(SYS_ptrace, PTRACE_POKEDATA, pid, odd_number(), odd_number());
		break;
	case 4:
		syscall(SYS_ptrace, PTRACE_SETSIGINFO, pid, 0, junk + rnd() % 4096);
		syscall(SYS_ptrace, PTRACE_SETSIGMASK, pid, 8, junk + rnd() % 4096);
		break;
	default: /* whatever request, but not those that let it go */
		syscall(SYS_ptrace, rnd() % 2 ? 1 + rnd() % 6 : 0x4200 + rnd() % 16, pid,
			odd_number(), odd_number());
	}
}

static void too_long(int sig)
{
	(void)sig;
}

/* Waits for its next stop, but not for ever: there are loops in what it has been given. False: it is over. */
static int stops(pid_t pid, int *status)
{
	pid_t got;

	ualarm(50000, 50000);
	got = waitpid(pid, status, __WALL);
	ualarm(0, 0);
	if (got < 0) {
		kill(pid, SIGKILL);
		got = waitpid(pid, status, __WALL);
	}
	return got == pid && WIFSTOPPED(*status);
}

int main(int argc, char **argv)
{
	static const int how[] = {PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SINGLESTEP};
	struct sigaction sa = {.sa_handler = too_long};
	int rounds = argc > 1 ? atoi(argv[1]) : 300, status;

	sigaction(SIGALRM, &sa, NULL);
	for (int i = 0; i < rounds; i++) {
		pid_t pid = fork();

		if (!pid)
			child();
		for (int n = 0; stops(pid, &status); n++) {
			for (int k = 0; k < 3; k++)
				change(pid);
			if (n == 40)
				kill(pid, SIGKILL);
			ptrace(how[rnd() % 3], pid, 0,
			       WSTOPSIG(status) == SIGSTOP ? 0 : rnd() % 16);
		}
		while (waitpid(-1, NULL, __WALL | WNOHANG) > 0)
			;
	}
	puts("the kernel lives");
	return 0;
}
