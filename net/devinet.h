/* What is to be known of interfaces, addresses, routes and neighbours, copied out of lwIP. */
#pragma once

#include "kernel/abi/socket.h"
#include "net/net.h"

/* Addresses are in network byte order, and 0 where there is none. */
struct dev_info {
	char name[IFNAMSIZ];
	u8 index; /* from 1 */
	u8 mac[6];
	bool loopback;
	u32 flags; /* IFF_* */
	unsigned mtu, txqlen;
	u32 addr, mask, broadcast;
	u32 gateway; /* only of the device that the default route goes through */
	struct net_device_stats stats;
};

struct route_info {
	char name[IFNAMSIZ]; /* of the device */
	u8 index;
	bool local; /* the destination is this host */
	u32 dest, mask;
	u32 gateway, source; /* 0: none */
};

struct neigh_info {
	u32 addr;
	u8 mac[6];
	char name[IFNAMSIZ];
	u8 index;
};

#define DEV_MAX_ROUTES 2 /* of one device: to its network, and the default */

/* How many bits of an address a netmask, in network byte order, covers. */
static inline u8 prefix_len(u32 mask)
{
	return mask ? (u8)(32 - __builtin_ctz(__builtin_bswap32(mask))) : 0;
}

/* Describes a device of net_devices. The second is for callers that hold net_lock. */
void dev_get_info(struct net_device *dev, struct dev_info *d);
void dev_get_info_locked(struct net_device *dev, struct dev_info *d);
/* The routes that a device makes; how many. */
unsigned dev_routes(const struct dev_info *d, struct route_info routes[DEV_MAX_ROUTES]);
/* By which way a packet to @dest leaves: 0 or -ENETUNREACH. */
int route_lookup(u32 dest, struct route_info *r);
/* The first neighbour whose number is at least @i: its number and @n; or -1. */
int neigh_get(int i, struct neigh_info *n);
