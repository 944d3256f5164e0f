/*
 * Output: the flags of c_oflag, the cursor's column, flow control, and how much a pair holds.
 */
#include "tap.h"

#include "pty.h"

static struct pty p;

static void writes(struct change c, const char *text, const char *want, const char *what)
{
	set(p.s, c);
	put(p.s, text);
	ok(sees(p.m, want), "%s", what);
}

static void output_flags(void)
{
	writes((struct change){0}, "a\nb\r\n", "a\r\nb\r\r\n", "ONLCR");
	writes((struct change){.ooff = ONLCR}, "a\nb\r\n", "a\nb\r\n", "without ONLCR");
	writes((struct change){.oon = OCRNL}, "a\rb\r", "a\nb\n", "OCRNL");
	put(p.s, "\r");
	sees(p.m, "\n");
	writes((struct change){.oon = ONLCR, .ooff = OCRNL}, "\r", "\r", "a carriage return");
	writes((struct change){.oon = ONOCR}, "\r\rab\r\rc\n", "ab\rc\r\n", "ONOCR");
	writes((struct change){.oon = XTABS, .ooff = ONOCR}, "\ta\tbcdefgh\tx\n",
	       "        a       bcdefgh x\r\n", "XTABS");
	writes((struct change){0}, "ab\b\tx\n", "ab\b       x\r\n", "a backspace goes back");
	writes((struct change){0}, "\x01\x02\tx\n", "\x01\x02        x\r\n",
	       "control characters take no column");
	writes((struct change){.ion = IUTF8}, "\xc3\xa4\tx\n", "\xc3\xa4       x\r\n",
	       "nor do the later bytes of UTF-8");
	writes((struct change){.ooff = OPOST, .ioff = IUTF8}, "a\n\tb\r", "a\n\tb\r",
	       "without OPOST nothing is changed");
	set(p.s, (struct change){.oon = OPOST, .ooff = XTABS});
}

/* Nothing is written while output is stopped: what the master then sees first tells the order. */
static void flow(void)
{
	char c;

	fcntl(p.m, F_SETFL, O_RDWR | O_NONBLOCK);
	fcntl(p.s, F_SETFL, O_RDWR | O_NONBLOCK);
	ok(!tcflow(p.s, TCOOFF), "tcflow stops output");
	fails(write(p.s, "x", 1), EAGAIN);
	fails(read(p.m, &c, 1), EAGAIN);
	ok(!tcflow(p.s, TCOON) && put(p.s, "y") && sees(p.m, "y"), "and starts it");
	ok(!tcflow(p.s, TCIOFF) && sees(p.m, "\x13"), "TCIOFF sends a ^S");
	ok(!tcflow(p.s, TCION) && sees(p.m, "\x11"), "TCION a ^Q");
	fails(tcflow(p.s, 4), EINVAL);

	put(p.m, "\x13");
	while (write(p.s, ".", 1) == 1)
		usleep(1000); /* until the ^S has come through */
	fails(write(p.s, "x", 1), EAGAIN);
	put(p.m, "\x11");
	ok(ready(p.s, POLLOUT), "^Q starts it again");
	while (read(p.m, &c, 1) == 1)
		;
	ok(put(p.s, "z\n") && sees(p.m, "z\r\n"), "and output passes");

	set(p.s, (struct change){.ion = IXANY});
	put(p.m, "\x13");
	while (write(p.s, ".", 1) == 1)
		usleep(1000);
	put(p.m, "a");
	ok(ready(p.s, POLLOUT), "with IXANY any key does");
	while (read(p.m, &c, 1) == 1)
		;
	put(p.m, "\x13");
	while (write(p.s, ".", 1) == 1)
		usleep(1000);
	set(p.s, (struct change){.ioff = IXON | IXANY});
	ok(ready(p.s, POLLOUT), "when IXON goes, nothing is stopped any more");
	tcflush(p.s, TCIFLUSH);
	while (read(p.m, &c, 1) == 1)
		;
	put(p.m, "\x13\x11\n");
	ok(reads(p.s, "\x13\x11\n"), "and ^S and ^Q are text");
	sees(p.m, "^S^Q\r\n");
	set(p.s, (struct change){.ion = IXON});
}

/* Both ends without a reader fill up, and everything arrives when one comes. */
static void fill(int from, int to, const char *what)
{
	static char block[64], got[4096];
	long sent = 0, came = 0;
	ssize_t n;

	memset(block, 'x', sizeof(block));
	while ((n = write(from, block, sizeof(block))) > 0) {
		sent += n;
		if (sent > 1000000)
			break;
	}
	ok(n == -1 && errno == EAGAIN && sent >= 4000, "%s: it fills up", what);
	while (came < sent && ready(to, POLLIN) && (n = read(to, got, sizeof(got))) > 0)
		came += n;
	ok(came == sent, "%s: nothing is lost", what);
	ok(ready(from, POLLOUT), "%s: there is room again", what);
}

int main(void)
{
	struct termios t;

	p = pty_open();
	output_flags();
	flow();
	must(tcgetattr(p.s, &t));
	cfmakeraw(&t);
	must(tcsetattr(p.s, TCSANOW, &t));
	fill(p.s, p.m, "slave to master");
	fill(p.m, p.s, "master to slave");
	pty_close(p);
	return tap_done();
}
