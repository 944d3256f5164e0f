/*
 * Urgent data of TCP, tcp(7): recv(MSG_OOB), the mark, SO_OOBINLINE, SIGURG, EPOLLPRI and the sets of
 * select(). Over the loopback interface, where what has been sent is soon there, but not at once: a
 * test waits until poll() says so.
 */
#include "tap.h"

#include "inet.h"

#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>

#define RT (SIGRTMIN + 4)

static sigset_t urg; /* SIGURG, SIGIO and RT: blocked, and taken by sigtimedwait */

/* A connection: p[0] sends at once, p[1] receives and does not wait. */
static void pair(int p[2])
{
	struct sockaddr_in a = local(0);
	int l = must(socket(AF_INET, SOCK_STREAM, 0)), on = 1;

	must(bind(l, ADDR(a)));
	must(listen(l, 1));
	a = local(port_of(l));
	p[0] = must(socket(AF_INET, SOCK_STREAM, 0));
	must(setsockopt(p[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	must(connect(p[0], ADDR(a)));
	p[1] = must(accept4(l, NULL, NULL, SOCK_NONBLOCK));
	close(l);
}

static void close_pair(int p[2])
{
	close(p[0]);
	close(p[1]);
}

static void inline_data(int fd, int on)
{
	must(setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)));
}

static void say(int fd, const char *text)
{
	must(send(fd, text, strlen(text), 0));
}

static void shout(int fd, const char *text)
{
	must(send(fd, text, strlen(text), MSG_OOB));
}

/* Waits until FIONREAD says @n. */
static bool queued(int fd, int n)
{
	int got = -1;

	for (int i = 0; i < 1000; i++) {
		must(ioctl(fd, FIONREAD, &got));
		if (got == n)
			return true;
		poll(NULL, 0, 10);
	}
	printf("# FIONREAD says %d, not %d\n", got, n);
	return false;
}

/* Does a recv() with these flags give just this? */
static bool gives(int fd, const char *text, int flags)
{
	char buf[64] = "";
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, flags);

	if (n == (ssize_t)strlen(text) && !memcmp(buf, text, (size_t)n))
		return true;
	printf("# recv: %zd \"%s\", not \"%s\"\n", n, buf, text);
	return false;
}

#define READABLE (POLLIN | POLLRDNORM)
#define WRITABLE (POLLOUT | POLLWRNORM)

static void test_basic(void)
{
	char c;
	int p[2];

	pair(p);
	fails(recv(p[1], &c, 1, MSG_OOB), EINVAL);
	ok(sockatmark(p[1]) == 0, "no mark at first");
	say(p[0], "abc");
	shout(p[0], "d");
	say(p[0], "efg");
	ok(becomes(p[1], READABLE | WRITABLE | POLLPRI), "poll says POLLIN and POLLPRI");
	ok(queued(p[1], 3), "FIONREAD counts up to the mark");
	ok(sockatmark(p[1]) == 0, "the mark is further on");
	ok(gives(p[1], "d", MSG_OOB | MSG_PEEK), "peeked at");
	ok(gives(p[1], "d", MSG_OOB), "taken out of turn");
	ok(becomes(p[1], READABLE | WRITABLE), "then no more POLLPRI");
	fails(recv(p[1], &c, 1, MSG_OOB), EINVAL);
	ok(recv(p[1], &c, 1, 0) == 1 && c == 'a' && queued(p[1], 2), "reading before the mark");
	ok(gives(p[1], "bc", 0), "stops at the mark");
	ok(sockatmark(p[1]) == 1, "here it is");
	ok(queued(p[1], 0), "FIONREAD: nothing before it");
	ok(gives(p[1], "efg", MSG_PEEK), "a peek at the mark leaves the byte out");
	ok(sockatmark(p[1]) == 1, "and stays there");
	ok(gives(p[1], "efg", 0), "a read passes it");
	ok(sockatmark(p[1]) == 0, "and it is gone");
	fails(recv(p[1], &c, 1, MSG_OOB), EINVAL);
	close_pair(p);
}

/* Only the last byte of a message is urgent. */
static void test_last_byte(void)
{
	struct msghdr m = {0};
	struct iovec iov;
	char buf[8];
	int p[2];

	pair(p);
	shout(p[0], "abcde");
	ok(becomes(p[1], READABLE | WRITABLE | POLLPRI) && queued(p[1], 4),
	   "five bytes, the last urgent");
	ok(gives(p[1], "abcd", MSG_PEEK), "a peek stops at the mark");
	iov = (struct iovec){buf, sizeof(buf)};
	m.msg_iov = &iov;
	m.msg_iovlen = 1;
	ok(recvmsg(p[1], &m, MSG_OOB | MSG_PEEK) == 1 && buf[0] == 'e' && (m.msg_flags & MSG_OOB),
	   "recvmsg sets MSG_OOB");
	iov.iov_len = 0;
	ok(recvmsg(p[1], &m, MSG_OOB | MSG_PEEK) == 0 && m.msg_flags == (MSG_OOB | MSG_TRUNC),
	   "without room: MSG_TRUNC");
	ok(recv(p[1], buf, 8, MSG_OOB | MSG_PEEK | MSG_TRUNC) == 1, "MSG_TRUNC counts it");
	ok(gives(p[1], "abcd", 0), "a read stops at the mark");
	fails(recv(p[1], buf, 1, 0), EAGAIN);
	fails(recv(p[1], buf, 1, MSG_OOB), EINVAL);
	say(p[0], "f");
	ok(becomes(p[1], READABLE | WRITABLE) && gives(p[1], "f", 0),
	   "a read that finds nothing behind the byte has passed it all the same");
	close_pair(p);
}

static void test_at_mark(void)
{
	char c;
	int p[2];

	pair(p);
	shout(p[0], "x");
	ok(becomes(p[1], WRITABLE | POLLPRI), "a byte at the mark does not make it readable");
	ok(sockatmark(p[1]) == 1 && queued(p[1], 0), "at the mark");
	fails(recv(p[1], &c, 1, MSG_PEEK), EAGAIN);
	ok(sockatmark(p[1]) == 1, "a peek does not pass it");
	ok(gives(p[1], "x", MSG_OOB) && sockatmark(p[1]) == 1, "nor does taking the byte");
	ok(becomes(p[1], WRITABLE), "nothing to read");
	say(p[0], "y");
	ok(becomes(p[1], READABLE | WRITABLE) && gives(p[1], "y", 0), "what comes behind it");
	ok(sockatmark(p[1]) == 0, "has passed it");
	close_pair(p);
}

/* What was urgent is an ordinary byte when another one is, unless reading had come to it. */
static void test_displaced(void)
{
	char c;
	int p[2];

	pair(p);
	say(p[0], "a");
	shout(p[0], "b");
	ok(queued(p[1], 1), "the first");
	say(p[0], "c");
	shout(p[0], "d");
	say(p[0], "e");
	ok(queued(p[1], 3), "the second displaces it");
	ok(gives(p[1], "d", MSG_OOB), "and is what MSG_OOB gives");
	ok(gives(p[1], "abc", 0), "the first is an ordinary byte");
	ok(sockatmark(p[1]) == 1 && gives(p[1], "e", 0), "the second is left out");

	for (int i = 0; i < 3; i++) {
		shout(p[0], "1");
		ok(becomes(p[1], WRITABLE | POLLPRI) && recv(p[1], &c, 1, MSG_OOB) == 1,
		   "one by one");
	}
	ok(sockatmark(p[1]) == 1, "taken one by one: still at the mark");
	ok(becomes(p[1], WRITABLE), "and nothing to read");
	say(p[0], "z");
	ok(becomes(p[1], READABLE | WRITABLE) && gives(p[1], "z", 0), "none of them is read again");

	shout(p[0], "4");
	ok(becomes(p[1], WRITABLE | POLLPRI), "one at the mark");
	say(p[0], "f");
	shout(p[0], "5");
	say(p[0], "g");
	ok(queued(p[1], 1), "and another one behind");
	ok(gives(p[1], "f", MSG_PEEK) && gives(p[1], "f", 0), "the byte at the mark is lost");
	ok(gives(p[1], "5", MSG_OOB) && gives(p[1], "g", 0), "the other one is there");
	close_pair(p);
}

static void test_inline(void)
{
	char c;
	int p[2];

	pair(p);
	inline_data(p[1], 1);
	say(p[0], "ab");
	shout(p[0], "c");
	say(p[0], "d");
	ok(queued(p[1], 4), "SO_OOBINLINE: FIONREAD counts all");
	ok(becomes(p[1], READABLE | WRITABLE | POLLPRI), "POLLPRI is there");
	fails(recv(p[1], &c, 1, MSG_OOB), EINVAL);
	ok(gives(p[1], "ab", 0) && sockatmark(p[1]) == 1, "reading stops at the mark");
	ok(becomes(p[1], READABLE | WRITABLE | POLLPRI), "POLLPRI still");
	ok(gives(p[1], "cd", MSG_PEEK) && gives(p[1], "cd", 0), "and goes on with the byte");
	ok(sockatmark(p[1]) == 0 && becomes(p[1], WRITABLE), "then all is over");
	shout(p[0], "e");
	ok(becomes(p[1], READABLE | WRITABLE | POLLPRI), "alone it is readable");
	inline_data(p[1], 0);
	ok(becomes(p[1], WRITABLE | POLLPRI), "switched off it is not");
	ok(gives(p[1], "e", MSG_OOB), "and can be taken");
	close_pair(p);
}

static void test_low_water(void)
{
	int p[2], low = 2;

	pair(p);
	must(setsockopt(p[1], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)));
	shout(p[0], "x");
	ok(becomes(p[1], WRITABLE | POLLPRI), "SO_RCVLOWAT: the byte itself");
	say(p[0], "a");
	poll(NULL, 0, 50);
	ok(becomes(p[1], WRITABLE | POLLPRI), "does not count");
	say(p[0], "b");
	ok(becomes(p[1], READABLE | WRITABLE | POLLPRI), "others do");
	close_pair(p);
}

static void test_epoll(void)
{
	struct epoll_event ev = {.events = EPOLLPRI}, out[2];
	int p[2], ep = must(epoll_create1(0));
	char c;

	pair(p);
	must(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &ev));
	say(p[0], "a");
	ok(queued(p[1], 1) && epoll_wait(ep, out, 2, 20) == 0, "EPOLLPRI alone: data is not news");
	shout(p[0], "b");
	ok(epoll_wait(ep, out, 2, 5000) == 1 && out[0].events == EPOLLPRI, "urgent data is");
	ok(epoll_wait(ep, out, 2, 0) == 1 && out[0].events == EPOLLPRI, "level-triggered: again");
	must(recv(p[1], &c, 1, MSG_OOB));
	ok(epoll_wait(ep, out, 2, 20) == 0, "until it is taken");

	ev.events = EPOLLPRI | EPOLLIN | EPOLLET;
	must(epoll_ctl(ep, EPOLL_CTL_MOD, p[1], &ev));
	ok(epoll_wait(ep, out, 2, 0) == 1 && out[0].events == EPOLLIN,
	   "edge-triggered: what is there");
	ok(epoll_wait(ep, out, 2, 0) == 0, "once");
	shout(p[0], "c");
	ok(epoll_wait(ep, out, 2, 5000) == 1 && out[0].events == (EPOLLIN | EPOLLPRI),
	   "a new byte is an edge");
	queued(p[1], 2);
	ok(epoll_wait(ep, out, 2, 50) >= 0 && epoll_wait(ep, out, 2, 20) == 0, "once");
	ok(gives(p[1], "ab", 0), "up to the mark");
	ok(epoll_wait(ep, out, 2, 20) == 0, "reading makes no edge");
	must(recv(p[1], &c, 1, MSG_OOB));
	shout(p[0], "d");
	ok(epoll_wait(ep, out, 2, 5000) == 1 && out[0].events == EPOLLPRI, "the next one");
	close(ep);
	close_pair(p);
}

static void test_select(void)
{
	struct timeval now = {5, 0};
	fd_set in, ex;
	int p[2];

	pair(p);
	FD_ZERO(&in);
	FD_ZERO(&ex);
	FD_SET(p[1], &in);
	FD_SET(p[1], &ex);
	shout(p[0], "x");
	ok(select(p[1] + 1, &in, NULL, &ex, &now) == 1 && FD_ISSET(p[1], &ex) &&
		   !FD_ISSET(p[1], &in),
	   "select: an exceptional condition");
	ok(gives(p[1], "x", MSG_OOB), "taken");
	FD_ZERO(&ex);
	FD_SET(p[1], &ex);
	now.tv_sec = 0;
	ok(select(p[1] + 1, NULL, NULL, &ex, &now) == 0, "over");
	close_pair(p);
}

/* The signal that comes within @ms; 0: none. */
static int next(siginfo_t *info, int ms)
{
	int sig = sigtimedwait(&urg, info, &(struct timespec){ms / 1000, ms % 1000 * 1000000l});

	return sig > 0 ? sig : 0;
}

static void test_signal(void)
{
	siginfo_t info;
	int p[2], who;
	char c;

	pair(p);
	shout(p[0], "a");
	ok(becomes(p[1], WRITABLE | POLLPRI) && !next(&info, 20), "nobody owns it: no signal");
	must(recv(p[1], &c, 1, MSG_OOB));
	must(fcntl(p[1], F_SETOWN, getpid()));
	say(p[0], "b");
	ok(becomes(p[1], READABLE | WRITABLE) && !next(&info, 20), "data: no signal");
	shout(p[0], "c");
	ok(next(&info, 5000) == SIGURG && info.si_code == SI_KERNEL, "urgent data: SIGURG");
	ok(becomes(p[1], READABLE | WRITABLE | POLLPRI) && !next(&info, 20), "once");
	must(recv(p[1], &c, 1, MSG_OOB));
	must(fcntl(p[1], F_SETFL, O_NONBLOCK | O_ASYNC));
	while (next(&info, 0))
		;
	must(fcntl(p[1], F_SETSIG, RT));
	must(fcntl(p[1], F_SETFL, O_NONBLOCK));
	shout(p[0], "d");
	ok(next(&info, 5000) == SIGURG, "O_ASYNC off: SIGURG still");
	ok(becomes(p[1], READABLE | WRITABLE | POLLPRI) && !next(&info, 20), "and nothing else");
	must(fcntl(p[1], F_SETFL, O_NONBLOCK | O_ASYNC));
	shout(p[0], "e");
	ok(next(&info, 5000) == SIGURG, "on: SIGURG");
	ok(next(&info, 5000) == RT && info.si_code == POLL_PRI && info.si_fd == p[1] &&
		   info.si_band == (POLLPRI | POLLRDBAND),
	   "and the chosen signal says what it is");
	close_pair(p);

	pair(p);
	while (next(&info, 0))
		;
	who = -getpgrp();
	must(ioctl(p[1], SIOCSPGRP, &who));
	shout(p[0], "f");
	ok(next(&info, 5000) == SIGURG, "SIOCSPGRP: a process group");
	who = 0;
	must(ioctl(p[1], FIOSETOWN, &who));
	shout(p[0], "g");
	ok(becomes(p[1], WRITABLE | POLLPRI) && !next(&info, 50), "nobody any more");
	close_pair(p);
}

static void *shouter(void *arg)
{
	int fd = *(int *)arg;

	poll(NULL, 0, 30);
	shout(fd, "!");
	poll(NULL, 0, 30);
	say(fd, "tail");
	return NULL;
}

/* A reader that waits is not disturbed by the urgent byte alone, but gets no further than the mark. */
static void test_blocking(void)
{
	char buf[16];
	pthread_t t;
	ssize_t n;
	int p[2];

	pair(p);
	must(fcntl(p[1], F_SETFL, 0));
	must(pthread_create(&t, NULL, shouter, &p[0]) ? -1 : 0);
	n = recv(p[1], buf, sizeof(buf), 0);
	ok(n == 4 && !memcmp(buf, "tail", 4), "a reader waits beyond the urgent byte");
	pthread_join(t, NULL);

	say(p[0], "head");
	must(pthread_create(&t, NULL, shouter, &p[0]) ? -1 : 0);
	n = recv(p[1], buf, sizeof(buf), MSG_WAITALL);
	ok(n == 4 && !memcmp(buf, "head", 4), "MSG_WAITALL ends at the mark");
	pthread_join(t, NULL);
	ok(recv(p[1], buf, 4, MSG_WAITALL) == 4 && !memcmp(buf, "tail", 4), "and begins behind it");
	close_pair(p);
}

/* A signal stops a reader at the mark, though there is data behind it. */
static void test_interrupted(void)
{
	struct timespec none = {0, 0};
	siginfo_t info;
	sigset_t empty;
	char buf[8];
	int p[2];

	pair(p);
	must(fcntl(p[1], F_SETFL, 0));
	shout(p[0], "x");
	say(p[0], "abc");
	becomes(p[1], READABLE | WRITABLE | POLLPRI);
	ok(recv(p[1], buf, 8, 0) == 3, "at the mark: what is behind it");
	sigemptyset(&empty);
	ok(sigtimedwait(&urg, &info, &none) == -1, "no signal is left over");
	close_pair(p);
}

/* More than is sent at once: in the end the mark is at the last byte all the same. */
static void test_large(void)
{
	static char out[300000], in[300000];
	size_t got = 0, sent = 0;
	bool stopped = false;
	ssize_t n = 1;
	int p[2];

	pair(p);
	inline_data(p[1], 1);
	must(fcntl(p[1], F_SETFL, 0));
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)('a' + i % 23);
	if (!must(fork())) {
		while (sent < sizeof(out))
			sent += (size_t)must(send(p[0], out + sent, sizeof(out) - sent, MSG_OOB));
		_exit(0);
	}
	while (got < sizeof(in) && n > 0) {
		n = recv(p[1], in + got, sizeof(in) - got, 0);
		got += n > 0 ? (size_t)n : 0;
		stopped |= got == sizeof(in) - 1 && sockatmark(p[1]) == 1;
	}
	wait(NULL);
	ok(got == sizeof(in) && !memcmp(in, out, sizeof(in)), "a long message arrives whole");
	ok(stopped, "with the mark before its last byte");
	close_pair(p);
}

static void test_ends(void)
{
	char c;
	int p[2];

	pair(p);
	say(p[0], "a");
	shout(p[0], "b");
	close(p[0]);
	ok(becomes(p[1], READABLE | WRITABLE | POLLPRI | POLLRDHUP), "urgent data and the end");
	ok(gives(p[1], "b", MSG_OOB), "taken at the end");
	ok(gives(p[1], "a", 0), "up to the mark");
	ok(recv(p[1], &c, 1, 0) == 0, "the end is behind it");
	fails(recv(p[1], &c, 1, MSG_OOB), EINVAL);
	close(p[1]);

	pair(p);
	shout(p[0], "b");
	ok(becomes(p[1], WRITABLE | POLLPRI), "left unread");
	close(p[1]);
	ok(becomes(p[0], READABLE | WRITABLE | POLLRDHUP | POLLHUP | POLLERR),
	   "it makes close() reset");
	close(p[0]);
}

static void test_not_connected(void)
{
	int fd = must(socket(AF_INET, SOCK_STREAM, 0)), l = must(socket(AF_INET, SOCK_STREAM, 0));
	struct sockaddr_in a = local(0);
	char c;
	int v = 7;

	signal(SIGPIPE, SIG_IGN);
	fails(send(fd, "x", 1, MSG_OOB), EPIPE);
	fails(recv(fd, &c, 1, MSG_OOB), EINVAL);
	ok(ioctl(fd, SIOCATMARK, &v) == 0 && v == 0, "SIOCATMARK of a fresh socket");
	fails(ioctl(fd, SIOCATMARK, (void *)8), EFAULT);
	must(bind(l, ADDR(a)));
	must(listen(l, 1));
	fails(recv(l, &c, 1, MSG_OOB), ENOTCONN);
	ok(ioctl(l, SIOCATMARK, &v) == 0 && v == 0, "and of a listener");
	close(fd);
	close(l);
}

int main(void)
{
	sigemptyset(&urg);
	sigaddset(&urg, SIGURG);
	sigaddset(&urg, SIGIO);
	sigaddset(&urg, RT);
	must(sigprocmask(SIG_BLOCK, &urg, NULL));
	test_basic();
	test_last_byte();
	test_at_mark();
	test_displaced();
	test_inline();
	test_low_water();
	test_epoll();
	test_select();
	test_signal();
	test_blocking();
	test_interrupted();
	test_large();
	test_ends();
	test_not_connected();
	return tap_done();
}
