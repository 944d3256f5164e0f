/*
 * busy THREADS: that many threads which want all of the CPU and never make a system call, until the
 * process is killed. They touch one page each, so that what stops them is the clock alone.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void *spin(void *unused)
{
	(void)unused;
	for (volatile unsigned long n = 0;; n++)
		;
	return NULL;
}

int main(int argc, char *argv[])
{
	int threads = argc > 1 ? atoi(argv[1]) : 1;
	pthread_t t;

	for (int i = 1; i < threads; i++) {
		int err = pthread_create(&t, NULL, spin, NULL);

		if (err) {
			fprintf(stderr, "busy: thread %d of %d: error %d\n", i, threads, err);
			return 1;
		}
	}
	printf("busy: %d threads\n", threads);
	fflush(stdout);
	spin(NULL);
}
