/* eventfd(2): the counter, its limits, semaphore mode, blocking, poll. */
#include "epoll.h"

#include <sys/uio.h>

#define MAX UINT64_MAX

static short polled(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI};

	must(poll(&p, 1, 0));
	return p.revents;
}

static int put64(int fd, uint64_t v)
{
	return (int)write(fd, &v, 8);
}

static int get64(int fd, uint64_t *v)
{
	*v = 0;
	return (int)read(fd, v, 8);
}

static void flags(void)
{
	int fd;

	fails(eventfd(0, 2), EINVAL);
	fails(eventfd(0, O_APPEND), EINVAL);
	fd = must(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	ok(fcntl(fd, F_GETFD) == FD_CLOEXEC, "EFD_CLOEXEC");
	ok(fcntl(fd, F_GETFL) == (O_RDWR | O_NONBLOCK), "EFD_NONBLOCK");
	close(fd);
	fd = must(syscall(SYS_eventfd, 7));
	ok(fcntl(fd, F_GETFD) == 0 && fcntl(fd, F_GETFL) == O_RDWR, "the old call has no flags");
	close(fd);
}

static void counting(void)
{
	int fd = must(eventfd(5, EFD_NONBLOCK));
	uint64_t v, pair[2] = {0, 0};
	struct iovec iov[2] = {{&v, 4}, {(char *)&v + 4, 4}};

	ok(polled(fd) == (POLLIN | POLLOUT), "a count of 5 is readable and writable");
	ok(get64(fd, &v) == 8 && v == 5, "read takes all of it");
	fails(get64(fd, &v), EAGAIN);
	ok(polled(fd) == POLLOUT, "0 is writable only");
	ok(put64(fd, 3) == 8 && put64(fd, 4) == 8 && get64(fd, &v) == 8 && v == 7, "writes add up");
	ok(put64(fd, 0) == 8, "adding nothing is allowed");
	ok(polled(fd) == POLLOUT, "and makes nothing readable");
	fails(read(fd, &v, 7), EINVAL);
	fails(write(fd, &v, 7), EINVAL);
	fails(read(fd, &v, 0), EINVAL);
	put64(fd, 1);
	ok(read(fd, pair, 16) == 8 && pair[0] == 1, "a longer buffer gets 8 bytes");
	fails(put64(fd, MAX), EINVAL);
	get64(fd, &v);
	ok(put64(fd, MAX - 1) == 8, "the largest count");
	ok(polled(fd) == POLLIN, "leaves no room");
	fails(put64(fd, 1), EAGAIN);
	ok(get64(fd, &v) == 8 && v == MAX - 1, "it comes back");
	put64(fd, 2);
	ok(readv(fd, iov, 2) == 8 && v == 2, "readv");
	fails(write(fd, (void *)16, 8), EFAULT);
	close(fd);
}

static void semaphore(void)
{
	int fd = must(eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK));
	uint64_t v;

	for (int i = 0; i < 3; i++)
		ok(get64(fd, &v) == 8 && v == 1, "semaphore: one at a time");
	fails(get64(fd, &v), EAGAIN);
	put64(fd, 2);
	ok(get64(fd, &v) == 8 && v == 1 && polled(fd) == (POLLIN | POLLOUT),
	   "semaphore: one is left");
	close(fd);
}

static void blocking(void)
{
	int fd = must(eventfd(0, 0));
	uint64_t v;
	pid_t child;

	child = must(fork());
	if (!child)
		_exit(get64(fd, &v) == 8 && v == 9 ? 0 : 1);
	put64(fd, 9);
	ok(reap(child) == 0, "a reader waits for a count");

	put64(fd, MAX - 1);
	child = must(fork());
	if (!child)
		_exit(put64(fd, 5) == 8 ? 0 : 1);
	ok(get64(fd, &v) == 8 && v == MAX - 1, "a writer waits for room");
	ok(reap(child) == 0, "and gets it");
	ok(get64(fd, &v) == 8 && v == 5, "its value is there");

	put64(fd, 1);
	child = must(fork());
	if (!child) {
		for (int i = 0; i < 1000; i++)
			put64(fd, 1);
		_exit(0);
	}
	for (uint64_t sum = 0; sum < 1001; sum += v)
		must(get64(fd, &v));
	ok(reap(child) == 0 && polled(fd) == POLLOUT, "a thousand writes, all counted");
	close(fd);
}

int main(void)
{
	flags();
	counting();
	semaphore();
	blocking();
	return tap_done();
}
