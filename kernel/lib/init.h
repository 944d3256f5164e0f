/*
 * Who is started when. A subsystem names its own start with one of these lines, so that
 * kernel_main() need not know the rooms above it. Levels run in this order, on the boot CPU, in
 * process context with interrupts on; a level's calls run in link order, so calls of one level
 * must not depend on each other. A call returns 0 or a negative errno (printed).
 */
#pragma once

#include "kernel/lib/types.h"

typedef int (*initcall_t)(void);

#define __initcall(fn, level) \
	static initcall_t __initcall_##fn __attribute__((used, section(".initcall" #level))) = fn

/* The one exception: before everything else, memory and interrupts included. Early consoles. */
#define early_initcall(fn) __initcall(fn, 0)

#define core_initcall(fn)   __initcall(fn, 1) /* caches, softirqs, what other rooms build on */
#define fs_initcall(fn)     __initcall(fn, 2) /* VFS and file system types */
#define device_initcall(fn) __initcall(fn, 3) /* drivers; net devices */
#define late_initcall(fn)   __initcall(fn, 4) /* what needs all of the above: initramfs, DHCP */

/* Starts process 1; does not return an error, panics. */
#define user_initcall(fn) __initcall(fn, 5)

#define LAST_INITCALL_LEVEL 5

/* Runs levels @first to @last. */
void do_initcalls(int first, int last);

/*
 * Kernel command line. cmdline_get("ip", buf, size) copies the value of the first "ip=..." word and
 * returns true; a word without '=' has the value "". A quoted value ("a b") may hold spaces.
 */
struct boot_info;
void cmdline_init(const struct boot_info *bi);
const char *cmdline(void);
bool cmdline_get(const char *key, char *buf, size_t size);
u64 cmdline_get_u64(const char *key, u64 otherwise);

/* The initramfs that the boot loader left in memory (direct-map address), or size 0. */
extern const void *initramfs_start;
extern size_t initramfs_size;
