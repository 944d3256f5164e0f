/*
 * poke FILE TEXT: one write(2) of TEXT to FILE, for the files of /proc that take orders. Ends with the
 * error, 0 if there was none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd;

	if (argc != 3) {
		fprintf(stderr, "usage: poke FILE TEXT\n");
		return 2;
	}
	fd = open(argv[1], O_WRONLY);
	if (fd < 0 || write(fd, argv[2], strlen(argv[2])) < 0) {
		perror(argv[1]);
		return errno;
	}
	return 0;
}
