/*
 * echo-nonblock: sockets that do not block, and nothing that waits. The server asks each connection in
 * turn whether there is something to do, for ever.
 *
 * Why not: it takes all of a CPU while nobody says a word, and a message waits until all others have
 * been asked; each question is a system call, nearly every answer EAGAIN. All other models are ways to
 * let the kernel, which knows, say when to ask. (Where a CPU is there for nothing else, and an interrupt
 * and a switch take too long, it is done all the same, and called polling mode.)
 */
#include "echo.h"

static const char *const modes[] = {"polling", NULL};

int main(int argc, char **argv)
{
	int listener, fd, *fds, count = 0;

	echo_options(argc, argv, 9, modes);
	listener = listen_here(SOCK_NONBLOCK, 0);
	fds = calloc((size_t)max_fds, sizeof(*fds));
	if (!fds)
		die("calloc");
	say_ready();
	for (;;) {
		while ((fd = accept_next(listener)) >= 0)
			fds[count++] = fd;
		for (int i = 0; i < count; i++) {
			if (echo_some(fds[i], true) == WANT_CLOSE) {
				drop(fds[i]);
				fds[i--] = fds[--count];
			}
		}
	}
}
