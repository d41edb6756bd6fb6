/* SPDX-License-Identifier: Apache-2.0 */
/* Commands to a machine that runs. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "vmm/control.h"
#include "vmmapi/bind.h"

static int tell(struct og_bind *bind, struct og_command *command, const void *body, size_t bytes,
		int fd, struct og_answer *ret_answer, struct og_err *err)
{
	memcpy(command->body, body, bytes);
	command->bytes = (uint32_t)bytes;
	return og_control_call(bind->process.control_fd, command, &fd, fd >= 0, ret_answer, err);
}

/* To the device @id; what it answers has @ret_bytes at least, or is not wanted. */
static int tell_device(struct og_bind *bind, const char *id, const void *body, size_t bytes, int fd,
		       void *ret_body, size_t ret_bytes, struct og_err *err)
{
	struct og_command command = { .kind = OG_COMMAND_DEVICE };
	struct og_answer answer;
	int r;

	(void)strncpy(command.id, id, sizeof(command.id) - 1);
	r = tell(bind, &command, body, bytes, fd, &answer, err);
	if (r == 0 && answer.bytes < ret_bytes)
		return og_fail(err, -EPROTO, "the machine's answer is too short");
	if (r == 0 && ret_bytes > 0)
		memcpy(ret_body, answer.body, ret_bytes);
	return r;
}

int og_bind_pin(struct og_bind *bind, const struct og_api_pin *pin, struct og_err *err)
{
	struct og_command command = { .kind = OG_COMMAND_PIN };
	struct og_answer answer;
	struct og_pin body = { .vcpu = (uint32_t)pin->vcpu };

	for (unsigned i = 0; i < pin->n_cpus; i++)
		body.mask[pin->cpus[i] / 64] |= 1ULL << pin->cpus[i] % 64;
	return tell(bind, &command, &body, sizeof(body), -EBADF, &answer, err);
}

static void convert_update(const struct og_api_limiter *from, struct og_limit_update *to)
{
	og_limit_convert(from, &to->config);
	to->set_bytes = (from->given & OG_LIMITER_BANDWIDTH) != 0;
	to->set_ops = (from->given & OG_LIMITER_OPS) != 0;
}

static int update_drive(struct og_bind *bind, struct og_vmmapi *api, const void *body,
			struct og_err *err)
{
	const struct og_api_drive_update *update = body;
	struct og_blk_command command = { .swap = update->path_on_host[0] != '\0' };
	struct og_api_opened_drive *drive = api->drives;
	og_auto_fd fd = -EBADF;
	int r;

	while (!og_streq(drive->body.drive_id, update->drive_id)) /* runtime.c saw it */
		drive++;
	if (command.swap) {
		r = og_vmmapi_open(update->path_on_host,
				   drive->body.is_read_only ? O_RDONLY : O_RDWR, &fd, err);
		if (r < 0)
			return og_fail_in(err, r, "path_on_host");
	}
	convert_update(&update->rate_limiter, &command.limits);
	r = tell_device(bind, update->drive_id, &command, sizeof(command), fd, NULL, 0, err);
	if (r == 0 && command.swap) {
		memcpy(drive->body.path_on_host, update->path_on_host,
		       sizeof(drive->body.path_on_host));
		(void)og_close(drive->fd);
		drive->fd = og_take_fd(&fd);
	}
	return r;
}

static int update_pmem(struct og_bind *bind, struct og_vmmapi *api, const void *body,
		       struct og_err *err)
{
	const struct og_api_pmem_update *update = body;
	struct og_pmem_command command = {};

	(void)api;
	convert_update(&update->rate_limiter, &command.limit);
	return tell_device(bind, update->id, &command, sizeof(command), -EBADF, NULL, 0, err);
}

static int update_net(struct og_bind *bind, struct og_vmmapi *api, const void *body,
		      struct og_err *err)
{
	const struct og_api_net_update *update = body;
	struct og_net_command command = {};

	(void)api;
	convert_update(&update->rx_rate_limiter, &command.rx);
	convert_update(&update->tx_rate_limiter, &command.tx);
	return tell_device(bind, update->iface_id, &command, sizeof(command), -EBADF, NULL, 0, err);
}

static int update_mmds(struct og_bind *bind, struct og_vmmapi *api, const void *body,
		       struct og_err *err)
{
	(void)body;
	return og_bind_send_mmds(bind, api, err);
}

static int tell_balloon(struct og_bind *bind, const struct og_balloon_command *command,
			struct og_balloon_status *ret_status, struct og_err *err)
{
	return tell_device(bind, "balloon", command, sizeof(*command), -EBADF, ret_status,
			   sizeof(*ret_status), err);
}

static int update_balloon(struct og_bind *bind, struct og_vmmapi *api, const void *body,
			  struct og_err *err)
{
	const struct og_api_balloon_update *update = body;
	struct og_balloon_command command = { .kind = OG_BALLOON_SET_AMOUNT,
					      .amount_mib = (uint32_t)update->amount_mib };
	struct og_balloon_status status;

	(void)api;
	return tell_balloon(bind, &command, &status, err);
}

static int update_balloon_stats(struct og_bind *bind, struct og_vmmapi *api, const void *body,
				struct og_err *err)
{
	const struct og_api_balloon_stats_update *update = body;
	struct og_balloon_command command = {
		.kind = OG_BALLOON_SET_STATS,
		.stats_interval_s = (uint16_t)update->stats_polling_interval_s,
	};
	struct og_balloon_status status;

	(void)api;
	return tell_balloon(bind, &command, &status, err);
}

static int start_hinting(struct og_bind *bind, struct og_vmmapi *api, const void *body,
			 struct og_err *err)
{
	const struct og_api_hinting *hinting = body;
	struct og_balloon_command command = {
		.kind = OG_BALLOON_HINT_START,
		.acknowledge_on_stop = hinting->acknowledge_on_stop,
	};
	struct og_balloon_status status;

	(void)api;
	return tell_balloon(bind, &command, &status, err);
}

static int stop_hinting(struct og_bind *bind, struct og_vmmapi *api, const void *body,
			struct og_err *err)
{
	struct og_balloon_command command = { .kind = OG_BALLOON_HINT_STOP };
	struct og_balloon_status status;

	(void)api;
	(void)body;
	return tell_balloon(bind, &command, &status, err);
}

static int tell_hotplug(struct og_bind *bind, const struct og_hotplug_command *command,
			struct og_hotplug_status *ret_status, struct og_err *err)
{
	return tell_device(bind, "hotplug", command, sizeof(*command), -EBADF, ret_status,
			   sizeof(*ret_status), err);
}

static int update_hotplug(struct og_bind *bind, struct og_vmmapi *api, const void *body,
			  struct og_err *err)
{
	const struct og_api_hotplug_update *update = body;
	struct og_hotplug_command command = { .kind = OG_HOTPLUG_REQUEST,
					      .requested_mib = update->requested_size_mib };
	struct og_hotplug_status status;

	(void)api;
	return tell_hotplug(bind, &command, &status, err);
}

static int pin(struct og_bind *bind, struct og_vmmapi *api, const void *body, struct og_err *err)
{
	(void)api;
	return og_bind_pin(bind, body, err);
}

static int press_keys(struct og_bind *bind, struct og_vmmapi *api, const void *body,
		      struct og_err *err)
{
	int r = og_control_tell(bind->process.control_fd, OG_COMMAND_CTRL_ALT_DEL, err);

	(void)api;
	(void)body;
	return r < 0 ? og_fail_in(err, r, "SendCtrlAltDel") : 0;
}

int og_bind_update(void *data, struct og_vmmapi *api, enum og_api_update update, const void *body,
		   struct og_err *err)
{
	static int (*const updates[OG_UPDATES])(struct og_bind * bind, struct og_vmmapi * api,
						const void *body, struct og_err *err) = {
		[OG_UPDATE_DRIVE] = update_drive,
		[OG_UPDATE_PMEM] = update_pmem,
		[OG_UPDATE_NET] = update_net,
		[OG_UPDATE_MMDS] = update_mmds,
		[OG_UPDATE_BALLOON] = update_balloon,
		[OG_UPDATE_BALLOON_STATS] = update_balloon_stats,
		[OG_UPDATE_HINTING_START] = start_hinting,
		[OG_UPDATE_HINTING_STOP] = stop_hinting,
		[OG_UPDATE_HOTPLUG] = update_hotplug,
		[OG_UPDATE_PIN] = pin,
		[OG_UPDATE_CTRL_ALT_DEL] = press_keys,
	};

	if (updates[update] == NULL)
		return og_fail_plain(err, -EOPNOTSUPP, "This change is not supported yet.");
	return updates[update](data, api, body, err);
}

static void set_number(struct og_json *json, const char *name, uint64_t number)
{
	og_json_set(json, name, og_json_new_uint(number));
}

/* Of pages of 4 KiB. */
#define PAGES_PER_MIB 256

static struct og_json *write_balloon_stats(const struct og_balloon_status *status)
{
	static const char *const names[OG_BALLOON_STATS] = {
		"swap_in",	    "swap_out",	   "major_faults",
		"minor_faults",	    "free_memory", "total_memory",
		"available_memory", "disk_caches", "hugetlb_allocations",
		"hugetlb_failures", "oom_kill",	   "alloc_stall",
		"async_scan",	    "direct_scan", "async_reclaim",
		"direct_reclaim",
	};
	struct og_json *json = og_json_new_object();

	set_number(json, "target_pages", status->target_pages);
	set_number(json, "actual_pages", status->actual_pages);
	set_number(json, "target_mib", status->target_pages / PAGES_PER_MIB);
	set_number(json, "actual_mib", status->actual_pages / PAGES_PER_MIB);
	for (unsigned i = 0; i < OG_BALLOON_STATS; i++)
		if ((status->stats_known >> i & 1) != 0)
			set_number(json, names[i], status->stats[i]);
	return json;
}

static struct og_json *write_hinting(const struct og_balloon_status *status)
{
	struct og_json *json = og_json_new_object();

	set_number(json, "host_cmd", status->host_cmd);
	og_json_set(json, "guest_cmd",
		    status->guest_cmd_known ? og_json_new_uint(status->guest_cmd) : NULL);
	return json;
}

static struct og_json *write_hotplug(const struct og_hotplug_status *status)
{
	struct og_json *json = og_json_new_object();

	set_number(json, "total_size_mib", status->total_mib);
	set_number(json, "slot_size_mib", status->slot_mib);
	set_number(json, "block_size_mib", status->block_mib);
	set_number(json, "plugged_size_mib", status->plugged_mib);
	set_number(json, "requested_size_mib", status->requested_mib);
	return json;
}

int og_bind_query(void *data, struct og_vmmapi *api, enum og_api_query query,
		  struct og_json **ret_json, struct og_err *err)
{
	struct og_balloon_command ask_balloon = { .kind = OG_BALLOON_GET };
	struct og_hotplug_command ask_hotplug = { .kind = OG_HOTPLUG_GET };
	struct og_balloon_status balloon;
	struct og_hotplug_status hotplug;
	int r;

	(void)api;
	if (query == OG_QUERY_HOTPLUG) {
		r = tell_hotplug(data, &ask_hotplug, &hotplug, err);
		if (r == 0)
			*ret_json = write_hotplug(&hotplug);
		return r;
	}
	r = tell_balloon(data, &ask_balloon, &balloon, err);
	if (r == 0)
		*ret_json = query == OG_QUERY_HINTING ? write_hinting(&balloon)
						      : write_balloon_stats(&balloon);
	return r;
}
