/*
 * Network devices, as the stack sees them: a driver registers a struct net_device and from then on
 * exchanges frames with lwIP through five functions.
 *
 *	driver  → netif_receive(dev, p)      a frame has come in; lwIP takes it from ethernet_input() on
 *	driver  → netif_carrier(dev, up)     the cable
 *	lwIP    → dev->xmit(dev, p)          a frame goes out
 *	timers  → dev->reclaim(dev)          give back what is out
 *	IGMP    → dev->hear(dev, mac)        let frames for a group in
 *
 * IP is started here, too: by DHCP, or as the command line says:
 *
 *	ip=10.0.2.15/24,gw=10.0.2.2          short
 *	ip=10.0.2.15::10.0.2.2:255.255.255.0 as Linux writes it (Documentation/admin-guide/nfs/nfsroot.rst)
 *	ip=dhcp, ip=off
 *
 * The loopback device "lo" is a queue: a packet to ourselves is copied into it and comes out in
 * NET_RX_SOFTIRQ, so that a write to a local socket never runs the receiver's side inside the
 * sender's. The copy is needed because TCP keeps its segments for retransmission while the receiver
 * rewrites their headers. lo computes no checksums of TCP and UDP.
 *
 * LOCKING: net_lock guards lwIP and everything of a device that is not set once. The list of devices
 * only grows, at boot, and is read without a lock.
 */
#include "kernel/abi/errno.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/trace/trace.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/igmp.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "net/devinet.h"
#include "net/net.h"
#include "net/netdev.h"
#include "netif/ethernet.h"

/* What a raw socket sees must be right; and user space may send ICMP messages that are not. */
#define LO_CHECKSUMS (NETIF_CHECKSUM_GEN_IP | NETIF_CHECKSUM_GEN_ICMP | NETIF_CHECKSUM_CHECK_ICMP)
#define LO_QUEUE_LEN 8192 /* packets; TCP would rather wait than lose one */

DEFINE_SPINLOCK(net_lock);
LIST_HEAD(net_devices);

/* ---- frames ---- */

/*
 * Who gives us an address by DHCP knows it before we do, and may send on a connection that waits for
 * us between the offer and the last word. Its first segment would be dropped, and comes again after
 * seconds; so a few TCP frames for this card are kept until the address is there.
 * net_lock held.
 */
static bool keep_early(struct net_device *dev, struct pbuf *p)
{
	const u8 *frame = p->payload;

	if (dev->nr_early == NETDEV_MAX_EARLY)
		return false;
	if (p->len < SIZEOF_ETH_HDR + IP_HLEN || memcmp(frame, dev->mac, ETH_HWADDR_LEN) ||
	    memcmp(frame + 12, "\x08\x00", 2) || frame[23] != IP_PROTO_TCP)
		return false;
	dev->early[dev->nr_early++] = p;
	return true;
}

static void replay_early(struct net_device *dev)
{
	if (!netif_ip4_addr(dev->netif)->addr)
		return;
	for (unsigned i = 0; i < dev->nr_early; i++)
		ethernet_input(dev->early[i], dev->netif);
	dev->nr_early = 0;
}

void netif_receive(struct net_device *dev, struct pbuf *p)
{
	trace(netif_receive, p->tot_len, 0);
	dev->stats.rx_packets++;
	dev->stats.rx_bytes += p->tot_len;
	if (p->len && (*(u8 *)p->payload & 1))
		dev->stats.rx_multicast++;
	if (unlikely(!netif_ip4_addr(dev->netif)->addr) && keep_early(dev, p))
		return;
	ethernet_input(p, dev->netif);
	if (unlikely(dev->nr_early))
		replay_early(dev);
}

void netif_carrier(struct net_device *dev, bool up)
{
	if (dev->carrier == up)
		return;
	dev->carrier = up;
	printk("%s: link %s\n", dev->name, up ? "up" : "down");
	if (up)
		netif_set_link_up(dev->netif);
	else
		netif_set_link_down(dev->netif);
	net_timer_kick_dhcp();
	rtnl_announce(dev, false);
}

void netdev_reclaim(void)
{
	struct net_device *dev;

	list_for_each_entry(dev, &net_devices, link)
		if (dev->reclaim)
			dev->reclaim(dev);
}

/* ---- loopback ---- */

static struct net_device lo = {.name = "lo", .mtu = 65536, .carrier = true};
static struct netif lo_netif;
static struct {
	struct pbuf *head, *tail; /* [net_lock] single pbufs, linked by next */
	unsigned len;             /* [net_lock] */
	struct napi_struct napi;
} lo_queue;

/* Queues a copy of an IP packet, which then comes in by @netif. */
static err_t loop_back(struct netif *netif, struct pbuf *p)
{
	struct pbuf *q = NULL;

	if (lo_queue.len < LO_QUEUE_LEN)
		q = pbuf_alloc(PBUF_LINK, p->tot_len, PBUF_RAM);
	if (!q) {
		lo.stats.tx_dropped++;
		return ERR_MEM;
	}
	pbuf_copy_partial(p, q->payload, p->tot_len, 0);
	q->if_idx = netif_get_index(netif);
	lo.stats.tx_packets++;
	lo.stats.tx_bytes += p->tot_len;
	if (lo_queue.head)
		lo_queue.tail->next = q;
	else
		lo_queue.head = q;
	lo_queue.tail = q;
	lo_queue.len++;
	napi_schedule(&lo_queue.napi);
	return ERR_OK;
}

/* lwIP's netif->output: an IP packet to an address of ours, or to a group by this interface. */
static err_t lo_output(struct netif *netif, struct pbuf *p, const ip4_addr_t *dest)
{
	/* There are no routers here who would want to know of groups. */
	if (ip4_addr_ismulticast(dest) &&
	    IPH_PROTO((const struct ip_hdr *)p->payload) == IP_PROTO_IGMP)
		return ERR_OK;
	return loop_back(netif, p);
}

static int lo_poll(struct napi_struct *n, int budget)
{
	struct pbuf *p;
	int done;

	for (done = 0; done < budget && (p = lo_queue.head); done++) {
		lo_queue.head = p->next;
		lo_queue.len--;
		p->next = NULL;
		lo.stats.rx_packets++;
		lo.stats.rx_bytes += p->tot_len;
		ip4_input(p, netif_get_by_index(p->if_idx));
	}
	if (done < budget)
		napi_complete(n);
	return done;
}

static err_t lo_netif_init(struct netif *netif)
{
	netif->name[0] = 'l';
	netif->name[1] = 'o';
	netif->mtu = 65535;
	netif->flags = NETIF_FLAG_IGMP;
	netif->output = lo_output;
	NETIF_SET_CHECKSUM_CTRL(netif, LO_CHECKSUMS);
	return ERR_OK;
}

static int __init net_init(void)
{
	ip4_addr_t addr, mask;

	IP4_ADDR(&addr, 127, 0, 0, 1);
	IP4_ADDR(&mask, 255, 0, 0, 0);
	/* Without net_lock: its tables come from vmalloc(), and nobody else knows it yet. */
	lwip_init();
	lock_net();
	lo_queue.napi.poll = lo_poll;
	lo.netif = &lo_netif;
	netif_add(&lo_netif, &addr, &mask, NULL, &lo, lo_netif_init, ip4_input);
	netif_set_link_up(&lo_netif);
	netif_set_up(&lo_netif);
	list_add_tail(&lo.link, &net_devices);
	unlock_net();
	return 0;
}
fs_initcall(net_init);

/* ---- Ethernet devices ---- */

/* lwIP's netif->output: an IP packet that leaves by @netif, unless it is for the device itself. */
static err_t eth_output(struct netif *netif, struct pbuf *p, const ip4_addr_t *dest)
{
	if (dest->addr == netif_ip4_addr(netif)->addr)
		return loop_back(&lo_netif, p);
	/* IP_MULTICAST_LOOP: a member of a group hears what its host sends there. */
	if (unlikely(p->flags & PBUF_FLAG_MCASTLOOP) && igmp_lookfor_group(netif, dest))
		loop_back(netif, p);
	return etharp_output(netif, p, dest);
}

/* lwIP's netif->linkoutput: a frame. */
static err_t eth_linkoutput(struct netif *netif, struct pbuf *p)
{
	struct net_device *dev = netif->state;
	u32 len = p->tot_len; /* the card may be done with it when xmit() returns */

	trace(net_dev_xmit, len, 0);
	if (!dev->carrier) {
		dev->stats.tx_carrier++;
		return ERR_IF;
	}
	if (dev->xmit(dev, p)) {
		dev->stats.tx_dropped++;
		return ERR_MEM;
	}
	dev->stats.tx_packets++;
	dev->stats.tx_bytes += len;
	return ERR_OK;
}

/* lwIP's netif->igmp_mac_filter: the Ethernet address of a group is its last 23 bits, RFC 1112 6.4. */
static err_t eth_igmp_filter(struct netif *netif, const ip4_addr_t *group,
			     enum netif_mac_filter_action action)
{
	struct net_device *dev = netif->state;
	u8 mac[6] = {0x01, 0x00, 0x5e, ip4_addr2(group) & 0x7f, ip4_addr3(group), ip4_addr4(group)};

	if (dev->hear && action == NETIF_ADD_MAC_FILTER)
		dev->hear(dev, mac);
	return ERR_OK;
}

static err_t eth_netif_init(struct netif *netif)
{
	struct net_device *dev = netif->state;

	netif->name[0] = dev->name[0];
	netif->name[1] = dev->name[1];
	netif->mtu = (u16)dev->mtu;
	netif->hwaddr_len = ETH_HWADDR_LEN;
	memcpy(netif->hwaddr, dev->mac, ETH_HWADDR_LEN);
	netif->flags =
		NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_IGMP;
	netif->output = eth_output;
	netif->linkoutput = eth_linkoutput;
	netif_set_igmp_mac_filter(netif, eth_igmp_filter);
	netif_set_hostname(netif, "pollux");
	return ERR_OK;
}

/* lwIP's status callback: up, down, another address. */
static void report_address(struct netif *netif)
{
	struct net_device *dev = netif->state;

	if (!netif_is_up(netif) || !netif_ip4_addr(netif)->addr)
		return;
	printk("%s: address %pI4/%d, gateway %pI4\n", dev->name, netif_ip4_addr(netif),
	       prefix_len(netif_ip4_netmask(netif)->addr), netif_ip4_gw(netif));
	rtnl_announce(dev, true);
}

/* ---- ip= ---- */

struct ip_config {
	enum { IP_DHCP, IP_STATIC, IP_OFF } how;
	ip4_addr_t addr, mask, gw;
};

/* Cuts @s at the first @sep and returns what is behind it, or NULL. */
static char *cut(char *s, char sep)
{
	char *end = s ? strchr(s, sep) : NULL;

	if (end)
		*end++ = '\0';
	return end;
}

/* An empty or missing field leaves @addr alone. */
static bool read_addr(const char *s, ip4_addr_t *addr)
{
	return !s || !*s || ip4addr_aton(s, addr);
}

/* ADDR/PREFIX[,gw=ADDR] */
static bool read_short(char *s, struct ip_config *c)
{
	char *gw = cut(s, ','), *prefix = cut(s, '/');
	unsigned long bits = 24;

	if (prefix && (kstrtoul(prefix, 10, &bits) || bits < 1 || bits > 32))
		return false;
	c->mask.addr = lwip_htonl(~0u << (32 - bits));
	if (gw && strncmp(gw, "gw=", 3))
		return false;
	return read_addr(s, &c->addr) && read_addr(gw ? gw + 3 : NULL, &c->gw);
}

/* ADDR:SERVER:GATEWAY:NETMASK[:...]; the server and what follows mean nothing here */
static bool read_long(char *s, struct ip_config *c)
{
	char *server = cut(s, ':'), *gw = cut(server, ':'), *mask = cut(gw, ':');

	cut(mask, ':');
	IP4_ADDR(&c->mask, 255, 255, 255, 0);
	return read_addr(s, &c->addr) && read_addr(gw, &c->gw) && read_addr(mask, &c->mask);
}

static void read_ip_config(struct ip_config *c)
{
	char text[96];

	memset(c, 0, sizeof(*c));
	c->how = IP_DHCP;
	if (!cmdline_get("ip", text, sizeof(text)) || !text[0] || !strcmp(text, "dhcp") ||
	    !strcmp(text, "on") || !strcmp(text, "any"))
		return;
	if (!strcmp(text, "off") || !strcmp(text, "none")) {
		c->how = IP_OFF;
		return;
	}
	if ((strchr(text, ':') ? read_long(text, c) : read_short(text, c)) && c->addr.addr)
		c->how = IP_STATIC;
	else
		printk("ip=: not understood, using DHCP\n");
}

int register_netdev(struct net_device *dev)
{
	static int eth_nr;
	struct netif *netif = kzalloc(sizeof(*netif), GFP_KERNEL);
	struct ip_config ip;

	if (!netif)
		return -ENOMEM;
	read_ip_config(&ip);
	if (ip.how != IP_STATIC)
		ip.addr.addr = ip.mask.addr = ip.gw.addr = 0;
	lock_net();
	if (!dev->name[0])
		snprintf(dev->name, sizeof(dev->name), "eth%d", eth_nr++);
	dev->netif = netif;
	netif_add(netif, &ip.addr, &ip.mask, &ip.gw, dev, eth_netif_init, ethernet_input);
	list_add_tail(&dev->link, &net_devices);
	netif_set_status_callback(netif, report_address);
	if (!netif_default)
		netif_set_default(netif);
	if (dev->carrier)
		netif_set_link_up(netif);
	netif_set_up(netif);
	if (ip.how == IP_DHCP && dhcp_start(netif) != ERR_OK)
		printk("%s: DHCP does not start\n", dev->name);
	net_timer_kick_dhcp();
	unlock_net();
	return 0;
}
