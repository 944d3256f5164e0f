/*
 * Out of memory: somebody must go. When a page fault finds no page, even after every cache has been
 * emptied, the largest process is killed, so that the rest lives; the one that faults is only the
 * one that happened to need the last page.
 *
 * The choice: most resident pages, moved by /proc/PID/oom_score_adj in thousandths of all memory
 * (-1000: never). Never process 1. All processes that share the address space are killed with it,
 * or nothing would be gained.
 *
 * A killed process may take long to end: it may be stopped, sleep, or wait for a lock that the one
 * who needs the page holds. So its private memory is taken at once, from here. From then on its
 * faults on private memory fail, so that none of its threads, on the way to its end, takes an empty
 * page for its data. If that is not enough (its memory is shared) the rest is waited for, but not for
 * ever: then the next in size is chosen, and one that was killed is not chosen again, so the search
 * ends.
 *
 *	mm->oom		0 -> OOM_VICTIM (killed) -> OOM_GONE (its last user has left it)
 *
 * LOCKING
 *	oom_mutex	one search at a time. Those who fail to get it wait for the end of that search,
 *			but a deadly signal ends their wait, because they may be its victim. It may be
 *			taken with anything held under which user memory may be touched; mm->lock comes
 *			inside, of the victim, which nobody holds who waits for us.
 *	tasklist_lock	for the choice: it keeps t->mm.
 */
#include "kernel/lib/printk.h"
#include "kernel/mm/oom.h"
#include "kernel/mm/pagetable.h"
#include "kernel/sched/signal.h"
#include "kernel/time/ktime.h"

#define ENOUGH_PAGES 64                 /* beyond the reserve: somebody has given back memory */
#define PATIENCE     (1 * NSEC_PER_SEC) /* for a victim to end */

static DEFINE_MUTEX(oom_mutex);
static DECLARE_WAIT_QUEUE_HEAD(oom_wait); /* those who wait for a victim's end, or a search's */

static bool have_memory(void)
{
	return nr_free_pages() > reserve_pages + ENOUGH_PAGES;
}

/* In pages, larger goes first; 0: must not be killed. */
static s64 badness(const struct signal_struct *g, const struct mm *mm)
{
	s64 adj = READ_ONCE(g->oom_score_adj);

	if (adj == OOM_SCORE_ADJ_MIN)
		return 0;
	return max((s64)READ_ONCE(mm->nr_pages) + adj * (s64)total_pages / 1000, 1l);
}

long oom_score(const struct signal_struct *g, const struct mm *mm)
{
	s64 adj = READ_ONCE(g->oom_score_adj), points;

	if (adj == OOM_SCORE_ADJ_MIN || !mm)
		return 0;
	points = (s64)READ_ONCE(mm->nr_pages) * 1000 / (s64)total_pages + adj;
	return max((1000 + points) * 2 / 3, 0l);
}

/* tasklist_lock held. */
static struct task *choose(void)
{
	struct task *t, *worst = NULL;
	s64 most = 0;

	list_for_each_entry(t, &all_tasks, all_link) {
		s64 points;

		if (!t->signal || !t->mm || t->mm->oom || (init_task && t->mm == init_task->mm))
			continue;
		points = badness(t->signal, t->mm);
		if (points > most) {
			most = points;
			worst = t;
		}
	}
	return worst;
}

/* Every process that lives in @mm. tasklist_lock held. */
static void kill_all(const struct mm *mm)
{
	struct task *t;

	list_for_each_entry(t, &all_tasks, all_link)
		if (t->mm == mm && t->signal)
			send_signal_group(t->signal, SIGKILL, NULL);
}

/* Chooses and kills. The victim's address space with a reference, or NULL: there is nobody. */
static struct mm *kill_largest(void)
{
	struct task *t;
	struct mm *mm = NULL;
	u64 flags;

	spin_lock_irqsave(&tasklist_lock, flags);
	t = choose();
	if (t) {
		struct signal_struct *g = t->signal;

		mm = t->mm;
		mm_grab(mm);
		mm->oom = OOM_VICTIM;
		printk("Out of memory: Killed process %d (%s) total-vm:%lukB, rss:%lukB, UID:%u "
		       "oom_score_adj:%d\n",
		       g->pid, g->leader ? g->leader->comm : t->comm,
		       mm->total_vm * PAGE_SIZE / 1024, mm->nr_pages * PAGE_SIZE / 1024, g->uid,
		       g->oom_score_adj);
		kill_all(mm);
	}
	spin_unlock_irqrestore(&tasklist_lock, flags);
	return mm;
}

/* Takes the victim's private memory, whatever it does meanwhile. */
static void reap(struct mm *mm)
{
	struct vm_area *vma;

	mutex_lock(&mm->lock);
	rb_for_each_entry(vma, &mm->areas, node)
		if (!(vma->flags & VM_SHARED))
			zap_range(mm, vma->start, vma->end);
	mutex_unlock(&mm->lock);
}

/* Nobody is left to kill: the caller goes, if it may. */
static void give_up(void)
{
	if (!current->signal || (init_task && current->signal == init_task->signal))
		panic("Out of memory and no killable processes");
	send_signal_group(current->signal, SIGKILL, NULL);
}

static void make_room(void)
{
	struct mm *mm = kill_largest();

	if (!mm) {
		give_up();
		return;
	}
	if (mm != current->mm) {
		reap(mm);
		if (!have_memory())
			__wait_event(&oom_wait, READ_ONCE(mm->oom) == OOM_GONE,
				     TASK_UNINTERRUPTIBLE, 0, ktime_get() + PATIENCE, , );
	}
	mm_drop(mm);
}

bool out_of_memory(void)
{
	if (fatal_signal_pending(current))
		return false;
	if (mutex_trylock(&oom_mutex)) {
		if (!have_memory())
			make_room();
		mutex_unlock(&oom_mutex);
		wake_up_all(&oom_wait);
	} else {
		wait_event_killable(&oom_wait, !mutex_is_locked(&oom_mutex));
	}
	return !fatal_signal_pending(current);
}

void oom_victim_gone(struct mm *mm)
{
	WRITE_ONCE(mm->oom, OOM_GONE);
	smp_mb(); /* pairs with the one in prepare_to_wait(): the waiter sees the state or is woken */
	wake_up_all(&oom_wait);
}
