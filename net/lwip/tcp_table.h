/*
 * Where TCP's control blocks are found and when they are looked at: the part of lwIP that Pollux
 * replaced so that nothing walks all connections. lwIP's own sources call this (patch 0008); the
 * socket layer uses the functions at the end. Everything here is called with net_lock held.
 *
 * IPv4 only. Addresses are in network byte order, ports in host byte order, as in lwIP's pcbs.
 */
#pragma once

#include "kernel/lib/list.h"
#include "kernel/lib/types.h"

struct tcp_pcb;
struct tcp_pcb_listen;

/* Hash tables (tcp_table.c). */
void tcp_table_init(void);
/* The connection, or its TIME_WAIT, that a segment belongs to, or NULL. O(1). */
struct tcp_pcb *tcp_lookup(u32 laddr, u16 lport, u32 raddr, u16 rport, u8 ifidx);
/* The listener for @laddr and @lport: one bound to the address before one bound to any; of several
 * that share it (SO_REUSEPORT) the peer's address chooses one. O(1) but for their number. */
struct tcp_pcb_listen *tcp_lookup_listener(u32 laddr, u16 lport, u32 raddr, u16 rport, u8 ifidx);
/* What chooses among sharers: the same value for the same four, and nobody can foresee it. */
u32 tcp_share_hash(u32 laddr, u16 lport, u32 raddr, u16 rport);
/* Puts @pcb into the table of its state (bound, listening, connection). O(1). */
void tcp_register(struct tcp_pcb *pcb);
/* Takes it out, if it is in one. O(1). */
void tcp_unregister(struct tcp_pcb *pcb);

/*
 * Local ports. A claim says that a pcb uses {address, port}; it lasts until tcp_bind_release().
 * Flags of a claim:
 */
#define TCP_BIND_OWNER  0x1 /* by bind(), or by a listener's child: connect() chooses others */
#define TCP_BIND_STRICT 0x2 /* without SO_REUSEADDR */
#define TCP_BIND_LISTEN 0x4
#define TCP_BIND_SHARED 0x8 /* with SO_REUSEPORT */
/* Would a claim with these flags, or listening under one, be refused? */
bool tcp_bind_conflict(u32 ip, u16 port, u8 flags);
bool tcp_listen_conflict(u32 ip, u16 port, u8 flags);
/* False without memory. */
bool tcp_bind_claim(struct tcp_pcb *pcb, u32 ip, u16 port, u8 flags);
void tcp_bind_release(struct tcp_pcb *pcb);
/* In TIME_WAIT a connection no longer stands in the way of a bind() with SO_REUSEADDR. */
void tcp_bind_relax(struct tcp_pcb *pcb);
/* Hands the claim of a pcb to the listener that replaces it. */
void tcp_bind_move(struct tcp_pcb *from, struct tcp_pcb_listen *to);
/* A free port of the ephemeral range for bind(), or for a connection; 0 if there is none. */
u16 tcp_bind_any_port(u32 ip);
u16 tcp_connect_any_port(u32 laddr, u32 raddr, u16 rport);

/*
 * Timing (tcp_timed.c). The tick of TCP_TMR_INTERVAL looks only at the pcbs on tcp_timed_pcbs, and
 * runs only while there are any. A pcb joins whenever something happens to it and leaves when a
 * tick finds nothing to time; what lies seconds ahead (keepalive, FIN_WAIT_2) sleeps in a wheel.
 */
enum tcp_timed_in { TCP_TIMED_NOT, TCP_TIMED_TICK, TCP_TIMED_WHEEL, TCP_TIMED_TIMEWAIT };
extern struct list_head tcp_timed_pcbs;
/* The next tick looks at @pcb. Nothing for a pcb that is not registered or in TIME_WAIT. */
void tcp_timed(struct tcp_pcb *pcb);
/* Called by the slow timer when it is done with @pcb: may it leave the tick? */
void tcp_settle(struct tcp_pcb *pcb);
void tcp_untimed(struct tcp_pcb *pcb);
/* Starts the TIME_WAIT clock, or starts it anew. */
void tcp_timewait_start(struct tcp_pcb *pcb);
/* The oldest pcb in TIME_WAIT; with @due_only NULL if its time has not come. */
struct tcp_pcb *tcp_timewait_oldest(bool due_only);
/* Moves to the tick what the wheel has due. */
void tcp_wheel_run(void);
/* Milliseconds until tcp_tmr() must be called, ~0u for never. */
u32 tcp_next_event(void);

/*
 * For the socket layer. After a change of so_options' SOF_KEEPALIVE or of the keep_* fields:
 */
void tcp_timing_changed(struct tcp_pcb *pcb);
/*
 * For /proc/net/tcp: the tables in slots, so that net_lock can be dropped between two. A chain runs
 * through pcb->next.
 */
unsigned tcp_table_slots(void);
struct tcp_pcb *tcp_table_slot(unsigned i);
unsigned tcp_listen_slots(void);
struct tcp_pcb_listen *tcp_listen_slot(unsigned i);
