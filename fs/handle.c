/*
 * name_to_handle_at(2) and open_by_handle_at(2): names for files that outlive a reboot, for servers
 * such as NFS. No file system here has any to give, so nothing but the answers is left.
 */
#include "fs/internal.h"
#include "kernel/cpu/syscall.h"
#include "kernel/mm/uaccess.h"

struct file_handle {
	u32 handle_bytes;
	s32 handle_type;
};
#define MAX_HANDLE_SIZE 128

SYSCALL_DEFINE5(name_to_handle_at, int, dfd, const char __user *, name, struct file_handle __user *,
		handle, int __user *, mnt_id, int, flags)
{
	unsigned lookup = (flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0) |
			  (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
	struct path p;
	int err;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = user_path_at(dfd, name, lookup, &p);
	if (err)
		return err;
	path_put(&p);
	return -EOPNOTSUPP;
}

/* Whatever the caller has is no handle of ours. */
SYSCALL_DEFINE3(open_by_handle_at, int, mount_fd, const struct file_handle __user *, uhandle, int,
		flags)
{
	struct file_handle h;

	if (!capable(CAP_DAC_READ_SEARCH))
		return -EPERM;
	if (copy_from_user(&h, uhandle, sizeof(h)))
		return -EFAULT;
	return !h.handle_bytes || h.handle_bytes > MAX_HANDLE_SIZE ? -EINVAL : -ESTALE;
}
