/*
 * Rules 2 and 32: the limit on what a user may watch, which only root may change and which holds for
 * root too. A user that nobody else is has an account of its own. (A Linux in use should not run
 * this: nobody there could watch anything more for a moment.)
 */
#include "tests/abi/epoll.h"

#define USER  54321
#define LIMIT 20

static const char limit_file[] = "/proc/sys/fs/epoll/max_user_watches";

static void set_limit(const char *text)
{
	int fd = must(open(limit_file, O_WRONLY));

	must(write(fd, text, strlen(text)));
	close(fd);
}

/* As many ADDs as are allowed, of descriptors from @from on. */
static int add_all(int ep, int from, int n)
{
	int i;

	for (i = 0; i < n && ep_add(ep, from + i, EPOLLIN) == 0; i++)
		;
	return i;
}

static void the_limit(int ep_of_root)
{
	int first = must(eventfd(0, 0)), status;
	int a, b;

	for (int i = 1; i < 2 * LIMIT; i++)
		must(eventfd(0, 0)); /* numbers in a row */
	b = must(epoll_create1(0));
	a = must(epoll_create1(0));

	ok(add_all(a, first, LIMIT + 5) == LIMIT && errno == ENOSPC, "the limit, then ENOSPC");
	fails(ep_add(b, first, EPOLLIN), ENOSPC);
	fails(ep_add(a, first, EPOLLIN), EEXIST);
	ok(ep_mod(a, first, EPOLLOUT) == 0, "MOD of what is there");
	ok(ep_del(a, first) == 0 && ep_add(b, first, EPOLLIN) == 0,
	   "one less here, one more there");
	fails(ep_add(b, first + 1, EPOLLIN), ENOSPC);
	close(first + 5); /* the last reference: a's watch goes with it */
	ok(ep_add(b, first + 1, EPOLLIN) == 0, "a file that is closed gives its watch back");
	if (!must(fork()))
		_exit(ep_add(b, first + 2, EPOLLIN) == -1 && errno == ENOSPC ? 0 : 1);
	must(wait(&status));
	ok(status == 0, "a child is the same user");
	must(close(a));
	ok(add_all(b, first + 6, LIMIT) == LIMIT - 2, "a closed epoll gives all of its back");
	fails(open(limit_file, O_WRONLY), EACCES);
	fails(ep_add(ep_of_root, first + 30, EPOLLIN), ENOSPC);
	close(b);
	ok(ep_add(ep_of_root, first + 30, EPOLLIN) == -1, "the epoll's maker pays, not who adds");
}

int main(void)
{
	char old[32] = "";
	int fd = must(open(limit_file, O_RDONLY)), status, ep = must(epoll_create1(0));
	pid_t child;

	must(read(fd, old, sizeof(old) - 1));
	close(fd);
	for (int i = 0; i < LIMIT; i++)
		must(ep_add(ep, must(eventfd(0, 0)), EPOLLIN));
	set_limit("20\n");
	fflush(stdout);
	child = must(fork());
	if (!child) {
		must(setuid(USER));
		the_limit(ep);
		exit(tap_failed);
	}
	must(waitpid(child, &status, 0));
	set_limit(old);
	ok(status == 0, "the user's child");
	return tap_done();
}
