/*
 * Descriptor tables: the first of the three tables, from a small number to an open file. Threads
 * share one (CLONE_FILES), fork copies it, exec takes the close-on-exec ones out of it.
 *
 * fd[n] is the file at number n. Three bitmaps go with it: open_bits (in use, or reserved by a
 * system call that will install a file soon), cloexec_bits, and full_bits, where a bit stands for
 * a whole word of open_bits. POSIX wants the lowest free number, and with full_bits and the hint
 * next_fd it is found after a look at one word of each in all common cases, and after at most 256
 * words in a table of a million.
 *
 * A number goes  free -> reserved (bit set, no file) -> open -> free.  dup2() onto a reserved
 * number is -EBUSY, as on Linux.
 *
 * The hot path is fdget(): a table that only this task uses can change only by what this task does,
 * and a system call that has looked a file up does not close it. So a single-threaded process pays
 * for a lookup with two loads and a compare: no lock, no reference. In a shared table the lookup
 * takes files->lock and a reference; otherwise another thread's close() would free the file under
 * its feet.
 *
 * LOCKING
 *	files->lock       the arrays and the bitmaps. Process context. Never held over fput() or an
 *	                  allocation.
 *	task_files_lock   outside of files->lock: task->files and task->fs when they change (fstask.c).
 *	files->refs       only tasks hold references; 1 therefore means "mine alone".
 */

#include "fs/fdtable.h"
#include "fs/lock.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/vmalloc.h"
#include "kernel/sched/signal.h"

/* What get_unused_fd() and friends see is the first member. */
struct files_block {
	struct files f;
	struct file *fd_inline[FD_INLINE];
	unsigned long bits_inline[3]; /* open, cloexec, full */
};

static struct kmem_cache *files_cache;

void mark_used(struct files *files, unsigned fd, bool cloexec)
{
	set_bit(files->open_bits, fd);
	if (!~files->open_bits[fd / BITS])
		set_bit(files->full_bits, fd / BITS);
	if (cloexec)
		set_bit(files->cloexec_bits, fd);
	else
		clear_bit(files->cloexec_bits, fd);
}

void mark_free(struct files *files, unsigned fd)
{
	clear_bit(files->open_bits, fd);
	clear_bit(files->full_bits, fd / BITS);
	if (fd < files->next_fd)
		files->next_fd = fd;
}

/* The lowest free number >= @from; files->max if the table is full. */
static unsigned lowest_free(struct files *files, unsigned from)
{
	unsigned start = max(from, files->next_fd), words = files->max / BITS;
	unsigned w = start / BITS, n;

	if (start >= files->max)
		return start;
	n = find_clear(files->open_bits, (w + 1) * BITS, start);
	if (n < (w + 1) * BITS)
		return n;
	w = find_clear(files->full_bits, words, w + 1);
	return w == words ? files->max : find_clear(files->open_bits, files->max, w * BITS);
}

/* ---- the table itself ---- */

/* All four arrays of a table of @max slots (a multiple of 64) in one piece. */
static size_t arrays_size(unsigned max)
{
	unsigned words = max / BITS;

	return max * sizeof(struct file *) +
	       (2 * words + DIV_ROUND_UP(words, BITS)) * sizeof(unsigned long);
}

static void point_arrays(struct files *files, void *mem, unsigned max)
{
	unsigned long *bits = (unsigned long *)((struct file **)mem + max);

	files->fd = mem;
	files->open_bits = bits;
	files->cloexec_bits = bits + max / BITS;
	files->full_bits = bits + 2 * (max / BITS);
	files->max = max;
}

static bool is_inline(const struct files *files)
{
	return files->fd == container_of(files, struct files_block, f)->fd_inline;
}

struct files *files_alloc(unsigned slots)
{
	struct files_block *b = kmem_cache_alloc(files_cache, GFP_KERNEL | __GFP_ZERO);
	void *mem;

	if (!b)
		return NULL;
	refcount_set(&b->f.refs, 1);
	spin_lock_init(&b->f.lock);
	point_arrays(&b->f, b->fd_inline, FD_INLINE);
	if (slots <= FD_INLINE)
		return &b->f;
	mem = kvmalloc(arrays_size(slots), GFP_KERNEL);
	if (!mem) {
		kmem_cache_free(files_cache, b);
		return NULL;
	}
	memset(mem, 0, arrays_size(slots));
	point_arrays(&b->f, mem, slots);
	return &b->f;
}

static void files_free(struct files *files)
{
	if (!is_inline(files))
		kvfree(files->fd);
	kmem_cache_free(files_cache, container_of(files, struct files_block, f));
}

/* Copies the contents of @from into the larger arrays of @to. from->lock held. */
static void copy_arrays(struct files *to, const struct files *from)
{
	unsigned words = from->max / BITS;

	memcpy(to->fd, from->fd, from->max * sizeof(struct file *));
	memcpy(to->open_bits, from->open_bits, words * sizeof(long));
	memcpy(to->cloexec_bits, from->cloexec_bits, words * sizeof(long));
	memcpy(to->full_bits, from->full_bits, DIV_ROUND_UP(words, BITS) * sizeof(long));
}

int files_expand(struct files *files, unsigned fd)
{
	struct files bigger;
	unsigned max = FD_INLINE;
	void *mem, *old = NULL;

	if (fd >= NR_OPEN_MAX)
		return -EMFILE;
	while (max <= fd)
		max *= 2;
	spin_unlock(&files->lock);
	mem = kvmalloc(arrays_size(max), GFP_KERNEL);
	if (mem)
		memset(mem, 0, arrays_size(max));
	spin_lock(&files->lock);
	if (!mem)
		return -ENOMEM;
	if (files->max < max) {
		point_arrays(&bigger, mem, max);
		copy_arrays(&bigger, files);
		old = is_inline(files) ? NULL : files->fd;
		point_arrays(files, mem, max);
	} else {
		old = mem; /* another thread was faster */
	}
	spin_unlock(&files->lock);
	kvfree(old);
	spin_lock(&files->lock);
	return 0;
}

int close_one(struct files *files, struct file *f)
{
	int err = f->f_op->flush ? f->f_op->flush(f) : 0;

	locks_close(f, files);
	fput(f);
	return err;
}

void files_put(struct files *files)
{
	if (!refcount_dec_and_test(&files->refs))
		return;
	for (unsigned fd = 0; (fd = find_set(files->open_bits, files->max, fd)) < files->max;
	     fd++) {
		struct file *f = files->fd[fd];

		if (!f)
			continue;
		close_one(files, f);
		if (fd % 256 == 255)
			cond_resched();
	}
	files_free(files);
}

struct files *files_dup(struct files *old, unsigned limit)
{
	struct files *new;
	unsigned slots, top;

	spin_lock(&old->lock);
	for (;;) {
		for (top = old->max / BITS; top && !old->open_bits[top - 1]; top--)
			;
		top = min(top * BITS, ALIGN_UP(limit, BITS));
		for (slots = FD_INLINE; slots < top; slots *= 2)
			;
		spin_unlock(&old->lock);
		new = files_alloc(slots);
		if (!new)
			return NULL;
		spin_lock(&old->lock);
		if (old->max <= new->max || limit <= new->max ||
		    find_set(old->open_bits, old->max, new->max) == old->max)
			break;
		spin_unlock(&old->lock);
		files_free(new); /* it has grown meanwhile */
		spin_lock(&old->lock);
	}
	top = min(old->max, min(new->max, limit));
	for (unsigned fd = 0; (fd = find_set(old->open_bits, top, fd)) < top; fd++) {
		if (!old->fd[fd])
			continue; /* reserved by another thread: not ours */
		new->fd[fd] = get_file(old->fd[fd]);
		mark_used(new, fd, test_bit(old->cloexec_bits, fd));
	}
	spin_unlock(&old->lock);
	return new;
}

/* ---- looking up ---- */

/* With a reference, for a table that others use too. */
static struct file *fget_locked(struct files *files, unsigned fd, u32 refuse)
{
	struct file *f;

	spin_lock(&files->lock);
	f = fd < files->max ? files->fd[fd] : NULL;
	if (f && (f->f_mode & refuse))
		f = NULL;
	if (f)
		get_file(f);
	spin_unlock(&files->lock);
	return f;
}

static __always_inline struct fd __fdget(unsigned fd, u32 refuse)
{
	struct files *files = current->files;
	struct file *f;

	if (likely(refcount_read(&files->refs) == 1)) {
		if (unlikely(fd >= files->max))
			return (struct fd){NULL, false};
		f = files->fd[fd];
		if (unlikely(!f || (f->f_mode & refuse)))
			return (struct fd){NULL, false};
		return (struct fd){f, false};
	}
	f = fget_locked(files, fd, refuse);
	return (struct fd){f, f != NULL};
}

struct fd fdget(unsigned fd)
{
	return __fdget(fd, FMODE_PATH);
}

struct fd fdget_path(unsigned fd)
{
	return __fdget(fd, 0);
}

struct file *fget(unsigned fd)
{
	return fget_locked(current->files, fd, FMODE_PATH);
}

struct file *files_get(struct files *files, unsigned fd)
{
	return fget_locked(files, fd, 0);
}

/* ---- numbers ---- */

unsigned nofile_limit(void)
{
	if (!current->signal)
		return NR_OPEN_MAX;
	return (unsigned)min(READ_ONCE(current->signal->rlim[RLIMIT_NOFILE].rlim_cur),
			     (u64)NR_OPEN_MAX);
}

int get_unused_fd_from(unsigned from, u32 flags)
{
	struct files *files = current->files;
	unsigned limit = nofile_limit(), fd;
	int err;

	spin_lock(&files->lock);
	for (;;) {
		fd = lowest_free(files, from);
		err = -EMFILE;
		if (fd >= limit)
			goto out;
		if (fd < files->max)
			break;
		err = files_expand(files, fd);
		if (err)
			goto out;
	}
	mark_used(files, fd, flags & O_CLOEXEC);
	if (from <= files->next_fd)
		files->next_fd = fd + 1;
	err = (int)fd;
out:
	spin_unlock(&files->lock);
	return err;
}

void put_unused_fd(unsigned fd)
{
	struct files *files = current->files;

	spin_lock(&files->lock);
	mark_free(files, fd);
	spin_unlock(&files->lock);
}

void fd_install(unsigned fd, struct file *f)
{
	struct files *files = current->files;

	spin_lock(&files->lock);
	BUG_ON(files->fd[fd]);
	files->fd[fd] = f;
	spin_unlock(&files->lock);
}

int fd_install_new(struct file *f, u32 flags)
{
	int fd;

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	fd = get_unused_fd(flags);
	if (fd < 0)
		fput(f);
	else
		fd_install((unsigned)fd, f);
	return fd;
}

struct file *take_file(struct files *files, unsigned fd)
{
	struct file *f = fd < files->max ? files->fd[fd] : NULL;

	if (f) {
		files->fd[fd] = NULL;
		mark_free(files, fd);
	}
	return f;
}

int close_fd(unsigned fd)
{
	struct files *files = current->files;
	struct file *f;

	spin_lock(&files->lock);
	f = take_file(files, fd);
	spin_unlock(&files->lock);
	return f ? close_one(files, f) : -EBADF;
}

void close_numbers(struct files *files, unsigned first, unsigned last)
{
	unsigned done = 0;

	spin_lock(&files->lock);
	for (unsigned fd = first; (fd = find_set(files->open_bits, files->max, fd)) < files->max;
	     fd++) {
		struct file *f;

		if (fd > last)
			break;
		f = take_file(files, fd);
		if (!f)
			continue; /* reserved */
		spin_unlock(&files->lock);
		close_one(files, f);
		if (++done % 256 == 0)
			cond_resched();
		spin_lock(&files->lock);
	}
	spin_unlock(&files->lock);
}

static int __init fdtable_init(void)
{
	files_cache = kmem_cache_create("files_cache", sizeof(struct files_block), 0);
	return 0;
}
core_initcall(fdtable_init);
