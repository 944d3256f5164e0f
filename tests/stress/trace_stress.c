/*
 * trace_stress: a program does not notice that it is traced, and whoever traces or is traced may end at
 * any moment.
 *
 * Each actor has, one after the other, subjects: processes whose threads compute, make threads and children,
 * send themselves signals and become another program. A tracer, a process between the two, follows all of
 * it with every event, step by step or call by call, interrupts, detaches and attaches again; or it is
 * killed amid that. The actor adopts what is left, and sees each subject end as it should: with its sums
 * right and its signals counted, or killed with its tracer.
 */
#define _GNU_SOURCE
#include "stress.h"

#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#define EVENTS \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | \
	 PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_TRACEVFORKDONE)
#define SIGNALS 4
#define MISSED  6 /* how a subject ends that has not seen them all, or its child's end */

/* ---- the subject ---- */

static unsigned long handled;

static void on_signal(int sig)
{
	(void)sig;
	__atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

/* Sums that a trampled register would change. */
static void compute(void)
{
	double x = 1, y = 1;

	for (int i = 0; i < 500; i++) {
		x = x * 1.000001 + i;
		__asm__ volatile("" : "+x"(x));
	}
	for (int i = 0; i < 500; i++) {
		y = y * 1.000001 + i;
		__asm__ volatile("" : "+x"(y));
	}
	if (x != y)
		_exit(3);
}

static void *worker(void *arg)
{
	for (int i = 0; i < SIGNALS; i++) {
		compute();
		syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	}
	if (arg)
		execl("/proc/self/exe", "trace_stress", "subject", arg, NULL);
	return NULL;
}

/* @turns: how many programs are still to come. */
static void subject(int turns)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	char next[2] = {(char)('0' + turns - 1), 0};
	pthread_t t[2];
	int status = 0;
	pid_t child;

	sigaction(SIGUSR1, &sa, NULL);
	for (int i = 0; i < 2; i++)
		if (pthread_create(&t[i], NULL, worker, NULL))
			_exit(4);
	child = fork();
	if (!child)
		_exit(7);
	if (waitpid(child, &status, 0) != child)
		_exit(5);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 7)
		_exit(MISSED); /* it had the trap of a step */
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	if (handled != 2 * SIGNALS)
		_exit(MISSED);
	if (turns <= 0)
		_exit(0);
	if (turns % 2) /* by a thread, which the others do not outlive */
		pthread_create(&t[0], NULL, worker, next);
	else
		worker(next);
	for (;;)
		pause();
}

/* ---- the tracer ---- */

static void look(pid_t pid)
{
	struct user_regs_struct r;

	if (!ptrace(PTRACE_GETREGS, pid, 0, &r)) {
		ptrace(PTRACE_PEEKDATA, pid, r.rsp, 0);
		ptrace(PTRACE_SETREGS, pid, 0, &r);
	}
}

/* What a stop is to go on with: signals of its own, but not those of tracing. */
static int to_deliver(int status)
{
	int sig = WSTOPSIG(status);

	return status >> 16 || sig == (SIGTRAP | 0x80) || sig == SIGTRAP || sig == SIGSTOP ? 0
											   : sig;
}

/*
 * Follows its subject and all that comes of it, until nothing is left. @again: attaches again after it
 * has detached, which on Linux waits for ever for a thread that in execve(2) waits for us.
 */
static void trace(struct rng *r, bool again)
{
	static const int how[] = {PTRACE_CONT, PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SINGLESTEP};
	int request = how[below(r, 4)], status;
	unsigned steps = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		moved();
		if (!WIFSTOPPED(status))
			continue;
		if (below(r, 8) == 0) {
			look(pid);
			request = steps < 3000 ? how[below(r, 4)] : PTRACE_CONT;
		}
		if (below(r, 64) == 0)
			ptrace(PTRACE_INTERRUPT, pid, 0, 0);
		if (below(r, 256) == 0 && !ptrace(PTRACE_DETACH, pid, 0, to_deliver(status))) {
			if (again)
				ptrace(PTRACE_SEIZE, pid, 0, EVENTS);
			continue;
		}
		steps++;
		ptrace(request, pid, 0, to_deliver(status)); /* it may have been killed */
	}
	check(errno == ECHILD);
}

static pid_t start_tracer(struct rng *r, const int *go, bool exitkill)
{
	unsigned turns = below(r, 3);
	pid_t tracer = fork(), pid;

	check(tracer >= 0);
	if (tracer)
		return tracer;
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	close(go[0]);
	pid = fork();
	check(pid >= 0);
	if (!pid) {
		close(go[1]);
		check(!setpgid(0, 0) && !ptrace(PTRACE_TRACEME, 0, 0, 0));
		kill(getpid(), SIGSTOP);
		subject((int)turns);
	}
	check(waitpid(pid, NULL, 0) == pid);
	check(!ptrace(PTRACE_SETOPTIONS, pid, 0, EVENTS | (exitkill ? PTRACE_O_EXITKILL : 0)));
	if (below(r, 2) && !exitkill) { /* the other way: stops of job control are told apart */
		check(!ptrace(PTRACE_DETACH, pid, 0, 0));
		check(!ptrace(PTRACE_SEIZE, pid, 0, EVENTS) || errno == EPERM || errno == ESRCH);
		ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	} else {
		check(!ptrace(PTRACE_CONT, pid, 0, 0));
	}
	check(write(go[1], &pid, sizeof(pid)) == sizeof(pid));
	close(go[1]);
	trace(r, !turns);
	_exit(0);
}

/* ---- the actor ---- */

/* With its tracer a process loses the signal that it stands for, and gets the trap of a step. */
static bool good_end(int status, bool murder)
{
	if (WIFSIGNALED(status))
		return murder && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTRAP);
	return !WEXITSTATUS(status) || WEXITSTATUS(status) == 7 ||
	       (murder && WEXITSTATUS(status) == MISSED);
}

/* A tracer and its subject; then everything has ended, as its adopted children tell. */
static void one_subject(struct rng *r)
{
	bool murder = below(r, 2), exitkill = murder && below(r, 2);
	int go[2], status;
	pid_t tracer, pid, group;

	check(!pipe(go));
	tracer = start_tracer(r, go, exitkill);
	close(go[1]);
	check(read(go[0], &group, sizeof(group)) == sizeof(group));
	close(go[0]);
	if (murder) {
		nap(below(r, 20000));
		check(!kill(tracer, SIGKILL));
	}
	while ((pid = waitpid(-1, &status, __WALL | (murder ? WNOHANG : 0))) >= 0) {
		moved();
		if (pid && !good_end(status, murder))
			fail("%s ended with status %x", pid == tracer ? "the tracer" : "a subject",
			     status);
		if (!pid) {
			nap(1000);
			kill(-group,
			     SIGCONT); /* a new child may stop whom nobody traces any more */
		}
	}
	check(errno == ECHILD);
}

int main(int argc, char **argv)
{
	pid_t pids[64];
	int status;

	if (argc > 2 && !strcmp(argv[1], "subject"))
		subject(argv[2][0] - '0');
	start(argc, argv, 2);
	check(options.actors <= 64);
	for (unsigned i = 0; i < options.actors; i++) {
		struct rng r = rng_for(i);

		pids[i] = fork();
		check(pids[i] >= 0);
		if (pids[i])
			continue;
		check(!prctl(PR_SET_CHILD_SUBREAPER, 1));
		for (unsigned long n = 0; go_on(n); n++)
			one_subject(&r);
		_exit(0);
	}
	for (unsigned i = 0; i < options.actors; i++) {
		check(waitpid(pids[i], &status, 0) == pids[i]);
		if (status)
			fail("actor %u ended with status %x", i, status);
	}
	printf("%s: ok\n", options.name);
	return 0;
}
