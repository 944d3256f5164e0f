/* socketpair(AF_UNIX, SOCK_STREAM): bytes, ends, and the bits of poll in each state. unix(7). */
#include "tap.h"
#include "unix.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

static void arguments(void)
{
	int sv[2], *volatile nowhere = (int *)8;

	fails(socketpair(AF_UNIX, SOCK_STREAM, 7, sv), EPROTONOSUPPORT);
	fails(socketpair(AF_UNIX, SOCK_RDM, 0, sv), ESOCKTNOSUPPORT);
	fails(socketpair(AF_INET, SOCK_STREAM, 0, sv), EOPNOTSUPP);
	fails(socketpair(AF_UNIX, SOCK_STREAM | 0x100000, 0, sv), EINVAL);
	fails(socketpair(AF_UNIX, SOCK_STREAM, 0, nowhere), EFAULT);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, AF_UNIX, sv));
	ok(fcntl(sv[0], F_GETFL) == (O_RDWR | O_NONBLOCK), "SOCK_NONBLOCK");
	ok(fcntl(sv[1], F_GETFD) == FD_CLOEXEC, "SOCK_CLOEXEC");
	close(sv[0]);
	close(sv[1]);
}

static void bytes(void)
{
	char buf[64];
	int n;

	pair(SOCK_STREAM);
	ok(write(a, "hello", 5) == 5, "5 bytes in");
	ok(write(a, "world", 5) == 5, "5 more");
	ok(!ioctl(b, FIONREAD, &n) && n == 10, "FIONREAD tells 10");
	ok(!ioctl(a, TIOCOUTQ, &n) && n > 0, "SIOCOUTQ tells that something is on its way");
	ok(recv(b, buf, 3, MSG_PEEK) == 3 && !memcmp(buf, "hel", 3), "peek at 3");
	ok(recv(b, buf, 64, MSG_PEEK) == 10, "peek at all");
	ok(read(b, buf, 7) == 7 && !memcmp(buf, "hellowo", 7), "7 bytes, across two writes");
	ok(read(b, buf, 64) == 3 && !memcmp(buf, "rld", 3), "the rest");
	ok(!ioctl(a, TIOCOUTQ, &n) && n == 0, "nothing is on its way");
	fails(recv(b, buf, 1, MSG_DONTWAIT), EAGAIN);
	ok(read(b, buf, 0) == 0, "a read() of 0 bytes does not wait");
	ok(write(a, "", 0) == 0, "a write() of 0 bytes is nothing");
	fails(recv(b, buf, 1, MSG_DONTWAIT), EAGAIN);
	fails(write(a, (void *)8, 5), EFAULT);
	ok(write(a, "xyz", 3) == 3, "3 bytes");
	fails(read(b, (void *)8, 3), EFAULT);
	ok(read(b, buf, 64) == 3, "a read into nowhere takes nothing");
	fails(sendto(a, "x", 1, 0, &(struct sockaddr){.sa_family = AF_UNIX}, 4), EISCONN);
	fails(lseek(a, 0, SEEK_SET), ESPIPE);
	fails(connect(a, &(struct sockaddr){.sa_family = AF_INET}, sizeof(struct sockaddr)),
	      EINVAL);
	close_pair();
}

static void names(void)
{
	struct sockaddr_un un;
	socklen_t len = sizeof(un);

	pair(SOCK_STREAM);
	memset(&un, 0xff, sizeof(un));
	ok(!getsockname(a, (void *)&un, &len) && len == 2 && un.sun_family == AF_UNIX,
	   "a pair has no name");
	len = sizeof(un);
	ok(!getpeername(a, (void *)&un, &len) && len == 2, "nor has its other end");
	len = 1;
	ok(!getpeername(a, (void *)&un, &len) && len == 2, "the length is told in any case");
	close_pair();
}

static void states(void)
{
	char buf[8];

	pair(SOCK_STREAM);
	ok(!strcmp(bits(a), "OUT "), "connected: %s", bits(a));
	must(write(b, "x", 1));
	ok(!strcmp(bits(a), "IN OUT "), "with data: %s", bits(a));
	must(shutdown(b, SHUT_WR));
	ok(!strcmp(bits(a), "IN OUT RDHUP "), "the peer sends no more: %s", bits(a));
	ok(!strcmp(bits(b), "OUT "), "the peer itself: %s", bits(b));
	ok(read(a, buf, 8) == 1 && read(a, buf, 8) == 0, "data, then the end");
	ok(send(b, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "the peer cannot send");
	ok(write(a, "y", 1) == 1 && read(b, buf, 8) == 1, "the other direction works");
	must(shutdown(a, SHUT_WR));
	ok(!strcmp(bits(a), "IN OUT RDHUP HUP "), "both ways shut: %s", bits(a));
	ok(!strcmp(bits(b), "IN OUT RDHUP HUP "), "seen from the peer: %s", bits(b));
	close_pair();

	pair(SOCK_STREAM);
	must(shutdown(a, SHUT_RD));
	ok(!strcmp(bits(a), "IN OUT RDHUP "), "own SHUT_RD: %s", bits(a));
	ok(!strcmp(bits(b), "OUT "), "a peer that does not read: %s", bits(b));
	ok(send(b, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "EPIPE to it");
	ok(read(a, buf, 8) == 0, "no data for it");
	close_pair();
}

static void the_end(void)
{
	char buf[8];
	int err;
	socklen_t len = sizeof(err);

	pair(SOCK_STREAM);
	must(write(b, "bye", 3));
	close(b);
	ok(!strcmp(bits(a), "IN OUT RDHUP HUP "), "the peer is closed: %s", bits(a));
	ok(read(a, buf, 8) == 3 && read(a, buf, 8) == 0, "its data, then the end");
	ok(send(a, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "EPIPE");
	close(a);

	pair(SOCK_STREAM);
	must(write(a, "lost", 4));
	must(write(b, "kept", 4));
	close(b);
	ok(!strcmp(bits(a), "IN OUT RDHUP HUP ERR "), "closed with unread data: %s", bits(a));
	ok(read(a, buf, 8) == 4, "what it has sent can be read");
	fails(read(a, buf, 8), ECONNRESET);
	ok(read(a, buf, 8) == 0, "after the error the end");
	close(a);

	pair(SOCK_STREAM);
	must(write(a, "lost", 4));
	close(b);
	ok(!getsockopt(a, SOL_SOCKET, SO_ERROR, &err, &len) && err == ECONNRESET, "SO_ERROR");
	ok(!strcmp(bits(a), "IN OUT RDHUP HUP "), "SO_ERROR clears it: %s", bits(a));
	close(a);
}

static volatile int got_signal;

static void on_signal(int sig)
{
	got_signal = sig;
}

static void sigpipe(void)
{
	pair(SOCK_STREAM);
	signal(SIGPIPE, on_signal);
	close(b);
	got_signal = 0;
	fails(send(a, "x", 1, MSG_NOSIGNAL), EPIPE);
	ok(!got_signal, "MSG_NOSIGNAL");
	fails(write(a, "x", 1), EPIPE);
	ok(got_signal == SIGPIPE, "SIGPIPE");
	close(a);
	signal(SIGPIPE, SIG_DFL);
}

static void full(void)
{
	static char block[4096], big[1 << 20];
	long n, in = 0, out = 0;

	pair(SOCK_STREAM);
	must(fcntl(a, F_SETFL, O_NONBLOCK));
	must(fcntl(b, F_SETFL, O_NONBLOCK));
	while ((n = write(a, block, sizeof(block))) > 0)
		in += n;
	ok(n == -1 && errno == EAGAIN && in >= 65536, "a full socket is EAGAIN");
	ok(!strcmp(bits(a), ""), "and not writable: %s", bits(a));
	must(read(b, block, 100));
	ok(!strcmp(bits(a), ""), "nor after a small read: %s", bits(a));
	out = 100;
	while ((n = read(b, block, sizeof(block))) > 0)
		out += n;
	ok(in == out, "all of it comes out");
	ok(!strcmp(bits(a), "OUT "), "writable again: %s", bits(a));
	n = write(a, big, sizeof(big));
	ok(n > 0 && n < (long)sizeof(big), "a large write is cut");
	close_pair();
}

static void child_writer(void)
{
	static char buf[1 << 16];
	unsigned sum = 0, want = 0;
	long n, total = 0;
	pid_t pid;

	pair(SOCK_STREAM);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7 + i / 251);
	for (size_t i = 0; i < sizeof(buf); i++)
		want += 16u * (unsigned char)buf[i];
	pid = must(fork());
	if (!pid) {
		close(b);
		for (int i = 0; i < 16; i++)
			if (write(a, buf, sizeof(buf)) != sizeof(buf))
				_exit(1);
		_exit(0);
	}
	close(a);
	while ((n = read(b, buf, 5000)) > 0) {
		total += n;
		for (long i = 0; i < n; i++)
			sum += (unsigned char)buf[i];
	}
	ok(total == 16 * (long)sizeof(buf) && sum == want, "a megabyte through a pair");
	ok(waitpid(pid, NULL, 0) == pid, "the writer is done");
	pid = must(fork());
	if (!pid)
		_exit(0);
	close(b);
	waitpid(pid, NULL, 0);
}

static void waitall(void)
{
	struct timespec pause = {0, 20000000};
	char buf[16];
	pid_t pid;

	pair(SOCK_STREAM);
	pid = must(fork());
	if (!pid) {
		for (int i = 0; i < 4; i++) {
			nanosleep(&pause, NULL);
			must(write(a, "ab", 2));
		}
		_exit(0);
	}
	ok(recv(b, buf, 8, MSG_WAITALL) == 8 && !memcmp(buf, "abababab", 8), "MSG_WAITALL");
	waitpid(pid, NULL, 0);
	must(write(a, "cd", 2));
	close(a);
	ok(recv(b, buf, 8, MSG_WAITALL) == 2, "MSG_WAITALL ends with the stream");
	close(b);
}

static void timeouts(void)
{
	struct timeval tv = {0, 20000};
	char buf[4];

	pair(SOCK_STREAM);
	must(setsockopt(b, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	fails(read(b, buf, 4), EAGAIN);
	close_pair();
}

static void cred(void)
{
	struct ucred c;
	socklen_t len = sizeof(c);

	pair(SOCK_STREAM);
	ok(!getsockopt(a, SOL_SOCKET, SO_PEERCRED, &c, &len) && len == 12, "SO_PEERCRED");
	ok(c.pid == getpid() && c.uid == geteuid() && c.gid == getegid(), "it is this process");
	close_pair();
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	arguments();
	bytes();
	names();
	states();
	the_end();
	sigpipe();
	full();
	child_writer();
	waitall();
	timeouts();
	cred();
	return tap_done();
}
