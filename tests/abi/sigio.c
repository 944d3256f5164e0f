/*
 * Signal-driven I/O: O_ASYNC and FIOASYNC, F_SETOWN, F_SETOWN_EX, F_SETSIG, on pipes, TCP listeners
 * and connections, and UDP. How many signals an event makes may differ, so a test waits for one and
 * looks at what it says.
 */
#include "tap.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define RT (SIGRTMIN + 3)

static sigset_t both; /* SIGIO and RT: blocked, and taken by sigtimedwait */

/* The next of them; 0: none comes. */
static int next(siginfo_t *info, int ms)
{
	int sig = sigtimedwait(&both, info, &(struct timespec){ms / 1000, ms % 1000 * 1000000l});

	return sig > 0 ? sig : 0;
}

static void drain(void)
{
	siginfo_t info;

	while (next(&info, 0))
		;
}

/* Waits for an RT signal with this code. */
static bool comes(int fd, int code, long band)
{
	siginfo_t info;

	while (next(&info, 5000))
		if (info.si_signo == RT && info.si_code == code)
			return info.si_fd == fd && info.si_band == band;
	return false;
}

#define INPUT(fd)  comes(fd, POLL_IN, POLLIN | POLLRDNORM)
#define OUTPUT(fd) comes(fd, POLL_OUT, POLLOUT | POLLWRNORM | POLLWRBAND)

static void make_async(int fd, int sig)
{
	must(fcntl(fd, F_SETOWN, getpid()));
	must(fcntl(fd, F_SETSIG, sig));
	must(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC));
}

static void test_errors(void)
{
	struct f_owner_ex ex = {7, 1};
	volatile uintptr_t bad = 8;
	int p[2], on = 1, zero = must(open("/dev/zero", O_RDONLY));

	must(pipe(p));
	fails(fcntl(p[0], F_SETOWN, 0x3ffffffe), ESRCH);
	fails(fcntl(p[0], F_SETOWN, -0x3ffffffe), ESRCH);
	fails(syscall(SYS_fcntl, p[0], F_SETOWN, INT32_MIN), EINVAL);
	fails(fcntl(p[0], F_SETSIG, 65), EINVAL);
	fails(fcntl(p[0], F_SETSIG, -1), EINVAL);
	fails(fcntl(p[0], F_SETOWN_EX, &ex), EINVAL);
	ex = (struct f_owner_ex){F_OWNER_TID, 0x3ffffffe};
	fails(fcntl(p[0], F_SETOWN_EX, &ex), ESRCH);
	fails(syscall(SYS_fcntl, p[0], F_SETOWN_EX, bad), EFAULT);
	fails(syscall(SYS_fcntl, p[0], F_GETOWN_EX, bad), EFAULT);
	fails(ioctl(zero, FIOASYNC, &on), ENOTTY);
	fails(ioctl(p[0], FIOSETOWN, &on), ENOTTY);
	ok(fcntl(zero, F_SETFL, O_ASYNC) == 0 && !(fcntl(zero, F_GETFL) & O_ASYNC),
	   "a file that signals nothing does not take the flag");
	close(zero);
	close(p[0]);
	close(p[1]);
}

static void test_owner(void)
{
	struct f_owner_ex ex = {9, 9};
	int p[2], s = must(socket(AF_INET, SOCK_DGRAM, 0)), who = -1;

	must(pipe(p));
	ok(syscall(SYS_fcntl, p[0], F_GETOWN) == 0 && fcntl(p[0], F_GETSIG) == 0,
	   "nobody owns it at first");
	must(fcntl(p[0], F_SETOWN, getpid()));
	ok(syscall(SYS_fcntl, p[0], F_GETOWN) == getpid(), "a process");
	must(fcntl(p[0], F_GETOWN_EX, &ex));
	ok(ex.type == F_OWNER_PID && ex.pid == getpid(), "so says F_GETOWN_EX");
	must(fcntl(p[0], F_SETOWN, -getpgrp()));
	must(fcntl(p[0], F_GETOWN_EX, &ex));
	ok(ex.type == F_OWNER_PGRP && ex.pid == getpgrp(), "a process group");
	ex = (struct f_owner_ex){F_OWNER_TID, getpid()};
	must(fcntl(p[0], F_SETOWN_EX, &ex));
	must(fcntl(p[0], F_GETOWN_EX, &ex));
	ok(ex.type == F_OWNER_TID && ex.pid == getpid(), "a thread");
	must(fcntl(p[0], F_SETOWN, 0));
	ok(syscall(SYS_fcntl, p[0], F_GETOWN) == 0, "nobody");
	ok(fcntl(p[0], F_SETSIG, RT) == 0 && fcntl(p[0], F_GETSIG) == RT, "F_GETSIG");
	who = getpid();
	ok(ioctl(s, FIOSETOWN, &who) == 0 && syscall(SYS_fcntl, s, F_GETOWN) == who,
	   "FIOSETOWN of a socket");
	who = 0;
	ok(ioctl(s, SIOCGPGRP, &who) == 0 && who == getpid(), "SIOCGPGRP");
	close(s);
	close(p[0]);
	close(p[1]);
}

static void test_pipe(void)
{
	static char page[65536];
	siginfo_t info;
	int p[2], on = 1, off = 0;

	must(pipe2(p, O_NONBLOCK));
	must(fcntl(p[0], F_SETOWN, getpid()));
	must(write(p[1], "x", 1));
	ok(next(&info, 20) == 0, "without O_ASYNC no signal");
	must(fcntl(p[0], F_SETFL, O_NONBLOCK | O_ASYNC));
	must(write(p[1], "x", 1));
	ok(next(&info, 5000) == SIGIO && info.si_code == SI_KERNEL, "SIGIO by itself says nothing");
	must(fcntl(p[0], F_SETSIG, RT));
	must(write(p[1], "x", 1));
	ok(INPUT(p[0]), "a signal of one's choice has descriptor and band");
	must(write(p[1], "x", 1));
	must(write(p[1], "x", 1));
	ok(INPUT(p[0]) && INPUT(p[0]), "one for each write, queued");
	must(fcntl(p[0], F_SETSIG, SIGIO));
	must(write(p[1], "x", 1));
	ok(next(&info, 5000) == SIGIO && info.si_code == POLL_IN && info.si_fd == p[0],
	   "SIGIO itself, if asked for, has them as well");
	must(fcntl(p[0], F_SETSIG, RT));

	must(ioctl(p[0], FIOASYNC, &off));
	ok(!(fcntl(p[0], F_GETFL) & O_ASYNC), "FIOASYNC switches off");
	must(write(p[1], "x", 1));
	ok(next(&info, 20) == 0, "and then no signal comes");
	must(ioctl(p[0], FIOASYNC, &on));
	ok(fcntl(p[0], F_GETFL) & O_ASYNC, "and on");
	must(write(p[1], "x", 1));
	ok(INPUT(p[0]), "and it comes again");

	make_async(p[1], RT);
	while (write(p[1], page, sizeof(page)) > 0)
		;
	drain();
	must(read(p[0], page, sizeof(page)));
	ok(OUTPUT(p[1]), "a writer is told of room");
	must(fcntl(p[1], F_SETFL, O_NONBLOCK));
	drain();
	close(p[1]);
	ok(INPUT(p[0]), "a reader of the last writer's end");
	close(p[0]);
}

static void *other_thread(void *arg)
{
	pid_t *tid = arg;
	siginfo_t info;

	__atomic_store_n(tid, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	return next(&info, 5000) == RT ? arg : NULL;
}

static void test_thread(void)
{
	struct f_owner_ex ex = {F_OWNER_TID, 0};
	pid_t tid = 0;
	pthread_t thread;
	siginfo_t info;
	void *got;
	int p[2];

	must(pipe(p));
	must(pthread_create(&thread, NULL, other_thread, &tid) ? -1 : 0);
	while (!(ex.pid = __atomic_load_n(&tid, __ATOMIC_SEQ_CST)))
		usleep(1000);
	make_async(p[0], RT);
	must(fcntl(p[0], F_SETOWN_EX, &ex));
	must(write(p[1], "x", 1));
	pthread_join(thread, &got);
	ok(got != NULL, "a thread that is the owner gets the signal");
	must(write(p[1], "x", 1));
	ok(next(&info, 20) == 0, "when it is gone nobody does");
	close(p[0]);
	close(p[1]);
}

static void test_group(void)
{
	int p[2], ready[2], status, done = 0;
	pid_t child[2];
	siginfo_t info;

	must(pipe(p));
	must(pipe(ready));
	for (int i = 0; i < 2; i++) {
		child[i] = must(fork());
		if (!child[i]) {
			setpgid(0, i ? child[0] : 0);
			must(write(ready[1], "r", 1));
			_exit(next(&info, 5000) == RT ? 0 : 1);
		}
		setpgid(child[i], child[0]);
	}
	for (int i = 0; i < 2; i++)
		must(read(ready[0], &(char){0}, 1));
	make_async(p[0], RT);
	must(fcntl(p[0], F_SETOWN, -child[0]));
	must(write(p[1], "x", 1));
	for (int i = 0; i < 2; i++)
		done += waitpid(child[i], &status, 0) == child[i] && status == 0;
	ok(done == 2, "every process of a group");
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(ready[i]);
	}
}

static void test_overflow(void)
{
	struct rlimit old, none = {0, 0};
	siginfo_t info;
	int p[2];

	must(getrlimit(RLIMIT_SIGPENDING, &old));
	none.rlim_max = old.rlim_max;
	must(pipe(p));
	make_async(p[0], RT);
	must(setrlimit(RLIMIT_SIGPENDING, &none));
	must(write(p[1], "x", 1));
	ok(next(&info, 5000) == SIGIO && info.si_code == SI_KERNEL,
	   "what cannot be queued becomes SIGIO");
	must(setrlimit(RLIMIT_SIGPENDING, &old));
	close(p[0]);
	close(p[1]);
}

static int bound_socket(int type, struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int s = must(socket(AF_INET, type, 0));

	*addr = (struct sockaddr_in){.sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	must(bind(s, (struct sockaddr *)addr, len));
	must(getsockname(s, (struct sockaddr *)addr, &len));
	return s;
}

static void test_udp(void)
{
	struct sockaddr_in addr;
	int s = bound_socket(SOCK_DGRAM, &addr), c = must(socket(AF_INET, SOCK_DGRAM, 0));

	make_async(s, RT);
	drain();
	for (int i = 0; i < 2; i++) {
		must(sendto(c, "x", 1, 0, (struct sockaddr *)&addr, sizeof(addr)));
		ok(INPUT(s), "UDP: a datagram");
	}
	close(s);
	close(c);
}

static void test_tcp(void)
{
	struct sockaddr_in addr;
	int l = bound_socket(SOCK_STREAM, &addr), c = must(socket(AF_INET, SOCK_STREAM, 0)), s;
	char buf[16];

	must(listen(l, 5));
	make_async(l, RT);
	drain();
	must(connect(c, (struct sockaddr *)&addr, sizeof(addr)));
	ok(INPUT(l), "TCP: a connection to accept");
	s = must(accept(l, NULL, NULL));
	ok(!(fcntl(s, F_GETFL) & O_ASYNC) && syscall(SYS_fcntl, s, F_GETOWN) == 0,
	   "what is accepted has no owner yet");
	make_async(s, RT);
	drain();
	for (int i = 0; i < 2; i++) {
		must(write(c, "x", 1));
		ok(INPUT(s), "TCP: data");
		must(read(s, buf, sizeof(buf)));
	}
	drain();
	must(shutdown(c, SHUT_WR));
	ok(INPUT(s), "TCP: the end of the stream");
	close(s);
	close(c);
	close(l);
}

/* Who closes is not signalled, and a file that is gone signals nobody. */
static void test_close(void)
{
	siginfo_t info;
	int p[2], copy;

	must(pipe(p));
	drain();
	make_async(p[0], RT);
	copy = must(dup(p[0]));
	close(p[0]);
	must(write(p[1], "x", 1));
	ok(INPUT(p[0]), "a copy keeps it alive, under the first number");
	close(copy);
	drain();
	fails(write(p[1], "x", 1), EPIPE);
	ok(next(&info, 20) == 0, "then it is over");
	close(p[1]);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&both);
	sigaddset(&both, SIGIO);
	sigaddset(&both, RT);
	must(sigprocmask(SIG_BLOCK, &both, NULL));
	test_errors();
	test_owner();
	test_pipe();
	test_thread();
	test_group();
	test_overflow();
	test_udp();
	test_tcp();
	test_close();
	return tap_done();
}
