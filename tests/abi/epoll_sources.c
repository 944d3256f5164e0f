/*
 * Rules 12 to 15, 18 and 26 to 28 for every kind of file that can become readable: each goes through the
 * same course of level-triggered, edge-triggered and one-shot watching, a wait that is ended by it,
 * poll() and select(). What a source says beside EPOLLIN is in the text.
 */
#include "epoll.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <termios.h>

#define ALL (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND)

struct source {
	const char *name;
	int fd;                        /* what is watched, not blocking */
	int from;                      /* where it comes from */
	void (*fire)(struct source *); /* makes it readable, or more so */
	void (*drain)(struct source *);
};

static int ep;

/* ---- ways to fire and to drain ---- */

static void fire_byte(struct source *s)
{
	must(write(s->from, "x", 1));
}

static void fire_line(struct source *s)
{
	must(write(s->from, "x\n", 2));
}

static void fire_count(struct source *s)
{
	must(eventfd_write(s->from, 1));
}

static void fire_timer(struct source *s)
{
	must(timerfd_settime(s->fd, 0, &(struct itimerspec){{0, 0}, {0, 1000}}, NULL));
}

static void fire_signal(struct source *s)
{
	must(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 1}));
}

static void fire_file(struct source *s)
{
	static unsigned turn; /* the same thing twice in a row would be one event */
	const char *name = turn++ & 1 ? "odd" : "even";

	must(mkdir(name, 0700));
	must(rmdir(name));
}

static void fire_connection(struct source *s)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int c = must(socket(AF_INET, SOCK_STREAM, 0));

	must(getsockname(s->fd, (void *)&a, &len));
	must(connect(c, (void *)&a, len));
	close(c);
}

static void drain_all(struct source *s)
{
	char buf[4096];

	while (read(s->fd, buf, sizeof(buf)) > 0)
		;
}

static void drain_from(struct source *s)
{
	eventfd_t v;

	eventfd_read(s->from, &v);
}

static void drain_listener(struct source *s)
{
	int c;

	while ((c = accept(s->fd, NULL, NULL)) >= 0)
		close(c);
}

/* ---- the course ---- */

static uint32_t all_bits(int fd)
{
	struct pollfd p = {fd, (short)ALL, 0};

	must(poll(&p, 1, 0));
	return (uint32_t)p.revents;
}

static bool selected(int fd)
{
	struct timeval tv = {0, 0};
	fd_set in;

	FD_ZERO(&in);
	FD_SET(fd, &in);
	return must(select(fd + 1, &in, NULL, NULL, &tv)) == 1;
}

static void level(struct source *s)
{
	must(ep_add(ep, s->fd, EPOLLIN));
	ok(none(ep) && !selected(s->fd), "%s: quiet, %x", s->name, all_bits(s->fd));
	s->fire(s);
	ok(one(ep, EPOLLIN, (uint64_t)s->fd) && one(ep, EPOLLIN, (uint64_t)s->fd),
	   "%s: level-triggered: at every wait", s->name);
	ok(selected(s->fd), "%s: readable, %x", s->name, all_bits(s->fd));
	s->drain(s);
	ok(none(ep) && !selected(s->fd), "%s: until it is drained", s->name);
	must(ep_del(ep, s->fd));
}

static void edge(struct source *s)
{
	must(ep_add(ep, s->fd, EPOLLIN | EPOLLET));
	ok(none(ep), "%s: quiet", s->name);
	s->fire(s);
	ok(one(ep, EPOLLIN, (uint64_t)s->fd) && silence(ep), "%s: edge-triggered: once", s->name);
	s->fire(s);
	ok(one(ep, EPOLLIN, (uint64_t)s->fd), "%s: more of it, the first unread: a new event",
	   s->name);
	must(ep_mod(ep, s->fd, EPOLLIN | EPOLLET));
	ok(one(ep, EPOLLIN, (uint64_t)s->fd), "%s: MOD looks again", s->name);
	s->drain(s);
	ok(silence(ep), "%s: draining is no event", s->name);
	must(ep_del(ep, s->fd));
}

static void one_shot(struct source *s)
{
	must(ep_add(ep, s->fd, EPOLLIN | EPOLLONESHOT));
	s->fire(s);
	ok(one(ep, EPOLLIN, (uint64_t)s->fd), "%s: one-shot fires", s->name);
	s->fire(s);
	ok(silence(ep), "%s: and is deaf", s->name);
	must(ep_mod(ep, s->fd, EPOLLIN | EPOLLONESHOT));
	ok(one(ep, EPOLLIN, (uint64_t)s->fd) && none(ep), "%s: until MOD", s->name);
	s->drain(s);
	must(ep_del(ep, s->fd));
}

static void *fire_later(void *arg)
{
	struct source *s = arg;
	struct timespec ts = {0, 10000000};

	nanosleep(&ts, NULL);
	s->fire(s);
	return NULL;
}

/* A wait of each kind, begun before it fires. */
static void waited_for(struct source *s)
{
	struct pollfd p = {s->fd, POLLIN, 0};
	struct timeval tv = {SOON / 1000, 0};
	pthread_t t;
	fd_set in;
	bool good;

	must(ep_add(ep, s->fd, EPOLLIN | EPOLLET));
	must(-pthread_create(&t, NULL, fire_later, s));
	good = one(ep, EPOLLIN, (uint64_t)s->fd);
	pthread_join(t, NULL);
	s->drain(s);
	must(ep_del(ep, s->fd));
	must(-pthread_create(&t, NULL, fire_later, s));
	good &= poll(&p, 1, SOON) == 1 && p.revents == POLLIN;
	pthread_join(t, NULL);
	s->drain(s);
	FD_ZERO(&in);
	FD_SET(s->fd, &in);
	must(-pthread_create(&t, NULL, fire_later, s));
	good &= select(s->fd + 1, &in, NULL, NULL, &tv) == 1;
	pthread_join(t, NULL);
	s->drain(s);
	ok(good, "%s: ends epoll_wait, poll and select", s->name);
}

/* Neither a stream's error nor a file's position: lseek() and pread() in one line each. */
static void seek(const char *name, int fd)
{
	char c[128];
	long at = lseek(fd, 5, SEEK_SET), err = at < 0 ? errno : 0;

	fails(pread(fd, c, sizeof(c), 0), ESPIPE);
	ok(true, "%s: lseek %ld %s", name, at, err ? strerror((int)err) : "");
}

static void course_drained_by(void (*drain)(struct source *), const char *name, int fd, int from,
			      void (*fire)(struct source *))
{
	struct source s = {name, fd, from, fire, drain};

	seek(name, fd);
	level(&s);
	edge(&s);
	one_shot(&s);
	waited_for(&s);
	close(fd);
	if (from >= 0)
		close(from);
}

static void course(const char *name, int fd, int from, void (*fire)(struct source *))
{
	course_drained_by(drain_all, name, fd, from, fire);
}

/* ---- the sources ---- */

static void pipes(void)
{
	int p[2], rd;

	must(pipe2(p, O_NONBLOCK));
	course("pipe", p[0], p[1], fire_byte);
	must(mkfifo("epoll_sources.fifo", 0600));
	rd = must(open("epoll_sources.fifo", O_RDONLY | O_NONBLOCK));
	course("FIFO", rd, must(open("epoll_sources.fifo", O_WRONLY)), fire_byte);
	unlink("epoll_sources.fifo");
}

static void counters(void)
{
	int e = must(eventfd(0, EFD_NONBLOCK));

	course("eventfd", e, dup(e), fire_count);
	e = must(eventfd(0, EFD_NONBLOCK | EFD_SEMAPHORE));
	course("eventfd semaphore", e, dup(e), fire_count);
}

static void unix_sockets(void)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
	static const char *const names[] = {"unix stream", "unix datagram", "unix seqpacket"};
	int p[2];

	for (int i = 0; i < 3; i++) {
		must(socketpair(AF_UNIX, types[i] | SOCK_NONBLOCK, 0, p));
		course(names[i], p[0], p[1], fire_byte);
	}
}

static int bound(int type)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = must(socket(AF_INET, type | SOCK_NONBLOCK, 0));

	must(bind(fd, (void *)&a, sizeof(a)));
	return fd;
}

static int connected_to(int fd, int type)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int c = must(socket(AF_INET, type, 0));

	must(getsockname(fd, (void *)&a, &len));
	must(connect(c, (void *)&a, len));
	return c;
}

static void internet(void)
{
	int l = bound(SOCK_STREAM), u = bound(SOCK_DGRAM), c, s;
	struct pollfd p = {l, POLLIN, 0};

	course("UDP", u, connected_to(u, SOCK_DGRAM), fire_byte);
	must(listen(l, 10));
	c = connected_to(l, SOCK_STREAM);
	must(poll(&p, 1, SOON));
	s = must(accept4(l, NULL, NULL, SOCK_NONBLOCK));
	course("TCP", s, c, fire_byte);
	course_drained_by(drain_listener, "TCP listener", l, -1, fire_connection);
}

static void terminals(void)
{
	int m = must(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK)), s;
	struct termios t;

	must(grantpt(m));
	must(unlockpt(m));
	s = must(open(ptsname(m), O_RDWR | O_NOCTTY | O_NONBLOCK));
	must(tcgetattr(s, &t));
	t.c_lflag &= ~(tcflag_t)ECHO;
	must(tcsetattr(s, TCSANOW, &t));
	course("pty slave", dup(s), dup(m), fire_line);
	course("pty master", m, s, fire_byte);
}

static void nested(void)
{
	int inner = must(epoll_create1(0)), e = must(eventfd(0, EFD_NONBLOCK));

	must(ctl(inner, EPOLL_CTL_ADD, e, EPOLLIN, 1));
	course_drained_by(drain_from, "epoll", inner, e, fire_count);
}

static void files(void)
{
	int in = must(inotify_init1(IN_NONBLOCK));

	must(inotify_add_watch(in, ".", IN_CREATE));
	course("inotify", in, -1, fire_file);
}

static void timers(void)
{
	int t = must(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));

	course("timerfd", t, -1, fire_timer);
	t = must(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK));
	course("timerfd, real time", t, -1, fire_timer);
}

static void signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	must(sigprocmask(SIG_BLOCK, &set, NULL));
	course("signalfd", must(signalfd(-1, &set, SFD_NONBLOCK)), -1, fire_signal);
}

/* A process ends once, and that is not drained. */
static void processes(void)
{
	int go[2], fd;
	pid_t child;

	must(pipe(go));
	child = must(fork());
	if (!child) {
		get(go[0]);
		_exit(0);
	}
	fd = must((int)syscall(434 /* pidfd_open */, child, 0));
	must(ep_add(ep, fd, EPOLLIN | EPOLLET));
	ok(none(ep) && !selected(fd), "pidfd: it lives, %x", all_bits(fd));
	put(go[1]);
	ok(one(ep, EPOLLIN, (uint64_t)fd) && silence(ep), "pidfd: edge-triggered: it ends once");
	ok(selected(fd), "pidfd: readable, %x", all_bits(fd));
	must(ep_mod(ep, fd, EPOLLIN));
	ok(one(ep, EPOLLIN, (uint64_t)fd) && one(ep, EPOLLIN, (uint64_t)fd),
	   "pidfd: level-triggered: for ever");
	must(waitpid(child, NULL, 0));
	ok(!none(ep), "pidfd: when it has been waited for, too");
	close(fd);
	ok(none(ep), "pidfd: until it is closed");
	close(go[0]);
	close(go[1]);
}

int main(void)
{
	char dir[] = "/tmp/epoll_sources-XXXXXX";

	must(mkdtemp(dir) ? 0 : -1);
	must(chdir(dir));
	ep = must(epoll_create1(0));
	pipes();
	counters();
	unix_sockets();
	internet();
	terminals();
	nested();
	files();
	timers();
	signals();
	processes();
	must(chdir("/"));
	must(rmdir(dir));
	return tap_done();
}
