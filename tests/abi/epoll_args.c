/* Rules 1, 2, 3, 5, 20: what epoll_create, epoll_ctl and epoll_wait refuse, and what they accept. */
#include "epoll.h"

#include <limits.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <termios.h>

#define KERNEL_ADDRESS ((void *)0xffff888000000000ul)

static void creation(void)
{
	int fd;

	fails(syscall(SYS_epoll_create, 0), EINVAL);
	fails(syscall(SYS_epoll_create, -1), EINVAL);
	fd = syscall(SYS_epoll_create, 1);
	ok(fd >= 0, "epoll_create(1)");
	ok(fcntl(fd, F_GETFD) == 0, "it is not close-on-exec");
	close(fd);
	fd = epoll_create1(EPOLL_CLOEXEC);
	ok(fd >= 0, "epoll_create1(EPOLL_CLOEXEC)");
	ok(fcntl(fd, F_GETFD) == FD_CLOEXEC, "it is close-on-exec");
	ok((fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == O_RDWR, "it is open for both");
	close(fd);
	fails(epoll_create1(1), EINVAL);
	fails(epoll_create1(O_NONBLOCK), EINVAL);
	fails(epoll_create1(EPOLL_CLOEXEC | 1), EINVAL);
}

static void out_of_numbers(void)
{
	struct rlimit old, low;

	must(getrlimit(RLIMIT_NOFILE, &old));
	low = old;
	low.rlim_cur = 3;
	must(setrlimit(RLIMIT_NOFILE, &low));
	fails(epoll_create1(0), EMFILE);
	must(setrlimit(RLIMIT_NOFILE, &old));
}

static void control(int ep, int p[2])
{
	struct epoll_event ev = {.events = EPOLLIN};
	int ep2 = must(epoll_create1(0)), dup_ep = must(dup(ep));
	int dir = must(open("/", O_RDONLY | O_DIRECTORY)), path = must(open("/", O_PATH));

	ok(sizeof(struct epoll_event) == 12, "struct epoll_event has 12 bytes");
	fails(ep_add(-1, p[0], EPOLLIN), EBADF);
	fails(ep_add(999, p[0], EPOLLIN), EBADF);
	fails(ep_add(ep, -1, EPOLLIN), EBADF);
	fails(ep_add(ep, 999, EPOLLIN), EBADF);
	fails(ep_add(ep, path, EPOLLIN), EBADF);
	fails(ep_add(path, p[0], EPOLLIN), EBADF);
	fails(ep_add(p[1], p[0], EPOLLIN), EINVAL);
	fails(ep_add(dir, p[0], EPOLLIN), EINVAL);
	fails(ep_add(ep, ep, EPOLLIN), EINVAL);
	fails(ep_add(ep, dup_ep, EPOLLIN), EINVAL);
	fails(ep_add(ep, dir, EPOLLIN), EPERM);
	fails(ep_del(ep, dir), EPERM);
	fails(epoll_ctl(ep, 0, p[0], &ev), EINVAL);
	fails(epoll_ctl(ep, 4, p[0], &ev), EINVAL);
	fails(epoll_ctl(ep, -1, p[0], &ev), EINVAL);
	fails(ep_mod(ep, p[0], EPOLLIN), ENOENT);
	fails(ep_del(ep, p[0]), ENOENT);
	fails(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], NULL), EFAULT);
	fails(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], KERNEL_ADDRESS), EFAULT);
	fails(epoll_ctl(999, EPOLL_CTL_ADD, 999, NULL), EFAULT);
	fails(epoll_ctl(ep, 4, p[0], NULL), EFAULT);
	ok(ep_add(ep, p[0], EPOLLIN) == 0, "ADD");
	fails(ep_add(ep, p[0], EPOLLIN), EEXIST);
	fails(ep_add(ep, p[0], EPOLLOUT), EEXIST);
	fails(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], NULL), EFAULT);
	ok(ep_mod(ep, p[0], EPOLLIN | EPOLLET) == 0, "MOD");
	ok(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL) == 0, "DEL without an event");
	fails(ep_del(ep, p[0]), ENOENT);
	fails(ep_mod(ep, p[0], EPOLLIN), ENOENT);
	ok(ep_add(ep, p[0], 0) == 0, "ADD with an empty mask");
	ok(ep_mod(ep, p[0],
		  EPOLLIN | EPOLLWAKEUP | EPOLLMSG | EPOLLPRI | EPOLLRDHUP | EPOLLRDBAND |
			  EPOLLWRBAND) == 0,
	   "MOD with EPOLLWAKEUP, EPOLLMSG and others");
	ok(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], (void *)1) == 0, "DEL does not look at the event");
	ok(ep_add(ep, ep2, EPOLLIN) == 0, "ADD of another epoll");
	close(ep2);
	close(dup_ep);
	close(dir);
	close(path);
}

static int regular_file(void)
{
	const char *name = "/tmp/epoll_args.tmp";
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0) {
		name = "epoll_args.tmp";
		fd = must(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));
	}
	unlink(name);
	return fd;
}

static void waiting(int ep, int p[2])
{
	static struct epoll_event low[4]; /* with two gigabytes of addresses above it */
	struct epoll_event ev[4];
	struct stat st;
	int file = regular_file(), null = must(open("/dev/null", O_RDWR));
	void *ro;

	fails(ep_add(ep, file, EPOLLIN), EPERM);
	fails(ep_add(ep, null, EPOLLIN), EPERM);
	fails(epoll_wait(-1, ev, 4, 0), EBADF);
	fails(epoll_wait(999, ev, 4, 0), EBADF);
	fails(epoll_wait(p[0], ev, 4, 0), EINVAL);
	fails(epoll_wait(file, ev, 4, 0), EINVAL);
	fails(epoll_wait(ep, ev, 0, 0), EINVAL);
	fails(epoll_wait(ep, ev, -1, 0), EINVAL);
	fails(epoll_wait(ep, ev, INT_MAX, 0), EINVAL);
	fails(epoll_wait(ep, ev, INT_MAX / 12 + 1, 0), EINVAL);
	ok(epoll_wait(ep, low, INT_MAX / 12, 0) == 0, "the largest maxevents");
	fails(epoll_wait(ep, KERNEL_ADDRESS, 1, 0), EFAULT);
	ok(epoll_wait(ep, ev, 4, 0) == 0, "an empty epoll has nothing");
	ok(epoll_wait(ep, NULL, 4, 0) == 0, "the buffer is not touched if nothing is delivered");

	must(ep_add(ep, p[1], EPOLLOUT));
	ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fails(epoll_wait(ep, NULL, 4, 0), EFAULT);
	fails(epoll_wait(ep, ro, 4, 0), EFAULT);
	ok(one(ep, EPOLLOUT, (uint64_t)p[1]), "the event is still there");
	must(ep_del(ep, p[1]));

	ok(fstat(ep, &st) == 0 && (st.st_mode & 07777) == 0600, "fstat of an epoll");
	fails(read(ep, ev, sizeof(ev)), EINVAL);
	fails(write(ep, ev, sizeof(ev)), EINVAL);
	close(file);
	close(null);
}

/* An epoll where another file would do. */
static void as_a_file(int ep)
{
	struct epoll_event ev;
	int64_t start = now_ns();

	ok(lseek(ep, 5, SEEK_SET) == 0, "seeking in an epoll goes nowhere");
	fails((long)mmap(NULL, 4096, PROT_READ, MAP_SHARED, ep, 0), ENODEV);
	fails(fsync(ep), EINVAL);
	fails(ftruncate(ep, 0), EINVAL);
	fails(fchdir(ep), ENOTDIR);
	ok(fcntl(ep, F_SETFL, O_NONBLOCK) == 0 && epoll_wait(ep, &ev, 1, 20) == 0 &&
		   now_ns() - start >= 20000000,
	   "O_NONBLOCK does not concern epoll_wait()");
}

static void masks(int ep, int p[2])
{
	must(ep_add(ep, p[0], EPOLLRDNORM));
	must(ep_add(ep, p[1], EPOLLWRNORM));
	ok(one(ep, EPOLLWRNORM, (uint64_t)p[1]), "EPOLLWRNORM goes with EPOLLOUT");
	must(ep_mod(ep, p[1], EPOLLOUT | EPOLLWRNORM));
	ok(one(ep, EPOLLOUT | EPOLLWRNORM, (uint64_t)p[1]), "only bits that were asked for come");
	must(ep_mod(ep, p[1], EPOLLIN));
	put(p[1]);
	ok(one(ep, EPOLLRDNORM, (uint64_t)p[0]), "EPOLLRDNORM goes with EPOLLIN");
	must(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN, 0x0123456789abcdefull));
	ok(one(ep, EPOLLIN, 0x0123456789abcdefull), "64 bits of data come back");
}

/* EPOLLPRI: a pty master in packet mode has something urgent to say when its slave is flushed. */
static void urgent(int ep)
{
	int m = must(posix_openpt(O_RDWR | O_NOCTTY)), s, on = 1;
	char c;

	must(grantpt(m));
	must(unlockpt(m));
	s = must(open(ptsname(m), O_RDWR | O_NOCTTY));
	must(ioctl(m, TIOCPKT, &on));
	must(ep_add(ep, m, EPOLLPRI));
	ok(none(ep), "nothing urgent");
	must(tcflush(s, TCIFLUSH));
	ok(one(ep, EPOLLPRI, (uint64_t)m), "EPOLLPRI, without EPOLLIN if that was not asked for");
	must(ep_mod(ep, m, EPOLLIN | EPOLLPRI));
	ok(one(ep, EPOLLIN | EPOLLPRI, (uint64_t)m), "and with it if it was");
	ok(read(m, &c, 1) == 1 && c == TIOCPKT_FLUSHREAD && none(ep), "until it is read");
	close(s);
	close(m);
}

int main(void)
{
	int ep = must(epoll_create1(0)), p[2];

	must(pipe(p));
	creation();
	out_of_numbers();
	control(ep, p);
	waiting(ep, p);
	as_a_file(epoll_create1(0));
	masks(ep, p);
	urgent(epoll_create1(0));
	return tap_done();
}
