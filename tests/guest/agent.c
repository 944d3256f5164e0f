/*
 * agent: process 1 of the machines that tests boot, where user/init.c would start a shell. It starts
 * the programs that the kernel command line names, reports how each of its children ends in words that
 * the harness (tests/qemu/vm.py) reads, and runs what is typed on the console. There is no shell
 * language: a line is a program and its arguments.
 *
 *	init=/tests/agent init.run="echo-epoll 7; echo-blocking 8"	each in the background
 *	$ ls /proc					a program in the foreground; then "[init] exit 0"
 *	$ echo-epoll 9 &				one in the background
 *	$ exit						power off
 *
 * Words are split at spaces; "..." and '...' keep spaces. A name without a slash is looked for in
 * /bin and /tests.
 *
 * One thing here is worth a second look: init waits for two things at once, a line on the console
 * and the death of a child. If it tested for dead children first and then slept, a child that died
 * in between would go unnoticed until the next line. So SIGCHLD stays blocked, and epoll_pwait()
 * opens it for exactly the time of the sleep: a signal that came before, or comes during it, ends
 * the wait with EINTR.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_RUN "echo-epoll 7; echo-blocking 8"
#define MAX_WORDS   64
#define LINE_SIZE   4096

/* A child that init started itself, so that its end can be reported by name. */
struct job {
	struct job *next;
	pid_t pid;
	char name[32];
};

static struct job *jobs;
static sigset_t outside; /* the signal mask as it was: for children, and for the time of a wait */
static bool is_init;

static void on_sigchld(int sig)
{
	(void)sig; /* its only work is to end epoll_pwait() */
}

/* Splits @line in place into at most MAX_WORDS - 1 words; returns how many. */
static int split(char *line, char *words[])
{
	int n = 0;

	while (n < MAX_WORDS - 1) {
		char *out = line, quote = 0;

		while (*line == ' ' || *line == '\t')
			out = ++line;
		if (!*line)
			break;
		words[n++] = out;
		for (; *line && (quote || (*line != ' ' && *line != '\t')); line++) {
			if (*line == quote)
				quote = 0;
			else if (!quote && (*line == '"' || *line == '\''))
				quote = *line;
			else
				*out++ = *line;
		}
		if (*line)
			line++;
		*out = '\0';
	}
	words[n] = NULL;
	return n;
}

static void exec_program(char *words[])
{
	static const char *const path[] = {"/bin", "/tests"};
	char file[256];

	if (strchr(words[0], '/')) {
		execv(words[0], words);
	} else if (!is_init) {
		execvp(words[0], words);
	} else {
		for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++) {
			snprintf(file, sizeof(file), "%s/%s", path[i], words[0]);
			execv(file, words);
			if (errno != ENOENT)
				break;
		}
	}
	fprintf(stderr, "[init] %s: %s\n", words[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/*
 * Starts a program in a process group of its own. The group in the foreground is the one that
 * Ctrl-C on the console reaches; parent and child both set it, because either may run first.
 */
static pid_t start(char *words[], bool foreground)
{
	struct job *job = malloc(sizeof(*job));
	pid_t pid;

	fflush(stdout);
	pid = job ? fork() : -1;
	if (pid < 0) {
		printf("[init] %s: %s\n", words[0], strerror(errno));
		free(job);
		return -1;
	}
	if (pid == 0) {
		setpgid(0, 0);
		if (foreground)
			tcsetpgrp(0, getpid());
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		signal(SIGTTOU, SIG_DFL);
		signal(SIGCHLD, SIG_DFL);
		sigprocmask(SIG_SETMASK, &outside, NULL);
		exec_program(words);
	}
	setpgid(pid, pid);
	if (foreground)
		tcsetpgrp(0, pid);
	job->pid = pid;
	snprintf(job->name, sizeof(job->name), "%s", words[0]);
	job->next = jobs;
	jobs = job;
	return pid;
}

static void report(pid_t pid, int status)
{
	struct job **at = &jobs, *job;

	while (*at && (*at)->pid != pid)
		at = &(*at)->next;
	job = *at;
	printf("[init] %s (pid %d) ", job ? job->name : "orphan", (int)pid);
	if (WIFSIGNALED(status))
		printf("killed by signal %d\n", WTERMSIG(status));
	else
		printf("exited with status %d\n", WEXITSTATUS(status));
	if (job) {
		*at = job->next;
		free(job);
	}
}

static void forget(pid_t pid)
{
	struct job **at = &jobs, *job;

	for (; (job = *at) != NULL; at = &job->next) {
		if (job->pid == pid) {
			*at = job->next;
			free(job);
			return;
		}
	}
}

/* Buries the dead; does not wait. */
static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		report(pid, status);
}

/* Waits for the program in the foreground; reports the others that end meanwhile. */
static void wait_foreground(pid_t fg)
{
	int status = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, 0)) != fg) {
		if (pid > 0)
			report(pid, status);
		else if (errno != EINTR)
			break;
	}
	forget(fg);
	tcsetpgrp(0, getpgrp());
	if (WIFSIGNALED(status))
		printf("[init] killed by signal %d\n", WTERMSIG(status));
	else
		printf("[init] exit %d\n", WEXITSTATUS(status));
}

static void power_off(void)
{
	fflush(stdout);
	if (is_init)
		reboot(RB_POWER_OFF);
	exit(0);
}

static void run_line(char *line, bool background)
{
	char *words[MAX_WORDS];
	int n = split(line, words);
	pid_t pid;

	if (n > 0 && !strcmp(words[n - 1], "&")) {
		background = true;
		words[--n] = NULL;
	}
	if (n == 0)
		return;
	if (!strcmp(words[0], "exit") || !strcmp(words[0], "poweroff"))
		power_off();
	pid = start(words, !background);
	if (pid < 0)
		return;
	if (background)
		printf("[init] %s (pid %d) started\n", words[0], (int)pid);
	else
		wait_foreground(pid);
}

/* Copies the value of key=value or key="v a l u e" out of the kernel command line. */
static bool command_line_get(const char *key, char *value, size_t size)
{
	char text[2048];
	size_t len = strlen(key), n = 0;
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	char *p, *end = NULL, quote = 0;

	if (fd >= 0)
		close(fd);
	if (got <= 0)
		return false;
	text[got] = '\0';
	for (p = text; (p = strstr(p, key)) != NULL; p += len) {
		if ((p == text || p[-1] == ' ' || p[-1] == '"') && p[len] == '=') {
			end = p + len + 1;
			break;
		}
	}
	if (!end)
		return false;
	if (p > text && p[-1] == '"')
		quote = '"'; /* "key=a b", as some loaders write it */
	else if (*end == '"')
		quote = *end++;
	while (*end && *end != '\n' && (quote ? *end != quote : *end != ' ') && n + 1 < size)
		value[n++] = *end++;
	value[n] = '\0';
	return true;
}

static void start_services(void)
{
	char run[LINE_SIZE], *next = run;

	if (!is_init || !command_line_get("init.run", run, sizeof(run)))
		snprintf(run, sizeof(run), "%s", is_init ? DEFAULT_RUN : "");
	while (next) {
		char *command = next;

		next = strchr(command, ';');
		if (next)
			*next++ = '\0';
		run_line(command, true);
	}
}

/* Standard input, output and error are the console, and the console is our terminal. */
static void open_console(void)
{
	while (fcntl(2, F_GETFD) < 0) {
		if (open("/dev/console", O_RDWR) < 0)
			_exit(1);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	setsid();
	ioctl(0, TIOCSCTTY, 0);
	tcsetpgrp(0, getpgrp());
}

static void prompt(void)
{
	printf("$ ");
	fflush(stdout);
}

/* One read from the console; runs the lines it completes. False at the end of the input. */
static bool read_console(void)
{
	static char line[LINE_SIZE];
	static size_t len;
	ssize_t n = read(0, line + len, sizeof(line) - 1 - len);
	char *end;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN || (is_init && errno == EIO);
	if (n == 0)
		return is_init; /* Ctrl-D on an empty line: there is nobody to log out */
	len += n;
	while ((end = memchr(line, '\n', len)) != NULL) {
		char command[LINE_SIZE];
		size_t used = end - line + 1;

		memcpy(command, line, used - 1);
		command[used - 1] = '\0';
		len -= used;
		memmove(line, end + 1, len);
		run_line(command, false);
	}
	if (len == sizeof(line) - 1)
		len = 0; /* a line longer than that is nobody's program */
	return true;
}

int main(void)
{
	struct sigaction sa = {.sa_handler = on_sigchld};
	struct epoll_event ev = {.events = EPOLLIN};
	sigset_t chld;
	int ep;

	is_init = getpid() == 1;
	open_console();
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &outside);
	sigdelset(&outside, SIGCHLD);
	sigaction(SIGCHLD, &sa, NULL);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTTOU, SIG_IGN); /* or tcsetpgrp() from the background would stop us */

	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, 0, &ev) < 0) {
		perror("[init] epoll on the console");
		return 1;
	}
	start_services();
	printf("[init] ready: type a program's name (ls /bin shows them), or exit to power off\n");
	prompt();
	for (;;) {
		int n = epoll_pwait(ep, &ev, 1, -1, &outside);

		reap();
		if (n <= 0)
			continue;
		if (!read_console())
			break;
		prompt();
	}
	fflush(stdout);
	return 0;
}
