/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/cmos.h"

#include <stddef.h>

enum {
	SECONDS = 0x00,
	MINUTES = 0x02,
	HOURS = 0x04,
	WEEKDAY = 0x06,
	DAY = 0x07,
	MONTH = 0x08,
	YEAR = 0x09,
	STATUS_A = 0x0a,
	STATUS_B = 0x0b,
	STATUS_C = 0x0c,
	STATUS_D = 0x0d,
	BASE_KIB = 0x15,
	EXTENDED_KIB = 0x17,
	EXTENDED_KIB_AGAIN = 0x30,
	CENTURY = 0x32,
	ABOVE_16_MIB = 0x34, /* in 64 KiB */
	ABOVE_4_GIB = 0x5b,  /* likewise, 3 bytes */
};

#define DIVIDER	   0x26 /* of a crystal of 32,768 Hz: the clock runs */
#define HOURS_24   0x02 /* and decimal digits */
#define BATTERY_OK 0x80
#define KIB	   1024ULL
#define MIB	   (1024 * KIB)
#define UNIT	   (64 * KIB)
#define INDEX_MASK 0x7fU /* the bit above masks NMIs, of which there are none */

static void set_number(struct og_cmos *cmos, unsigned at, uint64_t value, unsigned bytes)
{
	uint64_t max = (1ULL << (8 * bytes)) - 1;

	if (value > max)
		value = max;
	for (unsigned i = 0; i < bytes; i++)
		cmos->bytes[at + i] = (uint8_t)(value >> (8 * i));
}

void og_cmos_init(struct og_cmos *cmos, uint64_t low_bytes, uint64_t high_bytes)
{
	uint64_t extended = low_bytes > MIB ? (low_bytes - MIB) / KIB : 0;
	uint64_t above = low_bytes > 16 * MIB ? (low_bytes - 16 * MIB) / UNIT : 0;

	*cmos = (struct og_cmos){};
	(void)pthread_mutex_init(&cmos->lock, NULL);
	cmos->bytes[STATUS_A] = DIVIDER;
	cmos->bytes[STATUS_B] = HOURS_24;
	cmos->bytes[STATUS_D] = BATTERY_OK;
	set_number(cmos, BASE_KIB, 640, 2);
	set_number(cmos, EXTENDED_KIB, extended, 2);
	set_number(cmos, EXTENDED_KIB_AGAIN, extended, 2);
	set_number(cmos, ABOVE_16_MIB, above, 2);
	set_number(cmos, ABOVE_4_GIB, high_bytes / UNIT, 3);
}

static uint8_t digits(int value)
{
	return (uint8_t)(value / 10 % 10 << 4 | value % 10);
}

/* Days since 1970-01-01 to a date of the Gregorian calendar, without the C library's time zones. */
static void set_date(struct og_cmos *cmos, int64_t days)
{
	int64_t z = days + 719468, era = z / 146097, doe = z % 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	int month = (int)(mp < 10 ? mp + 3 : mp - 9);
	int year = (int)(yoe + era * 400) + (month <= 2);

	cmos->bytes[DAY] = digits((int)(doy - (153 * mp + 2) / 5) + 1);
	cmos->bytes[MONTH] = digits(month);
	cmos->bytes[YEAR] = digits(year % 100);
	cmos->bytes[CENTURY] = digits(year / 100);
	cmos->bytes[WEEKDAY] = (uint8_t)((days + 4) % 7 + 1);
}

static void set_time(struct og_cmos *cmos)
{
	struct timespec now = {};
	int seconds;

	if (cmos->now != NULL)
		(void)cmos->now(&now);
	else
		(void)clock_gettime(CLOCK_REALTIME, &now);
	seconds = (int)(now.tv_sec % 86400);
	cmos->bytes[SECONDS] = digits(seconds % 60);
	cmos->bytes[MINUTES] = digits(seconds / 60 % 60);
	cmos->bytes[HOURS] = digits(seconds / 3600);
	set_date(cmos, now.tv_sec / 86400);
}

static bool is_clock(uint8_t index)
{
	return index < 0x10 || index == CENTURY;
}

void og_cmos_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write)
{
	struct og_cmos *cmos = device;

	if (len != 1)
		return;
	(void)pthread_mutex_lock(&cmos->lock);
	if (offset == 0 && write)
		cmos->index = (uint8_t)(*value & INDEX_MASK);
	else if (offset == 1 && write && !is_clock(cmos->index))
		cmos->bytes[cmos->index] = (uint8_t)*value;
	else if (offset == 1 && !write) {
		if (is_clock(cmos->index))
			set_time(cmos);
		*value = cmos->bytes[cmos->index];
	}
	(void)pthread_mutex_unlock(&cmos->lock);
}
