/*
 * What poll(), select() and epoll ask of a file. A file's poll operation says which events are true
 * now, and shows (through poll_wait()) the wait queues on which changes will be announced. Who asks
 * decides what to hang there: select.c a pollwake() entry, eventpoll.c an ep_poll_callback() entry.
 */
#pragma once

#include "kernel/abi/poll.h"

struct file;
struct wait_queue_head;
struct poll_table;

typedef void (*poll_queue_proc)(struct file *file, struct wait_queue_head *wq,
				struct poll_table *pt);

struct poll_table {
	poll_queue_proc qproc; /* NULL: ask only */
	__poll_t key;          /* events the asker wants; the file may skip work for others */
};

static inline void poll_wait(struct file *file, struct wait_queue_head *wq, struct poll_table *pt)
{
	if (pt && pt->qproc && wq) {
		pt->qproc(file, wq, pt);
		/* First on the queue, then the look at the file that follows. Pairs with the barrier
		 * between a change and waitqueue_active(): the look sees the change, or the waker
		 * sees the entry. */
		smp_mb();
	}
}

/* The answer of a file without a poll operation. */
#define DEFAULT_POLLMASK (EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM)

__poll_t vfs_poll(struct file *file, struct poll_table *pt);
bool file_can_poll(const struct file *file);
