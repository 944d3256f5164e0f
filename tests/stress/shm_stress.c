/*
 * shm_stress: segments of System V shared memory are made, found by their keys, attached, detached and
 * removed by many threads and by children, all at once.
 *
 * A page that is attached stays what it was, removed or not: whoever attaches a segment finds in it what
 * the first one wrote, which is the segment's id, on every page. Between the rounds all are removed, and
 * none is left.
 */
#define _GNU_SOURCE
#include "rounds.h"

#include <sys/shm.h>

#define STEPS 40
#define KEYS  6
#define PAGE  4096
#define PAGES 5

static key_t base;
static unsigned long attached, removed, children;

static void count(unsigned long *n)
{
	__atomic_fetch_add(n, 1, __ATOMIC_SEQ_CST);
}

/* Writes the id into a page where nobody has, and finds it everywhere else. */
static void look(volatile uint32_t *p, unsigned page, uint32_t id)
{
	uint32_t *word = (uint32_t *)&p[page * (PAGE / 4)], seen = 0;

	if (!__atomic_compare_exchange_n(word, &seen, id + 1, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST) &&
	    seen != id + 1)
		fail("a page of segment %u says %u", id, seen - 1);
}

static void in_child(void *p, uint32_t id, bool detach)
{
	pid_t pid = fork();
	int status;

	check(pid >= 0);
	if (!pid) {
		look(p, 1, id);
		_exit(detach && shmdt(p) ? 1 : 0);
	}
	check(waitpid(pid, &status, 0) == pid && !status);
	count(&children);
}

static void step(struct rng *r)
{
	key_t key = base + (key_t)below(r, KEYS);
	int id = shmget(key, PAGES * PAGE, IPC_CREAT | 0600);
	void *p;

	check(id >= 0);
	p = shmat(id, NULL, 0);
	if (p == (void *)-1) {
		check(errno == EINVAL); /* removed in between */
		return;
	}
	count(&attached);
	for (int i = 0; i < 4; i++)
		look(p, below(r, PAGES), (uint32_t)id);
	switch (below(r, 6)) {
	case 0:
		in_child(p, (uint32_t)id, below(r, 2));
		break;
	case 1:
	case 2:
		if (!shmctl(id, IPC_RMID, NULL))
			count(&removed);
		look(p, below(r, PAGES), (uint32_t)id);
		break;
	case 3: /* in two parts, the rest with shmdt() */
		check(!munmap((char *)p + PAGE, PAGE));
		break;
	default:
		break;
	}
	check(!shmdt(p));
}

static void inspect(void)
{
	struct shmid_ds ds;
	int id;

	for (key_t key = base; key < base + KEYS; key++) {
		id = shmget(key, 0, 0);
		if (id < 0)
			continue;
		check(!shmctl(id, IPC_STAT, &ds) && ds.shm_nattch == 0);
		check(!shmctl(id, IPC_RMID, NULL));
		check(shmctl(id, IPC_STAT, &ds) < 0 && errno == EINVAL);
	}
}

int main(int argc, char **argv)
{
	start(argc, argv, 6);
	base = 0x60000000 | (getpid() & 0xffff) << 8;
	run_rounds(&(struct rounds){STEPS, step, inspect});
	printf("# %lu times attached, %lu removed, %lu children\n", attached, removed, children);
	return 0;
}
