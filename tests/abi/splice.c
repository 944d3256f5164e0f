/*
 * sendfile, copy_file_range, splice, tee, vmsplice: what arrives, what stays, what moves the
 * position, and which combinations are refused. And the sizes of pipes.
 */
#include "tap.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

static int file(const char *text)
{
	char path[] = "/tmp/splice-XXXXXX";
	int fd = must(mkstemp(path));

	unlink(path);
	must(write(fd, text, strlen(text)));
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static int fresh(int p[2])
{
	return pipe2(p, O_NONBLOCK);
}

static void drop(int p[2])
{
	close(p[0]);
	close(p[1]);
}

static bool holds(int fd, const char *text)
{
	char buf[256];
	ssize_t n = pread(fd, buf, sizeof(buf), 0);

	return n == (ssize_t)strlen(text) && !memcmp(buf, text, n);
}

static bool gives(int fd, const char *text)
{
	char buf[256];
	ssize_t n = read(fd, buf, sizeof(buf));

	return n == (ssize_t)strlen(text) && !memcmp(buf, text, n);
}

static void test_sendfile(void)
{
	int a = file("0123456789"), b = file(""), p[2], dir = must(open("/", O_RDONLY));
	off_t off = 4;

	must(fresh(p));
	ok(sendfile(b, a, NULL, 3) == 3 && lseek(a, 0, SEEK_CUR) == 3, "from the position");
	ok(sendfile(b, a, &off, 100) == 6 && off == 10 && lseek(a, 0, SEEK_CUR) == 3,
	   "from an offset, to the end");
	ok(holds(b, "012456789"), "all in a row");
	ok(sendfile(b, a, &off, 5) == 0, "at the end there is nothing");
	ok(sendfile(p[1], a, NULL, 2) == 2 && gives(p[0], "34"), "to a pipe");
	fails(sendfile(b, p[0], NULL, 1), EINVAL);
	fails(sendfile(b, p[0], &off, 1), ESPIPE);
	fails(sendfile(b, dir, NULL, 1), EINVAL);
	fails(sendfile(-1, a, NULL, 1), EBADF);
	fails(sendfile(p[0], a, NULL, 1), EBADF);
	fails(sendfile(b, p[1], NULL, 1), EBADF);
	off = -1;
	fails(sendfile(b, a, &off, 1), EINVAL);
	drop(p);
	close(a);
	close(b);
	close(dir);
}

static ssize_t copy(int in, off_t *in_off, int out, off_t *out_off, size_t n, unsigned flags)
{
	return syscall(SYS_copy_file_range, in, in_off, out, out_off, n, flags);
}

static void test_copy_file_range(void)
{
	int a = file("0123456789"), b = file("abcdef"), p[2], dir = must(open("/", O_RDONLY));
	off_t from = 2, to = 4;

	must(fresh(p));
	ok(copy(a, NULL, b, NULL, 3, 0) == 3 && holds(b, "012def"), "by positions");
	ok(lseek(a, 0, SEEK_CUR) == 3 && lseek(b, 0, SEEK_CUR) == 3, "both move");
	ok(copy(a, &from, b, &to, 4, 0) == 4 && from == 6 && to == 8 && holds(b, "012d2345"),
	   "by offsets");
	ok(lseek(a, 0, SEEK_CUR) == 3 && lseek(b, 0, SEEK_CUR) == 3, "neither moves");
	from = 10;
	ok(copy(a, &from, b, NULL, 4, 0) == 0, "at the end: 0");
	from = 8;
	ok(copy(a, &from, b, NULL, 4, 0) == 2, "to the end");
	from = 0;
	to = 5;
	ok(copy(a, &from, a, &to, 5, 0) == 5 && holds(a, "0123401234"), "within one file");
	from = 0;
	to = 2;
	fails(copy(a, &from, a, &to, 5, 0), EINVAL);
	fails(copy(a, NULL, b, NULL, 1, 1), EINVAL);
	fails(copy(p[0], NULL, b, NULL, 1, 0), EINVAL);
	fails(copy(a, NULL, p[1], NULL, 1, 0), EINVAL);
	fails(copy(dir, NULL, b, NULL, 1, 0), EISDIR);
	fails(copy(-1, NULL, b, NULL, 1, 0), EBADF);
	fails(copy(a, (off_t *)0x1000, b, NULL, 1, 0), EFAULT);
	must(fcntl(b, F_SETFL, O_APPEND));
	fails(copy(a, NULL, b, NULL, 1, 0), EBADF);
	drop(p);
	close(a);
	close(b);
	close(dir);
}

/* Two ends of a TCP connection. */
static void connection(int s[2])
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int l = must(socket(AF_INET, SOCK_STREAM, 0));

	must(bind(l, (struct sockaddr *)&at, sizeof(at)));
	must(listen(l, 1));
	must(getsockname(l, (struct sockaddr *)&at, &len));
	s[0] = must(socket(AF_INET, SOCK_STREAM, 0));
	must(connect(s[0], (struct sockaddr *)&at, sizeof(at)));
	s[1] = must(accept(l, NULL, NULL));
	close(l);
}

static void test_splice(void)
{
	int a = file("0123456789"), b = file(""), p[2], q[2], s[2];
	loff_t off = 5;

	must(fresh(p));
	must(fresh(q));
	connection(s);
	fails(splice(p[0], NULL, b, NULL, 1, 0), EAGAIN);
	ok(splice(a, NULL, p[1], NULL, 4, 0) == 4 && lseek(a, 0, SEEK_CUR) == 4, "file to pipe");
	ok(splice(a, &off, p[1], NULL, 100, 0) == 5 && off == 10, "from an offset, to the end");
	ok(splice(a, &off, p[1], NULL, 1, 0) == 0, "nothing behind it");
	ok(splice(p[0], NULL, b, NULL, 2, 0) == 2 && holds(b, "01"), "pipe to file");
	off = 1;
	ok(splice(p[0], NULL, b, &off, 3, 0) == 3 && off == 4 && holds(b, "0235"), "at an offset");
	ok(lseek(b, 0, SEEK_CUR) == 2, "which does not move the position");
	ok(splice(p[0], NULL, q[1], NULL, 2, 0) == 2 && gives(q[0], "67"), "pipe to pipe");
	ok(splice(p[0], NULL, s[0], NULL, 100, 0) == 2 && gives(s[1], "89"), "pipe to socket");
	must(write(s[0], "socket", 6));
	ok(splice(s[1], NULL, p[1], NULL, 100, 0) == 6 && gives(p[0], "socket"), "and back");
	must(write(p[1], "one", 3));
	must(write(p[1], "two", 3));
	ok(splice(p[0], NULL, q[1], NULL, 4, 0) == 4 && gives(q[0], "onet") && gives(p[0], "wo"),
	   "what is not moved stays");
	fails(splice(p[0], NULL, p[1], NULL, 1, 0), EINVAL);
	fails(splice(a, NULL, b, NULL, 1, 0), EINVAL);
	fails(splice(p[0], &off, b, NULL, 1, 0), ESPIPE);
	fails(splice(a, NULL, p[1], &off, 1, 0), ESPIPE);
	fails(splice(a, NULL, p[0], NULL, 1, 0), EBADF);
	fails(splice(p[1], NULL, b, NULL, 1, 0), EBADF);
	fails(splice(-1, NULL, b, NULL, 1, 0), EBADF);
	fails(splice(p[0], NULL, b, NULL, 1, 16), EINVAL);
	ok(splice(-1, NULL, -1, NULL, 0, 16) == 0, "nothing at all is always well");
	fails(splice(p[0], NULL, b, (loff_t *)0x1000, 1, 0), EFAULT);
	must(fcntl(b, F_SETFL, O_APPEND));
	fails(splice(p[0], NULL, b, NULL, 1, 0), EINVAL);
	close(p[1]);
	ok(splice(p[0], NULL, q[1], NULL, 1, 0) == 0, "no writer: the end");
	close(q[0]);
	signal(SIGPIPE, SIG_IGN);
	fails(splice(a, &(loff_t){0}, q[1], NULL, 1, 0), EPIPE);
	close(p[0]);
	close(q[1]);
	drop(s);
	close(a);
	close(b);
}

/* More than a pipe holds goes through it. */
static void test_much(void)
{
	enum { SIZE = 500000 };
	int a = file(""), b = file(""), p[2], status;
	unsigned char *m = malloc(SIZE), *n = malloc(SIZE);

	for (int i = 0; i < SIZE; i++)
		m[i] = (unsigned char)(i * 7 + i / 251);
	must(write(a, m, SIZE));
	lseek(a, 0, SEEK_SET);
	must(pipe(p));
	if (!must(fork())) {
		ssize_t r;

		close(p[0]);
		while ((r = splice(a, NULL, p[1], NULL, 70000, SPLICE_F_MOVE)) > 0)
			;
		_exit(r ? 1 : 0);
	}
	close(p[1]);
	ssize_t r, sum = 0;
	while ((r = splice(p[0], NULL, b, NULL, 30001, SPLICE_F_MORE)) > 0)
		sum += r;
	wait(&status);
	ok(!status && sum == SIZE, "all of it arrives");
	ok(pread(b, n, SIZE, 0) == SIZE && !memcmp(m, n, SIZE), "as it was");
	close(p[0]);
	close(a);
	close(b);
	free(m);
	free(n);
}

static void test_tee(void)
{
	int p[2], q[2], fd = file("");

	must(fresh(p));
	must(fresh(q));
	fails(tee(p[0], q[1], 10, 0), EAGAIN);
	must(write(p[1], "hello", 5));
	ok(tee(p[0], q[1], 3, 0) == 3 && gives(q[0], "hel"), "tee copies");
	ok(tee(p[0], q[1], 100, 0) == 5 && gives(q[0], "hello") && gives(p[0], "hello"),
	   "and takes nothing away");
	fails(tee(p[0], p[1], 1, 0), EINVAL);
	fails(tee(fd, q[1], 1, 0), EINVAL);
	fails(tee(p[0], fd, 1, 0), EINVAL);
	fails(tee(p[1], q[1], 1, 0), EBADF);
	fails(tee(p[0], q[1], 1, 99), EINVAL);
	ok(tee(p[0], q[1], 0, 0) == 0, "nothing");
	close(p[1]);
	ok(tee(p[0], q[1], 1, 0) == 0, "no writer: the end");
	close(p[0]);
	drop(q);
	close(fd);
}

static void test_vmsplice(void)
{
	char a[4] = "", b[8] = "";
	struct iovec out[] = {{"abc", 3}, {"defgh", 5}}, in[] = {{a, 3}, {b, 8}};
	int p[2], fd = file("");

	must(fresh(p));
	ok(vmsplice(p[1], out, 2, 0) == 8, "memory to pipe");
	ok(vmsplice(p[0], in, 2, 0) == 8 && !memcmp(a, "abc", 3) && !memcmp(b, "defgh", 5),
	   "pipe to memory");
	fails(vmsplice(p[0], in, 2, SPLICE_F_NONBLOCK), EAGAIN);
	fails(vmsplice(fd, out, 2, 0), EBADF);
	fails(vmsplice(-1, out, 2, 0), EBADF);
	fails(vmsplice(p[1], out, 2, 99), EINVAL);
	fails(vmsplice(p[1], out, 1025, 0), EINVAL);
	fails(vmsplice(p[1], (struct iovec *)0x1000, 1, 0), EFAULT);
	ok(vmsplice(p[1], out, 0, 0) == 0, "nothing");
	drop(p);
	close(fd);
}

static void test_nonblock(void)
{
	int p[2], q[2];
	char page[4096] = "";

	must(pipe(p));
	must(pipe(q));
	fails(splice(p[0], NULL, q[1], NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
	fails(tee(p[0], q[1], 1, SPLICE_F_NONBLOCK), EAGAIN);
	fails(vmsplice(p[0], &(struct iovec){page, 1}, 1, SPLICE_F_NONBLOCK), EAGAIN);
	for (int i = 0; i < 16; i++)
		must(write(q[1], page, 4096));
	fails(vmsplice(q[1], &(struct iovec){page, 1}, 1, SPLICE_F_NONBLOCK), EAGAIN);
	must(write(p[1], "x", 1));
	fails(splice(p[0], NULL, q[1], NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
	fails(tee(p[0], q[1], 1, SPLICE_F_NONBLOCK), EAGAIN);
	must(read(q[0], page, 4096));
	ok(splice(p[0], NULL, q[1], NULL, 1, SPLICE_F_NONBLOCK) == 1, "room for one more");
	drop(p);
	drop(q);
}

static void test_sizes(void)
{
	int p[2], fd = file("");
	char page[4096] = "";

	must(fresh(p));
	ok(fcntl(p[0], F_GETPIPE_SZ) == 65536, "64 KiB");
	ok(fcntl(p[1], F_SETPIPE_SZ, 100) == 4096, "at least a page");
	ok(fcntl(p[1], F_SETPIPE_SZ, 5000) == 8192, "a power of two");
	must(write(p[1], page, 4096));
	must(write(p[1], page, 4096));
	fails(write(p[1], page, 1), EAGAIN);
	fails(fcntl(p[1], F_SETPIPE_SZ, 4096), EBUSY);
	ok(fcntl(p[1], F_SETPIPE_SZ, 1 << 20) == 1 << 20, "a MiB");
	ok(write(p[1], page, 4096) == 4096, "has room");
	fails(fcntl(fd, F_SETPIPE_SZ, 4096), EBADF);
	fails(fcntl(fd, F_GETPIPE_SZ), EBADF);
	if (geteuid() == 0 && !must(fork())) {
		must(setuid(12345));
		_exit(fcntl(p[1], F_SETPIPE_SZ, 2 << 20) == -1 && errno == EPERM ? 0 : 1);
	}
	int status = 0;
	wait(&status);
	ok(status == 0, "more is for root alone");
	drop(p);
	close(fd);
}

int main(void)
{
	test_sendfile();
	test_copy_file_range();
	test_splice();
	test_much();
	test_tee();
	test_vmsplice();
	test_nonblock();
	test_sizes();
	return tap_done();
}
