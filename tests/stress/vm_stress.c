/*
 * vm_stress: memory holds what was written to it, and nothing else, while it is mapped, unmapped,
 * protected, shared with children and copied on write by several threads of one address space.
 *
 * Each thread has an arena of pages and a note of what each page is: unmapped, of which contents, or
 * read-only. After every step it looks at some page: right contents, or SIGSEGV where there is
 * nothing to see. Forked children check the whole arena of their thread, scribble over their copy
 * and go; the parent's must not change.
 *
 * The last thread tests that rights are taken away on every CPU: one keeps counting in a page, the
 * other makes the page read-only. From when mprotect() has returned, the count stands still.
 */
#define _GNU_SOURCE
#include "stress.h"

#include <setjmp.h>

#define PAGE        4096
#define PAGES       96
#define WORDS       (PAGE / sizeof(uint64_t))
#define MOST_ACTORS 32

enum { NOTHING = 0, ZERO = 1 }; /* what a page may be besides: the seed of its contents */

struct arena {
	uint64_t *base;
	uint64_t is[PAGES];
	bool read_only[PAGES];
	struct rng r;
};

static __thread sigjmp_buf landing;
static __thread volatile sig_atomic_t expecting;
static pthread_barrier_t barrier;
static bool done;

static void on_fault(int sig, siginfo_t *info, void *uc)
{
	(void)uc;
	if (!expecting)
		fail("signal %d at %p", sig, info->si_addr);
	siglongjmp(landing, 1);
}

static bool faults(volatile uint64_t *p, bool write)
{
	bool faulted = true;

	expecting = 1;
	if (!sigsetjmp(landing, 1)) {
		uint64_t value = *p;

		if (write)
			*p = value;
		faulted = false;
	}
	expecting = 0;
	return faulted;
}

static uint64_t word(uint64_t seed, unsigned i)
{
	return seed == ZERO ? 0 : seed * 0x9e3779b97f4a7c15ull + i;
}

static void fill(struct arena *a, unsigned page, uint64_t seed)
{
	uint64_t *p = a->base + page * WORDS;

	for (unsigned i = 0; i < WORDS; i++)
		p[i] = word(seed, i);
	a->is[page] = seed;
}

static void look(struct arena *a, unsigned page)
{
	uint64_t *p = a->base + page * WORDS;

	if (a->is[page] == NOTHING) {
		if (!faults(p + page, false))
			fail("an unmapped page can be read: %p", (void *)p);
		return;
	}
	for (unsigned i = 0; i < WORDS; i++) {
		if (p[i] != word(a->is[page], i))
			fail("page %u word %u is %llx, not %llx", page, i, (unsigned long long)p[i],
			     (unsigned long long)word(a->is[page], i));
	}
	if (a->read_only[page] && !faults(p + page, true))
		fail("a read-only page can be written: %p", (void *)p);
}

static void map(struct arena *a, unsigned page, unsigned n)
{
	check(mmap(a->base + page * WORDS, n * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	for (; n; n--, page++) {
		a->is[page] = ZERO;
		a->read_only[page] = false;
	}
}

/* No other thread maps here meanwhile: the hole is inside a reservation that MAP_FIXED restores. */
static void unmap(struct arena *a, unsigned page, unsigned n)
{
	if (below(&a->r, 2))
		check(mmap(a->base + page * WORDS, n * PAGE, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
			   0) != MAP_FAILED);
	else
		check(!mprotect(a->base + page * WORDS, n * PAGE, PROT_NONE) &&
		      !madvise(a->base + page * WORDS, n * PAGE, MADV_DONTNEED));
	for (; n; n--, page++)
		a->is[page] = NOTHING;
}

static void protect(struct arena *a, unsigned page, unsigned n, bool read_only)
{
	for (; n && page < PAGES; n--, page++) {
		if (a->is[page] == NOTHING)
			continue;
		check(!mprotect(a->base + page * WORDS, PAGE,
				PROT_READ | (read_only ? 0 : PROT_WRITE)));
		a->read_only[page] = read_only;
	}
}

static void with_child(struct arena *a)
{
	unsigned scribbled = below(&a->r, PAGES);
	int status;
	pid_t pid = fork();

	check(pid >= 0);
	if (!pid) {
		for (unsigned i = 0; i < PAGES; i++) {
			look(a, i);
			if (a->is[i] != NOTHING && !a->read_only[i])
				fill(a, i, 12345);
		}
		for (unsigned i = 0; i < PAGES; i++)
			look(a, i);
		_exit(0);
	}
	if (a->is[scribbled] != NOTHING && !a->read_only[scribbled])
		fill(a, scribbled, rnd(&a->r) | 2);
	check(waitpid(pid, &status, 0) == pid);
	if (status)
		fail("the child ended with status %x", status);
}

static void step(struct arena *a)
{
	unsigned page = below(&a->r, PAGES), n = 1 + below(&a->r, 16);
	unsigned what = below(&a->r, 64);

	if (page + n > PAGES)
		n = PAGES - page;
	if (what < 10)
		map(a, page, n);
	else if (what < 16)
		unmap(a, page, n);
	else if (what < 24)
		protect(a, page, n, what & 1);
	else if (what < 62 && a->is[page] != NOTHING && !a->read_only[page])
		fill(a, page, rnd(&a->r) | 2);
	else if (what == 63)
		with_child(a);
	look(a, below(&a->r, PAGES));
}

static void *actor(void *arg)
{
	struct arena *a = arg;

	for (;;) {
		pthread_barrier_wait(&barrier);
		if (done)
			return NULL;
		for (int i = 0; i < 200; i++)
			step(a);
		for (unsigned i = 0; i < PAGES; i++)
			look(a, i);
		pthread_barrier_wait(&barrier);
	}
}

/* ---- rights are taken away everywhere ---- */

static volatile uint64_t *counted;
static bool may_count;

static void *counter(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
		expecting = 1;
		if (!sigsetjmp(landing, 1)) {
			while (!__atomic_load_n(&done, __ATOMIC_RELAXED))
				*counted = *counted + 1;
		}
		expecting = 0;
		while (!__atomic_load_n(&may_count, __ATOMIC_ACQUIRE) &&
		       !__atomic_load_n(&done, __ATOMIC_ACQUIRE))
			sched_yield();
	}
	return NULL;
}

static void take_rights_away(void)
{
	uint64_t at;

	__atomic_store_n(&may_count, false, __ATOMIC_RELEASE);
	check(!mprotect((void *)counted, PAGE, PROT_READ));
	at = *counted;
	for (int i = 0; i < 2000; i++) {
		if (*counted != at)
			fail("a page was written after mprotect() had made it read-only");
	}
	check(!mprotect((void *)counted, PAGE, PROT_READ | PROT_WRITE));
	__atomic_store_n(&may_count, true, __ATOMIC_RELEASE);
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	static struct arena arenas[MOST_ACTORS];
	pthread_t threads[MOST_ACTORS], count;
	unsigned long rounds = 0;

	start(argc, argv, 3);
	check(options.actors <= MOST_ACTORS);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	pthread_barrier_init(&barrier, NULL, options.actors + 1);
	counted = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(counted != MAP_FAILED);
	check(!pthread_create(&count, NULL, counter, NULL));
	for (unsigned i = 0; i < options.actors; i++) {
		arenas[i].r = rng_for(i);
		arenas[i].base = mmap(NULL, PAGES * PAGE, PROT_NONE,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		check(arenas[i].base != MAP_FAILED);
		check(!pthread_create(&threads[i], NULL, actor, &arenas[i]));
	}
	for (; go_on(rounds); rounds++) {
		pthread_barrier_wait(&barrier);
		take_rights_away();
		pthread_barrier_wait(&barrier);
	}
	__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < options.actors; i++)
		pthread_join(threads[i], NULL);
	pthread_join(count, NULL);
	printf("%s: ok, %lu rounds\n", options.name, rounds);
	return 0;
}
