/* What trace.c (writing, switching) and trace_show.c (reading) share. */
#pragma once

#include "kernel/cpu/percpu.h"
#include "kernel/sched/mutex.h"
#include "kernel/sched/task.h"
#include "kernel/trace/trace.h"

#define TRACE_RING 2048u /* records a CPU: 112 KiB */

struct trace_record {
	u64 seq;  /* its number, from 1; 0 while it is being written */
	u64 time; /* ktime_get() */
	unsigned long a, b;
	u32 preempt_count;
	u8 event, cpu;
	bool irqs_off;
	pid_t pid; /* of current; so is the name */
	char comm[TASK_COMM_LEN];
};

/* The newest TRACE_RING records of a CPU. [own CPU, interrupts off] but for readers, see trace.c. */
struct trace_ring {
	struct trace_record *records; /* [trace_lock] NULL before tracing was ever on */
	u64 head;                     /* records written */
};

DECLARE_PER_CPU(struct trace_ring, trace_ring);
extern struct mutex trace_lock; /* switching and reading: one at a time */

/* The store operation of `trace`. */
int trace_clear(const char *text, size_t len);
