/*
 * Signal-driven I/O: O_ASYNC, fcntl(2) with F_SETOWN and F_SETSIG. Whoever owns a file is sent SIGIO,
 * or a signal of its choice with the descriptor in it, whenever something becomes possible.
 *
 * It is one more who listens to the wake-ups that poll, select and epoll live on. When O_ASYNC is
 * switched on, the file's own poll() is asked for its wait queues, and an entry with sigio_wake() as
 * its function is hung on each:
 *
 *	wake_up_poll(wq, EPOLLIN)  ->  sigio_wake()  ->  send_sigio()  ->  the owner's pending signals
 *
 * A kind of file takes part by naming the events it signals, file_operations.async. The signal says
 * that something has changed, not that it is still so; and a wake-up that says nothing of why
 * (a connection that changes its state) counts as input, or output where there is no input.
 *
 * Urgent data of a socket is told to the owner by SIGURG, with or without O_ASYNC: so the entries of a
 * file that can have some are hung up when it gets an owner. If O_ASYNC and a signal of its choice are
 * set, that one comes as well, with POLL_PRI.
 *
 * A real-time signal that cannot be queued becomes a plain SIGIO, which tells the program that it has
 * missed some and must look at all of its files.
 *
 * The owner is a thread, a process or a process group. Whether it may be sent signals is asked each
 * time, with the ids that whoever chose it had at that moment.
 *
 * LOCKING
 *	async_mutex   switching O_ASYNC on and off, the list of entries. Process context, outermost.
 *	fa->lock      owner and signal; held while it is sent. Any context, inside a wait queue's lock;
 *	              tasklist_lock and sighand->lock are taken under it.
 */
#include "fs/internal.h"
#include "kernel/exec/process.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/sched/mutex.h"
#include "kernel/sched/wait.h"
#include "kernel/trace/trace.h"

#define F_OWNER_TID  0
#define F_OWNER_PID  1
#define F_OWNER_PGRP 2

struct f_owner_ex {
	int type, pid;
};

/* Who gets the signals. */
struct async_owner {
	int type;                      /* F_OWNER_* */
	pid_t pid;                     /* 0: nobody */
	struct task *task;             /* F_OWNER_TID: a reference */
	struct signal_struct *process; /* F_OWNER_PID: a reference */
	u32 uid, euid;                 /* of whoever has chosen it */
};

struct fasync {
	struct file *file; /* [I] */
	spinlock_t lock;
	struct async_owner owner; /* [lock] */
	int sig;                  /* [lock] F_SETSIG; 0: SIGIO without details */
	int fd;                   /* [lock] by which O_ASYNC was switched on */
	bool on;                  /* [lock] O_ASYNC */
	struct list_head entries; /* [async_mutex] struct async_entry */
	int err;                  /* [async_mutex] what went wrong while they were hung up */
};

struct async_entry {
	struct list_head link;
	struct wait_queue_head *wq; /* [I] of the file, lives as long as it does */
	struct wait_queue_entry wait;
	struct fasync *owner;
};

static DEFINE_MUTEX(async_mutex);

/* What a POLL_* code means in the bits of poll(2), sigaction(2). */
static const u16 band_of[NSIGPOLL + 1] = {
	[POLL_IN] = EPOLLIN | EPOLLRDNORM,
	[POLL_OUT] = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND,
	[POLL_MSG] = EPOLLIN | EPOLLRDNORM | EPOLLMSG,
	[POLL_ERR] = EPOLLERR,
	[POLL_PRI] = EPOLLPRI | EPOLLRDBAND,
	[POLL_HUP] = EPOLLHUP | EPOLLERR,
};

/* Signals whose si_code has a meaning of its own. */
#define SIG_OWN_CODES \
	(sigmask(SIGILL) | sigmask(SIGFPE) | sigmask(SIGSEGV) | sigmask(SIGBUS) | \
	 sigmask(SIGTRAP) | sigmask(SIGCHLD) | sigmask(SIGSYS))

/* ---- sending; fa->lock held, any context ---- */

static bool may_signal(const struct async_owner *o, const struct signal_struct *g)
{
	return !o->euid || o->euid == g->suid || o->euid == g->uid || o->uid == g->suid ||
	       o->uid == g->uid;
}

/* @t NULL: to the whole process. */
static int send_to(struct signal_struct *g, struct task *t, int sig, const siginfo_t *info)
{
	return t ? send_signal_task(t, sig, info) : send_signal_group(g, sig, info);
}

/* @code POLL_*, or 0 for SIGURG. */
static void signal_process(const struct fasync *fa, struct signal_struct *g, struct task *t,
			   int code)
{
	siginfo_t info = {.si_signo = fa->sig, .si_code = code};

	if (!may_signal(&fa->owner, g))
		return;
	if (!code) {
		send_to(g, t, SIGURG, NULL);
		return;
	}
	if (fa->sig) {
		info.si_band = band_of[code];
		info.si_fd = fa->fd;
		if (sigmask(fa->sig) & SIG_OWN_CODES)
			info.si_code = SI_SIGIO;
		if (!send_to(g, t, fa->sig, &info))
			return;
	}
	send_to(g, t, SIGIO, NULL);
}

struct sigio {
	const struct fasync *fa;
	int code;
};

static void signal_member(struct signal_struct *g, void *arg)
{
	const struct sigio *s = arg;

	signal_process(s->fa, g, NULL, s->code);
}

static void signal_owner(struct fasync *fa, int code)
{
	struct async_owner *o = &fa->owner;

	if (o->pid && o->type == F_OWNER_TID)
		signal_process(fa, o->task->signal, o->task, code);
	else if (o->pid && o->type == F_OWNER_PID)
		signal_process(fa, o->process, NULL, code);
	else if (o->pid)
		for_each_in_pgrp(o->pid, signal_member, &(struct sigio){fa, code});
}

static void send_sigio(struct fasync *fa, int code)
{
	u64 flags;

	spin_lock_irqsave(&fa->lock, flags);
	if (fa->on) {
		trace(send_sigio, fa->fd, band_of[code]);
		signal_owner(fa, code);
	}
	spin_unlock_irqrestore(&fa->lock, flags);
}

/* Who has not chosen a signal is not sent SIGIO besides. */
static void send_sigurg(struct fasync *fa)
{
	u64 flags;

	spin_lock_irqsave(&fa->lock, flags);
	signal_owner(fa, 0);
	if (fa->on && fa->sig)
		signal_owner(fa, POLL_PRI);
	spin_unlock_irqrestore(&fa->lock, flags);
}

/* The POLL_* code for a wake-up; 0 for one that the file does not signal. */
static int sigio_code(const struct file *f, __poll_t events)
{
	events = events ? events & f->f_op->async
			: f->f_op->async & (f->f_mode & FMODE_READ ? EPOLLIN : EPOLLOUT);
	if (events & EPOLLIN)
		return POLL_IN;
	if (events & EPOLLHUP)
		return POLL_HUP;
	if (events & EPOLLERR)
		return POLL_ERR;
	return events & EPOLLOUT ? POLL_OUT : 0;
}

/* A wake-up of the file. Any context, under the queue's lock. */
static int sigio_wake(struct wait_queue_entry *wait, unsigned mode, int flags, void *key)
{
	struct fasync *fa = container_of(wait, struct async_entry, wait)->owner;
	int code = sigio_code(fa->file, key_to_poll(key));

	if (key_to_poll(key) == WAKE_URGENT)
		send_sigurg(fa);
	else if (code)
		send_sigio(fa, code);
	return 0;
}

/* ---- on and off; async_mutex held ---- */

struct async_table {
	struct poll_table pt;
	struct fasync *fa;
};

/* The file's poll() shows a queue. */
static void add_entry(struct file *file, struct wait_queue_head *wq, struct poll_table *pt)
{
	struct fasync *fa = container_of(pt, struct async_table, pt)->fa;
	struct async_entry *e = kmalloc(sizeof(*e), GFP_KERNEL);

	if (!e) {
		fa->err = -ENOMEM;
		return;
	}
	init_waitqueue_func_entry(&e->wait, sigio_wake);
	e->wq = wq;
	e->owner = fa;
	list_add(&e->link, &fa->entries);
	add_wait_queue(wq, &e->wait);
}

static void remove_entries(struct fasync *fa)
{
	struct async_entry *e, *n;

	list_for_each_entry_safe(e, n, &fa->entries, link) {
		remove_wait_queue(e->wq, &e->wait);
		kfree(e);
	}
	INIT_LIST_HEAD(&fa->entries);
}

/* The file's own state, made when it is first needed; NULL without memory. */
static struct fasync *fasync_of(struct file *f)
{
	struct fasync *fa = READ_ONCE(f->f_fasync);

	if (fa)
		return fa;
	fa = kzalloc(sizeof(*fa), GFP_KERNEL);
	if (!fa)
		return NULL;
	fa->file = f;
	spin_lock_init(&fa->lock);
	INIT_LIST_HEAD(&fa->entries);
	spin_lock(&f->f_lock);
	if (f->f_fasync) {
		kfree(fa);
		fa = f->f_fasync;
	} else {
		f->f_fasync = fa;
	}
	spin_unlock(&f->f_lock);
	return fa;
}

/* From now on wake-ups come to sigio_wake(). */
static int listen_to(struct file *f, struct fasync *fa)
{
	struct async_table table = {.pt = {.qproc = add_entry, .key = f->f_op->async}, .fa = fa};

	if (!list_empty(&fa->entries))
		return 0;
	fa->err = 0;
	f->f_op->poll(f, &table.pt);
	if (fa->err)
		remove_entries(fa);
	return fa->err;
}

static void switch_to(struct fasync *fa, int fd, bool on)
{
	u64 flags;

	spin_lock_irqsave(&fa->lock, flags);
	fa->fd = fd;
	fa->on = on;
	spin_unlock_irqrestore(&fa->lock, flags);
}

static int switch_on(struct file *f, int fd)
{
	struct fasync *fa = fasync_of(f);
	int err = fa ? listen_to(f, fa) : -ENOMEM;

	if (!err)
		switch_to(fa, fd, true);
	return err;
}

static void switch_off(struct file *f, int fd)
{
	switch_to(f->f_fasync, fd, false);
	if (!(f->f_op->async & EPOLLPRI))
		remove_entries(f->f_fasync);
}

int set_async(struct file *f, int fd, bool on)
{
	int err = 0;

	mutex_lock(&async_mutex);
	if (on)
		err = switch_on(f, fd);
	else if (f->f_fasync)
		switch_off(f, fd);
	mutex_unlock(&async_mutex);
	return err;
}

/* There is an owner to be told of urgent data. */
static int listen_for_urgent(struct file *f, struct fasync *fa)
{
	int err;

	mutex_lock(&async_mutex);
	err = listen_to(f, fa);
	mutex_unlock(&async_mutex);
	return err;
}

/* ---- owners ---- */

static void put_owner(struct async_owner *o)
{
	if (o->task)
		task_put(o->task);
	if (o->process)
		signal_put(o->process);
}

/* Finds whom a number means. 0, -ESRCH. tasklist_lock held. */
static int find_owner(struct async_owner *o)
{
	struct task *t;

	if (o->type == F_OWNER_PGRP)
		return pgrp_exists(o->pid) ? 0 : -ESRCH;
	t = find_task_locked(o->pid);
	if (!t || !t->signal)
		return -ESRCH;
	if (o->type == F_OWNER_TID) {
		task_get(t);
		o->task = t;
	} else {
		refcount_inc(&t->signal->refs);
		o->process = t->signal;
	}
	return 0;
}

static int set_owner(struct file *f, int type, pid_t pid)
{
	struct async_owner new = {.type = type, .pid = pid}, old;
	struct fasync *fa = fasync_of(f);
	int err = 0;
	u64 flags;

	if (!fa)
		return -ENOMEM;
	if (pid && (f->f_op->async & EPOLLPRI)) {
		err = listen_for_urgent(f, fa);
		if (err)
			return err;
	}
	spin_lock_irqsave(&tasklist_lock, flags);
	new.uid = current->signal->uid;
	new.euid = current->signal->euid;
	if (pid)
		err = find_owner(&new);
	spin_unlock_irqrestore(&tasklist_lock, flags);
	if (err)
		return err;
	spin_lock_irqsave(&fa->lock, flags);
	old = fa->owner;
	fa->owner = new;
	spin_unlock_irqrestore(&fa->lock, flags);
	put_owner(&old);
	return 0;
}

/* The owner's type and number; 0 if there is none, or none any more. */
static struct f_owner_ex get_owner(struct file *f)
{
	struct fasync *fa = READ_ONCE(f->f_fasync);
	struct f_owner_ex ex = {F_OWNER_PID, 0};
	bool alive = true;
	u64 flags;

	if (!fa)
		return ex;
	spin_lock_irqsave(&fa->lock, flags);
	ex = (struct f_owner_ex){fa->owner.type, fa->owner.pid};
	if (fa->owner.process)
		alive = READ_ONCE(fa->owner.process->leader);
	else if (fa->owner.task)
		alive = !list_empty(&fa->owner.task->pid_link);
	spin_unlock_irqrestore(&fa->lock, flags);
	if (!alive)
		ex.pid = 0;
	return ex;
}

/* A process by its number, or a group by that with a minus sign. */
static int set_owner_number(struct file *f, int who)
{
	if (who == INT32_MIN)
		return -EINVAL;
	return who < 0 ? set_owner(f, F_OWNER_PGRP, -who) : set_owner(f, F_OWNER_PID, who);
}

static int owner_number(struct file *f)
{
	struct f_owner_ex ex = get_owner(f);

	return ex.type == F_OWNER_PGRP ? -ex.pid : ex.pid;
}

static int set_sig(struct file *f, u64 sig)
{
	struct fasync *fa;
	u64 flags;

	if (sig > NSIG)
		return -EINVAL;
	fa = fasync_of(f);
	if (!fa)
		return -ENOMEM;
	spin_lock_irqsave(&fa->lock, flags);
	fa->sig = (int)sig;
	spin_unlock_irqrestore(&fa->lock, flags);
	return 0;
}

static int set_owner_ex(struct file *f, const struct f_owner_ex __user *uex)
{
	struct f_owner_ex ex;

	if (copy_from_user(&ex, uex, sizeof(ex)))
		return -EFAULT;
	if (ex.type < F_OWNER_TID || ex.type > F_OWNER_PGRP)
		return -EINVAL;
	return set_owner(f, ex.type, ex.pid);
}

long fcntl_async(struct file *f, unsigned cmd, u64 arg)
{
	struct f_owner_ex ex;

	switch (cmd) {
	case F_SETOWN:
		return set_owner_number(f, (int)arg);
	case F_GETOWN:
		return owner_number(f);
	case F_SETOWN_EX:
		return set_owner_ex(f, (const struct f_owner_ex __user *)arg);
	case F_GETOWN_EX:
		ex = get_owner(f);
		return copy_to_user((void __user *)arg, &ex, sizeof(ex)) ? -EFAULT : 0;
	case F_SETSIG:
		return set_sig(f, arg);
	default: /* F_GETSIG */
		return f->f_fasync ? READ_ONCE(f->f_fasync->sig) : 0;
	}
}

long ioctl_owner(struct file *f, bool set, int __user *arg)
{
	int who;

	if (!set)
		return put_user(owner_number(f), arg);
	return get_user(who, arg) ? -EFAULT : set_owner_number(f, who);
}

void fasync_release(struct file *f)
{
	struct fasync *fa = f->f_fasync;

	remove_entries(fa);
	put_owner(&fa->owner);
	kfree(fa);
}
