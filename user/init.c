/*
 * init: process 1. It starts what /etc/inittab names, buries every process whose parent has gone
 * before it, and switches the machine off. A line of the file, as busybox and System V have it:
 *
 *	TTY::ACTION:PROGRAM ARGUMENTS
 *
 *	TTY	a terminal below /dev, which becomes the program's own: it leads a session there, so a
 *		shell gets job control. Empty: no input, output to the console.
 *	ACTION	wait	run once and wait for its end, before the lines below
 *		once	start, and that is all
 *		respawn	start again whenever it ends
 *		shutdown run on the way down, and wait for it
 *	PROGRAM	a path; with a "-" before it a login shell. Words are split at spaces.
 *
 * Signals ask for the end, as busybox's tools send them: SIGUSR1 halt, SIGUSR2 poweroff, SIGTERM
 * reboot. All of them, and SIGCHLD, stay blocked for ever, and sigwaitinfo() takes one after the
 * other: nothing runs in a handler, and nothing that comes while init is busy is lost.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_WORDS  32
#define GRACE_SECS 2 /* between SIGTERM and SIGKILL on the way down */

struct entry {
	struct entry *next;
	pid_t pid;      /* while it runs */
	time_t started; /* what ends at once is not started again at once */
	char *tty, *action, *program;
};

static struct entry *entries;
static sigset_t awaited;

static void complain(const char *about, const char *what)
{
	printf("[init] %s: %s\n", about, what);
}

/* ---- /etc/inittab ---- */

/* A line is cut in place and lives as long as its entry. */
static struct entry *parse_line(char *line)
{
	struct entry *e = calloc(1, sizeof(*e));
	char *levels;

	line[strcspn(line, "\n")] = '\0';
	if (!e || !*line || *line == '#') {
		free(e);
		return NULL;
	}
	e->tty = strsep(&line, ":");
	levels = strsep(&line, ":"); /* run levels are of another time */
	e->action = strsep(&line, ":");
	e->program = line;
	if (levels && e->program)
		return e;
	complain(e->tty, "no TTY::ACTION:PROGRAM");
	free(e);
	return NULL;
}

static void read_inittab(void)
{
	FILE *f = fopen("/etc/inittab", "re");
	struct entry **end = &entries;
	char *line = NULL;
	size_t size = 0;

	if (!f)
		complain("/etc/inittab", strerror(errno));
	while (f && getline(&line, &size, f) > 0) {
		*end = parse_line(line);
		if (!*end)
			continue;
		end = &(*end)->next;
		line = NULL; /* the entry has it now */
		size = 0;
	}
	free(line);
	if (f)
		fclose(f);
}

/* ---- programs ---- */

/* The child: a session of its own, on its terminal if it has one. */
static void set_up_terminal(const char *tty)
{
	char path[64] = "/dev/null";
	int fd;

	setsid();
	if (*tty)
		snprintf(path, sizeof(path), "/dev/%s", tty);
	fd = open(path, O_RDWR);
	if (fd < 0)
		complain(path, strerror(errno));
	dup2(fd, 0);
	if (*tty) {
		ioctl(0, TIOCSCTTY, 0);
		dup2(fd, 1);
		dup2(fd, 2);
	}
	if (fd > 2)
		close(fd);
}

static void run_program(const struct entry *e)
{
	char *words[MAX_WORDS], *text = e->program, *path;
	int n = 0;

	while (n < MAX_WORDS - 1 && (words[n] = strsep(&text, " ")) != NULL)
		n += words[n][0] != '\0';
	words[n] = NULL;
	path = n ? words[0] : "";
	if (*path == '-') { /* a login shell: "-sh" */
		char *name = strrchr(++path, '/');

		if (name) {
			words[0] = strdup(name);
			words[0][0] = '-';
		}
	}
	set_up_terminal(e->tty);
	sigprocmask(SIG_UNBLOCK, &awaited, NULL);
	execv(path, words);
	complain(path, strerror(errno));
	_exit(127);
}

static void start(struct entry *e)
{
	fflush(stdout);
	e->started = time(NULL);
	e->pid = fork();
	if (e->pid == 0)
		run_program(e);
	if (e->pid < 0)
		complain(e->program, strerror(errno));
}

/* Starts what has @action, and waits for each if asked. */
static void start_all(const char *action, bool and_wait)
{
	for (struct entry *e = entries; e; e = e->next) {
		if (strcmp(e->action, action) != 0)
			continue;
		start(e);
		while (and_wait && e->pid > 0 && waitpid(e->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
}

/* ---- the end of a process ---- */

/* Buries the dead; are there any living? */
static bool reap(void)
{
	struct entry *e;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (e = entries; e; e = e->next)
			if (e->pid == pid)
				e->pid = 0;
	return pid == 0;
}

/* Starts again what has ended. True: not all, for something was started only a moment ago. */
static bool respawn(void)
{
	bool later = false;

	for (struct entry *e = entries; e; e = e->next) {
		if (e->pid > 0 || strcmp(e->action, "respawn") != 0)
			continue;
		if (time(NULL) - e->started < 2)
			later = true;
		else
			start(e);
	}
	return later;
}

/* ---- the end of everything ---- */

/* Asks all processes to end, then makes them. When they have ended init has no children. */
static void end_all(void)
{
	const struct timespec second = {.tv_sec = 1};
	time_t until = time(NULL) + GRACE_SECS;

	kill(-1, SIGTERM);
	kill(-1, SIGHUP);  /* a shell at its prompt heeds only this */
	kill(-1, SIGCONT); /* what is stopped must run to see it */
	while (reap() && time(NULL) < until)
		sigtimedwait(&awaited, NULL, &second);
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void shut_down(const char *what, int command)
{
	start_all("shutdown", true);
	printf("[init] %s\n", what);
	fflush(stdout);
	end_all();
	reboot(command);
}

static void wait_for_signal(bool impatient)
{
	const struct timespec second = {.tv_sec = 1};

	switch (sigtimedwait(&awaited, NULL, impatient ? &second : NULL)) {
	case SIGUSR1:
		shut_down("halt", RB_HALT_SYSTEM);
		break;
	case SIGUSR2:
		shut_down("power off", RB_POWER_OFF);
		break;
	case SIGTERM:
		shut_down("reboot", RB_AUTOBOOT);
		break;
	case SIGCHLD:
		reap();
		break;
	}
}

int main(void)
{
	static const int signals[] = {SIGCHLD, SIGUSR1, SIGUSR2, SIGTERM};

	if (getpid() != 1) {
		fprintf(stderr, "init: only process 1 can be init\n");
		return 1;
	}
	sigemptyset(&awaited);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&awaited, signals[i]);
	sigprocmask(SIG_BLOCK, &awaited, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	read_inittab();
	start_all("wait", true);
	start_all("once", false);
	start_all("respawn", false);
	for (;;)
		wait_for_signal(respawn());
}
