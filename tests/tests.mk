# Tests and checks. `make test TESTS=echo CPUS=2` picks by name and sets the number of processors.

TESTS    ?=
PYTEST   ?= /usr/bin/python3 -B -m pytest -p no:cacheprovider

# What the harness (tests/qemu/vm.py) needs to know of this build.
export POLLUX_BUILD = $(abspath $(BUILD))
export POLLUX_CPUS  = $(CPUS)
export POLLUX_MEM   = $(MEM)
export POLLUX_ACCEL = $(ACCEL)
export POLLUX_QEMU  = $(QEMU)
export POLLUX_SAN   = $(SAN)
# The checked build takes its time.
ifeq ($(SAN),1)
export POLLUX_TIMEOUT_SCALE ?= 4
endif

.PHONY: test
test:
	+$(Q)CC='$(CROSS)$(CC)' tests/deps.sh test && $(MAKE) --no-print-directory iso user
	$(Q)$(PYTEST) tests/qemu $(if $(TESTS),-k '$(TESTS)') $(PYTESTFLAGS)

include tests/conformance/conformance.mk

# BENCH=PART picks, LINUX=1 measures Debian's Linux as well.
LINUX ?= 0
LINUX_DIR := $(BUILD)/linux

$(LINUX_DIR).ready: tests/bench/linux.sh user/debs.sh
	$(Q)tests/bench/linux.sh $(LINUX_DIR) $(DOWNLOADS)
	@touch $@

$(BUILD)/initramfs-bench-linux.cpio: $(BENCHFS) $(LINUX_DIR).ready $(wildcard tests/bench/linux/*)
	$(Q)user/pack.sh /dev/null $@.part tests/bench/linux $(LINUX_DIR)/root && \
		cat $(BENCHFS) $@.part >$@ && rm $@.part

.PHONY: bench
bench:
	+$(Q)CC='$(CROSS)$(CC)' tests/deps.sh test && $(MAKE) --no-print-directory kernel user \
		$(if $(filter 1,$(LINUX)),$(BUILD)/initramfs-bench-linux.cpio)
	$(Q)/usr/bin/python3 -B tests/bench/run.py $(if $(filter 1,$(LINUX)),--linux) $(BENCH)

# Everything that can be said of the code without running it. The build in which a warning is an error
# has a folder of its own, so that its objects never mix with the others.
KCFLAGS  += $(WERROR)
CHECK_C   = $(shell git ls-files -co --exclude-standard '*.c' '*.h')
TIDY_C    = $(filter-out tests/%,$(filter %.c,$(KERNEL_SRC)))
TIDY_FLAGS = $(filter-out -mpreferred-stack-boundary=%,$(KCFLAGS)) -w

.PHONY: check check-format check-lint check-static check-warnings
check:
	+$(Q)CC='$(CROSS)$(CC)' tests/deps.sh check
	+$(Q)$(MAKE) --no-print-directory -k check-format check-lint check-static check-warnings
	@echo 'check: all well'

# The tables of kernel/abi are aligned by hand.
check-format:
	@echo 'check: format'
	$(Q)clang-format --dry-run -Werror $(filter-out kernel/abi/%,$(CHECK_C))

check-lint:
	@echo 'check: layers and style'
	$(Q)/usr/bin/python3 -B tests/lint/layers.py && /usr/bin/python3 -B tests/lint/style.py

# A small set, so that each finding is worth reading: .clang-tidy and tests/lint/cppcheck.txt name it.
check-static: $(LWIP_READY)
	@echo 'check: cppcheck'
	$(Q)cppcheck --quiet --std=c11 --platform=unix64 --enable=warning,portability -j 2 \
		--inline-suppr --suppressions-list=tests/lint/cppcheck.txt --error-exitcode=1 \
		-I. boot kernel drivers net fs user tests/kernel tests/guest tests/bench tests/stress
	@echo 'check: clang-tidy'
	$(Q)printf '%s\n' $(TIDY_C) | xargs -P 2 -n 8 sh -c \
		'clang-tidy --quiet "$$@" -- $(TIDY_FLAGS) 2>/dev/null' clang-tidy

check-warnings: $(LWIP_READY)
	@echo 'check: build without a warning'
	@mkdir -p $(BUILD)/check
	@test ! -d $(BUILD)/download || cp -r $(BUILD)/download $(BUILD)/check/
	+$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/check WERROR=-Werror iso user
