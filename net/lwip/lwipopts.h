/*
 * lwIP's options. Only what differs from the defaults of lwIP's include/lwip/opt.h is here, with
 * the reason where it is not plain from the name.
 */
#pragma once

/* The system: everything runs under net_lock, so lwIP sees one thread and calls no semaphores. */
#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0 /* pbuf's reference counts are atomic (patch 0001) */
#define LWIP_SOCKET          0
#define LWIP_NETCONN         0
#define LWIP_STATS           1 /* of these only the MIB's, for /proc/net/snmp */
#define MIB2_STATS           1
#define LINK_STATS           0
#define ETHARP_STATS         0
#define IP_STATS             0
#define IPFRAG_STATS         0
#define ICMP_STATS           0
#define UDP_STATS            0
#define TCP_STATS            0
#define IGMP_STATS           0
#define MEM_STATS            0
#define MEMP_STATS           0
#define SYS_STATS            0
#define LWIP_TIMERS          1
#define LWIP_TIMERS_CUSTOM   1 /* net/lwip/timers.c: no tick when nothing needs one */
#define LWIP_HOOK_FILENAME   "net/lwip/hooks.h"

/* Memory: slab caches, without fixed pools (net/lwip/memp.c). */
#define MEM_ALIGNMENT            8
#define MEM_LIBC_MALLOC          1 /* mem_size_t is size_t */
#define MEMP_MEM_MALLOC          1 /* the MEMP_NUM_* limits mean nothing */
#define PBUF_POOL_BUFSIZE        2048
#define PBUF_POOL_FREE_OOSEQ     0
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define PBUF_NEEDS_COPY(p)       0 /* no pbuf's data changes while somebody holds it */

/* Protocols. */
#define LWIP_IPV4                     1
#define LWIP_IPV6                     0
#define LWIP_ARP                      1
#define LWIP_ICMP                     1
#define LWIP_RAW                      1
#define LWIP_UDP                      1
#define LWIP_TCP                      1
#define LWIP_DNS                      0
#define LWIP_IGMP                     1
#define LWIP_MULTICAST_TX_OPTIONS     0 /* a socket's wishes are net/dgram_mcast.c's business */
#define LWIP_DHCP                     1
#define LWIP_DHCP_MAX_DNS_SERVERS     0
#define DHCP_DOES_ARP_CHECK           0 /* probing for a duplicate costs seconds at boot */
#define LWIP_NETIF_HOSTNAME           1
#define LWIP_NETIF_STATUS_CALLBACK    1
#define LWIP_NETIF_LOOPBACK           0 /* net/netdev.c has its own "lo" */
#define LWIP_HAVE_LOOPIF              0
#define LWIP_NETIF_HWADDRHINT         1 /* each pcb remembers its ARP entry */
#define LWIP_CHECKSUM_CTRL_PER_NETIF  1 /* lo needs none */
#define LWIP_INLINE_IP_CHKSUM         1
#define ARP_TABLE_SIZE                64
#define ARP_QUEUEING                  1
#define ARP_QUEUE_LEN                 64
#define ETHARP_SUPPORT_STATIC_ENTRIES 0
#define IP_DEFAULT_TTL                64
#define IP_OPTIONS_ALLOWED            1
#define IP_FORWARD                    0
#define IP_FRAG                       1
#define IP_REASSEMBLY                 1
#define IP_REASS_MAX_PBUFS            256 /* at 2 KiB each what strangers can make us hold */
#define IP_REASS_MAXAGE               15
#define IP_SOF_BROADCAST              1
#define SO_REUSE                      1

/* TCP. The tick is 100 ms, the coarse timers run at every second one. */
#define TCP_TMR_INTERVAL           100
#define TCP_MSL                    30000UL /* TIME_WAIT is two of it: one minute, as on Linux */
#define TCP_MSS                    1460
#define LWIP_WND_SCALE             1
#define TCP_RCV_SCALE              3
#define TCP_WND                    (256 * 1024)
#define TCP_SND_BUF                (256 * 1024)
#define TCP_SND_QUEUELEN           0x7fff
#define TCP_SNDLOWAT               (32 * 1024)
#define TCP_QUEUE_OOSEQ            1
#define TCP_OOSEQ_MAX_BYTES        TCP_WND
#define TCP_OOSEQ_MAX_PBUFS        256
#define LWIP_TCP_SACK_OUT          1
#define LWIP_TCP_MAX_SACK_NUM      3 /* what fits beside a timestamp */
#define LWIP_TCP_TIMESTAMPS        1
#define LWIP_TCP_KEEPALIVE         1
#define TCP_LISTEN_BACKLOG         1
#define TCP_DEFAULT_LISTEN_BACKLOG 128
#define TCP_LOCAL_PORT_RANGE_START 32768 /* ip_local_port_range of Linux */
#define TCP_LOCAL_PORT_RANGE_END   60999
#define UDP_LOCAL_PORT_RANGE_START 32768
#define UDP_LOCAL_PORT_RANGE_END   60999
