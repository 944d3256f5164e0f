/*
 * Record locks against a model: an array that says who holds what on each byte. Ranges are taken,
 * changed and given back at random; what is granted must be what the model allows, and each owner
 * must have exactly as many locks as the model has runs: split where needed, merged where possible.
 */
#include "fs/internal.h"
#include "fs/lock.h"
#include "kernel/lib/ktest.h"
#include "kernel/lib/string.h"

#define BYTES  48
#define OWNERS 3
#define FREE   F_UNLCK

static u8 held[OWNERS][BYTES + 1]; /* the last byte stands for all behind the others */

static bool model_conflict(int me, const struct file_lock *want, unsigned first, unsigned last)
{
	for (int o = 0; o < OWNERS; o++)
		for (unsigned b = first; o != me && b <= last; b++)
			if (held[o][b] != FREE && (held[o][b] == F_WRLCK || want->type == F_WRLCK))
				return true;
	return false;
}

static unsigned model_runs(int owner)
{
	unsigned n = 0;
	u8 before = FREE;

	for (unsigned b = 0; b <= BYTES; b++) {
		n += held[owner][b] != FREE && held[owner][b] != before;
		before = held[owner][b];
	}
	return n;
}

static bool step(struct inode *inode, u64 *seed)
{
	int me = (int)(ktest_rand(seed) % OWNERS);
	unsigned first = (unsigned)(ktest_rand(seed) % (BYTES + 1));
	unsigned last = first + (unsigned)(ktest_rand(seed) % (BYTES + 1 - first));
	struct file_lock want =
				 {
					 .owner = &held[me],
					 .type = (int)(ktest_rand(seed) % 3),
					 .start = first,
					 .end = last == BYTES ? LOCK_END : last,
				 },
			 found;
	bool conflict = want.type != F_UNLCK && model_conflict(me, &want, first, last);

	if (lock_conflict(inode, &want, &found) != conflict)
		return false;
	if (conflict &&
	    (found.owner == want.owner || found.start > want.end || found.end < want.start))
		return false;
	if (lock_range(inode, &want, LOCK_TRY_ONLY) != (conflict ? -EAGAIN : 0))
		return false;
	if (!conflict)
		memset(&held[me][first], want.type, last - first + 1);
	for (int o = 0; o < OWNERS; o++)
		if (lock_count(inode, &held[o]) != model_runs(o))
			return false;
	return true;
}

KTEST(lock_ranges)
{
	struct file *f = filp_open("/tmp/ktest", O_RDWR | O_CREAT | O_EXCL, 0600);
	u64 seed = 11;
	bool good = true;

	EXPECT(!IS_ERR(f));
	memset(held, FREE, sizeof(held));
	for (int i = 0; i < 20000 && good; i++) {
		good = step(f->f_inode, &seed);
		if (ktest_rand(&seed) % 64 == 0) {
			int o = (int)(ktest_rand(&seed) % OWNERS);

			locks_release(f->f_inode, &held[o]);
			memset(held[o], FREE, sizeof(held[o]));
		}
	}
	for (int o = 0; o < OWNERS; o++)
		locks_release(f->f_inode, &held[o]);
	fput(f);
	EXPECT(!do_unlinkat(AT_FDCWD, "/tmp/ktest"));
	EXPECT(good);
}
