/*
 * Pipes and FIFOs: what fcntl, open and splice need to know. fs/pipe.c tells how they work.
 */
#pragma once

#include "fs/file.h"
#include "kernel/sched/mutex.h"

struct user_count;

#define PIPE_IN  (EPOLLIN | EPOLLRDNORM)
#define PIPE_OUT (EPOLLOUT | EPOLLWRNORM)

struct pipe_buffer {
	char *page;
	u16 offset, len; /* of what is left in it */
	bool packet;     /* one read, not more; what it leaves is dropped */
};

/* [m] mutex to write, anybody reads  [M] mutex  [F] fifo_lock  [I] immutable */
struct pipe {
	struct mutex mutex;
	struct wait_queue_head rd_wait, wr_wait;
	unsigned head, tail;           /* [m] buffers ever added, ever used up */
	unsigned ring_size;            /* [m] a power of two */
	unsigned readers, writers;     /* [m] open files of each side */
	unsigned r_counter, w_counter; /* [m] opens of each side so far */
	struct pipe_buffer *bufs;      /* [M] */
	char *spare;                   /* [M] a page, or NULL */
	unsigned files;                /* [F] open files; the last one frees the pipe */
	struct inode *fifo;            /* [I] NULL: from pipe(2) */
	u64 ino;                       /* [I] */
	struct user_count *user;       /* [I] whose ring_size pages count */
};

static inline bool pipe_empty(const struct pipe *p)
{
	return READ_ONCE(p->head) == READ_ONCE(p->tail);
}

/* Tail first: head is never behind it, but without the mutex tail could overtake an old head. */
static inline bool pipe_full(const struct pipe *p)
{
	unsigned tail = READ_ONCE(p->tail);

	barrier();
	return READ_ONCE(p->head) - tail >= READ_ONCE(p->ring_size);
}

static inline struct pipe_buffer *pipe_buf(struct pipe *p, unsigned i)
{
	return &p->bufs[i & (p->ring_size - 1)];
}

/* What a sleeping reader or writer waits for; afterwards it takes the mutex and looks. */
static inline bool pipe_readable(const struct pipe *p)
{
	return !pipe_empty(p) || !READ_ONCE(p->writers);
}

static inline bool pipe_writable(const struct pipe *p)
{
	return !pipe_full(p) || !READ_ONCE(p->readers);
}

/* Without the mutex. */
static inline void pipe_wake(struct wait_queue_head *wq, __poll_t events)
{
	/* The change before, the look at the queue after. Pairs with the barriers in
	 * prepare_to_wait() and poll_wait(). */
	smp_mb();
	if (waitqueue_active(wq))
		wake_up_poll(wq, events);
}

/* Without files yet; ERR_PTR(-ENFILE): more than the user may have; -ENOMEM. */
struct pipe *pipe_alloc(void);
void pipe_free(struct pipe *p);
/* An open file less. */
void pipe_put(struct pipe *p);
/*
 * A file has come (mutex held), or goes (not held). If it is the first of its side, the other may be
 * waiting for it, and who polls a pipe that had lost it; if it is the last, the other learns of it.
 */
void pipe_open_sides(struct pipe *p, u32 f_mode);
void pipe_close_sides(struct pipe *p, u32 f_mode);

/* The pipe behind an open file, or NULL. */
struct pipe *file_pipe(const struct file *file);

/* ---- the mutex held ---- */

/* What is there, up to the end of a packet. Bytes, or -EFAULT if not even one. */
ssize_t pipe_take(struct pipe *p, struct iov_iter *to);
/* @n bytes of the oldest buffer, which has them, are used up. */
void pipe_consume(struct pipe *p, size_t n);
/* One more buffer with up to a page of bytes; there is room. Bytes or -errno. */
ssize_t pipe_add_buffer(struct pipe *p, struct iov_iter *from, bool packet);
/* The same in two steps: a page to fill (NULL without memory), and its @n bytes become a buffer. */
char *pipe_spare_page(struct pipe *p);
void pipe_push_spare(struct pipe *p, size_t n, bool packet);

/* ---- fifo.c ---- */

extern spinlock_t fifo_lock;
/* Waits for the other side as fifo(7) says, with no lock held. */
int fifo_open(struct inode *inode, struct file *file);
extern const struct file_operations fifo_fops; /* of FIFO inodes */

/*
 * fcntl(2) F_GETPIPE_SZ and F_SETPIPE_SZ, in bytes: the capacity, or -EBADF (not a pipe), -EINVAL,
 * -EPERM (more than a user may have), -EBUSY (it holds more), -ENOMEM. Process context.
 */
long pipe_fcntl(struct file *file, int cmd, u64 arg);
