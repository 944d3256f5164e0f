/*
 * Threads and futexes: what pthreads stand on (clone(2), futex(2)), and what happens to a process of
 * several threads when one of them forks, execs, exits or is killed.
 */
#include "tap.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

/* futex(2); musl-gcc has no kernel headers. */
#define FUTEX_WAIT           0
#define FUTEX_WAKE           1
#define FUTEX_REQUEUE        3
#define FUTEX_CMP_REQUEUE    4
#define FUTEX_WAIT_BITSET    9
#define FUTEX_WAKE_BITSET    10
#define FUTEX_PRIVATE_FLAG   128
#define FUTEX_CLOCK_REALTIME 256

static volatile uintptr_t bad = 8;

static long futex(void *addr, int op, unsigned val, const void *ts, void *addr2, unsigned val3)
{
	return syscall(SYS_futex, addr, op, val, ts, addr2, val3);
}

static void nap(int ms)
{
	usleep((unsigned)ms * 1000);
}

/* ---- futex ---- */

static void test_futex_errors(void)
{
	static uint32_t word = 5;
	struct timespec ms = {0, 10000000}, none = {0, 0}, wrong = {0, 1000000000};

	fails(futex(&word, FUTEX_WAIT, 6, NULL, NULL, 0), EAGAIN);
	fails(futex(&word, FUTEX_WAIT, 5, &ms, NULL, 0), ETIMEDOUT);
	fails(futex(&word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 5, &ms, NULL, 0), ETIMEDOUT);
	fails(futex(&word, FUTEX_WAIT_BITSET, 5, &none, NULL, 1), ETIMEDOUT);
	fails(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 5, &none, NULL, 1), ETIMEDOUT);
	fails(futex(&word, FUTEX_WAIT_BITSET, 5, NULL, NULL, 0), EINVAL);
	fails(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0), EINVAL);
	fails(futex(&word, FUTEX_WAIT, 5, &wrong, NULL, 0), EINVAL);
	fails(futex(&word, FUTEX_WAIT, 5, (void *)bad, NULL, 0), EFAULT);
	fails(futex((void *)bad, FUTEX_WAIT, 5, NULL, NULL, 0), EFAULT);
	fails(futex((char *)&word + 1, FUTEX_WAIT, 5, NULL, NULL, 0), EINVAL);
	fails(futex((char *)&word + 1, FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
	fails(futex(&word, 127, 1, NULL, NULL, 0), ENOSYS);
	ok(futex(&word, FUTEX_WAKE, 10, NULL, NULL, 0) == 0, "a wake-up of nobody");
	fails(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &word, 77), EAGAIN);
	fails(futex(&word, FUTEX_REQUEUE, -1u, (void *)1, &word, 0), EINVAL);
}

static uint32_t word_a, word_b;
static volatile int woken;

static volatile pid_t waiters[3];

static void *wait_a(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;

	waiters[i] = (pid_t)syscall(SYS_gettid);
	if (futex(&word_a, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 1u << i) == 0)
		__atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void wait_until_woken(int n)
{
	for (int i = 0; i < 1000 && woken < n; i++)
		nap(2);
}

static void test_futex_wake(void)
{
	pthread_t t[3];
	long n;

	for (uintptr_t i = 0; i < 3; i++)
		must(pthread_create(&t[i], NULL, wait_a, (void *)i) ? -1 : 0);
	for (int i = 0; i < 3; i++)
		while (!waiters[i] || !is_asleep(waiters[i]))
			nap(1);
	ok(futex(&word_a, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 10, NULL, NULL, 2) == 1,
	   "WAKE_BITSET wakes one");
	wait_until_woken(1);
	ok(woken == 1, "it returns 0");
	ok(futex(&word_a, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 10, NULL, NULL, 2) == 0,
	   "and no other");
	n = futex(&word_a, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 1, (void *)10, &word_b, 0);
	ok(n == 2, "CMP_REQUEUE wakes one and moves one");
	wait_until_woken(2);
	ok(futex(&word_a, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 10, NULL, NULL, 0) == 0,
	   "nobody is left at the first word");
	ok(futex(&word_b, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 10, NULL, NULL, 0) == 1,
	   "one waits at the second");
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	ok(woken == 3, "all have been woken");
}

/* Two processes, one word in shared memory. */
static void test_futex_shared(void)
{
	uint32_t *w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	long n = 0;
	pid_t pid;

	must((long)w);
	pid = must(fork());
	if (!pid)
		_exit(futex(w, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? 3 : 4);
	for (int i = 0; i < 1000 && n == 0; i++) {
		nap(2);
		n = futex(w, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	waitpid(pid, &status, 0);
	ok(n == 1 && WEXITSTATUS(status) == 3, "a futex in memory shared with a child");
	munmap(w, 4096);
}

/* ---- threads ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counter;
static int turn;
static __thread int tls = 7;

static void *count_up(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	return (void *)(uintptr_t)(tls++ == 7);
}

static void *ping_pong(void *me)
{
	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&mutex);
		while (turn != (int)(uintptr_t)me)
			pthread_cond_wait(&cond, &mutex);
		turn = !turn;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void *get_ids(void *arg)
{
	pid_t *ids = arg;

	ids[0] = getpid();
	ids[1] = (pid_t)syscall(SYS_gettid);
	return NULL;
}

static void test_threads(void)
{
	pthread_t t[4];
	void *good;
	bool all = true;
	pid_t ids[2];

	for (int i = 0; i < 4; i++)
		must(pthread_create(&t[i], NULL, count_up, NULL) ? -1 : 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &good);
		all = all && good;
	}
	ok(counter == 80000, "a mutex counts 80000");
	ok(all && tls == 7, "each thread has its own thread-local variables");
	for (uintptr_t i = 0; i < 2; i++)
		must(pthread_create(&t[i], NULL, ping_pong, (void *)i) ? -1 : 0);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	ok(turn == 0, "a thousand turns with a condition variable");
	pthread_create(&t[0], NULL, get_ids, ids);
	pthread_join(t[0], NULL);
	ok(ids[0] == getpid() && ids[1] != getpid(), "one process id, two thread ids");
	for (int i = 0; i < 300; i++)
		if (pthread_create(&t[0], NULL, get_ids, ids) || pthread_join(t[0], NULL))
			all = false;
	ok(all, "300 threads, one after the other");
}

static pthread_mutex_t robust;

static void *die_with_lock(void *arg)
{
	pthread_mutex_lock(&robust);
	return NULL;
}

static void test_robust(void)
{
	pthread_mutexattr_t attr;
	pthread_t t;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attr);
	pthread_create(&t, NULL, die_with_lock, NULL);
	pthread_join(t, NULL);
	ok(pthread_mutex_lock(&robust) == EOWNERDEAD, "a robust mutex: its owner has died");
	ok(pthread_mutex_consistent(&robust) == 0 && pthread_mutex_unlock(&robust) == 0,
	   "repaired");
	ok(pthread_mutex_lock(&robust) == 0, "and used again");
	pthread_mutex_unlock(&robust);
}

/* ---- a process of several threads ---- */

static void *sleeper(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static void *spinner(void *arg)
{
	for (;;)
		;
	return NULL;
}

static char self[200];

static void *do_exec(void *arg)
{
	execl(self, self, "exec", (char *)NULL);
	_exit(50);
}

static void *do_exit_group(void *arg)
{
	_exit(21);
}

static void *do_fork(void *arg)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(33);
	waitpid(pid, &status, 0);
	return (void *)(uintptr_t)WEXITSTATUS(status);
}

/* In a child: two threads that do nothing and one that runs @fn; the leader does @leader. */
static int in_threaded_child(void *(*fn)(void *), void (*leader)(void))
{
	int status = -1;
	pid_t pid = must(fork());

	if (!pid) {
		pthread_t t;

		pthread_create(&t, NULL, sleeper, NULL);
		pthread_create(&t, NULL, spinner, NULL);
		nap(10);
		if (fn)
			pthread_create(&t, NULL, fn, NULL);
		leader();
		_exit(60);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void wait_long(void)
{
	for (int i = 0; i < 100; i++)
		nap(100);
}

static void exit_thread(void)
{
	syscall(SYS_exit, 5);
}

static void exec_here(void)
{
	do_exec(NULL);
}

static void kill_me(void)
{
	kill(getpid(), SIGTERM);
	wait_long();
}

static volatile pid_t handled_by;

static void note_thread(int sig)
{
	handled_by = (pid_t)syscall(SYS_gettid);
}

static void *wait_for_note(void *arg)
{
	sigset_t set;

	*(volatile pid_t *)arg = (pid_t)syscall(SYS_gettid);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	for (int i = 0; i < 1000 && !handled_by; i++)
		nap(5);
	return NULL;
}

static void test_signals(void)
{
	volatile pid_t tid = 0;
	pthread_t t;
	sigset_t set;

	signal(SIGUSR1, note_thread);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_create(&t, NULL, wait_for_note, (void *)&tid);
	while (!tid)
		nap(1);
	kill(getpid(), SIGUSR1);
	pthread_join(t, NULL);
	ok(handled_by == tid && tid,
	   "a signal to the process goes to the thread that does not block it");
	handled_by = 0;
	kill(getpid(), SIGUSR1);
	nap(10);
	ok(!handled_by, "and stays pending when all block it");
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	ok(handled_by == getpid(), "until one opens up");
	handled_by = 0;
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
	ok(handled_by == getpid(), "tgkill chooses the thread");
	signal(SIGUSR1, SIG_DFL);
}

/* Alone, once the first thread has ended. */
static void *last_thread(void *arg)
{
	char leader[16];

	snprintf(leader, sizeof(leader), "%d", getpid());
	for (int i = 0; i < 1000 && *proc_stat(leader) != 'Z'; i++)
		nap(1);
	signal(SIGUSR1, note_thread);
	kill(getpid(), SIGUSR1);
	if (handled_by != syscall(SYS_gettid))
		_exit(1);
	kill(getpid(), SIGUSR2);
	_exit(2);
}

static void test_last_thread(void)
{
	int status = -1;
	pid_t pid = must(fork());

	if (!pid) {
		pthread_t t;

		handled_by = 0;
		pthread_create(&t, NULL, last_thread, NULL);
		exit_thread();
	}
	waitpid(pid, &status, 0);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR2,
	   "signals to the process reach its last thread, though the first has ended");
}

static void test_process(void)
{
	int status;

	status = in_threaded_child(do_exit_group, wait_long);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 21,
	   "exit_group from a thread ends them all");
	status = in_threaded_child(do_exit_group, exit_thread);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 21, "also after the first thread has ended");
	status = in_threaded_child(do_exec, wait_long);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 17,
	   "exec from a thread: the process lives on");
	status = in_threaded_child(do_exec, exit_thread);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 17, "also after the first thread has ended");
	status = in_threaded_child(NULL, exec_here);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 17, "exec from the first thread");
	status = in_threaded_child(NULL, kill_me);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "a signal ends all threads");

	pthread_t t;
	void *ret;

	pthread_create(&t, NULL, do_fork, NULL);
	pthread_join(t, &ret);
	ok((uintptr_t)ret == 33, "fork from a thread, and its own child waited for");
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return syscall(SYS_gettid) == getpid() ? 17 : 18;
	must(readlink("/proc/self/exe", self, sizeof(self) - 1));
	test_futex_errors();
	test_futex_wake();
	test_futex_shared();
	test_threads();
	test_robust();
	test_signals();
	test_last_thread();
	test_process();
	return tap_done();
}
