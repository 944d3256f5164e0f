/*
 * The memory of another process: process_vm_readv(2), process_vm_writev(2), /proc/PID/mem. The other
 * is a child that is stopped, so that nothing here depends on what it does.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "tap.h"

#define PAGE 4096

static char *pages; /* three: text, a hole, text that nobody may write */
static char *shared_ro;
static pid_t child;

static ssize_t from(void *to, size_t n, const void *addr)
{
	struct iovec l = {to, n}, r = {(void *)addr, n};

	return process_vm_readv(child, &l, 1, &r, 1, 0);
}

static ssize_t into(const char *text, void *addr)
{
	struct iovec l = {(void *)text, strlen(text)}, r = {addr, strlen(text)};

	return process_vm_writev(child, &l, 1, &r, 1, 0);
}

static void test_process_vm(void)
{
	char a[8] = "", b[8] = "";
	struct iovec l[2] = {{a, 3}, {b, 5}}, r[2] = {{pages, 4}, {pages + 2 * PAGE, 4}};

	ok(process_vm_readv(child, l, 2, r, 2, 0) == 8 && !strcmp(a, "fir") && !strcmp(b, "slast"),
	   "two pieces here, two there");
	ok(into("other", pages) == 5 && from(a, 6, pages) == 6 && !strcmp(a, "other"), "written");
	ok(!strcmp(pages, "first"), "to the child only");
	ok(from(a, 8, pages + PAGE - 4) == 4, "up to the hole");
	fails(from(a, 8, pages + PAGE), EFAULT);
	fails(into("x", pages + 2 * PAGE), EFAULT);
	fails(process_vm_readv(child, l, 2, r, 2, 1), EINVAL);
	fails(process_vm_readv(child, l, 2000, r, 2, 0), EINVAL);
	ok(process_vm_readv(-1, l, 0, r, 2, 0) == 0, "nothing is read from nobody");
	fails(process_vm_readv(-1, l, 2, r, 2, 0), ESRCH);
}

static void test_proc_mem(void)
{
	char path[64], text[8] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", child);
	fd = must(open(path, O_RDWR));
	ok(pread(fd, text, 6, (off_t)pages) == 6 && !strcmp(text, "other"), "mem shows the same");
	ok(lseek(fd, (off_t)pages, SEEK_SET) == (off_t)pages && read(fd, text, 2) == 2 &&
		   lseek(fd, 0, SEEK_CUR) == (off_t)pages + 2,
	   "a position is an address");
	ok(pwrite(fd, "brk", 4, (off_t)pages + 2 * PAGE) == 4 &&
		   from(text, 4, pages + 2 * PAGE) == 4 && !strcmp(text, "brk"),
	   "a debugger writes where the program may not");
	ok(!strcmp(pages + 2 * PAGE, "last"), "to a copy");
	ok(pread(fd, text, 4, (off_t)shared_ro) == 4, "what is shared can be read");
	fails(pwrite(fd, "x", 1, (off_t)shared_ro), EIO);
	fails(pread(fd, text, 1, (off_t)pages + PAGE), EIO);
	ok(pread(fd, text, 0, (off_t)pages) == 0, "nothing of it");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ok(pread(fd, text, 1, (off_t)pages) == 0, "of the dead there is none");
	close(fd);
}

int main(void)
{
	int status;

	pages = must(
		mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	shared_ro = must(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	strcpy(pages, "first");
	strcpy(pages + 2 * PAGE, "last");
	must(munmap(pages + PAGE, PAGE));
	must(mprotect(pages + 2 * PAGE, PAGE, PROT_READ));
	child = must(fork());
	if (!child) {
		raise(SIGSTOP);
		_exit(0);
	}
	must(waitpid(child, &status, WUNTRACED));
	test_process_vm();
	test_proc_mem();
	return tap_done();
}
