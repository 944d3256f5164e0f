/*
 * /dev/kmsg and syslog(2): reading records, being overtaken, waiting, clearing. It fills the log, which
 * must be nobody else's. On Linux it passes where the log is as small.
 */
#include "tests/abi/tap.h"

#include <poll.h>
#include <sys/klog.h>
#include <sys/wait.h>

static char text[8192];

struct record {
	unsigned prio;
	unsigned long long seq, us;
	char text[4096];
};

static bool next(int fd, struct record *r)
{
	ssize_t n = read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	r->text[0] = '\0';
	return sscanf(text, "%u,%llu,%llu,-;%4095[^\n]", &r->prio, &r->seq, &r->us, r->text) >= 3 &&
	       text[n - 1] == '\n';
}

static void say(int fd, const char *words)
{
	ok(write(fd, words, strlen(words)) == (ssize_t)strlen(words), "write");
}

static void test_records(int fd)
{
	struct record r, last = {0};
	struct pollfd p = {fd, POLLIN | POLLPRI, 0};
	bool ordered = true;
	int n = 0;

	for (; next(fd, &r); n++, last = r)
		ordered = ordered && (!n || (r.seq == last.seq + 1 && r.us >= last.us));
	ok(n > 3 && errno == EAGAIN && ordered, "all there is, numbered and in order");
	ok(poll(&p, 1, 0) == 0, "then nothing is ready");
	say(fd, "plain words");
	ok(poll(&p, 1, 0) == 1 && p.revents == POLLIN, "a line is");
	ok(next(fd, &r) && r.prio == 12 && r.seq == last.seq + 1 && !strcmp(r.text, "plain words"),
	   "of a user, with the default level");
	say(fd, "<3>loud\n");
	ok(next(fd, &r) && r.prio == 11 && !strcmp(r.text, "loud"), "with a level");
	say(fd, "<30>a daemon\ttab \\");
	ok(next(fd, &r) && r.prio == 30 && !strcmp(r.text, "a daemon\\x09tab \\x5c"), "escaped");
	say(fd, "<3 no level");
	ok(next(fd, &r) && r.prio == 12 && !strcmp(r.text, "<3 no level"), "not a level");
	fails(write(fd, text, 2000), EINVAL);
	say(fd, "short");
	fails(read(fd, text, 5), EINVAL);
	ok(next(fd, &r) && !strcmp(r.text, "short"), "it was not lost by that");
}

static void test_seek(int fd)
{
	struct record r, first;

	fails(lseek(fd, 1, SEEK_SET), ESPIPE);
	fails(lseek(fd, 0, SEEK_CUR), EINVAL);
	ok(lseek(fd, 0, SEEK_SET) == 0 && next(fd, &first), "the first");
	ok(lseek(fd, 0, SEEK_END) == 0 && !next(fd, &r), "the end");
	ok(klogctl(5, NULL, 0) == 0, "clear");
	say(fd, "after it");
	ok(lseek(fd, 0, SEEK_DATA) == 0 && next(fd, &r) && !strcmp(r.text, "after it"),
	   "what came since");
	ok(klogctl(3, text, sizeof(text)) > 0 && !strncmp(text, "<12>[", 5) &&
		   strstr(text, "] after it\n"),
	   "so does syslog");
	ok(lseek(fd, 0, SEEK_SET) == 0 && next(fd, &r) && r.seq == first.seq, "all is still there");
}

static void test_overtaken(int fd)
{
	int out = must(open("/dev/kmsg", O_WRONLY));
	struct pollfd p = {fd, POLLIN | POLLPRI, 0};
	struct record r;
	int n = 0, last = -1;
	bool all = true;

	ok(lseek(fd, 0, SEEK_SET) == 0 && next(fd, &r), "at the first line");
	for (int i = 0; i < 600; i++) {
		char line[200];
		int len = snprintf(line, sizeof(line), "%d %0150d\n", i, 0);

		if (write(out, line, (size_t)len) != len)
			all = false;
	}
	ok(all, "more than it holds");
	ok(poll(&p, 1, 0) == 1 && (p.revents & POLLPRI) && (p.revents & POLLERR), "poll tells");
	fails(read(fd, text, sizeof(text)), EPIPE);
	for (; next(fd, &r); n++) {
		int i = atoi(r.text);

		all = all && strlen(r.text) > 150 && (last < 0 || i == last + 1);
		last = i;
	}
	ok(all && n > 100 && last == 599, "and then goes on with what is there, whole");
	close(out);
}

static bool sleeps(pid_t pid)
{
	char path[32];
	FILE *f;
	char *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	p = f && fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
	if (f)
		fclose(f);
	return p && p[2] == 'S';
}

static void test_waiting(int fd)
{
	int blocking = must(open("/dev/kmsg", O_RDWR)), status;
	struct record r;
	pid_t pid;

	must(lseek(blocking, 0, SEEK_END));
	pid = must(fork());
	if (!pid) {
		struct pollfd p = {blocking, POLLIN, 0};

		_exit(poll(&p, 1, 10000) == 1 && next(blocking, &r) && !strcmp(r.text, "wake up") &&
				      next(blocking, &r) && !strcmp(r.text, "once more")
			      ? 0
			      : 1);
	}
	while (!sleeps(pid))
		usleep(1000);
	say(fd, "wake up");
	usleep(20000);
	while (!sleeps(pid))
		usleep(1000);
	say(fd, "once more");
	waitpid(pid, &status, 0);
	ok(!status, "poll and a blocking read are woken");
	close(blocking);
}

static void test_syslog(int fd)
{
	int n, size = klogctl(10, NULL, 0);

	ok(size >= 4096, "the size of the log");
	while (klogctl(9, NULL, 0) > 0)
		if (klogctl(2, text, sizeof(text)) <= 0)
			break;
	ok(klogctl(9, NULL, 0) == 0, "all is read");
	say(fd, "for klogd");
	ok(klogctl(9, NULL, 0) > 9, "there is more");
	n = klogctl(2, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	ok(n > 0 && strstr(text, "] for klogd\n") && klogctl(9, NULL, 0) == 0, "and it is this");
	fails(klogctl(3, NULL, 10), EINVAL);
	fails(klogctl(3, text, -1), EINVAL);
	fails(klogctl(8, NULL, 9), EINVAL);
	fails(klogctl(11, NULL, 0), EINVAL);
	must(setuid(1234));
	ok(klogctl(3, text, sizeof(text)) > 0, "anybody may read all");
	fails(klogctl(2, text, sizeof(text)), EPERM);
	fails(klogctl(5, NULL, 0), EPERM);
	fails(open("/dev/kmsg", O_WRONLY), EACCES);
	n = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	ok(n >= 0 && next(n, &(struct record){0}), "and by the device");
}

int main(void)
{
	int fd = must(open("/dev/kmsg", O_RDWR | O_NONBLOCK));

	test_records(fd);
	test_seek(fd);
	test_overtaken(fd);
	test_waiting(fd);
	test_syslog(fd);
	return tap_done();
}
