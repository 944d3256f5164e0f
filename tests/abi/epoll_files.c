/*
 * Rules 2, 28, 30: files that have no poll operation are EPERM for an epoll and always ready for
 * poll() and select(). Which ones have it is as on Linux: devices and processes' files mostly not,
 * the system's files in /proc do.
 */
#include "epoll.h"

#include <sys/mman.h>
#include <sys/select.h>

#define ALL \
	(EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | \
	 EPOLLRDHUP)

static int ep;

static const char *answer_of_select(int fd)
{
	static const char *const names[] = {"none", "r", "w", "rw"};
	fd_set in, out, ex;
	struct timeval now = {0, 0};

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&ex);
	FD_SET(fd, &in);
	FD_SET(fd, &out);
	FD_SET(fd, &ex);
	if (select(fd + 1, &in, &out, &ex, &now) < 0 || FD_ISSET(fd, &ex))
		return "odd";
	return names[(FD_ISSET(fd, &in) ? 1 : 0) + (FD_ISSET(fd, &out) ? 2 : 0)];
}

/* The answers are in the text, which must be the same on both systems. */
static void look(const char *name, int fd)
{
	struct pollfd p = {fd, (short)ALL, 0};
	struct epoll_event ev = {0};
	int added = ep_add(ep, fd, ALL), err = errno;

	if (added == 0) {
		epoll_wait(ep, &ev, 1, 0);
		must(ep_del(ep, fd));
	}
	must(poll(&p, 1, 0));
	ok(added == 0 || err == EPERM, "%s: epoll %s %x, poll %x, select %s", name,
	   added ? "EPERM" : "ready", ev.events, p.revents, answer_of_select(fd));
	ok(added == 0 ? ev.events == (uint32_t)p.revents : p.revents & POLLIN,
	   "%s: poll says the same, or that it is ready", name);
	close(fd);
}

int main(void)
{
	static const char *const paths[] = {
		"/",
		"/dev/null",
		"/dev/zero",
		"/dev/full",
		"/dev/random",
		"/dev/urandom",
		"/proc",
		"/proc/self/fd",
		"/proc/self/status",
		"/proc/self/maps",
		"/proc/self/stat",
		"/proc/self/cmdline",
		"/proc/self/environ",
		"/proc/self/fdinfo/1",
		"/proc/self/mountinfo",
		"/proc/mounts",
		"/proc/uptime",
		"/proc/meminfo",
		"/proc/interrupts",
		"/proc/stat",
		"/proc/net/tcp",
		"/proc/net/dev",
		"/proc/sys/kernel/hostname",
		"/proc/sys/fs/epoll/max_user_watches",
	};
	int fd;

	ep = must(epoll_create1(0));
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		look(paths[i], must(open(paths[i], O_RDONLY | O_NONBLOCK)));
	look("/dev/null for writing", must(open("/dev/null", O_WRONLY)));
	fd = must(memfd_create("m", 0));
	must(ftruncate(fd, 100));
	look("a memfd", fd);
	look("an executable file", must(open("/proc/self/exe", O_RDONLY)));
	fd = must(open("/dev/null", O_PATH));
	fails(ep_add(ep, fd, EPOLLIN), EBADF);
	ok(poll(&(struct pollfd){fd, POLLIN, 0}, 1, 0) == 1, "O_PATH: not open for poll() either");
	close(fd);
	return tap_done();
}
