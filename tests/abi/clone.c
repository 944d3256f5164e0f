/*
 * clone(2) and clone3(2) as they are, without a C library in between: which flags go together, what a
 * child shares with its parent, what is written where, how the parent hears of the end.
 */
#include "tap.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define CLONE_PIDFD_         0x1000ull
#define CLONE_CLEAR_SIGHAND_ 0x100000000ull
#define CLONE_INTO_CGROUP_   0x200000000ull
#define FUTEX_WAIT           0
#define WCLONE               0x80000000
#define WALL                 0x40000000

struct clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup;
};

static char stack[65536] __attribute__((aligned(16)));

/* clone(2) with a function; flags without CLONE_VM too. */
static pid_t start(int (*fn)(void *), unsigned long flags, void *parent_tid, void *child_tid)
{
	return clone(fn, stack + sizeof(stack), (int)flags, NULL, parent_tid, NULL, child_tid);
}

static int status_of(pid_t pid, int flags)
{
	int status = -1;

	return waitpid(pid, &status, flags) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- flags ---- */

static long raw(unsigned long flags)
{
	long ret = syscall(SYS_clone, flags, 0, 0, 0, 0);

	if (!ret)
		_exit(0);
	return ret;
}

static void test_flags(void)
{
	fails(raw(CLONE_THREAD), EINVAL);
	fails(raw(CLONE_THREAD | CLONE_VM), EINVAL);
	fails(raw(CLONE_THREAD | CLONE_SIGHAND), EINVAL);
	fails(raw(CLONE_SIGHAND), EINVAL);
	fails(raw(CLONE_NEWNS | CLONE_FS), EINVAL);
	fails(raw(CLONE_PIDFD_ | CLONE_DETACHED), EINVAL);
	fails(raw(CLONE_PIDFD_ | CLONE_PARENT_SETTID), EINVAL);
	ok(status_of((pid_t)raw(SIGCHLD | CLONE_DETACHED | CLONE_UNTRACED | CLONE_SYSVSEM |
				CLONE_PTRACE | CLONE_IO),
		     0) == 0,
	   "flags that mean nothing here");
	fails(syscall(SYS_clone, CLONE_SETTLS | SIGCHLD, 0, 0, 0, -4096l), EPERM);
}

static long raw3(struct clone_args *a, size_t size)
{
	long ret = syscall(SYS_clone3, a, size);

	if (!ret)
		_exit(5);
	return ret;
}

#define WITH(...)  (&(struct clone_args){.exit_signal = SIGCHLD, __VA_ARGS__})
#define ALONE(...) (&(struct clone_args){__VA_ARGS__})

static void test_clone3(void)
{
	static uint64_t args[1024];
	static pid_t tids[40] = {1};
	pid_t none = 0;

	ok(status_of((pid_t)raw3(WITH(.flags = 0), 88), 0) == 5, "clone3 is a fork");
	ok(status_of((pid_t)raw3(WITH(.flags = 0), 64), 0) == 5, "as its first version");
	ok(status_of((pid_t)raw3(WITH(.flags = 0), 67), 0) == 5, "or any size between");
	args[4] = SIGCHLD;
	ok(status_of((pid_t)raw3((void *)args, 4096), 0) == 5, "a later one without news");
	args[11] = 1;
	fails(raw3((void *)args, 96), E2BIG);
	args[11] = 0;
	args[511] = 1ull << 56;
	fails(raw3((void *)args, 4096), E2BIG);
	fails(raw3((void *)args, 4097), E2BIG);
	fails(raw3(WITH(.flags = 0), 63), EINVAL);
	fails(raw3(WITH(.flags = 0), 0), EINVAL);
	fails(raw3((void *)8, 64), EFAULT);
	fails(raw3(ALONE(.exit_signal = 65), 88), EINVAL);
	fails(raw3(ALONE(.exit_signal = 0x100), 88), EINVAL);
	fails(raw3(WITH(.flags = SIGCHLD), 88), EINVAL);
	fails(raw3(WITH(.flags = CLONE_DETACHED), 88), EINVAL);
	fails(raw3(WITH(.flags = 1ull << 40), 88), EINVAL);
	fails(raw3(WITH(.flags = CLONE_PARENT), 88), EINVAL);
	fails(raw3(WITH(.flags = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND), 88), EINVAL);
	fails(raw3(ALONE(.flags = CLONE_SIGHAND | CLONE_VM | CLONE_CLEAR_SIGHAND_), 88), EINVAL);
	fails(raw3(WITH(.stack = (uintptr_t)stack), 88), EINVAL);
	fails(raw3(WITH(.stack_size = 4096), 88), EINVAL);
	fails(raw3(WITH(.stack = (uintptr_t)stack, .stack_size = ~0ul), 88), EINVAL);
	fails(raw3(WITH(.set_tid = (uintptr_t)tids), 88), EINVAL);
	fails(raw3(WITH(.set_tid_size = 1), 88), EINVAL);
	fails(raw3(WITH(.set_tid = (uintptr_t)tids, .set_tid_size = 33), 88), EINVAL);
	fails(raw3(WITH(.set_tid = (uintptr_t)&none, .set_tid_size = 1), 88), EINVAL);
	fails(raw3(WITH(.set_tid = 8, .set_tid_size = 1), 88), EFAULT);
}

/* Only root may choose an id, and only a free one. */
static void test_set_tid(void)
{
	pid_t mine = getpid(), pid = must(fork());

	if (!pid) {
		if (!geteuid() && setresuid(65534, 65534, 65534))
			_exit(1);
		raw3(WITH(.set_tid = (uintptr_t)&mine, .set_tid_size = 1), 88);
		_exit(errno == EPERM ? 9 : 1);
	}
	ok(status_of(pid, 0) == 9, "set_tid is for root");
	raw3(WITH(.set_tid = (uintptr_t)&mine, .set_tid_size = 1), 88);
	ok(errno == EEXIST || errno == EPERM, "and for ids that nobody has");
}

/* ---- what is shared ---- */

static volatile int number;
static int sharing_fd;

static int change_things(void *arg)
{
	number = 2;
	close(sharing_fd);
	if (chdir("/proc"))
		return 1;
	signal(SIGUSR2, SIG_IGN);
	return 4;
}

static void test_shares(unsigned long flags, bool vm, bool files, bool fs, bool sighand)
{
	char cwd[64] = "";
	struct sigaction act;

	number = 1;
	sharing_fd = must(dup(1));
	must(chdir("/"));
	signal(SIGUSR2, SIG_DFL);
	ok(status_of(start(change_things, flags | SIGCHLD, NULL, NULL), 0) == 4,
	   "a child with %#lx", flags);
	ok((number == 2) == vm, "memory is %s", vm ? "shared" : "its own");
	ok((fcntl(sharing_fd, F_GETFD) < 0) == files, "descriptors are %s",
	   files ? "shared" : "its own");
	ok(!strcmp(getcwd(cwd, sizeof(cwd)), fs ? "/proc" : "/"), "the directory is %s",
	   fs ? "shared" : "its own");
	sigaction(SIGUSR2, NULL, &act);
	ok((act.sa_handler == SIG_IGN) == sighand, "handlers are %s",
	   sighand ? "shared" : "its own");
	close(sharing_fd);
	must(chdir("/"));
	signal(SIGUSR2, SIG_DFL);
}

static void on_signal(int sig)
{
	number = sig;
}

static void test_clear_sighand(void)
{
	struct clone_args a = {.flags = CLONE_CLEAR_SIGHAND_, .exit_signal = SIGCHLD};
	struct sigaction act;
	pid_t pid;

	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, SIG_IGN);
	pid = (pid_t)must(syscall(SYS_clone3, &a, sizeof(a)));
	if (!pid) {
		sigaction(SIGUSR1, NULL, &act);
		if (act.sa_handler != SIG_DFL)
			_exit(1);
		sigaction(SIGUSR2, NULL, &act);
		_exit(act.sa_handler == SIG_IGN ? 6 : 1);
	}
	ok(status_of(pid, 0) == 6, "CLEAR_SIGHAND: handlers go, what is ignored stays");
	signal(SIGUSR2, SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
}

/* ---- ids ---- */

static volatile pid_t parent_saw, child_saw;

static int look_at_ids(void *arg)
{
	return child_saw == (pid_t)syscall(SYS_gettid) && !parent_saw ? 7 : 8;
}

static int wait_for_cleared(void *arg)
{
	struct timespec nap = {0, 20000000};

	nanosleep(&nap, NULL);
	return 0;
}

static void test_tids(void)
{
	pid_t pid;

	child_saw = parent_saw = 0;
	pid = start(look_at_ids, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD,
		    (void *)&parent_saw, (void *)&child_saw);
	ok(status_of(pid, 0) == 7, "the child finds its id in its memory");
	ok(parent_saw == pid && !child_saw, "the parent its child's, in its own");
	pid = start(wait_for_cleared,
		    CLONE_VM | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, NULL,
		    (void *)&child_saw);
	while (!child_saw)
		sched_yield();
	while (child_saw && syscall(SYS_futex, &child_saw, FUTEX_WAIT, pid, NULL, NULL, 0) >= 0)
		;
	ok(!child_saw,
	   "CHILD_CLEARTID: the word is cleared at the end, and who waits there is woken");
	ok(status_of(pid, 0) == 0, "the child itself is still to be buried");
	ok(syscall(SYS_set_tid_address, &child_saw) == syscall(SYS_gettid), "set_tid_address");
}

static void test_tgkill(void)
{
	pid_t me = getpid();

	signal(SIGUSR1, on_signal);
	number = 0;
	ok(!syscall(SYS_tgkill, me, me, SIGUSR1) && number == SIGUSR1, "tgkill");
	number = 0;
	ok(!syscall(SYS_tkill, me, SIGUSR1) && number == SIGUSR1, "tkill");
	ok(!syscall(SYS_tgkill, me, me, 0), "signal 0 only asks");
	fails(syscall(SYS_tgkill, me, me, 65), EINVAL);
	fails(syscall(SYS_tgkill, me, 0, SIGUSR1), EINVAL);
	fails(syscall(SYS_tgkill, 0, me, SIGUSR1), EINVAL);
	fails(syscall(SYS_tgkill, -1, me, SIGUSR1), EINVAL);
	fails(syscall(SYS_tgkill, me, 0x3ffffff, SIGUSR1), ESRCH);
	fails(syscall(SYS_tgkill, getppid(), me, SIGUSR1), ESRCH);
	fails(syscall(SYS_tkill, 0, SIGUSR1), EINVAL);
	fails(syscall(SYS_tkill, -5, SIGUSR1), EINVAL);
	fails(syscall(SYS_tkill, 0x3ffffff, SIGUSR1), ESRCH);
	signal(SIGUSR1, SIG_DFL);
}

/* ---- family ---- */

static int return_3(void *arg)
{
	return 3;
}

static void test_exit_signal(void)
{
	pid_t pid = start(return_3, CLONE_VM, NULL, NULL);
	int status;

	errno = 0;
	ok(waitpid(pid, &status, 0) == -1 && errno == ECHILD, "without a signal: not for wait()");
	ok(status_of(pid, (int)WCLONE) == 3, "but with __WCLONE");
	pid = start(return_3, CLONE_VM, NULL, NULL);
	ok(status_of(pid, WALL) == 3, "or __WALL");
	signal(SIGUSR1, on_signal);
	number = 0;
	pid = start(return_3, SIGUSR1, NULL, NULL);
	ok(status_of(pid, WALL) == 3 && number == SIGUSR1, "any signal tells of the end");
	signal(SIGUSR1, SIG_DFL);
}

static int clone_sibling(void *arg)
{
	static char second[16384] __attribute__((aligned(16)));

	return clone(return_3, second + sizeof(second), CLONE_PARENT | SIGCHLD, NULL) > 0 ? 0 : 1;
}

static void test_parent(void)
{
	pid_t pid = start(clone_sibling, SIGCHLD, NULL, NULL), other;
	int status;

	ok(status_of(pid, 0) == 0, "a child clones with CLONE_PARENT");
	other = wait(&status);
	ok(other > 0 && other != pid && WEXITSTATUS(status) == 3, "and we have another child");
}

static int sleep_and_set(void *arg)
{
	struct timespec nap = {0, 30000000};

	nanosleep(&nap, NULL);
	number = 9;
	return 0;
}

static void test_vfork(void)
{
	pid_t pid;

	number = 0;
	pid = start(sleep_and_set, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL, NULL);
	ok(number == 9, "CLONE_VFORK waits for the end");
	status_of(pid, 0);
}

/* ---- stacks ---- */

static pthread_barrier_t barrier;

static void *meet(void *arg)
{
	pthread_barrier_wait(&barrier);
	return arg;
}

static int __attribute__((noinline)) deep(int n)
{
	volatile char page[4096];

	page[0] = (char)n;
	return n > 1000000 ? 0 : deep(n + 1) + page[0];
}

static void *overflow(void *arg)
{
	return (void *)(intptr_t)deep(0);
}

/* A gigabyte of stacks, of which almost nothing is touched. */
static void test_stacks(void)
{
	pthread_t t[128];
	pthread_attr_t attr;
	bool good = true;
	int status;
	pid_t pid;

	pthread_attr_init(&attr);
	must(pthread_attr_setstacksize(&attr, 8 << 20) ? -1 : 0);
	pthread_barrier_init(&barrier, NULL, 128);
	for (int i = 0; i < 128; i++)
		good = !pthread_create(&t[i], &attr, meet, NULL) && good;
	if (!ok(good, "128 threads with stacks of 8 MiB"))
		exit(1);
	for (int i = 0; i < 128; i++)
		pthread_join(t[i], NULL);
	pid = must(fork());
	if (!pid) {
		pthread_attr_setstacksize(&attr, 65536);
		pthread_create(&t[0], &attr, overflow, NULL);
		pthread_join(t[0], NULL);
		_exit(0);
	}
	must(waitpid(pid, &status, 0));
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "below a stack is a guard");
}

int main(void)
{
	test_flags();
	test_clone3();
	test_set_tid();
	test_shares(0, false, false, false, false);
	test_shares(CLONE_VM, true, false, false, false);
	test_shares(CLONE_FILES, false, true, false, false);
	test_shares(CLONE_FS, false, false, true, false);
	test_shares(CLONE_VM | CLONE_SIGHAND, true, false, false, true);
	test_shares(CLONE_VM | CLONE_SIGHAND | CLONE_FS | CLONE_FILES, true, true, true, true);
	test_clear_sighand();
	test_tids();
	test_tgkill();
	test_exit_signal();
	test_parent();
	test_vfork();
	test_stacks();
	return tap_done();
}
