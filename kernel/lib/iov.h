/*
 * Where the bytes of a read or a write are: a list of user buffers (readv, sendmsg) or a kernel
 * buffer, behind one cursor, so that each file implements read and write once.
 */
#pragma once

#include "kernel/lib/types.h"

struct iovec {
	void __user *iov_base;
	size_t iov_len;
};
#define UIO_MAXIOV   1024
#define MAX_RW_COUNT 0x7ffff000ul /* more than this is cut to it, read(2) */

struct iov_iter {
	const struct iovec *iov; /* kernel copy of the array */
	size_t nr;               /* elements from iov on */
	size_t offset;           /* consumed of the first element */
	size_t count;            /* bytes left in all */
	bool kernel;             /* the bases are kernel addresses */
	bool append;             /* to be written behind the end: RWF_APPEND */
	struct iovec one;        /* storage for the single-buffer forms */
};

void iov_iter_user(struct iov_iter *it, void __user *buf, size_t len);
void iov_iter_kernel(struct iov_iter *it, void *buf, size_t len);
/*
 * Copies in the user's array of @nr elements. *fast has room for UIO_FASTIOV; a larger array is
 * kmalloc'ed and left in *to_free. 0, -EINVAL, -EFAULT, -ENOMEM.
 */
#define UIO_FASTIOV 8
int iov_iter_import(struct iov_iter *it, const struct iovec __user *uvec, size_t nr,
		    struct iovec *fast, struct iovec **to_free);

/* Copies at most @n bytes and moves on; returns the bytes copied, fewer only at a bad address or
 * at the end of the iterator. Process context, no spinlock held. */
size_t copy_to_iter(const void *src, size_t n, struct iov_iter *it);
size_t copy_from_iter(void *dst, size_t n, struct iov_iter *it);
size_t iov_iter_zero(size_t n, struct iov_iter *it);
void iov_iter_advance(struct iov_iter *it, size_t n);
/* Takes back the last @n bytes that were consumed. */
void iov_iter_revert(struct iov_iter *it, size_t n);
