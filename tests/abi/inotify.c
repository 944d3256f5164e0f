/*
 * inotify(7): which events a watch gets, with which names, bits and order; how equal ones merge; how
 * watches begin and end; what read, poll and FIONREAD say of the queue.
 */
#include "tap.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int in; /* the inotify file */

static const struct {
	unsigned bit;
	const char *name;
} bits[] = {
	{IN_ACCESS, "ACCESS"},
	{IN_MODIFY, "MODIFY"},
	{IN_ATTRIB, "ATTRIB"},
	{IN_CLOSE_WRITE, "CLOSE_WRITE"},
	{IN_CLOSE_NOWRITE, "CLOSE_NOWRITE"},
	{IN_OPEN, "OPEN"},
	{IN_MOVED_FROM, "FROM"},
	{IN_MOVED_TO, "TO"},
	{IN_CREATE, "CREATE"},
	{IN_DELETE, "DELETE"},
	{IN_DELETE_SELF, "DELETE_SELF"},
	{IN_MOVE_SELF, "MOVE_SELF"},
	{IN_UNMOUNT, "UNMOUNT"},
	{IN_Q_OVERFLOW, "OVERFLOW"},
	{IN_IGNORED, "IGNORED"},
	{IN_ISDIR, "/"},
};

/* All events that are there as one text: "1 CREATE name, 2 ATTRIB, ...". */
static const char *events(void)
{
	static char text[4096];
	static unsigned last_cookie;
	char buf[8192] __attribute__((aligned(8)));
	size_t len = 0;
	ssize_t n;

	text[0] = 0;
	while ((n = read(in, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			struct inotify_event *e = (struct inotify_event *)p;

			len += sprintf(text + len, "%s%d", len ? ", " : "", e->wd);
			for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
				if (e->mask & bits[i].bit)
					len += sprintf(text + len, " %s", bits[i].name);
			if (e->len)
				len += sprintf(text + len, " %s", e->name);
			if (e->mask & IN_MOVED_FROM)
				last_cookie = e->cookie;
			else if (e->cookie)
				len += sprintf(text + len, " %s",
					       e->cookie == last_cookie ? "pair" : "stray");
			p += sizeof(*e) + e->len;
		}
	}
	return n < 0 && errno == EAGAIN ? text : "error";
}

#define gets(what, expected) \
	({ \
		const char *_got = events(); \
		if (strcmp(_got, expected)) \
			printf("# got %s\n", _got); \
		ok(!strcmp(_got, expected), "%s: %s", what, expected); \
	})

static void make(const char *name)
{
	close(must(open(name, O_WRONLY | O_CREAT, 0600)));
}

static void test_arguments(void)
{
	char tiny[16];
	int p[2], fd;

	fails(inotify_init1(1), EINVAL);
	fd = must(inotify_init1(IN_CLOEXEC));
	ok(fcntl(fd, F_GETFD) == FD_CLOEXEC && !(fcntl(fd, F_GETFL) & O_NONBLOCK), "IN_CLOEXEC");
	fails(inotify_add_watch(fd, ".", 0), EINVAL);
	fails(inotify_add_watch(fd, ".", 0x00080000), EINVAL);
	fails(inotify_add_watch(fd, "none", IN_OPEN), ENOENT);
	fails(inotify_add_watch(fd, (char *)0x1000, IN_OPEN), EFAULT);
	fails(inotify_add_watch(-1, ".", IN_OPEN), EBADF);
	must(pipe(p));
	fails(inotify_add_watch(p[0], ".", IN_OPEN), EINVAL);
	fails(inotify_rm_watch(p[0], 1), EINVAL);
	fails(inotify_rm_watch(fd, 1), EINVAL);
	fails(inotify_rm_watch(-1, 1), EBADF);
	fails(write(fd, tiny, 1), EBADF);
	fails(inotify_add_watch(fd, ".", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE), EINVAL);
	make("plain");
	fails(inotify_add_watch(fd, "plain", IN_OPEN | IN_ONLYDIR), ENOTDIR);
	must(symlink("plain", "link"));
	ok(inotify_add_watch(fd, "plain", IN_OPEN) == 1, "the first watch is number 1");
	ok(inotify_add_watch(fd, "link", IN_OPEN) == 1, "a link leads to the same file");
	ok(inotify_add_watch(fd, "link", IN_OPEN | IN_DONT_FOLLOW) == 2, "IN_DONT_FOLLOW does not");
	fails(inotify_add_watch(fd, "plain", IN_OPEN | IN_MASK_CREATE), EEXIST);
	ok(!inotify_rm_watch(fd, 1) && inotify_add_watch(fd, "plain", IN_OPEN) == 3,
	   "numbers are not used again");
	unlink("link");
	unlink("plain");
	close(fd);
	close(p[0]);
	close(p[1]);
}

static void test_directory(void)
{
	char c;
	int fd;

	must(mkdir("d", 0700));
	ok(inotify_add_watch(in, "d", IN_ALL_EVENTS) == 1, "a directory");
	fd = must(open("d/f", O_RDWR | O_CREAT, 0600));
	gets("open(O_CREAT)", "1 CREATE f, 1 OPEN f");
	must(write(fd, "text", 4));
	gets("write", "1 MODIFY f");
	must(write(fd, "text", 4));
	must(pwrite(fd, "text", 4, 0));
	gets("two writes are one event", "1 MODIFY f");
	must(pread(fd, &c, 1, 0));
	gets("pread", "1 ACCESS f");
	ok(read(fd, &c, 1) == 0, "the end of the file");
	gets("no byte is no event", "");
	must(ftruncate(fd, 2));
	gets("ftruncate", "1 MODIFY f");
	must(fchmod(fd, 0640));
	gets("fchmod", "1 ATTRIB f");
	must(fchown(fd, getuid(), getgid()));
	gets("fchown", "1 ATTRIB f");
	close(fd);
	gets("close", "1 CLOSE_WRITE f");
	close(must(open("d/f", O_RDONLY)));
	gets("open and close to read", "1 OPEN f, 1 CLOSE_NOWRITE f");
	close(must(open("d/f", O_PATH)));
	gets("O_PATH is silent", "");
	must(truncate("d/f", 1));
	gets("truncate", "1 MODIFY f");
	must(utimensat(AT_FDCWD, "d/f", NULL, 0));
	gets("utimensat", "1 ATTRIB f");
	must(utimensat(AT_FDCWD, "d/f", (struct timespec[2]){{0, UTIME_OMIT}, {5, 0}}, 0));
	gets("the time of writing alone", "1 MODIFY f");
	must(link("d/f", "d/second-name-of-it"));
	gets("link", "1 CREATE second-name-of-it");
	must(unlink("d/second-name-of-it"));
	gets("unlink", "1 DELETE second-name-of-it");
	must(mkdir("d/sub", 0700));
	gets("mkdir", "1 CREATE / sub");
	must(rmdir("d/sub"));
	gets("rmdir", "1 DELETE / sub");
	must(symlink("f", "d/s"));
	must(unlink("d/s"));
	must(mkfifo("d/p", 0600));
	must(unlink("d/p"));
	gets("symlink, mkfifo", "1 CREATE s, 1 DELETE s, 1 CREATE p, 1 DELETE p");
	fd = must(open("d", O_RDONLY));
	must(syscall(SYS_getdents64, fd, (char[1024]){0}, 1024));
	close(fd);
	gets("the directory itself is read", "1 OPEN /, 1 ACCESS /, 1 CLOSE_NOWRITE /");
	must(chmod("d", 0711));
	gets("chmod of the directory", "1 ATTRIB /");
	fd = must(dup(must(open("d/f", O_RDONLY))));
	close(fd - 1);
	gets("a dup is no open", "1 OPEN f");
	close(fd);
	gets("the last close counts", "1 CLOSE_NOWRITE f");
	ok(!inotify_rm_watch(in, 1), "inotify_rm_watch");
	gets("tells so", "1 IGNORED");
	make("d/f");
	gets("and that is all", "");
}

static void test_file(void)
{
	int fd, wd = must(inotify_add_watch(in, "d/f", IN_ALL_EVENTS));

	ok(wd == 2, "a file");
	fd = must(open("d/f", O_WRONLY));
	must(write(fd, "x", 1));
	gets("no name is needed", "2 OPEN, 2 MODIFY");
	must(link("d/f", "d/g"));
	gets("link changes its count", "2 ATTRIB");
	must(rename("d/g", "d/h"));
	gets("rename", "2 MOVE_SELF");
	must(unlink("d/h"));
	gets("one name less", "2 ATTRIB");
	must(unlink("d/f"));
	gets("the last name goes", "2 ATTRIB");
	close(fd);
	gets("the last descriptor goes", "2 CLOSE_WRITE, 2 DELETE_SELF, 2 IGNORED");
	fails(inotify_rm_watch(in, wd), EINVAL);
	make("d/f");
	ok(inotify_add_watch(in, "d/f", IN_DELETE_SELF) == 3, "another, nobody has it open");
	ok(inotify_add_watch(in, "d", IN_DELETE | IN_OPEN) == 4, "and its directory");
	must(unlink("d/f"));
	gets("unlink", "3 DELETE_SELF, 3 IGNORED, 4 DELETE f");
	make("d/f");
	ok(inotify_add_watch(in, "d/f", IN_OPEN) == 5, "both again");
	make("d/f");
	gets("the directory comes first", "4 OPEN f, 5 OPEN");
	must(unlink("d/f"));
	must(rmdir("d"));
	gets("the end of both", "5 IGNORED, 4 DELETE f, 4 IGNORED");
}

static void test_moves(void)
{
	must(mkdir("a", 0700));
	must(mkdir("b", 0700));
	int a = must(inotify_add_watch(in, "a", IN_ALL_EVENTS & ~(IN_OPEN | IN_CLOSE)));
	must(inotify_add_watch(in, "b", IN_ALL_EVENTS & ~(IN_OPEN | IN_CLOSE)));
	ok(a == 6, "two directories");
	make("a/x");
	gets("a file", "6 CREATE x");
	must(rename("a/x", "a/y"));
	gets("a new name", "6 FROM x, 6 TO y pair");
	must(rename("a/y", "b/y"));
	gets("another directory", "6 FROM y, 7 TO y pair");
	must(rename("b/y", "out"));
	gets("out of sight", "7 FROM y");
	must(rename("out", "a/in"));
	gets("and back", "6 TO in stray");
	make("b/old");
	must(inotify_add_watch(in, "b/old", IN_ALL_EVENTS & ~(IN_OPEN | IN_CLOSE)));
	must(rename("a/in", "b/old"));
	gets("over another",
	     "7 CREATE old, 6 FROM in, 7 TO old pair, 8 ATTRIB, 8 DELETE_SELF, 8 IGNORED");
	make("a/one");
	events();
	must(syscall(SYS_renameat2, AT_FDCWD, "a/one", AT_FDCWD, "b/old", 2));
	gets("exchange", "6 FROM one, 7 TO old pair, 7 FROM old, 6 TO one pair");
	must(mkdir("a/dir", 0700));
	must(inotify_add_watch(in, "a/dir", IN_MOVE_SELF | IN_DELETE_SELF));
	must(rename("a/dir", "b/dir"));
	gets("a directory", "6 CREATE / dir, 6 FROM / dir, 7 TO / dir pair, 9 MOVE_SELF");
	must(rename("b/old", "b/old"));
	gets("onto itself", "");
	must(rmdir("b/dir"));
	gets("a watched directory goes", "9 DELETE_SELF, 9 IGNORED, 7 DELETE / dir");
	must(unlink("a/one"));
	must(unlink("b/old"));
	must(rmdir("a"));
	must(rmdir("b"));
	gets("the end",
	     "6 DELETE one, 7 DELETE old, 6 DELETE_SELF, 6 IGNORED, 7 DELETE_SELF, 7 IGNORED");
}

static void test_flags(void)
{
	int fd, wd;

	must(mkdir("d", 0700));
	wd = must(inotify_add_watch(in, "d", IN_CREATE | IN_ONESHOT));
	make("d/a");
	make("d/b");
	gets("IN_ONESHOT", "10 CREATE a, 10 IGNORED");
	fails(inotify_rm_watch(in, wd), EINVAL);
	ok(inotify_add_watch(in, "d", IN_CREATE) == 11, "a new one");
	ok(inotify_add_watch(in, "d", IN_DELETE) == 11, "its mask is replaced");
	make("d/c");
	must(unlink("d/c"));
	gets("delete alone", "11 DELETE c");
	ok(inotify_add_watch(in, "d", IN_CREATE | IN_MASK_ADD) == 11, "IN_MASK_ADD");
	make("d/c");
	must(unlink("d/c"));
	gets("both", "11 CREATE c, 11 DELETE c");
	must(inotify_add_watch(in, "d", IN_MODIFY));
	fd = must(open("d/a", O_WRONLY));
	must(unlink("d/a"));
	must(write(fd, "x", 1));
	gets("a file without a name still has its old one", "11 MODIFY a");
	must(inotify_add_watch(in, "d", IN_MODIFY | IN_EXCL_UNLINK));
	must(write(fd, "x", 1));
	gets("IN_EXCL_UNLINK", "");
	close(fd);
	fd = must(open("d/b", O_WRONLY));
	must(write(fd, "x", 1));
	gets("with a name", "11 MODIFY b");
	close(fd);
	must(unlink("d/b"));
	must(rmdir("d"));
	gets("gone", "11 IGNORED");
}

static void test_reading(void)
{
	struct pollfd pfd = {in, POLLIN | POLLOUT, 0};
	struct epoll_event ev = {.events = EPOLLIN};
	char buf[64];
	int n, ep = must(epoll_create1(0));

	must(mkdir("d", 0700));
	must(inotify_add_watch(in, "d", IN_CREATE | IN_DELETE));
	must(epoll_ctl(ep, EPOLL_CTL_ADD, in, &ev));
	ok(poll(&pfd, 1, 0) == 0 && epoll_wait(ep, &ev, 1, 0) == 0, "an empty queue: not ready");
	ok(!ioctl(in, FIONREAD, &n) && n == 0, "FIONREAD 0");
	fails(read(in, buf, sizeof(buf)), EAGAIN);
	make("d/name");
	ok(poll(&pfd, 1, 0) == 1 && pfd.revents == POLLIN, "POLLIN");
	ok(epoll_wait(ep, &ev, 1, 0) == 1 && ev.events == EPOLLIN, "EPOLLIN");
	ok(!ioctl(in, FIONREAD, &n) && n == 32, "a name is filled up to 16 bytes");
	make("d/fifteen--bytes");
	make("d/sixteen---bytes.");
	ok(!ioctl(in, FIONREAD, &n) && n == 32 + 32 + 48, "and a NUL belongs to it");
	fails(read(in, buf, 0), EINVAL);
	fails(read(in, buf, 31), EINVAL);
	ok(read(in, buf, 63) == 32, "only whole events are read");
	ok(read(in, buf, 33) == 32, "one by one");
	fails(read(in, buf, 47), EINVAL);
	ok(read(in, buf, 64) == 48, "the last");
	fails(read(in, (char *)0x1000, 64), EAGAIN);
	unlink("d/name");
	unlink("d/fifteen--bytes");
	unlink("d/sixteen---bytes.");
	gets("in order", "12 DELETE name, 12 DELETE fifteen--bytes, 12 DELETE sixteen---bytes.");
	if (!must(fork())) {
		usleep(20000);
		make("d/late");
		_exit(0);
	}
	must(fcntl(in, F_SETFL, 0));
	ok(read(in, buf, sizeof(buf)) == 32, "read waits");
	must(fcntl(in, F_SETFL, O_NONBLOCK));
	wait(NULL);
	if (!must(fork())) {
		usleep(20000);
		unlink("d/late");
		_exit(0);
	}
	ok(epoll_wait(ep, &ev, 1, 10000) == 1, "epoll_wait too");
	wait(NULL);
	gets("a child's doing", "12 DELETE late");
	must(rmdir("d"));
	close(ep);
	gets("end", "12 IGNORED");
}

static int limit(const char *name)
{
	char path[80], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/fs/inotify/%s", name);
	fd = must(open(path, O_RDONLY));
	must(read(fd, text, sizeof(text) - 1));
	close(fd);
	return atoi(text);
}

static void test_overflow(void)
{
	char buf[32], other[2][8] = {"d/a", "d/b"};
	int max = limit("max_queued_events"), n, found = 0;
	struct inotify_event e;

	ok(max > 0 && limit("max_user_watches") > 0 && limit("max_user_instances") > 0, "limits");
	must(mkdir("d", 0700));
	make("d/a");
	must(inotify_add_watch(in, "d", IN_MOVE));
	for (int i = 0; i < max / 2 + 10; i++)
		must(rename(other[i & 1], other[!(i & 1)]));
	for (n = 0; read(in, buf, 32) > 0; n++) {
		memcpy(&e, buf, sizeof(e));
		if (e.mask == IN_Q_OVERFLOW && e.wd == -1 && n == max)
			found++;
	}
	ok(n == max + 1 && found == 1, "a full queue ends with one IN_Q_OVERFLOW");
	must(unlink((max / 2 + 10) & 1 ? "d/b" : "d/a"));
	must(rmdir("d"));
	events();
}

int main(void)
{
	char dir[] = "/tmp/inotify-XXXXXX";
	struct stat st;

	must(mkdtemp(dir) ? 0 : -1);
	must(chdir(dir));
	test_arguments();
	in = must(inotify_init1(IN_NONBLOCK));
	ok(!fstat(in, &st), "fstat");
	test_directory();
	test_file();
	test_moves();
	test_flags();
	test_reading();
	test_overflow();
	close(in);
	must(chdir("/"));
	ok(!rmdir(dir), "nothing is left behind");
	return tap_done();
}
