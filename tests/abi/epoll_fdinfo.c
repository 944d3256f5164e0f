/* Rules 31, 32: what /proc says of an epoll. */
#include "epoll.h"

static bool read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return false;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = 0;
	close(fd);
	return true;
}

static int count(const char *text, const char *what)
{
	int n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

/* Is there a line for @fd as the kernel prints it, up to the numbers that differ everywhere? */
static bool has_line(const char *text, int fd, uint32_t events, uint64_t data)
{
	char line[128];
	long long pos;
	unsigned long ino;
	unsigned sdev;
	int end = 0;
	const char *at;

	snprintf(line, sizeof(line), "tfd: %8d events: %8x data: %16llx ", fd, events,
		 (unsigned long long)data);
	at = strstr(text, line);
	if (!at)
		return false;
	at += strlen(line);
	return sscanf(at, " pos:%lli ino:%lx sdev:%x%n", &pos, &ino, &sdev, &end) == 3 && end &&
	       at[end] == '\n' && pos == 0;
}

int main(void)
{
	static char text[65536];
	int ep = must(epoll_create1(0)), e = must(eventfd(3, 0)), p[2];
	char path[64], name[64] = "";
	long max;

	must(pipe(p));
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", getpid(), ep);
	ok(read_file(path, text, sizeof(text)), "fdinfo of an epoll");
	ok(strncmp(text, "pos:\t0\nflags:\t02\n", 17) == 0, "position and flags");
	ok(count(text, "tfd:") == 0, "nothing watched, no line");
	must(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 0x123456789abcull));
	must(ctl(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLET, 1));
	must(ctl(ep, EPOLL_CTL_ADD, e, EPOLLIN | EPOLLONESHOT, 2));
	ok(read_file(path, text, sizeof(text)) && count(text, "tfd:") == 3, "a line an entry");
	ok(has_line(text, p[0], EPOLLIN | EPOLLERR | EPOLLHUP, 0x123456789abcull),
	   "number, mask with ERR and HUP, data");
	ok(has_line(text, p[1], EPOLLOUT | EPOLLET | EPOLLERR | EPOLLHUP, 1), "edge-triggered");
	ok(has_line(text, e, EPOLLIN | EPOLLONESHOT | EPOLLERR | EPOLLHUP, 2), "one-shot, armed");
	{
		struct epoll_event ev[4];

		ok(epoll_wait(ep, ev, 4, 0) == 2, "two are ready");
	}
	must(read_file(path, text, sizeof(text)) ? 0 : -1);
	ok(has_line(text, e, EPOLLONESHOT, 2), "one-shot, fired: an empty mask");
	must(ep_del(ep, p[0]));
	must(close(p[1]));
	must(read_file(path, text, sizeof(text)) ? 0 : -1);
	ok(count(text, "tfd:") == 1, "what is removed or closed has no line");

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), ep);
	ok(readlink(path, name, sizeof(name) - 1) > 0 && !strcmp(name, "anon_inode:[eventpoll]"),
	   "its name in fd");
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", getpid(), e);
	ok(read_file(path, text, sizeof(text)) && strstr(text, "eventfd-count:                3\n"),
	   "fdinfo of an eventfd shows its count");
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), e);
	memset(name, 0, sizeof(name));
	ok(readlink(path, name, sizeof(name) - 1) > 0 && !strcmp(name, "anon_inode:[eventfd]"),
	   "the name of an eventfd");
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), p[0]);
	memset(name, 0, sizeof(name));
	ok(readlink(path, name, sizeof(name) - 1) > 0 && !strncmp(name, "pipe:[", 6),
	   "the name of a pipe");
	ok(read_file("/proc/sys/fs/epoll/max_user_watches", text, sizeof(text)) &&
		   (max = atol(text)) > 1000,
	   "the limit on watches");
	return tap_done();
}
