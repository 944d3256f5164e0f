/*
 * Mappings of files: private and shared, one with read(2) and write(2); what truncation and punched
 * holes do to them; rights; SIGBUS beyond the end; msync and mincore; sharing over fork, with a
 * futex as two processes use it.
 */
#include "tap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PAGE 4096ul
#define RW   (PROT_READ | PROT_WRITE)

/* linux/futex.h, which musl does not bring along */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

/* A file without a name, @pages long, page i full of the letter 'a' + i. */
static int make_file(size_t pages)
{
	char page[PAGE];
	int fd = must(memfd_create("filemap", 0));

	for (size_t i = 0; i < pages; i++) {
		memset(page, 'a' + (int)i, PAGE);
		must(write(fd, page, PAGE));
	}
	return fd;
}

static char *map(int fd, size_t len, int prot, int flags, off_t off)
{
	return must(mmap(NULL, len, prot, flags, fd, off));
}

static char byte_at(int fd, off_t off)
{
	char c = 0;

	must(pread(fd, &c, 1, off));
	return c;
}

/* ---- what a child dies of ---- */

static void on_fault(int sig, siginfo_t *si, void *ctx)
{
	(void)ctx;
	_exit(sig == SIGBUS && si->si_code == BUS_ADRERR ? 1 : sig == SIGSEGV ? 2 : 3);
}

enum { FINE = 0, BUS = 1, SEGV = 2 };

static int touch(char *p, bool write)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	int status;
	pid_t pid = must(fork());

	if (!pid) {
		sigaction(SIGSEGV, &sa, NULL);
		sigaction(SIGBUS, &sa, NULL);
		if (write)
			*(volatile char *)p = 1;
		else
			(void)*(volatile char *)p;
		_exit(FINE);
	}
	must(waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- the same bytes ---- */

static void test_shared(void)
{
	int fd = make_file(3);
	char *p = map(fd, 3 * PAGE, RW, MAP_SHARED, 0), *q = map(fd, PAGE, RW, MAP_SHARED, PAGE);

	ok(p[0] == 'a' && p[PAGE] == 'b' && q[5] == 'b', "a mapping shows the file");
	p[PAGE + 7] = 'X';
	ok(byte_at(fd, PAGE + 7) == 'X', "what is stored can be read(2)");
	ok(q[7] == 'X', "and is in another mapping");
	must(pwrite(fd, "Y", 1, PAGE + 8));
	ok(p[PAGE + 8] == 'Y' && q[8] == 'Y', "what is written with write(2) is in both");
	close(fd);
	ok(p[2 * PAGE] == 'c', "a mapping outlives its descriptor");
	munmap(p, 3 * PAGE);
	ok(q[7] == 'X', "and another mapping");
	munmap(q, PAGE);
}

static void test_private(void)
{
	int fd = make_file(3);
	char *p = map(fd, 3 * PAGE, RW, MAP_PRIVATE, 0),
	     *r = map(fd, PAGE, PROT_READ, MAP_SHARED, 0);

	p[0] = 'X';
	ok(byte_at(fd, 0) == 'a' && r[0] == 'a', "a private store stays out of the file");
	ok(p[1] == 'a', "and is a copy of the rest of its page");
	must(pwrite(fd, "Z", 1, 1));
	ok(p[1] == 'a' && r[1] == 'Z', "the copy does not follow the file any more");
	(void)*(volatile char *)(p + PAGE);
	p[PAGE] = 'W';
	ok(byte_at(fd, PAGE) == 'b', "a page that was read first is copied, too");
	ok(madvise(p, PAGE, MADV_DONTNEED) == 0 && p[0] == 'a' && p[1] == 'Z',
	   "MADV_DONTNEED drops the copy: the file shows again");
	fails(madvise(p, PAGE, MADV_FREE), EINVAL);
	munmap(p, 3 * PAGE);
	munmap(r, PAGE);
	close(fd);
}

static void test_offsets(void)
{
	int fd = make_file(6);
	char *p = map(fd, 4 * PAGE, PROT_READ, MAP_PRIVATE, PAGE), *q;

	ok(p[0] == 'b' && p[3 * PAGE] == 'e', "a mapping begins at its offset");
	must(munmap(p + PAGE, PAGE));
	ok(p[0] == 'b' && p[2 * PAGE] == 'd', "and keeps it on both sides of a cut");
	must(mprotect(p + 2 * PAGE, PAGE, RW));
	p[2 * PAGE] = 'X';
	ok(p[2 * PAGE] == 'X' && p[3 * PAGE] == 'e', "and when rights change in a part");
	ok(mmap(p, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 5 * PAGE) == p && p[0] == 'f',
	   "MAP_FIXED puts another part over it");
	must(munmap(p, 4 * PAGE));
	p = map(fd, 2 * PAGE, RW, MAP_SHARED, 2 * PAGE);
	p = mremap(p, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
	ok(p != MAP_FAILED && p[0] == 'c' && p[3 * PAGE] == 'f', "mremap shows more of the file");
	q = map(-1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	ok(mremap(p + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q && q[0] == 'd',
	   "a moved part keeps its offset");
	close(fd);
}

/* ---- rights ---- */

static void test_rights(void)
{
	char path[] = "/tmp/filemapXXXXXX";
	int rw = must(mkstemp(path)), ro = must(open(path, O_RDONLY)),
	    wo = must(open(path, O_WRONLY)), pipes[2];
	char *p;

	must(pipe(pipes));
	must(ftruncate(rw, 2 * PAGE));
	fails(mmap(NULL, PAGE, RW, MAP_SHARED, ro, 0), EACCES);
	fails(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, wo, 0), EACCES);
	fails(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wo, 0), EACCES);
	fails(mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE, wo, 0), EACCES);
	fails(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, pipes[0], 0), ENODEV);
	fails(mmap(NULL, 0, PROT_READ, MAP_PRIVATE, rw, 0), EINVAL);
	fails(mmap(NULL, PAGE, PROT_READ, 0, rw, 0), EINVAL);
	fails(syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, rw, 100), EINVAL);
	fails(syscall(SYS_mmap, NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, rw, -PAGE), EOVERFLOW);
	p = map(ro, PAGE, RW, MAP_PRIVATE, 0);
	p[0] = 1;
	ok(p[0] == 1 && !byte_at(rw, 0), "a private mapping of a read-only file may be written");
	munmap(p, PAGE);
	p = map(ro, 2 * PAGE, PROT_READ, MAP_SHARED, 0);
	fails(mprotect(p, PAGE, RW), EACCES);
	fails(mprotect(p + PAGE, PAGE, PROT_WRITE), EACCES);
	ok(mprotect(p, PAGE, PROT_READ | PROT_EXEC) == 0, "PROT_EXEC may be added");
	ok(touch(p, true) == SEGV, "a store to a read-only mapping");
	munmap(p, 2 * PAGE);
	p = map(rw, PAGE, PROT_READ, MAP_SHARED, 0);
	ok(mprotect(p, PAGE, RW) == 0 && (p[9] = 'x') && byte_at(ro, 9) == 'x',
	   "mprotect makes a mapping of a writable file writable");
	munmap(p, PAGE);
	unlink(path);
}

/* ---- the end of the file ---- */

static void test_end(void)
{
	int fd = make_file(2);
	char *p, *q;

	must(ftruncate(fd, PAGE + 100));
	p = map(fd, 4 * PAGE, RW, MAP_SHARED, 0);
	ok(p[PAGE + 99] == 'b' && p[PAGE + 100] == 0 && p[2 * PAGE - 1] == 0,
	   "the rest of the last page is zero");
	ok(touch(p + 2 * PAGE, false) == BUS, "a load behind it: SIGBUS");
	ok(touch(p + 3 * PAGE, true) == BUS, "a store, too");
	must(ftruncate(fd, 3 * PAGE));
	ok(touch(p + 3 * PAGE - 1, true) == FINE && p[3 * PAGE - 1] == 1,
	   "until the file has grown that far");
	fails(read(must(open("/dev/zero", O_RDONLY)), p + 3 * PAGE, 1), EFAULT);
	munmap(p, 4 * PAGE);
	q = map(must(memfd_create("empty", 0)), PAGE, RW, MAP_SHARED, 0);
	ok(touch(q, false) == BUS, "an empty file has no page");
	munmap(q, PAGE);
	close(fd);
}

static void test_truncate(void)
{
	int fd = make_file(4);
	char *s = map(fd, 4 * PAGE, RW, MAP_SHARED, 0), *p = map(fd, 4 * PAGE, RW, MAP_PRIVATE, 0);

	s[3 * PAGE] = s[PAGE] = 'S';
	p[3 * PAGE] = p[0] = 'P';
	(void)*(volatile char *)(p + 2 * PAGE);
	must(ftruncate(fd, PAGE + 10));
	ok(s[PAGE] == 'S' && s[PAGE + 9] == 'b' && p[0] == 'P', "truncation leaves what is left");
	ok(s[PAGE + 10] == 0 && p[2 * PAGE - 1] == 0, "and clears the end of the last page");
	ok(touch(s + 2 * PAGE, false) == BUS && touch(s + 3 * PAGE, false) == BUS,
	   "pages behind it are gone from a shared mapping");
	ok(touch(p + 2 * PAGE, false) == BUS, "and from a private one");
	ok(touch(p + 3 * PAGE, false) == BUS, "private copies, too");
	must(ftruncate(fd, 4 * PAGE));
	ok(s[3 * PAGE] == 0 && p[3 * PAGE] == 0 && s[2 * PAGE] == 0,
	   "a file that grows again is empty there");
	s[3 * PAGE] = 'T';
	ok(p[3 * PAGE] == 'T' && byte_at(fd, 3 * PAGE) == 'T', "and mapped as before");
	munmap(s, 4 * PAGE);
	munmap(p, 4 * PAGE);
	close(fd);
}

/* Truncation by one process reaches the mappings of others. */
static void test_truncate_others(void)
{
	int fd = make_file(2), go[2], done[2], status, bus = 0;
	char *p = map(fd, 2 * PAGE, RW, MAP_SHARED, 0), c;
	pid_t pid[3];

	must(pipe(go));
	must(pipe(done));
	p[PAGE] = 'x';
	for (int i = 0; i < 3; i++) {
		pid[i] = must(fork());
		if (!pid[i]) {
			(void)*(volatile char *)(p + PAGE);
			must(write(done[1], "r", 1));
			must(read(go[0], &c, 1));
			_exit(touch(p + PAGE, false));
		}
	}
	for (int i = 0; i < 3; i++)
		must(read(done[0], &c, 1));
	must(ftruncate(fd, PAGE));
	must(write(go[1], "ggg", 3));
	for (int i = 0; i < 3; i++) {
		must(waitpid(pid[i], &status, 0));
		bus += WIFEXITED(status) && WEXITSTATUS(status) == BUS;
	}
	ok(bus == 3, "three other processes find their mappings cut");
	munmap(p, 2 * PAGE);
	close(fd);
}

static void test_punch(void)
{
	int fd = make_file(4);
	char *s = map(fd, 4 * PAGE, RW, MAP_SHARED, 0), *p = map(fd, 4 * PAGE, RW, MAP_PRIVATE, 0);

	p[PAGE] = 'P';
	(void)*(volatile char *)(s + PAGE);
	(void)*(volatile char *)(p + 2 * PAGE);
	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, 2 * PAGE));
	ok(s[PAGE] == 0 && s[2 * PAGE] == 0, "a punched hole reads as zeroes in a mapping");
	ok(s[0] == 'a' && s[3 * PAGE] == 'd', "and has two ends");
	ok(p[2 * PAGE] == 0 && p[PAGE] == 'P', "private copies survive it");
	s[PAGE] = 'N';
	ok(byte_at(fd, PAGE) == 'N', "what is stored into the hole is in the file");
	munmap(s, 4 * PAGE);
	munmap(p, 4 * PAGE);
	close(fd);
}

/* ---- over fork ---- */

static long futex(int *p, int op, int val)
{
	return syscall(SYS_futex, p, op, val, NULL, NULL, 0);
}

/* Two processes take turns on a word: each waits until it is theirs. */
static void take_turns(int *word, int mine, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		int now;

		while ((now = __atomic_load_n(word, __ATOMIC_ACQUIRE)) % 2 != mine)
			futex(word, FUTEX_WAIT, now);
		__atomic_fetch_add(word, 1, __ATOMIC_RELEASE);
		futex(word, FUTEX_WAKE, 1);
	}
}

static void futex_over(char *mine, char *childs, const char *what)
{
	int status;
	pid_t pid;

	*(int *)mine = 0;
	pid = must(fork());
	if (!pid) {
		take_turns((int *)childs, 1, 200);
		_exit(0);
	}
	take_turns((int *)mine, 0, 200);
	must(waitpid(pid, &status, 0));
	ok(status == 0 && *(int *)mine == 400, "400 turns on a futex in %s", what);
}

static void test_fork(void)
{
	int fd = make_file(2);
	char *s = map(fd, 2 * PAGE, RW, MAP_SHARED, 0), *p = map(fd, 2 * PAGE, RW, MAP_PRIVATE, 0);
	char *a = map(-1, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, 0);
	int status;

	p[0] = 'P';
	if (!must(fork())) {
		bool good = p[0] == 'P' && s[0] == 'a' && p[PAGE] == 'b';

		p[0] = 'C';
		s[0] = 'C';
		a[100] = 'C';
		_exit(good ? 0 : 1);
	}
	must(wait(&status));
	ok(status == 0, "a child sees its parent's mappings");
	ok(p[0] == 'P' && s[0] == 'C' && a[100] == 'C',
	   "its shared stores come back, private ones not");
	futex_over(a, a, "shared anonymous memory");
	futex_over(s, s, "a shared file");
	futex_over(s, map(fd, PAGE, RW, MAP_SHARED, 0), "two views of a file");
	munmap(a, PAGE);
	close(fd);
}

/* ---- the rest ---- */

static void test_msync(void)
{
	int fd = make_file(2);
	char *p = map(fd, 3 * PAGE, RW, MAP_SHARED, 0);

	p[0] = 'x';
	ok(msync(p, 2 * PAGE, MS_SYNC) == 0 && msync(p, PAGE, MS_ASYNC) == 0, "msync");
	ok(msync(p, 0, MS_SYNC) == 0, "of nothing");
	ok(msync(p, PAGE, MS_INVALIDATE) == 0 && p[0] == 'x', "MS_INVALIDATE loses nothing");
	fails(msync(p, PAGE, 8), EINVAL);
	fails(msync(p + 1, PAGE, MS_SYNC), EINVAL);
	fails(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	must(mlock(p, PAGE));
	fails(msync(p, 2 * PAGE, MS_INVALIDATE), EBUSY);
	must(munlock(p, PAGE));
	must(munmap(p + PAGE, PAGE));
	fails(msync(p, 3 * PAGE, MS_SYNC), ENOMEM);
	munmap(p, 3 * PAGE);
	fails(msync(p, PAGE, MS_SYNC), ENOMEM);
	close(fd);
}

static void test_mincore(void)
{
	int fd = must(memfd_create("mincore", 0));
	unsigned char vec[4] = {9, 9, 9, 9};
	char *p;

	must(ftruncate(fd, 4 * PAGE));
	must(pwrite(fd, "x", 1, PAGE));
	p = map(fd, 4 * PAGE, RW, MAP_SHARED, 0);
	p[2 * PAGE] = 1;
	ok(mincore(p, 4 * PAGE, vec) == 0 && !(vec[0] & 1) && (vec[1] & 1) && (vec[2] & 1) &&
		   !(vec[3] & 1),
	   "mincore tells what is in the cache, mapped or not");
	munmap(p, 4 * PAGE);
	close(fd);
}

static void test_zero(void)
{
	int fd = must(open("/dev/zero", O_RDWR)), null = must(open("/dev/null", O_RDWR)), status;
	char *p = map(fd, 2 * PAGE, RW, MAP_PRIVATE, 0), *s = map(fd, PAGE, RW, MAP_SHARED, 0);

	p[5] = 's';
	ok(p[0] == 0 && p[PAGE] == 0 && p[5] == 's', "/dev/zero is fresh memory");
	if (!must(fork())) {
		s[0] = p[0] = 'c';
		_exit(0);
	}
	must(wait(&status));
	ok(s[0] == 'c' && p[0] == 0, "shared or private");
	fails(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, null, 0), ENODEV);
	munmap(p, 2 * PAGE);
	munmap(s, PAGE);
}

static void test_populate(void)
{
	int fd = make_file(4);
	unsigned char vec[4];
	char *p = map(fd, 4 * PAGE, RW, MAP_PRIVATE | MAP_POPULATE, 0);

	ok(p[0] == 'a' && p[3 * PAGE] == 'd', "MAP_POPULATE");
	ok(mincore(p, 4 * PAGE, vec) == 0 && (vec[0] & vec[1] & vec[2] & vec[3] & 1),
	   "is there at once");
	ok(madvise(p, 4 * PAGE, MADV_WILLNEED) == 0 && madvise(p, 4 * PAGE, MADV_SEQUENTIAL) == 0,
	   "advice on a file");
	fails(madvise(p, PAGE, MADV_WIPEONFORK), EINVAL);
	munmap(p, 4 * PAGE);
	close(fd);
}

int main(void)
{
	test_shared();
	test_private();
	test_offsets();
	test_rights();
	test_end();
	test_truncate();
	test_truncate_others();
	test_punch();
	test_fork();
	test_msync();
	test_mincore();
	test_zero();
	test_populate();
	return tap_done();
}
