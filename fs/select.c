/*
 * poll(2), ppoll(2), select(2), pselect6(2).
 *
 * The older way to wait for many files: every call brings the whole list, asks each file, hangs an
 * entry on each file's wait queue, sleeps, asks each again, and takes all entries off. So a call is
 * O(n) in what is watched, however little is ready, by its interface: the kernel keeps nothing from
 * one call to the next. That is what eventpoll.c does away with, over the same f_op->poll and the
 * same wait queues.
 *
 *	do_poll() or do_select()
 *	   └ vfs_poll(file, &pwq.pt) → poll_wait() → __pollwait()     hangs a pollwake() entry
 *	   └ nothing true: sleep on pwq.wq until pwq.triggered
 *	wake_up(source) → pollwake() → triggered = true, wake_up(&pwq.wq)
 *
 * Entries are hung in the first round only, and no more once something was found true. The first
 * few live in struct poll_wqueues on the stack, others on pages.
 *
 * LOCKING: a call works on its own memory. pollwake() runs under the source's wq->lock and takes
 * pwq.wq.lock below it. poll_freewait() takes each entry off under that same lock, so no pollwake()
 * runs when the stack frame goes. An entry holds a reference to its file, for the descriptor may
 * be closed by another thread meanwhile.
 */
#include "fs/file.h"
#include "kernel/cpu/syscall.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/uaccess.h"
#include "kernel/mm/vmalloc.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/wait.h"
#include "kernel/time/ktime.h"
#include "kernel/trace/trace.h"

#define N_INLINE_ENTRIES 8
#define N_STACK_POLLFDS  32
#define N_STACK_LONGS    6 /* six sets of up to 64 descriptors */

struct poll_table_entry {
	struct wait_queue_entry wait; /* func = pollwake */
	struct wait_queue_head *wq;
	struct file *file; /* with a reference */
	__poll_t key;      /* what the caller wants of it, and ERR and HUP */
	struct poll_wqueues *pwq;
};

struct poll_table_page {
	struct poll_table_page *next;
	unsigned used;
	struct poll_table_entry entries[];
};
#define POLL_PAGE_ENTRIES \
	((PAGE_SIZE - sizeof(struct poll_table_page)) / sizeof(struct poll_table_entry))

/* One call of poll() or select(). */
struct poll_wqueues {
	struct poll_table pt;
	struct wait_queue_head wq; /* where the caller sleeps */
	bool triggered;            /* something has happened since the round began */
	int error;                 /* -ENOMEM: not everything is listened to */
	unsigned inline_used;
	struct poll_table_page *pages;
	struct poll_table_entry inline_entries[N_INLINE_ENTRIES];
};

static int pollwake(struct wait_queue_entry *wait, unsigned mode, int flags, void *key)
{
	struct poll_table_entry *e = container_of(wait, struct poll_table_entry, wait);
	struct poll_wqueues *pwq = e->pwq;
	__poll_t happened = key_to_poll(key);

	trace(pollwake, happened, 0);
	if (happened && !(happened & e->key))
		return 0;
	/* The sleeper looks at it after it has queued on pwq->wq, whose lock wake_up() takes. */
	WRITE_ONCE(pwq->triggered, true);
	wake_up(&pwq->wq);
	return 1;
}

static struct poll_table_entry *poll_get_entry(struct poll_wqueues *pwq)
{
	struct poll_table_page *page = pwq->pages;

	if (pwq->inline_used < N_INLINE_ENTRIES)
		return &pwq->inline_entries[pwq->inline_used++];
	if (!page || page->used == POLL_PAGE_ENTRIES) {
		page = get_free_page(GFP_KERNEL);
		if (!page) {
			pwq->error = -ENOMEM;
			return NULL;
		}
		page->used = 0;
		page->next = pwq->pages;
		pwq->pages = page;
	}
	return &page->entries[page->used++];
}

static void __pollwait(struct file *file, struct wait_queue_head *wq, struct poll_table *pt)
{
	struct poll_wqueues *pwq = container_of(pt, struct poll_wqueues, pt);
	struct poll_table_entry *e = poll_get_entry(pwq);

	if (!e)
		return;
	init_waitqueue_func_entry(&e->wait, pollwake);
	e->wq = wq;
	e->file = get_file(file);
	e->key = pt->key;
	e->pwq = pwq;
	add_wait_queue(wq, &e->wait);
}

static void poll_initwait(struct poll_wqueues *pwq)
{
	pwq->pt.qproc = __pollwait;
	pwq->pt.key = ~0u;
	init_waitqueue_head(&pwq->wq);
	pwq->triggered = false;
	pwq->error = 0;
	pwq->inline_used = 0;
	pwq->pages = NULL;
}

static void free_entry(struct poll_table_entry *e)
{
	remove_wait_queue(e->wq, &e->wait);
	fput(e->file);
}

static void poll_freewait(struct poll_wqueues *pwq)
{
	struct poll_table_page *page;

	for (unsigned i = 0; i < pwq->inline_used; i++)
		free_entry(&pwq->inline_entries[i]);
	while ((page = pwq->pages)) {
		pwq->pages = page->next;
		for (unsigned i = 0; i < page->used; i++)
			free_entry(&page->entries[i]);
		free_page(page);
	}
}

/*
 * After a round that found nothing: false if another round is due, true to give up, with *err
 * -ERESTARTNOHAND for a signal. A wake-up since the round began makes it return at once.
 */
static bool poll_sleep(struct poll_wqueues *pwq, u64 deadline, bool *late, long *err)
{
	if (*late)
		return true;
	if (signal_pending(current)) {
		*err = -ERESTARTNOHAND;
		return true;
	}
	*late = wait_event_interruptible_deadline(&pwq->wq, READ_ONCE(pwq->triggered), deadline) ==
		-ETIME;
	/*
	 * First this, then the next round's look at the files. A change that the look misses has
	 * its pollwake() after it, which pairs through the source's wq->lock: triggered stays true.
	 */
	WRITE_ONCE(pwq->triggered, false);
	smp_mb();
	return false;
}

/* ---- time ---- */

/* NO_DEADLINE for a NULL pointer to a timeout; 0 for "do not wait". */
static u64 poll_deadline(u64 timeout)
{
	if (!timeout || timeout == NO_DEADLINE)
		return timeout;
	return deadline_after(timeout);
}

static u64 time_left(u64 deadline)
{
	u64 now;

	if (!deadline)
		return 0;
	now = ktime_get();
	return now < deadline ? deadline - now : 0;
}

/* ---- poll ---- */

/* What holds of one descriptor. fdget() each time: another thread may close it. */
static __poll_t do_pollfd(struct pollfd *pfd, struct poll_table *pt)
{
	__poll_t want = (u16)pfd->events | EPOLLERR | EPOLLHUP, events;
	struct fd f;

	if (pfd->fd < 0)
		return 0;
	f = fdget((unsigned)pfd->fd);
	if (!f.file)
		return EPOLLNVAL;
	pt->key = want;
	events = vfs_poll(f.file, pt) & want;
	fdput(f);
	return events;
}

/* How many have something to report, or -errno. */
static long do_poll(struct pollfd *fds, unsigned nfds, struct poll_wqueues *pwq, u64 deadline)
{
	bool late = deadline == 0;
	long count = 0, err = 0;

	if (late)
		pwq->pt.qproc = NULL; /* ask only */
	for (;;) {
		for (unsigned i = 0; i < nfds; i++) {
			__poll_t events = do_pollfd(&fds[i], &pwq->pt);

			fds[i].revents = (short)events;
			if (events) {
				count++;
				pwq->pt.qproc = NULL; /* there will be no sleep */
			}
			if (i % 64 == 63)
				cond_resched();
		}
		pwq->pt.qproc = NULL; /* all have been hung by now */
		if (count)
			return count;
		if (pwq->error)
			return pwq->error;
		if (poll_sleep(pwq, deadline, &late, &err))
			return err;
	}
}

static long do_sys_poll(struct pollfd __user *ufds, unsigned nfds, u64 deadline)
{
	struct pollfd stack_fds[N_STACK_POLLFDS], *fds = stack_fds;
	struct poll_wqueues pwq;
	long ret = -EFAULT;

	if (nfds > READ_ONCE(current->signal->rlim[RLIMIT_NOFILE].rlim_cur))
		return -EINVAL;
	if (nfds > N_STACK_POLLFDS) {
		fds = kvmalloc(nfds * sizeof(*fds), GFP_KERNEL);
		if (!fds)
			return -ENOMEM;
	}
	if (copy_from_user(fds, ufds, nfds * sizeof(*fds)))
		goto out;
	trace(poll, nfds, 0);
	poll_initwait(&pwq);
	ret = do_poll(fds, nfds, &pwq, deadline);
	poll_freewait(&pwq);
	trace(poll_exit, ret, 0);
	/* revents alone: another thread may use the rest meanwhile. */
	for (unsigned i = 0; i < nfds; i++) {
		if (put_user(fds[i].revents, &ufds[i].revents)) {
			ret = -EFAULT;
			break;
		}
	}
out:
	if (fds != stack_fds)
		kvfree(fds);
	return ret;
}

/* poll(2) goes on after a signal that ran no handler, until the same time as before. */
static long do_restart_poll(struct task *t)
{
	long ret = do_sys_poll((struct pollfd __user *)t->restart_args[0],
			       (unsigned)t->restart_args[1], t->restart_deadline);

	return ret == -ERESTARTNOHAND ? -ERESTART_RESTARTBLOCK : ret;
}

SYSCALL_DEFINE3(poll, struct pollfd __user *, ufds, unsigned, nfds, int, timeout_ms)
{
	u64 deadline =
		poll_deadline(timeout_ms < 0 ? NO_DEADLINE : (u64)timeout_ms * NSEC_PER_MSEC);
	long ret = do_sys_poll(ufds, nfds, deadline);

	if (ret != -ERESTARTNOHAND)
		return ret;
	current->restart_fn = do_restart_poll;
	current->restart_args[0] = (u64)ufds;
	current->restart_args[1] = nfds;
	current->restart_deadline = deadline;
	return -ERESTART_RESTARTBLOCK;
}

/* ---- ppoll and pselect6: a timespec, and a mask for the time of the call ---- */

/* *timeout in nanoseconds, NO_DEADLINE if there is none. 0, -EFAULT, -EINVAL. */
static int get_timeout(const struct timespec __user *uts, u64 *timeout)
{
	struct timespec ts;

	*timeout = NO_DEADLINE;
	if (!uts)
		return 0;
	if (copy_from_user(&ts, uts, sizeof(ts)))
		return -EFAULT;
	if (!timespec_valid(&ts))
		return -EINVAL;
	*timeout = timespec_to_ns(&ts);
	return 0;
}

/*
 * The old mask comes back, and the time that is left goes to the user. Where that cannot be written
 * the call cannot be restarted either: it would wait the whole time again.
 */
static long poll_select_finish(long ret, u64 deadline, struct timespec __user *uts,
			       struct timeval __user *utv)
{
	u64 left;

	restore_saved_sigmask_unless(ret == -ERESTARTNOHAND);
	if (!uts && !utv)
		return ret;
	left = time_left(deadline);
	if (uts) {
		struct timespec ts = ns_to_timespec(left);

		if (!copy_to_user(uts, &ts, sizeof(ts)))
			return ret;
	} else {
		struct timeval tv = {(s64)(left / NSEC_PER_SEC),
				     (s64)(left % NSEC_PER_SEC / NSEC_PER_USEC)};

		if (!copy_to_user(utv, &tv, sizeof(tv)))
			return ret;
	}
	return ret == -ERESTARTNOHAND ? -EINTR : ret;
}

SYSCALL_DEFINE5(ppoll, struct pollfd __user *, ufds, unsigned, nfds, struct timespec __user *, uts,
		const sigset_t __user *, umask, size_t, sigsetsize)
{
	u64 timeout, deadline;
	long ret = get_timeout(uts, &timeout);

	if (ret)
		return ret;
	deadline = poll_deadline(timeout);
	ret = set_user_sigmask(umask, sigsetsize);
	if (ret)
		return ret;
	ret = do_sys_poll(ufds, nfds, deadline);
	return poll_select_finish(ret, deadline, uts, NULL);
}

/* ---- select ---- */

#define POLLIN_SET  (EPOLLRDNORM | EPOLLRDBAND | EPOLLIN | EPOLLHUP | EPOLLERR)
#define POLLOUT_SET (EPOLLWRBAND | EPOLLWRNORM | EPOLLOUT | EPOLLERR)
#define POLLEX_SET  EPOLLPRI

/* The three sets of the caller and the three answers, each of n bits in whole longs. */
struct fd_sets {
	unsigned long *in, *out, *ex;
	unsigned long *res_in, *res_out, *res_ex;
};

#define LONG_BITS    64u
#define SET_LONGS(n) DIV_ROUND_UP(n, LONG_BITS)

/* One past the highest descriptor that is asked for, or -EBADF if one of them is not open. */
static long max_select_fd(unsigned n, const struct fd_sets *s)
{
	unsigned max = 0;

	for (unsigned fd = 0; fd < n; fd++) {
		unsigned long bit = 1ul << (fd % LONG_BITS);
		unsigned w = fd / LONG_BITS;
		struct fd f;

		if (!((s->in[w] | s->out[w] | s->ex[w]) & bit))
			continue;
		f = fdget(fd);
		if (!f.file)
			return -EBADF;
		fdput(f);
		max = fd + 1;
	}
	return max;
}

/* One descriptor of the sets: how many bits of the answer it sets. */
static int select_one(struct fd_sets *s, unsigned fd, struct poll_table *pt)
{
	unsigned long bit = 1ul << (fd % LONG_BITS);
	unsigned w = fd / LONG_BITS;
	__poll_t events;
	struct fd f;
	int count = 0;

	pt->key = EPOLLERR | EPOLLHUP | (s->in[w] & bit ? POLLIN_SET : 0) |
		  (s->out[w] & bit ? POLLOUT_SET : 0) | (s->ex[w] & bit ? POLLEX_SET : 0);
	f = fdget(fd);
	/* Closed by another thread after max_select_fd(): ready, so that the caller finds out. */
	events = f.file ? vfs_poll(f.file, pt) : ~0u;
	fdput(f);
	if ((s->in[w] & bit) && (events & POLLIN_SET)) {
		s->res_in[w] |= bit;
		count++;
	}
	if ((s->out[w] & bit) && (events & POLLOUT_SET)) {
		s->res_out[w] |= bit;
		count++;
	}
	if ((s->ex[w] & bit) && (events & POLLEX_SET)) {
		s->res_ex[w] |= bit;
		count++;
	}
	return count;
}

static long select_round(unsigned n, struct fd_sets *s, struct poll_table *pt)
{
	long count = 0;

	for (unsigned w = 0; w < SET_LONGS(n); w++) {
		unsigned long asked = s->in[w] | s->out[w] | s->ex[w];

		if (n % LONG_BITS && w == n / LONG_BITS)
			asked &= (1ul << (n % LONG_BITS)) - 1;
		for (; asked; asked &= asked - 1) {
			unsigned fd = w * LONG_BITS + (unsigned)__builtin_ctzl(asked);

			count += select_one(s, fd, pt);
			if (count)
				pt->qproc = NULL; /* there will be no sleep */
		}
		cond_resched();
	}
	return count;
}

static long do_select(unsigned n, struct fd_sets *s, u64 deadline)
{
	struct poll_wqueues pwq;
	bool late = deadline == 0;
	long ret = max_select_fd(n, s), err = 0;

	if (ret < 0)
		return ret;
	n = (unsigned)ret;
	poll_initwait(&pwq);
	if (late)
		pwq.pt.qproc = NULL;
	for (;;) {
		ret = select_round(n, s, &pwq.pt);
		pwq.pt.qproc = NULL;
		if (ret)
			break;
		ret = pwq.error;
		if (ret)
			break;
		if (poll_sleep(&pwq, deadline, &late, &err)) {
			ret = err;
			break;
		}
	}
	poll_freewait(&pwq);
	return ret;
}

static bool get_set(unsigned long *set, const void __user *uset, size_t bytes)
{
	if (!uset) {
		memset(set, 0, bytes);
		return true;
	}
	return !copy_from_user(set, uset, bytes);
}

static bool put_set(void __user *uset, const unsigned long *set, size_t bytes)
{
	return !uset || !copy_to_user(uset, set, bytes);
}

static long core_sys_select(int n, void __user *in, void __user *out, void __user *ex, u64 deadline)
{
	unsigned long stack[6 * N_STACK_LONGS], *mem = stack;
	unsigned longs, nfds;
	struct fd_sets s;
	size_t bytes;
	long ret;

	if (n < 0)
		return -EINVAL;
	/* No descriptor is beyond the table, so no bit is looked at there. */
	nfds = min((unsigned)n, READ_ONCE(current->files->max));
	longs = SET_LONGS(nfds);
	bytes = longs * sizeof(long);
	if (longs > N_STACK_LONGS) {
		mem = kvmalloc(6 * bytes, GFP_KERNEL);
		if (!mem)
			return -ENOMEM;
	}
	s = (struct fd_sets){mem,
			     mem + longs,
			     mem + 2 * longs,
			     mem + 3 * longs,
			     mem + 4 * longs,
			     mem + 5 * longs};
	memset(s.res_in, 0, 3 * bytes);
	ret = -EFAULT;
	if (!get_set(s.in, in, bytes) || !get_set(s.out, out, bytes) || !get_set(s.ex, ex, bytes))
		goto out;
	trace(select, nfds, 0);
	ret = do_select(nfds, &s, deadline);
	trace(select_exit, ret, 0);
	if (ret < 0)
		goto out;
	if (!put_set(in, s.res_in, bytes) || !put_set(out, s.res_out, bytes) ||
	    !put_set(ex, s.res_ex, bytes))
		ret = -EFAULT;
out:
	if (mem != stack)
		kvfree(mem);
	return ret;
}

SYSCALL_DEFINE5(select, int, n, void __user *, in, void __user *, out, void __user *, ex,
		struct timeval __user *, utv)
{
	u64 deadline = NO_DEADLINE;
	struct timeval tv;

	if (utv) {
		struct timespec ts;

		if (copy_from_user(&tv, utv, sizeof(tv)))
			return -EFAULT;
		/* More than a second of microseconds is carried over; less than none is an error. */
		ts.tv_nsec = tv.tv_usec % 1000000 * (s64)NSEC_PER_USEC;
		if (__builtin_add_overflow(tv.tv_sec, tv.tv_usec / 1000000, &ts.tv_sec) ||
		    !timespec_valid(&ts))
			return -EINVAL;
		deadline = poll_deadline(timespec_to_ns(&ts));
	}
	return poll_select_finish(core_sys_select(n, in, out, ex, deadline), deadline, NULL, utv);
}

struct sigset_arg {
	const sigset_t __user *mask;
	size_t size;
};

SYSCALL_DEFINE6(pselect6, int, n, void __user *, in, void __user *, out, void __user *, ex,
		struct timespec __user *, uts, const struct sigset_arg __user *, usig)
{
	struct sigset_arg sig = {NULL, 0};
	u64 timeout, deadline;
	long ret;

	if (usig && copy_from_user(&sig, usig, sizeof(sig)))
		return -EFAULT;
	ret = get_timeout(uts, &timeout);
	if (ret)
		return ret;
	deadline = poll_deadline(timeout);
	ret = set_user_sigmask(sig.mask, sig.size);
	if (ret)
		return ret;
	ret = core_sys_select(n, in, out, ex, deadline);
	return poll_select_finish(ret, deadline, uts, NULL);
}
