/*
 * The cursor over the bytes of one read or write. The usual case, one user buffer, keeps its only
 * element inside the iterator, so a read() needs no memory beyond its stack.
 *
 * iov points at the element that is being consumed, offset says how far; count is what is left of
 * all. Only advance() and revert() move; the copy functions stop at the first byte that faults,
 * with the cursor on it.
 */

#include "kernel/lib/iov.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"

static void init_one(struct iov_iter *it, void *base, size_t len, bool kernel)
{
	it->one.iov_base = base;
	it->one.iov_len = len;
	it->iov = &it->one;
	it->nr = 1;
	it->offset = 0;
	it->count = len;
	it->kernel = kernel;
	it->append = false;
}

void iov_iter_user(struct iov_iter *it, void __user *buf, size_t len)
{
	init_one(it, buf, len, false);
}

void iov_iter_kernel(struct iov_iter *it, void *buf, size_t len)
{
	init_one(it, buf, len, true);
}

/* Checks the elements and cuts the total to MAX_RW_COUNT; 0, -EINVAL, -EFAULT. readv(2) */
static int check_elements(struct iov_iter *it, struct iovec *v, size_t nr)
{
	size_t total = 0;

	for (size_t i = 0; i < nr; i++) {
		if ((ssize_t)v[i].iov_len < 0)
			return -EINVAL;
		if (!access_ok(v[i].iov_base, v[i].iov_len))
			return -EFAULT;
		if (v[i].iov_len > MAX_RW_COUNT - total)
			v[i].iov_len = MAX_RW_COUNT - total;
		total += v[i].iov_len;
	}
	it->iov = v;
	it->nr = nr;
	it->offset = 0;
	it->count = total;
	it->kernel = it->append = false;
	return 0;
}

int iov_iter_import(struct iov_iter *it, const struct iovec __user *uvec, size_t nr,
		    struct iovec *fast, struct iovec **to_free)
{
	struct iovec *v = fast;
	int err;

	*to_free = NULL;
	if (nr > UIO_MAXIOV)
		return -EINVAL;
	if (nr > UIO_FASTIOV) {
		v = kmalloc(nr * sizeof(*v), GFP_KERNEL);
		if (!v)
			return -ENOMEM;
	}
	err = copy_from_user(v, uvec, nr * sizeof(*v)) ? -EFAULT : check_elements(it, v, nr);
	if (v != fast) {
		if (err)
			kfree(v);
		else
			*to_free = v;
	}
	return err;
}

void iov_iter_advance(struct iov_iter *it, size_t n)
{
	n = min(n, it->count);
	it->count -= n;
	n += it->offset;
	/* Steps over empty elements too, but never behind the last one: revert() starts there. */
	while (it->nr > 1 && n >= it->iov->iov_len) {
		n -= it->iov->iov_len;
		it->iov++;
		it->nr--;
	}
	it->offset = n;
}

void iov_iter_revert(struct iov_iter *it, size_t n)
{
	it->count += n;
	while (n > it->offset) {
		n -= it->offset;
		it->iov--;
		it->nr++;
		it->offset = it->iov->iov_len;
	}
	it->offset -= n;
}

/* What is done with one piece: the bytes NOT handled. */
enum direction { TO_ITER, FROM_ITER, ZERO_ITER };

static size_t move_piece(enum direction dir, void *base, void *buf, size_t n, bool kernel)
{
	switch (dir) {
	case TO_ITER:
		if (!kernel)
			return copy_to_user(base, buf, n);
		memcpy(base, buf, n);
		return 0;
	case FROM_ITER:
		if (!kernel)
			return copy_from_user(buf, base, n);
		memcpy(buf, base, n);
		return 0;
	case ZERO_ITER:
		if (!kernel)
			return clear_user(base, n);
		memset(base, 0, n);
		return 0;
	}
	return n;
}

static __always_inline size_t move_bytes(enum direction dir, void *buf, size_t n,
					 struct iov_iter *it)
{
	size_t done = 0;

	n = min(n, it->count);
	while (done < n) {
		size_t piece = min(n - done, it->iov->iov_len - it->offset);
		size_t left = 0;

		if (piece)
			left = move_piece(dir, (char *)it->iov->iov_base + it->offset,
					  (char *)buf + done, piece, it->kernel);
		iov_iter_advance(it, piece - left); /* steps over an empty element too */
		done += piece - left;
		if (left)
			break;
	}
	return done;
}

size_t copy_to_iter(const void *src, size_t n, struct iov_iter *it)
{
	return move_bytes(TO_ITER, (void *)src, n, it);
}

size_t copy_from_iter(void *dst, size_t n, struct iov_iter *it)
{
	return move_bytes(FROM_ITER, dst, n, it);
}

size_t iov_iter_zero(size_t n, struct iov_iter *it)
{
	return move_bytes(ZERO_ITER, NULL, n, it);
}
