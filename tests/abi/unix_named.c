/* Named UNIX sockets: paths, abstract names, listening and connecting. unix(7). */
#include "tap.h"
#include "unix.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#define OFFSET offsetof(struct sockaddr_un, sun_path)

static char dir[64];

static struct sockaddr_un un;

/* The address of a path in the test's folder; its length. */
static socklen_t path(const char *name)
{
	memset(&un, 0, sizeof(un));
	un.sun_family = AF_UNIX;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s", dir, name);
	return OFFSET + strlen(un.sun_path) + 1;
}

static socklen_t abstract(const char *name)
{
	memset(&un, 0, sizeof(un));
	un.sun_family = AF_UNIX;
	snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "%s-%s", name, dir);
	return OFFSET + 1 + strlen(un.sun_path + 1);
}

static int sock(int type)
{
	return must(socket(AF_UNIX, type, 0));
}

static int do_bind(int fd, socklen_t len)
{
	return bind(fd, (void *)&un, len);
}

static int do_connect(int fd, socklen_t len)
{
	return connect(fd, (void *)&un, len);
}

static void arguments(void)
{
	int fd;

	fails(socket(AF_UNIX, SOCK_STREAM, 6), EPROTONOSUPPORT);
	fails(socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
	fd = must(socket(AF_UNIX, SOCK_RAW, 0));
	int type;
	socklen_t len = sizeof(type);
	ok(!getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_DGRAM,
	   "SOCK_RAW is SOCK_DGRAM");
	close(fd);
	fd = sock(SOCK_STREAM);
	ok(!strcmp(bits(fd), "OUT HUP "), "a fresh stream: %s", bits(fd));
	fails(listen(fd, 1), EINVAL);
	fails(accept(fd, NULL, NULL), EINVAL);
	fails(recv(fd, &type, 1, 0), EINVAL);
	fails(send(fd, &type, 1, 0), ENOTCONN);
	fails(getpeername(fd, (void *)&un, &(socklen_t){sizeof(un)}), ENOTCONN);
	ok(shutdown(fd, SHUT_WR) == 0, "shutdown() of an unconnected socket");
	fails(shutdown(fd, 3), EINVAL);
	path("x");
	fails(do_bind(fd, 1), EINVAL);
	fails(do_bind(fd, sizeof(un) + 1), EINVAL);
	un.sun_family = AF_INET;
	fails(do_bind(fd, sizeof(un)), EINVAL);
	fails(do_connect(fd, path("none")), ENOENT);
	fails(do_connect(fd, abstract("none")), ECONNREFUSED);
	close(fd);
	fd = sock(SOCK_SEQPACKET);
	ok(!strcmp(bits(fd), "OUT HUP "), "a fresh seqpacket: %s", bits(fd));
	fails(recv(fd, &type, 1, 0), ENOTCONN);
	close(fd);
	fd = sock(SOCK_DGRAM);
	ok(!strcmp(bits(fd), "OUT "), "a fresh datagram socket: %s", bits(fd));
	fails(listen(fd, 1), EOPNOTSUPP);
	fails(accept(fd, NULL, NULL), EOPNOTSUPP);
	close(fd);
}

static void paths(void)
{
	struct sockaddr_un got;
	socklen_t len = path("sock"), glen = sizeof(got);
	int l = sock(SOCK_STREAM), c = sock(SOCK_STREAM), fd;
	struct stat st;

	umask(022);
	ok(!do_bind(l, len), "bind to a path");
	ok(!stat(un.sun_path, &st) && S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0755,
	   "it is a socket node, less the umask");
	ok(!getsockname(l, (void *)&got, &glen) && glen == len &&
		   !strcmp(got.sun_path, un.sun_path),
	   "getsockname() tells the path and its NUL");
	fails(do_bind(l, len), EADDRINUSE);
	fails(do_bind(c, len), EADDRINUSE);
	fails(do_bind(l, path("other")), EINVAL);
	path("sock");
	fails(do_connect(c, len), ECONNREFUSED);
	fails(open(un.sun_path, O_RDWR), ENXIO);
	ok(!strcmp(bits(l), "OUT HUP "), "bound: %s", bits(l));
	ok(!listen(l, 3), "listen");
	ok(!strcmp(bits(l), ""), "listening: %s", bits(l));
	fails(do_connect(sock(SOCK_DGRAM), len), EPROTOTYPE);
	fails(recv(l, &st, 1, 0), EINVAL);
	ok(!do_connect(c, len), "connect before accept");
	ok(!strcmp(bits(l), "IN "), "a connection waits: %s", bits(l));
	ok(write(c, "early", 5) == 5, "write before accept");
	fails(do_connect(c, len), EISCONN);
	glen = sizeof(got);
	fd = must(accept(l, (void *)&got, &glen));
	ok(glen == 2 && got.sun_family == AF_UNIX, "the client has no name");
	ok(read(fd, &st, sizeof(st)) == 5, "what was written early");
	glen = sizeof(got);
	ok(!getsockname(fd, (void *)&got, &glen) && glen == len &&
		   !strcmp(got.sun_path, un.sun_path),
	   "the accepted socket has the listener's name");
	glen = sizeof(got);
	ok(!getpeername(c, (void *)&got, &glen) && glen == len, "and is the client's peer by it");
	ok(!strcmp(bits(fd), "OUT ") && !strcmp(bits(c), "OUT "), "both writable");
	must(unlink(un.sun_path));
	fails(do_connect(sock(SOCK_STREAM), len), ENOENT);
	ok(write(fd, "x", 1) == 1 && read(c, &st, 4) == 1, "the connection outlives the name");
	close(fd);
	close(c);
	close(l);
	c = sock(SOCK_STREAM);
	l = sock(SOCK_STREAM);
	must(do_bind(l, len));
	close(l);
	fails(do_connect(c, len), ECONNREFUSED);
	l = sock(SOCK_STREAM);
	fails(do_bind(l, len), EADDRINUSE);
	must(unlink(un.sun_path));
	ok(!do_bind(l, len), "unlink frees the name");
	must(unlink(un.sun_path));
	close(l);
	fd = must(open(un.sun_path, O_CREAT | O_RDWR, 0600));
	fails(do_connect(c, len), ECONNREFUSED);
	close(fd);
	must(unlink(un.sun_path));
	close(c);
}

/* A path may use all of sun_path, without a NUL. */
static void long_path(void)
{
	struct {
		struct sockaddr_un un;
		char more[8];
	} got;
	socklen_t glen = sizeof(got);
	char full[sizeof(un.sun_path) + 1];
	int l = sock(SOCK_STREAM), c = sock(SOCK_STREAM);

	path("");
	memset(un.sun_path + strlen(un.sun_path), 'n', sizeof(un.sun_path) - strlen(un.sun_path));
	memcpy(full, un.sun_path, sizeof(un.sun_path));
	full[sizeof(un.sun_path)] = '\0';
	ok(!do_bind(l, sizeof(un)), "a path of 108 bytes");
	ok(!access(full, F_OK), "is there");
	ok(!getsockname(l, (void *)&got, &glen) && glen == sizeof(un) + 1,
	   "its length counts a NUL");
	must(listen(l, 1));
	ok(!do_connect(c, sizeof(un)), "and can be connected to");
	must(unlink(full));
	close(l);
	close(c);
}

static void symlinks_and_rights(void)
{
	socklen_t len = path("real");
	int l = sock(SOCK_STREAM), status;
	char target[sizeof(un.sun_path)];
	pid_t pid;

	must(do_bind(l, len));
	must(listen(l, 5));
	strcpy(target, un.sun_path);
	len = path("link");
	must(symlink(target, un.sun_path));
	ok(!do_connect(sock(SOCK_STREAM), len), "through a symbolic link");
	fails(do_bind(sock(SOCK_STREAM), len), EADDRINUSE);
	must(unlink(un.sun_path));
	must(chmod(target, 0700));
	must(chmod(dir, 0755));
	len = path("real");
	pid = must(fork());
	if (!pid) {
		if (!getuid())
			must(setuid(65534));
		else
			must(chmod(target, 0500));
		_exit(do_connect(sock(SOCK_STREAM), len) == -1 && errno == EACCES ? 0 : 1);
	}
	ok(waitpid(pid, &status, 0) == pid && status == 0, "who may not write may not connect");
	must(unlink(target));
	close(l);
}

static void abstracts(void)
{
	struct sockaddr_un got;
	socklen_t len = abstract("a"), glen = sizeof(got);
	int l = sock(SOCK_STREAM), d = sock(SOCK_DGRAM), c = sock(SOCK_STREAM);

	ok(!do_bind(l, len), "an abstract name");
	ok(!getsockname(l, (void *)&got, &glen) && glen == len && !memcmp(&got, &un, len),
	   "getsockname() gives the same bytes");
	fails(do_bind(sock(SOCK_STREAM), len), EADDRINUSE);
	ok(!do_bind(d, len), "the same name for another type");
	must(listen(l, 1));
	fails(do_connect(c, len - 1), ECONNREFUSED);
	fails(do_connect(c, len + 1), ECONNREFUSED);
	ok(!do_connect(c, len), "connected by it");
	close(l);
	close(d);
	l = sock(SOCK_STREAM);
	ok(!do_bind(l, len), "close frees it");
	close(l);
	close(c);
}

static void autobind(void)
{
	struct sockaddr_un got, got2;
	socklen_t len = sizeof(got);
	int a = sock(SOCK_DGRAM), b = sock(SOCK_DGRAM);

	un.sun_family = AF_UNIX;
	ok(!do_bind(a, OFFSET) && !do_bind(b, OFFSET), "autobind");
	ok(!getsockname(a, (void *)&got, &len) && len == OFFSET + 6, "a name of 6 bytes");
	ok(!got.sun_path[0] && strspn(got.sun_path + 1, "0123456789abcdef") >= 5, "of hex digits");
	len = sizeof(got2);
	must(getsockname(b, (void *)&got2, &len));
	ok(memcmp(got.sun_path, got2.sun_path, 6), "each its own");
	ok(!do_bind(a, OFFSET), "a second autobind does nothing");
	close(a);
	close(b);
}

static void backlog(void)
{
	socklen_t len = abstract("backlog");
	int l = sock(SOCK_STREAM), c[3], n, fd;
	struct timespec pause = {0, 30000000};
	char byte;
	pid_t pid;

	must(do_bind(l, len));
	must(listen(l, 1));
	for (n = 0; n < 3; n++) {
		c[n] = must(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
		if (do_connect(c[n], len))
			break;
	}
	ok(n == 2 && errno == EAGAIN, "a backlog of 1 takes 2, then EAGAIN");
	pid = must(fork());
	if (!pid) {
		fd = sock(SOCK_STREAM);
		must(do_connect(fd, len));
		must(write(fd, "!", 1));
		_exit(0);
	}
	nanosleep(&pause, NULL);
	for (n = 0; n < 3; n++) {
		fd = must(accept(l, NULL, NULL));
		if (n == 2)
			ok(read(fd, &byte, 1) == 1 && byte == '!', "a blocking connect() waits");
		close(fd);
	}
	must(waitpid(pid, NULL, 0));
	/* What nobody accepts is reset with the listener. */
	fd = sock(SOCK_STREAM);
	must(do_connect(fd, len));
	close(l);
	ok(!strcmp(bits(fd), "IN OUT RDHUP HUP ERR "), "the listener is closed: %s", bits(fd));
	fails(read(fd, &byte, 1), ECONNRESET);
	ok(read(fd, &byte, 1) == 0, "and then the end");
	close(fd);
	l = must(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	must(do_bind(l, len));
	must(listen(l, 1));
	fails(accept(l, NULL, NULL), EAGAIN);
	fd = sock(SOCK_STREAM);
	must(do_connect(fd, len));
	n = must(accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
	ok(fcntl(n, F_GETFL) == (O_RDWR | O_NONBLOCK) && fcntl(n, F_GETFD) == FD_CLOEXEC,
	   "accept4() flags");
	must(shutdown(l, SHUT_RD));
	fails(do_connect(sock(SOCK_STREAM), len), ECONNREFUSED);
	close(l);
	close(n);
	close(fd);
}

static void peercred(void)
{
	socklen_t len = abstract("cred"), clen;
	int l = sock(SOCK_STREAM), fd, status;
	struct ucred c;
	pid_t pid;

	clen = sizeof(c);
	ok(!getsockopt(l, SOL_SOCKET, SO_PEERCRED, &c, &clen) && !c.pid && c.uid == (uid_t)-1 &&
		   c.gid == (gid_t)-1,
	   "SO_PEERCRED of nobody");
	must(do_bind(l, len));
	must(listen(l, 1));
	pid = must(fork());
	if (!pid) {
		fd = sock(SOCK_STREAM);
		must(do_connect(fd, len));
		clen = sizeof(c);
		must(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &clen));
		_exit(c.pid == getppid() ? 0 : 1);
	}
	fd = must(accept(l, NULL, NULL));
	clen = sizeof(c);
	must(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &clen));
	ok(c.pid == pid && c.uid == geteuid(), "the listener learns who connected");
	must(waitpid(pid, &status, 0));
	ok(status == 0, "the client learns who listens");
	close(fd);
	close(l);
}

int main(void)
{
	strcpy(dir, "/tmp/unixXXXXXX");
	if (!mkdtemp(dir)) {
		strcpy(dir, "/unixXXXXXX");
		if (!mkdtemp(dir))
			must(-1);
	}
	signal(SIGPIPE, SIG_IGN);
	arguments();
	paths();
	long_path();
	symlinks_and_rights();
	abstracts();
	autobind();
	backlog();
	peercred();
	must(rmdir(dir));
	return tap_done();
}
