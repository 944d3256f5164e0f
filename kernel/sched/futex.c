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
 * No wake-up is lost: the waiter puts itself on the list first and reads the word after, the waker
 * writes the word first and looks at the list after. If the waiter read the old value, its list entry
 * is older than the new value, and the waker finds it. User memory may fault, so the word is not
 * read under the bucket's lock; a waiter that is woken between the two steps reports success even
 * when the value was not the expected one, because the wake-up was meant for somebody.
 *
 * States of a waiter: queued (in a bucket) -> woken (unlinked by the waker, woken set, under the
 * bucket's lock) or gone (unlinked by itself). The waiter's struct lives on its stack: a waker touches
 * it only under the bucket's lock, and the waiter takes that lock once more before it leaves.
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
#include "kernel/mm/uaccess.h"
#include "kernel/time/ktime.h"

#define FUTEX_WAIT           0
#define FUTEX_WAKE           1
#define FUTEX_REQUEUE        3
#define FUTEX_CMP_REQUEUE    4
#define FUTEX_WAIT_BITSET    9
#define FUTEX_WAKE_BITSET    10
#define FUTEX_PRIVATE_FLAG   128
#define FUTEX_CLOCK_REALTIME 256
#define FUTEX_CMD_MASK       (~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME))
#define MATCH_ANY            0xffffffffu

/* Bits of a robust lock's word. */
#define FUTEX_WAITERS     0x80000000u
#define FUTEX_OWNER_DIED  0x40000000u
#define FUTEX_TID_MASK    0x3fffffffu
#define ROBUST_LIST_LIMIT 2048

#define FUTEX_HASH_BITS 8

struct futex_key {
	void *space;       /* struct mm or struct page */
	u64 address;       /* in the address space, or in the page */
	struct page *page; /* held, or NULL for a private key */
};

struct futex_bucket {
	spinlock_t lock;
	struct list_head waiters; /* [lock] in order of arrival */
} __aligned(64);

struct futex_waiter {
	struct list_head link;       /* [bucket lock] */
	struct futex_bucket *bucket; /* [bucket lock] where it is queued; requeue changes it */
	struct futex_key key;        /* [bucket lock] */
	u32 bitset;                  /* [I] */
	bool woken;                  /* [bucket lock] */
	struct wait_queue_head wq;   /* only its own task sleeps here */
};

static struct futex_bucket buckets[1 << FUTEX_HASH_BITS];

/* ---- keys ---- */

static struct futex_bucket *bucket_of(const struct futex_key *k)
{
	u64 h = ((u64)k->space ^ k->address * 0x9e3779b97f4a7c15ull) * 0x9e3779b97f4a7c15ull;

	return &buckets[h >> (64 - FUTEX_HASH_BITS)];
}

static bool same_key(const struct futex_key *a, const struct futex_key *b)
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
	if (!vma) {
		err = -EFAULT;
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

/* 0, -EINVAL, -EFAULT. put_key() when done. */
static int get_key(struct futex_key *key, u32 __user *uaddr, bool private)
{
	u64 addr = (u64)uaddr;

	*key = (struct futex_key){.space = current->mm, .address = addr};
	if (addr % sizeof(u32))
		return -EINVAL;
	if (!access_ok(uaddr, sizeof(u32)))
		return -EFAULT;
	return private ? 0 : get_shared_key(key, addr);
}

static void put_key(struct futex_key *key)
{
	if (key->page)
		put_page(key->page);
	key->page = NULL;
}

/* ---- waking ---- */

/* The bucket's lock held. */
static void wake_waiter(struct futex_waiter *w)
{
	list_del_init(&w->link);
	w->woken = true;
	wake_up(&w->wq);
}

static int futex_wake(u32 __user *uaddr, bool private, int nr, u32 bitset)
{
	struct futex_waiter *w, *n;
	struct futex_bucket *b;
	struct futex_key key;
	int woken = 0, err;

	if (!bitset)
		return -EINVAL;
	err = get_key(&key, uaddr, private);
	if (err)
		return err;
	b = bucket_of(&key);
	spin_lock(&b->lock);
	list_for_each_entry_safe(w, n, &b->waiters, link) {
		if (!same_key(&w->key, &key) || !(w->bitset & bitset))
			continue;
		wake_waiter(w);
		if (++woken >= nr)
			break;
	}
	spin_unlock(&b->lock);
	put_key(&key);
	return woken;
}

static void lock_two(struct futex_bucket *a, struct futex_bucket *b)
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

static void unlock_two(struct futex_bucket *a, struct futex_bucket *b)
{
	spin_unlock(&a->lock);
	if (a != b)
		spin_unlock(&b->lock);
}

static void move_waiter(struct futex_waiter *w, struct futex_bucket *to,
			const struct futex_key *key)
{
	put_key(&w->key);
	w->key = *key;
	if (key->page)
		get_page(key->page);
	WRITE_ONCE(w->bucket, to);
	list_move_tail(&w->link, &to->waiters);
}

/* Wakes @nr_wake waiters of one word and lets @nr_move more wait for another one instead. */
static int requeue(struct futex_key *from, struct futex_key *to, int nr_wake, int nr_move)
{
	struct futex_bucket *b1 = bucket_of(from), *b2 = bucket_of(to);
	struct futex_waiter *w, *n;
	int woken = 0, moved = 0;

	lock_two(b1, b2);
	list_for_each_entry_safe(w, n, &b1->waiters, link) {
		if (!same_key(&w->key, from))
			continue;
		if (woken < nr_wake) {
			wake_waiter(w);
			woken++;
			continue;
		}
		if (moved == nr_move || same_key(from, to))
			break;
		move_waiter(w, b2, to);
		moved++;
	}
	unlock_two(b1, b2);
	return woken + moved;
}

static int futex_requeue(u32 __user *uaddr, u32 __user *uaddr2, bool private, int nr_wake,
			 int nr_move, const u32 *expected)
{
	struct futex_key from, to;
	u32 value;
	int ret;

	if (nr_wake < 0 || nr_move < 0)
		return -EINVAL;
	ret = get_key(&from, uaddr, private);
	if (ret)
		return ret;
	ret = get_key(&to, uaddr2, private);
	if (!ret && expected) {
		ret = get_user(value, uaddr);
		if (!ret && value != *expected)
			ret = -EAGAIN;
	}
	if (!ret)
		ret = requeue(&from, &to, nr_wake, nr_move);
	put_key(&to);
	put_key(&from);
	return ret;
}

/* ---- waiting ---- */

static void enqueue_waiter(struct futex_waiter *w)
{
	struct futex_bucket *b = bucket_of(&w->key);

	w->bucket = b;
	w->woken = false;
	init_waitqueue_head(&w->wq);
	spin_lock(&b->lock);
	list_add_tail(&w->link, &b->waiters);
	spin_unlock(&b->lock);
}

/* Leaves the queue; true if a waker was faster. After this nobody else refers to @w. */
static bool dequeue_waiter(struct futex_waiter *w)
{
	struct futex_bucket *b;

	for (;;) {
		b = READ_ONCE(w->bucket);
		spin_lock(&b->lock);
		if (b == w->bucket)
			break;
		spin_unlock(&b->lock); /* it was requeued meanwhile */
	}
	if (!w->woken)
		list_del_init(&w->link);
	spin_unlock(&b->lock);
	put_key(&w->key);
	return w->woken;
}

static long futex_wait(u32 __user *uaddr, bool private, u32 expected, u64 deadline, u32 bitset)
{
	struct futex_waiter w = {.bitset = bitset};
	u32 value;
	long err;

	if (!bitset)
		return -EINVAL;
	err = get_key(&w.key, uaddr, private);
	if (err)
		return err;
	enqueue_waiter(&w);
	err = get_user(value, uaddr);
	if (!err && value != expected)
		err = -EAGAIN;
	if (!err)
		err = wait_event_interruptible_deadline(&w.wq, READ_ONCE(w.woken), deadline);
	if (dequeue_waiter(&w))
		return 0;
	return err == -ETIME ? -ETIMEDOUT : err;
}

/* A relative timeout goes on counting after a signal. */
static long restart_futex(struct task *t);

static long wait_restartable(struct task *t, u32 __user *uaddr, bool private, u32 expected,
			     u64 deadline)
{
	long ret = futex_wait(uaddr, private, expected, deadline, MATCH_ANY);

	if (ret != -ERESTARTSYS || deadline == NO_DEADLINE)
		return ret;
	t->restart_fn = restart_futex;
	t->restart_deadline = deadline;
	t->restart_args[0] = (u64)uaddr;
	t->restart_args[1] = private;
	t->restart_args[2] = expected;
	return -ERESTART_RESTARTBLOCK;
}

static long restart_futex(struct task *t)
{
	return wait_restartable(t, (u32 __user *)t->restart_args[0], t->restart_args[1],
				(u32)t->restart_args[2], t->restart_deadline);
}

/* The time argument of the waiting operations: relative for FUTEX_WAIT, else absolute. */
static int get_deadline(const struct timespec __user *uts, int op, u64 *deadline)
{
	struct timespec ts;
	u64 ns, now;

	*deadline = NO_DEADLINE;
	if (!uts)
		return 0;
	if (copy_from_user(&ts, uts, sizeof(ts)))
		return -EFAULT;
	if (!timespec_valid(&ts))
		return -EINVAL;
	ns = timespec_to_ns(&ts);
	if ((op & FUTEX_CMD_MASK) == FUTEX_WAIT) {
		*deadline = deadline_after(ns);
	} else if (op & FUTEX_CLOCK_REALTIME) {
		now = ktime_get_real();
		*deadline = deadline_after(ns > now ? ns - now : 0);
	} else {
		*deadline = ns;
	}
	return 0;
}

SYSCALL_DEFINE6(futex, u32 __user *, uaddr, int, op, u32, val, u64, arg4, u32 __user *, uaddr2, u32,
		val3)
{
	int cmd = op & FUTEX_CMD_MASK, err;
	bool private = op & FUTEX_PRIVATE_FLAG;
	u64 deadline;

	if ((op & FUTEX_CLOCK_REALTIME) && cmd != FUTEX_WAIT_BITSET)
		return -ENOSYS;
	switch (cmd) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		err = get_deadline((const struct timespec __user *)arg4, op, &deadline);
		if (err)
			return err;
		if (cmd == FUTEX_WAIT)
			return wait_restartable(current, uaddr, private, val, deadline);
		return futex_wait(uaddr, private, val, deadline, val3);
	case FUTEX_WAKE:
		return futex_wake(uaddr, private, (int)val, MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return futex_wake(uaddr, private, (int)val, val3);
	case FUTEX_REQUEUE:
		return futex_requeue(uaddr, uaddr2, private, (int)val, (int)arg4, NULL);
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(uaddr, uaddr2, private, (int)val, (int)arg4, &val3);
	default:
		return -ENOSYS;
	}
}

/* ---- the end of a thread, get_robust_list(2) ---- */

/* The head of a thread's list of the robust locks it holds; the list links the locks themselves. */
struct robust_list_head {
	u64 list;            /* first lock's link, or the head's own address */
	s64 futex_offset;    /* from a link to its word */
	u64 list_op_pending; /* a lock that is being taken or given back right now */
};

SYSCALL_DEFINE2(set_robust_list, u64, head, size_t, len)
{
	if (len != sizeof(struct robust_list_head))
		return -EINVAL;
	current->robust_list = head;
	return 0;
}

SYSCALL_DEFINE3(get_robust_list, pid_t, pid, u64 __user *, uhead, size_t __user *, ulen)
{
	u64 head = current->robust_list, flags;
	long err = 0;

	if (pid) {
		struct task *t;

		spin_lock_irqsave(&tasklist_lock, flags);
		t = find_task_locked(pid);
		if (!t || !t->signal)
			err = -ESRCH;
		else if (current->signal->euid && t->signal->uid != current->signal->euid)
			err = -EPERM;
		else
			head = t->robust_list;
		spin_unlock_irqrestore(&tasklist_lock, flags);
	}
	if (err)
		return err;
	if (put_user(sizeof(struct robust_list_head), ulen) || put_user(head, uhead))
		return -EFAULT;
	return 0;
}

/* If current owns the lock: says in it that its owner has died, and wakes one who waits. */
static int robust_lock_died(u32 __user *uaddr, bool pending)
{
	u32 value, old;

	if ((u64)uaddr % sizeof(u32) || get_user(value, uaddr))
		return -EFAULT;
	/* It may have let go of the word but not yet woken the next. */
	if (pending && !value) {
		futex_wake(uaddr, false, 1, MATCH_ANY);
		return 0;
	}
	for (;;) {
		if ((value & FUTEX_TID_MASK) != (u32)current->pid)
			return 0;
		old = value;
		if (cmpxchg_user(uaddr, &old, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED))
			return -EFAULT;
		if (old == value)
			break;
		value = old;
	}
	if (value & FUTEX_WAITERS)
		futex_wake(uaddr, false, 1, MATCH_ANY);
	return 0;
}

/* The list is the user's and may be anything: faults end the walk, and so does the limit. */
static void exit_robust_list(u64 uhead)
{
	struct robust_list_head head;
	u64 link, next;

	if (copy_from_user(&head, (void __user *)uhead, sizeof(head)))
		return;
	link = head.list;
	/* Bit 0 marks a lock with priority inheritance, which there are none of here. */
	for (int i = 0; i < ROBUST_LIST_LIMIT && (link & ~1ul) != uhead; i++) {
		/* Before the lock's new owner can free the memory the link is in. */
		if (get_user(next, (u64 __user *)(link & ~1ul)))
			return;
		if (link != head.list_op_pending && !(link & 1) &&
		    robust_lock_died((u32 __user *)(link + (u64)head.futex_offset), false))
			return;
		link = next;
		cond_resched();
	}
	if (head.list_op_pending && !(head.list_op_pending & 1))
		robust_lock_died((u32 __user *)(head.list_op_pending + (u64)head.futex_offset),
				 true);
}

void futex_exit(void)
{
	struct task *t = current;
	u64 tid = t->clear_child_tid;

	if (t->robust_list)
		exit_robust_list(t->robust_list);
	t->robust_list = 0;
	t->clear_child_tid = 0;
	/* Only those who share the memory can look: pthread_join() sleeps on this word. */
	if (!tid || refcount_read(&t->mm->users) == 1)
		return;
	if (!put_user(0, (u32 __user *)tid))
		futex_wake((u32 __user *)tid, false, 1, MATCH_ANY);
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
