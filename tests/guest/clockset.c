/*
 * What happens to those who wait for a time of day when the clock is set. For the guest only: nobody
 * sets the clock of the machine that runs the tests. Prints a line for each thing that is not so.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HOUR 3600

static int failures;

static void ok(bool good, const char *what)
{
	if (good)
		return;
	printf("not so: %s (errno %d)\n", what, errno);
	failures++;
}

static int must(int ret)
{
	if (ret == -1) {
		perror("clockset");
		exit(99);
	}
	return ret;
}

static volatile sig_atomic_t alarms;

static void handler(int sig)
{
	alarms++;
}

static time_t now(void)
{
	struct timespec ts;

	must(clock_gettime(CLOCK_REALTIME, &ts));
	return ts.tv_sec;
}

static void jump(long seconds)
{
	struct timespec ts;

	must(clock_gettime(CLOCK_REALTIME, &ts));
	ts.tv_sec += seconds;
	must(clock_settime(CLOCK_REALTIME, &ts));
}

static int timer_at(int flags, time_t when)
{
	struct itimerspec it = {.it_value.tv_sec = when};
	int fd = must(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK));

	must(timerfd_settime(fd, flags, &it, NULL));
	return fd;
}

static bool readable(int fd, int timeout)
{
	struct pollfd p = {fd, POLLIN, 0};

	return must(poll(&p, 1, timeout)) == 1;
}

static void test_timerfd(void)
{
	int absolute = timer_at(TFD_TIMER_ABSTIME, now() + HOUR), relative = timer_at(0, HOUR);
	int cancel = timer_at(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, now() + 10 * HOUR);
	uint64_t n = 0;

	jump(HOUR + 60);
	ok(readable(absolute, 5000) && read(absolute, &n, 8) == 8 && n == 1,
	   "an absolute time has come");
	ok(!readable(relative, 50), "a relative one has not");
	ok(readable(cancel, 5000), "a timer that wants to know is told");
	ok(read(cancel, &n, 8) == -1 && errno == ECANCELED, "by ECANCELED");
	ok(read(cancel, &n, 8) == -1 && errno == EAGAIN, "once");
	jump(-HOUR - 60);
	ok(readable(cancel, 5000), "every time");
	close(absolute);
	absolute = timer_at(TFD_TIMER_ABSTIME, now() + 1);
	jump(-HOUR);
	ok(!readable(absolute, 1500), "set back, it takes longer");
	jump(HOUR);
	ok(readable(absolute, 5000), "and set forward again");
	close(absolute);
	close(relative);
	close(cancel);
}

static void test_posix_timer(void)
{
	struct itimerspec it = {.it_value.tv_sec = now() + HOUR};
	timer_t absolute, relative;

	signal(SIGALRM, handler);
	signal(SIGUSR1, SIG_DFL); /* would kill */
	must(timer_create(CLOCK_REALTIME, NULL, &absolute));
	must(timer_settime(absolute, TIMER_ABSTIME, &it, NULL));
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	must(timer_create(CLOCK_REALTIME, &ev, &relative));
	it.it_value.tv_sec = HOUR;
	must(timer_settime(relative, 0, &it, NULL));
	jump(HOUR + 1);
	for (int i = 0; i < 500 && !alarms; i++)
		usleep(10000);
	ok(alarms == 1, "a POSIX timer until a time");
	must(timer_gettime(relative, &it));
	ok(it.it_value.tv_sec > HOUR - 60, "another one for a time");
	timer_delete(absolute);
	timer_delete(relative);
	jump(-HOUR - 1);
}

static void test_sleep(void)
{
	pid_t pid = must(fork());
	int status;

	if (!pid) {
		struct timespec ts = {.tv_sec = now() + HOUR};

		_exit(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL));
	}
	usleep(100000);
	ok(waitpid(pid, &status, WNOHANG) == 0, "a sleep until a time");
	jump(HOUR + 1);
	ok(waitpid(pid, &status, 0) == pid && status == 0, "ends when the clock is set past it");
	jump(-HOUR - 1);
}

static void test_adjtimex(void)
{
	struct timex tx = {.modes = ADJ_SETOFFSET, .time = {HOUR - 1, 900000}};
	time_t before = now(), after;

	must(adjtimex(&tx));
	after = now();
	ok(after >= before + HOUR - 1 && after < before + HOUR + 60, "ADJ_SETOFFSET");
	tx = (struct timex){.modes = ADJ_SETOFFSET | ADJ_NANO, .time = {-HOUR, 100000000}};
	must(adjtimex(&tx));
	after = now();
	ok(after >= before && after < before + 60, "and back");
	tx = (struct timex){.modes = ADJ_MAXERROR | ADJ_STATUS, .maxerror = 500};
	ok(adjtimex(&tx) == TIME_OK, "synchronised");
	tx = (struct timex){.modes = ADJ_OFFSET | ADJ_STATUS, .status = STA_UNSYNC, .offset = 10};
	ok(adjtimex(&tx) == -1 && errno == EINVAL, "no slewing");
	tx.modes = ADJ_OFFSET_SINGLESHOT;
	ok(adjtimex(&tx) == -1 && errno == EINVAL, "nor by adjtime");
	tx.modes = 0;
	ok(adjtimex(&tx) == TIME_OK && tx.maxerror == 500, "what was said is kept");
	must(setuid(1));
	ok(adjtimex(&tx) == TIME_OK, "anybody may look");
	tx.modes = ADJ_STATUS;
	ok(adjtimex(&tx) == -1 && errno == EPERM, "only root may set");
}

int main(void)
{
	test_timerfd();
	test_posix_timer();
	test_sleep();
	test_adjtimex(); /* the last: root no more */
	return failures != 0;
}
