/*
 * Extended attributes, xattr(7): no file system here keeps any. The calls check what they are given,
 * find the file, and say so: EOPNOTSUPP to read, set or remove one, and an empty list. That is what
 * programs that copy attributes along (cp, tar) are prepared for.
 */

#include "fs/internal.h"
#include "kernel/cpu/syscall.h"
#include "kernel/mm/uaccess.h"

#define XATTR_NAME_MAX 255
#define XATTR_CREATE   1
#define XATTR_REPLACE  2

static long check_name(const char __user *uname)
{
	char name[XATTR_NAME_MAX + 1];
	ssize_t n = strncpy_from_user(name, uname, sizeof(name));

	if (n < 0)
		return n;
	return n == 0 || n == sizeof(name) ? -ERANGE : 0;
}

/* A file by path (@lookup says how far links are followed) is there: @found, or -errno. */
static long by_path(const char __user *path, unsigned lookup, long found)
{
	struct path p;
	int err = user_path_at(AT_FDCWD, path, lookup, &p);

	if (err)
		return err;
	path_put(&p);
	return found;
}

static long by_fd(unsigned fd, long found)
{
	struct fd f = fdget(fd);

	if (!f.file)
		return -EBADF;
	fdput(f);
	return found;
}

SYSCALL_DEFINE4(getxattr, const char __user *, path, const char __user *, name, void __user *,
		value, size_t, size)
{
	return check_name(name) ?: by_path(path, LOOKUP_FOLLOW, -EOPNOTSUPP);
}

SYSCALL_DEFINE4(lgetxattr, const char __user *, path, const char __user *, name, void __user *,
		value, size_t, size)
{
	return check_name(name) ?: by_path(path, 0, -EOPNOTSUPP);
}

SYSCALL_DEFINE4(fgetxattr, unsigned, fd, const char __user *, name, void __user *, value, size_t,
		size)
{
	return by_fd(fd, 0) ?: check_name(name) ?: -EOPNOTSUPP;
}

static long check_set(const char __user *name, size_t size, int flags)
{
	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	return check_name(name) ?: size > 65536 ? -E2BIG : 0;
}

SYSCALL_DEFINE5(setxattr, const char __user *, path, const char __user *, name, const void __user *,
		value, size_t, size, int, flags)
{
	return check_set(name, size, flags) ?: by_path(path, LOOKUP_FOLLOW, -EOPNOTSUPP);
}

SYSCALL_DEFINE5(lsetxattr, const char __user *, path, const char __user *, name,
		const void __user *, value, size_t, size, int, flags)
{
	return check_set(name, size, flags) ?: by_path(path, 0, -EOPNOTSUPP);
}

SYSCALL_DEFINE5(fsetxattr, unsigned, fd, const char __user *, name, const void __user *, value,
		size_t, size, int, flags)
{
	return by_fd(fd, 0) ?: check_set(name, size, flags) ?: -EOPNOTSUPP;
}

SYSCALL_DEFINE2(removexattr, const char __user *, path, const char __user *, name)
{
	return check_name(name) ?: by_path(path, LOOKUP_FOLLOW, -EOPNOTSUPP);
}

SYSCALL_DEFINE2(lremovexattr, const char __user *, path, const char __user *, name)
{
	return check_name(name) ?: by_path(path, 0, -EOPNOTSUPP);
}

SYSCALL_DEFINE2(fremovexattr, unsigned, fd, const char __user *, name)
{
	return by_fd(fd, 0) ?: check_name(name) ?: -EOPNOTSUPP;
}

SYSCALL_DEFINE3(listxattr, const char __user *, path, char __user *, list, size_t, size)
{
	return by_path(path, LOOKUP_FOLLOW, 0);
}

SYSCALL_DEFINE3(llistxattr, const char __user *, path, char __user *, list, size_t, size)
{
	return by_path(path, 0, 0);
}

SYSCALL_DEFINE3(flistxattr, unsigned, fd, char __user *, list, size_t, size)
{
	return by_fd(fd, 0);
}
