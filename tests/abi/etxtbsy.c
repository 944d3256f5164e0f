/*
 * A program that runs is not written to: ETXTBSY for writers while it runs, and for execve while
 * somebody has it open for writing. Its file may be read, replaced and removed.
 */
#include "tap.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char path[] = "/tmp/etxtbsyXXXXXX";
static char *const argv_wait[] = {path, "wait", NULL}, *const argv_end[] = {path, "end", NULL};
static char *const no_env[] = {NULL};

/* A copy of this program under another name. */
static void copy_self(void)
{
	char buf[65536];
	int from = must(open("/proc/self/exe", O_RDONLY)), to = must(mkstemp(path));
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		must(write(to, buf, (size_t)n));
	must(fchmod(to, 0755));
	close(from);
	close(to);
}

/* Its wait status, or -1 - errno. */
static int run(int fd)
{
	int status;
	pid_t pid = must(fork());

	if (!pid) {
		if (fd >= 0)
			fexecve(fd, argv_end, no_env);
		else
			execve(path, argv_end, no_env);
		_exit(errno);
	}
	must(waitpid(pid, &status, 0));
	return WEXITSTATUS(status);
}

static pid_t start(int *talk)
{
	int to[2], from[2];
	pid_t pid;
	char c;

	must(pipe(to));
	must(pipe(from));
	pid = must(fork());
	if (!pid) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		execve(path, argv_wait, no_env);
		_exit(1);
	}
	must(read(from[0], &c, 1));
	*talk = to[1];
	return pid;
}

int main(int argc, char **argv)
{
	int fd, talk, status;
	char *p, c;
	pid_t pid;

	if (argc > 1 && !strcmp(argv[1], "wait"))
		return write(1, "r", 1) == 1 && read(0, &c, 1) < 0;
	if (argc > 1)
		return 0;
	copy_self();
	ok(run(-1) == 0, "the copy runs");
	fd = must(open(path, O_RDWR));
	ok(run(-1) == ETXTBSY, "not while it is open for writing");
	p = must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	close(fd);
	ok(run(-1) == ETXTBSY, "nor while it is mapped so");
	munmap(p, 4096);
	fd = must(open(path, O_RDONLY));
	ok(run(-1) == 0 && run(fd) == 0, "open for reading is fine");

	pid = start(&talk);
	fails(open(path, O_WRONLY), ETXTBSY);
	fails(open(path, O_RDWR), ETXTBSY);
	fails(open(path, O_RDONLY | O_TRUNC), ETXTBSY);
	fails(truncate(path, 10), ETXTBSY);
	ok(read(fd, &c, 1) == 1 && chmod(path, 0700) == 0, "a running program's file may be read");
	ok(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) != MAP_FAILED,
	   "and mapped privately");
	ok(unlink(path) == 0, "and removed");
	must(write(talk, "x", 1));
	must(waitpid(pid, &status, 0));
	ok(status == 0, "it ends");
	close(fd);
	return tap_done();
}
