/*
 * Files and names: what open, read, write, lseek, link, rename and their relatives promise. It works
 * in a directory of its own below /tmp and leaves nothing behind.
 */
#include "tap.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/wait.h>

static int make(const char *name, const char *text)
{
	int fd = must(open(name, O_RDWR | O_CREAT | O_TRUNC, 0644));

	must(write(fd, text, strlen(text)));
	return fd;
}

static int rename2(const char *from, const char *to, unsigned flags)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static bool holds(const char *name, const char *text)
{
	char buf[256] = "";
	int fd = open(name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text) && !memcmp(buf, text, n);
}

static void test_open_flags(void)
{
	struct stat st;
	int fd;

	umask(022);
	fails(open("new", O_RDONLY), ENOENT);
	fd = open("new", O_RDWR | O_CREAT | O_EXCL, 0666);
	ok(fd >= 0, "O_CREAT|O_EXCL makes a file");
	ok(!fstat(fd, &st) && S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0644,
	   "the mode is cut by the umask");
	ok(st.st_size == 0 && st.st_nlink == 1, "it is empty and has one name");
	fails(open("new", O_RDWR | O_CREAT | O_EXCL, 0666), EEXIST);
	ok(write(fd, "hello", 5) == 5, "five bytes go in");
	close(fd);
	fd = must(open("new", O_RDONLY));
	fails(write(fd, "x", 1), EBADF);
	close(fd);
	fd = must(open("new", O_WRONLY));
	char c;
	fails(read(fd, &c, 1), EBADF);
	close(fd);
	fd = must(open("new", O_RDWR | O_TRUNC));
	ok(!fstat(fd, &st) && st.st_size == 0, "O_TRUNC empties it");
	close(fd);
	fails(open("new", O_RDONLY | O_DIRECTORY), ENOTDIR);
	fails(open(".", O_WRONLY), EISDIR);
	fails(open("new/", O_RDONLY), ENOTDIR);
	fails(open("new/x", O_RDONLY), ENOTDIR);
	fails(open("none/", O_RDWR | O_CREAT, 0600), EISDIR);
	fails(open(".", O_RDWR | O_CREAT, 0600), EISDIR);
	fails(open(".", O_RDONLY | O_CREAT | O_EXCL, 0600), EEXIST);
	fd = must(open("new", O_RDONLY | O_NONBLOCK));
	ok((fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND)) == O_NONBLOCK,
	   "F_GETFL shows what open was given");
	ok(!fcntl(fd, F_SETFL, O_APPEND | O_WRONLY | O_CREAT), "F_SETFL");
	ok((fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND)) == O_APPEND,
	   "F_SETFL changes the status flags and not the access mode");
	close(fd);
	ok(!unlink("new"), "unlink");
}

static void test_lseek(void)
{
	int fd = make("seek", "0123456789");
	char c;

	ok(lseek(fd, 0, SEEK_CUR) == 10, "the position is behind what was written");
	ok(lseek(fd, 3, SEEK_SET) == 3 && read(fd, &c, 1) == 1 && c == '3', "SEEK_SET");
	ok(lseek(fd, -2, SEEK_CUR) == 2 && read(fd, &c, 1) == 1 && c == '2', "SEEK_CUR");
	ok(lseek(fd, -1, SEEK_END) == 9 && read(fd, &c, 1) == 1 && c == '9', "SEEK_END");
	ok(read(fd, &c, 1) == 0, "the end of the file reads as 0 bytes");
	ok(lseek(fd, 100, SEEK_SET) == 100 && read(fd, &c, 1) == 0, "so does a place behind it");
	fails(lseek(fd, -1, SEEK_SET), EINVAL);
	fails(lseek(fd, -101, SEEK_CUR), EINVAL);
	fails(lseek(fd, 0, 99), EINVAL);
	ok(lseek(fd, 0, SEEK_CUR) == 100, "a seek that failed changes nothing");
	ok(pread(fd, &c, 1, 5) == 1 && c == '5' && lseek(fd, 0, SEEK_CUR) == 100,
	   "pread does not move the position");
	ok(pwrite(fd, "X", 1, 5) == 1 && pread(fd, &c, 1, 5) == 1 && c == 'X', "pwrite");
	close(fd);
	unlink("seek");
}

static void test_holes(void)
{
	int fd = make("hole", "ab");
	char buf[16];
	struct stat st;

	ok(pwrite(fd, "z", 1, 100000) == 1, "a write far behind the end");
	ok(!fstat(fd, &st) && st.st_size == 100001, "extends the file");
	memset(buf, 'x', sizeof(buf));
	ok(pread(fd, buf, 16, 50000) == 16 && !memcmp(buf, (char[16]){0}, 16),
	   "the hole reads as zeroes");
	ok(pread(fd, buf, 4, 0) == 4 && !memcmp(buf, "ab\0\0", 4),
	   "so does what follows the old end");
	ok(!ftruncate(fd, 1) && !fstat(fd, &st) && st.st_size == 1, "ftruncate cuts");
	ok(!ftruncate(fd, 5000) && pread(fd, buf, 4, 0) == 4 && !memcmp(buf, "a\0\0\0", 4),
	   "what was cut off does not come back");
	fails(ftruncate(fd, -1), EINVAL);
	close(fd);
	ok(!truncate("hole", 3) && !stat("hole", &st) && st.st_size == 3, "truncate by name");
	fails(truncate(".", 0), EISDIR);
	fd = must(open("hole", O_RDONLY));
	fails(ftruncate(fd, 0), EINVAL);
	close(fd);
	unlink("hole");
}

static void test_append(void)
{
	int a = make("append", "one"), b = must(open("append", O_WRONLY | O_APPEND));

	ok(pwrite(a, "O", 1, 0) == 1, "another descriptor writes at the start");
	ok(lseek(b, 0, SEEK_SET) == 0 && write(b, "two", 3) == 3, "O_APPEND ignores the position");
	ok(holds("append", "Onetwo"), "and writes at the end");
	ok(lseek(b, 0, SEEK_CUR) == 6, "where it leaves the position");
	close(a);
	close(b);
	unlink("append");
}

static void test_dup(void)
{
	int a = make("dup", "abcdef"), b, c;
	char x;

	lseek(a, 0, SEEK_SET);
	b = must(dup(a));
	c = must(open("dup", O_RDONLY));
	ok(read(a, &x, 1) == 1 && x == 'a', "one reads the first byte");
	ok(read(b, &x, 1) == 1 && x == 'b', "its dup goes on where it stopped");
	ok(read(c, &x, 1) == 1 && x == 'a', "another open has a position of its own");
	ok(!fcntl(a, F_SETFL, O_NONBLOCK) && (fcntl(b, F_GETFL) & O_NONBLOCK),
	   "status flags are shared by dup");
	ok(!(fcntl(c, F_GETFL) & O_NONBLOCK), "and not by another open");
	ok(!fcntl(a, F_SETFD, FD_CLOEXEC) && fcntl(b, F_GETFD) == 0,
	   "FD_CLOEXEC is the descriptor's own");
	if (!must(fork())) {
		char y = 0;
		_exit(read(a, &y, 1) == 1 && y == 'c' ? 0 : 1);
	}
	int status;
	wait(&status);
	ok(status == 0, "a child reads on");
	ok(read(a, &x, 1) == 1 && x == 'd', "and the parent behind it");
	close(a);
	close(b);
	close(c);
	unlink("dup");
}

static void test_unlink_open(void)
{
	struct stat st;
	int fd = make("gone", "still here");
	char buf[16];

	ok(!unlink("gone"), "a file is unlinked while it is open");
	fails(open("gone", O_RDONLY), ENOENT);
	ok(!fstat(fd, &st) && st.st_nlink == 0, "it has no name any more");
	ok(pread(fd, buf, 16, 0) == 10 && !memcmp(buf, "still here", 10), "and can still be read");
	ok(write(fd, "!", 1) == 1 && !fstat(fd, &st) && st.st_size == 11, "and written");
	close(fd);
}

static void test_links(void)
{
	struct stat a, b;
	char buf[64];
	int fd = make("f1", "text");

	close(fd);
	ok(!link("f1", "f2") && !stat("f1", &a) && !stat("f2", &b) && a.st_ino == b.st_ino &&
		   a.st_nlink == 2,
	   "link gives a file a second name");
	fails(link("f1", "f2"), EEXIST);
	fails(link("none", "f3"), ENOENT);
	fails(link(".", "d2"), EPERM);
	ok(!unlink("f1") && holds("f2", "text"), "either name can go");
	ok(!symlink("f2", "s") && !lstat("s", &a) && S_ISLNK(a.st_mode) && a.st_size == 2,
	   "symlink");
	ok(holds("s", "text"), "a link is followed");
	ok(readlink("s", buf, sizeof(buf)) == 2 && !memcmp(buf, "f2", 2), "readlink");
	ok(readlink("s", buf, 1) == 1, "readlink cuts what does not fit");
	fails(readlink("f2", buf, sizeof(buf)), EINVAL);
	fails(open("s", O_RDONLY | O_NOFOLLOW), ELOOP);
	fd = open("s", O_PATH | O_NOFOLLOW);
	ok(fd >= 0 && !fstat(fd, &a) && S_ISLNK(a.st_mode),
	   "O_PATH|O_NOFOLLOW opens the link itself");
	fails(read(fd, buf, 1), EBADF);
	close(fd);
	ok(!symlink("dangling-target", "dangling"), "a link may lead nowhere");
	fails(open("dangling", O_RDONLY), ENOENT);
	fails(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	fd = open("dangling", O_RDWR | O_CREAT, 0600);
	ok(fd >= 0 && !access("dangling-target", F_OK), "O_CREAT makes what it names");
	close(fd);
	ok(!symlink("loop2", "loop1") && !symlink("loop1", "loop2"), "two links to each other");
	fails(open("loop1", O_RDONLY), ELOOP);
	fails(stat("loop1", &a), ELOOP);
	ok(!lstat("loop1", &a), "lstat does not follow");
	fails(symlink("", "empty"), ENOENT);
	for (const char **n = (const char *[]){"f2", "s", "dangling", "dangling-target", "loop1",
					       "loop2", NULL};
	     *n; n++)
		ok(!unlink(*n), "unlink %s", *n);
}

static void test_dirs(void)
{
	struct stat st;
	char buf[512];
	int fd;

	ok(!mkdir("d", 0777) && !stat("d", &st) && S_ISDIR(st.st_mode) && st.st_nlink == 2,
	   "mkdir makes a directory");
	fails(mkdir("d", 0777), EEXIST);
	ok(!mkdir("d/e/", 0777), "slashes behind the name of a new directory are fine");
	ok(!stat("d", &st) && st.st_nlink == 3, "a subdirectory is a link to its parent");
	fails(rmdir("d"), ENOTEMPTY);
	fails(rmdir("d/."), EINVAL);
	fails(rmdir("d/e/.."), ENOTEMPTY);
	fails(unlink("d"), EISDIR);
	close(make("d/f", ""));
	fails(rmdir("d/f"), ENOTDIR);
	fails(unlink("d/f/"), ENOTDIR);
	fails(mkdir("none/e", 0777), ENOENT);
	ok(!chdir("d/e") && getcwd(buf, sizeof(buf)) && strlen(buf) > 4 &&
		   !strcmp(buf + strlen(buf) - 4, "/d/e"),
	   "chdir and getcwd");
	fails(syscall(SYS_getcwd, buf, 2), ERANGE);
	ok(!stat("../f", &st), "\"..\" leads to the parent");
	ok(!chdir("../.."), "and so does chdir");
	fails(chdir("d/f"), ENOTDIR);
	fails(chdir("none"), ENOENT);
	fd = must(open("d", O_RDONLY | O_DIRECTORY));
	ok(!fstatat(fd, "f", &st, 0) && S_ISREG(st.st_mode), "fstatat in a directory");
	fails(fstatat(fd, "", &st, 0), ENOENT);
	ok(!fstatat(fd, "", &st, AT_EMPTY_PATH) && S_ISDIR(st.st_mode), "AT_EMPTY_PATH is itself");
	fails(read(fd, buf, 1), EISDIR);
	ok(!unlinkat(fd, "f", 0), "unlinkat");
	ok(!unlinkat(fd, "e", AT_REMOVEDIR), "unlinkat AT_REMOVEDIR");
	ok(!rmdir("d"), "rmdir of an empty directory");
	fails(openat(fd, "x", O_RDWR | O_CREAT, 0600), ENOENT);
	close(fd);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void test_getdents(void)
{
	char name[sizeof("many/") + 255], *names[300];
	struct dirent *e;
	int n = 0, dots = 0;
	DIR *d;

	must(mkdir("many", 0755));
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "many/file-%03d", i);
		close(make(name, ""));
	}
	must(mkdir("many/sub", 0755));
	d = opendir("many");
	while ((e = readdir(d)) && n < 300) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) {
			dots++;
			continue;
		}
		if (!strcmp(e->d_name, "sub"))
			ok(e->d_type == DT_DIR, "a directory's entry says so");
		names[n++] = strdup(e->d_name);
		/* What is unlinked while the directory is read must not hide anything. */
		snprintf(name, sizeof(name), "many/%s", e->d_name);
		if (n % 2)
			unlink(name);
	}
	qsort(names, n, sizeof(*names), compare);
	bool all = n == 201;
	for (int i = 0; all && i < 200; i++) {
		snprintf(name, sizeof(name), "file-%03d", i);
		all = !strcmp(names[i], name);
	}
	ok(dots == 2, "\".\" and \"..\" are there once");
	ok(all, "each of 200 files is seen once, though every second one was unlinked meanwhile");
	rewinddir(d);
	for (n = 0; (e = readdir(d));)
		n++;
	ok(n > 2 && n < 110, "rewinddir sees what is left");
	rewinddir(d);
	while ((e = readdir(d))) {
		snprintf(name, sizeof(name), "many/%s", e->d_name);
		if (strcmp(e->d_name, "sub") && e->d_name[0] != '.')
			unlink(name);
	}
	closedir(d);
	ok(!rmdir("many/sub") && !rmdir("many"), "and in the end it is empty");
}

static void test_rename(void)
{
	struct stat a, b;

	close(make("r1", "one"));
	close(make("r2", "two"));
	ok(!rename("r1", "r3") && holds("r3", "one"), "rename");
	fails(rename("r1", "r4"), ENOENT);
	ok(!rename("r3", "r2") && holds("r2", "one"), "rename replaces");
	fails(stat("r3", &a), ENOENT);
	must(mkdir("rd", 0755));
	must(mkdir("rd/in", 0755));
	fails(rename("r2", "rd"), EISDIR);
	fails(rename("rd", "r2"), ENOTDIR);
	fails(rename("rd", "rd/in/x"), EINVAL);
	fails(rename("rd/in", "rd"), ENOTEMPTY);
	fails(rename("rd/.", "x"), EBUSY);
	must(mkdir("re", 0755));
	ok(!rename("rd/in", "re/in") && !stat("rd", &a) && !stat("re", &b) && a.st_nlink == 2 &&
		   b.st_nlink == 3,
	   "a directory moves to another parent, and its \"..\" with it");
	fails(rename("rd", "re"), ENOTEMPTY);
	ok(!rename("re/in", "rd"), "a directory replaces an empty one");
	fails(rename2("r2", "rd", 1 /* NOREPLACE */), EEXIST);
	close(make("r5", "five"));
	ok(!rename2("r2", "r5", 2 /* EXCHANGE */) && holds("r2", "five") && holds("r5", "one"),
	   "RENAME_EXCHANGE swaps two files");
	fails(rename2("r2", "none", 2), ENOENT);
	fails(rename2("r2", "r5", 3), EINVAL);
	must(link("r2", "r6"));
	ok(!rename("r2", "r6") && !stat("r2", &a) && !stat("r6", &b),
	   "renaming one name of a file to another does nothing");
	char longer[100];
	memset(longer, 'n', 99);
	longer[99] = 0;
	ok(!rename("r5", longer) && holds(longer, "one") && !rename(longer, "r5"),
	   "to a long name and back");
	unlink("r2");
	unlink("r5");
	unlink("r6");
	ok(!rmdir("rd") && !rmdir("re"), "the directories are empty");
}

static void test_stat(void)
{
	struct stat st, before;
	struct statfs sf;
	struct timespec ts[2] = {{1000, 5}, {2000, 6}};
	int fd = make("st", "x");

	ok(!chmod("st", 0751) && !stat("st", &st) && (st.st_mode & 07777) == 0751, "chmod");
	ok(!fchmod(fd, 04600) && !fstat(fd, &st) && (st.st_mode & 07777) == 04600, "fchmod");
	ok(!utimensat(AT_FDCWD, "st", ts, 0) && !stat("st", &st) && st.st_atim.tv_sec == 1000 &&
		   st.st_atim.tv_nsec == 5 && st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 6,
	   "utimensat keeps nanoseconds");
	ts[0].tv_nsec = 1000000000;
	fails(utimensat(AT_FDCWD, "st", ts, 0), EINVAL);
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_nsec = UTIME_NOW;
	ok(!futimens(fd, ts) && !fstat(fd, &st) && st.st_atim.tv_sec == 1000 &&
		   st.st_mtim.tv_sec > 1000000,
	   "UTIME_OMIT and UTIME_NOW");
	ts[0] = (struct timespec){-3, 250000000};
	ts[1] = (struct timespec){-1, 0};
	ok(!futimens(fd, ts) && !fstat(fd, &st) && st.st_atim.tv_sec == -3 &&
		   st.st_atim.tv_nsec == 250000000 && st.st_mtim.tv_sec == -1 &&
		   st.st_mtim.tv_nsec == 0,
	   "there were files before 1970");
	ts[0].tv_sec = ts[1].tv_sec = 9000000000;
	ok(!futimens(fd, ts) && !fstat(fd, &st) && st.st_atim.tv_sec == 9000000000, "and in 2255");
	before = st;
	ok(write(fd, "y", 1) == 1 && !fstat(fd, &st) && st.st_ino == before.st_ino &&
		   st.st_size == 2,
	   "a write changes the size and not the inode");
	ok(!statfs(".", &sf) && sf.f_namelen == 255 && sf.f_bsize > 0, "statfs");
	fails(stat("none", &st), ENOENT);
	fails(stat("", &st), ENOENT);
	ok(!access("st", R_OK | W_OK) && !access(".", X_OK), "access");
	fails(access("none", F_OK), ENOENT);
	fails(access("st", 99), EINVAL);
	char longname[300];
	memset(longname, 'a', sizeof(longname) - 1);
	longname[299] = 0;
	fails(stat(longname, &st), ENAMETOOLONG);
	longname[255] = 0;
	fails(stat(longname, &st), ENOENT);
	close(fd);
	unlink("st");
}

static void test_vectors(void)
{
	char a[4] = "", b[8] = "";
	struct iovec w[] = {{"ab", 2}, {NULL, 0}, {"cdef", 4}};
	struct iovec r[] = {{a, 3}, {b, 8}};
	int fd = make("vec", "");

	ok(writev(fd, w, 3) == 6, "writev gathers");
	lseek(fd, 0, SEEK_SET);
	ok(readv(fd, r, 2) == 6 && !memcmp(a, "abc", 3) && !memcmp(b, "def", 3), "readv scatters");
	ok(preadv(fd, r, 1, 2) == 3 && !memcmp(a, "cde", 3), "preadv");
	ok(pwritev(fd, w, 1, 4) == 2 && holds("vec", "abcdab"), "pwritev");
	ok(readv(fd, r, 0) == 0, "no element is no byte");
	fails(readv(fd, r, -1), EINVAL);
	fails(readv(fd, r, 1025), EINVAL);
	int out = make("vec2", "");
	off_t off = 1;
	ok(sendfile(out, fd, &off, 3) == 3 && off == 4 && holds("vec2", "bcd"),
	   "sendfile copies from an offset");
	close(out);
	close(fd);
	unlink("vec");
	unlink("vec2");
}

static void test_mmap(void)
{
	int fd = make("map", "0123456789");
	char *p, *q;

	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ok(p != MAP_FAILED && q != MAP_FAILED && !memcmp(p, "0123456789", 10), "mmap of a file");
	ok(p[10] == 0 && p[4095] == 0, "the rest of the page is zero");
	p[0] = 'A';
	ok(holds("map", "A123456789"), "a store into a shared mapping is in the file");
	q[1] = 'B';
	ok(holds("map", "A123456789"), "one into a private mapping is not");
	must(pwrite(fd, "C", 1, 2));
	ok(p[2] == 'C', "a write is seen in a shared mapping");
	munmap(p, 4096);
	munmap(q, 4096);
	close(fd);
	fd = must(open("map", O_RDONLY));
	ok(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES,
	   "a shared writable mapping needs a writable file");
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	unlink("map");
	ok(p != MAP_FAILED && p[0] == 'A', "a mapping outlives the descriptor and the name");
	munmap(p, 4096);
}

static void test_devices(void)
{
	char buf[8] = "xxxxxxx";
	int fd = must(open("/dev/zero", O_RDWR));

	ok(read(fd, buf, 8) == 8 && !memcmp(buf, (char[8]){0}, 8), "/dev/zero gives zeroes");
	close(fd);
	fd = must(open("/dev/null", O_RDWR));
	ok(read(fd, buf, 8) == 0 && write(fd, buf, 8) == 8,
	   "/dev/null takes all and gives nothing");
	close(fd);
	fd = must(open("/dev/full", O_RDWR));
	fails(write(fd, buf, 1), ENOSPC);
	close(fd);
	fd = must(open("/dev/urandom", O_RDONLY));
	char other[8];
	ok(read(fd, buf, 8) == 8 && read(fd, other, 8) == 8 && memcmp(buf, other, 8),
	   "/dev/urandom never says the same twice");
	close(fd);
}

static void test_proc(void)
{
	char link[64], path[64], buf[4096];
	int fd = make("proc", "via proc"), other;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link));
	ok(n > 5 && !memcmp(link + n - 5, "/proc", 5), "/proc/self/fd/N leads to the file's path");
	unlink("proc");
	other = open(path, O_RDONLY);
	ok(other >= 0 && read(other, buf, 8) == 8 && !memcmp(buf, "via proc", 8),
	   "and opens the file even without a name");
	close(other);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	other = must(open(path, O_RDONLY));
	n = read(other, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = 0;
	ok(strstr(buf, "pos:\t8\nflags:\t0100002\n") == buf, "fdinfo shows position and flags");
	close(other);
	close(fd);
	other = must(open("/proc/self/cmdline", O_RDONLY));
	ok(read(other, buf, sizeof(buf)) > 0 && memchr(buf, 0, sizeof(buf)), "cmdline");
	close(other);
	other = must(open("/proc/self/comm", O_RDONLY));
	n = read(other, buf, sizeof(buf));
	ok(n == 6 && !memcmp(buf, "files\n", 6), "comm");
	ok(read(other, buf, sizeof(buf)) == 0 && lseek(other, 0, SEEK_SET) == 0 &&
		   read(other, buf, 2) == 2,
	   "a proc file ends, and can be read again from the start");
	close(other);
	fails(open("/proc/self/none", O_RDONLY), ENOENT);
	fails(open("/proc/0", O_RDONLY), ENOENT);
	other = must(open("/proc/version", O_RDONLY));
	n = read(other, buf, 14);
	ok(n == 14 && !memcmp(buf, "Linux version ", 14), "/proc/version");
	close(other);
}

int main(void)
{
	char dir[] = "/tmp/files-XXXXXX";

	must(mkdtemp(dir) ? 0 : -1);
	must(chdir(dir));
	test_open_flags();
	test_lseek();
	test_holes();
	test_append();
	test_dup();
	test_unlink_open();
	test_links();
	test_dirs();
	test_getdents();
	test_rename();
	test_stat();
	test_vectors();
	test_mmap();
	test_devices();
	test_proc();
	must(chdir("/"));
	ok(!rmdir(dir), "nothing is left behind");
	return tap_done();
}
