/* pipe(2), pipe(7), fifo(7): data, capacity, atomic writes, the ends, poll, FIFOs. */
#include "epoll.h"

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define PAGE 4096

static char block[1 << 20];

static short polled(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

	must(poll(&p, 1, 0));
	return p.revents;
}

static int readable_bytes(int fd)
{
	int n = -1;

	ioctl(fd, FIONREAD, &n);
	return n;
}

static void creation(void)
{
	struct stat st;
	int p[2];

	fails(pipe2(p, O_APPEND), EINVAL);
	fails(pipe2(p, 1), EINVAL);
	fails(syscall(SYS_pipe, 16), EFAULT);
	must(pipe(p));
	ok(p[1] == p[0] + 1, "two numbers in a row: none was lost by what failed");
	ok(fcntl(p[0], F_GETFL) == O_RDONLY && fcntl(p[1], F_GETFL) == O_WRONLY, "one end each");
	ok(fcntl(p[0], F_GETFD) == 0, "kept over exec");
	ok(fstat(p[0], &st) == 0 && S_ISFIFO(st.st_mode), "fstat says FIFO");
	fails(read(p[1], block, 1), EBADF);
	fails(write(p[0], block, 1), EBADF);
	fails(lseek(p[0], 0, SEEK_SET), ESPIPE);
	fails(pread(p[0], block, 1, 0), ESPIPE);
	fails(ioctl(p[0], 0x5401 /* TCGETS */, block), ENOTTY);
	ok(read(p[0], block, 0) == 0, "reading nothing");
	ok(write(p[1], block, 0) == 0, "writing nothing");
	ok(readable_bytes(p[0]) == 0, "FIONREAD: empty");
	close(p[0]);
	close(p[1]);
	must(pipe2(p, O_CLOEXEC | O_NONBLOCK | O_DIRECT));
	ok(fcntl(p[0], F_GETFD) == FD_CLOEXEC && fcntl(p[1], F_GETFD) == FD_CLOEXEC, "O_CLOEXEC");
	ok(fcntl(p[0], F_GETFL) & fcntl(p[1], F_GETFL) & O_NONBLOCK, "O_NONBLOCK");
	close(p[0]);
	close(p[1]);
}

static void data(void)
{
	struct iovec iov[2] = {{"abc", 3}, {"defg", 4}};
	char buf[16] = "";
	int p[2];

	must(pipe2(p, O_NONBLOCK));
	fails(read(p[0], buf, 1), EAGAIN);
	ok(writev(p[1], iov, 2) == 7 && readable_bytes(p[0]) == 7, "two pieces, 7 bytes");
	ok(read(p[0], buf, 5) == 5 && !memcmp(buf, "abcde", 5), "part of them");
	ok(write(p[1], "hi", 2) == 2, "more");
	ok(read(p[0], buf, 16) == 4 && !memcmp(buf, "fghi", 4), "the rest in one read");
	put(p[1]);
	fails(read(p[0], (void *)16, 1), EFAULT);
	ok(readable_bytes(p[0]) == 1, "a bad address takes nothing");
	fails(write(p[1], (void *)16, 1), EFAULT);
	ok(readable_bytes(p[0]) == 1, "and gives nothing");
	close(p[0]);
	close(p[1]);
}

/* How many bytes fit if they come in pieces of @piece? */
static int capacity(int piece)
{
	int p[2], n;

	must(pipe2(p, O_NONBLOCK));
	while (write(p[1], block, (size_t)piece) == piece)
		;
	n = readable_bytes(p[0]);
	close(p[0]);
	close(p[1]);
	return n;
}

static void room(void)
{
	int p[2];

	ok(capacity(1) == 65536, "65536 bytes one by one");
	ok(capacity(PAGE) == 65536, "65536 bytes by pages");
	ok(capacity(100) == 16 * 4000, "pieces of 100 stay whole: 40 a page");
	ok(capacity(3000) == 16 * 3000, "pieces of 3000: one a page");
	ok(capacity(100000) == 65536, "a large write stops where it is full");

	must(pipe2(p, O_NONBLOCK));
	ok(fcntl(p[0], F_GETPIPE_SZ) == 65536, "F_GETPIPE_SZ");
	ok(write(p[1], block, 65536) == 65536, "filled");
	fails(write(p[1], block, 1), EAGAIN);
	ok(polled(p[1]) == 0 && polled(p[0]) == POLLIN, "full: not writable");
	ok(read(p[0], block, 1) == 1 && polled(p[1]) == 0, "a byte less is not a page");
	fails(write(p[1], block, 1), EAGAIN);
	ok(read(p[0], block, PAGE - 1) == PAGE - 1 && polled(p[1]) == POLLOUT, "a page less is");
	ok(write(p[1], block, PAGE + 1) == PAGE, "more than PIPE_BUF may be cut");
	fails(fcntl(p[1], F_SETPIPE_SZ, PAGE), EBUSY);
	ok(fcntl(p[1], F_SETPIPE_SZ, 100000) == 131072, "F_SETPIPE_SZ rounds up");
	ok(fcntl(p[0], F_GETPIPE_SZ) == 131072 && polled(p[1]) == POLLOUT, "and makes room");
	ok(write(p[1], block, 131072) == 65536, "as much as it says");
	ok(read(p[0], block, 131072) == 131072, "all of it comes out");
	ok(fcntl(p[1], F_SETPIPE_SZ, 1) == PAGE, "a page at least");
	ok(write(p[1], block, 2 * PAGE) == PAGE, "holds a page");
	fails(fcntl(0x7fff, F_GETPIPE_SZ), EBADF);
	close(p[0]);
	close(p[1]);
}

static volatile sig_atomic_t broken;

static void on_pipe(int sig)
{
	broken++;
}

static void ends(void)
{
	int p[2], d;

	signal(SIGPIPE, on_pipe);
	must(pipe(p));
	put(p[1]);
	d = must(dup(p[1]));
	close(p[1]);
	ok(polled(p[0]) == POLLIN, "a writer is left");
	close(d);
	ok(polled(p[0]) == (POLLIN | POLLHUP), "none is left, data is");
	ok(read(p[0], block, 10) == 1, "the data");
	ok(polled(p[0]) == POLLHUP, "the end");
	ok(read(p[0], block, 10) == 0 && read(p[0], block, 10) == 0, "as often as one asks");
	close(p[0]);

	must(pipe(p));
	put(p[1]);
	close(p[0]);
	ok(polled(p[1]) == (POLLOUT | POLLERR), "no reader is left");
	fails(write(p[1], block, 1), EPIPE);
	ok(broken == 1, "with SIGPIPE");
	signal(SIGPIPE, SIG_IGN);
	fails(write(p[1], block, 1), EPIPE);
	ok(broken == 1, "ignored");
	close(p[1]);
}

/* Writers of blocks of PIPE_BUF bytes against each other: none is torn. */
static void atomic_writes(void)
{
	enum { WRITERS = 3, BLOCKS = 60 };
	int p[2], torn = 0, count[WRITERS] = {0}, fail = 0;
	pid_t child[WRITERS];
	static char buf[PAGE];

	must(pipe(p));
	for (int w = 0; w < WRITERS; w++) {
		child[w] = must(fork());
		if (child[w])
			continue;
		memset(buf, 'a' + w, PAGE);
		for (int i = 0; i < BLOCKS; i++)
			if (write(p[1], buf, PAGE) != PAGE)
				_exit(1);
		_exit(0);
	}
	close(p[1]);
	for (;;) {
		ssize_t got = 0, n;

		while (got < PAGE && (n = read(p[0], buf + got, (size_t)(PAGE - got))) > 0)
			got += n;
		if (!got)
			break;
		for (int i = 1; i < got; i++)
			torn |= buf[i] != buf[0];
		count[buf[0] - 'a']++;
	}
	for (int w = 0; w < WRITERS; w++)
		fail |= reap(child[w]) || count[w] != BLOCKS;
	ok(!torn, "writes of PIPE_BUF bytes are not mixed");
	ok(!fail, "and none is lost");
	close(p[0]);
}

/* A large write through a small pipe, byte by byte the same. */
static void stream(void)
{
	int p[2], good = 1;
	pid_t child;

	must(pipe(p));
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * 7 + i / 251);
	child = must(fork());
	if (!child) {
		close(p[0]);
		_exit(write(p[1], block, sizeof(block)) == sizeof(block) ? 0 : 1);
	}
	close(p[1]);
	for (size_t at = 0; at < sizeof(block);) {
		static char buf[10007];
		ssize_t n = read(p[0], buf, sizeof(buf));

		if (n <= 0) {
			good = 0;
			break;
		}
		good &= !memcmp(buf, block + at, (size_t)n);
		at += (size_t)n;
	}
	ok(good && read(p[0], block, 1) == 0, "a megabyte comes through as it went in");
	ok(reap(child) == 0, "the writer was told of all of it");
	close(p[0]);
}

static void packets(void)
{
	char buf[16] = "";
	int p[2];

	must(pipe2(p, O_DIRECT | O_NONBLOCK));
	must(write(p[1], "abc", 3));
	must(write(p[1], "defg", 4));
	ok(read(p[0], buf, 16) == 3 && !memcmp(buf, "abc", 3), "packets: one at a time");
	ok(read(p[0], buf, 2) == 2 && !memcmp(buf, "de", 2), "packets: what is not read ...");
	fails(read(p[0], buf, 16), EAGAIN);
	close(p[0]);
	close(p[1]);
}

/* Sleepers on both sides: each byte handed over wakes the other. */
static void ping_pong(void)
{
	int a[2], b[2];
	pid_t child;
	char c;

	must(pipe(a));
	must(pipe(b));
	child = must(fork());
	if (!child) {
		for (int i = 0; i < 1000; i++)
			if (read(a[0], &c, 1) != 1 || write(b[1], &c, 1) != 1)
				_exit(1);
		_exit(0);
	}
	for (int i = 0; i < 1000; i++) {
		put(a[1]);
		get(b[0]);
	}
	ok(reap(child) == 0, "a thousand rounds of ping-pong");
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}

static char fifo_name[64] = "/tmp/pipe_test.fifo";

static void fifos(void)
{
	int r, w, w2;
	struct stat st;
	pid_t child;
	char c;

	unlink(fifo_name);
	if (mkfifo(fifo_name, 0600)) {
		strcpy(fifo_name, "pipe_test.fifo");
		unlink(fifo_name);
		must(mkfifo(fifo_name, 0600));
	}
	fails(open(fifo_name, O_WRONLY | O_NONBLOCK), ENXIO);
	r = open(fifo_name, O_RDONLY | O_NONBLOCK);
	ok(r >= 0, "a reader that does not wait");
	ok(polled(r) == 0, "no writer yet: no HUP");
	ok(read(r, &c, 1) == 0, "but read says end");
	w = open(fifo_name, O_WRONLY | O_NONBLOCK);
	ok(w >= 0, "now a writer may open");
	fails(read(r, &c, 1), EAGAIN);
	put(w);
	ok(polled(r) == POLLIN && read(r, &c, 1) == 1, "a byte");
	w2 = must(open(fifo_name, O_WRONLY));
	close(w);
	ok(polled(r) == 0, "one of two writers left");
	close(w2);
	ok(polled(r) == POLLHUP, "none left: HUP");
	w = must(open(fifo_name, O_WRONLY));
	ok(polled(r) == 0, "a new writer takes it back");
	ok(fstat(r, &st) == 0 && S_ISFIFO(st.st_mode), "fstat");
	fails(lseek(r, 0, SEEK_SET), ESPIPE);
	put(w);
	close(r);
	close(w);
	r = must(open(fifo_name, O_RDONLY | O_NONBLOCK));
	ok(readable_bytes(r) == 0, "data does not outlive the last close");
	close(r);

	child = must(fork());
	if (!child) {
		w = open(fifo_name, O_WRONLY);
		put(w);
		_exit(0);
	}
	r = open(fifo_name, O_RDONLY);
	ok(r >= 0 && read(r, &c, 1) == 1, "a reader and a writer wait for each other");
	ok(read(r, &c, 1) == 0 && reap(child) == 0, "and the end comes");
	close(r);
	r = open(fifo_name, O_RDWR);
	ok(r >= 0 && polled(r) == POLLOUT, "open for both waits for nobody");
	put(r);
	ok(read(r, &c, 1) == 1, "and talks to itself");
	close(r);
	must(unlink(fifo_name));
}

int main(void)
{
	creation();
	data();
	room();
	ends();
	atomic_writes();
	stream();
	packets();
	ping_pong();
	fifos();
	return tap_done();
}
