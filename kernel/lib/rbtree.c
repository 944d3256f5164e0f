/*
 * Red-black trees: binary search trees that stay balanced by painting each node red or black.
 *
 * What holds between any two operations:
 *	1. The root is black.
 *	2. A red node has no red child.
 *	3. Every way from the root down to a missing child passes the same number of black nodes.
 * By 3 the shortest way is all black, by 2 the longest alternates, so no way is more than twice as
 * long as another, and a search takes at most 2 log2(n + 1) steps.
 *
 * Linking a red node can only break 2, and unlinking a black one only 3. Each repair either
 * finishes with at most three rotations or repaints and moves the damage one step up.
 *
 * Left and right mirror each other. A side is 0 (left) or 1 (right), so each case is written once.
 */
#include "kernel/lib/rbtree.h"

#define RB_BLACK 1ul

static inline struct rb_node *rb_parent(const struct rb_node *n)
{
	return (struct rb_node *)(n->parent_color & ~RB_BLACK);
}

static inline bool rb_is_red(const struct rb_node *n)
{
	return n && !(n->parent_color & RB_BLACK); /* a missing child counts as black */
}

static inline void rb_set_black(struct rb_node *n)
{
	n->parent_color |= RB_BLACK;
}

static inline void rb_set_red(struct rb_node *n)
{
	n->parent_color &= ~RB_BLACK;
}

static inline void rb_set_parent(struct rb_node *n, struct rb_node *parent)
{
	n->parent_color = (uintptr_t)parent | (n->parent_color & RB_BLACK);
}

static inline struct rb_node **rb_child(struct rb_node *n, int side)
{
	return side ? &n->right : &n->left;
}

/* Makes whatever points down at @old (its parent, or the root) point at @new. */
static inline void rb_replace_link(struct rb_node *old, struct rb_node *new, struct rb_node *parent,
				   struct rb_root *root)
{
	if (!parent)
		root->node = new;
	else
		*rb_child(parent, parent->right == old) = new;
}

/*
 * Turns @x towards @side: its child on the other side, which must exist, takes its place.
 *
 *	     x                 y
 *	    / \               / \
 *	   a   y     side 0  x   c
 *	      / \    ----->  / \
 *	     b   c          a   b
 */
static void rb_rotate(struct rb_node *x, int side, struct rb_root *root)
{
	struct rb_node *parent = rb_parent(x);
	struct rb_node *y = *rb_child(x, !side);
	struct rb_node *b = *rb_child(y, side);

	*rb_child(x, !side) = b;
	if (b)
		rb_set_parent(b, x);
	rb_replace_link(x, y, parent, root);
	rb_set_parent(y, parent);
	*rb_child(y, side) = x;
	rb_set_parent(x, y);
}

void rb_insert(struct rb_node *n, struct rb_node *parent, struct rb_node **link,
	       struct rb_root *root)
{
	n->parent_color = (uintptr_t)parent; /* red: keeps the black heights */
	n->left = n->right = NULL;
	*link = n;

	while (rb_is_red(parent)) {
		/* A red node is not the root, so there is a grandparent, and it is black. */
		struct rb_node *grand = rb_parent(parent);
		int side = parent == grand->right;
		struct rb_node *uncle = *rb_child(grand, !side);

		if (rb_is_red(uncle)) {
			/* Hand the black of the grandparent to both its children, look above it. */
			rb_set_black(parent);
			rb_set_black(uncle);
			rb_set_red(grand);
			n = grand;
			parent = rb_parent(n);
			continue;
		}
		if (n == *rb_child(parent, !side)) {
			/* An inner grandchild: make it the outer one's parent first. */
			rb_rotate(parent, side, root);
			parent = n;
		}
		rb_set_black(parent);
		rb_set_red(grand);
		rb_rotate(grand, !side, root);
		break;
	}
	rb_set_black(root->node);
}

/*
 * The ways through @x (which may be NULL) below @parent are one black node short. Gives it back, or
 * takes one from the sibling too and moves up, until a red node can be painted black.
 */
static void rb_erase_repair(struct rb_node *x, struct rb_node *parent, struct rb_root *root)
{
	while (parent && !rb_is_red(x)) {
		int side = x != parent->left;
		/* It exists: its side has a black node more than x's. */
		struct rb_node *sibling = *rb_child(parent, !side);
		struct rb_node *near, *far;

		if (rb_is_red(sibling)) {
			/* Its children are black: turn one of them into the sibling. */
			rb_set_black(sibling);
			rb_set_red(parent);
			rb_rotate(parent, side, root);
			sibling = *rb_child(parent, !side);
		}
		near = *rb_child(sibling, side);
		far = *rb_child(sibling, !side);
		if (!rb_is_red(near) && !rb_is_red(far)) {
			rb_set_red(sibling); /* now all of parent's ways are one short */
			x = parent;
			parent = rb_parent(x);
			continue;
		}
		if (!rb_is_red(far)) {
			rb_set_black(near);
			rb_set_red(sibling);
			rb_rotate(sibling, !side, root);
			far = sibling;
			sibling = near;
		}
		/* The sibling takes parent's place and colour; both sides of it get a black top. */
		sibling->parent_color =
			(sibling->parent_color & ~RB_BLACK) | (parent->parent_color & RB_BLACK);
		rb_set_black(parent);
		rb_set_black(far);
		rb_rotate(parent, side, root);
		return;
	}
	if (x)
		rb_set_black(x);
}

void rb_erase(struct rb_node *n, struct rb_root *root)
{
	struct rb_node *parent = rb_parent(n);
	struct rb_node *child; /* moves up into the place that becomes free; may be NULL */
	bool lost_black;

	if (n->left && n->right) {
		/* The next node in order has no left child: unlink that one, let it replace n. */
		struct rb_node *next = n->right;

		while (next->left)
			next = next->left;
		child = next->right;
		lost_black = !rb_is_red(next);

		rb_replace_link(n, next, parent, root);
		parent = rb_parent(next);
		if (parent == n) {
			parent = next;
		} else {
			parent->left = child;
			if (child)
				rb_set_parent(child, parent);
			next->right = n->right;
			rb_set_parent(next->right, next);
		}
		next->left = n->left;
		rb_set_parent(next->left, next);
		next->parent_color = n->parent_color;
	} else {
		child = n->left ? n->left : n->right;
		lost_black = !rb_is_red(n);
		rb_replace_link(n, child, parent, root);
		if (child)
			rb_set_parent(child, parent);
	}
	if (lost_black)
		rb_erase_repair(child, parent, root);
}

struct rb_node *rb_first(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->left)
		n = n->left;
	return n;
}

struct rb_node *rb_last(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->right)
		n = n->right;
	return n;
}

struct rb_node *rb_next(const struct rb_node *n)
{
	struct rb_node *up;

	if (n->right) {
		for (up = n->right; up->left; up = up->left)
			;
		return up;
	}
	/* Up, as long as we come from the right. */
	while ((up = rb_parent(n)) && n == up->right)
		n = up;
	return up;
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	struct rb_node *up;

	if (n->left) {
		for (up = n->left; up->right; up = up->right)
			;
		return up;
	}
	while ((up = rb_parent(n)) && n == up->left)
		n = up;
	return up;
}
