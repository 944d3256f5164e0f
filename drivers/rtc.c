/*
 * The real-time clock (Motorola MC146818, as every PC has it since the AT): read once at boot to
 * learn what day it is. Registers and bits carry the data sheet's names.
 */
#include "kernel/cpu/cpu.h"
#include "kernel/lib/init.h"
#include "kernel/time/ktime.h"

#define RTC_INDEX 0x70
#define RTC_DATA  0x71

#define RTC_SECONDS 0x00
#define RTC_MINUTES 0x02
#define RTC_HOURS   0x04
#define RTC_DAY     0x07
#define RTC_MONTH   0x08
#define RTC_YEAR    0x09
#define RTC_REG_A   0x0a
#define RTC_REG_B   0x0b
#define RTC_UIP     0x80 /* A: an update is in progress */
#define RTC_DM      0x04 /* B: binary, not BCD */
#define RTC_24H     0x02 /* B */
#define RTC_PM      0x80 /* in the hours, 12-hour mode */

struct rtc_time {
	u8 sec, min, hour, day, month, year;
};

static u8 rtc_reg(u8 reg)
{
	outb(RTC_INDEX, reg);
	return inb(RTC_DATA);
}

static struct rtc_time rtc_sample(void)
{
	/* An update takes at most 2 ms; a clock that never ends one must not stop the boot. */
	for (int i = 0; i < 10000 && (rtc_reg(RTC_REG_A) & RTC_UIP); i++)
		cpu_relax();
	return (struct rtc_time){rtc_reg(RTC_SECONDS), rtc_reg(RTC_MINUTES), rtc_reg(RTC_HOURS),
				 rtc_reg(RTC_DAY),     rtc_reg(RTC_MONTH),   rtc_reg(RTC_YEAR)};
}

static u8 from_bcd(u8 v)
{
	return (v >> 4) * 10 + (v & 15);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar, counted in years that begin in March. */
static s64 days_since_epoch(s64 year, unsigned month, unsigned day)
{
	s64 y = month <= 2 ? year - 1 : year;
	s64 era_year = y % 400;
	s64 day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;

	return y / 400 * 146097 + era_year * 365 + era_year / 4 - era_year / 100 + day_of_year -
	       719468;
}

static __init int rtc_init(void)
{
	struct rtc_time t = rtc_sample(), again;
	u8 b = rtc_reg(RTC_REG_B);
	bool pm;
	s64 seconds;

	/* Two equal readings in a row were not torn by an update. */
	for (int i = 0; i < 5; i++) {
		again = rtc_sample();
		if (!__builtin_memcmp(&t, &again, sizeof(t)))
			break;
		t = again;
	}
	pm = t.hour & RTC_PM;
	t.hour &= ~RTC_PM;
	if (!(b & RTC_DM))
		t = (struct rtc_time){from_bcd(t.sec), from_bcd(t.min),   from_bcd(t.hour),
				      from_bcd(t.day), from_bcd(t.month), from_bcd(t.year)};
	if (!(b & RTC_24H))
		t.hour = t.hour % 12 + (pm ? 12 : 0);
	seconds = days_since_epoch(2000 + t.year, t.month, t.day) * 86400 + t.hour * 3600 +
		  t.min * 60 + t.sec;
	ktime_set_real((u64)seconds * NSEC_PER_SEC);
	return 0;
}
device_initcall(rtc_init);
