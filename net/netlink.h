/*
 * Netlink sockets (netlink.c) and those who answer on them (rtnetlink.c): how a reply is written.
 *
 *	struct nl_writer w;
 *
 *	nl_reply(&w, sk, request, true);
 *	for each thing:
 *		m = nl_begin(&w, RTM_NEWLINK, sizeof(*m));
 *		if (m) ...
 *		nl_put(&w, IFLA_IFNAME, name, len);
 *	nl_done(&w);
 *
 * Messages are gathered into datagrams of at most NL_GOODSIZE bytes. Without memory nothing is written
 * any more, and the socket hears of it as of a full queue: ENOBUFS.
 */
#pragma once

#include "kernel/abi/netlink.h"
#include "net/sock.h"

#define NL_GOODSIZE    3776u /* fits the page that C libraries give recvmsg(2), as on Linux */
#define NL_MAX_MESSAGE 512u  /* the largest message that a writer makes */

/* A datagram of messages, in a socket's queue or being written. */
struct nl_skb {
	struct list_head link; /* [q] */
	u32 len, size;         /* bytes of data, room for data */
	u32 group;             /* to which it is sent, or 0: an answer */
	u32 data[];
};

struct nl_writer {
	struct sock *sk;      /* who asked; NULL: a group is told */
	u32 portid, seq;      /* of the request */
	u16 flags;            /* of every message */
	u32 room;             /* for a datagram, in bytes */
	struct nl_skb *skb;   /* being filled, or NULL */
	struct nlmsghdr *msg; /* being written, or NULL: there is no memory */
};

/* A writer of answers to @request; @multi: a dump, which ends with NLMSG_DONE. */
void nl_reply(struct nl_writer *w, struct sock *sk, const struct nlmsghdr *request, bool multi);
/* A writer of one message to a group. */
void nl_announce(struct nl_writer *w);
/* Begins a message with @size bytes in front of its attributes, cleared. NULL: no memory. */
void *nl_begin(struct nl_writer *w, u16 type, size_t size);
/* Appends an attribute to the message. */
void nl_put(struct nl_writer *w, u16 type, const void *data, size_t len);
static inline void nl_put_u32(struct nl_writer *w, u16 type, u32 v)
{
	nl_put(w, type, &v, sizeof(v));
}
/* Sends what is written, and the end of a dump. */
void nl_done(struct nl_writer *w);

/* Is somebody in @group? Any context but a hard interrupt. */
bool netlink_has_listeners(u32 group);
/* Sends what is written to all who are in @group. The same contexts; takes no net_lock. */
void netlink_broadcast(struct nl_writer *w, u32 group);

/* The data of the first attribute of @type behind @head bytes of a request's body, if it has *@len
 * bytes or more, which then says how many; or NULL. */
const void *nl_attr(const struct nlmsghdr *request, size_t head, u16 type, size_t *len);

/*
 * rtnetlink.c: one request of NETLINK_ROUTE. 0 (done), -errno, or 1: done, and needs no
 * acknowledgement. Process context.
 */
int rtnetlink_rcv(struct sock *sk, const struct nlmsghdr *request);
