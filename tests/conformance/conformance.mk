# Linux's own self-tests, fetched and built when test_conformance.py asks for them, and an archive with
# them behind the tests' one. The checked build shares the sources with the plain one.

LINUX_TESTS := $(patsubst %/san,%,$(BUILD))/linux-selftests
CONFORMANCE := $(BUILD)/user/conformance

$(LINUX_TESTS)/.ready: tests/conformance/fetch.sh
	$(Q)tests/conformance/fetch.sh $(LINUX_TESTS)

$(CONFORMANCE)/.list: $(LINUX_TESTS)/.ready tests/conformance/build.sh tests/conformance/programs.txt
	$(Q)MUSL_CC='$(MUSL_CC)' tests/conformance/build.sh $(LINUX_TESTS) $(CONFORMANCE)
	@echo $(CONFORMANCE)/[a-z]* >$@

$(BUILD)/initramfs-conformance.cpio: $(TESTFS) $(CONFORMANCE)/.list user/pack.sh
	$(Q)user/pack.sh $(CONFORMANCE)/.list $@.part && cat $(TESTFS) $@.part >$@ && rm $@.part

.PHONY: conformance
conformance: $(BUILD)/initramfs-conformance.cpio
