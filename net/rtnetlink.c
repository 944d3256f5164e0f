/*
 * NETLINK_ROUTE: links, addresses, routes and neighbours as messages. rtnetlink(7). getifaddrs(3),
 * if_nameindex(3) and ip(8) ask here.
 *
 *	RTM_GETLINK	all links, or one by its number or name
 *	RTM_GETADDR	all addresses
 *	RTM_GETROUTE	all routes of the main table, or the way to one address
 *	RTM_GETNEIGH	all neighbours that ARP knows
 *
 * Nothing can be set: addresses and routes are given at boot. Who may set them is told EOPNOTSUPP,
 * who may not EPERM.
 *
 * Changes are announced to groups: a cable that is plugged in or out, an address that has come.
 *
 * LOCKING: none of its own. net/devinet.c copies things out; announcements come with net_lock held.
 */

#include "kernel/exec/cred.h"
#include "kernel/lib/string.h"
#include "net/devinet.h"
#include "net/netdev.h"
#include "net/netlink.h"

#define MAC_LEN 6

/* ---- messages ---- */

static void put_stats(struct nl_writer *w, const struct net_device_stats *st)
{
	struct rtnl_link_stats64 s64 = {
		.rx_packets = st->rx_packets,
		.tx_packets = st->tx_packets,
		.rx_bytes = st->rx_bytes,
		.tx_bytes = st->tx_bytes,
		.rx_errors = st->rx_errors,
		.tx_errors = st->tx_errors,
		.rx_dropped = st->rx_dropped,
		.tx_dropped = st->tx_dropped,
		.multicast = st->rx_multicast,
		.collisions = st->tx_collisions,
		.rx_frame_errors = st->rx_frame,
		.rx_fifo_errors = st->rx_fifo,
		.tx_carrier_errors = st->tx_carrier,
		.tx_fifo_errors = st->tx_fifo,
	};
	const u64 *from = (const u64 *)&s64;
	u32 s32[sizeof(s64) / sizeof(u64)];

	for (size_t i = 0; i < ARRAY_SIZE(s32); i++)
		s32[i] = (u32)from[i];
	nl_put(w, IFLA_STATS64, &s64, sizeof(s64));
	nl_put(w, IFLA_STATS, s32, sizeof(s32));
}

static void put_link(struct nl_writer *w, const struct dev_info *d)
{
	struct ifinfomsg *m = nl_begin(w, RTM_NEWLINK, sizeof(*m));
	u8 carrier = !!(d->flags & IFF_RUNNING), mac[MAC_LEN];
	u8 state = d->loopback ? IF_OPER_UNKNOWN : carrier ? IF_OPER_UP : IF_OPER_DOWN, mode = 0;

	if (!m)
		return;
	m->ifi_type = d->loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
	m->ifi_index = d->index;
	m->ifi_flags = d->flags;
	nl_put(w, IFLA_IFNAME, d->name, strlen(d->name) + 1);
	nl_put_u32(w, IFLA_TXQLEN, d->txqlen);
	nl_put(w, IFLA_OPERSTATE, &state, 1);
	nl_put(w, IFLA_LINKMODE, &mode, 1);
	nl_put_u32(w, IFLA_MTU, d->mtu);
	nl_put(w, IFLA_CARRIER, &carrier, 1);
	nl_put(w, IFLA_QDISC, "noqueue", sizeof("noqueue"));
	nl_put(w, IFLA_ADDRESS, d->mac, sizeof(d->mac));
	memset(mac, d->loopback ? 0 : 0xff, sizeof(mac));
	nl_put(w, IFLA_BROADCAST, mac, sizeof(mac));
	put_stats(w, &d->stats);
}

static void put_addr(struct nl_writer *w, const struct dev_info *d)
{
	struct ifa_cacheinfo forever = {.ifa_prefered = ~0u, .ifa_valid = ~0u};
	struct ifaddrmsg *m;

	if (!d->addr)
		return;
	m = nl_begin(w, RTM_NEWADDR, sizeof(*m));
	if (!m)
		return;
	*m = (struct ifaddrmsg){
		.ifa_family = AF_INET,
		.ifa_prefixlen = prefix_len(d->mask),
		.ifa_flags = IFA_F_PERMANENT,
		.ifa_scope = d->loopback ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE,
		.ifa_index = d->index,
	};
	nl_put_u32(w, IFA_ADDRESS, d->addr);
	nl_put_u32(w, IFA_LOCAL, d->addr);
	if (d->broadcast)
		nl_put_u32(w, IFA_BROADCAST, d->broadcast);
	nl_put(w, IFA_LABEL, d->name, strlen(d->name) + 1);
	nl_put_u32(w, IFA_FLAGS, IFA_F_PERMANENT);
	nl_put(w, IFA_CACHEINFO, &forever, sizeof(forever));
}

/* A route of the table, or (@asked) the answer to a question. */
static void put_route(struct nl_writer *w, const struct route_info *r, bool asked, u8 table)
{
	struct rtmsg *m = nl_begin(w, RTM_NEWROUTE, sizeof(*m));

	if (!m)
		return;
	*m = (struct rtmsg){
		.rtm_family = AF_INET,
		.rtm_dst_len = prefix_len(r->mask),
		.rtm_table = table,
		.rtm_protocol = asked        ? RTPROT_UNSPEC
				: r->gateway ? RTPROT_BOOT
					     : RTPROT_KERNEL,
		.rtm_scope = asked || r->gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
		.rtm_type = r->local ? RTN_LOCAL : RTN_UNICAST,
		.rtm_flags = asked ? RTM_F_CLONED : 0,
	};
	nl_put_u32(w, RTA_TABLE, table);
	if (r->mask)
		nl_put_u32(w, RTA_DST, r->dest);
	if (r->gateway)
		nl_put_u32(w, RTA_GATEWAY, r->gateway);
	nl_put_u32(w, RTA_OIF, r->index);
	if (r->source)
		nl_put_u32(w, RTA_PREFSRC, r->source);
}

static void put_neigh(struct nl_writer *w, const struct neigh_info *n)
{
	struct ndmsg *m = nl_begin(w, RTM_NEWNEIGH, sizeof(*m));

	if (!m)
		return;
	*m = (struct ndmsg){
		.ndm_family = AF_INET,
		.ndm_ifindex = n->index,
		.ndm_state = NUD_REACHABLE,
		.ndm_type = RTN_UNICAST,
	};
	nl_put_u32(w, NDA_DST, n->addr);
	nl_put(w, NDA_LLADDR, n->mac, sizeof(n->mac));
}

/* ---- dumps ---- */

static void dump_device(struct nl_writer *w, u16 type, const struct dev_info *d)
{
	struct route_info routes[DEV_MAX_ROUTES];
	unsigned n;

	switch (type) {
	case RTM_GETLINK:
		put_link(w, d);
		break;
	case RTM_GETADDR:
		put_addr(w, d);
		break;
	default: /* RTM_GETROUTE */
		n = dev_routes(d, routes);
		for (unsigned i = 0; i < n; i++)
			put_route(w, &routes[i], false, RT_TABLE_MAIN);
	}
}

/* All there is of a kind; of a family that is not there, nothing. */
static int dump(struct sock *sk, const struct nlmsghdr *request, u8 family)
{
	u16 type = request->nlmsg_type;
	struct net_device *dev;
	struct nl_writer w;
	struct dev_info d;
	struct neigh_info n;

	if (type != RTM_GETLINK && type != RTM_GETADDR && type != RTM_GETROUTE &&
	    type != RTM_GETNEIGH)
		return -EOPNOTSUPP;
	nl_reply(&w, sk, request, true);
	if (type != RTM_GETLINK && family != AF_UNSPEC && family != AF_INET)
		goto done;
	if (type == RTM_GETNEIGH) {
		for (int i = 0; (i = neigh_get(i, &n)) >= 0; i++)
			put_neigh(&w, &n);
		goto done;
	}
	list_for_each_entry(dev, &net_devices, link) {
		dev_get_info(dev, &d);
		dump_device(&w, type, &d);
	}
done:
	nl_done(&w);
	return 1;
}

/* ---- one ---- */

static int get_link(struct sock *sk, const struct nlmsghdr *request)
{
	const struct ifinfomsg *m = (const struct ifinfomsg *)(request + 1);
	char name[IFNAMSIZ] = "";
	const char *wanted;
	size_t len = 1;
	struct net_device *dev;
	struct nl_writer w;
	struct dev_info d;

	if (request->nlmsg_len < NLMSG_HDRLEN + sizeof(*m))
		return -EINVAL;
	wanted = nl_attr(request, sizeof(*m), IFLA_IFNAME, &len);
	if (wanted)
		strscpy(name, wanted, min(sizeof(name), len + 1));
	if (m->ifi_index <= 0 && !wanted)
		return -EINVAL;
	list_for_each_entry(dev, &net_devices, link) {
		dev_get_info(dev, &d);
		if (m->ifi_index > 0 ? d.index != m->ifi_index : strcmp(d.name, name))
			continue;
		nl_reply(&w, sk, request, false);
		put_link(&w, &d);
		nl_done(&w);
		return 0;
	}
	return -ENODEV;
}

static int get_route(struct sock *sk, const struct nlmsghdr *request)
{
	const struct rtmsg *m = (const struct rtmsg *)(request + 1);
	struct route_info r;
	struct nl_writer w;
	size_t len = sizeof(u32);
	const u32 *dest;
	bool local;
	int err;

	if (request->nlmsg_len < NLMSG_HDRLEN + sizeof(*m))
		return -EINVAL;
	if (m->rtm_family != AF_INET)
		return -EOPNOTSUPP;
	dest = nl_attr(request, sizeof(*m), RTA_DST, &len);
	if (!dest)
		return -EINVAL;
	err = route_lookup(*dest, &r);
	if (err)
		return err;
	nl_reply(&w, sk, request, false);
	/* Who does not ask for the table by name is told of the main one. */
	local = r.local && (m->rtm_flags & RTM_F_LOOKUP_TABLE);
	put_route(&w, &r, true, local ? RT_TABLE_LOCAL : RT_TABLE_MAIN);
	nl_done(&w);
	return 0;
}

#define KIND(type) ((type)&3) /* 0 new, 1 delete, 2 get, 3 set */
#define KIND_GET   2

int rtnetlink_rcv(struct sock *sk, const struct nlmsghdr *request)
{
	if (request->nlmsg_type > RTM_MAX)
		return -EOPNOTSUPP;
	/* Every request says a family; one that does not is passed over. */
	if (request->nlmsg_len == NLMSG_HDRLEN)
		return 0;
	if (KIND(request->nlmsg_type) != KIND_GET)
		return capable(CAP_NET_ADMIN) ? -EOPNOTSUPP : -EPERM;
	if (request->nlmsg_flags & NLM_F_DUMP)
		return dump(sk, request, *(const u8 *)(request + 1));
	switch (request->nlmsg_type) {
	case RTM_GETLINK:
		return get_link(sk, request);
	case RTM_GETROUTE:
		return get_route(sk, request);
	default:
		return -EOPNOTSUPP;
	}
}

/* ---- announcements ---- */

void rtnl_announce(struct net_device *dev, bool addr)
{
	u32 group = addr ? RTNLGRP_IPV4_IFADDR : RTNLGRP_LINK;
	struct nl_writer w;
	struct dev_info d;

	if (!netlink_has_listeners(group))
		return;
	nl_announce(&w);
	dev_get_info_locked(dev, &d);
	if (addr)
		put_addr(&w, &d);
	else
		put_link(&w, &d);
	netlink_broadcast(&w, group);
}
