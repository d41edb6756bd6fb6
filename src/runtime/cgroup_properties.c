/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources as properties of a unit (systemd.resource-control(5)). What has none there is
 * only written to the files, as without systemd.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "format/number_list.h"
#include "runtime/cgroup_rules.h"
#include "runtime/cgroup_scope.h"

#define PERIOD_DEFAULT_US 100000
#define SECOND_US	  1000000ULL
#define PERCENT_US	  10000ULL    /* systemd counts whole percents of a processor */
#define LIST_MAX	  8192	      /* numbers; og_number_list_read()'s */
#define DEVICES_MAX	  (64U << 10) /* bytes of /proc/devices: a line a driver */

void og_scope_property(struct og_json *list, const char *name, const char *type,
		       struct og_json *value)
{
	struct og_json *property = og_json_new_array();

	og_json_push(property, og_json_new_string(name));
	og_json_push(property, og_json_new_string(type));
	og_json_push(property, value);
	og_json_push(list, property);
}

static void number(struct og_json *list, const char *name, uint64_t value)
{
	og_scope_property(list, name, "t", og_json_new_uint(value));
}

/* 0 is not set, less is no limit: systemd's "infinity". */
static void amount(struct og_json *list, const char *name, const struct og_oci_int *value)
{
	if (value->set && value->value != 0)
		number(list, name, value->value < 0 ? UINT64_MAX : (uint64_t)value->value);
}

static void add_memory(const struct og_oci_memory *memory, bool v2, struct og_json *list)
{
	struct og_oci_int swap = memory->swap;

	amount(list, v2 ? "MemoryMax" : "MemoryLimit", &memory->limit);
	if (!v2)
		return;
	amount(list, "MemoryLow", &memory->reservation);
	/* Ours counts memory, too. None at all is a limit there. */
	if (swap.set && swap.value > 0 && memory->limit.value > 0 &&
	    swap.value >= memory->limit.value)
		number(list, "MemorySwapMax", (uint64_t)(swap.value - memory->limit.value));
	else if (swap.set && swap.value < 0)
		number(list, "MemorySwapMax", UINT64_MAX);
}

/* Rounded up: a group below may have no more than those above it. */
static void add_quota(const struct og_oci_cpu *cpu, struct og_json *list)
{
	uint64_t period = cpu->period.value != 0 ? cpu->period.value : PERIOD_DEFAULT_US;
	uint64_t a_second;

	if (cpu->period.value != 0)
		number(list, "CPUQuotaPeriodUSec", period);
	if (!cpu->quota.set || cpu->quota.value == 0)
		return;
	if (cpu->quota.value < 0) {
		number(list, "CPUQuotaPerSecUSec", UINT64_MAX);
		return;
	}
	a_second = (uint64_t)cpu->quota.value * SECOND_US / period;
	number(list, "CPUQuotaPerSecUSec", (a_second + PERCENT_US - 1) / PERCENT_US * PERCENT_US);
}

/* A mask in bytes, the first of which has the numbers 0 to 7. */
static void add_mask(const char *text, const char *name, struct og_json *list)
{
	struct og_number_list numbers;
	struct og_json *bytes;
	size_t count = 0;

	if (text == NULL || text[0] == '\0' || og_number_list_read(text, LIST_MAX, &numbers) < 0)
		return; /* the file will say what is wrong */
	bytes = og_json_new_array();
	for (size_t i = 0; i < LIST_MAX / 8; i++)
		count = numbers.words[i / 8] >> (i % 8 * 8) & 0xff ? i + 1 : count;
	for (size_t i = 0; i < count; i++)
		og_json_push(bytes, og_json_new_uint(numbers.words[i / 8] >> (i % 8 * 8) & 0xff));
	og_scope_property(list, name, "ay", bytes);
}

static void add_cpu(const struct og_oci_cpu *cpu, bool v2, struct og_json *list)
{
	if (cpu->shares.set && cpu->shares.value != 0)
		number(list, v2 ? "CPUWeight" : "CPUShares",
		       v2 ? og_cgroup_weight(cpu->shares.value) : cpu->shares.value);
	add_quota(cpu, list);
	if (!v2)
		return;
	add_mask(cpu->cpus, "AllowedCPUs", list);
	add_mask(cpu->mems, "AllowedMemoryNodes", list);
}

static void add_io(const struct og_oci_block_io *io, bool v2, struct og_json *list)
{
	uint64_t weight = io->weight.value;

	if (!io->weight.set || weight < 10)
		return;
	number(list, v2 ? "IOWeight" : "BlockIOWeight",
	       v2 ? 1 + (weight - 10) * 9999 / 990 : weight);
}

/* ---- devices ---- */

/* "char-pts" for major number 136: systemd knows the drivers by their names alone. */
static char *driver(const char *devices, int type, int64_t major)
{
	const char *line = strstr(devices, type == 'c' ? "Character devices:" : "Block devices:");

	for (line = line != NULL ? strchr(line, '\n') : NULL; line != NULL && line[1] != '\n';
	     line = strchr(line + 1, '\n')) {
		long long number;
		char name[64];

		if (sscanf(line, " %lld %63s", &number, name) == 2 && number == major)
			return og_strdupf("%s-%s", type == 'c' ? "char" : "block", name);
		if (line[1] == '\0')
			break;
	}
	return NULL;
}

static struct og_json *pair(const struct og_device_rule *rule, const char *name)
{
	struct og_json *both = og_json_new_array();
	char access[4];

	(void)snprintf(access, sizeof(access), "%s%s%s",
		       (rule->access & OG_DEVICE_READ) != 0 ? "r" : "",
		       (rule->access & OG_DEVICE_WRITE) != 0 ? "w" : "",
		       (rule->access & OG_DEVICE_MKNOD) != 0 ? "m" : "");
	og_json_push(both, og_json_new_string(name));
	og_json_push(both, og_json_new_string(access));
	return both;
}

static void allow(const struct og_device_rule *rule, const char *devices, struct og_json *allowed)
{
	const char *kind = rule->type == 'c' ? "char" : "block";
	og_auto_free char *name = NULL;

	if (rule->major < 0)
		name = og_strdupf("%s-*", kind);
	else if (rule->minor < 0)
		name = driver(devices, rule->type, rule->major);
	else
		name = og_strdupf("/dev/%s/%lld:%lld", kind, rule->major, rule->minor);
	if (name != NULL) /* no such driver: there is nothing to be allowed */
		og_json_push(allowed, pair(rule, name));
}

/* So that systemd, when it is loaded again, does not open version 1's lists to everything. */
static void add_devices(const struct og_oci_resources *resources, struct og_json *list)
{
	og_cleanup(og_device_rules_done) struct og_device_rules rules = {};
	og_auto_free char *devices = NULL;
	struct og_json *allowed;

	/* What is wrong with them is said by who writes them; systemd knows only what is allowed. */
	if (og_device_rules_new(resources, &rules, NULL) < 0 || rules.allow ||
	    og_read_file(AT_FDCWD, "/proc/devices", DEVICES_MAX, &devices, NULL, NULL) < 0)
		return;
	allowed = og_json_new_array();
	for (size_t i = 0; i < rules.count; i++)
		allow(&rules.items[i], devices, allowed);
	og_scope_property(list, "DevicePolicy", "s", og_json_new_string("strict"));
	og_scope_property(list, "DeviceAllow", "a(ss)", allowed);
}

void og_scope_properties(const struct og_oci_resources *resources, bool v2, struct og_json *list)
{
	add_memory(&resources->memory, v2, list);
	add_cpu(&resources->cpu, v2, list);
	amount(list, "TasksMax", &resources->pids.limit);
	add_io(&resources->block_io, v2, list);
	if (resources->devices.count > 0)
		add_devices(resources, list);
}
