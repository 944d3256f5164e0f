/* What tmpfs.c and tmpfs_pages.c share. See tmpfs.c for the whole, and the locks. */
#pragma once

#include "fs/internal.h"
#include "kernel/mm/mm.h"

/* i_private of a regular file. */
struct tmpfs_file {
	struct address_space mapping; /* the areas that show the pages */
	struct mutex pages_lock;
	void *root;      /* [pages_lock] a page at height 0, else a node */
	unsigned height; /* [pages_lock] */
	u64 nr_pages;    /* [pages_lock] */
	u32 seals;       /* [i_mutex and pages_lock] F_SEAL_*, see memfd.c */
};

/* s_private. Except for the counts [I]; tmpfs_super.c reads them from mount(2)'s options. */
struct tmpfs_sb {
	atomic64_t used, inodes; /* pages; inodes */
	s64 max, max_inodes;     /* TMPFS_NO_LIMIT: as many as memory has */
	u32 mode, uid, gid;      /* of the root */
	bool ramfs;              /* no limits */
};
#define TMPFS_NO_LIMIT INT64_MAX

void tmpfs_evict(struct inode *i);

extern struct file_system_type tmpfs_type, ramfs_type;
/* An inode with the operations of its kind; NULL without memory. */
struct inode *tmpfs_inode(struct super_block *sb, u32 mode);
bool is_tmpfs_file(const struct file *f); /* a regular one */

/* i_mutex held. May bytes be changed, up to @end? 0 or -EPERM. */
static inline int check_seals(const struct inode *inode, loff_t end)
{
	u32 seals = ((const struct tmpfs_file *)inode->i_private)->seals;

	if (likely(!(seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_GROW))))
		return 0;
	return (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) || end > inode->i_size ? -EPERM : 0;
}

/* May no new mapping write to it? */
static inline bool is_sealed(const struct inode *inode)
{
	return READ_ONCE(((const struct tmpfs_file *)inode->i_private)->seals) &
	       (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
}

/* pages_lock held for all but get_page_at(). */

/* Pages that a tree of this height reaches. */
u64 radix_reach(unsigned height);
struct page *find_page(const struct tmpfs_file *tf, u64 index); /* or NULL */
/* The number of the first page that is there at or after @index; ~0 if there is none. */
u64 next_page(const struct tmpfs_file *tf, u64 index);
/* The page at @index, made if it was a hole; NULL without memory. */
struct page *make_page(struct inode *inode, u64 index);
/* Frees the pages numbered @first to @last, both inclusive. */
void free_pages_between(struct inode *inode, u64 first, u64 last);
/* Zeroes bytes [from, to) of one page, if it is there. */
void zero_part(struct tmpfs_file *tf, u64 from, u64 to);
/* find_page() or make_page() with i_mutex held: nobody but a fault can add or remove pages, so the
 * page needs no reference. */
struct page *get_page_at(struct inode *inode, u64 index, bool make);
