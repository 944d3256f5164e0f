/*
 * names_stress: processes fight over names. In one small tree, all of them make, move, exchange, link
 * and remove files and directories, walk and list them, watch them with inotify and lock a file.
 *
 * What must hold: an operation fails only in the ways that a race allows; a file, found under
 * whatever name, is whole; what inotify says is well-formed; and a counter in a file, changed only
 * under a lock (record lock, lock of the open file, or flock, as the actors agree by its place), has
 * lost no step. At the end the tree can be removed.
 */
#define _GNU_SOURCE
#include "stress.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define DIRS  3
#define NAMES 4
#define WAYS  3 /* of locking, each with a counter of its own */

static char root[64];
static unsigned long *steps; /* how often each counter was moved, in shared memory */

static bool one_of(int err, const int *allowed)
{
	for (; *allowed; allowed++)
		if (err == *allowed)
			return true;
	return false;
}

/* The call works, or fails with one of the errors that are named. */
#define may(call, ...) \
	do { \
		long _r = (call); \
		if (_r < 0 && !one_of(errno, (const int[]){__VA_ARGS__, 0})) \
			fail("line %d: %s: %s", __LINE__, #call, strerror(errno)); \
	} while (0)

/* "d1", "d1/n2", "d1/n2/n0": names of files and directories alike. */
static const char *some_path(struct rng *r, unsigned depth)
{
	static char paths[2][64];
	static int next;
	char *p = paths[next ^= 1];
	int n = sprintf(p, "d%u", below(r, DIRS));

	while (depth--)
		n += sprintf(p + n, "/n%u", below(r, NAMES));
	return p;
}

static void make_file(struct rng *r)
{
	const char *path = some_path(r, 1 + below(r, 2));
	char mine[32], page[512];
	int fd;

	/* Filled before it gets its name here, so whoever finds it finds it whole. */
	snprintf(mine, sizeof(mine), "new-%d", (int)getpid());
	fd = open(mine, O_CREAT | O_EXCL | O_WRONLY, 0600);
	check(fd >= 0);
	memset(page, (int)below(r, 256), sizeof(page));
	check(write(fd, page, sizeof(page)) == sizeof(page) && !close(fd));
	if (below(r, 2))
		may(link(mine, path), EEXIST, ENOENT, ENOTDIR);
	else
		may(rename(mine, path), EISDIR, ENOENT, ENOTDIR);
	may(unlink(mine), ENOENT);
}

static void look(struct rng *r)
{
	unsigned char page[1024];
	int fd = open(some_path(r, 1 + below(r, 2)), O_RDONLY);
	struct stat st;
	ssize_t n;

	if (fd < 0) {
		check(errno == ENOENT || errno == ENOTDIR);
		return;
	}
	check(!fstat(fd, &st));
	n = read(fd, page, sizeof(page));
	if (S_ISDIR(st.st_mode)) {
		check(n < 0 && errno == EISDIR);
		while ((n = syscall(SYS_getdents64, fd, page, sizeof(page))) > 0)
			;
		check(n == 0 || errno == ENOENT);
	} else {
		check(n == 512);
		for (int i = 1; i < 512; i++)
			check(page[i] == page[0]);
	}
	check(!close(fd));
}

static void move(struct rng *r)
{
	const char *from = some_path(r, 1 + below(r, 2)), *to = some_path(r, 1 + below(r, 2));
	unsigned flags = below(r, 3); /* none, NOREPLACE, EXCHANGE */

	may(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags), ENOENT, ENOTDIR, EISDIR,
	    ENOTEMPTY, EEXIST, EINVAL);
}

static void drain(int in)
{
	char buf[4096] __attribute__((aligned(8)));
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			struct inotify_event *e = (struct inotify_event *)p;

			check(e->mask && (size_t)(buf + n - p) >= sizeof(*e) + e->len);
			check(!e->len || memchr(e->name, 0, e->len));
			check(!!e->cookie == !!(e->mask & (IN_MOVED_FROM | IN_MOVED_TO)));
			p += sizeof(*e) + e->len;
		}
	}
	check(errno == EAGAIN);
}

static void watch(struct rng *r, int in)
{
	int wd = inotify_add_watch(in, some_path(r, below(r, 3)), IN_ALL_EVENTS);

	if (wd < 0)
		check(errno == ENOENT || errno == ENOTDIR);
	else if (below(r, 2))
		may(inotify_rm_watch(in, wd), EINVAL); /* its file may be gone already */
	drain(in);
}

/* One step of a counter, read and written apart, under a lock. */
static void count(struct rng *r)
{
	unsigned way = below(r, WAYS);
	struct flock fl = {.l_type = F_WRLCK, .l_start = way * 8, .l_len = 8};
	int fd = open("counters", O_RDWR);
	unsigned long n;

	check(fd >= 0);
	if (way == 0)
		check(!fcntl(fd, F_SETLKW, &fl));
	else if (way == 1)
		check(!fcntl(fd, F_OFD_SETLKW, &fl));
	else
		check(!flock(fd, LOCK_EX));
	check(pread(fd, &n, 8, way * 8) == 8);
	if (below(r, 4) == 0)
		sched_yield();
	n++;
	check(pwrite(fd, &n, 8, way * 8) == 8);
	__atomic_add_fetch(&steps[way], 1, __ATOMIC_RELAXED);
	check(!close(fd)); /* and with it the lock */
}

static void step(struct rng *r, int in)
{
	switch (below(r, 9)) {
	case 0:
	case 1:
		make_file(r);
		break;
	case 2:
	case 3:
		move(r);
		break;
	case 4:
		may(mkdir(some_path(r, 1 + below(r, 2)), 0700), EEXIST, ENOENT, ENOTDIR);
		break;
	case 5:
		may(unlink(some_path(r, 1 + below(r, 2))), ENOENT, ENOTDIR, EISDIR);
		may(rmdir(some_path(r, 1 + below(r, 2))), ENOENT, ENOTDIR, ENOTEMPTY);
		break;
	case 6:
		watch(r, in);
		break;
	case 7:
		count(r);
		break;
	default:
		look(r);
	}
}

static void actor(unsigned me)
{
	struct rng r = rng_for(me);
	int in = inotify_init1(IN_NONBLOCK);

	check(in >= 0);
	for (unsigned long rounds = 0; go_on(rounds); rounds++)
		for (int i = 0; i < 200; i++)
			step(&r, in);
	drain(in);
	_exit(0);
}

static void remove_tree(const char *path)
{
	char below[512];
	struct dirent *e;
	DIR *d = opendir(path);

	check(d);
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
		if (e->d_type == DT_DIR)
			remove_tree(below);
		else
			check(!unlink(below));
	}
	check(!closedir(d) && !rmdir(path));
}

int main(int argc, char **argv)
{
	unsigned long counters[WAYS] = {0};
	int fd;

	start(argc, argv, 4);
	steps = shared_memory(4096);
	snprintf(root, sizeof(root), "/tmp/names_stress.%d", (int)getpid());
	check(!mkdir(root, 0700) && !chdir(root));
	for (unsigned i = 0; i < DIRS; i++)
		check(!mkdir((char[]){'d', (char)('0' + i), 0}, 0700));
	fd = open("counters", O_RDWR | O_CREAT, 0600);
	check(fd >= 0 && write(fd, counters, sizeof(counters)) == sizeof(counters));
	fork_actors(actor);
	check(pread(fd, counters, sizeof(counters), 0) == sizeof(counters) && !close(fd));
	for (unsigned i = 0; i < WAYS; i++)
		if (counters[i] != steps[i])
			fail("counter %u is %lu after %lu steps", i, counters[i], steps[i]);
	check(!chdir("/"));
	remove_tree(root);
	printf("%s: ok\n", options.name);
	return 0;
}
