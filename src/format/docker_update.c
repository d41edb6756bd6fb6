/* SPDX-License-Identifier: Apache-2.0 */
#include "format/docker_update.h"

#include <errno.h>

#include "base/text.h"

/* Their ranges are those of create, which reads them again. */
static const char *const numbers[] = {
	"BlkioWeight", "CpuPeriod",	    "CpuQuota", "CpuShares", "Memory",
	"MemorySwap",  "MemoryReservation", "NanoCpus", "PidsLimit",
};

static const char *const texts[] = { "CpusetCpus", "CpusetMems" };

static const char *const fixed[] = {
	"BlkioWeightDevice",
	"BlkioDeviceReadBps",
	"BlkioDeviceWriteBps",
	"BlkioDeviceReadIOps",
	"BlkioDeviceWriteIOps",
	"CgroupParent",
	"CpuRealtimePeriod",
	"CpuRealtimeRuntime",
	"DeviceCgroupRules",
	"DeviceRequests",
	"Devices",
	"Init",
	"KernelMemory",
	"KernelMemoryTCP",
	"MemorySwappiness",
	"OomKillDisable",
	"Ulimits",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* -1 is what some members have for "not set". */
static bool is_asked(const struct og_json *value)
{
	switch (og_json_kind(value)) {
	case OG_JSON_NULL:
		return false;
	case OG_JSON_BOOL:
		return og_json_bool(value, true);
	case OG_JSON_INT:
		return og_json_int(value, 1) != 0 && og_json_int(value, 1) != -1;
	case OG_JSON_STRING:
		return *og_json_string(value, "x") != '\0';
	case OG_JSON_ARRAY:
	case OG_JSON_OBJECT:
		return og_json_count(value) > 0;
	case OG_JSON_DOUBLE:
		break;
	}
	return true;
}

static int take_limits(struct og_json *host, const struct og_json *asked, bool *ret_limits,
		       struct og_err *err)
{
	for (size_t i = 0; i < COUNT(numbers); i++) {
		int64_t value = 0;
		int r = og_json_opt_int(asked, numbers[i], INT64_MIN, INT64_MAX, &value, err);

		if (r < 0)
			return r;
		if (value == 0)
			continue;
		og_json_set_int(host, numbers[i], value);
		*ret_limits = true;
	}
	for (size_t i = 0; i < COUNT(texts); i++) {
		const char *text = "";
		int r = og_json_opt_string(asked, texts[i], &text, err);

		if (r < 0)
			return r;
		if (*text == '\0')
			continue;
		og_json_set_string(host, texts[i], text);
		*ret_limits = true;
	}
	return 0;
}

static int take_restart(struct og_json *host, const struct og_json *asked, struct og_err *err)
{
	struct og_json *policy = NULL;
	const char *name = "";
	int r = og_json_opt_object(asked, "RestartPolicy", &policy, err);

	if (r == 0)
		r = og_json_opt_string(policy, "Name", &name, err);
	if (r < 0 || *name == '\0')
		return r;
	if (!og_streq(name, "no") && og_json_bool(og_json_get(host, "AutoRemove"), false))
		return og_fail(err, -EINVAL,
			       "Restart policy cannot be updated because AutoRemove is enabled for "
			       "the container");
	og_json_set(host, "RestartPolicy", og_json_copy(policy));
	return 0;
}

/* A limit for memory and swap together that was given before must not be below the new one. */
static int check_swap(const struct og_json *host, const struct og_json *asked, struct og_err *err)
{
	int64_t memory = og_json_int(og_json_get(asked, "Memory"), 0);
	int64_t swap = og_json_int(og_json_get(host, "MemorySwap"), 0);

	if (swap > 0 && memory > swap && !is_asked(og_json_get(asked, "MemorySwap")))
		return og_fail(err, -EBUSY,
			       "Memory limit should be smaller than already set memoryswap limit, "
			       "update the memoryswap at the same time");
	return 0;
}

static int join(struct og_json *body, const struct og_json *asked, bool *ret_limits,
		struct og_err *err)
{
	struct og_json *host = og_json_get(body, "HostConfig");
	int r;

	if (og_json_kind(asked) != OG_JSON_OBJECT)
		return og_fail(err, -EINVAL, "the body must be a JSON object");
	for (size_t i = 0; i < COUNT(fixed); i++) {
		if (is_asked(og_json_get(asked, fixed[i])))
			return og_fail(err, -ENOSYS, "%s cannot be updated: leave it out",
				       fixed[i]);
	}
	if (host == NULL) {
		host = og_json_new_object();
		og_json_set(body, "HostConfig", host);
	}
	r = take_limits(host, asked, ret_limits, err);
	if (r == 0)
		r = check_swap(host, asked, err);
	return r == 0 ? take_restart(host, asked, err) : r;
}

int og_update_read(const struct og_json *body, const struct og_json *asked,
		   struct og_update *ret_update, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *joined = og_json_copy(body);
	bool limits = false;
	int r = join(joined, asked, &limits, err);

	if (r == 0)
		r = og_create_decode(joined, &ret_update->create, err);
	if (r < 0)
		return r;
	ret_update->limits = limits;
	ret_update->body = og_take_ptr(joined);
	return 0;
}

void og_update_done(struct og_update *update)
{
	(void)og_create_free(update->create);
	(void)og_json_free(update->body);
}

void og_update_apply(struct og_create *to, const struct og_create *from)
{
	to->blkio_weight = from->blkio_weight;
	to->cpu_period = from->cpu_period;
	to->cpu_quota = from->cpu_quota;
	to->cpu_shares = from->cpu_shares;
	to->cpuset_cpus = from->cpuset_cpus;
	to->cpuset_mems = from->cpuset_mems;
	to->memory = from->memory;
	to->memory_swap = from->memory_swap;
	to->memory_reservation = from->memory_reservation;
	to->nano_cpus = from->nano_cpus;
	to->pids_limit = from->pids_limit;
	to->restart_policy = from->restart_policy;
	to->restart_max = from->restart_max;
}
