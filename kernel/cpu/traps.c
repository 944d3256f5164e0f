/*
 * Traps. A fault of a user program becomes a signal (the table below, which is Linux's); a page
 * fault is kernel/mm/fault.c's business. A fault in kernel mode is either one that was foreseen, at
 * an instruction in the fault table (user copies), or a bug: panic with registers and backtrace.
 */
#include "kernel/cpu/traps.h"

#include "kernel/abi/signal.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/smp.h"
#include "kernel/debug/kasan.h"
#include "kernel/debug/lockdep.h"
#include "kernel/lib/panic.h"
#include "kernel/lib/printk.h"
#include "kernel/mm/extable.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/vmalloc.h"
#include "kernel/sched/signal.h"
#include "kernel/sched/task.h"

/* kernel/cpu/asm_offsets.inc */
_Static_assert(offsetof(struct task, rsp) == 0, "TASK_RSP");
_Static_assert(offsetof(struct task, kstack_top) == 8, "TASK_KSTACK_TOP");
_Static_assert(offsetof(struct task, work) == 16, "TASK_WORK");
_Static_assert(offsetof(struct pt_regs, rbp) == 32, "PT_RBP");
_Static_assert(offsetof(struct pt_regs, r11) == 48, "PT_R11");
_Static_assert(offsetof(struct pt_regs, rax) == 80, "PT_RAX");
_Static_assert(offsetof(struct pt_regs, rdi) == 112, "PT_RDI");
_Static_assert(offsetof(struct pt_regs, orig_rax) == 120, "PT_ORIG_RAX");
_Static_assert(offsetof(struct pt_regs, rip) == 128, "PT_RIP");
_Static_assert(offsetof(struct pt_regs, cs) == 136, "PT_CS");
_Static_assert(offsetof(struct pt_regs, rsp) == 152, "PT_RSP");
_Static_assert(offsetof(struct pt_regs, ss) == 160, "PT_SS");
_Static_assert(sizeof(struct pt_regs) == 168, "PT_SIZE");

enum addr_kind { ADDR_NONE, ADDR_RIP };

struct trap_info {
	const char *name;
	int sig, code;
	enum addr_kind addr; /* what siginfo's si_addr says */
};

static const struct trap_info traps[NR_TRAPS] = {
	[TRAP_DE] = {"divide error", SIGFPE, FPE_INTDIV, ADDR_RIP},
	[TRAP_DB] = {"debug exception", SIGTRAP, TRAP_TRACE, ADDR_RIP},
	[TRAP_NMI] = {"non-maskable interrupt", 0, 0, ADDR_NONE},
	[TRAP_BP] = {"breakpoint", SIGTRAP, SI_KERNEL, ADDR_NONE},
	[TRAP_OF] = {"overflow", SIGSEGV, SI_KERNEL, ADDR_NONE},
	[TRAP_BR] = {"bound range exceeded", SIGSEGV, SI_KERNEL, ADDR_NONE},
	[TRAP_UD] = {"invalid opcode", SIGILL, ILL_ILLOPN, ADDR_RIP},
	[TRAP_NM] = {"device not available", SIGSEGV, SI_KERNEL, ADDR_NONE},
	[TRAP_DF] = {"double fault", 0, 0, ADDR_NONE},
	[TRAP_TS] = {"invalid TSS", SIGSEGV, SI_KERNEL, ADDR_NONE},
	[TRAP_NP] = {"segment not present", SIGBUS, SI_KERNEL, ADDR_NONE},
	[TRAP_SS] = {"stack fault", SIGBUS, SI_KERNEL, ADDR_NONE},
	[TRAP_GP] = {"general protection fault", SIGSEGV, SI_KERNEL, ADDR_NONE},
	[TRAP_MF] = {"x87 floating-point error", SIGFPE, FPE_FLTINV, ADDR_RIP},
	[TRAP_AC] = {"alignment check", SIGBUS, BUS_ADRALN, ADDR_NONE},
	[TRAP_MC] = {"machine check", 0, 0, ADDR_NONE},
	[TRAP_XM] = {"SIMD floating-point exception", SIGFPE, FPE_FLTINV, ADDR_RIP},
	[TRAP_VE] = {"virtualization exception", SIGSEGV, SI_KERNEL, ADDR_NONE},
	[TRAP_CP] = {"control protection exception", SIGSEGV, SI_KERNEL, ADDR_NONE},
};

static const char *trap_name(u32 vector)
{
	return vector < NR_TRAPS && traps[vector].name ? traps[vector].name : "unexpected trap";
}

/*
 * Which floating-point error: the unmasked ones among those that the status names. x87 status and
 * MXCSR number them alike (Intel SDM volume 1, 8.1.3 and 10.2.3). The registers are still the
 * program's, for the kernel does not use them.
 */
static int fpe_code(u32 vector)
{
	u32 status, masked;

	if (vector == TRAP_MF) {
		u16 sw, cw;

		__asm__ volatile("fnstsw %0; fnstcw %1" : "=m"(sw), "=m"(cw));
		status = sw;
		masked = cw;
	} else {
		u32 mxcsr;

		__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
		status = mxcsr;
		masked = mxcsr >> 7;
	}
	status &= ~masked;
	if (status & 0x01)
		return FPE_FLTINV;
	if (status & 0x04)
		return FPE_FLTDIV;
	if (status & 0x08)
		return FPE_FLTOVF;
	if (status & 0x12) /* underflow, denormal operand */
		return FPE_FLTUND;
	return FPE_FLTRES;
}

static void user_trap(struct pt_regs *regs, u32 vector, u64 error)
{
	const struct trap_info *t = &traps[vector];
	int code = t->code;

	if (vector >= NR_TRAPS ||
	    !t->sig) { /* int n is a #GP in user mode; the legacy PICs are masked */
		printk("%s (vector %u) in user mode at %lx\n", trap_name(vector), vector,
		       regs->rip);
		return;
	}
	if (vector == TRAP_MF || vector == TRAP_XM)
		code = fpe_code(vector);
	current->trap_nr = vector;
	current->trap_error = error;
	force_signal_fault(t->sig, code, t->addr == ADDR_RIP ? regs->rip : 0);
}

void do_trap(struct pt_regs *regs, u32 vector, u64 error)
{
	if (likely(vector == TRAP_PF)) {
		do_page_fault(regs, error, read_cr2()); /* turns interrupts on where they were */
		if (user_mode(regs))
			lockdep_check_none("return to user mode");
		return;
	}
	if (vector >= NR_TRAPS) /* a spurious interrupt of the masked legacy PICs */
		return;
	if (user_mode(regs)) {
		local_irq_enable();
		user_trap(regs, vector, error);
		return;
	}
	if (fixup_exception(regs))
		return;
	if (vector == TRAP_GP)
		kasan_explain_gp(regs);
	panic_regs(regs, "%s, error code %lx", trap_name(vector), error);
}

void do_paranoid_trap(struct pt_regs *regs, u32 vector, u64 error)
{
	u64 cr2 = read_cr2();

	if (vector == TRAP_NMI) {
		if (smp_stopping())
			smp_stop_here(regs);
		printk("NMI on CPU %d, task %d (%.*s)\n", smp_processor_id(), current->pid,
		       TASK_COMM_LEN, current->comm);
		show_held_locks(smp_processor_id());
		dump_frames(regs->rip, regs->rbp);
		return;
	}
	/* A push below a stack's end faults, and so does the push of that fault's frame. */
	if (vector == TRAP_DF && (kstack_guard_hit(cr2) || kstack_guard_hit(regs->rsp)))
		panic_regs(regs, "kernel stack overflow at %lx", cr2);
	panic_regs(regs, "%s, error code %lx, cr2 %lx", trap_name(vector), error, cr2);
}
