/*
 * futex(2), word by word: comparing, waking, moving waiters, WAKE_OP's arithmetic, futex_waitv, time
 * limits, words in shared memory, and robust lists. threads.c has what pthreads make of it.
 */
#include "tap.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

/* futex(2); musl-gcc has no kernel headers. */
#define FUTEX_WAIT           0
#define FUTEX_WAKE           1
#define FUTEX_FD             2
#define FUTEX_REQUEUE        3
#define FUTEX_CMP_REQUEUE    4
#define FUTEX_WAKE_OP        5
#define FUTEX_WAIT_BITSET    9
#define FUTEX_WAKE_BITSET    10
#define FUTEX_PRIVATE_FLAG   128
#define FUTEX_CLOCK_REALTIME 256
#define FUTEX_WAITERS        0x80000000u
#define FUTEX_OWNER_DIED     0x40000000u
#define SYS_waitv            449

static long futex(volatile void *addr, int op, unsigned val, const void *ts, volatile void *addr2,
		  unsigned val3)
{
	return syscall(SYS_futex, addr, op, val, ts, addr2, val3);
}

static void nap(int ms)
{
	usleep((unsigned)ms * 1000);
}

/* ---- a thread that waits ---- */

struct waiter {
	pthread_t thread;
	volatile uint32_t *word;
	int op;
	unsigned bitset;
	volatile pid_t tid;
	volatile long result;
};

static void *wait_thread(void *arg)
{
	struct waiter *w = arg;

	w->tid = (pid_t)syscall(SYS_gettid);
	w->result = futex(w->word, w->op, 0, NULL, NULL, w->bitset);
	return NULL;
}

static void start(struct waiter *w, volatile uint32_t *word, int op)
{
	*w = (struct waiter){.word = word, .op = op, .bitset = ~0u, .result = 77};
	must(pthread_create(&w->thread, NULL, wait_thread, w) ? -1 : 0);
	while (!w->tid)
		nap(1);
	for (int i = 0; i < 2000 && !is_asleep(w->tid); i++)
		nap(1);
}

static bool woken(struct waiter *w)
{
	pthread_join(w->thread, NULL);
	return w->result == 0;
}

#define PWAIT (FUTEX_WAIT | FUTEX_PRIVATE_FLAG)
#define PWAKE (FUTEX_WAKE | FUTEX_PRIVATE_FLAG)

/* ---- waking ---- */

static volatile bool stop;

static void *wrong_value(void *word)
{
	while (!stop)
		futex(word, PWAIT, 1, NULL, NULL, 0);
	return NULL;
}

/* Who calls with a value that does not match is never counted as woken. */
static void test_no_stealing(void)
{
	static uint32_t word;
	struct waiter w;
	bool good = true;
	pthread_t t;

	must(pthread_create(&t, NULL, wrong_value, &word) ? -1 : 0);
	for (int i = 0; i < 30; i++) {
		start(&w, &word, PWAIT);
		good = good && futex(&word, PWAKE, 1, NULL, NULL, 0) == 1 && woken(&w);
	}
	stop = true;
	pthread_join(t, NULL);
	ok(good, "a wake-up goes to one who sleeps, not to one who is turned away");
}

static void test_wake(void)
{
	static uint32_t word, other;
	struct waiter w[3];

	for (int i = 0; i < 3; i++)
		start(&w[i], &word, PWAIT);
	ok(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0) == 0,
	   "a shared wake-up finds no private one");
	ok(futex(&other, PWAKE, 9, NULL, NULL, 0) == 0, "nor does one of another word");
	ok(futex(&word, PWAKE, 1, NULL, NULL, 0) == 1 && woken(&w[0]), "the first goes first");
	ok(futex(&word, PWAKE, INT_MAX, NULL, NULL, 0) == 2, "all the others");
	ok(woken(&w[1]) && woken(&w[2]), "return 0");
	start(&w[0], &word, PWAIT);
	ok(futex(&word, FUTEX_REQUEUE | FUTEX_PRIVATE_FLAG, 0, (void *)5, &word, 0) == 1,
	   "moved to where it is already");
	ok(futex(&word, FUTEX_REQUEUE | FUTEX_PRIVATE_FLAG, 0, (void *)5, &other, 0) == 1,
	   "moved to another word");
	ok(futex(&word, PWAKE, 9, NULL, NULL, 0) == 0, "it is no longer here");
	ok(futex(&other, PWAKE, 9, NULL, NULL, 0) == 1 && woken(&w[0]), "but there");
}

static void test_errors(void)
{
	static uint32_t word, other;
	void *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *rdonly = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct timespec wrong = {0, -1}, zero = {0, 0};

	fails(futex(none, FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
	fails(futex(none, PWAIT, 0, NULL, NULL, 0), EFAULT);
	fails(futex(none, FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
	ok(futex(none, PWAKE, 1, NULL, NULL, 0) == 0, "a private wake-up looks at no memory");
	fails(futex(rdonly, FUTEX_WAIT, 1, NULL, NULL, 0), EFAULT);
	fails(futex(rdonly, PWAIT, 1, NULL, NULL, 0), EAGAIN);
	fails(futex(rdonly, PWAIT, 0, &zero, NULL, 0), ETIMEDOUT);
	fails(futex(&word, PWAIT, 0, &wrong, NULL, 0), EINVAL);
	fails(futex(&word, FUTEX_FD, 0, NULL, NULL, 0), ENOSYS);
	fails(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0), ENOSYS);
	fails(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, (char *)&other + 2, 0), EINVAL);
	fails(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)-1l, &other, 0), EINVAL);
	fails(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, none, 0), EFAULT);
	fails(futex(none, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 1, (void *)1, &word, 0), EFAULT);
	munmap(none, 4096);
	munmap(rdonly, 4096);
}

/* ---- FUTEX_WAKE_OP ---- */

enum { SET, ADD, OR, ANDN, XOR, SHIFT = 8 };
enum { EQ, NE, LT, LE, GT, GE };

static unsigned encode(unsigned op, int arg, unsigned cmp, int cmp_arg)
{
	return op << 28 | cmp << 24 | ((unsigned)arg & 0xfff) << 12 | ((unsigned)cmp_arg & 0xfff);
}

static long wake_op(uint32_t *a, uint32_t *b, unsigned encoded)
{
	return futex(a, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 1, (void *)1, b, encoded);
}

static void test_wake_op_words(void)
{
	static const struct {
		unsigned op;
		int arg;
		uint32_t before, after;
	} ops[] = {
		{SET, 5, 9, 5},          {SET, -1, 9, 0xffffffff},
		{ADD, 3, 4, 7},          {ADD, -5, 4, 0xffffffff},
		{OR, 6, 9, 15},          {ANDN, 6, 15, 9},
		{XOR, 6, 10, 12},        {SHIFT | SET, 31, 0, 1u << 31},
		{SHIFT | ADD, 4, 1, 17}, {XOR, -2048, 0, 0xfffff800},
	};
	static uint32_t a, b;
	bool good = true;

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		b = ops[i].before;
		if (wake_op(&a, &b, encode(ops[i].op, ops[i].arg, EQ, 0)) || b != ops[i].after) {
			printf("# operation %u: %x\n", ops[i].op, b);
			good = false;
		}
	}
	ok(good, "WAKE_OP sets, adds, ors, clears, flips");
	fails(wake_op(&a, &b, encode(5, 0, EQ, 0)), ENOSYS);
	fails(wake_op(&a, &b, encode(SET, 0, 6, 0)), ENOSYS);
	fails(wake_op(&a, (uint32_t *)8, encode(SET, 0, EQ, 0)), EFAULT);
	fails(wake_op(&a, (uint32_t *)((char *)&b + 1), encode(SET, 0, EQ, 0)), EINVAL);
}

static void test_wake_op_fresh_page(void)
{
	uint32_t *fresh =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static uint32_t a;

	ok(wake_op(&a, fresh, encode(ADD, 2, EQ, 0)) == 0 && *fresh == 2,
	   "on a page never touched");
	must(mprotect(fresh, 4096, PROT_READ));
	fails(wake_op(&a, fresh, encode(ADD, 2, EQ, 0)), EFAULT);
	ok(*fresh == 2, "a read-only one stays as it is");
	munmap(fresh, 4096);
}

static void test_wake_op_compare(void)
{
	static const struct {
		unsigned cmp;
		int arg;
		uint32_t old;
		bool holds;
	} cmps[] = {
		{EQ, 3, 3, true},  {EQ, 3, 4, false},  {NE, 3, 4, true}, {NE, 3, 3, false},
		{LT, 3, 2, true},  {LT, -1, 2, false}, {LE, 3, 3, true}, {LE, 3, 4, false},
		{GT, -1, 0, true}, {GT, 3, 3, false},  {GE, 3, 3, true}, {GE, 0, -1u, false},
	};
	static uint32_t a, b;
	struct waiter w1, w2;
	bool good = true;

	for (size_t i = 0; i < sizeof(cmps) / sizeof(cmps[0]); i++) {
		b = 0;
		start(&w1, &a, PWAIT);
		start(&w2, &b, PWAIT);
		b = cmps[i].old;
		if (wake_op(&a, &b, encode(SET, 0, cmps[i].cmp, cmps[i].arg)) !=
		    1 + cmps[i].holds) {
			printf("# comparison %zu\n", i);
			good = false;
		}
		if (!cmps[i].holds)
			good = good && futex(&b, PWAKE, 1, NULL, NULL, 0) == 1;
		good = good && woken(&w1) && woken(&w2);
	}
	ok(good, "the second word's waiters, when the old value compares so");
}

/* ---- time ---- */

static int64_t now_ns(int clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static struct timespec later(int clock, int ms)
{
	int64_t t = now_ns(clock) + ms * 1000000ll;

	return (struct timespec){t / 1000000000, t % 1000000000};
}

static void on_signal(int sig)
{
}

static void *send_signal(void *tid)
{
	for (int i = 0; i < 2000 && !is_asleep((pid_t)(intptr_t)tid); i++)
		nap(1);
	syscall(SYS_tkill, (pid_t)(intptr_t)tid, SIGUSR1);
	return NULL;
}

static long interrupted(int op, const struct timespec *ts)
{
	static uint32_t word;
	pthread_t t;
	long ret;

	must(pthread_create(&t, NULL, send_signal, (void *)(intptr_t)syscall(SYS_gettid)) ? -1 : 0);
	ret = futex(&word, op, 0, ts, NULL, ~0u);
	pthread_join(t, NULL);
	return ret;
}

static void *wake_later(void *word)
{
	nap(100);
	futex(word, PWAKE, 1, NULL, NULL, 0);
	return NULL;
}

static void test_time(void)
{
	struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct timespec rel = {0, 30000000}, ts;
	static uint32_t word;
	int64_t begin = now_ns(CLOCK_MONOTONIC);
	pthread_t t;

	fails(futex(&word, FUTEX_WAIT, 0, &rel, NULL, 0), ETIMEDOUT);
	ok(now_ns(CLOCK_MONOTONIC) - begin >= 30000000, "FUTEX_WAIT's time is a length");
	begin = now_ns(CLOCK_MONOTONIC);
	ts = later(CLOCK_MONOTONIC, 30);
	fails(futex(&word, FUTEX_WAIT_BITSET, 0, &ts, NULL, 1), ETIMEDOUT);
	ok(now_ns(CLOCK_MONOTONIC) - begin >= 30000000, "WAIT_BITSET's is a point in time");
	begin = now_ns(CLOCK_MONOTONIC);
	ts = later(CLOCK_REALTIME, 30);
	fails(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &ts, NULL, 1), ETIMEDOUT);
	ok(now_ns(CLOCK_MONOTONIC) - begin >= 29000000, "of either clock");

	sigaction(SIGUSR1, &act, NULL);
	ts = later(CLOCK_MONOTONIC, 5000);
	rel = (struct timespec){5, 0};
	fails(interrupted(FUTEX_WAIT, &rel), EINTR);
	fails(interrupted(FUTEX_WAIT_BITSET, &ts), EINTR);
	act.sa_flags = 0;
	sigaction(SIGUSR1, &act, NULL);
	fails(interrupted(FUTEX_WAIT, NULL), EINTR);
	act.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &act, NULL);
	must(pthread_create(&t, NULL, wake_later, &word) ? -1 : 0);
	must(pthread_kill(pthread_self(), SIGUSR1) ? -1 : 0);
	ok(futex(&word, PWAIT, 0, NULL, NULL, 0) == 0, "without a limit, until it is woken");
	pthread_join(t, NULL);
}

/* ---- memory that is shared ---- */

static void test_shared(void)
{
	char name[] = "/tmp/futex.XXXXXX";
	int fd = must(mkstemp(name)), status;
	volatile uint32_t *a, *b;
	struct waiter w;
	pid_t pid;
	long n = 0;

	must(ftruncate(fd, 8192));
	a = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
	must((long)a);
	must((long)b);
	a += 1024;
	start(&w, &a[3], FUTEX_WAIT);
	ok(futex(&b[4], FUTEX_WAKE, 9, NULL, NULL, 0) == 0, "another word of the same page");
	ok(futex(&b[3], PWAKE, 9, NULL, NULL, 0) == 0, "a private wake-up finds no shared one");
	ok(futex(&b[3], FUTEX_WAKE, 9, NULL, NULL, 0) == 1 && woken(&w),
	   "a file's word, mapped at two addresses");
	pid = must(fork());
	if (!pid) {
		munmap((void *)b, 4096);
		_exit(futex(&a[5], FUTEX_WAIT, 0, NULL, NULL, 0) ? 1 : 0);
	}
	for (int i = 0; i < 2000 && !n; i++) {
		nap(1);
		n = futex(&b[5], FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	must(waitpid(pid, &status, 0));
	ok(n == 1 && !status, "in two processes, at different addresses");
	close(fd);
	unlink(name);
}

/* ---- futex_waitv ---- */

struct waitv {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};

static long waitv(struct waitv *v, unsigned n, unsigned flags, const struct timespec *ts, int clock)
{
	return syscall(SYS_waitv, v, n, flags, ts, clock);
}

static void *wake_third(void *word)
{
	long n = 0;

	for (int i = 0; i < 2000 && !n; i++) {
		nap(1);
		n = futex(word, PWAKE, 1, NULL, NULL, 0);
	}
	return (void *)n;
}

static void test_waitv(void)
{
	static uint32_t words[130];
	static struct waitv v[130];
	struct timespec ts = later(CLOCK_MONOTONIC, 20);
	pthread_t t;
	void *n;

	for (int i = 0; i < 130; i++)
		v[i] = (struct waitv){0, (uintptr_t)&words[i], 2 | FUTEX_PRIVATE_FLAG, 0};
	fails(waitv(v, 0, 0, NULL, 0), EINVAL);
	fails(waitv(v, 129, 0, NULL, 0), EINVAL);
	fails(waitv(NULL, 1, 0, NULL, 0), EINVAL);
	fails(waitv((void *)8, 1, 0, NULL, 0), EFAULT);
	fails(waitv(v, 1, 1, NULL, 0), EINVAL);
	fails(waitv(v, 1, 0, &ts, CLOCK_BOOTTIME), EINVAL);
	fails(waitv(v, 1, 0, (void *)8, CLOCK_MONOTONIC), EFAULT);
	fails(waitv(v, 128, 0, &ts, CLOCK_MONOTONIC), ETIMEDOUT);
	ts = later(CLOCK_REALTIME, 20);
	fails(waitv(v, 2, 0, &ts, CLOCK_REALTIME), ETIMEDOUT);
	v[1].val = 1;
	fails(waitv(v, 2, 0, NULL, 0), EAGAIN);
	v[1] = (struct waitv){0, (uintptr_t)&words[1], 2, 7};
	fails(waitv(v, 2, 0, NULL, 0), EINVAL);
	v[1] = (struct waitv){0, (uintptr_t)&words[1], FUTEX_PRIVATE_FLAG, 0};
	fails(waitv(v, 2, 0, NULL, 0), EINVAL);
	v[1] = (struct waitv){0, 8, 2 | FUTEX_PRIVATE_FLAG, 0};
	fails(waitv(v, 2, 0, NULL, 0), EFAULT);
	v[1] = (struct waitv){0, (uintptr_t)&words[1], 2 | FUTEX_PRIVATE_FLAG, 0};
	must(pthread_create(&t, NULL, wake_third, &words[3]) ? -1 : 0);
	ok(waitv(v, 5, 0, NULL, 0) == 3, "waitv says which word it was");
	pthread_join(t, &n);
	ok((long)n == 1, "the waker counts it");
	ok(futex(&words[0], PWAKE, 1, NULL, NULL, 0) == 0, "and it waits for no other any more");
}

/* ---- robust lists ---- */

struct robust_head {
	uint64_t list;
	int64_t offset;
	uint64_t pending;
};

/* A lock as pthreads have them: a link and, @offset behind it, the word. */
struct lock {
	uint64_t next;
	uint32_t word, pad;
};

/* In shared memory, so that the parent sees what the kernel has done. */
static struct shared {
	struct robust_head head;
	struct lock lock[4];
} * s;

/* The child, with its own list, ends by @how; the waiter's result tells whether it was woken. */
static int robust_child(void (*how)(void))
{
	int status;
	pid_t pid = must(fork());

	if (!pid) {
		uint32_t tid = (uint32_t)syscall(SYS_gettid);

		for (int i = 0; i < 3; i++) {
			s->lock[i].next = (uintptr_t)(i < 2 ? &s->lock[i + 1] : (void *)&s->head);
			s->lock[i].word = tid | (i == 1 ? FUTEX_WAITERS : 0);
		}
		s->lock[2].word = 12345; /* somebody else's */
		s->lock[3].word = tid;
		s->head.list = (uintptr_t)&s->lock[0];
		s->head.offset = offsetof(struct lock, word);
		s->head.pending = (uintptr_t)&s->lock[3];
		syscall(SYS_set_robust_list, &s->head, sizeof(s->head));
		how();
		_exit(0);
	}
	must(waitpid(pid, &status, 0));
	return status;
}

static void just_exit(void)
{
	_exit(3);
}

static void be_killed(void)
{
	kill(getpid(), SIGKILL);
}

static void exec_self(void)
{
	execl("/proc/self/exe", "futex", "exit", (char *)NULL);
}

static void bad_list(void)
{
	s->lock[0].next = 8;
	_exit(3);
}

static void endless_list(void)
{
	s->lock[1].next = (uintptr_t)&s->lock[0];
	_exit(3);
}

static bool died(int i)
{
	return (s->lock[i].word & ~FUTEX_WAITERS) == FUTEX_OWNER_DIED;
}

static void test_robust(void)
{
	uint64_t *head = NULL;
	size_t len = 0;
	int status;

	s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fails(syscall(SYS_set_robust_list, s, 23), EINVAL);
	fails(syscall(SYS_get_robust_list, 0x3ffffff, &head, &len), ESRCH);
	fails(syscall(SYS_get_robust_list, 0, (void *)8, &len), EFAULT);
	status = robust_child(just_exit);
	ok(WEXITSTATUS(status) == 3 && died(0) && died(1), "exit: the owner of the locks has died");
	ok(s->lock[1].word & FUTEX_WAITERS, "that somebody waits stays noted");
	ok(s->lock[2].word == 12345, "another's lock is left alone");
	ok(died(3), "the one that was being taken, too");
	status = robust_child(be_killed);
	ok(WIFSIGNALED(status) && died(0) && died(1) && died(3), "death by a signal");
	status = robust_child(exec_self);
	ok(WEXITSTATUS(status) == 17 && died(0) && died(1) && died(3), "a new program");
	status = robust_child(bad_list);
	ok(WEXITSTATUS(status) == 3 && died(0) && !died(3), "a list that leads nowhere");
	status = robust_child(endless_list);
	ok(WEXITSTATUS(status) == 3 && died(0) && died(1), "one that does not end");
}

static void test_robust_wakes(void)
{
	struct waiter w;

	s->lock[1].word = 0;
	start(&w, &s->lock[1].word, FUTEX_WAIT);
	robust_child(just_exit);
	ok(woken(&w), "who waits for a dead owner's lock is woken");
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return 17;
	test_no_stealing();
	test_wake();
	test_errors();
	test_wake_op_words();
	test_wake_op_fresh_page();
	test_wake_op_compare();
	test_time();
	test_shared();
	test_waitv();
	test_robust();
	test_robust_wakes();
	return tap_done();
}
