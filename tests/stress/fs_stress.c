/*
 * fs_stress: files hold what was written to them, under the names they were given.
 *
 * Each actor is a process with a folder of its own, in which it creates, writes, truncates, links,
 * renames and removes at random beside a note of what must be there; it reads back and compares.
 * All share one folder more, where they fight over a few names: there an operation may fail, but
 * only in the ways that a race allows, and what is read must be whole: one of those that were
 * written under that name. At the end everything can be removed, folders too.
 */
#define _GNU_SOURCE
#include "stress.h"

#include <fcntl.h>
#include <sys/stat.h>

#define FILES     8
#define MAX_SIZE  40000
#define CONTESTED 4

struct note {
	bool there;
	unsigned size;
	unsigned char data[MAX_SIZE];
};

static struct note notes[FILES];
static char root[64], mine[96];

static const char *path_of(unsigned i)
{
	static char paths[2][128];
	static int next;

	next ^= 1;
	snprintf(paths[next], sizeof(paths[next]), "%s/f%u", mine, i);
	return paths[next];
}

static void create(unsigned i)
{
	int fd = open(path_of(i), O_CREAT | O_EXCL | O_RDWR, 0600);

	if (notes[i].there) {
		check(fd < 0 && errno == EEXIST);
		return;
	}
	check(fd >= 0 && !close(fd));
	notes[i].there = true;
	notes[i].size = 0;
}

static void change(struct rng *r, unsigned i)
{
	unsigned at = below(r, MAX_SIZE), n = 1 + below(r, 9000);
	struct note *f = &notes[i];
	int fd = open(path_of(i), O_RDWR);

	if (!f->there) {
		check(fd < 0 && errno == ENOENT);
		return;
	}
	check(fd >= 0);
	if (at + n > MAX_SIZE)
		n = MAX_SIZE - at;
	if (below(r, 4) == 0) {
		check(!ftruncate(fd, at));
		if (at > f->size)
			memset(f->data + f->size, 0, at - f->size);
		f->size = at;
	} else {
		if (at > f->size)
			memset(f->data + f->size, 0, at - f->size);
		for (unsigned k = 0; k < n; k++)
			f->data[at + k] = (unsigned char)(rnd(r) >> 20);
		check(pwrite(fd, f->data + at, n, at) == (ssize_t)n);
		if (at + n > f->size)
			f->size = at + n;
	}
	check(!close(fd));
}

static void compare(unsigned i)
{
	static unsigned char data[MAX_SIZE + 1];
	struct note *f = &notes[i];
	int fd = open(path_of(i), O_RDONLY);
	struct stat st;

	if (!f->there) {
		check(fd < 0 && errno == ENOENT);
		return;
	}
	check(fd >= 0 && !fstat(fd, &st));
	if (st.st_size != f->size)
		fail("%s has %lld bytes, not %u", path_of(i), (long long)st.st_size, f->size);
	check(read(fd, data, sizeof(data)) == (ssize_t)f->size);
	if (memcmp(data, f->data, f->size))
		fail("%s does not hold what was written", path_of(i));
	check(!close(fd));
}

static void rename_it(unsigned from, unsigned to)
{
	if (!notes[from].there) {
		check(rename(path_of(from), path_of(to)) < 0 && errno == ENOENT);
		return;
	}
	check(!rename(path_of(from), path_of(to)));
	if (from == to)
		return;
	notes[to] = notes[from];
	notes[from].there = false;
}

static void remove_it(struct rng *r, unsigned i)
{
	int fd = below(r, 2) ? open(path_of(i), O_RDWR) : -1;
	unsigned char byte = 42, back = 0;

	if (!notes[i].there) {
		check(unlink(path_of(i)) < 0 && errno == ENOENT);
		return;
	}
	check(!unlink(path_of(i)));
	notes[i].there = false;
	if (fd >= 0) /* without a name, but still a file */
		check(pwrite(fd, &byte, 1, 7) == 1 && pread(fd, &back, 1, 7) == 1 && back == 42 &&
		      !close(fd));
}

static void link_it(unsigned i)
{
	char second[128];
	struct stat st;

	snprintf(second, sizeof(second), "%s/link", mine);
	if (!notes[i].there) {
		check(link(path_of(i), second) < 0 && errno == ENOENT);
		return;
	}
	check(!link(path_of(i), second) && !stat(path_of(i), &st) && st.st_nlink == 2);
	check(!unlink(second) && !stat(path_of(i), &st) && st.st_nlink == 1);
}

/* One of the names that everybody wants. */
static void contest(struct rng *r)
{
	char path[128], other[128];
	unsigned char page[4096];
	unsigned i = below(r, CONTESTED), what = below(r, 5);
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/all/c%u", root, i);
	snprintf(other, sizeof(other), "%s/all/c%u", root, below(r, CONTESTED));
	switch (what) {
	case 0: /* written elsewhere and moved there, so it is always whole */
		snprintf(other, sizeof(other), "%s/new", mine);
		memset(page, (int)below(r, 256), sizeof(page));
		fd = open(other, O_CREAT | O_WRONLY | O_TRUNC, 0600);
		check(fd >= 0 && write(fd, page, sizeof(page)) == sizeof(page) && !close(fd));
		check(!rename(other, path));
		return;
	case 1:
		check(!unlink(path) || errno == ENOENT);
		return;
	case 2:
		check(!rename(path, other) || errno == ENOENT);
		return;
	case 3:
		snprintf(other, sizeof(other), "%s/all/d%u", root, i);
		check(!mkdir(other, 0700) || errno == EEXIST);
		check(!rmdir(other) || errno == ENOENT);
		return;
	default:
		fd = open(path, O_RDONLY);
		if (fd < 0) {
			check(errno == ENOENT);
			return;
		}
		n = read(fd, page, sizeof(page));
		check(n == sizeof(page));
		for (unsigned k = 1; k < sizeof(page); k++) {
			if (page[k] != page[0])
				fail("%s is a mixture", path);
		}
		check(!close(fd));
	}
}

static void step(struct rng *r)
{
	unsigned i = below(r, FILES), what = below(r, 32);

	if (what < 4)
		create(i);
	else if (what < 14)
		change(r, i);
	else if (what < 17)
		rename_it(i, below(r, FILES));
	else if (what < 19)
		remove_it(r, i);
	else if (what < 21)
		link_it(i);
	else
		contest(r);
	compare(below(r, FILES));
}

static void actor(unsigned me)
{
	struct rng r = rng_for(me);
	unsigned long rounds = 0;

	snprintf(mine, sizeof(mine), "%s/%u", root, me);
	check(!mkdir(mine, 0700));
	for (; go_on(rounds); rounds++) {
		for (int i = 0; i < 100; i++)
			step(&r);
		for (unsigned i = 0; i < FILES; i++)
			compare(i);
	}
	for (unsigned i = 0; i < FILES; i++)
		check(!unlink(path_of(i)) == notes[i].there);
	check(!rmdir(mine));
	_exit(0);
}

int main(int argc, char **argv)
{
	char path[128];

	start(argc, argv, 4);
	snprintf(root, sizeof(root), "/tmp/fs_stress.%d", (int)getpid());
	snprintf(path, sizeof(path), "%s/all", root);
	check(!mkdir(root, 0700) && !mkdir(path, 0700));
	fork_actors(actor);
	for (unsigned i = 0; i < CONTESTED; i++) {
		snprintf(path, sizeof(path), "%s/all/c%u", root, i);
		check(!unlink(path) || errno == ENOENT);
		snprintf(path, sizeof(path), "%s/all/d%u", root, i);
		check(!rmdir(path) || errno == ENOENT);
	}
	snprintf(path, sizeof(path), "%s/all", root);
	check(!rmdir(path) && !rmdir(root));
	printf("%s: ok\n", options.name);
	return 0;
}
