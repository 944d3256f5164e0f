/* eventpollfs: the files that epoll_create() makes. See fs/eventpoll.c. */
#pragma once

#include "fs/file.h"

/*
 * Called by fput() when the last reference to a file is gone, before release(): takes it out of
 * every epoll that watches it. Process context, without a lock that an epoll's user may hold while
 * it faults in user memory. O(number of items that watch it).
 */
void __eventpoll_release(struct file *file);

static inline void eventpoll_release(struct file *file)
{
	/* Nobody can add it any more: that would need a reference. NULL means that whoever removed
	 * the last item has let go of the file: pairs with ep_unlink_file(). */
	if (unlikely(smp_load_acquire(&file->f_ep)))
		__eventpoll_release(file);
}

/*
 * The file that @epfile watches under number @fd, of several the one after @skip others; only to be
 * compared, for it may be gone. ERR_PTR(-EINVAL): no epoll, -ENOENT. O(items). Process context.
 */
const struct file *eventpoll_target(struct file *epfile, int fd, unsigned skip);

/* A new epoll without a descriptor, flags as open files have them; ERR_PTR(-ENOMEM, -ENFILE). */
struct file *eventpoll_file(u32 flags);

/*
 * epoll_ctl(2) on files instead of descriptors: @fd is only the number in the key. @event is not
 * used for EPOLL_CTL_DEL, and gets EPOLLERR and EPOLLHUP otherwise. Process context; the caller
 * holds references to both files. 0 or -errno as epoll_ctl(2) has them.
 */
int do_epoll_ctl(struct file *epfile, int op, struct file *tfile, int fd,
		 struct epoll_event *event);
