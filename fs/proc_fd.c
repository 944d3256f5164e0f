/*
 * What /proc/PID shows of open files and places: the links cwd, root and exe, and the folders fd and
 * fdinfo.
 *
 * fd/N is a link with two faces. readlink(2) gives a text: the path, or what the file calls itself
 * ("socket:[17]"). A walk that follows it does not use the text but arrives at the very place the
 * descriptor is open on, even if that has no name any more; a file without a place (a pipe) is
 * handed over as it is, and open(2) decides (namei.c, follow_magic; open.c, reopen). cwd, root and exe
 * are such links, too.
 */

#include "fs/proc.h"
#include "kernel/lib/string.h"
#include "kernel/mm/mm.h"

static const struct inode_operations fd_link_iops;

/* ---- links: cwd, root, exe, fd/N ---- */

/* The program that a task runs, which its address space holds. */
static bool task_get_exe(struct task *t, struct path *to)
{
	struct mm *mm = get_task_mm(t);
	struct file *f = mm ? mm->exe : NULL;

	if (f) {
		*to = (struct path){f->f_mnt, f->f_dentry};
		path_get(to);
	}
	if (mm)
		mm_put(mm);
	return f;
}

/* Where cwd, root and exe lead: referenced, or -ENOENT. */
static int task_place(const struct inode *link, struct path *to)
{
	struct task *t = get_ref_task(proc_ref(link));
	char which = proc_ref(link)->entry->name[0];
	bool found;

	if (!t)
		return -ENOENT;
	found = which == 'e' ? task_get_exe(t, to) : task_get_path(t, which == 'r', to);
	task_put(t);
	return found ? 0 : -ENOENT;
}

static int place_follow(struct inode *link, struct path *to, struct file **file)
{
	return task_place(link, to);
}

static ssize_t place_readlink(struct inode *link, char *buf, size_t size)
{
	struct path p;
	ssize_t n = task_place(link, &p);

	if (n)
		return n;
	n = d_path(&p, buf, size);
	path_put(&p);
	return n;
}

/* The open file behind fd/N, referenced, or NULL. */
static struct file *link_file(const struct inode *link)
{
	const struct proc_ref *ref = proc_ref(link);
	struct task *t = get_ref_task(ref);
	struct file *f;
	bool cloexec;

	if (!t)
		return NULL;
	f = task_get_file(t, ref->fd, &cloexec);
	task_put(t);
	return f;
}

static ssize_t fd_readlink(struct inode *link, char *buf, size_t size)
{
	struct file *f = link_file(link);
	ssize_t n;

	if (!f)
		return -ENOENT;
	if (f->f_op->show_name) {
		n = f->f_op->show_name(f, buf, size);
		n = min(n, (ssize_t)size);
	} else if (f->f_dentry) {
		struct path p = {f->f_mnt, f->f_dentry};

		n = d_path(&p, buf, size);
	} else {
		n = scnprintf(buf, size, "anon_inode:[%s]", f->f_inode->i_sb->s_type->name);
	}
	fput(f);
	return n;
}

static int fd_follow(struct inode *link, struct path *to, struct file **file)
{
	struct file *f = link_file(link);

	if (!f)
		return -ENOENT;
	if (!f->f_dentry) {
		*file = f;
		return 0;
	}
	*to = (struct path){f->f_mnt, f->f_dentry};
	path_get(to);
	fput(f);
	return 0;
}

const struct inode_operations proc_place_iops = {
	.readlink = place_readlink,
	.follow_magic = place_follow,
};
static const struct inode_operations fd_link_iops = {
	.readlink = fd_readlink,
	.follow_magic = fd_follow,
};

/* ---- fdinfo/N ---- */

int proc_show_fdinfo(struct task *t, const struct proc_ref *ref, struct seq *s)
{
	bool cloexec = false;
	struct file *f = task_get_file(t, ref->fd, &cloexec);
	struct kstat st;

	if (!f)
		return -ENOENT;
	if (vfs_getattr(f, &st))
		st.ino = 0;
	seq_printf(s, "pos:\t%ld\nflags:\t0%o\nmnt_id:\t%d\nino:\t%lu\n",
		   f->f_mode & FMODE_STREAM ? 0 : READ_ONCE(f->f_pos),
		   f->f_flags | (cloexec ? O_CLOEXEC : 0) | (f->f_mode & FMODE_PATH ? O_PATH : 0),
		   f->f_mnt->id, st.ino);
	if (f->f_op->show_fdinfo)
		f->f_op->show_fdinfo(s, f);
	fput(f);
	return 0;
}

/* ---- the folders fd and fdinfo ---- */

static struct inode *fd_lookup(struct inode *dir, const char *name, size_t len)
{
	const struct proc_ref *ref = proc_ref(dir);
	long fd = proc_number(name, len);
	struct task *t = fd < 0 ? NULL : get_ref_task(ref);
	struct inode *i = ERR_PTR(-ENOENT);
	struct file *f;
	bool cloexec, info = ref->entry->show != NULL;

	if (!t)
		return i;
	f = task_get_file(t, (unsigned)fd, &cloexec);
	if (f) {
		u32 mode = S_IFLNK | (f->f_mode & FMODE_READ ? 0500 : 0) |
			   (f->f_mode & FMODE_WRITE ? 0300 : 0);

		i = task_inode(dir->i_sb, t, info ? S_IFREG | 0444 : mode, ref->entry,
			       (unsigned)fd);
		if (!IS_ERR(i)) {
			i->i_op = info ? NULL : &fd_link_iops;
			i->i_fop = info ? &proc_text_fops : i->i_fop;
			i->i_size = info ? 0 : 64;
		}
		fput(f);
	}
	task_put(t);
	return i;
}

static int fd_iterate(struct file *file, struct dir_context *ctx)
{
	const struct proc_ref *ref = proc_ref(file->f_inode);
	struct task *t = get_ref_task(ref);
	bool info = ref->entry->show != NULL;

	if (!t)
		return -ENOENT;
	while (proc_emit_dots(file, ctx)) {
		unsigned fd = (unsigned)(ctx->pos - 2);
		bool cloexec;
		struct file *f = task_next_file(t, &fd, &cloexec);
		char name[12];
		int len;

		if (!f)
			break;
		fput(f);
		len = scnprintf(name, sizeof(name), "%u", fd);
		ctx->pos = (loff_t)fd + 2;
		if (!dir_emit(ctx, name, (size_t)len, (u64)ref->pid << 32 | (fd + 1),
			      info ? DT_REG : DT_LNK))
			break;
		ctx->pos++;
	}
	task_put(t);
	return 0;
}

const struct inode_operations proc_fd_iops = {.lookup = fd_lookup};
const struct file_operations proc_fd_fops = DIR_FOPS(fd_iterate);
