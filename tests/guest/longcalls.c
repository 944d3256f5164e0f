/*
 * longcalls: system calls that take a program's many areas or an epoll's many items one by one, beside a
 * neighbour on the same CPU who wants to run each millisecond. The kernel is not preempted, so he runs only
 * where such a call offers it.
 *
 * For a machine with one CPU. Each line says whether the neighbour got his turns; exits with 1 if not once.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE  4096ul
#define PAIRS 25000ul /* of areas, one readable, one writable */
#define ITEMS 20000
#define TURNS \
	4 /* some ms, where a call takes some 10 on the fastest host, and 1000 on a slow one */

static volatile unsigned *turns; /* shared with the neighbour */
static unsigned before;
static char *areas;
static int status;

static pid_t neighbour(void)
{
	pid_t pid = fork();

	while (!pid) {
		usleep(1000);
		++*turns;
	}
	return pid;
}

static void begin(void)
{
	usleep(5000); /* a fresh slice of time */
	before = *turns;
}

static void end(const char *what)
{
	unsigned n = *turns - before;

	printf("%s: %s\n", what, n < TURNS ? "the neighbour waits" : "fine");
	if (n < TURNS)
		status = 1;
}

static void make_areas(void)
{
	areas = mmap(NULL, PAIRS * 2 * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	for (unsigned long i = 0; areas != MAP_FAILED && i < PAIRS; i++)
		if (mprotect(areas + i * 2 * PAGE, PAGE, PROT_READ))
			exit(2);
}

/* The first bytes: the text is made as a whole. */
static void read_some(const char *path)
{
	char buf[16];
	int fd = open(path, O_RDONLY);

	begin();
	if (read(fd, buf, sizeof(buf)) != sizeof(buf))
		exit(2);
	end(path);
	close(fd);
}

static void fork_and_exit(void)
{
	pid_t pid;

	begin();
	pid = fork();
	if (!pid) {
		end("fork");
		begin();
		fflush(stdout);
		*(volatile unsigned *)(turns + 1) = before;
		_exit(status);
	}
	waitpid(pid, &status, 0);
	before = turns[1];
	end("exit");
}

static void change_areas(void)
{
	begin();
	madvise(areas, PAIRS * 2 * PAGE, MADV_DONTNEED);
	end("madvise");
	begin();
	mprotect(areas, PAIRS * 2 * PAGE, PROT_READ | PROT_WRITE);
	end("mprotect");
	make_areas();
	begin();
	munmap(areas, PAIRS * 2 * PAGE);
	end("munmap");
}

static void epoll_items(void)
{
	struct rlimit limit = {ITEMS + 100, ITEMS + 100};
	struct epoll_event ev = {.events = EPOLLIN};
	int ep = epoll_create1(0), fd = eventfd(0, 0);
	char path[64];

	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < ITEMS; i++)
		if (epoll_ctl(ep, EPOLL_CTL_ADD, dup(fd), &ev))
			exit(2);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ep);
	read_some(path);
}

int main(void)
{
	pid_t pid;

	turns = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = neighbour();
	make_areas();
	read_some("/proc/self/maps");
	fork_and_exit();
	change_areas();
	epoll_items();
	kill(pid, SIGKILL);
	return status;
}
