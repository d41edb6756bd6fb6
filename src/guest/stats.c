/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/stats.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "guest/launch.h"

#define FILE_MAX   65536U
#define CPU_FIELDS 8 /* user nice system idle iowait irq softirq steal */
#define IDLE	   3
#define IOWAIT	   4

/* The number behind @key in one of the kernel's small text files. */
static uint64_t number_in(const char *path, const char *key)
{
	og_auto_free char *text = NULL;
	const char *at;

	if (og_read_file(AT_FDCWD, path, FILE_MAX, &text, NULL, NULL) < 0)
		return 0;
	at = strstr(text, key);
	return at != NULL ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* The first line of /proc/stat, in ticks of 10 ms. */
static uint64_t busy_usec(void)
{
	og_auto_free char *text = NULL;
	uint64_t busy = 0;
	char *at;

	if (og_read_file(AT_FDCWD, "/proc/stat", FILE_MAX, &text, NULL, NULL) < 0)
		return 0;
	at = text + strcspn(text, " ");
	for (int i = 0; i < CPU_FIELDS; i++) {
		uint64_t ticks = strtoull(at, &at, 10);

		if (i != IDLE && i != IOWAIT)
			busy += ticks;
	}
	return busy * 10000;
}

void og_guest_stats_read(struct og_guest_stats *ret_stats)
{
	uint64_t total = number_in("/proc/meminfo", "MemTotal:") * 1024;
	uint64_t available = number_in("/proc/meminfo", "MemAvailable:") * 1024;

	*ret_stats = (struct og_guest_stats){
		.memory_bytes = available < total ? total - available : 0,
		.memory_total = total,
		.cpu_usec = busy_usec(),
		.processes = number_in(OG_CGROUP "/pids.current", ""),
	};
}
