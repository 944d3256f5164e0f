/*
 * Files without a name: O_TMPFILE and how it gets one, O_PATH, memfd_create and its seals. Then
 * attributes, advice and other calls that have little to say here.
 */
#include "tap.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static const char *dir; /* of a tmpfs, if there is one */

static const char *in_proc(int fd)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

static void test_tmpfile(void)
{
	char name[80], text[200], buf[8];
	struct stat st, named;
	ssize_t n;
	int fd;

	umask(027);
	snprintf(name, sizeof(name), "%s/nameless-%d", dir, getpid());
	fails(open(dir, O_TMPFILE | O_RDONLY, 0600), EINVAL);
	fails(open(dir, O_TMPFILE | O_RDWR | O_CREAT, 0600), EINVAL);
	fails(open("/dev/null", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
	fails(open("/none", O_TMPFILE | O_RDWR, 0600), ENOENT);
	fails(open("/proc", O_TMPFILE | O_RDWR, 0600), EOPNOTSUPP);
	fd = open(dir, O_TMPFILE | O_RDWR, 0666);
	ok(fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_nlink == 0 && st.st_size == 0,
	   "O_TMPFILE: an empty file without a name");
	ok((st.st_mode & 0777) == 0640, "the mode is cut by the umask");
	ok(write(fd, "text", 4) == 4 && pread(fd, buf, 8, 0) == 4, "it can be written and read");
	n = readlink(in_proc(fd), text, sizeof(text));
	ok(n > 10 && !memcmp(text + n - 10, " (deleted)", 10), "/proc calls it deleted");
	ok(!linkat(AT_FDCWD, in_proc(fd), AT_FDCWD, name, AT_SYMLINK_FOLLOW), "linkat names it");
	ok(!stat(name, &named) && named.st_ino == st.st_ino && named.st_nlink == 1,
	   "the same file");
	fails(linkat(AT_FDCWD, in_proc(fd), AT_FDCWD, name, AT_SYMLINK_FOLLOW), EEXIST);
	must(unlink(name));
	fails(linkat(AT_FDCWD, in_proc(fd), AT_FDCWD, name, AT_SYMLINK_FOLLOW), ENOENT);
	close(fd);
	fd = must(open(dir, O_TMPFILE | O_WRONLY | O_EXCL, 0600));
	fails(linkat(AT_FDCWD, in_proc(fd), AT_FDCWD, name, AT_SYMLINK_FOLLOW), ENOENT);
	close(fd);
	fd = must(open(name, O_RDWR | O_CREAT, 0600));
	must(unlink(name));
	fails(linkat(AT_FDCWD, in_proc(fd), AT_FDCWD, name, AT_SYMLINK_FOLLOW), ENOENT);
	close(fd);
	umask(022);
}

static void test_path(void)
{
	int fd = must(open("/proc", O_PATH | O_DIRECTORY)), file, p[2];
	struct stat st;
	char c;

	ok(fcntl(fd, F_GETFL) == (O_PATH | O_DIRECTORY), "F_GETFL of an O_PATH file");
	ok(!fstat(fd, &st) && S_ISDIR(st.st_mode), "fstat");
	ok(!fstatat(fd, "self", &st, 0) && S_ISDIR(st.st_mode), "it can be walked from");
	fails(syscall(SYS_getdents64, fd, &c, 1), EBADF);
	fails(fcntl(fd, F_SETFL, 0), EBADF);
	fails(ftruncate(fd, 0), EBADF);
	fails(fsync(fd), EBADF);
	ok(!fchdir(fd) && !access("version", R_OK), "fchdir");
	must(chdir("/"));
	file = must(dup(fd));
	close(fd);
	ok(!fstat(file, &st), "dup");
	close(file);
	file = must(open("/proc/version", O_PATH));
	fails(read(file, &c, 1), EBADF);
	fails(mmap(NULL, 1, PROT_READ, MAP_PRIVATE, file, 0) == MAP_FAILED ? -1 : 0, EBADF);
	fails(openat(file, "x", O_RDONLY), ENOTDIR);
	fd = open(in_proc(file), O_RDONLY);
	ok(fd >= 0 && read(fd, &c, 1) == 1 && c == 'L', "/proc/self/fd opens it for real");
	close(fd);
	close(file);
	must(pipe(p));
	fails(openat(p[0], "x", O_RDONLY), ENOTDIR);
	close(p[0]);
	close(p[1]);
	file = must(open("/proc/self/exe", O_PATH | O_CLOEXEC));
	if (!must(fork())) {
		char *argv[] = {"nameless", "exec", NULL}, *envp[] = {NULL};

		syscall(SYS_execveat, file, "", argv, envp, AT_EMPTY_PATH);
		_exit(errno);
	}
	int status;
	wait(&status);
	ok(WEXITSTATUS(status) == 42, "an O_PATH descriptor can be executed");
	close(file);
}

static int sealed(unsigned seals)
{
	int fd = must(memfd_create("sealed", MFD_ALLOW_SEALING));

	must(write(fd, "0123456789", 10));
	must(fcntl(fd, F_ADD_SEALS, seals));
	return fd;
}

static void test_memfd(void)
{
	char text[80], buf[16];
	struct stat st;
	ssize_t n;
	int fd;

	fails(memfd_create("x", 0x80000000), EINVAL);
	fails(syscall(SYS_memfd_create, (char *)0x1000, 0), EFAULT);
	char longname[300];
	memset(longname, 'n', sizeof(longname));
	longname[250] = 0;
	fails(memfd_create(longname, 0), EINVAL);
	longname[249] = 0;
	fd = must(memfd_create(longname, MFD_CLOEXEC));
	ok(fcntl(fd, F_GETFD) == FD_CLOEXEC, "249 bytes of name are the most");
	close(fd);
	fd = must(memfd_create("mine", 0));
	n = readlink(in_proc(fd), text, sizeof(text));
	ok(n == 21 && !memcmp(text, "/memfd:mine (deleted)", 21), "its name is for /proc only");
	ok(!fstat(fd, &st) && st.st_nlink == 0 && (st.st_mode & 0777) == 0777, "fstat");
	ok(fcntl(fd, F_GET_SEALS) == F_SEAL_SEAL, "sealed against seals, unless asked for");
	fails(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	close(fd);
	fd = sealed(0);
	ok(fcntl(fd, F_GET_SEALS) == 0, "MFD_ALLOW_SEALING");
	fails(fcntl(fd, F_ADD_SEALS, 0x100), EINVAL);
	ok(!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) && !fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) &&
		   fcntl(fd, F_GET_SEALS) == (F_SEAL_SHRINK | F_SEAL_GROW),
	   "seals add up");
	fails(ftruncate(fd, 9), EPERM);
	fails(ftruncate(fd, 11), EPERM);
	ok(!ftruncate(fd, 10), "the size stays");
	fails(pwrite(fd, "x", 1, 10), EPERM);
	fails(fallocate(fd, 0, 0, 20), EPERM);
	ok(pwrite(fd, "x", 1, 9) == 1, "bytes may change");
	ok(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2), "holes too");
	close(fd);
	fd = sealed(F_SEAL_WRITE);
	fails(pwrite(fd, "x", 1, 0), EPERM);
	fails(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2), EPERM);
	ok(pread(fd, buf, 16, 0) == 10 && !memcmp(buf, "0123456789", 10), "F_SEAL_WRITE");
	ok(!ftruncate(fd, 5), "says nothing of the size");
	fails(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0,
	      EPERM);
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ok(p != MAP_FAILED && (p[0] = 'P') == 'P' && pread(fd, buf, 1, 0) == 1 && *buf == '0',
	   "a private mapping may be written");
	munmap(p, 4096);
	close(fd);
	fd = sealed(0);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	fails(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	ok(fcntl(fd, F_GET_SEALS) == 0, "while it is mapped to be written");
	ok(!fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), "F_SEAL_FUTURE_WRITE leaves it that");
	p[0] = 'S';
	ok(pread(fd, buf, 1, 0) == 1 && *buf == 'S', "the mapping still writes");
	fails(pwrite(fd, "x", 1, 0), EPERM);
	munmap(p, 4096);
	ok(!fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL), "later");
	fails(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	close(fd);
	int pipes[2];
	must(pipe(pipes));
	fails(fcntl(pipes[1], F_GET_SEALS), EINVAL);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_little(void)
{
	char value[8], longname[300];
	int fd = must(open("/proc/version", O_RDONLY)), mem = must(memfd_create("m", 0)), p[2];

	must(pipe(p));
	memset(longname, 'n', sizeof(longname));
	longname[256] = 0;
	fails(getxattr("/proc/version", "user.x", value, 8), EOPNOTSUPP);
	fails(lgetxattr("/proc/version", "user.x", value, 8), EOPNOTSUPP);
	fails(fgetxattr(fd, "user.x", value, 8), EOPNOTSUPP);
	fails(setxattr("/proc/version", "user.x", "v", 1, 0), EOPNOTSUPP);
	fails(fsetxattr(fd, "user.x", "v", 1, 0), EOPNOTSUPP);
	fails(removexattr("/proc/version", "user.x"), EOPNOTSUPP);
	ok(flistxattr(p[0], value, 8) == 0, "no names to list");
	fails(getxattr("/none", "user.x", value, 8), ENOENT);
	fails(listxattr("/none", value, 8), ENOENT);
	fails(fgetxattr(-1, "user.x", value, 8), EBADF);
	fails(flistxattr(-1, value, 8), EBADF);
	fails(getxattr("/proc/version", "", value, 8), ERANGE);
	fails(getxattr("/proc/version", longname, value, 8), ERANGE);
	fails(setxattr("/proc/version", "user.x", "v", 1, 7), EINVAL);
	fails(setxattr("/proc/version", "user.x", "v", 65537, 0), E2BIG);
	ok(syscall(SYS_fadvise64, mem, 0L, 0L, 3) == 0, "fadvise");
	fails(syscall(SYS_fadvise64, mem, 0L, 0L, 99), EINVAL);
	fails(syscall(SYS_fadvise64, mem, 0L, -1L, 0), EINVAL);
	fails(syscall(SYS_fadvise64, p[0], 0L, 0L, 0), ESPIPE);
	fails(syscall(SYS_fadvise64, -1, 0L, 0L, 0), EBADF);
	ok(syscall(SYS_readahead, mem, 0L, 4096L) == 0, "readahead");
	fails(syscall(SYS_readahead, p[0], 0L, 1L), EINVAL);
	fails(syscall(SYS_readahead, p[1], 0L, 1L), EBADF);
	ok(syscall(SYS_sync_file_range, mem, 0L, 0L, 2) == 0, "sync_file_range");
	fails(syscall(SYS_sync_file_range, mem, 0L, 0L, 8), EINVAL);
	fails(syscall(SYS_sync_file_range, mem, -1L, 0L, 2), EINVAL);
	fails(syscall(SYS_sync_file_range, p[0], 0L, 0L, 2), ESPIPE);
	close(fd);
	close(mem);
	close(p[0]);
	close(p[1]);
}

/* A program that runs is not written, and a file that is written is not run. */
static void test_busy(void)
{
	char path[] = "/tmp/nameless-XXXXXX", buf[65536], c;
	int to = must(mkstemp(path)), from = must(open("/proc/self/exe", O_RDONLY)), p[2], q[2];
	ssize_t n;

	while ((n = must(read(from, buf, sizeof(buf)))) > 0)
		must(write(to, buf, n));
	must(fchmod(to, 0700));
	must(pipe2(p, O_CLOEXEC));
	must(pipe(q));
	fails(execl(path, path, "exec", NULL), ETXTBSY);
	close(to);
	pid_t pid = must(fork());
	if (!pid) {
		dup2(q[0], 0);
		close(q[1]);
		execl(path, path, "wait", NULL);
		_exit(99);
	}
	close(p[1]);
	must(read(p[0], &c, 1)); /* the end: it runs */
	fails(open(path, O_WRONLY), ETXTBSY);
	fails(open(path, O_RDWR | O_TRUNC), ETXTBSY);
	fails(truncate(path, 0), ETXTBSY);
	to = open(path, O_RDONLY);
	ok(to >= 0, "it can be read");
	close(to);
	close(q[1]);
	waitpid(pid, NULL, 0);
	to = open(path, O_WRONLY);
	ok(to >= 0, "and written when it has ended");
	close(to);
	unlink(path);
	close(from);
	close(p[0]);
	close(q[0]);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "exec"))
		return 42;
	if (argc > 1) /* waits for the end of its input */
		return (int)read(0, &(char){0}, 1);
	dir = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	test_tmpfile();
	test_path();
	test_busy();
	test_memfd();
	test_little();
	return tap_done();
}
