/*
 * Sockets: families, types, options, message flags and structures of Linux x86-64. socket(2),
 * socket(7), ip(7), tcp(7), udp(7), netdevice(7).
 */
#pragma once

#include "kernel/lib/types.h"

#define AF_UNSPEC 0
#define AF_UNIX	  1
#define AF_INET	  2
#define AF_INET6  10
#define AF_NETLINK 16
#define AF_MAX	  46

#define SOCK_STREAM    1
#define SOCK_DGRAM     2
#define SOCK_RAW       3
#define SOCK_RDM       4
#define SOCK_SEQPACKET 5
#define SOCK_TYPES     11 /* one past the largest type */
#define SOCK_TYPE_MASK 0xf
#define SOCK_NONBLOCK  00004000
#define SOCK_CLOEXEC   02000000

#define IPPROTO_IP   0
#define IPPROTO_ICMP 1
#define IPPROTO_TCP  6
#define IPPROTO_UDP  17
#define IPPROTO_RAW  255
#define IPPROTO_MAX 263 /* one past the largest protocol number */

#define INADDR_ANY	 0x00000000u
#define INADDR_LOOPBACK	 0x7f000001u
#define INADDR_BROADCAST 0xffffffffu

struct sockaddr {
	u16 sa_family;
	char sa_data[14];
};

/* Port and address in network byte order. */
struct sockaddr_in {
	u16 sin_family;
	u16 sin_port;
	u32 sin_addr;
	u8 sin_zero[8];
};

#define UNIX_PATH_MAX 108

struct sockaddr_un {
	u16 sun_family;
	char sun_path[UNIX_PATH_MAX];
};

/* Room for an address of any family. */
struct sockaddr_storage {
	u16 ss_family;
	char __data[118];
	u64 __align;
};

/* struct msghdr as sendmsg(2) passes it. */
struct user_msghdr {
	void __user *msg_name;
	int msg_namelen, __pad0;
	void __user *msg_iov;
	u64 msg_iovlen;
	void __user *msg_control;
	u64 msg_controllen;
	u32 msg_flags, __pad1;
};

struct mmsghdr {
	struct user_msghdr msg_hdr;
	u32 msg_len, __pad;
};

/* Ancillary data, cmsg(3): each piece begins with this header and is padded to 8 bytes. */
struct cmsghdr {
	u64 cmsg_len; /* header and data, without the padding */
	int cmsg_level, cmsg_type;
};

#define CMSG_ALIGN(n) (((n) + 7ul) & ~7ul)
#define CMSG_LEN(n)   (sizeof(struct cmsghdr) + (n))
#define CMSG_SPACE(n) (sizeof(struct cmsghdr) + CMSG_ALIGN(n))

/* Types of level SOL_SOCKET, unix(7). */
#define SCM_RIGHTS	1
#define SCM_CREDENTIALS 2
#define SCM_TIMESTAMP	SO_TIMESTAMP   /* struct timeval */
#define SCM_TIMESTAMPNS SO_TIMESTAMPNS /* struct timespec */
#define SCM_MAX_FD	253 /* descriptors in one message */

struct ucred {
	pid_t pid;
	u32 uid, gid;
};

#define MSG_OOB		 0x1u
#define MSG_PEEK	 0x2u
#define MSG_DONTROUTE	 0x4u
#define MSG_CTRUNC	 0x8u
#define MSG_TRUNC	 0x20u
#define MSG_DONTWAIT	 0x40u
#define MSG_EOR		 0x80u
#define MSG_WAITALL	 0x100u
#define MSG_ERRQUEUE	 0x2000u
#define MSG_NOSIGNAL	 0x4000u
#define MSG_MORE	 0x8000u
#define MSG_WAITFORONE	 0x10000u
#define MSG_CMSG_CLOEXEC 0x40000000u

#define SHUT_RD	  0
#define SHUT_WR	  1
#define SHUT_RDWR 2

#define SOMAXCONN 4096

/* Levels of getsockopt(2) and setsockopt(2). */
#define SOL_IP	   0
#define SOL_SOCKET 1
#define SOL_TCP	   6
#define SOL_UDP	   17
#define SOL_RAW	   255
#define SOL_NETLINK 270

/* SOL_SOCKET. */
#define SO_DEBUG      1
#define SO_REUSEADDR  2
#define SO_TYPE	      3
#define SO_ERROR      4
#define SO_DONTROUTE  5
#define SO_BROADCAST  6
#define SO_SNDBUF     7
#define SO_RCVBUF     8
#define SO_KEEPALIVE  9
#define SO_OOBINLINE  10
#define SO_PRIORITY   12
#define SO_LINGER     13
#define SO_REUSEPORT  15
#define SO_PASSCRED   16
#define SO_PEERCRED   17
#define SO_RCVLOWAT   18
#define SO_SNDLOWAT   19
#define SO_RCVTIMEO   20
#define SO_SNDTIMEO   21
#define SO_BINDTODEVICE 25
#define SO_TIMESTAMP  29
#define SO_ACCEPTCONN 30
#define SO_SNDBUFFORCE 32
#define SO_RCVBUFFORCE 33
#define SO_TIMESTAMPNS 35
#define SO_MARK	      36
#define SO_PEEK_OFF   42
#define SO_PROTOCOL   38
#define SO_DOMAIN     39
#define SO_BUSY_POLL  46
#define SO_INCOMING_CPU 49

struct linger {
	int l_onoff, l_linger; /* l_linger in seconds */
};

/* SOL_IP. */
#define IP_TOS			1
#define IP_TTL			2
#define IP_HDRINCL		3
#define IP_PKTINFO		8
#define IP_MTU_DISCOVER		10
#define IP_RECVERR		11
#define IP_RECVTTL		12
#define IP_RECVTOS		13
#define IP_FREEBIND		15
#define IP_RECVORIGDSTADDR	20
#define IP_ORIGDSTADDR		IP_RECVORIGDSTADDR
#define IP_BIND_ADDRESS_NO_PORT 24
#define IP_MULTICAST_IF		32
#define IP_MULTICAST_TTL	33
#define IP_MULTICAST_LOOP	34
#define IP_ADD_MEMBERSHIP	35
#define IP_DROP_MEMBERSHIP	36
#define IP_MULTICAST_ALL	49

#define IP_PMTUDISC_WANT 1
#define IP_PMTUDISC_DO	 2
#define IP_PMTUDISC_OMIT 5

/* IP_ADD_MEMBERSHIP: the interface by its index, else by an address, else by the route. Without the
 * index it is a struct ip_mreq. Addresses in network byte order. */
struct ip_mreqn {
	u32 imr_multiaddr, imr_address;
	int imr_ifindex;
};

/* Ancillary data of IP_PKTINFO. */
struct in_pktinfo {
	int ipi_ifindex;
	u32 ipi_spec_dst, ipi_addr; /* of this host; of the header */
};

/* Ancillary data of IP_RECVERR, followed by a sockaddr of the one who complains. */
struct sock_extended_err {
	u32 ee_errno;
	u8 ee_origin, ee_type, ee_code, ee_pad;
	u32 ee_info, ee_data;
};

#define SO_EE_ORIGIN_LOCAL 1
#define SO_EE_ORIGIN_ICMP  2

/* SOL_RAW: a set of message types, bit by bit. */
#define ICMP_FILTER 1

/* SOL_TCP. */
#define TCP_NODELAY    1
#define TCP_MAXSEG     2
#define TCP_CORK       3
#define TCP_KEEPIDLE   4
#define TCP_KEEPINTVL  5
#define TCP_KEEPCNT    6
#define TCP_SYNCNT     7
#define TCP_DEFER_ACCEPT 9
#define TCP_INFO       11
#define TCP_QUICKACK   12
#define TCP_CONGESTION 13
#define TCP_USER_TIMEOUT 18
#define TCP_FASTOPEN   23

/* States of a connection as TCP_INFO and /proc/net/tcp number them. */
enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT,
	TCP_SYN_RECV,
	TCP_FIN_WAIT1,
	TCP_FIN_WAIT2,
	TCP_TIME_WAIT,
	TCP_CLOSE,
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_LISTEN,
	TCP_CLOSING,
};

#define TCPI_OPT_TIMESTAMPS 1
#define TCPI_OPT_SACK	    2
#define TCPI_OPT_WSCALE	    4

/* As of Linux 6.1. Times in us, the tcpi_last_* fields in ms. */
struct tcp_info {
	u8 tcpi_state, tcpi_ca_state, tcpi_retransmits, tcpi_probes, tcpi_backoff, tcpi_options;
	u8 tcpi_wscale; /* send in bits 0-3, receive in bits 4-7 */
	u8 tcpi_flags;
	u32 tcpi_rto, tcpi_ato, tcpi_snd_mss, tcpi_rcv_mss;
	u32 tcpi_unacked, tcpi_sacked, tcpi_lost, tcpi_retrans, tcpi_fackets;
	u32 tcpi_last_data_sent, tcpi_last_ack_sent, tcpi_last_data_recv, tcpi_last_ack_recv;
	u32 tcpi_pmtu, tcpi_rcv_ssthresh, tcpi_rtt, tcpi_rttvar, tcpi_snd_ssthresh, tcpi_snd_cwnd;
	u32 tcpi_advmss, tcpi_reordering, tcpi_rcv_rtt, tcpi_rcv_space, tcpi_total_retrans;
	u64 tcpi_pacing_rate, tcpi_max_pacing_rate, tcpi_bytes_acked, tcpi_bytes_received;
	u32 tcpi_segs_out, tcpi_segs_in, tcpi_notsent_bytes, tcpi_min_rtt;
	u32 tcpi_data_segs_in, tcpi_data_segs_out;
	u64 tcpi_delivery_rate, tcpi_busy_time, tcpi_rwnd_limited, tcpi_sndbuf_limited;
	u32 tcpi_delivered, tcpi_delivered_ce;
	u64 tcpi_bytes_sent, tcpi_bytes_retrans;
	u32 tcpi_dsack_dups, tcpi_reord_seen, tcpi_rcv_ooopack, tcpi_snd_wnd;
};

/* ioctl(2) on sockets: tcp(7), udp(7), netdevice(7). */
#define FIONREAD       0x541b /* the same as SIOCINQ */
#define SIOCOUTQ       0x5411
#define SIOCATMARK     0x8905
#define SIOCADDRT      0x890b
#define SIOCDELRT      0x890c
#define SIOCGIFNAME    0x8910
#define SIOCGIFCONF    0x8912
#define SIOCGIFFLAGS   0x8913
#define SIOCSIFFLAGS   0x8914
#define SIOCGIFADDR    0x8915
#define SIOCSIFADDR    0x8916
#define SIOCGIFDSTADDR 0x8917
#define SIOCSIFDSTADDR 0x8918
#define SIOCGIFBRDADDR 0x8919
#define SIOCSIFBRDADDR 0x891a
#define SIOCGIFNETMASK 0x891b
#define SIOCSIFNETMASK 0x891c
#define SIOCGIFMETRIC  0x891d
#define SIOCSIFMETRIC  0x891e
#define SIOCGIFMTU     0x8921
#define SIOCSIFMTU     0x8922
#define SIOCSIFHWADDR  0x8924
#define SIOCGIFHWADDR  0x8927
#define SIOCGIFINDEX   0x8933
#define SIOCGIFTXQLEN  0x8942
#define SIOCSIFTXQLEN  0x8943
#define SIOCGIFMAP     0x8970

#define IFNAMSIZ 16

struct ifreq {
	char ifr_name[IFNAMSIZ];
	union {
		struct sockaddr ifr_addr;
		struct sockaddr_in ifr_in;
		short ifr_flags;
		int ifr_ivalue; /* index, metric, MTU, queue length */
		u8 ifr_data[24];
	};
};

struct ifconf {
	int ifc_len; /* bytes */
	void __user *ifc_buf;
};

#define IFF_UP		0x1
#define IFF_BROADCAST	0x2
#define IFF_LOOPBACK	0x8
#define IFF_RUNNING	0x40
#define IFF_MULTICAST	0x1000
#define IFF_LOWER_UP	0x10000
#define ARPHRD_ETHER	1
#define ARPHRD_LOOPBACK 772
