/*
 * Rule: a wake-up says what has happened (its key), and an item whose mask has none of it does not hear
 * it, even if the file, asked, would say yes. So of a file that wakes with EPOLLIN and polls as EPOLLIN |
 * EPOLLRDNORM, an item that asks for EPOLLRDNORM alone is told when it is added and never again. A wake-up
 * without a key is heard by all.
 */
#include "epoll.h"

#include <pthread.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

static int pipefd[2], sockets[2], inner, event;
static char watched[] = "/tmp/wakekeysXXXXXX";

static int make_pipe(void)
{
	must(pipe(pipefd));
	return pipefd[0];
}

static void use_pipe(void)
{
	put(pipefd[1]);
}

static int make_socket(void)
{
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	return sockets[0];
}

static void use_socket(void)
{
	put(sockets[1]);
}

static int make_event(void)
{
	event = must(eventfd(0, 0));
	return event;
}

static void use_event(void)
{
	must(eventfd_write(event, 1));
}

static int make_epoll(void)
{
	inner = must(epoll_create1(0));
	must(ep_add(inner, make_event(), EPOLLIN));
	return inner;
}

static int make_timer(void)
{
	event = must(timerfd_create(CLOCK_MONOTONIC, 0));
	return event;
}

static void use_timer(void)
{
	struct itimerspec now = {.it_value.tv_nsec = 1};
	struct pollfd p = {event, POLLIN, 0};

	must(timerfd_settime(event, 0, &now, NULL));
	must(poll(&p, 1, SOON));
}

static int make_signal(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must(sigprocmask(SIG_BLOCK, &set, NULL));
	return must(signalfd(-1, &set, 0));
}

static void use_signal(void)
{
	must(kill(getpid(), SIGUSR1));
}

static int make_inotify(void)
{
	int fd = must(inotify_init());

	must(inotify_add_watch(fd, watched, IN_ATTRIB));
	return fd;
}

static void use_inotify(void)
{
	must(chmod(watched, 0600));
}

static const struct source {
	const char *name;
	int (*make)(void);
	void (*use)(void);
} sources[] = {
	{"pipe", make_pipe, use_pipe},          {"socket", make_socket, use_socket},
	{"eventfd", make_event, use_event},     {"epoll", make_epoll, use_event},
	{"timerfd", make_timer, use_timer},     {"signalfd", make_signal, use_signal},
	{"inotify", make_inotify, use_inotify},
};

/* What an edge-triggered item with this mask gets: told of the event, and when it asks. */
static void check(const struct source *s, uint32_t mask, const char *name)
{
	int ep = must(epoll_create1(0)), fd = s->make();
	struct epoll_event ev = {.events = 0};
	uint32_t told, asked;

	must(ep_add(ep, fd, mask | EPOLLET));
	s->use();
	must(epoll_wait(ep, &ev, 1, 0));
	told = ev.events;
	ev.events = 0;
	must(ep_mod(ep, fd, mask | EPOLLET));
	must(epoll_wait(ep, &ev, 1, 0));
	asked = ev.events;
	ok(true, "%s, %s: told %x, asked %x", s->name, name, told, asked);
	close(ep);
	close(fd);
}

static int deaf;

static void *waits_in_vain(void *tid)
{
	struct epoll_event ev;

	__atomic_store_n((pid_t *)tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	epoll_wait(deaf, &ev, 1, -1);
	return NULL;
}

/*
 *	source ── EPOLLEXCLUSIVE | EPOLLOUT ── deaf, with a waiter
 *	       └─ EPOLLEXCLUSIVE | EPOLLIN ─── hears
 *
 * A wake-up with EPOLLIN passes the first by; one without a key is spent on it.
 */
static void check_exclusive(const struct source *s)
{
	int hears = must(epoll_create1(0)), fd = s->make();
	pid_t tid = 0;
	pthread_t t;

	deaf = must(epoll_create1(0));
	must(ep_add(deaf, fd, EPOLLOUT | EPOLLEXCLUSIVE));
	must(ep_add(hears, fd, EPOLLIN | EPOLLEXCLUSIVE));
	pthread_create(&t, NULL, waits_in_vain, &tid);
	while (!__atomic_load_n(&tid, __ATOMIC_ACQUIRE) || !is_asleep(tid))
		usleep(1000);
	s->use();
	ok(true, "%s: the exclusive reader behind an exclusive writer is %s", s->name,
	   none(hears) ? "not told" : "told");
	close(hears);
	/* The thread stays until the end. */
}

int main(void)
{
	close(must(mkstemp(watched)));
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		check(&sources[i], EPOLLIN, "IN");
		check(&sources[i], EPOLLRDNORM, "RDNORM");
		check(&sources[i], EPOLLIN | EPOLLRDNORM, "both");
	}
	check_exclusive(&sources[0]);
	check_exclusive(&sources[6]);
	unlink(watched);
	return tap_done();
}
