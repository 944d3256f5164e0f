# The programs, built with musl for Linux and so for Pollux, and the archive that holds them at boot.
#
# Every .c file in user/ becomes a program in /bin (init becomes /init), every one in tests/abi/ and
# tests/guest/ a program in /tests, every one in tests/bench/ one in /bench, every one in
# tests/stress/ one in /stress. The same files run on the host. Beside them the root file system has
# user/root/ as it is, Debian's static busybox, with APPS="..." other packages of Debian and what they
# need, and with EXTRA=DIR a folder of the user's own. The tests' archive has tests/root/ as well, and what
# tests/dynamic/ makes.

MUSL_CC ?= musl-gcc
APPS    ?=
EXTRA   ?=

include tests/dynamic/dynamic.mk

UCFLAGS := -static -std=gnu11 -O2 -g -Wall -Wextra -Wno-unused-parameter -pthread $(WERROR)

USER_PROGRAMS  := $(patsubst %.c,%,$(notdir $(wildcard user/*.c)))
TEST_PROGRAMS  := $(patsubst %.c,%,$(notdir $(wildcard tests/abi/*.c tests/guest/*.c)))
BENCH_PROGRAMS := $(patsubst tests/bench/%.c,%,$(sort $(wildcard tests/bench/*.c)))
STRESS_PROGRAMS := $(patsubst tests/stress/%.c,%,$(sort $(wildcard tests/stress/*.c)))

USER_BIN  := $(USER_PROGRAMS:%=$(BUILD)/user/bin/%)
TEST_BIN  := $(TEST_PROGRAMS:%=$(BUILD)/user/tests/%)
BENCH_BIN := $(BENCH_PROGRAMS:%=$(BUILD)/user/bench/%)
STRESS_BIN := $(STRESS_PROGRAMS:%=$(BUILD)/user/stress/%)

$(BUILD)/user/bin/%: user/%.c
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(UCFLAGS) -MMD -MP -MF $@.d $< -o $@

$(BUILD)/user/tests/%: tests/abi/%.c
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(UCFLAGS) -MMD -MP -MF $@.d $< -o $@

$(BUILD)/user/tests/%: tests/guest/%.c
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(UCFLAGS) -I. -MMD -MP -MF $@.d $< -o $@

$(BUILD)/user/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(UCFLAGS) -MMD -MP -MF $@.d $< -o $@

$(BUILD)/user/stress/%: tests/stress/%.c
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(UCFLAGS) -MMD -MP -MF $@.d $< -o $@

-include $(USER_BIN:=.d) $(TEST_BIN:=.d) $(BENCH_BIN:=.d) $(STRESS_BIN:=.d)

# Packages of Debian, unpacked. The stamps are newer than the folders' scripts and say what is in them.
DOWNLOADS := $(BUILD:%/san=%)/download
BUSYBOX   := $(BUILD)/user/busybox
APPS_DIR  := $(if $(strip $(APPS)),$(BUILD)/user/apps)

$(BUSYBOX).ready: user/debs.sh
	@mkdir -p $(@D)
	$(Q)user/debs.sh $(BUSYBOX) $(DOWNLOADS) busybox-static
	@touch $@
$(BUILD)/user/apps.ready: user/debs.sh $(BUILD)/user/rootfs.list
	$(Q)user/debs.sh $(BUILD)/user/apps $(DOWNLOADS) $(APPS)
	@touch $@

# What is on the CD, and so short: GRUB reads it through the firmware. The tests boot with qemu -kernel
# and get a second archive behind it; the kernel unpacks one after the other.
ROOTFS := $(BUILD)/initramfs.cpio
TESTFS := $(BUILD)/initramfs-tests.cpio

# The lists change exactly when what goes in changes, so that a removed program leaves the archive.
ROOTFS_LIST := $(BUILD)/user/rootfs.list
TESTFS_LIST := $(BUILD)/user/testfs.list
$(ROOTFS_LIST): FORCE
	@mkdir -p $(@D)
	@{ echo '$(USER_BIN)'; echo 'APPS $(APPS)'; \
	   find user/root $(if $(EXTRA),'$(EXTRA)') -printf '%p %T@ %s\n' | sort; } >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(TESTFS_LIST): FORCE
	@mkdir -p $(@D)
	@{ echo '$(TEST_BIN) $(BENCH_BIN) $(STRESS_BIN)'; echo '$(DYNAMIC_BIN) $(DYNAMIC_LIBS)'; \
	   find tests/root -printf '%p %T@ %s\n' | sort; } >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(ROOTFS): $(USER_BIN) $(ROOTFS_LIST) $(BUSYBOX).ready $(APPS_DIR:=.ready) user/pack.sh
	$(Q)user/pack.sh $(ROOTFS_LIST) $@ user/root $(BUSYBOX) $(APPS_DIR) $(if $(EXTRA),'$(EXTRA)')
$(TESTFS): $(ROOTFS) $(TEST_BIN) $(BENCH_BIN) $(STRESS_BIN) $(DYNAMIC_BIN) $(DYNAMIC_LIBS) \
		$(TESTFS_LIST) user/pack.sh
	$(Q)user/pack.sh $(TESTFS_LIST) $@.part tests/root $(DYNAMIC) && \
		cat $(ROOTFS) $@.part >$@ && rm $@.part

# The bench's, short: what it holds is memory in use.
BENCHFS := $(BUILD)/initramfs-bench.cpio
$(BENCHFS): $(ROOTFS) $(BENCH_BIN) $(BUILD)/user/tests/agent user/pack.sh
	@echo '$(BENCH_BIN) $(BUILD)/user/tests/agent' >$@.list
	$(Q)user/pack.sh $@.list $@.part && cat $(ROOTFS) $@.part >$@ && rm $@.part $@.list

.PHONY: user FORCE
user: $(ROOTFS) $(TESTFS) $(BENCHFS)
