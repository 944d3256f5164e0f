/*
 * openat2(2): flags that open(2) forgives, structures of other sizes, and walks with limits:
 * RESOLVE_BENEATH, IN_ROOT, NO_SYMLINKS, NO_MAGICLINKS, NO_XDEV.
 */
#include "tap.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

struct how {
	uint64_t flags, mode, resolve, more;
};

#define NO_XDEV       1
#define NO_MAGICLINKS 2
#define NO_SYMLINKS   4
#define BENEATH       8
#define IN_ROOT       16

static int dir; /* "top" */

static long open_how(int fd, const char *name, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct how how = {flags, mode, resolve, 0};
	long r = syscall(SYS_openat2, fd, name, &how, 24);

	if (r > 2)
		close((int)r);
	return r;
}

#define opens(name, resolve) \
	ok(open_how(dir, name, O_RDONLY, 0, resolve) > 2, "%s with %s", name, #resolve)
#define refuses(name, resolve, err) fails(open_how(dir, name, O_RDONLY, 0, resolve), err)

static void test_arguments(void)
{
	struct how how = {.flags = O_RDONLY};

	fails(syscall(SYS_openat2, dir, "f", &how, 23), EINVAL);
	fails(syscall(SYS_openat2, dir, "f", &how, 100000), E2BIG);
	fails(syscall(SYS_openat2, dir, "f", (void *)0x1000, 24), EFAULT);
	long fd = syscall(SYS_openat2, dir, "f", &how, sizeof(how));
	ok(fd > 2, "a longer structure with zeroes");
	close((int)fd);
	how.more = 1;
	fails(syscall(SYS_openat2, dir, "f", &how, sizeof(how)), E2BIG);
	fails(open_how(dir, "f", 1ull << 40, 0, 0), EINVAL);
	fails(open_how(dir, "f", O_RDONLY, 0600, 0), EINVAL);
	fails(open_how(dir, "new", O_RDWR | O_CREAT, 0100000, 0), EINVAL);
	fails(open_how(dir, "f", O_PATH | O_RDWR, 0, 0), EINVAL);
	fails(open_how(dir, "f", O_RDONLY, 0, 1 << 20), EINVAL);
	refuses("f", BENEATH | IN_ROOT, EINVAL);
	fails(open_how(-1, "f", O_RDONLY, 0, 0), EBADF);
	ok(open_how(dir, "new", O_RDWR | O_CREAT | O_EXCL, 0600, BENEATH) > 2, "O_CREAT");
	must(unlinkat(dir, "new", 0));
}

static void test_limits(void)
{
	opens("sub/../f", BENEATH);
	refuses("../outside", BENEATH, EXDEV);
	refuses("sub/../../outside", BENEATH, EXDEV);
	refuses("/etc", BENEATH, EXDEV);
	refuses("up", BENEATH, EXDEV);
	refuses("absolute", BENEATH, EXDEV);
	opens("inside", BENEATH);
	opens("/f", IN_ROOT);
	opens("../../f", IN_ROOT);
	opens("/sub/../../f", IN_ROOT);
	refuses("up", IN_ROOT, ENOENT);
	refuses("absolute", IN_ROOT, ENOENT);
	opens("rooted", IN_ROOT);
	opens("f", NO_SYMLINKS);
	refuses("inside", NO_SYMLINKS, ELOOP);
	refuses("link/f", NO_SYMLINKS, ELOOP);
	ok(open_how(dir, "inside", O_PATH | O_NOFOLLOW, 0, NO_SYMLINKS) > 2,
	   "a link itself may be opened");
	opens("inside", NO_MAGICLINKS);
	refuses("/proc/self/root", NO_MAGICLINKS, ELOOP);
	refuses("/proc/self/cwd/x", NO_MAGICLINKS, ELOOP);
	refuses("/proc/version", NO_XDEV, EXDEV);
	opens("link/f", NO_XDEV);
	int proc = must(open("/proc", O_PATH));
	fails(open_how(proc, "..", O_RDONLY, 0, NO_XDEV), EXDEV);
	ok(open_how(proc, "version", O_RDONLY, 0, NO_XDEV) > 2, "within one mount");
	fails(open_how(proc, "self/exe", O_RDONLY, 0, BENEATH), EXDEV);
	close(proc);
}

int main(void)
{
	char top[] = "/tmp/openat2-XXXXXX";

	must(mkdtemp(top) ? 0 : -1);
	must(chdir(top));
	must(mkdir("top", 0755));
	must(mkdir("top/sub", 0755));
	close(must(open("outside", O_CREAT | O_WRONLY, 0600)));
	close(must(open("top/f", O_CREAT | O_WRONLY, 0600)));
	must(symlink("../outside", "top/up"));
	must(symlink("/none-such", "top/absolute"));
	must(symlink("/f", "top/rooted"));
	must(symlink("sub/../f", "top/inside"));
	must(symlink(".", "top/link"));
	dir = must(open("top", O_PATH));
	test_arguments();
	test_limits();
	for (const char **n = (const char *[]){"top/f", "top/up", "top/absolute", "top/rooted",
					       "top/inside", "top/link", "outside", NULL};
	     *n; n++)
		must(unlink(*n));
	must(chdir("/"));
	char path[64];
	for (const char **n = (const char *[]){"/top/sub", "/top", "", NULL}; *n; n++) {
		snprintf(path, sizeof(path), "%s%s", top, *n);
		must(rmdir(path));
	}
	return tap_done();
}
