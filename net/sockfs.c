/*
 * sockfs: the file system that every socket's file lives on. It is mounted inside the kernel only
 * and has no names. A socket's file is its operations (they end in struct proto_ops) and an inode
 * number of its own, which /proc/PID/fd shows as socket:[N] and /proc/net/tcp repeats.
 *
 * No locks: file->private_data is set before the descriptor is installed and stays.
 */

#include "fs/vfs.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"
#include "net/socket.h"

#define SOCKFS_MAGIC 0x534f434b

static struct mount *sock_mnt; /* [I] */

static ssize_t sock_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct msghdr m = {.iter = to, .flags = sock_msg_flags(file, 0)};
	struct sock *sk = file->private_data;

	if (!to->count)
		return 0;
	return sock_recvmsg(sk, &m);
}

static ssize_t sock_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	struct msghdr m = {.iter = from, .flags = sock_msg_flags(file, 0)};

	return sock_sendmsg(file->private_data, &m);
}

static __poll_t sock_poll(struct file *file, struct poll_table *pt)
{
	struct sock *sk = file->private_data;

	poll_wait(file, &sk->wq, pt);
	return sk->ops->poll(sk);
}

static long sock_ioctl(struct file *file, unsigned cmd, u64 arg)
{
	struct sock *sk = file->private_data;

	long ret = sk->ops->ioctl ? sk->ops->ioctl(sk, cmd, arg) : -ENOTTY;

	return ret == -ENOTTY ? dev_ioctl(cmd, (void __user *)arg) : ret;
}

static int sock_flush(struct file *file)
{
	struct sock *sk = file->private_data;

	if (sk && sk->ops->flush)
		sk->ops->flush(sk, file);
	return 0;
}

static void sock_release(struct file *file)
{
	struct sock *sk = file->private_data;

	/* accept(2) makes the file first and may find no connection for it. */
	if (!sk)
		return;
	sock_count_release();
	sk->ops->release(sk);
}

static int sock_getattr(struct file *file, struct kstat *st)
{
	struct sock *sk = file->private_data;

	*st = (struct kstat){
		.dev = file->f_inode->i_sb->s_dev,
		.ino = sk->ino,
		.mode = S_IFSOCK | 0777,
		.nlink = 1,
		.blksize = 4096,
	};
	return 0;
}

static int sock_show_name(struct file *file, char *buf, size_t size)
{
	struct sock *sk = file->private_data;

	return scnprintf(buf, size, "socket:[%lu]", sk->ino);
}

static const struct file_operations socket_file_ops = {
	.read = sock_read,
	.write = sock_write,
	.poll = sock_poll,
	.async = EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLERR | EPOLLPRI,
	.ioctl = sock_ioctl,
	.flush = sock_flush,
	.release = sock_release,
	.getattr = sock_getattr,
	.show_name = sock_show_name,
};

struct file *sock_alloc_file(struct sock *sk, u32 flags)
{
	struct file *file = alloc_file_pseudo(sock_mnt, &socket_file_ops, sk, O_RDWR | flags);

	if (IS_ERR(file))
		return file;
	if (sk && !sk->ino)
		sk->ino = sock_new_ino();
	return file;
}

void sock_attach(struct file *file, struct sock *sk)
{
	if (!sk->ino)
		sk->ino = sock_new_ino();
	file->private_data = sk;
}

struct sock *sock_from_file(const struct file *file)
{
	return file->f_op == &socket_file_ops ? file->private_data : NULL;
}

static const struct super_operations sockfs_super_ops;

static int sockfs_fill_super(struct super_block *sb, const char *options)
{
	struct inode *root = new_inode(sb, S_IFSOCK | 0777);

	if (!root)
		return -ENOMEM;
	sb->s_op = &sockfs_super_ops;
	sb->s_magic = SOCKFS_MAGIC;
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

static struct file_system_type sockfs_type = {
	.name = "sockfs",
	.fill_super = sockfs_fill_super,
};

static int __init sockfs_init(void)
{
	int err = register_filesystem(&sockfs_type);

	if (err)
		return err;
	sock_mnt = kern_mount(&sockfs_type);
	if (IS_ERR(sock_mnt))
		panic("sockfs: cannot mount: %ld", PTR_ERR(sock_mnt));
	return 0;
}
device_initcall(sockfs_init);
