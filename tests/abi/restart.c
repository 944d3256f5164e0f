/*
 * What a signal does to each system call that sleeps: the table of signal(7), walked.
 *
 *	handler		a handler without SA_RESTART runs: always EINTR
 *	restart		with SA_RESTART: some calls begin again and some still say EINTR
 *	stop		no handler; stopped and continued: most go on, and some say EINTR
 *
 * Each cell is a child that sleeps in the call. When it is seen asleep it gets its signal; when it
 * then is seen asleep again, what it waits for is made true, so the call comes to its end.
 */
#include "tap.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#define LONG_TIME 60 /* seconds, longer than any test takes */

static int told[2]; /* the child tells: ready, and handler has run */
static pid_t child;

/* What the child waits on; made before the fork, so both have it. */
static int fd, other = -1;
static uint32_t *word;
static char path[64];
static struct sockaddr_in address;

static void handler(int sig)
{
	char c = 'h';

	if (write(told[1], &c, 1) != 1)
		_exit(98);
}

static int done(long ret)
{
	return ret < 0 ? errno : 0;
}

/* The letter of proc(5): S asleep, Z dead. */
static char state_of(pid_t pid)
{
	char task[32];

	snprintf(task, sizeof(task), "%d", pid);
	return must(*proc_stat(task) ?: -1);
}

/* ---- pipes and FIFOs ---- */

static void setup_pipe(void)
{
	int p[2];

	must(pipe(p));
	fd = p[0];
	other = p[1];
}

static void setup_full_pipe(void)
{
	static char page[4096];

	setup_pipe();
	must(fcntl(other, F_SETFL, O_NONBLOCK));
	while (write(other, page, sizeof(page)) > 0)
		;
	must(fcntl(other, F_SETFL, 0));
}

static int call_read(void)
{
	char buf[256];

	return done(read(fd, buf, sizeof(buf)));
}

static void finish_write(void)
{
	must(write(other, "12345678", 8));
}

static int call_write(void)
{
	return done(write(other, "x", 1));
}

static void finish_full_pipe(void)
{
	static char all[65536];

	must(read(fd, all, sizeof(all)));
}

static void setup_fifo(void)
{
	snprintf(path, sizeof(path), "/tmp/restart-%d", getpid());
	must(mkfifo(path, 0600));
	fd = must(dup(0));
}

static int call_open_fifo(void)
{
	return done(open(path, O_RDONLY));
}

static void finish_fifo(void)
{
	other = must(open(path, O_RDWR | O_NONBLOCK));
}

static void end_fifo(void)
{
	unlink(path);
}

/* ---- files that are events ---- */

static void setup_eventfd(void)
{
	fd = must(eventfd(0, 0));
	other = must(dup(fd));
}

static void setup_full_eventfd(void)
{
	setup_eventfd();
	must(write(fd, &(uint64_t){UINT64_MAX - 1}, 8));
}

static int call_write_eventfd(void)
{
	return done(write(fd, &(uint64_t){5}, 8));
}

static void finish_read_eventfd(void)
{
	must(read(fd, &(uint64_t){0}, 8));
}

static void setup_timerfd(void)
{
	fd = must(timerfd_create(CLOCK_MONOTONIC, 0));
}

static void finish_timerfd(void)
{
	struct itimerspec it = {.it_value.tv_nsec = 1};

	must(timerfd_settime(fd, 0, &it, NULL));
}

static void setup_signalfd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	must(sigprocmask(SIG_BLOCK, &set, NULL));
	fd = must(signalfd(-1, &set, 0));
}

static void finish_usr2(void)
{
	must(kill(child, SIGUSR2));
}

static void setup_inotify(void)
{
	fd = must(inotify_init1(0));
	snprintf(path, sizeof(path), "/tmp/restart-%d", getpid());
	close(must(open(path, O_RDWR | O_CREAT, 0600)));
	must(inotify_add_watch(fd, path, IN_ATTRIB));
}

static void finish_inotify(void)
{
	must(chmod(path, 0644));
}

/* ---- waiting for many ---- */

static void setup_epoll(void)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int epfd = must(epoll_create1(0));

	setup_pipe();
	must(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev));
	must(dup2(epfd, 0)); /* descriptor 0 is the epoll */
	close(epfd);
}

static int call_epoll_wait(void)
{
	struct epoll_event ev;

	return done(epoll_wait(0, &ev, 1, -1));
}

static int call_epoll_pwait(void)
{
	struct epoll_event ev;
	sigset_t set;

	sigemptyset(&set);
	return done(epoll_pwait(0, &ev, 1, LONG_TIME * 1000, &set));
}

static int call_poll(void)
{
	struct pollfd p = {fd, POLLIN, 0};

	return done(poll(&p, 1, -1));
}

static int call_poll_timeout(void)
{
	struct pollfd p = {fd, POLLIN, 0};

	return done(poll(&p, 1, LONG_TIME * 1000));
}

static int call_ppoll(void)
{
	struct pollfd p = {fd, POLLIN, 0};
	struct timespec ts = {LONG_TIME, 0};
	sigset_t set;

	sigemptyset(&set);
	return done(ppoll(&p, 1, &ts, &set));
}

static int call_select(void)
{
	struct timeval tv = {LONG_TIME, 0};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return done(select(fd + 1, &set, NULL, NULL, &tv));
}

static int call_pselect(void)
{
	sigset_t mask;
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	sigemptyset(&mask);
	return done(pselect(fd + 1, &set, NULL, NULL, NULL, &mask));
}

/* ---- sockets ---- */

static int new_socket(int type)
{
	socklen_t len = sizeof(address);
	int s = must(socket(AF_INET, type, 0));

	address = (struct sockaddr_in){.sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	must(bind(s, (struct sockaddr *)&address, len));
	must(getsockname(s, (struct sockaddr *)&address, &len));
	return s;
}

static void setup_listener(void)
{
	fd = new_socket(SOCK_STREAM);
	must(listen(fd, 5));
}

static int call_accept(void)
{
	return done(accept(fd, NULL, NULL));
}

static void finish_connect(void)
{
	other = must(socket(AF_INET, SOCK_STREAM, 0));
	must(connect(other, (struct sockaddr *)&address, sizeof(address)));
}

static void setup_tcp(void)
{
	int listener;

	setup_listener();
	listener = fd;
	finish_connect();
	fd = must(accept(listener, NULL, NULL));
	close(listener);
}

static void setup_tcp_timeout(void)
{
	struct timeval tv = {LONG_TIME, 0};

	setup_tcp();
	must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
}

static int call_recv(void)
{
	char buf[16];

	return done(recv(fd, buf, sizeof(buf), 0));
}

static void setup_full_tcp(void)
{
	static char page[65536];

	setup_tcp();
	while (send(other, page, sizeof(page), MSG_DONTWAIT) > 0 ||
	       (usleep(20000), send(other, page, sizeof(page), MSG_DONTWAIT) > 0))
		;
}

static int call_send(void)
{
	return done(send(other, "x", 1, 0));
}

static void finish_full_tcp(void)
{
	static char all[65536];

	while (state_of(child) != 'Z') {
		while (recv(fd, all, sizeof(all), MSG_DONTWAIT) > 0)
			;
		usleep(1000);
	}
}

static void setup_udp(void)
{
	fd = new_socket(SOCK_DGRAM);
	other = must(socket(AF_INET, SOCK_DGRAM, 0));
	must(connect(other, (struct sockaddr *)&address, sizeof(address)));
}

static int call_recvmsg(void)
{
	char buf[16];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	return done(recvmsg(fd, &msg, 0));
}

/* ---- locks ---- */

static void setup_file(void)
{
	snprintf(path, sizeof(path), "/tmp/restart-%d", getpid());
	fd = must(open(path, O_RDWR | O_CREAT, 0600));
}

static void setup_flock(void)
{
	setup_file();
	must(flock(fd, LOCK_EX));
}

static int call_flock(void)
{
	return done(flock(must(open(path, O_RDWR)), LOCK_EX));
}

static void finish_flock(void)
{
	must(flock(fd, LOCK_UN));
}

static void setup_setlk(void)
{
	struct flock l = {.l_type = F_WRLCK};

	setup_file();
	must(fcntl(fd, F_SETLK, &l));
}

static int call_setlkw(void)
{
	struct flock l = {.l_type = F_WRLCK};

	return done(fcntl(fd, F_SETLKW, &l));
}

static void finish_setlk(void)
{
	struct flock l = {.l_type = F_UNLCK};

	must(fcntl(fd, F_SETLK, &l));
}

/* ---- the others ---- */

static void setup_word(void)
{
	word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fd = must(dup(1));
}

static int call_futex(void)
{
	return done(syscall(SYS_futex, word, 0 /* FUTEX_WAIT */, 0, NULL));
}

static int call_futex_timeout(void)
{
	struct timespec ts = {LONG_TIME, 0};

	return done(syscall(SYS_futex, word, 0, 0, &ts));
}

static int call_futex_bitset(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += LONG_TIME;
	return done(syscall(SYS_futex, word, 9 /* FUTEX_WAIT_BITSET */, 0, &ts, NULL, ~0));
}

static void finish_futex(void)
{
	must(syscall(SYS_futex, word, 1 /* FUTEX_WAKE */, 1));
}

static pid_t grandchild;

/* Its end is told by closing the pipe that it reads. */
static void fork_grandchild(void)
{
	char c;

	grandchild = must(fork());
	if (grandchild)
		return;
	close(other);
	signal(SIGUSR1, SIG_IGN);
	_exit(read(fd, &c, 1) < 0);
}

static int call_wait4(void)
{
	int status;

	return done(waitpid(-1, &status, 0));
}

static int call_waitid(void)
{
	siginfo_t info;

	return done(waitid(P_ALL, 0, &info, WEXITED));
}

static void setup_nothing(void)
{
	fd = must(dup(1));
}

static int call_pause(void)
{
	return done(pause());
}

static int call_sigsuspend(void)
{
	sigset_t set;

	sigemptyset(&set);
	return done(sigsuspend(&set));
}

static void setup_sigwait(void)
{
	setup_signalfd();
}

static int call_sigtimedwait(void)
{
	struct timespec ts = {LONG_TIME, 0};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return done(syscall(SYS_rt_sigtimedwait, &set, NULL, &ts, 8));
}

static int call_sigwaitinfo(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return done(syscall(SYS_rt_sigtimedwait, &set, NULL, NULL, 8));
}

/* Sleeps long enough to be seen asleep twice, and comes to its end by itself. */
static struct timespec nap = {0, 400000000};

static int call_nanosleep(void)
{
	return done(nanosleep(&nap, NULL));
}

static int call_clock_nanosleep(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += nap.tv_nsec;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	return errno;
}

static void finish_nothing(void)
{
}

/* ---- the table ---- */

#define AGAIN 0 /* the call begins again, and ends well */

static const struct row {
	const char *name;
	void (*setup)(void);
	int (*call)(void);
	void (*finish)(void);
	int restart, stop; /* EINTR or AGAIN; without SA_RESTART it is EINTR for all */
} table[] = {
	{"read of a pipe", setup_pipe, call_read, finish_write, AGAIN, AGAIN},
	{"write to a full pipe", setup_full_pipe, call_write, finish_full_pipe, AGAIN, AGAIN},
	{"open of a FIFO", setup_fifo, call_open_fifo, finish_fifo, AGAIN, AGAIN},
	{"read of an eventfd", setup_eventfd, call_read, finish_write, AGAIN, AGAIN},
	{"write to a full eventfd", setup_full_eventfd, call_write_eventfd, finish_read_eventfd,
	 AGAIN, AGAIN},
	{"read of a timerfd", setup_timerfd, call_read, finish_timerfd, AGAIN, AGAIN},
	{"read of a signalfd", setup_signalfd, call_read, finish_usr2, AGAIN, AGAIN},
	{"read of an inotify", setup_inotify, call_read, finish_inotify, AGAIN, AGAIN},
	{"epoll_wait", setup_epoll, call_epoll_wait, finish_write, EINTR, EINTR},
	{"epoll_pwait with a timeout", setup_epoll, call_epoll_pwait, finish_write, EINTR, EINTR},
	{"poll", setup_pipe, call_poll, finish_write, EINTR, AGAIN},
	{"poll with a timeout", setup_pipe, call_poll_timeout, finish_write, EINTR, AGAIN},
	{"ppoll", setup_pipe, call_ppoll, finish_write, EINTR, AGAIN},
	{"select", setup_pipe, call_select, finish_write, EINTR, AGAIN},
	{"pselect", setup_pipe, call_pselect, finish_write, EINTR, AGAIN},
	{"accept", setup_listener, call_accept, finish_connect, AGAIN, AGAIN},
	{"recv of TCP", setup_tcp, call_recv, finish_write, AGAIN, AGAIN},
	{"recv with SO_RCVTIMEO", setup_tcp_timeout, call_recv, finish_write, EINTR, EINTR},
	{"send to a full TCP", setup_full_tcp, call_send, finish_full_tcp, AGAIN, AGAIN},
	{"recvmsg of UDP", setup_udp, call_recvmsg, finish_write, AGAIN, AGAIN},
	{"flock", setup_flock, call_flock, finish_flock, AGAIN, AGAIN},
	{"fcntl F_SETLKW", setup_setlk, call_setlkw, finish_setlk, AGAIN, AGAIN},
	{"futex", setup_word, call_futex, finish_futex, AGAIN, AGAIN},
	{"futex with a timeout", setup_word, call_futex_timeout, finish_futex, EINTR, AGAIN},
	{"futex until a time", setup_word, call_futex_bitset, finish_futex, EINTR, AGAIN},
	{"wait4", setup_pipe, call_wait4, finish_write, AGAIN, AGAIN},
	{"waitid", setup_pipe, call_waitid, finish_write, AGAIN, AGAIN},
	{"pause", setup_nothing, call_pause, finish_nothing, EINTR, -1},
	{"sigsuspend", setup_nothing, call_sigsuspend, finish_nothing, EINTR, -1},
	{"sigtimedwait", setup_sigwait, call_sigtimedwait, finish_usr2, EINTR, EINTR},
	{"sigwaitinfo", setup_sigwait, call_sigwaitinfo, finish_usr2, EINTR, EINTR},
	{"nanosleep", setup_nothing, call_nanosleep, finish_nothing, EINTR, AGAIN},
	{"clock_nanosleep", setup_nothing, call_clock_nanosleep, finish_nothing, EINTR, AGAIN},
};

static char wait_for_state(void)
{
	char c;

	while ((c = state_of(child)) != 'S' && c != 'Z')
		usleep(1000);
	return c;
}

static void expect(char what)
{
	char c = 0;

	if (must(read(told[0], &c, 1)) != 1 || c != what)
		exit(97);
}

static void run_child(const struct row *row, int sa_flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = sa_flags};
	int err;

	must(sigaction(SIGUSR1, &sa, NULL));
	if (row->call == call_wait4 || row->call == call_waitid)
		fork_grandchild();
	must(write(told[1], "r", 1));
	err = row->call();
	if (grandchild) {
		kill(grandchild, SIGKILL);
		waitpid(grandchild, NULL, 0);
	}
	_exit(err);
}

/* The errno with which the call ends, 0 if well. */
static int try_row(const struct row *row, int sa_flags, bool stop)
{
	int status, saved = must(dup(0));

	row->setup();
	child = must(fork());
	if (!child)
		run_child(row, sa_flags);
	expect('r');
	wait_for_state();
	if (stop) {
		must(kill(child, SIGSTOP));
		must(waitpid(child, &status, WUNTRACED));
		must(kill(child, SIGCONT));
	} else {
		must(kill(child, SIGUSR1));
		expect('h');
	}
	if (wait_for_state() == 'S')
		row->finish();
	else if (row->call == call_wait4 || row->call == call_waitid)
		row->finish();
	must(waitpid(child, &status, 0));
	must(dup2(saved, 0));
	close(saved);
	close(fd);
	if (other >= 0)
		close(other);
	other = -1;
	end_fifo();
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void check(const struct row *row, const char *how, int got, int expected)
{
	if (got != expected)
		printf("# %d (%s)\n", got, strerror(got));
	ok(got == expected, "%s, %s: %s", row->name, how,
	   expected == EINTR ? "EINTR" : "begins again");
}

int main(void)
{
	must(pipe(told));
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct row *row = &table[i];

		check(row, "handler", try_row(row, 0, false), EINTR);
		check(row, "SA_RESTART", try_row(row, SA_RESTART, false), row->restart);
		if (row->stop >= 0)
			check(row, "stopped and continued", try_row(row, 0, true), row->stop);
	}
	return tap_done();
}
