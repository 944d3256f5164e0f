/*
 * Open files and descriptors. The three classic tables: a process's descriptor table (struct
 * files) points to open files (struct file: position, flags, shared by dup and fork), which point
 * to inodes. A file may have no name at all (socket, pipe, eventpoll): it is its operations.
 *
 * Locks: [F] files->lock  [a] atomic  [I] immutable after open  [i] inode->i_mutex  [f] f_lock
 */
#pragma once

#include "fs/poll.h"
#include "kernel/abi/errno.h"
#include "kernel/abi/fcntl.h"
#include "kernel/lib/atomic.h"
#include "kernel/lib/iov.h"
#include "kernel/lib/list.h"
#include "kernel/lib/seq.h"
#include "kernel/sched/spinlock.h"

struct file;
struct inode;
struct dentry;
struct mount;
struct epitem;
struct fasync;
struct kstat;
struct dir_context;
struct vm_ops;

struct file_operations {
	/*
	 * Bytes moved, 0 at the end of file, or -errno. *pos is to be advanced where the file has a
	 * position. They look at file->f_flags & O_NONBLOCK themselves. NULL: -EINVAL.
	 */
	ssize_t (*read)(struct file *file, struct iov_iter *to, loff_t *pos);
	ssize_t (*write)(struct file *file, struct iov_iter *from, loff_t *pos);
	/*
	 * The events that are true now. If @pt is not NULL, first calls poll_wait() for each wait
	 * queue that is woken when the answer changes. Process context; takes no mutex that is held
	 * around a wake-up. NULL: always readable and writable for poll(2), EPERM for epoll.
	 */
	__poll_t (*poll)(struct file *file, struct poll_table *pt);
	long (*ioctl)(struct file *file, unsigned cmd, u64 arg); /* -ENOTTY for unknown ones */
	/* Names what backs a mapping: *ops and *object (with a reference). 0 or -errno. */
	int (*mmap)(struct file *file, u64 len, int prot, int flags, u64 offset,
		    const struct vm_ops **ops, void **object);
	loff_t (*llseek)(struct file *file, loff_t off, int whence); /* NULL: -ESPIPE */
	int (*iterate)(struct file *file, struct dir_context *ctx);  /* getdents64(2) */
	int (*open)(struct inode *inode, struct file *file);
	/* /proc/PID/fd/N of a file without a place in the tree: another open file on the same thing,
	 * ERR_PTR. NULL: -ENXIO. */
	struct file *(*reopen)(struct file *file, u32 flags);
	/* Another reference went through close(2); for files that care (none here yet). */
	int (*flush)(struct file *file);
	/* The last reference is gone. Process context, may sleep. */
	void (*release)(struct file *file);
	/* The events that O_ASYNC signals, of EPOLLIN, OUT, HUP and ERR; 0: it has no effect. With
	 * EPOLLPRI it has urgent data, of which the owner is told with or without O_ASYNC. */
	__poll_t async;
	int (*getattr)(struct file *file, struct kstat *st); /* NULL: that of the inode */
	void (*show_fdinfo)(struct seq *s, struct file *file);
	/* Text of the link in /proc/PID/fd, "socket:[123]"; NULL: the path. */
	int (*show_name)(struct file *file, char *buf, size_t size);
	int (*truncate)(struct file *file, loff_t len);
	int (*fallocate)(struct file *file, int mode, loff_t off, loff_t len);
};

#define FMODE_READ   0x1u
#define FMODE_WRITE  0x2u
#define FMODE_PATH   0x4u  /* O_PATH: only a place in the tree */
#define FMODE_WRITER 0x10u /* counted in i_writecount and in the mount */
#define FMODE_STREAM 0x8u  /* no position: pread and pwrite give -ESPIPE */

struct file {
	refcount_t refs;
	u32 f_flags;                        /* [f] O_* as F_GETFL shows them; read without a lock */
	u32 f_mode;                         /* [I] FMODE_* */
	spinlock_t f_lock;                  /* process context only */
	const struct file_operations *f_op; /* [I] */
	void *private_data;
	struct inode *f_inode; /* [I] with a reference, or the shared one of a pseudo file system */
	struct dentry *f_dentry; /* [I] with a reference, or NULL */
	struct mount *f_mnt;     /* [I] */
	loff_t f_pos; /* [i] for files with a position: read() and write() move it under i_mutex */
	struct epitem
		*f_ep; /* the items that watch this file, see ep_link_lock in fs/eventpoll.c */
	struct fasync *f_fasync; /* [f] to set; fasync.c's, NULL: never asked for */
};

/* A file on an internal mount, with no name. flags: O_ACCMODE, O_NONBLOCK. ERR_PTR(-ENFILE/-ENOMEM). */
struct file *alloc_file_pseudo(struct mount *mnt, const struct file_operations *fop, void *priv,
			       u32 flags);
/* A file without a kind of its own (eventfd, timerfd, signalfd), on the kernel's anon_inodefs. */
struct file *anon_file(const struct file_operations *fop, void *priv, u32 flags);

static inline struct file *get_file(struct file *f)
{
	refcount_inc(&f->refs);
	return f;
}
/* Drops a reference. The last one calls release() at once: process context, may sleep. */
void fput(struct file *f);

/* For files that are at position 0 whatever is asked for, as Linux has several. */
loff_t noop_llseek(struct file *file, loff_t off, int whence);

/* The number of files open in the system, and its limit (/proc/sys/fs/file-max). */
extern atomic64_t nr_files;

/* ---- descriptors ---- */

#define NR_OPEN_MAX (1u << 20) /* largest RLIMIT_NOFILE */

struct files {
	refcount_t refs;  /* tasks that share it; 1 lets fdget() do without a reference */
	spinlock_t lock;  /* process context */
	unsigned max;     /* [F] slots in fd[] */
	unsigned next_fd; /* [F] all below are in use */
	struct file **fd; /* [F] */
	unsigned long *open_bits, *cloexec_bits; /* [F] */
	unsigned long *full_bits; /* [F] a bit for each word of open_bits that is full */
};

/*
 * A file looked up for the time of one system call. If only this task uses the table nobody can
 * close the descriptor meanwhile, so no reference is taken.
 */
struct fd {
	struct file *file; /* NULL: -EBADF */
	bool need_put;
};
struct fd fdget(unsigned fd);      /* not for O_PATH descriptors */
struct fd fdget_path(unsigned fd); /* those too */
static inline void fdput(struct fd f)
{
	if (f.need_put)
		fput(f.file);
}
/* With a reference, or NULL. */
struct file *fget(unsigned fd);
/* The same from another task's table, for /proc; NULL. */
struct file *files_get(struct files *files, unsigned fd);

/* The lowest free number >= @from, reserved; -EMFILE, -ENOMEM. */
int get_unused_fd_from(unsigned from, u32 flags /* O_CLOEXEC */);
#define get_unused_fd(flags) get_unused_fd_from(0, flags)
void put_unused_fd(unsigned fd);
/* Publishes @f (its reference is handed over) at a reserved number. */
void fd_install(unsigned fd, struct file *f);
/* get_unused_fd + fd_install; takes over @f also when it fails (or returns @f's ERR_PTR). */
int fd_install_new(struct file *f, u32 flags);
int close_fd(unsigned fd);

struct task;
/* Gives a kernel thread that is to become a program an empty table, and the root as its root and
 * working directory. 0 (also when it has them already) or -ENOMEM. */
int task_init_files(struct task *t);
