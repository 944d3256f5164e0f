/* /proc/self as it shows memory: maps with rights, offsets and names after cuts; statm; oom_score_adj. */
#include "tap.h"

#include <fcntl.h>
#include <sys/mman.h>

#define PAGE 4096ul

struct line {
	unsigned long start, end, offset;
	char rights[8], name[128];
};

/* The line of /proc/self/maps for the area that @at lies in. */
static bool find(const void *at, struct line *l)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char text[512];
	bool found = false;

	while (!found && fgets(text, sizeof(text), f)) {
		*l = (struct line){0};
		sscanf(text, "%lx-%lx %7s %lx %*s %*s %127[^\n]", &l->start, &l->end, l->rights,
		       &l->offset, l->name);
		found = l->start <= (unsigned long)at && (unsigned long)at < l->end;
	}
	fclose(f);
	return found;
}

/* Exactly the area [p + from, p + to), with these rights, showing the file from this page on. */
static bool shows(const char *p, size_t from, size_t to, const char *rights, size_t page)
{
	struct line l;

	return find(p + from * PAGE, &l) && l.start == (unsigned long)p + from * PAGE &&
	       l.end == (unsigned long)p + to * PAGE && !strcmp(l.rights, rights) &&
	       l.offset == page * PAGE && !strcmp(l.name, "/memfd:shown (deleted)");
}

static void test_maps(void)
{
	int fd = must(memfd_create("shown", 0));
	struct line l;
	char *p;

	must(ftruncate(fd, 8 * PAGE));
	p = must(mmap(NULL, 6 * PAGE, PROT_READ, MAP_SHARED, fd, PAGE));
	ok(shows(p, 0, 6, "r--s", 1), "an area with its offset and name");
	must(mprotect(p + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE));
	ok(shows(p, 0, 2, "r--s", 1) && shows(p, 2, 3, "rw-s", 3) && shows(p, 3, 6, "r--s", 4),
	   "mprotect cuts it in three");
	must(munmap(p + 4 * PAGE, PAGE));
	ok(shows(p, 3, 4, "r--s", 4) && shows(p, 5, 6, "r--s", 6), "munmap cuts it, too");
	must(mprotect(p + 2 * PAGE, PAGE, PROT_READ));
	ok(shows(p, 0, 4, "r--s", 1), "equal neighbours are one area again");
	must(mmap(p + 2 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_FIXED, fd, 0));
	ok(shows(p, 2, 3, "---p", 0) && shows(p, 3, 4, "r--s", 4), "MAP_FIXED over a part");
	ok(find(&l, &l) && !strcmp(l.name, "[stack]") && !strcmp(l.rights, "rw-p"), "[stack]");
	sbrk(PAGE);
	ok(find((char *)sbrk(0) - 1, &l) && !strcmp(l.name, "[heap]"), "[heap]");
}

static long statm(int field)
{
	long v[7] = {0};
	FILE *f = fopen("/proc/self/statm", "r");

	if (fscanf(f, "%ld %ld %ld %ld %ld %ld %ld", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6) !=
	    7)
		v[field] = -1;
	fclose(f);
	return v[field];
}

static void test_statm(void)
{
	long size = statm(0), resident = statm(1), shared = statm(2);
	char *p = must(
		mmap(NULL, 512 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	char *s = must(
		mmap(NULL, 512 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	ok(statm(0) - size >= 1024, "statm counts what is mapped");
	memset(p, 1, 512 * PAGE);
	ok(statm(1) - resident >= 400 && statm(2) - shared < 100,
	   "private memory when it is touched");
	memset(s, 1, 512 * PAGE);
	ok(statm(1) - resident >= 900 && statm(2) - shared >= 400, "shared memory as such");
	must(munmap(p, 512 * PAGE));
	must(munmap(s, 512 * PAGE));
	ok(statm(0) - size < 100 && statm(1) - resident < 200 && statm(2) - shared < 100,
	   "and what is gone");
}

static void test_oom(void)
{
	int fd = must(open("/proc/self/oom_score_adj", O_RDWR));
	char text[16] = {0};

	must(write(fd, "500", 3));
	ok(pread(fd, text, 15, 0) > 0 && !strcmp(text, "500\n"),
	   "oom_score_adj is what was written");
	fails(write(fd, "1001", 4), EINVAL);
	fails(write(fd, "-1001", 5), EINVAL);
	fails(write(fd, "many", 4), EINVAL);
	ok(pread(fd, text, 15, 0) > 0 && !strcmp(text, "500\n"), "and nothing else");
	close(fd);
}

int main(void)
{
	test_maps();
	test_statm();
	test_oom();
	return tap_done();
}
