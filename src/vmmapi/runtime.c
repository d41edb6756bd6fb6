/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to a machine that was started, and the start itself. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "vmmapi/routes.h"

static uint64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int start(struct og_vmmapi *api, struct og_err *err)
{
	int r;

	if (api->phase != OG_API_NOT_STARTED)
		return og_fail_plain(err, -EBUSY,
				     "The requested operation is not supported after starting the "
				     "microVM.");
	if (api->kernel_fd < 0)
		return og_fail_plain(err, -EINVAL,
				     "Start microvm error: Cannot start microvm without kernel "
				     "configuration.");
	r = api->ops->start(api->data, api, err);
	if (r < 0)
		return og_fail_in(err, r, "Start microvm error");
	api->phase = OG_API_RUNNING;
	og_log(&api->logger, OG_LEVEL_INFO, "vmm", "The microVM was started.");
	return 0;
}

int og_put_action(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		  struct og_err *err)
{
	const struct og_api_action *action = body;

	(void)ret_json;
	if (action->action_type == OG_ACTION_INSTANCE_START)
		return start(api, err);
	if (api->phase == OG_API_NOT_STARTED)
		return og_fail_plain(err, -EBUSY,
				     "The requested operation is not supported before starting the "
				     "microVM.");
	if (action->action_type == OG_ACTION_FLUSH_METRICS)
		return og_metrics_flush(&api->metrics, api, err);
	return api->ops->update(api->data, api, OG_UPDATE_CTRL_ALT_DEL, NULL, err);
}

/* Pausing what is paused, and resuming what runs, changes nothing and is no error. */
int og_patch_vm(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		struct og_err *err)
{
	bool pause = ((const struct og_api_vm_state *)body)->state == 0;
	enum og_api_phase wanted = pause ? OG_API_PAUSED : OG_API_RUNNING;
	uint64_t from = now_us();
	int r;

	(void)ret_json;
	if (api->phase == wanted)
		return 0;
	r = (pause ? api->ops->pause : api->ops->resume)(api->data, err);
	if (r < 0)
		return og_fail_in(err, r, "Internal VMM error");
	api->phase = wanted;
	*(pause ? &api->metrics.pause_us : &api->metrics.resume_us) = now_us() - from;
	og_log(&api->logger, OG_LEVEL_INFO, "vmm", "The microVM is %s now.",
	       pause ? "paused" : "running");
	return 0;
}

int og_put_snapshot_create(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
			   struct og_err *err)
{
	const struct og_api_snapshot_create *create = body;
	bool diff = create->snapshot_type == 1;
	uint64_t from = now_us();
	int r;

	(void)ret_json;
	if (api->phase != OG_API_PAUSED)
		return og_fail_plain(err, -EBUSY, "The microVM must be paused.");
	if (diff && !api->machine.track_dirty_pages)
		return og_fail_plain(err, -EINVAL,
				     "snapshot_type: Diff needs track_dirty_pages in the machine's "
				     "configuration.");
	r = api->ops->snapshot(api->data, api, create, err);
	if (r == 0)
		*(diff ? &api->metrics.diff_snapshot_us : &api->metrics.full_snapshot_us) =
			now_us() - from;
	return r;
}

/* One of two ways to say where the memory is. */
static int check_load(struct og_vmmapi *api, struct og_api_snapshot_load *load, struct og_err *err)
{
	bool backend = og_body_has(&og_body_snapshot_load, load, "mem_backend");
	bool path = load->mem_file_path[0] != '\0';

	if (backend && path)
		return og_fail_plain(err, -EINVAL,
				     "too many fields: either `mem_backend` or `mem_file_path` "
				     "exclusively is required.");
	if (!backend && !path)
		return og_fail_plain(err, -EINVAL,
				     "missing field: either `mem_backend` or `mem_file_path` is "
				     "required.");
	if (api->touched)
		return og_fail_plain(err, -EBUSY,
				     "Loading a microVM snapshot not allowed after configuring "
				     "boot-specific resources.");
	if (path)
		memcpy(load->mem_backend.backend_path, load->mem_file_path,
		       sizeof(load->mem_backend.backend_path));
	load->track_dirty_pages |= load->enable_diff_snapshots;
	return 0;
}

int og_put_snapshot_load(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
			 struct og_err *err)
{
	/* Changed in place: nobody reads it later, and a copy of 13 KiB lies on pages of stack that
	 * the machine's fork makes this process copy once more. */
	struct og_api_snapshot_load *load = (void *)(uintptr_t)body;
	uint64_t from = now_us();
	int r = check_load(api, load, err);

	(void)ret_json;
	if (r == 0)
		r = api->ops->load(api->data, api, load, err);
	if (r < 0)
		return r;
	api->phase = load->resume_vm ? OG_API_RUNNING : OG_API_PAUSED;
	api->machine.track_dirty_pages = load->track_dirty_pages;
	api->metrics.load_us = now_us() - from;
	return 0;
}

int og_put_fork(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		struct og_err *err)
{
	(void)ret_json;
	return api->ops->fork(api->data, api, body, err);
}

/* Before the start it is kept: the last word on a vCPU counts. */
int og_put_pin(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
	       struct og_err *err)
{
	const struct og_api_pin *pin = body;

	(void)ret_json;
	if (pin->n_cpus == 0)
		return og_fail_plain(err, -EINVAL, "cpus: at least one is needed.");
	if (api->phase != OG_API_NOT_STARTED)
		return api->ops->update(api->data, api, OG_UPDATE_PIN, pin, err);
	if (pin->vcpu >= api->machine.vcpu_count)
		return og_fail_plain(err, -EINVAL, "vcpu: there is no vCPU %u.",
				     (unsigned)pin->vcpu);
	for (unsigned i = 0; i < api->n_pins; i++)
		if (api->pins[i].vcpu == pin->vcpu) {
			api->pins[i] = *pin;
			return 0;
		}
	api->pins[api->n_pins++] = *pin; /* no more than there are vCPUs */
	return 0;
}

/* What was changed is shown, and goes with a snapshot: @limiter is the field @name of @data. */
static void keep_limiter(const struct og_body *body, void *data, const char *name,
			 struct og_api_limiter *limiter, const struct og_api_limiter *update)
{
	if ((update->given & OG_LIMITER_BANDWIDTH) != 0)
		limiter->bandwidth = update->bandwidth;
	if ((update->given & OG_LIMITER_OPS) != 0)
		limiter->ops = update->ops;
	limiter->given |= update->given;
	if (limiter->given != 0)
		og_body_mark(body, data, name);
}

int og_patch_drive(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		   struct og_err *err)
{
	const struct og_api_drive_update *update = body;
	int r;

	(void)ret_json;
	for (unsigned i = 0; i < api->n_drives; i++) {
		struct og_api_drive *drive = &api->drives[i].body;

		if (!og_streq(drive->drive_id, update->drive_id))
			continue;
		r = api->ops->update(api->data, api, OG_UPDATE_DRIVE, body, err);
		if (r == 0)
			keep_limiter(&og_body_drive, drive, "rate_limiter", &drive->rate_limiter,
				     &update->rate_limiter);
		return r;
	}
	return og_fail_plain(err, -ENODEV, "drive_id: there is no drive '%s'.", update->drive_id);
}

int og_patch_pmem(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		  struct og_err *err)
{
	const struct og_api_pmem_update *update = body;
	int r;

	(void)ret_json;
	for (unsigned i = 0; i < api->n_pmems; i++) {
		struct og_api_pmem *pmem = &api->pmems[i].body;

		if (!og_streq(pmem->id, update->id))
			continue;
		r = api->ops->update(api->data, api, OG_UPDATE_PMEM, body, err);
		if (r == 0)
			keep_limiter(&og_body_pmem, pmem, "rate_limiter", &pmem->rate_limiter,
				     &update->rate_limiter);
		return r;
	}
	return og_fail_plain(err, -ENODEV, "id: there is no pmem device '%s'.", update->id);
}

int og_patch_net(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		 struct og_err *err)
{
	const struct og_api_net_update *update = body;
	int r;

	(void)ret_json;
	for (unsigned i = 0; i < api->n_nets; i++) {
		struct og_api_net *net = &api->nets[i];

		if (!og_streq(net->iface_id, update->iface_id))
			continue;
		r = api->ops->update(api->data, api, OG_UPDATE_NET, body, err);
		if (r < 0)
			return r;
		keep_limiter(&og_body_net, net, "rx_rate_limiter", &net->rx_rate_limiter,
			     &update->rx_rate_limiter);
		keep_limiter(&og_body_net, net, "tx_rate_limiter", &net->tx_rate_limiter,
			     &update->tx_rate_limiter);
		return 0;
	}
	return og_fail_plain(err, -ENODEV, "iface_id: there is no network interface '%s'.",
			     update->iface_id);
}

static int need_balloon(const struct og_vmmapi *api, struct og_err *err)
{
	return api->has_balloon ? 0 : og_fail_plain(err, -ENODEV, "No balloon device found.");
}

int og_patch_balloon(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		     struct og_err *err)
{
	const struct og_api_balloon_update *update = body;
	int r = need_balloon(api, err);

	(void)ret_json;
	if (r == 0 && update->amount_mib > api->machine.mem_size_mib)
		r = og_fail_plain(err, -EINVAL,
				  "amount_mib: Amount of pages requested is too large.");
	if (r == 0)
		r = api->ops->update(api->data, api, OG_UPDATE_BALLOON, body, err);
	if (r == 0)
		api->balloon.amount_mib = update->amount_mib;
	return r;
}

/* Whether there are statistics at all is settled before the start. */
static int need_stats(const struct og_vmmapi *api, struct og_err *err)
{
	int r = need_balloon(api, err);

	return r < 0 || api->balloon.stats_polling_interval_s > 0
		       ? r
		       : og_fail_plain(err, -EINVAL,
				       "Statistics for the balloon device are not "
				       "enabled.");
}

int og_patch_balloon_stats(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
			   struct og_err *err)
{
	const struct og_api_balloon_stats_update *update = body;
	int r = need_stats(api, err);

	(void)ret_json;
	if (r == 0 && update->stats_polling_interval_s == 0)
		r = og_fail_plain(err, -EINVAL,
				  "stats_polling_interval_s: Statistics cannot be enabled/disabled "
				  "after activation.");
	if (r == 0)
		r = api->ops->update(api->data, api, OG_UPDATE_BALLOON_STATS, body, err);
	if (r == 0)
		api->balloon.stats_polling_interval_s = update->stats_polling_interval_s;
	return r;
}

int og_get_balloon_stats(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
			 struct og_err *err)
{
	int r = need_stats(api, err);

	(void)body;
	return r < 0 ? r : api->ops->query(api->data, api, OG_QUERY_BALLOON_STATS, ret_json, err);
}

static int need_hinting(const struct og_vmmapi *api, struct og_err *err)
{
	int r = need_balloon(api, err);

	return r < 0 || api->balloon.free_page_hinting
		       ? r
		       : og_fail_plain(err, -EINVAL, "Free page hinting is not enabled.");
}

int og_hinting_start(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		     struct og_err *err)
{
	int r = need_hinting(api, err);

	(void)ret_json;
	return r < 0 ? r : api->ops->update(api->data, api, OG_UPDATE_HINTING_START, body, err);
}

int og_hinting_stop(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		    struct og_err *err)
{
	int r = need_hinting(api, err);

	(void)body;
	(void)ret_json;
	return r < 0 ? r : api->ops->update(api->data, api, OG_UPDATE_HINTING_STOP, NULL, err);
}

int og_hinting_status(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		      struct og_err *err)
{
	int r = need_hinting(api, err);

	(void)body;
	return r < 0 ? r : api->ops->query(api->data, api, OG_QUERY_HINTING, ret_json, err);
}

static int need_hotplug(const struct og_vmmapi *api, struct og_err *err)
{
	return api->has_hotplug
		       ? 0
		       : og_fail_plain(err, -ENODEV, "No hotpluggable memory is configured.");
}

int og_patch_hotplug(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		     struct og_err *err)
{
	const struct og_api_hotplug_update *update = body;
	int r = need_hotplug(api, err);

	(void)ret_json;
	if (r == 0 && update->requested_size_mib > api->hotplug.total_size_mib)
		r = og_fail_plain(err, -EINVAL,
				  "requested_size_mib: more than total_size_mib, which is %u.",
				  (unsigned)api->hotplug.total_size_mib);
	if (r == 0 && update->requested_size_mib % api->hotplug.block_size_mib != 0)
		r = og_fail_plain(err, -EINVAL,
				  "requested_size_mib: no multiple of block_size_mib, which is %u.",
				  (unsigned)api->hotplug.block_size_mib);
	return r < 0 ? r : api->ops->update(api->data, api, OG_UPDATE_HOTPLUG, body, err);
}

int og_get_hotplug(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
		   struct og_err *err)
{
	int r = need_hotplug(api, err);

	(void)body;
	return r < 0 ? r : api->ops->query(api->data, api, OG_QUERY_HOTPLUG, ret_json, err);
}
