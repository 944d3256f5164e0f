/*
 * Signals: signal(7) and the pages it names. Handlers, masks, siginfo, restart or EINTR, real-time
 * queues, default actions, interval timers. What a handler finds on its stack is in sigframe.c.
 */
#include "tap.h"
#include "signals.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static volatile sig_atomic_t count, last_signal, last_code, last_value, depth, max_depth;
static volatile pid_t last_pid;
static volatile uintptr_t bad = 8;

static void reset(void)
{
	count = last_signal = last_code = last_value = depth = max_depth = 0;
	last_pid = 0;
}

static void handler(int sig)
{
	count++;
	last_signal = sig;
}

static void info_handler(int sig, siginfo_t *info, void *uc)
{
	count++;
	last_signal = sig;
	last_code = info->si_code;
	last_pid = info->si_pid;
	last_value = info->si_value.sival_int;
}

static bool is_pending(int sig)
{
	sigset_t set;

	must(sigpending(&set));
	return sigismember(&set, sig);
}

/* ---- arguments ---- */

static void test_errors(void)
{
	struct sigaction sa = {.sa_handler = handler};
	unsigned long mask = 0;

	fails(sigaction(SIGKILL, &sa, NULL), EINVAL);
	fails(sigaction(SIGSTOP, &sa, NULL), EINVAL);
	fails(syscall(SYS_rt_sigaction, 0, NULL, NULL, 8), EINVAL);
	fails(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8), EINVAL);
	fails(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 16), EINVAL);
	fails(syscall(SYS_rt_sigaction, SIGUSR1, bad, NULL, 8), EFAULT);
	fails(syscall(SYS_rt_sigaction, SIGUSR1, NULL, bad, 8), EFAULT);
	ok(syscall(SYS_rt_sigaction, SIGKILL, NULL, NULL, 8) == 0, "reading SIGKILL's action");
	fails(syscall(SYS_rt_sigprocmask, 99, &mask, NULL, 8), EINVAL);
	ok(syscall(SYS_rt_sigprocmask, 99, NULL, &mask, 8) == 0,
	   "how is not looked at without a set");
	fails(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, 4), EINVAL);
	fails(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, NULL, 8), EFAULT);
	fails(syscall(SYS_rt_sigpending, bad, 8), EFAULT);
	fails(syscall(SYS_rt_sigpending, &mask, 9), EINVAL);
	fails(syscall(SYS_rt_sigsuspend, &mask, 4), EINVAL);
	fails(syscall(SYS_rt_sigsuspend, bad, 8), EFAULT);
	fails(kill(getpid(), 65), EINVAL);
	fails(kill(getpid(), -1), EINVAL);
	fails(kill(0x3fffff, 0), ESRCH);
	fails(syscall(SYS_tgkill, getpid(), 0, SIGUSR1), EINVAL);
	fails(syscall(SYS_tgkill, 1, syscall(SYS_gettid), 0), ESRCH);
	fails(syscall(SYS_tkill, -1, 0), EINVAL);
	fails(syscall(SYS_tkill, 0x3fffff, 0), ESRCH);
}

/* ---- handlers and masks ---- */

static void nested(int sig)
{
	depth++;
	if (depth > max_depth)
		max_depth = depth;
	if (count++ < 3)
		raise(SIGUSR1);
	depth--;
}

static void check_mask(int sig)
{
	count++;
	last_value = is_blocked(SIGUSR1) | is_blocked(SIGUSR2) << 1 | is_blocked(SIGTERM) << 2;
}

static void test_handlers(void)
{
	struct sigaction sa = {.sa_handler = check_mask}, old;

	reset();
	install(SIGUSR1, handler, 0);
	ok(raise(SIGUSR1) == 0 && count == 1 && last_signal == SIGUSR1, "a handler runs");
	ok(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == handler, "and stays");
	install(SIGUSR1, handler, SA_RESETHAND);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &old);
	ok(count == 2 && old.sa_handler == SIG_DFL, "SA_RESETHAND");

	sigemptyset(&sa.sa_mask);
	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	ok(last_value == 3, "the signal and sa_mask are blocked in the handler");
	ok(!is_blocked(SIGUSR1) && !is_blocked(SIGUSR2), "and not after it");
	sa.sa_flags = SA_NODEFER;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	ok(last_value == 2, "SA_NODEFER leaves the signal itself open");

	reset();
	install(SIGUSR1, nested, SA_NODEFER);
	raise(SIGUSR1);
	ok(count == 4 && max_depth == 4, "SA_NODEFER: four deep");
	reset();
	install(SIGUSR1, nested, 0);
	raise(SIGUSR1);
	ok(count == 4 && max_depth == 1, "without it: one after the other");

	reset();
	install(SIGUSR1, handler, 0);
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	raise(SIGUSR1);
	ok(count == 0 && is_pending(SIGUSR1), "blocked: pending");
	block(SIG_UNBLOCK, SIGUSR1);
	ok(count == 1 && !is_pending(SIGUSR1), "unblocked: delivered once");

	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	ok(!is_pending(SIGUSR1), "ignoring drops what is pending");
	block(SIG_UNBLOCK, SIGUSR1);
	ok(count == 1, "for good");
	block(SIG_BLOCK, SIGCHLD);
	raise(SIGCHLD);
	ok(is_pending(SIGCHLD), "a blocked signal is kept though its default is to be ignored");
	block(SIG_UNBLOCK, SIGCHLD);
	block(SIG_BLOCK, SIGKILL);
	ok(!is_blocked(SIGKILL), "SIGKILL cannot be blocked");
}

static void test_siginfo(void)
{
	union sigval v = {.sival_int = 1234};

	reset();
	install_info(SIGUSR1, info_handler, 0);
	kill(getpid(), SIGUSR1);
	ok(last_code == SI_USER && last_pid == getpid(), "kill: SI_USER and the sender");
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
	ok(last_code == SI_TKILL && last_pid == getpid(), "tgkill: SI_TKILL");
	sigqueue(getpid(), SIGUSR1, v);
	ok(last_code == SI_QUEUE && last_value == 1234, "sigqueue: SI_QUEUE and the value");
	signal(SIGUSR1, SIG_DFL);
}

static int order[8], nr_order;

static void note_order(int sig, siginfo_t *info, void *uc)
{
	if (nr_order < 8)
		order[nr_order++] = sig * 100 + info->si_value.sival_int;
}

static void test_realtime(void)
{
	int rt = SIGRTMIN, rt2 = SIGRTMIN + 1;
	sigset_t set;

	install_info(rt, note_order, 0);
	install_info(rt2, note_order, 0);
	sigemptyset(&set);
	sigaddset(&set, rt);
	sigaddset(&set, rt2);
	/* Blocked in each other's handler, or the second would interrupt the first. */
	for (int sig = rt; sig <= rt2; sig++) {
		struct sigaction sa = {.sa_sigaction = note_order, .sa_flags = SA_SIGINFO};

		sa.sa_mask = set;
		sigaction(sig, &sa, NULL);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigqueue(getpid(), rt2, (union sigval){.sival_int = 1});
	for (int i = 1; i <= 3; i++)
		sigqueue(getpid(), rt, (union sigval){.sival_int = i});
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	ok(nr_order == 4, "real-time signals are queued, each counts");
	ok(order[0] == rt * 100 + 1 && order[1] == rt * 100 + 2 && order[2] == rt * 100 + 3,
	   "in the order in which they were sent");
	ok(order[3] == rt2 * 100 + 1, "the lower number first");
	signal(rt, SIG_DFL);
	signal(rt2, SIG_DFL);
}

/* ---- interrupted system calls ---- */

static pid_t poke_later(int sig, unsigned ms)
{
	pid_t parent = getpid(), pid = must(fork());

	if (!pid) {
		usleep(ms * 1000);
		kill(parent, sig);
		_exit(0);
	}
	return pid;
}

/* Blocks in read() until a byte comes; a child sends the signal and, later, the byte. */
static ssize_t read_with_signal(int flags)
{
	int p[2];
	char c = 0;
	ssize_t n;
	pid_t parent = getpid(), pid;

	install(SIGUSR1, handler, flags);
	must(pipe(p));
	pid = must(fork());
	if (!pid) {
		usleep(30000);
		kill(parent, SIGUSR1);
		usleep(30000);
		_exit(write(p[1], "x", 1) != 1);
	}
	errno = 0;
	n = read(p[0], &c, 1);
	if (n < 0)
		n = -errno;
	waitpid(pid, NULL, 0);
	close(p[0]);
	close(p[1]);
	return n;
}

static void test_restart(void)
{
	struct timespec ts = {5, 0}, rem = {0, 0};
	struct pollfd pfd = {.fd = -1};
	int p[2];
	sigset_t none;
	pid_t pid;

	reset();
	ok(read_with_signal(0) == -EINTR && count == 1, "read: EINTR without SA_RESTART");
	ok(read_with_signal(SA_RESTART) == 1 && count == 2, "read: restarted with SA_RESTART");
	signal(SIGUSR1, SIG_IGN);

	install(SIGUSR1, handler, SA_RESTART);
	pid = poke_later(SIGUSR1, 30);
	errno = 0;
	ok(nanosleep(&ts, &rem) == -1 && errno == EINTR, "nanosleep: EINTR even with SA_RESTART");
	ok(rem.tv_sec == 4 && rem.tv_nsec > 0, "and the time that was left");
	waitpid(pid, NULL, 0);

	pid = poke_later(SIGUSR1, 30);
	errno = 0;
	ok(poll(&pfd, 1, 5000) == -1 && errno == EINTR, "poll: EINTR even with SA_RESTART");
	waitpid(pid, NULL, 0);

	pid = poke_later(SIGUSR1, 30);
	errno = 0;
	ok(pause() == -1 && errno == EINTR, "pause: EINTR");
	waitpid(pid, NULL, 0);

	/* Stopped and continued: no handler, so the sleep goes on to its end. */
	pid = must(fork());
	if (!pid) {
		struct timespec a, b;

		ts = (struct timespec){0, 150000000};
		clock_gettime(CLOCK_MONOTONIC, &a);
		if (nanosleep(&ts, NULL))
			_exit(1);
		clock_gettime(CLOCK_MONOTONIC, &b);
		_exit((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec < 150000000);
	}
	usleep(30000);
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	kill(pid, SIGCONT);
	int status;
	ok(waitpid(pid, &status, 0) == pid && status == 0,
	   "nanosleep over a stop sleeps to its first deadline");

	/* ppoll opens the mask for the time of the sleep only. */
	reset();
	must(pipe(p));
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	sigemptyset(&none);
	pfd = (struct pollfd){.fd = p[0], .events = POLLIN};
	errno = 0;
	ok(ppoll(&pfd, 1, NULL, &none) == -1 && errno == EINTR && count == 1,
	   "ppoll: a signal that was pending ends it");
	ok(is_blocked(SIGUSR1), "and the mask is back");
	must(write(p[1], "x", 1));
	ok(ppoll(&pfd, 1, NULL, &none) == 1 && is_blocked(SIGUSR1), "ppoll: nothing pending");
	block(SIG_UNBLOCK, SIGUSR1);
	close(p[0]);
	close(p[1]);
}

/* ---- waiting for signals ---- */

static void test_waiting(void)
{
	struct timespec none = {0, 0}, little = {0, 20000000};
	siginfo_t info;
	sigset_t set, empty;
	pid_t pid;
	int sig = 0;

	reset();
	install(SIGUSR1, handler, 0);
	block(SIG_BLOCK, SIGUSR1);
	sigemptyset(&empty);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pid = poke_later(SIGUSR1, 20);
	errno = 0;
	ok(sigsuspend(&empty) == -1 && errno == EINTR && count == 1,
	   "sigsuspend: the handler runs");
	ok(is_blocked(SIGUSR1), "and the mask is back");
	waitpid(pid, NULL, 0);

	fails(sigtimedwait(&set, &info, &none), EAGAIN);
	fails(sigtimedwait(&set, &info, &little), EAGAIN);
	raise(SIGUSR1);
	ok(sigwaitinfo(&set, &info) == SIGUSR1 && info.si_signo == SIGUSR1 && count == 1,
	   "sigwaitinfo takes a pending signal without its handler");
	pid = poke_later(SIGUSR1, 20);
	ok(sigwait(&set, &sig) == 0 && sig == SIGUSR1 && count == 1, "sigwait sleeps for it");
	waitpid(pid, NULL, 0);

	signal(SIGUSR1, SIG_DFL);
	pid = poke_later(SIGUSR1, 20);
	ok(sigwaitinfo(&set, &info) == SIGUSR1 && info.si_pid == pid && info.si_code == SI_USER,
	   "a deadly one, too, when it is waited for");
	waitpid(pid, NULL, 0);
	install(SIGUSR2, handler, 0);
	pid = poke_later(SIGUSR2, 20);
	fails(syscall(SYS_rt_sigtimedwait, &set, &info, NULL, 8), EINTR);
	waitpid(pid, NULL, 0);
	block(SIG_UNBLOCK, SIGUSR1);
	fails(syscall(SYS_rt_sigtimedwait, &set, NULL, &(struct timespec){-1, 0}, 8), EINVAL);
	fails(syscall(SYS_rt_sigtimedwait, &set, NULL, &none, 4), EINVAL);
}

/* ---- default actions, SIGPIPE, timers ---- */

static int status_of(int sig)
{
	int status;
	pid_t pid = must(fork());

	if (!pid) {
		raise(sig);
		_exit(77);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void test_defaults(void)
{
	static const int deadly[] = {SIGHUP,  SIGINT,  SIGUSR2, SIGPIPE,  SIGALRM,
				     SIGTERM, SIGPOLL, SIGPROF, SIGVTALRM};
	static const int ignored[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH};
	bool all = true;
	int p[2], status;
	pid_t pid;

	signal(SIGUSR2, SIG_DFL);
	for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++)
		all = all && WTERMSIG(status_of(deadly[i])) == deadly[i];
	ok(all, "signals that end a process");
	all = true;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		all = all && status_of(ignored[i]) == 77 << 8;
	ok(all, "signals that do nothing");
	ok(WTERMSIG(status_of(SIGABRT)) == SIGABRT, "SIGABRT");
	ok(WTERMSIG(status_of(SIGRTMIN + 3)) == SIGRTMIN + 3, "a real-time signal ends, too");

	must(pipe(p));
	close(p[0]);
	pid = must(fork());
	if (!pid)
		_exit((int)write(p[1], "x", 1));
	waitpid(pid, &status, 0);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE, "writing to nobody: SIGPIPE");
	signal(SIGPIPE, SIG_IGN);
	fails(write(p[1], "x", 1), EPIPE);
	signal(SIGPIPE, SIG_DFL);
	close(p[1]);
}

static void test_timers(void)
{
	struct itimerval it = {{0, 5000}, {0, 5000}}, old;

	reset();
	install_info(SIGALRM, info_handler, 0);
	ok(setitimer(ITIMER_REAL, &it, NULL) == 0, "setitimer");
	for (int i = 0; i < 1000 && count < 5; i++)
		usleep(2000);
	ok(count >= 5 && last_code == SI_KERNEL, "it goes on and on");
	it = (struct itimerval){0};
	ok(setitimer(ITIMER_REAL, &it, &old) == 0 && old.it_interval.tv_usec == 5000,
	   "setitimer returns the old one");
	ok(getitimer(ITIMER_REAL, &old) == 0 && old.it_value.tv_sec == 0 &&
		   old.it_value.tv_usec == 0,
	   "disarmed");
	ok(alarm(100) == 0 && alarm(0) == 100 && alarm(0) == 0, "alarm returns what was left");
	it.it_value.tv_usec = 1000000;
	fails(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
	fails(setitimer(77, &(struct itimerval){0}, NULL), EINVAL);
	reset();
	it = (struct itimerval){{0, 0}, {0, 20000}};
	setitimer(ITIMER_REAL, &it, NULL);
	errno = 0;
	ok(pause() == -1 && errno == EINTR && count == 1, "one shot ends a pause");
	signal(SIGALRM, SIG_DFL);
}

int main(void)
{
	test_errors();
	test_handlers();
	test_siginfo();
	test_realtime();
	test_restart();
	test_waiting();
	test_defaults();
	test_timers();
	return tap_done();
}
