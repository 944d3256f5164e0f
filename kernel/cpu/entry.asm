; The doors of the kernel: system calls, traps, interrupts, and the way back.
;
; Every entry builds a whole struct pt_regs. From user mode it lies at the very top of the task's
; kernel stack: system calls load that stack themselves, traps get it from TSS.rsp0, and both words
; are set by set_kernel_stack(). The stack pointer is a multiple of 8, not of 16, at calls: the
; kernel is compiled for that.
;
; gs. In user mode the gs base is the user's and the kernel's waits in MSR_KERNEL_GS_BASE; swapgs
; exchanges them, once on the way in from user mode and once on the way out. NMI, machine check and
; double fault may come between the kernel's first instruction and its swapgs, so they cannot tell
; from cs; nor from the base, for the user's may be any value. Their stacks hold the right base in the
; word above pt_regs (kernel/cpu/desc.c). A debug exception does not come there: SYSCALL clears TF,
; and no debug register is ever set.
;
; Flags. Each entry runs with DF, NT, TF and AC clear, whatever the user had: AC set would open
; the SMAP gate. System calls have MSR_SYSCALL_MASK for it, the others load the flags afresh.
;
; rbp keeps the user's value on the way in. It would be the outermost frame pointer, but backtraces
; do not follow one that is no kernel address (kernel/lib/panic.c).
;
; Cost. A system call spends 45 instructions here, of which 21 are the pushes of pt_regs and 9 the
; loads on the way back.

%include "kernel/cpu/asm_offsets.inc"

extern current_task
extern cpu_kernel_stack
extern cpu_syscall_limit
extern cpu_user_rsp
extern espfix_frame
extern syscall_table
extern do_syscall
extern do_trap
extern do_paranoid_trap
extern do_irq
extern exit_to_user_work

global syscall_entry
global syscall_entry32
global syscall_whole_frame
global ret_to_user
global trap_stubs

section .entry.text progbits alloc exec nowrite align=16
bits 64

; Saves what follows rdi in struct pt_regs, below it.
%macro PUSH_REST 0
	push	rsi
	push	rdx
	push	rcx
	push	rax
	push	r8
	push	r9
	push	r10
	push	r11
	push	rbx
	push	rbp
	push	r12
	push	r13
	push	r14
	push	r15
%endmacro

; Loads every general register, and leaves rsp at the frame that iretq wants.
%macro POP_ALL 0
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbp
	pop	rbx
	pop	r11
	pop	r10
	pop	r9
	pop	r8
	pop	rax
	pop	rcx
	pop	rdx
	pop	rsi
	pop	rdi
	add	rsp, 8
%endmacro

; SYSCALL from user mode (Intel SDM volume 2, SYSCALL). Interrupts are off by MSR_SYSCALL_MASK.
; in:   rax = number, rdi rsi rdx r10 r8 r9 = arguments, rcx = user rip, r11 = user rflags,
;       rsp = the user's, gs = the user's
; out:  rax = value; rcx and r11 as SYSRET leaves them; every other register unchanged
;
; The common way calls the C function straight from the table, with the arguments where they are,
; and returns by SYSRET without looking at the frame's rip: it is the one that SYSCALL gave. That is
; canonical, because user memory ends a page below the hole in the address space, and so SYSRET
; cannot fault in kernel mode. Whatever rewrites the frame goes another way: signal delivery is
; work, and execve and sigreturn stand in the table as syscall_whole_frame.
align 16
syscall_entry:
	swapgs
	mov	[gs:cpu_user_rsp], rsp
	mov	rsp, [gs:cpu_kernel_stack]
	push	qword GDT_USER_DS
	push	qword [gs:cpu_user_rsp]
	push	r11
	push	qword GDT_USER_CS
	push	rcx
	push	rax
	push	rdi
	PUSH_REST
	sti
	mov	rcx, r10
	mov	eax, eax
	cmp	eax, [gs:cpu_syscall_limit]
	jae	syscall_whole_frame.jumped
	call	[syscall_table + rax * 8]
	cli
	mov	rcx, [gs:current_task]
	cmp	dword [rcx + TASK_WORK], 0
	jne	.work
	mov	r10, [rsp + PT_R10]
	mov	r9, [rsp + PT_R9]
	mov	r8, [rsp + PT_R8]
	mov	rdx, [rsp + PT_RDX]
	mov	rsi, [rsp + PT_RSI]
	mov	rdi, [rsp + PT_RDI]
	mov	rcx, [rsp + PT_RIP]
	mov	r11, [rsp + PT_EFLAGS]
	; rbx, rbp and r12-r15 are as they were: C functions preserve them.
	mov	rsp, [rsp + PT_RSP]
	swapgs
	o64 sysret
.work:
	mov	[rsp + PT_RAX], rax
	jmp	ret_to_user

; SYSCALL from code of 16 or 32 bits: it has no system calls. On the user's stack, with his gs.
; in:  ecx = user eip, r11 = user rflags
align 16
syscall_entry32:
	mov	eax, -ENOSYS
	sysret

; Stands in syscall_table for a call that needs or changes the whole frame, for one that strace=1 shows
; and for one that is missing; a traced task comes to .jumped with every call. do_syscall() finds the
; function by pt_regs.orig_rax.
; in:  rsp = return address in syscall_entry (not wanted), pt_regs above it
align 16
syscall_whole_frame:
	add	rsp, 8
.jumped:
	mov	rdi, rsp
	call	do_syscall
	; falls through

; The last thing before user mode, whatever led into the kernel; a new task's first.
; in:  rsp = struct pt_regs of user mode; interrupts on or off
;
; Everything in pt_regs may be of the user's making, but that cs has privilege 3. So iretq may fault,
; with the user's gs loaded; trap_common knows the place.
align 16
ret_to_user:
	cli
	mov	rax, [gs:current_task]
	cmp	dword [rax + TASK_WORK], 0
	jne	.work
	test	byte [rsp + PT_SS], SELECTOR_LDT
	jnz	.ldt_stack
	POP_ALL
	swapgs
.iret:
	iretq
.work:
	mov	rdi, rsp
	call	exit_to_user_work
	jmp	ret_to_user
; The stack segment may be one of 16 bits: from a stack that has the user's bits 16 to 31 (ldt.c).
.ldt_stack:
	mov	rax, [gs:espfix_frame]
%assign i 0
%rep 5
	mov	rcx, [rsp + PT_RIP + i]
	mov	[rax + i], rcx
%assign i i + 8
%endrep
	mov	ecx, [rsp + PT_RSP]
	and	ecx, 0xffff0000
	or	rax, rcx
	mov	[rsp + PT_ORIG_RAX], rax
	POP_ALL
	mov	rsp, [rsp + PT_ORIG_RAX - PT_RIP]
	swapgs
	jmp	.iret

; Traps.
; in:  the CPU's frame, an error code or 0, the interrupted rdi on the stack; edi = vector
align 16
trap_common:
	PUSH_REST
	push	2
	popfq
	test	byte [rsp + PT_CS], 3
	jz	.kernel
	swapgs
	call	.handle
	jmp	ret_to_user
.kernel:
	lea	rax, [rel ret_to_user.iret]
	cmp	[rsp + PT_RIP], rax
	je	.bad_iret
	call	.handle
	POP_ALL
	iretq
; The way to user mode: as if the program itself had trapped, with the registers that it would have had.
; The frame for iretq and the registers move to the top of the task's stack, where the frame may be
; already and the registers then are just below: what is written here has been read before.
.bad_iret:
	swapgs
	mov	rbx, [rsp + PT_RSP]
	mov	rbp, rsp
	mov	rsp, [gs:cpu_kernel_stack]
%assign i PT_SIZE - 8
%rep 5
	push	qword [rbx + i - PT_RIP]
%assign i i - 8
%endrep
%rep 16
	push	qword [rbp + i]
%assign i i - 8
%endrep
	call	.handle
	jmp	ret_to_user
; do_trap(regs, vector, error code); the frame's error code becomes orig_rax = -1.
.handle:
	mov	esi, edi
	lea	rdi, [rsp + 8]
	mov	rdx, [rdi + PT_ORIG_RAX]
	mov	qword [rdi + PT_ORIG_RAX], -1
	jmp	do_trap

; Device and inter-processor interrupts; the same contract, with orig_rax = -1.
align 16
irq_common:
	PUSH_REST
	push	2
	popfq
	test	byte [rsp + PT_CS], 3
	jz	.kernel
	swapgs
	mov	esi, edi
	mov	rdi, rsp
	call	do_irq
	jmp	ret_to_user
.kernel:
	mov	esi, edi
	mov	rdi, rsp
	call	do_irq
	POP_ALL
	iretq

; NMI, double fault, machine check: on a stack of their own, with the right gs base above pt_regs.
; The base that was there is put back, whichever it was.
align 16
paranoid_common:
	PUSH_REST
	push	2
	popfq
	mov	ebx, edi
	mov	ecx, MSR_GS_BASE
	rdmsr
	mov	r12d, eax
	mov	r13d, edx
	mov	eax, [rsp + PT_SIZE]
	mov	edx, [rsp + PT_SIZE + 4]
	wrmsr
	mov	rdi, rsp
	mov	esi, ebx
	mov	rdx, [rsp + PT_ORIG_RAX]
	call	do_paranoid_trap
	mov	ecx, MSR_GS_BASE
	mov	eax, r12d
	mov	edx, r13d
	wrmsr
	POP_ALL
	iretq

; Vector 0xff is the local APIC's way of saying that an interrupt has gone away: not even an end
; of interrupt is due (Intel SDM volume 3, 11.9).
align 16
spurious:
	iretq

; One stub of 16 bytes for each vector, in order; kernel/cpu/desc.c points the IDT at them. Vectors
; 8, 10-14, 17 and 21 come with an error code (Intel SDM volume 3, table 6-1).
align 16
trap_stubs:
%assign vector 0
%rep 256
	align 16
%if vector == VECTOR_SPURIOUS
	jmp	spurious
%elif vector >= VECTOR_DEVICE_FIRST
	push	-1
	push	rdi
	mov	edi, vector
	jmp	irq_common
%elif vector == 8
	push	rdi
	mov	edi, vector
	jmp	paranoid_common
%elif vector == 2 || vector == 18
	push	0
	push	rdi
	mov	edi, vector
	jmp	paranoid_common
%elif (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
	push	rdi
	mov	edi, vector
	jmp	trap_common
%else
	push	0
	push	rdi
	mov	edi, vector
	jmp	trap_common
%endif
%assign vector vector + 1
%endrep
