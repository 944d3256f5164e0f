/* Random numbers that cannot be guessed: ChaCha20 in the "fast key erasure" construction. */
#pragma once

#include "kernel/lib/types.h"

/* Any context. About 600 instructions for up to 32 bytes. */
void get_random_bytes(void *buf, size_t n);
u32 get_random_u32(void);
u64 get_random_u64(void);
/* Stirs in something an outsider cannot know exactly (a time stamp, a card's address). Any context. */
void add_randomness(const void *data, size_t n);
/* The same for the moment of an interrupt: a few instructions. Hard interrupt. */
void add_interrupt_randomness(void);
