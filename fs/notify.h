/*
 * What the file system calls tell inotify (fs/inotify.c). Each hook costs a look at one number while
 * nobody in the system watches anything. Process context, no spinlock held; i_mutex may be.
 */
#pragma once

#include "fs/vfs.h"
#include "kernel/abi/inotify.h"

extern int nr_watches; /* in the whole system; read without a lock */

void __notify_dentry(struct dentry *d, u32 mask);
void __notify_inode(struct inode *inode, u32 mask);
void __notify_name(struct inode *dir, u32 mask, u32 cookie, const char *name, size_t len);
void __notify_rename(struct inode *odir, const char *oname, size_t olen, struct inode *ndir,
		     const char *nname, size_t nlen, struct inode *moved, struct inode *replaced);

/* Something happened to the file that @d names: to be told to those who watch it, and, with the
 * name, to those who watch its directory. */
static inline void notify_dentry(struct dentry *d, u32 mask)
{
	if (unlikely(READ_ONCE(nr_watches)))
		__notify_dentry(d, mask);
}

static inline void notify_file(struct file *f, u32 mask)
{
	if (unlikely(READ_ONCE(nr_watches)) && f->f_dentry && !(f->f_mode & FMODE_PATH))
		__notify_dentry(f->f_dentry, mask);
}

/* The same, to be told only to those who watch the file itself. */
static inline void notify_inode(struct inode *inode, u32 mask)
{
	if (unlikely(READ_ONCE(nr_watches)))
		__notify_inode(inode, mask);
}

/* The name @d has come to directory @dir, or gone from it: IN_CREATE, IN_DELETE. */
static inline void notify_name(struct inode *dir, struct dentry *d, u32 mask)
{
	if (unlikely(READ_ONCE(nr_watches)))
		__notify_name(dir, mask | (S_ISDIR(d->d_inode->i_mode) ? IN_ISDIR : 0), 0,
			      d->d_name, d->d_len);
}

/* @inode is no more: IN_DELETE_SELF or IN_UNMOUNT, and the end of its watches. */
void notify_gone(struct inode *inode, u32 mask);
