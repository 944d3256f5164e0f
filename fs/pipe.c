/*
 * Pipes: pipe(2). FIFOs are pipes with a name, and fs/fifo.c opens them.
 *
 * A pipe is a ring of buffers, each a piece of a page. head and tail count buffers and run freely;
 * a buffer's place is its number modulo the size of the ring.
 *
 *	tail                     head
 *	 ▼                        ▼
 *	[abc] [defgh...page full] [ ] [ ] ...      readers take from tail, writers add at head
 *
 * A small write goes into the page of the newest buffer if it fits there whole, else into a page of
 * its own. So a write of up to PIPE_BUF bytes (a page) is never mixed with others: pipe(7) calls it
 * atomic. With O_DIRECT each write is a packet and takes a buffer for itself.
 *
 * An empty pipe has no page but the last one it used, kept for the next write.
 *
 * Who is told what:
 *	each write		rd_wait, IN. Also when data was there before: an edge-triggered
 *				watcher counts wake-ups, not emptiness (epoll(7)); it hears of
 *				a write that found no room, too.
 *	a full pipe gets room	wr_wait, OUT
 *	the last of a side goes	both, any event: readers see the end, writers EPIPE
 *
 * LOCKING
 *	pipe->mutex   All of the pipe. A mutex because user memory is copied under it. poll() and the
 *	              conditions of sleepers read counters without it; whoever changed one wakes them
 *	              after that, so at worst they look once more.
 *	fifo_lock     Which pipe a FIFO's inode has. Spin, process context, innermost.
 *	Wake-ups are called without the mutex.
 */
#include "fs/pipe.h"
#include "fs/internal.h"
#include "kernel/cpu/syscall.h"
#include "kernel/exec/process.h"
#include "kernel/lib/init.h"
#include "kernel/lib/sysctl.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/mutex.h"
#include "kernel/sched/signal.h"

#define PIPE_BUFFERS 16u /* 64 KiB, pipe(7) */
#define PIPE_FEW     2u  /* for a user who has too many */
#define FIONREAD     0x541b
#define PIPEFS_MAGIC 0x50495045

/* pipe(7), /proc files. Limits of those who are not root; 0: none. */
static int max_size = 1 << 20; /* bytes, a power of two */
static int user_pages_soft = 16384, user_pages_hard;

SYSCTL(pipe_user_soft, "sys/fs/pipe-user-pages-soft", user_pages_soft, 0, INT32_MAX);
SYSCTL(pipe_user_hard, "sys/fs/pipe-user-pages-hard", user_pages_hard, 0, INT32_MAX);

static struct kmem_cache *pipe_cache;
static struct mount *pipe_mnt;
DEFINE_SPINLOCK(fifo_lock);
static const struct file_operations pipe_fops;

/* ---- life ---- */

/* Would @pages be more than a user who is not root may have? */
static bool too_many(int pages, const int *limit)
{
	int max = READ_ONCE(*limit);

	return max && pages > max && !capable(CAP_SYS_RESOURCE);
}

struct pipe *pipe_alloc(void)
{
	struct user_count *user = user_count(current_fsuid());
	unsigned slots = PIPE_BUFFERS;
	struct pipe *p;
	int pages;

	if (slots * PAGE_SIZE > (unsigned)READ_ONCE(max_size) && !capable(CAP_SYS_RESOURCE))
		slots = (unsigned)READ_ONCE(max_size) / PAGE_SIZE;
	pages = atomic_add_return(&user->pipe_pages, (int)slots);
	if (too_many(pages, &user_pages_soft) && slots > PIPE_FEW) {
		pages = atomic_sub_return(&user->pipe_pages, (int)(slots - PIPE_FEW));
		slots = PIPE_FEW;
	}
	p = too_many(pages, &user_pages_hard)
		    ? ERR_PTR(-ENFILE)
		    : kmem_cache_alloc(pipe_cache, GFP_KERNEL | __GFP_ZERO);
	if (!p)
		p = ERR_PTR(-ENOMEM);
	if (IS_ERR(p)) {
		atomic_sub(&user->pipe_pages, (int)slots);
		return p;
	}
	p->bufs = kcalloc(slots, sizeof(*p->bufs), GFP_KERNEL);
	if (!p->bufs) {
		kmem_cache_free(pipe_cache, p);
		atomic_sub(&user->pipe_pages, (int)slots);
		return ERR_PTR(-ENOMEM);
	}
	p->user = user;
	p->ring_size = slots;
	mutex_init(&p->mutex);
	init_waitqueue_head(&p->rd_wait);
	init_waitqueue_head(&p->wr_wait);
	return p;
}

void pipe_free(struct pipe *p)
{
	while (p->tail != p->head)
		free_page(pipe_buf(p, p->tail++)->page);
	if (p->spare)
		free_page(p->spare);
	kfree(p->bufs);
	atomic_sub(&p->user->pipe_pages, (int)p->ring_size);
	kmem_cache_free(pipe_cache, p);
}

void pipe_put(struct pipe *p)
{
	bool last;

	spin_lock(&fifo_lock);
	last = --p->files == 0;
	if (last && p->fifo)
		p->fifo->i_private = NULL;
	spin_unlock(&fifo_lock);
	if (last)
		pipe_free(p);
}

void pipe_open_sides(struct pipe *p, u32 f_mode)
{
	bool first =
		((f_mode & FMODE_READ) && !p->readers) || ((f_mode & FMODE_WRITE) && !p->writers);

	if (f_mode & FMODE_READ) {
		WRITE_ONCE(p->readers, p->readers + 1);
		WRITE_ONCE(p->r_counter, p->r_counter + 1);
	}
	if (f_mode & FMODE_WRITE) {
		WRITE_ONCE(p->writers, p->writers + 1);
		WRITE_ONCE(p->w_counter, p->w_counter + 1);
	}
	if (first)
		wake_up_all(&p->rd_wait);
}

void pipe_close_sides(struct pipe *p, u32 f_mode)
{
	bool tell;

	mutex_lock(&p->mutex);
	if (f_mode & FMODE_READ)
		WRITE_ONCE(p->readers, p->readers - 1);
	if (f_mode & FMODE_WRITE)
		WRITE_ONCE(p->writers, p->writers - 1);
	tell = !p->readers != !p->writers;
	mutex_unlock(&p->mutex);
	if (tell) {
		wake_up_all(&p->rd_wait);
		wake_up_all(&p->wr_wait);
	}
}

static void pipe_release(struct file *file)
{
	struct pipe *p = file->private_data;

	pipe_close_sides(p, file->f_mode);
	pipe_put(p);
}

/* ---- reading ---- */

static void pipe_drop_tail(struct pipe *p)
{
	struct pipe_buffer *buf = pipe_buf(p, p->tail);

	if (p->spare)
		free_page(buf->page);
	else
		p->spare = buf->page;
	WRITE_ONCE(p->tail, p->tail + 1);
}

void pipe_consume(struct pipe *p, size_t n)
{
	struct pipe_buffer *buf = pipe_buf(p, p->tail);

	buf->offset += n;
	buf->len -= n;
	if (!buf->len)
		pipe_drop_tail(p);
}

ssize_t pipe_take(struct pipe *p, struct iov_iter *to)
{
	ssize_t got = 0;

	while (to->count && !pipe_empty(p)) {
		struct pipe_buffer *buf = pipe_buf(p, p->tail);
		size_t want = min((size_t)buf->len, to->count);
		size_t n = copy_to_iter(buf->page + buf->offset, want, to);
		bool packet = buf->packet;

		got += (ssize_t)n;
		/* Nothing of a packet is left for the next read. */
		pipe_consume(p, packet && n == want ? buf->len : n);
		if (n < want)
			return got ? got : -EFAULT;
		if (packet)
			break;
	}
	return got;
}

static ssize_t pipe_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct pipe *p = file->private_data;
	bool was_full, slept = false, made_room, pass_on;
	ssize_t ret;

	if (!to->count)
		return 0;
	for (;;) {
		mutex_lock(&p->mutex);
		was_full = pipe_full(p);
		ret = pipe_take(p, to);
		if (ret || !p->writers)
			break;
		mutex_unlock(&p->mutex);
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible_exclusive_deadline(&p->rd_wait, pipe_readable(p),
								NO_DEADLINE))
			return -ERESTARTSYS;
		slept = true;
	}
	made_room = was_full && !pipe_full(p);
	/* The wake-up chose us alone; what we leave is for the next one. */
	pass_on = slept && !pipe_empty(p);
	mutex_unlock(&p->mutex);
	if (made_room)
		pipe_wake(&p->wr_wait, PIPE_OUT);
	if (pass_on)
		pipe_wake(&p->rd_wait, PIPE_IN);
	return ret;
}

/* ---- writing ---- */

/* The part of a write that does not fill a page joins the newest buffer, if all of it fits there.
 * Bytes or -EFAULT. mutex held. */
static ssize_t pipe_merge(struct pipe *p, struct iov_iter *from)
{
	size_t part = from->count % PAGE_SIZE;
	struct pipe_buffer *buf;
	size_t n;

	if (!part || pipe_empty(p))
		return 0;
	buf = pipe_buf(p, p->head - 1);
	if (buf->packet || buf->offset + buf->len + part > PAGE_SIZE)
		return 0;
	n = copy_from_iter(buf->page + buf->offset + buf->len, part, from);
	if (n < part) {
		iov_iter_revert(from, n);
		return -EFAULT;
	}
	buf->len += n;
	return (ssize_t)n;
}

char *pipe_spare_page(struct pipe *p)
{
	if (!p->spare)
		p->spare = get_free_page(GFP_USER);
	return p->spare;
}

void pipe_push_spare(struct pipe *p, size_t n, bool packet)
{
	*pipe_buf(p, p->head) =
		(struct pipe_buffer){.page = p->spare, .len = (u16)n, .packet = packet};
	p->spare = NULL;
	WRITE_ONCE(p->head, p->head + 1);
}

ssize_t pipe_add_buffer(struct pipe *p, struct iov_iter *from, bool packet)
{
	char *page = pipe_spare_page(p);
	size_t n;

	if (!page)
		return -ENOMEM;
	n = copy_from_iter(page, min(from->count, PAGE_SIZE), from);
	if (!n)
		return -EFAULT;
	pipe_push_spare(p, n, packet);
	return (ssize_t)n;
}

/* Sleeps until there is room, or no reader. mutex held, dropped meanwhile. 0 or -ERESTARTSYS. */
static long pipe_wait_for_room(struct pipe *p, bool written)
{
	long ret;

	mutex_unlock(&p->mutex);
	if (written)
		pipe_wake(&p->rd_wait, PIPE_IN);
	ret = wait_event_interruptible_exclusive_deadline(&p->wr_wait, pipe_writable(p),
							  NO_DEADLINE);
	mutex_lock(&p->mutex);
	return ret;
}

static ssize_t pipe_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	struct pipe *p = file->private_data;
	bool packet = file->f_flags & O_DIRECT, slept = false, pass_on;
	ssize_t done = 0, ret = 0;

	if (!from->count)
		return 0;
	mutex_lock(&p->mutex);
	if (p->readers)
		done = ret = pipe_merge(p, from);
	while (from->count && ret >= 0) {
		size_t want = min(from->count, PAGE_SIZE);

		ret = -EPIPE;
		if (!p->readers)
			break;
		if (pipe_full(p)) {
			ret = -EAGAIN;
			if (file->f_flags & O_NONBLOCK)
				break;
			ret = pipe_wait_for_room(p, done > 0);
			slept = true;
			continue;
		}
		ret = pipe_add_buffer(p, from, packet);
		if (ret > 0)
			done += ret;
		if (ret < (ssize_t)want)
			break; /* a bad address, or no memory */
	}
	/* The wake-up chose us alone; room that we leave is for the next one. */
	pass_on = slept && !pipe_full(p);
	mutex_unlock(&p->mutex);
	/* Whether something was added or not: edge-triggered watchers count calls, as on Linux. */
	pipe_wake(&p->rd_wait, PIPE_IN);
	if (pass_on)
		pipe_wake(&p->wr_wait, PIPE_OUT);
	if (ret == -EPIPE)
		send_signal_task(current, SIGPIPE, NULL);
	return done > 0 ? done : ret;
}

/* ---- asking ---- */

static __poll_t pipe_poll(struct file *file, struct poll_table *pt)
{
	struct pipe *p = file->private_data;
	__poll_t events = 0;

	if (file->f_mode & FMODE_READ)
		poll_wait(file, &p->rd_wait, pt);
	if (file->f_mode & FMODE_WRITE)
		poll_wait(file, &p->wr_wait, pt);
	if (file->f_mode & FMODE_READ) {
		/* Opened before there ever was a writer: not hung up, not yet connected. */
		if (!READ_ONCE(p->writers) && (unsigned)file->f_pos != READ_ONCE(p->w_counter))
			events |= EPOLLHUP;
		/* After the look at writers: the last one's last bytes are not missed. */
		if (!pipe_empty(p))
			events |= PIPE_IN;
	}
	if (file->f_mode & FMODE_WRITE) {
		if (!pipe_full(p))
			events |= PIPE_OUT;
		if (!READ_ONCE(p->readers))
			events |= EPOLLERR;
	}
	return events;
}

static long pipe_ioctl(struct file *file, unsigned cmd, u64 arg)
{
	struct pipe *p = file->private_data;
	int bytes = 0;

	if (cmd != FIONREAD)
		return -ENOTTY;
	mutex_lock(&p->mutex);
	for (unsigned i = p->tail; i != p->head; i++)
		bytes += pipe_buf(p, i)->len;
	mutex_unlock(&p->mutex);
	return put_user(bytes, (int __user *)arg);
}

/* mutex held. */
static long pipe_resize(struct pipe *p, unsigned slots)
{
	int more = (int)slots - (int)p->ring_size;
	struct pipe_buffer *bufs = NULL;
	int pages = atomic_add_return(&p->user->pipe_pages, more);
	long err = -EPERM;

	if (more > 0 &&
	    ((slots * PAGE_SIZE > (unsigned)READ_ONCE(max_size) && !capable(CAP_SYS_RESOURCE)) ||
	     too_many(pages, &user_pages_soft) || too_many(pages, &user_pages_hard)))
		goto out;
	err = -EBUSY;
	if (slots < p->head - p->tail)
		goto out;
	err = -ENOMEM;
	bufs = kcalloc(slots, sizeof(*bufs), GFP_KERNEL);
	if (!bufs)
		goto out;
	/* The counters stay as they are: those who read them without the mutex see no jump. */
	for (unsigned i = p->tail; i != p->head; i++)
		bufs[i & (slots - 1)] = *pipe_buf(p, i);
	kfree(p->bufs);
	p->bufs = bufs;
	WRITE_ONCE(p->ring_size, slots);
	return (long)(slots * PAGE_SIZE);
out:
	atomic_sub(&p->user->pipe_pages, more);
	return err;
}

struct pipe *file_pipe(const struct file *file)
{
	return file->f_op == &pipe_fops || file->f_op == &fifo_fops ? file->private_data : NULL;
}

/* Pages for @size bytes, a power of two. */
static unsigned size_to_slots(unsigned size)
{
	unsigned slots = 1;

	while (slots * PAGE_SIZE < size)
		slots *= 2;
	return slots;
}

long pipe_fcntl(struct file *file, int cmd, u64 arg)
{
	struct pipe *p = file_pipe(file);
	unsigned size = (unsigned)arg;
	long ret;

	if (!p)
		return -EBADF;
	if (cmd == F_GETPIPE_SZ)
		return (long)(READ_ONCE(p->ring_size) * PAGE_SIZE);
	if (cmd != F_SETPIPE_SZ || size > 1u << 31)
		return -EINVAL;
	mutex_lock(&p->mutex);
	ret = pipe_resize(p, size_to_slots(size));
	mutex_unlock(&p->mutex);
	if (ret > 0)
		pipe_wake(&p->wr_wait, PIPE_OUT);
	return ret;
}

static void show_max_size(struct seq *s)
{
	seq_printf(s, "%d\n", READ_ONCE(max_size));
}

static int store_max_size(const char *text, size_t len)
{
	int size, err = sysctl_store(text, &size, sizeof(size), 1, 1, 1 << 30);

	if (!err)
		WRITE_ONCE(max_size, (int)(size_to_slots((unsigned)size) * PAGE_SIZE));
	return err;
}
PROC_ENTRY_RW(pipe_max_size, "sys/fs/pipe-max-size", show_max_size, store_max_size);

/* ---- pipe(2) and pipefs ---- */

static int pipe_show_name(struct file *file, char *buf, size_t size)
{
	const struct pipe *p = file->private_data;

	return scnprintf(buf, size, "pipe:[%llu]", (unsigned long long)p->ino);
}

static int pipe_getattr(struct file *file, struct kstat *st)
{
	const struct pipe *p = file->private_data;

	st->ino = p->ino;
	st->mode = S_IFIFO | 0600;
	st->nlink = 1;
	st->blksize = PAGE_SIZE;
	return 0;
}

/* Either end opens the other, too; nobody waits for a partner, pipe(7) is not fifo(7). */
static struct file *pipe_reopen(struct file *old, u32 flags)
{
	struct pipe *p = old->private_data;
	struct file *f;

	if ((flags & O_ACCMODE) == O_ACCMODE)
		return ERR_PTR(-EINVAL);
	f = alloc_file_pseudo(pipe_mnt, old->f_op, p, flags);
	if (IS_ERR(f))
		return f;
	spin_lock(&fifo_lock);
	p->files++; /* not the first: @old is one */
	spin_unlock(&fifo_lock);
	mutex_lock(&p->mutex);
	pipe_open_sides(p, f->f_mode);
	mutex_unlock(&p->mutex);
	return f;
}

static const struct file_operations pipe_fops = {
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.async = EPOLLIN | EPOLLOUT,
	.ioctl = pipe_ioctl,
	.release = pipe_release,
	.getattr = pipe_getattr,
	.show_name = pipe_show_name,
	.reopen = pipe_reopen,
};

/* Both ends as files: 0 or -errno. */
static int create_pipe_files(struct file *ends[2], u32 flags)
{
	struct pipe *p = pipe_alloc();

	if (IS_ERR(p))
		return (int)PTR_ERR(p);
	p->readers = p->writers = p->r_counter = p->w_counter = 1;
	p->files = 2;
	p->ino = (u64)atomic_add_return(&pipe_mnt->sb->s_next_ino, 1);
	ends[0] = alloc_file_pseudo(pipe_mnt, &pipe_fops, p, O_RDONLY | (flags & O_NONBLOCK));
	if (IS_ERR(ends[0])) {
		pipe_free(p);
		return (int)PTR_ERR(ends[0]);
	}
	ends[1] = alloc_file_pseudo(pipe_mnt, &pipe_fops, p,
				    O_WRONLY | (flags & (O_NONBLOCK | O_DIRECT)));
	if (IS_ERR(ends[1])) {
		p->files = 1;
		fput(ends[0]);
		return (int)PTR_ERR(ends[1]);
	}
	return 0;
}

static long do_pipe2(int __user *ufds, u32 flags)
{
	struct file *ends[2] = {NULL, NULL};
	int fds[2], err;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	err = create_pipe_files(ends, flags);
	if (err)
		return err;
	err = fds[0] = get_unused_fd(flags);
	if (err < 0)
		goto out_files;
	err = fds[1] = get_unused_fd(flags);
	if (err < 0)
		goto out_fd0;
	err = -EFAULT;
	if (copy_to_user(ufds, fds, sizeof(fds)))
		goto out_fd1;
	fd_install((unsigned)fds[0], ends[0]);
	fd_install((unsigned)fds[1], ends[1]);
	return 0;
out_fd1:
	put_unused_fd((unsigned)fds[1]);
out_fd0:
	put_unused_fd((unsigned)fds[0]);
out_files:
	fput(ends[0]);
	fput(ends[1]);
	return err;
}

SYSCALL_DEFINE2(pipe2, int __user *, fds, int, flags)
{
	return do_pipe2(fds, (u32)flags);
}

SYSCALL_DEFINE1(pipe, int __user *, fds)
{
	return do_pipe2(fds, 0);
}

const struct file_operations fifo_fops = {
	.open = fifo_open,
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.async = EPOLLIN | EPOLLOUT,
	.ioctl = pipe_ioctl,
	.release = pipe_release,
};

static const struct super_operations pipefs_ops; /* nothing to do: it has one inode, for ever */

static int pipefs_fill_super(struct super_block *sb, const char *options)
{
	struct inode *inode = new_inode(sb, S_IFIFO | 0600);

	if (!inode)
		return -ENOMEM;
	sb->s_op = &pipefs_ops;
	sb->s_magic = PIPEFS_MAGIC;
	sb->s_root = d_make_root(inode);
	return sb->s_root ? 0 : -ENOMEM;
}

static struct file_system_type pipe_fs_type = {
	.name = "pipefs",
	.fill_super = pipefs_fill_super,
};

static int __init pipe_init(void)
{
	int err = register_filesystem(&pipe_fs_type);

	if (err)
		return err;
	pipe_cache = kmem_cache_create("pipe_inode_info", sizeof(struct pipe), 0);
	pipe_mnt = kern_mount(&pipe_fs_type);
	return IS_ERR(pipe_mnt) ? (int)PTR_ERR(pipe_mnt) : 0;
}
fs_initcall(pipe_init);
