/* kill [-SIGNAL] PID...: sends a signal, by its number; 15 (SIGTERM) unless told. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	int first = 1, sig = SIGTERM, failed = 0;

	if (argc > 2 && argv[1][0] == '-') {
		sig = atoi(argv[1] + 1);
		first = 2;
	}
	if (first == argc) {
		fprintf(stderr, "usage: kill [-SIGNAL] PID...\n");
		return 2;
	}
	for (int i = first; i < argc; i++) {
		if (kill(atoi(argv[i]), sig) < 0) {
			perror(argv[i]);
			failed = 1;
		}
	}
	return failed;
}
