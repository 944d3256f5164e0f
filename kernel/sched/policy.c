/*
 * What programs may wish of the scheduler: policies, nice values, I/O priorities. sched(7), nice(2),
 * sched_setattr(2), ioprio_set(2).
 *
 * This scheduler knows one thing to give: a longer or shorter turn (sched_turn()). A nice value makes
 * it from twice as long (-20) to a twentieth (19), so that CPU time is shared in that proportion.
 * SCHED_BATCH is SCHED_OTHER, SCHED_IDLE the shortest turn. SCHED_FIFO and SCHED_RR get the turns that all
 * get; their priority decides in which order futexes wake. Nothing is read from a disk, so an I/O priority
 * is only kept.
 *
 * LOCKING: the values are a task's own and each is written as a whole; a turn takes them as they are when
 * it begins. tasklist_lock while tasks are walked.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/cred.h"
#include "kernel/lib/string.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/sched.h"
#include "kernel/time/ktime.h"

#define SCHED_OTHER         0
#define SCHED_FIFO          1
#define SCHED_RR            2
#define SCHED_BATCH         3
#define SCHED_IDLE          5
#define SCHED_RESET_ON_FORK 0x40000000

#define NICE_MIN -20
#define NICE_MAX 19

#define RT_MAX 99

#define TURN_NS (6 * NSEC_PER_MSEC) /* of nice 0 */

u64 sched_turn(const struct task *t)
{
	int nice = READ_ONCE(t->policy) == SCHED_IDLE ? NICE_MAX : READ_ONCE(t->nice);

	return TURN_NS / 20 * (u64)(20 - nice);
}

static bool is_realtime(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

void sched_fork(struct task *t)
{
	t->nice = current->nice;
	t->policy = current->policy;
	t->rt_priority = current->rt_priority;
	t->ioprio = current->ioprio;
	if (!current->reset_on_fork)
		return;
	t->nice = max(t->nice, (s8)0);
	if (is_realtime(t->policy))
		t->policy = t->rt_priority = 0;
}

/* ---- who, and may he ---- */

/* The thread @pid (0: the caller) with a reference; ERR_PTR(-EINVAL, -ESRCH). */
static struct task *get_thread(pid_t pid)
{
	struct task *t = current;

	if (pid < 0)
		return ERR_PTR(-EINVAL);
	if (pid) {
		t = find_get_task(pid);
		return t ? t : ERR_PTR(-ESRCH);
	}
	task_get(t);
	return t;
}

bool may_schedule(const struct task *t)
{
	u32 me = current->signal->euid;

	return capable(CAP_SYS_NICE) ||
	       (t->signal && (me == t->signal->uid || me == t->signal->euid));
}

/* RLIMIT_NICE counts from 20 - 19 upwards. */
static bool may_be_nice(const struct task *t, int nice)
{
	return nice >= t->nice || (u64)(20 - nice) <= rlimit(RLIMIT_NICE) || capable(CAP_SYS_NICE);
}

/* ---- policies ---- */

static bool is_policy(int policy)
{
	return policy >= 0 && policy <= SCHED_IDLE && policy != 4;
}

/* struct sched_attr, what a caller may know of it. */
struct sched_attr {
	u32 size, policy;
	u64 flags;
	s32 nice;
	u32 priority;
	u64 runtime, deadline, period;
	u32 util_min, util_max;
};
#define SCHED_ATTR_SIZE_VER0     48u
#define SCHED_FLAG_RESET_ON_FORK 0x01ull
#define SCHED_FLAG_KEEP_POLICY   0x08ull
#define SCHED_FLAG_KEEP_PARAMS   0x10ull
#define SCHED_FLAGS              (SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_KEEP_POLICY | SCHED_FLAG_KEEP_PARAMS)

/* May the caller make @t so urgent? sched(7). */
static bool may_set(const struct task *t, int policy, int nice, u32 priority, bool reset)
{
	if (capable(CAP_SYS_NICE))
		return true;
	if (!may_schedule(t) || !may_be_nice(t, nice) || (t->reset_on_fork && !reset))
		return false;
	return !is_realtime(policy) || priority <= t->rt_priority ||
	       priority <= rlimit(RLIMIT_RTPRIO);
}

static int set_attr(struct task *t, const struct sched_attr *a)
{
	bool keep = a->flags & SCHED_FLAG_KEEP_PARAMS, reset = a->flags & SCHED_FLAG_RESET_ON_FORK;
	int policy = a->flags & SCHED_FLAG_KEEP_POLICY ? t->policy : (int)a->policy;
	int nice = keep ? t->nice : a->nice;
	u32 priority = keep ? t->rt_priority : a->priority;

	if ((a->flags & ~SCHED_FLAGS) || !is_policy(policy) || priority > RT_MAX ||
	    is_realtime(policy) != !!priority)
		return -EINVAL;
	if (!may_set(t, policy, nice, priority, reset))
		return -EPERM;
	WRITE_ONCE(t->policy, (u8)policy);
	WRITE_ONCE(t->rt_priority, (u8)priority);
	WRITE_ONCE(t->nice, (s8)nice);
	WRITE_ONCE(t->reset_on_fork, reset);
	return 0;
}

static long set_attr_of(pid_t pid, const struct sched_attr *a)
{
	struct task *t = get_thread(pid);
	long err;

	if (IS_ERR(t))
		return PTR_ERR(t);
	err = set_attr(t, a);
	task_put(t);
	return err;
}

/* Both old calls leave the nice value as it is. */
static long set_scheduler(pid_t pid, u32 policy, u64 flags, const int __user *uparam)
{
	struct sched_attr a = {.policy = policy & ~SCHED_RESET_ON_FORK, .flags = flags};
	struct task *t;
	int prio;
	long err;

	if (!uparam || pid < 0)
		return -EINVAL;
	if (get_user(prio, uparam))
		return -EFAULT;
	t = get_thread(pid);
	if (IS_ERR(t))
		return PTR_ERR(t);
	a.priority = (u32)prio;
	a.nice = t->nice;
	if (policy & SCHED_RESET_ON_FORK || ((flags & SCHED_FLAG_KEEP_POLICY) && t->reset_on_fork))
		a.flags |= SCHED_FLAG_RESET_ON_FORK;
	err = set_attr(t, &a);
	task_put(t);
	return err;
}

SYSCALL_DEFINE3(sched_setscheduler, pid_t, pid, int, policy, const int __user *, uparam)
{
	return policy < 0 ? -EINVAL : set_scheduler(pid, (u32)policy, 0, uparam);
}

SYSCALL_DEFINE2(sched_setparam, pid_t, pid, const int __user *, uparam)
{
	return set_scheduler(pid, 0, SCHED_FLAG_KEEP_POLICY, uparam);
}

SYSCALL_DEFINE1(sched_getscheduler, pid_t, pid)
{
	struct task *t = get_thread(pid);
	long policy;

	if (IS_ERR(t))
		return PTR_ERR(t);
	policy = t->policy | (t->reset_on_fork ? SCHED_RESET_ON_FORK : 0);
	task_put(t);
	return policy;
}

SYSCALL_DEFINE2(sched_getparam, pid_t, pid, int __user *, uparam)
{
	struct task *t;
	int priority;

	if (!uparam)
		return -EINVAL;
	t = get_thread(pid);
	if (IS_ERR(t))
		return PTR_ERR(t);
	priority = t->rt_priority;
	task_put(t);
	return put_user(priority, uparam);
}

SYSCALL_DEFINE3(sched_setattr, pid_t, pid, struct sched_attr __user *, uattr, u32, flags)
{
	struct sched_attr a = {0};
	u32 size;

	if (!uattr || pid < 0 || flags)
		return -EINVAL;
	if (get_user(size, &uattr->size))
		return -EFAULT;
	size = size ? size : SCHED_ATTR_SIZE_VER0;
	if (size < SCHED_ATTR_SIZE_VER0 || size > sizeof(a))
		return put_user((u32)sizeof(a), &uattr->size) ? -EFAULT : -E2BIG;
	if (copy_from_user(&a, uattr, size))
		return -EFAULT;
	a.nice = min(max(a.nice, NICE_MIN), NICE_MAX);
	return set_attr_of(pid, &a);
}

SYSCALL_DEFINE4(sched_getattr, pid_t, pid, struct sched_attr __user *, uattr, u32, size, u32, flags)
{
	struct sched_attr a = {.size = min(size, (u32)sizeof(a))};
	struct task *t;

	if (!uattr || pid < 0 || size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE || flags)
		return -EINVAL;
	t = get_thread(pid);
	if (IS_ERR(t))
		return PTR_ERR(t);
	a.policy = t->policy;
	a.flags = t->reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0;
	a.nice = t->nice;
	a.priority = t->rt_priority;
	task_put(t);
	return copy_to_user(uattr, &a, a.size) ? -EFAULT : 0;
}

SYSCALL_DEFINE1(sched_get_priority_max, int, policy)
{
	return !is_policy(policy) ? -EINVAL : is_realtime(policy) ? RT_MAX : 0;
}

SYSCALL_DEFINE1(sched_get_priority_min, int, policy)
{
	return !is_policy(policy) ? -EINVAL : is_realtime(policy) ? 1 : 0;
}

SYSCALL_DEFINE2(sched_rr_get_interval, pid_t, pid, struct timespec __user *, uts)
{
	struct task *t = get_thread(pid);
	struct timespec turn;

	if (IS_ERR(t))
		return PTR_ERR(t);
	turn = ns_to_timespec(sched_turn(t));
	task_put(t);
	return copy_to_user(uts, &turn, sizeof(turn)) ? -EFAULT : 0;
}

/* ---- nice values and I/O priorities: of a thread, a process group, a user ---- */

enum { WHO_THREAD, WHO_GROUP, WHO_USER };

static bool is_meant(const struct task *t, int which, int who)
{
	const struct signal_struct *me = current->signal;

	if (!t->signal)
		return false;
	if (which == WHO_GROUP)
		return t->signal->pgrp == (who ? who : me->pgrp);
	return t->signal->uid == (who ? (u32)who : me->uid);
}

/* @fn for each thread that is meant, until it is < 0; -ESRCH for none, -EINVAL. */
static long for_each_of(int which, int who, long (*fn)(struct task *t, long *value), long *value)
{
	struct task *t;
	long ret = -ESRCH;
	u64 flags;

	if (which < WHO_THREAD || which > WHO_USER)
		return -EINVAL;
	spin_lock_irqsave(&tasklist_lock, flags);
	if (which == WHO_THREAD) {
		t = who ? find_task_locked(who) : current;
		ret = t ? fn(t, value) : -ESRCH;
	} else {
		list_for_each_entry(t, &all_tasks, all_link) {
			if (!is_meant(t, which, who))
				continue;
			ret = fn(t, value);
			if (ret < 0)
				break;
		}
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return ret;
}

static long nicest(struct task *t, long *value)
{
	*value = max(*value, 20l - t->nice);
	return 0;
}

static long set_nice(struct task *t, long *value)
{
	if (!may_schedule(t))
		return -EPERM;
	if (!may_be_nice(t, (int)*value))
		return -EACCES;
	WRITE_ONCE(t->nice, (s8)*value);
	return 0;
}

/* From 40 (nice -20) to 1: C libraries turn it round. */
SYSCALL_DEFINE2(getpriority, int, which, int, who)
{
	long best = 0, err = for_each_of(which, who, nicest, &best);

	return err ? err : best;
}

SYSCALL_DEFINE3(setpriority, int, which, int, who, int, nice)
{
	long value = min(max(nice, NICE_MIN), NICE_MAX);

	return for_each_of(which, who, set_nice, &value);
}

#define IOPRIO_CLASS(p) ((p) >> 13)
#define IOPRIO_LEVEL(p) ((p)&0x1fff)
enum { IOPRIO_NONE, IOPRIO_REALTIME, IOPRIO_BEST_EFFORT, IOPRIO_IDLE };

static long best_ioprio(struct task *t, long *value)
{
	*value = min(*value, (long)t->ioprio);
	return 0;
}

static long set_ioprio(struct task *t, long *value)
{
	if (!may_schedule(t))
		return -EPERM;
	WRITE_ONCE(t->ioprio, (u16)*value);
	return 0;
}

/* Of several, the one that comes first: the smallest number. ioprio_set(2) counts @which from 1. */
SYSCALL_DEFINE2(ioprio_get, int, which, int, who)
{
	long best = INT32_MAX, err = for_each_of(which - 1, who, best_ioprio, &best);

	return err ? err : best;
}

SYSCALL_DEFINE3(ioprio_set, int, which, int, who, int, ioprio)
{
	long value = ioprio;

	switch (IOPRIO_CLASS(ioprio)) {
	case IOPRIO_REALTIME:
		if (!capable(CAP_SYS_ADMIN) && !capable(CAP_SYS_NICE))
			return -EPERM;
		__attribute__((fallthrough));
	case IOPRIO_BEST_EFFORT:
		if (IOPRIO_LEVEL(ioprio) > 7)
			return -EINVAL;
		break;
	case IOPRIO_IDLE:
		break;
	case IOPRIO_NONE:
		if (IOPRIO_LEVEL(ioprio))
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	return for_each_of(which - 1, who, set_ioprio, &value);
}
