/*
 * cost [NAME]: what a few system calls cost, in guest instructions, kernel and user together.
 *
 * It reads the time-stamp counter, which under QEMU's -icount shift=0,sleep=off advances by one for
 * each instruction, so the figures do not depend on the host and repeat to about 0.1 %. Elsewhere
 * they are mere ticks of the clock. One line a figure: name, count, instructions each.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int ep; /* the epoll of the figure that is being taken */
static int *sources, nr_sources;

static inline uint64_t now(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return (uint64_t)hi << 32 | lo;
}

static void must(int good, const char *what)
{
	if (!good) {
		perror(what);
		exit(1);
	}
}

/* Once to warm the caches and the page tables, then @count times. */
static void measure(const char *name, int count, void (*work)(int i))
{
	uint64_t start;

	work(0);
	start = now();
	for (int i = 0; i < count; i++)
		work(i);
	printf("%-28s %6d %9llu\n", name, count, (unsigned long long)(now() - start) / count);
	fflush(stdout);
}

/* An epoll that watches @count eventfds, none ready. */
static void watch(int count)
{
	ep = epoll_create1(0);
	must(ep >= 0, "epoll_create1");
	sources = calloc(count, sizeof(*sources));
	for (nr_sources = 0; nr_sources < count; nr_sources++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.u32 = nr_sources};

		sources[nr_sources] = eventfd(0, EFD_NONBLOCK);
		must(sources[nr_sources] >= 0, "eventfd");
		must(epoll_ctl(ep, EPOLL_CTL_ADD, sources[nr_sources], &ev) == 0, "epoll_ctl");
	}
}

static void unwatch(void)
{
	for (int i = 0; i < nr_sources; i++)
		close(sources[i]);
	close(ep);
	free(sources);
}

static void a_getppid(int i)
{
	getppid();
}

static void a_wait_for_nothing(int i)
{
	struct epoll_event ev[16];

	must(epoll_wait(ep, ev, 16, 0) == 0, "epoll_wait");
}

static void a_wait_for_one(int i)
{
	struct epoll_event ev[16];

	must(epoll_wait(ep, ev, 16, 0) == 1, "epoll_wait");
}

static void a_write_wait_read(int i)
{
	struct epoll_event ev[16];
	uint64_t one = 1;

	must(write(sources[i % nr_sources], &one, 8) == 8, "write");
	must(epoll_wait(ep, ev, 16, -1) == 1, "epoll_wait");
	must(read(sources[ev[0].data.u32], &one, 8) == 8, "read");
}

static void a_mod(int i)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i % nr_sources};

	must(epoll_ctl(ep, EPOLL_CTL_MOD, sources[i % nr_sources], &ev) == 0, "MOD");
}

static void a_del_add(int i)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i % nr_sources};

	must(epoll_ctl(ep, EPOLL_CTL_DEL, sources[i % nr_sources], &ev) == 0, "DEL");
	must(epoll_ctl(ep, EPOLL_CTL_ADD, sources[i % nr_sources], &ev) == 0, "ADD");
}

static void a_delivery_of_1000(int i)
{
	static struct epoll_event ev[1000];

	must(epoll_wait(ep, ev, 1000, 0) == 1000, "epoll_wait");
}

static void a_fork(int i)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid == 0)
		_exit(0);
	must(waitpid(pid, NULL, 0) == pid, "waitpid");
}

static void *nothing(void *unused)
{
	return NULL;
}

static void a_thread(int i)
{
	pthread_t t;

	must(pthread_create(&t, NULL, nothing, NULL) == 0, "pthread_create");
	must(pthread_join(t, NULL) == 0, "pthread_join");
}

static int listener;
static struct sockaddr_in here = {.sin_family = AF_INET};

static void a_connection(int i)
{
	int to = socket(AF_INET, SOCK_STREAM, 0), from;

	must(connect(to, (struct sockaddr *)&here, sizeof(here)) == 0, "connect");
	from = accept(listener, NULL, NULL);
	must(from >= 0, "accept");
	close(to);
	close(from);
}

static void tcp_figures(void)
{
	socklen_t size = sizeof(here);

	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	must(bind(listener, (struct sockaddr *)&here, sizeof(here)) == 0 &&
		     listen(listener, 100) == 0 &&
		     getsockname(listener, (struct sockaddr *)&here, &size) == 0,
	     "listen");
	measure("tcp-connect-accept-close", 200, a_connection);
	close(listener);
}

/* ---- one ready of many: what each I/O model does to find it ---- */

static struct pollfd *pollfds;

static void a_poll_for_one(int i)
{
	must(poll(pollfds, nr_sources, -1) == 1, "poll");
}

static void a_select_for_one(int i)
{
	fd_set set;

	FD_ZERO(&set);
	for (int k = 0; k < nr_sources; k++)
		FD_SET(sources[k], &set);
	must(select(sources[nr_sources - 1] + 1, &set, NULL, NULL, NULL) == 1, "select");
}

/* Every descriptor is asked, in user mode or in the kernel, but by epoll. */
static void model_figures(int watched)
{
	uint64_t one = 1;
	char name[64];

	watch(watched);
	must(write(sources[watched - 1], &one, 8) == 8, "write");
	pollfds = calloc(watched, sizeof(*pollfds));
	for (int i = 0; i < watched; i++)
		pollfds[i] = (struct pollfd){.fd = sources[i], .events = POLLIN};
	if (watched < FD_SETSIZE - 10) {
		snprintf(name, sizeof(name), "select-one-of-%d", watched);
		measure(name, 20, a_select_for_one);
	}
	snprintf(name, sizeof(name), "poll-one-of-%d", watched);
	measure(name, 20, a_poll_for_one);
	snprintf(name, sizeof(name), "epoll-one-of-%d", watched);
	measure(name, 20, a_wait_for_one);
	free(pollfds);
	unwatch();
}

static int ping[2], pong[2];

static void a_round(int i)
{
	struct epoll_event ev;
	char byte = 'x';

	must(write(ping[1], &byte, 1) == 1, "ping");
	must(epoll_wait(ep, &ev, 1, -1) == 1, "epoll_wait");
	must(read(pong[0], &byte, 1) == 1, "pong");
}

/* The other player: waits through an epoll of its own, sends back, until the pipe ends. */
static void play(void)
{
	struct epoll_event ev = {.events = EPOLLIN};
	char byte;

	ep = epoll_create1(0);
	close(ping[1]);
	epoll_ctl(ep, EPOLL_CTL_ADD, ping[0], &ev);
	while (epoll_wait(ep, &ev, 1, -1) == 1 && read(ping[0], &byte, 1) == 1)
		must(write(pong[1], &byte, 1) == 1, "pong");
	_exit(0);
}

static void epoll_figures(const char *suffix, int watched)
{
	char name[64];
	uint64_t one = 1;

	watch(watched);
	snprintf(name, sizeof(name), "epoll_wait-nothing-%s", suffix);
	measure(name, 1000, a_wait_for_nothing);
	snprintf(name, sizeof(name), "write-epoll_wait-read-%s", suffix);
	measure(name, 1000, a_write_wait_read);
	snprintf(name, sizeof(name), "epoll_ctl-mod-%s", suffix);
	measure(name, 1000, a_mod);
	snprintf(name, sizeof(name), "epoll_ctl-del-add-%s", suffix);
	measure(name, 1000, a_del_add);
	must(write(sources[0], &one, 8) == 8, "write");
	snprintf(name, sizeof(name), "epoll_wait-one-%s", suffix);
	measure(name, 1000, a_wait_for_one);
	if (watched >= 1000) {
		for (int i = 1; i < 1000; i++)
			must(write(sources[i], &one, 8) == 8, "write");
		measure("epoll_wait-delivers-1000", 100, a_delivery_of_1000);
	}
	unwatch();
}

static void ping_figures(void)
{
	struct epoll_event ev = {.events = EPOLLIN};

	must(pipe(ping) == 0 && pipe(pong) == 0, "pipe");
	if (fork() == 0)
		play();
	close(ping[0]);
	ep = epoll_create1(0);
	epoll_ctl(ep, EPOLL_CTL_ADD, pong[0], &ev);
	measure("pipe-epoll-round", 1000, a_round);
	close(ping[1]);
	close(ep);
	wait(NULL);
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";
	struct rlimit rl;

	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);

	if (strstr("syscall", only))
		measure("getppid", 1000, a_getppid);
	if (strstr("epoll", only)) {
		epoll_figures("of-1", 1);
		if (rl.rlim_cur > 1100)
			epoll_figures("of-1000", 1000);
		if (rl.rlim_cur > 10100)
			epoll_figures("of-10000", 10000);
	}
	if (strstr("ping", only))
		ping_figures();
	if (strstr("fork", only))
		measure("fork-exit-wait", 200, a_fork);
	if (strstr("thread", only))
		measure("thread-create-join", 200, a_thread);
	if (strstr("tcp", only))
		tcp_figures();
	if (strstr("models", only)) {
		model_figures(10);
		model_figures(100);
		model_figures(1000);
		if (rl.rlim_cur > 10100)
			model_figures(10000);
	}
	return 0;
}
