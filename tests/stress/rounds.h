/*
 * Rounds: all actors, a thread each, make their steps; then they stand still while one looks at the
 * whole; and so on until stress.h's options say that it is enough.
 */
#pragma once

#include "stress.h"

struct rounds {
	unsigned steps;              /* of each actor in a round */
	void (*step)(struct rng *r); /* one of them; many threads at once */
	void (*between)(void);       /* nobody else is at work */
};

static const struct rounds *rounds;
static pthread_barrier_t round_barrier; /* before the first step and after the last one */
static bool rounds_over;

static void *round_actor(void *arg)
{
	struct rng r = rng_for((unsigned)(uintptr_t)arg);

	for (;;) {
		pthread_barrier_wait(&round_barrier);
		if (rounds_over)
			return NULL;
		for (unsigned i = 0; i < rounds->steps; i++)
			rounds->step(&r);
		moved();
		pthread_barrier_wait(&round_barrier);
	}
}

/* After start(). Says how many rounds there were. */
static void run_rounds(const struct rounds *what)
{
	pthread_t threads[MAX_ACTORS];
	unsigned long n = 0;

	check(options.actors <= MAX_ACTORS);
	rounds = what;
	pthread_barrier_init(&round_barrier, NULL, options.actors + 1);
	for (unsigned i = 0; i < options.actors; i++)
		check(!pthread_create(&threads[i], NULL, round_actor, (void *)(uintptr_t)i));
	for (; go_on(n); n++) {
		pthread_barrier_wait(&round_barrier);
		pthread_barrier_wait(&round_barrier);
		rounds->between();
	}
	rounds_over = true;
	pthread_barrier_wait(&round_barrier);
	for (unsigned i = 0; i < options.actors; i++)
		pthread_join(threads[i], NULL);
	printf("%s: ok, %lu rounds\n", options.name, n);
}
