/*
 * echo-epoll: the kernel keeps the list of what is watched, and a wait returns what is ready. Its cost
 * does not know how many connections are idle.
 *
 *	-m et         edge-triggered (the default): epoll reports a change once. What is not done now is
 *	              not told again, so who stops early asks again: EPOLL_CTL_MOD looks anew and puts
 *	              the connection behind the others.
 *	-m lt         level-triggered: epoll reports as long as there is something to do.
 *	-m oneshot    COUNT threads share one epoll. EPOLLONESHOT gives a connection to one of them and
 *	              is silent until MOD arms it again, so no two threads ever serve the same one.
 *	-m exclusive  COUNT processes, each with an epoll of its own, share one listener. With
 *	              EPOLLEXCLUSIVE a new connection wakes one of them and not all.
 *	-m reuseport  COUNT processes, each with a listener of its own on the same port: the kernel
 *	              deals the connections out.
 */
#include "echo.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#define READABLE (EPOLLIN | EPOLLRDHUP)

static const char *const modes[] = {"et", "lt", "oneshot", "exclusive", "reuseport", NULL};
static enum { ET, LT, ONESHOT, EXCLUSIVE, REUSEPORT } mode;
static int ep, listener;

static void watch(int op, int fd, unsigned events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};

	if (mode == ONESHOT)
		ev.events |= EPOLLONESHOT;
	else if (mode != LT && fd != listener)
		ev.events |= EPOLLET;
	if (epoll_ctl(ep, op, fd, &ev) < 0)
		die("epoll_ctl");
}

static void serve(int fd, unsigned events)
{
	enum want want = echo_some(fd, events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));

	if (want == WANT_CLOSE)
		drop(fd);
	else if (want == WANT_WRITE)
		watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
	else if (want == WANT_TURN || mode == ONESHOT || (events & EPOLLOUT))
		watch(EPOLL_CTL_MOD, fd, READABLE);
	/* else it is watched for just that */
}

static void accept_all(void)
{
	int fd;

	while ((fd = accept_next(listener)) >= 0)
		watch(EPOLL_CTL_ADD, fd, READABLE);
	if (mode == ONESHOT)
		watch(EPOLL_CTL_MOD, listener, EPOLLIN);
}

static void *loop(void *unused)
{
	struct epoll_event events[256];

	for (;;) {
		/* Threads take one event at a time: what one has taken the others cannot. */
		int n = epoll_wait(ep, events, mode == ONESHOT ? 1 : 256, -1);

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				accept_all();
			else
				serve(events[i].data.fd, events[i].events);
		}
	}
	return NULL;
}

/* All but the first process return from here as children that end with it. */
static void fork_others(void)
{
	for (int i = 1; i < opt_count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			return;
		}
	}
	say_ready();
}

int main(int argc, char **argv)
{
	mode = echo_options(argc, argv, 7, modes);
	if (mode == REUSEPORT)
		fork_others();
	listener = listen_here(SOCK_NONBLOCK, mode == REUSEPORT ? SO_REUSEPORT : 0);
	if (mode == EXCLUSIVE)
		fork_others();
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0)
		die("epoll_create1");
	watch(EPOLL_CTL_ADD, listener, mode == EXCLUSIVE ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN);
	for (int i = 1; mode == ONESHOT && i < opt_count; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, loop, NULL))
			die("pthread_create");
	}
	if (mode != REUSEPORT && mode != EXCLUSIVE)
		say_ready();
	loop(NULL);
}
