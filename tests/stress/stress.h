/*
 * What the stress programs share: their options, random numbers that a seed repeats, and a watchdog.
 *
 *	PROGRAM [-s SEED] [-t SECONDS] [-r ROUNDS] [-n ACTORS] [-w PATIENCE]
 *
 * A program works in rounds, until SECONDS are over or ROUNDS are done. It prints its seed first;
 * with the same seed each actor (thread or process) makes the same choices in the same order,
 * though not at the same moments. When nothing has moved for PATIENCE seconds the watchdog says
 * what the program knows and ends it. Exit status: 0 all held, 1 something did not, 2 no progress.
 *
 * They compile with musl-gcc -static and run on Linux as well; what fails there is their own fault.
 */
#pragma once

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct options {
	const char *name;
	unsigned long seed;
	unsigned seconds, rounds, actors, patience;
};

static struct options options;
static void (*say_state)(void); /* what the watchdog calls; NULL: nothing to say */

/* In memory that forked children share: it moves when anything does. */
static unsigned long *progress;

__attribute__((format(printf, 1, 2), noreturn, unused)) static void fail(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "%s: seed %lu: ", options.name, options.seed);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	if (say_state)
		say_state();
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM); /* the others would wait for us */
	_exit(1);
}

#define check(cond) \
	do { \
		if (!(cond)) \
			fail("line %d: %s (errno %d, %s)", __LINE__, #cond, errno, \
			     strerror(errno)); \
	} while (0)

/* ---- random numbers: one stream an actor ---- */

struct rng {
	uint64_t state;
};

__attribute__((unused)) static struct rng rng_for(unsigned actor)
{
	struct rng r = {(options.seed + 1) * 0x9e3779b97f4a7c15ull ^
			(actor + 1) * 0xbf58476d1ce4e5b9ull};

	return r;
}

__attribute__((unused)) static uint64_t rnd(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* 0 to n - 1 */
__attribute__((unused)) static unsigned below(struct rng *r, unsigned n)
{
	return (unsigned)(rnd(r) % n);
}

/* ---- time ---- */

__attribute__((unused)) static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

__attribute__((unused)) static void nap(unsigned us)
{
	struct timespec ts = {us / 1000000, (long)(us % 1000000) * 1000};

	nanosleep(&ts, NULL);
}

__attribute__((unused)) static void moved(void)
{
	__atomic_add_fetch(progress, 1, __ATOMIC_RELAXED);
}

/* Is there another round to do? */
__attribute__((unused)) static bool go_on(unsigned long rounds_done)
{
	static double end;

	if (!end)
		end = now() + options.seconds;
	moved();
	return options.rounds ? rounds_done < options.rounds : now() < end;
}

static void *watchdog(void *arg)
{
	unsigned long last = 0, still = 0, seen;

	(void)arg;
	for (;;) {
		nap(1000000);
		seen = __atomic_load_n(progress, __ATOMIC_RELAXED);
		still = seen == last ? still + 1 : 0;
		last = seen;
		if (still >= options.patience) {
			fprintf(stderr, "%s: seed %lu: nothing has moved for %lu s\n", options.name,
				options.seed, still);
			if (say_state)
				say_state();
			kill(0, SIGKILL);
			_exit(2);
		}
	}
	return NULL;
}

/* Memory that forked children share, zeroed. */
__attribute__((unused)) static void *shared_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	check(p != MAP_FAILED);
	return p;
}

__attribute__((unused)) static void start(int argc, char **argv, unsigned actors)
{
	pthread_t t;
	int c;

	options = (struct options){.seed = 1, .seconds = 3, .actors = actors, .patience = 20};
	options.name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	while ((c = getopt(argc, argv, "s:t:r:n:w:")) != -1) {
		unsigned long n = optarg ? strtoul(optarg, NULL, 0) : 0;

		switch (c) {
		case 's':
			options.seed = n;
			break;
		case 't':
			options.seconds = (unsigned)n;
			break;
		case 'r':
			options.rounds = (unsigned)n;
			break;
		case 'n':
			options.actors = (unsigned)n;
			break;
		case 'w':
			options.patience = (unsigned)n;
			break;
		default:
			exit(2);
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	setpgid(0, 0); /* so that the watchdog reaches everyone */
	printf("%s: seed %lu, %u actors\n", options.name, options.seed, options.actors);
	fflush(stdout);
	progress = shared_memory(4096);
	check(!pthread_create(&t, NULL, watchdog, NULL));
}

#define MAX_ACTORS 64

/* Runs @actor in a process each, and waits for the end of all, which must be a good one. */
__attribute__((unused)) static void fork_actors(void (*actor)(unsigned))
{
	pid_t pids[MAX_ACTORS];
	int status;

	check(options.actors <= MAX_ACTORS);
	for (unsigned i = 0; i < options.actors; i++) {
		pids[i] = fork();
		check(pids[i] >= 0);
		if (!pids[i])
			actor(i);
	}
	for (unsigned i = 0; i < options.actors; i++) {
		check(waitpid(pids[i], &status, 0) == pids[i]);
		if (status)
			fail("actor %u ended with status %x", i, status);
	}
}
