/* Rule 11: an epoll is an open file: fork and dup share it, exec closes it only if told to. */
#include "epoll.h"

#include <sys/socket.h>

static void dup_shares(void)
{
	int ep = must(epoll_create1(0)), ep2 = must(dup(ep)), p[2];

	must(pipe(p));
	must(ep_add(ep, p[0], EPOLLIN | EPOLLET));
	put(p[1]);
	ok(one(ep2, EPOLLIN, (uint64_t)p[0]), "an event comes through a dup of the epoll");
	ok(none(ep), "and is gone from the original");
	fails(ep_add(ep2, p[0], EPOLLIN), EEXIST);
	must(close(ep));
	put(p[1]);
	ok(one(ep2, EPOLLIN, (uint64_t)p[0]), "which may be closed");
	close(ep2);
	close(p[0]);
	close(p[1]);
}

static void fork_shares(void)
{
	int ep = must(epoll_create1(0)), p[2], q[2];
	struct epoll_event ev[4];
	pid_t child;

	must(pipe(p));
	must(pipe(q));
	must(ep_add(ep, p[0], EPOLLIN | EPOLLET));
	child = must(fork());
	if (!child) {
		bool good = ctl(ep, EPOLL_CTL_ADD, q[0], EPOLLIN, 77) == 0;

		put(q[1]);
		put(p[1]);
		_exit(good ? 0 : 1);
	}
	ok(reap(child) == 0, "a child adds to the epoll of its parent");
	ok(epoll_wait(ep, ev, 4, SOON) == 2 && ev[0].data.u64 == 77 &&
		   ev[1].data.u64 == (uint64_t)p[0],
	   "and the parent sees both events, in order");
	must(ep_del(ep, q[0]));

	child = must(fork());
	if (!child) {
		put(p[1]);
		_exit(one(ep, EPOLLIN, (uint64_t)p[0]) ? 0 : 1);
	}
	ok(reap(child) == 0 && none(ep), "an edge that the child took is gone for the parent");
	close(ep);
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(q[i]);
	}
}

/* The child keeps the open file alive; the parent has closed its number. */
static void closed_here_open_there(void)
{
	int ep = must(epoll_create1(0)), p[2], go[2];
	pid_t child;

	must(pipe(p));
	must(pipe(go));
	must(ep_add(ep, p[0], EPOLLIN));
	child = must(fork());
	if (!child) {
		get(go[0]);
		_exit(0);
	}
	must(close(p[0]));
	put(p[1]);
	ok(one(ep, EPOLLIN, (uint64_t)p[0]), "closed here, open in a child: still watched");
	fails(ep_del(ep, p[0]), EBADF);
	put(go[1]);
	ok(reap(child) == 0, "the child ends");
	ok(none(ep), "and with it the open file and its entry");
	close(ep);
	close(p[1]);
	close(go[0]);
	close(go[1]);
}

static void send_fd(int sock, int fd)
{
	union {
		struct cmsghdr c;
		char room[CMSG_SPACE(sizeof(int))];
	} u = {.c = {CMSG_LEN(sizeof(int)), 0, SOL_SOCKET, SCM_RIGHTS}};
	struct iovec iov = {"f", 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &u,
			   .msg_controllen = sizeof(u.room)};

	memcpy(CMSG_DATA(&u.c), &fd, sizeof(fd));
	must(sendmsg(sock, &m, 0));
}

static int receive_fd(int sock)
{
	union {
		struct cmsghdr c;
		char room[CMSG_SPACE(sizeof(int))];
	} u;
	char c;
	struct iovec iov = {&c, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &u,
			   .msg_controllen = sizeof(u.room)};
	int fd;

	must(recvmsg(sock, &m, 0));
	memcpy(&fd, CMSG_DATA(&u.c), sizeof(fd));
	return fd;
}

/* In a process that has the epoll from its socket, and what is watched not at all. */
static int with_passed(int sock)
{
	int ep = receive_fd(sock);

	put(sock);
	if (!one(ep, EPOLLIN, 99))
		return 1;
	if (ep_del(ep, 200) != -1 || errno != EBADF)
		return 2;
	put(sock);
	get(sock);
	return none(ep) ? 0 : 3;
}

/* What an epoll watches is a matter of open files, whoever may name them. */
static void passed(void)
{
	int s[2], p[2], ep, r, status;
	pid_t child;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	child = must(fork());
	if (!child) {
		close(s[0]);
		_exit(with_passed(s[1]));
	}
	close(s[1]);
	ep = must(epoll_create1(0));
	must(pipe(p));
	r = must(fcntl(p[0], F_DUPFD, 200));
	close(p[0]);
	must(ctl(ep, EPOLL_CTL_ADD, r, EPOLLIN, 99));
	send_fd(s[0], ep);
	close(ep);
	get(s[0]);
	put(p[1]);
	get(s[0]); /* it has the event */
	close(r);  /* the last one: the item goes, in whatever process the epoll is */
	put(s[0]);
	status = reap(child);
	ok(status == 0, "an epoll sent to a process that has nothing of what it watches");
	close(p[1]);
	close(s[0]);
}

/* As the program after exec: does each of the two numbers still answer? */
static int after_exec(char **argv)
{
	struct epoll_event ev;
	int kept = atoi(argv[2]), gone = atoi(argv[3]);

	if (epoll_wait(kept, &ev, 1, 0) != 1 || ev.data.u64 != 5)
		return 1;
	if (epoll_wait(gone, &ev, 1, 0) != -1 || errno != EBADF)
		return 2;
	return 0;
}

static void exec_closes(char *self)
{
	int kept = must(epoll_create1(0)), gone = must(epoll_create1(EPOLL_CLOEXEC)), p[2];
	char a[16], b[16];
	pid_t child;

	must(pipe(p));
	must(ctl(kept, EPOLL_CTL_ADD, p[1], EPOLLOUT, 5));
	must(ctl(gone, EPOLL_CTL_ADD, p[1], EPOLLOUT, 6));
	snprintf(a, sizeof(a), "%d", kept);
	snprintf(b, sizeof(b), "%d", gone);
	child = must(fork());
	if (!child) {
		execl(self, self, "after-exec", a, b, (char *)NULL);
		_exit(9);
	}
	ok(reap(child) == 0, "exec keeps an epoll and closes one with EPOLL_CLOEXEC");
	ok(one(gone, EPOLLOUT, 6), "here it lives on");
}

int main(int argc, char **argv)
{
	if (argc == 4)
		return after_exec(argv);
	dup_shares();
	fork_shares();
	closed_here_open_there();
	exec_closes(argv[0]);
	passed();
	return tap_done();
}
