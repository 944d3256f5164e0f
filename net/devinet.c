/*
 * What can be asked about interfaces, addresses, routes and neighbours. lwIP's state is copied out as
 * struct dev_info, route_info and neigh_info; three kinds of questions are answered from these:
 *
 *	ioctl	SIOCGIF* on any socket, netdevice(7)
 *	/proc	net/dev, net/route, net/arp, proc(5)
 *	route	sockets, net/rtnetlink.c
 *
 * There is no table of routes. A device that has an address makes one to its network, and lwIP's
 * default device one more to everywhere, through its gateway.
 *
 * LOCKING: net_lock, while something is copied out. The list of devices only grows, at boot.
 */

#include "kernel/exec/cred.h"
#include "kernel/lib/seq.h"
#include "kernel/lib/string.h"
#include "kernel/mm/uaccess.h"
#include "net/devinet.h"
#include "net/sock.h"

#include "lwip/etharp.h"
#include "lwip/netif.h"

#define LO_TXQLEN  1000u
#define ETH_TXQLEN 256u

/* ---- copies ---- */

static u32 dev_flags(const struct netif *n, bool loopback)
{
	u32 f = loopback ? IFF_LOOPBACK : IFF_BROADCAST | IFF_MULTICAST;

	if (netif_is_up(n))
		f |= IFF_UP;
	if (netif_is_link_up(n))
		f |= IFF_RUNNING | IFF_LOWER_UP;
	return f;
}

void dev_get_info_locked(struct net_device *dev, struct dev_info *d)
{
	const struct netif *n = dev->netif;
	u32 addr = netif_ip4_addr(n)->addr, mask = netif_ip4_netmask(n)->addr;
	bool loopback = ip4_addr_isloopback(netif_ip4_addr(n));

	if (dev->refresh_stats)
		dev->refresh_stats(dev);
	*d = (struct dev_info){
		.index = netif_get_index(n),
		.loopback = loopback,
		.flags = dev_flags(n, loopback),
		.mtu = dev->mtu,
		.txqlen = loopback ? LO_TXQLEN : ETH_TXQLEN,
		.addr = addr,
		.mask = mask,
		.broadcast = addr && !loopback ? addr | ~mask : 0,
		.gateway = n == netif_default ? netif_ip4_gw(n)->addr : 0,
		.stats = dev->stats,
	};
	strscpy(d->name, dev->name, sizeof(d->name));
	memcpy(d->mac, dev->mac, sizeof(d->mac));
}

void dev_get_info(struct net_device *dev, struct dev_info *d)
{
	lock_net();
	dev_get_info_locked(dev, d);
	unlock_net();
}

/* The device of that name, or with NULL the one of that index. */
static struct net_device *find_device(const char *name, int index)
{
	struct net_device *dev;

	list_for_each_entry(dev, &net_devices, link)
		if (name ? !strcmp(dev->name, name) : netif_get_index(dev->netif) == index)
			return dev;
	return NULL;
}

u8 dev_index(const char *name)
{
	struct net_device *dev = find_device(name, 0);

	return dev ? netif_get_index(dev->netif) : 0;
}

void dev_name(u8 index, char name[IFNAMSIZ])
{
	struct net_device *dev = find_device(NULL, index);

	strscpy(name, dev ? dev->name : "", IFNAMSIZ);
}

static struct route_info route_by(const struct dev_info *d, u32 dest, u32 mask, u32 gateway)
{
	struct route_info r = {
		.index = d->index,
		.dest = dest,
		.mask = mask,
		.gateway = gateway,
		.source = gateway ? 0 : d->addr,
	};

	memcpy(r.name, d->name, sizeof(r.name));
	return r;
}

unsigned dev_routes(const struct dev_info *d, struct route_info routes[DEV_MAX_ROUTES])
{
	unsigned n = 0;

	if (!d->addr || d->loopback || !(d->flags & IFF_UP))
		return 0;
	if (d->gateway)
		routes[n++] = route_by(d, 0, 0, d->gateway);
	routes[n++] = route_by(d, d->addr & d->mask, d->mask, 0);
	return n;
}

/* Is @dest an address of this host? Then lo carries the packet. */
static struct net_device *local_device(u32 dest)
{
	struct net_device *dev;
	struct dev_info d;

	list_for_each_entry(dev, &net_devices, link) {
		dev_get_info(dev, &d);
		if (d.addr == dest || (d.loopback && !((d.addr ^ dest) & d.mask)))
			return find_device("lo", 0);
	}
	return NULL;
}

int route_lookup(u32 dest, struct route_info *r)
{
	struct net_device *dev = local_device(dest);
	bool local = dev;
	ip4_addr_t to = {dest};
	struct netif *netif;
	struct dev_info d;

	if (!local) {
		lock_net();
		netif = ip4_route(&to);
		unlock_net();
		if (!netif)
			return -ENETUNREACH;
		dev = netif->state;
	}
	dev_get_info(dev, &d);
	*r = route_by(&d, dest, ~0u, (dest ^ d.addr) & d.mask ? d.gateway : 0);
	r->source = local ? dest : d.addr;
	r->local = local;
	return 0;
}

int neigh_get(int i, struct neigh_info *n)
{
	struct eth_addr *mac;
	struct netif *netif;
	ip4_addr_t *ip;
	bool used = false;

	for (; i < ARP_TABLE_SIZE; i++) {
		lock_net();
		used = etharp_get_entry((size_t)i, &ip, &netif, &mac);
		if (used) {
			*n = (struct neigh_info){.addr = ip->addr, .index = netif_get_index(netif)};
			memcpy(n->mac, mac, sizeof(n->mac));
			strscpy(n->name, ((struct net_device *)netif->state)->name,
				sizeof(n->name));
		}
		unlock_net();
		if (used)
			return i;
	}
	return -1;
}

/* ---- ioctl(2), netdevice(7) ---- */

static int put_addr(struct ifreq *r, const struct dev_info *d, u32 addr)
{
	r->ifr_in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = addr};
	return d->addr ? 0 : -EADDRNOTAVAIL;
}

/* Answers one question about an interface. */
static int answer(const struct dev_info *d, unsigned cmd, struct ifreq *r)
{
	memcpy(r->ifr_name, d->name, sizeof(r->ifr_name));
	memset(r->ifr_data, 0, sizeof(r->ifr_data));
	switch (cmd) {
	case SIOCGIFFLAGS:
		r->ifr_flags = (short)d->flags;
		return 0;
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
		return put_addr(r, d, d->addr);
	case SIOCGIFBRDADDR:
		return put_addr(r, d, d->broadcast);
	case SIOCGIFNETMASK:
		return put_addr(r, d, d->mask);
	case SIOCGIFHWADDR:
		r->ifr_addr.sa_family = d->loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
		memcpy(r->ifr_addr.sa_data, d->mac, sizeof(d->mac));
		return 0;
	case SIOCGIFMTU:
		r->ifr_ivalue = (int)d->mtu;
		return 0;
	case SIOCGIFINDEX:
	case SIOCGIFNAME: /* the answer is the name; the question stays */
		r->ifr_ivalue = d->index;
		return 0;
	case SIOCGIFTXQLEN:
		r->ifr_ivalue = (int)d->txqlen;
		return 0;
	default: /* SIOCGIFMETRIC, SIOCGIFMAP: all zeros */
		return 0;
	}
}

static long ifreq_ioctl(unsigned cmd, struct ifreq __user *ur)
{
	struct net_device *dev;
	struct dev_info d;
	struct ifreq r;
	int err;

	if (copy_from_user(&r, ur, sizeof(r)))
		return -EFAULT;
	r.ifr_name[IFNAMSIZ - 1] = '\0';
	dev = find_device(cmd == SIOCGIFNAME ? NULL : r.ifr_name, r.ifr_ivalue);
	if (!dev)
		return -ENODEV;
	dev_get_info(dev, &d);
	err = answer(&d, cmd, &r);
	if (err)
		return err;
	return copy_to_user(ur, &r, sizeof(r)) ? -EFAULT : 0;
}

/* The interfaces that have an address; with no buffer, only how many bytes that takes. */
static long ifconf_ioctl(struct ifconf __user *uc)
{
	struct net_device *dev;
	struct ifconf c;
	struct dev_info d;
	struct ifreq r;
	int bytes = 0;

	if (copy_from_user(&c, uc, sizeof(c)))
		return -EFAULT;
	list_for_each_entry(dev, &net_devices, link) {
		dev_get_info(dev, &d);
		if (answer(&d, SIOCGIFADDR, &r))
			continue;
		if (c.ifc_buf && c.ifc_len - bytes < (int)sizeof(r))
			break;
		if (c.ifc_buf && copy_to_user((u8 __user *)c.ifc_buf + bytes, &r, sizeof(r)))
			return -EFAULT;
		bytes += (int)sizeof(r);
	}
	return put_user(bytes, &uc->ifc_len);
}

long dev_ioctl(unsigned cmd, void __user *arg)
{
	switch (cmd) {
	case SIOCGIFCONF:
		return ifconf_ioctl(arg);
	case SIOCGIFNAME:
	case SIOCGIFFLAGS:
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFNETMASK:
	case SIOCGIFMETRIC:
	case SIOCGIFMTU:
	case SIOCGIFHWADDR:
	case SIOCGIFINDEX:
	case SIOCGIFTXQLEN:
	case SIOCGIFMAP:
		return ifreq_ioctl(cmd, arg);
	case SIOCADDRT:
	case SIOCDELRT:
	case SIOCSIFFLAGS:
	case SIOCSIFADDR:
	case SIOCSIFDSTADDR:
	case SIOCSIFBRDADDR:
	case SIOCSIFNETMASK:
	case SIOCSIFMETRIC:
	case SIOCSIFMTU:
	case SIOCSIFHWADDR:
	case SIOCSIFTXQLEN:
		/* Addresses and routes are given at boot. */
		return capable(CAP_NET_ADMIN) ? -EOPNOTSUPP : -EPERM;
	default:
		return -ENOTTY;
	}
}

/* ---- /proc/net ---- */

static void show_dev(struct seq *s)
{
	struct net_device *dev;
	struct dev_info d;
	const struct net_device_stats *st = &d.stats;

	seq_printf(s,
		   "Inter-|   Receive                                                |  Transmit\n"
		   " face |bytes    packets errs drop fifo frame compressed multicast|bytes    "
		   "packets errs drop fifo colls carrier compressed\n");
	list_for_each_entry(dev, &net_devices, link) {
		dev_get_info(dev, &d);
		seq_printf(s,
			   "%6s: %7lu %7lu %4lu %4lu %4lu %5lu %10lu %9lu %8lu %7lu %4lu %4lu %4lu "
			   "%5lu "
			   "%7lu %10lu\n",
			   d.name, st->rx_bytes, st->rx_packets, st->rx_errors, st->rx_dropped,
			   st->rx_fifo, st->rx_frame, 0ul, st->rx_multicast, st->tx_bytes,
			   st->tx_packets, st->tx_errors, st->tx_dropped, st->tx_fifo,
			   st->tx_collisions, st->tx_carrier, 0ul);
	}
}
PROC_ENTRY(net_dev, "net/dev", show_dev);

static void show_arp(struct seq *s)
{
	struct neigh_info n;
	char text[16];

	seq_printf(s, "IP address       HW type     Flags       HW address            Mask     "
		      "Device\n");
	for (int i = 0; (i = neigh_get(i, &n)) >= 0; i++) {
		snprintf(text, sizeof(text), "%pI4", &n.addr);
		seq_printf(s, "%-16s 0x%-10x0x%-10x%pM     *        %s\n", text, 1, 2, n.mac,
			   n.name);
	}
}
PROC_ENTRY(net_arp, "net/arp", show_arp);

#define RTF_UP      0x1
#define RTF_GATEWAY 0x2

static void show_one_route(struct seq *s, const struct route_info *r)
{
	char line[128];

	snprintf(line, sizeof(line), "%s\t%08X\t%08X\t%04X\t0\t0\t0\t%08X\t0\t0\t0", r->name,
		 r->dest, r->gateway, r->gateway ? RTF_UP | RTF_GATEWAY : RTF_UP, r->mask);
	seq_printf(s, "%-127s\n", line);
}

static void show_route(struct seq *s)
{
	struct route_info routes[DEV_MAX_ROUTES];
	struct net_device *dev;
	struct dev_info d;
	unsigned n;

	seq_printf(s, "%-127s\n",
		   "Iface\tDestination\tGateway "
		   "\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT");
	list_for_each_entry(dev, &net_devices, link) {
		dev_get_info(dev, &d);
		n = dev_routes(&d, routes);
		for (unsigned i = 0; i < n; i++)
			show_one_route(s, &routes[i]);
	}
}
PROC_ENTRY(net_route, "net/route", show_route);
