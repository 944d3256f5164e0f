; Moves between kernel and user memory. Every instruction that touches user memory has an entry in
; __ex_table, so a fault that cannot be repaired goes on at its fix-up.
;
; Copies run in blocks of 64 bytes, then words, then the odd end; rdi, rsi and rdx advance only
; after a whole step. A fault in a step therefore falls back to a loop over single bytes from where
; the step began: it copies what can be copied, and its own fault leaves the exact rest in rdx.
;
; No rep prefix: an emulator counts and runs each of its steps.
; Cost: 20 instructions a 64-byte block, about 15 around it.

bits 64

; The SMAP gate: no-ops until uaccess_init() puts stac and clac there.
%macro STAC 0
%%site:
	db	0x0f, 0x1f, 0x00
[section stac_sites progbits alloc noexec nowrite align=8]
	dq	%%site
__?SECT?__
%endmacro

%macro CLAC 0
%%site:
	db	0x0f, 0x1f, 0x00
[section clac_sites progbits alloc noexec nowrite align=8]
	dq	%%site
__?SECT?__
%endmacro

; USER fixup, instruction: the instruction may fault.
%macro USER 2+
%%insn:
	%2
[section __ex_table progbits alloc noexec nowrite align=8]
	dq	%%insn, %1
__?SECT?__
%endmacro

global copy_user_asm
global clear_user_asm
global strncpy_user_asm
global cmpxchg_user_asm

section .text

; in:  rdi = to, rsi = from, rdx = bytes; one of the two is user memory
; out: rax = bytes not copied; rcx, rdx, rsi, rdi, r8-r11 lost
align 16
copy_user_asm:
	STAC
	mov	rcx, rdx
	shr	rcx, 6
	jz	.words
.block:
	USER	.bytes, mov	r8, [rsi]
	USER	.bytes, mov	r9, [rsi + 8]
	USER	.bytes, mov	r10, [rsi + 16]
	USER	.bytes, mov	r11, [rsi + 24]
	USER	.bytes, mov	[rdi], r8
	USER	.bytes, mov	[rdi + 8], r9
	USER	.bytes, mov	[rdi + 16], r10
	USER	.bytes, mov	[rdi + 24], r11
	USER	.bytes, mov	r8, [rsi + 32]
	USER	.bytes, mov	r9, [rsi + 40]
	USER	.bytes, mov	r10, [rsi + 48]
	USER	.bytes, mov	r11, [rsi + 56]
	USER	.bytes, mov	[rdi + 32], r8
	USER	.bytes, mov	[rdi + 40], r9
	USER	.bytes, mov	[rdi + 48], r10
	USER	.bytes, mov	[rdi + 56], r11
	add	rsi, 64
	add	rdi, 64
	sub	rdx, 64
	dec	rcx
	jnz	.block
.words:
	mov	ecx, edx		; fewer than 64
	shr	ecx, 3
	jz	.tail
.word:
	USER	.bytes, mov	r8, [rsi]
	USER	.bytes, mov	[rdi], r8
	add	rsi, 8
	add	rdi, 8
	sub	rdx, 8
	dec	ecx
	jnz	.word
.tail:
	test	edx, edx
	jz	.done
	test	dl, 4
	jz	.two
	USER	.bytes, mov	r8d, [rsi]
	USER	.bytes, mov	[rdi], r8d
	add	rsi, 4
	add	rdi, 4
	sub	rdx, 4
.two:
	test	dl, 2
	jz	.one
	USER	.bytes, movzx	r8d, word [rsi]
	USER	.bytes, mov	[rdi], r8w
	add	rsi, 2
	add	rdi, 2
	sub	rdx, 2
.one:
	test	dl, 1
	jz	.done
	USER	.done, movzx	r8d, byte [rsi]
	USER	.done, mov	[rdi], r8b
	dec	rdx
.done:
	CLAC
	mov	rax, rdx
	ret
.bytes:
	USER	.done, movzx	r8d, byte [rsi]
	USER	.done, mov	[rdi], r8b
	inc	rsi
	inc	rdi
	dec	rdx
	jnz	.bytes
	jmp	.done

; in:  rdi = user memory, rsi = bytes
; out: rax = bytes not cleared; rcx, rsi, rdi lost
align 16
clear_user_asm:
	STAC
	xor	eax, eax
	mov	rcx, rsi
	shr	rcx, 6
	jz	.words
.block:
	USER	.bytes, mov	[rdi], rax
	USER	.bytes, mov	[rdi + 8], rax
	USER	.bytes, mov	[rdi + 16], rax
	USER	.bytes, mov	[rdi + 24], rax
	USER	.bytes, mov	[rdi + 32], rax
	USER	.bytes, mov	[rdi + 40], rax
	USER	.bytes, mov	[rdi + 48], rax
	USER	.bytes, mov	[rdi + 56], rax
	add	rdi, 64
	sub	rsi, 64
	dec	rcx
	jnz	.block
.words:
	mov	ecx, esi
	shr	ecx, 3
	jz	.tail
.word:
	USER	.bytes, mov	[rdi], rax
	add	rdi, 8
	sub	rsi, 8
	dec	ecx
	jnz	.word
.tail:
	test	rsi, rsi
	jz	.done
.bytes:
	USER	.done, mov	[rdi], al
	inc	rdi
	dec	rsi
	jnz	.bytes
.done:
	CLAC
	mov	rax, rsi
	ret

; in:  rdi = to, rsi = user string, rdx = most bytes to copy
; out: rax = length without NUL, rdx if there was none, -EFAULT; rcx lost
align 16
strncpy_user_asm:
	STAC
	xor	eax, eax
	test	rdx, rdx
	jz	.done
.byte:
	USER	.fault, movzx	ecx, byte [rsi + rax]
	mov	[rdi + rax], cl
	test	ecx, ecx
	jz	.done
	inc	rax
	cmp	rax, rdx
	jne	.byte
.done:
	CLAC
	ret
.fault:
	CLAC
	mov	rax, -14
	ret

; in:  rdi = user word, rsi = u32 *old (kernel), edx = new
; out: rax = 0, *old is what was there; -EFAULT
align 16
cmpxchg_user_asm:
	STAC
	mov	eax, [rsi]
	USER	.fault, lock cmpxchg [rdi], edx
	CLAC
	mov	[rsi], eax
	xor	eax, eax
	ret
.fault:
	CLAC
	mov	rax, -14
	ret
