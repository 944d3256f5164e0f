/*
 * timerfd_create(2), timerfd_settime(2), timerfd_gettime(2): clocks, intervals, what read, poll and
 * epoll say. That setting the clock cancels a timer is tests/guest/clockset.c's.
 */
#include "tap.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

#define MS 1000000ll

static int64_t ns(struct timespec ts)
{
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static int64_t now(clockid_t id)
{
	struct timespec ts;

	must(clock_gettime(id, &ts));
	return ns(ts);
}

static struct itimerspec spec(int64_t value, int64_t interval)
{
	return (struct itimerspec){.it_value = {value / 1000000000, value % 1000000000},
				   .it_interval = {interval / 1000000000, interval % 1000000000}};
}

static void set(int fd, int flags, int64_t value, int64_t interval)
{
	struct itimerspec it = spec(value, interval);

	must(timerfd_settime(fd, flags, &it, NULL));
}

static struct itimerspec get(int fd)
{
	struct itimerspec it;

	must(timerfd_gettime(fd, &it));
	return it;
}

/* The number of expiries; 0: none. */
static uint64_t ticks(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static short polled(int fd, int timeout)
{
	struct pollfd p = {fd, POLLIN | POLLOUT, 0};

	must(poll(&p, 1, timeout));
	return p.revents;
}

static void sleep_ms(int ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * MS};

	while (nanosleep(&ts, &ts))
		;
}

static void test_errors(void)
{
	int fd = must(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
	struct itimerspec it = spec(0, 0);
	volatile uintptr_t bad = 8;
	uint64_t n;

	fails(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
	fails(timerfd_create(CLOCK_MONOTONIC_RAW, 0), EINVAL);
	fails(timerfd_create(77, 0), EINVAL);
	fails(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
	fails(timerfd_settime(-1, 0, &it, NULL), EBADF);
	fails(timerfd_settime(1, 0, &it, NULL), EINVAL);
	fails(timerfd_settime(fd, 4, &it, NULL), EINVAL);
	fails(syscall(SYS_timerfd_settime, fd, 0, bad, NULL), EFAULT);
	fails(timerfd_gettime(-1, &it), EBADF);
	fails(timerfd_gettime(1, &it), EINVAL);
	fails(syscall(SYS_timerfd_gettime, fd, bad), EFAULT);
	it.it_value.tv_nsec = 1000000000;
	fails(timerfd_settime(fd, 0, &it, NULL), EINVAL);
	it = spec(0, 0);
	it.it_interval.tv_sec = -1;
	fails(timerfd_settime(fd, 0, &it, NULL), EINVAL);
	fails(read(fd, &n, 7), EINVAL);
	fails(read(fd, &n, 8), EAGAIN);
	fails(write(fd, &n, 8), EINVAL);
	ok(fcntl(fd, F_GETFD) == FD_CLOEXEC, "TFD_CLOEXEC");
	ok(fcntl(fd, F_GETFL) == (O_RDWR | O_NONBLOCK), "TFD_NONBLOCK");
	close(fd);
}

static void test_clock(clockid_t clock, const char *name)
{
	int fd = must(timerfd_create(clock, 0));
	int64_t start = now(CLOCK_MONOTONIC);

	ok(ns(get(fd).it_value) == 0 && polled(fd, 0) == 0, "%s: not armed", name);
	set(fd, 0, 20 * MS, 0);
	ok(ns(get(fd).it_value) > 0 && ns(get(fd).it_value) <= 20 * MS, "%s: counts down", name);
	ok(ticks(fd) == 1 && now(CLOCK_MONOTONIC) - start >= 20 * MS, "%s: read waits", name);
	ok(ns(get(fd).it_value) == 0 && polled(fd, 0) == 0, "%s: once", name);
	set(fd, TFD_TIMER_ABSTIME, now(clock) + 20 * MS, 0);
	ok(polled(fd, 10000) == POLLIN && now(CLOCK_MONOTONIC) - start >= 40 * MS,
	   "%s: until a time, and poll waits", name);
	ok(ticks(fd) == 1, "%s: one", name);
	set(fd, TFD_TIMER_ABSTIME, 1, 0);
	ok(ticks(fd) == 1, "%s: a time that is over", name);
	set(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, now(clock) + 5 * MS, 0);
	ok(ticks(fd) == 1, "%s: with TFD_TIMER_CANCEL_ON_SET", name);
	set(fd, 0, 30 * MS, 0);
	set(fd, 0, 0, 0);
	ok(polled(fd, 50) == 0, "%s: stopped", name);
	close(fd);
}

static void test_interval(void)
{
	int fd = must(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	int64_t start = now(CLOCK_MONOTONIC), until;
	struct itimerspec it, old;
	uint64_t n = 0;

	set(fd, 0, 5 * MS, 5 * MS);
	sleep_ms(33);
	n = ticks(fd);
	ok(n >= 6, "expiries are counted while nobody reads");
	while (n < 12) {
		must(polled(fd, 10000));
		n += ticks(fd);
	}
	until = now(CLOCK_MONOTONIC);
	ok(until - start >= 60 * MS && (int64_t)n <= (until - start) / (5 * MS),
	   "neither more nor fewer than the time that has passed");
	it = get(fd);
	ok(ns(it.it_interval) == 5 * MS && ns(it.it_value) > 0 && ns(it.it_value) <= 5 * MS,
	   "timerfd_gettime");
	sleep_ms(12);
	ok(ns(get(fd).it_value) > 0, "it runs on unread");
	ok(ticks(fd) >= 2, "timerfd_gettime has not taken the expiries");
	sleep_ms(6);
	it = spec(1000000 * MS, 0);
	must(timerfd_settime(fd, 0, &it, &old));
	ok(ns(old.it_interval) == 5 * MS && ns(old.it_value) <= 5 * MS, "the old one comes back");
	fails(read(fd, &n, sizeof(n)), EAGAIN);
	set(fd, 0, 1, 1);
	sleep_ms(2);
	ok(ticks(fd) > 1000, "every nanosecond");
	close(fd);
}

static void test_epoll(void)
{
	int fd = must(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)), epfd = must(epoll_create1(0));
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};

	must(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev));
	ok(epoll_wait(epfd, &ev, 1, 0) == 0, "nothing yet");
	set(fd, 0, MS, MS);
	ok(epoll_wait(epfd, &ev, 1, 10000) == 1 && ev.events == EPOLLIN, "edge: an expiry");
	ok(epoll_wait(epfd, &ev, 1, 10) == 0, "no other until it is read");
	ok(ticks(fd) > 1, "which counts what was missed");
	ok(epoll_wait(epfd, &ev, 1, 10000) == 1, "and sets it going");
	ev.events = EPOLLIN;
	must(epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &ev));
	ok(epoll_wait(epfd, &ev, 1, 0) == 1 && epoll_wait(epfd, &ev, 1, 0) == 1, "level");
	set(fd, 0, 0, 0);
	ok(epoll_wait(epfd, &ev, 1, 0) == 0, "setting it forgets what was not read");
	close(fd);
	close(epfd);
}

static void test_shared(void)
{
	int fd = must(timerfd_create(CLOCK_MONOTONIC, 0)), status;

	set(fd, 0, 10 * MS, 0);
	if (!fork())
		_exit(ticks(fd) == 1 ? 0 : 1);
	must(wait(&status));
	ok(status == 0 && polled(fd, 0) == 0, "a child shares the timer and its expiries");
	close(fd);
}

static void test_fdinfo(void)
{
	int fd = must(timerfd_create(CLOCK_REALTIME, 0)), info;
	char path[64], text[512] = "";

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	set(fd, TFD_TIMER_ABSTIME, 1, 0);
	must(polled(fd, 10000));
	info = must(open(path, O_RDONLY));
	must(read(info, text, sizeof(text) - 1));
	ok(strstr(text, "\nclockid: 0\nticks: 1\nsettime flags: 01\nit_value: (0, 0)\n"
			"it_interval: (0, 0)\n") != NULL,
	   "fdinfo");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(text, 0, sizeof(text));
	must(readlink(path, text, sizeof(text) - 1));
	ok(!strcmp(text, "anon_inode:[timerfd]"), "its name");
	close(info);
	close(fd);
}

int main(void)
{
	test_errors();
	test_clock(CLOCK_MONOTONIC, "monotonic");
	test_clock(CLOCK_REALTIME, "realtime");
	test_clock(CLOCK_BOOTTIME, "boottime");
	test_interval();
	test_epoll();
	test_shared();
	test_fdinfo();
	return tap_done();
}
