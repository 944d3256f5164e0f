/*
 * The pages of a tmpfs file: a radix tree of 64-way nodes. tmpfs.c tells what it is for; all of it
 * is used under the file's pages_lock.
 *
 *	height 0   root is the page
 *	height 1   root -> node -> 64 pages
 *	height 2   root -> node -> 64 nodes -> 4096 pages ...
 *
 * The tree only grows upward: when a page beyond its reach is wanted, the old root becomes slot 0
 * of a new one. Nodes go when all they cover is truncated; punching holes leaves them.
 */

#include "fs/tmpfs.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"

#define RADIX_SHIFT 6
#define RADIX_SIZE  64
#define RADIX_MASK  63ul

struct radix_node {
	void *slot[RADIX_SIZE]; /* nodes, or pages at the lowest level */
};

static struct kmem_cache *node_cache;

u64 radix_reach(unsigned height)
{
	return height * RADIX_SHIFT >= 63 ? ~0ull : 1ull << (height * RADIX_SHIFT);
}

static struct page *charge_page(struct super_block *sb)
{
	struct tmpfs_sb *ts = sb->s_private;
	struct page *p = NULL;

	if (atomic_add_return(&ts->used, 1) <= ts->max && nr_free_pages() > total_pages / 32)
		p = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (p)
		vm_stat_add(VM_STAT_SHMEM, 1);
	else
		atomic_dec(&ts->used);
	return p;
}

static void uncharge_page(struct super_block *sb, struct page *p)
{
	struct tmpfs_sb *ts = sb->s_private;

	atomic_dec(&ts->used);
	vm_stat_add(VM_STAT_SHMEM, -1);
	put_page(p);
}

struct page *find_page(const struct tmpfs_file *tf, u64 index)
{
	void *p = tf->root;

	if (index >= radix_reach(tf->height))
		return NULL;
	for (unsigned h = tf->height; h && p; h--)
		p = ((struct radix_node *)p)->slot[index >> ((h - 1) * RADIX_SHIFT) & RADIX_MASK];
	return p;
}

/* Raises *index to the first page at or after it in the subtree @p of height @h; false: none. */
static bool next_below(void *p, unsigned h, u64 base, u64 *index)
{
	u64 step = h ? radix_reach(h - 1) : 0;

	if (!p)
		return false;
	if (!h) {
		*index = base;
		return true;
	}
	for (u64 i = *index > base ? (*index - base) / step : 0; i < RADIX_SIZE; i++)
		if (next_below(((struct radix_node *)p)->slot[i], h - 1, base + i * step, index))
			return true;
	return false;
}

u64 next_page(const struct tmpfs_file *tf, u64 index)
{
	return next_below(tf->root, tf->height, 0, &index) ? index : ~0ull;
}

/* The slot for @index, with nodes made as needed; NULL without memory. pages_lock held. */
static void **make_slot(struct tmpfs_file *tf, u64 index)
{
	struct radix_node *n;
	void **slot = &tf->root;

	while (index >= radix_reach(tf->height)) {
		if (tf->root) {
			n = kmem_cache_alloc(node_cache, GFP_KERNEL | __GFP_ZERO);
			if (!n)
				return NULL;
			n->slot[0] = tf->root;
			tf->root = n;
		}
		tf->height++;
	}
	for (unsigned h = tf->height; h; h--) {
		if (!*slot)
			*slot = kmem_cache_alloc(node_cache, GFP_KERNEL | __GFP_ZERO);
		n = *slot;
		if (!n)
			return NULL;
		slot = &n->slot[index >> ((h - 1) * RADIX_SHIFT) & RADIX_MASK];
	}
	return slot;
}

struct page *make_page(struct inode *inode, u64 index)
{
	struct tmpfs_file *tf = inode->i_private;
	void **slot = make_slot(tf, index);

	if (!slot)
		return NULL;
	if (!*slot) {
		*slot = charge_page(inode->i_sb);
		if (*slot)
			tf->nr_pages++;
	}
	return *slot;
}

/*
 * Frees the pages of [first, last] below @slot, whose subtree of height @h begins at page @base,
 * and the nodes that lie wholly inside. pages_lock held. Depth is at most 9.
 */
static void free_range(struct inode *inode, void **slot, unsigned h, u64 base, u64 first, u64 last)
{
	struct tmpfs_file *tf = inode->i_private;
	struct radix_node *n = *slot;
	u64 step;

	if (!n)
		return;
	if (h == 0) {
		uncharge_page(inode->i_sb, *slot);
		tf->nr_pages--;
		*slot = NULL;
		return;
	}
	if (h == 1)
		cond_resched();
	step = radix_reach(h - 1);
	for (u64 i = 0; i < RADIX_SIZE; i++) {
		u64 from = base + i * step;

		if (from > last || from + (step - 1) < first)
			continue;
		free_range(inode, &n->slot[i], h - 1, from, first, last);
	}
	if (first <= base && base + (radix_reach(h) - 1) <= last) {
		kmem_cache_free(node_cache, n);
		*slot = NULL;
	}
}

void free_pages_between(struct inode *inode, u64 first, u64 last)
{
	struct tmpfs_file *tf = inode->i_private;

	if (first > last)
		return;
	last = min(last, radix_reach(tf->height) - 1);
	if (first > last)
		return;
	free_range(inode, &tf->root, tf->height, 0, first, last);
	if (!tf->root)
		tf->height = 0;
}

void zero_part(struct tmpfs_file *tf, u64 from, u64 to)
{
	struct page *p = from < to ? find_page(tf, from >> PAGE_SHIFT) : NULL;

	if (p)
		memset((char *)page_address(p) + (from & ~PAGE_MASK), 0, to - from);
}

struct page *get_page_at(struct inode *inode, u64 index, bool make)
{
	struct tmpfs_file *tf = inode->i_private;
	struct page *p;

	mutex_lock(&tf->pages_lock);
	p = make ? make_page(inode, index) : find_page(tf, index);
	mutex_unlock(&tf->pages_lock);
	return p;
}

static int __init tmpfs_pages_init(void)
{
	node_cache = kmem_cache_create("radix_node", sizeof(struct radix_node), 0);
	return 0;
}
core_initcall(tmpfs_pages_init);
