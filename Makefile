# Pollux. `make run` and `make test` are all one needs; `make help` lists the rest.
#
# The parts: boot/build.mk (kernel and ISO), net/lwip/lwip.mk (lwIP's source), user/user.mk (programs
# and the initramfs), tests/tests.mk (tests and checks). This file starts the machine.

BUILD  ?= build
CC     ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CROSS  ?=
NASM   ?= nasm
Q      ?= @

PORT7  ?= 7007
PORT8  ?= 7008
MEM    ?= $(if $(strip $(APPS)),512M,256M)
CPUS   ?= 1
ACCEL  ?= tcg
FORWARD ?=
APPEND ?=
QEMU   ?= qemu-system-x86_64
GDB    ?= gdb
GDBPORT ?= 1234

# SAN=1: the checked build, with its objects in a folder of their own (kernel/debug/README.md).
SAN    ?= 0
ifeq ($(SAN),1)
ifneq ($(notdir $(BUILD)),san)
override BUILD := $(BUILD)/san
endif
endif

.DEFAULT_GOAL := all

include net/lwip/lwip.mk
include boot/build.mk
include user/user.mk
include tests/tests.mk

# The machine: Intel's 440FX with an 82540EM, and a processor that has SMEP and SMAP. The card's boot
# ROM is left out, it would only spend time. hostfwd connects ports of the host to ports of the guest.
QEMU_MACHINE = $(QEMU) -M pc -accel $(ACCEL) -cpu $(if $(filter kvm,$(ACCEL)),host,max) \
	-m $(MEM) -smp $(CPUS) -no-reboot
EMPTY :=
SPACE := $(EMPTY) $(EMPTY)
COMMA := ,
QEMU_FORWARD = $(foreach p,$(PORT7):7 $(PORT8):8 $(FORWARD),$(COMMA)hostfwd=tcp:127.0.0.1:$(subst :,-:,$p))
QEMU_NET = -device e1000,netdev=n0,romfile= -netdev \
	user,id=n0$(subst $(SPACE),,$(QEMU_FORWARD))
QEMU_ISO = -boot d -cdrom $(BUILD)/pollux.iso

# Installs first, then makes: a second make, so that nothing is built before its tools are there.
MAKE_ISO = +$(Q)CC='$(CROSS)$(CC)' tests/deps.sh $(1) && $(MAKE) --no-print-directory iso

.PHONY: run
run:
	$(call MAKE_ISO,run)
	@echo
	@echo '  In another terminal, once the prompt is there:'
	@echo '      nc 127.0.0.1 $(PORT7)      echo-epoll     (port 7 of the guest)'
	@echo '      nc 127.0.0.1 $(PORT8)      echo-blocking  (port 8 of the guest)'
	@echo '  Here: a shell. Ctrl-A X quits QEMU at any time.'
	@echo
	$(Q)exec $(QEMU_MACHINE) $(QEMU_NET) $(QEMU_ISO) -nographic

# QEMU waits in the background, its console goes to a file, gdb has the terminal. It goes with gdb;
# setsid keeps gdb's Ctrl-C away from it.
.PHONY: debug
debug:
	$(call MAKE_ISO,debug)
	@echo 'The console is in $(BUILD)/console.log (tail -f it). gdb: c continues, bt, info threads.'
	$(Q)setsid $(QEMU_MACHINE) $(QEMU_NET) $(QEMU_ISO) -display none -serial file:$(BUILD)/console.log \
		-S -gdb tcp:127.0.0.1:$(GDBPORT) & qemu=$$!; trap 'kill $$qemu 2>/dev/null' EXIT; \
	trap : INT; $(GDB) -q $(BUILD)/pollux.elf -ex 'set confirm off' -ex 'set pagination off' \
		-ex 'target remote 127.0.0.1:$(GDBPORT)' -ex 'hbreak kernel_main' $(GDBFLAGS)

.PHONY: pcap
pcap:
	$(call MAKE_ISO,run)
	@echo 'Every frame of the card goes to $(BUILD)/pollux.pcap (tcpdump -r, wireshark).'
	@echo 'nc 127.0.0.1 $(PORT7) reaches echo-epoll. Ctrl-A X quits.'
	$(Q)exec $(QEMU_MACHINE) $(QEMU_NET) $(QEMU_ISO) -nographic \
		-object filter-dump,id=dump,netdev=n0,file=$(BUILD)/pollux.pcap

# The road of one message through the I/O model of your choice, from the kernel's tracepoints.
MODEL ?= epoll
.PHONY: demo
demo:
	+$(Q)CC='$(CROSS)$(CC)' tests/deps.sh test && $(MAKE) --no-print-directory kernel user
	$(Q)/usr/bin/python3 -B tests/demo/demo.py $(MODEL)

.PHONY: deps
deps:
	$(Q)CC='$(CROSS)$(CC)' tests/deps.sh run

.PHONY: clean
clean:
	rm -rf $(BUILD)

.PHONY: help
help:
	@echo 'Targets:'
	@echo '  run      install what is missing, build, boot the ISO in QEMU; Ctrl-A X quits'
	@echo '  test     install what is missing, build, run every test'
	@echo '  debug    the machine halted at its first instruction, gdb attached'
	@echo '  pcap     as run, with a capture of the network card in $$BUILD/pollux.pcap'
	@echo '  demo     the road of one message, stop by stop; MODEL=epoll select poll blocking ...'
	@echo '  check    format, lints, layer arrows, static analysis, warnings as errors'
	@echo '  bench    guest instructions a system call costs; LINUX=1: beside Debian'\''s Linux'
	@echo '  all      the kernel and the ISO (the default); kernel, iso, user: each alone'
	@echo '  deps     only install what is missing to build and run'
	@echo '  clean    remove $$BUILD'
	@echo 'Variables (make run CPUS=2 MEM=512M):'
	@echo '  PORT7=$(PORT7) PORT8=$(PORT8)  ports of this machine that reach ports 7 and 8 of the guest'
	@echo '  FORWARD="6379:6379"    more ports: of this machine, of the guest'
	@echo '  MEM=$(MEM)  CPUS=$(CPUS)       memory and processors of the guest'
	@echo '  ACCEL=$(ACCEL)              tcg or kvm'
	@echo '  SAN=1                  the checked build: sanitizers, lock checker (in $$BUILD/san)'
	@echo '  APPEND=                words for the kernel command line: ip=, maxcpus=, ktest='
	@echo '  EXTRA=DIR              a folder whose files join the root file system'
	@echo '  APPS="PKG ..."         packages of Debian that do, with the libraries they need'
	@echo '  TESTS=EXPR             tests to run, by name, as pytest -k understands it'
	@echo '  CC=$(CC) CROSS=          compiler of the kernel (gcc or clang) and its prefix'
	@echo '  LWIP_DIR=DIR           another copy of lwIP 2.1.3'
	@echo '  BUILD=$(BUILD)            where everything that is made goes'
	@echo '  Q=                     empty: show the commands'
