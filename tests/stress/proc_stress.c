/*
 * proc_stress: every process that was made is buried once, by its parent, with the status that it
 * ended with.
 *
 * Actors are processes. Each makes children, up to a depth, and tells each how to end: exit with a
 * code, execute this program anew and exit with a code, kill itself, wait to be killed, be stopped
 * and continued on the way. It waits for them in the order in which they end, or one by one, blocking
 * or not, and compares. At the end nobody is left: ECHILD, and as many ended as began.
 */
#define _GNU_SOURCE
#include "stress.h"

#include <fcntl.h>

#define MAX_CHILDREN 6
#define MAX_DEPTH    2

enum ending { EXIT, EXEC, SUICIDE, KILLED, STOPPED, TREE, ENDINGS };

static struct shared {
	unsigned long began, ended;
} * sh;

static char *self;

struct child {
	pid_t pid;
	enum ending ending;
	int status; /* expected */
	bool buried;
};

static void tree(struct rng *r, unsigned depth);

static void end_as_told(struct rng *r, enum ending ending, int code, unsigned depth)
{
	char text[16], *argv[] = {self, "exit", text, NULL};
	static const int deadly[] = {SIGKILL, SIGTERM, SIGSEGV, SIGUSR1, SIGALRM, SIGPIPE};

	switch (ending) {
	case EXEC:
		snprintf(text, sizeof(text), "%d", code);
		execv(self, argv);
		_exit(111);
	case SUICIDE:
		kill(getpid(), deadly[code % 6]);
		_exit(112);
	case KILLED:
	case STOPPED:
		for (;;)
			pause();
	case TREE:
		tree(r, depth + 1);
		_exit(code);
	default:
		_exit(code);
	}
}

static int expected_status(enum ending ending, int code)
{
	static const int deadly[] = {SIGKILL, SIGTERM, SIGSEGV, SIGUSR1, SIGALRM, SIGPIPE};

	switch (ending) {
	case SUICIDE:
		return deadly[code % 6];
	case KILLED:
	case STOPPED:
		return SIGKILL;
	default:
		return code << 8;
	}
}

static void begin(struct rng *r, struct child *c, unsigned depth)
{
	struct rng childs = {rnd(r)};
	int code = (int)below(r, 100);

	c->ending = below(r, depth < MAX_DEPTH ? ENDINGS : TREE);
	c->status = expected_status(c->ending, code);
	c->buried = false;
	__atomic_add_fetch(&sh->began, 1, __ATOMIC_RELAXED);
	c->pid = fork();
	check(c->pid >= 0);
	if (!c->pid)
		end_as_told(&childs, c->ending, code, depth);
}

static void bury(struct child *c, pid_t pid, int status)
{
	check(c->pid == pid);
	if (c->buried)
		fail("pid %d was buried before", pid);
	if (status != c->status && !(WIFSIGNALED(status) && WTERMSIG(status) == c->status))
		fail("pid %d (way %d) ended with status %x, not %x", pid, c->ending, status,
		     c->status);
	c->buried = true;
	__atomic_add_fetch(&sh->ended, 1, __ATOMIC_RELAXED);
	moved();
}

static void wait_any(struct child *children, unsigned n)
{
	int status, i;
	pid_t pid = wait(&status);

	check(pid > 0);
	for (i = 0; i < (int)n && children[i].pid != pid; i++)
		;
	if (i == (int)n)
		fail("wait() gave pid %d, which is nobody's", pid);
	bury(&children[i], pid, status);
}

static void wait_one(struct child *c, bool poll)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(c->pid, &status, poll ? WNOHANG : 0)) == 0)
		sched_yield();
	bury(c, pid, status);
}

/* Stopped, seen stopped, continued, seen continued, killed. */
static void stop_and_go(struct child *c)
{
	int status;

	check(!kill(c->pid, SIGSTOP) && waitpid(c->pid, &status, WUNTRACED) == c->pid);
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
		fail("pid %d was stopped and has status %x", c->pid, status);
	check(!kill(c->pid, SIGCONT) && waitpid(c->pid, &status, WCONTINUED) == c->pid);
	if (!WIFCONTINUED(status))
		fail("pid %d was continued and has status %x", c->pid, status);
}

static void tree(struct rng *r, unsigned depth)
{
	struct child children[MAX_CHILDREN];
	unsigned n = 1 + below(r, depth ? 3 : MAX_CHILDREN);
	bool any = below(r, 2), poll = below(r, 2);

	for (unsigned i = 0; i < n; i++)
		begin(r, &children[i], depth);
	for (unsigned i = 0; i < n; i++) {
		if (children[i].ending == STOPPED)
			stop_and_go(&children[i]);
		if (children[i].ending == STOPPED || children[i].ending == KILLED)
			check(!kill(children[i].pid, SIGKILL));
	}
	for (unsigned i = 0; i < n; i++) {
		if (any)
			wait_any(children, n);
		else
			wait_one(&children[n - 1 - i], poll);
	}
	check(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void actor(unsigned me)
{
	struct rng r = rng_for(me);
	unsigned long rounds = 0;

	for (; go_on(rounds); rounds++)
		tree(&r, 0);
	_exit(0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "exit"))
		return atoi(argv[2]);
	self = argv[0];
	start(argc, argv, 3);
	sh = shared_memory(sizeof(*sh));
	fork_actors(actor);
	check(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
	if (sh->began != sh->ended)
		fail("%lu began, %lu ended", sh->began, sh->ended);
	printf("%s: ok, %lu processes\n", options.name, sh->began);
	return 0;
}
