/*
 * The registers of a tracee as a debugger knows them: struct user_regs_struct, which is pt_regs and a little
 * more (NT_PRSTATUS), and the vector state in the forms of FXSAVE (NT_PRFPREG) and XSAVE
 * (NT_X86_XSTATE). <sys/user.h>, <elf.h>.
 *
 * What comes in is no more trusted than what rt_sigreturn(2) reads: of the flags only a program's own are
 * taken, selectors have privilege 3 (the rest is looked at where they are loaded), and so is the vector
 * state. There are no debug registers: they read as 0.
 *
 * The tracee is frozen: nothing needs a lock.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/fpu.h"
#include "kernel/exec/process.h"
#include "kernel/lib/iov.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/uaccess.h"

/* Words of struct user, of which the first are user_regs_struct. */
enum {
	REG_CS = offsetof(struct pt_regs, cs) / 8,
	REG_EFLAGS = offsetof(struct pt_regs, eflags) / 8,
	REG_SS = offsetof(struct pt_regs, ss) / 8,
	REG_FS_BASE = sizeof(struct pt_regs) / 8,
	REG_GS_BASE,
	REG_DS,
	REG_ES,
	REG_FS,
	REG_GS,
	NR_REGS,
	USER_DEBUGREG = 848 / 8, /* eight */
	USER_WORDS = 928 / 8,
};

static u64 get_reg(struct task *t, u64 n)
{
	switch (n) {
	case REG_FS_BASE:
		return t->fs_base;
	case REG_GS_BASE:
		return t->gs_base;
	case REG_DS:
		return t->selectors.ds;
	case REG_ES:
		return t->selectors.es;
	case REG_FS:
		return t->selectors.fs;
	case REG_GS:
		return t->selectors.gs;
	default:
		return ((const u64 *)task_pt_regs(t))[n];
	}
}

void ptrace_wait_off_cpu(struct task *t)
{
	/* Pairs with the release in finish_switch(). */
	while (smp_load_acquire(&t->on_cpu))
		cpu_relax();
}

static int put_base(struct task *t, u64 *base, u64 value)
{
	if (value >= USER_TOP)
		return -EIO;
	if (value == *base)
		return 0;
	ptrace_wait_off_cpu(t);
	*base = value;
	return 0;
}

/* One that the tables do not have is taken for none when it is loaded. */
static int put_selector(struct task *t, u16 *selector, u64 value)
{
	if (value == *selector)
		return 0;
	if (value > 0xffff || (value && (value & 3) != 3))
		return -EIO;
	ptrace_wait_off_cpu(t);
	*selector = (u16)value;
	return 0;
}

/* 0, or -EIO: that cannot be in this register. */
static int put_reg(struct task *t, u64 n, u64 value)
{
	u64 *reg = (u64 *)task_pt_regs(t) + n;

	switch (n) {
	case REG_FS_BASE:
		return put_base(t, &t->fs_base, value);
	case REG_GS_BASE:
		return put_base(t, &t->gs_base, value);
	case REG_DS:
		return put_selector(t, &t->selectors.ds, value);
	case REG_ES:
		return put_selector(t, &t->selectors.es, value);
	case REG_FS:
		return put_selector(t, &t->selectors.fs, value);
	case REG_GS:
		return put_selector(t, &t->selectors.gs, value);
	case REG_CS:
	case REG_SS:
		if (value > 0xffff || (value & 3) != 3)
			return -EIO;
		*reg = value;
		return 0;
	case REG_EFLAGS:
		*reg = (*reg & ~USER_EFLAGS) | (value & USER_EFLAGS);
		return 0;
	default:
		*reg = value;
		return 0;
	}
}

int ptrace_peek_user(struct task *t, u64 offset, u64 *value)
{
	if (offset % 8 || offset / 8 >= USER_WORDS)
		return -EIO;
	*value = offset / 8 < NR_REGS ? get_reg(t, offset / 8) : 0;
	return 0;
}

int ptrace_poke_user(struct task *t, u64 offset, u64 value)
{
	if (offset % 8 || offset / 8 >= USER_WORDS)
		return -EIO;
	if (offset / 8 < NR_REGS)
		return put_reg(t, offset / 8, value);
	return offset / 8 - USER_DEBUGREG < 8 && !value ? 0 : -EIO;
}

/* ---- sets ---- */

static int general_regs(struct task *t, struct iovec *v, bool set)
{
	u64 __user *user = v->iov_base;
	u64 value;
	int err;

	v->iov_len = min(v->iov_len, NR_REGS * sizeof(u64));
	for (u64 n = 0; n < v->iov_len / 8; n++, user++) {
		if (!set) {
			if (put_user(get_reg(t, n), user))
				return -EFAULT;
			continue;
		}
		if (get_user(value, user))
			return -EFAULT;
		err = put_reg(t, n, value);
		if (err)
			return err;
	}
	return 0;
}

/* The first @size bytes of the vector state. */
static int vector_regs(struct task *t, struct iovec *v, u32 size, bool set)
{
	u64 __user *features = (u64 __user *)((char __user *)v->iov_base + FXSAVE_SW_BYTES);

	v->iov_len = min(v->iov_len, (size_t)size);
	fpu_fill_in_legacy(t->fpu);
	if (set)
		return copy_from_user(t->fpu, v->iov_base, v->iov_len) ? -EFAULT : 0;
	if (copy_to_user(v->iov_base, t->fpu, v->iov_len))
		return -EFAULT;
	/* Debuggers look here which parts there can be. */
	return size > FXSAVE_SIZE && v->iov_len > FXSAVE_SW_BYTES &&
			       put_user(fpu_features, features)
		       ? -EFAULT
		       : 0;
}

int ptrace_regset(struct task *t, u64 type, struct iovec *v, bool set)
{
	if (v->iov_len % 8)
		return -EINVAL;
	switch (type) {
	case NT_PRSTATUS:
		return general_regs(t, v, set);
	case NT_PRFPREG:
		return vector_regs(t, v, FXSAVE_SIZE, set);
	case NT_X86_XSTATE:
		return fpu_features ? vector_regs(t, v, fpu_area_size, set) : -ENODEV;
	default:
		return -EINVAL;
	}
}
