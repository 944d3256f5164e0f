/*
 * A program that its C library's dynamic loader puts together: built against musl and glibc, with and
 * without a fixed address. It needs part.so from the start and loads plugin.so (the same source) while
 * it runs. test_dynamic.py compares what it prints here and on the host.
 */
#include "tests/abi/tap.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#include "tests/dynamic/part.h"

extern char __executable_start[], etext[];

static int constructed;

__attribute__((constructor)) static void construct(void)
{
	constructed = part_counter() + 1; /* the library's constructor ran first */
}

#if HAS_LOADER
static __thread int mine = 7;

static void *in_thread(void *arg)
{
	int (*plugin_tls)(void) = arg;

	mine++;
	part_tls++;
	return (void *)(intptr_t)(mine == 8 && part_tls == 101 && plugin_tls() == 101);
}

static int count_objects(struct dl_phdr_info *info, size_t size, void *count)
{
	++*(int *)count;
	return 0;
}

static void test_plugin(void)
{
	void *plugin = dlopen("plugin.so", RTLD_NOW | RTLD_LOCAL);
	int (*tls)(void), (*counter)(void);
	int before = 0, after = 0;
	void *good = NULL;
	pthread_t t;

	if (!ok(plugin != NULL, "dlopen"))
		return;
	*(void **)&tls = dlsym(plugin, "next_tls");
	*(void **)&counter = dlsym(plugin, "part_counter");
	ok(tls && counter && counter != part_counter, "dlsym finds the plugin's own function");
	ok(counter() == 1, "its constructor has run");
	ok(tls() == 101 && tls() == 102, "it has thread-local variables");
	pthread_create(&t, NULL, in_thread, (void *)tls);
	pthread_join(t, &good);
	ok(good != NULL, "each thread has fresh ones");
	ok(mine == 7 && part_tls == 100, "and this one keeps its own");
	dl_iterate_phdr(count_objects, &before);
	ok(dlclose(plugin) == 0, "dlclose");
	dl_iterate_phdr(count_objects, &after);
	ok(before >= after, "the list of objects is whole");
	ok(!dlopen("/nowhere.so", RTLD_NOW) && dlerror(), "what is not there cannot be loaded");
}

#else
static void test_plugin(void)
{
}
#endif

/* A mutex that the kernel hands over: the C library must find FUTEX_LOCK_PI, and fit it. */
static pthread_mutex_t inheriting;
static int counter;

static void *count(void *unused)
{
	for (int i = 0; i < 200; i++) {
		int n;

		pthread_mutex_lock(&inheriting);
		n = counter;
		if (i % 8 == 0)
			sched_yield();
		counter = n + 1;
		pthread_mutex_unlock(&inheriting);
	}
	return NULL;
}

static void test_inheritance(void)
{
	pthread_mutexattr_t a;
	pthread_t t[3];

	pthread_mutexattr_init(&a);
	ok(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT) == 0 &&
		   pthread_mutex_init(&inheriting, &a) == 0,
	   "a mutex with priority inheritance");
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, count, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	ok(counter == 600, "three threads count with it");
}

static void test_auxv(void)
{
	const Elf64_Ehdr *base = (const Elf64_Ehdr *)getauxval(AT_BASE);
	uintptr_t entry = getauxval(AT_ENTRY), phdr = getauxval(AT_PHDR);

	if (HAS_LOADER)
		ok(base && !memcmp(base->e_ident, ELFMAG, SELFMAG), "AT_BASE is the loader");
	else
		ok(!base, "AT_BASE is 0 without a loader");
	ok(phdr - (uintptr_t)__executable_start == sizeof(Elf64_Ehdr), "AT_PHDR");
	ok(entry >= (uintptr_t)__executable_start && entry < (uintptr_t)etext, "AT_ENTRY");
}

static void test_heap(void)
{
	char *old = (char *)syscall(SYS_brk, 0), *end = (char *)syscall(SYS_brk, old + (1 << 20));
	volatile char *big = malloc(8 << 20);

	ok(end == old + (1 << 20), "the heap grows");
	end[-1] = 1;
	big[0] = big[(8 << 20) - 1] = 2;
	free((void *)big);
}

int main(int argc, char **argv)
{
	volatile double two = 2;

	ok(argc == 3 && !strcmp(argv[1], "one") && !strcmp(argv[2], ""), "arguments");
	ok(constructed == 2, "constructors in order");
	ok(part_data[1] == &part_data[0] && *part_pointer() == part_data, "relocated data");
	ok(part_name(part_text) == part_text, "a function of the library");
	ok(fabs(sqrt(two) - 1.41421356) < 1e-8, "floating point");
	test_auxv();
	test_heap();
	test_plugin();
	test_inheritance();
	return tap_done();
}
