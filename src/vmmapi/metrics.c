/* SPDX-License-Identifier: Apache-2.0 */
#include "vmmapi/metrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "vmmapi/routes.h"

struct counter {
	const char *name;
	size_t at; /* in the group's struct */
};

struct group {
	const char *name;
	size_t at; /* in struct og_metrics */
	const struct counter *counters;
	size_t n_counters;
	size_t stride; /* not 0: one a device, and a sum under the group's own name */
};

#define COUNTER(member)                                 \
	{                                               \
#member, offsetof(struct GROUP, member) \
	}
#define NAMED(name, member)                          \
	{                                            \
		name, offsetof(struct GROUP, member) \
	}
#define VIRTIO                                                                                    \
	NAMED("activate_fails", virtio.activate_fails), NAMED("event_count", virtio.event_count), \
		NAMED("event_fails", virtio.protocol_fails)
#define GROUP_OF(name, member, counters)                             \
	{                                                            \
		name, offsetof(struct og_metrics, member), counters, \
			sizeof(counters) / sizeof((counters)[0]), 0  \
	}
#define GROUPS_OF(name, member, counters)                            \
	{                                                            \
		name, offsetof(struct og_metrics, member), counters, \
			sizeof(counters) / sizeof((counters)[0]),    \
			sizeof(((struct og_metrics *)0)->member[0])  \
	}

#define GROUP og_blk_metrics
static const struct counter blk[] = {
	NAMED("activate_fails", virtio.activate_fails),
	NAMED("queue_event_count", virtio.event_count),
	NAMED("event_fails", virtio.protocol_fails),
	COUNTER(read_bytes),
	COUNTER(write_bytes),
	COUNTER(read_count),
	COUNTER(write_count),
	COUNTER(flush_count),
	COUNTER(discard_count),
	COUNTER(execute_fails),
	COUNTER(update_count),
	COUNTER(update_fails),
	COUNTER(rate_limiter_throttled_events),
	COUNTER(io_engine_throttled_events),
};
#undef GROUP
#define GROUP og_net_metrics
static const struct counter net[] = {
	VIRTIO,
	COUNTER(rx_bytes_count),
	COUNTER(rx_packets_count),
	COUNTER(rx_count),
	COUNTER(rx_fails),
	COUNTER(tx_bytes_count),
	COUNTER(tx_packets_count),
	COUNTER(tx_count),
	COUNTER(tx_fails),
	COUNTER(tap_read_fails),
	COUNTER(tap_write_fails),
	COUNTER(no_rx_avail_buffer),
	COUNTER(tx_malformed_frames),
	COUNTER(tx_spoofed_mac_count),
	COUNTER(rx_rate_limiter_throttled),
	COUNTER(tx_rate_limiter_throttled),
	COUNTER(mac_address_updates),
};
#undef GROUP
#define GROUP og_vsock_metrics
static const struct counter vsock[] = {
	VIRTIO,
	COUNTER(rx_bytes_count),
	COUNTER(rx_packets_count),
	COUNTER(rx_read_fails),
	COUNTER(tx_bytes_count),
	COUNTER(tx_packets_count),
	COUNTER(tx_write_fails),
	COUNTER(conns_added),
	COUNTER(conns_killed),
	COUNTER(conns_removed),
};
#undef GROUP
#define GROUP og_balloon_metrics
static const struct counter balloon[] = {
	VIRTIO,
	COUNTER(inflate_count),
	COUNTER(deflate_count),
	COUNTER(stats_updates_count),
	COUNTER(stats_update_fails),
	COUNTER(free_page_report_count),
	COUNTER(free_page_report_freed),
	COUNTER(free_page_hint_count),
	COUNTER(free_page_hint_freed),
};
#undef GROUP
#define GROUP og_rng_metrics
static const struct counter entropy[] = {
	NAMED("activate_fails", virtio.activate_fails),
	NAMED("entropy_event_count", virtio.event_count),
	NAMED("entropy_event_fails", virtio.protocol_fails),
	COUNTER(entropy_bytes),
	COUNTER(host_rng_fails),
	COUNTER(entropy_rate_limiter_throttled),
};
#undef GROUP
#define GROUP og_mem_hotplug_metrics
static const struct counter mem_hotplug[] = {
	NAMED("activate_fails", virtio.activate_fails),
	NAMED("queue_event_count", virtio.event_count),
	NAMED("queue_event_fails", virtio.protocol_fails),
	COUNTER(plug_count),
	COUNTER(plug_bytes),
	COUNTER(plug_fails),
	COUNTER(unplug_count),
	COUNTER(unplug_bytes),
	COUNTER(unplug_fails),
	COUNTER(unplug_all_count),
	COUNTER(state_count),
};
#undef GROUP
#define GROUP og_pmem_metrics
static const struct counter pmem[] = {
	NAMED("activate_fails", virtio.activate_fails),
	NAMED("queue_event_count", virtio.event_count),
	NAMED("event_fails", virtio.protocol_fails),
	COUNTER(flush_count),
	COUNTER(flush_fails),
	COUNTER(rate_limiter_throttled_events),
};
#undef GROUP
#define GROUP og_fs_metrics
static const struct counter fs[] = {
	VIRTIO,
	COUNTER(request_count),
	COUNTER(request_fails),
	COUNTER(read_bytes),
	COUNTER(write_bytes),
};
#undef GROUP
#define GROUP og_vcpu_metrics
static const struct counter vcpu[] = {
	COUNTER(exit_io_in),	  COUNTER(exit_io_out), COUNTER(exit_mmio_read),
	COUNTER(exit_mmio_write), COUNTER(failures),
};
#undef GROUP
#define GROUP og_mmds_metrics
static const struct counter mmds[] = {
	COUNTER(rx_accepted),
	COUNTER(rx_accepted_err),
	COUNTER(rx_accepted_unusual),
	COUNTER(rx_count),
	COUNTER(tx_bytes),
	COUNTER(tx_count),
	COUNTER(tx_errors),
	COUNTER(tx_frames),
	COUNTER(connections_created),
	COUNTER(connections_destroyed),
	COUNTER(rx_invalid_token),
	COUNTER(rx_no_token),
};
#undef GROUP
#define GROUP og_uart_metrics
static const struct counter uart[] = {
	COUNTER(read_count),
	COUNTER(write_count),
	COUNTER(missed_write_count),
	COUNTER(rate_limiter_dropped_bytes),
};
static const struct counter i8042[] = { { "reset_count", 0 } };
static const struct counter vmm[] = { { "panic_count", 0 } };

static const struct group groups[] = {
	GROUPS_OF("block", blk, blk),	   GROUPS_OF("net", net, net),
	GROUPS_OF("fs", fs, fs),	   GROUPS_OF("pmem", pmem, pmem),
	GROUP_OF("vsock", vsock, vsock),   GROUP_OF("balloon", balloon, balloon),
	GROUP_OF("entropy", rng, entropy), GROUP_OF("memory_hotplug", mem_hotplug, mem_hotplug),
	GROUP_OF("vcpu", vcpu, vcpu),	   GROUP_OF("mmds", mmds, mmds),
	GROUP_OF("uart", uart, uart),	   GROUP_OF("i8042", i8042_reset_count, i8042),
	GROUP_OF("vmm", panic_count, vmm),
};

int og_metrics_configure(struct og_metrics_output *output, const struct og_api_metrics *config,
			 struct og_err *err)
{
	int fd, r;

	if (output->fd >= 0)
		return og_fail_plain(err, -EBUSY, "Reinitialization of metrics not allowed.");
	r = og_open_sink(config->metrics_path, &fd, err);
	if (r < 0)
		return og_fail_in(err, r,
				  "Cannot initialize the metrics system due to bad user "
				  "input");
	output->fd = fd;
	output->emit_id = config->emit_id;
	memcpy(output->properties, config->properties, sizeof(output->properties));
	output->n_properties = config->n_properties;
	return 0;
}

static uint64_t added(const struct og_metrics_output *output, size_t at)
{
	og_count *now = (og_count *)(void *)((uint8_t *)output->shared + at);
	og_count *before = (og_count *)(void *)((uint8_t *)output->before + at);

	return atomic_load_explicit(now, memory_order_relaxed) -
	       atomic_load_explicit(before, memory_order_relaxed);
}

static void forget(const struct og_metrics_output *output, size_t at, uint64_t n)
{
	og_counted((og_count *)(void *)((uint8_t *)output->before + at), n);
}

/* The counters of one device, and what they add to the sum of its kind. */
static struct og_json *collect_one(const struct og_metrics_output *output,
				   const struct group *group, size_t at, uint64_t *sums)
{
	struct og_json *json = og_json_new_object();

	for (size_t i = 0; i < group->n_counters; i++) {
		size_t place = at + group->counters[i].at;
		uint64_t n = added(output, place);

		og_json_set(json, group->counters[i].name, og_json_new_uint(n));
		sums[i] += n;
		forget(output, place, n); /* and not what was added since */
	}
	return json;
}

/* The ids of a kind of device, in the order of their counters. */
static const char *device_id(const struct og_vmmapi *api, const struct group *group, unsigned i)
{
	switch (group->at) {
	case offsetof(struct og_metrics, blk):
		return i < api->n_drives ? api->drives[i].body.drive_id : NULL;
	case offsetof(struct og_metrics, net):
		return i < api->n_nets ? api->nets[i].iface_id : NULL;
	case offsetof(struct og_metrics, fs):
		return i < api->n_shares ? api->shares[i].id : NULL;
	case offsetof(struct og_metrics, pmem):
		return i < api->n_pmems ? api->pmems[i].body.id : NULL;
	default:
		return NULL;
	}
}

static void collect_group(const struct og_metrics_output *output, const struct og_vmmapi *api,
			  const struct group *group, struct og_json *json)
{
	uint64_t sums[32] = {};
	struct og_json *sum;
	char name[OG_VMM_ID_MAX + 16];
	const char *id;

	if (group->stride == 0) {
		og_json_set(json, group->name, collect_one(output, group, group->at, sums));
		return;
	}
	for (unsigned i = 0; (id = device_id(api, group, i)) != NULL; i++) {
		(void)snprintf(name, sizeof(name), "%s_%s", group->name, id);
		og_json_set(json, name,
			    collect_one(output, group, group->at + i * group->stride, sums));
	}
	sum = og_json_new_object();
	for (size_t i = 0; i < group->n_counters; i++)
		og_json_set(sum, group->counters[i].name, og_json_new_uint(sums[i]));
	og_json_set(json, group->name, sum);
}

static void add_to(struct og_json *group, const char *counter, const char *what, uint64_t n)
{
	char name[48];

	(void)snprintf(name, sizeof(name), "%s_%s", counter, what);
	n += og_json_uint(og_json_get(group, name), 0);
	og_json_set(group, name, og_json_new_uint(n));
}

static void collect_requests(struct og_metrics_output *output, struct og_json *json)
{
	static const char *const names[] = { "get_api_requests", "put_api_requests",
					     "patch_api_requests" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		og_json_set(json, names[i], og_json_new_object());
	for (unsigned i = 0; i < og_n_routes; i++) {
		struct og_request_counters *now = &output->requests[i];
		struct og_request_counters *before = &output->requests_before[i];
		struct og_json *group = og_json_get(json, names[og_routes[i].method]);
		const char *counter = og_routes[i].counter;

		if (counter == NULL)
			continue;
		add_to(group, counter, "count", now->count - before->count);
		if (og_routes[i].method != OG_HTTP_GET)
			add_to(group, counter, "fails", now->fails - before->fails);
		*before = *now;
	}
}

static struct og_json *pairs(const char *const *names, const uint64_t *values, size_t n)
{
	struct og_json *json = og_json_new_object();

	for (size_t i = 0; i < n; i++)
		og_json_set(json, names[i], og_json_new_uint(values[i]));
	return json;
}

static void collect_own(struct og_metrics_output *output, const struct og_vmmapi *api,
			struct og_json *json)
{
	static const char *const server[] = { "process_startup_time_us",
					      "process_startup_time_cpu_us" };
	static const char *const latencies[] = { "pause_vm", "resume_vm", "full_create_snapshot",
						 "diff_create_snapshot", "load_snapshot" };
	static const char *const logs[] = { "missed_log_count", "missed_metrics_count" };
	uint64_t logged[] = { api->logger.missed, output->missed - output->missed_before };
	uint64_t took[] = { output->pause_us, output->resume_us, output->full_snapshot_us,
			    output->diff_snapshot_us, output->load_us };
	uint64_t started[] = { output->startup_us, output->startup_cpu_us };
	uint64_t deprecated = output->deprecated_calls - output->deprecated_calls_before;

	og_json_set(json, "api_server", pairs(server, started, 2));
	og_json_set(json, "latencies_us", pairs(latencies, took, 5));
	og_json_set(json, "logger", pairs(logs, logged, 2));
	og_json_set(json, "deprecated_api",
		    pairs((const char *const[]){ "deprecated_http_api_calls" }, &deprecated, 1));
	output->deprecated_calls_before = output->deprecated_calls;
	output->missed_before = output->missed;
}

struct og_json *og_metrics_collect(struct og_metrics_output *output, const struct og_vmmapi *api)
{
	struct og_json *json = og_json_new_object();
	struct og_json *properties;
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	og_json_set_int(json, "utc_timestamp_ms", now.tv_sec * 1000 + now.tv_nsec / 1000000);
	if (output->emit_id)
		og_json_set_string(json, "id", api->id);
	if (output->n_properties > 0) {
		properties = og_json_new_object();
		for (unsigned i = 0; i < output->n_properties; i++)
			og_json_set_string(properties, output->properties[i].key,
					   output->properties[i].value);
		og_json_set(json, "properties", properties);
	}
	collect_own(output, api, json);
	collect_requests(output, json);
	for (size_t i = 0; output->shared != NULL && i < sizeof(groups) / sizeof(groups[0]); i++)
		collect_group(output, api, &groups[i], json);
	return json;
}

int og_metrics_flush(struct og_metrics_output *output, const struct og_vmmapi *api,
		     struct og_err *err)
{
	og_auto_free char *text = NULL;
	struct og_json *json;
	size_t len;

	if (output->fd < 0)
		return og_fail_plain(
			err, -ENOENT,
			"Internal VMM error: the metrics have no output: PUT /metrics.");
	json = og_metrics_collect(output, api);
	text = og_json_write(json);
	(void)og_json_free(json);
	if (text == NULL)
		return og_fail(err, -ENOMEM, "write metrics");
	len = strlen(text);
	text[len] = '\n'; /* in the place of the NUL: one write, one line */
	if (write(output->fd, text, len + 1) != (ssize_t)(len + 1)) {
		output->missed++;
		return og_fail(err, errno == 0 ? -EIO : -errno, "write metrics");
	}
	return 0;
}
