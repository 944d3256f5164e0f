; The context switch. A task that is not running is a kernel stack whose top holds the six registers
; that the C calling convention lets a function keep (System V ABI, "callee-saved") and a return
; address; everything else was saved by the compiler before the call.

%include "kernel/cpu/asm_offsets.inc"

bits 64
default rel
section .text

extern schedule_tail
extern kthread_return
extern ret_to_user

; struct task *__switch_to(struct task *prev, struct task *next)
; Interrupts off. Returns on the stack of next, with prev in rax: the value of the call that next
; once made (or schedule_tail's argument for a new task).
global __switch_to
__switch_to:
	push	rbp
	push	rbx
	push	r12
	push	r13
	push	r14
	push	r15
	mov	[rdi + TASK_RSP], rsp
	mov	rsp, [rsi + TASK_RSP]
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbx
	pop	rbp
	mov	rax, rdi
	ret

; Where a new task's first switch returns to: its stack was made by task_alloc(). rax = the task
; before. A kernel thread runs its function; what has an address space then goes to user mode.
global ret_from_fork
ret_from_fork:
	xor	ebp, ebp		; the end of the frame chain
	mov	rdi, rax
	call	schedule_tail
	call	kthread_return
	jmp	ret_to_user
