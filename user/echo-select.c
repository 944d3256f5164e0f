/*
 * echo-select: at each wait the kernel is given three sets of descriptors, as bits, and gives them back
 * with only the ready ones left.
 *
 * So the program makes the sets anew each time, the kernel asks every descriptor in them and hangs an
 * entry on each one's wait queue for the time of the sleep, and the program then looks at every bit to
 * see which are set: three walks over all, however few are ready. And a set has FD_SETSIZE (1,024) bits:
 * beyond that there is no asking, so a client too many is turned away.
 */
#include "echo.h"

#include <sys/select.h>

static const char *const modes[] = {"select", NULL};
static fd_set watched_in, watched_out; /* what we want to know; select() gets copies */
static int last;                       /* the highest descriptor watched */

static void watch(int fd, enum want want)
{
	FD_CLR(fd, &watched_in);
	FD_CLR(fd, &watched_out);
	if (want == WANT_CLOSE)
		drop(fd);
	else
		FD_SET(fd, want == WANT_WRITE ? &watched_out : &watched_in);
}

static void accept_all(int listener)
{
	int fd;

	while ((fd = accept_next(listener)) >= 0) {
		if (fd >= FD_SETSIZE) {
			close(fd);
			continue;
		}
		watch(fd, WANT_READ);
		last = fd > last ? fd : last;
	}
}

int main(int argc, char **argv)
{
	int listener;

	echo_options(argc, argv, 10, modes);
	last = listener = listen_here(SOCK_NONBLOCK, 0);
	watch(listener, WANT_READ);
	say_ready();
	for (;;) {
		fd_set in = watched_in, out = watched_out;

		if (select(last + 1, &in, &out, NULL, NULL) < 0) {
			if (errno == EINTR)
				continue;
			die("select");
		}
		for (int fd = 0, top = last; fd <= top; fd++) {
			if (fd == listener) {
				if (FD_ISSET(fd, &in))
					accept_all(listener);
			} else if (FD_ISSET(fd, &in) || FD_ISSET(fd, &out)) {
				watch(fd, echo_some(fd, false));
			}
		}
	}
}
