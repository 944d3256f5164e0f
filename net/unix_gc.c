/*
 * Files in flight: those that a message on some UNIX socket's queue holds, and nobody has received
 * yet. Any file may be in flight; sockets need care. Send a socket over itself and close it:
 *
 *	a, b = socketpair(); send a over b; close a; close b
 *
 *	b is gone.  a's queue --> message --> a's file		nobody else knows a
 *
 * The references form a cycle that no process can reach, and would stay for ever. So each socket
 * counts its references from messages (inflight), and unix_gc() looks for those that have no other,
 * by the method of trial deletion:
 *
 *	1. candidates: sockets all of whose references are in flight
 *	2. gc_refs = inflight, less one for each reference from a candidate's own queue
 *	3. gc_refs > 0: a message outside of the candidates holds it, so it can still be received. It
 *	   and whatever its queue leads to is alive
 *	4. the rest is garbage: the files are taken out of their messages and closed, and the sockets
 *	   go away with their last reference
 *
 * When: a cycle can only be cut off by giving back a reference to a socket that is in flight. That is
 * close(2) (unix_flush()), closing files out of messages (scm_drop()), and the end of any UNIX
 * socket, which covers a reference that a system call held for a moment. The cost is in proportion
 * to the sockets in flight, of which there are none in most systems.
 *
 * Closing a file may free a socket, whose queue has messages with files, and so on. That is not done
 * by recursion, which a long chain would run off the stack, but by the list current->scm_work, which
 * the outermost call works off.
 *
 * LOCKING: unix_gc_lock, a spinlock taken in process context, guards all counts, and the files of
 * queued messages (msg->fp). It comes before u->lock. While it is held no file comes into flight or
 * out of it, nor can MSG_PEEK make references, so the counts in step 1 stay true: a file with no
 * reference but those of messages cannot be reached by any other way.
 */

#include "kernel/debug/leak.h"
#include "kernel/exec/cred.h"
#include "kernel/exec/process.h"
#include "kernel/lib/init.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/signal.h"
#include "net/socket.h"
#include "net/unix.h"

enum { GC_ALIVE, GC_CANDIDATE, GC_GARBAGE };

static DEFINE_SPINLOCK(unix_gc_lock);
static LIST_HEAD(inflight_socks); /* [G] by gc_link */
unsigned unix_tot_inflight;       /* [G] sockets on it; read without the lock */

static struct unix_sock *file_unix_sock(const struct file *file)
{
	struct sock *sk = sock_from_file(file);

	return sk && sk->family == AF_UNIX ? unix_sk(sk) : NULL;
}

/* ---- into flight and out of it ---- */

static void count_in(struct file *file)
{
	struct unix_sock *u = file_unix_sock(file);

	if (!u || u->inflight++)
		return;
	u->file = file;
	list_add_tail(&u->gc_link, &inflight_socks);
	WRITE_ONCE(unix_tot_inflight, unix_tot_inflight + 1);
}

static void count_out(struct file *file)
{
	struct unix_sock *u = file_unix_sock(file);

	if (!u || --u->inflight)
		return;
	list_del_init(&u->gc_link);
	WRITE_ONCE(unix_tot_inflight, unix_tot_inflight - 1);
}

/* What is in flight is in no descriptor table, but it is limited like one. */
static bool too_many_in_flight(u32 uid)
{
	const struct signal_struct *g = current->signal;
	int now = atomic_read(&user_count(uid)->inflight);

	return g && !capable(CAP_SYS_RESOURCE) && (u64)now > g->rlim[RLIMIT_NOFILE].rlim_cur;
}

int unix_inflight(struct scm_fp *fp)
{
	if (too_many_in_flight(fp->uid))
		return -ETOOMANYREFS;
	atomic_add(&user_count(fp->uid)->inflight, (int)fp->count);
	spin_lock(&unix_gc_lock);
	for (unsigned i = 0; i < fp->count; i++)
		count_in(fp->files[i]);
	spin_unlock(&unix_gc_lock);
	return 0;
}

static void out_of_flight(struct scm_fp *fp)
{
	for (unsigned i = 0; i < fp->count; i++)
		count_out(fp->files[i]);
	atomic_sub(&user_count(fp->uid)->inflight, (int)fp->count);
}

/* The garbage collector may have been faster: NULL then. */
struct scm_fp *unix_take_files(struct unix_msg *m)
{
	struct scm_fp *fp;

	spin_lock(&unix_gc_lock);
	fp = m->fp;
	m->fp = NULL;
	if (fp)
		out_of_flight(fp);
	spin_unlock(&unix_gc_lock);
	return fp;
}

/* A reader of a socket has it open, so it is no garbage and m->fp stays. */
struct scm_fp *unix_copy_files(struct unix_msg *m)
{
	const struct scm_fp *fp = m->fp;
	struct scm_fp *copy;

	copy = kmalloc(sizeof(*fp) + fp->count * sizeof(struct file *), GFP_KERNEL);
	if (!copy)
		return NULL;
	copy->uid = fp->uid;
	copy->count = fp->count;
	spin_lock(&unix_gc_lock);
	for (unsigned i = 0; i < fp->count; i++)
		copy->files[i] = get_file(fp->files[i]);
	spin_unlock(&unix_gc_lock);
	return copy;
}

/* ---- the collector ---- */

/* Calls @fn for each socket that a message on @u's queue holds. unix_gc_lock and u->lock held. */
static void scan_queue(struct unix_sock *u, void (*fn)(struct unix_sock *u, struct list_head *arg),
		       struct list_head *arg)
{
	struct unix_msg *m;
	struct unix_sock *held;

	list_for_each_entry(m, &u->rx, link)
		for (unsigned i = 0; m->fp && i < m->fp->count; i++) {
			held = file_unix_sock(m->fp->files[i]);
			if (held)
				fn(held, arg);
		}
}

/* The same for @u, and, if it listens, for the connections that wait in it. */
static void scan(struct unix_sock *u, void (*fn)(struct unix_sock *u, struct list_head *arg),
		 struct list_head *arg)
{
	struct unix_sock *child;

	spin_lock(&u->lock);
	scan_queue(u, fn, arg);
	list_for_each_entry(child, &u->accept, accept) {
		spin_lock_nested(&child->lock, 1);
		scan_queue(child, fn, arg);
		spin_unlock(&child->lock);
	}
	spin_unlock(&u->lock);
}

static void explain_one(struct unix_sock *u, struct list_head *unused)
{
	if (u->gc_state == GC_CANDIDATE)
		u->gc_refs--;
}

static void revive(struct unix_sock *u, struct list_head *alive)
{
	if (u->gc_state != GC_CANDIDATE)
		return;
	u->gc_state = GC_ALIVE;
	list_move_tail(&u->gc_link, alive);
}

/* Takes the files out of the messages on a garbage socket's queue. */
static void empty_queue(struct unix_sock *u, struct list_head *work)
{
	struct unix_msg *m;

	list_for_each_entry(m, &u->rx, link) {
		if (m->fp)
			list_add_tail(&m->fp->link, work);
		m->fp = NULL;
	}
}

static void empty_queues(struct unix_sock *u, struct list_head *work)
{
	struct unix_sock *child;

	spin_lock(&u->lock);
	empty_queue(u, work);
	list_for_each_entry(child, &u->accept, accept) {
		spin_lock_nested(&child->lock, 1);
		empty_queue(child, work);
		spin_unlock(&child->lock);
	}
	spin_unlock(&u->lock);
}

/* Steps 1 to 3: moves garbage from inflight_socks to @garbage. */
static void find_garbage(struct list_head *garbage, const struct file *closing)
{
	struct unix_sock *u, *next;
	LIST_HEAD(alive);
	int refs;

	list_for_each_entry_safe(u, next, &inflight_socks, gc_link) {
		refs = refcount_read(&u->file->refs) - (u->file == closing);
		u->gc_refs = u->inflight;
		u->gc_state = refs > (int)u->inflight ? GC_ALIVE : GC_CANDIDATE;
		if (u->gc_state == GC_CANDIDATE)
			list_move_tail(&u->gc_link, garbage);
	}
	list_for_each_entry(u, garbage, gc_link)
		scan(u, explain_one, NULL);
	list_for_each_entry_safe(u, next, garbage, gc_link)
		if (u->gc_refs)
			revive(u, &alive);
	/* The list grows behind u. */
	list_for_each_entry(u, &alive, gc_link)
		scan(u, revive, &alive);
	list_splice_tail_init(&alive, &inflight_socks);
}

/* Puts what garbage holds on @work, out of flight. */
static void collect(struct list_head *work, const struct file *closing)
{
	struct unix_sock *u;
	struct scm_fp *fp;
	LIST_HEAD(garbage);
	LIST_HEAD(found);

	spin_lock(&unix_gc_lock);
	find_garbage(&garbage, closing);
	list_for_each_entry(u, &garbage, gc_link)
		empty_queues(u, &found);
	list_splice_tail_init(&garbage, &inflight_socks);
	list_for_each_entry(fp, &found, link)
		out_of_flight(fp);
	spin_unlock(&unix_gc_lock);
	list_splice_tail_init(&found, work);
}

/* ---- closing ---- */

/* Closes the files of one message; true if that may have cut off a cycle. */
static bool close_files(struct scm_fp *fp)
{
	bool suspect = false;

	for (unsigned i = 0; i < fp->count; i++) {
		if (file_unix_sock(fp->files[i]))
			suspect = true;
		fput(fp->files[i]);
		cond_resched();
	}
	kfree(fp);
	return suspect;
}

/* Works @work off, and what that makes of more work. */
static void run_work(struct list_head *work)
{
	struct scm_fp *fp;
	bool suspect;

	current->scm_work = work;
	do {
		suspect = false;
		while (!list_empty(work)) {
			fp = list_first_entry(work, struct scm_fp, link);
			list_del(&fp->link);
			suspect |= close_files(fp);
		}
		if (suspect && READ_ONCE(unix_tot_inflight))
			collect(work, NULL);
	} while (!list_empty(work));
	current->scm_work = NULL;
}

void scm_drop(struct scm_fp *fp)
{
	LIST_HEAD(work);

	if (current->scm_work) {
		list_add_tail(&fp->link, current->scm_work);
		return;
	}
	list_add_tail(&fp->link, &work);
	run_work(&work);
}

void unix_gc(struct file *closing)
{
	LIST_HEAD(work);

	if (current->scm_work) {
		collect(current->scm_work, closing);
		return;
	}
	collect(&work, closing);
	if (!list_empty(&work))
		run_work(&work);
}

/* close(2) of a descriptor. */
void unix_flush(struct sock *sk, struct file *file)
{
	if (READ_ONCE(unix_sk(sk)->inflight))
		unix_gc(file);
}

static void gc_drain(void)
{
	unix_gc(NULL);
}

static int __init unix_gc_init(void)
{
	leakcheck_on_drain(gc_drain);
	return 0;
}
core_initcall(unix_gc_init);
