# Kernel and CD image. Every .c and .asm of the kernel's rooms becomes an object under $(BUILD)/obj.
#
#	kernel   $(BUILD)/pollux.elf, with symbols; qemu -kernel starts it too
#	iso      $(BUILD)/pollux.iso, a CD image that boots under BIOS and UEFI through GRUB
#
# KTEST=0 leaves the in-kernel tests out, all but their runner.

KTEST ?= 1

KERNEL_DIRS := boot kernel drivers net fs tests/kernel/$(if $(filter 0,$(KTEST)),ktest.c)
KERNEL_SRC  := $(sort $(shell find $(KERNEL_DIRS) -name '*.c' -o -name '*.asm'))
ifneq ($(SAN),1)
KERNEL_SRC  := $(filter-out kernel/debug/%,$(KERNEL_SRC))
endif
KERNEL_SRC  := $(filter-out kernel/vdso/user.c,$(KERNEL_SRC)) # runs in user mode
KERNEL_OBJ  := $(KERNEL_SRC:%=$(BUILD)/obj/%.o)

CLANG := $(findstring clang,$(CC))
LD      ?= ld
OBJCOPY ?= objcopy
NM      ?= nm

# Stacks are aligned to 8 bytes only: nothing in the kernel needs more, and it saves instructions.
KCFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-pie -fno-pic -mcmodel=kernel -mno-red-zone \
	-mgeneral-regs-only -fno-stack-protector -fno-omit-frame-pointer -fno-strict-aliasing \
	-fno-common -fno-asynchronous-unwind-tables -fcf-protection=none -fno-delete-null-pointer-checks \
	$(if $(CLANG),-mstack-alignment=8,-mpreferred-stack-boundary=3) \
	-Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wmissing-prototypes -Wvla \
	-Werror=implicit-function-declaration -I. $(LWIP_CFLAGS)

# The sanitizers of the checked build. Of the undefined-behaviour ones alignment is left out, because
# x86 has none to keep and string.c lives from that; null, because a member of a user's struct at NULL
# is no error before it is copied, and the address sanitizer sees who follows it; and the wrap of
# unsigned numbers, which is defined. The stack sanitizer needs room, so stacks are larger (KSTACK_SIZE).
ifeq ($(SAN),1)
ifneq ($(CLANG),)
$(error SAN=1 needs gcc)
endif
KCFLAGS += -DSAN
SAN_CFLAGS := -fsanitize=kernel-address -fasan-shadow-offset=0xdffffc0000000000 \
	--param asan-stack=1 --param asan-globals=1 --param asan-instrumentation-with-call-threshold=100000 \
	-fsanitize-address-use-after-scope \
	-fsanitize=shift,signed-integer-overflow,integer-divide-by-zero,bounds,object-size,bool,enum \
	-fsanitize=unreachable,return,vla-bound -Wno-array-bounds
# Files that touch what nobody may, or that a report needs: their arguments are checked by hand.
SAN_EXEMPT := $(wildcard kernel/debug/*.c) kernel/mm/slab.c kernel/lib/string.c kernel/lib/panic.c \
	kernel/lib/symbols.c
SAN_EXEMPT := $(filter-out kernel/debug/provoke.c,$(SAN_EXEMPT))
KNASMFLAGS := -DSAN
endif

# Other flags or another compiler: everything again.
KFLAGS_FILE := $(BUILD)/obj/.flags
KFLAGS_NOW  := $(CROSS)$(CC) $(KCFLAGS) $(SAN_CFLAGS) $(KNASMFLAGS)
ifneq ($(file <$(KFLAGS_FILE)),$(KFLAGS_NOW))
$(shell mkdir -p $(BUILD)/obj)
$(file >$(KFLAGS_FILE),$(KFLAGS_NOW))
endif

$(BUILD)/obj/%.c.o: %.c $(KFLAGS_FILE)
	@mkdir -p $(@D)
	$(Q)$(CROSS)$(CC) $(KCFLAGS) $(if $(filter $<,$(SAN_EXEMPT)),,$(SAN_CFLAGS)) -MMD -MP -c $< -o $@

# nasm does not name the files that %include brings in.
$(BUILD)/obj/%.asm.o: %.asm $(wildcard kernel/cpu/*.inc) $(KFLAGS_FILE)
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -g -F dwarf $(KNASMFLAGS) -I. -I$(BUILD)/obj/ -MD $(@:.o=.d) -MP $< -o $@

-include $(KERNEL_OBJ:.o=.d)

# The vDSO: a shared object, whose bytes kernel/vdso/image.asm includes.
VDSO := $(BUILD)/obj/kernel/vdso/vdso.so
VDSO_CFLAGS := -std=gnu11 -O2 -g -fPIC -ffreestanding -fno-stack-protector -fvisibility=hidden \
	-mgeneral-regs-only -fcf-protection=none -fasynchronous-unwind-tables -Wall -Wextra -I.
VDSO_LDFLAGS := -shared -T kernel/vdso/vdso.lds -soname linux-vdso.so.1 -Bsymbolic --hash-style=both \
	--eh-frame-hdr --build-id=none -z max-page-size=4096 -z noexecstack --no-undefined

$(BUILD)/obj/kernel/vdso/user.o: kernel/vdso/user.c $(KFLAGS_FILE)
	@mkdir -p $(@D)
	$(Q)$(CROSS)$(CC) $(VDSO_CFLAGS) $(WERROR) -MMD -MP -c $< -o $@

$(VDSO): $(BUILD)/obj/kernel/vdso/user.o kernel/vdso/vdso.lds
	$(Q)$(CROSS)$(LD) $(VDSO_LDFLAGS) $< -o $@.debug
	$(Q)$(CROSS)$(OBJCOPY) --strip-all $@.debug $@

$(BUILD)/obj/kernel/vdso/image.asm.o: $(VDSO)

-include $(BUILD)/obj/kernel/vdso/user.d

# Linked twice: the table of symbols comes from the first link (kernel/lib/symbols.c).
KERNEL_LDFLAGS := -T boot/kernel.ld -nostdlib -static --no-dynamic-linker -z noexecstack \
	-z max-page-size=4096 --build-id=none
KERNEL_LIST := $(BUILD)/obj/.objects
ifneq ($(file <$(KERNEL_LIST)),$(KERNEL_OBJ))
$(file >$(KERNEL_LIST),$(KERNEL_OBJ))
endif

$(BUILD)/obj/pass1.elf: $(KERNEL_OBJ) $(LWIP_OBJ) $(KERNEL_LIST) boot/kernel.ld
	$(Q)$(CROSS)$(LD) $(KERNEL_LDFLAGS) $(KERNEL_OBJ) $(LWIP_OBJ) -o $@

$(BUILD)/obj/symbols.asm: $(BUILD)/obj/pass1.elf boot/symbols.awk
	$(Q)$(CROSS)$(NM) -n $< | awk -f boot/symbols.awk > $@

$(BUILD)/obj/symbols.o: $(BUILD)/obj/symbols.asm
	$(Q)$(NASM) -f elf64 $< -o $@

$(BUILD)/pollux.elf: $(BUILD)/obj/pass1.elf $(BUILD)/obj/symbols.o
	$(Q)$(CROSS)$(LD) $(KERNEL_LDFLAGS) $(KERNEL_OBJ) $(LWIP_OBJ) $(BUILD)/obj/symbols.o -o $@

# GRUB reads the kernel through the firmware, so it gets a copy without symbols, and few modules: those
# that grub.cfg uses, and all kinds of partitions, which its start looks for one after the other.
# That an image has none of them costs it a third of a second of error messages.
GRUB_MKRESCUE ?= grub-mkrescue
GRUB_MODULES  := normal multiboot2 serial terminal iso9660 $(addprefix part_,msdos gpt acorn amiga \
		 apple bsd dfly dvh plan sun sunpc)
INITRAMFS     := $(BUILD)/initramfs.cpio

$(BUILD)/iso/boot/pollux.elf: $(BUILD)/pollux.elf
	@mkdir -p $(@D)
	$(Q)$(CROSS)$(OBJCOPY) --strip-all $< $@

$(BUILD)/iso/boot/initramfs.cpio: $(INITRAMFS)
	@mkdir -p $(@D)
	$(Q)cp $< $@

# The kernel's command line is part of the image; rewritten only when it changes.
export APPEND
$(BUILD)/iso/boot/grub/grub.cfg: boot/grub.cfg FORCE
	@mkdir -p $(@D)
	@awk '/multiboot2/ { $$0 = $$0 " " ENVIRON["APPEND"] } 1' $< >$(BUILD)/grub.cfg.new
	@cmp -s $(BUILD)/grub.cfg.new $@ || cp $(BUILD)/grub.cfg.new $@

$(BUILD)/pollux.iso: boot/build.mk $(addprefix $(BUILD)/iso/boot/,pollux.elf initramfs.cpio grub/grub.cfg)
	$(Q)$(GRUB_MKRESCUE) --fonts= --locales= --themes= --install-modules="$(GRUB_MODULES)" \
		-o $@ $(BUILD)/iso >$(BUILD)/grub-mkrescue.log 2>&1 || \
		{ cat $(BUILD)/grub-mkrescue.log; rm -f $@; exit 1; }

.PHONY: all kernel iso
all: kernel iso
kernel: $(BUILD)/pollux.elf
iso: $(BUILD)/pollux.iso
