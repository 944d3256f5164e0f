# Programs that need a dynamic loader, for both C libraries, and what they need at run time. All of it
# goes into the tests' archive as it lies in $(DYNAMIC):
#
#	dynamic/musl, dynamic/glibc	part.so, plugin.so, pie, fixed; glibc's static-pie
#	lib, lib64			the loaders and glibc, where the programs look for them

GLIBC_CC ?= gcc
DYNAMIC  := $(BUILD)/user/dynamic

DYNAMIC_CFLAGS := -std=gnu11 -O2 -Wall -Wextra -Wno-unused-parameter -I. -pthread $(WERROR)
DYNAMIC_SRC    := $(wildcard tests/dynamic/*) tests/abi/tap.h
DYNAMIC_BIN    := $(foreach c,musl glibc,$(addprefix $(DYNAMIC)/dynamic/$c/,part.so plugin.so pie fixed)) \
	$(DYNAMIC)/dynamic/glibc/static-pie

DYNAMIC_LIBS := $(addprefix $(DYNAMIC),/lib/ld-musl-x86_64.so.1 /lib64/ld-linux-x86-64.so.2 \
	/lib/x86_64-linux-gnu/libc.so.6 /lib/x86_64-linux-gnu/libm.so.6)

$(DYNAMIC)/dynamic/musl/%: DYNAMIC_CC = $(MUSL_CC)
$(DYNAMIC)/dynamic/glibc/%: DYNAMIC_CC = $(GLIBC_CC)

# One recipe a target: a pattern rule with two targets would make both at once.
define DYNAMIC_RULES
%/$1.so: $(DYNAMIC_SRC)
	@mkdir -p $$(@D)
	$(Q)$$(DYNAMIC_CC) $(DYNAMIC_CFLAGS) -fPIC -shared -Wl,-soname,$1.so tests/dynamic/part.c -o $$@

%/$2: %/part.so $(DYNAMIC_SRC)
	$(Q)$$(DYNAMIC_CC) $(DYNAMIC_CFLAGS) -DHAS_LOADER=1 $3 tests/dynamic/program.c $$< \
		-Wl,-rpath,'$$$$ORIGIN' -lm -ldl -o $$@
endef
$(eval $(call DYNAMIC_RULES,part,pie,-fPIE -pie))
$(eval $(call DYNAMIC_RULES,plugin,fixed,-fno-pie -no-pie))

%/static-pie: $(DYNAMIC_SRC)
	@mkdir -p $(@D)
	$(Q)$(DYNAMIC_CC) $(DYNAMIC_CFLAGS) -DHAS_LOADER=0 -static-pie tests/dynamic/part.c \
		tests/dynamic/program.c -lm -o $@

$(DYNAMIC)/lib%: /lib%
	@mkdir -p $(@D)
	$(Q)cp -L $< $@
