/*
 * The Intel 82540EM as its driver sees it: registers, descriptors, numbers. Names are those of the
 * "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual" (317453): chapter
 * 13 for the registers, 3.2 and 3.3 for the descriptors. Offsets are in bytes from BAR 0.
 */
#pragma once

#include "kernel/lib/types.h"

#define E1000_VENDOR_INTEL 0x8086
#define E1000_DEV_82540EM  0x100e

#define E1000_CTRL    0x00000
#define E1000_STATUS  0x00008
#define E1000_EERD    0x00014
#define E1000_FCAL    0x00028
#define E1000_FCAH    0x0002c
#define E1000_FCT     0x00030
#define E1000_ICR     0x000c0
#define E1000_ITR     0x000c4
#define E1000_IMS     0x000d0
#define E1000_IMC     0x000d8
#define E1000_RCTL    0x00100
#define E1000_FCTTV   0x00170
#define E1000_TCTL    0x00400
#define E1000_TIPG    0x00410
#define E1000_RDBAL   0x02800
#define E1000_RDBAH   0x02804
#define E1000_RDLEN   0x02808
#define E1000_RDH     0x02810
#define E1000_RDT     0x02818
#define E1000_RDTR    0x02820
#define E1000_RADV    0x0282c
#define E1000_TDBAL   0x03800
#define E1000_TDBAH   0x03804
#define E1000_TDLEN   0x03808
#define E1000_TDH     0x03810
#define E1000_TDT     0x03818
#define E1000_TIDV    0x03820
#define E1000_TADV    0x0382c
#define E1000_MPC     0x04010 /* missed packets; statistics are cleared by reading */
#define E1000_CRCERRS 0x04000
#define E1000_RLEC    0x04040
#define E1000_RXCSUM  0x05000
#define E1000_MTA     0x05200 /* 128 words */
#define E1000_RAL0    0x05400
#define E1000_RAH0    0x05404

#define CTRL_ASDE    BIT(5) /* speed as negotiated */
#define CTRL_SLU     BIT(6) /* set link up */
#define CTRL_LRST    BIT(3)
#define CTRL_ILOS    BIT(7)
#define CTRL_RST     BIT(26)
#define CTRL_VME     BIT(30)
#define CTRL_PHY_RST BIT(31)

#define STATUS_LU BIT(1)

#define EERD_START BIT(0)
#define EERD_DONE  BIT(4)

#define INT_TXDW   BIT(0)
#define INT_LSC    BIT(2) /* link status change */
#define INT_RXSEQ  BIT(3)
#define INT_RXDMT0 BIT(4) /* descriptors run low */
#define INT_RXO    BIT(6) /* overrun */
#define INT_RXT0   BIT(7) /* frames have come in */

#define RCTL_EN    BIT(1)
#define RCTL_BAM   BIT(15) /* accept broadcast */
#define RCTL_SECRC BIT(26) /* strip the CRC */
/* BSIZE 00 with BSEX 0: buffers of 2048 bytes. LPE and SBP 0: no frame above 1522 bytes, no bad one. */

#define TCTL_EN      BIT(1)
#define TCTL_PSP     BIT(3) /* pad short packets */
#define TCTL_CT(n)   ((u32)(n) << 4)
#define TCTL_COLD(n) ((u32)(n) << 12)
#define TCTL_RTLC    BIT(24)

#define RAH_AV BIT(31)

struct e1000_rx_desc {
	u64 addr;
	u16 length; /* bytes written to the buffer */
	u16 csum;
	u8 status;
	u8 errors;
	u16 special;
} __packed;

#define RXD_STAT_DD   0x01 /* the card is done with the descriptor */
#define RXD_STAT_EOP  0x02 /* end of packet */
#define RXD_ERR_CE    0x01 /* CRC or alignment */
#define RXD_ERR_SE    0x02
#define RXD_ERR_SEQ   0x04
#define RXD_ERR_CXE   0x10
#define RXD_ERR_RXE   0x80
#define RXD_ERR_FRAME (RXD_ERR_CE | RXD_ERR_SE | RXD_ERR_SEQ | RXD_ERR_CXE | RXD_ERR_RXE)

struct e1000_tx_desc {
	u64 addr;
	u16 length;
	u8 cso;
	u8 cmd;
	u8 status;
	u8 css;
	u16 special;
} __packed;

#define TXD_CMD_EOP  0x01
#define TXD_CMD_IFCS 0x02 /* append the CRC */
#define TXD_CMD_RS   0x08 /* report status: set DD */
#define TXD_STAT_DD  0x01

#define E1000_MIN_FRAME 14   /* what ethernet_input() can look at */
#define E1000_MAX_FRAME 1518 /* with the CRC stripped, and room for a VLAN tag */
