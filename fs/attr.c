/*
 * Attributes that are changed by name or descriptor: mode, owner, times; and access(2), which asks
 * what they allow. Changes are made under the inode's i_mutex and set its time of change.
 *
 * Each family has the same two ways to name its file: a path relative to a directory descriptor
 * (target_at) and a descriptor (target_fd); both give a struct path with references.
 */

#include "fs/internal.h"
#include "fs/notify.h"
#include "kernel/cpu/syscall.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/signal.h"
#include "kernel/time/ktime.h"

#define UTIME_NOW  0x3fffffffl
#define UTIME_OMIT 0x3ffffffel

/* ---- naming the file ---- */

static int target_at(int dfd, const char __user *name, int at_flags, int allowed, struct path *p)
{
	unsigned lookup = LOOKUP_FOLLOW;

	if (at_flags & ~allowed)
		return -EINVAL;
	if (at_flags & AT_SYMLINK_NOFOLLOW)
		lookup = 0;
	if (at_flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	return user_path_at(dfd, name, lookup, p);
}

static int target_fd(unsigned fd, struct path *p)
{
	struct fd f = fdget(fd);
	int err = 0;

	if (!f.file)
		return -EBADF;
	if (f.file->f_dentry) {
		*p = (struct path){f.file->f_mnt, f.file->f_dentry};
		path_get(p);
	} else {
		err = -EPERM; /* sockets and their like: nothing to change, owner of nothing */
	}
	fdput(f);
	return err;
}

/* ---- mode ---- */

int do_chmod(struct inode *inode, u32 mode)
{
	mode &= 07777;
	if (S_ISLNK(inode->i_mode))
		return -EOPNOTSUPP;
	if (!inode_owner_or_root(inode))
		return -EPERM;
	if (!in_group(inode->i_gid) && !capable(CAP_FSETID))
		mode &= ~S_ISGID;
	mutex_lock(&inode->i_mutex);
	inode->i_mode = (inode->i_mode & S_IFMT) | mode;
	inode->i_ctime = ktime_get_real();
	mutex_unlock(&inode->i_mutex);
	return 0;
}

/* Takes over the references of @p. */
static long chmod_path(struct path *p, u32 mode)
{
	int err = mnt_want_write(p->mnt) ?: do_chmod(p->dentry->d_inode, mode);

	if (!err)
		notify_dentry(p->dentry, IN_ATTRIB);
	path_put(p);
	return err;
}

static long chmod_at(int dfd, const char __user *name, u32 mode)
{
	struct path p;
	int err = target_at(dfd, name, 0, 0, &p);

	return err ? err : chmod_path(&p, mode);
}

SYSCALL_DEFINE2(chmod, const char __user *, name, u32, mode)
{
	return chmod_at(AT_FDCWD, name, mode);
}

SYSCALL_DEFINE3(fchmodat, int, dfd, const char __user *, name, u32, mode)
{
	return chmod_at(dfd, name, mode);
}

SYSCALL_DEFINE2(fchmod, unsigned, fd, u32, mode)
{
	struct path p;
	int err = target_fd(fd, &p);

	return err ? err : chmod_path(&p, mode);
}

/* ---- owner ---- */

/* Only root gives files away; an owner may name a group that he is in. */
static bool may_chown(const struct inode *i, u32 uid, u32 gid)
{
	bool mine = current_fsuid() == i->i_uid;

	if (capable(CAP_CHOWN))
		return true;
	if (uid != -1u && !(mine && uid == i->i_uid))
		return false;
	return gid == -1u || (mine && (gid == i->i_gid || in_group(gid)));
}

/* -1 leaves a part as it is. Takes over the references of @p. */
static long do_chown(struct path *p, u32 uid, u32 gid)
{
	struct inode *i = p->dentry->d_inode;
	int err = mnt_want_write(p->mnt);

	if (!err && !may_chown(i, uid, gid))
		err = -EPERM;
	if (!err) {
		mutex_lock(&i->i_mutex);
		if (uid != -1u)
			i->i_uid = uid;
		if (gid != -1u)
			i->i_gid = gid;
		if (!S_ISDIR(i->i_mode))
			i->i_mode &= ~(i->i_mode & 0010 ? S_ISUID | S_ISGID : S_ISUID);
		i->i_ctime = ktime_get_real();
		mutex_unlock(&i->i_mutex);
		notify_dentry(p->dentry, IN_ATTRIB);
	}
	path_put(p);
	return err;
}

static long chown_at(int dfd, const char __user *name, u32 uid, u32 gid, int flags)
{
	struct path p;
	int err = target_at(dfd, name, flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, &p);

	return err ? err : do_chown(&p, uid, gid);
}

SYSCALL_DEFINE3(chown, const char __user *, name, u32, uid, u32, gid)
{
	return chown_at(AT_FDCWD, name, uid, gid, 0);
}

SYSCALL_DEFINE3(lchown, const char __user *, name, u32, uid, u32, gid)
{
	return chown_at(AT_FDCWD, name, uid, gid, AT_SYMLINK_NOFOLLOW);
}

SYSCALL_DEFINE5(fchownat, int, dfd, const char __user *, name, u32, uid, u32, gid, int, flags)
{
	return chown_at(dfd, name, uid, gid, flags);
}

SYSCALL_DEFINE3(fchown, unsigned, fd, u32, uid, u32, gid)
{
	struct path p;
	int err = target_fd(fd, &p);

	return err ? err : do_chown(&p, uid, gid);
}

/* ---- times ---- */

/* Only one of the two times is what reading or writing would have done. */
static u32 utimes_event(const struct timespec *ts)
{
	if (ts && ts[1].tv_nsec == UTIME_OMIT)
		return IN_ACCESS;
	return ts && ts[0].tv_nsec == UTIME_OMIT ? IN_MODIFY : IN_ATTRIB;
}

/* As inode.i_atime holds it. What lies beyond becomes the first or the last second that fits. */
static s64 file_time(const struct timespec *ts)
{
	const s64 end = INT64_MAX / (s64)NSEC_PER_SEC - 1;

	if (ts->tv_sec < -end || ts->tv_sec > end)
		return (ts->tv_sec < 0 ? -end : end) * (s64)NSEC_PER_SEC;
	return ts->tv_sec * (s64)NSEC_PER_SEC + ts->tv_nsec;
}

/* ts NULL: both now. Takes over the references of @p. */
static long do_utimes(struct path *p, const struct timespec *ts)
{
	struct inode *i = p->dentry->d_inode;
	s64 now = ktime_get_real();
	bool touch = !ts || (ts[0].tv_nsec == UTIME_NOW && ts[1].tv_nsec == UTIME_NOW);
	int err = mnt_want_write(p->mnt);

	/* Setting both to now is for whoever may write; anything else for the owner. utimensat(2) */
	if (!err && !inode_owner_or_root(i))
		err = touch ? inode_permission(i, MAY_WRITE) : -EPERM;
	if (!err) {
		mutex_lock(&i->i_mutex);
		if (!ts || ts[0].tv_nsec == UTIME_NOW)
			i->i_atime = now;
		else if (ts[0].tv_nsec != UTIME_OMIT)
			i->i_atime = file_time(&ts[0]);
		if (!ts || ts[1].tv_nsec == UTIME_NOW)
			i->i_mtime = now;
		else if (ts[1].tv_nsec != UTIME_OMIT)
			i->i_mtime = file_time(&ts[1]);
		i->i_ctime = now;
		mutex_unlock(&i->i_mutex);
		notify_dentry(p->dentry, utimes_event(ts));
	}
	path_put(p);
	return err;
}

static bool nsec_valid(s64 ns)
{
	return (ns >= 0 && ns < (s64)NSEC_PER_SEC) || ns == UTIME_NOW || ns == UTIME_OMIT;
}

static long utimes_at(int dfd, const char __user *name, const struct timespec *ts, int flags)
{
	struct path p;
	int err;

	if (ts && (!nsec_valid(ts[0].tv_nsec) || !nsec_valid(ts[1].tv_nsec)))
		return -EINVAL;
	if (!name && dfd != AT_FDCWD)
		err = flags ? -EINVAL : target_fd((unsigned)dfd, &p);
	else
		err = target_at(dfd, name, flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, &p);
	return err ? err : do_utimes(&p, ts);
}

SYSCALL_DEFINE4(utimensat, int, dfd, const char __user *, name, const struct timespec __user *, uts,
		int, flags)
{
	struct timespec ts[2];

	if (!uts)
		return utimes_at(dfd, name, NULL, flags);
	if (copy_from_user(ts, uts, sizeof(ts)))
		return -EFAULT;
	if (ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT)
		return 0;
	return utimes_at(dfd, name, ts, flags);
}

static long utimes_us(int dfd, const char __user *name, const struct timeval __user *utv)
{
	struct timeval tv[2];
	struct timespec ts[2];

	if (!utv)
		return utimes_at(dfd, name, NULL, 0);
	if (copy_from_user(tv, utv, sizeof(tv)))
		return -EFAULT;
	for (int i = 0; i < 2; i++) {
		if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
			return -EINVAL;
		ts[i] = (struct timespec){tv[i].tv_sec, tv[i].tv_usec * 1000};
	}
	return utimes_at(dfd, name, ts, 0);
}

SYSCALL_DEFINE2(utimes, const char __user *, name, const struct timeval __user *, tv)
{
	return utimes_us(AT_FDCWD, name, tv);
}

SYSCALL_DEFINE3(futimesat, int, dfd, const char __user *, name, const struct timeval __user *, tv)
{
	return utimes_us(dfd, name, tv);
}

SYSCALL_DEFINE2(utime, const char __user *, name, const s64 __user *, times)
{
	struct timespec ts[2] = {{0, 0}, {0, 0}};
	s64 t[2];

	if (!times)
		return utimes_at(AT_FDCWD, name, NULL, 0);
	if (copy_from_user(t, times, sizeof(t)))
		return -EFAULT;
	ts[0].tv_sec = t[0];
	ts[1].tv_sec = t[1];
	return utimes_at(AT_FDCWD, name, ts, 0);
}

/* ---- access ---- */

/* What the mount allows of what the file's mode allows. */
static int check_mount(const struct path *p, int mode)
{
	u32 type = p->dentry->d_inode->i_mode & S_IFMT;

	if ((mode & MAY_EXEC) && type == S_IFREG && (READ_ONCE(p->mnt->flags) & MS_NOEXEC))
		return -EACCES;
	if ((mode & MAY_WRITE) && (type == S_IFREG || type == S_IFDIR))
		return mnt_want_write(p->mnt);
	return 0;
}

static long access_by_ids(int dfd, const char __user *name, u32 mode, int flags)
{
	struct path p;
	int err;

	err = target_at(dfd, name, flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, &p);
	if (err)
		return err;
	err = inode_permission(p.dentry->d_inode, (int)mode);
	if (!err)
		err = check_mount(&p, (int)mode);
	path_put(&p);
	return err;
}

/*
 * By the real user, on the whole way, unless asked for the effective one: access(2) is for set-uid
 * programs.
 */
static long do_access(int dfd, const char __user *name, u32 mode, int flags)
{
	long err;

	if (mode & ~7u)
		return -EINVAL;
	current->real_ids = !(flags & AT_EACCESS);
	err = access_by_ids(dfd, name, mode, flags & ~AT_EACCESS);
	current->real_ids = false;
	return err;
}

SYSCALL_DEFINE2(access, const char __user *, name, u32, mode)
{
	return do_access(AT_FDCWD, name, mode, 0);
}

SYSCALL_DEFINE3(faccessat, int, dfd, const char __user *, name, u32, mode)
{
	return do_access(dfd, name, mode, 0);
}

SYSCALL_DEFINE4(faccessat2, int, dfd, const char __user *, name, u32, mode, int, flags)
{
	return do_access(dfd, name, mode, flags);
}
