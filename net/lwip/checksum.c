/*
 * The Internet checksum (RFC 1071) and TCP's initial sequence numbers (RFC 6528): the two small
 * computations that lwIP leaves to its port.
 *
 * COST: about one instruction for six bytes in net_csum(), which sees every byte sent and received
 * over a real device.
 */
#include "kernel/lib/types.h"
#include "kernel/time/ktime.h"
#include "lwip/arch.h"

#include "net/lwip/hooks.h"

/*
 * The sum may be built from words of any size in memory order, since carries wrap around: eight
 * bytes at a time with the carry flag, folded to 16 bits at the end. An odd address needs no care,
 * because the words are relative to @data.
 */
u16 net_csum(const void *data, int len)
{
	const u8 *p = data;
	u64 sum = 0, tail = 0;

	for (; len >= 32; len -= 32, p += 32)
		__asm__("addq 0(%1), %0\n\t"
			"adcq 8(%1), %0\n\t"
			"adcq 16(%1), %0\n\t"
			"adcq 24(%1), %0\n\t"
			"adcq $0, %0"
			: "+r"(sum)
			: "r"(p), "m"(*(const u8(*)[32])p)
			: "cc");
	for (; len >= 8; len -= 8, p += 8)
		__asm__("addq (%1), %0\n\t"
			"adcq $0, %0"
			: "+r"(sum)
			: "r"(p), "m"(*(const u8(*)[8])p)
			: "cc");
	for (int i = 0; i < len; i++)
		tail |= (u64)p[i] << (8 * i);
	__asm__("addq %1, %0\n\t"
		"adcq $0, %0"
		: "+r"(sum)
		: "r"(tail)
		: "cc");

	sum = (sum >> 32) + (u32)sum;
	sum = (sum >> 32) + (u32)sum;
	sum = (sum >> 16) + (u16)sum;
	sum = (sum >> 16) + (u16)sum;
	return (u16)(sum + (sum >> 16));
}

/*
 * A clock of 64 ns, so that numbers of one connection's successors rise, plus a keyed hash of the
 * four-tuple, so that one connection tells nothing about another.
 */
u32 net_tcp_isn(u32 laddr, u16 lport, u32 raddr, u16 rport)
{
	static u64 key[2];
	u64 h;

	while (!key[0])
		key[0] = (u64)get_random_u32() << 32 | get_random_u32();
	while (!key[1])
		key[1] = (u64)get_random_u32() << 32 | get_random_u32();
	h = ((u64)laddr << 32 | raddr) ^ key[0];
	for (int round = 0; round < 3; round++) {
		h *= 0xd6e8feb86659fd93ull;
		h ^= h >> 32;
		h += ((u64)lport << 16 | rport) ^ key[1];
	}
	h *= 0xd6e8feb86659fd93ull;
	return (u32)(h >> 32) + (u32)(ktime_get() >> 6);
}
