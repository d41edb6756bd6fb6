/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/pm_timer.h"

#include <time.h>

#define HZ   3579545ULL
#define MASK 0xffffffULL
#define NS   1000000000ULL

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
