/*
 * echo-blocking: the oldest model of a server, a process for each connection.
 *
 *	echo-blocking [PORT]
 *
 * Each process does one thing and sleeps while it cannot go on: in accept(), in read() while the
 * client is silent, in write() while the client does not read. Nothing here asks what is ready, so
 * it is the shortest of the servers, and the dearest: a connection costs an address space, a kernel
 * stack and a process switch for each message. Compare echo-epoll.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "echo-blocking: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Signals do not queue: one SIGCHLD may stand for several children. */
static void on_sigchld(int sig)
{
	int saved = errno;

	(void)sig;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	errno = saved;
}

static void serve(int fd)
{
	char buffer[16 * 1024];
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0, sent; at < n; at += sent) {
			sent = write(fd, buffer + at, n - at);
			if (sent < 0)
				return;
		}
	}
}

int main(int argc, char **argv)
{
	int port = argc > 1 ? atoi(argv[1]) : 8;
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sigaction sa = {.sa_handler = on_sigchld};
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

	if (listener < 0)
		die("socket");
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("bind");
	if (listen(listener, 128) < 0)
		die("listen");
	sigaction(SIGCHLD, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	printf("echo-blocking: port %d, a process for each connection\n", port);
	fflush(stdout);

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		pid_t pid;

		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			die("accept");
		}
		pid = fork();
		if (pid == 0) {
			close(listener);
			serve(fd);
			_exit(0);
		}
		if (pid < 0)
			perror("fork"); /* the client sees its connection closed */
		close(fd);
	}
}
