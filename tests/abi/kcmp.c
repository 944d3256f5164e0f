/* kcmp(2): whether two tasks share something, and an order that is one. */
#include "tap.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	KCMP_FILE,
	KCMP_VM,
	KCMP_FILES,
	KCMP_FS,
	KCMP_SIGHAND,
	KCMP_IO,
	KCMP_SYSVSEM,
	KCMP_EPOLL_TFD
};

struct slot {
	uint32_t efd, tfd, toff;
};

static char stack[16384] __attribute__((aligned(16)));
static int go[2];

static int kcmp(pid_t a, pid_t b, int type, uintptr_t x, uintptr_t y)
{
	return syscall(SYS_kcmp, a, b, type, x, y);
}

static int waits(void *unused)
{
	char c;

	return read(go[0], &c, 1) < 0;
}

/* What a child that was made with these flags shares with its parent, a letter each. */
static void test_sharing(int flags, const char *expected)
{
	static const char letters[] = "vfpsiu"; /* from KCMP_VM on */
	char shared[sizeof(letters)] = "";
	int n = 0, good = 1;
	pid_t pid;

	must(pipe(go));
	pid = must(clone(waits, stack + sizeof(stack), flags | SIGCHLD, NULL));
	for (int i = 0; letters[i]; i++) {
		int r = kcmp(getpid(), pid, KCMP_VM + i, 0, 0),
		    back = kcmp(pid, getpid(), KCMP_VM + i, 0, 0);

		if (!r)
			shared[n++] = letters[i];
		good &= r == 0 ? back == 0 : r + back == 3;
	}
	ok(!strcmp(shared, expected), "flags %x: %s", flags, shared);
	ok(good, "and the other way round it is the opposite");
	must(write(go[1], "x", 1));
	must(waitpid(pid, NULL, 0));
	close(go[0]);
	close(go[1]);
}

static void test_files(void)
{
	int fd = must(open("/dev/null", O_RDONLY)), same = must(dup(fd));
	int other = must(open("/dev/null", O_RDONLY)), third = must(open("/dev/zero", O_RDONLY));
	pid_t me = getpid();
	int ab, bc, ac;

	ok(kcmp(me, me, KCMP_FILE, fd, fd) == 0, "a descriptor is itself");
	ok(kcmp(me, me, KCMP_FILE, fd, same) == 0, "and its dup");
	ab = kcmp(me, me, KCMP_FILE, fd, other);
	bc = kcmp(me, me, KCMP_FILE, other, third);
	ac = kcmp(me, me, KCMP_FILE, fd, third);
	ok((ab == 1 || ab == 2) && kcmp(me, me, KCMP_FILE, other, fd) == 3 - ab,
	   "another open file is before or after it");
	ok(ab != bc || ac == ab, "an order of three");
	fails(kcmp(me, me, KCMP_FILE, fd, 1000), EBADF);
	fails(kcmp(me, me, KCMP_FILE, -1, fd), EBADF);
	close(fd);
	close(same);
	close(other);
	close(third);
}

static void test_epoll(void)
{
	int ep = must(epoll_create1(0)), p[2], q[2], high;
	struct epoll_event ev = {.events = EPOLLIN};
	struct slot slot;
	pid_t me = getpid();

	must(pipe(p));
	must(pipe(q));
	high = must(fcntl(p[0], F_DUPFD, 50));
	must(epoll_ctl(ep, EPOLL_CTL_ADD, high, &ev));
	slot = (struct slot){ep, high, 0};
	ok(kcmp(me, me, KCMP_EPOLL_TFD, p[0], (uintptr_t)&slot) == 0, "what an epoll watches");
	ok(kcmp(me, me, KCMP_EPOLL_TFD, q[0], (uintptr_t)&slot) > 0, "and what it does not");
	/* The number is given to another file, and the epoll watches both under it. */
	must(dup2(q[0], high));
	must(epoll_ctl(ep, EPOLL_CTL_ADD, high, &ev));
	int first = kcmp(me, me, KCMP_EPOLL_TFD, p[0], (uintptr_t)&slot);
	slot.toff = 1;
	int second = kcmp(me, me, KCMP_EPOLL_TFD, p[0], (uintptr_t)&slot);
	ok(!first != !second, "of two under one number the offset says which");
	slot.toff = 2;
	fails(kcmp(me, me, KCMP_EPOLL_TFD, p[0], (uintptr_t)&slot), ENOENT);
	slot = (struct slot){ep, p[0], 0};
	fails(kcmp(me, me, KCMP_EPOLL_TFD, p[0], (uintptr_t)&slot), ENOENT);
	slot.efd = p[0];
	fails(kcmp(me, me, KCMP_EPOLL_TFD, p[0], (uintptr_t)&slot), EINVAL);
	slot.efd = 1000;
	fails(kcmp(me, me, KCMP_EPOLL_TFD, p[0], (uintptr_t)&slot), EBADF);
	slot.efd = ep;
	fails(kcmp(me, me, KCMP_EPOLL_TFD, 1000, (uintptr_t)&slot), EBADF);
	fails(kcmp(me, me, KCMP_EPOLL_TFD, p[0], 8), EFAULT);
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(q[i]);
	}
	close(high);
	close(ep);
}

/* Only somebody who could trace both of them is told. */
static int as_nobody(pid_t other)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		if (geteuid())
			_exit(0); /* we are nobody already, and cannot be another */
		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
			_exit(99);
		_exit(kcmp(getpid(), other, KCMP_VM, 0, 0) == -1 && errno == EPERM ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	return status;
}

int main(void)
{
	test_sharing(0, "iu");
	test_sharing(CLONE_VM, "viu");
	test_sharing(CLONE_FILES, "fiu");
	test_sharing(CLONE_FS, "piu");
	test_sharing(CLONE_VM | CLONE_SIGHAND | CLONE_FILES | CLONE_FS, "vfpsiu");
	test_files();
	test_epoll();
	fails(kcmp(getpid(), 0x3ffffffe, KCMP_VM, 0, 0), ESRCH);
	fails(kcmp(0x3ffffffe, getpid(), KCMP_VM, 0, 0), ESRCH);
	fails(kcmp(getpid(), getpid(), 8, 0, 0), EINVAL);
	fails(kcmp(getpid(), getpid(), -1, 0, 0), EINVAL);
	ok(as_nobody(getpid()) == 0, "of a stranger: EPERM");
	return tap_done();
}
