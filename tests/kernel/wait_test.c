/*
 * Wait queues: who is called, in which order, who is left alone, and that no wake-up is lost when
 * sleepers and wakers race on several CPUs.
 */
#include "kernel/lib/ktest.h"
#include "kernel/sched/completion.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/task.h"
#include "kernel/sched/wait.h"
#include "kernel/time/ktime.h"

#define PATIENCE (20 * NSEC_PER_SEC) /* longer than any test takes, so its end means "lost" */

/* An entry that only counts. */
struct probe {
	struct wait_queue_entry wait;
	int calls;
	int answer;
	__poll_t key;
	int position; /* of the last call, counted over all probes */
};

static int probe_calls;

static int probe_func(struct wait_queue_entry *wait, unsigned mode, int flags, void *key)
{
	struct probe *p = container_of(wait, struct probe, wait);

	p->calls++;
	p->key = key_to_poll(key);
	p->position = probe_calls++;
	return p->answer;
}

static void probe_init(struct probe *p, int answer)
{
	init_waitqueue_func_entry(&p->wait, probe_func);
	p->calls = 0;
	p->answer = answer;
	p->key = 0;
	p->position = -1;
}

/*
 *	queue: [shared] [shared] | [exclusive 0] [exclusive 1] [exclusive 2]
 */
KTEST(wait_exclusive_stops_the_walk)
{
	DECLARE_WAIT_QUEUE_HEAD(wq);
	struct probe shared[2], excl[3];

	for (int i = 0; i < 3; i++) {
		probe_init(&excl[i], 1);
		add_wait_queue_exclusive(&wq, &excl[i].wait);
	}
	for (int i = 0; i < 2; i++) {
		probe_init(&shared[i], 1);
		add_wait_queue(&wq, &shared[i].wait);
	}
	wake_up(&wq);
	EXPECT(shared[0].calls == 1 && shared[1].calls == 1);
	EXPECT(excl[0].calls == 1 && excl[1].calls == 0 && excl[2].calls == 0);
	EXPECT(excl[0].position > shared[0].position && excl[0].position > shared[1].position);

	__wake_up(&wq, TASK_NORMAL, 2, NULL);
	EXPECT(excl[0].calls == 2 && excl[1].calls == 1 && excl[2].calls == 0);

	wake_up_all(&wq);
	EXPECT(shared[0].calls == 3 && excl[2].calls == 1);

	/* One that was not woken does not count, so the next has its turn. */
	excl[0].answer = 0;
	wake_up(&wq);
	EXPECT(excl[0].calls == 4 && excl[1].calls == 3 && excl[2].calls == 1);
}

KTEST(wait_key_and_stop)
{
	DECLARE_WAIT_QUEUE_HEAD(wq);
	struct probe first, second;

	probe_init(&second, 1);
	probe_init(&first, 0);
	EXPECT(!waitqueue_active(&wq));
	add_wait_queue(&wq, &second.wait);
	add_wait_queue(&wq, &first.wait);
	EXPECT(waitqueue_active(&wq));
	wake_up_poll(&wq, EPOLLIN | EPOLLPRI);
	EXPECT(first.key == (EPOLLIN | EPOLLPRI) && second.key == (EPOLLIN | EPOLLPRI));
	wake_up(&wq);
	EXPECT(first.key == 0);

	first.answer = -1;
	wake_up(&wq);
	EXPECT(first.calls == 3 && second.calls == 2);

	remove_wait_queue(&wq, &first.wait);
	remove_wait_queue(&wq, &first.wait);
	wake_up(&wq);
	EXPECT(first.calls == 3 && second.calls == 3);
	remove_wait_queue(&wq, &second.wait);
	EXPECT(!waitqueue_active(&wq));
}

KTEST(wait_deadline)
{
	DECLARE_WAIT_QUEUE_HEAD(wq);
	u64 start = ktime_get();

	EXPECT(wait_event_interruptible_deadline(&wq, true, 1) == 0);
	EXPECT(wait_event_interruptible_deadline(&wq, false, start + 3 * NSEC_PER_MSEC) == -ETIME);
	EXPECT(ktime_get() >= start + 3 * NSEC_PER_MSEC);
	EXPECT(wait_event_interruptible_deadline(&wq, false, 1) == -ETIME);
	EXPECT(!waitqueue_active(&wq));
}

/*
 * Tokens: producers add, consumers wait exclusively and take one each. If a wake-up were lost, or
 * one chose a consumer that had gone, a token would stay and a consumer sleep until PATIENCE.
 */
#define CONSUMERS 4
#define PRODUCERS 2
#define TOKENS    4000 /* of each producer */

static struct {
	struct wait_queue_head wq;
	atomic_t tokens, taken, running, late;
	struct completion done;
} pool;

static bool take_token(void)
{
	int n = atomic_read(&pool.tokens);

	while (n > 0) {
		int seen = cmpxchg(&pool.tokens.v, n, n - 1);

		if (seen == n)
			return true;
		n = seen;
	}
	return false;
}

static void one_thread_less(void)
{
	if (atomic_dec_and_test(&pool.running))
		complete(&pool.done);
}

static int consume(void *arg)
{
	int share = TOKENS * PRODUCERS / CONSUMERS;
	u64 give_up = ktime_get() + PATIENCE;

	while (share--) {
		if (wait_event_interruptible_exclusive_deadline(&pool.wq, take_token(), give_up)) {
			atomic_inc(&pool.late);
			break;
		}
		atomic_inc(&pool.taken);
	}
	one_thread_less();
	return 0;
}

static int produce(void *arg)
{
	for (int i = 0; i < TOKENS; i++) {
		(void)atomic_add_return(&pool.tokens, 1);
		wake_up(&pool.wq);
		if (i % 7 == 0)
			yield_cpu();
	}
	one_thread_less();
	return 0;
}

KTEST(wait_no_token_is_lost)
{
	init_waitqueue_head(&pool.wq);
	init_completion(&pool.done);
	atomic_set(&pool.tokens, 0);
	atomic_set(&pool.taken, 0);
	atomic_set(&pool.late, 0);
	atomic_set(&pool.running, CONSUMERS + PRODUCERS);
	for (int i = 0; i < CONSUMERS; i++)
		EXPECT(kthread_run(consume, NULL, -1, "consume/%d", i));
	for (int i = 0; i < PRODUCERS; i++)
		EXPECT(kthread_run(produce, NULL, -1, "produce/%d", i));
	wait_for_completion(&pool.done);
	EXPECT(atomic_read(&pool.late) == 0);
	EXPECT(atomic_read(&pool.tokens) == 0);
	EXPECT(atomic_read(&pool.taken) == TOKENS * PRODUCERS);
	EXPECT(!waitqueue_active(&pool.wq));
}

/* A wake-up takes its sleeper off the queue, so that n wake-ups in a row reach n sleepers. */
static struct {
	struct wait_queue_head wq;
	atomic_t awake;
	bool go;
	struct completion done;
} sleepers;

static int sleep_once(void *arg)
{
	wait_event_interruptible_exclusive_deadline(&sleepers.wq, READ_ONCE(sleepers.go),
						    NO_DEADLINE);
	if (atomic_inc_return(&sleepers.awake) == CONSUMERS)
		complete(&sleepers.done);
	return 0;
}

static int queue_length(struct wait_queue_head *wq)
{
	struct list_head *l;
	u64 flags;
	int n = 0;

	spin_lock_irqsave(&wq->lock, flags);
	for (l = wq->head.next; l != &wq->head; l = l->next)
		n++;
	spin_unlock_irqrestore(&wq->lock, flags);
	return n;
}

KTEST(wait_autoremove)
{
	init_waitqueue_head(&sleepers.wq);
	init_completion(&sleepers.done);
	atomic_set(&sleepers.awake, 0);
	sleepers.go = false;
	for (int i = 0; i < CONSUMERS; i++)
		EXPECT(kthread_run(sleep_once, NULL, -1, "sleeper/%d", i));
	while (queue_length(&sleepers.wq) < CONSUMERS)
		yield_cpu();
	WRITE_ONCE(sleepers.go, true);
	for (int i = 0; i < CONSUMERS; i++)
		wake_up(&sleepers.wq);
	wait_for_completion(&sleepers.done);
	EXPECT(!waitqueue_active(&sleepers.wq));
}

/*
 * A waiter is queued, finds its condition true, and is chosen by a wake-up before it has left: that
 * one was about something else, and the next in the queue must get it.
 */
static bool true_but_chosen(int *looks)
{
	if (!(*looks)++)
		return false; /* not yet queued */
	set_current_state(TASK_RUNNING);
	kthread_run(sleep_once, NULL, -1, "sleeper");
	while (queue_length(&sleepers.wq) < 2)
		yield_cpu();
	set_current_state(TASK_INTERRUPTIBLE);
	WRITE_ONCE(sleepers.go, true);
	wake_up(&sleepers.wq);
	return true;
}

KTEST(wait_exclusive_passes_on)
{
	struct completion *done = &sleepers.done;
	int looks = 0;

	init_waitqueue_head(&sleepers.wq);
	init_completion(done);
	atomic_set(&sleepers.awake, CONSUMERS - 1);
	sleepers.go = false;
	wait_event_interruptible_exclusive_deadline(&sleepers.wq, true_but_chosen(&looks),
						    NO_DEADLINE);
	EXPECT(looks == 2);
	EXPECT(!wait_event_interruptible_deadline(&done->wq, READ_ONCE(done->done),
						  ktime_get() + PATIENCE / 10));
	wake_up_all(&sleepers.wq); /* in case it was lost */
	wait_for_completion(done);
	EXPECT(!waitqueue_active(&sleepers.wq));
}
