/* The basic vocabulary of every other file: fixed-width types, containers, alignment, barriers. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdarg.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef long ssize_t;
typedef long loff_t;
typedef int pid_t;

#define __user               /* a pointer into user memory: only kernel/mm/uaccess.h follows it */
#define __init               __attribute__((section(".init.text"), cold))
#define __initdata           __attribute__((section(".init.data")))
#define __packed             __attribute__((packed))
#define __aligned(n)         __attribute__((aligned(n)))
#define __noreturn           __attribute__((noreturn))
#define __printf(fmt, first) __attribute__((format(printf, fmt, first)))
#define __always_inline      inline __attribute__((always_inline))
#define noinline             __attribute__((noinline))
#define __maybe_unused       __attribute__((unused))
#define __must_check         __attribute__((warn_unused_result))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define BIT(n)             (1ul << (n))
#define ARRAY_SIZE(a)      (sizeof(a) / sizeof((a)[0]))
#define ALIGN_DOWN(x, a)   ((x) & ~((typeof(x))(a)-1))
#define ALIGN_UP(x, a)     ALIGN_DOWN((x) + (typeof(x))(a)-1, a)
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))

#define min(a, b) \
	({ \
		typeof(a) _a = (a); \
		typeof(b) _b = (b); \
		_a < _b ? _a : _b; \
	})
#define max(a, b) \
	({ \
		typeof(a) _a = (a); \
		typeof(b) _b = (b); \
		_a > _b ? _a : _b; \
	})
#define clamp(x, lo, hi) min(max(x, lo), hi)

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define READ_ONCE(x)     (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

/*
 * x86 is TSO: a store may only be passed by a later load. smp_mb() orders that pair as well; the
 * acquire and release forms only have to hold the compiler back.
 */
#define barrier()               __asm__ volatile("" ::: "memory")
#define smp_mb()                __asm__ volatile("lock addl $0, -4(%%rsp)" ::: "memory", "cc")
#define smp_rmb()               barrier()
#define smp_wmb()               barrier()
#define smp_load_acquire(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* An error inside a pointer: the top 4095 addresses are never mapped. */
#define MAX_ERRNO 4095
static inline void *ERR_PTR(long err)
{
	return (void *)err;
}
static inline long PTR_ERR(const void *p)
{
	return (long)p;
}
static inline bool IS_ERR(const void *p)
{
	return (uintptr_t)p >= (uintptr_t)-MAX_ERRNO;
}

#define NSEC_PER_USEC 1000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_SEC  1000000000ull
