/*
 * What this machine calls itself: uname(2), sethostname(2), setdomainname(2), and the same texts
 * below /proc/sys/kernel. Programs ask it which system calls there are, so the name is that of the
 * Linux whose interface this is.
 *
 * LOCKING: uts_lock guards the two names that can be set; process context, a leaf.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/cred.h"
#include "kernel/lib/seq.h"
#include "kernel/lib/string.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/signal.h"

#define NAME_SIZE 65

struct utsname {
	char sysname[NAME_SIZE], nodename[NAME_SIZE], release[NAME_SIZE], version[NAME_SIZE],
		machine[NAME_SIZE], domainname[NAME_SIZE];
};

static DEFINE_SPINLOCK(uts_lock);

static struct utsname uts = {
	.sysname = "Linux",
	.nodename = "pollux", /* [uts_lock] */
	.release = "6.1.0-pollux",
	.version = "#1 SMP Pollux",
	.machine = "x86_64",
	.domainname = "(none)", /* [uts_lock] */
};

static struct utsname uts_copy(void)
{
	struct utsname copy;

	spin_lock(&uts_lock);
	copy = uts;
	spin_unlock(&uts_lock);
	return copy;
}

/* @name is padded with zeroes. */
static void set_name(char field[NAME_SIZE], const char name[NAME_SIZE])
{
	spin_lock(&uts_lock);
	memcpy(field, name, NAME_SIZE);
	spin_unlock(&uts_lock);
}

SYSCALL_DEFINE1(uname, struct utsname __user *, uname)
{
	struct utsname copy = uts_copy();

	return copy_to_user(uname, &copy, sizeof(copy)) ? -EFAULT : 0;
}

static long set_user_name(char *field, const char __user *uname, int len)
{
	char name[NAME_SIZE] = {0};

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (len < 0 || len >= NAME_SIZE)
		return -EINVAL;
	if (copy_from_user(name, uname, (size_t)len))
		return -EFAULT;
	set_name(field, name);
	return 0;
}

SYSCALL_DEFINE2(sethostname, const char __user *, uname, int, len)
{
	return set_user_name(uts.nodename, uname, len);
}

SYSCALL_DEFINE2(setdomainname, const char __user *, uname, int, len)
{
	return set_user_name(uts.domainname, uname, len);
}

/* ---- /proc ---- */

static void banner_show(struct seq *s)
{
	seq_printf(s, "%s version %s (" __VERSION__ ") %s\n", uts.sysname, uts.release,
		   uts.version);
}
PROC_ENTRY(banner, "version", banner_show);

/* A field as a file; @store is NULL for what cannot be set. */
#define UTS_FILE(field, path, store) \
	static void field##_show(struct seq *s) \
	{ \
		struct utsname copy = uts_copy(); \
\
		seq_printf(s, "%s\n", copy.field); \
	} \
	PROC_ENTRY_RW(field, path, field##_show, store)

static int store_name(char *field, const char *text, size_t len)
{
	char name[NAME_SIZE] = {0};

	memcpy(name, text, min(len, sizeof(name) - 1)); /* what is too long is cut, as on Linux */
	set_name(field, name);
	return 0;
}

static int nodename_store(const char *text, size_t len)
{
	return store_name(uts.nodename, text, len);
}

static int domainname_store(const char *text, size_t len)
{
	return store_name(uts.domainname, text, len);
}

UTS_FILE(sysname, "sys/kernel/ostype", NULL);
UTS_FILE(release, "sys/kernel/osrelease", NULL);
UTS_FILE(version, "sys/kernel/version", NULL);
UTS_FILE(nodename, "sys/kernel/hostname", nodename_store);
UTS_FILE(domainname, "sys/kernel/domainname", domainname_store);
