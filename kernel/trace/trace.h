/*
 * Tracepoints: the stops of the road, and a way to see who passes them.
 *
 * A tracepoint is a line in the code, trace(EVENT, a, b). It is nearly free while nobody looks: one
 * test of a bit and a jump that is not taken. Switched on, it writes a record (what, when, which CPU,
 * which task, two numbers) into a ring of its CPU: no lock, no allocation, about 100 instructions, so
 * it may stand anywhere but in an NMI.
 *
 * The table below is the list of all events and of the order in which a frame meets them.
 *
 *	EVENT(name, track, phase, text)
 *
 * track and phase say how a picture shows it: as a slice that BEGINs and ENDs or as an INSTANT, on
 * the line of the CPU or on that of the task. An interrupt is over before its CPU does anything else,
 * so it is a slice of the CPU; a system call may sleep in between, so it is one of the task. text is
 * for people: a format for the two numbers, each an unsigned long.
 */
#pragma once

#include "kernel/lib/types.h"

#define TRACE_EVENTS(EVENT) \
	EVENT(irq_handler_entry, CPU, BEGIN, "irq=%lu") \
	EVENT(softirq_raise, CPU, INSTANT, "vec=%lu") \
	EVENT(irq_handler_exit, CPU, END, "irq=%lu handled=%lu") \
	EVENT(softirq_entry, CPU, BEGIN, "vec=%lu") \
	EVENT(net_rx_action, CPU, BEGIN, "") \
	EVENT(netif_receive, CPU, INSTANT, "len=%lu") \
	EVENT(tcp_input, CPU, INSTANT, "port=%lu len=%lu") \
	EVENT(udp_input, CPU, INSTANT, "port=%lu len=%lu") \
	EVENT(sock_def_readable, CPU, INSTANT, "sock=%lx") \
	EVENT(sock_def_write_space, CPU, INSTANT, "sock=%lx") \
	EVENT(ep_poll_callback, CPU, INSTANT, "fd=%lu events=%lx") \
	EVENT(pollwake, CPU, INSTANT, "events=%lx") \
	EVENT(send_sigio, CPU, INSTANT, "fd=%lu band=%lx") \
	EVENT(sched_wakeup, CPU, INSTANT, "pid=%lu cpu=%lu") \
	EVENT(net_rx_exit, CPU, END, "") \
	EVENT(softirq_exit, CPU, END, "vec=%lu") \
	EVENT(sched_switch, CPU, INSTANT, "prev_pid=%lu prev_state=%lx") \
	EVENT(epoll_wait, TASK, BEGIN, "maxevents=%lu") \
	EVENT(epoll_wait_exit, TASK, END, "ready=%ld") \
	EVENT(poll, TASK, BEGIN, "nfds=%lu") \
	EVENT(poll_exit, TASK, END, "ready=%ld") \
	EVENT(select, TASK, BEGIN, "nfds=%lu") \
	EVENT(select_exit, TASK, END, "ready=%ld") \
	EVENT(sock_recvmsg, TASK, BEGIN, "sock=%lx") \
	EVENT(sock_recvmsg_exit, TASK, END, "ret=%ld") \
	EVENT(sock_sendmsg, TASK, BEGIN, "sock=%lx") \
	EVENT(sock_sendmsg_exit, TASK, END, "ret=%ld") \
	EVENT(net_dev_xmit, CPU, INSTANT, "len=%lu")

#define TRACE_NUMBER(name, track, phase, text) TRACE_##name,
enum trace_event { TRACE_EVENTS(TRACE_NUMBER) NR_TRACE_EVENTS };
#undef TRACE_NUMBER

/* A bit an event. Read without order: a CPU that sees a change late traces a little longer. */
extern u32 trace_mask;
_Static_assert(NR_TRACE_EVENTS <= 32, "trace_mask has a bit an event");

#define trace(event, a, b) \
	do { \
		if (unlikely(trace_mask & (1u << TRACE_##event))) \
			trace_write(TRACE_##event, (unsigned long)(a), (unsigned long)(b)); \
	} while (0)

/* What trace() does when the event is on. Any context but NMI; O(1), about 100 instructions. */
void trace_write(enum trace_event event, unsigned long a, unsigned long b);
