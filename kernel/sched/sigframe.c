/*
 * Signal frames: what a handler finds on its stack, and how rt_sigreturn(2) goes back.
 *
 * Before a handler runs the kernel pushes the interrupted program's whole state onto the user's
 * stack; the handler returns into a few instructions of the C library (sa_restorer) that call
 * rt_sigreturn, which reads the state back. In between the state belongs to the user, who may change
 * it (that is how a handler moves the program on) or forge it. So nothing that comes back is
 * trusted: the segment selectors get the user's privilege, and whether they and rip are any good
 * shows on the way out (ret_to_user); of the flags only the harmless ones are taken; and the vector
 * state goes through fpu_reload_current(), which takes out what XRSTOR would fault on.
 *
 * The layout is that of Linux x86-64, <bits/sigcontext.h> and ucontext(3), from the top:
 *
 *	the interrupted stack
 *	128 bytes		the red zone of the ABI: the program may be using it
 *	XSAVE area + magic	64-byte aligned; &mcontext.fpstate
 *	struct rt_sigframe	rsp at the handler's entry: 16-byte aligned plus 8, as after a call
 *
 * Both directions run in process context on current's own state and take no lock.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/fpu.h"
#include "kernel/cpu/syscall.h"
#include "kernel/exec/process.h"
#include "kernel/lib/string.h"
#include "kernel/mm/uaccess.h"

#define RED_ZONE 128

/* uc_flags */
#define UC_FP_XSTATE         0x1 /* fpstate is an XSAVE area with the magic words */
#define UC_SIGCONTEXT_SS     0x2 /* ss is saved */
#define UC_STRICT_RESTORE_SS 0x4 /* and is put back, good or bad: it was 64-bit code */

#define SS_AUTODISARM (1u << 31)

struct sigcontext {
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	u16 cs, gs, fs, ss;
	u64 err, trapno, oldmask, cr2;
	u64 fpstate; /* user address, 0: the registers' initial values */
	u64 reserved[8];
};

struct ucontext {
	u64 uc_flags, uc_link;
	stack_t uc_stack;
	struct sigcontext uc_mcontext;
	sigset_t uc_sigmask;
};

struct rt_sigframe {
	u64 pretcode; /* the handler returns here */
	struct ucontext uc;
	siginfo_t info;
};

_Static_assert(sizeof(struct sigcontext) == 256, "sigcontext is ABI");
_Static_assert(sizeof(struct ucontext) == 304, "ucontext is ABI");
_Static_assert(sizeof(siginfo_t) == 128, "siginfo is ABI");

/* The 512 bytes that FXSAVE and XSAVE have in common, and the header of XSAVE (SDM volume 1, 13.4). */
#define XSAVE_HEADER_END 576
#define XFEATURE_X87     1ull
#define XFEATURE_SSE     2ull

/* Bytes 464 to 511 belong to software. */
struct fpx_sw_bytes {
	u32 magic1;
	u32 extended_size; /* with the second magic word */
	u64 xfeatures;
	u32 xstate_size;
	u32 padding[7];
};
#define FP_XSTATE_MAGIC1 0x46505853u
#define FP_XSTATE_MAGIC2 0x46505845u

struct fxsave {
	u16 fcw, fsw, ftw, fop;
	u64 rip, rdp;
	u32 mxcsr, mxcsr_mask;
	u8 st[128], xmm[256], reserved[48];
	struct fpx_sw_bytes sw;
	u64 xstate_bv, xcomp_bv, header[6]; /* XSAVE only */
};
_Static_assert(sizeof(struct fxsave) == XSAVE_HEADER_END, "XSAVE layout");

static u64 fpstate_size(void)
{
	return fpu_area_size + (fpu_features ? sizeof(u32) : 0);
}

u64 sigframe_max_size(void)
{
	return RED_ZONE + fpstate_size() + 63 + sizeof(struct rt_sigframe) + 16;
}

/* ---- the alternate stack, sigaltstack(2) ---- */

static bool on_altstack(const struct task *t, u64 sp)
{
	return !(t->sas_flags & (int)SS_AUTODISARM) && sp > t->sas_sp &&
	       sp - t->sas_sp <= t->sas_size;
}

static int altstack_flags(const struct task *t, u64 sp)
{
	if (!t->sas_size)
		return SS_DISABLE;
	return on_altstack(t, sp) ? SS_ONSTACK : 0;
}

static stack_t save_altstack(struct task *t, u64 sp)
{
	stack_t st = {.ss_sp = t->sas_sp,
		      .ss_flags = altstack_flags(t, sp) | (t->sas_flags & (int)SS_AUTODISARM),
		      .ss_size = t->sas_size};

	return st;
}

static void reset_altstack(struct task *t)
{
	t->sas_sp = t->sas_size = 0;
	t->sas_flags = SS_DISABLE;
}

static int set_altstack(struct task *t, const stack_t *st, u64 sp)
{
	int mode = st->ss_flags & ~(int)SS_AUTODISARM;

	if (on_altstack(t, sp))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		reset_altstack(t);
		t->sas_flags = st->ss_flags;
		return 0;
	}
	if (st->ss_size < MINSIGSTKSZ)
		return -ENOMEM;
	t->sas_sp = st->ss_sp;
	t->sas_size = st->ss_size;
	t->sas_flags = st->ss_flags;
	return 0;
}

SYSCALL_DEFINE2(sigaltstack, const stack_t __user *, uss, stack_t __user *, uoss)
{
	struct task *t = current;
	u64 sp = task_pt_regs(t)->rsp;
	stack_t new, old = save_altstack(t, sp);
	int err;

	if (uss) {
		if (copy_from_user(&new, uss, sizeof(new)))
			return -EFAULT;
		err = set_altstack(t, &new, sp);
		if (err)
			return err;
	}
	return uoss && copy_to_user(uoss, &old, sizeof(old)) ? -EFAULT : 0;
}

/* ---- the vector state ---- */

static int save_fpstate(u64 addr)
{
	struct fxsave *fx = (struct fxsave *)current->fpu;
	struct fxsave __user *ufx = (struct fxsave __user *)addr;
	struct fpx_sw_bytes sw = {0};

	fpu_sync_current();
	if (!fpu_features)
		return copy_to_user(ufx, fx, FXSAVE_SIZE) || copy_to_user(&ufx->sw, &sw, sizeof(sw))
			       ? -EFAULT
			       : 0;
	fpu_fill_in_legacy(current->fpu);
	sw.magic1 = FP_XSTATE_MAGIC1;
	sw.extended_size = (u32)fpstate_size();
	sw.xfeatures = fpu_features;
	sw.xstate_size = fpu_area_size;
	if (copy_to_user(ufx, fx, fpu_area_size) || copy_to_user(&ufx->sw, &sw, sizeof(sw)) ||
	    put_user(FP_XSTATE_MAGIC2, (u32 __user *)(addr + fpu_area_size)))
		return -EFAULT;
	return 0;
}

/* How much of a user's fpstate is good: FXSAVE_SIZE, or an XSAVE area's size; 0 for a bad address. */
static u32 valid_fpstate_size(u64 addr, u64 *xfeatures)
{
	struct fpx_sw_bytes sw;
	u32 magic2 = 0;

	if (copy_from_user(&sw, &((struct fxsave __user *)addr)->sw, sizeof(sw)))
		return 0;
	if (!fpu_features || sw.magic1 != FP_XSTATE_MAGIC1 || sw.xstate_size < XSAVE_HEADER_END ||
	    sw.xstate_size > fpu_area_size)
		return FXSAVE_SIZE;
	if (copy_from_user(&magic2, (void __user *)(addr + sw.xstate_size), sizeof(magic2)))
		return 0;
	*xfeatures = sw.xfeatures;
	return magic2 == FP_XSTATE_MAGIC2 ? sw.xstate_size : FXSAVE_SIZE;
}

static int restore_fpstate(u64 addr)
{
	struct fxsave *fx = (struct fxsave *)current->fpu;
	u64 xfeatures = 0;
	u32 size = FXSAVE_SIZE;
	int err = 0;

	if (addr) {
		size = valid_fpstate_size(addr, &xfeatures);
		if (!size)
			return -EFAULT;
	}
	/* From here on the area counts, not the registers, so a fault that sleeps cannot mix them. */
	fpu_sync_current();
	fpu_reload_current();
	if (!addr) {
		memset(fx, 0, fpu_area_size);
		fx->fcw = 0x37f;
		fx->mxcsr = 0x1f80;
	} else if (copy_from_user(fx, (void __user *)addr, size)) {
		err = -EFAULT;
	} else if (size > FXSAVE_SIZE) {
		fx->xstate_bv &= xfeatures;
	} else if (fpu_features) {
		fx->xstate_bv = XFEATURE_X87 | XFEATURE_SSE;
	}
	fpu_reload_current(); /* once more: it checks what has been copied */
	return err;
}

/* ---- the stack segment ---- */

/* 64-bit code takes any, but keeps one only if others could use it too. */
static void force_valid_ss(struct pt_regs *r)
{
	u32 rights = 0;

	if (likely(r->ss == GDT_USER_DS))
		return;
	__asm__("lar %1, %0" : "+r"(rights) : "r"((u32)r->ss) : "cc");
	/* Present, privilege 3, writable data that may grow downwards (SDM volume 2, LAR). */
	if ((rights & 0xfa00) != 0xf200)
		r->ss = GDT_USER_DS;
}

/* ---- building a frame ---- */

static int place_frame(const struct ksignal *ks, u64 rsp, u64 *fpstate, u64 *frame)
{
	struct task *t = current;
	u64 sp = rsp - RED_ZONE;
	bool alt = on_altstack(t, sp);

	if ((ks->act.sa_flags & SA_ONSTACK) && altstack_flags(t, sp) == 0) {
		sp = t->sas_sp + t->sas_size;
		alt = true;
	}
	*fpstate = ALIGN_DOWN(sp - fpstate_size(), 64ul);
	*frame = ALIGN_DOWN(*fpstate - sizeof(struct rt_sigframe), 16ul) - 8;
	/* An alternate stack that is too small must not be left at its lower end. */
	if (alt && (*frame <= t->sas_sp || *frame - t->sas_sp > t->sas_size))
		return -EFAULT;
	return 0;
}

/* What struct sigcontext and struct pt_regs have by the same names. */
#define SHARED_REGISTERS(copy) \
	copy(r8) copy(r9) copy(r10) copy(r11) copy(r12) copy(r13) copy(r14) copy(r15) copy(rdi) \
		copy(rsi) copy(rbp) copy(rbx) copy(rdx) copy(rax) copy(rcx) copy(rsp) copy(rip)
#define SAVE(reg)    sc->reg = r->reg;
#define RESTORE(reg) r->reg = sc->reg;

static void fill_sigcontext(struct sigcontext *sc, const struct pt_regs *r)
{
	SHARED_REGISTERS(SAVE)
	sc->eflags = r->eflags;
	sc->cs = (u16)r->cs;
	sc->ss = (u16)r->ss;
	/* Of the last trap, whatever the signal: the handler knows which it asked for. */
	sc->trapno = current->trap_nr;
	sc->err = current->trap_error;
	sc->cr2 = current->trap_addr;
}

int setup_rt_frame(struct ksignal *ks, sigset_t oldset, struct pt_regs *regs)
{
	struct task *t = current;
	struct rt_sigframe f = {.info = ks->info};
	u64 fpstate, addr;

	/* x86-64 has no return path of the kernel's own. */
	if (!(ks->act.sa_flags & SA_RESTORER) || ks->act.sa_handler >= USER_TOP)
		return -EFAULT;
	if (place_frame(ks, regs->rsp, &fpstate, &addr) || save_fpstate(fpstate))
		return -EFAULT;
	f.pretcode = ks->act.sa_restorer;
	f.uc.uc_flags = UC_SIGCONTEXT_SS | (fpu_features ? UC_FP_XSTATE : 0);
	if (regs->cs == GDT_USER_CS)
		f.uc.uc_flags |= UC_STRICT_RESTORE_SS;
	f.uc.uc_stack = save_altstack(t, regs->rsp);
	f.uc.uc_sigmask = oldset;
	fill_sigcontext(&f.uc.uc_mcontext, regs);
	f.uc.uc_mcontext.oldmask = oldset;
	f.uc.uc_mcontext.fpstate = fpstate;
	if (copy_to_user((void __user *)addr, &f, sizeof(f)))
		return -EFAULT;
	if (t->sas_flags & (int)SS_AUTODISARM)
		reset_altstack(t);

	regs->rdi = (u64)ks->sig;
	regs->rsi = addr + offsetof(struct rt_sigframe, info);
	regs->rdx = addr + offsetof(struct rt_sigframe, uc);
	regs->rax = 0;
	regs->rip = ks->act.sa_handler;
	regs->rsp = addr;
	regs->cs = GDT_USER_CS;
	force_valid_ss(regs);
	regs->eflags &= ~(X86_EFLAGS_DF | X86_EFLAGS_TF | BIT(16));
	return 0;
}

/* ---- going back ---- */

static void read_sigcontext(struct pt_regs *r, const struct sigcontext *sc)
{
	SHARED_REGISTERS(RESTORE)
	r->eflags = (r->eflags & ~USER_EFLAGS) | (sc->eflags & USER_EFLAGS);
	r->cs = sc->cs | 3;
	r->ss = sc->ss | 3;
	r->orig_rax = ~0ul; /* not a system call any more: nothing to restart */
}

SYSCALL_DEFINE0(rt_sigreturn)
{
	struct pt_regs *regs = task_pt_regs(current);
	/* The handler's ret has taken pretcode. */
	struct rt_sigframe __user *frame = (struct rt_sigframe __user *)(regs->rsp - sizeof(u64));
	struct ucontext uc;

	if (copy_from_user(&uc, &frame->uc, sizeof(uc)))
		goto bad;
	set_blocked(uc.uc_sigmask);
	read_sigcontext(regs, &uc.uc_mcontext);
	if (!(uc.uc_flags & UC_STRICT_RESTORE_SS) && regs->cs == GDT_USER_CS)
		force_valid_ss(regs);
	if (restore_fpstate(uc.uc_mcontext.fpstate))
		goto bad;
	set_altstack(current, &uc.uc_stack, regs->rsp); /* a bad one changes nothing */
	return (long)regs->rax;
bad:
	force_sigsegv(0);
	return 0;
}
