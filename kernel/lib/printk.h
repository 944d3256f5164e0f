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
