/*
 * What the three files of eventpollfs share: eventpoll.c (items, wake-ups, scans; it has the lesson
 * and the LOCKING block), eventpoll_nest.c (which epoll may watch which), eventpollfs.c (the file,
 * its system calls and /proc).
 */
#pragma once

#include "fs/eventpoll.h"
#include "kernel/lib/rbtree.h"
#include "kernel/sched/mutex.h"
#include "kernel/sched/wait.h"

struct ep_user; /* a user's account of items */

/* epi->next: not on ovflist. ep->ovflist: no scan is going on. */
#define EP_UNACTIVE_PTR ((struct epitem *)-1l)

/* [m] mtx  [l] lock  [n] epnested_mutex  [L] ep_link_lock  [I] immutable  [a] atomic */
struct eventpoll {
	struct mutex mtx;
	spinlock_t lock;
	refcount_t refs;          /* its file, and those who wait for mtx in eventpoll_release() */
	struct rb_root rbr;       /* [m] epitem.rbn */
	struct list_head rdllist; /* [l] epitem.rdllink; during a scan the scanner's alone */
	struct epitem *ovflist;   /* [l] epitem.next, the newest first */
	struct wait_queue_head wq;
	struct wait_queue_head poll_wait;
	struct file *file;    /* [I] */
	struct ep_user *user; /* [I] */
	bool nested;          /* [m] an epoll watches it, or did */
	int loop_check_depth; /* [n] below or above it, as found by the walk of number gen */
	u64 gen;              /* [n] */
};

struct epoll_filefd {
	struct file *file;
	int fd;
} __packed;

/* One watched {file, fd}. */
struct epitem {
	struct rb_node rbn;           /* [m] ep->rbr */
	struct list_head rdllink;     /* [l] ep->rdllist, or a scan's txlist; empty: on neither */
	struct epitem *next;          /* [l] ep->ovflist */
	struct epoll_filefd ffd;      /* [I] the key */
	struct epoll_event event;     /* [m and l to write, either to read] */
	struct eppoll_entry *pwqlist; /* [m] where it listens */
	struct eventpoll *ep;         /* [I] */
	struct epitem *f_next, **f_pprev; /* [L] file->f_ep */
};

/* What hangs on a file's wait queue. Most files have one queue, so most items one entry. */
struct eppoll_entry {
	struct wait_queue_entry wait;  /* func = ep_poll_callback */
	struct wait_queue_head *whead; /* [I] */
	struct epitem *base;           /* [I] */
	struct eppoll_entry *next;     /* [m] base->pwqlist */
};

/* A million idle connections hold a million of these. */
#define EP_ITEM_COST (sizeof(struct epitem) + sizeof(struct eppoll_entry))
_Static_assert(EP_ITEM_COST <= 192, "a watch is to stay small");

extern const struct file_operations eventpoll_fops;
extern struct kmem_cache *epi_cache, *pwq_cache;
extern spinlock_t ep_link_lock;

static inline bool is_file_epoll(const struct file *f)
{
	return f->f_op == &eventpoll_fops;
}

/* ---- eventpoll.c ---- */

/*
 * Waits until something can be delivered, for @timeout nanoseconds (NO_DEADLINE: for ever, 0: not
 * at all), and delivers up to @maxevents to user memory: how many, 0 when the time is over, -EINTR,
 * -EFAULT. Process context; the caller holds the epoll's file.
 */
int ep_poll(struct eventpoll *ep, struct epoll_event __user *events, int maxevents, u64 timeout);
__poll_t ep_eventpoll_poll(struct file *file, struct poll_table *pt);
void ep_eventpoll_release(struct file *file);

/* ---- eventpoll_nest.c ---- */

extern struct mutex epnested_mutex;

/*
 * May @ep watch @inner? 0, or -ELOOP if @inner leads back to @ep or the chain would be too long.
 * From here on ADDs to @inner ask too. epnested_mutex held, no ep->mtx.
 */
int ep_loop_check(struct eventpoll *ep, struct eventpoll *inner);
/*
 * With the new item for @tfile in place: 0, or -EINVAL if too many ways lead from one source up to
 * epolls that nobody watches. epnested_mutex held, and the mtx of the epoll with the new item.
 */
int reverse_path_check(struct file *tfile);

/* ---- eventpollfs.c ---- */

/* Counts @ep's user's items: false if that is one too many. ep_uncharge() takes one back. */
bool ep_charge(struct eventpoll *ep);
void ep_uncharge(struct eventpoll *ep);
/* Drops a reference; the last one frees @ep, which has no items any more. */
void ep_put(struct eventpoll *ep);
