/*
 * Sessions and job control on a pty: who gets a controlling terminal, who is in the foreground, whom
 * the keyboard's signals reach, and what happens to those in the background.
 *
 *	main -- leader		setsid(), and the slave is its terminal
 *	          `- job	in a process group of its own
 */
#include "tap.h"

#include "pty.h"

static struct pty p;
static volatile sig_atomic_t got[65];

static void note(int sig)
{
	got[sig]++;
}

static void catch (int sig, int flags)
{
	struct sigaction sa = {.sa_handler = note, .sa_flags = flags};

	sigaction(sig, &sa, NULL);
}

/* Runs @f as the leader of a session of its own; its count of tests goes on in main. */
static void session(void (*f)(void))
{
	int status, tell[2];
	pid_t pid;

	must(pipe(tell));
	pid = must(fork());
	if (pid == 0) {
		must(setsid());
		signal(SIGTTOU, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		alarm(60);
		f();
		must(write(tell[1], &tap_count, sizeof(tap_count)));
		must(write(tell[1], &tap_failed, sizeof(tap_failed)));
		_exit(0);
	}
	must(waitpid(pid, &status, 0));
	close(tell[1]);
	ok(read(tell[0], &tap_count, sizeof(tap_count)) == sizeof(tap_count) &&
		   read(tell[0], &tap_failed, sizeof(tap_failed)) == sizeof(tap_failed),
	   "the session is through");
	close(tell[0]);
	must(tcflush(p.s, TCIOFLUSH));
}

/* Starts @f in a process group of its own, with no handlers; what @f returns is its exit status. */
static pid_t job(int (*f)(void))
{
	int begun[2];
	pid_t pid;
	char c;

	must(pipe(begun));
	pid = must(fork());
	if (pid == 0) {
		setpgid(0, 0);
		for (int sig = SIGHUP; sig <= SIGTTOU; sig++)
			signal(sig, SIG_DFL);
		alarm(60);
		must(write(begun[1], "", 1));
		close(begun[0]);
		close(begun[1]);
		_exit(f());
	}
	close(begun[1]);
	must(read(begun[0], &c, 1));
	close(begun[0]);
	return pid;
}

/* What has become of it: the signal that stopped it, the one that killed it + 100, its status + 200. */
static int fate(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, WUNTRACED));
	if (WIFSTOPPED(status))
		return WSTOPSIG(status);
	return WIFSIGNALED(status) ? WTERMSIG(status) + 100 : WEXITSTATUS(status) + 200;
}

static void own(void)
{
	must(ioctl(p.s, TIOCSCTTY, 0));
}

/* ---- whose terminal it is ---- */

static void opening(void)
{
	int fd, id, none = 0x7fffffff;

	fails(open("/dev/tty", O_RDWR), ENXIO);
	fails(tcgetpgrp(p.s), ENOTTY);
	fd = must(open(ptsname(p.m), O_RDWR | O_NOCTTY));
	fails(open("/dev/tty", O_RDWR), ENXIO);
	close(fd);
	fd = must(open(ptsname(p.m), O_WRONLY));
	fails(open("/dev/tty", O_RDWR), ENXIO);
	close(fd);
	fd = must(open(ptsname(p.m), O_RDWR));
	ok(tcgetpgrp(fd) == getpgrp(), "open gives a leader its terminal and the foreground");
	ok(tcgetsid(fd) == getsid(0), "tcgetsid");
	ok(tcgetsid(p.m) == getsid(0) && tcgetpgrp(p.m) == getpgrp(), "the master knows, too");
	close(fd);
	fd = must(open("/dev/tty", O_RDWR));
	ok(put(fd, "hi\n") && sees(p.m, "hi\r\n"), "/dev/tty is the slave");
	ok(ioctl(fd, TIOCSCTTY, 0) == 0, "asking for what one has is well");
	fails(ioctl(fd, TIOCSPGRP, &none), ESRCH);
	fails((id = -1, ioctl(fd, TIOCSPGRP, &id)), EINVAL);
	fails((id = getppid(), ioctl(fd, TIOCSPGRP, &id)), EPERM);
	fails(ioctl(fd, TIOCSPGRP, (void *)8), EFAULT);
	catch (SIGHUP, 0);
	catch (SIGCONT, 0);
	ok(ioctl(fd, TIOCNOTTY) == 0, "a leader gives its terminal up");
	ok(got[SIGHUP] == 1 && got[SIGCONT] == 1, "SIGHUP and SIGCONT for the foreground");
	fails(ioctl(fd, TIOCNOTTY), ENOTTY);
	fails(open("/dev/tty", O_RDWR), ENXIO);
}

static void one_terminal(void)
{
	struct pty q = pty_open();
	int status;
	pid_t pid;

	own();
	fails(ioctl(q.s, TIOCSCTTY, 0), EPERM);
	ok(tcgetpgrp(p.s) == getpgrp(), "a session has one terminal");
	pid = must(fork());
	if (!pid) {
		setsid();
		_exit(ioctl(p.s, TIOCSCTTY, 0) == -1 && errno == EPERM &&
		      must(open(ptsname(p.m), O_RDWR)) && open("/dev/tty", O_RDWR) == -1 &&
		      tcgetsid(p.s) == -1 && errno == ENOTTY);
	}
	must(waitpid(pid, &status, 0));
	ok(WEXITSTATUS(status) == 1, "and a terminal one session");
	pid = must(fork());
	if (!pid)
		_exit(ioctl(q.s, TIOCSCTTY, 0) == -1 && errno == EPERM &&
		      ioctl(p.s, TIOCNOTTY) == 0 && open("/dev/tty", O_RDWR) == -1);
	must(waitpid(pid, &status, 0));
	ok(WEXITSTATUS(status) == 1,
	   "one that is no leader takes none, and gives it up for itself");
	ok(tcgetpgrp(p.s) == getpgrp(), "alone");
	pty_close(q);
}

/* ---- the keyboard ---- */

static int sleep_long(void)
{
	while (pause())
		;
	return 0;
}

/* The job in the foreground gets what is typed; the leader, who would note it, does not. */
static void keyboard(void)
{
	static const struct {
		const char *key, *echo, *name;
		int fate;
	} keys[] = {
		{"\x03", "^C", "^C", SIGINT + 100},
		{"\x1c", "^\\", "^\\", SIGQUIT + 100},
		{"\x1a", "^Z", "^Z", SIGTSTP},
	};
	pid_t pid;

	own();
	catch (SIGINT, 0);
	catch (SIGQUIT, 0);
	catch (SIGTSTP, 0);
	for (int i = 0; i < 3; i++) {
		pid = job(sleep_long);
		must(tcsetpgrp(p.s, pid));
		put(p.m, keys[i].key);
		ok(fate(pid) == keys[i].fate, "%s reaches the foreground", keys[i].name);
		ok(sees(p.m, keys[i].echo), "and is echoed");
		kill(pid, SIGKILL);
	}
	ok(fate(pid) == SIGKILL + 100, "a stopped one dies of SIGKILL");
	ok(!got[SIGINT] && !got[SIGQUIT] && !got[SIGTSTP], "the others got nothing");

	must(tcsetpgrp(p.s, getpgrp()));
	put(p.m, "typed");
	sees(p.m, "typed"); /* or the ^C would throw its echo away, too */
	put(p.m, "\x03");
	sees(p.m, "^C");
	put(p.m, "kept\n");
	ok(reads(p.s, "kept\n") && got[SIGINT] == 1, "^C throws away what was typed");
	sees(p.m, "kept\r\n");
	set(p.s, (struct change){.lon = NOFLSH});
	put(p.m, "all \x03");
	sees(p.m, "all ^C");
	put(p.m, "kept\n");
	ok(reads(p.s, "all kept\n") && got[SIGINT] == 2, "but not with NOFLSH");
	sees(p.m, "kept\r\n");
	set(p.s, (struct change){.loff = NOFLSH | ISIG});
	put(p.m, "\x03\n");
	ok(reads(p.s, "\x03\n") && got[SIGINT] == 2, "without ISIG it is text");
	sees(p.m, "^C\r\n");
	set(p.s, (struct change){.lon = ISIG});
}

static void window(void)
{
	struct winsize w = {.ws_row = 25, .ws_col = 80}, seen;

	own();
	catch (SIGWINCH, 0);
	ok(!ioctl(p.s, TIOCGWINSZ, &seen) && !seen.ws_row, "a new terminal has no size");
	ok(!ioctl(p.m, TIOCSWINSZ, &w), "the master sets it");
	ok(!ioctl(p.s, TIOCGWINSZ, &seen) && seen.ws_row == 25 && seen.ws_col == 80,
	   "the slave has it");
	while (!got[SIGWINCH])
		usleep(1000);
	ok(got[SIGWINCH] == 1, "SIGWINCH for the foreground");
	ok(!ioctl(p.s, TIOCSWINSZ, &w) && got[SIGWINCH] == 1, "but not if nothing changes");
}

/* ---- the background ---- */

static int read_line(void)
{
	char c[16];

	return read(p.s, c, sizeof(c)) == 3;
}

static int read_ignoring(void)
{
	char c;

	signal(SIGTTIN, SIG_IGN);
	return read(p.s, &c, 1) == -1 ? errno : 0;
}

static int read_blocking(void)
{
	sigset_t set;
	char c;

	sigemptyset(&set);
	sigaddset(&set, SIGTTIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return read(p.s, &c, 1) == -1 ? errno : 0;
}

static int read_caught(void)
{
	char c;

	catch (SIGTTIN, 0);
	return read(p.s, &c, 1) == -1 && got[SIGTTIN] ? errno : 0;
}

static void reading(void)
{
	pid_t pid;

	own();
	pid = job(read_line);
	ok(fate(pid) == SIGTTIN, "a read in the background stops");
	must(tcsetpgrp(p.s, pid));
	kill(-pid, SIGCONT);
	put(p.m, "ab\n");
	ok(fate(pid) == 201, "and goes on in the foreground");
	sees(p.m, "ab\r\n");
	must(tcsetpgrp(p.s, getpgrp()));
	ok(fate(job(read_ignoring)) == 200 + EIO, "with SIGTTIN ignored: EIO");
	ok(fate(job(read_blocking)) == 200 + EIO, "blocked: EIO");
	ok(fate(job(read_caught)) == 200 + EINTR, "caught: EINTR");
}

static int write_text(void)
{
	return put(p.s, "text\n");
}

static int write_ignoring(void)
{
	signal(SIGTTOU, SIG_IGN);
	return write_text();
}

static int change_mode(void)
{
	struct termios t;

	return tcgetattr(p.s, &t) == 0 && tcsetattr(p.s, TCSANOW, &t) == 0;
}

static int change_front(void)
{
	return tcsetpgrp(p.s, getpgrp()) == 0;
}

static int change_ignoring(void)
{
	signal(SIGTTOU, SIG_IGN);
	return change_mode() && tcflush(p.s, TCIFLUSH) == 0 && change_front();
}

static int change_queue(void)
{
	return tcflush(p.s, TCIFLUSH) == 0;
}

static int change_flow(void)
{
	return tcflow(p.s, TCOON) == 0;
}

static int set_size(void)
{
	struct winsize w = {0};

	return ioctl(p.s, TIOCSWINSZ, &w) == 0;
}

static void writing(void)
{
	static const struct {
		int (*f)(void);
		const char *what;
	} stops[] = {
		{change_mode, "tcsetattr"},
		{change_front, "tcsetpgrp"},
		{change_queue, "tcflush"},
		{change_flow, "tcflow"},
	};
	pid_t pid;

	own();
	ok(fate(job(write_text)) == 201 && sees(p.m, "text\r\n"),
	   "a write in the background passes");
	set(p.s, (struct change){.lon = TOSTOP});
	pid = job(write_text);
	ok(fate(pid) == SIGTTOU, "with TOSTOP it stops");
	set(p.s, (struct change){.loff = TOSTOP});
	kill(pid, SIGCONT);
	ok(fate(pid) == 201 && sees(p.m, "text\r\n"), "until TOSTOP goes and SIGCONT comes");
	set(p.s, (struct change){.lon = TOSTOP});
	ok(fate(job(write_ignoring)) == 201 && sees(p.m, "text\r\n"), "SIGTTOU ignored: it passes");
	set(p.s, (struct change){.loff = TOSTOP});

	for (int i = 0; i < 4; i++) {
		pid = job(stops[i].f);
		ok(fate(pid) == SIGTTOU, "%s in the background stops", stops[i].what);
		must(tcsetpgrp(p.s, pid));
		kill(pid, SIGCONT);
		ok(fate(pid) == 201, "%s in the foreground does not", stops[i].what);
		must(tcsetpgrp(p.s, getpgrp()));
	}
	ok(fate(job(set_size)) == 201, "the window's size may be set from there");
	ok(fate(job(change_ignoring)) == 201, "SIGTTOU ignored: all of it passes");
	must(tcsetpgrp(p.s, getpgrp()));
}

/* A group without a parent in its session cannot be continued by anybody: it is not stopped. */
static int orphan(void)
{
	char c;

	signal(SIGTTIN, SIG_DFL);
	signal(SIGTTOU, SIG_DFL);
	while (getppid() == getsid(0))
		usleep(1000);
	return (read(p.s, &c, 1) == -1 && errno == EIO) +
	       2 * (tcsetpgrp(p.s, getpgrp()) == -1 && errno == ENOTTY) +
	       4 * (tcflush(p.s, TCIFLUSH) == -1 && errno == EIO);
}

static int tell_pipe[2];

static int orphan_and_tell(void)
{
	pid_t pid = fork();
	char n;

	if (pid)
		_exit(0); /* its child is of this group, and now init's, or a reaper's, of another session */
	while (getppid() == getpgrp())
		usleep(1000);
	n = (char)orphan();
	return write(tell_pipe[1], &n, 1) != 1;
}

static void orphans(void)
{
	char n = 0;

	own();
	must(pipe(tell_pipe));
	ok(fate(job(orphan_and_tell)) == 200, "a parent leaves");
	ok(read(tell_pipe[0], &n, 1) == 1 && n == 7, "its orphan gets EIO and ENOTTY, and no stop");
}

int main(void)
{
	p = pty_open();
	session(opening);
	session(one_terminal);
	session(keyboard);
	session(window);
	session(reading);
	session(writing);
	session(orphans);
	pty_close(p);
	return tap_done();
}
