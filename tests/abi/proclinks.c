/*
 * The links of /proc/PID that lead to the very thing, whatever became of its name: fd/N, exe, cwd and
 * root; proc(5).
 */
#include "tap.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *dir;

static const char *in_proc(int fd)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

/* A copy of this program, in a memfd. */
static int copied(void)
{
	int from = must(open("/proc/self/exe", O_RDONLY)),
	    to = must(memfd_create("copy", MFD_CLOEXEC));
	char buf[4096];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		must(write(to, buf, (size_t)n));
	close(from);
	return to;
}

static int run(const char *path)
{
	int status;

	if (!must(fork())) {
		execl(path, "proclinks", "exec", (char *)NULL);
		_exit(errno);
	}
	must(wait(&status));
	return WEXITSTATUS(status);
}

/* The links in /proc lead to the very thing, whatever became of its name. */
static void test_links(void)
{
	int fd = copied(), again, file, p[2];
	struct stat st, same;
	char text[80], c;
	ssize_t n;

	ok(run(in_proc(fd)) == 42, "a memfd that is open for writing can be executed");
	again = must(open(in_proc(fd), O_RDONLY | O_CLOEXEC));
	ok(!fstat(fd, &st) && !fstat(again, &same) && st.st_ino == same.st_ino,
	   "a memfd, reopened");
	fails(write(again, "x", 1), EBADF);
	ok(pread(again, &c, 1, 1) == 1 && c == 'E' && !lseek(again, 0, SEEK_CUR),
	   "at a place of its own");
	close(fd);
	ok(run(in_proc(again)) == 42, "a memfd can be executed by its link");
	snprintf(text, sizeof(text), "/dev/fd/%d", again);
	ok(run(text) == 42, "and by /dev/fd");
	close(again);

	snprintf(text, sizeof(text), "%s/proclinks-%d", dir, getpid());
	fd = must(open(text, O_RDWR | O_CREAT | O_EXCL, 0600));
	must(write(fd, "here", 4));
	must(unlink(text));
	again = open(in_proc(fd), O_RDONLY);
	ok(again >= 0 && read(again, text, 4) == 4 && !memcmp(text, "here", 4), "an unlinked file");
	ok(!truncate(in_proc(fd), 2) && !fstat(again, &st) && st.st_size == 2, "truncate by link");
	ok(!chmod(in_proc(fd), 0640) && !stat(in_proc(again), &st) && (st.st_mode & 0777) == 0640,
	   "chmod, stat by link");
	ok(!lstat(in_proc(fd), &st) && S_ISLNK(st.st_mode) && (st.st_mode & 0777) == 0700,
	   "lstat tells how it is open");
	close(again);
	close(fd);

	must(pipe(p));
	again = open(in_proc(p[1]), O_RDONLY | O_NONBLOCK);
	ok(again >= 0, "either end of a pipe opens the other");
	fails(read(again, &c, 1), EAGAIN);
	fails(write(again, "x", 1), EBADF);
	file = open(in_proc(p[0]), O_RDWR);
	ok(file >= 0 && write(file, "ab", 2) == 2 && read(p[0], &c, 1) == 1 && c == 'a',
	   "both at once");
	close(p[0]);
	close(p[1]);
	ok(read(again, &c, 1) == 1 && c == 'b', "the pipe lives on");
	close(file);
	ok(read(again, &c, 1) == 0, "until nobody writes");
	fd = open(in_proc(again), O_WRONLY);
	fails(read(again, &c, 1), EAGAIN);
	ok(write(fd, "c", 1) == 1 && read(again, &c, 1) == 1 && c == 'c', "a writer comes back");
	fails(open(in_proc(again), O_RDONLY | O_DIRECTORY), ENOTDIR);
	close(fd);
	close(again);

	n = readlink("/proc/self/exe", text, sizeof(text));
	ok(n > 0 && !stat("/proc/self/exe", &st) && S_ISREG(st.st_mode),
	   "exe leads to the program");
	file = must(open("/proc/self/exe", O_RDONLY));
	ok(!fstat(file, &same) && st.st_ino == same.st_ino && pread(file, &c, 1, 1) == 1 &&
		   c == 'E',
	   "it opens");
	fails(open("/proc/self/exe", O_WRONLY), ETXTBSY);
	close(file);
	ok(!stat("/proc/self/root", &st) && S_ISDIR(st.st_mode), "root");
	ok(!access("/proc/self/root/proc/self/cwd/proc/version", R_OK), "root, cwd and on");
	fails(open("/proc/self/fd/99999", O_RDONLY), ENOENT);
	fails(unlink(in_proc(0)), EPERM);
}

/* A program that has lost its name is still to be found. */
static void test_unlinked_exe(void)
{
	char path[80], text[120];
	int from = copied(), to, p[2], q[2], status;
	ssize_t n;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/proclinks-exe-%d", dir, getpid());
	to = must(open(path, O_WRONLY | O_CREAT | O_EXCL, 0755));
	must(lseek(from, 0, SEEK_SET));
	while ((n = read(from, text, sizeof(text))) > 0)
		must(write(to, text, (size_t)n));
	close(to);
	close(from);
	must(pipe(p));
	must(pipe(q));
	pid = must(fork());
	if (!pid) {
		dup2(p[0], 0);
		dup2(q[1], 1);
		close(p[1]);
		execl(path, "proclinks", "wait", (char *)NULL);
		_exit(1);
	}
	close(p[0]);
	must(read(q[0], text, 1)); /* it runs */
	must(unlink(path));
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = must(readlink(path, text, sizeof(text)));
	ok(n > 10 && !memcmp(text + n - 10, " (deleted)", 10), "its name is deleted");
	ok(run(path) == 42, "it can be executed");
	close(p[1]);
	must(waitpid(pid, &status, 0));
	ok(WEXITSTATUS(status) == 43, "the program ends");
	fails(readlink(path, text, sizeof(text)), ENOENT);
}

int main(int argc, char **argv)
{
	char c;

	if (argc > 1 && !strcmp(argv[1], "exec"))
		return 42;
	if (argc > 1) { /* says that it runs, and does until its input ends */
		must(write(1, "r", 1));
		return read(0, &c, 1) == 0 ? 43 : 1;
	}
	dir = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	must(chdir("/"));
	test_links();
	test_unlinked_exe();
	return tap_done();
}
