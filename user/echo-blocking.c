/*
 * echo-blocking: the oldest model, somebody who waits for each connection.
 *
 *	-m process  a process for each connection (the default)
 *	-m thread   a thread for each connection
 *
 * Each does one thing and sleeps while it cannot go on: in accept(), in read() while the client is
 * silent, in write() while the client does not read. Nothing here asks what is ready, so it is the
 * shortest of the servers, and the dearest: an idle connection costs a kernel stack and an address
 * space or a thread's stack, and each message a switch of tasks.
 */
#include "echo.h"

#include <pthread.h>
#include <sys/wait.h>

static const char *const modes[] = {"process", "thread", NULL};
static enum { PROCESS, THREAD } mode;

/* Signals do not queue: one SIGCHLD may stand for several children. */
static void on_sigchld(int sig)
{
	int saved = errno;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	errno = saved;
}

static void serve(int fd)
{
	char bytes[16 * 1024];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		for (ssize_t at = 0, sent; at < n; at += sent) {
			sent = send(fd, bytes + at, (size_t)(n - at), MSG_NOSIGNAL);
			if (sent < 0)
				return;
		}
	}
}

static void *serve_in_thread(void *arg)
{
	int fd = (int)(long)arg;

	serve(fd);
	close(fd);
	return NULL;
}

/* When there is no thread or process to be had, the client sees its connection closed. */
static void give_to_thread(int fd)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	if (pthread_create(&thread, &attr, serve_in_thread, (void *)(long)fd))
		close(fd);
	pthread_attr_destroy(&attr);
}

static void give_to_process(int fd, int listener)
{
	if (fork() == 0) {
		close(listener);
		serve(fd);
		_exit(0);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_sigchld};
	int listener;

	mode = echo_options(argc, argv, 8, modes);
	listener = listen_here(0, 0);
	sigaction(SIGCHLD, &sa, NULL);
	say_ready();
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0 && mode == THREAD)
			give_to_thread(fd);
		else if (fd >= 0)
			give_to_process(fd, listener);
		else if (errno != EINTR && errno != ECONNABORTED && errno != EMFILE)
			die("accept");
	}
}
