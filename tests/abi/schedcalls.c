/*
 * What a program may wish of the scheduler: policies, nice values, I/O priorities, for itself, for a
 * child, for its group. Everything by the system calls, as an ordinary user.
 */
#include "tap.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define RESET_ON_FORK 0x40000000
#define IDLE          5

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static volatile uintptr_t bad = 8;

static int nice_of(int which, int who)
{
	int ret = (int)must(syscall(SYS_getpriority, which, who));

	return 20 - ret;
}

static long set_nice(int which, int who, int nice)
{
	return syscall(SYS_setpriority, which, who, nice);
}

static long set_policy(pid_t pid, int policy, int prio)
{
	return syscall(SYS_sched_setscheduler, pid, policy, &prio);
}

/* Field @n of /proc/PID/stat, a number behind the state. */
static long stat_field(pid_t pid, int n)
{
	const char *p;
	char task[32];

	snprintf(task, sizeof(task), "%d", pid);
	p = proc_stat(task); /* the third */
	must(*p ? 0 : -1);
	for (; n > 3; n--)
		p = strchr(p, ' ') + 1;
	return atol(p);
}

static void test_nice(void)
{
	pid_t child;
	int status;

	ok(nice_of(PRIO_PROCESS, 0) == 0, "nobody has been nice yet");
	ok(!set_nice(PRIO_PROCESS, 0, 5) && nice_of(PRIO_PROCESS, getpid()) == 5, "nice 5");
	ok(stat_field(getpid(), 19) == 5 && stat_field(getpid(), 18) == 25, "in /proc/PID/stat");
	fails(set_nice(PRIO_PROCESS, 0, 4), EACCES);
	ok(!set_nice(PRIO_PROCESS, 0, 5), "as before is allowed");
	fails(set_nice(PRIO_PROCESS, 1, 10), EPERM);
	fails(set_nice(PRIO_PROCESS, 0x7ffffff0, 10), ESRCH);
	fails(syscall(SYS_getpriority, PRIO_PROCESS, 0x7ffffff0), ESRCH);
	fails(syscall(SYS_getpriority, 3, 0), EINVAL);
	fails(set_nice(-1, 0, 10), EINVAL);

	child = must(fork());
	if (!child) {
		must(setpgid(0, 0));
		set_nice(PRIO_PROCESS, 0, 10);
		raise(SIGSTOP);
		_exit(nice_of(PRIO_PROCESS, 0));
	}
	must(waitpid(child, &status, WUNTRACED));
	ok(nice_of(PRIO_PROCESS, child) == 10, "a child's");
	ok(nice_of(PRIO_PGRP, child) == 10 && !set_nice(PRIO_PGRP, child, 100), "its group");
	must(kill(child, SIGCONT));
	must(waitpid(child, &status, 0));
	ok(WEXITSTATUS(status) == 19, "19 is the most");
}

static void test_policies(void)
{
	struct timespec ts = {-1, -1};
	int prio = 7, status;
	pid_t child;

	ok(sched_get_priority_max(1) == 99 || syscall(SYS_sched_get_priority_max, 1) == 99, "FIFO");
	ok(syscall(SYS_sched_getscheduler, 0) == 0, "SCHED_OTHER");
	ok(!syscall(SYS_sched_getparam, 0, &prio) && prio == 0, "without a priority");
	fails(set_policy(0, 0, 1), EINVAL);
	fails(set_policy(0, 1, 0), EINVAL);
	fails(set_policy(0, 2, 100), EINVAL);
	fails(set_policy(0, 1, 1), EPERM);
	fails(set_policy(0, 4, 0), EINVAL);
	fails(set_policy(0, 77, 0), EINVAL);
	fails(set_policy(-1, 0, 0), EINVAL);
	fails(set_policy(0x7ffffff0, 0, 0), ESRCH);
	fails(set_policy(1, 0, 0), EPERM);
	fails(syscall(SYS_sched_setscheduler, 0, 0, NULL), EINVAL);
	fails(syscall(SYS_sched_setscheduler, 0, 0, bad), EFAULT);
	prio = 0;
	ok(!syscall(SYS_sched_setparam, 0, &prio), "sched_setparam");
	prio = 1;
	fails(syscall(SYS_sched_setparam, 0, &prio), EINVAL);
	fails(syscall(SYS_sched_getparam, 0, NULL), EINVAL);
	ok(!set_policy(0, SCHED_BATCH, 0) && syscall(SYS_sched_getscheduler, 0) == SCHED_BATCH,
	   "SCHED_BATCH");
	ok(stat_field(getpid(), 41) == SCHED_BATCH, "in /proc/PID/stat");
	child = must(fork());
	if (!child)
		_exit((int)syscall(SYS_sched_getscheduler, 0));
	must(waitpid(child, &status, 0));
	ok(WEXITSTATUS(status) == SCHED_BATCH, "a child has it, too");
	ok(!syscall(SYS_sched_rr_get_interval, 0, &ts) && ts.tv_sec == 0 && ts.tv_nsec >= 0 &&
		   ts.tv_nsec < 1000000000,
	   "a turn has a length");
	fails(syscall(SYS_sched_rr_get_interval, -1, &ts), EINVAL);
	fails(syscall(SYS_sched_rr_get_interval, 0x7ffffff0, &ts), ESRCH);
	fails(syscall(SYS_sched_rr_get_interval, 0, bad), EFAULT);
}

static void test_attr(void)
{
	struct attr a = {0}, b = {.size = sizeof(b), .nice = 7};
	pid_t child;
	int status;

	ok(!syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) && a.policy == SCHED_BATCH &&
		   a.nice == 5 && a.priority == 0 && a.flags == 0,
	   "sched_getattr");
	ok(!syscall(SYS_sched_getattr, 0, &a, 48, 0) && a.size == 48, "of the first version");
	fails(syscall(SYS_sched_getattr, 0, &a, 47, 0), EINVAL);
	fails(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 1), EINVAL);
	fails(syscall(SYS_sched_getattr, 0, NULL, sizeof(a), 0), EINVAL);
	fails(syscall(SYS_sched_getattr, 0x7ffffff0, &a, sizeof(a), 0), ESRCH);
	ok(!syscall(SYS_sched_setattr, 0, &b, 0) && nice_of(PRIO_PROCESS, 0) == 7 &&
		   syscall(SYS_sched_getscheduler, 0) == 0,
	   "sched_setattr");
	b.nice = 6;
	fails(syscall(SYS_sched_setattr, 0, &b, 0), EPERM);
	b.nice = 7;
	b.flags = 1ull << 40;
	fails(syscall(SYS_sched_setattr, 0, &b, 0), EINVAL);
	b.flags = 0;
	fails(syscall(SYS_sched_setattr, 0, &b, 1), EINVAL);
	b.size = 20;
	fails(syscall(SYS_sched_setattr, 0, &b, 0), E2BIG);
	ok(b.size == sizeof(b), "the size it should have");
	b.flags = 1;
	ok(!syscall(SYS_sched_setattr, 0, &b, 0) &&
		   syscall(SYS_sched_getscheduler, 0) == RESET_ON_FORK,
	   "reset on fork");
	child = must(fork());
	if (!child)
		_exit(syscall(SYS_sched_getscheduler, 0) == 0 && nice_of(PRIO_PROCESS, 0) == 7);
	must(waitpid(child, &status, 0));
	ok(WEXITSTATUS(status) == 1, "does not go on to children");
	b.flags = 0;
	fails(syscall(SYS_sched_setattr, 0, &b, 0), EPERM);
	ok(!set_policy(0, IDLE | RESET_ON_FORK, 0) &&
		   syscall(SYS_sched_getscheduler, 0) == (IDLE | RESET_ON_FORK),
	   "SCHED_IDLE");
}

static void test_ioprio(void)
{
	pid_t child = must(fork());
	int status;

	if (!child) {
		fails(syscall(SYS_ioprio_set, 1, 0, 1 << 13 | 4), EPERM);
		fails(syscall(SYS_ioprio_set, 1, 0, 5 << 13), EINVAL);
		fails(syscall(SYS_ioprio_set, 1, 0, 0 << 13 | 1), EINVAL);
		fails(syscall(SYS_ioprio_set, 0, 0, 2 << 13), EINVAL);
		fails(syscall(SYS_ioprio_set, 1, 0x7ffffff0, 2 << 13), ESRCH);
		fails(syscall(SYS_ioprio_get, 4, 0), EINVAL);
		fails(syscall(SYS_ioprio_get, 1, 0x7ffffff0), ESRCH);
		ok(!syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6) &&
			   syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 6),
		   "best effort, 6");
		ok(!syscall(SYS_ioprio_set, 1, getpid(), 3 << 13) &&
			   syscall(SYS_ioprio_get, 1, 0) == 3 << 13,
		   "idle");
		_exit(tap_failed);
	}
	must(waitpid(child, &status, 0));
	ok(!status, "I/O priorities");
}

/* Each of two shares one CPU by its nice value: the nicer one gets clearly less. */
static void test_shares(void)
{
	struct timespec limit = {0, 300000000};
	volatile unsigned long n = 0;
	cpu_set_t one;
	int64_t used[2];
	pid_t pid[2];

	CPU_ZERO(&one);
	must(sched_getaffinity(0, sizeof(one), &one));
	for (int cpu = 0, seen = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &one) && seen++)
			CPU_CLR(cpu, &one);
	for (int i = 0; i < 2; i++) {
		pid[i] = must(fork());
		if (pid[i])
			continue;
		must(sched_setaffinity(0, sizeof(one), &one));
		must(set_nice(PRIO_PROCESS, 0, i ? 19 : 7));
		for (;;)
			n++;
	}
	nanosleep(&limit, NULL);
	for (int i = 0; i < 2; i++) {
		struct timespec ts = {0, 0};

		clock_gettime((clockid_t)(~(unsigned)pid[i] << 3 | 2), &ts);
		used[i] = ts.tv_sec * 1000000000ll + ts.tv_nsec;
		kill(pid[i], SIGKILL);
	}
	while (wait(NULL) > 0)
		;
	ok(used[1] * 2 < used[0], "who is nice gets less than half as much");
}

int main(void)
{
	if (!geteuid())
		must(setgid(1234) ?: setuid(1234));
	set_nice(PRIO_PROCESS, 0, 0);
	test_nice();
	test_shares();
	test_policies();
	test_attr();
	test_ioprio();
	return tap_done();
}
