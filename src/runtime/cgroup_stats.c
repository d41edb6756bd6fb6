/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup_stats.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

#define STATS_FILE_MAX (1U << 20) /* io.stat of a host with thousands of disks */
#define CPUS_MAX       8192	  /* CONFIG_NR_CPUS of the largest distribution kernels */

/* A controller's folder: of version 1, else of version 2 (which has all that it counts in one). */
static int open_group(const struct og_cgroup *cgroup, const char *controller)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(cgroup, controller);

	return tree == NULL ? -ENOENT : open(tree->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static char *content(int dir_fd, const char *file)
{
	char *text = NULL;

	(void)og_read_file(dir_fd, file, STATS_FILE_MAX, &text, NULL, NULL);
	return text;
}

/* "max" is the largest number, what is not there 0. */
static uint64_t number(int dir_fd, const char *file)
{
	og_auto_free char *text = content(dir_fd, file);

	if (text == NULL)
		return 0;
	return og_starts_with(text, "max") ? UINT64_MAX : strtoull(text, NULL, 10);
}

/* The number behind "KEY " at the beginning of a line. */
static uint64_t keyed(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line != NULL && *line != '\0';) {
		const char *end = strchr(line, '\n');

		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return strtoull(line + len + 1, NULL, 10);
		line = end == NULL ? NULL : end + 1;
	}
	return 0;
}

static void set(struct og_json *object, const char *key, uint64_t value)
{
	og_json_set(object, key, og_json_new_uint(value));
}

static void set_unless_0(struct og_json *object, const char *key, uint64_t value)
{
	if (value != 0)
		set(object, key, value);
}

/* Every "KEY VALUE" of a file as members. */
static struct og_json *all_pairs(char *text)
{
	struct og_json *object = og_json_new_object();
	char *rest = text;

	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		char *value = strchr(line, ' ');

		if (value == NULL)
			continue;
		*value++ = '\0';
		set(object, line, strtoull(value, NULL, 10));
	}
	return object;
}

/* Pressure stall information: lines "some avg10=0.00 avg60=0.00 avg300=0.00 total=0". */
static void add_pressure(struct og_json *object, int dir_fd, const char *file)
{
	og_auto_free char *text = content(dir_fd, file);
	struct og_json *psi;
	char *rest = text;

	if (text == NULL)
		return;
	psi = og_json_new_object();
	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		struct og_json *kind = og_json_new_object();
		double avg[3];
		uint64_t total;
		char name[8];

		if (sscanf(line, "%7s avg10=%lf avg60=%lf avg300=%lf total=%" SCNu64, name, &avg[0],
			   &avg[1], &avg[2], &total) != 5) {
			og_json_free(kind);
			continue;
		}
		og_json_set(kind, "avg10", og_json_new_double(avg[0]));
		og_json_set(kind, "avg60", og_json_new_double(avg[1]));
		og_json_set(kind, "avg300", og_json_new_double(avg[2]));
		set(kind, "total", total);
		og_json_set(psi, name, kind);
	}
	og_json_set(object, "psi", psi);
}

/* ---- processors ---- */

/* Column @column of the lines "CPU USER SYSTEM" below a heading. */
static struct og_json *percpu_column(const char *text, int column)
{
	struct og_json *list = og_json_new_array();
	const char *line = strchr(text, '\n');

	for (int i = 0; line != NULL && line[1] != '\0' && i < CPUS_MAX; i++) {
		uint64_t columns[2];

		if (sscanf(line + 1, "%*u %" SCNu64 " %" SCNu64, &columns[0], &columns[1]) == 2)
			og_json_push(list, og_json_new_uint(columns[column]));
		line = strchr(line + 1, '\n');
	}
	return list;
}

static struct og_json *percpu(const char *text)
{
	struct og_json *list = og_json_new_array();
	char *end = NULL;

	for (const char *at = text; at != NULL; at = end) {
		uint64_t value = strtoull(at, &end, 10);

		if (end == at)
			break;
		og_json_push(list, og_json_new_uint(value));
	}
	return list;
}

static void cpu_v1(const struct og_cgroup *cgroup, struct og_json *usage,
		   struct og_json *throttling)
{
	og_auto_fd acct_fd = open_group(cgroup, "cpuacct");
	og_auto_fd cpu_fd = open_group(cgroup, "cpu");
	og_auto_free char *each = acct_fd < 0 ? NULL : content(acct_fd, "cpuacct.usage_percpu");
	og_auto_free char *all = acct_fd < 0 ? NULL : content(acct_fd, "cpuacct.usage_all");
	og_auto_free char *stat = cpu_fd < 0 ? NULL : content(cpu_fd, "cpu.stat");

	if (acct_fd >= 0) {
		set_unless_0(usage, "total", number(acct_fd, "cpuacct.usage"));
		set(usage, "user", number(acct_fd, "cpuacct.usage_user"));
		set(usage, "kernel", number(acct_fd, "cpuacct.usage_sys"));
	}
	if (each != NULL)
		og_json_set(usage, "percpu", percpu(each));
	if (all != NULL) {
		og_json_set(usage, "percpu_user", percpu_column(all, 0));
		og_json_set(usage, "percpu_kernel", percpu_column(all, 1));
	}
	set_unless_0(throttling, "periods", keyed(stat, "nr_periods"));
	set_unless_0(throttling, "throttledPeriods", keyed(stat, "nr_throttled"));
	set_unless_0(throttling, "throttledTime", keyed(stat, "throttled_time"));
}

static void cpu_v2(int dir_fd, struct og_json *cpu, struct og_json *usage,
		   struct og_json *throttling)
{
	og_auto_free char *stat = content(dir_fd, "cpu.stat");

	set_unless_0(usage, "total", keyed(stat, "usage_usec") * 1000);
	set(usage, "user", keyed(stat, "user_usec") * 1000);
	set(usage, "kernel", keyed(stat, "system_usec") * 1000);
	set_unless_0(throttling, "periods", keyed(stat, "nr_periods"));
	set_unless_0(throttling, "throttledPeriods", keyed(stat, "nr_throttled"));
	set_unless_0(throttling, "throttledTime", keyed(stat, "throttled_usec") * 1000);
	add_pressure(cpu, dir_fd, "cpu.pressure");
}

static struct og_json *cpu_stats(const struct og_cgroup *cgroup, int v2_fd)
{
	struct og_json *cpu = og_json_new_object();
	struct og_json *usage = og_json_new_object();
	struct og_json *throttling = og_json_new_object();

	if (v2_fd >= 0 && og_cgroup_tree(cgroup, "cpuacct") == NULL)
		cpu_v2(v2_fd, cpu, usage, throttling);
	else
		cpu_v1(cgroup, usage, throttling);
	og_json_set(cpu, "usage", usage);
	og_json_set(cpu, "throttling", throttling);
	return cpu;
}

/* "0-2,7" as [0,1,2,7] */
static void add_list(struct og_json *object, const char *key, int dir_fd, const char *file)
{
	og_auto_free char *text = content(dir_fd, file);
	struct og_json *list;
	char *rest = text;

	if (text == NULL || text[0] == '\n')
		return;
	list = og_json_new_array();
	for (char *part; (part = strsep(&rest, ",\n")) != NULL;) {
		unsigned first, last;
		int n = sscanf(part, "%u-%u", &first, &last);

		for (unsigned i = first; n >= 1 && i <= (n == 2 ? last : first) && i < CPUS_MAX;
		     i++)
			og_json_push(list, og_json_new_uint(i));
	}
	og_json_set(object, key, list);
}

static struct og_json *cpuset_stats(const struct og_cgroup *cgroup)
{
	static const char *const names[] = { "cpu_exclusive",	   "mem_hardwall",
					     "mem_exclusive",	   "memory_migrate",
					     "memory_spread_page", "memory_spread_slab",
					     "memory_pressure",	   "sched_load_balance" };
	static const char level[] = "sched_relax_domain_level";
	og_auto_fd dir_fd = open_group(cgroup, "cpuset");
	og_auto_free char *text = dir_fd < 0 ? NULL
					     : content(dir_fd, "cpuset.sched_relax_domain_level");
	struct og_json *cpuset = og_json_new_object();

	if (dir_fd >= 0) {
		add_list(cpuset, "cpus", dir_fd, "cpuset.cpus");
		add_list(cpuset, "mems", dir_fd, "cpuset.mems");
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		og_auto_free char *file = og_strdupf("cpuset.%s", names[i]);

		set(cpuset, names[i], dir_fd < 0 || file == NULL ? 0 : number(dir_fd, file));
	}
	og_json_set_int(cpuset, level, text == NULL ? 0 : strtoll(text, NULL, 10));
	return cpuset;
}

/* ---- memory ---- */

static struct og_json *entry_new(uint64_t usage, uint64_t limit, uint64_t max, uint64_t failcnt)
{
	struct og_json *entry = og_json_new_object();

	set_unless_0(entry, "usage", usage);
	set(entry, "limit", limit);
	set_unless_0(entry, "max", max);
	set(entry, "failcnt", failcnt);
	return entry;
}

static struct og_json *entry_v1(int dir_fd, const char *prefix)
{
	static const char *const names[] = { "usage_in_bytes", "limit_in_bytes",
					     "max_usage_in_bytes", "failcnt" };
	uint64_t values[4] = {};

	for (size_t i = 0; dir_fd >= 0 && i < 4; i++) {
		og_auto_free char *file = og_strdupf("%s.%s", prefix, names[i]);

		values[i] = file == NULL ? 0 : number(dir_fd, file);
	}
	return entry_new(values[0], values[1], values[2], values[3]);
}

static void memory_v1(int dir_fd, struct og_json *memory)
{
	static const struct {
		const char *key, *prefix;
	} entries[] = { { "usage", "memory" },
			{ "swap", "memory.memsw" },
			{ "kernel", "memory.kmem" },
			{ "kernelTCP", "memory.kmem.tcp" } };

	og_auto_free char *stat = content(dir_fd, "memory.stat");

	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		og_json_set(memory, entries[i].key, entry_v1(dir_fd, entries[i].prefix));
	set_unless_0(memory, "cache", keyed(stat, "cache"));
	if (stat != NULL)
		og_json_set(memory, "raw", all_pairs(stat));
}

/* As version 1 has it: memory and swap together. */
static void memory_v2(int dir_fd, struct og_json *memory)
{
	og_auto_free char *stat = content(dir_fd, "memory.stat");
	og_auto_free char *events = content(dir_fd, "memory.events");
	uint64_t usage = number(dir_fd, "memory.current");
	uint64_t limit = number(dir_fd, "memory.max");
	uint64_t swap_limit = number(dir_fd, "memory.swap.max");

	if (swap_limit != UINT64_MAX)
		swap_limit = limit == UINT64_MAX ? limit : swap_limit + limit;
	og_json_set(memory, "usage",
		    entry_new(usage, limit, number(dir_fd, "memory.peak"), keyed(events, "max")));
	og_json_set(memory, "swap",
		    entry_new(usage + number(dir_fd, "memory.swap.current"), swap_limit, 0, 0));
	og_json_set(memory, "kernel", entry_new(0, 0, 0, 0));
	og_json_set(memory, "kernelTCP", entry_new(0, 0, 0, 0));
	set_unless_0(memory, "cache", keyed(stat, "file"));
	if (stat != NULL)
		og_json_set(memory, "raw", all_pairs(stat));
	add_pressure(memory, dir_fd, "memory.pressure");
}

static struct og_json *memory_stats(const struct og_cgroup *cgroup, int v2_fd)
{
	og_auto_fd dir_fd = open_group(cgroup, "memory");
	struct og_json *memory = og_json_new_object();

	if (dir_fd >= 0)
		memory_v1(dir_fd, memory);
	else if (v2_fd >= 0)
		memory_v2(v2_fd, memory);
	return memory;
}

/* ---- the rest ---- */

static struct og_json *pids_stats(const struct og_cgroup *cgroup, int v2_fd)
{
	og_auto_fd v1_fd = open_group(cgroup, "pids");
	int dir_fd = v1_fd >= 0 ? v1_fd : v2_fd;
	struct og_json *pids = og_json_new_object();
	uint64_t limit = dir_fd < 0 ? 0 : number(dir_fd, "pids.max");

	set_unless_0(pids, "current", dir_fd < 0 ? 0 : number(dir_fd, "pids.current"));
	set_unless_0(pids, "limit", limit == UINT64_MAX ? 0 : limit);
	return pids;
}

static struct og_json *device_entry(unsigned major, unsigned minor, const char *op, uint64_t value)
{
	struct og_json *entry = og_json_new_object();

	set_unless_0(entry, "major", major);
	set_unless_0(entry, "minor", minor);
	og_json_set_string(entry, "op", op);
	set_unless_0(entry, "value", value);
	return entry;
}

/* Lines "8:0 Read 4096"; the last, "Total 4096", is of no device. */
static struct og_json *blkio_file(int dir_fd, const char *file)
{
	og_auto_free char *text = content(dir_fd, file);
	struct og_json *list = og_json_new_array();
	char *rest = text;

	for (char *line; text != NULL && (line = strsep(&rest, "\n")) != NULL;) {
		unsigned major, minor;
		uint64_t value;
		char op[16];

		if (sscanf(line, "%u:%u %15s %" SCNu64, &major, &minor, op, &value) == 4)
			og_json_push(list, device_entry(major, minor, op, value));
	}
	return list;
}

/* Of the scheduler that shares by weight, else of every request. */
static void blkio_v1(int dir_fd, struct og_json *blkio)
{
	static const struct {
		const char *key, *files[2];
	} rows[] = {
		{ "ioServiceBytesRecursive",
		  { "blkio.bfq.io_service_bytes_recursive",
		    "blkio.throttle.io_service_bytes_recursive" } },
		{ "ioServicedRecursive",
		  { "blkio.bfq.io_serviced_recursive", "blkio.throttle.io_serviced_recursive" } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t j = 0; j < 2; j++) {
			struct og_json *list = blkio_file(dir_fd, rows[i].files[j]);

			if (og_json_count(list) > 0) {
				og_json_set(blkio, rows[i].key, list);
				break;
			}
			og_json_free(list);
		}
	}
}

/* One device's line: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" */
static void io_line(char *line, struct og_json *bytes, struct og_json *requests)
{
	static const struct {
		const char *key, *op;
		bool bytes;
	} rows[] = { { "rbytes", "Read", true },    { "wbytes", "Write", true },
		     { "dbytes", "Discard", true }, { "rios", "Read", false },
		     { "wios", "Write", false },    { "dios", "Discard", false } };

	unsigned major, minor;
	char *rest = line;

	if (sscanf(line, "%u:%u", &major, &minor) != 2)
		return;
	for (char *word; (word = strsep(&rest, " ")) != NULL;) {
		char *value = strchr(word, '=');

		if (value == NULL)
			continue;
		*value++ = '\0';
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			if (og_streq(rows[i].key, word))
				og_json_push(rows[i].bytes ? bytes : requests,
					     device_entry(major, minor, rows[i].op,
							  strtoull(value, NULL, 10)));
		}
	}
}

static void blkio_v2(int dir_fd, struct og_json *blkio)
{
	og_auto_free char *text = content(dir_fd, "io.stat");
	struct og_json *bytes = og_json_new_array();
	struct og_json *requests = og_json_new_array();
	char *rest = text;

	for (char *line; text != NULL && (line = strsep(&rest, "\n")) != NULL;)
		io_line(line, bytes, requests);
	og_json_set(blkio, "ioServiceBytesRecursive", bytes);
	og_json_set(blkio, "ioServicedRecursive", requests);
	add_pressure(blkio, dir_fd, "io.pressure");
}

static struct og_json *blkio_stats(const struct og_cgroup *cgroup, int v2_fd)
{
	og_auto_fd dir_fd = open_group(cgroup, "blkio");
	struct og_json *blkio = og_json_new_object();

	if (dir_fd >= 0)
		blkio_v1(dir_fd, blkio);
	else if (v2_fd >= 0)
		blkio_v2(v2_fd, blkio);
	return blkio;
}

static struct og_json *hugetlb_entry(int dir_fd, const char *size, bool v2)
{
	og_auto_free char *usage =
		og_strdupf("hugetlb.%s.%s", size, v2 ? "current" : "usage_in_bytes");
	og_auto_free char *max = og_strdupf("hugetlb.%s.max_usage_in_bytes", size);
	og_auto_free char *fail = og_strdupf("hugetlb.%s.%s", size, v2 ? "events" : "failcnt");
	og_auto_free char *events = fail == NULL ? NULL : content(dir_fd, fail);
	struct og_json *entry = og_json_new_object();

	if (usage == NULL || max == NULL || events == NULL)
		return entry;
	set_unless_0(entry, "usage", number(dir_fd, usage));
	set_unless_0(entry, "max", v2 ? 0 : number(dir_fd, max));
	set(entry, "failcnt", v2 ? keyed(events, "max") : strtoull(events, NULL, 10));
	return entry;
}

/* The sizes are those that there are files of: "hugetlb.2MB.current". */
static struct og_json *hugetlb_stats(const struct og_cgroup *cgroup, int v2_fd)
{
	og_auto_fd v1_fd = open_group(cgroup, "hugetlb");
	bool v2 = v1_fd < 0;
	int list_fd = openat(v2 ? v2_fd : v1_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	struct og_json *hugetlb = og_json_new_object();

	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		char size[32];
		char end[32];

		if (sscanf(entry->d_name, "hugetlb.%31[^.].%31s", size, end) != 2 ||
		    !og_streq(end, v2 ? "current" : "usage_in_bytes"))
			continue;
		og_json_set(hugetlb, size, hugetlb_entry(v2 ? v2_fd : v1_fd, size, v2));
	}
	if (dir != NULL)
		(void)closedir(dir);
	else
		og_close(list_fd);
	return hugetlb;
}

struct og_json *og_cgroup_stats(const struct og_cgroup *cgroup)
{
	og_auto_fd v2_fd = open_group(cgroup, "");
	struct og_json *stats = og_json_new_object();

	og_json_set(stats, "cpu", cpu_stats(cgroup, v2_fd));
	og_json_set(stats, "cpuset", cpuset_stats(cgroup));
	og_json_set(stats, "memory", memory_stats(cgroup, v2_fd));
	og_json_set(stats, "pids", pids_stats(cgroup, v2_fd));
	og_json_set(stats, "blkio", blkio_stats(cgroup, v2_fd));
	og_json_set(stats, "hugetlb", hugetlb_stats(cgroup, v2_fd));
	og_json_set(stats, "intel_rdt", og_json_new_object());
	og_json_set(stats, "network_interfaces", NULL);
	return stats;
}
