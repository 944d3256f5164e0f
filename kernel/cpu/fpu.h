/*
 * The FPU and vector registers of user programs. The kernel itself never uses them. They are saved
 * when a task that has used them leaves the CPU, and restored on its way back to user mode only if
 * somebody else has used the registers meanwhile.
 */
#pragma once

#include "kernel/lib/types.h"

struct task;
struct fpu {
	u8 area[0] __aligned(64); /* xsave or fxsave format */
};

#define FXSAVE_SIZE     512 /* what both formats begin with */
#define FXSAVE_SW_BYTES 464 /* from there on it is software's */

extern u32 fpu_area_size; /* bytes */
extern u64 fpu_features;  /* XCR0, 0 with fxsave only */

void fpu_init_cpu(void);
/* An area with the registers' initial values (FCW 0x37f, MXCSR 0x1f80); NULL without memory. */
struct fpu *fpu_alloc(void);
void fpu_free(struct fpu *f);
/* Brings the current task's area up to date with the registers, e.g. before copying it for fork
 * or for a signal frame. */
void fpu_sync_current(void);
/* The current task's area was changed (exec, sigreturn): the registers are stale. */
void fpu_reload_current(void);
/* Writes out what XSAVEOPT has left out of the two oldest parts, for somebody who looks at them. */
void fpu_fill_in_legacy(struct fpu *f);
/* Context switch, interrupts off. */
void fpu_switch_out(struct task *prev);
void fpu_switch_in(struct task *next);
/* exit_to_user_work() calls it when WORK_FPU is set. Interrupts off. */
void fpu_restore_for_user(void);
