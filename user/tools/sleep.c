/* sleep SECONDS: does nothing for that long; fractions count. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 0;
	struct timespec ts = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};

	if (nanosleep(&ts, NULL) < 0) {
		perror("sleep");
		return 1;
	}
	return 0;
}
