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
};

/* s_private */
struct tmpfs_sb {
	atomic64_t used; /* pages */
	s64 max;         /* [I] */
};

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
