/*
 * Futexes: the kernel's half of user-space locks, futex(2).
 *
 * A lock is a 32-bit word in user memory. As long as nobody has to wait, programs change it with
 * atomic instructions and the kernel knows nothing of it. Who finds it taken calls FUTEX_WAIT(word,
 * value): "put me to sleep if the word still has this value"; who frees a lock that somebody waits
 * for calls FUTEX_WAKE. So a futex has no object and no state here but the list of its sleepers, found
 * by a hash of its key.
 *
 * The key is {address space, address}. Memory that several address spaces share needs a key that is
 * the same in all of them: the physical page and the offset in it; the page is held while somebody
 * sleeps.
 *
 * No wake-up is lost, and none goes to somebody who does not sleep: the waiter compares the word and
 * joins the list under the bucket's lock, and the waker, who has written the word before, takes the same
 * lock to look at the list. The word is user memory and may fault, which cannot be repaired under a
 * spinlock: then the lock is dropped, the page brought in, and everything done again.
 *
 * States of a waiter: queued (in a bucket) -> woken (unlinked by the waker, woken set, under the
 * bucket's lock) or gone (unlinked by itself). The waiter's struct lives on its stack: a waker touches
 * it only under the bucket's lock, and the waiter takes that lock once more before it leaves.
 *
 * The sleepers of a word are woken in order of their priority, then of arrival.
 *
 * Locks whose owner the kernel knows (the operations with PI in their name) are futex_pi.c's subject; their
 * waiters are in the same queues, and nobody else may wake or move them: EINVAL.
 *
 * Cost: about 250 instructions for a wake-up that finds nobody.
 *
 * LOCKING: bucket->lock guards the bucket's list and the fields of the waiters in it; process
 * context. Two buckets (requeue) are locked in the order of their addresses. Inside: the waiter's wait
 * queue, pi_lock, rq->lock.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/process.h"
#include "kernel/lib/init.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/futex_internal.h"
#include "kernel/time/ktime.h"

#define FUTEX_WAIT            0
#define FUTEX_WAKE            1
#define FUTEX_REQUEUE         3
#define FUTEX_CMP_REQUEUE     4
#define FUTEX_WAKE_OP         5
#define FUTEX_LOCK_PI         6
#define FUTEX_UNLOCK_PI       7
#define FUTEX_TRYLOCK_PI      8
#define FUTEX_WAIT_BITSET     9
#define FUTEX_WAKE_BITSET     10
#define FUTEX_WAIT_REQUEUE_PI 11
#define FUTEX_CMP_REQUEUE_PI  12
#define FUTEX_LOCK_PI2        13
#define FUTEX_PRIVATE_FLAG    128
#define FUTEX_CLOCK_REALTIME  256
#define FUTEX_CMD_MASK        (~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME))

#define FUTEX_HASH_BITS 8

/*
 * In the address of a key of private memory: the caller did not say FUTEX_PRIVATE_FLAG. Those who do and
 * those who do not never meet, as on Linux.
 */
#define KEY_NOT_PRIVATE 1

static struct futex_bucket buckets[1 << FUTEX_HASH_BITS];

/* ---- keys ---- */

struct futex_bucket *futex_bucket_of(const struct futex_key *k)
{
	u64 h = ((u64)k->space ^ k->address * 0x9e3779b97f4a7c15ull) * 0x9e3779b97f4a7c15ull;

	return &buckets[h >> (64 - FUTEX_HASH_BITS)];
}

bool futex_same_key(const struct futex_key *a, const struct futex_key *b)
{
	return a->space == b->space && a->address == b->address;
}

/* The page behind a word in memory that may be shared; leaves *key private if it is not. */
static int get_shared_key(struct futex_key *key, u64 addr)
{
	struct mm *mm = current->mm;
	struct vm_area *vma;
	int err = 0;

	mutex_lock(&mm->lock);
	vma = find_vma(mm, addr);
	if (!vma || !(vma->flags & VM_READ)) {
		err = -EFAULT;
	} else if (!vma->ops && !(vma->flags & VM_WRITE)) {
		err = -EFAULT; /* nobody will ever change it */
	} else if ((vma->flags & VM_SHARED) && vma->ops) {
		struct page *p =
			vma->ops->fault(vma, vma->offset + ((addr & PAGE_MASK) - vma->start));

		if (IS_ERR(p)) {
			err = -EFAULT;
		} else {
			key->page = p;
			key->space = p;
			key->address = addr & ~PAGE_MASK;
		}
	}
	mutex_unlock(&mm->lock);
	return err;
}

int futex_get_key(struct futex_key *key, u32 __user *uaddr, bool private)
{
	u64 addr = (u64)uaddr;

	*key = (struct futex_key){.space = current->mm, .address = addr};
	if (addr % sizeof(u32))
		return -EINVAL;
	if (!access_ok(uaddr, sizeof(u32)))
		return -EFAULT;
	if (private)
		return 0;
	key->address |= KEY_NOT_PRIVATE;
	return get_shared_key(key, addr);
}

void futex_put_key(struct futex_key *key)
{
	if (key->page)
		put_page(key->page);
	key->page = NULL;
}

/* ---- waking ---- */

void futex_wake_waiter(struct futex_waiter *w)
{
	list_del_init(&w->link);
	w->woken = true;
	WRITE_ONCE(w->sleeper->woken, true);
	wake_up(&w->sleeper->wq);
}

/* It waits for a lock that has an owner, or is on its way there: not for us to wake or move. */
static bool is_pi_waiter(const struct futex_waiter *w)
{
	return w->pi || w->lock_key;
}

/* The bucket's lock held. How many, or -EINVAL. With @nr 0 it wakes one, as Linux does. */
static int wake_matching(struct futex_bucket *b, const struct futex_key *key, int nr, u32 bitset)
{
	struct futex_waiter *w, *n;
	int woken = 0;

	list_for_each_entry_safe(w, n, &b->waiters, link) {
		if (!futex_same_key(&w->key, key))
			continue;
		if (is_pi_waiter(w))
			return -EINVAL;
		if (!(w->bitset & bitset))
			continue;
		futex_wake_waiter(w);
		if (++woken >= nr)
			break;
	}
	return woken;
}

int futex_wake(u32 __user *uaddr, bool private, int nr, u32 bitset)
{
	struct futex_bucket *b;
	struct futex_key key;
	int woken, err;

	if (!bitset)
		return -EINVAL;
	err = futex_get_key(&key, uaddr, private);
	if (err)
		return err;
	b = futex_bucket_of(&key);
	spin_lock(&b->lock);
	woken = wake_matching(b, &key, nr, bitset);
	spin_unlock(&b->lock);
	futex_put_key(&key);
	return woken;
}

void futex_lock_two(struct futex_bucket *a, struct futex_bucket *b)
{
	if (a > b) {
		struct futex_bucket *t = a;

		a = b;
		b = t;
	}
	spin_lock(&a->lock);
	if (a != b)
		spin_lock_nested(&b->lock, 1);
}

void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b)
{
	spin_unlock(&a->lock);
	if (a != b)
		spin_unlock(&b->lock);
}

/* ---- two words: FUTEX_WAKE_OP ---- */

int futex_fault_in(u32 __user *uaddr)
{
	u32 value;

	return get_user(value, uaddr) || cmpxchg_user(uaddr, &value, value) ? -EFAULT : 0;
}

int futex_get_two_keys(struct futex_key *k1, u32 __user *uaddr1, struct futex_key *k2,
		       u32 __user *uaddr2, bool private)
{
	int err = futex_get_key(k1, uaddr1, private);

	if (err)
		return err;
	err = futex_get_key(k2, uaddr2, private);
	if (err)
		futex_put_key(k1);
	return err;
}

/* Changes the second word, wakes waiters of the first and, if the old value was so, of the second. */
static int futex_wake_op(u32 __user *uaddr1, u32 __user *uaddr2, bool private, int nr1, int nr2,
			 u32 encoded)
{
	struct futex_bucket *b1, *b2;
	struct futex_key k1, k2;
	int ret, more;
	bool also;

	ret = futex_get_two_keys(&k1, uaddr1, &k2, uaddr2, private);
	if (ret)
		return ret;
	b1 = futex_bucket_of(&k1);
	b2 = futex_bucket_of(&k2);
	for (;;) {
		futex_lock_two(b1, b2);
		ret = futex_user_op(uaddr2, encoded);
		also = ret > 0;
		if (ret >= 0)
			ret = wake_matching(b1, &k1, nr1, FUTEX_MATCH_ANY);
		if (ret >= 0 && also) {
			more = wake_matching(b2, &k2, nr2, FUTEX_MATCH_ANY);
			ret = more < 0 ? more : ret + more;
		}
		futex_unlock_two(b1, b2);
		if (ret != -EFAULT || futex_fault_in(uaddr2))
			break;
	}
	futex_put_key(&k2);
	futex_put_key(&k1);
	return ret;
}

/* ---- two words: FUTEX_REQUEUE ---- */

void futex_move_waiter(struct futex_waiter *w, struct futex_bucket *to, const struct futex_key *key)
{
	futex_put_key(&w->key);
	w->key = *key;
	if (key->page)
		get_page(key->page);
	list_del(&w->link);
	futex_insert(to, w);
}

/*
 * Wakes @nr_wake waiters of one word and lets @nr_move more wait for another one instead; how many
 * in all, or -EINVAL. Both buckets locked.
 */
static int requeue(struct futex_key *from, struct futex_key *to, int nr_wake, int nr_move)
{
	struct futex_bucket *b1 = futex_bucket_of(from), *b2 = futex_bucket_of(to);
	struct futex_waiter *w, *n;
	int woken = 0, moved = 0;

	list_for_each_entry_safe(w, n, &b1->waiters, link) {
		if (!futex_same_key(&w->key, from))
			continue;
		if (is_pi_waiter(w))
			return -EINVAL;
		if (woken < nr_wake) {
			futex_wake_waiter(w);
			woken++;
			continue;
		}
		if (moved == nr_move)
			break;
		if (!futex_same_key(from, to))
			futex_move_waiter(w, b2, to);
		moved++;
	}
	return woken + moved;
}

int futex_compare(u32 __user *uaddr, u32 expected)
{
	u32 value;

	if (get_user(value, uaddr))
		return -EFAULT;
	return value == expected ? 0 : -EAGAIN;
}

static int futex_requeue(u32 __user *uaddr1, u32 __user *uaddr2, bool private, int nr_wake,
			 int nr_move, const u32 *expected)
{
	struct futex_bucket *b1, *b2;
	struct futex_key from, to;
	int ret;

	if (nr_wake < 0 || nr_move < 0)
		return -EINVAL;
	ret = futex_get_two_keys(&from, uaddr1, &to, uaddr2, private);
	if (ret)
		return ret;
	b1 = futex_bucket_of(&from);
	b2 = futex_bucket_of(&to);
	do {
		futex_lock_two(b1, b2);
		ret = expected ? futex_compare(uaddr1, *expected) : 0;
		if (!ret)
			ret = requeue(&from, &to, nr_wake, nr_move);
		futex_unlock_two(b1, b2);
	} while (ret == -EFAULT && futex_compare(uaddr1, *expected) != -EFAULT);
	futex_put_key(&to);
	futex_put_key(&from);
	return ret;
}

/* ---- waiting ---- */

static void init_sleeper(struct futex_sleeper *s)
{
	init_waitqueue_head(&s->wq);
	s->task = current;
	s->woken = false;
}

void futex_init_waiter(struct futex_waiter *w, struct futex_sleeper *s)
{
	init_sleeper(s);
	*w = (struct futex_waiter){
		.sleeper = s, .bitset = FUTEX_MATCH_ANY, .priority = current->rt_priority};
}

void futex_insert(struct futex_bucket *b, struct futex_waiter *w)
{
	struct list_head *after = b->waiters.prev;

	WRITE_ONCE(w->bucket, b);
	while (after != &b->waiters &&
	       list_entry(after, struct futex_waiter, link)->priority < w->priority)
		after = after->prev;
	list_add(&w->link, after);
}

int futex_enqueue(struct futex_waiter *w, u32 __user *uaddr, u32 expected)
{
	struct futex_bucket *b = futex_bucket_of(&w->key);
	int err;

	do {
		spin_lock(&b->lock);
		err = futex_compare(uaddr, expected);
		if (!err)
			futex_insert(b, w);
		spin_unlock(&b->lock);
	} while (err == -EFAULT && futex_compare(uaddr, expected) != -EFAULT);
	return err;
}

struct futex_bucket *futex_lock_waiter(struct futex_waiter *w)
{
	struct futex_bucket *b;

	for (;;) {
		b = READ_ONCE(w->bucket);
		spin_lock(&b->lock);
		if (b == w->bucket)
			return b;
		spin_unlock(&b->lock); /* it was requeued meanwhile */
	}
}

/* Leaves the queue; true if a waker was faster. After this nobody else refers to @w. */
static bool dequeue_waiter(struct futex_waiter *w)
{
	struct futex_bucket *b = futex_lock_waiter(w);

	if (!w->woken)
		list_del_init(&w->link);
	spin_unlock(&b->lock);
	futex_put_key(&w->key);
	return w->woken;
}

static long futex_wait(u32 __user *uaddr, bool private, u32 expected, u64 deadline, u32 bitset)
{
	struct futex_sleeper sleeper;
	struct futex_waiter w;
	long err;

	if (!bitset)
		return -EINVAL;
	futex_init_waiter(&w, &sleeper);
	w.bitset = bitset;
	err = futex_get_key(&w.key, uaddr, private);
	if (err)
		return err;
	err = futex_enqueue(&w, uaddr, expected);
	if (err) {
		futex_put_key(&w.key);
		return err;
	}
	err = wait_event_interruptible_deadline(&sleeper.wq, READ_ONCE(sleeper.woken), deadline);
	if (dequeue_waiter(&w))
		return 0;
	return err == -ETIME ? -ETIMEDOUT : err;
}

/* After a signal that has no handler the wait goes on until the same deadline. */
static long restart_futex(struct task *t);

static long wait_restartable(u32 __user *uaddr, bool private, u32 expected, u64 deadline,
			     u32 bitset)
{
	long ret = futex_wait(uaddr, private, expected, deadline, bitset);
	struct task *t = current;

	if (ret != -ERESTARTSYS || deadline == NO_DEADLINE)
		return ret;
	t->restart_fn = restart_futex;
	t->restart_deadline = deadline;
	t->restart_args[0] = (u64)uaddr;
	t->restart_args[1] = private;
	t->restart_args[2] = expected;
	t->restart_args[3] = bitset;
	return -ERESTART_RESTARTBLOCK;
}

static long restart_futex(struct task *t)
{
	return wait_restartable((u32 __user *)t->restart_args[0], t->restart_args[1],
				(u32)t->restart_args[2], t->restart_deadline,
				(u32)t->restart_args[3]);
}

static int get_timeout(const struct timespec __user *uts, u64 *ns)
{
	struct timespec ts;

	if (copy_from_user(&ts, uts, sizeof(ts)))
		return -EFAULT;
	if (!timespec_valid(&ts))
		return -EINVAL;
	*ns = timespec_to_ns(&ts);
	return 0;
}

/* An absolute time of either clock as a deadline. */
static u64 absolute_deadline(u64 ns, bool realtime)
{
	u64 now;

	if (!realtime)
		return ns;
	now = ktime_get_real();
	return deadline_after(ns > now ? ns - now : 0);
}

/* The operations whose fourth argument is a time. */
static bool has_timeout(int cmd)
{
	return cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_WAIT_REQUEUE_PI ||
	       cmd == FUTEX_LOCK_PI || cmd == FUTEX_LOCK_PI2;
}

/* It may be of CLOCK_REALTIME. FUTEX_LOCK_PI's always is, and says so by not saying it. */
static bool has_clock(int cmd)
{
	return cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_WAIT_REQUEUE_PI || cmd == FUTEX_LOCK_PI2;
}

/* Relative for FUTEX_WAIT, else absolute. */
static int get_deadline(const struct timespec __user *uts, int op, u64 *deadline)
{
	int cmd = op & FUTEX_CMD_MASK, err;
	bool realtime = (op & FUTEX_CLOCK_REALTIME) || cmd == FUTEX_LOCK_PI;
	u64 ns;

	*deadline = NO_DEADLINE;
	if (!uts)
		return 0;
	err = get_timeout(uts, &ns);
	if (err)
		return err;
	*deadline = cmd == FUTEX_WAIT ? deadline_after(ns) : absolute_deadline(ns, realtime);
	return 0;
}

SYSCALL_DEFINE6(futex, u32 __user *, uaddr, int, op, u32, val, u64, arg4, u32 __user *, uaddr2, u32,
		val3)
{
	int cmd = op & FUTEX_CMD_MASK, err;
	bool private = op & FUTEX_PRIVATE_FLAG;
	u64 deadline = NO_DEADLINE;

	if (has_timeout(cmd)) {
		err = get_deadline((const struct timespec __user *)arg4, op, &deadline);
		if (err)
			return err;
	}
	if ((op & FUTEX_CLOCK_REALTIME) && !has_clock(cmd))
		return -ENOSYS;
	switch (cmd) {
	case FUTEX_WAIT:
		val3 = FUTEX_MATCH_ANY;
		__attribute__((fallthrough));
	case FUTEX_WAIT_BITSET:
		return wait_restartable(uaddr, private, val, deadline, val3);
	case FUTEX_WAKE:
		return futex_wake(uaddr, private, (int)val, FUTEX_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return futex_wake(uaddr, private, (int)val, val3);
	case FUTEX_REQUEUE:
		return futex_requeue(uaddr, uaddr2, private, (int)val, (int)arg4, NULL);
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(uaddr, uaddr2, private, (int)val, (int)arg4, &val3);
	case FUTEX_WAKE_OP:
		return futex_wake_op(uaddr, uaddr2, private, (int)val, (int)arg4, val3);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return futex_lock_pi(uaddr, private, deadline, false);
	case FUTEX_TRYLOCK_PI:
		return futex_lock_pi(uaddr, private, NO_DEADLINE, true);
	case FUTEX_UNLOCK_PI:
		return futex_unlock_pi(uaddr, private);
	case FUTEX_WAIT_REQUEUE_PI:
		return futex_wait_requeue_pi(uaddr, private, val, deadline, uaddr2);
	case FUTEX_CMP_REQUEUE_PI:
		return futex_cmp_requeue_pi(uaddr, uaddr2, private, (int)val, (int)arg4, val3);
	default:
		return -ENOSYS;
	}
}

/* ---- several words: futex_waitv(2) ---- */

#define FUTEX_32        2
#define FUTEX_WAITV_MAX 128
#define CLOCK_REALTIME  0
#define CLOCK_MONOTONIC 1

struct futex_waitv {
	u64 val, uaddr;
	u32 flags, reserved;
};

/* All that one call needs; too much for the stack. */
struct futex_vector {
	struct futex_sleeper sleeper;
	unsigned nr, queued;
	struct futex_waitv words[FUTEX_WAITV_MAX];
	struct futex_waiter waiters[FUTEX_WAITV_MAX];
};

static int get_vector(struct futex_vector *v, const struct futex_waitv __user *uwords)
{
	if (copy_from_user(v->words, uwords, v->nr * sizeof(v->words[0])))
		return -EFAULT;
	for (unsigned i = 0; i < v->nr; i++) {
		const struct futex_waitv *word = &v->words[i];

		if ((word->flags & ~(u32)(FUTEX_32 | FUTEX_PRIVATE_FLAG)) || word->reserved ||
		    !(word->flags & FUTEX_32))
			return -EINVAL;
	}
	return 0;
}

/* Joins the queues of all words: 0, -EAGAIN, -EFAULT, -EINVAL. v->queued says how far it came. */
static int enqueue_vector(struct futex_vector *v)
{
	for (; v->queued < v->nr; v->queued++) {
		const struct futex_waitv *word = &v->words[v->queued];
		struct futex_waiter *w = &v->waiters[v->queued];
		u32 __user *uaddr = (u32 __user *)word->uaddr;
		int err;

		*w = (struct futex_waiter){.sleeper = &v->sleeper,
					   .bitset = FUTEX_MATCH_ANY,
					   .priority = current->rt_priority};
		err = futex_get_key(&w->key, uaddr, word->flags & FUTEX_PRIVATE_FLAG);
		if (err)
			return err;
		err = futex_enqueue(w, uaddr, (u32)word->val);
		if (err) {
			futex_put_key(&w->key);
			return err;
		}
	}
	return 0;
}

/* Leaves all queues; the number of a word that was woken, or -1. */
static int dequeue_vector(struct futex_vector *v)
{
	int woken = -1;

	for (unsigned i = 0; i < v->queued; i++)
		if (dequeue_waiter(&v->waiters[i]))
			woken = (int)i;
	return woken;
}

SYSCALL_DEFINE5(futex_waitv, const struct futex_waitv __user *, uwords, unsigned, nr, unsigned,
		flags, const struct timespec __user *, uts, int, clock)
{
	u64 deadline = NO_DEADLINE, ns;
	struct futex_vector *v;
	int err = 0, woken;

	if (flags || !nr || nr > FUTEX_WAITV_MAX || !uwords)
		return -EINVAL;
	if (uts) {
		if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
			return -EINVAL;
		err = get_timeout(uts, &ns);
		if (err)
			return err;
		deadline = absolute_deadline(ns, clock == CLOCK_REALTIME);
	}
	v = kmalloc(sizeof(*v), GFP_KERNEL);
	if (!v)
		return -ENOMEM;
	init_sleeper(&v->sleeper);
	v->nr = nr;
	v->queued = 0;
	err = get_vector(v, uwords);
	if (!err)
		err = enqueue_vector(v);
	if (!err)
		err = (int)wait_event_interruptible_deadline(&v->sleeper.wq,
							     READ_ONCE(v->sleeper.woken), deadline);
	woken = dequeue_vector(v);
	kfree(v);
	if (woken >= 0)
		return woken;
	return err == -ETIME ? -ETIMEDOUT : err;
}

static __init int futex_init(void)
{
	for (int i = 0; i < 1 << FUTEX_HASH_BITS; i++) {
		spin_lock_init(&buckets[i].lock);
		INIT_LIST_HEAD(&buckets[i].waiters);
	}
	return 0;
}
core_initcall(futex_init);
