/*
 * Raw mode: the four cases of VMIN and VTIME, and what poll() makes of them. Nothing here depends on how
 * fast the machine is: where a read is to end by time, the time is longer than what it waits for, and
 * where it is not, there is none.
 */
#include "tap.h"

#include "pty.h"

static struct pty p;

static void raw(int vmin, int vtime)
{
	struct termios t;

	must(tcgetattr(p.s, &t));
	cfmakeraw(&t);
	t.c_cc[VMIN] = vmin;
	t.c_cc[VTIME] = vtime;
	must(tcsetattr(p.s, TCSANOW, &t));
}

/* A child types the pieces, each once the reader sleeps or has had time to. */
static pid_t typist(const char *const *pieces)
{
	pid_t pid = must(fork());

	if (pid)
		return pid;
	for (; *pieces; pieces++) {
		usleep(50000);
		put(p.m, *pieces);
	}
	_exit(0);
}

static void waits_for_bytes(void)
{
	static const char *const five[] = {"a", "bc", "de", NULL};
	char c[16];
	int n;

	raw(1, 0);
	put(p.m, "xyz");
	ok(sees(p.s, "xyz"), "VMIN 1: bytes come as they are");
	put(p.m, "\r\n\x03\x04\x7f\x11\x13\xff");
	ok(sees(p.s, "\r\n\x03\x04\x7f\x11\x13\xff"), "none of them is special");
	ok(silent(p.m), "and none is echoed");

	raw(5, 0);
	typist(five);
	ok(read(p.s, c, sizeof(c)) == 5 && !memcmp(c, "abcde", 5), "VMIN 5 waits for five");
	wait(NULL);
	put(p.m, "1234");
	ok(read(p.s, c, 3) == 3, "but not for more than fit");
	n = 0;
	put(p.m, "567");
	while (n < 4 && !ioctl(p.s, FIONREAD, &n))
		usleep(1000);
	ok(silent(p.s), "four of five are not ready for poll");
	put(p.m, "8");
	ok(ready(p.s, POLLIN), "five are");
	ok(read(p.s, c, sizeof(c)) == 5 && !memcmp(c, "45678", 5), "and can be read");
	fcntl(p.s, F_SETFL, O_RDWR | O_NONBLOCK);
	fails(read(p.s, c, sizeof(c)), EAGAIN);
	put(p.m, "ab");
	n = 0;
	while (n < 2 && !ioctl(p.s, FIONREAD, &n))
		usleep(1000);
	ok(read(p.s, c, sizeof(c)) == 2, "O_NONBLOCK takes what is there, whatever VMIN says");
	fcntl(p.s, F_SETFL, O_RDWR);
}

static void waits_for_time(void)
{
	static const char *const one[] = {"x", NULL};
	char c[16];

	raw(0, 0);
	ok(read(p.s, c, sizeof(c)) == 0, "VMIN 0, VTIME 0: nothing there is 0");
	fcntl(p.s, F_SETFL, O_RDWR | O_NONBLOCK);
	ok(read(p.s, c, sizeof(c)) == 0, "with O_NONBLOCK, too");
	raw(0, 1);
	fails(read(p.s, c, sizeof(c)), EAGAIN);
	fcntl(p.s, F_SETFL, O_RDWR);
	put(p.m, "now");
	ok(ready(p.s, POLLIN) && read(p.s, c, sizeof(c)) == 3, "what is there is read");

	ok(read(p.s, c, sizeof(c)) == 0, "VMIN 0, VTIME 1: after a tenth of a second 0");
	raw(0, 255);
	typist(one);
	ok(read(p.s, c, sizeof(c)) == 1 && *c == 'x', "VMIN 0, VTIME 255: the first byte ends it");
	wait(NULL);
}

static void waits_between_bytes(void)
{
	static const char *const one[] = {"x", NULL};
	static const char *const slow[] = {"a", "b", "c", NULL};
	char c[16];

	raw(3, 1);
	typist(one);
	ok(read(p.s, c, sizeof(c)) == 1, "VMIN 3, VTIME 1: a pause after the first byte ends it");
	wait(NULL);
	raw(3, 255);
	typist(slow);
	ok(read(p.s, c, sizeof(c)) == 3, "VMIN 3, VTIME 255: three bytes come before a pause does");
	wait(NULL);
	put(p.m, "x");
	ok(ready(p.s, POLLIN), "with a timer one byte is ready for poll");
	raw(3, 1);
	ok(read(p.s, c, sizeof(c)) == 1, "and is read after the pause");
}

int main(void)
{
	p = pty_open();
	waits_for_bytes();
	waits_for_time();
	waits_between_bytes();
	pty_close(p);
	return tap_done();
}
