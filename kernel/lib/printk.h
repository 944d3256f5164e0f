/*
 * The kernel's own voice: printk() writes a line to the log buffer and to every console, panic()
 * stops the machine with a symbolised backtrace. Both may be called in any context.
 */
#pragma once

#include "kernel/lib/types.h"

/*
 * Formats as printf(3) does: %d %i %u %x %X %o %c %s %p %% with flags, width, precision, and the
 * lengths hh h l ll z t. Kernel's own: %pS symbol+offset of a code address, %pI4 IPv4 address
 * (pointer to four bytes), %pM Ethernet address (pointer to six bytes).
 */
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
/* As snprintf, but returns what was stored, without the final NUL. */
int scnprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);

void printk(const char *fmt, ...) __printf(1, 2);
void vprintk(const char *fmt, va_list ap);

/* Prints where, why, the context, a backtrace, and stops all CPUs (or powers off, see panic=). */
void panic(const char *fmt, ...) __printf(1, 2) __noreturn;

#define BUG_ON(cond) \
	do { \
		if (unlikely(cond)) \
			panic("%s:%d: %s: BUG_ON(%s)", __FILE__, __LINE__, __func__, #cond); \
	} while (0)

#define WARN_ON(cond) \
	({ \
		bool _c = !!(cond); \
		if (unlikely(_c)) \
			warn_at(__FILE__, __LINE__, #cond); \
		_c; \
	})
void warn_at(const char *file, int line, const char *what);

/* Prints the call chain of the caller, or the one that starts at frame pointer @rbp. */
void dump_stack(void);
void dump_frames(u64 rip, u64 rbp);
/* The same into @ips, innermost first; returns how many, at most @max. Any context. */
int stack_frames(u64 rbp, u64 *ips, int max);

/*
 * How often a lock of the log or of a console is tried before a message goes ahead without it: a
 * large number until there is a panic.
 */
extern int console_lock_tries;

/* A console is something that takes bytes in any context; write() turns \n into \r\n itself. */
struct console {
	const char *name;
	void (*write)(const char *s, size_t n);
	struct console *next;
};
void register_console(struct console *c);

/*
 * The log for its readers. Each line has a number, from 0 at boot; in the ring it is
 * "<PRIORITY>[SECONDS.MICROSECONDS] text\n".
 */
#define LOG_SIZE        65536u /* bytes of the ring, a power of two */
#define LOG_LINE_MAX    1024   /* a longer line is read cut */
#define LOG_PRIO_KERNEL 6u     /* syslog(3): facility * 8 + level; LOG_INFO of the kernel */

struct log_cursor {
	u64 pos, seq; /* where a line begins, in bytes ever written; its number */
};
enum log_place { LOG_OLDEST, LOG_CLEARED, LOG_END };

extern struct wait_queue_head log_wait; /* woken when there are more lines */
/* Adds lines. Any context. */
void log_write(unsigned prio, const char *text, size_t len);
/* The following: process context. A cursor is its owner's to lock. */
struct log_cursor log_seek(enum log_place place);
/* The next line with its newline, and on; 0: no more yet, -EPIPE: it is lost, and @c is at the oldest. */
ssize_t log_line(struct log_cursor *c, char *buf, size_t size);
bool log_has_line(const struct log_cursor *c);
/* Whole lines since log_clear(), the last @size bytes; how many bytes. */
size_t log_since_clear(char *buf, size_t size);
void log_clear(void);
/* VECTOR_LOG has come. */
void log_interrupt(void);
