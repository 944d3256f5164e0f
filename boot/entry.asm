; From the boot loader to C. Two fronts lead in, both in 32-bit protected mode without paging:
;
;	multiboot_entry  GRUB, Multiboot2 specification 3.1 ("I386 machine state"): eax holds a
;	                 magic number, ebx the physical address of the boot information
;	pvh_entry        qemu -kernel, through the Xen note below ("x86/HVM direct boot ABI"):
;	                 ebx holds the physical address of a start-info structure
;
; Both build the same early page tables, enter long mode, jump up to where the kernel is linked and
; call boot_main(), which makes one struct boot_info of either.
;
; The early tables map the first 4 GiB three times, with 2 MiB pages, readable, writable and
; executable: at 0 (for this code, until it has jumped), at PAGE_OFFSET (the direct map, so that
; physical memory can be read before mm_init()) and, the first 1 GiB only, at KERNEL_BASE.
; mm_init() replaces them by the final ones. Whoever loaded us has cleared .bss, as ELF asks for.

KERNEL_BASE equ 0xffffffff80000000
%define PHYS(sym) ((sym) - KERNEL_BASE)

MULTIBOOT2_HEADER_MAGIC equ 0xe85250d6
MULTIBOOT2_LOADER_MAGIC equ 0x36d76289
XEN_ELFNOTE_PHYS32_ENTRY equ 18

; enum boot_front in boot/boot_info.c
FRONT_MULTIBOOT2 equ 0
FRONT_PVH        equ 1

PTE_PRESENT equ 1 << 0
PTE_WRITE   equ 1 << 1
PTE_HUGE    equ 1 << 7

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

CPUID_EXT_LM equ 1 << 29	; leaf 0x80000001, edx
CPUID_EXT_NX equ 1 << 20

COM1 equ 0x3f8

global multiboot_entry
global boot_stack
global boot_stack_top
extern boot_main

section .multiboot progbits alloc noexec nowrite align=8
header:
	dd	MULTIBOOT2_HEADER_MAGIC
	dd	0			; architecture: 32-bit protected mode of i386
	dd	header_end - header
	dd	0x100000000 - (MULTIBOOT2_HEADER_MAGIC + (header_end - header))
	; Entry address: the ELF header's is a virtual one.
	align	8, db 0
	dw	3, 0
	dd	12
	dd	PHYS(multiboot_entry)
	; Modules on page boundaries, so that the initramfs can be used in place.
	align	8, db 0
	dw	6, 0
	dd	8
	; End.
	align	8, db 0
	dw	0, 0
	dd	8
header_end:

section .note.Xen note alloc noexec nowrite align=4
	dd	4			; length of the name
	dd	8			; length of the value
	dd	XEN_ELFNOTE_PHYS32_ENTRY
	db	"Xen", 0
	dq	PHYS(pvh_entry)

section .boot.text progbits alloc exec nowrite align=16
bits 32

; in:  eax = MULTIBOOT2_LOADER_MAGIC, ebx = boot information
multiboot_entry:
	cmp	eax, MULTIBOOT2_LOADER_MAGIC
	mov	esi, PHYS(msg_loader)
	jne	die
	mov	edi, FRONT_MULTIBOOT2
	jmp	start32

; in:  ebx = start info
pvh_entry:
	mov	edi, FRONT_PVH

; in:  edi = front, ebx = its data; both survive until boot_main() gets them
start32:
	cli
	cld
	mov	esp, PHYS(boot_stack_top)
	mov	ebp, ebx

	; Long mode and NX, or nothing.
	mov	eax, 0x80000000
	cpuid
	mov	esi, PHYS(msg_cpu)
	cmp	eax, 0x80000001
	jb	die
	mov	eax, 0x80000001
	cpuid
	and	edx, CPUID_EXT_LM | CPUID_EXT_NX
	cmp	edx, CPUID_EXT_LM | CPUID_EXT_NX
	jne	die

	; Four page directories of 512 entries: 4 GiB in steps of 2 MiB.
	mov	edx, PHYS(early_pd)
	mov	eax, PTE_PRESENT | PTE_WRITE | PTE_HUGE
	mov	ecx, 4 * 512
.fill:
	mov	[edx], eax
	add	edx, 8
	add	eax, 0x200000
	dec	ecx
	jnz	.fill

	mov	eax, PHYS(early_pd) + (PTE_PRESENT | PTE_WRITE)
	mov	[PHYS(early_pdpt_high) + 510 * 8], eax
	mov	edx, PHYS(early_pdpt_low)
	mov	ecx, 4
.directories:
	mov	[edx], eax
	add	edx, 8
	add	eax, 0x1000
	dec	ecx
	jnz	.directories

	mov	eax, PHYS(early_pdpt_low) + (PTE_PRESENT | PTE_WRITE)
	mov	[PHYS(early_pml4) + 0 * 8], eax
	mov	[PHYS(early_pml4) + 273 * 8], eax	; PAGE_OFFSET, bits 47-39
	mov	eax, PHYS(early_pdpt_high) + (PTE_PRESENT | PTE_WRITE)
	mov	[PHYS(early_pml4) + 511 * 8], eax
%ifdef SAN
	; The address sanitizer's shadow: one page, everywhere (kernel/debug/kasan_init.c).
	mov	edx, PHYS(kasan_shared_pt)
	mov	eax, PHYS(kasan_shared_page) + (PTE_PRESENT | PTE_WRITE)
	mov	ecx, 512
	call	fill_table
	mov	edx, PHYS(kasan_shared_pd)
	mov	eax, PHYS(kasan_shared_pt) + (PTE_PRESENT | PTE_WRITE)
	mov	ecx, 512
	call	fill_table
	mov	edx, PHYS(kasan_shared_pdpt)
	mov	eax, PHYS(kasan_shared_pd) + (PTE_PRESENT | PTE_WRITE)
	mov	ecx, 512
	call	fill_table
	mov	edx, PHYS(early_pml4) + 472 * 8		; SHADOW_START
	mov	eax, PHYS(kasan_shared_pdpt) + (PTE_PRESENT | PTE_WRITE)
	mov	ecx, 504 - 472				; SHADOW_END
	call	fill_table
%endif

	; Intel SDM volume 3, 9.8.5: PAE, page table, LME, paging, then a 64-bit code segment.
	mov	eax, CR4_PAE
	mov	cr4, eax
	mov	eax, PHYS(early_pml4)
	mov	cr3, eax
	mov	ecx, MSR_EFER
	rdmsr
	or	eax, EFER_LME | EFER_NXE
	wrmsr
	mov	eax, CR0_PE | CR0_MP | CR0_NE | CR0_WP | CR0_PG
	mov	cr0, eax
	lgdt	[PHYS(early_gdtr)]
	jmp	0x08:PHYS(start64_low)

%ifdef SAN
; in:  edx = first entry, eax = what each becomes, ecx = how many; ecx and edx lost
fill_table:
	mov	[edx], eax
	add	edx, 8
	dec	ecx
	jnz	fill_table
	ret
%endif

; Says why on the serial port and stops.
; in:  esi = message
die:
	mov	dx, COM1 + 5
.wait:
	in	al, dx
	test	al, 0x20
	jz	.wait
	lodsb
	test	al, al
	jz	.halt
	mov	dx, COM1
	out	dx, al
	jmp	die
.halt:
	cli
	hlt
	jmp	.halt

bits 64
start64_low:
	mov	rax, qword start64
	jmp	rax

; Now at the address the kernel is linked for.
start64:
	mov	eax, 0x10
	mov	ds, eax
	mov	es, eax
	mov	ss, eax
	xor	eax, eax
	mov	fs, eax
	mov	gs, eax
	; The boot CPU's per-CPU data is the section itself: distance 0.
	mov	ecx, MSR_GS_BASE
	xor	edx, edx
	wrmsr
	mov	rsp, qword boot_stack_top
	mov	esi, ebp
	; A null return address and frame pointer end every backtrace.
	xor	ebp, ebp
	push	rbp
	jmp	boot_main		; edi = front, rsi = physical address of its data

section .boot.rodata progbits alloc noexec nowrite align=8
early_gdt:
	dq	0
	dq	0x00af9b000000ffff	; 0x08: 64-bit code, accessed
	dq	0x00cf93000000ffff	; 0x10: data, accessed
early_gdtr:
	dw	early_gdtr - early_gdt - 1
	dq	PHYS(early_gdt)
msg_loader:
	db	"Pollux: this is a Multiboot2 kernel, and something else has started it.", 13, 10, 0
msg_cpu:
	db	"Pollux: this CPU has no long mode with execute-disable.", 13, 10, 0

section .bss nobits alloc noexec write align=4096
early_pml4:
	resb	4096
early_pdpt_low:
	resb	4096
early_pdpt_high:
	resb	4096
early_pd:
	resb	4 * 4096
%ifdef SAN
global kasan_shared_pdpt
global kasan_shared_pd
global kasan_shared_pt
global kasan_shared_page
kasan_shared_pdpt:
	resb	4096
kasan_shared_pd:
	resb	4096
kasan_shared_pt:
	resb	4096
kasan_shared_page:
	resb	4096
%endif
; The stack of the boot context, which becomes the idle task: KSTACK_SIZE bytes.
%ifdef SAN
BOOT_STACK_SIZE equ 32768
%else
BOOT_STACK_SIZE equ 16384
%endif
boot_stack:
	resb	BOOT_STACK_SIZE
boot_stack_top:
