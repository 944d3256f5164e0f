/*
 * Rules 2, 7 to 9, 12 to 17, 19, 21, 22, 26 to 28 and 31, in combinations that nobody thought of:
 * random calls on epolls, pipes, FIFOs, eventfds, UNIX sockets, signalfds, inotify files and epolls
 * in epolls, the same on Linux and on Pollux, and what each returns compared. One thread, nothing
 * waits, so each answer has one right value; only the order of events in a return is left open, and
 * they are sorted.
 *
 * A seed's calls and answers are a text of some hundred lines; printed is its digest. To find the
 * first line that differs give the seed as an argument, here and there: /tests/epoll_random 7
 * Two arguments are a range of seeds.
 */
#include "epoll.h"

#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define SEEDS      20
#define STEPS      600
#define FIRST_FD   3
#define LAST_FD    40
#define MAX_EVENTS 64

enum kind {
	CLOSED = 0,
	EPOLL = 1,
	PIPE_R = 2,
	PIPE_W = 4,
	FIFO = 8, /* open for both: an item on two wait queues */
	EVENT = 16,
	SOCKET = 32,
	SIGNAL = 64,
	INOTIFY = 128,
};
#define READERS (PIPE_R | FIFO | EVENT | SIGNAL | INOTIFY)
#define WRITERS (PIPE_W | FIFO | EVENT)

static enum kind kinds[LAST_FD + 1];
static uint64_t state, digest;
static sigset_t signals;
static bool verbose;

/* splitmix64 */
static uint32_t random_below(uint32_t n)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) >> 32) % n;
}

static bool chance(uint32_t percent)
{
	return random_below(100) < percent;
}

/* FNV-1a */
static void __attribute__((format(printf, 1, 2))) note(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (verbose)
		fputs(text, stdout);
	for (const char *c = text; *c; c++)
		digest = (digest ^ (uint8_t)*c) * 0x100000001b3u;
}

/* What a call returned: a count, or the name of the error. */
static void note_result(long r)
{
	if (r < 0)
		note(" = %s\n", strerror(errno));
	else
		note(" = %ld\n", r);
}

static bool is_kind(int fd, unsigned wanted)
{
	return kinds[fd] & wanted;
}

/* A descriptor of one of these kinds; if there are few of them, perhaps another one. */
static int pick(unsigned wanted)
{
	for (int tries = 0; tries < 100; tries++) {
		int fd = FIRST_FD + (int)random_below(LAST_FD - FIRST_FD + 1);

		if (is_kind(fd, wanted))
			return fd;
	}
	return FIRST_FD;
}

static int pick_open(void)
{
	return pick(~0u);
}

static bool register_fd(int fd, enum kind k)
{
	if (fd < 0)
		return false;
	if (fd > LAST_FD) {
		close(fd);
		return false;
	}
	kinds[fd] = k;
	return true;
}

static void create(void)
{
	int p[2], fd;

	switch (random_below(9)) {
	case 0:
	case 1:
		fd = epoll_create1(0);
		note("epoll_create = %d\n", fd);
		register_fd(fd, EPOLL);
		break;
	case 2:
		fd = eventfd(random_below(2), EFD_NONBLOCK | (chance(30) ? EFD_SEMAPHORE : 0));
		note("eventfd = %d\n", fd);
		register_fd(fd, EVENT);
		break;
	case 3:
		must(socketpair(AF_UNIX,
				SOCK_NONBLOCK | (chance(60) ? SOCK_STREAM : SOCK_SEQPACKET), 0, p));
		note("socketpair = %d %d\n", p[0], p[1]);
		register_fd(p[0], SOCKET);
		register_fd(p[1], SOCKET);
		break;
	case 4:
		must(mkfifo("fifo", 0600));
		fd = must(open("fifo", O_RDWR | O_NONBLOCK));
		unlink("fifo");
		note("fifo = %d\n", fd);
		register_fd(fd, FIFO);
		break;
	case 5:
		fd = must(signalfd(-1, &signals, SFD_NONBLOCK));
		note("signalfd = %d\n", fd);
		register_fd(fd, SIGNAL);
		break;
	case 6:
		fd = must(inotify_init1(IN_NONBLOCK));
		must(inotify_add_watch(fd, ".", IN_CREATE));
		note("inotify = %d\n", fd);
		register_fd(fd, INOTIFY);
		break;
	default:
		must(pipe2(p, O_NONBLOCK));
		note("pipe = %d %d\n", p[0], p[1]);
		register_fd(p[0], PIPE_R);
		register_fd(p[1], PIPE_W);
	}
}

static void copy(void)
{
	int from = pick_open(), to;

	if (chance(50)) {
		to = fcntl(from, F_DUPFD, FIRST_FD);
	} else {
		to = FIRST_FD + (int)random_below(LAST_FD - FIRST_FD + 1);
		to = dup2(from, to);
	}
	note("dup %d = %d\n", from, to);
	if (to >= 0)
		register_fd(to, to <= LAST_FD ? kinds[from] : CLOSED);
}

static void shut(void)
{
	int fd = pick_open();

	note("close %d", fd);
	note_result(close(fd));
	kinds[fd] = CLOSED;
}

/* Bytes in a socket's buffers are accounted for with what they cost, so few are ever written. */
static void talk(void)
{
	int fd = pick(SOCKET), how;
	char buf[200];

	if (chance(45)) {
		note("send %d", fd);
		note_result(send(fd, buf, 1 + random_below(3), 0));
	} else if (chance(85)) {
		note("recv %d", fd);
		note_result(recv(fd, buf, chance(50) ? sizeof(buf) : 1, 0));
	} else {
		how = (int)random_below(3);
		note("shutdown %d %d", fd, how);
		note_result(shutdown(fd, how));
	}
}

static uint32_t random_mask(void)
{
	static const uint32_t bits[] = {EPOLLIN,     EPOLLIN,    EPOLLIN,     EPOLLOUT,
					EPOLLOUT,    EPOLLRDHUP, EPOLLPRI,    EPOLLRDNORM,
					EPOLLWRNORM, EPOLLMSG,   EPOLLRDBAND, EPOLLWRBAND};
	uint32_t mask = 0;

	for (uint32_t n = random_below(4); n; n--)
		mask |= bits[random_below(sizeof(bits) / sizeof(bits[0]))];
	/* Linux wakes the watchers of an epoll with EPOLLIN alone, though it is both. */
	if (mask & EPOLLRDNORM)
		mask |= EPOLLIN;
	if (chance(40))
		mask |= EPOLLET;
	if (chance(15))
		mask |= EPOLLONESHOT;
	if (chance(5))
		mask |= EPOLLWAKEUP;
	if (chance(5))
		mask |= EPOLLEXCLUSIVE;
	return mask;
}

static void control(void)
{
	static const char *const names[] = {"", "add", "del", "mod"};
	int op = chance(50) ? EPOLL_CTL_ADD : chance(65) ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
	int ep = chance(97) ? pick(EPOLL) : pick_open();
	int fd = chance(97) ? pick_open() : FIRST_FD + (int)random_below(LAST_FD);
	uint32_t mask = random_mask();
	uint64_t data = random_below(1000);

	/* Linux wakes those who watch these for anything, though they only ever are readable. */
	if (fd <= LAST_FD && is_kind(fd, SIGNAL | INOTIFY))
		mask |= EPOLLIN;
	note("%s %d -> %d %x %llu", names[op], ep, fd, mask, (unsigned long long)data);
	note_result(ctl(ep, op, fd, mask, data));
}

static void put_some(void)
{
	static char block[200000];
	int fd = pick(WRITERS);
	uint64_t one = 1;

	note("write %d", fd);
	if (is_kind(fd, EVENT)) {
		if (chance(10))
			one = UINT64_MAX - 1;
		note_result(write(fd, &one, 8));
	} else {
		note_result(write(fd, block,
				  chance(80) ? 1 + random_below(3) : random_below(sizeof(block))));
	}
}

static void get_some(void)
{
	static char block[200000];
	int fd = pick(READERS);

	note("read %d", fd);
	note_result(read(fd, block,
			 is_kind(fd, EVENT)              ? 8
			 : is_kind(fd, SIGNAL | INOTIFY) ? 256
			 : chance(60)                    ? 1
							 : random_below(sizeof(block))));
}

/* For signalfds and inotify files: what makes them readable. */
static void happen(void)
{
	const char *name = chance(50) ? "a" : "b";

	if (chance(50)) {
		note("signal\n");
		must(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 0}));
	} else {
		note("mkdir %s\n", name);
		must(mkdir(name, 0700));
		must(rmdir(name));
	}
}

static int by_data(const void *a, const void *b)
{
	const struct epoll_event *x = a, *y = b;

	if (x->data.u64 != y->data.u64)
		return x->data.u64 < y->data.u64 ? -1 : 1;
	return x->events < y->events ? -1 : x->events > y->events;
}

static void wait_now(int ep)
{
	struct epoll_event ev[MAX_EVENTS];
	int n = epoll_wait(ep, ev, MAX_EVENTS, 0);

	note("wait %d", ep);
	if (n > 0)
		qsort(ev, (size_t)n, sizeof(ev[0]), by_data);
	for (int i = 0; i < n; i++)
		note(" %x:%llu", ev[i].events, (unsigned long long)ev[i].data.u64);
	note_result(n);
}

/* poll() of a few, epolls among them: it must not change what a wait will find. */
static void poll_some(void)
{
	struct pollfd f[4];
	int n;

	for (int i = 0; i < 4; i++)
		f[i] = (struct pollfd){i < 2 ? pick(EPOLL) : pick_open(),
				       (short)(random_mask() & 0x7ff), 0};
	n = poll(f, 4, 0);
	note("poll");
	for (int i = 0; i < 4; i++)
		note(" %d:%x", f[i].fd, f[i].revents);
	note_result(n);
}

/* The items as fdinfo has them, sorted. EPOLLWAKEUP stays only where the machine can be suspended. */
static void show(void)
{
	struct epoll_event items[MAX_EVENTS];
	unsigned long long data;
	char path[64], line[256];
	int ep = pick(EPOLL), n = 0, fd;
	unsigned events;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ep);
	f = fopen(path, "r");
	while (f && n < MAX_EVENTS && fgets(line, sizeof(line), f))
		if (sscanf(line, "tfd: %d events: %x data: %llx", &fd, &events, &data) == 3)
			items[n++] = (struct epoll_event){events & ~EPOLLWAKEUP,
							  {.u64 = data << 8 | (unsigned)fd}};
	if (f)
		fclose(f);
	qsort(items, (size_t)n, sizeof(items[0]), by_data);
	note("fdinfo %d:", ep);
	for (int i = 0; i < n; i++)
		note(" %d:%x:%llu", (int)(items[i].data.u64 & 255), items[i].events,
		     (unsigned long long)(items[i].data.u64 >> 8));
	note_result(n);
}

static void step(void)
{
	uint32_t r = random_below(100);

	if (r < 26)
		control();
	else if (r < 38)
		put_some();
	else if (r < 48)
		get_some();
	else if (r < 55)
		talk();
	else if (r < 58)
		happen();
	else if (r < 82)
		wait_now(chance(97) ? pick(EPOLL) : pick_open());
	else if (r < 88)
		poll_some();
	else if (r < 91)
		copy();
	else if (r < 95)
		shut();
	else if (r < 99)
		create();
	else
		show();
}

static void run(unsigned seed)
{
	state = seed;
	digest = 0xcbf29ce484222325u;
	for (int i = 0; i < 16; i++)
		create();
	for (int i = 0; i < STEPS; i++)
		step();
	while (sigtimedwait(&signals, NULL, &(struct timespec){0, 0}) > 0)
		;
	for (int fd = FIRST_FD; fd <= LAST_FD; fd++) {
		if (is_kind(fd, EPOLL))
			wait_now(fd);
		close(fd);
		kinds[fd] = CLOSED;
	}
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/epoll_random-XXXXXX";
	unsigned first = 1, last = SEEDS;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGRTMIN + 1);
	must(sigprocmask(SIG_BLOCK, &signals, NULL));
	must(mkdtemp(dir) ? 0 : -1);
	must(chdir(dir));
	for (int fd = FIRST_FD; fd < 256; fd++)
		close(fd); /* so that numbers are the same everywhere */
	verbose = argc == 2;
	if (argc > 1) {
		first = (unsigned)atoi(argv[1]);
		last = (unsigned)atoi(argv[argc - 1]);
	}
	for (unsigned seed = first; seed <= last; seed++) {
		run(seed);
		ok(true, "seed %u: %d steps, digest %016llx", seed, STEPS,
		   (unsigned long long)digest);
	}
	must(rmdir(dir));
	return tap_done();
}
