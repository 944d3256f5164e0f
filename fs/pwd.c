/*
 * A task's root, working directory and umask: struct fs_struct, shared by tasks that were made with
 * CLONE_FS. Its system calls: chdir, fchdir, chroot, getcwd, umask. fork and exit are in fstask.c.
 *
 * LOCKING: fs->lock, a few instructions, outside of nothing but reference counts.
 */

#include "fs/internal.h"
#include "kernel/cpu/syscall.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"

struct fs_struct init_fs = {.refs = REFCOUNT_INIT(1), .lock = SPINLOCK_INIT(init_fs.lock)};

static struct fs_struct *current_fs(void)
{
	return current->fs ? current->fs : &init_fs;
}

void fs_get_root(struct path *root)
{
	struct fs_struct *fs = current_fs();

	spin_lock(&fs->lock);
	*root = fs->root;
	path_get(root);
	spin_unlock(&fs->lock);
}

void fs_get_pwd(struct path *pwd)
{
	struct fs_struct *fs = current_fs();

	spin_lock(&fs->lock);
	*pwd = fs->pwd;
	path_get(pwd);
	spin_unlock(&fs->lock);
}

u32 current_umask(void)
{
	return READ_ONCE(current_fs()->umask);
}

/* Takes over the references of @to. */
static void fs_set(struct path *which, struct path to)
{
	struct fs_struct *fs = current->fs;
	struct path old;

	spin_lock(&fs->lock);
	old = *which;
	*which = to;
	spin_unlock(&fs->lock);
	path_put(&old);
}

SYSCALL_DEFINE1(umask, u32, mask)
{
	struct fs_struct *fs = current->fs;
	u32 old;

	spin_lock(&fs->lock);
	old = fs->umask;
	fs->umask = mask & 0777;
	spin_unlock(&fs->lock);
	return old;
}

SYSCALL_DEFINE1(chdir, const char __user *, name)
{
	struct path p;
	int err = user_path_at(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (err)
		return err;
	err = inode_permission(p.dentry->d_inode, MAY_EXEC);
	if (err)
		path_put(&p);
	else
		fs_set(&current->fs->pwd, p);
	return err;
}

SYSCALL_DEFINE1(fchdir, unsigned, fd)
{
	struct fd f = fdget_path(fd);
	struct path p;
	int err = 0;

	if (!f.file)
		return -EBADF;
	if (!f.file->f_dentry || !S_ISDIR(f.file->f_inode->i_mode))
		err = -ENOTDIR;
	else
		err = inode_permission(f.file->f_inode, MAY_EXEC);
	if (!err) {
		p = (struct path){f.file->f_mnt, f.file->f_dentry};
		path_get(&p);
		fs_set(&current->fs->pwd, p);
	}
	fdput(f);
	return err;
}

SYSCALL_DEFINE1(chroot, const char __user *, name)
{
	struct path p;
	int err = user_path_at(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (err)
		return err;
	err = inode_permission(p.dentry->d_inode, MAY_EXEC);
	if (!err && !capable(CAP_SYS_CHROOT))
		err = -EPERM;
	if (err)
		path_put(&p);
	else
		fs_set(&current->fs->root, p);
	return err;
}

SYSCALL_DEFINE2(getcwd, char __user *, buf, size_t, size)
{
	struct path root, pwd;
	char *text = kmem_cache_alloc(names_cache, GFP_KERNEL);
	ssize_t n;

	if (!text)
		return -ENOMEM;
	fs_get_root(&root);
	fs_get_pwd(&pwd);
	n = READ_ONCE(pwd.dentry->d_unlinked) ? -ENOENT
					      : path_text(&pwd, &root, text, PATH_MAX, true);
	path_put(&pwd);
	path_put(&root);
	if (n >= 0 && (size_t)n + 1 > size)
		n = -ERANGE;
	else if (n >= 0 && copy_to_user(buf, text, (size_t)n + 1))
		n = -EFAULT;
	kmem_cache_free(names_cache, text);
	return n < 0 ? n : n + 1;
}
