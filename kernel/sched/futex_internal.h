/*
 * What futex.c (words and their sleepers) and futex_pi.c (locks whose owner the kernel knows) share.
 * futex.c has the lesson and the LOCKING block.
 */
#pragma once

#include "kernel/sched/futex.h"
#include "kernel/sched/wait.h"

struct page;
struct pi_state; /* futex_pi.c */

struct futex_key {
	void *space;       /* struct mm or struct page */
	u64 address;       /* in the address space, or in the page */
	struct page *page; /* held, or NULL for a private key */
};

struct futex_bucket {
	spinlock_t lock;
	struct list_head waiters; /* [lock] by priority, then in order of arrival */
} __aligned(64);

/* A task that waits, for one word or for several. */
struct futex_sleeper {
	struct wait_queue_head wq; /* only its own task sleeps here */
	struct task *task;         /* [I] */
	bool woken;                /* [a] by the waker of any of its words */
};

/* Its place in the queue of one word. */
struct futex_waiter {
	struct list_head link;         /* [bucket lock] */
	struct futex_bucket *bucket;   /* [bucket lock] where it is queued; requeue changes it */
	struct futex_key key;          /* [bucket lock] */
	struct futex_sleeper *sleeper; /* [I] */
	u32 bitset;                    /* [I] */
	u8 priority;                   /* [I] of its task */
	bool woken;                    /* [bucket lock] */

	const struct futex_key
		*lock_key;   /* [I] FUTEX_WAIT_REQUEUE_PI: the lock it will go for; else NULL */
	struct pi_state *pi; /* [bucket lock] of the lock it waits for, or NULL */
	bool heir;           /* [bucket lock] the owner has died: the lock is its own */
};

/* ---- futex.c ---- */

struct futex_bucket *futex_bucket_of(const struct futex_key *k);
bool futex_same_key(const struct futex_key *a, const struct futex_key *b);
/* 0, -EINVAL, -EFAULT. futex_put_key() when done. */
int futex_get_key(struct futex_key *key, u32 __user *uaddr, bool private);
void futex_put_key(struct futex_key *key);
/* Both keys, or neither. */
int futex_get_two_keys(struct futex_key *k1, u32 __user *uaddr1, struct futex_key *k2,
		       u32 __user *uaddr2, bool private);
void futex_lock_two(struct futex_bucket *a, struct futex_bucket *b);
void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b);

/* Brings a word's page in, to be written to; 0 or -EFAULT. No spinlock held. */
int futex_fault_in(u32 __user *uaddr);
/* The word still has the value that the caller has seen? 0, -EAGAIN, -EFAULT. */
int futex_compare(u32 __user *uaddr, u32 expected);

/* A waiter, with a sleeper, of the current task. Its key is still to be got. */
void futex_init_waiter(struct futex_waiter *w, struct futex_sleeper *s);
/* Puts @w into the queue of its key, @b, in its place. The bucket's lock held. */
void futex_insert(struct futex_bucket *b, struct futex_waiter *w);
/* Joins the queue if the word has the expected value: 0, -EAGAIN, -EFAULT. */
int futex_enqueue(struct futex_waiter *w, u32 __user *uaddr, u32 expected);
/* Locks the bucket that @w is in, and returns it. */
struct futex_bucket *futex_lock_waiter(struct futex_waiter *w);
/* Takes @w off the queue and wakes it. The bucket's lock held. */
void futex_wake_waiter(struct futex_waiter *w);
/* Puts @w into another word's queue. Both buckets locked. */
void futex_move_waiter(struct futex_waiter *w, struct futex_bucket *to,
		       const struct futex_key *key);

/* ---- futex_pi.c; the operations of futex(2). Process context ---- */

long futex_lock_pi(u32 __user *uaddr, bool private, u64 deadline, bool try);
int futex_unlock_pi(u32 __user *uaddr, bool private);
long futex_wait_requeue_pi(u32 __user *uaddr, bool private, u32 expected, u64 deadline,
			   u32 __user *ulock);
int futex_cmp_requeue_pi(u32 __user *uaddr, u32 __user *ulock, bool private, int nr_wake,
			 int nr_move, u32 expected);
