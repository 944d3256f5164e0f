/*
 * Devices as files. A driver registers operations under a device number and a name; devfs makes the
 * node /dev/NAME, and opening any node with that number, wherever it lies, finds the operations.
 *
 *	devfs_register("tty", 0666, MKDEV(5, 0), &tty_fops, priv)
 *	open("/dev/tty") -> chrdev_open() -> f_op = tty_fops, private_data = priv -> tty_fops.open()
 *
 * The file system is a tmpfs that is mounted on /dev and filled by the kernel (Linux's devtmpfs), so
 * programs may add links and nodes of their own. The devices that need no hardware are at the end
 * of this file: null, zero, full, random, urandom. (kmsg.c has the log.)
 *
 * LOCKING: cdev_lock guards the list of devices; process context, a leaf. A device stays for good.
 */

#include "fs/internal.h"
#include "kernel/lib/random.h"
#include "kernel/lib/seq.h"
#include "kernel/lib/string.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/signal.h"

struct cdev {
	struct list_head link; /* [cdev_lock] */
	const char *name;
	u64 rdev;
	bool whole_major; /* every minor number of it */
	const struct file_operations *fop;
	void *priv;
};

static DEFINE_SPINLOCK(cdev_lock);
static LIST_HEAD(cdevs);
static struct mount *dev_mnt;

/* ---- opening a node ---- */

static int chrdev_open(struct inode *inode, struct file *file)
{
	const struct file_operations *fop = NULL;
	struct cdev *c;

	spin_lock(&cdev_lock);
	list_for_each_entry(c, &cdevs, link) {
		if (c->rdev == inode->i_rdev ||
		    (c->whole_major && MAJOR(c->rdev) == MAJOR(inode->i_rdev))) {
			fop = c->fop;
			file->private_data = c->priv;
			break;
		}
	}
	spin_unlock(&cdev_lock);
	if (!fop)
		return -ENXIO;
	file->f_op = fop;
	return fop->open ? fop->open(inode, file) : 0;
}
const struct file_operations chrdev_fops = {.open = chrdev_open};

/* ---- registration ---- */

/* The directory that is to hold /dev/@name, referenced, made if need be; *last is the name in it. */
static struct dentry *node_dir(const char *name, const char **last)
{
	struct dentry *dir = dget(dev_mnt->root);

	for (;;) {
		const char *slash = strchr(name, '/');
		struct dentry *d;
		int err = 0;

		if (!slash) {
			*last = name;
			return dir;
		}
		mutex_lock(&dir->d_inode->i_mutex);
		d = lookup_one(dir, name, (size_t)(slash - name));
		if (!IS_ERR(d) && !d->d_inode)
			err = dir->d_inode->i_op->mkdir(dir->d_inode, d, 0755);
		mutex_unlock(&dir->d_inode->i_mutex);
		dput(dir);
		if (IS_ERR(d))
			return d;
		if (err || !S_ISDIR(d->d_inode->i_mode)) {
			dput(d);
			return ERR_PTR(err ? err : -ENOTDIR);
		}
		dir = d;
		name = slash + 1;
	}
}

/* Makes the node (@rdev), link (@target) or folder /dev/@name. */
static int make_node(const char *name, u32 mode, u64 rdev, const char *target)
{
	struct dentry *dir = node_dir(name, &name), *d;
	struct inode *i;
	int err;

	if (IS_ERR(dir))
		return (int)PTR_ERR(dir);
	i = dir->d_inode;
	mutex_lock(&i->i_mutex);
	d = lookup_one(dir, name, strlen(name));
	if (IS_ERR(d))
		err = (int)PTR_ERR(d);
	else if (d->d_inode)
		err = -EEXIST;
	else if (target)
		err = i->i_op->symlink(i, d, target);
	else if (S_ISDIR(mode))
		err = i->i_op->mkdir(i, d, mode);
	else
		err = i->i_op->mknod(i, d, mode, rdev);
	mutex_unlock(&i->i_mutex);
	if (!IS_ERR(d))
		dput(d);
	dput(dir);
	return err;
}

static int add_cdev(const char *name, u64 rdev, bool whole_major, const struct file_operations *fop,
		    void *priv)
{
	struct cdev *c = kmalloc(sizeof(*c), GFP_KERNEL);

	if (!c)
		return -ENOMEM;
	c->name = name;
	c->rdev = rdev;
	c->whole_major = whole_major;
	c->fop = fop;
	c->priv = priv;
	spin_lock(&cdev_lock);
	list_add_tail(&c->link, &cdevs);
	spin_unlock(&cdev_lock);
	return 0;
}

int devfs_register_major(const char *name, unsigned major, const struct file_operations *fop)
{
	return add_cdev(name, MKDEV(major, 0), true, fop, NULL);
}

int devfs_register(const char *name, u32 mode, u64 rdev, const struct file_operations *fop,
		   void *priv)
{
	int err = make_node(name, S_IFCHR | mode, rdev, NULL);

	return err ? err : add_cdev(name, rdev, false, fop, priv);
}

static struct cdev *next_cdev(struct cdev *c)
{
	spin_lock(&cdev_lock);
	c = c->link.next == &cdevs ? NULL : list_next_entry(c, link);
	spin_unlock(&cdev_lock);
	return c;
}

static void show_devices(struct seq *s)
{
	struct cdev *c = list_first_entry(&cdevs, struct cdev, link); /* since boot, for good */

	seq_printf(s, "Character devices:\n");
	for (; c; c = next_cdev(c))
		seq_printf(s, "%3u %s%s\n", (unsigned)MAJOR(c->rdev), c->whole_major ? "" : "/dev/",
			   c->name);
	seq_printf(s, "\nBlock devices:\n");
}
PROC_ENTRY(devices, "devices", show_devices);

/* ---- devices without hardware ---- */

static ssize_t null_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	return 0;
}

static ssize_t null_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	size_t n = from->count;

	iov_iter_advance(from, n);
	return (ssize_t)n;
}

static ssize_t zero_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	size_t done = 0;

	while (to->count) {
		size_t n = min(to->count, (size_t)PAGE_SIZE * 16), moved = iov_iter_zero(n, to);

		done += moved;
		if (moved < n)
			return done ? (ssize_t)done : -EFAULT;
		if (signal_pending(current))
			break;
		cond_resched();
	}
	return (ssize_t)done;
}

static ssize_t full_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	return -ENOSPC;
}

/* A mapping of /dev/zero is anonymous memory. */
static int zero_mmap(struct file *file, u64 len, int prot, int flags, u64 offset,
		     const struct vm_ops **ops, void **object)
{
	*ops = NULL;
	*object = NULL;
	return 0;
}

static ssize_t random_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	u8 block[256];
	size_t done = 0;

	while (to->count) {
		size_t n = min(to->count, sizeof(block)), moved;

		get_random_bytes(block, n);
		moved = copy_to_iter(block, n, to);
		done += moved;
		if (moved < n)
			return done ? (ssize_t)done : -EFAULT;
		if (signal_pending(current))
			break;
		cond_resched();
	}
	return (ssize_t)done;
}

static ssize_t random_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	u8 block[64];
	size_t done = 0;

	while (from->count) {
		size_t n = copy_from_iter(block, min(from->count, sizeof(block)), from);

		if (!n)
			return done ? (ssize_t)done : -EFAULT;
		add_randomness(block, n);
		done += n;
		cond_resched();
	}
	return (ssize_t)done;
}

/* The generator is always ready, so there is nothing to wait for, random(4). */
static __poll_t random_poll(struct file *file, struct poll_table *pt)
{
	return EPOLLIN | EPOLLRDNORM;
}

/* Of these only random has a poll operation; the others are EPERM for epoll, as on Linux. */
static const struct file_operations null_fops = {
	.read = null_read,
	.write = null_write,
	.llseek = noop_llseek,
};
static const struct file_operations zero_fops = {
	.read = zero_read,
	.write = null_write,
	.llseek = noop_llseek,
	.mmap = zero_mmap,
};
static const struct file_operations full_fops = {
	.read = zero_read,
	.write = full_write,
	.llseek = noop_llseek,
};
static const struct file_operations random_fops = {
	.read = random_read,
	.write = random_write,
	.poll = random_poll,
	.llseek = noop_llseek,
};
static const struct file_operations urandom_fops = {
	.read = random_read,
	.write = random_write,
	.llseek = noop_llseek,
};

static const struct {
	const char *name;
	u32 mode;
	unsigned minor;
	const struct file_operations *fop;
} memory_devices[] = {
	{"null", 0666, 3, &null_fops},       {"zero", 0666, 5, &zero_fops},
	{"full", 0666, 7, &full_fops},       {"random", 0666, 8, &random_fops},
	{"urandom", 0666, 9, &urandom_fops}, {"kmsg", 0644, 11, &kmsg_fops},
};

static const struct {
	const char *name, *target;
} links[] = {
	{"fd", "/proc/self/fd"},
	{"stdin", "/proc/self/fd/0"},
	{"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"},
};

static struct file_system_type devfs_type = {
	.name = "devtmpfs",
	.fill_super = tmpfs_fill_super,
	.kill_super = tmpfs_kill_super,
	.single = true,
};

void devfs_init(void)
{
	int err = register_filesystem(&devfs_type);

	dev_mnt = err ? ERR_PTR(err) : kern_mount(&devfs_type);
	if (IS_ERR(dev_mnt))
		panic("cannot make devtmpfs: %ld", PTR_ERR(dev_mnt));
	for (size_t i = 0; i < ARRAY_SIZE(memory_devices); i++)
		devfs_register(memory_devices[i].name, memory_devices[i].mode,
			       MKDEV(1, memory_devices[i].minor), memory_devices[i].fop, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		make_node(links[i].name, 0, 0, links[i].target);
	make_node("shm", S_IFDIR | S_ISVTX | 0777, 0, NULL); /* shm_open(3) */
}
