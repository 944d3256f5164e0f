/*
 * The auxiliary vector that a program finds on its stack, and the vDSO: the library that the kernel
 * maps into it. Its functions must say what the system calls say, on whichever CPU they are called.
 */
#include "tap.h"

#include <elf.h>
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

extern const Elf64_Ehdr __ehdr_start;
extern char **environ;
extern int _start(void);

/* ---- the auxiliary vector ---- */

static bool has(unsigned long type)
{
	errno = 0;
	return getauxval(type) || !errno;
}

static void test_auxv(char **argv)
{
	static const unsigned long types[] = {
		AT_PHDR,   AT_PHENT,  AT_PHNUM,    AT_PAGESZ,      AT_BASE,
		AT_FLAGS,  AT_ENTRY,  AT_UID,      AT_EUID,        AT_GID,
		AT_EGID,   AT_SECURE, AT_RANDOM,   AT_HWCAP,       AT_HWCAP2,
		AT_CLKTCK, AT_EXECFN, AT_PLATFORM, AT_MINSIGSTKSZ, AT_SYSINFO_EHDR,
	};
	const unsigned char *random = (void *)getauxval(AT_RANDOM);
	bool all = true, zero = true;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!has(types[i])) {
			printf("# no entry %lu\n", types[i]);
			all = false;
		}
	ok(all, "every entry is there");
	ok(getauxval(AT_PHDR) == (uintptr_t)&__ehdr_start + __ehdr_start.e_phoff, "AT_PHDR");
	ok(getauxval(AT_PHENT) == sizeof(Elf64_Phdr), "AT_PHENT");
	ok(getauxval(AT_PHNUM) == __ehdr_start.e_phnum, "AT_PHNUM");
	ok(getauxval(AT_ENTRY) == (uintptr_t)_start, "AT_ENTRY");
	ok(!getauxval(AT_BASE) && !getauxval(AT_FLAGS) && !getauxval(AT_SECURE),
	   "those that are 0");
	ok(getauxval(AT_PAGESZ) == 4096 && getauxval(AT_CLKTCK) == 100, "page size, clock ticks");
	ok(getauxval(AT_UID) == getuid() && getauxval(AT_EUID) == geteuid() &&
		   getauxval(AT_GID) == getgid() && getauxval(AT_EGID) == getegid(),
	   "ids");
	ok(!strcmp((char *)getauxval(AT_PLATFORM), "x86_64"), "AT_PLATFORM");
	ok(!strcmp((char *)getauxval(AT_EXECFN), argv[0]), "AT_EXECFN");
	for (int i = 0; i < 16; i++)
		zero = zero && !random[i];
	ok(!zero, "AT_RANDOM: sixteen bytes");
	ok((getauxval(AT_HWCAP) & 0x6000001) == 0x6000001, "AT_HWCAP: FPU, SSE, SSE2");
	ok(getauxval(AT_MINSIGSTKSZ) >= 1024, "AT_MINSIGSTKSZ");
	ok((uintptr_t)argv % 16 == 8, "the stack begins at a multiple of 16");
}

/* ---- finding the functions ---- */

static const char *image;
static const Elf64_Sym *symtab;
static const char *strtab;
static const uint16_t *versym;
static const Elf64_Verdef *verdef;

static const void *at(uint64_t address)
{
	return image + address;
}

static void read_dynamic(const Elf64_Dyn *d)
{
	for (; d->d_tag != DT_NULL; d++) {
		switch (d->d_tag) {
		case DT_SYMTAB:
			symtab = at(d->d_un.d_ptr);
			break;
		case DT_STRTAB:
			strtab = at(d->d_un.d_ptr);
			break;
		case DT_VERSYM:
			versym = at(d->d_un.d_ptr);
			break;
		case DT_VERDEF:
			verdef = at(d->d_un.d_ptr);
			break;
		}
	}
}

static bool open_vdso(void)
{
	const Elf64_Ehdr *eh = (void *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Phdr *ph;

	if (!eh || memcmp(eh->e_ident, ELFMAG, SELFMAG) || eh->e_type != ET_DYN)
		return false;
	image = (const char *)eh;
	ph = at(eh->e_phoff);
	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_DYNAMIC)
			read_dynamic(at(ph[i].p_vaddr));
	return symtab && strtab && versym && verdef;
}

/* The name of the version with this index. */
static const char *version(uint16_t index)
{
	const Elf64_Verdef *v = verdef;

	while ((v->vd_flags & VER_FLG_BASE) || (v->vd_ndx & 0x7fff) != (index & 0x7fff)) {
		if (!v->vd_next)
			return "";
		v = (const void *)((const char *)v + v->vd_next);
	}
	return strtab + ((const Elf64_Verdaux *)((const char *)v + v->vd_aux))->vda_name;
}

static void *find(const char *name)
{
	/* The strings follow the symbols. */
	for (const Elf64_Sym *s = symtab; (const char *)(s + 1) <= strtab; s++)
		if (s->st_shndx && !strcmp(strtab + s->st_name, name) &&
		    !strcmp(version(versym[s - symtab]), "LINUX_2.6"))
			return (void *)at(s->st_value);
	return NULL;
}

static int (*vdso_gettime)(int, struct timespec *);
static int (*vdso_getres)(int, struct timespec *);
static int (*vdso_timeofday)(struct timeval *, void *);
static time_t (*vdso_time)(time_t *);
static int (*vdso_getcpu)(unsigned *, unsigned *, void *);

static bool find_functions(void)
{
	*(void **)&vdso_gettime = find("__vdso_clock_gettime");
	*(void **)&vdso_getres = find("__vdso_clock_getres");
	*(void **)&vdso_timeofday = find("__vdso_gettimeofday");
	*(void **)&vdso_time = find("__vdso_time");
	*(void **)&vdso_getcpu = find("__vdso_getcpu");
	return vdso_gettime && vdso_getres && vdso_timeofday && vdso_time && vdso_getcpu;
}

/* ---- what they say ---- */

static int64_t ns(const struct timespec *t)
{
	return t->tv_sec * 1000000000ll + t->tv_nsec;
}

/* Between two system calls, each time; the clock may not be set back meanwhile. */
static bool agrees(int clock)
{
	struct timespec a, v, b;

	for (int i = 0; i < 200; i++) {
		if (syscall(SYS_clock_gettime, clock, &a) || vdso_gettime(clock, &v) ||
		    syscall(SYS_clock_gettime, clock, &b))
			return false;
		if (ns(&a) > ns(&v) || ns(&v) > ns(&b) || v.tv_nsec < 0 || v.tv_nsec > 999999999) {
			printf("# %lld %lld %lld\n", (long long)ns(&a), (long long)ns(&v),
			       (long long)ns(&b));
			return false;
		}
	}
	return true;
}

static bool same_resolution(int clock)
{
	struct timespec v = {5, 5}, s = {6, 6};

	return !vdso_getres(clock, &v) && !syscall(SYS_clock_getres, clock, &s) &&
	       ns(&v) == ns(&s) && !vdso_getres(clock, NULL);
}

static void test_clocks(void)
{
	static const struct {
		int id;
		const char *name;
	} clocks[] = {
		{CLOCK_REALTIME, "REALTIME"},
		{CLOCK_MONOTONIC, "MONOTONIC"},
		{CLOCK_BOOTTIME, "BOOTTIME"},
		{CLOCK_TAI, "TAI"},
		{CLOCK_REALTIME_COARSE, "REALTIME_COARSE"},
		{CLOCK_MONOTONIC_COARSE, "MONOTONIC_COARSE"},
		{CLOCK_PROCESS_CPUTIME_ID, "PROCESS_CPUTIME_ID"},
		{CLOCK_THREAD_CPUTIME_ID, "THREAD_CPUTIME_ID"},
	};
	struct timespec ts;

	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		ok(agrees(clocks[i].id), "%s agrees with the system call", clocks[i].name);
		ok(same_resolution(clocks[i].id), "its resolution too");
	}
	ok(agrees(CLOCK_MONOTONIC_RAW), "MONOTONIC_RAW agrees with the system call");
	ok(vdso_gettime(77, &ts) == -EINVAL, "no such clock: -EINVAL");
	ok(vdso_gettime(-1, &ts) == -EINVAL, "nor a negative one");
	ok(vdso_getres(77, &ts) == -EINVAL, "no resolution of it");
}

static void test_time_of_day(void)
{
	struct timeval v, s;
	struct {
		int west, dst;
	} tz = {77, 77};
	time_t t = 0, before, after;

	before = syscall(SYS_time, NULL);
	ok(vdso_time(&t) == t && t >= before, "time");
	after = syscall(SYS_time, NULL);
	ok(t <= after && vdso_time(NULL) >= t, "time, with NULL");
	ok(!vdso_timeofday(&v, &tz) && !syscall(SYS_gettimeofday, &s, NULL), "gettimeofday");
	ok(v.tv_sec < s.tv_sec || (v.tv_sec == s.tv_sec && v.tv_usec <= s.tv_usec), "it agrees");
	ok(v.tv_usec >= 0 && v.tv_usec < 1000000 && tz.west != 77 && tz.dst != 77, "in its bounds");
	ok(!vdso_timeofday(NULL, NULL), "with NULL");
}

/* On each CPU that we may use. */
static void test_getcpu(void)
{
	cpu_set_t all, one;
	bool good = true;

	must(sched_getaffinity(0, sizeof(all), &all));
	for (int i = 0; i < CPU_SETSIZE; i++) {
		unsigned cpu = 999, node = 999;

		if (!CPU_ISSET(i, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		must(sched_setaffinity(0, sizeof(one), &one));
		good = good && !vdso_getcpu(&cpu, &node, NULL) && cpu == (unsigned)i && node < 999;
	}
	must(sched_setaffinity(0, sizeof(all), &all));
	ok(good, "getcpu names each CPU");
	ok(!vdso_getcpu(NULL, NULL, NULL), "getcpu with NULL");
}

/* ---- several CPUs ---- */

static int64_t latest;

/* Nobody reads a time that is older than one that somebody has read before. */
static void *look_back(void *arg)
{
	struct timespec t;
	int64_t seen;

	for (int i = 0; i < 20000; i++) {
		seen = __atomic_load_n(&latest, __ATOMIC_ACQUIRE);
		vdso_gettime(CLOCK_MONOTONIC, &t);
		if (ns(&t) < seen)
			return "back";
		__atomic_store_n(&latest, ns(&t), __ATOMIC_RELEASE);
	}
	return NULL;
}

static void test_monotonic(void)
{
	pthread_t t[4];
	bool good = true;
	void *back;

	for (int i = 0; i < 4; i++)
		must(pthread_create(&t[i], NULL, look_back, NULL) ? -1 : 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &back);
		good = good && !back;
	}
	ok(good, "time does not go back from one CPU to another");
}

static void test_fork(void)
{
	pid_t pid = must(fork());
	int status;

	if (!pid)
		_exit(agrees(CLOCK_MONOTONIC) ? 0 : 1);
	must(waitpid(pid, &status, 0));
	ok(status == 0, "a child has it too");
}

static void test_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[300];
	int vdso = 0, vvar = 0;

	while (f && fgets(line, sizeof(line), f)) {
		vdso += strstr(line, "r-xp") && strstr(line, "[vdso]");
		vvar += strstr(line, "r--p") && strstr(line, "[vvar]");
	}
	fclose(f);
	ok(vdso == 1 && vvar == 1, "both parts are in /proc/self/maps");
}

int main(int argc, char **argv)
{
	test_auxv(argv);
	if (!ok(open_vdso(), "AT_SYSINFO_EHDR is an ELF image") ||
	    !ok(find_functions(), "all functions are there, of version LINUX_2.6"))
		return tap_done();
	test_clocks();
	test_time_of_day();
	test_getcpu();
	test_monotonic();
	test_fork();
	test_maps();
	return tap_done();
}
