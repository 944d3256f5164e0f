/*
 * Netlink messages: the header, and what NETLINK_ROUTE says of links, addresses, routes and neighbours.
 * netlink(7), rtnetlink(7).
 */
#pragma once

#include "kernel/lib/types.h"

#define NETLINK_ROUTE 0

struct sockaddr_nl {
	u16 nl_family, nl_pad;
	u32 nl_pid;    /* 0: the kernel */
	u32 nl_groups; /* bit n: group n + 1 */
};

struct nlmsghdr {
	u32 nlmsg_len; /* with this header, without padding */
	u16 nlmsg_type, nlmsg_flags;
	u32 nlmsg_seq;
	u32 nlmsg_pid; /* the port of the sender */
};

#define NLMSG_ALIGN(n) (((n) + 3u) & ~3u)
#define NLMSG_HDRLEN   16u

#define NLM_F_REQUEST 0x001
#define NLM_F_MULTI   0x002
#define NLM_F_ACK     0x004
#define NLM_F_CAPPED  0x100
#define NLM_F_DUMP    0x300

#define NLMSG_ERROR    2
#define NLMSG_DONE     3
#define NLMSG_MIN_TYPE 16

struct nlmsgerr {
	int error; /* 0 or -errno */
	struct nlmsghdr msg;
};

/* Level SOL_NETLINK. */
#define NETLINK_ADD_MEMBERSHIP	 1
#define NETLINK_DROP_MEMBERSHIP	 2
#define NETLINK_PKTINFO		 3
#define NETLINK_BROADCAST_ERROR	 4
#define NETLINK_NO_ENOBUFS	 5
#define NETLINK_CAP_ACK		 10
#define NETLINK_EXT_ACK		 11

struct nl_pktinfo {
	u32 group;
};

/* An attribute: this header, the data, padding to 4 bytes. */
struct nlattr {
	u16 nla_len, nla_type;
};

#define NLA_HDRLEN    4u
#define NLA_TYPE_MASK 0x3fff

/* Types of messages: new, del, get, set of each kind. */
#define RTM_NEWLINK  16
#define RTM_GETLINK  18
#define RTM_NEWADDR  20
#define RTM_GETADDR  22
#define RTM_NEWROUTE 24
#define RTM_GETROUTE 26
#define RTM_NEWNEIGH 28
#define RTM_GETNEIGH 30
#define RTM_MAX	     123

/* Groups. */
#define RTNLGRP_LINK	    1
#define RTNLGRP_IPV4_IFADDR 5
#define RTNLGRP_MAX	    36

struct ifinfomsg {
	u8 ifi_family, __pad;
	u16 ifi_type; /* ARPHRD_* */
	int ifi_index;
	u32 ifi_flags, ifi_change;
};

#define IFLA_ADDRESS   1
#define IFLA_BROADCAST 2
#define IFLA_IFNAME    3
#define IFLA_MTU       4
#define IFLA_QDISC     6
#define IFLA_STATS     7
#define IFLA_TXQLEN    13
#define IFLA_OPERSTATE 16
#define IFLA_LINKMODE  17
#define IFLA_STATS64   23
#define IFLA_CARRIER   33

#define IF_OPER_UNKNOWN 0
#define IF_OPER_DOWN	2
#define IF_OPER_UP	6

/* IFLA_STATS64; IFLA_STATS is the same with 32 bits. */
struct rtnl_link_stats64 {
	u64 rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped;
	u64 multicast, collisions;
	u64 rx_length_errors, rx_over_errors, rx_crc_errors, rx_frame_errors, rx_fifo_errors;
	u64 rx_missed_errors;
	u64 tx_aborted_errors, tx_carrier_errors, tx_fifo_errors, tx_heartbeat_errors;
	u64 tx_window_errors;
	u64 rx_compressed, tx_compressed, rx_nohandler;
};

struct ifaddrmsg {
	u8 ifa_family, ifa_prefixlen, ifa_flags, ifa_scope;
	u32 ifa_index;
};

#define IFA_ADDRESS   1
#define IFA_LOCAL     2
#define IFA_LABEL     3
#define IFA_BROADCAST 4
#define IFA_CACHEINFO 6
#define IFA_FLAGS     8

#define IFA_F_PERMANENT 0x80

struct ifa_cacheinfo {
	u32 ifa_prefered, ifa_valid; /* seconds; ~0: for ever */
	u32 cstamp, tstamp;
};

struct rtmsg {
	u8 rtm_family, rtm_dst_len, rtm_src_len, rtm_tos;
	u8 rtm_table, rtm_protocol, rtm_scope, rtm_type;
	u32 rtm_flags;
};

#define RTA_DST	    1
#define RTA_OIF	    4
#define RTA_GATEWAY 5
#define RTA_PREFSRC 7
#define RTA_TABLE   15

#define RT_TABLE_MAIN  254
#define RT_TABLE_LOCAL 255

#define RTPROT_UNSPEC 0
#define RTPROT_KERNEL 2
#define RTPROT_BOOT   3

#define RT_SCOPE_UNIVERSE 0
#define RT_SCOPE_LINK	  253
#define RT_SCOPE_HOST	  254

#define RTN_UNICAST 1
#define RTN_LOCAL   2

#define RTM_F_CLONED	   0x200 /* the answer to a question, not an entry of a table */
#define RTM_F_LOOKUP_TABLE 0x1000

struct ndmsg {
	u8 ndm_family, __pad1;
	u16 __pad2;
	int ndm_ifindex;
	u16 ndm_state;
	u8 ndm_flags, ndm_type;
};

#define NDA_DST	   1
#define NDA_LLADDR 2

#define NUD_REACHABLE 0x02
