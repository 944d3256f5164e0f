/*
 * Canonical mode: lines, what ends them, and editing with its echo. Everything is typed at the master
 * of a pty pair; ECHOCTL's ^X and "\b \b" come back from there.
 */
#include "tap.h"

#include "pty.h"

static struct pty p;

/* Types @text: the master sees @echo, and one read() of the slave gives @line. */
static void line(const char *text, const char *echo, const char *line_, const char *what)
{
	must(put(p.m, text) ? 0 : -1);
	ok(sees(p.m, echo), "%s: the echo", what);
	ok(reads(p.s, line_), "%s: the line", what);
}

static void lines(void)
{
	char c[8];

	line("abc\n", "abc\r\n", "abc\n", "a line");
	line("abc\r", "abc\r\n", "abc\n", "ICRNL makes a carriage return a newline");
	put(p.m, "one\ntwo\nthree\n");
	ok(sees(p.m, "one\r\ntwo\r\nthree\r\n"), "three lines at once are echoed");
	ok(reads(p.s, "one\n") && reads(p.s, "two\n") && reads(p.s, "three\n"),
	   "and a read takes one");
	put(p.m, "abcdef\n");
	sees(p.m, "abcdef\r\n");
	ok(ready(p.s, POLLIN) && read(p.s, c, 4) == 4 && !memcmp(c, "abcd", 4), "a short read");
	ok(reads(p.s, "ef\n"), "leaves the rest of the line");
	fails((fcntl(p.s, F_SETFL, O_RDWR | O_NONBLOCK), read(p.s, c, 8)), EAGAIN);
	put(p.m, "half");
	sees(p.m, "half");
	fails(read(p.s, c, 8), EAGAIN);
	fcntl(p.s, F_SETFL, O_RDWR);
	line(" done\n", " done\r\n", "half done\n", "the other half");
	line("\n", "\r\n", "\n", "an empty line");
}

static void ends(void)
{
	struct termios t;
	char c[8];

	line("text\x04", "text", "text", "^D after text");
	put(p.m, "\x04");
	ok(ready(p.s, POLLIN) && read(p.s, c, 8) == 0, "^D on an empty line is an end of file");
	put(p.m, "abcd\x04next\n");
	ok(sees(p.m, "abcdnext\r\n"), "text, ^D, text");
	ok(read(p.s, c, 4) == 4, "a read as long as the text");
	ok(reads(p.s, "next\n"), "has taken the ^D behind it too");
	put(p.m, "\x04\x04");
	ok(ready(p.s, POLLIN) && read(p.s, c, 8) == 0 && ready(p.s, POLLIN) && !read(p.s, c, 8),
	   "two ^D are two ends");
	must(tcgetattr(p.s, &t));
	t.c_cc[VEOL] = ';';
	t.c_cc[VEOL2] = '!';
	must(tcsetattr(p.s, TCSANOW, &t));
	line("a;", "a;", "a;", "VEOL");
	line("b!", "b!", "b!", "VEOL2");
	set(p.s, (struct change){.loff = IEXTEN});
	line("c!d;", "c!d;", "c!d;", "VEOL2 without IEXTEN is text");
	set(p.s, (struct change){.lon = IEXTEN});
	t.c_cc[VEOL] = t.c_cc[VEOL2] = 0;
	t.c_cc[VEOF] = 0;
	must(tcsetattr(p.s, TCSANOW, &t));
	line("x\x04y\n", "x^Dy\r\n", "x\x04y\n", "a ^D that is switched off");
	t.c_cc[VEOF] = 4;
	must(tcsetattr(p.s, TCSANOW, &t));
}

static void editing(void)
{
	line("abx\x7f"
	     "c\n",
	     "abx\b \bc\r\n", "abc\n", "erase");
	line("\x7fq\n", "q\r\n", "q\n", "erase on an empty line");
	line("a\x01\x7f\n", "a^A\b \b\b \b\r\n", "a\n", "erase of a control character");
	line("junk\x15ok\n", "junk\b \b\b \b\b \b\b \bok\r\n", "ok\n", "kill");
	line("one two\x17six\n", "one two\b \b\b \b\b \bsix\r\n", "one six\n", "erase a word");
	line("one two  \x17x\n", "one two  \b \b\b \b\b \b\b \b\b \bx\r\n", "one x\n",
	     "erase a word and the spaces behind it");
	line("a.b_9\x17\n", "a.b_9\b \b\b \b\b \b\r\n", "a.\n", "a word is letters, digits, _");
	line("ab\t\x7f"
	     "c\n",
	     "ab\t\b\b\b\b\b\bc\r\n", "abc\n", "erase of a tab");
	line("\t\t\x7fx\n", "\t\t\b\b\b\b\b\b\b\bx\r\n", "\tx\n", "erase of a tab behind a tab");
	line("x\x01\t\x7f\n", "x^A\t\b\b\b\b\b\r\n", "x\x01\n", "erase of a tab behind ^A");
	line("a\x16\x7f"
	     "b\n",
	     "a^\b^?b\r\n",
	     "a\x7f"
	     "b\n",
	     "^V takes the next as it is");
	line("a\x16\x03"
	     "b\n",
	     "a^\b^Cb\r\n",
	     "a\x03"
	     "b\n",
	     "^V and ^C");
	line("a\x16\nb\n", "a^\b^Jb\r\n", "a\nb\n", "^V and a newline that ends no line");
	line("abc\x12"
	     "d\n",
	     "abc^R\r\nabcd\r\n", "abcd\n", "^R shows the line again");
}

static void utf8(void)
{
	line("\xc3\xa4\x7f\n", "\xc3\xa4\b \b\r\n", "\xc3\n", "without IUTF8 a byte is erased");
	set(p.s, (struct change){.ion = IUTF8});
	line("a\xc3\xa4\x7fx\n", "a\xc3\xa4\b \bx\r\n", "ax\n", "with IUTF8 a character of two");
	line("\xe2\x82\xac\x7f\n", "\xe2\x82\xac\b \b\r\n", "\n", "of three");
	line("a\xc3\xa4"
	     "b\xe2\x82\xac\x15\n",
	     "a\xc3\xa4"
	     "b\xe2\x82\xac\b \b\b \b\b \b\b \b\r\n",
	     "\n", "kill");
	line("\xc3\xa4\t\x7fx\n", "\xc3\xa4\t\b\b\b\b\b\b\bx\r\n", "\xc3\xa4x\n",
	     "a tab behind such a character");
	set(p.s, (struct change){.ioff = IUTF8});
}

static void echo_flags(void)
{
	set(p.s, (struct change){.loff = ECHOE});
	line("ab\x7f\n", "ab^?\r\n", "a\n", "without ECHOE");
	set(p.s, (struct change){.lon = ECHOE, .loff = ECHOKE});
	line("ab\x15"
	     "c\n",
	     "ab^U\r\nc\r\n", "c\n", "without ECHOKE");
	set(p.s, (struct change){.loff = ECHOKE | ECHOK});
	line("ab\x15"
	     "c\n",
	     "ab^Uc\r\n", "c\n", "without ECHOKE and ECHOK");
	set(p.s, (struct change){.lon = ECHOKE | ECHOK, .loff = ECHOCTL});
	line("\x01\x7f"
	     "b\n",
	     "\x01"
	     "b\r\n",
	     "b\n", "without ECHOCTL");
	set(p.s, (struct change){.lon = ECHOCTL, .loff = ECHO});
	put(p.m, "secret\n");
	ok(reads(p.s, "secret\n") && silent(p.m), "without ECHO");
	set(p.s, (struct change){.lon = ECHONL});
	put(p.m, "secret\n");
	ok(sees(p.m, "\r\n") && reads(p.s, "secret\n"), "ECHONL echoes the newline");
	set(p.s, (struct change){.lon = ECHO, .loff = ECHONL});
}

static void input_flags(void)
{
	set(p.s, (struct change){.ion = INLCR, .ioff = ICRNL});
	line("a\nb\x04", "a^Mb", "a\rb", "INLCR");
	set(p.s, (struct change){.ioff = INLCR});
	line("a\rb\n", "a^Mb\r\n", "a\rb\n", "neither");
	set(p.s, (struct change){.ion = IGNCR | ICRNL});
	line("a\rb\n", "ab\r\n", "ab\n", "IGNCR");
	set(p.s, (struct change){.ion = ISTRIP | ICRNL, .ioff = IGNCR});
	line("\xe1\xe2\n", "ab\r\n", "ab\n", "ISTRIP");
	set(p.s, (struct change){.ioff = ISTRIP});
}

/* A line has room for 4095 bytes and its end. */
static void long_line(void)
{
	static char text[5001], got[8192];
	size_t n = 0;

	set(p.s, (struct change){.loff = ECHO});
	memset(text, 'x', 5000);
	must(put(p.m, text) && put(p.m, "\nshort\n") ? 0 : -1);
	ok(ready(p.s, POLLIN), "a line of 5000 bytes can be read");
	n = (size_t)read(p.s, got, sizeof(got));
	ok(n == 4096 && got[0] == 'x' && got[4094] == 'x' && got[4095] == '\n',
	   "it is cut to 4095 and the newline");
	ok(reads(p.s, "short\n"), "the next line is well");
	set(p.s, (struct change){.lon = ECHO});
}

static void changes(void)
{
	int n = -1;

	put(p.m, "ab\ncd");
	ok(sees(p.m, "ab\r\ncd"), "a line and a half");
	ok(!ioctl(p.s, FIONREAD, &n) && n == 3, "FIONREAD counts the line");
	set(p.s, (struct change){.loff = ICANON});
	ok(!ioctl(p.s, FIONREAD, &n) && n == 5, "and in raw mode all");
	ok(reads(p.s, "ab\ncd"), "which can be read");
	put(p.m, "raw\ntext");
	ok(sees(p.m, "raw^Jtext"), "raw text");
	set(p.s, (struct change){.lon = ICANON});
	ok(reads(p.s, "raw\ntext"), "is one line when the mode changes back");
	put(p.m, "away\nall of it");
	sees(p.m, "away\r\nall of it");
	ok(!tcflush(p.s, TCIFLUSH), "tcflush");
	ok(!ioctl(p.s, FIONREAD, &n) && n == 0 && silent(p.s), "forgets input");
	line("new\n", "new\r\n", "new\n", "and the next line begins empty");
}

int main(void)
{
	p = pty_open();
	lines();
	ends();
	editing();
	utf8();
	echo_flags();
	input_flags();
	long_line();
	changes();
	pty_close(p);
	return tap_done();
}
