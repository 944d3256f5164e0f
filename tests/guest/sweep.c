/* sweep: removes everything below /tmp and /dev/shm, whatever a program that was cut short has left there. */
#define _XOPEN_SOURCE 700
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static int visit(const char *path, const struct stat *st, int type, struct FTW *f)
{
	return f->level ? remove(path) : 0;
}

int main(void)
{
	static const char *const places[] = {"/tmp", "/dev/shm"};

	for (int i = 0; i < 2; i++)
		if (nftw(places[i], visit, 16, FTW_DEPTH | FTW_PHYS)) {
			perror(places[i]);
			return 1;
		}
	return 0;
}
