; Where every CPU but the first comes to life. A startup interrupt (SIPI) carries the number of a
; page below 1 MiB, and the CPU begins at the start of that page, in real mode, with cs = page * 256
; (Intel SDM volume 3, 8.4.4). kernel/cpu/smp.c copies what is between trampoline_start and
; trampoline_end to such a page, fills in the arguments at trampoline_args, and makes page tables
; that map the page at its own address, read-only, and the kernel where it always is.
;
; The way is short because long mode can be entered from real mode in one step: with PAE, CR3 and LME
; ready, protection and paging are switched on by the same write to CR0 (Intel SDM volume 3, 9.8.5).
;
; The copy lies where chance wills. Real mode finds the arguments through ds = cs; the two addresses
; that must be linear ones, of the GDT and of the far jump, are among the arguments.

CR0_PE equ 1 << 0
CR0_MP equ 1 << 1
CR0_NE equ 1 << 5
CR0_WP equ 1 << 16
CR0_PG equ 1 << 31
CR4_PAE equ 1 << 5
MSR_EFER equ 0xc0000080
EFER_LME equ 1 << 8
EFER_NXE equ 1 << 11
MSR_GS_BASE equ 0xc0000101

global trampoline_start
global trampoline_end
global trampoline_args
global trampoline_gdt
global trampoline_long_mode

%define IN_COPY(label) ((label) - trampoline_start)

section .boot.rodata progbits alloc noexec nowrite align=16
bits 16

trampoline_start:
	cli
	cld
	mov	ax, cs
	mov	ds, ax
	o32 lgdt [IN_COPY(args.gdt_limit)]
	mov	eax, CR4_PAE
	mov	cr4, eax
	mov	eax, [IN_COPY(args.cr3)]
	mov	cr3, eax
	mov	ecx, MSR_EFER
	mov	eax, EFER_LME | EFER_NXE
	xor	edx, edx
	wrmsr
	; Caches on, too: INIT leaves CD and NW set.
	mov	eax, CR0_PE | CR0_MP | CR0_NE | CR0_WP | CR0_PG
	mov	cr0, eax
	jmp	dword far [IN_COPY(args.far_offset)]

bits 64
; From here on everything is found relative to rip.
trampoline_long_mode:
	mov	eax, 0x10
	mov	ds, eax
	mov	es, eax
	mov	ss, eax
	xor	eax, eax
	mov	fs, eax
	mov	gs, eax
	mov	ecx, MSR_GS_BASE
	mov	eax, [rel args.gs_base]
	mov	edx, [rel args.gs_base + 4]
	wrmsr
	mov	rsp, [rel args.rsp]
	; A null return address and frame pointer end every backtrace.
	xor	ebp, ebp
	push	rbp
	jmp	[rel args.entry]

align 8
trampoline_gdt:
	dq	0
	dq	0x00af9b000000ffff	; 0x08: 64-bit code, accessed
	dq	0x00cf93000000ffff	; 0x10: data, accessed

; struct trampoline_args in kernel/cpu/smp.c
align 8
trampoline_args:
args:
.gs_base:	dq 0
.rsp:		dq 0
.entry:		dq 0
.cr3:		dd 0
.far_offset:	dd 0
.far_selector:	dw 0x08
.gdt_limit:	dw 3 * 8 - 1
.gdt_base:	dd 0
trampoline_end:
