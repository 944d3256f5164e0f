/*
 * Text files that the kernel writes and user space reads under /proc. A room that has something to
 * show registers a function with PROC_ENTRY; procfs finds them all in one table, so the kernel
 * does not have to know procfs.
 *
 * A show function runs in process context and may sleep. It writes the whole text; a struct seq
 * grows as needed.
 */
#pragma once

#include "kernel/lib/types.h"

struct seq {
	char *buf;   /* kmalloc or vmalloc memory, NULL before the first byte */
	size_t len;  /* bytes written so far */
	size_t size; /* bytes allocated */
	int err;     /* -ENOMEM once, then all further output is dropped */
};

void seq_printf(struct seq *s, const char *fmt, ...) __printf(2, 3);
void seq_write(struct seq *s, const void *data, size_t n);
void seq_free(struct seq *s);

struct proc_entry {
	const char *path; /* below /proc, for example "net/tcp"; folders are made as needed */
	void (*show)(struct seq *s);
	/* For /proc/sys: takes what user space wrote; NULL where the file is read-only. 0 or -errno */
	int (*store)(const char *text, size_t len);
};

#define PROC_ENTRY_RW(id, path_, show_, store_) \
	static const struct proc_entry __proc_##id \
		__attribute__((used, section(".proc_entries"), aligned(8))) = {path_, show_, \
									       store_}
#define PROC_ENTRY(id, path_, show_) PROC_ENTRY_RW(id, path_, show_, NULL)

extern const struct proc_entry __proc_entries_start[], __proc_entries_end[];
