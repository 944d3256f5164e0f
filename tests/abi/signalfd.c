/*
 * signalfd(2): what is taken by read, what every kind of signal looks like there, whose signals a
 * shared descriptor shows, and what poll and epoll say.
 */
#include "tap.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static sigset_t set_of(int a, int b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, a);
	if (b)
		sigaddset(&set, b);
	return set;
}

static int new_fd(int a, int b, int flags)
{
	sigset_t set = set_of(a, b);

	must(sigprocmask(SIG_BLOCK, &set, NULL));
	return must(signalfd(-1, &set, flags));
}

static short polled(int fd, int timeout)
{
	struct pollfd p = {fd, POLLIN | POLLOUT, 0};

	must(poll(&p, 1, timeout));
	return p.revents;
}

static struct signalfd_siginfo take(int fd)
{
	struct signalfd_siginfo info = {0};

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		info.ssi_signo = 0;
	return info;
}

static void test_errors(void)
{
	int fd = new_fd(SIGUSR1, 0, SFD_NONBLOCK | SFD_CLOEXEC);
	sigset_t set = set_of(SIGUSR1, 0);
	struct signalfd_siginfo info;
	volatile uintptr_t bad = 8;

	fails(signalfd(-1, &set, 1), EINVAL);
	fails(syscall(SYS_signalfd4, -1, &set, 4, 0), EINVAL);
	fails(syscall(SYS_signalfd4, -1, bad, 8, 0), EFAULT);
	fails(signalfd(1000, &set, 0), EBADF);
	fails(signalfd(1, &set, 0), EINVAL);
	fails(read(fd, &info, 127), EINVAL);
	fails(read(fd, &info, 128), EAGAIN);
	fails(write(fd, &info, 128), EINVAL);
	ok(fcntl(fd, F_GETFD) == FD_CLOEXEC, "SFD_CLOEXEC");
	ok(fcntl(fd, F_GETFL) == (O_RDWR | O_NONBLOCK), "SFD_NONBLOCK");
	ok(polled(fd, 0) == 0, "nothing is pending");
	kill(getpid(), SIGUSR1);
	fails(syscall(SYS_read, fd, bad, 128), EFAULT);
	fails(read(fd, &info, 128), EAGAIN); /* it was taken all the same */
	close(fd);
}

static void test_kinds(void)
{
	int fd = new_fd(SIGUSR1, SIGRTMIN + 1, SFD_NONBLOCK), p[2], status;
	struct signalfd_siginfo info, many[4];
	sigset_t set = set_of(SIGCHLD, SIGRTMIN + 2);
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1};
	struct itimerspec it = {.it_value = {0, 1}};
	timer_t timer;
	pid_t pid;

	kill(getpid(), SIGUSR1);
	ok(polled(fd, 0) == POLLIN, "a signal is readable");
	info = take(fd);
	ok(info.ssi_signo == SIGUSR1 && info.ssi_code == SI_USER &&
		   info.ssi_pid == (uint32_t)getpid() && info.ssi_uid == getuid(),
	   "from kill");
	raise(SIGUSR1);
	info = take(fd);
	ok(info.ssi_signo == SIGUSR1 && info.ssi_code == SI_TKILL, "from tkill");
	sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_ptr = (void *)0x123456789abcdef0});
	info = take(fd);
	ok(info.ssi_signo == (uint32_t)SIGRTMIN + 1 && info.ssi_code == SI_QUEUE &&
		   info.ssi_ptr == 0x123456789abcdef0 && info.ssi_int == (int)0x9abcdef0 &&
		   info.ssi_pid == (uint32_t)getpid(),
	   "from sigqueue");
	ev.sigev_value.sival_int = 77;
	must(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	must(timer_settime(timer, 0, &it, NULL));
	polled(fd, 10000);
	info = take(fd);
	ok(info.ssi_code == SI_TIMER && info.ssi_int == 77 && info.ssi_overrun == 0,
	   "from a timer");
	timer_delete(timer);

	sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 1});
	sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 2});
	kill(getpid(), SIGUSR1);
	ok(read(fd, many, sizeof(many) - 1) == 3 * sizeof(info) && many[0].ssi_signo == SIGUSR1 &&
		   many[1].ssi_int == 1 && many[2].ssi_int == 2,
	   "one read takes all there are, the lowest first");

	must(sigprocmask(SIG_BLOCK, &set, NULL));
	ok(signalfd(fd, &set, 0) == fd, "another set");
	kill(getpid(), SIGUSR1);
	ok(polled(fd, 0) == 0, "replaces the old one");
	must(pipe(p));
	pid = must(fork());
	if (!pid)
		_exit(9);
	ok(polled(fd, 10000) == POLLIN, "a child's end is readable");
	info = take(fd);
	ok(info.ssi_signo == SIGCHLD && info.ssi_code == CLD_EXITED && info.ssi_status == 9 &&
		   info.ssi_pid == (uint32_t)pid,
	   "and tells how");
	must(wait(&status));
	close(fd);
	fd = new_fd(SIGUSR1, 0, SFD_NONBLOCK);
	ok(take(fd).ssi_signo == SIGUSR1, "what was left pending is found by another signalfd");
	close(fd);
	fd = new_fd(SIGKILL, SIGSTOP, SFD_NONBLOCK);
	ok(fd >= 0, "SIGKILL and SIGSTOP are left out without a word");
	close(fd);
	close(p[0]);
	close(p[1]);
}

static void *sender(void *arg)
{
	usleep(20000);
	kill(getpid(), SIGUSR1);
	return NULL;
}

static void test_waiting(void)
{
	int fd = new_fd(SIGUSR1, SIGUSR2, 0), epfd = must(epoll_create1(0));
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	pthread_t thread;

	must(pthread_create(&thread, NULL, sender, NULL) ? -1 : 0);
	ok(take(fd).ssi_signo == SIGUSR1, "read waits");
	pthread_join(thread, NULL);
	must(pthread_create(&thread, NULL, sender, NULL) ? -1 : 0);
	ok(polled(fd, 10000) == POLLIN, "poll waits");
	take(fd);
	pthread_join(thread, NULL);

	must(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev));
	ok(epoll_wait(epfd, &ev, 1, 0) == 0, "epoll: nothing");
	must(pthread_create(&thread, NULL, sender, NULL) ? -1 : 0);
	ok(epoll_wait(epfd, &ev, 1, 10000) == 1 && ev.events == EPOLLIN, "epoll waits");
	pthread_join(thread, NULL);
	ok(epoll_wait(epfd, &ev, 1, 0) == 0, "an edge is told once");
	kill(getpid(), SIGUSR2);
	ok(epoll_wait(epfd, &ev, 1, 0) == 1, "another signal is another edge");
	take(fd);
	take(fd);
	ev.events = EPOLLIN;
	must(epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &ev));
	kill(getpid(), SIGUSR2);
	ok(epoll_wait(epfd, &ev, 1, 0) == 1 && epoll_wait(epfd, &ev, 1, 0) == 1, "level");
	take(fd);
	ok(epoll_wait(epfd, &ev, 1, 0) == 0, "until it is read");
	close(fd);
	close(epfd);
}

/* A signal for one thread is not another thread's. */
static void *other_thread(void *arg)
{
	int *fd = arg;

	*fd = polled(*fd, 0) == 0 && polled(*fd, 50) == 0;
	return NULL;
}

static void test_whose(void)
{
	int fd = new_fd(SIGUSR1, SIGUSR2, SFD_NONBLOCK), answer = fd, status;
	pthread_t thread;

	must(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1));
	must(pthread_create(&thread, NULL, other_thread, &answer) ? -1 : 0);
	pthread_join(thread, NULL);
	ok(answer, "a thread does not see another's signals");
	ok(take(fd).ssi_signo == SIGUSR1, "the thread it was sent to does");

	kill(getpid(), SIGUSR1);
	if (!fork()) {
		if (polled(fd, 0) != 0)
			_exit(1);
		kill(getpid(), SIGUSR2);
		_exit(polled(fd, 1000) == POLLIN && take(fd).ssi_signo == SIGUSR2 ? 0 : 2);
	}
	must(wait(&status));
	ok(status == 0, "a child sees its own signals through a descriptor that it inherited");
	ok(take(fd).ssi_signo == SIGUSR1, "and the parent its own");
	close(fd);
}

/* An epoll that outlives the process whose signals it was told of. */
static void test_outlived(void)
{
	int epfd = must(epoll_create1(0)), fd = new_fd(SIGUSR1, 0, SFD_NONBLOCK), status;
	struct epoll_event ev = {.events = EPOLLIN};

	for (int i = 0; i < 5; i++) {
		if (!fork()) {
			_exit(epoll_ctl(epfd, i ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev) ? 1 : 0);
		}
		must(wait(&status));
	}
	ok(status == 0 && epoll_wait(epfd, &ev, 1, 0) == 0, "the process that added it is gone");
	kill(getpid(), SIGUSR1);
	polled(fd, 0);
	ok(take(fd).ssi_signo == SIGUSR1, "the file works on");
	close(fd);
	ok(epoll_wait(epfd, &ev, 1, 0) == 0, "and goes");
	close(epfd);
}

static void test_fdinfo(void)
{
	int fd = new_fd(SIGUSR1, SIGCHLD, 0), info;
	char path[64], text[256] = "";

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = must(open(path, O_RDONLY));
	must(read(info, text, sizeof(text) - 1));
	ok(strstr(text, "\nsigmask:\t0000000000010200\n") != NULL, "fdinfo");
	close(info);
	close(fd);
}

int main(void)
{
	test_errors();
	test_kinds();
	test_waiting();
	test_whose();
	test_outlived();
	test_fdinfo();
	return tap_done();
}
