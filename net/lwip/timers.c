/*
 * lwIP's clocks and timers. lwIP would like a handful of functions called at fixed intervals for
 * ever. Most of the time they have nothing to do, and a machine with nothing to do should sleep, so
 * each is called only while its protocol has something to time:
 *
 *	TCP         tcp_tmr(), 100 ms while a connection is in motion, else at the next deadline
 *	ARP         etharp_tmr(), 1 s while an entry is unresolved; else a few calls in a row, seldom
 *	fragments   ip_reass_tmr(), 1 s while a datagram is incomplete
 *	IGMP        igmp_tmr(), 100 ms while a report waits for its time
 *	DHCP        dhcp_fine_tmr(), 500 ms while a request is open; dhcp_coarse_tmr(), once a minute
 *
 * One kernel timer is armed for whatever comes first. The protocols start their clock by the
 * net_timer_kick_*() hooks, which cost one test while it runs.
 *
 * LOCKING: net_lock guards everything. The kernel timer's own lock comes after it.
 */
#include "kernel/time/ktime.h"
#include "kernel/time/timer.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/igmp.h"
#include "lwip/ip4_frag.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"
#include "net/net.h"
#include "net/netdev.h"

#include "net/lwip/hooks.h"

#define NEVER (~0u)

enum {
	CLOCK_TCP,
	CLOCK_ARP,
	CLOCK_REASS,
	CLOCK_IGMP,
	CLOCK_DHCP_FINE,
	CLOCK_DHCP_COARSE,
	NR_CLOCKS
};

struct net_clock {
	void (*run)(void);
	u32 (*next)(void); /* milliseconds until run() is to be called again, or NEVER */
	u64 due;           /* ktime_get() time, or NO time: 0 */
};

static struct timer net_timer;
static u64 armed;    /* what net_timer is armed for, 0 if it is not */
static u64 arp_seen; /* when the ARP table was last aged */

u32_t sys_now(void)
{
	return (u32_t)(ktime_get() / NSEC_PER_MSEC);
}

u32 net_tcp_ticks(void)
{
	return (u32)(ktime_get() / (TCP_SLOW_INTERVAL * NSEC_PER_MSEC));
}

/* The table counts seconds; the calls that were not made while nobody needed them are made up for. */
static void arp_run(void)
{
	u64 now = ktime_get();

	while (now - arp_seen >= NSEC_PER_SEC) {
		arp_seen += NSEC_PER_SEC;
		etharp_tmr();
	}
}

static u32 arp_next(void)
{
	switch (etharp_timing()) {
	case ETHARP_TIMING_NONE:
		return NEVER;
	case ETHARP_TIMING_PENDING:
		return ARP_TMR_INTERVAL;
	default:
		return 10 * ARP_TMR_INTERVAL;
	}
}

static u32 reass_next(void)
{
	return ip_reass_pending() ? IP_TMR_INTERVAL : NEVER;
}

static u32 igmp_next(void)
{
	return igmp_pending() ? IGMP_TMR_INTERVAL : NEVER;
}

/* Is a DHCP client there, and does it wait for an answer? */
static bool dhcp_state(bool waiting)
{
	struct netif *n;

	NETIF_FOREACH(n)
	{
		struct dhcp *d = netif_dhcp_data(n);

		if (d && d->state != 0 && (!waiting || d->request_timeout))
			return true;
	}
	return false;
}

static u32 dhcp_fine_next(void)
{
	return dhcp_state(true) ? DHCP_FINE_TIMER_MSECS : NEVER;
}

static u32 dhcp_coarse_next(void)
{
	return dhcp_state(false) ? DHCP_COARSE_TIMER_MSECS : NEVER;
}

static struct net_clock clocks[NR_CLOCKS] = {
	[CLOCK_TCP] = {tcp_tmr, tcp_next_event, 0},
	[CLOCK_ARP] = {arp_run, arp_next, 0},
	[CLOCK_REASS] = {ip_reass_tmr, reass_next, 0},
	[CLOCK_IGMP] = {igmp_tmr, igmp_next, 0},
	[CLOCK_DHCP_FINE] = {dhcp_fine_tmr, dhcp_fine_next, 0},
	[CLOCK_DHCP_COARSE] = {dhcp_coarse_tmr, dhcp_coarse_next, 0},
};

static void set_clock(struct net_clock *c, u64 now)
{
	u32 ms = c->next();

	c->due = ms == NEVER ? 0 : now + ms * NSEC_PER_MSEC;
}

static void arm(void)
{
	u64 first = 0;

	for (int i = 0; i < NR_CLOCKS; i++)
		if (clocks[i].due && (!first || clocks[i].due < first))
			first = clocks[i].due;
	if (first == armed)
		return;
	armed = first;
	if (first)
		timer_arm(&net_timer, first);
	else
		timer_cancel(&net_timer);
}

static void net_timer_fn(struct timer *t)
{
	u64 now;

	spin_lock(&net_lock); /* a softirq: bottom halves are off already */
	now = ktime_get();
	armed = 0;
	netdev_reclaim();
	for (int i = 0; i < NR_CLOCKS; i++) {
		if (!clocks[i].due || clocks[i].due > now)
			continue;
		clocks[i].run();
		clocks[i].due = 0;
	}
	/* One may have given another something to do. */
	for (int i = 0; i < NR_CLOCKS; i++)
		if (!clocks[i].due)
			set_clock(&clocks[i], now);
	arm();
	spin_unlock(&net_lock);
}

/* Starts a clock that stands still; one that runs only if its next event is earlier than thought. */
static void kick(int which)
{
	struct net_clock *c = &clocks[which];
	u64 now = ktime_get(), due = c->due;

	set_clock(c, now);
	if (due && (!c->due || due < c->due))
		c->due = due;
	arm();
}

void net_timer_kick_tcp(void)
{
	/* In motion, the tick is running and joining it changes nothing. */
	u64 due = clocks[CLOCK_TCP].due;

	if (due && due <= ktime_get() + TCP_TMR_INTERVAL * NSEC_PER_MSEC)
		return;
	kick(CLOCK_TCP);
}

/* A new entry is coming: the others are brought up to date first, so that it starts at age 0. */
void net_timer_kick_arp(void)
{
	struct net_clock *c = &clocks[CLOCK_ARP];
	u64 now = ktime_get(), due = now + NSEC_PER_SEC;

	if (c->due)
		arp_run();
	else
		arp_seen = now;
	if (!c->due || due < c->due)
		c->due = due;
	arm();
}

void net_timer_kick_reass(void)
{
	if (!clocks[CLOCK_REASS].due)
		kick(CLOCK_REASS);
}

void net_timer_kick_igmp(void)
{
	if (!clocks[CLOCK_IGMP].due)
		kick(CLOCK_IGMP);
}

void net_timer_kick_dhcp(void)
{
	kick(CLOCK_DHCP_FINE);
	kick(CLOCK_DHCP_COARSE);
}

/* lwip_init() calls this. */
void sys_timeouts_init(void)
{
	timer_setup(&net_timer, net_timer_fn);
}
