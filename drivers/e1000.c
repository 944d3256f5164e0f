/*
 * The Intel 82540EM Gigabit Ethernet controller, which QEMU calls "e1000". Register names, bits and
 * the order of initialisation are those of the manual named in e1000.h: 14.3 and 14.4 (start-up),
 * 3.2 (receiving), 3.3 and 3.4 (transmitting), 5.6 (EEPROM), 13.4.17 to 13.4.21 (interrupts).
 *
 * Two rings of descriptors in memory are shared with the card. Each has a head, which the card
 * moves, and a tail, which we move; the card owns what is from head to tail - 1.
 *
 *	receive     head                     tail
 *	             v                        v
 *	  [done][done][  empty buffers        ][ours]      the card writes a frame by DMA, sets DD in
 *	   ^ rx_next                                       the descriptor, moves head, interrupts
 *
 *	transmit    tx_clean      head       tail = tx_tail
 *	             v             v          v
 *	  [free]    [sent: DD set][to be sent][free]
 *
 * A receive buffer IS a pbuf: struct e1000_rx_buf holds lwIP's pbuf and the 1.9 KiB that the card
 * writes, in one allocation. The frame goes up without a copy, the ring gets another buffer, and
 * the pbuf's last reference, wherever it is dropped, frees it. A frame to send is gathered from its
 * pbuf chain, a descriptor a link; the chain is referenced until DD is set.
 *
 * The top half, e1000_interrupt(), reads ICR (which clears it), masks and schedules NAPI;
 * e1000_poll() does the rest in NET_RX_SOFTIRQ. Sending needs no interrupt: descriptors are taken
 * back at the next transmission, at the next poll, or by a timer when neither comes.
 *
 * COST: device registers are dear, in QEMU above all. A poll writes RDT once, TDT once for all
 * replies that it has caused, and IMS when it goes to sleep; the top half touches two.
 *
 * What comes in is not trusted: a frame that needs more than one buffer, has an error or an
 * impossible length is dropped whole.
 *
 * LOCKING: net_lock guards both rings and everything else here. e1000_interrupt() runs in hard
 * interrupt and touches only ICR, IMC and link_changed. The pbufs' free function may run in any
 * context but hard interrupt, with or without net_lock, and touches only the slab.
 *
 * ORDER: the card reads and writes memory as another CPU would. x86 keeps our stores in order, and
 * the tail registers are uncached, so a descriptor is in memory before the card hears of it; only
 * the compiler must be held back (smp_wmb() before each tail). On the other side DD is read first
 * and the rest of the descriptor after smp_rmb(): pairs with the card, which writes DD last.
 */
#include "drivers/e1000.h"

#include "drivers/pci.h"
#include "kernel/abi/errno.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/time/ktime.h"
#include "kernel/time/timer.h"
#include "lwip/pbuf.h"
#include "net/net.h"

#define NR_RX 512 /* descriptors; multiples of 8, at most 4096 */
#define NR_TX 512

#define RX_BUF_SIZE  2048 /* of the whole struct: two to a page */
#define RX_PAD       2    /* the IP header behind 14 bytes of Ethernet lands on a multiple of 4 */
#define TX_TIMER_NS  (10 * NSEC_PER_MSEC)
#define ITR_UNITS    200 /* of 256 ns: at most 20,000 interrupts a second */
#define RESET_TRIES  1000
#define EEPROM_TRIES 10000

struct e1000_rx_buf {
	struct pbuf_custom pc; /* first: lwIP's pbuf is the whole */
	u8 pad[64 - sizeof(struct pbuf_custom) + RX_PAD];
	u8 data[RX_BUF_SIZE - 64 - RX_PAD];
};
_Static_assert(sizeof(struct e1000_rx_buf) == RX_BUF_SIZE, "rx buffer");
_Static_assert(sizeof(((struct e1000_rx_buf *)0)->data) >= E1000_MAX_FRAME + 4,
	       "the card writes frames of up to 1522 bytes");

struct e1000 {
	struct net_device dev;
	struct napi_struct napi;
	volatile void *regs;            /* [I] */
	struct e1000_rx_desc *rx;       /* [N] and the card */
	struct e1000_tx_desc *tx;       /* [N] and the card */
	struct e1000_rx_buf **rx_buf;   /* [N] of each descriptor */
	struct pbuf **tx_pbuf;          /* [N] of each frame, at its last descriptor; else NULL */
	u32 rx_next;                    /* [N] the descriptor that is filled next */
	bool rx_skip;                   /* [N] inside a frame that is being dropped */
	u32 tx_tail, tx_clean, tx_used; /* [N] */
	u32 tdt;                        /* [N] what TDT holds */
	bool in_poll;                   /* [N] TDT is written at its end */
	bool tx_timer_on;               /* [N] */
	struct timer tx_timer;
	bool link_changed; /* [a] */
};

static struct kmem_cache *rx_cache; /* [I] */

static u32 rd(struct e1000 *e, u32 reg)
{
	return readl((const volatile u8 *)e->regs + reg);
}

static void wr(struct e1000 *e, u32 reg, u32 v)
{
	writel(v, (volatile u8 *)e->regs + reg);
}

/* ---- receive ---- */

/* lwIP has dropped the last reference to a received frame. */
static void rx_free(struct pbuf *p)
{
	kmem_cache_free(rx_cache, p);
}

static struct e1000_rx_buf *rx_alloc(void)
{
	struct e1000_rx_buf *b = kmem_cache_alloc(rx_cache, GFP_ATOMIC);

	if (b)
		b->pc.custom_free_function = rx_free;
	return b;
}

static void rx_give(struct e1000 *e, u32 i, struct e1000_rx_buf *b)
{
	e->rx_buf[i] = b;
	e->rx[i].addr = virt_to_phys(b->data);
	e->rx[i].status = 0;
}

/* Is the frame in descriptor @d whole and sound? Otherwise it is counted as what is wrong with it. */
static bool rx_good(struct e1000 *e, const struct e1000_rx_desc *d)
{
	struct net_device_stats *st = &e->dev.stats;
	bool eop = d->status & RXD_STAT_EOP, skip = e->rx_skip;

	/* One that goes on in the next buffer is dropped to its end. */
	e->rx_skip = !eop;
	if (skip)
		return false;
	if (!eop || d->length < E1000_MIN_FRAME || d->length > E1000_MAX_FRAME) {
		st->rx_errors++;
		return false;
	}
	if (d->errors & RXD_ERR_FRAME) {
		st->rx_errors++;
		st->rx_frame++;
		return false;
	}
	return true;
}

/* Takes the frame out of descriptor @i, and puts an empty buffer in its place. */
static void rx_one(struct e1000 *e, u32 i)
{
	struct e1000_rx_buf *b = e->rx_buf[i], *fresh;
	u16 len = e->rx[i].length;
	struct pbuf *p;

	if (!rx_good(e, &e->rx[i])) {
		rx_give(e, i, b);
		return;
	}
	fresh = rx_alloc();
	if (!fresh) {
		e->dev.stats.rx_dropped++;
		rx_give(e, i, b);
		return;
	}
	rx_give(e, i, fresh);
	p = pbuf_alloced_custom(PBUF_RAW, len, PBUF_RAM, &b->pc, b->data, sizeof(b->data));
	netif_receive(&e->dev, p);
}

static int rx_poll(struct e1000 *e, int budget)
{
	u32 i = e->rx_next;
	int done;

	for (done = 0; done < budget; done++) {
		if (!(READ_ONCE(e->rx[i].status) & RXD_STAT_DD))
			break;
		smp_rmb(); /* DD, then the rest: ORDER */
		rx_one(e, i);
		i = (i + 1) % NR_RX;
	}
	if (done) {
		e->rx_next = i;
		smp_wmb(); /* the descriptors, then the tail: ORDER */
		/* The one before: a tail that meets the head would mean that the ring is empty. */
		wr(e, E1000_RDT, (i + NR_RX - 1) % NR_RX);
	}
	return done;
}

/* ---- transmit ---- */

/* Drops the frames that the card has sent. */
static void tx_reclaim(struct e1000 *e)
{
	struct pbuf *p;
	u32 last, n;

	while (e->tx_used) {
		/* Only the last descriptor of a frame reports, so a frame goes as a whole. */
		last = e->tx_clean;
		for (n = 1; !e->tx_pbuf[last]; n++)
			last = (last + 1) % NR_TX;
		if (!(READ_ONCE(e->tx[last].status) & TXD_STAT_DD))
			return;
		smp_rmb(); /* DD, then our buffers: ORDER */
		p = e->tx_pbuf[last];
		e->tx_pbuf[last] = NULL;
		e->tx_clean = (last + 1) % NR_TX;
		e->tx_used -= n;
		pbuf_free(p);
	}
}

/* The cable is out: a card may keep what it cannot send for ever. TDH may be written while TCTL.EN
 * is 0, 3.4.3. */
static void tx_drop_all(struct e1000 *e)
{
	u32 tctl = rd(e, E1000_TCTL);

	tx_reclaim(e);
	wr(e, E1000_TCTL, tctl & ~(u32)TCTL_EN);
	for (u32 i = 0; i < NR_TX; i++) {
		if (!e->tx_pbuf[i])
			continue;
		pbuf_free(e->tx_pbuf[i]);
		e->tx_pbuf[i] = NULL;
		e->dev.stats.tx_carrier++;
	}
	e->tx_tail = e->tx_clean = e->tx_used = e->tdt = 0;
	wr(e, E1000_TDH, 0);
	wr(e, E1000_TDT, 0);
	wr(e, E1000_TCTL, tctl);
}

/* Tells the card of new descriptors. */
static void tx_kick(struct e1000 *e)
{
	if (e->tdt == e->tx_tail)
		return;
	e->tdt = e->tx_tail;
	smp_wmb(); /* the descriptors, then the tail: ORDER */
	wr(e, E1000_TDT, e->tdt);
	/* QEMU has sent it by now; a real card will have when the timer comes. */
	tx_reclaim(e);
	if (e->tx_used && !e->tx_timer_on) {
		e->tx_timer_on = true;
		timer_arm(&e->tx_timer, ktime_get() + TX_TIMER_NS);
	}
}

static void tx_timer_fn(struct timer *t)
{
	struct e1000 *e = container_of(t, struct e1000, tx_timer);

	spin_lock(&net_lock); /* a softirq: bottom halves are off already */
	tx_reclaim(e);
	e->tx_timer_on = e->tx_used > 0;
	if (e->tx_timer_on)
		timer_arm(t, ktime_get() + TX_TIMER_NS);
	spin_unlock(&net_lock);
}

static u32 tx_descs_needed(const struct pbuf *p)
{
	u32 n = 0;

	for (; p; p = p->next)
		n += p->len > 0;
	return n;
}

static bool tx_has_room(struct e1000 *e, u32 n)
{
	/* One stays free, so that a full ring does not look empty. */
	return e->tx_used + n < NR_TX;
}

static int e1000_xmit(struct net_device *dev, struct pbuf *p)
{
	struct e1000 *e = dev->priv;
	u32 n = tx_descs_needed(p), i = e->tx_tail, last = i;

	if (!tx_has_room(e, n)) {
		tx_kick(e);
		tx_reclaim(e);
		if (!tx_has_room(e, n))
			return -ENOBUFS;
	}
	if (!n)
		return 0;
	for (const struct pbuf *q = p; q; q = q->next) {
		if (!q->len)
			continue;
		e->tx[i] = (struct e1000_tx_desc){
			.addr = virt_to_phys(q->payload),
			.length = q->len,
			.cmd = TXD_CMD_IFCS,
		};
		last = i;
		i = (i + 1) % NR_TX;
	}
	e->tx[last].cmd = TXD_CMD_EOP | TXD_CMD_IFCS | TXD_CMD_RS;
	pbuf_ref(p);
	e->tx_pbuf[last] = p;
	e->tx_tail = i;
	e->tx_used += n;
	if (!e->in_poll)
		tx_kick(e);
	return 0;
}

static void e1000_reclaim(struct net_device *dev)
{
	tx_reclaim(dev->priv);
}

/* ---- interrupts ---- */

#define INT_WANTED (INT_RXT0 | INT_RXO | INT_RXDMT0 | INT_RXSEQ | INT_LSC)

static bool e1000_interrupt(int irq, void *arg)
{
	struct e1000 *e = arg;
	u32 icr = rd(e, E1000_ICR);

	if (!(icr & INT_WANTED))
		return icr != 0;
	wr(e, E1000_IMC, ~0u);
	/* Before the poll is scheduled: pairs with the xchg() in link_poll(). */
	if (icr & (INT_LSC | INT_RXSEQ))
		smp_store_release(&e->link_changed, true);
	napi_schedule(&e->napi);
	return true;
}

static void link_poll(struct e1000 *e)
{
	if (!READ_ONCE(e->link_changed) || !xchg(&e->link_changed, false))
		return;
	netif_carrier(&e->dev, rd(e, E1000_STATUS) & STATUS_LU);
	if (!e->dev.carrier)
		tx_drop_all(e);
}

/* NAPI's poll: net_lock held, softirq. */
static int e1000_poll(struct napi_struct *n, int budget)
{
	struct e1000 *e = container_of(n, struct e1000, napi);
	int done;

	link_poll(e);
	tx_reclaim(e);
	e->in_poll = true;
	done = rx_poll(e, budget);
	e->in_poll = false;
	tx_kick(e);
	if (done < budget) {
		napi_complete(n);
		/* What has come since the last look at the ring is in ICR: it interrupts now. */
		wr(e, E1000_IMS, INT_WANTED);
	}
	return done;
}

static void e1000_refresh_stats(struct net_device *dev)
{
	struct e1000 *e = dev->priv;
	u32 missed = rd(e, E1000_MPC);

	dev->stats.rx_fifo += missed;
	dev->stats.rx_errors += missed + rd(e, E1000_CRCERRS) + rd(e, E1000_RLEC);
}

/* ---- start ---- */

static u64 pause_us(u64 us)
{
	u64 end = ktime_get() + us * NSEC_PER_USEC;

	while (ktime_get() < end)
		cpu_relax();
	return end;
}

static int __init reset(struct e1000 *e)
{
	wr(e, E1000_IMC, ~0u);
	wr(e, E1000_RCTL, 0);
	wr(e, E1000_TCTL, 0);
	wr(e, E1000_CTRL, rd(e, E1000_CTRL) | CTRL_RST);
	for (int i = 0;; i++) {
		pause_us(10);
		if (!(rd(e, E1000_CTRL) & CTRL_RST))
			break;
		if (i == RESET_TRIES)
			return -EIO;
	}
	wr(e, E1000_IMC, ~0u);
	(void)rd(e, E1000_ICR);
	return 0;
}

/* A word of the EEPROM, 5.6.1 and 13.4.4; negative if it does not answer. */
static int __init eeprom_read(struct e1000 *e, u8 word)
{
	u32 v;

	wr(e, E1000_EERD, EERD_START | (u32)word << 8);
	for (int i = 0; i < EEPROM_TRIES; i++) {
		v = rd(e, E1000_EERD);
		if (v & EERD_DONE)
			return (int)(v >> 16);
		cpu_relax();
	}
	return -EIO;
}

static bool __init mac_valid(const u8 *mac)
{
	return !(mac[0] & 1) && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
}

/* The address from the EEPROM's first three words, else what firmware has left in RAL and RAH. */
static int __init read_mac(struct e1000 *e)
{
	u8 *mac = e->dev.mac;
	u32 low = rd(e, E1000_RAL0), high = rd(e, E1000_RAH0);
	int w;

	for (int i = 0; i < 3; i++) {
		w = eeprom_read(e, (u8)i);
		if (w < 0)
			break;
		mac[2 * i] = (u8)w;
		mac[2 * i + 1] = (u8)(w >> 8);
	}
	if (w < 0 || !mac_valid(mac)) {
		memcpy(mac, &low, 4);
		memcpy(mac + 4, &high, 2);
	}
	if (!mac_valid(mac))
		return -ENODEV;
	memcpy(&low, mac, 4);
	high = mac[4] | (u32)mac[5] << 8;
	wr(e, E1000_RAL0, low);
	wr(e, E1000_RAH0, high | RAH_AV);
	return 0;
}

static int __init alloc_rings(struct e1000 *e)
{
	e->rx = kzalloc(NR_RX * sizeof(*e->rx), GFP_KERNEL);
	e->tx = kzalloc(NR_TX * sizeof(*e->tx), GFP_KERNEL);
	e->rx_buf = kcalloc(NR_RX, sizeof(*e->rx_buf), GFP_KERNEL);
	e->tx_pbuf = kcalloc(NR_TX, sizeof(*e->tx_pbuf), GFP_KERNEL);
	if (!e->rx || !e->tx || !e->rx_buf || !e->tx_pbuf)
		return -ENOMEM;
	for (u32 i = 0; i < NR_RX; i++) {
		struct e1000_rx_buf *b = rx_alloc();

		if (!b)
			return -ENOMEM;
		rx_give(e, i, b);
	}
	return 0;
}

static void __init free_all(struct e1000 *e)
{
	for (u32 i = 0; e->rx_buf && i < NR_RX; i++)
		if (e->rx_buf[i])
			kmem_cache_free(rx_cache, e->rx_buf[i]);
	kfree(e->rx_buf);
	kfree(e->tx_pbuf);
	kfree(e->rx);
	kfree(e->tx);
	kfree(e);
}

static void __init start_card(struct e1000 *e)
{
	u64 rx = virt_to_phys(e->rx), tx = virt_to_phys(e->tx);
	u32 ctrl = rd(e, E1000_CTRL);

	ctrl |= CTRL_SLU | CTRL_ASDE;
	ctrl &= ~(u32)(CTRL_LRST | CTRL_ILOS | CTRL_VME | CTRL_PHY_RST);
	wr(e, E1000_CTRL, ctrl);
	wr(e, E1000_FCAL, 0);
	wr(e, E1000_FCAH, 0);
	wr(e, E1000_FCT, 0);
	wr(e, E1000_FCTTV, 0);
	for (u32 i = 0; i < 128; i++)
		wr(e, E1000_MTA + 4 * i, 0);

	wr(e, E1000_RDBAL, (u32)rx);
	wr(e, E1000_RDBAH, (u32)(rx >> 32));
	wr(e, E1000_RDLEN, NR_RX * sizeof(*e->rx));
	wr(e, E1000_RDH, 0);
	wr(e, E1000_RDT, NR_RX - 1);
	wr(e, E1000_RDTR, 0);
	wr(e, E1000_RADV, 0);
	wr(e, E1000_RXCSUM, 0);

	wr(e, E1000_TDBAL, (u32)tx);
	wr(e, E1000_TDBAH, (u32)(tx >> 32));
	wr(e, E1000_TDLEN, NR_TX * sizeof(*e->tx));
	wr(e, E1000_TDH, 0);
	wr(e, E1000_TDT, 0);
	wr(e, E1000_TIDV, 0);
	wr(e, E1000_TADV, 0);
	/* Full duplex, and the gaps of IEEE 802.3 over copper: 13.4.33 and 13.4.34. */
	wr(e, E1000_TCTL, TCTL_EN | TCTL_PSP | TCTL_CT(15) | TCTL_COLD(64) | TCTL_RTLC);
	wr(e, E1000_TIPG, 10 | 8 << 10 | 6 << 20);
	wr(e, E1000_ITR, ITR_UNITS);
	/* QEMU's card is deaf for a second after each write to RCTL: frames wait meanwhile. */
	wr(e, E1000_RCTL, RCTL_EN | RCTL_BAM | RCTL_SECRC);
}

/*
 * Opens the filter for a multicast address: bits 47 to 36 of it are the number of a bit in a table, 13.5.1.
 * Many addresses share a bit, so that what comes is filtered again above, and no bit is ever cleared.
 */
static void e1000_hear(struct net_device *dev, const u8 mac[6])
{
	struct e1000 *e = dev->priv;
	u32 bit = (u32)mac[5] << 4 | mac[4] >> 4, reg = E1000_MTA + 4 * (bit / 32);

	wr(e, reg, rd(e, reg) | 1u << bit % 32);
}

static int __init e1000_probe(struct pci_dev *pci)
{
	struct e1000 *e = kzalloc(sizeof(*e), GFP_KERNEL);
	size_t size;
	int err = -ENODEV;

	if (!e)
		return -ENOMEM;
	pci_enable(pci);
	e->regs = pci_map_bar(pci, 0, &size);
	if (!e->regs)
		goto fail;
	err = reset(e);
	if (!err)
		err = read_mac(e);
	if (!err)
		err = alloc_rings(e);
	if (err)
		goto fail;

	e->dev.mtu = 1500;
	e->dev.xmit = e1000_xmit;
	e->dev.refresh_stats = e1000_refresh_stats;
	e->dev.reclaim = e1000_reclaim;
	e->dev.hear = e1000_hear;
	e->dev.priv = e;
	e->napi.poll = e1000_poll;
	timer_setup(&e->tx_timer, tx_timer_fn);
	start_card(e);
	e->dev.carrier = rd(e, E1000_STATUS) & STATUS_LU;
	err = register_netdev(&e->dev);
	if (err)
		goto stop;
	printk("%s: e1000 %pM, interrupt %d, link %s\n", e->dev.name, e->dev.mac, pci->irq_line,
	       e->dev.carrier ? "up" : "down");
	/* From here on the device is known and stays; without an interrupt it is deaf. */
	err = pci_request_irq(pci, e1000_interrupt, "e1000", e);
	if (!err)
		wr(e, E1000_IMS, INT_WANTED);
	return err;
stop:
	wr(e, E1000_RCTL, 0);
	wr(e, E1000_TCTL, 0);
fail:
	free_all(e);
	return err;
}

static const struct pci_id e1000_ids[] = {{E1000_VENDOR_INTEL, E1000_DEV_82540EM}, {0, 0}};
static const struct pci_driver e1000_driver = {"e1000", e1000_ids, e1000_probe};

static int __init e1000_init(void)
{
	rx_cache = kmem_cache_create("e1000_rx", sizeof(struct e1000_rx_buf), 64);
	pci_register_driver(&e1000_driver);
	return 0;
}
device_initcall(e1000_init);
