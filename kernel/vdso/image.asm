; The vDSO's bytes, as the linker made them (boot/build.mk).
section .rodata

global vdso_image
global vdso_image_end

align 8
vdso_image:
	incbin "kernel/vdso/vdso.so"
vdso_image_end:
