/*
 * Runs the machine out of memory in several ways and says who died. A first process takes a share of
 * the free memory and waits in some state; a second takes more than is left. The parent prints how
 * each ended.
 *
 *	hog WAY
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul

static size_t free_pages; /* when nothing was taken */
static int ready[2];      /* the first has what it wants */

static size_t available(void)
{
	char text[4096], *at;
	int fd = open("/proc/meminfo", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "MemAvailable:");
	return at ? strtoul(at + 13, NULL, 10) / 4 : 0;
}

static char *take(size_t percent, int kind)
{
	size_t len = free_pages * percent / 100 * PAGE;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		_exit(9);
	}
	for (size_t i = 0; i < len; i += PAGE)
		p[i] = 1;
	return p;
}

static void set_adj(const char *value)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);

	if (fd < 0 || write(fd, value, strlen(value)) < 0) {
		perror("oom_score_adj");
		_exit(9);
	}
	close(fd);
}

static void say_ready(void)
{
	if (write(ready[1], "r", 1) != 1)
		_exit(9);
}

/* ---- what the first one does; it never returns ---- */

static void first_sleeps(void)
{
	take(55, MAP_PRIVATE);
	say_ready();
	for (;;)
		pause();
}

static void first_is_stopped(void)
{
	take(55, MAP_PRIVATE);
	say_ready();
	for (;;)
		raise(SIGSTOP);
}

static void first_shares(void)
{
	take(55, MAP_SHARED);
	say_ready();
	for (;;)
		pause();
}

static void first_is_dear(void)
{
	set_adj("-1000");
	first_sleeps();
}

static void first_is_cheap(void)
{
	set_adj("600");
	take(25, MAP_PRIVATE);
	say_ready();
	for (;;)
		pause();
}

static int twin(void *arg)
{
	while (!arg)
		pause();
	return 0;
}

/* Two processes in one address space. */
static void first_has_a_twin(void)
{
	static char stack[16384];

	if (clone(twin, stack + sizeof(stack), CLONE_VM | CLONE_PARENT | SIGCHLD, NULL) < 0)
		_exit(9);
	first_sleeps();
}

/* Reads a file into fresh memory: it faults with the file locked, which the other one wants, too. */
static void read_file(int fd, size_t percent)
{
	size_t len = free_pages * percent / 100 * PAGE, done = 0;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	while (done < len) {
		ssize_t n = pread(fd, p + done, len - done < 64 * PAGE ? len - done : 64 * PAGE, 0);

		if (n <= 0)
			_exit(9);
		done += (size_t)n;
	}
}

static int shared_file;

static void first_reads(void)
{
	static char page[PAGE];

	read_file(shared_file, 55);
	say_ready();
	for (;;)
		(void)!pread(shared_file, page, PAGE, 0);
}

static const struct way {
	const char *name;
	void (*first)(void);
	size_t second; /* percent that the second one takes */
} ways[] = {
	{"alone", NULL, 150},
	{"asleep", first_sleeps, 52},
	{"stopped", first_is_stopped, 52},
	{"shared", first_shares, 52},
	{"twins", first_has_a_twin, 52},
	{"cheap", first_is_cheap, 80},
	{"dear", first_is_dear, 100},
	{"locked", first_reads, 52},
};

/* The second takes its part bit by bit, so that no single request is too large. */
static void second(const struct way *w)
{
	if (w->first == first_reads)
		read_file(shared_file, w->second);
	else
		for (size_t i = 0; i < w->second; i++)
			take(1, MAP_PRIVATE);
	_exit(0);
}

static void report(const char *who, int status)
{
	if (WIFSIGNALED(status))
		printf("%s was killed by signal %d\n", who, WTERMSIG(status));
	else
		printf("%s ended with status %d\n", who, WEXITSTATUS(status));
}

static void run(const struct way *w)
{
	int status, status1 = 0;
	pid_t a = 0, b;
	char c;

	if (w->first) {
		a = fork();
		if (!a)
			w->first();
		if (read(ready[0], &c, 1) != 1)
			exit(9);
	}
	b = fork();
	if (!b)
		second(w);
	waitpid(b, &status, 0);
	if (a && w->first == first_is_dear)
		kill(a, SIGTERM);
	if (a) {
		waitpid(a, &status1, 0);
		report("the first", status1);
	}
	report("the second", status);
	if (w->first == first_has_a_twin) {
		wait(&status);
		report("the twin", status);
	}
}

int main(int argc, char **argv)
{
	char page[PAGE];

	free_pages = available();
	shared_file = memfd_create("hog", 0);
	memset(page, 1, sizeof(page));
	for (int i = 0; i < 64; i++)
		if (write(shared_file, page, PAGE) != (ssize_t)PAGE)
			return 9;
	if (pipe(ready) || argc < 2)
		return 9;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(argv[1], ways[i].name))
			run(&ways[i]);
	return 0;
}
