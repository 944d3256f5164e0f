/*
 * Descriptor tables: the lowest free number, dup2 and its relatives, close_range, close-on-exec over
 * a real execve, limits, and tables shared by clone. The program runs itself again for exec.
 */
#include "tap.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CLOSE_RANGE_UNSHARE 2
#define CLOSE_RANGE_CLOEXEC 4

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int null(void)
{
	return must(open("/dev/null", O_RDWR));
}

static int range(unsigned first, unsigned last, unsigned flags)
{
	return (int)syscall(SYS_close_range, first, last, flags);
}

static void test_lowest(void)
{
	int a = null(), b = null(), c = null();

	ok(b == a + 1 && c == b + 1, "numbers are given in order");
	close(b);
	ok(null() == b, "the lowest free one is given");
	close(a);
	close(c);
	ok(null() == a && null() == c, "always");
	ok(dup(a) == c + 1, "dup too");
	ok(fcntl(a, F_DUPFD, 100) == 100, "F_DUPFD gives the lowest from its argument on");
	ok(fcntl(a, F_DUPFD, 100) == 101, "which is now the next");
	ok(fcntl(a, F_DUPFD_CLOEXEC, 50) == 50 && fcntl(50, F_GETFD) == FD_CLOEXEC,
	   "F_DUPFD_CLOEXEC");
	ok(null() == c + 2, "high numbers do not move the lowest free one");
	fails(fcntl(a, F_DUPFD, -1), EINVAL);
	ok(!range(a, ~0u, 0) && null() == a, "after closing all of them the first is free again");
	close(a);
}

static void test_dup2(void)
{
	int a = null();
	struct stat st;

	ok(dup2(a, 40) == 40 && is_open(40), "dup2 to a free number");
	ok(dup2(a, a) == a, "dup2 onto itself does nothing");
	ok(dup2(0, 40) == 40 && !fstat(40, &st), "dup2 closes what was there");
	fails(dup2(99, 40), EBADF);
	ok(is_open(40), "unless it fails");
	fails(dup2(99, 99), EBADF);
	fails(dup2(a, -1), EBADF);
	fails(dup2(a, 1 << 30), EBADF);
	fails(syscall(SYS_dup3, a, a, 0), EINVAL);
	fails(syscall(SYS_dup3, a, 41, O_APPEND), EINVAL);
	ok(syscall(SYS_dup3, a, 41, O_CLOEXEC) == 41 && fcntl(41, F_GETFD) == FD_CLOEXEC,
	   "dup3 with O_CLOEXEC");
	ok(dup2(41, 42) == 42 && fcntl(42, F_GETFD) == 0, "dup2 clears it in the copy");
	ok(dup2(42, 41) == 41 && fcntl(41, F_GETFD) == 0, "and where it writes over one");
	ok(!close(40) && !close(41) && !close(42) && !close(a), "all can be closed");
	fails(close(40), EBADF);
}

static void test_close_range(void)
{
	int a = null();

	for (int i = 20; i < 30; i++)
		must(dup2(a, i));
	ok(!range(22, 24, 0), "close_range");
	ok(is_open(21) && !is_open(22) && !is_open(24) && is_open(25),
	   "closes both ends and not more");
	ok(!range(22, 24, 0), "numbers that are not open do not matter");
	ok(!range(26, ~0u, CLOSE_RANGE_CLOEXEC), "CLOSE_RANGE_CLOEXEC");
	ok(fcntl(25, F_GETFD) == 0 && fcntl(26, F_GETFD) == FD_CLOEXEC &&
		   fcntl(29, F_GETFD) == FD_CLOEXEC,
	   "only marks");
	fails(range(5, 4, 0), EINVAL);
	fails(range(5, 6, 1), EINVAL);
	fails(range(5, 6, 8), EINVAL);
	ok(!range(20, ~0u, 0) && !is_open(21) && !is_open(29), "up to the largest number");
	ok(!range(1000000, ~0u, 0), "far behind the last one");
	close(a);
}

/* Shares the table with a child that runs @fn to its end. */
static int with_shared_table(int (*fn)(void *), void *arg)
{
	static char stack[65536] __attribute__((aligned(16)));
	int status, pid = must(clone(fn, stack + sizeof(stack), CLONE_FILES | SIGCHLD, arg));

	must(waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int close_it(void *arg)
{
	return close(*(int *)arg) ? 1 : 0;
}

static int unshare_and_close(void *arg)
{
	return range(*(int *)arg, ~0u, CLOSE_RANGE_UNSHARE) || is_open(*(int *)arg);
}

static int open_one(void *arg)
{
	return open("/dev/null", O_RDONLY) == *(int *)arg ? 0 : 1;
}

static void test_shared(void)
{
	int a = null();

	ok(with_shared_table(close_it, &a) == 0 && !is_open(a),
	   "a child with CLONE_FILES closes for both");
	ok(with_shared_table(open_one, &a) == 0 && is_open(a), "and opens for both");
	ok(with_shared_table(unshare_and_close, &a) == 0 && is_open(a),
	   "CLOSE_RANGE_UNSHARE closes in a table of its own");
	if (!must(fork()))
		_exit(close(a));
	wait(NULL);
	ok(is_open(a), "a forked child closes only its own");
	close(a);
}

static void test_exec(const char *self)
{
	int a = null(), b = must(open("/dev/null", O_RDONLY | O_CLOEXEC)), c = null(), status;
	char args[3][12];

	must(fcntl(c, F_SETFD, FD_CLOEXEC));
	snprintf(args[0], 12, "%d", a);
	snprintf(args[1], 12, "%d", b);
	snprintf(args[2], 12, "%d", c);
	if (!must(fork())) {
		execl(self, self, args[0], args[1], args[2], (char *)NULL);
		_exit(99);
	}
	must(wait(&status));
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 1,
	   "exec closes what is marked and keeps the rest");
	ok(is_open(b) && is_open(c), "the parent keeps its own");
	close(a);
	close(b);
	close(c);
}

static void test_limit(void)
{
	struct rlimit old, few = {32, 0};
	int n = 0, last = -1, fd;

	must(getrlimit(RLIMIT_NOFILE, &old));
	few.rlim_max = old.rlim_max;
	must(dup2(0, 60));
	must(setrlimit(RLIMIT_NOFILE, &few));
	while ((fd = open("/dev/null", O_RDONLY)) >= 0) {
		last = fd;
		n++;
	}
	ok(errno == EMFILE && last == 31, "the limit is the first number that is not given");
	fails(dup(0), EMFILE);
	fails(dup2(0, 32), EBADF);
	fails(fcntl(0, F_DUPFD, 32), EINVAL);
	fails(fcntl(0, F_DUPFD, 31), EMFILE);
	fails(pipe((int[2]){0, 0}), EMFILE);
	ok(is_open(60), "descriptors above it stay open");
	must(setrlimit(RLIMIT_NOFILE, &old));
	ok(dup2(0, 1000) == 1000, "and with the old limit back there is room");
	while (n--)
		close(last--);
	close(60);
	close(1000);
}

/* Enough to make the table grow several times, and to fill whole words of its bitmaps. */
static void test_many(void)
{
	int first = null(), n = 1000, fd;
	bool in_order = true;

	for (int i = 1; i < n; i++)
		in_order &= dup(first) == first + i;
	ok(in_order, "a thousand numbers in order");
	ok(!close(first + 500) && !close(first + 64) && !close(first + 900), "three holes");
	fd = dup(first);
	ok(fd == first + 64, "are filled from the lowest");
	ok(dup(first) == first + 500 && dup(first) == first + 900, "to the highest");
	ok(dup(first) == first + n, "and then it goes on at the end");
	if (!must(fork()))
		_exit(is_open(first + n) && is_open(first + 500) && !range(first, ~0u, 0) ? 0 : 1);
	int status;
	must(wait(&status));
	ok(status == 0, "a child has all of them");
	ok(!range(first, ~0u, 0) && !is_open(first + n), "all are closed");
}

int main(int argc, char **argv)
{
	if (argc == 4) /* after execve: bit i is descriptor i's */
		return is_open(atoi(argv[1])) | is_open(atoi(argv[2])) << 1 |
		       is_open(atoi(argv[3])) << 2;
	must(range(3, ~0u, 0));
	test_lowest();
	test_dup2();
	test_close_range();
	test_shared();
	test_exec(argv[0]);
	test_limit();
	test_many();
	return tap_done();
}
