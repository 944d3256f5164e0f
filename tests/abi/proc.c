/* /proc and /dev as C libraries, busybox and procps read them: what is there and in which form. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "tap.h"
#include "slurp.h"

#define CHECK(cond) ok(cond, "%s", #cond)

static bool starts(const char *path, const char *with)
{
	return slurp(path) >= 0 && !strncmp(text, with, strlen(with));
}

static bool line_is_there(const char *path, const char *with)
{
	const char *p = text;

	if (slurp(path) < 0)
		return false;
	while ((p = strstr(p, with)) != NULL) {
		if (p == text || p[-1] == '\n')
			return true;
		p++;
	}
	return false;
}

/* A file that holds one number and a newline. */
static bool is_number(const char *path)
{
	char *end;

	if (slurp(path) < 2)
		return false;
	strtoll(text, &end, 10);
	return end > text && !strcmp(end, "\n");
}

static void test_general(void)
{
	static const char *const lines[][2] = {
		{"/proc/stat", "cpu  "},
		{"/proc/stat", "ctxt "},
		{"/proc/stat", "intr "},
		{"/proc/stat", "btime "},
		{"/proc/stat", "processes "},
		{"/proc/meminfo", "MemAvailable:"},
		{"/proc/cpuinfo", "processor\t: 0\n"},
		{"/proc/mounts", "proc /proc proc "},
		{"/proc/filesystems", "nodev\tproc\n"},
		{"/proc/vmstat", "nr_free_pages "},
		{"/proc/version", "Linux version "},
		{"/proc/devices", "Character devices:\n"},
		{"/proc/devices", "  5 /dev/tty\n"},
	};
	double a, b, c;
	int running, all, last;
	struct sysinfo si;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ok(line_is_there(lines[i][0], lines[i][1]), "%s, line %zu", lines[i][0], i);
	CHECK(slurp("/proc/uptime") > 0 && sscanf(text, "%lf %lf", &a, &b) == 2);
	CHECK(slurp("/proc/loadavg") > 0 &&
	      sscanf(text, "%lf %lf %lf %d/%d %d", &a, &b, &c, &running, &all, &last) == 6);
	CHECK(running >= 1 && all >= running && last >= getpid());
	CHECK(sysinfo(&si) == 0 && si.loads[0] < 1000ul << 16 && si.procs > 0);
	CHECK(slurp("/proc/partitions") >= 0 && slurp("/proc/diskstats") >= 0);
	CHECK(starts("/proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"));
}

static void test_sys(void)
{
	static const char *const numbers[] = {
		"pid_max", "threads-max", "ngroups_max", "random/entropy_avail", "random/poolsize",
	};
	char path[64];
	struct utsname uts;
	int at[5];

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(path, sizeof(path), "/proc/sys/kernel/%s", numbers[i]);
		ok(is_number(path), "%s is a number", path);
	}
	CHECK(is_number("/proc/sys/fs/file-max") && is_number("/proc/sys/fs/nr_open"));
	CHECK(is_number("/proc/sys/net/core/somaxconn"));
	CHECK(uname(&uts) == 0);
	CHECK(starts("/proc/sys/kernel/ostype", "Linux\n"));
	CHECK(starts("/proc/sys/kernel/osrelease", uts.release));
	CHECK(starts("/proc/sys/kernel/version", uts.version));
	CHECK(starts("/proc/sys/kernel/hostname", uts.nodename));
	CHECK(slurp("/proc/sys/kernel/printk") > 0 &&
	      sscanf(text, "%d %d %d %d", &at[0], &at[1], &at[2], &at[3]) == 4);
	CHECK(slurp("/proc/sys/kernel/random/uuid") == 37 && text[14] == '4' && text[36] == '\n');
	memcpy(path, text, 37);
	CHECK(slurp("/proc/sys/kernel/random/uuid") == 37 && memcmp(path, text, 37) != 0);
	CHECK(slurp("/proc/sys/kernel/random/boot_id") == 37);
	memcpy(path, text, 37);
	CHECK(slurp("/proc/sys/kernel/random/boot_id") == 37 && !memcmp(path, text, 37));
}

static void test_limits(void)
{
	int fd;

	CHECK(starts("/proc/self/limits", "Limit                     Soft Limit           "
					  "Hard Limit           Units     \nMax cpu time  "));
	CHECK(line_is_there("/proc/self/limits", "Max nice priority "));
	CHECK(line_is_there("/proc/self/limits", "Max realtime timeout      unlimited            "
						 "unlimited            us        \n"));
	fd = open("/proc/self/limits", O_WRONLY);
	CHECK(fd < 0 || write(fd, "x", 1) < 0);
	close(fd);
}

static pthread_barrier_t barrier;

static void *named(void *arg)
{
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void test_comm(void)
{
	char name[32];
	pthread_t thread;
	int fd = open("/proc/self/comm", O_RDWR);

	CHECK(fd >= 0 && write(fd, "a name that is too long\n", 24) == 24);
	CHECK(starts("/proc/self/comm", "a name that is \n"));
	CHECK(write(fd, "short", 5) == 5 && starts("/proc/thread-self/comm", "short\n"));
	close(fd);
	pthread_barrier_init(&barrier, NULL, 2);
	CHECK(pthread_create(&thread, NULL, named, NULL) == 0);
	pthread_barrier_wait(&barrier);
	CHECK(pthread_setname_np(thread, "worker") == 0);
	CHECK(pthread_getname_np(thread, name, sizeof(name)) == 0 && !strcmp(name, "worker"));
	CHECK(starts("/proc/self/comm", "short\n"));
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

static void test_dev(void)
{
	static const char *const links[][2] = {
		{"/dev/fd", "/proc/self/fd"},
		{"/dev/stdin", "/proc/self/fd/0"},
		{"/dev/stderr", "/proc/self/fd/2"},
	};
	struct stat st;
	char to[64];

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		memset(to, 0, sizeof(to));
		CHECK(readlink(links[i][0], to, sizeof(to) - 1) > 0 && !strcmp(to, links[i][1]));
	}
	CHECK(stat("/dev/shm", &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 01777);
	CHECK(stat("/dev/tty", &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0x500);
}

int main(void)
{
	test_general();
	test_sys();
	test_limits();
	test_comm();
	test_dev();
	return tap_done();
}
