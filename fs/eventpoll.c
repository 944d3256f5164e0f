/*
 * eventpollfs: epoll_create(2), epoll_ctl(2), epoll_wait(2).
 *
 * poll() asks every file at every call. An epoll asks once: EPOLL_CTL_ADD hangs a wait-queue entry
 * with the function ep_poll_callback() on the file's wait queue and leaves it there. When the file
 * changes, its wake-up calls the function, and that puts the item on the list of ready ones. So
 * epoll_wait() looks at that list only; what is watched and quiet costs nothing.
 *
 *	file (socket, pipe ...)                   struct eventpoll, itself behind a file
 *	┌───────────┐                             ┌─────────────────────────────────────────┐
 *	│ f_ep ─────┼──▶ the items that watch it  │ rbr      all items, a tree by {file, fd}│
 *	│ wait queue┼──▶ eppoll_entry ──▶ epitem ─┼▶rdllist  items that may be ready        │
 *	└───────────┘    ep_poll_callback()       │ ovflist  the same, during a scan        │
 *	                                          │ wq       tasks in epoll_wait()          │
 *	                                          │ poll_wait  those who watch this epoll   │
 *	                                          └─────────────────────────────────────────┘
 *
 * An item on rdllist is a hint, not a promise: between wake-up and delivery the data may have been
 * read. A scan (ep_start_scan() to ep_done_scan()) therefore takes the list away, asks each file
 * again with its poll operation and delivers what is true now. That takes time and may sleep, so
 * wake-ups that arrive meanwhile put their items on ovflist, which ep_done_scan() joins with the
 * rest. The states of an item, where (*) needs a scan:
 *
 *	quiet ── ep_poll_callback(), ADD or MOD of a ready file ──▶ on rdllist
 *	on rdllist ─(*)─ not ready after all, or delivered edge-triggered ──▶ quiet
 *	on rdllist ─(*)─ delivered level-triggered ──▶ tail of rdllist: asked again at the next wait
 *	on rdllist ─(*)─ delivered with EPOLLONESHOT ──▶ quiet, deaf until MOD gives it a new mask
 *	on rdllist ─(*)─ no room left for it ──▶ head of rdllist, so that everyone has a turn
 *	any, during a scan ── ep_poll_callback() ──▶ on ovflist as well ─(*)▶ on rdllist
 *
 * LOCKING, from the outside in
 *	epnested_mutex  One at a time changes which epoll watches which (the only way to see the
 *	                whole shape: no single ep->mtx covers it).
 *	ep->mtx         The tree and the scan. A mutex, because a scan calls poll operations and copies
 *	                to user memory, and both may sleep; a page fault takes mm->lock below it. When
 *	                an epoll watches another, the outer one's before the inner one's. There are no
 *	                loops (ep_loop_check()), so this is an order.
 *	source's wq     A wake-up holds it around ep_poll_callback(), interrupts off, in any context.
 *	ep->lock        rdllist and ovflist, for the callback cannot take a mutex. Interrupts off.
 *	ep->wq          Taken to wake a task in epoll_wait().
 *	ep->poll_wait   Taken to tell an outer epoll: with the source's wq held, but not ep->lock. Its
 *	                callback goes on with the outer ep->lock, and so on, EP_MAX_NESTS times at most.
 *	ep_link_lock    Every file->f_ep list. Process context; innermost.
 *
 * LIFE, or why no pointer here is ever stale
 *	An item is made by ADD and freed by ep_remove(), always under ep->mtx, and three may call
 *	that: DEL, which holds a reference to the watched file; the last fput() of the watched file,
 *	in eventpoll_release(); the last fput() of the epoll, in ep_eventpoll_release(). The last two
 *	may come at the same time on two CPUs. So that neither frees what the other uses:
 *	1. A watched file waits for its items. fput() does not go on to release() and does not free
 *	   the file before file->f_ep is empty. ep_remove() takes the entries off the wait queue first
 *	   and unlinks the item from f_ep then, and touches neither file nor queue after that. So
 *	   epi->ffd.file and pwq->whead are good as long as the item is linked.
 *	2. remove_wait_queue() takes the queue's lock, which a running callback's caller holds. After
 *	   it no callback for the item runs or will run, and the item can be freed.
 *	3. An epoll lives while its file does, and ep_eventpoll_release() has removed every item
 *	   before it drops the file's reference. So epi->ep, and the file of that epoll, are good as
 *	   long as the item is linked in f_ep, and whoever finds it there, holding ep_link_lock, may
 *	   take a reference of his own. eventpoll_release() does, because it then waits for ep->mtx.
 *	4. A task in epoll_wait() or epoll_ctl() holds the epoll's file.
 *	What this asks of others: a wait queue shown to poll_wait() lives until its file's release().
 *	A poll operation may be called when the last reference is gone (before release()), so it takes
 *	none. And since a last fput() takes ep->mtx, nobody calls it under mm->lock for a file that can
 *	be polled.
 */
#include "fs/eventpoll_internal.h"
#include "kernel/lib/printk.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/signal.h"
#include "kernel/time/ktime.h"
#include "kernel/trace/trace.h"

/* Bits of an item's mask that ask for a way of delivery, not for an event. */
#define EP_PRIVATE_BITS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)
#define EPOLLINOUT_BITS (EPOLLIN | EPOLLOUT)
#define EPOLLEXCLUSIVE_OK_BITS \
	(EPOLLINOUT_BITS | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

struct ep_pqueue {
	struct poll_table pt;
	struct epitem *epi; /* NULL: an entry could not be allocated */
};

DEFINE_SPINLOCK(ep_link_lock);

static inline bool ep_is_linked(const struct epitem *epi)
{
	return !list_empty(&epi->rdllink);
}

/* ---- the wake-up: from the source to the ready list ---- */

/* Puts @epi where the next scan will find it. ep->lock held. */
static inline void ep_add_ready(struct eventpoll *ep, struct epitem *epi)
{
	if (unlikely(ep->ovflist != EP_UNACTIVE_PTR)) {
		if (epi->next == EP_UNACTIVE_PTR) {
			epi->next = ep->ovflist;
			ep->ovflist = epi;
		}
	} else if (!ep_is_linked(epi)) {
		list_add_tail(&epi->rdllink, &ep->rdllist);
	}
}

/*
 * Tells those who watch this epoll. Who asked for EPOLLRDNORM alone does not hear it, though a poll would
 * say so: as on Linux. The inner ep->lock not held, see LOCKING.
 */
static void ep_poll_safewake(struct eventpoll *ep)
{
	wake_up_poll(&ep->poll_wait, EPOLLIN);
}

/*
 * Does a wake-up of an EPOLLEXCLUSIVE item count as the one that was asked for? Not if nobody waits
 * here, and not if the source became readable and this item wants to write, or the other way
 * around: then the next one has to be woken. With both at once there may be one more for each.
 */
static bool ep_took_exclusive(__poll_t happened, __poll_t wanted, bool waiters)
{
	__poll_t inout = happened & EPOLLINOUT_BITS;

	return waiters && (!inout || (inout != EPOLLINOUT_BITS && (inout & wanted)));
}

/*
 * The source has changed. Runs inside its wake-up: any context, the source's wq->lock held and
 * interrupts off, so it neither sleeps nor polls. About 60 instructions when nobody has to be woken.
 *
 * No wake-up is lost: a task in epoll_wait() queues on ep->wq and then looks for items under
 * ep->lock (ep_events_available()). Either it looks after us and sees the item, or before us and we
 * see it on ep->wq. The same holds for poll_wait and the look of ep_eventpoll_poll().
 */
static int ep_poll_callback(struct wait_queue_entry *wait, unsigned mode, int flags, void *key)
{
	struct epitem *epi = container_of(wait, struct eppoll_entry, wait)->base;
	struct eventpoll *ep = epi->ep;
	__poll_t happened = key_to_poll(key), wanted;
	bool waiters = false, pwake = false;

	trace(ep_poll_callback, epi->ffd.fd, happened);
	spin_lock(&ep->lock);
	wanted = epi->event.events;
	/* No event in the mask: EPOLLONESHOT has fired. No event in the key: it may be any. */
	if (!(wanted & ~EP_PRIVATE_BITS) || (happened && !(happened & wanted)))
		goto out;
	ep_add_ready(ep, epi);
	waiters = waitqueue_active(&ep->wq);
	if (waiters)
		wake_up(&ep->wq);
	pwake = waitqueue_active(&ep->poll_wait);
out:
	spin_unlock(&ep->lock);
	if (pwake)
		ep_poll_safewake(ep);
	return !(wanted & EPOLLEXCLUSIVE) || ep_took_exclusive(happened, wanted, waiters);
}

/* The file was found ready by ADD or MOD. ep->mtx held, so there is no scan. */
static void ep_item_is_ready(struct eventpoll *ep, struct epitem *epi)
{
	bool pwake = false;

	spin_lock_irq(&ep->lock);
	if (!ep_is_linked(epi)) {
		ep_add_ready(ep, epi);
		if (waitqueue_active(&ep->wq))
			wake_up(&ep->wq);
		pwake = waitqueue_active(&ep->poll_wait);
	}
	spin_unlock_irq(&ep->lock);
	if (pwake)
		ep_poll_safewake(ep);
}

/* poll_wait() inside the file's poll operation leads here, once an item and queue. ep->mtx held. */
static void ep_ptable_queue_proc(struct file *file, struct wait_queue_head *whead,
				 struct poll_table *pt)
{
	struct ep_pqueue *epq = container_of(pt, struct ep_pqueue, pt);
	struct epitem *epi = epq->epi;
	struct eppoll_entry *pwq;

	if (unlikely(!epi))
		return; /* an earlier queue of this file has failed */
	pwq = kmem_cache_alloc(pwq_cache, GFP_KERNEL);
	if (unlikely(!pwq)) {
		epq->epi = NULL;
		return;
	}
	init_waitqueue_func_entry(&pwq->wait, ep_poll_callback);
	pwq->whead = whead;
	pwq->base = epi;
	pwq->next = epi->pwqlist;
	epi->pwqlist = pwq;
	if (epi->event.events & EPOLLEXCLUSIVE)
		add_wait_queue_exclusive(whead, &pwq->wait);
	else
		add_wait_queue(whead, &pwq->wait);
}

/* ---- the scan ---- */

/*
 * Is there anything to fetch? A yes may be stale; the scan finds out. A no is exact: it is given
 * under ep->lock, because a scan that starts or ends moves items from list to list, and a look
 * without the lock could miss them in both places. Any process context.
 */
static inline bool ep_events_available(struct eventpoll *ep)
{
	bool available;

	if (!list_empty(&ep->rdllist))
		return true;
	spin_lock_irq(&ep->lock);
	available = !list_empty(&ep->rdllist) || ep->ovflist != EP_UNACTIVE_PTR;
	spin_unlock_irq(&ep->lock);
	return available;
}

/*
 * Takes the ready items away into @txlist. Until ep_done_scan() wake-ups go to ovflist, so the
 * caller may work on txlist and rdllist without ep->lock. ep->mtx held.
 */
static void ep_start_scan(struct eventpoll *ep, struct list_head *txlist)
{
	spin_lock_irq(&ep->lock);
	list_splice_init(&ep->rdllist, txlist);
	ep->ovflist = NULL;
	spin_unlock_irq(&ep->lock);
}

/* Puts back what is left of @txlist, in front, and what came meanwhile. ep->mtx held. */
static void ep_done_scan(struct eventpoll *ep, struct list_head *txlist)
{
	struct epitem *epi, *next;

	spin_lock_irq(&ep->lock);
	for (epi = ep->ovflist; epi; epi = next) {
		next = epi->next;
		epi->next = EP_UNACTIVE_PTR;
		/* Each goes before the last: ovflist has the newest first, so this sorts them. */
		if (!ep_is_linked(epi))
			list_add(&epi->rdllink, &ep->rdllist);
	}
	ep->ovflist = EP_UNACTIVE_PTR;
	list_splice_init(txlist, &ep->rdllist);
	/* Something is left for the next one who waits: what is level-triggered, or found no room. */
	if (!list_empty(&ep->rdllist) && waitqueue_active(&ep->wq))
		wake_up(&ep->wq);
	spin_unlock_irq(&ep->lock);
}

static __poll_t __ep_eventpoll_poll(struct file *file, struct poll_table *pt, int depth);

/* What is true of the file, as far as the item asks for it. ep->mtx of depth @depth - 1 held. */
static inline __poll_t ep_item_poll(const struct epitem *epi, struct poll_table *pt, int depth)
{
	struct file *file = epi->ffd.file;
	__poll_t events;

	pt->key = epi->event.events;
	if (unlikely(is_file_epoll(file)))
		events = __ep_eventpoll_poll(file, pt, depth);
	else
		events = file->f_op->poll(file, pt);
	return events & epi->event.events;
}

/*
 * An epoll is readable while a wait on it would return something. So ask until one item says yes,
 * and forget those that say no. The recursion is as deep as epolls are nested, EP_MAX_NESTS.
 */
static __poll_t __ep_eventpoll_poll(struct file *file, struct poll_table *pt, int depth)
{
	struct eventpoll *ep = file->private_data;
	struct poll_table ask = {.qproc = NULL};
	__poll_t events = 0;
	LIST_HEAD(txlist);

	poll_wait(file, &ep->poll_wait, pt);
	if (!ep_events_available(ep))
		return 0;
	mutex_lock_nested(&ep->mtx, depth);
	ep_start_scan(ep, &txlist);
	while (!list_empty(&txlist)) {
		struct epitem *epi = list_first_entry(&txlist, struct epitem, rdllink);

		if (ep_item_poll(epi, &ask, depth + 1)) {
			events = EPOLLIN | EPOLLRDNORM;
			break;
		}
		list_del_init(&epi->rdllink);
		cond_resched();
	}
	ep_done_scan(ep, &txlist);
	mutex_unlock(&ep->mtx);
	return events;
}

__poll_t ep_eventpoll_poll(struct file *file, struct poll_table *pt)
{
	return __ep_eventpoll_poll(file, pt, 0);
}

/* EPOLLONESHOT has fired: deaf until MOD. ep->mtx held. */
static void ep_disarm(struct eventpoll *ep, struct epitem *epi)
{
	spin_lock_irq(&ep->lock);
	epi->event.events &= EP_PRIVATE_BITS;
	spin_unlock_irq(&ep->lock);
}

/*
 * Delivers up to @maxevents ready items: how many, 0 if none was ready after all, -EFAULT if not
 * even the first could be stored. Under 100 instructions an item.
 */
static noinline int ep_send_events(struct eventpoll *ep, struct epoll_event __user *events,
				   int maxevents)
{
	struct poll_table ask = {.qproc = NULL};
	LIST_HEAD(txlist);
	int res = 0;

	mutex_lock(&ep->mtx);
	ep_start_scan(ep, &txlist);
	while (res < maxevents && !list_empty(&txlist)) {
		struct epitem *epi = list_first_entry(&txlist, struct epitem, rdllink);
		__poll_t revents;

		if (unlikely(this_cpu_read(need_resched)))
			cond_resched();
		revents = ep_item_poll(epi, &ask, 1);
		if (revents) {
			if (unlikely(put_user(revents, &events[res].events) ||
				     put_user(epi->event.data, &events[res].data))) {
				/* Not delivered, so it stays ready, edge-triggered or not. */
				if (!res)
					res = -EFAULT;
				break;
			}
			res++;
			if (!(epi->event.events & (EPOLLET | EPOLLONESHOT))) {
				list_move_tail(&epi->rdllink, &ep->rdllist);
				continue;
			}
			if (epi->event.events & EPOLLONESHOT)
				ep_disarm(ep, epi);
		}
		list_del_init(&epi->rdllink);
	}
	ep_done_scan(ep, &txlist);
	mutex_unlock(&ep->mtx);
	return res;
}

/*
 * Sleeps until there is something to deliver. -EINTR on a signal, and that is final: epoll_wait() is
 * never restarted, whatever SA_RESTART says.
 *
 * Waiters are exclusive: a wake-up of ep->wq chooses one, and leaves it to that one to look. So
 * whoever leaves the queue looks once more before it returns: the wake-up may have been for it.
 */
static noinline int ep_sleep(struct eventpoll *ep, struct epoll_event __user *events, int maxevents,
			     u64 timeout)
{
	u64 deadline = timeout == NO_DEADLINE ? NO_DEADLINE : deadline_after(timeout);
	bool late = false;
	int res;

	for (;;) {
		if (signal_pending(current) && fatal_signal_pending(current)) {
			/* A dying task takes no events from others who share the epoll. */
			wake_up(&ep->wq);
			return -EINTR;
		}
		if (ep_events_available(ep)) {
			res = ep_send_events(ep, events, maxevents);
			if (res)
				return res;
		}
		if (late)
			return 0;
		if (signal_pending(current))
			return -EINTR;
		late = wait_event_interruptible_exclusive_deadline(&ep->wq, ep_events_available(ep),
								   deadline) == -ETIME;
	}
}

int ep_poll(struct eventpoll *ep, struct epoll_event __user *events, int maxevents, u64 timeout)
{
	int res = 0;

	trace(epoll_wait, maxevents, 0);
	if (ep_events_available(ep))
		res = ep_send_events(ep, events, maxevents);
	if (!res && timeout)
		res = ep_sleep(ep, events, maxevents, timeout);
	trace(epoll_wait_exit, res, 0);
	return res;
}

/* ---- items come and go ---- */

static inline void ep_link_file(struct epitem *epi)
{
	struct file *file = epi->ffd.file;

	spin_lock(&ep_link_lock);
	epi->f_next = file->f_ep;
	epi->f_pprev = &file->f_ep;
	if (epi->f_next)
		epi->f_next->f_pprev = &epi->f_next;
	WRITE_ONCE(file->f_ep, epi);
	spin_unlock(&ep_link_lock);
}

/* Afterwards the file may be gone. */
static inline void ep_unlink_file(struct epitem *epi)
{
	spin_lock(&ep_link_lock);
	if (epi->f_next)
		epi->f_next->f_pprev = epi->f_pprev;
	/* Orders all that ep_remove() did with the file and its wait queue before this store, our
	 * last touch. Pairs with eventpoll_release(), which may free both when it sees NULL. */
	smp_store_release(epi->f_pprev, epi->f_next);
	spin_unlock(&ep_link_lock);
}

/* By address of the file, then number. */
static inline long ep_cmp_ffd(const struct file *file, int fd, const struct epitem *epi)
{
	if (file != epi->ffd.file)
		return file < epi->ffd.file ? -1 : 1;
	return (long)fd - epi->ffd.fd;
}

/* ep->mtx held. O(log n). */
static struct epitem *ep_find(struct eventpoll *ep, struct file *file, int fd)
{
	struct rb_node *n = ep->rbr.node;

	while (n) {
		struct epitem *epi = rb_entry(n, struct epitem, rbn);
		long cmp = ep_cmp_ffd(file, fd, epi);

		if (!cmp)
			return epi;
		n = cmp < 0 ? n->left : n->right;
	}
	return NULL;
}

/* The key is not there yet. ep->mtx held. */
static void ep_rbtree_insert(struct eventpoll *ep, struct epitem *epi)
{
	struct rb_node **link = &ep->rbr.node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = ep_cmp_ffd(epi->ffd.file, epi->ffd.fd,
				  rb_entry(parent, struct epitem, rbn)) < 0
			       ? &parent->left
			       : &parent->right;
	}
	rb_insert(&epi->rbn, parent, link, &ep->rbr);
}

/* ep->mtx held. The order of the steps is what LIFE above is about. */
static void ep_remove(struct eventpoll *ep, struct epitem *epi)
{
	struct eppoll_entry *pwq;

	while ((pwq = epi->pwqlist)) {
		epi->pwqlist = pwq->next;
		remove_wait_queue(pwq->whead, &pwq->wait);
		kmem_cache_free(pwq_cache, pwq);
	}
	ep_unlink_file(epi);
	rb_erase(&epi->rbn, &ep->rbr);
	spin_lock_irq(&ep->lock);
	list_del_init(&epi->rdllink); /* no scan is going on, so it is not on ovflist */
	spin_unlock_irq(&ep->lock);
	kmem_cache_free(epi_cache, epi);
	ep_uncharge(ep);
}

/* EPOLL_CTL_ADD. ep->mtx held, and epnested_mutex if @full_check. */
static noinline int ep_insert(struct eventpoll *ep, const struct epoll_event *event,
			      struct file *tfile, int fd, bool full_check)
{
	struct ep_pqueue epq = {.pt.qproc = ep_ptable_queue_proc};
	struct epitem *epi;
	__poll_t events;

	if (!ep_charge(ep))
		return -ENOSPC;
	epi = kmem_cache_alloc(epi_cache, GFP_KERNEL);
	if (!epi) {
		ep_uncharge(ep);
		return -ENOMEM;
	}
	INIT_LIST_HEAD(&epi->rdllink);
	epi->next = EP_UNACTIVE_PTR;
	epi->ffd.file = tfile;
	epi->ffd.fd = fd;
	epi->event = *event;
	epi->pwqlist = NULL;
	epi->ep = ep;
	ep_link_file(epi);
	ep_rbtree_insert(ep, epi);

	if (full_check && reverse_path_check(tfile)) {
		ep_remove(ep, epi);
		return -EINVAL;
	}
	/* First listen, then look: what happens in between is in the answer or calls us back. */
	epq.epi = epi;
	events = ep_item_poll(epi, &epq.pt, 1);
	if (!epq.epi) {
		ep_remove(ep, epi);
		return -ENOMEM;
	}
	if (events)
		ep_item_is_ready(ep, epi);
	return 0;
}

/* EPOLL_CTL_MOD: also re-arms EPOLLONESHOT, and reports an edge-triggered item anew. mtx held. */
static void ep_modify(struct eventpoll *ep, struct epitem *epi, const struct epoll_event *event)
{
	struct poll_table ask = {.qproc = NULL};

	/*
	 * First the new mask, then the look. ep->lock orders them against a wake-up: one that took
	 * the lock before us, and judged by the old mask, made its change visible to our look; one
	 * that takes it after us judges by the new mask.
	 */
	spin_lock_irq(&ep->lock);
	epi->event = *event;
	spin_unlock_irq(&ep->lock);
	if (ep_item_poll(epi, &ask, 1))
		ep_item_is_ready(ep, epi);
}

/* ---- the ends: of a watched file, of an epoll ---- */

void __eventpoll_release(struct file *file)
{
	struct eventpoll *ep;
	struct epitem *epi;

	for (;;) {
		spin_lock(&ep_link_lock);
		epi = file->f_ep;
		ep = epi ? epi->ep : NULL;
		if (ep)
			refcount_inc(&ep->refs);
		spin_unlock(&ep_link_lock);
		if (!ep)
			return;
		mutex_lock(&ep->mtx);
		/* While we waited, the epoll may have been closed and the item removed. Nothing is
		 * added any more, and only holders of mtx remove: if it is ep's it stays. */
		spin_lock(&ep_link_lock);
		epi = file->f_ep;
		spin_unlock(&ep_link_lock);
		if (epi && epi->ep == ep)
			ep_remove(ep, epi);
		mutex_unlock(&ep->mtx);
		ep_put(ep);
	}
}

/* The last reference to the epoll itself. No outer epoll watches it: eventpoll_release() was here. */
void ep_eventpoll_release(struct file *file)
{
	struct eventpoll *ep = file->private_data;
	struct rb_node *n, *next;

	mutex_lock(&ep->mtx);
	for (n = rb_first(&ep->rbr); n; n = next) {
		next = rb_next(n);
		ep_remove(ep, rb_entry(n, struct epitem, rbn));
		cond_resched();
	}
	mutex_unlock(&ep->mtx);
	ep_put(ep);
}

/* ---- epoll_ctl ---- */

/* What epoll_ctl(2) refuses whatever the epoll holds. */
static int ep_check_ctl(const struct file *epfile, int op, const struct file *tfile,
			const struct epoll_event *event)
{
	if (!tfile->f_op->poll)
		return -EPERM;
	if (epfile == tfile || !is_file_epoll(epfile))
		return -EINVAL;
	if (op == EPOLL_CTL_DEL || !(event->events & EPOLLEXCLUSIVE))
		return 0;
	/* It is a property of the place in the wait queue, and that is given by ADD. */
	if (op == EPOLL_CTL_MOD)
		return -EINVAL;
	if (op == EPOLL_CTL_ADD &&
	    (is_file_epoll(tfile) || (event->events & ~EPOLLEXCLUSIVE_OK_BITS)))
		return -EINVAL;
	return 0;
}

int do_epoll_ctl(struct file *epfile, int op, struct file *tfile, int fd, struct epoll_event *event)
{
	struct eventpoll *ep = epfile->private_data;
	struct epitem *epi;
	bool full_check = false;
	int err;

	err = ep_check_ctl(epfile, op, tfile, event);
	if (err)
		return err;
	if (op != EPOLL_CTL_DEL)
		event->events |= EPOLLERR | EPOLLHUP; /* always reported */
	mutex_lock(&ep->mtx);
	if (op == EPOLL_CTL_ADD && unlikely(ep->nested || is_file_epoll(tfile))) {
		mutex_unlock(&ep->mtx);
		mutex_lock(&epnested_mutex);
		full_check = true;
		if (is_file_epoll(tfile))
			err = ep_loop_check(ep, tfile->private_data);
		if (err)
			goto out_nested;
		mutex_lock(&ep->mtx);
	}
	epi = ep_find(ep, tfile, fd);
	switch (op) {
	case EPOLL_CTL_ADD:
		err = epi ? -EEXIST : ep_insert(ep, event, tfile, fd, full_check);
		break;
	case EPOLL_CTL_DEL:
		if (epi)
			ep_remove(ep, epi);
		else
			err = -ENOENT;
		break;
	case EPOLL_CTL_MOD:
		if (!epi)
			err = -ENOENT;
		else if (epi->event.events & EPOLLEXCLUSIVE)
			err = -EINVAL;
		else
			ep_modify(ep, epi, event);
		break;
	default:
		err = -EINVAL;
	}
	mutex_unlock(&ep->mtx);
out_nested:
	if (full_check)
		mutex_unlock(&epnested_mutex);
	return err;
}
