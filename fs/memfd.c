/*
 * memfd_create(2): a file of tmpfs that has no name, and seals: promises about a file that cannot be
 * taken back, so that who gets it from another process need not trust that one.
 *
 *	F_SEAL_SHRINK, F_SEAL_GROW	the size only grows, only shrinks
 *	F_SEAL_WRITE			the bytes stay as they are
 *	F_SEAL_FUTURE_WRITE		the same, but mappings that can write already may
 *	F_SEAL_SEAL			no more seals
 *
 * tmpfs keeps the promises (check_seals() in tmpfs.h and its callers). Its other files have
 * F_SEAL_SEAL from the start.
 *
 * F_SEAL_WRITE is refused while the file is mapped shared and writable. Seals are set first and
 * mappings looked for then; a page fault looks at the seals, under the lock that sets them, before
 * it shows a page in such a mapping. So of a mapping that comes at the same moment either the seal
 * or the mapping's faults know.
 *
 * LOCKING: seals change under the inode's i_mutex and pages_lock; either is enough to read them.
 */

#include "fs/tmpfs.h"
#include "kernel/cpu/syscall.h"
#include "kernel/lib/init.h"
#include "kernel/lib/string.h"
#include "kernel/mm/uaccess.h"

#define MFD_CLOEXEC       1u
#define MFD_ALLOW_SEALING 2u

static struct mount *memfd_mnt; /* [I] an instance of its own, seen in no folder */

SYSCALL_DEFINE2(memfd_create, const char __user *, uname, unsigned, flags)
{
	char name[NAME_MAX + 1] = "memfd:";
	struct inode *inode;
	struct file *f;
	ssize_t n;

	if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING))
		return -EINVAL;
	n = strncpy_from_user(name + 6, uname, sizeof(name) - 6);
	if (n < 0)
		return n;
	if ((size_t)n == sizeof(name) - 6)
		return -EINVAL;
	inode = tmpfs_inode(memfd_mnt->sb, S_IFREG | 0777);
	if (!inode)
		return -ENOMEM;
	if (flags & MFD_ALLOW_SEALING)
		((struct tmpfs_file *)inode->i_private)->seals = 0;
	f = open_nameless(&(struct path){memfd_mnt, memfd_mnt->root}, name, inode,
			  O_RDWR | O_LARGEFILE);
	if (!IS_ERR(f))
		end_writing(f); /* it may be run while it is open: seals are for those who mind */
	return fd_install_new(f, flags & MFD_CLOEXEC ? O_CLOEXEC : 0);
}

/* Is there a shared mapping through a file that was opened to write? */
static bool is_mapped_writable(struct tmpfs_file *tf)
{
	struct vm_area *vma;
	bool found = false;

	spin_lock(&tf->mapping.lock);
	list_for_each_entry(vma, &tf->mapping.areas, share_link) {
		const struct file *f = vma->object;

		found |= (vma->flags & VM_SHARED) && (f->f_mode & FMODE_WRITE);
	}
	spin_unlock(&tf->mapping.lock);
	return found;
}

static long add_seals(struct inode *inode, u32 seals)
{
	struct tmpfs_file *tf = inode->i_private;
	u32 before;
	long err = 0;

	mutex_lock(&inode->i_mutex);
	before = tf->seals;
	if (before & F_SEAL_SEAL) {
		err = -EPERM;
		goto out;
	}
	mutex_lock(&tf->pages_lock);
	tf->seals |= seals;
	mutex_unlock(&tf->pages_lock);
	if ((seals & ~before & F_SEAL_WRITE) && is_mapped_writable(tf)) {
		mutex_lock(&tf->pages_lock);
		tf->seals = before;
		mutex_unlock(&tf->pages_lock);
		err = -EBUSY;
	}
out:
	mutex_unlock(&inode->i_mutex);
	return err;
}

long seal_fcntl(struct file *f, unsigned cmd, u64 arg)
{
	struct tmpfs_file *tf = is_tmpfs_file(f) ? f->f_inode->i_private : NULL;

	if (cmd == F_GET_SEALS)
		return tf ? (long)READ_ONCE(tf->seals) : -EINVAL;
	if (!(f->f_mode & FMODE_WRITE))
		return -EPERM;
	if (!tf || (arg & ~(u64)F_ALL_SEALS))
		return -EINVAL;
	return add_seals(f->f_inode, (u32)arg);
}

static int __init memfd_init(void)
{
	memfd_mnt = kern_mount(&tmpfs_type);
	if (IS_ERR(memfd_mnt))
		panic("cannot mount tmpfs for memfd: %ld", PTR_ERR(memfd_mnt));
	return 0;
}
fs_initcall(memfd_init);
