/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/acpi_pm.h"

#include <time.h>

#define HZ   3579545ULL
#define MASK 0xffffffULL
#define NS   1000000000ULL

#define ENABLE	   2
#define SCI_EN	   1U /* ACPI is on from the start */
#define SLP_EN	   (1U << 13)
#define SLP_TYP(v) ((unsigned)(v) >> 10 & 7)

void og_pm_timer_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write)
{
	struct timespec now;
	uint64_t seconds, ns;

	(void)device;
	if (write || offset + len > OG_PM_TIMER_PORTS)
		return;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	seconds = (uint64_t)now.tv_sec;
	ns = (uint64_t)now.tv_nsec;
	*value = ((seconds * HZ + ns * HZ / NS) & MASK) >> (8 * offset);
}

void og_pm_event_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write)
{
	uint16_t *enabled = device;

	if (!write)
		*value = 0;
	if (offset != ENABLE || len != 2)
		return;
	if (write)
		__atomic_store_n(enabled, (uint16_t)*value, __ATOMIC_RELAXED);
	else
		*value = __atomic_load_n(enabled, __ATOMIC_RELAXED);
}

void og_pm_control_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write)
{
	if (!write)
		*value = offset == 0 ? SCI_EN : 0;
	else if (offset == 0 && len == 2 && (*value & SLP_EN) != 0 &&
		 SLP_TYP(*value) == OG_POWER_SLEEP_OFF)
		og_power_end(device, OG_POWERED_OFF);
}
