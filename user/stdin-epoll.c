/*
 * stdin-epoll: a terminal under epoll.
 *
 *	stdin-epoll [-e]	-e: edge-triggered
 *
 * It prints each event and each read(), so one can see what a terminal makes of the keys:
 *
 *	a line			nothing until Enter, for until then it may be edited; then one event
 *	several lines at once	(paste them) one read() returns one line. Level-triggered, epoll reports again
 *				for as long as there is another; edge-triggered, it does not, so one must
 *				read until EAGAIN
 *	Ctrl-D after text	ends the read without a newline: the text is there, the line goes on
 *	Ctrl-D on an empty line	read() returns 0: the end, though only of this read. The terminal is as it was
 *
 * Edge-triggered reading needs O_NONBLOCK, and that is a property of the open file, which a program
 * shares with the shell that started it. So it is put back at the end; a program that is killed leaves the
 * shell with it. (Opening /dev/tty anew would give it a file of its own.)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static void show(const char *text, ssize_t len)
{
	printf("  read %zd: \"", len);
	for (ssize_t i = 0; i < len; i++)
		printf(text[i] == '\n' ? "\\n" : "%c", text[i]);
	printf("\"\n");
}

/* False at the end of the input. */
static int read_some(int edge)
{
	char text[4096];
	ssize_t n;

	do {
		n = read(0, text, sizeof(text));
		if (n >= 0)
			show(text, n);
	} while (edge && n > 0);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

int main(int argc, char **argv)
{
	int edge = argc > 1 && !strcmp(argv[1], "-e"), ep = epoll_create1(0);
	int flags = fcntl(0, F_GETFL), events = 0;
	struct epoll_event ev = {.events = EPOLLIN | (edge ? EPOLLET : 0)};

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (edge)
		fcntl(0, F_SETFL, flags | O_NONBLOCK);
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, 0, &ev) < 0) {
		perror("stdin-epoll"); /* EPERM: a file, which is always ready */
		return 1;
	}
	printf("stdin-epoll: %s-triggered; Ctrl-D on an empty line ends it\n",
	       edge ? "edge" : "level");
	do {
		while (epoll_wait(ep, &ev, 1, -1) < 0)
			; /* EINTR: stopped and continued, perhaps */
		printf("event %d:%s%s\n", ++events, ev.events & EPOLLIN ? " EPOLLIN" : "",
		       ev.events & EPOLLHUP ? " EPOLLHUP" : "");
	} while (read_some(edge));
	fcntl(0, F_SETFL, flags);
	return 0;
}
