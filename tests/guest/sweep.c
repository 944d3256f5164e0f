/* sweep: removes everything below /tmp, whatever a program that was cut short has left there. */
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
	if (nftw("/tmp", visit, 16, FTW_DEPTH | FTW_PHYS)) {
		perror("/tmp");
		return 1;
	}
	return 0;
}
