/*
 * CPU-time clocks, and the timers that count on them: ITIMER_VIRTUAL, ITIMER_PROF, POSIX timers on a
 * CPU clock, sleeps on one, and RLIMIT_CPU.
 *
 * Such a timer can only expire while its process runs. So nothing is armed for it: the process is
 * marked (signal->cpu_timers), and the tick that samples a busy CPU (sched_tick()) sends a marked
 * process's task through run_cpu_timers() on its way back to user mode, where all of its timers are
 * compared with what it has used. They are late by up to a tick, 10 ms, never early. Who sleeps on
 * the clock of a process, his own or another's, waits on its cpu_wq, is woken by such a tick, and
 * compares for himself.
 *
 * Cost: nothing for a process without such timers; else a walk over its threads and timers at each
 * tick of CPU time that it uses.
 *
 * LOCKING: sighand->lock of the process guards the timers and the mark; the clocks are read under it.
 */
#include "kernel/exec/process.h"
#include "kernel/mm/uaccess.h"
#include "kernel/time/clock.h"

/* ---- the clocks ---- */

/* Negative ids: the inverted id of a task above three bits that say which of its times. */
#define CPUCLOCK_PERTHREAD 4
#define CPUCLOCK_WHICH(id) ((id)&3)
#define CPUCLOCK_VIRT      1 /* user mode only */
#define CPUCLOCK_MAX       3

/* May the caller use the clock of @t? tasklist_lock held. */
static bool clock_allowed(struct task *t, bool process, bool only_read)
{
	if (!t || !t->signal)
		return false;
	if (!process)
		return t->signal == current->signal;
	return t->signal->leader == t || (only_read && t->signal == current->signal);
}

static struct task *find_clock_task(pid_t pid, bool process, bool only_read)
{
	struct task *t = current;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	if (pid) {
		t = find_task_locked(pid);
		if (!clock_allowed(t, process, only_read))
			t = NULL;
	}
	if (t)
		task_get(t);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return t;
}

int cpu_clock_get(int id, bool only_read, struct cpu_clock *c)
{
	pid_t pid = 0;

	c->user = false;
	if (id >= 0) {
		c->process = id == CLOCK_PROCESS_CPUTIME_ID;
	} else {
		if (CPUCLOCK_WHICH(id) >= CPUCLOCK_MAX)
			return -EINVAL;
		c->process = !(id & CPUCLOCK_PERTHREAD);
		c->user = CPUCLOCK_WHICH(id) == CPUCLOCK_VIRT;
		pid = ~(id >> 3);
	}
	c->task = find_clock_task(pid, c->process, only_read);
	return c->task ? 0 : -EINVAL;
}

void cpu_clock_put(struct cpu_clock *c)
{
	if (c->task)
		task_put(c->task);
	c->task = NULL;
}

u64 cpu_clock_read_locked(const struct cpu_clock *c)
{
	struct cputime used = c->process ? process_cputime(c->task->signal) : task_cputime(c->task);

	return c->user ? used.user : cputime_sum(used);
}

u64 cpu_clock_read(const struct cpu_clock *c)
{
	struct signal_struct *g = c->task->signal;
	struct sighand *sh;
	u64 flags, ns;

	sh = lock_sighand(g, &flags);
	ns = cpu_clock_read_locked(c);
	unlock_sighand(sh, flags);
	return ns;
}

/* ---- at a tick ---- */

/* RLIMIT_CPU, in seconds: SIGXCPU each second from the soft limit on, SIGKILL at the hard one. */
static bool check_cpu_limit(struct sighand *sh, struct signal_struct *g, u64 used)
{
	struct rlimit *limit = &g->rlim[RLIMIT_CPU];
	u64 seconds = used / NSEC_PER_SEC;

	if (limit->rlim_cur == RLIM_INFINITY)
		return false;
	if (seconds >= limit->rlim_max) {
		send_signal_locked(sh, g, NULL, SIGKILL, NULL, true);
	} else if (seconds >= limit->rlim_cur) {
		send_signal_locked(sh, g, NULL, SIGXCPU, NULL, false);
		limit->rlim_cur = seconds + 1;
	}
	return true;
}

void run_cpu_timers(void)
{
	struct signal_struct *g = current->signal;
	struct cputime used;
	struct sighand *sh;
	bool armed;
	u64 flags;

	task_clear_work(current, WORK_CPU_TIMERS);
	sh = lock_sighand(g, &flags);
	used = process_cputime(g);
	armed = check_cpu_itimers(g, used);
	armed |= check_posix_cpu_timers(g);
	armed |= check_cpu_limit(sh, g, cputime_sum(used));
	/* Who is in the queue marks the process again, under this lock, before he sleeps. */
	WRITE_ONCE(g->cpu_timers, armed);
	unlock_sighand(sh, flags);
	wake_up_all(&g->cpu_wq);
}

/* ---- sleeping ---- */

/* Has the clock come to @until? Else the next tick of the process wakes its cpu_wq. */
static bool cpu_time_reached(const struct cpu_clock *c, u64 until)
{
	struct signal_struct *g = c->task->signal;
	struct sighand *sh;
	bool reached;
	u64 flags;

	sh = lock_sighand(g, &flags);
	reached = cpu_clock_read_locked(c) >= until;
	if (!reached)
		WRITE_ONCE(g->cpu_timers, true);
	unlock_sighand(sh, flags);
	return reached;
}

static long restart_cpu_sleep(struct task *t);

/* Until the clock shows @until. @urem: where the rest goes, NULL for nobody. */
static long cpu_sleep_until(int id, struct cpu_clock *c, u64 until, struct timespec __user *urem)
{
	struct task *t = current;
	struct timespec rest;
	u64 now;

	if (!wait_event_interruptible(&c->task->signal->cpu_wq, cpu_time_reached(c, until)))
		return 0;
	now = cpu_clock_read(c);
	rest = ns_to_timespec(until > now ? until - now : 0);
	if (urem && copy_to_user(urem, &rest, sizeof(rest)))
		return -EFAULT;
	t->restart_fn = restart_cpu_sleep;
	t->restart_deadline = until;
	t->restart_args[0] = (u64)urem;
	t->restart_args[1] = (u64)id;
	return -ERESTART_RESTARTBLOCK;
}

static long restart_cpu_sleep(struct task *t)
{
	int id = (int)t->restart_args[1];
	struct cpu_clock c;
	long ret;

	if (cpu_clock_get(id, false, &c))
		return -EINVAL;
	ret = cpu_sleep_until(id, &c, t->restart_deadline,
			      (struct timespec __user *)t->restart_args[0]);
	cpu_clock_put(&c);
	return ret;
}

long cpu_clock_sleep(int id, bool absolute, u64 ns, struct timespec __user *urem)
{
	struct cpu_clock c;
	long ret = -EINVAL;

	if (id == CLOCK_THREAD_CPUTIME_ID)
		return -EOPNOTSUPP;
	if (cpu_clock_get(id, false, &c))
		return -EINVAL;
	if (!c.process && c.task == current)
		goto out; /* while it sleeps the time does not come */
	ret = cpu_sleep_until(id, &c, absolute ? ns : cpu_clock_read(&c) + ns,
			      absolute ? NULL : urem);
	if (absolute && ret == -ERESTART_RESTARTBLOCK)
		ret = -ERESTARTNOHAND; /* simply slept for again */
out:
	cpu_clock_put(&c);
	return ret;
}
