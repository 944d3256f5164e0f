/* Rules 4, 6: signal masks, timeouts, EINTR. */
#include "epoll.h"

#include <limits.h>

static volatile sig_atomic_t handled;

static void handler(int sig)
{
	handled++;
}

/* musl's sigset_t is larger than the kernel's: pass the size that the kernel wants. */
static int pwait2(int ep, struct epoll_event *ev, int max, const struct timespec *ts,
		  const sigset_t *mask)
{
	return (int)syscall(441 /* epoll_pwait2 */, ep, ev, max, ts, mask, 8);
}

static void on_usr1(int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};

	must(sigaction(SIGUSR1, &sa, NULL));
	handled = 0;
}

static bool is_blocked(int sig)
{
	sigset_t now;

	sigprocmask(SIG_SETMASK, NULL, &now);
	return sigismember(&now, sig);
}

static bool is_pending(int sig)
{
	sigset_t now;

	sigpending(&now);
	return sigismember(&now, sig);
}

static void masks(int ep, int p[2])
{
	struct epoll_event ev;
	sigset_t usr1, empty;

	sigemptyset(&empty);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	on_usr1(0);
	must(sigprocmask(SIG_BLOCK, &usr1, NULL));
	must(raise(SIGUSR1));
	ok(epoll_wait(ep, &ev, 1, QUIET) == 0 && !handled, "a blocked signal does not interrupt");
	ok(epoll_pwait(ep, &ev, 1, QUIET, &usr1) == 0 && !handled, "nor one that the mask blocks");
	fails(epoll_pwait(ep, &ev, 1, SOON, &empty), EINTR);
	ok(handled == 1, "a pending one comes as soon as the mask lets it, its handler has run");
	ok(is_blocked(SIGUSR1), "and the old mask is back");

	must(raise(SIGUSR1));
	put(p[1]);
	ok(epoll_pwait(ep, &ev, 1, SOON, &empty) == 1 && ev.events == EPOLLIN,
	   "an event that is there goes before a signal");
	ok(handled == 1 && is_pending(SIGUSR1) && is_blocked(SIGUSR1), "which stays pending");
	get(p[0]);
	fails(pwait2(ep, &ev, 1, NULL, &empty), EINTR);
	ok(handled == 2 && is_blocked(SIGUSR1), "epoll_pwait2 has a mask too");

	fails(syscall(SYS_epoll_pwait, ep, &ev, 1, 0, &empty, 4), EINVAL);
	fails(syscall(SYS_epoll_pwait, ep, &ev, 1, 0, (void *)16, 8), EFAULT);
	ok(syscall(SYS_epoll_pwait, ep, &ev, 1, 0, NULL, 4) == 0,
	   "without a mask its size is ignored");
	must(sigprocmask(SIG_UNBLOCK, &usr1, NULL));
}

static void interrupts(int ep)
{
	struct timespec long_time = {SOON / 1000, 0}, for_ever = {INT64_MAX, 999999999};
	struct epoll_event ev;
	sigset_t usr1;
	pid_t child;

	on_usr1(0);
	child = pest();
	fails(epoll_wait(ep, &ev, 1, -1), EINTR);
	fails(epoll_wait(ep, &ev, 1, SOON), EINTR);
	ok(handled > 0, "the handler has run");
	on_usr1(SA_RESTART);
	fails(epoll_wait(ep, &ev, 1, -1), EINTR);
	ok(handled > 0, "SA_RESTART makes no difference");
	fails(pwait2(ep, &ev, 1, &long_time, NULL), EINTR);
	fails(pwait2(ep, &ev, 1, &for_ever, NULL), EINTR);
	fails(epoll_wait(ep, &ev, 1, INT_MAX), EINTR);
	fails(epoll_wait(ep, &ev, 1, INT_MIN), EINTR);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	handled = 0;
	ok(epoll_pwait(ep, &ev, 1, 100, &usr1) == 0,
	   "a mask keeps them out for the time of the call");
	stop_pest(child);
	signal(SIGUSR1, SIG_IGN);
	must(raise(SIGUSR1));
	ok(epoll_wait(ep, &ev, 1, QUIET) == 0, "an ignored signal does not interrupt");
}

static bool takes_at_least(int ep, int ms)
{
	struct epoll_event ev;
	int64_t start = now_ns();

	return epoll_wait(ep, &ev, 1, ms) == 0 && now_ns() - start >= ms * 1000000ll;
}

static bool takes_at_least_ns(int ep, long ns)
{
	struct timespec ts = {ns / 1000000000, ns % 1000000000};
	int64_t start = now_ns();
	struct epoll_event ev;

	return pwait2(ep, &ev, 1, &ts, NULL) == 0 && now_ns() - start >= ns;
}

static void timeouts(int ep, int p[2])
{
	static const int ms[] = {1, 2, 5, 10, 33, 100};
	static const long ns[] = {1, 1000, 50000, 999999, 1500001, 20000000};
	struct timespec bad1 = {0, 1000000000}, bad2 = {0, -1}, bad3 = {-1, 0}, zero = {0, 0};
	struct epoll_event ev;

	for (int i = 0; i < 6; i++)
		ok(takes_at_least(ep, ms[i]), "%d ms are not over early", ms[i]);
	for (int i = 0; i < 6; i++)
		ok(takes_at_least_ns(ep, ns[i]), "%ld ns are not over early", ns[i]);
	ok(pwait2(ep, &ev, 1, &zero, NULL) == 0, "epoll_pwait2 with no time returns at once");
	fails(pwait2(ep, &ev, 1, &bad1, NULL), EINVAL);
	fails(pwait2(ep, &ev, 1, &bad2, NULL), EINVAL);
	fails(pwait2(ep, &ev, 1, &bad3, NULL), EINVAL);
	fails(pwait2(ep, &ev, 1, (void *)16, NULL), EFAULT);
	put(p[1]);
	ok(pwait2(ep, &ev, 1, NULL, NULL) == 1, "epoll_pwait2 without a limit");
	ok(epoll_wait(ep, &ev, 1, -1) == 1, "epoll_wait without a limit");
	ok(epoll_wait(ep, &ev, 1, -2) == 1, "any negative time is none");
	get(p[0]);
}

int main(void)
{
	int ep = must(epoll_create1(0)), p[2];

	must(pipe(p));
	must(ep_add(ep, p[0], EPOLLIN));
	masks(ep, p);
	interrupts(ep);
	timeouts(ep, p);
	return tap_done();
}
