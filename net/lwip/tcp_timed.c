/*
 * When TCP's control blocks are looked at. lwIP's timers visit every connection ten times a second;
 * an idle one has nothing to time, and a machine that holds 10,000 of them must be able to sleep.
 * So the timers visit lists:
 *
 *	tick       what is in motion: data unsent or unacknowledged, a delayed ACK, a state that passes
 *	wheel      what is due in seconds to hours: the first keepalive probe, the end of FIN_WAIT_2
 *	timewait   TIME_WAIT, oldest first, since all of them last equally long
 *
 *	        something happens              nothing to time
 *	 none ---------------------> tick ----------------------> none
 *	                              ^ |   only a far deadline
 *	                        due   | +-----------------------> wheel
 *	                              +-----------------------------+
 *
 * Joining the tick is one test and one link, done for each segment and each write. Leaving is lazy:
 * tcp_slowtmr() calls tcp_settle() for what it has just visited.
 *
 * The wheel has 64 slots of one second and 64 of 64 seconds. A pcb that a slot hands over goes back
 * to the tick, which decides again, so the wheel need not know why anybody waits, and a deadline
 * that has moved in the meantime costs one visit.
 *
 * LOCKING: net_lock guards everything.
 */
#include "net/lwip/tcp_table.h"

#include "lwip/priv/tcp_priv.h"

#include "kernel/debug/leak.h"
#include "kernel/lib/init.h"
#include "net/lwip/hooks.h"
#include "net/net.h"

#define TICKS_PER_SEC  (1000 / TCP_SLOW_INTERVAL)
#define TIMEWAIT_TICKS (2 * TCP_MSL / TCP_SLOW_INTERVAL)
#define WHEEL_SLOTS    64u

LIST_HEAD(tcp_timed_pcbs);
static LIST_HEAD(timewait);

static struct list_head wheel[2][WHEEL_SLOTS]; /* zero until the first use */
static u64 wheel_used[2]; /* a bit a slot; may be set for a slot that has become empty */
static u32 wheel_now;     /* the second whose slots have been handed over */

void tcp_timed(struct tcp_pcb *pcb)
{
	if (pcb->timed_in == TCP_TIMED_TICK || !pcb->pprev)
		return;
	if (pcb->state < SYN_SENT || pcb->state == TIME_WAIT)
		return;
	list_move_tail(&pcb->timed, &tcp_timed_pcbs);
	pcb->timed_in = TCP_TIMED_TICK;
	net_timer_kick_tcp();
}

void tcp_untimed(struct tcp_pcb *pcb)
{
	list_del_init(&pcb->timed);
	pcb->timed_in = TCP_TIMED_NOT;
}

void tcp_timing_changed(struct tcp_pcb *pcb)
{
	tcp_timed(pcb);
}

static u32 wheel_seconds(void)
{
	return net_tcp_ticks() / TICKS_PER_SEC;
}

static bool wheel_empty(void)
{
	return !(wheel_used[0] | wheel_used[1]);
}

static void wheel_sleep(struct tcp_pcb *pcb, u32 deadline)
{
	u32 sec = deadline / TICKS_PER_SEC + 1, level = 0, slot;

	if (wheel_empty())
		wheel_now = wheel_seconds();
	if ((s32)(sec - wheel_now) < 1)
		sec = wheel_now + 1;
	slot = sec % WHEEL_SLOTS;
	if (sec - wheel_now >= WHEEL_SLOTS) {
		/* A slot of the second level is handed over when its first second comes. */
		u32 far = min(sec / WHEEL_SLOTS, wheel_now / WHEEL_SLOTS + WHEEL_SLOTS - 1);

		level = 1;
		slot = far % WHEEL_SLOTS;
	}
	if (!wheel[level][slot].next)
		INIT_LIST_HEAD(&wheel[level][slot]);
	list_move_tail(&pcb->timed, &wheel[level][slot]);
	pcb->timed_in = TCP_TIMED_WHEEL;
	wheel_used[level] |= BIT(slot);
}

static void hand_over(int level, u32 slot)
{
	struct list_head *head = &wheel[level][slot];

	if (!(wheel_used[level] & BIT(slot)))
		return;
	wheel_used[level] &= ~BIT(slot);
	while (!list_empty(head))
		tcp_timed(list_first_entry(head, struct tcp_pcb, timed));
}

void tcp_wheel_run(void)
{
	u32 now = wheel_seconds();

	while (!wheel_empty() && (s32)(now - wheel_now) > 0) {
		wheel_now++;
		hand_over(0, wheel_now % WHEEL_SLOTS);
		if (wheel_now % WHEEL_SLOTS == 0)
			hand_over(1, wheel_now / WHEEL_SLOTS % WHEEL_SLOTS);
	}
}

/* Has @pcb something that the next tick may have to act on? */
static bool in_motion(const struct tcp_pcb *pcb)
{
	if (pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT && pcb->state != FIN_WAIT_2)
		return true;
	return pcb->unsent || pcb->unacked || pcb->ooseq || pcb->refused_data || pcb->poll ||
	       pcb->persist_backoff || pcb->rtime >= 0 ||
	       (pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND));
}

void tcp_settle(struct tcp_pcb *pcb)
{
	u32 deadline;

	if (in_motion(pcb))
		return;
	if (pcb->state == FIN_WAIT_2 && (pcb->flags & TF_RXCLOSED)) {
		deadline = pcb->tmr + TCP_FIN_WAIT_TIMEOUT / TCP_SLOW_INTERVAL + 1;
	} else if (pcb->state != FIN_WAIT_2 && ip_get_option(pcb, SOF_KEEPALIVE)) {
		u64 idle = pcb->keep_idle + (u64)pcb->keep_cnt_sent * pcb->keep_intvl;

		deadline = pcb->tmr + (u32)(idle / TCP_SLOW_INTERVAL) + 1;
	} else {
		tcp_untimed(pcb);
		return;
	}
	if ((s32)(deadline - net_tcp_ticks()) > TICKS_PER_SEC)
		wheel_sleep(pcb, deadline);
}

void tcp_timewait_start(struct tcp_pcb *pcb)
{
	pcb->tmr = net_tcp_ticks();
	list_move_tail(&pcb->timed, &timewait);
	pcb->timed_in = TCP_TIMED_TIMEWAIT;
	net_timer_kick_tcp();
}

struct tcp_pcb *tcp_timewait_oldest(bool due_only)
{
	struct tcp_pcb *pcb = list_first_entry_or_null(&timewait, struct tcp_pcb, timed);

	if (pcb && due_only && net_tcp_ticks() - pcb->tmr <= TIMEWAIT_TICKS)
		return NULL;
	return pcb;
}

/* Ends what a list holds: connections whose sockets are gone. */
static void abort_list(struct list_head *head)
{
	while (head->next && !list_empty(head))
		tcp_abort(list_first_entry(head, struct tcp_pcb, timed));
}

/* For the leak check, when nobody is left who could own a connection. */
static void tcp_forget_orphans(void)
{
	lock_net();
	abort_list(&tcp_timed_pcbs);
	abort_list(&timewait);
	for (u32 slot = 0; slot < WHEEL_SLOTS; slot++) {
		abort_list(&wheel[0][slot]);
		abort_list(&wheel[1][slot]);
	}
	unlock_net();
}

static __init int tcp_timed_init(void)
{
	leakcheck_on_drain(tcp_forget_orphans);
	return 0;
}
core_initcall(tcp_timed_init);

/* How many slots behind slot number @now the next one in use is: 1 to 64. */
static u32 slots_ahead(int level, u32 now)
{
	u32 next = (now + 1) % WHEEL_SLOTS;
	u64 used = wheel_used[level];

	if (next)
		used = used >> next | used << (WHEEL_SLOTS - next);
	return (u32)__builtin_ctzll(used) + 1;
}

/* Ticks from @now to @deadline: at least one. */
static u32 ticks_until(u32 deadline, u32 now)
{
	return (s32)(deadline - now) < 1 ? 1 : deadline - now;
}

u32 tcp_next_event(void)
{
	u32 now = net_tcp_ticks(), ticks = ~0u;
	struct tcp_pcb *pcb;

	if (!list_empty(&tcp_timed_pcbs))
		return TCP_TMR_INTERVAL;
	pcb = tcp_timewait_oldest(false);
	if (pcb)
		ticks = ticks_until(pcb->tmr + TIMEWAIT_TICKS + 1, now);
	if (wheel_used[0]) {
		u32 sec = wheel_now + slots_ahead(0, wheel_now);

		ticks = min(ticks, ticks_until(sec * TICKS_PER_SEC, now));
	}
	if (wheel_used[1]) {
		u32 far = wheel_now / WHEEL_SLOTS;

		far = (far + slots_ahead(1, far)) * WHEEL_SLOTS;
		ticks = min(ticks, ticks_until(far * TICKS_PER_SEC, now));
	}
	return ticks == ~0u ? ~0u : ticks * TCP_SLOW_INTERVAL;
}
