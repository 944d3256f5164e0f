/*
 * What Linux's headers say of NETLINK_ROUTE and musl's do not: netlink(7), rtnetlink(7). And a request
 * that is put together, and found again in an answer.
 */
#pragma once

#include "tap.h"

#include <net/if.h>
#include <sys/socket.h>

struct sockaddr_nl {
	uint16_t nl_family, nl_pad;
	uint32_t nl_pid, nl_groups;
};

struct nlmsghdr {
	uint32_t nlmsg_len;
	uint16_t nlmsg_type, nlmsg_flags;
	uint32_t nlmsg_seq, nlmsg_pid;
};

struct nlmsgerr {
	int error;
	struct nlmsghdr msg;
};

struct nlattr {
	uint16_t nla_len, nla_type;
};

struct ifinfomsg {
	uint8_t ifi_family, pad;
	uint16_t ifi_type;
	int ifi_index;
	uint32_t ifi_flags, ifi_change;
};

struct ifaddrmsg {
	uint8_t ifa_family, ifa_prefixlen, ifa_flags, ifa_scope;
	uint32_t ifa_index;
};

struct rtmsg {
	uint8_t rtm_family, rtm_dst_len, rtm_src_len, rtm_tos;
	uint8_t rtm_table, rtm_protocol, rtm_scope, rtm_type;
	uint32_t rtm_flags;
};

struct ndmsg {
	uint8_t ndm_family, pad1;
	uint16_t pad2;
	int ndm_ifindex;
	uint16_t ndm_state;
	uint8_t ndm_flags, ndm_type;
};

enum {
	NETLINK_ROUTE = 0,
	NETLINK_ADD_MEMBERSHIP = 1,
	NETLINK_DROP_MEMBERSHIP = 2,
	NETLINK_CAP_ACK = 10,
	NLM_F_REQUEST = 1,
	NLM_F_MULTI = 2,
	NLM_F_ACK = 4,
	NLM_F_DUMP = 0x300,
	NLMSG_NOOP = 1,
	NLMSG_ERROR = 2,
	NLMSG_DONE = 3,
	RTM_NEWLINK = 16,
	RTM_GETLINK = 18,
	RTM_NEWADDR = 20,
	RTM_GETADDR = 22,
	RTM_NEWROUTE = 24,
	RTM_GETROUTE = 26,
	RTM_NEWNEIGH = 28,
	RTM_GETNEIGH = 30,
	RTNLGRP_LINK = 1,
	RTNLGRP_IPV4_IFADDR = 5,
	IFLA_ADDRESS = 1,
	IFLA_IFNAME = 3,
	IFLA_MTU = 4,
	IFLA_STATS64 = 23,
	IFA_LOCAL = 2,
	IFA_LABEL = 3,
	RTA_DST = 1,
	RTA_OIF = 4,
	RTA_GATEWAY = 5,
	RTA_PREFSRC = 7,
	RT_SCOPE_HOST = 254,
	RTN_LOCAL = 2,
};

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif
#define NL_HEADER   sizeof(struct nlmsghdr)
#define NL_ALIGN(n) (((n) + 3u) & ~3u)
#define NL_BODY(h)  ((const void *)((h) + 1))
static inline int route_socket(void)
{
	return must(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
}

/* A request with room for a body and attributes. */
struct request {
	struct nlmsghdr h;
	uint8_t body[240];
};

#define SEQ 77

static inline struct request request(int type, int flags, size_t body, int family)
{
	struct request r = {.h = {.nlmsg_len = (uint32_t)(NL_HEADER + body),
				  .nlmsg_type = (uint16_t)type,
				  .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
				  .nlmsg_seq = SEQ}};

	r.body[0] = (uint8_t)family;
	return r;
}

/* Appends an attribute. */
static inline void attr(struct request *r, int type, const void *data, size_t len)
{
	struct nlattr *a = (struct nlattr *)((uint8_t *)r + NL_ALIGN(r->h.nlmsg_len));

	a->nla_type = (uint16_t)type;
	a->nla_len = (uint16_t)(sizeof(*a) + len);
	memcpy(a + 1, data, len);
	r->h.nlmsg_len = (uint32_t)(NL_ALIGN(r->h.nlmsg_len) + NL_ALIGN(a->nla_len));
}

/* The data of an attribute behind a body of @body bytes, or NULL. */
static inline const void *find(const struct nlmsghdr *h, size_t body, int type)
{
	const struct nlattr *a;

	for (size_t at = NL_HEADER + NL_ALIGN(body); at + sizeof(*a) <= h->nlmsg_len;
	     at += NL_ALIGN(a->nla_len)) {
		a = (const struct nlattr *)((const uint8_t *)h + at);
		if (a->nla_len < sizeof(*a))
			break;
		if (a->nla_type == type)
			return a + 1;
	}
	return NULL;
}
