/* Rule 30: poll, ppoll, select, pselect6. */
#include "epoll.h"

#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>

static volatile sig_atomic_t handled;

static void handler(int sig)
{
	handled++;
}

static void poll_basics(int p[2])
{
	struct pollfd f[4] = {
		{p[0], POLLIN, 7}, {p[1], POLLOUT, 7}, {-1, POLLIN, 7}, {999, POLLIN, 7}};
	int dir = must(open("/", O_RDONLY));

	ok(poll(f, 3, 0) == 1, "poll: one of three is ready");
	ok(f[0].revents == 0 && f[1].revents == POLLOUT && f[2].revents == 0,
	   "poll: a negative number is ignored");
	ok(poll(f, 4, 1000) == 2 && f[3].revents == POLLNVAL, "poll: POLLNVAL for one not open");
	ok(poll(f, 1, 0) == 0 && f[0].revents == 0, "poll: nothing");
	put(p[1]);
	ok(poll(f, 3, -1) == 2 && f[0].revents == POLLIN, "poll: a byte");
	f[0].events = POLLIN | POLLRDNORM | POLLOUT | POLLPRI;
	ok(poll(f, 1, 0) == 1 && f[0].revents == (POLLIN | POLLRDNORM),
	   "poll: what holds of what is asked");
	f[0].events = 0;
	ok(poll(f, 1, 0) == 0, "poll: nothing asked");
	f[0] = (struct pollfd){dir, POLLIN | POLLOUT | POLLPRI, 0};
	ok(poll(f, 1, 0) == 1 && f[0].revents == (POLLIN | POLLOUT),
	   "poll: a file that cannot be polled is always ready");
	get(p[0]);
	ok(poll(NULL, 0, 1) == 0, "poll: of nothing is a sleep");
	fails(poll((void *)16, 1, 0), EFAULT);
	close(dir);
}

static void many(int p[2])
{
	enum { N = 300 };
	static struct pollfd f[N];
	struct rlimit lim;
	int ready = 0;

	for (int i = 0; i < N; i++)
		f[i] = (struct pollfd){i % 3 ? p[0] : p[1], i % 3 ? POLLIN : POLLOUT, 0};
	ok(poll(f, N, -1) == N / 3, "poll: 300 entries");
	for (int i = 0; i < N; i++)
		f[i].fd = p[0], f[i].events = POLLIN;
	ok(poll(f, N, 5) == 0, "poll: 300 entries, none ready");
	if (!must(fork())) {
		sleep_ms(20);
		put(p[1]);
		_exit(0);
	}
	ok(poll(f, N, SOON) == N, "poll: 300 entries wait for one byte");
	for (int i = 0; i < N; i++)
		ready += f[i].revents == POLLIN;
	ok(ready == N, "poll: and all see it");
	get(p[0]);
	reap(-1);
	must(getrlimit(RLIMIT_NOFILE, &lim));
	fails(poll(f, lim.rlim_cur + 1, 0), EINVAL);
}

/* How many may be asked for follows the limit on descriptors, not those that are open. */
static void limits(int p[2])
{
	static struct pollfd f[100];
	struct rlimit old, low;

	for (int i = 0; i < 100; i++)
		f[i] = (struct pollfd){i % 2 ? -1 : p[1], POLLOUT, 0};
	must(getrlimit(RLIMIT_NOFILE, &old));
	low = old;
	low.rlim_cur = 50;
	must(setrlimit(RLIMIT_NOFILE, &low));
	fails(poll(f, 51, 0), EINVAL);
	fails(poll(f, UINT_MAX, 0), EINVAL);
	ok(poll(f, 50, 0) == 25, "poll: as many as the limit, the same one again and again");
	must(setrlimit(RLIMIT_NOFILE, &old));
	ok(poll(f, 100, 0) == 50, "poll: the limit is back");
}

static void poll_signals(int p[2])
{
	struct pollfd f = {p[0], POLLIN, 0};
	struct timespec ts = {0, 20000000}, bad = {0, 1000000000},
			for_ever = {INT64_MAX, 999999999};
	struct timeval no_end = {INT64_MAX, 999999};
	sigset_t usr1, empty, now;
	pid_t child;
	int64_t start;

	sigemptyset(&empty);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	must(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = handler, .sa_flags = SA_RESTART},
		       NULL));
	child = pest();
	fails(poll(&f, 1, -1), EINTR);
	ok(handled > 0, "poll: interrupted, SA_RESTART or not");
	fails(poll(&f, 1, INT_MAX), EINTR);
	fails(ppoll(&f, 1, &for_ever, NULL), EINTR);
	fails(select(0, NULL, NULL, NULL, &no_end), EINTR);
	fails(pselect(0, NULL, NULL, NULL, &for_ever, NULL), EINTR);
	start = now_ns();
	ok(ppoll(&f, 1, &ts, &usr1) == 0 && now_ns() - start >= 20000000, "ppoll: undisturbed");
	fails(ppoll(&f, 1, NULL, &empty), EINTR);
	stop_pest(child);

	must(sigprocmask(SIG_BLOCK, &usr1, NULL));
	handled = 0;
	must(raise(SIGUSR1));
	ok(poll(&f, 1, QUIET) == 0 && !handled, "poll: a blocked signal waits");
	fails(ppoll(&f, 1, NULL, &empty), EINTR);
	sigprocmask(SIG_SETMASK, NULL, &now);
	ok(handled == 1 && sigismember(&now, SIGUSR1),
	   "ppoll: it came with the mask, which is back");
	must(raise(SIGUSR1));
	put(p[1]);
	ok(ppoll(&f, 1, NULL, &empty) == 1, "ppoll: what is ready goes first");
	get(p[0]);
	must(sigprocmask(SIG_UNBLOCK, &usr1, NULL));
	ok(handled == 2, "ppoll: the signal was kept");
	fails(ppoll(&f, 1, &bad, NULL), EINVAL);
	fails(syscall(SYS_ppoll, &f, 1, (void *)16, NULL, 8), EFAULT);
	fails(syscall(SYS_ppoll, &f, 1, NULL, &empty, 4), EINVAL);
	for (int ms = 1; ms < 40; ms *= 3) {
		start = now_ns();
		ok(poll(&f, 1, ms) == 0 && now_ns() - start >= ms * 1000000ll, "poll: %d ms", ms);
	}
}

static void time_left(int p[2])
{
	struct timespec ts = {SOON, 0};
	struct timeval tv = {SOON, 0};
	struct pollfd f = {p[1], POLLOUT, 0};
	fd_set out;

	/* The C library's ppoll() hides it. */
	ok(syscall(SYS_ppoll, &f, 1, &ts, NULL, 8) == 1 && ts.tv_sec < SOON &&
		   ts.tv_sec > SOON - 600,
	   "ppoll writes the time that is left");
	FD_ZERO(&out);
	FD_SET(p[1], &out);
	ok(syscall(SYS_select, p[1] + 1, NULL, &out, NULL, &tv) == 1 && tv.tv_sec < SOON &&
		   tv.tv_sec > SOON - 600,
	   "select writes the time that is left");
	tv = (struct timeval){0, 2000};
	FD_ZERO(&out);
	ok(syscall(SYS_select, 0, NULL, &out, NULL, &tv) == 0 && tv.tv_sec == 0 && tv.tv_usec == 0,
	   "nothing is left when it is over");
}

static void select_basics(int p[2])
{
	fd_set in, out, ex;
	struct timeval zero = {0, 0}, bad = {0, -1}, bad2 = {-1, 0};
	int gone = must(dup(p[0]));

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&ex);
	FD_SET(p[0], &in);
	FD_SET(p[1], &out);
	FD_SET(p[0], &ex);
	ok(select(p[1] + 1, &in, &out, &ex, NULL) == 1, "select: one is ready");
	ok(!FD_ISSET(p[0], &in) && FD_ISSET(p[1], &out) && !FD_ISSET(p[0], &ex),
	   "select: the writer");
	put(p[1]);
	FD_SET(p[0], &in);
	ok(select(p[1] + 1, &in, &out, NULL, NULL) == 2, "select: two bits");
	ok(select(0, &in, &out, NULL, &zero) == 0, "select: of nothing");
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	ok(select(p[0], &in, NULL, NULL, &zero) == 0, "select: n is one more than the highest");
	fails(select(-1, &in, NULL, NULL, &zero), EINVAL);
	fails(select(1, NULL, NULL, NULL, &bad), EINVAL);
	fails(select(1, NULL, NULL, NULL, &bad2), EINVAL);
	FD_ZERO(&in);
	FD_SET(gone, &in);
	close(gone);
	fails(select(gone + 1, &in, NULL, NULL, &zero), EBADF);
	fails(syscall(SYS_select, 1, (void *)16, NULL, NULL, &zero), EFAULT);
	get(p[0]);

	must(pipe(p));
	close(p[1]);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(p[0], &in);
	ok(select(p[0] + 1, &in, NULL, NULL, NULL) == 1, "select: a hang-up is readable");
	FD_ZERO(&ex);
	FD_SET(p[0], &ex);
	ok(select(p[0] + 1, NULL, NULL, &ex, &zero) == 0, "select: and no exception");
	close(p[0]);
}

/* Sets for a million descriptors, of which the kernel looks at those that the process could have. */
static void huge_sets(int p[2])
{
	static unsigned long sets[3][1000000 / 64 + 1];
	struct timeval tv = {0, 0}, far = {INT64_MAX, 0}, overflow = {INT64_MAX, 1000000};
	struct timeval carried = {0, 2000000000};

	sets[0][p[0] / 64] = 1ul << p[0] % 64;
	sets[1][p[1] / 64] = 1ul << p[1] % 64;
	sets[1][900000 / 64] = 2;
	ok(syscall(SYS_select, 1000000, sets[0], sets[1], sets[2], &tv) == 1 &&
		   sets[1][p[1] / 64] == 1ul << p[1] % 64 && !sets[0][p[0] / 64],
	   "select: n of a million");
	ok(sets[1][900000 / 64] == 2, "select: what no table reaches is left alone");
	fails(syscall(SYS_select, INT_MIN, NULL, NULL, NULL, &tv), EINVAL);
	ok(syscall(SYS_select, p[1] + 1, NULL, sets[1], NULL, &far) == 1, "select: for ever");
	fails(syscall(SYS_select, 0, NULL, NULL, NULL, &overflow), EINVAL);
	ok(syscall(SYS_select, p[1] + 1, NULL, sets[1], NULL, &carried) == 1 &&
		   carried.tv_sec < 2000 && carried.tv_sec > 1000,
	   "select: two billion microseconds are two thousand seconds");
}

struct mask_arg {
	const sigset_t *mask;
	size_t size;
};

static void pselect_masks(int p[2])
{
	struct timespec ts = {0, 10000000};
	sigset_t usr1, empty;
	struct mask_arg arg = {&empty, 8}, wrong = {&empty, 5};
	fd_set in;

	sigemptyset(&empty);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	must(sigprocmask(SIG_BLOCK, &usr1, NULL));
	handled = 0;
	must(raise(SIGUSR1));
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	ok(syscall(SYS_pselect6, p[0] + 1, &in, NULL, NULL, &ts, NULL) == 0 && !handled,
	   "pselect6: without a mask");
	FD_SET(p[0], &in);
	fails(syscall(SYS_pselect6, p[0] + 1, &in, NULL, NULL, NULL, &arg), EINTR);
	ok(handled == 1, "pselect6: with one that lets the signal in");
	fails(syscall(SYS_pselect6, p[0] + 1, &in, NULL, NULL, NULL, &wrong), EINVAL);
	fails(syscall(SYS_pselect6, p[0] + 1, &in, NULL, NULL, NULL, (void *)16), EFAULT);
	must(sigprocmask(SIG_UNBLOCK, &usr1, NULL));
}

/* Many descriptors in select: beyond one word of the sets. */
static void select_many(void)
{
	enum { N = 200 };
	static int r[N], w[N];
	struct timeval tv = {SOON / 1000, 0};
	fd_set in;
	int max = 0, n;

	FD_ZERO(&in);
	for (int i = 0; i < N; i++) {
		int p[2];

		must(pipe(p));
		r[i] = p[0];
		w[i] = p[1];
		FD_SET(r[i], &in);
		max = r[i];
	}
	if (!must(fork())) {
		sleep_ms(20);
		put(w[N - 1]);
		_exit(0);
	}
	n = select(max + 1, &in, NULL, NULL, &tv);
	ok(n == 1 && FD_ISSET(r[N - 1], &in) && !FD_ISSET(r[0], &in), "select: the last of 200");
	reap(-1);
	for (int i = 0; i < N; i++) {
		close(r[i]);
		close(w[i]);
	}
}

int main(void)
{
	int p[2], q[2];

	must(pipe(p));
	must(pipe(q));
	poll_basics(p);
	many(p);
	limits(p);
	poll_signals(p);
	time_left(p);
	huge_sets(q);
	select_basics(p);
	pselect_masks(q);
	select_many();
	return tap_done();
}
