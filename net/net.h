/*
 * The ground floor of net/: the one lock over lwIP, network devices and NAPI.
 *
 * lwIP is one big state machine that is not re-entrant. net_lock makes it so: it is taken by the
 * NET_RX and timer softirqs and by socket system calls, disables bottom halves on its CPU, and is
 * never taken in a hard interrupt. User memory is never touched under it.
 */
#pragma once

#include "kernel/lib/list.h"
#include "kernel/lib/types.h"
#include "kernel/sched/spinlock.h"

extern spinlock_t net_lock;

#define lock_net()   spin_lock_bh(&net_lock)
#define unlock_net() spin_unlock_bh(&net_lock)

/*
 * NAPI: interrupt mitigation by polling. The top half masks the device and calls napi_schedule();
 * NET_RX_SOFTIRQ then calls poll() with a budget until it does less than the budget, whereupon
 * poll() has called napi_complete() and unmasked the device.
 */
struct napi_struct {
	struct list_head poll_list;                     /* [cpu-local, interrupts off] */
	bool scheduled;                                 /* [a] */
	int (*poll)(struct napi_struct *n, int budget); /* frames handled; softirq context */
};
#define NAPI_BUDGET 64

void napi_schedule(struct napi_struct *n); /* hard interrupt or any other context */
void napi_complete(struct napi_struct *n);

struct net_device_stats {
	u64 rx_bytes, rx_packets, rx_errors, rx_dropped, rx_fifo, rx_frame, rx_multicast;
	u64 tx_bytes, tx_packets, tx_errors, tx_dropped, tx_fifo, tx_collisions, tx_carrier;
};

struct netif; /* lwIP's */
struct pbuf;

#define NETDEV_MAX_EARLY 8

struct net_device {
	char name[16]; /* "eth0", "lo" */
	u8 mac[6];
	unsigned mtu;
	bool carrier;                  /* [net_lock] */
	struct net_device_stats stats; /* [net_lock] */
	struct netif *netif;           /* [I] */
	struct list_head link;         /* all devices, /proc/net/dev */
	/* Sends the frame (all links of the chain) without a copy: takes its own references with
	 * pbuf_ref() and drops them when the card is done. net_lock held. 0, -ENOBUFS. */
	int (*xmit)(struct net_device *dev, struct pbuf *p);
	void (*refresh_stats)(struct net_device *dev); /* NULL or reads the card's counters */
	/* NULL, or drops the references to frames that the card is done with. net_lock held. */
	void (*reclaim)(struct net_device *dev);
	/* From now on the card takes frames for the multicast address @mac, too. net_lock held. */
	void (*hear)(struct net_device *dev, const u8 mac[6]);
	void *priv;
	struct pbuf *early[NETDEV_MAX_EARLY]; /* [net_lock] see netdev.c */
	unsigned nr_early;                    /* [net_lock] */
};

/* Driver to stack. */
int register_netdev(struct net_device *dev);                /* process context; starts IP on it */
void netif_receive(struct net_device *dev, struct pbuf *p); /* net_lock held; takes over p */
void netif_carrier(struct net_device *dev, bool up);        /* net_lock held */
extern struct list_head net_devices;
