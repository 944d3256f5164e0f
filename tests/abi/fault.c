/*
 * Faults as signals: for each kind the signal, its code and address, and what the ucontext says of
 * the trap (number, error code, cr2). Numbers are those of the processor's manual.
 */
#include "tap.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

static sigjmp_buf back;
static volatile siginfo_t got;
static volatile uint64_t trapno, err, cr2, rip, flags, mask;

static void handler(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;

	memcpy((void *)&got, info, sizeof(got));
	trapno = uc->uc_mcontext.gregs[REG_TRAPNO];
	err = uc->uc_mcontext.gregs[REG_ERR];
	cr2 = uc->uc_mcontext.gregs[REG_CR2];
	rip = uc->uc_mcontext.gregs[REG_RIP];
	mask = uc->uc_mcontext.gregs[REG_OLDMASK];
	flags = uc->uc_flags;
	siglongjmp(back, 1);
}

/* Runs @code; true if it came back by a signal. */
#define FAULTS(code) \
	({ \
		bool _came = sigsetjmp(back, 1); \
		if (!_came) { \
			code; \
		} \
		_came; \
	})

static void is(const char *what, int sig, int code, uint64_t addr, uint64_t trap, uint64_t error)
{
	bool good = got.si_signo == sig && got.si_code == code && (uint64_t)got.si_addr == addr &&
		    trapno == trap && err == error && (trap != 14 || cr2 == addr);

	if (!good)
		printf("# signal %d code %d addr %s trap %lu err %lx cr2 %s\n", got.si_signo,
		       got.si_code, (uint64_t)got.si_addr == addr ? "right" : "wrong", trapno, err,
		       cr2 == addr ? "right" : "wrong");
	ok(good, "%s", what);
}

static void test_memory(void)
{
	volatile char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile char *p =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile uintptr_t low = 8, kernel = 0xffffffff81000000, hole = 0x8000000000000000;
	char path[64];
	volatile char *file;
	int fd;

	FAULTS((void)*(volatile char *)low);
	is("a read of nothing", SIGSEGV, SEGV_MAPERR, 8, 14, 4);
	FAULTS(*(volatile char *)low = 1);
	is("a write to nothing", SIGSEGV, SEGV_MAPERR, 8, 14, 6);
	FAULTS(((void (*)(void))low)());
	is("a jump to nothing", SIGSEGV, SEGV_MAPERR, 8, 14, 0x14);
	ok(rip == 8, "and that is where it stands");
	FAULTS((void)none[3]);
	is("a read without the right", SIGSEGV, SEGV_ACCERR, (uintptr_t)none + 3, 14, 4);
	p[0] = (char)0xc3;
	FAULTS(((void (*)(void))p)());
	is("a jump into data", SIGSEGV, SEGV_ACCERR, (uintptr_t)p, 14, 0x15);
	must(mprotect((void *)p, 4096, PROT_READ));
	FAULTS(p[7] = 1);
	is("a write to what is read-only", SIGSEGV, SEGV_ACCERR, (uintptr_t)p + 7, 14, 7);
	FAULTS((void)*(volatile char *)kernel);
	is("a read of the kernel", SIGSEGV, SEGV_MAPERR, kernel, 14, 5);
	FAULTS(*(volatile char *)kernel = 1);
	is("a write to the kernel", SIGSEGV, SEGV_MAPERR, kernel, 14, 7);
	FAULTS((void)*(volatile char *)hole);
	is("an address that cannot be", SIGSEGV, SI_KERNEL, 0, 13, 0);

	snprintf(path, sizeof(path), "/tmp/fault-%d", getpid());
	fd = must(open(path, O_RDWR | O_CREAT, 0600));
	unlink(path);
	must(ftruncate(fd, 100));
	file = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	FAULTS((void)file[5000]);
	is("a read behind the end of a file", SIGBUS, BUS_ADRERR, (uintptr_t)file + 5000, 14, 4);
	FAULTS(file[5000] = 1);
	is("a write there", SIGBUS, BUS_ADRERR, (uintptr_t)file + 5000, 14, 6);
	close(fd);
}

static void test_instructions(void)
{
	uint16_t cw = 0x37b; /* division by zero unmasked */
	volatile double zero = 0, one = 1;

	FAULTS(__asm__ volatile("ud2"));
	is("ud2", SIGILL, ILL_ILLOPN, rip, 6, 0);
	FAULTS(__asm__ volatile("xorl %%ecx, %%ecx; xorl %%edx, %%edx; divl %%ecx" ::
					: "eax", "ecx", "edx"));
	is("a division by zero", SIGFPE, FPE_INTDIV, rip, 0, 0);
	FAULTS(__asm__ volatile("fldcw %0; fldl %1; fdivl %2; fwait" ::"m"(cw), "m"(one),
				"m"(zero)));
	is("one of the x87", SIGFPE, FPE_FLTDIV, rip, 16, 0);
	__asm__ volatile("fninit");
	FAULTS(__asm__ volatile("hlt"));
	is("hlt", SIGSEGV, SI_KERNEL, 0, 13, 0);
	FAULTS(__asm__ volatile("int $4"));
	is("int 4", SIGSEGV, SI_KERNEL, 0, 4, 0);
	FAULTS(__asm__ volatile("int3"));
	is("int3", SIGTRAP, SI_KERNEL, 0, 3, 0);
}

/* The trap comes after the instruction that follows the one that sets TF. */
static void test_single_step(void)
{
	FAULTS(__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; nop" ::: "memory", "cc"));
	is("single step", SIGTRAP, TRAP_TRACE, rip, 1, 0);
}

static void test_context(void)
{
	volatile uintptr_t low = 16;
	sigset_t set;

	ok((flags & 6) == 6, "uc_flags: the stack segment is in the frame");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_SETMASK, &set, NULL);
	FAULTS((void)*(volatile char *)low);
	ok(mask == 1ul << (SIGUSR2 - 1), "oldmask is what was blocked");
	FAULTS(raise(SIGUSR1));
	ok(got.si_code == SI_TKILL && trapno == 14 && err == 4 && cr2 == 16,
	   "a signal that is no fault shows the last one's");
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGUSR1};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		must(sigaction(signals[i], &sa, NULL));
	test_memory();
	test_instructions();
	test_single_step();
	test_context();
	return tap_done();
}
