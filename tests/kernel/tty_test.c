/*
 * The terminal from below: a tty on a device that the test holds in its hands. What programs see of it
 * is tested by tests/abi/tty_*.c.
 */
#include "drivers/tty.h"
#include "kernel/lib/ktest.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"

#define ROOM 4096u

struct fake {
	struct tty tty;
	size_t room;
	size_t written;
	char text[128]; /* the first of it */
	bool could;     /* what tty_can_output() said while the last bytes were being written */
};

static struct fake *fake_of(struct tty *tty)
{
	return container_of(tty, struct fake, tty);
}

static size_t fake_write(struct tty *tty, const u8 *s, size_t n)
{
	struct fake *f = fake_of(tty);

	f->could = tty_can_output(tty);
	n = min(n, f->room);
	f->room -= n;
	for (size_t i = 0; i < n && f->written + i < sizeof(f->text) - 1; i++)
		f->text[f->written + i] = (char)s[i];
	f->written += n;
	return n;
}

static size_t fake_room(struct tty *tty)
{
	return fake_of(tty)->room;
}

static const struct tty_operations fake_operations = {
	.write = fake_write,
	.room = fake_room,
	.termios = TTY_TERMIOS(CS8 | CREAD, 115200),
};

static struct fake *fake_new(void)
{
	struct fake *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return NULL;
	tty_setup(&f->tty, &fake_operations, 0);
	f->room = ROOM;
	return f;
}

/* A writer that looks while a byte is being echoed goes on: nobody would wake it afterwards. */
KTEST(tty_echo_does_not_stop_writers)
{
	struct fake *f = fake_new();

	EXPECT(f);
	if (!f)
		return;
	EXPECT(tty_receive(&f->tty, (const u8 *)"x", 1) == 1);
	EXPECT(f->written == 1);
	EXPECT(f->could);
	kfree(f);
}

/* Echo that the device does not take goes first, and room for both is what a writer needs. */
KTEST(tty_echo_before_output)
{
	struct fake *f = fake_new();

	EXPECT(f);
	if (!f)
		return;
	f->room = 0;
	EXPECT(tty_receive(&f->tty, (const u8 *)"ab", 2) == 2);
	EXPECT(f->written == 0 && f->tty.nr_echo == 2);
	EXPECT(!tty_can_output(&f->tty));
	EXPECT(tty_output(&f->tty, (const u8 *)"c", 1) == 0);
	f->room = 9;
	EXPECT(!tty_can_output(&f->tty));
	f->room = 10;
	EXPECT(tty_can_output(&f->tty));
	EXPECT(tty_output(&f->tty, (const u8 *)"c", 1) == 1);
	EXPECT(f->written == 3 && f->tty.nr_echo == 0);
	kfree(f);
}

/* ---- what a typed byte does ---- */

/* @typed comes from the device; then programs may read exactly @lines, and the screen shows @echo. */
struct typing {
	const char *typed, *lines, *echo;
	u32 clear_iflag, clear_lflag, set_iflag;
};

/* What can be read is @lines; a NUL in the ring that is an end of file counts as '\004'. */
static bool can_read(const struct tty *tty, const char *lines)
{
	u32 i = tty->tail;

	for (; *lines; lines++, i++) {
		char c = (char)tty->buf[i % TTY_BUF_SIZE];

		if (tty_get_mark(tty->eof_mark, i))
			c = '\004';
		if (i == tty->ready || c != *lines)
			return false;
	}
	return i == tty->ready;
}

static bool does(const struct typing *t)
{
	struct fake *f = fake_new();
	struct termios2 termios;
	size_t n = strlen(t->typed);
	bool good;

	if (!f)
		return false;
	termios = f->tty.termios;
	termios.c_iflag = (termios.c_iflag & ~t->clear_iflag) | t->set_iflag;
	termios.c_lflag &= ~t->clear_lflag;
	tty_set_termios(&f->tty, termios, false);
	good = tty_receive(&f->tty, (const u8 *)t->typed, n) == n && can_read(&f->tty, t->lines) &&
	       tty_readable(&f->tty) == (*t->lines != '\0') && !strcmp(f->text, t->echo);
	kfree(f);
	return good;
}

#define DOES(typed_, lines_, echo_, ...) \
	does(&(struct typing){.typed = (typed_), .lines = (lines_), .echo = (echo_), ##__VA_ARGS__})

KTEST(tty_lines)
{
	EXPECT(DOES("ab", "", "ab"));
	EXPECT(DOES("ab\n", "ab\n", "ab\r\n"));
	EXPECT(DOES("ab\rc", "ab\n", "ab\r\nc"));
	EXPECT(DOES("a\nb\n", "a\nb\n", "a\r\nb\r\n"));
	EXPECT(DOES("a\r\n", "a\n", "a\r\n", .set_iflag = IGNCR));
	EXPECT(DOES("a\r\n", "a\r\n", "a^M\r\n", .clear_iflag = ICRNL));
	EXPECT(DOES("ab\n", "ab\n", "", .clear_lflag = ECHO));
	/* ^D ends a line without being part of it: a reader gets the two bytes, or nothing. */
	EXPECT(DOES("ab\004", "ab\004", "ab"));
	EXPECT(DOES("\004", "\004", ""));
}

KTEST(tty_editing)
{
	EXPECT(DOES("ab\177c\n", "ac\n", "ab\b \bc\r\n"));
	EXPECT(DOES("\177\177x\n", "x\n", "x\r\n"));
	EXPECT(DOES("a\n\177b\n", "a\nb\n", "a\r\nb\r\n"));
	EXPECT(DOES("junk\025x\n", "x\n", "junk\b \b\b \b\b \b\b \bx\r\n"));
	EXPECT(DOES("a bc. \027d\n", "a d\n", "a bc. \b \b\b \b\b \b\b \bd\r\n"));
	/* A control character is two columns, a tab goes to the next stop, UTF-8 is one column. */
	EXPECT(DOES("\001\177x\n", "x\n", "^A\b \b\b \bx\r\n"));
	EXPECT(DOES("abcdef\t\177x\n", "abcdefx\n", "abcdef\t\b\bx\r\n"));
	EXPECT(DOES("\303\274\177x\n", "x\n", "\303\274\b \bx\r\n", .set_iflag = IUTF8));
	/* After ^V every byte is text. */
	EXPECT(DOES("\026\003\n", "\003\n", "^\b^C\r\n"));
	EXPECT(DOES("\026\177\n", "\177\n", "^\b^?\r\n"));
	/* Without IEXTEN ^V and ^W are text themselves. */
	EXPECT(DOES("a\027\n", "a\027\n", "a^W\r\n", .clear_lflag = IEXTEN));
}

KTEST(tty_raw)
{
	EXPECT(DOES("a\177\025", "a\177\025", "", .clear_lflag = ICANON | ECHO));
	EXPECT(DOES("a\r", "a\n", "a\r\n", .clear_lflag = ICANON));
	EXPECT(DOES("\003", "\003", "", .clear_lflag = ICANON | ECHO | ISIG));
	/* ^C throws away what is being edited, echo that has not been sent too, and is no input. */
	EXPECT(DOES("ab\003c\n", "c\n", "^Cc\r\n"));
	EXPECT(DOES("a\023b\021\n", "ab\n", "ab\r\n"));
	EXPECT(DOES("a\023\n", "a\023\n", "a^S\r\n", .clear_iflag = IXON));
}

/* A line has at most TTY_LINE_MAX bytes, its end among them: what is too much is lost, the end never. */
KTEST(tty_long_line)
{
	struct fake *f = fake_new();
	const u8 x = 'x', nl = '\n';
	bool good = f;

	for (unsigned i = 0; good && i < TTY_LINE_MAX + 100; i++) {
		f->room = ROOM;
		good = tty_receive(&f->tty, &x, 1) == 1 && !tty_readable(&f->tty);
	}
	good = good && tty_receive(&f->tty, &nl, 1) == 1 &&
	       tty_input_count(&f->tty) == TTY_LINE_MAX && f->tty.buf[TTY_LINE_MAX - 1] == '\n';
	kfree(f);
	EXPECT(good);
}
