/*
 * File locks: flock(2), the record locks of a process (F_SETLK) and those of an open file
 * (F_OFD_SETLK). Who holds what, what conflicts with what, how ranges split and merge, and what
 * becomes of locks at dup, fork, close and exit. Somebody else is always a child.
 */
#include "tap.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static char path[] = "/tmp/locks-XXXXXX";

static int lock(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock fl = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

	return fcntl(fd, cmd, &fl);
}

/* What stands in the way of a write lock on bytes from @start, as another process sees it:
 * "R 3+4" or "-". */
static const char *seen_from(off_t start, off_t len)
{
	static char text[64];
	int p[2];
	ssize_t n;

	must(pipe(p));
	if (!must(fork())) {
		struct flock fl = {.l_type = F_WRLCK, .l_start = start, .l_len = len};
		int fd = open(path, O_RDWR);

		if (fcntl(fd, F_GETLK, &fl))
			strcpy(text, "error");
		else if (fl.l_type == F_UNLCK)
			strcpy(text, "-");
		else
			sprintf(text, "%c %lld+%lld%s", fl.l_type == F_RDLCK ? 'R' : 'W',
				(long long)fl.l_start, (long long)fl.l_len,
				fl.l_pid == getppid() ? ""
				: fl.l_pid == -1      ? " ofd"
						      : " other");
		must(write(p[1], text, strlen(text)));
		_exit(0);
	}
	n = must(read(p[0], text, sizeof(text) - 1));
	text[n] = 0;
	close(p[0]);
	close(p[1]);
	must(wait(NULL));
	return text;
}

#define sees(start, len, what) \
	ok(!strcmp(seen_from(start, len), what), "from %d on another sees: %s", start, what)

/* Runs fn in a child: its errno, or 0. */
static int in_child(int (*fn)(int), int fd)
{
	int status;

	if (!must(fork()))
		_exit(fn(fd) ? errno : 0);
	must(wait(&status));
	return WEXITSTATUS(status);
}

static int child_flock_ex(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB);
}

static int child_open_flock(int fd)
{
	(void)fd;
	return flock(open(path, O_RDONLY), LOCK_EX | LOCK_NB);
}

static int child_open_flock_shared(int fd)
{
	(void)fd;
	return flock(open(path, O_RDONLY), LOCK_SH | LOCK_NB);
}

static void test_flock(void)
{
	int a = must(open(path, O_RDWR)), b = must(open(path, O_RDONLY)), c;

	ok(!flock(a, LOCK_EX), "flock EX");
	fails(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	fails(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	ok(!flock(a, LOCK_EX | LOCK_NB), "again by the same open file");
	ok(!flock(a, LOCK_SH | LOCK_NB), "down to SH");
	ok(!flock(b, LOCK_SH | LOCK_NB), "then two may have it");
	fails(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	ok(!flock(a, LOCK_EX | LOCK_NB), "a change that failed has lost the lock");
	ok(!flock(a, LOCK_UN) && !flock(a, LOCK_UN), "LOCK_UN, with and without a lock");
	must(flock(a, LOCK_EX));
	ok(in_child(child_flock_ex, a) == 0, "a forked child shares the lock");
	ok(in_child(child_open_flock, a) == EWOULDBLOCK, "a file of its own does not");
	c = must(dup(a));
	close(a);
	ok(in_child(child_open_flock, c) == EWOULDBLOCK, "it stays while a dup is open");
	close(c);
	ok(in_child(child_open_flock, b) == 0, "and goes with the last one");
	ok(in_child(child_open_flock, b) == 0, "an exit gives it back as well");
	must(flock(b, LOCK_SH));
	ok(in_child(child_open_flock_shared, b) == 0, "shared with a child's own file");
	fails(flock(b, 0), EINVAL);
	fails(flock(b, LOCK_SH | LOCK_EX), EINVAL);
	fails(flock(b, LOCK_SH | 64), EINVAL);
	fails(flock(-1, LOCK_SH), EBADF);
	close(b);
	c = must(open(path, O_PATH));
	fails(flock(c, LOCK_SH), EBADF);
	fails(lock(c, F_SETLK, F_RDLCK, 0, 0), EBADF);
	close(c);
}

static void test_ranges(int fd)
{
	sees(0, 0, "-");
	ok(!lock(fd, F_SETLK, F_WRLCK, 10, 10), "write lock on 10..19");
	sees(0, 0, "W 10+10");
	sees(0, 10, "-");
	sees(19, 1, "W 10+10");
	sees(20, 5, "-");
	ok(!lock(fd, F_SETLK, F_RDLCK, 13, 3), "read lock in the middle of it");
	sees(10, 3, "W 10+3");
	sees(13, 1, "R 13+3");
	sees(16, 0, "W 16+4");
	ok(!lock(fd, F_SETLK, F_WRLCK, 13, 3), "write lock there again");
	sees(0, 0, "W 10+10");
	ok(!lock(fd, F_SETLK, F_WRLCK, 20, 5), "the neighbour joins it");
	sees(0, 0, "W 10+15");
	ok(!lock(fd, F_SETLK, F_UNLCK, 12, 2), "a hole in it");
	sees(10, 4, "W 10+2");
	sees(12, 2, "-");
	sees(14, 0, "W 14+11");
	ok(!lock(fd, F_SETLK, F_UNLCK, 0, 0), "unlock all");
	sees(0, 0, "-");
	ok(!lock(fd, F_SETLK, F_RDLCK, 5, 0), "length 0 is to the end and beyond");
	sees(1000000, 1, "R 5+0");
	ok(!lock(fd, F_SETLK, F_UNLCK, 100, 0), "cut at 100");
	sees(0, 0, "R 5+95");
	ok(!lock(fd, F_SETLK, F_RDLCK, 10, -5), "a negative length reaches back");
	sees(0, 0, "R 5+95");
	ok(!lock(fd, F_SETLK, F_UNLCK, 10, -5), "and so does an unlock");
	sees(0, 0, "R 10+90");
	fails(lock(fd, F_SETLK, F_RDLCK, 3, -4), EINVAL);
	fails(lock(fd, F_SETLK, F_RDLCK, -1, 1), EINVAL);
	fails(lock(fd, F_SETLK, F_RDLCK, INT64_MAX, 2), EOVERFLOW);
	ok(!lock(fd, F_SETLK, F_WRLCK, INT64_MAX, 1), "the last byte there can be");
	sees(200, 0, "W 9223372036854775807+0");
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -2, .l_len = 1};
	must(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	must(ftruncate(fd, 50));
	ok(!fcntl(fd, F_SETLK, &fl), "SEEK_END");
	sees(0, 0, "W 48+1");
	fl.l_whence = SEEK_CUR;
	lseek(fd, 30, SEEK_SET);
	ok(!fcntl(fd, F_SETLK, &fl), "SEEK_CUR");
	sees(0, 40, "W 28+1");
	must(lock(fd, F_SETLK, F_UNLCK, 0, 0));
}

static void test_errors(int fd)
{
	struct flock fl = {.l_type = F_RDLCK};
	int ro = must(open(path, O_RDONLY)), wo = must(open(path, O_WRONLY));

	fails(lock(ro, F_SETLK, F_WRLCK, 0, 0), EBADF);
	fails(lock(wo, F_SETLK, F_RDLCK, 0, 0), EBADF);
	fails(lock(ro, F_OFD_SETLK, F_WRLCK, 0, 0), EBADF);
	fl.l_type = 7;
	fails(fcntl(fd, F_SETLK, &fl), EINVAL);
	fails(fcntl(fd, F_GETLK, &fl), EINVAL);
	fl.l_type = F_UNLCK;
	fails(fcntl(fd, F_GETLK, &fl), EINVAL);
	fl.l_type = F_RDLCK;
	fl.l_whence = 9;
	fails(fcntl(fd, F_SETLK, &fl), EINVAL);
	fl.l_whence = SEEK_SET;
	fl.l_pid = 5;
	fails(fcntl(fd, F_OFD_SETLK, &fl), EINVAL);
	fails(fcntl(fd, F_OFD_GETLK, &fl), EINVAL);
	fails(syscall(SYS_fcntl, fd, F_SETLK, 0x1000L), EFAULT);
	fails(syscall(SYS_fcntl, fd, F_GETLK, 0x1000L), EFAULT);
	fails(fcntl(-1, F_SETLK, &fl), EBADF);
	close(ro);
	close(wo);
}

static int child_read_lock(int fd)
{
	return lock(fd, F_SETLK, F_RDLCK, 0, 10);
}

static int child_write_lock(int fd)
{
	return lock(fd, F_SETLK, F_WRLCK, 0, 10);
}

static int child_close(int fd)
{
	close(fd);
	return 0;
}

/* Record locks are the process's, whatever descriptor it uses. */
static void test_process(int fd)
{
	int other = must(open(path, O_RDWR));

	must(lock(fd, F_SETLK, F_WRLCK, 0, 10));
	ok(!lock(other, F_SETLK, F_WRLCK, 0, 10), "another descriptor of the process is no other");
	ok(in_child(child_read_lock, fd) == EAGAIN, "a child is, even with the same open file");
	must(lock(fd, F_SETLK, F_RDLCK, 0, 10));
	ok(in_child(child_read_lock, fd) == 0, "two may read");
	ok(in_child(child_write_lock, fd) == EAGAIN, "but not write");
	in_child(child_close, fd);
	sees(0, 0, "R 0+10");
	close(other);
	sees(0, 0, "-");
	must(lock(fd, F_SETLK, F_WRLCK, 0, 10));
	other = must(dup(fd));
	close(other);
	sees(0, 0, "-");
	must(lock(fd, F_SETLK, F_WRLCK, 0, 10));
	other = must(open("/dev/null", O_RDONLY));
	must(dup2(other, other + 1));
	must(dup2(fd, other));
	must(dup2(other + 1, other));
	sees(0, 0, "-");
	close(other);
	close(other + 1);
	ok(!flock(fd, LOCK_EX) && in_child(child_write_lock, fd) == 0,
	   "flock and record locks do not know each other");
	flock(fd, LOCK_UN);
}

/* Those of an open file conflict between two opens of one process. */
static void test_ofd(int fd)
{
	int other = must(open(path, O_RDWR)), copy;
	struct flock fl = {.l_type = F_RDLCK, .l_len = 100};

	ok(!lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10), "F_OFD_SETLK");
	fails(lock(other, F_OFD_SETLK, F_RDLCK, 5, 1), EAGAIN);
	fails(lock(fd, F_SETLK, F_RDLCK, 5, 1), EAGAIN);
	ok(!fcntl(other, F_OFD_GETLK, &fl) && fl.l_type == F_WRLCK && fl.l_start == 0 &&
		   fl.l_len == 10 && fl.l_pid == -1,
	   "F_OFD_GETLK tells of a lock without a process");
	sees(0, 0, "W 0+10 ofd");
	ok(!lock(other, F_OFD_SETLK, F_WRLCK, 10, 5), "beside it there is room");
	copy = must(dup(other));
	close(copy);
	sees(10, 0, "W 10+5 ofd");
	close(other);
	sees(10, 0, "-");
	in_child(child_close, fd);
	sees(0, 0, "W 0+10 ofd");
	must(lock(fd, F_OFD_SETLK, F_UNLCK, 0, 0));
	sees(0, 0, "-");
}

static bool quiet(int fd)
{
	return poll(&(struct pollfd){fd, POLLIN, 0}, 1, 50) == 0;
}

/* A child that waits for a lock in way @how and then writes a byte. */
static pid_t waiter(int how, int out)
{
	pid_t pid = must(fork());
	int fd;

	if (pid)
		return pid;
	fd = open(path, O_RDWR);
	if (how == 0 ? flock(fd, LOCK_EX) : lock(fd, how, F_WRLCK, 0, 10))
		_exit(1);
	must(write(out, "x", 1));
	_exit(0);
}

static void test_waiting(int fd)
{
	const int hows[] = {0, F_SETLKW, F_OFD_SETLKW};
	int p[2], status;
	char c;

	must(pipe(p));
	for (int i = 0; i < 3; i++) {
		must(i == 0 ? flock(fd, LOCK_EX) : lock(fd, F_SETLK, F_RDLCK, 3, 4));
		pid_t a = waiter(hows[i], p[1]), b = waiter(hows[i], p[1]);

		ok(quiet(p[0]), "two wait (%d)", i);
		must(i == 0 ? flock(fd, LOCK_UN) : lock(fd, F_SETLK, F_UNLCK, 0, 0));
		ok(read(p[0], &c, 1) == 1 && read(p[0], &c, 1) == 1, "one after the other gets it");
		ok(waitpid(a, &status, 0) == a && !status && waitpid(b, &status, 0) == b && !status,
		   "both end well");
	}
	must(lock(fd, F_SETLK, F_WRLCK, 0, 0));
	pid_t a = waiter(F_SETLKW, p[1]);
	ok(quiet(p[0]), "a waiter");
	kill(a, SIGKILL);
	waitpid(a, &status, 0);
	must(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	sees(0, 0, "-");
	must(lock(fd, F_SETLK, F_WRLCK, 0, 10));
	a = waiter(F_SETLKW, p[1]);
	ok(quiet(p[0]), "a waiter for the first bytes");
	must(lock(fd, F_SETLK, F_UNLCK, 0, 5));
	ok(quiet(p[0]), "half of them are not enough");
	must(lock(fd, F_SETLK, F_RDLCK, 5, 5));
	ok(quiet(p[0]), "nor is a read lock");
	close(must(open(path, O_RDONLY)));
	ok(read(p[0], &c, 1) == 1, "a close of any descriptor is");
	waitpid(a, &status, 0);
	close(p[0]);
	close(p[1]);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static int child_interrupted(int how)
{
	int fd = open(path, O_RDWR);
	struct sigaction sa = {.sa_handler = on_alarm};

	sigaction(SIGALRM, &sa, NULL);
	ualarm(20000, 20000);
	return how == 0 ? flock(fd, LOCK_EX) : lock(fd, how, F_WRLCK, 0, 0);
}

static void test_signals(int fd)
{
	must(flock(fd, LOCK_SH));
	must(lock(fd, F_SETLK, F_RDLCK, 0, 0));
	ok(in_child(child_interrupted, 0) == EINTR, "a signal ends flock");
	ok(in_child(child_interrupted, F_SETLKW) == EINTR, "F_SETLKW");
	ok(in_child(child_interrupted, F_OFD_SETLKW) == EINTR, "F_OFD_SETLKW");
	must(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	must(flock(fd, LOCK_UN));
	sees(0, 0, "-");
}

/* Each has one byte and wants the other's: one of the two is refused. */
static void test_deadlock(int fd)
{
	int to[2], from[2], status;
	char c;

	must(pipe(to));
	must(pipe(from));
	pid_t pid = must(fork());
	if (!pid) {
		must(lock(fd, F_SETLK, F_WRLCK, 1, 1));
		must(write(from[1], "x", 1));
		must(read(to[0], &c, 1));
		errno = 0;
		int r = lock(fd, F_SETLKW, F_WRLCK, 0, 1);
		_exit(!r ? 0 : errno == EDEADLK ? 1 : 2);
	}
	must(lock(fd, F_SETLK, F_WRLCK, 0, 1));
	must(read(from[0], &c, 1));
	must(write(to[1], "x", 1));
	errno = 0;
	int refused = lock(fd, F_SETLKW, F_WRLCK, 1, 1) && errno == EDEADLK;
	must(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	waitpid(pid, &status, 0);
	ok(WIFEXITED(status) && refused + WEXITSTATUS(status) == 1,
	   "of two that wait for each other one gets EDEADLK");
	close(to[0]);
	close(to[1]);
	close(from[0]);
	close(from[1]);
}

/* Is there a line of /proc/locks with this kind, type, holder and range? */
static bool listed(const char *kind, const char *type, pid_t pid, const char *range)
{
	char line[256], head[64];
	bool found = false;
	FILE *f = fopen("/proc/locks", "r");

	snprintf(head, sizeof(head), ": %s ADVISORY  %s %d ", kind, type, pid);
	while (f && fgets(line, sizeof(line), f))
		found = found || (strstr(line, head) && strstr(line, range));
	if (f)
		fclose(f);
	return found;
}

static void test_listed(int fd)
{
	int other = must(open(path, O_RDWR));

	must(lock(fd, F_SETLK, F_WRLCK, 10, 10));
	must(lock(fd, F_SETLK, F_RDLCK, 50, 0));
	must(flock(other, LOCK_EX));
	ok(listed("POSIX ", "WRITE", getpid(), " 10 19\n"), "/proc/locks lists a range");
	ok(listed("POSIX ", "READ", getpid(), " 50 EOF\n"), "one without an end");
	ok(listed("FLOCK ", "WRITE", getpid(), " 0 EOF\n"), "and a flock");
	close(other);
	ok(!listed("POSIX ", "WRITE", getpid(), " 10 19\n") &&
		   !listed("FLOCK ", "WRITE", getpid(), " 0 EOF\n"),
	   "none any more");
}

int main(void)
{
	int fd = must(mkstemp(path));

	signal(SIGPIPE, SIG_IGN);
	test_flock();
	test_ranges(fd);
	test_errors(fd);
	test_process(fd);
	test_ofd(fd);
	test_waiting(fd);
	test_signals(fd);
	test_deadlock(fd);
	test_listed(fd);
	unlink(path);
	return tap_done();
}
