# The programs, built with musl for Linux and so for Pollux, and the archive that holds them at boot.
#
# Every .c file in user/ and user/tools/ becomes a program in /bin (init becomes /init), every one in
# tests/abi/ and tests/guest/ a program in /tests, every one in tests/bench/ one in /bench. The same
# files run on the host. EXTRA=DIR adds a folder of the user's own to the root file system.

MUSL_CC ?= musl-gcc
EXTRA   ?=

UCFLAGS := -static -std=gnu11 -O2 -g -Wall -Wextra -Wno-unused-parameter -pthread $(WERROR)

USER_PROGRAMS  := $(patsubst %.c,%,$(notdir $(wildcard user/*.c user/tools/*.c)))
TEST_PROGRAMS  := $(patsubst %.c,%,$(notdir $(wildcard tests/abi/*.c tests/guest/*.c)))
BENCH_PROGRAMS := $(patsubst tests/bench/%.c,%,$(sort $(wildcard tests/bench/*.c)))

USER_BIN  := $(USER_PROGRAMS:%=$(BUILD)/user/bin/%)
TEST_BIN  := $(TEST_PROGRAMS:%=$(BUILD)/user/tests/%)
BENCH_BIN := $(BENCH_PROGRAMS:%=$(BUILD)/user/bench/%)

$(BUILD)/user/bin/%: user/%.c
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(UCFLAGS) -MMD -MP -MF $@.d $< -o $@

$(BUILD)/user/bin/%: user/tools/%.c
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(UCFLAGS) -MMD -MP -MF $@.d $< -o $@

$(BUILD)/user/tests/%: tests/abi/%.c
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(UCFLAGS) -MMD -MP -MF $@.d $< -o $@

$(BUILD)/user/tests/%: tests/guest/%.c
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(UCFLAGS) -MMD -MP -MF $@.d $< -o $@

$(BUILD)/user/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(UCFLAGS) -MMD -MP -MF $@.d $< -o $@

-include $(USER_BIN:=.d) $(TEST_BIN:=.d) $(BENCH_BIN:=.d)

# Changes exactly when the list of what goes in changes, so that a removed program leaves the archive.
ROOTFS_LIST := $(BUILD)/user/rootfs.list
$(ROOTFS_LIST): FORCE
	@mkdir -p $(@D)
	@{ echo '$(USER_BIN) $(TEST_BIN) $(BENCH_BIN)'; \
	   test -z '$(EXTRA)' || find '$(EXTRA)' -printf '%p %T@ %s\n' | sort; } >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# The same input gives the same bytes: sorted names, no times, owner root (no root needed for it).
$(BUILD)/initramfs.cpio: $(USER_BIN) $(TEST_BIN) $(BENCH_BIN) $(ROOTFS_LIST) user/pack.sh
	$(Q)user/pack.sh $(ROOTFS_LIST) $@ '$(EXTRA)'

.PHONY: user FORCE
user: $(BUILD)/initramfs.cpio
