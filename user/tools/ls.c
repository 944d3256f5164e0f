/* ls: the names in a directory, one a line; with -l the kind, size and target of each. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char kind(mode_t mode)
{
	return S_ISDIR(mode)    ? 'd'
	       : S_ISLNK(mode)  ? 'l'
	       : S_ISCHR(mode)  ? 'c'
	       : S_ISFIFO(mode) ? 'p'
	       : S_ISSOCK(mode) ? 's'
				: '-';
}

static void show(const char *dir, const char *name, int details)
{
	char path[4096], target[1024];
	struct stat st;
	ssize_t n;

	if (!details) {
		puts(name);
		return;
	}
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (lstat(path, &st) < 0) {
		perror(path);
		return;
	}
	printf("%c%03o %10lld %s", kind(st.st_mode), (unsigned)st.st_mode & 0777,
	       (long long)st.st_size, name);
	n = S_ISLNK(st.st_mode) ? readlink(path, target, sizeof(target)) : -1;
	if (n >= 0)
		printf(" -> %.*s", (int)n, target);
	putchar('\n');
}

int main(int argc, char **argv)
{
	int details = argc > 1 && !strcmp(argv[1], "-l");
	const char *dir = argc > 1 + details ? argv[1 + details] : ".";
	struct dirent **names;
	int n = scandir(dir, &names, NULL, alphasort);

	if (n < 0) {
		perror(dir);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.')
			show(dir, names[i]->d_name, details);
	}
	return 0;
}
