/*
 * NAPI: frames are taken by polling, and the interrupt only says when to begin. The first frame of a
 * burst interrupts; its top half masks the device and queues it here; the softirq polls it until
 * there is nothing left, and only then does the device get its interrupt back. Under load there are
 * no interrupts at all, and the work is done where it can be put off: in NET_RX_SOFTIRQ, which the
 * kernel moves to ksoftirqd when it takes too long.
 *
 *	idle      device unmasked, not on a list
 *	  | interrupt: napi_schedule()
 *	queued    device masked, on the poll list of the CPU that took the interrupt
 *	  | poll() did less than its budget: napi_complete(), and the driver unmasks
 *	idle
 *
 * `scheduled` belongs to whoever turned it from false to true, until napi_complete(); so a device
 * is on one list only, however many CPUs see its interrupt.
 *
 * LOCKING: a poll list is touched only by its CPU, with interrupts off. poll() runs under net_lock,
 * taken once a poll and not once a frame.
 */
#include "kernel/lib/atomic.h"
#include "kernel/lib/init.h"
#include "kernel/time/ktime.h"
#include "kernel/trace/trace.h"
#include "net/net.h"

#define NET_RX_BUDGET (4 * NAPI_BUDGET)   /* frames in one run of the softirq */
#define NET_RX_TIME   (2 * NSEC_PER_MSEC) /* ns, likewise */

static DEFINE_PER_CPU(struct list_head, poll_list); /* [cpu-local, interrupts off] */

/* Lists of CPUs that have not polled yet are zero. Interrupts off. */
static struct list_head *this_poll_list(void)
{
	struct list_head *list = this_cpu_ptr(poll_list);

	if (unlikely(!list->next))
		INIT_LIST_HEAD(list);
	return list;
}

void napi_schedule(struct napi_struct *n)
{
	u64 flags;

	if (xchg(&n->scheduled, true))
		return;
	local_irq_save(flags);
	list_add_tail(&n->poll_list, this_poll_list());
	raise_softirq(NET_RX_SOFTIRQ);
	local_irq_restore(flags);
}

void napi_complete(struct napi_struct *n)
{
	u64 flags;

	local_irq_save(flags);
	list_del(&n->poll_list);
	/* After this store another CPU may queue it: pairs with the xchg() in napi_schedule(). */
	smp_store_release(&n->scheduled, false);
	local_irq_restore(flags);
}

/* The next device of this CPU, which moves behind the others; NULL if there is none. */
static struct napi_struct *next_napi(void)
{
	struct list_head *list;
	struct napi_struct *n;

	local_irq_disable();
	list = this_poll_list();
	n = list_first_entry_or_null(list, struct napi_struct, poll_list);
	if (n)
		list_move_tail(&n->poll_list, list);
	local_irq_enable();
	return n;
}

/* NET_RX_SOFTIRQ. */
static void net_rx_action(void)
{
	u64 deadline = 0;
	int budget = NET_RX_BUDGET, done;
	struct napi_struct *n;

	trace(net_rx_action, 0, 0);
	while ((n = next_napi())) {
		spin_lock(&net_lock); /* bottom halves are off: this is one */
		done = n->poll(n, NAPI_BUDGET);
		spin_unlock(&net_lock);
		if (done < NAPI_BUDGET)
			continue; /* poll() has called napi_complete() */
		budget -= done;
		if (!deadline)
			deadline = ktime_get() + NET_RX_TIME;
		if (budget <= 0 || ktime_get() >= deadline) {
			raise_softirq(NET_RX_SOFTIRQ);
			break;
		}
	}
	trace(net_rx_exit, 0, 0);
}

static int __init napi_init(void)
{
	open_softirq(NET_RX_SOFTIRQ, net_rx_action);
	return 0;
}
core_initcall(napi_init);
