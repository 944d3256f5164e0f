/*
 * What a task has of fs/: its descriptor table and its struct fs_struct, from fork to exit, and how
 * another task (/proc) may look at them.
 *
 * Whoever looks takes a reference on a file or a place, never on a table: a count of 1 must go on
 * meaning that nobody but its owner can change it (fdget).
 *
 * LOCKING
 *	task_files_lock  task->files and task->fs when they change, and while another task looks at
 *	                 them. Process context; files->lock and fs->lock come after it. The owner
 *	                 reads its own pointers without it.
 */

#include "fs/fdtable.h"
#include "kernel/cpu/syscall.h"
#include "kernel/exec/process.h"
#include "kernel/lib/init.h"
#include "kernel/mm/slab.h"

static struct kmem_cache *fs_cache;
static DEFINE_SPINLOCK(task_files_lock);

/* ---- from another task ---- */

struct file *task_get_file(struct task *t, unsigned fd, bool *cloexec)
{
	struct file *f = NULL;

	spin_lock(&task_files_lock);
	if (t->files) {
		spin_lock(&t->files->lock);
		if (fd < t->files->max && t->files->fd[fd]) {
			f = get_file(t->files->fd[fd]);
			*cloexec = test_bit(t->files->cloexec_bits, fd);
		}
		spin_unlock(&t->files->lock);
	}
	spin_unlock(&task_files_lock);
	return f;
}

struct file *task_next_file(struct task *t, unsigned *fd, bool *cloexec)
{
	struct file *f = NULL;
	struct files *files;
	unsigned n = *fd;

	spin_lock(&task_files_lock);
	files = t->files;
	if (files) {
		spin_lock(&files->lock);
		for (; n < files->max; n++) {
			n = find_set(files->open_bits, files->max, n);
			if (n >= files->max || files->fd[n])
				break;
		}
		if (n < files->max) {
			f = get_file(files->fd[n]);
			*cloexec = test_bit(files->cloexec_bits, n);
		}
		spin_unlock(&files->lock);
	}
	spin_unlock(&task_files_lock);
	*fd = n;
	return f;
}

unsigned task_fd_size(struct task *t)
{
	unsigned size;

	spin_lock(&task_files_lock);
	size = t->files ? t->files->max : 0;
	spin_unlock(&task_files_lock);
	return size;
}

bool task_get_path(struct task *t, bool root, struct path *out)
{
	bool found;

	spin_lock(&task_files_lock);
	found = t->fs != NULL;
	if (found) {
		spin_lock(&t->fs->lock);
		*out = root ? t->fs->root : t->fs->pwd;
		path_get(out);
		spin_unlock(&t->fs->lock);
	}
	spin_unlock(&task_files_lock);
	return found;
}

void task_move_root(struct task *t, const struct path *from, const struct path *to)
{
	int moved = 0;

	spin_lock(&task_files_lock);
	if (t->fs) {
		struct path *p[] = {&t->fs->root, &t->fs->pwd};

		spin_lock(&t->fs->lock);
		for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
			if (p[i]->mnt != from->mnt || p[i]->dentry != from->dentry)
				continue;
			*p[i] = *to;
			path_get(to);
			moved++;
		}
		spin_unlock(&t->fs->lock);
	}
	spin_unlock(&task_files_lock);
	while (moved--)
		path_put(from);
}

int task_umask(struct task *t)
{
	int mask;

	spin_lock(&task_files_lock);
	mask = t->fs ? (int)t->fs->umask : -ESRCH;
	spin_unlock(&task_files_lock);
	return mask;
}

/* ---- tasks come and go ---- */

static struct fs_struct *fs_dup(struct fs_struct *old)
{
	struct fs_struct *fs = kmem_cache_alloc(fs_cache, GFP_KERNEL);

	if (!fs)
		return NULL;
	refcount_set(&fs->refs, 1);
	spin_lock_init(&fs->lock);
	spin_lock(&old->lock);
	fs->root = old->root;
	fs->pwd = old->pwd;
	fs->umask = old->umask;
	path_get(&fs->root);
	path_get(&fs->pwd);
	spin_unlock(&old->lock);
	return fs;
}

static void fs_put(struct fs_struct *fs)
{
	if (!refcount_dec_and_test(&fs->refs))
		return;
	path_put(&fs->root);
	path_put(&fs->pwd);
	kmem_cache_free(fs_cache, fs);
}

/* A child of a kernel thread, which has neither, starts with an empty table in the root. */
static int fs_task_fork(struct task *child, u64 flags)
{
	struct files *files = child->files;
	struct fs_struct *fs = child->fs ? child->fs : &init_fs;

	child->files = NULL;
	child->fs = NULL;
	if (files && (flags & CLONE_FILES))
		refcount_inc(&files->refs);
	else
		files = files ? files_dup(files, NR_OPEN_MAX) : files_alloc(FD_INLINE);
	if (!files)
		return -ENOMEM;
	if (fs != &init_fs && (flags & CLONE_FS))
		refcount_inc(&fs->refs);
	else
		fs = fs_dup(fs);
	if (!fs) {
		files_put(files);
		return -ENOMEM;
	}
	child->files = files;
	child->fs = fs;
	return 0;
}

int unshare_files(unsigned limit)
{
	struct files *old = current->files, *new = files_dup(old, limit);

	if (!new)
		return -ENOMEM;
	spin_lock(&task_files_lock);
	current->files = new;
	spin_unlock(&task_files_lock);
	files_put(old);
	return 0;
}

static int unshare_fs(void)
{
	struct fs_struct *old = current->fs, *new = fs_dup(old);

	if (!new)
		return -ENOMEM;
	spin_lock(&task_files_lock);
	current->fs = new;
	spin_unlock(&task_files_lock);
	fs_put(old);
	return 0;
}

/*
 * A thread cannot leave its group, so what only threads share can be named by one that is alone.
 */
SYSCALL_DEFINE1(unshare, u64, flags)
{
	const u64 of_threads = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
	int err = 0;

	if (flags & ~(CLONE_FILES | CLONE_FS | CLONE_SYSVSEM | CLONE_NAMESPACES | CLONE_NEWUSER |
		      of_threads))
		return -EINVAL;
	err = no_namespaces(flags);
	if (err)
		return err;
	if ((flags & of_threads) && READ_ONCE(current->signal->nr_threads) > 1)
		return -EINVAL;
	if ((flags & CLONE_FS) && refcount_read(&current->fs->refs) > 1)
		err = unshare_fs();
	if (!err && (flags & CLONE_FILES) && refcount_read(&current->files->refs) > 1)
		err = unshare_files(NR_OPEN_MAX);
	return err;
}

int task_init_files(struct task *t)
{
	if (t->files)
		return 0;
	return fs_task_fork(t, 0);
}

/* Program start: a table of its own, without the descriptors that are to be closed. */
static void fs_task_exec(struct task *t)
{
	struct files *files;

	if (task_init_files(t) < 0 ||
	    (refcount_read(&t->files->refs) > 1 && unshare_files(NR_OPEN_MAX) < 0)) {
		/* Past the point of no return, and without a table of its own. */
		send_signal_task(t, SIGKILL, NULL);
		return;
	}
	files = t->files;
	for (unsigned w = 0; w < files->max / BITS; w++) {
		unsigned long closing;

		spin_lock(&files->lock);
		closing = files->cloexec_bits[w] & files->open_bits[w];
		files->cloexec_bits[w] = 0;
		spin_unlock(&files->lock);
		for (; closing; closing &= closing - 1) {
			unsigned fd = w * BITS + (unsigned)__builtin_ctzl(closing);

			close_numbers(files, fd, fd);
		}
	}
}

static void fs_task_exit(struct task *t)
{
	struct files *files;
	struct fs_struct *fs;

	spin_lock(&task_files_lock);
	files = t->files;
	fs = t->fs;
	t->files = NULL;
	t->fs = NULL;
	spin_unlock(&task_files_lock);
	if (files)
		files_put(files);
	if (fs)
		fs_put(fs);
}

static struct task_ops fs_task_ops = {
	.fork = fs_task_fork,
	.exec = fs_task_exec,
	.exit = fs_task_exit,
};

static int __init fstask_init(void)
{
	fs_cache = kmem_cache_create("fs_cache", sizeof(struct fs_struct), 0);
	register_task_ops(&fs_task_ops);
	return 0;
}
core_initcall(fstask_init);
