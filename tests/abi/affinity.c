/*
 * Which CPUs a thread may use, and which it does: sched_setaffinity(2), sched_getaffinity(2),
 * getcpu(2), /proc/cpuinfo. The text is the same for any number of CPUs.
 */
#include "tap.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static volatile uintptr_t bad = 8;
static cpu_set_t all; /* as we were started */

static int current_cpu(void)
{
	unsigned cpu = ~0u;

	must(syscall(SYS_getcpu, &cpu, NULL, NULL));
	return (int)cpu;
}

static int move_to(pid_t pid, int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(pid, sizeof(one), &one);
}

static void test_errors(void)
{
	cpu_set_t none, unknown;
	unsigned long word;

	CPU_ZERO(&none);
	CPU_ZERO(&unknown);
	CPU_SET(1023, &unknown);
	fails(sched_setaffinity(0, sizeof(none), &none), EINVAL);
	fails(sched_setaffinity(0, sizeof(unknown), &unknown), EINVAL);
	fails(sched_setaffinity(0, sizeof(all), (void *)bad), EFAULT);
	fails(sched_setaffinity(1 << 28, sizeof(all), &all), ESRCH);
	fails(sched_getaffinity(1 << 28, sizeof(all), &all), ESRCH);
	fails(syscall(SYS_sched_getaffinity, 0, 0, &word), EINVAL);
	fails(syscall(SYS_sched_getaffinity, 0, 12, &word), EINVAL);
	fails(syscall(SYS_sched_getaffinity, 0, sizeof(all), (void *)bad), EFAULT);
	fails(syscall(SYS_getcpu, (void *)bad, NULL, NULL), EFAULT);
	fails(syscall(SYS_getcpu, NULL, (void *)bad, NULL), EFAULT);
	ok(syscall(SYS_getcpu, NULL, NULL, NULL) == 0, "getcpu with nowhere to put it");
}

static void test_self(void)
{
	bool there = true, told = true, stays = true;
	cpu_set_t now;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		must(move_to(0, cpu));
		there &= current_cpu() == cpu;
		must(sched_getaffinity(0, sizeof(now), &now));
		told &= CPU_COUNT(&now) == 1 && CPU_ISSET(cpu, &now);
		for (int i = 0; i < 20; i++) {
			sched_yield();
			usleep(i % 4 ? 0 : 200);
			stays &= current_cpu() == cpu;
		}
	}
	ok(there, "a thread is on its CPU when the call returns");
	ok(told, "and is told so");
	ok(stays, "and stays there, sleeping or not");
	must(sched_setaffinity(0, sizeof(all), &all));
}

/* A child that never enters the kernel, or sleeps, is moved all the same. */
static void test_other(void)
{
	volatile int *seen =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool moved = true;
	pid_t child = must(fork());

	if (!child)
		for (;;) {
			seen[0] = current_cpu();
			seen[1]++;
		}
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		must(move_to(child, cpu));
		/* Two whole rounds later what it says is of now. */
		for (int round = seen[1]; seen[1] - round < 2;)
			sched_yield();
		moved &= seen[0] == cpu;
	}
	ok(moved, "a running child is moved");
	kill(child, SIGKILL);
	must(waitpid(child, NULL, 0));
	munmap((void *)seen, 4096);
}

static void *count_mine(void *arg)
{
	cpu_set_t mine;

	must(sched_getaffinity(0, sizeof(mine), &mine));
	return (void *)(uintptr_t)(CPU_EQUAL(&mine, (cpu_set_t *)arg));
}

static void test_inherited(void)
{
	int first = 0, status;
	cpu_set_t one, now;
	pthread_t t;
	void *same;
	pid_t child;

	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	must(sched_setaffinity(0, sizeof(one), &one));
	pthread_create(&t, NULL, count_mine, &one);
	pthread_join(t, &same);
	ok(same, "a thread has its creator's CPUs");
	child = must(fork());
	if (!child)
		_exit(count_mine(&one) ? 0 : 1);
	must(waitpid(child, &status, 0));
	ok(status == 0, "and so has a child");
	must(sched_setaffinity(0, sizeof(all), &all));
	must(sched_getaffinity(0, sizeof(now), &now));
	ok(CPU_EQUAL(&now, &all), "back to all");
}

static void test_cpuinfo(void)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	int processors = 0, flags = 0, models = 0;
	char line[8192];

	while (f && fgets(line, sizeof(line), f)) {
		processors += !strncmp(line, "processor\t: ", 12);
		models += !strncmp(line, "model name\t: ", 13);
		flags += !strncmp(line, "flags\t\t: fpu ", 13) && strstr(line, " sse2 ");
	}
	if (f)
		fclose(f);
	ok(processors == sysconf(_SC_NPROCESSORS_ONLN),
	   "/proc/cpuinfo has a processor for each CPU");
	ok(models == processors && flags == processors, "with its name and what it can do");
}

int main(void)
{
	must(sched_getaffinity(0, sizeof(all), &all));
	ok(CPU_COUNT(&all) >= 1, "there is a CPU to run on");
	ok(CPU_ISSET(current_cpu(), &all), "and it is this one");
	test_errors();
	test_self();
	test_other();
	test_inherited();
	test_cpuinfo();
	return tap_done();
}
