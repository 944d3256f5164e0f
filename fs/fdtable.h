/* The inside of a descriptor table, for fdtable.c, dup.c and fstask.c. See fdtable.c. */
#pragma once

#include "fs/internal.h"

#define BITS      64u
#define FD_INLINE 64u /* slots inside the object: enough for most processes */

static inline bool test_bit(const unsigned long *map, unsigned n)
{
	return map[n / BITS] >> (n % BITS) & 1;
}

static inline void set_bit(unsigned long *map, unsigned n)
{
	map[n / BITS] |= 1ul << (n % BITS);
}

static inline void clear_bit(unsigned long *map, unsigned n)
{
	map[n / BITS] &= ~(1ul << (n % BITS));
}

/* The first clear bit at or above @from; @size if there is none. */
static inline unsigned find_clear(const unsigned long *map, unsigned size, unsigned from)
{
	unsigned w = from / BITS;
	unsigned long below = (1ul << (from % BITS)) - 1;

	for (; w * BITS < size; w++, below = 0) {
		unsigned long free = ~(map[w] | below);

		if (free)
			return min(w * BITS + (unsigned)__builtin_ctzl(free), size);
	}
	return size;
}

/* The first set bit at or above @from; @size if there is none. */
static inline unsigned find_set(const unsigned long *map, unsigned size, unsigned from)
{
	unsigned w = from / BITS;
	unsigned long mask = ~0ul << (from % BITS);

	for (; w * BITS < size; w++, mask = ~0ul)
		if (map[w] & mask)
			return min(w * BITS + (unsigned)__builtin_ctzl(map[w] & mask), size);
	return size;
}

/* files->lock held for these three. */
void mark_used(struct files *files, unsigned fd, bool cloexec);
void mark_free(struct files *files, unsigned fd);
/* Takes the file out of the table; NULL if there is none. */
struct file *take_file(struct files *files, unsigned fd);
/*
 * Makes room for number @fd. files->lock held; drops it meanwhile, so the caller looks again. 0,
 * -ENOMEM, -EMFILE.
 */
int files_expand(struct files *files, unsigned fd);

struct files *files_alloc(unsigned slots); /* NULL without memory */
/* A copy of @old with every open descriptor up to number @limit (exclusive); NULL. */
struct files *files_dup(struct files *old, unsigned limit);
/* Drops a task's reference; the last one closes everything. */
void files_put(struct files *files);
/* flush(), record locks and fput(): one descriptor of @files less. What flush() said. */
int close_one(struct files *files, struct file *f);
void close_numbers(struct files *files, unsigned first, unsigned last); /* both inclusive */
unsigned nofile_limit(void);                                            /* of the current process */

/* ---- fstask.c ---- */
/* Gives the current task a table of its own that holds the numbers below @limit. 0, -ENOMEM. */
int unshare_files(unsigned limit);
