/*
 * Limits that bind, each in a child of its own: RLIMIT_AS, DATA, STACK, MEMLOCK with the mlock family,
 * FSIZE, NOFILE, NPROC, CORE; prlimit on oneself and on others.
 */
#include "tap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PAGE   4096ul
#define ANON   (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW     (PROT_READ | PROT_WRITE)
#define NOBODY 65534

/* Runs fn in a child, and counts what it says. The limits go with it. */
static void in_child(void (*fn)(void))
{
	int status, counts[2], told[2];
	pid_t pid;

	must(pipe(told));
	fflush(stdout);
	pid = must(fork());
	if (!pid) {
		fn();
		counts[0] = tap_count;
		counts[1] = tap_failed;
		must(write(told[1], counts, sizeof(counts)));
		_exit(0);
	}
	close(told[1]);
	if (read(told[0], counts, sizeof(counts)) == sizeof(counts)) {
		tap_count = counts[0];
		tap_failed = counts[1];
	}
	close(told[0]);
	must(waitpid(pid, &status, 0));
	if (status)
		ok(false, "a child died");
}

static void limit(int what, rlim_t soft, rlim_t hard)
{
	must(setrlimit(what, &(struct rlimit){soft, hard}));
}

/* Limits of memory and processes do not bind root. */
static void become_nobody(void)
{
	if (!geteuid()) {
		must(syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY));
		must(syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY));
	}
}

static void *map(size_t len, int prot, int flags)
{
	return mmap(NULL, len, prot, flags, -1, 0);
}

/* ---- memory ---- */

static void as(void)
{
	char *q;

	limit(RLIMIT_AS, 64 << 20, RLIM_INFINITY);
	fails(map(128 << 20, PROT_NONE, ANON), ENOMEM);
	fails(map(128 << 20, PROT_NONE, ANON | MAP_NORESERVE), ENOMEM);
	q = map(16 << 20, PROT_NONE, ANON);
	ok(q != MAP_FAILED, "what fits is mapped");
	fails(mremap(q, 16 << 20, 128 << 20, MREMAP_MAYMOVE), ENOMEM);
	limit(RLIMIT_AS, 1 << 20, RLIM_INFINITY);
	fails(map(16 << 20, RW, ANON), ENOMEM);
	ok(syscall(SYS_brk, 0) == syscall(SYS_brk, syscall(SYS_brk, 0) + (64l << 20)),
	   "the heap does not grow");
	ok(munmap(q, 16 << 20) == 0, "munmap is always possible");
}

static void data(void)
{
	char *ro = must(map(16 << 20, PROT_READ, ANON));

	limit(RLIMIT_DATA, 8 << 20, RLIM_INFINITY);
	fails(map(16 << 20, RW, ANON), ENOMEM);
	ok(map(16 << 20, PROT_READ, ANON) != MAP_FAILED, "read-only memory is no data");
	ok(map(16 << 20, RW, MAP_SHARED | MAP_ANONYMOUS) != MAP_FAILED, "nor is shared memory");
	fails(mprotect(ro, 16 << 20, RW), ENOMEM);
	ok(mprotect(ro, PAGE, RW) == 0, "a page may become data");
	ok(syscall(SYS_brk, 0) == syscall(SYS_brk, syscall(SYS_brk, 0) + (16l << 20)),
	   "the heap does not grow");
}

static void memlock(void)
{
	char *p = must(map(64 * PAGE, RW, ANON)), *q;

	limit(RLIMIT_MEMLOCK, 16 * PAGE, 16 * PAGE);
	become_nobody();
	ok(mlock(p, 16 * PAGE) == 0, "as much as the limit is locked");
	fails(mlock(p + 16 * PAGE, PAGE), ENOMEM);
	ok(mlock(p + PAGE, 15 * PAGE) == 0, "what is locked counts once");
	ok(munlock(p, 8 * PAGE) == 0 && mlock(p + 16 * PAGE, 8 * PAGE) == 0,
	   "what is unlocked is free");
	fails(map(PAGE, RW, ANON | MAP_LOCKED), EAGAIN);
	fails(mremap(p + 16 * PAGE, 8 * PAGE, 16 * PAGE, MREMAP_MAYMOVE), EAGAIN);
	fails(mlockall(MCL_CURRENT), ENOMEM);
	fails(madvise(p + 8 * PAGE, PAGE, MADV_DONTNEED), EINVAL);
	fails(madvise(p + 8 * PAGE, PAGE, MADV_FREE), EINVAL);
	fails(msync(p + 8 * PAGE, PAGE, MS_INVALIDATE), EBUSY);
	ok(munmap(p, 64 * PAGE) == 0, "locked memory is unmapped like any other");
	q = map(16 * PAGE, RW, ANON | MAP_LOCKED);
	ok(q != MAP_FAILED, "and counts no more");
	limit(RLIMIT_MEMLOCK, 0, 0);
	fails(mlock(q, PAGE), EPERM);
	fails(syscall(SYS_mmap, NULL, PAGE, RW, ANON | MAP_LOCKED, -1, 0), EPERM);
	fails(mlockall(MCL_FUTURE), EPERM);
	ok(munlock(q, PAGE) == 0 && munlockall() == 0, "unlocking needs no leave");
}

static void mlock_errors(void)
{
	char *p = must(map(4 * PAGE, RW, ANON));
	unsigned char vec[2];

	ok(mlock(p + 1, PAGE) == 0 && mincore(p, 2 * PAGE, vec) == 0 && (vec[0] & vec[1] & 1),
	   "mlock touches every page that it covers a byte of");
	ok(mlock(p, 0) == 0 && munlock(p, 0) == 0, "length 0 is fine");
	must(munmap(p + 2 * PAGE, PAGE));
	fails(mlock(p, 4 * PAGE), ENOMEM);
	fails(munlock(p, 4 * PAGE), ENOMEM);
	fails(munlock(p, -PAGE), EINVAL);
	must(mprotect(p + 3 * PAGE, PAGE, PROT_NONE));
	fails(mlock(p + 3 * PAGE, PAGE), ENOMEM);
	fails(syscall(SYS_mlock2, p, PAGE, 2), EINVAL);
	ok(syscall(SYS_mlock2, p, PAGE, 1 /* MLOCK_ONFAULT */) == 0, "MLOCK_ONFAULT");
	fails(mlockall(0), EINVAL);
	fails(mlockall(8), EINVAL);
	fails(mlockall(4 /* MCL_ONFAULT */), EINVAL);
	ok(munlockall() == 0, "munlockall");
}

/* ---- the others ---- */

static volatile sig_atomic_t xfsz;

static void on_xfsz(int sig)
{
	xfsz += sig == SIGXFSZ;
}

static void fsize(void)
{
	int fd = must(memfd_create("fsize", 0));
	char page[PAGE] = {0};

	signal(SIGXFSZ, on_xfsz);
	limit(RLIMIT_FSIZE, PAGE + 10, RLIM_INFINITY);
	ok(write(fd, page, PAGE) == (ssize_t)PAGE && write(fd, page, PAGE) == 10 && !xfsz,
	   "a write is cut at the limit");
	fails(write(fd, page, 1), EFBIG);
	ok(xfsz == 1, "and the next gets SIGXFSZ");
	fails(ftruncate(fd, PAGE + 11), EFBIG);
	ok(xfsz == 2, "ftruncate, too");
	ok(ftruncate(fd, PAGE) == 0 && lseek(fd, PAGE, SEEK_SET) == PAGE && write(fd, page, 1) == 1,
	   "below the limit all is well");
}

static void nofile(void)
{
	limit(RLIMIT_NOFILE, 20, 20);
	while (dup(0) >= 0)
		;
	ok(errno == EMFILE, "descriptors end at RLIMIT_NOFILE");
	fails(dup2(0, 20), EBADF);
	ok(dup2(0, 19) == 19, "19 is the last of 20");
	fails(fcntl(0, F_DUPFD, 20), EINVAL);
	fails(open("/dev/null", O_RDONLY), EMFILE);
}

static void nproc(void)
{
	pid_t pid;

	become_nobody();
	limit(RLIMIT_NPROC, 1, 1); /* this one, at least, is there */
	pid = fork();
	if (!pid)
		_exit(0);
	ok(pid < 0 && errno == EAGAIN, "RLIMIT_NPROC stops fork");
}

static void rules(void)
{
	struct rlimit r, old;
	pid_t pid, parent = getppid();
	int status;

	ok(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) == 0, "RLIMIT_CORE is accepted");
	fails(setrlimit(RLIMIT_AS, &(struct rlimit){2, 1}), EINVAL);
	fails(setrlimit(99, &(struct rlimit){1, 1}), EINVAL);
	fails(getrlimit(16, &r), EINVAL);
	fails(getrlimit(RLIMIT_AS, (void *)8), EFAULT);
	fails(syscall(SYS_setrlimit, RLIMIT_AS, 8), EFAULT);
	limit(RLIMIT_RTTIME, 5, 6);
	ok(getrlimit(RLIMIT_RTTIME, &r) == 0 && r.rlim_cur == 5 && r.rlim_max == 6,
	   "what is set is had");
	ok(prlimit(0, RLIMIT_RTTIME, &(struct rlimit){4, 6}, &old) == 0 && old.rlim_cur == 5,
	   "prlimit gives the old one");
	pid = must(fork());
	if (!pid) {
		getrlimit(RLIMIT_RTTIME, &r);
		pause();
	}
	ok(prlimit(pid, RLIMIT_RTTIME, NULL, &old) == 0 && old.rlim_cur == 4,
	   "a child inherits it");
	ok(prlimit(pid, RLIMIT_RTTIME, &(struct rlimit){3, 6}, NULL) == 0 &&
		   prlimit(pid, RLIMIT_RTTIME, NULL, &old) == 0 && old.rlim_cur == 3,
	   "a parent may set it");
	getrlimit(RLIMIT_RTTIME, &r);
	ok(r.rlim_cur == 4, "its own is another");
	kill(pid, SIGKILL);
	must(waitpid(pid, &status, 0));
	fails(prlimit(pid, RLIMIT_RTTIME, NULL, &old), ESRCH);
	become_nobody();
	fails(setrlimit(RLIMIT_RTTIME, &(struct rlimit){3, 7}), EPERM);
	ok(setrlimit(RLIMIT_RTTIME, &(struct rlimit){2, 2}) == 0, "a hard limit may sink");
	fails(setrlimit(RLIMIT_RTTIME, &(struct rlimit){3, 3}), EPERM);
	/* The parent is root, or has no less rights than we have. */
	if (prlimit(parent, RLIMIT_CORE, NULL, &old) < 0)
		ok(errno == EPERM, "the parent's limits are not ours");
	else
		ok(true, "the parent's limits are not ours");
}

int main(void)
{
	in_child(as);
	in_child(data);
	in_child(memlock);
	in_child(mlock_errors);
	in_child(fsize);
	in_child(nofile);
	in_child(nproc);
	in_child(rules);
	return tap_done();
}
