/*
 * Counters and flags that several CPUs change without a lock. Every operation that returns a value
 * is a full barrier; atomic_read, atomic_set, atomic_inc and atomic_dec order nothing.
 *
 * refcount_t is the count of references to an object. It panics where a plain integer would turn a
 * bug into a use after free: an increment from zero, or a decrement below it.
 */
#pragma once

#include "kernel/lib/types.h"
#include "kernel/lib/printk.h"

typedef struct {
	int v;
} atomic_t;
typedef struct {
	long v;
} atomic64_t;

#define ATOMIC_INIT(i) \
	{ \
		(i) \
	}

/* Each of these works on atomic_t and atomic64_t alike. */
#define atomic_read(a)          READ_ONCE((a)->v)
#define atomic_set(a, i)        WRITE_ONCE((a)->v, (i))
#define atomic_add(a, i)        ((void)__atomic_fetch_add(&(a)->v, (i), __ATOMIC_RELAXED))
#define atomic_sub(a, i)        ((void)__atomic_fetch_sub(&(a)->v, (i), __ATOMIC_RELAXED))
#define atomic_inc(a)           atomic_add(a, 1)
#define atomic_dec(a)           atomic_sub(a, 1)
#define atomic_add_return(a, i) __atomic_add_fetch(&(a)->v, (i), __ATOMIC_SEQ_CST)
#define atomic_sub_return(a, i) __atomic_sub_fetch(&(a)->v, (i), __ATOMIC_SEQ_CST)
#define atomic_inc_return(a)    atomic_add_return(a, 1)
#define atomic_dec_and_test(a)  (atomic_sub_return(a, 1) == 0)
#define xchg(p, v)              __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)

/* Stores @new in *@p if it holds @old; returns what *@p held. */
#define cmpxchg(p, old, new) \
	({ \
		typeof(*(p)) _old = (old); \
		__atomic_compare_exchange_n((p), &_old, (new), false, __ATOMIC_SEQ_CST, \
					    __ATOMIC_SEQ_CST); \
		_old; \
	})

typedef struct {
	int v;
} refcount_t;

#define REFCOUNT_INIT(n) \
	{ \
		(n) \
	}

static inline void refcount_set(refcount_t *r, int n)
{
	WRITE_ONCE(r->v, n);
}

static inline int refcount_read(const refcount_t *r)
{
	return READ_ONCE(r->v);
}

static inline void refcount_inc(refcount_t *r)
{
	if (unlikely(__atomic_fetch_add(&r->v, 1, __ATOMIC_RELAXED) <= 0))
		panic("refcount_inc: no reference is held");
}

/* Takes a reference unless the object is already on its way out. */
static inline bool refcount_inc_not_zero(refcount_t *r)
{
	int old = refcount_read(r);

	while (old)
		if (__atomic_compare_exchange_n(&r->v, &old, old + 1, true, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

/* Drops a reference; true if it was the last, and then the caller frees the object. */
static inline bool __must_check refcount_dec_and_test(refcount_t *r)
{
	int old = __atomic_fetch_sub(&r->v, 1, __ATOMIC_ACQ_REL);

	if (unlikely(old <= 0))
		panic("refcount_dec: no reference is held");
	return old == 1;
}
