/* Rules 15, 16: more ready than maxevents; everybody has a turn, nobody two in one return. */
#include "epoll.h"

#define N 20

static int pipes[N][2];

static int index_of(const struct epoll_event *ev)
{
	return (int)ev->data.u64;
}

static int open_all(uint32_t events)
{
	int ep = must(epoll_create1(0));

	for (int i = 0; i < N; i++) {
		must(pipe(pipes[i]));
		must(ctl(ep, EPOLL_CTL_ADD, pipes[i][0], events, (uint64_t)i));
	}
	return ep;
}

static void close_all(int ep)
{
	for (int i = 0; i < N; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	close(ep);
}

/* In @rounds waits of @max events each, how often was each one served? */
static bool served_evenly(int ep, int max, int rounds, int times)
{
	struct epoll_event ev[N];
	int served[N] = {0};

	for (int r = 0; r < rounds; r++) {
		int n = epoll_wait(ep, ev, max, SOON);

		if (n != max)
			return false;
		for (int i = 0; i < n; i++)
			served[index_of(&ev[i])]++;
	}
	for (int i = 0; i < N; i++)
		if (served[i] != times) {
			printf("# item %d served %d times\n", i, served[i]);
			return false;
		}
	return true;
}

static void level(void)
{
	struct epoll_event ev[N + 5];
	int ep = open_all(EPOLLIN), n, sum = 0;

	for (int i = 0; i < N; i++)
		put(pipes[i][1]);
	n = epoll_wait(ep, ev, N + 5, SOON);
	for (int i = 0; i < n; i++)
		sum += index_of(&ev[i]);
	ok(n == N && sum == N * (N - 1) / 2, "all at once, each once");
	n = epoll_wait(ep, ev, N, SOON);
	for (sum = 0; sum < n && index_of(&ev[sum]) == sum; sum++)
		;
	ok(sum == N, "in the order in which they became ready");
	ok(served_evenly(ep, 3, N, 3), "three at a time: everyone served in turn");
	ok(served_evenly(ep, 1, 2 * N, 2), "one at a time: round-robin");
	ok(served_evenly(ep, 7, N, 7), "seven at a time");

	/* The busiest source does not push the others aside. */
	for (int r = 0; r < N; r++) {
		put(pipes[0][1]);
		n = epoll_wait(ep, ev, 1, SOON);
		sum = r ? sum | 1 << index_of(&ev[0]) : 1 << index_of(&ev[0]);
	}
	ok(sum == (1 << N) - 1, "one at a time while the first one is written to: still everyone");
	close_all(ep);
}

static void edge(void)
{
	struct epoll_event ev[N];
	int ep = open_all(EPOLLIN | EPOLLET), seen = 0, total = 0;

	for (int i = 0; i < N; i++)
		put(pipes[i][1]);
	while (total < N) {
		int n = epoll_wait(ep, ev, 6, SOON);

		if (n <= 0)
			break;
		for (int i = 0; i < n; i++)
			seen |= 1 << index_of(&ev[i]);
		total += n;
	}
	ok(total == N && seen == (1 << N) - 1, "edge-triggered: what did not fit comes next, once");
	ok(none(ep), "and that was all");
	close_all(ep);
}

int main(void)
{
	level();
	edge();
	return tap_done();
}
