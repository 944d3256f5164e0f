/*
 * Off, restart, stop. Off is ACPI's sleep state S5: the values that \_S5 names go into the PM1
 * control registers with SLP_EN (ACPI specification 6.4, 4.8.3.2). Restart tries, from polite to
 * rude: the reset register of the FADT, the keyboard controller's reset line, a triple fault.
 */
#include "kernel/cpu/power.h"

#include "kernel/cpu/acpi.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/smp.h"
#include "kernel/cpu/syscall.h"
#include "kernel/debug/leak.h"
#include "kernel/exec/cred.h"
#include "kernel/lib/printk.h"
#include "kernel/sched/signal.h"

#define PM1_SCI_EN     BIT(0)
#define PM1_SLP_TYP(n) ((u16)((n)&7) << 10)
#define PM1_SLP_EN     BIT(13)

#define KBC_STATUS      0x64
#define KBC_COMMAND     0x64
#define KBC_INPUT_FULL  0x02
#define KBC_PULSE_RESET 0xfe

/* reboot(2) */
#define REBOOT_MAGIC1        0xfee1deadu
#define REBOOT_CMD_RESTART   0x01234567u
#define REBOOT_CMD_HALT      0xcdef0123u
#define REBOOT_CMD_POWER_OFF 0x4321fedcu
#define REBOOT_CMD_CAD_ON    0x89abcdefu
#define REBOOT_CMD_CAD_OFF   0x00000000u

void machine_halt(void)
{
	local_irq_disable();
	for (;;)
		__asm__ volatile("hlt");
}

void machine_poweroff(void)
{
	local_irq_disable();
	if (acpi.has_s5 && acpi.pm1a_cnt) {
		if (acpi.smi_cmd && acpi.acpi_enable && !(inw(acpi.pm1a_cnt) & PM1_SCI_EN))
			outb(acpi.smi_cmd, acpi.acpi_enable);
		outw(acpi.pm1a_cnt, PM1_SLP_TYP(acpi.s5_a) | PM1_SLP_EN);
		if (acpi.pm1b_cnt)
			outw(acpi.pm1b_cnt, PM1_SLP_TYP(acpi.s5_b) | PM1_SLP_EN);
		for (int i = 0; i < 10000000; i++) /* it takes a moment */
			cpu_relax();
	}
	printk("It is now safe to turn off the machine.\n");
	machine_halt();
}

void machine_restart(void)
{
	struct {
		u16 limit;
		u64 base;
	} __packed no_idt = {0, 0};

	local_irq_disable();
	if (acpi.reset_port)
		outb(acpi.reset_port, acpi.reset_value);
	for (int i = 0; i < 100000 && inb(KBC_STATUS) & KBC_INPUT_FULL; i++)
		cpu_relax();
	outb(KBC_COMMAND, KBC_PULSE_RESET);
	__asm__ volatile("lidt %0; int3" ::"m"(no_idt));
	machine_halt();
}

/* The second magic number: the birthdays of Linus Torvalds and his daughters, per reboot(2). */
static bool magic2_ok(u32 magic2)
{
	return magic2 == 0x28121969 || magic2 == 0x05121996 || magic2 == 0x16041998 ||
	       magic2 == 0x20112000;
}

SYSCALL_DEFINE4(reboot, u32, magic1, u32, magic2, u32, cmd, void __user *, arg)
{
	if (!capable(CAP_SYS_BOOT))
		return -EPERM;
	if (magic1 != REBOOT_MAGIC1 || !magic2_ok(magic2))
		return -EINVAL;
	switch (cmd) {
	case REBOOT_CMD_POWER_OFF:
		leakcheck_poweroff();
		printk("Power down\n");
		machine_poweroff();
	case REBOOT_CMD_RESTART:
		printk("Restarting\n");
		machine_restart();
	case REBOOT_CMD_HALT:
		printk("System halted\n");
		local_irq_disable();
		smp_stop_others();
		machine_halt();
	case REBOOT_CMD_CAD_ON: /* Ctrl-Alt-Del: a serial console has none */
	case REBOOT_CMD_CAD_OFF:
		return 0;
	}
	return -EINVAL;
}
