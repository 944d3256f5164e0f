/* Between the network devices, lwIP's port and its timers; drivers need only net/net.h. */
#pragma once

/* Lets every device give back the frames that it has sent. net_lock held. */
void netdev_reclaim(void);

/* net/rtnetlink.c: tells who listens that the cable of @dev, or @addr its address, has changed.
 * net_lock held. */
struct net_device;
void rtnl_announce(struct net_device *dev, bool addr);

/* net/lwip/timers.c: DHCP has started, or must begin anew. net_lock held. */
void net_timer_kick_dhcp(void);
