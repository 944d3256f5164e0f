/*
 * Hang-up: what is left of a pty pair when the master is closed, when the slave is, and when a session
 * leader ends.
 */
#include "tap.h"

#include <sys/epoll.h>

#include "pty.h"

static volatile sig_atomic_t got[65];

static void note(int sig)
{
	got[sig]++;
}

static short events_of(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI};

	poll(&pfd, 1, PATIENCE);
	return pfd.revents;
}

static void master_closes(void)
{
	struct pty p = pty_open();
	char name[64], c;
	struct termios t;
	int fd;

	snprintf(name, sizeof(name), "%s", ptsname(p.m));
	put(p.m, "never read\n");
	ok(ready(p.s, POLLIN), "a line waits at the slave");
	fd = must(open(name, O_RDWR | O_NOCTTY));
	close(fd);
	ok(access(name, F_OK) == 0, "the slave has a name");
	close(p.m);
	ok(events_of(p.s) == (POLLIN | POLLOUT | POLLERR | POLLHUP), "it polls everything after");
	ok(read(p.s, &c, 1) == 0, "reads its end");
	fails(write(p.s, "x", 1), EIO);
	fails(tcgetattr(p.s, &t), EIO);
	fails(tcsetpgrp(p.s, getpgrp()), ENOTTY);
	fails(access(name, F_OK), ENOENT);
	close(p.s);
}

/* A reader that sleeps on either end wakes. */
static void wakes(void)
{
	struct pty p = pty_open();
	int status;
	char c;
	pid_t pid = must(fork());

	if (!pid) {
		close(p.m);
		_exit(read(p.s, &c, 1) > 0);
	}
	usleep(50000);
	pty_close(p);
	must(waitpid(pid, &status, 0));
	ok(status == 0, "the slave's reader wakes when the master goes");

	p = pty_open();
	pid = must(fork());
	if (!pid) {
		close(p.s);
		_exit(read(p.m, &c, 1) != -1 || errno != EIO);
	}
	usleep(50000);
	close(p.s);
	must(waitpid(pid, &status, 0));
	ok(status == 0, "the master's reader wakes when the slave goes: EIO");
	close(p.m);
}

static void slave_closes(void)
{
	struct pty p = pty_open();
	char c;
	int two = dup(p.s);

	set(p.s, (struct change){.loff = ECHO});
	put(p.s, "rest");
	close(p.s);
	put(two, "\n");
	close(two);
	ok(sees(p.m, "rest\r\n"), "what was written before the close is read");
	fails(read(p.m, &c, 1), EIO);
	ok(events_of(p.m) == (POLLHUP | POLLOUT), "then it is EIO and POLLHUP");
	ok(put(p.m, "kept\n"), "the master may write");
	p.s = must(open(ptsname(p.m), O_RDWR | O_NOCTTY));
	ok(events_of(p.m) == POLLOUT, "the slave is opened again: no POLLHUP");
	ok(reads(p.s, "kept\n"), "and it reads what was written meanwhile");
	ok(put(p.s, "on\n") && sees(p.m, "on\r\n"), "the pair goes on");
	pty_close(p);
}

static void edges(void)
{
	struct pty p = pty_open();
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	int ep = must(epoll_create1(0)), one;

	must(epoll_ctl(ep, EPOLL_CTL_ADD, p.m, &ev));
	ok(epoll_wait(ep, &ev, 1, 0) == 0, "epoll: nothing yet");
	close(p.s);
	ok(epoll_wait(ep, &ev, 1, PATIENCE) == 1 && (ev.events & EPOLLHUP), "the close is an edge");
	close(p.m);
	p = pty_open();
	ev.events = EPOLLIN | EPOLLET;
	must(epoll_ctl(ep, EPOLL_CTL_ADD, p.s, &ev));
	close(p.m);
	one = epoll_wait(ep, &ev, 1, PATIENCE);
	ok(one == 1 &&
		   (ev.events & (EPOLLIN | EPOLLERR | EPOLLHUP)) == (EPOLLIN | EPOLLERR | EPOLLHUP),
	   "so is the master's at the slave");
	close(p.s);
	close(ep);
}

/* The session's leader hears of it, and once it has ended, the job in the foreground. */
static void leader_is_told(void)
{
	struct pty p = pty_open();
	int told[2], status;
	pid_t leader;
	char c[3] = "";

	must(pipe(told));
	leader = must(fork());
	if (!leader) {
		pid_t job;

		close(p.m);
		signal(SIGTTOU, SIG_IGN);
		setsid();
		ioctl(p.s, TIOCSCTTY, 0);
		job = fork();
		if (!job) {
			sigset_t set;
			int sig;

			setpgid(0, 0);
			tcsetpgrp(p.s, getpid());
			sigemptyset(&set);
			sigaddset(&set, SIGHUP);
			sigprocmask(SIG_BLOCK, &set, NULL);
			must(write(told[1], "r", 1));
			alarm(30);
			sigwait(&set, &sig);
			must(write(told[1], "h", 1));
			_exit(0);
		}
		pause(); /* SIGHUP ends it */
		_exit(0);
	}
	ok(read(told[0], c, 1) == 1 && *c == 'r', "a job in the foreground");
	pty_close(p);
	must(waitpid(leader, &status, 0));
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP, "the leader gets SIGHUP");
	ok(read(told[0], c, 1) == 1 && *c == 'h', "and, when it has ended, the job");
	close(told[0]);
	close(told[1]);
}

/* A leader that survives has no terminal any more. */
static void leader_survives(void)
{
	struct pty p = pty_open();
	struct sigaction sa = {.sa_handler = note};
	int status;
	pid_t leader = must(fork());

	if (!leader) {
		sigaction(SIGHUP, &sa, NULL);
		sigaction(SIGCONT, &sa, NULL);
		setsid();
		ioctl(p.s, TIOCSCTTY, 0);
		close(p.m);
		while (!got[SIGHUP] || !got[SIGCONT])
			usleep(1000);
		_exit(open("/dev/tty", O_RDWR) != -1 || errno != ENXIO || got[SIGHUP] != 1);
	}
	close(p.m);
	close(p.s);
	must(waitpid(leader, &status, 0));
	ok(status == 0, "a leader that survives its own SIGHUP has lost its terminal");
}

/* In a session whose terminal is the slave: vhangup(2), if that is allowed. 0: as it should be. */
static int hang_up(struct pty p)
{
	struct sigaction sa = {.sa_handler = note};
	struct termios t;
	char c;

	sigaction(SIGHUP, &sa, NULL);
	setsid();
	if (ioctl(p.s, TIOCSCTTY, 0))
		return 1;
	if (vhangup())
		return errno != EPERM || tcgetattr(p.s, &t);
	if (!got[SIGHUP] || read(p.s, &c, 1) != 0 || tcgetattr(p.s, &t) != -1 || errno != EIO)
		return 2;
	if (open("/dev/tty", O_RDWR) != -1 || errno != ENXIO)
		return 3;
	return vhangup() ? 4 : 0; /* nothing there to hang up */
}

static void vhangups(void)
{
	struct pty p = pty_open();
	int status;
	pid_t pid = must(fork());

	if (!pid)
		_exit(hang_up(p));
	must(waitpid(pid, &status, 0));
	ok(status == 0, "vhangup ends what was open");
	close(p.s);
	p.s = must(open(ptsname(p.m), O_RDWR | O_NOCTTY));
	ok(put(p.s, "new\n") && sees(p.m, "new\r\n"), "the terminal can be opened again");
	if (!must(fork())) {
		if (!geteuid())
			must(setuid(1234));
		_exit(!vhangup() || errno != EPERM);
	}
	wait(&status);
	ok(status == 0, "it is for CAP_SYS_TTY_CONFIG");
	pty_close(p);
}

/* A leader ends: its job in the foreground gets SIGHUP, and the pair goes on with another session. */
static void leader_ends(void)
{
	struct pty p = pty_open();
	int told[2], status;
	pid_t leader, job;

	must(pipe(told));
	leader = must(fork());
	if (!leader) {
		signal(SIGTTOU, SIG_IGN);
		setsid();
		ioctl(p.s, TIOCSCTTY, 0);
		job = fork();
		if (!job) {
			setpgid(0, 0);
			tcsetpgrp(p.s, getpid());
			must(write(told[1], "r", 1));
			close(told[1]);
			alarm(30);
			pause();
			_exit(0);
		}
		must(read(told[0], &status, 1));
		_exit(7);
	}
	close(told[1]);
	must(waitpid(leader, &status, 0));
	ok(WEXITSTATUS(status) == 7, "a leader ends");
	ok(read(told[0], &status, 1) == 0, "its job in the foreground, too");
	close(told[0]);
	ok(put(p.s, "on\n") && sees(p.m, "on\r\n"), "others may use the slave");
	leader = must(fork());
	if (!leader) {
		setsid();
		_exit(ioctl(p.s, TIOCSCTTY, 0) != 0 || tcgetpgrp(p.s) != getpid());
	}
	must(waitpid(leader, &status, 0));
	ok(status == 0, "and it can be the terminal of another session");
	pty_close(p);
}

/* A job that is stopped when its leader ends can never be continued by it: SIGHUP and SIGCONT. */
static void stopped_job(void)
{
	struct pty p = pty_open();
	int told[2], status;
	pid_t leader;
	char c;

	must(pipe(told));
	leader = must(fork());
	if (!leader) {
		pid_t job;

		setsid();
		ioctl(p.s, TIOCSCTTY, 0);
		job = fork();
		if (!job) {
			struct sigaction sa = {.sa_handler = note};

			setpgid(0, 0);
			sigaction(SIGHUP, &sa, NULL);
			sigaction(SIGCONT, &sa, NULL);
			alarm(30);
			raise(SIGSTOP);
			c = (char)(got[SIGHUP] + 2 * got[SIGCONT]);
			must(write(told[1], &c, 1));
			_exit(0);
		}
		waitpid(job, &status, WUNTRACED);
		_exit(0);
	}
	ok(read(told[0], &c, 1) == 1 && c == 3,
	   "a stopped job that is orphaned: SIGHUP and SIGCONT");
	must(waitpid(leader, &status, 0));
	close(told[0]);
	close(told[1]);
	pty_close(p);
}

int main(void)
{
	signal(SIGHUP, SIG_DFL);
	master_closes();
	wakes();
	slave_closes();
	edges();
	leader_is_told();
	leader_survives();
	vhangups();
	leader_ends();
	stopped_job();
	return tap_done();
}
