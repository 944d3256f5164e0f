/*
 * prctl(2): a process says what it wants of itself. The name, the signal at its parent's end, whose
 * child it becomes, what it may gain or keep of rights.
 *
 * LOCKING: what others look at changes under tasklist_lock; a word that only current looks at does
 * not need it.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/cred.h"
#include "kernel/exec/process.h"
#include "kernel/lib/string.h"
#include "kernel/mm/uaccess.h"

#define PR_SET_PDEATHSIG       1
#define PR_GET_PDEATHSIG       2
#define PR_GET_DUMPABLE        3
#define PR_SET_DUMPABLE        4
#define PR_GET_KEEPCAPS        7
#define PR_SET_KEEPCAPS        8
#define PR_SET_NAME            15
#define PR_GET_NAME            16
#define PR_CAPBSET_READ        23
#define PR_CAPBSET_DROP        24
#define PR_GET_SECUREBITS      27
#define PR_SET_CHILD_SUBREAPER 36
#define PR_GET_CHILD_SUBREAPER 37
#define PR_SET_NO_NEW_PRIVS    38
#define PR_GET_NO_NEW_PRIVS    39

#define SECBIT_KEEP_CAPS 0x10

static long set_name(const char __user *uname)
{
	char name[TASK_COMM_LEN];
	ssize_t len = strncpy_from_user(name, uname, sizeof(name));

	if (len < 0)
		return len;
	name[sizeof(name) - 1] = '\0';
	strscpy(current->comm, name, sizeof(name));
	return 0;
}

static long get_name(char __user *uname)
{
	char name[TASK_COMM_LEN] = {0};

	strscpy(name, current->comm, sizeof(name));
	return copy_to_user(uname, name, sizeof(name)) ? -EFAULT : 0;
}

static long drop_from_bset(u64 cap)
{
	u64 flags;

	if (!capable(CAP_SETPCAP))
		return -EPERM;
	if (cap > CAP_LAST)
		return -EINVAL;
	spin_lock_irqsave(&tasklist_lock, flags);
	current->signal->cap_bset &= ~BIT(cap);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return 0;
}

/* A flag that is 0 or 1. */
static long set_flag(bool *flag, u64 value)
{
	if (value > 1)
		return -EINVAL;
	WRITE_ONCE(*flag, value);
	return 0;
}

SYSCALL_DEFINE5(prctl, int, op, u64, a2, u64, a3, u64, a4, u64, a5)
{
	struct signal_struct *g = current->signal;

	switch (op) {
	case PR_SET_NAME:
		return set_name((const char __user *)a2);
	case PR_GET_NAME:
		return get_name((char __user *)a2);
	case PR_SET_PDEATHSIG:
		if (a2 > NSIG)
			return -EINVAL;
		g->pdeath_signal = (int)a2;
		return 0;
	case PR_GET_PDEATHSIG:
		return put_user(g->pdeath_signal, (int __user *)a2);
	case PR_GET_DUMPABLE:
		return g->dumpable;
	case PR_SET_DUMPABLE:
		return set_flag(&g->dumpable, a2);
	case PR_GET_KEEPCAPS:
		return g->keep_caps;
	case PR_SET_KEEPCAPS:
		return set_flag(&g->keep_caps, a2);
	case PR_GET_SECUREBITS:
		return g->keep_caps ? SECBIT_KEEP_CAPS : 0;
	case PR_CAPBSET_READ:
		return a2 > CAP_LAST ? -EINVAL : (long)(g->cap_bset >> a2 & 1);
	case PR_CAPBSET_DROP:
		return drop_from_bset(a2);
	case PR_SET_CHILD_SUBREAPER:
		return set_flag(&g->child_subreaper, a2 != 0);
	case PR_GET_CHILD_SUBREAPER:
		return put_user((int)g->child_subreaper, (int __user *)a2);
	case PR_SET_NO_NEW_PRIVS: /* there is no way back */
		return a2 != 1 || a3 || a4 || a5 ? -EINVAL : set_flag(&g->no_new_privs, 1);
	case PR_GET_NO_NEW_PRIVS:
		return a2 || a3 || a4 || a5 ? -EINVAL : g->no_new_privs;
	default:
		return -EINVAL;
	}
}
