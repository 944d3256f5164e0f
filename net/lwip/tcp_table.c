/*
 * TCP's control blocks by hash. lwIP keeps them in four lists and walks these for each segment, each
 * bind() and each connect(); with 10,000 connections that is all it would ever do. Here:
 *
 *	ehash   connections and their TIME_WAITs, by {local address, port, remote address, port}
 *	lhash   listeners, by local port
 *	bhash   claims of local ports, by port; one struct tcp_bind for each {address, port}
 *	bound   pcbs after bind(), before listen() or connect(): a list, never searched
 *
 * A pcb is in exactly one of ehash, lhash and bound, linked by next and pprev, and keeps its claim
 * (pcb->bind) from bind(), connect() or its SYN until it is freed.
 *
 * A claim counts its users by kind, so bind() sees a conflict without visiting them: a server that
 * restarts while a million of its connections are still open asks one struct. The rules are those
 * of Linux: without SO_REUSEADDR any user of the port in the way is a conflict; with it, only users
 * that lack it themselves, and listeners. TIME_WAIT is in nobody's way who has SO_REUSEADDR.
 *
 * Ephemeral ports of connect() need to be unique only together with the destination (RFC 6056,
 * algorithm 3): a keyed hash of the destination, and a counter, say where the search starts.
 *
 * LOCKING: net_lock guards everything.
 */
#include "net/lwip/tcp_table.h"

#include "kernel/lib/printk.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/signal.h"
#include "lwip/priv/tcp_priv.h"

#include "net/lwip/hooks.h"

struct tcp_bind {
	struct tcp_bind *next;
	u32 ip; /* 0: any */
	u16 port;
	u32 users;     /* all claims */
	u32 owners;    /* with TCP_BIND_OWNER */
	u32 strict;    /* with TCP_BIND_STRICT */
	u32 listeners; /* with TCP_BIND_LISTEN */
	u32 sharers;   /* of these, with TCP_BIND_SHARED: all of one user */
	u32 uid;       /* that user, while there are any */
};

#define LHASH_SLOTS 256u
#define PORT_RANGE  (TCP_LOCAL_PORT_RANGE_END - TCP_LOCAL_PORT_RANGE_START + 1u)

static struct tcp_pcb **ehash;
static struct tcp_bind **bhash;
static unsigned ehash_slots, bhash_slots; /* powers of two */
static struct tcp_pcb_listen *lhash[LHASH_SLOTS];
static struct tcp_pcb *bound;
static struct kmem_cache *bind_cache;
static u64 secret[2]; /* keeps strangers from choosing the chain they land on */
static u32 port_counter;

void tcp_table_init(void)
{
	ehash = net_hash_table(sizeof(*ehash), 1, 1024, 512 * 1024, &ehash_slots);
	bhash = net_hash_table(sizeof(*bhash), 32, 256, 16 * 1024, &bhash_slots);
	bind_cache = kmem_cache_create("tcp_bind", sizeof(struct tcp_bind), 0);
	for (int i = 0; i < 2; i++)
		secret[i] = (u64)get_random_u32() << 32 | get_random_u32();
	port_counter = get_random_u32();
}

static u64 mix(u32 laddr, u16 lport, u32 raddr, u16 rport)
{
	u64 x = ((u64)raddr << 32 | laddr) ^ secret[0];

	x ^= (((u64)rport << 16 | lport) ^ secret[1]) * 0x9e3779b97f4a7c15ull;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	return x ^ x >> 32;
}

static struct tcp_pcb **ehash_slot(u32 laddr, u16 lport, u32 raddr, u16 rport)
{
	return &ehash[mix(laddr, lport, raddr, rport) & (ehash_slots - 1)];
}

static struct tcp_pcb_listen **lhash_slot(u16 port)
{
	return &lhash[port % LHASH_SLOTS];
}

static bool on_other_netif(u8 bound_to, u8 ifidx)
{
	return bound_to != NETIF_NO_INDEX && bound_to != ifidx;
}

struct tcp_pcb *tcp_lookup(u32 laddr, u16 lport, u32 raddr, u16 rport, u8 ifidx)
{
	struct tcp_pcb *pcb = *ehash_slot(laddr, lport, raddr, rport);

	for (; pcb; pcb = pcb->next)
		if (pcb->remote_port == rport && pcb->remote_ip.addr == raddr &&
		    pcb->local_port == lport && pcb->local_ip.addr == laddr &&
		    !on_other_netif(pcb->netif_idx, ifidx))
			return pcb;
	return NULL;
}

u32 tcp_share_hash(u32 laddr, u16 lport, u32 raddr, u16 rport)
{
	return (u32)(mix(laddr, lport, raddr, rport) >> 32);
}

static bool shares_with(const struct tcp_pcb_listen *l, const struct tcp_pcb_listen *first)
{
	return l->local_port == first->local_port && l->local_ip.addr == first->local_ip.addr &&
	       ip_get_option(l, SOF_REUSEPORT);
}

/* One of those that share an address with @first, which is the first of them in its chain. */
static struct tcp_pcb_listen *pick_sharer(struct tcp_pcb_listen *first, u32 hash)
{
	struct tcp_pcb_listen *l;
	u32 n = 1, pick;

	for (l = first->next; l; l = l->next)
		n += shares_with(l, first);
	pick = hash % n;
	for (l = first; pick; pick -= shares_with(l, first))
		l = l->next;
	return l;
}

struct tcp_pcb_listen *tcp_lookup_listener(u32 laddr, u16 lport, u32 raddr, u16 rport, u8 ifidx)
{
	struct tcp_pcb_listen *found = NULL, *l;

	for (l = *lhash_slot(lport); l; l = l->next) {
		if (l->local_port != lport || on_other_netif(l->netif_idx, ifidx))
			continue;
		if (l->local_ip.addr == laddr) {
			found = l;
			break;
		}
		if (l->local_ip.addr == IPADDR_ANY && !found)
			found = l;
	}
	if (!found || !ip_get_option(found, SOF_REUSEPORT))
		return found;
	return pick_sharer(found, tcp_share_hash(laddr, lport, raddr, rport));
}

void tcp_register(struct tcp_pcb *pcb)
{
	struct tcp_pcb **slot;

	BUG_ON(pcb->pprev);
	if (pcb->state == LISTEN)
		slot = (struct tcp_pcb **)lhash_slot(pcb->local_port);
	else if (pcb->state == CLOSED)
		slot = &bound;
	else
		slot = ehash_slot(pcb->local_ip.addr, pcb->local_port, pcb->remote_ip.addr,
				  pcb->remote_port);
	pcb->next = *slot;
	if (pcb->next)
		pcb->next->pprev = &pcb->next;
	pcb->pprev = slot;
	*slot = pcb;

	if (pcb->state == TIME_WAIT) {
		tcp_bind_relax(pcb);
		tcp_timewait_start(pcb);
	} else if (pcb->state != LISTEN && pcb->state != CLOSED) {
		tcp_timed(pcb);
	}
}

void tcp_unregister(struct tcp_pcb *pcb)
{
	if (!pcb->pprev) /* closed inside its own callback: freed when that returns */
		return;
	*pcb->pprev = pcb->next;
	if (pcb->next)
		pcb->next->pprev = pcb->pprev;
	pcb->next = NULL;
	pcb->pprev = NULL;
	if (pcb->state != LISTEN)
		tcp_untimed(pcb);
}

static struct tcp_bind **bhash_slot(u16 port)
{
	return &bhash[port & (bhash_slots - 1)];
}

static bool overlap(const struct tcp_bind *b, u32 ip, u16 port)
{
	return b->port == port && (b->ip == ip || b->ip == IPADDR_ANY || ip == IPADDR_ANY);
}

/* Who asks: claims are made, and turned into listeners, by system calls. */
static u32 claimant(void)
{
	return current->signal ? current->signal->euid : 0;
}

/* Listeners that would not share with a claim of these flags by the current task. */
static u32 hostile_listeners(const struct tcp_bind *b, u8 flags)
{
	bool shares = (flags & TCP_BIND_SHARED) && b->uid == claimant();

	return b->listeners - (shares ? b->sharers : 0);
}

bool tcp_bind_conflict(u32 ip, u16 port, u8 flags)
{
	struct tcp_bind *b;

	for (b = *bhash_slot(port); b; b = b->next)
		if (overlap(b, ip, port) &&
		    ((flags & TCP_BIND_STRICT) || b->strict || hostile_listeners(b, flags)))
			return true;
	return false;
}

bool tcp_listen_conflict(u32 ip, u16 port, u8 flags)
{
	struct tcp_bind *b;

	for (b = *bhash_slot(port); b; b = b->next)
		if (overlap(b, ip, port) && hostile_listeners(b, flags))
			return true;
	return false;
}

bool tcp_bind_claim(struct tcp_pcb *pcb, u32 ip, u16 port, u8 flags)
{
	struct tcp_bind **slot = bhash_slot(port), *b;

	for (b = *slot; b; b = b->next)
		if (b->port == port && b->ip == ip)
			break;
	if (!b) {
		b = kmem_cache_alloc(bind_cache, GFP_ATOMIC | __GFP_ZERO);
		if (!b)
			return false;
		b->ip = ip;
		b->port = port;
		b->next = *slot;
		*slot = b;
	}
	b->users++;
	b->owners += !!(flags & TCP_BIND_OWNER);
	b->strict += !!(flags & TCP_BIND_STRICT);
	b->listeners += !!(flags & TCP_BIND_LISTEN);
	pcb->bind = b;
	pcb->bind_flags = flags;
	return true;
}

void tcp_bind_release(struct tcp_pcb *pcb)
{
	struct tcp_bind *b = pcb->bind, **link;
	u8 flags = pcb->bind_flags;

	if (!b)
		return;
	pcb->bind = NULL;
	b->owners -= !!(flags & TCP_BIND_OWNER);
	b->strict -= !!(flags & TCP_BIND_STRICT);
	b->listeners -= !!(flags & TCP_BIND_LISTEN);
	b->sharers -= (flags & TCP_BIND_LISTEN) && (flags & TCP_BIND_SHARED);
	if (--b->users)
		return;
	for (link = bhash_slot(b->port); *link != b; link = &(*link)->next)
		;
	*link = b->next;
	kmem_cache_free(bind_cache, b);
}

void tcp_bind_relax(struct tcp_pcb *pcb)
{
	if (!pcb->bind || !(pcb->bind_flags & TCP_BIND_STRICT))
		return;
	pcb->bind->strict--;
	pcb->bind_flags &= ~TCP_BIND_STRICT;
}

void tcp_bind_move(struct tcp_pcb *from, struct tcp_pcb_listen *to)
{
	to->bind = from->bind;
	to->bind_flags = from->bind_flags | TCP_BIND_LISTEN;
	from->bind = NULL;
	if (!to->bind)
		return;
	to->bind->listeners++;
	to->bind->sharers += !!(to->bind_flags & TCP_BIND_SHARED);
	if (to->bind_flags & TCP_BIND_SHARED)
		to->bind->uid = claimant();
}

/* May connect() take @port on its own? Not where somebody has asked for the port by name. */
static bool port_has_owner(u32 ip, u16 port)
{
	struct tcp_bind *b;

	for (b = *bhash_slot(port); b; b = b->next)
		if (overlap(b, ip, port) && b->owners)
			return true;
	return false;
}

u16 tcp_bind_any_port(u32 ip)
{
	for (u32 i = 0; i < PORT_RANGE; i++) {
		u16 port = TCP_LOCAL_PORT_RANGE_START + port_counter++ % PORT_RANGE;

		if (!tcp_bind_conflict(ip, port, TCP_BIND_STRICT))
			return port;
	}
	return 0;
}

u16 tcp_connect_any_port(u32 laddr, u32 raddr, u16 rport)
{
	u32 offset = (u32)mix(laddr, 0, raddr, rport);

	for (u32 i = 0; i < PORT_RANGE; i++) {
		u16 port = TCP_LOCAL_PORT_RANGE_START + (offset + port_counter++) % PORT_RANGE;

		if (!port_has_owner(laddr, port) &&
		    !tcp_lookup(laddr, port, raddr, rport, NETIF_NO_INDEX))
			return port;
	}
	return 0;
}

unsigned tcp_table_slots(void)
{
	return ehash_slots;
}

struct tcp_pcb *tcp_table_slot(unsigned i)
{
	return ehash[i];
}

unsigned tcp_listen_slots(void)
{
	return LHASH_SLOTS;
}

struct tcp_pcb_listen *tcp_listen_slot(unsigned i)
{
	return lhash[i];
}
