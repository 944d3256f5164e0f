/*
 * The red-black tree against the plainest of models: an array of flags, one a key. After random
 * insertions and removals the tree must hold the keys whose flag is set, in order both ways, and
 * obey the three rules of kernel/lib/rbtree.c.
 */
#include "kernel/lib/ktest.h"
#include "kernel/lib/rbtree.h"
#include "kernel/mm/slab.h"

#define KEYS 512

struct item {
	struct rb_node node;
	bool present; /* the model */
};

static struct item *items; /* by key */

static int key_of(const struct rb_node *n)
{
	return (int)(rb_entry(n, struct item, node) - items);
}

static void insert(struct rb_root *root, int key)
{
	struct rb_node **link = &root->node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = key < key_of(parent) ? &parent->left : &parent->right;
	}
	rb_insert(&items[key].node, parent, link, root);
	items[key].present = true;
}

static void erase(struct rb_root *root, int key)
{
	rb_erase(&items[key].node, root);
	items[key].present = false;
}

/* The number of black nodes on every way down from @n, or -1 if a rule is broken. */
static int black_height(const struct rb_node *n, const struct rb_node *parent)
{
	bool red;
	int l, r;

	if (!n)
		return 0;
	red = !(n->parent_color & 1);
	if ((n->parent_color & ~1ul) != (uintptr_t)parent)
		return -1;
	if (red && (!parent || !(parent->parent_color & 1)))
		return -1;
	l = black_height(n->left, n);
	r = black_height(n->right, n);
	return l < 0 || l != r ? -1 : l + !red;
}

static bool matches_model(const struct rb_root *root)
{
	struct rb_node *n = rb_first(root);
	int key;

	if (black_height(root->node, NULL) < 0)
		return false;
	for (key = 0; key < KEYS; key++) {
		if (!items[key].present)
			continue;
		if (!n || key_of(n) != key)
			return false;
		n = rb_next(n);
	}
	if (n)
		return false;
	n = rb_last(root);
	for (key = KEYS - 1; key >= 0; key--) {
		if (!items[key].present)
			continue;
		if (!n || key_of(n) != key)
			return false;
		n = rb_prev(n);
	}
	return !n;
}

static bool random_operations(u64 seed, int count)
{
	struct rb_root root = RB_ROOT;
	int i, key;

	for (i = 0; i < count; i++) {
		/* The number of keys in use swells and shrinks, so small trees are seen too. */
		int range = 1 + (int)(ktest_rand(&seed) % (1 + i % KEYS));

		key = (int)(ktest_rand(&seed) % range);
		if (items[key].present)
			erase(&root, key);
		else
			insert(&root, key);
		if (i % 16 == 0 && !matches_model(&root))
			return false;
	}
	for (key = 0; key < KEYS; key++)
		if (items[key].present)
			erase(&root, key);
	return !root.node && matches_model(&root);
}

KTEST(rbtree_model)
{
	bool good;

	items = kcalloc(KEYS, sizeof(*items), GFP_KERNEL);
	EXPECT(items);
	good = random_operations(0x9e3779b97f4a7c15ull, 100000);
	kfree(items);
	EXPECT(good);
}

/* Rising, falling and inside-out orders are where a broken rebalancing shows as a long list. */
static int height(const struct rb_node *n)
{
	int l, r;

	if (!n)
		return 0;
	l = height(n->left);
	r = height(n->right);
	return 1 + max(l, r);
}

KTEST(rbtree_height)
{
	struct rb_root up = RB_ROOT, down = RB_ROOT;
	int i, tallest;

	items = kcalloc(KEYS, sizeof(*items), GFP_KERNEL);
	EXPECT(items);
	for (i = 0; i < KEYS; i++)
		insert(&up, i);
	tallest = height(up.node);
	for (i = 0; i < KEYS; i++)
		erase(&up, i);
	for (i = KEYS - 1; i >= 0; i--)
		insert(&down, i);
	tallest = max(tallest, height(down.node));
	kfree(items);
	EXPECT(!up.node);
	EXPECT(tallest <= 2 * 10); /* 2 log2(512 + 1) */
}

KTEST(rbtree_empty)
{
	struct rb_root root = RB_ROOT;
	struct rb_node n;

	EXPECT(!rb_first(&root));
	EXPECT(!rb_last(&root));
	RB_CLEAR_NODE(&n);
	EXPECT(RB_EMPTY_NODE(&n));
	rb_insert(&n, NULL, &root.node, &root);
	EXPECT(!RB_EMPTY_NODE(&n));
	EXPECT(rb_first(&root) == &n && rb_last(&root) == &n);
	EXPECT(!rb_next(&n) && !rb_prev(&n));
	rb_erase(&n, &root);
	EXPECT(!root.node);
}
