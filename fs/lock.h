/* File locks: flock(2) and the record locks of fcntl(2). See fs/lock.c. Process context. */
#pragma once

#include "fs/vfs.h"

struct files;

/* One lock, or the wish for one. */
struct file_lock {
	struct list_head link; /* [L] */
	const void *owner;     /* a descriptor table (POSIX) or an open file (OFD, flock) */
	loff_t start, end;     /* [L] bytes, both inclusive; LOCK_END: to the end and beyond */
	pid_t pid;             /* who asked, for F_GETLK; -1 for an open file's */
	int type;              /* F_RDLCK, F_WRLCK; as a wish F_UNLCK too */
};
#define LOCK_END INT64_MAX

/* How do_lock() waits. */
enum lock_wait {
	LOCK_TRY_ONLY,
	LOCK_WAIT,       /* until it is free or a signal comes */
	LOCK_WAIT_CHECK, /* the same, but not in a circle */
};

/*
 * Takes or gives back a range of @inode's record locks as @want says: 0, -EAGAIN (another's lock is
 * in the way), -EDEADLK, -ERESTARTSYS, -ENOLCK (no memory).
 */
long lock_range(struct inode *inode, const struct file_lock *want, enum lock_wait how);
/* The lock that stands in @want's way is copied into @found; false: none does. */
bool lock_conflict(struct inode *inode, const struct file_lock *want, struct file_lock *found);
/* The number of record locks @owner has on @inode. */
unsigned lock_count(struct inode *inode, const void *owner);

/* fcntl(2), F_GETLK to F_SETLKW and F_OFD_GETLK to F_OFD_SETLKW. */
long fcntl_lock(unsigned fd, struct file *file, unsigned cmd, struct flock __user *ulock);

void locks_release(struct inode *inode, const void *owner);
/* A descriptor of @files is closed: all POSIX locks of that process on the file go. fcntl(2) */
static inline void locks_close(struct file *f, const struct files *files)
{
	if (unlikely(READ_ONCE(f->f_inode->i_locks)) && !(f->f_mode & FMODE_PATH))
		locks_release(f->f_inode, files);
}
/* The last reference to an open file is gone: its OFD locks and its flock go. */
static inline void locks_fput(struct file *f)
{
	if (unlikely(READ_ONCE(f->f_inode->i_locks)))
		locks_release(f->f_inode, f);
}
/* The inode goes, and has i_locks; they are empty, since locks belong to open files. */
void locks_free(struct inode *inode);
