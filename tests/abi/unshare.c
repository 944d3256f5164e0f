/* unshare(2): a task that shares its files, or its place in the tree, gets its own. */
#include "tap.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static char stack[65536] __attribute__((aligned(16)));
static int fd, flags;

/* Runs with its parent's tables, until it does not want to any more. */
static int child(void *unused)
{
	if (unshare(flags))
		return 1;
	close(fd);
	umask(0123);
	if (chdir("/"))
		return 2;
	return unshare(flags) ? 3 : 0; /* nothing is shared: nothing to do */
}

static void check(int what, const char *name, bool files_stay, bool place_stays)
{
	char before[4096], after[4096];
	int status = -1;
	pid_t pid;

	fd = open("/dev/null", O_RDONLY);
	umask(022);
	flags = what;
	if (!getcwd(before, sizeof(before)))
		before[0] = 0;
	pid = clone(child, stack + sizeof(stack), CLONE_FILES | CLONE_FS | SIGCHLD, NULL);
	waitpid(pid, &status, 0);
	ok(status == 0, "%s in a child", name);
	ok((fcntl(fd, F_GETFD) == 0) == files_stay, "%s: the parent's descriptor", name);
	ok((umask(022) == 022) == place_stays, "%s: the parent's umask", name);
	ok(getcwd(after, sizeof(after)) && !strcmp(before, after) == place_stays,
	   "%s: the parent's directory", name);
	close(fd);
	if (chdir("/tmp"))
		return;
}

static void *in_thread(void *unused)
{
	fails(unshare(CLONE_THREAD), EINVAL);
	fails(unshare(CLONE_SIGHAND), EINVAL);
	fails(unshare(CLONE_VM), EINVAL);
	ok(unshare(CLONE_FILES) == 0, "a thread may have descriptors of its own");
	close(fd);
	return NULL;
}

/* Who may nothing may not have name spaces, whether there are any or not. */
static int without_rights(void)
{
	const int kinds[] = {CLONE_NEWPID, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS};
	pid_t pid = fork();
	int status = -1;

	if (pid) {
		waitpid(pid, &status, 0);
		return status;
	}
	if (!geteuid() && (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
		_exit(99);
	for (int i = 0; i < 5; i++) {
		if (unshare(kinds[i]) != -1 || errno != EPERM)
			_exit(i + 1);
		if (syscall(SYS_clone, kinds[i] | SIGCHLD, 0, 0, 0, 0) != -1 || errno != EPERM)
			_exit(i + 11);
	}
	_exit(0);
}

int main(void)
{
	pthread_t t;

	if (chdir("/tmp"))
		return 1;
	check(0, "nothing", false, false);
	check(CLONE_FILES, "CLONE_FILES", true, false);
	check(CLONE_FS, "CLONE_FS", false, true);
	check(CLONE_FILES | CLONE_FS | CLONE_SYSVSEM, "all three", true, true);
	fails(unshare(1), EINVAL);
	fails(unshare(CLONE_SETTLS), EINVAL);
	ok(without_rights() == 0, "name spaces for somebody without rights: EPERM");
	ok(unshare(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM) == 0, "alone, a thread is its group");
	fd = open("/dev/null", O_RDONLY);
	pthread_create(&t, NULL, in_thread, NULL);
	pthread_join(t, NULL);
	ok(fcntl(fd, F_GETFD) == 0, "and what it closes there stays open here");
	return tap_done();
}
