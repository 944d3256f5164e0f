/*
 * Multicast, ip(7): which groups a socket has joined, and by which interface it sends to groups.
 *
 * A host hears what is sent to a group on an interface as long as one of its sockets has joined the group
 * there. lwIP's IGMP (RFC 2236) counts them, tells the routers, and has the card's filter opened.
 *
 *	IP_ADD_MEMBERSHIP → mc_join() → igmp_joingroup_netif() → dev->hear()
 *
 * What then comes in goes to every socket that is bound to the port, whether it has joined or not; one
 * that has cleared IP_MULTICAST_ALL hears its own groups only.
 *
 *	netif_receive() → ip4_input() → udp_input() → dgram_queue() → mc_allows()
 *
 * On the way out, mc_interface() says what IP_MULTICAST_IF wishes; with IP_MULTICAST_LOOP a datagram is
 * marked, and eth_output() gives a copy of it to this host.
 *
 * LOCKING: net_lock guards the list of memberships and the choice of the interface.
 */

#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "net/dgram.h"
#include "net/net.h"

#include "lwip/igmp.h"

#define ALL_HOSTS             0xe0000001u /* 224.0.0.1 */
#define DEFAULT_MULTICAST_TTL 1
#define MAX_MEMBERSHIPS       20 /* igmp_max_memberships of Linux, per socket */

/* A group that a socket has joined on an interface. */
struct mc_member {
	struct list_head link;
	ip4_addr_t group;
	struct netif *netif;
};

void mc_init(struct dgram_sock *dg)
{
	INIT_LIST_HEAD(&dg->groups);
	dg->mc_ttl = DEFAULT_MULTICAST_TTL;
	dg->mc_loop = dg->mc_all = true;
}

/* ---- joining and leaving; net_lock held ---- */

/* Everyone is in 224.0.0.1, and IGMP does not speak of it. */
static bool is_all_hosts(const ip4_addr_t *group)
{
	return group->addr == PP_HTONL(ALL_HOSTS);
}

/* The interface with that address. */
static struct netif *netif_of(u32 addr)
{
	struct netif *n;
	ip4_addr_t a = {addr};

	NETIF_FOREACH(n)
	{
		const ip4_addr_t *own = netif_ip4_addr(n);

		if (own->addr == addr || (ip4_addr_isloopback(own) && ip4_addr_isloopback(&a)))
			return n;
	}
	return NULL;
}

static struct netif *netif_by_index(int index)
{
	return index > 0 && index <= 0xff ? netif_get_by_index((u8)index) : NULL;
}

/* The interface that a request means. */
static struct netif *mc_netif(const struct ip_mreqn *r)
{
	ip4_addr_t group = {r->imr_multiaddr};

	if (r->imr_ifindex)
		return netif_by_index(r->imr_ifindex);
	return r->imr_address ? netif_of(r->imr_address) : ip4_route(&group);
}

static struct mc_member *find_member(const struct dgram_sock *dg, u32 group,
				     const struct netif *netif)
{
	struct mc_member *m;

	list_for_each_entry(m, &dg->groups, link)
		if (m->group.addr == group && m->netif == netif)
			return m;
	return NULL;
}

/* @m becomes the socket's if this succeeds. */
static int mc_join(struct dgram_sock *dg, const struct ip_mreqn *r, struct mc_member *m)
{
	struct mc_member *other;
	unsigned count = 0;

	m->group.addr = r->imr_multiaddr;
	m->netif = mc_netif(r);
	if (!m->netif)
		return -ENODEV;
	if (find_member(dg, m->group.addr, m->netif))
		return -EADDRINUSE;
	list_for_each_entry(other, &dg->groups, link)
		count++;
	if (count >= MAX_MEMBERSHIPS)
		return -ENOBUFS;
	if (!is_all_hosts(&m->group) && igmp_joingroup_netif(m->netif, &m->group) != ERR_OK)
		return -ENOBUFS;
	list_add_tail(&m->link, &dg->groups);
	return 0;
}

static void drop(struct mc_member *m)
{
	if (!is_all_hosts(&m->group))
		igmp_leavegroup_netif(m->netif, &m->group);
	list_del(&m->link);
	kfree(m);
}

static int mc_leave(struct dgram_sock *dg, const struct ip_mreqn *r)
{
	struct netif *netif = mc_netif(r);
	struct mc_member *m;

	if (!netif && !r->imr_ifindex && !r->imr_address)
		return -ENODEV;
	m = netif ? find_member(dg, r->imr_multiaddr, netif) : NULL;
	if (!m)
		return -EADDRNOTAVAIL;
	drop(m);
	return 0;
}

void mc_release(struct dgram_sock *dg)
{
	struct mc_member *m, *next;

	list_for_each_entry_safe(m, next, &dg->groups, link)
		drop(m);
}

bool mc_allows(const struct dgram_sock *dg)
{
	const ip4_addr_t *dest = ip4_current_dest_addr();

	return likely(dg->mc_all) || !ip4_addr_ismulticast(dest) ||
	       find_member(dg, dest->addr, ip_current_input_netif());
}

u8 mc_interface(const struct dgram_sock *dg, const ip_addr_t *dest)
{
	return ip_addr_ismulticast(dest) ? dg->mc_index : 0;
}

/* ---- options ---- */

/* Takes a struct ip_mreqn, or one without an index, or of @least bytes. 0, -EINVAL, -EFAULT. */
static int get_request(struct ip_mreqn *r, const void __user *val, int len, int least)
{
	u32 short_size = offsetof(struct ip_mreqn, imr_ifindex);

	*r = (struct ip_mreqn){0};
	if (len < least)
		return -EINVAL;
	if (len < (int)short_size) /* IP_MULTICAST_IF takes a mere address */
		return copy_from_user(&r->imr_address, val, sizeof(r->imr_address)) ? -EFAULT : 0;
	return copy_from_user(r, val, len < (int)sizeof(*r) ? short_size : sizeof(*r)) ? -EFAULT
										       : 0;
}

static int set_membership(struct dgram_sock *dg, int name, const void __user *val, int len)
{
	struct mc_member *m;
	struct ip_mreqn r;
	int err = get_request(&r, val, len, offsetof(struct ip_mreqn, imr_ifindex));

	if (err)
		return err;
	if (name == IP_DROP_MEMBERSHIP) {
		lock_net();
		err = mc_leave(dg, &r);
		unlock_net();
		return err;
	}
	if (!ip4_addr_ismulticast(&(ip4_addr_t){r.imr_multiaddr}))
		return -EINVAL;
	m = kmalloc(sizeof(*m), GFP_KERNEL);
	if (!m)
		return -ENOBUFS;
	lock_net();
	err = mc_join(dg, &r, m);
	unlock_net();
	if (err)
		kfree(m);
	return err;
}

static int set_interface(struct dgram_sock *dg, const void __user *val, int len)
{
	struct netif *netif = NULL;
	struct ip_mreqn r;
	int err = get_request(&r, val, len, sizeof(r.imr_address));

	if (err)
		return err;
	lock_net();
	if (r.imr_ifindex || r.imr_address) {
		netif = r.imr_ifindex ? netif_by_index(r.imr_ifindex) : netif_of(r.imr_address);
		err = netif ? 0 : -EADDRNOTAVAIL;
	}
	if (!err && netif && dg->inet.sk.bound_dev &&
	    dg->inet.sk.bound_dev != netif_get_index(netif))
		err = -EINVAL;
	if (!err) {
		dg->mc_index = netif ? netif_get_index(netif) : 0;
		dg->mc_addr = r.imr_address;
	}
	unlock_net();
	return err;
}

bool is_mc_option(int level, int name)
{
	return level == SOL_IP && ((name >= IP_MULTICAST_IF && name <= IP_DROP_MEMBERSHIP) ||
				   name == IP_MULTICAST_ALL);
}

int mc_setsockopt(struct dgram_sock *dg, int name, const void __user *val, int len)
{
	int v, err;

	if (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP)
		return set_membership(dg, name, val, len);
	if (name == IP_MULTICAST_IF)
		return set_interface(dg, val, len);
	err = inet_get_value(&v, val, len);
	if (err)
		return err;
	if (len < 1 || (name == IP_MULTICAST_TTL && (v < -1 || v > 255)) ||
	    (name == IP_MULTICAST_ALL && (v < 0 || v > 1)))
		return -EINVAL;
	lock_net();
	if (name == IP_MULTICAST_TTL)
		WRITE_ONCE(dg->mc_ttl, (u8)(v == -1 ? DEFAULT_MULTICAST_TTL : v));
	else if (name == IP_MULTICAST_LOOP)
		WRITE_ONCE(dg->mc_loop, v);
	else
		dg->mc_all = v;
	unlock_net();
	return 0;
}

int mc_getsockopt(struct dgram_sock *dg, int name, void __user *val, int __user *len)
{
	switch (name) {
	case IP_MULTICAST_IF:
		return sockopt_put(&(u32){READ_ONCE(dg->mc_addr)}, sizeof(u32), val, len);
	case IP_MULTICAST_TTL:
		return inet_put_value(READ_ONCE(dg->mc_ttl), val, len);
	case IP_MULTICAST_LOOP:
		return inet_put_value(READ_ONCE(dg->mc_loop), val, len);
	case IP_MULTICAST_ALL:
		return inet_put_value(READ_ONCE(dg->mc_all), val, len);
	default: /* who wants to know the groups reads IP_MSFILTER, which is not there */
		return -ENOPROTOOPT;
	}
}
