/* What the patched lwIP asks of the kernel. Included by lwIP's sources (LWIP_HOOK_FILENAME). */
#pragma once

#include "kernel/lib/types.h"
#include "kernel/trace/trace.h"

/* checksum.c: an initial sequence number that an outsider cannot guess, RFC 6528. */
u32 net_tcp_isn(u32 laddr, u16 lport, u32 raddr, u16 rport);
#define LWIP_HOOK_TCP_ISN(lip, lport, rip, rport) \
	net_tcp_isn((lip)->addr, (lport), (rip)->addr, (rport))

/*
 * tcp_opt.c: what the options of the socket say of its control block. All with net_lock held.
 *
 *	net_tcp_gives_up	asked at each coarse tick: has TCP_USER_TIMEOUT passed?
 *	net_tcp_syn_retries	how often a SYN is repeated
 *	net_tcp_mss		the most data a segment may hold, in bytes
 *	net_tcp_first_window	the window that a connection begins with, in bytes: SO_RCVBUF
 *	net_tcp_defers		in SYN_RCVD: does the listener go on waiting for data?
 */
struct tcp_pcb;
bool net_tcp_gives_up(struct tcp_pcb *pcb);
u8 net_tcp_syn_retries(const struct tcp_pcb *pcb);
u16 net_tcp_mss(const struct tcp_pcb *pcb);
u32 net_tcp_first_window(const struct tcp_pcb *pcb);
bool net_tcp_defers(const struct tcp_pcb *pcb);

/* udp.c: do the sockets behind two pcbs, with SO_REUSEPORT, belong to one user? net_lock held. */
bool net_udp_same_user(const void *a, const void *b);

/*
 * tcp_urg.c, net_lock held: urgent pointers, which lwIP does not look at.
 *
 *	net_tcp_urgent		a segment has one, or ends a handshake; @len bytes of data
 *	net_tcp_announce	a segment is sent while the first one in the queue has one
 */
struct tcp_hdr;
void net_tcp_urgent(struct tcp_pcb *pcb, const struct tcp_hdr *hdr, u32 len);
void net_tcp_announce(const struct tcp_pcb *pcb, struct tcp_hdr *hdr);

#define NET_TCP_FLAG(hdr, flag) ((hdr)->_hdrlen_rsvd_flags & PP_HTONS(flag))

/* No filter: every segment for a connection or a listener goes on. */
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, hdr, optlen, opt1len, opt2, p) \
	({ \
		trace(tcp_input, (pcb)->local_port, (p)->tot_len); \
		if (unlikely(NET_TCP_FLAG(hdr, TCP_URG) || (pcb)->state == SYN_RCVD)) \
			net_tcp_urgent(pcb, hdr, (p)->tot_len); \
		ERR_OK; \
	})

/* No options are added. A RST may be for somebody who has no connection. */
#define LWIP_HOOK_TCP_OUT_ADD_TCPOPTS(p, hdr, pcb, opts) \
	({ \
		if (!NET_TCP_FLAG(hdr, TCP_RST) && (pcb)->unsent && \
		    unlikely(NET_TCP_FLAG((pcb)->unsent->tcphdr, TCP_URG))) \
			net_tcp_announce(pcb, hdr); \
		opts; \
	})

/* timers.c: that protocol has something to time from now on. net_lock held, any number of times. */
void net_timer_kick_tcp(void);
void net_timer_kick_arp(void);
void net_timer_kick_reass(void);
void net_timer_kick_igmp(void);

/* Coarse TCP ticks (TCP_SLOW_INTERVAL) since boot; wraps as a u32 does. */
u32 net_tcp_ticks(void);

/* memp.c: a zeroed table for the life of the kernel, one slot for every @pages_per_slot pages of
 * memory, a power of two between @min and @max. */
void *net_hash_table(size_t slot_size, unsigned pages_per_slot, unsigned min, unsigned max,
		     unsigned *slots);
