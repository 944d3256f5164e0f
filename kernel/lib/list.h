/*
 * Doubly linked circular lists with the link inside the element. A head is a link that belongs to
 * no element; an empty list is a head that points at itself. Everything here is O(1). The caller
 * holds whatever lock guards the list.
 */
#pragma once

#include "kernel/lib/types.h"

struct list_head {
	struct list_head *next, *prev;
};

#define LIST_HEAD_INIT(name) \
	{ \
		&(name), &(name) \
	}
#define LIST_HEAD(name) struct list_head name = LIST_HEAD_INIT(name)

static inline void INIT_LIST_HEAD(struct list_head *h)
{
	h->next = h->prev = h;
}

static inline bool list_empty(const struct list_head *h)
{
	return READ_ONCE(h->next) == h;
}

static inline void __list_insert(struct list_head *n, struct list_head *prev,
				 struct list_head *next)
{
	next->prev = n;
	n->next = next;
	n->prev = prev;
	WRITE_ONCE(prev->next, n);
}

static inline void list_add(struct list_head *n, struct list_head *h)
{
	__list_insert(n, h, h->next);
}

static inline void list_add_tail(struct list_head *n, struct list_head *h)
{
	__list_insert(n, h->prev, h);
}

static inline void __list_unlink(struct list_head *n)
{
	n->next->prev = n->prev;
	WRITE_ONCE(n->prev->next, n->next);
}

/* Unlinks, and leaves the link as an empty list, so that list_empty(link) says "not queued". */
static inline void list_del_init(struct list_head *n)
{
	__list_unlink(n);
	INIT_LIST_HEAD(n);
}

/* Unlinks an element that is about to be freed; following the link afterwards faults. */
static inline void list_del(struct list_head *n)
{
	__list_unlink(n);
	n->next = (struct list_head *)0xdead000000000100ul;
	n->prev = (struct list_head *)0xdead000000000122ul;
}

static inline void list_move(struct list_head *n, struct list_head *h)
{
	__list_unlink(n);
	list_add(n, h);
}

static inline void list_move_tail(struct list_head *n, struct list_head *h)
{
	__list_unlink(n);
	list_add_tail(n, h);
}

/* Puts all of @from before the first element of @h and leaves @from empty. */
static inline void list_splice_init(struct list_head *from, struct list_head *h)
{
	if (list_empty(from))
		return;
	from->next->prev = h;
	from->prev->next = h->next;
	h->next->prev = from->prev;
	h->next = from->next;
	INIT_LIST_HEAD(from);
}

/* Puts all of @from behind the last element of @h and leaves @from empty. */
static inline void list_splice_tail_init(struct list_head *from, struct list_head *h)
{
	list_splice_init(from, h->prev);
}

#define list_entry(p, type, member)       container_of(p, type, member)
#define list_first_entry(h, type, member) list_entry((h)->next, type, member)
#define list_last_entry(h, type, member)  list_entry((h)->prev, type, member)
#define list_first_entry_or_null(h, type, member) \
	(list_empty(h) ? NULL : list_first_entry(h, type, member))
#define list_next_entry(pos, member) list_entry((pos)->member.next, typeof(*(pos)), member)

#define list_for_each_entry(pos, h, member) \
	for (pos = list_first_entry(h, typeof(*pos), member); &pos->member != (h); \
	     pos = list_next_entry(pos, member))

/* The same where the body may unlink or free @pos. */
#define list_for_each_entry_safe(pos, n, h, member) \
	for (pos = list_first_entry(h, typeof(*pos), member), n = list_next_entry(pos, member); \
	     &pos->member != (h); pos = n, n = list_next_entry(n, member))
