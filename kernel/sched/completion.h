/* A completion: one side says "done" once, the other waits for it. It may live on a stack. */
#pragma once

#include "kernel/sched/wait.h"

struct completion {
	bool done; /* [wq.lock] */
	struct wait_queue_head wq;
};

static inline void init_completion(struct completion *c)
{
	c->done = false;
	init_waitqueue_head(&c->wq);
}

/* Any context. After this the waiter may free @c: the lock is the last thing touched. */
void complete(struct completion *c);
void wait_for_completion(struct completion *c);
/* 0, or -ERESTARTSYS when a fatal signal came first. */
long wait_for_completion_killable(struct completion *c);
