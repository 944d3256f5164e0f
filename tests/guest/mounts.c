/*
 * Mounts, which need root: what each flag of mount(2) forbids, bind mounts, moving, lazy unmounting,
 * what /proc says, and the inotify events of an unmount. On Linux it runs as root, alone:
 *
 *	unshare -m build/user/tests/mounts
 */
#include "tests/abi/tap.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void make(const char *name, const char *text)
{
	int fd = must(open(name, O_WRONLY | O_CREAT, 0755));

	must(write(fd, text, strlen(text)));
	close(fd);
}

static bool exists(const char *name)
{
	return !access(name, F_OK);
}

/* The line of /proc/@file that has the word @word. */
static const char *line_of(const char *file, const char *word)
{
	static char line[512];
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s", file);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, word)) {
			fclose(f);
			return line;
		}
	}
	if (f)
		fclose(f);
	return "";
}

static void test_read_only(void)
{
	struct statfs sf;
	int fd;

	ok(!mount("some device", "m", "tmpfs", MS_NOSUID, ""), "mount a tmpfs");
	make("m/f", "text");
	must(mkdir("m/d", 0755));
	must(symlink("f", "m/s"));
	must(mkfifo("m/p", 0600));
	must(mknod("m/null", S_IFCHR | 0666, 1 << 8 | 3));
	ok(strstr(line_of("mounts", "some\\040device"), " tmpfs rw,nosuid,"), "in /proc/mounts");
	ok(!mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), "remount it read-only");
	ok(strstr(line_of("mounts", "some\\040device"), " tmpfs ro,"), "in /proc/mounts");
	ok(strstr(line_of("self/mountinfo", "some\\040device"), "/m ro,"), "in mountinfo");
	ok(!statfs("m", &sf) && (sf.f_flags & ST_RDONLY) && !(sf.f_flags & ST_NODEV), "statfs");
	fails(open("m/f", O_RDWR), EROFS);
	fails(open("m/f", O_RDONLY | O_TRUNC), EROFS);
	fails(open("m/new", O_RDWR | O_CREAT, 0600), EROFS);
	fd = open("m/f", O_RDONLY | O_CREAT, 0600);
	ok(fd >= 0, "what is there can be opened to read, O_CREAT or not");
	fails(fchmod(fd, 0700), EROFS);
	fails(fchown(fd, 1, 1), EROFS);
	fails(futimens(fd, NULL), EROFS);
	close(fd);
	fails(open("m", O_TMPFILE | O_RDWR, 0600), EROFS);
	fails(mkdir("m/new", 0700), EROFS);
	fails(mkdir("m/d", 0700), EEXIST);
	fails(mknod("m/new", S_IFIFO | 0600, 0), EROFS);
	fails(symlink("x", "m/new"), EROFS);
	fails(link("m/f", "m/new"), EROFS);
	fails(unlink("m/f"), EROFS);
	fails(unlink("m/none"), EROFS);
	fails(rmdir("m/d"), EROFS);
	fails(rename("m/f", "m/new"), EROFS);
	fails(truncate("m/f", 1), EROFS);
	fails(chmod("m/f", 0700), EROFS);
	fails(chown("m/f", 1, 1), EROFS);
	fails(utimensat(AT_FDCWD, "m/f", NULL, 0), EROFS);
	fails(access("m/f", W_OK), EROFS);
	fails(access("m", W_OK), EROFS);
	ok(!access("m/f", R_OK | X_OK), "but reading is well");
	fd = open("m/p", O_RDWR);
	ok(fd >= 0 && write(fd, "x", 1) == 1, "a FIFO may be written");
	close(fd);
	fd = open("m/null", O_RDWR);
	ok(fd >= 0 && write(fd, "x", 1) == 1, "and a device");
	close(fd);
	ok(!mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_NODEV | MS_NOEXEC, NULL),
	   "writable again");
	ok(!truncate("m/f", 2), "truncate");
	fails(open("m/null", O_RDWR), EACCES);
	fails(access("m/f", X_OK), EACCES);
	if (!must(fork())) {
		execl("m/f", "f", NULL);
		_exit(errno);
	}
	int status;
	wait(&status);
	ok(WEXITSTATUS(status) == EACCES, "MS_NOEXEC");
	fd = must(open("m/f", O_RDONLY));
	fails(mmap(NULL, 1, PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0, EPERM);
	fails(umount("m"), EBUSY);
	close(fd);
	ok(!umount("m") && !exists("m/f"), "umount");
	fails(umount("m"), EINVAL);
}

/* What tmpfs is asked for it keeps, and says so. */
static void test_options(void)
{
	static char page[4096];
	struct statfs sf;
	struct stat st;
	int fd;

	fails(mount("none", "m", "tmpfs", 0, "size=lots"), EINVAL);
	fails(mount("none", "m", "tmpfs", 0, "colour=red"), EINVAL);
	fails(mount("none", "m", "tmpfs", 0, "mode"), EINVAL);
	must(mount("small", "m", "tmpfs", 0, "size=60k,nr_inodes=4,mode=750,uid=7,gid=8"));
	ok(!stat("m", &st) && (st.st_mode & 07777) == 0750 && st.st_uid == 7 && st.st_gid == 8,
	   "mode=, uid=, gid=");
	ok(!statfs("m", &sf) && sf.f_blocks == 15 && sf.f_bfree == 15, "size=");
	ok(sf.f_files == 4 && sf.f_ffree == 3, "nr_inodes=");
	ok(strstr(line_of("mounts", "small"), ",size=60k,nr_inodes=4,mode=750,uid=7,gid=8"),
	   "/proc/mounts");
	fd = must(open("m/f", O_WRONLY | O_CREAT, 0600));
	for (int i = 0; i < 15; i++)
		must(write(fd, page, sizeof(page)));
	fails(write(fd, page, 1), ENOSPC);
	fails(fallocate(fd, 0, 0, 17 * 4096), ENOSPC);
	ok(!statfs("m", &sf) && sf.f_bfree == 0 && sf.f_ffree == 2, "full");
	ok(!ftruncate(fd, 4096) && !statfs("m", &sf) && sf.f_bfree == 14, "and not any more");
	must(mkdir("m/d", 0700));
	must(symlink("f", "m/s"));
	fails(open("m/g", O_WRONLY | O_CREAT, 0600), ENOSPC);
	fails(mkdir("m/d/e", 0700), ENOSPC);
	ok(!unlink("m/s") && !mkdir("m/d/e", 0700), "an inode has become free");
	close(fd);
	must(umount("m"));
	must(mount("none", "m", "tmpfs", 0, "size=0,nr_inodes=0"));
	ok(!statfs("m", &sf) && sf.f_blocks == 0 && sf.f_files == 0, "no limits");
	make("m/f", "text");
	must(umount("m"));
}

static void test_ramfs(void)
{
	struct statfs sf;
	struct stat st;

	must(mount("ram", "m", "ramfs", 0, "size=lots,colour"));
	ok(!stat("m", &st) && (st.st_mode & 07777) == 0755, "ramfs belongs to its owner");
	ok(!statfs("m", &sf) && sf.f_type == 0x858458f6 && !sf.f_blocks && !sf.f_files,
	   "ramfs has no limits");
	ok(strstr(line_of("mounts", "ram"), " ramfs rw,relatime 0 0"), "no options");
	make("m/f", "text");
	must(umount("m"));
	must(mount("ram", "m", "ramfs", 0, "mode=700"));
	ok(strstr(line_of("mounts", "ram"), " ramfs rw,relatime,mode=700 0 0"), "mode=");
	must(umount("m"));
	fails(mount("ram", "m", "ramfs", 0, "mode=9"), EINVAL);
}

/* What somebody writes to does not become read-only. */
static void test_busy(void)
{
	int fd;

	must(mount("none", "m", "tmpfs", 0, NULL));
	make("m/f", "text");
	fd = must(open("m/f", O_RDWR));
	fails(mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL), EBUSY);
	fails(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), EBUSY);
	ok(write(fd, "x", 1) == 1, "it is still written to");
	ok(!mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID, NULL), "other flags may come");
	close(fd);
	fd = must(open("m/f", O_RDONLY));
	ok(!mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL), "one who reads is no hindrance");
	fails(open("m/f", O_RDWR), EROFS);
	close(fd);
	must(umount("m"));
}

/* A program on a mount with MS_NOSUID lends nobody its owner's id. */
static void test_nosuid(void)
{
	int status, in = must(open("/proc/self/exe", O_RDONLY)), out;
	char buf[4096];
	ssize_t n;

	must(mount("none", "m", "tmpfs", MS_NOSUID, NULL));
	out = must(open("m/prog", O_WRONLY | O_CREAT, 0755));
	while ((n = read(in, buf, sizeof(buf))) > 0)
		must(write(out, buf, (size_t)n));
	close(in);
	close(out);
	must(chown("m/prog", 1234, 1234) ?: chmod("m/prog", 04755));
	for (int nosuid = 1; nosuid >= 0; nosuid--) {
		if (!must(fork())) {
			execl("m/prog", "prog", "who", NULL);
			_exit(1);
		}
		wait(&status);
		ok(WEXITSTATUS(status) == (nosuid ? 42 : 43), nosuid ? "MS_NOSUID" : "without");
		must(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND, NULL));
	}
	must(umount("m"));
}

static void test_bind(void)
{
	struct stat a, b;

	must(mkdir("from", 0700));
	must(mkdir("from/sub", 0700));
	make("from/sub/f", "bound");
	make("file", "other");
	ok(!mount("from/sub", "m", NULL, MS_BIND, NULL), "MS_BIND");
	ok(!stat("m/f", &a) && !stat("from/sub/f", &b) && a.st_ino == b.st_ino &&
		   a.st_dev == b.st_dev,
	   "one file, two ways");
	make("m/g", "new");
	ok(exists("from/sub/g"), "what is made here is there");
	fails(rename("m/g", "from/g"), EXDEV);
	fails(link("m/g", "from/g"), EXDEV);
	ok(!mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), "read-only here");
	fails(unlink("m/g"), EROFS);
	ok(!unlink("from/sub/g"), "and writable there");
	fails(mount("file", "m", NULL, MS_BIND, NULL), ENOTDIR);
	ok(!mount("from/sub/f", "file", NULL, MS_BIND, NULL), "a file on a file");
	ok(!stat("file", &a) && a.st_ino == b.st_ino, "is seen in its place");
	fails(unlink("file"), EBUSY);
	ok(!umount("file") && !stat("file", &a) && a.st_ino != b.st_ino, "and goes");
	ok(!chdir("m/.."), "\"..\" leads out of it");
	ok(exists("from"), "to where it is mounted");
	ok(!umount("m"), "umount");
	must(unlink("file"));
	must(unlink("from/sub/f"));
	must(rmdir("from/sub"));
	must(rmdir("from"));
}

/* With MS_REC what is mounted in a tree is seen in its copy, each mount one of its own. */
static void test_bind_tree(void)
{
	must(mount("none", "m", "tmpfs", 0, NULL));
	must(mkdir("m/a", 0700) ?: mkdir("m/b", 0700) ?: mkdir("m/copy", 0700));
	must(mount("outer", "m/a", "tmpfs", 0, NULL));
	must(mkdir("m/a/in", 0700));
	must(mount("inner", "m/a/in", "tmpfs", 0, NULL));
	make("m/a/in/f", "x");
	ok(!mount("m/a", "m/b", NULL, MS_BIND, NULL) && !exists("m/b/in/f"),
	   "MS_BIND is one mount");
	must(umount("m/b"));
	ok(!mount("m/a", "m/b", NULL, MS_BIND | MS_REC, NULL) && exists("m/b/in/f"), "MS_REC");
	ok(!mount(NULL, "m/b/in", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), "read-only there");
	fails(unlink("m/b/in/f"), EROFS);
	fails(umount("m/b"), EBUSY);
	ok(!umount("m/b/in") && !exists("m/b/in/f") && exists("m/a/in/f"), "and gone there");
	ok(!umount("m/b"), "umount");
	ok(!mount("m", "m/copy", NULL, MS_BIND | MS_REC, NULL) && exists("m/copy/a/in/f"),
	   "a tree into itself");
	ok(!exists("m/copy/copy/a/in/f") && exists("m/copy/copy"), "is not endless");
	ok(!mount("m/a/in", "m/b", NULL, MS_BIND | MS_REC, NULL) && exists("m/b/f"),
	   "a part of it");
	ok(!umount2("m", MNT_DETACH) && !exists("m/a"), "MNT_DETACH takes all of it");
}

/* In a child that has another root, since that of the boot has to stay. */
static int pivot(void)
{
	must(mount("none", "m", "tmpfs", 0, NULL));
	must(mkdir("m/new", 0700));
	make("m/outside", "x");
	must(chroot("m") ?: chdir("/"));
	fails(syscall(SYS_pivot_root, "new", "new"), EBUSY);
	must(mount("none", "new", "tmpfs", 0, NULL));
	must(mkdir("new/old", 0700));
	make("new/inside", "x");
	fails(syscall(SYS_pivot_root, "new", "/"), EBUSY);
	fails(syscall(SYS_pivot_root, "new/old", "new/old"), EINVAL);
	fails(syscall(SYS_pivot_root, "new", "none"), ENOENT);
	fails(syscall(SYS_pivot_root, "new/inside", "new/old"), ENOTDIR);
	ok(!syscall(SYS_pivot_root, "new", "new/old"), "pivot_root");
	ok(exists("/inside") && exists("/old/outside") && exists("inside"), "new and old root");
	ok(!umount2("/old", MNT_DETACH) && !exists("/old/outside"), "the old one goes");
	must(mount("none", "/old", "tmpfs", 0, NULL));
	must(chdir("/old"));
	make("second", "x");
	ok(!syscall(SYS_pivot_root, ".", ".") && !umount2(".", MNT_DETACH), "in one place");
	ok(exists("/second") && !exists("/inside") && !chdir("/..") && exists("second"), "too");
	must(mount("none", ".", "tmpfs", 0, NULL));
	ok(exists("second"), "\".\" does not step on what is mounted there");
	ok(!umount(".") && exists("/second"), "but umount does");
	must(setuid(1234));
	fails(syscall(SYS_pivot_root, ".", "."), EPERM);
	return tap_failed;
}

static void test_pivot(void)
{
	int status;

	fflush(stdout);
	if (!must(fork()))
		_exit(pivot());
	wait(&status);
	ok(!status, "no pivot went wrong");
	ok(!umount2("m", MNT_DETACH), "all else has stayed");
}

static void test_move(void)
{
	int fd, dir;
	char c;

	must(mkdir("to", 0700));
	must(mount("none", "m", "tmpfs", 0, NULL));
	make("m/f", "moved");
	must(mkdir("m/in", 0700));
	must(mount("none", "m/in", "tmpfs", 0, NULL));
	make("m/in/g", "deeper");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	fails(mount("m", "m/in", NULL, MS_MOVE, NULL), ELOOP);
	ok(!mount("m", "to", NULL, MS_MOVE, NULL), "MS_MOVE");
	ok(exists("to/f") && exists("to/in/g") && !exists("m/f"), "with what is mounted on it");
	fails(umount("to"), EBUSY);
	fd = must(open("to/in/g", O_RDONLY));
	dir = must(open("to", O_PATH));
	ok(!umount2("to", MNT_DETACH) && !exists("to/f"), "MNT_DETACH");
	ok(read(fd, &c, 1) == 1 && c == 'd', "an open file goes on");
	ok(!faccessat(dir, "f", R_OK, 0), "and so does a directory");
	ok(faccessat(dir, "in/g", R_OK, 0) == -1, "but what was mounted on it is gone");
	close(fd);
	close(dir);
	must(rmdir("to"));
	fails(mount("none", "none", "tmpfs", 0, NULL), ENOENT);
	fails(mount("none", "m", "nonefs", 0, NULL), ENODEV);
	fails(mount("none", "/proc/version", "tmpfs", 0, NULL), ENOTDIR);
	fails(umount2("m", 0x100), EINVAL);
	if (!must(fork())) {
		must(setuid(1234));
		_exit(mount("none", "/proc", "tmpfs", 0, NULL) == -1 && errno == EPERM ? 0 : 1);
	}
	int status;
	wait(&status);
	ok(!status, "it is for root");
}

static void test_unmount_event(void)
{
	char buf[256] __attribute__((aligned(8)));
	struct inotify_event *e = (struct inotify_event *)buf;
	int in = must(inotify_init1(IN_NONBLOCK));

	must(mount("none", "m", "tmpfs", 0, NULL));
	make("m/f", "x");
	must(inotify_add_watch(in, "m/f", IN_MODIFY));
	ok(!umount("m"), "a watch does not keep a mount");
	ok(read(in, buf, 16) == 16 && e->mask == IN_UNMOUNT && e->wd == 1, "IN_UNMOUNT");
	ok(read(in, buf, 16) == 16 && e->mask == IN_IGNORED && e->wd == 1, "IN_IGNORED");
	close(in);
}

/* The table of mounts is a source of EPOLLPRI: each reader is told of each change once. */
static void test_waiting(void)
{
	struct epoll_event ev = {.events = EPOLLPRI};
	struct pollfd p = {must(open("/proc/mounts", O_RDONLY)), POLLIN | POLLPRI, 0};
	int fd = must(open("/proc/self/mountinfo", O_RDONLY)), ep = must(epoll_create1(0));
	char name[32] = "";

	ok(readlink("/proc/mounts", name, sizeof(name)) == 11 && !strcmp(name, "self/mounts"),
	   "/proc/mounts is the reader's own");
	must(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	ok(epoll_wait(ep, &ev, 1, 0) == 0 && poll(&p, 1, 0) == 1 && p.revents == POLLIN,
	   "no change since they were opened");
	if (!must(fork())) {
		usleep(20000);
		_exit(mount("none", "m", "tmpfs", 0, NULL) ? 1 : 0);
	}
	ok(epoll_wait(ep, &ev, 1, 10000) == 1 && ev.events == (EPOLLPRI | EPOLLERR),
	   "a mount is an event");
	ok(epoll_wait(ep, &ev, 1, 0) == 0, "told once");
	ok(poll(&p, 1, 0) == 1 && p.revents == (POLLIN | POLLPRI | POLLERR),
	   "the other reader too");
	ok(poll(&p, 1, 0) == 1 && p.revents == POLLIN, "once");
	wait(NULL);
	must(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	ok(epoll_wait(ep, &ev, 1, 0) == 1, "other flags are one");
	must(umount("m"));
	ok(epoll_wait(ep, &ev, 1, 0) == 1 && epoll_wait(ep, &ev, 1, 0) == 0, "and an unmount is");
	close(p.fd);
	close(fd);
	close(ep);
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/mounts-XXXXXX";

	if (argc > 1)
		return geteuid() == 1234 ? 43 : 42;
	must(mkdtemp(dir) ? 0 : -1);
	must(chdir(dir));
	must(mkdir("m", 0755));
	test_read_only();
	test_options();
	test_ramfs();
	test_busy();
	test_nosuid();
	test_bind();
	test_bind_tree();
	test_pivot();
	test_move();
	test_unmount_event();
	test_waiting();
	must(rmdir("m"));
	must(chdir("/"));
	ok(!rmdir(dir), "nothing is left behind");
	return tap_done();
}
