/* SPDX-License-Identifier: Apache-2.0 */
/* What a workload uses, as Docker's StatsResponse; the counting is onggi-runtime's. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "engine/internal.h"

#define PROC_FILE_MAX (1U << 20) /* /proc/stat of hundreds of processors; /proc/PID/net/dev */

#define NS_PER_S UINT64_C(1000000000)

struct target {
	pid_t pid; /* 0: it does not run */
	char name[258];
};

static char *proc_file(const char *path)
{
	char *text = NULL;

	return og_read_file(AT_FDCWD, path, PROC_FILE_MAX, &text, NULL, NULL) < 0 ? NULL : text;
}

/* @from's member @key, or 0, as @to's member @as. */
static void set_number(struct og_json *to, const char *as, const struct og_json *from,
		       const char *key)
{
	og_json_set(to, as, og_json_new_uint(og_json_uint(og_json_get(from, key), 0)));
}

/* ---- processors ---- */

/* What all processors did, in nanoseconds: the first seven numbers of /proc/stat. */
static uint64_t system_usage(void)
{
	og_auto_free char *text = proc_file("/proc/stat");
	uint64_t total = 0;
	char *at = text;

	if (text == NULL || !og_starts_with(text, "cpu "))
		return 0;
	at += strlen("cpu ");
	for (int i = 0; i < 7; i++)
		total += strtoull(at, &at, 10);
	return total * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* @cpu NULL: nothing is known, which is how Docker shows what was before the first look. */
static struct og_json *cpu_stats(const struct og_json *cpu)
{
	const struct og_json *used = og_json_get(cpu, "usage");
	const struct og_json *each = og_json_get(used, "percpu");
	const struct og_json *held = og_json_get(cpu, "throttling");
	struct og_json *json = og_json_new_object();
	struct og_json *usage = og_json_new_object();
	struct og_json *throttling = og_json_new_object();

	set_number(usage, "total_usage", used, "total");
	if (each != NULL)
		og_json_set(usage, "percpu_usage", og_json_copy(each));
	set_number(usage, "usage_in_kernelmode", used, "kernel");
	set_number(usage, "usage_in_usermode", used, "user");
	og_json_set(json, "cpu_usage", usage);
	if (cpu != NULL) {
		og_json_set(json, "system_cpu_usage", og_json_new_uint(system_usage()));
		og_json_set_int(json, "online_cpus", sysconf(_SC_NPROCESSORS_ONLN));
	}
	set_number(throttling, "periods", held, "periods");
	set_number(throttling, "throttled_periods", held, "throttledPeriods");
	set_number(throttling, "throttled_time", held, "throttledTime");
	og_json_set(json, "throttling_data", throttling);
	return json;
}

/* ---- memory ---- */

static uint64_t host_memory(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static struct og_json *memory_stats(const struct og_json *memory)
{
	const struct og_json *usage = og_json_get(memory, "usage");
	const struct og_json *raw = og_json_get(memory, "raw");
	uint64_t limit = og_json_uint(og_json_get(usage, "limit"), UINT64_MAX);
	uint64_t failures = og_json_uint(og_json_get(usage, "failcnt"), 0);
	struct og_json *json = og_json_new_object();

	if (usage == NULL)
		return json;
	set_number(json, "usage", usage, "usage");
	if (og_json_get(usage, "max") != NULL)
		set_number(json, "max_usage", usage, "max");
	if (raw != NULL)
		og_json_set(json, "stats", og_json_copy(raw));
	if (failures > 0)
		set_number(json, "failcnt", usage, "failcnt");
	/* No limit is that of the host. */
	og_json_set(json, "limit", og_json_new_uint(limit < host_memory() ? limit : host_memory()));
	return json;
}

/* ---- the rest ---- */

static struct og_json *pids_stats(const struct og_json *pids)
{
	struct og_json *json = og_json_new_object();

	if (og_json_get(pids, "current") != NULL)
		set_number(json, "current", pids, "current");
	if (og_json_get(pids, "limit") != NULL)
		set_number(json, "limit", pids, "limit");
	return json;
}

static struct og_json *device_counts(const struct og_json *list)
{
	struct og_json *json = og_json_new_array();

	for (size_t i = 0; i < og_json_count(list); i++) {
		const struct og_json *from = og_json_at(list, i);
		struct og_json *entry = og_json_new_object();

		set_number(entry, "major", from, "major");
		set_number(entry, "minor", from, "minor");
		og_json_set_string(entry, "op", og_json_string(og_json_get(from, "op"), ""));
		set_number(entry, "value", from, "value");
		og_json_push(json, entry);
	}
	return json;
}

static struct og_json *blkio_stats(const struct og_json *blkio)
{
	static const char *const unknown[] = {
		"io_queue_recursive",  "io_service_time_recursive", "io_wait_time_recursive",
		"io_merged_recursive", "io_time_recursive",	    "sectors_recursive"
	};
	struct og_json *json = og_json_new_object();

	og_json_set(json, "io_service_bytes_recursive",
		    device_counts(og_json_get(blkio, "ioServiceBytesRecursive")));
	og_json_set(json, "io_serviced_recursive",
		    device_counts(og_json_get(blkio, "ioServicedRecursive")));
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		og_json_set(json, unknown[i], og_json_new_array());
	return json;
}

/* "  eth0: 876 10 0 0 0 0 0 0 0 0 ...": bytes, packets, errors, drops in, and from the ninth on out. */
static void add_interface(struct og_json *networks, const char *line)
{
	static const char *const keys[] = { "rx_bytes", "rx_packets", "rx_errors", "rx_dropped",
					    NULL,	NULL,	      NULL,	   NULL,
					    "tx_bytes", "tx_packets", "tx_errors", "tx_dropped" };
	const char *name = line + strspn(line, " ");
	const char *colon = strchr(name, ':');
	struct og_json *json;
	char *at;
	char text[32];

	if (colon == NULL || (size_t)(colon - name) >= sizeof(text))
		return;
	(void)snprintf(text, sizeof(text), "%.*s", (int)(colon - name), name);
	if (og_streq(text, "lo"))
		return;
	json = og_json_new_object();
	at = (char *)(uintptr_t)colon + 1;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		uint64_t value = strtoull(at, &at, 10);

		if (keys[i] != NULL)
			og_json_set(json, keys[i], og_json_new_uint(value));
	}
	og_json_set(networks, text, json);
}

/* Those of its own network namespace; NULL: none. A VM's process is in the host's. */
static struct og_json *networks(const struct og_record *record, pid_t pid)
{
	og_cleanup(og_json_freep) struct og_json *json = og_json_new_object();
	og_auto_free char *text = NULL;
	char path[48];
	char *rest;

	if (record->create->network == OG_NETWORK_HOST || og_streq(record->create->isolation, "vm"))
		return NULL;
	(void)snprintf(path, sizeof(path), "/proc/%d/net/dev", (int)pid);
	text = proc_file(path);
	rest = text;
	for (char *line; text != NULL && (line = strsep(&rest, "\n")) != NULL;)
		add_interface(json, line);
	return og_json_count(json) == 0 ? NULL : og_take_ptr(json);
}

/* ---- the whole ---- */

static void look(struct og_record *record, struct target *target)
{
	(void)pthread_mutex_lock(&record->engine->lock);
	target->pid = og_record_runs(record) ? record->pid : 0;
	(void)snprintf(target->name, sizeof(target->name), "/%s", record->name);
	(void)pthread_mutex_unlock(&record->engine->lock);
}

/* `events --stats` writes one line {"type":"stats","id":…,"data":{…}}. */
static int count(struct og_record *record, struct og_json **ret_event, struct og_err *err)
{
	const char *words[] = { "events", "--stats", record->id, NULL };
	og_auto_free char *output = NULL;
	int r = og_runtime_run(record->engine, words, NULL, &output, err);

	if (r < 0)
		return r;
	if (output == NULL || og_json_parse(output, strlen(output), ret_event, err) < 0)
		return og_fail(err, -EREMOTEIO, "onggi-runtime events: it wrote no statistics");
	return 0;
}

/* As Docker: of one that does not run, its name and zeros. */
static struct og_json *stats_json(const struct og_record *record, const struct target *target,
				  const struct og_json *data)
{
	struct og_json *json = og_json_new_object();
	struct og_json *interfaces = data == NULL ? NULL : networks(record, target->pid);
	char now[OG_CLOCK_TEXT_BYTES] = OG_CLOCK_NEVER;

	if (data != NULL)
		og_clock_now(now);
	og_json_set_string(json, "read", now);
	og_json_set_string(json, "preread", OG_CLOCK_NEVER);
	og_json_set(json, "pids_stats", pids_stats(og_json_get(data, "pids")));
	og_json_set(json, "blkio_stats", blkio_stats(og_json_get(data, "blkio")));
	og_json_set_int(json, "num_procs", 0);
	og_json_set(json, "storage_stats", og_json_new_object());
	og_json_set(json, "cpu_stats", cpu_stats(og_json_get(data, "cpu")));
	og_json_set(json, "precpu_stats", cpu_stats(NULL));
	og_json_set(json, "memory_stats", memory_stats(og_json_get(data, "memory")));
	og_json_set_string(json, "name", target->name);
	og_json_set_string(json, "id", record->id);
	if (interfaces != NULL)
		og_json_set(json, "networks", interfaces);
	return json;
}

int og_engine_stats(struct og_engine *engine, const char *name, struct og_json **ret_json,
		    struct og_err *err)
{
	og_auto_record record = NULL;
	og_cleanup(og_json_freep) struct og_json *event = NULL;
	struct target target;
	int r = og_table_find(engine, name, &record, err);

	if (r < 0)
		return r;
	look(record, &target);
	if (target.pid != 0)
		r = count(record, &event, err);
	if (r < 0) {
		/* It may have ended meanwhile. */
		look(record, &target);
		if (target.pid != 0)
			return r;
	}
	*ret_json = stats_json(record, &target, og_json_get(event, "data"));
	return 0;
}
