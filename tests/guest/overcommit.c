/*
 * /proc/sys/vm/overcommit_memory: how much memory may be promised. For the guest alone: it changes the
 * machine's setting, and nobody else may take memory meanwhile.
 */
#include "tests/abi/tap.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define RW      (PROT_READ | PROT_WRITE)
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)
#define MB      (1l << 20)

static long figure(const char *file, const char *name)
{
	char line[128];
	long kb = -1;
	FILE *f = fopen(file, "r");

	while (f && kb < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			kb = atol(line + strlen(name));
	if (f)
		fclose(f);
	return kb;
}

static long total(void)
{
	return figure("/proc/meminfo", "MemTotal:") * 1024;
}

static long promised(void)
{
	return figure("/proc/meminfo", "Committed_AS:") * 1024;
}

static long limit(void)
{
	return figure("/proc/meminfo", "CommitLimit:") * 1024;
}

static void set(const char *name, int value)
{
	char path[64], text[16];
	int fd, n = snprintf(text, sizeof(text), "%d", value);

	snprintf(path, sizeof(path), "/proc/sys/vm/overcommit_%s", name);
	fd = must(open(path, O_WRONLY));
	must(write(fd, text, (size_t)n));
	close(fd);
}

static bool get(long len, int prot, int flags)
{
	void *p = mmap(NULL, (size_t)len, prot, flags, -1, 0);

	return p != MAP_FAILED && !munmap(p, (size_t)len);
}

static void test_guess(void)
{
	set("memory", 0);
	ok(get(total() / 2, RW, PRIVATE), "0: half of memory");
	ok(!get(2 * total(), RW, PRIVATE) && errno == ENOMEM, "twice as much is a mistake");
	ok(get(2 * total(), RW, PRIVATE | MAP_NORESERVE), "but for MAP_NORESERVE");
	ok(get(2 * total(), PROT_READ, PRIVATE), "or what is only read");
	set("memory", 1);
	ok(get(16 * total(), RW, PRIVATE), "1: as much as one likes");
}

/* Promises are counted, whoever makes them, and given back. */
static void test_never(void)
{
	long before, room, half;
	void *p;
	int status;

	set("ratio", 60);
	set("memory", 2);
	ok(limit() > total() / 100 * 58 && limit() < total() / 100 * 62,
	   "CommitLimit follows the ratio");
	before = promised();
	room = limit() - before;
	ok(before > 0 && room > 16 * MB, "there is room");
	ok(get(room - 4 * MB, RW, PRIVATE), "2: nearly all of it");
	fails(get(room + 4 * MB, RW, PRIVATE) ? 0 : -1, ENOMEM);
	fails(get(room + 4 * MB, RW, PRIVATE | MAP_NORESERVE) ? 0 : -1, ENOMEM);
	fails(get(room + 4 * MB, RW, MAP_SHARED | MAP_ANONYMOUS) ? 0 : -1, ENOMEM);
	ok(get(2 * total(), PROT_READ, PRIVATE), "what is only read is no promise");

	half = (room / 3 * 2) & -4096l;
	p = must(mmap(NULL, (size_t)half, PROT_READ, PRIVATE, -1, 0));
	ok(promised() - before < MB, "not yet");
	ok(!mprotect(p, (size_t)half, RW) && promised() - before >= half,
	   "but when it may be written");
	fails(get(half, RW, PRIVATE) ? 0 : -1, ENOMEM);
	fails(fork(), ENOMEM);
	fails(mremap(p, (size_t)half, (size_t)(2 * half), MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0,
	      ENOMEM);
	fails(sbrk(half) == (void *)-1 ? -1 : 0, ENOMEM);
	must(madvise(p, (size_t)half, MADV_DONTFORK));
	if (!must(fork()))
		_exit(get(half, RW, PRIVATE) ? 1 : 0);
	must(wait(&status));
	ok(status == 0, "a child without it may live, and is bound, too");
	must(munmap(p, (size_t)half));
	ok(promised() - before < MB, "all is given back");
	ok(get(half, RW, PRIVATE), "and to be had again");
}

int main(void)
{
	test_guess();
	test_never();
	set("memory", 0);
	set("ratio", 50);
	return tap_done();
}
