/*
 * Futexes with priority inheritance: FUTEX_LOCK_PI and its kin, what becomes of a lock whose owner ends,
 * FUTEX_WAIT_REQUEUE_PI, and what pthreads make of it.
 */
#include "tap.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

/* futex(2); musl-gcc has no kernel headers. */
#define WAIT            (0 | PRIVATE)
#define WAKE            (1 | PRIVATE)
#define REQUEUE         (3 | PRIVATE)
#define WAKE_OP         (5 | PRIVATE)
#define LOCK_PI         (6 | PRIVATE)
#define UNLOCK_PI       (7 | PRIVATE)
#define TRYLOCK_PI      (8 | PRIVATE)
#define WAIT_REQUEUE_PI (11 | PRIVATE)
#define CMP_REQUEUE_PI  (12 | PRIVATE)
#define LOCK_PI2        (13 | PRIVATE)
#define PRIVATE         128
#define REALTIME        256
#define WAITERS         0x80000000u
#define OWNER_DIED      0x40000000u
#define TID             0x3fffffffu
#define NOBODY          0x3ffffffeu /* no thread has this id */

typedef volatile uint32_t word_t;

static word_t lock, other, cond;

static long futex(volatile void *addr, int op, unsigned val, const void *arg, volatile void *addr2,
		  unsigned val3)
{
	return syscall(SYS_futex, addr, op, val, arg, addr2, val3);
}

static long take(word_t *w)
{
	return futex(w, LOCK_PI, 0, NULL, NULL, 0);
}

static long give(word_t *w)
{
	return futex(w, UNLOCK_PI, 0, NULL, NULL, 0);
}

static uint32_t gettid_(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

static struct timespec after(clockid_t clock, int ms)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_nsec += (long)(ms % 1000) * 1000000;
	ts.tv_sec += ms / 1000 + ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

/* ---- a thread that does one thing, and then another when it is told to ---- */

struct helper {
	pthread_t thread;
	void (*job)(struct helper *h);
	word_t *word;
	const struct timespec *limit;
	volatile pid_t tid;
	volatile long result;
	volatile int error, priority;
	volatile uint32_t seen;
	int done[2]; /* it says that the first part is done */
	int more[2]; /* and waits for this */
};

static void *run(void *arg)
{
	struct helper *h = arg;

	h->tid = (pid_t)gettid_();
	h->job(h);
	return NULL;
}

static void tell(int fd)
{
	must(write(fd, "x", 1));
}

static void hear(int fd)
{
	char c;

	must(read(fd, &c, 1));
}

static void start(struct helper *h, void (*job)(struct helper *), word_t *word)
{
	h->job = job;
	h->word = word;
	h->tid = 0;
	h->result = 77;
	must(pipe(h->done));
	must(pipe(h->more));
	must(pthread_create(&h->thread, NULL, run, h) ? -1 : 0);
	while (!h->tid)
		usleep(500);
}

static void await_sleep(struct helper *h)
{
	for (int i = 0; i < 4000 && !is_asleep(h->tid); i++)
		usleep(500);
}

static void end(struct helper *h)
{
	pthread_join(h->thread, NULL);
	for (int i = 0; i < 2; i++) {
		close(h->done[i]);
		close(h->more[i]);
	}
}

static void note(struct helper *h, long result)
{
	h->error = errno;
	h->result = result;
	h->seen = *h->word;
}

/* Takes the lock, and gives it back when it is told to. */
static void holds(struct helper *h)
{
	note(h, take(h->word));
	tell(h->done[1]);
	hear(h->more[0]);
	give(h->word);
}

static struct helper *holder(struct helper *h, word_t *word)
{
	start(h, holds, word);
	hear(h->done[0]);
	return h;
}

static void let_go(struct helper *h)
{
	tell(h->more[1]);
	end(h);
}

/* Takes the lock and ends. */
static void dies(struct helper *h)
{
	note(h, take(h->word));
	tell(h->done[1]);
	hear(h->more[0]);
}

/* ---- one thread ---- */

static void test_alone(void)
{
	uint32_t me = gettid_();
	char *bad = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	lock = 0;
	ok(take(&lock) == 0 && lock == me, "a free lock is taken: the word is the thread's id");
	fails(take(&lock), EDEADLK);
	fails(futex(&lock, TRYLOCK_PI, 0, NULL, NULL, 0), EDEADLK);
	ok(give(&lock) == 0 && lock == 0, "and given back");
	fails(give(&lock), EPERM);
	ok(futex(&lock, TRYLOCK_PI, 0, NULL, NULL, 0) == 0 && lock == me, "taken by an attempt");
	ok(give(&lock) == 0 && lock == 0, "given back");
	ok(futex(&lock, LOCK_PI2, 0, NULL, NULL, 0) == 0 && lock == me, "and by LOCK_PI2");
	lock |= WAITERS;
	ok(give(&lock) == 0 && lock == 0, "WAITERS without waiters");
	lock = OWNER_DIED;
	ok(take(&lock) == 0 && lock == (me | OWNER_DIED), "a lock whose owner has died is free");
	ok(give(&lock) == 0 && lock == 0, "and well again");
	lock = NOBODY;
	fails(take(&lock), ESRCH);
	fails(futex(&lock, TRYLOCK_PI, 0, NULL, NULL, 0), ESRCH);
	fails(give(&lock), EPERM);
	lock = 0;
	fails(take((word_t *)((char *)&lock + 1)), EINVAL);
	fails(take((word_t *)8), EFAULT);
	fails(take((word_t *)bad), EFAULT);
	fails(give((word_t *)8), EFAULT);
	fails(futex(&lock, LOCK_PI | REALTIME, 0, NULL, NULL, 0), ENOSYS);
	fails(futex(&lock, UNLOCK_PI | REALTIME, 0, NULL, NULL, 0), ENOSYS);
	munmap(bad, 4096);
}

/* ---- waiting ---- */

static void test_timeouts(void)
{
	struct timespec past = {0, 1}, soon;
	struct helper h = {0};

	lock = 0;
	holder(&h, &lock);
	fails(futex(&lock, TRYLOCK_PI, 0, NULL, NULL, 0), EAGAIN);
	fails(futex(&lock, LOCK_PI, 0, &past, NULL, 0), ETIMEDOUT);
	soon = after(CLOCK_REALTIME, 20);
	fails(futex(&lock, LOCK_PI, 0, &soon, NULL, 0), ETIMEDOUT);
	soon = after(CLOCK_MONOTONIC, 20);
	fails(futex(&lock, LOCK_PI2, 0, &soon, NULL, 0), ETIMEDOUT);
	soon = after(CLOCK_REALTIME, 20);
	fails(futex(&lock, LOCK_PI2 | REALTIME, 0, &soon, NULL, 0), ETIMEDOUT);
	past.tv_nsec = -1;
	fails(futex(&lock, LOCK_PI, 0, &past, NULL, 0), EINVAL);
	ok(lock == (WAITERS | (uint32_t)h.tid), "the word says that somebody waited");
	fails(give(&lock), EPERM);
	let_go(&h);
	ok(lock == 0, "and is free when nobody does any more");
}

static volatile int order[8], taken;

static void waits(struct helper *h)
{
	note(h, take(h->word));
	order[taken++] = h->priority; /* under the lock */
	give(h->word);
}

static void test_order(void)
{
	struct helper a = {0}, w[4] = {0};
	bool right = true;

	lock = taken = 0;
	holder(&a, &lock);
	for (int i = 0; i < 4; i++) {
		w[i].priority = i;
		start(&w[i], waits, &lock);
		await_sleep(&w[i]);
	}
	let_go(&a);
	for (int i = 0; i < 4; i++) {
		end(&w[i]);
		right &= order[i] == i && !w[i].result;
		right &= w[i].seen == (WAITERS | (uint32_t)w[i].tid);
	}
	ok(right, "handed over in order of arrival, by the kernel, with WAITERS");
	ok(lock == 0, "the last one frees it");
}

static void waits_urgently(struct helper *h)
{
	struct sched_param p = {.sched_priority = h->priority};

	if (syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &p))
		h->error = errno;
	else
		waits(h);
}

/* Only who has the right can be urgent; others are told so. */
static void test_priority(void)
{
	static const int priorities[] = {1, 3, 2, 3};
	struct helper a = {0}, w[4] = {0};
	bool right = true, allowed = true;

	lock = taken = 0;
	holder(&a, &lock);
	for (int i = 0; i < 4; i++) {
		w[i].priority = priorities[i];
		start(&w[i], waits_urgently, &lock);
		if (!w[i].error)
			await_sleep(&w[i]);
	}
	let_go(&a);
	for (int i = 0; i < 4; i++) {
		end(&w[i]);
		allowed &= w[i].result == 0;
		right &= allowed || w[i].error == EPERM;
	}
	if (allowed)
		right = order[0] == 3 && order[1] == 3 && order[2] == 2 && order[3] == 1;
	ok(right, "the most urgent first");
}

static void crosses(struct helper *h)
{
	note(h, take(&other));
	tell(h->done[1]);
	h->result = take(&lock);
	give(&lock);
	give(&other);
}

static void test_circle(void)
{
	struct helper h = {0};

	lock = other = 0;
	take(&lock);
	start(&h, crosses, &other);
	hear(h.done[0]);
	await_sleep(&h);
	fails(take(&other), EDEADLK);
	ok(give(&lock) == 0, "who waits for the other one lets go");
	end(&h);
	ok(h.result == 0 && take(&other) == 0 && give(&other) == 0, "and both come free");
}

/* ---- others at the same word ---- */

static void waits_plainly(struct helper *h)
{
	note(h, futex(h->word, WAIT, *h->word, NULL, NULL, 0));
}

static void test_mixed(void)
{
	struct helper h = {0}, w = {0};

	lock = other = 0;
	holder(&h, &lock);
	start(&w, waits_plainly, &lock);
	await_sleep(&w);
	fails(take(&lock), EINVAL);
	ok(futex(&lock, WAKE, 1, NULL, NULL, 0) == 1, "a plain waiter of the word");
	end(&w);
	start(&w, waits, &lock);
	await_sleep(&w);
	fails(futex(&lock, WAKE, 1, NULL, NULL, 0), EINVAL);
	fails(futex(&lock, REQUEUE, 0, (void *)1, &other, 0), EINVAL);
	fails(futex(&lock, WAKE_OP, 1, NULL, &other, 0), EINVAL);
	let_go(&h);
	end(&w);
	ok(w.result == 0 && lock == 0, "who waits for the lock gets it all the same");

	/* The word lies about its owner. */
	holder(&h, &lock);
	start(&w, waits, &lock);
	await_sleep(&w);
	uint32_t right = lock;
	lock = WAITERS | (uint32_t)w.tid;
	fails(take(&lock), EINVAL);
	lock = WAITERS | gettid_();
	fails(give(&lock), EINVAL);
	lock = right;
	let_go(&h);
	end(&w);
}

/* ---- owners that end ---- */

static void test_dead_owner(void)
{
	struct helper h = {0}, w[2] = {0};

	lock = taken = 0;
	start(&h, dies, &lock);
	hear(h.done[0]);
	for (int i = 0; i < 2; i++) {
		start(&w[i], waits, &lock);
		await_sleep(&w[i]);
	}
	let_go(&h);
	end(&w[0]);
	end(&w[1]);
	ok(w[0].result == 0 && w[0].seen == (WAITERS | OWNER_DIED | (uint32_t)w[0].tid),
	   "the first waiter inherits a lock, and is told by OWNER_DIED");
	ok(w[1].result == 0 && w[1].seen == (WAITERS | (uint32_t)w[1].tid),
	   "the second gets it as ever");
	start(&h, dies, &lock);
	hear(h.done[0]);
	let_go(&h);
	fails(take(&lock), ESRCH);
	lock = 0;
}

struct robust_head {
	void *list;
	long offset;
	void *pending;
};

static struct {
	void *next;
	word_t word;
} robust_lock;

/* In a robust list, marked as a lock of this kind by bit 0. */
static void dies_robust(struct helper *h)
{
	static struct robust_head head;

	head.offset = offsetof(typeof(robust_lock), word);
	head.list = (char *)&robust_lock + 1;
	robust_lock.next = &head;
	must(syscall(SYS_set_robust_list, &head, sizeof(head)));
	dies(h);
}

static void test_robust(void)
{
	struct helper h = {0}, w = {0};

	robust_lock.word = taken = 0;
	start(&h, dies_robust, &robust_lock.word);
	hear(h.done[0]);
	let_go(&h);
	ok(robust_lock.word == OWNER_DIED, "a robust lock of a dead thread says so");
	ok(take(&robust_lock.word) == 0 && robust_lock.word == (OWNER_DIED | gettid_()),
	   "and can be taken");
	give(&robust_lock.word);
	start(&h, dies_robust, &robust_lock.word);
	hear(h.done[0]);
	start(&w, waits, &robust_lock.word);
	await_sleep(&w);
	let_go(&h);
	end(&w);
	ok(w.result == 0 && w.seen == (WAITERS | OWNER_DIED | (uint32_t)w.tid), "or inherited");
}

/* ---- conditions ---- */

static void waits_cond(struct helper *h)
{
	note(h, futex(&cond, WAIT_REQUEUE_PI, 0, h->limit, &lock, 0));
	h->seen = lock;
	if (!h->result)
		give(&lock);
}

static long requeue(int nr)
{
	return futex(&cond, CMP_REQUEUE_PI, 1, (void *)(long)nr, &lock, 0);
}

static void start_cond(struct helper *h)
{
	start(h, waits_cond, &cond);
	await_sleep(h);
}

static void on_signal(int sig)
{
}

static void test_requeue(void)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct timespec soon;
	struct helper w[3] = {0};

	lock = cond = 0;
	must(sigaction(SIGUSR1, &sa, NULL));
	fails(futex(&cond, WAIT_REQUEUE_PI, 0, NULL, &cond, 0), EINVAL);
	fails(futex(&cond, WAIT_REQUEUE_PI, 1, NULL, &lock, 0), EAGAIN);
	soon = after(CLOCK_MONOTONIC, 20);
	fails(futex(&cond, WAIT_REQUEUE_PI, 0, &soon, &lock, 0), ETIMEDOUT);
	fails(futex(&cond, CMP_REQUEUE_PI, 1, NULL, &cond, 0), EINVAL);
	fails(futex(&cond, CMP_REQUEUE_PI, 2, NULL, &lock, 0), EINVAL);
	fails(futex(&cond, CMP_REQUEUE_PI, 1, NULL, &lock, 1), EAGAIN);
	ok(requeue(INT_MAX) == 0, "nobody waits");

	start_cond(&w[0]);
	fails(futex(&cond, WAKE, 1, NULL, NULL, 0), EINVAL);
	fails(futex(&cond, REQUEUE, 1, NULL, &other, 0), EINVAL);
	fails(futex(&cond, CMP_REQUEUE_PI, 1, NULL, &other, 0), EINVAL);
	pthread_kill(w[0].thread, SIGUSR1);
	usleep(5000);
	await_sleep(&w[0]);
	ok(requeue(0) == 1,
	   "a signal does not end the wait; the lock is free, and given to the waiter");
	end(&w[0]);
	ok(w[0].result == 0 && w[0].seen == (uint32_t)w[0].tid, "who wakes with it");

	for (int i = 0; i < 3; i++)
		start_cond(&w[i]);
	take(&lock);
	ok(requeue(INT_MAX) == 3, "three wait for the lock instead");
	ok(lock == (WAITERS | gettid_()), "which is ours");
	give(&lock);
	for (int i = 0; i < 3; i++)
		end(&w[i]);
	ok(!w[0].result && !w[1].result && !w[2].result && lock == 0, "they get it one by one");

	start_cond(&w[0]);
	start_cond(&w[1]);
	ok(requeue(1) == 2, "two, and the lock is free");
	end(&w[0]);
	end(&w[1]);
	ok(!w[0].result && w[0].seen == (WAITERS | (uint32_t)w[0].tid), "the first has it at once");
	ok(!w[1].result && lock == 0, "the second later");

	start_cond(&w[0]);
	take(&lock);
	ok(requeue(0) == 1, "one waits for the lock");
	pthread_kill(w[0].thread, SIGUSR1);
	end(&w[0]);
	ok(w[0].result == -1 && w[0].error == EAGAIN, "there a signal ends the wait: EAGAIN");
	soon = after(CLOCK_MONOTONIC, 300);
	w[0].limit = &soon;
	start_cond(&w[0]);
	ok(requeue(0) == 1, "one more");
	end(&w[0]);
	ok(w[0].result == -1 && w[0].error == ETIMEDOUT, "and time is up for it");
	ok(give(&lock) == 0 && lock == 0, "nobody is left");
	w[0].limit = NULL;

	/* Two that cannot go to the lock together. */
	start(&w[0], waits_plainly, &cond);
	await_sleep(&w[0]);
	fails(requeue(0), EINVAL);
	ok(futex(&cond, WAKE, 1, NULL, NULL, 0) == 1, "a plain waiter is for plain calls");
	end(&w[0]);
}

/* ---- processes ---- */

static void test_shared(void)
{
	word_t *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int p[2], status = -1;
	pid_t pid;

	must(pipe(p));
	must(futex(word, LOCK_PI & ~PRIVATE, 0, NULL, NULL, 0));
	pid = must(fork());
	if (!pid) {
		tell(p[1]);
		_exit(futex(word, LOCK_PI & ~PRIVATE, 0, NULL, NULL, 0) ? 1 : 7);
	}
	hear(p[0]);
	while (!(*word & WAITERS))
		usleep(1000);
	ok(futex(word, UNLOCK_PI & ~PRIVATE, 0, NULL, NULL, 0) == 0, "a lock in shared memory");
	waitpid(pid, &status, 0);
	ok(WEXITSTATUS(status) == 7 && (*word & TID) == (uint32_t)pid, "is another process's now");
	fails(futex(word, LOCK_PI & ~PRIVATE, 0, NULL, NULL, 0), ESRCH);
	munmap((void *)word, 4096);
	close(p[0]);
	close(p[1]);
}

/* ---- pthreads ---- */

#define ROUNDS 300

static pthread_mutex_t mutex;
static int counter;

static void *counts(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&mutex);
		int n = counter;
		if (i % 16 == 0)
			sched_yield();
		counter = n + 1;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void *locks(void *arg)
{
	pthread_mutex_lock(&mutex);
	return NULL;
}

static void test_pthread(void)
{
	pthread_mutexattr_t a;
	pthread_t t[4];

	pthread_mutexattr_init(&a);
	ok(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT) == 0, "PTHREAD_PRIO_INHERIT");
	pthread_mutex_init(&mutex, &a);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, counts, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	ok(counter == 4 * ROUNDS, "four threads count");
	ok(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST) == 0, "and robust");
	pthread_mutex_init(&mutex, &a);
	pthread_create(&t[0], NULL, locks, NULL);
	pthread_join(t[0], NULL);
	ok(pthread_mutex_lock(&mutex) == EOWNERDEAD, "the owner has died");
	ok(pthread_mutex_consistent(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0,
	   "it is mended");
	pthread_mutex_lock(&mutex);
	pthread_create(&t[0], NULL, counts, NULL);
	usleep(10000);
	pthread_mutex_unlock(&mutex);
	pthread_join(t[0], NULL);
	ok(pthread_mutex_trylock(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0, "and in use");
}

int main(void)
{
	test_alone();
	test_timeouts();
	test_order();
	test_priority();
	test_circle();
	test_mixed();
	test_dead_owner();
	test_robust();
	test_requeue();
	test_shared();
	test_pthread();
	return tap_done();
}
