/*
 * In-kernel unit tests. KTEST(name) { ... } defines one; booting with ktest=all (or ktest=prefix)
 * runs them before init, prints KTAP and powers the machine off. A test runs in process context on
 * a kernel thread of its own, may sleep, and must leave nothing behind: the runner compares the
 * number of free pages and of slab objects before and after.
 *
 * Tests live in tests/kernel/ and are linked into every kernel (they are dropped with .ktest
 * sections of a build with KTEST=0).
 */
#pragma once

#include "kernel/lib/types.h"

struct ktest {
	const char *name;
	void (*run)(void);
};

#define KTEST(id) \
	static void ktest_##id(void); \
	static const struct ktest __ktest_##id \
		__attribute__((used, section(".ktests"), aligned(8))) = {#id, ktest_##id}; \
	static void ktest_##id(void)

/* Records a failure with the place and the text, and leaves the test. */
#define EXPECT(cond) \
	do { \
		if (!(cond)) { \
			ktest_fail(__FILE__, __LINE__, #cond); \
			return; \
		} \
	} while (0)

void ktest_fail(const char *file, int line, const char *what);

/* Runs what the command line asks for; does not return if it asked for any. */
void ktest_run_all(void);

/* xorshift64*: repeatable noise for tests. */
static inline u64 ktest_rand(u64 *state)
{
	u64 x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}
