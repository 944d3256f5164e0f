/*
 * Numbers below /proc/sys. A room that has one to show, or to be told, names the variable and its
 * bounds, and reads it with READ_ONCE() where it matters:
 *
 *	static int somaxconn = 4096;
 *	SYSCTL(somaxconn, "sys/net/core/somaxconn", somaxconn, 0, 65534);
 *
 *	SYSCTL		one number, an int or a s64 (unsigned ones within the signed range)
 *	SYSCTL_ARRAY	several in a row: "4096\t131072\t6291456"
 *	SYSCTL_FIXED	a number that cannot be changed: a file without w
 *
 * As on Linux, a write gives the numbers in decimal, octal (0...) or hexadecimal (0x...), separated
 * by white space; fewer than there are set the first ones; one that is out of bounds or no number is
 * EINVAL and sets none. Only root may write: the files have mode 0644. Texts that are not numbers
 * are PROC_ENTRY_RW's.
 *
 * No lock: each number is stored as a whole, but several of one file not at once.
 */
#pragma once

#include "kernel/lib/seq.h"

/* @size bytes a number, 4 or 8. */
void sysctl_show(struct seq *s, const void *values, size_t size, size_t count);
/* 0 or -EINVAL. */
int sysctl_store(const char *text, void *values, size_t size, size_t count, s64 min, s64 max);

#define __SYSCTL(id, path, values, size, count, min, max) \
	static void __sysctl_show_##id(struct seq *s) \
	{ \
		sysctl_show(s, values, size, count); \
	} \
	static int __sysctl_store_##id(const char *text, size_t len) \
	{ \
		return sysctl_store(text, values, size, count, min, max); \
	} \
	PROC_ENTRY_RW(id, path, __sysctl_show_##id, __sysctl_store_##id)

#define SYSCTL(id, path, var, min, max) __SYSCTL(id, path, &(var), sizeof(var), 1, min, max)
#define SYSCTL_ARRAY(id, path, array, min, max) \
	__SYSCTL(id, path, array, sizeof((array)[0]), ARRAY_SIZE(array), min, max)

#define SYSCTL_FIXED(id, path, number) \
	static void __sysctl_show_##id(struct seq *s) \
	{ \
		seq_printf(s, "%ld\n", (long)(number)); \
	} \
	PROC_ENTRY(id, path, __sysctl_show_##id)
