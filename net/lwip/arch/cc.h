/*
 * What lwIP must know about the compiler and the machine. lwIP asks for this file by name; see its
 * include/lwip/arch.h for the meaning of each word.
 */
#pragma once

#include "kernel/lib/printk.h"
#include "kernel/lib/random.h"
#include "kernel/lib/types.h"

#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_LIMITS_H   1
#define LWIP_NO_CTYPE_H    1
#define LWIP_NO_UNISTD_H   1

/* The kernel's ssize_t is a long; this keeps lwIP from declaring another. */
#define SSIZE_MAX 0x7fffffffffffffffL
#define INT_MAX   0x7fffffff

#define X8_F  "02x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "zu"

#ifndef BYTE_ORDER
#define BYTE_ORDER 1234 /* LITTLE_ENDIAN */
#endif
#define lwip_htons(x) ((u16_t)__builtin_bswap16((u16_t)(x)))
#define lwip_htonl(x) ((u32_t)__builtin_bswap32((u32_t)(x)))
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS

/* A broken invariant of lwIP is a kernel bug. */
#define LWIP_PLATFORM_ASSERT(x) panic("lwIP: %s (%s:%d)", x, __FILE__, __LINE__)
#define LWIP_PLATFORM_DIAG(x) \
	do { \
	} while (0)
/* A wrong argument is the caller's to handle, silently. */
#define LWIP_ERROR(message, expression, handler) \
	do { \
		if (!(expression)) { \
			handler; \
		} \
	} while (0)

#define LWIP_RAND() get_random_u32()

/* net/lwip/checksum.c: the Internet sum of @len bytes, not inverted, in memory order (RFC 1071). */
u16 net_csum(const void *data, int len);
#define LWIP_CHKSUM net_csum
