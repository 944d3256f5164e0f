/*
 * From one process's memory to another's: process_vm_readv(2), process_vm_writev(2), and what /proc/PID/mem
 * is made of. Page by page through a buffer of the kernel's, because two address spaces are never loaded
 * at once.
 *
 * LOCKING: no lock is held while the caller's memory is touched; mm_access() locks the other's.
 */
#include "kernel/cpu/syscall.h"
#include "kernel/exec/cred.h"
#include "kernel/lib/iov.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"

struct mm *get_accessible_mm(struct task *t)
{
	return ptrace_may_access_task(t) ? get_task_mm(t) : ERR_PTR(-EPERM);
}

ssize_t mm_access_iter(struct mm *mm, u64 addr, size_t len, struct iov_iter *it, int how)
{
	char *page = kmalloc(PAGE_SIZE, GFP_KERNEL);
	size_t done = 0, want, n;

	if (!page)
		return -ENOMEM;
	for (; done < len && it->count; done += n) {
		want = min(min(len - done, PAGE_SIZE), it->count);
		if (how & MM_WRITE)
			n = mm_access(mm, addr + done, page, copy_from_iter(page, want, it), how);
		else
			n = copy_to_iter(page, mm_access(mm, addr + done, page, want, how), it);
		if (n < want) {
			done += n;
			break;
		}
		cond_resched();
	}
	kfree(page);
	return (ssize_t)done;
}

/* ---- the system calls ---- */

static ssize_t copy_remote(struct mm *mm, const struct iov_iter *remote, struct iov_iter *it,
			   bool write)
{
	ssize_t done = 0, n = 0;

	for (size_t i = 0; i < remote->nr && it->count; i++) {
		const struct iovec *v = &remote->iov[i];

		n = mm_access_iter(mm, (u64)v->iov_base, v->iov_len, it, write ? MM_WRITE : 0);
		if (n > 0)
			done += n;
		if (n < (ssize_t)v->iov_len)
			break;
	}
	if (done || !n)
		return done ? done : -EFAULT;
	return n;
}

static ssize_t copy_with(pid_t pid, const struct iov_iter *remote, struct iov_iter *it, bool write)
{
	struct task *t = find_get_task(pid);
	struct mm *mm;
	ssize_t ret;

	if (!t)
		return -ESRCH;
	mm = get_accessible_mm(t);
	task_put(t);
	if (!mm)
		return -ESRCH;
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	ret = copy_remote(mm, remote, it, write);
	mm_put(mm);
	return ret;
}

static ssize_t process_vm_rw(pid_t pid, const struct iovec __user *ulocal, size_t nr_local,
			     const struct iovec __user *uremote, size_t nr_remote, u64 flags,
			     bool write)
{
	struct iovec local_fast[UIO_FASTIOV], remote_fast[UIO_FASTIOV];
	struct iovec *local_free, *remote_free;
	struct iov_iter it, remote;
	ssize_t ret;

	if (flags)
		return -EINVAL;
	ret = iov_iter_import(&it, ulocal, nr_local, local_fast, &local_free);
	if (ret)
		return ret;
	ret = iov_iter_import(&remote, uremote, nr_remote, remote_fast, &remote_free);
	if (ret)
		goto free_local;
	if (it.count && remote.count)
		ret = copy_with(pid, &remote, &it, write);
	kfree(remote_free);
free_local:
	kfree(local_free);
	return ret;
}

SYSCALL_DEFINE6(process_vm_readv, pid_t, pid, const struct iovec __user *, ulocal, size_t, nr_local,
		const struct iovec __user *, uremote, size_t, nr_remote, u64, flags)
{
	return process_vm_rw(pid, ulocal, nr_local, uremote, nr_remote, flags, false);
}

SYSCALL_DEFINE6(process_vm_writev, pid_t, pid, const struct iovec __user *, ulocal, size_t,
		nr_local, const struct iovec __user *, uremote, size_t, nr_remote, u64, flags)
{
	return process_vm_rw(pid, ulocal, nr_local, uremote, nr_remote, flags, true);
}
