/*
 * The little that an ABI program needs to speak TAP. A program checks what Linux promises, one
 * line a promise, and prints the same bytes on Linux and on Pollux: descriptions hold no pids,
 * addresses or times. The harness runs the same binary on both and compares.
 *
 *	int main(void)
 *	{
 *		ok(write(p[1], "x", 1) == 1, "a byte goes in");
 *		fails(epoll_create(0), EINVAL);
 *		return tap_done();
 *	}
 */
#pragma once

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int tap_count, tap_failed;

static inline bool tap_result(bool good, const char *file, int line, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("%sok %d - %s\n", good ? "" : "not ", ++tap_count, text);
	if (!good) {
		tap_failed++;
		printf("# %s:%d errno %d (%s)\n", file, line, errno, strerror(errno));
	}
	fflush(stdout);
	return good;
}

/* ok(condition, "description", ...) */
#define ok(cond, ...) tap_result((cond), __FILE__, __LINE__, __VA_ARGS__)

/* The call must return -1 with this errno. */
#define fails(call, err) \
	({ \
		errno = 0; \
		long _r = (long)(call); \
		int _e = errno; \
		if (_r != -1 || _e != (err)) \
			printf("# returned %ld, errno %d (%s)\n", _r, _e, strerror(_e)); \
		errno = _e; \
		tap_result(_r == -1 && _e == (err), __FILE__, __LINE__, "%s: %s", #call, #err); \
	})

/* For what must work before a test makes sense. */
#define must(call) \
	({ \
		typeof(call) _m = (call); \
		if ((long)_m == -1) { \
			printf("Bail out! %s:%d: %s: %s\n", __FILE__, __LINE__, #call, \
			       strerror(errno)); \
			exit(99); \
		} \
		_m; \
	})

/* What /proc/@task/stat says behind the name, from the state on: "S 1 ..."; "" if there is none. */
static inline const char *proc_stat(const char *task)
{
	static _Thread_local char text[1024];
	char path[64], *end;
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/stat", task);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	text[n < 0 ? 0 : n] = '\0';
	end = strrchr(text, ')');
	return end && end[1] ? end + 2 : "";
}

/* Does a thread of this process sleep? */
static inline bool is_asleep(pid_t tid)
{
	char task[32];

	snprintf(task, sizeof(task), "self/task/%d", tid);
	return *proc_stat(task) == 'S';
}

/* The last line of main: prints the plan, returns the exit status. */
static inline int tap_done(void)
{
	printf("1..%d\n", tap_count);
	fflush(stdout);
	return tap_failed ? 1 : 0;
}
