/*
 * The terminal from below: a tty on a device that the test holds in its hands. What programs see of it
 * is tested by tests/abi/tty_*.c.
 */
#include "drivers/tty.h"
#include "kernel/lib/ktest.h"
#include "kernel/mm/slab.h"

#define ROOM 4096u

struct fake {
	struct tty tty;
	size_t room;
	size_t written;
	bool could; /* what tty_can_output() said while the last bytes were being written */
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
