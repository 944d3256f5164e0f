/*
 * kcmp(2): do two processes share something? Who saves processes to restore them later asks this of
 * descriptors that may be one open file, and of the parts that clone(2) lets tasks share.
 *
 * Two things are the same if they are at the same address. An address must not leave the kernel, but
 * the caller may sort by the answer, so there has to be an order: that of the addresses, each sent
 * through a one-to-one function that is chosen at random when the machine starts, one for each kind of
 * thing.
 *
 * LOCKING: none of its own. What is compared is never looked into, so it may change meanwhile, and then
 * the answer is of a moment ago, as it always is.
 */
#include "fs/eventpoll.h"
#include "fs/internal.h"
#include "kernel/cpu/syscall.h"
#include "kernel/lib/init.h"
#include "kernel/lib/random.h"
#include "kernel/mm/uaccess.h"

enum {
	KCMP_FILE,
	KCMP_VM,
	KCMP_FILES,
	KCMP_FS,
	KCMP_SIGHAND,
	KCMP_IO,
	KCMP_SYSVSEM,
	KCMP_EPOLL_TFD,
	KCMP_TYPES
};

/* Which of an epoll's items KCMP_EPOLL_TFD means: number tfd in epoll efd, after toff others. */
struct kcmp_epoll_slot {
	u32 efd, tfd, toff;
};

/* The functions: x -> (x + add) * odd, one-to-one in 64 bits. */
static struct {
	u64 add, odd;
} secrets[KCMP_TYPES];

static long compare(int type, const void *a, const void *b)
{
	u64 x = ((u64)a + secrets[type].add) * secrets[type].odd;
	u64 y = ((u64)b + secrets[type].add) * secrets[type].odd;

	return x == y ? 0 : x < y ? 1 : 2;
}

/* An open file of @t, only to be compared; NULL. */
static const struct file *file_of(struct task *t, u64 fd)
{
	bool cloexec;
	struct file *f = fd <= INT32_MAX ? task_get_file(t, (unsigned)fd, &cloexec) : NULL;

	if (f)
		fput(f);
	return f;
}

static long compare_files(struct task *t1, struct task *t2, u64 fd1, u64 fd2)
{
	const struct file *a = file_of(t1, fd1), *b = file_of(t2, fd2);

	return a && b ? compare(KCMP_FILE, a, b) : -EBADF;
}

/* A file of one, and what an epoll of the other watches. */
static long compare_epoll_target(struct task *t1, struct task *t2, u64 fd,
				 const struct kcmp_epoll_slot __user *uslot)
{
	const struct file *a = file_of(t1, fd), *b;
	struct kcmp_epoll_slot slot;
	struct file *epfile;
	bool cloexec;

	if (copy_from_user(&slot, uslot, sizeof(slot)))
		return -EFAULT;
	if (!a)
		return -EBADF;
	epfile = task_get_file(t2, slot.efd, &cloexec);
	if (!epfile)
		return -EBADF;
	b = eventpoll_target(epfile, (int)slot.tfd, slot.toff);
	fput(epfile);
	return IS_ERR(b) ? PTR_ERR(b) : compare(KCMP_EPOLL_TFD, a, b);
}

/* The part of a task that clone(2) may let others share. */
static const void *part_of(const struct task *t, int type)
{
	switch (type) {
	case KCMP_VM:
		return READ_ONCE(t->mm);
	case KCMP_FILES:
		return READ_ONCE(t->files);
	case KCMP_FS:
		return READ_ONCE(t->fs);
	case KCMP_SIGHAND:
		return READ_ONCE(t->sighand);
	default:
		return NULL; /* I/O priorities and undone semaphores: nobody has any */
	}
}

static long compare_tasks(struct task *t1, struct task *t2, int type, u64 idx1, u64 idx2)
{
	if (!ptrace_may_access_task(t1) || !ptrace_may_access_task(t2))
		return -EPERM;
	if (type < 0 || type >= KCMP_TYPES)
		return -EINVAL;
	if (type == KCMP_FILE)
		return compare_files(t1, t2, idx1, idx2);
	if (type == KCMP_EPOLL_TFD)
		return compare_epoll_target(t1, t2, idx1, (void __user *)idx2);
	return compare(type, part_of(t1, type), part_of(t2, type));
}

SYSCALL_DEFINE5(kcmp, pid_t, pid1, pid_t, pid2, int, type, u64, idx1, u64, idx2)
{
	struct task *t1 = find_get_task(pid1), *t2 = find_get_task(pid2);
	long ret = t1 && t2 ? compare_tasks(t1, t2, type, idx1, idx2) : -ESRCH;

	if (t1)
		task_put(t1);
	if (t2)
		task_put(t2);
	return ret;
}

static __init int kcmp_init(void)
{
	for (int i = 0; i < KCMP_TYPES; i++) {
		secrets[i].add = get_random_u64();
		secrets[i].odd = get_random_u64() | 1;
	}
	return 0;
}
fs_initcall(kcmp_init);
