/*
 * crash WAY: one way for a program to go wrong, or to mean harm. The kernel must survive each: most
 * end with a signal, the others with exit status 0 because every attempt got its error. Without an
 * argument it lists the ways. The harness (tests/qemu/test_faults.py) knows how each one ends.
 *
 * Calls made at random, or with every number there is, are made by a child that has given up root:
 * they would not harm Pollux, but on Linux they would find /dev/null and change its mode. What could
 * outlive the child even so (System V IPC, keys, message queues) is left out.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define KERNEL_TEXT  0xffffffff80100000ul
#define DIRECT_MAP   0xffff888000100000ul
#define NONCANONICAL 0x8000000000000000ul
#define USER_END     0x00007ffffffff000ul

#define NOBODY     65534
#define STILL_ROOT 99 /* exit status of a child that could not become nobody */

#define FLAG_TF   0x100ul
#define FLAG_DF   0x400ul
#define FLAG_IOPL 0x3000ul
#define FLAG_NT   0x4000ul
#define FLAG_AC   0x40000ul

/* ---- the processor ---- */

static void jump(uint64_t to)
{
	((void (*)(void))to)();
}

static void jump_kernel(void)
{
	jump(KERNEL_TEXT);
}

static void jump_null(void)
{
	jump(0);
}

static void jump_noncanonical(void)
{
	jump(NONCANONICAL);
}

/* The stack holds data, and NX means it. */
static void jump_stack(void)
{
	unsigned char code[] = {0xc3}; /* ret */

	jump((uint64_t)code);
}

static void read_kernel(void)
{
	exit(*(volatile char *)KERNEL_TEXT);
}

static void write_kernel(void)
{
	*(volatile char *)DIRECT_MAP = 1;
}

static void write_text(void)
{
	*(volatile char *)(uintptr_t)write_text = 1;
}

static int recurse(volatile char *up);
static int (*volatile again)(volatile char *) = recurse; /* hides the endlessness from gcc */

static int recurse(volatile char *up)
{
	volatile char frame[4096];

	frame[0] = up ? up[0] : 1;
	return again(frame) + frame[0];
}

static void stack_overflow(void)
{
	exit(again(NULL));
}

static void divide(void)
{
	asm volatile("xor %%ecx, %%ecx\n\tidiv %%ecx" ::: "rax", "rcx", "rdx");
}

static void invalid_opcode(void)
{
	asm volatile("ud2");
}

static void breakpoint(void)
{
	asm volatile("int3");
}

static void software_interrupt(void)
{
	asm volatile("int $14");
}

static void privileged(void)
{
	asm volatile("cli");
}

static void port_io(void)
{
	asm volatile("out %%al, $0x64" ::"a"(0xfe)); /* the keyboard controller's reset line */
}

static void bad_segment(void)
{
	asm volatile("mov %0, %%ds" ::"r"(0xfff8)); /* past the end of any GDT */
}

static void single_step(void)
{
	asm volatile("pushf\n\torq %0, (%%rsp)\n\tpopf\n\tnop\n\tnop" ::"i"(FLAG_TF) : "cc");
}

static void step_into_syscall(void)
{
	long nr = SYS_getpid;

	asm volatile("pushf\n\torq %1, (%%rsp)\n\tpopf\n\tsyscall\n\tnop"
		     : "+a"(nr)
		     : "i"(FLAG_TF)
		     : "rcx", "r11", "memory");
}

/* The entry must not run with our direction, alignment and nested-task flags. */
static void flags_syscall(void)
{
	long nr = SYS_getpid;

	asm volatile("pushf\n\torq %1, (%%rsp)\n\tpopf\n\tsyscall\n\t"
		     "pushf\n\tandq %2, (%%rsp)\n\tpopf"
		     : "+a"(nr)
		     : "i"(FLAG_DF | FLAG_AC | FLAG_NT), "i"(~(FLAG_DF | FLAG_AC | FLAG_NT))
		     : "rcx", "r11", "memory", "cc");
	exit(nr != getpid());
}

static void null_stack_syscall(void)
{
	long nr = SYS_getpid;

	asm volatile("mov %%rsp, %%rbx\n\txor %%esp, %%esp\n\tsyscall\n\tmov %%rbx, %%rsp"
		     : "+a"(nr)::"rbx", "rcx", "r11", "memory");
	exit(nr != getpid());
}

/*
 * A system call in the last bytes of the address space would return to a non-canonical address, and
 * sysret faults on that in kernel mode. So the last page must not be had.
 */
static void sysret_noncanonical(void)
{
	unsigned char *page = mmap((void *)USER_END, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (page == MAP_FAILED)
		return;
	page[4094] = 0x0f; /* syscall */
	page[4095] = 0x05;
	asm volatile("jmp *%0" ::"r"(page + 4094), "a"(SYS_getpid));
}

/* ---- frames that sigreturn must not believe ---- */

static void (*spoil)(ucontext_t *uc);

static void handler(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	(void)info;
	spoil(uc);
}

static void return_spoilt(void (*how)(ucontext_t *))
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	spoil = how;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
}

static void to_kernel(ucontext_t *uc)
{
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)KERNEL_TEXT;
	uc->uc_mcontext.gregs[REG_EFL] |= FLAG_IOPL;
	uc->uc_mcontext.gregs[REG_CSGSFS] = 0x08;
}

static void to_noncanonical(ucontext_t *uc)
{
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)NONCANONICAL;
}

static void bad_fpu(ucontext_t *uc)
{
	uc->uc_mcontext.fpregs = (void *)DIRECT_MAP;
}

static void sigreturn_kernel(void)
{
	return_spoilt(to_kernel);
}

static void sigreturn_noncanonical(void)
{
	return_spoilt(to_noncanonical);
}

static void sigreturn_fpu(void)
{
	return_spoilt(bad_fpu);
}

static void sigreturn_uninvited(void)
{
	asm volatile("xor %%esp, %%esp\n\tsyscall" ::"a"(SYS_rt_sigreturn)
		     : "rcx", "r11", "memory");
}

/* There is no room on the stack for the frame of the handler. */
static void handler_without_stack(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	sigaction(SIGUSR1, &sa, NULL);
	asm volatile("mov %2, %%rsp\n\tsyscall" ::"a"(SYS_kill), "D"(getpid()), "r"(DIRECT_MAP),
		     "S"(SIGUSR1)
		     : "rcx", "r11", "memory");
}

/* ---- system calls ---- */

static const int harmful[] = {
	SYS_exit,
	SYS_exit_group,
	SYS_fork,
	SYS_vfork,
	SYS_clone,
	SYS_clone3,
	SYS_kill,
	SYS_tkill,
	SYS_tgkill,
	SYS_rt_sigqueueinfo,
	SYS_rt_tgsigqueueinfo,
	SYS_pidfd_send_signal,
	SYS_reboot,
	SYS_prlimit64,
	SYS_ptrace,
	SYS_process_vm_writev,
	SYS_settimeofday,
	SYS_clock_settime,
	SYS_clock_adjtime,
	SYS_adjtimex,
	SYS_sethostname,
	SYS_setdomainname,
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_swapon,
	SYS_swapoff,
	SYS_init_module,
	SYS_delete_module,
	SYS_finit_module,
	SYS_kexec_load,
	SYS_kexec_file_load,
	SYS_vhangup,
	SYS_acct,
	SYS_quotactl,
	SYS_setpriority,
	SYS_sched_setaffinity,
	SYS_sched_setscheduler,
	SYS_sched_setparam,
	SYS_sched_setattr,
	SYS_ioprio_set,
	SYS_syslog,
	SYS_iopl,
	SYS_ioperm,
	SYS_setns,
	SYS_unshare,
	SYS_bpf,
	SYS_fanotify_init,
	SYS_perf_event_open,
	SYS_kcmp,
	SYS_move_pages,
	SYS_migrate_pages,
	SYS_process_madvise,
	SYS_setpgid,
	SYS_userfaultfd,
	SYS_seccomp,
};

static int is_harmful(long nr)
{
	for (size_t i = 0; i < sizeof(harmful) / sizeof(harmful[0]); i++) {
		if (harmful[i] == nr)
			return 1;
	}
	return 0;
}

static int give_up_root(void)
{
	return setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0 ? -1 : 0;
}

/* Runs @body in a child with neither console nor rights; how that ends does not matter. */
static void in_child(void (*body)(uint64_t), uint64_t arg)
{
	struct timespec step = {0, 5 * 1000 * 1000};
	pid_t pid = fork();
	int status;

	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		if (chdir("/") < 0 || (geteuid() == 0 && give_up_root() < 0))
			_exit(STILL_ROOT);
		body(arg);
		_exit(0);
	}
	for (int i = 0; i < 100; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			if (!WIFEXITED(status) || WEXITSTATUS(status) != STILL_ROOT)
				return;
			puts("cannot give up root");
			exit(1);
		}
		nanosleep(&step, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void call_all(uint64_t argument)
{
	for (long nr = 0; nr < 512; nr++) {
		if (!is_harmful(nr) && nr != SYS_pause && nr != SYS_rt_sigsuspend &&
		    nr != SYS_rt_sigreturn)
			syscall(nr, argument, argument, argument, argument, argument, argument);
	}
}

static void unknown_numbers(uint64_t unused)
{
	static const long numbers[] = {-1,         512,        1000,       65536,
				       0x40000000, 0x7fffffff, 0x80000000, (long)NONCANONICAL};

	(void)unused;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		syscall(numbers[i], 0, 0, 0, 0, 0, 0);
}

static void syscall_numbers(void)
{
	in_child(unknown_numbers, 0);
	in_child(call_all, 0);
	in_child(call_all, (uint64_t)-1);
	in_child(call_all, 0x7fffffff);
}

/* One call a child, so that one that sleeps or unmaps the program does not spare the others. */
static uint64_t pointer;

static void call_one(uint64_t nr)
{
	syscall(nr, pointer, pointer, pointer, pointer, pointer, pointer);
	syscall(nr, 0, pointer, pointer, pointer, pointer, pointer);
	syscall(nr, 1, pointer, 64, pointer, pointer, pointer);
	syscall(nr, pointer, 64, 1, pointer, 64, pointer);
}

static void syscall_pointers(void)
{
	static const uint64_t pointers[] = {8, KERNEL_TEXT, DIRECT_MAP, NONCANONICAL, USER_END - 1};

	for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
		pointer = pointers[i];
		in_child(call_all, pointer);
	}
	pointer = DIRECT_MAP;
	for (long nr = 0; nr < 336; nr++) {
		if (!is_harmful(nr))
			in_child(call_one, nr);
	}
}

static uint64_t noise_state;

static uint64_t noise(void)
{
	noise_state ^= noise_state << 13;
	noise_state ^= noise_state >> 7;
	noise_state ^= noise_state << 17;
	return noise_state;
}

static uint64_t random_argument(void)
{
	static char memory[8192];
	static const uint64_t favourites[] = {
		0,    1,           2,          (uint64_t)-1, 0x7fffffff,  0x80000000,
		4096, KERNEL_TEXT, DIRECT_MAP, NONCANONICAL, USER_END - 1};

	switch (noise() % 4) {
	case 0:
		return noise() % 16; /* a descriptor, a flag, a small length */
	case 1:
		return (uint64_t)memory + noise() % sizeof(memory);
	case 2:
		return favourites[noise() % (sizeof(favourites) / sizeof(favourites[0]))];
	default:
		return noise() >> noise() % 64;
	}
}

static void make_noise(uint64_t seed)
{
	int ep = epoll_create1(0), p[2];
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};

	/* Something to stumble over. */
	if (pipe(p) == 0)
		epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev);
	socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP);
	socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, 0);
	noise_state = seed * 0x9e3779b97f4a7c15ul + 1;
	for (int i = 0; i < 3000; i++) {
		long nr = noise() % 512;

		if (!is_harmful(nr) && nr != SYS_pause && nr != SYS_rt_sigsuspend)
			syscall(nr, random_argument(), random_argument(), random_argument(),
				random_argument(), random_argument(), random_argument());
	}
}

static void random_calls(void)
{
	for (uint64_t seed = 1; seed <= 30; seed++)
		in_child(make_noise, seed);
}

/* ---- more of it than there is ---- */

/* As many as open() gives; then fails with EMFILE, and all of them can be closed. */
static void exhaust(int (*open_one)(void))
{
	struct rlimit rl;
	int n = 0, fd, last = -1;

	getrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_cur > 20000) {
		rl.rlim_cur = 20000;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	while ((fd = open_one()) >= 0) {
		last = fd;
		n++;
	}
	if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS) {
		perror("after the last descriptor");
		exit(1);
	}
	if (n < 200) {
		printf("only %d descriptors\n", n);
		exit(1);
	}
	for (fd = 3; fd <= last; fd++)
		close(fd);
}

static int one_null(void)
{
	return open("/dev/null", O_RDWR);
}

static int one_epoll(void)
{
	return epoll_create1(0);
}

static int one_pipe(void)
{
	int p[2];

	return pipe(p) < 0 ? -1 : p[1] > p[0] ? p[1] : p[0];
}

static int one_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static void descriptors(void)
{
	exhaust(one_null);
}

static void epolls(void)
{
	exhaust(one_epoll);
}

static void pipes(void)
{
	exhaust(one_pipe);
}

static void sockets(void)
{
	exhaust(one_socket);
}

static void processes(void)
{
	int gate[2], n = 0, status, bad = 0;
	char byte;

	if (pipe(gate) < 0)
		exit(1);
	while (n < 1000) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		if (pid == 0) {
			close(gate[1]);
			_exit(read(gate[0], &byte, 1) != 0); /* until the parent closes its end */
		}
		n++;
	}
	close(gate[1]);
	for (int i = 0; i < n; i++) {
		if (wait(&status) < 0 || status != 0)
			bad++;
	}
	if (n < 50 || bad) {
		printf("%d processes, %d ended badly\n", n, bad);
		exit(1);
	}
}

static void mappings(void)
{
	int n = 0;

	/* Neighbours with different rights cannot be merged. */
	while (n < 5000 && mmap(NULL, 4096, n % 2 ? PROT_READ : PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		n++;
	if (n < 1000) {
		printf("only %d mappings\n", n);
		exit(1);
	}
}

/* Touches page after page until the kernel has none left. */
static void memory(void)
{
	for (;;) {
		size_t size = 1 << 20;
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

		if (p == MAP_FAILED)
			raise(SIGKILL); /* that is an end, too */
		for (size_t i = 0; i < size; i += 4096)
			p[i] = 1;
	}
}

/* The same with memory that belongs to no process: pipes, as full as they get. */
static void full_pipes(void)
{
	static char bytes[65536];
	int p[2], n = 0;

	while (pipe2(p, O_NONBLOCK) == 0) {
		while (write(p[1], bytes, sizeof(bytes)) > 0)
			n++;
		if (errno != EAGAIN)
			break;
	}
	if (errno != EMFILE && errno != ENFILE && errno != ENOMEM) {
		perror("after the last byte");
		exit(1);
	}
	if (n < 100) {
		printf("only %d writes\n", n);
		exit(1);
	}
}

/* Each epoll watches each descriptor, until the user has had his share. */
static void watches(void)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int fd = eventfd(0, 0), n = 0;

	for (int k = 0; k < 1000; k++) {
		int ep = epoll_create1(0), copies[200];

		for (int i = 0; i < 200; i++) {
			copies[i] = dup(fd);
			if (ep < 0 || copies[i] < 0) {
				perror("a few descriptors");
				exit(1);
			}
			if (epoll_ctl(ep, EPOLL_CTL_ADD, copies[i], &ev) == 0) {
				n++;
				continue;
			}
			if (errno == ENOSPC && n >= 10000)
				exit(0);
			perror("epoll_ctl");
			exit(1);
		}
		/* The watches stay, as the file is still open: only their numbers are free again. */
		for (int i = 0; i < 200; i++)
			close(copies[i]);
	}
	printf("%d watches and no end\n", n);
	exit(1);
}

static const struct way {
	const char *name;
	void (*go)(void);
} ways[] = {
	{"jump-kernel", jump_kernel},
	{"jump-null", jump_null},
	{"jump-noncanonical", jump_noncanonical},
	{"jump-stack", jump_stack},
	{"read-kernel", read_kernel},
	{"write-kernel", write_kernel},
	{"write-text", write_text},
	{"stack-overflow", stack_overflow},
	{"divide", divide},
	{"invalid-opcode", invalid_opcode},
	{"breakpoint", breakpoint},
	{"software-interrupt", software_interrupt},
	{"privileged", privileged},
	{"port-io", port_io},
	{"bad-segment", bad_segment},
	{"single-step", single_step},
	{"step-into-syscall", step_into_syscall},
	{"flags-syscall", flags_syscall},
	{"null-stack-syscall", null_stack_syscall},
	{"sysret-noncanonical", sysret_noncanonical},
	{"sigreturn-kernel", sigreturn_kernel},
	{"sigreturn-noncanonical", sigreturn_noncanonical},
	{"sigreturn-fpu", sigreturn_fpu},
	{"sigreturn-uninvited", sigreturn_uninvited},
	{"handler-without-stack", handler_without_stack},
	{"syscall-numbers", syscall_numbers},
	{"syscall-pointers", syscall_pointers},
	{"random-calls", random_calls},
	{"descriptors", descriptors},
	{"epolls", epolls},
	{"pipes", pipes},
	{"sockets", sockets},
	{"processes", processes},
	{"mappings", mappings},
	{"memory", memory},
	{"full-pipes", full_pipes},
	{"watches", watches},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (argc < 2) {
			puts(ways[i].name);
		} else if (!strcmp(argv[1], ways[i].name)) {
			ways[i].go();
			return 0;
		}
	}
	return argc < 2 ? 0 : 2;
}
