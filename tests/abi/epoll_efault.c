/* Rule 17: a bad address part of the way through the buffer loses no event. */
#include "epoll.h"

#include <sys/mman.h>

#define N    5
#define PAGE 4096

/* Room for @n events, and not a byte more, before memory that cannot be written. */
static struct epoll_event *buffer_for(char *pages, int n)
{
	return (struct epoll_event *)(pages + PAGE) - n;
}

static void part_way(uint32_t flags, const char *name)
{
	char *pages =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ep = must(epoll_create1(0)), p[N][2], n, seen = 0;
	struct epoll_event ev[N], *buf;

	must(mprotect(pages + PAGE, PAGE, PROT_NONE));
	for (int i = 0; i < N; i++) {
		must(pipe(p[i]));
		must(ctl(ep, EPOLL_CTL_ADD, p[i][0], EPOLLIN | flags, (uint64_t)i));
		put(p[i][1]);
	}
	fails(epoll_wait(ep, (void *)(pages + PAGE), N, 0), EFAULT);
	fails(epoll_wait(ep, (void *)(pages + PAGE - 6), N, 0), EFAULT);
	buf = buffer_for(pages, 2);
	n = epoll_wait(ep, buf, N, 0);
	ok(n == 2, "%s: two fit, two are returned", name);
	for (int i = 0; i < n; i++)
		seen |= 1 << buf[i].data.u64;
	n = epoll_wait(ep, ev, N, 0);
	ok(n == (flags ? 3 : N), "%s: the others are still ready", name);
	for (int i = 0; i < n; i++)
		seen |= 1 << ev[i].data.u64;
	ok(seen == (1 << N) - 1, "%s: none was lost", name);
	ok(flags ? none(ep) : !none(ep), "%s: and then as usual", name);
	for (int i = 0; i < N; i++) {
		close(p[i][0]);
		close(p[i][1]);
	}
	close(ep);
	munmap(pages, 2 * PAGE);
}

/* A page that is there only when it is touched must not count as bad. */
static void fresh_page(void)
{
	struct epoll_event *buf =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ep = must(epoll_create1(0)), p[2];

	must(pipe(p));
	must(ep_add(ep, p[1], EPOLLOUT));
	ok(epoll_wait(ep, buf, 8, 0) == 1 && buf->events == EPOLLOUT,
	   "a page never touched before");
	close(p[0]);
	close(p[1]);
	close(ep);
}

int main(void)
{
	part_way(0, "level");
	part_way(EPOLLET, "edge");
	part_way(EPOLLONESHOT, "one-shot");
	fresh_page();
	return tap_done();
}
