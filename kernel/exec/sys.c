/*
 * Small system calls about the running task and the machine: thread set-up, affinity, sysinfo(2),
 * getrusage(2).
 */
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/segments.h"
#include "kernel/cpu/smp.h"
#include "kernel/cpu/syscall.h"
#include "kernel/exec/cred.h"
#include "kernel/exec/process.h"
#include "kernel/lib/string.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/sched.h"
#include "kernel/time/ktime.h"

/* ---- the thread ---- */

SYSCALL_DEFINE1(set_tid_address, u64, addr)
{
	current->clear_child_tid = addr;
	return current->pid;
}

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

static long set_base(u64 *base, u16 *selector, u64 addr)
{
	if (addr >= USER_TOP)
		return -EPERM;
	*selector = 0;
	*base = addr;
	return 0;
}

long task_arch_prctl(struct task *t, int op, u64 addr)
{
	switch (op) {
	case ARCH_SET_FS:
		return set_base(&t->fs_base, &t->selectors.fs, addr);
	case ARCH_SET_GS:
		return set_base(&t->gs_base, &t->selectors.gs, addr);
	case ARCH_GET_FS:
		return put_user(t->fs_base, (u64 __user *)addr);
	case ARCH_GET_GS:
		return put_user(t->gs_base, (u64 __user *)addr);
	default:
		return -EINVAL;
	}
}

SYSCALL_DEFINE2(arch_prctl, int, op, u64, addr)
{
	long ret;

	segments_sync_current();
	ret = task_arch_prctl(current, op, addr);
	segments_reload_current();
	return ret;
}

/* Restartable sequences: C libraries ask at every start, and do without. */
SYSCALL_DEFINE4(rseq, u64, addr, u32, len, int, flags, u32, sig)
{
	return -ENOSYS;
}

/* ---- scheduling ---- */

SYSCALL_DEFINE0(sched_yield)
{
	yield_cpu();
	return 0;
}

/* The thread @pid (0: the caller) with a reference, or NULL. */
static struct task *get_thread(pid_t pid)
{
	if (pid)
		return find_get_task(pid);
	task_get(current);
	return current;
}

SYSCALL_DEFINE3(sched_getaffinity, pid_t, pid, unsigned, len, u64 __user *, umask)
{
	struct task *t;
	u64 mask;

	if (len % sizeof(u64) || len < sizeof(u64))
		return -EINVAL;
	t = get_thread(pid);
	if (!t)
		return -ESRCH;
	mask = t->cpus_allowed & online_cpus();
	task_put(t);
	return put_user(mask, umask) ? -EFAULT : (long)sizeof(mask);
}

SYSCALL_DEFINE3(sched_setaffinity, pid_t, pid, unsigned, len, const u64 __user *, umask)
{
	u64 mask = 0;
	struct task *t;
	long err = 0;

	if (copy_from_user(&mask, umask, min((size_t)len, sizeof(mask))))
		return -EFAULT;
	t = get_thread(pid);
	if (!t)
		return -ESRCH;
	mask &= online_cpus();
	if (!mask || !t->signal) {
		err = -EINVAL;
	} else if (!may_schedule(t)) {
		err = -EPERM;
	} else {
		set_cpus_allowed(t, mask);
	}
	task_put(t);
	return err;
}

SYSCALL_DEFINE3(getcpu, u32 __user *, ucpu, u32 __user *, unode, void __user *, unused)
{
	if (ucpu && put_user((u32)smp_processor_id(), ucpu))
		return -EFAULT;
	return unode && put_user(0u, unode) ? -EFAULT : 0;
}

/* ---- the machine ---- */

struct sysinfo {
	s64 uptime;
	u64 loads[3];
	u64 totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	u16 procs;
	u64 totalhigh, freehigh;
	u32 mem_unit;
};
_Static_assert(sizeof(struct sysinfo) == 112, "sysinfo is ABI");

SYSCALL_DEFINE1(sysinfo, struct sysinfo __user *, uinfo)
{
	struct sysinfo info = {
		.uptime = (s64)(ktime_get() / NSEC_PER_SEC),
		.totalram = total_pages * PAGE_SIZE,
		.freeram = nr_free_pages() * PAGE_SIZE,
		.procs = (u16)count_threads(),
		.mem_unit = 1,
	};

	load_averages(info.loads, 16);
	return copy_to_user(uinfo, &info, sizeof(info)) ? -EFAULT : 0;
}

#define RUSAGE_CHILDREN -1
#define RUSAGE_SELF     0
#define RUSAGE_THREAD   1

SYSCALL_DEFINE2(getrusage, int, who, struct rusage __user *, uru)
{
	struct signal_struct *g = current->signal;
	struct rusage ru = {0};
	struct cputime used;
	u64 flags;

	if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD)
		return -EINVAL;
	spin_lock_irqsave(&tasklist_lock, flags);
	used = who == RUSAGE_SELF       ? process_cputime(g)
	       : who == RUSAGE_CHILDREN ? g->children_time
					: task_cputime(current);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	rusage_set_times(&ru, used);
	if (who != RUSAGE_CHILDREN)
		ru.ru_maxrss = (s64)(current->mm->nr_pages * PAGE_SIZE / 1024);
	return copy_to_user(uru, &ru, sizeof(ru)) ? -EFAULT : 0;
}
