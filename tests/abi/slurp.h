/* Files of /proc, read whole. */
#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

static char text[1 << 16]; /* of the last one, with a zero behind it */

/* The whole file in text; its length, or -1. */
static inline ssize_t slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n, all = 0;

	if (fd < 0)
		return -1;
	while ((n = read(fd, text + all, sizeof(text) - 1 - (size_t)all)) > 0)
		all += n;
	close(fd);
	text[all] = '\0';
	return n < 0 ? -1 : all;
}
