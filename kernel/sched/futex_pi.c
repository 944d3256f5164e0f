/*
 * Futexes with priority inheritance, futex(2): locks whose owner the kernel knows.
 *
 * The word of such a lock says who has it:
 *
 *	FUTEX_WAITERS | FUTEX_OWNER_DIED | thread id of the owner, or 0
 *
 * As long as nobody has to wait, programs change it from 0 to their thread's id and back. Who finds
 * it taken calls FUTEX_LOCK_PI, which sets FUTEX_WAITERS, so that the owner must call
 * FUTEX_UNLOCK_PI. That does not free the lock but hands it over: the kernel writes the next owner's
 * id into the word and wakes that task. So nobody overtakes the first in the queue, which is in
 * order of priority, then of arrival.
 *
 * While somebody waits a lock has a struct pi_state here. It names the owner, and the owner has a
 * list of them, so that the kernel can tell
 *	- a circle of tasks that wait for each other (EDEADLK);
 *	- what to do when an owner ends: its locks have no owner then, and the first waiter of
 *	  each is the heir. The heir is woken and writes its id into the word itself, with
 *	  FUTEX_OWNER_DIED, for the lock's address is one in its memory and perhaps not in the dead
 *	  one's. Until it has done that it stays in the queue, so that others see that there is one;
 *	- a word that does not fit what is known (EINVAL).
 *
 *	task ── pi_states ──▶ pi_state ── owner ──▶ task
 *	     └─ pi_blocked_on ─▶  ▲
 *	futex_waiter ── pi ───────┘   one or more, in the queue of the lock's bucket
 *
 * Condition variables: FUTEX_WAIT_REQUEUE_PI waits for one word (the condition) and says for which
 * lock it will have to go then; FUTEX_CMP_REQUEUE_PI gives the lock to the first of these, if it is
 * free, and puts the others into its queue.
 *
 * INHERITANCE is what it was made for: an owner should not wait behind tasks that are less urgent
 * than those who wait for it. In this scheduler nobody does: every task gets its turn in each epoch
 * whoever else wants to run (core.c), so there is nothing that an owner could be lent; nice values
 * are not, on Linux either. Priorities (sched_setscheduler(2)) only decide the order of the queue.
 *
 * LOCKING: bucket->lock as in futex.c: the queue, the word while it is changed here, w->pi, w->heir.
 * tasklist_lock [T] inside it: owners, their lists, pi_blocked_on, the states' count. A state's
 * owner changes under both, so either is enough to read it. futex_pi_exit() comes from the other
 * side, from the list to the bucket: it holds a state by its count while it has neither lock.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/process.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/futex_internal.h"

#define MAX_CHAIN 1024 /* tasks that wait for each other; more is as good as a circle */

struct pi_state {
	struct futex_bucket *bucket; /* [I] where the waiters are */
	struct task *owner;          /* [bucket lock and T] NULL: has died, and there is an heir */
	struct list_head owned;      /* [T] owner->pi_states */
	unsigned refs;               /* [T] waiters, and an owner that ends */
};

/* ---- states; tasklist_lock held ---- */

static void set_owner(struct pi_state *s, struct task *owner)
{
	list_del_init(&s->owned);
	s->owner = owner;
	if (owner)
		list_add(&s->owned, &owner->pi_states);
}

static void put_state(struct pi_state *s)
{
	if (--s->refs)
		return;
	set_owner(s, NULL);
	kfree(s);
}

/* Does who waits for the lock @s wait for @t, perhaps by way of others? */
static bool leads_to(const struct pi_state *s, const struct task *t)
{
	for (int depth = 0; s && s->owner; depth++) {
		if (s->owner == t || depth == MAX_CHAIN)
			return true;
		s = s->owner->pi_blocked_on;
	}
	return false;
}

/* The first to wait for a lock: @s gets the owner that the word names. 0, -ESRCH, -EPERM. */
static int find_owner(struct pi_state *s, struct futex_bucket *b, u32 tid)
{
	struct task *owner = find_task_locked((pid_t)tid);

	if (!owner || owner->pi_gone)
		return -ESRCH;
	if (!owner->signal)
		return -EPERM; /* a kernel thread */
	s->bucket = b;
	s->refs = 0;
	INIT_LIST_HEAD(&s->owned);
	set_owner(s, owner);
	return 0;
}

/* ---- taking and waiting; the lock's bucket held ---- */

static struct futex_waiter *first_waiter(struct futex_bucket *b, const struct futex_key *key)
{
	struct futex_waiter *w;

	list_for_each_entry(w, &b->waiters, link)
		if (futex_same_key(&w->key, key))
			return w;
	return NULL;
}

/* The first that waits for the lock @s, whatever else may wait at its address; NULL. */
static struct futex_waiter *waiter_of(const struct pi_state *s)
{
	struct futex_waiter *w;

	list_for_each_entry(w, &s->bucket->waiters, link)
		if (w->pi == s)
			return w;
	return NULL;
}

/* 0, -EAGAIN (it is not @from any more), -EFAULT. */
static int change_word(u32 __user *uaddr, u32 from, u32 to)
{
	u32 old = from;

	if (cmpxchg_user(uaddr, &old, to))
		return -EFAULT;
	return old == from ? 0 : -EAGAIN;
}

/* Does the word fit what is known of the lock, of which @first is a waiter? */
static bool word_fits(const struct futex_waiter *first, u32 word)
{
	u32 tid = word & FUTEX_TID_MASK;

	if (!first->pi)
		return false; /* it waits for something else at this address */
	if (!first->pi->owner)
		return true; /* the heir will write it */
	return tid == (u32)first->pi->owner->pid || (!tid && (word & FUTEX_OWNER_DIED));
}

/* @w's task is to wait for the lock. *spare becomes the state if there is none, and NULL. */
static int join(struct futex_waiter *w, struct futex_waiter *first, struct futex_bucket *b, u32 tid,
		struct pi_state **spare)
{
	struct pi_state *s = first ? first->pi : *spare;
	struct task *t = w->sleeper->task;
	int err = 0;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	if (!first)
		err = find_owner(s, b, tid);
	if (!err && leads_to(s, t)) {
		err = -EDEADLK;
		if (!first)
			set_owner(s, NULL);
	}
	if (!err) {
		s->refs++;
		w->pi = s;
		t->pi_blocked_on = s;
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	if (!err && !first)
		*spare = NULL;
	return err;
}

/*
 * One attempt to take the lock for @w's task: 1: it has it. 0: it waits for it, and @w must join
 * its queue. -EAGAIN: the word has changed meanwhile.
 */
static int try_take(struct futex_waiter *w, const struct futex_key *key, u32 __user *uaddr,
		    bool more_to_come, struct pi_state **spare)
{
	struct futex_bucket *b = futex_bucket_of(key);
	struct futex_waiter *first = first_waiter(b, key);
	u32 word, mine = (u32)w->sleeper->task->pid;
	int err;

	if (get_user(word, uaddr))
		return -EFAULT;
	if ((word & FUTEX_TID_MASK) == mine)
		return -EDEADLK;
	if (first)
		return word_fits(first, word) ? join(w, first, b, 0, spare) : -EINVAL;
	if (!(word & FUTEX_TID_MASK)) {
		mine |= (word & FUTEX_OWNER_DIED) | (more_to_come ? FUTEX_WAITERS : 0);
		err = change_word(uaddr, word, mine);
		return err ? err : 1;
	}
	/* From here on the owner cannot let go of it without asking for the bucket. */
	err = change_word(uaddr, word, word | FUTEX_WAITERS);
	if (err)
		return err;
	word |= FUTEX_WAITERS;
	err = join(w, NULL, b, word & FUTEX_TID_MASK, spare);
	/* It is gone. If it has put its locks in order, the word says so by now. */
	return err == -ESRCH && futex_compare(uaddr, word) ? -EAGAIN : err;
}

static int take_or_wait(struct futex_waiter *w, const struct futex_key *key, u32 __user *uaddr,
			bool more_to_come, struct pi_state **spare)
{
	int ret;

	do
		ret = try_take(w, key, uaddr, more_to_come, spare);
	while (ret == -EAGAIN);
	return ret;
}

/* ---- after the wait ---- */

/* The owner of the lock that @w waits for has died: the lock is @w's. @w's bucket held. */
static void make_heir(struct futex_waiter *w)
{
	w->heir = true;
	WRITE_ONCE(w->sleeper->woken, true);
	wake_up(&w->sleeper->wq);
}

/* The heir writes its id into the word. 0 or -EFAULT. @b held; let go meanwhile. */
static int inherit(struct futex_waiter *w, struct futex_bucket *b, u32 __user *uaddr)
{
	const u32 mine = FUTEX_WAITERS | FUTEX_OWNER_DIED | (u32)current->pid;
	u32 word;
	int err;

	do {
		err = get_user(word, uaddr) ? -EFAULT : change_word(uaddr, word, mine);
		if (err == -EFAULT) {
			spin_unlock(&b->lock);
			err = futex_fault_in(uaddr) ? -EFAULT : -EAGAIN;
			spin_lock(&b->lock);
		}
	} while (err == -EAGAIN);
	return err;
}

/* The bucket held: the state is one waiter less, and has another owner if @w got the lock. */
static void leave_state(struct futex_waiter *w, bool owns)
{
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	if (owns)
		set_owner(w->pi, w->sleeper->task);
	w->sleeper->task->pi_blocked_on = NULL;
	put_state(w->pi);
	w->pi = NULL;
	spin_unlock_irqrestore(&tasklist_lock, flags);
}

/* What a wait that did not lead to the lock comes back with. */
static int no_lock(const struct futex_waiter *w, long err)
{
	if (err == -ETIME)
		return -ETIMEDOUT;
	/* It waits for the lock already: it cannot wait for the condition again. */
	return w->lock_key && w->pi ? -EAGAIN : -ERESTARTNOINTR;
}

/*
 * Leaves the queue after a wait that ended with @err: 0 if the lock, at @uaddr, belongs to current.
 * After this nobody else refers to @w.
 */
static int leave_queue(struct futex_waiter *w, u32 __user *uaddr, long err)
{
	struct futex_bucket *b = futex_lock_waiter(w);
	struct futex_waiter *next;
	int ret = 0;

	if (w->woken)
		goto out;
	ret = w->heir ? inherit(w, b, uaddr) : no_lock(w, err);
	list_del_init(&w->link);
	if (!w->pi)
		goto out;
	next = w->heir && ret ? waiter_of(w->pi) : NULL;
	leave_state(w, !ret);
	if (next)
		make_heir(next);
out:
	spin_unlock(&b->lock);
	return ret;
}

static int wait_for_lock(struct futex_waiter *w, u32 __user *uaddr, u64 deadline)
{
	struct futex_sleeper *s = w->sleeper;

	return leave_queue(
		w, uaddr, wait_event_interruptible_deadline(&s->wq, READ_ONCE(s->woken), deadline));
}

/* ---- FUTEX_LOCK_PI, FUTEX_TRYLOCK_PI, FUTEX_UNLOCK_PI ---- */

/* 1, 0 (queued) or -errno. */
static int lock_or_queue(struct futex_waiter *w, u32 __user *uaddr, bool try,
			 struct pi_state **spare)
{
	struct futex_bucket *b = futex_bucket_of(&w->key);
	int ret;

	do {
		spin_lock(&b->lock);
		ret = take_or_wait(w, &w->key, uaddr, false, spare);
		if (!ret && try) {
			leave_state(w, false);
			ret = -EAGAIN;
		} else if (!ret) {
			futex_insert(b, w);
		}
		spin_unlock(&b->lock);
	} while (ret == -EFAULT && !futex_fault_in(uaddr));
	return ret;
}

long futex_lock_pi(u32 __user *uaddr, bool private, u64 deadline, bool try)
{
	struct pi_state *spare = kmalloc(sizeof(*spare), GFP_KERNEL);
	struct futex_sleeper sleeper;
	struct futex_waiter w;
	int ret;

	if (!spare)
		return -ENOMEM;
	futex_init_waiter(&w, &sleeper);
	ret = futex_get_key(&w.key, uaddr, private);
	if (ret)
		goto out;
	ret = lock_or_queue(&w, uaddr, try, &spare);
	if (!ret)
		ret = wait_for_lock(&w, uaddr, deadline);
	futex_put_key(&w.key);
out:
	kfree(spare);
	return min(ret, 0);
}

/* The bucket held. 0, -EAGAIN, -EFAULT, -EINVAL. */
static int hand_over(struct futex_bucket *b, const struct futex_key *key, u32 __user *uaddr,
		     u32 word)
{
	struct futex_waiter *next = first_waiter(b, key);
	int err;

	if (!next)
		return change_word(uaddr, word, 0);
	if (!next->pi || next->pi->owner != current)
		return -EINVAL;
	err = change_word(uaddr, word, FUTEX_WAITERS | (u32)next->sleeper->task->pid);
	if (err)
		return err;
	leave_state(next, true);
	futex_wake_waiter(next);
	return 0;
}

int futex_unlock_pi(u32 __user *uaddr, bool private)
{
	struct futex_bucket *b;
	struct futex_key key;
	u32 word;
	int err;

	do {
		if (get_user(word, uaddr))
			return -EFAULT;
		if ((word & FUTEX_TID_MASK) != (u32)current->pid)
			return -EPERM;
		err = futex_get_key(&key, uaddr, private);
		if (err)
			return err;
		b = futex_bucket_of(&key);
		spin_lock(&b->lock);
		err = hand_over(b, &key, uaddr, word);
		spin_unlock(&b->lock);
		futex_put_key(&key);
	} while (err == -EAGAIN || (err == -EFAULT && !futex_fault_in(uaddr)));
	return err;
}

/* ---- FUTEX_WAIT_REQUEUE_PI, FUTEX_CMP_REQUEUE_PI ---- */

long futex_wait_requeue_pi(u32 __user *uaddr, bool private, u32 expected, u64 deadline,
			   u32 __user *ulock)
{
	struct futex_sleeper sleeper;
	struct futex_key lock_key;
	struct futex_waiter w;
	int ret;

	if (uaddr == ulock)
		return -EINVAL;
	futex_init_waiter(&w, &sleeper);
	w.lock_key = &lock_key;
	ret = futex_get_two_keys(&w.key, uaddr, &lock_key, ulock, private);
	if (ret)
		return ret;
	ret = futex_same_key(&w.key, &lock_key) ? -EINVAL : futex_enqueue(&w, uaddr, expected);
	if (!ret)
		ret = wait_for_lock(&w, ulock, deadline);
	futex_put_key(&lock_key);
	futex_put_key(&w.key);
	return ret;
}

/* One call's work: from whom to whom, how many at most, and how many so far. */
struct pi_requeue {
	struct futex_key from, to;
	u32 __user *ulock;
	int most, done;
	struct pi_state *spare;
};

/* Both buckets locked. 0, -EINVAL, and what take_or_wait() says. */
static int requeue_pi(struct pi_requeue *r)
{
	struct futex_bucket *b1 = futex_bucket_of(&r->from), *b2 = futex_bucket_of(&r->to);
	struct futex_waiter *w, *n;
	int ret;

	list_for_each_entry_safe(w, n, &b1->waiters, link) {
		if (!futex_same_key(&w->key, &r->from))
			continue;
		if (r->done == r->most)
			break;
		if (!w->lock_key || w->pi || !futex_same_key(w->lock_key, &r->to))
			return -EINVAL;
		ret = take_or_wait(w, &r->to, r->ulock, r->most > 1, &r->spare);
		if (ret < 0)
			return ret;
		if (ret)
			futex_wake_waiter(w);
		else
			futex_move_waiter(w, b2, &r->to);
		r->done++;
	}
	return 0;
}

/* Both buckets' locks are taken, with what is needed under them, until no page is missing. */
static int compare_and_requeue(struct pi_requeue *r, u32 __user *uaddr, u32 expected)
{
	struct futex_bucket *b1 = futex_bucket_of(&r->from), *b2 = futex_bucket_of(&r->to);
	int ret;

	do {
		/* A state may have been used, and given up by its waiters, before a page was missing. */
		if (!r->spare)
			r->spare = kmalloc(sizeof(*r->spare), GFP_KERNEL);
		if (!r->spare)
			return -ENOMEM;
		futex_lock_two(b1, b2);
		ret = r->done ? 0 : futex_compare(uaddr, expected);
		if (!ret)
			ret = requeue_pi(r);
		futex_unlock_two(b1, b2);
	} while (ret == -EFAULT && futex_compare(uaddr, expected) != -EFAULT &&
		 !futex_fault_in(r->ulock));
	return ret;
}

int futex_cmp_requeue_pi(u32 __user *uaddr, u32 __user *ulock, bool private, int nr_wake,
			 int nr_move, u32 expected)
{
	struct pi_requeue r = {.ulock = ulock};
	int ret;

	if (nr_wake != 1 || nr_move < 0 || uaddr == ulock)
		return -EINVAL;
	r.most = nr_move == INT32_MAX ? nr_move : nr_move + 1;
	ret = futex_get_two_keys(&r.from, uaddr, &r.to, ulock, private);
	if (ret)
		return ret;
	ret = futex_same_key(&r.from, &r.to) ? -EINVAL : compare_and_requeue(&r, uaddr, expected);
	futex_put_key(&r.to);
	futex_put_key(&r.from);
	kfree(r.spare);
	return ret ? ret : r.done;
}

/* ---- the end of an owner ---- */

/* A lock loses current, its owner: whoever waits first is the heir. @s with a reference. */
static void disown(struct pi_state *s)
{
	struct futex_bucket *b = s->bucket;
	struct futex_waiter *w;
	u64 flags;

	spin_lock(&b->lock);
	w = waiter_of(s);
	if (w)
		make_heir(w);
	spin_lock_irqsave(&tasklist_lock, flags);
	set_owner(s, NULL);
	put_state(s);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	spin_unlock(&b->lock);
}

void futex_pi_exit(void)
{
	struct task *t = current;
	struct pi_state *s;
	u64 flags;

	for (;;) {
		spin_lock_irqsave(&tasklist_lock, flags);
		t->pi_gone = true;
		s = list_first_entry_or_null(&t->pi_states, struct pi_state, owned);
		if (s)
			s->refs++;
		spin_unlock_irqrestore(&tasklist_lock, flags);
		if (!s)
			return;
		disown(s);
	}
}
