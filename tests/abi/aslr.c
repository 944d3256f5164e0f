/*
 * Where a program finds itself: at random places, the same over fork, and always the same with
 * personality(ADDR_NO_RANDOMIZE).
 */
#include "tap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ROUNDS 5

enum { STACK, MAPPING, HEAP, NR_PLACES };
static const char *const names[] = {"the stack", "a mapping", "the heap"};

struct places {
	uintptr_t at[NR_PLACES];
};

static struct places here(void)
{
	int local;

	return (struct places){
		{(uintptr_t)&local,
		 (uintptr_t)must(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
		 (uintptr_t)syscall(SYS_brk, 0)}};
}

/* Where this program finds itself in a new process. */
static struct places there(bool random)
{
	struct places p = {0};
	int fds[2], status;
	pid_t pid;

	must(pipe(fds));
	pid = must(fork());
	if (!pid) {
		dup2(fds[1], 1);
		if (!random)
			personality(ADDR_NO_RANDOMIZE);
		execl("/proc/self/exe", "aslr", "tell", NULL);
		_exit(9);
	}
	if (read(fds[0], &p, sizeof(p)) != sizeof(p))
		exit(98);
	must(waitpid(pid, &status, 0));
	close(fds[0]);
	close(fds[1]);
	return p;
}

int main(int argc, char **argv)
{
	struct places p[ROUNDS], q[ROUNDS];

	if (argc > 1 && !strcmp(argv[1], "tell")) {
		p[0] = here();
		return write(1, p, sizeof(p[0])) != sizeof(p[0]);
	}
	for (int i = 0; i < ROUNDS; i++) {
		p[i] = there(true);
		q[i] = there(false);
	}
	for (int k = 0; k < NR_PLACES; k++) {
		int different = 0, same = 0;

		for (int i = 1; i < ROUNDS; i++) {
			different += p[i].at[k] != p[0].at[k];
			same += q[i].at[k] == q[0].at[k];
		}
		ok(different, "%s is somewhere else in a new process", names[k]);
		ok(same == ROUNDS - 1, "but not with ADDR_NO_RANDOMIZE");
	}
	ok(personality(0xffffffff) == 0, "the personality is Linux");
	ok(personality(ADDR_NO_RANDOMIZE) == 0 && personality(0xffffffff) == ADDR_NO_RANDOMIZE,
	   "it is what was set last");
	ok(personality(0) == ADDR_NO_RANDOMIZE, "and the old one is returned");
	return tap_done();
}
