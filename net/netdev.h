/* Between the network devices, lwIP's port and its timers; drivers need only net/net.h. */
#pragma once

/* Lets every device give back the frames that it has sent. net_lock held. */
void netdev_reclaim(void);

/* net/lwip/timers.c: DHCP has started, or must begin anew. net_lock held. */
void net_timer_kick_dhcp(void);
