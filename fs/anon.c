/*
 * anon_inodefs: the file system of files that have no kind of their own (eventfd, timerfd,
 * signalfd). It has one inode, which all of them share, and no names; it exists so that such a file
 * has a device number and a mount like any other.
 */

#include "fs/internal.h"
#include "kernel/lib/init.h"

#define ANON_INODE_FS_MAGIC 0x09041934u

static struct mount *anon_mnt;

static const struct super_operations anon_sops = {.evict = NULL};

static int anon_fill_super(struct super_block *sb, const char *options)
{
	struct inode *root;

	sb->s_op = &anon_sops;
	sb->s_magic = ANON_INODE_FS_MAGIC;
	root = new_inode(sb, 0600);
	sb->s_root = root ? d_make_root(root) : NULL;
	return sb->s_root ? 0 : -ENOMEM;
}

static struct file_system_type anon_type = {
	.name = "anon_inodefs",
	.fill_super = anon_fill_super,
};

struct file *anon_file(const struct file_operations *fop, void *priv, u32 flags)
{
	return alloc_file_pseudo(anon_mnt, fop, priv, flags);
}

static int __init anon_init(void)
{
	int err = register_filesystem(&anon_type);

	if (err)
		return err;
	anon_mnt = kern_mount(&anon_type);
	if (IS_ERR(anon_mnt))
		panic("cannot mount anon_inodefs: %ld", PTR_ERR(anon_mnt));
	return 0;
}
fs_initcall(anon_init);
