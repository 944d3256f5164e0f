/*
 * The bases of fs and gs: arch_prctl(2), and the instructions of FSGSBASE where the CPU has them. They
 * are a thread's own, over system calls, signals, page faults and other threads, whatever value the
 * gs base has, one that looks like the kernel's too.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tap.h"

/* <asm/prctl.h>, which musl does not have */
#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

#define HWCAP2_FSGSBASE 2
#define KERNEL_LIKE     0xffffffff80000000ul

static bool has_instructions;

static void set_gs(unsigned long v)
{
	if (has_instructions)
		__asm__ volatile("wrgsbase %0" ::"r"(v));
	else
		must(syscall(SYS_arch_prctl, ARCH_SET_GS, v));
}

static unsigned long asked(int which)
{
	unsigned long v = 1;

	must(syscall(SYS_arch_prctl, which, &v));
	return v;
}

static unsigned long get_gs(void)
{
	unsigned long v;

	if (!has_instructions)
		return asked(ARCH_GET_GS);
	__asm__ volatile("rdgsbase %0" : "=r"(v));
	return v;
}

/* Where the instructions are missing the kernel takes no such value. */
static unsigned long kernel_like(unsigned long n)
{
	return (has_instructions ? KERNEL_LIKE : 0x10000000) + n * 8;
}

static volatile unsigned long seen;

static void handler(int sig)
{
	seen = get_gs();
	set_gs(0x1234);
}

static void test_set(void)
{
	unsigned long fs = asked(ARCH_GET_FS), self;

	__asm__("mov %%fs:0, %0" : "=r"(self));
	ok(fs == self, "the fs base is the thread's own");
	set_gs(0x200000000);
	ok(asked(ARCH_GET_GS) == 0x200000000, "arch_prctl() tells what is in gs");
	must(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x5000));
	ok(get_gs() == 0x5000, "and sets it");
	fails(syscall(SYS_arch_prctl, ARCH_SET_GS, 1ul << 63), EPERM);
	fails(syscall(SYS_arch_prctl, ARCH_SET_FS, 1ul << 63), EPERM);
	fails(syscall(SYS_arch_prctl, ARCH_GET_GS, 8), EFAULT);
}

static void test_kept(void)
{
	char *page =
		must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	set_gs(kernel_like(1));
	for (int i = 0; i < 100; i++)
		sched_yield();
	page[0] = 1;
	usleep(2000);
	ok(get_gs() == kernel_like(1), "the gs base outlives calls, a fault and a sleep");
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	ok(seen == kernel_like(1), "a handler finds it as it was");
	ok(get_gs() == 0x1234, "and what it changes stays");
}

static void test_fork(void)
{
	int status;

	set_gs(kernel_like(2));
	if (!must(fork()))
		_exit(get_gs() != kernel_like(2));
	must(wait(&status));
	ok(status == 0, "a child has its parent's");
}

static void *thread(void *arg)
{
	unsigned long mine = kernel_like((unsigned long)arg), wrong = 0;

	set_gs(mine);
	for (int i = 0; i < 2000; i++) {
		for (volatile int spin = 0; spin < 100; spin++)
			;
		wrong += get_gs() != mine;
		if (i % 4 == 0)
			sched_yield();
	}
	return (void *)wrong;
}

static void test_threads(void)
{
	pthread_t t[4];
	unsigned long wrong = 0;
	void *ret;

	for (unsigned long i = 0; i < 4; i++)
		must(-pthread_create(&t[i], NULL, thread, (void *)i));
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &ret);
		wrong += (unsigned long)ret;
	}
	ok(wrong == 0, "each of four threads keeps its own");
}

int main(void)
{
	has_instructions = getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE;
	test_set();
	test_kept();
	test_fork();
	test_threads();
	return tap_done();
}
