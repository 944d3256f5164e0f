/*
 * procfs: the kernel's own account of itself, as files on /proc. Nothing is stored; a text is written
 * when somebody reads it.
 *
 * Two sources. The first is the PROC_ENTRY table, where every room of the kernel lists what it has
 * to show; from its paths a tree of nodes is built at boot and never changes. The second is
 * the processes (proc_pid.c), whose folders are made up by each lookup.
 *
 * An open text file (struct proc_text) holds the whole text of the moment at which it was read from
 * position 0, so that a reader with a small buffer gets one consistent picture, and one that seeks
 * back to 0 gets a new one.
 *
 * LOCKING: nodes are immutable after boot. proc_text.lock (a mutex) guards an open file's text and
 * position. It is held while the text is written, so it comes before whatever a show function takes
 * (mm->lock, net_lock, tasklist_lock), and user memory is touched under it.
 */

#include "fs/proc.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/signal.h"

#define PROC_SUPER_MAGIC 0x9fa0u
#define PID_POS          256 /* readdir position of process 0; the nodes' are below */

struct proc_node {
	const char *name; /* not NUL-terminated: a piece of the entry's path */
	size_t len;
	const struct proc_entry *entry; /* NULL: a folder */
	struct proc_node *children, *next;
};

struct proc_text {
	struct mutex lock;
	struct seq seq;       /* [lock] */
	bool filled;          /* [lock] */
	unsigned mounts_seen; /* mount_changes() at the last poll */
};

static struct proc_node root_node;
static const struct inode_operations dir_iops, root_iops, self_iops;
static const struct file_operations dir_fops, root_fops, node_fops;

/* ---- inodes ---- */

struct inode *proc_inode(struct super_block *sb, u32 mode, const struct proc_ref *ref)
{
	struct inode *i = new_inode(sb, mode);
	struct proc_ref *copy = i ? kmalloc(sizeof(*copy), GFP_KERNEL) : NULL;

	if (!copy) {
		if (i)
			iput(i);
		return ERR_PTR(-ENOMEM);
	}
	*copy = *ref;
	i->i_private = copy;
	i->i_uid = i->i_gid = 0;
	return i;
}

static void proc_evict(struct inode *i)
{
	kfree(i->i_private);
}

static struct inode *node_inode(struct super_block *sb, const struct proc_node *n)
{
	const struct proc_ref ref = {.node = n};
	struct inode *i;

	if (!n->entry) {
		i = proc_inode(sb, S_IFDIR | 0555, &ref);
		if (!IS_ERR(i)) {
			i->i_op = &dir_iops;
			i->i_fop = &dir_fops;
		}
		return i;
	}
	i = proc_inode(sb, S_IFREG | (n->entry->store ? 0644 : 0444), &ref);
	if (!IS_ERR(i))
		i->i_fop = &node_fops;
	return i;
}

/* ---- text files ---- */

static int proc_open(struct inode *inode, struct file *file)
{
	struct proc_text *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	mutex_init(&t->lock);
	t->mounts_seen = mount_changes();
	file->private_data = t;
	return 0;
}

static void proc_release(struct file *file)
{
	struct proc_text *t = file->private_data;

	seq_free(&t->seq);
	kfree(t);
}

/* t->lock held. */
static int proc_fill(const struct proc_ref *ref, struct proc_text *t)
{
	int err = 0;

	seq_free(&t->seq);
	if (ref->node)
		ref->node->entry->show(&t->seq);
	else
		err = pid_show(ref, &t->seq);
	if (!err)
		err = t->seq.err;
	t->filled = !err;
	return err;
}

static ssize_t proc_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct proc_text *t = file->private_data;
	ssize_t ret = 0;

	mutex_lock(&t->lock);
	if (*pos == 0 || !t->filled)
		ret = proc_fill(proc_ref(file->f_inode), t);
	if (!ret && (size_t)*pos < t->seq.len && to->count) {
		size_t n = min(t->seq.len - (size_t)*pos, to->count);

		n = copy_to_iter(t->seq.buf + *pos, n, to);
		*pos += (loff_t)n;
		ret = n ? (ssize_t)n : -EFAULT;
	}
	mutex_unlock(&t->lock);
	return ret;
}

static loff_t proc_llseek(struct file *file, loff_t off, int whence)
{
	struct proc_text *t = file->private_data;
	loff_t ret;

	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	mutex_lock(&t->lock);
	ret = generic_file_llseek(file, off, whence, 0);
	mutex_unlock(&t->lock);
	return ret;
}

static ssize_t proc_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	const struct proc_ref *ref = proc_ref(file->f_inode);
	size_t n = from->count, len;
	char *text;
	int err;

	if (ref->node && !ref->node->entry->store)
		return -EIO;
	if (n >= PAGE_SIZE)
		return -EINVAL;
	text = kmalloc(n + 1, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	if (copy_from_iter(text, n, from) != n) {
		kfree(text);
		return -EFAULT;
	}
	len = n && text[n - 1] == '\n' ? n - 1 : n; /* what echo adds is not part of the value */
	text[len] = '\0';
	err = ref->node ? ref->node->entry->store(text, len) : pid_store(ref, text);
	kfree(text);
	return err ? err : (ssize_t)n;
}

/* As on Linux, a process's text has no poll operation; the kernel's has one and is always ready. */
static __poll_t node_poll(struct file *file, struct poll_table *pt)
{
	return DEFAULT_POLLMASK;
}

/* A change of the mounts is EPOLLERR and EPOLLPRI, told once to each open file (proc(5)). */
static __poll_t mounts_poll(struct file *file, struct poll_table *pt)
{
	struct proc_text *t = file->private_data;
	unsigned now;

	poll_wait(file, &mounts_wait, pt);
	now = mount_changes();
	if (xchg(&t->mounts_seen, now) == now)
		return EPOLLIN | EPOLLRDNORM;
	return EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLPRI;
}

#define TEXT_FOPS(poll_) \
	{ \
		.read = proc_read, .write = proc_write, .llseek = proc_llseek, .open = proc_open, \
		.release = proc_release, .poll = (poll_) \
	}
const struct file_operations proc_text_fops = TEXT_FOPS(NULL);
const struct file_operations proc_mounts_fops = TEXT_FOPS(mounts_poll);
static const struct file_operations node_fops = TEXT_FOPS(node_poll);

/* ---- folders ---- */

long proc_number(const char *name, size_t len)
{
	long v = 0;

	if (!len || len > 9 || (len > 1 && *name == '0'))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		v = v * 10 + (name[i] - '0');
	}
	return v;
}

bool proc_emit_dots(struct file *file, struct dir_context *ctx)
{
	struct dentry *d = file->f_dentry;

	if (ctx->pos == 0) {
		if (!dir_emit(ctx, ".", 1, file->f_inode->i_ino, DT_DIR))
			return false;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		if (!dir_emit(ctx, "..", 2, d->d_parent->d_inode->i_ino, DT_DIR))
			return false;
		ctx->pos = 2;
	}
	return true;
}

loff_t proc_dir_llseek(struct file *file, loff_t off, int whence)
{
	return dir_llseek(file, off, whence);
}

static struct proc_node *find_child(const struct proc_node *dir, const char *name, size_t len)
{
	struct proc_node *n;

	for (n = dir->children; n; n = n->next)
		if (n->len == len && !memcmp(n->name, name, len))
			return n;
	return NULL;
}

static struct inode *dir_lookup(struct inode *dir, const char *name, size_t len)
{
	struct proc_node *n = find_child(proc_ref(dir)->node, name, len);

	return n ? node_inode(dir->i_sb, n) : ERR_PTR(-ENOENT);
}

/* The children of a node, at positions from 2 on; false: no room. */
static bool emit_children(const struct proc_node *dir, struct dir_context *ctx)
{
	const struct proc_node *n;
	loff_t pos = 2;

	for (n = dir->children; n; n = n->next, pos++) {
		if (pos < ctx->pos)
			continue;
		/* Inodes are made when they are looked up; any number but 0 will do here. */
		if (!dir_emit(ctx, n->name, n->len, (u64)(uintptr_t)n >> 3 & 0x7fffffff,
			      n->entry ? DT_REG : DT_DIR))
			return false;
		ctx->pos = pos + 1;
	}
	return true;
}

static int dir_iterate(struct file *file, struct dir_context *ctx)
{
	if (proc_emit_dots(file, ctx))
		emit_children(proc_ref(file->f_inode)->node, ctx);
	return 0;
}

/* ---- /proc itself: nodes, links to the reader's own, processes ---- */

static const struct {
	const char *name;
	size_t len;
} self_names[] = {{"self", 4}, {"thread-self", 11}, {"mounts", 6}};

static struct inode *root_lookup(struct inode *dir, const char *name, size_t len)
{
	struct proc_ref ref = {0};
	struct inode *i;
	long pid;

	for (unsigned k = 0; k < ARRAY_SIZE(self_names); k++) {
		if (len != self_names[k].len || memcmp(name, self_names[k].name, len))
			continue;
		ref.fd = k;
		i = proc_inode(dir->i_sb, S_IFLNK | 0777, &ref);
		if (!IS_ERR(i))
			i->i_op = &self_iops;
		return i;
	}
	pid = proc_number(name, len);
	if (pid > 0)
		return pid_dir_inode(dir->i_sb, (pid_t)pid);
	return dir_lookup(dir, name, len);
}

static ssize_t self_readlink(struct inode *inode, char *buf, size_t size)
{
	if (!current->signal)
		return -ENOENT;
	if (proc_ref(inode)->fd == 2)
		return scnprintf(buf, size, "self/mounts");
	if (proc_ref(inode)->fd == 0)
		return scnprintf(buf, size, "%d", current->tgid);
	return scnprintf(buf, size, "%d/task/%d", current->tgid, current->pid);
}

static bool emit_pids(struct dir_context *ctx)
{
	pid_t pids[64];
	char name[12];
	size_t n;

	do {
		n = next_pids((pid_t)(ctx->pos - PID_POS), NULL, pids, ARRAY_SIZE(pids));
		for (size_t i = 0; i < n; i++) {
			int len = scnprintf(name, sizeof(name), "%d", pids[i]);

			ctx->pos = PID_POS + pids[i];
			if (!dir_emit(ctx, name, (size_t)len, (u64)pids[i] + (1u << 31), DT_DIR))
				return false;
			ctx->pos++;
		}
	} while (n == ARRAY_SIZE(pids));
	return true;
}

static int root_iterate(struct file *file, struct dir_context *ctx)
{
	const loff_t self_pos = PID_POS - (loff_t)ARRAY_SIZE(self_names);

	if (ctx->pos < self_pos) {
		if (!proc_emit_dots(file, ctx) || !emit_children(&root_node, ctx))
			return 0;
		ctx->pos = self_pos;
	}
	while (ctx->pos < PID_POS) {
		size_t k = (size_t)(ctx->pos - self_pos);

		if (!dir_emit(ctx, self_names[k].name, self_names[k].len, (1u << 30) + k, DT_LNK))
			return 0;
		ctx->pos++;
	}
	emit_pids(ctx);
	return 0;
}

static const struct inode_operations dir_iops = {.lookup = dir_lookup};
static const struct inode_operations root_iops = {.lookup = root_lookup};
static const struct inode_operations self_iops = {.readlink = self_readlink};
static const struct file_operations dir_fops = {
	.read = dir_read,
	.llseek = proc_dir_llseek,
	.iterate = dir_iterate,
};
static const struct file_operations root_fops = {
	.read = dir_read,
	.llseek = proc_dir_llseek,
	.iterate = root_iterate,
};

/* ---- the file system ---- */

static const struct super_operations proc_sops = {.evict = proc_evict};

static int proc_fill_super(struct super_block *sb, const char *options)
{
	const struct proc_ref ref = {.node = &root_node};
	struct inode *root;

	sb->s_op = &proc_sops;
	sb->s_magic = PROC_SUPER_MAGIC;
	root = proc_inode(sb, S_IFDIR | 0555, &ref);
	if (IS_ERR(root))
		return (int)PTR_ERR(root);
	root->i_op = &root_iops;
	root->i_fop = &root_fops;
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

static struct file_system_type proc_type = {.name = "proc", .fill_super = proc_fill_super};

/* Boot: the node of @entry, and the folders above it that are not there yet. */
static void add_entry(const struct proc_entry *entry)
{
	struct proc_node *dir = &root_node;
	const char *name = entry->path;

	for (;;) {
		const char *slash = strchr(name, '/');
		size_t len = slash ? (size_t)(slash - name) : strlen(name);
		struct proc_node *n = find_child(dir, name, len), **end;

		if (!n) {
			n = kzalloc(sizeof(*n), GFP_KERNEL);
			if (!n)
				panic("no memory for /proc/%s", entry->path);
			n->name = name;
			n->len = len;
			for (end = &dir->children; *end; end = &(*end)->next)
				;
			*end = n;
		}
		if (!slash) {
			n->entry = entry;
			return;
		}
		dir = n;
		name = slash + 1;
	}
}

void procfs_init(void)
{
	for (const struct proc_entry *e = __proc_entries_start; e < __proc_entries_end; e++)
		add_entry(e);
	BUG_ON(register_filesystem(&proc_type));
}
