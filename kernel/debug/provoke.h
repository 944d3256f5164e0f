/*
 * Errors made on purpose, so that a test can see that each checker reports its own. Checked build
 * only: provoke=NAME on the command line runs the function of that name at the end of the boot.
 */
#pragma once

#include "kernel/lib/types.h"

struct provoke {
	const char *name;
	void (*fn)(void);
};

/* PROVOKE(name) { ... } in process context, with interrupts on. */
#define PROVOKE(NAME) \
	static void provoke_##NAME(void); \
	static const struct provoke __provoke_##NAME \
		__attribute__((used, section(".provokes"), aligned(8))) = {#NAME, provoke_##NAME}; \
	static void provoke_##NAME(void)
