/* Short words for the epoll programs. */
#pragma once

#include "tap.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define SOON  5000 /* ms: what must come comes long before */
#define QUIET 30   /* ms: how long to listen when nothing may come */

static inline int ctl(int ep, int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};

	return epoll_ctl(ep, op, fd, &ev);
}

/* The data is the descriptor's number, unless a test says otherwise. */
static inline int ep_add(int ep, int fd, uint32_t events)
{
	return ctl(ep, EPOLL_CTL_ADD, fd, events, (uint64_t)fd);
}

static inline int ep_mod(int ep, int fd, uint32_t events)
{
	return ctl(ep, EPOLL_CTL_MOD, fd, events, (uint64_t)fd);
}

static inline int ep_del(int ep, int fd)
{
	return epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
}

/* Exactly one event: these bits, this data. */
static inline bool one(int ep, uint32_t events, uint64_t data)
{
	struct epoll_event ev[8];
	int n = epoll_wait(ep, ev, 8, SOON);

	if (n == 1 && ev[0].events == events && ev[0].data.u64 == data)
		return true;
	printf("# %d events, first %x for %llu\n", n, n > 0 ? ev[0].events : 0,
	       n > 0 ? (unsigned long long)ev[0].data.u64 : 0);
	return false;
}

/* Nothing now. */
static inline bool none(int ep)
{
	struct epoll_event ev[8];

	return epoll_wait(ep, ev, 8, 0) == 0;
}

/* Nothing for a while either. */
static inline bool silence(int ep)
{
	struct epoll_event ev[8];

	return epoll_wait(ep, ev, 8, QUIET) == 0;
}

static inline void put(int fd)
{
	must(write(fd, "x", 1));
}

static inline void get(int fd)
{
	char c;

	must(read(fd, &c, 1));
}

static inline int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* The exit status of a child, -1 if it was killed. */
static inline int reap(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void sleep_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&ts, NULL);
}

/* A child that sends us SIGUSR1 every 10 ms until it is killed. */
static inline pid_t pest(void)
{
	pid_t parent = getpid(), child = must(fork());

	if (child)
		return child;
	for (;;) {
		sleep_ms(10);
		if (kill(parent, SIGUSR1))
			_exit(0);
	}
}

static inline void stop_pest(pid_t child)
{
	must(kill(child, SIGKILL));
	reap(child);
}
