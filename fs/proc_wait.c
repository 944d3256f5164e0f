/*
 * What /proc/PID tells of a task that sleeps: the function it waits in (wchan), its call chain in the
 * kernel (stack), its system call (syscall). Formats: proc(5). Nothing to those who may not trace it.
 */

#include "fs/proc.h"
#include "kernel/cpu/ptrace.h"
#include "kernel/lib/string.h"
#include "kernel/lib/symbols.h"
#include "kernel/sched/sched.h"

#define MAX_FRAMES 32

/* Functions that sleep for others do not say what for. */
static bool is_sleeper(const char *name)
{
	static const char *const names[] = {"schedule", "mutex_lock", "__mutex_lock"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	return false;
}

int proc_show_wchan(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	struct asleep a;
	const char *name = NULL;
	u64 offset;

	if (ptrace_may_access_task(t) && task_asleep(t, &a))
		for (int i = 0; i < a.depth; i++) {
			name = symbol_lookup(a.ips[i], &offset);
			if (name && !is_sleeper(name))
				break;
		}
	seq_printf(s, "%s", name ? name : "0");
	return 0;
}

int proc_show_stack(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	struct asleep a;

	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	if (task_asleep(t, &a))
		for (int i = 0; i < a.depth; i++)
			seq_printf(s, "[<0>] %pS\n", (void *)a.ips[i]);
	return 0;
}

int proc_show_syscall(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	struct asleep a;

	if (!ptrace_may_access_task(t))
		return -EACCES;
	if (!task_asleep(t, &a))
		seq_printf(s, "running\n");
	else if ((s64)a.regs.orig_rax < 0)
		seq_printf(s, "-1 0x%lx 0x%lx\n", a.regs.rsp, a.regs.rip);
	else
		seq_printf(s, "%lu 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx\n",
			   a.regs.orig_rax, a.regs.rdi, a.regs.rsi, a.regs.rdx, a.regs.r10,
			   a.regs.r8, a.regs.r9, a.regs.rsp, a.regs.rip);
	return 0;
}
