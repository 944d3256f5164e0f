/*
 * Nested epolls: which epoll may watch which.
 *
 * An epoll is a file that can be polled, so epolls can watch epolls. Waiting and waking recurse
 * along such chains, so three things must hold of the graph whose arrows are "watches":
 *	- it has no loop, or a wake-up would meet its own locks (-ELOOP);
 *	- no chain has more than EP_MAX_NESTS arrows, so the recursion fits the stack (-ELOOP);
 *	- no source leads on too many ways to epolls that nobody watches: a wake-up of the source
 *	  walks them all with interrupts off (-EINVAL).
 *
 *	outer ──▶ ep ──▶ inner ──▶ source	arrows: "watches"; a wake-up goes the other way
 *
 * Only an ADD can break them, and only one that is about nested epolls: its target is an epoll, or
 * ep->nested says that somebody watches ep. Such an ADD holds epnested_mutex. ep_loop_check() sets
 * nested on the target, under the target's mtx, before it is watched. So an ADD of a plain file to
 * that target either holds the mtx before, and then its file is seen by reverse_path_check(), or
 * after, and then it waits for epnested_mutex and checks itself. Everybody else pays one test.
 *
 * A walk has a number and leaves it on each epoll it has been to, so that it visits each once
 * however many ways lead there.
 *
 * LOCKING: see eventpoll.c. Walks down take each epoll's mtx, outer before inner, as a scan does.
 * Walks up follow the lists of file->f_ep under ep_link_lock; the recursion ends because the graph
 * was sound before this ADD.
 */
#include "fs/eventpoll_internal.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"

#define EP_MAX_NESTS 4

DEFINE_MUTEX(epnested_mutex);
static u64 loop_check_gen; /* [epnested_mutex] number of the last walk */

/* The longest chain of epolls below @ep, more than EP_MAX_NESTS if it is too long or leads to @to. */
static int ep_loop_check_proc(struct eventpoll *ep, const struct eventpoll *to, int depth)
{
	struct epitem *epi;
	int below = 0;

	if (ep->gen == loop_check_gen)
		return ep->loop_check_depth;
	mutex_lock_nested(&ep->mtx, depth + 1);
	ep->gen = loop_check_gen;
	ep->nested = true;
	rb_for_each_entry(epi, &ep->rbr, rbn) {
		struct eventpoll *inner = epi->ffd.file->private_data;

		if (!is_file_epoll(epi->ffd.file))
			continue;
		if (inner == to || depth >= EP_MAX_NESTS)
			below = EP_MAX_NESTS + 1;
		else
			below = max(below, 1 + ep_loop_check_proc(inner, to, depth + 1));
		if (below > EP_MAX_NESTS)
			break;
		cond_resched();
	}
	ep->loop_check_depth = below;
	mutex_unlock(&ep->mtx);
	return below;
}

/* The longest chain of epolls above @ep. ep_link_lock held. */
static int ep_get_upwards_depth_proc(struct eventpoll *ep)
{
	int above = 0;

	if (ep->gen == loop_check_gen)
		return ep->loop_check_depth;
	for (struct epitem *epi = ep->file->f_ep; epi; epi = epi->f_next)
		above = max(above, 1 + ep_get_upwards_depth_proc(epi->ep));
	ep->gen = loop_check_gen;
	ep->loop_check_depth = above;
	return above;
}

int ep_loop_check(struct eventpoll *ep, struct eventpoll *inner)
{
	int below, above;

	loop_check_gen++;
	below = ep_loop_check_proc(inner, ep, 0);
	if (below > EP_MAX_NESTS)
		return -ELOOP;
	spin_lock(&ep_link_lock);
	above = ep_get_upwards_depth_proc(ep);
	spin_unlock(&ep_link_lock);
	return above + 1 + below > EP_MAX_NESTS ? -ELOOP : 0;
}

/* How many ways of each length may lead from a source up to an epoll that nobody watches. */
static const int path_limits[EP_MAX_NESTS + 1] = {1000, 500, 100, 50, 10};
static int path_count[EP_MAX_NESTS + 1]; /* [ep_link_lock] */

/* ep_link_lock held. */
static int reverse_path_check_proc(const struct file *file, int depth)
{
	int err = 0;

	if (depth > EP_MAX_NESTS)
		return -EINVAL;
	for (struct epitem *epi = file->f_ep; epi && !err; epi = epi->f_next) {
		if (epi->ep->file->f_ep)
			err = reverse_path_check_proc(epi->ep->file, depth + 1);
		else if (depth && ++path_count[depth] > path_limits[depth])
			err = -EINVAL; /* direct watchers (depth 0) may be as many as there are */
	}
	return err;
}

/* Checks @file, or every source below it if it is an epoll. */
static int ep_count_paths(struct file *file, int depth)
{
	struct eventpoll *ep = file->private_data;
	struct epitem *epi;
	int err = 0;

	if (!is_file_epoll(file)) {
		spin_lock(&ep_link_lock);
		memset(path_count, 0, sizeof(path_count));
		err = reverse_path_check_proc(file, 0);
		spin_unlock(&ep_link_lock);
		return err;
	}
	if (ep->gen == loop_check_gen)
		return 0;
	mutex_lock_nested(&ep->mtx, depth + 1);
	ep->gen = loop_check_gen;
	rb_for_each_entry(epi, &ep->rbr, rbn) {
		err = ep_count_paths(epi->ffd.file, depth + 1);
		if (err)
			break;
		cond_resched();
	}
	mutex_unlock(&ep->mtx);
	return err;
}

int reverse_path_check(struct file *tfile)
{
	loop_check_gen++;
	return ep_count_paths(tfile, 0);
}
