# lwIP: Debian's source package, verified, unpacked and patched below $(BUILD)/lwip; LWIP_DIR= takes
# another unpacked copy of lwIP 2.1.3 instead. Exports LWIP_CFLAGS (what files that include lwIP's
# headers need) and LWIP_OBJ (lwIP's own objects, compiled with the kernel's flags).

LWIP_DIR ?=
LWIP_SRC := $(BUILD)/lwip
LWIP_READY := $(BUILD)/lwip.ready

LWIP_CFLAGS := -Inet/lwip -I$(LWIP_SRC)/src/include

LWIP_FILES := $(addprefix core/,def inet_chksum init ip netif pbuf raw stats tcp tcp_in tcp_out udp) \
	$(addprefix core/ipv4/,dhcp etharp icmp igmp ip4 ip4_addr ip4_frag) netif/ethernet
LWIP_OBJ := $(LWIP_FILES:%=$(BUILD)/obj/lwip/%.o)

$(LWIP_READY): net/lwip/fetch.sh $(wildcard net/lwip/patches/*)
	@mkdir -p $(@D)
	$(Q)net/lwip/fetch.sh $(LWIP_SRC) $(BUILD:%/san=%)/download "$(LWIP_DIR)"
	@touch $@

# The sources appear with the stamp; the rule tells make that they are not lost.
$(LWIP_FILES:%=$(LWIP_SRC)/src/%.c): $(LWIP_READY) ;

# lwIP's style is not ours: its warnings are off.
$(LWIP_OBJ): $(BUILD)/obj/lwip/%.o: $(LWIP_SRC)/src/%.c $(BUILD)/obj/.flags
	@mkdir -p $(@D)
	$(Q)$(CROSS)$(CC) $(KCFLAGS) $(SAN_CFLAGS) -w -Inet/lwip/libc -MMD -MP -c $< -o $@

# Whatever may include lwIP's headers waits until they are there.
LWIP_USERS := $(wildcard net/*.c net/lwip/*.c drivers/e1000.c tests/kernel/net_test.c)
$(LWIP_USERS:%=$(BUILD)/obj/%.o): | $(LWIP_READY)

-include $(LWIP_OBJ:.o=.d)
