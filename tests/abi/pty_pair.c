/*
 * Pseudo-terminals as things: numbers and names that come and go, locks, packet mode; and the ioctls of
 * a terminal, errno by errno.
 */
#include "tap.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "pty.h"

#define TCGETS_2 0x802c542au
#define TCSETS_2 0x402c542bu
#define TCGET_A  0x5405
#define TCSET_A  0x5406

static void names(void)
{
	int m = must(open("/dev/ptmx", O_RDWR | O_NOCTTY)), s, lock, n = -1;
	char path[64];
	struct stat st;

	ok(!ioctl(m, TIOCGPTN, &n) && n >= 0, "a number");
	snprintf(path, sizeof(path), "/dev/pts/%d", n);
	ok(!stat(path, &st) && S_ISCHR(st.st_mode), "a node");
	ok(major(st.st_rdev) == 136 && minor(st.st_rdev) == (unsigned)n, "of that number");
	ok(st.st_uid == geteuid() && (st.st_mode & 0777 & ~0020) == 0600, "that is the caller's");
	ok(!strcmp(ptsname(m), path), "ptsname");
	fails(open(path, O_RDWR | O_NOCTTY), EIO);
	ok(!ioctl(m, TIOCGPTLCK, &lock) && lock == 1, "it is locked");
	ok(!unlockpt(m) && !ioctl(m, TIOCGPTLCK, &lock) && lock == 0, "until unlockpt");
	s = must(open(path, O_RDWR | O_NOCTTY));
	ok(isatty(s) && isatty(m), "both are terminals");
	ok(ttyname(s) && !strcmp(ttyname(s), path), "ttyname");
	ok(ptsname_r(s, path, sizeof(path)) == ENOTTY, "the slave is no master");
	fails(lseek(s, 0, SEEK_CUR), ESPIPE);
	fails(pread(s, path, 1, 0), ESPIPE);
	lock = 1;
	ok(!ioctl(m, TIOCSPTLCK, &lock), "locked again");
	fails(open(ptsname(m), O_RDWR | O_NOCTTY), EIO);
	lock = 0;
	ioctl(m, TIOCSPTLCK, &lock);
	close(s);
	s = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	ok(s >= 0 && ttyname(s) && !strcmp(ttyname(s), ptsname(m)), "TIOCGPTPEER opens the slave");
	ok(fcntl(s, F_GETFD) == FD_CLOEXEC, "with O_CLOEXEC");
	close(s);
	close(m);
	fails(stat(path, &st), ENOENT);
}

static void many(void)
{
	struct pty all[20];
	int a, b;

	for (int i = 0; i < 20; i++) {
		all[i] = pty_open();
		put(all[i].s, "x");
	}
	must(ioctl(all[3].m, TIOCGPTN, &a));
	must(ioctl(all[4].m, TIOCGPTN, &b));
	ok(a != b, "twenty pairs have numbers of their own");
	for (int i = 19; i >= 0; i--) {
		if (!sees(all[i].m, "x"))
			ok(false, "pair %d", i);
		pty_close(all[i]);
	}
}

/* Three forms of the same settings. */
static void settings(void)
{
	struct pty p = pty_open();
	struct termios t;
	uint32_t two[11];
	struct {
		uint16_t flags[4];
		uint8_t line, cc[8];
	} old;

	must(tcgetattr(p.s, &t));
	ok(t.c_iflag == (ICRNL | IXON) && t.c_oflag == (OPOST | ONLCR), "c_iflag, c_oflag");
	ok(t.c_lflag == (ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN),
	   "c_lflag");
	ok(t.c_cflag == (B38400 | CS8 | CREAD) && cfgetospeed(&t) == B38400, "c_cflag");
	ok(t.c_cc[VINTR] == 3 && t.c_cc[VQUIT] == 28 && t.c_cc[VERASE] == 127 &&
		   t.c_cc[VKILL] == 21 && t.c_cc[VEOF] == 4 && t.c_cc[VMIN] == 1 &&
		   t.c_cc[VTIME] == 0 && t.c_cc[VSTART] == 17 && t.c_cc[VSTOP] == 19 &&
		   t.c_cc[VSUSP] == 26 && t.c_cc[VEOL] == 0 && t.c_cc[VREPRINT] == 18 &&
		   t.c_cc[VWERASE] == 23 && t.c_cc[VLNEXT] == 22 && t.c_cc[VEOL2] == 0,
	   "c_cc");
	t.c_lflag &= ~ECHO;
	t.c_cflag &= ~CREAD;
	cfsetspeed(&t, B9600);
	ok(!tcsetattr(p.m, TCSADRAIN, &t), "the master sets them");
	ok(!tcgetattr(p.s, &t) && !(t.c_lflag & ECHO) && cfgetospeed(&t) == B9600,
	   "the slave has them");
	ok(t.c_cflag == (B9600 | CS8 | CREAD), "CREAD is for ever");
	ok(!ioctl(p.s, TCGETS_2, two) && two[3] == t.c_lflag && two[9] == 9600 && two[10] == 9600,
	   "TCGETS2 has speeds");
	two[2] = (two[2] & ~CBAUD) | 0010000; /* BOTHER */
	two[9] = two[10] = 12345;
	two[3] |= ECHO;
	ok(!ioctl(p.s, TCSETS_2, two) && !ioctl(p.s, TCGETS_2, two) && two[10] == 12345,
	   "any speed");
	ok(!ioctl(p.s, TCGET_A, &old) && old.flags[3] == (uint16_t)two[3] && old.cc[VKILL] == 21,
	   "TCGETA");
	old.flags[3] &= ~ICANON;
	old.cc[VKILL] = 'k';
	ok(!ioctl(p.s, TCSET_A, &old) && !tcgetattr(p.s, &t) && !(t.c_lflag & ICANON) &&
		   (t.c_lflag & ECHO) && t.c_cc[VKILL] == 'k' && t.c_cc[VSUSP] == 26,
	   "TCSETA");
	fails(ioctl(p.s, TCGETS, (void *)8), EFAULT);
	fails(ioctl(p.s, TCSETS, (void *)8), EFAULT);
	fails(ioctl(p.s, TIOCGWINSZ, (void *)8), EFAULT);
	fails(ioctl(p.s, TIOCSWINSZ, (void *)8), EFAULT);
	pty_close(p);
}

/* What root locks stays as it is, whoever sets it. */
static void kept(void)
{
	struct pty p = pty_open();
	struct termios t;
	struct ktermios { /* the kernel's: fewer control characters */
		uint32_t flags[4];
		uint8_t line, cc[19], behind;
	} none = {.behind = 7}, some = {.flags[3] = ECHO, .cc[VKILL] = 1}, seen;
	bool root;

	memset(none.flags, 0xff, sizeof(none.flags));
	ok(!ioctl(p.s, TIOCGLCKTRMIOS, &none) && !none.flags[0] && !none.flags[3] &&
		   !none.cc[VKILL] && none.behind == 7,
	   "nothing is locked");
	root = !ioctl(p.m, TIOCSLCKTRMIOS, &some);
	ok(root || errno == EPERM, "TIOCSLCKTRMIOS");
	ok(!ioctl(p.m, TIOCGLCKTRMIOS, &seen) &&
		   !memcmp(&seen, root ? &some : &none, offsetof(struct ktermios, behind)),
	   "TIOCGLCKTRMIOS");
	must(tcgetattr(p.s, &t));
	t.c_lflag &= ~(ECHO | ICANON);
	t.c_cc[VKILL] = 'k';
	t.c_cc[VINTR] = 'i';
	ok(!tcsetattr(p.s, TCSANOW, &t) && !tcgetattr(p.s, &t), "the rest can be set");
	ok(!(t.c_lflag & ICANON) && t.c_cc[VINTR] == 'i', "and was");
	ok(!(t.c_lflag & ECHO) == !root && t.c_cc[VKILL] == (root ? 21 : 'k'),
	   "what is locked stays");
	fails(ioctl(p.s, TIOCGLCKTRMIOS, (void *)8), EFAULT);
	pty_close(p);
}

static void queues(void)
{
	struct pty p = pty_open();
	int n = -1;

	ok(!tcdrain(p.s) && !tcsendbreak(p.s, 0), "tcdrain, tcsendbreak");
	fails(tcflush(p.s, 3), EINVAL);
	fails(ioctl(p.s, 0x54ff, 0), ENOTTY);
	fails(ioctl(p.m, 0x54ff, 0), ENOTTY);
	fails(ioctl(p.s, TIOCGPTN, &n), ENOTTY);
	put(p.s, "four");
	ok(ready(p.m, POLLIN) && !ioctl(p.m, FIONREAD, &n) && n == 4, "FIONREAD of the master");
	ok(!tcflush(p.m, TCIFLUSH) && silent(p.m), "tcflush of the master");
	ok(!ioctl(p.s, TIOCOUTQ, &n) && n == 0, "TIOCOUTQ");
	ok(write(p.s, "", 0) == 0 && write(p.m, "", 0) == 0, "nothing is written");
	fails(write(p.s, (void *)8, 1), EFAULT);
	fails(write(p.m, (void *)8, 1), EFAULT);
	put(p.m, "x\n");
	ok(ready(p.s, POLLIN), "a line");
	fails(read(p.s, (void *)8, 2), EFAULT);
	if (ioctl(p.s, TIOCSTI, "t") == 0) /* root may, where it is allowed at all */
		ioctl(p.s, TIOCSTI, "\n");
	else
		put(p.m, "t\n");
	ok(reads(p.s, "t\n"), "TIOCSTI types");
	ok(!ioctl(p.s, TIOCEXCL) && !ioctl(p.s, 0x80045440u, &n) && n == 1, "TIOCEXCL");
	ok(!ioctl(p.s, TIOCNXCL) && !ioctl(p.s, 0x80045440u, &n) && n == 0, "TIOCNXCL");
	pty_close(p);
}

static void packets(void)
{
	struct pty p = pty_open();
	int one = 1, n = 0;
	struct pollfd pfd = {.fd = p.m, .events = POLLIN | POLLPRI};
	char c[16];

	ok(!ioctl(p.m, TIOCPKT, &one) && !ioctl(p.m, 0x80045438u, &n) && n == 1, "packet mode");
	put(p.s, "data");
	ok(ready(p.m, POLLIN) && read(p.m, c, sizeof(c)) == 5 && !memcmp(c, "\0data", 5),
	   "data comes behind a zero");
	must(tcflow(p.s, TCOOFF));
	ok(poll(&pfd, 1, PATIENCE) == 1 && pfd.revents == (POLLIN | POLLPRI), "a stop is POLLPRI");
	ok(read(p.m, c, sizeof(c)) == 1 && *c == TIOCPKT_STOP, "and a packet of its own");
	must(tcflow(p.s, TCOON));
	ok(read(p.m, c, sizeof(c)) == 1 && *c == TIOCPKT_START, "so is a start");
	set(p.s, (struct change){.ioff = IXON});
	ok(read(p.m, c, sizeof(c)) == 1 && *c == TIOCPKT_NOSTOP, "^S is no stop any more");
	set(p.s, (struct change){.ion = IXON});
	ok(read(p.m, c, sizeof(c)) == 1 && *c == TIOCPKT_DOSTOP, "now it is");
	must(tcflush(p.s, TCIFLUSH));
	ok(read(p.m, c, sizeof(c)) == 1 && *c == TIOCPKT_FLUSHREAD, "input was flushed");
	one = 0;
	ok(!ioctl(p.m, TIOCPKT, &one) && put(p.s, "x") && sees(p.m, "x"), "and without packets");
	pty_close(p);
}

/* Fields 7 and 8 of /proc/PID/stat. */
static void stat_fields(void)
{
	struct pty p = pty_open();
	int status, number = -1;
	pid_t pid;

	must(ioctl(p.m, TIOCGPTN, &number));
	pid = must(fork());
	if (!pid) {
		unsigned tty = 1;
		int front = 0, before;
		FILE *f;

		setsid();
		f = fopen("/proc/self/stat", "r");
		before = fscanf(f, "%*d %*s %*c %*d %*d %*d %u %d", &tty, &front) == 2 &&
			 tty == 0 && front == -1;
		fclose(f);
		ioctl(p.s, TIOCSCTTY, 0);
		f = fopen("/proc/self/stat", "r");
		_exit(!(before && fscanf(f, "%*d %*s %*c %*d %*d %*d %u %d", &tty, &front) == 2 &&
			tty == (136 << 8 | (unsigned)number) && front == getpid()));
	}
	must(waitpid(pid, &status, 0));
	ok(status == 0, "tty_nr and tpgid of /proc/PID/stat");
	pty_close(p);
}

int main(void)
{
	names();
	many();
	settings();
	kept();
	queues();
	packets();
	stat_fields();
	return tap_done();
}
