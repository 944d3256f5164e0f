/*
 * echo-sigio: signal-driven. The kernel sends a signal when something has happened to a descriptor.
 *
 * O_ASYNC asks for it, F_SETOWN says who gets it, and F_SETSIG which: a real-time signal is queued, one
 * for each event, and says in si_fd whom it is about. Here it stays blocked, and sigwaitinfo() takes one
 * after the other, so there is no handler that could interrupt anything.
 *
 * A signal reports a change, as an edge-triggered epoll does: it is served until nothing is left. Three
 * things make this model hard. Each event is a signal of its own, though ten of them may be about one
 * connection. A signal may be about a connection that has been closed since, and whose number is in use
 * again: serving it once too often does no harm. And the queue is finite: when it is full the kernel
 * sends a plain SIGIO instead, which says that something was lost, and everybody has to be asked.
 */
#include "echo.h"

static const char *const modes[] = {"signal-driven", NULL};
static int listener, last;
static bool *is_open;

/* From now on every change of @fd is a signal. */
static void watch(int fd)
{
	if (fcntl(fd, F_SETOWN, getpid()) < 0 || fcntl(fd, F_SETSIG, SIGRTMIN) < 0 ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC | O_NONBLOCK) < 0)
		die("fcntl");
	is_open[fd] = true;
	last = fd > last ? fd : last;
}

static void serve(int fd)
{
	enum want want;

	if (fd < 0 || fd >= max_fds || !is_open[fd])
		return;
	do
		want = echo_some(fd, true);
	while (want == WANT_TURN); /* there would be no other signal */
	if (want == WANT_CLOSE) {
		is_open[fd] = false;
		drop(fd);
	}
}

/* What came before the signals were asked for is served at once. */
static void accept_all(void)
{
	int fd;

	while ((fd = accept_next(listener)) >= 0) {
		watch(fd);
		serve(fd);
	}
}

static void serve_all(void)
{
	accept_all();
	for (int fd = 0; fd <= last; fd++)
		if (fd != listener)
			serve(fd);
}

int main(int argc, char **argv)
{
	siginfo_t info;
	sigset_t set;

	echo_options(argc, argv, 12, modes);
	is_open = calloc((size_t)max_fds, sizeof(*is_open));
	if (!is_open)
		die("calloc");
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	listener = listen_here(SOCK_NONBLOCK, 0);
	watch(listener);
	say_ready();
	for (;;) {
		int sig = sigwaitinfo(&set, &info);

		if (sig == SIGIO)
			serve_all();
		else if (sig == SIGRTMIN && info.si_fd == listener)
			accept_all();
		else if (sig == SIGRTMIN)
			serve(info.si_fd);
	}
}
