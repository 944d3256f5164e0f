/*
 * echo-aio: asynchronous. The program hands over a buffer and says "read into it", and is told when
 * that is done; the other models say when one may begin.
 *
 * POSIX AIO is the C library's work: an operation is a thread of its own that blocks in read() or
 * write() and then calls the function that was asked for, go_on() here. So this is echo-blocking behind
 * another interface and costs as much: a thread for each connection that waits, and a buffer, which
 * belongs to the operation from its beginning to its end, as in all models that report completion.
 */
#include "echo.h"

#include <aio.h>

static const char *const modes[] = {"asynchronous", NULL};

/* A connection: always one operation under way, and only its thread looks at this. */
struct conn {
	struct aiocb cb;
	bool writing;
	size_t at, len; /* of the bytes read: written, in all */
	char data[4096];
};

static void end(struct conn *c)
{
	close(c->cb.aio_fildes);
	free(c);
}

static void begin(struct conn *c, bool writing)
{
	c->writing = writing;
	c->cb.aio_buf = c->data + (writing ? c->at : 0);
	c->cb.aio_nbytes = writing ? c->len - c->at : sizeof(c->data);
	if ((writing ? aio_write(&c->cb) : aio_read(&c->cb)) < 0)
		end(c);
}

/* An operation is done: the next one. */
static void go_on(union sigval value)
{
	struct conn *c = value.sival_ptr;
	ssize_t n = aio_return(&c->cb);

	if (n <= 0) {
		end(c);
		return;
	}
	c->at = c->writing ? c->at + (size_t)n : 0;
	c->len = c->writing ? c->len : (size_t)n;
	begin(c, c->at < c->len);
}

static void begin_connection(int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->cb.aio_fildes = fd;
	c->cb.aio_sigevent.sigev_notify = SIGEV_THREAD;
	c->cb.aio_sigevent.sigev_notify_function = go_on;
	c->cb.aio_sigevent.sigev_value.sival_ptr = c;
	begin(c, false);
}

int main(int argc, char **argv)
{
	int listener;

	echo_options(argc, argv, 13, modes);
	listener = listen_here(0, 0);
	signal(SIGPIPE, SIG_IGN); /* aio_write() has no MSG_NOSIGNAL */
	say_ready();
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0)
			begin_connection(fd);
		else if (errno != EINTR && errno != ECONNABORTED && errno != EMFILE)
			die("accept");
	}
}
