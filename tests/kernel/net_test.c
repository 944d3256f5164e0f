/*
 * The network stack from below: frames that a stranger could send, fed to netif_receive() on a
 * device of the test's own; lwIP's patched tables with many control blocks; and a connection over
 * the loopback device.
 *
 *	  test ── frame ──> netif_receive() ──> lwIP (192.0.2.1) ──> link_output() ──> last_frame
 *	 192.0.2.2
 */
#include "kernel/lib/ktest.h"
#include "kernel/lib/random.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/wait.h"
#include "kernel/time/ktime.h"
#include "lwip/etharp.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip4_frag.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/icmp.h"
#include "lwip/prot/ip4.h"
#include "net/dgram.h"
#include "net/net.h"
#include "netif/ethernet.h"

#define PATIENCE  (20 * NSEC_PER_SEC)
#define TEST_PORT 7777

/* ---- a wire ---- */

static const u8 our_mac[6] = {0x02, 0, 0, 0, 0, 1}, peer_mac[6] = {0x02, 0, 0, 0, 0, 2};
static const u8 our_ip[4] = {192, 0, 2, 1}, peer_ip[4] = {192, 0, 2, 2};

static struct netif wire_netif;
static struct net_device wire;
static u8 last_frame[1600]; /* [net_lock] what lwIP has sent last */
static int last_len, sent;

static err_t link_output(struct netif *netif, struct pbuf *p)
{
	last_len = pbuf_copy_partial(p, last_frame, sizeof(last_frame), 0);
	sent++;
	return ERR_OK;
}

static err_t wire_init(struct netif *netif)
{
	netif->name[0] = 't';
	netif->mtu = 1500;
	netif->hwaddr_len = sizeof(our_mac);
	memcpy(netif->hwaddr, our_mac, sizeof(our_mac));
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
	netif->output = etharp_output;
	netif->linkoutput = link_output;
	return ERR_OK;
}

static void plug_in(void)
{
	ip4_addr_t addr, mask;

	memcpy(&addr, our_ip, 4);
	IP4_ADDR(&mask, 255, 255, 255, 0);
	memset(&wire, 0, sizeof(wire));
	wire.netif = &wire_netif;
	lock_net();
	netif_add(&wire_netif, &addr, &mask, NULL, &wire, wire_init, ethernet_input);
	netif_set_link_up(&wire_netif);
	netif_set_up(&wire_netif);
	unlock_net();
	sent = 0;
}

static void pull_out(void)
{
	lock_net();
	netif_remove(&wire_netif);
	unlock_net();
}

/* Hands lwIP the first @len bytes of @frame; how many frames it has answered with. */
static int receive(const void *frame, int len)
{
	struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16)len, PBUF_RAM);
	int before = sent;

	if (!p)
		return -1;
	memcpy(p->payload, frame, (size_t)len);
	lock_net();
	netif_receive(&wire, p);
	unlock_net();
	return sent - before;
}

static int eth_header(u8 *f, u16 type)
{
	memcpy(f, our_mac, 6);
	memcpy(f + 6, peer_mac, 6);
	f[12] = type >> 8;
	f[13] = (u8)type;
	return 14;
}

/* An Ethernet and an IP header for @len bytes of @proto; @frag is the field of flags and offset. */
static int ip_header(u8 *f, u8 proto, int len, u16 id, u16 frag)
{
	int n = eth_header(f, ETHTYPE_IP);
	struct ip_hdr *h = (struct ip_hdr *)(f + n);

	memset(h, 0, sizeof(*h));
	IPH_VHL_SET(h, 4, 5);
	IPH_LEN_SET(h, lwip_htons((u16)(20 + len)));
	IPH_ID_SET(h, lwip_htons(id));
	IPH_OFFSET_SET(h, lwip_htons(frag));
	IPH_TTL_SET(h, 64);
	IPH_PROTO_SET(h, proto);
	memcpy(&h->src, peer_ip, 4);
	memcpy(&h->dest, our_ip, 4);
	IPH_CHKSUM_SET(h, inet_chksum(h, 20));
	return n + 20;
}

static int arp_request(u8 *f)
{
	static const u8 fixed[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	int n = eth_header(f, ETHTYPE_ARP);

	memcpy(f + n, fixed, 8);
	memcpy(f + n + 8, peer_mac, 6);
	memcpy(f + n + 14, peer_ip, 4);
	memset(f + n + 18, 0, 6);
	memcpy(f + n + 24, our_ip, 4);
	return n + 28;
}

/* lwIP learns where to send its answers. */
static bool introduce_peer(void)
{
	u8 f[64];

	return receive(f, arp_request(f)) == 1;
}

/* ---- frames ---- */

static u16 slow_sum(const u8 *p, int len)
{
	u32 sum = 0;

	for (int i = 0; i < len; i++)
		sum += i & 1 ? (u32)p[i] << 8 : p[i];
	while (sum >> 16)
		sum = (sum >> 16) + (u16)sum;
	return (u16)sum;
}

KTEST(net_checksum)
{
	static u8 data[2100];
	u64 seed = 42;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (u8)ktest_rand(&seed);
	memset(data + 500, 0xff, 300); /* carries everywhere */
	for (int i = 0; i < 3000; i++) {
		int off = (int)(ktest_rand(&seed) % 64), len = (int)(ktest_rand(&seed) % 2000);
		u16 fast = net_csum(data + off, len), slow = slow_sum(data + off, len);

		/* Zero has two faces in one's complement. */
		EXPECT(fast == slow || (!(u16)~fast && !slow) || (!fast && !(u16)~slow));
	}
}

KTEST(net_short_frames)
{
	u8 f[128];
	int n, answers = 0;

	plug_in();
	/* Every length that ends inside a header, after which nothing may be read or answered. */
	for (int len = 15; len < 42; len++) {
		n = arp_request(f);
		answers += receive(f, len < n ? len : n - 1);
	}
	for (int len = 15; len < 34; len++) {
		ip_header(f, IP_PROTO_UDP, 60, 1, 0);
		answers += receive(f, len);
	}
	ip_header(f, IP_PROTO_TCP, 4, 1, 0);
	answers += receive(f, 38);
	ip_header(f, IP_PROTO_ICMP, 2, 1, 0);
	answers += receive(f, 36);
	bool whole = introduce_peer();
	pull_out();
	EXPECT(answers == 0);
	EXPECT(whole);
}

/* ---- raw sockets ---- */

static int list_length(const struct list_head *head)
{
	int n = 0;

	for (const struct list_head *at = head->next; at != head; at = at->next)
		n++;
	return n;
}

/*
 * ICMP messages cut off at each length, that quote (@proto) packets of ours with IP headers of each
 * length, sent to a socket that wants to hear of errors, too.
 */
static int complain(u8 proto)
{
	u8 f[200];
	int n, sum, received = 0;

	for (int cut = 0; cut <= 80; cut++) {
		for (int hl = 0; hl < 16; hl += 5) {
			n = ip_header(f, IP_PROTO_ICMP, cut, 1, 0);
			memset(f + n, 0, sizeof(f) - (size_t)n);
			f[n] = ICMP_DUR;
			f[n + 1] = ICMP_DUR_PORT;
			f[n + 8] = (u8)(0x40 | hl);
			f[n + 8 + 9] = proto;
			memcpy(f + n + 8 + 12, our_ip, 4);
			memcpy(f + n + 8 + 16, peer_ip, 4);
			sum = inet_chksum(f + n, (u16)cut);
			f[n + 2] = (u8)sum;
			f[n + 3] = (u8)(sum >> 8);
			receive(f, n + cut);
			received++;
		}
	}
	return received;
}

KTEST(net_raw_sockets)
{
	struct sock *sk = sock_family(AF_INET)->create(SOCK_RAW, IPPROTO_ICMP);
	int all, queued;

	EXPECT(!IS_ERR(sk));
	if (IS_ERR(sk))
		return;
	plug_in();
	inet_sk(sk)->ipflags |= INET_RECVERR;
	sk->rcvbuf = 1 << 20;
	all = complain(IP_PROTO_ICMP) + complain(IP_PROTO_UDP) + complain(IP_PROTO_TCP) +
	      complain(253);
	queued = list_length(&dgram_sk(sk)->rx);
	sk->ops->release(sk);
	pull_out();
	/* Those of up to 7 bytes have no whole header and are nobody's. */
	EXPECT(queued == all - 4 * 4 * 8);
}

/* ---- fragments ---- */

static int echo_request(u8 *f, int len)
{
	memset(f, 0, 8);
	f[0] = ICMP_ECHO;
	for (int i = 8; i < len; i++)
		f[i] = (u8)i;
	u16 sum = inet_chksum(f, (u16)len);

	memcpy(f + 2, &sum, 2);
	return len;
}

static int send_fragment(const u8 *data, int off, int len, u16 id, bool more)
{
	static u8 f[1514];
	int n = ip_header(f, IP_PROTO_ICMP, len, id, (u16)(off / 8 | (more ? IP_MF : 0)));

	memcpy(f + n, data, (size_t)len);
	return receive(f, n + len);
}

static void forget_fragments(void)
{
	lock_net();
	for (int i = 0; i <= IP_REASS_MAXAGE; i++)
		ip_reass_tmr();
	unlock_net();
}

/*
 *	bytes:   0        800       1600  2000
 *	order:   [   2nd   ][  3rd   ][1st]        an answer to the last
 */
KTEST(net_fragments)
{
	static u8 data[2000];
	int first, second, third;

	plug_in();
	bool known = introduce_peer();
	echo_request(data, sizeof(data));
	first = send_fragment(data + 1600, 1600, 400, 7, false);
	second = send_fragment(data, 0, 800, 7, true);
	third = send_fragment(data + 800, 800, 800, 7, true);
	forget_fragments();
	pull_out();
	EXPECT(known);
	EXPECT(first == 0 && second == 0);
	EXPECT(third == 2); /* the reply is fragmented, too */
}

KTEST(net_fragments_that_lie)
{
	static u8 data[1480];
	int answers = 0;

	plug_in();
	/* Past 64 KiB, as the last one and as one in the middle. */
	answers += send_fragment(data, 65528, 1000, 1, false);
	answers += send_fragment(data, 65528, 1000, 2, true);
	/* Something behind the end, an end before something, two ends, overlaps, nothing at all. */
	answers += send_fragment(data, 8, 8, 3, false);
	answers += send_fragment(data, 64000, 1480, 3, true);
	answers += send_fragment(data, 800, 80, 4, true);
	answers += send_fragment(data, 400, 80, 4, false);
	answers += send_fragment(data, 80, 80, 5, false);
	answers += send_fragment(data, 160, 80, 5, false);
	answers += send_fragment(data, 40, 80, 6, true);
	answers += send_fragment(data, 0, 80, 6, true);
	answers += send_fragment(data, 8, 0, 8, true);
	answers += send_fragment(data, 8, 13, 9, true);
	/* More datagrams than are kept. */
	for (int i = 0; i < 2 * IP_REASS_MAX_PBUFS; i++)
		answers += send_fragment(data, 80, 80, (u16)(1000 + i), true);
	bool held = ip_reass_pending();
	forget_fragments();
	bool gone = !ip_reass_pending();
	pull_out();
	EXPECT(answers == 0);
	EXPECT(held && gone);
}

/* ---- TCP from a stranger ---- */

static struct tcp_pcb *listener;

static err_t refuse(void *arg, struct tcp_pcb *pcb, err_t err)
{
	return ERR_MEM;
}

static bool start_listener(tcp_accept_fn accept, u32 backlog)
{
	struct tcp_pcb *pcb, *l = NULL;

	lock_net();
	pcb = tcp_new();
	if (pcb && tcp_bind(pcb, IP4_ADDR_ANY, TEST_PORT) == ERR_OK)
		l = tcp_listen_with_backlog(pcb, backlog);
	if (l)
		tcp_accept(l, accept);
	else if (pcb)
		tcp_abort(pcb);
	listener = l;
	unlock_net();
	return l;
}

static void stop_listener(void)
{
	lock_net();
	tcp_close(listener);
	unlock_net();
}

static int send_syn(u16 sport, const u8 *options, int optlen)
{
	u8 f[128];
	struct tcp_hdr *t;
	ip4_addr_t src, dest;
	struct pbuf *p;
	int n = ip_header(f, IP_PROTO_TCP, 20 + optlen, sport, 0);

	t = (struct tcp_hdr *)(f + n);
	memset(t, 0, sizeof(*t));
	t->src = lwip_htons(sport);
	t->dest = lwip_htons(TEST_PORT);
	t->seqno = lwip_htonl(sport);
	TCPH_HDRLEN_FLAGS_SET(t, (u16)(5 + optlen / 4), TCP_SYN);
	t->wnd = lwip_htons(1000);
	if (optlen)
		memcpy(t + 1, options, (size_t)optlen);
	p = pbuf_alloc(PBUF_RAW, (u16)(20 + optlen), PBUF_RAM);
	if (!p)
		return -1;
	memcpy(p->payload, t, p->len);
	memcpy(&src, peer_ip, 4);
	memcpy(&dest, our_ip, 4);
	t->chksum = inet_chksum_pseudo(p, IP_PROTO_TCP, (u16)(20 + optlen), &src, &dest);
	pbuf_free(p);
	return receive(f, n + 20 + optlen);
}

/* Aborts the half-open connections of a test. */
static void drop_strangers(u16 first, u16 last)
{
	u32 us, peer;

	memcpy(&us, our_ip, 4);
	memcpy(&peer, peer_ip, 4);
	lock_net();
	for (u16 port = first; port <= last; port++) {
		struct tcp_pcb *pcb = tcp_lookup(us, TEST_PORT, peer, port, NETIF_NO_INDEX);

		if (pcb)
			tcp_abort(pcb);
	}
	unlock_net();
}

KTEST(net_tcp_options)
{
	static const u8 options[][12] = {
		{1, 1, 1, 2},                            /* a kind without a length */
		{2, 4, 5},                               /* a length past the end: 4 of 3 bytes */
		{3, 3, 1, 8},                            /* a scale, and a timestamp cut off */
		{8, 10, 0, 0},                           /* a timestamp of 10 bytes in 4 */
		{5, 255, 0, 0},                          /* a SACK of 255 */
		{9, 0, 0, 0},                            /* length 0: would never end */
		{2, 4, 0, 0, 3, 3, 255, 1, 4, 2, 1, 34}, /* MSS 0, scale 255 */
	};
	int answered = 0;

	EXPECT(start_listener(refuse, 100));
	plug_in();
	bool known = introduce_peer();
	for (int i = 0; i < (int)ARRAY_SIZE(options); i++)
		answered += send_syn((u16)(2000 + i), options[i], i < 6 ? 4 : 12);
	drop_strangers(2000, 2000 + ARRAY_SIZE(options));
	pull_out();
	stop_listener();
	EXPECT(known);
	EXPECT(answered == ARRAY_SIZE(options)); /* bad options are skipped, the SYN counts */
}

KTEST(net_backlog_above_a_byte)
{
	int answered = 0;

	EXPECT(start_listener(refuse, 1000));
	plug_in();
	bool known = introduce_peer();
	for (int i = 0; i < 1200; i++)
		answered += send_syn((u16)(3000 + i), NULL, 0);
	drop_strangers(3000, 4300);
	pull_out();
	stop_listener();
	EXPECT(known);
	EXPECT(answered == 1000);
}

/* ---- tables ---- */

#define MANY 20000

static void many_tuple(int i, struct tcp_pcb *pcb)
{
	pcb->local_ip.addr = lwip_htonl(0xc0000201u + (u32)i % 3);
	pcb->local_port = (u16)(1 + i % 5);
	pcb->remote_ip.addr = lwip_htonl(0x0a000000u + (u32)i / 1000);
	pcb->remote_port = (u16)(1000 + i % 1000);
}

KTEST(net_demux)
{
	struct tcp_pcb **pcbs = kmalloc(MANY * sizeof(*pcbs), GFP_KERNEL), *p;
	int made = 0, found = 0, strangers = 0;
	struct tcp_pcb key;

	EXPECT(pcbs);
	lock_net();
	for (; made < MANY; made++) {
		p = tcp_new();
		if (!p)
			break;
		many_tuple(made, p);
		p->state = ESTABLISHED;
		tcp_register(p);
		pcbs[made] = p;
	}
	for (int i = 0; i < made; i++) {
		many_tuple(i, &key);
		p = tcp_lookup(key.local_ip.addr, key.local_port, key.remote_ip.addr,
			       key.remote_port, NETIF_NO_INDEX);
		found += p == pcbs[i];
		p = tcp_lookup(key.local_ip.addr, key.local_port, key.remote_ip.addr,
			       (u16)(key.remote_port + 1000), NETIF_NO_INDEX);
		strangers += p != NULL;
	}
	/* Out in another order than in. */
	for (int i = 0; i < made; i++) {
		int k = (int)((u64)i * 7919 % (u64)made);

		tcp_unregister(pcbs[k]);
	}
	for (int i = 0; i < made; i++)
		tcp_free(pcbs[i]);
	unlock_net();
	kfree(pcbs);
	EXPECT(made == MANY);
	EXPECT(found == MANY);
	EXPECT(strangers == 0);
}

KTEST(net_bind_rules)
{
	struct tcp_pcb *a, *b, *c, *l;
	ip4_addr_t lo;
	err_t plain, reuse, other, listening;
	u16 port;

	IP4_ADDR(&lo, 127, 0, 0, 1);
	lock_net();
	a = tcp_new();
	b = tcp_new();
	c = tcp_new();
	ip_set_option(a, SOF_REUSEADDR);
	tcp_bind(a, IP4_ADDR_ANY, TEST_PORT);
	plain = tcp_bind(b, &lo, TEST_PORT);
	ip_set_option(b, SOF_REUSEADDR);
	reuse = tcp_bind(b, &lo, TEST_PORT);
	l = tcp_listen_with_backlog(a, 1);
	ip_set_option(c, SOF_REUSEADDR);
	listening = tcp_bind(c, &lo, TEST_PORT);
	other = tcp_bind(c, &lo, 0);
	port = c->local_port;
	tcp_close(l);
	tcp_close(b);
	tcp_close(c);
	unlock_net();
	EXPECT(plain == ERR_USE);
	EXPECT(reuse == ERR_OK);
	EXPECT(listening == ERR_USE);
	EXPECT(other == ERR_OK);
	EXPECT(port >= 32768 && port <= 60999);
}

/* ---- a connection over lo ---- */

static DECLARE_WAIT_QUEUE_HEAD(lo_wq);
static struct tcp_pcb *server;     /* [net_lock] */
static u32 lo_received, lo_errors; /* [net_lock], read without */
static bool lo_connected;

static err_t lo_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	if (!p)
		return ERR_OK;
	lo_received += p->tot_len;
	tcp_recved(pcb, p->tot_len);
	pbuf_free(p);
	wake_up(&lo_wq);
	return ERR_OK;
}

static void lo_err(void *arg, err_t err)
{
	lo_errors++;
	server = NULL;
	wake_up(&lo_wq);
}

static err_t lo_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	server = pcb;
	tcp_recv(pcb, lo_recv);
	tcp_err(pcb, lo_err);
	wake_up(&lo_wq);
	return ERR_OK;
}

static err_t lo_established(void *arg, struct tcp_pcb *pcb, err_t err)
{
	lo_connected = true;
	wake_up(&lo_wq);
	return ERR_OK;
}

#define LO_WAIT(cond) \
	(wait_event_interruptible_deadline(&lo_wq, (cond), deadline_after(PATIENCE)) == 0)

static void pause_ms(u64 ms)
{
	DECLARE_WAIT_QUEUE_HEAD(nobody);

	(void)wait_event_interruptible_deadline(&nobody, false, deadline_after(ms * NSEC_PER_MSEC));
}

static err_t lo_write(struct tcp_pcb *pcb, u16 len)
{
	struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, len, PBUF_RAM);
	err_t err;

	if (!p)
		return ERR_MEM;
	memset(p->payload, 'x', len);
	lock_net();
	err = tcp_write_pbuf(pcb, p, 0);
	if (err == ERR_OK)
		tcp_output(pcb);
	else
		pbuf_free(p);
	unlock_net();
	return err;
}

KTEST(net_loopback)
{
	struct tcp_pcb *client;
	ip4_addr_t lo;
	err_t err;
	bool idle;

	server = NULL;
	lo_connected = false;
	lo_received = lo_errors = 0;
	EXPECT(start_listener(lo_accept, 1));
	IP4_ADDR(&lo, 127, 0, 0, 1);
	lock_net();
	client = tcp_new();
	err = tcp_connect(client, &lo, TEST_PORT, lo_established);
	unlock_net();
	EXPECT(err == ERR_OK);
	EXPECT(LO_WAIT(lo_connected && READ_ONCE(server)));
	EXPECT(lo_write(client, 1) == ERR_OK);
	EXPECT(lo_write(client, tcp_mss(client)) == ERR_OK);
	EXPECT(lo_write(client, TCP_MSS + 1) == ERR_VAL);
	EXPECT(LO_WAIT(READ_ONCE(lo_received) == 1u + tcp_mss(client)));

	/* An idle connection has left the tick, unless it wants to be kept alive. */
	pause_ms(700);
	lock_net();
	idle = client->timed_in == TCP_TIMED_NOT && server->timed_in == TCP_TIMED_NOT;
	ip_set_option(client, SOF_KEEPALIVE);
	tcp_timing_changed(client);
	unlock_net();
	EXPECT(idle);
	pause_ms(700);
	lock_net();
	idle = client->timed_in == TCP_TIMED_WHEEL;
	tcp_abort(client);
	unlock_net();
	EXPECT(idle);
	EXPECT(LO_WAIT(READ_ONCE(lo_errors) == 1));
	stop_listener();
}
