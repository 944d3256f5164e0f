/* Rules 21, 22, 23: epolls that watch epolls. */
#include "epoll.h"

#include <sys/resource.h>
#include <sys/select.h>

static bool in_now(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1 && p.revents == POLLIN;
}

/*
 *	outer ──▶ inner ──▶ pipe
 */
static void two_levels(uint32_t outer_flags, uint32_t inner_flags, const char *name)
{
	int outer = must(epoll_create1(0)), inner = must(epoll_create1(0)), p[2];

	must(pipe(p));
	must(ep_add(outer, inner, EPOLLIN | outer_flags));
	must(ep_add(inner, p[0], EPOLLIN | inner_flags));
	ok(!in_now(inner) && !in_now(outer) && none(outer), "%s: nothing", name);
	put(p[1]);
	ok(in_now(inner) && in_now(outer), "%s: both are readable", name);
	ok(in_now(inner), "%s: being asked does not change that", name);
	ok(one(outer, EPOLLIN, (uint64_t)inner), "%s: the outer one reports the inner one", name);
	ok(outer_flags ? none(outer) : one(outer, EPOLLIN, (uint64_t)inner), "%s: how often", name);
	ok(in_now(inner), "%s: the inner one still has its event", name);
	ok(one(inner, EPOLLIN, (uint64_t)p[0]), "%s: and delivers it", name);
	ok(inner_flags ? !in_now(inner) && none(outer) : in_now(inner), "%s: consumed or not",
	   name);
	get(p[0]);
	ok(!in_now(inner) && none(outer) && none(inner), "%s: the byte is read, nothing", name);
	put(p[1]);
	ok(one(outer, EPOLLIN, (uint64_t)inner), "%s: a new byte crosses both", name);
	must(ep_del(inner, p[0]));
	ok(!in_now(inner) && none(outer), "%s: DEL in the inner one takes it away", name);
	must(ep_add(inner, p[0], EPOLLIN | inner_flags));
	ok(one(outer, EPOLLIN, (uint64_t)inner), "%s: ADD of a ready file wakes the outer one",
	   name);
	must(close(inner));
	ok(none(outer), "%s: closing the inner one removes it", name);
	close(p[0]);
	close(p[1]);
	close(outer);
}

/* select() and poll() on an epoll, without a time limit: a wake-up must reach them. */
static void other_waiters(void)
{
	int ep = must(epoll_create1(0)), p[2];
	struct pollfd pfd = {.fd = ep, .events = POLLIN | POLLOUT};
	struct timeval tv = {SOON / 1000, 0};
	pid_t child;
	fd_set set;

	must(pipe(p));
	must(ep_add(ep, p[0], EPOLLIN));
	child = must(fork());
	if (!child) {
		put(p[1]);
		_exit(0);
	}
	ok(poll(&pfd, 1, SOON) == 1 && pfd.revents == POLLIN, "poll on an epoll");
	ok(reap(child) == 0, "the writer is done");
	FD_ZERO(&set);
	FD_SET(ep, &set);
	ok(select(ep + 1, &set, NULL, NULL, &tv) == 1 && FD_ISSET(ep, &set), "select on an epoll");
	close(p[0]);
	close(p[1]);
	close(ep);
}

/*
 *	a ──▶ b ──▶ c ──▶ a ?
 */
static void loops(void)
{
	int a = must(epoll_create1(0)), b = must(epoll_create1(0)), c = must(epoll_create1(0));

	ok(ep_add(a, b, EPOLLIN) == 0 && ep_add(b, c, EPOLLIN) == 0, "a chain of three");
	fails(ep_add(b, a, EPOLLIN), ELOOP);
	fails(ep_add(c, a, EPOLLIN), ELOOP);
	fails(ep_add(c, b, EPOLLIN), ELOOP);
	fails(ep_add(a, a, EPOLLIN), EINVAL);
	ok(ep_add(a, c, EPOLLIN) == 0, "a short cut is no loop");
	must(ep_del(a, b));
	ok(ep_add(b, a, EPOLLIN) == 0, "the link gone, the other direction may be");
	fails(ep_add(c, b, EPOLLIN), ELOOP);
	close(a);
	fails(ep_add(c, b, EPOLLIN), ELOOP);
	ok(ep_del(b, c) == 0 && ep_add(c, b, EPOLLIN) == 0, "turned around");
	close(b);
	close(c);
}

/*
 *	e[4] ──▶ e[3] ──▶ e[2] ──▶ e[1] ──▶ e[0] ──▶ pipe, and one too many
 */
static void depth(void)
{
	int e[6], p[2], r;

	must(pipe(p));
	for (int i = 0; i < 6; i++)
		e[i] = must(epoll_create1(0));
	must(ep_add(e[0], p[0], EPOLLIN | EPOLLET));
	for (int i = 1; i < 5; i++)
		ok(ep_add(e[i], e[i - 1], EPOLLIN) == 0, "a chain of %d", i + 1);
	r = ep_add(e[5], e[4], EPOLLIN);
	ok(r == -1 && (errno == ELOOP || errno == EINVAL), "a sixth is refused");
	ok(none(e[4]), "nothing at the far end");
	put(p[1]);
	ok(one(e[4], EPOLLIN, (uint64_t)e[3]), "an event crosses all levels");
	for (int i = 3; i > 0; i--)
		ok(one(e[i], EPOLLIN, (uint64_t)e[i - 1]), "level %d has it", i);
	ok(one(e[0], EPOLLIN, (uint64_t)p[0]), "the innermost delivers it");
	ok(none(e[4]) && none(e[2]), "and then nobody has it");
	for (int i = 0; i < 6; i++)
		close(e[i]);
	close(p[0]);
	close(p[1]);
}

/*
 *	outer[0] ─┐
 *	outer[1] ─┼▶ inner ──▶ pipe	each outer one is a way from the pipe, two steps long
 *	   ...   ─┘
 */
static void paths(void)
{
	struct rlimit lim;
	int inner = must(epoll_create1(0)), extra = must(epoll_create1(0)), n, p[2], q[2];
	static int outer[600];

	must(getrlimit(RLIMIT_NOFILE, &lim));
	lim.rlim_cur = lim.rlim_max < 2048 ? lim.rlim_max : 2048;
	must(setrlimit(RLIMIT_NOFILE, &lim));
	must(pipe(p));
	must(pipe(q));
	must(ep_add(inner, p[0], EPOLLIN));
	for (int i = 0; i < 600; i++)
		outer[i] = must(epoll_create1(0));
	for (n = 0; n < 600 && ep_add(outer[n], inner, EPOLLIN) == 0; n++)
		;
	ok(n == 500 && errno == EINVAL, "500 ways of two steps are allowed, the next is EINVAL");
	fails(ep_add(outer[500], inner, EPOLLIN), EINVAL);
	ok(ep_add(inner, q[0], EPOLLIN) == 0, "another source has its own ways");
	ok(ep_add(outer[0], p[0], EPOLLIN) == 0, "a way of one step is not counted with them");
	put(p[1]);
	ok(one(outer[499], EPOLLIN, (uint64_t)inner), "the last one is reached");
	must(ep_del(outer[0], inner));
	ok(ep_add(outer[500], inner, EPOLLIN) == 0, "one less, one more");
	for (n = 0; n < 600 && ep_add(outer[n], q[1], EPOLLIN) == 0; n++)
		;
	ok(n == 600, "600 epolls may watch one source directly");
	must(ep_add(extra, outer[10], EPOLLIN));
	for (n = 0; n < 600; n++)
		close(outer[n]);
	close(inner);
	close(extra);
}

/*
 *	outer[0] ─┐
 *	   ...   ─┼▶ e[k - 1] ──▶ ... ──▶ e[0] ──▶ pipe		the longer, the fewer
 *	outer[n] ─┘
 */
static void long_paths(void)
{
	static const int limits[] = {500, 100, 50, 10};

	for (int k = 1; k <= 4; k++) {
		int e[4], p[2], n, outer;

		must(pipe(p));
		for (int i = 0; i < k; i++) {
			e[i] = must(epoll_create1(0));
			must(ep_add(e[i], i ? e[i - 1] : p[0], EPOLLIN));
		}
		for (n = 0; n < 600; n++) {
			outer = must(epoll_create1(0));
			if (ep_add(outer, e[k - 1], EPOLLIN))
				break;
		}
		ok(n == limits[k - 1] && errno == EINVAL, "%d ways over %d epolls", n, k);
		must(syscall(SYS_close_range, p[0], ~0u, 0));
	}
}

int main(void)
{
	two_levels(0, 0, "LT LT");
	two_levels(0, EPOLLET, "LT ET");
	two_levels(EPOLLET, 0, "ET LT");
	two_levels(EPOLLET, EPOLLET, "ET ET");
	other_waiters();
	loops();
	depth();
	paths();
	long_paths();
	return tap_done();
}
