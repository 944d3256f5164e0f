/*
 * What the current process may do: credentials(7), capabilities(7). A kernel thread may everything.
 * cred.c has the ids and groups, caps.c the capabilities.
 */
#pragma once

#include "kernel/sched/signal.h"

#define CAP_CHOWN            0
#define CAP_DAC_OVERRIDE     1
#define CAP_DAC_READ_SEARCH  2
#define CAP_FOWNER           3
#define CAP_FSETID           4
#define CAP_KILL             5
#define CAP_SETGID           6
#define CAP_SETUID           7
#define CAP_SETPCAP          8
#define CAP_LINUX_IMMUTABLE  9
#define CAP_NET_BIND_SERVICE 10
#define CAP_NET_ADMIN        12
#define CAP_NET_RAW          13
#define CAP_IPC_LOCK         14
#define CAP_IPC_OWNER        15
#define CAP_SYS_CHROOT       18
#define CAP_SYS_PTRACE       19
#define CAP_SYS_ADMIN        21
#define CAP_SYS_BOOT         22
#define CAP_SYS_NICE         23
#define CAP_SYS_RESOURCE     24
#define CAP_SYS_TIME         25
#define CAP_SYS_TTY_CONFIG   26
#define CAP_MKNOD            27
#define CAP_MAC_OVERRIDE     32
#define CAP_SYSLOG           34
#define CAP_WAKE_ALARM       35
#define CAP_LAST             40
#define CAP_ALL              (BIT(CAP_LAST + 1) - 1)

#define KEEP_ID (~0u) /* "leave this id as it is"; no user or group has it */

/* access(2) asks for the real user (task->real_ids), who has what execve(2) would give him. */
static inline bool capable(int cap)
{
	const struct signal_struct *g = current->signal;

	if (!g)
		return true;
	if (unlikely(current->real_ids))
		return !g->uid && (g->cap_permitted & BIT(cap));
	return READ_ONCE(g->cap_effective) & BIT(cap);
}

/* By these ids it touches files. */
static inline u32 current_fsuid(void)
{
	const struct signal_struct *g = current->signal;

	return !g ? 0 : unlikely(current->real_ids) ? g->uid : READ_ONCE(g->fsuid);
}
static inline u32 current_fsgid(void)
{
	const struct signal_struct *g = current->signal;

	return !g ? 0 : unlikely(current->real_ids) ? g->gid : READ_ONCE(g->fsgid);
}

/* Is @gid current_fsgid(), or one of the supplementary groups? */
bool in_group(u32 gid);

/* The supplementary groups of a process: not changed once they are in place, but replaced. */
struct group_list {
	refcount_t refs;
	unsigned n;
	u32 gid[]; /* ascending */
};
/* With a reference, or NULL: none. Takes tasklist_lock. */
struct group_list *get_groups(struct signal_struct *g);
void put_groups(struct group_list *l); /* any context */

/*
 * May the caller look into process @g, or take from it, as a debugger would? ptrace(2), "Ptrace access
 * mode checking", by the real ids. tasklist_lock held.
 */
bool ptrace_may_access(const struct signal_struct *g);
/* The same of a thread, whose process may be ending; a kernel thread is root's. Takes tasklist_lock. */
bool ptrace_may_access_task(struct task *t);

/* A new process is what @from is. Its groups are referenced. */
void cred_copy(struct signal_struct *to, struct signal_struct *from);
/*
 * current gets a new program, whose file sets the user or group id, or KEEP_ID. True if that gives
 * it rights which the caller did not have: AT_SECURE.
 */
bool cred_exec(u32 set_uid, u32 set_gid);

/* ---- caps.c; tasklist_lock held ---- */

/* The user ids were @uid, @euid and @suid: what becomes of the capabilities. */
void caps_follow_uids(struct signal_struct *g, u32 uid, u32 euid, u32 suid);
void caps_follow_fsuid(struct signal_struct *g, u32 fsuid);
void caps_exec(struct signal_struct *g);
