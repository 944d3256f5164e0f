/*
 * ptrace(2), events and ties: children, threads and programs of a tracee, stops of job control, the end of
 * one that is traced by another than its parent, and the end of a tracer.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tap.h"

#define EVENT(e) (SIGTRAP | (e) << 8)

static pid_t child;
static int talk[2];

/* The next stop of @pid: its signal with the event; or -1 - status if it has ended. */
static int stop_of(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, __WALL));
	return WIFSTOPPED(status) ? status >> 8 : -1 - status;
}

static int go(pid_t pid, int sig)
{
	must(ptrace(PTRACE_CONT, pid, 0, sig));
	return stop_of(pid);
}

static pid_t message(pid_t pid)
{
	unsigned long m;

	must(ptrace(PTRACE_GETEVENTMSG, pid, 0, &m));
	return (pid_t)m;
}

/* A child that stops, seized or by its own wish, and then runs @fn. */
static void start(void (*fn)(void), bool seize, long options)
{
	child = must(fork());
	if (!child) {
		if (!seize)
			must(ptrace(PTRACE_TRACEME, 0, 0, 0));
		kill(getpid(), SIGSTOP);
		fn();
		_exit(0);
	}
	if (!seize) {
		must(waitpid(child, NULL, 0));
		must(ptrace(PTRACE_SETOPTIONS, child, 0, options));
		return;
	}
	must(waitpid(child, NULL, WUNTRACED));
	must(ptrace(PTRACE_SEIZE, child, 0, options));
	if (stop_of(child) != (SIGSTOP | PTRACE_EVENT_STOP << 8))
		abort();
	kill(child, SIGCONT);
	if (go(child, 0) != EVENT(PTRACE_EVENT_STOP))
		abort();
}

/* ---- children ---- */

static void have_children(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(3);
	if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 3)
		_exit(1);
	pid = vfork();
	if (!pid)
		_exit(4);
	if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 4)
		_exit(2);
}

static void test_fork(void)
{
	pid_t pid;

	start(have_children, false,
	      PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE |
		      PTRACE_O_TRACEEXIT);
	ok(go(child, 0) == EVENT(PTRACE_EVENT_FORK), "fork");
	pid = message(child);
	ok(stop_of(pid) == SIGSTOP, "its child stops first of all");
	must(ptrace(PTRACE_CONT, child, 0, 0));
	ok(go(pid, 0) == EVENT(PTRACE_EVENT_EXIT) && message(pid) == 3 << 8, "and before its end");
	ok(go(pid, 0) == -1 - (3 << 8), "which the tracer sees");
	ok(stop_of(child) == SIGCHLD, "then its parent");
	ok(go(child, SIGCHLD) == EVENT(PTRACE_EVENT_VFORK), "vfork");
	pid = message(child);
	ok(stop_of(pid) == SIGSTOP, "the child");
	must(ptrace(PTRACE_CONT, child, 0, 0));
	ok(go(pid, 0) == EVENT(PTRACE_EVENT_EXIT), "ends");
	must(ptrace(PTRACE_CONT, pid, 0, 0));
	ok(stop_of(child) == EVENT(PTRACE_EVENT_VFORK_DONE) && message(child) == pid,
	   "vfork is over");
	ok(stop_of(pid) == -1 - (4 << 8), "the child has ended");
	while (go(child, 0) == SIGCHLD)
		;
	ok(message(child) == 0, "so does the parent, with 0");
	ok(go(child, 0) == -1, "really");
}

static void test_untold(void)
{
	start(have_children, true, 0);
	must(ptrace(PTRACE_CONT, child, 0, 0));
	while (true) {
		int stop = stop_of(child);

		if (stop < 0) {
			ok(stop == -1, "without options no child is traced");
			return;
		}
		must(ptrace(PTRACE_CONT, child, 0, stop == SIGCHLD ? stop : 0));
	}
}

/* ---- threads ---- */

static void *sleeping_thread(void *arg)
{
	while (true)
		pause();
	return NULL;
}

static void *short_thread(void *arg)
{
	return arg;
}

static void have_threads(void)
{
	pthread_t t;

	pthread_create(&t, NULL, short_thread, NULL);
	pthread_join(t, NULL);
	pthread_create(&t, NULL, sleeping_thread, NULL);
	_exit(5);
}

static void test_threads(void)
{
	pid_t tid;

	start(have_threads, true, PTRACE_O_TRACECLONE);
	ok(go(child, 0) == SIGCONT && go(child, 0) == EVENT(PTRACE_EVENT_CLONE), "a thread");
	tid = message(child);
	ok(stop_of(tid) == EVENT(PTRACE_EVENT_STOP), "it stops");
	must(ptrace(PTRACE_CONT, child, 0, 0));
	ok(go(tid, 0) == -1, "and ends, for its tracer to see");
	ok(stop_of(child) == EVENT(PTRACE_EVENT_CLONE), "another one");
	tid = message(child);
	stop_of(tid);
	must(ptrace(PTRACE_CONT, tid, 0, 0));
	must(ptrace(PTRACE_CONT, child, 0, 0));
	ok(stop_of(tid) == -1 - (5 << 8), "which the process's end ends");
	ok(stop_of(child) == -1 - (5 << 8), "last the process");
	fails(waitpid(-1, NULL, __WALL), ECHILD);
}

/* ---- programs ---- */

static void *exec_thread(void *arg)
{
	execl("/proc/self/exe", "ptrace_events", "exit", NULL);
	return NULL;
}

static void exec_from_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, exec_thread, NULL);
	pause();
}

static void exec_here(void)
{
	exec_thread(NULL);
}

static void test_exec(void)
{
	pid_t tid;

	start(exec_here, false, 0);
	ok(go(child, 0) == SIGTRAP, "exec is a SIGTRAP to one that has asked for nothing");
	ok(go(child, 0) == -1 - (9 << 8), "the new program runs");
	start(exec_here, true, PTRACE_O_TRACEEXEC);
	ok(go(child, 0) == SIGCONT && go(child, 0) == EVENT(PTRACE_EVENT_EXEC) &&
		   message(child) == child,
	   "or an event");
	ok(go(child, 0) == -1 - (9 << 8), "the new program runs");
	start(exec_from_thread, true,
	      PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT);
	must(go(child, 0) == SIGCONT ? 0 : -1);
	ok(go(child, 0) == EVENT(PTRACE_EVENT_CLONE), "a thread");
	tid = message(child);
	stop_of(tid);
	must(ptrace(PTRACE_CONT, child, 0, 0));
	must(ptrace(PTRACE_CONT, tid, 0, 0));
	ok(stop_of(child) == EVENT(PTRACE_EVENT_EXIT), "whose exec ends the first one");
	must(ptrace(PTRACE_CONT, child, 0, 0));
	ok(stop_of(child) == EVENT(PTRACE_EVENT_EXEC) && message(child) == tid,
	   "and takes its number");
	ok(go(child, 0) == EVENT(PTRACE_EVENT_EXIT) && go(child, 0) == -1 - (9 << 8),
	   "it runs, and ends");
	fails(waitpid(-1, NULL, __WALL), ECHILD);
}

/* ---- job control ---- */

static void spin(void)
{
	while (true)
		getppid();
}

static void test_seize(void)
{
	siginfo_t info;

	start(spin, true, 0);
	ok(go(child, 0) == SIGCONT, "SIGCONT is a signal, too");
	must(ptrace(PTRACE_CONT, child, 0, 0));
	ok(!ptrace(PTRACE_INTERRUPT, child, 0, 0) && stop_of(child) == EVENT(PTRACE_EVENT_STOP),
	   "PTRACE_INTERRUPT");
	ok(!ptrace(PTRACE_GETSIGINFO, child, 0, &info) && info.si_code == EVENT(PTRACE_EVENT_STOP),
	   "tells itself from a signal");
	must(ptrace(PTRACE_CONT, child, 0, 0));
	kill(child, SIGTSTP);
	ok(stop_of(child) == SIGTSTP, "a stop signal");
	ok(go(child, SIGSTOP) == (SIGSTOP | PTRACE_EVENT_STOP << 8), "taken, it stops the process");
	must(ptrace(PTRACE_LISTEN, child, 0, 0));
	fails(ptrace(PTRACE_CONT, child, 0, 0), ESRCH);
	ok(waitpid(child, NULL, WNOHANG | __WALL) == 0, "listening: nothing new");
	kill(child, SIGCONT);
	ok(stop_of(child) == EVENT(PTRACE_EVENT_STOP), "until it is continued");
	ok(go(child, 0) == SIGCONT, "by a signal");
	fails(ptrace(PTRACE_LISTEN, child, 0, 0), EIO);
	must(ptrace(PTRACE_DETACH, child, 0, 0));
	fails(ptrace(PTRACE_INTERRUPT, child, 0, 0), ESRCH);
	kill(child, SIGKILL);
	ok(stop_of(child) == -1 - SIGKILL, "detached it still runs");
}

static void test_attach(void)
{
	siginfo_t info = {0};
	int status;

	child = must(fork());
	if (!child)
		spin();
	must(ptrace(PTRACE_ATTACH, child, 0, 0));
	ok(!waitid(P_PID, child, &info, WEXITED) && info.si_code == CLD_TRAPPED &&
		   info.si_status == SIGSTOP && info.si_pid == child,
	   "attached, it stops");
	fails(ptrace(PTRACE_GETREGS, child, 0, 8), EFAULT);
	ok(go(child, SIGSTOP) == SIGSTOP, "stopped by the signal, with the process");
	fails(ptrace(PTRACE_GETSIGINFO, child, 0, &info), EINVAL);
	must(ptrace(PTRACE_DETACH, child, 0, 0));
	ok(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status),
	   "detached, it is stopped");
	must(ptrace(PTRACE_ATTACH, child, 0, 0));
	ok(stop_of(child) == SIGSTOP, "attached as it is");
	kill(child, SIGKILL);
	ok(stop_of(child) == -1 - SIGKILL, "killed");
}

/* ---- the tracer's end ---- */

/* A tracer that ends while its tracee stands. Does the tracee speak then? */
static bool lives_on(long options)
{
	pid_t tracer = must(fork());
	char c;

	if (!tracer) {
		close(talk[0]);
		child = must(fork());
		if (!child) {
			must(ptrace(PTRACE_TRACEME, 0, 0, 0));
			kill(getpid(), SIGSTOP);
			must(write(talk[1], "x", 1));
			_exit(0);
		}
		must(waitpid(child, NULL, 0));
		must(ptrace(PTRACE_SETOPTIONS, child, 0, options));
		/* The signal that it stands for is gone with the tracer. */
		_exit(0);
	}
	close(talk[1]);
	must(waitpid(tracer, NULL, 0));
	return read(talk[0], &c, 1) == 1;
}

static void test_tracer_ends(void)
{
	must(pipe(talk));
	ok(lives_on(0), "without its tracer it goes on");
	close(talk[0]);
	must(pipe(talk));
	ok(!lives_on(PTRACE_O_EXITKILL), "or dies with it");
	close(talk[0]);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		_exit(9);
	alarm(60);
	test_fork();
	test_untold();
	test_threads();
	test_exec();
	test_seize();
	test_attach();
	test_tracer_ends();
	return tap_done();
}
