/* Ancillary data: open files and credentials over UNIX sockets. unix(7), cmsg(3). */
#include "tap.h"
#include "unix.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static union {
	char buf[2048];
	struct cmsghdr align;
} control;
static char data[64];
static struct iovec iov = {data, 1};
static struct msghdr msg;

static struct msghdr *message(size_t room)
{
	memset(&msg, 0, sizeof(msg));
	iov.iov_len = 1;
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = control.buf;
	msg.msg_controllen = room;
	return &msg;
}

static ssize_t send_fds(int to, const int *fds, int n)
{
	struct cmsghdr *c;

	message(CMSG_SPACE(sizeof(int) * n));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	/* musl's sendmsg() has less room than the kernel. */
	return syscall(SYS_sendmsg, to, &msg, MSG_NOSIGNAL);
}

static ssize_t send_fd(int to, int fd)
{
	return send_fds(to, &fd, 1);
}

/* The one descriptor that comes with a byte, or -1. */
static int recv_fd(int from, int flags)
{
	struct cmsghdr *c;
	int fd;

	message(CMSG_SPACE(sizeof(int)));
	if (recvmsg(from, &msg, flags) < 0)
		return -1;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static void one(int type, const char *what)
{
	int p[2], fd;
	char buf[8];

	pair(type);
	must(pipe(p));
	ok(send_fd(a, p[1]) == 1, "%s: a pipe's end is sent", what);
	close(p[1]);
	struct pollfd pf = {p[0], POLLIN, 0};
	ok(poll(&pf, 1, 0) == 0, "%s: and open while it is on its way", what);
	fd = recv_fd(b, 0);
	ok(fd > 2 && fcntl(fd, F_GETFD) == 0, "%s: received", what);
	ok(msg.msg_controllen == CMSG_SPACE(sizeof(int)) && msg.msg_flags == 0,
	   "%s: length and flags", what);
	ok(write(fd, "pipe", 4) == 4 && read(p[0], buf, 8) == 4, "%s: it works", what);
	ok(send_fd(a, fd) == 1, "%s: sent again", what);
	close(fd);
	fd = recv_fd(b, MSG_CMSG_CLOEXEC);
	ok(fcntl(fd, F_GETFD) == FD_CLOEXEC, "%s: MSG_CMSG_CLOEXEC", what);
	ok(msg.msg_flags == MSG_CMSG_CLOEXEC, "%s: is shown in the flags", what);
	must(send_fd(a, fd));
	close(fd);
	ok(read(b, buf, 8) == 1, "%s: a read() that asks for no files", what);
	ok(read(p[0], buf, 8) == 0, "%s: closes them", what);
	close(p[0]);
	close_pair();
}

static void many(void)
{
	int fds[300], got, n;
	struct cmsghdr *c;

	pair(SOCK_STREAM);
	for (int i = 0; i < 300; i++)
		fds[i] = a;
	ok(send_fds(a, fds, 253) == 1, "253 files in a message");
	fails(send_fds(a, fds, 254), EINVAL);
	fds[3] = -1;
	fails(send_fds(a, fds, 4), EBADF);
	message(CMSG_SPACE(sizeof(int) * 253));
	ok(recvmsg(b, &msg, 0) == 1 && msg.msg_flags == 0, "all are received");
	c = CMSG_FIRSTHDR(&msg);
	n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	ok(n == 253, "253 of them");
	for (int i = 0; i < n; i++) {
		memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(got));
		close(got);
	}
	fds[3] = a;
	must(send_fds(a, fds, 5));
	message(CMSG_LEN(sizeof(int) * 2));
	ok(recvmsg(b, &msg, 0) == 1 && msg.msg_flags == MSG_CTRUNC, "no room for all: MSG_CTRUNC");
	c = CMSG_FIRSTHDR(&msg);
	ok(c->cmsg_len == CMSG_LEN(sizeof(int) * 2), "two came");
	for (int i = 0; i < 2; i++) {
		memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(got));
		close(got);
	}
	must(send_fds(a, fds, 5));
	message(0);
	msg.msg_control = NULL;
	ok(recvmsg(b, &msg, 0) == 1 && msg.msg_flags == MSG_CTRUNC, "no room at all");
	close_pair();
}

/* Bytes of a stream are not read past the ones that files came with. */
static void borders(void)
{
	int fd;
	char buf[16];

	pair(SOCK_STREAM);
	must(write(a, "ab", 2));
	must(send_fd(a, a));
	must(write(a, "cd", 2));
	message(sizeof(control.buf));
	iov = (struct iovec){buf, 16};
	ok(recvmsg(b, &msg, 0) == 3, "up to the byte with the file");
	ok(CMSG_FIRSTHDR(&msg) != NULL, "which comes with it");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	close(fd);
	ok(read(b, buf, 16) == 2, "then the rest");
	must(send_fd(a, a));
	fd = recv_fd(b, MSG_PEEK);
	ok(fd > 2, "MSG_PEEK gives a file");
	close(fd);
	iov = (struct iovec){data, 1};
	fd = recv_fd(b, 0);
	ok(fd > 2, "and leaves it there");
	close(fd);
	close_pair();
	iov = (struct iovec){data, 1};
}

static void kinds(void)
{
	int ep = must(epoll_create1(0)), p[2], fd, dir;
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = 7};
	struct stat st, st2;

	pair(SOCK_STREAM);
	must(pipe(p));
	must(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	must(send_fd(a, ep));
	close(ep);
	fd = recv_fd(b, 0);
	must(write(p[1], "x", 1));
	ok(epoll_wait(fd, &ev, 1, 0) == 1 && ev.data.u32 == 7, "an epoll keeps what it watches");
	fails(epoll_ctl(fd, EPOLL_CTL_ADD, p[0], &ev), EEXIST);
	close(fd);
	dir = must(open("/", O_PATH | O_DIRECTORY));
	must(send_fd(a, dir));
	fd = recv_fd(b, 0);
	ok(!fstat(dir, &st) && !fstat(fd, &st2) && st.st_ino == st2.st_ino, "an O_PATH descriptor");
	fails(read(fd, data, 1), EBADF);
	close(fd);
	close(dir);
	must(send_fd(a, b));
	fd = recv_fd(b, 0);
	must(write(a, "s", 1));
	ok(read(fd, data, 1) == 1 && data[0] == 's', "a UNIX socket over itself");
	close(fd);
	close(p[0]);
	close(p[1]);
	close_pair();
}

static void malformed(void)
{
	struct cmsghdr *c;
	int in = must(socket(AF_INET, SOCK_DGRAM, 0));

	pair(SOCK_DGRAM);
	message(CMSG_SPACE(sizeof(int)));
	c = CMSG_FIRSTHDR(&msg);
	*c = (struct cmsghdr){.cmsg_len = 5, .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	fails(sendmsg(a, &msg, 0), EINVAL);
	c->cmsg_len = 1000;
	fails(sendmsg(a, &msg, 0), EINVAL);
	c->cmsg_len = CMSG_LEN(sizeof(int));
	c->cmsg_type = 77;
	fails(sendmsg(a, &msg, 0), EINVAL);
	c->cmsg_type = SCM_CREDENTIALS;
	fails(sendmsg(a, &msg, 0), EINVAL);
	c->cmsg_level = 99;
	ok(sendmsg(a, &msg, 0) == 1, "another level is not ours");
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(0);
	ok(sendmsg(a, &msg, 0) == 1, "no descriptors are fine");
	msg.msg_control = (void *)8;
	fails(syscall(SYS_sendmsg, a, &msg, 0), EFAULT);
	close_pair();
	close(in);
}

static struct ucred *got_cred(void)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS ||
	    c->cmsg_len != CMSG_LEN(sizeof(struct ucred)))
		return NULL;
	return (struct ucred *)CMSG_DATA(c);
}

static ssize_t send_cred(int to, pid_t pid, uid_t uid)
{
	struct ucred cred = {pid, uid, getgid()};
	struct cmsghdr *c;

	message(CMSG_SPACE(sizeof(cred)));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	c->cmsg_len = CMSG_LEN(sizeof(cred));
	memcpy(CMSG_DATA(c), &cred, sizeof(cred));
	return sendmsg(to, &msg, 0);
}

static void credentials(void)
{
	struct ucred *c;
	int on = 1, off = 0, status;
	pid_t pid;

	pair(SOCK_STREAM);
	must(write(a, "0", 1));
	must(setsockopt(b, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	must(write(a, "1", 1));
	message(sizeof(control.buf));
	iov.iov_len = 8;
	ok(recvmsg(b, &msg, 0) == 1 && data[0] == '0', "different credentials are not mixed");
	c = got_cred();
	ok(c && c->pid == 0 && c->uid == 65534, "what came before SO_PASSCRED has none");
	message(sizeof(control.buf));
	must(recvmsg(b, &msg, 0));
	c = got_cred();
	ok(c && c->pid == getpid() && c->uid == getuid() && c->gid == getgid(), "SO_PASSCRED");
	message(0);
	msg.msg_control = NULL;
	must(write(a, "2", 1));
	ok(recvmsg(b, &msg, 0) == 1 && msg.msg_flags == MSG_CTRUNC, "no room for them");
	message(CMSG_LEN(4));
	must(write(a, "2", 1));
	ok(recvmsg(b, &msg, 0) == 1 && msg.msg_flags == MSG_CTRUNC &&
		   msg.msg_controllen == CMSG_LEN(4),
	   "little room");
	pid = must(fork());
	if (!pid)
		_exit(write(a, "3", 1) == 1 ? 0 : 1);
	must(waitpid(pid, &status, 0));
	must(write(a, "4", 1));
	message(sizeof(control.buf));
	iov.iov_len = 8;
	ok(recvmsg(b, &msg, 0) == 1 && got_cred() && got_cred()->pid == pid, "the child's");
	message(sizeof(control.buf));
	ok(recvmsg(b, &msg, 0) == 1 && got_cred() && got_cred()->pid == getpid(), "and ours");
	ok(send_cred(a, getpid(), getuid()) == 1, "SCM_CREDENTIALS by hand");
	message(sizeof(control.buf));
	ok(recvmsg(b, &msg, 0) == 1 && got_cred() && got_cred()->pid == getpid(), "are received");
	must(setsockopt(b, SOL_SOCKET, SO_PASSCRED, &off, sizeof(off)));
	must(send_cred(a, getpid(), getuid()));
	message(sizeof(control.buf));
	ok(recvmsg(b, &msg, 0) == 1 && !got_cred(), "only if they are wanted");
	pid = must(fork());
	if (!pid) {
		if (!getuid())
			must(setuid(65534));
		fails(send_cred(a, 1, getuid()), EPERM);
		fails(send_cred(a, getpid(), 12345), EPERM);
		_exit(tap_failed);
	}
	must(waitpid(pid, &status, 0));
	tap_count += 2;
	ok(status == 0, "nobody can pretend to be another");
	close_pair();
}

/* What is in flight is limited like what is open. */
static void too_many(void)
{
	struct rlimit lim = {20, 20};
	int status, n;
	pid_t pid;

	pair(SOCK_DGRAM);
	must(fcntl(a, F_SETFL, O_NONBLOCK));
	pid = must(fork());
	if (!pid) {
		int fds[8] = {a, a, a, a, a, a, a, a};

		must(setrlimit(RLIMIT_NOFILE, &lim));
		if (!getuid())
			must(setuid(65534));
		for (n = 0; n < 10; n++)
			if (send_fds(a, fds, 8) != 1)
				break;
		_exit(n < 4 && errno == ETOOMANYREFS ? 0 : 1);
	}
	must(waitpid(pid, &status, 0));
	ok(status == 0, "ETOOMANYREFS");
	close_pair();
	lim.rlim_cur = lim.rlim_max = 12;
	pair(SOCK_DGRAM);
	pid = must(fork());
	if (!pid) {
		int fds[8] = {a, a, a, a, a, a, a, a};

		for (n = 3; n < 64; n++)
			if (n != a && n != b)
				close(n);
		must(setrlimit(RLIMIT_NOFILE, &lim));
		must(send_fds(a, fds, 8));
		message(sizeof(control.buf));
		must(recvmsg(b, &msg, 0));
		n = (int)((CMSG_FIRSTHDR(&msg)->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		_exit(n == 7 && msg.msg_flags == MSG_CTRUNC ? 0 : 1);
	}
	must(waitpid(pid, &status, 0));
	ok(status == 0, "a full descriptor table: what fits, and MSG_CTRUNC");
	close_pair();
}

/* Cycles that nobody can reach: a pipe in the message tells when they are collected. */
static void cycles(void)
{
	struct pollfd pf;
	int p[2], x, y;

	must(pipe(p));
	pair(SOCK_STREAM);
	int both[2] = {a, p[1]};
	must(send_fds(b, both, 2));
	close(p[1]);
	pf = (struct pollfd){p[0], POLLIN, 0};
	ok(poll(&pf, 1, 0) == 0, "a socket in its own queue lives");
	close_pair();
	ok(poll(&pf, 1, 1000) == 1 && pf.revents == POLLHUP, "until it is closed");
	close(p[0]);

	must(pipe(p));
	pair(SOCK_DGRAM);
	x = a;
	y = b;
	pair(SOCK_DGRAM);
	int to_pair[3] = {x, y, p[1]}, to_xy[2] = {a, b};
	must(send_fds(a, to_pair, 3));
	must(send_fds(x, to_xy, 2));
	close(p[1]);
	close_pair();
	close(x);
	pf = (struct pollfd){p[0], POLLIN, 0};
	ok(poll(&pf, 1, 0) == 0, "a cycle of two that is reached from outside");
	int got[2] = {-1, -1};
	message(CMSG_SPACE(sizeof(got)));
	if (recvmsg(y, &msg, MSG_PEEK) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(got, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(got));
	ok(got[0] > 2 && got[1] > 2, "it can be peeked at");
	close(got[0]);
	close(y);
	ok(poll(&pf, 1, 0) == 0, "a peeked file holds it");
	close(got[1]);
	/* Linux looks for garbage when some UNIX socket goes away. */
	pair(SOCK_STREAM);
	close_pair();
	ok(poll(&pf, 1, 1000) == 1 && pf.revents == POLLHUP, "and then it is collected");
	close(p[0]);
}

/* A chain of sockets, each in the next one's queue: closed from one end. */
static void chain(void)
{
	struct pollfd pf;
	int p[2], last;

	must(pipe(p));
	pair(SOCK_STREAM);
	must(send_fd(a, p[1]));
	close(p[1]);
	close(a);
	last = b;
	for (int i = 0; i < 2000; i++) {
		pair(SOCK_STREAM);
		must(send_fd(a, last));
		close(last);
		close(a);
		last = b;
	}
	pf = (struct pollfd){p[0], POLLIN, 0};
	ok(poll(&pf, 1, 0) == 0, "a chain of 2000 sockets");
	close(last);
	ok(poll(&pf, 1, 10000) == 1 && pf.revents == POLLHUP, "falls");
	close(p[0]);
}

int main(void)
{
	one(SOCK_STREAM, "stream");
	one(SOCK_DGRAM, "dgram");
	one(SOCK_SEQPACKET, "seqpacket");
	many();
	borders();
	kinds();
	malformed();
	credentials();
	too_many();
	cycles();
	chain();
	return tap_done();
}
