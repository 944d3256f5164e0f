/*
 * Processes: fork, vfork, clone, execve, exit and wait, as their man pages promise. The program runs
 * itself again ("process exec MODE") to see what an execve hands over.
 */
#include "tap.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static char self[200];             /* path of this program */
static volatile uintptr_t bad = 8; /* no user memory there */

/* Forks; the child's status is the value of fn(). */
static pid_t spawn(int (*fn)(void))
{
	pid_t pid = must(fork());

	if (!pid)
		_exit(fn());
	return pid;
}

static int wait_status(pid_t pid)
{
	int status = -1;

	return waitpid(pid, &status, 0) == pid ? status : -1;
}

static int exit_7(void)
{
	return 7;
}

static int die_by_kill(void)
{
	kill(getpid(), SIGKILL);
	return 1;
}

static int die_by_segv(void)
{
	*(volatile int *)bad = 1;
	return 1;
}

static __attribute__((noreturn)) int sleep_forever(void)
{
	for (;;)
		pause();
}

static int shared_counter = 5;

static int change_counter(void)
{
	shared_counter = 6;
	return shared_counter;
}

static void test_exit_and_wait(void)
{
	siginfo_t info;
	struct rusage ru;
	int status;
	pid_t pid;

	status = wait_status(spawn(exit_7));
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 7, "exit status 7");
	status = wait_status(spawn(die_by_kill));
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "killed by SIGKILL");
	status = wait_status(spawn(die_by_segv));
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "killed by SIGSEGV");
	status = wait_status(spawn(change_counter));
	ok(WEXITSTATUS(status) == 6 && shared_counter == 5, "the child's memory is its own");

	fails(wait(&status), ECHILD);
	fails(waitpid(getpid(), &status, 0), ECHILD);
	fails(waitpid(-1, &status, 0x1000), EINVAL);
	fails(waitid(P_ALL, 0, &info, 0), EINVAL);
	fails(waitid((idtype_t)77, 0, &info, WEXITED), EINVAL);
	fails(syscall(SYS_wait4, (int)0x80000000, &status, 0, NULL), ESRCH);

	pid = spawn(sleep_forever);
	ok(waitpid(pid, &status, WNOHANG) == 0, "WNOHANG: not yet");
	memset(&info, 1, sizeof(info));
	ok(waitid(P_PID, pid, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0 &&
		   info.si_signo == 0,
	   "waitid WNOHANG: an empty siginfo");
	fails(waitpid(-pid, &status, WNOHANG), ECHILD);
	kill(pid, SIGTERM);
	memset(&info, 0, sizeof(info));
	ok(waitid(P_PID, pid, &info, WEXITED | WNOWAIT) == 0, "waitid WNOWAIT");
	ok(info.si_signo == SIGCHLD && info.si_code == CLD_KILLED && info.si_status == SIGTERM &&
		   info.si_pid == pid && info.si_uid == getuid(),
	   "siginfo tells who and how");
	ok(kill(pid, 0) == 0, "a zombie can be signalled");
	ok(wait4(pid, &status, 0, &ru) == pid && WTERMSIG(status) == SIGTERM, "and is still there");
	fails(kill(pid, 0), ESRCH);
	fails(waitpid(pid, &status, 0), ECHILD);

	pid = spawn(exit_7);
	errno = 0;
	ok(waitpid(pid, (int *)8, 0) == -1 && errno == EFAULT, "a bad status pointer is EFAULT");
}

static void test_stop_and_continue(void)
{
	siginfo_t info;
	int status;
	pid_t pid = spawn(sleep_forever);

	kill(pid, SIGSTOP);
	ok(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) &&
		   WSTOPSIG(status) == SIGSTOP,
	   "WUNTRACED reports the stop");
	ok(waitpid(pid, &status, WUNTRACED | WNOHANG) == 0, "once");
	kill(pid, SIGCONT);
	ok(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status),
	   "WCONTINUED reports the continuation");
	ok(waitpid(pid, &status, WCONTINUED | WUNTRACED | WNOHANG) == 0, "once, too");
	kill(pid, SIGSTOP);
	memset(&info, 0, sizeof(info));
	ok(waitid(P_PID, pid, &info, WSTOPPED) == 0 && info.si_code == CLD_STOPPED &&
		   info.si_status == SIGSTOP,
	   "waitid WSTOPPED");
	kill(pid, SIGTERM);
	ok(waitpid(pid, &status, WNOHANG) == 0, "SIGTERM waits while stopped");
	kill(pid, SIGCONT);
	ok(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGTERM,
	   "and ends it afterwards");

	pid = spawn(sleep_forever);
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	kill(pid, SIGKILL);
	ok(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGKILL,
	   "SIGKILL ends a stopped process");
}

/* ---- the family ---- */

/* A grandchild whose parent dies sends its new parent's id through the pipe. */
static void test_orphan(void)
{
	int p[2];
	pid_t ppid = 0;

	must(pipe(p));
	if (!must(fork())) {
		pid_t child = getpid();

		if (!must(fork())) {
			for (int i = 0; i < 500 && getppid() == child; i++)
				usleep(2000);
			ppid = getppid() == child ? -1 : getppid();
			_exit(write(p[1], &ppid, sizeof(ppid)) != sizeof(ppid));
		}
		_exit(0);
	}
	must(wait(NULL));
	ok(read(p[0], &ppid, sizeof(ppid)) == sizeof(ppid) && ppid > 0,
	   "an orphan gets another parent");
	fails(wait(NULL), ECHILD);
	close(p[0]);
	close(p[1]);
}

static void test_many_children(void)
{
	unsigned seen = 0;
	int status;

	for (int i = 0; i < 20; i++)
		if (!must(fork()))
			_exit(i);
	for (int i = 0; i < 20; i++)
		if (wait(&status) > 0 && WIFEXITED(status))
			seen |= 1u << WEXITSTATUS(status);
	ok(seen == 0xfffff, "20 children, each reaped once");
	fails(wait(&status), ECHILD);
}

static void test_ignored_children(void)
{
	struct sigaction sa = {.sa_handler = SIG_IGN}, old;

	must(sigaction(SIGCHLD, &sa, &old));
	spawn(exit_7);
	fails(wait(NULL), ECHILD);
	sa.sa_handler = SIG_DFL;
	sa.sa_flags = SA_NOCLDWAIT;
	must(sigaction(SIGCHLD, &sa, NULL));
	spawn(exit_7);
	fails(wait(NULL), ECHILD);
	must(sigaction(SIGCHLD, &old, NULL));
	ok(WEXITSTATUS(wait_status(spawn(exit_7))) == 7, "zombies again with the default action");
}

static volatile sig_atomic_t chld_code, chld_status, chld_count;
static volatile pid_t chld_pid;

static void on_chld(int sig, siginfo_t *info, void *uc)
{
	chld_count++;
	chld_code = info->si_code;
	chld_status = info->si_status;
	chld_pid = info->si_pid;
}

static void test_sigchld(void)
{
	struct sigaction sa = {.sa_sigaction = on_chld, .sa_flags = SA_SIGINFO | SA_RESTART}, old;
	pid_t pid;

	must(sigaction(SIGCHLD, &sa, &old));
	pid = spawn(exit_7);
	wait_status(pid);
	ok(chld_count == 1 && chld_code == CLD_EXITED && chld_status == 7 && chld_pid == pid,
	   "SIGCHLD: CLD_EXITED, the status, the pid");
	pid = spawn(die_by_kill);
	wait_status(pid);
	ok(chld_count == 2 && chld_code == CLD_KILLED && chld_status == SIGKILL,
	   "SIGCHLD: CLD_KILLED and the signal");
	must(sigaction(SIGCHLD, &old, NULL));
}

static int vfork_value;

static void test_vfork(void)
{
	int status;
	pid_t pid = vfork();

	if (!pid) {
		vfork_value = 42;
		_exit(3);
	}
	ok(pid > 0 && vfork_value == 42, "vfork: the child ran first, in the same memory");
	ok(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3, "vfork: exit status");

	pid = vfork();
	if (!pid) {
		execl(self, self, "exec", "status", (char *)NULL);
		_exit(127);
	}
	ok(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 9, "vfork and exec");
}

/* ---- clone ---- */

static int clone_child(void *arg)
{
	*(int *)arg = (int)syscall(SYS_gettid);
	return 11;
}

static void test_clone(void)
{
	enum { STACK = 65536 };
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int value = 0, status;
	pid_t ptid = 0, ctid = 0, pid;

	must((long)stack);
	pid = clone(clone_child, stack + STACK, CLONE_VM | SIGCHLD, &value);
	ok(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 11 && value == pid,
	   "clone(CLONE_VM) shares memory");
	value = 0;
	pid = clone(clone_child, stack + STACK, SIGCHLD, &value);
	ok(pid > 0 && waitpid(pid, &status, 0) == pid && value == 0, "clone without it does not");
	pid = clone(clone_child, stack + STACK,
		    CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, &value, &ptid,
		    NULL, &ctid);
	waitpid(pid, &status, 0);
	ok(ptid == pid && ctid == pid, "CLONE_PARENT_SETTID and CLONE_CHILD_SETTID");
	ctid = 77;
	pid = clone(clone_child, stack + STACK, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, &value,
		    NULL, NULL, &ctid);
	waitpid(pid, &status, 0);
	ok(ctid == 0, "CLONE_CHILD_CLEARTID");
	pid = clone(clone_child, stack + STACK, CLONE_VM, &value);
	errno = 0;
	ok(waitpid(pid, &status, 0) == -1 && errno == ECHILD,
	   "a child without exit signal is not waited for by default");
	ok(waitpid(pid, &status, __WALL) == pid, "but with __WALL");

	fails(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0), EINVAL);
	fails(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), EINVAL);
	fails(syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), EINVAL);
	munmap(stack, STACK);
}

/* ---- exec ---- */

static int exec_child(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[2] : "";
	sigset_t set;
	struct sigaction sa;

	if (!strcmp(mode, "status"))
		return 9;
	if (!strcmp(mode, "args"))
		return argc == 5 && !strcmp(argv[3], "") && !strcmp(argv[4], "a b") &&
				       getenv("ONE") && !strcmp(getenv("ONE"), "1") &&
				       !getenv("PATH")
			       ? 0
			       : 1;
	if (!strcmp(mode, "fds"))
		return fcntl(atoi(argv[3]), F_GETFD) == -1 && fcntl(atoi(argv[4]), F_GETFD) == 0
			       ? 0
			       : 1;
	if (!strcmp(mode, "signals")) {
		sigprocmask(SIG_BLOCK, NULL, &set);
		sigaction(SIGUSR1, NULL, &sa);
		if (sa.sa_handler != SIG_DFL || !sigismember(&set, SIGUSR2))
			return 1;
		sigaction(SIGHUP, NULL, &sa);
		return sa.sa_handler == SIG_IGN ? 0 : 2;
	}
	if (!strcmp(mode, "auxv")) {
		const unsigned char *random = (void *)getauxval(AT_RANDOM);
		const char *fn = (void *)getauxval(AT_EXECFN);

		if (getauxval(AT_PAGESZ) != 4096 || !getauxval(AT_PHDR) || !getauxval(AT_PHNUM))
			return 1;
		if (getauxval(AT_CLKTCK) != 100 || getauxval(AT_UID) != getuid())
			return 2;
		if (!random || !fn || strcmp(fn, self))
			return 3;
		if (strcmp((const char *)getauxval(AT_PLATFORM), "x86_64"))
			return 4;
		return (uintptr_t)__builtin_frame_address(0) & 15 ? 5 : 0;
	}
	if (!strcmp(mode, "count"))
		return argc == 1003 ? 0 : 1;
	return 99;
}

static int run(char *const argv[], char *const envp[])
{
	pid_t pid = must(fork());

	if (!pid) {
		execve(self, argv, envp);
		_exit(120);
	}
	return WEXITSTATUS(wait_status(pid));
}

static void ignore_it(int sig)
{
}

static void test_exec(void)
{
	char fd1[12], fd2[12], *many[1004];
	int a, b;
	sigset_t set, old;
	struct sigaction sa_old;

	ok(run((char *[]){self, "exec", "status", NULL}, NULL) == 9, "exec: exit status");
	ok(run((char *[]){self, "exec", "args", "", "a b", NULL},
	       (char *[]){"ONE=1", "TWO=", NULL}) == 0,
	   "exec: arguments and environment");

	a = must(open("/dev/null", O_RDONLY | O_CLOEXEC));
	b = must(open("/dev/null", O_RDONLY));
	snprintf(fd1, sizeof(fd1), "%d", a);
	snprintf(fd2, sizeof(fd2), "%d", b);
	ok(run((char *[]){self, "exec", "fds", fd1, fd2, NULL}, NULL) == 0,
	   "exec: close-on-exec closes one, the other stays");
	close(a);
	close(b);

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGUSR1, ignore_it);
	sigaction(SIGHUP, &(struct sigaction){.sa_handler = SIG_IGN}, &sa_old);
	ok(run((char *[]){self, "exec", "signals", NULL}, NULL) == 0,
	   "exec: handlers reset, ignored and blocked kept");
	sigaction(SIGHUP, &sa_old, NULL);
	signal(SIGUSR1, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);

	ok(run((char *[]){self, "exec", "auxv", NULL}, NULL) == 0, "exec: auxiliary vector");

	many[0] = self;
	many[1] = "exec";
	many[2] = "count";
	for (int i = 3; i < 1003; i++)
		many[i] = "an argument of some forty characters .....";
	many[1003] = NULL;
	ok(run(many, NULL) == 0, "exec: a thousand arguments");
}

static int write_file(const char *path, const void *data, size_t n, mode_t mode)
{
	int fd = must(open(path, O_WRONLY | O_CREAT | O_TRUNC, mode));
	bool good = write(fd, data, n) == (ssize_t)n;

	close(fd);
	return good ? 0 : -1;
}

static void test_exec_errors(void)
{
	char *argv[] = {self, NULL}, *big, *huge[3] = {self, NULL, NULL};
	char dir[] = "/tmp/process-test", file[] = "/tmp/process-test/file", script[300];
	static unsigned char elf[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1};

	mkdir(dir, 0755);
	fails(execve("/no/such/file", argv, NULL), ENOENT);
	fails(execve("", argv, NULL), ENOENT);
	fails(execve(dir, argv, NULL), EACCES);
	fails(execve("/dev/null", argv, NULL), EACCES);
	fails(execve((char *)bad, argv, NULL), EFAULT);
	must(write_file(file, "hello\n", 6, 0644));
	fails(execve(file, argv, NULL), EACCES);
	unlink(file);
	must(write_file(file, "hello\n", 6, 0755));
	fails(execve(file, argv, NULL), ENOEXEC);
	must(write_file(file, "", 0, 0755));
	fails(execve(file, argv, NULL), ENOEXEC);
	must(write_file(file, elf, sizeof(elf), 0755));
	fails(execve(file, argv, NULL), ENOEXEC);
	fails(execve("/tmp/process-test/file/x", argv, NULL), ENOTDIR);
	fails(execve(self, (char **)bad, NULL), EFAULT);
	fails(execve(self, (char *[]){(char *)bad, NULL}, NULL), EFAULT);

	big = malloc(200000);
	memset(big, 'x', 199999);
	big[199999] = 0;
	huge[1] = big;
	fails(execve(self, huge, NULL), E2BIG);
	free(big);

	snprintf(script, sizeof(script), "#!%s exec\nstatus\n", self);
	must(write_file(file, script, strlen(script), 0755));
	pid_t pid = must(fork());
	if (!pid) {
		execl(file, "ignored", "status", (char *)NULL);
		_exit(120);
	}
	/* argv is {self, "exec", the script's path, "status"}: the mode is the path, which is none. */
	ok(WEXITSTATUS(wait_status(pid)) == 99, "#! names the interpreter and one argument");
	must(write_file(file, "#!/no/such/interpreter\n", 23, 0755));
	fails(execve(file, argv, NULL), ENOENT);
	must(write_file(file, "#!/tmp/process-test/file\n", 25, 0755));
	fails(execve(file, argv, NULL), ELOOP);
	unlink(file);
	rmdir(dir);
}

/* ---- ids and groups ---- */

static int session_child(void)
{
	if (setsid() != getpid() || getsid(0) != getpid() || getpgrp() != getpid())
		return 1;
	return setsid() == -1 && errno == EPERM ? 0 : 2;
}

static void test_groups(void)
{
	pid_t pid = spawn(sleep_forever), second;
	int status;

	ok(setpgid(pid, pid) == 0 && getpgid(pid) == pid, "setpgid of a child");
	second = must(fork());
	if (!second)
		sleep_forever();
	ok(setpgid(second, pid) == 0 && getpgid(second) == pid, "a second one joins");
	fails(setpgid(pid, -1), EINVAL);
	fails(setpgid(pid, 0x3fffff), EPERM);
	fails(setpgid(1, 0), ESRCH);
	ok(waitpid(-pid, &status, WNOHANG) == 0, "waitpid by group: two that live");
	ok(kill(-pid, SIGTERM) == 0, "kill by group");
	ok(waitpid(-pid, &status, 0) > 0 && WTERMSIG(status) == SIGTERM, "one of them");
	ok(waitpid(-pid, &status, 0) > 0 && WTERMSIG(status) == SIGTERM, "the other");
	fails(kill(-pid, SIGTERM), ESRCH);
	fails(waitpid(-pid, &status, 0), ECHILD);
	ok(wait_status(spawn(session_child)) == 0, "setsid, once");
	fails(getpgid(0x3fffff), ESRCH);
	fails(getsid(-5), ESRCH);
}

static int ids_child(void)
{
	if (geteuid())
		return 0; /* only root can try */
	if (setresuid(1000, 1001, 1002))
		return 1;
	if (getuid() != 1000 || geteuid() != 1001)
		return 2;
	if (setuid(1003) != -1 || errno != EPERM)
		return 3;
	if (setuid(1002) || geteuid() != 1002 || getuid() != 1000)
		return 4;
	return kill(getppid(), 0) == -1 && errno == EPERM ? 0 : 5;
}

static void test_limits(void)
{
	struct rlimit r, r2;

	ok(wait_status(spawn(ids_child)) == 0, "user ids");
	ok(getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur <= r.rlim_max, "getrlimit");
	r2 = (struct rlimit){r.rlim_max, r.rlim_cur - 1};
	fails(setrlimit(RLIMIT_NOFILE, &r2), EINVAL);
	fails(getrlimit(77, &r), EINVAL);
	r2 = (struct rlimit){r.rlim_cur - 1, r.rlim_max};
	ok(setrlimit(RLIMIT_NOFILE, &r2) == 0 && getrlimit(RLIMIT_NOFILE, &r2) == 0 &&
		   r2.rlim_cur == r.rlim_cur - 1,
	   "setrlimit");
}

int main(int argc, char **argv)
{
	must(readlink("/proc/self/exe", self, sizeof(self) - 1));
	if (argc > 1 && !strcmp(argv[1], "exec"))
		return exec_child(argc, argv);
	test_exit_and_wait();
	test_stop_and_continue();
	test_orphan();
	test_many_children();
	test_ignored_children();
	test_sigchld();
	test_vfork();
	test_clone();
	test_exec();
	test_exec_errors();
	test_groups();
	test_limits();
	return tap_done();
}
