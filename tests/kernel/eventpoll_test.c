/*
 * eventpollfs from below: epolls that watch a fake file, whose events, wake-ups and wait queue the
 * test holds in its hands. What user space can see is tested by tests/abi/epoll_*.c; here are the
 * callback, nesting, and the races between the ends of a file, of an epoll, and wake-ups.
 */
#include "fs/eventpoll.h"
#include "fs/file.h"
#include "kernel/cpu/cpu.h"
#include "kernel/lib/ktest.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/seq.h"
#include "kernel/lib/string.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/completion.h"
#include "kernel/sched/task.h"

struct fake {
	struct file *file;
	struct wait_queue_head wq;
	__poll_t events; /* what poll() answers */
	atomic_t polls;  /* how often it was asked */
};

static __poll_t fake_poll(struct file *file, struct poll_table *pt)
{
	struct fake *f = file->private_data;

	atomic_inc(&f->polls);
	poll_wait(file, &f->wq, pt);
	return READ_ONCE(f->events);
}

static const struct file_operations fake_fops = {.poll = fake_poll};

static bool fake_open(struct fake *f)
{
	init_waitqueue_head(&f->wq);
	f->events = 0;
	atomic_set(&f->polls, 0);
	f->file = anon_file(&fake_fops, f, O_RDWR);
	return !IS_ERR(f->file);
}

static void fake_event(struct fake *f, __poll_t events)
{
	WRITE_ONCE(f->events, events);
	wake_up_poll(&f->wq, events);
}

static int add(struct file *ep, struct file *target, int fd, __poll_t events)
{
	struct epoll_event ev = {.events = events, .data = (u64)fd};

	return do_epoll_ctl(ep, EPOLL_CTL_ADD, target, fd, &ev);
}

static int mod(struct file *ep, struct file *target, int fd, __poll_t events)
{
	struct epoll_event ev = {.events = events, .data = (u64)fd};

	return do_epoll_ctl(ep, EPOLL_CTL_MOD, target, fd, &ev);
}

static int del(struct file *ep, struct file *target, int fd)
{
	return do_epoll_ctl(ep, EPOLL_CTL_DEL, target, fd, NULL);
}

static bool readable(struct file *ep)
{
	return vfs_poll(ep, NULL) & EPOLLIN;
}

/* e ──▶ f */
KTEST(eventpoll_callback)
{
	struct file *e = eventpoll_file(0);
	struct fake f;

	EXPECT(!IS_ERR(e));
	EXPECT(fake_open(&f));
	EXPECT(add(e, f.file, 3, EPOLLIN) == 0);
	EXPECT(add(e, f.file, 3, EPOLLIN) == -EEXIST);
	EXPECT(waitqueue_active(&f.wq));
	EXPECT(atomic_read(&f.polls) == 1);

	/* A file is asked only after it has called. */
	EXPECT(!readable(e));
	f.events = EPOLLIN;
	EXPECT(!readable(e));
	EXPECT(atomic_read(&f.polls) == 1);

	/* A call about something else is not for us; one that names nothing may be. */
	wake_up_poll(&f.wq, EPOLLOUT);
	EXPECT(!readable(e));
	wake_up(&f.wq);
	EXPECT(readable(e));
	EXPECT(readable(e));

	/* A hint that turns out stale is dropped, and then not asked about again. */
	f.events = 0;
	EXPECT(!readable(e));
	atomic_set(&f.polls, 0);
	EXPECT(!readable(e));
	EXPECT(atomic_read(&f.polls) == 0);

	/* ERR and HUP are always wanted. MOD looks at once. */
	fake_event(&f, EPOLLHUP);
	EXPECT(readable(e));
	f.events = EPOLLOUT;
	EXPECT(!readable(e));
	EXPECT(mod(e, f.file, 3, EPOLLOUT) == 0);
	EXPECT(readable(e));

	EXPECT(del(e, f.file, 3) == 0);
	EXPECT(del(e, f.file, 3) == -ENOENT);
	EXPECT(mod(e, f.file, 3, EPOLLIN) == -ENOENT);
	EXPECT(!waitqueue_active(&f.wq));
	EXPECT(!readable(e));
	fput(f.file);
	fput(e);
}

/* e ──▶ {f,3}, {f,4} and back: the end of either takes the entries off the queue. */
KTEST(eventpoll_ends)
{
	struct file *e = eventpoll_file(0), *e2 = eventpoll_file(0);
	struct fake f;

	EXPECT(!IS_ERR(e) && !IS_ERR(e2));
	EXPECT(fake_open(&f));
	EXPECT(add(e, f.file, 3, EPOLLIN) == 0);
	EXPECT(add(e, f.file, 4, EPOLLIN) == 0);
	EXPECT(add(e2, f.file, 3, EPOLLIN) == 0);
	fake_event(&f, EPOLLIN);
	EXPECT(readable(e) && readable(e2));
	fput(e);
	EXPECT(waitqueue_active(&f.wq));
	fput(f.file);
	EXPECT(!waitqueue_active(&f.wq));
	EXPECT(!readable(e2));
	fput(e2);
}

/* The limit on what a user may watch, set as a write to /proc/sys would. */
static const struct proc_entry *limit_entry(void)
{
	const struct proc_entry *e;

	for (e = __proc_entries_start; e < __proc_entries_end; e++)
		if (!strcmp(e->path, "sys/fs/epoll/max_user_watches"))
			return e;
	return NULL;
}

static u64 limit_value(const struct proc_entry *e)
{
	unsigned long value = 0;
	struct seq s = {NULL};

	e->show(&s);
	seq_write(&s, "", 1);
	if (!s.err) {
		s.buf[s.len - 2] = '\0'; /* the newline */
		(void)kstrtoul(s.buf, 10, &value);
	}
	seq_free(&s);
	return value;
}

KTEST(eventpoll_user_limit)
{
	const struct proc_entry *limit = limit_entry();
	struct file *e = eventpoll_file(0);
	int third, again;
	struct fake f;
	char text[24];
	u64 before;

	EXPECT(limit && limit->store);
	EXPECT(!IS_ERR(e));
	EXPECT(fake_open(&f));
	before = limit_value(limit);
	EXPECT(before > 1000);
	EXPECT(limit->store("2", 1) == 0);
	EXPECT(limit_value(limit) == 2);
	EXPECT(add(e, f.file, 1, EPOLLIN) == 0);
	EXPECT(add(e, f.file, 2, EPOLLIN) == 0);
	third = add(e, f.file, 3, EPOLLIN);
	EXPECT(del(e, f.file, 1) == 0);
	again = add(e, f.file, 3, EPOLLIN);
	snprintf(text, sizeof(text), "%lu", (unsigned long)before);
	EXPECT(limit->store(text, strlen(text)) == 0);
	EXPECT(limit->store("-1", 2) != 0 && limit->store("many", 4) != 0);
	EXPECT(third == -ENOSPC && again == 0);
	fput(f.file);
	fput(e);
}

/* Counts wake-ups of an epoll's own queue. */
struct watcher {
	struct poll_table pt;
	struct wait_queue_entry wait;
	struct wait_queue_head *wq;
	int calls;
};

static int watcher_func(struct wait_queue_entry *wait, unsigned mode, int flags, void *key)
{
	container_of(wait, struct watcher, wait)->calls++;
	return 1;
}

static void watcher_queue(struct file *file, struct wait_queue_head *wq, struct poll_table *pt)
{
	struct watcher *w = container_of(pt, struct watcher, pt);

	w->wq = wq;
	init_waitqueue_func_entry(&w->wait, watcher_func);
	add_wait_queue(wq, &w->wait);
}

/*
 *	watcher ──▶ e[4] ──▶ e[3] ──▶ e[2] ──▶ e[1] ──▶ e[0] ──▶ f
 */
KTEST(eventpoll_chain)
{
	struct watcher w = {.pt = {.qproc = watcher_queue, .key = EPOLLIN}};
	struct file *e[6];
	struct fake f;

	for (int i = 0; i < 6; i++) {
		e[i] = eventpoll_file(0);
		EXPECT(!IS_ERR(e[i]));
	}
	EXPECT(fake_open(&f));
	for (int i = 1; i < 5; i++)
		EXPECT(add(e[i], e[i - 1], 10 + i, EPOLLIN) == 0);
	EXPECT(add(e[0], f.file, 3, EPOLLIN | EPOLLET) == 0);
	EXPECT(add(e[5], e[4], 20, EPOLLIN) == -ELOOP);
	EXPECT(add(e[0], e[5], 20, EPOLLIN) == -ELOOP);
	EXPECT(add(e[0], e[4], 20, EPOLLIN) == -ELOOP);
	EXPECT(add(e[2], e[2], 20, EPOLLIN) == -EINVAL);
	EXPECT(add(e[5], e[3], 20, EPOLLIN) == 0);

	EXPECT(vfs_poll(e[4], &w.pt) == 0);
	EXPECT(w.calls == 0);
	fake_event(&f, EPOLLIN);
	EXPECT(w.calls == 1);
	for (int i = 5; i >= 0; i--)
		EXPECT(readable(e[i]));
	f.events = 0;
	for (int i = 5; i >= 0; i--)
		EXPECT(!readable(e[i]));

	/* Without its middle the chain carries nothing, and the ends may be joined. */
	fput(e[2]);
	fake_event(&f, EPOLLIN);
	EXPECT(w.calls == 1);
	EXPECT(!readable(e[4]) && readable(e[1]));
	EXPECT(add(e[3], e[1], 30, EPOLLIN) == 0);
	EXPECT(w.calls == 2);
	EXPECT(readable(e[4]));

	remove_wait_queue(w.wq, &w.wait);
	for (int i = 0; i < 6; i++)
		if (i != 2)
			fput(e[i]);
	EXPECT(!waitqueue_active(&f.wq));
	fput(f.file);
}

/*
 * The races. Each thread does its part over and over; the test is that nothing crashes, that the
 * counts of references (which panic) add up, and that the queue is empty at the end.
 */
#define RACERS 3
#define LAPS   3000

static struct {
	struct fake f;
	struct file *shared; /* an epoll */
	atomic_t running, failed;
	struct completion done;
} race;

static void race_done(void)
{
	if (atomic_dec_and_test(&race.running))
		complete(&race.done);
}

static void expect_racing(bool good)
{
	if (!good)
		atomic_inc(&race.failed);
}

/* Wakes the queue that the others hang on and off. */
static int race_waker(void *arg)
{
	for (int i = 0; i < LAPS; i++) {
		fake_event(&race.f, i & 1 ? EPOLLIN : EPOLLOUT);
		if (i % 5 == 0)
			yield_cpu();
	}
	race_done();
	return 0;
}

/* ADD, MOD, DEL on the shared epoll, with a number of its own. */
static int race_changer(void *arg)
{
	int fd = (int)(long)arg;

	for (int i = 0; i < LAPS; i++) {
		expect_racing(add(race.shared, race.f.file, fd, EPOLLIN | EPOLLET) == 0);
		expect_racing(mod(race.shared, race.f.file, fd, EPOLLOUT) == 0);
		(void)readable(race.shared);
		expect_racing(del(race.shared, race.f.file, fd) == 0);
		if (i % 7 == 0)
			yield_cpu();
	}
	race_done();
	return 0;
}

/* Epolls that come and go while they watch the shared file and are watched by the shared epoll. */
static int race_closer(void *arg)
{
	for (int i = 0; i < LAPS / 4; i++) {
		struct file *e = eventpoll_file(0);

		if (IS_ERR(e)) {
			expect_racing(false);
			continue;
		}
		expect_racing(add(race.shared, e, 100, EPOLLIN) == 0);
		expect_racing(add(e, race.f.file, 5, EPOLLIN) == 0);
		(void)readable(race.shared);
		fput(e);
	}
	race_done();
	return 0;
}

static bool race_start(int (*fn)(void *), void *arg, const char *name)
{
	atomic_inc(&race.running);
	return kthread_run(fn, arg, -1, "%s", name) != NULL;
}

KTEST(eventpoll_race_changes)
{
	race.shared = eventpoll_file(0);
	EXPECT(!IS_ERR(race.shared));
	EXPECT(fake_open(&race.f));
	init_completion(&race.done);
	atomic_set(&race.running, 1);
	atomic_set(&race.failed, 0);
	for (long i = 0; i < RACERS; i++)
		EXPECT(race_start(race_changer, (void *)i, "ep_changer"));
	EXPECT(race_start(race_waker, NULL, "ep_waker"));
	EXPECT(race_start(race_closer, NULL, "ep_closer"));
	race_done();
	wait_for_completion(&race.done);
	EXPECT(atomic_read(&race.failed) == 0);
	EXPECT(!waitqueue_active(&race.f.wq));
	fput(race.shared);
	fput(race.f.file);
}

/*
 * The end of a file against the end of the epoll that watches it, at the same time. The two sides
 * meet before each lap, so that neither is ahead.
 */
static struct {
	struct file *e[2];
	struct fake f;
	atomic_t at_start, at_end;
	struct wait_queue_head meeting;
	struct completion done;
} ends;

/* Looks for the other for a moment, then sleeps: its CPU may be a virtual one that has to wait. */
static void meet(atomic_t *count, int all)
{
	(void)atomic_add_return(count, 1);
	wake_up_all(&ends.meeting);
	for (int i = 0; i < 1000 && atomic_read(count) < all; i++)
		cpu_relax();
	wait_event(&ends.meeting, atomic_read(count) >= all);
}

static int end_epolls(void *arg)
{
	for (int lap = 1; lap <= LAPS / 3; lap++) {
		meet(&ends.at_start, 2 * lap);
		fput(ends.e[0]);
		fput(ends.e[1]);
		meet(&ends.at_end, 2 * lap);
	}
	complete(&ends.done);
	return 0;
}

KTEST(eventpoll_race_ends)
{
	atomic_set(&ends.at_start, 0);
	atomic_set(&ends.at_end, 0);
	init_waitqueue_head(&ends.meeting);
	init_completion(&ends.done);
	EXPECT(kthread_run(end_epolls, NULL, -1, "ep_ends"));
	for (int lap = 1; lap <= LAPS / 3; lap++) {
		EXPECT(fake_open(&ends.f));
		for (int i = 0; i < 2; i++) {
			ends.e[i] = eventpoll_file(0);
			EXPECT(!IS_ERR(ends.e[i]));
			for (int fd = 0; fd < 3; fd++)
				EXPECT(add(ends.e[i], ends.f.file, fd, EPOLLIN) == 0);
		}
		fake_event(&ends.f, EPOLLIN);
		meet(&ends.at_start, 2 * lap);
		fput(ends.f.file);
		EXPECT(!waitqueue_active(&ends.f.wq));
		meet(&ends.at_end, 2 * lap);
	}
	wait_for_completion(&ends.done);
}
