/*
 * Segments: modify_ldt(2) and its table, selectors in ds, es, fs and gs over switches, fork and exec, code
 * of 32 bits and what signals make of it, stacks of 16 bits.
 */
#include "tap.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#define USER_CS32 0x23
#define USER_DS   0x2b
#define USER_CS   0x33

#define LDT(n) ((n)*8 + 7)

/* <asm/ldt.h>, which musl does not have */
struct user_desc {
	unsigned entry_number, base_addr, limit;
	unsigned seg_32bit : 1, contents : 2, read_exec_only : 1, limit_in_pages : 1,
		seg_not_present : 1, useable : 1, lm : 1;
};

/* The kernel returns an int, so to the C library an error is just a large number. */
static long modify_ldt(int func, void *p, unsigned long bytes)
{
	return (int)syscall(SYS_modify_ldt, func, p, bytes);
}

static long set(unsigned entry, uintptr_t base, unsigned limit, bool wide)
{
	struct user_desc d = {
		.entry_number = entry, .base_addr = base, .limit = limit, .seg_32bit = wide};

	return modify_ldt(0x11, &d, sizeof(d));
}

static long clear(unsigned entry)
{
	struct user_desc d = {.entry_number = entry, .read_exec_only = 1, .seg_not_present = 1};

	return modify_ldt(0x11, &d, sizeof(d));
}

/* Access rights of a selector, 0 if there is no such segment. */
static unsigned rights(unsigned selector)
{
	unsigned ar = 0;

	__asm__ volatile("lar %1, %0" : "+r"(ar) : "r"(selector) : "cc");
	return ar & 0xf0ff00;
}

#define READ(reg) \
	({ \
		unsigned _v; \
		__asm__ volatile("mov %%" #reg ", %0" : "=r"(_v)); \
		_v & 0xffff; \
	})
#define LOAD(reg, selector) __asm__ volatile("mov %0, %%" #reg ::"r"(selector) : "memory")

/* ---- the table ---- */

static uint64_t table[8192 + 1];

static void test_table(void)
{
	struct user_desc d = {.entry_number = 1,
			      .base_addr = 0x12345678,
			      .limit = 0xabcde,
			      .seg_32bit = 1,
			      .contents = 2,
			      .limit_in_pages = 1,
			      .useable = 1};
	uint64_t rest = 0;

	ok(modify_ldt(0, table, sizeof(table)) == 0, "a process has no table");
	memset(table, 0xff, sizeof(table));
	ok(modify_ldt(2, table, 1000) == 128 && table[15] == 0 && table[16] == ~0ul,
	   "the default one is 128 bytes of nothing");
	ok((unsigned long)syscall(SYS_modify_ldt, 77, table, 8) == (uint32_t)-ENOSYS,
	   "an error is an int");
	ok(modify_ldt(0x11, &d, sizeof(d) - 1) == -EINVAL, "another size: EINVAL");
	ok(modify_ldt(0x11, (void *)8, sizeof(d)) == -EFAULT, "no memory: EFAULT");
	ok(set(8192, 0, 0, true) == -EINVAL, "entry 8192: EINVAL");
	ok(modify_ldt(0x11, &d, sizeof(d)) == 0, "a code segment");
	ok(rights(LDT(1)) == 0xd0fb00, "it is there");
	ok(rights(LDT(0)) == 0 && rights(LDT(2)) == 0, "its neighbours are not");
	ok(modify_ldt(0, table, sizeof(table)) == 65536, "the table is read whole");
	for (int i = 2; i < 8192; i++)
		rest |= table[i];
	ok(table[0] == 0 && table[1] == 0x12dafb345678bcde && rest == 0,
	   "as a table of descriptors");
	ok(table[8192] == ~0ul, "and no further");
	ok(modify_ldt(0, table, 12) == 12, "or the beginning");
	ok(modify_ldt(0, (void *)8, 16) == -EFAULT, "to no memory: EFAULT");
	ok(modify_ldt(1, &d, sizeof(d)) == 0 && rights(LDT(1)) == 0xc0fb00,
	   "the old call has no bit for the user's own use");
	d.contents = 3;
	ok(modify_ldt(0x11, &d, sizeof(d)) == -EINVAL, "conforming code: EINVAL");
	d.seg_not_present = 1;
	ok(modify_ldt(1, &d, sizeof(d)) == -EINVAL, "by the old call always");
	ok(modify_ldt(0x11, &d, sizeof(d)) == 0 && rights(LDT(1)) == 0xd07f00, "absent it may be");
	ok(clear(1) == 0 && rights(LDT(1)) == 0, "an entry can be cleared");
	ok(set(8191, 0, 0, true) == 0 && rights(LDT(8191)) == 0x40f300, "the last one");
	d = (struct user_desc){.entry_number = 8191};
	ok(modify_ldt(1, &d, sizeof(d)) == 0 && rights(LDT(8191)) == 0, "cleared in the old way");
}

/* ---- threads, fork, exec ---- */

static void *set_entry_2(void *arg)
{
	return (void *)set(2, 0, 0xfff, true);
}

static void *clear_entry_2(void *arg)
{
	return (void *)clear(2);
}

static void in_thread(void *(*fn)(void *), bool (*until)(void))
{
	pthread_t t;

	must(-pthread_create(&t, NULL, fn, NULL));
	while (!until())
		;
	pthread_join(t, NULL);
}

static bool entry_2_is_there(void)
{
	return rights(LDT(2));
}

static bool ds_is_null(void)
{
	return READ(ds) == 0;
}

static void test_threads(void)
{
	alarm(20); /* for what never comes */
	in_thread(set_entry_2, entry_2_is_there);
	ok(true, "what another thread puts into the table is there at once");
	LOAD(ds, LDT(2));
	LOAD(es, LDT(2));
	in_thread(clear_entry_2, ds_is_null);
	ok(READ(es) == 0, "and ds and es are null when their segment is gone");
	alarm(0);
}

static bool all_null(void)
{
	return !(READ(ds) | READ(es) | READ(fs) | READ(gs));
}

static void test_fork(char *self)
{
	int status;
	pid_t pid;

	set(3, 0, 0xfff, true);
	LOAD(ds, LDT(3));
	pid = must(fork());
	if (!pid) {
		bool same = READ(ds) == LDT(3) && rights(LDT(3));

		clear(3);
		_exit(!same || READ(ds) != 0);
	}
	waitpid(pid, &status, 0);
	ok(status == 0, "a child has the table and the selectors");
	ok(READ(ds) == LDT(3) && rights(LDT(3)), "but they are its own");
	LOAD(es, USER_DS);
	LOAD(gs, USER_DS);
	pid = must(fork());
	if (!pid)
		_exit(execl(self, self, "exec", NULL));
	waitpid(pid, &status, 0);
	ok(status == 0, "another program has neither");
	LOAD(ds, 0);
	LOAD(es, 0);
	LOAD(gs, 0);
}

/* ---- selectors over switches ---- */

static uint64_t words[4] = {0x1111, 0x2222};

static uint64_t gs_word(void)
{
	uint64_t v;

	__asm__ volatile("mov %%gs:8, %0" : "=r"(v));
	return v;
}

static volatile uint64_t seen;

static void see_gs(int sig)
{
	seen = gs_word();
}

/* On one processor with us, with other selectors. No C from here on: fs is not the thread's any more. */
static void neighbour(void)
{
	__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%gs\n"
			 "1:	mov %0, %%fs\n\t"
			 "mov %%ds, %%eax; cmp %0, %%eax; jne 2f\n\t"
			 "mov %%es, %%eax; cmp %0, %%eax; jne 2f\n\t"
			 "mov %%gs, %%eax; cmp %0, %%eax; je 1b\n"
			 "2:	ud2" ::"r"(USER_DS)
			 : "rax", "memory");
	__builtin_unreachable();
}

static void test_switches(void)
{
	cpu_set_t all, one;
	unsigned long self;
	bool kept = true;
	int status;
	pid_t pid;

	must(sched_getaffinity(0, sizeof(all), &all));
	CPU_ZERO(&one);
	for (int i = 0; !CPU_COUNT(&one); i++) {
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	}
	must(sched_setaffinity(0, sizeof(one), &one));
	__asm__("mov %%fs:0, %0" : "=r"(self));
	pid = must(fork());
	if (!pid)
		neighbour();
	for (int i = 0; i < 10 && kept; i++) {
		unsigned long now;

		usleep(1000);
		__asm__ volatile("mov %%fs:0, %0" : "=r"(now));
		kept = now == self && all_null();
	}
	ok(kept, "a neighbour's selectors stay with him");

	ok(set(4, (uintptr_t)words, sizeof(words) - 1, true) == 0, "a segment of our own");
	LOAD(gs, LDT(4));
	ok(gs_word() == 0x2222, "gs leads there");
	for (int i = 0; i < 10; i++)
		usleep(1000);
	ok(READ(gs) == LDT(4) && gs_word() == 0x2222, "after switches, too");
	signal(SIGUSR1, see_gs);
	raise(SIGUSR1);
	ok(seen == 0x2222 && READ(gs) == LDT(4), "and in a handler and after it");
	LOAD(gs, 0);
	ok(waitpid(pid, &status, WNOHANG) == 0, "the neighbour has kept his");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	must(sched_setaffinity(0, sizeof(all), &all));
}

/* ---- 32-bit code ---- */

#define ROUNDS 20

/* What the code below uses: all of it has addresses of 32 bits. */
struct far {
	uint32_t offset;
	uint16_t selector;
} __attribute__((packed));
extern struct far to_spin32, to_trap32;
extern volatile uint32_t spin_over, spin_ss, spin_esp, got_ebx, got_esp, got_ss;
void run32(struct far *where);

__asm__(".data\n"
	"to_spin32:	.long spin32; .word 0x23\n"
	"to_trap32:	.long trap32; .word 0x23\n"
	".balign 8\n"
	"saved_rsp:	.quad 0\n"
	"spin_over:	.long 0\n"
	"spin_ss:	.long 0\n"
	"spin_esp:	.long 0\n"
	"got_ebx:	.long 0\n"
	"got_esp:	.long 0\n"
	"got_ss:	.long 0\n"
	".text\n"
	"run32:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rsp, saved_rsp\n"
	"	mov $0x2b, %eax\n"
	"	mov %eax, %ds\n"
	"	mov %eax, %es\n"
	"	ljmp *(%rdi)\n"
	"back64:\n"
	"	mov $0x2b, %eax\n"
	"	mov %eax, %ss\n"
	"	mov saved_rsp, %rsp\n"
	"	xor %eax, %eax\n"
	"	mov %eax, %ds\n"
	"	mov %eax, %es\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n"
	".code32\n"
	"spin32:\n"
	"	mov $0x76543210, %ebx\n"
	"	mov spin_ss, %ss\n"
	"	mov spin_esp, %esp\n"
	"1:	cmpl $0, spin_over\n"
	"	je 1b\n"
	"	mov %ebx, got_ebx\n"
	"	mov %esp, got_esp\n"
	"	mov %ss, got_ss\n"
	"	ljmp $0x33, $back64\n"
	"trap32:\n"
	"	mov $0x1234, %ebx\n"
	"	ud2\n"
	"	mov %ebx, got_ebx\n"
	"	ljmp $0x33, $back64\n"
	".code64\n");

static volatile unsigned handler_cs, frame_cs, frame_ss, frame_strict, ticks;

static void note_frame(const ucontext_t *uc)
{
	uint64_t selectors = uc->uc_mcontext.gregs[REG_CSGSFS];

	handler_cs = READ(cs);
	frame_cs = selectors & 0xffff;
	frame_ss = selectors >> 48;
	frame_strict = uc->uc_flags & 4;
}

/* A tick may come before the program is in its 32-bit code. */
static void on_tick(int sig, siginfo_t *info, void *uc)
{
	note_frame(uc);
	if (frame_cs == USER_CS32 && ++ticks == ROUNDS)
		spin_over = 1;
}

static void on_trap(int sig, siginfo_t *info, void *ucp)
{
	ucontext_t *uc = ucp;

	note_frame(uc);
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	uc->uc_mcontext.gregs[REG_RBX]++;
}

static void install(int sig, void (*fn)(int, siginfo_t *, void *))
{
	struct sigaction sa = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	must(sigaction(sig, &sa, NULL));
}

static void spin(unsigned ss, unsigned esp)
{
	struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};

	spin_ss = ss;
	spin_esp = esp;
	spin_over = ticks = got_ebx = got_esp = 0;
	must(setitimer(ITIMER_REAL, &every, NULL));
	run32(&to_spin32);
	must(setitimer(ITIMER_REAL, &never, NULL));
}

static void test_code32(void)
{
	static char stack[65536];

	must(sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL));
	install(SIGILL, on_trap);
	run32(&to_trap32);
	ok(handler_cs == USER_CS, "the handler of a trap in 32-bit code is 64-bit code");
	ok(frame_cs == USER_CS32 && !frame_strict, "its frame says where it came from");
	ok(got_ebx == 0x1235, "and it goes back there");

	install(SIGALRM, on_tick);
	spin(USER_DS, 0x12345678);
	ok(handler_cs == USER_CS && frame_cs == USER_CS32 && frame_ss == USER_DS,
	   "a timer interrupts 32-bit code");
	ok(got_ebx == 0x76543210 && got_esp == 0x12345678, "which keeps its registers");
	ok(set(5, 0, 0xffff, false) == 0, "a 16-bit data segment");
	spin(LDT(5), 0x89abcdef);
	ok(frame_ss == LDT(5) && got_ss == LDT(5), "is a stack segment as well");
	ok(got_esp == 0x89abcdef, "and takes nothing of esp");
}

/* ---- returns that cannot be ---- */

static volatile int bad_cs, bad_ss;
static sigjmp_buf env;

static void spoil(int sig, siginfo_t *info, void *ucp)
{
	ucontext_t *uc = ucp;
	uint16_t *selectors = (uint16_t *)&uc->uc_mcontext.gregs[REG_CSGSFS];

	selectors[0] = bad_cs;
	selectors[3] = bad_ss;
	uc->uc_mcontext.gregs[REG_R15] = 0x1515;
}

static volatile long r15_seen, trapno_seen, cs_seen, ss_seen;

static void caught(int sig, siginfo_t *info, void *ucp)
{
	ucontext_t *uc = ucp;
	uint16_t *selectors = (uint16_t *)&uc->uc_mcontext.gregs[REG_CSGSFS];

	r15_seen = uc->uc_mcontext.gregs[REG_R15];
	trapno_seen = uc->uc_mcontext.gregs[REG_TRAPNO];
	cs_seen = selectors[0];
	ss_seen = selectors[3];
	siglongjmp(env, sig);
}

static int try_return(int cs, int ss)
{
	volatile int sig;

	bad_cs = cs;
	bad_ss = ss;
	sig = sigsetjmp(env, 1);
	if (!sig)
		raise(SIGUSR1);
	return sig;
}

static void test_bad_returns(void)
{
	install(SIGUSR1, spoil);
	install(SIGSEGV, caught);
	install(SIGBUS, caught);
	ok(try_return(USER_CS, USER_DS) == 0, "a good frame");
	ok(try_return(0x10, USER_DS) == SIGSEGV && cs_seen == 0x13 && trapno_seen == 13,
	   "the kernel's code segment: SIGSEGV, a general protection fault there");
	ok(r15_seen == 0x1515, "with the registers of the frame");
	ok(try_return(USER_CS, 0x18) == SIGSEGV && ss_seen == 0x1b, "its data segment: SIGSEGV");
	ok(try_return(USER_CS, 0) == SIGSEGV && ss_seen == 3, "a null stack segment: SIGSEGV");
	ok(try_return(0, USER_DS) == SIGSEGV, "a null code segment: SIGSEGV");
	ok(try_return(USER_DS, USER_DS) == SIGSEGV, "data as code: SIGSEGV");
	ok(try_return(USER_CS, USER_CS) == SIGSEGV, "code as a stack: SIGSEGV");
	ok(try_return(0x40, USER_DS) == SIGSEGV, "a task segment: SIGSEGV");
	ok(try_return(LDT(100), USER_DS) == SIGSEGV, "beyond the table: SIGSEGV");
	ok(try_return(0xfff8, 0xfff8) == SIGSEGV, "beyond the other: SIGSEGV");
	ok(try_return(USER_CS, LDT(5)) == 0, "a 16-bit stack under 64-bit code is a good one");
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return !all_null() || rights(LDT(3));
	ok(all_null(), "ds, es, fs and gs are null at the start");
	test_table();
	test_threads();
	test_fork(argv[0]);
	test_switches();
	test_code32();
	test_bad_returns();
	return tap_done();
}
