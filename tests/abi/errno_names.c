/*
 * Names and descriptors at their edges: links in circles, slashes at the end, empty names, O_PATH,
 * numbers that are too high; and which errno each gives.
 */
#include "tap.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define sys(...) syscall(__VA_ARGS__)

#define RWF_DSYNC  0x02
#define RWF_NOWAIT 0x08
#define RWF_APPEND 0x10

#define F_GET_RW_HINT 1035
#define F_SET_RW_HINT 1036

static void test_slashes(void)
{
	struct stat st;

	ok(!sys(SYS_mkdirat, AT_FDCWD, "d/", 0755), "mkdirat with a slash behind");
	ok(!sys(SYS_mkdir, "e///", 0755) && !sys(SYS_rmdir, "e//"), "with three");
	fails(sys(SYS_mkdir, "none/e", 0755), ENOENT);
	fails(sys(SYS_mkdir, "f/e", 0755), ENOTDIR);
	fails(sys(SYS_mkdir, "f/", 0755), EEXIST);
	fails(sys(SYS_open, "f/", O_RDONLY), ENOTDIR);
	fails(sys(SYS_open, "none/", O_RDWR | O_CREAT, 0600), EISDIR);
	fails(sys(SYS_open, "d/", O_RDWR | O_CREAT, 0600), EISDIR);
	fails(sys(SYS_open, "d", O_RDONLY | O_CREAT, 0600), EISDIR);
	fails(sys(SYS_open, "d", O_RDONLY | O_CREAT | O_EXCL, 0600), EEXIST);
	fails(sys(SYS_mknod, "none/", S_IFREG | 0600, 0), ENOENT);
	fails(sys(SYS_symlink, "x", "none/"), ENOENT);
	fails(sys(SYS_link, "f", "none/"), ENOENT);
	fails(sys(SYS_link, "f/", "g"), ENOTDIR);
	fails(sys(SYS_link, "d", "g"), EPERM);
	fails(sys(SYS_link, "f", "d"), EEXIST);
	fails(sys(SYS_unlink, "f/"), ENOTDIR);
	fails(sys(SYS_unlink, "d"), EISDIR);
	fails(sys(SYS_unlink, "d/"), EISDIR);
	fails(sys(SYS_rmdir, "f"), ENOTDIR);
	fails(sys(SYS_rmdir, "d/."), EINVAL);
	fails(sys(SYS_rmdir, "d/.."), ENOTEMPTY);
	fails(sys(SYS_rmdir, "none"), ENOENT);
	fails(sys(SYS_stat, "f/.", &st), ENOTDIR);
	fails(sys(SYS_stat, "f/..", &st), ENOTDIR);
	fails(sys(SYS_chdir, "f"), ENOTDIR);
	ok(!sys(SYS_symlink, "d", "l") && !sys(SYS_stat, "l/", &st) && S_ISDIR(st.st_mode),
	   "a link with a slash behind is what it leads to");
	fails(sys(SYS_rmdir, "l/"), ENOTDIR);
	fails(sys(SYS_rmdir, "l"), ENOTDIR);
	fails(sys(SYS_unlink, "l/"), ENOTDIR);
	ok(!sys(SYS_lstat, "l", &st) && S_ISLNK(st.st_mode), "without it is the link");
	fails(sys(SYS_open, "l", O_RDONLY | O_NOFOLLOW), ELOOP);
	fails(sys(SYS_open, "l", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
}

static void test_rename(void)
{
	must(sys(SYS_mkdir, "d/sub", 0755));
	fails(sys(SYS_rename, "d", "d/sub/d"), EINVAL);
	fails(sys(SYS_rename, "d", "d/d"), EINVAL);
	fails(sys(SYS_rename, "d/sub", "d"), ENOTEMPTY);
	ok(!sys(SYS_rename, "d", "d"), "onto itself");
	fails(sys(SYS_rename, "d", "f"), ENOTDIR);
	fails(sys(SYS_rename, "f", "d"), EISDIR);
	fails(sys(SYS_rename, "f", "g/"), ENOTDIR);
	fails(sys(SYS_rename, "f/", "g"), ENOTDIR);
	fails(sys(SYS_rename, "none", "g"), ENOENT);
	fails(sys(SYS_rename, "d/.", "g"), EBUSY);
	fails(sys(SYS_rename, "f", "d/.."), EBUSY);
	fails(sys(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "d", 1), EEXIST);
	fails(sys(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "g", 2), ENOENT);
	fails(sys(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "g", 3), EINVAL);
	fails(sys(SYS_renameat2, AT_FDCWD, "d", AT_FDCWD, "d/sub", 2), EINVAL);
	must(sys(SYS_rmdir, "d/sub"));
}

static void test_links(void)
{
	char name[16], target[16], text[8];
	struct stat st;
	int fd;

	fails(sys(SYS_symlinkat, "", AT_FDCWD, "s"), ENOENT);
	fails(sys(SYS_symlinkat, "x", AT_FDCWD, ""), ENOENT);
	for (int i = 0; i <= 40; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		snprintf(target, sizeof(target), "s%d", i - 1);
		must(symlink(i ? target : "f", name));
	}
	ok(!stat("s39", &st) && S_ISREG(st.st_mode), "forty links on a way");
	fails(stat("s40", &st), ELOOP);
	fails(open("s40", O_RDONLY), ELOOP);
	ok(!lstat("s40", &st), "forty-one, but one is not followed");
	for (int i = 0; i <= 40; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		must(unlink(name));
	}
	must(symlink("circle", "circle"));
	fails(stat("circle", &st), ELOOP);
	fails(open("circle", O_RDWR | O_CREAT, 0600), ELOOP);
	fails(open("circle", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	must(unlink("circle"));

	must(symlink("none", "s"));
	fd = must(open("s", O_PATH | O_NOFOLLOW));
	ok(readlinkat(fd, "", text, sizeof(text)) == 4 && !memcmp(text, "none", 4),
	   "readlinkat of an empty name is of the descriptor");
	ok(!fstat(fd, &st) && S_ISLNK(st.st_mode), "which is the link");
	close(fd);
	fd = must(open("f", O_PATH));
	fails(readlinkat(fd, "", text, sizeof(text)), ENOENT);
	fails(readlinkat(AT_FDCWD, "f", text, sizeof(text)), EINVAL);
	fails(linkat(fd, "", AT_FDCWD, "g", 0), ENOENT);
	close(fd);
	fails(linkat(AT_FDCWD, "f", AT_FDCWD, "g", AT_SYMLINK_NOFOLLOW), EINVAL);
	ok(!linkat(AT_FDCWD, "s", AT_FDCWD, "t", 0) && !lstat("t", &st) && S_ISLNK(st.st_mode),
	   "linkat links a link");
	fails(linkat(AT_FDCWD, "s", AT_FDCWD, "u", AT_SYMLINK_FOLLOW), ENOENT);
	fd = open("s", O_RDWR | O_CREAT, 0600);
	ok(fd >= 0 && !stat("none", &st), "O_CREAT makes what a link leads to");
	close(fd);
	unlink("none");
	unlink("s");
	unlink("t");
}

static void test_path(void)
{
	int fd = must(open("f", O_PATH)), dir = must(open("d", O_PATH | O_DIRECTORY)), other;
	struct stat st;
	char c;

	fails(open("f", O_PATH | O_DIRECTORY), ENOTDIR);
	fails(open("none", O_PATH | O_CREAT, 0600), ENOENT);
	other = open("f", O_PATH | O_RDWR | O_APPEND);
	ok(fcntl(other, F_GETFL) == O_PATH, "other flags are void");
	close(other);
	fails(sys(SYS_pread64, fd, &c, 1, 0L), EBADF);
	fails(sys(SYS_lseek, fd, 0L, SEEK_SET), EBADF);
	fails(sys(SYS_fchown, fd, -1, -1), EBADF);
	fails(sys(SYS_futimesat, fd, NULL, NULL), EBADF);
	fails(sys(SYS_fallocate, fd, 0, 0L, 1L), EBADF);
	fails(sys(SYS_getdents64, dir, &c, 1), EBADF);
	fails(sys(SYS_syncfs, fd), EBADF);
	fails(fcntl(fd, F_SETLK, &(struct flock){.l_type = F_RDLCK}), EBADF);
	ok(!sys(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) && S_ISREG(st.st_mode), "fstatat");
	ok(!sys(SYS_fchownat, fd, "", -1, -1, AT_EMPTY_PATH), "fchownat");
	ok(!sys(SYS_faccessat2, fd, "", R_OK, AT_EMPTY_PATH), "faccessat2");
	ok(!sys(SYS_mkdirat, dir, "x", 0700) && !sys(SYS_unlinkat, dir, "x", AT_REMOVEDIR),
	   "a directory to start from");
	fails(sys(SYS_mkdirat, fd, "x", 0700), ENOTDIR);
	fails(sys(SYS_newfstatat, dir, "", &st, 0), ENOENT);
	close(fd);
	close(dir);
}

static void test_fcntl(int fd)
{
	char byte = 0;
	uint64_t hint = 77;
	int p[2];

	fails(fcntl(fd, 50 /* F_GETPATH of another system */, &byte), EINVAL);
	must(pipe(p));
	fails(fcntl(p[0], F_SETLEASE, F_RDLCK), EINVAL);
	fails(fcntl(p[0], F_ADD_SEALS, 1), EPERM);
	fails(fcntl(p[1], F_ADD_SEALS, 1), EINVAL);
	close(p[0]);
	close(p[1]);
	fails(fcntl(fd, F_SETLEASE, 77), EINVAL);
	ok(fcntl(fd, F_GETLEASE) == F_UNLCK, "no lease");
	ok(!fcntl(fd, F_GET_RW_HINT, &hint) && hint == 0, "F_GET_RW_HINT");
	hint = 99;
	fails(fcntl(fd, F_SET_RW_HINT, &hint), EINVAL);
	fails(fcntl(fd, F_SET_RW_HINT, 8), EFAULT);
	hint = 2;
	ok(!fcntl(fd, F_SET_RW_HINT, &hint) && !(hint = 0) && !fcntl(fd, F_GET_RW_HINT, &hint) &&
		   hint == 2,
	   "F_SET_RW_HINT");
}

static void test_rw_flags(int fd)
{
	struct iovec v = {"ab", 2};
	char text[8];

	fails(sys(SYS_pwritev2, fd, &v, 1, 0L, 0L, 0x4000), EOPNOTSUPP);
	fails(sys(SYS_preadv2, fd, &v, 1, 0L, 0L, 0x4000), EOPNOTSUPP);
	fails(sys(SYS_preadv2, 99, &v, 1, 0L, 0L, 0x4000), EBADF);
	fails(sys(SYS_preadv2, fd, &v, 1, -2L, 0L, 0), EINVAL);
	must(ftruncate(fd, 0));
	must(pwrite(fd, "123", 3, 0));
	must(lseek(fd, 1, SEEK_SET));
	ok(sys(SYS_pwritev2, fd, &v, 1, 0L, 0L, RWF_APPEND) == 2 && lseek(fd, 0, SEEK_CUR) == 1,
	   "RWF_APPEND writes behind the end, wherever it is told to");
	ok(sys(SYS_pwritev2, fd, &v, 1, -1L, 0L, RWF_APPEND) == 2 && lseek(fd, 0, SEEK_CUR) == 7,
	   "and moves the position if that was meant");
	ok(pread(fd, text, 8, 0) == 7 && !memcmp(text, "123abab", 7), "at its end");
	ok(sys(SYS_pwritev2, fd, &v, 1, 0L, 0L, RWF_DSYNC) == 2 && pread(fd, text, 3, 0) == 3 &&
		   !memcmp(text, "ab3", 3),
	   "RWF_DSYNC");
	fails(sys(SYS_preadv2, fd, &v, 1, 0L, 0L, RWF_NOWAIT), EOPNOTSUPP);
}

struct handle {
	unsigned bytes;
	int type;
	unsigned char data[8];
};

static void test_handles(void)
{
	struct handle h = {8, 1, ""};
	int id;

	fails(sys(SYS_name_to_handle_at, AT_FDCWD, "/proc/version", &h, &id, 0), EOPNOTSUPP);
	fails(sys(SYS_name_to_handle_at, AT_FDCWD, "/none", &h, &id, 0), ENOENT);
	fails(sys(SYS_name_to_handle_at, AT_FDCWD, "/proc", &h, &id, 0x80000), EINVAL);
}

static void test_getdents(void)
{
	char buf[64];
	int fd = must(open("d", O_RDONLY));

	fails(sys(SYS_getdents64, fd, buf, 0), EINVAL);
	fails(sys(SYS_getdents64, fd, buf, 23), EINVAL);
	ok(sys(SYS_getdents64, fd, buf, 24) == 24, "room for one entry");
	ok(sys(SYS_getdents64, fd, buf, 47) == 24, "and for one and a half");
	ok(sys(SYS_getdents64, fd, buf, 1) == 0, "none is left");
	must(rmdir("d"));
	lseek(fd, 0, SEEK_SET);
	fails(sys(SYS_getdents64, fd, buf, 64), ENOENT);
	fails(openat(fd, "x", O_RDWR | O_CREAT, 0600), ENOENT);
	close(fd);
}

int main(void)
{
	char dir[] = "/dev/shm/names-XXXXXX";
	int fd;

	if (access("/dev/shm", W_OK))
		memcpy(dir, "/var/tmp", 8);
	umask(022);
	must(mkdtemp(dir) ? 0 : -1);
	must(chdir(dir));
	fd = must(open("f", O_RDWR | O_CREAT, 0644));
	test_slashes();
	test_rename();
	test_links();
	test_path();
	test_fcntl(fd);
	test_rw_flags(fd);
	test_handles();
	test_getdents();
	close(fd);
	unlink("f");
	unlink("l");
	must(chdir("/"));
	ok(!rmdir(dir), "nothing is left behind");
	return tap_done();
}
