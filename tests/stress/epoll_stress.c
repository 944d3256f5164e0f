/*
 * epoll_stress: no token is lost, each is seen once, whatever happens to the epolls meanwhile.
 *
 * Sources are pipes, eventfds and loopback TCP connections. In a round, actors write tokens to
 * them and at the same time add, modify, remove, dup, close and fork at random; then they stop, and
 * the round is over when consumers have seen every token. Nobody touches an epoll while the round
 * waits for that, and consumers sleep without a timeout: a wake-up that is lost stays lost, and the
 * watchdog shows where.
 *
 *	actors ── write() ──▶ source ──▶ ep[0..2] ──▶ consumer 0..2, each always on its own
 *	                                    └──▶ outer ──▶ consumer 3.., now here, now there
 *
 * A source is in one epoll, level- or edge-triggered or ONESHOT, or in two with EPOLLEXCLUSIVE.
 * Its lock covers the number of its descriptor, its way of watching, and reading; so a number is
 * never used after it was closed.
 */
#define _GNU_SOURCE
#include "stress.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define SOURCES    12
#define EPOLLS     3
#define OUTER      EPOLLS
#define CONSUMERS  6
#define MAX_TOKENS (1u << 20)
#define OPS        12 /* of an actor in a round */

#define MAGIC      0x70636b0000000000ull
#define MAGIC_MASK 0xffffff0000000000ull
#define DATA_STOP  0xffffu
#define DATA_NOISE 0x10000u /* of a descriptor that is not the source's own */
#define DATA_INNER 0x20000u

enum kind { PIPE, EVENTFD, TCP };
enum mode { LT, ET, ONESHOT, EXCLUSIVE, EXCLUSIVE_ET, MODES };

static const uint32_t mode_bits[MODES] = {0, EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE,
					  EPOLLEXCLUSIVE | EPOLLET};

static struct source {
	pthread_mutex_t lock;
	enum kind kind;
	int fd; /* [lock] to read from */
	int wfd;
	enum mode mode; /* [lock] */
	int ep;         /* [lock] which; exclusive ones are in the next, too */
} sources[SOURCES];

/* What children share. */
static struct shared {
	unsigned tokens_sent, tokens_seen; /* of all rounds */
	uint64_t counts_sent, counts_seen; /* in eventfds */
	int rearm[SOURCES];                /* a child took the event of a ONESHOT item */
	unsigned char seen[MAX_TOKENS];
} * sh;

static int ep[EPOLLS + 1], stop_fd;
static pthread_barrier_t barrier;
static bool done;

static void show(void)
{
	static const char *const kinds[] = {"pipe", "eventfd", "tcp"};
	static const char *const modes[] = {"LT", "ET", "ONESHOT", "EXCLUSIVE", "EXCLUSIVE|ET"};
	char path[64], line[200];

	fprintf(stderr, "tokens sent %u seen %u, counts sent %llu seen %llu\n", sh->tokens_sent,
		sh->tokens_seen, (unsigned long long)sh->counts_sent,
		(unsigned long long)sh->counts_seen);
	for (int i = 0; i < SOURCES; i++) {
		struct source *s = &sources[i];
		struct pollfd p = {.fd = s->fd, .events = POLLIN};

		poll(&p, 1, 0);
		fprintf(stderr, "source %d: %s, fd %d, %s in ep %d; poll says %x\n", i,
			kinds[s->kind], s->fd, modes[s->mode], s->ep, p.revents);
	}
	for (int i = 0; i <= EPOLLS; i++) {
		struct pollfd p = {.fd = ep[i], .events = POLLIN};
		FILE *f;

		poll(&p, 1, 0);
		fprintf(stderr, "epoll %d is fd %d; poll says %x\n", i, ep[i], p.revents);
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ep[i]);
		f = fopen(path, "r");
		while (f && fgets(line, sizeof(line), f))
			fputs(line, stderr);
		if (f)
			fclose(f);
	}
}

/* ---- reading ---- */

static void saw(uint64_t value)
{
	uint32_t number = (uint32_t)value;

	if ((value & MAGIC_MASK) != MAGIC) {
		if (value > OPS * 1000)
			fail("a read gave %llx", (unsigned long long)value);
		__atomic_add_fetch(&sh->counts_seen, value, __ATOMIC_ACQ_REL);
	} else {
		if (number >= MAX_TOKENS ||
		    __atomic_exchange_n(&sh->seen[number], 1, __ATOMIC_ACQ_REL))
			fail("token %u was seen before", number);
		__atomic_add_fetch(&sh->tokens_seen, 1, __ATOMIC_ACQ_REL);
	}
	moved();
}

/* All that is there, or one token of it. */
static void drain(int fd, bool all)
{
	uint64_t value;
	ssize_t n;

	do {
		n = read(fd, &value, sizeof(value));
		if (n == sizeof(value))
			saw(value);
		else if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			fail("read(%d) = %zd, errno %d", fd, n, errno);
	} while (all && n > 0);
}

static void arm(struct source *s)
{
	struct epoll_event ev = {.events = EPOLLIN | mode_bits[s->mode], .data.u64 = s - sources};

	check(!epoll_ctl(ep[s->ep], EPOLL_CTL_MOD, s->fd, &ev));
}

static void take_event(const struct epoll_event *ev)
{
	struct source *s = &sources[ev->data.u64 % DATA_NOISE];

	pthread_mutex_lock(&s->lock);
	drain(s->fd, s->mode != LT && s->mode != EXCLUSIVE);
	if (s->mode == ONESHOT && !(ev->data.u64 & DATA_NOISE))
		arm(s);
	pthread_mutex_unlock(&s->lock);
}

/* False: it is time to stop. */
static bool take_events(int which, int timeout, int room)
{
	struct epoll_event evs[8];
	int n = epoll_wait(ep[which], evs, room, timeout);

	if (n < 0 && errno != EINTR)
		fail("epoll_wait: errno %d", errno);
	for (int i = 0; i < n; i++) {
		uint64_t data = evs[i].data.u64;

		if (data == DATA_STOP)
			return false;
		if (data & DATA_INNER)
			take_events((int)(data % DATA_INNER), 0, room);
		else
			take_event(&evs[i]);
	}
	return true;
}

static void *consumer(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	struct rng r = rng_for(1000 + me);

	for (;;) {
		bool on;

		if (me < EPOLLS)
			on = take_events((int)me, -1, 1 + (int)below(&r, 8));
		else if (me == EPOLLS)
			on = take_events(OUTER, -1, 1 + (int)below(&r, 8));
		else
			on = take_events((int)below(&r, EPOLLS + 1), (int)below(&r, 5) - 1,
					 1 + (int)below(&r, 8));
		if (!on)
			return NULL;
	}
}

/* ---- acting ---- */

static void send_token(struct rng *r)
{
	struct source *s = &sources[below(r, SOURCES)];
	uint64_t value = 1 + below(r, 3);

	if (s->kind == EVENTFD) {
		__atomic_add_fetch(&sh->counts_sent, value, __ATOMIC_ACQ_REL);
	} else {
		uint32_t number = __atomic_fetch_add(&sh->tokens_sent, 1, __ATOMIC_ACQ_REL);

		if (number >= MAX_TOKENS)
			fail("more tokens than this program can count");
		value = MAGIC | number;
	}
	check(write(s->wfd, &value, sizeof(value)) == sizeof(value));
}

static void unwatch(struct source *s)
{
	check(!epoll_ctl(ep[s->ep], EPOLL_CTL_DEL, s->fd, NULL));
	if (s->mode >= EXCLUSIVE)
		check(!epoll_ctl(ep[(s->ep + 1) % EPOLLS], EPOLL_CTL_DEL, s->fd, NULL));
}

static void watch(struct source *s)
{
	struct epoll_event ev = {.events = EPOLLIN | mode_bits[s->mode], .data.u64 = s - sources};

	check(!epoll_ctl(ep[s->ep], EPOLL_CTL_ADD, s->fd, &ev));
	if (s->mode >= EXCLUSIVE)
		check(!epoll_ctl(ep[(s->ep + 1) % EPOLLS], EPOLL_CTL_ADD, s->fd, &ev));
}

/* Another epoll, another way of being watched, perhaps another number. */
static void move(struct rng *r)
{
	struct source *s = &sources[below(r, SOURCES)];
	enum mode mode = below(r, MODES);
	int which = (int)below(r, EPOLLS), fd = -1;
	bool dup_it = below(r, 2);

	pthread_mutex_lock(&s->lock);
	unwatch(s);
	if (dup_it) {
		fd = dup(s->fd);
		check(fd >= 0);
		close(s->fd);
		s->fd = fd;
	}
	s->mode = mode;
	s->ep = which;
	watch(s);
	pthread_mutex_unlock(&s->lock);
}

static void modify(struct rng *r)
{
	struct source *s = &sources[below(r, SOURCES)];
	enum mode mode = below(r, EXCLUSIVE);

	pthread_mutex_lock(&s->lock);
	if (s->mode < EXCLUSIVE) {
		s->mode = mode;
		arm(s);
	}
	pthread_mutex_unlock(&s->lock);
}

/* A second descriptor of a source comes and goes in somebody's epoll. */
static void visit(struct rng *r)
{
	unsigned i = below(r, SOURCES), which = below(r, EPOLLS);
	struct epoll_event ev = {.events = EPOLLIN | (below(r, 2) ? EPOLLET : 0),
				 .data.u64 = i | DATA_NOISE};
	int fd;

	pthread_mutex_lock(&sources[i].lock);
	fd = dup(sources[i].fd);
	pthread_mutex_unlock(&sources[i].lock);
	check(fd >= 0 && !epoll_ctl(ep[which], EPOLL_CTL_ADD, fd, &ev));
	sched_yield();
	check(!epoll_ctl(ep[which], EPOLL_CTL_DEL, fd, NULL) && !close(fd));
}

/* A file of our own is watched, made ready, and closed as it is. */
static void vanish(struct rng *r)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = below(r, SOURCES) | DATA_NOISE};
	int fd = eventfd(0, EFD_NONBLOCK);
	uint64_t one = 1;

	check(fd >= 0 && !epoll_ctl(ep[below(r, EPOLLS)], EPOLL_CTL_ADD, fd, &ev));
	check(write(fd, &one, sizeof(one)) == sizeof(one) && !close(fd));
}

/* An epoll of our own, under the outer one, watches sources and is closed as it is. */
static void private_epoll(struct rng *r)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = 0};
	int mine = epoll_create1(0);

	check(mine >= 0);
	for (unsigned n = below(r, 4), i = below(r, SOURCES); n; n--, i = (i + 1) % SOURCES) {
		pthread_mutex_lock(&sources[i].lock);
		check(!epoll_ctl(mine, EPOLL_CTL_ADD, sources[i].fd, &ev));
		pthread_mutex_unlock(&sources[i].lock);
	}
	ev.data.u64 = DATA_NOISE;
	ev.events = EPOLLIN | EPOLLET;
	if (below(r, 2))
		check(!epoll_ctl(ep[OUTER], EPOLL_CTL_ADD, mine, &ev));
	sched_yield();
	check(epoll_wait(mine, &ev, 1, 0) >= 0 && !close(mine));
}

/* A child takes part for a moment, with the descriptors as they are now. */
static void fork_consumer(struct rng *r)
{
	int which = (int)below(r, EPOLLS), status;
	pid_t pid;

	for (int i = 0; i < SOURCES; i++)
		pthread_mutex_lock(&sources[i].lock);
	pid = fork();
	for (int i = 0; pid && i < SOURCES; i++)
		pthread_mutex_unlock(&sources[i].lock);
	check(pid >= 0);
	if (pid) {
		check(waitpid(pid, &status, 0) == pid && status == 0);
		return;
	}
	for (int n = 0; n < 3; n++) {
		struct epoll_event ev;

		if (epoll_wait(ep[which], &ev, 1, 1) < 1 || ev.data.u64 == DATA_STOP)
			continue;
		drain(sources[ev.data.u64 % DATA_NOISE].fd, true);
		__atomic_store_n(&sh->rearm[ev.data.u64 % DATA_NOISE], 1, __ATOMIC_RELEASE);
	}
	_exit(0);
}

static void act(struct rng *r)
{
	unsigned n = below(r, 32);

	if (n < 16)
		send_token(r);
	else if (n < 20)
		move(r);
	else if (n < 23)
		modify(r);
	else if (n < 26)
		visit(r);
	else if (n < 28)
		vanish(r);
	else if (n < 31)
		private_epoll(r);
	else
		fork_consumer(r);
}

static void *actor(void *arg)
{
	struct rng r = rng_for((unsigned)(uintptr_t)arg);

	for (;;) {
		pthread_barrier_wait(&barrier);
		if (done)
			return NULL;
		for (int i = 0; i < OPS; i++)
			act(&r);
		pthread_barrier_wait(&barrier);
	}
}

/* ---- */

static void rearm_for_children(void)
{
	for (int i = 0; i < SOURCES; i++) {
		struct source *s = &sources[i];

		if (!__atomic_exchange_n(&sh->rearm[i], 0, __ATOMIC_ACQ_REL))
			continue;
		pthread_mutex_lock(&s->lock);
		if (s->mode == ONESHOT)
			arm(s);
		pthread_mutex_unlock(&s->lock);
	}
}

static bool all_seen(void)
{
	return __atomic_load_n(&sh->tokens_seen, __ATOMIC_ACQUIRE) == sh->tokens_sent &&
	       __atomic_load_n(&sh->counts_seen, __ATOMIC_ACQUIRE) == sh->counts_sent;
}

/* Both ends of a loopback connection. */
static void tcp_pair(int fds[2])
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	socklen_t len = sizeof(sa);

	check(listener >= 0 && !bind(listener, (struct sockaddr *)&sa, sizeof(sa)));
	check(!listen(listener, 1) && !getsockname(listener, (struct sockaddr *)&sa, &len));
	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	check(!connect(fds[1], (struct sockaddr *)&sa, sizeof(sa)));
	fds[0] = accept(listener, NULL, NULL);
	check(fds[0] >= 0);
	setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	close(listener);
}

static void open_source(int i)
{
	struct source *s = &sources[i];
	int fds[2];

	s->kind = i % 3;
	if (s->kind == PIPE)
		check(!pipe(fds));
	else if (s->kind == TCP)
		tcp_pair(fds);
	else
		check((fds[0] = fds[1] = eventfd(0, 0)) >= 0);
	s->fd = s->kind == EVENTFD ? dup(fds[0]) : fds[0];
	s->wfd = fds[1];
	check(!fcntl(s->fd, F_SETFL, O_NONBLOCK));
	pthread_mutex_init(&s->lock, NULL);
	s->ep = i % EPOLLS;
	watch(s);
}

static void open_all(void)
{
	struct epoll_event ev = {.events = EPOLLIN};

	for (int i = 0; i <= EPOLLS; i++)
		check((ep[i] = epoll_create1(EPOLL_CLOEXEC)) >= 0);
	stop_fd = eventfd(0, 0);
	for (int i = 0; i <= EPOLLS; i++) {
		ev.data.u64 = DATA_STOP;
		check(!epoll_ctl(ep[i], EPOLL_CTL_ADD, stop_fd, &ev));
		ev.data.u64 = DATA_INNER + (unsigned)i;
		if (i < EPOLLS)
			check(!epoll_ctl(ep[OUTER], EPOLL_CTL_ADD, ep[i], &ev));
	}
	for (int i = 0; i < SOURCES; i++)
		open_source(i);
}

int main(int argc, char **argv)
{
	pthread_t consumers[CONSUMERS], actors[64];
	unsigned long rounds = 0;
	uint64_t one = 1;

	start(argc, argv, 4);
	check(options.actors <= 64);
	sh = shared_memory(sizeof(*sh));
	open_all();
	say_state = show;
	pthread_barrier_init(&barrier, NULL, options.actors + 1);
	for (unsigned i = 0; i < CONSUMERS; i++)
		check(!pthread_create(&consumers[i], NULL, consumer, (void *)(uintptr_t)i));
	for (unsigned i = 0; i < options.actors; i++)
		check(!pthread_create(&actors[i], NULL, actor, (void *)(uintptr_t)i));
	for (; go_on(rounds) && sh->tokens_sent < MAX_TOKENS - 64 * OPS; rounds++) {
		pthread_barrier_wait(&barrier); /* they act */
		pthread_barrier_wait(&barrier); /* they have acted */
		rearm_for_children();
		while (!all_seen())
			nap(200);
	}
	done = true;
	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < options.actors; i++)
		pthread_join(actors[i], NULL);
	check(write(stop_fd, &one, sizeof(one)) == sizeof(one));
	for (unsigned i = 0; i < CONSUMERS; i++)
		pthread_join(consumers[i], NULL);
	check(all_seen());
	printf("%s: ok, %lu rounds, %u tokens\n", options.name, rounds, sh->tokens_sent);
	return 0;
}
