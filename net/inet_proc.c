/*
 * /proc/net: tables of sockets and counters of the protocols, in Linux's words. proc(5), RFC 1213.
 *
 *	tcp, udp, raw, icmp   one line a socket; netstat reads them
 *	tcp6, udp6, raw6      only their heads: there is no IPv6, but netstat asks
 *	sockstat              how many there are
 *	snmp                  what has come and gone, as lwIP counts it
 *
 * LOCKING: rows are copied out under net_lock a few slots at a time, and printed without it. However
 * many connections there are, it is never held for long; the price is that those that come and go
 * meanwhile may be missed. Counters are single words that net_lock's holders write.
 */

#include "kernel/lib/string.h"
#include "kernel/lib/sysctl.h"
#include "net/inet.h"
#include "net/net.h"

#include "lwip/opt.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/stats.h"

/* ---- walking the tables ---- */

#define ROWS       32  /* copied in one hold of net_lock */
#define ROOM       16  /* left for the next slot; a longer chain is cut short */
#define SLOTS_STEP 256 /* looked at in one hold, when most are empty */

void inet_for_rows(unsigned slots, inet_collect_fn collect, inet_row_fn fn, void *arg)
{
	struct inet_row rows[ROWS];
	unsigned i = 0, n, end;

	while (i < slots) {
		end = min(i + SLOTS_STEP, slots);
		n = 0;
		lock_net();
		for (; i < end && n <= ROWS - ROOM; i++)
			n += collect(i, rows + n, ROWS - n);
		unlock_net();
		for (unsigned k = 0; k < n; k++)
			fn(&rows[k], arg);
		cond_resched();
	}
}

/* ---- one line a socket; timers, timeouts and pointers are shown as 0 ---- */

/* How wide the first column is and how long a line; datagrams have some columns more. */
struct table {
	struct seq *seq;
	int first, line;
	bool dgram;
	unsigned nr;
};

static void show_row(const struct inet_row *r, void *arg)
{
	struct table *t = arg;
	char line[160];
	int n;

	n = snprintf(line, sizeof(line),
		     "%*u: %08X:%04X %08X:%04X %02X %08X:%08X 00:00000000 %08X %5u %8d %lu",
		     t->first, t->nr++, r->laddr, r->lport, r->raddr, r->rport, r->state, r->tx,
		     r->rx, r->retransmits, r->uid, 0, r->ino);
	snprintf(line + n, sizeof(line) - (size_t)n, " %u %016x %u", t->dgram ? 2u : 1u, 0u, 0u);
	seq_printf(t->seq, "%-*s\n", t->line, line);
}

static void show_table(struct seq *s, void (*for_rows)(inet_row_fn fn, void *arg), struct table t)
{
	char head[160];

	t.seq = s;
	snprintf(head, sizeof(head),
		 "%*s  local_address rem_address   st tx_queue rx_queue tr tm->when "
		 "retrnsmt   uid  timeout inode%s",
		 t.first, "sl", t.dgram ? " ref pointer drops" : "");
	seq_printf(s, "%-*s\n", t.line, head);
	for_rows(show_row, &t);
}

static void show_tcp(struct seq *s)
{
	show_table(s, tcp_for_rows, (struct table){.first = 4, .line = 149});
}
PROC_ENTRY(net_tcp, "net/tcp", show_tcp);

static void show_udp(struct seq *s)
{
	show_table(s, udp_for_rows, (struct table){.first = 5, .line = 127, .dgram = true});
}
PROC_ENTRY(net_udp, "net/udp", show_udp);

static void show_raw(struct seq *s)
{
	show_table(s, raw_for_rows, (struct table){.first = 4, .dgram = true});
}
PROC_ENTRY(net_raw, "net/raw", show_raw);

static void show_icmp(struct seq *s)
{
	show_table(s, ping_for_rows, (struct table){.first = 5, .line = 127, .dgram = true});
}
PROC_ENTRY(net_icmp, "net/icmp", show_icmp);

#define HEAD6 \
	"  sl  local_address                         remote_address                        st " \
	"tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"

static void show_tcp6(struct seq *s)
{
	seq_printf(s, HEAD6 "\n");
}
PROC_ENTRY(net_tcp6, "net/tcp6", show_tcp6);

static void show_udp6(struct seq *s)
{
	seq_printf(s, HEAD6 " ref pointer drops\n");
}
PROC_ENTRY(net_udp6, "net/udp6", show_udp6);
PROC_ENTRY(net_raw6, "net/raw6", show_udp6);

/* ---- how many ---- */

struct tally {
	unsigned of[TCP_CLOSING + 1], all, orphans;
	u64 bytes;
};

static void count_row(const struct inet_row *r, void *arg)
{
	struct tally *t = arg;

	t->of[r->state]++;
	t->all++;
	t->orphans += !r->ino && r->state != TCP_TIME_WAIT && r->state != TCP_SYN_RECV;
	t->bytes += r->tx + r->rx;
}

/* Memory in pages, of which Linux counts more than the data that waits. */
static void show_sockstat(struct seq *s)
{
	struct tally tcp = {.all = 0}, udp = {.all = 0}, raw = {.all = 0};

	tcp_for_rows(count_row, &tcp);
	udp_for_rows(count_row, &udp);
	raw_for_rows(count_row, &raw);
	seq_printf(s,
		   "sockets: used %lu\n"
		   "TCP: inuse %u orphan %u tw %u alloc %u mem %lu\n"
		   "UDP: inuse %u mem %lu\nUDPLITE: inuse 0\nRAW: inuse %u\n"
		   "FRAG: inuse 0 memory 0\n",
		   sock_count(), tcp.all - tcp.of[TCP_TIME_WAIT] - tcp.of[TCP_SYN_RECV],
		   tcp.orphans, tcp.of[TCP_TIME_WAIT], tcp.all - tcp.of[TCP_TIME_WAIT],
		   DIV_ROUND_UP(tcp.bytes, PAGE_SIZE), udp.all, DIV_ROUND_UP(udp.bytes, PAGE_SIZE),
		   raw.all);
}
PROC_ENTRY(net_sockstat, "net/sockstat", show_sockstat);

/* ---- counters, RFC 1213; those that lwIP does not keep are 0 ---- */

static void show_snmp(struct seq *s)
{
	const struct stats_mib2 *m = &lwip_stats.mib2;
	struct tally tcp = {.all = 0};

	tcp_for_rows(count_row, &tcp);
	seq_printf(s,
		   "Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams "
		   "InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes "
		   "ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates\n"
		   "Ip: 2 %u %u %u %u %u %u %u %u %u %u %u 0 %u %u %u %u %u %u\n",
		   IP_DEFAULT_TTL, m->ipinreceives, m->ipinhdrerrors, m->ipinaddrerrors,
		   m->ipforwdatagrams, m->ipinunknownprotos, m->ipindiscards, m->ipindelivers,
		   m->ipoutrequests, m->ipoutdiscards, m->ipoutnoroutes, m->ipreasmreqds,
		   m->ipreasmoks, m->ipreasmfails, m->ipfragoks, m->ipfragfails, m->ipfragcreates);
	seq_printf(
		s,
		"Icmp: InMsgs InErrors InDestUnreachs InTimeExcds InParmProbs InEchos InEchoReps "
		"OutMsgs OutErrors OutDestUnreachs OutTimeExcds OutEchos OutEchoReps\n"
		"Icmp: %u %u %u %u %u %u %u %u %u %u %u %u %u\n",
		m->icmpinmsgs, m->icmpinerrors, m->icmpindestunreachs, m->icmpintimeexcds,
		m->icmpinparmprobs, m->icmpinechos, m->icmpinechoreps, m->icmpoutmsgs,
		m->icmpouterrors, m->icmpoutdestunreachs, m->icmpouttimeexcds, m->icmpoutechos,
		m->icmpoutechoreps);
	seq_printf(s,
		   "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails "
		   "EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts\n"
		   "Tcp: 4 %u %u -1 %u %u %u %u %u %u %u %u %u %u\n",
		   TCP_SLOW_INTERVAL, 0x7fffu * TCP_SLOW_INTERVAL, m->tcpactiveopens,
		   m->tcppassiveopens, m->tcpattemptfails, m->tcpestabresets,
		   tcp.of[TCP_ESTABLISHED] + tcp.of[TCP_CLOSE_WAIT], m->tcpinsegs, m->tcpoutsegs,
		   m->tcpretranssegs, m->tcpinerrs, m->tcpoutrsts);
	seq_printf(s, "Udp: InDatagrams NoPorts InErrors OutDatagrams\nUdp: %u %u %u %u\n",
		   m->udpindatagrams, m->udpnoports, m->udpinerrors, m->udpoutdatagrams);
}
PROC_ENTRY(net_snmp, "net/snmp", show_snmp);

/* ---- /proc/sys/net/ipv4 ---- */

static void show_port_range(struct seq *s)
{
	seq_printf(s, "%d\t%d\n", TCP_LOCAL_PORT_RANGE_START, TCP_LOCAL_PORT_RANGE_END);
}
PROC_ENTRY(ip_local_port_range, "sys/net/ipv4/ip_local_port_range", show_port_range);

SYSCTL_FIXED(ip_forward, "sys/net/ipv4/ip_forward", IP_FORWARD);
SYSCTL_FIXED(ip_default_ttl, "sys/net/ipv4/ip_default_ttl", IP_DEFAULT_TTL);
