/*
 * Red-black trees with the node inside the element, for keys of any kind: the caller walks down
 * and compares, the tree only links and rebalances. rb_insert() and rb_erase() are O(log n) with
 * at most two and three rotations. The caller holds whatever lock guards the tree.
 *
 * To insert:
 *
 *	struct rb_node **link = &root->node, *parent = NULL;
 *	while (*link) {
 *		parent = *link;
 *		link = less(new, parent) ? &parent->left : &parent->right;
 *	}
 *	rb_insert(&new->node, parent, link, root);
 */
#pragma once

#include "kernel/lib/types.h"

struct rb_node {
	uintptr_t
		parent_color; /* parent | colour in bit 0 (0 red, 1 black); 0 with itself as parent
				 * means "in no tree", see RB_CLEAR_NODE() */
	struct rb_node *left, *right;
};

struct rb_root {
	struct rb_node *node;
};

#define RB_ROOT ((struct rb_root){NULL})

static inline void RB_CLEAR_NODE(struct rb_node *n)
{
	n->parent_color = (uintptr_t)n;
}

static inline bool RB_EMPTY_NODE(const struct rb_node *n)
{
	return n->parent_color == (uintptr_t)n;
}

/* Links @n at *@link below @parent (NULL for the root) and rebalances. */
void rb_insert(struct rb_node *n, struct rb_node *parent, struct rb_node **link,
	       struct rb_root *root);
void rb_erase(struct rb_node *n, struct rb_root *root);

/* In-order walk; NULL at the end or for an empty tree. O(1) amortised over a whole walk. */
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);
struct rb_node *rb_last(const struct rb_root *root);

#define rb_entry(p, type, member) container_of(p, type, member)
#define rb_entry_safe(p, type, member) \
	({ \
		struct rb_node *_n = (p); \
		_n ? rb_entry(_n, type, member) : NULL; \
	})

#define rb_for_each_entry(pos, root, member) \
	for (pos = rb_entry_safe(rb_first(root), typeof(*pos), member); pos; \
	     pos = rb_entry_safe(rb_next(&pos->member), typeof(*pos), member))
