/*
 * Anonymous memory: mmap, munmap, mprotect, mremap, madvise, brk; copy-on-write over fork; which
 * signal ends a program that touches what it may not; errno case by case.
 */
#include "tap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PAGE 4096ul
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static char *map(size_t len, int prot)
{
	return must(mmap(NULL, len, prot, ANON, -1, 0));
}

/* ---- what happens to a child that does something ---- */

static int info_code;
static void *info_addr;

static void on_fault(int sig, siginfo_t *si, void *ctx)
{
	(void)ctx;
	/* Wait status: the signal and its code, and whether the address was the right one. */
	_exit(si->si_addr == info_addr ? sig * 8 + si->si_code : 255);
}

/* Runs fn(p) in a child. Its wait status. */
static int child(void (*fn)(char *), char *p)
{
	int status = 0;
	pid_t pid = must(fork());

	if (!pid) {
		fn(p);
		_exit(0);
	}
	must(waitpid(pid, &status, 0));
	return status;
}

static bool killed(void (*fn)(char *), char *p, int sig)
{
	int status = child(fn, p);

	return WIFSIGNALED(status) && WTERMSIG(status) == sig;
}

static void read_it(char *p)
{
	(void)*(volatile char *)p;
}

static void write_it(char *p)
{
	*(volatile char *)p = 1;
}

static void run_it(char *p)
{
	((void (*)(void))p)();
}

static void (*under_handler)(char *);

static void with_handler(char *p)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	info_addr = p;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	under_handler(p);
}

/* Does fn(p) fault with SIGSEGV, this code, and p as its address? */
static bool segv(void (*fn)(char *), char *p, int code)
{
	int status;

	under_handler = fn;
	info_code = code;
	status = child(with_handler, p);
	return WIFEXITED(status) && WEXITSTATUS(status) == SIGSEGV * 8 + code;
}

static void test_anonymous(void)
{
	char *p = map(8 * PAGE, PROT_READ | PROT_WRITE);
	bool zero = true;

	for (size_t i = 0; i < 8 * PAGE; i++)
		zero &= !p[i];
	ok(((uintptr_t)p & (PAGE - 1)) == 0 && zero, "fresh memory is page-aligned and zero");
	memset(p, 0x5a, 8 * PAGE);
	ok(munmap(p + 2 * PAGE, PAGE) == 0, "a page in the middle is unmapped");
	ok(p[2 * PAGE - 1] == 0x5a && p[3 * PAGE] == 0x5a, "its neighbours are as they were");
	ok(killed(read_it, p + 2 * PAGE, SIGSEGV), "the hole is one");
	ok(munmap(p, 8 * PAGE) == 0, "munmap over a hole is fine");
	ok(munmap(p, 8 * PAGE) == 0, "so is munmap of nothing");
}

static void test_faults(void)
{
	char *p = map(4 * PAGE, PROT_READ | PROT_WRITE);

	p[0] = p[PAGE] = p[2 * PAGE] = 1;
	must(mprotect(p, PAGE, PROT_READ));
	must(mprotect(p + PAGE, PAGE, PROT_NONE));
	must(munmap(p + 3 * PAGE, PAGE));

	ok(segv(write_it, p, SEGV_ACCERR), "write to read-only memory: SEGV_ACCERR");
	ok(segv(read_it, p + PAGE, SEGV_ACCERR), "read of PROT_NONE: SEGV_ACCERR");
	ok(segv(write_it, p + PAGE + 5, SEGV_ACCERR), "write to PROT_NONE: SEGV_ACCERR");
	ok(segv(run_it, p + 2 * PAGE, SEGV_ACCERR), "jump into data: SEGV_ACCERR");
	ok(segv(read_it, p + 3 * PAGE, SEGV_MAPERR), "read of nothing: SEGV_MAPERR");
	ok(segv(write_it, p + 3 * PAGE + 9, SEGV_MAPERR), "write to nothing: SEGV_MAPERR");
	ok(segv(run_it, p + 3 * PAGE, SEGV_MAPERR), "jump to nothing: SEGV_MAPERR");
	ok(segv(read_it, (char *)8, SEGV_MAPERR), "a null pointer: SEGV_MAPERR");
	ok(killed(read_it, (char *)0xffff888000000000ul, SIGSEGV), "kernel memory: SIGSEGV");
	ok(killed(write_it, (char *)0xffffffff80000000ul, SIGSEGV), "the kernel's code: SIGSEGV");
	ok(killed(run_it, (char *)0xffffffff80200000ul, SIGSEGV), "a jump there: SIGSEGV");
	ok(killed(read_it, (char *)0x0000800000000000ul, SIGSEGV), "no address at all: SIGSEGV");
	munmap(p, 4 * PAGE);
}

static void test_mprotect(void)
{
	char *p = map(4 * PAGE, PROT_READ | PROT_WRITE);

	memset(p, 7, 4 * PAGE);
	ok(mprotect(p + PAGE, 2 * PAGE, PROT_NONE) == 0, "the middle becomes PROT_NONE");
	ok(p[0] == 7 && p[3 * PAGE] == 7, "the ends stay");
	ok(mprotect(p + PAGE, 2 * PAGE, PROT_READ) == 0 && p[PAGE] == 7 && p[3 * PAGE - 1] == 7,
	   "and comes back with its contents");
	ok(killed(write_it, p + PAGE, SIGSEGV), "read-only now");
	ok(mprotect(p, 4 * PAGE, PROT_READ | PROT_WRITE) == 0 && (p[PAGE] = 8) == 8,
	   "and writable again");
	ok(mprotect(p, 0, PROT_READ) == 0, "length 0 is fine");

	fails(syscall(SYS_mprotect, p + 1, PAGE, PROT_READ), EINVAL);
	fails(mprotect(p, PAGE, 0x100), EINVAL);
	fails(mprotect(p, -PAGE, PROT_READ), ENOMEM);
	must(munmap(p + 2 * PAGE, PAGE));
	fails(mprotect(p, 4 * PAGE, PROT_READ), ENOMEM);
	ok(killed(write_it, p, SIGSEGV), "what lay before the hole was changed");
	ok(!killed(write_it, p + 3 * PAGE, SIGSEGV), "what lay behind was not");
	munmap(p, 4 * PAGE);
}

static void test_fixed(void)
{
	char *p = map(5 * PAGE, PROT_READ | PROT_WRITE), *q;

	memset(p, 1, 5 * PAGE);
	q = mmap(p + PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0);
	ok(q == p + PAGE && q[0] == 0 && q[2 * PAGE - 1] == 0, "MAP_FIXED replaces a part");
	ok(p[PAGE - 1] == 1 && p[3 * PAGE] == 1, "and only that");
	fails(mmap(p, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
	must(munmap(p + PAGE, PAGE));
	ok(mmap(p + PAGE, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p + PAGE,
	   "MAP_FIXED_NOREPLACE takes a free place");
	must(munmap(p + PAGE, PAGE));
	ok(mmap(p + PAGE, PAGE, PROT_READ, ANON, -1, 0) == p + PAGE,
	   "a hint that is free is taken");
	q = must(mmap(p, PAGE, PROT_READ, ANON, -1, 0));
	ok(q != p, "a hint that is not, is not");
	munmap(q, PAGE);
	munmap(p, 5 * PAGE);
}

static void test_errno(void)
{
	char *p = map(PAGE, PROT_READ);

	fails(mmap(NULL, 0, PROT_READ, ANON, -1, 0), EINVAL);
	fails(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
	fails(syscall(SYS_mmap, NULL, PAGE, PROT_READ, ANON, -1, 1), EINVAL);
	fails(mmap((void *)1, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0), EINVAL);
	fails(mmap(p + 1, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0), EINVAL);
	fails(syscall(SYS_mmap, NULL, -PAGE, PROT_READ, ANON, -1, 0), ENOMEM);
	fails(syscall(SYS_mmap, NULL, -1ul, PROT_READ, ANON, -1, 0), ENOMEM);
	fails(syscall(SYS_mmap, 0x7ffffffff000ul, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0),
	      ENOMEM);
	fails(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
	fails(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 99, 0), EBADF);
	fails(munmap(p, 0), EINVAL);
	fails(munmap(p + 1, PAGE), EINVAL);
	fails(munmap((void *)0xffff888000000000ul, PAGE), EINVAL);
	fails(syscall(SYS_munmap, p, -1ul), EINVAL);
	munmap(p, PAGE);
}

static void test_brk(void)
{
	char *start = (char *)syscall(SYS_brk, 0), *end;

	ok(start && syscall(SYS_brk, 0) == (long)start, "brk(0) tells the break");
	end = start + 5 * PAGE + 10;
	ok(syscall(SYS_brk, end) == (long)end, "the break moves up");
	memset(start, 3, (size_t)(end - start));
	ok(syscall(SYS_brk, start + 10) == (long)start + 10, "and down");
	ok(syscall(SYS_brk, end) == (long)end && !end[-1], "what it left is gone");
	ok(syscall(SYS_brk, 1) == (long)end, "a bad break changes nothing");
	ok(syscall(SYS_brk, -1ul) == (long)end, "nor does one beyond user memory");
	syscall(SYS_brk, start);
}

static void check_and_write(char *p)
{
	bool same = true;

	for (size_t i = 0; i < 64 * PAGE; i += PAGE)
		same &= p[i] == 42;
	memset(p, 1, 64 * PAGE);
	_exit(same ? 7 : 8);
}

static void test_fork(void)
{
	char *p = map(64 * PAGE, PROT_READ | PROT_WRITE), *ro = map(PAGE, PROT_READ);
	bool same = true;
	int status;

	memset(p, 42, 64 * PAGE);
	status = child(check_and_write, p);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 7, "a child sees its parent's memory");
	for (size_t i = 0; i < 64 * PAGE; i++)
		same &= p[i] == 42;
	ok(same, "and its writes are its own");
	memset(p, 43, 64 * PAGE);
	ok(p[63 * PAGE] == 43, "the parent writes on after the child has gone");
	ok(killed(write_it, ro, SIGSEGV), "read-only memory is so in a child too");
	munmap(p, 64 * PAGE);
	munmap(ro, PAGE);
}

static void add_one(char *p)
{
	(*(volatile int *)p)++;
	*(volatile int *)(p + 3 * PAGE) = 5;
}

static void test_shared(void)
{
	char *p = must(
		mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	*(int *)p = 10;
	child(add_one, p);
	child(add_one, p);
	ok(*(int *)p == 12 && *(int *)(p + 3 * PAGE) == 5, "shared memory is shared over fork");
	ok(madvise(p, 4 * PAGE, MADV_DONTNEED) == 0 && *(int *)p == 12,
	   "MADV_DONTNEED does not lose it");
	fails(madvise(p, PAGE, MADV_FREE), EINVAL);
	munmap(p, 4 * PAGE);
}

static void test_reservation(void)
{
	size_t size = 512ul << 20;
	char *p = mmap(NULL, size, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);

	ok(p != MAP_FAILED, "512 MiB of PROT_NONE are reserved");
	ok(mprotect(p + size / 2, PAGE, PROT_READ | PROT_WRITE) == 0 && (p[size / 2] = 9) == 9,
	   "a page of it is put to use");
	ok(killed(read_it, p + size / 2 + PAGE, SIGSEGV), "but not the next");
	ok(munmap(p, size) == 0, "and all is given back");
}

static void test_madvise(void)
{
	char *p = map(4 * PAGE, PROT_READ | PROT_WRITE);

	memset(p, 5, 4 * PAGE);
	ok(madvise(p + PAGE, PAGE, MADV_DONTNEED) == 0 && p[PAGE] == 0 && p[2 * PAGE] == 5,
	   "MADV_DONTNEED empties a page");
	ok(madvise(p, 4 * PAGE, MADV_WILLNEED) == 0, "MADV_WILLNEED");
	ok(madvise(p, 0, MADV_DONTNEED) == 0, "length 0 is fine");
	must(madvise(p + 3 * PAGE, PAGE, MADV_DONTFORK));
	ok(killed(read_it, p + 3 * PAGE, SIGSEGV), "MADV_DONTFORK keeps a page from a child");
	must(madvise(p + 3 * PAGE, PAGE, MADV_DOFORK));
	ok(!killed(read_it, p + 3 * PAGE, SIGSEGV), "MADV_DOFORK takes it back");
	fails(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
	fails(madvise(p, PAGE, 12345), EINVAL);
	must(munmap(p + PAGE, PAGE));
	fails(madvise(p, 4 * PAGE, MADV_DONTNEED), ENOMEM);
	ok(p[0] == 0 && p[2 * PAGE] == 0, "but it was done on both sides of the hole");
	munmap(p, 4 * PAGE);
}

static void test_mremap(void)
{
	char *p = map(9 * PAGE, PROT_READ | PROT_WRITE), *q;

	must(munmap(p + 8 * PAGE, PAGE)); /* a place that nothing else takes */
	memset(p, 6, 8 * PAGE);
	ok(mremap(p, 8 * PAGE, 4 * PAGE, 0) == p && killed(read_it, p + 4 * PAGE, SIGSEGV),
	   "mremap shrinks");
	ok(mremap(p, 4 * PAGE, 8 * PAGE, 0) == p && p[3 * PAGE] == 6 && p[4 * PAGE] == 0,
	   "and grows in place");
	must(mmap(p + 8 * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0));
	fails(mremap(p, 8 * PAGE, 9 * PAGE, 0), ENOMEM);
	q = mremap(p, 8 * PAGE, 16 * PAGE, MREMAP_MAYMOVE);
	ok(q != MAP_FAILED && q != p && q[0] == 6 && q[4 * PAGE] == 0 && q[15 * PAGE] == 0,
	   "or moves");
	ok(killed(read_it, p, SIGSEGV), "nothing stays behind");
	p = map(16 * PAGE, PROT_READ);
	ok(mremap(q, 16 * PAGE, 16 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p && p[0] == 6 &&
		   (p[1] = 2) == 2,
	   "MREMAP_FIXED replaces what is there");
	fails(mremap(p + 1, PAGE, PAGE, 0), EINVAL);
	fails(mremap(p, PAGE, 0, 0), EINVAL);
	fails(mremap(p, PAGE, PAGE, MREMAP_FIXED, p), EINVAL);
	fails(mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE), EINVAL);
	fails(mremap(p, 0, PAGE, MREMAP_MAYMOVE), EINVAL);
	munmap(p, 16 * PAGE);
	fails(mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
}

static void test_mincore(void)
{
	char *p = map(3 * PAGE, PROT_READ | PROT_WRITE);
	unsigned char vec[3] = {9, 9, 9};

	p[PAGE] = 1;
	ok(mincore(p, 3 * PAGE, vec) == 0 && !(vec[0] & 1) && (vec[1] & 1) && !(vec[2] & 1),
	   "mincore tells which page was touched");
	fails(mincore(p + 1, PAGE, vec), EINVAL);
	fails(mincore(p, PAGE, (void *)8), EFAULT);
	fails(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	ok(msync(p, 3 * PAGE, MS_SYNC) == 0, "msync of anonymous memory");
	munmap(p, 3 * PAGE);
	fails(mincore(p, PAGE, vec), ENOMEM);
	fails(msync(p, PAGE, MS_SYNC), ENOMEM);
}

/* Uses up @left bytes of stack, all of them. */
static __attribute__((noinline)) int dig(size_t left)
{
	volatile char frame[2000];

	frame[0] = frame[sizeof(frame) - 1] = 1;
	return left > sizeof(frame) ? dig(left - sizeof(frame)) + frame[0] : frame[0];
}

static void dig_1m(char *p)
{
	(void)p;
	_exit(dig(1 << 20) > 0 ? 4 : 5);
}

static void dig_for_ever(char *p)
{
	(void)p;
	_exit(dig(1ul << 40) > 0);
}

static void test_stack(void)
{
	struct rlimit r = {2 << 20, 2 << 20};
	int status = child(dig_1m, NULL);

	ok(WIFEXITED(status) && WEXITSTATUS(status) == 4, "the stack grows as it is used");
	if (!fork()) {
		setrlimit(RLIMIT_STACK, &r);
		dig_for_ever(NULL);
	}
	must(wait(&status));
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "up to RLIMIT_STACK");
}

static void test_rlimit_as(void)
{
	int status;
	pid_t pid = must(fork());

	if (!pid) {
		struct rlimit r = {64 << 20, 64 << 20};
		bool good = !setrlimit(RLIMIT_AS, &r);

		good &= mmap(NULL, 128 << 20, PROT_NONE, ANON, -1, 0) == MAP_FAILED &&
			errno == ENOMEM;
		good &= mmap(NULL, 1 << 20, PROT_NONE, ANON, -1, 0) != MAP_FAILED;
		_exit(good ? 3 : 4);
	}
	must(waitpid(pid, &status, 0));
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 3, "RLIMIT_AS binds");
}

/* Pages that the kernel itself is the first to touch. */
static void test_kernel_touches(void)
{
	char *p = map(4 * PAGE, PROT_READ | PROT_WRITE), *ro = map(PAGE, PROT_READ);
	int fd[2];

	must(pipe(fd));
	must(write(fd[1], "0123456789", 10));
	ok(read(fd[0], p + PAGE - 5, 4) == 4 && !memcmp(p + PAGE - 5, "0123", 4),
	   "read into memory that was never touched");
	ok(read(fd[0], p + 2 * PAGE - 3, 6) == 6 && !memcmp(p + 2 * PAGE - 3, "456789", 6),
	   "and across a page boundary");
	must(write(fd[1], "x", 1));
	fails(read(fd[0], ro, 1), EFAULT);
	fails(write(fd[1], (void *)8, 1), EFAULT);
	fails(write(fd[1], (void *)0xffff888000000000ul, 1), EFAULT);
	close(fd[0]);
	close(fd[1]);
	munmap(p, 4 * PAGE);
	munmap(ro, PAGE);
}

int main(void)
{
	test_anonymous();
	test_faults();
	test_mprotect();
	test_fixed();
	test_errno();
	test_brk();
	test_fork();
	test_shared();
	test_reservation();
	test_madvise();
	test_mremap();
	test_mincore();
	test_stack();
	test_rlimit_as();
	test_kernel_touches();
	return tap_done();
}
