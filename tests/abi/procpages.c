/*
 * /proc/PID as debuggers and memory meters read it: wchan, syscall and stack of a process that sleeps; smaps,
 * smaps_rollup and pagemap of pages that are there, are shared, are not; auxv.
 */
#include "tap.h"
#include "slurp.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PAGE    4096ul
#define PRESENT (1ull << 63)
#define SHARED  (1ull << 61)
#define ALONE   (1ull << 56)

static ssize_t slurp_of(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return slurp(path);
}

/* ---- asleep ---- */

static void test_asleep(void)
{
	unsigned long nr = 0, fd = 0, buf = 0, len = 0;
	static char byte;
	int p[2], status;
	pid_t pid;
	char *word;

	must(pipe(p));
	pid = must(fork());
	if (!pid) {
		must(prctl(PR_SET_PDEATHSIG, SIGKILL));
		_exit((int)read(p[0], &byte, 1));
	}
	while (slurp_of(pid, "stat") < 0 || !(word = strrchr(text, ')')) || word[2] != 'S')
		usleep(1000);
	ok(slurp_of(pid, "syscall") > 0 &&
		   sscanf(text, "%lu 0x%lx 0x%lx 0x%lx", &nr, &fd, &buf, &len) == 4,
	   "syscall of one that sleeps");
	ok(nr == SYS_read && fd == (unsigned)p[0] && buf == (unsigned long)&byte && len == 1,
	   "is its read with its arguments");
	ok(slurp_of(pid, "wchan") > 1 && !strchr(text, '\n') && strstr(text, "pipe"),
	   "wchan has to do with pipes");
	must(write(p[1], "x", 1));
	must(waitpid(pid, &status, 0));
	ok(slurp("/proc/self/syscall") > 0 && sscanf(text, "%lu 0x", &nr) == 1 && nr == SYS_read,
	   "who reads is in a read");
	ok(slurp("/proc/self/wchan") == 1 && *text == '0', "and waits nowhere");
}

/* ---- memory ---- */

/* The kB of the first line that begins with @name behind the area that starts at @at (0: anywhere). */
static long kilobytes(const void *at, const char *name)
{
	char head[32], *p = text;

	snprintf(head, sizeof(head), "\n%08lx-", (unsigned long)at);
	if (at)
		p = strstr(text, head);
	while (p && (p = strstr(p + 1, name)) && p[-1] != '\n')
		;
	return p ? atol(p + strlen(name)) : -1;
}

static uint64_t page_entry(int pid, const void *at)
{
	uint64_t e = 0;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = must(open(path, O_RDONLY));
	must(pread(fd, &e, sizeof(e), (off_t)((unsigned long)at / PAGE * sizeof(e))));
	close(fd);
	return e;
}

static void test_private(void)
{
	char *a = must(
		mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	int p[2], status;
	char byte;
	pid_t pid;

	/* Alone in its area, whatever lies beside. */
	must(mprotect(a, PAGE, PROT_NONE));
	must(mprotect(a + 7 * PAGE, PAGE, PROT_NONE));
	a += PAGE;
	memset(a, 1, 3 * PAGE);
	ok(slurp("/proc/self/smaps") > 0, "smaps");
	ok(kilobytes(a, "Size:") == 24 && kilobytes(a, "Rss:") == 12, "what is there of an area");
	ok(kilobytes(a, "Pss:") == 12 && kilobytes(a, "Private_Dirty:") == 12 &&
		   kilobytes(a, "Anonymous:") == 12 && kilobytes(a, "Shared_Dirty:") == 0,
	   "and whose it is");
	ok((page_entry(getpid(), a) & (PRESENT | SHARED | ALONE)) == (PRESENT | ALONE),
	   "pagemap: a page of one's own");
	ok(page_entry(getpid(), a + 4 * PAGE) == 0, "one that is not there");

	must(pipe(p));
	pid = must(fork());
	if (!pid) {
		must(prctl(PR_SET_PDEATHSIG, SIGKILL));
		close(p[1]);
		_exit((int)read(p[0], &byte, 1));
	}
	slurp("/proc/self/smaps");
	ok(kilobytes(a, "Rss:") == 12 && kilobytes(a, "Pss:") == 6 &&
		   kilobytes(a, "Shared_Dirty:") == 12 && kilobytes(a, "Private_Dirty:") == 0,
	   "shared with a child");
	ok((page_entry(pid, a) & (PRESENT | ALONE)) == PRESENT, "pagemap of the child says so");
	close(p[1]);
	must(waitpid(pid, &status, 0));
	a[0] = 2;
	slurp("/proc/self/smaps");
	ok(kilobytes(a, "Pss:") == 12 && kilobytes(a, "Private_Dirty:") == 12, "one's own again");
	munmap(a - PAGE, 8 * PAGE);
}

static void test_shared(void)
{
	int fd = must(memfd_create("shown", 0));
	char *a;

	must(ftruncate(fd, 4 * PAGE));
	a = must(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	a[0] = 1;
	ok((page_entry(getpid(), a) & (PRESENT | SHARED)) == (PRESENT | SHARED), "a file's page");
	slurp("/proc/self/smaps");
	ok(kilobytes(a, "Rss:") == 4 && kilobytes(a, "Anonymous:") == 0, "in smaps, too");
	munmap(a, 4 * PAGE);
	close(fd);
}

static void test_rollup(void)
{
	long rss, sum;

	ok(slurp("/proc/self/smaps_rollup") > 0 && strstr(text, "[rollup]\n"), "smaps_rollup");
	rss = kilobytes(NULL, "Rss:");
	sum = kilobytes(NULL, "Shared_Clean:") + kilobytes(NULL, "Shared_Dirty:") +
	      kilobytes(NULL, "Private_Clean:") + kilobytes(NULL, "Private_Dirty:");
	ok(rss > 0 && rss == sum && kilobytes(NULL, "Pss:") <= rss, "adds up");
}

static void test_pagemap_edges(void)
{
	int fd = must(open("/proc/self/pagemap", O_RDONLY));
	uint64_t e[2];

	fails(pread(fd, e, 7, 0), EINVAL);
	fails(pread(fd, e, 8, 4), EINVAL);
	ok(pread(fd, e, 16, 0) == 16 && !e[0] && !e[1], "page 0 is never there");
	ok(lseek(fd, 4096, SEEK_SET) == 4096 && lseek(fd, 8, SEEK_CUR) == 4104, "seeking");
	fails(lseek(fd, 0, SEEK_END), EINVAL);
	fails(write(fd, e, 8), EBADF);
	close(fd);
}

static void test_auxv(void)
{
	Elf64_auxv_t *v = (Elf64_auxv_t *)text;
	ssize_t n = slurp("/proc/self/auxv");
	unsigned long entry = 0, page = 0;

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(*v) && v[i].a_type; i++) {
		if (v[i].a_type == AT_ENTRY)
			entry = v[i].a_un.a_val;
		if (v[i].a_type == AT_PAGESZ)
			page = v[i].a_un.a_val;
	}
	ok(entry == getauxval(AT_ENTRY) && page == PAGE, "auxv");
}

int main(void)
{
	test_asleep();
	test_private();
	test_shared();
	test_rollup();
	test_pagemap_edges();
	test_auxv();
	return tap_done();
}
