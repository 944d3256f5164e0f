/*
 * Process descriptors: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2), CLONE_PIDFD, P_PIDFD, and
 * what poll and epoll say of one.
 */
#include "tap.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

static volatile sig_atomic_t count, last_code;
static volatile pid_t last_pid;

static void handler(int sig, siginfo_t *info, void *uc)
{
	count++;
	last_code = info->si_code;
	last_pid = info->si_pid;
}

static int pidfd_open(pid_t pid, unsigned flags)
{
	return syscall(SYS_pidfd_open, pid, flags);
}

static int send_signal(int fd, int sig, siginfo_t *info, unsigned flags)
{
	return syscall(SYS_pidfd_send_signal, fd, sig, info, flags);
}

/* POLLHUP once it is reaped is younger than the rest. */
static int polled(int fd, int timeout)
{
	struct pollfd p = {fd, POLLIN | POLLRDNORM, 0};

	must(poll(&p, 1, timeout));
	return p.revents & ~POLLHUP;
}

static pid_t sleeper(void)
{
	pid_t pid = must(fork());

	if (!pid) {
		for (;;)
			pause();
	}
	return pid;
}

static void test_errors(void)
{
	int fd = must(pidfd_open(getpid(), 0)), other = must(dup(1));
	volatile uintptr_t bad = 8;
	siginfo_t info = {.si_signo = SIGTERM, .si_code = SI_QUEUE};
	char c;

	fails(pidfd_open(0, 0), EINVAL);
	fails(pidfd_open(-1, 0), EINVAL);
	fails(pidfd_open(getpid(), 1), EINVAL);
	fails(pidfd_open(0x3ffffffe, 0), ESRCH);
	fails(send_signal(-1, 0, NULL, 0), EBADF);
	fails(send_signal(other, 0, NULL, 0), EBADF);
	fails(send_signal(fd, 65, NULL, 0), EINVAL);
	fails(send_signal(fd, SIGUSR1, &info, 0), EINVAL);
	fails(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, bad, 0), EFAULT);
	fails(syscall(SYS_pidfd_getfd, -1, 0, 0), EBADF);
	fails(syscall(SYS_pidfd_getfd, other, 0, 0), EBADF);
	fails(syscall(SYS_pidfd_getfd, fd, 1000, 0), EBADF);
	fails(syscall(SYS_pidfd_getfd, fd, 0, 1), EINVAL);
	fails(waitid(P_PIDFD, other, &info, WEXITED), EBADF);
	fails(waitid(P_PIDFD, -1, &info, WEXITED), EINVAL);
	fails(waitid(P_PIDFD, fd, &info, WEXITED), ECHILD);
	fails(read(fd, &c, 1), EINVAL);
	fails(write(fd, &c, 1), EINVAL);
	ok(fcntl(fd, F_GETFD) == FD_CLOEXEC, "it is closed by exec");
	close(fd);
	close(other);
}

static void test_poll(void)
{
	int epfd = must(epoll_create1(0)), fd;
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u32 = 7};
	pid_t pid = sleeper();
	siginfo_t info;

	fd = must(pidfd_open(pid, 0));
	must(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev));
	ok(polled(fd, 0) == 0 && epoll_wait(epfd, &ev, 1, 0) == 0, "not readable while it lives");
	ok(send_signal(fd, 0, NULL, 0) == 0, "signal 0 asks whether it is there");
	ok(send_signal(fd, SIGKILL, NULL, 0) == 0, "SIGKILL");
	ok(epoll_wait(epfd, &ev, 1, 10000) == 1 && ev.data.u32 == 7 && (ev.events & EPOLLIN),
	   "epoll is told of the end");
	ok(epoll_wait(epfd, &ev, 1, 0) == 0, "once, edge-triggered");
	ok(polled(fd, 10000) == (POLLIN | POLLRDNORM), "a zombie is readable");
	ok(send_signal(fd, SIGTERM, NULL, 0) == 0, "and takes signals");
	memset(&info, 0, sizeof(info));
	ok(waitid(P_PIDFD, fd, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == pid &&
		   info.si_code == CLD_KILLED && info.si_status == SIGKILL,
	   "waitid(P_PIDFD) looks");
	ok(waitid(P_PIDFD, fd, &info, WEXITED) == 0 && info.si_pid == pid, "and takes");
	ok(polled(fd, 0) == (POLLIN | POLLRDNORM), "it stays readable");
	fails(send_signal(fd, SIGTERM, NULL, 0), ESRCH);
	fails(waitid(P_PIDFD, fd, &info, WEXITED), ECHILD);
	fails(syscall(SYS_pidfd_getfd, fd, 0, 0), ESRCH);
	close(fd);
	close(epfd);
}

static void test_nonblock(void)
{
	pid_t pid = sleeper();
	int fd = must(pidfd_open(pid, O_NONBLOCK));
	siginfo_t info = {.si_pid = 1};

	ok(fcntl(fd, F_GETFL) & O_NONBLOCK, "PIDFD_NONBLOCK");
	fails(waitid(P_PIDFD, fd, &info, WEXITED), EAGAIN);
	ok(waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0,
	   "WNOHANG says that by 0");
	must(send_signal(fd, SIGKILL, NULL, 0));
	polled(fd, 10000);
	ok(waitid(P_PIDFD, fd, &info, WEXITED) == 0 && info.si_pid == pid, "then it is there");
	close(fd);
}

static void test_siginfo(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
	int fd = must(pidfd_open(getpid(), 0)), other;
	pid_t pid;

	must(sigaction(SIGUSR1, &sa, NULL));
	ok(send_signal(fd, SIGUSR1, NULL, 0) == 0 && count == 1 && last_code == SI_USER &&
		   last_pid == getpid(),
	   "a signal as by kill");
	ok(send_signal(fd, SIGUSR1, &info, 0) == 0 && count == 2 && last_code == SI_QUEUE,
	   "a signal with information");
	info.si_code = SI_USER;
	ok(send_signal(fd, SIGUSR1, &info, 0) == 0 && count == 3, "to itself it may pretend");
	pid = sleeper();
	other = must(pidfd_open(pid, 0));
	fails(send_signal(other, SIGUSR1, &info, 0), EPERM);
	must(send_signal(other, SIGKILL, NULL, 0));
	must(waitpid(pid, NULL, 0));
	close(fd);
	close(other);
}

static void test_getfd(void)
{
	int p[2], q[2], mine;
	pid_t pid;
	char c = 0;

	must(pipe(p));
	must(pipe(q));
	pid = must(fork());
	if (!pid) {
		must(dup2(p[1], 100));
		must(write(q[1], "r", 1));
		for (;;)
			pause();
	}
	must(read(q[0], &c, 1));
	int fd = must(pidfd_open(pid, 0));

	mine = syscall(SYS_pidfd_getfd, fd, 100, 0);
	ok(mine >= 0 && fcntl(mine, F_GETFD) == FD_CLOEXEC, "a copy of another's descriptor");
	ok(write(mine, "x", 1) == 1 && read(p[0], &c, 1) == 1 && c == 'x', "is the same file");
	kill(pid, SIGKILL);
	must(waitpid(pid, NULL, 0));
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(q[i]);
	}
	close(mine);
	close(fd);
}

/* The result of taking descriptor 0 of a child that is dumpable or not, as somebody without privileges. */
static int take_from(int dumpable)
{
	int told[2], err;
	pid_t pid;
	char c;

	if (pipe(told))
		return -1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_DUMPABLE, dumpable);
		if (write(told[1], "x", 1) == 1)
			pause();
		_exit(0);
	}
	if (read(told[0], &c, 1) != 1)
		return -1;
	err = syscall(SYS_pidfd_getfd, pidfd_open(pid, 0), 0, 0) < 0 ? errno : 0;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return err;
}

/* Who may not be dumped keeps its files to itself. */
static void test_dumpable(void)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		if (!geteuid() &&
		    (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
			_exit(1);
		if (take_from(1))
			_exit(2);
		_exit(take_from(0) == EPERM ? 0 : 3);
	}
	waitpid(pid, &status, 0);
	ok(status == 0, "files of a process that is not dumpable: EPERM");
}

static void test_clone(void)
{
	int fd = -1, status;
	struct clone_args args = {
		.flags = CLONE_PIDFD, .pidfd = (uint64_t)&fd, .exit_signal = SIGCHLD};
	siginfo_t info;
	pid_t pid = syscall(SYS_clone3, &args, sizeof(args));

	if (!pid)
		_exit(fcntl(fd, F_GETFD) == -1 ? 5 : 6);
	ok(pid > 0 && fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC, "clone3 with CLONE_PIDFD");
	ok(polled(fd, 10000) == (POLLIN | POLLRDNORM), "tells of the child's end");
	ok(waitid(P_PIDFD, fd, &info, WEXITED) == 0 && info.si_pid == pid && info.si_status == 5,
	   "the child does not have it");
	close(fd);

	pid = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &fd, 0, 0);
	if (!pid)
		_exit(7);
	ok(pid > 0 && waitid(P_PIDFD, fd, &info, WEXITED) == 0 && info.si_status == 7,
	   "clone has it as well");
	close(fd);

	args.pidfd = 8;
	fails(syscall(SYS_clone3, &args, sizeof(args)), EFAULT);
	args.flags = CLONE_PIDFD | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_DETACHED;
	fails(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	fails(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &fd, 0, 0),
	      EINVAL);
	fails(wait(&status), ECHILD);
	ok(must(dup(1)) == fd, "a failed clone leaves no descriptor");
	close(fd);
}

/* The leader's end is not the end of the process. */
static int thread(void *arg)
{
	usleep(60000);
	return 0;
}

static void test_threads(void)
{
	static char stack[16384];
	pid_t pid = must(fork());
	int fd;

	if (!pid) {
		must(clone(thread, stack + sizeof(stack),
			   CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_FS | CLONE_FILES, NULL));
		syscall(SYS_exit, 0);
	}
	fd = must(pidfd_open(pid, 0));
	ok(polled(fd, 10000) == (POLLIN | POLLRDNORM) && waitpid(pid, NULL, WNOHANG) == pid,
	   "readable when the last thread has ended");
	close(fd);
}

static void test_proc(void)
{
	char path[64], text[256] = "", expected[32];
	pid_t pid = sleeper();
	int fd = must(pidfd_open(pid, 0)), info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = must(open(path, O_RDONLY));
	must(read(info, text, sizeof(text) - 1));
	snprintf(expected, sizeof(expected), "\nPid:\t%d\n", pid);
	ok(strstr(text, expected) != NULL, "fdinfo names the process");
	kill(pid, SIGKILL);
	must(waitpid(pid, NULL, 0));
	memset(text, 0, sizeof(text));
	must(pread(info, text, sizeof(text) - 1, 0));
	ok(strstr(text, "\nPid:\t-1\n") != NULL, "which is gone");
	close(info);
	close(fd);
}

/* An open /proc/PID will do, for signals and for nothing else. */
static void test_folder(void)
{
	pid_t pid = sleeper();
	char path[64];
	int fd, other;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	fd = must(open(path, O_RDONLY | O_DIRECTORY));
	ok(send_signal(fd, 0, NULL, 0) == 0, "a signal by way of /proc/PID");
	fails(syscall(SYS_pidfd_getfd, fd, 0, 0), EBADF);
	fails(waitid(P_PIDFD, fd, &(siginfo_t){0}, WEXITED), EBADF);
	other = must(openat(fd, "task", O_RDONLY));
	fails(send_signal(other, 0, NULL, 0), EBADF);
	close(other);
	snprintf(path, sizeof(path), "/proc/%d/task/%d", pid, pid);
	other = must(open(path, O_RDONLY));
	fails(send_signal(other, 0, NULL, 0), EBADF);
	close(other);
	other = must(open("/proc", O_RDONLY));
	fails(send_signal(other, 0, NULL, 0), EBADF);
	close(other);
	must(send_signal(fd, SIGKILL, NULL, 0));
	must(waitpid(pid, NULL, 0));
	fails(send_signal(fd, SIGTERM, NULL, 0), ESRCH);
	close(fd);
}

int main(void)
{
	test_errors();
	test_poll();
	test_nonblock();
	test_siginfo();
	test_getfd();
	test_dumpable();
	test_clone();
	test_threads();
	test_proc();
	test_folder();
	return tap_done();
}
