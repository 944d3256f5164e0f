/*
 * nest_stress: epolls that watch epolls, while everybody changes who watches whom.
 *
 * Actors add, modify and remove at random: sources to epolls and epolls to epolls, which is often
 * refused because it would be a loop or too deep. They write to sources, read them, wait, poll,
 * and put new epolls and sources in the place of old ones, which closes those amid all this.
 *
 * Then all stop and the graph is read from fdinfo. It must have no loop and no chain of more than
 * five epolls; and since every item is level-triggered, an epoll must be readable exactly if
 * something that it watches is: an event that was lost on its way up would be missing here.
 */
#include "rounds.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define EPOLLS  10
#define SOURCES 5
#define FILES   (EPOLLS + SOURCES)
#define BASE    100 /* the number of the first; epolls come first */
#define DEEPEST 5
#define OPS     60 /* of an actor in a round */

static bool is_epoll(int i)
{
	return i < EPOLLS;
}

/* A new file at the number of an old one, which is closed. */
static void replace(int i)
{
	int fd = is_epoll(i) ? epoll_create1(0) : eventfd(0, EFD_NONBLOCK);

	check(fd >= 0);
	check(dup2(fd, BASE + i) == BASE + i);
	close(fd);
}

static void change(struct rng *r)
{
	static const int ops[] = {EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL};
	int i = (int)below(r, EPOLLS), j = (int)below(r, FILES);
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = (uint32_t)j};

	if (epoll_ctl(BASE + i, ops[below(r, 4)], BASE + j, &ev))
		check(errno == EEXIST || errno == ENOENT || errno == ELOOP || errno == EINVAL);
}

static void look(struct rng *r)
{
	struct pollfd p[FILES];
	struct epoll_event ev[4];
	int n;

	if (below(r, 2)) {
		n = epoll_wait(BASE + (int)below(r, EPOLLS), ev, 1 + (int)below(r, 4),
			       (int)below(r, 2));
		check(n >= 0);
		for (int i = 0; i < n; i++)
			check(ev[i].events == EPOLLIN && ev[i].data.u32 < FILES);
		return;
	}
	for (int i = 0; i < FILES; i++)
		p[i] = (struct pollfd){BASE + i, POLLIN, 0};
	check(poll(p, FILES, (int)below(r, 2)) >= 0);
}

static void step(struct rng *r)
{
	int source = BASE + EPOLLS + (int)below(r, SOURCES);
	unsigned what = below(r, 16);
	eventfd_t v;

	if (what < 6)
		change(r);
	else if (what < 9)
		look(r);
	else if (what < 12)
		check(!eventfd_write(source, 1));
	else if (what < 15)
		check(!eventfd_read(source, &v) || errno == EAGAIN);
	else
		replace((int)below(r, FILES));
}

/* ---- what must hold when all have stopped ---- */

static bool watches[EPOLLS][FILES];

static void read_graph(void)
{
	char path[64], line[256];
	int fd;
	FILE *f;

	memset(watches, 0, sizeof(watches));
	for (int i = 0; i < EPOLLS; i++) {
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", BASE + i);
		f = fopen(path, "r");
		check(f);
		while (fgets(line, sizeof(line), f)) {
			if (sscanf(line, "tfd: %d", &fd) != 1)
				continue;
			check(fd >= BASE && fd < BASE + FILES && !watches[i][fd - BASE]);
			watches[i][fd - BASE] = true;
		}
		fclose(f);
	}
}

/* How many epolls the longest chain from here has; *ready: is a source at an end of one readable? */
static int chain(int i, int depth, bool *ready)
{
	struct pollfd p = {BASE + i, POLLIN, 0};
	int longest = 0;

	if (!is_epoll(i)) {
		*ready |= poll(&p, 1, 0) == 1;
		return 0;
	}
	check(depth < DEEPEST);
	for (int j = 0; j < FILES; j++) {
		if (watches[i][j]) {
			int below_j = chain(j, depth + 1, ready);

			longest = below_j > longest ? below_j : longest;
		}
	}
	return longest + 1;
}

static void inspect(void)
{
	read_graph();
	for (int i = 0; i < EPOLLS; i++) {
		struct pollfd p = {BASE + i, POLLIN, 0};
		bool ready = false;

		check(chain(i, 0, &ready) <= DEEPEST);
		if ((poll(&p, 1, 0) == 1) != ready)
			fail("epoll %d is %sreadable", i, ready ? "not " : "");
	}
}

int main(int argc, char **argv)
{
	start(argc, argv, 4);
	for (int i = 0; i < FILES; i++)
		replace(i);
	run_rounds(&(struct rounds){OPS, step, inspect});
	return 0;
}
