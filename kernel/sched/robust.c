/*
 * Robust futexes: locks whose next owner learns that the last one has died, get_robust_list(2).
 *
 * A thread keeps a list, in its own memory, of the robust locks that it holds, and tells the kernel
 * once where the list begins. When the thread ends, or its program does, the kernel walks the list:
 * in each lock that still bears the thread's id it sets FUTEX_OWNER_DIED and wakes one who waits. The
 * lock that the thread was taking or giving back at that moment is named apart (list_op_pending).
 *
 * The word of a lock: FUTEX_WAITERS | FUTEX_OWNER_DIED | thread id of the owner.
 *
 * The list is the user's and may be anything: faults end the walk, and so does a limit.
 *
 * LOCKING: process context, current's own memory; tasklist_lock to look another thread's list up.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/cred.h"
#include "kernel/exec/process.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/futex.h"

#define ROBUST_LIST_LIMIT 2048

/* The head of a thread's list of the robust locks it holds; the list links the locks themselves. */
struct robust_list_head {
	u64 list;            /* first lock's link, or the head's own address */
	s64 futex_offset;    /* from a link to its word */
	u64 list_op_pending; /* a lock that is being taken or given back right now */
};

SYSCALL_DEFINE2(set_robust_list, u64, head, size_t, len)
{
	if (len != sizeof(struct robust_list_head))
		return -EINVAL;
	current->robust_list = head;
	return 0;
}

SYSCALL_DEFINE3(get_robust_list, pid_t, pid, u64 __user *, uhead, size_t __user *, ulen)
{
	u64 head = current->robust_list, flags;
	long err = 0;

	if (pid) {
		struct task *t;

		spin_lock_irqsave(&tasklist_lock, flags);
		t = find_task_locked(pid);
		if (!t || !t->signal)
			err = -ESRCH;
		else if (!capable(CAP_SYS_PTRACE) && t->signal->uid != current->signal->euid)
			err = -EPERM;
		else
			head = t->robust_list;
		spin_unlock_irqrestore(&tasklist_lock, flags);
	}
	if (err)
		return err;
	if (put_user(sizeof(struct robust_list_head), ulen) || put_user(head, uhead))
		return -EFAULT;
	return 0;
}

/* Bit 0 of a link marks a lock with priority inheritance. */
#define LINK_PI 1ul

/*
 * If current owns the lock that the link @entry is in: says in it that its owner has died, and wakes one
 * who waits. 0 or -EFAULT. Of a lock with priority inheritance futex_pi_exit() finds the next owner.
 */
static int robust_lock_died(u64 entry, s64 offset, bool pending)
{
	u32 __user *uaddr = (u32 __user *)((entry & ~LINK_PI) + (u64)offset);
	bool pi = entry & LINK_PI;
	u32 value, old;

	if ((u64)uaddr % sizeof(u32) || get_user(value, uaddr))
		return -EFAULT;
	/* It may have let go of the word but not yet woken the next. */
	if (pending && !pi && !value) {
		futex_wake(uaddr, false, 1, FUTEX_MATCH_ANY);
		return 0;
	}
	for (;;) {
		if ((value & FUTEX_TID_MASK) != (u32)current->pid)
			return 0;
		old = value;
		if (cmpxchg_user(uaddr, &old, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED))
			return -EFAULT;
		if (old == value)
			break;
		value = old;
	}
	if ((value & FUTEX_WAITERS) && !pi)
		futex_wake(uaddr, false, 1, FUTEX_MATCH_ANY);
	return 0;
}

static void exit_robust_list(u64 uhead)
{
	struct robust_list_head head;
	u64 link, next;

	if (copy_from_user(&head, (void __user *)uhead, sizeof(head)))
		return;
	link = head.list;
	for (int i = 0; i < ROBUST_LIST_LIMIT && (link & ~LINK_PI) != uhead; i++) {
		/* Before the lock's new owner can free the memory the link is in. */
		if (get_user(next, (u64 __user *)(link & ~LINK_PI)))
			return;
		if ((link & ~LINK_PI) != (head.list_op_pending & ~LINK_PI) &&
		    robust_lock_died(link, head.futex_offset, false))
			return;
		link = next;
		cond_resched();
	}
	if (head.list_op_pending)
		robust_lock_died(head.list_op_pending, head.futex_offset, true);
}

void futex_exit(void)
{
	struct task *t = current;
	u64 tid = t->clear_child_tid;

	if (t->robust_list)
		exit_robust_list(t->robust_list);
	futex_pi_exit();
	t->robust_list = 0;
	t->clear_child_tid = 0;
	/* Only those who share the memory can look: pthread_join() sleeps on this word. */
	if (!tid || refcount_read(&t->mm->users) == 1)
		return;
	if (!put_user(0, (u32 __user *)tid))
		futex_wake((u32 __user *)tid, false, 1, FUTEX_MATCH_ANY);
}
