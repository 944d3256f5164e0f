/*
 * Process descriptors, pidfd_open(2): a file that is a process. A number can be given to another
 * process once its owner is gone; a descriptor cannot, so what is sent through it, or learned from
 * it, never concerns a stranger.
 *
 * It becomes readable when the last thread of the process has ended, whether or not the parent has
 * waited yet, and stays so. That is all there is to wait for; there is nothing to read.
 *
 * An open folder /proc/PID names a process as safely, and pidfd_send_signal(2) takes one as well.
 *
 * The file holds a reference to the process's struct signal_struct, whose pidfd_wq is the queue that
 * poll() shows. kernel/exec asks for such files (CLONE_PIDFD) and about them (waitid, signals) through
 * pidfd_ops, because it does not know what a file is.
 *
 * LOCKING: none of its own. The end of a process is read without a lock: exit_notify() counts the
 * last thread out before it wakes the queue.
 */
#include "fs/internal.h"
#include "fs/proc.h"
#include "kernel/cpu/syscall.h"
#include "kernel/exec/process.h"
#include "kernel/lib/init.h"
#include "kernel/lib/printk.h"

#define PIDFD_NONBLOCK O_NONBLOCK

static __poll_t pidfd_poll(struct file *file, struct poll_table *pt)
{
	struct signal_struct *g = file->private_data;

	poll_wait(file, &g->pidfd_wq, pt);
	return READ_ONCE(g->nr_threads) ? 0 : EPOLLIN | EPOLLRDNORM;
}

static void pidfd_release(struct file *file)
{
	if (file->private_data)
		signal_put(file->private_data);
}

static int pidfd_show_name(struct file *file, char *buf, size_t size)
{
	return scnprintf(buf, size, "anon_inode:[pidfd]");
}

static void pidfd_show_fdinfo(struct seq *s, struct file *file)
{
	struct signal_struct *g = file->private_data;
	int pid = READ_ONCE(g->leader) ? g->pid : -1;

	seq_printf(s, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

static const struct file_operations pidfd_fops = {
	.poll = pidfd_poll,
	.release = pidfd_release,
	.show_name = pidfd_show_name,
	.show_fdinfo = pidfd_show_fdinfo,
};

/* ---- for kernel/exec ---- */

static int pidfd_prepare(struct file **file)
{
	int fd = get_unused_fd(O_CLOEXEC);

	if (fd < 0)
		return fd;
	*file = anon_file(&pidfd_fops, NULL, O_RDWR);
	if (!IS_ERR(*file))
		return fd;
	put_unused_fd((unsigned)fd);
	return (int)PTR_ERR(*file);
}

static void pidfd_finish(int fd, struct file *file, struct signal_struct *g)
{
	if (!g) {
		put_unused_fd((unsigned)fd);
		fput(file);
		return;
	}
	refcount_inc(&g->refs);
	file->private_data = g;
	fd_install((unsigned)fd, file);
}

static struct signal_struct *pidfd_get(unsigned fd, bool *nonblock)
{
	struct signal_struct *g = NULL;
	struct fd f = fdget(fd);

	if (!f.file)
		return NULL;
	if (f.file->f_op == &pidfd_fops) {
		g = f.file->private_data;
		*nonblock = f.file->f_flags & O_NONBLOCK;
		refcount_inc(&g->refs);
	}
	fdput(f);
	return g;
}

/* Whom an open folder /proc/PID is of, referenced; -EBADF: it is no such folder, -ESRCH. */
static struct signal_struct *proc_folder_process(const struct file *f)
{
	struct signal_struct *g;
	struct task *t;

	/* Not task/TID, of which ref->fd says that it is a thread's. */
	if (f->f_op != &proc_pid_fops || proc_ref(f->f_inode)->fd)
		return ERR_PTR(-EBADF);
	t = get_ref_task(proc_ref(f->f_inode));
	if (!t)
		return ERR_PTR(-ESRCH);
	g = t->signal;
	if (g)
		refcount_inc(&g->refs);
	task_put(t);
	return g ? g : ERR_PTR(-EPERM);
}

static struct signal_struct *pidfd_get_target(unsigned fd)
{
	struct fd f = fdget(fd);
	struct signal_struct *g;

	if (!f.file)
		return ERR_PTR(-EBADF);
	if (f.file->f_op == &pidfd_fops) {
		g = f.file->private_data;
		refcount_inc(&g->refs);
	} else {
		g = proc_folder_process(f.file);
	}
	fdput(f);
	return g;
}

static const struct pidfd_ops ops = {pidfd_prepare, pidfd_finish, pidfd_get, pidfd_get_target};

static __init int pidfd_init(void)
{
	pidfd_ops = &ops;
	return 0;
}
fs_initcall(pidfd_init);

/* ---- system calls ---- */

/* The process with id @pid, with a reference: 0, -ESRCH, -EINVAL for what is only a thread. */
static int get_process(pid_t pid, struct signal_struct **g)
{
	struct task *t;
	int err = -ESRCH;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	t = find_task_locked(pid);
	if (t) {
		err = -EINVAL;
		*g = t->signal;
		if (*g && (*g)->leader == t) {
			refcount_inc(&(*g)->refs);
			err = 0;
		}
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return err;
}

SYSCALL_DEFINE2(pidfd_open, pid_t, pid, unsigned, flags)
{
	struct signal_struct *g;
	struct file *file;
	int err;

	if ((flags & ~PIDFD_NONBLOCK) || pid <= 0)
		return -EINVAL;
	err = get_process(pid, &g);
	if (err)
		return err;
	file = anon_file(&pidfd_fops, g, O_RDWR | (flags & PIDFD_NONBLOCK));
	if (IS_ERR(file))
		signal_put(g);
	return fd_install_new(file, O_CLOEXEC);
}

/* A file of another process, which may have no descriptors any more. */
static struct file *get_file_of(struct signal_struct *g, unsigned fd)
{
	struct task *t;
	struct file *f;
	bool allowed, cloexec;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	t = g->leader;
	allowed = ptrace_may_access(g);
	if (t)
		task_get(t);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	if (!t)
		return ERR_PTR(-ESRCH);
	f = allowed ? task_get_file(t, fd, &cloexec) : ERR_PTR(-EPERM);
	task_put(t);
	return f ? f : ERR_PTR(-EBADF);
}

SYSCALL_DEFINE3(pidfd_getfd, int, pidfd, int, fd, unsigned, flags)
{
	struct signal_struct *g;
	struct file *f;
	bool nonblock;

	if (flags)
		return -EINVAL;
	g = pidfd_get((unsigned)pidfd, &nonblock);
	if (!g)
		return -EBADF;
	f = get_file_of(g, (unsigned)fd);
	signal_put(g);
	return fd_install_new(f, O_CLOEXEC);
}
