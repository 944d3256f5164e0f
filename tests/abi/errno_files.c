/*
 * The file system calls with bad pointers, descriptors, flags and lengths: each must give the errno
 * that Linux gives, and none may do any harm. Raw system calls, so that the C library checks
 * nothing first.
 */
#include "tap.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define BAD    ((void *)-4096L)  /* no address of a user */
#define HOLE   ((void *)0x1000L) /* below what can be mapped */
#define KERNEL ((void *)0xffffffff80000000ul)

#define sys(...) syscall(__VA_ARGS__)

static void test_pointers(int fd)
{
	char path[] = "f", buf[64];

	fails(sys(SYS_open, BAD, O_RDONLY), EFAULT);
	fails(sys(SYS_open, HOLE, O_RDONLY), EFAULT);
	fails(sys(SYS_open, KERNEL, O_RDONLY), EFAULT);
	fails(sys(SYS_openat, AT_FDCWD, NULL, O_RDONLY), EFAULT);
	fails(sys(SYS_creat, BAD, 0600), EFAULT);
	fails(sys(SYS_read, fd, HOLE, 1), EFAULT);
	fails(sys(SYS_read, fd, KERNEL, 1), EFAULT);
	fails(sys(SYS_read, fd, BAD, 1), EFAULT);
	fails(sys(SYS_write, fd, HOLE, 1), EFAULT);
	fails(sys(SYS_write, fd, KERNEL, 1), EFAULT);
	fails(sys(SYS_pread64, fd, HOLE, 1, 0), EFAULT);
	fails(sys(SYS_pwrite64, fd, HOLE, 1, 0), EFAULT);
	fails(sys(SYS_readv, fd, HOLE, 1), EFAULT);
	fails(sys(SYS_writev, fd, HOLE, 1), EFAULT);
	fails(sys(SYS_readv, fd, (&(struct iovec){HOLE, 1}), 1), EFAULT);
	fails(sys(SYS_writev, fd, (&(struct iovec){KERNEL, 1}), 1), EFAULT);
	fails(sys(SYS_stat, HOLE, buf), EFAULT);
	fails(sys(SYS_stat, path, HOLE), EFAULT);
	fails(sys(SYS_lstat, path, KERNEL), EFAULT);
	fails(sys(SYS_fstat, fd, HOLE), EFAULT);
	fails(sys(SYS_newfstatat, AT_FDCWD, path, HOLE, 0), EFAULT);
	fails(sys(SYS_statx, AT_FDCWD, path, 0, 0x7ff, HOLE), EFAULT);
	fails(sys(SYS_statfs, path, HOLE), EFAULT);
	fails(sys(SYS_fstatfs, fd, HOLE), EFAULT);
	fails(sys(SYS_access, HOLE, 0), EFAULT);
	fails(sys(SYS_mkdir, HOLE, 0700), EFAULT);
	fails(sys(SYS_rmdir, HOLE), EFAULT);
	fails(sys(SYS_unlink, HOLE), EFAULT);
	fails(sys(SYS_rename, HOLE, path), EFAULT);
	fails(sys(SYS_rename, path, HOLE), EFAULT);
	fails(sys(SYS_link, path, HOLE), EFAULT);
	fails(sys(SYS_symlink, HOLE, "s"), EFAULT);
	fails(sys(SYS_readlink, HOLE, buf, 64), EFAULT);
	fails(sys(SYS_chdir, HOLE), EFAULT);
	fails(sys(SYS_getcwd, HOLE, 4096), EFAULT);
	fails(sys(SYS_chmod, HOLE, 0600), EFAULT);
	fails(sys(SYS_chown, HOLE, 0, 0), EFAULT);
	fails(sys(SYS_utimensat, AT_FDCWD, path, HOLE, 0), EFAULT);
	fails(sys(SYS_truncate, HOLE, 0), EFAULT);
	fails(sys(SYS_sendfile, fd, fd, HOLE, 1), EFAULT);
	fails(sys(SYS_getrandom, HOLE, 8, 0), EFAULT);
	fails(sys(SYS_memfd_create, HOLE, 0), EFAULT);
	fails(sys(SYS_ioctl, fd, FIONBIO, HOLE), EFAULT);
	int dir = must(open(".", O_RDONLY));
	fails(sys(SYS_getdents64, dir, HOLE, 4096), EFAULT);
	fails(sys(SYS_getdents64, dir, buf, 8), EINVAL);
	close(dir);
}

/* A buffer that ends at a hole: what fits is moved, what does not is not claimed. */
static void test_half_buffers(int fd)
{
	long page = 4096;
	char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(p + page, page);
	char *edge = p + page - 4;
	memcpy(edge, "wxyz", 4);
	ok(sys(SYS_pwrite64, fd, edge, 4, 0) == 4, "a write that ends at the edge");
	ok(sys(SYS_pread64, fd, edge, 4, 0) == 4 && !memcmp(edge, "wxyz", 4), "and a read");
	fails(sys(SYS_open, edge, O_RDONLY), EFAULT);
	memcpy(edge, "f\0zz", 4);
	int other = sys(SYS_open, edge, O_RDONLY);
	ok(other >= 0, "a name may end right before the edge");
	close(other);
	munmap(p, page);
}

static void test_descriptors(void)
{
	struct stat st;
	char buf[8];

	for (const long *fd = (const long[]){-1, 99999, 77, INT32_MAX, 0}; *fd; fd++) {
		printf("# descriptor %ld\n", *fd);
		fails(sys(SYS_read, *fd, buf, 1), EBADF);
		fails(sys(SYS_write, *fd, buf, 1), EBADF);
		fails(sys(SYS_pread64, *fd, buf, 1, 0L), EBADF);
		fails(sys(SYS_pwrite64, *fd, buf, 1, 0L), EBADF);
		fails(sys(SYS_readv, *fd, NULL, 0), EBADF);
		fails(sys(SYS_writev, *fd, NULL, 0), EBADF);
		fails(sys(SYS_lseek, *fd, 0L, 0), EBADF);
		fails(sys(SYS_fstat, *fd, &st), EBADF);
		fails(sys(SYS_close, *fd), EBADF);
		fails(sys(SYS_dup, *fd), EBADF);
		fails(sys(SYS_dup2, *fd, 5), EBADF);
		fails(sys(SYS_dup3, *fd, 5, 0), EBADF);
		fails(sys(SYS_fcntl, *fd, F_GETFD), EBADF);
		fails(sys(SYS_ioctl, *fd, FIONBIO, buf), EBADF);
		fails(sys(SYS_ftruncate, *fd, 0L), EBADF);
		fails(sys(SYS_fsync, *fd), EBADF);
		fails(sys(SYS_fchmod, *fd, 0600), EBADF);
		fails(sys(SYS_fchown, *fd, 0, 0), EBADF);
		fails(sys(SYS_fchdir, *fd), EBADF);
		fails(sys(SYS_getdents64, *fd, buf, 8), EBADF);
		fails(sys(SYS_openat, *fd, "x", O_RDONLY), EBADF);
		fails(sys(SYS_unlinkat, *fd, "x", 0), EBADF);
		fails(sys(SYS_sendfile, *fd, *fd, NULL, 1), EBADF);
		fails(sys(SYS_fallocate, *fd, 0, 0L, 1L), EBADF);
		fails(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, *fd, 0) == MAP_FAILED ? -1 : 0,
		      EBADF);
	}
}

static void test_values(int fd)
{
	char buf[64];
	int p[2], path;

	must(pipe(p));
	fails(sys(SYS_pread64, fd, buf, 1, -1L), EINVAL);
	fails(sys(SYS_pwrite64, fd, buf, 1, -1L), EINVAL);
	fails(sys(SYS_pread64, p[0], buf, 1, 0L), ESPIPE);
	fails(sys(SYS_pwrite64, p[1], buf, 1, 0L), ESPIPE);
	fails(sys(SYS_lseek, p[0], 0L, SEEK_SET), ESPIPE);
	fails(sys(SYS_ftruncate, p[1], 0), EINVAL);
	fails(sys(SYS_fsync, p[0]), EINVAL);
	fails(sys(SYS_fallocate, p[1], 0, 0L, 1L), ESPIPE);
	fails(sys(SYS_read, p[1], buf, 1), EBADF);
	fails(sys(SYS_write, p[0], buf, 1), EBADF);
	fails(sys(SYS_fchdir, fd), ENOTDIR);
	fails(sys(SYS_getdents64, fd, buf, 64), ENOTDIR);
	fails(sys(SYS_getdents64, p[0], buf, 64), ENOTDIR);
	fails(sys(SYS_openat, fd, "x", O_RDONLY), ENOTDIR);
	fails(sys(SYS_openat, p[0], "x", O_RDONLY), ENOTDIR);
	fails(sys(SYS_lseek, fd, 0L, -1), EINVAL);
	fails(sys(SYS_lseek, fd, INT64_MIN, SEEK_SET), EINVAL);
	fails(sys(SYS_readv, fd, (&(struct iovec){buf, -1}), 1), EINVAL);
	fails(sys(SYS_readv, fd, NULL, 1025), EINVAL);
	fails(sys(SYS_fallocate, fd, 0, -1L, 1L), EINVAL);
	fails(sys(SYS_fallocate, fd, 0, 0L, 0L), EINVAL);
	fails(sys(SYS_newfstatat, AT_FDCWD, "f", buf, 0x100000), EINVAL);
	fails(sys(SYS_statx, AT_FDCWD, "f", 0, 0x80000000u, buf), EINVAL);
	fails(sys(SYS_unlinkat, AT_FDCWD, "f", 1), EINVAL);
	fails(sys(SYS_linkat, AT_FDCWD, "f", AT_FDCWD, "g", 1), EINVAL);
	fails(sys(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "g", 0x100), EINVAL);
	fails(sys(SYS_faccessat2, AT_FDCWD, "f", 0, 1), EINVAL);
	fails(sys(SYS_fchownat, AT_FDCWD, "f", 0, 0, 1), EINVAL);
	fails(sys(SYS_mknod, "n", 0170000, 0), EINVAL);
	fails(sys(SYS_mknod, "n", S_IFDIR, 0), EPERM);
	fails(sys(SYS_readlink, "f", buf, 0), EINVAL);
	fails(sys(SYS_readlink, "f", buf, -1), EINVAL);
	fails(sys(SYS_memfd_create, "m", 0x8000), EINVAL);
	fails(sys(SYS_getrandom, buf, 8, 0x100), EINVAL);
	fails(sys(SYS_getrandom, buf, 8, 2 | 4), EINVAL);
	fails(sys(SYS_fcntl, fd, 9999, 0), EINVAL);
	fails(sys(SYS_ioctl, fd, 0x12345, 0), ENOTTY);
	fails(sys(SYS_sendfile, p[1], fd, &(long){-1}, 1), EINVAL);
	fails(sys(SYS_truncate, "f", -1L), EINVAL);
	fails(sys(SYS_open, "f", O_TMPFILE & ~O_DIRECTORY, 0600), EINVAL);
	fails(sys(SYS_umount2, "f", 0x4000), EINVAL);
	fails(sys(SYS_umount2, "f", 0), EINVAL);
	fails(sys(SYS_mount, "none", ".", "nosuchfs", 0, NULL), ENODEV);
	ok(sys(SYS_read, fd, buf, 0) == 0, "no byte can always be read");
	ok(sys(SYS_write, fd, NULL, 0) == 0, "nor written");
	ok(sys(SYS_readv, fd, NULL, 0) == 0, "nor scattered");

	path = must(open("f", O_PATH));
	fails(sys(SYS_read, path, buf, 1), EBADF);
	fails(sys(SYS_write, path, buf, 1), EBADF);
	fails(sys(SYS_ioctl, path, FIONBIO, buf), EBADF);
	fails(sys(SYS_fchmod, path, 0600), EBADF);
	fails(sys(SYS_fcntl, path, F_SETFL, 0), EBADF);
	ok(sys(SYS_fcntl, path, F_GETFD) == 0, "an O_PATH descriptor has descriptor flags");
	close(path);
	close(p[0]);
	close(p[1]);
}

static void test_names(void)
{
	static char longer[5000];
	char slashes[] = "////tmp///..//tmp/./";
	struct stat st;

	memset(longer, '/', sizeof(longer) - 1);
	fails(sys(SYS_stat, longer, &st), ENAMETOOLONG);
	longer[4095] = 0;
	ok(sys(SYS_stat, longer, &st) == 0, "4095 slashes are the root");
	for (int i = 0; i < 4095; i += 2)
		memcpy(longer + i, "./", 2);
	longer[4095] = 0;
	ok(sys(SYS_stat, longer, &st) == 0, "a path of 4095 characters");
	ok(sys(SYS_stat, slashes, &st) == 0, "slashes count once");
	ok(sys(SYS_stat, "/..", &st) == 0, "the root is its own parent");
	memset(longer, 'n', 256);
	longer[256] = 0;
	fails(sys(SYS_mkdir, longer, 0700), ENAMETOOLONG);
	fails(sys(SYS_open, longer, O_CREAT | O_RDWR, 0600), ENAMETOOLONG);
	fails(sys(SYS_mkdir, "", 0700), ENOENT);
	fails(sys(SYS_unlink, ""), ENOENT);
	fails(sys(SYS_rmdir, "/"), EBUSY);
	fails(sys(SYS_mkdir, "/", 0700), EEXIST);
	fails(sys(SYS_unlink, "/"), EISDIR);
	fails(sys(SYS_rename, "/", "x"), EBUSY);
	fails(sys(SYS_mkdir, ".", 0700), EEXIST);
	fails(sys(SYS_symlink, "x", ".."), EEXIST);
}

int main(void)
{
	char dir[] = "/tmp/errno-XXXXXX";
	int fd;

	must(mkdtemp(dir) ? 0 : -1);
	must(chdir(dir));
	fd = must(open("f", O_RDWR | O_CREAT, 0644));
	must(write(fd, "some text", 9));
	lseek(fd, 0, SEEK_SET);
	test_pointers(fd);
	test_half_buffers(fd);
	test_descriptors();
	test_values(fd);
	test_names();
	close(fd);
	unlink("f");
	must(chdir("/"));
	ok(!rmdir(dir), "nothing is left behind");
	return tap_done();
}
